/*
 * A connected stream socket as a channel, with descriptors passed over unix sockets.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>
#include "io/socket.h"

typedef struct SocketChannel { IOChannel c; int fd; } SocketChannel;

/* Keep what fits, close the rest, mark all to be closed at exec. */
static void take_fds(struct msghdr *msg, IOFds *out)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
        int n, fd;

        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS || h->cmsg_len < CMSG_LEN(0)) {
            continue;
        }
        n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (int i = 0; i < n; i++) {
            memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
            if (out && out->n < (int)G_N_ELEMENTS(out->fds)) {
                out->fds[out->n++] = fd;
            } else {
                close(fd);
            }
        }
    }
}

static ssize_t socket_readv(IOChannel *c, const struct iovec *iov, int niov, IOFds *fds, Error **errp)
{
    SocketChannel *s = (SocketChannel *)c;
    union { struct cmsghdr align; char bytes[CMSG_SPACE(16 * sizeof(int))]; } control;
    struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = niov };
    ssize_t n;

    if (fds) {
        msg.msg_control = &control;
        msg.msg_controllen = sizeof(control);
    }
    do {
        n = recvmsg(s->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) {
        int err = errno;

        error_setg_errno(errp, err, "Unable to read from socket");
        return -err;
    }
    if (n >= 0 && fds) {
        take_fds(&msg, fds);
    }
    return n < 0 ? -EAGAIN : n;
}

static ssize_t socket_writev(IOChannel *c, const struct iovec *iov, int niov, const int *fds, int nfds, Error **errp)
{
    SocketChannel *s = (SocketChannel *)c;
    union { struct cmsghdr align; char bytes[CMSG_SPACE(16 * sizeof(int))]; } control = { 0 };
    struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = MIN(niov, 1024) };
    ssize_t n;

    if (nfds > 16) {
        error_setg(errp, "Too many file descriptors to send at once");
        return -EINVAL;
    }
    if (nfds) {
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(nfds * sizeof(int));
        memcpy(CMSG_DATA(&control.align), fds, nfds * sizeof(int));
    }
    do {
        n = sendmsg(s->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) {
        int err = errno;

        error_setg_errno(errp, err, "Unable to write to socket");
        return -err;
    }
    return n < 0 ? -EAGAIN : n;
}

static int socket_fd(const IOChannel *c, IODirection dir) { return ((const SocketChannel *)c)->fd; }

static int socket_shutdown(IOChannel *c, bool read, bool write)
{
    int how = read && write ? SHUT_RDWR : read ? SHUT_RD : SHUT_WR;

    return (read || write) && shutdown(((SocketChannel *)c)->fd, how) < 0 ? -errno : 0;
}

static void socket_close(IOChannel *c) { close(((SocketChannel *)c)->fd); }

static const IOChannelOps socket_ops = {
    .readv = socket_readv, .writev = socket_writev, .fd = socket_fd, .shutdown = socket_shutdown, .close = socket_close,
};

IOChannel *io_socket_from_fd(int fd, Error **errp)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    SocketChannel *s;

    if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0) {
        error_setg_errno(errp, errno, "Unable to query local socket address");
        return NULL;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    s = io_channel_alloc(&socket_ops, sizeof(*s));
    s->fd = fd;
    s->c.passes_fds = ss.ss_family == AF_UNIX;
    return &s->c;
}

bool io_channel_is_socket(const IOChannel *c) { return c->ops == &socket_ops; }
int io_socket_fd(const IOChannel *c) { return ((const SocketChannel *)c)->fd; }

void io_socket_set_nodelay(IOChannel *c, bool on)
{
    int value = on;

    if (io_channel_is_socket(c)) {
        setsockopt(io_socket_fd(c), IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value));
    }
}
