/*
 * QMP: whether the machine runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "block/backend.h"
#include "qapi/commands-control.h"
#include "qapi/commands-machine.h"
#include "qapi/commands-misc.h"
#include "qapi/commands-run-state.h"
#include "machine/runstate.h"
#include "system/system.h"

StatusInfo *qmp_query_status(Error **errp)
{
    StatusInfo *info = StatusInfo_new();

    info->running = vm_running();
    info->singlestep = vm_single_step;
    info->status = (RunState)vm_state();
    return info;
}

void qmp_stop(Error **errp)
{
    if (vm_state() == VM_INMIGRATE) {
        vm_autostart = false;
    } else {
        vm_stop(VM_PAUSED);
    }
}

void qmp_cont(Error **errp)
{
    switch (vm_state()) {
    case VM_INTERNAL_ERROR: case VM_SHUTDOWN:
        error_setg(errp, "Resetting the Virtual Machine is required");
        return;
    case VM_SUSPENDED: case VM_RUNNING:
        return;
    case VM_FINISH_MIGRATE:
        error_setg(errp, "Migration is not finalized yet");
        return;
    default:
        break;
    }
    for (BlockBackend *blk = blk_all_next(NULL); blk; blk = blk_all_next(blk)) {
        blk_iostatus_reset(blk);
    }
    if (vm_state() == VM_INMIGRATE) {
        vm_autostart = true;
    } else {
        vm_start();
    }
}

void qmp_quit(Error **errp) { vm_quit(); }
void qmp_system_reset(Error **errp) { vm_reset_request(VM_CAUSE_HOST_QMP_SYSTEM_RESET); }
void qmp_system_powerdown(Error **errp) { vm_powerdown_request(); }

void qmp_system_wakeup(Error **errp) { vm_wakeup_request(errp); }

void qmp_watchdog_set_action(const WatchdogSetActionArgs *arg, Error **errp) { vm_actions.watchdog = arg->action; }

void qmp_set_action(const SetActionArgs *arg, Error **errp)
{
    if (arg->has_reboot) {
        vm_actions.reboot = arg->reboot;
    }
    if (arg->has_shutdown) {
        vm_actions.shutdown = arg->shutdown;
    }
    if (arg->has_panic) {
        vm_actions.panic = arg->panic;
    }
    if (arg->has_watchdog) {
        vm_actions.watchdog = arg->watchdog;
    }
}

NameInfo *qmp_query_name(Error **errp)
{
    NameInfo *info = NameInfo_new();

    info->name = g_strdup(guest_name());
    return info;
}

UuidInfo *qmp_query_uuid(Error **errp)
{
    UuidInfo *info = UuidInfo_new();

    info->UUID = g_strdup(guest_uuid());
    return info;
}
