/*
 * What the filters that jobs put over a node have in common: they show that node, their backing child, as it is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "top.h"

int64_t job_top_getlength(BlockDriverState *bs)
{
    return bs->backing ? bdrv_getlength(bs->backing->bs) : bs->total_bytes;
}

int coroutine_fn job_top_co_block_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                                         int64_t *pnum, int64_t *map, BlockDriverState **file)
{
    *pnum = bytes;
    *map = offset;
    *file = bs->backing->bs;
    return BDRV_BLOCK_RAW | BDRV_BLOCK_OFFSET_VALID;
}

void job_top_refresh_filename(BlockDriverState *bs)
{
    if (bs->backing) {
        g_free(bs->exact_filename);
        bs->exact_filename = g_strdup(bs->backing->bs->filename);
    }
}

int coroutine_fn job_top_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                 size_t qiov_offset, BdrvRequestFlags flags)
{
    return bdrv_read(bs->backing, offset, bytes, qiov, qiov_offset, flags);
}
