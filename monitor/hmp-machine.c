/*
 * HMP: the machine as a whole: run state, names, processors, threads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hmp-int.h"
#include "hw/machine.h"
#include "hw/pc-chips.h"
#include "machine/runstate.h"
#include "qapi/commands-control.h"
#include "qapi/commands-machine.h"
#include "qapi/commands-misc.h"
#include "qapi/commands-run-state.h"
#include "qapi/commands-ui.h"

#pragma weak qmp_query_version
#pragma weak qmp_query_status
#pragma weak qmp_query_name
#pragma weak qmp_query_uuid
#pragma weak qmp_query_iothreads
#pragma weak qmp_query_cpus_fast
#pragma weak qmp_query_kvm
#pragma weak qmp_query_vm_generation_id
#pragma weak qmp_query_memory_size_summary
#pragma weak qmp_quit
#pragma weak qmp_stop
#pragma weak qmp_cont
#pragma weak qmp_system_reset
#pragma weak qmp_system_powerdown
#pragma weak qmp_system_wakeup
#pragma weak qmp_inject_nmi
#pragma weak qmp_x_exit_preconfig
#pragma weak qmp_watchdog_set_action
#pragma weak vm_single_step
#pragma weak machine_current
#pragma weak ioapic_describe
#pragma weak i8259_describe
#pragma weak irq_statistics
#pragma weak machine_set_boot_order

/* Commands without arguments and results. */
static void simple(Monitor *mon, void (*command)(Error **errp))
{
    Error *err = NULL;

    command(&err);
    hmp_error(mon, err);
}

void hmp_quit(Monitor *mon, const QDict *args)
{
    monitor_suspend(mon);
    simple(mon, qmp_quit);
}

void hmp_stop(Monitor *mon, const QDict *args) { simple(mon, qmp_stop); }
void hmp_cont(Monitor *mon, const QDict *args) { simple(mon, qmp_cont); }
void hmp_system_reset(Monitor *mon, const QDict *args) { simple(mon, qmp_system_reset); }
void hmp_system_powerdown(Monitor *mon, const QDict *args) { simple(mon, qmp_system_powerdown); }
void hmp_system_wakeup(Monitor *mon, const QDict *args) { simple(mon, qmp_system_wakeup); }
void hmp_nmi(Monitor *mon, const QDict *args) { simple(mon, qmp_inject_nmi); }
void hmp_exit_preconfig(Monitor *mon, const QDict *args) { simple(mon, qmp_x_exit_preconfig); }

void hmp_watchdog_action(Monitor *mon, const QDict *args)
{
    WatchdogSetActionArgs a = { 0 };
    const char *text = qdict_get_str(args, "action");
    Error *err = NULL;

    if (!WatchdogAction_parse(text, &a.action)) {
        monitor_printf(mon, "Error: invalid parameter value: %s\n", text);
        return;
    }
    qmp_watchdog_set_action(&a, &err);
    hmp_error(mon, err);
}

/* How a translating processor would run; told by query-status. */
void hmp_singlestep(Monitor *mon, const QDict *args)
{
    const char *option = qdict_get_str(args, "option");

    if (!option || !strcmp(option, "on")) {
        vm_single_step = true;
    } else if (!strcmp(option, "off")) {
        vm_single_step = false;
    } else {
        monitor_printf(mon, "unexpected option %s\n", option);
    }
}

void hmp_boot_set(Monitor *mon, const QDict *args)
{
    const char *order = qdict_get_str(args, "bootdevice");
    Error *err = NULL;

    if (machine_set_boot_order(machine_current(), order, &err)) {
        monitor_printf(mon, "boot device list now set to %s\n", order);
    } else {
        monitor_printf(mon, "%s\n", error_get_pretty(err));
        error_free(err);
    }
}

static void print_taken(Monitor *mon, char *text)
{
    monitor_printf(mon, "%s", text);
    g_free(text);
}

void hmp_info_pic(Monitor *mon, const QDict *args)
{
    print_taken(mon, ioapic_describe());
    print_taken(mon, i8259_describe());
}

void hmp_info_irq(Monitor *mon, const QDict *args) { print_taken(mon, irq_statistics()); }

