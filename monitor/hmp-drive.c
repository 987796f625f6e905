/*
 * HMP: drives that come and go, commit, qemu-io.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <string.h>
#include "block/blockdev.h"
#include "block/drive.h"
#include "hmp-int.h"
#include "hw/machine.h"
#include "iocmd/iocmd.h"

void hmp_drive_add(Monitor *mon, const QDict *args)
{
    const char *text = qdict_get_str(args, "opts");
    Error *err = NULL;

    if (qdict_get_bool(args, "node", false)) {
        drive_hot_add_node(text, &err);
    } else if (drive_hot_add(text, DRIVE_IF_IDE, &err)) {
        monitor_printf(mon, "OK\n");
    }
    if (err) {
        error_report_err(err);
    }
}

void hmp_drive_del(Monitor *mon, const QDict *args)
{
    Error *err = NULL;

    drive_del(qdict_get_str(args, "id"), &err);
    if (err) {
        error_report_err(err);
    }
}

void hmp_commit(Monitor *mon, const QDict *args)
{
    const char *device = qdict_get_str(args, "device");
    BlockBackend *blk;
    int ret;

    if (!strcmp(device, "all")) {
        ret = blockdev_commit_all();
    } else {
        blk = blk_by_name(device);
        if (!blk) {
            error_report("Device '%s' not found", device);
            return;
        }
        if (!blk_is_available(blk)) {
            error_report("Device '%s' has no medium", device);
            return;
        }
        ret = blockdev_commit(blk_bs(blk));
    }
    if (ret < 0) {
        error_report("'commit' error for '%s': %s", device, strerror(-ret));
    }
}

/* A backend by its name, or one of its own for a node; unref it. */
static BlockBackend *backend_for(const char *name, Error **errp)
{
    BlockBackend *blk = blk_by_name(name);
    BlockDriverState *bs;

    if (blk) {
        blk_ref(blk);
        return blk;
    }
    bs = bdrv_lookup_bs(NULL, name, errp);
    return bs ? blk_new_with_bs(bs, 0, BLK_PERM_ALL, errp) : NULL;
}

/* What the command prints goes to stdout, as the peer has it. */
void hmp_qemu_io(Monitor *mon, const QDict *args)
{
    const char *device = qdict_get_str(args, "device");
    Error *err = NULL;
    BlockBackend *blk;

    if (qdict_get_bool(args, "qdev", false)) {
        blk = blk_by_qdev_id(device, &err);
        if (blk) {
            blk_ref(blk);
        }
    } else {
        blk = backend_for(device, &err);
    }
    if (!blk) {
        hmp_error(mon, err);
        return;
    }
    out_set_sink(NULL, NULL);
    iocmd_run(blk, qdict_get_str(args, "command"));
    fflush(stdout);
    blk_unref(blk);
}

void hmp_foreach_block_device(Readline *rl, const char *prefix)
{
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        readline_add_completion_of(rl, prefix, blk_name(blk));
    }
}
