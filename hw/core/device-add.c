/*
 * -device, device_add, device_del, and the help texts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <string.h>
#include "hw/core/device-int.h"
#include "util/cutils.h"

const TypeInfo *device_type_find(const char *name)
{
    const TypeInfo *type = type_find(name);
    g_autoptr(GPtrArray) list = NULL;

    if (type) {
        return type;
    }
    list = type_list();
    for (guint i = 0; i < list->len; i++) {
        const TypeInfo *t = g_ptr_array_index(list, i);
        const DeviceClass *c = type_is_a(t, "device") ? type_class(t) : NULL;

        if (c && c->alias && !t->abstract && t->class_data == c && !g_strcmp0(c->alias, name)) {
            return t;
        }
    }
    return NULL;
}

static const TypeInfo *check_driver(const char *name, bool hotplug, Error **errp)
{
    const TypeInfo *type = device_type_find(name);
    const DeviceClass *c;

    if (!type || !type_is_a(type, "device")) {
        error_setg(errp, "'%s' is not a valid device model name", name);
        return NULL;
    }
    c = type_class(type);
    if (type->abstract) {
        error_setg(errp, "Parameter 'driver' expects a non-abstract device type");
        return NULL;
    }
    if (!c || c->no_user || (hotplug && c->no_hotplug)) {
        error_setg(errp, "Parameter 'driver' expects a pluggable device type");
        return NULL;
    }
    return type;
}

static bool check_id(const char *id, bool hotplug, Error **errp)
{
    ERRP_GUARD();

    if (id && !id_wellformed(id)) {
        error_setg(errp, "Parameter 'id' expects an identifier");
        error_append_hint(errp, "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.\n");
        return false;
    }
    if (id && device_find(id)) {
        error_setg(errp, hotplug ? "Duplicate device ID '%s'" : "Duplicate ID '%s' for device", id);
        return false;
    }
    return true;
}

static bool set_props(Device *d, const QDict *opts, bool text, Error **errp)
{
    for (size_t i = 0; i < qdict_size(opts); i++) {
        const char *key = qdict_key_at(opts, i);
        const QObject *value = qdict_value_at(opts, i);

        if (!strcmp(key, "driver") || !strcmp(key, "bus") || !strcmp(key, "id")) {
            continue;
        }
        if (!(text ? object_set_text(&d->obj, key, value, errp) : object_set(&d->obj, key, value, errp))) {
            return false;
        }
    }
    return true;
}

static void place(Device *d, const char *id)
{
    if (id) {
        d->id = g_strdup(id);
        object_add_child(object_container("/machine/peripheral"), id, &d->obj);
    } else {
        object_add_child(object_container("/machine/peripheral-anon"), "device[*]", &d->obj);
    }
    object_unref(&d->obj);
}

Device *device_add_opts(const QDict *opts, bool text, bool hotplug, Error **errp)
{
    const char *driver = qdict_get_str(opts, "driver"), *id = qdict_get_str(opts, "id");
    const TypeInfo *type;
    Bus *bus = NULL;
    Device *d;

    if (!driver) {
        error_setg(errp, "Parameter 'driver' is missing");
        return NULL;
    }
    if (!check_id(id, hotplug, errp)) {
        return NULL;
    }
    type = check_driver(driver, hotplug, errp);
    if (!type) {
        return NULL;
    }
    if (((const DeviceClass *)type_class(type))->bus_type) {
        bus = bus_for_device(type, qdict_get_str(opts, "bus"), errp);
        if (!bus) {
            return NULL;
        }
    }
    if (hotplug && bus && !bus->kind->hotplug) {
        error_setg(errp, "Bus '%s' does not support hotplugging", bus->obj.name ? bus->obj.name : "main-system-bus");
        return NULL;
    }
    d = DEVICE(object_new(type));
    d->opts = qobject_clone(opts);
    place(d, id);
    if (!device_apply_globals(d, errp) || !set_props(d, opts, text, errp) || !device_realize(d, bus, errp)) {
        object_unparent(&d->obj);
        return NULL;
    }
    return d;
}

void device_del(const char *id, Error **errp)
{
    Object *o = id[0] == '/' ? object_resolve_path(id, NULL)
                : object_child(object_container("/machine/peripheral"), id);
    Device *d;

    if (!o) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", id);
        return;
    }
    if (!object_is_a(o, "device")) {
        error_setg(errp, "%s is not a hotpluggable device", id);
        return;
    }
    d = DEVICE(o);
    if (d->bus && !d->bus->kind->hotplug) {
        error_setg(errp, "Bus '%s' does not support hotplugging",
                   d->bus->obj.name ? d->bus->obj.name : "main-system-bus");
        return;
    }
    if (device_class(d)->no_hotplug || d->obj.parent == object_container("/machine/unattached")) {
        error_setg(errp, "Device '%s' does not support hotplugging", d->obj.type->name);
        return;
    }
    if (d->pending_delete) {
        error_setg(errp, "Device %s is already in the process of unplug", id);
        return;
    }
    if (d->bus && d->bus->kind->request_unplug) {
        d->bus->kind->request_unplug(d->bus, d, errp);
    } else {
        device_unplug_now(d);
    }
}

/* --- help ----------------------------------------------------------------------------------------- */

