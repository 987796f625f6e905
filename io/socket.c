/*
 * Connecting sockets: in place, in a coroutine, and in the background.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include "socket-int.h"
#include "util/cutils.h"

/* --- kernel addresses, shared with the listener ---------------------------------------- */

int socket_family_of(const IOAddress *a, Error **errp)
{
    if (a->has_ipv4 && a->has_ipv6 && !a->ipv4 && !a->ipv6) {
        error_setg(errp, "Cannot disable IPv4 and IPv6 at same time");
        return -1;
    }
    if ((a->has_ipv6 && a->ipv6) && (a->has_ipv4 && a->ipv4)) {
        return PF_UNSPEC;
    }
    if ((a->has_ipv6 && a->ipv6) || (a->has_ipv4 && !a->ipv4)) {
        return PF_INET6;
    }
    if ((a->has_ipv4 && a->ipv4) || (a->has_ipv6 && !a->ipv6)) {
        return PF_INET;
    }
    return PF_UNSPEC;
}

struct addrinfo *socket_resolve(const IOAddress *a, bool passive, Error **errp)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = (passive ? AI_PASSIVE : 0) };
    struct addrinfo *res = NULL;
    int family = socket_family_of(a, errp), ret;

    if (family < 0) {
        return NULL;
    }
    hints.ai_family = family;
    if (!passive) {
        hints.ai_flags |= AI_V4MAPPED | AI_ADDRCONFIG;
        if (!*a->host || !*a->port) {
            error_setg(errp, "host and/or port not specified");
            return NULL;
        }
    }
    if (a->numeric) {
        hints.ai_flags |= AI_NUMERICHOST | AI_NUMERICSERV;
    }
    ret = getaddrinfo(*a->host ? a->host : NULL, *a->port ? a->port : NULL, &hints, &res);
    if (ret) {
        error_setg(errp, "address resolution failed for %s:%s: %s", a->host, a->port, gai_strerror(ret));
        return NULL;
    }
    return res;
}

int socket_unix_address(const IOAddress *a, struct sockaddr_un *un, socklen_t *len, Error **errp)
{
    ERRP_GUARD();
    size_t pathlen = strlen(a->path), space = sizeof(un->sun_path) - (a->abstract ? 1 : 0);

    if (pathlen > space) {
        error_setg(errp, "UNIX socket path '%s' is too long", a->path);
        error_append_hint(errp, "Path must be less than %zu bytes\n", space);
        return -ENAMETOOLONG;
    }
    memset(un, 0, sizeof(*un));
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path + (a->abstract ? 1 : 0), a->path, pathlen);
    *len = a->abstract && a->tight ? offsetof(struct sockaddr_un, sun_path) + 1 + pathlen : sizeof(*un);
    return 0;
}

int socket_vsock_address(const IOAddress *a, struct sockaddr_vm *vm, Error **errp)
{
    uint64_t cid, port;

    if (parse_u64(a->cid, 10, &cid) < 0 || cid > UINT32_MAX) {
        error_setg(errp, "Failed to parse cid '%s'", a->cid);
        return -EINVAL;
    }
    if (parse_u64(a->port, 10, &port) < 0 || port > UINT32_MAX) {
        error_setg(errp, "Failed to parse port '%s'", a->port);
        return -EINVAL;
    }
    memset(vm, 0, sizeof(*vm));
    vm->svm_family = AF_VSOCK;
    vm->svm_cid = cid;
    vm->svm_port = port;
    return 0;
}

/* --- connect ------------------------------------------------------------------------------ */

/* An interrupted connect goes on by itself: wait for its end. */
static int connect_fd(int fd, const struct sockaddr *sa, socklen_t len)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    int err = 0;
    socklen_t errlen = sizeof(err);

    if (connect(fd, sa, len) == 0) {
        return 0;
    }
    if (errno != EINTR) {
        return -errno;
    }
    while (poll(&p, 1, -1) < 0 && errno == EINTR) {
    }
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &errlen) < 0 ? -errno : -err;
}

static int try_connect(int family, const struct sockaddr *sa, socklen_t len, int *out)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), ret;

    if (fd < 0) {
        return -errno;
    }
    ret = connect_fd(fd, sa, len);
    if (ret < 0) {
        close(fd);
        return ret;
    }
    *out = fd;
    return 0;
}

