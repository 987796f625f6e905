/*
 * qcow2: visiting the L2 tables of a state: counts of what they name, COPIED flags.
 *
 * Tables are read in runs sorted by place, several in flight, changed ones are written side by
 * side.  Counts change by runs of neighbouring clusters.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "qcow2-shadow.h"
#include "qcow2-io.h"

#define BATCH_BYTES (1 * MiB)
#define READ_BYTES (1 * MiB)

typedef struct Walk {
    Qcow2Shadow *s;
    Qcow2 *q;
    unsigned flags;
    uint64_t run_first, run_n;       /* clusters whose counts are to change next */
} Walk;

typedef struct ReadPart { Qcow2 *q; uint64_t place; uint8_t *buf; uint64_t bytes; } ReadPart;

static int coroutine_fn read_part(void *arg)
{
    ReadPart *r = arg;
    return bdrv_read_buf(r->q->bs->file, r->place, r->bytes, r->buf, 0);
}

static int by_place(const void *a, const void *b)
{
    const Qcow2WalkItem *x = a, *y = b;
    return x->place < y->place ? -1 : x->place > y->place;
}

int coroutine_fn qcow2_read_tables(Qcow2 *q, const Qcow2WalkItem *items, uint64_t n, uint8_t *buf)
{
    Qcow2Tasks tasks = { 0 };
    uint64_t max = MAX(READ_BYTES >> q->cluster_bits, 1);
    for (uint64_t i = 0, k; i < n && tasks.ret == 0; i = k) {
        for (k = i + 1; k < n && k - i < max && items[k].place == items[k - 1].place + q->cluster_size; k++) {
        }
        ReadPart r = { q, items[i].place, buf + (i << q->cluster_bits), (k - i) << q->cluster_bits };
        qcow2_tasks_start(&tasks, read_part, &r, sizeof(r));
    }
    return qcow2_tasks_finish(&tasks);
}

