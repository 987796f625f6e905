/*
 * What exports need of the objects above them: I/O threads by name, and descriptors that a manager named.
 * Compiled by programs that have exports.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "block/blockdev.h"
#include "block/export.h"
#include "io/address.h"
#include "monitor/monitor.h"
#include "objects/for-exports.h"
#include "objects/iothread.h"

static void *take_thread(const char *id, AioContext **ctx)
{
    IoThread *t = iothread_find(id);

    if (t) {
        iothread_use(t);
        *ctx = t->ctx;
    }
    return t;
}

static void release_thread(void *thread)
{
    iothread_unuse(thread);
}

/* Names are the current monitor's; -1 without an error: it may be a number. */
static int lookup_fd(const char *name, Error **errp)
{
    return monitor_cur() && !g_ascii_isdigit(*name) ? monitor_get_fd(monitor_cur(), name, errp) : -1;
}

static AioContext *find_context(const char *id)
{
    IoThread *t = iothread_find(id);

    return t ? t->ctx : NULL;
}

void block_serve_objects(void)
{
    static const BlockExportThreads threads = { take_thread, release_thread };

    blk_exp_set_threads(&threads);
    blockdev_set_iothread_hook(find_context);
    io_address_lookup_fd = lookup_fd;
}
