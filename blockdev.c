/*
 * The transaction engine, and internal snapshots of disks in use.
 *
 * A transaction is a list of actions, each of a kind (blockdev/internal.h).  All nodes that it names are drained
 * together before the first action looks at anything, so whatever it takes, it takes at one point in time.
 *
 *   drain all -> prepare each -> start all, ready all -> commit all, settle all -> conclude each -> clean -> undrain
 *                 \--------------- a failure: abort newest first ---------------/
 *
 * Internal snapshots: prepare checks; start has everything but one sector per disk written, on all disks side by
 * side; commit writes these sectors.  Until then an abort leaves each image to the bit as it was; after it, the
 * snapshot is deleted again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <sys/time.h>
#include "blockdev/internal.h"
#include "block/snapshot.h"
#include "qapi/commands-block-core.h"
#include "qapi/commands-transaction.h"
#include "util/cutils.h"

/* --- the engine ------------------------------------------------------------------------------- */

static const TxnKind *const kinds[TRANSACTION_ACTION_KIND__MAX] = {
    [TRANSACTION_ACTION_KIND_ABORT] = &txn_abort,
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_ADD] = &txn_bitmap_add,
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_REMOVE] = &txn_bitmap_remove,
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_CLEAR] = &txn_bitmap_clear,
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_ENABLE] = &txn_bitmap_enable,
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_DISABLE] = &txn_bitmap_disable,
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_MERGE] = &txn_bitmap_merge,
    [TRANSACTION_ACTION_KIND_BLOCKDEV_BACKUP] = &txn_blockdev_backup,
    [TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT] = &txn_snapshot,
    [TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT_INTERNAL_SYNC] = &txn_internal_snapshot,
    [TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT_SYNC] = &txn_snapshot_sync,
    [TRANSACTION_ACTION_KIND_DRIVE_BACKUP] = &txn_drive_backup,
    [TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT_APPLY_INTERNAL_SYNC] = &txn_internal_apply,
};

static void action_free(gpointer p)
{
    TxnAction *a = p;

    g_free(a->state);
    g_free(a);
}

static void drain_named(Txn *t, const TransactionAction *what)
{
    const TxnKind *kind = kinds[what->type];
    const char *device = NULL, *node = NULL;
    BlockDriverState *bs;

    if (!kind->names) {
        return;
    }
    kind->names(what, &device, &node);
    bs = bdrv_lookup_bs(device, node, NULL);
    if (bs) {
        bdrv_ref(bs);
        bdrv_drained_begin(bs);
        g_ptr_array_add(t->drained, bs);
    }
}

static void undrain(Txn *t)
{
    for (guint i = 0; i < t->drained->len; i++) {               /* jobs go on in the order in which they were made */
        BlockDriverState *bs = g_ptr_array_index(t->drained, i);

        bdrv_drained_end(bs);
        bdrv_unref(bs);
    }
    g_ptr_array_unref(t->drained);
}

static bool mode_fits(const Txn *t, const TransactionAction *what, Error **errp)
{
    if (t->mode == ACTION_COMPLETION_MODE_INDIVIDUAL || kinds[what->type]->may_group) {
        return true;
    }
    error_setg(errp, "Action '%s' does not support Transaction property completion-mode = %s",
               TransactionActionKind_str(what->type), ActionCompletionMode_str(t->mode));
    return false;
}

/* On failure, what the action did is taken back by its abort like that of the others. */
static bool prepare(Txn *t, const TransactionAction *what, Error **errp)
{
    TxnAction *a;

    if (!mode_fits(t, what, errp)) {
        return false;
    }
    a = g_new0(TxnAction, 1);
    a->kind = kinds[what->type];
    a->what = what;
    a->txn = t;
    a->state = g_malloc0(MAX(a->kind->state_size, 1));
    g_ptr_array_add(t->actions, a);
    return a->kind->prepare(a, errp);
}

#define FOR_ACTIONS(t, a) \
    for (guint i_ = 0; i_ < (t)->actions->len && ((a) = g_ptr_array_index((t)->actions, i_)); i_++)

typedef bool TxnStep(TxnAction *a, Error **errp);

/* One step of every action; step_of picks it from the kind. */
static bool each(Txn *t, size_t step_of, Error **errp)
{
    TxnAction *a;

    FOR_ACTIONS(t, a) {
        TxnStep *step = *(TxnStep *const *)((const char *)a->kind + step_of);

        if (step && !step(a, errp)) {
            return false;
        }
    }
    return true;
}

static void each_quietly(Txn *t, size_t step_of)
{
    TxnAction *a;

    FOR_ACTIONS(t, a) {
        void (*step)(TxnAction *a) = *(void (*const *)(TxnAction *))((const char *)a->kind + step_of);

        if (step) {
            step(a);
        }
    }
}

static bool work(Txn *t, Error **errp)
{
    if (!each(t, offsetof(TxnKind, start), errp) || !each(t, offsetof(TxnKind, ready), errp)) {
        return false;
    }
    each_quietly(t, offsetof(TxnKind, commit));
    return each(t, offsetof(TxnKind, settle), errp);
}

