/*
 * qcow2: the last line of defence: no write may hit metadata of another kind.
 *
 * Constant ranges are compared.  Tables named by L1 and the refcount table are many: a set of
 * their clusters (qcow2_overlap_note_* add to it, nothing is taken out) says "no" quickly; when it
 * says "maybe", the tables are searched.  The snapshots' L1 tables are sorted ranges: an image may
 * name any lengths there, so they are never counted out by cluster.  Both are made anew when L1 or
 * the snapshots are replaced, or when stale members have come to fill the set.
 *
 * All functions: q->lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "qcow2-commit.h"

#define KIND_BITS 2
enum { KIND_L2 = 1, KIND_BLOCK = 2 };

typedef struct Range { uint64_t from, to; } Range;

struct Qcow2OverlapSet {
    Range *inactive;                 /* snapshots' L1 tables: sorted, joined where they touch */
    unsigned n_inactive;
    uint64_t *slots;                 /* (cluster index + 1) << KIND_BITS | kinds, 0: empty */
    uint64_t mask, used, built;
    const uint64_t *l1;              /* whose tables are in */
    uint64_t l1_offset, snapshots_offset;
    uint32_t l1_size, nb_snapshots;
};

static const char *const kind_names[] = {
    "qcow2_header", "active L1 table", "active L2 table", "refcount table", "refcount block", "snapshot table",
    "inactive L1 table", "inactive L2 table", "bitmap directory",
};

/* --- the set -------------------------------------------------------------------------- */

static uint64_t slot_of(const Qcow2OverlapSet *s, uint64_t cluster)
{
    return (cluster * 0x9e3779b97f4a7c15ULL >> 20) & s->mask;
}

/* Where the cluster is, or would be. */
static uint64_t *set_find(const Qcow2OverlapSet *s, uint64_t cluster)
{
    uint64_t i = slot_of(s, cluster);
    while (s->slots[i] && s->slots[i] >> KIND_BITS != cluster + 1) {
        i = (i + 1) & s->mask;
    }
    return &s->slots[i];
}

/* As what it may be a table; 0: it is none. */
static unsigned set_kinds(const Qcow2OverlapSet *s, uint64_t cluster)
{
    return *set_find(s, cluster) & (KIND_L2 | KIND_BLOCK);
}

static void set_put(Qcow2OverlapSet *s, uint64_t cluster, unsigned kind)
{
    uint64_t *slot = set_find(s, cluster);
    s->used += !*slot;
    *slot |= (cluster + 1) << KIND_BITS | kind;
}

void qcow2_overlap_free(Qcow2 *q)
{
    if (q->overlap_set) {
        g_free(q->overlap_set->slots);
        g_free(q->overlap_set->inactive);
        g_clear_pointer(&q->overlap_set, g_free);
    }
}

