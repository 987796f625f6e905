/*
 * qcow2: zero clusters and discard.  Both change L2 entries only; what entries named before is
 * freed late, so nothing is lost when the change does not reach the disk.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "block/graph.h"
#include "qcow2.h"
#include "qcow2-io.h"

#define ALL_ZERO_BITMAP 0xffffffff00000000ULL

/* What to do with one cluster's entry: the new one goes to entry and bitmap; true when it differs. */
typedef bool EntryFn(Qcow2 *q, uint64_t guest, uint64_t *entry, uint64_t *bitmap, bool *drop, unsigned flags);

/*
 * What happens to the data in an external data file, where nothing can be freed late: a guest offset has one place for good.  The
 * change of the entry is not on disk yet, so a cut shows the old entry with what is there by then.
 */
typedef enum InDataFile {
    DATA_DISCARD,                    /* the guest gave it up: anything */
    DATA_ZERO,                       /* zeroes, which is what the new entry says */
    DATA_KEEP,                       /* the caller drops it when the change is durable */
} InDataFile;

typedef struct Change {
    EntryFn *fn;
    unsigned flags;
    Qcow2DiscardType type;
    InDataFile data;
    bool punch;                      /* clusters that stay are emptied */
} Change;

static void coroutine_fn free_old(Qcow2 *q, uint64_t entry, uint64_t bitmap, const Change *ch)
{
    Qcow2ClusterType t = qcow2_entry_type(q, entry);
    if (t == QCOW2_UNALLOCATED || t == QCOW2_ZERO_PLAIN) {
        return;
    }
    if (!qcow2_has_data_file(q) || ch->data == DATA_DISCARD) {
        qcow2_free_l2_entry_clusters(q, entry, bitmap, ch->type);
    } else if (ch->data == DATA_ZERO && q->discard_pass[ch->type]) {
        bdrv_zero(q->data_file, entry & QCOW2_L2_OFFSET_MASK, q->cluster_size, BDRV_REQ_MAY_UNMAP | BDRV_REQ_NO_FALLBACK);
    }
}

/* Clusters that a discard left where they are: their content goes, as far as nobody shares it. */
typedef struct Kept { uint64_t host, bytes; } Kept;

static void note_kept(Qcow2 *q, GArray **kept, uint64_t old, uint64_t entry)
{
    uint64_t host = entry & QCOW2_L2_OFFSET_MASK;
    if (!host || !(old & QCOW2_OFLAG_COPIED) || (old & QCOW2_L2_OFFSET_MASK) != host) {
        return;
    }
    if (!*kept) {
        *kept = g_array_new(false, false, sizeof(Kept));
    }
    Kept *last = (*kept)->len ? &g_array_index(*kept, Kept, (*kept)->len - 1) : NULL;
    if (last && last->host + last->bytes == host) {
        last->bytes += q->cluster_size;
    } else {
        Kept one = { host, q->cluster_size };
        g_array_append_val(*kept, one);
    }
}

/* Holes for them.  The claim keeps writes away meanwhile, which would find these places again.  q->lock held. */
static void coroutine_fn punch_kept(Qcow2 *q, const GArray *kept, uint64_t offset, uint64_t bytes)
{
    BdrvChild *data = q->data_file ? q->data_file : q->bs->file;
    Qcow2Claim claim;
    if (!q->discard_pass[QCOW2_DISCARD_REQUEST] || !(data->bs->open_flags & BDRV_O_UNMAP)) {
        return;
    }
    qcow2_claim_begin(q, &claim, offset, offset + ALIGN_UP(bytes, q->cluster_size));
    co_mutex_unlock(&q->lock);
    for (guint i = 0; i < kept->len; i++) {
        const Kept *k = &g_array_index(kept, Kept, i);
        bdrv_discard(data, k->host, k->bytes);
    }
    co_mutex_lock(&q->lock);
    qcow2_claim_end(q, &claim);
}

