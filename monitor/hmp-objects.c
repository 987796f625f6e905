/*
 * HMP: objects and devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hmp-int.h"
#include "hw/device.h"
#include "qapi/commands-qdev.h"
#include "qapi/commands-qom.h"

#pragma weak qmp_qom_list
#pragma weak qmp_qom_get
#pragma weak qmp_object_del

static char *str(const QDict *args, const char *name) { return (char *)qdict_get_str(args, name); }

void hmp_qom_list(Monitor *mon, const QDict *args)
{
    QomListArgs a = { str(args, "path") };
    Error *err = NULL;
    ObjectPropertyInfoList *list;

    if (!a.path) {
        monitor_printf(mon, "/\n");
        return;
    }
    list = qmp_qom_list(&a, &err);
    for (size_t i = 0; list && i < list->len; i++) {
        monitor_printf(mon, "%s (%s)\n", list->items[i]->name, list->items[i]->type);
    }
    ObjectPropertyInfoList_free(list);
    hmp_error(mon, err);
}

void hmp_qom_get(Monitor *mon, const QDict *args)
{
    QomGetArgs a = { str(args, "path"), str(args, "property") };
    Error *err = NULL;
    g_autoptr(QObject) value = qmp_qom_get(&a, &err);
    g_autofree char *text = value ? json_print(value, true) : NULL;

    if (text) {
        monitor_printf(mon, "%s\n", text);
    }
    hmp_error(mon, err);
}

void hmp_object_del(Monitor *mon, const QDict *args)
{
    ObjectDelArgs a = { str(args, "id") };
    Error *err = NULL;

    qmp_object_del(&a, &err);
    hmp_error(mon, err);
}

void hmp_qom_set(Monitor *mon, const QDict *args)
{
    const char *path = qdict_get_str(args, "path"), *text = qdict_get_str(args, "value");
    bool json = qdict_get_bool(args, "json", false), ambiguous = false;
    g_autoptr(QObject) value = NULL;
    Error *err = NULL;
    Object *o;

    value = json ? json_parse(text, &err) : qstring_new(text);
    if (hmp_error(mon, err)) {
        return;
    }
    o = object_resolve_path(path, &ambiguous);
    if (!o && ambiguous) {
        error_setg(&err, "Path '%s' is ambiguous", path);
    } else if (!o) {
        error_setg(&err, "Device '%s' not found", path);
    } else if (json) {
        object_set(o, qdict_get_str(args, "property"), value, &err);
    } else {
        object_set_text(o, qdict_get_str(args, "property"), value, &err);
    }
    hmp_error(mon, err);
}

void hmp_object_add(Monitor *mon, const QDict *args)
{
    const char *text = qdict_get_str(args, "object");
    Error *err = NULL;

    if (!user_object_help(text)) {
        user_object_add_arg(text, &err);
    }
    hmp_error(mon, err);
}

void hmp_device_add(Monitor *mon, const QDict *args)
{
    Error *err = NULL;

    if (!device_help(args)) {
        device_add_opts(args, true, true, &err);
    }
    hmp_error(mon, err);
}

void hmp_device_del(Monitor *mon, const QDict *args)
{
    Error *err = NULL;

    device_del(qdict_get_str(args, "id"), &err);
    hmp_error(mon, err);
}

/* --- completion -------------------------------------------------------------------------------- */

void hmp_complete_object_add(Readline *rl, int n, char **args)
{
    g_autoptr(GPtrArray) types = type_list();

    for (guint i = 0; n == 2 && i < types->len; i++) {
        const TypeInfo *type = g_ptr_array_index(types, i);

        if (type->user_creatable && !type->abstract) {
            readline_add_completion_of(rl, args[1], type->name);
        }
    }
}

void hmp_complete_object_del(Readline *rl, int n, char **args)
{
    Object *objects = object_container("/objects");

    for (guint i = 0; n == 2 && objects->children && i < objects->children->len; i++) {
        const ObjectChild *c = g_ptr_array_index(objects->children, i);

        if (c->obj->type->user_creatable) {
            readline_add_completion_of(rl, args[1], c->name);
        }
    }
}

void hmp_complete_device_add(Readline *rl, int n, char **args)
{
    g_autoptr(GPtrArray) types = type_list();

    for (guint i = 0; n == 2 && i < types->len; i++) {
        const TypeInfo *type = g_ptr_array_index(types, i);

        if (!type->abstract && type_is_a(type, "device") && !((const DeviceClass *)type_class(type))->no_user) {
            readline_add_completion_of(rl, args[1], type->name);
        }
    }
}

typedef struct Wanted { Readline *rl; const char *prefix; } Wanted;

static void add_device_id(Device *d, void *opaque)
{
    Wanted *w = opaque;

    if (d->id && d->bus && d->bus->kind->hotplug) {
        readline_add_completion_of(w->rl, w->prefix, d->id);
    }
}

void hmp_complete_device_del(Readline *rl, int n, char **args)
{
    Wanted w = { rl, args[n - 1] };

    if (n == 2) {
        device_foreach(add_device_id, &w);
    }
}
