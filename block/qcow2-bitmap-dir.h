/*
 * The bitmap directory: bytes to entries and back, pure functions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_BITMAP_DIR_H
#define BLOCK_QCOW2_BITMAP_DIR_H

#include "qcow2.h"

#define QCOW2_BITMAP_IN_USE (1u << 0)             /* not valid: a writer did not close it */
#define QCOW2_BITMAP_AUTO (1u << 1)               /* records writes from open on */
#define QCOW2_BITMAP_TABLE_ALL_ONES 1ULL          /* table entry without a cluster: all bits set */
#define QCOW2_BITMAP_TABLE_OFFSET_MASK 0x00fffffffffffe00ULL
#define QCOW2_BITMAP_TABLE_RESERVED 0xff000000000001feULL
#define QCOW2_BITMAP_MAX_NAME 1023
#define QCOW2_BITMAP_MAX_BYTES (512 * MiB)        /* clusters of one bitmap */
#define QCOW2_BITMAP_MIN_GRANULARITY_BITS 9
#define QCOW2_BITMAP_MAX_GRANULARITY_BITS 31

typedef struct Qcow2BitmapEntry {
    uint64_t table_offset;
    uint32_t table_entries, flags;
    uint8_t granularity_bits;
    char *name;
} Qcow2BitmapEntry;

/* Entries with their names; GArray of Qcow2BitmapEntry that frees names. */
GArray *qcow2_bitmap_list_new(void);
/*
 * Parse a directory of exactly nb entries, checked against the geometry of q and the disk size.
 * NULL with errp set when anything is wrong.
 */
GArray *qcow2_bitmap_dir_parse(const Qcow2 *q, const uint8_t *dir, uint64_t bytes, uint32_t nb, Error **errp);
uint64_t qcow2_bitmap_entry_bytes(const char *name);
uint64_t qcow2_bitmap_dir_bytes(const GArray *list);
/* Lay the entries out in dir (qcow2_bitmap_dir_bytes long). */
void qcow2_bitmap_dir_build(const GArray *list, uint8_t *dir);
/* Table entries that a bitmap of the disk needs at a granularity. */
uint64_t qcow2_bitmap_table_entries(const Qcow2 *q, uint64_t disk_bytes, unsigned granularity_bits);

#endif
