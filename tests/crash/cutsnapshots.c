/*
 * Steps on internal snapshots: of one disk, stopped and with writers under way, and of several at once.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "alloccount.h"
#include "block/snapshot.h"
#include "cutrun.h"

/* --- what the model is told --------------------------------------------------------------- */

void cut_snapshot_created(CutRun *r, const char *name, guint tick, int ret, const char *why)
{
    CutSnapshot *s = cut_model_find(r->model, name);
    QEMUSnapshotInfo sn;

    if (ret == 0) {
        s->id = bdrv_snapshot_find(blk_bs(r->blk), &sn, name) == 0 ? g_strdup(sn.id_str) : NULL;
        s->end = cut_now();
        cut_model_flush(r->model, tick, cut_now());
    } else {
        cut_run_failed_text(r, ret, why);
        s->gone_begin = s->begin;
    }
}

/* A live snapshot is looked at once, and has to stay what it was. */
static void pin(CutRun *r, const char *name)
{
    CutSnapshot *s = cut_model_find(r->model, name);
    g_autofree uint32_t *stamps = g_new0(uint32_t, s->n);
    BlockBackend *blk = cut_open_image(r, false, NULL, NULL);
    unsigned bad;
    int where;

    if (!blk || bdrv_snapshot_load_tmp(blk_bs(blk), NULL, name, NULL) < 0 || !cut_read_stamps(blk, s->n, stamps, &bad)) {
        cut_run_wrong(r, "snapshot %s cannot be read after it was taken", name);
    } else if ((where = cut_model_pin(r->model, s, stamps)) >= 0) {
        cut_run_wrong(r, "snapshot %s: sector %d holds %u", name, where, stamps[where]);
    }
    if (blk) {
        blk_unref(blk);
    }
}

/* A snapshot that is there for certain, of which all is known; NULL: none. */
static CutSnapshot *pick_snapshot(CutRun *r)
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

void cut_snapshot_applied(CutRun *r, const CutSnapshot *s, guint begin, int ret, const char *why)
{
    CutModel *m = r->model;

    for (unsigned i = 0; i < MAX(s->n, cut_model_size(m)); i++) {
        cut_model_put(m, i, i < s->n ? s->stamps[i] : 0, false, begin);
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
    } else {
        cut_run_failed_text(r, ret, why);
    }
}

/* How many changes each sector of the model has had. */
static guint *count_changes(const CutModel *m)
{
    guint *n = g_new0(guint, m->sectors);

    for (unsigned i = 0; i < m->sectors; i++) {
        n[i] = m->changes[i] ? m->changes[i]->len : 0;
    }
    return n;
}

/* Was sector i given that stamp since then? */
static bool written_since(const CutModel *m, unsigned i, guint since, uint32_t stamp)
{
    for (guint c = since; m->changes[i] && c < m->changes[i]->len; c++) {
        if (g_array_index(m->changes[i], CutChange, c).stamp == stamp) {
            return true;
        }
    }
    return false;
}

/* The same with writes under way, which landed before or after: what the disk shows now has to be one of the two, and to stay. */
static void applied_live(CutRun *r, const CutSnapshot *s, guint begin, const guint *since, int ret, const char *why)
{
    CutModel *m = r->model;
    g_autofree uint32_t *shown = g_new0(uint32_t, s->n);
    bool known = ret == 0 && cut_may_look();
    unsigned bad;

    if (known && !cut_read_stamps(r->blk, s->n, shown, &bad)) {
        cut_run_wrong(r, "sector %u cannot be read or is mixed after the revert", bad);
        return;
    }
    for (unsigned i = 0; i < s->n; i++) {
        if (known && shown[i] != s->stamps[i] && s->stamps[i] != CUT_ANY && !written_since(m, i, since[i], shown[i])) {
            cut_run_wrong(r, "after a revert with writes under way sector %u holds %u", i, shown[i]);
        }
        cut_model_put(m, i, s->stamps[i], false, begin);
        cut_model_put(m, i, known ? shown[i] : CUT_ANY, false, begin);
        m->unsure[i] = !known;
        if (known) {
            cut_model_done(m, i, 1);
        }
    }
    if (ret < 0) {
        cut_run_failed_text(r, ret, why);
    }
}

/* --- one disk ------------------------------------------------------------------------------- */

static void take(CutRun *r, bool live)
{
    QEMUSnapshotInfo sn = { .date_sec = 1 };
    guint tick = cut_model_tick(r->model);
    g_autoptr(Error) err = NULL;
    int ret;

    g_snprintf(sn.name, sizeof(sn.name), "s%u", r->snapshot_count++);
    cut_model_snapshot(r->model, sn.name, live, cut_now());
    ret = bdrv_snapshot_create(blk_bs(r->blk), &sn, &err);
    cut_snapshot_created(r, sn.name, tick, ret, err ? error_get_pretty(err) : NULL);
    if (live) {
        cut_wait();
        if (ret == 0 && cut_may_look()) {
            pin(r, sn.name);
        }
    }
}

void cut_step_snapshot(CutRun *r)
{
    if (r->geometry->snapshots) {
        take(r, false);
    }
}

void cut_step_live_snapshot(CutRun *r)
{
    cut_start_writers(r, 3, cut_pick(r, 0, 4));
    cut_turn(cut_pick(r, 0, 4));
    take(r, true);
}

void cut_step_apply(CutRun *r)
{
    CutSnapshot *s = pick_snapshot(r);
    guint begin = cut_now();
    g_autoptr(Error) err = NULL;
    int ret;

    if (s) {
        ret = bdrv_snapshot_goto(blk_bs(r->blk), s->name, &err);
        cut_snapshot_applied(r, s, begin, ret, err ? error_get_pretty(err) : NULL);
    }
}

