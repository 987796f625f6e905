/*
 * What blockdev.c and blockdev/ share: the kinds of transaction actions, and small helpers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCKDEV_INTERNAL_H
#define BLOCKDEV_INTERNAL_H

#include "block/blockdev.h"
#include "block/job.h"
#include "qapi/types-transaction.h"

typedef struct Txn Txn;
typedef struct TxnAction TxnAction;

/*
 * One kind of action.  For the actions of a transaction, in their order:
 *   prepare  all checks, and what can be undone by abort; may fail
 *   start    begin slow writes that change nothing yet, and wait for them in `ready`; may fail
 *   commit   begin the first step that is seen from outside, kept short; `settle` waits for it; may fail (I/O errors)
 *   conclude cannot fail
 * So the disks of a group work side by side.  When one fails, abort runs for all that were prepared, newest first; clean
 * runs for all of these in the end.  All nodes named are drained from before the first prepare until after the last clean.
 */
typedef struct TxnKind {
    size_t state_size;
    bool may_group;                    /* completion-mode grouped means something to it */
    bool (*prepare)(TxnAction *a, Error **errp);
    bool (*start)(TxnAction *a, Error **errp);
    bool (*ready)(TxnAction *a, Error **errp);
    void (*commit)(TxnAction *a);
    bool (*settle)(TxnAction *a, Error **errp);
    void (*conclude)(TxnAction *a);
    void (*abort)(TxnAction *a);
    void (*clean)(TxnAction *a);
    /* The node that is at work between start and settle and must be left alone meanwhile; NULL: none. */
    BlockDriverState *(*pending)(TxnAction *a);
    /* The names (backend or node; node) that say which node to drain; either may stay NULL. */
    void (*names)(const TransactionAction *what, const char **device, const char **node);
} TxnKind;

struct TxnAction {
    const TxnKind *kind;
    const TransactionAction *what;
    Txn *txn;
    void *state;                       /* state_size bytes, zeroed */
};

struct Txn {
    ActionCompletionMode mode;
    QEMUSnapshotInfo now;              /* the point in time: what all its snapshots are dated */
    JobTxn *jobs;                      /* for grouped jobs, else NULL */
    GPtrArray *actions;                /* of TxnAction, prepared or being prepared */
    GPtrArray *drained;                /* of referenced BlockDriverState */
};

/* Settle now the other actions for which `node` is at work: only one at a time can be. */
bool txn_settle_others(TxnAction *a, BlockDriverState *node, Error **errp);
/* Run one action by itself, as a command of that name does. */
bool txn_run_one(const TransactionAction *what, Error **errp);

extern const TxnKind txn_abort, txn_internal_snapshot, txn_internal_apply, txn_snapshot, txn_snapshot_sync, txn_bitmap_add,
    txn_bitmap_remove, txn_bitmap_clear, txn_bitmap_enable, txn_bitmap_disable, txn_bitmap_merge, txn_drive_backup,
    txn_blockdev_backup;

bool blockdev_machine_runs(void);
bool blockdev_is_incoming(void);
AioContext *blockdev_find_iothread(const char *id);
/* drive.c: the backends of -drive lose their names. */
void drive_close_all(void);

#endif
