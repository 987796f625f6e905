/*
 * The backup job: a point in time is copied to the target, while a copy-before-write filter keeps it.
 *
 * The filter's engine does all copying (block_copy_start); the job waits for it, and starts it again after a pause or
 * an error that the policy lets pass.  With sync=none only the filter copies.
 *
 * The bitmap of an incremental backup has a successor while the job runs; in the end it becomes what was written since
 * (success), or that together with what it was (failure).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include "block/block-jobs.h"
#include "block/copy-before-write.h"

typedef struct BackupJob {
    BlockJob common;
    BlockDriverState *cbw, *source, *target;
    BdrvDirtyBitmap *bitmap;
    MirrorSyncMode sync;
    BitmapSyncMode bitmap_mode;
    BlockdevOnError on_source_error, on_target_error;
    int64_t len;
    int max_workers;
    int64_t max_chunk;
    BlockCopy *copy;
    BlockCopyCall *call;               /* running or ended; NULL: none */
    bool wait;                         /* for the end of call, uninterruptibly */
} BackupJob;

/* --- the end ---------------------------------------------------------------- */

static void settle_bitmap(BackupJob *b, int ret)
{
    bool advance = (ret == 0 || b->bitmap_mode == BITMAP_SYNC_MODE_ALWAYS) && b->bitmap_mode != BITMAP_SYNC_MODE_NEVER;

    if (advance) {
        bdrv_dirty_bitmap_abdicate(b->bitmap);
    } else {
        bdrv_dirty_bitmap_reclaim(b->bitmap);
    }
    if (ret < 0 && b->bitmap_mode == BITMAP_SYNC_MODE_ALWAYS) {
        bdrv_dirty_bitmap_merge_any(b->bitmap, block_copy_bitmap(b->copy));   /* what was not copied */
    }
}

static void backup_commit(Job *job)
{
    BackupJob *b = (BackupJob *)job;

    if (b->bitmap) {
        settle_bitmap(b, 0);
    }
}

static void backup_abort(Job *job)
{
    BackupJob *b = (BackupJob *)job;

    if (b->bitmap) {
        settle_bitmap(b, -1);
    }
}

static void backup_clean(Job *job)
{
    BackupJob *b = (BackupJob *)job;

    block_job_remove_all_bdrv(&b->common);
    block_copy_call_free(g_steal_pointer(&b->call));
    block_copy_set_progress(b->copy, NULL, NULL);
    bdrv_cbw_drop(g_steal_pointer(&b->cbw));
}

/* --- the work --------------------------------------------------------------- */

static void call_ended(void *opaque)
{
    BackupJob *b = opaque;

    if (b->wait) {
        b->wait = false;
        aio_co_wake(b->common.job.co);
    } else {
        job_enter(&b->common.job);
    }
}

/* Stop the running call and wait until it has. */
static void coroutine_fn stop_call(BackupJob *b)
{
    if (b->call && !block_copy_call_finished(b->call)) {
        block_copy_call_cancel(b->call);
        if (!block_copy_call_finished(b->call)) {
            b->wait = true;
            coroutine_yield();
        }
    }
}

static void coroutine_fn backup_pause(Job *job)
{
    stop_call((BackupJob *)job);
}

static bool backup_set_speed(Job *job, int64_t speed)
{
    BackupJob *b = (BackupJob *)job;

    block_copy_set_speed(b->copy, speed);
    if (b->call && !block_copy_call_finished(b->call)) {
        block_copy_kick(b->call);
    }
    return true;
}

static bool backup_cancel(Job *job, bool force)
{
    BackupJob *b = (BackupJob *)job;

    if (b->call && !block_copy_call_finished(b->call)) {
        block_copy_call_cancel(b->call);
    }
    return true;
}

static BlockErrorAction error_action(BackupJob *b, bool read, int error)
{
    return block_job_error_action(&b->common, read ? b->on_source_error : b->on_target_error, read, error);
}

/* One call to its end, whoever ends it. */
static void coroutine_fn run_call(BackupJob *b)
{
    Job *job = &b->common.job;

    b->call = block_copy_start(b->copy, 0, b->len, b->max_workers, b->max_chunk, call_ended, b);
    while (!block_copy_call_finished(b->call) && !job_is_cancelled(job)) {
        job_yield(job);
    }
    stop_call(b);
}

