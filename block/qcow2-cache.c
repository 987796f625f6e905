/*
 * qcow2: L2 tables and refcount blocks in memory.
 *
 * A table is clean, dirty (some 4 KiB pages differ from the disk), or in flight (a commit cycle
 * has taken copies of its dirty pages).  It leaves memory only when it is clean, not in flight
 * and nobody holds a reference: what is read from the disk is never older than what was here.
 *
 * The capacity is soft.  When all tables are dirty a commit cycle makes them clean; when all are
 * in use more memory is taken and given back by qcow2_cache_put.
 *
 * All functions: q->lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "qcow2-commit.h"
#include "util/iov.h"

#define PAGE_BITS 12
#define SPARSE_BYTES (1u << 20)      /* tables from here on rarely are full: zeroes take no memory */
#define PAGE_WORDS 8                 /* 512 pages: clusters of 2 MiB */

typedef struct Table {
    uint64_t offset;                 /* cluster aligned */
    uint8_t *data;
    unsigned refs;
    bool place_known;                /* overlaps no other metadata (qcow2_check_own_place) */
    bool in_flight, forgotten;       /* forgotten: not in by_offset any more, goes with the last reference */
    uint64_t dirty[PAGE_WORDS], flight[PAGE_WORDS];
    struct Table *prev, *next;       /* least recently used first */
    struct Table *dirty_prev, *dirty_next;
    bool on_dirty;
} Table;

struct Qcow2Cache {
    Qcow2 *q;
    const char *load_event;
    bool is_l2;
    unsigned capacity, count;        /* tables */
    unsigned page_bits;
    GHashTable *by_offset, *by_data;
    Table *head, *tail;              /* all tables that are not forgotten */
    Table *dirty_list;
    uint64_t dirty_pages;
    GPtrArray *flight;
};

Qcow2Cache *qcow2_cache_new(Qcow2 *q, uint64_t bytes, const char *what)
{
    Qcow2Cache *c = g_new0(Qcow2Cache, 1);
    c->q = q;
    c->is_l2 = what[0] == 'l';
    c->load_event = c->is_l2 ? "l2_load" : "refblock_load";
    c->capacity = MAX(bytes >> q->cluster_bits, 2);
    c->page_bits = MIN(PAGE_BITS, q->cluster_bits);
    c->by_offset = g_hash_table_new(g_int64_hash, g_int64_equal);
    c->by_data = g_hash_table_new(NULL, NULL);
    c->flight = g_ptr_array_new();
    return c;
}

void qcow2_cache_grow(Qcow2Cache *c, uint64_t bytes)
{
    c->capacity = MAX(c->capacity, bytes >> c->q->cluster_bits);
}

static void lru_unlink(Qcow2Cache *c, Table *t)
{
    *(t->prev ? &t->prev->next : &c->head) = t->next;
    *(t->next ? &t->next->prev : &c->tail) = t->prev;
}

static void lru_append(Qcow2Cache *c, Table *t)
{
    t->prev = c->tail;
    t->next = NULL;
    *(c->tail ? &c->tail->next : &c->head) = t;
    c->tail = t;
}

static unsigned pages_in(const uint64_t *bits)
{
    unsigned n = 0;
    for (unsigned i = 0; i < PAGE_WORDS; i++) {
        n += __builtin_popcountll(bits[i]);
    }
    return n;
}

static void make_clean(Qcow2Cache *c, Table *t)
{
    if (!t->on_dirty) {
        return;
    }
    c->dirty_pages -= pages_in(t->dirty);
    memset(t->dirty, 0, sizeof(t->dirty));
    *(t->dirty_prev ? &t->dirty_prev->dirty_next : &c->dirty_list) = t->dirty_next;
    if (t->dirty_next) {
        t->dirty_next->dirty_prev = t->dirty_prev;
    }
    t->on_dirty = false;
}

static void make_dirty(Qcow2Cache *c, Table *t)
{
    if (t->on_dirty) {
        return;
    }
    t->on_dirty = true;
    t->dirty_prev = NULL;
    t->dirty_next = c->dirty_list;
    if (t->dirty_next) {
        t->dirty_next->dirty_prev = t;
    }
    c->dirty_list = t;
}

