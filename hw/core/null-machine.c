/*
 * The empty machine: no processor, no buses but the system bus, memory only when asked for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/machine.h"
#include "machine/memory.h"

static bool none_init(Machine *m, Error **errp)
{
    static const BusType system_bus = { .name = "System" };
    Bus *bus = bus_new(&system_bus, NULL, NULL);

    object_add_child(object_container("/machine/unattached"), "sysbus", &bus->obj);
    object_unref(&bus->obj);
    bus_set_root(bus);
    if (m->ram) {
        io_region_map(machine_memory_region(m), 0, 0);
    }
    return true;
}

static const MachineClass none_class = {
    .name = "none", .desc = "empty machine", .max_cpus = 1, .default_ram_id = "ram", .init = none_init,
};
static const TypeInfo none_type = {
    .name = "none-machine", .parent = "machine", .size = sizeof(Machine), .class_data = &none_class,
};
QOM_TYPE(none_type)
