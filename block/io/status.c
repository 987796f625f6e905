/*
 * Block status: of one node, and through chains of backing nodes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "io.h"
#include "util/cutils.h"

typedef struct Extent {
    int64_t bytes, map;
    BlockDriverState *file;
} Extent;

/* Ask the driver about the blocks around the range; out->bytes counts from offset. */
static int coroutine_fn ask_driver(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes, Extent *out)
{
    int64_t align = bs->bl.request_alignment;
    int64_t start = ALIGN_DOWN(offset, align);
    int64_t n = 0;
    BdrvChild *filtered;
    int ret;

    if (!bs->drv->co_block_status) {
        filtered = bdrv_filter_child(bs);
        *out = (Extent) { bytes, offset, filtered ? filtered->bs : bs };
        if (filtered) {
            return BDRV_BLOCK_RAW | BDRV_BLOCK_OFFSET_VALID;
        }
        return BDRV_BLOCK_DATA | (bs->drv->protocol ? BDRV_BLOCK_OFFSET_VALID : 0);
    }
    ret = bs->drv->co_block_status(bs, want_zero, start, ALIGN_UP(offset + bytes, align) - start, &n, &out->map, &out->file);
    if (ret < 0) {
        return ret;
    }
    if (n % align) {                   /* the file ends inside a block, or its extents are finer than we may ask */
        n = ret & BDRV_BLOCK_DATA ? ALIGN_UP(n, align) : ALIGN_DOWN(n, align);
    }
    if (n <= offset - start) {
        ret = (ret & ~BDRV_BLOCK_ZERO) | BDRV_BLOCK_DATA;   /* a block of both kinds */
        n = ALIGN_UP(offset - start + 1, align);
    }
    out->bytes = MIN(n - (offset - start), bytes);
    out->map += offset - start;
    return ret;
}

/* The same for data that may be zero in the file below, as far as that file knows. */
static int coroutine_fn refine(BlockDriverState *bs, int ret, Extent *e)
{
    int64_t n = 0;
    int below = io_co_status(e->file, true, e->map, e->bytes, &n, NULL, NULL);

    if (below < 0) {
        return ret;
    }
    if ((below & BDRV_BLOCK_EOF) && (n == 0 || (below & BDRV_BLOCK_ZERO))) {
        return ret | BDRV_BLOCK_ZERO;  /* to the end of the file and beyond */
    }
    e->bytes = n;
    return ret | (below & BDRV_BLOCK_ZERO);
}

static int coroutine_fn status_tracked(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes, Extent *e)
{
    int ret = ask_driver(bs, want_zero, offset, bytes, e);

    if (ret < 0) {
        return ret;
    }
    if (ret & BDRV_BLOCK_RAW) {
        BlockDriverState *file = e->file;
        int64_t asked = e->bytes;

        ret = io_co_status(file, want_zero, e->map, asked, &e->bytes, &e->map, &e->file);
        if (ret >= 0 && e->bytes == 0) {
            e->bytes = asked;          /* the file is shorter than this node says */
            return BDRV_BLOCK_ZERO | BDRV_BLOCK_ALLOCATED;
        }
        return ret < 0 ? ret : ret & ~BDRV_BLOCK_EOF;
    }
    if (ret & (BDRV_BLOCK_DATA | BDRV_BLOCK_ZERO)) {
        ret |= BDRV_BLOCK_ALLOCATED;
    } else if (bs->drv->supports_backing && !(ret & BDRV_BLOCK_ALLOCATED)) {
        BlockDriverState *cow = bdrv_cow_bs(bs);

        if (!cow || (want_zero && offset >= io_length(cow))) {
            ret |= BDRV_BLOCK_ZERO;
        }
    }
    if (want_zero && (ret & BDRV_BLOCK_RECURSE) && (ret & BDRV_BLOCK_DATA) && !(ret & BDRV_BLOCK_ZERO) &&
        (ret & BDRV_BLOCK_OFFSET_VALID) && e->file && e->file != bs) {
        ret = refine(bs, ret, e);
    }
    return ret & ~BDRV_BLOCK_RECURSE;
}

int coroutine_fn io_co_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                              int64_t *pnum, int64_t *map, BlockDriverState **file)
{
    Extent e = { 0 };
    int64_t total;
    int ret;

    *pnum = 0;
    if (!bs || !bs->drv) {
        return -ENOMEDIUM;
    }
    if (check_range(offset, bytes) < 0) {
        return -EIO;
    }
    total = io_length(bs);
    if (total < 0) {
        return total;
    }
    if (offset >= total) {
        return BDRV_BLOCK_EOF;
    }
    if (bytes == 0) {
        return 0;
    }
    io_begin(bs);
    ret = status_tracked(bs, want_zero, offset, MIN(bytes, total - offset), &e);
    io_end(bs);
    if (ret < 0) {
        return ret;
    }
    *pnum = e.bytes;
    if (map) {
        *map = e.map;
    }
    if (file) {
        *file = e.file;
    }
    return offset + e.bytes >= total ? ret | BDRV_BLOCK_EOF : ret;
}

