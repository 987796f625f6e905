/*
 * JSON-shaped values: null, booleans, exact 64-bit integers, doubles, strings,
 * lists, dictionaries.  One type, reference counted; containers own their
 * members.  Scalars never change; a container belongs to one thread at a time.
 *
 * Dictionaries keep insertion order; the JSON writer sorts known keys in the
 * order in which the stock programs print them (util/json-order.c holds that
 * list, read off their output), so scripts that compare text keep working.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_QOBJECT_H
#define UTIL_QOBJECT_H

#include <stdint.h>
#include <stdbool.h>
#include <glib.h>
#include "util/error.h"

typedef enum QType { QTYPE_NULL, QTYPE_BOOL, QTYPE_INT, QTYPE_UINT, QTYPE_DOUBLE, QTYPE_STRING, QTYPE_LIST, QTYPE_DICT } QType;
/* QTYPE_UINT is used only for integers above INT64_MAX, so each integer has one representation. */

typedef struct QObject QObject;
typedef QObject QDict;     /* same type; the name tells the reader what is expected */
typedef QObject QList;

QType qobject_type(const QObject *o);
QObject *qobject_ref(QObject *o);
void qobject_unref(QObject *o);              /* NULL is fine */
bool qobject_equal(const QObject *a, const QObject *b);
QObject *qobject_clone(const QObject *o);    /* containers are copied, scalars shared */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QObject, qobject_unref)

QObject *qnull_new(void);
QObject *qbool_new(bool v);
QObject *qint_new(int64_t v);
QObject *quint_new(uint64_t v);
QObject *qdouble_new(double v);
QObject *qstring_new(const char *s);
QObject *qstring_new_take(char *s);          /* takes ownership of a g_malloc'd string */

/* Typed reads; false/NULL when the type does not match. */
bool qobject_get_bool(const QObject *o, bool *out);
bool qobject_get_int(const QObject *o, int64_t *out);
bool qobject_get_uint(const QObject *o, uint64_t *out);   /* non-negative ints too */
bool qobject_get_double(const QObject *o, double *out);   /* any number */
const char *qobject_get_str(const QObject *o);            /* borrowed */

QDict *qdict_new(void);
size_t qdict_size(const QDict *d);
void qdict_put(QDict *d, const char *key, QObject *value);      /* takes value; replaces */
void qdict_put_take(QDict *d, char *key, QObject *value);      /* takes a g_malloc'd key, too */
void qdict_put_str(QDict *d, const char *key, const char *v);
void qdict_put_int(QDict *d, const char *key, int64_t v);
void qdict_put_uint(QDict *d, const char *key, uint64_t v);
void qdict_put_bool(QDict *d, const char *key, bool v);
void qdict_put_null(QDict *d, const char *key);
QObject *qdict_get(const QDict *d, const char *key);            /* borrowed, NULL if absent */
bool qdict_has(const QDict *d, const char *key);
const char *qdict_get_str(const QDict *d, const char *key);     /* NULL if absent or no string */
int64_t qdict_get_int(const QDict *d, const char *key, int64_t def);
bool qdict_get_bool(const QDict *d, const char *key, bool def);
QDict *qdict_get_dict(const QDict *d, const char *key);
QList *qdict_get_list(const QDict *d, const char *key);
QObject *qdict_steal(QDict *d, const char *key);                /* removed, owned by the caller */
void qdict_del(QDict *d, const char *key);
/* Iteration in insertion order: for (i = 0; i < qdict_size(d); i++). Do not modify meanwhile. */
const char *qdict_key_at(const QDict *d, size_t i);
/* The key that the stock programs meet first when they look through their members; NULL: none. */
const char *qdict_first_key(const QDict *dict);
QObject *qdict_value_at(const QDict *d, size_t i);
/* Put src's entries into dst; keep_existing decides who wins on a clash. */
void qdict_join(QDict *dst, const QDict *src, bool keep_existing);

/*
 * What commands and nodes are made of is copied, joined and kept by many: no string, name or list in it is so long (16 KB, 1 KB, 4,000
 * items) that these would have to try for memory.  name: of the whole, for messages.
 */
bool qobject_check_bounds(const QObject *o, const char *name, Error **errp);

/* {"a": {"b": 1}, "l": [2]} <-> {"a.b": 1, "l.0": 2}: the dotted names of block options. */
void qdict_flatten(QDict *d);
/* The reverse; fails where a key is both scalar and prefix, or list indices have gaps. */
QObject *qdict_crumple(const QDict *flat, Error **errp);
/* New dict of the keys that start with prefix ("file."), prefix removed, moved out of d. */
QDict *qdict_extract_subdict(QDict *d, const char *prefix);
bool qdict_has_prefix(const QDict *d, const char *prefix);

QList *qlist_new(void);
size_t qlist_size(const QList *l);
void qlist_append(QList *l, QObject *value);                    /* takes value */
QObject *qlist_get(const QList *l, size_t i);                   /* borrowed */

/*
 * Parse exactly one JSON value (RFC 8259 plus 'single quotes', as the stock
 * parser accepts).  Depth is limited to 1024, total size by the input.  The
 * error text equals the peer's ("JSON parse error, ...").
 */
QObject *json_parse(const char *text, Error **errp);          /* of options: see qobject_check_bounds */
QObject *json_parse_len(const char *text, size_t len, Error **errp);

/*
 * The same for input that comes in pieces (a monitor): emit is called for every complete value
 * or error (exactly one of the two is non-NULL) and owns it.  After an error parsing resumes at
 * the next structural or control character.
 */
typedef struct JsonParser JsonParser;
typedef void JsonEmit(void *opaque, QObject *value, Error *err);
JsonParser *json_parser_new(JsonEmit *emit, void *opaque);
void json_parser_free(JsonParser *p);
void json_parser_feed(JsonParser *p, const char *buf, size_t len);
/* End of input: what is incomplete becomes an error. */
void json_parser_flush(JsonParser *p);

/* Serialise; pretty uses four spaces per level as `qemu-img --output=json` prints. g_free the result. */
char *json_print(const QObject *o, bool pretty);
/* The same for what a peer sized: NULL when memory lacks. */
char *json_try_print(const QObject *o, bool pretty);

#endif
