/*
 * Internal snapshots over any node: lookup rules and verbs.
 *
 * A node whose driver has no snapshots of its own passes the verbs to its only data child, so
 * filters above an image are transparent.  Verbs that change what is read drain every node from
 * the one named down to the one that acts, and refresh the lengths on the way back up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "block/dirty-bitmap.h"
#include "block/snapshot.h"
#include "util/cutils.h"

const OptDesc internal_snapshot_opts[] = {
    { "snapshot.id", OPT_STRING, "snapshot id", NULL },
    { "snapshot.name", OPT_STRING, "snapshot name", NULL },
    { NULL },
};

static bool carries_data(const BdrvChild *c)
{
    return c->role & (BDRV_CHILD_DATA | BDRV_CHILD_METADATA | BDRV_CHILD_FILTERED | BDRV_CHILD_COW);
}

/* The one child through which bs passes snapshots, or NULL. */
static BlockDriverState *fallback(BlockDriverState *bs)
{
    BlockDriverState *primary = bdrv_primary_bs(bs);

    for (BdrvChild *c = bs->children; c; c = c->next) {
        if (carries_data(c) && c->bs != primary) {
            return NULL;
        }
    }
    return primary;
}

static bool has_snapshots(BlockDriverState *bs)
{
    return bs->drv->snapshot_create != NULL;
}

/* The node at or below bs that acts; NULL: none can. */
static BlockDriverState *acting_node(BlockDriverState *bs)
{
    while (bs && !has_snapshots(bs)) {
        bs = fallback(bs);
    }
    return bs;
}

/* The length of each node between top and the acting one follows from the one below it. */
static void refresh_lengths(BlockDriverState *top, BlockDriverState *actor)
{
    int64_t len = actor->total_bytes;

    for (BlockDriverState *bs = top; bs != actor; bs = fallback(bs)) {
        if (bs->drv->is_filter) {
            bdrv_set_length(bs, len);
        } else if (bs->drv->getlength) {
            len = bs->drv->getlength(bs);
            if (len >= 0) {
                bdrv_set_length(bs, len);
            }
        }
    }
}

bool bdrv_can_snapshot(BlockDriverState *bs)
{
    return bs && !bs->read_only && acting_node(bs) != NULL;
}

int bdrv_snapshot_list(BlockDriverState *bs, QEMUSnapshotInfo **out)
{
    BlockDriverState *actor = acting_node(bs);

    *out = NULL;
    return actor && actor->drv->snapshot_list ? actor->drv->snapshot_list(actor, out) : -ENOTSUP;
}

int bdrv_snapshot_sizes(BlockDriverState *bs, BdrvSnapshotSizes *out, int n)
{
    BlockDriverState *actor = acting_node(bs);

    return actor && actor->drv->snapshot_sizes ? actor->drv->snapshot_sizes(actor, out, n) : -ENOTSUP;
}

/* Exact matches of what is given (NULL: any).  Index or -1. */
static int find_in(const QEMUSnapshotInfo *list, int n, const char *id, const char *name)
{
    for (int i = 0; i < n; i++) {
        if ((!id || !strcmp(list[i].id_str, id)) && (!name || !strcmp(list[i].name, name))) {
            return i;
        }
    }
    return -1;
}

int bdrv_snapshot_find(BlockDriverState *bs, QEMUSnapshotInfo *sn, const char *name)
{
    g_autofree QEMUSnapshotInfo *list = NULL;
    int n = bdrv_snapshot_list(bs, &list);
    int i = find_in(list, n, NULL, name);

    if (n < 0) {
        return n;
    }
    if (i < 0) {
        return -ENOENT;
    }
    *sn = list[i];
    return 0;
}

bool bdrv_snapshot_find_by_id_and_name(BlockDriverState *bs, const char *id, const char *name,
                                       QEMUSnapshotInfo *sn, Error **errp)
{
    g_autofree QEMUSnapshotInfo *list = NULL;
    int n, i;

    g_assert(id || name);
    n = bdrv_snapshot_list(bs, &list);
    if (n < 0) {
        error_setg_errno(errp, -n, "Failed to get a snapshot list");
        return false;
    }
    i = find_in(list, n, id, name);
    if (i >= 0 && sn) {
        *sn = list[i];
    }
    return i >= 0;
}

