/*
 * qcow2: change of the virtual size, both ways, with preallocation; emptying an image.
 *
 * Growing: tables and clusters first, the size in the header last.  Shrinking: what is cut off
 * is unmapped and the change committed, then the header, then the file's tail; a cut between
 * leaves an image of the old size whose end reads as never written, or leaks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "block/dirty-bitmap.h"
#include "qcow2-commit.h"
#include "qcow2-defer.h"
#include "qcow2-io.h"

#define MOST_AT_ONCE (1u << 19)    /* clusters that are preallocated in one run: their counts are in memory */

/* Put the size into the header; roots otherwise unchanged. */
static int coroutine_fn write_size(Qcow2 *q, uint64_t size)
{
    Qcow2Roots roots = {
        .l1_offset = q->l1_offset, .l1_size = q->l1_size,
        .rt_offset = q->rt_offset, .rt_clusters = q->rt_clusters,
        .snapshots_offset = q->snapshots_offset, .nb_snapshots = qcow2_named_snapshots(q),
        .disk_size = size,
    };
    return qcow2_switch_roots(q, &roots);
}

/* --- shrinking --- */

/* Free the L2 tables past the first `entries` of L1. */
static void cut_l1(Qcow2 *q, uint64_t entries)
{
    for (uint64_t i = entries; i < q->l1_size; i++) {
        uint64_t table = q->l1[i] & QCOW2_L1_OFFSET_MASK;
        if (!table || qcow2_in_cluster(q, table)) {
            continue;
        }
        q->l1[i] = 0;
        qcow2_l1_mark_dirty(q, i);
        qcow2_free_late(q, table, q->cluster_size, QCOW2_DISCARD_ALWAYS);
    }
}

int64_t coroutine_fn qcow2_used_end(Qcow2 *q, int64_t file_len)
{
    for (uint64_t i = qcow2_counted_below(q, qcow2_clusters_for(q, file_len)); i > 0; i = qcow2_counted_below(q, i - 1)) {
        uint64_t count;
        int ret = qcow2_get_refcount(q, i - 1, &count);
        if (ret < 0) {
            return ret;
        }
        if (count) {
            return i << q->cluster_bits;
        }
    }
    return 0;                                /* not even the header is counted */
}

/* Blocks that count nothing are of no use any more, but one that does not even count itself is damaged. */
static int coroutine_fn check_empty_blocks(Qcow2 *q)
{
    for (uint64_t i = 0; i < q->rt_size; i++) {
        uint64_t offset = q->rt[i] & QCOW2_RT_OFFSET_MASK, count;
        void *block;
        if (!offset) {
            continue;
        }
        int ret = qcow2_in_cluster(q, offset) ? -EIO : qcow2_cache_get(q->rb_cache, offset, &block);
        if (ret < 0) {
            return ret;
        }
        bool empty = qcow2_rb_next(q, block, 0, q->rb_entries, false) == q->rb_entries;
        qcow2_cache_put(q->rb_cache, &block);
        ret = empty ? qcow2_get_refcount(q, offset >> q->cluster_bits, &count) : 0;
        if (ret < 0) {
            return ret;
        }
        if (empty && count != 1) {
            uint64_t holder = qcow2_rb_offset(q, offset >> q->cluster_bits >> q->rb_bits);
            qcow2_corrupt(q, true, -1, -1, "Invalid refcount: refblock offset %#" PRIx64 ", reftable index %" PRIu64
                          ", block offset %#" PRIx64 ", refcount %#" PRIx64, offset, i, holder, count);
            return -EINVAL;
        }
    }
    return 0;
}

/* The file's unused tail goes; that it cannot is no reason to fail. */
static int coroutine_fn cut_file(Qcow2 *q, Error **errp)
{
    int64_t len = bdrv_getlength(q->bs->file->bs);
    if (len < 0) {
        error_setg_errno(errp, -len, "Failed to inquire current file length");
        return len;
    }
    int64_t end = qcow2_used_end(q, len);
    if (end == 0) {
        end = qcow2_corrupt(q, true, -1, -1, "There are no references in the refcount table.");
    }
    if (end < 0) {
        error_setg_errno(errp, -end, "Failed to find the last cluster");
        return end;
    }
    if (end < len) {
        Error *err = NULL;
        if (bdrv_truncate(q->bs->file, end, false, PREALLOC_OFF, 0, &err) < 0) {
            warn_report("Failed to truncate the tail of the image: %s", error_get_pretty(err));
            error_free(err);
        }
    }
    return 0;
}

