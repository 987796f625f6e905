/*
 * Writes, of data and of zeroes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "io.h"
#include "block/dirty-bitmap.h"
#include "util/cutils.h"

void note_change(BlockDriverState *bs, int64_t offset, int64_t bytes, bool may_grow)
{
    struct BdrvIoState *io = io_of(bs);

    __atomic_add_fetch(&io->write_gen, 1, __ATOMIC_SEQ_CST);
    if (LOAD(&io->nb_bitmaps) > 0) {
        bdrv_dirty_mark(bs, offset, bytes);
    }
    if (may_grow) {
        atomic_max(&io->highest, offset + bytes);
        if (G_UNLIKELY(offset + bytes > LOAD(&bs->total_bytes))) {
            atomic_max(&bs->total_bytes, ALIGN_UP(offset + bytes, BDRV_SECTOR_SIZE));
            bdrv_dirty_bitmaps_truncate(bs, LOAD(&bs->total_bytes));
            bdrv_dirty_mark(bs, offset, bytes);
        }
    }
}

static BdrvRequestFlags detect_zeroes(BlockDriverState *bs, int64_t bytes, const IoVec *qiov, size_t qiov_offset,
                                      BdrvRequestFlags flags)
{
    if (!bs->detect_zeroes || (flags & (BDRV_REQ_ZERO_WRITE | BDRV_REQ_WRITE_COMPRESSED)) || !bs->drv->co_zero ||
        !iov_is_zero(qiov, qiov_offset, bytes)) {
        return flags;
    }
    flags |= BDRV_REQ_ZERO_WRITE;
    return bs->detect_zeroes_unmap ? flags | BDRV_REQ_MAY_UNMAP : flags;
}

static int coroutine_fn write_compressed(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                         size_t qiov_offset)
{
    bdrv_debug_event(bs, "pwritev");
    return bs->drv->co_write_compressed ? bs->drv->co_write_compressed(bs, offset, bytes, qiov, qiov_offset) : -ENOTSUP;
}

/* offset and bytes are aligned and others kept out. */
static int coroutine_fn write_aligned(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                      size_t qiov_offset, BdrvRequestFlags flags)
{
    BdrvRequestFlags supported;
    int ret;

    if (G_UNLIKELY(bs->core->has_probe_guard && offset < BDRV_SECTOR_SIZE && qiov)) {
        ret = bdrv_probe_guard_check(bs, offset, qiov, qiov_offset, bytes);
        if (ret < 0) {
            return ret;
        }
    }
    if (G_UNLIKELY(LOAD(&io_of(bs)->write_threshold))) {
        threshold_passed(bs, offset + bytes);
    }
    flags = detect_zeroes(bs, bytes, qiov, qiov_offset, flags);
    supported = bs->supported_write_flags;
    if (flags & BDRV_REQ_ZERO_WRITE) {
        bdrv_debug_event(bs, "pwritev_zero");
        supported = BDRV_REQ_FUA;      /* zero_aligned sees to it */
        ret = zero_aligned(bs, offset, bytes, flags);
    } else if (flags & BDRV_REQ_WRITE_COMPRESSED) {
        supported = 0;
        ret = write_compressed(bs, offset, bytes, qiov, qiov_offset);
    } else {
        bdrv_debug_event(bs, "pwritev");
        ret = transfer_write(bs, offset, bytes, qiov, qiov_offset, flags);
    }
    bdrv_debug_event(bs, "pwritev_done");
    if (ret < 0) {
        atomic_max(&io_of(bs)->failed_end, offset + bytes);
        return ret;
    }
    note_change(bs, offset, bytes, true);
    return flags & BDRV_REQ_FUA & ~supported ? io_co_flush(bs) : 0;
}

