/*
 * Is what the disks hold a state that the model allows?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <string.h>
#include "block/snapshot.h"
#include "cutbitmaps.h"
#include "cutjudge.h"
#include "cutmachine.h"

static char *judge_content(const CutModel *m, guint at, BlockBackend *blk, uint32_t **out, unsigned *size)
{
    int64_t len = blk_getlength(blk);
    unsigned n = len / BDRV_SECTOR_SIZE, bad;
    g_autofree uint32_t *stamps = g_new0(uint32_t, MAX(n, 1u));

    if (len < 0 || !cut_model_size_ok(m, n, at)) {
        return g_strdup_printf("the size is %" PRId64, len);
    }
    if (!cut_read_stamps(blk, n, stamps, &bad)) {
        return g_strdup_printf("sector %u cannot be read, or mixes two contents", bad);
    }
    for (unsigned s = 0; s < n; s++) {
        if (!cut_model_ok(m, s, stamps[s], at)) {
            return g_strdup_printf("sector %u holds %u, now %u", s, stamps[s], m->now[s]);
        }
    }
    *out = g_steal_pointer(&stamps);
    *size = n;
    return NULL;
}

/* The run's own image, or (disk >= 0) one below it. */
static BlockBackend *open_for(const CutRun *r, int disk, bool writable, Error **errp)
{
    return disk < 0 ? cut_open_image(r, writable, NULL, errp) : cut_open_qcow2(disk, writable, errp);
}

static char *judge_snapshot(const CutRun *r, int disk, const QEMUSnapshotInfo *sn, const CutSnapshot *s)
{
    Error *err = NULL;
    BlockBackend *blk = open_for(r, disk, false, &err);
    unsigned n = s->n, bad;
    g_autofree uint32_t *stamps = g_new0(uint32_t, MAX(n, 1u));
    char *why = NULL;

    if (!blk || bdrv_snapshot_load_tmp(blk_bs(blk), sn->id_str, sn->name, &err) < 0) {
        why = g_strdup_printf("snapshot %s: %s", s->name, error_get_pretty(err));
        error_free(err);
    } else {
        /* A snapshot is shown in the present size, as by the stock tools. */
        n = MIN(n, blk_getlength(blk) / BDRV_SECTOR_SIZE);
        if (!cut_read_stamps(blk, n, stamps, &bad)) {
            why = g_strdup_printf("snapshot %s: sector %u cannot be read or is mixed", s->name, bad);
        }
    }
    for (unsigned i = 0; i < n && !why; i++) {
        if (s->stamps[i] != stamps[i] && s->stamps[i] != CUT_ANY) {
            why = g_strdup_printf("snapshot %s: sector %u holds %u, not %u", s->name, i, stamps[i], s->stamps[i]);
        }
    }
    if (blk) {
        blk_unref(blk);
    }
    return why;
}

/* After a revert in an image that is thrown away: all of the disk and of the machine. */
static char *judge_state(const CutRun *r, const QEMUSnapshotInfo *sn, const CutSnapshot *s)
{
    Error *err = NULL;
    BlockBackend *blk = open_for(r, -1, true, &err);
    char *why, *text;

    if (!blk || bdrv_snapshot_goto(blk_bs(blk), sn->id_str, &err) < 0) {
        why = g_strdup(error_get_pretty(err));
        error_free(err);
    } else {
        why = cut_machine_judge(blk, sn->vm_state_size, s->state);
    }
    if (blk) {
        blk_unref(blk);
    }
    text = why ? g_strdup_printf("snapshot %s: %s", s->name, why) : NULL;
    g_free(why);
    return text;
}

static bool is_another(const GArray *all, const QEMUSnapshotInfo *sn)
{
    for (guint i = 0; i < all->len; i++) {
        const CutSnapshot *s = &g_array_index(all, CutSnapshot, i);

        if (s->id && !strcmp(s->id, sn->id_str) && !strcmp(s->name, sn->name)) {
            return true;
        }
    }
    return false;
}

/* There may be two of a name, while one takes the other's place: then their ids tell. */
static const QEMUSnapshotInfo *find_listed(const GArray *all, const QEMUSnapshotInfo *list, int n, const CutSnapshot *s)
{
    for (int i = 0; i < n; i++) {
        if (!strcmp(list[i].name, s->name) && (s->id ? !strcmp(list[i].id_str, s->id) : !is_another(all, &list[i]))) {
            return &list[i];
        }
    }
    return NULL;
}

/* The old one goes when the new one is durable. */
static bool both_gone(const GArray *all, const QEMUSnapshotInfo *list, int n, const CutSnapshot *s, guint at)
{
    const CutSnapshot *old = s->replaces ? &g_array_index(all, CutSnapshot, s->replaces - 1) : NULL;

    return old && old->end <= at && s->gone_begin >= at && !find_listed(all, list, n, old) && !find_listed(all, list, n, s);
}

static char *judge_snapshots(const CutRun *r, int disk, const CutModel *m, guint at, const QEMUSnapshotInfo *list, int n)
{
    const GArray *all = m->snapshots;
    char *why = NULL;
    int expected = 0;

    for (guint i = 0; i < all->len && !why; i++) {
        const CutSnapshot *s = &g_array_index(all, CutSnapshot, i);
        const QEMUSnapshotInfo *there = find_listed(all, list, n, s);

        expected += there != NULL;
        if (there && s->begin > at) {
            why = g_strdup_printf("snapshot %s is there before it was taken", s->name);
        } else if (there && s->gone_end <= at) {
            why = g_strdup_printf("snapshot %s is there after it was deleted", s->name);
        } else if (!there && s->end <= at && s->gone_begin >= at) {
            why = g_strdup_printf("snapshot %s is lost", s->name);
        } else if (there) {
            why = judge_snapshot(r, disk, there, s);
        } else if (both_gone(all, list, n, s, at)) {
            why = g_strdup_printf("snapshot %s is lost with the one it was to replace", s->name);
        }
        if (!why && there && !s->state != !there->vm_state_size) {
            why = g_strdup_printf("snapshot %s has a state of %" PRIu64 " bytes", s->name, there->vm_state_size);
        }
        if (!why && there && s->state) {
            why = judge_state(r, there, s);
        }
    }
    return why ? why : n != expected ? g_strdup_printf("%d snapshots, %d known", n, expected) : NULL;
}

