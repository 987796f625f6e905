/*
 * The disks that belong to a snapshot of the whole machine: writable media that a device or a person uses,
 * and nodes of people that nobody uses.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "block/blockdev.h"
#include "block/driver.h"
#include "block/snapshot.h"

GPtrArray *blockdev_machine_disks(void)
{
    GPtrArray *list = g_ptr_array_new();

    for (BlockBackend *blk = blk_all_next(NULL); blk; blk = blk_all_next(blk)) {
        BlockDriverState *bs = blk_bs(blk);

        if (bs && blk_is_inserted(blk) && !bs->read_only && (*blk_name(blk) || blk_get_attached_dev(blk)) &&
            !g_ptr_array_find(list, bs, NULL)) {
            g_ptr_array_add(list, bs);
        }
    }
    for (BlockDriverState *bs = bdrv_next_node(NULL); bs; bs = bdrv_next_node(bs)) {
        if (blockdev_is_monitor_owned(bs) && !bs->parents && !bs->read_only && !g_ptr_array_find(list, bs, NULL)) {
            g_ptr_array_add(list, bs);
        }
    }
    return list;
}

BlockDriverState *blockdev_vmstate_disk(Error **errp)
{
    g_autoptr(GPtrArray) disks = blockdev_machine_disks();

    for (guint i = 0; i < disks->len; i++) {
        if (bdrv_can_snapshot(disks->pdata[i])) {
            return disks->pdata[i];
        }
    }
    error_setg(errp, "no block device can store vmstate for snapshot");
    return NULL;
}

bool blockdev_all_have_snapshot(const char *name)
{
    g_autoptr(GPtrArray) disks = blockdev_machine_disks();
    QEMUSnapshotInfo sn;

    for (guint i = 0; i < disks->len; i++) {
        if (bdrv_snapshot_find(disks->pdata[i], &sn, name) < 0) {
            return false;
        }
    }
    return true;
}

const char *blockdev_device_name(BlockDriverState *bs)
{
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        if (blk_bs(blk) == bs) {
            return blk_name(blk);
        }
    }
    return "";
}
