/*
 * Changing the options of an existing image.
 *
 *   options -> AmendPlan      plan_parse(): every option checked before anything is changed
 *   upgrade -> refcount width -> data file name -> lazy refcounts -> size -> downgrade
 * The version goes up before what needs the new one, and down after all else.  Each step leaves
 * a whole image behind: a cut between two leaves an image with the first one made.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "qcow2-crypt.h"
#include "qcow2-header.h"
#include "qcow2-rebuild.h"

const OptDesc qcow2_amend_options[] = {
    { "encrypt.state", OPT_STRING, "Select new state of affected keyslots (active/inactive)", NULL },
    { "encrypt.keyslot", OPT_NUMBER, "Select a single keyslot to modify explicitly", NULL },
    { "encrypt.old-secret", OPT_STRING, "Select all keyslots that match this password", NULL },
    { "encrypt.new-secret", OPT_STRING, "New secret to set in the matching keyslots. Empty string to erase", NULL },
    { "encrypt.iter-time", OPT_NUMBER, "Time to spend in PBKDF in milliseconds", NULL },
    { "size", OPT_SIZE, "Virtual disk size", NULL },
    { "compat", OPT_STRING, "Compatibility level (v2 [0.10] or v3 [1.1])", NULL },
    { "backing_file", OPT_STRING, "File name of a base image", NULL },
    { "backing_fmt", OPT_STRING, "Image format of the base image", NULL },
    { "data_file", OPT_STRING, "File name of an external data file", NULL },
    { "data_file_raw", OPT_BOOL, "The external data file must stay valid as a raw image", NULL },
    { "lazy_refcounts", OPT_BOOL, "Postpone refcount updates", NULL },
    { "refcount_bits", OPT_NUMBER, "Width of a reference count entry in bits", NULL },
    { NULL }
};

typedef void AmendProgress(void *opaque, int64_t done, int64_t total);

typedef struct AmendPlan {
    Qcow2 *q;
    unsigned version, refcount_order;
    bool lazy;
    bool key_slots;                  /* "encrypt.*": LUKS */
    uint64_t size;                   /* 0: as it is */
    const char *data_file;           /* NULL: as it is */
    AmendProgress *progress;
    void *opaque;
    Error **errp;
    int ret;
} AmendPlan;

static bool same_or_absent(const char *wanted, const char *present)
{
    return g_strcmp0(wanted, present && *present ? present : NULL) == 0;
}

static int parse_names(const QDict *opts, AmendPlan *p, Error **errp)
{
    const Qcow2 *q = p->q;
    const BlockDriverState *bs = q->bs;
    const char *file = opt_get_str(opts, "backing_file"), *fmt = opt_get_str(opts, "backing_fmt");
    bool raw = q->autoclear & QCOW2_AUTOCLEAR_DATA_FILE_RAW;

    if ((file || fmt) && (!same_or_absent(file, bs->backing_file) || !same_or_absent(fmt, bs->backing_format))) {
        error_setg(errp, "Cannot amend the backing file");
        error_append_hint(errp, "You can use 'qemu-img rebase' instead.\n");
        return -EINVAL;
    }
    p->data_file = opt_get_str(opts, "data_file");
    if (p->data_file && !qcow2_has_data_file(q)) {
        error_setg(errp, "data-file can only be set for images that use an external data file");
        return -EINVAL;
    }
    if (opt_get_bool(opts, "data_file_raw", raw) && !raw) {
        error_setg(errp, "data-file-raw cannot be set on existing images");
        return -EINVAL;
    }
    return 0;
}

static int check_version(const AmendPlan *p, Error **errp)
{
    if (p->version >= 3) {
        return 0;
    }
    if (p->lazy && !(p->q->compatible & QCOW2_COMPAT_LAZY_REFCOUNTS)) {
        error_setg(errp, "Lazy refcounts only supported with compatibility level 1.1 and above (use compat=1.1 or greater)");
        return -EINVAL;
    }
    return 0;
}