static void abort_all(Txn *t)
{
    for (guint i = t->actions->len; i-- > 0; ) {
        TxnAction *a = g_ptr_array_index(t->actions, i);

        if (a->kind->abort) {
            a->kind->abort(a);
        }
    }
}

static QEMUSnapshotInfo point_in_time(void)
{
    struct timeval tv;

    gettimeofday(&tv, NULL);
    return (QEMUSnapshotInfo) {
        .date_sec = tv.tv_sec, .date_nsec = tv.tv_usec * 1000, .icount = UINT64_MAX,
        .vm_clock_nsec = aio_clock_ns(AIO_CLOCK_VIRTUAL),
    };
}

bool txn_settle_others(TxnAction *a, BlockDriverState *node, Error **errp)
{
    TxnAction *other;

    FOR_ACTIONS(a->txn, other) {
        if (!other->kind->pending || other->kind->pending(other) != node) {
            continue;
        }
        if (!other->kind->ready(other, errp)) {
            return false;
        }
        other->kind->commit(other);
        if (!other->kind->settle(other, errp)) {
            return false;
        }
    }
    return true;
}

static bool run(TransactionAction *const *what, size_t n, ActionCompletionMode mode, Error **errp)
{
    Txn t = { .mode = mode, .actions = g_ptr_array_new_with_free_func(action_free), .drained = g_ptr_array_new() };
    bool ok = true;

    t.jobs = mode == ACTION_COMPLETION_MODE_GROUPED ? job_txn_new() : NULL;
    for (size_t i = 0; i < n; i++) {
        drain_named(&t, what[i]);
    }
    t.now = point_in_time();
    for (size_t i = 0; i < n && ok; i++) {
        ok = prepare(&t, what[i], errp);
    }
    ok = ok && work(&t, errp);
    if (ok) {
        each_quietly(&t, offsetof(TxnKind, conclude));
    } else {
        abort_all(&t);
    }
    each_quietly(&t, offsetof(TxnKind, clean));
    g_ptr_array_unref(t.actions);
    undrain(&t);
    if (t.jobs) {
        job_txn_unref(t.jobs);
    }
    return ok;
}

bool txn_run_one(const TransactionAction *what, Error **errp)
{
    TransactionAction *one = (TransactionAction *)what;

    return run(&one, 1, ACTION_COMPLETION_MODE_INDIVIDUAL, errp);
}

void qmp_transaction(const TransactionArgs *arg, Error **errp)
{
    ActionCompletionMode mode = arg->properties && arg->properties->has_completion_mode
                                ? arg->properties->completion_mode : ACTION_COMPLETION_MODE_INDIVIDUAL;

    run(arg->actions->items, arg->actions->len, mode, errp);
}

static bool abort_prepare(TxnAction *a, Error **errp)
{
    error_setg(errp, "Transaction aborted using Abort action");
    return false;
}

const TxnKind txn_abort = { .may_group = true, .prepare = abort_prepare };

/* --- internal snapshots ------------------------------------------------------------------------- */

typedef struct InternalSnapshot {
    BlockDriverState *bs;              /* referenced; NULL: not prepared */
    QEMUSnapshotInfo sn;
    BdrvSnapshotPrepared *pending;     /* written but for the switch */
    bool settled;                      /* it exists */
} InternalSnapshot;

static void internal_names(const TransactionAction *what, const char **device, const char **node)
{
    *device = *node = what->u.blockdev_snapshot_internal_sync.data->device;
}

static bool is_internal(const TxnAction *a)
{
    return a->kind == &txn_internal_snapshot;
}

/* Taken, or about to be taken by an earlier action of the same transaction. */
static bool name_taken(TxnAction *a, BlockDriverState *bs, const char *name, Error **errp)
{
    ERRP_GUARD();
    TxnAction *other;

    if (bdrv_snapshot_find_by_id_and_name(bs, NULL, name, NULL, errp) || *errp) {
        return true;
    }
    FOR_ACTIONS(a->txn, other) {
        const InternalSnapshot *s = other->state;

        if (other != a && is_internal(other) && bdrv_snapshot_node(s->bs) == bdrv_snapshot_node(bs) &&
            !strcmp(s->sn.name, name)) {
            return true;
        }
    }
    return false;
}

static bool internal_prepare(TxnAction *a, Error **errp)
{
    ERRP_GUARD();
    const BlockdevSnapshotInternal *arg = a->what->u.blockdev_snapshot_internal_sync.data;
    BlockDriverState *bs = blockdev_get_root_bs(arg->device, errp);
    InternalSnapshot *s = a->state;

    if (!bs || bdrv_op_is_blocked(bs, BLOCK_OP_INTERNAL_SNAPSHOT, errp)) {
        return false;
    }
    if (bs->read_only) {
        error_setg(errp, "Device '%s' is read only", arg->device);
    } else if (!bdrv_can_snapshot(bs)) {
        error_setg(errp, "Block format '%s' used by device '%s' does not support internal snapshots", bs->drv->name,
                   arg->device);
    } else if (!*arg->name) {
        error_setg(errp, "Name is empty");
    } else if (name_taken(a, bs, arg->name, errp)) {
        if (!*errp) {
            error_setg(errp, "Snapshot with name '%s' already exists on device '%s'", arg->name, arg->device);
        }
    } else {
        s->sn = a->txn->now;
        pstrcpy(s->sn.name, sizeof(s->sn.name), arg->name);
        bdrv_ref(bs);
        s->bs = bs;
        return true;
    }
    return false;
}

