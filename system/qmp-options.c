/*
 * query-command-line-options: the groups of key=value options and what they take.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "qapi/commands-misc.h"

/* What one part of an option takes: S string, B boolean, N number, Z size. */
typedef struct Parameter {
    const char *name;
    char type;
    const char *help, *value;  /* value: when none is given */
} Parameter;

typedef struct OptionGroup {
    const char *name;
    const Parameter *params;   /* ends with NULL */
} OptionGroup;

static const Parameter machine_params[] = {
    { "loadparm", 'S', "Up to 8 chars in set of [A-Za-z0-9. ](lower case chars converted to upper case) "
      "to pass to machine loader, boot manager, and guest kernel" },
    { "dea-key-wrap", 'B', "enable/disable DEA key wrapping using the CPACF wrapping key" },
    { "aes-key-wrap", 'B', "enable/disable AES key wrapping using the CPACF wrapping key" },
    { "suppress-vmdesc", 'B', "Set on to disable self-describing migration" },
    { "iommu", 'B', "Set on/off to enable/disable Intel IOMMU (VT-d)" }, { "firmware", 'S', "firmware image" },
    { "usb", 'B', "Set on/off to enable/disable usb" }, { "mem-merge", 'B', "enable/disable memory merge support" },
    { "dump-guest-core", 'B', "Include guest memory in  a core dump" },
    { "dt_compatible", 'S', "Overrides the \"compatible\" property of the dt root node" },
    { "phandle_start", 'N', "The first phandle ID we may generate dynamically" },
    { "dumpdtb", 'S', "Dump current dtb to a file and quit" }, { "dtb", 'S', "Linux kernel device tree file" },
    { "append", 'S', "Linux kernel command line" }, { "initrd", 'S', "Linux initial ramdisk file" },
    { "kernel", 'S', "Linux kernel image file" }, { "kvm_shadow_mem", 'Z', "KVM shadow MMU size" },
    { "kernel_irqchip", 'B', "use KVM in-kernel irqchip" }, { "accel", 'S', "accelerator list" },
    { "type", 'S', "emulated machine" }, { NULL }
};
static const Parameter sandbox_params[] = {
    { "resourcecontrol", 'S' }, { "spawn", 'S' }, { "elevateprivileges", 'S' }, { "obsolete", 'S' },
    { "enable", 'B' }, { NULL }
};
static const Parameter action_params[] = {
    { "watchdog", 'S' }, { "panic", 'S' }, { "reboot", 'S' }, { "shutdown", 'S' }, { NULL }
};
static const Parameter fw_cfg_params[] = {
    { "gen_id", 'S', "Sets id of the object generating the fw_cfg blob to be inserted" },
    { "string", 'S', "Sets content of the blob to be inserted from a string" },
    { "file", 'S', "Sets the name of the file from which the fw_cfg blob will be loaded" },
    { "name", 'S', "Sets the fw_cfg name of the blob to be inserted" }, { NULL }
};
static const Parameter icount_params[] = {
    { "rrsnapshot", 'S' }, { "rrfile", 'S' }, { "rr", 'S' }, { "sleep", 'B' }, { "align", 'B' }, { "shift", 'S' },
    { NULL }
};
static const Parameter name_params[] = {
    { "debug-threads", 'B', "When enabled, name the individual threads; defaults off.\n"
      "NOTE: The thread names are for debugging and not a\nstable API." },
    { "process", 'S', "Sets the name of the QEMU process, as shown in top etc" },
    { "guest", 'S', "Sets the name of the guest.\n"
      "This name will be displayed in the SDL window caption.\nThe name will also be used for the VNC server" },
    { NULL }
};
static const Parameter msg_params[] = {
    { "guest-name", 'B', "Prepends guest name for error messages "
      "but only if -name guest is set otherwise option is ignored\n" },
    { "timestamp", 'B' }, { NULL }
};
static const Parameter overcommit_params[] = {
    { "cpu-pm", 'B' }, { "mem-lock", 'B' }, { NULL }
};
static const Parameter add_fd_params[] = {
    { "opaque", 'S', "free-form string used to describe fd" }, { "set", 'N', "ID of the fd set to add fd to" },
    { "fd", 'N', "file descriptor of which a duplicate is added to fd set" }, { NULL }
};
static const Parameter boot_opts_params[] = {
    { "strict", 'B' }, { "reboot-timeout", 'N' }, { "splash-time", 'N' }, { "splash", 'S' }, { "menu", 'B' },
    { "once", 'S' }, { "order", 'S' }, { NULL }
};
static const Parameter smp_opts_params[] = {
    { "maxcpus", 'N' }, { "threads", 'N' }, { "cores", 'N' }, { "clusters", 'N' }, { "dies", 'N' },
    { "sockets", 'N' }, { "cpus", 'N' }, { NULL }
};
static const Parameter memory_params[] = {
    { "maxmem", 'Z' }, { "slots", 'N' }, { "size", 'Z' }, { NULL }
};
static const Parameter trace_params[] = {
    { "file", 'S' }, { "events", 'S' }, { "enable", 'S' }, { NULL }
};
static const Parameter mon_params[] = {
    { "pretty", 'B' }, { "chardev", 'S' }, { "mode", 'S' }, { NULL }
};
static const Parameter global_params[] = {
    { "value", 'S' }, { "property", 'S' }, { "driver", 'S' }, { NULL }
};
static const Parameter rtc_params[] = {
    { "driftfix", 'S' }, { "clock", 'S' }, { "base", 'S' }, { NULL }
};
static const Parameter chardev_params[] = {
    { "abstract", 'B' }, { "tight", 'B', NULL, "on" }, { "clipboard", 'B' }, { "mouse", 'B' }, { "logappend", 'B' },
    { "logfile", 'S' }, { "append", 'B' }, { "chardev", 'S' }, { "size", 'Z' }, { "debug", 'N' }, { "name", 'S' },
    { "signal", 'B' }, { "mux", 'B' }, { "rows", 'N' }, { "cols", 'N' }, { "height", 'N' }, { "width", 'N' },
    { "websocket", 'B' }, { "tls-authz", 'S' }, { "tls-creds", 'S' }, { "tn3270", 'B' }, { "telnet", 'B' },
    { "reconnect", 'N' }, { "nodelay", 'B' }, { "delay", 'B' }, { "server", 'B' }, { "wait", 'B' }, { "ipv6", 'B' },
    { "ipv4", 'B' }, { "to", 'N' }, { "localport", 'S' }, { "localaddr", 'S' }, { "fd", 'S' }, { "port", 'S' },
    { "host", 'S' }, { "path", 'S' }, { "backend", 'S' }, { NULL }
};
static const Parameter drive_params[] = {
    { "copy-on-read", 'B', "copy read data from backing file into image file" },
    { "werror", 'S', "write error action" }, { "rerror", 'S', "read error action" },
    { "read-only", 'B', "open drive file as read-only" }, { "file", 'S', "file name" },
    { "if", 'S', "interface (ide, scsi, sd, mtd, floppy, pflash, virtio)" },
    { "media", 'S', "media type (disk, cdrom)" }, { "index", 'N', "index number" },
    { "unit", 'N', "unit number (i.e. lun for scsi)" }, { "bus", 'N', "bus number" },
    { "stats-account-failed", 'B', "whether to account for failed I/O operations in the statistics" },
    { "stats-account-invalid", 'B', "whether to account for invalid I/O operations in the statistics" },
    { "detect-zeroes", 'S', "try to optimize zero writes (off, on, unmap)" },
    { "throttling.group", 'S', "name of the block throttling group" },
    { "throttling.iops-size", 'N', "when limiting by iops max size of an I/O in bytes" },
    { "throttling.bps-write-max-length", 'N', "length of the bps-write-max burst period, in seconds" },
    { "throttling.bps-read-max-length", 'N', "length of the bps-read-max burst period, in seconds" },
    { "throttling.bps-total-max-length", 'N', "length of the bps-total-max burst period, in seconds" },
    { "throttling.iops-write-max-length", 'N', "length of the iops-write-max burst period, in seconds" },
    { "throttling.iops-read-max-length", 'N', "length of the iops-read-max burst period, in seconds" },
    { "throttling.iops-total-max-length", 'N', "length of the iops-total-max burst period, in seconds" },
    { "throttling.bps-write-max", 'N', "total bytes write burst" },
    { "throttling.bps-read-max", 'N', "total bytes read burst" },
    { "throttling.bps-total-max", 'N', "total bytes burst" },
    { "throttling.iops-write-max", 'N', "I/O operations write burst" },
    { "throttling.iops-read-max", 'N', "I/O operations read burst" },
    { "throttling.iops-total-max", 'N', "I/O operations burst" },
    { "throttling.bps-write", 'N', "limit write bytes per second" },
    { "throttling.bps-read", 'N', "limit read bytes per second" },
    { "throttling.bps-total", 'N', "limit total bytes per second" },
    { "throttling.iops-write", 'N', "limit write operations per second" },
    { "throttling.iops-read", 'N', "limit read operations per second" },
    { "throttling.iops-total", 'N', "limit total I/O operations per second" },
    { "werror", 'S', "write error action" }, { "format", 'S', "disk format (raw, qcow2, ...)" },
    { "cache.writeback", 'B', "Enable writeback mode" },
    { "aio", 'S', "host AIO implementation (threads, native, io_uring)" },
    { "snapshot", 'B', "enable/disable snapshot mode" },
    { "force-share", 'B', "always accept other writers (default: off)" },
    { "discard", 'S', "discard operation (ignore/off, unmap/on)" },
    { "auto-read-only", 'B', "Node can become read-only if opening read-write fails" },
    { "cache.no-flush", 'B', "Ignore flush requests" },
    { "cache.direct", 'B', "Bypass software writeback cache on the host" },
    { "driver", 'S', "Block driver to use for the node" }, { "node-name", 'S', "Node name of the block device node" },
    { NULL }
};
static const Parameter no_params[] = { { NULL } };

