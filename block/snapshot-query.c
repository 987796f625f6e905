/*
 * What internal snapshots are, over any node: their sizes, their differences, and names that resemble one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "block/snapshot.h"

typedef struct QueryCall {
    BlockDriverState *bs;
    int from, to;
    BdrvSnapshotUsage **usage;
    BdrvSnapshotDiffFn *fn;
    void *opaque;
    Error **errp;
    int ret;
} QueryCall;

static void coroutine_fn usage_entry(void *opaque)
{
    QueryCall *c = opaque;

    c->ret = c->bs->drv->co_snapshot_usage(c->bs, c->usage, c->errp);
}

static void coroutine_fn diff_entry(void *opaque)
{
    QueryCall *c = opaque;

    c->ret = c->bs->drv->co_snapshot_diff(c->bs, c->from, c->to, c->fn, c->opaque, c->errp);
}

/* The list; -errno with *errp set. */
static int list_of(BlockDriverState *bs, QEMUSnapshotInfo **list, Error **errp)
{
    int n = bdrv_snapshot_list(bs, list);

    if (n < 0) {
        error_setg_errno(errp, -n, "Failed to get a snapshot list");
    }
    return n;
}

int bdrv_snapshot_usage(BlockDriverState *bs, QEMUSnapshotInfo **list, BdrvSnapshotUsage **usage, Error **errp)
{
    ERRP_GUARD();
    QueryCall call = { .bs = bdrv_snapshot_node(bs), .usage = usage, .errp = errp, .ret = -ENOTSUP };
    g_autofree QEMUSnapshotInfo *found = NULL;
    int n;

    *list = NULL;
    *usage = NULL;
    n = list_of(bs, &found, errp);
    if (n < 0) {
        return n;
    }
    if (call.bs && call.bs->drv->co_snapshot_usage) {
        co_run_sync(usage_entry, &call);
    }
    if (call.ret < 0) {
        if (!*errp) {
            error_setg_errno(errp, -call.ret, "Could not determine the sizes of snapshots");
        }
        return call.ret;
    }
    *list = g_steal_pointer(&found);
    return n;
}

/* Index in the list of an id, else a name; -1: the present state. */
static int state_index(const QEMUSnapshotInfo *list, int n, const char *word, int *index, Error **errp)
{
    *index = -1;
    for (int pass = 0; word && pass < 2; pass++) {
        for (int i = 0; i < n; i++) {
            if (!strcmp(pass ? list[i].name : list[i].id_str, word)) {
                *index = i;
                return 0;
            }
        }
    }
    if (word) {
        error_setg(errp, "Can't find snapshot '%s'", word);
        return -ENOENT;
    }
    return 0;
}

int bdrv_snapshot_diff(BlockDriverState *bs, const char *from, const char *to, BdrvSnapshotDiffFn *fn, void *opaque,
                       Error **errp)
{
    ERRP_GUARD();
    QueryCall call = { .bs = bdrv_snapshot_node(bs), .fn = fn, .opaque = opaque, .errp = errp, .ret = -ENOTSUP };
    g_autofree QEMUSnapshotInfo *list = NULL;
    int n = list_of(bs, &list, errp), ret;

    if (n < 0) {
        return n;
    }
    ret = state_index(list, n, from, &call.from, errp);
    ret = ret < 0 ? ret : state_index(list, n, to, &call.to, errp);
    if (ret < 0) {
        return ret;
    }
    if (call.bs && call.bs->drv->co_snapshot_diff) {
        co_run_sync(diff_entry, &call);
    }
    if (call.ret < 0 && !*errp) {
        error_setg_errno(errp, -call.ret, "Could not compare the states");
    }
    return call.ret;
}

/* Changes of one character (also: two neighbours exchanged) that make b of a; at most 255 characters each. */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][256 + 1], *before = rows[0], *last = rows[1], *now = rows[2];
    size_t la = strlen(a), lb = strlen(b);

    for (size_t j = 0; j <= lb; j++) {
        last[j] = j;
    }
    for (size_t i = 1; i <= la; i++) {
        unsigned *oldest = before;

        now[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned best = MIN(last[j] + 1, now[j - 1] + 1);

            best = MIN(best, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                best = MIN(best, before[j - 2] + 1);
            }
            now[j] = best;
        }
        before = last;
        last = now;
        now = oldest;
    }
    return last[lb];
}

char *bdrv_snapshot_nearest_name(BlockDriverState *bs, const char *name)
{
    g_autofree QEMUSnapshotInfo *list = NULL;
    int n = bdrv_snapshot_list(bs, &list), nearest = -1;
    g_autofree char *wanted = g_ascii_strdown(name, -1);
    /* A third of the characters, at least one, but not all may be wrong. */
    unsigned bound = MIN(MAX(strlen(name) / 3, 1) + 1, strlen(name));

    if (strlen(name) > 255) {
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        if (!strcmp(list[i].name, name)) {
            return NULL;
        }
        if (!strcmp(list[i].id_str, name) && list[i].name[0]) {
            return g_strdup(list[i].name);
        }
    }
    for (int i = 0; i < n; i++) {
        g_autofree char *lower = g_ascii_strdown(list[i].name, -1);
        unsigned d = distance(wanted, lower);

        if (*lower && d < bound) {
            bound = d;
            nearest = i;
        }
    }
    return nearest >= 0 ? g_strdup(list[nearest].name) : NULL;
}
