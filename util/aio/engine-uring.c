/*
 * The io_uring engine: a ring in each context.
 *
 * Requests gather in the submission ring and go to the kernel when the loop is about to wait
 * (aio_uring_submit), so that one system call carries all that a turn of the loop produced.
 * Completions are seen in shared memory while polling.
 *
 * A kernel that refuses what is in the ring (a sandbox, no memory for long) gets no more: what it did not take is taken
 * back and goes to the threads, as all does that comes later.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <liburing.h>
#include "loop-int.h"

#define RING_ENTRIES 128
#define STALLS_MAX 100                         /* tries, one each STALLED_NS, before the threads take over */

struct AioUring {
    struct io_uring ring;
    unsigned unsubmitted, in_kernel;
    bool stalled;                              /* refused with nothing in flight */
    unsigned stalls;                           /* times in a row */
    bool given_up;
    AioQueue waiting;                          /* not in the ring yet */
};

bool aio_uring_available(Error **errp)
{
    static int result = 1;         /* 1: not tried yet */

    if (result == 1) {
        struct io_uring ring;

        result = io_uring_queue_init(1, &ring, 0);
        if (result == 0) {
            io_uring_queue_exit(&ring);
        }
    }
    if (result < 0) {
        error_setg_errno(errp, -result, "failed to init linux io_uring ring");
        return false;
    }
    return true;
}

static void prepare(struct io_uring_sqe *sqe, AioRequest *r)
{
    switch (r->op) {
    case AIO_OP_READ:
        io_uring_prep_readv(sqe, r->fd, r->all, r->nb_all, r->offset);
        break;
    case AIO_OP_WRITE:
        io_uring_prep_writev(sqe, r->fd, r->all, r->nb_all, r->offset);
        sqe->rw_flags = r->flags & AIO_REQ_FUA ? RWF_DSYNC : 0;
        break;
    case AIO_OP_FDATASYNC:
        io_uring_prep_fsync(sqe, r->fd, IORING_FSYNC_DATASYNC);
        break;
    }
    io_uring_sqe_set_data(sqe, r);
}

static void fill_ring(AioUring *u)
{
    struct io_uring_sqe *sqe;

    u->waiting.apart = 0;
    while (u->waiting.first && (sqe = io_uring_get_sqe(&u->ring))) {
        prepare(sqe, aio_queue_take(&u->waiting));
        u->unsubmitted++;
    }
}

/* To the threads with what has not gone to the kernel. */
static void send_waiting_away(AioUring *u)
{
    AioRequest *r;

    while ((r = u->waiting.first) != NULL) {
        u->waiting.first = r->next;
        r->result = -EAGAIN;
        aio_co_wake(r->co);            /* r may be gone */
    }
}

/* Take all completions.  Resumed coroutines may come back here through nested loops. */
static void uring_complete(void *opaque)
{
    AioContext *ctx = opaque;
    AioUring *u = ctx->uring;
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(&u->ring, &cqe) == 0) {
        AioRequest *r = io_uring_cqe_get_data(cqe);
        int64_t result = cqe->res;

        u->in_kernel--;
        io_uring_cqe_seen(&u->ring, cqe);
        aio_queue_done(&u->waiting, r, result);
    }
    if (u->given_up) {
        send_waiting_away(u);          /* parts of a merged one */
    }
}

bool aio_uring_busy(const AioContext *ctx)
{
    return ctx->uring && (ctx->uring->in_kernel || ctx->uring->unsubmitted || ctx->uring->waiting.first);
}

bool aio_uring_stalled(const AioContext *ctx)
{
    return ctx->uring && ctx->uring->stalled;
}

bool aio_uring_do_lone(AioContext *ctx)
{
    AioUring *u = ctx->uring;
    AioRequest *r = u ? u->waiting.first : NULL;

    if (!r || r->next || u->unsubmitted || u->in_kernel) {
        return false;
    }
    u->waiting.first = NULL;
    r->result = aio_do_alone(ctx, r);
    aio_co_wake(r->co);
    return true;
}

