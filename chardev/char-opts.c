/*
 * Text -> device: the options of -chardev and the short forms of -monitor, -qmp, -serial.
 * All end in what chardev-add takes: {"type": KIND, "data": {...}}.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <string.h>
#include "char-int.h"
#include "util/cutils.h"
#include "util/options.h"

static const ChardevClass *const parsers[] = {
    &chr_class_stdio, &chr_class_ringbuf, &chr_class_mux, &chr_class_pipe, &chr_class_null, &chr_class_socket,
    &chr_class_parallel, &chr_class_udp, &chr_class_memory, &chr_class_file, &chr_class_serial, &chr_class_pty,
};

static const OptDesc chardev_options[] = {
    { "backend", OPT_STRING }, { "path", OPT_STRING }, { "host", OPT_STRING }, { "port", OPT_STRING },
    { "fd", OPT_STRING }, { "to", OPT_NUMBER }, { "ipv4", OPT_BOOL }, { "ipv6", OPT_BOOL },
    { "localaddr", OPT_STRING }, { "localport", OPT_STRING }, { "nodelay", OPT_BOOL }, { "server", OPT_BOOL },
    { "wait", OPT_BOOL }, { "reconnect", OPT_NUMBER }, { "telnet", OPT_BOOL }, { "tn3270", OPT_BOOL },
    { "tls-creds", OPT_STRING }, { "tls-authz", OPT_STRING }, { "websocket", OPT_BOOL }, { "width", OPT_NUMBER },
    { "height", OPT_NUMBER }, { "cols", OPT_NUMBER }, { "rows", OPT_NUMBER }, { "mux", OPT_BOOL },
    { "signal", OPT_BOOL }, { "name", OPT_STRING }, { "debug", OPT_NUMBER }, { "size", OPT_SIZE },
    { "chardev", OPT_STRING }, { "append", OPT_BOOL }, { "logfile", OPT_STRING }, { "logappend", OPT_BOOL },
    { "mouse", OPT_BOOL }, { "clipboard", OPT_BOOL }, { "abstract", OPT_BOOL }, { "tight", OPT_BOOL },
    { "id", OPT_STRING }, { NULL },
};

bool opt_copy_bool(const QDict *options, QDict *data, const char *from, const char *to, Error **errp)
{
    if (qdict_has(options, from)) {
        qdict_put_bool(data, to, qdict_get_bool(options, from, false));
    }
    return true;
}

void opt_copy_str(const QDict *options, QDict *data, const char *from, const char *to)
{
    if (qdict_get_str(options, from)) {
        qdict_put_str(data, to, qdict_get_str(options, from));
    }
}

bool opt_copy_number(const QDict *options, QDict *data, const char *from, const char *to, bool size, Error **errp)
{
    if (qdict_has(options, from)) {
        qdict_put(data, to, qobject_ref(qdict_get(options, from)));
    }
    return true;
}

static const ChardevClass *class_for_option(const char *name, Error **errp)
{
    for (size_t i = 0; i < G_N_ELEMENTS(parsers); i++) {
        if (!g_strcmp0(parsers[i]->alias, name)) {
            warn_report("The alias '%s' is deprecated, use '%s' instead", name, parsers[i]->kind);
            return parsers[i];
        }
        if (!strcmp(parsers[i]->kind, name)) {
            return parsers[i];
        }
    }
    error_setg(errp, "'%s' is not a valid char driver name", name);
    return NULL;
}

/* options are typed already. */
static QDict *backend_from_typed(const QDict *options, Error **errp)
{
    const char *kind = qdict_get_str(options, "backend");
    g_autoptr(QObject) data = qdict_new();
    const ChardevClass *cls;
    QDict *backend;

    if (!kind) {
        const char *id = qdict_get_str(options, "id");

        error_setg(errp, "chardev: \"%s\" missing backend", id ? id : "");
        return NULL;
    }
    cls = class_for_option(kind, errp);
    if (!cls) {
        return NULL;
    }
    opt_copy_str(options, data, "logfile", "logfile");
    opt_copy_bool(options, data, "logappend", "logappend", NULL);
    if (cls->parse && !cls->parse(options, data, errp)) {
        return NULL;
    }
    backend = qdict_new();
    qdict_put_str(backend, "type", cls->kind);
    qdict_put(backend, "data", g_steal_pointer(&data));
    return backend;
}

