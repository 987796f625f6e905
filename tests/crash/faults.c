/*
 * Faults: the same operations as for power cuts, with the k-th request to the disk failing, once or from then on, or taking long, or
 * (-a) with the k-th large allocation of memory failing.
 *
 * No operation may hang or crash; what failed is told to the caller; afterwards the image opens, checks without
 * corruption, and holds what the model allows (a write that failed may have left old or new content).  A case after which more memory
 * is in use than before it, TRIES times in a row, leaks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "alloccount.h"
#include "cutjudge.h"
#include "util/cutils.h"

static struct {
    unsigned seed, steps, runs, most;
    int64_t only_request;              /* 0: all */
    const char *only_geometry, *only_scenario;
    bool verbose, memory;
} opt = { .seed = 1, .steps = 8, .runs = 1, .most = 12 };

#define TRIES 6                        /* pools grow now and then; a leak is there each time */

static uint64_t faults, delays, lacks, told, failures;

typedef enum FaultKind { FAULT_ERROR, FAULT_DELAY, FAULT_MEMORY } FaultKind;
typedef struct Fault { FaultKind kind; int64_t at; bool lasting; int error; } Fault;

static void arm(const Fault *f)
{
    cut_requests = cut_trips = alloc_seen = alloc_trips = 0;
    cut_fail_errno = f->error;
    cut_fail_lasting = cut_delay_lasting = f->lasting;
    *(f->kind == FAULT_MEMORY ? &alloc_fail_at : f->kind == FAULT_DELAY ? &cut_delay_at : &cut_fail_at) = f->at;
}

static void disarm(void) { cut_fail_at = cut_delay_at = alloc_fail_at = 0; }

/* What is wrong after a run (g_free it), or NULL.  f->at 0: no fault.  *seen: requests, or large allocations, while operations ran. */
static char *try(const CutGeometry *g, const CutScenario *s, unsigned seed, const char *folder, const Fault *f, int64_t *seen)
{
    CutRun r = { .geometry = g, .folder = folder, .rand = g_rand_new_with_seed(seed), .shape = s->shape, .doing = "start" };
    char *why = NULL;
    CutVerdict v;

    disarm();
    if (!cut_run_start(&r)) {
        why = g_strdup("no image");
    } else {
        arm(f);
        for (unsigned i = 0; i < opt.steps && !r.wrong; i++) {
            cut_scenario_step(&r, s);
            if (opt.verbose && f->at == opt.only_request && f->at) {
                printf("after %s: request %" PRId64 ", %u failed, %u sectors\n", r.doing, cut_requests, r.failures, cut_model_size(r.model));
            }
        }
        *seen = f->kind == FAULT_MEMORY ? alloc_seen : cut_requests;
        disarm();
        cut_run_finish(&r);
        why = r.wrong ? g_strdup_printf("%s: %s", r.doing, r.wrong) : cut_judge(&r, cut_now(), true, &v);
    }
    told += r.failures > 0;
    cut_run_end(&r);
    return why;
}

static int64_t run_one(const CutGeometry *g, const CutScenario *s, unsigned seed, const char *folder, Fault f)
{
    static const char *const verbs[] = { "fails", "is late", "finds no memory" };
    int64_t seen = 0, live, leaked = 1;
    char *why = NULL;

    for (int i = 0; i < TRIES && !why && leaked > 0; i++) {
        live = alloc_live;
        why = try(g, s, seed, folder, &f, &seen);
        leaked = alloc_live - live - (why != NULL);
    }
    if (!why && leaked > 0) {
        why = g_strdup_printf("%" PRId64 " blocks of memory are lost each time", leaked);
    }
    if (why) {
        failures++;
        printf("FAIL: %s %s seed %u, request %" PRId64 " of %" PRId64 " %s%s (%s): %s\n", g->name, s->name, seed, f.at, seen, verbs[f.kind],
               f.lasting ? " and all after it" : "", strerror(f.error), why);
        g_free(why);
    }
    *(f.kind == FAULT_ERROR ? &faults : f.kind == FAULT_DELAY ? &delays : &lacks) += f.at > 0;
    return seen;
}

