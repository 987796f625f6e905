/*
 * qcow2: guest writes.
 *
 *   PLAN    q->lock held: what the first bytes of the request need, contiguous on the host:
 *           INPLACE   clusters are ours alone and mapped: nothing to change
 *           FILL      ours alone, but (sub)clusters become data: bitmap or flags change
 *           FRESH     new clusters; a claim keeps others off the guest range
 *           DEFER     a new cluster too, but the guest's bytes alone are put aside now (qcow2-defer.c)
 *           JOINED    the bytes go into the write of a FRESH piece that is about to begin (qcow2-gather.c)
 *   MOVE    lock dropped: guest data, with what must be copied before and after it, in one write
 *   LINK    lock held: L2 entries change in memory (S4: only now), old clusters are freed late
 *
 * A failure in MOVE or LINK gives fresh clusters back at once: no table ever named them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "qcow2.h"
#include "crypt-co.h"
#include "qcow2-crypt.h"
#include "qcow2-defer.h"
#include "qcow2-gather.h"
#include "qcow2-io.h"

/* Copies and zeroes up to this size are merged with the data into one write. */
#define MERGE_MAX (128 * KiB)

typedef enum PieceKind { INPLACE, FILL, FRESH, DEFER, JOINED } PieceKind;

typedef struct OldEntry {
    uint64_t entry, bitmap;
} OldEntry;

typedef struct Piece {
    Qcow2 *q;
    PieceKind kind;
    uint64_t offset, bytes;          /* the guest's bytes */
    uint64_t host;                   /* of offset */
    uint64_t from, to;               /* guest bounds of what is written: copies included */
    bool head_zero, tail_zero;       /* what is to be filled before and after is known to be zero */
    bool virgin;                     /* the host range was never written and reads as zeroes */
    bool stream;                     /* goes on where the one before it ended, and it matters (qcow2-ahead.c) */
    Qcow2Claim claim;                /* FILL, FRESH */
    uint64_t fresh;                  /* FRESH: first new cluster */
    unsigned ticket;                 /* INPLACE: the others are guarded by their claims */
    IoVec *qiov;                     /* the data comes from memory, where it may wait; NULL: from elsewhere */
    size_t qo;
    Qcow2Pending *pending;           /* DEFER */
    bool kept;                       /* DEFER: in memory for now */
    Qcow2Gather gather;              /* FRESH */
    Qcow2Joiner joiner;              /* JOINED */
} Piece;

static uint64_t entry_host(uint64_t entry)
{
    return entry & QCOW2_L2_OFFSET_MASK;
}

/* Is the cluster ours alone, so that data may be written into it? */
static bool is_own(Qcow2ClusterType type, uint64_t entry)
{
    return (entry & QCOW2_OFLAG_COPIED) && (type == QCOW2_NORMAL || type == QCOW2_ZERO_ALLOC);
}

/* A cluster that will be written in place must stand where its entry may point. */
static int check_own(Qcow2 *q, uint64_t offset, uint64_t l2_offset, uint64_t entry, Qcow2ClusterType type)
{
    if (q->version < 3 && type == QCOW2_ZERO_ALLOC) {
        return qcow2_corrupt(q, true, -1, -1, "Zero cluster entry found in pre-v3 image (L2 offset: %#" PRIx64
                             ", L2 index: %#x)", l2_offset, qcow2_l2_index(q, offset));
    }
    if (qcow2_in_cluster(q, entry_host(entry))) {
        return qcow2_corrupt(q, true, -1, -1, "%s cluster offset %#" PRIx64 " unaligned (guest offset: %#" PRIx64 ")",
                             type == QCOW2_ZERO_ALLOC ? "Preallocated zero" : "Data", entry_host(entry), offset);
    }
    return 0;
}

/* An entry that will be replaced: kinds that no image may have. */
static int check_foreign(Qcow2 *q, uint64_t offset, uint64_t l2_offset, uint64_t entry, uint64_t bitmap)
{
    Qcow2ClusterType type = qcow2_entry_type(q, entry);
    if (q->version < 3 && (type == QCOW2_ZERO_ALLOC || type == QCOW2_ZERO_PLAIN)) {
        return qcow2_corrupt(q, true, -1, -1, "Zero cluster entry found in pre-v3 image (L2 offset: %#" PRIx64
                             ", L2 index: %#x)", l2_offset, qcow2_l2_index(q, offset));
    }
    uint32_t alloc = bitmap, zero = bitmap >> 32;
    if (q->subclusters > 1 && type != QCOW2_COMPRESSED && ((alloc & zero) || (type == QCOW2_UNALLOCATED && alloc))) {
        return qcow2_corrupt(q, true, -1, -1, "Invalid cluster entry found (L2 offset: %#" PRIx64 ", L2 index: %#x)",
                             l2_offset, qcow2_l2_index(q, offset));
    }
    return 0;
}

