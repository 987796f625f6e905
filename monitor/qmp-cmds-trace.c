/*
 * QMP: trace events.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "qapi/commands-trace.h"
#include "util/trace.h"

static bool check(const char *name, bool has_vcpu, bool ignore, Error **errp)
{
    if (has_vcpu) {
        error_setg(errp, "invalid vCPU index");
        return false;
    }
    if (ignore || strpbrk(name, "*?")) {
        return true;
    }
    for (TraceEvent *ev = trace_next(NULL); ev; ev = trace_next(ev)) {
        if (!strcmp(ev->name, name)) {
            return true;
        }
    }
    error_setg(errp, "unknown event \"%s\"", name);
    return false;
}

TraceEventInfoList *qmp_trace_event_get_state(const TraceEventGetStateArgs *arg, Error **errp)
{
    TraceEventInfoList *list;

    if (!check(arg->name, arg->has_vcpu, false, errp)) {
        return NULL;
    }
    list = TraceEventInfoList_new();
    for (TraceEvent *ev = trace_next(NULL); ev; ev = trace_next(ev)) {
        if (g_pattern_match_simple(arg->name, ev->name)) {
            TraceEventInfo *info = TraceEventInfo_new();

            info->name = g_strdup(ev->name);
            info->state = ev->enabled ? TRACE_EVENT_STATE_ENABLED : TRACE_EVENT_STATE_DISABLED;
            TraceEventInfoList_append(list, info);
        }
    }
    return list;
}

void qmp_trace_event_set_state(const TraceEventSetStateArgs *arg, Error **errp)
{
    if (!check(arg->name, arg->has_vcpu, false, errp)) {
        return;
    }
    for (TraceEvent *ev = trace_next(NULL); ev; ev = trace_next(ev)) {
        if (g_pattern_match_simple(arg->name, ev->name)) {
            ev->enabled = arg->enable;
        }
    }
}
