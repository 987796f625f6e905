/*
 * The model of a disk under power cuts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "cutmodel.h"

static void clear_snapshot(void *p)
{
    CutSnapshot *s = p;

    g_free(s->name);
    g_free(s->id);
    g_free(s->stamps);
    g_free(s->since);
}

CutModel *cut_model_new(unsigned sectors, unsigned size)
{
    CutModel *m = g_new0(CutModel, 1);
    CutChange first = { 0, 0, size, false };

    m->sectors = sectors;
    m->now = g_new0(uint32_t, sectors);
    m->unsure = g_new0(bool, sectors);
    m->changes = g_new0(GArray *, sectors);
    m->flushes = g_array_new(false, false, sizeof(CutFlush));
    m->snapshots = g_array_new(false, false, sizeof(CutSnapshot));
    g_array_set_clear_func(m->snapshots, clear_snapshot);
    m->sizes = g_array_new(false, false, sizeof(CutChange));
    g_array_append_val(m->sizes, first);
    m->next_stamp = 1;
    return m;
}

void cut_model_free(CutModel *m)
{
    for (unsigned s = 0; s < m->sectors; s++) {
        if (m->changes[s]) {
            g_array_unref(m->changes[s]);
        }
    }
    g_free(m->changes);
    g_free(m->now);
    g_free(m->unsure);
    g_array_unref(m->flushes);
    g_array_unref(m->snapshots);
    g_array_unref(m->sizes);
    g_free(m);
}

uint32_t cut_model_stamp(CutModel *m)
{
    uint32_t stamp = m->next_stamp;

    m->next_stamp += 4096;
    return stamp;
}

void cut_model_put(CutModel *m, unsigned s, uint32_t stamp, bool soft, guint begin)
{
    CutChange c = { begin, G_MAXUINT, stamp, soft };

    if (!m->changes[s]) {
        CutChange old = { 0, 0, m->now[s], false };

        m->changes[s] = g_array_new(false, false, sizeof(CutChange));
        g_array_append_val(m->changes[s], old);
    }
    g_array_append_val(m->changes[s], c);
    m->now[s] = stamp;
    m->unsure[s] = soft;
}

void cut_model_write(CutModel *m, unsigned first, unsigned n, uint32_t stamp, bool zero, bool soft, guint begin)
{
    for (unsigned i = 0; i < n; i++) {
        cut_model_put(m, first + i, zero ? 0 : stamp + i, soft, begin);
    }
}

guint cut_model_tick(CutModel *m) { return ++m->tick; }

void cut_model_done(CutModel *m, unsigned first, unsigned n)
{
    guint tick = cut_model_tick(m);

    for (unsigned i = 0; i < n; i++) {
        GArray *all = m->changes[first + i];

        g_array_index(all, CutChange, all->len - 1).done = tick;
    }
}

void cut_model_flush(CutModel *m, guint begin_tick, guint end)
{
    CutFlush f = { begin_tick, end };

    g_array_append_val(m->flushes, f);
}

CutSnapshot *cut_model_find(CutModel *m, const char *name)
{
    for (guint i = m->snapshots->len; i-- > 0; ) {
        CutSnapshot *s = &g_array_index(m->snapshots, CutSnapshot, i);

        if (!strcmp(s->name, name)) {
            return s;
        }
    }
    return NULL;
}

/* The first change that a snapshot may show which is taken from now on. */
static guint first_shown(const GArray *changes)
{
    guint n = changes ? changes->len : 0;

    return n < 2 ? 0 : g_array_index(changes, CutChange, n - 1).done == G_MAXUINT ? n - 2 : n - 1;
}