/*
 * Bounds of what must be written in the cluster of offset when the guest writes subclusters
 * first..last: whole subclusters, and all data of an old cluster that is left behind.
 */
static void cluster_span(const Qcow2 *q, uint64_t entry, uint64_t bitmap, bool own, unsigned *first, unsigned *last)
{
    Qcow2ClusterType type = qcow2_entry_type(q, entry);
    if (own) {
        return;
    }
    if (type == QCOW2_COMPRESSED) {
        *first = 0;
        *last = q->subclusters - 1;
    } else if (type == QCOW2_NORMAL && q->subclusters > 1 && (uint32_t)bitmap) {
        *first = MIN(*first, (unsigned)__builtin_ctz((uint32_t)bitmap));
        *last = MAX(*last, 31 - (unsigned)__builtin_clz((uint32_t)bitmap));
    }
}

/* Do the subclusters first..last of this entry hold nothing but zeroes, as far as can be told at once? */
static bool span_is_zero(const Qcow2 *q, uint64_t offset, uint64_t entry, uint64_t bitmap, unsigned first, unsigned last)
{
    for (unsigned sc = first; sc <= last; sc++) {
        switch (qcow2_subcluster_type(q, entry, bitmap, sc)) {
        case QCOW2_ZERO_PLAIN:
        case QCOW2_ZERO_ALLOC:
            break;
        case QCOW2_UNALLOCATED:
        case QCOW2_UNALLOCATED_ALLOC:
            if (qcow2_unallocated_is_zero(q, qcow2_cluster_start(q, offset) + ((uint64_t)sc << q->subcluster_bits))) {
                break;
            }
            return false;
        default:
            return false;
        }
    }
    return true;
}

static unsigned sc_of(const Qcow2 *q, uint64_t offset)
{
    return qcow2_in_cluster(q, offset) >> q->subcluster_bits;
}

/* Set p->from/to and the zero hints from the first and the last cluster's present entries. */
static void plan_copies(Piece *p, const void *table, bool own)
{
    Qcow2 *q = p->q;
    uint64_t end = p->offset + p->bytes, last_byte = end - 1;
    bool one = qcow2_cluster_start(q, p->offset) == qcow2_cluster_start(q, last_byte);
    uint64_t e0 = qcow2_l2_get(q, table, qcow2_l2_index(q, p->offset));
    uint64_t b0 = qcow2_l2_get_bitmap(q, table, qcow2_l2_index(q, p->offset));
    uint64_t e1 = qcow2_l2_get(q, table, qcow2_l2_index(q, last_byte));
    uint64_t b1 = qcow2_l2_get_bitmap(q, table, qcow2_l2_index(q, last_byte));
    unsigned g0 = sc_of(q, p->offset), g1 = sc_of(q, last_byte);

    unsigned f0 = g0, l0 = one ? g1 : q->subclusters - 1, f1 = one ? g0 : 0, l1 = g1;
    cluster_span(q, e0, b0, own, &f0, &l0);
    cluster_span(q, e1, b1, own, &f1, &l1);
    p->from = qcow2_cluster_start(q, p->offset) + ((uint64_t)f0 << q->subcluster_bits);
    p->to = qcow2_cluster_start(q, last_byte) + ((uint64_t)(l1 + 1) << q->subcluster_bits);
    /* Own subclusters that hold data already need nothing around the guest's bytes. */
    if (own && qcow2_subcluster_type(q, e0, b0, g0) == QCOW2_NORMAL) {
        p->from = p->offset;
    }
    if (own && qcow2_subcluster_type(q, e1, b1, g1) == QCOW2_NORMAL) {
        p->to = end;
    }
    p->head_zero = p->from < p->offset && span_is_zero(q, p->offset, e0, b0, f0, g0);
    p->tail_zero = p->to > end && span_is_zero(q, last_byte, e1, b1, g1, l1);
}

