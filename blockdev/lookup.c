/*
 * Finding backends and nodes by what people call them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "internal.h"

static bool (*is_running)(void);
static AioContext *(*find_iothread)(const char *id);

void blockdev_set_running_hook(bool (*fn)(void))
{
    is_running = fn;
}

bool blockdev_machine_runs(void)
{
    return is_running && is_running();
}

void blockdev_set_iothread_hook(AioContext *(*find)(const char *id))
{
    find_iothread = find;
}

AioContext *blockdev_find_iothread(const char *id)
{
    return find_iothread ? find_iothread(id) : NULL;
}

BlockBackend *blockdev_get_blk(const char *device, const char *id, Error **errp)
{
    BlockBackend *blk;

    if (!device == !id) {
        error_setg(errp, "Need exactly one of 'device' and 'id'");
        return NULL;
    }
    if (id) {
        return blk_by_qdev_id(id, errp);
    }
    blk = blk_by_name(device);
    if (!blk) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", device);
    }
    return blk;
}

BlockDriverState *blockdev_get_root_bs(const char *name, Error **errp)
{
    BlockDriverState *bs = bdrv_lookup_bs(name, name, errp);

    if (!bs) {
        return NULL;
    }
    if (!bdrv_is_root_node(bs)) {
        error_setg(errp, "Need a root block node");
        return NULL;
    }
    if (!bs->drv) {
        error_setg(errp, "Device has no medium");
        return NULL;
    }
    return bs;
}
