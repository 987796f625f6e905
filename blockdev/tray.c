/*
 * Trays and media: open, close, remove, insert, change, eject.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "internal.h"
#include "qapi/commands-block.h"

/* What messages call the device: as the user named it. */
static const char *shown(const char *device, const char *id)
{
    return device ? device : id;
}

/*
 * 0: open now (or there is no tray).  -EINPROGRESS: the guest holds the medium and was asked.  Other: *errp is set.
 */
static int open_tray(const char *device, const char *id, bool force, Error **errp)
{
    ERRP_GUARD();
    BlockBackend *blk = blockdev_get_blk(device, id, errp);
    bool locked;

    if (!blk) {
        return -ENODEV;
    }
    if (!blk_dev_has_removable_media(blk)) {
        error_setg(errp, "Device '%s' is not removable", shown(device, id));
        return -ENOTSUP;
    }
    if (!blk_dev_has_tray(blk)) {
        error_setg(errp, "Device '%s' does not have a tray", shown(device, id));
        return -ENOSYS;
    }
    if (blk_dev_is_tray_open(blk)) {
        return 0;
    }
    locked = blk_dev_is_medium_locked(blk);
    if (locked) {
        blk_dev_eject_request(blk, force);
    }
    if (!locked || force) {
        blk_dev_change_media(blk, false, errp);
        return *errp ? -EIO : 0;
    }
    error_setg(errp, "Device '%s' is locked and force was not specified, wait for tray to open and try again",
               shown(device, id));
    return -EINPROGRESS;
}

/* No tray is as good as an open one. */
static bool tray_opened(int ret, Error **err, Error **errp)
{
    if (ret == 0 || ret == -ENOSYS) {
        error_free(g_steal_pointer(err));
        return true;
    }
    error_propagate(errp, g_steal_pointer(err));
    return false;
}

void qmp_blockdev_open_tray(const BlockdevOpenTrayArgs *arg, Error **errp)
{
    Error *err = NULL;
    int ret = open_tray(arg->device, arg->id, arg->has_force && arg->force, &err);

    if (ret == -EINPROGRESS) {
        error_free(err);
        return;
    }
    tray_opened(ret, &err, errp);
}

static void close_tray(const char *device, const char *id, Error **errp)
{
    BlockBackend *blk = blockdev_get_blk(device, id, errp);

    if (!blk) {
        return;
    }
    if (!blk_dev_has_removable_media(blk)) {
        error_setg(errp, "Device '%s' is not removable", shown(device, id));
    } else if (blk_dev_has_tray(blk) && blk_dev_is_tray_open(blk)) {
        blk_dev_change_media(blk, true, errp);
    }
}

void qmp_blockdev_close_tray(const BlockdevCloseTrayArgs *arg, Error **errp)
{
    close_tray(arg->device, arg->id, errp);
}

/* A device without a tray is told at once: for it the medium simply is gone or there. */
static void tell_trayless(BlockBackend *blk, bool load, Error **errp)
{
    if (!blk_dev_has_tray(blk)) {
        blk_dev_change_media(blk, load, errp);
    }
}

static void remove_medium(const char *device, const char *id, Error **errp)
{
    BlockBackend *blk = blockdev_get_blk(device, id, errp);
    BlockDriverState *bs = blk ? blk_bs(blk) : NULL;

    if (!blk) {
        return;
    }
    if (!blk_dev_has_removable_media(blk)) {
        error_setg(errp, "Device '%s' is not removable", shown(device, id));
        return;
    }
    if (blk_dev_has_tray(blk) && !blk_dev_is_tray_open(blk)) {
        error_setg(errp, "Tray of device '%s' is not open", shown(device, id));
        return;
    }
    if (!bs || bdrv_op_is_blocked(bs, BLOCK_OP_EJECT, errp)) {
        return;
    }
    blk_remove_bs(blk);
    tell_trayless(blk, false, NULL);
}

void qmp_blockdev_remove_medium(const BlockdevRemoveMediumArgs *arg, Error **errp)
{
    remove_medium(NULL, arg->id, errp);
}

