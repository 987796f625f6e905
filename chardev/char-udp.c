/*
 * Datagrams: each write is one, each one read is delivered in pieces as the user has room.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "char-int.h"

#define DATAGRAM_MAX 65536

typedef struct UdpChardev {
    Chardev chr;
    IOChannel *c;
    bool watching;
    uint8_t *buf;
    size_t len, at;                /* what was received, what was delivered */
} UdpChardev;

static QDict *inet(const char *host, const char *port, const QDict *options)
{
    QDict *address = qdict_new(), *data = qdict_new();

    qdict_put_str(data, "host", host);
    qdict_put_str(data, "port", port);
    if (options) {
        opt_copy_bool(options, data, "ipv4", "ipv4", NULL);
        opt_copy_bool(options, data, "ipv6", "ipv6", NULL);
    }
    qdict_put_str(address, "type", "inet");
    qdict_put(address, "data", data);
    return address;
}

static bool udp_parse(const QDict *options, QDict *data, Error **errp)
{
    const char *host = qdict_get_str(options, "host"), *port = qdict_get_str(options, "port");
    const char *localaddr = qdict_get_str(options, "localaddr"), *localport = qdict_get_str(options, "localport");

    if (!port || !*port) {
        error_setg(errp, "chardev: udp: remote port not specified");
        return false;
    }
    qdict_put(data, "remote", inet(host && *host ? host : "localhost", port, options));
    if ((localaddr && *localaddr) || (localport && *localport)) {
        qdict_put(data, "local", inet(localaddr ? localaddr : "", localport && *localport ? localport : "0", NULL));
    }
    return true;
}

static struct addrinfo *resolve(const QDict *legacy, const char *what, int family, bool passive, Error **errp)
{
    const QDict *d = legacy ? qdict_get_dict(legacy, "data") : NULL;
    const char *host = d ? qdict_get_str(d, "host") : "", *port = d ? qdict_get_str(d, "port") : "0";
    struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_family = family, .ai_flags = passive ? AI_PASSIVE : 0 };
    struct addrinfo *res = NULL;
    bool v4 = d && qdict_get_bool(d, "ipv4", false), v6 = d && qdict_get_bool(d, "ipv6", false);
    int ret;

    if (family == PF_UNSPEC && v4 != v6) {
        hints.ai_family = v4 ? PF_INET : PF_INET6;
    }
    ret = getaddrinfo(host && *host ? host : passive ? NULL : "localhost", port, &hints, &res);
    if (ret) {
        error_setg(errp, "address resolution failed for %s:%s: %s", host ? host : "", port ? port : "",
                   gai_strerror(ret));
        return NULL;
    }
    return res;
}

static int udp_socket(const QDict *data, Error **errp)
{
    struct addrinfo *peer = resolve(qdict_get_dict(data, "remote"), "remote", PF_UNSPEC, false, errp), *local;
    int fd = -1, one = 1;

    if (!peer) {
        return -1;
    }
    local = resolve(qdict_get_dict(data, "local"), "local", peer->ai_family, true, errp);
    if (local) {
        fd = socket(peer->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            error_setg_errno(errp, errno, "Failed to create socket family %d", peer->ai_family);
        } else {
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
            if (bind(fd, local->ai_addr, local->ai_addrlen) < 0) {
                error_setg_errno(errp, errno, "Failed to bind socket");
            } else if (connect(fd, peer->ai_addr, peer->ai_addrlen) < 0) {
                error_setg_errno(errp, errno, "Failed to connect to '%s:%s'",
                                 qdict_get_str(qdict_get_dict(qdict_get_dict(data, "remote"), "data"), "host"),
                                 qdict_get_str(qdict_get_dict(qdict_get_dict(data, "remote"), "data"), "port"));
            } else {
                one = 0;
            }
            if (one) {
                close(fd);
                fd = -1;
            }
        }
        freeaddrinfo(local);
    }
    freeaddrinfo(peer);
    return fd;
}

static bool udp_open(Chardev *chr, const QDict *data, bool *be_opened, Error **errp)
{
    UdpChardev *u = (UdpChardev *)chr;
    int fd = udp_socket(data, errp);

    if (fd < 0) {
        return false;
    }
    u->c = io_channel_fd_new(fd, fd);
    u->buf = g_malloc(DATAGRAM_MAX);
    *be_opened = false;
    return true;
}

static int udp_write(Chardev *chr, const uint8_t *buf, int len)
{
    ssize_t n = io_channel_write(((UdpChardev *)chr)->c, buf, MIN(len, DATAGRAM_MAX - 64), NULL);

    if (n < 0) {
        errno = -n;
        return -1;
    }
    return n;
}

static void udp_deliver(UdpChardev *u)
{
    int room;

    while (u->at < u->len && (room = chr_can_read(&u->chr)) > 0) {
        size_t n = MIN((size_t)room, u->len - u->at);

        u->at += n;
        chr_deliver(&u->chr, u->buf + u->at - n, n);
    }
}

static void udp_update_read(Chardev *chr);

static void on_datagram(void *opaque)
{
    UdpChardev *u = opaque;
    ssize_t n;

    udp_deliver(u);
    if (chr_can_read(&u->chr) > 0 && u->at == u->len) {
        n = io_channel_read(u->c, u->buf, DATAGRAM_MAX, NULL);
        u->len = MAX(n, 0);
        u->at = 0;
        udp_deliver(u);
    }
    if (chr_can_read(&u->chr) <= 0) {
        udp_update_read(&u->chr);
    }
}

static void udp_update_read(Chardev *chr)
{
    UdpChardev *u = (UdpChardev *)chr;
    bool wanted = chr_can_read(chr) > 0;

    if (u->watching && (!wanted || u->c->ctx != chr_context(chr))) {
        io_channel_watch(u->c, IO_READ, u->c->ctx, NULL, NULL);
    }
    if (wanted) {
        io_channel_watch(u->c, IO_READ, chr_context(chr), on_datagram, u);
    }
    u->watching = wanted;
}

static void udp_accept_input(Chardev *chr)
{
    udp_deliver((UdpChardev *)chr);
    udp_update_read(chr);
}

static void udp_close(Chardev *chr)
{
    UdpChardev *u = (UdpChardev *)chr;

    io_channel_unref(u->c);
    g_free(u->buf);
}

const ChardevClass chr_class_udp = {
    .kind = "udp", .size = sizeof(UdpChardev), .parse = udp_parse, .open = udp_open, .write = udp_write,
    .update_read = udp_update_read, .accept_input = udp_accept_input, .close = udp_close,
};
