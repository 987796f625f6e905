/*
 * qcow2: internal snapshots: delete one or many.
 *
 * Many are deleted in one shadow, behind one switch: each table is visited once, however many of them name it, and what it
 * names is lowered by as much.  What each of them frees is told as if they had been deleted one after another: a cluster is
 * freed by the last of them that names it, so tables are visited in the order of the last one that names them.
 *
 * The L1 tables of one such batch are bounded in memory; then comes the next batch.  q->lock is held, drained, main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "block/snapshot.h"
#include "qcow2-snapshot.h"

#define BATCH_ENTRIES (1u << 18)     /* of L1 tables */

/* A table that snapshots of the batch name. */
typedef struct TableRef {
    uint64_t place;
    uint32_t index;                  /* in L1 */
    uint32_t last;                   /* the last snapshot of the batch that names it, in their order */
    uint32_t times;
    bool active;                     /* the present state names it too */
} TableRef;

typedef struct Batch {
    Qcow2 *q;
    Qcow2Shadow *s;
    unsigned *which;                 /* indices in q->snapshots, in the order of deletion */
    uint8_t *chosen;                 /* by index in q->snapshots: is it among them? */
    unsigned n;
    int64_t *freed;                  /* bytes, one a snapshot */
    GArray *refs;                    /* TableRef */
    L1Copy active;                   /* the present state's L1 to be */
    NewTable table;
} Batch;

/* --- which tables ----------------------------------------------------------------------------- */

static int coroutine_fn add_refs(Batch *b, unsigned i, Error **errp)
{
    Qcow2 *q = b->q;
    L1Copy c = { 0 };
    int ret = qcow2_snapshot_read_l1(q, &q->snapshots[b->which[i]], 0, &c, errp);
    for (uint32_t k = 0; k < c.size && ret == 0; k++) {
        TableRef r = { .place = qcow2_snapshot_table_of(c.l1, c.size, k), .index = k, .last = i, .times = 1 };
        r.active = r.place == qcow2_snapshot_table_of(q->l1, q->l1_size, k);
        if (r.place) {
            g_array_append_val(b->refs, r);
        }
    }
    g_free(c.l1);
    return ret;
}

static int by_table(const void *a, const void *b)
{
    const TableRef *x = a, *y = b;
    return x->index != y->index ? (x->index < y->index ? -1 : 1) : x->place < y->place ? -1 : x->place > y->place;
}

/* The order of visits: those of others first, by who frees them; those that stay active last. */
static int by_visit(const void *a, const void *b)
{
    const TableRef *x = a, *y = b;
    return x->active != y->active ? x->active - y->active
         : x->last != y->last ? (x->last < y->last ? -1 : 1) : x->times < y->times ? -1 : x->times > y->times;
}

static void merge_refs(GArray *refs)
{
    g_array_sort(refs, by_table);              /* (none, and no array, is fine) */
    TableRef *r = (TableRef *)(void *)refs->data;
    guint n = 0;
    for (guint i = 0; i < refs->len; i++) {
        if (n && !by_table(&r[n - 1], &r[i])) {
            r[n - 1].times++;
            r[n - 1].last = MAX(r[n - 1].last, r[i].last);
        } else {
            r[n++] = r[i];
        }
    }
    g_array_set_size(refs, n);
}

/* -errno says that `what` failed, unless that is known already. */
static int fail_step(int ret, const char *what, Error **errp)
{
    if (ret < 0 && !*errp) {
        error_setg_errno(errp, -ret, "%s", what);
    }
    return ret;
}

/* --- visiting them -------------------------------------------------------------------------------- */

/* Active entries follow tables that moved, and get COPIED when their table's count is one. */
static int coroutine_fn take_over(Batch *b, const Qcow2WalkItem *items, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t count;
        int ret = qcow2_shadow_get(b->s, items[i].place >> b->q->cluster_bits, &count);
        if (ret < 0) {
            return ret;
        }
        b->active.l1[items[i].index] = items[i].place | (count == 1 ? QCOW2_OFLAG_COPIED : 0);
    }
    return 0;
}

