/*
 * qcow2: what each internal snapshot occupies, and where two states differ.  Both read metadata only.
 *
 * Usage, in one pass over all L2 tables, each read once whatever the number of snapshots:
 *   1. every L1 (of the snapshots, and the present one) -> (place of table, state), sorted by place
 *   2. each table: its own cluster and those that it names are claimed for the state that names the table,
 *      or for "several" when more than one does, or when another state has claimed the cluster
 *   3. the claims are counted
 * So a cluster that one state claims is one that nothing else refers to: deleting the state frees it.
 *
 * Tables are taken from the cache where they are in it.  q->lock is held for a batch of tables at a time; what the
 * guest changes between two batches may or may not be in the result.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "qcow2-defer.h"
#include "qcow2-shadow.h"

#define SEVERAL UINT32_MAX
#define CHUNK_BITS 12
#define CHUNK_ENTRIES (1u << CHUNK_BITS)
#define BATCH_BYTES (4 * MiB)

/* One reference to an L2 table. */
typedef struct TableRef { uint64_t place; uint32_t state, index; } TableRef;

typedef struct Usage {
    Qcow2 *q;
    unsigned states;                 /* the snapshots, and the present one last */
    BdrvSnapshotUsage *out;          /* one a state */
    TableRef *refs;
    uint64_t nb_refs, room;
    uint64_t clusters;               /* of the file; what lies behind is not counted */
    GHashTable *chunks;              /* cluster >> CHUNK_BITS -> uint32_t[CHUNK_ENTRIES]: 0 nobody, state + 1, SEVERAL */
    uint32_t *chunk;                 /* the one used last */
    uint64_t chunk_index;
} Usage;

/* --- claims ----------------------------------------------------------------------------------- */

static uint32_t *slot(Usage *u, uint64_t cluster)
{
    uint64_t i = cluster >> CHUNK_BITS;
    if (!u->chunk || u->chunk_index != i) {
        u->chunk = g_hash_table_lookup(u->chunks, &i);
        if (!u->chunk) {
            u->chunk = g_new0(uint32_t, CHUNK_ENTRIES);
            g_hash_table_insert(u->chunks, g_memdup2(&i, sizeof(i)), u->chunk);
        }
        u->chunk_index = i;
    }
    return &u->chunk[cluster & (CHUNK_ENTRIES - 1)];
}

static void claim(Usage *u, uint64_t first, uint64_t n, uint32_t owner)
{
    for (; n && first < u->clusters; first++, n--) {
        uint32_t *s = slot(u, first);
        *s = !*s || *s == owner ? owner : SEVERAL;
    }
}

/* Claim what a table names; the number of clusters. */
static uint64_t claim_table(Usage *u, const uint8_t *table, uint32_t owner)
{
    Qcow2 *q = u->q;
    uint64_t total = 0, seen = UINT64_MAX;
    for (uint32_t i = 0; i < q->l2_entries; i++) {
        uint64_t entry = qcow2_l2_get(q, table, i), first = (entry & QCOW2_L2_OFFSET_MASK) >> q->cluster_bits, n = !!first;
        if (entry & QCOW2_OFLAG_COMPRESSED) {
            uint64_t offset, bytes;
            qcow2_compressed_place(q, entry, &offset, &bytes);
            first = offset >> q->cluster_bits;
            n = ((offset + bytes - 1) >> q->cluster_bits) - first + 1;
        }
        claim(u, first, n, owner);
        /* Compressed neighbours share a cluster: counted once. */
        total += n - (n && first == seen);
        seen = n ? first + n - 1 : seen;
    }
    return total;
}

static void count_claims(Usage *u)
{
    GHashTableIter iter;
    gpointer chunk;
    g_hash_table_iter_init(&iter, u->chunks);
    while (g_hash_table_iter_next(&iter, NULL, &chunk)) {
        const uint32_t *c = chunk;
        for (unsigned i = 0; i < CHUNK_ENTRIES; i++) {
            if (c[i] && c[i] != SEVERAL) {
                u->out[c[i] - 1].own += u->q->cluster_size;
            }
        }
    }
}

/* --- references --------------------------------------------------------------------------------- */

static int add_refs(Usage *u, const uint64_t *l1, uint32_t size, uint32_t state)
{
    for (uint32_t i = 0; i < size; i++) {
        uint64_t place = l1[i] & QCOW2_L1_OFFSET_MASK;
        if (!place || qcow2_in_cluster(u->q, place)) {
            continue;
        }
        if (u->nb_refs == u->room) {
            uint64_t room = u->room ? u->room * 2 : 1024;
            TableRef *more = g_try_realloc_n(u->refs, room, sizeof(*more));
            if (!more) {
                return -ENOMEM;
            }
            u->refs = more;
            u->room = room;
        }
        u->refs[u->nb_refs++] = (TableRef){ place, state, i };
    }
    return 0;
}

