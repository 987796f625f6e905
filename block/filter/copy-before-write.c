/*
 * copy-before-write: what is about to be overwritten in "file" goes to "target" first.  Together the two keep a point
 * in time, which a backup job copies out in the background, and snapshot-access shows.
 *
 * Bitmaps (lock):
 *   done    clusters whose old data is in target: snapshot reads of them go there;
 *   access  clusters that may be read as part of the snapshot; discarded ones may not.
 * A snapshot read of source data is on the list `reads` while it lasts: writes wait for it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "../drivers.h"
#include "block/copy-before-write.h"
#include "block/graph.h"
#include "pass.h"
#include "util/cutils.h"

typedef struct SnapshotRead {
    int64_t offset, bytes;
    CoQueue done;
    struct SnapshotRead *next, *prev;
} SnapshotRead;

typedef struct CopyBeforeWrite {
    BlockCopy *copy;
    BdrvChild *target;
    bool break_snapshot;               /* a failed copy spoils the snapshot, not the guest's write */
    int64_t timeout_ns;                /* 0: none */
    int64_t cluster_size;

    CoMutex lock;
    BdrvDirtyBitmap *access, *done;
    SnapshotRead *reads;
    int snapshot_error;                /* 0, or why the snapshot is lost */
} CopyBeforeWrite;

static const OptDesc cbw_options[] = {
    { "on-cbw-error", OPT_STRING, "break-guest-write or break-snapshot", "break-guest-write" },
    { "cbw-timeout", OPT_NUMBER, "seconds after which a copy has failed, 0: never", "0" },
    { "bitmap.node", OPT_STRING, "node of the bitmap that limits the snapshot", NULL },
    { "bitmap.name", OPT_STRING, "its name", NULL },
    { NULL }
};

/* --- open ----------------------------------------------------------------- */

static int take_policy(CopyBeforeWrite *s, QDict *options, Error **errp)
{
    const char *policy = opt_get_str(options, "on-cbw-error");
    uint64_t seconds = opt_get_number(options, "cbw-timeout", 0);

    if (strcmp(policy, "break-snapshot") && strcmp(policy, "break-guest-write")) {
        error_setg(errp, "Parameter 'on-cbw-error' does not accept value '%s'", policy);
        return -EINVAL;
    }
    if (seconds > UINT32_MAX) {
        error_setg(errp, "Parameter 'cbw-timeout' expects uint32_t");
        return -EINVAL;
    }
    s->break_snapshot = !strcmp(policy, "break-snapshot");
    s->timeout_ns = (int64_t)seconds * 1000000000;
    return 0;
}

static int find_bitmap(QDict *options, BdrvDirtyBitmap **out, Error **errp)
{
    const char *node = opt_get_str(options, "bitmap.node");
    const char *name = opt_get_str(options, "bitmap.name");
    BlockDriverState *bs;

    *out = NULL;
    if (!node && !name) {
        return 0;
    }
    if (!node || !name) {
        error_setg(errp, "Parameter 'bitmap.%s' is missing", node ? "name" : "node");
        return -EINVAL;
    }
    bs = bdrv_lookup_bs(node, node, NULL);
    if (!bs) {
        error_setg(errp, "Node '%s' not found", node);
        return -EINVAL;
    }
    *out = bdrv_find_dirty_bitmap(bs, name);
    if (!*out) {
        error_setg(errp, "Dirty bitmap '%s' not found", name);
        return -EINVAL;
    }
    return bdrv_dirty_bitmap_check(*out, BDRV_BITMAP_ALLOW_RO, errp) < 0 ? -EINVAL : 0;
}

static int make_bitmaps(BlockDriverState *bs, CopyBeforeWrite *s, BdrvDirtyBitmap *bitmap, Error **errp)
{
    s->done = bdrv_create_dirty_bitmap(bs, s->cluster_size, NULL, errp);
    if (!s->done) {
        return -EINVAL;
    }
    bdrv_disable_dirty_bitmap(s->done);
    s->access = bdrv_create_dirty_bitmap(bs, s->cluster_size, NULL, errp);
    if (!s->access) {
        return -EINVAL;
    }
    bdrv_disable_dirty_bitmap(s->access);
    if (bitmap) {
        return bdrv_merge_dirty_bitmap(s->access, block_copy_bitmap(s->copy), NULL, errp) ? 0 : -EINVAL;
    }
    bdrv_set_dirty_bitmap(s->access, 0, bs->total_bytes);
    return 0;
}

static void cbw_close(BlockDriverState *bs)
{
    CopyBeforeWrite *s = bs->opaque;

    if (s->access) {
        bdrv_release_dirty_bitmap(s->access);
    }
    if (s->done) {
        bdrv_release_dirty_bitmap(s->done);
    }
    block_copy_free(s->copy);
    s->access = s->done = NULL;
    s->copy = NULL;
}

