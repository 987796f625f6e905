/*
 * Machine state beside the guest's disk: passed down through filters to the node that stores it.
 *
 * States have any length, but a node may take whole blocks only (encryption does): then the first and the last block are read
 * and written whole.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "backend.h"
#include "util/cutils.h"

typedef struct VmstateCall {
    BlockDriverState *bs;
    IoVec qiov;
    int64_t pos;
    bool save;
    int ret;
} VmstateCall;

static int coroutine_fn transfer(const VmstateCall *c, uint8_t *buf, int64_t pos, size_t bytes, bool save)
{
    const BlockDriver *drv = c->bs->drv;
    IoVec v;

    iov_init_buf(&v, buf, bytes);
    return (save ? drv->co_save_vmstate : drv->co_load_vmstate)(c->bs, &v, pos);
}

/* What is saved of the blocks at either end besides the call's bytes. */
static int coroutine_fn read_ends(const VmstateCall *c, uint8_t *buf, int64_t start, int64_t end)
{
    int64_t align = c->bs->bl.request_alignment, last = end - align, to = c->pos + c->qiov.size;
    int ret = start < c->pos ? transfer(c, buf, start, align, false) : 0;

    return ret >= 0 && to < end && (last > start || start == c->pos) ? transfer(c, buf + (last - start), last, align, false) : ret;
}

static int coroutine_fn whole_blocks(const VmstateCall *c)
{
    int64_t align = c->bs->bl.request_alignment, start = ALIGN_DOWN(c->pos, align), end = ALIGN_UP(c->pos + (int64_t)c->qiov.size, align);
    uint8_t *buf = bdrv_blockalign(c->bs, end - start);
    int ret = buf ? 0 : -ENOMEM;

    if (ret == 0 && c->save) {
        ret = read_ends(c, buf, start, end);
        iov_to_buf(&c->qiov, 0, buf + (c->pos - start), c->qiov.size);
    }
    if (ret >= 0) {
        ret = transfer(c, buf, start, end - start, c->save);
    }
    if (ret >= 0 && !c->save) {
        iov_from_buf(&c->qiov, 0, buf + (c->pos - start), c->qiov.size);
    }
    bdrv_memfree(buf);
    return ret;
}

static void coroutine_fn vmstate_entry(void *opaque)
{
    VmstateCall *c = opaque;
    const BlockDriver *drv = c->bs->drv;
    int64_t align = c->bs->bl.request_alignment;

    if (c->pos < 0 || c->pos > BDRV_MAX_LENGTH - INT_MAX) {
        c->ret = -EFBIG;
    } else if (c->pos % align || c->qiov.size % align) {
        c->ret = whole_blocks(c);
    } else {
        c->ret = (c->save ? drv->co_save_vmstate : drv->co_load_vmstate)(c->bs, &c->qiov, c->pos);
    }
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
