/*
 * qcow2: reference counts: entries of all widths, blocks and the table that names them.
 *
 * A block that is needed is made at once in memory and dirty in its cache; the commit cycle
 * writes blocks before the table names them.  A new block lies behind the clusters that it was
 * made for, and counts itself where it can.  A table that grows gets a new place, which becomes
 * the root with the next cycle; until then q->rt_offset and q->rt_clusters tell of the old one,
 * while q->rt and q->rt_size are the new one's.
 *
 * All functions: q->lock held.  It is not dropped but in qcow2_refcount_open's reads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "qcow2-commit.h"
#include "qcow2-io.h"
#include "qcow2-vector.h"
#include "util/iov.h"

/* --- entries -------------------------------------------------------------------------- */

uint64_t qcow2_rb_get(const Qcow2 *q, const void *block, uint32_t i)
{
    const uint8_t *p = block;
    switch (q->refcount_order) {
    case 3: return p[i];
    case 4: return load_be16(p + (size_t)i * 2);
    case 5: return load_be32(p + (size_t)i * 4);
    case 6: return load_be64(p + (size_t)i * 8);
    default:
        return (p[i >> (3 - q->refcount_order)] >> ((i << q->refcount_order) & 7)) & q->refcount_max;
    }
}

void qcow2_rb_set(const Qcow2 *q, void *block, uint32_t i, uint64_t value)
{
    uint8_t *p = block;
    switch (q->refcount_order) {
    case 3: p[i] = value; break;
    case 4: store_be16(p + (size_t)i * 2, value); break;
    case 5: store_be32(p + (size_t)i * 4, value); break;
    case 6: store_be64(p + (size_t)i * 8, value); break;
    default: {
        unsigned shift = (i << q->refcount_order) & 7;
        uint8_t *byte = &p[i >> (3 - q->refcount_order)];
        *byte = (*byte & ~(q->refcount_max << shift)) | (value << shift);
    }
    }
}

/* Is one of the entries in a word zero?  Widths from 8 bits on. */
static bool word_has_zero(uint64_t word, unsigned order)
{
    static const uint64_t low[] = { [3] = 0x0101010101010101, [4] = 0x0001000100010001, [5] = 0x0000000100000001, [6] = 1 };
    return (word - low[order]) & ~word & (low[order] << ((1u << order) - 1));
}

/* From i on, past whole words in which no entry can be the one looked for. */
static uint32_t skip_words(const Qcow2 *q, const void *block, uint32_t i, uint32_t to, bool zero)
{
    unsigned order = q->refcount_order;
    uint32_t per_word = 64 >> order;
    const uint8_t *p = (const uint8_t *)block + ((uint64_t)i << order) / 8;
    if (zero && order == 4) {
        uint32_t used = qcow2_counts16_skip_used(p, to - i);
        i += used;
        p += (size_t)used * 2;
    }
    for (; i + per_word <= to; i += per_word, p += 8) {
        uint64_t word = load_be64(p);
        if (!zero ? word != 0 : order < 3 ? word != UINT64_MAX : word_has_zero(word, order)) {
            break;
        }
    }
    return i;
}

uint32_t qcow2_rb_next(const Qcow2 *q, const void *block, uint32_t from, uint32_t to, bool zero)
{
    uint32_t per_word = 64 >> q->refcount_order;
    for (uint32_t i = from; i < to; i++) {
        if (i % per_word == 0) {
            i = skip_words(q, block, i, to, zero);
            if (i >= to) {
                break;
            }
        }
        if ((qcow2_rb_get(q, block, i) == 0) == zero) {
            return i;
        }
    }
    return to;
}

/* Entries of the table in bytes [from, to) of a block, for marking dirty. */
static void mark_entries(Qcow2 *q, void *block, uint32_t first, uint32_t n)
{
    uint32_t from = ((uint64_t)first << q->refcount_order) / 8;
    uint32_t last = (((uint64_t)(first + n) << q->refcount_order) - 1) / 8;
    qcow2_cache_mark_dirty(q->rb_cache, block, from, last - from + 1);
}

/* --- blocks ------------------------------------------------------------------------------ */

