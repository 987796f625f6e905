/*
 * Block jobs: their nodes, blockers, speed, answers to errors, and the events of the block family.
 *
 * A drained section of any node pauses the job that has an edge to it; the section waits until the job sleeps.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "block/blockjob.h"
#include "internal.h"
#include "qapi/events-block-core.h"

static bool is_block_job(const Job *job)
{
    switch (job->driver->type) {
    case JOB_TYPE_BACKUP:
    case JOB_TYPE_COMMIT:
    case JOB_TYPE_MIRROR:
    case JOB_TYPE_STREAM:
        return true;
    default:
        return false;
    }
}

BlockJob *block_job_next(BlockJob *job)
{
    Job *j = job_next(job ? &job->job : NULL);

    while (j && !is_block_job(j)) {
        j = job_next(j);
    }
    return (BlockJob *)j;
}

BlockJob *block_job_get(const char *id)
{
    Job *job = job_get(id);

    return job && is_block_job(job) ? (BlockJob *)job : NULL;
}

/* --- edges ---------------------------------------------------------------- */

static char *edge_desc(BdrvChild *c)
{
    BlockJob *job = c->opaque;

    return g_strdup_printf("%s job '%s'", job_type_name(&job->job), job->job.id);
}

static char *io_edge_desc(BdrvChild *c)
{
    return g_strdup("an unnamed block device");
}

/* As a backend without a name would: the node is in use. */
static const char *io_edge_name(BdrvChild *c)
{
    return NULL;
}

static void edge_drained_begin(BdrvChild *c)
{
    job_pause(&((BlockJob *)c->opaque)->job);
}

static void edge_drained_end(BdrvChild *c)
{
    job_resume(&((BlockJob *)c->opaque)->job);
}

static bool edge_drained_poll(BdrvChild *c)
{
    Job *job = &((BlockJob *)c->opaque)->job;

    if (!job->busy || job->deferred || job_is_completed(job)) {
        return false;
    }
    return job->driver->drained_poll ? job->driver->drained_poll(job) : true;
}

static const BdrvChildOps edge_ops = {
    .stay_at_node = true,
    .has_more_edges = true,
    .get_parent_desc = edge_desc,
    .drained_begin = edge_drained_begin,
    .drained_end = edge_drained_end,
    .drained_poll = edge_drained_poll,
};

static const BdrvChildOps io_edge_ops = {
    .stay_at_node = true,
    .has_more_edges = true,
    .get_parent_desc = io_edge_desc,
    .get_name = io_edge_name,
    .drained_begin = edge_drained_begin,
    .drained_end = edge_drained_end,
    .drained_poll = edge_drained_poll,
};

int block_job_add_bdrv(BlockJob *job, const char *name, BlockDriverState *bs, uint64_t perm, uint64_t shared,
                       Error **errp)
{
    BdrvChild *c;

    bdrv_ref(bs);
    c = bdrv_root_attach(bs, name, &edge_ops, job, perm, shared, errp);
    if (!c) {
        return -EPERM;
    }
    job->nodes = g_slist_prepend(job->nodes, c);
    bdrv_op_block_all(bs, job->blocker);
    return 0;
}

BdrvChild *block_job_attach_io(BlockJob *job, BlockDriverState *bs, uint64_t perm, uint64_t shared, Error **errp)
{
    BdrvChild *c;

    bdrv_ref(bs);
    c = bdrv_root_attach(bs, "root", &io_edge_ops, job, perm, shared, errp);
    if (c) {
        job->io = g_slist_prepend(job->io, c);
    }
    return c;
}

void block_job_detach_io(BlockJob *job, BdrvChild *c)
{
    if (c) {
        job->io = g_slist_remove(job->io, c);
        bdrv_root_detach(c);
    }
}

void block_job_remove_all_bdrv(BlockJob *job)
{
    while (job->nodes) {
        BdrvChild *c = job->nodes->data;

        /* First out of the list: closing the node may poll and come back here. */
        job->nodes = g_slist_delete_link(job->nodes, job->nodes);
        bdrv_op_unblock_all(c->bs, job->blocker);
        bdrv_root_detach(c);
    }
}

/* --- life ----------------------------------------------------------------- */

void block_job_free(Job *j)
{
    BlockJob *job = (BlockJob *)j;

    block_job_remove_all_bdrv(job);
    error_free(job->blocker);
}

void *block_job_create(const char *id, const JobDriver *driver, JobTxn *txn, BlockDriverState *bs, uint64_t perm,
                       uint64_t shared, int64_t speed, int flags, void (*cb)(void *opaque, int ret), void *opaque,
                       Error **errp)
{
    BlockJob *job;

    if (!id && !(flags & JOB_INTERNAL)) {
        id = bdrv_get_device_name(bs);
    }
    job = job_create(id, driver, txn, flags, cb, opaque, errp);
    if (!job) {
        return NULL;
    }
    job->iostatus = BLOCK_DEVICE_IO_STATUS_OK;
    error_setg(&job->blocker, "block device is in use by block job: %s", job_type_name(&job->job));
    if (block_job_add_bdrv(job, "main node", bs, perm, shared, errp) < 0 ||
        (speed && !block_job_set_speed(job, speed, errp))) {
        job_early_fail(&job->job);
        return NULL;
    }
    bdrv_op_unblock(bs, BLOCK_OP_DATAPLANE, job->blocker);
    return job;
}

/* --- speed ---------------------------------------------------------------- */

