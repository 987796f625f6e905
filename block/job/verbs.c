/*
 * What people ask jobs to do, and in which states they may.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "block/graph.h"
#include "internal.h"

static const char *const verb_names[JOB_VERB__MAX] = {
    "cancel", "pause", "resume", "set-speed", "complete", "finalize", "dismiss"
};

#define S(name) (1u << JOB_STATUS_##name)
#define ALIVE (S(CREATED) | S(RUNNING) | S(PAUSED) | S(READY) | S(STANDBY))
static const unsigned allowed[JOB_VERB__MAX] = {
    [JOB_VERB_CANCEL]    = ALIVE | S(WAITING) | S(PENDING),
    [JOB_VERB_PAUSE]     = ALIVE,
    [JOB_VERB_RESUME]    = ALIVE,
    [JOB_VERB_SET_SPEED] = ALIVE,
    [JOB_VERB_COMPLETE]  = S(READY) | S(STANDBY),
    [JOB_VERB_FINALIZE]  = S(PENDING),
    [JOB_VERB_DISMISS]   = S(CONCLUDED),
};
#undef ALIVE
#undef S

int job_apply_verb(Job *job, JobVerb verb, Error **errp)
{
    if (allowed[verb] & (1u << job->status)) {
        return 0;
    }
    error_setg(errp, "Job '%s' in state '%s' cannot accept command verb '%s'", job->id, JobStatus_str(job->status),
               verb_names[verb]);
    return -EPERM;
}

void job_user_pause(Job *job, Error **errp)
{
    if (job_apply_verb(job, JOB_VERB_PAUSE, errp) < 0) {
        return;
    }
    if (job->user_paused) {
        error_setg(errp, "Job is already paused");
        return;
    }
    job->user_paused = true;
    job_pause(job);
}

void job_user_resume(Job *job, Error **errp)
{
    if (!job->user_paused || job->pause_count <= 0) {
        error_setg(errp, "Can't resume a job that was not paused");
        return;
    }
    if (job_apply_verb(job, JOB_VERB_RESUME, errp) < 0) {
        return;
    }
    if (job->driver->user_resume) {
        job->driver->user_resume(job);
    }
    job->user_paused = false;
    job_resume(job);
}

static bool is_ending(void *opaque) { return !job_is_completed(opaque); }

/* A paused job has nothing under way: when its work ends at once, the reply comes after its last events. */
void job_user_cancel(Job *job, bool force, Error **errp)
{
    bool was_paused = job->user_paused;

    if (job_apply_verb(job, JOB_VERB_CANCEL, errp) < 0) {
        return;
    }
    job_ref(job);
    job_cancel(job, force);
    if (was_paused && job->deferred && !job->driver->complete) {      /* mirrors answer first, as the peer's do */
        bdrv_wait_while(is_ending, job);
    }
    job_unref(job);
}

void job_complete(Job *job, Error **errp)
{
    if (job_apply_verb(job, JOB_VERB_COMPLETE, errp) < 0) {
        return;
    }
    if (job_cancel_requested(job) || !job->driver->complete) {
        error_setg(errp, "The active block job '%s' cannot be completed", job->id);
        return;
    }
    job->driver->complete(job, errp);
}

void job_finalize(Job *job, Error **errp)
{
    if (job_apply_verb(job, JOB_VERB_FINALIZE, errp) == 0 && !job->in_prepare) {
        job_finalize_group(job);
    }
}

void job_dismiss(Job **pjob, Error **errp)
{
    Job *job = *pjob;

    if (job_apply_verb(job, JOB_VERB_DISMISS, errp) == 0) {
        job_forget(job);
        *pjob = NULL;
    }
}
