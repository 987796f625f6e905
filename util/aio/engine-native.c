/*
 * The Linux AIO engine ("native"): a kernel context for each event loop.
 *
 * Requests gather in an array and go out by one io_submit when the loop is about to wait.
 * Completions are taken straight from the ring that the kernel shares with the process (its layout
 * is part of the kernel's stable interface, as fio and libaio use it).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <libaio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "loop-int.h"

#define QUEUE_MAX 1024             /* requests in the kernel */
#define RING_MAGIC 0xa10a10a1u

typedef struct SharedRing {
    unsigned id, nr, head, tail, magic, compat_features, incompat_features, header_length;
    struct io_event events[];
} SharedRing;

typedef struct NativeRequest {
    struct iocb iocb;              /* first: completions name it */
    struct NativeRequest *next;
    Coroutine *co;
    AioOp op;
    unsigned flags;
    int64_t result;
} NativeRequest;

struct AioNative {
    io_context_t kernel;
    int event_fd;
    NativeRequest *queued, **queued_tail;
    unsigned nb_queued, in_kernel;
};

bool aio_native_available(Error **errp)
{
    static int result = 1;         /* 1: not tried yet */

    if (result == 1) {
        io_context_t kernel = NULL;

        result = io_setup(1, &kernel);
        if (result == 0) {
            io_destroy(kernel);
        }
    }
    if (result < 0) {
        error_setg_errno(errp, -result, "failed to create linux AIO context");
        return false;
    }
    return true;
}

static void finish(AioNative *n, NativeRequest *r, int64_t result)
{
    r->result = result;
    aio_co_wake(r->co);
}

bool aio_native_busy(const AioContext *ctx)
{
    return ctx->native && (ctx->native->in_kernel || ctx->native->queued);
}

bool aio_native_do_lone(AioContext *ctx)
{
    AioNative *n = ctx->native;
    NativeRequest *r = n ? n->queued : NULL;

    if (!r || r->next || n->in_kernel) {
        return false;
    }
    n->queued = NULL;
    n->queued_tail = &n->queued;
    n->nb_queued = 0;
    finish(n, r, aio_sync_rw(r->iocb.aio_fildes, r->op, r->iocb.u.c.offset, r->iocb.u.c.buf,
                             r->iocb.u.c.nbytes, r->flags));
    return true;
}

void aio_native_submit(AioContext *ctx, bool force)
{
    AioNative *n = ctx->native;
    struct iocb *batch[128];

    if (!n || (ctx->plugged && !force)) {
        return;
    }
    while (n->queued && n->in_kernel < QUEUE_MAX) {
        NativeRequest *r = n->queued;
        int count = 0, done;

        for (; r && count < (int)G_N_ELEMENTS(batch) && n->in_kernel + count < QUEUE_MAX; r = r->next) {
            batch[count++] = &r->iocb;
        }
        done = io_submit(n->kernel, count, batch);
        if (done == -EINTR) {
            continue;
        }
        if ((done == -EAGAIN || done == 0) && n->in_kernel) {
            return;                /* room comes with completions */
        }
        if (done == 0) {
            done = -EAGAIN;        /* none will come: the engine does it by a worker */
        }
        r = n->queued;
        if (done < 0) {            /* the first one is at fault */
            n->queued = r->next;
            n->nb_queued--;
        } else {
            for (int i = 0; i < done; i++) {
                n->queued = n->queued->next;
            }
            n->nb_queued -= done;
            n->in_kernel += done;
        }
        if (!n->queued) {
            n->queued_tail = &n->queued;
        }
        if (done < 0) {
            finish(n, r, done);
        }
    }
}

/* One completion from the shared ring, without a system call. */
static bool take_event(AioNative *n, struct io_event *event)
{
    SharedRing *ring = (SharedRing *)n->kernel;
    unsigned head, tail;

    if (ring->magic != RING_MAGIC || ring->incompat_features) {
        struct timespec none = { 0, 0 };

        return io_getevents(n->kernel, 0, 1, event, &none) == 1;
    }
    head = ring->head;
    tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
    if (head == tail) {
        return false;
    }
    *event = ring->events[head];
    __atomic_store_n(&ring->head, (head + 1) % ring->nr, __ATOMIC_RELEASE);
    return true;
}

static void take_completions(AioContext *ctx)
{
    AioNative *n = ctx->native;
    struct io_event event;

    while (take_event(n, &event)) {
        n->in_kernel--;
        finish(n, (NativeRequest *)event.obj, (int64_t)event.res);
    }
    aio_native_submit(ctx, false);
}

/* The descriptor is watched for edges: each completion makes one, so nobody has to read it. */
static void native_ready(void *opaque)
{
    take_completions(opaque);
}

static bool native_poll(void *opaque)
{
    SharedRing *ring = (SharedRing *)((AioContext *)opaque)->native->kernel;

    return ring->magic == RING_MAGIC && ring->head != __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
}

static bool native_start(AioContext *ctx)
{
    AioNative *n = g_new0(AioNative, 1);

    n->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (n->event_fd < 0 || io_setup(QUEUE_MAX, &n->kernel) < 0) {
        if (n->event_fd >= 0) {
            close(n->event_fd);
        }
        g_free(n);
        return false;
    }
    n->queued_tail = &n->queued;
    ctx->native = n;
    aio_set_fd_handler_edge(ctx, n->event_fd, native_ready, native_poll, ctx);
    return true;
}

void aio_native_free(AioContext *ctx)
{
    if (ctx->native) {
        aio_set_fd_handler(ctx, ctx->native->event_fd, NULL, NULL, NULL);
        io_destroy(ctx->native->kernel);
        close(ctx->native->event_fd);
        g_clear_pointer(&ctx->native, g_free);
    }
}

int64_t coroutine_fn aio_native_co_rw(AioContext *ctx, int fd, AioOp op, int64_t offset, const struct iovec *iov,
                                      int niov, size_t bytes, unsigned flags)
{
    NativeRequest r = { .co = coroutine_self(), .op = op, .flags = flags };

    if (!ctx->native && !native_start(ctx)) {
        return aio_sync_rw(fd, op, offset, iov, niov, flags);
    }
    if (op == AIO_OP_READ) {
        io_prep_preadv(&r.iocb, fd, iov, niov, offset);
    } else {
        io_prep_pwritev(&r.iocb, fd, iov, niov, offset);
        r.iocb.aio_rw_flags = flags & AIO_REQ_FUA ? RWF_DSYNC : 0;
    }
    io_set_eventfd(&r.iocb, ctx->native->event_fd);
    *ctx->native->queued_tail = &r;
    ctx->native->queued_tail = &r.next;
    ctx->native->nb_queued++;
    coroutine_yield();
    return r.result;
}
