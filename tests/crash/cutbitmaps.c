/*
 * Steps on persistent bitmaps, and what they may be after a cut.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "alloccount.h"
#include "block/dirty-bitmap.h"
#include "cutbitmaps.h"

typedef struct Close {
    guint begin, end;                  /* end G_MAXUINT: it failed, or is not over */
    unsigned n;
    uint32_t *stamps;                  /* content, n sectors */
    GHashTable *bitmaps;               /* name -> bool[n] */
    GHashTable *gone;                  /* names whose removal began after this close */
} Close;

static void clear_close(void *p)
{
    Close *c = p;

    g_free(c->stamps);
    g_hash_table_unref(c->bitmaps);
    g_hash_table_unref(c->gone);
}

GArray *cut_bitmaps_new(void)
{
    GArray *closes = g_array_new(false, false, sizeof(Close));

    g_array_set_clear_func(closes, clear_close);
    return closes;
}

static bool *bits_of(BdrvDirtyBitmap *bm, unsigned n)
{
    bool *bits = g_new0(bool, MAX(n, 1u));

    for (unsigned s = 0; s < n; s++) {
        bits[s] = bdrv_dirty_bitmap_get(bm, (int64_t)s * BDRV_SECTOR_SIZE);
    }
    return bits;
}

void cut_bitmaps_closing(CutRun *r, guint begin)
{
    const CutModel *m = r->model;
    BlockDriverState *bs = blk_bs(r->blk);
    Close c = { begin, G_MAXUINT, cut_model_size(m) };

    if (!bdrv_dirty_bitmap_next(bs, NULL) && !r->closes->len) {
        return;
    }
    c.stamps = g_memdup2(m->now, c.n * sizeof(uint32_t));
    for (unsigned s = 0; s < c.n; s++) {
        c.stamps[s] = m->unsure[s] ? CUT_ANY : c.stamps[s];
    }
    c.bitmaps = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    c.gone = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (BdrvDirtyBitmap *bm = bdrv_dirty_bitmap_next(bs, NULL); bm; bm = bdrv_dirty_bitmap_next(bs, bm)) {
        if (bdrv_dirty_bitmap_persistent(bm) && !bdrv_dirty_bitmap_inconsistent(bm)) {
            g_hash_table_insert(c.bitmaps, g_strdup(bdrv_dirty_bitmap_name(bm)), bits_of(bm, c.n));
        }
    }
    g_array_append_val(r->closes, c);
}

void cut_bitmaps_closed(CutRun *r)
{
    if (r->closes->len) {
        g_array_index(r->closes, Close, r->closes->len - 1).end = cut_now();
    }
}

/* --- steps ------------------------------------------------------------------------------------ */

static void note_gone(CutRun *r, const char *name)
{
    for (guint i = 0; i < r->closes->len; i++) {
        g_hash_table_add(g_array_index(r->closes, Close, i).gone, g_strdup(name));
    }
}

static bool usable(BdrvDirtyBitmap *bm)
{
    return bm && !bdrv_dirty_bitmap_readonly(bm) && !bdrv_dirty_bitmap_inconsistent(bm);
}

static void add_bitmap(CutRun *r, const char *name)
{
    BlockDriverState *bs = blk_bs(r->blk);
    uint32_t granularity = 512u << cut_pick(r, 0, 7);
    BdrvDirtyBitmap *bm;
    Error *err = NULL;

    if (!bdrv_can_store_dirty_bitmap(bs, name, granularity, NULL)) {
        return;
    }
    bm = bdrv_create_dirty_bitmap(bs, granularity, name, &err);
    if (bm) {
        bdrv_dirty_bitmap_set_persistence(bm, true);
    } else {
        cut_run_failed(r, -cut_fail_errno);
        error_free(err);
    }
}

static void remove_bitmap(CutRun *r, BdrvDirtyBitmap *bm, const char *name)
{
    Error *err = NULL;
    int ret;

    note_gone(r, name);
    ret = bdrv_remove_stored_dirty_bitmap(blk_bs(r->blk), name, &err);
    if (ret < 0) {
        cut_run_failed_err(r, ret, err);
        return;
    }
    bdrv_dirty_bitmap_set_persistence(bm, false);
    bdrv_release_dirty_bitmap(bm);
}

void cut_step_bitmap(CutRun *r)
{
    g_autofree char *name = g_strdup_printf("b%u", cut_pick(r, 0, 3)), *other = g_strdup_printf("b%u", cut_pick(r, 0, 3));
    BdrvDirtyBitmap *bm = bdrv_find_dirty_bitmap(blk_bs(r->blk), name), *from = bdrv_find_dirty_bitmap(blk_bs(r->blk), other);

    if (r->geometry->v2) {
        return;
    }
    if (!bm) {
        add_bitmap(r, name);
    } else if (bdrv_dirty_bitmap_inconsistent(bm) || (cut_pick(r, 0, 3) == 0 && !bdrv_dirty_bitmap_readonly(bm))) {
        remove_bitmap(r, bm, name);
    } else if (usable(bm) && usable(from) && from != bm && cut_pick(r, 0, 1)) {
        bdrv_merge_dirty_bitmap(bm, from, NULL, NULL);
    } else if (usable(bm) && cut_pick(r, 0, 1)) {
        bdrv_clear_dirty_bitmap(bm, NULL);
    } else if (usable(bm) && bdrv_dirty_bitmap_enabled(bm)) {
        bdrv_disable_dirty_bitmap(bm);
    } else if (usable(bm)) {
        bdrv_enable_dirty_bitmap(bm);
    }
}

