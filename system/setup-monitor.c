/*
 * -mon, -monitor, -qmp, -add-fd.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "chardev/char.h"
#include "machine/runstate.h"
#include "monitor/monitor.h"
#include "qapi/commands-machine.h"
#include "system/system.h"
#include "util/fdset.h"

void setup_mux_monitor(Chardev *chr)
{
    MonitorOptions options = { .chardev = chr_label(chr), .mode = MONITOR_MODE_READLINE };

    monitor_init(&options, &error_fatal);
}

void setup_add_fd(int fd, int64_t set, const char *opaque)
{
    int dup = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    int64_t id;

    if (dup < 0) {
        error_report("error duplicating fd: %s", strerror(errno));
        exit(1);
    }
    fdset_add(dup, true, set, opaque, &id, &error_fatal);
    close(fd);
}

/* -qmp DEV: a device "compat_monitorN" and a monitor on it. */
static void add_short(const OptEntry *e, int index)
{
    g_autofree char *label = g_strdup_printf("compat_monitor%d", index);
    const char *text = qdict_get_str(e->opts, "short"), *id;
    bool control = !strcmp(qdict_get_str(e->opts, "mode"), "control");
    MonitorOptions options = {
        .chardev = label, .mode = control ? MONITOR_MODE_CONTROL : MONITOR_MODE_READLINE,
        .has_pretty = control, .pretty = qdict_has(e->opts, "pretty"),
    };

    if (g_str_has_prefix(text, "chardev:")) {
        id = text + strlen("chardev:");
        options.chardev = id;
    } else {
        g_autoptr(QObject) chardev = chr_options_from_short(label, text, true);

        if (!chardev) {
            error_report("parse error: %s", text);
            exit(1);
        }
        chr_new_from_options(chardev, &error_fatal);
    }
    monitor_init(&options, &error_fatal);
}

static char *cpu_path(int64_t index)
{
    g_autoptr(CpuInfoFastList) cpus = qmp_query_cpus_fast(NULL);

    return index >= 0 && (size_t)index < cpus->len ? g_strdup(cpus->items[index]->qom_path) : NULL;
}

void setup_monitors(void)
{
    int index = 0;

    monitor_cpu_path = cpu_path;
    fdset_machine_runs = vm_running;
    for (guint i = 0; emu.mons && i < emu.mons->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.mons, i);

        error_set_location(e->loc);
        if (qdict_has(e->opts, "short")) {
            add_short(e, index++);
        } else {
            monitor_init_from_options(e->opts, &error_fatal);
        }
        error_set_location(NULL);
    }
}
