/*
 * Parsing and printing of socket addresses.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>
#include <linux/vm_sockets.h>
#include "io/address.h"
#include "util/cutils.h"

int (*io_address_lookup_fd)(const char *name, Error **errp);

IOAddress *io_address_new(IOAddressKind kind)
{
    IOAddress *a = g_new0(IOAddress, 1);

    a->kind = kind;
    a->tight = true;
    return a;
}

IOAddress *io_address_copy(const IOAddress *a)
{
    IOAddress *n = g_memdup2(a, sizeof(*a));

    n->host = g_strdup(a->host);
    n->port = g_strdup(a->port);
    n->path = g_strdup(a->path);
    n->cid = g_strdup(a->cid);
    n->fd = g_strdup(a->fd);
    return n;
}

void io_address_free(IOAddress *a)
{
    if (a) {
        g_free(a->host);
        g_free(a->port);
        g_free(a->path);
        g_free(a->cid);
        g_free(a->fd);
        g_free(a);
    }
}

/* --- text -> address ----------------------------------------------------------------- */

/* "host:port" or "[v6]:port" in front of rest; false with errp. */
static bool split_host(IOAddress *a, const char *text, const char **rest, Error **errp)
{
    bool v6 = *text == '[';
    const char *close = v6 ? strchr(text, ']') : strchr(text, ':');
    const char *port = v6 ? (close && close[1] == ':' ? close + 2 : NULL) : (close ? close + 1 : NULL);
    size_t len = port ? strcspn(port, ",") : 0;

    if (!port || !len || (!v6 && close > text + strcspn(text, ","))) {
        error_setg(errp, "error parsing %saddress '%s'", v6 ? "IPv6 " : "", text);
        return false;
    }
    a->host = v6 ? g_strndup(text + 1, close - text - 1) : g_strndup(text, close - text);
    a->port = g_strndup(port, len);
    *rest = port + len;
    return true;
}

/* Value of a flag in ",name", ",name=on", ",name=off,...": text points behind the name. */
static bool parse_flag(const char *name, const char *text, bool *out, Error **errp)
{
    size_t len = strcspn(text, ",");

    if (len == 0 || (len == 3 && !strncmp(text, "=on", 3))) {
        *out = true;
    } else if (len == 4 && !strncmp(text, "=off", 4)) {
        *out = false;
    } else {
        error_setg(errp, "error parsing '%s' flag '%s'", name, text);
        return false;
    }
    return true;
}

static const char *find_option(const char *rest, const char *name)
{
    g_autofree char *key = g_strdup_printf(",%s", name);
    const char *at = strstr(rest, key);

    return at ? at + strlen(key) : NULL;
}

static bool parse_to(IOAddress *a, const char *rest, Error **errp)
{
    const char *at = find_option(rest, "to=");
    char *end;

    if (at) {
        unsigned long to = g_ascii_isdigit(*at) ? strtoul(at, &end, 10) : 0;

        if (!g_ascii_isdigit(*at) || (*end && *end != ',') || to > UINT16_MAX) {
            error_setg(errp, "error parsing to= argument");
            return false;
        }
        a->has_to = true;
        a->to = to;
    }
    return true;
}

IOAddress *io_address_parse_inet(const char *text, Error **errp)
{
    g_autoptr(IOAddress) a = io_address_new(IO_ADDR_INET);
    const char *rest, *at;

    if (!split_host(a, text, &rest, errp) || !parse_to(a, rest, errp)) {
        return NULL;
    }
    if ((at = find_option(rest, "ipv4")) != NULL) {
        a->has_ipv4 = true;
        if (!parse_flag("ipv4", at, &a->ipv4, errp)) {
            return NULL;
        }
    }
    if ((at = find_option(rest, "ipv6")) != NULL) {
        a->has_ipv6 = true;
        if (!parse_flag("ipv6", at, &a->ipv6, errp)) {
            return NULL;
        }
    }
    if ((at = find_option(rest, "keep-alive")) != NULL && !parse_flag("keep-alive", at, &a->keep_alive, errp)) {
        return NULL;
    }
    return g_steal_pointer(&a);
}

static IOAddress *parse_vsock(const char *text, Error **errp)
{
    g_autoptr(IOAddress) a = io_address_new(IO_ADDR_VSOCK);
    const char *colon = strchr(text, ':');

    if (!colon || colon == text || !colon[1]) {
        error_setg(errp, "error parsing address '%s'", text);
        return NULL;
    }
    a->cid = g_strndup(text, colon - text);
    a->port = g_strdup(colon + 1);
    return g_steal_pointer(&a);
}

