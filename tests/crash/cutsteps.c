/*
 * The operations of a run, and the mixes of them that make scenarios.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "cutrun.h"
#include "qapi/dispatch.h"
#include "util/cutils.h"

/* A range inside the disk; sometimes whole clusters. */
static void pick_range(CutRun *r, unsigned most, unsigned *first, unsigned *n)
{
    unsigned size = cut_model_size(r->model), c = r->cluster_sectors;

    *first = cut_pick(r, 0, size - 1);
    *n = MIN(cut_pick(r, 1, most), size - *first);
    if (cut_pick(r, 0, 2) == 0 && size >= 2 * c) {
        *first = *first / c * c;
        *n = MIN(MAX(*n / c, 1u) * c, size - *first);
    }
}

/* --- guest requests ------------------------------------------------------------------- */

/* Begins a write when its last one ended, `left` times, in sectors of its own. */
typedef struct Writer { unsigned from, room, left; } Writer;

typedef struct Request {
    CutRun *run;
    Writer *writer;                    /* owned, NULL: none */
    unsigned first, n;
    uint32_t *buf;
    IoVec v;
    guint tick;                        /* of a flush */
} Request;

static unsigned running;

static void next_write(CutRun *r, Writer *w);

static void write_failed(CutRun *r, unsigned first, unsigned n, int ret)
{
    /* It may have left anything of itself: its end stays open. */
    cut_run_failed(r, ret);
    memset(r->model->unsure + first, true, n);
}

static void write_done(void *opaque, int ret)
{
    Request *q = opaque;
    Writer *w = q->writer;

    if (ret == 0) {
        cut_model_done(q->run->model, q->first, q->n);
    } else {
        write_failed(q->run, q->first, q->n, ret);
    }
    if (w && ret == 0 && w->left-- > 0) {
        next_write(q->run, w);
    } else {
        g_free(w);
    }
    g_free(q->buf);
    g_free(q);
    running--;
}

void cut_wait(void)
{
    while (running) {
        aio_poll(aio_main_context(), true);
    }
}

void cut_turn(unsigned n)
{
    while (n--) {
        aio_poll(aio_main_context(), false);
    }
}

static void start_write_flags(CutRun *r, unsigned first, unsigned n, Writer *w, BdrvRequestFlags flags)
{
    Request *q = g_new0(Request, 1);
    uint32_t stamp = cut_model_stamp(r->model);

    *q = (Request){ .run = r, .first = first, .n = n, .writer = w };
    q->buf = cut_buffer(n);
    cut_fill(q->buf, stamp, n);
    iov_init_buf(&q->v, q->buf, (size_t)n * BDRV_SECTOR_SIZE);
    cut_model_write(r->model, first, n, stamp, false, false, cut_now());
    running++;
    blk_aio_pwritev(r->blk, (int64_t)first * BDRV_SECTOR_SIZE, &q->v, flags, write_done, q);
}

static void start_write(CutRun *r, unsigned first, unsigned n, Writer *w) { start_write_flags(r, first, n, w, 0); }

static void next_write(CutRun *r, Writer *w)
{
    unsigned n = cut_pick(r, 1, MIN(w->room, 24u));

    start_write(r, w->from + cut_pick(r, 0, w->room - n), n, w);
}

void cut_start_writers(CutRun *r, unsigned count, unsigned each)
{
    unsigned room = cut_model_size(r->model) / count;

    for (unsigned i = 0; i < count; i++) {
        Writer *w = g_new(Writer, 1);

        *w = (Writer){ i * room, room, each };
        next_write(r, w);
    }
}

/* Up to four writes side by side, in separate ranges. */
void cut_step_writes(CutRun *r)
{
    unsigned at = 0, size = cut_model_size(r->model), count = cut_pick(r, 1, 4), part = size / count;

    for (unsigned i = 0; i < count; i++, at += part) {
        unsigned n = cut_pick(r, 1, MIN(part, 40u)), first = at + cut_pick(r, 0, part - n);

        start_write(r, first, n, NULL);
    }
    cut_wait();
}

/* A row of small writes side by side, each going on where the one before it ends. */
void cut_step_row(CutRun *r)
{
    unsigned n = 1u << cut_pick(r, 0, 3), size = cut_model_size(r->model), count = cut_pick(r, 2, 16);
    unsigned first = n * cut_pick(r, 0, (size - n) / n);

    for (unsigned i = 0; i < count && first + n <= size; i++, first += n) {
        start_write(r, first, n, NULL);
    }
    cut_wait();
}

