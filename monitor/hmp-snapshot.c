/*
 * HMP: snapshots of single disks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hmp-int.h"
#include "qapi/commands-block-core.h"

#pragma weak qmp_blockdev_snapshot_sync
#pragma weak qmp_blockdev_snapshot_internal_sync
#pragma weak qmp_blockdev_snapshot_delete_internal_sync
#pragma weak qmp_blockdev_snapshot_apply_internal_sync

static char *str(const QDict *args, const char *name) { return (char *)qdict_get_str(args, name); }

void hmp_snapshot_blkdev(Monitor *mon, const QDict *args)
{
    BlockdevSnapshotSync a = {
        .device = str(args, "device"), .snapshot_file = str(args, "snapshot-file"), .format = str(args, "format"),
        .has_mode = true,
        .mode = qdict_get_bool(args, "reuse", false) ? NEW_IMAGE_MODE_EXISTING : NEW_IMAGE_MODE_ABSOLUTE_PATHS,
    };
    Error *err = NULL;

    if (!a.snapshot_file) {
        error_setg(&err, "Parameter '%s' is missing", "snapshot-file");
    } else {
        qmp_blockdev_snapshot_sync(&a, &err);
    }
    hmp_error(mon, err);
}

void hmp_snapshot_blkdev_internal(Monitor *mon, const QDict *args)
{
    BlockdevSnapshotInternal a = { .device = str(args, "device"), .name = str(args, "name") };
    Error *err = NULL;

    qmp_blockdev_snapshot_internal_sync(&a, &err);
    hmp_error(mon, err);
}

void hmp_snapshot_delete_blkdev_internal(Monitor *mon, const QDict *args)
{
    BlockdevSnapshotDeleteInternalSyncArgs a = {
        .device = str(args, "device"), .name = str(args, "name"), .id = str(args, "id"),
    };
    Error *err = NULL;

    SnapshotInfo_free(qmp_blockdev_snapshot_delete_internal_sync(&a, &err));
    hmp_error(mon, err);
}

/* Ours: the peer cannot go back on one disk of a machine. */
void hmp_snapshot_apply_blkdev_internal(Monitor *mon, const QDict *args)
{
    BlockdevSnapshotApplyInternal a = {
        .device = str(args, "device"), .name = str(args, "name"), .id = str(args, "id"),
    };
    Error *err = NULL;

    SnapshotInfo_free(qmp_blockdev_snapshot_apply_internal_sync(&a, &err));
    hmp_error(mon, err);
}
