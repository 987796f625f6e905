/*
 * Commands about the session and the schema.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qapi/commands-control.h"
#include "qapi/commands-introspect.h"
#include "qapi/commands-misc.h"
#include "qmp-int.h"
#include "util/version.h"

void qmp_qmp_capabilities(const QmpCapabilitiesArgs *arg, Error **errp)
{
    Monitor *mon = monitor_cur();
    MonitorQMP *qmp = monitor_qmp(mon);
    bool oob = false, done;

    if (!mon || !mon->qmp) {
        return;
    }
    for (size_t i = 0; arg->enable && i < arg->enable->len; i++) {
        oob = oob || arg->enable->items[i] == QMP_CAPABILITY_OOB;
    }
    pthread_mutex_lock(&qmp->requests_lock);
    done = qmp->phase == QMP_PHASE_COMMANDS;
    pthread_mutex_unlock(&qmp->requests_lock);
    if (done) {
        error_set(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                  "Capabilities negotiation is already complete, command ignored");
        return;
    }
    pthread_mutex_lock(&qmp->requests_lock);
    qmp->phase = QMP_PHASE_COMMANDS;
    qmp->oob_enabled = oob;
    pthread_mutex_unlock(&qmp->requests_lock);
}

VersionInfo *qmp_query_version(Error **errp)
{
    VersionInfo *info = VersionInfo_new();

    info->qemu = VersionTriple_new();
    info->qemu->major = PEER_VERSION_MAJOR;
    info->qemu->minor = PEER_VERSION_MINOR;
    info->qemu->micro = PEER_VERSION_MICRO;
    info->package = g_strdup(PACKAGE_NAME);
    return info;
}

static void add_command(const QmpCommand *cmd, void *opaque)
{
    CommandInfo *info = CommandInfo_new();

    info->name = g_strdup(cmd->name);
    CommandInfoList_append(opaque, info);
}

CommandInfoList *qmp_query_commands(Error **errp)
{
    CommandInfoList *list = CommandInfoList_new();

    qmp_for_each_command(add_command, list);
    return list;
}

QObject *qmp_query_qmp_schema(const QDict *args, Error **errp)
{
    return qapi_introspect();
}

char *qmp_human_monitor_command(const HumanMonitorCommandArgs *arg, Error **errp)
{
    g_autofree char *cpu = NULL;

    if (arg->has_cpu_index) {
        cpu = monitor_cpu_path ? monitor_cpu_path(arg->cpu_index) : NULL;
        if (!cpu) {
            error_setg(errp, "Parameter 'cpu-index' expects a CPU number");
            return NULL;
        }
    }
    return monitor_hmp_capture(arg->command_line, cpu, errp);
}
