/*
 * Small cached writes of a batch program: done by its own thread, those side by side as one.
 *
 * A write to the page cache costs the file system per call: each walks all blocks of the large folio that it falls
 * into. So a write that goes on where the last one ended waits for the end of the loop's turn, and is done with its
 * neighbours (queue.c).  When nothing came along, as with one request at a time, the next ones are done at once.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "loop-int.h"

#define GATHERED_MAX (64 * 1024)   /* larger ones gain nothing */
#define APART 64                   /* writes done at once after one that waited in vain */

int64_t coroutine_fn aio_cached_write(AioContext *ctx, int fd, int64_t offset, const struct iovec *iov, int niov,
                                      size_t bytes, unsigned flags)
{
    AioCached *c = &ctx->cached;
    AioRequest r = { .co = coroutine_self(), .fd = fd, .op = AIO_OP_WRITE, .offset = offset, .iov = iov, .niov = niov,
                     .bytes = bytes, .flags = flags };
    bool goes_on = c->fd == fd && c->end == offset;

    c->fd = fd;
    c->end = offset + (int64_t)bytes;
    if (!goes_on || c->apart || bytes > GATHERED_MAX) {
        c->apart -= c->apart > 0;
        return aio_sync_rw(fd, AIO_OP_WRITE, offset, iov, niov, flags);
    }
    aio_queue_add(&c->waiting, &r);
    coroutine_yield();
    return r.result;
}

bool aio_cached_submit(AioContext *ctx)
{
    AioQueue taken = ctx->cached.waiting;      /* who is woken may ask for more: that is for the next turn */
    AioRequest *r;

    if (!taken.first) {
        return false;
    }
    ctx->cached.waiting = (AioQueue) { 0 };
    if (!taken.first->next) {
        ctx->cached.apart = APART;
    }
    while (taken.first) {
        r = aio_queue_take(&taken);
        aio_queue_done(&taken, r, aio_sync_rw(r->fd, r->op, r->offset, r->all, r->nb_all, r->flags));
    }
    return true;
}
