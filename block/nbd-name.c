/*
 * Names of NBD exports.
 *
 *   nbd://[user@]HOST[:PORT][/EXPORT]        nbd+tcp:// is the same
 *   nbd+unix:///[EXPORT]?socket=PATH
 *   nbd:HOST:PORT[:exportname=EXPORT]        nbd:unix:PATH[:exportname=EXPORT]
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "nbd-name.h"
#include "qapi/types-sockets.h"
#include "util/cutils.h"
#include "util/options.h"

#define DEFAULT_PORT "10809"
#define EXPORT_MARK ":exportname="

/* The parts of a URL behind its scheme; decoded, owned. */
typedef struct Url {
    char *host, *port, *path, *query_name, *query_value;
    int queries;
} Url;

static void url_clear(Url *u)
{
    g_free(u->host);
    g_free(u->port);
    g_free(u->path);
    g_free(u->query_name);
    g_free(u->query_value);
}

static void take_query(Url *u, const char *text)
{
    g_auto(GStrv) parts = g_strsplit_set(text, "&;", -1);

    for (char **p = parts; *p; p++) {
        char *equal = strchr(*p, '=');

        if (!**p) {
            continue;
        }
        if (u->queries++ == 0) {
            u->query_name = equal ? g_uri_unescape_segment(*p, equal, NULL) : g_uri_unescape_string(*p, NULL);
            u->query_value = g_uri_unescape_string(equal ? equal + 1 : "", NULL);
        }
    }
}

/* [user@]host[:port]; false when the port is none. */
static bool take_authority(Url *u, const char *from, size_t len)
{
    g_autofree char *text = g_strndup(from, len);
    char *host = strrchr(text, '@'), *end, *port;
    unsigned long n;

    host = host ? host + 1 : text;
    end = *host == '[' ? strchr(host, ']') : NULL;
    port = strchr(end ? end : host, ':');
    if (port) {
        *port++ = '\0';
        errno = 0;
        n = strtoul(port, &end, 10);
        if (*port < '0' || *port > '9' || *end || errno || n > 65535) {
            return false;
        }
        u->port = g_strdup_printf("%lu", n);
    }
    if (*host == '[' && host[strlen(host) - 1] == ']') {
        host[strlen(host) - 1] = '\0';
        host++;
    }
    u->host = *host ? g_uri_unescape_string(host, NULL) : NULL;
    return true;
}

static bool url_split(Url *u, const char *rest)
{
    size_t authority = strcspn(rest, "/?#"), path;

    if (!take_authority(u, rest, authority)) {
        return false;
    }
    rest += authority;
    path = strcspn(rest, "?#");
    u->path = g_uri_unescape_segment(rest, rest + path, NULL);
    rest += path;
    if (*rest == '?') {
        g_autofree char *query = g_strndup(rest + 1, strcspn(rest + 1, "#"));

        take_query(u, query);
    }
    return u->path != NULL;
}

static bool parse_url(const char *filename, QDict *options)
{
    __attribute__((cleanup(url_clear))) Url u = { 0 };
    const char *rest, *name;
    bool is_unix = str_has_prefix(filename, "nbd+unix://", &rest);

    if (!is_unix && !str_has_prefix(filename, "nbd://", &rest) && !str_has_prefix(filename, "nbd+tcp://", &rest)) {
        return false;
    }
    if (!url_split(&u, rest) || u.queries != (is_unix ? 1 : 0)) {
        return false;
    }
    name = u.path + strspn(u.path, "/");
    if (*name) {
        qdict_put_str(options, "export", name);
    }
    if (is_unix) {
        if (u.host || u.port || g_strcmp0(u.query_name, "socket") || !u.query_value) {
            return false;
        }
        qdict_put_str(options, "server.type", "unix");
        qdict_put_str(options, "server.path", u.query_value);
        return true;
    }
    if (!u.host) {
        return false;
    }
    qdict_put_str(options, "server.type", "inet");
    qdict_put_str(options, "server.host", u.host);
    qdict_put_str(options, "server.port", u.port ? u.port : DEFAULT_PORT);
    return true;
}

