/*
 * HMP: trace events and the log.
 *
 * The log's items: util/log.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hmp-int.h"
#include "util/log.h"
#include "util/trace.h"

void hmp_print_log_items(Monitor *mon)
{
    g_autofree char *text = log_items_text();

    monitor_printf(mon, "Log items (comma separated):\n%-15s %s\n%s\nUse \"log trace:help\" to get a list of trace events.\n\n",
                   "none", "remove all logs", text);
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

void hmp_log(Monitor *mon, const QDict *args)
{
    const char *text = qdict_get_str(args, "items");

    if (strcmp(text, "none") && !log_set_items(text)) {
        hmp_print_log_items(mon);
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
