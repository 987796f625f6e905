/*
 * qcow2: from guest offset to host offset.  Types of L2 entries and subclusters, lookups, L2
 * tables made writable (allocated or copied), growth of L1.
 *
 * All functions run with q->lock held.  A table that must be read, or a cluster allocated, may
 * let go of the lock for a commit cycle; so what was seen before such a call is looked at again
 * after it.  Entries are trusted only after entry_check.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "qcow2.h"
#include "qcow2-commit.h"
#include "qcow2-io.h"

Qcow2ClusterType qcow2_entry_type(const Qcow2 *q, uint64_t entry)
{
    if (entry & QCOW2_OFLAG_COMPRESSED) {
        return QCOW2_COMPRESSED;
    }
    /* Host offset 0 is a place only in an external data file, told by COPIED. */
    bool placed = (entry & QCOW2_L2_OFFSET_MASK) || (qcow2_has_data_file(q) && (entry & QCOW2_OFLAG_COPIED));
    if ((entry & QCOW2_OFLAG_ZERO) && q->subclusters == 1) {
        return placed ? QCOW2_ZERO_ALLOC : QCOW2_ZERO_PLAIN;
    }
    return placed ? QCOW2_NORMAL : QCOW2_UNALLOCATED;
}

Qcow2ClusterType qcow2_subcluster_type(const Qcow2 *q, uint64_t entry, uint64_t bitmap, unsigned sc)
{
    Qcow2ClusterType type = qcow2_entry_type(q, entry);
    if (q->subclusters == 1 || type == QCOW2_COMPRESSED) {
        return type;
    }
    bool alloc = (bitmap >> sc) & 1, zero = (bitmap >> (sc + 32)) & 1;
    if (alloc && (zero || type == QCOW2_UNALLOCATED)) {
        return QCOW2_INVALID;
    }
    if (type == QCOW2_UNALLOCATED) {
        return zero ? QCOW2_ZERO_PLAIN : QCOW2_UNALLOCATED;
    }
    return alloc ? QCOW2_NORMAL : zero ? QCOW2_ZERO_ALLOC : QCOW2_UNALLOCATED_ALLOC;
}

unsigned qcow2_subcluster_run(const Qcow2 *q, uint64_t entry, uint64_t bitmap, unsigned sc)
{
    Qcow2ClusterType type = qcow2_subcluster_type(q, entry, bitmap, sc);
    unsigned n = 1;
    while (sc + n < q->subclusters && qcow2_subcluster_type(q, entry, bitmap, sc + n) == type) {
        n++;
    }
    return n;
}

void qcow2_compressed_place(const Qcow2 *q, uint64_t entry, uint64_t *offset, uint64_t *bytes)
{
    unsigned shift = 62 - (q->cluster_bits - 8);
    uint64_t sectors = ((entry >> shift) & ((1ULL << (q->cluster_bits - 8)) - 1)) + 1;
    *offset = entry & ((1ULL << shift) - 1);
    *bytes = sectors * 512 - (*offset & 511);
}

uint64_t qcow2_compressed_entry(const Qcow2 *q, uint64_t offset, uint64_t bytes)
{
    unsigned shift = 62 - (q->cluster_bits - 8);
    uint64_t more = ((offset + bytes - 1) >> 9) - (offset >> 9);
    return offset | (more << shift) | QCOW2_OFLAG_COMPRESSED;
}

/* Bytes from offset to the end of what its L2 table maps. */
static uint64_t table_left(const Qcow2 *q, uint64_t offset)
{
    uint64_t span = (uint64_t)q->l2_entries << q->cluster_bits;
    return span - (offset & (span - 1));
}

int coroutine_fn qcow2_l2_peek(Qcow2 *q, uint64_t offset, void **table, uint64_t *l2_offset)
{
    *table = NULL;
    for (;;) {
        uint64_t i = qcow2_l1_index(q, offset);
        uint64_t entry = i < q->l1_size ? q->l1[i] : 0;
        *l2_offset = entry & QCOW2_L1_OFFSET_MASK;
        if (!*l2_offset) {
            return 0;
        }
        if (qcow2_in_cluster(q, *l2_offset)) {
            return qcow2_corrupt(q, true, -1, -1, "L2 table offset %#" PRIx64 " unaligned (L1 index: %#" PRIx64 ")",
                                 *l2_offset, i);
        }
        int ret = qcow2_cache_get(q->l2_cache, *l2_offset, table);
        if (ret < 0) {
            *table = NULL;
            return ret;
        }
        if (i < q->l1_size && q->l1[i] == entry) {
            return 0;
        }
        qcow2_cache_put(q->l2_cache, table);
        *table = NULL;
    }
}

