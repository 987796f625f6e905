/*
 * The operations of a run, and the mixes of them that make scenarios.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "block/dirty-bitmap.h"
#include "block/snapshot.h"
#include "cutrun.h"
#include "util/cutils.h"

static unsigned pick(CutRun *r, unsigned from, unsigned to)
{
    return from + g_rand_int_range(r->rand, 0, to - from + 1);
}

/* A range inside the disk; sometimes whole clusters. */
static void pick_range(CutRun *r, unsigned most, unsigned *first, unsigned *n)
{
    unsigned size = cut_model_size(r->model), c = r->cluster_sectors;

    *first = pick(r, 0, size - 1);
    *n = MIN(pick(r, 1, most), size - *first);
    if (pick(r, 0, 2) == 0 && size >= 2 * c) {
        *first = *first / c * c;
        *n = MIN(MAX(*n / c, 1u) * c, size - *first);
    }
}

/* --- guest requests ------------------------------------------------------------------- */

typedef struct Request {
    CutRun *run;
    unsigned first, n;
    uint32_t stamp;
    uint32_t *buf;
    IoVec v;
    bool *done;
} Request;

static unsigned running;

static void write_done(void *opaque, int ret)
{
    Request *q = opaque;

    /* A failed write may have left anything of itself: its end stays open. */
    if (ret == 0) {
        cut_model_done(q->run->model, q->first, q->n);
    } else {
        q->run->failures++;
        for (unsigned i = 0; i < q->n; i++) {
            q->run->model->unsure[q->first + i] = true;
        }
    }
    g_free(q->buf);
    g_free(q);
    running--;
}

static void wait_requests(void)
{
    while (running) {
        aio_poll(aio_main_context(), true);
    }
}

static void fill(uint32_t *buf, uint32_t stamp, unsigned n)
{
    const unsigned words = BDRV_SECTOR_SIZE / sizeof(uint32_t);

    for (unsigned i = 0; i < n * words; i++) {
        buf[i] = stamp + i / words;
    }
}

static void start_write(CutRun *r, unsigned first, unsigned n)
{
    Request *q = g_new0(Request, 1);

    *q = (Request){ .run = r, .first = first, .n = n, .stamp = cut_model_stamp(r->model) };
    q->buf = g_malloc((size_t)n * BDRV_SECTOR_SIZE);
    fill(q->buf, q->stamp, n);
    iov_init_buf(&q->v, q->buf, (size_t)n * BDRV_SECTOR_SIZE);
    cut_model_write(r->model, first, n, q->stamp, false, false, cut_now());
    running++;
    blk_aio_pwritev(r->blk, (int64_t)first * BDRV_SECTOR_SIZE, &q->v, 0, write_done, q);
}

/* Up to four writes side by side, in separate ranges. */
static void step_writes(CutRun *r)
{
    unsigned at = 0, size = cut_model_size(r->model), count = pick(r, 1, 4), part = size / count;

    for (unsigned i = 0; i < count; i++, at += part) {
        unsigned n = pick(r, 1, MIN(part, 40u)), first = at + pick(r, 0, part - n);

        start_write(r, first, n);
    }
    wait_requests();
}

static void step_flush(CutRun *r)
{
    guint tick = cut_model_tick(r->model);

    if (blk_flush(r->blk) == 0) {
        cut_model_flush(r->model, tick, cut_now());
    } else {
        r->failures++;
    }
}

static void change(CutRun *r, unsigned first, unsigned n, bool soft, int (*fn)(BlockBackend *, int64_t, int64_t))
{
    int ret;

    cut_model_write(r->model, first, n, 0, true, soft, cut_now());
    ret = fn(r->blk, (int64_t)first * BDRV_SECTOR_SIZE, (int64_t)n * BDRV_SECTOR_SIZE);
    if (ret == 0) {
        cut_model_done(r->model, first, n);
    } else {
        r->failures++;
        memset(r->model->unsure + first, true, n);
    }
}

static int do_zero(BlockBackend *blk, int64_t offset, int64_t bytes) { return blk_pwrite_zeroes(blk, offset, bytes, 0); }
static int do_zero_unmap(BlockBackend *blk, int64_t offset, int64_t bytes) { return blk_pwrite_zeroes(blk, offset, bytes, BDRV_REQ_MAY_UNMAP); }

static void step_zero(CutRun *r)
{
    unsigned first, n;

    pick_range(r, 64, &first, &n);
    change(r, first, n, false, pick(r, 0, 1) ? do_zero : do_zero_unmap);
}

/* Discarded sectors hold zeroes, the backing image's content, or still what they held; in a data file, anything. */
static void step_discard(CutRun *r)
{
    unsigned first, n;

    pick_range(r, 64, &first, &n);
    if (r->geometry->backing) {
        for (unsigned i = 0; i < n; i++) {
            uint32_t below;

            memcpy(&below, cut_disks[2].data + (size_t)(first + i) * BDRV_SECTOR_SIZE, sizeof(below));
            cut_model_write(r->model, first + i, 1, below, false, true, cut_now());
            cut_model_done(r->model, first + i, 1);
        }
    }
    if (r->geometry->data_file) {
        for (unsigned i = 0; i < n; i++) {
            cut_model_write(r->model, first + i, 1, CUT_ANY, false, true, cut_now());
            g_array_index(r->model->changes[first + i], CutChange, r->model->changes[first + i]->len - 1).stamp = CUT_ANY;
            cut_model_done(r->model, first + i, 1);
        }
    }
    change(r, first, n, true, blk_pdiscard);
}

