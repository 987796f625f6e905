/*
 * preallocate: a filter over a protocol node that grows the file ahead of writes in large
 * steps, so that a file system has to extend it rarely.  The surplus is cut off when the
 * node is closed or loses its permission to resize.
 *
 * State: `data_end` is the end of what was written through us, `file_end` that of the file.
 * data_end <= file_end whenever both are known.  Both are guarded by `lock`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "../drivers.h"
#include "pass.h"
#include "util/cutils.h"

typedef struct Preallocate {
    int64_t align, size;       /* options */
    CoMutex lock;
    int64_t data_end;          /* -1: not taken over the file's end yet */
    int64_t file_end;
} Preallocate;

static const OptDesc preallocate_options[] = {
    { "prealloc-align", OPT_SIZE, "on preallocation, align file length to this number, default 1M", NULL },
    { "prealloc-size", OPT_SIZE, "how much to preallocate, default 128M", NULL },
    { NULL }
};

static bool preallocate_take_options(QDict *options, BlockDriverState *file, int64_t *align, int64_t *size, Error **errp)
{
    uint64_t a = opt_get_size(options, "prealloc-align", 1 * MiB);
    uint64_t s = opt_get_size(options, "prealloc-size", 128 * MiB);

    if (a == 0 || !IS_ALIGNED(a, BDRV_SECTOR_SIZE)) {
        error_setg(errp, "prealloc-align parameter of preallocate filter is not aligned to %d", BDRV_SECTOR_SIZE);
        return false;
    }
    if (!IS_ALIGNED(a, file->bl.request_alignment)) {
        error_setg(errp, "prealloc-align parameter of preallocate filter is not aligned to underlying node request "
                   "alignment (%" PRIu32 ")", file->bl.request_alignment);
        return false;
    }
    if (a > BDRV_MAX_ALIGNMENT || s > BDRV_MAX_LENGTH / 2) {
        error_setg(errp, "prealloc-align and prealloc-size are limited to %lld and %lld bytes",
                   (long long)BDRV_MAX_ALIGNMENT, (long long)(BDRV_MAX_LENGTH / 2));
        return false;
    }
    *align = a;
    *size = s;
    return true;
}

static int preallocate_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    Preallocate *p = bs->opaque;
    int ret = pass_open_file(bs, errp);

    if (ret < 0) {
        return ret;
    }
    if (!preallocate_take_options(options, bs->file->bs, &p->align, &p->size, errp)) {
        return -EINVAL;
    }
    co_mutex_init(&p->lock);
    p->data_end = p->file_end = -1;
    return 0;
}

/* Give back what was allocated ahead. */
static int preallocate_trim(BlockDriverState *bs, Error **errp)
{
    Preallocate *p = bs->opaque;
    int ret = 0;

    if (p->data_end >= 0 && p->data_end < p->file_end) {
        ret = bdrv_truncate(bs->file, p->data_end, true, PREALLOC_OFF, 0, errp);
    }
    if (ret >= 0) {
        p->data_end = p->file_end = -1;
    }
    return ret;
}

static void preallocate_close(BlockDriverState *bs)
{
    Error *err = NULL;

    if (bs->file && (bs->file->perm & BLK_PERM_RESIZE) && preallocate_trim(bs, &err) < 0) {
        warn_report_err(err);
    }
}

static int preallocate_reopen_prepare(BdrvReopenState *rs, Error **errp)
{
    int64_t *values = g_new(int64_t, 2);

    if (!preallocate_take_options(rs->options, rs->bs->file->bs, &values[0], &values[1], errp) ||
        (!(rs->flags & BDRV_O_RDWR) && preallocate_trim(rs->bs, errp) < 0)) {
        g_free(values);
        return -EINVAL;
    }
    rs->opaque = values;
    return 0;
}

static void preallocate_reopen_commit(BdrvReopenState *rs)
{
    Preallocate *p = rs->bs->opaque;
    int64_t *values = rs->opaque;

    p->align = values[0];
    p->size = values[1];
    g_free(values);
}

static void preallocate_reopen_abort(BdrvReopenState *rs)
{
    g_free(rs->opaque);
}

/*
 * Before a write that ends at `end`: grow the file when it lies past its end.  Returns true
 * when the range [offset, end) was made by growing with zeroes and needs no zeroing of its own.
 */
