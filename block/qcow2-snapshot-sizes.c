/*
 * qcow2: what each internal snapshot costs: bytes that it alone uses, and bytes that it shares.
 *
 * A cluster whose count is one belongs to the one state that names it.  Each L2 table is looked at once, however many
 * snapshots name it.  Guest requests go on: the tables of snapshots do not change, and q->lock is held for
 * one table's counts at a time.  Compressed clusters count with their compressed length.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "block/snapshot.h"
#include "qcow2.h"

typedef struct SizesJob {
    Qcow2 *q;
    BdrvSnapshotSizes *out;
    int n;
    GHashTable *seen;                  /* place of a table -> BdrvSnapshotSizes */
    uint8_t *table;                    /* one cluster */
    int ret;
} SizesJob;

/* The count of a host cluster decides where `bytes` in it go. */
static int coroutine_fn add(Qcow2 *q, BdrvSnapshotSizes *s, uint64_t host, uint64_t bytes)
{
    uint64_t count;
    int ret = qcow2_get_refcount(q, host >> q->cluster_bits, &count);

    *(count > 1 ? &s->shared : &s->own) += bytes;
    return ret;
}

static int coroutine_fn add_entry(Qcow2 *q, BdrvSnapshotSizes *s, uint64_t entry)
{
    uint64_t offset, bytes;

    switch (qcow2_entry_type(q, entry)) {
    case QCOW2_COMPRESSED:
        qcow2_compressed_place(q, entry, &offset, &bytes);
        return add(q, s, offset, bytes);
    case QCOW2_NORMAL:
    case QCOW2_ZERO_ALLOC:
        return add(q, s, entry & QCOW2_L2_OFFSET_MASK, q->cluster_size);
    default:
        return 0;
    }
}

static int coroutine_fn measure_table(SizesJob *j, uint64_t place, BdrvSnapshotSizes *s)
{
    Qcow2 *q = j->q;
    int ret = bdrv_read_buf(q->bs->file, place, q->cluster_size, j->table, 0);

    if (ret < 0) {
        return ret;
    }
    CO_SCOPED_LOCK(&q->lock);
    ret = add(q, s, place, q->cluster_size);
    for (uint32_t i = 0; i < q->l2_entries && ret == 0; i++) {
        ret = add_entry(q, s, qcow2_l2_get(q, j->table, i));
    }
    return ret;
}

static int coroutine_fn measure_l1(SizesJob *j, const uint64_t *l1, uint32_t size, BdrvSnapshotSizes *out)
{
    for (uint32_t i = 0; i < size; i++) {
        uint64_t place = load_be64(&l1[i]) & QCOW2_L1_OFFSET_MASK;
        BdrvSnapshotSizes *s = place ? g_hash_table_lookup(j->seen, &place) : NULL;

        if (!place) {
            continue;
        }
        if (qcow2_in_cluster(j->q, place)) {
            return -EIO;
        }
        if (!s) {
            int ret;

            s = g_new0(BdrvSnapshotSizes, 1);
            g_hash_table_insert(j->seen, g_memdup2(&place, sizeof(place)), s);
            ret = measure_table(j, place, s);
            if (ret < 0) {
                return ret;
            }
        }
        out->own += s->own;
        out->shared += s->shared;
    }
    return 0;
}

static int coroutine_fn measure_snapshot(SizesJob *j, const Qcow2Snapshot *sn, BdrvSnapshotSizes *out)
{
    Qcow2 *q = j->q;
    uint64_t bytes = (uint64_t)sn->l1_size * sizeof(uint64_t);
    g_autofree uint64_t *l1 = NULL;
    int ret = qcow2_validate_table(q, sn->l1_table_offset, sn->l1_size, sizeof(uint64_t), QCOW2_MAX_L1_BYTES,
                                   "Snapshot L1 table", NULL);

    if (ret < 0 || !bytes) {
        return ret;
    }
    l1 = g_try_malloc(bytes);
    if (!l1) {
        return -ENOMEM;
    }
    ret = bdrv_read_buf(q->bs->file, sn->l1_table_offset, bytes, l1, 0);
    if (ret < 0) {
        return ret;
    }
    out->own = qcow2_clusters_for(q, bytes) << q->cluster_bits;
    return measure_l1(j, l1, sn->l1_size, out);
}

static void coroutine_fn sizes_entry(void *opaque)
{
    SizesJob *j = opaque;

    /* Copies put off and clusters to be freed late would still count as shared. */
    if (bdrv_is_writable(j->q->bs)) {
        CO_SCOPED_LOCK(&j->q->lock);
        j->ret = qcow2_commit(j->q, true);
    }
    for (int i = 0; i < j->n && j->ret == 0; i++) {
        j->ret = measure_snapshot(j, &j->q->snapshots[i], &j->out[i]);
    }
}

int qcow2_snapshot_sizes(BlockDriverState *bs, BdrvSnapshotSizes *out, int n)
{
    Qcow2 *q = qcow2_of(bs);
    SizesJob j = { .q = q, .out = out, .n = MIN(n, (int)q->nb_snapshots) };

    memset(out, 0, n * sizeof(*out));
    j.table = bdrv_blockalign(q->bs->file->bs, q->cluster_size);
    if (!j.table) {
        return -ENOMEM;
    }
    j.seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    co_run_sync(sizes_entry, &j);
    g_hash_table_unref(j.seen);
    bdrv_memfree(j.table);
    return j.ret;
}
