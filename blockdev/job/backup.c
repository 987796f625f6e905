/*
 * blockdev-backup and drive-backup: arguments to a backup job, alone or as parts of a transaction.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "block/block-jobs.h"
#include "blockdev/backup.h"
#include "internal.h"
#include "qapi/commands-block-core.h"

struct BackupAction {
    BlockDriverState *bs;              /* drained and referenced */
    BlockJob *job;
};

static bool check_bitmap_mode(const BackupCommon *b, Error **errp)
{
    bool needs = b->sync == MIRROR_SYNC_MODE_BITMAP || b->sync == MIRROR_SYNC_MODE_INCREMENTAL;

    if (needs && !b->bitmap) {
        error_setg(errp, "must provide a valid bitmap name for '%s' sync mode", MirrorSyncMode_str(b->sync));
        return false;
    }
    if (b->sync == MIRROR_SYNC_MODE_INCREMENTAL && b->has_bitmap_mode &&
        b->bitmap_mode != BITMAP_SYNC_MODE_ON_SUCCESS) {
        error_setg(errp, "Bitmap sync mode must be '%s' when using sync mode '%s'",
                   BitmapSyncMode_str(BITMAP_SYNC_MODE_ON_SUCCESS), MirrorSyncMode_str(b->sync));
        return false;
    }
    return true;
}

/* What an output bitmap means together with the sync mode. */
static bool check_bitmap_use(const BackupCommon *b, BackupJobParams *p, Error **errp)
{
    if (!b->has_bitmap_mode && b->sync != MIRROR_SYNC_MODE_INCREMENTAL) {
        error_setg(errp, "Bitmap sync mode must be given when providing a bitmap");
        return false;
    }
    p->bitmap_mode = b->has_bitmap_mode ? b->bitmap_mode : BITMAP_SYNC_MODE_ON_SUCCESS;
    if (bdrv_dirty_bitmap_check(p->bitmap, BDRV_BITMAP_ALLOW_RO, errp) < 0) {
        return false;
    }
    if (b->sync == MIRROR_SYNC_MODE_NONE) {
        error_setg(errp, "sync mode '%s' does not produce meaningful bitmap outputs", MirrorSyncMode_str(b->sync));
        return false;
    }
    if (p->bitmap_mode == BITMAP_SYNC_MODE_NEVER && b->sync != MIRROR_SYNC_MODE_BITMAP) {
        error_setg(errp, "Bitmap sync mode '%s' has no meaningful effect when combined with sync mode '%s'",
                   BitmapSyncMode_str(p->bitmap_mode), MirrorSyncMode_str(b->sync));
        return false;
    }
    return true;
}

static bool take_bitmap(const BackupCommon *b, BackupJobParams *p, Error **errp)
{
    if (!check_bitmap_mode(b, errp)) {
        return false;
    }
    if (b->bitmap) {
        p->bitmap = bdrv_find_dirty_bitmap(p->bs, b->bitmap);
        if (!p->bitmap) {
            error_setg(errp, "Bitmap '%s' could not be found", b->bitmap);
            return false;
        }
        return check_bitmap_use(b, p, errp);
    }
    if (b->has_bitmap_mode) {
        error_setg(errp, "Cannot specify bitmap sync mode without a bitmap");
        return false;
    }
    return true;
}

static void take_perf(const BackupPerf *perf, BackupJobParams *p)
{
    p->use_copy_range = perf && perf->has_use_copy_range && perf->use_copy_range;
    p->max_workers = perf && perf->has_max_workers ? perf->max_workers : 64;
    p->max_chunk = perf && perf->has_max_chunk ? perf->max_chunk : 0;
}

static BlockJob *make_job(const BackupCommon *b, MirrorSyncMode sync, BlockDriverState *bs, BlockDriverState *target,
                          JobTxn *txn, Error **errp)
{
    BackupJobParams p = {
        .job_id = b->job_id, .txn = txn, .bs = bs, .target = target, .speed = b->has_speed ? b->speed : 0,
        .compress = b->has_compress && b->compress, .filter_node_name = b->filter_node_name,
        .on_source_error = b->has_on_source_error ? b->on_source_error : BLOCKDEV_ON_ERROR_REPORT,
        .on_target_error = b->has_on_target_error ? b->on_target_error : BLOCKDEV_ON_ERROR_REPORT,
        .flags = job_flags(b->has_auto_finalize, b->auto_finalize, b->has_auto_dismiss, b->auto_dismiss),
    };

    take_perf(b->x_perf, &p);
    if (!take_bitmap(b, &p, errp)) {
        return NULL;
    }
    p.sync = sync == MIRROR_SYNC_MODE_INCREMENTAL ? MIRROR_SYNC_MODE_BITMAP : sync;
    return backup_job_create(&p, errp);
}

static BackupAction *action_begin(BlockDriverState *bs)
{
    BackupAction *a = g_new0(BackupAction, 1);

    bdrv_ref(bs);
    bdrv_drained_begin(bs);
    a->bs = bs;
    return a;
}

