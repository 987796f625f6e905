/*
 * The configuration that all disk devices share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "block/drive.h"
#include "block/graph.h"
#include "hw/blockconf.h"
#include "util/cutils.h"

const char *const on_error_names[] = { "report", "ignore", "enospc", "stop", "auto", NULL };

const char *blockdev_id(void *dev) { return DEVICE(dev)->id ? DEVICE(dev)->id : ""; }
char *blockdev_path(void *dev) { return device_path(DEVICE(dev)); }

/* --- the drive property ----------------------------------------------------------------------------- */

static BlockBackend *find_or_make(Object *o, const char *name, Error **errp)
{
    BlockBackend *blk = blk_by_name(name);
    BlockDriverState *bs;

    if (blk) {
        blk_ref(blk);
        return blk;
    }
    bs = bdrv_find_node(name);
    if (!bs) {
        error_setg(errp, "Property '%s.drive' can't find value '%s'", o->type->name, name);
        return NULL;
    }
    blk = blk_new(0, BLK_PERM_ALL);
    if (blk_insert_bs(blk, bs, errp) < 0) {
        blk_unref(blk);
        return NULL;
    }
    return blk;
}

static void report_in_use(const char *name, BlockBackend *blk, Error **errp)
{
    DriveInfo *dinfo = blk_legacy_dinfo(blk);

    if (dinfo && dinfo->type != DRIVE_IF_NONE) {
        error_setg(errp, "Drive '%s' is already in use because it has been automatically connected to another device "
                   "(did you need 'if=none' in the drive options?)", name);
    } else {
        error_setg(errp, "Drive '%s' is already in use by another device", name);
    }
}

bool blockconf_set_drive(Object *o, const Property *p, const QObject *value, Error **errp)
{
    BlockConf *c = (BlockConf *)((char *)o + p->offset);
    const char *name = qobject_get_str(value);
    BlockBackend *blk;

    if (!name) {
        error_setg(errp, "Invalid parameter type for '%s', expected: string", p->name);
        return false;
    }
    if (DEVICE(o)->realized) {
        error_setg(errp, "Attempt to set property '%s' on device '%s' (type '%s') after it was realized", p->name,
                   DEVICE(o)->id ? DEVICE(o)->id : "", o->type->name);
        return false;
    }
    if (!*name) {
        return true;
    }
    blk = find_or_make(o, name, errp);
    if (!blk) {
        return false;
    }
    if (c->blk || blk_attach_dev(blk, c->ops, o) < 0) {
        report_in_use(name, blk, errp);
        blk_unref(blk);
        return false;
    }
    if (blk_legacy_dinfo(blk)) {
        blk_legacy_dinfo(blk)->claimed = true;
    }
    c->blk = blk;
    return true;
}

QObject *blockconf_get_drive(Object *o, const Property *p, Error **errp)
{
    BlockConf *c = (BlockConf *)((char *)o + p->offset);

    if (!c->blk) {
        return qstring_new("");
    }
    if (*blk_name(c->blk)) {
        return qstring_new(blk_name(c->blk));
    }
    return qstring_new(blk_bs(c->blk) ? bdrv_get_node_name(blk_bs(c->blk)) : "");
}

bool blockconf_check_size(Object *o, const Property *p, int64_t value, Error **errp)
{
    uint64_t v = value;

    if (v && (v < 512 || v > 2 * MiB)) {
        error_setg(errp, "Property .%s doesn't take value %" PRIu64 " (minimum: 512, maximum: 2097152)", p->name, v);
        return false;
    }
    if (v && !IS_POW2(v)) {
        error_setg(errp, "Property .%s doesn't take value '%" PRIu64 "', it's not a power of 2", p->name, v);
        return false;
    }
    return true;
}

/* --- realize ------------------------------------------------------------------------------------------- */