int bdrv_snapshot_create(BlockDriverState *bs, QEMUSnapshotInfo *sn, Error **errp)
{
    ERRP_GUARD();
    BlockDriverState *actor = acting_node(bs);
    int ret;

    if (!actor) {
        error_setg_errno(errp, ENOTSUP, "Could not create snapshot");
        return -ENOTSUP;
    }
    bdrv_drained_begin(bs);
    ret = actor->drv->snapshot_create(actor, sn, errp);
    bdrv_drained_end(bs);
    if (ret < 0 && !*errp) {
        error_setg_errno(errp, -ret, "Could not create snapshot");
    }
    return ret;
}

static bool any_has_bitmaps(BlockDriverState *bs, BlockDriverState *actor)
{
    for (; bs; bs = bs == actor ? NULL : fallback(bs)) {
        if (bdrv_dirty_bitmap_next(bs, NULL)) {
            return true;
        }
    }
    return false;
}

/* The node that reverts, or NULL with the reason why none may. */
static BlockDriverState *goto_node(BlockDriverState *bs, int *ret, Error **errp)
{
    BlockDriverState *actor = acting_node(bs);

    if (!actor || !actor->drv->snapshot_goto) {
        error_setg(errp, "Block driver does not support snapshots");
        *ret = -ENOTSUP;
    } else if (any_has_bitmaps(bs, actor)) {
        error_setg(errp, "Device has active dirty bitmaps");
        *ret = -EBUSY;
    } else {
        return actor;
    }
    return NULL;
}

int bdrv_snapshot_goto(BlockDriverState *bs, const char *id_or_name, Error **errp)
{
    ERRP_GUARD();
    int ret = 0;
    BlockDriverState *actor = goto_node(bs, &ret, errp);

    if (!actor) {
        return ret;
    }
    bdrv_drained_begin(bs);
    ret = actor->drv->snapshot_goto(actor, id_or_name, errp);
    if (ret < 0 && !*errp) {
        error_setg_errno(errp, -ret, "Failed to load snapshot");
    } else if (ret >= 0) {
        refresh_lengths(bs, actor);
    }
    bdrv_drained_end(bs);
    return ret;
}

/* --- in two steps ---------------------------------------------------------------------------- */

struct BdrvSnapshotPrepared {
    BlockDriverState *bs, *actor;      /* both referenced, bs drained */
    QEMUSnapshotInfo sn;               /* create */
    char *word;                        /* goto; NULL: create */
    void *prepared;                    /* the driver's; NULL: it has one step only, which was done, or all is over */
    bool waited, committing, exists;
};

BlockDriverState *bdrv_snapshot_node(BlockDriverState *bs)
{
    return acting_node(bs);
}

/* Begin, with drivers that can; others do it at once. */
static int prepare_or_do(BdrvSnapshotPrepared *p, Error **errp)
{
    const BlockDriver *drv = p->actor->drv;
    int ret = 0;

    if (p->word && drv->snapshot_goto_prepare) {
        p->prepared = drv->snapshot_goto_prepare(p->actor, p->word);
    } else if (p->word) {
        ret = drv->snapshot_goto(p->actor, p->word, errp);
    } else if (drv->snapshot_prepare) {
        p->prepared = drv->snapshot_prepare(p->actor, &p->sn);
    } else {
        ret = drv->snapshot_create(p->actor, &p->sn, errp);
        p->exists = ret >= 0;
    }
    return ret;
}

static void prepared_free(BdrvSnapshotPrepared *p)
{
    bdrv_drained_end(p->bs);
    bdrv_unref(p->actor);
    bdrv_unref(p->bs);
    g_free(p->word);
    g_free(p);
}

/* The reason alone: whoever names several disks says which one it was. */
static void default_error(int ret, Error **errp)
{
    if (!*errp) {
        error_setg(errp, "%s", strerror(-ret));
    }
}

static BdrvSnapshotPrepared *prepare(BlockDriverState *bs, BlockDriverState *actor, const QEMUSnapshotInfo *sn,
                                     const char *word, Error **errp)
{
    BdrvSnapshotPrepared *p = g_new0(BdrvSnapshotPrepared, 1);
    int ret;

    p->bs = bs;
    p->actor = actor;
    p->word = g_strdup(word);
    if (sn) {
        p->sn = *sn;
    }
    bdrv_ref(bs);
    bdrv_ref(actor);
    bdrv_drained_begin(bs);
    ret = prepare_or_do(p, errp);
    if (ret < 0) {
        default_error(ret, errp);
        g_clear_pointer(&p, prepared_free);
    }
    return p;
}

