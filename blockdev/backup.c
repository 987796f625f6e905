/*
 * Backups as parts of a transaction: jobs that all start at its point in time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "blockdev/backup.h"
#include "internal.h"

typedef struct BackupState {
    BackupAction *action;              /* NULL: not prepared */
} BackupState;

static bool blockdev_prepare(TxnAction *a, Error **errp)
{
    BackupState *s = a->state;

    s->action = blockdev_backup_prepare(a->what->u.blockdev_backup.data, a->txn->jobs, errp);
    return s->action != NULL;
}

static bool drive_prepare(TxnAction *a, Error **errp)
{
    BackupState *s = a->state;

    s->action = drive_backup_prepare(a->what->u.drive_backup.data, a->txn->jobs, errp);
    return s->action != NULL;
}

static void backup_conclude(TxnAction *a)
{
    BackupState *s = a->state;

    backup_action_commit(s->action);
}

static void backup_abort(TxnAction *a)
{
    BackupState *s = a->state;

    if (s->action) {
        backup_action_abort(s->action);
    }
}

static void backup_clean(TxnAction *a)
{
    BackupState *s = a->state;

    if (s->action) {
        backup_action_clean(s->action);
    }
}

static void blockdev_names(const TransactionAction *what, const char **device, const char **node)
{
    *device = *node = what->u.blockdev_backup.data->device;
}

static void drive_names(const TransactionAction *what, const char **device, const char **node)
{
    *device = *node = what->u.drive_backup.data->device;
}

const TxnKind txn_blockdev_backup = {
    .state_size = sizeof(BackupState), .may_group = true, .prepare = blockdev_prepare, .conclude = backup_conclude,
    .abort = backup_abort, .clean = backup_clean, .names = blockdev_names,
};

const TxnKind txn_drive_backup = {
    .state_size = sizeof(BackupState), .may_group = true, .prepare = drive_prepare, .conclude = backup_conclude,
    .abort = backup_abort, .clean = backup_clean, .names = drive_names,
};