/* May the entry be followed?  Says what is wrong with it in the words for reading. */
static int entry_check(Qcow2 *q, uint64_t offset, uint64_t l2_offset, uint32_t idx, uint64_t entry, Qcow2ClusterType type)
{
    uint64_t host = entry & QCOW2_L2_OFFSET_MASK;
    switch (type) {
    case QCOW2_INVALID:
        return qcow2_corrupt(q, true, -1, -1, "Invalid cluster entry found  (L2 offset: %#" PRIx64 ", L2 index: %#x)",
                             l2_offset, idx);
    case QCOW2_COMPRESSED:
        if (qcow2_has_data_file(q)) {
            return qcow2_corrupt(q, true, -1, -1, "Compressed cluster entry found in image with external data file "
                                 "(L2 offset: %#" PRIx64 ", L2 index: %#x)", l2_offset, idx);
        }
        return 0;
    case QCOW2_ZERO_PLAIN:
    case QCOW2_ZERO_ALLOC:
        if (q->version < 3) {
            return qcow2_corrupt(q, true, -1, -1, "Zero cluster entry found in pre-v3 image (L2 offset: %#" PRIx64
                                 ", L2 index: %#x)", l2_offset, idx);
        }
        if (type == QCOW2_ZERO_PLAIN) {
            return 0;
        }
        break;
    case QCOW2_UNALLOCATED:
        return 0;
    default:
        break;
    }
    if (qcow2_in_cluster(q, host)) {
        return qcow2_corrupt(q, true, -1, -1, "Cluster allocation offset %#" PRIx64 " unaligned (L2 offset: %#" PRIx64
                             ", L2 index: %#x)", host, l2_offset, idx);
    }
    if (qcow2_has_data_file(q) && host != qcow2_cluster_start(q, offset)) {
        return qcow2_corrupt(q, true, -1, -1, "External data file host cluster offset %#" PRIx64 " does not match guest "
                             "cluster offset: %#" PRIx64 ", L2 index: %#x)", host, qcow2_cluster_start(q, offset), idx);
    }
    return 0;
}

static bool type_has_place(Qcow2ClusterType t)
{
    return t == QCOW2_NORMAL || t == QCOW2_ZERO_ALLOC || t == QCOW2_UNALLOCATED_ALLOC;
}

/* Bytes from offset (subcluster sc of entry idx) on that have one type and lie side by side. */
static uint64_t run_length(const Qcow2 *q, const void *table, uint64_t offset, uint32_t idx, Qcow2ClusterType type,
                           uint64_t limit)
{
    unsigned sc = qcow2_in_cluster(q, offset) >> q->subcluster_bits;
    uint64_t bytes = 0, host = qcow2_l2_get(q, table, idx) & QCOW2_L2_OFFSET_MASK;
    for (; idx < q->l2_entries && bytes < limit; idx++, sc = 0, host += q->cluster_size) {
        uint64_t entry = qcow2_l2_get(q, table, idx), bitmap = qcow2_l2_get_bitmap(q, table, idx);
        if (qcow2_subcluster_type(q, entry, bitmap, sc) != type ||
            (type_has_place(type) && (entry & QCOW2_L2_OFFSET_MASK) != host)) {
            break;
        }
        unsigned n = qcow2_subcluster_run(q, entry, bitmap, sc);
        bytes += (uint64_t)n << q->subcluster_bits;
        if (type == QCOW2_COMPRESSED || sc + n < q->subclusters) {
            break;
        }
    }
    return bytes - (offset & (q->subcluster_size - 1));
}

int coroutine_fn qcow2_map(Qcow2 *q, uint64_t offset, uint64_t *bytes, uint64_t *host, Qcow2ClusterType *type)
{
    void *table;
    uint64_t l2_offset;
    *bytes = MIN(*bytes, table_left(q, offset));
    *host = 0;
    *type = QCOW2_UNALLOCATED;
    int ret = qcow2_l2_peek(q, offset, &table, &l2_offset);
    if (ret < 0 || !table) {
        return ret;
    }
    uint32_t idx = qcow2_l2_index(q, offset);
    uint64_t entry = qcow2_l2_get(q, table, idx), bitmap = qcow2_l2_get_bitmap(q, table, idx);
    *type = qcow2_subcluster_type(q, entry, bitmap, qcow2_in_cluster(q, offset) >> q->subcluster_bits);
    ret = entry_check(q, offset, l2_offset, idx, entry, *type);
    if (ret == 0) {
        uint64_t run = run_length(q, table, offset, idx, *type, *bytes + q->cluster_size);
        *bytes = MIN(*bytes, run);
        *host = *type == QCOW2_COMPRESSED ? entry
              : type_has_place(*type) ? (entry & QCOW2_L2_OFFSET_MASK) + qcow2_in_cluster(q, offset) : 0;
    }
    qcow2_cache_put(q->l2_cache, &table);
    return ret;
}

