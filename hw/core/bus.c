/*
 * Buses: making them, finding the one for a new device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/core/device-int.h"

static Bus *root_bus;

static QObject *get_realized(Object *o, const Property *p, Error **errp) { return qbool_new(true); }
static QObject *get_handler(Object *o, const Property *p, Error **errp) { return qstring_new(""); }

static const Property bus_props[] = {
    { .name = "realized", .type = "bool", .kind = PROP_CUSTOM, .get = get_realized, .internal = true },
    { .name = "hotplug-handler", .type = "link<hotplug-handler>", .kind = PROP_CUSTOM, .get = get_handler,
      .internal = true },
    { NULL }
};
static const TypeInfo bus_type = { .name = "bus", .abstract = true, .size = sizeof(Bus), .props = bus_props };
QOM_TYPE(bus_type)

#define BUS_TYPE(ident, bus_name)                                                                  \
    static const TypeInfo ident = { .name = bus_name, .parent = "bus", .size = sizeof(Bus) };      \
    QOM_TYPE(ident)
BUS_TYPE(pci_bus_type, "PCI")
static const TypeInfo pcie_bus_type = { .name = "PCIE", .parent = "PCI", .size = sizeof(Bus) };
QOM_TYPE(pcie_bus_type)
BUS_TYPE(isa_bus_type, "ISA")
BUS_TYPE(ide_bus_type, "IDE")
BUS_TYPE(scsi_bus_type, "SCSI")
BUS_TYPE(floppy_bus_type, "floppy-bus")
BUS_TYPE(virtio_bus_type, "virtio-bus")
static const TypeInfo virtio_pci_bus_type = { .name = "virtio-pci-bus", .parent = "virtio-bus", .size = sizeof(Bus) };
QOM_TYPE(virtio_pci_bus_type)
BUS_TYPE(system_bus_type, "System")
BUS_TYPE(i2c_bus_type, "i2c-bus")

static void add_child_link(Bus *bus, Device *d);

/* "ID.N", or "kind.N" with small letters, as names are made up when none is given. */
static char *make_name(const BusType *kind, Device *parent)
{
    g_autofree char *lower = g_ascii_strdown(kind->name, -1);

    if (parent && parent->id) {
        return g_strdup_printf("%s.%u", parent->id, parent->buses ? parent->buses->len : 0);
    }
    return g_strdup_printf("%s.%u", lower, parent && parent->buses ? parent->buses->len : 0);
}

Bus *bus_new(const BusType *kind, Device *parent, const char *name)
{
    const TypeInfo *type = type_find(kind->type ? kind->type : kind->name);
    Bus *bus = (Bus *)object_new(type);
    g_autofree char *full = name ? g_strdup(name) : make_name(kind, parent);

    bus->kind = kind;
    bus->parent = parent;
    bus->devices = g_ptr_array_new();
    if (parent) {
        if (!parent->buses) {
            parent->buses = g_ptr_array_new();
        }
        g_ptr_array_add(parent->buses, bus);
        object_add_child(&parent->obj, full, &bus->obj);
        object_unref(&bus->obj);
    }
    return bus;
}

void bus_free(Bus *bus)
{
    g_ptr_array_unref(bus->devices);
    if (bus->parent) {
        g_ptr_array_remove(bus->parent->buses, bus);
        object_unparent(&bus->obj);
    }
}

void bus_set_root(Bus *bus) { root_bus = bus; }
Bus *bus_root(void) { return root_bus; }

static QObject *get_child(Object *o, void *opaque, Error **errp)
{
    return object_path_value(opaque);
}

/* Buses list their devices as child[N] links. */
static void add_child_link(Bus *bus, Device *d)
{
    g_autofree char *name = NULL, *type = g_strdup_printf("link<%s>", d->obj.type->name);
    unsigned n = 0;

    for (guint i = 0; bus->obj.dyn && i < bus->obj.dyn->len; i++) {
        const char *other = ((DynProperty *)g_ptr_array_index(bus->obj.dyn, i))->name;

        n = MAX(n, (unsigned)atoi(other + strlen("child[")) + 1);
    }
    name = g_strdup_printf("child[%u]", n);
    object_add_dyn(&bus->obj, name, type, get_child, d);
}

void bus_attach(Bus *bus, Device *d)
{
    d->bus = bus;
    g_ptr_array_add(bus->devices, d);
    add_child_link(bus, d);
}

void bus_detach(Device *d)
{
    Bus *bus = d->bus;

    if (!bus) {
        return;
    }
    g_ptr_array_remove(bus->devices, d);
    for (guint i = 0; bus->obj.dyn && i < bus->obj.dyn->len; i++) {
        if (((DynProperty *)g_ptr_array_index(bus->obj.dyn, i))->opaque == d) {
            g_ptr_array_remove_index(bus->obj.dyn, i);
            break;
        }
    }
    d->bus = NULL;
}

/* --- finding ------------------------------------------------------------------------------------ */

static bool takes_type(const Bus *bus, const char *bus_type)
{
    return type_is_a(bus->obj.type, bus_type);
}

static bool has_room(const Bus *bus)
{
    return !bus->kind->max_devices || (int)bus->devices->len < bus->kind->max_devices;
}

/* The first bus of the kind at or below `bus`, what was made last before the rest, as with the peer; one with room if
   there is any. */
static Bus *search(Bus *bus, const char *name, const char *bus_type, bool need_room)
{
    if (name ? !strcmp(bus->obj.name ? bus->obj.name : "main-system-bus", name)
             : takes_type(bus, bus_type) && (!need_room || has_room(bus))) {
        return bus;
    }
    for (guint i = bus->devices->len; i-- > 0; ) {
        Device *d = g_ptr_array_index(bus->devices, i);

        for (guint j = d->buses ? d->buses->len : 0; j-- > 0; ) {
            Bus *found = search(g_ptr_array_index(d->buses, j), name, bus_type, need_room);

            if (found) {
                return found;
            }
        }
    }
    return NULL;
}

Bus *bus_find_type(const char *bus_type, const Device *for_device)
{
    Bus *found = root_bus ? search(root_bus, NULL, bus_type, true) : NULL;

    return found ? found : root_bus ? search(root_bus, NULL, bus_type, false) : NULL;
}

/* "pci.0", "dev/bus.0", "/main-system-bus/...": the last element decides, ids of devices may stand before it. */
static Bus *find_named(const char *path)
{
    const char *last = strrchr(path, '/');
    Device *d;

    if (!root_bus) {
        return NULL;
    }
    d = last ? NULL : device_find(path);
    if (d && d->buses && d->buses->len == 1) {
        return g_ptr_array_index(d->buses, 0);
    }
    return search(root_bus, last ? last + 1 : path, NULL, false);
}

Bus *bus_find_name(const char *name) { return find_named(name); }

Bus *bus_for_device(const TypeInfo *type, const char *name, Error **errp)
{
    const DeviceClass *c = type_class(type);
    Bus *bus;

    if (!name) {
        bus = bus_find_type(c->bus_type, NULL);
        if (!bus) {
            error_setg(errp, "No '%s' bus found for device '%s'", c->bus_type, type->name);
        }
    } else {
        bus = find_named(name);
        if (!bus) {
            error_setg(errp, "Bus '%s' not found", name);
        } else if (!takes_type(bus, c->bus_type)) {
            error_setg(errp, "Device '%s' can't go on %s bus", type->name, bus->obj.type->name);
            bus = NULL;
        }
    }
    if (bus && !has_room(bus) && !name) {
        return bus;      /* its address check tells what is wrong */
    }
    return bus;
}
