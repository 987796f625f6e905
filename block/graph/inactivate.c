/*
 * Handing all images over to another process (migration) and taking them back.
 *
 * Inactivation goes from the users down: a node is given up only when no user above needs it;
 * activation goes from the files up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "internal.h"

static GPtrArray *all_nodes_top_down(void)
{
    g_autoptr(GPtrArray) roots = g_ptr_array_new();

    for (BlockDriverState *bs = bdrv_next_any(NULL); bs; bs = bdrv_next_any(bs)) {
        g_ptr_array_add(roots, bs);
    }
    return bdrv_walk_down((BlockDriverState *const *)roots->pdata, roots->len);
}

static int inactivate_users(BlockDriverState *bs)
{
    for (BdrvChild *c = bs->parents; c; c = c->next_parent) {
        int ret = c->ops && c->ops->inactivate ? c->ops->inactivate(c) : 0;

        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

static void set_inactive(BlockDriverState *bs, bool on)
{
    bs->core->inactive = on;
    bs->open_flags = on ? bs->open_flags | BDRV_O_INACTIVE : bs->open_flags & ~BDRV_O_INACTIVE;
}

static int inactivate_node(BlockDriverState *bs)
{
    int ret;

    if (bs->open_flags & BDRV_O_INACTIVE) {
        return 0;
    }
    ret = bs->drv->inactivate ? bs->drv->inactivate(bs) : 0;
    if (ret < 0) {
        return ret;
    }
    ret = inactivate_users(bs);
    if (ret < 0) {
        return ret;
    }
    if (bs->core->cumulative_perm & (BLK_PERM_WRITE | BLK_PERM_WRITE_UNCHANGED)) {
        return -EPERM;
    }
    set_inactive(bs, true);
    return bdrv_perm_refresh(bs, NULL);
}

int bdrv_inactivate_all(void)
{
    g_autoptr(GPtrArray) nodes = NULL;
    int ret = 0;

    bdrv_drain_all_begin();
    nodes = all_nodes_top_down();
    for (guint i = 0; i < nodes->len && ret == 0; i++) {
        ret = inactivate_node(g_ptr_array_index(nodes, i));
    }
    bdrv_drain_all_end();
    return ret;
}

typedef struct ActivateCall {
    BlockDriverState *bs;
    Error **errp;
    int ret;
} ActivateCall;

static void coroutine_fn activate_entry(void *opaque)
{
    ActivateCall *c = opaque;

    c->ret = c->bs->drv->co_activate(c->bs, c->errp);
}

static int activate_node(BlockDriverState *bs, Error **errp)
{
    ERRP_GUARD();
    ActivateCall call = { bs, errp, 0 };
    int ret = 0;

    if (!(bs->open_flags & BDRV_O_INACTIVE)) {
        return 0;
    }
    set_inactive(bs, false);
    ret = bdrv_perm_refresh(bs, errp);
    if (ret == 0 && bs->drv->co_activate) {
        co_run_sync(activate_entry, &call);
        ret = call.ret;
    }
    if (ret == 0) {
        ret = bdrv_node_refresh_length(bs);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not refresh total sector count");
        }
    }
    if (ret < 0) {
        set_inactive(bs, true);
        return ret;
    }
    for (BdrvChild *c = bs->parents; c && !*errp; c = c->next_parent) {
        if (c->ops && c->ops->activate) {
            c->ops->activate(c, errp);
        }
    }
    return *errp ? -EPERM : 0;
}

void bdrv_activate_all(Error **errp)
{
    g_autoptr(GPtrArray) nodes = all_nodes_top_down();
    int ret = 0;

    for (guint i = nodes->len; i-- > 0 && ret == 0; ) {
        ret = activate_node(g_ptr_array_index(nodes, i), errp);
    }
}