static void step_compressed(CutRun *r)
{
    unsigned c = r->cluster_sectors, clusters = cut_model_size(r->model) / c, first, n = c;
    g_autofree uint32_t *buf = g_malloc((size_t)c * BDRV_SECTOR_SIZE);
    uint32_t stamp = cut_model_stamp(r->model);
    int ret;

    if (r->geometry->data_file || !clusters) {
        return;
    }
    first = pick(r, 0, clusters - 1) * c;
    fill(buf, stamp, n);
    cut_model_write(r->model, first, n, stamp, false, false, cut_now());
    ret = blk_pwrite_compressed(r->blk, (int64_t)first * BDRV_SECTOR_SIZE, (int64_t)n * BDRV_SECTOR_SIZE, buf);
    if (ret == 0) {
        cut_model_done(r->model, first, n);
    } else {
        r->failures++;
        memset(r->model->unsure + first, true, n);
    }
}

/* --- snapshots ------------------------------------------------------------------------ */

static void step_snapshot(CutRun *r)
{
    QEMUSnapshotInfo sn = { .date_sec = 1 };
    guint begin = cut_now(), tick = cut_model_tick(r->model);

    if (!r->geometry->snapshots) {
        return;
    }
    g_snprintf(sn.name, sizeof(sn.name), "s%u", r->snapshot_count++);
    cut_model_snapshot(r->model, sn.name, begin, G_MAXUINT);
    if (bdrv_snapshot_create(blk_bs(r->blk), &sn, NULL) == 0) {
        cut_model_find(r->model, sn.name)->end = cut_now();
        cut_model_flush(r->model, tick, cut_now());
    } else {
        r->failures++;
        cut_model_find(r->model, sn.name)->gone_begin = begin;      /* may be there, or not */
    }
}

/* A snapshot that is there for certain; NULL: none. */
static CutSnapshot *pick_snapshot(CutRun *r)
{
    GArray *all = r->model->snapshots;

    for (unsigned tries = 0; all->len && tries < 8; tries++) {
        CutSnapshot *s = &g_array_index(all, CutSnapshot, pick(r, 0, all->len - 1));

        if (s->end != G_MAXUINT && s->gone_begin == G_MAXUINT) {
            return s;
        }
    }
    return NULL;
}

static void step_apply(CutRun *r)
{
    CutSnapshot *s = pick_snapshot(r);
    CutModel *m = r->model;
    guint begin = cut_now();
    int ret;

    if (!s) {
        return;
    }
    ret = bdrv_snapshot_goto(blk_bs(r->blk), s->name, NULL);
    r->failures += ret < 0;
    for (unsigned i = 0; i < MAX(s->n, cut_model_size(m)); i++) {
        cut_model_write(m, i, 1, i < s->n ? s->stamps[i] : 0, false, false, begin);
        if (ret == 0) {
            cut_model_done(m, i, 1);
        } else {
            m->unsure[i] = true;
        }
    }
    if (s->n != cut_model_size(m)) {
        CutChange c = { begin, ret == 0 ? cut_model_tick(m) : G_MAXUINT, s->n, false };

        g_array_append_val(m->sizes, c);
    }
    if (ret == 0) {
        cut_model_flush(m, cut_model_tick(m), cut_now());
    }
}

static void step_delete(CutRun *r)
{
    CutSnapshot *s = pick_snapshot(r);
    guint tick = cut_model_tick(r->model);

    if (!s) {
        return;
    }
    s->gone_begin = cut_now();
    if (bdrv_snapshot_delete(blk_bs(r->blk), NULL, s->name, NULL) == 0) {
        s->gone_end = cut_now();
        cut_model_flush(r->model, tick, s->gone_end);
    } else {
        r->failures++;
    }
}

/* --- the image as a whole --------------------------------------------------------------- */

static void step_resize(CutRun *r)
{
    unsigned old = cut_model_size(r->model), size = pick(r, CUT_SECTORS / 4, CUT_SECTORS);
    guint begin = cut_now();
    CutChange maybe = { begin, G_MAXUINT, size, false };
    int64_t trips = cut_trips;

    if (blk_truncate(r->blk, (int64_t)size * BDRV_SECTOR_SIZE, true, PREALLOC_OFF, 0, NULL) == 0) {
        /* A data file loses what is cut off before the size says so. */
        cut_model_resize(r->model, size, r->geometry->data_file ? CUT_SECTORS : r->cluster_sectors, begin);
        return;
    }
    /* Refused (nothing happened), or failed on the way: both sizes are possible, what lay above may be gone. */
    if (blk_getlength(r->blk) == (int64_t)old * BDRV_SECTOR_SIZE && cut_trips == trips) {
        return;
    }
    r->failures++;
    g_array_append_val(r->model->sizes, maybe);
    maybe.stamp = old;
    g_array_append_val(r->model->sizes, maybe);
    for (unsigned s = MIN(size, old); s < old; s++) {
        cut_model_write(r->model, s, 1, 0, true, true, begin);
    }
}

