/*
 * qcow2: the commit cycle: in which order metadata reaches the disk.
 *
 *   take()      copies of all dirty pages at one moment, q->lock held
 *   stage 1     refcount blocks; when table entries are new: flush, refcount table (or its move)
 *   stage 2     flush; L2 tables
 *   stage 3     flush; L1 sectors
 *   (durable)   flush
 *   release()   what was freed before take(), once the disk names it no more, durably
 *
 * S1  Counts are raised in memory before anything names the cluster, and lowered by release()
 *     only: a count on disk is never too low.
 * S3  A table is named only after the flush that follows its write.
 * S5  release() runs after a flush behind stages 2 and 3, and after the I/O that was under way on
 *     the old places (qcow2_io_wait).
 * S6  Holes are punched before the counts go down, while nobody can be given the cluster.
 *
 * Locks: `cycle` serialises cycles, then q->lock; q->lock is not held during a cycle's I/O.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "qcow2-commit.h"
#include "qcow2-defer.h"
#include "qcow2-io.h"

#define MAX_RUN (2 * MiB)            /* bytes in one write */
#define MUCH_DIRTY (8 * MiB)
#define MUCH_FREED 8192              /* ranges */
#define SECTOR_ENTRIES 64            /* 8-byte entries in 512 bytes */

typedef struct FreeRange {
    uint64_t offset, bytes;
    Qcow2DiscardType type;
} FreeRange;

struct Qcow2Commit {
    CoMutex cycle;
    uint64_t started;                /* cycles begun; q->lock for this and below */
    uint64_t done, done_durable;     /* the youngest cycle that ended well */
    uint64_t done_lazy;              /* the same, cycles without counts included */
    bool running;
    GArray *late;                    /* FreeRange: freed since the last take() */
    GArray *written;                 /* references are gone from the disk, but maybe not durably */
    Qcow2DirtySectors l1, rt;
    uint64_t move_offset;            /* the refcount table's next place, 0: it stays */
    uint32_t move_clusters;
    bool moved;                      /* by the last cycle: its old place is in `late` */
};

/* What one cycle carries. */
typedef struct Batch {
    Qcow2Runs rb, rt, l2, l1;
    Qcow2DirtySectors l1_taken, rt_taken;
    uint64_t move_offset;
    uint32_t move_clusters;
    GArray *late, *written;
    bool flushed;                    /* a flush happened after take() */
} Batch;

Qcow2Commit *qcow2_commit_new(void)
{
    Qcow2Commit *c = g_new0(Qcow2Commit, 1);
    co_mutex_init(&c->cycle);
    c->late = g_array_new(false, false, sizeof(FreeRange));
    c->written = g_array_new(false, false, sizeof(FreeRange));
    return c;
}

void qcow2_commit_free(Qcow2Commit *c)
{
    if (c) {
        g_array_free(c->late, true);
        g_array_free(c->written, true);
        g_free(c->l1.bits);
        g_free(c->rt.bits);
        g_free(c);
    }
}

bool qcow2_commit_running(const Qcow2 *q)
{
    return q->commit->running;
}

/* --- runs ------------------------------------------------------------------------- */

