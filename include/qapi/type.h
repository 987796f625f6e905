/*
 * Types of the schema at run time: the generator (scripts/qapi/) writes a C struct and one
 * QapiType per type; reading, writing, freeing and introspection are done here once, by walking
 * these descriptions.
 *
 * How a value sits in its struct ("slot"): strings, objects, alternates, lists and QObjects as
 * pointers, the rest by value.  An optional member that is no pointer has a `bool has_NAME` beside
 * it; an absent pointer is NULL.  The branches of a union and of an alternate are embedded in `u`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QAPI_TYPE_H
#define QAPI_TYPE_H

#include <stddef.h>
#include <string.h>
#include "util/qobject.h"

typedef enum QapiKind {
    QAPI_STR, QAPI_BOOL, QAPI_NUMBER, QAPI_NULL, QAPI_ANY,
    QAPI_INT8, QAPI_INT16, QAPI_INT32, QAPI_INT64, QAPI_UINT8, QAPI_UINT16, QAPI_UINT32, QAPI_UINT64,
    QAPI_ENUM, QAPI_OBJECT, QAPI_ALTERNATE, QAPI_LIST,
} QapiKind;

typedef struct QapiType QapiType;

typedef struct QapiMember {
    const char *name;
    const QapiType *type;
    size_t offset;                      /* of the slot */
    bool optional;
    bool has;                           /* optional and no pointer: look at has_offset */
    size_t has_offset;
    const char *const *features;        /* NULL-terminated; NULL: none */
} QapiMember;

typedef struct QapiEnumValue {
    const char *name;
    const char *const *features;
} QapiEnumValue;

/* A branch of a union (at the index of the tag's value; type NULL: no more members) or of an alternate. */
typedef struct QapiBranch {
    const char *name;
    const QapiType *type;
    QType qtype;                        /* alternates: the JSON type that selects it */
} QapiBranch;

struct QapiType {
    QapiKind kind;
    const char *name;
    size_t size;                        /* of the C struct, or of one slot for values */
    const char *const *features;
    size_t n_members;                   /* objects */
    const QapiMember *members;
    const QapiMember *tag;              /* unions: that member; else NULL */
    size_t n_branches;                  /* unions: values of the tag; alternates */
    const QapiBranch *branches;
    size_t u_offset;
    size_t n_values;                    /* enums */
    const QapiEnumValue *values;
    const QapiType *element;            /* lists */
};

/* All lists look like this. */
typedef struct QapiList {
    size_t len;
    void *items;
} QapiList;

extern const QapiType qapi_type_str, qapi_type_bool, qapi_type_number, qapi_type_null, qapi_type_any, qapi_type_int,
    qapi_type_int8, qapi_type_int16, qapi_type_int32, qapi_type_int64, qapi_type_uint8, qapi_type_uint16,
    qapi_type_uint32, qapi_type_uint64, qapi_type_size;

/*
 * A new C value (object, alternate or list) from JSON.  Strict: unknown members, missing ones and
 * wrong types are errors with the peer's texts.
 */
void *qapi_from_qobject(const QapiType *type, const QObject *o, Error **errp);
/* Only look whether qapi_from_qobject would succeed. */
bool qapi_check(const QapiType *type, const QObject *o, Error **errp);
/*
 * An argument of the command line: JSON, or "KEY=VALUE,..." whose values are read as what the type wants (a first element
 * without '=' is implied_key's, NULL: none).  Checked; NULL + errp.
 */
QDict *qapi_parse_arg(const QapiType *type, const char *text, const char *implied_key, Error **errp);
/* The reverse.  value: as qapi_from_qobject returns it. */
QObject *qapi_to_qobject(const QapiType *type, const void *value);
/* As above, of what the slot holds (any kind). */
QObject *qapi_slot_to_qobject(const QapiType *type, const void *slot);
void qapi_free(const QapiType *type, void *value);
void *qapi_clone(const QapiType *type, const void *value);

const char *qapi_enum_str(const QapiType *type, int value);     /* NULL when out of range */
bool qapi_enum_parse(const QapiType *type, const char *text, int *value);
/* Make room for one more item. */
void qapi_list_grow(QapiList *list, size_t item_size);
/* For lists whose length a peer decides; false: no memory. */
bool qapi_list_try_grow(QapiList *list, size_t item_size);
size_t qapi_slot_size(const QapiType *type);
/* Does a slot of this type hold a pointer? */
bool qapi_slot_is_pointer(const QapiType *type);

#define QAPI_DECLARE_ENUM(T)                                                                            \
    extern const QapiType qapi_type_##T;                                                                \
    static inline const char *T##_str(T v) { return qapi_enum_str(&qapi_type_##T, v); }                 \
    static inline bool T##_parse(const char *text, T *out)                                              \
    {                                                                                                   \
        int v = 0;                                                                                      \
        bool ok = qapi_enum_parse(&qapi_type_##T, text, &v);                                            \
        if (ok) {                                                                                       \
            *out = (T)v;                                                                                \
        }                                                                                               \
        return ok;                                                                                      \
    }

#define QAPI_DECLARE_OBJECT(T)                                                                          \
    extern const QapiType qapi_type_##T;                                                                \
    static inline T *T##_new(void) { return g_new0(T, 1); }                                             \
    static inline void T##_free(T *p) { qapi_free(&qapi_type_##T, p); }                                 \
    static inline T *T##_clone(const T *p) { return qapi_clone(&qapi_type_##T, p); }                    \
    static inline QObject *T##_to_qobject(const T *p) { return qapi_to_qobject(&qapi_type_##T, p); }    \
    static inline T *T##_from_qobject(const QObject *o, Error **errp)                                   \
    {                                                                                                   \
        return qapi_from_qobject(&qapi_type_##T, o, errp);                                              \
    }                                                                                                   \
    G_DEFINE_AUTOPTR_CLEANUP_FUNC(T, T##_free)

#define QAPI_DECLARE_LIST(L, ITEM)                                                                      \
    struct L { size_t len; ITEM *items; };                                                              \
    QAPI_DECLARE_OBJECT(L)                                                                              \
    static inline void L##_append(L *l, ITEM v)                                                         \
    {                                                                                                   \
        qapi_list_grow((QapiList *)l, sizeof(v));                                                       \
        l->items[l->len++] = v;                                                                         \
    }

#endif
