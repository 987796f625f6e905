/*
 * Flushes: the driver's caches, the node's own storage, then everything below that was written to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "io.h"

/* Make what completed so far stable; flushes that meet share the work (I3). */
static int coroutine_fn flush_to_disk(BlockDriverState *bs)
{
    struct BdrvIoState *io = io_of(bs);
    uint64_t wanted = LOAD(&io->write_gen);
    uint64_t covered;
    int ret;

    CO_SCOPED_LOCK(&io->flush_lock);
    if (io->stable_gen >= wanted) {
        return 0;
    }
    covered = LOAD(&io->write_gen);
    bdrv_debug_event(bs, "flush_to_disk");
    ret = bs->drv->co_flush_to_disk(bs);
    if (ret >= 0) {
        io->stable_gen = covered;
    }
    return ret;
}

static int coroutine_fn flush_children(BlockDriverState *bs)
{
    int ret = 0;

    for (BdrvChild *c = bs->children; c; c = c->next) {
        if (c->perm & (BLK_PERM_WRITE | BLK_PERM_WRITE_UNCHANGED)) {
            int r = io_co_flush(c->bs);
            ret = ret < 0 ? ret : r;
        }
    }
    return ret;
}

void bdrv_begin_writeback(BdrvChild *c, int64_t offset, int64_t bytes)
{
    BlockDriverState *bs = c->bs;

    if (bs->drv->begin_writeback && bytes > 0 && !(bs->open_flags & BDRV_O_NO_FLUSH)) {
        bs->drv->begin_writeback(bs, offset, bytes);
    }
}

int coroutine_fn io_co_settle(BlockDriverState *bs)
{
    int ret = 0;

    if (!bs || !bs->drv) {
        return -ENOMEDIUM;
    }
    if (bs->read_only || bs->core->inactive) {
        return 0;
    }
    io_begin(bs);
    if (bs->drv->co_settle) {
        ret = bs->drv->co_settle(bs);
    }
    for (BdrvChild *c = bs->children; c && ret == 0; c = c->next) {
        if (c->perm & (BLK_PERM_WRITE | BLK_PERM_WRITE_UNCHANGED)) {
            ret = io_co_settle(c->bs);
        }
    }
    io_end(bs);
    return ret;
}

int coroutine_fn io_co_flush(BlockDriverState *bs)
{
    int ret = 0;

    if (!bs || !bs->drv) {
        return -ENOMEDIUM;
    }
    if (bs->read_only || bs->core->inactive) {
        return 0;
    }
    io_begin(bs);
    if (bs->drv->co_flush_to_os) {
        bdrv_debug_event(bs, "flush_to_os");
        ret = bs->drv->co_flush_to_os(bs);
    }
    if (ret >= 0 && bs->drv->co_flush_to_disk && !(bs->open_flags & BDRV_O_NO_FLUSH)) {
        ret = flush_to_disk(bs);
    }
    if (ret >= 0 && !bs->drv->flushes_children) {
        ret = flush_children(bs);
    }
    io_end(bs);
    return ret;
}
