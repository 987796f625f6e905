/*
 * -preconfig: monitors are served before the board exists; only commands that need none may run.  Those that come
 * behind x-exit-preconfig wait for the machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdlib.h>
#include "hw/machine.h"
#include "machine/runstate.h"
#include "monitor/monitor.h"
#include "qapi/commands-misc.h"
#include "qapi/dispatch.h"
#include "system/system.h"
#include "util/aio.h"

static bool waiting;

static bool allow(const QmpCommand *cmd, Error **errp)
{
    if (!cmd->preconfig) {
        error_setg(errp, "The command '%s' is permitted only after machine initialization has completed", cmd->name);
        return false;
    }
    return true;
}

static bool before_machine(void) { return waiting; }

void setup_preconfig(void)
{
    waiting = true;
    numa_before_machine = before_machine;
    qmp_set_guard(allow);
    monitor_hmp_preconfig = true;
    process_take_signals();
    chr_machine_ready();
    while (waiting) {
        int status;

        if (vm_should_end(&status)) {
            exit(status);
        }
        aio_poll(aio_main_context(), true);
    }
    qmp_set_guard(NULL);
    monitor_hmp_preconfig = false;
}

void qmp_x_exit_preconfig(Error **errp)
{
    if (!waiting) {
        error_setg(errp, "The command is permitted only before machine initialization");
        return;
    }
    waiting = false;
    monitors_hold();                   /* the next command finds the machine */
}
