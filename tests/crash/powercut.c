/*
 * All power cuts: runs operations on an image, rebuilds what the disks may hold after a cut at every
 * point, and judges each of these states.
 *
 *   run       operations with the recording disk (cutdisk.c), followed by a model (cutmodel.c)
 *   explore   for each length of the log: all of what is not flushed, none, each alone, each missing, all subsets when
 *             they are few, random ones else; multi-sector writes torn; writes under way landed early
 *   judge     opens, checks without corruption, content and snapshots are what the model allows; leaks are repairable
 *   sample    some states go to the stock qemu-img check
 *
 * Distinct states are those that differ in what is stable or in which writes landed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cutjudge.h"
#include "util/cutils.h"

#define FEW 5                          /* so many volatile writes are tried in all subsets */
#define LOOKAHEAD 48                   /* entries after the cut that may be under way */

static const CutGeometry geometries[] = {
    { "v3", "cluster_size=4k", .snapshots = true },
    { "v2", "compat=0.10,cluster_size=4k", .snapshots = true, .v2 = true },
    { "512", "cluster_size=512", .snapshots = true },
    { "64k", "cluster_size=64k", .snapshots = true },
    { "subclusters", "cluster_size=16k,extended_l2=on", .snapshots = true, .subclusters = true },
    { "refcount1", "cluster_size=4k,refcount_bits=1" },
    { "refcount64", "cluster_size=4k,refcount_bits=64", .snapshots = true },
    { "lazy", "cluster_size=4k,lazy_refcounts=on", .snapshots = true, .lazy = true },
    { "data-file", "cluster_size=4k", .data_file = true },
    { "backing", "cluster_size=4k", .backing = true, .snapshots = true },
    { "zstd", "cluster_size=4k,compression_type=zstd", .snapshots = true },
    { NULL }
};

static struct {
    unsigned seed, steps, randoms, runs;
    uint64_t limit;                    /* states a run */
    const char *only_geometry, *only_scenario, *keep;
    unsigned stock_every;
    bool verbose;
} opt = { .seed = 1, .steps = 12, .randoms = 4, .runs = 1, .limit = 400, .stock_every = 97 };

static struct {
    uint64_t states, repaired, with_leaks, stock, runs, failures;
} total;

typedef struct Explorer {
    CutRun *run;
    GArray *log;
    CutImage stable[CUT_DISKS], state[CUT_DISKS];
    guint applied[CUT_DISKS];          /* entries that are in stable */
    GHashTable *seen;
    uint64_t tried;
    guint at;                          /* the cut */
    char what[200];
} Explorer;

static const CutEntry *entry(const Explorer *x, guint i) { return &g_array_index(x->log, CutEntry, i); }

/* --- judging ------------------------------------------------------------------------------- */

static char *judge_stock(Explorer *x)
{
    g_autofree char *path = g_strdup_printf("%s/state", x->run->folder);
    g_autofree char *command = g_strdup_printf("qemu-img check -q -f qcow2 '%s' >/dev/null 2>&1", path);
    int status;

    if (x->run->geometry->lazy || x->run->geometry->data_file || x->run->geometry->backing || !cut_image_store(&x->state[0], path)) {
        return NULL;
    }
    status = system(command);
    total.stock++;
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 3)) {
        return g_strdup_printf("stock check: exit status %d", WEXITSTATUS(status));
    }
    return NULL;
}

/* What is wrong with the state, or NULL. */
static char *judge(Explorer *x)
{
    CutVerdict v;
    char *why;

    for (int d = 0; d < CUT_DISKS; d++) {
        cut_image_copy(&cut_disks[d], &x->state[d]);
    }
    why = cut_judge(x->run, x->at, x->tried % 7 == 0, &v);
    total.with_leaks += v.leaks;
    total.repaired += v.repaired;
    return why ? why : opt.stock_every && x->tried % opt.stock_every == 0 ? judge_stock(x) : NULL;
}

static void report(Explorer *x, const char *why)
{
    g_autofree char *path = g_strdup_printf("%s/%s-%" PRIu64, opt.keep ? opt.keep : x->run->folder, x->run->geometry->name, total.failures);

    total.failures++;
    if (total.failures > 20) {
        return;
    }
    printf("FAIL: cut at %u of %u (%s): %s\n", x->at, x->log->len, x->what, why);
    if (opt.keep && cut_image_store(&x->state[0], path)) {
        printf("      kept as %s\n", path);
    }
}

/* --- states ----------------------------------------------------------------------------------- */

/* Does entry i's writer wait for it, or is it over, in a cut at x->at? */
static bool begun(const Explorer *x, guint i) { return i < x->at || entry(x, i)->begin <= x->at; }

/* Entries of disk d from 0 on that flushes before the cut made stable. */
static guint stable_end(const Explorer *x, int d)
{
    guint end = 0;

    for (guint i = 0; i < x->at; i++) {
        const CutEntry *e = entry(x, i);

        if (e->kind == CUT_FLUSH && e->disk == d) {
            end = MAX(end, e->begin);
        }
    }
    return end;
}

