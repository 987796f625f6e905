/*
 * JSON values to C values, strictly.
 *
 * Errors name the place by its path ("actions[0].data.node"), except for a value that is not in an
 * enum, a number out of range and an alternate of no matching type: there the peer tells the last
 * name only, and "null" for an item of a list.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "qapi/compat.h"
#include "qapi/type.h"
#include "util/text.h"

#define ORDERED_MAX 1000         /* of more members than that, the first unknown one is told */

/* A step of the path to the value at hand; lives on the stack of who visits the container. */
typedef struct Place {
    const struct Place *parent;
    const char *name;               /* NULL: item `index` of the parent */
    size_t index;
} Place;

static bool input_slot(const QapiType *type, const QObject *o, void *slot, const Place *at, Error **errp);

static const char *last_name(const Place *at)
{
    return at && at->name ? at->name : "null";
}

static void append_path(Text *text, const Place *at)
{
    if (!at) {
        return;
    }
    append_path(text, at->parent);
    if (!at->name) {
        text_addf(text, "[%zu]", at->index);
    } else {
        text_addf(text, "%s%s", text->len ? "." : "", at->name);
    }
}

/* Without memory for a long one: of its last name what fits. */
static char *path_of(const Place *at)
{
    Text text = { 0 };
    char *path;

    append_path(&text, at);
    path = text_take(&text);
    return path ? path : text_format("%s", last_name(at));
}

static bool no_memory(const Place *at, Error **errp)
{
    g_autofree char *path = path_of(at);

    error_setg_errno(errp, ENOMEM, "Parameter '%s'", path);
    return false;
}

static bool wrong_type(const Place *at, const char *expected, Error **errp)
{
    g_autofree char *path = path_of(at);

    error_setg(errp, "Invalid parameter type for '%s', expected: %s", path, expected);
    return false;
}

static bool out_of_range(const Place *at, const char *ctype, Error **errp)
{
    error_setg(errp, "Parameter '%s' expects %s", last_name(at), ctype);
    return false;
}

static bool input_signed(const QObject *o, int64_t min, int64_t max, const char *ctype, int64_t *v, const Place *at,
                         Error **errp)
{
    if (!qobject_get_int(o, v)) {
        return wrong_type(at, "integer", errp);
    }
    return (*v >= min && *v <= max) || out_of_range(at, ctype, errp);
}

/* A negative number stands for its two's complement, so it is too large for all but 64 bits. */
static bool input_unsigned(const QObject *o, uint64_t max, const char *ctype, uint64_t *v, const Place *at,
                           Error **errp)
{
    int64_t i;

    if (!qobject_get_uint(o, v)) {
        if (!qobject_get_int(o, &i)) {
            g_autofree char *path = path_of(at);

            error_setg(errp, "Parameter '%s' expects uint64", path);
            return false;
        }
        *v = i;
    }
    return *v <= max || out_of_range(at, ctype, errp);
}

static bool input_integer(const QapiType *type, const QObject *o, void *slot, const Place *at, Error **errp)
{
    int64_t i = 0;
    uint64_t u = 0;
    bool ok = false;

    switch (type->kind) {
    case QAPI_INT8:
        ok = input_signed(o, INT8_MIN, INT8_MAX, "int8_t", &i, at, errp);
        *(int8_t *)slot = i;
        break;
    case QAPI_INT16:
        ok = input_signed(o, INT16_MIN, INT16_MAX, "int16_t", &i, at, errp);
        *(int16_t *)slot = i;
        break;
    case QAPI_INT32:
        ok = input_signed(o, INT32_MIN, INT32_MAX, "int32_t", &i, at, errp);
        *(int32_t *)slot = i;
        break;
    case QAPI_INT64:
        ok = input_signed(o, INT64_MIN, INT64_MAX, "int64_t", &i, at, errp);
        *(int64_t *)slot = i;
        break;
    case QAPI_UINT8:
        ok = input_unsigned(o, UINT8_MAX, "uint8_t", &u, at, errp);
        *(uint8_t *)slot = u;
        break;
    case QAPI_UINT16:
        ok = input_unsigned(o, UINT16_MAX, "uint16_t", &u, at, errp);
        *(uint16_t *)slot = u;
        break;
    case QAPI_UINT32:
        ok = input_unsigned(o, UINT32_MAX, "uint32_t", &u, at, errp);
        *(uint32_t *)slot = u;
        break;
    default:
        ok = input_unsigned(o, UINT64_MAX, "uint64_t", &u, at, errp);
        *(uint64_t *)slot = u;
        break;
    }
    return ok;
}