int64_t qcow2_rb_offset(Qcow2 *q, uint64_t bi)
{
    uint64_t entry = bi < q->rt_size ? q->rt[bi] : 0, offset = entry & QCOW2_RT_OFFSET_MASK;
    if (qcow2_in_cluster(q, offset)) {
        return qcow2_corrupt(q, true, -1, -1, "Refblock offset %#" PRIx64 " unaligned (reftable index: %#" PRIx64 ")",
                             offset, bi);
    }
    return offset <= INT64_MAX ? (int64_t)offset : -EIO;
}

/* The block that counts clusters of index bi; *block NULL when there is none. */
static int coroutine_fn get_block(Qcow2 *q, uint64_t bi, void **block)
{
    int64_t offset = qcow2_rb_offset(q, bi);
    *block = NULL;
    return offset <= 0 ? (int)offset : qcow2_cache_get(q->rb_cache, offset, block);
}

/* The same, to be changed: refused where it lies on other metadata. */
static int coroutine_fn get_block_for_update(Qcow2 *q, uint64_t bi, void **block)
{
    int ret = get_block(q, bi, block);
    if (ret == 0 && *block) {
        ret = qcow2_check_own_place(q, q->rb_cache, *block, qcow2_rb_offset(q, bi));
        if (ret < 0) {
            qcow2_cache_put(q->rb_cache, block);
        }
    }
    return ret;
}

uint64_t qcow2_counted_below(const Qcow2 *q, uint64_t clusters)
{
    uint64_t i = MIN((uint64_t)q->rt_size, DIV_UP(clusters, q->rb_entries));
    while (i > 0 && !q->rt[i - 1]) {
        i--;
    }
    return MIN(clusters, i << q->rb_bits);
}

int coroutine_fn qcow2_get_refcount(Qcow2 *q, uint64_t cluster, uint64_t *count)
{
    void *block;
    *count = 0;
    int ret = get_block(q, cluster >> q->rb_bits, &block);
    if (ret == 0 && block) {
        *count = qcow2_rb_get(q, block, cluster & (q->rb_entries - 1));
        qcow2_cache_put(q->rb_cache, &block);
    }
    return ret;
}

/* Put one reference on cluster; its block is there and it is free. */
static int coroutine_fn count_one(Qcow2 *q, uint64_t cluster)
{
    void *block;
    uint32_t i = cluster & (q->rb_entries - 1);
    int ret = get_block_for_update(q, cluster >> q->rb_bits, &block);
    if (ret < 0) {
        return ret;
    }
    qcow2_rb_set(q, block, i, 1);
    mark_entries(q, block, i, 1);
    qcow2_cache_put(q->rb_cache, &block);
    return 0;
}

/* Put an empty block for index bi into cluster, and its place into the table. */
static int coroutine_fn place_block(Qcow2 *q, uint64_t bi, uint64_t cluster)
{
    void *block;
    uint64_t offset = cluster << q->cluster_bits;
    bdrv_child_event(q->bs->file, "refblock_alloc");
    int ret = qcow2_check_overlap(q, 0, offset, q->cluster_size, false);
    if (ret == 0 && bi * sizeof(uint64_t) < (uint64_t)q->rt_clusters << q->cluster_bits) {   /* else it gets a new place */
        ret = qcow2_check_overlap(q, QCOW2_OL_REFCOUNT_TABLE, q->rt_offset + bi * sizeof(uint64_t), sizeof(uint64_t), false);
    }
    if (ret == 0) {
        ret = qcow2_cache_get_new(q->rb_cache, offset, &block);
    }
    if (ret < 0) {
        return ret;
    }
    qcow2_cache_mark_dirty(q->rb_cache, block, 0, q->cluster_size);
    qcow2_cache_put(q->rb_cache, &block);
    q->rt[bi] = offset;
    qcow2_rt_mark_dirty(q, bi);
    return 0;
}

int qcow2_lengthen_table(uint64_t **table, uint64_t have, uint64_t want)
{
    if (want > QCOW2_MAX_REFTABLE_BYTES / sizeof(uint64_t)) {
        return -EFBIG;
    }
    uint64_t *longer = g_try_realloc_n(*table, want, sizeof(uint64_t));
    if (!longer) {
        return -ENOMEM;
    }
    memset(longer + have, 0, (want - have) * sizeof(uint64_t));
    *table = longer;
    return 0;
}

