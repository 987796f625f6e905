/*
 * All power cuts: runs operations on an image, rebuilds what the disks may hold after a cut at every
 * point, and judges each of these states.
 *
 *   run       operations with the recording disk (cutdisk.c), followed by a model (cutmodel.c)
 *   explore   for each length of the log, all of it; for some lengths also: none of what is not flushed, each alone, each missing,
 *             all subsets when they are few, random ones else; multi-sector writes, zeroes and discards torn; writes under way landed early
 *   judge     opens, checks without corruption, content and snapshots are what the model allows; leaks are repairable
 *   sample    some states go to the stock qemu-img check
 *
 * A state is judged again when it could be left by a later cut too, since more has to be there then.  Distinct states are those whose
 * disks differ in content.
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
#define SUBSETS_OF_A_CUT 12            /* about so many states */
#define LOOKAHEAD 48                   /* entries after the cut that may be under way */

static struct {
    unsigned seed, steps, randoms, runs;
    uint64_t limit;                    /* states a run, but for the prefixes, which are all tried */
    uint64_t wanted;                   /* stop when so many distinct ones were tried; 0: never */
    const char *only_geometry, *only_scenario, *keep;
    unsigned stock_every;
    bool verbose;
} opt = { .seed = 1, .steps = 12, .randoms = 4, .runs = 1, .limit = 400, .stock_every = 97 };

static struct {
    uint64_t states, distinct, repaired, with_leaks, stock, runs, failures, entries;
} total;

static GHashTable *contents;           /* hashes of all states so far */

typedef struct Explorer {
    CutRun *run;
    GArray *log;
    CutImage stable[CUT_DISKS], state[CUT_DISKS];      /* state: a copy of what is judged, where it is wanted */
    bool touched[CUT_DISKS];           /* the log has entries for it */
    guint applied[CUT_DISKS];          /* entries that are in stable */
    GHashTable *seen;
    uint64_t tried;
    guint at;                          /* the cut */
    char what[200];
} Explorer;

static const CutEntry *entry(const Explorer *x, guint i) { return &g_array_index(x->log, CutEntry, i); }

/* --- judging ------------------------------------------------------------------------------- */

