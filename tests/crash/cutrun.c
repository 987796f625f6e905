/*
 * Making, opening, closing and looking at the images of a run.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "alloccount.h"
#include "block/snapshot.h"
#include "crypto/secret.h"
#include "cutbitmaps.h"
#include "cutmachine.h"
#include "cutrun.h"
#include "shortio.h"
#include "util/cutils.h"

unsigned cut_sectors = 2048;
int cut_cause;

const CutGeometry cut_geometries[] = {
    { "v3", "cluster_size=4k", .snapshots = true },
    { "v2", "compat=0.10,cluster_size=4k", .snapshots = true, .v2 = true },
    { "512", "cluster_size=512", .snapshots = true, .opened = "l2-cache-size=1k,refcount-cache-size=2k,overlap-check=all" },
    { "64k", "cluster_size=64k", .snapshots = true },
    { "direct", "cluster_size=4k", .snapshots = true, .memory_only = true, .opened = "cache.direct=on" },       /* the file is extended ahead */
    { "tiny", "cluster_size=512,refcount_bits=64", .snapshots = true, .memory_only = true },       /* its table of counts grows */
    { "subclusters", "cluster_size=16k,extended_l2=on", .snapshots = true, .subclusters = true },
    { "refcount1", "cluster_size=4k,refcount_bits=1" },
    { "refcount64", "cluster_size=4k,refcount_bits=64", .snapshots = true },
    { "lazy", "cluster_size=4k,lazy_refcounts=on", .snapshots = true, .lazy = true },
    { "data-file", "cluster_size=4k", .data_file = true },
    { "data-file-raw", "cluster_size=4k,data_file_raw=on", .data_file = true, .raw = true },
    { "backing", "cluster_size=4k", .backing = true, .snapshots = true },
    { "zstd", "cluster_size=4k,compression_type=zstd", .snapshots = true, .in_place = true, .opened = "discard-no-unref=on" },
    { "luks", "cluster_size=4k,encrypt.format=luks,encrypt.key-secret=cut0,encrypt.iter-time=1,encrypt.cipher-alg=aes-128",
      .snapshots = true, .luks = true },
    { NULL }
};

void cut_init(const char *program)
{
    error_init(program);
    aio_init_main();
    thread_pool_set_limits(2, 2);      /* of which each has blocks of memory */
    bdrv_init();
    cut_register();
    cut_machine_init();
    for (int i = 0; i < CUT_KEYS; i++) {
        QDict *props = qdict_new();

        qdict_put_str(props, "data", cut_secret_data(i));
        secret_add(cut_secret(i), props, &error_abort);
        qobject_unref(props);
    }
}

guint cut_now(void)
{
    static guint clock;                /* of disks that write nothing down */

    return cut_log ? cut_log->len : cut_files_used() ? ++clock : 0;
}

unsigned cut_pick(CutRun *r, unsigned from, unsigned to)
{
    return from + g_rand_int_range(r->rand, 0, to - from + 1);
}

const char *cut_secret(int key) { return key ? "cut1" : "cut0"; }
const char *cut_secret_data(int key) { return key ? "second secret" : "first secret"; }

char *cut_image_name(int disk)
{
    g_autofree char *file = cut_disk_json(disk);

    return g_strdup_printf("json:{\"driver\":\"qcow2\",\"file\":%s}", file);
}

static int64_t met_before;             /* the present step */

/* Did the present step meet the failure that is known? */
static bool met(void) { return cut_cause && cut_met() != met_before; }

void cut_run_failed(CutRun *r, int ret)
{
    r->failures++;
    if (!r->error) {
        r->error = ret;
    }
    if (met() && ret != -cut_cause && ret != -ENOMEDIUM) {
        cut_run_wrong(r, "it says %s, and %s was the cause", strerror(-ret), strerror(cut_cause));
    }
}

/* Some texts are the stock tools' own; a node that lost sight of its roots has no medium any more. */
static bool names_cause(const char *text)
{
    return strstr(text, strerror(cut_cause)) || (cut_cause == ENOMEM && strstr(text, "Could not allocate")) || strstr(text, "No medium") || (cut_cause == ENOSPC && strstr(text, "No space left"));
}