static void forget(Qcow2Cache *c, Table *t)
{
    if (!t->forgotten) {
        make_clean(c, t);
        g_hash_table_remove(c->by_offset, &t->offset);
        lru_unlink(c, t);
        t->forgotten = true;
    }
}

static void release(Qcow2Cache *c, Table *t)
{
    g_hash_table_remove(c->by_data, t->data);
    bdrv_memfree(t->data);
    g_free(t);
    c->count--;
}

static bool is_idle(const Table *t)
{
    return !t->refs && !t->in_flight && !t->on_dirty;
}

void qcow2_cache_drop_all(Qcow2Cache *c)
{
    for (Table *t = c->head, *next; t; t = next) {
        next = t->next;
        forget(c, t);
        if (is_idle(t)) {
            release(c, t);
        }
    }
}

void qcow2_cache_free(Qcow2Cache *c)
{
    if (!c) {
        return;
    }
    qcow2_cache_drop_all(c);
    g_hash_table_destroy(c->by_offset);
    g_hash_table_destroy(c->by_data);
    g_ptr_array_free(c->flight, true);
    g_free(c);
}

/* Take the longest unused clean table out; NULL when there is none. */
static Table *evict(Qcow2Cache *c)
{
    for (Table *t = c->head; t; t = t->next) {
        if (is_idle(t)) {
            g_hash_table_remove(c->by_offset, &t->offset);
            lru_unlink(c, t);
            return t;
        }
    }
    return NULL;
}

/* Memory for one more table, of which nothing is linked but by_data. */
static Table *fresh_table(Qcow2Cache *c)
{
    Table *t = g_new0(Table, 1);
    t->data = bdrv_blockalign(c->q->bs->file->bs, c->q->cluster_size);
    if (!t->data) {
        g_free(t);
        return NULL;
    }
    g_hash_table_insert(c->by_data, t->data, t);
    c->count++;
    return t;
}

static Table *coroutine_fn lookup_or_make(Qcow2Cache *c, uint64_t offset, bool *made, int *ret)
{
    for (bool tried = false;; tried = true) {
        Table *t = g_hash_table_lookup(c->by_offset, &offset);
        *made = !t;
        *ret = 0;
        if (t) {
            return t;
        }
        if (c->count >= c->capacity) {
            t = evict(c);
            /* Refcount blocks are also asked for inside a cycle; only L2 tables may wait for one. */
            if (!t && c->is_l2 && c->dirty_list && !tried) {
                *ret = qcow2_commit(c->q, false);
                if (*ret < 0) {
                    return NULL;
                }
                continue;
            }
        }
        if (!t) {
            t = fresh_table(c);
        }
        *ret = t ? 0 : -ENOMEM;
        return t;
    }
}

static int coroutine_fn get(Qcow2Cache *c, uint64_t offset, void **table, bool fresh)
{
    bool made;
    int ret;
    *table = NULL;
    Table *t = lookup_or_make(c, offset, &made, &ret);
    if (!t) {
        return ret;
    }
    if (made) {
        if (!fresh) {
            bdrv_child_event(c->q->bs->file, c->load_event);
            ret = bdrv_read_buf(c->q->bs->file, offset, c->q->cluster_size, t->data, 0);
            if (ret < 0) {
                release(c, t);
                return ret;
            }
            if (c->q->cluster_size >= SPARSE_BYTES) {
                buffer_drop_zeroes(t->data, c->q->cluster_size);
            }
        }
        t->offset = offset;
        t->place_known = fresh;          /* looked at when it was allocated */
        g_hash_table_insert(c->by_offset, &t->offset, t);
    } else {
        lru_unlink(c, t);
    }
    lru_append(c, t);
    if (fresh) {
        memset(t->data, 0, c->q->cluster_size);
    }
    t->refs++;
    *table = t->data;
    return 0;
}

int coroutine_fn qcow2_cache_get(Qcow2Cache *c, uint64_t offset, void **table)
{
    return get(c, offset, table, false);
}

int coroutine_fn qcow2_cache_get_new(Qcow2Cache *c, uint64_t offset, void **table)
{
    return get(c, offset, table, true);
}

