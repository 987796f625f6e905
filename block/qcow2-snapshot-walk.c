/*
 * qcow2: visiting the L2 tables of a state: counts of what they name, COPIED flags.
 *
 * Tables pass through a ring of buffers: while one batch is looked at, the next is being read and those before are being
 * written to their new places, each by a worker of its own.  Within a table, entries that name clusters in a row are handled
 * as one range.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "qcow2-shadow.h"
#include "qcow2-vector.h"

#define BATCH_BYTES (512 * KiB)
#define READ_BYTES (1 * MiB)
#define SLOTS 5
#define AHEAD 1                      /* batches being read while one is looked at; less than SLOTS */

/* One batch under way. */
typedef struct Slot {
    uint8_t *buf;
    Qcow2Tasks read, write;
} Slot;

typedef struct Walk {
    Qcow2Shadow *s;
    Qcow2 *q;
    unsigned flags;
    int delta;                       /* of each count: with RAISE and LOWER */
    bool simple;                     /* entries of 8 bytes: runs can be recognised */
    uint64_t run_first, run_n;       /* clusters whose counts are to change next */
    uint64_t have;                   /* index of counts, borrowed while flags are being set */
    const uint8_t *counts;
    Slot slots[SLOTS];
    Qcow2WalkItem **moved;           /* room for one batch */
} Walk;

typedef struct ReadPart { Qcow2 *q; uint64_t place; uint8_t *buf; uint64_t bytes; BdrvRequestFlags flags; } ReadPart;

static int coroutine_fn read_part(void *arg)
{
    ReadPart *r = arg;
    return bdrv_read_buf(r->q->bs->file, r->place, r->bytes, r->buf, r->flags);
}

static int by_place(const void *a, const void *b)
{
    const Qcow2WalkItem *x = a, *y = b;
    return x->place < y->place ? -1 : x->place > y->place;
}

static void coroutine_fn start_reading(Qcow2 *q, const Qcow2WalkItem *items, uint64_t n, uint8_t *buf, Qcow2Tasks *tasks,
                                       BdrvRequestFlags flags)
{
    uint64_t max = MAX(READ_BYTES >> q->cluster_bits, 1);
    for (uint64_t i = 0, k; i < n && tasks->ret == 0; i = k) {
        for (k = i + 1; k < n && k - i < max && items[k].place == items[k - 1].place + q->cluster_size; k++) {
        }
        ReadPart r = { q, items[i].place, buf + (i << q->cluster_bits), (k - i) << q->cluster_bits, flags };
        qcow2_tasks_start(tasks, read_part, &r, sizeof(r));
    }
}

int coroutine_fn qcow2_read_tables(Qcow2 *q, const Qcow2WalkItem *items, uint64_t n, uint8_t *buf)
{
    Qcow2Tasks tasks = { 0 };
    start_reading(q, items, n, buf, &tasks, 0);
    return qcow2_tasks_finish(&tasks);
}

static int coroutine_fn flush_run(Walk *w)
{
    uint64_t n = w->run_n;
    w->run_n = 0;
    return n ? qcow2_shadow_add_clusters(w->s, w->run_first, n, w->delta) : 0;
}

static int coroutine_fn count_range(Walk *w, uint64_t first, uint64_t n)
{
    if (w->run_n && w->run_first + w->run_n == first) {
        w->run_n += n;
        return 0;
    }
    int ret = flush_run(w);
    w->run_first = first;
    w->run_n = n;
    return ret;
}

static int coroutine_fn count_compressed(Walk *w, uint64_t entry)
{
    uint64_t offset, bytes, first;
    qcow2_compressed_place(w->q, entry, &offset, &bytes);
    first = offset >> w->q->cluster_bits;
    return count_range(w, first, ((offset + bytes - 1) >> w->q->cluster_bits) - first + 1);
}

static int coroutine_fn count_table(Walk *w, const uint8_t *table, uint64_t place)
{
    Qcow2 *q = w->q;
    for (uint32_t i = 0, n; i < q->l2_entries; i += MAX(n, 1)) {
        uint64_t entry = load_be64(table + (size_t)i * q->l2_entry_size), offset = entry & QCOW2_L2_OFFSET_MASK;
        int ret = 0;
        n = w->simple && entry ? qcow2_plain_run(q, table, i) : 0;
        if (n) {
            ret = count_range(w, offset >> q->cluster_bits, n);
        } else if (entry & QCOW2_OFLAG_COMPRESSED) {
            ret = count_compressed(w, entry);
        } else if (offset && qcow2_in_cluster(q, offset)) {
            ret = qcow2_corrupt(q, true, -1, -1, "Cluster allocation offset %#" PRIx64 " unaligned (L2 offset: %#"
                                PRIx64 ", L2 index: %#x)", offset, place, i);
        } else if (offset) {
            ret = count_range(w, offset >> q->cluster_bits, 1);
        }
        if (ret < 0) {
            return ret;
        }
    }
    return flush_run(w);
}

