/*
 * Options of the socket device, which of them go together, and how it is called in listings.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <netdb.h>
#include <string.h>
#include <sys/un.h>
#include "char-socket.h"

/* {"type": KIND, "data": {...}}: the address as chardev-add has it. */
static QDict *address_from_options(const QDict *options)
{
    const char *path = qdict_get_str(options, "path"), *host = qdict_get_str(options, "host");
    const char *fd = qdict_get_str(options, "fd");
    QDict *address = qdict_new(), *data = qdict_new();

    if (path) {
        qdict_put_str(address, "type", "unix");
        qdict_put_str(data, "path", path);
        opt_copy_bool(options, data, "abstract", "abstract", NULL);
        opt_copy_bool(options, data, "tight", "tight", NULL);
    } else if (host) {
        qdict_put_str(address, "type", "inet");
        qdict_put_str(data, "host", host);
        opt_copy_str(options, data, "port", "port");
        opt_copy_number(options, data, "to", "to", false, NULL);
        opt_copy_bool(options, data, "ipv4", "ipv4", NULL);
        opt_copy_bool(options, data, "ipv6", "ipv6", NULL);
    } else {
        qdict_put_str(address, "type", "fd");
        qdict_put_str(data, "str", fd ? fd : "");
    }
    qdict_put(address, "data", data);
    return address;
}

bool socket_chr_parse(const QDict *options, QDict *data, Error **errp)
{
    const char *path = qdict_get_str(options, "path"), *host = qdict_get_str(options, "host");
    const char *fd = qdict_get_str(options, "fd");
    bool server = qdict_get_bool(options, "server", false);

    if (!!path + !!host + !!fd > 1) {
        error_setg(errp, "None or one of 'path', 'fd' or 'host' option required.");
        return false;
    }
    if (host && !qdict_get_str(options, "port")) {
        error_setg(errp, "chardev: socket: no port given");
        return false;
    }
    qdict_put(data, "addr", address_from_options(options));
    qdict_put_bool(data, "server", server);
    if (server || qdict_has(options, "wait")) {
        qdict_put_bool(data, "wait", qdict_get_bool(options, "wait", true));
    }
    opt_copy_bool(options, data, "nodelay", "nodelay", NULL);
    opt_copy_bool(options, data, "telnet", "telnet", NULL);
    opt_copy_bool(options, data, "tn3270", "tn3270", NULL);
    opt_copy_bool(options, data, "websocket", "websocket", NULL);
    opt_copy_number(options, data, "reconnect", "reconnect", false, NULL);
    opt_copy_str(options, data, "tls-creds", "tls-creds");
    opt_copy_str(options, data, "tls-authz", "tls-authz");
    return true;
}

static bool check_combination(const SocketChardev *s, const QDict *data, Error **errp)
{
    bool reconnect = qdict_has(data, "reconnect");

    if (s->addr->kind == IO_ADDR_FD && reconnect) {
        error_setg(errp, "'reconnect' option is incompatible with 'fd' address type");
    } else if (s->addr->kind == IO_ADDR_FD && s->tls_creds && !s->server) {
        error_setg(errp, "'tls_creds' option is incompatible with 'fd' address type as client");
    } else if (s->addr->kind == IO_ADDR_VSOCK && s->tls_creds) {
        error_setg(errp, "'tls_creds' option is incompatible with 'vsock' address type");
    } else if (s->tls_authz && !s->tls_creds) {
        error_setg(errp, "'tls_authz' option requires 'tls_creds' option");
    } else if (s->server && reconnect) {
        error_setg(errp, "'reconnect' option is incompatible with socket in server listen mode");
    } else if (!s->server && s->websocket) {
        error_setg(errp, "Websocket client is not implemented");
    } else if (!s->server && qdict_has(data, "wait")) {
        error_setg(errp, "'wait' option is incompatible with socket in client connect mode");
    } else {
        return true;
    }
    return false;
}

bool socket_chr_configure(SocketChardev *s, const QDict *data, bool *wait, Error **errp)
{
    const QDict *legacy = qdict_get_dict(data, "addr");
    const QDict *inner = legacy ? qdict_get_dict(legacy, "data") : NULL;
    g_autoptr(QObject) flat = inner ? qobject_clone(inner) : qdict_new();
    const char *type = legacy ? qdict_get_str(legacy, "type") : NULL;

    qdict_put_str(flat, "type", type ? type : "");
    s->addr = io_address_from_qdict(flat, errp);
    if (!s->addr) {
        return false;
    }
    s->server = qdict_get_bool(data, "server", true);
    s->telnet = qdict_get_bool(data, "telnet", false) || qdict_get_bool(data, "tn3270", false);
    s->tn3270 = qdict_get_bool(data, "tn3270", false);
    s->websocket = qdict_get_bool(data, "websocket", false);
    s->nodelay = qdict_get_bool(data, "nodelay", false);
    s->reconnect = qdict_get_int(data, "reconnect", 0);
    s->tls_creds = g_strdup(qdict_get_str(data, "tls-creds"));
    s->tls_authz = g_strdup(qdict_get_str(data, "tls-authz"));
    *wait = qdict_get_bool(data, "wait", false);
    return check_combination(s, data, errp);
}

/* --- names ---------------------------------------------------------------------------------- */

static const char *protocol(const SocketChardev *s)
{
    return s->telnet ? "telnet" : s->websocket ? "websocket" : "tcp";
}

void socket_chr_name_disconnected(SocketChardev *s)
{
    g_autoptr(IOAddress) local = s->listener ? io_listener_address(s->listener, NULL) : NULL;
    const IOAddress *a = local ? local : s->addr;
    const char *server = s->server ? ",server=on" : "";
    char *name;

    switch (a->kind) {
    case IO_ADDR_INET:
        name = g_strdup_printf("disconnected:%s:%s:%s%s", protocol(s), a->host, a->port, server);
        break;
    case IO_ADDR_UNIX:
        name = g_strdup_printf("disconnected:unix:%s%s%s%s", a->path, a->abstract ? ",abstract=on" : "",
                               a->abstract && a->tight ? ",tight=on" : "", server);
        break;
    case IO_ADDR_VSOCK:
        name = g_strdup_printf("disconnected:vsock:%s:%s", a->cid, a->port);
        break;
    default:
        name = g_strdup_printf("disconnected:fd:%s%s", a->fd, server);
    }
    chr_set_filename(&s->chr, name);
}

void socket_chr_name_connected(SocketChardev *s)
{
    int fd = io_channel_fd(s->c, IO_READ);
    g_autoptr(IOAddress) local = io_address_local(fd, NULL), remote = io_address_remote(fd, NULL);
    const char *server = s->server ? ",server=on" : "";

    if (local && local->kind == IO_ADDR_UNIX) {
        chr_set_filename(&s->chr, g_strdup_printf("unix:%s%s", local->abstract ? "" : local->path, server));
    } else if (local && remote && local->kind == IO_ADDR_INET && remote->kind == IO_ADDR_INET) {
        const char *left = strchr(local->host, ':') ? "[" : "", *right = *left ? "]" : "";

        chr_set_filename(&s->chr, g_strdup_printf("%s:%s%s%s:%s%s <-> %s%s%s:%s", protocol(s), left, local->host, right,
                                                  local->port, server, left, remote->host, right, remote->port));
    } else {
        chr_set_filename(&s->chr, g_strdup("unknown"));
    }
}
