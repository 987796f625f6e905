/*
 * HMP: trace events and the log.
 *
 * The log's items are those of a processor emulator; we know their names (scripts set them), and what
 * stands behind "trace:" switches trace events.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hmp-int.h"
#include "util/trace.h"

static const struct { const char *name, *help; } log_items[] = {
    { "out_asm", "show generated host assembly code for each compiled TB" },
    { "in_asm", "show target assembly code for each compiled TB" },
    { "op", "show micro ops for each compiled TB" },
    { "op_opt", "show micro ops after optimization" },
    { "op_ind", "show micro ops before indirect lowering" },
    { "int", "show interrupts/exceptions in short format" },
    { "exec", "show trace before each executed TB (lots of logs)" },
    { "cpu", "show CPU registers before entering a TB (lots of logs)" },
    { "fpu", "include FPU registers in the 'cpu' logging" },
    { "mmu", "log MMU-related activities" },
    { "pcall", "x86 only: show protected mode far calls/returns/exceptions" },
    { "cpu_reset", "show CPU state before CPU resets" },
    { "unimp", "log unimplemented functionality" },
    { "guest_errors", "log when the guest OS does something invalid (eg accessing a\nnon-existent register)" },
    { "page", "dump pages at beginning of user mode emulation" },
    { "nochain", "do not chain compiled TBs so that \"exec\" and \"cpu\" show\ncomplete traces" },
    { "plugin", "output from TCG plugins\n" },
    { "strace", "log every user-mode syscall, its input, and its result" },
    { "tid", "open a separate log file per thread; filename must contain '%d'" },
};

void hmp_print_log_items(Monitor *mon)
{
    monitor_printf(mon, "Log items (comma separated):\n%-15s %s\n", "none", "remove all logs");
    for (size_t i = 0; i < G_N_ELEMENTS(log_items); i++) {
        monitor_printf(mon, "%-15s %s\n", log_items[i].name, log_items[i].help);
    }
    monitor_printf(mon, "trace:PATTERN   enable trace events\n\n"
                   "Use \"log trace:help\" to get a list of trace events.\n\n");
}

static bool match_events(const char *pattern, bool on)
{
    bool found = false;

    for (TraceEvent *ev = trace_next(NULL); ev; ev = trace_next(ev)) {
        if (g_pattern_match_simple(pattern, ev->name)) {
            ev->enabled = on;
            found = true;
        }
    }
    return found;
}

static bool known_item(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(log_items); i++) {
        if (!strcmp(log_items[i].name, name)) {
            return true;
        }
    }
    return !strcmp(name, "all") || !*name;
}

void hmp_log(Monitor *mon, const QDict *args)
{
    const char *text = qdict_get_str(args, "items");
    g_auto(GStrv) items = g_strsplit(text, ",", -1);

    if (!strcmp(text, "none")) {
        return;
    }
    for (char **item = items; *item; item++) {
        if (g_str_has_prefix(*item, "trace:")) {
            match_events(*item + strlen("trace:"), true);
        } else if (!known_item(*item)) {
            hmp_print_log_items(mon);
            return;
        }
    }
}

void hmp_logfile(Monitor *mon, const QDict *args)
{
    Error *err = NULL;

    trace_set_output(qdict_get_str(args, "filename"), &err);
    hmp_error(mon, err);
}

/* No event belongs to a processor. */
static bool check_vcpu(Monitor *mon, const QDict *args)
{
    if (qdict_has(args, "vcpu")) {
        monitor_printf(mon, "invalid vCPU index %" PRId64 "\n", qdict_get_int(args, "vcpu", 0));
        return false;
    }
    return true;
}

void hmp_trace_event(Monitor *mon, const QDict *args)
{
    const char *name = qdict_get_str(args, "name");

    if (check_vcpu(mon, args) && !match_events(name, qdict_get_bool(args, "option", false)) &&
        !strpbrk(name, "*?")) {
        monitor_printf(mon, "unknown event \"%s\"\n", name);
    }
}

void hmp_info_trace_events(Monitor *mon, const QDict *args)
{
    const char *name = qdict_get_str(args, "name");
    bool found = false;

    if (!check_vcpu(mon, args)) {
        return;
    }
    for (TraceEvent *ev = trace_next(NULL); ev; ev = trace_next(ev)) {
        if (g_pattern_match_simple(name ? name : "*", ev->name)) {
            monitor_printf(mon, "%s : state %d\n", ev->name, ev->enabled);
            found = true;
        }
    }
    if (!found && name && !strpbrk(name, "*?")) {
        monitor_printf(mon, "unknown event \"%s\"\n", name);
    }
}

void hmp_complete_trace_name(Readline *rl, int n, char **args)
{
    for (TraceEvent *ev = trace_next(NULL); n == 2 && ev; ev = trace_next(ev)) {
        readline_add_completion_of(rl, args[1], ev->name);
    }
}

void hmp_complete_trace_event(Readline *rl, int n, char **args)
{
    hmp_complete_trace_name(rl, n, args);
    hmp_complete_on_off_second(rl, n, args);
}
