/*
 * Faults: the same operations as for power cuts, with the k-th request to the disk failing, once or from then on.
 *
 * No operation may hang or crash; what failed is told to the caller; afterwards the image opens, checks without
 * corruption, and holds what the model allows (a write that failed may have left old or new content).
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
#include "cutjudge.h"
#include "util/cutils.h"

static struct {
    unsigned seed, steps, runs, most;
    int64_t only_request;              /* 0: all */
    const char *only_geometry, *only_scenario;
    bool verbose;
} opt = { .seed = 1, .steps = 8, .runs = 1, .most = 12 };

static uint64_t faults, delays, told, failures;

typedef struct Fault { int64_t at; bool lasting; int error; bool delay; } Fault;

/* One run; f->at 0: no fault.  Requests seen while operations ran. */
static int64_t run_one(const CutGeometry *g, const CutScenario *s, unsigned seed, const char *folder, const Fault *f)
{
    CutRun r = { .geometry = g, .folder = folder, .rand = g_rand_new_with_seed(seed), .shape = s->shape };
    g_autofree char *why = NULL;
    int64_t seen = 0;
    CutVerdict v;

    cut_fail_at = cut_requests = cut_trips = cut_delay_at = 0;
    if (!cut_run_start(&r)) {
        why = g_strdup("no image");
    } else {
        cut_requests = cut_trips = 0;
        cut_fail_errno = f->error;
        cut_fail_lasting = cut_delay_lasting = f->lasting;
        *(f->delay ? &cut_delay_at : &cut_fail_at) = f->at;
        for (unsigned i = 0; i < opt.steps && !r.wrong; i++) {
            cut_scenario_step(&r, s);
            if (opt.verbose && f->at == opt.only_request && f->at) {
                printf("after %s: request %" PRId64 ", %u failed, %u sectors\n", r.doing, cut_requests, r.failures, cut_model_size(r.model));
            }
        }
        seen = cut_requests;
        cut_fail_at = cut_delay_at = 0;
        cut_run_finish(&r);
        why = r.wrong ? g_strdup(r.wrong) : cut_judge(&r, cut_now(), true, &v);
    }
    if (why) {
        failures++;
        printf("FAIL: %s %s seed %u, request %" PRId64 " of %" PRId64 " %s%s (%s): %s: %s\n", g->name, s->name, seed, f->at, seen,
               f->delay ? "is late" : "fails", f->lasting ? " and all after it" : "", strerror(f->error), r.doing, why);
    }
    faults += f->at > 0 && !f->delay;
    delays += f->at > 0 && f->delay;
    told += r.failures > 0;
    cut_run_end(&r);
    return seen;
}

static void run_all(const CutGeometry *g, const CutScenario *s, unsigned seed, const char *folder)
{
    int64_t n = run_one(g, s, seed, folder, &(Fault){ 0, false, EIO, false }), stride = opt.most ? MAX(n / opt.most, 1) : 1;

    for (int64_t k = 1 + seed % stride; k <= n; k += stride) {
        if (opt.only_request && k != opt.only_request) {
            continue;
        }
        run_one(g, s, seed, folder, &(Fault){ k, k % 2, k % 3 ? EIO : ENOSPC, false });
        if (k % 4 == 0) {
            run_one(g, s, seed, folder, &(Fault){ k, k % 8, 0, true });
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

    while ((c = getopt(argc, argv, "s:n:R:m:g:c:k:v")) != -1) {
        switch (c) {
        case 's': opt.seed = atoi(optarg); break;
        case 'n': opt.steps = atoi(optarg); break;
        case 'R': opt.runs = atoi(optarg); break;
        case 'm': opt.most = atoi(optarg); break;
        case 'g': opt.only_geometry = optarg; break;
        case 'c': opt.only_scenario = optarg; break;
        case 'k': opt.only_request = atoll(optarg); break;
        case 'v': opt.verbose = true; break;
        default:
            fprintf(stderr, "usage: faults [-s seed] [-R runs] [-n steps] [-m faults a run] [-k that request only] [-g geometry] [-c scenario] [-v]\n");
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
                    run_all(g, s, opt.seed + run, folder);
                }
            }
        }
    }
    printf("%" PRIu64 " faults injected, %" PRIu64 " told to the caller, %" PRIu64 " requests delayed: %" PRIu64 " failures\n", faults, told,
           delays, failures);
    bdrv_close_all();
    return system(rm) != 0 || failures ? 1 : 0;
}
