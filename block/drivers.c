/*
 * All built-in drivers.  Formats that probe by content come in no particular order: scores decide.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "drivers.h"
#include "block/graph.h"

void bdrv_init(void)
{
    static bool done;

    if (done) {
        return;
    }
    done = true;
    bdrv_file_register();
    bdrv_raw_register();
    bdrv_null_register();
    bdrv_luks_register();
    bdrv_nbd_register();
    bdrv_qcow2_register();
    bdrv_blkdebug_register();
    bdrv_blklogwrites_register();
    bdrv_blkverify_register();
    bdrv_compress_register();
    bdrv_copy_before_write_register();
    bdrv_copy_on_read_register();
    bdrv_preallocate_register();
    bdrv_quorum_register();
    bdrv_snapshot_access_register();
    bdrv_throttle_register();
}
