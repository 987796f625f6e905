/*
 * The register function of each built-in driver; block/drivers.c calls them in this order.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_DRIVERS_H
#define BLOCK_DRIVERS_H

void bdrv_file_register(void);         /* file, host_device */
void bdrv_raw_register(void);
void bdrv_null_register(void);         /* null-co, null-aio */
void bdrv_blkdebug_register(void);
void bdrv_luks_register(void);
void bdrv_nbd_register(void);
void bdrv_qcow2_register(void);
void bdrv_blklogwrites_register(void);
void bdrv_blkverify_register(void);
void bdrv_compress_register(void);
void bdrv_copy_before_write_register(void);
void bdrv_copy_on_read_register(void);
void bdrv_preallocate_register(void);
void bdrv_quorum_register(void);
void bdrv_snapshot_access_register(void);
void bdrv_throttle_register(void);

#endif
