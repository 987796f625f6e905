/*
 * Dirty bitmaps: which parts of a node were written since a point in time.
 *
 * Each node has a list; writes mark all enabled ones (any thread, under the node's bitmap
 * lock).  Everything else: main thread.  Offsets are bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_DIRTY_BITMAP_H
#define BLOCK_DIRTY_BITMAP_H

#include "block/types.h"
#include "util/error.h"
#include "util/hbitmap.h"
#include "util/qobject.h"

/* granularity: bytes, power of two >= 512; name NULL for anonymous. */
BdrvDirtyBitmap *bdrv_create_dirty_bitmap(BlockDriverState *bs, uint32_t granularity, const char *name, Error **errp);
uint32_t bdrv_default_bitmap_granularity(BlockDriverState *bs);
void bdrv_release_dirty_bitmap(BdrvDirtyBitmap *bm);
void bdrv_release_named_dirty_bitmaps(BlockDriverState *bs);
BdrvDirtyBitmap *bdrv_find_dirty_bitmap(BlockDriverState *bs, const char *name);
BdrvDirtyBitmap *bdrv_dirty_bitmap_next(BlockDriverState *bs, BdrvDirtyBitmap *bm);   /* NULL starts */
const char *bdrv_dirty_bitmap_name(const BdrvDirtyBitmap *bm);                        /* NULL: anonymous */
BlockDriverState *bdrv_dirty_bitmap_bs(const BdrvDirtyBitmap *bm);
uint32_t bdrv_dirty_bitmap_granularity(const BdrvDirtyBitmap *bm);
int64_t bdrv_dirty_bitmap_count(BdrvDirtyBitmap *bm);
bool bdrv_dirty_bitmap_enabled(const BdrvDirtyBitmap *bm);
void bdrv_enable_dirty_bitmap(BdrvDirtyBitmap *bm);
void bdrv_disable_dirty_bitmap(BdrvDirtyBitmap *bm);
void bdrv_dirty_bitmap_set_persistence(BdrvDirtyBitmap *bm, bool on);
bool bdrv_dirty_bitmap_persistent(const BdrvDirtyBitmap *bm);
void bdrv_dirty_bitmap_set_inconsistent(BdrvDirtyBitmap *bm);
bool bdrv_dirty_bitmap_inconsistent(const BdrvDirtyBitmap *bm);
void bdrv_dirty_bitmap_set_readonly(BdrvDirtyBitmap *bm, bool on);
bool bdrv_dirty_bitmap_readonly(const BdrvDirtyBitmap *bm);
void bdrv_dirty_bitmap_set_busy(BdrvDirtyBitmap *bm, bool on);
bool bdrv_dirty_bitmap_busy(const BdrvDirtyBitmap *bm);
void bdrv_dirty_bitmap_skip_store(BdrvDirtyBitmap *bm, bool skip);
typedef enum BitmapCheck { BDRV_BITMAP_BUSY = 1, BDRV_BITMAP_RO = 2, BDRV_BITMAP_INCONSISTENT = 4,
                           BDRV_BITMAP_DEFAULT = 7, BDRV_BITMAP_ALLOW_RO = 5 } BitmapCheck;
/* 0, or -1 with the peer's text why flags forbid using bm. */
int bdrv_dirty_bitmap_check(const BdrvDirtyBitmap *bm, unsigned flags, Error **errp);
/*
 * A job reads bm as it is now, while writes go on to a successor (anonymous, as enabled as bm was; bm is busy and
 * disabled).  In the end bm takes the successor's content (abdicate), or both (reclaim).
 */
int bdrv_dirty_bitmap_create_successor(BdrvDirtyBitmap *bm, Error **errp);
void bdrv_dirty_bitmap_abdicate(BdrvDirtyBitmap *bm);
void bdrv_dirty_bitmap_reclaim(BdrvDirtyBitmap *bm);
bool bdrv_dirty_bitmap_has_successor(const BdrvDirtyBitmap *bm);
/* dst |= src, whatever the state of either. */
void bdrv_dirty_bitmap_merge_any(BdrvDirtyBitmap *dst, BdrvDirtyBitmap *src);
void bdrv_set_dirty_bitmap(BdrvDirtyBitmap *bm, int64_t offset, int64_t bytes);
void bdrv_reset_dirty_bitmap(BdrvDirtyBitmap *bm, int64_t offset, int64_t bytes);
bool bdrv_dirty_bitmap_get(BdrvDirtyBitmap *bm, int64_t offset);
/* Clear; *backup (may be NULL) receives the old content for an undo by restore. */
void bdrv_clear_dirty_bitmap(BdrvDirtyBitmap *bm, HBitmap **backup);
void bdrv_restore_dirty_bitmap(BdrvDirtyBitmap *bm, HBitmap *backup);
bool bdrv_merge_dirty_bitmap(BdrvDirtyBitmap *dst, BdrvDirtyBitmap *src, HBitmap **backup, Error **errp);
int64_t bdrv_dirty_bitmap_next_dirty(BdrvDirtyBitmap *bm, int64_t offset, int64_t bytes);
int64_t bdrv_dirty_bitmap_next_zero(BdrvDirtyBitmap *bm, int64_t offset, int64_t bytes);
bool bdrv_dirty_bitmap_next_dirty_area(BdrvDirtyBitmap *bm, int64_t start, int64_t end, int64_t max, int64_t *off, int64_t *bytes);
/* For a format that stores bitmaps: the map itself, under the node's bitmap lock. */
HBitmap *bdrv_dirty_bitmap_map(BdrvDirtyBitmap *bm);
void bdrv_dirty_bitmap_lock(BlockDriverState *bs);
void bdrv_dirty_bitmap_unlock(BlockDriverState *bs);
/* May the node's driver keep one more persistent bitmap of that name? */
bool bdrv_can_store_dirty_bitmap(BlockDriverState *bs, const char *name, uint32_t granularity, Error **errp);
/* Take what is stored of a persistent bitmap off the disk; the bitmap in memory stays. 0 or -errno. */
int bdrv_remove_stored_dirty_bitmap(BlockDriverState *bs, const char *name, Error **errp);
/* BlockDirtyInfo list as query-block shows it; NULL when there are none. */
QList *bdrv_query_dirty_bitmaps(BlockDriverState *bs);
/* Called by the gate after each write and by truncate. */
void bdrv_dirty_mark(BlockDriverState *bs, int64_t offset, int64_t bytes);
void bdrv_dirty_bitmaps_truncate(BlockDriverState *bs, int64_t bytes);

#endif
