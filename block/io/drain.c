/*
 * Drained sections: making the users of a node hold back and waiting for what runs.
 *
 * A node's `quiesced` counts the sections on it plus one for each child edge whose node is quiesced.
 * While a section waits, limits are lifted on every node that what it waits for may go through: above and below it, and at the
 * other nodes of its jobs.  Otherwise a limit would say how long the main thread stands still.
 * Main thread; begin may also be called in a coroutine there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "io.h"

static BlockDriverState *all_nodes;
static int drain_all_depth;

void drain_register(BlockDriverState *bs)
{
    struct BdrvIoState *io = io_of(bs);

    io->next = all_nodes;
    if (all_nodes) {
        io_of(all_nodes)->prev = bs;
    }
    all_nodes = bs;
    io->quiesced = drain_all_depth;
}

void drain_unregister(BlockDriverState *bs)
{
    struct BdrvIoState *io = io_of(bs);

    *(io->prev ? &io_of(io->prev)->next : &all_nodes) = io->next;
    if (io->next) {
        io_of(io->next)->prev = io->prev;
    }
}

static void driver_drain(BlockDriverState *bs)
{
    if (io_of(bs)->driver_ready && bs->drv && bs->drv->drain_begin) {
        bs->drv->drain_begin(bs);
        io_of(bs)->driver_drained = true;
    }
}

void bdrv_io_driver_opened(BlockDriverState *bs)
{
    io_of(bs)->driver_ready = true;
    if (io_of(bs)->quiesced > 0) {
        driver_drain(bs);
    }
}

static void node_quiesce(BlockDriverState *bs);
static void node_unquiesce(BlockDriverState *bs);

static void edge_quiesce(BdrvChild *c)
{
    if (c->parent) {
        node_quiesce(c->parent);
    } else if (c->ops->drained_begin) {
        c->ops->drained_begin(c);
    }
}

static void edge_unquiesce(BdrvChild *c)
{
    if (c->parent) {
        node_unquiesce(c->parent);
    } else if (c->ops->drained_end) {
        c->ops->drained_end(c);
    }
}

static void node_quiesce(BlockDriverState *bs)
{
    struct BdrvIoState *io = io_of(bs);

    if (__atomic_add_fetch(&io->quiesced, 1, __ATOMIC_SEQ_CST) > 1) {
        return;
    }
    for (BdrvChild *c = bs->parents; c; c = c->next_parent) {
        edge_quiesce(c);
    }
    driver_drain(bs);
}

static void node_unquiesce(BlockDriverState *bs)
{
    struct BdrvIoState *io = io_of(bs);
    BdrvChild *next;

    g_assert(io->quiesced > 0);
    if (__atomic_sub_fetch(&io->quiesced, 1, __ATOMIC_SEQ_CST) > 0) {
        return;
    }
    if (io->driver_drained) {
        io->driver_drained = false;
        if (bs->drv && bs->drv->drain_end) {
            bs->drv->drain_end(bs);
        }
    }
    for (BdrvChild *c = bs->parents; c; c = next) {
        next = c->next_parent;
        edge_unquiesce(c);
    }
}

void bdrv_io_edge_attached(BdrvChild *c)
{
    if (io_of(c->bs)->quiesced > 0) {
        edge_quiesce(c);
    }
}

void bdrv_io_edge_detaching(BdrvChild *c)
{
    if (io_of(c->bs)->quiesced > 0) {
        edge_unquiesce(c);
    }
}

void bdrv_io_edge_hold(BdrvChild *c)
{
    edge_quiesce(c);
}

void bdrv_io_edge_release(BdrvChild *c)
{
    edge_unquiesce(c);
}

static bool edge_busy(BdrvChild *c)
{
    return !c->parent && c->ops->drained_poll && c->ops->drained_poll(c);
}

/* bs or anything above it. */
static bool node_busy(void *opaque)
{
    BlockDriverState *bs = opaque;

    if (LOAD(&io_of(bs)->in_flight) > 0) {
        return true;
    }
    for (BdrvChild *c = bs->parents; c; c = c->next_parent) {
        if (c->parent ? node_busy(c->parent) : edge_busy(c)) {
            return true;
        }
    }
    return false;
}

static bool any_busy(void *opaque)
{
    for (BlockDriverState *bs = all_nodes; bs; bs = io_of(bs)->next) {
        if (LOAD(&io_of(bs)->in_flight) > 0) {
            return true;
        }
        for (BdrvChild *c = bs->parents; c; c = c->next_parent) {
            if (edge_busy(c)) {
                return true;
            }
        }
    }
    return false;
}