void cut_run_failed_text(CutRun *r, int ret, const char *text)
{
    cut_run_failed(r, ret);
    if (!text) {
        cut_run_wrong(r, "it failed (%s) and gave no reason", strerror(-ret));
    } else if (met() && !names_cause(text)) {
        cut_run_wrong(r, "it says \"%s\", and %s was the cause", text, strerror(cut_cause));
    }
}

void cut_run_failed_err(CutRun *r, int ret, Error *err)
{
    cut_run_failed_text(r, ret, err ? error_get_pretty(err) : NULL);
    error_free(err);
}

void cut_run_step_begins(void) { met_before = cut_met(); }

void cut_run_wrong(CutRun *r, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (!r->wrong) {
        r->wrong = g_strdup_vprintf(fmt, ap);
    }
    va_end(ap);
}

/* --- making images ---------------------------------------------------------------------- */

/* An image file of qcow2, taken over to a disk (and its data file to CUT_DISK_DATA). */
static bool create_in_file(const CutRun *r, int disk, const char *options, unsigned sectors, const char *below)
{
    g_autofree char *path = g_strdup_printf("%s/image%d", r->folder, disk), *data = NULL;
    bool data_file = r->geometry->data_file && disk == r->disk;
    QDict *opts = opts_parse_list(options, NULL, NULL, &error_abort);
    Error *err = NULL;

    if (data_file) {
        data = g_strdup_printf("%s/data%d", r->folder, disk);
        qdict_put_str(opts, "data_file", data);
    }
    if (below) {
        qdict_put_str(opts, "backing_file", below);
        qdict_put_str(opts, "backing_fmt", "qcow2");
    }
    qdict_put_int(opts, "size", (int64_t)sectors * BDRV_SECTOR_SIZE);
    if (bdrv_create(bdrv_find_format("qcow2"), path, opts, &err) < 0) {
        error_report_err(err);
        return false;
    }
    return cut_image_load(&cut_disks[disk], path) && (!data_file || cut_image_load(&cut_disks[CUT_DISK_DATA], data));
}

/* Each kind is made once, and copied afterwards: keys take long to make.  But for those with a data file, which are two disks. */
static bool create_on(const CutRun *r, int disk, const char *options, unsigned sectors, const char *below)
{
    static GHashTable *made;           /* CutImage */
    g_autofree char *kind = g_strdup_printf("%s|%u|%s", options, sectors, below ? below : "");
    bool data_file = r->geometry->data_file && disk == r->disk;
    CutImage *kept;

    if (!made) {
        made = g_hash_table_new(g_str_hash, g_str_equal);
    }
    kept = data_file ? NULL : g_hash_table_lookup(made, kind);
    if (kept) {
        cut_image_copy(&cut_disks[disk], kept);
    } else if (!create_in_file(r, disk, options, sectors, below)) {
        return false;
    } else if (!data_file) {
        kept = g_new0(CutImage, 1);
        cut_image_copy(kept, &cut_disks[disk]);
        g_hash_table_insert(made, g_steal_pointer(&kind), kept);
    }
    cut_file_take(disk);
    return true;
}

bool cut_make_image(const CutRun *r, int disk, const char *options, unsigned sectors)
{
    bool ok;

    alloc_own++;
    ok = create_on(r, disk, options, sectors, NULL);
    alloc_own--;
    return ok;
}

/* The raw image below: sector s holds a stamp of its own. */
static void make_backing(CutRun *r)
{
    cut_disks[CUT_DISK_BELOW].len = 0;
    cut_image_resize(&cut_disks[CUT_DISK_BELOW], (int64_t)cut_sectors * BDRV_SECTOR_SIZE);
    for (unsigned s = 0; s < cut_sectors; s++) {
        uint32_t stamp = cut_model_stamp(r->model);

        cut_fill((uint32_t *)(cut_disks[CUT_DISK_BELOW].data + (size_t)s * BDRV_SECTOR_SIZE), stamp, 1);
        r->model->now[s] = s < cut_model_size(r->model) ? stamp : 0;
    }
}

