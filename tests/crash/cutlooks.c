/*
 * Steps that look at an image or change how it is open: what they say has to fit the model, and they fail with the cause only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "alloccount.h"
#include "block/snapshot.h"
#include "cutrun.h"
#include "util/cutils.h"

/* A snapshot that is there for certain; NULL: none. */
static CutSnapshot *some_snapshot(CutRun *r)
{
    GArray *all = r->model->snapshots;

    for (unsigned tries = 0; all->len && tries < 8; tries++) {
        CutSnapshot *s = &g_array_index(all, CutSnapshot, cut_pick(r, 0, all->len - 1));

        if (s->end != G_MAXUINT && s->gone_begin == G_MAXUINT && !s->since) {
            return s;
        }
    }
    return NULL;
}

/* Ranges that are said to read as zeroes do, as far as it is known. */
void cut_step_status(CutRun *r)
{
    int64_t size = (int64_t)cut_model_size(r->model) * BDRV_SECTOR_SIZE, n;
    g_autofree uint32_t *expected = cut_expected(r);

    for (int64_t at = 0; at < size && !r->wrong; at += n) {
        int ret = bdrv_block_status_above(blk_bs(r->blk), NULL, at, size - at, &n, NULL, NULL, NULL);

        if (ret < 0 || n <= 0) {
            cut_run_failed(r, ret);
            return;
        }
        for (int64_t s = at / BDRV_SECTOR_SIZE; (ret & BDRV_BLOCK_ZERO) && s < (at + n) / BDRV_SECTOR_SIZE; s++) {
            if (expected[s] && expected[s] != CUT_ANY) {
                cut_run_wrong(r, "sector %" PRId64 " is said to be zero", s);
            }
        }
    }
}

typedef struct Differences { bool *in; unsigned n; } Differences;

static void note_difference(void *opaque, int64_t offset, int64_t bytes)
{
    Differences *d = opaque;

    for (int64_t s = offset / BDRV_SECTOR_SIZE; s < (int64_t)d->n && s * (int64_t)BDRV_SECTOR_SIZE < offset + bytes; s++) {
        d->in[s] = true;
    }
}

/* Every sector that differs between a snapshot and now is in a range; sizes are told for each snapshot. */
void cut_step_compare_states(CutRun *r)
{
    const CutSnapshot *s = some_snapshot(r);
    g_autofree uint32_t *expected = cut_expected(r);
    unsigned n = MIN(s ? s->n : 0, cut_model_size(r->model));
    g_autofree bool *in = g_new0(bool, cut_sectors);
    g_autofree QEMUSnapshotInfo *list = NULL;
    g_autofree BdrvSnapshotUsage *usage = NULL;
    Differences d = { in, cut_sectors };
    Error *err = NULL;
    int ret;

    if (!s) {
        return;
    }
    ret = bdrv_snapshot_diff(blk_bs(r->blk), s->name, NULL, note_difference, &d, &err);
    if (ret < 0) {
        cut_run_failed_err(r, ret, err);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        if (!in[i] && s->stamps[i] != expected[i] && s->stamps[i] != CUT_ANY && expected[i] != CUT_ANY) {
            cut_run_wrong(r, "sector %u differs from snapshot %s, which it does not say", i, s->name);
        }
    }
    ret = bdrv_snapshot_usage(blk_bs(r->blk), &list, &usage, &err);
    if (ret < 0) {
        cut_run_failed_err(r, ret, err);
    } else if (ret == 0) {
        cut_run_wrong(r, "no snapshot is told of");
    }
}

/* A second opening of the file shows the snapshot. */
void cut_step_look_at(CutRun *r)
{
    const CutSnapshot *s = some_snapshot(r);
    Error *err = NULL;
    BlockBackend *blk = s && blk_flush(r->blk) == 0 ? cut_open_image(r, false, NULL, &err) : NULL;
    int ret = err ? -cut_cause : 0;

    if (blk) {
        ret = bdrv_snapshot_load_tmp(blk_bs(blk), NULL, s->name, &err);
    }
    if (ret < 0) {
        cut_run_failed_err(r, ret, err);
    } else if (blk && cut_may_look()) {
        cut_compare(r, blk, s->stamps, MIN(s->n, cut_model_size(r->model)), "a snapshot that is looked at");
    }
    error_free(ret < 0 ? NULL : err);
    if (blk) {
        blk_unref(blk);
    }
}