/* qcow2_rb_get with the common width in line: this runs for every cluster of a state. */
static inline bool counts_one(const Qcow2 *q, const void *block, uint32_t i)
{
    return q->refcount_order == 4 ? load_be16((const uint8_t *)block + (size_t)i * 2) == 1 : qcow2_rb_get(q, block, i) == 1;
}

/* Entries [i, i + n) of the table name clusters in a row from `cluster` on, none with COPIED: set it where the count is one. */
static int coroutine_fn flag_run(Walk *w, uint8_t *table, uint32_t i, uint64_t cluster, uint32_t n, bool *changed)
{
    Qcow2 *q = w->q;
    for (uint32_t part; n; n -= part, i += part, cluster += part) {
        uint32_t in = cluster & (q->rb_entries - 1);
        part = MIN(n, q->rb_entries - in);
        if (cluster >> q->rb_bits != w->have) {
            const void *block;
            int ret = qcow2_shadow_block(w->s, cluster >> q->rb_bits, &block);
            if (ret < 0) {
                return ret;
            }
            w->have = cluster >> q->rb_bits;
            w->counts = block;
        }
        if (!w->counts) {
            continue;
        }
        if (q->refcount_order == 4 && q->l2_entry_size == 8 && qcow2_counts16_one(w->counts + (size_t)in * 2, part)) {
            qcow2_set_copied(table, i, part);
            *changed = true;
            continue;
        }
        for (uint32_t k = 0; k < part; k++) {
            if (counts_one(q, w->counts, in + k)) {
                table[(size_t)(i + k) * q->l2_entry_size] |= 0x80;
                *changed = true;
            }
        }
    }
    return 0;
}

static int coroutine_fn set_flags(Walk *w, uint8_t *table, uint64_t place, bool *changed)
{
    Qcow2 *q = w->q;
    uint64_t count;
    int ret = qcow2_shadow_get(w->s, place >> q->cluster_bits, &count);
    w->have = UINT64_MAX;
    for (uint32_t i = 0, n; ret == 0 && count == 1 && i < q->l2_entries; i += n) {
        uint64_t entry = load_be64(table + (size_t)i * q->l2_entry_size);
        uint64_t cluster = (entry & QCOW2_L2_OFFSET_MASK) >> q->cluster_bits;
        n = w->simple && cluster ? MAX(qcow2_plain_run(q, table, i), 1) : 1;
        if (cluster && !(entry & (QCOW2_OFLAG_COPIED | QCOW2_OFLAG_COMPRESSED))) {
            ret = flag_run(w, table, i, cluster, n, changed);
        }
    }
    return ret;
}

static int coroutine_fn visit(Walk *w, Qcow2WalkItem *item, uint8_t *table, bool *changed)
{
    int ret = 0;
    *changed = false;
    if (w->flags & (QCOW2_WALK_RAISE | QCOW2_WALK_LOWER)) {
        ret = count_table(w, table, item->place);
        if (ret == 0) {
            ret = qcow2_shadow_add_clusters(w->s, item->place >> w->q->cluster_bits, 1, w->delta);
        }
    }
    if (ret == 0 && (w->flags & QCOW2_WALK_CLEAR)) {
        *changed = qcow2_clear_copied(w->q, table);
    }
    if (ret == 0 && (w->flags & QCOW2_WALK_SET)) {
        ret = set_flags(w, table, item->place, changed);
    }
    return ret;
}

/*
 * Give the changed tables, which lie at the start of the slot's buffer, new places in one run.  No hole is punched where
 * they were: the next verb writes its tables there, into blocks that the file system need not allocate again.
 */
static int coroutine_fn move_tables(Walk *w, Slot *slot, uint64_t n)
{
    Qcow2 *q = w->q;
    bool noting = qcow2_shadow_noting(w->s, false);
    int64_t place = n ? qcow2_shadow_alloc_tables(w->s, n) : 0;
    int ret = place < 0 ? (int)place : 0;
    if (ret == 0 && n) {
        ret = qcow2_shadow_start_write(w->s, &slot->write, place, slot->buf, n << q->cluster_bits);
    }
    for (uint64_t i = 0; i < n && ret == 0; i++) {
        ret = qcow2_shadow_add_clusters(w->s, w->moved[i]->place >> q->cluster_bits, 1, -1);
        w->moved[i]->place = place + (i << q->cluster_bits);
    }
    qcow2_shadow_noting(w->s, noting);
    return ret;
}

