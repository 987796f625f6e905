/*
 * Devices: life, address in the QOM tree, globals, reset.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdlib.h>
#include <string.h>
#include "hw/core/device-int.h"
#include "hw/irq.h"
#include "machine/memory.h"
#include "migration/vmstate.h"
#include "util/cutils.h"

const char *const on_off_auto_names[] = { "auto", "on", "off", NULL };
void (*device_event_deleted)(const char *id, const char *path);

static GPtrArray *globals;     /* Global */
static bool machine_ready;

typedef struct Global {
    char *driver, *property, *value;
    bool used;
} Global;

/* --- the "device" type ------------------------------------------------------------------------ */

static QObject *get_realized(Object *o, const Property *p, Error **errp) { return qbool_new(DEVICE(o)->realized); }
static QObject *get_hotplugged(Object *o, const Property *p, Error **errp) { return qbool_new(DEVICE(o)->hotplugged); }

static QObject *get_hotpluggable(Object *o, const Property *p, Error **errp)
{
    const DeviceClass *c = device_class(DEVICE(o));

    return qbool_new(!c || !c->no_hotplug);
}

static QObject *get_parent_bus(Object *o, const Property *p, Error **errp)
{
    return object_path_value(DEVICE(o)->bus ? &DEVICE(o)->bus->obj : NULL);
}

static bool set_realized(Object *o, const Property *p, const QObject *value, Error **errp)
{
    bool on;

    if (!qobject_get_bool(value, &on)) {
        error_setg(errp, qobject_get_str(value) ? "Parameter '%s' expects 'on' or 'off'"
                   : "Invalid parameter type for '%s', expected: boolean", p->name);
        return false;
    }
    if (on != DEVICE(o)->realized) {
        error_setg(errp, "Device '%s' can't be %s this way", o->type->name, on ? "realized" : "unrealized");
        return false;
    }
    return true;
}

static const Property device_props[] = {
    { .name = "realized", .type = "bool", .kind = PROP_CUSTOM, .get = get_realized, .set = set_realized,
      .internal = true },
    { .name = "hotpluggable", .type = "bool", .kind = PROP_CUSTOM, .get = get_hotpluggable, .internal = true },
    { .name = "hotplugged", .type = "bool", .kind = PROP_CUSTOM, .get = get_hotplugged, .internal = true },
    { .name = "parent_bus", .type = "link<bus>", .kind = PROP_CUSTOM, .get = get_parent_bus, .internal = true },
    { NULL }
};

static void device_finalize(Object *o)
{
    Device *d = DEVICE(o);

    g_free(d->id);
    qobject_unref(d->opts);
    if (d->buses) {
        g_ptr_array_unref(d->buses);
    }
}

static const TypeInfo device_type = {
    .name = "device", .abstract = true, .size = sizeof(Device), .props = device_props, .finalize = device_finalize,
};
QOM_TYPE(device_type)

/* --- life --------------------------------------------------------------------------------------------- */

Device *device_new(const char *type)
{
    return DEVICE(object_new(type_find(type)));
}

char *device_path(const Device *d) { return object_path(&d->obj); }

/* A global is read by stricter rules than a -device option. */
static bool check_number(Device *d, const Global *g, Error **errp)
{
    const Property *p = type_find_property(d->obj.type, g->property);
    uint64_t v;

    if (p && p->kind >= PROP_U8 && p->kind <= PROP_U64 && p->kind != PROP_I32 && parse_u64(g->value, 0, &v) < 0) {
        error_setg(errp, "Parameter '%s' expects uint64", p->name);
        return false;
    }
    return true;
}

static bool apply_globals(Device *d, Error **errp)
{
    ERRP_GUARD();

    for (guint i = 0; globals && i < globals->len; i++) {
        Global *g = g_ptr_array_index(globals, i);

        if (!type_is_a(d->obj.type, g->driver)) {
            continue;
        }
        g->used = true;
        if (!check_number(d, g, errp) || !object_set_str(&d->obj, g->property, g->value, errp)) {
            error_prepend(errp, "can't apply global %s.%s=%s: ", g->driver, g->property, g->value);
            return false;
        }
    }
    return true;
}

bool device_apply_globals(Device *d, Error **errp) { return apply_globals(d, errp); }

/* Where devices without a parent go. */
static void give_place(Device *d)
{
    if (d->obj.parent) {
        return;
    }
    object_add_child(object_container("/machine/unattached"), "device[*]", &d->obj);
    object_unref(&d->obj);
}

/* An object for each input that the class tells of: gpio-in "NAME" COUNT. */
static void add_inputs(Device *d, const char *lines)
{
    g_auto(GStrv) all = g_strsplit(lines ? lines : "", "\n", -1);

    for (char **line = all; *line && **line; line++) {
        g_auto(GStrv) parts = g_strsplit(*line, "\"", 3);

        if (strcmp(parts[0], "gpio-in ") || g_strv_length(parts) != 3) {
            continue;
        }
        for (int n = atoi(parts[2]); n > 0; n--) {
            g_autofree char *name = g_strdup_printf("%s[*]", *parts[1] ? parts[1] : "unnamed-gpio-in");

            irq_add_object(&d->obj, name);
        }
    }
}

/* Regions that it makes are the device's own. */
static bool call_realize(Device *d, const DeviceClass *c, Error **errp)
{
    Object *before = io_region_set_owner(&d->obj);
    bool ok;

    add_inputs(d, c ? c->lines : NULL);
    ok = !c || !c->realize || c->realize(d, errp);

    io_region_set_owner(before);
    return ok;
}

