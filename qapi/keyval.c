/*
 * Arguments of the command line that the schema describes: JSON, or KEY=VALUE text.
 *
 * In the text every value is a string; what it stands for follows from the schema's type.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "qapi/type.h"
#include "util/cutils.h"
#include "util/options.h"

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
    if ((t == QTYPE_DICT || t == QTYPE_LIST) && type->kind != QAPI_ANY && type->kind != QAPI_OBJECT
        && type->kind != QAPI_LIST) {
        error_setg(errp, "Parameters '%s.*' are unexpected", path);
        return NULL;
    }
    return t == QTYPE_STRING ? typed_scalar(type, qobject_get_str(o), path, errp) : qobject_clone(o);
}

QDict *qapi_parse_arg(const QapiType *type, const char *text, const char *implied_key, Error **errp)
{
    g_autoptr(QObject) given = NULL, options = NULL;
    bool help = false;

    if (*text == '{') {
        options = json_parse(text, errp);
    } else {
        given = opts_parse_keyval(text, implied_key, &help, errp);
        if (help) {
            error_setg(errp, "Help is not available for this option");
            return NULL;
        }
        options = given ? typed(type, given, "", errp) : NULL;
    }
    return options && qapi_check(type, options, errp) ? g_steal_pointer(&options) : NULL;
}
