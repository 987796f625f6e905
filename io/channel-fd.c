/*
 * A channel over one or two plain descriptors: files, pipes, terminals.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "io/channel.h"
#include "util/fdset.h"

typedef struct FdChannel { IOChannel c; int fds[2]; bool pollable[2]; } FdChannel;

static ssize_t fd_readv(IOChannel *c, const struct iovec *iov, int niov, IOFds *fds, Error **errp)
{
    FdChannel *f = (FdChannel *)c;
    ssize_t n;

    do {
        n = readv(f->fds[IO_READ], iov, niov);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) {
        int err = errno;

        error_setg_errno(errp, err, "Unable to read from file");
        return -err;
    }
    return n < 0 ? -EAGAIN : n;
}

static ssize_t fd_writev(IOChannel *c, const struct iovec *iov, int niov, const int *fds, int nfds, Error **errp)
{
    FdChannel *f = (FdChannel *)c;
    ssize_t n;

    do {
        n = writev(f->fds[IO_WRITE], iov, niov);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) {
        int err = errno;

        error_setg_errno(errp, err, "Unable to write to file");
        return -err;
    }
    return n < 0 ? -EAGAIN : n;
}

/* Regular files, /dev/null and the like cannot be polled and never block. */
static int fd_fd(const IOChannel *c, IODirection dir)
{
    const FdChannel *f = (const FdChannel *)c;

    return f->pollable[dir] ? f->fds[dir] : -1;
}

static void fd_close(IOChannel *c)
{
    FdChannel *f = (FdChannel *)c;

    if (f->fds[IO_READ] >= 0) {
        fdset_close(f->fds[IO_READ]);
    }
    if (f->fds[IO_WRITE] >= 0 && f->fds[IO_WRITE] != f->fds[IO_READ]) {
        fdset_close(f->fds[IO_WRITE]);
    }
}

static const IOChannelOps fd_ops = { .readv = fd_readv, .writev = fd_writev, .fd = fd_fd, .close = fd_close };

/* Make fd non-blocking; can it be waited for? */
static bool prepare(int fd)
{
    struct epoll_event ev = { .events = 0 };
    int flags = fcntl(fd, F_GETFL), probe;
    bool ok;

    if (fd < 0) {
        return false;
    }
    if (flags >= 0 && !(flags & O_NONBLOCK)) {
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    }
    probe = epoll_create1(EPOLL_CLOEXEC);
    ok = probe >= 0 && epoll_ctl(probe, EPOLL_CTL_ADD, fd, &ev) == 0;
    if (probe >= 0) {
        close(probe);
    }
    return ok;
}

IOChannel *io_channel_fd_new(int read_fd, int write_fd)
{
    FdChannel *f = io_channel_alloc(&fd_ops, sizeof(*f));

    f->fds[IO_READ] = read_fd;
    f->fds[IO_WRITE] = write_fd;
    f->pollable[IO_READ] = prepare(read_fd);
    f->pollable[IO_WRITE] = prepare(write_fd);
    return &f->c;
}