static int parse_widths(const QDict *opts, AmendPlan *p, Error **errp)
{
    const Qcow2 *q = p->q;

    p->refcount_order = q->refcount_order;
    if (qdict_has(opts, "refcount_bits") &&
        qcow2_parse_refcount_bits(opt_get_number(opts, "refcount_bits", 16), &p->refcount_order, errp) < 0) {
        return -EINVAL;
    }
    if (p->refcount_order != q->refcount_order && p->version < 3 && p->refcount_order != 4) {
        error_setg(errp, "Refcount widths other than 16 bits require compatibility level 1.1 or above "
                   "(use compat=1.1 or greater)");
        return -EINVAL;
    }
    return 0;
}

static int plan_parse(const QDict *opts, AmendPlan *p, Error **errp)
{
    Qcow2 *q = p->q;
    const char *compat = opt_get_str(opts, "compat");
    int ret;

    p->version = q->version;
    if (compat && qcow2_parse_compat(compat, &p->version, NULL) < 0) {
        error_setg(errp, "Unknown compatibility level %s", compat);
        return -EINVAL;
    }
    for (size_t i = 0; i < qdict_size(opts); i++) {
        if (str_has_prefix(qdict_key_at(opts, i), "encrypt.", NULL) && q->crypt == QCOW2_CRYPT_NONE) {
            error_setg(errp, "Can't amend encryption options - encryption not present");
            return -EINVAL;
        }
        if (str_has_prefix(qdict_key_at(opts, i), "encrypt.", NULL) && q->crypt != QCOW2_CRYPT_LUKS) {
            error_setg(errp, "Only LUKS encryption options can be amended");
            return -ENOTSUP;
        }
        p->key_slots |= str_has_prefix(qdict_key_at(opts, i), "encrypt.", NULL);
    }
    /* An image that goes down a version drops what the old one does not know. */
    p->lazy = opt_get_bool(opts, "lazy_refcounts", q->compatible & QCOW2_COMPAT_LAZY_REFCOUNTS);
    p->size = opt_get_size(opts, "size", 0);
    ret = parse_names(opts, p, errp);
    if (ret == 0) {
        ret = parse_widths(opts, p, errp);
    }
    return ret == 0 ? check_version(p, errp) : ret;
}

/* --- steps ---------------------------------------------------------------------- */

static int coroutine_fn write_header(AmendPlan *p)
{
    Qcow2 *q = p->q;
    int ret = bdrv_flush(q->bs->file->bs);

    if (ret == 0) {
        ret = qcow2_header_write(q);
    }
    if (ret == 0) {
        ret = bdrv_flush(q->bs->file->bs);
    }
    if (ret < 0) {
        error_setg_errno(p->errp, -ret, "Failed to update the image header");
    }
    return ret;
}

static void tell_progress(const AmendPlan *p, int64_t done, int64_t total)
{
    if (p->progress) {
        p->progress(p->opaque, done, total);
    }
}

static int coroutine_fn upgrade(AmendPlan *p)
{
    Qcow2 *q = p->q;
    int ret;

    tell_progress(p, 0, 2);
    q->version = 3;
    tell_progress(p, 1, 2);
    ret = write_header(p);
    if (ret < 0) {
        q->version = 2;
        return ret;
    }
    tell_progress(p, 2, 2);
    return 0;
}