static int by_start(const void *a, const void *b)
{
    const Range *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

static bool collect_inactive(const Qcow2 *q, Qcow2OverlapSet *s)
{
    s->inactive = g_try_new(Range, q->nb_snapshots);
    if (q->nb_snapshots && !s->inactive) {
        return false;
    }
    for (unsigned i = 0; i < q->nb_snapshots; i++) {
        const Qcow2Snapshot *sn = &q->snapshots[i];
        uint64_t bytes = (uint64_t)sn->l1_size * sizeof(uint64_t);
        if (bytes && sn->l1_table_offset <= UINT64_MAX - bytes) {
            s->inactive[s->n_inactive++] = (Range){ sn->l1_table_offset, sn->l1_table_offset + bytes };
        }
    }
    if (!s->n_inactive) {
        return true;
    }
    qsort(s->inactive, s->n_inactive, sizeof(Range), by_start);
    unsigned last = 0;
    for (unsigned i = 1; i < s->n_inactive; i++) {
        if (s->inactive[i].from <= s->inactive[last].to) {
            s->inactive[last].to = MAX(s->inactive[last].to, s->inactive[i].to);
        } else {
            s->inactive[++last] = s->inactive[i];
        }
    }
    s->n_inactive = last + 1;
    return true;
}

/* Is there one that ends behind r's start and begins before its end? */
static bool inactive_has(const Qcow2OverlapSet *s, const Range *r)
{
    unsigned low = 0, high = s->n_inactive;
    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        if (s->inactive[mid].to <= r->from) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < s->n_inactive && s->inactive[low].from < r->to;
}

static void put_entries(Qcow2 *q, const uint64_t *table, uint64_t n, uint64_t mask, unsigned kind)
{
    for (uint64_t i = 0; i < n; i++) {
        if (table[i] & mask) {
            set_put(q->overlap_set, (table[i] & mask) >> q->cluster_bits, kind);
        }
    }
}

/* False: no memory for it. */
static bool set_build(Qcow2 *q)
{
    uint64_t room = 256, members = (uint64_t)q->l1_size + q->rt_size;
    while (room < members * 3) {
        room *= 2;
    }
    qcow2_overlap_free(q);
    Qcow2OverlapSet *s = q->overlap_set = g_new0(Qcow2OverlapSet, 1);
    s->slots = g_try_new0(uint64_t, room);
    if (!s->slots) {
        qcow2_overlap_free(q);
        return false;
    }
    s->mask = room - 1;
    put_entries(q, q->l1, q->l1_size, QCOW2_L1_OFFSET_MASK, KIND_L2);
    put_entries(q, q->rt, q->rt_size, QCOW2_RT_OFFSET_MASK, KIND_BLOCK);
    if (!collect_inactive(q, s)) {
        qcow2_overlap_free(q);
        return false;
    }
    s->l1 = q->l1;
    s->l1_offset = q->l1_offset;
    s->l1_size = q->l1_size;
    s->snapshots_offset = q->snapshots_offset;
    s->nb_snapshots = q->nb_snapshots;
    return true;
}

static bool set_is_current(const Qcow2 *q)
{
    const Qcow2OverlapSet *s = q->overlap_set;
    return s && s->l1 == q->l1 && s->l1_offset == q->l1_offset && s->l1_size == q->l1_size &&
           s->snapshots_offset == q->snapshots_offset && s->nb_snapshots == q->nb_snapshots;
}

static void note(Qcow2 *q, uint64_t offset, unsigned kind)
{
    Qcow2OverlapSet *s = q->overlap_set;
    if (!s || !offset) {
        return;
    }
    if (s->used * 2 > s->mask) {
        qcow2_overlap_free(q);           /* mostly stale: the next check builds it anew */
        return;
    }
    set_put(s, offset >> q->cluster_bits, kind);
}

void qcow2_overlap_note_l2(Qcow2 *q, uint64_t offset)
{
    note(q, offset, KIND_L2);
}

void qcow2_overlap_note_block(Qcow2 *q, uint64_t offset)
{
    note(q, offset, KIND_BLOCK);
}

/* --- the search ------------------------------------------------------------------------ */

static bool hits(const Range *r, uint64_t offset, uint64_t bytes)
{
    return bytes && offset < r->to && offset + bytes > r->from;
}

static bool table_hits(const Qcow2 *q, const Range *r, const uint64_t *table, uint64_t n, uint64_t mask)
{
    for (uint64_t i = 0; i < n; i++) {
        if ((table[i] & mask) && hits(r, table[i] & mask, q->cluster_size)) {
            return true;
        }
    }
    return false;
}

/* An image that says it has bitmaps, but not where, may have their directory anywhere. */
static bool directory_hit(const Qcow2 *q, const Range *r)
{
    return q->nb_bitmaps ? hits(r, q->bitmaps_ext_offset, q->bitmaps_ext_size) : q->autoclear & QCOW2_AUTOCLEAR_BITMAPS;
}

static bool constant_hit(Qcow2 *q, unsigned kinds, const Range *r, unsigned *hit)
{
    *hit = (kinds & QCOW2_OL_MAIN_HEADER) && r->from < q->cluster_size ? QCOW2_OL_MAIN_HEADER
         : (kinds & QCOW2_OL_ACTIVE_L1) && hits(r, q->l1_offset, (uint64_t)q->l1_size * 8) ? QCOW2_OL_ACTIVE_L1
         : (kinds & QCOW2_OL_REFCOUNT_TABLE) && hits(r, q->rt_offset, (uint64_t)q->rt_clusters << q->cluster_bits)
           ? QCOW2_OL_REFCOUNT_TABLE
         : (kinds & QCOW2_OL_SNAPSHOT_TABLE) && q->nb_snapshots && hits(r, q->snapshots_offset, q->snapshots_bytes)
           ? QCOW2_OL_SNAPSHOT_TABLE
         : (kinds & QCOW2_OL_BITMAP_DIRECTORY) && directory_hit(q, r) ? QCOW2_OL_BITMAP_DIRECTORY : 0;
    return *hit;
}

static unsigned many_hit(Qcow2 *q, unsigned kinds, const Range *r)
{
    if ((kinds & QCOW2_OL_ACTIVE_L2) && table_hits(q, r, q->l1, q->l1_size, QCOW2_L1_OFFSET_MASK)) {
        return QCOW2_OL_ACTIVE_L2;
    }
    if ((kinds & QCOW2_OL_REFCOUNT_BLOCK) && table_hits(q, r, q->rt, q->rt_size, QCOW2_RT_OFFSET_MASK)) {
        return QCOW2_OL_REFCOUNT_BLOCK;
    }
    for (unsigned i = 0; (kinds & QCOW2_OL_INACTIVE_L1) && i < q->nb_snapshots; i++) {
        if (hits(r, q->snapshots[i].l1_table_offset, (uint64_t)q->snapshots[i].l1_size * 8)) {
            return QCOW2_OL_INACTIVE_L1;
        }
    }
    return 0;
}

/* Which of the kinds are worth the search. */
static unsigned maybe_many(Qcow2 *q, unsigned kinds, const Range *r)
{
    uint64_t last = (r->to - 1) >> q->cluster_bits;
    unsigned found = 0;
    if (!set_is_current(q) && !set_build(q)) {
        return kinds;                    /* the long way */
    }
    for (uint64_t c = r->from >> q->cluster_bits; c <= last; c++) {
        found |= set_kinds(q->overlap_set, c);
    }
    return kinds & ((found & KIND_L2 ? QCOW2_OL_ACTIVE_L2 : 0) | (found & KIND_BLOCK ? QCOW2_OL_REFCOUNT_BLOCK : 0) |
                    (inactive_has(q->overlap_set, r) ? QCOW2_OL_INACTIVE_L1 : 0));
}

/* Snapshots' L2 tables: only when asked for (overlap-check.inactive-l2), each L1 is read.  1: hit. */
static int coroutine_fn inactive_l2_hit(Qcow2 *q, const Range *r)
{
    for (unsigned i = 0; i < q->nb_snapshots; i++) {
        const Qcow2Snapshot *sn = &q->snapshots[i];
        uint64_t bytes = (uint64_t)sn->l1_size * sizeof(uint64_t);
        int ret = qcow2_validate_table(q, sn->l1_table_offset, sn->l1_size, sizeof(uint64_t), QCOW2_MAX_L1_BYTES, "", NULL);
        g_autofree uint64_t *l1 = ret == 0 ? g_try_malloc(MAX(bytes, 1)) : NULL;
        if (ret == 0 && bytes) {
            ret = l1 ? bdrv_read_buf(q->bs->file, sn->l1_table_offset, bytes, l1, 0) : -ENOMEM;
        }
        if (ret < 0) {
            return ret;
        }
        for (uint32_t k = 0; k < sn->l1_size; k++) {
            l1[k] = load_be64(&l1[k]);
        }
        if (table_hits(q, r, l1, sn->l1_size, QCOW2_L1_OFFSET_MASK)) {
            return 1;
        }
    }
    return 0;
}

int coroutine_fn qcow2_check_overlap(Qcow2 *q, unsigned ignore, uint64_t offset, uint64_t bytes, bool data_file)
{
    unsigned kinds = q->overlap_check & ~ignore, hit = 0;
    if (!kinds || !bytes || data_file) {
        return 0;
    }
    Range r = { qcow2_cluster_start(q, offset), qcow2_cluster_start(q, offset + bytes - 1) + q->cluster_size };
    if (!constant_hit(q, kinds, &r, &hit) &&
        (kinds & (QCOW2_OL_ACTIVE_L2 | QCOW2_OL_REFCOUNT_BLOCK | QCOW2_OL_INACTIVE_L1))) {
        hit = many_hit(q, maybe_many(q, kinds, &r), &r);
    }
    if (!hit && (kinds & QCOW2_OL_INACTIVE_L2)) {
        int ret = inactive_l2_hit(q, &r);
        if (ret < 0) {
            return ret;
        }
        hit = ret ? QCOW2_OL_INACTIVE_L2 : 0;
    }
    return hit ? qcow2_corrupt(q, true, offset, bytes, "Preventing invalid write on metadata (overlaps with %s)",
                               kind_names[__builtin_ctz(hit)]) : 0;
}

int coroutine_fn qcow2_check_own_place(Qcow2 *q, Qcow2Cache *c, void *table, uint64_t offset)
{
    if (qcow2_cache_place_known(c, table)) {
        return 0;
    }
    int ret = qcow2_check_overlap(q, c == q->l2_cache ? QCOW2_OL_ACTIVE_L2 : QCOW2_OL_REFCOUNT_BLOCK, offset,
                                  q->cluster_size, false);
    if (ret == 0) {
        qcow2_cache_note_place(c, table);
    }
    return ret;
}
