/*
 * What all channels share: references, reading and writing in full, waiting, watches.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <poll.h>
#include "io/channel.h"

void *io_channel_alloc(const IOChannelOps *ops, size_t size)
{
    IOChannel *c = g_malloc0(size);

    c->ops = ops;
    c->size = size;
    c->refs = 1;
    c->watch[IO_READ].fd = c->watch[IO_WRITE].fd = -1;
    return c;
}

IOChannel *io_channel_ref(IOChannel *c)
{
    __atomic_fetch_add(&c->refs, 1, __ATOMIC_RELAXED);
    return c;
}

void io_channel_close(IOChannel *c)
{
    if (c->closed) {
        return;
    }
    io_channel_watch(c, IO_READ, c->ctx, NULL, NULL);
    io_channel_watch(c, IO_WRITE, c->ctx, NULL, NULL);
    c->closed = true;
    c->ops->close(c);
}

void io_channel_unref(IOChannel *c)
{
    if (c && __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        io_channel_close(c);
        g_free(c);
    }
}

int io_channel_fd(const IOChannel *c, IODirection dir) { return c->closed ? -1 : c->ops->fd(c, dir); }

int io_channel_shutdown(IOChannel *c, bool read, bool write)
{
    return c->closed || !c->ops->shutdown ? 0 : c->ops->shutdown(c, read, write);
}

static bool check_open(IOChannel *c, Error **errp)
{
    if (c->closed) {
        error_setg(errp, "Channel is closed");
    }
    return !c->closed;
}

/* --- one transfer ------------------------------------------------------------------ */

ssize_t io_channel_readv(IOChannel *c, const struct iovec *iov, int niov, Error **errp)
{
    return check_open(c, errp) ? c->ops->readv(c, iov, niov, NULL, errp) : -EBADF;
}

ssize_t io_channel_read(IOChannel *c, void *buf, size_t len, Error **errp)
{
    struct iovec iov = { buf, len };

    return io_channel_readv(c, &iov, 1, errp);
}

ssize_t io_channel_read_fds(IOChannel *c, void *buf, size_t len, IOFds *fds, Error **errp)
{
    struct iovec iov = { buf, len };

    return check_open(c, errp) ? c->ops->readv(c, &iov, 1, c->passes_fds ? fds : NULL, errp) : -EBADF;
}

ssize_t io_channel_writev(IOChannel *c, const struct iovec *iov, int niov, Error **errp)
{
    return check_open(c, errp) ? c->ops->writev(c, iov, niov, NULL, 0, errp) : -EBADF;
}

ssize_t io_channel_write_fds(IOChannel *c, const void *buf, size_t len, const int *fds, int nfds, Error **errp)
{
    struct iovec iov = { (void *)buf, len };

    if (nfds && !c->passes_fds) {
        error_setg(errp, "Channel does not support file descriptor passing");
        return -EINVAL;
    }
    return check_open(c, errp) ? c->ops->writev(c, &iov, 1, fds, nfds, errp) : -EBADF;
}

ssize_t io_channel_write(IOChannel *c, const void *buf, size_t len, Error **errp)
{
    return io_channel_write_fds(c, buf, len, NULL, 0, errp);
}

/* --- watching ---------------------------------------------------------------------- */

static void on_ready(IOChannel *c, IODirection dir)
{
    if (c->watch[dir].fn) {
        c->watch[dir].fn(c->watch[dir].opaque);
    }
}

static bool has_pending(const IOChannel *c) { return c->ops->pending && c->ops->pending(c); }

/* A handler may drop the last reference: hold one around it. */
static void on_readable(void *opaque)
{
    g_autoptr(IOChannel) c = io_channel_ref(opaque);

    on_ready(c, IO_READ);
    if (!c->closed && c->watch[IO_READ].fn && c->pending_bh && (c->watch[IO_READ].fd < 0 || has_pending(c))) {
        aio_bh_schedule(c->pending_bh);
    }
}

static void on_writable(void *opaque)
{
    g_autoptr(IOChannel) c = io_channel_ref(opaque);

    on_ready(c, IO_WRITE);
}

/* Put the handlers of the channel's one or two descriptors in line with its watches. */
static void install(IOChannel *c, AioContext *ctx, int fd)
{
    bool read = c->watch[IO_READ].fn && c->watch[IO_READ].fd == fd;
    bool write = c->watch[IO_WRITE].fn && c->watch[IO_WRITE].fd == fd;

    if (fd >= 0) {
        aio_set_fd_handler(ctx, fd, read ? on_readable : NULL, write ? on_writable : NULL, c);
    }
}

static void update_pending_bh(IOChannel *c, AioContext *ctx)
{
    bool wanted = c->watch[IO_READ].fn && (c->ops->pending || c->watch[IO_READ].fd < 0);

    if (!wanted && c->pending_bh) {
        aio_bh_delete(c->pending_bh);
        c->pending_bh = NULL;
    }
    if (wanted && !c->pending_bh) {
        c->pending_bh = aio_bh_new(ctx, on_readable, c);
    }
    if (wanted && (c->watch[IO_READ].fd < 0 || has_pending(c))) {
        aio_bh_schedule(c->pending_bh);
    }
}