static int coroutine_fn shrink(Qcow2 *q, uint64_t old, uint64_t size, bool exact, Error **errp)
{
    uint64_t keep = ALIGN_UP(size, q->cluster_size), entries = qcow2_l1_entries_for(q, size);
    /* Until the new size is on disk the part that goes shows zeroes, where that can be said, not the backing image. */
    bool full = q->version < 3 || !q->bs->backing;
    int ret = old > keep ? qcow2_discard_clusters(q, keep, old - keep, QCOW2_DISCARD_ALWAYS, full) : 0;
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to discard cropped clusters");
        return ret;
    }
    cut_l1(q, entries);
    ret = qcow2_commit(q, true);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to reduce the number of L2 tables");
        return ret;
    }
    ret = write_size(q, size);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to update the image size");
        return ret;
    }
    if (qcow2_has_data_file(q) && exact) {
        ret = bdrv_truncate(q->data_file, size, false, PREALLOC_OFF, 0, errp);
        if (ret < 0) {
            return ret;
        }
    }
    /* The counts that the cycle lowered have to be on disk before their clusters are cut off. */
    ret = qcow2_commit(q, true);
    if (ret == 0) {
        ret = check_empty_blocks(q);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to discard unused refblocks");
        return ret;
    }
    return cut_file(q, errp);
}

/* --- preallocation --- */

/*
 * Map guest clusters [guest, + n), none of them mapped, to the host clusters from `host` on.  Subclusters stay unallocated.
 * *linked: how many are, also after a failure in a later table.
 */
static int coroutine_fn link_run(Qcow2 *q, uint64_t guest, uint64_t host, uint64_t n, uint64_t *linked)
{
    for (*linked = 0; n;) {
        void *table;
        uint32_t idx;
        int ret = qcow2_l2_for_write(q, guest, &table, &idx);
        if (ret < 0) {
            return ret;
        }
        uint32_t here = MIN(n, q->l2_entries - idx);
        for (uint32_t i = 0; i < here; i++) {
            qcow2_l2_set(q, table, idx + i, (host + ((uint64_t)i << q->cluster_bits)) | QCOW2_OFLAG_COPIED,
                         qcow2_l2_get_bitmap(q, table, idx + i));
        }
        qcow2_cache_mark_dirty(q->l2_cache, table, idx * q->l2_entry_size, here * q->l2_entry_size);
        qcow2_cache_put(q->l2_cache, &table);
        guest += (uint64_t)here << q->cluster_bits;
        host += (uint64_t)here << q->cluster_bits;
        n -= here;
        *linked += here;
    }
    return 0;
}

/* Clusters from guest on (at most n) that nothing is mapped to, within one table; their table is made. */
static int coroutine_fn unmapped_run(Qcow2 *q, uint64_t guest, uint64_t *n, bool *mapped)
{
    void *table;
    uint32_t idx;
    int ret = qcow2_l2_for_write(q, guest, &table, &idx);
    if (ret < 0) {
        return ret;
    }
    uint32_t here = MIN(*n, q->l2_entries - idx), i = 0;
    *mapped = false;
    for (; i < here; i++) {
        Qcow2ClusterType t = qcow2_entry_type(q, qcow2_l2_get(q, table, idx + i));
        bool m = t != QCOW2_UNALLOCATED && t != QCOW2_ZERO_PLAIN;
        if (i == 0) {
            *mapped = m;
        } else if (m != *mapped) {
            break;
        }
    }
    *n = i;
    qcow2_cache_put(q->l2_cache, &table);
    return 0;
}

/* The same over tables that are all there. */
static int coroutine_fn unmapped_stretch(Qcow2 *q, uint64_t guest, uint64_t *n, bool *mapped)
{
    uint64_t most = MIN(*n, MOST_AT_ONCE), done = 0;
    bool here = *mapped = false;
    while (done < most) {
        uint64_t part = most - done;
        int ret = unmapped_run(q, guest + (done << q->cluster_bits), &part, &here);
        if (ret < 0) {
            return ret;
        }
        if (done && here != *mapped) {
            break;
        }
        *mapped = here;
        done += part;
    }
    *n = done;
    return 0;
}