IOAddress *io_address_parse(const char *text, Error **errp)
{
    IOAddress *a;
    const char *rest;

    if (str_has_prefix(text, "unix:", &rest)) {
        if (!*rest) {
            error_setg(errp, "invalid Unix socket address");
            return NULL;
        }
        a = io_address_new(IO_ADDR_UNIX);
        a->path = g_strdup(rest);
        return a;
    }
    if (str_has_prefix(text, "fd:", &rest)) {
        if (!*rest) {
            error_setg(errp, "invalid file descriptor address");
            return NULL;
        }
        a = io_address_new(IO_ADDR_FD);
        a->fd = g_strdup(rest);
        return a;
    }
    if (str_has_prefix(text, "vsock:", &rest)) {
        return parse_vsock(rest, errp);
    }
    return io_address_parse_inet(str_has_prefix(text, "tcp:", &rest) ? rest : text, errp);
}

/* --- QMP ------------------------------------------------------------------------------ */

static IOAddress *inet_from_qdict(const QDict *d)
{
    IOAddress *a = io_address_new(IO_ADDR_INET);

    a->host = g_strdup(qdict_get_str(d, "host"));
    a->port = g_strdup(qdict_get_str(d, "port"));
    a->numeric = qdict_get_bool(d, "numeric", false);
    a->has_to = qdict_has(d, "to");
    a->to = qdict_get_int(d, "to", 0);
    a->has_ipv4 = qdict_has(d, "ipv4");
    a->ipv4 = qdict_get_bool(d, "ipv4", false);
    a->has_ipv6 = qdict_has(d, "ipv6");
    a->ipv6 = qdict_get_bool(d, "ipv6", false);
    a->keep_alive = qdict_get_bool(d, "keep-alive", false);
    return a;
}

IOAddress *io_address_from_qdict(const QDict *d, Error **errp)
{
    const char *type = qdict_get_str(d, "type");
    g_autoptr(IOAddress) a = NULL;

    if (!g_strcmp0(type, "inet")) {
        a = inet_from_qdict(d);
    } else if (!g_strcmp0(type, "unix")) {
        a = io_address_new(IO_ADDR_UNIX);
        a->path = g_strdup(qdict_get_str(d, "path"));
        a->abstract = qdict_get_bool(d, "abstract", false);
        a->tight = qdict_get_bool(d, "tight", true);
    } else if (!g_strcmp0(type, "vsock")) {
        a = io_address_new(IO_ADDR_VSOCK);
        a->cid = g_strdup(qdict_get_str(d, "cid"));
        a->port = g_strdup(qdict_get_str(d, "port"));
    } else if (!g_strcmp0(type, "fd")) {
        a = io_address_new(IO_ADDR_FD);
        a->fd = g_strdup(qdict_get_str(d, "str"));
    }
    if (!a || (a->kind == IO_ADDR_INET && (!a->host || !a->port)) || (a->kind == IO_ADDR_UNIX && !a->path) ||
        (a->kind == IO_ADDR_VSOCK && (!a->cid || !a->port)) || (a->kind == IO_ADDR_FD && !a->fd)) {
        error_setg(errp, "Invalid socket address");
        return NULL;
    }
    return g_steal_pointer(&a);
}

QDict *io_address_to_qdict(const IOAddress *a)
{
    static const char *const types[] = { "inet", "unix", "vsock", "fd" };
    QDict *d = qdict_new();

    qdict_put_str(d, "type", types[a->kind]);
    switch (a->kind) {
    case IO_ADDR_INET:
        qdict_put_str(d, "host", a->host);
        qdict_put_str(d, "port", a->port);
        if (a->numeric) {
            qdict_put_bool(d, "numeric", true);
        }
        if (a->has_to) {
            qdict_put_int(d, "to", a->to);
        }
        if (a->has_ipv4) {
            qdict_put_bool(d, "ipv4", a->ipv4);
        }
        if (a->has_ipv6) {
            qdict_put_bool(d, "ipv6", a->ipv6);
        }
        if (a->keep_alive) {
            qdict_put_bool(d, "keep-alive", true);
        }
        break;
    case IO_ADDR_UNIX:
        qdict_put_str(d, "path", a->path);
        if (a->abstract) {
            qdict_put_bool(d, "abstract", true);
            qdict_put_bool(d, "tight", a->tight);
        }
        break;
    case IO_ADDR_VSOCK:
        qdict_put_str(d, "cid", a->cid);
        qdict_put_str(d, "port", a->port);
        break;
    case IO_ADDR_FD:
        qdict_put_str(d, "str", a->fd);
        break;
    }
    return d;
}