char *device_place(const Device *d)
{
    return d->bus && d->bus->kind->place ? d->bus->kind->place(d) : NULL;
}

typedef struct BootIndex { const Device *of; int64_t index; bool taken; } BootIndex;

static bool get_boot_index(const Device *d, int64_t *index)
{
    g_autoptr(QObject) v = object_get((Object *)&d->obj, "bootindex", NULL);

    return v && qobject_get_int(v, index) && *index >= 0;
}

static void compare_boot_index(Device *d, void *opaque)
{
    BootIndex *b = opaque;
    int64_t index;

    b->taken |= d != b->of && get_boot_index(d, &index) && index == b->index;
}

/* No two devices may be tried at the same place. */
static bool check_boot_index(const Device *d, Error **errp)
{
    BootIndex b = { .of = d };

    if (!get_boot_index(d, &b.index)) {
        return true;
    }
    device_foreach(compare_boot_index, &b);
    if (b.taken) {
        error_setg(errp, "The bootindex %" PRId64 " has already been used", b.index);
    }
    return !b.taken;
}

bool device_realize(Device *d, Bus *bus, Error **errp)
{
    const DeviceClass *c = device_class(d);

    give_place(d);
    if (!check_boot_index(d, errp)) {
        return false;
    }
    if (bus) {
        if (bus->kind->check_address && !bus->kind->check_address(bus, d, errp)) {
            return false;
        }
        bus_attach(bus, d);
    }
    d->hotplugged = machine_ready;
    if (!call_realize(d, c, errp)) {
        if (bus) {
            bus_detach(d);
        }
        return false;
    }
    d->realized = true;
    if (c && c->vmstate) {
        g_autofree char *place = device_place(d);

        vmstate_register(place, c->vmstate, d);
    }
    if (machine_ready && c && c->reset) {
        c->reset(d);
    }
    return true;
}

void device_unrealize(Device *d)
{
    const DeviceClass *c = device_class(d);

    if (!d->realized) {
        return;
    }
    d->realized = false;
    vmstate_unregister(d);
    for (guint i = 0; d->buses && i < d->buses->len; i++) {
        Bus *b = g_ptr_array_index(d->buses, i);

        while (b->devices->len) {
            Device *child = g_ptr_array_index(b->devices, b->devices->len - 1);

            object_ref(&child->obj);
            device_unplug_now(child);
            object_unref(&child->obj);
        }
    }
    if (c && c->unrealize) {
        c->unrealize(d);
    }
    while (d->buses && d->buses->len) {
        bus_free(g_ptr_array_index(d->buses, 0));
    }
    bus_detach(d);
}

void device_unplug_now(Device *d)
{
    g_autofree char *path = device_path(d), *id = g_strdup(d->id);

    object_ref(&d->obj);
    device_unrealize(d);
    object_unparent(&d->obj);
    object_unref(&d->obj);
    if (device_event_deleted && path && machine_ready) {
        device_event_deleted(id, path);
    }
}

Device *device_create_on_board(const char *type, Bus *bus, const char *path_name)
{
    Device *d = device_new(type);

    if (path_name) {
        object_add_child(object_container("/machine"), path_name, &d->obj);
        object_unref(&d->obj);
    }
    apply_globals(d, &error_fatal);
    device_realize(d, bus, &error_fatal);
    return d;
}

/* --- globals ---------------------------------------------------------------------------------------------- */

void device_add_global(const char *driver, const char *property, const char *value)
{
    Global *g = g_new0(Global, 1);

    g->driver = g_strdup(driver);
    g->property = g_strdup(property);
    g->value = g_strdup(value);
    if (!globals) {
        globals = g_ptr_array_new();
    }
    g_ptr_array_add(globals, g);
}

void device_check_globals(void)
{
    for (guint i = 0; globals && i < globals->len; i++) {
        Global *g = g_ptr_array_index(globals, i);

        if (!g->used && !type_find(g->driver)) {
            warn_report("global %s.%s has invalid class name", g->driver, g->property);
        } else if (!g->used && !type_is_a(type_find(g->driver), "device")) {
            warn_report("global %s.%s=%s not used", g->driver, g->property, g->value);
        }
    }
}

/* --- finding, reset ------------------------------------------------------------------------------------------ */

void device_set_machine_ready(void) { machine_ready = true; }
bool device_machine_is_ready(void) { return machine_ready; }

Device *device_find(const char *id)
{
    Object *o = object_child(object_container("/machine/peripheral"), id);

    return o && object_is_a(o, "device") ? DEVICE(o) : NULL;
}

Device *device_resolve(const char *id_or_path)
{
    Object *o;

    if (id_or_path[0] != '/') {
        return device_find(id_or_path);
    }
    o = object_resolve_path(id_or_path, NULL);
    return o && object_is_a(o, "device") ? DEVICE(o) : NULL;
}

static void foreach_below(Object *o, void (*fn)(Device *d, void *opaque), void *opaque)
{
    for (guint i = 0; o->children && i < o->children->len; i++) {
        foreach_below(((ObjectChild *)g_ptr_array_index(o->children, i))->obj, fn, opaque);
    }
    if (object_is_a(o, "device") && DEVICE(o)->realized) {
        fn(DEVICE(o), opaque);
    }
}

void device_foreach(void (*fn)(Device *d, void *opaque), void *opaque)
{
    foreach_below(object_container("/machine"), fn, opaque);
}

static void reset_one(Device *d, void *opaque)
{
    const DeviceClass *c = device_class(d);

    if (c && c->reset) {
        c->reset(d);
    }
}

void devices_reset(void *opaque) { device_foreach(reset_one, NULL); }