static void insert_node(BlockBackend *blk, BlockDriverState *bs, const char *device, const char *id, Error **errp)
{
    ERRP_GUARD();

    if (!blk_dev_has_removable_media(blk)) {
        error_setg(errp, "Device '%s' is not removable", shown(device, id));
        return;
    }
    if (blk_dev_has_tray(blk) && !blk_dev_is_tray_open(blk)) {
        error_setg(errp, "Tray of device '%s' is not open", shown(device, id));
        return;
    }
    if (blk_bs(blk)) {
        error_setg(errp, "There already is a medium in the device");
        return;
    }
    if (blk_insert_bs(blk, bs, errp) < 0) {
        return;
    }
    tell_trayless(blk, true, errp);
    if (*errp) {
        blk_remove_bs(blk);
    }
}

static bool has_backend(const BlockDriverState *bs)
{
    for (BlockBackend *blk = blk_all_next(NULL); blk; blk = blk_all_next(blk)) {
        if (blk_bs(blk) == bs) {
            return true;
        }
    }
    return false;
}

void qmp_blockdev_insert_medium(const BlockdevInsertMediumArgs *arg, Error **errp)
{
    BlockBackend *blk = blockdev_get_blk(NULL, arg->id, errp);
    BlockDriverState *bs = blk ? bdrv_find_node(arg->node_name) : NULL;

    if (!blk) {
        return;
    }
    if (!bs) {
        error_setg(errp, "Node '%s' not found", arg->node_name);
    } else if (has_backend(bs)) {
        error_setg(errp, "Node '%s' is already in use", arg->node_name);
    } else {
        insert_node(blk, bs, NULL, arg->id, errp);
    }
}

/* The new medium is opened before the old one goes: what cannot be opened changes nothing. */
static BlockDriverState *open_medium(BlockBackend *blk, const BlockdevChangeMediumArgs *arg, Error **errp)
{
    BlkRootState *root = blk_root_state(blk);
    QDict *options = qdict_new();
    int flags;

    if (blk_bs(blk)) {
        blk_update_root_state(blk);
    }
    flags = root->open_flags & ~(BDRV_O_SNAPSHOT | BDRV_O_NO_BACKING | BDRV_O_PROTOCOL | BDRV_O_AUTO_RDONLY);
    if (arg->has_read_only_mode && arg->read_only_mode == BLOCKDEV_CHANGE_READ_ONLY_MODE_READ_ONLY) {
        flags &= ~BDRV_O_RDWR;
    } else if (arg->has_read_only_mode && arg->read_only_mode == BLOCKDEV_CHANGE_READ_ONLY_MODE_READ_WRITE) {
        flags |= BDRV_O_RDWR;
    }
    if (root->detect_zeroes) {
        qdict_put_str(options, "detect-zeroes", root->detect_zeroes_unmap ? "unmap" : "on");
    }
    if (arg->format) {
        qdict_put_str(options, "driver", arg->format);
    }
    return bdrv_open(arg->filename, NULL, options, flags, errp);
}

void qmp_blockdev_change_medium(const BlockdevChangeMediumArgs *arg, Error **errp)
{
    ERRP_GUARD();
    BlockBackend *blk = blockdev_get_blk(arg->device, arg->id, errp);
    BlockDriverState *medium = blk ? open_medium(blk, arg, errp) : NULL;
    Error *err = NULL;
    int ret;

    if (!medium) {
        return;
    }
    ret = open_tray(arg->device, arg->id, arg->has_force && arg->force, &err);
    if (tray_opened(ret, &err, errp)) {
        remove_medium(arg->device, arg->id, errp);
    }
    if (!*errp) {
        insert_node(blk, medium, arg->device, arg->id, errp);
    }
    if (!*errp) {
        close_tray(arg->device, arg->id, errp);
    }
    bdrv_unref(medium);
}

void qmp_eject(const EjectArgs *arg, Error **errp)
{
    Error *err = NULL;
    int ret = open_tray(arg->device, arg->id, arg->has_force && arg->force, &err);

    if (tray_opened(ret, &err, errp)) {
        remove_medium(arg->device, arg->id, errp);
    }
}