void io_channel_watch(IOChannel *c, IODirection dir, AioContext *ctx, AioFdHandler *fn, void *opaque)
{
    int old = c->watch[dir].fd;

    if (c->closed || !ctx || (!fn && !c->watch[dir].fn)) {
        return;
    }
    c->watch[dir].fn = fn;
    c->watch[dir].opaque = opaque;
    c->watch[dir].fd = fn ? c->ops->fd(c, dir) : -1;
    if (old != c->watch[dir].fd) {
        install(c, c->ctx ? c->ctx : ctx, old);
    }
    if (fn) {
        c->ctx = ctx;
        install(c, ctx, c->watch[dir].fd);
    } else if (!c->watch[!dir].fn) {
        c->ctx = NULL;
    }
    if (dir == IO_READ) {
        update_pending_bh(c, ctx);
    }
}

/* --- waiting ----------------------------------------------------------------------- */

typedef struct Sleeper { IOChannel *c; IODirection dir; Coroutine *co; } Sleeper;

static void wake_sleeper(void *opaque)
{
    Sleeper *s = opaque;

    io_channel_watch(s->c, s->dir, s->c->ctx, NULL, NULL);
    aio_co_wake(s->co);
}

void io_channel_poll(IOChannel *c, IODirection dir)
{
    struct pollfd p = { .fd = io_channel_fd(c, dir), .events = dir == IO_READ ? POLLIN : POLLOUT };

    while (p.fd >= 0 && poll(&p, 1, -1) < 0 && errno == EINTR) {
    }
}

void io_channel_wait(IOChannel *c, IODirection dir)
{
    if (c->closed || (dir == IO_READ && has_pending(c))) {
        return;
    }
    if (c->ops->wants) {
        c->ops->wants(c, &dir);
    }
    if (in_coroutine() && aio_current_context() && c->ops->fd(c, dir) >= 0) {
        Sleeper s = { c, dir, coroutine_self() };

        io_channel_watch(c, dir, aio_current_context(), wake_sleeper, &s);
        coroutine_yield();
    } else {
        io_channel_poll(c, dir);
    }
}

/* --- transfers in full ------------------------------------------------------------- */

/* Drop the first n bytes of *iov. */
static void advance(struct iovec **iov, int *niov, size_t n)
{
    while (*niov && n >= (*iov)->iov_len) {
        n -= (*iov)->iov_len;
        (*iov)++;
        (*niov)--;
    }
    if (*niov) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + n;
        (*iov)->iov_len -= n;
    }
}

static int readv_all_eof(IOChannel *c, struct iovec *iov, int niov, Error **errp)
{
    bool any = false;

    advance(&iov, &niov, 0);
    while (niov) {
        ssize_t n = io_channel_readv(c, iov, niov, errp);

        if (n == -EAGAIN) {
            io_channel_wait(c, IO_READ);
        } else if (n < 0) {
            return n;
        } else if (n == 0) {
            if (any) {
                error_setg(errp, "Unexpected end-of-file before all data were read");
            }
            return any ? -EPIPE : 0;
        } else {
            any = true;
            advance(&iov, &niov, n);
        }
    }
    return 1;
}

static int eof_is_error(int ret, Error **errp)
{
    if (ret == 0) {
        error_setg(errp, "Unexpected end-of-file before all data were read");
        return -EPIPE;
    }
    return ret < 0 ? ret : 0;
}

int io_channel_read_all_eof(IOChannel *c, void *buf, size_t len, Error **errp)
{
    struct iovec iov = { buf, len };

    return readv_all_eof(c, &iov, 1, errp);
}

int io_channel_read_all(IOChannel *c, void *buf, size_t len, Error **errp)
{
    return len ? eof_is_error(io_channel_read_all_eof(c, buf, len, errp), errp) : 0;
}

int io_channel_readv_all(IOChannel *c, const struct iovec *iov, int niov, Error **errp)
{
    g_autofree struct iovec *copy = g_memdup2(iov, niov * sizeof(*iov));

    return eof_is_error(readv_all_eof(c, copy, niov, errp), errp);
}

int io_channel_writev_all(IOChannel *c, const struct iovec *iov, int niov, Error **errp)
{
    g_autofree struct iovec *copy = g_memdup2(iov, niov * sizeof(*iov));
    struct iovec *at = copy;

    advance(&at, &niov, 0);
    while (niov) {
        ssize_t n = io_channel_writev(c, at, niov, errp);

        if (n == -EAGAIN) {
            io_channel_wait(c, IO_WRITE);
        } else if (n < 0) {
            return n;
        } else {
            advance(&at, &niov, n);
        }
    }
    return 0;
}

int io_channel_write_all(IOChannel *c, const void *buf, size_t len, Error **errp)
{
    struct iovec iov = { (void *)buf, len };

    return io_channel_writev_all(c, &iov, 1, errp);
}
