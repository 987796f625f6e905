/*
 * Hostile images: good images of every kind, with fields set to bad values, then opened, checked, read, written,
 * snapshotted and repaired.  Nothing may crash, hang or take memory without bound; content is not judged.
 *
 * Mutations know the format: fields of header, extensions, snapshot table, L1, L2, refcount table and blocks get
 * values that are zero, largest, misaligned, just past the end, another structure's place, or off by one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "block/snapshot.h"
#include "cutrun.h"
#include "util/cutils.h"

#define CASE_SECONDS 20                /* a case that takes longer hangs */
#define MAX_PEAK_KIB (256 * 1024)

static const CutGeometry geometries[] = {
    { "v3", "cluster_size=4k", .snapshots = true },
    { "v2", "compat=0.10,cluster_size=4k", .snapshots = true, .v2 = true },
    { "512", "cluster_size=512", .snapshots = true },
    { "subclusters", "cluster_size=16k,extended_l2=on", .snapshots = true, .subclusters = true },
    { "refcount1", "cluster_size=4k,refcount_bits=1" },
    { "refcount64", "cluster_size=4k,refcount_bits=64", .snapshots = true },
    { "zstd", "cluster_size=4k,compression_type=zstd", .snapshots = true },
    { NULL }
};

static GRand *rnd;
static char now_doing[200];

static uint64_t pick(uint64_t n) { return n ? g_rand_int(rnd) % n : 0; }

static uint64_t bad_value(uint64_t old, uint64_t len, uint64_t cluster)
{
    const uint64_t choices[] = {
        0, 1, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT32_MAX, INT32_MAX, old + 1, old - 1, old + cluster, old - cluster,
        old + 512, old ^ (1ULL << pick(64)), len, len + cluster, len - cluster, len & ~(cluster - 1), pick(len), cluster * pick(len / cluster + 2),
        1ULL << 56, (1ULL << 56) - cluster, old | 1ULL << 62, old | 1ULL << 63, old & ~(1ULL << 63), 0x1fffffff, old << 1, cluster - 1,
    };

    return choices[pick(G_N_ELEMENTS(choices))];
}

static void mutate_field(CutImage *image, uint64_t offset, unsigned bytes, uint64_t cluster)
{
    uint8_t *p;
    uint64_t old, v;

    if (offset > (uint64_t)image->len || bytes > image->len - offset) {
        return;
    }
    p = image->data + offset;
    old = bytes == 8 ? load_be64(p) : bytes == 4 ? load_be32(p) : bytes == 2 ? load_be16(p) : *p;
    v = bad_value(old, image->len, cluster);
    if (bytes == 8) {
        store_be64(p, v);
    } else if (bytes == 4) {
        store_be32(p, v);
    } else if (bytes == 2) {
        store_be16(p, v);
    } else {
        *p = v;
    }
}

/* One change of one structure. */
static void mutate(CutImage *image)
{
    static const struct { unsigned at, bytes; } header[] = {
        { 4, 4 }, { 8, 8 }, { 16, 4 }, { 20, 4 }, { 24, 8 }, { 32, 4 }, { 36, 4 }, { 40, 8 }, { 48, 8 }, { 56, 4 }, { 60, 4 }, { 64, 8 },
        { 72, 8 }, { 80, 8 }, { 88, 8 }, { 96, 4 }, { 100, 4 }, { 104, 1 }, { 112, 4 }, { 116, 4 }, { 120, 8 }, { 128, 8 },
    };
    const uint8_t *h = image->data;
    uint64_t cluster = 1ULL << (load_be32(h + 20) & 31), l1 = load_be64(h + 40), rt = load_be64(h + 48), sn = load_be64(h + 64);
    uint64_t where = 0;
    unsigned i;

    switch (pick(8)) {
    case 0:
    case 1:
        i = pick(G_N_ELEMENTS(header));
        mutate_field(image, header[i].at, header[i].bytes, cluster);
        return;
    case 2:
        mutate_field(image, l1 + 8 * pick(MAX(load_be32(h + 36), 1u)), 8, cluster);
        return;
    case 3:
        where = l1 < (uint64_t)image->len - 8 ? load_be64(image->data + l1) & 0x00fffffffffffe00ULL : 0;
        mutate_field(image, where + 8 * pick(cluster / 8), 8, cluster);
        return;
    case 4:
        mutate_field(image, rt + 8 * pick(4), 8, cluster);
        return;
    case 5:
        where = rt < (uint64_t)image->len - 8 ? load_be64(image->data + rt) : 0;
        mutate_field(image, where + pick(cluster), 1u << pick(4), cluster);
        return;
    case 6:
        mutate_field(image, sn + pick(120), 1u << pick(4), cluster);
        return;
    default:
        mutate_field(image, pick(image->len), 1u << pick(4), cluster);
    }
}

static void on_alarm(int sig)
{
    /* Only what is safe in a handler. */
    if (write(STDOUT_FILENO, "FAIL: hangs: ", 13) < 0 || write(STDOUT_FILENO, now_doing, strlen(now_doing)) < 0 ||
        write(STDOUT_FILENO, "\n", 1) < 0) {
        _exit(3);
    }
    _exit(3);
}