BackupAction *blockdev_backup_prepare(const BlockdevBackup *arg, JobTxn *txn, Error **errp)
{
    BlockDriverState *bs = bdrv_lookup_bs(arg->device, arg->device, errp), *target;
    BackupAction *a;

    if (!bs) {
        return NULL;
    }
    target = bdrv_lookup_bs(arg->target, arg->target, errp);
    if (!target) {
        return NULL;
    }
    a = action_begin(bs);
    a->job = make_job((const BackupCommon *)arg, arg->sync, bs, target, txn, errp);
    if (!a->job) {
        backup_action_clean(g_steal_pointer(&a));
    }
    return a;
}

/* --- drive-backup: the target is a file ------------------------------------- */

typedef struct FileTarget {
    BlockDriverState *bs;              /* source */
    BlockDriverState *backing;         /* what the new image stands on; NULL: nothing */
    MirrorSyncMode sync;
    const char *format;                /* NULL: probe */
    bool set_backing;                  /* the target reads through to the running source */
    int flags;
} FileTarget;

static bool create_image(const DriveBackup *arg, const FileTarget *t, int64_t size, Error **errp)
{
    ERRP_GUARD();

    if (t->backing) {
        BlockDriverState *named = bdrv_skip_implicit_filters(t->backing);

        bdrv_refresh_filename(named);
        bdrv_img_create(arg->target, t->format, named->filename, named->drv->name, NULL, size, t->flags, false, false,
                        errp);
    } else {
        bdrv_img_create(arg->target, t->format, NULL, NULL, NULL, size, t->flags, false, false, errp);
    }
    return !*errp;
}

static BlockDriverState *open_target(const DriveBackup *arg, const FileTarget *t, Error **errp)
{
    QDict *options = qdict_new();
    BlockDriverState *target;

    qdict_put_str(options, "discard", "unmap");
    qdict_put_str(options, "detect-zeroes", "unmap");
    if (t->format) {
        qdict_put_str(options, "driver", t->format);
    }
    target = bdrv_open(arg->target, NULL, options, t->flags, errp);
    if (target && t->set_backing && bdrv_set_backing_hd(target, t->bs, errp) < 0) {
        bdrv_unref(target);
        target = NULL;
    }
    return target;
}

/* The target (referenced) as the mode asks, or NULL. */
static BlockDriverState *make_target(const DriveBackup *arg, FileTarget *t, Error **errp)
{
    bool existing = arg->has_mode && arg->mode == NEW_IMAGE_MODE_EXISTING;
    int64_t size;

    t->format = arg->format ? arg->format : existing ? NULL : t->bs->drv->name;
    if (bdrv_op_is_blocked(t->bs, BLOCK_OP_BACKUP_SOURCE, errp)) {
        return NULL;
    }
    t->flags = t->bs->open_flags | BDRV_O_RDWR;
    t->sync = arg->sync;
    if (arg->sync == MIRROR_SYNC_MODE_TOP) {
        t->backing = bdrv_backing_chain_next(t->bs);
        if (!t->backing) {
            t->sync = MIRROR_SYNC_MODE_FULL;
        }
    }
    if (arg->sync == MIRROR_SYNC_MODE_NONE) {
        t->backing = t->bs;
        t->flags |= BDRV_O_NO_BACKING;
        t->set_backing = true;
    }
    size = bdrv_getlength(t->bs);
    if (size < 0) {
        error_setg_errno(errp, -size, "bdrv_getlength failed");
        return NULL;
    }
    if (!existing && !create_image(arg, t, size, errp)) {
        return NULL;
    }
    t->flags |= existing ? 0 : BDRV_O_USERS_BACKING;     /* what the source reads through */
    return open_target(arg, t, errp);
}

BackupAction *drive_backup_prepare(const DriveBackup *arg, JobTxn *txn, Error **errp)
{
    BlockDriverState *bs = bdrv_lookup_bs(arg->device, arg->device, errp), *target;
    FileTarget t = { bs };
    BackupAction *a;

    if (!bs) {
        return NULL;
    }
    if (!bs->drv) {
        error_setg(errp, "Device has no medium");
        return NULL;
    }
    a = action_begin(bs);
    target = make_target(arg, &t, errp);
    if (target) {
        a->job = make_job((const BackupCommon *)arg, t.sync, bs, target, txn, errp);
        bdrv_unref(target);
    }
    if (!a->job) {
        backup_action_clean(g_steal_pointer(&a));
    }
    return a;
}

/* --- the rest of an action --------------------------------------------------- */

void backup_action_commit(BackupAction *a)
{
    job_start(&a->job->job);
    a->job = NULL;
}

void backup_action_abort(BackupAction *a)
{
    if (a->job) {
        job_cancel_sync(&a->job->job);
        a->job = NULL;
    }
}

void backup_action_clean(BackupAction *a)
{
    bdrv_drained_end(a->bs);
    bdrv_unref(a->bs);
    g_free(a);
}

void qmp_blockdev_backup(const BlockdevBackup *arg, Error **errp)
{
    BackupAction *a = blockdev_backup_prepare(arg, NULL, errp);

    if (a) {
        backup_action_commit(a);
        backup_action_clean(a);
    }
}

void qmp_drive_backup(const DriveBackup *arg, Error **errp)
{
    BackupAction *a = drive_backup_prepare(arg, NULL, errp);

    if (a) {
        backup_action_commit(a);
        backup_action_clean(a);
    }
}
