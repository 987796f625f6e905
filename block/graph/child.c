/*
 * Edges: making, dropping and moving them.  The node that an edge points to is referenced by it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "internal.h"

BdrvChild *bdrv_edge_new(BlockDriverState *parent, const char *name, BdrvChildRole role)
{
    BdrvChild *c = g_new0(BdrvChild, 1);
    BdrvChild *last;

    c->name = g_strdup(name);
    c->role = role;
    c->parent = parent;
    c->shared = BLK_PERM_ALL;
    if (!parent) {
        return c;
    }
    for (last = parent->children; last && last->next; last = last->next) {
        continue;
    }
    c->prev = last;
    *(last ? &last->next : &parent->children) = c;
    if (!strcmp(name, "file")) {
        parent->file = c;
    } else if (!strcmp(name, "backing")) {
        parent->backing = c;
    }
    return c;
}

void bdrv_edge_link(BdrvChild *c, BlockDriverState *bs)
{
    g_assert(!c->bs);
    bdrv_ref(bs);
    c->bs = bs;
    c->prev_parent = NULL;
    c->next_parent = bs->parents;
    if (bs->parents) {
        bs->parents->prev_parent = c;
    }
    bs->parents = c;
    bdrv_io_edge_attached(c);
}

void bdrv_edge_unlink(BdrvChild *c)
{
    BlockDriverState *bs = c->bs;

    bdrv_io_edge_detaching(c);
    *(c->prev_parent ? &c->prev_parent->next_parent : &bs->parents) = c->next_parent;
    if (c->next_parent) {
        c->next_parent->prev_parent = c->prev_parent;
    }
    c->prev_parent = c->next_parent = NULL;
    c->bs = NULL;
    bdrv_unref(bs);
}

void bdrv_edge_move(BdrvChild *c, BlockDriverState *to)
{
    bdrv_io_edge_hold(c);
    bdrv_edge_unlink(c);
    bdrv_edge_link(c, to);
    bdrv_io_edge_release(c);
}

void bdrv_edge_free(BdrvChild *c)
{
    BlockDriverState *parent = c->parent;

    g_assert(!c->bs);
    if (parent) {
        *(c->prev ? &c->prev->next : &parent->children) = c->next;
        if (c->next) {
            c->next->prev = c->prev;
        }
        parent->file = parent->file == c ? NULL : parent->file;
        parent->backing = parent->backing == c ? NULL : parent->backing;
    }
    g_free(c->name);
    g_free(c);
}

char *bdrv_edge_parent_desc(BdrvChild *c)
{
    if (c->parent) {
        return g_strdup_printf("node '%s'", bdrv_get_node_name(c->parent));
    }
    return c->ops->get_parent_desc ? c->ops->get_parent_desc(c) : g_strdup("another user");
}

/* Loosen what bs's remaining parents ask for; that cannot conflict. */
static void edge_drop(BdrvChild *c)
{
    BlockDriverState *bs = c->bs;

    bdrv_ref(bs);
    bdrv_edge_unlink(c);
    bdrv_edge_free(c);
    if (bs->core->refcnt > 1) {
        bdrv_perm_refresh(bs, NULL);
    }
    bdrv_unref(bs);
}

BdrvChild *bdrv_attach_child(BlockDriverState *parent, BlockDriverState *bs, const char *name,
                             BdrvChildRole role, Error **errp)
{
    BdrvChild *c = NULL;

    if (bdrv_reaches(bs, parent)) {
        error_setg(errp, "Making '%s' a %s child of '%s' would create a cycle",
                   bdrv_get_node_name(bs), name, bdrv_get_node_name(parent));
    } else {
        c = bdrv_edge_new(parent, name, role);
        bdrv_edge_link(c, bs);
        if (bdrv_perm_refresh(parent, errp) < 0) {
            edge_drop(c);
            c = NULL;
        }
    }
    bdrv_unref(bs);
    return c;
}

void bdrv_unref_child(BlockDriverState *parent, BdrvChild *child)
{
    if (child) {
        g_assert(child->parent == parent);
        edge_drop(child);
    }
}

BdrvChild *bdrv_root_attach(BlockDriverState *bs, const char *name, const BdrvChildOps *ops, void *opaque,
                            uint64_t perm, uint64_t shared, Error **errp)
{
    BdrvChild *c = bdrv_edge_new(NULL, name, 0);

    c->ops = ops;
    c->opaque = opaque;
    c->perm = perm;
    c->shared = shared;
    bdrv_edge_link(c, bs);
    if (bdrv_perm_refresh(bs, errp) < 0) {
        edge_drop(c);
        c = NULL;
    }
    bdrv_unref(bs);
    return c;
}

void bdrv_root_detach(BdrvChild *c)
{
    edge_drop(c);
}

int bdrv_child_try_set_perm(BdrvChild *c, uint64_t perm, uint64_t shared, Error **errp)
{
    uint64_t old_perm = c->perm, old_shared = c->shared;
    int ret;

    c->perm = perm;
    c->shared = shared;
    ret = bdrv_perm_refresh(c->bs, errp);
    if (ret < 0) {
        c->perm = old_perm;
        c->shared = old_shared;
    }
    return ret;
}

int bdrv_child_refresh_perms(BlockDriverState *bs, BdrvChild *c, Error **errp)
{
    return bdrv_perm_refresh(bs, errp);
}

BdrvChild *bdrv_open_child(const char *filename, QDict *options, const char *key, BlockDriverState *parent,
                           BdrvChildRole role, bool allow_none, Error **errp)
{
    g_autofree char *prefix = g_strconcat(key, ".", NULL);
    g_autoptr(QObject) sub = qdict_extract_subdict(options, prefix);
    g_autoptr(QObject) ref = qdict_steal(options, key);
    const char *reference = ref ? qobject_get_str(ref) : NULL;
    BlockDriverState *bs;

    if (!filename && !reference && qdict_size(sub) == 0) {
        if (!allow_none) {
            error_setg(errp, "A block device must be specified for \"%s\"", key);
        }
        return NULL;
    }
    bs = bdrv_open_inherit(filename, reference, g_steal_pointer(&sub), 0, parent, key, role, errp);
    if (!bs) {
        return NULL;
    }
    if (bs->read_only && !parent->read_only && (parent->open_flags & BDRV_O_AUTO_RDONLY)) {
        bdrv_apply_auto_read_only(parent, NULL, NULL);
    }
    return bdrv_attach_child(parent, bs, key, role, errp);
}

int bdrv_open_file_child(const char *filename, QDict *options, BlockDriverState *parent, Error **errp)
{
    BdrvChildRole role = parent->drv->is_filter ? BDRV_CHILD_FILTERED | BDRV_CHILD_PRIMARY : BDRV_CHILD_IMAGE;

    return bdrv_open_child(filename, options, "file", parent, role, false, errp) ? 0 : -EINVAL;
}
