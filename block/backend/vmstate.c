/*
 * Machine state beside the guest's disk: passed down through filters to the node that stores it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "backend.h"

typedef struct VmstateCall {
    BlockDriverState *bs;
    IoVec qiov;
    int64_t pos;
    bool save;
    int ret;
} VmstateCall;

static void coroutine_fn vmstate_entry(void *opaque)
{
    VmstateCall *c = opaque;
    const BlockDriver *drv = c->bs->drv;

    c->ret = (c->save ? drv->co_save_vmstate : drv->co_load_vmstate)(c->bs, &c->qiov, c->pos);
}

static int vmstate_run(BlockBackend *blk, void *buf, int64_t pos, int size, bool save)
{
    VmstateCall call = { .bs = blk_bs(blk), .pos = pos, .save = save };

    if (!blk_is_available(blk)) {
        return -ENOMEDIUM;
    }
    while (call.bs && !(save ? call.bs->drv->co_save_vmstate : call.bs->drv->co_load_vmstate)) {
        call.bs = bdrv_primary_bs(call.bs);
    }
    if (!call.bs) {
        return -ENOTSUP;
    }
    iov_init_buf(&call.qiov, buf, size);
    co_run_sync(vmstate_entry, &call);
    return call.ret;
}

int blk_save_vmstate(BlockBackend *blk, const void *buf, int64_t pos, int size)
{
    int ret = vmstate_run(blk, (void *)buf, pos, size, true);

    if (ret >= 0 && !blk_enable_write_cache(blk)) {
        ret = bdrv_flush(blk_bs(blk));
    }
    return ret < 0 ? ret : size;
}

int blk_load_vmstate(BlockBackend *blk, void *buf, int64_t pos, int size)
{
    return vmstate_run(blk, buf, pos, size, false);
}
