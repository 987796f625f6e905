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

static const CutGeometry geometries[] = {
    { "v3", "cluster_size=4k", .snapshots = true },
    { "v2", "compat=0.10,cluster_size=4k", .snapshots = true, .v2 = true },
    { "subclusters", "cluster_size=16k,extended_l2=on", .snapshots = true, .subclusters = true },
    { "lazy", "cluster_size=4k,lazy_refcounts=on", .snapshots = true, .lazy = true },
    { "data-file", "cluster_size=4k", .data_file = true },
    { "backing", "cluster_size=4k", .backing = true, .snapshots = true },
    { NULL }
};

static struct {
    unsigned seed, steps, runs, most;
    const char *only_geometry, *only_scenario;
    bool verbose;
} opt = { .seed = 1, .steps = 8, .runs = 1, .most = 12 };

static uint64_t faults, told, failures;

/* One run; fail_at 0: none.  Requests seen while operations ran. */
static int64_t run_one(const CutGeometry *g, const CutScenario *s, unsigned seed, const char *folder, int64_t fail_at, bool lasting,
                       int error)
{
    CutRun r = { .geometry = g, .folder = folder, .rand = g_rand_new_with_seed(seed) };
    g_autofree char *why = NULL;
    int64_t seen;
    CutVerdict v;
    guint tick;

    if (!cut_run_start(&r)) {
        failures++;
        return 0;
    }
    cut_requests = cut_trips = 0;
    cut_fail_errno = error;
    cut_fail_lasting = lasting;
    cut_fail_at = fail_at;
    for (unsigned i = 0; i < opt.steps; i++) {
        cut_scenario_step(&r, s);
    }
    seen = cut_requests;
    cut_fail_at = 0;
    tick = cut_model_tick(r.model);
    if (blk_flush(r.blk) == 0) {
        cut_model_flush(r.model, tick, cut_now());
    }
    cut_run_close(&r);
    why = cut_judge(&r, cut_now(), true, &v);
    if (why) {
        failures++;
        printf("FAIL: %s %s seed %u, request %" PRId64 " of %" PRId64 " fails%s (%s): %s\n", g->name, s->name, seed, fail_at, seen,
               lasting ? " and all after it" : "", strerror(error), why);
    }
    faults += fail_at > 0;
    told += r.failures > 0;
    g_rand_free(r.rand);
    cut_run_end(&r);
    return seen;
}

static void run_all(const CutGeometry *g, const CutScenario *s, unsigned seed, const char *folder)
{
    int64_t n = run_one(g, s, seed, folder, 0, false, 0), stride = MAX(n / opt.most, 1);

    for (int64_t k = 1 + seed % stride; k <= n; k += stride) {
        run_one(g, s, seed, folder, k, k % 2, k % 3 ? EIO : ENOSPC);
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

    while ((c = getopt(argc, argv, "s:n:R:m:g:c:v")) != -1) {
        switch (c) {
        case 's': opt.seed = atoi(optarg); break;
        case 'n': opt.steps = atoi(optarg); break;
        case 'R': opt.runs = atoi(optarg); break;
        case 'm': opt.most = atoi(optarg); break;
        case 'g': opt.only_geometry = optarg; break;
        case 'c': opt.only_scenario = optarg; break;
        case 'v': opt.verbose = true; break;
        default:
            fprintf(stderr, "usage: faults [-s seed] [-R runs] [-n steps] [-m faults a run] [-g geometry] [-c scenario] [-v]\n");
            return 2;
        }
    }
    error_init(argv[0]);
    aio_init_main();
    bdrv_init();
    cut_register();
    if (!opt.verbose) {
        dup2(null, STDERR_FILENO);
    }
    for (unsigned run = 0; run < opt.runs; run++) {
        for (const CutGeometry *g = geometries; g->name; g++) {
            for (const CutScenario *s = cut_scenarios; s->name; s++) {
                if ((!opt.only_geometry || !strcmp(opt.only_geometry, g->name)) &&
                    (!opt.only_scenario || !strcmp(opt.only_scenario, s->name))) {
                    run_all(g, s, opt.seed + run, folder);
                }
            }
        }
    }
    printf("%" PRIu64 " faults injected, %" PRIu64 " told to the caller: %" PRIu64 " failures\n", faults, told, failures);
    bdrv_close_all();
    return system(rm) != 0 || failures ? 1 : 0;
}
