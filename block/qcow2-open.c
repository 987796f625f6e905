/*
 * qcow2: opening, reopening and closing a node, and the driver table.
 *
 *   bytes -> Qcow2Header, Qcow2Extensions   read_header()      no state is touched
 *   header -> geometry, names               adopt_header()     fixed part of Qcow2
 *   options -> Qcow2Options                 qcow2_options_parse/_apply
 *   tables: L1, refcounts, snapshots        load_tables()      in a coroutine
 *   dirty bit left by a crash               repair_dirty()     read-write opens only
 *
 * Children are opened outside coroutines, in the main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "qcow2-bitmap.h"
#include "qcow2-crypt.h"
#include "qcow2-header.h"
#include "qcow2-io.h"
#include "qcow2-open.h"
#include "qcow2-options.h"
#include "util/iov.h"

/* Everything read from the header cluster, before it becomes state. */
typedef struct HeaderImage {
    Qcow2Header h;
    Qcow2Extensions ext;
    char *backing_file;
    uint8_t *unknown_fields;
    size_t unknown_len;
} HeaderImage;

static void header_image_clear(HeaderImage *hi)
{
    qcow2_extensions_clear(&hi->ext);
    g_free(hi->backing_file);
    g_free(hi->unknown_fields);
}

static int qcow2_probe(const uint8_t *buf, int buf_size, const char *filename)
{
    if (buf_size < 8 || load_be32(buf) != QCOW2_MAGIC) {
        return 0;
    }
    return load_be32(buf + 4) >= 2 ? 100 : 0;
}

/* Read n bytes, what lies past the end of the file as zeroes. */
static int read_padded(BdrvChild *file, uint64_t offset, uint64_t n, void *buf)
{
    int64_t len = bdrv_getlength(file->bs);
    uint64_t have = len > 0 && offset < (uint64_t)len ? MIN(n, (uint64_t)len - offset) : 0;

    if (len < 0) {
        return len;
    }
    memset((uint8_t *)buf + have, 0, n - have);
    return have ? bdrv_read_buf(file, offset, have, buf, 0) : 0;
}

static int parse_header_cluster(const uint8_t *buf, size_t len, int flags, HeaderImage *hi, Error **errp)
{
    int ret = qcow2_header_parse(buf, len, &hi->h, errp);

    if (ret < 0) {
        return ret;
    }
    if ((hi->h.incompatible & QCOW2_INCOMPAT_CORRUPT) && (flags & BDRV_O_RDWR) && !(flags & BDRV_O_CHECK)) {
        error_setg(errp, "qcow2: Image is corrupt; cannot be opened read/write");
        return -EACCES;
    }
    ret = qcow2_header_check_tables(&hi->h, flags & BDRV_O_CHECK, errp);
    if (ret == 0) {
        ret = qcow2_extensions_parse(buf, len, &hi->h, &hi->ext, errp);
    }
    if (ret < 0) {
        return ret;
    }
    hi->backing_file = qcow2_backing_name_parse(buf, len, &hi->h, errp);
    if (!hi->backing_file) {
        return -EINVAL;
    }
    if (hi->h.header_length > QCOW2_HEADER_V3_BYTES) {
        hi->unknown_len = hi->h.header_length - QCOW2_HEADER_V3_BYTES;
        hi->unknown_fields = g_memdup2(buf + QCOW2_HEADER_V3_BYTES, hi->unknown_len);
    }
    return 0;
}

static int read_header(BdrvChild *file, int flags, HeaderImage *hi, Error **errp)
{
    g_autofree uint8_t *buf = g_malloc(QCOW2_FIRST_SECTOR);
    uint32_t cluster_bits;
    int ret = read_padded(file, 0, QCOW2_FIRST_SECTOR, buf);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not read qcow2 header");
        return ret;
    }
    ret = qcow2_header_start(buf, QCOW2_FIRST_SECTOR, &cluster_bits, errp);
    if (ret < 0) {
        return ret;
    }
    g_free(buf);
    buf = g_try_malloc(1u << cluster_bits);
    ret = buf ? read_padded(file, 0, 1u << cluster_bits, buf) : -ENOMEM;
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not read qcow2 header");
        return ret;
    }
    return parse_header_cluster(buf, 1u << cluster_bits, flags, hi, errp);
}

