/*
 * QMP and command line: nodes of memory and processors.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/core/numa.h"
#include "machine/runstate.h"
#include "qapi/commands-machine.h"
#include "util/cutils.h"

bool (*numa_before_machine)(void);

void qmp_set_numa_node(const NumaOptions *arg, Error **errp)
{
    if (!numa_before_machine || !numa_before_machine()) {
        error_setg(errp, "The command is permitted only before the machine has been created");
        return;
    }
    numa_set(machine_current(), arg, errp);
}

static void describe_node(GString *s, const Machine *m, int id)
{
    g_string_append_printf(s, "node %d cpus:", id);
    for (unsigned i = 0; i < m->smp.cpus; i++) {
        if (numa_node_of_cpu(m, i) == id) {
            g_string_append_printf(s, " %u", i);
        }
    }
    g_string_append_printf(s, "\nnode %d size: %" PRIu64 " MB\nnode %d plugged: 0 MB\n", id,
                           (uint64_t)(m->numa->nodes[id].size / MiB), id);
}

HumanReadableText *qmp_x_query_numa(Error **errp)
{
    const Machine *m = machine_current();
    HumanReadableText *t = HumanReadableText_new();
    GString *s = g_string_new(NULL);
    int count = m->numa ? m->numa->count : 0;

    g_string_append_printf(s, "%d nodes\n", count);
    for (int i = 0; i < count; i++) {
        describe_node(s, m, i);
    }
    t->human_readable_text = g_string_free(s, FALSE);
    return t;
}

/* --- -numa ------------------------------------------------------------------------------------------------- */

/* "N" or "N-M" */
static bool add_cpus(QList *cpus, const char *range, Error **errp)
{
    g_auto(GStrv) ends = g_strsplit(range, "-", 2);
    uint64_t first, last;

    if (!ends[0] || parse_u64(ends[0], 0, &first) < 0 || parse_u64(ends[1] ? ends[1] : ends[0], 0, &last) < 0
        || last < first
        || last - first > UINT16_MAX) {
        error_setg(errp, "Parameter 'cpus' expects a uint64 value or range");
        return false;
    }
    for (uint64_t i = first; i <= last; i++) {
        qlist_append(cpus, quint_new(i));
    }
    return true;
}

/* The rest is read by the schema; `cpus`, which may come several times and as ranges, is taken out before. */
static QDict *parse(const char *text, Error **errp)
{
    ERRP_GUARD();
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    g_autoptr(GString) rest = g_string_new(NULL);
    g_autoptr(QObject) cpus = qlist_new();
    QDict *opts;

    if (words[0] && !strcmp(words[0], "help")) {
        error_setg(errp, "Parameter 'type' does not accept value 'help'");
        return NULL;
    }
    for (char **w = words; *w; w++) {
        if (g_str_has_prefix(*w, "cpus=")) {
            if (!add_cpus(cpus, *w + 5, errp)) {
                return NULL;
            }
        } else if (**w) {
            g_string_append_printf(rest, "%s%s", rest->len ? "," : "", *w);
        }
    }
    opts = qapi_parse_arg(&qapi_type_NumaOptions, rest->str, "type", errp);
    if (!opts) {
        const char *message = error_get_pretty(*errp), *end = strstr(message, "' is unexpected");

        if (end && g_str_has_prefix(message, "Parameter '")) {
            g_autofree char *name = g_strndup(message + 11, end - message - 11);

            error_free(*errp);
            *errp = NULL;
            error_setg(errp, "Invalid parameter '%s'", name);
        }
        return NULL;
    }
    if (qlist_size(cpus)) {
        qdict_put(opts, "cpus", qobject_ref(cpus));
    }
    return opts;
}

bool numa_set_text(Machine *m, const char *text, Error **errp)
{
    g_autoptr(QObject) opts = *text == '{' ? json_parse(text, errp) : parse(text, errp);
    g_autoptr(NumaOptions) o = opts ? NumaOptions_from_qobject(opts, errp) : NULL;

    return o && numa_set(m, o, errp);
}
