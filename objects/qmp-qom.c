/*
 * QMP: the tree of objects and user creatable objects.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "objects/iothread.h"
#include "qapi/commands-misc.h"
#include "qapi/commands-qom.h"
#include "qom/object.h"

static ObjectPropertyInfo *info_new(const char *name, const char *type)
{
    ObjectPropertyInfo *info = ObjectPropertyInfo_new();

    info->name = g_strdup(name);
    info->type = g_strdup(type);
    return info;
}

static Object *find_object(const char *path, Error **errp)
{
    bool ambiguous;
    Object *o = object_resolve_path(path, &ambiguous);

    if (!o && (ambiguous || !*path)) {
        error_setg(errp, "Path '%s' is ambiguous", path);
    } else if (!o) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", path);
    }
    return o;
}

static void add_property(const TypeInfo *owner, const Property *p, void *opaque)
{
    if (!p->options_only && !p->class_only) {
        ObjectPropertyInfoList_append(opaque, info_new(p->name, property_type(p)));
    }
}

/* A device that shows its backend's properties as its own. */
static void add_backend_property(const TypeInfo *owner, const Property *p, void *opaque)
{
    if (!p->internal) {
        add_property(owner, p, opaque);
    }
}

ObjectPropertyInfoList *qmp_qom_list(const QomListArgs *arg, Error **errp)
{
    Object *o = find_object(arg->path, errp), *backend;
    ObjectPropertyInfoList *list;

    if (!o) {
        return NULL;
    }
    list = ObjectPropertyInfoList_new();
    type_foreach_property(o->type, add_property, list);
    backend = object_child(o, "virtio-backend");
    if (backend) {
        type_foreach_property(backend->type, add_backend_property, list);
    }
    for (guint i = 0; o->dyn && i < o->dyn->len; i++) {
        DynProperty *d = g_ptr_array_index(o->dyn, i);

        ObjectPropertyInfoList_append(list, info_new(d->name, d->type));
    }
    for (guint i = 0; o->children && i < o->children->len; i++) {
        ObjectChild *c = g_ptr_array_index(o->children, i);
        g_autofree char *type = g_strdup_printf("child<%s>", c->obj->type->name);

        ObjectPropertyInfoList_append(list, info_new(c->name, type));
    }
    return list;
}

QObject *qmp_qom_get(const QomGetArgs *arg, Error **errp)
{
    Object *o = find_object(arg->path, errp);

    return o ? object_get(o, arg->property, errp) : NULL;
}

void qmp_qom_set(const QomSetArgs *arg, Error **errp)
{
    Object *o = find_object(arg->path, errp);

    if (o) {
        object_set(o, arg->property, arg->value, errp);
    }
}

ObjectTypeInfoList *qmp_qom_list_types(const QomListTypesArgs *arg, Error **errp)
{
    ObjectTypeInfoList *list = ObjectTypeInfoList_new();
    g_autoptr(GPtrArray) types = type_list();

    for (guint i = 0; i < types->len; i++) {
        const TypeInfo *type = g_ptr_array_index(types, i), *parent = type_parent(type);
        ObjectTypeInfo *info;

        if ((type->abstract && !(arg->has_abstract && arg->abstract)) || type->interface
            || (arg->implements && !type_is_a(type, arg->implements))) {
            continue;
        }
        info = ObjectTypeInfo_new();
        info->name = g_strdup(type->name);
        info->has_abstract = info->abstract = type->abstract;
        info->parent = parent ? g_strdup(parent->name) : NULL;
        ObjectTypeInfoList_append(list, info);
    }
    return list;
}

static void add_type_property(const TypeInfo *owner, const Property *p, void *opaque)
{
    ObjectPropertyInfo *info;

    if (p->options_only) {
        return;
    }
    info = info_new(p->name, property_type(p));
    info->description = g_strdup(p->description);
    ObjectPropertyInfoList_append(opaque, info);
}

ObjectPropertyInfoList *qmp_qom_list_properties(const QomListPropertiesArgs *arg, Error **errp)
{
    const TypeInfo *type = type_find(arg->typename);
    ObjectPropertyInfoList *list;

    if (!type) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Class '%s' not found", arg->typename);
        return NULL;
    }
    list = ObjectPropertyInfoList_new();
    type_foreach_property(type, add_type_property, list);
    return list;
}

QObject *qmp_object_add(const QDict *args, Error **errp)
{
    user_object_add_dict(args, errp);
    return NULL;
}

void qmp_object_del(const ObjectDelArgs *arg, Error **errp) { user_object_del(arg->id, errp); }

static void add_iothread(IoThread *t, void *opaque)
{
    IOThreadInfo *info = IOThreadInfo_new();

    info->id = g_strdup(iothread_id(t));
    info->thread_id = t->thread_id;
    info->poll_max_ns = t->poll_max_ns;
    info->poll_grow = t->poll_grow;
    info->poll_shrink = t->poll_shrink;
    info->aio_max_batch = t->aio_max_batch;
    IOThreadInfoList_append(opaque, info);
}

IOThreadInfoList *qmp_query_iothreads(Error **errp)
{
    IOThreadInfoList *list = IOThreadInfoList_new();

    iothread_foreach(add_iothread, list);
    return list;
}