/* Active tables beside those of the batch (one item an index): what they share may now be theirs alone. */
static int coroutine_fn visit_beside(Batch *b, const TableRef *refs, guint n, Qcow2WalkItem *items)
{
    Qcow2 *q = b->q;
    uint64_t picked = 0;
    g_autofree uint8_t *seen = g_try_malloc0(MAX(q->l1_size, 1));
    if (!seen) {
        return -ENOMEM;
    }
    for (guint i = 0; i < n; i++) {
        if (refs[i].active) {
            seen[refs[i].index] = 1;     /* its turn comes */
        }
    }
    for (guint i = 0; i < n; i++) {
        uint64_t mine = qcow2_snapshot_table_of(q->l1, q->l1_size, refs[i].index);
        if (mine && !seen[refs[i].index]) {
            seen[refs[i].index] = 1;
            items[picked++] = (Qcow2WalkItem){ refs[i].index, mine };
        }
    }
    int ret = qcow2_walk_tables(b->s, q, items, picked, QCOW2_WALK_SET, 1);
    return ret == 0 ? take_over(b, items, picked) : ret;
}

/* Tables that are visited alike: sorted, so they lie side by side. */
static int coroutine_fn visit_alike(Batch *b, const TableRef *refs, guint n, Qcow2WalkItem *items)
{
    int64_t before = qcow2_shadow_growth(b->s);
    bool active = refs[0].active;
    for (guint i = 0; i < n; i++) {
        items[i] = (Qcow2WalkItem){ refs[i].index, refs[i].place };
    }
    int ret = qcow2_walk_tables(b->s, b->q, items, n, QCOW2_WALK_LOWER | (active ? QCOW2_WALK_SET : 0), refs[0].times);
    b->freed[refs[0].last] += (before - qcow2_shadow_growth(b->s)) * (int64_t)b->q->cluster_size;
    return ret == 0 && active ? take_over(b, items, n) : ret;
}

static int coroutine_fn visit_tables(Batch *b, Error **errp)
{
    static const char freeing[] = "Failed to free the cluster and L1 table";
    static const char updating[] = "Failed to update snapshot status in disk";
    const TableRef *r = (const TableRef *)(void *)b->refs->data;
    guint n = b->refs->len;
    bool beside = false;
    g_autofree Qcow2WalkItem *items = g_try_new(Qcow2WalkItem, MAX(n, 1));
    int ret = items ? 0 : -ENOMEM;
    for (guint i = 0, k; i <= n && ret == 0; i = k) {
        if (!beside && (i == n || r[i].active)) {
            beside = true;
            ret = fail_step(visit_beside(b, r, n, items), updating, errp);
        }
        for (k = i + 1; k < n && !by_visit(&r[i], &r[k]); k++) {
        }
        if (i < n && ret == 0) {
            ret = fail_step(visit_alike(b, r + i, k - i, items), freeing, errp);
        }
    }
    return ret;
}

/* --- the snapshot table ---------------------------------------------------------------------------- */

/* The L1 tables of the deleted ones, and the snapshot table; each frees as it would have alone. */
static int coroutine_fn drop_entries(Batch *b)
{
    Qcow2 *q = b->q;
    unsigned left = 0;
    uint64_t bytes = 0, before;
    g_autofree Qcow2Snapshot *rest = g_try_new(Qcow2Snapshot, MAX(q->nb_snapshots, 1));
    if (!rest) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < q->nb_snapshots; i++) {
        bytes += qcow2_snapshot_entry_bytes(&q->snapshots[i]);
        if (!b->chosen[i]) {
            rest[left++] = q->snapshots[i];
        }
    }
    for (unsigned i = 0; i < b->n; i++) {
        const Qcow2Snapshot *sn = &q->snapshots[b->which[i]];
        int64_t growth = qcow2_shadow_growth(b->s);
        int ret = qcow2_shadow_add(b->s, sn->l1_table_offset, (uint64_t)sn->l1_size * sizeof(uint64_t), -1);
        if (ret < 0) {
            return ret;
        }
        before = bytes;
        bytes -= qcow2_snapshot_entry_bytes(sn);
        b->freed[i] += (growth - qcow2_shadow_growth(b->s) + (int64_t)qcow2_clusters_for(q, before) -
                        (int64_t)qcow2_clusters_for(q, bytes)) * (int64_t)q->cluster_size;
    }
    return qcow2_snapshot_put_table(b->s, q, rest, left, &b->table);
}