QDict *chr_check_options(const QDict *options, Error **errp)
{
    g_autoptr(QObject) copy = qobject_clone(options);

    return opts_check_all(copy, chardev_options, errp);
}

QDict *chr_backend_from_options(const QDict *options, Error **errp)
{
    g_autoptr(QObject) typed = chr_check_options(options, errp);

    return typed ? backend_from_typed(typed, errp) : NULL;
}

/* The mux in front of a device that was asked for with mux=on; takes the name that the user knows. */
static Chardev *put_mux_above(const char *id, const char *base, Error **errp)
{
    g_autoptr(QObject) backend = qdict_new();
    QDict *data = qdict_new();

    qdict_put_str(data, "chardev", base);
    qdict_put_str(backend, "type", "mux");
    qdict_put(backend, "data", data);
    return chr_new(id, backend, errp);
}

Chardev *chr_new_from_checked(const QDict *options, Error **errp)
{
    const char *id = qdict_get_str(options, "id");
    bool mux = qdict_get_bool(options, "mux", false);
    g_autofree char *base = mux && id ? g_strdup_printf("%s-base", id) : NULL;
    g_autoptr(QObject) backend = NULL;
    Chardev *chr, *above;

    if (qdict_get_str(options, "backend") && !id) {
        error_setg(errp, "chardev: no id specified");
        return NULL;
    }
    backend = backend_from_typed(options, errp);
    if (!backend) {
        return NULL;
    }
    if (chr_find(id)) {
        error_setg(errp, "attempt to add duplicate property '%s' to object (type 'container')", id);
        return NULL;
    }
    chr = chr_new(base ? base : id, backend, errp);
    if (!chr || !mux) {
        return chr;
    }
    above = put_mux_above(id, base, errp);
    if (!above) {
        chr_delete(chr);
    }
    return above;
}

QDict *chr_check_new(const QDict *options, Error **errp)
{
    ERRP_GUARD();
    const char *id = qdict_get_str(options, "id");

    if (id && !id_wellformed(id)) {
        error_setg(errp, "Parameter 'id' expects an identifier");
        error_append_hint(errp, "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.\n");
        return NULL;
    }
    if (id && chr_find(id) && chr_find(id)->from_options) {
        error_setg(errp, "Duplicate ID '%s' for chardev", id);
        return NULL;
    }
    return chr_check_options(options, errp);
}

Chardev *chr_new_from_options(const QDict *options, Error **errp)
{
    g_autoptr(QObject) typed = chr_check_new(options, errp);
    Chardev *chr = typed ? chr_new_from_checked(typed, errp) : NULL;

    if (chr) {
        chr->from_options = true;
    }
    return chr;
}

static void print_kinds(void)
{
    out_printf("Available chardev backend types: \n");
    for (const char *const *kind = chr_kinds(); *kind; kind++) {
        out_printf("  %s\n", *kind);
    }
}

static Chardev *new_from_json(const char *text, Error **errp)
{
    g_autoptr(QObject) o = json_parse(text, errp);
    const QDict *backend;

    if (!o) {
        return NULL;
    }
    if (qobject_type(o) != QTYPE_DICT) {
        error_setg(errp, "Invalid parameter type, expected: object");
        return NULL;
    }
    backend = qdict_get_dict(o, "backend");
    if (!qdict_get_str(o, "id")) {
        error_setg(errp, "chardev: no id specified");
        return NULL;
    }
    if (!backend) {
        error_setg(errp, "chardev: \"%s\" missing backend", qdict_get_str(o, "id"));
        return NULL;
    }
    return chr_new(qdict_get_str(o, "id"), backend, errp);
}

QDict *chr_options_from_text(const char *text, bool *help, Error **errp)
{
    g_autoptr(QObject) options = opts_parse_list_noisy(text, "backend", help, errp);
    const char *backend = options ? qdict_get_str(options, "backend") : NULL;

    if (*help || (backend && (!strcmp(backend, "help") || !strcmp(backend, "?")))) {
        print_kinds();
        *help = true;
        return NULL;
    }
    return g_steal_pointer(&options);
}

Chardev *chr_new_from_text(const char *text, bool *help, Error **errp)
{
    g_autoptr(QObject) options = NULL;
    bool wanted = false;

    if (*text == '{') {
        return new_from_json(text, errp);
    }
    options = chr_options_from_text(text, &wanted, errp);
    if (help) {
        *help = wanted;
    }
    return options ? chr_new_from_options(options, errp) : NULL;
}
