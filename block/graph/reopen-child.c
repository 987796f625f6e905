/*
 * A reopen that gives a node another child: "backing" and "file" name a node, "backing" may be null.
 *
 * Between apply and commit or abort the edge is where it shall be, so that permissions are
 * checked for the outcome; the node it left is referenced and drained until then.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "internal.h"

struct ChildSwitch {
    BlockDriverState *parent;
    const char *key;                   /* "backing" or "file" */
    BdrvChild *edge;                   /* NULL: there is none yet, or no longer */
    BlockDriverState *old, *new;       /* referenced and drained; either may be NULL */
    bool applied;
};

static void hold(BlockDriverState *bs)
{
    if (bs) {
        bdrv_ref(bs);
        bdrv_drained_begin(bs);
    }
}

static void release(BlockDriverState *bs)
{
    if (bs) {
        bdrv_drained_end(bs);
        bdrv_unref(bs);
    }
}

static int check_allowed(BlockDriverState *bs, const char *key, BdrvChild *edge, BlockDriverState *new_bs, Error **errp)
{
    bool backing = !strcmp(key, "backing");

    if (edge && edge->frozen) {
        error_setg(errp, "Cannot change frozen '%s' link from '%s' to '%s'", key, bs->node_name, edge->bs->node_name);
        return -EPERM;
    }
    if (bs->drv->is_filter && !edge) {
        error_setg(errp, "'%s' is a %s filter node that does not support a %s child", bs->node_name, bs->drv->name, key);
        return -EINVAL;
    }
    if (backing && !edge && !bs->drv->supports_backing) {
        error_setg(errp, "Driver '%s' of node '%s' does not support backing files", bs->drv->name, bs->node_name);
        return -EINVAL;
    }
    if (!backing && !edge) {
        error_setg(errp, "Cannot set file child to format node without file child");
        return -EINVAL;
    }
    if (new_bs && bdrv_reaches(new_bs, bs)) {
        error_setg(errp, "Making '%s' a %s child of '%s' would create a cycle", new_bs->node_name, key, bs->node_name);
        return -EINVAL;
    }
    return 0;
}

static BdrvChild *find_edge(BlockDriverState *bs, const char *key)
{
    for (BdrvChild *c = bs->children; c; c = c->next) {
        if (!strcmp(c->name, key)) {
            return c;
        }
    }
    return NULL;
}

int bdrv_child_switch_prepare(BlockDriverState *bs, const char *key, const QObject *value, ChildSwitch **out,
                              Error **errp)
{
    BdrvChild *edge = find_edge(bs, key);
    const char *name = qobject_get_str(value);
    bool none = qobject_type(value) == QTYPE_NULL && !strcmp(key, "backing");
    BlockDriverState *new_bs = NULL;
    int ret;

    *out = NULL;
    if ((edge && name && !strcmp(name, edge->bs->node_name)) || (none && !edge)) {
        return 0;
    }
    if ((strcmp(key, "backing") && strcmp(key, "file")) || (!name && !none)) {
        return -ENOENT;
    }
    if (name) {
        new_bs = bdrv_lookup_bs(NULL, name, errp);
        if (!new_bs) {
            return -EINVAL;
        }
    }
    ret = check_allowed(bs, key, edge, new_bs, errp);
    if (ret < 0) {
        return ret;
    }
    *out = g_new0(ChildSwitch, 1);
    **out = (ChildSwitch) { bs, !strcmp(key, "backing") ? "backing" : "file", edge, edge ? edge->bs : NULL, new_bs };
    hold((*out)->old);
    hold((*out)->new);
    return 0;
}

BlockDriverState *bdrv_child_switch_old(const ChildSwitch *cs)
{
    return cs->old;
}

static void point_edge(ChildSwitch *cs, BlockDriverState *to)
{
    if (!to) {
        bdrv_edge_unlink(cs->edge);
        bdrv_edge_free(g_steal_pointer(&cs->edge));
        return;
    }
    if (cs->edge) {
        bdrv_edge_move(cs->edge, to);
        return;
    }
    cs->edge = bdrv_edge_new(cs->parent, cs->key, BDRV_CHILD_COW);
    bdrv_edge_link(cs->edge, to);
}

void bdrv_child_switch_apply(ChildSwitch *cs)
{
    point_edge(cs, cs->new);
    cs->applied = true;
}

static void child_switch_free(ChildSwitch *cs)
{
    release(cs->new);
    release(cs->old);
    g_free(cs);
}

void bdrv_child_switch_commit(ChildSwitch *cs)
{
    child_switch_free(cs);
}

void bdrv_child_switch_abort(ChildSwitch *cs)
{
    if (cs->applied) {
        point_edge(cs, cs->old);
        bdrv_perm_refresh(cs->parent, NULL);
    }
    child_switch_free(cs);
}