/* More entries in q->rt; the table's new place is found afterwards. */
static int grow_in_memory(Qcow2 *q, uint64_t min_entries, uint64_t *clusters)
{
    uint64_t per_cluster = q->cluster_size / sizeof(uint64_t), max = QCOW2_MAX_REFTABLE_BYTES / sizeof(uint64_t);
    uint64_t entries = MIN(ALIGN_UP(MAX(min_entries, q->rt_size + q->rt_size / 2), per_cluster), max);
    int ret = qcow2_lengthen_table(&q->rt, q->rt_size, MAX(entries, min_entries));
    if (ret == 0) {
        q->rt_size = entries;
        *clusters = DIV_UP(entries, per_cluster);
    }
    return ret;
}

/*
 * Give index bi a block.  Its cluster is the next free one; when nothing counts that cluster yet,
 * it becomes the block which does, and the search goes on.
 */
static int coroutine_fn make_block(Qcow2 *q, uint64_t bi)
{
    while (!q->rt[bi]) {
        uint64_t cluster, holder;
        int ret = qcow2_find_free(q, 1, &cluster);
        if (ret < 0) {
            return ret;
        }
        holder = cluster >> q->rb_bits;
        if (holder >= q->rt_size) {
            return -EFBIG;
        }
        ret = place_block(q, q->rt[holder] ? bi : holder, cluster);
        if (ret == 0) {
            ret = count_one(q, cluster);
        }
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

static int coroutine_fn grow_table(Qcow2 *q, uint64_t min_entries)
{
    uint64_t clusters, first;
    /* Room for the blocks behind and for the table itself, so that finding its place cannot grow it again. */
    uint64_t spare = 2 + DIV_UP(q->rt_size * 2 * sizeof(uint64_t), (uint64_t)q->cluster_size * q->rb_entries);
    bdrv_child_event(q->bs->file, "reftable_grow");
    int ret = grow_in_memory(q, min_entries + spare, &clusters);
    if (ret == 0) {
        ret = qcow2_find_free(q, clusters, &first);
    }
    if (ret == 0) {
        ret = qcow2_reserve_blocks(q, first, clusters);
    }
    if (ret == 0) {
        ret = qcow2_check_overlap(q, 0, first << q->cluster_bits, clusters << q->cluster_bits, false);
    }
    if (ret == 0) {
        ret = qcow2_update_refcount(q, first << q->cluster_bits, clusters << q->cluster_bits, 1, QCOW2_DISCARD_NEVER);
    }
    if (ret == 0) {
        qcow2_rt_move(q, first << q->cluster_bits, clusters);
    }
    return ret;
}

int coroutine_fn qcow2_reserve_blocks(Qcow2 *q, uint64_t first, uint64_t n)
{
    uint64_t last = (first + n - 1) >> q->rb_bits;
    if (last >= q->rt_size) {
        int ret = grow_table(q, last + 1);
        if (ret < 0) {
            return ret;
        }
    }
    for (uint64_t bi = first >> q->rb_bits; bi <= last; bi++) {
        int64_t offset = qcow2_rb_offset(q, bi);
        int ret = offset < 0 ? (int)offset : offset == 0 ? make_block(q, bi) : 0;
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

int coroutine_fn qcow2_refcount_reserve(Qcow2 *q, uint64_t cluster)
{
    uint64_t keep = q->free_cluster_index;
    q->free_cluster_index = MAX(keep, cluster + 1);
    int ret = qcow2_reserve_blocks(q, cluster, 1);
    q->free_cluster_index = MIN(keep, q->free_cluster_index);
    return ret;
}

/* --- changing counts -------------------------------------------------------------------- */

static void cluster_is_free(Qcow2 *q, uint64_t cluster)
{
    uint64_t offset = cluster << q->cluster_bits;
    qcow2_cache_discard(q->rb_cache, offset);
    qcow2_cache_discard(q->l2_cache, offset);
    q->free_cluster_index = MIN(q->free_cluster_index, cluster);
    qcow2_end_stream_cluster(q, cluster, 1);
    qcow2_not_virgin(q, offset + q->cluster_size);       /* also what a write that failed left there */
}

/* Add delta to entries [i, i + *n) of a block; on failure *n tells how many were changed. */
static int change_entries(Qcow2 *q, void *block, uint64_t cluster, uint32_t i, uint32_t *n, int64_t delta)
{
    for (uint32_t k = 0; k < *n; k++) {
        uint64_t count = qcow2_rb_get(q, block, i + k);
        bool bad = delta < 0 ? count < -(uint64_t)delta : (uint64_t)delta > q->refcount_max - count;
        if (bad) {
            *n = k;
            return -EINVAL;
        }
        count += delta;
        qcow2_rb_set(q, block, i + k, count);
        if (!count) {
            cluster_is_free(q, cluster + k);
        }
    }
    return 0;
}

/* Change counts of [first, first + *n), whose blocks are there; on failure *n: how many were done. */
static int coroutine_fn change_counts(Qcow2 *q, uint64_t first, uint64_t *n, int64_t delta)
{
    uint64_t done = 0;
    while (done < *n) {
        void *block;
        uint64_t cluster = first + done;
        uint32_t i = cluster & (q->rb_entries - 1), part = MIN(*n - done, q->rb_entries - i);
        int ret = get_block_for_update(q, cluster >> q->rb_bits, &block);
        if (ret == 0 && !block) {
            ret = -EINVAL;               /* lowering what nothing counts */
        }
        if (ret < 0) {
            *n = done;
            return ret;
        }
        bdrv_child_event(q->bs->file, "refblock_update_part");
        ret = change_entries(q, block, cluster, i, &part, delta);
        if (part) {
            mark_entries(q, block, i, part);
        }
        qcow2_cache_put(q->rb_cache, &block);
        done += part;
        if (ret < 0) {
            *n = done;
            return ret;
        }
    }
    return 0;
}

int coroutine_fn qcow2_lower_now(Qcow2 *q, uint64_t first, uint64_t n)
{
    int ret = 0;
    /* A bad count must not keep the rest from being freed. */
    while (n) {
        uint64_t done = n;
        int one = change_counts(q, first, &done, -1);
        ret = ret ? ret : one;
        if (one < 0) {
            done++;
        }
        first += done;
        n -= done;
    }
    return ret;
}

int coroutine_fn qcow2_update_refcount(Qcow2 *q, uint64_t offset, uint64_t bytes, int64_t delta, Qcow2DiscardType type)
{
    if (!bytes || !delta) {
        return 0;
    }
    uint64_t first = offset >> q->cluster_bits, n = ((offset + bytes - 1) >> q->cluster_bits) - first + 1, done = n;
    if (delta < 0 && qcow2_commit_running(q)) {
        /* A write of the old content may be under way. */
        for (; delta; delta++) {
            qcow2_free_late(q, offset, bytes, type);
        }
        return 0;
    }
    int ret = delta > 0 ? qcow2_reserve_blocks(q, first, n) : 0;
    if (ret < 0) {
        return ret;
    }
    ret = change_counts(q, first, &done, delta);
    if (ret < 0 && done) {
        change_counts(q, first, &done, -delta);
    }
    return ret;
}

/* --- open and close ------------------------------------------------------------------------ */

static int coroutine_fn read_table(Qcow2 *q, Error **errp)
{
    uint64_t bytes = (uint64_t)q->rt_size * sizeof(uint64_t);
    q->rt = g_try_malloc(bytes);
    if (!q->rt) {
        error_setg(errp, "Could not initialize refcount handling: %s", strerror(ENOMEM));
        return -ENOMEM;
    }
    bdrv_child_event(q->bs->file, "reftable_load");
    int ret = bdrv_read_buf(q->bs->file, q->rt_offset, bytes, q->rt, 0);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not initialize refcount handling");
        return ret;
    }
    for (uint32_t i = 0; i < q->rt_size; i++) {
        q->rt[i] = load_be64(&q->rt[i]);
    }
    buffer_drop_zeroes(q->rt, bytes);
    return 0;
}

int coroutine_fn qcow2_refcount_open(Qcow2 *q, const Qcow2Header *h, Error **errp)
{
    q->rt_offset = h->refcount_table_offset;
    q->rt_clusters = h->refcount_table_clusters;
    q->rt_size = ((uint64_t)q->rt_clusters << q->cluster_bits) / sizeof(uint64_t);
    q->free_cluster_index = 0;
    q->free_byte_offset = 0;
    q->rb_cache = qcow2_cache_new(q, q->refcount_cache_bytes, "refcount");
    q->commit = qcow2_commit_new();
    return q->rt_size ? read_table(q, errp) : 0;
}

void qcow2_refcount_close(Qcow2 *q)
{
    qcow2_cache_free(q->rb_cache);
    qcow2_commit_free(q->commit);
    qcow2_overlap_free(q);
    g_clear_pointer(&q->rt, g_free);
    q->rb_cache = NULL;
    q->commit = NULL;
}