/* Small writes into a few clusters, one after the other, which fill gaps and write over what came before. */
void cut_step_small(CutRun *r)
{
    unsigned c = MAX(r->cluster_sectors, 8u), size = cut_model_size(r->model), base = cut_pick(r, 0, size - 1) / c * c;

    for (unsigned i = cut_pick(r, 4, 16); i > 0; i--) {
        unsigned first = MIN(base + cut_pick(r, 0, 3) * c + cut_pick(r, 0, c - 1), size - 1);

        start_write(r, first, MIN(cut_pick(r, 1, 4), size - first), NULL);
        cut_wait();
    }
}

/* A write too long to wait in memory, with small ones on both sides of it, in the same pages and clusters. */
void cut_step_beside(CutRun *r)
{
    unsigned size = cut_model_size(r->model), n = cut_pick(r, 33, 60), first = size > n + 8 ? cut_pick(r, 4, size - n - 4) : 0;

    if (!first) {
        return;
    }
    if (cut_pick(r, 0, 1)) {
        start_write(r, first - 3, 3, NULL);
        start_write(r, first, n, NULL);
    } else {
        start_write(r, first, n, NULL);
        start_write(r, first - 3, 3, NULL);
    }
    start_write(r, first + n, 4, NULL);
    cut_turn(cut_pick(r, 0, 3));
    start_write(r, first - 4, 1, NULL);
    cut_wait();
}

void cut_step_flush(CutRun *r)
{
    guint tick = cut_model_tick(r->model);
    int ret = blk_flush(r->blk);

    if (ret == 0) {
        cut_model_flush(r->model, tick, cut_now());
    } else {
        cut_run_failed(r, ret);
    }
}

static void discard_done(void *opaque, int ret)
{
    Request *q = opaque;

    if (ret == 0) {
        cut_model_done(q->run->model, q->first, q->n);
    } else {
        write_failed(q->run, q->first, q->n, ret);
    }
    g_free(q);
    running--;
}

static void start_discard(CutRun *r, unsigned first, unsigned n)
{
    Request *q = g_new0(Request, 1);

    *q = (Request){ .run = r, .first = first, .n = n };
    cut_model_write(r->model, first, n, 0, true, true, cut_now());
    running++;
    blk_aio_pdiscard(r->blk, (int64_t)first * BDRV_SECTOR_SIZE, (int64_t)n * BDRV_SECTOR_SIZE, discard_done, q);
}

static void flush_done(void *opaque, int ret)
{
    Request *q = opaque;

    if (ret == 0) {
        cut_model_flush(q->run->model, q->tick, cut_now());
    } else {
        cut_run_failed(q->run, ret);
    }
    g_free(q);
    running--;
}

/* Clusters become free in a flush: this one runs beside other requests. */
static void start_flush(CutRun *r)
{
    Request *q = g_new0(Request, 1);

    *q = (Request){ .run = r, .tick = cut_model_tick(r->model) };
    running++;
    blk_aio_flush(r->blk, flush_done, q);
}

/* Writes and discards of whole clusters side by side: what one gives back, another wants. */
void cut_step_churn(CutRun *r)
{
    unsigned c = r->cluster_sectors, clusters = cut_model_size(r->model) / c, part = MIN(clusters / 6, 8u), at;

    if (r->geometry->data_file || r->geometry->in_place || r->geometry->backing || !part) {
        cut_step_writes(r);
        return;
    }
    start_flush(r);
    at = cut_pick(r, 0, clusters - 6 * part);
    for (unsigned i = 0; i < 6; i++, at += part) {
        unsigned n = cut_pick(r, 1, part), first = at + cut_pick(r, 0, part - n);

        if (cut_pick(r, 0, 2)) {
            start_write(r, first * c, n * c, NULL);
        } else {
            start_discard(r, first * c, n * c);
        }
    }
    cut_wait();
}

/* A compressed cluster, to where nothing is. */
static void start_compressed(CutRun *r, unsigned first)
{
    start_write_flags(r, first, r->cluster_sectors, NULL, BDRV_REQ_WRITE_COMPRESSED);
}

#define PACKING_TURNS 2000             /* until a worker has packed a cluster */