static int cbw_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    CopyBeforeWrite *s = bs->opaque;
    BdrvDirtyBitmap *bitmap;
    int ret;

    co_mutex_init(&s->lock);
    ret = take_policy(s, options, errp);
    if (ret == 0) {
        ret = find_bitmap(options, &bitmap, errp);
    }
    if (ret == 0) {
        ret = pass_open_file(bs, errp);
    }
    if (ret < 0) {
        return ret;
    }
    s->target = bdrv_open_child(NULL, bs->options, "target", bs, BDRV_CHILD_DATA, false, errp);
    if (!s->target) {
        return -EINVAL;
    }
    bs->total_bytes = bs->file->bs->total_bytes;
    s->copy = block_copy_new(bs->file, s->target, bitmap, errp);
    if (!s->copy) {
        error_prepend(errp, "Cannot create block-copy-state: ");
        return -EINVAL;
    }
    s->cluster_size = block_copy_cluster_size(s->copy);
    ret = make_bitmaps(bs, s, bitmap, errp);
    if (ret < 0) {
        cbw_close(bs);
    }
    return ret;
}

/*
 * The target may have the source in its backing chain: it shares writes with the guest then.  The source is read for
 * each write, and nobody else may write or resize it, as that would go past us.
 */
static void cbw_child_perm(BlockDriverState *bs, BdrvChild *c, BdrvChildRole role, uint64_t perm, uint64_t shared,
                           uint64_t *nperm, uint64_t *nshared)
{
    if (!(role & BDRV_CHILD_FILTERED)) {
        *nperm = BLK_PERM_WRITE;
        *nshared = BLK_PERM_ALL & ~(uint64_t)BLK_PERM_RESIZE;
        return;
    }
    bdrv_default_perms(bs, c, role, perm, shared, nperm, nshared);
    if (bs->parents) {
        if (perm & BLK_PERM_WRITE) {
            *nperm |= BLK_PERM_CONSISTENT_READ;
        }
        *nshared &= ~(uint64_t)(BLK_PERM_WRITE | BLK_PERM_RESIZE);
    }
}

/* --- the guest's requests --------------------------------------------------- */

/* lock held, dropped while waiting */
static void coroutine_fn wait_for_reads(CopyBeforeWrite *s, int64_t offset, int64_t bytes)
{
    SnapshotRead *r = s->reads;

    while (r) {
        if (r->offset < offset + bytes && offset < r->offset + r->bytes) {
            co_queue_wait(&r->done, &s->lock);
            r = s->reads;
        } else {
            r = r->next;
        }
    }
}

static int coroutine_fn copy_first(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    CopyBeforeWrite *s = bs->opaque;
    int64_t start = ALIGN_DOWN(offset, s->cluster_size);
    int64_t end = ALIGN_UP(offset + bytes, s->cluster_size);
    int ret;

    if (flags & BDRV_REQ_WRITE_UNCHANGED) {
        return 0;
    }
    if (__atomic_load_n(&s->snapshot_error, __ATOMIC_SEQ_CST)) {
        return 0;                      /* nothing left to keep */
    }
    ret = block_copy(s->copy, start, end - start, true, s->timeout_ns);
    if (ret < 0 && !s->break_snapshot) {
        return ret;
    }
    CO_SCOPED_LOCK(&s->lock);
    if (ret < 0) {
        if (!s->snapshot_error) {
            __atomic_store_n(&s->snapshot_error, ret, __ATOMIC_SEQ_CST);
        }
    } else {
        bdrv_set_dirty_bitmap(s->done, start, end - start);
    }
    wait_for_reads(s, start, end - start);
    return 0;
}

static int coroutine_fn cbw_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                     size_t qiov_offset, BdrvRequestFlags flags)
{
    int ret = copy_first(bs, offset, bytes, flags);

    return ret < 0 ? ret : pass_co_write(bs, offset, bytes, qiov, qiov_offset, flags);
}

static int coroutine_fn cbw_co_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    int ret = copy_first(bs, offset, bytes, flags);

    return ret < 0 ? ret : pass_co_zero(bs, offset, bytes, flags);
}

static int coroutine_fn cbw_co_discard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    int ret = copy_first(bs, offset, bytes, 0);

    return ret < 0 ? ret : pass_co_discard(bs, offset, bytes);
}

/* --- the snapshot ----------------------------------------------------------- */

/*
 * Where the snapshot's content of the range's start is, and how far: target, or source.  For source *read is on the
 * list until unlock_read.  NULL: not to be had.
 */
static BdrvChild *coroutine_fn lock_read(BlockDriverState *bs, int64_t offset, int64_t bytes, int64_t *n,
                                         SnapshotRead *read)
{
    CopyBeforeWrite *s = bs->opaque;
    int64_t edge;

    CO_SCOPED_LOCK(&s->lock);
    *n = bytes;
    read->bytes = 0;
    if (s->snapshot_error || bdrv_dirty_bitmap_next_zero(s->access, offset, bytes) != -1) {
        return NULL;
    }
    if (bdrv_dirty_bitmap_get(s->done, offset)) {
        edge = bdrv_dirty_bitmap_next_zero(s->done, offset, bytes);
        *n = edge < 0 ? bytes : edge - offset;
        return s->target;
    }
    edge = bdrv_dirty_bitmap_next_dirty(s->done, offset, bytes);
    *n = edge < 0 ? bytes : edge - offset;
    *read = (SnapshotRead) { .offset = offset, .bytes = *n, .next = s->reads };
    co_queue_init(&read->done);
    if (s->reads) {
        s->reads->prev = read;
    }
    s->reads = read;
    return bs->file;
}

