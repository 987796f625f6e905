/*
 * What the two PC boards share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_PC_INT_H
#define HW_I386_PC_INT_H

#include "hw/acpi.h"
#include "hw/isa.h"
#include "hw/machine.h"
#include "hw/pci.h"

/* The main system bus and the processors' objects. */
void pc_init_system(Machine *m);
/* RAM from 0 to low (with the hole below 1 MiB), the rest from 4 GiB. */
bool pc_map_ram(Machine *m, uint64_t low, Error **errp);
/* ISA devices of every PC, in the peer's order; floppy controllers and serial ports as asked for. */
void pc_init_isa(Machine *m, Bus *isa, bool floppy, Device *ioapic);
/* fw_cfg with what follows from the machine; s3, s4: how it can sleep; low: where RAM below 4 GiB ends. */
void pc_init_fw_cfg(Machine *m, uint64_t low, uint8_t s3, uint8_t s4);
/* Drives of an interface to devices on the board's controllers. */
void pc_init_drives(Machine *m);
/* Machine properties shown once the board is there. */
extern const Property pc_props[];
void pc_obj_init(Object *o);

#endif