typedef struct ChainQuery {
    BlockDriverState *bs, *base;
    bool include_base, want_zero;
    int64_t offset, bytes;
    int64_t *pnum, *map;
    BlockDriverState **file;
    int depth;
    int ret;
} ChainQuery;

static int coroutine_fn chain_status(ChainQuery *q)
{
    int64_t bytes = q->bytes, n;
    int64_t eof = 0;                   /* where a layer above ended; beyond it zeroes are not the layer's own */
    BlockDriverState *first = q->bs;
    int ret = 0;

    q->depth = 0;
    *q->pnum = bytes;
    if (!q->include_base && q->bs == q->base) {
        return 0;
    }
    for (BlockDriverState *p = q->bs; p && (q->include_base || p != q->base); p = bdrv_filter_or_cow_bs(p)) {
        q->depth++;
        ret = io_co_status(p, q->want_zero, q->offset, bytes, &n, q->map, q->file);
        if (ret < 0) {
            return ret;
        }
        if (n == 0 && (ret & BDRV_BLOCK_EOF) && p != first) {
            /* A backing file shorter than this offset reads as zeroes up there. */
            *q->pnum = bytes;
            if (q->file) {
                *q->file = p;
            }
            return BDRV_BLOCK_ZERO | BDRV_BLOCK_ALLOCATED | (eof && q->offset + bytes == eof ? BDRV_BLOCK_EOF : 0);
        }
        *q->pnum = n;
        if (p == first && (ret & BDRV_BLOCK_EOF)) {
            eof = q->offset + n;
        }
        if ((ret & (BDRV_BLOCK_ALLOCATED | BDRV_BLOCK_ZERO)) || n == 0) {
            break;                     /* zero, though not here: what lies below is too short to show */
        }
        if ((ret & BDRV_BLOCK_EOF) && p != first && n < bytes) {
            ret &= ~BDRV_BLOCK_EOF;
        }
        bytes = MIN(bytes, n);
        if (p == q->base) {
            break;
        }
    }
    ret &= ~BDRV_BLOCK_EOF;
    return eof && q->offset + *q->pnum == eof ? ret | BDRV_BLOCK_EOF : ret;
}

static void coroutine_fn chain_entry(void *opaque)
{
    ChainQuery *q = opaque;

    q->ret = chain_status(q);
}

int bdrv_block_status_above(BlockDriverState *bs, BlockDriverState *base, int64_t offset, int64_t bytes,
                            int64_t *pnum, int64_t *map, BlockDriverState **file, int *depth)
{
    int64_t unused;
    ChainQuery q = { bs, base, false, true, offset, bytes, pnum ? pnum : &unused, map, file };

    co_run_sync(chain_entry, &q);
    if (depth) {
        *depth = q.depth;
    }
    return q.ret;
}

int bdrv_block_status(BlockDriverState *bs, int64_t offset, int64_t bytes, int64_t *pnum, int64_t *map,
                      BlockDriverState **file)
{
    return bdrv_block_status_above(bs, bdrv_filter_or_cow_bs(bs), offset, bytes, pnum, map, file, NULL);
}

int bdrv_is_allocated(BlockDriverState *bs, int64_t offset, int64_t bytes, int64_t *pnum)
{
    int64_t unused;
    BdrvChild *c;
    ChainQuery q;

    while ((c = bdrv_filter_child(bs))) {
        bs = c->bs;
    }
    q = (ChainQuery) { bs, bs, true, false, offset, bytes, pnum ? pnum : &unused };
    co_run_sync(chain_entry, &q);
    return q.ret < 0 ? q.ret : !!(q.ret & BDRV_BLOCK_ALLOCATED);
}

int bdrv_is_allocated_above(BlockDriverState *bs, BlockDriverState *base, bool include_base, int64_t offset,
                            int64_t bytes, int64_t *pnum)
{
    int64_t unused;
    ChainQuery q = { bs, base, include_base, false, offset, bytes, pnum ? pnum : &unused };

    co_run_sync(chain_entry, &q);
    return q.ret < 0 ? q.ret : !!(q.ret & BDRV_BLOCK_ALLOCATED);
}

int bdrv_is_zero_fast(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    int64_t pnum = bytes;
    ChainQuery q = { bs, NULL, false, false, offset, bytes, &pnum };

    if (bytes == 0) {
        return 1;
    }
    co_run_sync(chain_entry, &q);
    return q.ret < 0 ? q.ret : pnum == bytes && (q.ret & BDRV_BLOCK_ZERO);
}
