/*
 * copy-on-read: a filter that has what is read from a backing file copied into the image above it.
 * With "bottom", only what lies in the layers from the image down to that node is left alone;
 * anything below is not copied.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "../drivers.h"
#include "pass.h"
#include "block/graph.h"
#include "util/cutils.h"

typedef struct CopyOnRead {
    BlockDriverState *bottom;      /* referenced; NULL: the whole chain */
} CopyOnRead;

static const OptDesc cor_options[] = {
    { "bottom", OPT_STRING, "node below which nothing is copied", NULL },
    { NULL }
};

static int cor_take_bottom(BlockDriverState *bs, const char *name, Error **errp)
{
    CopyOnRead *s = bs->opaque;
    BlockDriverState *bottom = bdrv_find_node(name);

    if (!bottom) {
        error_setg(errp, "Bottom node '%s' not found", name);
        return -EINVAL;
    }
    if (bottom->drv->is_filter) {
        error_setg(errp, "Bottom node '%s' is a filter", name);
        return -EINVAL;
    }
    if (!bdrv_chain_contains(bs->file->bs, bottom)) {
        error_setg(errp, "Bottom node '%s' is not in the chain of '%s'", name, bdrv_get_node_name(bs->file->bs));
        return -EINVAL;
    }
    bdrv_ref(bottom);
    s->bottom = bottom;
    return 0;
}

static int cor_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    const char *bottom = opt_get_str(options, "bottom");
    int ret = pass_open_file(bs, errp);

    if (ret < 0) {
        return ret;
    }
    bs->supported_read_flags = BDRV_REQ_PREFETCH;
    return bottom ? cor_take_bottom(bs, bottom, errp) : 0;
}

static void cor_close(BlockDriverState *bs)
{
    CopyOnRead *s = bs->opaque;

    if (s->bottom) {
        bdrv_unref(s->bottom);
    }
}

/* A read by a parent writes to the child, without changing what it shows. */
static void cor_child_perm(BlockDriverState *bs, BdrvChild *c, BdrvChildRole role, uint64_t perm, uint64_t shared,
                           uint64_t *nperm, uint64_t *nshared)
{
    bdrv_default_perms(bs, c, role, perm, shared, nperm, nshared);
    *nperm |= BLK_PERM_WRITE_UNCHANGED;
    *nshared |= BLK_PERM_WRITE_UNCHANGED;
}

/* How far from offset is one answer to "must this be copied up on a read"?  1 yes, 0 no, or -errno. */
static int coroutine_fn cor_must_copy(BlockDriverState *bs, int64_t offset, int64_t bytes, int64_t *pnum)
{
    CopyOnRead *s = bs->opaque;
    BlockDriverState *top = bs->file->bs;
    int ret;

    if (!s->bottom) {
        *pnum = bytes;
        return 1;
    }
    ret = bdrv_is_allocated(top, offset, bytes, pnum);
    if (ret) {
        return ret < 0 ? ret : 0;
    }
    return bdrv_is_allocated_above(bdrv_backing_chain_next(top), s->bottom, true, offset, *pnum, pnum);
}

static int coroutine_fn cor_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                    size_t qiov_offset, BdrvRequestFlags flags)
{
    while (bytes > 0) {
        int64_t n = bytes;
        int ret = cor_must_copy(bs, offset, bytes, &n);

        if (ret < 0) {
            return ret;
        }
        if (n == 0) {
            n = bytes;
        }
        if (ret || !(flags & BDRV_REQ_PREFETCH)) {
            ret = bdrv_read(bs->file, offset, n, qiov, qiov_offset, flags | (ret ? BDRV_REQ_COPY_ON_READ : 0));
            if (ret < 0) {
                return ret;
            }
        }
        offset += n;
        qiov_offset += n;
        bytes -= n;
    }
    return 0;
}

static const BlockDriver copy_on_read_driver = {
    .name = "copy-on-read",
    .instance_size = sizeof(CopyOnRead),
    .is_filter = true,
    .image_may_name = true,
    .open_options = cor_options,
    .open = cor_open,
    .close = cor_close,
    .child_perm = cor_child_perm,
    .co_read = cor_co_read,
    .co_write = pass_co_write,
    .co_zero = pass_co_zero,
    .co_discard = pass_co_discard,
    .co_flush_to_disk = pass_co_flush,
    .co_truncate = pass_co_truncate,
    .getlength = pass_getlength,
    .co_block_status = pass_co_block_status,
};

void bdrv_copy_on_read_register(void)
{
    bdrv_register(&copy_on_read_driver);
}