static bool sleeps_by_timer(Job *job)
{
    return aio_timer_pending(job->sleep);
}

bool block_job_set_speed(BlockJob *job, int64_t speed, Error **errp)
{
    int64_t old = job->speed;

    if (job_apply_verb(&job->job, JOB_VERB_SET_SPEED, errp) < 0) {
        return false;
    }
    if (speed < 0) {
        error_setg(errp, "Parameter 'speed' expects a non-negative value");
        return false;
    }
    ratelimit_set_speed(&job->limit, speed);
    job->speed = speed;
    if (job->job.driver->set_speed) {
        job->job.driver->set_speed(&job->job, speed);
    }
    if (!speed || (old && speed > old)) {
        job->limit.slice_end = 0;
        job_enter_if(&job->job, sleeps_by_timer);
    }
    return true;
}

int64_t block_job_ratelimit_delay(BlockJob *job, uint64_t n)
{
    return ratelimit_delay(&job->limit, n);
}

/* --- errors --------------------------------------------------------------- */

void block_job_iostatus_reset(BlockJob *job)
{
    job->iostatus = BLOCK_DEVICE_IO_STATUS_OK;
}

void block_job_user_resume(Job *job)
{
    block_job_iostatus_reset((BlockJob *)job);
}

static BlockErrorAction action_for(BlockdevOnError on_err, int error)
{
    switch (on_err) {
    case BLOCKDEV_ON_ERROR_ENOSPC:
    case BLOCKDEV_ON_ERROR_AUTO:
        return error == ENOSPC ? BLOCK_ERROR_ACTION_STOP : BLOCK_ERROR_ACTION_REPORT;
    case BLOCKDEV_ON_ERROR_STOP:
        return BLOCK_ERROR_ACTION_STOP;
    case BLOCKDEV_ON_ERROR_IGNORE:
        return BLOCK_ERROR_ACTION_IGNORE;
    default:
        return BLOCK_ERROR_ACTION_REPORT;
    }
}

static void send_error_event(BlockJob *job, bool is_read, BlockErrorAction action)
{
    BlockJobErrorEvent ev = {
        .device = job->job.id,
        .operation = is_read ? IO_OPERATION_TYPE_READ : IO_OPERATION_TYPE_WRITE,
        .action = action,
    };

    qapi_event_send_BLOCK_JOB_ERROR(&ev);
}

BlockErrorAction block_job_error_action(BlockJob *job, BlockdevOnError on_err, bool is_read, int error)
{
    BlockErrorAction action = action_for(on_err, error);

    if (!job_is_internal(&job->job)) {
        send_error_event(job, is_read, action);
    }
    if (action == BLOCK_ERROR_ACTION_STOP) {
        if (!job->job.user_paused) {
            job_pause(&job->job);
            job->job.user_paused = true;
        }
        if (job->iostatus == BLOCK_DEVICE_IO_STATUS_OK) {
            job->iostatus = error == ENOSPC ? BLOCK_DEVICE_IO_STATUS_NOSPACE : BLOCK_DEVICE_IO_STATUS_FAILED;
        }
    }
    return action;
}

/* --- what the world sees --------------------------------------------------- */

BlockJobInfo *block_job_query(BlockJob *job)
{
    BlockJobInfo *info = BlockJobInfo_new();
    Job *j = &job->job;

    info->type = g_strdup(job_type_name(j));
    info->device = g_strdup(j->id);
    info->busy = j->busy;
    info->paused = j->pause_count > 0;
    info->offset = j->progress_current;
    info->len = j->progress_current + j->progress_remaining;
    info->speed = job->speed;
    info->io_status = job->iostatus;
    info->ready = job_is_ready(j);
    info->status = j->status;
    info->auto_finalize = j->auto_finalize;
    info->auto_dismiss = j->auto_dismiss;
    if (j->ret) {
        info->error = g_strdup(j->err ? error_get_pretty(j->err) : g_strerror(-j->ret));
    }
    return info;
}

void block_job_on_pending(Job *job)
{
    if (!job_is_internal(job)) {
        BlockJobPendingEvent ev = { .type = job->driver->type, .id = job->id };

        qapi_event_send_BLOCK_JOB_PENDING(&ev);
    }
}

void block_job_on_ready(Job *job)
{
    if (!job_is_internal(job)) {
        BlockJobReadyEvent ev = {
            .type = job->driver->type, .device = job->id, .offset = job->progress_current,
            .len = job->progress_current + job->progress_remaining, .speed = ((BlockJob *)job)->speed,
        };

        qapi_event_send_BLOCK_JOB_READY(&ev);
    }
}

void block_job_on_completed(Job *job)
{
    if (!job_is_internal(job)) {
        BlockJobCompletedEvent ev = {
            .type = job->driver->type, .device = job->id, .offset = job->progress_current,
            .len = job->progress_current + job->progress_remaining, .speed = ((BlockJob *)job)->speed,
            .error = job->ret < 0 ? (char *)error_get_pretty(job->err) : NULL,
        };

        qapi_event_send_BLOCK_JOB_COMPLETED(&ev);
    }
}

void block_job_on_cancelled(Job *job)
{
    if (!job_is_internal(job)) {
        BlockJobCancelledEvent ev = {
            .type = job->driver->type, .device = job->id, .offset = job->progress_current,
            .len = job->progress_current + job->progress_remaining, .speed = ((BlockJob *)job)->speed,
        };

        qapi_event_send_BLOCK_JOB_CANCELLED(&ev);
    }
}
