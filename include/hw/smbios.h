/*
 * What the machine tells about itself in SMBIOS structures, for the firmware to publish.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_SMBIOS_H
#define HW_SMBIOS_H

#include "hw/machine.h"

/* -smbios: one use. */
bool smbios_add_option(const char *text, Error **errp);
/* The machine's UUID if type=1,uuid= gave one. */
const char *smbios_uuid(void);
/* Structures and entry point to fw_cfg; low: where RAM below 4 GiB ends.  id: eax and edx of CPUID leaf 1. */
bool smbios_put_tables(Machine *m, uint64_t low, const uint8_t *uuid, const uint32_t *id, Error **errp);
/* The above for a PC; nothing on other machines. */
bool pc_describe_machine(Machine *m, const uint8_t *uuid, Error **errp);

#endif