static void drop_if_surplus(Qcow2Cache *c, Table *t)
{
    if (!is_idle(t)) {
        return;
    }
    if (t->forgotten) {
        release(c, t);
    } else if (c->count > c->capacity) {
        forget(c, t);
        release(c, t);
    }
}

void qcow2_cache_put(Qcow2Cache *c, void **table)
{
    Table *t = g_hash_table_lookup(c->by_data, *table);
    *table = NULL;
    t->refs--;
    drop_if_surplus(c, t);
}

static void mark_pages(Qcow2Cache *c, Table *t, uint32_t from, uint32_t len)
{
    for (uint32_t p = from >> c->page_bits; p <= (from + len - 1) >> c->page_bits; p++) {
        uint64_t bit = 1ULL << (p % 64);
        c->dirty_pages += !(t->dirty[p / 64] & bit);
        t->dirty[p / 64] |= bit;
    }
}

void qcow2_cache_mark_dirty(Qcow2Cache *c, void *table, uint32_t from, uint32_t len)
{
    Table *t = g_hash_table_lookup(c->by_data, table);
    if (len && !t->forgotten) {
        make_dirty(c, t);
        mark_pages(c, t, from, len);
    }
}

bool qcow2_cache_place_known(Qcow2Cache *c, void *table)
{
    Table *t = g_hash_table_lookup(c->by_data, table);
    return t->place_known;
}

void qcow2_cache_note_place(Qcow2Cache *c, void *table)
{
    Table *t = g_hash_table_lookup(c->by_data, table);
    t->place_known = true;
}

void qcow2_cache_discard(Qcow2Cache *c, uint64_t offset)
{
    Table *t = g_hash_table_lookup(c->by_offset, &offset);
    if (t) {
        forget(c, t);
        drop_if_surplus(c, t);
    }
}

bool qcow2_cache_is_dirty(const Qcow2Cache *c)
{
    return c->dirty_list || c->flight->len;
}

uint64_t qcow2_cache_dirty_bytes(const Qcow2Cache *c)
{
    return c->dirty_pages << c->page_bits;
}

void qcow2_cache_clean(Qcow2Cache *c)
{
    for (Table *t = c->head, *next; t; t = next) {
        next = t->next;
        if (is_idle(t)) {
            forget(c, t);
            release(c, t);
        }
    }
}

const void *qcow2_cache_peek(Qcow2Cache *c, uint64_t offset)
{
    Table *t = g_hash_table_lookup(c->by_offset, &offset);
    return t ? t->data : NULL;
}

static void collect_table(Qcow2Cache *c, Table *t, GArray *pieces)
{
    for (unsigned p = 0; p < PAGE_WORDS * 64; p++) {
        if (t->dirty[p / 64] & (1ULL << (p % 64))) {
            Qcow2Piece piece = { .offset = t->offset + ((uint64_t)p << c->page_bits),
                                 .src = t->data + ((size_t)p << c->page_bits), .bytes = 1u << c->page_bits };
            g_array_append_val(pieces, piece);
        }
    }
}

void qcow2_cache_collect(Qcow2Cache *c, GArray *pieces)
{
    while (c->dirty_list) {
        Table *t = c->dirty_list;
        collect_table(c, t, pieces);
        memcpy(t->flight, t->dirty, sizeof(t->flight));
        make_clean(c, t);
        t->in_flight = true;
        g_ptr_array_add(c->flight, t);
    }
}

void qcow2_cache_written(Qcow2Cache *c, bool ok)
{
    for (unsigned i = 0; i < c->flight->len; i++) {
        Table *t = c->flight->pdata[i];
        t->in_flight = false;
        if (!ok && !t->forgotten) {
            make_dirty(c, t);
            c->dirty_pages -= pages_in(t->dirty);
            for (unsigned w = 0; w < PAGE_WORDS; w++) {
                t->dirty[w] |= t->flight[w];
            }
            c->dirty_pages += pages_in(t->dirty);
        }
        drop_if_surplus(c, t);
    }
    g_ptr_array_set_size(c->flight, 0);
}