static void forget_entries(Batch *b)
{
    Qcow2 *q = b->q;
    unsigned left = 0;
    for (unsigned i = 0; i < q->nb_snapshots; i++) {
        if (b->chosen[i]) {
            qcow2_snapshot_clear(&q->snapshots[i]);
        } else {
            q->snapshots[left++] = q->snapshots[i];
        }
    }
    q->nb_snapshots = left;
    q->snapshots_offset = b->table.offset;
    q->snapshots_bytes = b->table.bytes;
}

/* --- a batch ------------------------------------------------------------------------------------------ */

static int coroutine_fn collect(Batch *b, bool *changed, Error **errp)
{
    Qcow2 *q = b->q;
    merge_refs(b->refs);
    g_array_sort(b->refs, by_visit);
    qcow2_shadow_note_freed(b->s, QCOW2_DISCARD_SNAPSHOT);
    int ret = visit_tables(b, errp);
    if (ret == 0) {
        *changed = q->l1_size && memcmp(b->active.l1, q->l1, q->l1_size * sizeof(uint64_t));
        ret = *changed ? qcow2_snapshot_replace_active(b->s, q, &b->active) : 0;
    }
    return ret == 0 ? drop_entries(b) : ret;
}

/* What the pieces did not tell (blocks of counts that came or went) belongs to the last one. */
static void settle_freed(Batch *b)
{
    int64_t told = 0, total = -qcow2_shadow_growth(b->s) * (int64_t)b->q->cluster_size;
    for (unsigned i = 0; i < b->n; i++) {
        told += b->freed[i];
    }
    b->freed[b->n - 1] += total - told;
}

static int coroutine_fn delete_batch(Batch *b, Error **errp)
{
    Qcow2 *q = b->q;
    bool changed = false;
    int ret = qcow2_shadow_begin(q, &b->s);
    if (ret < 0) {
        return ret;
    }
    Qcow2Roots roots = qcow2_snapshot_roots(q);
    b->active = (L1Copy){ g_try_new(uint64_t, MAX(q->l1_size, 1)), q->l1_size, q->l1_offset };
    if (b->active.l1) {
        memcpy(b->active.l1, q->l1, q->l1_size * sizeof(uint64_t));
    }
    ret = b->active.l1 ? collect(b, &changed, errp) : -ENOMEM;
    if (ret == 0) {
        ret = qcow2_shadow_prepare(b->s);
    }
    if (ret < 0) {
        qcow2_shadow_abort(b->s);
        return ret;
    }
    settle_freed(b);
    roots.l1_offset = b->active.offset;
    roots.nb_snapshots -= b->n;
    roots.snapshots_offset = b->table.offset;
    ret = qcow2_shadow_switch(b->s, &roots);
    if (ret == 0) {
        forget_entries(b);
        if (changed) {
            qcow2_snapshot_adopt_l1(q, &b->active);
        }
    }
    return ret;
}

/* Whose turn is it?  Mostly the next one in the image's order. */
static int look_up(const Qcow2 *q, unsigned next, const QEMUSnapshotInfo *sn, bool by_id, bool by_name)
{
    const Qcow2Snapshot *likely = next < q->nb_snapshots ? &q->snapshots[next] : NULL;
    if (likely && by_id && by_name && !strcmp(likely->id_str, sn->id_str) && !strcmp(likely->name, sn->name)) {
        return next;
    }
    return qcow2_snapshot_find(q, by_id ? sn->id_str : NULL, by_name ? sn->name : NULL);
}