void cut_model_snapshot(CutModel *m, const char *name, bool live, guint begin)
{
    CutSnapshot s = { .name = g_strdup(name), .n = cut_model_size(m), .begin = begin, .end = G_MAXUINT, .gone_begin = G_MAXUINT,
                      .gone_end = G_MAXUINT };

    s.stamps = g_memdup2(m->now, s.n * sizeof(uint32_t));
    s.since = live ? g_new0(guint, s.n) : NULL;
    for (unsigned i = 0; i < s.n; i++) {
        s.stamps[i] = live || m->unsure[i] ? CUT_ANY : s.stamps[i];
        if (live) {
            s.since[i] = first_shown(m->changes[i]);
        }
    }
    g_array_append_val(m->snapshots, s);
}

static bool may_show(const CutModel *m, unsigned s, guint since, uint32_t stamp)
{
    const GArray *all = m->changes[s];

    if (!all) {
        return m->now[s] == stamp || m->now[s] == CUT_ANY;
    }
    for (guint i = since; i < all->len; i++) {
        const CutChange *c = &g_array_index(all, CutChange, i);

        /* A discard may keep the value before it. */
        if (c->stamp == stamp || c->stamp == CUT_ANY || c->soft) {
            return true;
        }
    }
    return m->unsure[s];
}

int cut_model_pin(CutModel *m, CutSnapshot *s, const uint32_t *stamps)
{
    for (unsigned i = 0; i < s->n; i++) {
        if (!may_show(m, i, s->since[i], stamps[i])) {
            return i;
        }
        s->stamps[i] = stamps[i];
    }
    g_clear_pointer(&s->since, g_free);
    return -1;
}

unsigned cut_model_size(const CutModel *m)
{
    return g_array_index(m->sizes, CutChange, m->sizes->len - 1).stamp;
}

void cut_model_resize(CutModel *m, unsigned size, unsigned cluster, guint begin)
{
    unsigned old = cut_model_size(m), cluster_end = (MIN(old, size) + cluster - 1) / cluster * cluster;
    CutChange c = { begin, cut_model_tick(m), size, false };

    /* Above the size all is zeroes when it comes back, but for the rest of the cluster that the end was in. */
    for (unsigned s = MIN(old, size); s < MAX(old, size); s++) {
        cut_model_put(m, s, s < cluster_end ? CUT_ANY : 0, false, begin);
        cut_model_done(m, s, 1);
    }
    g_array_append_val(m->sizes, c);
}

/* The tick before which all that was answered is stable for a cut at t. */
static guint stable_before(const CutModel *m, guint t)
{
    guint b = 0;

    for (guint i = 0; i < m->flushes->len; i++) {
        const CutFlush *f = &g_array_index(m->flushes, CutFlush, i);

        if (f->end <= t) {
            b = MAX(b, f->begin);
        }
    }
    return b;
}

void cut_model_doubt(CutModel *m, guint t)
{
    guint stable = stable_before(m, t);

    for (unsigned s = 0; s < m->sectors; s++) {
        const CutChange *last = m->changes[s] ? &g_array_index(m->changes[s], CutChange, m->changes[s]->len - 1) : NULL;

        if (last && last->done > stable) {
            cut_model_put(m, s, CUT_ANY, true, t);
        }
    }
}

static bool among(const GArray *all, uint32_t stamp, guint t, guint stable)
{
    guint base = 0;

    for (guint i = 0; i < all->len; i++) {
        const CutChange *c = &g_array_index(all, CutChange, i);

        if (!c->soft && c->done <= stable) {
            base = i;
        }
    }
    for (guint i = base; i < all->len; i++) {
        const CutChange *c = &g_array_index(all, CutChange, i);

        if (c->begin <= t && (c->stamp == stamp || c->stamp == CUT_ANY)) {
            return true;
        }
    }
    return false;
}

bool cut_model_size_ok(const CutModel *m, unsigned size, guint t)
{
    return among(m->sizes, size, t, stable_before(m, t));
}

bool cut_model_ok(const CutModel *m, unsigned s, uint32_t stamp, guint t)
{
    if (s >= m->sectors) {
        return false;
    }
    return m->changes[s] ? among(m->changes[s], stamp, t, stable_before(m, t)) : m->now[s] == stamp || m->now[s] == CUT_ANY;
}
