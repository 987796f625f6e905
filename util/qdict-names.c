/*
 * Dotted names: nested values to flat dictionaries and back, and picking subtrees out of flat ones.
 *
 * In a flat key a single '.' separates levels and ".." stands for a literal '.'.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "util/cutils.h"
#include "util/qobject.h"

static void flatten_into(QDict *out, const char *prefix, QObject *value);

static char *dotted(const char *prefix, const char *key)
{
    return prefix ? g_strconcat(prefix, ".", key, NULL) : g_strdup(key);
}

static void flatten_members(QDict *out, const char *prefix, QObject *value)
{
    if (qobject_type(value) == QTYPE_DICT) {
        for (size_t i = 0; i < qdict_size(value); i++) {
            g_autofree char *key = dotted(prefix, qdict_key_at(value, i));

            flatten_into(out, key, qdict_value_at(value, i));
        }
        return;
    }
    for (size_t i = 0; i < qlist_size(value); i++) {
        g_autofree char *key = g_strdup_printf("%s.%zu", prefix, i);

        flatten_into(out, key, qlist_get(value, i));
    }
}

/* Empty containers have no members to stand for them, so they stay as values. */
static void flatten_into(QDict *out, const char *prefix, QObject *value)
{
    QType type = qobject_type(value);
    bool has_members = (type == QTYPE_DICT && qdict_size(value)) || (type == QTYPE_LIST && qlist_size(value));

    if (has_members) {
        flatten_members(out, prefix, value);
    } else {
        qdict_put(out, prefix, qobject_ref(value));
    }
}

static void dict_clear(QDict *d)
{
    while (qdict_size(d)) {
        qdict_del(d, qdict_key_at(d, qdict_size(d) - 1));
    }
}

void qdict_flatten(QDict *d)
{
    g_autoptr(QObject) out = qdict_new();

    flatten_members(out, NULL, d);
    dict_clear(d);
    qdict_join(d, out, false);
}

/* Split key at its first single dot: the unescaped head is returned, *rest points behind the dot or is NULL. */
static char *split_head(const char *key, const char **rest)
{
    GString *head = g_string_new(NULL);

    *rest = NULL;
    for (; *key; key++) {
        if (*key == '.') {
            if (key[1] != '.') {
                *rest = key + 1;
                break;
            }
            key++;
        }
        g_string_append_c(head, *key);
    }
    return g_string_free(head, FALSE);
}

/* Group flat by the first component: scalars stay, the others become flat dictionaries of the remainders. */
static QDict *group_by_head(const QDict *flat, Error **errp)
{
    g_autoptr(QObject) groups = qdict_new();
    g_autoptr(QObject) nested = qdict_new();      /* heads that name groups */

    for (size_t i = 0; i < qdict_size(flat); i++) {
        const char *rest;
        g_autofree char *head = split_head(qdict_key_at(flat, i), &rest);
        QObject *value = qdict_value_at(flat, i);
        QObject *have = qdict_get(groups, head);

        if (have && (!rest || !qdict_has(nested, head))) {
            error_setg(errp, "Cannot mix scalar and non-scalar keys");
            return NULL;
        }
        if (!rest) {
            qdict_put(groups, head, qobject_ref(value));
            continue;
        }
        if (!have) {
            have = qdict_new();
            qdict_put(groups, head, have);
            qdict_put_null(nested, head);
        }
        qdict_put(have, rest, qobject_ref(value));
    }
    return qobject_ref(groups);
}

/* 1: all keys are list indices, 0: none is, -1: mixed or with gaps. */
static int names_a_list(const QDict *d, Error **errp)
{
    size_t indices = 0;
    int64_t max = -1, v;

    for (size_t i = 0; i < qdict_size(d); i++) {
        if (parse_i64(qdict_key_at(d, i), 10, &v) == 0) {
            indices++;
            max = MAX(max, v);
        }
    }
    if (indices == 0) {
        return 0;
    }
    if (indices != qdict_size(d)) {
        error_setg(errp, "Cannot mix list and non-list keys");
        return -1;
    }
    if (max != (int64_t)indices - 1) {
        error_setg(errp, "List indices are not contiguous, saw %zu elements but %zd largest index",
                   indices, (ssize_t)max);
        return -1;
    }
    for (size_t i = 0; i < indices; i++) {
        g_autofree char *key = g_strdup_printf("%zu", i);

        if (!qdict_has(d, key)) {
            error_setg(errp, "Missing list index %zu", i);
            return -1;
        }
    }
    return 1;
}

static QList *list_of_dict(const QDict *d)
{
    QList *list = qlist_new();

    for (size_t i = 0; i < qdict_size(d); i++) {
        g_autofree char *key = g_strdup_printf("%zu", i);

        qlist_append(list, qobject_ref(qdict_get(d, key)));
    }
    return list;
}

QObject *qdict_crumple(const QDict *flat, Error **errp)
{
    g_autoptr(QObject) groups = group_by_head(flat, errp);
    g_autoptr(QObject) out = qdict_new();
    int is_list;

    if (!groups) {
        return NULL;
    }
    for (size_t i = 0; i < qdict_size(groups); i++) {
        QObject *value = qdict_value_at(groups, i);

        if (qobject_type(value) == QTYPE_DICT && qdict_size(value)) {
            value = qdict_crumple(value, errp);
            if (!value) {
                return NULL;
            }
        } else {
            qobject_ref(value);
        }
        qdict_put(out, qdict_key_at(groups, i), value);
    }
    is_list = names_a_list(out, errp);
    if (is_list < 0) {
        return NULL;
    }
    return is_list ? list_of_dict(out) : qobject_ref(out);
}

QDict *qdict_extract_subdict(QDict *d, const char *prefix)
{
    QDict *sub = qdict_new();
    size_t i = 0;

    while (i < qdict_size(d)) {
        g_autofree char *key = g_strdup(qdict_key_at(d, i));
        const char *rest;

        if (str_has_prefix(key, prefix, &rest)) {
            qdict_put(sub, rest, qdict_steal(d, key));
        } else {
            i++;
        }
    }
    return sub;
}

bool qdict_has_prefix(const QDict *d, const char *prefix)
{
    for (size_t i = 0; i < qdict_size(d); i++) {
        if (str_has_prefix(qdict_key_at(d, i), prefix, NULL)) {
            return true;
        }
    }
    return false;
}
