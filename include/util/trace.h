/*
 * Trace events: named points in the code that print a line when their name was enabled.
 *
 * An event that is off costs one load and a branch.  Events are switched on before requests
 * run (main thread, at program start) and may fire in any thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_TRACE_H
#define UTIL_TRACE_H

#include <stdbool.h>
#include <glib.h>
#include "util/error.h"

typedef struct TraceEvent {
    const char *name;
    bool enabled;
    struct TraceEvent *next;
} TraceEvent;

void trace_register(TraceEvent *ev);
void trace_emit(const TraceEvent *ev, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* At file scope: an event that this file fires with TRACE(name, "x %d", x). */
#define TRACE_EVENT(ident)                                                              \
    static TraceEvent trace_event_##ident = { #ident, false, NULL };                    \
    __attribute__((constructor)) static void trace_register_##ident(void)               \
    {                                                                                   \
        trace_register(&trace_event_##ident);                                           \
    }
#define TRACE(ident, ...)                                                               \
    do {                                                                                \
        if (__builtin_expect(trace_event_##ident.enabled, 0)) {                         \
            trace_emit(&trace_event_##ident, __VA_ARGS__);                              \
        }                                                                               \
    } while (0)

/* All events by name; NULL starts and ends. */
TraceEvent *trace_next(TraceEvent *ev);
/* By name or pattern, behind '-' to switch off; an unknown name is warned about. */
void trace_enable(const char *pattern);
/* Where the lines go; NULL: stderr. */
bool trace_set_output(const char *filename, Error **errp);

/*
 * The argument of -T/--trace: "[[enable=]PATTERN][,events=FILE][,file=FILE]", or "help", which
 * prints the names and exits.  Unknown names are warned about, as the stock tools do.
 */
bool trace_configure(const char *text, Error **errp);

#endif