static int compare_names_nocase(gconstpointer a, gconstpointer b)
{
    return strcasecmp((*(const TypeInfo *const *)a)->name, (*(const TypeInfo *const *)b)->name);
}

static bool shown_in(const TypeInfo *type, int category, bool all)
{
    const DeviceClass *c = type_is_a(type, "device") && !type->abstract ? type_class(type) : NULL;

    return c && (all || !c->no_user) && (int)c->category == category;
}

static void print_type(const TypeInfo *type)
{
    const DeviceClass *c = type_class(type);

    out_printf("name \"%s\"", type->name);
    if (c->bus_type) {
        out_printf(", bus %s", c->bus_type);
    }
    if (c->alias && type->class_data == c) {
        out_printf(", alias \"%s\"", c->alias);
    }
    if (c->desc) {
        out_printf(", desc \"%s\"", c->desc);
    }
    if (c->no_user) {
        out_printf(", no-user");
    }
    out_printf("\n");
}

void device_print_models(bool all)
{
    static const char *const names[DEVICE_CATEGORY_MAX] = {
        "Controller/Bridge/Hub", "USB", "Storage", "Network", "Input", "Display", "Sound", "Misc", "CPU", "Watchdog",
        "Uncategorized",
    };
    g_autoptr(GPtrArray) list = type_list();
    bool any = false;

    g_ptr_array_sort(list, compare_names_nocase);
    for (int category = 0; category < DEVICE_CATEGORY_MAX; category++) {
        bool headed = false;

        for (guint i = 0; i < list->len; i++) {
            if (!shown_in(g_ptr_array_index(list, i), category, all)) {
                continue;
            }
            if (!headed) {
                out_printf("%s%s devices:\n", any ? "\n" : "", names[category]);
                headed = any = true;
            }
            print_type(g_ptr_array_index(list, i));
        }
    }
}

static char *default_text(const Property *p)
{
    switch (p->kind) {
    case PROP_BOOL: case PROP_BIT32: case PROP_BIT64:
        return g_strdup(p->def ? "true" : "false");
    case PROP_ENUM:
        return g_strdup_printf("\"%s\"", p->names[p->def]);
    case PROP_U64: case PROP_SIZE:
        return g_strdup_printf("%" PRIu64, (uint64_t)p->def);
    default:
        return g_strdup_printf("%" PRId64, p->def);
    }
}

static void add_line(const TypeInfo *owner, const Property *p, void *opaque)
{
    g_autofree char *head = NULL;
    g_autofree char *def = NULL;

    if (p->internal || p->hidden || p->class_only || g_str_has_prefix(property_type(p), "link<")) {
        return;
    }
    head = g_strdup_printf("  %s=<%s>", p->name, property_type(p));
    if (!p->has_default && !p->description) {
        g_ptr_array_add(opaque, g_strdup(head));
        return;
    }
    def = p->has_default ? default_text(p) : NULL;
    g_ptr_array_add(opaque, g_strdup_printf("%-24s - %s%s%s%s", head, p->description ? p->description : "",
                                            def ? " (default: " : "", def ? def : "", def ? ")" : ""));
}

static int compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_lines(const TypeInfo *type, GPtrArray *lines)
{
    type_foreach_property(type, add_line, lines);
    for (const TypeInfo *t = type; t; t = type_parent(t)) {
        if (t->backend_type) {
            type_foreach_property(type_find(t->backend_type), add_line, lines);
            return;
        }
    }
}

static void print_props(const TypeInfo *type)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    add_lines(type, lines);
    g_ptr_array_sort(lines, compare_lines);
    out_printf(lines->len ? "%s options:\n" : "There are no options for %s.\n", type->name);
    for (guint i = 0; i < lines->len; i++) {
        out_printf("%s\n", (char *)g_ptr_array_index(lines, i));
    }
}

bool device_help(const QDict *opts)
{
    const char *driver = qdict_get_str(opts, "driver");
    const TypeInfo *type;

    if (driver && (!strcmp(driver, "help") || !strcmp(driver, "?"))) {
        device_print_models(false);
        return true;
    }
    if (!driver || !qdict_has(opts, "help")) {
        return false;
    }
    type = check_driver(driver, false, &error_fatal);
    print_props(type);
    return true;
}
