/*
 * Trace events: the list of them, patterns that switch them on, and where their lines go.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "util/options.h"
#include "util/trace.h"

static TraceEvent *events;      /* sorted by name */
static FILE *output;            /* NULL: stderr */

void trace_register(TraceEvent *ev)
{
    TraceEvent **at = &events;

    while (*at && strcmp((*at)->name, ev->name) < 0) {
        at = &(*at)->next;
    }
    ev->next = *at;
    *at = ev;
}

void trace_emit(const TraceEvent *ev, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    fprintf(output ? output : stderr, "%s %s\n", ev->name, text);
}

TraceEvent *trace_next(TraceEvent *ev) { return ev ? ev->next : events; }

bool trace_set_output(const char *filename, Error **errp)
{
    FILE *f = filename ? fopen(filename, "w") : NULL;

    if (filename && !f) {
        error_setg_errno(errp, errno, "Error opening logfile %s", filename);
        return false;
    }
    if (f) {
        setlinebuf(f);
    }
    if (output) {
        fclose(output);
    }
    output = f;
    return true;
}

/* "name", "pat*", or either behind '-' to switch off. */
void trace_enable(const char *pattern)
{
    bool on = *pattern != '-', found = false;

    pattern += !on;
    for (TraceEvent *ev = events; ev; ev = ev->next) {
        if (g_pattern_match_simple(pattern, ev->name)) {
            ev->enabled = on;
            found = true;
        }
    }
    if (!found && !strpbrk(pattern, "*?")) {
        warn_report("trace event '%s' does not exist", pattern);
    }
}

static bool apply_file(const char *filename)
{
    g_autofree char *place = g_strdup_printf(":%s", filename);
    FILE *f = fopen(filename, "r");
    char line[1024];

    if (!f) {
        error_set_location(place);
        error_report("%s", strerror(errno));
        error_set_location(NULL);
        return false;
    }
    for (int n = 1; fgets(line, sizeof(line), f); n++) {
        g_autofree char *line_place = g_strdup_printf("%s:%d", place, n);

        error_set_location(line_place);
        g_strchomp(line);
        if (*line && *line != '#') {
            trace_enable(line);
        }
        error_set_location(NULL);
    }
    fclose(f);
    return true;
}

static void print_names(void)
{
    for (const TraceEvent *ev = events; ev; ev = ev->next) {
        puts(ev->name);
    }
}

bool trace_configure(const char *text, Error **errp)
{
    static const OptDesc descs[] = {
        { "enable", OPT_STRING }, { "events", OPT_STRING }, { "file", OPT_STRING }, { NULL }
    };
    g_autoptr(QObject) list = NULL;
    g_autoptr(QObject) opts = NULL;
    const char *name;

    if (strcmp(text, "help") == 0 || strcmp(text, "?") == 0) {
        print_names();
        exit(EXIT_SUCCESS);
    }
    list = opts_parse_cmdline(text, "enable", NULL, errp);
    opts = list ? opts_check_all(list, descs, errp) : NULL;
    if (!opts) {
        return false;
    }
    name = opt_get_str(opts, "enable");
    if (name) {
        trace_enable(name);
    }
    name = opt_get_str(opts, "events");
    if (name && !apply_file(name)) {
        exit(EXIT_FAILURE);
    }
    name = opt_get_str(opts, "file");
    return !name || trace_set_output(name, errp);
}
