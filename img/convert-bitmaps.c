/*
 * Carrying persistent bitmaps from the source of a conversion to its target.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "block/dirty-bitmap.h"
#include "img/convert.h"

bool convert_check_bitmaps(BlockDriverState *src, bool skip_broken)
{
    for (BdrvDirtyBitmap *bm = NULL; (bm = bdrv_dirty_bitmap_next(src, bm));) {
        if (bdrv_dirty_bitmap_persistent(bm) && bdrv_dirty_bitmap_inconsistent(bm) && !skip_broken) {
            Error *err = NULL;

            error_setg(&err, "Cannot copy inconsistent bitmap '%s'", bdrv_dirty_bitmap_name(bm));
            error_append_hint(&err, "Try --skip-broken-bitmaps, or use 'qemu-img bitmap --remove' to delete it\n");
            error_report_err(err);
            return false;
        }
    }
    return true;
}

/* One bitmap; it is dropped again when it cannot be filled. */
static int copy_one(BdrvDirtyBitmap *from, BlockDriverState *dst)
{
    const char *name = bdrv_dirty_bitmap_name(from);
    uint32_t granularity = bdrv_dirty_bitmap_granularity(from);
    BdrvDirtyBitmap *to = NULL;
    Error *err = NULL;

    if (bdrv_can_store_dirty_bitmap(dst, name, granularity, &err)) {
        to = bdrv_create_dirty_bitmap(dst, granularity, name, &err);
    }
    if (!to) {
        error_reportf_err(err, "Failed to create bitmap %s: ", name);
        return -EINVAL;
    }
    bdrv_dirty_bitmap_set_persistence(to, true);
    if (!bdrv_dirty_bitmap_enabled(from)) {
        bdrv_disable_dirty_bitmap(to);
    }
    if (!bdrv_merge_dirty_bitmap(to, from, NULL, &err)) {
        error_reportf_err(err, "Failed to populate bitmap %s: ", name);
        bdrv_release_dirty_bitmap(to);
        return -EINVAL;
    }
    return 0;
}

int convert_copy_bitmaps(BlockDriverState *src, BlockDriverState *dst, bool skip_broken)
{
    for (BdrvDirtyBitmap *bm = NULL; (bm = bdrv_dirty_bitmap_next(src, bm));) {
        if (!bdrv_dirty_bitmap_persistent(bm)) {
            continue;
        }
        if (skip_broken && bdrv_dirty_bitmap_inconsistent(bm)) {
            warn_report("Skipping inconsistent bitmap '%s'", bdrv_dirty_bitmap_name(bm));
            continue;
        }
        if (copy_one(bm, dst) < 0) {
            return -EINVAL;
        }
    }
    return 0;
}