void qcow2_set_geometry(Qcow2 *q, const Qcow2Header *h)
{
    bool extended = h->incompatible & QCOW2_INCOMPAT_EXTL2;

    q->version = h->version;
    q->cluster_bits = h->cluster_bits;
    q->cluster_size = 1u << h->cluster_bits;
    q->l2_entry_size = extended ? 16 : 8;
    q->l2_bits = h->cluster_bits - (extended ? 4 : 3);
    q->l2_entries = 1u << q->l2_bits;
    q->subclusters = extended ? 32 : 1;
    q->subcluster_bits = h->cluster_bits - (extended ? 5 : 0);
    q->subcluster_size = 1u << q->subcluster_bits;
    q->refcount_order = h->refcount_order;
    q->refcount_bits = 1u << h->refcount_order;
    q->refcount_max = UINT64_MAX >> (64 - q->refcount_bits);
    q->rb_bits = h->cluster_bits + 3 - h->refcount_order;
    q->rb_entries = 1u << q->rb_bits;
    q->incompatible = h->incompatible;
    q->compatible = h->compatible;
    q->autoclear = h->autoclear;
    q->crypt = h->crypt_method;
    q->compression = h->compression_type;
}

/* Takes over what hi owns. */
static void adopt_header(BlockDriverState *bs, HeaderImage *hi)
{
    Qcow2 *q = qcow2_of(bs);
    const Qcow2Header *h = &hi->h;

    qcow2_set_geometry(q, h);
    q->l1_offset = h->l1_table_offset;
    q->l1_size = h->l1_size;
    q->l1_vm_state_index = qcow2_l1_entries_for(q, h->size);
    q->snapshots_offset = h->snapshots_offset;
    q->unknown_header_fields = g_steal_pointer(&hi->unknown_fields);
    q->unknown_header_len = hi->unknown_len;
    q->unknown_ext = g_steal_pointer(&hi->ext.unknown);
    q->nb_unknown_ext = hi->ext.nb_unknown;
    hi->ext.nb_unknown = 0;
    q->data_file_name = g_steal_pointer(&hi->ext.data_file_name);
    q->crypto_header_offset = hi->ext.crypto_offset;
    q->crypto_header_len = hi->ext.crypto_len;
    q->nb_bitmaps = hi->ext.nb_bitmaps;
    q->bitmaps_ext_offset = hi->ext.bitmaps_offset;
    q->bitmaps_ext_size = hi->ext.bitmaps_size;
    bs->encrypted = q->crypt != QCOW2_CRYPT_NONE;
    bdrv_set_length(bs, ALIGN_DOWN(h->size, BDRV_SECTOR_SIZE));
    g_free(bs->backing_file);
    g_free(bs->auto_backing_file);
    bs->backing_file = g_strdup(hi->backing_file);
    bs->auto_backing_file = g_steal_pointer(&hi->backing_file);
    if (hi->ext.backing_format) {
        g_free(bs->backing_format);
        bs->backing_format = g_steal_pointer(&hi->ext.backing_format);
    }
    if (hi->ext.stale_bitmaps) {
        Error *warning = NULL;

        if (h->version < 3) {
            error_setg(&warning, "This qcow2 v2 image contains bitmaps, but they may have been modified by a program "
                       "without persistent bitmap support; so now they must all be considered inconsistent");
        } else {
            error_setg(&warning, "a program lacking bitmap support modified this file, so all bitmaps are now considered "
                       "inconsistent");
        }
        /* The peer ends no line here either. */
        error_append_hint(&warning, "Some clusters may be leaked, run 'qemu-img check -r' on the image file to fix.");
        warn_report_err(warning);
    }
}

/*
 * The name in the image is a plain file name, whatever it looks like: an image must not make us
 * open what its name could be parsed into.
 */
static BdrvChild *open_named_data_file(BlockDriverState *bs, Error **errp)
{
    Qcow2 *q = qcow2_of(bs);

    if (bdrv_image_may_name_path(q->data_file_name, errp) < 0) {
        return NULL;
    }
    qdict_put_str(bs->options, "data-file.driver", "file");
    qdict_put_str(bs->options, "data-file.filename", q->data_file_name);
    return bdrv_open_child(NULL, bs->options, "data-file", bs, BDRV_CHILD_DATA, false, errp);
}