bool aio_uring_wait(AioContext *ctx)
{
    AioUring *u = ctx->uring;
    int n;

    if (!u || u->stalled || u->given_up) {
        return false;
    }
    fill_ring(u);
    if (!u->unsubmitted && !u->in_kernel) {
        return false;
    }
    n = io_uring_submit_and_wait(&u->ring, 1);
    if (n < 0) {
        return false;              /* aio_uring_submit says what it means */
    }
    n = MIN((unsigned)n, u->unsubmitted);
    u->unsubmitted -= n;
    u->in_kernel += n;
    uring_complete(ctx);
    return true;
}

/* What lies in the ring and was not taken goes back to the queue.  Without a polling thread the kernel looks there
   only when called. */
static void take_back(AioUring *u)
{
    struct io_uring_sq *sq = &u->ring.sq;
    unsigned head = io_uring_smp_load_acquire(sq->khead), mask = *sq->kring_mask;

    for (unsigned i = sq->sqe_tail; i != head; i--) {
        aio_queue_put_back(&u->waiting, (AioRequest *)(uintptr_t)sq->sqes[(i - 1) & mask].user_data);
    }
    sq->sqe_head = sq->sqe_tail = head;
    io_uring_smp_store_release(sq->ktail, head);
    u->unsubmitted = 0;
}

static void give_up(AioUring *u)
{
    take_back(u);
    u->given_up = true;
    u->stalled = false;
    send_waiting_away(u);
}

void aio_uring_submit(AioContext *ctx, bool force)
{
    AioUring *u = ctx->uring;

    if (!u || u->given_up || (ctx->plugged && !force)) {
        return;
    }
    do {
        fill_ring(u);
        while (u->unsubmitted) {
            int n = io_uring_submit(&u->ring);

            if (n == -EINTR) {
                continue;
            }
            u->stalled = n <= 0 && !u->in_kernel;
            u->stalls = u->stalled ? u->stalls + 1 : 0;
            if ((n < 0 && n != -EAGAIN && n != -EBUSY) || u->stalls > STALLS_MAX) {
                give_up(u);
                return;
            }
            if (n <= 0) {
                return;            /* completions must be taken first, or (stalled) a while waited */
            }
            n = MIN((unsigned)n, u->unsubmitted);
            u->unsubmitted -= n;
            u->in_kernel += n;
        }
    } while (u->waiting.first && io_uring_sq_space_left(&u->ring));
}

static bool uring_poll(void *opaque)
{
    AioContext *ctx = opaque;

    return io_uring_cq_ready(&ctx->uring->ring) > 0;
}

static bool uring_start(AioContext *ctx)
{
    AioUring *u = g_new0(AioUring, 1);

    /* Completions without interrupting the thread, where the kernel knows how. */
    if (io_uring_queue_init(RING_ENTRIES, &u->ring, IORING_SETUP_COOP_TASKRUN) < 0 &&
        io_uring_queue_init(RING_ENTRIES, &u->ring, 0) < 0) {
        g_free(u);
        return false;
    }
    ctx->uring = u;
    aio_set_fd_handler_poll(ctx, u->ring.ring_fd, uring_complete, NULL, uring_poll, ctx);
    return true;
}

void aio_uring_free(AioContext *ctx)
{
    if (ctx->uring) {
        aio_set_fd_handler(ctx, ctx->uring->ring.ring_fd, NULL, NULL, NULL);
        io_uring_queue_exit(&ctx->uring->ring);
        g_clear_pointer(&ctx->uring, g_free);
    }
}

int64_t coroutine_fn aio_uring_co_rw(AioContext *ctx, int fd, AioOp op, int64_t offset, const struct iovec *iov,
                                     int niov, size_t bytes, unsigned flags)
{
    AioRequest r = { .co = coroutine_self(), .fd = fd, .op = op, .offset = offset, .iov = iov, .niov = niov,
                     .bytes = bytes, .flags = flags };

    if (!ctx->uring && !uring_start(ctx)) {
        return aio_sync_rw(fd, op, offset, iov, niov, flags);
    }
    if (ctx->uring->given_up) {
        return -EAGAIN;
    }
    aio_queue_add(&ctx->uring->waiting, &r);
    if (ctx->uring->waiting.apart >= AIO_EARLY) {
        aio_uring_submit(ctx, true);
    }
    coroutine_yield();
    return r.result;
}
