/*
 * Between devices and buses.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_CORE_DEVICE_INT_H
#define HW_CORE_DEVICE_INT_H

#include "hw/device.h"

void bus_attach(Bus *bus, Device *d);
void bus_detach(Device *d);
bool device_apply_globals(Device *d, Error **errp);
/* The bus a -device goes to: by name, or the first that takes its kind. */
Bus *bus_for_device(const TypeInfo *type, const char *name, Error **errp);

#endif
