/*
 * fw_cfg: what the firmware may ask of the machine, by number or by file name; ports 0x510-0x51b.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_FW_CFG_H
#define HW_FW_CFG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/error.h"

enum {
    FW_CFG_SIGNATURE = 0, FW_CFG_ID = 1, FW_CFG_UUID = 2, FW_CFG_RAM_SIZE = 3, FW_CFG_NOGRAPHIC = 4, FW_CFG_NB_CPUS = 5,
    FW_CFG_BOOT_MENU = 0xe, FW_CFG_MAX_CPUS = 0xf, FW_CFG_FILE_DIR = 0x19, FW_CFG_IRQ0_OVERRIDE = 0x8002,
    FW_CFG_HPET = 0x8004,
};

/* Is there such a device? */
bool fw_cfg_present(void);
/* data is copied; an entry that is there is replaced. */
void fw_cfg_set(uint16_t key, const void *data, size_t len);
static inline void fw_cfg_set16(uint16_t key, uint16_t v) { fw_cfg_set(key, &v, sizeof(v)); }
static inline void fw_cfg_set64(uint16_t key, uint64_t v) { fw_cfg_set(key, &v, sizeof(v)); }
/* Fails when the name is there, or there are too many. */
bool fw_cfg_add_file(const char *name, const void *data, size_t len, Error **errp);
/* New contents of a file that is there. */
void fw_cfg_set_file(const char *name, const void *data, size_t len);

#endif
