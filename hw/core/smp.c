/*
 * Processor topology (-smp) and the models that -cpu names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "hw/machine.h"
#include "util/options.h"

static bool get_count(const QDict *opts, const char *key, unsigned *out, bool *given, Error **errp)
{
    const char *text = qdict_get_str(opts, key);
    g_autofree char *name = g_strconcat("smp.", key, NULL);
    uint64_t v;

    *given = text != NULL;
    if (!text) {
        return true;
    }
    if (!opt_parse_number(name, text, &v, NULL) || v > UINT32_MAX) {
        error_setg(errp, "Parameter '%s' expects integer", name);
        return false;
    }
    *out = v;
    return true;
}

static bool check_keys(const QDict *opts, Error **errp)
{
    static const char *const known[] = { "cpus", "maxcpus", "sockets", "dies", "clusters", "cores", "threads" };

    for (size_t i = 0; i < qdict_size(opts); i++) {
        bool ok = false;

        for (size_t k = 0; k < G_N_ELEMENTS(known); k++) {
            ok |= !strcmp(known[k], qdict_key_at(opts, i));
        }
        if (!ok) {
            error_setg(errp, "Parameter 'smp.%s' is unexpected", qdict_key_at(opts, i));
            return false;
        }
    }
    return true;
}

/* What was not given follows from what was; cores are preferred over sockets. */
static void complete(SmpConfig *s)
{
    s->dies = s->dies ? s->dies : 1;
    s->clusters = 1;
    if (!s->cpus && !s->maxcpus) {
        s->sockets = s->sockets ? s->sockets : 1;
        s->cores = s->cores ? s->cores : 1;
        s->threads = s->threads ? s->threads : 1;
    } else {
        s->maxcpus = s->maxcpus ? s->maxcpus : s->cpus;
        if (!s->cores) {
            s->sockets = s->sockets ? s->sockets : 1;
            s->threads = s->threads ? s->threads : 1;
            s->cores = s->maxcpus / ((uint64_t)s->sockets * s->dies * s->threads);
        } else if (!s->sockets) {
            s->threads = s->threads ? s->threads : 1;
            s->sockets = s->maxcpus / ((uint64_t)s->dies * s->cores * s->threads);
        }
        if (!s->threads) {
            s->threads = s->maxcpus / ((uint64_t)s->sockets * s->dies * s->cores);
        }
    }
    s->maxcpus = s->maxcpus ? s->maxcpus : s->sockets * s->dies * s->cores * s->threads;
    s->cpus = s->cpus ? s->cpus : s->maxcpus;
}

static bool check_topology(const Machine *m, const SmpConfig *s, Error **errp)
{
    g_autofree char *dies = machine_class(m)->has_dies ? g_strdup_printf("dies (%u) * ", s->dies) : g_strdup("");
    g_autofree char *text =
        g_strdup_printf("sockets (%u) * %scores (%u) * threads (%u)", s->sockets, dies, s->cores, s->threads);
    uint64_t product = (uint64_t)s->sockets * s->dies * s->cores * s->threads;

    if (product != s->maxcpus) {
        error_setg(errp, "Invalid CPU topology: product of the hierarchy must match maxcpus: %s != maxcpus (%u)",
                   text, s->maxcpus);
        return false;
    }
    if (s->maxcpus < s->cpus) {
        error_setg(errp, "Invalid CPU topology: maxcpus must be equal to or greater than smp: %s == maxcpus (%u) < smp_cpus (%u)",
                   text, s->maxcpus, s->cpus);
        return false;
    }
    if (s->cpus < 1 || s->maxcpus > (unsigned)machine_class(m)->max_cpus) {
        error_setg(errp, "Invalid SMP CPUs %u. The max CPUs supported by machine '%s' is %d",
                   s->maxcpus, machine_class(m)->name, machine_class(m)->max_cpus);
        return false;
    }
    return true;
}

bool machine_set_smp(Machine *m, const QDict *opts, Error **errp)
{
    SmpConfig s = { 0 };
    struct { const char *key; unsigned *slot; } table[] = {
        { "cpus", &s.cpus }, { "maxcpus", &s.maxcpus }, { "sockets", &s.sockets }, { "dies", &s.dies },
        { "clusters", &s.clusters }, { "cores", &s.cores }, { "threads", &s.threads },
    };

    if (!check_keys(opts, errp)) {
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        bool given;

        if (!get_count(opts, table[i].key, table[i].slot, &given, errp)) {
            return false;
        }
        if (given && !*table[i].slot) {
            warn_report("Deprecated CPU topology (considered invalid): CPU topology parameters must be greater than zero");
        }
    }
    if (s.dies > 1 && !machine_class(m)->has_dies) {
        error_setg(errp, "dies not supported by this machine's CPU topology");
        return false;
    }
    if (s.clusters > 1) {
        error_setg(errp, "clusters not supported by this machine's CPU topology");
        return false;
    }
    complete(&s);
    if (!check_topology(m, &s, errp)) {
        return false;
    }
    m->smp = s;
    return true;
}

CpuPlace cpu_place(const Machine *m, unsigned index)
{
    const SmpConfig *s = &m->smp;

    return (CpuPlace) {
        .thread = index % s->threads, .core = index / s->threads % s->cores,
        .die = index / (s->threads * s->cores) % s->dies, .socket = index / (s->threads * s->cores * s->dies),
    };
}

int cpu_thread_id(unsigned index) { return getpid(); }
