/*
 * Exports of the emulator: their threads, descriptors by name for their sockets, and their end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "block/export.h"
#include "io/address.h"
#include "monitor/monitor.h"
#include "objects/iothread.h"
#include "system/system.h"

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

void setup_exports(void)
{
    static const BlockExportThreads threads = { take_thread, release_thread };

    blk_exp_set_threads(&threads);
    io_address_lookup_fd = lookup_fd;
}

void setup_close_exports(void)
{
    nbd_server_stop();
    blk_exp_close_all_type(BLOCK_EXPORT_TYPE__MAX);
}
