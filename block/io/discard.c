/*
 * Discards: advice that a range is not needed any more.  What does not fit the node's units is left alone.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "io.h"
#include "util/cutils.h"

/* Up to the first boundary, whole units, the rest; each at most max. */
static int64_t piece(int64_t offset, int64_t bytes, int64_t unit, int64_t max)
{
    int64_t head = offset % unit;
    int64_t n = MIN(bytes, max);

    if (head && head + bytes > unit) {
        return MIN(unit - head, n);
    }
    return n > unit && !head ? ALIGN_DOWN(n, unit) : n;
}

static int coroutine_fn discard_pieces(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    const BlockLimits *bl = &bs->bl;
    int64_t align = bl->request_alignment;
    int64_t unit = MAX((int64_t)bl->pdiscard_alignment, align);
    int64_t max = bl->max_pdiscard > 0 ? bl->max_pdiscard : BDRV_MAX_REQUEST;
    int64_t end = ALIGN_DOWN(offset + bytes, align);

    max = MAX(ALIGN_DOWN(max, unit), align);
    offset = ALIGN_UP(offset, align);
    while (offset < end) {
        int64_t n = piece(offset, end - offset, unit, max);
        int ret = bs->drv->co_discard(bs, offset, n);

        if (ret < 0 && ret != -ENOTSUP) {
            return ret;
        }
        offset += n;
    }
    return 0;
}

int coroutine_fn io_co_discard(BdrvChild *c, int64_t offset, int64_t bytes)
{
    TrackedRequest r;
    BlockDriverState *bs;
    int ret;

    if (!c) {
        return -ENOMEDIUM;
    }
    bs = c->bs;
    ret = check_range(offset, bytes);
    ret = ret < 0 ? ret : check_change(c, offset, bytes, 0);
    if (ret < 0 || bytes == 0 || !(bs->open_flags & BDRV_O_UNMAP) || !bs->drv->co_discard) {
        return ret;
    }
    io_begin(bs);
    tracked_begin(&r, bs, offset, bytes);
    tracked_wait(&r);
    ret = discard_pieces(bs, offset, bytes);
    note_change(bs, offset, bytes, false);
    tracked_end(&r);
    io_end(bs);
    return ret;
}