/* Counts of all clusters of the file into counts; none may exceed max. */
static int coroutine_fn load_counts(AmendPlan *p, RefMap *counts, uint64_t nb_clusters, uint64_t max)
{
    Qcow2 *q = p->q;

    for (uint64_t i = 0; i < nb_clusters; i++) {
        uint64_t count;
        int ret;

        if (!q->rt[i >> q->rb_bits]) {
            i |= q->rb_entries - 1;
            continue;
        }
        ret = qcow2_get_refcount(q, i, &count);
        if (ret < 0) {
            error_setg_errno(p->errp, -ret, "Can't get refcount for cluster %" G_GUINT64_FORMAT, i);
            return ret;
        }
        if (count > max) {
            error_setg(p->errp, "Cannot decrease refcount entry width to %i bits: Cluster at offset %#" G_GINT64_MODIFIER
                       "x has a refcount of %" G_GUINT64_FORMAT, 1 << p->refcount_order, i << q->cluster_bits, count);
            return -EINVAL;
        }
        refmap_add(counts, i, count);
        if (!refmap_is_whole(counts)) {
            error_setg_errno(p->errp, ENOMEM, "Failed to change the refcount width");
            return -ENOMEM;
        }
    }
    return 0;
}

/* The old structures stay where they are until the switch, and have no count after it. */
static void release_old_structures(const Qcow2 *q, RefMap *counts)
{
    for (uint64_t i = 0; i < q->rt_clusters; i++) {
        refmap_add(counts, (q->rt_offset >> q->cluster_bits) + i, (uint64_t)-1);
    }
    for (uint64_t i = 0; i < q->rt_size; i++) {
        uint64_t cluster = (q->rt[i] & QCOW2_RT_OFFSET_MASK) >> q->cluster_bits;

        if (cluster) {
            refmap_add(counts, cluster, (uint64_t)-1);
        }
    }
}

static bool old_structures_counted(const Qcow2 *q, const RefMap *counts)
{
    for (uint64_t i = 0; i < q->rt_clusters; i++) {
        if (refmap_get(counts, (q->rt_offset >> q->cluster_bits) + i) == 0) {
            return false;
        }
    }
    for (uint64_t i = 0; i < q->rt_size; i++) {
        uint64_t cluster = (q->rt[i] & QCOW2_RT_OFFSET_MASK) >> q->cluster_bits;

        if (cluster && refmap_get(counts, cluster) == 0) {
            return false;
        }
    }
    return true;
}

static int coroutine_fn change_refcount_width(AmendPlan *p)
{
    Qcow2 *q = p->q;
    int64_t len = bdrv_getlength(q->bs->file->bs);
    /* A sparse file may be much longer than what is counted in it. */
    uint64_t clusters = len < 0 ? 0 : MIN(qcow2_clusters_for(q, len), (uint64_t)q->rt_size << q->rb_bits);
    g_autoptr(RefMap) counts = refmap_new(clusters);
    g_autoptr(RefMap) taken = refmap_new(clusters);
    int ret;

    if (len < 0) {
        error_setg_errno(p->errp, -len, "Failed to inquire current file length");
        return len;
    }
    ret = load_counts(p, counts, clusters, UINT64_MAX >> (64 - (1u << p->refcount_order)));
    if (ret < 0) {
        return ret;
    }
    if (!old_structures_counted(q, counts)) {
        error_setg(p->errp, "Image is corrupt: the refcount structures are not counted; run qemu-img check -r all");
        return -EIO;
    }
    for (uint64_t i = refmap_next(counts, 0); i < clusters; i = refmap_next(counts, i + 1)) {
        refmap_add(taken, i, refmap_get(counts, i) ? 1 : 0);
    }
    release_old_structures(q, counts);
    ret = qcow2_rebuild_refcounts(q, counts, taken, p->refcount_order);
    if (ret < 0) {
        error_setg_errno(p->errp, -ret, "Failed to change the refcount width");
    }
    return ret;
}

/* Counts that lag behind go to the disk before the dirty bit does. */
static int coroutine_fn settle_and_mark_clean(Qcow2 *q)
{
    co_mutex_lock(&q->lock);
    int ret = qcow2_commit(q, true);
    co_mutex_unlock(&q->lock);
    return ret < 0 ? ret : qcow2_mark_clean(q);
}