/* Apply the change to the clusters of [offset, + *bytes) that one table maps and nobody claims.  q->lock held. */
static int coroutine_fn change_table(Qcow2 *q, uint64_t offset, uint64_t *bytes, const Change *ch)
{
    void *table;
    uint32_t idx;
    uint64_t span = (uint64_t)q->l2_entries << q->cluster_bits;
    *bytes = MIN(*bytes, span - (offset & (span - 1)));
    int ret = qcow2_l2_for_write(q, offset, &table, &idx);
    if (ret < 0) {
        return ret;
    }
    ret = qcow2_claim_clip(q, offset, bytes);
    if (ret < 0) {
        qcow2_cache_put(q->l2_cache, &table);
        return ret;
    }
    g_autoptr(GArray) kept = NULL;
    uint32_t n = qcow2_clusters_for(q, *bytes), first = UINT32_MAX, last = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t entry = qcow2_l2_get(q, table, idx + i), bitmap = qcow2_l2_get_bitmap(q, table, idx + i);
        uint64_t old = entry, old_bitmap = bitmap;
        bool drop = false;
        if (!ch->fn(q, offset + ((uint64_t)i << q->cluster_bits), &entry, &bitmap, &drop, ch->flags)) {
            continue;
        }
        qcow2_l2_set(q, table, idx + i, entry, bitmap);
        first = MIN(first, idx + i);
        last = idx + i;
        if (drop) {
            free_old(q, old, old_bitmap, ch);
        } else if (ch->punch) {
            note_kept(q, &kept, old, entry);
        }
    }
    if (first != UINT32_MAX) {
        qcow2_cache_mark_dirty(q->l2_cache, table, first * q->l2_entry_size, (last - first + 1) * q->l2_entry_size);
    }
    qcow2_cache_put(q->l2_cache, &table);
    if (kept) {
        punch_kept(q, kept, offset, *bytes);
    }
    return 0;
}

/* Does anything under offset's L1 entry have to be looked at?  Without a table there is nothing to drop. */
static bool has_table(const Qcow2 *q, uint64_t offset)
{
    uint64_t i = qcow2_l1_index(q, offset);
    return i < q->l1_size && (q->l1[i] & QCOW2_L1_OFFSET_MASK);
}

static int coroutine_fn change_range(Qcow2 *q, uint64_t offset, uint64_t bytes, const Change *ch, bool skip_empty)
{
    uint64_t span = (uint64_t)q->l2_entries << q->cluster_bits;
    while (bytes) {
        uint64_t n = MIN(bytes, span - (offset & (span - 1)));
        if (!skip_empty || has_table(q, offset)) {
            int ret = change_table(q, offset, &n, ch);
            if (ret < 0) {
                return ret;
            }
        }
        offset += n;
        bytes -= n;
    }
    return 0;
}

/* --- zeroes --- */

static bool zero_entry(Qcow2 *q, uint64_t guest, uint64_t *entry, uint64_t *bitmap, bool *drop, unsigned flags)
{
    uint64_t old = *entry, old_bitmap = *bitmap;
    Qcow2ClusterType type = qcow2_entry_type(q, old);
    bool placed = type == QCOW2_NORMAL || type == QCOW2_ZERO_ALLOC;
    bool keep = placed && (!(flags & BDRV_REQ_MAY_UNMAP) || q->discard_no_unref);
    *entry = keep ? old : 0;
    if (q->subclusters > 1) {
        *bitmap = ALL_ZERO_BITMAP;
    } else {
        *entry |= QCOW2_OFLAG_ZERO;
    }
    *drop = !keep;
    return *entry != old || *bitmap != old_bitmap;
}

/* Zero some subclusters of one cluster. */
static int coroutine_fn zero_subclusters(Qcow2 *q, uint64_t offset, unsigned n)
{
    void *table;
    uint32_t idx;
    unsigned sc = qcow2_in_cluster(q, offset) >> q->subcluster_bits;
    for (;;) {
        uint64_t free = 1;
        int ret = qcow2_l2_for_write(q, offset, &table, &idx);
        if (ret < 0) {
            return ret;
        }
        ret = qcow2_claim_clip(q, offset, &free);
        if (ret == 0 && free) {
            break;
        }
        qcow2_cache_put(q->l2_cache, &table);
        if (ret < 0) {
            return ret;
        }
    }
    uint64_t entry = qcow2_l2_get(q, table, idx), bitmap = qcow2_l2_get_bitmap(q, table, idx);
    int ret = 0;
    if (qcow2_entry_type(q, entry) == QCOW2_COMPRESSED) {
        ret = -ENOTSUP;
    } else {
        uint64_t mask = ((1ULL << n) - 1) << sc, now = (bitmap & ~mask) | (mask << 32);
        if (now != bitmap) {
            qcow2_l2_set(q, table, idx, entry, now);
            qcow2_cache_mark_dirty(q->l2_cache, table, idx * q->l2_entry_size, q->l2_entry_size);
        }
    }
    qcow2_cache_put(q->l2_cache, &table);
    return ret;
}

