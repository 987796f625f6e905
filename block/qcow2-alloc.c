/*
 * qcow2: finding free clusters, and what it means to free one.
 *
 * First fit from a moving index (q->free_cluster_index), which goes back when a cluster below it
 * becomes free.  Clusters freed late keep their counts until they may be given away, so counts
 * alone decide.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include "qcow2-commit.h"

/* Offsets in L1, L2 and table entries have 56 bits. */
static uint64_t max_clusters(const Qcow2 *q)
{
    return (1ULL << 56) >> q->cluster_bits;
}

int coroutine_fn qcow2_find_free(Qcow2 *q, uint64_t n, uint64_t *first)
{
    uint64_t at = q->free_cluster_index, run = 0, limit = max_clusters(q);
    while (run < n) {
        uint32_t i = at & (q->rb_entries - 1), end = MIN(q->rb_entries, i + (n - run)), used;
        int64_t offset = qcow2_rb_offset(q, at >> q->rb_bits);
        void *block;
        if (at >= limit) {
            return -EFBIG;
        }
        if (offset <= 0) {
            if (offset < 0) {
                return offset;
            }
            run += end - i;
            at += end - i;
            continue;
        }
        int ret = qcow2_cache_get(q->rb_cache, offset, &block);
        if (ret < 0) {
            return ret;
        }
        used = qcow2_rb_next(q, block, i, end, false);
        run += used - i;
        at += used - i;
        if (used < end) {
            run = 0;
            at += qcow2_rb_next(q, block, used, q->rb_entries, true) - used;
        }
        qcow2_cache_put(q->rb_cache, &block);
    }
    *first = at - n;
    q->free_cluster_index = at;
    return 0;
}

int64_t coroutine_fn qcow2_alloc(Qcow2 *q, uint64_t bytes)
{
    uint64_t first, n = qcow2_clusters_for(q, bytes);
    int ret = qcow2_commit_if_much(q);
    if (ret >= 0) {
        bdrv_child_event(q->bs->file, "cluster_alloc");
        ret = n > max_clusters(q) ? -EFBIG : qcow2_find_free(q, n, &first);
    }
    if (ret >= 0) {
        ret = qcow2_update_refcount(q, first << q->cluster_bits, n << q->cluster_bits, 1, QCOW2_DISCARD_NEVER);
    }
    return ret < 0 ? ret : (int64_t)(first << q->cluster_bits);
}

/* How many clusters from first on, at most n and in one block, are free. */
static int coroutine_fn free_here(Qcow2 *q, uint64_t first, uint64_t *n)
{
    uint32_t i = first & (q->rb_entries - 1);
    void *block;
    int64_t offset = qcow2_rb_offset(q, first >> q->rb_bits);
    *n = MIN(*n, q->rb_entries - i);
    if (offset <= 0) {
        return offset;
    }
    int ret = qcow2_cache_get(q->rb_cache, offset, &block);
    if (ret == 0) {
        *n = qcow2_rb_next(q, block, i, i + *n, false) - i;
        qcow2_cache_put(q->rb_cache, &block);
    }
    return ret;
}

int64_t coroutine_fn qcow2_alloc_at(Qcow2 *q, uint64_t offset, uint64_t nb_clusters)
{
    uint64_t first = offset >> q->cluster_bits, n = 0;
    while (n < nb_clusters && first + n < max_clusters(q)) {
        uint64_t part = nb_clusters - n, wanted = MIN(part, q->rb_entries - ((first + n) & (q->rb_entries - 1)));
        int ret = free_here(q, first + n, &part);
        if (ret < 0) {
            return ret;
        }
        n += part;
        if (part < wanted) {
            break;
        }
    }
    if (!n) {
        return 0;
    }
    /* New blocks go behind the run, as they do for other allocations. */
    uint64_t keep = q->free_cluster_index;
    bool next = keep >= first && keep < first + n;
    q->free_cluster_index = MAX(keep, first + n);
    int ret = qcow2_update_refcount(q, offset, n << q->cluster_bits, 1, QCOW2_DISCARD_NEVER);
    if (!next) {
        q->free_cluster_index = MIN(keep, q->free_cluster_index);
    }
    return ret < 0 ? ret : (int64_t)n;
}

/* Can the cluster that ends before the free byte take one more stream of `bytes`? */
static int coroutine_fn tail_usable(Qcow2 *q, uint32_t bytes, bool *fits, bool *may_extend)
{
    uint64_t count, left = q->cluster_size - qcow2_in_cluster(q, q->free_byte_offset);
    *fits = *may_extend = false;
    if (!q->free_byte_offset) {
        return 0;
    }
    int ret = qcow2_get_refcount(q, q->free_byte_offset >> q->cluster_bits, &count);
    if (ret == 0 && count == q->refcount_max) {
        q->free_byte_offset = 0;
    } else if (ret == 0) {
        *fits = left >= bytes;
        *may_extend = !*fits;
    }
    return ret;
}

void qcow2_end_stream_cluster(Qcow2 *q, uint64_t first, uint64_t n)
{
    uint64_t cluster = q->free_byte_offset >> q->cluster_bits;
    if (q->free_byte_offset && cluster >= first && cluster < first + n) {
        q->free_byte_offset = 0;
    }
}

int64_t coroutine_fn qcow2_alloc_bytes(Qcow2 *q, uint32_t bytes)
{
    bool fits, may_extend;
    uint64_t first, offset;
    int ret = qcow2_commit_if_much(q);
    if (ret >= 0) {
        ret = tail_usable(q, bytes, &fits, &may_extend);
    }
    if (ret >= 0 && !fits) {
        ret = qcow2_find_free(q, 1, &first);
    }
    if (ret < 0) {
        return ret;
    }
    offset = q->free_byte_offset;
    if (!fits) {
        uint64_t fresh = first << q->cluster_bits;
        if (!may_extend || qcow2_cluster_start(q, offset) + q->cluster_size != fresh) {
            offset = fresh;
        }
    }
    /* The place of a stream has 62 bits less those for its length. */
    if (offset + bytes > 1ULL << MIN(56, 70 - q->cluster_bits)) {
        return -EFBIG;
    }
    ret = qcow2_update_refcount(q, offset, bytes, 1, QCOW2_DISCARD_NEVER);
    if (ret < 0) {
        return ret;
    }
    q->free_byte_offset = qcow2_in_cluster(q, offset + bytes) ? offset + bytes : 0;
    return offset;
}

void qcow2_free_l2_entry_clusters(Qcow2 *q, uint64_t entry, uint64_t bitmap, Qcow2DiscardType type)
{
    uint64_t offset, bytes;
    switch (qcow2_entry_type(q, entry)) {
    case QCOW2_COMPRESSED:
        qcow2_compressed_place(q, entry, &offset, &bytes);
        qcow2_free_late(q, offset, bytes, type);
        break;
    case QCOW2_NORMAL:
    case QCOW2_ZERO_ALLOC:
        offset = entry & QCOW2_L2_OFFSET_MASK;
        if (qcow2_has_data_file(q)) {
            if (q->discard_pass[type]) {
                bdrv_discard(q->data_file, offset, q->cluster_size);
            }
        } else if (qcow2_in_cluster(q, offset)) {
            qcow2_corrupt(q, false, -1, -1, "Cannot free unaligned cluster %#" PRIx64, offset);
        } else {
            qcow2_free_late(q, offset, q->cluster_size, type);
        }
        break;
    default:
        break;
    }
}
