/*
 * What jobs do to the graph: filters of their own over a node, links that must stay while they work.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "internal.h"

BlockDriverState *bdrv_insert_node(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    ERRP_GUARD();
    BlockDriverState *top = bdrv_open(NULL, NULL, options, flags, errp);
    int ret;

    if (!top) {
        error_prepend(errp, "Could not create node: ");
        return NULL;
    }
    bdrv_drained_begin(bs);
    ret = bdrv_replace_node(bs, top, errp);
    bdrv_drained_end(bs);
    if (ret < 0) {
        error_prepend(errp, "Could not replace node: ");
        bdrv_unref(top);
        return NULL;
    }
    return top;
}

BlockDriverState *bdrv_new_internal_node(const BlockDriver *drv, const char *node_name, int flags, Error **errp)
{
    BlockDriverState *bs = bdrv_node_new();

    if (bdrv_node_set_name(bs, node_name, errp) < 0) {
        bdrv_unref(bs);
        return NULL;
    }
    bs->drv = drv;
    bs->opaque = g_malloc0(MAX(drv->instance_size, 1));
    bs->open_flags = flags;
    bs->read_only = !(flags & BDRV_O_RDWR);
    return bs;
}

bool bdrv_is_root_node(const BlockDriverState *bs)
{
    for (const BdrvChild *c = bs->parents; c; c = c->next_parent) {
        if (c->parent) {
            return false;
        }
    }
    return true;
}

static BdrvChild *link_below(const BlockDriverState *bs)
{
    BdrvChild *c = bdrv_filter_child(bs);

    return c ? c : bs->backing;
}

BlockDriverState *bdrv_find_overlay(BlockDriverState *active, BlockDriverState *bs)
{
    BdrvChild *c;

    while ((c = link_below(active)) && c->bs != bs) {
        active = c->bs;
    }
    return c ? active : NULL;
}

int bdrv_freeze_chain(BlockDriverState *bs, BlockDriverState *base, Error **errp)
{
    BdrvChild *c;

    for (BlockDriverState *i = bs; i != base && (c = link_below(i)); i = c->bs) {
        if (c->frozen) {
            error_setg(errp, "Cannot change '%s' link from '%s' to '%s'", c->name, i->node_name, c->bs->node_name);
            return -EPERM;
        }
        if (c->bs->drv && c->bs->drv->never_freeze) {
            error_setg(errp, "Cannot freeze '%s' link to '%s'", c->name, c->bs->node_name);
            return -EPERM;
        }
    }
    for (BlockDriverState *i = bs; i != base && (c = link_below(i)); i = c->bs) {
        c->frozen = true;
    }
    return 0;
}

void bdrv_unfreeze_chain(BlockDriverState *bs, BlockDriverState *base)
{
    BdrvChild *c;

    for (BlockDriverState *i = bs; i != base && (c = link_below(i)); i = c->bs) {
        c->frozen = false;
    }
}

BlockDriverState *bdrv_skip_implicit_filters(BlockDriverState *bs)
{
    BdrvChild *c;

    while (bs && bs->implicit && (c = bdrv_filter_child(bs))) {
        bs = c->bs;
    }
    return bs;
}