static void step_amend(CutRun *r)
{
    static const char *const choices[] = { "refcount_bits=8", "refcount_bits=16", "refcount_bits=64", "lazy_refcounts=on",
                                           "lazy_refcounts=off", "compat=0.10", "compat=1.1", "compat=0.10,refcount_bits=16" };
    BlockDriverState *bs = blk_bs(r->blk);
    QDict *text = opts_parse_list(choices[pick(r, 0, G_N_ELEMENTS(choices) - 1)], NULL, NULL, &error_abort);
    g_autoptr(QObject) opts = opts_check_all(text, bs->drv->amend_options, &error_abort);

    if (!r->geometry->data_file) {
        r->failures += bs->drv->amend(bs, opts, NULL, NULL, false, NULL) < 0;
    }
    qobject_unref(text);
}

static void step_bitmap(CutRun *r)
{
    g_autofree char *name = g_strdup_printf("b%u", pick(r, 0, 3));
    BlockDriverState *bs = blk_bs(r->blk);
    BdrvDirtyBitmap *bm = bdrv_find_dirty_bitmap(bs, name);

    if (r->geometry->v2) {
        return;
    }
    if (!bm) {
        bm = bdrv_create_dirty_bitmap(bs, 512 << pick(r, 0, 7), name, NULL);
        bdrv_dirty_bitmap_set_persistence(bm, true);
    } else if (pick(r, 0, 2) == 0 && !bdrv_dirty_bitmap_readonly(bm)) {
        bdrv_dirty_bitmap_set_persistence(bm, false);
        bdrv_release_dirty_bitmap(bm);
    } else if (pick(r, 0, 1) && !bdrv_dirty_bitmap_readonly(bm) && !bdrv_dirty_bitmap_inconsistent(bm)) {
        bdrv_clear_dirty_bitmap(bm, NULL);
    }
}

/* Closing makes all durable. */
static void step_reopen(CutRun *r)
{
    guint tick = cut_model_tick(r->model);
    int64_t trips = cut_trips;

    cut_run_close(r);
    if (cut_trips == trips) {
        cut_model_flush(r->model, tick, cut_now());
    } else {
        cut_model_doubt(r->model, cut_now());
    }
    cut_fail_at = 0;                   /* a failure at open is another test's subject */
    cut_run_open(r, &error_abort);
}

static void step_check(CutRun *r)
{
    BdrvCheckResult res = { 0 };

    r->failures += bdrv_check(blk_bs(r->blk), &res, BDRV_FIX_LEAKS | BDRV_FIX_ERRORS) < 0;
}

/* --- mixes --------------------------------------------------------------------------------- */

const CutScenario cut_scenarios[] = {
    { "writes", { { step_writes, 6 }, { step_flush, 3 } } },
    { "snapshots", { { step_writes, 4 }, { step_flush, 1 }, { step_snapshot, 3 }, { step_apply, 2 }, { step_delete, 2 } } },
    { "zeroes", { { step_writes, 3 }, { step_flush, 2 }, { step_zero, 3 }, { step_discard, 3 }, { step_snapshot, 1 } } },
    { "compressed", { { step_compressed, 5 }, { step_writes, 2 }, { step_flush, 2 }, { step_snapshot, 1 }, { step_discard, 1 } } },
    { "resize", { { step_resize, 4 }, { step_writes, 3 }, { step_flush, 2 }, { step_zero, 1 } } },
    { "resize-snapshots", { { step_resize, 3 }, { step_writes, 3 }, { step_snapshot, 1 }, { step_apply, 1 }, { step_flush, 1 } } },
    { "amend", { { step_amend, 4 }, { step_writes, 3 }, { step_flush, 1 }, { step_snapshot, 1 }, { step_zero, 1 } } },
    { "bitmaps", { { step_bitmap, 4 }, { step_writes, 3 }, { step_reopen, 2 }, { step_flush, 1 }, { step_snapshot, 1 } } },
    { "mixed", { { step_writes, 6 }, { step_flush, 2 }, { step_snapshot, 2 }, { step_apply, 1 }, { step_delete, 1 },
                 { step_zero, 1 }, { step_discard, 2 }, { step_compressed, 1 }, { step_reopen, 1 }, { step_check, 1 } } },
    { NULL }
};

void cut_scenario_step(CutRun *r, const CutScenario *s)
{
    unsigned total = 0, at;

    for (unsigned i = 0; s->steps[i].step; i++) {
        total += s->steps[i].weight;
    }
    at = pick(r, 0, total - 1);
    for (unsigned i = 0; s->steps[i].step; i++) {
        if (at < s->steps[i].weight) {
            s->steps[i].step(r);
            return;
        }
        at -= s->steps[i].weight;
    }
}
