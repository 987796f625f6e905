/*
 * Beyond the peer: a disk goes back to an internal snapshot without being closed; what all snapshots cost.
 *
 * A revert changes the content under whoever uses the disk.  A guest's view of it would be torn, so a machine
 * that has the disk must be stopped; other users (exports, jobs that allow it) are drained while it happens.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "block/snapshot.h"
#include "internal.h"
#include "qapi/commands-block-core.h"

typedef struct Revert {
    BlockDriverState *bs;              /* referenced; NULL: not prepared */
    QEMUSnapshotInfo sn;
    BdrvSnapshotPrepared *pending;
} Revert;

static const BlockdevSnapshotApplyInternal *args_of(const TxnAction *a)
{
    return a->what->u.blockdev_snapshot_apply_internal_sync.data;
}

static void revert_names(const TransactionAction *what, const char **device, const char **node)
{
    *device = *node = what->u.blockdev_snapshot_apply_internal_sync.data->device;
}

static bool has_device(const BlockDriverState *bs)
{
    for (BlockBackend *blk = blk_all_next(NULL); blk; blk = blk_all_next(blk)) {
        if (blk_bs(blk) == bs && blk_get_attached_dev(blk)) {
            return true;
        }
    }
    return false;
}

static bool may_revert(const BlockdevSnapshotApplyInternal *arg, BlockDriverState *bs, Error **errp)
{
    if (!arg->id && !arg->name) {
        error_setg(errp, "Name or id must be provided");
    } else if (bdrv_op_is_blocked(bs, BLOCK_OP_INTERNAL_SNAPSHOT, errp)) {
        return false;
    } else if (bs->read_only) {
        error_setg(errp, "Device '%s' is read only", arg->device);
    } else if (!bdrv_can_snapshot(bs)) {
        error_setg(errp, "Block format '%s' used by device '%s' does not support internal snapshots", bs->drv->name,
                   arg->device);
    } else if (blockdev_machine_runs() && has_device(bs)) {
        error_setg(errp, "Device '%s' is in use by the running machine", arg->device);
    } else {
        return true;
    }
    return false;
}

static bool revert_prepare(TxnAction *a, Error **errp)
{
    ERRP_GUARD();
    const BlockdevSnapshotApplyInternal *arg = args_of(a);
    BlockDriverState *bs = blockdev_get_root_bs(arg->device, errp);
    Revert *r = a->state;

    if (!bs || !may_revert(arg, bs, errp)) {
        return false;
    }
    if (!bdrv_snapshot_find_by_id_and_name(bs, arg->id, arg->name, &r->sn, errp)) {
        if (!*errp) {
            error_setg(errp, "Snapshot with id '%s' and name '%s' does not exist on device '%s'",
                       arg->id ? arg->id : "null", arg->name ? arg->name : "null", arg->device);
        }
        return false;
    }
    bdrv_ref(bs);
    r->bs = bs;
    return true;
}

static bool failed(const TxnAction *a, Error *err, Error **errp)
{
    const Revert *r = a->state;

    error_propagate(errp, err);
    error_prepend(errp, "Failed to apply snapshot '%s' on device '%s': ", r->sn.name, args_of(a)->device);
    return false;
}

static bool revert_start(TxnAction *a, Error **errp)
{
    Revert *r = a->state;
    Error *err = NULL;

    if (!txn_settle_others(a, bdrv_snapshot_node(r->bs), errp)) {
        return false;
    }
    r->pending = bdrv_snapshot_goto_prepare(r->bs, r->sn.id_str, &err);
    return r->pending || failed(a, err, errp);
}

static bool revert_ready(TxnAction *a, Error **errp)
{
    Revert *r = a->state;
    Error *err = NULL;

    if (r->pending && bdrv_snapshot_wait(r->pending, &err) < 0) {
        r->pending = NULL;
        return failed(a, err, errp);
    }
    return true;
}

static void revert_commit(TxnAction *a)
{
    Revert *r = a->state;

    if (r->pending) {
        bdrv_snapshot_commit(r->pending);
    }
}

static bool revert_settle(TxnAction *a, Error **errp)
{
    Revert *r = a->state;
    Error *err = NULL;

    return !r->pending || bdrv_snapshot_finish(g_steal_pointer(&r->pending), NULL, &err) >= 0 || failed(a, err, errp);
}