static int open_data_file(BlockDriverState *bs, int flags, Error **errp)
{
    ERRP_GUARD();
    Qcow2 *q = qcow2_of(bs);
    BdrvChild *child = NULL;

    q->data_file = bs->file;
    if (!(flags & BDRV_O_NO_IO) || qdict_has_prefix(bs->options, "data-file.") || qdict_has(bs->options, "data-file")) {
        child = bdrv_open_child(NULL, bs->options, "data-file", bs, BDRV_CHILD_DATA, true, errp);
        if (*errp) {
            return -EINVAL;
        }
    }
    if (!qcow2_has_data_file(q)) {
        if (child) {
            error_setg(errp, "'data-file' can only be set for images with an external data file");
            return -EINVAL;
        }
        if ((q->autoclear & QCOW2_AUTOCLEAR_DATA_FILE_RAW) && !(flags & BDRV_O_NO_IO)) {
            error_setg(errp, "data-file-raw requires a data file");
            return -EINVAL;
        }
        return 0;
    }
    if (!child && (flags & BDRV_O_NO_IO)) {
        q->data_file = NULL;             /* nobody is going to read or write */
        return 0;
    }
    if (!child && !q->data_file_name) {
        error_setg(errp, "'data-file' is required for this image");
        return -EINVAL;
    }
    q->data_file = child ? child : open_named_data_file(bs, errp);
    return q->data_file ? 0 : -EINVAL;
}

static int read_l1(Qcow2 *q, Error **errp)
{
    uint64_t bytes = (uint64_t)q->l1_size * sizeof(uint64_t);
    int ret;

    if (!q->l1_size) {
        return 0;
    }
    q->l1 = g_try_malloc(bytes);
    if (!q->l1) {
        error_setg(errp, "Could not allocate L1 table");
        return -ENOMEM;
    }
    ret = read_padded(q->bs->file, q->l1_offset, bytes, q->l1);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not read L1 table");
        return ret;
    }
    for (uint32_t i = 0; i < q->l1_size; i++) {
        q->l1[i] = load_be64(&q->l1[i]);
    }
    buffer_drop_zeroes(q->l1, bytes);        /* a hole may be all that there is of it, and a chain has many */
    return 0;
}

/* One call into a coroutine from the main thread. */
typedef struct TablesJob {
    Qcow2 *q;
    const Qcow2Header *h;
    int flags;
    bool stale_bitmaps;
    Error **errp;
    int ret;
} TablesJob;

static void coroutine_fn load_tables(void *opaque)
{
    TablesJob *j = opaque;
    Qcow2 *q = j->q;

    j->ret = qcow2_refcount_open(q, j->h, j->errp);
    if (j->ret == 0 && (j->flags & BDRV_O_CHECK)) {
        q->unread_snapshots = j->h->nb_snapshots;          /* a check reads the table itself, broken or not */
    } else if (j->ret == 0) {
        j->ret = qcow2_read_snapshots(q, j->h, j->errp);
    }
}

static int make_caches(Qcow2 *q, Error **errp)
{
    q->l2_cache = qcow2_cache_new(q, q->l2_cache_bytes, "l2");
    if (!q->l2_cache) {
        error_setg(errp, "Could not allocate metadata caches");
        return -ENOMEM;
    }
    return 0;
}

/* Autoclear bits that we do not know are void once we may write; so is a directory of stale bitmaps. */
static int coroutine_fn clear_unknown_autoclear(Qcow2 *q, bool stale_bitmaps, Error **errp)
{
    int ret;

    if (!(q->autoclear & ~QCOW2_AUTOCLEAR_KNOWN) && !stale_bitmaps) {
        return 0;
    }
    q->autoclear &= QCOW2_AUTOCLEAR_KNOWN;
    ret = qcow2_header_write(q);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not update qcow2 header");
    }
    return ret;
}

static void coroutine_fn repair_dirty(void *opaque)
{
    TablesJob *j = opaque;
    Qcow2 *q = j->q;
    BdrvCheckResult res = { 0 };

    j->ret = clear_unknown_autoclear(q, j->stale_bitmaps, j->errp);
    if (j->ret < 0 || !(q->incompatible & QCOW2_INCOMPAT_DIRTY) || (j->flags & BDRV_O_CHECK)) {
        return;
    }
    j->ret = qcow2_co_check(q->bs, &res, BDRV_FIX_ERRORS | BDRV_FIX_LEAKS);
    if (j->ret == 0 && res.check_errors) {
        j->ret = -EIO;
    }
    if (j->ret == 0) {
        j->ret = qcow2_mark_clean(q);
    }
    if (j->ret < 0) {
        error_setg_errno(j->errp, -j->ret, "Could not repair dirty image");
    }
}