static bool input_str(const QObject *o, char **slot, const Place *at, Error **errp)
{
    const char *text = qobject_get_str(o);

    *slot = text_try_dup(text);
    return *slot || (text ? no_memory(at, errp) : wrong_type(at, "string", errp));
}

static bool input_enum(const QapiType *type, const QObject *o, int *slot, const Place *at, Error **errp)
{
    const char *text = qobject_get_str(o);

    if (!text) {
        return wrong_type(at, "string", errp);
    }
    if (!qapi_enum_parse(type, text, slot)) {
        error_setg(errp, "Parameter '%s' does not accept value '%s'", last_name(at), text);
        return false;
    }
    return true;
}

/* The members of one level into base; *known counts those found in dict. */
static bool input_members(const QapiType *type, const QDict *dict, char *base, const Place *at, size_t *known,
                          Error **errp)
{
    for (size_t i = 0; i < type->n_members; i++) {
        const QapiMember *m = &type->members[i];
        Place here = { at, m->name, 0 };
        const QObject *o = qdict_get(dict, m->name);

        if (!o && m->optional) {
            continue;
        }
        if (!o) {
            g_autofree char *path = path_of(&here);

            error_setg(errp, "Parameter '%s' is missing", path);
            return false;
        }
        if (!compat_accepts_member(m->features, m->name, errp)
            || !input_slot(m->type, o, base + m->offset, &here, errp)) {
            return false;
        }
        if (m->has) {
            *(bool *)(base + m->has_offset) = true;
        }
        ++*known;
    }
    if (type->tag) {
        const QapiBranch *b = &type->branches[*(unsigned *)(base + type->tag->offset)];

        return !b->type || input_members(b->type, dict, base + type->u_offset, at, known, errp);
    }
    return true;
}

static bool has_member(const QapiType *type, const char *base, const char *name)
{
    const QapiBranch *b = type->tag ? &type->branches[*(const unsigned *)(base + type->tag->offset)] : NULL;

    for (size_t i = 0; i < type->n_members; i++) {
        if (strcmp(type->members[i].name, name) == 0) {
            return true;
        }
    }
    return b && b->type && has_member(b->type, base + type->u_offset, name);
}

/* Which of several follows from the order of a hash table of all names, as with the peer. */
static const char *unknown_by_hash(const QapiType *type, const QDict *dict, const char *base)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    GHashTableIter iter;
    gpointer name = NULL;

    for (size_t i = 0; i < qdict_size(dict); i++) {
        g_hash_table_add(names, (gpointer)qdict_key_at(dict, i));
    }
    for (size_t i = 0; i < qdict_size(dict); i++) {
        if (has_member(type, base, qdict_key_at(dict, i))) {
            g_hash_table_remove(names, qdict_key_at(dict, i));
        }
    }
    g_hash_table_iter_init(&iter, names);
    return g_hash_table_iter_next(&iter, &name, NULL) ? name : NULL;
}

static const char *unknown_member(const QapiType *type, const QDict *dict, const char *base)
{
    if (qdict_size(dict) <= ORDERED_MAX) {
        return unknown_by_hash(type, dict, base);
    }
    for (size_t i = 0; i < qdict_size(dict); i++) {
        if (!has_member(type, base, qdict_key_at(dict, i))) {
            return qdict_key_at(dict, i);
        }
    }
    return NULL;
}

static bool unexpected_member(const QapiType *type, const QDict *dict, const char *base, const Place *at, Error **errp)
{
    Place here = { at, unknown_member(type, dict, base), 0 };
    g_autofree char *path = path_of(&here);

    error_setg(errp, "Parameter '%s' is unexpected", path);
    return false;
}

