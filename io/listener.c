/*
 * Listening sockets.  A name with several addresses gets a socket for each; all take the same port.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "socket-int.h"
#include "util/cutils.h"
#include "util/leftovers.h"

#define SOCKETS_MAX 16

struct IOListener {
    int fds[SOCKETS_MAX];
    int n;
    AioContext *ctx;
    IOAcceptFn *fn;
    void *opaque;
    char *unlink_path;             /* ours to remove */
    struct Slot { IOListener *l; int fd; } slots[SOCKETS_MAX];
};

static void inet_set_port(struct sockaddr *sa, int port)
{
    if (sa->sa_family == AF_INET6) {
        ((struct sockaddr_in6 *)sa)->sin6_port = htons(port);
    } else {
        ((struct sockaddr_in *)sa)->sin_port = htons(port);
    }
}

static int inet_port(const struct sockaddr *sa)
{
    return ntohs(sa->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)sa)->sin6_port :
                 ((const struct sockaddr_in *)sa)->sin_port);
}

/* A bound and listening socket for one resolved address, on the first free port up to `to`; -errno. */
static int listen_one(struct addrinfo *e, int first, int to, int backlog)
{
    int fd = socket(e->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, err = EADDRINUSE;

    if (fd < 0) {
        return -errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (e->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    }
    for (int port = first; port <= to; port++) {
        inet_set_port(e->ai_addr, port);
        if (bind(fd, e->ai_addr, e->ai_addrlen) == 0 && listen(fd, backlog) == 0) {
            return fd;
        }
        err = errno;
        if (err != EADDRINUSE) {
            break;
        }
    }
    close(fd);
    return -err;
}

static int taken_port(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);

    return getsockname(fd, (struct sockaddr *)&ss, &len) < 0 ? 0 : inet_port((struct sockaddr *)&ss);
}

static bool listen_inet(IOListener *l, const IOAddress *a, int backlog, Error **errp)
{
    struct addrinfo *res = socket_resolve(a, true, errp);
    int err = 0;

    if (!res) {
        return false;
    }
    for (struct addrinfo *e = res; e && l->n < SOCKETS_MAX; e = e->ai_next) {
        int first = l->n ? taken_port(l->fds[0]) : inet_port(e->ai_addr);
        int fd = listen_one(e, first, l->n || !a->has_to ? first : MAX(a->to, first), backlog);

        if (fd >= 0) {
            l->fds[l->n++] = fd;
        } else {
            err = -fd;
        }
    }
    freeaddrinfo(res);
    if (!l->n) {
        error_setg_errno(errp, err, "Failed to find an available port");
    }
    return l->n > 0;
}

static bool listen_bound(IOListener *l, int fd, const struct sockaddr *sa, socklen_t len, const char *name, int backlog,
                         Error **errp)
{
    if (bind(fd, sa, len) < 0) {
        error_setg_errno(errp, errno, "Failed to bind socket to %s", name);
    } else if (listen(fd, backlog) < 0) {
        error_setg_errno(errp, errno, "Failed to listen on socket");
    } else {
        l->fds[l->n++] = fd;
        return true;
    }
    close(fd);
    return false;
}

/* A path of our own when none was given. */
static char *choose_path(Error **errp)
{
    const char *dir = g_getenv("TMPDIR");
    char *path = g_strdup_printf("%s/qemu-socket-XXXXXX", dir ? dir : "/tmp");
    int fd = mkstemp(path);

    if (fd < 0) {
        error_setg_errno(errp, errno, "Failed to make a temporary socket %s", path);
        g_free(path);
        return NULL;
    }
    close(fd);
    return path;
}

static bool listen_unix(IOListener *l, const IOAddress *a, int backlog, Error **errp)
{
    g_autoptr(IOAddress) named = io_address_copy(a);
    struct sockaddr_un un;
    socklen_t len;
    int fd;

    if (!*named->path && !named->abstract) {
        g_free(named->path);
        named->path = choose_path(errp);
        if (!named->path) {
            return false;
        }
    }
    if (socket_unix_address(named, &un, &len, errp) < 0) {
        return false;
    }
    if (!named->abstract && unlink(named->path) < 0 && errno != ENOENT) {
        error_setg_errno(errp, errno, "Failed to unlink socket %s", named->path);
        return false;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        error_setg_errno(errp, errno, "Failed to create Unix socket");
        return false;
    }
    if (!named->abstract) {
        l->unlink_path = g_strdup(named->path);
        leftovers_add(l->unlink_path);
    }
    if (!listen_bound(l, fd, (struct sockaddr *)&un, len, named->path, backlog, errp)) {
        leftovers_forget(l->unlink_path);
        g_clear_pointer(&l->unlink_path, g_free);
        return false;
    }
    return true;
}

static bool listen_vsock(IOListener *l, const IOAddress *a, int backlog, Error **errp)
{
    struct sockaddr_vm vm;
    int fd;

    if (socket_vsock_address(a, &vm, errp) < 0) {
        return false;
    }
    fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        error_setg_errno(errp, errno, "Failed to create socket");
        return false;
    }
    return listen_bound(l, fd, (struct sockaddr *)&vm, sizeof(vm), a->cid, backlog, errp);
}