bool blockconf_apply_sizes(BlockConf *c, Error **errp)
{
    c->logical = c->logical ? c->logical : 512;
    c->physical = c->physical ? c->physical : 512;
    if (c->logical > c->physical) {
        error_setg(errp, "logical_block_size > physical_block_size not supported");
        return false;
    }
    if (c->min_io % c->logical) {
        error_setg(errp, "min_io_size must be a multiple of logical_block_size");
        return false;
    }
    if (c->min_io / c->logical > UINT16_MAX) {
        error_setg(errp, "min_io_size must not exceed 65535 logical blocks");
        return false;
    }
    if (c->opt_io % c->logical) {
        error_setg(errp, "opt_io_size must be a multiple of logical_block_size");
        return false;
    }
    if (c->opt_io / c->logical > UINT32_MAX) {
        error_setg(errp, "opt_io_size must not exceed 4294967295 logical blocks");
        return false;
    }
    if (c->discard_granularity != UINT32_MAX && c->discard_granularity % c->logical) {
        error_setg(errp, "discard_granularity must be a multiple of logical_block_size");
        return false;
    }
    return true;
}

bool blockconf_apply_backend(BlockConf *c, bool readonly, bool resizable, Error **errp)
{
    uint64_t perm = BLK_PERM_CONSISTENT_READ | (readonly ? 0 : BLK_PERM_WRITE);
    uint64_t shared = BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE_UNCHANGED | (resizable ? BLK_PERM_RESIZE : 0)
        | (c->share_rw ? BLK_PERM_WRITE : 0);
    bool invalid = true, failed = true;

    if (blk_set_perm(c->blk, perm, shared, errp) < 0) {
        return false;
    }
    if (c->write_cache != ON_OFF_AUTO) {
        blk_set_enable_write_cache(c->blk, c->write_cache == ON_OFF_ON);
    }
    blk_set_on_error(c->blk, c->rerror == BLK_ON_ERROR_AUTO ? blk_get_on_error(c->blk, true) : (BlkOnError)c->rerror,
                     c->werror == BLK_ON_ERROR_AUTO ? blk_get_on_error(c->blk, false) : (BlkOnError)c->werror);
    invalid = c->account_invalid == ON_OFF_AUTO ? block_acct_accounts_invalid(blk_get_stats(c->blk))
              : c->account_invalid == ON_OFF_ON;
    failed = c->account_failed == ON_OFF_AUTO ? block_acct_accounts_failed(blk_get_stats(c->blk))
             : c->account_failed == ON_OFF_ON;
    block_acct_setup(blk_get_stats(c->blk), invalid, failed);
    return true;
}

bool blockconf_geometry(BlockConf *c, unsigned max_cyls, unsigned max_heads, unsigned max_secs, Error **errp)
{
    if (!c->cyls && !c->heads && !c->secs) {
        int64_t sectors = c->blk ? blk_getlength(c->blk) / 512 : 0;

        c->heads = 16;
        c->secs = 63;
        c->cyls = MIN(MAX(sectors / (16 * 63), 2), 16383);
    }
    if (c->cyls < 1 || c->cyls > max_cyls) {
        error_setg(errp, "cyls must be between 1 and %u", max_cyls);
        return false;
    }
    if (c->heads < 1 || c->heads > max_heads) {
        error_setg(errp, "heads must be between 1 and %u", max_heads);
        return false;
    }
    if (c->secs < 1 || c->secs > max_secs) {
        error_setg(errp, "secs must be between 1 and %u", max_secs);
        return false;
    }
    return true;
}

void blockconf_make_empty(BlockConf *c, void *dev)
{
    if (!c->blk) {
        c->blk = blk_new(0, BLK_PERM_ALL);
        blk_attach_dev(c->blk, c->ops, dev);
    }
}

void blockconf_detach(BlockConf *c, void *dev)
{
    BlockBackend *blk = c->blk;

    if (!blk) {
        return;
    }
    c->blk = NULL;
    drive_mark_auto_del(blk);
    blk_detach_dev(blk, dev);
    drive_auto_del(blk);
    blk_unref(blk);
}
