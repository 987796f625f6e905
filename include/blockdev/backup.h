/*
 * The transaction actions blockdev-backup and drive-backup.
 *
 * prepare drains the source and makes the job; it stays drained until clean, so that all jobs of a transaction start
 * from one point in time.  Then commit or abort, then clean.  Main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCKDEV_BACKUP_H
#define BLOCKDEV_BACKUP_H

#include "block/job.h"
#include "qapi/types-block-core.h"

typedef struct BackupAction BackupAction;

/* txn: the group for completion-mode grouped, NULL else.  NULL + errp on failure. */
BackupAction *blockdev_backup_prepare(const BlockdevBackup *arg, JobTxn *txn, Error **errp);
BackupAction *drive_backup_prepare(const DriveBackup *arg, JobTxn *txn, Error **errp);
void backup_action_commit(BackupAction *a);
void backup_action_abort(BackupAction *a);
void backup_action_clean(BackupAction *a);     /* frees it */

#endif