static int coroutine_fn change_lazy(AmendPlan *p)
{
    Qcow2 *q = p->q;
    int ret = 0;

    if (p->lazy == !!(q->compatible & QCOW2_COMPAT_LAZY_REFCOUNTS)) {
        return 0;
    }
    if (!p->lazy) {
        ret = settle_and_mark_clean(q);
        if (ret < 0) {
            error_setg_errno(p->errp, -ret, "Failed to make the image clean");
            return ret;
        }
    }
    q->compatible ^= QCOW2_COMPAT_LAZY_REFCOUNTS;
    ret = write_header(p);
    if (ret < 0) {
        q->compatible ^= QCOW2_COMPAT_LAZY_REFCOUNTS;
    } else {
        q->lazy_refcounts = p->lazy;
    }
    return ret;
}

static int coroutine_fn change_data_file(AmendPlan *p)
{
    Qcow2 *q = p->q;
    char *old = q->data_file_name;
    int ret;

    q->data_file_name = *p->data_file ? g_strdup(p->data_file) : NULL;
    ret = write_header(p);
    if (ret < 0) {
        g_free(q->data_file_name);
        q->data_file_name = old;
    } else {
        g_free(old);
    }
    return ret;
}

/* What version 2 cannot say. */
static int check_downgrade(AmendPlan *p)
{
    const Qcow2 *q = p->q;
    uint64_t incompatible = q->incompatible & ~(QCOW2_INCOMPAT_DIRTY | QCOW2_INCOMPAT_COMPRESSION);

    if (q->refcount_order != 4) {
        error_setg(p->errp, "compat=0.10 requires refcount_bits=16");
        return -ENOTSUP;
    }
    if (qcow2_has_data_file(q)) {
        error_setg(p->errp, "Cannot downgrade an image with a data file");
        return -ENOTSUP;
    }
    if (incompatible) {
        error_setg(p->errp, "Cannot downgrade an image with incompatible features 0x%" G_GINT64_MODIFIER "x set", incompatible);
        return -ENOTSUP;
    }
    for (unsigned i = 0; i < q->nb_snapshots; i++) {
        const Qcow2Snapshot *sn = &q->snapshots[i];

        if (sn->vm_state_size > UINT32_MAX || sn->disk_size != (uint64_t)q->bs->total_bytes) {
            error_setg(p->errp, "Internal snapshots prevent downgrade of image");
            return -ENOTSUP;
        }
    }
    return 0;
}

/* Does the active table hold compressed clusters?  Their format is in the version 3 header only. */
static int coroutine_fn has_compressed(Qcow2 *q)
{
    for (uint32_t i = 0; i < q->l1_size; i++) {
        uint64_t offset = q->l1[i] & QCOW2_L1_OFFSET_MASK;
        void *table;
        int ret;

        if (!offset) {
            continue;
        }
        ret = qcow2_cache_get(q->l2_cache, offset, &table);
        if (ret < 0) {
            return ret;
        }
        for (uint32_t j = 0; j < q->l2_entries && ret == 0; j++) {
            ret = !!(qcow2_l2_get(q, table, j) & QCOW2_OFLAG_COMPRESSED);
        }
        qcow2_cache_put(q->l2_cache, &table);
        if (ret) {
            return ret;
        }
    }
    return 0;
}

static int coroutine_fn check_compression_type(AmendPlan *p)
{
    Qcow2 *q = p->q;
    int ret;

    if (q->compression == QCOW2_COMPRESSION_ZLIB) {
        return 0;
    }
    co_mutex_lock(&q->lock);
    ret = has_compressed(q);
    co_mutex_unlock(&q->lock);
    if (ret > 0) {
        error_setg(p->errp, "Cannot downgrade an image with zstd compression type and existing compressed clusters");
        return -ENOTSUP;
    }
    if (ret < 0) {
        error_setg_errno(p->errp, -ret, "Failed to check block status");
        return ret;
    }
    return 0;
}

