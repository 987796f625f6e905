/*
 * NBD block status: extents of the contexts that the client selected.
 *
 * One chunk a context; the last carries the end mark.  The answer may be shorter than the request (the
 * protocol lets it): extents are bounded in number, so a client cannot make us gather without end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "nbd-export.h"

#define MAX_EXTENTS (128 * 1024)

typedef struct Extents {
    uint8_t *wire;                     /* pairs of length and flags, big endian */
    uint32_t last_flags, last_len;     /* not in wire yet */
    unsigned n, room, max;             /* pairs */
} Extents;

/* Where memory lacks the answer ends early, as it may. */
static bool settle(Extents *x)
{
    if (!x->last_len) {
        return true;
    }
    if (x->n == x->room) {
        uint8_t *more = g_try_realloc_n(x->wire, MAX(2 * x->room, 16u), 8);

        if (!more) {
            return false;
        }
        x->wire = more;
        x->room = MAX(2 * x->room, 16u);
    }
    nbd_put32(x->wire + 8 * x->n, x->last_len);
    nbd_put32(x->wire + 8 * x->n + 4, x->last_flags);
    x->n++;
    x->last_len = 0;
    return true;
}

/* False: no more room. */
static bool add_extent(Extents *x, uint32_t len, uint32_t flags)
{
    if (x->last_len && x->last_flags == flags) {
        x->last_len += len;
        return true;
    }
    if (!settle(x) || x->n >= x->max) {
        return false;
    }
    x->last_len = len;
    x->last_flags = flags;
    return true;
}

static int coroutine_fn gather_allocation(NbdWork *w, Extents *x)
{
    uint64_t at = w->req.from, end = at + w->req.len;

    while (at < end) {
        int64_t n, map;
        int status = bdrv_block_status_above(blk_bs(w->exp->common.blk), NULL, at, end - at, &n, &map, NULL, NULL);

        if (status < 0) {
            return status;
        }
        if (!add_extent(x, n, (status & BDRV_BLOCK_DATA ? 0 : NBD_STATE_HOLE) | (status & BDRV_BLOCK_ZERO ? NBD_STATE_ZERO : 0))) {
            break;
        }
        at += n;
    }
    return 0;
}

/* 0: in no layer; 1: in the top one; more: that many layers down. */
static int coroutine_fn gather_depth(NbdWork *w, Extents *x)
{
    uint64_t at = w->req.from, end = at + w->req.len;

    while (at < end) {
        int64_t n, map;
        int depth = 0;
        int status = bdrv_block_status_above(blk_bs(w->exp->common.blk), NULL, at, end - at, &n, &map, NULL, &depth);

        if (status < 0) {
            return status;
        }
        if (!add_extent(x, n, status & BDRV_BLOCK_ALLOCATED ? depth : 0)) {
            break;
        }
        at += n;
    }
    return 0;
}

static int gather_dirty(NbdWork *w, BdrvDirtyBitmap *bm, Extents *x)
{
    int64_t at = w->req.from, end = at + w->req.len;

    while (at < end) {
        bool dirty = bdrv_dirty_bitmap_get(bm, at);
        int64_t next = dirty ? bdrv_dirty_bitmap_next_zero(bm, at, end - at) : bdrv_dirty_bitmap_next_dirty(bm, at, end - at);

        next = next < 0 || next > end ? end : next;
        if (!add_extent(x, next - at, dirty ? NBD_STATE_DIRTY : 0)) {
            break;
        }
        at = next;
    }
    return 0;
}

static int coroutine_fn gather(NbdWork *w, uint32_t context, Extents *x)
{
    switch (context) {
    case NBD_CONTEXT_ALLOCATION:
        return gather_allocation(w, x);
    case NBD_CONTEXT_DEPTH:
        return gather_depth(w, x);
    default:
        return gather_dirty(w, w->exp->bitmaps[context - NBD_CONTEXT_BITMAPS], x);
    }
}

static int coroutine_fn send_context(NbdWork *w, uint32_t context, bool last, Error **errp)
{
    Extents x = { .max = w->req.flags & NBD_CMD_FLAG_REQ_ONE ? 1 : MAX_EXTENTS };
    uint8_t id[4];
    struct iovec iov[2] = { { id, sizeof(id) } };
    int ret = gather(w, context, &x);
    g_autofree uint8_t *wire = NULL;

    settle(&x);
    wire = x.wire;
    if (ret == 0 && !x.n) {
        ret = -ENOMEM;
    }
    if (ret < 0) {
        error_setg(errp, "can't get block status");
        return ret;
    }
    nbd_put32(id, context);
    iov[1] = (struct iovec){ wire, 8 * x.n };
    return nbd_send_chunk(w, last ? NBD_REPLY_FLAG_DONE : 0, NBD_CHUNK_BLOCK_STATUS, iov, 2) < 0 ? -EPIPE : 0;
}

uint64_t nbd_block_status_cost(const NbdRequest *q)
{
    /* No extent is shorter than a sector, but for bitmaps' and images' ends. */
    return q->flags & NBD_CMD_FLAG_REQ_ONE ? 0 : MIN(8u * MAX_EXTENTS, q->len / 512u * 16 + 128);
}

int coroutine_fn nbd_do_block_status(NbdWork *w, bool *replied, Error **errp)
{
    const GArray *contexts = nbd_conn_contexts(w->conn);

    if (!w->req.len) {
        error_setg(errp, "need non-zero length");
        return -EINVAL;
    }
    if (!contexts->len) {
        error_setg(errp, "CMD_BLOCK_STATUS not negotiated");
        return -EINVAL;
    }
    for (guint i = 0; i < contexts->len; i++) {
        int ret = send_context(w, g_array_index(contexts, uint32_t, i), i + 1 == contexts->len, errp);

        if (ret < 0) {
            *replied = ret == -EPIPE;
            return ret;
        }
    }
    *replied = true;
    return 0;
}