static const OptionGroup groups[] = {
    { "machine", machine_params }, { "sandbox", sandbox_params }, { "smbios", no_params },
    { "action", action_params }, { "fw_cfg", fw_cfg_params }, { "icount", icount_params }, { "numa", no_params },
    { "name", name_params }, { "msg", msg_params }, { "overcommit", overcommit_params }, { "object", no_params },
    { "add-fd", add_fd_params }, { "boot-opts", boot_opts_params }, { "smp-opts", smp_opts_params },
    { "memory", memory_params }, { "accel", no_params }, { "trace", trace_params }, { "mon", mon_params },
    { "global", global_params }, { "rtc", rtc_params }, { "device", no_params }, { "chardev", chardev_params },
    { "drive", drive_params },
};

static CommandLineParameterType type_of(char letter)
{
    return letter == 'B' ? COMMAND_LINE_PARAMETER_TYPE_BOOLEAN : letter == 'N' ? COMMAND_LINE_PARAMETER_TYPE_NUMBER
        : letter == 'Z' ? COMMAND_LINE_PARAMETER_TYPE_SIZE : COMMAND_LINE_PARAMETER_TYPE_STRING;
}

static CommandLineOptionInfo *group_info(const OptionGroup *g)
{
    CommandLineOptionInfo *info = CommandLineOptionInfo_new();

    info->option = g_strdup(g->name);
    info->parameters = CommandLineParameterInfoList_new();
    for (const Parameter *one = g->params; one->name; one++) {
        CommandLineParameterInfo *p = CommandLineParameterInfo_new();

        p->name = g_strdup(one->name);
        p->type = type_of(one->type);
        p->help = g_strdup(one->help);
        p->default_ = g_strdup(one->value);
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
        error_setg(errp, "invalid option name: %s", arg->option);
        return NULL;
    }
    return list;
}