/* The first snapshots of the list that go together: until their tables are many, or one comes twice. */
static int coroutine_fn choose(Batch *b, const QEMUSnapshotInfo *list, unsigned n, bool by_id, bool by_name, Error **errp)
{
    uint64_t entries = 0;
    b->n = 0;
    for (unsigned i = 0; i < n; i++) {
        int index = look_up(b->q, i ? b->which[i - 1] + 1 : 0, &list[i], by_id, by_name);
        if (i && (index < 0 || b->chosen[index] || entries + b->q->snapshots[index].l1_size > BATCH_ENTRIES)) {
            break;
        }
        if (index < 0) {
            error_setg(errp, "Can't find the snapshot");
            return -ENOENT;
        }
        b->which[b->n++] = index;
        b->chosen[index] = 1;
        entries += b->q->snapshots[index].l1_size;
        int ret = add_refs(b, i, errp);
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

static int coroutine_fn delete_some(Qcow2 *q, const QEMUSnapshotInfo *list, unsigned n, bool by_id, bool by_name,
                                    int64_t *freed, unsigned *done, Error **errp)
{
    ERRP_GUARD();
    g_autoptr(GArray) refs = g_array_new(false, false, sizeof(TableRef));
    g_autofree unsigned *which = g_new(unsigned, n);
    g_autofree uint8_t *chosen = g_malloc0(MAX(q->nb_snapshots, 1));
    Batch b = { .q = q, .refs = refs, .which = which, .chosen = chosen, .freed = freed };
    int ret = choose(&b, list, n, by_id, by_name, errp);
    if (ret == 0) {
        memset(freed, 0, b.n * sizeof(*freed));
        ret = delete_batch(&b, errp);
    }
    *done = ret == 0 ? b.n : 0;
    g_free(b.active.l1);
    if (ret < 0 && !*errp) {
        error_setg_errno(errp, -ret, "Failed to remove snapshot from snapshot list");
    }
    return ret;
}

/* --- entry points ------------------------------------------------------------------------------------- */

typedef struct DeleteJob {
    Qcow2 *q;
    const QEMUSnapshotInfo *list;
    unsigned n, done;
    bool by_id, by_name;
    int64_t *freed;
    Error **errp;
    int ret;
} DeleteJob;

static void coroutine_fn delete_entry(void *opaque)
{
    DeleteJob *j = opaque;
    CO_SCOPED_LOCK(&j->q->lock);
    while (j->ret == 0 && j->done < j->n) {
        unsigned some;
        j->ret = delete_some(j->q, j->list + j->done, j->n - j->done, j->by_id, j->by_name, j->freed + j->done, &some,
                             j->errp);
        j->done += some;
    }
}

int qcow2_snapshot_delete(BlockDriverState *bs, const char *id, const char *name, int64_t *freed, Error **errp)
{
    g_autofree QEMUSnapshotInfo *sn = g_new0(QEMUSnapshotInfo, 1);
    int64_t bytes = 0;
    DeleteJob j = { qcow2_of(bs), sn, .n = 1, .by_id = id, .by_name = name, .freed = &bytes, .errp = errp };
    pstrcpy(sn->id_str, sizeof(sn->id_str), id ? id : "");
    pstrcpy(sn->name, sizeof(sn->name), name ? name : "");
    if (qcow2_has_data_file(j.q)) {
        return -ENOTSUP;
    }
    co_run_sync(delete_entry, &j);
    if (freed) {
        *freed = bytes;
    }
    return j.ret;
}

int qcow2_snapshot_delete_many(BlockDriverState *bs, const QEMUSnapshotInfo *list, unsigned n, int64_t *freed,
                               unsigned *done, Error **errp)
{
    DeleteJob j = { qcow2_of(bs), list, .n = n, .by_id = true, .by_name = true, .freed = freed, .errp = errp };
    *done = 0;
    if (qcow2_has_data_file(j.q)) {
        return -ENOTSUP;
    }
    co_run_sync(delete_entry, &j);
    *done = j.done;
    return j.ret;
}