static char *judge_check(BlockBackend *blk, BdrvCheckFix fix, int64_t *leaks)
{
    BdrvCheckResult res = { 0 };
    int ret = bdrv_check(blk_bs(blk), &res, fix);

    *leaks = res.leaks;
    if (ret < 0 || res.corruptions || res.check_errors) {
        return g_strdup_printf("check: %d, %" PRId64 " corruptions, %" PRId64 " errors", ret, res.corruptions, res.check_errors);
    }
    return NULL;
}

static char *judge_repair(BlockBackend *blk, int64_t leaks, CutVerdict *v)
{
    int64_t left;
    char *why = leaks ? judge_check(blk, BDRV_FIX_LEAKS, &left) : NULL;

    if (leaks && !why) {
        v->repaired = true;
        why = judge_check(blk, 0, &left);
        if (!why && left) {
            why = g_strdup_printf("%" PRId64 " leaks are left after the repair", left);
        }
    }
    return why;
}

/* Before the repair of a damaged image was through: a new one has to mend it. */
static char *judge_damaged(const CutRun *r, BlockBackend *blk, CutVerdict *v)
{
    BdrvCheckResult res = { 0 };
    int64_t leaks;
    int ret = bdrv_check(blk_bs(blk), &res, BDRV_FIX_LEAKS | BDRV_FIX_ERRORS);
    char *why = ret < 0 ? g_strdup_printf("repair: %d", ret) : judge_check(blk, 0, &leaks);

    v->repaired = true;
    return !why && leaks ? g_strdup_printf("%" PRId64 " leaks are left after the repair", leaks) : why;
}

/* One image: opened, checked, read, its bitmaps and snapshots looked at. */
static char *judge_image(const CutRun *r, int disk, const CutModel *m, guint at, bool repair, CutVerdict *v)
{
    QEMUSnapshotInfo *list = NULL;
    g_autofree uint32_t *stamps = NULL;
    Error *err = NULL;
    BlockBackend *blk = open_for(r, disk, true, &err);
    bool damaged = disk < 0 && at < r->mended && !r->only_leaks;
    int64_t leaks = 0;
    unsigned size = 0;
    char *why;
    int n;

    if (!blk) {
        why = g_strdup_printf("cannot be opened: %s", error_get_pretty(err));
        error_free(err);
        return why;
    }
    why = damaged ? judge_damaged(r, blk, v) : judge_check(blk, 0, &leaks);
    v->leaks |= leaks > 0;
    if (!why) {
        why = judge_content(m, at, blk, &stamps, &size);
    }
    if (!why && disk < 0) {
        why = cut_bitmaps_judge(r, at, blk, stamps, size);
    }
    n = bdrv_snapshot_list(blk_bs(blk), &list);
    n = MAX(n, 0);                     /* there are none with a data file */
    if (!why && repair) {
        why = judge_repair(blk, leaks, v);
    }
    blk_unref(blk);
    if (!why) {
        why = judge_snapshots(r, disk, m, at, list, n);
    }
    g_free(list);
    return why;
}

/* Secrets open the image that are in, and no others. */
static bool key_may_be(const GArray *changes, bool active, guint at)
{
    guint base = 0;

    for (guint i = 0; i < changes->len; i++) {
        base = g_array_index(changes, CutKeyChange, i).end <= at ? i : base;
    }
    for (guint i = base; i < changes->len; i++) {
        const CutKeyChange *c = &g_array_index(changes, CutKeyChange, i);

        if (c->begin <= at && c->active == active) {
            return true;
        }
    }
    return false;
}

static char *judge_keys(const CutRun *r, guint at)
{
    for (int i = 0; i < CUT_KEYS; i++) {
        BlockBackend *blk = cut_open_with_key(r, false, NULL, i, NULL);
        bool opens = blk != NULL;

        if (blk) {
            blk_unref(blk);
        }
        if (!key_may_be(r->keys[i], opens, at)) {
            return g_strdup_printf("secret %d %s", i, opens ? "opens and was taken out" : "does not open");
        }
    }
    return NULL;
}

char *cut_judge(const CutRun *r, guint at, bool repair, CutVerdict *v)
{
    char *why = NULL;

    *v = (CutVerdict){ false };
    for (const CutRun *m = r; m && !why; m = m->next) {
        why = judge_image(m, -1, m->model, at, repair, v);
        if (!why && m->geometry->luks) {
            why = judge_keys(m, at);
        }
        if (why && r->next) {
            char *text = g_strdup_printf("disk %d: %s", m->disk, why);

            g_free(why);
            why = text;
        }
    }
    for (int i = 0; i < 2 && r->below[i] && !why; i++) {
        g_autofree char *found = judge_image(r, CUT_DISK_BELOW + i, r->below[i], at, repair, v);

        why = found ? g_strdup_printf("image below, disk %d: %s", CUT_DISK_BELOW + i, found) : NULL;
    }
    return why;
}
