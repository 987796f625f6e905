/*
 * C values to JSON values.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qapi/compat.h"
#include "qapi/type.h"

static QObject *output_integer(const QapiType *type, const void *slot)
{
    switch (type->kind) {
    case QAPI_INT8:
        return qint_new(*(const int8_t *)slot);
    case QAPI_INT16:
        return qint_new(*(const int16_t *)slot);
    case QAPI_INT32:
        return qint_new(*(const int32_t *)slot);
    case QAPI_INT64:
        return qint_new(*(const int64_t *)slot);
    case QAPI_UINT8:
        return quint_new(*(const uint8_t *)slot);
    case QAPI_UINT16:
        return quint_new(*(const uint16_t *)slot);
    case QAPI_UINT32:
        return quint_new(*(const uint32_t *)slot);
    default:
        return quint_new(*(const uint64_t *)slot);
    }
}

static bool is_present(const QapiMember *m, const char *base)
{
    if (!m->optional) {
        return true;
    }
    return m->has ? *(const bool *)(base + m->has_offset) : *(void *const *)(base + m->offset) != NULL;
}

static void output_members(const QapiType *type, const char *base, QDict *dict)
{
    for (size_t i = 0; i < type->n_members; i++) {
        const QapiMember *m = &type->members[i];

        if (is_present(m, base) && !compat_hides_member(m->features)) {
            qdict_put(dict, m->name, qapi_slot_to_qobject(m->type, base + m->offset));
        }
    }
    if (type->tag) {
        unsigned value = *(const unsigned *)(base + type->tag->offset);

        if (value < type->n_branches && type->branches[value].type) {
            output_members(type->branches[value].type, base + type->u_offset, dict);
        }
    }
}

static QObject *output_alternate(const QapiType *type, const char *base)
{
    QType qtype = *(const QType *)base;

    for (size_t i = 0; i < type->n_branches; i++) {
        const QapiBranch *b = &type->branches[i];

        if (b->qtype == qtype) {
            return b->type->kind == QAPI_OBJECT ? qapi_to_qobject(b->type, base + type->u_offset)
                                                : qapi_slot_to_qobject(b->type, base + type->u_offset);
        }
    }
    return qnull_new();
}

static QObject *output_list(const QapiType *type, const QapiList *list)
{
    QList *out = qlist_new();
    size_t size = qapi_slot_size(type->element);

    for (size_t i = 0; i < list->len; i++) {
        qlist_append(out, qapi_slot_to_qobject(type->element, (const char *)list->items + i * size));
    }
    return out;
}

QObject *qapi_to_qobject(const QapiType *type, const void *value)
{
    QDict *dict;

    if (type->kind == QAPI_LIST) {
        return output_list(type, value);
    }
    if (type->kind == QAPI_ALTERNATE) {
        return output_alternate(type, value);
    }
    dict = qdict_new();
    output_members(type, value, dict);
    return dict;
}

/* A pointer that is NULL although its member is not optional becomes an empty value of its type. */
static QObject *output_pointer(const QapiType *type, const void *p)
{
    switch (type->kind) {
    case QAPI_STR:
        return qstring_new(p ? p : "");
    case QAPI_OBJECT:
        return p ? qapi_to_qobject(type, p) : qdict_new();
    case QAPI_LIST:
        return p ? qapi_to_qobject(type, p) : qlist_new();
    case QAPI_ALTERNATE:
        return p ? qapi_to_qobject(type, p) : qnull_new();
    default:
        return p ? qobject_clone(p) : qnull_new();
    }
}

QObject *qapi_slot_to_qobject(const QapiType *type, const void *slot)
{
    const char *text;

    if (qapi_slot_is_pointer(type)) {
        return output_pointer(type, *(void *const *)slot);
    }
    switch (type->kind) {
    case QAPI_BOOL:
        return qbool_new(*(const bool *)slot);
    case QAPI_NUMBER:
        return qdouble_new(*(const double *)slot);
    case QAPI_ENUM:
        text = qapi_enum_str(type, *(const int *)slot);
        return qstring_new(text ? text : "");
    default:
        return output_integer(type, slot);
    }
}