static void revert_abort(TxnAction *a)
{
    Revert *r = a->state;

    if (r->pending) {
        bdrv_snapshot_abort(g_steal_pointer(&r->pending));
    }
}

static void revert_clean(TxnAction *a)
{
    Revert *r = a->state;

    bdrv_unref(r->bs);
}

static BlockDriverState *revert_pending(TxnAction *a)
{
    Revert *r = a->state;

    return r->pending ? bdrv_snapshot_node(r->bs) : NULL;
}

const TxnKind txn_internal_apply = {
    .state_size = sizeof(Revert),
    .prepare = revert_prepare,
    .start = revert_start,
    .ready = revert_ready,
    .commit = revert_commit,
    .settle = revert_settle,
    .abort = revert_abort,
    .clean = revert_clean,
    .pending = revert_pending,
    .names = revert_names,
};

SnapshotInfo *qmp_blockdev_snapshot_apply_internal_sync(const BlockdevSnapshotApplyInternal *arg, Error **errp)
{
    TransactionAction what = { .type = TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT_APPLY_INTERNAL_SYNC };
    BlockDriverState *bs = bdrv_lookup_bs(arg->device, arg->device, NULL);
    g_autoptr(QObject) info = NULL;
    QEMUSnapshotInfo sn;

    what.u.blockdev_snapshot_apply_internal_sync.data = (BlockdevSnapshotApplyInternal *)arg;
    if (!txn_run_one(&what, errp) || !bdrv_snapshot_find_by_id_and_name(bs, arg->id, arg->name, &sn, errp)) {
        return NULL;
    }
    info = blockdev_snapshot_to_dict(&sn);
    return SnapshotInfo_from_qobject(info, errp);
}

/* --- what snapshots cost ---------------------------------------------------------------------- */

static QList *snapshots_with_sizes(BlockDriverState *bs, const QEMUSnapshotInfo *list, int n)
{
    g_autofree BdrvSnapshotSizes *sizes = g_new0(BdrvSnapshotSizes, n);
    bool known = bdrv_snapshot_sizes(bs, sizes, n) == 0;
    QList *out = qlist_new();

    for (int i = 0; i < n; i++) {
        QDict *d = blockdev_snapshot_to_dict(&list[i]);

        if (known) {
            qdict_put_uint(d, "own-size", sizes[i].own);
            qdict_put_uint(d, "shared-size", sizes[i].shared);
        }
        qlist_append(out, d);
    }
    return out;
}

static void add_users(QDict *d, BlockDriverState *bs)
{
    for (BlockBackend *blk = blk_all_next(NULL); blk; blk = blk_all_next(blk)) {
        g_autofree char *qdev = blk_get_attached_dev_id(blk);

        if (blk_bs(blk) != bs || (!*blk_name(blk) && !*qdev)) {
            continue;
        }
        if (*blk_name(blk)) {
            qdict_put_str(d, "device", blk_name(blk));
        }
        if (*qdev) {
            qdict_put_str(d, "qdev", qdev);
        }
        return;
    }
}

/* NULL: it has none.  Filters show the snapshots of the node below, which lists them itself. */
static QDict *node_snapshots(BlockDriverState *bs)
{
    g_autofree QEMUSnapshotInfo *list = NULL;
    int n = bs->drv && bdrv_snapshot_node(bs) == bs ? bdrv_snapshot_list(bs, &list) : 0;
    QDict *d;

    if (n <= 0) {
        return NULL;
    }
    d = qdict_new();
    qdict_put_str(d, "node-name", bs->node_name);
    add_users(d, bs);
    qdict_put(d, "snapshots", snapshots_with_sizes(bs, list, n));
    return d;
}

BlockNodeSnapshotsList *qmp_query_block_snapshots(const QueryBlockSnapshotsArgs *arg, Error **errp)
{
    g_autoptr(QObject) list = qlist_new();

    if (arg->node_name && !bdrv_find_node(arg->node_name)) {
        error_setg(errp, "Failed to find node with node-name='%s'", arg->node_name);
        return NULL;
    }
    for (BlockDriverState *bs = bdrv_next_node(NULL); bs; bs = bdrv_next_node(bs)) {
        QDict *d = !arg->node_name || !strcmp(arg->node_name, bs->node_name) ? node_snapshots(bs) : NULL;

        if (d) {
            qlist_append(list, d);
        }
    }
    return BlockNodeSnapshotsList_from_qobject(list, errp);
}