/* Clusters from offset on, in this table, that are own, side by side, and (data_only) need no change of their entry. */
static uint64_t own_run(const Qcow2 *q, const void *table, uint64_t offset, uint64_t bytes, bool data_only)
{
    uint64_t start = offset, end = offset + bytes;
    uint64_t host = entry_host(qcow2_l2_get(q, table, qcow2_l2_index(q, offset)));
    for (; offset < end; offset = qcow2_cluster_start(q, offset) + q->cluster_size, host += q->cluster_size) {
        uint32_t idx = qcow2_l2_index(q, offset);
        uint64_t entry = qcow2_l2_get(q, table, idx), bitmap = qcow2_l2_get_bitmap(q, table, idx);
        Qcow2ClusterType type = qcow2_entry_type(q, entry);
        if (!is_own(type, entry) || entry_host(entry) != host) {
            break;
        }
        if (!data_only) {
            if (q->subclusters == 1 && type == QCOW2_NORMAL) {
                break;                           /* plain data: a piece of its own, without a claim */
            }
            continue;
        }
        unsigned sc = sc_of(q, offset);
        if (qcow2_subcluster_type(q, entry, bitmap, sc) != QCOW2_NORMAL) {
            break;
        }
        unsigned n = qcow2_subcluster_run(q, entry, bitmap, sc);
        if (sc + n < q->subclusters) {
            offset = qcow2_cluster_start(q, offset) + ((uint64_t)(sc + n) << q->subcluster_bits);
            break;
        }
    }
    return MIN(offset, end) - start;
}

/* Bytes from offset on whose clusters must all be replaced (not own). */
static int foreign_run(Qcow2 *q, const void *table, uint64_t l2_offset, uint64_t offset, uint64_t *bytes)
{
    uint64_t start = offset, end = offset + *bytes;
    for (; offset < end; offset = qcow2_cluster_start(q, offset) + q->cluster_size) {
        uint32_t idx = qcow2_l2_index(q, offset);
        uint64_t entry = qcow2_l2_get(q, table, idx);
        if (is_own(qcow2_entry_type(q, entry), entry)) {
            break;
        }
        int ret = check_foreign(q, offset, l2_offset, entry, qcow2_l2_get_bitmap(q, table, idx));
        if (ret < 0) {
            return ret;
        }
    }
    *bytes = MIN(offset, end) - start;
    return 0;
}

/*
 * New clusters for the piece's range, next to `hint` if that is free (so that one write serves
 * both), else as one run anywhere; may shorten the piece.  In an external data file guest and host are the same.
 */
static int coroutine_fn alloc_fresh(Piece *p, uint64_t hint)
{
    Qcow2 *q = p->q;
    uint64_t first = qcow2_cluster_start(q, p->offset);
    uint64_t n = qcow2_clusters_for(q, p->offset + p->bytes - first);
    if (qcow2_has_data_file(q)) {
        p->fresh = first;
        return 0;
    }
    bdrv_child_event(q->bs->file, "cluster_alloc");
    if (hint) {
        int64_t got = qcow2_alloc_at(q, hint, n);
        if (got < 0) {
            return got;
        }
        if (got > 0) {
            p->fresh = hint;
            p->bytes = MIN(p->bytes, first + ((uint64_t)got << q->cluster_bits) - p->offset);
            return 0;
        }
    }
    int64_t place = qcow2_alloc(q, n << q->cluster_bits);
    if (place < 0) {
        return place;
    }
    if (place == 0) {
        int ret = qcow2_check_overlap(q, 0, place, n << q->cluster_bits, false);
        return ret < 0 ? ret
            : qcow2_corrupt(q, true, -1, -1, "Preventing invalid allocation of data cluster at offset 0");
    }
    p->fresh = place;
    return 0;
}

static uint64_t claim_clusters(const Piece *p)
{
    return (p->claim.to - p->claim.from) >> p->q->cluster_bits;
}

/* Undo a plan: nothing on disk or in a table names the fresh clusters. */
static void coroutine_fn piece_cancel(Piece *p)
{
    Qcow2 *q = p->q;
    if (p->kind == FRESH && p->fresh && !qcow2_has_data_file(q)) {
        qcow2_update_refcount(q, p->fresh, claim_clusters(p) << q->cluster_bits, -1, QCOW2_DISCARD_NEVER);
    }
    if (p->kind != INPLACE) {
        qcow2_claim_end(q, &p->claim);
    }
}

