/*
 * qcow2: where two states of the disk differ, from their L1 and L2 tables alone.
 *
 * Equal places mean equal data: a cluster that a snapshot names is never written in place.  So tables at one place are
 * equal as a whole, and of two different tables the entries are compared.  Different places mean that the data may
 * differ; what both read as zeroes, or both from the backing file, is equal.  The unit is the (sub)cluster.
 *
 * q->lock is held for one pair of tables at a time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "qcow2-defer.h"
#include "qcow2-shadow.h"

typedef struct State {
    int index;                       /* of the snapshot; -1: the present one */
    uint64_t *l1;                    /* NULL for the present one: looked up when needed */
    uint32_t l1_size;
    uint64_t disk_size;
    uint8_t *buf;                    /* one table */
    const uint8_t *table;            /* the table compared now, NULL: nothing is mapped */
} State;

typedef struct Diff {
    Qcow2 *q;
    State s[2];
    bool zero_below;                 /* unallocated reads as zeroes */
    BdrvSnapshotDiffFn *fn;
    void *opaque;
    uint64_t start, end;             /* a range not yet reported; empty: none */
} Diff;

/* How a subcluster reads: two that are equal in this read the same. */
typedef struct Content { enum { READS_ZERO, READS_BELOW, READS_PLACE, READS_COMPRESSED, READS_UNKNOWN } kind; uint64_t at; } Content;

static void report_pending(Diff *d)
{
    if (d->end > d->start) {
        d->fn(d->opaque, d->start, d->end - d->start);
    }
    d->start = d->end = 0;
}

static void report(Diff *d, uint64_t start, uint64_t end)
{
    if (d->end != start) {
        report_pending(d);
        d->start = start;
    }
    d->end = end;
}

static Content content_at(const Diff *d, const State *s, uint64_t offset)
{
    const Qcow2 *q = d->q;
    Content below = { d->zero_below ? READS_ZERO : READS_BELOW, 0 };
    uint32_t i = qcow2_l2_index(q, offset);
    if (offset >= s->disk_size) {
        return (Content){ READS_ZERO, 0 };
    }
    if (!s->table) {
        return below;
    }
    uint64_t entry = qcow2_l2_get(q, s->table, i), bitmap = qcow2_l2_get_bitmap(q, s->table, i);
    switch (qcow2_subcluster_type(q, entry, bitmap, qcow2_in_cluster(q, offset) >> q->subcluster_bits)) {
    case QCOW2_ZERO_PLAIN:
    case QCOW2_ZERO_ALLOC:
        return (Content){ READS_ZERO, 0 };
    case QCOW2_UNALLOCATED:
    case QCOW2_UNALLOCATED_ALLOC:
        return below;
    case QCOW2_NORMAL:
        return (Content){ READS_PLACE, entry & QCOW2_L2_OFFSET_MASK };
    case QCOW2_COMPRESSED:
        return (Content){ READS_COMPRESSED, entry & ~QCOW2_OFLAG_COPIED };
    default:
        return (Content){ READS_UNKNOWN, 0 };
    }
}

/* The end of the piece that starts at offset: a subcluster, cut where one of the disks ends. */
static uint64_t piece_end(const Diff *d, uint64_t offset, uint64_t limit)
{
    uint64_t end = MIN(ALIGN_DOWN(offset, (uint64_t)d->q->subcluster_size) + d->q->subcluster_size, limit);
    for (int k = 0; k < 2; k++) {
        if (d->s[k].disk_size > offset) {
            end = MIN(end, d->s[k].disk_size);
        }
    }
    return end;
}

static void compare_tables(Diff *d, uint64_t offset, uint64_t limit)
{
    for (uint64_t end; offset < limit; offset = end) {
        Content a = content_at(d, &d->s[0], offset), b = content_at(d, &d->s[1], offset);
        end = piece_end(d, offset, limit);
        if (a.kind != b.kind || a.at != b.at || a.kind == READS_UNKNOWN) {
            report(d, offset, end);
        }
    }
}