BdrvSnapshotPrepared *bdrv_snapshot_prepare(BlockDriverState *bs, const QEMUSnapshotInfo *sn, Error **errp)
{
    ERRP_GUARD();
    BlockDriverState *actor = acting_node(bs);

    if (!actor) {
        default_error(-ENOTSUP, errp);
        return NULL;
    }
    return prepare(bs, actor, sn, NULL, errp);
}

BdrvSnapshotPrepared *bdrv_snapshot_goto_prepare(BlockDriverState *bs, const char *id_or_name, Error **errp)
{
    ERRP_GUARD();
    int ret;
    BlockDriverState *actor = goto_node(bs, &ret, errp);

    return actor ? prepare(bs, actor, NULL, id_or_name, errp) : NULL;
}

int bdrv_snapshot_wait(BdrvSnapshotPrepared *p, Error **errp)
{
    ERRP_GUARD();
    int ret = p->prepared ? p->actor->drv->snapshot_wait(p->actor, p->prepared) : 0;

    p->waited = true;
    if (ret < 0) {
        default_error(ret, errp);
        prepared_free(p);
    }
    return ret;
}

void bdrv_snapshot_commit(BdrvSnapshotPrepared *p)
{
    g_assert(p->waited && !p->committing);
    p->committing = true;
    if (p->prepared) {
        p->actor->drv->snapshot_finish(p->actor, p->prepared, true);
    }
}

static int end_commit(BdrvSnapshotPrepared *p)
{
    int ret = p->prepared ? p->actor->drv->snapshot_wait(p->actor, g_steal_pointer(&p->prepared)) : 0;

    p->exists = ret >= 0 && !p->word;
    if (ret >= 0 && p->word) {
        refresh_lengths(p->bs, p->actor);
    }
    return ret;
}

int bdrv_snapshot_finish(BdrvSnapshotPrepared *p, QEMUSnapshotInfo *sn, Error **errp)
{
    ERRP_GUARD();
    int ret;

    g_assert(p->committing);
    ret = end_commit(p);
    if (ret < 0) {
        default_error(ret, errp);
    } else if (sn) {
        *sn = p->sn;
    }
    prepared_free(p);
    return ret;
}

void bdrv_snapshot_abort(BdrvSnapshotPrepared *p)
{
    Error *err = NULL;

    if (p->committing) {
        end_commit(p);
    } else if (p->prepared && (p->waited || p->actor->drv->snapshot_wait(p->actor, p->prepared) >= 0)) {
        p->actor->drv->snapshot_finish(p->actor, p->prepared, false);
        p->actor->drv->snapshot_wait(p->actor, p->prepared);
    }
    if (p->exists && p->actor->drv->snapshot_delete(p->actor, p->sn.id_str, p->sn.name, NULL, &err) < 0) {
        error_reportf_err(err, "Failed to delete snapshot with id '%s' and name '%s' on device '%s' in abort: ",
                          p->sn.id_str, p->sn.name, bdrv_get_device_name(p->bs));
    }
    prepared_free(p);
}

int bdrv_snapshot_delete(BlockDriverState *bs, const char *id, const char *name, Error **errp)
{
    return bdrv_snapshot_delete_counting(bs, id, name, NULL, errp);
}

int bdrv_snapshot_delete_counting(BlockDriverState *bs, const char *id, const char *name, int64_t *freed, Error **errp)
{
    ERRP_GUARD();
    BlockDriverState *actor = acting_node(bs);
    int ret;

    if (!id && !name) {
        error_setg(errp, "snapshot_id and name are both NULL");
        return -EINVAL;
    }
    if (!actor || !actor->drv->snapshot_delete) {
        error_setg(errp, "Block format '%s' used by device '%s' does not support internal snapshot deletion",
                   bs->drv->name, bdrv_get_device_name(bs));
        return -ENOTSUP;
    }
    bdrv_drained_begin(bs);
    ret = actor->drv->snapshot_delete(actor, id, name, freed, errp);
    bdrv_drained_end(bs);
    if (ret < 0 && !*errp) {
        error_setg_errno(errp, -ret, "Could not delete snapshot");
    }
    return ret;
}