static int connect_inet(const IOAddress *a, Error **errp)
{
    struct addrinfo *res = socket_resolve(a, false, errp);
    int fd = -1, ret = -EADDRNOTAVAIL, one = 1;

    if (!res) {
        return -1;
    }
    for (struct addrinfo *e = res; e && fd < 0; e = e->ai_next) {
        ret = try_connect(e->ai_family, e->ai_addr, e->ai_addrlen, &fd);
    }
    freeaddrinfo(res);
    if (fd < 0) {
        error_setg_errno(errp, -ret, "Failed to connect to '%s:%s'", a->host, a->port);
    } else if (a->keep_alive && setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) < 0) {
        error_setg_errno(errp, errno, "Unable to set KEEPALIVE");
        close(fd);
        fd = -1;
    }
    return fd;
}

static int connect_unix(const IOAddress *a, Error **errp)
{
    struct sockaddr_un un;
    socklen_t len;
    int fd = -1, ret;

    if (!a->path) {
        error_setg(errp, "unix connect: no path specified");
        return -1;
    }
    if (socket_unix_address(a, &un, &len, errp) < 0) {
        return -1;
    }
    ret = try_connect(AF_UNIX, (struct sockaddr *)&un, len, &fd);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to connect to '%s'", a->path);
    }
    return fd;
}

static int connect_vsock(const IOAddress *a, Error **errp)
{
    struct sockaddr_vm vm;
    int fd = -1, ret;

    if (socket_vsock_address(a, &vm, errp) < 0) {
        return -1;
    }
    ret = try_connect(AF_VSOCK, (struct sockaddr *)&vm, sizeof(vm), &fd);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to connect to '%s:%s'", a->cid, a->port);
    }
    return fd;
}

static int connect_any(const IOAddress *a, Error **errp)
{
    switch (a->kind) {
    case IO_ADDR_INET:
        return connect_inet(a, errp);
    case IO_ADDR_UNIX:
        return connect_unix(a, errp);
    case IO_ADDR_VSOCK:
        return connect_vsock(a, errp);
    default:
        return io_address_get_fd(a->fd, errp);
    }
}

IOChannel *io_socket_connect(const IOAddress *addr, Error **errp)
{
    int fd = connect_any(addr, errp);
    IOChannel *c = fd < 0 ? NULL : io_socket_from_fd(fd, errp);

    if (fd >= 0 && !c) {
        close(fd);
    }
    return c;
}

typedef struct ConnectWork { const IOAddress *addr; int fd; Error *err; } ConnectWork;

static int connect_worker(void *opaque)
{
    ConnectWork *w = opaque;

    w->fd = connect_any(w->addr, &w->err);
    return 0;
}

IOChannel *coroutine_fn io_socket_co_connect(const IOAddress *addr, Error **errp)
{
    ConnectWork w = { .addr = addr, .fd = -1 };
    ThreadQueue alone = { 0 };             /* never in place: it may take longer than who waits for it has time */
    IOChannel *c;

    if (addr->kind == IO_ADDR_FD) {
        return io_socket_connect(addr, errp);
    }
    thread_pool_co_run_queued(&alone, connect_worker, &w);
    if (w.fd < 0) {
        error_propagate(errp, w.err);
        return NULL;
    }
    c = io_socket_from_fd(w.fd, errp);
    if (!c) {
        close(w.fd);
    }
    return c;
}

/* --- in the background ---------------------------------------------------------------------- */

struct IOConnect { IOAddress *addr; IOConnectDone *done; void *opaque; };

static void coroutine_fn connect_entry(void *opaque)
{
    IOConnect *task = opaque;
    Error *err = NULL;
    IOChannel *c = io_socket_co_connect(task->addr, &err);

    if (task->done) {
        task->done(task->opaque, c, err);
    } else {
        io_channel_unref(c);
        error_free(err);
    }
    io_address_free(task->addr);
    g_free(task);
}

static void start_connect(void *opaque) { coroutine_enter(coroutine_create(connect_entry, opaque)); }

IOConnect *io_connect_start(const IOAddress *addr, IOConnectDone *done, void *opaque)
{
    IOConnect *task = g_new0(IOConnect, 1);

    task->addr = io_address_copy(addr);
    task->done = done;
    task->opaque = opaque;
    aio_bh_oneshot(aio_current_context() ? aio_current_context() : aio_main_context(), start_connect, task);
    return task;
}

void io_connect_cancel(IOConnect *task) { task->done = NULL; }
