/*
 * Moving parents from one node to another: replace, append on top, one edge alone.
 *
 * Edges are moved with both ends drained, then permissions are worked out once for the new
 * graph; a conflict moves them back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "internal.h"

static void move_edges(GPtrArray *edges, BlockDriverState *to)
{
    for (guint i = 0; i < edges->len; i++) {
        bdrv_edge_move(g_ptr_array_index(edges, i), to);
    }
}

static int refresh_two(BlockDriverState *a, BlockDriverState *b, Error **errp)
{
    BlockDriverState *roots[] = { a, b };
    PermChange *pc = bdrv_perm_check(roots, b ? 2 : 1, errp);

    if (!pc) {
        return -EPERM;
    }
    bdrv_perm_commit(pc);
    return 0;
}

/* An edge of `to`'s own subtree stays, or to would be its own ancestor; a frozen one forbids the move. */
static int collect_movable(BlockDriverState *from, BlockDriverState *to, GPtrArray *edges, Error **errp)
{
    for (BdrvChild *c = from->parents; c; c = c->next_parent) {
        if (c->parent ? bdrv_reaches(to, c->parent) : c->ops->stay_at_node) {
            continue;
        }
        if (c->frozen) {
            error_setg(errp, "Cannot change '%s' link to '%s'", c->name, from->node_name);
            return -EPERM;
        }
        g_ptr_array_add(edges, c);
    }
    return 0;
}

int bdrv_replace_node(BlockDriverState *from, BlockDriverState *to, Error **errp)
{
    g_autoptr(GPtrArray) edges = g_ptr_array_new();
    int ret;

    bdrv_ref(from);
    bdrv_ref(to);
    bdrv_drained_begin(from);
    bdrv_drained_begin(to);
    ret = collect_movable(from, to, edges, errp);
    if (ret == 0) {
        move_edges(edges, to);
        ret = refresh_two(to, from, errp);
        if (ret < 0) {
            move_edges(edges, from);
        }
    }
    bdrv_drained_end(to);
    bdrv_drained_end(from);
    bdrv_unref(to);
    bdrv_unref(from);
    return ret;
}

int bdrv_append(BlockDriverState *top, BlockDriverState *bs, Error **errp)
{
    int ret;

    g_assert(!top->backing);
    bdrv_ref(bs);
    ret = bdrv_set_backing_hd(top, bs, errp);
    if (ret == 0) {
        ret = bdrv_replace_node(bs, top, errp);
        if (ret < 0) {
            bdrv_set_backing_hd(top, NULL, NULL);
        }
    }
    bdrv_unref(bs);
    return ret;
}

int bdrv_replace_child_bs(BdrvChild *c, BlockDriverState *new_bs, Error **errp)
{
    BlockDriverState *old = c->bs;
    int ret;

    if (old == new_bs) {
        return 0;
    }
    if (c->frozen) {
        error_setg(errp, "Cannot change '%s' link to '%s'", c->name, old->node_name);
        return -EPERM;
    }
    bdrv_ref(old);
    bdrv_drained_begin(old);
    bdrv_drained_begin(new_bs);
    bdrv_edge_move(c, new_bs);
    ret = refresh_two(c->parent ? c->parent : new_bs, old, errp);
    if (ret < 0) {
        bdrv_edge_move(c, old);
        refresh_two(c->parent ? c->parent : old, new_bs, NULL);
    }
    bdrv_drained_end(new_bs);
    bdrv_drained_end(old);
    bdrv_unref(old);
    return ret;
}