int bdrv_snapshot_delete_many(BlockDriverState *bs, const QEMUSnapshotInfo *list, unsigned n, int64_t *freed, unsigned *done,
                              Error **errp)
{
    ERRP_GUARD();
    BlockDriverState *actor = acting_node(bs);
    int ret;

    *done = 0;
    g_assert(actor && actor->drv->snapshot_delete_many);     /* its list is the node's */
    bdrv_drained_begin(bs);
    ret = actor->drv->snapshot_delete_many(actor, list, n, freed, done, errp);
    bdrv_drained_end(bs);
    if (ret < 0 && !*errp) {
        error_setg_errno(errp, -ret, "Could not delete snapshot");
    }
    return ret;
}

/* A list that cannot be read is reported as such, not as a missing snapshot. */
int bdrv_snapshot_find_by_id_or_name(BlockDriverState *bs, const char *id_or_name, QEMUSnapshotInfo *sn, Error **errp)
{
    ERRP_GUARD();

    if (bdrv_snapshot_find_by_id_and_name(bs, id_or_name, NULL, sn, errp) ||
        (!*errp && bdrv_snapshot_find_by_id_and_name(bs, NULL, id_or_name, sn, errp))) {
        return 0;
    }
    if (!*errp) {
        error_setg(errp, "Can't find the snapshot");
    }
    return -ENOENT;
}

int bdrv_snapshot_load_tmp(BlockDriverState *bs, const char *id, const char *name, Error **errp)
{
    ERRP_GUARD();
    BlockDriverState *actor = acting_node(bs);
    int ret;

    if (!id && !name) {
        error_setg(errp, "snapshot_id and name are both NULL");
        return -EINVAL;
    }
    if (!bs->read_only) {
        error_setg(errp, "Device is not readonly");
        return -EINVAL;
    }
    if (!actor || !actor->drv->snapshot_load_tmp) {
        error_setg(errp, "Block format '%s' used by device '%s' does not support temporarily loading internal snapshots",
                   bs->drv->name, bdrv_get_device_name(bs));
        return -ENOTSUP;
    }
    bdrv_drained_begin(bs);
    ret = actor->drv->snapshot_load_tmp(actor, id, name, errp);
    if (ret < 0 && !*errp) {
        error_setg_errno(errp, -ret, "Failed to load snapshot");
    } else if (ret >= 0) {
        refresh_lengths(bs, actor);
    }
    bdrv_drained_end(bs);
    return ret;
}

int bdrv_snapshot_load_tmp_by_id_or_name(BlockDriverState *bs, const char *id_or_name, Error **errp)
{
    ERRP_GUARD();
    Error *first = NULL;
    int ret = bdrv_snapshot_load_tmp(bs, id_or_name, NULL, &first);

    if (ret == -ENOENT || ret == -EINVAL) {
        error_free(first);
        return bdrv_snapshot_load_tmp(bs, NULL, id_or_name, errp);
    }
    error_propagate(errp, first);
    return ret;
}

static char *clock_text(const QEMUSnapshotInfo *sn)
{
    uint64_t secs = sn->vm_clock_nsec / 1000000000;

    return g_strdup_printf("%02d:%02d:%02d.%03d", (int)(secs / 3600), (int)(secs / 60 % 60), (int)(secs % 60),
                           (int)(sn->vm_clock_nsec / 1000000 % 1000));
}

char *bdrv_snapshot_dump_line(const QEMUSnapshotInfo *sn)
{
    g_autofree char *size = NULL, *clock = NULL;
    char date[64] = "", icount[32] = "";
    time_t when;
    struct tm tm;

    if (!sn) {
        return g_strdup_printf("%-9s %-16s %8s%20s%13s%11s", "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK", "ICOUNT");
    }
    when = sn->date_sec;
    if (localtime_r(&when, &tm)) {
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
    }
    if (sn->icount != UINT64_MAX) {
        g_snprintf(icount, sizeof(icount), "%" PRId64, (int64_t)sn->icount);
    }
    size = size_to_str(sn->vm_state_size);
    clock = clock_text(sn);
    return g_strdup_printf("%-9s %-16s %8s%20s%13s%11s", sn->id_str, sn->name, size, date, clock, icount);
}
