/*
 * QMP: device_add, device_del, device-list-properties.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/device.h"
#include "qapi/commands-qdev.h"

static QObject *default_value(const Property *p)
{
    switch (p->kind) {
    case PROP_BOOL: case PROP_BIT32: case PROP_BIT64:
        return qbool_new(p->def);
    case PROP_ENUM:
        return qstring_new(p->names[p->def]);
    case PROP_U64: case PROP_SIZE:
        return quint_new(p->def);
    default:
        return qint_new(p->def);
    }
}

static void add_property(const TypeInfo *owner, const Property *p, void *opaque)
{
    ObjectPropertyInfo *info;

    if (p->internal || p->hidden) {
        return;
    }
    info = ObjectPropertyInfo_new();
    info->name = g_strdup(p->name);
    info->type = g_strdup(property_type(p));
    info->description = g_strdup(p->description);
    info->default_value = p->has_default ? default_value(p) : NULL;
    ObjectPropertyInfoList_append(opaque, info);
}

static void add_backend(const TypeInfo *type, ObjectPropertyInfoList *list)
{
    for (; type; type = type_parent(type)) {
        if (type->backend_type) {
            ObjectPropertyInfo *info = ObjectPropertyInfo_new();

            info->name = g_strdup("virtio-backend");
            info->type = g_strdup_printf("child<%s>", type->backend_type);
            ObjectPropertyInfoList_append(list, info);
            type_foreach_property(type_find(type->backend_type), add_property, list);
            return;
        }
    }
}

ObjectPropertyInfoList *qmp_device_list_properties(const DeviceListPropertiesArgs *arg, Error **errp)
{
    const TypeInfo *type = device_type_find(arg->typename);
    ObjectPropertyInfoList *list;

    if (!type) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", arg->typename);
        return NULL;
    }
    if (!type_is_a(type, "device") || type->abstract) {
        error_setg(errp, "Parameter 'typename' expects a non-abstract device type");
        return NULL;
    }
    list = ObjectPropertyInfoList_new();
    type_foreach_property(type, add_property, list);
    add_backend(type, list);
    return list;
}

QObject *qmp_device_add(const QDict *args, Error **errp)
{
    g_autoptr(QObject) opts = qobject_clone(args);
    QObject *driver = qdict_get(opts, "driver");
    int64_t n;

    if (driver && qobject_get_int(driver, &n)) {       /* any scalar is taken as text */
        g_autofree char *text = g_strdup_printf("%" PRId64, n);

        qdict_put_str(opts, "driver", text);
    }
    device_add_opts(opts, true, true, errp);
    return NULL;
}

void qmp_device_del(const DeviceDelArgs *arg, Error **errp) { device_del(arg->id, errp); }
