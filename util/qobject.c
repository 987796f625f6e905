/*
 * Values: scalars, lists and dictionaries with reference counts.
 *
 * Containers may hold what a peer sent, so they grow in pieces (util/chunks.h), and the index of a dictionary is keyed
 * by a number that the peer does not know: it can make neither a large allocation nor many keys of one bucket.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "util/chunks.h"
#include "util/qobject.h"

/* Dictionaries with more entries than this get a hash index. */
#define DICT_LINEAR_MAX 12
#define FIRST_BUCKETS 64               /* four times as many whenever there are more entries than buckets */

typedef struct DictEntry {
    char *key;
    QObject *value;
    size_t pos;             /* its place in entries */
    uint64_t hash;          /* of key, */
    struct DictEntry *next; /* and the next of its bucket: while there is an index */
} DictEntry;

typedef struct Dict {
    Chunks entries;         /* DictEntry *, owned, in insertion order */
    /* DictEntry *, first of each bucket, a power of two of them; none while the dictionary is small */
    Chunks index;
} Dict;

struct QObject {
    unsigned refs;          /* atomic: clones in other threads share scalars */
    QType type;
    union {
        bool b;
        int64_t i;
        uint64_t u;
        double d;
        char *s;
        Chunks *list;       /* QObject *, owned */
        Dict *dict;
    } v;
};

static QObject *qobject_new(QType type)
{
    QObject *o = g_new0(QObject, 1);

    o->refs = 1;
    o->type = type;
    return o;
}

static DictEntry *dict_entry_at(const QDict *d, size_t i)
{
    return *(DictEntry **)chunks_at(&d->v.dict->entries, i);
}

static void dict_entry_free(DictEntry *e)
{
    qobject_unref(e->value);
    g_free(e->key);
    g_free(e);
}

static void qobject_destroy(QObject *o)
{
    switch (o->type) {
    case QTYPE_STRING:
        g_free(o->v.s);
        break;
    case QTYPE_LIST:
        for (size_t i = 0; i < qlist_size(o); i++) {
            qobject_unref(qlist_get(o, i));
        }
        chunks_free(o->v.list);
        g_free(o->v.list);
        break;
    case QTYPE_DICT:
        for (size_t i = 0; i < qdict_size(o); i++) {
            dict_entry_free(dict_entry_at(o, i));
        }
        chunks_free(&o->v.dict->index);
        chunks_free(&o->v.dict->entries);
        g_free(o->v.dict);
        break;
    default:
        break;
    }
    g_free(o);
}

QType qobject_type(const QObject *o)
{
    return o->type;
}

QObject *qobject_ref(QObject *o)
{
    if (o) {
        __atomic_add_fetch(&o->refs, 1, __ATOMIC_RELAXED);
    }
    return o;
}

