/*
 * Request limits of a node: merged from its children, then what the driver says.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <limits.h>
#include <unistd.h>
#include "internal.h"
#include "util/cutils.h"

static uint32_t min_nonzero(uint32_t a, uint32_t b)
{
    return !a ? b : !b ? a : MIN(a, b);
}

static void merge(BlockLimits *dst, const BlockLimits *src)
{
    dst->opt_transfer = MAX(dst->opt_transfer, src->opt_transfer);
    dst->max_transfer = min_nonzero(dst->max_transfer, src->max_transfer);
    dst->max_hw_transfer = min_nonzero(dst->max_hw_transfer, src->max_hw_transfer);
    dst->min_mem_alignment = MAX(dst->min_mem_alignment, src->min_mem_alignment);
    dst->opt_mem_alignment = MAX(dst->opt_mem_alignment, src->opt_mem_alignment);
    dst->max_iov = min_nonzero(dst->max_iov, src->max_iov);
}

static void limits_from_children(BlockDriverState *bs)
{
    bool any = false;

    for (BdrvChild *c = bs->children; c; c = c->next) {
        if (c->role & (BDRV_CHILD_DATA | BDRV_CHILD_FILTERED | BDRV_CHILD_COW)) {
            merge(&bs->bl, &c->bs->bl);
            any = true;
        }
    }
    if (!any) {
        bs->bl.min_mem_alignment = 512;
        bs->bl.opt_mem_alignment = sysconf(_SC_PAGESIZE);
        bs->bl.max_iov = IOV_MAX;
    }
}

int bdrv_refresh_limits(BlockDriverState *bs, Error **errp)
{
    ERRP_GUARD();

    bs->bl = (BlockLimits) { .request_alignment = 1 };
    limits_from_children(bs);
    if (bs->core->has_probe_guard) {
        bs->bl.request_alignment = BDRV_SECTOR_SIZE;    /* the guard looks at whole first sectors */
    }
    if (bs->drv->refresh_limits) {
        bs->drv->refresh_limits(bs, errp);
        if (*errp) {
            return -EINVAL;
        }
    }
    bs->bl.request_alignment = MAX(bs->bl.request_alignment, 1);
    if (!IS_POW2(bs->bl.request_alignment) || bs->bl.request_alignment > BDRV_MAX_ALIGNMENT) {
        error_setg(errp, "Driver requires too large request alignment");
        return -EINVAL;
    }
    return 0;
}
