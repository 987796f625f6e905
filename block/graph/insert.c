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
        if (c->parent || !c->ops->get_name) {
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
    bs = bdrv_skip_filters(bs);
    active = bdrv_skip_filters(active);
    while (active && bdrv_backing_chain_next(active) != bs) {
        active = bdrv_backing_chain_next(active);
    }
    return active;
}

/* An image whose backing node was replaced: say so in its header. */
static int update_backing_name(BlockDriverState *parent, BlockDriverState *base, const char *name, Error **errp)
{
    bool was_read_only = parent->read_only;
    int ret;

    if (was_read_only) {
        ret = bdrv_reopen_set_read_only(parent, false, errp);
        if (ret < 0) {
            return ret;
        }
    }
    ret = bdrv_change_backing_file(parent, name, base->drv->name, false);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not update backing file link");
    }
    if (was_read_only) {
        bdrv_reopen_set_read_only(parent, true, NULL);
    }
    return ret;
}

int bdrv_drop_intermediate(BlockDriverState *top, BlockDriverState *base, const char *name)
{
    g_autoptr(GPtrArray) overlays = g_ptr_array_new();
    Error *err = NULL;
    int ret;

    if (!bdrv_chain_contains(top, base)) {
        return -EIO;
    }
    bdrv_ref(top);
    bdrv_drained_begin(top);
    if (!name) {
        bdrv_refresh_filename(base);
        name = base->filename;
    }
    for (BdrvChild *c = top->parents; c; c = c->next_parent) {
        if (c->parent && (c->role & BDRV_CHILD_COW)) {
            g_ptr_array_add(overlays, c->parent);
        }
    }
    ret = bdrv_replace_node(top, base, &err);
    for (guint i = 0; ret == 0 && i < overlays->len; i++) {
        ret = update_backing_name(g_ptr_array_index(overlays, i), base, name, &err);
    }
    if (err) {
        error_report_err(err);
    }
    bdrv_drained_end(top);
    bdrv_unref(top);
    return ret;
}

int bdrv_freeze_chain(BlockDriverState *bs, BlockDriverState *base, Error **errp)
{
    BdrvChild *c;

    for (BlockDriverState *i = bs; i != base && (c = link_below(i)); i = c->bs) {
        if (c->frozen) {
            error_setg(errp, "Cannot change '%s' link from '%s' to '%s'", c->name, i->node_name, c->bs->node_name);
            return -EPERM;
        }
        if (c->bs->drv->never_freeze) {
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
