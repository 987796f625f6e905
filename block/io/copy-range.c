/*
 * Copies between two nodes: inside the host where the drivers can, else through a buffer.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "io.h"
#include "util/cutils.h"

#define COPY_BUFFER ((int64_t)MiB)

static int coroutine_fn copy_by_buffer(BdrvChild *src, int64_t src_offset, BdrvChild *dst, int64_t dst_offset,
                                       int64_t bytes, BdrvRequestFlags read_flags, BdrvRequestFlags write_flags)
{
    uint8_t *buf = bdrv_blockalign(dst->bs, MIN(bytes, COPY_BUFFER));
    int ret = buf ? 0 : -ENOMEM;

    while (bytes > 0 && ret >= 0) {
        int64_t n = MIN(bytes, COPY_BUFFER);
        IoVec v;

        iov_init_buf(&v, buf, n);
        ret = io_co_read(src, src_offset, n, &v, 0, read_flags);
        ret = ret < 0 ? ret : io_co_write(dst, dst_offset, n, &v, 0, write_flags);
        src_offset += n;
        dst_offset += n;
        bytes -= n;
    }
    bdrv_memfree(buf);
    return ret;
}

/* Down to the child where a node that passes everything through keeps the bytes at *offset. */
static BdrvChild *coroutine_fn source_below(BdrvChild *src, int64_t *offset, int64_t bytes)
{
    while (src->bs->file && src->bs->drv->co_block_status) {
        BlockDriverState *bs = src->bs, *file = NULL;
        int64_t n = 0, map = 0;
        int ret;

        if (*offset % bs->bl.request_alignment || bytes % bs->bl.request_alignment) {
            break;
        }
        ret = bs->drv->co_block_status(bs, false, *offset, bytes, &n, &map, &file);
        if (ret < 0 || !(ret & BDRV_BLOCK_RAW) || n < bytes || file != bs->file->bs) {
            break;
        }
        src = bs->file;
        *offset = map;
    }
    return src;
}

static int coroutine_fn copy_tracked(BdrvChild *src, int64_t src_offset, BdrvChild *dst, int64_t dst_offset,
                                     int64_t bytes, BdrvRequestFlags read_flags, BdrvRequestFlags write_flags)
{
    BlockDriverState *bs = dst->bs;
    TrackedRequest from, to;
    int ret;

    io_begin(src->bs);
    io_begin(bs);
    tracked_begin(&from, src->bs, src_offset, bytes);
    tracked_wait(&from);
    tracked_begin(&to, bs, dst_offset, bytes);
    if (write_flags & BDRV_REQ_SERIALISING) {
        tracked_serialise(&to, bs->bl.request_alignment);
    }
    tracked_wait(&to);
    ret = bs->drv->co_copy_range(bs, dst_offset, src, src_offset, bytes, read_flags,
                                 write_flags & ~BDRV_REQ_SERIALISING);
    if (ret < 0) {
        atomic_max(&io_of(bs)->failed_end, dst_offset + bytes);
    } else {
        note_change(bs, dst_offset, bytes, true);
        if (write_flags & BDRV_REQ_FUA) {
            ret = io_co_flush(bs);
        }
    }
    tracked_end(&to);
    tracked_end(&from);
    io_end(bs);
    io_end(src->bs);
    return ret;
}

static bool overlap(const BdrvChild *src, int64_t src_offset, const BdrvChild *dst, int64_t dst_offset, int64_t bytes)
{
    return src->bs == dst->bs && src_offset < dst_offset + bytes && dst_offset < src_offset + bytes;
}

int coroutine_fn io_co_copy_range(BdrvChild *src, int64_t src_offset, BdrvChild *dst, int64_t dst_offset, int64_t bytes,
                                  BdrvRequestFlags read_flags, BdrvRequestFlags write_flags)
{
    BdrvChild *from;
    int64_t from_offset = src_offset;
    int ret;

    if (!src || !dst) {
        return -ENOMEDIUM;
    }
    ret = check_range(src_offset, bytes);
    ret = ret < 0 ? ret : check_range(dst_offset, bytes);
    ret = ret < 0 ? ret : check_change(dst, dst_offset, bytes, write_flags);
    if (ret < 0 || bytes == 0) {
        return ret;
    }
    if (overlap(src, src_offset, dst, dst_offset, bytes)) {
        return -EINVAL;
    }
    from = source_below(src, &from_offset, bytes);
    ret = -ENOTSUP;
    if (dst->bs->drv->co_copy_range && !dst->bs->core->has_probe_guard && !src->bs->encrypted && !dst->bs->encrypted &&
        !pad_needed(from->bs, from_offset, bytes) && !pad_needed(dst->bs, dst_offset, bytes) &&
        from_offset + bytes <= LOAD(&from->bs->total_bytes)) {
        ret = copy_tracked(from, from_offset, dst, dst_offset, bytes, read_flags, write_flags);
    }
    return ret == -ENOTSUP ? copy_by_buffer(src, src_offset, dst, dst_offset, bytes, read_flags, write_flags) : ret;
}
