/*
 * qcow2: an image without zero clusters, as version 2 needs it.  Walks the tables of the active
 * state and of every snapshot; a table that several states share is done once.
 *
 * Data first: a cluster is zeroed or newly written before the cycle that writes its entry (S4),
 * and what entries named before is freed late, once per state that shares the table.
 * A program that is asked to end stops between two clusters: what was done is whole, and written when the image is closed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "qcow2.h"
#include "qcow2-crypt.h"
#include "qcow2-io.h"
#include "util/stop.h"

typedef struct Expand {
    Qcow2 *q;
    GHashTable *done;                /* L2 table offsets */
    void (*progress)(void *opaque, int64_t done, int64_t total);
    void *opaque;
    int64_t seen, total;             /* L1 entries */
} Expand;

/* Zeroes as the guest is to read them: enciphered where the image is. */
static int coroutine_fn zero_cluster(Qcow2 *q, uint64_t guest, uint64_t host)
{
    int ret = qcow2_check_overlap(q, 0, host, q->cluster_size, qcow2_has_data_file(q));
    if (ret < 0 || !qcow2_is_encrypted(q)) {
        return ret < 0 ? ret : bdrv_zero(q->data_file, host, q->cluster_size, 0);
    }
    g_autofree void *buf = g_try_malloc0(q->cluster_size);
    ret = buf ? qcow2_encrypt(q, guest, host, buf, q->cluster_size) : -ENOMEM;
    return ret < 0 ? ret : bdrv_write_buf(q->data_file, host, q->cluster_size, buf, 0);
}

/* A zeroed cluster with `refs` references. */
static int64_t coroutine_fn new_zeroes(Qcow2 *q, uint64_t guest, uint64_t refs)
{
    if (qcow2_has_data_file(q)) {
        int ret = zero_cluster(q, guest, guest);
        return ret < 0 ? ret : (int64_t)guest;
    }
    int64_t host = qcow2_alloc(q, q->cluster_size);
    int ret = host < 0 ? host : host == 0 ? -EIO : zero_cluster(q, guest, host);
    if (ret == 0 && refs > 1) {
        ret = qcow2_update_refcount(q, host, q->cluster_size, refs - 1, QCOW2_DISCARD_NEVER);
    }
    if (ret < 0 && host > 0) {
        qcow2_update_refcount(q, host, q->cluster_size, -1, QCOW2_DISCARD_NEVER);
    }
    return ret < 0 ? ret : host;
}

static void free_old(Qcow2 *q, uint64_t entry, uint64_t refs)
{
    for (uint64_t i = 0; i < refs; i++) {
        qcow2_free_l2_entry_clusters(q, entry, 0, QCOW2_DISCARD_NEVER);
    }
}

/* Is the cluster of a zero entry named by nothing but this table (in as many states as share it)? */
static int coroutine_fn is_exclusive(Qcow2 *q, uint64_t host, uint64_t refs, bool *yes)
{
    uint64_t count = refs;
    int ret = qcow2_has_data_file(q) ? 0 : qcow2_get_refcount(q, host >> q->cluster_bits, &count);
    *yes = count == refs;
    return ret;
}

/* The entry that replaces a zero cluster's: *entry is changed. */
static int coroutine_fn expand_entry(Qcow2 *q, uint64_t guest, uint64_t refs, uint64_t *entry)
{
    uint64_t old = *entry, host = old & QCOW2_L2_OFFSET_MASK;
    bool placed = qcow2_entry_type(q, old) == QCOW2_ZERO_ALLOC;
    if (placed && qcow2_in_cluster(q, host)) {
        return qcow2_corrupt(q, true, -1, -1, "Cluster allocation offset %#lx unaligned (L2 offset: %#x, L2 index: %#x)",
                             (unsigned long)host, 0, qcow2_l2_index(q, guest));
    }
    if (!placed && !q->bs->backing) {
        *entry = 0;
        return 0;
    }
    bool exclusive = false;
    int ret = placed ? is_exclusive(q, host, refs, &exclusive) : 0;
    if (ret < 0) {
        return ret;
    }
    if (exclusive) {
        ret = zero_cluster(q, guest, host);
    } else {
        int64_t fresh = new_zeroes(q, guest, refs);
        ret = MIN(fresh, 0);
        host = fresh;
        if (ret == 0 && placed) {
            free_old(q, old, refs);
        }
    }
    *entry = host | (refs == 1 ? QCOW2_OFLAG_COPIED : 0);
    return ret;
}