static int coroutine_fn copy_all(BackupJob *b)
{
    Job *job = &b->common.job;

    for (;;) {
        bool error_is_read, cancelled;
        int ret;

        run_call(b);
        ret = block_copy_call_status(b->call, &error_is_read);
        cancelled = block_copy_call_cancelled(b->call);
        block_copy_call_free(g_steal_pointer(&b->call));
        if (job_is_cancelled(job)) {
            return 0;
        }
        if (ret < 0) {
            if (error_action(b, error_is_read, -ret) == BLOCK_ERROR_ACTION_REPORT) {
                return ret;
            }
        } else if (!cancelled) {
            return 0;
        }
        job_pause_point(job);
        if (job_is_cancelled(job)) {
            return 0;
        }
    }
}

/* sync=top: drop what the source's own layer does not have. */
static int coroutine_fn drop_unallocated(BackupJob *b)
{
    int64_t n;

    block_copy_set_skip_unallocated(b->copy, true);
    for (int64_t offset = 0; offset < b->len; offset += n) {
        int ret;

        job_sleep_ns(&b->common.job, 0);
        if (job_is_cancelled(&b->common.job)) {
            return -ECANCELED;
        }
        ret = block_copy_reset_unallocated(b->copy, offset, &n);
        if (ret < 0) {
            return ret;
        }
        job_progress_set_remaining(&b->common.job, bdrv_dirty_bitmap_count(block_copy_bitmap(b->copy)));
    }
    block_copy_set_skip_unallocated(b->copy, false);
    return 0;
}

static void init_copy_bitmap(BackupJob *b)
{
    BdrvDirtyBitmap *bm = block_copy_bitmap(b->copy);

    if (b->sync == MIRROR_SYNC_MODE_BITMAP) {
        bdrv_clear_dirty_bitmap(bm, NULL);
        bdrv_dirty_bitmap_merge_any(bm, b->bitmap);
    }
    job_progress_set_remaining(&b->common.job, bdrv_dirty_bitmap_count(bm));
}

static int coroutine_fn backup_run(Job *job, Error **errp)
{
    BackupJob *b = (BackupJob *)job;
    int ret;

    init_copy_bitmap(b);
    if (b->sync == MIRROR_SYNC_MODE_TOP) {
        ret = drop_unallocated(b);
        if (ret < 0) {
            return ret == -ECANCELED ? 0 : ret;
        }
    }
    if (b->sync != MIRROR_SYNC_MODE_NONE) {
        ret = copy_all(b);
        return ret < 0 || job_is_cancelled(job) ? ret : bdrv_settle(b->target);
    }
    while (!job_is_cancelled(job)) {
        job_yield(job);
    }
    return 0;
}

static const JobDriver backup_driver = {
    .instance_size = sizeof(BackupJob),
    .type = JOB_TYPE_BACKUP,
    .free = block_job_free,
    .user_resume = block_job_user_resume,
    .on_pending = block_job_on_pending,
    .on_ready = block_job_on_ready,
    .on_completed = block_job_on_completed,
    .on_cancelled = block_job_on_cancelled,
    .run = backup_run,
    .pause = backup_pause,
    .commit = backup_commit,
    .abort = backup_abort,
    .clean = backup_clean,
    .cancel = backup_cancel,
    .set_speed = backup_set_speed,
};

/* --- creation --------------------------------------------------------------- */

/* In any thread: the numbers are only shown. */
static void on_progress(void *opaque, int64_t done, int64_t remaining)
{
    Job *job = opaque;

    __atomic_add_fetch(&job->progress_current, done, __ATOMIC_RELAXED);
    __atomic_store_n(&job->progress_remaining, remaining, __ATOMIC_RELAXED);
}

static bool check_nodes(const BackupJobParams *p, Error **errp)
{
    if (p->bs == p->target) {
        error_setg(errp, "Source and target cannot be the same");
        return false;
    }
    if (p->compress && !bdrv_supports_compressed_writes(p->target)) {
        error_setg(errp, "Compression is not supported for this drive %s", bdrv_get_device_name(p->target));
        return false;
    }
    return !bdrv_op_is_blocked(p->bs, BLOCK_OP_BACKUP_SOURCE, errp) &&
           !bdrv_op_is_blocked(p->target, BLOCK_OP_BACKUP_TARGET, errp);
}

