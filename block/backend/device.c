/*
 * BlockBackend: the device on top, and what it has to do with the medium: tray, lock, insertion, ids.
 *
 * A backend without a device behaves as a drive whose medium can be taken out at any time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "backend.h"

static bool (*device_exists)(const char *id);

int blk_attach_dev(BlockBackend *blk, const BlockDevOps *ops, void *dev)
{
    if (blk->dev) {
        return -EBUSY;
    }
    blk_ref(blk);
    blk->dev = dev;
    blk->dev_ops = ops;
    blk->iostatus_enabled = false;
    blk->iostatus = BLK_IO_STATUS_OK;
    if (blk->quiesced && ops->drained_begin) {
        ops->drained_begin(dev);
    }
    return 0;
}

void blk_detach_dev(BlockBackend *blk, void *dev)
{
    g_assert(blk->dev == dev);
    blk->dev = NULL;
    blk->dev_ops = NULL;
    blk_set_perm(blk, 0, BLK_PERM_ALL, NULL);
    blk_unref(blk);
}

void *blk_get_attached_dev(const BlockBackend *blk)
{
    return blk->dev;
}

static char *dev_path(const BlockBackend *blk)
{
    char *path = blk->dev && blk->dev_ops->dev_path ? blk->dev_ops->dev_path(blk->dev) : NULL;

    return path ? path : g_strdup("");
}

char *blk_get_attached_dev_id(BlockBackend *blk)
{
    const char *id = blk->dev && blk->dev_ops->dev_id ? blk->dev_ops->dev_id(blk->dev) : NULL;

    return id && *id ? g_strdup(id) : dev_path(blk);
}

static bool device_is(const BlockBackend *blk, const char *id)
{
    const char *own = blk->dev && blk->dev_ops->dev_id ? blk->dev_ops->dev_id(blk->dev) : NULL;
    g_autofree char *path = NULL;

    if (!blk->dev) {
        return false;
    }
    if (own && *own && !strcmp(own, id)) {
        return true;
    }
    path = dev_path(blk);
    return *path && !strcmp(path, id);
}

BlockBackend *blk_by_qdev_id(const char *id, Error **errp)
{
    for (BlockBackend *blk = blk_all_next(NULL); blk; blk = blk_all_next(blk)) {
        if (device_is(blk, id)) {
            return blk;
        }
    }
    if (device_exists && device_exists(id)) {
        error_setg(errp, "Device does not have a block device backend");
    } else {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", id);
    }
    return NULL;
}

void blk_set_device_exists_hook(bool (*fn)(const char *id))
{
    device_exists = fn;
}

/* --- medium and tray ------------------------------------------------------------------------ */

bool blk_dev_has_removable_media(const BlockBackend *blk)
{
    return !blk->dev || blk->dev_ops->change_media;
}

bool blk_dev_has_tray(const BlockBackend *blk)
{
    return blk->dev && blk->dev_ops->is_tray_open;
}

bool blk_dev_is_tray_open(const BlockBackend *blk)
{
    return blk_dev_has_tray(blk) && blk->dev_ops->is_tray_open(blk->dev);
}

bool blk_dev_is_medium_locked(const BlockBackend *blk)
{
    return blk->dev && blk->dev_ops->is_medium_locked && blk->dev_ops->is_medium_locked(blk->dev);
}

void blk_dev_eject_request(BlockBackend *blk, bool force)
{
    if (blk->dev && blk->dev_ops->eject_request) {
        blk->dev_ops->eject_request(blk->dev, force);
    }
}

void blk_dev_change_media(BlockBackend *blk, bool load, Error **errp)
{
    ERRP_GUARD();
    bool was_open, is_open;

    if (!blk->dev || !blk->dev_ops->change_media) {
        return;
    }
    was_open = blk_dev_is_tray_open(blk);
    blk->dev_ops->change_media(blk->dev, load, errp);
    if (*errp) {
        return;
    }
    is_open = blk_dev_is_tray_open(blk);
    if (was_open != is_open) {
        blk_event_tray_moved(blk, is_open);
    }
}

void blk_eject(BlockBackend *blk, bool open)
{
    blk_event_tray_moved(blk, open);
}

void blk_lock_medium(BlockBackend *blk, bool locked)
{
    /* Only a physical drive of the host would have to know. */
}

/* --- what a medium is opened with ------------------------------------------------------------ */

BlkRootState *blk_root_state(BlockBackend *blk)
{
    return &blk->root_state;
}

void blk_update_root_state(BlockBackend *blk)
{
    BlockDriverState *bs = blk_bs(blk);

    if (bs) {
        blk->root_state.open_flags = bs->open_flags;
        blk->root_state.detect_zeroes = bs->detect_zeroes;
        blk->root_state.detect_zeroes_unmap = bs->detect_zeroes_unmap;
    }
}

DriveInfo *blk_legacy_dinfo(const BlockBackend *blk)
{
    return blk->dinfo;
}

void blk_set_legacy_dinfo(BlockBackend *blk, DriveInfo *dinfo, void (*destroy)(DriveInfo *))
{
    blk->dinfo = dinfo;
    blk->dinfo_destroy = destroy;
}