/* Whole subclusters [offset, + bytes) (or up to the disk's end) read as zeroes from now on.  q->lock held. */
int coroutine_fn qcow2_zeroize(Qcow2 *q, uint64_t offset, uint64_t bytes, BdrvRequestFlags flags)
{
    uint64_t end = ALIGN_UP(offset + bytes, q->subcluster_size);
    uint64_t first = MIN(ALIGN_UP(offset, q->cluster_size), end), last = MAX(qcow2_cluster_start(q, end), first);
    int ret = 0;
    if (offset < first) {
        ret = zero_subclusters(q, offset, (first - offset) >> q->subcluster_bits);
    }
    if (ret == 0 && first < last) {
        Change ch = { .fn = zero_entry, .flags = flags, .type = QCOW2_DISCARD_REQUEST, .data = DATA_ZERO };
        ret = change_range(q, first, last - first, &ch, false);
    }
    if (ret == 0 && last < end) {
        ret = zero_subclusters(q, last, (end - last) >> q->subcluster_bits);
    }
    return ret;
}

/* Does [offset, + bytes) of the whole chain read as zeroes, as far as status tells? */
static bool coroutine_fn chain_is_zero(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    bytes = MIN(bytes, bs->total_bytes - offset);
    while (bytes > 0) {
        int64_t n;
        int ret = bdrv_block_status_above(bs, NULL, offset, bytes, &n, NULL, NULL, NULL);
        if (ret < 0 || !(ret & BDRV_BLOCK_ZERO) || n <= 0) {
            return false;
        }
        offset += n;
        bytes -= n;
    }
    return true;
}

/* A part of one subcluster: possible only when the rest of it reads as zeroes anyway. */
static int coroutine_fn widen_partial(BlockDriverState *bs, int64_t *offset, int64_t *bytes)
{
    Qcow2 *q = qcow2_of(bs);
    int64_t start = ALIGN_DOWN(*offset, q->subcluster_size), end = ALIGN_UP(*offset + *bytes, q->subcluster_size);
    if (end - start > q->subcluster_size || !chain_is_zero(bs, start, *offset - start) ||
        !chain_is_zero(bs, *offset + *bytes, end - *offset - *bytes)) {
        return -ENOTSUP;
    }
    *offset = start;
    *bytes = end - start;
    return 0;
}

/*
 * After the look at the rest, under the lock: is the subcluster still one whose rest is zero?  With its table in hand nothing waits
 * between this look and the change, so nobody writes to the rest meanwhile.  *table: NULL, or to be given back after the change.
 */
static int coroutine_fn partial_still_zero(Qcow2 *q, uint64_t offset, void **table)
{
    uint64_t n = 0, host;
    uint32_t idx;
    Qcow2ClusterType type;
    int ret = 0;
    while (ret == 0 && !n) {
        n = q->subcluster_size;
        if (*table) {
            qcow2_cache_put(q->l2_cache, table);
        }
        if (q->version >= 3 || has_table(q, offset)) {
            ret = qcow2_l2_for_write(q, offset, table, &idx);
        }
        ret = ret < 0 ? ret : qcow2_claim_clip(q, offset, &n);
    }
    if (ret < 0) {
        return ret;
    }
    ret = qcow2_map(q, offset, &n, &host, &type);
    if (ret < 0) {
        return ret;
    }
    return type == QCOW2_NORMAL || type == QCOW2_COMPRESSED ? -ENOTSUP : 0;
}

