/*
 * External snapshots: a new image on top takes all writes from now on (blockdev-snapshot, blockdev-snapshot-sync).
 *
 * prepare opens (and for -sync may create) the overlay and puts it on top; the end makes what is below read-only;
 * abort takes the overlay away again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "internal.h"
#include "qapi/commands-block-core.h"

typedef struct Overlay {
    BlockDriverState *old, *top;       /* referenced */
    bool on_top;
} Overlay;

static void snapshot_names(const TransactionAction *what, const char **device, const char **node)
{
    *device = *node = what->u.blockdev_snapshot.data->node;
}

static void sync_names(const TransactionAction *what, const char **device, const char **node)
{
    *device = what->u.blockdev_snapshot_sync.data->device;
    *node = what->u.blockdev_snapshot_sync.data->node_name;
}

/* The node that is to get an overlay, checked and flushed; kept in o->old. */
static bool take_old(Overlay *o, const char *device, const char *node, Error **errp)
{
    BlockDriverState *bs = bdrv_lookup_bs(device, node, errp);

    if (!bs) {
        return false;
    }
    bdrv_ref(bs);
    o->old = bs;
    if (!bs->drv) {
        error_setg(errp, "Device '%s' has no medium", device ? device : node);
        return false;
    }
    if (bdrv_op_is_blocked(bs, BLOCK_OP_EXTERNAL_SNAPSHOT, errp)) {
        return false;
    }
    if (!bs->read_only && bdrv_flush(bs) < 0) {
        error_setg(errp, "An IO error has occurred");
        return false;
    }
    return true;
}

static bool has_reader(const BlockDriverState *bs)
{
    for (const BdrvChild *c = bs->parents; c; c = c->next_parent) {
        if (c->perm & BLK_PERM_CONSISTENT_READ) {
            return true;
        }
    }
    return false;
}

static bool put_on_top(Overlay *o, Error **errp)
{
    BlockDriverState *top = o->top;

    if (has_reader(top)) {
        error_setg(errp, "The overlay is already in use");
    } else if (top->backing) {
        error_setg(errp, "The overlay already has a backing image");
    } else if (!top->drv->supports_backing) {
        error_setg(errp, "The overlay does not support backing images");
    } else {
        o->on_top = bdrv_append(top, o->old, errp) >= 0;
    }
    return o->on_top;
}

static bool snapshot_prepare(TxnAction *a, Error **errp)
{
    const BlockdevSnapshot *arg = a->what->u.blockdev_snapshot.data;
    Overlay *o = a->state;

    if (!take_old(o, arg->node, arg->node, errp)) {
        return false;
    }
    o->top = bdrv_open(NULL, arg->overlay, NULL, 0, errp);
    return o->top && put_on_top(o, errp);
}

/* A new image of the same size whose header names the old one. */
static bool create_image(const BlockdevSnapshotSync *arg, const char *format, int flags, BlockDriverState *old,
                         Error **errp)
{
    ERRP_GUARD();
    int64_t size = bdrv_getlength(old);

    if (size < 0) {
        error_setg_errno(errp, -size, "bdrv_getlength failed");
        return false;
    }
    bdrv_refresh_filename(old);
    bdrv_img_create(arg->snapshot_file, format, old->filename, old->drv->name, NULL, size, flags, false, true, errp);
    return !*errp;
}

static bool name_is_free(const BlockdevSnapshotSync *arg, Error **errp)
{
    if (arg->node_name && !arg->snapshot_node_name) {
        error_setg(errp, "New overlay node-name missing");
        return false;
    }
    if (arg->snapshot_node_name && bdrv_lookup_bs(arg->snapshot_node_name, arg->snapshot_node_name, NULL)) {
        error_setg(errp, "New overlay node-name already in use");
        return false;
    }
    return true;
}

static bool sync_prepare(TxnAction *a, Error **errp)
{
    const BlockdevSnapshotSync *arg = a->what->u.blockdev_snapshot_sync.data;
    const char *format = arg->format ? arg->format : "qcow2";
    QDict *options;
    Overlay *o = a->state;
    int flags;

    if (!take_old(o, arg->device, arg->node_name, errp) || !name_is_free(arg, errp)) {
        return false;
    }
    flags = (o->old->open_flags & ~(BDRV_O_SNAPSHOT | BDRV_O_COPY_ON_READ)) | BDRV_O_NO_BACKING;
    if ((!arg->has_mode || arg->mode != NEW_IMAGE_MODE_EXISTING) &&
        !create_image(arg, format, flags, o->old, errp)) {
        return false;
    }
    options = qdict_new();
    if (arg->snapshot_node_name) {
        qdict_put_str(options, "node-name", arg->snapshot_node_name);
    }
    qdict_put_str(options, "driver", format);
    o->top = bdrv_open(arg->snapshot_file, NULL, options, flags, errp);
    return o->top && put_on_top(o, errp);
}

static void overlay_conclude(TxnAction *a)
{
    Overlay *o = a->state;

    if (!(o->old->open_flags & BDRV_O_COPY_ON_READ)) {
        bdrv_reopen_set_read_only(o->old, true, NULL);
    }
}

static void overlay_abort(TxnAction *a)
{
    Overlay *o = a->state;

    if (o->on_top) {
        bdrv_replace_node(o->top, o->old, &error_abort);
        bdrv_set_backing_hd(o->top, NULL, &error_abort);
    }
}

static void overlay_clean(TxnAction *a)
{
    Overlay *o = a->state;

    bdrv_unref(o->top);
    bdrv_unref(o->old);
}

const TxnKind txn_snapshot = {
    .state_size = sizeof(Overlay),
    .prepare = snapshot_prepare,
    .conclude = overlay_conclude,
    .abort = overlay_abort,
    .clean = overlay_clean,
    .names = snapshot_names,
};

const TxnKind txn_snapshot_sync = {
    .state_size = sizeof(Overlay),
    .prepare = sync_prepare,
    .conclude = overlay_conclude,
    .abort = overlay_abort,
    .clean = overlay_clean,
    .names = sync_names,
};

void qmp_blockdev_snapshot(const BlockdevSnapshot *arg, Error **errp)
{
    TransactionAction what = { .type = TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT };

    what.u.blockdev_snapshot.data = (BlockdevSnapshot *)arg;
    txn_run_one(&what, errp);
}

void qmp_blockdev_snapshot_sync(const BlockdevSnapshotSync *arg, Error **errp)
{
    TransactionAction what = { .type = TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT_SYNC };

    what.u.blockdev_snapshot_sync.data = (BlockdevSnapshotSync *)arg;
    txn_run_one(&what, errp);
}
