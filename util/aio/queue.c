/*
 * Requests that wait for the kernel; those side by side in the file and in the queue go there as one.
 *
 * Many small sequential requests, asked for in one turn of the loop, cost the kernel and the device per request, not
 * per byte.  Only neighbours in the queue are looked at, so a load that jumps about pays one comparison a request.
 * When the whole of it is not done, each is asked for again by itself: so each gets its own error, or its own short
 * transfer.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "loop-int.h"

#define MERGED_BYTES (128 * 1024)  /* more stay apart: the device is to work on one while the next is made */
#define MERGED_VECTORS 256

void aio_queue_add(AioQueue *q, AioRequest *r)
{
    r->next = NULL;
    q->apart = q->first ? q->apart : 0;
    q->apart += !q->first || q->last->fd != r->fd || q->last->offset + (int64_t)q->last->bytes != r->offset;
    *(q->first ? &q->last->next : &q->first) = r;
    q->last = r;
}

static bool mergeable(const AioRequest *r)
{
    return !r->alone && r->op != AIO_OP_FDATASYNC;
}

/* May next join r and its followers, bytes long with niov vectors? */
static bool follows(const AioRequest *r, const AioRequest *next, size_t bytes, int niov)
{
    return next && mergeable(next) && next->fd == r->fd && next->op == r->op && next->flags == r->flags &&
           next->offset == r->offset + (int64_t)bytes && bytes + next->bytes <= MERGED_BYTES &&
           niov + next->niov <= MERGED_VECTORS;
}

AioRequest *aio_queue_take(AioQueue *q)
{
    AioRequest *r = q->first, *last = r;
    size_t bytes = r->bytes;
    int niov = r->niov, n = 0;

    while (mergeable(r) && follows(r, last->next, bytes, niov)) {
        last = last->next;
        bytes += last->bytes;
        niov += last->niov;
    }
    q->first = last->next;
    last->next = NULL;
    r->last = last;
    r->all = r->iov;
    r->nb_all = niov;
    r->all_bytes = bytes;
    if (last != r) {
        r->merged = g_new(struct iovec, niov);
        for (const AioRequest *p = r; p; p = p->next) {
            memcpy(r->merged + n, p->iov, p->niov * sizeof(struct iovec));
            n += p->niov;
        }
        r->all = r->merged;
    }
    return r;
}

void aio_queue_put_back(AioQueue *q, AioRequest *r)
{
    g_clear_pointer(&r->merged, g_free);
    r->last->next = q->first;
    q->last = q->first ? q->last : r->last;
    q->first = r;
}

void aio_queue_done(AioQueue *q, AioRequest *r, int64_t result)
{
    bool merged = r->merged != NULL;

    if (merged && result != (int64_t)r->all_bytes) {
        for (AioRequest *p = r; p; p = p->next) {
            p->alone = true;
        }
        aio_queue_put_back(q, r);
        return;
    }
    g_clear_pointer(&r->merged, g_free);
    for (AioRequest *next; r; r = next) {
        next = r->next;
        r->result = merged ? (int64_t)r->bytes : result;
        aio_co_wake(r->co);        /* r may be gone */
    }
}
