/*
 * The strict grammar of -object and -blockdev: "type,a=1,b.c=2,l.0=x".  Dotted keys nest,
 * all-digit fragments below the first are list indices, every key needs a value.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "util/cutils.h"
#include "util/options.h"

#define FRAGMENT_MAX 127
#define NESTING_MAX 1024               /* as of JSON */

/* Length of the name at s: letters, digits, '-', '_', maybe after "__domain.name_"; 0 if there is none. */
static size_t name_length(const char *s)
{
    size_t prefix = 0, n;

    if (s[0] == '_' && s[1] == '_') {
        prefix = 2 + strspn(s + 2, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.");
        if (s[prefix++] != '_') {
            return 0;
        }
    }
    if (!g_ascii_isalpha(s[prefix])) {
        return 0;
    }
    for (n = prefix; g_ascii_isalnum(s[n]) || s[n] == '-' || s[n] == '_'; n++) {
    }
    return n;
}

/* Length of the fragment at s, 0 if there is none. */
static size_t fragment_length(const char *s, bool first)
{
    size_t digits = strspn(s, "0123456789");

    return digits && !first ? digits : name_length(s);
}

/* Where a key leads: the dictionary that is to hold its last fragment, made on the way. NULL on failure. */
static QDict *descend(QDict *dict, const char *key, size_t len, char *last, Error **errp)
{
    const char *s = key, *end = key + len;

    for (unsigned depth = 0;; depth++) {
        size_t n = fragment_length(s, s == key);
        QObject *child;

        if (!n || s + n > end || (s + n < end && s[n] != '.')) {
            error_setg(errp, "Invalid parameter '%.*s'", (int)len, key);
            return NULL;
        }
        if (n > FRAGMENT_MAX) {
            error_setg(errp, "Parameter%s '%.*s' is too long", s != key || s + n != end ? " fragment" : "", (int)n, s);
            return NULL;
        }
        if (depth > NESTING_MAX) {
            error_setg(errp, "Parameter '%.*s...' is nested too deeply", FRAGMENT_MAX, key);
            return NULL;
        }
        memcpy(last, s, n);
        last[n] = 0;
        if (s + n == end) {
            return dict;
        }
        child = qdict_get(dict, last);
        if (!child) {
            child = qdict_new();
            qdict_put(dict, last, child);
        } else if (qobject_type(child) != QTYPE_DICT) {
            error_setg(errp, "Parameters '%.*s.*' used inconsistently", (int)(s + n - key), key);
            return NULL;
        }
        dict = child;
        s += n + 1;
    }
}

static bool put_value(QDict *dict, const char *key, size_t len, const char *value, Error **errp)
{
    char last[FRAGMENT_MAX + 1];
    QDict *parent = descend(dict, key, len, last, errp);
    QObject *old;

    if (!parent) {
        return false;
    }
    old = qdict_get(parent, last);
    if (old && qobject_type(old) == QTYPE_DICT) {
        error_setg(errp, "Parameters '%.*s.*' used inconsistently", (int)len, key);
        return false;
    }
    qdict_put_str(parent, last, value);
    return true;
}

/* Value text up to a single comma; *text moves behind it. */
static char *take_value(const char **text)
{
    GString *out = g_string_new(NULL);
    const char *p = *text;

    while (*p && (*p != ',' || p[1] == ',')) {
        g_string_append_c(out, *p);
        p += *p == ',' ? 2 : 1;
    }
    *text = *p ? p + 1 : p;
    return g_string_free(out, FALSE);
}

static bool is_help(const char *s, size_t len)
{
    return (len == 4 && strncmp(s, "help", 4) == 0) || (len == 1 && *s == '?');
}

/* One element of the list at *text. */
static bool parse_element(QDict *dict, const char **text, const char *implied_key, bool *help_wanted, Error **errp)
{
    const char *key = *text;
    size_t len = strcspn(key, "=,");
    g_autofree char *value = NULL;

    if (key[len] != '=') {
        bool last = !key[len];

        if (help_wanted && is_help(key, len)) {
            *help_wanted = true;
            *text = last ? key + len : key + len + 1;
            return true;
        }
        if (implied_key && len) {
            value = g_strndup(key, len);
            *text = last ? key + len : key + len + 1;
            return put_value(dict, implied_key, strlen(implied_key), value, errp);
        }
        if (!len || fragment_length(key, true) == 0) {
            error_setg(errp, "Invalid parameter '%.*s'", (int)len, key);
        } else {
            error_setg(errp, "Expected '=' after parameter '%.*s'", (int)len, key);
        }
        return false;
    }
    *text = key + len + 1;
    value = take_value(text);
    return put_value(dict, key, len, value, errp);
}

/* Has dict list indices for keys, all of them?  -1 with an error when only some are. */
static int is_list(const QDict *dict, const char *path, Error **errp)
{
    size_t indices = 0;

    for (size_t i = 0; i < qdict_size(dict); i++) {
        indices += g_ascii_isdigit(qdict_key_at(dict, i)[0]);
    }
    if (indices && indices != qdict_size(dict)) {
        error_setg(errp, "Parameters '%s.*' used inconsistently", path);
        return -1;
    }
    return indices != 0;
}

static QList *dict_to_list(const QDict *dict, const char *path, Error **errp)
{
    size_t n = qdict_size(dict);
    g_autofree QObject **slots = g_new0(QObject *, n);
    g_autoptr(QObject) list = qlist_new();

    for (size_t i = 0; i < n; i++) {
        uint64_t index;

        if (parse_u64(qdict_key_at(dict, i), 10, &index) == 0 && index < n) {
            slots[index] = qdict_value_at(dict, i);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!slots[i]) {
            error_setg(errp, "Parameter '%s.%zu' missing", path, i);
            return NULL;
        }
        qlist_append(list, qobject_ref(slots[i]));
    }
    return qobject_ref(list);
}

/* dict with each nested dictionary of indices made a list; a new reference. path is NULL at the top. */
static QObject *listify(QDict *dict, const char *path, Error **errp)
{
    int list;

    for (size_t i = 0; i < qdict_size(dict); i++) {
        const char *key = qdict_key_at(dict, i);
        QObject *value = qdict_value_at(dict, i);
        g_autofree char *below = path ? g_strconcat(path, ".", key, NULL) : g_strdup(key);

        if (qobject_type(value) == QTYPE_DICT) {
            value = listify(value, below, errp);
            if (!value) {
                return NULL;
            }
            qdict_put(dict, key, value);
        }
    }
    if (!path) {
        return qobject_ref(dict);
    }
    list = is_list(dict, path, errp);
    return list < 0 ? NULL : list ? dict_to_list(dict, path, errp) : qobject_ref(dict);
}

QDict *opts_parse_keyval(const char *text, const char *implied_key, bool *help_wanted, Error **errp)
{
    g_autoptr(QObject) dict = qdict_new();

    while (*text) {
        if (!parse_element(dict, &text, implied_key, help_wanted, errp)) {
            return NULL;
        }
        implied_key = NULL;
    }
    return listify(dict, NULL, errp);
}