char *io_address_to_string(const IOAddress *a)
{
    switch (a->kind) {
    case IO_ADDR_UNIX:
        return g_strdup_printf("unix:%s%s", a->path, !a->abstract ? "" : a->tight ? ",abstract=on" :
                               ",abstract=on,tight=off");
    case IO_ADDR_VSOCK:
        return g_strdup_printf("vsock:%s:%s", a->cid, a->port);
    case IO_ADDR_FD:
        return g_strdup_printf("fd:%s", a->fd);
    default:
        return g_strdup_printf(strchr(a->host, ':') ? "tcp:[%s]:%s" : "tcp:%s:%s", a->host, a->port);
    }
}

/* --- kernel -> address ------------------------------------------------------------------ */

static IOAddress *inet_from_sockaddr(const struct sockaddr_storage *ss, socklen_t len, Error **errp)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];
    int ret = getnameinfo((const struct sockaddr *)ss, len, host, sizeof(host), port, sizeof(port),
                          NI_NUMERICHOST | NI_NUMERICSERV);
    IOAddress *a;

    if (ret) {
        error_setg(errp, "Cannot format numeric socket address: %s", gai_strerror(ret));
        return NULL;
    }
    a = io_address_new(IO_ADDR_INET);
    a->host = g_strdup(host);
    a->port = g_strdup(port);
    a->has_ipv4 = a->ipv4 = ss->ss_family == AF_INET;
    a->has_ipv6 = a->ipv6 = ss->ss_family == AF_INET6;
    return a;
}

static IOAddress *unix_from_sockaddr(const struct sockaddr_storage *ss, socklen_t len)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)ss;
    size_t bytes = len > offsetof(struct sockaddr_un, sun_path) ? len - offsetof(struct sockaddr_un, sun_path) : 0;
    IOAddress *a = io_address_new(IO_ADDR_UNIX);

    if (bytes && !un->sun_path[0]) {
        a->abstract = true;
        a->tight = bytes < sizeof(un->sun_path);
        a->path = g_strndup(un->sun_path + 1, bytes - 1);
    } else {
        a->path = g_strndup(un->sun_path, bytes);
    }
    return a;
}

IOAddress *io_address_from_sockaddr(const struct sockaddr_storage *ss, socklen_t len, Error **errp)
{
    IOAddress *a;

    switch (ss->ss_family) {
    case AF_INET:
    case AF_INET6:
        return inet_from_sockaddr(ss, len, errp);
    case AF_UNIX:
        return unix_from_sockaddr(ss, len);
    case AF_VSOCK:
        a = io_address_new(IO_ADDR_VSOCK);
        a->cid = g_strdup_printf("%u", ((const struct sockaddr_vm *)ss)->svm_cid);
        a->port = g_strdup_printf("%u", ((const struct sockaddr_vm *)ss)->svm_port);
        return a;
    default:
        error_setg(errp, "socket family %d unsupported", ss->ss_family);
        return NULL;
    }
}

IOAddress *io_address_local(int fd, Error **errp)
{
    struct sockaddr_storage ss = { 0 };
    socklen_t len = sizeof(ss);

    if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0) {
        error_setg_errno(errp, errno, "Unable to query local socket address");
        return NULL;
    }
    return io_address_from_sockaddr(&ss, len, errp);
}

IOAddress *io_address_remote(int fd, Error **errp)
{
    struct sockaddr_storage ss = { 0 };
    socklen_t len = sizeof(ss);

    if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0) {
        error_setg_errno(errp, errno, "Unable to query remote socket address");
        return NULL;
    }
    return io_address_from_sockaddr(&ss, len, errp);
}

/* --- descriptors by name ------------------------------------------------------------------ */

int io_address_get_fd(const char *name, Error **errp)
{
    uint64_t number;
    int type, fd;
    socklen_t len = sizeof(type);

    if (io_address_lookup_fd) {
        Error *err = NULL;

        fd = io_address_lookup_fd(name, &err);
        if (fd < 0) {
            if (err) {
                error_propagate(errp, err);
                return -1;
            }
        }
    } else {
        fd = -1;
    }
    if (fd < 0) {
        if (parse_u64(name, 10, &number) < 0 || number > INT32_MAX) {
            error_setg(errp, "Unable to parse FD number %s", name);
            return -1;
        }
        fd = number;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0) {
        error_setg(errp, "File descriptor '%s' is not a socket", name);
        return -1;
    }
    return fd;
}
