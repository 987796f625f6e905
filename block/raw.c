/*
 * raw: the image is its file, byte for byte; optionally a window of it (offset, size).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "drivers.h"
#include "block/graph.h"
#include "util/cutils.h"

/* Changes only at open and reopen, drained. */
typedef struct RawState {
    uint64_t offset;
    uint64_t size;                 /* meaningful with has_size */
    bool has_size;
} RawState;

static const OptDesc raw_open_options[] = {
    { "offset", OPT_SIZE, "offset in the disk where the image starts", NULL },
    { "size", OPT_SIZE, "virtual disk size", NULL },
    { NULL }
};

static const OptDesc raw_create_options[] = {
    { "size", OPT_SIZE, "Virtual disk size", NULL },
    { NULL }
};

static int raw_take_window(BlockDriverState *bs, QDict *options, RawState *s, Error **errp)
{
    int64_t real = bdrv_getlength(bs->file->bs);

    if (real < 0) {
        error_setg_errno(errp, -real, "Could not get image size");
        return real;
    }
    s->offset = opt_get_size(options, "offset", 0);
    s->has_size = qdict_has(options, "size");
    if ((uint64_t)real < s->offset) {
        error_setg(errp, "Offset (%" PRIu64 ") cannot be greater than size of the containing file (%" PRId64 ")",
                   s->offset, real);
        return -EINVAL;
    }
    s->size = opt_get_size(options, "size", real - s->offset);
    if (s->has_size && real - s->offset < s->size) {
        error_setg(errp, "The sum of offset (%" PRIu64 ") and size (%" PRIu64 ") has to be smaller or equal to the "
                   " actual size of the containing file (%" PRId64 ")", s->offset, s->size, real);
        return -EINVAL;
    }
    /* Requests are aligned to sectors, so the window must be too. */
    if (s->has_size && !IS_ALIGNED(s->size, BDRV_SECTOR_SIZE)) {
        error_setg(errp, "Specified size is not multiple of %d", BDRV_SECTOR_SIZE);
        return -EINVAL;
    }
    return 0;
}

static int raw_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    RawState *s = bs->opaque;
    int ret = bdrv_open_file_child(NULL, bs->options, bs, errp);

    if (ret < 0) {
        return ret;
    }
    ret = raw_take_window(bs, options, s, errp);
    if (ret < 0) {
        return ret;
    }
    bs->supported_read_flags = bs->file->bs->supported_read_flags;
    bs->supported_write_flags = BDRV_REQ_WRITE_UNCHANGED | (BDRV_REQ_FUA & bs->file->bs->supported_write_flags);
    bs->supported_zero_flags = BDRV_REQ_WRITE_UNCHANGED |
        ((BDRV_REQ_FUA | BDRV_REQ_MAY_UNMAP | BDRV_REQ_NO_FALLBACK) & bs->file->bs->supported_zero_flags);
    bs->supported_truncate_flags = bs->file->bs->supported_truncate_flags & BDRV_REQ_ZERO_WRITE;
    return 0;
}

static int raw_reopen_prepare(BdrvReopenState *rs, Error **errp)
{
    RawState *s = g_new0(RawState, 1);
    int ret = raw_take_window(rs->bs, rs->options, s, errp);

    if (ret < 0) {
        g_free(s);
        return ret;
    }
    rs->opaque = s;
    return 0;
}

static void raw_reopen_commit(BdrvReopenState *rs)
{
    *(RawState *)rs->bs->opaque = *(RawState *)rs->opaque;
    g_free(rs->opaque);
}

static void raw_reopen_abort(BdrvReopenState *rs)
{
    g_free(rs->opaque);
}

/* The lowest score: anything is a raw image. */
static int raw_probe(const uint8_t *buf, int buf_size, const char *filename)
{
    return 1;
}

/* Move *offset into the file; writes must stay inside the window. */
static int place(BlockDriverState *bs, int64_t *offset, int64_t bytes, bool is_write)
{
    RawState *s = bs->opaque;

    if (s->has_size && ((uint64_t)*offset > s->size || (uint64_t)bytes > s->size - *offset)) {
        return is_write ? -ENOSPC : -EINVAL;
    }
    if (*offset > INT64_MAX - bytes || s->offset > (uint64_t)(INT64_MAX - bytes - *offset)) {
        return -EINVAL;
    }
    *offset += s->offset;
    return 0;
}

static int coroutine_fn raw_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                    size_t qiov_offset, BdrvRequestFlags flags)
{
    int ret = place(bs, &offset, bytes, false);

    bdrv_child_event(bs->file, "read_aio");
    return ret < 0 ? ret : bdrv_read(bs->file, offset, bytes, qiov, qiov_offset, flags);
}

static int coroutine_fn raw_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                     size_t qiov_offset, BdrvRequestFlags flags)
{
    int ret = place(bs, &offset, bytes, true);

    bdrv_child_event(bs->file, "write_aio");
    return ret < 0 ? ret : bdrv_write(bs->file, offset, bytes, qiov, qiov_offset, flags);
}