static int coroutine_fn expand_table(Expand *x, uint64_t offset, uint64_t guest)
{
    Qcow2 *q = x->q;
    uint64_t refs;
    void *table;
    int ret = qcow2_get_refcount(q, offset >> q->cluster_bits, &refs);
    if (ret == 0) {
        ret = qcow2_cache_get(q->l2_cache, offset, &table);
    }
    if (ret < 0) {
        return ret;
    }
    for (uint32_t i = 0; i < q->l2_entries && ret == 0; i++, guest += q->cluster_size) {
        uint64_t entry = qcow2_l2_get(q, table, i), old = entry;
        Qcow2ClusterType type = qcow2_entry_type(q, entry);
        if (type != QCOW2_ZERO_PLAIN && type != QCOW2_ZERO_ALLOC) {
            continue;
        }
        ret = stop_asked() ? -ECANCELED : expand_entry(q, guest, MAX(refs, 1u), &entry);
        if (ret == 0 && entry != old) {
            qcow2_l2_set(q, table, i, entry, 0);
            qcow2_cache_mark_dirty(q->l2_cache, table, i * q->l2_entry_size, q->l2_entry_size);
        }
    }
    qcow2_cache_put(q->l2_cache, &table);
    return ret;
}

static int coroutine_fn expand_l1(Expand *x, const uint64_t *l1, uint32_t entries)
{
    Qcow2 *q = x->q;
    for (uint32_t i = 0; i < entries; i++) {
        uint64_t offset = l1[i] & QCOW2_L1_OFFSET_MASK;
        if (qcow2_in_cluster(q, offset)) {
            return qcow2_corrupt(q, true, -1, -1, "L2 table offset %#lx unaligned (L1 index: %#x)", (unsigned long)offset, i);
        }
        if (offset && !g_hash_table_contains(x->done, &offset)) {
            g_hash_table_add(x->done, g_memdup2(&offset, sizeof(offset)));
            int ret = expand_table(x, offset, (uint64_t)i << (q->l2_bits + q->cluster_bits));
            if (ret < 0) {
                return ret;
            }
        }
        x->seen++;
        if (x->progress) {
            x->progress(x->opaque, x->seen, x->total);
        }
    }
    return 0;
}

static int coroutine_fn expand_snapshot(Expand *x, const Qcow2Snapshot *sn)
{
    Qcow2 *q = x->q;
    Error *err = NULL;
    int ret = qcow2_validate_table(q, sn->l1_table_offset, sn->l1_size, sizeof(uint64_t), QCOW2_MAX_L1_BYTES,
                                   "Snapshot L1 table", &err);
    if (ret < 0) {
        error_report_err(err);
        return ret;
    }
    g_autofree uint64_t *l1 = g_try_new(uint64_t, MAX(sn->l1_size, 1u));
    if (!l1) {
        return -ENOMEM;
    }
    ret = sn->l1_size ? bdrv_read_buf(q->bs->file, sn->l1_table_offset, (uint64_t)sn->l1_size * sizeof(uint64_t), l1, 0) : 0;
    for (uint32_t i = 0; ret == 0 && i < sn->l1_size; i++) {
        l1[i] = load_be64(&l1[i]);
    }
    return ret < 0 ? ret : expand_l1(x, l1, sn->l1_size);
}

static int coroutine_fn expand_all(Expand *x)
{
    Qcow2 *q = x->q;
    CO_SCOPED_LOCK(&q->lock);
    x->total = q->l1_size;
    for (unsigned i = 0; i < q->nb_snapshots; i++) {
        x->total += q->snapshots[i].l1_size;
    }
    int ret = expand_l1(x, q->l1, q->l1_size);
    for (unsigned i = 0; i < q->nb_snapshots && ret == 0; i++) {
        ret = expand_snapshot(x, &q->snapshots[i]);
    }
    int committed = qcow2_commit(q, true);         /* of what was done, too */
    return ret < 0 ? ret : committed;
}

int coroutine_fn qcow2_expand_zero_clusters(Qcow2 *q, void (*progress)(void *, int64_t, int64_t), void *opaque)
{
    Expand x = { .q = q, .progress = progress, .opaque = opaque };
    x.done = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    int ret = expand_all(&x);
    g_hash_table_destroy(x.done);
    return ret;
}