void qobject_unref(QObject *o)
{
    if (o && __atomic_sub_fetch(&o->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        qobject_destroy(o);
    }
}

static bool is_number(const QObject *o)
{
    return o->type == QTYPE_INT || o->type == QTYPE_UINT || o->type == QTYPE_DOUBLE;
}

static bool dict_equal(const QObject *a, const QObject *b)
{
    if (qdict_size(a) != qdict_size(b)) {
        return false;
    }
    for (size_t i = 0; i < qdict_size(a); i++) {
        const QObject *other = qdict_get(b, qdict_key_at(a, i));

        if (!other || !qobject_equal(qdict_value_at(a, i), other)) {
            return false;
        }
    }
    return true;
}

static bool list_equal(const QObject *a, const QObject *b)
{
    if (qlist_size(a) != qlist_size(b)) {
        return false;
    }
    for (size_t i = 0; i < qlist_size(a); i++) {
        if (!qobject_equal(qlist_get(a, i), qlist_get(b, i))) {
            return false;
        }
    }
    return true;
}

bool qobject_equal(const QObject *a, const QObject *b)
{
    double da, db;

    if (!a || !b) {
        return a == b;
    }
    if (a->type != b->type) {
        return is_number(a) && is_number(b) && qobject_get_double(a, &da) && qobject_get_double(b, &db) && da == db;
    }
    switch (a->type) {
    case QTYPE_NULL:
        return true;
    case QTYPE_BOOL:
        return a->v.b == b->v.b;
    case QTYPE_INT:
        return a->v.i == b->v.i;
    case QTYPE_UINT:
        return a->v.u == b->v.u;
    case QTYPE_DOUBLE:
        return a->v.d == b->v.d;
    case QTYPE_STRING:
        return strcmp(a->v.s, b->v.s) == 0;
    case QTYPE_LIST:
        return list_equal(a, b);
    case QTYPE_DICT:
        return dict_equal(a, b);
    }
    g_assert_not_reached();
}

QObject *qobject_clone(const QObject *o)
{
    QObject *copy = NULL;

    switch (o->type) {
    case QTYPE_LIST:
        copy = qlist_new();
        for (size_t i = 0; i < qlist_size(o); i++) {
            qlist_append(copy, qobject_clone(qlist_get(o, i)));
        }
        return copy;
    case QTYPE_DICT:
        copy = qdict_new();
        for (size_t i = 0; i < qdict_size(o); i++) {
            qdict_put(copy, qdict_key_at(o, i), qobject_clone(qdict_value_at(o, i)));
        }
        return copy;
    default:
        return qobject_ref((QObject *)o);      /* nobody can change it */
    }
}

QObject *qnull_new(void)
{
    return qobject_new(QTYPE_NULL);
}

QObject *qbool_new(bool v)
{
    QObject *o = qobject_new(QTYPE_BOOL);

    o->v.b = v;
    return o;
}

QObject *qint_new(int64_t v)
{
    QObject *o = qobject_new(QTYPE_INT);

    o->v.i = v;
    return o;
}

QObject *quint_new(uint64_t v)
{
    QObject *o;

    if (v <= INT64_MAX) {
        return qint_new(v);
    }
    o = qobject_new(QTYPE_UINT);
    o->v.u = v;
    return o;
}

QObject *qdouble_new(double v)
{
    QObject *o = qobject_new(QTYPE_DOUBLE);

    o->v.d = v;
    return o;
}

QObject *qstring_new(const char *s)
{
    return qstring_new_take(g_strdup(s));
}

QObject *qstring_new_take(char *s)
{
    QObject *o = qobject_new(QTYPE_STRING);

    o->v.s = s;
    return o;
}

bool qobject_get_bool(const QObject *o, bool *out)
{
    if (!o || o->type != QTYPE_BOOL) {
        return false;
    }
    *out = o->v.b;
    return true;
}

bool qobject_get_int(const QObject *o, int64_t *out)
{
    if (!o || o->type != QTYPE_INT) {
        return false;
    }
    *out = o->v.i;
    return true;
}

bool qobject_get_uint(const QObject *o, uint64_t *out)
{
    if (!o || !(o->type == QTYPE_UINT || (o->type == QTYPE_INT && o->v.i >= 0))) {
        return false;
    }
    *out = o->v.u;      /* a non-negative int has the same bits */
    return true;
}

bool qobject_get_double(const QObject *o, double *out)
{
    if (!o || !is_number(o)) {
        return false;
    }
    *out = o->type == QTYPE_INT ? (double)o->v.i : o->type == QTYPE_UINT ? (double)o->v.u : o->v.d;
    return true;
}

const char *qobject_get_str(const QObject *o)
{
    return o && o->type == QTYPE_STRING ? o->v.s : NULL;
}

QDict *qdict_new(void)
{
    QObject *o = qobject_new(QTYPE_DICT);

    o->v.dict = g_new0(Dict, 1);
    o->v.dict->entries.item = o->v.dict->index.item = sizeof(DictEntry *);
    return o;
}

size_t qdict_size(const QDict *d)
{
    return d->v.dict->entries.len;
}

/* Each step mixes all bits of what came before, starting from a number of this process. */
static uint64_t key_hash(const char *key)
{
    static uint64_t secret;
    uint64_t h = __atomic_load_n(&secret, __ATOMIC_RELAXED);

    if (!h) {
        uint64_t none = 0;

        h = (uint64_t)g_random_int() << 32 | g_random_int() | 1;
        if (!__atomic_compare_exchange_n(&secret, &none, h, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            h = none;
        }
    }
    for (; *key; key++) {
        h = (h ^ (uint8_t)*key) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h ^ h >> 32;
}

static DictEntry **dict_bucket(const QDict *d, uint64_t hash)
{
    const Chunks *index = &d->v.dict->index;

    return chunks_at(index, hash & (index->len - 1));
}

static DictEntry *dict_find(const QDict *d, const char *key)
{
    if (d->v.dict->index.len) {
        uint64_t hash = key_hash(key);
        DictEntry *e = *dict_bucket(d, hash);

        while (e && (e->hash != hash || strcmp(e->key, key) != 0)) {
            e = e->next;
        }
        return e;
    }
    for (size_t i = 0; i < qdict_size(d); i++) {
        if (strcmp(dict_entry_at(d, i)->key, key) == 0) {
            return dict_entry_at(d, i);
        }
    }
    return NULL;
}

static void dict_index_add(QDict *d, DictEntry *e)
{
    DictEntry **bucket = dict_bucket(d, e->hash);

    e->next = *bucket;
    *bucket = e;
}

static void dict_index_remove(QDict *d, DictEntry *e)
{
    DictEntry **at = dict_bucket(d, e->hash);

    while (*at != e) {
        at = &(*at)->next;
    }
    *at = e->next;
}

static void dict_build_index(QDict *d)
{
    Chunks *index = &d->v.dict->index;
    size_t buckets = index->len ? 4 * index->len : FIRST_BUCKETS;

    chunks_free(index);
    while (index->len < buckets) {
        chunks_add(index);
    }
    for (size_t i = 0; i < qdict_size(d); i++) {
        DictEntry *e = dict_entry_at(d, i);

        e->hash = key_hash(e->key);
        dict_index_add(d, e);
    }
}

/* key is taken, too. */
static void dict_add(QDict *d, char *key, QObject *value)
{
    DictEntry *e = g_new0(DictEntry, 1);

    e->key = key;
    e->value = value;
    e->pos = qdict_size(d);
    *(DictEntry **)chunks_add(&d->v.dict->entries) = e;
    if (qdict_size(d) > MAX(d->v.dict->index.len, (size_t)DICT_LINEAR_MAX)) {
        dict_build_index(d);
    } else if (d->v.dict->index.len) {
        e->hash = key_hash(key);
        dict_index_add(d, e);
    }
}

static bool dict_replace(QDict *d, const char *key, QObject *value)
{
    DictEntry *e = dict_find(d, key);

    if (e) {
        qobject_unref(e->value);
        e->value = value;
    }
    return e != NULL;
}

void qdict_put(QDict *d, const char *key, QObject *value)
{
    if (!dict_replace(d, key, value)) {
        dict_add(d, g_strdup(key), value);
    }
}

void qdict_put_take(QDict *d, char *key, QObject *value)
{
    if (dict_replace(d, key, value)) {
        g_free(key);
    } else {
        dict_add(d, key, value);
    }
}

void qdict_put_str(QDict *d, const char *key, const char *v)
{
    qdict_put(d, key, qstring_new(v));
}

void qdict_put_int(QDict *d, const char *key, int64_t v)
{
    qdict_put(d, key, qint_new(v));
}

void qdict_put_uint(QDict *d, const char *key, uint64_t v)
{
    qdict_put(d, key, quint_new(v));
}

void qdict_put_bool(QDict *d, const char *key, bool v)
{
    qdict_put(d, key, qbool_new(v));
}

void qdict_put_null(QDict *d, const char *key)
{
    qdict_put(d, key, qnull_new());
}

QObject *qdict_get(const QDict *d, const char *key)
{
    DictEntry *e = dict_find(d, key);

    return e ? e->value : NULL;
}

bool qdict_has(const QDict *d, const char *key)
{
    return dict_find(d, key) != NULL;
}

const char *qdict_get_str(const QDict *d, const char *key)
{
    return qobject_get_str(qdict_get(d, key));
}

int64_t qdict_get_int(const QDict *d, const char *key, int64_t def)
{
    qobject_get_int(qdict_get(d, key), &def);
    return def;
}

bool qdict_get_bool(const QDict *d, const char *key, bool def)
{
    qobject_get_bool(qdict_get(d, key), &def);
    return def;
}

static QObject *dict_get_typed(const QDict *d, const char *key, QType type)
{
    QObject *o = qdict_get(d, key);

    return o && o->type == type ? o : NULL;
}

QDict *qdict_get_dict(const QDict *d, const char *key)
{
    return dict_get_typed(d, key, QTYPE_DICT);
}

QList *qdict_get_list(const QDict *d, const char *key)
{
    return dict_get_typed(d, key, QTYPE_LIST);
}

QObject *qdict_steal(QDict *d, const char *key)
{
    DictEntry *e = dict_find(d, key);
    QObject *value;

    if (!e) {
        return NULL;
    }
    value = g_steal_pointer(&e->value);
    if (d->v.dict->index.len) {
        dict_index_remove(d, e);
    }
    for (size_t i = e->pos + 1; i < qdict_size(d); i++) {
        DictEntry *after = dict_entry_at(d, i);

        after->pos--;
        *(DictEntry **)chunks_at(&d->v.dict->entries, i - 1) = after;
    }
    chunks_drop(&d->v.dict->entries, 1);
    dict_entry_free(e);
    return value;
}

void qdict_del(QDict *d, const char *key)
{
    qobject_unref(qdict_steal(d, key));
}

const char *qdict_key_at(const QDict *d, size_t i)
{
    return dict_entry_at(d, i)->key;
}

QObject *qdict_value_at(const QDict *d, size_t i)
{
    return dict_entry_at(d, i)->value;
}

void qdict_join(QDict *dst, const QDict *src, bool keep_existing)
{
    for (size_t i = 0; i < qdict_size(src); i++) {
        const char *key = qdict_key_at(src, i);

        if (!keep_existing || !qdict_has(dst, key)) {
            qdict_put(dst, key, qobject_ref(qdict_value_at(src, i)));
        }
    }
}

QList *qlist_new(void)
{
    QObject *o = qobject_new(QTYPE_LIST);

    o->v.list = g_new0(Chunks, 1);
    o->v.list->item = sizeof(QObject *);
    return o;
}

size_t qlist_size(const QList *l)
{
    return l->v.list->len;
}

void qlist_append(QList *l, QObject *value)
{
    *(QObject **)chunks_add(l->v.list) = value;
}

QObject *qlist_get(const QList *l, size_t i)
{
    return *(QObject **)chunks_at(l->v.list, i);
}
