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

/* A processor with its interrupt controller; later, when the bridge is there, what they see in system management
   mode. */
void pc_add_cpu(Machine *m);
void pc_add_smm_views(void);
void vmport_create(Bus *isa, Device *i8042);
/* The main system bus and the processors' objects. */
void pc_init_system(Machine *m);
/* RAM from 0 to low, the rest from 4 GiB; ROM; the container for what PCI devices show; ports that only take writes. */
void pc_init_memory(Machine *m, uint64_t low);
IoRegion *pc_ram(void);                              /* all of it; NULL: none */
/* Takes writes, reads as ones. */
IoRegion *pc_blackhole(const char *name, uint64_t size);

/* Programmable attribute map: 13 pieces of the area from 0xc0000 to 1 MiB show PCI, or RAM for reads, writes or
   both. */
#define PAM_SEGMENTS 13
typedef struct PamSegment { IoRegion *mode[4]; } PamSegment;
void pam_init(PamSegment *pam);
/* registers[0] has the mode of 0xf0000 in its high half, the others follow, low half first. */
void pam_update(PamSegment *pam, const uint8_t *registers);

/* What only system management mode sees over the rest of memory. */
void pc_set_smram(IoRegion *smram);
IoRegion *pc_smram(void);                            /* NULL: none */

/* A port whose bit 2 resets the machine (0xcf9), under its chip's name. */
void pc_map_reset_control(const char *name);
/* ISA devices of every PC, in the peer's order; floppy controllers and serial ports as asked for. */
void pc_init_isa(Machine *m, Bus *isa, bool floppy, Device *ioapic);
/* fw_cfg with what follows from the machine; s3, s4: how it can sleep; low: where RAM below 4 GiB ends. */
void pc_init_fw_cfg(Machine *m, uint64_t low, uint8_t s3, uint8_t s4);
/* That address, from then on. */
uint64_t pc_low_memory(void);
/* Drives of an interface to devices on the board's controllers. */
void pc_init_ide_drives(void);
void pc_init_floppies(void);
/* Machine properties shown once the board is there. */
extern const Property pc_props[];
void pc_obj_init(Object *o);
/* The file "bootorder", from now on and after each reset. */
void pc_init_bootorder(void);

#endif