static int coroutine_fn plan_fresh(Piece *p, void **table, uint64_t l2_offset, uint64_t hint)
{
    Qcow2 *q = p->q;
    int ret = foreign_run(q, *table, l2_offset, p->offset, &p->bytes);
    if (ret < 0) {
        return ret;
    }
    p->kind = FRESH;
    uint64_t first = qcow2_cluster_start(q, p->offset);
    qcow2_claim_begin(q, &p->claim, first, first + (qcow2_clusters_for(q, p->offset + p->bytes - first) << q->cluster_bits));
    uint64_t wanted = p->bytes;
    ret = alloc_fresh(p, hint);
    if (ret < 0) {
        piece_cancel(p);
        return ret;
    }
    if (p->bytes < wanted) {
        p->claim.to = qcow2_cluster_start(q, p->offset + p->bytes - 1) + q->cluster_size;
    }
    plan_copies(p, *table, false);
    p->host = p->fresh + qcow2_in_cluster(q, p->offset);
    p->virgin = qcow2_is_virgin(q, p->fresh);
    return 0;
}

/* Is the old content of offset's cluster one plain cluster that others share? */
static bool is_shared_data(const Qcow2 *q, const void *table, uint64_t offset)
{
    uint32_t idx = qcow2_l2_index(q, offset);
    uint64_t entry = qcow2_l2_get(q, table, idx);
    return qcow2_entry_type(q, entry) == QCOW2_NORMAL && !(entry & QCOW2_OFLAG_COPIED) &&
           !qcow2_in_cluster(q, entry_host(entry)) &&
           (q->subclusters == 1 || qcow2_l2_get_bitmap(q, table, idx) == UINT32_MAX);
}

/*
 * May the copies around the guest's bytes wait?  Yes: p->bytes ends with the first cluster.  No:
 * p->bytes may have been cut before a last cluster whose copies may.
 */
static bool can_defer(Piece *p, const void *table)
{
    Qcow2 *q = p->q;
    uint64_t in = qcow2_in_cluster(q, p->offset), first = MIN(p->bytes, q->cluster_size - in);
    if (!p->qiov || qcow2_has_data_file(q) || q->crypt != QCOW2_CRYPT_NONE) {
        return false;
    }
    if (first < q->cluster_size) {
        if (is_shared_data(q, table, p->offset) && qcow2_defer_wanted(q, p->offset, first)) {
            p->bytes = first;
            return true;
        }
        return false;
    }
    uint64_t tail = qcow2_in_cluster(q, p->bytes), last = p->offset + p->bytes - tail;
    if (tail && is_shared_data(q, table, last) && qcow2_defer_wanted(q, last, tail)) {
        p->bytes -= tail;
    }
    return false;
}

static int coroutine_fn plan_defer(Piece *p, const void *table, uint64_t hint)
{
    Qcow2 *q = p->q;
    uint64_t first = qcow2_cluster_start(q, p->offset);
    uint64_t old = entry_host(qcow2_l2_get(q, table, qcow2_l2_index(q, p->offset)));
    qcow2_claim_begin(q, &p->claim, first, first + q->cluster_size);
    int ret = alloc_fresh(p, hint);
    if (ret == 0) {
        ret = qcow2_check_overlap(q, 0, p->fresh, q->cluster_size, false);
    }
    if (ret == 0) {
        p->kind = DEFER;
        p->pending = qcow2_defer_begin(q, p->offset, p->bytes, old, p->fresh, &p->kept);
        p->host = p->fresh + qcow2_in_cluster(q, p->offset);
    }
    qcow2_claim_end(q, &p->claim);
    return ret;
}

/* Into a cluster that is pending already.  True when the piece is planned. */
static bool plan_join(Piece *p)
{
    Qcow2 *q = p->q;
    uint64_t n = MIN(p->bytes, q->cluster_size - qcow2_in_cluster(q, p->offset));
    p->pending = qcow2_defer_join(q, p->offset, n, &p->host, &p->kept);
    if (p->pending) {
        p->kind = DEFER;
        p->bytes = n;
    }
    return p->pending != NULL;
}

