/*
 * Nodes that people make, change and drop by name: blockdev-add, -reopen, -del, and what hangs on them.
 *
 * Such a node lives because `owned` holds a reference; blockdev-del takes it away when nobody else has one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "internal.h"
#include "qapi/commands-block-core.h"

static GPtrArray *owned;               /* of referenced BlockDriverState */
static bool incoming;

void blockdev_set_incoming(bool on)
{
    incoming = on;
}

bool blockdev_is_incoming(void)
{
    return incoming;
}

bool blockdev_is_monitor_owned(const BlockDriverState *bs)
{
    return owned && g_ptr_array_find(owned, bs, NULL);
}

bool blockdev_add_node(QDict *options, Error **errp)
{
    BlockDriverState *bs;

    if (!qdict_get(options, "node-name")) {
        error_setg(errp, "'node-name' must be specified for the root node");
        qobject_unref(options);
        return false;
    }
    bs = bdrv_open(NULL, NULL, options, BDRV_O_RDWR | (incoming ? BDRV_O_INACTIVE : 0), errp);
    if (!bs) {
        return false;
    }
    owned = owned ? owned : g_ptr_array_new();
    g_ptr_array_add(owned, bs);
    return true;
}

QObject *qmp_blockdev_add(const QDict *args, Error **errp)
{
    blockdev_add_node(qobject_clone(args), errp);
    return NULL;
}

static bool has_backend(const BlockDriverState *bs)
{
    for (const BdrvChild *c = bs->parents; c; c = c->next_parent) {
        if (!c->parent && c->ops && c->ops->get_name) {
            return true;
        }
    }
    return false;
}

void qmp_blockdev_del(const BlockdevDelArgs *arg, Error **errp)
{
    BlockDriverState *bs = bdrv_find_node(arg->node_name);

    if (!bs) {
        error_setg(errp, "Failed to find node with node-name='%s'", arg->node_name);
    } else if (has_backend(bs)) {
        error_setg(errp, "Node %s is in use", arg->node_name);
    } else if (bdrv_op_is_blocked(bs, BLOCK_OP_DRIVE_DEL, errp)) {
        return;
    } else if (!blockdev_is_monitor_owned(bs)) {
        error_setg(errp, "Node %s is not owned by the monitor", bs->node_name);
    } else if (bs->parents) {
        error_setg(errp, "Block device %s is in use", bdrv_get_device_or_node_name(bs));
    } else {
        g_ptr_array_remove(owned, bs);
        bdrv_unref(bs);
    }
}

QObject *qmp_blockdev_reopen(const QDict *args, Error **errp)
{
    const QList *list = qdict_get_list(args, "options");
    BdrvReopenQueue *q = NULL;

    for (size_t i = 0; i < qlist_size(list); i++) {
        QDict *options = qlist_get(list, i);
        const char *name = qdict_get_str(options, "node-name");
        BlockDriverState *bs = name ? bdrv_find_node(name) : NULL;

        if (!bs) {
            if (name) {
                error_setg(errp, "Failed to find node with node-name='%s'", name);
            } else {
                error_setg(errp, "node-name not specified");
            }
            bdrv_reopen_queue_free(q);
            return NULL;
        }
        q = bdrv_reopen_queue(q, bs, qobject_clone(options), false);
    }
    if (q) {
        bdrv_reopen_multiple(q, errp);
    }
    return NULL;
}

void blockdev_close_all(void)
{
    job_cancel_sync_all();
    for (BlockBackend *blk = blk_all_next(NULL); blk; blk = blk_all_next(blk)) {
        blk_io_limits_disable(blk);
        blk_remove_bs(blk);
    }
    drive_close_all();
    while (owned && owned->len) {
        bdrv_unref(g_ptr_array_steal_index(owned, owned->len - 1));
    }
}

/* --- the graph around a node ---------------------------------------------------------------------- */

static bool backing_change_allowed(const ChangeBackingFileArgs *arg, BlockDriverState *bs, BlockDriverState *image,
                                   Error **errp)
{
    if (!bdrv_cow_bs(image) && !bdrv_filter_or_cow_bs(image)) {
        error_setg(errp, "not allowing backing file change on an image without a backing file");
        return false;
    }
    if (bdrv_op_is_blocked(bs, BLOCK_OP_CHANGE, errp)) {
        return false;
    }
    if (!bdrv_chain_contains(bs, image)) {
        error_setg(errp, "'%s' and image file are not in the same chain", arg->device);
        return false;
    }
    return true;
}

void qmp_change_backing_file(const ChangeBackingFileArgs *arg, Error **errp)
{
    ERRP_GUARD();
    BlockDriverState *bs = blockdev_get_root_bs(arg->device, errp);
    BlockDriverState *image = bs ? bdrv_lookup_bs(NULL, arg->image_node_name, errp) : NULL;
    bool was_read_only;
    int ret;

    if (!image || !backing_change_allowed(arg, bs, image, errp)) {
        return;
    }
    was_read_only = image->read_only;
    if (was_read_only && bdrv_reopen_set_read_only(image, false, errp) < 0) {
        return;
    }
    ret = bdrv_change_backing_file(image, arg->backing_file, image->drv->name, false);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not change backing file to '%s'", arg->backing_file);
    }
    if (was_read_only) {
        bdrv_reopen_set_read_only(image, true, *errp ? NULL : errp);
    }
}