/* The cluster that takes compressed data becomes free, with a hole punched for it, while more is packed. */
void cut_step_packing(CutRun *r)
{
    unsigned c = r->cluster_sectors, clusters = cut_model_size(r->model) / c, at, turns = cut_discard_turns;

    if (r->geometry->data_file || r->geometry->in_place || r->geometry->backing || clusters < 6) {
        cut_step_writes(r);
        return;
    }
    at = cut_pick(r, 0, clusters - 6);
    start_discard(r, at * c, 6 * c);
    cut_wait();
    start_compressed(r, at * c);
    cut_wait();
    start_discard(r, at * c, c);
    cut_wait();
    cut_step_flush(r);
    start_write(r, (at + 5) * c, c, NULL);         /* the next cycle writes a table, flushes, and frees what the one before dropped */
    cut_wait();
    cut_discard_turns = PACKING_TURNS;
    start_flush(r);
    start_compressed(r, (at + 1) * c);
    cut_wait();
    cut_discard_turns = turns;
}

static void change(CutRun *r, unsigned first, unsigned n, bool soft, int (*fn)(BlockBackend *, int64_t, int64_t))
{
    int ret;

    cut_model_write(r->model, first, n, 0, true, soft, cut_now());
    ret = fn(r->blk, (int64_t)first * BDRV_SECTOR_SIZE, (int64_t)n * BDRV_SECTOR_SIZE);
    if (ret == 0) {
        cut_model_done(r->model, first, n);
    } else {
        write_failed(r, first, n, ret);
    }
}

static int do_zero(BlockBackend *blk, int64_t offset, int64_t bytes) { return blk_pwrite_zeroes(blk, offset, bytes, 0); }
static int do_zero_unmap(BlockBackend *blk, int64_t offset, int64_t bytes) { return blk_pwrite_zeroes(blk, offset, bytes, BDRV_REQ_MAY_UNMAP); }

void cut_step_zero(CutRun *r)
{
    unsigned first, n;

    pick_range(r, 64, &first, &n);
    change(r, first, n, false, cut_pick(r, 0, 1) ? do_zero : do_zero_unmap);
}

/* Discarded sectors hold zeroes, the backing image's content, or still what they held; where the place stays the guest's, anything. */
void cut_step_discard(CutRun *r)
{
    unsigned first, n;

    pick_range(r, 64, &first, &n);
    if (r->geometry->backing) {
        for (unsigned i = 0; i < n; i++) {
            uint32_t below;

            memcpy(&below, cut_disks[CUT_DISK_BELOW].data + (size_t)(first + i) * BDRV_SECTOR_SIZE, sizeof(below));
            cut_model_put(r->model, first + i, below, true, cut_now());
            cut_model_done(r->model, first + i, 1);
        }
    }
    if (r->geometry->data_file || r->geometry->in_place) {
        for (unsigned i = 0; i < n; i++) {
            cut_model_put(r->model, first + i, CUT_ANY, true, cut_now());
            cut_model_done(r->model, first + i, 1);
        }
    }
    change(r, first, n, true, blk_pdiscard);
}

void cut_step_compressed(CutRun *r)
{
    unsigned c = r->cluster_sectors, clusters = cut_model_size(r->model) / c, first, n = c;
    g_autofree uint32_t *buf = cut_buffer(c);
    uint32_t stamp = cut_model_stamp(r->model);
    int ret;

    if (r->geometry->data_file || !clusters) {
        return;
    }
    first = cut_pick(r, 0, clusters - 1) * c;
    cut_fill(buf, stamp, n);
    cut_model_write(r->model, first, n, stamp, false, false, cut_now());
    ret = blk_pwrite_compressed(r->blk, (int64_t)first * BDRV_SECTOR_SIZE, (int64_t)n * BDRV_SECTOR_SIZE, buf);
    if (ret == 0) {
        cut_model_done(r->model, first, n);
    } else {
        /* -EIO also says that there was something; what lacked memory before may have done without. */
        write_failed(r, first, n, ret == -EIO && cut_cause == ENOMEM ? -ENOMEM : ret);
    }
}

/* --- the image as a whole --------------------------------------------------------------- */

void cut_step_resize(CutRun *r)
{
    unsigned old = cut_model_size(r->model), size = cut_pick(r, cut_sectors / 4, cut_sectors);
    guint begin = cut_now();
    CutChange maybe = { begin, G_MAXUINT, size, false };
    int64_t met = cut_met();
    Error *err = NULL;
    static const PreallocMode modes[] = { PREALLOC_OFF, PREALLOC_OFF, PREALLOC_METADATA, PREALLOC_FALLOC, PREALLOC_FULL };
    PreallocMode mode = modes[cut_pick(r, 0, G_N_ELEMENTS(modes) - 1)];
    int ret = blk_truncate(r->blk, (int64_t)size * BDRV_SECTOR_SIZE, true, mode, 0, &err);

    if (ret == 0) {
        /* A data file loses what is cut off before the size says so. */
        cut_model_resize(r->model, size, r->geometry->data_file ? cut_sectors : r->cluster_sectors, begin);
        return;
    }
    /* Refused (nothing happened), or failed on the way: both sizes are possible, what lay above may be gone. */
    if (blk_getlength(r->blk) == (int64_t)old * BDRV_SECTOR_SIZE && cut_met() == met) {
        error_free(err);
        return;
    }
    cut_run_failed_err(r, ret, err);
    g_array_append_val(r->model->sizes, maybe);
    maybe.stamp = old;
    g_array_append_val(r->model->sizes, maybe);
    for (unsigned s = MIN(size, old); s < old; s++) {
        cut_model_write(r->model, s, 1, 0, true, true, begin);
    }
}