static int by_offset(const void *a, const void *b)
{
    const Qcow2Piece *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

int qcow2_runs_copy(Qcow2 *q, GArray *pieces, Qcow2Runs *out)
{
    const Qcow2Piece *p = (const Qcow2Piece *)pieces->data;
    uint64_t total = 0, done = 0;
    *out = (Qcow2Runs){ 0 };
    for (guint i = 0; i < pieces->len; i++) {
        total += p[i].bytes;
    }
    if (!total) {
        return 0;
    }
    out->copy = bdrv_blockalign(q->bs->file->bs, total);
    if (!out->copy) {
        return -ENOMEM;
    }
    g_array_sort(pieces, by_offset);
    out->runs = g_array_new(false, false, sizeof(Qcow2Piece));
    for (guint i = 0; i < pieces->len; i++) {
        memcpy(out->copy + done, p[i].src, p[i].bytes);
        Qcow2Piece *last = out->runs->len ? &g_array_index(out->runs, Qcow2Piece, out->runs->len - 1) : NULL;
        if (last && last->offset + last->bytes == p[i].offset && last->bytes + p[i].bytes <= MAX_RUN) {
            last->bytes += p[i].bytes;
        } else {
            Qcow2Piece run = { .offset = p[i].offset, .src = out->copy + done, .bytes = p[i].bytes };
            g_array_append_val(out->runs, run);
        }
        done += p[i].bytes;
    }
    return 0;
}

void qcow2_runs_clear(Qcow2Runs *r)
{
    bdrv_memfree(r->copy);
    if (r->runs) {
        g_array_free(r->runs, true);
    }
    *r = (Qcow2Runs){ 0 };
}

typedef struct RunWrite { Qcow2 *q; Qcow2Piece run; } RunWrite;

static int coroutine_fn run_write(void *arg)
{
    RunWrite *w = arg;
    return bdrv_write_buf(w->q->bs->file, w->run.offset, w->run.bytes, w->run.src, 0);
}

int coroutine_fn qcow2_runs_write(Qcow2 *q, const Qcow2Runs *r)
{
    Qcow2Tasks tasks = { 0 };
    if (!r->runs) {
        return 0;
    }
    if (r->runs->len == 1) {
        RunWrite w = { q, g_array_index(r->runs, Qcow2Piece, 0) };
        return run_write(&w);
    }
    for (guint i = 0; i < r->runs->len && tasks.ret == 0; i++) {
        RunWrite w = { q, g_array_index(r->runs, Qcow2Piece, i) };
        qcow2_tasks_start(&tasks, run_write, &w, sizeof(w));
    }
    return qcow2_tasks_finish(&tasks);
}

int coroutine_fn qcow2_flush_files(Qcow2 *q)
{
    int ret = bdrv_flush(q->bs->file->bs);
    if (ret == 0 && q->data_file && q->data_file != q->bs->file) {
        ret = bdrv_flush(q->data_file->bs);
    }
    return ret;
}

/* --- dirty sectors of the two tables of tables --------------------------------------- */

static void sectors_mark(Qcow2DirtySectors *d, uint32_t index)
{
    uint32_t sector = index / SECTOR_ENTRIES, words = sector / 64 + 1;
    if (words > d->words) {
        d->bits = g_renew(uint64_t, d->bits, words);
        memset(d->bits + d->words, 0, (words - d->words) * sizeof(uint64_t));
        d->words = words;
    }
    d->bits[sector / 64] |= 1ULL << (sector % 64);
    d->any = true;
}

/* Put what a failed cycle had taken back. */
static void sectors_return(Qcow2DirtySectors *d, Qcow2DirtySectors *taken)
{
    for (uint32_t s = 0; s < taken->words * 64; s++) {
        if (taken->bits[s / 64] & (1ULL << (s % 64))) {
            sectors_mark(d, s * SECTOR_ENTRIES);
        }
    }
}

void qcow2_l1_mark_dirty(Qcow2 *q, uint32_t index)
{
    sectors_mark(&q->commit->l1, index);
    qcow2_overlap_note_l2(q, q->l1[index] & QCOW2_L1_OFFSET_MASK);
}

void qcow2_rt_mark_dirty(Qcow2 *q, uint32_t index)
{
    sectors_mark(&q->commit->rt, index);
    qcow2_overlap_note_block(q, q->rt[index] & QCOW2_RT_OFFSET_MASK);
}

void qcow2_rt_move(Qcow2 *q, uint64_t offset, uint32_t clusters)
{
    Qcow2Commit *c = q->commit;
    if (c->move_offset) {
        qcow2_free_late(q, c->move_offset, (uint64_t)c->move_clusters << q->cluster_bits, QCOW2_DISCARD_OTHER);
    }
    c->move_offset = offset;
    c->move_clusters = clusters;
}

/* Copy dirty sectors of a table (host order, `size` entries, zeroes behind) into runs at offset. */
static int take_sectors(Qcow2 *q, Qcow2DirtySectors *d, Qcow2DirtySectors *taken, const uint64_t *table, uint64_t size,
                        uint64_t offset, Qcow2Runs *out)
{
    g_autoptr(GArray) pieces = g_array_new(false, false, sizeof(Qcow2Piece));
    g_autoptr(GArray) wire = g_array_new(false, true, 512);
    *taken = *d;
    *d = (Qcow2DirtySectors){ 0 };
    for (uint32_t s = 0; s < taken->words * 64; s++) {
        if (!(taken->bits[s / 64] & (1ULL << (s % 64))) || (uint64_t)s * SECTOR_ENTRIES >= size) {
            continue;
        }
        Qcow2Piece p = { .offset = offset + (uint64_t)s * 512, .bytes = 512 };
        g_array_append_val(pieces, p);
        g_array_set_size(wire, wire->len + 1);
        uint8_t *w = (uint8_t *)wire->data + (size_t)(wire->len - 1) * 512;
        for (uint64_t i = (uint64_t)s * SECTOR_ENTRIES; i < size && i < (uint64_t)(s + 1) * SECTOR_ENTRIES; i++) {
            store_be64(w + (i % SECTOR_ENTRIES) * 8, table[i]);
        }
    }
    for (guint i = 0; i < pieces->len; i++) {
        g_array_index(pieces, Qcow2Piece, i).src = wire->data + (size_t)i * 512;
    }
    return qcow2_runs_copy(q, pieces, out);
}

/* The whole refcount table for its new place. */
static int take_whole_rt(Qcow2 *q, Batch *b)
{
    uint64_t bytes = (uint64_t)b->move_clusters << q->cluster_bits;
    b->rt.copy = bdrv_blockalign(q->bs->file->bs, bytes);
    if (!b->rt.copy) {
        return -ENOMEM;
    }
    memset(b->rt.copy, 0, bytes);
    for (uint64_t i = 0; i < q->rt_size && i < bytes / 8; i++) {
        store_be64(b->rt.copy + i * 8, q->rt[i]);
    }
    Qcow2Piece p = { .offset = b->move_offset, .src = b->rt.copy, .bytes = bytes };
    b->rt.runs = g_array_new(false, false, sizeof(Qcow2Piece));
    g_array_append_val(b->rt.runs, p);
    return 0;
}

/* --- one cycle ------------------------------------------------------------------------ */

static int take_cache(Qcow2 *q, Qcow2Cache *cache, Qcow2Runs *out)
{
    g_autoptr(GArray) pieces = g_array_new(false, false, sizeof(Qcow2Piece));
    qcow2_cache_collect(cache, pieces);
    return qcow2_runs_copy(q, pieces, out);
}

static int take_rt(Qcow2 *q, Batch *b)
{
    Qcow2Commit *c = q->commit;
    b->move_offset = c->move_offset;
    b->move_clusters = c->move_clusters;
    int ret = take_sectors(q, &c->rt, &b->rt_taken, q->rt, q->rt_size, q->rt_offset, &b->rt);
    if (ret == 0 && b->move_offset) {
        qcow2_runs_clear(&b->rt);
        ret = take_whole_rt(q, b);
    }
    return ret;
}

static int take(Qcow2 *q, Batch *b, bool lazy)
{
    Qcow2Commit *c = q->commit;
    /* Counts alone may lag behind (dirty bit); a new block is named by the table only when it is written. */
    bool without = lazy && !c->rt.any && !c->move_offset;
    int ret = without ? 0 : take_cache(q, q->rb_cache, &b->rb);
    if (ret == 0 && !without) {
        ret = take_rt(q, b);
    }
    if (ret == 0) {
        ret = take_cache(q, q->l2_cache, &b->l2);
    }
    if (ret == 0) {
        ret = take_sectors(q, &c->l1, &b->l1_taken, q->l1, q->l1_size, q->l1_offset, &b->l1);
    }
    b->late = g_steal_pointer(&c->late);
    b->written = g_steal_pointer(&c->written);
    c->late = g_array_new(false, false, sizeof(FreeRange));
    c->written = g_array_new(false, false, sizeof(FreeRange));
    return ret;
}

static int coroutine_fn stage_flush(Qcow2 *q, Batch *b)
{
    int ret = qcow2_flush_files(q);
    b->flushed |= ret == 0;
    return ret;
}

/* The table at its new place becomes the root.  Other roots are as in memory: they change with q->lock and drained only. */
static int coroutine_fn switch_rt(Qcow2 *q, Batch *b)
{
    CO_SCOPED_LOCK(&q->lock);
    Qcow2Roots roots = {
        .l1_offset = q->l1_offset, .l1_size = q->l1_size, .rt_offset = b->move_offset, .rt_clusters = b->move_clusters,
        .snapshots_offset = q->snapshots_offset, .nb_snapshots = qcow2_named_snapshots(q), .disk_size = q->bs->total_bytes,
    };
    int ret = qcow2_switch_roots(q, &roots);
    if (ret < 0) {
        return ret;
    }
    qcow2_free_late(q, q->rt_offset, (uint64_t)q->rt_clusters << q->cluster_bits, QCOW2_DISCARD_OTHER);
    q->rt_offset = b->move_offset;
    q->rt_clusters = b->move_clusters;
    if (q->commit->move_offset == b->move_offset) {
        q->commit->move_offset = 0;
    }
    q->commit->moved = true;
    return 0;
}

static int coroutine_fn stage_refcounts(Qcow2 *q, Batch *b)
{
    int ret = qcow2_runs_write(q, &b->rb);
    if (ret == 0 && b->rt.runs) {
        ret = stage_flush(q, b);
        if (ret == 0) {
            ret = qcow2_runs_write(q, &b->rt);
        }
        if (ret == 0 && b->move_offset) {
            ret = switch_rt(q, b);
        }
    }
    return ret;
}

static int coroutine_fn stages(Qcow2 *q, Batch *b, bool durable)
{
    int ret = stage_refcounts(q, b);
    if (ret == 0 && (b->l2.runs || b->l1.runs)) {
        ret = stage_flush(q, b);
    }
    if (ret == 0) {
        ret = qcow2_runs_write(q, &b->l2);
    }
    if (ret == 0 && b->l2.runs && b->l1.runs) {
        ret = stage_flush(q, b);
    }
    if (ret == 0) {
        ret = qcow2_runs_write(q, &b->l1);
    }
    return ret == 0 && durable ? stage_flush(q, b) : ret;
}

static void give_back(Qcow2 *q, Batch *b)
{
    Qcow2Commit *c = q->commit;
    sectors_return(&c->l1, &b->l1_taken);
    sectors_return(&c->rt, &b->rt_taken);
    g_array_append_vals(c->late, b->late->data, b->late->len);
    g_array_append_vals(c->written, b->written->data, b->written->len);
    g_array_set_size(b->late, 0);
    g_array_set_size(b->written, 0);
}

static void batch_clear(Batch *b)
{
    qcow2_runs_clear(&b->rb);
    qcow2_runs_clear(&b->rt);
    qcow2_runs_clear(&b->l2);
    qcow2_runs_clear(&b->l1);
    g_free(b->l1_taken.bits);
    g_free(b->rt_taken.bits);
    g_clear_pointer(&b->late, g_array_unref);
    g_clear_pointer(&b->written, g_array_unref);
}

/* --- what is freed late ------------------------------------------------------------------ */

void qcow2_free_late(Qcow2 *q, uint64_t offset, uint64_t bytes, Qcow2DiscardType type)
{
    GArray *late = q->commit->late;
    if (!bytes) {
        return;
    }
    uint64_t end = offset + bytes - 1;
    offset = qcow2_cluster_start(q, offset);
    bytes = qcow2_cluster_start(q, end) + q->cluster_size - offset;
    FreeRange *last = late->len ? &g_array_index(late, FreeRange, late->len - 1) : NULL;
    if (last && last->type == type && last->offset + last->bytes == offset) {
        last->bytes += bytes;
        return;
    }
    FreeRange r = { offset, bytes, type };
    g_array_append_val(late, r);
}

static int range_order(const void *a, const void *b)
{
    const FreeRange *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Punch holes where the only reference goes.  q->lock held, dropped for the I/O. */
static void coroutine_fn punch(Qcow2 *q, const FreeRange *r)
{
    uint64_t first = r->offset >> q->cluster_bits, n = r->bytes >> q->cluster_bits, from = 0;
    if (!q->discard_pass[r->type] || !(q->bs->file->bs->open_flags & BDRV_O_UNMAP)) {
        return;
    }
    for (uint64_t i = 0; i <= n; i++) {
        uint64_t count = 0;
        bool last_one = i < n && qcow2_get_refcount(q, first + i, &count) == 0 && count == 1;
        if (last_one) {
            continue;
        }
        if (i > from) {
            qcow2_end_stream_cluster(q, first + from, i - from);
            co_mutex_unlock(&q->lock);
            bdrv_discard(q->bs->file, (first + from) << q->cluster_bits, (i - from) << q->cluster_bits);
            co_mutex_lock(&q->lock);
        }
        from = i + 1;
    }
}

/* In the order of offsets, with neighbours as one: clusters freed one by one are one hole in the file. */
static void sort_and_join(GArray *ranges)
{
    guint n = 0;
    g_array_sort(ranges, range_order);
    for (guint i = 0; i < ranges->len; i++) {
        FreeRange r = g_array_index(ranges, FreeRange, i);
        FreeRange *last = n ? &g_array_index(ranges, FreeRange, n - 1) : NULL;
        if (last && last->type == r.type && last->offset + last->bytes == r.offset) {
            last->bytes += r.bytes;
        } else {
            g_array_index(ranges, FreeRange, n++) = r;
        }
    }
    g_array_set_size(ranges, n);
}

static int coroutine_fn release(Qcow2 *q, GArray *ranges)
{
    int ret = 0;
    if (!ranges->len) {
        return 0;
    }
    qcow2_io_wait(q);
    sort_and_join(ranges);
    for (guint i = 0; i < ranges->len; i++) {
        FreeRange *r = &g_array_index(ranges, FreeRange, i);
        punch(q, r);
        int one = qcow2_lower_now(q, r->offset >> q->cluster_bits, r->bytes >> q->cluster_bits);
        if (one < 0) {
            fprintf(stderr, "qcow2_free_clusters failed: %s\n", strerror(-one));
            ret = ret ? ret : one;
        }
    }
    return ret;
}

/* --- the cycle ----------------------------------------------------------------------------- */

/* `cycle` and q->lock held. */
static int coroutine_fn run_cycle(Qcow2 *q, bool durable, bool lazy)
{
    Qcow2Commit *c = q->commit;
    Batch b = { 0 };
    uint64_t number = ++c->started;
    c->running = true;
    c->moved = false;
    int ret = take(q, &b, lazy);
    if (ret == 0) {
        co_mutex_unlock(&q->lock);
        ret = stages(q, &b, durable);
        co_mutex_lock(&q->lock);
    }
    c->running = false;
    qcow2_cache_written(q->rb_cache, ret == 0);
    qcow2_cache_written(q->l2_cache, ret == 0);
    if (ret < 0) {
        give_back(q, &b);
    } else {
        if (b.flushed) {
            release(q, b.written);
        } else {
            g_array_append_vals(c->written, b.written->data, b.written->len);
        }
        if (durable) {
            release(q, b.late);
            c->done_durable = number;
        } else {
            g_array_append_vals(c->written, b.late->data, b.late->len);
        }
        c->done = lazy ? c->done : number;
        c->done_lazy = number;
    }
    batch_clear(&b);
    return ret;
}

/* After release(): lowered counts to the file, so that a closed image has no leaks.  A cut meanwhile only leaks. */
static int coroutine_fn write_lowered(Qcow2 *q)
{
    Qcow2Runs runs = { 0 };
    if (q->commit->rt.any || q->commit->move_offset || !qcow2_cache_is_dirty(q->rb_cache)) {
        return 0;
    }
    int ret = take_cache(q, q->rb_cache, &runs);
    q->commit->running = true;
    co_mutex_unlock(&q->lock);
    if (ret == 0) {
        ret = qcow2_runs_write(q, &runs);
    }
    co_mutex_lock(&q->lock);
    q->commit->running = false;
    qcow2_cache_written(q->rb_cache, ret == 0);
    qcow2_runs_clear(&runs);
    return ret;
}

int coroutine_fn qcow2_commit(Qcow2 *q, bool durable)
{
    Qcow2Commit *c = q->commit;
    int ret = durable ? qcow2_defer_settle_all(q) : 0;
    uint64_t wanted = c->started + 1;
    co_mutex_unlock(&q->lock);
    co_mutex_lock(&c->cycle);
    co_mutex_lock(&q->lock);
    if (ret < 0) {
        /* What is pending stays so; nothing else is worse for it. */
    } else if (q->broken) {
        ret = -EIO;
    } else if ((durable ? c->done_durable : c->done) < wanted) {
        ret = run_cycle(q, durable, false);
        if (ret == 0 && durable && c->moved) {
            ret = run_cycle(q, true, false);
        }
        if (ret == 0 && durable) {
            ret = write_lowered(q);
        }
    }
    co_mutex_unlock(&c->cycle);
    return ret;
}

int coroutine_fn qcow2_commit_for_flush(Qcow2 *q)
{
    Qcow2Commit *c = q->commit;
    uint64_t wanted = c->started + 1;
    int ret = 0;
    if (!qcow2_counts_may_lag(q)) {
        return qcow2_commit(q, false);
    }
    co_mutex_unlock(&q->lock);
    co_mutex_lock(&c->cycle);
    co_mutex_lock(&q->lock);
    if (q->broken) {
        ret = -EIO;
    } else if (c->done_lazy < wanted) {
        ret = run_cycle(q, false, qcow2_counts_may_lag(q));
    }
    co_mutex_unlock(&c->cycle);
    return ret;
}

int coroutine_fn qcow2_commit_if_much(Qcow2 *q)
{
    Qcow2Commit *c = q->commit;
    uint64_t dirty = qcow2_cache_dirty_bytes(q->l2_cache) + qcow2_cache_dirty_bytes(q->rb_cache);
    if (dirty < MUCH_DIRTY && c->late->len + c->written->len < MUCH_FREED) {
        return 0;
    }
    int ret = qcow2_commit(q, false);
    return ret < 0 ? ret : 1;
}

void qcow2_commit_reset(Qcow2 *q)
{
    Qcow2Commit *c = q->commit;
    g_array_set_size(c->late, 0);
    g_array_set_size(c->written, 0);
    g_clear_pointer(&c->l1.bits, g_free);
    g_clear_pointer(&c->rt.bits, g_free);
    c->l1 = c->rt = (Qcow2DirtySectors){ 0 };
    c->move_offset = 0;
}
