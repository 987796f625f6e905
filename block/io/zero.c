/*
 * Writing zeroes: by the driver's own means in pieces that it takes, else by buffers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include "io.h"
#include "util/cutils.h"

#define ZERO_BUFFER (16 * (int64_t)MiB)

typedef struct ZeroWrite {
    BlockDriverState *bs;
    BdrvRequestFlags flags;
    int64_t unit, max;                 /* pieces start and end at multiples of unit where they can */
    uint8_t *buf;                      /* zeroes, made when first needed */
    int64_t buf_len;
    bool flush;                        /* FUA asked for and not done by the driver */
} ZeroWrite;

static void zero_write_end(ZeroWrite *z)
{
    bdrv_memfree(z->buf);
}

static int coroutine_fn by_driver(ZeroWrite *z, int64_t offset, int64_t bytes)
{
    BlockDriverState *bs = z->bs;
    int ret;

    if (!bs->drv->co_zero) {
        return -ENOTSUP;
    }
    ret = bs->drv->co_zero(bs, offset, bytes, z->flags & bs->supported_zero_flags);
    if (ret >= 0 && (z->flags & BDRV_REQ_FUA & ~bs->supported_zero_flags)) {
        z->flush = true;
    }
    return ret;
}

static int coroutine_fn by_buffer(ZeroWrite *z, int64_t offset, int64_t bytes)
{
    BlockDriverState *bs = z->bs;
    int ret = 0;

    if (!z->buf) {
        int64_t limit = MAX(ZERO_BUFFER, (int64_t)bs->bl.request_alignment);

        limit = MIN(limit, max_transfer(bs));
        z->buf_len = MIN(bytes, limit);        /* each of them is a multiple of the alignment */
        z->buf = bdrv_blockalign(bs, z->buf_len);
        if (!z->buf) {
            return -ENOMEM;
        }
        memset(z->buf, 0, z->buf_len);
    }
    if (z->flags & BDRV_REQ_FUA & ~bs->supported_write_flags) {
        z->flush = true;
    }
    while (bytes > 0 && ret >= 0) {
        int64_t n = MIN(bytes, z->buf_len);
        IoVec v;

        iov_init_buf(&v, z->buf, n);
        ret = transfer_write(bs, offset, n, &v, 0, z->flags & (BDRV_REQ_FUA | BDRV_REQ_WRITE_UNCHANGED));
        offset += n;
        bytes -= n;
    }
    return ret;
}

/* The next piece: up to the first boundary, then whole units, then the rest. */
static int64_t piece(const ZeroWrite *z, int64_t offset, int64_t bytes)
{
    int64_t head = offset % z->unit;
    int64_t n = MIN(bytes, z->max);

    if (head && head + bytes > z->unit) {
        return MIN(z->unit - head, n);
    }
    return n > z->unit && !head ? ALIGN_DOWN(n, z->unit) : n;
}

int coroutine_fn zero_aligned(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    __attribute__((cleanup(zero_write_end))) ZeroWrite z = { .bs = bs };
    const BlockLimits *bl = &bs->bl;
    int ret = 0;

    z.flags = flags & ~BDRV_REQ_ZERO_WRITE;
    z.unit = MAX(MAX(bl->pwrite_zeroes_alignment, bl->request_alignment), 1);
    z.max = bl->max_pwrite_zeroes > 0 ? MIN(bl->max_pwrite_zeroes, BDRV_MAX_LENGTH) : BDRV_MAX_REQUEST;
    z.max = MAX(ALIGN_DOWN(z.max, z.unit), (int64_t)bl->request_alignment);
    if (z.flags & BDRV_REQ_NO_FALLBACK & ~bs->supported_zero_flags) {
        return -ENOTSUP;
    }
    while (bytes > 0) {
        int64_t n = piece(&z, offset, bytes);

        ret = by_driver(&z, offset, n);
        if (ret == -ENOTSUP && !(z.flags & BDRV_REQ_NO_FALLBACK)) {
            ret = by_buffer(&z, offset, n);
        }
        if (ret < 0) {
            return ret;
        }
        offset += n;
        bytes -= n;
    }
    return z.flush ? io_co_flush(bs) : 0;
}
