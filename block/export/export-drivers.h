/*
 * The types of exports.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_EXPORT_DRIVERS_H
#define BLOCK_EXPORT_DRIVERS_H

#include "block/export.h"

extern const BlockExportDriver nbd_export_driver, vhost_user_blk_export_driver, vduse_blk_export_driver, fuse_export_driver;

#endif
