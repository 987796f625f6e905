/*
 * The parts that filters have in common: requests handed on unchanged.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "pass.h"

int coroutine_fn pass_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                              BdrvRequestFlags flags)
{
    return bdrv_read(bs->file, offset, bytes, qiov, qiov_offset, flags);
}

int coroutine_fn pass_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                               BdrvRequestFlags flags)
{
    return bdrv_write(bs->file, offset, bytes, qiov, qiov_offset, flags);
}

int coroutine_fn pass_co_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    return bdrv_zero(bs->file, offset, bytes, flags);
}

int coroutine_fn pass_co_discard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    return bdrv_discard(bs->file, offset, bytes);
}

int coroutine_fn pass_co_flush(BlockDriverState *bs)
{
    return bdrv_flush(bs->file->bs);
}

int coroutine_fn pass_co_truncate(BlockDriverState *bs, int64_t offset, bool exact, PreallocMode prealloc,
                                  BdrvRequestFlags flags, Error **errp)
{
    return bdrv_truncate(bs->file, offset, exact, prealloc, flags, errp);
}

int64_t pass_getlength(BlockDriverState *bs)
{
    return bdrv_getlength(bs->file->bs);
}

int coroutine_fn pass_co_block_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                                      int64_t *pnum, int64_t *map, BlockDriverState **file)
{
    *pnum = bytes;
    *map = offset;
    *file = bs->file->bs;
    return BDRV_BLOCK_RAW | BDRV_BLOCK_OFFSET_VALID;
}

int pass_open_file(BlockDriverState *bs, Error **errp)
{
    int ret = bdrv_open_file_child(NULL, bs->options, bs, errp);

    if (ret < 0) {
        return ret;
    }
    bs->supported_read_flags = BDRV_REQ_PREFETCH;
    bs->supported_write_flags = BDRV_REQ_WRITE_UNCHANGED | (BDRV_REQ_FUA & bs->file->bs->supported_write_flags);
    bs->supported_zero_flags = BDRV_REQ_WRITE_UNCHANGED |
        ((BDRV_REQ_FUA | BDRV_REQ_MAY_UNMAP | BDRV_REQ_NO_FALLBACK) & bs->file->bs->supported_zero_flags);
    return 0;
}
