/*
 * What all kinds of schema types share: slots, enums, lists, freeing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qapi/type.h"

#define BUILTIN(n, k, ctype) const QapiType qapi_type_##n = { .kind = k, .name = #n, .size = sizeof(ctype) }

BUILTIN(str, QAPI_STR, char *);
BUILTIN(bool, QAPI_BOOL, bool);
BUILTIN(number, QAPI_NUMBER, double);
BUILTIN(null, QAPI_NULL, QObject *);
BUILTIN(any, QAPI_ANY, QObject *);
BUILTIN(int, QAPI_INT64, int64_t);
BUILTIN(int8, QAPI_INT8, int8_t);
BUILTIN(int16, QAPI_INT16, int16_t);
BUILTIN(int32, QAPI_INT32, int32_t);
BUILTIN(int64, QAPI_INT64, int64_t);
BUILTIN(uint8, QAPI_UINT8, uint8_t);
BUILTIN(uint16, QAPI_UINT16, uint16_t);
BUILTIN(uint32, QAPI_UINT32, uint32_t);
BUILTIN(uint64, QAPI_UINT64, uint64_t);
BUILTIN(size, QAPI_UINT64, uint64_t);

bool qapi_slot_is_pointer(const QapiType *type)
{
    switch (type->kind) {
    case QAPI_STR:
    case QAPI_NULL:
    case QAPI_ANY:
    case QAPI_OBJECT:
    case QAPI_ALTERNATE:
    case QAPI_LIST:
        return true;
    default:
        return false;
    }
}

size_t qapi_slot_size(const QapiType *type)
{
    return qapi_slot_is_pointer(type) ? sizeof(void *) : type->size;
}

const char *qapi_enum_str(const QapiType *type, int value)
{
    return value >= 0 && (size_t)value < type->n_values ? type->values[value].name : NULL;
}

bool qapi_enum_parse(const QapiType *type, const char *text, int *value)
{
    for (size_t i = 0; text && i < type->n_values; i++) {
        if (strcmp(type->values[i].name, text) == 0) {
            *value = i;
            return true;
        }
    }
    return false;
}

/* Capacity is the next power of two, so it needs no field. */
bool qapi_list_try_grow(QapiList *list, size_t item_size)
{
    void *items;

    if ((list->len & (list->len - 1)) != 0) {
        return true;
    }
    items = g_try_realloc_n(list->items, list->len ? 2 * list->len : 1, item_size);
    if (items) {
        list->items = items;
    }
    return items != NULL;
}

void qapi_list_grow(QapiList *list, size_t item_size)
{
    if (!qapi_list_try_grow(list, item_size)) {
        g_error("no memory for a list of %zu items", list->len);
    }
}

static void free_contents(const QapiType *type, void *value);

static void free_slot(const QapiType *type, void *slot)
{
    switch (type->kind) {
    case QAPI_STR:
        g_free(*(char **)slot);
        break;
    case QAPI_NULL:
    case QAPI_ANY:
        qobject_unref(*(QObject **)slot);
        break;
    case QAPI_OBJECT:
    case QAPI_ALTERNATE:
    case QAPI_LIST:
        qapi_free(type, *(void **)slot);
        break;
    default:
        break;
    }
}

/* Objects sit in `u` themselves, all else as a slot. */
static void free_branch(const QapiType *type, void *u)
{
    if (type->kind == QAPI_OBJECT) {
        free_contents(type, u);
    } else {
        free_slot(type, u);
    }
}

static void free_object(const QapiType *type, char *base)
{
    for (size_t i = 0; i < type->n_members; i++) {
        free_slot(type->members[i].type, base + type->members[i].offset);
    }
    if (type->tag) {
        unsigned value = *(unsigned *)(base + type->tag->offset);

        if (value < type->n_branches && type->branches[value].type) {
            free_contents(type->branches[value].type, base + type->u_offset);
        }
    }
}

static void free_alternate(const QapiType *type, char *base)
{
    QType qtype = *(QType *)base;

    for (size_t i = 0; i < type->n_branches; i++) {
        if (type->branches[i].qtype == qtype) {
            free_branch(type->branches[i].type, base + type->u_offset);
        }
    }
}

static void free_contents(const QapiType *type, void *value)
{
    if (type->kind == QAPI_OBJECT) {
        free_object(type, value);
    } else if (type->kind == QAPI_ALTERNATE) {
        free_alternate(type, value);
    } else if (type->kind == QAPI_LIST) {
        QapiList *list = value;
        size_t size = qapi_slot_size(type->element);

        for (size_t i = 0; i < list->len && qapi_slot_is_pointer(type->element); i++) {
            free_slot(type->element, (char *)list->items + i * size);
        }
        g_free(list->items);
    }
}

void qapi_free(const QapiType *type, void *value)
{
    if (value) {
        free_contents(type, value);
        g_free(value);
    }
}

void *qapi_clone(const QapiType *type, const void *value)
{
    g_autoptr(QObject) o = value ? qapi_to_qobject(type, value) : NULL;

    return o ? qapi_from_qobject(type, o, NULL) : NULL;
}
