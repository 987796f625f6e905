/*
 * BlockBackend: the events that it sends.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "backend.h"
#include "util/trace.h"

TRACE_EVENT(blk_event_tray_moved)
TRACE_EVENT(blk_event_io_error)

void blk_event_tray_moved(BlockBackend *blk, bool open)
{
    g_autofree char *id = blk_get_attached_dev_id(blk);

    TRACE(blk_event_tray_moved, "device '%s' id '%s' open %d", blk_name(blk), id, open);
}

void blk_event_io_error(BlockBackend *blk, BlkErrorAction action, bool is_read, int error)
{
    TRACE(blk_event_io_error, "device '%s' action %d read %d errno %d", blk_name(blk), action, is_read, error);
}
