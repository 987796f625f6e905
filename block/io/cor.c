/*
 * Copy-on-read: what a read finds only in the backing chain is also written into the layer that was asked.
 *
 * The caller serialises the range, in whole units of cor_granularity.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "io.h"
#include "util/cutils.h"

#define COR_BUFFER (16 * (int64_t)MiB)

int64_t cor_granularity(BlockDriverState *bs)
{
    BlockDriverInfo bdi = { 0 };

    if (bdrv_get_info(bs, &bdi) < 0 || bdi.cluster_size <= 0) {
        return bs->bl.request_alignment;
    }
    return MAX((int64_t)bdi.cluster_size, bs->bl.request_alignment);
}

/* Zeroes are stored as zeroes where the layer can, not as data. */
static int coroutine_fn store(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *data)
{
    int ret = -ENOTSUP;

    bdrv_debug_event(bs, "cor_write");
    if (bs->drv->co_zero && iov_is_zero(data, 0, bytes)) {
        ret = zero_aligned(bs, offset, bytes, BDRV_REQ_WRITE_UNCHANGED);
    } else {
        ret = transfer_write(bs, offset, bytes, data, 0, BDRV_REQ_WRITE_UNCHANGED);
    }
    if (ret >= 0) {
        __atomic_add_fetch(&io_of(bs)->write_gen, 1, __ATOMIC_SEQ_CST);
    }
    return ret;
}

/* Copy the units around [offset, offset + bytes), which fits the buffer, and give out the part asked for. */
static int coroutine_fn copy_units(BlockDriverState *bs, int64_t offset, int64_t bytes, uint8_t *buf, int64_t unit,
                                   IoVec *qiov, size_t qiov_offset)
{
    int64_t start = ALIGN_DOWN(offset, unit);
    int64_t end = MIN(ALIGN_UP(offset + bytes, unit), MAX(LOAD(&bs->total_bytes), offset + bytes));
    IoVec data;
    int ret;

    end = ALIGN_UP(end, (int64_t)bs->bl.request_alignment);
    iov_init_buf(&data, buf, end - start);
    ret = read_to_end(bs, start, end - start, &data, 0, 0);
    if (ret < 0) {
        return ret;
    }
    ret = store(bs, start, end - start, &data);
    if (ret < 0) {
        return ret;
    }
    if (qiov) {
        iov_from_buf(qiov, qiov_offset, buf + (offset - start), bytes);
    }
    return 0;
}

int coroutine_fn cor_read(BdrvChild *c, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                          BdrvRequestFlags flags)
{
    BlockDriverState *bs = c->bs;
    int64_t unit = cor_granularity(bs);
    int64_t chunk = MAX(ALIGN_DOWN(COR_BUFFER, unit), unit);
    uint8_t *buf = NULL;
    int ret = 0;

    if (!(c->perm & (BLK_PERM_WRITE | BLK_PERM_WRITE_UNCHANGED))) {
        return -EPERM;
    }
    while (bytes > 0 && ret >= 0) {
        int64_t n = MIN(bytes, chunk);
        int allocated = offset < LOAD(&bs->total_bytes) ? bdrv_is_allocated(bs, offset, n, &n) : 1;

        if (allocated < 0) {
            ret = allocated;
        } else if (!allocated) {
            n = MIN(n, chunk - offset % unit);
            buf = buf ? buf : bdrv_blockalign(bs, chunk + bs->bl.request_alignment);
            ret = buf ? copy_units(bs, offset, n, buf, unit, qiov, qiov_offset) : -ENOMEM;
        } else if (qiov) {
            n = n > 0 ? n : bytes;
            ret = read_to_end(bs, offset, n, qiov, qiov_offset, flags & ~BDRV_REQ_COPY_ON_READ);
        }
        offset += n;
        qiov_offset += n;
        bytes -= n;
    }
    bdrv_memfree(buf);
    return ret;
}