/* One action for one disk of a group; NULL: nothing fits. */
static char *transaction_action(CutRun *r)
{
    g_autofree char *name = g_strdup_printf("b%u", cut_pick(r, 0, 2)), *other = g_strdup_printf("b%u", cut_pick(r, 0, 2));
    BdrvDirtyBitmap *bm = bdrv_find_dirty_bitmap(blk_bs(r->blk), name), *from = bdrv_find_dirty_bitmap(blk_bs(r->blk), other);
    g_autofree char *who = g_strdup_printf("\"node\":\"image%d\"", r->disk);
    static const char *const verbs[] = { "clear", "enable", "disable", "remove" };
    unsigned verb = cut_pick(r, 0, 3);

    if (!bm) {
        return g_strdup_printf("{\"type\":\"block-dirty-bitmap-add\",\"data\":{%s,\"name\":\"%s\",\"persistent\":true}}", who, name);
    }
    if (!usable(bm)) {
        return NULL;
    }
    if (usable(from) && from != bm && cut_pick(r, 0, 1)) {
        return g_strdup_printf("{\"type\":\"block-dirty-bitmap-merge\",\"data\":{%s,\"target\":\"%s\",\"bitmaps\":[\"%s\"]}}", who, name, other);
    }
    if (verb == 3) {
        note_gone(r, name);
    }
    return g_strdup_printf("{\"type\":\"block-dirty-bitmap-%s\",\"data\":{%s,\"name\":\"%s\"}}", verbs[verb], who, name);
}

void cut_step_bitmap_transaction(CutRun *r)
{
    GString *text = g_string_new("{\"actions\":[");
    g_autofree char *error = NULL;
    unsigned n = 0;

    for (CutRun *m = r; m; m = m->next) {
        g_autofree char *action = transaction_action(m);

        if (action) {
            g_string_append_printf(text, "%s%s", n++ ? "," : "", action);
        }
    }
    g_string_append(text, "]}");
    error = cut_qmp("transaction", text->str);
    g_string_free(text, true);
    if (error && !cut_met()) {
        cut_run_wrong(r, "bitmaps in a transaction: %s", error);
    } else if (error) {
        cut_run_failed_text(r, -cut_fail_errno, error);
    }
}

/* --- judging ----------------------------------------------------------------------------------- */

/* Is the bitmap, and all of the disk, as at that close? */
static bool as_at(const Close *c, const char *name, const bool *bits, const uint32_t *stamps, unsigned n)
{
    const bool *then = g_hash_table_lookup(c->bitmaps, name);

    if (!then || n != c->n || memcmp(then, bits, n * sizeof(bool))) {
        return false;
    }
    for (unsigned s = 0; s < n; s++) {
        if (c->stamps[s] != stamps[s] && c->stamps[s] != CUT_ANY) {
            return false;
        }
    }
    return true;
}

/* The last close that is stable in a cut at `at`; -1: none. */
static int last_stable(const GArray *closes, guint at)
{
    int last = -1;

    for (guint i = 0; i < closes->len; i++) {
        if (g_array_index(closes, Close, i).end <= at) {
            last = i;
        }
    }
    return last;
}

static char *judge_one(const CutRun *r, guint at, BdrvDirtyBitmap *bm, const uint32_t *stamps, unsigned n)
{
    const char *name = bdrv_dirty_bitmap_name(bm);
    g_autofree bool *bits = NULL;

    if (bdrv_dirty_bitmap_inconsistent(bm)) {
        return NULL;
    }
    bits = bits_of(bm, n);
    for (guint i = MAX(last_stable(r->closes, at), 0); i < r->closes->len; i++) {
        const Close *c = &g_array_index(r->closes, Close, i);

        if (c->begin <= at && as_at(c, name, bits, stamps, n)) {
            return NULL;
        }
    }
    return g_strdup_printf("bitmap %s is said to be good and is not", name);
}

char *cut_bitmaps_judge(const CutRun *r, guint at, BlockBackend *blk, const uint32_t *stamps, unsigned n)
{
    BlockDriverState *bs = blk_bs(blk);
    int last = last_stable(r->closes, at);
    char *why = NULL;

    for (BdrvDirtyBitmap *bm = bdrv_dirty_bitmap_next(bs, NULL); bm && !why; bm = bdrv_dirty_bitmap_next(bs, bm)) {
        why = judge_one(r, at, bm, stamps, n);
    }
    if (!why && last >= 0) {
        const Close *c = &g_array_index(r->closes, Close, last);
        GHashTableIter i;
        gpointer name;

        g_hash_table_iter_init(&i, c->bitmaps);
        while (!why && g_hash_table_iter_next(&i, &name, NULL)) {
            if (!bdrv_find_dirty_bitmap(bs, name) && !g_hash_table_contains(c->gone, name)) {
                why = g_strdup_printf("bitmap %s is lost", (char *)name);
            }
        }
    }
    return why;
}
