/*
 * The loose grammar of option lists: "a=1,b=x,,y,flag,noflag".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <string.h>
#include "util/cutils.h"
#include "util/options.h"

/* Text up to a single comma, ",," standing for one; *text moves behind the comma. */
static char *take_value(const char **text)
{
    GString *out = g_string_new(NULL);
    const char *p = *text;

    for (; *p; p++) {
        if (*p == ',') {
            if (p[1] != ',') {
                break;
            }
            p++;
        }
        g_string_append_c(out, *p);
    }
    *text = *p ? p + 1 : p;
    return g_string_free(out, FALSE);
}

static char *take_name(const char **text, char stop)
{
    size_t len = strcspn(*text, "=,");
    char *name = g_strndup(*text, len);

    *text += len;
    *text += **text == stop;
    return name;
}

static void put_flag(QDict *out, const char *flag, bool warn)
{
    const char *name = flag;
    bool on = !str_has_prefix(flag, "no", &name);

    qdict_put_str(out, name, on ? "on" : "off");
    if (warn) {
        warn_report("short-form boolean option '%s' deprecated", flag);
        fprintf(stderr, "Please use %s=%s instead\n", name, on ? "on" : "off");
    }
}

/* Put the first element of the text into out; *text moves behind it. */
static void parse_element(QDict *out, const char **text, const char *implied_key, bool warn, bool *help_wanted)
{
    bool has_value = (*text)[strcspn(*text, "=,")] == '=';
    g_autofree char *name = NULL;
    g_autofree char *value = NULL;

    if (has_value) {
        name = take_name(text, '=');
        value = take_value(text);
        qdict_put_str(out, name, value);
    } else if (implied_key) {
        value = take_value(text);
        qdict_put_str(out, implied_key, value);
    } else {
        name = take_name(text, ',');
        if (help_wanted && (strcmp(name, "help") == 0 || strcmp(name, "?") == 0)) {
            *help_wanted = true;
        } else {
            put_flag(out, name, warn);
        }
    }
}

static QDict *parse_list(const char *text, const char *implied_key, bool warn, bool *help_wanted)
{
    QDict *out = qdict_new();

    for (bool first = true; *text; first = false) {
        parse_element(out, &text, first ? implied_key : NULL, warn, help_wanted);
    }
    return out;
}

QDict *opts_parse_list_checked(const char *text, const OptDesc *descs, Error **errp)
{
    for (const char *p = text; *p;) {
        g_autoptr(QObject) one = qdict_new(), typed = NULL;

        parse_element(one, &p, NULL, false, NULL);
        typed = opts_check_all(one, descs, errp);
        if (!typed) {
            return NULL;
        }
    }
    g_autoptr(QObject) all = parse_list(text, NULL, false, NULL);
    return opts_check_all(all, descs, errp);
}

QDict *opts_parse_list(const char *text, const char *implied_key, bool *help_wanted, Error **errp)
{
    return parse_list(text, implied_key, false, help_wanted);
}

QDict *opts_parse_list_noisy(const char *text, const char *implied_key, bool *help_wanted, Error **errp)
{
    return parse_list(text, implied_key, true, help_wanted);
}

QDict *opts_parse_cmdline(const char *text, const char *implied_key, bool *help_wanted, Error **errp)
{
    g_autoptr(QObject) opts = parse_list(text, implied_key, true, help_wanted);
    const char *id = qdict_get_str(opts, "id");

    if (id && !id_wellformed(id)) {
        Error *err = NULL;

        error_setg(&err, "Parameter 'id' expects an identifier");
        error_append_hint(&err, "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.\n");
        error_propagate(errp, err);
        return NULL;
    }
    qdict_del(opts, "id");
    return qobject_ref(opts);
}