static void coroutine_fn load_bitmaps(void *opaque)
{
    TablesJob *j = opaque;

    j->ret = qcow2_load_bitmaps(j->q, j->errp);
}

static void free_state(Qcow2 *q)
{
    qcow2_bitmaps_free(q);
    qcow2_crypt_close(q);
    if (q->l2_cache) {
        qcow2_cache_free(q->l2_cache);
        q->l2_cache = NULL;
    }
    qcow2_refcount_close(q);
    qcow2_io_cleanup(q);
    qcow2_free_snapshots(q);
    g_clear_pointer(&q->l1, g_free);
    g_clear_pointer(&q->unknown_header_fields, g_free);
    qcow2_unknown_ext_free(q->unknown_ext, q->nb_unknown_ext);
    q->unknown_ext = NULL;
    q->nb_unknown_ext = 0;
    g_clear_pointer(&q->data_file_name, g_free);
}

static bool node_may_write(const BlockDriverState *bs, int flags)
{
    return (flags & BDRV_O_RDWR) && !bs->read_only && !(flags & BDRV_O_INACTIVE);
}

static int open_image(BlockDriverState *bs, const QDict *options, int flags, HeaderImage *hi, Error **errp)
{
    Qcow2 *q = qcow2_of(bs);
    TablesJob job = { .q = q, .h = &hi->h, .flags = flags, .errp = errp };
    Qcow2Options runtime;
    int ret = read_header(bs->file, flags, hi, errp);

    if (ret < 0) {
        return ret;
    }
    adopt_header(bs, hi);
    job.stale_bitmaps = hi->ext.stale_bitmaps;
    ret = qcow2_options_parse(q, hi->h.size, flags, options, &runtime, errp);
    if (ret == 0) {
        qcow2_options_apply(q, &runtime);
        ret = open_data_file(bs, flags, errp);
    }
    if (ret == 0) {
        ret = qcow2_crypt_open(q, options, flags, errp);
    }
    if (ret == 0) {
        ret = read_l1(q, errp);
    }
    if (ret == 0) {
        ret = make_caches(q, errp);
    }
    if (ret == 0) {
        co_run_sync(load_tables, &job);
        ret = job.ret;
    }
    if (ret == 0 && node_may_write(bs, flags)) {
        co_run_sync(repair_dirty, &job);
        ret = job.ret;
    }
    if (ret == 0 && !(flags & BDRV_O_INACTIVE)) {
        co_run_sync(load_bitmaps, &job);
        ret = job.ret;
    }
    return ret;
}

static int qcow2_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    Qcow2 *q = qcow2_of(bs);
    HeaderImage hi = { 0 };
    int ret = bdrv_open_file_child(NULL, bs->options, bs, errp);

    if (ret < 0) {
        return ret;
    }
    q->bs = bs;
    co_mutex_init(&q->lock);
    qcow2_io_init(q);
    ret = open_image(bs, options, flags, &hi, errp);
    header_image_clear(&hi);
    if (ret < 0) {
        free_state(q);
        return ret;
    }
    qcow2_ahead_init(q);
    bs->supported_zero_flags = q->version >= 3 ? BDRV_REQ_MAY_UNMAP | BDRV_REQ_NO_FALLBACK : 0;
    bs->supported_truncate_flags = BDRV_REQ_ZERO_WRITE;
    return 0;
}

typedef struct SettleJob { Qcow2 *q; bool release_bitmaps; int ret; } SettleJob;

static void coroutine_fn clean_entry(void *opaque)
{
    SettleJob *j = opaque;

    co_mutex_lock(&j->q->lock);
    j->ret = qcow2_commit(j->q, true);
    co_mutex_unlock(&j->q->lock);
    if (j->ret == 0) {
        j->ret = qcow2_mark_clean(j->q);
    }
}

