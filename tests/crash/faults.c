/*
 * Faults: the same operations as for power cuts, with the k-th request to the disk failing, once or from then on, or taking long;
 * (-a) with the k-th allocation of memory that may fail failing; or (-f) on files, with the k-th system call failing or moving less than
 * asked.  With -p the k are chosen: the first request (allocation) that comes from a place in the code, by the calls that led to it.
 *
 * No operation may hang or crash; what failed is told to the caller, with its cause by number and in words; after a single failure the
 * node goes on; afterwards the image opens, checks without corruption, and holds what the model allows (a write that failed may have
 * left old or new content).  A case after which more memory is in use than before it, TRIES times in a row, leaks.
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
#include "places.h"
#include "shortio.h"
#include "util/cutils.h"

static struct {
    unsigned seed, steps, runs, most;
    int64_t only_request;              /* 0: all */
    const char *only_geometry, *only_scenario;
    const char *engine;                /* disks are files, written by it */
    bool verbose, memory, places;
} opt = { .seed = 1, .steps = 8, .runs = 1, .most = 12 };

#define AFTER 3                        /* operations of a run with one fault at a place: the one that meets it, and two more */
#define TRIES 6                        /* pools grow now and then; a leak is there each time */

typedef enum FaultKind { FAULT_ERROR, FAULT_DELAY, FAULT_MEMORY, FAULT_SHORT, FAULT_RING, FAULT_SIGNAL, FAULT_REFUSED, FAULT_CALL } FaultKind;
static const char *const verbs[] = { "fails", "is late", "finds no memory", "is short", "is refused by the ring", "meets a signal", "is not supported", "fails in the system" };

typedef struct Fault { FaultKind kind; int64_t at; bool lasting; int error; } Fault;       /* at 0: none */

static uint64_t injected[G_N_ELEMENTS(verbs)], told, failures;

static bool in_system(FaultKind kind) { return kind >= FAULT_SHORT; }
/* Nobody may notice. */
static bool harmless(FaultKind kind) { return kind == FAULT_DELAY || (in_system(kind) && kind != FAULT_CALL); }

static void arm(const Fault *f)
{
    static const IoFault io_faults[] = { [FAULT_SHORT] = IO_SHORT, [FAULT_RING] = IO_RING, [FAULT_SIGNAL] = IO_SIGNAL, [FAULT_REFUSED] = IO_REFUSE, [FAULT_CALL] = IO_FAIL };

    cut_requests = cut_trips = alloc_seen = alloc_trips = io_seen = io_trips = 0;
    cut_fail_errno = io_errno = f->kind == FAULT_MEMORY ? ENOMEM : f->error;
    cut_cause = harmless(f->kind) ? 0 : cut_fail_errno;
    cut_fail_lasting = cut_delay_lasting = io_lasting = f->lasting;
    io_lost = false;
    io_fault = in_system(f->kind) ? io_faults[f->kind] : IO_SHORT;
    *(f->kind == FAULT_MEMORY ? &alloc_fail_at : f->kind == FAULT_DELAY ? &cut_delay_at : f->kind == FAULT_ERROR ? &cut_fail_at : &io_at) = f->at;
}

static void disarm(void) { cut_fail_at = cut_delay_at = alloc_fail_at = io_at = cut_cause = 0; }

/* What a kind of fault counts. */
static int64_t counted(FaultKind kind)
{
    return kind == FAULT_MEMORY ? alloc_seen : in_system(kind) ? io_seen : cut_requests;
}

/* After one failure all works again, but for a node that lost sight of its roots, and flushes of a file of which one failed. */
static void judge_going_on(CutRun *r, const Fault *f)
{
    for (CutRun *m = r; m; m = m->next) {
        int ret = f->lasting || !m->blk ? 0 : cut_step_goes_on(m);

        if (ret < 0 && ret != -ENOMEDIUM && !(io_lost && ret == -f->error)) {
            cut_run_wrong(r, "the node does not go on: %s", strerror(-ret));
        }
    }
}

/* What is wrong after a run (g_free it), or NULL.  *seen: what the kind counts, while operations ran; *failed: how many failed. */
static char *try(const CutGeometry *g, const CutScenario *s, unsigned seed, const char *folder, const Fault *f, int64_t *seen, unsigned *failed)
{
    CutRun r = { .geometry = g, .folder = folder, .rand = g_rand_new_with_seed(seed), .shape = s->shape, .doing = "start" };
    char *why = NULL;
    CutVerdict v;

    disarm();
    cut_use_files(opt.engine ? folder : NULL, opt.engine);
    if (!cut_run_start(&r)) {
        why = g_strdup("no image");
    } else {
        arm(f);
        places_note(opt.places && !f->at);
        for (unsigned i = 0, left = opt.steps; i < left && !r.wrong; i++) {
            cut_scenario_step(&r, s);
            left = opt.places && f->at && cut_met() ? MIN(left, i + AFTER) : left;
            if (opt.verbose && f->at == opt.only_request && f->at) {
                printf("after %s: request %" PRId64 ", %u failed, %u sectors\n", r.doing, counted(f->kind), r.failures, cut_model_size(r.model));
            }
        }
        *seen = counted(f->kind);
        places_note(false);
        disarm();
        if (!r.wrong && f->at) {
            judge_going_on(&r, f);
        }
        cut_run_finish(&r);
        why = r.wrong ? g_strdup_printf("%s: %s", r.doing, r.wrong) : cut_judge(&r, cut_now(), true, &v);
    }
    told += r.failures > 0;
    *failed = r.failures;
    cut_run_end(&r);
    return why;
}

