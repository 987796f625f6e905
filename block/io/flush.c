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

/* fn for every child that may be written to; the first error. */
static int coroutine_fn below(BlockDriverState *bs, int coroutine_fn (*fn)(BlockDriverState *bs))
{
    int ret = 0;

    for (BdrvChild *c = bs->children; c; c = c->next) {
        if (c->perm & (BLK_PERM_WRITE | BLK_PERM_WRITE_UNCHANGED)) {
            int r = fn(c->bs);
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

/* May anything be waiting in the node?  1, 0 or -ENOMEDIUM. */
static int may_hold_writes(const BlockDriverState *bs)
{
    if (!bs || !bs->drv) {
        return -ENOMEDIUM;
    }
    return !bs->read_only && !bs->core->inactive;
}

int coroutine_fn io_co_settle(BlockDriverState *bs)
{
    int ret = may_hold_writes(bs);

    if (ret <= 0) {
        return ret;
    }
    io_begin(bs);
    ret = bs->drv->co_settle ? bs->drv->co_settle(bs) : 0;
    if (ret == 0) {
        ret = below(bs, io_co_settle);
    }
    io_end(bs);
    return ret;
}

int coroutine_fn io_co_flush(BlockDriverState *bs)
{
    int ret = may_hold_writes(bs);

    if (ret <= 0) {
        return ret;
    }
    ret = 0;
    io_begin(bs);
    if (bs->drv->co_flush_to_os) {
        bdrv_debug_event(bs, "flush_to_os");
        ret = bs->drv->co_flush_to_os(bs);
    }
    if (ret >= 0 && bs->drv->co_flush_to_disk && !(bs->open_flags & BDRV_O_NO_FLUSH)) {
        ret = flush_to_disk(bs);
    }
    if (ret >= 0 && !bs->drv->flushes_children) {
        ret = below(bs, io_co_flush);
    }
    io_end(bs);
    return ret;
}
