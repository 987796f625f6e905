/*
 * Typed option tables: checking, reading, listing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "util/cutils.h"
#include "util/options.h"

bool opt_parse_size(const char *name, const char *value, uint64_t *out, Error **errp)
{
    int ret = parse_size(value, NULL, 'B', out);

    if (ret == -ERANGE) {
        error_setg(errp, "Value '%s' is out of range for parameter '%s'", value, name);
    } else if (ret < 0) {
        Error *err = NULL;

        error_setg(&err, "Parameter '%s' expects a non-negative number below 2^64", name);
        error_append_hint(&err, "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\n"
                          "and exabytes, respectively.\n");
        error_propagate(errp, err);
    }
    return ret == 0;
}

bool opt_parse_number(const char *name, const char *value, uint64_t *out, Error **errp)
{
    int ret = parse_u64(value, 0, out);

    if (ret == -ERANGE) {
        error_setg(errp, "Value '%s' is too large for parameter '%s'", value, name);
    } else if (ret < 0) {
        error_setg(errp, "Parameter '%s' expects a number", name);
    }
    return ret == 0;
}

bool opt_parse_bool(const char *name, const char *value, bool *out, Error **errp)
{
    static const char *const yes[] = { "on", "yes", "true", "y", NULL };
    static const char *const no[] = { "off", "no", "false", "n", NULL };

    if (g_strv_contains(yes, value)) {
        *out = true;
    } else if (g_strv_contains(no, value)) {
        *out = false;
    } else {
        error_setg(errp, "Parameter '%s' expects 'on' or 'off'", name);
        return false;
    }
    return true;
}

static const OptDesc *find_desc(const OptDesc *descs, const char *name)
{
    for (; descs->name; descs++) {
        if (strcmp(descs->name, name) == 0) {
            return descs;
        }
    }
    return NULL;
}

/* A scalar as it would be typed on a command line, NULL for other values. */
static char *scalar_to_text(const QObject *o)
{
    bool b = false;

    switch (qobject_type(o)) {
    case QTYPE_STRING:
        return g_strdup(qobject_get_str(o));
    case QTYPE_BOOL:
        qobject_get_bool(o, &b);
        return g_strdup(b ? "on" : "off");
    case QTYPE_INT: case QTYPE_UINT: case QTYPE_DOUBLE:
        return json_print(o, false);
    default:
        return NULL;
    }
}

static QObject *typed_value(const OptDesc *desc, const char *text, Error **errp)
{
    uint64_t u;
    bool b;

    switch (desc->type) {
    case OPT_STRING:
        return qstring_new(text);
    case OPT_BOOL:
        return opt_parse_bool(desc->name, text, &b, errp) ? qbool_new(b) : NULL;
    case OPT_NUMBER:
        return opt_parse_number(desc->name, text, &u, errp) ? quint_new(u) : NULL;
    case OPT_SIZE:
        return opt_parse_size(desc->name, text, &u, errp) ? quint_new(u) : NULL;
    }
    g_assert_not_reached();
}

/* Move one key of dict into out: 1 done, 0 its value is none of the command line's kinds, -1 a bad value. */
static int absorb_key(QDict *dict, QDict *out, const OptDesc *desc, Error **errp)
{
    g_autofree char *text = scalar_to_text(qdict_get(dict, desc->name));
    QObject *value;

    if (!text) {
        return 0;
    }
    value = typed_value(desc, text, errp);
    if (!value) {
        return -1;
    }
    qdict_put(out, desc->name, value);
    qdict_del(dict, desc->name);
    return 1;
}

static void fill_defaults(QDict *out, const OptDesc *descs)
{
    for (; descs->name; descs++) {
        if (descs->def && !qdict_has(out, descs->name)) {
            qdict_put(out, descs->name, typed_value(descs, descs->def, &error_abort));
        }
    }
}

QDict *opts_absorb(QDict *dict, const OptDesc *descs, Error **errp)
{
    g_autoptr(QObject) out = qdict_new();

    for (const OptDesc *d = descs; d->name; d++) {
        if (qdict_has(dict, d->name) && absorb_key(dict, out, d, errp) < 0) {
            return NULL;
        }
    }
    fill_defaults(out, descs);
    return qobject_ref(out);
}

QDict *opts_check_all(QDict *dict, const OptDesc *descs, Error **errp)
{
    g_autoptr(QObject) out = qdict_new();

    while (qdict_size(dict)) {
        const char *name = qdict_key_at(dict, 0);
        const OptDesc *desc = find_desc(descs, name);
        int ret = desc ? absorb_key(dict, out, desc, errp) : 0;

        if (ret == 0) {
            error_setg(errp, "Invalid parameter '%s'", name);
        }
        if (ret <= 0) {
            return NULL;
        }
    }
    fill_defaults(out, descs);
    return qobject_ref(out);
}

uint64_t opt_get_size(const QDict *opts, const char *name, uint64_t def)
{
    qobject_get_uint(qdict_get(opts, name), &def);
    return def;
}

uint64_t opt_get_number(const QDict *opts, const char *name, uint64_t def)
{
    qobject_get_uint(qdict_get(opts, name), &def);
    return def;
}

bool opt_get_bool(const QDict *opts, const char *name, bool def)
{
    return qdict_get_bool(opts, name, def);
}

const char *opt_get_str(const QDict *opts, const char *name)
{
    return qdict_get_str(opts, name);
}

static char *help_line(const OptDesc *d)
{
    static const char *const types[] = {
        [OPT_STRING] = "str", [OPT_BOOL] = "bool (on/off)", [OPT_NUMBER] = "num", [OPT_SIZE] = "size",
    };
    g_autofree char *name = g_strdup_printf("%s=<%s>", d->name, types[d->type]);

    return g_strdup_printf("  %-22s - %s\n", name, d->help);
}

static int compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *opts_format_help(const OptDesc *const *tables, const char *title)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    GString *out = g_string_new(NULL);

    for (; *tables; tables++) {
        for (const OptDesc *d = *tables; d->name; d++) {
            if (d->help && g_hash_table_add(seen, (void *)d->name)) {
                g_ptr_array_add(lines, help_line(d));
            }
        }
    }
    g_ptr_array_sort(lines, compare_lines);
    if (title) {
        g_string_append_printf(out, "%s\n", title);
    }
    for (guint i = 0; i < lines->len; i++) {
        g_string_append(out, g_ptr_array_index(lines, i));
    }
    return g_string_free(out, FALSE);
}