/* The fault, in a run of its own; what it does to nobody's knowledge (a delay, a short transfer) makes no more operations fail than `usual`. */
static int64_t run_one(const CutGeometry *g, const CutScenario *s, unsigned seed, const char *folder, Fault f, unsigned *usual)
{
    int64_t seen = 0, live, leaked = 1;
    unsigned failed = 0;
    char *why = NULL;

    for (int i = 0; i < TRIES && !why && leaked > 0; i++) {
        live = alloc_live;
        why = try(g, s, seed, folder, &f, &seen, &failed);
        leaked = alloc_live - live - (why != NULL);
    }
    if (!why && leaked > 0) {
        why = g_strdup_printf("%" PRId64 " blocks of memory are lost each time", leaked);
    }
    if (!why && f.at && harmless(f.kind) && failed != *usual) {
        why = g_strdup_printf("%u operations failed, not %u", failed, *usual);
    }
    if (!f.at) {
        *usual = failed;
    }
    if (why) {
        failures++;
        printf("FAIL: %s %s seed %u, request %" PRId64 " of %" PRId64 " %s%s (%s): %s\n", g->name, s->name, seed, f.at, seen, verbs[f.kind],
               f.lasting ? " and all after it" : "", strerror(f.error), why);
        fflush(stdout);
        g_free(why);
    }
    injected[f.kind] += f.at > 0;
    return seen;
}

/* One kind of fault at each place (opt.most 0), or at some; every: 1, or only at each so-many-th of these. */
static void run_kind(const CutGeometry *g, const CutScenario *s, unsigned seed, const char *folder, FaultKind kind, unsigned every)
{
    static const int errors[] = { EIO, EIO, ENOSPC };
    unsigned usual = 0, new_places = 0;
    int64_t n = run_one(g, s, seed, folder, (Fault){ kind, 0, false, EIO }, &usual), stride = opt.most && !opt.places ? MAX(n / opt.most, 1) : 1;

    for (int64_t k = 1 + seed % stride; k <= n; k += stride) {
        if (opt.only_request ? k != opt.only_request : opt.places ? !places_is_new(k, kind) || new_places++ % every : k % every && opt.most) {
            continue;
        }
        if (opt.most || kind == FAULT_MEMORY) {
            run_one(g, s, seed, folder, (Fault){ kind, k, kind != FAULT_MEMORY && k / every % 2, errors[k % 3] }, &usual);
            continue;
        }
        for (int way = 0; way < 4; way++) {            /* once and for good, one error and the other */
            if (way < 2 || kind == FAULT_ERROR || kind == FAULT_CALL) {
                run_one(g, s, seed, folder, (Fault){ kind, k, way % 2, way / 2 ? ENOSPC : EIO }, &usual);
            }
        }
    }
    if (opt.verbose) {
        printf("%s %s seed %u: %" PRId64 " that may be hit\n", g->name, s->name, seed, n);
    }
}

static void run_all(const CutGeometry *g, const CutScenario *s, unsigned seed, const char *folder)
{
    if (opt.engine && g->memory_only && !opt.only_geometry) {
        return;
    }
    if (opt.memory) {
        run_kind(g, s, seed, folder, FAULT_MEMORY, 1);
        return;
    }
    if (!opt.engine) {
        run_kind(g, s, seed, folder, FAULT_ERROR, 1);
        run_kind(g, s, seed, folder, FAULT_DELAY, 4);
        return;
    }
    run_kind(g, s, seed, folder, FAULT_SHORT, 1);
    if (!strcmp(opt.engine, "io_uring")) {
        run_kind(g, s, seed, folder, FAULT_RING, 1);
    }
    if (!strcmp(opt.engine, "threads")) {
        run_kind(g, s, seed, folder, FAULT_CALL, 1);
        run_kind(g, s, seed, folder, FAULT_SIGNAL, 2);
        run_kind(g, s, seed, folder, FAULT_REFUSED, 2);
    }
}

static void parse(int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "s:n:R:m:g:c:k:f:apv")) != -1) {
        switch (c) {
        case 's': opt.seed = atoi(optarg); break;
        case 'n': opt.steps = atoi(optarg); break;
        case 'R': opt.runs = atoi(optarg); break;
        case 'm': opt.most = atoi(optarg); break;
        case 'g': opt.only_geometry = optarg; break;
        case 'c': opt.only_scenario = optarg; break;
        case 'k': opt.only_request = atoll(optarg); break;
        case 'f': opt.engine = optarg; break;
        case 'a': opt.memory = true; break;
        case 'p': opt.places = alloc_small = true; break;
        case 'v': opt.verbose = true; break;
        default:
            fprintf(stderr, "usage: faults [-s seed] [-R runs] [-n steps] [-m faults a run, 0: all] [-p: one at each place in the code] [-k that request only] [-a: memory] "
                    "[-f engine: disks are files] [-g geometry] [-c scenario] [-v]\n");
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    g_autofree char *folder = g_dir_make_tmp("faults.XXXXXX", NULL);
    g_autofree char *rm = g_strdup_printf("rm -rf '%s'", folder);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    parse(argc, argv);
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
    printf("%" PRIu64 " requests and %" PRIu64 " system calls failed, %" PRIu64 " delayed, %" PRIu64 " short, broken off or not supported, %" PRIu64 " allocations failed, "
           "%" PRIu64 " times told to the caller, memory %s: %" PRIu64 " failures\n", injected[FAULT_ERROR], injected[FAULT_CALL],
           injected[FAULT_DELAY], injected[FAULT_SHORT] + injected[FAULT_RING] + injected[FAULT_SIGNAL] + injected[FAULT_REFUSED], injected[FAULT_MEMORY], told, alloc_watched ? "counted" : "not counted", failures);
    bdrv_close_all();
    return system(rm) != 0 || failures ? 1 : 0;
}