/* Fill the new L2 table with the old one's entries. */
static int coroutine_fn l2_copy(Qcow2 *q, void *fresh, uint64_t old_offset)
{
    void *old;
    bdrv_child_event(q->bs->file, "l2_alloc_cow_read");
    int ret = qcow2_cache_get(q->l2_cache, old_offset, &old);
    if (ret < 0) {
        return ret;
    }
    memcpy(fresh, old, q->cluster_size);
    qcow2_cache_put(q->l2_cache, &old);
    return 0;
}

/* The disk has room for the table, or the write that needs it fails: in a cycle it would be too late, and its clusters leak. */
static int coroutine_fn l2_make_room(Qcow2 *q, uint64_t place)
{
    if ((int64_t)(place + q->cluster_size) <= q->bs->file->bs->total_bytes) {
        return 0;
    }
    return bdrv_zero(q->bs->file, place, q->cluster_size, 0);
}

/* Give L1 entry i a table of its own, with the entries of the old one.  -EAGAIN: the entry changed meanwhile. */
static int coroutine_fn l2_replace(Qcow2 *q, uint64_t i, void **table)
{
    uint64_t was = q->l1[i], old = was & QCOW2_L1_OFFSET_MASK;
    int ret = qcow2_check_overlap(q, QCOW2_OL_ACTIVE_L1, q->l1_offset + i * sizeof(uint64_t), sizeof(uint64_t), false);
    if (ret < 0) {
        return ret;
    }
    bdrv_child_event(q->bs->file, "l2_allocate");
    int64_t fresh = qcow2_alloc(q, q->cluster_size);
    if (fresh < 0) {
        return fresh;
    }
    if (fresh == 0) {
        return qcow2_corrupt(q, true, -1, -1, "Preventing invalid allocation of L2 table at offset 0");
    }
    /* A wrong count (the overlap) keeps its cluster: lowering it would hand the cluster out again. */
    ret = qcow2_check_overlap(q, 0, fresh, q->cluster_size, false);
    if (ret < 0) {
        return ret;
    }
    ret = l2_make_room(q, fresh);
    /* Counts of tables do not lag: a lost table is more than a repair can guess. */
    if (ret == 0 && qcow2_counts_may_lag(q)) {
        ret = qcow2_commit(q, false);
    }
    if (ret == 0) {
        ret = qcow2_cache_get_new(q->l2_cache, fresh, table);
    }
    if (ret == 0) {
        ret = old ? l2_copy(q, *table, old) : 0;
        if (ret == 0 && q->l1[i] != was) {
            ret = -EAGAIN;
        }
        if (ret == 0) {
            bdrv_child_event(q->bs->file, "l2_alloc_write");
            qcow2_cache_mark_dirty(q->l2_cache, *table, 0, q->cluster_size);
            q->l1[i] = (uint64_t)fresh | QCOW2_OFLAG_COPIED;
            qcow2_l1_mark_dirty(q, i);
            if (old) {
                qcow2_free_late(q, old, q->cluster_size, QCOW2_DISCARD_OTHER);
            }
            return 0;
        }
        qcow2_cache_put(q->l2_cache, table);
        qcow2_cache_discard(q->l2_cache, fresh);
    }
    int undo = qcow2_update_refcount(q, fresh, q->cluster_size, -1, QCOW2_DISCARD_OTHER);
    return ret == -EAGAIN && undo < 0 ? undo : ret;
}

int coroutine_fn qcow2_l2_for_write(Qcow2 *q, uint64_t offset, void **table, uint32_t *l2_index)
{
    uint64_t i = qcow2_l1_index(q, offset);
    *l2_index = qcow2_l2_index(q, offset);
    if (i >= q->l1_size) {
        int ret = qcow2_grow_l1(q, i + 1, false);
        if (ret < 0) {
            return ret;
        }
    }
    for (;;) {
        uint64_t l2_offset = q->l1[i] & QCOW2_L1_OFFSET_MASK;
        if (qcow2_in_cluster(q, l2_offset)) {
            return qcow2_corrupt(q, true, -1, -1, "L2 table offset %#" PRIx64 " unaligned (L1 index: %#" PRIx64 ")",
                                 l2_offset, i);
        }
        int ret;
        if (l2_offset && (q->l1[i] & QCOW2_OFLAG_COPIED)) {
            ret = qcow2_l2_peek(q, offset, table, &l2_offset);
            if (ret < 0) {
                return ret;
            }
            if (*table && (q->l1[i] & QCOW2_OFLAG_COPIED)) {
                ret = qcow2_check_own_place(q, q->l2_cache, *table, l2_offset);
                if (ret < 0) {
                    qcow2_cache_put(q->l2_cache, table);
                }
                return ret;
            }
            if (*table) {
                qcow2_cache_put(q->l2_cache, table);
            }
            continue;
        }
        ret = l2_replace(q, i, table);
        if (ret != -EAGAIN) {
            return ret;
        }
    }
}