int cut_step_goes_on(CutRun *r)
{
    g_autofree uint32_t *buf = cut_buffer(1);
    uint32_t stamp = cut_model_stamp(r->model);
    guint tick;
    int ret;

    cut_fill(buf, stamp, 1);
    cut_model_write(r->model, 0, 1, stamp, false, false, cut_now());
    ret = blk_pwrite(r->blk, 0, BDRV_SECTOR_SIZE, buf, 0);
    if (ret < 0) {
        memset(r->model->unsure, true, 1);
        return ret;
    }
    cut_model_done(r->model, 0, 1);
    tick = cut_model_tick(r->model);
    ret = blk_flush(r->blk);
    if (ret == 0) {
        cut_model_flush(r->model, tick, cut_now());
    }
    return ret;
}

/* Closing makes all durable. */
void cut_step_reopen(CutRun *r)
{
    cut_run_close(r);
    cut_run_reopen(r);
}

void cut_step_check(CutRun *r)
{
    BdrvCheckResult res = { 0 };
    int ret = bdrv_check(blk_bs(r->blk), &res, BDRV_FIX_LEAKS | (r->mended && r->only_leaks ? 0 : BDRV_FIX_ERRORS));

    if (ret < 0) {
        cut_run_failed(r, ret);
    } else if (r->mended == G_MAXUINT) {
        r->mended = cut_now();
    }
}

char *cut_qmp(const char *command, const char *arguments)
{
    g_autofree char *text = g_strdup_printf("{\"execute\":\"%s\",\"arguments\":%s}", command, arguments);
    QObject *request = json_parse(text, &error_abort);
    QDict *reply = qmp_dispatch(request, QMP_PHASE_COMMANDS, false);
    QDict *error = qdict_get_dict(reply, "error");
    char *why = error ? g_strdup(qdict_get_str(error, "desc")) : NULL;

    qobject_unref(request);
    qobject_unref(reply);
    return why;
}

/* --- mixes --------------------------------------------------------------------------------- */

static bool has_snapshots(const CutGeometry *g) { return g->snapshots; }
static bool can_be_upper(const CutGeometry *g) { return !g->backing && !g->luks && !g->raw; }
static bool has_bitmaps(const CutGeometry *g) { return !g->v2; }
static bool has_keys(const CutGeometry *g) { return g->luks; }
static bool can_be_grouped(const CutGeometry *g) { return g->snapshots && !g->backing; }
static bool has_group_bitmaps(const CutGeometry *g) { return can_be_grouped(g) && !g->v2; }

#define STEP(name, weight) { cut_step_##name, weight, #name }

