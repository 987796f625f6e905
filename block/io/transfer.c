/*
 * Data to and from the driver within its limits: largest transfer, vector length, memory alignment, flags.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <limits.h>
#include "io.h"
#include "util/cutils.h"

int64_t max_transfer(const BlockDriverState *bs)
{
    int64_t align = bs->bl.request_alignment;
    int64_t limit = bs->bl.max_transfer ? MIN((int64_t)bs->bl.max_transfer, BDRV_MAX_REQUEST) : BDRV_MAX_REQUEST;

    return MAX(ALIGN_DOWN(limit, align), align);
}

/* How many elements of v does the slice touch, counting no further than limit + 1? */
static int slice_elements(const IoVec *v, size_t offset, size_t bytes, int limit)
{
    int n = 0;

    for (int i = 0; i < v->niov && bytes > 0 && n <= limit; i++) {
        size_t len = v->iov[i].iov_len;

        if (offset >= len) {
            offset -= len;
            continue;
        }
        bytes -= MIN(bytes, len - offset);
        offset = 0;
        n++;
    }
    return n;
}

static bool needs_bounce(const BlockDriverState *bs, const IoVec *qiov, size_t qiov_offset, size_t bytes)
{
    int max_iov = bs->bl.max_iov ? bs->bl.max_iov : IOV_MAX;

    if (qiov->niov > max_iov && slice_elements(qiov, qiov_offset, bytes, max_iov) > max_iov) {
        return true;
    }
    return (bs->open_flags & BDRV_O_NOCACHE) && !bs->children && bs->bl.min_mem_alignment > 1 &&
           !iov_is_aligned(qiov, qiov_offset, bytes, bs->bl.min_mem_alignment);
}

static int coroutine_fn read_once(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                                  BdrvRequestFlags flags)
{
    IoVec linear;
    uint8_t *buf;
    int ret;

    if (G_LIKELY(!needs_bounce(bs, qiov, qiov_offset, bytes))) {
        return bs->drv->co_read(bs, offset, bytes, qiov, qiov_offset, flags);
    }
    buf = bdrv_blockalign(bs, bytes);
    if (!buf) {
        return -ENOMEM;
    }
    iov_init_buf(&linear, buf, bytes);
    ret = bs->drv->co_read(bs, offset, bytes, &linear, 0, flags & ~BDRV_REQ_REGISTERED_BUF);
    if (ret >= 0) {
        iov_from_buf(qiov, qiov_offset, buf, bytes);
    }
    bdrv_memfree(buf);
    return ret;
}

static int coroutine_fn write_once(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                                   BdrvRequestFlags flags)
{
    IoVec linear;
    uint8_t *buf;
    int ret;

    if (G_LIKELY(!needs_bounce(bs, qiov, qiov_offset, bytes))) {
        return bs->drv->co_write(bs, offset, bytes, qiov, qiov_offset, flags);
    }
    buf = bdrv_blockalign(bs, bytes);
    if (!buf) {
        return -ENOMEM;
    }
    iov_to_buf(qiov, qiov_offset, buf, bytes);
    iov_init_buf(&linear, buf, bytes);
    ret = bs->drv->co_write(bs, offset, bytes, &linear, 0, flags & ~BDRV_REQ_REGISTERED_BUF);
    bdrv_memfree(buf);
    return ret;
}

int coroutine_fn transfer_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                               BdrvRequestFlags flags)
{
    int64_t max = max_transfer(bs);

    if (!bs->drv->co_read) {
        return -ENOTSUP;
    }
    flags &= bs->supported_read_flags;
    while (bytes > 0) {
        int64_t n = MIN(bytes, max);
        int ret = read_once(bs, offset, n, qiov, qiov_offset, flags);

        if (ret < 0) {
            return ret;
        }
        offset += n;
        qiov_offset += n;
        bytes -= n;
    }
    return 0;
}

int coroutine_fn transfer_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                                BdrvRequestFlags flags)
{
    int64_t max = max_transfer(bs);

    if (!bs->drv->co_write) {
        return -ENOTSUP;
    }
    flags &= bs->supported_write_flags;
    while (bytes > 0) {
        int64_t n = MIN(bytes, max);
        int ret = write_once(bs, offset, n, qiov, qiov_offset, flags);

        if (ret < 0) {
            return ret;
        }
        offset += n;
        qiov_offset += n;
        bytes -= n;
    }
    return 0;
}
