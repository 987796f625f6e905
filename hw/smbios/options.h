/*
 * What -smbios said, by type.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_SMBIOS_OPTIONS_H
#define HW_SMBIOS_OPTIONS_H

#include "hw/smbios.h"

enum { SMBIOS_TYPE_MAX = 128 };

/* The last word of a key, over all uses for the type; NULL: not said. */
const char *smbios_text(int type, const char *key);
uint64_t smbios_number(int type, const char *key, uint64_t otherwise);
bool smbios_given(int type);
/* For types that may come several times: a dict of each use (QDict *), and for type 11 all its strings (char *). */
const GPtrArray *smbios_uses(int type);
const GPtrArray *smbios_strings(void);
/* Structures from files (GBytes *). */
const GPtrArray *smbios_files(void);
/* Is this type's structure from a file? */
bool smbios_has_file(int type);

#endif