static bool check_perf(const BackupJobParams *p, Error **errp)
{
    if (p->max_workers < 1 || p->max_workers > INT_MAX) {
        error_setg(errp, "max-workers must be between 1 and %d", INT_MAX);
        return false;
    }
    if (p->max_chunk < 0) {
        error_setg(errp, "max-chunk must be zero (which means no limit) or positive");
        return false;
    }
    return true;
}

/* The length of both, or -1. */
static int64_t check_lengths(const BackupJobParams *p, Error **errp)
{
    int64_t len = bdrv_getlength(p->bs), target_len;

    if (len < 0) {
        error_setg_errno(errp, -len, "Unable to get length for '%s'", bdrv_get_device_or_node_name(p->bs));
        return -1;
    }
    target_len = bdrv_getlength(p->target);
    if (target_len < 0) {
        error_setg_errno(errp, -target_len, "Unable to get length for '%s'", bdrv_get_device_or_node_name(p->bs));
        return -1;
    }
    if (target_len != len) {
        error_setg(errp, "Source and target image have different sizes");
        return -1;
    }
    return len;
}

static BackupJob *make_job(const BackupJobParams *p, BlockDriverState *cbw, BlockCopy *copy, int64_t len, Error **errp)
{
    int64_t cluster = block_copy_cluster_size(copy);
    BackupJob *b;

    if (p->max_chunk && p->max_chunk < cluster) {
        error_setg(errp, "Required max-chunk (%" PRIi64 ") is less than backup cluster size (%" PRIi64 ")",
                   p->max_chunk, cluster);
        return NULL;
    }
    b = block_job_create(p->job_id, &backup_driver, p->txn, cbw, 0, BLK_PERM_ALL, 0, p->flags, NULL, NULL, errp);
    if (!b) {
        return NULL;
    }
    b->cbw = cbw;
    b->source = p->bs;
    b->target = p->target;
    b->copy = copy;
    b->sync = p->sync;
    b->bitmap_mode = p->bitmap_mode;
    b->on_source_error = p->on_source_error;
    b->on_target_error = p->on_target_error;
    b->max_workers = p->max_workers;
    b->max_chunk = p->max_chunk;
    b->len = len;
    if (!block_job_set_speed(&b->common, p->speed, errp) ||
        block_job_add_bdrv(&b->common, "target", p->target, 0, BLK_PERM_ALL, errp) < 0) {
        job_early_fail(&b->common.job);
        return NULL;
    }
    block_copy_set_options(copy, p->use_copy_range, p->compress);
    block_copy_set_progress(copy, on_progress, b);
    return b;
}

BlockJob *backup_job_create(const BackupJobParams *p, Error **errp)
{
    BlockDriverState *cbw = NULL;
    BackupJob *b = NULL;
    BlockCopy *copy;
    bool successor;
    int64_t len;

    if (!check_nodes(p, errp) || !check_perf(p, errp)) {
        return NULL;
    }
    if (p->bitmap && p->bitmap_mode != BITMAP_SYNC_MODE_NEVER &&
        bdrv_dirty_bitmap_check(p->bitmap, BDRV_BITMAP_DEFAULT, errp) < 0) {
        return NULL;
    }
    if (p->bitmap && bdrv_dirty_bitmap_create_successor(p->bitmap, errp) < 0) {
        return NULL;
    }
    successor = p->bitmap != NULL;
    len = check_lengths(p, errp);
    if (len >= 0) {
        cbw = bdrv_cbw_append(p->bs, p->target, p->filter_node_name, &copy, errp);
    }
    if (cbw) {
        b = make_job(p, cbw, copy, len, errp);
    }
    if (b) {
        b->bitmap = p->bitmap;
        return &b->common;
    }
    if (cbw) {
        bdrv_cbw_drop(cbw);
    }
    if (successor) {
        bdrv_dirty_bitmap_reclaim(p->bitmap);
    }
    return NULL;
}