/* The header of version 2.  If it cannot be written, memory says what the disk says. */
static int coroutine_fn write_old_header(AmendPlan *p)
{
    Qcow2 *q = p->q;
    const unsigned version = q->version, compression = q->compression;
    const uint64_t incompatible = q->incompatible, compatible = q->compatible, autoclear = q->autoclear;

    q->compression = QCOW2_COMPRESSION_ZLIB;
    q->incompatible &= ~QCOW2_INCOMPAT_COMPRESSION;
    q->compatible = 0;
    q->autoclear = 0;
    q->version = 2;
    int ret = write_header(p);
    if (ret < 0) {
        q->version = version;
        q->compression = compression;
        q->incompatible = incompatible;
        q->compatible = compatible;
        q->autoclear = autoclear;
    }
    return ret;
}

static int coroutine_fn downgrade(AmendPlan *p)
{
    Qcow2 *q = p->q;
    int ret = check_downgrade(p);

    if (ret < 0) {
        return ret;
    }
    ret = qcow2_mark_clean(q);
    if (ret < 0) {
        error_setg_errno(p->errp, -ret, "Failed to make the image clean");
        return ret;
    }
    ret = check_compression_type(p);
    if (ret < 0) {
        return ret;
    }
    ret = qcow2_expand_zero_clusters(q, p->progress, p->opaque);
    if (ret == 0) {
        co_mutex_lock(&q->lock);
        ret = qcow2_commit(q, true);
        co_mutex_unlock(&q->lock);
    }
    if (ret < 0) {
        error_setg_errno(p->errp, -ret, "Failed to turn zero into data clusters");
        return ret;
    }
    return write_old_header(p);
}

static int coroutine_fn run_steps(AmendPlan *p)
{
    Qcow2 *q = p->q;
    unsigned old_version = q->version;
    int ret;

    co_mutex_lock(&q->lock);
    ret = qcow2_commit(q, true);
    co_mutex_unlock(&q->lock);
    if (ret < 0) {
        error_setg_errno(p->errp, -ret, "Failed to flush the metadata caches");
        return ret;
    }
    if (p->version > old_version) {
        ret = upgrade(p);
    }
    if (ret == 0 && p->refcount_order != q->refcount_order) {
        ret = change_refcount_width(p);
        if (ret == 0) {
            tell_progress(p, 1, 1);
        }
    }
    if (ret == 0 && p->data_file) {
        ret = change_data_file(p);
    }
    if (ret == 0 && q->version >= 3) {
        ret = change_lazy(p);
    }
    if (ret == 0 && p->size) {
        ret = qcow2_co_truncate(q->bs, p->size, false, PREALLOC_OFF, 0, p->errp);
    }
    if (ret == 0 && p->version < old_version) {
        bool lazy = q->lazy_refcounts;
        q->lazy_refcounts = false;     /* version 2 has no dirty bit */
        ret = settle_and_mark_clean(q);
        if (ret < 0) {
            error_setg_errno(p->errp, -ret, "Failed to make the image clean");
        } else {
            ret = downgrade(p);
        }
        q->lazy_refcounts = ret < 0 && lazy;
    }
    return ret;
}

static void coroutine_fn amend_entry(void *opaque)
{
    AmendPlan *p = opaque;

    p->ret = run_steps(p);
}

int qcow2_amend(BlockDriverState *bs, QDict *opts, void (*progress)(void *, int64_t, int64_t), void *opaque, bool force,
                Error **errp)
{
    ERRP_GUARD();
    AmendPlan plan = { .q = qcow2_of(bs), .progress = progress, .opaque = opaque, .errp = errp };
    int ret = plan_parse(opts, &plan, errp);

    if (ret < 0) {
        return ret;
    }
    if (plan.key_slots && !qcow2_crypt_amend(plan.q, opts, force, errp)) {
        return -EINVAL;
    }
    co_run_sync(amend_entry, &plan);
    return plan.ret;
}
