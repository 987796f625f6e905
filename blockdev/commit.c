/*
 * Commit at once: bring what an image has allocated into its backing file and empty the image.
 * The device keeps working on the image; requests of the guest wait meanwhile.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "block/blockdev.h"
#include "util/cutils.h"

#define CHUNK (1 * MiB)

static int copy_range(BlockBackend *top, BlockBackend *base, int64_t offset, int64_t bytes, int status, void *buf)
{
    int ret;

    if (status & BDRV_BLOCK_ZERO) {
        return blk_pwrite_zeroes(base, offset, bytes, BDRV_REQ_MAY_UNMAP);
    }
    ret = blk_pread(top, offset, bytes, buf, 0);
    return ret < 0 ? ret : blk_pwrite(base, offset, bytes, buf, 0);
}

static int copy_all(BlockBackend *top, BlockBackend *base, int64_t size)
{
    BlockDriverState *base_bs = blk_bs(base);
    void *buf = blk_blockalign(base, CHUNK);
    int ret = buf ? 0 : -ENOMEM;

    for (int64_t at = 0, n; at < size && ret >= 0; at += n) {
        ret = bdrv_block_status_above(blk_bs(top), base_bs, at, MIN(size - at, (int64_t)CHUNK), &n, NULL, NULL, NULL);
        if (ret >= 0 && (ret & BDRV_BLOCK_ALLOCATED)) {
            ret = copy_range(top, base, at, n, ret, buf);
        }
    }
    bdrv_memfree(buf);
    return ret < 0 ? ret : 0;
}

static int commit_into(BlockBackend *top, BlockDriverState *base_bs)
{
    BlockBackend *base = blk_new_with_bs(base_bs, BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE,
                                         BLK_PERM_ALL, NULL);
    int64_t size = blk_getlength(top), base_size = bdrv_getlength(base_bs);
    int ret = !base ? -EACCES : size < 0 ? size : base_size < 0 ? base_size : 0;

    if (ret == 0 && base_size < size) {
        ret = blk_truncate(base, size, true, PREALLOC_OFF, 0, NULL);
    }
    if (ret == 0) {
        ret = copy_all(top, base, size);
    }
    if (ret == 0) {
        ret = blk_flush(base);
    }
    if (ret == 0) {
        ret = bdrv_make_empty(blk_root(top), NULL);
        ret = ret == -ENOTSUP ? 0 : ret;
    }
    if (base) {
        blk_unref(base);
    }
    return ret < 0 ? ret : blk_flush(top);
}

int blockdev_commit(BlockDriverState *bs)
{
    BlockDriverState *base = bdrv_backing_chain_next(bs);
    BlockBackend *top;
    bool read_only;
    int ret;

    if (!base) {
        return -ENOTSUP;
    }
    top = blk_new_with_bs(bs, BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE, BLK_PERM_ALL, NULL);
    if (!top) {
        return -EACCES;
    }
    bdrv_ref(base);
    bdrv_drained_begin(bs);
    blk_set_disable_request_queuing(top, true);
    read_only = base->read_only;
    ret = read_only && bdrv_reopen_set_read_only(base, false, NULL) < 0 ? -EACCES : 0;
    if (ret == 0) {
        ret = commit_into(top, base);
        if (read_only) {
            bdrv_reopen_set_read_only(base, true, NULL);
        }
    }
    bdrv_drained_end(bs);
    bdrv_unref(base);
    blk_unref(top);
    return ret;
}

int blockdev_commit_all(void)
{
    for (BlockBackend *blk = blk_all_next(NULL); blk; blk = blk_all_next(blk)) {
        BlockDriverState *bs = blk_bs(blk);
        int ret = bs && blk_is_inserted(blk) && bdrv_backing_chain_next(bs) ? blockdev_commit(bs) : 0;

        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}