static void parse_older_name(const char *filename, QDict *options, Error **errp)
{
    g_autofree char *name = g_strdup(filename);
    char *mark = strstr(name, EXPORT_MARK);
    const char *place, *path;

    if (mark) {
        if (!mark[strlen(EXPORT_MARK)]) {
            return;                            /* as the peer: nothing at all was said then */
        }
        *mark = '\0';
        qdict_put_str(options, "export", mark + strlen(EXPORT_MARK));
    }
    if (!str_has_prefix(name, "nbd:", &place)) {
        error_setg(errp, "File name string for NBD must start with 'nbd:'");
        return;
    }
    if (!*place) {
        return;
    }
    if (str_has_prefix(place, "unix:", &path)) {
        qdict_put_str(options, "server.type", "unix");
        qdict_put_str(options, "server.path", path);
    } else {
        g_autoptr(IOAddress) a = io_address_parse_inet(place, errp);

        if (a) {
            qdict_put_str(options, "server.type", "inet");
            qdict_put_str(options, "server.host", a->host);
            qdict_put_str(options, "server.port", a->port);
        }
    }
}

/* An option that says what the name says as well: it would not be clear where to go. */
static const char *option_beside_name(const QDict *options)
{
    for (size_t i = 0; i < qdict_size(options); i++) {
        const char *key = qdict_key_at(options, i);

        if (!strcmp(key, "host") || !strcmp(key, "port") || !strcmp(key, "path") || !strcmp(key, "export") ||
            g_str_has_prefix(key, "server.")) {
            return key;
        }
    }
    return NULL;
}

void nbd_parse_filename(const char *filename, QDict *options, Error **errp)
{
    const char *beside = option_beside_name(options);

    if (beside) {
        error_setg(errp, "Option '%s' cannot be used with a file name", beside);
    } else if (!strstr(filename, "://")) {
        parse_older_name(filename, options, errp);
    } else if (!parse_url(filename, options)) {
        error_setg(errp, "No valid URL specified");
    }
}

/* Values from a command line are texts: the switches and numbers of an address get their types. */
static bool give_types(QDict *d, Error **errp)
{
    static const char *const switches[] = { "ipv4", "ipv6", "keep-alive", "numeric", "abstract", "tight", "mptcp" };
    const char *text;

    for (size_t i = 0; i < G_N_ELEMENTS(switches); i++) {
        text = qdict_get_str(d, switches[i]);
        if (text && strcmp(text, "on") && strcmp(text, "off")) {
            error_setg(errp, "Parameter '%s' expects 'on' or 'off'", switches[i]);
            return false;
        }
        if (text) {
            qdict_put_bool(d, switches[i], !strcmp(text, "on"));
        }
    }
    text = qdict_get_str(d, "to");
    if (text && *text && strlen(text) < 6 && strspn(text, "0123456789") == strlen(text)) {
        qdict_put_int(d, "to", atoi(text));
    }
    return true;
}

IOAddress *nbd_address_from_options(QDict *flat, const QDict *typed, Error **errp)
{
    g_autoptr(QObject) server = qdict_extract_subdict(flat, "server.");
    const char *path = opt_get_str(typed, "path"), *host = opt_get_str(typed, "host"), *port = opt_get_str(typed, "port");
    IOAddress *a;

    if (path && host) {
        error_setg(errp, "path and host may not be used at the same time");
        return NULL;
    }
    if (qdict_size(server) && (path || host || port)) {
        error_setg(errp, "Cannot use 'server' and path/host/port at the same time");
        return NULL;
    }
    if (port && !host) {
        error_setg(errp, path ? "port may not be used without host" : "NBD server address missing");
        return NULL;
    }
    if (path) {
        a = io_address_new(IO_ADDR_UNIX);
        a->path = g_strdup(path);
        return a;
    }
    if (host) {
        a = io_address_new(IO_ADDR_INET);
        a->host = g_strdup(host);
        a->port = g_strdup(port ? port : DEFAULT_PORT);
        return a;
    }
    if (!qdict_size(server)) {
        error_setg(errp, "NBD server address missing");
        return NULL;
    }
    if (!give_types(server, errp) || !qapi_check(&qapi_type_SocketAddress, server, errp)) {
        return NULL;
    }
    return io_address_from_qdict(server, errp);
}

char *nbd_plain_name(const IOAddress *a, const char *export_name)
{
    if (a->kind == IO_ADDR_UNIX && !a->abstract) {
        return export_name ? g_strdup_printf("nbd+unix:///%s?socket=%s", export_name, a->path)
             : g_strdup_printf("nbd+unix://?socket=%s", a->path);
    }
    if (a->kind == IO_ADDR_INET) {
        return export_name ? g_strdup_printf("nbd://%s:%s/%s", a->host, a->port, export_name)
             : g_strdup_printf("nbd://%s:%s", a->host, a->port);
    }
    return NULL;
}
