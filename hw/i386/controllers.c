/*
 * Interrupt controllers as objects: where their inputs are found by path.  What they do with a raised input is
 * the accelerator's business (gsi_set_sink).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/device.h"

static const DeviceClass board_class = { .category = DEVICE_MISC, .no_user = true, .no_hotplug = true };

#define BOARD_TYPE(ident, type_name)                                                                            \
    static const TypeInfo ident = { .name = type_name, .parent = "device", .size = sizeof(Device), .class_data = &board_class }; \
    QOM_TYPE(ident)

BOARD_TYPE(ioapic_type, "ioapic")
BOARD_TYPE(i8259_type, "isa-i8259")
