/*
 * qcow2: the one door for corruption.
 *
 * Fatal: the structure that is about to be written or followed is wrong.  The corrupt bit goes to
 * the disk, and this node writes nothing more (q->broken).  Otherwise, or when the node may not
 * be written, it is only told, once.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include "block/graph.h"
#include "qapi/events-block-core.h"
#include "qcow2.h"

static void coroutine_fn mark_entry(void *opaque)
{
    qcow2_mark_corrupt(opaque);
}

static void tell(Qcow2 *q, bool fatal, int64_t offset, int64_t size, char *text)
{
    BlockImageCorruptedEvent event = {
        .device = (char *)bdrv_get_device_name(q->bs), .node_name = q->bs->node_name[0] ? q->bs->node_name : NULL,
        .msg = text, .has_offset = offset >= 0, .offset = offset, .has_size = size >= 0, .size = size, .fatal = fatal,
    };

    qapi_event_send_BLOCK_IMAGE_CORRUPTED(&event);
}

int qcow2_corrupt(Qcow2 *q, bool fatal, int64_t offset, int64_t size, const char *fmt, ...)
{
    va_list ap;
    fatal = fatal && bdrv_is_writable(q->bs);
    if (q->signaled_corruption && !fatal) {
        return -EIO;
    }
    if (q->broken) {
        return -EIO;
    }
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    tell(q, fatal, offset, size, text);
    if (fatal) {
        fprintf(stderr, "qcow2: Marking image as corrupt: %s; further corruption events will be suppressed\n", text);
        q->broken = true;
        co_run_sync(mark_entry, q);
    } else {
        fprintf(stderr, "qcow2: Image is corrupt: %s; further non-fatal corruption events will be suppressed\n", text);
    }
    q->signaled_corruption = true;
    return -EIO;
}
