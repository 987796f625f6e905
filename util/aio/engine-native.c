/*
 * The Linux AIO engine ("native"): a kernel context for each event loop.
 *
 * Requests gather in an array and go out by one io_submit when the loop is about to wait.
 * Completions are taken straight from the ring that the kernel shares with the process.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <libaio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "loop-int.h"
#include "native-ring.h"

#define QUEUE_MAX 1024             /* requests in the kernel */

typedef struct NativeRequest {
    AioRequest r;                  /* first: the kernel's copy leads here */
    struct iocb iocb;
} NativeRequest;

struct AioNative {
    io_context_t kernel;
    int event_fd;
    AioQueue queued;
    unsigned in_kernel;
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

bool aio_native_busy(const AioContext *ctx)
{
    return ctx->native && (ctx->native->in_kernel || ctx->native->queued.first);
}

bool aio_native_do_lone(AioContext *ctx)
{
    AioNative *n = ctx->native;
    AioRequest *r = n ? n->queued.first : NULL;

    if (!r || r->next || n->in_kernel) {
        return false;
    }
    n->queued.first = NULL;
    r->result = aio_do_alone(ctx, r);
    aio_co_wake(r->co);
    return true;
}

static struct iocb *prepare(AioNative *n, AioRequest *r)
{
    struct iocb *iocb = &((NativeRequest *)r)->iocb;

    if (r->op == AIO_OP_READ) {
        io_prep_preadv(iocb, r->fd, r->all, r->nb_all, r->offset);
    } else {
        io_prep_pwritev(iocb, r->fd, r->all, r->nb_all, r->offset);
        iocb->aio_rw_flags = r->flags & AIO_REQ_FUA ? RWF_DSYNC : 0;
    }
    io_set_eventfd(iocb, n->event_fd);
    iocb->data = r;
    return iocb;
}

/* Some requests of the queue; false: no more for now.  *answered: the kernel refused one, who waits for it ran. */
static bool submit_some(AioNative *n, bool *answered)
{
    AioRequest *taken[128];
    struct iocb *batch[G_N_ELEMENTS(taken)];
    int count = 0, done, kept;

    while (n->queued.first && count < (int)G_N_ELEMENTS(taken) && n->in_kernel + count < QUEUE_MAX) {
        taken[count] = aio_queue_take(&n->queued);
        batch[count] = prepare(n, taken[count]);
        count++;
    }
    if (!count) {
        return false;
    }
    while ((done = io_submit(n->kernel, count, batch)) == -EINTR) {
    }
    done = done ? done : -EAGAIN;
    n->in_kernel += MAX(done, 0);
    /* With EAGAIN room comes with completions; when none will come, the engine does the first by a worker. */
    kept = done > 0 ? done : done == -EAGAIN && n->in_kernel ? 0 : 1;
    for (int i = count - 1; i >= kept; i--) {
        aio_queue_put_back(&n->queued, taken[i]);
    }
    if (done < 0 && kept) {        /* the first one is at fault */
        *answered = true;
        aio_queue_done(&n->queued, taken[0], done);
    }
    return kept;
}

bool aio_native_submit(AioContext *ctx, bool force)
{
    AioNative *n = ctx->native;
    bool answered = false;

    if (n && (!ctx->plugged || force)) {
        n->queued.apart = 0;
        while (submit_some(n, &answered)) {
        }
    }
    return answered;
}

static void take_completions(AioContext *ctx)
{
    AioNative *n = ctx->native;
    struct io_event event;

    while (aio_ring_take(n->kernel, &event)) {
        n->in_kernel--;
        aio_queue_done(&n->queued, event.data, (int64_t)event.res);
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
    return aio_ring_ready(((AioContext *)opaque)->native->kernel);
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
    NativeRequest n = { .r = { .co = coroutine_self(), .fd = fd, .op = op, .offset = offset, .iov = iov, .niov = niov,
                               .bytes = bytes, .flags = flags } };

    if (!ctx->native && !native_start(ctx)) {
        return aio_sync_rw(fd, op, offset, iov, niov, flags);
    }
    aio_queue_add(&ctx->native->queued, &n.r);
    if (ctx->native->queued.apart >= AIO_EARLY) {
        aio_native_submit(ctx, true);
    }
    coroutine_yield();
    return n.r.result;
}