/* Clusters for one unmapped run: in the file, or the same place of an external data file. */
static int64_t coroutine_fn place_run(Qcow2 *q, uint64_t guest, uint64_t n)
{
    if (qcow2_has_data_file(q)) {
        return guest;
    }
    int64_t place = qcow2_alloc(q, n << q->cluster_bits);
    if (place == 0) {
        return qcow2_corrupt(q, true, -1, -1, "Preventing invalid allocation of data cluster at offset 0");
    }
    return place;
}

/* Let the data file reach `end`, filled as mode says where it has to grow. */
static int coroutine_fn reach(Qcow2 *q, uint64_t end, PreallocMode mode, Error **errp)
{
    int64_t len = bdrv_getlength(q->data_file->bs);
    if (len < 0) {
        error_setg_errno(errp, -len, "Failed to inquire current file length");
        return len;
    }
    return (uint64_t)len < end ? bdrv_truncate(q->data_file, end, false, mode, 0, errp) : 0;
}

/* Zero what comes from the file's inside: it holds what it held before.  Then the file reaches the end: no entry leads past it. */
static int coroutine_fn prepare_run(Qcow2 *q, uint64_t host, uint64_t bytes, PreallocMode mode, Error **errp)
{
    int64_t len = bdrv_getlength(q->data_file->bs);
    if (qcow2_has_data_file(q)) {
        return 0;
    }
    if (len > (int64_t)host) {
        int ret = bdrv_zero(q->data_file, host, MIN(bytes, len - host), 0);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not preallocate new data");
            return ret;
        }
    }
    return reach(q, host + bytes, mode, errp);
}

/* All tables of a range, so that the data after them can be one run. */
static int coroutine_fn make_tables(Qcow2 *q, uint64_t guest, uint64_t end)
{
    uint64_t span = (uint64_t)q->l2_entries << q->cluster_bits;
    for (; guest < end; guest = (guest / span + 1) * span) {
        void *table;
        uint32_t idx;
        int ret = qcow2_l2_for_write(q, guest, &table, &idx);
        if (ret < 0) {
            return ret;
        }
        qcow2_cache_put(q->l2_cache, &table);
    }
    return 0;
}

static int coroutine_fn preallocate_locked(Qcow2 *q, uint64_t guest, uint64_t end, PreallocMode mode, Error **errp)
{
    PreallocMode below = mode == PREALLOC_METADATA ? PREALLOC_OFF : mode;
    Error *err = NULL;
    int ret = below == PREALLOC_OFF ? 0 : make_tables(q, guest, end);
    while (ret == 0 && guest < end) {
        uint64_t n = qcow2_clusters_for(q, end - guest);
        bool mapped;
        /* Filling makes each run durable, so there had better be few. */
        ret = below == PREALLOC_OFF ? unmapped_run(q, guest, &n, &mapped) : unmapped_stretch(q, guest, &n, &mapped);
        if (ret == 0 && !mapped) {
            int64_t host = place_run(q, guest, n);
            uint64_t linked = 0;
            ret = MIN(host, 0);
            if (ret == 0) {
                ret = prepare_run(q, host, n << q->cluster_bits, below, &err);
                ret = ret < 0 ? ret : link_run(q, guest, host, n, &linked);
            }
            if (ret < 0 && host > 0 && !qcow2_has_data_file(q)) {
                qcow2_update_refcount(q, host + (linked << q->cluster_bits), (n - linked) << q->cluster_bits, -1,
                                      QCOW2_DISCARD_OTHER);
            }
        }
        guest += n << q->cluster_bits;
    }
    if (ret < 0) {
        if (!err) {
            error_setg_errno(&err, -ret, "Could not preallocate new data");
        }
        error_propagate(errp, err);
    }
    return ret;
}

int coroutine_fn qcow2_preallocate(Qcow2 *q, uint64_t offset, uint64_t new_length, PreallocMode mode, Error **errp)
{
    if (mode == PREALLOC_OFF || offset >= new_length) {
        return 0;
    }
    if (qcow2_has_data_file(q)) {
        int ret = reach(q, new_length, mode == PREALLOC_METADATA ? PREALLOC_OFF : mode, errp);
        if (ret < 0) {
            return ret;
        }
    }
    CO_SCOPED_LOCK(&q->lock);
    return preallocate_locked(q, qcow2_cluster_start(q, offset), new_length, mode, errp);
}