/* The table that maps part i of the disk: 0 there is none. */
static uint64_t table_place(const Diff *d, const State *s, uint64_t i)
{
    const uint64_t *l1 = s->l1 ? s->l1 : d->q->l1;
    uint32_t size = s->l1 ? s->l1_size : d->q->l1_size;
    return i < size ? l1[i] & QCOW2_L1_OFFSET_MASK : 0;
}

static int coroutine_fn load_table(Diff *d, State *s, uint64_t place)
{
    s->table = NULL;
    if (!place) {
        return 0;
    }
    if (qcow2_in_cluster(d->q, place)) {
        return -EIO;
    }
    s->table = qcow2_cache_peek(d->q->l2_cache, place);
    if (s->table) {
        /* The other table's read may push it out. */
        memcpy(s->buf, s->table, d->q->cluster_size);
        s->table = s->buf;
        return 0;
    }
    s->table = s->buf;
    return bdrv_read_buf(d->q->bs->file, place, d->q->cluster_size, s->buf, 0);
}

static int coroutine_fn compare_part(Diff *d, uint64_t i, uint64_t end)
{
    Qcow2 *q = d->q;
    unsigned shift = q->l2_bits + q->cluster_bits;
    uint64_t shorter = MIN(d->s[0].disk_size, d->s[1].disk_size), from = i << shift, to = MIN((i + 1) << shift, end);
    CO_SCOPED_LOCK(&q->lock);
    uint64_t a = table_place(d, &d->s[0], i), b = table_place(d, &d->s[1], i);
    if (a == b && to <= shorter) {
        return 0;
    }
    int ret = load_table(d, &d->s[0], a);
    ret = ret < 0 ? ret : load_table(d, &d->s[1], b);
    if (ret == 0) {
        compare_tables(d, from, to);
    }
    return ret;
}

static int coroutine_fn open_state(Diff *d, State *s, int index, Error **errp)
{
    Qcow2 *q = d->q;
    CO_SCOPED_LOCK(&q->lock);
    *s = (State){ .index = index, .disk_size = q->bs->total_bytes };
    s->buf = bdrv_blockalign(q->bs->file->bs, q->cluster_size);
    if (!s->buf) {
        return -ENOMEM;
    }
    if (index < 0) {
        return qcow2_defer_settle_all(q);
    }
    if ((unsigned)index >= q->nb_snapshots) {
        return -ENOENT;
    }
    s->disk_size = q->snapshots[index].disk_size;
    if (s->disk_size > BDRV_MAX_LENGTH) {
        return -EFBIG;
    }
    return qcow2_snapshot_l1(q, index, &s->l1, &s->l1_size, errp);
}

static void close_state(State *s)
{
    g_free(s->l1);
    bdrv_memfree(s->buf);
}

static int coroutine_fn diff_run(Diff *d)
{
    unsigned shift = d->q->l2_bits + d->q->cluster_bits;
    uint64_t end = MAX(d->s[0].disk_size, d->s[1].disk_size);
    uint64_t mapped = MAX(MAX(d->s[0].l1_size, d->s[1].l1_size), d->q->l1_size);
    int ret = 0;
    for (uint64_t i = 0; i << shift < end && i < mapped && ret == 0; i++) {
        ret = compare_part(d, i, end);
    }
    /* What no L1 maps reads from below as far as each disk goes, and as zeroes behind. */
    uint64_t rest = MAX(mapped << shift, MIN(d->s[0].disk_size, d->s[1].disk_size));
    if (ret == 0 && rest < end && !d->zero_below) {
        report(d, rest, end);
    }
    if (ret == 0) {
        report_pending(d);
    }
    return ret;
}

int coroutine_fn qcow2_co_snapshot_diff(BlockDriverState *bs, int from, int to, BdrvSnapshotDiffFn *fn, void *opaque,
                                        Error **errp)
{
    Diff d = { .q = qcow2_of(bs), .fn = fn, .opaque = opaque, .zero_below = !bs->backing && !bs->backing_file[0] };
    if (qcow2_has_data_file(d.q)) {
        return -ENOTSUP;
    }
    int ret = open_state(&d, &d.s[0], from, errp);
    ret = ret < 0 ? ret : open_state(&d, &d.s[1], to, errp);
    ret = ret < 0 ? ret : diff_run(&d);
    close_state(&d.s[0]);
    close_state(&d.s[1]);
    return ret;
}
