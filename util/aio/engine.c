/*
 * File I/O by one of three engines, and what they share: short transfers are continued until
 * all is moved, an error occurs or the end of the file is met.
 *
 * A cached read is first tried where it is served from memory at once (RWF_NOWAIT): most never meet
 * another thread.  With O_DIRECT that would wait for the disk.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include "loop-int.h"
#include "util/iov.h"

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif

#define IN_PLACE_MAX (256 * 1024)  /* a batch program copies so much to the page cache itself */

#define SERVER_IN_PLACE_MAX (32 * 1024)   /* others have clients to talk to meanwhile */

typedef struct Transfer {
    int fd;
    AioOp op;
    int64_t offset;
    const struct iovec *iov;
    int niov;
    unsigned flags;
    int64_t result;
} Transfer;

static ssize_t transfer_once(const Transfer *t, int rwf)
{
    int n = MIN(t->niov, IOV_MAX);

    if (t->op == AIO_OP_READ) {
        return rwf ? preadv2(t->fd, t->iov, n, t->offset, rwf) : preadv(t->fd, t->iov, n, t->offset);
    }
    return rwf ? pwritev2(t->fd, t->iov, n, t->offset, rwf) : pwritev(t->fd, t->iov, n, t->offset);
}

int64_t aio_sync_rw(int fd, AioOp op, int64_t offset, const struct iovec *iov, int niov, unsigned flags)
{
    Transfer t = { .fd = fd, .op = op, .offset = offset, .iov = iov, .niov = niov };
    int rwf = op == AIO_OP_WRITE && (flags & AIO_REQ_FUA) ? RWF_DSYNC : 0;
    ssize_t n;

    if (op == AIO_OP_FDATASYNC) {
        while ((n = fdatasync(fd)) < 0 && errno == EINTR) {
        }
        return n < 0 ? -errno : 0;
    }
    do {
        n = transfer_once(&t, rwf);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static int transfer_job(void *arg)
{
    Transfer *t = arg;

    t->result = aio_sync_rw(t->fd, t->op, t->offset, t->iov, t->niov, t->flags);
    return 0;
}

/* A cached transfer that needs no waiting, done at once.  -EAGAIN: not possible. */
static int64_t coroutine_fn try_in_place(const Transfer *t, size_t bytes)
{
    static int nowait_refused;     /* benign race: at worst asked once more */
    AioContext *ctx = aio_current_context();
    ssize_t n;

    if (!(t->flags & AIO_REQ_CACHED)) {
        return -EAGAIN;            /* the system would wait for the disk */
    }
    if (t->op == AIO_OP_WRITE && bytes <= IN_PLACE_MAX && aio_is_batch(ctx)) {
        return aio_cached_write(ctx, t->fd, t->offset, t->iov, MIN(t->niov, IOV_MAX), bytes, t->flags);
    }
    /* tmpfs knows nothing of RWF_NOWAIT, and never waits. */
    if (t->op == AIO_OP_READ && (t->flags & AIO_REQ_MEMORY)) {
        return bytes <= (aio_is_batch(ctx) ? IN_PLACE_MAX : SERVER_IN_PLACE_MAX) ?
            aio_sync_rw(t->fd, t->op, t->offset, t->iov, MIN(t->niov, IOV_MAX), 0) : -EAGAIN;
    }
    if (t->op != AIO_OP_READ || __atomic_load_n(&nowait_refused, __ATOMIC_RELAXED)) {
        return -EAGAIN;
    }
    n = transfer_once(t, RWF_NOWAIT);
    if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
        __atomic_store_n(&nowait_refused, 1, __ATOMIC_RELAXED);
    }
    return n < 0 ? -EAGAIN : n;
}

static int64_t coroutine_fn threads_co_rw(const Transfer *request)
{
    Transfer t = *request;

    thread_pool_co_run(transfer_job, &t);
    return t.result;
}

bool aio_engine_available(AioEngineKind kind, Error **errp)
{
    switch (kind) {
    case AIO_ENGINE_NATIVE:
        return aio_native_available(errp);
    case AIO_ENGINE_IO_URING:
        return aio_uring_available(errp);
    default:
        return true;
    }
}

static int64_t coroutine_fn engine_once(AioEngineKind kind, const Transfer *t, size_t bytes)
{
    AioContext *ctx = aio_current_context();
    int niov = MIN(t->niov, IOV_MAX);
    int64_t n = try_in_place(t, bytes);

    if (n != -EAGAIN) {
        return n;
    }
    /* With O_DIRECT nothing is gained by a thread that waits for the disk, if the kernel can do without. */
    if (kind == AIO_ENGINE_THREADS && !(t->flags & AIO_REQ_CACHED) && t->op != AIO_OP_FDATASYNC &&
        aio_uring_available(NULL)) {
        kind = AIO_ENGINE_IO_URING;
    }
    if (kind == AIO_ENGINE_IO_URING) {
        n = aio_uring_co_rw(ctx, t->fd, t->op, t->offset, t->iov, niov, bytes, t->flags);
    } else if (kind == AIO_ENGINE_NATIVE && t->op != AIO_OP_FDATASYNC) {
        /* Linux AIO cannot flush without blocking on most file systems. */
        n = aio_native_co_rw(ctx, t->fd, t->op, t->offset, t->iov, niov, bytes, t->flags);
    }
    /* No room in the kernel for one more, and none to be expected: a thread may wait. */
    return n == -EAGAIN ? threads_co_rw(t) : n;
}

/* The rest of a vector after `done` bytes, in an array of its own. */
static struct iovec *iov_rest(const struct iovec *iov, int *niov, size_t done)
{
    struct iovec *rest;
    int i = 0;

    while (i < *niov && done >= iov[i].iov_len) {
        done -= iov[i++].iov_len;
    }
    rest = g_new(struct iovec, MAX(*niov - i, 1));
    memcpy(rest, iov + i, (*niov - i) * sizeof(*iov));
    *niov -= i;
    if (*niov) {
        rest[0].iov_base = (char *)rest[0].iov_base + done;
        rest[0].iov_len -= done;
    }
    return rest;
}

int64_t coroutine_fn aio_engine_co_rw(AioEngineKind kind, int fd, AioOp op, int64_t offset, const struct iovec *iov,
                                      int niov, unsigned flags)
{
    Transfer t = { .fd = fd, .op = op, .offset = offset, .iov = iov, .niov = niov, .flags = flags };
    g_autofree struct iovec *rest = NULL;
    int64_t total = 0, done = 0, n;

    for (int i = 0; i < niov; i++) {
        total += iov[i].iov_len;
    }
    for (;;) {
        n = engine_once(kind, &t, total - done);
        if (n == -EINTR) {
            continue;
        }
        if (n == -EINVAL && done > 0 && op == AIO_OP_READ && !(flags & AIO_REQ_CACHED)) {
            return done;           /* the file's end is at an odd place, and the system looks at that first */
        }
        if (n <= 0 || op == AIO_OP_FDATASYNC) {
            return n < 0 ? n : done;
        }
        done += n;
        if (done >= total) {
            return done;
        }
        g_free(rest);
        t.niov = niov;
        rest = iov_rest(iov, &t.niov, done);
        t.iov = rest;
        t.offset = offset + done;
    }
}

void aio_plug(void)
{
    AioContext *ctx = aio_current_context();

    if (ctx) {
        ctx->plugged++;
    }
}

void aio_unplug(void)
{
    AioContext *ctx = aio_current_context();

    if (ctx && --ctx->plugged == 0) {
        aio_native_submit(ctx, false);
        aio_uring_submit(ctx, false);
    }
}