/* A qcow2 image of other clusters, with data and a snapshot "keep", of which nothing may be lost. */
static bool make_below(CutRun *r, int i)
{
    static const char *const options[] = { "cluster_size=4k", "cluster_size=64k", "compat=0.10,cluster_size=16k", "cluster_size=512" };
    unsigned size = cut_model_size(r->model), sectors = cut_pick(r, size / 2, size);
    CutModel *m = r->below[i] = cut_model_new(cut_sectors, sectors);
    g_autofree uint32_t *buf = g_malloc(64 * BDRV_SECTOR_SIZE);
    QEMUSnapshotInfo sn = { .date_sec = 1, .name = "keep" };
    BlockBackend *blk;

    m->next_stamp = 1000000000u * (i + 1);
    if (!create_on(r, CUT_DISK_BELOW + i, options[cut_pick(r, 0, 3)], sectors, NULL)) {
        return false;
    }
    blk = cut_open_qcow2(CUT_DISK_BELOW + i, true, &error_abort);
    for (unsigned round = 0; round < 12; round++) {
        unsigned n = cut_pick(r, 1, 64), first = cut_pick(r, 0, sectors - n);
        uint32_t stamp = cut_model_stamp(m);

        if (round == 8) {
            cut_model_snapshot(m, "keep", false, 0);
            cut_model_find(m, "keep")->end = 0;
            bdrv_snapshot_create(blk_bs(blk), &sn, &error_abort);
        }
        cut_fill(buf, stamp, n);
        blk_pwrite(blk, (int64_t)first * BDRV_SECTOR_SIZE, (int64_t)n * BDRV_SECTOR_SIZE, buf, 0);
        for (unsigned s = 0; s < n; s++) {
            m->now[first + s] = stamp + s;
        }
    }
    blk_unref(blk);
    return true;
}

static bool make_images(CutRun *r)
{
    g_autofree char *below = r->shape == CUT_CHAIN ? cut_image_name(CUT_DISK_BELOW) : NULL;

    if (r->geometry->backing) {
        make_backing(r);
    }
    for (int i = 0; i < 2 && below; i++) {
        if (!make_below(r, i)) {
            return false;
        }
    }
    if (below) {
        memcpy(r->model->now, r->below[0]->now, cut_model_size(r->model) * sizeof(uint32_t));
    }
    return create_on(r, r->disk, r->geometry->options, cut_model_size(r->model), below);
}

/* --- opening and closing -------------------------------------------------------------------- */

BlockBackend *cut_open_qcow2(int disk, bool writable, Error **errp)
{
    QDict *options = qdict_new();

    qdict_put_str(options, "driver", "qcow2");
    cut_put_options(options, "file.", disk);
    return blk_open(NULL, NULL, options, (writable ? BDRV_O_RDWR | BDRV_O_RESIZE : 0) | BDRV_O_UNMAP, errp);
}

BlockBackend *cut_open_with_key(const CutRun *r, bool writable, const char *node_name, int key, Error **errp)
{
    const CutGeometry *g = r->geometry;
    QDict *options = qdict_new();

    qdict_put_str(options, "driver", "qcow2");
    cut_put_options(options, "file.", r->disk);
    qdict_put_str(options, "discard", "unmap");
    if (g->opened) {
        QDict *more = opts_parse_list(g->opened, NULL, NULL, &error_abort);

        qdict_join(options, more, true);
        qobject_unref(more);
    }
    if (node_name) {
        qdict_put_str(options, "node-name", node_name);
    }
    if (g->data_file) {
        cut_put_options(options, "data-file.", CUT_DISK_DATA);
    }
    if (g->backing) {
        qdict_put_str(options, "backing.driver", "raw");
        cut_put_options(options, "backing.file.", CUT_DISK_BELOW);
    }
    if (g->luks) {
        qdict_put_str(options, "encrypt.key-secret", cut_secret(key));
    }
    return blk_open(NULL, NULL, options, (writable ? BDRV_O_RDWR | BDRV_O_RESIZE : 0) | BDRV_O_UNMAP, errp);
}