static bool listen_fd(IOListener *l, const IOAddress *a, int backlog, Error **errp)
{
    int fd = io_address_get_fd(a->fd, errp);

    if (fd < 0) {
        return false;
    }
    if (listen(fd, backlog) < 0) {
        error_setg_errno(errp, errno, "Failed to listen on fd socket");
        return false;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    l->fds[l->n++] = fd;
    return true;
}

IOListener *io_listener_new(const IOAddress *addr, int backlog, Error **errp)
{
    IOListener *l = g_new0(IOListener, 1);
    bool ok;

    switch (addr->kind) {
    case IO_ADDR_INET:
        ok = listen_inet(l, addr, backlog, errp);
        break;
    case IO_ADDR_UNIX:
        ok = listen_unix(l, addr, backlog, errp);
        break;
    case IO_ADDR_VSOCK:
        ok = listen_vsock(l, addr, backlog, errp);
        break;
    default:
        ok = listen_fd(l, addr, backlog, errp);
        break;
    }
    if (!ok) {
        io_listener_free(l);
        return NULL;
    }
    return l;
}

static IOChannel *accept_one(int fd)
{
    int client;

    do {
        client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    } while (client < 0 && errno == EINTR);
    if (client >= 0) {
        IOChannel *c = io_socket_from_fd(client, NULL);

        if (!c) {
            close(client);
        }
        return c;
    }
    return NULL;
}

static void on_client(void *opaque)
{
    struct Slot *slot = opaque;
    IOListener *l = slot->l;
    IOChannel *c = accept_one(slot->fd);

    if (c && l->fn) {
        l->fn(l->opaque, c);
    } else {
        io_channel_unref(c);
    }
}

void io_listener_set_handler(IOListener *l, AioContext *ctx, IOAcceptFn *fn, void *opaque)
{
    for (int i = 0; i < l->n; i++) {
        l->slots[i] = (struct Slot){ l, l->fds[i] };
        if (l->ctx && l->ctx != ctx) {
            aio_set_fd_handler(l->ctx, l->fds[i], NULL, NULL, NULL);
        }
        if (ctx) {
            aio_set_fd_handler(ctx, l->fds[i], fn ? on_client : NULL, NULL, &l->slots[i]);
        }
    }
    l->ctx = fn ? ctx : NULL;
    l->fn = fn;
    l->opaque = opaque;
}

IOChannel *io_listener_accept_blocking(IOListener *l)
{
    struct pollfd p[SOCKETS_MAX];

    for (;;) {
        for (int i = 0; i < l->n; i++) {
            p[i] = (struct pollfd){ .fd = l->fds[i], .events = POLLIN };
        }
        if (poll(p, l->n, -1) < 0 && errno != EINTR) {
            return NULL;
        }
        for (int i = 0; i < l->n; i++) {
            IOChannel *c = p[i].revents ? accept_one(l->fds[i]) : NULL;

            if (c) {
                return c;
            }
        }
    }
}

IOAddress *io_listener_address(const IOListener *l, Error **errp) { return io_address_local(l->fds[0], errp); }
int io_listener_count(const IOListener *l) { return l->n; }
int io_listener_fd(const IOListener *l, int index) { return l->fds[index]; }

void io_listener_free(IOListener *l)
{
    if (!l) {
        return;
    }
    io_listener_set_handler(l, l->ctx, NULL, NULL);
    for (int i = 0; i < l->n; i++) {
        close(l->fds[i]);
    }
    if (l->unlink_path) {
        unlink(l->unlink_path);
        leftovers_forget(l->unlink_path);
    }
    g_free(l->unlink_path);
    g_free(l);
}
