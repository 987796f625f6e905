/*
 * Persistent dirty bitmaps, as far as a node's driver keeps them: may there be one more, and taking one away.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "block/dirty-bitmap.h"
#include "block/driver.h"
#include "block/graph.h"

typedef struct StoreCall {
    BlockDriverState *bs;
    const char *name;
    uint32_t granularity;
    Error **errp;
    int ret;
} StoreCall;

static void coroutine_fn can_store_entry(void *opaque)
{
    StoreCall *c = opaque;

    c->ret = c->bs->drv->co_can_store_bitmap(c->bs, c->name, c->granularity, c->errp);
}

bool bdrv_can_store_dirty_bitmap(BlockDriverState *bs, const char *name, uint32_t granularity, Error **errp)
{
    StoreCall call = { bs, name, granularity, errp, 0 };

    if (!bs->drv->supports_persistent_bitmaps || !bs->drv->co_can_store_bitmap) {
        error_setg_errno(errp, ENOTSUP, "Can't store persistent bitmaps to %s", bdrv_get_device_or_node_name(bs));
        return false;
    }
    co_run_sync(can_store_entry, &call);
    return call.ret;
}

static void coroutine_fn remove_entry(void *opaque)
{
    StoreCall *c = opaque;

    c->ret = c->bs->drv->co_remove_bitmap(c->bs, c->name, c->errp);
}

int bdrv_remove_stored_dirty_bitmap(BlockDriverState *bs, const char *name, Error **errp)
{
    StoreCall call = { bs, name, 0, errp, 0 };

    if (bs->drv->co_remove_bitmap) {
        co_run_sync(remove_entry, &call);
    }
    return call.ret;
}
