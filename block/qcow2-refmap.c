/*
 * References per cluster while an image is checked: 16 bits each in chunks that exist only
 * where a reference was counted; the rare larger numbers go to a hash table.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qcow2-check.h"

#define CHUNK_BITS 15
#define CHUNK_ENTRIES (1u << CHUNK_BITS)
#define OVERFLOWN UINT16_MAX         /* the number is in `large` */

struct RefMap {
    uint64_t size;                   /* clusters */
    bool lacking;                    /* no memory for some */
    GPtrArray *chunks;               /* uint16_t[CHUNK_ENTRIES] or NULL: all zero */
    GHashTable *large;               /* cluster -> count, both boxed */
};

static GHashTable *boxed_table(void) { return g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free); }

RefMap *refmap_new(uint64_t nb_clusters)
{
    RefMap *m = g_new0(RefMap, 1);

    m->size = nb_clusters;
    m->chunks = g_ptr_array_new_with_free_func(g_free);
    m->large = boxed_table();
    return m;
}

void refmap_free(RefMap *m)
{
    if (m) {
        g_ptr_array_free(m->chunks, TRUE);
        g_hash_table_destroy(m->large);
        g_free(m);
    }
}

uint64_t refmap_size(const RefMap *m)
{
    return m->size;
}

static uint16_t *chunk_of(const RefMap *m, uint64_t cluster)
{
    uint64_t i = cluster >> CHUNK_BITS;

    return i < m->chunks->len ? m->chunks->pdata[i] : NULL;
}

uint64_t refmap_get(const RefMap *m, uint64_t cluster)
{
    const uint16_t *chunk = chunk_of(m, cluster);
    uint16_t n = chunk ? chunk[cluster & (CHUNK_ENTRIES - 1)] : 0;

    if (n == OVERFLOWN) {
        return *(uint64_t *)g_hash_table_lookup(m->large, &cluster);
    }
    return n;
}

static void put_large(RefMap *m, uint64_t cluster, uint64_t count)
{
    uint64_t *key = g_new(uint64_t, 1), *value = g_new(uint64_t, 1);

    *key = cluster;
    *value = count;
    g_hash_table_replace(m->large, key, value);
}

static uint16_t *chunk_for_change(RefMap *m, uint64_t cluster)
{
    uint64_t i = cluster >> CHUNK_BITS;

    if (i >= m->chunks->len) {
        g_ptr_array_set_size(m->chunks, i + 1);
    }
    if (!m->chunks->pdata[i]) {
        m->chunks->pdata[i] = g_try_new0(uint16_t, CHUNK_ENTRIES);
    }
    if (!m->chunks->pdata[i]) {
        m->lacking = true;
    }
    return m->chunks->pdata[i];
}

const uint16_t *refmap_peek(const RefMap *m, uint64_t cluster, uint64_t *n)
{
    const uint16_t *chunk = chunk_of(m, cluster);
    uint32_t in = cluster & (CHUNK_ENTRIES - 1);

    *n = MIN(*n, CHUNK_ENTRIES - in);
    return chunk ? chunk + in : NULL;
}

uint64_t refmap_next(const RefMap *m, uint64_t from)
{
    uint64_t i = from >> CHUNK_BITS;

    if (chunk_of(m, from)) {
        return from;
    }
    for (i++; i < m->chunks->len && !m->chunks->pdata[i]; i++) {
    }
    return i < m->chunks->len ? i << CHUNK_BITS : MAX(m->size, from);
}

/* Simple loops over 16-bit numbers: the compiler makes vectors of them. */
static bool any_above(const uint16_t *p, uint32_t n, uint16_t limit)
{
    bool above = false;

    for (uint32_t i = 0; i < n; i++) {
        above |= p[i] > limit;
    }
    return above;
}

bool refmap_add_run(RefMap *m, uint64_t first, uint64_t n, uint64_t times, uint64_t max)
{
    uint64_t limit = MIN(max, OVERFLOWN - 1);

    if (times > limit) {
        return false;
    }
    for (uint64_t i = 0, part; i < n; i += part) {
        const uint16_t *p;

        part = n - i;
        p = refmap_peek(m, first + i, &part);
        if (p && any_above(p, part, limit - times)) {
            return false;
        }
    }
    for (uint64_t i = 0, part; i < n; i += part) {
        uint32_t in = (first + i) & (CHUNK_ENTRIES - 1);
        uint16_t *chunk = chunk_for_change(m, first + i), *p = chunk ? chunk + in : NULL;

        part = MIN(n - i, CHUNK_ENTRIES - in);
        for (uint32_t k = 0; p && k < part; k++) {
            p[k] += times;
        }
    }
    m->size = MAX(m->size, first + n);
    return true;
}

bool refmap_is_whole(const RefMap *m)
{
    return !m->lacking;
}

void refmap_add(RefMap *m, uint64_t cluster, uint64_t n)
{
    uint64_t count;
    uint16_t *chunk;

    if (!n) {
        return;
    }
    chunk = chunk_for_change(m, cluster);
    if (!chunk) {
        return;
    }
    count = refmap_get(m, cluster) + n;
    if (count >= OVERFLOWN) {
        put_large(m, cluster, count);
        count = OVERFLOWN;
    }
    chunk[cluster & (CHUNK_ENTRIES - 1)] = count;
    m->size = MAX(m->size, cluster + 1);
}

uint64_t refmap_find_free(const RefMap *m, uint64_t from, uint64_t n)
{
    uint64_t run = 0, i = from;

    for (; run < n && i < m->size; i++) {
        run = refmap_get(m, i) ? 0 : run + 1;
    }
    return i - run;
}