static int plan_fill(Piece *p, const void *table, uint64_t l2_offset, uint64_t host)
{
    Qcow2 *q = p->q;
    p->bytes = own_run(q, table, p->offset, p->bytes, false);
    if (!p->bytes) {
        return 0;                    /* flags disagreed with those of a table just copied: in place, at the next look */
    }
    for (uint64_t o = p->offset; o < p->offset + p->bytes; o = qcow2_cluster_start(q, o) + q->cluster_size) {
        uint32_t idx = qcow2_l2_index(q, o);
        int ret = check_foreign(q, o, l2_offset, qcow2_l2_get(q, table, idx), qcow2_l2_get_bitmap(q, table, idx));
        if (ret < 0) {
            return ret;
        }
    }
    p->kind = FILL;
    p->host = host;
    uint64_t first = qcow2_cluster_start(q, p->offset);
    qcow2_claim_begin(q, &p->claim, first, first + (qcow2_clusters_for(q, p->offset + p->bytes - first) << q->cluster_bits));
    plan_copies(p, table, true);
    return 0;
}

/* Plan with a table that may be written, whose claims were looked at.  0, or -errno with nothing held. */
static int coroutine_fn plan_in_table(Piece *p, void **table, uint64_t l2_offset, uint64_t hint)
{
    Qcow2 *q = p->q;
    uint64_t entry = qcow2_l2_get(q, *table, qcow2_l2_index(q, p->offset));
    Qcow2ClusterType type = qcow2_entry_type(q, entry);
    if (!is_own(type, entry)) {
        return can_defer(p, *table) ? plan_defer(p, *table, hint) : plan_fresh(p, table, l2_offset, hint);
    }
    int ret = check_own(q, p->offset, l2_offset, entry, type);
    if (ret < 0) {
        return ret;
    }
    return plan_fill(p, *table, l2_offset, entry_host(entry) + qcow2_in_cluster(q, p->offset));
}

/* The common case: mapped and ours.  True when the piece is planned. */
static int coroutine_fn plan_inplace(Piece *p, bool *done)
{
    Qcow2 *q = p->q;
    void *table;
    uint64_t l2_offset;
    *done = false;
    int ret = qcow2_l2_peek(q, p->offset, &table, &l2_offset);
    if (ret < 0 || !table) {
        return ret;
    }
    if (q->l1[qcow2_l1_index(q, p->offset)] & QCOW2_OFLAG_COPIED) {
        uint64_t n = own_run(q, table, p->offset, p->bytes, true);
        uint64_t entry = qcow2_l2_get(q, table, qcow2_l2_index(q, p->offset));
        if (n) {
            ret = check_own(q, p->offset, l2_offset, entry, qcow2_entry_type(q, entry));
            p->kind = INPLACE;
            p->bytes = n;
            p->host = entry_host(entry) + qcow2_in_cluster(q, p->offset);
            p->from = p->offset;
            p->to = p->offset + n;
            *done = ret == 0;
        }
    }
    qcow2_cache_put(q->l2_cache, &table);
    return ret;
}

/* Into a cluster whose first write is about to begin.  True when the piece is planned. */
static bool plan_joined(Piece *p)
{
    if (!p->stream || !qcow2_gather_join(p->q, &p->joiner, p->offset, &p->bytes, p->qiov, p->qo, &p->host)) {
        return false;
    }
    p->kind = JOINED;
    return true;
}

/* The first small write into one new cluster, which it fills with zeroes to the end: others may come along. */
static bool may_gather(const Piece *p)
{
    const Qcow2 *q = p->q;
    return p->kind == FRESH && p->qiov && p->stream && p->virgin && p->tail_zero && p->offset == p->claim.from &&
           p->claim.to - p->claim.from == q->cluster_size && p->to == p->claim.to && q->cluster_size <= MERGE_MAX &&
           !qcow2_is_encrypted(q) && !qcow2_has_data_file(q);
}

/* A piece that changes L2.  p->bytes 0 on return: waited for another request, look again. */
static int coroutine_fn plan_change(Piece *p, uint64_t hint)
{
    Qcow2 *q = p->q;
    void *table;
    uint32_t idx;
    int ret = q->lazy_refcounts ? qcow2_mark_dirty(q) : 0;
    if (ret == 0) {
        ret = qcow2_l2_for_write(q, p->offset, &table, &idx);
    }
    if (ret < 0) {
        return ret;
    }
    if (!p->qiov || (!plan_join(p) && !plan_joined(p))) {
        ret = qcow2_claim_clip(q, p->offset, &p->bytes);
    }
    if (ret == 0 && p->bytes && !p->pending && p->kind != JOINED) {
        ret = plan_in_table(p, &table, q->l1[qcow2_l1_index(q, p->offset)] & QCOW2_L1_OFFSET_MASK, hint);
    }
    qcow2_cache_put(q->l2_cache, &table);
    return ret;
}