const CutScenario cut_scenarios[] = {
    { "writes", { STEP(writes, 6), STEP(flush, 3) } },
    { "rows", { STEP(row, 6), STEP(flush, 2), STEP(discard, 1), STEP(zero, 1), STEP(snapshot, 1) } },
    { "snapshots", { STEP(writes, 4), STEP(flush, 1), STEP(snapshot, 3), STEP(apply, 2), STEP(delete, 2) }, .fits = has_snapshots },
    { "live", { STEP(writes, 2), STEP(flush, 1), STEP(live_snapshot, 4), STEP(delete_live, 2), STEP(apply, 1), STEP(apply_live, 2) }, .fits = has_snapshots },
    { "kept", { STEP(small, 6), STEP(beside, 3), STEP(snapshot, 3), STEP(flush, 1), STEP(zero, 1), STEP(discard, 1), STEP(compressed, 1), STEP(churn, 1),
                STEP(status, 1), STEP(delete_live, 1), STEP(reopen, 1) } },
    { "zeroes", { STEP(writes, 3), STEP(flush, 2), STEP(zero, 3), STEP(discard, 3), STEP(snapshot, 1) } },
    { "compressed", { STEP(compressed, 5), STEP(packing, 2), STEP(writes, 2), STEP(flush, 2), STEP(snapshot, 1), STEP(discard, 1) } },
    { "resize", { STEP(resize, 4), STEP(writes, 3), STEP(flush, 2), STEP(zero, 1) } },
    { "resize-snapshots", { STEP(resize, 3), STEP(writes, 3), STEP(snapshot, 1), STEP(apply, 1), STEP(flush, 1) }, .fits = has_snapshots },
    { "amend", { STEP(amend, 4), STEP(writes, 3), STEP(flush, 1), STEP(snapshot, 1), STEP(zero, 1) }, },
    { "keys", { STEP(keys, 4), STEP(writes, 2), STEP(flush, 1), STEP(snapshot, 1), STEP(reopen, 1) }, .fits = has_keys },
    { "bitmaps", { STEP(bitmap, 5), STEP(writes, 3), STEP(reopen, 2), STEP(flush, 1), STEP(snapshot, 1) }, .fits = has_bitmaps },
    { "commit", { STEP(writes, 4), STEP(flush, 1), STEP(commit, 2), STEP(commit_live, 2), STEP(commit_job, 2), STEP(discard, 1) },
      .shape = CUT_CHAIN, .fits = can_be_upper },
    { "rebase", { STEP(writes, 4), STEP(flush, 1), STEP(rebase, 4), STEP(commit_live, 1), STEP(zero, 1) }, .shape = CUT_CHAIN, .fits = can_be_upper },
    { "jobs", { STEP(writes, 4), STEP(flush, 1), STEP(mirror, 3), STEP(backup, 3), STEP(stream, 2), STEP(rebase, 1) }, .shape = CUT_CHAIN,
      .fits = can_be_upper },
    { "group", { STEP(group_writes, 3), STEP(flush, 1), STEP(group_snapshot, 4), STEP(group_apply, 2), STEP(group_delete, 2) },
      .shape = CUT_GROUP, .fits = can_be_grouped },
    { "group-bitmaps", { STEP(group_writes, 3), STEP(bitmap_transaction, 4), STEP(group_reopen, 2), STEP(group_snapshot, 1) },
      .shape = CUT_GROUP, .fits = has_group_bitmaps },
    { "machine", { STEP(writes, 4), STEP(flush, 1), STEP(machine_save, 4), STEP(machine_load, 2), STEP(machine_delete, 2), STEP(resize, 1),
                   STEP(snapshot, 1) }, .fits = has_snapshots },
    { "group-machine", { STEP(group_writes, 3), STEP(flush, 1), STEP(machine_save, 4), STEP(machine_load, 2), STEP(machine_delete, 2) },
      .shape = CUT_GROUP, .fits = can_be_grouped },
    { "repair", { STEP(writes, 4), STEP(flush, 1), STEP(snapshot, 1), STEP(discard, 1), STEP(check, 1) }, .shape = CUT_DAMAGED },
    { "reuse", { STEP(churn, 8), STEP(flush, 2), STEP(snapshot, 1), STEP(delete, 1), STEP(zero, 1) } },
    { "looks", { STEP(writes, 3), STEP(snapshot, 3), STEP(status, 1), STEP(compare_states, 2), STEP(look_at, 2), STEP(vmstate, 2), STEP(copy, 2),
                 STEP(options, 2), STEP(delete_many, 1), STEP(discard, 1) } },
    { "mixed", { STEP(writes, 6), STEP(flush, 2), STEP(snapshot, 2), STEP(apply, 1), STEP(delete, 1), STEP(zero, 1), STEP(discard, 2),
                 STEP(compressed, 1), STEP(reopen, 1), STEP(check, 1) } },
    { NULL }
};

bool cut_scenario_fits(const CutScenario *s, const CutGeometry *g)
{
    /* Opening with keys is slow: only what differs. */
    return g->luks ? s->fits == has_keys || !strcmp(s->name, "amend") || s->shape == CUT_GROUP || !strcmp(s->name, "mixed") : !s->fits || s->fits(g);
}

void cut_scenario_step(CutRun *r, const CutScenario *s)
{
    unsigned total = 0, at;

    for (unsigned i = 0; s->steps[i].step; i++) {
        total += s->steps[i].weight;
    }
    at = cut_pick(r, 0, total - 1);
    for (unsigned i = 0; s->steps[i].step; i++) {
        if (at < s->steps[i].weight) {
            r->doing = s->steps[i].name;
            cut_run_step_begins();
            s->steps[i].step(r);
            return;
        }
        at -= s->steps[i].weight;
    }
}