/* --- growing --- */

/* New space over a backing image that is longer: it must not show.  Whole subclusters; the part before by writing. */
static int coroutine_fn hide_backing(Qcow2 *q, uint64_t old, uint64_t size, Error **errp)
{
    uint64_t start = MIN(ALIGN_UP(old, q->subcluster_size), size);
    int ret = 0;
    if (start < size) {
        CO_SCOPED_LOCK(&q->lock);
        ret = qcow2_zeroize(q, start, size - start, 0);
    }
    if (ret == 0 && old < start) {
        g_autofree uint8_t *zeroes = g_try_malloc0(start - old);
        IoVec v;
        iov_init_buf(&v, zeroes, start - old);
        ret = zeroes ? qcow2_co_write(q->bs, old, start - old, &v, 0, 0) : -ENOMEM;
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to zero out new clusters");
    }
    return ret;
}

static int coroutine_fn grow_tables(Qcow2 *q, uint64_t size, Error **errp)
{
    CO_SCOPED_LOCK(&q->lock);
    int ret = qcow2_grow_l1(q, qcow2_l1_entries_for(q, size), true);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to grow the L1 table");
        return ret;
    }
    /* A cache for the size that the image was opened with would hold two tables of a new one: a cycle for each pair. */
    uint64_t tables = qcow2_clusters_for(q, size) * q->l2_entry_size;
    qcow2_cache_grow(q->l2_cache, MIN(tables, q->l2_cache_limit));
    return 0;
}

static int coroutine_fn grow(Qcow2 *q, uint64_t old, uint64_t size, PreallocMode mode, BdrvRequestFlags flags, Error **errp)
{
    int ret = grow_tables(q, size, errp);
    if (ret == 0 && mode == PREALLOC_OFF && qcow2_has_data_file(q)) {
        ret = reach(q, size, PREALLOC_OFF, errp);
    }
    if (ret == 0 && (flags & BDRV_REQ_ZERO_WRITE)) {
        ret = hide_backing(q, old, size, errp);
    }
    if (ret == 0) {
        ret = qcow2_preallocate(q, old, size, mode, errp);
    }
    if (ret < 0) {
        return ret;
    }
    CO_SCOPED_LOCK(&q->lock);
    /* What hides the backing image, or is preallocated, is there before the size that shows it. */
    ret = mode == PREALLOC_OFF && !(flags & BDRV_REQ_ZERO_WRITE) ? 0 : qcow2_commit(q, true);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to flush the preallocated area to disk");
        return ret;
    }
    ret = write_size(q, size);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to update the image size");
    }
    return ret;
}

/* Bitmaps that the file holds have to follow the size.  The one told is the oldest that cannot. */
static bool bitmaps_can_follow(const Qcow2 *q, Error **errp)
{
    BdrvDirtyBitmap *bad = NULL;

    for (BdrvDirtyBitmap *bm = NULL; q->nb_bitmaps && (bm = bdrv_dirty_bitmap_next(q->bs, bm));) {
        if (bdrv_dirty_bitmap_persistent(bm) &&
            bdrv_dirty_bitmap_check(bm, BDRV_BITMAP_BUSY | BDRV_BITMAP_INCONSISTENT, NULL) < 0) {
            bad = bm;
        }
    }
    return !bad || bdrv_dirty_bitmap_check(bad, BDRV_BITMAP_BUSY | BDRV_BITMAP_INCONSISTENT, errp) == 0;
}

int qcow2_check_new_size(const Qcow2 *q, int64_t size, Error **errp)
{
    if (size & (BDRV_SECTOR_SIZE - 1)) {
        error_setg(errp, "The new size must be a multiple of %u", BDRV_SECTOR_SIZE);
        return -EINVAL;
    }
    if (q->nb_snapshots && q->version < 3) {
        error_setg(errp, "Can't resize a v2 image which has snapshots");
        return -ENOTSUP;
    }
    if (!bitmaps_can_follow(q, errp)) {
        return -ENOTSUP;
    }
    if (qcow2_l1_entries_for(q, size) > QCOW2_MAX_L1_BYTES / sizeof(uint64_t)) {
        error_setg_errno(errp, EFBIG, "Failed to grow the L1 table");
        return -EFBIG;
    }
    return 0;
}