static void exercise(BlockBackend *blk, bool writable)
{
    QEMUSnapshotInfo *list = NULL, sn = { .name = "new" };
    int n = bdrv_snapshot_list(blk_bs(blk), &list);
    int64_t len = blk_getlength(blk);
    g_autofree uint8_t *buf = g_malloc0(64 * KiB);
    int64_t places[] = { 0, len / 2, len - 64 * (int64_t)KiB };

    for (unsigned i = 0; i < G_N_ELEMENTS(places); i++) {
        if (places[i] >= 0 && places[i] + 64 * (int64_t)KiB <= len) {
            blk_pread(blk, places[i], 64 * KiB, buf, 0);
            if (writable) {
                blk_pwrite(blk, places[i], 4 * KiB, buf, 0);
                blk_pwrite_zeroes(blk, places[i], 16 * KiB, BDRV_REQ_MAY_UNMAP);
                blk_pdiscard(blk, places[i], 16 * KiB);
            }
        }
    }
    if (writable) {
        bdrv_snapshot_create(blk_bs(blk), &sn, NULL);
        for (int i = 0; i < n && i < 4; i++) {
            bdrv_snapshot_goto(blk_bs(blk), list[i].id_str, NULL);
            bdrv_snapshot_delete(blk_bs(blk), list[i].id_str, NULL, NULL);
        }
        blk_flush(blk);
    }
    g_free(list);
}

static void try_image(const CutGeometry *g, const CutImage *image)
{
    BdrvCheckResult res;
    BlockBackend *blk;

    for (int mode = 0; mode < 3; mode++) {
        cut_image_copy(&cut_disks[0], image);
        blk = cut_open_image(&(CutRun){ .geometry = g }, mode > 0, NULL, NULL);
        if (!blk) {
            continue;
        }
        res = (BdrvCheckResult){ .findings = g_ptr_array_new_with_free_func((GDestroyNotify)bdrv_check_finding_free) };
        if (mode == 2) {
            bdrv_check(blk_bs(blk), &res, BDRV_FIX_LEAKS | BDRV_FIX_ERRORS);
        } else {
            bdrv_check(blk_bs(blk), &res, 0);
        }
        g_ptr_array_unref(res.findings);
        exercise(blk, mode > 0);
        blk_unref(blk);
    }
}

/* Good images to start from: what a mixed run leaves. */
static GPtrArray *make_seeds(const CutGeometry *g, const char *folder)
{
    GPtrArray *seeds = g_ptr_array_new();

    for (unsigned seed = 0; seed < 3; seed++) {
        CutRun r = { .geometry = g, .folder = folder, .rand = g_rand_new_with_seed(seed) };
        CutImage *image = g_new0(CutImage, 1);

        if (!cut_run_start(&r)) {
            exit(2);
        }
        for (unsigned i = 0; i < 12; i++) {
            const CutScenario *s = cut_scenarios;

            while (strcmp(s->name, seed ? "mixed" : "snapshots")) {
                s++;
            }
            cut_scenario_step(&r, s);
        }
        cut_run_close(&r);
        cut_image_copy(image, &cut_disks[0]);
        g_ptr_array_add(seeds, image);
        cut_run_end(&r);
    }
    return seeds;
}

int main(int argc, char **argv)
{
    g_autofree char *folder = g_dir_make_tmp("hostile.XXXXXX", NULL);
    g_autofree char *rm = g_strdup_printf("rm -rf '%s'", folder);
    unsigned seed = argc > 1 ? atoi(argv[1]) : 1, count = argc > 2 ? atoi(argv[2]) : 300;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    uint64_t tried = 0, too_much = 0;
    struct rusage usage;
    CutImage image = { NULL };

    cut_init(argv[0]);
    if (argc <= 3) {
        dup2(null, STDERR_FILENO);
    }
    signal(SIGALRM, on_alarm);
    for (const CutGeometry *g = geometries; g->name; g++) {
        g_autoptr(GPtrArray) seeds = make_seeds(g, folder);

        for (unsigned n = 0; n < count; n++) {
            unsigned changes;

            rnd = g_rand_new_with_seed(seed * 1000003 + n);
            cut_image_copy(&image, seeds->pdata[n % seeds->len]);
            changes = 1 + pick(3);
            for (unsigned i = 0; i < changes; i++) {
                mutate(&image);
            }
            g_snprintf(now_doing, sizeof(now_doing), "%s seed %u case %u", g->name, seed, n);
            alarm(CASE_SECONDS);
            try_image(g, &image);
            alarm(0);
            tried++;
            g_rand_free(rnd);
            getrusage(RUSAGE_SELF, &usage);
            if (usage.ru_maxrss > MAX_PEAK_KIB && !too_much) {
                too_much++;
                printf("FAIL: %ld KiB after %s\n", usage.ru_maxrss, now_doing);
            }
        }
    }
    printf("%" PRIu64 " hostile images tried, peak memory %ld MiB: %" PRIu64 " failures\n", tried, usage.ru_maxrss / 1024, too_much);
    return system(rm) != 0 || too_much ? 1 : 0;
}
