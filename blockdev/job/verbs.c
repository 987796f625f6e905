/*
 * job-* and block-job-*: the same verbs under two families of names, and their queries.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "block/blockjob.h"
#include "internal.h"
#include "qapi/commands-block-core.h"
#include "qapi/commands-job.h"

static Job *find_job(const char *id, Error **errp)
{
    Job *job = job_get(id);

    if (!job) {
        error_setg(errp, "Job not found");
    }
    return job;
}

static Job *find_block_job(const char *id, Error **errp)
{
    BlockJob *job = block_job_get(id);

    if (!job) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE, "Block job '%s' not found", id);
        return NULL;
    }
    return &job->job;
}

#define BODY(find, id, act)                 \
    Job *job = find(id, errp);              \
                                            \
    if (job) {                              \
        act;                                \
    }

void qmp_job_pause(const JobPauseArgs *arg, Error **errp)
{
    BODY(find_job, arg->id, job_user_pause(job, errp))
}

void qmp_job_resume(const JobResumeArgs *arg, Error **errp)
{
    BODY(find_job, arg->id, job_user_resume(job, errp))
}

void qmp_job_cancel(const JobCancelArgs *arg, Error **errp)
{
    BODY(find_job, arg->id, job_user_cancel(job, true, errp))
}

void qmp_job_complete(const JobCompleteArgs *arg, Error **errp)
{
    BODY(find_job, arg->id, job_complete(job, errp))
}

void qmp_job_dismiss(const JobDismissArgs *arg, Error **errp)
{
    BODY(find_job, arg->id, job_dismiss(&job, errp))
}

void qmp_job_finalize(const JobFinalizeArgs *arg, Error **errp)
{
    BODY(find_job, arg->id, job_finalize(job, errp))
}

void qmp_block_job_set_speed(const BlockJobSetSpeedArgs *arg, Error **errp)
{
    BODY(find_block_job, arg->device, block_job_set_speed((BlockJob *)job, arg->speed, errp))
}

void qmp_block_job_cancel(const BlockJobCancelArgs *arg, Error **errp)
{
    bool force = arg->has_force && arg->force;
    Job *job = find_block_job(arg->device, errp);

    if (!job) {
        return;
    }
    if (job->user_paused && !force) {
        error_setg(errp, "The block job for device '%s' is currently paused", arg->device);
        return;
    }
    job_user_cancel(job, force, errp);
}

void qmp_block_job_pause(const BlockJobPauseArgs *arg, Error **errp)
{
    BODY(find_block_job, arg->device, job_user_pause(job, errp))
}

void qmp_block_job_resume(const BlockJobResumeArgs *arg, Error **errp)
{
    BODY(find_block_job, arg->device, job_user_resume(job, errp))
}

void qmp_block_job_complete(const BlockJobCompleteArgs *arg, Error **errp)
{
    BODY(find_block_job, arg->device, job_complete(job, errp))
}

void qmp_block_job_finalize(const BlockJobFinalizeArgs *arg, Error **errp)
{
    BODY(find_block_job, arg->id, job_finalize(job, errp))
}

void qmp_block_job_dismiss(const BlockJobDismissArgs *arg, Error **errp)
{
    BODY(find_block_job, arg->id, job_dismiss(&job, errp))
}

static JobInfo *job_info(const Job *job)
{
    JobInfo *info = JobInfo_new();

    info->id = g_strdup(job->id);
    info->type = job->driver->type;
    info->status = job->status;
    info->current_progress = job->progress_current;
    info->total_progress = job->progress_current + job->progress_remaining;
    info->error = job->err ? g_strdup(error_get_pretty(job->err)) : NULL;
    return info;
}

JobInfoList *qmp_query_jobs(Error **errp)
{
    JobInfoList *list = JobInfoList_new();

    for (Job *job = job_next(NULL); job; job = job_next(job)) {
        if (!job_is_internal(job)) {
            JobInfoList_append(list, job_info(job));
        }
    }
    return list;
}

BlockJobInfoList *qmp_query_block_jobs(Error **errp)
{
    BlockJobInfoList *list = BlockJobInfoList_new();

    for (BlockJob *job = block_job_next(NULL); job; job = block_job_next(job)) {
        if (!job_is_internal(&job->job)) {
            BlockJobInfoList_append(list, block_job_query(job));
        }
    }
    return list;
}