static void coroutine_fn settle_entry(void *opaque)
{
    SettleJob *j = opaque;
    Error *err = NULL;

    /* After fatal corruption nothing is written any more: what is stored says in-use. */
    if (!j->q->broken && qcow2_store_bitmaps(j->q, j->release_bitmaps, &err) < 0) {
        error_reportf_err(err, "Lost persistent bitmaps during inactivation of node '%s': ",
                          j->q->bs->node_name[0] ? j->q->bs->node_name : j->q->bs->filename);
    }
    clean_entry(j);
    if (j->ret < 0 && !j->q->broken) {
        /* Each of the peer's two caches is tried on its own; what failed once may work now. */
        error_report("Failed to flush the L2 table cache: %s", strerror(-j->ret));
        clean_entry(j);
        if (j->ret < 0) {
            error_report("Failed to flush the refcount block cache: %s", strerror(-j->ret));
        }
    }
    if (j->ret == 0) {
        CO_SCOPED_LOCK(&j->q->lock);
        qcow2_ahead_cut(j->q);
    }
}

int qcow2_settle(Qcow2 *q, bool release_bitmaps)
{
    SettleJob job = { .q = q, .release_bitmaps = release_bitmaps };

    co_run_sync(settle_entry, &job);
    return job.ret;
}

static int qcow2_inactivate(BlockDriverState *bs)
{
    return qcow2_settle(qcow2_of(bs), true);
}

static void qcow2_close(BlockDriverState *bs)
{
    Qcow2 *q = qcow2_of(bs);

    if (node_may_write(bs, bs->open_flags)) {
        qcow2_settle(q, true);
    }
    free_state(q);
}

typedef struct BitmapsJob { Qcow2 *q; Error **errp; int ret; } BitmapsJob;

static void coroutine_fn make_bitmaps_writable(void *opaque)
{
    BitmapsJob *j = opaque;

    j->ret = qcow2_bitmaps_make_writable(j->q, j->errp);
}

/* Before a reopen: all settled when it will be read-only, else only clean. */
static int prepare_settled(Qcow2 *q, bool to_read_only)
{
    SettleJob job = { .q = q };

    if (to_read_only) {
        return qcow2_settle(q, false);
    }
    co_run_sync(clean_entry, &job);
    return job.ret;
}

static int qcow2_reopen_prepare(BdrvReopenState *rs, Error **errp)
{
    Qcow2 *q = qcow2_of(rs->bs);
    g_autofree Qcow2Options *o = g_new0(Qcow2Options, 1);
    int ret = qcow2_options_parse(q, rs->bs->total_bytes, rs->flags, rs->options, o, errp);

    if (ret < 0) {
        return ret;
    }
    if (node_may_write(rs->bs, rs->bs->open_flags) && (!(rs->flags & BDRV_O_RDWR) || !o->lazy_refcounts)) {
        ret = prepare_settled(q, !(rs->flags & BDRV_O_RDWR));
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Failed to disable lazy refcounts");
            return ret;
        }
    }
    rs->opaque = g_steal_pointer(&o);
    return 0;
}

static void qcow2_reopen_commit(BdrvReopenState *rs)
{
    qcow2_options_apply(qcow2_of(rs->bs), rs->opaque);
    g_clear_pointer(&rs->opaque, g_free);
}

static void qcow2_reopen_commit_post(BdrvReopenState *rs)
{
    Error *err = NULL;
    BitmapsJob job = { .q = qcow2_of(rs->bs), .errp = &err };

    if (rs->flags & BDRV_O_RDWR) {
        co_run_sync(make_bitmaps_writable, &job);
        if (job.ret < 0) {           /* they stay read-only */
            error_reportf_err(err, "%s: Failed to make dirty bitmaps writable: ", rs->bs->filename);
        }
    }
}

static void qcow2_reopen_abort(BdrvReopenState *rs)
{
    g_clear_pointer(&rs->opaque, g_free);
}

static void qcow2_refresh_limits(BlockDriverState *bs, Error **errp)
{
    const Qcow2 *q = qcow2_of(bs);

    if (bs->encrypted) {
        bs->bl.request_alignment = BDRV_SECTOR_SIZE;
    }
    bs->bl.pwrite_zeroes_alignment = q->subcluster_size;
    bs->bl.pdiscard_alignment = q->cluster_size;
}

typedef struct BackingJob { Qcow2 *q; int ret; } BackingJob;

static void coroutine_fn backing_entry(void *opaque)
{
    BackingJob *j = opaque;
    CO_SCOPED_LOCK(&j->q->lock);

    j->ret = qcow2_commit(j->q, true);
    if (j->ret == 0) {
        j->ret = qcow2_header_write(j->q);
    }
    if (j->ret == 0) {
        j->ret = bdrv_flush(j->q->bs->file->bs);
    }
}

