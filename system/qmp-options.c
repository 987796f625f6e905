/*
 * query-command-line-options: the groups of key=value options and what they take.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "qapi/commands-misc.h"

typedef struct OptionGroup {
    const char *name;
    const char *parameters;    /* "NAME:TYPE[:DEFAULT]" by spaces; S string, B boolean, N number, Z size */
} OptionGroup;

static const OptionGroup groups[] = {
    { "machine",
      "suppress-vmdesc:B firmware:S usb:B mem-merge:B dump-guest-core:B dumpdtb:S dtb:S append:S initrd:S "
      "kernel:S accel:S type:S" },
    { "sandbox", "resourcecontrol:S spawn:S elevateprivileges:S obsolete:S enable:B" },
    { "smbios", "" },
    { "fw_cfg", "gen_id:S string:S file:S name:S" },
    { "icount", "rrsnapshot:S rrfile:S rr:S sleep:B align:B shift:S" },
    { "numa", "" },
    { "action", "watchdog:S panic:S reboot:S shutdown:S" },
    { "name", "debug-threads:B process:S guest:S" },
    { "msg", "guest-name:B timestamp:B" },
    { "overcommit", "cpu-pm:B mem-lock:B" },
    { "object", "" },
    { "add-fd", "opaque:S set:N fd:N" },
    { "boot-opts", "strict:B reboot-timeout:N splash-time:N splash:S menu:B once:S order:S" },
    { "smp-opts", "maxcpus:N threads:N cores:N clusters:N dies:N sockets:N cpus:N" },
    { "memory", "maxmem:Z slots:N size:Z" },
    { "accel", "" },
    { "trace", "file:S events:S enable:S" },
    { "mon", "pretty:B chardev:S mode:S" },
    { "global", "value:S property:S driver:S" },
    { "rtc", "driftfix:S clock:S base:S" },
    { "device", "" },
    { "chardev",
      "abstract:B tight:B:on clipboard:B mouse:B logappend:B logfile:S append:B chardev:S size:Z debug:N name:S "
      "signal:B mux:B rows:N cols:N height:N width:N websocket:B tls-authz:S tls-creds:S tn3270:B telnet:B "
      "reconnect:N nodelay:B delay:B server:B wait:B ipv6:B ipv4:B to:N localport:S localaddr:S fd:S port:S "
      "host:S path:S backend:S" },
    { "drive",
      "copy-on-read:B werror:S rerror:S read-only:B file:S if:S media:S index:N unit:N bus:N "
      "stats-account-failed:B stats-account-invalid:B detect-zeroes:S throttling.group:S throttling.iops-size:N "
      "throttling.bps-write-max-length:N throttling.bps-read-max-length:N throttling.bps-total-max-length:N "
      "throttling.iops-write-max-length:N throttling.iops-read-max-length:N throttling.iops-total-max-length:N "
      "throttling.bps-write-max:N throttling.bps-read-max:N throttling.bps-total-max:N "
      "throttling.iops-write-max:N throttling.iops-read-max:N throttling.iops-total-max:N throttling.bps-write:N "
      "throttling.bps-read:N throttling.bps-total:N throttling.iops-write:N throttling.iops-read:N throttling.iops-total:N "
      "werror:S format:S cache.writeback:B aio:S snapshot:B force-share:B discard:S auto-read-only:B "
      "cache.no-flush:B cache.direct:B driver:S node-name:S" },
};

static CommandLineParameterType type_of(char letter)
{
    return letter == 'B' ? COMMAND_LINE_PARAMETER_TYPE_BOOLEAN : letter == 'N' ? COMMAND_LINE_PARAMETER_TYPE_NUMBER
        : letter == 'Z' ? COMMAND_LINE_PARAMETER_TYPE_SIZE : COMMAND_LINE_PARAMETER_TYPE_STRING;
}

static CommandLineOptionInfo *group_info(const OptionGroup *g)
{
    CommandLineOptionInfo *info = CommandLineOptionInfo_new();
    g_auto(GStrv) words = g_strsplit(g->parameters, " ", -1);

    info->option = g_strdup(g->name);
    info->parameters = CommandLineParameterInfoList_new();
    for (char **w = words; *w && **w; w++) {
        g_auto(GStrv) parts = g_strsplit(*w, ":", 3);
        CommandLineParameterInfo *p = CommandLineParameterInfo_new();

        p->name = g_strdup(parts[0]);
        p->type = type_of(parts[1] ? parts[1][0] : 0);
        p->default_ = g_strdup(parts[2]);
        CommandLineParameterInfoList_append(info->parameters, p);
    }
    return info;
}

CommandLineOptionInfoList *qmp_query_command_line_options(const QueryCommandLineOptionsArgs *arg, Error **errp)
{
    CommandLineOptionInfoList *list = CommandLineOptionInfoList_new();

    for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
        if (!arg->option || !strcmp(arg->option, groups[i].name)) {
            CommandLineOptionInfoList_append(list, group_info(&groups[i]));
        }
    }
    if (arg->option && !list->len) {
        CommandLineOptionInfoList_free(list);
        error_setg(errp, "Invalid option name: %s", arg->option);
        return NULL;
    }
    return list;
}