static bool input_object(const QapiType *type, const QObject *o, char *base, const Place *at, Error **errp)
{
    size_t known = 0;

    if (qobject_type(o) != QTYPE_DICT) {
        return wrong_type(at, "object", errp);
    }
    if (!input_members(type, o, base, at, &known, errp)) {
        return false;
    }
    return known == qdict_size(o) || unexpected_member(type, o, base, at, errp);
}

static bool input_alternate(const QapiType *type, const QObject *o, char *base, const Place *at, Error **errp)
{
    QType qtype = qobject_type(o) == QTYPE_UINT ? QTYPE_INT : qobject_type(o);

    for (size_t i = 0; i < type->n_branches; i++) {
        const QapiBranch *b = &type->branches[i];

        if (b->qtype == qtype) {
            *(QType *)base = qtype;
            return b->type->kind == QAPI_OBJECT ? input_object(b->type, o, base + type->u_offset, at, errp)
                                                : input_slot(b->type, o, base + type->u_offset, at, errp);
        }
    }
    /* The tag must name a branch even so, for whoever frees the value: u is all zero. */
    *(QType *)base = type->branches[0].qtype;
    error_setg(errp, "Invalid parameter type for '%s', expected: %s", last_name(at), type->name);
    return false;
}

static bool input_list(const QapiType *type, const QObject *o, QapiList *list, const Place *at, Error **errp)
{
    size_t size = qapi_slot_size(type->element);

    if (qobject_type(o) != QTYPE_LIST) {
        return wrong_type(at, "array", errp);
    }
    for (size_t i = 0; i < qlist_size(o); i++) {
        Place here = { at, NULL, i };
        char *slot;

        if (!qapi_list_try_grow(list, size)) {
            return no_memory(&here, errp);
        }
        slot = (char *)list->items + i * size;
        memset(slot, 0, size);
        list->len++;
        if (!input_slot(type->element, qlist_get(o, i), slot, &here, errp)) {
            return false;
        }
    }
    return true;
}

/* A container; what it has so far stays in it when this fails. */
static bool input_container(const QapiType *type, const QObject *o, void *value, const Place *at, Error **errp)
{
    switch (type->kind) {
    case QAPI_OBJECT:
        return input_object(type, o, value, at, errp);
    case QAPI_ALTERNATE:
        return input_alternate(type, o, value, at, errp);
    default:
        return input_list(type, o, value, at, errp);
    }
}

static bool input_slot(const QapiType *type, const QObject *o, void *slot, const Place *at, Error **errp)
{
    switch (type->kind) {
    case QAPI_STR:
        return input_str(o, slot, at, errp);
    case QAPI_BOOL:
        return qobject_get_bool(o, slot) || wrong_type(at, "boolean", errp);
    case QAPI_NUMBER:
        return qobject_get_double(o, slot) || wrong_type(at, "number", errp);
    case QAPI_NULL:
        if (qobject_type(o) != QTYPE_NULL) {
            return wrong_type(at, "null", errp);
        }
        /* fall through */
    case QAPI_ANY:
        *(QObject **)slot = qobject_clone(o);
        return true;
    case QAPI_ENUM:
        return input_enum(type, o, slot, at, errp);
    case QAPI_OBJECT:
    case QAPI_ALTERNATE:
    case QAPI_LIST:
        *(void **)slot = g_malloc0(type->size);
        return input_container(type, o, *(void **)slot, at, errp);
    default:
        return input_integer(type, o, slot, at, errp);
    }
}

void *qapi_from_qobject(const QapiType *type, const QObject *o, Error **errp)
{
    void *value = g_malloc0(type->size);

    if (!input_container(type, o, value, NULL, errp)) {
        qapi_free(type, value);
        return NULL;
    }
    return value;
}

bool qapi_check(const QapiType *type, const QObject *o, Error **errp)
{
    void *value = qapi_from_qobject(type, o, errp);

    qapi_free(type, value);
    return value != NULL;
}