/* L1 tables do not overlap in an image that is whole: their sum bounds what is allocated here. */
static int coroutine_fn add_all_refs(Usage *u, Error **errp)
{
    Qcow2 *q = u->q;
    uint64_t bytes = 0;
    CO_SCOPED_LOCK(&q->lock);
    int settled = qcow2_defer_settle_all(q);
    if (settled < 0) {
        return settled;
    }
    for (unsigned i = 0; i < q->nb_snapshots; i++) {
        g_autofree uint64_t *l1 = NULL;
        uint32_t size;
        bytes += (uint64_t)q->snapshots[i].l1_size * sizeof(uint64_t);
        if (bytes >> q->cluster_bits > u->clusters) {
            error_setg(errp, "Snapshot L1 tables overlap");
            return -EINVAL;
        }
        int ret = qcow2_snapshot_l1(q, i, &l1, &size, errp);
        ret = ret < 0 ? ret : add_refs(u, l1, size, i);
        if (ret < 0) {
            return ret;
        }
        u->out[i].own = qcow2_clusters_for(q, (uint64_t)size * sizeof(uint64_t)) << q->cluster_bits;
    }
    u->out[q->nb_snapshots].own = qcow2_clusters_for(q, (uint64_t)q->l1_size * sizeof(uint64_t)) << q->cluster_bits;
    return add_refs(u, q->l1, q->l1_size, q->nb_snapshots);
}

static int by_place(const void *a, const void *b)
{
    const TableRef *x = a, *y = b;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* --- the pass -------------------------------------------------------------------------------------- */

/* The present state's table may have moved since it was listed. */
static bool still_there(const Qcow2 *q, const TableRef *r)
{
    return r->state < q->nb_snapshots ||
           (r->index < q->l1_size && (q->l1[r->index] & QCOW2_L1_OFFSET_MASK) == r->place);
}

static void visit_group(Usage *u, const TableRef *refs, uint64_t n, const uint8_t *table)
{
    uint32_t owner = refs[0].state + 1;
    for (uint64_t i = 1; i < n; i++) {
        owner = refs[i].state + 1 == owner ? owner : SEVERAL;
    }
    claim(u, refs[0].place >> u->q->cluster_bits, 1, owner);
    uint64_t bytes = (claim_table(u, table, owner) + 1) << u->q->cluster_bits;
    for (uint64_t i = 0; i < n; i++) {
        u->out[refs[i].state].shared += bytes;
    }
}

static uint64_t group_length(const Usage *u, uint64_t i)
{
    uint64_t n = 1;
    while (i + n < u->nb_refs && u->refs[i + n].place == u->refs[i].place) {
        n++;
    }
    return n;
}

/* Visit the tables from reference *at on that fit into buf. */
static int coroutine_fn visit_batch(Usage *u, uint64_t *at, Qcow2WalkItem *items, uint64_t max, uint8_t *buf)
{
    Qcow2 *q = u->q;
    uint64_t n = 0, i = *at;
    for (uint64_t k = i; k < u->nb_refs && n < max; k += group_length(u, k)) {
        items[n++] = (Qcow2WalkItem){ 0, u->refs[k].place };
    }
    CO_SCOPED_LOCK(&q->lock);
    int ret = qcow2_read_tables(q, items, n, buf);
    for (uint64_t k = 0; k < n && ret == 0; k++) {
        const void *cached = qcow2_cache_peek(q->l2_cache, items[k].place);
        uint64_t length = group_length(u, i);
        if (still_there(q, &u->refs[i])) {
            visit_group(u, &u->refs[i], length, cached ?: buf + (k << q->cluster_bits));
        }
        i += length;
    }
    *at = i;
    return ret;
}

static int coroutine_fn visit_all(Usage *u)
{
    Qcow2 *q = u->q;
    uint64_t max = MAX(BATCH_BYTES >> q->cluster_bits, 1), at = 0;
    g_autofree Qcow2WalkItem *items = g_new(Qcow2WalkItem, max);
    uint8_t *buf = bdrv_blockalign(q->bs->file->bs, max << q->cluster_bits);
    int ret = buf ? 0 : -ENOMEM;
    if (u->nb_refs) {
        qsort(u->refs, u->nb_refs, sizeof(*u->refs), by_place);
    }
    while (at < u->nb_refs && ret == 0) {
        ret = visit_batch(u, &at, items, max, buf);
    }
    bdrv_memfree(buf);
    return ret;
}

static int coroutine_fn usage_run(Usage *u, Error **errp)
{
    Qcow2 *q = u->q;
    int64_t file_len = bdrv_getlength(q->bs->file->bs);
    if (file_len < 0) {
        return file_len;
    }
    u->clusters = qcow2_clusters_for(q, file_len);
    int ret = add_all_refs(u, errp);
    ret = ret < 0 ? ret : visit_all(u);
    if (ret < 0) {
        return ret;
    }
    /* `shared` holds all that a state names so far, without its L1. */
    for (unsigned i = 0; i < u->states; i++) {
        u->out[i].shared += u->out[i].own;
    }
    count_claims(u);
    for (unsigned i = 0; i < u->states; i++) {
        u->out[i].shared -= MIN(u->out[i].own, u->out[i].shared);
    }
    return 0;
}

int coroutine_fn qcow2_co_snapshot_usage(BlockDriverState *bs, BdrvSnapshotUsage **out, Error **errp)
{
    Qcow2 *q = qcow2_of(bs);
    *out = NULL;
    if (qcow2_has_data_file(q)) {
        return -ENOTSUP;
    }
    Usage u = { .q = q, .states = q->nb_snapshots + 1 };
    u.out = g_new0(BdrvSnapshotUsage, u.states);
    u.chunks = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    int ret = usage_run(&u, errp);
    g_hash_table_unref(u.chunks);
    g_free(u.refs);
    if (ret < 0) {
        g_free(u.out);
        return ret;
    }
    *out = u.out;
    return 0;
}
