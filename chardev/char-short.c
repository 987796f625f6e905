/*
 * The short forms: "tcp:host:port,server=on", "mon:stdio", "/dev/ttyS0", ... into options of -chardev.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <string.h>
#include "char-int.h"
#include "util/cutils.h"
#include "util/options.h"

/* Options behind the address, each known; false after a report. */
static bool add_rest(QDict *options, const char *rest, const char *implied)
{
    g_autoptr(QObject) more = NULL;
    Error *err = NULL;

    more = opts_parse_list_noisy(rest, implied, NULL, &err);
    if (!more) {
        error_report_err(err);
        return false;
    }
    qdict_join(options, more, true);
    return true;
}

/* "HOST:PORT" or ":PORT" up to a comma, as the peer reads it: lengths are bounded, brackets mean nothing. */
static bool take_host_port(QDict *options, const char *text, const char *host_key, const char *port_key,
                           const char *stop, const char **rest)
{
    size_t host = strcspn(text, ":"), port;

    if (text[host] != ':' || host > 64) {
        return false;
    }
    port = strcspn(text + host + 1, stop);
    if (!port || port > 32) {
        return false;
    }
    if (host) {
        g_autofree char *name = g_strndup(text, host);

        qdict_put_str(options, host_key, name);
    } else {
        qdict_put_str(options, host_key, "");
    }
    {
        g_autofree char *name = g_strndup(text + host + 1, port);

        qdict_put_str(options, port_key, name);
    }
    *rest = text + host + 1 + port;
    return true;
}

static bool short_tcp(QDict *options, const char *text, const char *extra)
{
    const char *rest;

    if (!take_host_port(options, text, "host", "port", ",", &rest)) {
        return false;
    }
    if (*rest == ',' && rest[1] && !add_rest(options, rest + 1, NULL)) {
        return false;
    }
    qdict_put_str(options, "backend", "socket");
    if (extra) {
        qdict_put_str(options, extra, "on");
    }
    return true;
}

static bool short_udp(QDict *options, const char *text)
{
    const char *rest;

    qdict_put_str(options, "backend", "udp");
    if (!take_host_port(options, text, "host", "port", "@,", &rest)) {
        return false;
    }
    return *rest != '@' || take_host_port(options, rest + 1, "localaddr", "localport", ",", &rest);
}

static void short_simple(QDict *options, const char *backend, const char *path)
{
    qdict_put_str(options, "backend", backend);
    if (path) {
        qdict_put_str(options, "path", path);
    }
}

/* False: not understood (reported where the peer says more than its caller). */
static bool parse_short(QDict *options, const char *text)
{
    static const char *const plain[] = { "null", "pty", "stdio", "msmouse", "wctablet", "braille", "testdev" };
    const char *rest;

    for (size_t i = 0; i < G_N_ELEMENTS(plain); i++) {
        if (!strcmp(text, plain[i])) {
            short_simple(options, text, NULL);
            return true;
        }
    }
    if (str_has_prefix(text, "vc", &rest)) {
        short_simple(options, "vc", NULL);
    } else if (!strcmp(text, "con:")) {
        short_simple(options, "console", NULL);
    } else if (str_has_prefix(text, "COM", NULL)) {
        short_simple(options, "serial", text);
    } else if (str_has_prefix(text, "file:", &rest)) {
        short_simple(options, "file", rest);
    } else if (str_has_prefix(text, "pipe:", &rest)) {
        short_simple(options, "pipe", rest);
    } else if (str_has_prefix(text, "tcp:", &rest)) {
        return short_tcp(options, rest, NULL);
    } else if (str_has_prefix(text, "telnet:", &rest)) {
        return short_tcp(options, rest, "telnet");
    } else if (str_has_prefix(text, "tn3270:", &rest)) {
        return short_tcp(options, rest, "tn3270");
    } else if (str_has_prefix(text, "websocket:", &rest)) {
        return short_tcp(options, rest, "websocket");
    } else if (str_has_prefix(text, "udp:", &rest)) {
        return short_udp(options, rest);
    } else if (str_has_prefix(text, "unix:", &rest)) {
        short_simple(options, "socket", NULL);
        return !*rest || add_rest(options, rest, "path");
    } else if (str_has_prefix(text, "/dev/parport", NULL) || str_has_prefix(text, "/dev/ppi", NULL)) {
        short_simple(options, "parallel", text);
    } else if (str_has_prefix(text, "/dev/", NULL)) {
        short_simple(options, "serial", text);
    } else {
        error_report("'%s' is not a valid char driver", text);
        return false;
    }
    return true;
}

QDict *chr_options_from_short(const char *label, const char *text, bool permit_mux_mon)
{
    g_autoptr(QObject) options = qdict_new(), typed = NULL;
    const char *rest;
    Error *err = NULL;

    qdict_put_str(options, "id", label);
    if (str_has_prefix(text, "mon:", &rest)) {
        if (!permit_mux_mon) {
            error_report("mon: isn't supported in this context");
            return NULL;
        }
        text = rest;
        qdict_put_str(options, "mux", "on");
        if (!strcmp(text, "stdio")) {
            qdict_put_str(options, "signal", "off");    /* a mux on the terminal: Ctrl-C is for the guest */
        }
    }
    if (!parse_short(options, text)) {
        return NULL;
    }
    typed = chr_check_options(options, &err);
    if (!typed) {
        error_report_err(err);
        return NULL;
    }
    return g_steal_pointer(&options);
}

Chardev *chr_new_short(const char *label, const char *text, bool permit_mux_mon, void (*with_monitor)(Chardev *))
{
    g_autoptr(QObject) options = NULL;
    const char *rest;
    Chardev *chr;
    Error *err = NULL;

    if (str_has_prefix(text, "chardev:", &rest)) {
        return chr_find(rest);
    }
    options = chr_options_from_short(label, text, permit_mux_mon);
    if (!options) {
        return NULL;
    }
    chr = chr_new_from_options(options, &err);
    if (!chr) {
        error_report_err(err);
    } else if (qdict_has(options, "mux") && with_monitor) {
        with_monitor(chr);
    }
    return chr;
}
