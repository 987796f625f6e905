/*
 * Functions that only the driver table needs (qcow2-open.c), from the files with one verb each.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_OPEN_H
#define BLOCK_QCOW2_OPEN_H

#include "qcow2.h"

/* --- qcow2-info.c --- */
int qcow2_get_info(BlockDriverState *bs, BlockDriverInfo *bdi);

/* --- qcow2-open.c --- */
void bdrv_qcow2_register(void);
/*
 * Leave the disk clean: bitmaps stored, everything committed durably, dirty bit cleared.  After
 * it no request may change the image; stored bitmaps are released or read-only.  The first error is returned; all steps are tried.
 */
int qcow2_settle(Qcow2 *q, bool release_bitmaps);

#endif