static bool internal_failed(const TxnAction *a, Error *err, Error **errp)
{
    const BlockdevSnapshotInternal *arg = a->what->u.blockdev_snapshot_internal_sync.data;

    error_propagate(errp, err);
    error_prepend(errp, "Failed to create snapshot '%s' on device '%s': ", arg->name, arg->device);
    return false;
}

static bool internal_start(TxnAction *a, Error **errp)
{
    InternalSnapshot *s = a->state;
    Error *err = NULL;

    if (!txn_settle_others(a, bdrv_snapshot_node(s->bs), errp)) {
        return false;
    }
    s->pending = bdrv_snapshot_prepare(s->bs, &s->sn, &err);
    return s->pending || internal_failed(a, err, errp);
}

static bool internal_ready(TxnAction *a, Error **errp)
{
    InternalSnapshot *s = a->state;
    Error *err = NULL;

    if (s->pending && bdrv_snapshot_wait(s->pending, &err) < 0) {
        s->pending = NULL;
        return internal_failed(a, err, errp);
    }
    return true;
}

static void internal_commit(TxnAction *a)
{
    InternalSnapshot *s = a->state;

    if (s->pending) {
        bdrv_snapshot_commit(s->pending);
    }
}

static bool internal_settle(TxnAction *a, Error **errp)
{
    InternalSnapshot *s = a->state;
    Error *err = NULL;

    if (s->pending) {
        s->settled = bdrv_snapshot_finish(g_steal_pointer(&s->pending), &s->sn, &err) >= 0;
    }
    return s->settled || internal_failed(a, err, errp);
}

static void internal_abort(TxnAction *a)
{
    InternalSnapshot *s = a->state;
    Error *err = NULL;

    if (s->pending) {
        bdrv_snapshot_abort(g_steal_pointer(&s->pending));
    } else if (s->settled && bdrv_snapshot_delete(s->bs, s->sn.id_str, s->sn.name, &err) < 0) {
        error_reportf_err(err, "Failed to delete snapshot with id '%s' and name '%s' on device '%s' in abort: ",
                          s->sn.id_str, s->sn.name, bdrv_get_device_name(s->bs));
    }
}

static BlockDriverState *internal_pending(TxnAction *a)
{
    InternalSnapshot *s = a->state;

    return s->pending ? bdrv_snapshot_node(s->bs) : NULL;
}

static void internal_clean(TxnAction *a)
{
    InternalSnapshot *s = a->state;

    bdrv_unref(s->bs);
}

const TxnKind txn_internal_snapshot = {
    .state_size = sizeof(InternalSnapshot),
    .prepare = internal_prepare,
    .start = internal_start,
    .ready = internal_ready,
    .commit = internal_commit,
    .settle = internal_settle,
    .abort = internal_abort,
    .clean = internal_clean,
    .pending = internal_pending,
    .names = internal_names,
};

void qmp_blockdev_snapshot_internal_sync(const BlockdevSnapshotInternal *arg, Error **errp)
{
    TransactionAction what = { .type = TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT_INTERNAL_SYNC };

    what.u.blockdev_snapshot_internal_sync.data = (BlockdevSnapshotInternal *)arg;
    txn_run_one(&what, errp);
}

SnapshotInfo *qmp_blockdev_snapshot_delete_internal_sync(const BlockdevSnapshotDeleteInternalSyncArgs *arg,
                                                         Error **errp)
{
    ERRP_GUARD();
    BlockDriverState *bs = blockdev_get_root_bs(arg->device, errp);
    g_autoptr(QObject) info = NULL;
    QEMUSnapshotInfo sn;

    if (!bs) {
        return NULL;
    }
    if (!arg->id && !arg->name) {
        error_setg(errp, "Name or id must be provided");
        return NULL;
    }
    if (bdrv_op_is_blocked(bs, BLOCK_OP_INTERNAL_SNAPSHOT_DELETE, errp)) {
        return NULL;
    }
    if (!bdrv_snapshot_find_by_id_and_name(bs, arg->id, arg->name, &sn, errp)) {
        if (!*errp) {
            error_setg(errp, "Snapshot with id '%s' and name '%s' does not exist on device '%s'",
                       arg->id ? arg->id : "null", arg->name ? arg->name : "null", arg->device);
        }
        return NULL;
    }
    if (bdrv_snapshot_delete(bs, arg->id, arg->name, errp) < 0) {
        return NULL;
    }
    info = blockdev_snapshot_to_dict(&sn);
    return SnapshotInfo_from_qobject(info, errp);
}