/* Plan the first bytes of [p->offset, + p->bytes) and begin their I/O.  q->lock held. */
static int coroutine_fn plan(Piece *p, uint64_t hint)
{
    Qcow2 *q = p->q;
    uint64_t span = (uint64_t)q->l2_entries << q->cluster_bits, wanted = MIN(p->bytes, span - (p->offset & (span - 1)));
    for (;;) {
        bool done;
        p->bytes = wanted;
        int ret = plan_inplace(p, &done);
        if (ret == 0 && !done) {
            ret = plan_change(p, hint);
        }
        if (ret < 0) {
            return ret;
        }
        if (!p->bytes) {
            continue;
        }
        if (p->kind == DEFER || p->kind == JOINED) {
            p->from = p->offset;
            p->to = p->offset + p->bytes;
            return 0;
        }
        ret = qcow2_check_overlap(q, 0, p->host - (p->offset - p->from), p->to - p->from, qcow2_has_data_file(q));
        if (ret < 0) {
            /* The counts were wrong: giving the clusters back would hand them out again. */
            p->fresh = 0;
            piece_cancel(p);
            return ret;
        }
        if (p->kind == INPLACE) {
            p->ticket = qcow2_io_begin(q);
        } else if (may_gather(p)) {
            p->claim.host = p->fresh;
            qcow2_gather_begin(&p->gather, &p->claim, p->offset, p->bytes, p->qiov, p->qo);
        }
        return 0;
    }
}

/* Read what the guest sees at [offset, + bytes) now into buf; the claim keeps it from changing. */
static int coroutine_fn fill_part(Piece *p, uint64_t offset, uint64_t bytes, bool zero, uint8_t *buf)
{
    if (!bytes) {
        return 0;
    }
    if (zero) {
        memset(buf, 0, bytes);
        return 0;
    }
    IoVec v;
    iov_init_buf(&v, buf, bytes);
    bdrv_child_event(p->q->bs->file, "cow_read");
    return qcow2_co_read(p->q->bs, offset, bytes, &v, 0, 0);
}

/* Zero the whole range below instead of writing zeroes around the data.  False: it has to be written. */
static bool coroutine_fn zero_below(Piece *p)
{
    uint64_t head = p->offset - p->from, tail = p->to - p->offset - p->bytes;
    if ((head && !p->head_zero) || (tail && !p->tail_zero)) {
        return false;
    }
    /* Of a stream the rest comes soon, and finds blocks that hold something. */
    if (p->virgin && (!p->stream || head || tail > MERGE_MAX)) {
        return true;
    }
    if (head + tail <= MERGE_MAX) {
        return false;
    }
    bdrv_child_event(p->q->bs->file, "cluster_alloc_space");
    return bdrv_zero(p->q->data_file, p->host - head, p->to - p->from, BDRV_REQ_NO_FALLBACK) == 0;
}

/* `bytes` of data from p->offset on, with what is before and behind them; qiov NULL: the data comes later. */
static int coroutine_fn write_with_copies(Piece *p, uint64_t bytes, IoVec *qiov, size_t qo)
{
    Qcow2 *q = p->q;
    uint64_t head = p->offset - p->from, tail = p->to - p->offset - bytes;
    uint8_t *buf = bdrv_blockalign(q->data_file->bs, head + tail);
    if (!buf) {
        return -ENOMEM;
    }
    int ret = fill_part(p, p->from, head, p->head_zero, buf);
    if (ret == 0) {
        ret = fill_part(p, p->offset + bytes, tail, p->tail_zero, buf + head);
    }
    if (ret == 0) {
        AUTO_IOVEC all;
        iov_init(&all, qiov ? qiov->niov + 2 : 2);
        if (head) {
            iov_add(&all, buf, head);
        }
        if (qiov) {
            iov_concat(&all, qiov, qo, bytes);
        } else if (head && tail) {
            /* The data between comes later, by itself. */
            bdrv_child_event(q->bs->file, "cow_write");
            ret = bdrv_write(q->data_file, p->host - head, head, &all, 0, 0);
            iov_reset(&all);
        }
        if (tail) {
            iov_add(&all, buf + head, tail);
        }
        if (ret == 0) {
            uint64_t start = qiov || !tail ? p->host - head : p->host + bytes;
            bdrv_child_event(q->bs->file, "cow_write");
            ret = bdrv_write(q->data_file, start, all.size, &all, 0, 0);
        }
    }
    bdrv_memfree(buf);
    return ret;
}