void cut_step_apply_live(CutRun *r)
{
    CutSnapshot *s = pick_snapshot(r);
    guint begin = cut_now();
    g_autofree guint *since = count_changes(r->model);
    g_autoptr(Error) err = NULL;
    int ret;

    if (!s || s->n != cut_model_size(r->model)) {
        return;
    }
    cut_start_writers(r, 3, cut_pick(r, 0, 4));
    cut_turn(cut_pick(r, 0, 4));
    ret = bdrv_snapshot_goto(blk_bs(r->blk), s->name, &err);
    cut_wait();
    applied_live(r, s, begin, since, ret, err ? error_get_pretty(err) : NULL);
}

static void delete(CutRun *r, CutSnapshot *s)
{
    guint tick = cut_model_tick(r->model);
    Error *err = NULL;
    int ret;

    s->gone_begin = cut_now();
    ret = bdrv_snapshot_delete(blk_bs(r->blk), NULL, s->name, &err);
    if (ret == 0) {
        s->gone_end = cut_now();
        cut_model_flush(r->model, tick, s->gone_end);
    } else {
        cut_run_failed_err(r, ret, err);
    }
}

void cut_step_delete(CutRun *r)
{
    CutSnapshot *s = pick_snapshot(r);

    if (s) {
        delete(r, s);
    }
}

void cut_step_delete_live(CutRun *r)
{
    CutSnapshot *s = pick_snapshot(r);

    if (s) {
        cut_start_writers(r, 3, cut_pick(r, 0, 4));
        cut_turn(cut_pick(r, 0, 4));
        delete(r, s);
        cut_wait();
    }
}

/* --- several disks, by the emulator's transactions -------------------------------------------- */

void cut_step_group_writes(CutRun *r)
{
    for (CutRun *m = r; m; m = m->next) {
        cut_start_writers(m, 2, cut_pick(r, 0, 3));
    }
    cut_wait();
}

void cut_step_group_reopen(CutRun *r)
{
    for (CutRun *m = r; m; m = m->next) {
        cut_step_reopen(m);
    }
}

/* One action of a kind for each disk. NULL, or the error's text. */
static char *transaction(CutRun *r, const char *type, const char *name)
{
    GString *text = g_string_new("{\"actions\":[");
    char *error;

    for (CutRun *m = r; m; m = m->next) {
        g_string_append_printf(text, "%s{\"type\":\"%s\",\"data\":{\"device\":\"image%d\",\"name\":\"%s\"}}", m == r ? "" : ",", type,
                               m->disk, name);
    }
    g_string_append(text, "]}");
    error = cut_qmp("transaction", text->str);
    g_string_free(text, true);
    if (error && !cut_met()) {
        cut_run_wrong(r, "%s of %s: %s", type, name, error);
    }
    return error;
}

/* Writers go on on all disks while it is taken. */
void cut_step_group_snapshot(CutRun *r)
{
    g_autofree char *name = g_strdup_printf("g%u", r->snapshot_count++), *error = NULL;
    guint ticks[CUT_DISKS];

    for (CutRun *m = r; m; m = m->next) {
        cut_start_writers(m, 2, cut_pick(r, 0, 4));
    }
    cut_turn(cut_pick(r, 0, 4));
    for (CutRun *m = r; m; m = m->next) {
        ticks[m->disk] = cut_model_tick(m->model);
        cut_model_snapshot(m->model, name, true, cut_now());
    }
    error = transaction(r, "blockdev-snapshot-internal-sync", name);
    for (CutRun *m = r; m; m = m->next) {
        cut_snapshot_created(m, name, ticks[m->disk], error ? -cut_fail_errno : 0, error);
    }
    cut_wait();
    for (CutRun *m = r; m && !error && cut_may_look(); m = m->next) {
        pin(m, name);
    }
}

CutSnapshot *cut_pick_common(CutRun *r)
{
    CutSnapshot *s = pick_snapshot(r);

    for (CutRun *m = r->next; m && s; m = m->next) {
        const CutSnapshot *there = cut_model_find(m->model, s->name);

        s = there && there->end != G_MAXUINT && there->gone_begin == G_MAXUINT && !there->since ? s : NULL;
    }
    return s;
}

void cut_step_group_apply(CutRun *r)
{
    CutSnapshot *s = cut_pick_common(r);
    guint begin = cut_now(), *since[CUT_DISKS] = { NULL };
    g_autofree char *error = NULL;
    bool live = cut_pick(r, 0, 1);

    if (!s) {
        return;
    }
    for (CutRun *m = r; m && live; m = m->next) {
        since[m->disk] = count_changes(m->model);
        cut_start_writers(m, 2, cut_pick(r, 0, 3));
    }
    cut_turn(live ? cut_pick(r, 0, 4) : 0);
    error = transaction(r, "blockdev-snapshot-apply-internal-sync", s->name);
    cut_wait();
    for (CutRun *m = r; m; m = m->next) {
        const CutSnapshot *own = cut_model_find(m->model, s->name);

        if (live) {
            applied_live(m, own, begin, since[m->disk], error ? -cut_fail_errno : 0, error);
        } else {
            cut_snapshot_applied(m, own, begin, error ? -cut_fail_errno : 0, error);
        }
        g_free(since[m->disk]);
    }
}

void cut_step_group_delete(CutRun *r)
{
    CutSnapshot *s = cut_pick_common(r);
    g_autofree char *name = s ? g_strdup(s->name) : NULL;

    for (CutRun *m = r; m && s; m = m->next) {
        delete(m, cut_model_find(m->model, name));
    }
}