/* State of a machine beside the disk. */
void cut_step_vmstate(CutRun *r)
{
    int size = cut_pick(r, 1, 40) * 1000, pos = cut_pick(r, 0, 3) * 7000, ret;
    g_autofree uint8_t *out = (uint8_t *)cut_buffer(128), *in = (uint8_t *)cut_buffer(128);

    if (!r->geometry->snapshots) {
        return;
    }
    memset(out, cut_pick(r, 1, 255), size);
    ret = blk_save_vmstate(r->blk, out, pos, size);
    ret = ret < 0 ? ret : blk_load_vmstate(r->blk, in, pos, size);
    if (ret < 0) {
        cut_run_failed(r, ret);
    } else if (memcmp(in, out, size)) {
        cut_run_wrong(r, "the machine's state is not what was saved");
    }
}

/* Sectors of the disk to another place on it. */
void cut_step_copy(CutRun *r)
{
    unsigned size = cut_model_size(r->model), n = cut_pick(r, 1, MIN(64u, size / 2)), from = cut_pick(r, 0, size / 2 - n);
    unsigned to = cut_pick(r, size / 2, size - n);
    int64_t sector = BDRV_SECTOR_SIZE;
    int ret;

    for (unsigned i = 0; i < n; i++) {
        cut_model_put(r->model, to + i, r->model->unsure[from + i] ? CUT_ANY : r->model->now[from + i], false, cut_now());
    }
    ret = blk_copy_range(r->blk, from * sector, r->blk, to * sector, n * sector, 0);
    for (unsigned i = 0; i < n; i++) {
        r->model->unsure[to + i] = ret < 0 || r->model->unsure[from + i];
    }
    if (ret < 0) {
        cut_run_failed(r, ret);
    } else {
        cut_model_done(r->model, to, n);
    }
}

/* Other options while the image is open. */
void cut_step_options(CutRun *r)
{
    static const char *const names[] = { "lazy-refcounts", "pass-discard-other", "overlap-check.inactive-l2" };
    QDict *options = qdict_new();
    Error *err = NULL;
    int ret;

    qdict_put_str(options, names[cut_pick(r, r->geometry->v2, G_N_ELEMENTS(names) - 1)], cut_pick(r, 0, 1) ? "on" : "off");
    ret = bdrv_reopen(blk_bs(r->blk), options, true, &err);
    if (ret < 0) {
        cut_run_failed_err(r, ret, err);
    }
}

/* Several snapshots by one call: those before the one that failed are gone. */
void cut_step_delete_many(CutRun *r)
{
    QEMUSnapshotInfo list[4] = { { .date_sec = 0 } };
    int64_t freed[4] = { 0 };
    guint tick = cut_model_tick(r->model), begin = cut_now();
    unsigned n = 0, done = 0;
    Error *err = NULL;
    int ret;

    for (guint i = 0; i < r->model->snapshots->len && n < G_N_ELEMENTS(list); i++) {
        CutSnapshot *s = &g_array_index(r->model->snapshots, CutSnapshot, i);

        if (s->end == G_MAXUINT || s->gone_begin != G_MAXUINT) {
            continue;
        }
        ret = bdrv_snapshot_find(blk_bs(r->blk), &list[n], s->name);
        if (ret < 0) {
            cut_run_failed(r, ret);
            return;
        }
        n++;
    }
    for (unsigned i = 0; i < n; i++) {
        cut_model_find(r->model, list[i].name)->gone_begin = begin;
    }
    ret = n ? bdrv_snapshot_delete_many(blk_bs(r->blk), list, n, freed, &done, &err) : 0;
    for (unsigned i = 0; i < done; i++) {
        cut_model_find(r->model, list[i].name)->gone_end = cut_now();
    }
    if (ret < 0) {
        cut_run_failed_err(r, ret, err);
    } else if (n) {
        cut_model_flush(r->model, tick, cut_now());
    }
}