static bool coroutine_fn preallocate_ahead(BlockDriverState *bs, int64_t offset, int64_t end, bool zero)
{
    Preallocate *p = bs->opaque;
    int64_t old_end, target;

    if (!(bs->file->perm & BLK_PERM_RESIZE)) {
        return false;
    }
    CO_SCOPED_LOCK(&p->lock);
    if (p->data_end < 0) {
        p->data_end = p->file_end = bdrv_getlength(bs->file->bs);
        if (p->data_end < 0) {
            p->data_end = p->file_end = -1;
            return false;
        }
    }
    if (end <= p->data_end) {
        return false;
    }
    old_end = p->data_end;
    p->data_end = end;
    if (end > p->file_end) {
        target = ALIGN_UP(end + p->size, p->align);
        if (bdrv_zero(bs->file, p->file_end, target - p->file_end, BDRV_REQ_NO_FALLBACK | BDRV_REQ_SERIALISING) < 0) {
            p->file_end = MAX(p->file_end, end);
            return false;
        }
        p->file_end = target;
    }
    return zero && offset >= old_end;
}

static int coroutine_fn preallocate_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                             size_t qiov_offset, BdrvRequestFlags flags)
{
    preallocate_ahead(bs, offset, offset + bytes, false);
    return bdrv_write(bs->file, offset, bytes, qiov, qiov_offset, flags);
}

static int coroutine_fn preallocate_co_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    if (preallocate_ahead(bs, offset, offset + bytes, !(flags & BDRV_REQ_FUA))) {
        return 0;
    }
    return bdrv_zero(bs->file, offset, bytes, flags);
}

static int coroutine_fn preallocate_co_truncate(BlockDriverState *bs, int64_t offset, bool exact, PreallocMode prealloc,
                                                BdrvRequestFlags flags, Error **errp)
{
    Preallocate *p = bs->opaque;
    int ret;

    CO_SCOPED_LOCK(&p->lock);
    /* Growth asked for by the user starts from the real end of the data. */
    if (p->data_end >= 0 && offset > p->data_end) {
        ret = preallocate_trim(bs, errp);
        if (ret < 0) {
            return ret;
        }
    }
    ret = bdrv_truncate(bs->file, offset, exact, prealloc, flags, errp);
    if (ret >= 0 && p->data_end >= 0) {
        p->data_end = p->file_end = bdrv_getlength(bs->file->bs);
    }
    return ret;
}

static int64_t preallocate_getlength(BlockDriverState *bs)
{
    Preallocate *p = bs->opaque;

    return p->data_end >= 0 ? p->data_end : bdrv_getlength(bs->file->bs);
}

/* For parents that write and resize; then nobody else may change the file. */
static void preallocate_child_perm(BlockDriverState *bs, BdrvChild *c, BdrvChildRole role, uint64_t perm,
                                   uint64_t shared, uint64_t *nperm, uint64_t *nshared)
{
    bdrv_default_perms(bs, c, role, perm, shared, nperm, nshared);
    if ((perm & (BLK_PERM_WRITE | BLK_PERM_RESIZE)) == (BLK_PERM_WRITE | BLK_PERM_RESIZE)) {
        *nshared &= ~(uint64_t)(BLK_PERM_WRITE | BLK_PERM_RESIZE);
    }
}

static int preallocate_check_perm(BlockDriverState *bs, uint64_t perm, uint64_t shared, Error **errp)
{
    Preallocate *p = bs->opaque;

    if (p->data_end >= 0 && !(perm & (BLK_PERM_WRITE | BLK_PERM_RESIZE))) {
        return preallocate_trim(bs, errp);
    }
    return 0;
}

static const BlockDriver preallocate_driver = {
    .name = "preallocate",
    .instance_size = sizeof(Preallocate),
    .is_filter = true,
    .image_may_name = true,
    .has_variable_length = true,
    .bounds_are_soft = true,
    .open_options = preallocate_options,
    .open = preallocate_open,
    .close = preallocate_close,
    .reopen_prepare = preallocate_reopen_prepare,
    .reopen_commit = preallocate_reopen_commit,
    .reopen_abort = preallocate_reopen_abort,
    .child_perm = preallocate_child_perm,
    .check_perm = preallocate_check_perm,
    .co_read = pass_co_read,
    .co_write = preallocate_co_write,
    .co_zero = preallocate_co_zero,
    .co_discard = pass_co_discard,
    .co_flush_to_disk = pass_co_flush,
    .co_truncate = preallocate_co_truncate,
    .getlength = preallocate_getlength,
    .co_block_status = pass_co_block_status,
};

void bdrv_preallocate_register(void)
{
    bdrv_register(&preallocate_driver);
}