static void coroutine_fn unlock_read(CopyBeforeWrite *s, SnapshotRead *read)
{
    if (read->bytes) {
        CO_SCOPED_LOCK(&s->lock);
        *(read->prev ? &read->prev->next : &s->reads) = read->next;
        if (read->next) {
            read->next->prev = read->prev;
        }
        co_queue_wake_all(&read->done);
    }
}

static int coroutine_fn cbw_co_read_snapshot(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                             size_t qiov_offset)
{
    while (bytes > 0) {
        SnapshotRead read;
        int64_t n;
        BdrvChild *from = lock_read(bs, offset, bytes, &n, &read);
        int ret;

        if (!from) {
            return -EACCES;
        }
        ret = bdrv_read(from, offset, n, qiov, qiov_offset, 0);
        unlock_read(bs->opaque, &read);
        if (ret < 0) {
            return ret;
        }
        bytes -= n;
        offset += n;
        qiov_offset += n;
    }
    return 0;
}

static int coroutine_fn cbw_co_snapshot_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                                               int64_t *pnum, int64_t *map, BlockDriverState **file)
{
    CopyBeforeWrite *s = bs->opaque;
    SnapshotRead read;
    int64_t n;
    BdrvChild *from = lock_read(bs, offset, bytes, &n, &read);
    int ret;

    if (!from) {
        return -EACCES;
    }
    ret = bdrv_block_status_above(from->bs, from == s->target ? bdrv_filter_or_cow_bs(from->bs) : NULL, offset, n,
                                  pnum, map, file, NULL);
    if (from == s->target && !(ret < 0)) {
        ret |= BDRV_BLOCK_ALLOCATED;   /* copied there: what is not allocated reads as zeroes */
        if (!(ret & BDRV_BLOCK_DATA)) {
            ret |= BDRV_BLOCK_ZERO;
        }
    }
    unlock_read(s, &read);
    return ret;
}

static int coroutine_fn cbw_co_discard_snapshot(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    CopyBeforeWrite *s = bs->opaque;
    int64_t start = ALIGN_UP(offset, s->cluster_size);
    int64_t end = ALIGN_DOWN(offset + bytes, s->cluster_size);

    if (start >= end) {
        return 0;
    }
    co_mutex_lock(&s->lock);
    bdrv_reset_dirty_bitmap(s->access, start, end - start);
    bdrv_reset_dirty_bitmap(block_copy_bitmap(s->copy), start, end - start);
    co_mutex_unlock(&s->lock);
    return bdrv_discard(s->target, start, end - start);
}

/* It shows what the source shows, under the source's name. */
static void cbw_refresh_filename(BlockDriverState *bs)
{
    g_free(bs->exact_filename);
    bs->exact_filename = g_strdup(bs->file->bs->filename);
}

static const BlockDriver copy_before_write_driver = {
    .name = "copy-before-write",
    .instance_size = sizeof(CopyBeforeWrite),
    .is_filter = true,
    .open_options = cbw_options,
    .open = cbw_open,
    .close = cbw_close,
    .child_perm = cbw_child_perm,
    .refresh_filename = cbw_refresh_filename,
    .co_read = pass_co_read,
    .co_write = cbw_co_write,
    .co_zero = cbw_co_zero,
    .co_discard = cbw_co_discard,
    .co_flush_to_disk = pass_co_flush,
    .getlength = pass_getlength,
    .co_block_status = pass_co_block_status,
    .co_read_snapshot = cbw_co_read_snapshot,
    .co_snapshot_status = cbw_co_snapshot_status,
    .co_discard_snapshot = cbw_co_discard_snapshot,
};

void bdrv_copy_before_write_register(void)
{
    bdrv_register(&copy_before_write_driver);
}

/* --- for jobs --------------------------------------------------------------- */

BlockDriverState *bdrv_cbw_append(BlockDriverState *source, BlockDriverState *target, const char *filter_node_name,
                                  BlockCopy **copy, Error **errp)
{
    QDict *opts = qdict_new();
    BlockDriverState *top;

    qdict_put_str(opts, "driver", "copy-before-write");
    if (filter_node_name) {
        qdict_put_str(opts, "node-name", filter_node_name);
    }
    qdict_put_str(opts, "file", bdrv_get_node_name(source));
    qdict_put_str(opts, "target", bdrv_get_node_name(target));
    top = bdrv_insert_node(source, opts, BDRV_O_RDWR, errp);
    if (top) {
        *copy = ((CopyBeforeWrite *)top->opaque)->copy;
    }
    return top;
}

void bdrv_cbw_drop(BlockDriverState *cbw)
{
    BlockDriverState *source = cbw->file->bs;

    bdrv_drained_begin(source);
    bdrv_replace_node(cbw, source, &error_abort);
    bdrv_unref(cbw);
    bdrv_drained_end(source);
}