/* Exit status of the stock check of a file that needs that secret (-1: none); mend: of what it makes of it. */
static int run_stock(const char *path, const char *data_file, int key, bool mend)
{
    g_autofree char *object = key < 0 ? g_strdup("") : g_strdup_printf("--object secret,id=%s,data='%s'", cut_secret(key), cut_secret_data(key));
    g_autofree char *crypt = key < 0 ? g_strdup("") : g_strdup_printf(",\"encrypt\":{\"format\":\"luks\",\"key-secret\":\"%s\"}", cut_secret(key));
    g_autofree char *data = !data_file ? g_strdup("") : g_strdup_printf(",\"data-file\":{\"driver\":\"file\",\"filename\":\"%s\"}", data_file);
    g_autofree char *image = g_strdup_printf("json:{\"driver\":\"qcow2\",\"backing\":null,\"file\":{\"driver\":\"file\",\"filename\":\"%s\"}%s%s}",
                                             path, data, crypt);
    g_autofree char *check = g_strdup_printf("qemu-img check -q %s '%s' >/dev/null 2>&1", object, image);
    g_autofree char *all = mend ? g_strdup_printf("qemu-img check -r all %s; %s", check + strlen("qemu-img check "), check) : g_strdup(check);
    int status = system(all);

    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The stock check of one disk's image.  What lies below is not opened; images that were not closed are repaired first. */
static char *judge_stock_image(const Explorer *x, const CutRun *r, int disk)
{
    g_autofree char *path = g_strdup_printf("%s/state", r->folder), *data = g_strdup_printf("%s/state-data", r->folder);
    bool own = disk == r->disk, luks = own && r->geometry->luks, has_data = own && r->geometry->data_file;
    bool mend = own && (r->geometry->lazy || (x->at < r->mended && !r->only_leaks));
    int status;

    if (!cut_image_store(&x->state[disk], path) || (has_data && !cut_image_store(&x->state[CUT_DISK_DATA], data))) {
        return NULL;
    }
    status = run_stock(path, has_data ? data : NULL, luks ? 0 : -1, mend);
    if (status == 1 && luks) {
        status = run_stock(path, NULL, 1, mend);       /* the first secret may be out */
    }
    total.stock++;
    return status == 0 || status == 3 ? NULL : g_strdup_printf("stock check of disk %d: exit status %d", disk, status);
}

static char *judge_stock(const Explorer *x)
{
    char *why = NULL;

    for (const CutRun *r = x->run; r && !why; r = r->next) {
        why = judge_stock_image(x, r, r->disk);
    }
    for (int i = 0; i < 2 && x->run->below[i] && !why; i++) {
        why = judge_stock_image(x, x->run, CUT_DISK_BELOW + i);
    }
    return why;
}

/* What is wrong with the state on the disks, or NULL.  Looking changes it: what is wanted afterwards is kept first. */
static char *judge(Explorer *x)
{
    bool stock = opt.stock_every && x->tried % opt.stock_every == 0;
    CutVerdict v;
    char *why;

    for (int d = 0; d < CUT_DISKS && (stock || opt.keep); d++) {
        cut_image_copy(&x->state[d], &cut_disks[d]);
    }
    why = cut_judge(x->run, x->at, x->tried % 7 == 0, &v);
    total.with_leaks += v.leaks;
    total.repaired += v.repaired;
    return why || !stock ? why : judge_stock(x);
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

/* Is the content of all disks a new one? */
static bool is_new(const Explorer *x)
{
    uint64_t lanes[4] = { 1, 2, 3, 4 }, hash = 0;

    for (int d = 0; d < CUT_DISKS; d++) {
        const uint64_t *p = (const uint64_t *)cut_disks[d].data;

        for (int64_t i = 0; x->touched[d] && i + 4 <= cut_disks[d].len / 8; i += 4) {
            for (int lane = 0; lane < 4; lane++) {
                lanes[lane] = (lanes[lane] ^ p[i + lane]) * 0x9e3779b97f4a7c15ULL;
                lanes[lane] ^= lanes[lane] >> 29;
            }
        }
        hash = (hash ^ cut_disks[d].len) * 1099511628211ULL;
    }
    for (int lane = 0; lane < 4; lane++) {
        hash = (hash ^ lanes[lane]) * 0x9e3779b97f4a7c15ULL;
        hash ^= hash >> 31;
    }
    return g_hash_table_add(contents, GSIZE_TO_POINTER(hash));
}

/* Build the state in which those volatile entries landed whose byte in `landed` is set (2: torn); false: it was seen in this run. */
static bool build_state(Explorer *x, const GArray *volatile_entries, const uint8_t *landed)
{
    uint64_t hash = 14695981039346656037ULL;

    for (int d = 0; d < CUT_DISKS; d++) {
        if (x->touched[d]) {
            cut_image_copy(&cut_disks[d], &x->stable[d]);
        }
        hash = (hash ^ x->applied[d]) * 1099511628211ULL;
    }
    for (guint i = 0; i < volatile_entries->len; i++) {
        guint id = g_array_index(volatile_entries, guint, i);
        const CutEntry *e = entry(x, id);
        uint8_t sectors[4096] = { 0 };
        bool torn = landed[i] == 2 && e->kind <= CUT_DISCARD && e->bytes > BDRV_SECTOR_SIZE && e->bytes <= 4096 * BDRV_SECTOR_SIZE;

        if (!landed[i]) {
            continue;
        }
        hash = (hash ^ (id + 1)) * 1099511628211ULL;
        for (int64_t s = 0; torn && s < e->bytes / BDRV_SECTOR_SIZE; s++) {
            sectors[s] = g_rand_boolean(x->run->rand);
            hash = (hash ^ sectors[s]) * 1099511628211ULL;
        }
        cut_apply(&cut_disks[e->disk], e, torn ? sectors : NULL);
    }
    return g_hash_table_add(x->seen, g_memdup2(&hash, sizeof(hash)));
}

static void try_state(Explorer *x, const GArray *volatile_entries, const uint8_t *landed, const char *what)
{
    g_autofree char *why = NULL;

    if (!build_state(x, volatile_entries, landed)) {
        return;
    }
    g_snprintf(x->what, sizeof(x->what), "%s, %u writes not stable", what, volatile_entries->len);
    x->tried++;
    total.states++;
    total.distinct += is_new(x);
    why = judge(x);
    if (why) {
        report(x, why);
    }
}

/* Subsets of what is not stable. */
static void try_subsets(Explorer *x, const GArray *v, guint before)
{
    g_autofree uint8_t *landed = g_new0(uint8_t, v->len + 1);

    try_state(x, v, landed, "nothing landed");
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

/* The cut at x->at. */
static void try_cut(Explorer *x, bool subsets)
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
    memset(landed, 1, before);
    try_state(x, v, landed, "all in order");
    if (subsets) {
        try_subsets(x, v, before);
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

/* Every prefix, and subsets at as many lengths as the limit on states has room for. */
static void explore(CutRun *r, GArray *log)
{
    Explorer x = { .run = r, .log = log, .seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL) };
    uint64_t limit = r->geometry->luks ? opt.limit / 8 : opt.limit;      /* opening is slow */
    double chance = log->len < limit ? (double)(limit - log->len) / (log->len * SUBSETS_OF_A_CUT) : 0;

    for (guint i = 0; i < log->len; i++) {
        x.touched[g_array_index(log, CutEntry, i).disk] = true;
    }
    for (int d = 0; d < CUT_DISKS; d++) {
        cut_image_copy(&cut_disks[d], &r->start[d]);
        cut_image_copy(&x.stable[d], &r->start[d]);
    }
    total.entries += log->len;
    for (x.at = 0; x.at <= log->len; x.at++) {
        try_cut(&x, x.tried < limit && g_rand_double(r->rand) < chance);
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
    g_autofree uint32_t *expected = cut_expected(r);

    cut_compare(r, r->blk, expected, cut_model_size(r->model), "live");
}

/* The operations, recorded.  False: they could not even start. */
static bool operate(CutRun *r, const CutScenario *s)
{
    if (!cut_run_start(r)) {
        cut_run_wrong(r, "no image");
    }
    for (unsigned i = 0; i < opt.steps && !r->wrong; i++) {
        cut_scenario_step(r, s);
        if (opt.verbose) {
            printf("%4u after %s\n", cut_now(), r->doing);
        }
    }
    for (CutRun *m = r; m; m = m->next) {
        if (!r->wrong) {
            compare_live(m);
        }
        if (m->wrong) {
            total.failures++;
            printf("FAIL: %s: %s\n", r->doing, m->wrong);
            return false;
        }
    }
    cut_run_finish(r);
    return true;
}

static void run_one(const CutGeometry *g, const CutScenario *s, unsigned seed, const char *folder)
{
    CutRun r = { .geometry = g, .folder = folder, .rand = g_rand_new_with_seed(seed), .shape = s->shape, .doing = "start" };
    uint64_t failures = total.failures, states = total.states, distinct = total.distinct;
    bool ok = operate(&r, s);
    GArray *log = g_steal_pointer(&cut_log);

    if (log && opt.verbose) {
        print_log(log);
    }
    if (ok) {
        explore(&r, log);
    }
    if (log) {
        g_array_unref(log);
    }
    total.runs++;
    if (opt.verbose || total.failures != failures) {
        printf("%s %s seed %u: %" PRIu64 " states, %" PRIu64 " distinct, %" PRIu64 " failures\n", g->name, s->name, seed,
               total.states - states, total.distinct - distinct, total.failures - failures);
        fflush(stdout);
    }
    cut_run_end(&r);
}

static void parse(int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "s:n:r:l:R:S:g:c:k:t:d:D:v")) != -1) {
        switch (c) {
        case 's': opt.seed = atoi(optarg); break;
        case 'n': opt.steps = atoi(optarg); break;
        case 'r': opt.randoms = atoi(optarg); break;
        case 'l': opt.limit = strtoull(optarg, NULL, 10); break;
        case 'R': opt.runs = atoi(optarg); break;
        case 'S': cut_sectors = atoi(optarg); break;
        case 'g': opt.only_geometry = optarg; break;
        case 'c': opt.only_scenario = optarg; break;
        case 'k': opt.keep = optarg; break;
        case 'D': cut_discard_turns = atoi(optarg); break;
        case 't': opt.stock_every = atoi(optarg); break;
        case 'd': opt.wanted = strtoull(optarg, NULL, 10); break;
        case 'v': opt.verbose = true; break;
        default:
            fprintf(stderr, "usage: powercut [-s seed] [-R runs] [-n steps] [-r random subsets] [-l states a run] "
                    "[-S sectors of a disk] [-g geometry] [-c scenario] [-k folder for failing states] "
                    "[-t every n-th state to stock, 0: none] [-d distinct states] [-D turns that a discard takes] [-v]\n");
            exit(2);
        }
    }
}

static bool enough(void) { return opt.wanted && total.distinct >= opt.wanted; }

static void run_all(const char *folder)
{
    for (unsigned run = 0; run < opt.runs && !enough(); run++) {
        for (const CutGeometry *g = cut_geometries; g->name; g++) {
            for (const CutScenario *s = cut_scenarios; s->name; s++) {
                if ((!opt.only_geometry || !strcmp(opt.only_geometry, g->name)) &&
                    (!opt.only_scenario || !strcmp(opt.only_scenario, s->name)) && cut_scenario_fits(s, g) && !enough()) {
                    run_one(g, s, opt.seed + run, folder);
                }
            }
        }
        if (opt.wanted) {
            printf("seed %u: %" PRIu64 " distinct states so far, %" PRIu64 " failures\n", opt.seed + run, total.distinct, total.failures);
        }
    }
}

int main(int argc, char **argv)
{
    g_autofree char *folder = g_dir_make_tmp("powercut.XXXXXX", NULL), *rm = g_strdup_printf("rm -rf '%s'", folder);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    parse(argc, argv);
    cut_init(argv[0]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    contents = g_hash_table_new(NULL, NULL);
    if (system("qemu-img --version >/dev/null 2>&1") != 0) {
        opt.stock_every = 0;
    }
    if (!opt.verbose) {
        dup2(null, STDERR_FILENO);     /* what check finds is counted, not read */
    }
    run_all(folder);
    printf("%" PRIu64 " distinct states after power cuts (%" PRIu64 " judged) in %" PRIu64 " runs with %" PRIu64 " disk requests: %" PRIu64
           " with leaks, %" PRIu64 " repaired, %" PRIu64 " checked by stock: %" PRIu64 " failures\n", total.distinct, total.states, total.runs,
           total.entries, total.with_leaks, total.repaired, total.stock, total.failures);
    bdrv_close_all();
    return system(rm) != 0 || total.failures ? 1 : 0;
}
