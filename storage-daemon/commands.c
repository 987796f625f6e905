/*
 * The commands of the storage daemon: of those that are linked, what makes sense without a machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "daemon.h"
#include "qapi/commands-control.h"
#include "qapi/dispatch.h"

void commands_init(void)
{
    static const char *const absent[] = {
        /* media and limits of devices */
        "block-latency-histogram-set", "block_set_io_throttle", "blockdev-change-medium", "blockdev-close-tray",
        "blockdev-insert-medium", "blockdev-open-tray", "blockdev-remove-medium", "eject", "DEVICE_TRAY_MOVED",
        "PR_MANAGER_STATUS_CHANGED",
        /* descriptors by name, other clients */
        "add-fd", "add_client", "closefd", "getfd", "query-fdsets", "remove-fd",
        /* the emulator's */
        "human-monitor-command", "query-iothreads", "query-pr-managers", "query-yank", "trace-event-*", "yank", NULL,
    };

    qmp_leave_out(absent);
}

/* Exports are gone before the reply goes out, as with the peer. */
void qmp_quit(Error **errp)
{
    close_block();
    request_exit();
}