static void add_child(BlockDriverState *parent, BlockDriverState *child, Error **errp)
{
    if (!parent->drv || !parent->drv->add_child) {
        error_setg(errp, "The node %s does not support adding a child", bdrv_get_device_or_node_name(parent));
    } else if (child->parents) {
        error_setg(errp, "The node %s already has a parent", child->node_name);
    } else {
        bdrv_drained_begin(parent);
        parent->drv->add_child(parent, child, errp);
        bdrv_drained_end(parent);
    }
}

static void del_child(BlockDriverState *parent, BdrvChild *child, Error **errp)
{
    if (!parent->drv || !parent->drv->del_child) {
        error_setg(errp, "The node %s does not support removing a child", bdrv_get_device_or_node_name(parent));
    } else {
        bdrv_drained_begin(parent);
        parent->drv->del_child(parent, child, errp);
        bdrv_drained_end(parent);
    }
}

static BdrvChild *find_child(BlockDriverState *parent, const char *name)
{
    for (BdrvChild *c = parent->children; c; c = c->next) {
        if (!strcmp(c->name, name)) {
            return c;
        }
    }
    return NULL;
}

void qmp_x_blockdev_change(const XBlockdevChangeArgs *arg, Error **errp)
{
    BlockDriverState *parent = bdrv_lookup_bs(arg->parent, arg->parent, errp);

    if (!parent) {
        return;
    }
    if (!arg->child == !arg->node) {
        error_setg(errp, arg->child ? "The parameters child and node are in conflict"
                   : "Either child or node must be specified");
    } else if (arg->child) {
        BdrvChild *child = find_child(parent, arg->child);

        if (child) {
            del_child(parent, child, errp);
        } else {
            error_setg(errp, "Node '%s' does not have child '%s'", arg->parent, arg->child);
        }
    } else {
        BlockDriverState *node = bdrv_find_node(arg->node);

        if (node) {
            add_child(parent, node, errp);
        } else {
            error_setg(errp, "Node '%s' not found", arg->node);
        }
    }
}

/* Nodes serve all threads; it is the backends on top that make requests in one of them. */
static void move_backends(BlockDriverState *bs, AioContext *ctx)
{
    for (BlockBackend *blk = blk_all_next(NULL); blk; blk = blk_all_next(blk)) {
        if (blk_bs(blk) == bs) {
            blk_set_aio_context(blk, ctx);
        }
    }
}

void qmp_x_blockdev_set_iothread(const XBlockdevSetIothreadArgs *arg, Error **errp)
{
    BlockDriverState *bs = bdrv_find_node(arg->node_name);
    AioContext *ctx = aio_main_context();

    if (!bs) {
        error_setg(errp, "Failed to find node with node-name='%s'", arg->node_name);
        return;
    }
    if (has_backend(bs) && !(arg->has_force && arg->force)) {
        error_setg(errp, "Node %s is associated with a BlockBackend and could be in use (use force=true to override "
                   "this check)", arg->node_name);
        return;
    }
    if (arg->iothread->type == QTYPE_STRING) {
        ctx = blockdev_find_iothread(arg->iothread->u.s);
        if (!ctx) {
            error_setg(errp, "Cannot find iothread %s", arg->iothread->u.s);
            return;
        }
    }
    move_backends(bs, ctx);
}

/* --- size and threshold ------------------------------------------------------------------------------ */

void qmp_block_resize(const BlockResizeArgs *arg, Error **errp)
{
    BlockDriverState *bs = bdrv_lookup_bs(arg->device, arg->node_name, errp);
    BlockBackend *blk;

    if (!bs) {
        return;
    }
    if (arg->size < 0) {
        error_setg(errp, "Parameter 'size' expects a >0 size");
        return;
    }
    if (bdrv_op_is_blocked(bs, BLOCK_OP_RESIZE, NULL)) {
        error_setg(errp, "Device '%s' is in use", arg->device ? arg->device : "(null)");
        return;
    }
    blk = blk_new_with_bs(bs, BLK_PERM_RESIZE, BLK_PERM_ALL, errp);
    if (blk) {
        blk_truncate(blk, arg->size, false, PREALLOC_OFF, 0, errp);
        blk_unref(blk);
    }
}

void qmp_block_set_write_threshold(const BlockSetWriteThresholdArgs *arg, Error **errp)
{
    BlockDriverState *bs = bdrv_find_node(arg->node_name);

    if (!bs) {
        error_setg(errp, "Device '%s' not found", arg->node_name);
        return;
    }
    bdrv_set_write_threshold(bs, arg->write_threshold);
}
