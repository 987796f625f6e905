/*
 * The ISA bus.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/isa.h"

static const TypeInfo isa_device_type = {
    .name = "isa-device", .parent = "device", .abstract = true, .size = sizeof(Device),
};
QOM_TYPE(isa_device_type)

Bus *isa_bus_new(Device *bridge)
{
    static const BusType kind = { .name = "ISA" };

    return bus_new(&kind, bridge, "isa.0");
}