static void advance_stable(Explorer *x, guint ends[CUT_DISKS])
{
    for (int d = 0; d < CUT_DISKS; d++) {
        ends[d] = stable_end(x, d);
        for (; x->applied[d] < ends[d]; x->applied[d]++) {
            if (entry(x, x->applied[d])->disk == d) {
                cut_apply(&x->stable[d], entry(x, x->applied[d]), NULL);
            }
        }
    }
}

/* The state in which those volatile entries landed whose byte in `landed` is set (2: torn). */
static void try_state(Explorer *x, const GArray *volatile_entries, const uint8_t *landed, const char *what)
{
    uint64_t hash = 14695981039346656037ULL;
    g_autofree char *why = NULL;

    if (x->tried >= opt.limit) {
        return;
    }
    for (int d = 0; d < CUT_DISKS; d++) {
        cut_image_copy(&x->state[d], &x->stable[d]);
        hash = (hash ^ x->applied[d]) * 1099511628211ULL;
    }
    for (guint i = 0; i < volatile_entries->len; i++) {
        guint id = g_array_index(volatile_entries, guint, i);
        const CutEntry *e = entry(x, id);
        uint8_t sectors[4096] = { 0 };
        bool torn = landed[i] == 2 && e->kind == CUT_WRITE && e->bytes > BDRV_SECTOR_SIZE && e->bytes <= 4096 * BDRV_SECTOR_SIZE;

        if (!landed[i]) {
            continue;
        }
        hash = (hash ^ (id + 1)) * 1099511628211ULL;
        for (int64_t s = 0; torn && s < e->bytes / BDRV_SECTOR_SIZE; s++) {
            sectors[s] = g_rand_boolean(x->run->rand);
            hash = (hash ^ sectors[s]) * 1099511628211ULL;
        }
        cut_apply(&x->state[e->disk], e, torn ? sectors : NULL);
    }
    if (!g_hash_table_add(x->seen, g_memdup2(&hash, sizeof(hash)))) {
        return;
    }
    g_snprintf(x->what, sizeof(x->what), "%s, %u writes not stable", what, volatile_entries->len);
    x->tried++;
    total.states++;
    why = judge(x);
    if (why) {
        report(x, why);
    }
}

static void try_cut(Explorer *x)
{
    g_autoptr(GArray) v = g_array_new(false, false, sizeof(guint));
    g_autofree uint8_t *landed = NULL;
    guint ends[CUT_DISKS], before = 0;

    advance_stable(x, ends);
    for (guint i = 0; i < MIN(x->log->len, x->at + LOOKAHEAD); i++) {
        if (entry(x, i)->kind != CUT_FLUSH && i >= ends[entry(x, i)->disk] && begun(x, i)) {
            g_array_append_val(v, i);
            before += i < x->at;
        }
    }
    landed = g_new0(uint8_t, v->len + 1);
    try_state(x, v, landed, "nothing landed");
    memset(landed, 1, before);
    try_state(x, v, landed, "all in order");
    for (guint mask = 1; v->len <= FEW && mask < (1u << v->len); mask++) {
        for (guint i = 0; i < v->len; i++) {
            landed[i] = mask >> i & 1;
        }
        try_state(x, v, landed, "subset");
    }
    for (guint i = 0; v->len > FEW && i < 6; i++) {
        guint one = g_rand_int_range(x->run->rand, 0, v->len);

        memset(landed, 0, v->len);
        landed[one] = 1;
        try_state(x, v, landed, "one alone");
        memset(landed, 1, v->len);
        landed[one] = 0;
        try_state(x, v, landed, "one missing");
    }
    for (unsigned n = 0; n < opt.randoms && v->len; n++) {
        for (guint i = 0; i < v->len; i++) {
            landed[i] = g_rand_int_range(x->run->rand, 0, 3);
        }
        try_state(x, v, landed, "random, torn");
    }
}

/* -v: what the disks were asked to do. */
static void print_log(const GArray *log)
{
    static const char *const names[] = { "write", "zero", "discard", "truncate", "flush" };

    for (guint i = 0; i < log->len; i++) {
        const CutEntry *e = &g_array_index(log, CutEntry, i);

        printf("%4u disk %d %-8s %#" PRIx64 " +%#" PRIx64 " (asked for at %u)\n", i, e->disk, names[e->kind], e->offset, e->bytes, e->begin);
    }
}

