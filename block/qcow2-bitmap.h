/*
 * Persistent dirty bitmaps: what open, close, check and info need of qcow2-bitmap.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_BITMAP_H
#define BLOCK_QCOW2_BITMAP_H

#include "qcow2-bitmap-dir.h"

struct Qcow2BitmapState {
    GArray *list;                    /* Qcow2BitmapEntry: the directory as it is on disk */
};

/* Reads and checks the directory. 0 with *list set (empty without bitmaps), or -errno. */
int coroutine_fn qcow2_bitmap_dir_read(Qcow2 *q, GArray **list, Error **errp);
/* Every region that bitmaps occupy: directory, tables, data clusters. */
int coroutine_fn qcow2_bitmap_regions(Qcow2 *q, void (*visit)(void *opaque, uint64_t offset, uint64_t bytes), void *opaque);
/* After a change to read-write: bitmaps record again, and are marked in use on disk. */
int coroutine_fn qcow2_bitmaps_make_writable(Qcow2 *q, Error **errp);
/* Qcow2BitmapInfo list for `info`; NULL when there is none. */
QList *qcow2_bitmap_info(const Qcow2 *q);
void qcow2_bitmaps_free(Qcow2 *q);

bool qcow2_supports_bitmaps(BlockDriverState *bs);
bool coroutine_fn qcow2_co_can_store_bitmap(BlockDriverState *bs, const char *name, uint32_t granularity, Error **errp);
int coroutine_fn qcow2_co_remove_bitmap(BlockDriverState *bs, const char *name, Error **errp);

#endif