BlockBackend *cut_open_image(const CutRun *r, bool writable, const char *node_name, Error **errp)
{
    BlockBackend *blk = cut_open_with_key(r, writable, node_name, 0, r->geometry->luks ? NULL : errp);

    return !blk && r->geometry->luks ? cut_open_with_key(r, writable, node_name, 1, errp) : blk;
}

bool cut_run_open(CutRun *r, Error **errp)
{
    g_autofree char *name = g_strdup_printf("image%d", r->disk);

    r->blk = cut_open_image(r, true, name, errp);
    return r->blk != NULL;
}

void cut_run_reopen(CutRun *r)
{
    cut_fail_at = 0;                   /* a failure of the disk at open is another test's subject */
    io_at = io_fault == IO_FAIL ? 0 : io_at;
    if (!cut_run_open(r, NULL)) {
        alloc_fail_at = 0;
        cut_run_open(r, &error_abort);
    }
}

void cut_run_close(CutRun *r)
{
    guint tick = cut_model_tick(r->model), begin = cut_now();
    int64_t met = cut_met();
    bool good;

    if (!r->blk) {
        return;
    }
    cut_bitmaps_closing(r, begin);
    good = !r->failures || blk_flush(r->blk) == 0;       /* after a failure the node may have stopped to write */
    blk_unref(r->blk);
    r->blk = NULL;
    if (good && cut_met() == met) {
        cut_model_flush(r->model, tick, cut_now());
        cut_bitmaps_closed(r);
    } else {
        cut_model_doubt(r->model, cut_now());
    }
}

static bool run_make(CutRun *r)
{
    r->model = cut_model_new(cut_sectors, cut_sectors / 2);
    r->model->next_stamp += r->disk * 100000000u;
    r->closes = cut_bitmaps_new();
    r->mended = 0;
    for (int i = 0; i < CUT_KEYS; i++) {
        CutKeyChange first = { i == 0, 0, 0 };

        r->keys[i] = g_array_new(false, false, sizeof(CutKeyChange));
        g_array_append_val(r->keys[i], first);
    }
    return make_images(r);
}

static bool run_open_first(CutRun *r)
{
    BlockDriverInfo info;
    Error *err = NULL;

    if (!cut_run_open(r, &err)) {
        error_report_err(err);
        return false;
    }
    bdrv_get_info(blk_bs(r->blk), &info);
    r->cluster_sectors = info.cluster_size / BDRV_SECTOR_SIZE;
    return true;
}

/* Two more disks, of other geometries. */
static bool add_group(CutRun *r)
{
    for (int disk = CUT_DISK_GROUP; disk < CUT_DISKS; disk++) {
        CutRun *other = g_new0(CutRun, 1);

        *other = (CutRun){ .geometry = &cut_geometries[disk == CUT_DISK_GROUP ? 0 : 4], .folder = r->folder, .disk = disk,
                           .rand = g_rand_new_with_seed(g_rand_int(r->rand)), .next = r->next };
        r->next = other;
        if (!run_make(other)) {
            return false;
        }
    }
    return true;
}

/* Wrong counts and flags in an image with some content; the recording sees the repair first. */
static bool spoil(CutRun *r)
{
    if (!run_open_first(r)) {
        return false;
    }
    for (int i = 0; i < 6; i++) {
        cut_step_writes(r);
        if (i % 2) {
            cut_step_snapshot(r);
        }
    }
    cut_run_close(r);
    cut_damage(r);
    r->mended = G_MAXUINT;
    return true;
}

