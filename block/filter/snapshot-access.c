/*
 * snapshot-access: a read-only view of the point in time that the filter below (copy-before-write) keeps.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "../drivers.h"
#include "block/graph.h"
#include "pass.h"

static int access_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    if (!bdrv_open_child(NULL, bs->options, "file", bs, BDRV_CHILD_DATA | BDRV_CHILD_PRIMARY, false, errp)) {
        return -EINVAL;
    }
    return 0;
}

/* The kept content does not change, whoever writes to the disk; the owner of the filter decides about the rest. */
static void access_child_perm(BlockDriverState *bs, BdrvChild *c, BdrvChildRole role, uint64_t perm, uint64_t shared,
                              uint64_t *nperm, uint64_t *nshared)
{
    *nperm = 0;
    *nshared = BLK_PERM_ALL;
}

static int coroutine_fn access_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                       size_t qiov_offset, BdrvRequestFlags flags)
{
    const BlockDriver *drv = bs->file->bs->drv;

    return flags || !drv->co_read_snapshot ? -ENOTSUP
                                                   : drv->co_read_snapshot(bs->file->bs, offset, bytes, qiov, qiov_offset);
}

static int coroutine_fn access_co_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                                         int64_t *pnum, int64_t *map, BlockDriverState **file)
{
    const BlockDriver *drv = bs->file->bs->drv;

    return !drv->co_snapshot_status ? -ENOTSUP
        : drv->co_snapshot_status(bs->file->bs, want_zero, offset, bytes, pnum, map, file);
}

static int coroutine_fn access_co_discard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    const BlockDriver *drv = bs->file->bs->drv;

    return !drv->co_discard_snapshot ? -ENOTSUP : drv->co_discard_snapshot(bs->file->bs, offset, bytes);
}

static int coroutine_fn access_co_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    return -ENOTSUP;
}

static int coroutine_fn access_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                        size_t qiov_offset, BdrvRequestFlags flags)
{
    return -ENOTSUP;
}

static void access_refresh_filename(BlockDriverState *bs)
{
    g_free(bs->exact_filename);
    bs->exact_filename = g_strdup(bs->file->bs->filename);
}

static const BlockDriver snapshot_access_driver = {
    .name = "snapshot-access",
    .refresh_filename = access_refresh_filename,
    .open = access_open,
    .child_perm = access_child_perm,
    .co_read = access_co_read,
    .co_write = access_co_write,
    .co_zero = access_co_zero,
    .co_discard = access_co_discard,
    .getlength = pass_getlength,
    .co_block_status = access_co_status,
};

void bdrv_snapshot_access_register(void)
{
    bdrv_register(&snapshot_access_driver);
}