static int coroutine_fn raw_co_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    int ret = place(bs, &offset, bytes, true);

    return ret < 0 ? ret : bdrv_zero(bs->file, offset, bytes, flags);
}

static int coroutine_fn raw_co_discard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    int ret = place(bs, &offset, bytes, true);

    return ret < 0 ? ret : bdrv_discard(bs->file, offset, bytes);
}

/* A raw source was replaced by its file before. */
static int coroutine_fn raw_co_copy_range(BlockDriverState *dst, int64_t dst_offset, BdrvChild *src, int64_t src_offset,
                                          int64_t bytes, BdrvRequestFlags rf, BdrvRequestFlags wf)
{
    int ret = place(dst, &dst_offset, bytes, true);

    return ret < 0 ? ret : bdrv_copy_range(src, src_offset, dst->file, dst_offset, bytes, rf | BDRV_REQ_NO_FALLBACK, wf);
}

static int coroutine_fn raw_co_block_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                                            int64_t *pnum, int64_t *map, BlockDriverState **file)
{
    RawState *s = bs->opaque;

    *pnum = bytes;
    *file = bs->file->bs;
    *map = offset + s->offset;
    return BDRV_BLOCK_RAW | BDRV_BLOCK_OFFSET_VALID;
}

static int64_t raw_getlength(BlockDriverState *bs)
{
    RawState *s = bs->opaque;
    int64_t length;

    if (s->has_size) {
        return s->size;
    }
    length = bdrv_getlength(bs->file->bs);
    return length < 0 ? length : (int64_t)s->offset > length ? 0 : length - (int64_t)s->offset;
}

static int coroutine_fn raw_co_truncate(BlockDriverState *bs, int64_t offset, bool exact, PreallocMode prealloc,
                                        BdrvRequestFlags flags, Error **errp)
{
    RawState *s = bs->opaque;

    if (s->has_size) {
        error_setg(errp, "Cannot resize fixed-size raw disks");
        return -ENOTSUP;
    }
    if ((uint64_t)offset > INT64_MAX - s->offset) {
        error_setg(errp, "Disk size too large for the chosen offset");
        return -EINVAL;
    }
    return bdrv_truncate(bs->file, offset + s->offset, exact, prealloc, flags, errp);
}

static int raw_get_info(BlockDriverState *bs, BlockDriverInfo *bdi)
{
    return bdrv_get_info(bs->file->bs, bdi);
}

static int coroutine_fn raw_co_create(const BlockDriver *drv, const char *filename, QDict *opts, Error **errp)
{
    return bdrv_create_file(filename, opts, errp);
}

/*
 * Without a structure of its own raw needs of its file what its users need of it, no more: who writes does
 * not resize, and others may.  A window is different: its place in the file must not be cut away.
 */
static void raw_child_perm(BlockDriverState *bs, BdrvChild *c, BdrvChildRole role, uint64_t perm, uint64_t shared,
                           uint64_t *nperm, uint64_t *nshared)
{
    const RawState *s = bs->opaque;

    bdrv_default_perms(bs, c, BDRV_CHILD_FILTERED | BDRV_CHILD_PRIMARY, perm, shared, nperm, nshared);
    if (s && (s->offset || s->has_size)) {
        *nshared &= ~(uint64_t)BLK_PERM_RESIZE;
    }
}

static QDict *raw_measure(QDict *opts, BlockDriverState *in_bs, Error **errp)
{
    uint64_t required = in_bs ? (uint64_t)bdrv_getlength(in_bs)
                              : ALIGN_UP(opt_get_size(opts, "size", 0), BDRV_SECTOR_SIZE);
    QDict *d;

    if (in_bs && (int64_t)required < 0) {
        error_setg_errno(errp, -(int64_t)required, "Unable to get image size");
        return NULL;
    }
    d = qdict_new();
    qdict_put_uint(d, "required", required);
    qdict_put_uint(d, "fully-allocated", required);
    return d;
}

static const char *const raw_strong_options[] = { "offset", "size", NULL };

static const BlockDriver raw_driver = {
    .name = "raw",
    .is_format = true,
    .instance_size = sizeof(RawState),
    .has_variable_length = true,
    .bounds_are_soft = true,
    .open_options = raw_open_options,
    .create_options = raw_create_options,
    .image_may_name = true,
    .image_options = raw_strong_options,
    .strong_options = raw_strong_options,
    .mutable_options = raw_strong_options,
    .probe = raw_probe,
    .open = raw_open,
    .reopen_prepare = raw_reopen_prepare,
    .reopen_commit = raw_reopen_commit,
    .reopen_abort = raw_reopen_abort,
    .child_perm = raw_child_perm,
    .co_create = raw_co_create,
    .co_read = raw_co_read,
    .co_write = raw_co_write,
    .co_zero = raw_co_zero,
    .co_discard = raw_co_discard,
    .co_copy_range = raw_co_copy_range,
    .co_block_status = raw_co_block_status,
    .co_truncate = raw_co_truncate,
    .getlength = raw_getlength,
    .get_info = raw_get_info,
    .measure = raw_measure,
};

void bdrv_raw_register(void)
{
    bdrv_register(&raw_driver);
}