/* --- info ---------------------------------------------------------------------------------- */

void hmp_info_version(Monitor *mon, const QDict *args)
{
    VersionInfo *v = qmp_query_version(NULL);

    monitor_printf(mon, "%" PRId64 ".%" PRId64 ".%" PRId64 "%s\n", v->qemu->major, v->qemu->minor, v->qemu->micro,
                   v->package);
    VersionInfo_free(v);
}

void hmp_info_status(Monitor *mon, const QDict *args)
{
    StatusInfo *s = qmp_query_status(NULL);

    monitor_printf(mon, "VM status: %s%s", s->running ? "running" : "paused",
                   s->singlestep ? " (single step mode)" : "");
    if (!s->running && s->status != RUN_STATE_PAUSED) {
        monitor_printf(mon, " (%s)", RunState_str(s->status));
    }
    monitor_printf(mon, "\n");
    StatusInfo_free(s);
}

void hmp_info_name(Monitor *mon, const QDict *args)
{
    NameInfo *info = qmp_query_name(NULL);

    if (info->name) {
        monitor_printf(mon, "%s\n", info->name);
    }
    NameInfo_free(info);
}

void hmp_info_uuid(Monitor *mon, const QDict *args)
{
    UuidInfo *info = qmp_query_uuid(NULL);

    monitor_printf(mon, "%s\n", info->UUID);
    UuidInfo_free(info);
}

void hmp_info_kvm(Monitor *mon, const QDict *args)
{
    KvmInfo *info = qmp_query_kvm(NULL);

    monitor_printf(mon, "kvm support: %s\n", !info->present ? "not compiled" : info->enabled ? "enabled" : "disabled");
    KvmInfo_free(info);
}

void hmp_info_iothreads(Monitor *mon, const QDict *args)
{
    IOThreadInfoList *list = qmp_query_iothreads(NULL);

    for (size_t i = 0; i < list->len; i++) {
        const IOThreadInfo *t = list->items[i];

        monitor_printf(mon, "%s:\n", t->id);
        monitor_printf(mon, "  thread_id=%" PRId64 "\n", t->thread_id);
        monitor_printf(mon, "  poll-max-ns=%" PRId64 "\n", t->poll_max_ns);
        monitor_printf(mon, "  poll-grow=%" PRId64 "\n", t->poll_grow);
        monitor_printf(mon, "  poll-shrink=%" PRId64 "\n", t->poll_shrink);
        monitor_printf(mon, "  aio-max-batch=%" PRId64 "\n", t->aio_max_batch);
    }
    IOThreadInfoList_free(list);
}

void hmp_info_cpus(Monitor *mon, const QDict *args)
{
    Error *err = NULL;
    CpuInfoFastList *list = qmp_query_cpus_fast(&err);

    if (hmp_error(mon, err)) {
        return;
    }
    for (size_t i = 0; i < list->len; i++) {
        const CpuInfoFast *cpu = list->items[i];

        monitor_printf(mon, "%c CPU #%" PRId64 ": thread_id=%" PRId64 "\n", hmp_is_current_cpu(mon, cpu->qom_path, i) ?
                       '*' : ' ', cpu->cpu_index, cpu->thread_id);
    }
    CpuInfoFastList_free(list);
}

void hmp_info_vm_generation_id(Monitor *mon, const QDict *args)
{
    Error *err = NULL;
    GuidInfo *info = qmp_query_vm_generation_id(&err);

    if (info) {
        monitor_printf(mon, "%s\n", info->guid);
    }
    hmp_error(mon, err);
    GuidInfo_free(info);
}

void hmp_info_memory_size_summary(Monitor *mon, const QDict *args)
{
    Error *err = NULL;
    MemoryInfo *info = qmp_query_memory_size_summary(&err);

    if (info) {
        monitor_printf(mon, "base memory: %" PRIu64 "\n", info->base_memory);
        if (info->has_plugged_memory) {
            monitor_printf(mon, "plugged memory: %" PRIu64 "\n", info->plugged_memory);
        }
        MemoryInfo_free(info);
    }
    hmp_error(mon, err);
}
