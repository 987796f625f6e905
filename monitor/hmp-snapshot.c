/*
 * HMP: snapshots of single disks, and the list of all.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "block/blockdev.h"
#include "block/snapshot.h"
#include "hmp-int.h"
#include "migration/machine-state.h"
#include "qapi/commands-block-core.h"
#include "util/cutils.h"

#pragma weak qmp_blockdev_snapshot_sync
#pragma weak qmp_blockdev_snapshot_internal_sync
#pragma weak qmp_blockdev_snapshot_delete_internal_sync
#pragma weak qmp_blockdev_snapshot_apply_internal_sync
#pragma weak vm_snapshot_save
#pragma weak vm_snapshot_load_and_go
#pragma weak vm_snapshot_delete

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

/* --- the list ------------------------------------------------------------------------------------ */

static void print_line(Monitor *mon, const QEMUSnapshotInfo *sn)
{
    g_autofree char *line = bdrv_snapshot_dump_line(sn);

    monitor_printf(mon, "%s\n", line);
}

/* Those on every disk, from the disk that would hold the state of the machine. */
static void print_global(Monitor *mon, BlockDriverState *bs)
{
    g_autofree QEMUSnapshotInfo *list = NULL;
    int n = bdrv_snapshot_list(bs, &list), shown = 0;

    monitor_printf(mon, "List of snapshots present on all disks:\n");
    for (int i = 0; i < n; i++) {
        if (blockdev_all_have_snapshot(list[i].name)) {
            if (!shown++) {
                print_line(mon, NULL);
            }
            pstrcpy(list[i].id_str, sizeof(list[i].id_str), "--");
            print_line(mon, &list[i]);
        }
    }
    if (!shown) {
        monitor_printf(mon, "None\n");
    }
}

static void print_partial(Monitor *mon, BlockDriverState *bs)
{
    g_autofree QEMUSnapshotInfo *list = NULL;
    int n = bdrv_snapshot_list(bs, &list), shown = 0;

    for (int i = 0; i < n; i++) {
        if (!blockdev_all_have_snapshot(list[i].name)) {
            if (!shown++) {
                monitor_printf(mon, "\nList of partial (non-loadable) snapshots on '%s':\n", blockdev_device_name(bs));
                print_line(mon, NULL);
            }
            print_line(mon, &list[i]);
        }
    }
}

void hmp_info_snapshots(Monitor *mon, const QDict *args)
{
    Error *err = NULL;
    BlockDriverState *bs = blockdev_vmstate_disk(&err);
    g_autoptr(GPtrArray) disks = NULL;
    int total = 0;

    if (!bs) {
        error_report_err(err);
        return;
    }
    disks = blockdev_machine_disks();
    for (guint i = 0; i < disks->len; i++) {
        g_autofree QEMUSnapshotInfo *list = NULL;

        total += MAX(bdrv_snapshot_list(disks->pdata[i], &list), 0);
    }
    if (!total) {
        monitor_printf(mon, "There is no snapshot available.\n");
        return;
    }
    print_global(mon, bs);
    for (guint i = 0; i < disks->len; i++) {
        print_partial(mon, disks->pdata[i]);
    }
}

/* --- the whole machine ---------------------------------------------------------------------------- */

void hmp_delvm(Monitor *mon, const QDict *args)
{
    VmSnapshotWhat what = { .name = qdict_get_str(args, "name") };
    Error *err = NULL;

    vm_snapshot_delete(&what, &err);
    hmp_error(mon, err);
}

void hmp_savevm(Monitor *mon, const QDict *args)
{
    VmSnapshotWhat what = { .name = qdict_get_str(args, "name"), .overwrite = true };
    Error *err = NULL;

    vm_snapshot_save(&what, &err);
    hmp_error(mon, err);
}

void hmp_loadvm(Monitor *mon, const QDict *args)
{
    VmSnapshotWhat what = { .name = qdict_get_str(args, "name") };
    Error *err = NULL;

    vm_snapshot_load_and_go(&what, &err);
    hmp_error(mon, err);
}

void hmp_complete_snapshot(Readline *rl, int n, char **args)
{
    BlockDriverState *bs = n == 2 ? blockdev_vmstate_disk(NULL) : NULL;
    g_autofree QEMUSnapshotInfo *list = NULL;
    int count = bs ? bdrv_snapshot_list(bs, &list) : 0;

    for (int i = 0; i < count; i++) {
        readline_add_completion_of(rl, args[1], list[i].id_str);
        readline_add_completion_of(rl, args[1], list[i].name);
    }
}