bool cut_run_start(CutRun *r)
{
    if (!run_make(r) || (r->shape == CUT_GROUP && !add_group(r)) || (r->shape == CUT_DAMAGED && !spoil(r))) {
        return false;
    }
    for (int i = 0; i < CUT_DISKS; i++) {
        cut_image_copy(&r->start[i], &cut_disks[i]);
    }
    if (!cut_files_used()) {
        cut_log_start();
    }
    cut_files_take();
    for (CutRun *m = r; m; m = m->next) {
        if (!run_open_first(m)) {
            return false;
        }
    }
    if (r->shape == CUT_DAMAGED) {
        cut_step_check(r);
    }
    return true;
}

void cut_run_finish(CutRun *r)
{
    for (CutRun *m = r; m; m = m->next) {
        if (m->blk) {
            cut_step_flush(m);
        }
        cut_run_close(m);
    }
}

void cut_run_end(CutRun *r)
{
    CutRun *next = r->next;

    cut_run_close(r);
    g_clear_pointer(&r->model, cut_model_free);
    g_clear_pointer(&r->below[0], cut_model_free);
    g_clear_pointer(&r->below[1], cut_model_free);
    g_clear_pointer(&r->closes, g_array_unref);
    g_clear_pointer(&r->rand, g_rand_free);
    g_clear_pointer(&r->wrong, g_free);
    for (int i = 0; i < CUT_KEYS; i++) {
        g_clear_pointer(&r->keys[i], g_array_unref);
    }
    for (int i = 0; i < CUT_DISKS; i++) {
        g_clear_pointer(&r->start[i].data, g_free);
    }
    if (next) {
        cut_run_end(next);
        g_free(next);
        r->next = NULL;
    }
    cut_log_end();
}

/* --- content ----------------------------------------------------------------------------------- */

void cut_fill(uint32_t *buf, uint32_t stamp, unsigned n)
{
    const unsigned words = BDRV_SECTOR_SIZE / sizeof(uint32_t);

    for (unsigned i = 0; i < n * words; i++) {
        buf[i] = stamp + i / words;
    }
}

uint32_t *cut_buffer(unsigned sectors)
{
    uint32_t *buf;

    alloc_own++;
    buf = g_malloc((size_t)sectors * BDRV_SECTOR_SIZE);
    alloc_own--;
    return buf;
}

bool cut_read_stamps(BlockBackend *blk, unsigned n, uint32_t *out, unsigned *bad)
{
    g_autofree uint32_t *buf = cut_buffer(n);
    const unsigned words = BDRV_SECTOR_SIZE / sizeof(uint32_t);

    *bad = 0;
    if (n && blk_pread(blk, 0, (int64_t)n * BDRV_SECTOR_SIZE, buf, 0) < 0) {
        return false;
    }
    for (unsigned s = 0; s < n; s++) {
        if (memcmp(buf + s * words, buf + s * words + 1, BDRV_SECTOR_SIZE - sizeof(*buf))) {
            *bad = s;
            return false;
        }
        out[s] = buf[s * words];
    }
    return true;
}

bool cut_may_look(void) { return !cut_fail_at && !alloc_fail_at && (!io_at || io_fault != IO_FAIL); }

uint32_t *cut_expected(const CutRun *r)
{
    const CutModel *m = r->model;
    unsigned n = cut_model_size(m);
    uint32_t *expected = g_memdup2(m->now, MAX(n, 1u) * sizeof(*expected));

    for (unsigned s = 0; s < n; s++) {
        expected[s] = m->unsure[s] ? CUT_ANY : expected[s];
    }
    return expected;
}

void cut_compare(CutRun *r, BlockBackend *blk, const uint32_t *expected, unsigned n, const char *what)
{
    g_autofree uint32_t *stamps = g_new0(uint32_t, MAX(n, 1u));
    unsigned bad;

    if (!cut_read_stamps(blk, n, stamps, &bad)) {
        cut_run_wrong(r, "%s: sector %u cannot be read or is mixed", what, bad);
    }
    for (unsigned s = 0; s < n && !r->wrong; s++) {
        if (stamps[s] != expected[s] && expected[s] != CUT_ANY) {
            cut_run_wrong(r, "%s: sector %u holds %u, not %u", what, s, stamps[s], expected[s]);
        }
    }
}