/* Cuts in random order, so that a limit on the states does not only see the start. */
static void explore(CutRun *r, GArray *log)
{
    Explorer x = { .run = r, .log = log, .seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL) };
    guint stride = 1;

    for (int d = 0; d < CUT_DISKS; d++) {
        cut_image_copy(&x.stable[d], &r->start[d]);
    }
    if (log->len * 8 > opt.limit) {
        stride = log->len * 8 / opt.limit;
    }
    for (x.at = g_rand_int_range(r->rand, 0, stride); x.at <= log->len; x.at += g_rand_int_range(r->rand, 1, 2 * stride)) {
        try_cut(&x);
    }
    for (int d = 0; d < CUT_DISKS; d++) {
        g_free(x.stable[d].data);
        g_free(x.state[d].data);
    }
    g_hash_table_destroy(x.seen);
}

/* --- runs ------------------------------------------------------------------------------------------ */

/* The image while it is open holds just what the model says. */
static void compare_live(CutRun *r)
{
    unsigned n = cut_model_size(r->model), bad;
    g_autofree uint32_t *stamps = g_new0(uint32_t, n);

    if (!cut_read_stamps(r->blk, n, stamps, &bad)) {
        total.failures++;
        printf("FAIL: live: sector %u cannot be read or is mixed\n", bad);
        return;
    }
    for (unsigned s = 0; s < n; s++) {
        if (stamps[s] != r->model->now[s] && !r->model->unsure[s] && r->model->now[s] != CUT_ANY) {
            total.failures++;
            printf("FAIL: live: sector %u holds %u, not %u\n", s, stamps[s], r->model->now[s]);
            return;
        }
    }
}

static void run_one(const CutGeometry *g, const CutScenario *s, unsigned seed, const char *folder)
{
    CutRun r = { .geometry = g, .folder = folder, .rand = g_rand_new_with_seed(seed) };
    uint64_t failures = total.failures, states = total.states;
    GArray *log;
    guint tick;

    if (!cut_run_start(&r)) {
        total.failures++;
        return;
    }
    for (unsigned i = 0; i < opt.steps; i++) {
        cut_scenario_step(&r, s);
    }
    compare_live(&r);
    tick = cut_model_tick(r.model);
    cut_run_close(&r);
    cut_model_flush(r.model, tick, cut_now());
    log = g_steal_pointer(&cut_log);
    if (opt.verbose) {
        print_log(log);
    }
    explore(&r, log);
    g_array_unref(log);
    total.runs++;
    if (opt.verbose || total.failures != failures) {
        printf("%s %s seed %u: %" PRIu64 " states, %" PRIu64 " failures\n", g->name, s->name, seed, total.states - states,
               total.failures - failures);
        fflush(stdout);
    }
    g_rand_free(r.rand);
    r.rand = NULL;
    cut_run_end(&r);
}

static void parse(int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "s:n:r:l:R:g:c:k:t:v")) != -1) {
        switch (c) {
        case 's': opt.seed = atoi(optarg); break;
        case 'n': opt.steps = atoi(optarg); break;
        case 'r': opt.randoms = atoi(optarg); break;
        case 'l': opt.limit = strtoull(optarg, NULL, 10); break;
        case 'R': opt.runs = atoi(optarg); break;
        case 'g': opt.only_geometry = optarg; break;
        case 'c': opt.only_scenario = optarg; break;
        case 'k': opt.keep = optarg; break;
        case 't': opt.stock_every = atoi(optarg); break;
        case 'v': opt.verbose = true; break;
        default:
            fprintf(stderr, "usage: powercut [-s seed] [-R runs] [-n steps] [-r random subsets] [-l states a run] [-g geometry] "
                    "[-c scenario] [-k folder for failing states] [-t every n-th state to stock, 0: none] [-v]\n");
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    g_autofree char *folder = g_dir_make_tmp("powercut.XXXXXX", NULL);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    parse(argc, argv);
    error_init(argv[0]);
    aio_init_main();
    bdrv_init();
    cut_register();
    if (system("qemu-img --version >/dev/null 2>&1") != 0) {
        opt.stock_every = 0;
    }
    if (!opt.verbose) {
        dup2(null, STDERR_FILENO);     /* what check finds is counted, not read */
    }
    for (unsigned run = 0; run < opt.runs; run++) {
        for (const CutGeometry *g = geometries; g->name; g++) {
            for (const CutScenario *s = cut_scenarios; s->name; s++) {
                if ((!opt.only_geometry || !strcmp(opt.only_geometry, g->name)) &&
                    (!opt.only_scenario || !strcmp(opt.only_scenario, s->name))) {
                    run_one(g, s, opt.seed + run, folder);
                }
            }
        }
    }
    printf("%" PRIu64 " states after power cuts in %" PRIu64 " runs (%" PRIu64 " with leaks, %" PRIu64 " of them repaired; %" PRIu64
           " checked by stock): %" PRIu64 " failures\n", total.states, total.runs, total.with_leaks, total.repaired, total.stock, total.failures);
    bdrv_close_all();
    g_autofree char *rm = g_strdup_printf("rm -rf '%s'", folder);
    return system(rm) != 0 || total.failures ? 1 : 0;
}
