/*
 * BlockBackend: the events that it sends.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "backend.h"
#include "qapi/events-block-core.h"
#include "qapi/events-block.h"

/* The backend's own enums are the schema's by value: it does not have to be seen above. */
G_STATIC_ASSERT((int)BLK_ON_ERROR_REPORT == (int)BLOCKDEV_ON_ERROR_REPORT);
G_STATIC_ASSERT((int)BLK_ON_ERROR_IGNORE == (int)BLOCKDEV_ON_ERROR_IGNORE);
G_STATIC_ASSERT((int)BLK_ON_ERROR_ENOSPC == (int)BLOCKDEV_ON_ERROR_ENOSPC);
G_STATIC_ASSERT((int)BLK_ON_ERROR_STOP == (int)BLOCKDEV_ON_ERROR_STOP);
G_STATIC_ASSERT((int)BLK_ON_ERROR_AUTO == (int)BLOCKDEV_ON_ERROR_AUTO);
G_STATIC_ASSERT((int)BLK_ERROR_ACTION_IGNORE == (int)BLOCK_ERROR_ACTION_IGNORE);
G_STATIC_ASSERT((int)BLK_ERROR_ACTION_REPORT == (int)BLOCK_ERROR_ACTION_REPORT);
G_STATIC_ASSERT((int)BLK_ERROR_ACTION_STOP == (int)BLOCK_ERROR_ACTION_STOP);

void blk_event_tray_moved(BlockBackend *blk, bool open)
{
    g_autofree char *id = blk_get_attached_dev_id(blk);
    DeviceTrayMovedEvent event = { .device = (char *)blk_name(blk), .id = id, .tray_open = open };

    qapi_event_send_DEVICE_TRAY_MOVED(&event);
}

void blk_event_io_error(BlockBackend *blk, BlkErrorAction action, bool is_read, int error)
{
    BlockDriverState *bs = blk_bs(blk);
    BlockIoErrorEvent event = {
        .device = (char *)blk_name(blk), .node_name = bs && bs->node_name[0] ? bs->node_name : NULL,
        .operation = is_read ? IO_OPERATION_TYPE_READ : IO_OPERATION_TYPE_WRITE, .action = (BlockErrorAction)action,
        .has_nospace = blk_iostatus_is_enabled(blk), .nospace = error == ENOSPC, .reason = (char *)strerror(error),
    };

    qapi_event_send_BLOCK_IO_ERROR(&event);
}