/*
 * The machine's state lies behind the disk's end, in tables of its own, and stays there after a snapshot was taken or loaded.
 * It must not become part of a longer disk, nor lose its tables before its clusters.
 */
static int coroutine_fn drop_state(Qcow2 *q, Error **errp)
{
    CO_SCOPED_LOCK(&q->lock);
    unsigned shift = q->l2_bits + q->cluster_bits;
    uint64_t first = q->l1_vm_state_index, i = first;
    while (i < q->l1_size && !q->l1[i]) {
        i++;
    }
    if (i >= q->l1_size) {
        return 0;
    }
    int ret = qcow2_discard_clusters(q, first << shift, (q->l1_size - first) << shift, QCOW2_DISCARD_ALWAYS, true);
    if (ret == 0) {
        cut_l1(q, first);
        ret = qcow2_commit(q, true);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to discard the machine's state behind the disk");
    }
    return ret;
}

int coroutine_fn qcow2_co_truncate(BlockDriverState *bs, int64_t offset, bool exact, PreallocMode prealloc,
                                   BdrvRequestFlags flags, Error **errp)
{
    Qcow2 *q = qcow2_of(bs);
    uint64_t old = bs->total_bytes;
    if (q->broken) {
        error_setg(errp, "No medium inserted");
        return -ENOMEDIUM;
    }
    int ret = qcow2_check_new_size(q, offset, errp);
    if (ret < 0) {
        return ret;
    }
    if ((uint64_t)offset < old) {
        if (prealloc != PREALLOC_OFF) {
            error_setg(errp, "Preallocation can't be used for shrinking an image");
            return -EINVAL;
        }
    }
    ret = drop_state(q, errp);
    if (ret < 0) {
        return ret;
    }
    if ((uint64_t)offset < old) {
        CO_SCOPED_LOCK(&q->lock);
        ret = shrink(q, old, offset, exact, errp);
    } else {
        /* What others put into a raw data file shows only where L2 entries say so: all of them do. */
        bool raw = qcow2_has_data_file(q) && (q->autoclear & QCOW2_AUTOCLEAR_DATA_FILE_RAW);
        ret = grow(q, old, offset, raw ? MAX(prealloc, PREALLOC_METADATA) : prealloc, flags, errp);
    }
    if (ret == 0) {
        q->l1_vm_state_index = qcow2_l1_entries_for(q, offset);
        bdrv_set_length(bs, offset);
    }
    return ret;
}

/* --- emptying --- */

typedef struct MakeEmpty {
    Qcow2 *q;
    int ret;
} MakeEmpty;

static void coroutine_fn make_empty_entry(void *opaque)
{
    MakeEmpty *m = opaque;
    Qcow2 *q = m->q;
    CO_SCOPED_LOCK(&q->lock);
    m->ret = qcow2_discard_clusters(q, 0, q->bs->total_bytes, QCOW2_DISCARD_SNAPSHOT, true);
    if (m->ret == 0) {
        m->ret = qcow2_commit(q, true);
    }
    /* A data file keeps what it has until nothing on disk names it. */
    if (m->ret == 0 && qcow2_has_data_file(q) && q->discard_pass[QCOW2_DISCARD_SNAPSHOT]) {
        bdrv_discard(q->data_file, 0, q->bs->total_bytes);
    }
}

int qcow2_make_empty(BlockDriverState *bs)
{
    MakeEmpty m = { .q = qcow2_of(bs) };
    co_run_sync(make_empty_entry, &m);
    return m.ret;
}

int coroutine_fn qcow2_co_settle(BlockDriverState *bs)
{
    Qcow2 *q = qcow2_of(bs);
    CO_SCOPED_LOCK(&q->lock);
    return qcow2_defer_settle_all(q);
}

int coroutine_fn qcow2_co_flush_to_os(BlockDriverState *bs)
{
    Qcow2 *q = qcow2_of(bs);
    CO_SCOPED_LOCK(&q->lock);
    if (q->broken) {
        return -ENOMEDIUM;
    }
    qcow2_defer_flushed(q);
    qcow2_ahead_note_flush(q);
    int ret = qcow2_defer_settle_all(q);
    return ret < 0 ? ret : qcow2_commit_for_flush(q);
}