/* All who came along, and zeroes behind them if they do not fill the cluster. */
static int coroutine_fn write_gathered(Piece *p)
{
    IoVec *all = &p->gather.all;
    qcow2_gather_close(p->q, &p->gather);
    if (p->gather.end < p->to) {
        return write_with_copies(p, all->size, all, 0);
    }
    bdrv_child_event(p->q->bs->file, "write_aio");
    return bdrv_write(p->q->data_file, p->host, all->size, all, 0, 0);
}

/* Bring the plain bytes [at, + n) of the piece together: copies before, the guest's own, copies after. */
static int coroutine_fn gather(Piece *p, uint64_t at, uint64_t n, IoVec *qiov, size_t qo, uint8_t *buf)
{
    uint64_t end = at + n, data_end = p->offset + p->bytes;
    uint64_t head = at < p->offset ? MIN(end, p->offset) - at : 0;
    uint64_t tail = end > data_end ? end - MAX(at, data_end) : 0;
    int ret = fill_part(p, at, head, p->head_zero, buf);
    if (ret == 0) {
        ret = fill_part(p, end - tail, tail, p->tail_zero, buf + n - tail);
    }
    if (ret == 0 && head + tail < n) {
        iov_to_buf(qiov, qo + (at + head - p->offset), buf + head, n - head - tail);
    }
    return ret;
}

/* Encrypted: what surrounds the data is never plain zeroes on disk, so all of [from, to) passes the cipher. */
static int coroutine_fn write_enciphered(Piece *p, IoVec *qiov, size_t qo)
{
    Qcow2 *q = p->q;
    uint64_t chunk = MIN(p->to - p->from, (uint64_t)CRYPT_CO_CHUNK);
    uint8_t *buf = bdrv_blockalign(q->data_file->bs, chunk);
    int ret = buf ? 0 : -ENOMEM;
    for (uint64_t at = p->from; at < p->to && ret == 0; at += chunk) {
        uint64_t n = MIN(chunk, p->to - at), host = p->host - (p->offset - p->from) + (at - p->from);
        ret = gather(p, at, n, qiov, qo, buf);
        if (ret == 0) {
            ret = qcow2_encrypt(q, at, host, buf, n);
        }
        if (ret == 0) {
            bdrv_child_event(q->bs->file, "write_aio");
            ret = bdrv_write_buf(q->data_file, host, n, buf, 0);
        }
    }
    bdrv_memfree(buf);
    return ret;
}

static int coroutine_fn move(Piece *p, const Qcow2Source *src, uint64_t done)
{
    if (p->kept) {
        bdrv_child_event(p->q->bs->file, "write_aio");
        return 0;                    /* the bytes are taken in finish() */
    }
    if (p->kind == JOINED) {
        return qcow2_gather_wait(p->q, &p->joiner);
    }
    if (p->kind == FRESH || p->kind == DEFER) {
        qcow2_ahead_reach(p->q, p->host + (p->to - p->offset));
    }
    if (p->gather.claim) {
        return write_gathered(p);
    }
    if (qcow2_is_encrypted(p->q)) {
        return write_enciphered(p, p->qiov, p->qo);
    }
    bool copies = p->to - p->from != p->bytes && !zero_below(p);
    if (p->qiov) {
        if (copies) {
            return write_with_copies(p, p->bytes, p->qiov, p->qo);
        }
        bdrv_child_event(p->q->bs->file, "write_aio");
        return bdrv_write(p->q->data_file, p->host, p->bytes, p->qiov, p->qo, 0);
    }
    int ret = copies ? write_with_copies(p, p->bytes, NULL, 0) : 0;
    return ret < 0 ? ret : src->copy(src, done, p->q->data_file, p->host, p->bytes);
}