/* Read, change, write the blocks at the edges; the request serialises them. */
static int coroutine_fn write_padded(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                     size_t qiov_offset, BdrvRequestFlags flags)
{
    AUTO_PADDING pad;
    int ret = pad_init(&pad, bs, offset, bytes, qiov, qiov_offset);

    ret = ret < 0 ? ret : pad_read_edges(&pad, bs);
    if (ret < 0) {
        return ret;
    }
    return write_aligned(bs, pad.offset, pad.bytes, &pad.qiov, 0, flags & ~BDRV_REQ_REGISTERED_BUF);
}

/* Less than one block of zeroes within one block. */
static int coroutine_fn zero_part(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    g_autofree uint8_t *buf = g_try_malloc0(bytes);
    IoVec zeroes;

    if (!buf) {
        return -ENOMEM;
    }
    iov_init_buf(&zeroes, buf, bytes);
    return write_padded(bs, offset, bytes, &zeroes, 0,
                        flags & ~(BDRV_REQ_ZERO_WRITE | BDRV_REQ_NO_FALLBACK | BDRV_REQ_MAY_UNMAP));
}

/* Zeroes: the block that is only touched at the start, whole blocks, the one only touched at the end. */
static int coroutine_fn zero_padded(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    int64_t align = bs->bl.request_alignment;
    int64_t end = offset + bytes;
    int ret;

    if (offset % align) {
        int64_t n = MIN(align - offset % align, bytes);

        ret = zero_part(bs, offset, n, flags);
        if (ret < 0) {
            return ret;
        }
        offset += n;
    }
    if (end - offset >= align) {
        int64_t n = ALIGN_DOWN(end - offset, align);

        ret = write_aligned(bs, offset, n, NULL, 0, flags);
        if (ret < 0) {
            return ret;
        }
        offset += n;
    }
    return end > offset ? zero_part(bs, offset, end - offset, flags) : 0;
}

static int coroutine_fn write_tracked(BdrvChild *c, TrackedRequest *r, int64_t offset, int64_t bytes, IoVec *qiov,
                                      size_t qiov_offset, BdrvRequestFlags flags)
{
    BlockDriverState *bs = c->bs;
    bool unaligned = pad_needed(bs, offset, bytes);
    bool zero = flags & BDRV_REQ_ZERO_WRITE;

    if (unaligned || (flags & BDRV_REQ_SERIALISING)) {
        tracked_serialise(r, bs->bl.request_alignment);
    }
    if ((flags & BDRV_REQ_NO_WAIT) && tracked_conflicts(r)) {
        return -EBUSY;
    }
    tracked_wait(r);
    flags &= ~(BDRV_REQ_SERIALISING | BDRV_REQ_NO_WAIT);
    if (G_LIKELY(!unaligned)) {
        return write_aligned(bs, offset, bytes, zero ? NULL : qiov, qiov_offset, flags);
    }
    return zero ? zero_padded(bs, offset, bytes, flags) : write_padded(bs, offset, bytes, qiov, qiov_offset, flags);
}

int coroutine_fn io_co_write(BdrvChild *c, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                             BdrvRequestFlags flags)
{
    TrackedRequest r;
    int ret;

    if (!c) {
        return -ENOMEDIUM;
    }
    ret = check_vector(offset, bytes, qiov, qiov_offset);
    ret = ret < 0 ? ret : check_change(c, offset, bytes, flags);
    if (ret < 0 || bytes == 0) {
        return ret;
    }
    if (!qiov && !(flags & BDRV_REQ_ZERO_WRITE)) {
        return -EINVAL;
    }
    io_begin(c->bs);
    tracked_begin(&r, c->bs, offset, bytes);
    ret = write_tracked(c, &r, offset, bytes, qiov, qiov_offset, flags);
    tracked_end(&r);
    io_end(c->bs);
    return ret;
}

int coroutine_fn io_co_zero(BdrvChild *c, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    if (c && !(c->bs->open_flags & BDRV_O_UNMAP)) {
        flags &= ~BDRV_REQ_MAY_UNMAP;
    }
    return io_co_write(c, offset, bytes, NULL, 0, flags | BDRV_REQ_ZERO_WRITE);
}
