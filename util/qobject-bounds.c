/*
 * How large the parts of a command may be.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "util/qobject.h"

#define NAME_MAX_BYTES 1000
#define STRING_MAX_BYTES 16000
#define LIST_MAX_ITEMS 4000

static bool check_dict(const QDict *d, Error **errp)
{
    for (size_t i = 0; i < qdict_size(d); i++) {
        const char *key = qdict_key_at(d, i);

        if (strlen(key) > NAME_MAX_BYTES) {
            error_setg(errp, "Parameter '%.*s...' is unexpected", NAME_MAX_BYTES, key);
            return false;
        }
        if (!qobject_check_bounds(qdict_value_at(d, i), key, errp)) {
            return false;
        }
    }
    return true;
}

static bool check_list(const QList *l, const char *name, Error **errp)
{
    size_t n = qlist_size(l);

    if (n > LIST_MAX_ITEMS) {
        error_setg(errp, "Parameter '%s' has more than %d items", name, LIST_MAX_ITEMS);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!qobject_check_bounds(qlist_get(l, i), name, errp)) {
            return false;
        }
    }
    return true;
}

bool qobject_check_bounds(const QObject *o, const char *name, Error **errp)
{
    switch (qobject_type(o)) {
    case QTYPE_STRING:
        if (strlen(qobject_get_str(o)) > STRING_MAX_BYTES) {
            error_setg(errp, "Parameter '%s' is longer than %d bytes", name, STRING_MAX_BYTES);
            return false;
        }
        return true;
    case QTYPE_DICT:
        return check_dict(o, errp);
    case QTYPE_LIST:
        return check_list(o, name, errp);
    default:
        return true;
    }
}
