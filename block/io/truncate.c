/*
 * Changing the length of a node.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include "io.h"
#include "block/dirty-bitmap.h"
#include "util/cutils.h"

int bdrv_check_new_length(int64_t length, Error **errp)
{
    if (length < 0) {
        error_setg(errp, "Image size cannot be negative");
        return -EINVAL;
    }
    if (length > BDRV_MAX_LENGTH) {
        error_setg(errp, "offset(%" PRId64 ") exceeds maximum(%" PRId64 ")", length, (int64_t)BDRV_MAX_LENGTH);
        return -EIO;
    }
    return 0;
}

static int check(BdrvChild *c, int64_t offset, Error **errp)
{
    if (!c) {
        error_setg(errp, "No medium inserted");
        return -ENOMEDIUM;
    }
    int ret = bdrv_check_new_length(offset, errp);
    if (ret < 0) {
        return ret;
    }
    if (c->bs->read_only) {
        error_setg(errp, "Image is read-only");
        return -EACCES;
    }
    if (c->bs->core->inactive || !(c->perm & BLK_PERM_RESIZE)) {
        error_setg(errp, "Resizing is not permitted");
        return -EPERM;
    }
    return 0;
}

/* A backing image that is longer than we were would show through the new part. */
static BdrvRequestFlags hide_backing(BlockDriverState *bs, int64_t old, int64_t offset, BdrvRequestFlags flags)
{
    BlockDriverState *backing = bdrv_cow_bs(bs);

    if (backing && offset > old && bdrv_getlength(backing) > old) {
        flags |= BDRV_REQ_ZERO_WRITE;
    }
    return flags;
}

static int coroutine_fn run(BlockDriverState *bs, int64_t offset, bool exact, PreallocMode prealloc,
                            BdrvRequestFlags flags, Error **errp)
{
    BdrvChild *filtered = bdrv_filter_child(bs);

    if (bs->drv->co_truncate) {
        if (flags & ~bs->supported_truncate_flags) {
            error_setg(errp, "Block driver does not support requested flags");
            return -ENOTSUP;
        }
        return bs->drv->co_truncate(bs, offset, exact, prealloc, flags, errp);
    }
    if (filtered) {
        return io_co_truncate(filtered, offset, exact, prealloc, flags, errp);
    }
    error_setg(errp, "Image format driver does not support resize");
    return -ENOTSUP;
}

static int set_new_length(BlockDriverState *bs, int64_t offset, Error **errp)
{
    BdrvChild *filtered = bdrv_filter_child(bs);
    int64_t len = offset;

    if (bs->drv->getlength) {
        len = bs->drv->getlength(bs);
    } else if (filtered) {
        len = LOAD(&filtered->bs->total_bytes);
    }
    if (len < 0) {
        error_setg_errno(errp, -len, "Could not refresh total sector count");
        return len;
    }
    bdrv_set_length(bs, ALIGN_UP(len, BDRV_SECTOR_SIZE));
    bdrv_dirty_bitmaps_truncate(bs, bs->total_bytes);
    return 0;
}

int coroutine_fn io_co_truncate(BdrvChild *c, int64_t offset, bool exact, PreallocMode prealloc, BdrvRequestFlags flags,
                                Error **errp)
{
    TrackedRequest r;
    BlockDriverState *bs;
    int64_t old;
    int ret = check(c, offset, errp);

    if (ret < 0) {
        return ret;
    }
    bs = c->bs;
    old = io_length(bs);
    if (old < 0) {
        error_setg_errno(errp, -old, "Failed to get old image size");
        return old;
    }
    io_begin(bs);
    tracked_begin(&r, bs, MIN(old, offset), MAX(old, offset) - MIN(old, offset));
    if (offset > old) {
        tracked_serialise(&r, 1);
    }
    tracked_wait(&r);
    flags = hide_backing(bs, old, offset, flags);
    ret = run(bs, offset, exact, prealloc, flags, errp);
    if (ret >= 0) {
        ret = set_new_length(bs, offset, errp);
        __atomic_add_fetch(&io_of(bs)->write_gen, 1, __ATOMIC_SEQ_CST);
    }
    tracked_end(&r);
    io_end(bs);
    return ret;
}