int coroutine_fn qcow2_co_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    Qcow2 *q = qcow2_of(bs);
    bool to_end = offset + bytes == bs->total_bytes;
    bool partial = offset & (q->subcluster_size - 1) || (!to_end && bytes & (q->subcluster_size - 1));
    if (q->broken) {
        return -ENOMEDIUM;
    }
    int ret = partial ? widen_partial(bs, &offset, &bytes) : 0;
    if (ret < 0) {
        return ret;
    }
    if (qcow2_has_data_file(q) && (q->autoclear & QCOW2_AUTOCLEAR_DATA_FILE_RAW)) {
        ret = bdrv_zero(q->data_file, offset, MIN(bytes, bs->total_bytes - offset), flags);
        if (ret < 0) {
            return ret;
        }
    }
    CO_SCOPED_LOCK(&q->lock);
    void *table = NULL;
    if (partial) {
        ret = partial_still_zero(q, offset, &table);
    }
    if (ret == 0 && q->version < 3) {
        /* Version 2 knows no zero clusters; without a backing image an unallocated one is as good. */
        ret = bs->backing ? -ENOTSUP : qcow2_discard_clusters(q, offset, bytes, QCOW2_DISCARD_REQUEST, false);
    } else if (ret == 0) {
        ret = qcow2_zeroize(q, offset, bytes, flags);
    }
    if (table) {
        qcow2_cache_put(q->l2_cache, &table);
    }
    return ret;
}

/* --- discard --- */

enum {
    DISCARD_FULL = 1,                /* let the backing image show through */
    DISCARD_IN_PLACE = 2,            /* clusters stay where they are */
};

static bool discard_entry(Qcow2 *q, uint64_t guest, uint64_t *entry, uint64_t *bitmap, bool *drop, unsigned flags)
{
    uint64_t old = *entry, old_bitmap = *bitmap;
    Qcow2ClusterType type = qcow2_entry_type(q, old);
    bool full = flags & DISCARD_FULL, placed = type == QCOW2_NORMAL || type == QCOW2_ZERO_ALLOC;
    if (full) {
        *entry = *bitmap = 0;
    } else if (q->bs->backing || type != QCOW2_UNALLOCATED) {
        *entry = (flags & DISCARD_IN_PLACE) && placed ? old : 0;
        if (q->subclusters > 1) {
            *bitmap = ALL_ZERO_BITMAP;
        } else if (q->version >= 3) {
            *entry |= QCOW2_OFLAG_ZERO;
        } else {
            *entry = 0;
        }
        *drop = !(*entry & QCOW2_L2_OFFSET_MASK);
        return *entry != old || *bitmap != old_bitmap;
    } else {
        *entry = 0;
        *bitmap = q->subclusters > 1 ? old_bitmap : 0;
    }
    *drop = true;
    return *entry != old || *bitmap != old_bitmap;
}

int coroutine_fn qcow2_discard_clusters(Qcow2 *q, uint64_t offset, uint64_t bytes, Qcow2DiscardType type, bool full)
{
    bool in_place = q->discard_no_unref && type == QCOW2_DISCARD_REQUEST;
    Change ch = { .fn = discard_entry, .flags = (full ? DISCARD_FULL : 0) | (in_place ? DISCARD_IN_PLACE : 0), .type = type, .punch = in_place,
                  .data = type == QCOW2_DISCARD_REQUEST ? DATA_DISCARD : type == QCOW2_DISCARD_ALWAYS ? DATA_ZERO : DATA_KEEP };
    return change_range(q, offset, ALIGN_UP(bytes, q->cluster_size), &ch, full || !q->bs->backing);
}

int coroutine_fn qcow2_co_discard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    Qcow2 *q = qcow2_of(bs);
    if (q->broken) {
        return -ENOMEDIUM;
    }
    /* Version 2 could only let stale backing data shine through. */
    if (q->version < 3 && bs->backing) {
        return -ENOTSUP;
    }
    /* Parts of clusters stay, except the disk's last one when all of it goes. */
    if (qcow2_in_cluster(q, offset) || (qcow2_in_cluster(q, bytes) && offset + bytes != bs->total_bytes)) {
        return -ENOTSUP;
    }
    CO_SCOPED_LOCK(&q->lock);
    return qcow2_discard_clusters(q, offset, bytes, QCOW2_DISCARD_REQUEST, false);
}