/* Look at a batch that was read, and begin to write what changed. */
static int coroutine_fn walk_batch(Walk *w, Slot *slot, Qcow2WalkItem *items, uint64_t n)
{
    Qcow2 *q = w->q;
    uint64_t nb_moved = 0;
    int ret = qcow2_tasks_finish(&slot->read);
    for (uint64_t i = 0; i < n && ret == 0; i++) {
        uint8_t *table = slot->buf + (i << q->cluster_bits);
        bool changed;
        ret = visit(w, &items[i], table, &changed);
        if (ret == 0 && changed) {
            uint8_t *to = slot->buf + (nb_moved << q->cluster_bits);
            if (to != table) {
                memcpy(to, table, q->cluster_size);
            }
            w->moved[nb_moved++] = &items[i];
        }
    }
    return ret == 0 ? move_tables(w, slot, nb_moved) : ret;
}

/* Begin to read the batch at item i, when what was in its buffer has been written. */
static int coroutine_fn read_ahead(Walk *w, const Qcow2WalkItem *items, uint64_t i, uint64_t n, uint64_t batch)
{
    Slot *slot = &w->slots[i / batch % SLOTS];
    int ret;

    if (i >= n) {
        return 0;
    }
    ret = qcow2_tasks_finish(&slot->write);
    if (ret == 0) {
        start_reading(w->q, items + i, MIN(batch, n - i), slot->buf, &slot->read, BDRV_REQ_READ_AHEAD);
    }
    return ret;
}

static int coroutine_fn walk_batches(Walk *w, Qcow2WalkItem *items, uint64_t n, uint64_t batch)
{
    int ret = 0;

    for (uint64_t i = 0; i < AHEAD && ret == 0; i++) {
        ret = read_ahead(w, items, i * batch, n, batch);
    }
    for (uint64_t i = 0; i < n && ret == 0; i += batch) {
        ret = read_ahead(w, items, i + AHEAD * batch, n, batch);
        if (ret == 0) {
            ret = walk_batch(w, &w->slots[i / batch % SLOTS], items + i, MIN(batch, n - i));
        }
    }
    return ret;
}

static int coroutine_fn walk_all(Walk *w, Qcow2WalkItem *items, uint64_t n)
{
    Qcow2 *q = w->q;
    uint64_t batch = MIN(MAX(BATCH_BYTES >> q->cluster_bits, 1), n);
    uint8_t *bufs = bdrv_blockalign(q->bs->file->bs, SLOTS * batch << q->cluster_bits);
    if (!bufs) {
        return -ENOMEM;
    }
    w->moved = g_new(Qcow2WalkItem *, batch);
    for (unsigned i = 0; i < SLOTS; i++) {
        w->slots[i].buf = bufs + (i * batch << q->cluster_bits);
    }
    int ret = walk_batches(w, items, n, batch);
    for (unsigned i = 0; i < SLOTS; i++) {
        qcow2_tasks_finish(&w->slots[i].read);
        int written = qcow2_tasks_finish(&w->slots[i].write);
        ret = ret == 0 ? written : ret;
    }
    g_free(w->moved);
    bdrv_memfree(bufs);
    return ret;
}

/* How many of the tables may have to move: all that get COPIED; of those that lose it, what is the active state's alone. */
static uint64_t may_move(const Qcow2 *q, const Qcow2WalkItem *items, uint64_t n, unsigned flags)
{
    uint64_t some = 0;
    for (uint64_t i = 0; i < n && (flags & QCOW2_WALK_CLEAR); i++) {
        some += items[i].index < q->l1_size && (q->l1[items[i].index] & QCOW2_OFLAG_COPIED);
    }
    return flags & QCOW2_WALK_SET ? n : some;
}

int coroutine_fn qcow2_walk_tables(Qcow2Shadow *s, Qcow2 *q, Qcow2WalkItem *items, uint64_t n, unsigned flags, int times)
{
    Walk w = { .s = s, .q = q, .flags = flags, .simple = q->l2_entry_size == 8 };
    w.delta = flags & QCOW2_WALK_RAISE ? times : -times;
    if (!n) {
        return 0;
    }
    for (uint64_t i = 0; i < n; i++) {
        if (qcow2_in_cluster(q, items[i].place)) {
            return qcow2_corrupt(q, true, -1, -1, "L2 table offset %#" PRIx64 " unaligned (L1 index: %#x)",
                                 items[i].place, items[i].index);
        }
    }
    if (n) {
        qsort(items, n, sizeof(*items), by_place);
    }
    qcow2_shadow_noting(s, flags & QCOW2_WALK_LOWER);
    int ret = qcow2_shadow_reserve(s, may_move(q, items, n, flags));
    if (ret == 0) {
        ret = walk_all(&w, items, n);
    }
    qcow2_shadow_noting(s, false);
    return ret < 0 ? ret : qcow2_shadow_reserve(s, 0);
}
