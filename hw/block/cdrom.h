/*
 * What CD drives on any bus answer about their disc.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_BLOCK_CDROM_H
#define HW_BLOCK_CDROM_H

#include <stdbool.h>
#include <stdint.h>

#define CD_MAX_SECTORS (80 * 60 * 75 * 2048 / 512)      /* 512-byte sectors of the largest CD; more is a DVD */

/* READ TOC answers for one data track of nb_blocks: length, or -1 for a bad start track. buf: 64 bytes, zeroed. */
int cdrom_toc(uint32_t nb_blocks, uint8_t *buf, bool msf, int start_track);
int cdrom_toc_session(uint8_t *buf);
int cdrom_toc_raw(uint32_t nb_blocks, uint8_t *buf, bool msf);
/* GET CONFIGURATION: profile 8 (CD), 0x10 (DVD), 0 (empty). buf: 64 bytes, zeroed. */
int cdrom_configuration(uint8_t *buf, int profile);
/* READ DISC STRUCTURE of a DVD: length, or -1 (bad field). buf: 2052 bytes, zeroed. */
int cdrom_dvd_structure(uint8_t *buf, int format, int layer, uint64_t sectors512);
int cdrom_disc_information(uint8_t *buf);

#endif