/* Entries that a grown L1 gets: just enough, or half as many again so that growth stays rare. */
static int l1_new_size(const Qcow2 *q, uint64_t min, bool exact, uint64_t *entries)
{
    *entries = exact ? min : MAX(q->l1_size, 1u);
    while (*entries < min) {
        *entries = DIV_UP(*entries * 3, 2);
    }
    return *entries > QCOW2_MAX_L1_BYTES / sizeof(uint64_t) ? -EFBIG : 0;
}

/* Write q->l1 and room for more entries at place; *table: the same in memory. */
static int coroutine_fn l1_write_copy(Qcow2 *q, uint64_t place, uint64_t entries, uint64_t **table)
{
    uint64_t bytes = entries * sizeof(uint64_t);
    g_autofree uint64_t *copy = g_try_new0(uint64_t, entries);
    g_autofree uint64_t *wire = g_try_new0(uint64_t, entries);
    if (!copy || !wire) {
        return -ENOMEM;
    }
    int ret = qcow2_check_overlap(q, 0, place, bytes, false);
    if (ret < 0) {
        return ret;
    }
    if (q->l1_size) {
        memcpy(copy, q->l1, q->l1_size * sizeof(uint64_t));
    }
    for (uint64_t i = 0; i < entries; i++) {
        store_be64(&wire[i], copy[i]);
    }
    bdrv_child_event(q->bs->file, "l1_grow_write_table");
    ret = bdrv_write_buf(q->bs->file, place, bytes, wire, 0);
    if (ret == 0) {
        *table = g_steal_pointer(&copy);
    }
    return ret;
}

/* Make the table at place the root.  On failure the disk may name either: place stays counted. */
static int coroutine_fn l1_switch(Qcow2 *q, uint64_t place, uint64_t entries, uint64_t *table)
{
    bdrv_child_event(q->bs->file, "l1_grow_activate_table");
    Qcow2Roots roots = {
        .l1_offset = place, .l1_size = entries,
        .rt_offset = q->rt_offset, .rt_clusters = q->rt_clusters,
        .snapshots_offset = q->snapshots_offset, .nb_snapshots = qcow2_named_snapshots(q),
        .disk_size = q->bs->total_bytes,
    };
    int ret = qcow2_switch_roots(q, &roots);
    if (ret < 0) {
        g_free(table);
        return ret;
    }
    uint64_t old = q->l1_offset, old_bytes = (uint64_t)q->l1_size * sizeof(uint64_t);
    g_free(q->l1);
    q->l1 = table;
    q->l1_size = entries;
    q->l1_offset = place;
    if (old_bytes) {
        qcow2_free_late(q, old, old_bytes, QCOW2_DISCARD_OTHER);
    }
    return 0;
}

int coroutine_fn qcow2_grow_l1(Qcow2 *q, uint64_t min_entries, bool exact)
{
    uint64_t entries, *table = NULL;
    if (min_entries <= q->l1_size) {
        return 0;
    }
    int ret = l1_new_size(q, min_entries, exact, &entries);
    if (ret < 0) {
        return ret;
    }
    bdrv_child_event(q->bs->file, "l1_grow_alloc_table");
    uint64_t bytes = entries * sizeof(uint64_t);
    int64_t place = qcow2_alloc(q, bytes);
    if (place < 0) {
        return place;
    }
    /* The new root may name only what is durable (S3); whoever writes during the cycle makes us go round again. */
    do {
        ret = qcow2_commit(q, true);
    } while (ret == 0 && (qcow2_cache_is_dirty(q->l2_cache) || qcow2_cache_is_dirty(q->rb_cache) ||
                          qcow2_commit_running(q)));
    bool outrun = ret == 0 && entries <= q->l1_size;      /* somebody else grew it: as good */
    if (ret == 0 && !outrun) {
        ret = l1_write_copy(q, place, entries, &table);
    }
    if (ret < 0 || outrun) {
        int undo = qcow2_update_refcount(q, place, bytes, -1, QCOW2_DISCARD_OTHER);
        return ret < 0 ? ret : undo;
    }
    return l1_switch(q, place, entries, table);
}