/* --- lifting limits ------------------------------------------------------------------------------- */

static void reach(GPtrArray *nodes, BlockDriverState *bs)
{
    if (!io_of(bs)->reached) {
        io_of(bs)->reached = true;
        g_ptr_array_add(nodes, bs);
    }
}

/* All nodes that the user of edge c has an edge to. */
static void reach_by_user(GPtrArray *nodes, const BdrvChild *c)
{
    for (BlockDriverState *bs = all_nodes; bs; bs = io_of(bs)->next) {
        for (const BdrvChild *other = io_of(bs)->reached ? NULL : bs->parents; other; other = other->next_parent) {
            if (!other->parent && other->opaque == c->opaque) {
                reach(nodes, bs);
            }
        }
    }
}

GPtrArray *bdrv_limits_lift(BlockDriverState *start)
{
    GPtrArray *nodes = g_ptr_array_new();

    for (BlockDriverState *bs = start ? NULL : all_nodes; bs; bs = io_of(bs)->next) {
        reach(nodes, bs);
    }
    if (start) {
        reach(nodes, start);
    }
    for (guint i = 0; i < nodes->len; i++) {
        BlockDriverState *bs = g_ptr_array_index(nodes, i);

        for (const BdrvChild *c = bs->children; c; c = c->next) {
            reach(nodes, c->bs);
        }
        for (const BdrvChild *c = bs->parents; c; c = c->next_parent) {
            if (c->parent) {
                reach(nodes, c->parent);
            } else if (c->ops && c->ops->has_more_edges) {
                reach_by_user(nodes, c);
            }
        }
    }
    for (guint i = nodes->len; i-- > 0;) {
        BlockDriverState *bs = g_ptr_array_index(nodes, i);

        io_of(bs)->reached = false;
        if (bs->core->refcnt > 0 && io_of(bs)->driver_ready && bs->drv && bs->drv->drain_begin) {   /* 0: it is about to be freed */
            bdrv_ref(bs);
            bs->drv->drain_begin(bs);
        } else {
            g_ptr_array_remove_index_fast(nodes, i);
        }
    }
    return nodes;
}

void bdrv_limits_restore(GPtrArray *nodes)
{
    for (guint i = 0; i < nodes->len; i++) {
        BlockDriverState *bs = g_ptr_array_index(nodes, i);

        bs->drv->drain_end(bs);
        bdrv_unref(bs);
    }
    g_ptr_array_unref(nodes);
}

void bdrv_wait_while(bool (*busy)(void *opaque), void *opaque)
{
    if (busy(opaque)) {
        GPtrArray *lifted = bdrv_limits_lift(NULL);

        aio_wait_while(busy, opaque);
        bdrv_limits_restore(lifted);
    }
}

/* --- sections ------------------------------------------------------------------------------------- */

typedef struct DrainWait {
    bool (*busy)(void *opaque);
    BlockDriverState *bs;              /* NULL: all */
} DrainWait;

static void drain_wait_outside(void *opaque)
{
    DrainWait *w = opaque;
    GPtrArray *lifted = w->bs ? bdrv_limits_lift(w->bs) : NULL;

    aio_wait_while(w->busy, w->bs);
    if (lifted) {
        bdrv_limits_restore(lifted);
    }
}

static void drain_wait(bool (*busy)(void *opaque), BlockDriverState *bs)
{
    DrainWait w = { busy, bs };

    if (busy(bs)) {
        aio_run_outside(drain_wait_outside, &w);
    }
}

void bdrv_drained_begin(BlockDriverState *bs)
{
    node_quiesce(bs);
    drain_wait(node_busy, bs);
}

void bdrv_drained_end(BlockDriverState *bs)
{
    node_unquiesce(bs);
}

void bdrv_drain_all_begin(void)
{
    drain_all_depth++;
    for (BlockDriverState *bs = all_nodes; bs; bs = io_of(bs)->next) {
        node_quiesce(bs);
    }
    drain_wait(any_busy, NULL);
}

void bdrv_drain_all_end(void)
{
    BlockDriverState *next;

    g_assert(drain_all_depth > 0);
    drain_all_depth--;
    for (BlockDriverState *bs = all_nodes; bs; bs = next) {
        next = io_of(bs)->next;
        node_unquiesce(bs);
    }
}