/* Allocations of memory, each in turn. */
static void run_memory(const CutGeometry *g, const CutScenario *s, unsigned seed, const char *folder)
{
    int64_t n = run_one(g, s, seed, folder, (Fault){ FAULT_MEMORY, 0 }), stride = opt.most ? MAX(n / opt.most, 1) : 1;

    for (int64_t k = opt.only_request ? opt.only_request : 1 + seed % stride; k <= n; k += opt.only_request ? n : stride) {
        run_one(g, s, seed, folder, (Fault){ FAULT_MEMORY, k, false, ENOMEM });
    }
}

static void run_all(const CutGeometry *g, const CutScenario *s, unsigned seed, const char *folder)
{
    int64_t n = run_one(g, s, seed, folder, (Fault){ FAULT_ERROR, 0, false, EIO }), stride = opt.most ? MAX(n / opt.most, 1) : 1;

    for (int64_t k = 1 + seed % stride; k <= n; k += stride) {
        if (opt.only_request && k != opt.only_request) {
            continue;
        }
        run_one(g, s, seed, folder, (Fault){ FAULT_ERROR, k, k % 2, k % 3 ? EIO : ENOSPC });
        if (k % 4 == 0) {
            run_one(g, s, seed, folder, (Fault){ FAULT_DELAY, k, k % 8, 0 });
        }
    }
    if (opt.verbose) {
        printf("%s %s seed %u: %" PRId64 " requests\n", g->name, s->name, seed, n);
    }
}

int main(int argc, char **argv)
{
    g_autofree char *folder = g_dir_make_tmp("faults.XXXXXX", NULL);
    g_autofree char *rm = g_strdup_printf("rm -rf '%s'", folder);
    int c, null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    while ((c = getopt(argc, argv, "s:n:R:m:g:c:k:av")) != -1) {
        switch (c) {
        case 's': opt.seed = atoi(optarg); break;
        case 'n': opt.steps = atoi(optarg); break;
        case 'R': opt.runs = atoi(optarg); break;
        case 'm': opt.most = atoi(optarg); break;
        case 'g': opt.only_geometry = optarg; break;
        case 'c': opt.only_scenario = optarg; break;
        case 'k': opt.only_request = atoll(optarg); break;
        case 'a': opt.memory = true; break;
        case 'v': opt.verbose = true; break;
        default:
            fprintf(stderr, "usage: faults [-s seed] [-R runs] [-n steps] [-m faults a run] [-k that request only] [-a: memory] [-g geometry] [-c scenario] [-v]\n");
            return 2;
        }
    }
    cut_init(argv[0]);
    if (!opt.verbose) {
        dup2(null, STDERR_FILENO);
    }
    for (unsigned run = 0; run < opt.runs; run++) {
        for (const CutGeometry *g = cut_geometries; g->name; g++) {
            for (const CutScenario *s = cut_scenarios; s->name; s++) {
                if ((!opt.only_geometry || !strcmp(opt.only_geometry, g->name)) &&
                    (!opt.only_scenario || !strcmp(opt.only_scenario, s->name)) && cut_scenario_fits(s, g)) {
                    (opt.memory ? run_memory : run_all)(g, s, opt.seed + run, folder);
                }
            }
        }
    }
    printf("%" PRIu64 " faults injected, %" PRIu64 " allocations failed, %" PRIu64 " requests delayed, %" PRIu64 " times told to the caller, memory "
           "%s: %" PRIu64 " failures\n", faults, lacks, delays, told, alloc_watched ? "counted" : "not counted", failures);
    bdrv_close_all();
    return system(rm) != 0 || failures ? 1 : 0;
}
