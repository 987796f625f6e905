/*
 * compress: a filter that turns every write into a compressed one, so that a job or a tool
 * that knows nothing of compression can fill a compressed image.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "../drivers.h"
#include "pass.h"

static int compress_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    int ret = pass_open_file(bs, errp);

    if (ret < 0) {
        return ret;
    }
    if (!bs->file->bs->drv->co_write_compressed) {
        error_setg(errp, "Compression is not supported for underlying format: %s", bs->file->bs->drv->name);
        return -ENOTSUP;
    }
    return 0;
}

static int coroutine_fn compress_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                          size_t qiov_offset, BdrvRequestFlags flags)
{
    return bdrv_write(bs->file, offset, bytes, qiov, qiov_offset, flags | BDRV_REQ_WRITE_COMPRESSED);
}

/* Only whole clusters can be compressed: have the gate make them so. */
static void compress_refresh_limits(BlockDriverState *bs, Error **errp)
{
    BlockDriverInfo bdi = { 0 };

    if (bs->file && bs->file->bs->drv->get_info && bs->file->bs->drv->get_info(bs->file->bs, &bdi) >= 0 &&
        bdi.cluster_size > 0) {
        bs->bl.request_alignment = bdi.cluster_size;
    }
}

static int compress_get_info(BlockDriverState *bs, BlockDriverInfo *bdi)
{
    BlockDriverState *file = bs->file->bs;

    return file->drv->get_info ? file->drv->get_info(file, bdi) : -ENOTSUP;
}

static const BlockDriver compress_driver = {
    .name = "compress",
    .is_filter = true,
    .image_may_name = true,
    .open = compress_open,
    .refresh_limits = compress_refresh_limits,
    .get_info = compress_get_info,
    .co_read = pass_co_read,
    .co_write = compress_co_write,
    .co_zero = pass_co_zero,
    .co_discard = pass_co_discard,
    .co_flush_to_disk = pass_co_flush,
    .co_truncate = pass_co_truncate,
    .getlength = pass_getlength,
    .co_block_status = pass_co_block_status,
};

void bdrv_compress_register(void)
{
    bdrv_register(&compress_driver);
}
