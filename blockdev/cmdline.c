/*
 * -blockdev: JSON or KEY=VALUE text to nodes.
 *
 * On the command line every value is a string; what it stands for follows from the schema's type.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "internal.h"
#include "qapi/types-block-core.h"
#include "util/cutils.h"
#include "util/options.h"

typedef struct Waiting {
    char *location;                    /* what messages point at */
    QDict *options;
} Waiting;

static GPtrArray *waiting;             /* of Waiting: not opened yet */

static QObject *typed(const QapiType *type, const QObject *o, const char *path, Error **errp);

static QObject *bad(const char *path, const char *expected, Error **errp)
{
    error_setg(errp, "Parameter '%s' expects %s", path, expected);
    return NULL;
}

static QObject *typed_scalar(const QapiType *type, const char *text, const char *path, Error **errp)
{
    int64_t i;
    uint64_t u;

    switch (type->kind) {
    case QAPI_BOOL:
        if (!strcmp(text, "on") || !strcmp(text, "yes") || !strcmp(text, "true") || !strcmp(text, "y")) {
            return qbool_new(true);
        }
        if (!strcmp(text, "off") || !strcmp(text, "no") || !strcmp(text, "false") || !strcmp(text, "n")) {
            return qbool_new(false);
        }
        return bad(path, "'on' or 'off'", errp);
    case QAPI_INT8: case QAPI_INT16: case QAPI_INT32: case QAPI_INT64:
        return parse_i64(text, 0, &i) < 0 ? bad(path, "integer", errp) : qint_new(i);
    case QAPI_UINT8: case QAPI_UINT16: case QAPI_UINT32: case QAPI_UINT64:
        if (type == &qapi_type_size) {
            return parse_size(text, NULL, 'B', &u) < 0 ? bad(path, "size", errp) : quint_new(u);
        }
        return parse_u64(text, 0, &u) < 0 ? bad(path, "integer", errp) : quint_new(u);
    default:
        return qstring_new(text);
    }
}

static const QapiMember *find_member(const QapiType *type, const char *name)
{
    for (size_t i = 0; type && i < type->n_members; i++) {
        if (!strcmp(type->members[i].name, name)) {
            return &type->members[i];
        }
    }
    return NULL;
}

/* The branch of a union that the dict's tag selects; NULL: none. */
static const QapiType *branch_of(const QapiType *type, const QDict *d)
{
    const char *tag = type->tag ? qdict_get_str(d, type->tag->name) : NULL;
    int value;

    return tag && qapi_enum_parse(type->tag->type, tag, &value) && (size_t)value < type->n_branches
           ? type->branches[value].type : NULL;
}

static QObject *typed_object(const QapiType *type, const QDict *d, const char *path, Error **errp)
{
    g_autoptr(QObject) out = qdict_new();
    const QapiType *branch = branch_of(type, d);

    for (size_t i = 0; i < qdict_size(d); i++) {
        const char *name = qdict_key_at(d, i);
        g_autofree char *inner = *path ? g_strconcat(path, ".", name, NULL) : g_strdup(name);
        const QapiMember *m = find_member(type, name);
        QObject *v;

        m = m ? m : find_member(branch, name);
        v = m ? typed(m->type, qdict_value_at(d, i), inner, errp) : qobject_clone(qdict_value_at(d, i));
        if (!v) {
            return NULL;
        }
        qdict_put(out, name, v);
    }
    return g_steal_pointer(&out);
}

static QObject *typed_list(const QapiType *type, const QList *l, const char *path, Error **errp)
{
    g_autoptr(QObject) out = qlist_new();

    for (size_t i = 0; i < qlist_size(l); i++) {
        g_autofree char *inner = g_strdup_printf("%s.%zu", path, i);
        QObject *v = typed(type->element, qlist_get(l, i), inner, errp);

        if (!v) {
            return NULL;
        }
        qlist_append(out, v);
    }
    return g_steal_pointer(&out);
}

static QObject *typed_alternate(const QapiType *type, const QObject *o, const char *path, Error **errp)
{
    for (size_t i = 0; i < type->n_branches; i++) {
        if (type->branches[i].qtype == qobject_type(o)) {
            return typed(type->branches[i].type, o, path, errp);
        }
    }
    return qobject_clone(o);
}

/* What does not fit is passed on as it is: the check against the schema says so. */
static QObject *typed(const QapiType *type, const QObject *o, const char *path, Error **errp)
{
    QType t = qobject_type(o);

    if (type->kind == QAPI_ALTERNATE) {
        return typed_alternate(type, o, path, errp);
    }
    if (type->kind == QAPI_OBJECT && t == QTYPE_DICT) {
        return typed_object(type, o, path, errp);
    }
    if (type->kind == QAPI_LIST && t == QTYPE_LIST) {
        return typed_list(type, o, path, errp);
    }
    return t == QTYPE_STRING ? typed_scalar(type, qobject_get_str(o), path, errp) : qobject_clone(o);
}

static QDict *parse(const char *text, Error **errp)
{
    g_autoptr(QObject) given = NULL;
    bool help = false;

    if (*text == '{') {
        return json_parse(text, errp);
    }
    given = opts_parse_keyval(text, "driver", &help, errp);
    if (help) {
        error_setg(errp, "Help is not available for this option");
        return NULL;
    }
    return given ? typed(&qapi_type_BlockdevOptions, given, "", errp) : NULL;
}

bool blockdev_add_from_cmdline(const char *text, Error **errp)
{
    QDict *options = parse(text, errp);
    Waiting *w;

    if (!options) {
        return false;
    }
    if (!qapi_check(&qapi_type_BlockdevOptions, options, errp)) {
        qobject_unref(options);
        return false;
    }
    w = g_new0(Waiting, 1);
    w->location = g_strconcat("-blockdev ", text, NULL);
    w->options = options;
    waiting = waiting ? waiting : g_ptr_array_new();
    g_ptr_array_add(waiting, w);
    return true;
}

bool blockdev_open_cmdline_nodes(Error **errp)
{
    bool ok = true;

    while (waiting && waiting->len && ok) {
        Waiting *w = g_ptr_array_steal_index(waiting, 0);

        error_set_location(w->location);
        ok = blockdev_add_node(w->options, errp);
        error_set_location(NULL);
        g_free(w->location);
        g_free(w);
    }
    return ok;
}