/* The header is rewritten with the new names; the old ones come back when that fails. */
static int qcow2_change_backing_file(BlockDriverState *bs, const char *file, const char *fmt)
{
    BackingJob job = { .q = qcow2_of(bs) };
    g_autofree char *old_file = NULL, *old_fmt = NULL;

    if (file && strlen(file) > QCOW2_MAX_BACKING_NAME) {
        return -EINVAL;
    }
    if (file && *file && (job.q->autoclear & QCOW2_AUTOCLEAR_DATA_FILE_RAW)) {
        return -EINVAL;
    }
    old_file = bs->backing_file;
    old_fmt = bs->backing_format;
    bs->backing_file = g_strdup(file ? file : "");
    bs->backing_format = g_strdup(fmt ? fmt : "");
    co_run_sync(backing_entry, &job);
    if (job.ret < 0) {
        g_free(bs->backing_file);
        g_free(bs->backing_format);
        bs->backing_file = g_steal_pointer(&old_file);
        bs->backing_format = g_steal_pointer(&old_fmt);
        return job.ret;
    }
    g_free(bs->auto_backing_file);
    bs->auto_backing_file = g_strdup(bs->backing_file);
    return 0;
}

static const char *const strong_options[] = { "encrypt.key-secret", NULL };
static const char *const mutable_options[] = { "*", NULL };

static const BlockDriver bdrv_qcow2 = {
    .name = "qcow2",
    .instance_size = sizeof(Qcow2),
    .is_format = true,
    .supports_backing = true,
    .open_options = qcow2_open_options,
    .create_options = qcow2_create_options,
    .amend_options = qcow2_amend_options,
    .image_may_name = true,                   /* without image_options: the secret is the user's */
    .strong_options = strong_options,
    .mutable_options = mutable_options,
    .probe = qcow2_probe,
    .open = qcow2_open,
    .close = qcow2_close,
    .reopen_prepare = qcow2_reopen_prepare,
    .reopen_commit = qcow2_reopen_commit,
    .reopen_commit_post = qcow2_reopen_commit_post,
    .reopen_abort = qcow2_reopen_abort,
    .refresh_limits = qcow2_refresh_limits,
    .inactivate = qcow2_inactivate,
    .co_create = qcow2_co_create,
    .create_on = qcow2_create_on,
    .co_read = qcow2_co_read,
    .co_write = qcow2_co_write,
    .co_zero = qcow2_co_zero,
    .co_discard = qcow2_co_discard,
    .co_write_compressed = qcow2_co_write_compressed,
    .co_copy_range = qcow2_co_copy_range,
    .co_flush_to_os = qcow2_co_flush_to_os,
    .co_settle = qcow2_co_settle,
    .co_truncate = qcow2_co_truncate,
    .co_block_status = qcow2_co_block_status,
    .get_info = qcow2_get_info,
    .get_specific_info = qcow2_get_specific_info,
    .co_check = qcow2_co_check,
    .make_empty = qcow2_make_empty,
    .change_backing_file = qcow2_change_backing_file,
    .amend = qcow2_amend,
    .measure = qcow2_measure,
    .snapshot_create = qcow2_snapshot_create,
    .snapshot_prepare = qcow2_snapshot_prepare,
    .snapshot_goto_prepare = qcow2_snapshot_goto_prepare,
    .snapshot_finish = qcow2_snapshot_finish,
    .snapshot_wait = qcow2_snapshot_wait,
    .snapshot_goto = qcow2_snapshot_goto,
    .snapshot_delete = qcow2_snapshot_delete,
    .snapshot_delete_many = qcow2_snapshot_delete_many,
    .co_snapshot_usage = qcow2_co_snapshot_usage,
    .co_snapshot_diff = qcow2_co_snapshot_diff,
    .snapshot_list = qcow2_snapshot_list,
    .snapshot_sizes = qcow2_snapshot_sizes,
    .snapshot_load_tmp = qcow2_snapshot_load_tmp,
    .supports_persistent_bitmaps = qcow2_supports_bitmaps,
    .co_can_store_bitmap = qcow2_co_can_store_bitmap,
    .co_remove_bitmap = qcow2_co_remove_bitmap,
    .co_save_vmstate = qcow2_co_save_vmstate,
    .co_load_vmstate = qcow2_co_load_vmstate,
};

void bdrv_qcow2_register(void)
{
    bdrv_register(&bdrv_qcow2);
}
