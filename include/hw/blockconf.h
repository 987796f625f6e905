/*
 * What every disk device is configured with: its backend, block sizes, geometry, error policies.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_BLOCKCONF_H
#define HW_BLOCKCONF_H

#include "block/accounting.h"
#include "hw/device.h"

typedef struct BlockConf {
    BlockBackend *blk;                    /* NULL: none given; one reference */
    uint64_t physical, logical, min_io, opt_io, discard_granularity;      /* bytes */
    int32_t bootindex;
    uint32_t cyls, heads, secs, lcyls, lheads, lsecs;
    int write_cache, backend_defaults, account_invalid, account_failed, rerror, werror;
    bool share_rw;
    const BlockDevOps *ops;               /* set by the device's init; dev of the callbacks is the device */
} BlockConf;

/* Property pieces: T has a field `conf`. */
#define BLOCK_PROPS(T)                                                                                        \
    { .name = "drive", .type = "str", .kind = PROP_CUSTOM, .offset = offsetof(T, conf), .get = blockconf_get_drive, \
      .set = blockconf_set_drive, .description = "Node name or ID of a block device to use as a backend" },   \
    P_ENUM("backend_defaults", "OnOffAuto", on_off_auto_names, T, conf.backend_defaults, 0, "on/off/auto"),  \
    BLOCK_SIZE_PROP("logical_block_size", T, conf.logical), BLOCK_SIZE_PROP("physical_block_size", T, conf.physical), \
    P_NUM("min_io_size", PROP_SIZE, T, conf.min_io, 0), P_NUM("opt_io_size", PROP_SIZE, T, conf.opt_io, 0),  \
    P_NUM("discard_granularity", PROP_SIZE, T, conf.discard_granularity, UINT32_MAX),                        \
    P_ENUM("write-cache", "OnOffAuto", on_off_auto_names, T, conf.write_cache, 0, "on/off/auto"),            \
    P_BOOL("share-rw", T, conf.share_rw, false),                                                              \
    P_ENUM("account-invalid", "OnOffAuto", on_off_auto_names, T, conf.account_invalid, 0, "on/off/auto"),    \
    P_ENUM("account-failed", "OnOffAuto", on_off_auto_names, T, conf.account_failed, 0, "on/off/auto")
#define BLOCK_SIZE_PROP(n, T, f) { .name = n, .kind = PROP_SIZE, .offset = offsetof(T, f), .has_default = true, \
    .check = blockconf_check_size, .description = "A power of two between 512 B and 2 MiB" }
#define BLOCK_ERROR_PROPS(T)                                                                                   \
    P_ENUM("rerror", "BlockdevOnError", on_error_names, T, conf.rerror, BLK_ON_ERROR_AUTO,                     \
           "Error handling policy, report/ignore/enospc/stop/auto"),                                           \
    P_ENUM("werror", "BlockdevOnError", on_error_names, T, conf.werror, BLK_ON_ERROR_AUTO,                     \
           "Error handling policy, report/ignore/enospc/stop/auto")
#define BLOCK_CHS_PROPS(T)                                                                                     \
    P_NUM("cyls", PROP_U32, T, conf.cyls, 0), P_NUM("heads", PROP_U32, T, conf.heads, 0), P_NUM("secs", PROP_U32, T, conf.secs, 0), \
    P_NUM("lcyls", PROP_U32, T, conf.lcyls, 0), P_NUM("lheads", PROP_U32, T, conf.lheads, 0), P_NUM("lsecs", PROP_U32, T, conf.lsecs, 0)
#define BLOCK_BOOT_PROP(T) { .name = "bootindex", .kind = PROP_I32, .offset = offsetof(T, conf.bootindex) }

extern const char *const on_error_names[];
bool blockconf_set_drive(Object *o, const Property *p, const QObject *value, Error **errp);
QObject *blockconf_get_drive(Object *o, const Property *p, Error **errp);
bool blockconf_check_size(Object *o, const Property *p, int64_t value, Error **errp);

/* In realize, in this order. */
bool blockconf_apply_sizes(BlockConf *c, Error **errp);
/* Permissions, write cache, error policies, accounting. */
bool blockconf_apply_backend(BlockConf *c, bool readonly, bool resizable, Error **errp);
/* Fill what was not given from the size; checks against the device's bounds. */
bool blockconf_geometry(BlockConf *c, unsigned max_cyls, unsigned max_heads, unsigned max_secs, Error **errp);
/* Serial number from the legacy drive if none was set. */
void blockconf_detach(BlockConf *c, void *dev);
/* An empty backend for drives with removable media that none was given for. */
void blockconf_make_empty(BlockConf *c, void *dev);

/* For BlockDevOps of any device. */
const char *blockdev_id(void *dev);
char *blockdev_path(void *dev);

#endif
