/*
 * Reads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "io.h"
#include "util/cutils.h"

int coroutine_fn read_to_end(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                             BdrvRequestFlags flags)
{
    int64_t total = io_length(bs);
    int64_t there;

    if (total < 0) {
        return total;
    }
    if (G_LIKELY(offset + bytes <= total)) {
        return transfer_read(bs, offset, bytes, qiov, qiov_offset, flags);
    }
    there = ALIGN_UP(MAX(total - offset, 0), (int64_t)bs->bl.request_alignment);
    there = MIN(there, bytes);
    if (there > 0) {
        int ret = transfer_read(bs, offset, there, qiov, qiov_offset, flags);
        if (ret < 0) {
            return ret;
        }
    }
    iov_fill(qiov, qiov_offset + there, 0, bytes - there);
    return 0;
}

static bool wants_cor(BdrvChild *c, BdrvRequestFlags flags)
{
    BlockDriverState *bs = c->bs;

    return ((flags & BDRV_REQ_COPY_ON_READ) || (bs->open_flags & BDRV_O_COPY_ON_READ)) && !bs->read_only &&
           !bs->core->inactive;
}

/* offset and bytes are aligned; r is in the list. */
static int coroutine_fn read_aligned(BdrvChild *c, TrackedRequest *r, int64_t offset, int64_t bytes, IoVec *qiov,
                                     size_t qiov_offset, BdrvRequestFlags flags)
{
    if (G_UNLIKELY(wants_cor(c, flags))) {
        tracked_serialise(r, cor_granularity(c->bs));
        tracked_wait(r);
        return cor_read(c, offset, bytes, qiov, qiov_offset, flags);
    }
    tracked_wait(r);
    if (flags & BDRV_REQ_PREFETCH) {
        /* Filters pass it on to where something is copied; there is nothing to read otherwise. */
        return c->bs->supported_read_flags & BDRV_REQ_PREFETCH
            ? c->bs->drv->co_read(c->bs, offset, bytes, NULL, 0, flags) : 0;
    }
    return read_to_end(c->bs, offset, bytes, qiov, qiov_offset, flags & ~BDRV_REQ_COPY_ON_READ);
}

static int coroutine_fn read_padded(BdrvChild *c, TrackedRequest *r, int64_t offset, int64_t bytes, IoVec *qiov,
                                    size_t qiov_offset, BdrvRequestFlags flags)
{
    AUTO_PADDING pad;
    int ret = pad_init(&pad, c->bs, offset, bytes, qiov, qiov_offset);

    if (ret < 0) {
        return ret;
    }
    return read_aligned(c, r, pad.offset, pad.bytes, &pad.qiov, 0, flags & ~BDRV_REQ_REGISTERED_BUF);
}

int coroutine_fn io_co_read(BdrvChild *c, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                            BdrvRequestFlags flags)
{
    TrackedRequest r;
    int ret;

    if (!c) {
        return -ENOMEDIUM;
    }
    ret = check_vector(offset, bytes, qiov, qiov_offset);
    if (ret < 0 || bytes == 0) {
        return ret;
    }
    if (!qiov && !(flags & BDRV_REQ_PREFETCH)) {
        return -EINVAL;
    }
    io_begin(c->bs);
    tracked_begin(&r, c->bs, offset, bytes);
    if (G_UNLIKELY(pad_needed(c->bs, offset, bytes) && qiov)) {
        ret = read_padded(c, &r, offset, bytes, qiov, qiov_offset, flags);
    } else {
        ret = read_aligned(c, &r, offset, bytes, qiov, qiov_offset, flags);
    }
    tracked_end(&r);
    io_end(c->bs);
    return ret;
}