/* The entry and bitmap of one cluster after the piece; returns whether its old clusters are to be freed. */
static bool link_one(Piece *p, void *table, uint64_t guest, OldEntry *old)
{
    Qcow2 *q = p->q;
    uint32_t idx = qcow2_l2_index(q, guest);
    uint64_t host = p->kind == FRESH ? p->fresh + (guest - p->claim.from)
                                     : qcow2_cluster_start(q, p->host) + (guest - p->claim.from);
    old->entry = qcow2_l2_get(q, table, idx);
    old->bitmap = qcow2_l2_get_bitmap(q, table, idx);
    Qcow2ClusterType type = qcow2_entry_type(q, old->entry);
    uint64_t bitmap = type == QCOW2_COMPRESSED ? 0 : old->bitmap;
    if (q->subclusters > 1) {
        unsigned first = p->from > guest ? sc_of(q, p->from) : 0;
        unsigned last = p->to < guest + q->cluster_size ? sc_of(q, p->to - 1) : q->subclusters - 1;
        uint64_t mask = ((1ULL << (last + 1)) - 1) & ~((1ULL << first) - 1);
        bitmap = (bitmap | mask) & ~(mask << 32);
    }
    qcow2_l2_set(q, table, idx, host | QCOW2_OFLAG_COPIED, bitmap);
    return p->kind == FRESH && type != QCOW2_UNALLOCATED && type != QCOW2_ZERO_PLAIN && !qcow2_has_data_file(q);
}

static int coroutine_fn link_piece(Piece *p)
{
    Qcow2 *q = p->q;
    void *table;
    uint32_t idx;
    bdrv_child_event(q->bs->file, "l2_update");
    int ret = qcow2_l2_for_write(q, p->claim.from, &table, &idx);
    if (ret < 0) {
        return ret;
    }
    uint64_t n = claim_clusters(p);
    for (uint64_t guest = p->claim.from; guest < p->claim.to; guest += q->cluster_size) {
        OldEntry old;
        if (link_one(p, table, guest, &old)) {
            qcow2_free_l2_entry_clusters(q, old.entry, old.bitmap, QCOW2_DISCARD_NEVER);
        }
    }
    qcow2_cache_mark_dirty(q->l2_cache, table, idx * q->l2_entry_size, n * q->l2_entry_size);
    qcow2_cache_put(q->l2_cache, &table);
    qcow2_claim_end(q, &p->claim);
    return 0;
}

/* After MOVE: LINK, or undo when it failed. */
static int coroutine_fn finish(Piece *p, int ret)
{
    Qcow2 *q = p->q;
    if (p->kind == INPLACE) {
        qcow2_io_end(q, p->ticket);
        return ret;
    }
    if (p->kind == JOINED) {
        return ret;
    }
    CO_SCOPED_LOCK(&q->lock);
    if (p->kind == DEFER) {
        int left = qcow2_defer_leave(q, p->pending, p->offset, p->bytes, ret == 0, p->kept ? p->qiov : NULL, p->qo);
        return ret < 0 ? ret : left;
    }
    if (ret == 0) {
        ret = link_piece(p);
    } else if (p->kind == FRESH) {
        qcow2_not_virgin(q, p->fresh + (p->claim.to - p->claim.from));
    }
    if (ret < 0) {
        piece_cancel(p);
    }
    qcow2_gather_end(&p->gather, ret);
    return ret;
}

static int coroutine_fn begin(Piece *p, uint64_t hint)
{
    CO_SCOPED_LOCK(&p->q->lock);
    qcow2_defer_make_room(p->q);
    return plan(p, hint);
}

int coroutine_fn qcow2_write_from(BlockDriverState *bs, uint64_t offset, uint64_t bytes, const Qcow2Source *src)
{
    uint64_t hint = 0, done = 0;
    bool stream = qcow2_ahead_note_write(qcow2_of(bs), offset, bytes);
    while (done < bytes) {
        Piece p = { .q = qcow2_of(bs), .offset = offset + done, .bytes = bytes - done,
                    .qiov = src->qiov, .qo = src->qo + done, .stream = stream };
        int ret = begin(&p, hint);
        if (ret < 0) {
            return ret;
        }
        ret = finish(&p, move(&p, src, done));
        if (ret < 0) {
            return ret;
        }
        done += p.bytes;
        hint = qcow2_in_cluster(p.q, p.host + p.bytes) ? 0 : p.host + p.bytes;
    }
    return 0;
}

int coroutine_fn qcow2_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo,
                                BdrvRequestFlags f)
{
    Qcow2Source src = { .qiov = qiov, .qo = qo };
    if (qcow2_of(bs)->broken) {
        return -ENOMEDIUM;
    }
    return qcow2_write_from(bs, offset, bytes, &src);
}