static int coroutine_fn flush_run(Walk *w)
{
    uint64_t n = w->run_n;
    w->run_n = 0;
    return n ? qcow2_shadow_add_clusters(w->s, w->run_first, n, w->flags & QCOW2_WALK_RAISE ? 1 : -1) : 0;
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
    for (uint32_t i = 0; i < q->l2_entries; i++) {
        uint64_t entry = load_be64(table + (size_t)i * q->l2_entry_size), offset = entry & QCOW2_L2_OFFSET_MASK;
        int ret = 0;
        if (entry & QCOW2_OFLAG_COMPRESSED) {
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

static bool clear_flags(Walk *w, uint8_t *table)
{
    Qcow2 *q = w->q;
    uint8_t any = 0;
    for (uint32_t i = 0; i < q->l2_entries; i++) {
        any |= table[(size_t)i * q->l2_entry_size];
    }
    if (!(any & 0x80)) {
        return false;
    }
    for (uint32_t i = 0; i < q->l2_entries; i++) {
        table[(size_t)i * q->l2_entry_size] &= 0x7f;
    }
    return true;
}

/* qcow2_rb_get with the common width in line: this runs for every cluster of a state. */
static inline bool counts_one(const Qcow2 *q, const void *block, uint32_t i)
{
    return q->refcount_order == 4 ? load_be16((const uint8_t *)block + (size_t)i * 2) == 1 : qcow2_rb_get(q, block, i) == 1;
}

static int coroutine_fn set_flags(Walk *w, uint8_t *table, uint64_t place, bool *changed)
{
    Qcow2 *q = w->q;
    const void *block = NULL;
    uint64_t count, have = UINT64_MAX;
    int ret = qcow2_shadow_get(w->s, place >> q->cluster_bits, &count);
    for (uint32_t i = 0; ret == 0 && count == 1 && i < q->l2_entries; i++) {
        uint8_t *p = table + (size_t)i * q->l2_entry_size;
        uint64_t entry = load_be64(p), cluster = (entry & QCOW2_L2_OFFSET_MASK) >> q->cluster_bits;
        if (!cluster || (entry & (QCOW2_OFLAG_COPIED | QCOW2_OFLAG_COMPRESSED))) {
            continue;
        }
        if (cluster >> q->rb_bits != have) {
            have = cluster >> q->rb_bits;
            ret = qcow2_shadow_block(w->s, have, &block);
        }
        if (ret == 0 && block && counts_one(q, block, cluster & (q->rb_entries - 1))) {
            store_be64(p, entry | QCOW2_OFLAG_COPIED);
            *changed = true;
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
            ret = qcow2_shadow_add_clusters(w->s, item->place >> w->q->cluster_bits, 1,
                                            w->flags & QCOW2_WALK_RAISE ? 1 : -1);
        }
    }
    if (ret == 0 && (w->flags & QCOW2_WALK_CLEAR)) {
        *changed = clear_flags(w, table);
    }
    if (ret == 0 && (w->flags & QCOW2_WALK_SET)) {
        ret = set_flags(w, table, item->place, changed);
    }
    return ret;
}

/* Give the changed tables, which lie at the start of buf, new places in one run. */
static int coroutine_fn move_tables(Walk *w, Qcow2WalkItem **items, uint64_t n, const uint8_t *buf)
{
    Qcow2 *q = w->q;
    int64_t place = n ? qcow2_shadow_alloc(w->s, n << q->cluster_bits) : 0;
    int ret = place < 0 ? (int)place : 0;
    if (ret == 0 && n) {
        ret = qcow2_shadow_write(w->s, place, buf, n << q->cluster_bits);
    }
    for (uint64_t i = 0; i < n && ret == 0; i++) {
        ret = qcow2_shadow_add_clusters(w->s, items[i]->place >> q->cluster_bits, 1, -1);
        items[i]->place = place + (i << q->cluster_bits);
    }
    return ret;
}

static int coroutine_fn walk_batch(Walk *w, Qcow2WalkItem *items, uint64_t n, uint8_t *buf, Qcow2WalkItem **moved)
{
    Qcow2 *q = w->q;
    uint64_t nb_moved = 0;
    int ret = qcow2_read_tables(q, items, n, buf);
    for (uint64_t i = 0; i < n && ret == 0; i++) {
        uint8_t *table = buf + (i << q->cluster_bits);
        bool changed;
        ret = visit(w, &items[i], table, &changed);
        if (ret == 0 && changed) {
            uint8_t *to = buf + (nb_moved << q->cluster_bits);
            if (to != table) {
                memcpy(to, table, q->cluster_size);
            }
            moved[nb_moved++] = &items[i];
        }
    }
    return ret == 0 ? move_tables(w, moved, nb_moved, buf) : ret;
}

int coroutine_fn qcow2_walk_tables(Qcow2Shadow *s, Qcow2 *q, Qcow2WalkItem *items, uint64_t n, unsigned flags)
{
    Walk w = { .s = s, .q = q, .flags = flags };
    uint64_t batch = MIN(MAX(BATCH_BYTES >> q->cluster_bits, 1), n);
    if (!n) {
        return 0;
    }
    for (uint64_t i = 0; i < n; i++) {
        if (qcow2_in_cluster(q, items[i].place)) {
            return qcow2_corrupt(q, true, -1, -1, "L2 table offset %#" PRIx64 " unaligned (L1 index: %#x)",
                                 items[i].place, items[i].index);
        }
    }
    qsort(items, n, sizeof(*items), by_place);
    uint8_t *buf = bdrv_blockalign(q->bs->file->bs, batch << q->cluster_bits);
    g_autofree Qcow2WalkItem **moved = g_new(Qcow2WalkItem *, batch);
    int ret = buf ? 0 : -ENOMEM;
    qcow2_shadow_noting(s, flags & QCOW2_WALK_LOWER);
    for (uint64_t i = 0; i < n && ret == 0; i += batch) {
        ret = walk_batch(&w, items + i, MIN(batch, n - i), buf, moved);
    }
    qcow2_shadow_noting(s, false);
    bdrv_memfree(buf);
    return ret;
}
