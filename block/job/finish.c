/*
 * The end of jobs, alone and in groups.
 *
 *   run returned 0  -> waiting                       job_completed
 *   all are waiting -> pending, all of them          group_succeeded
 *   finalised       -> prepare all, then one by one  job_finalize_group, finalize_one: commit, clean, concluded
 *   one has failed  -> cancel and await the others,  job_fail_group; then finalize_one for each: abort, clean
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "block/graph.h"
#include "internal.h"

JobTxn *job_txn_new(void)
{
    JobTxn *txn = g_new0(JobTxn, 1);

    txn->refcnt = 1;
    return txn;
}

void job_txn_ref(JobTxn *txn)
{
    txn->refcnt++;
}

void job_txn_unref(JobTxn *txn)
{
    if (txn && --txn->refcnt == 0) {
        g_free(txn);
    }
}

void job_txn_add(JobTxn *txn, Job *job)
{
    g_assert(!job->txn);
    job->txn = txn;
    job->txn_next = txn->jobs;
    if (txn->jobs) {
        txn->jobs->txn_prev = job;
    }
    txn->jobs = job;
    job_txn_ref(txn);
}

void job_txn_remove(Job *job)
{
    JobTxn *txn = g_steal_pointer(&job->txn);

    if (txn) {
        *(job->txn_prev ? &job->txn_prev->txn_next : &txn->jobs) = job->txn_next;
        if (job->txn_next) {
            job->txn_next->txn_prev = job->txn_prev;
        }
        job->txn_next = job->txn_prev = NULL;
        job_txn_unref(txn);
    }
}

/* Call fn for each member until one call returns non-zero; members may leave meanwhile. */
static int for_group(Job *job, int (*fn)(Job *job))
{
    JobTxn *txn = job->txn;
    Job *next;
    int ret = 0;

    job_ref(job);
    job_txn_ref(txn);
    for (Job *j = txn->jobs; j && !ret; j = next) {
        next = j->txn_next;
        ret = fn(j);
    }
    job_txn_unref(txn);
    job_unref(job);
    return ret;
}

void job_forget(Job *job)
{
    job->busy = false;
    job->paused = false;
    job->deferred = true;
    job_txn_remove(job);
    job_set_status(job, JOB_STATUS_NULL);
    job_unref(job);
}

static void conclude(Job *job)
{
    job_set_status(job, JOB_STATUS_CONCLUDED);
    if (job->auto_dismiss || !job_started(job)) {
        job_forget(job);
    }
}

static void call(void (*fn)(Job *job), Job *job)
{
    if (fn) {
        fn(job);
    }
}

static int finalize_one(Job *job)
{
    job_settle_result(job);
    g_assert(job_is_completed(job));
    call(job->ret ? job->driver->abort : job->driver->commit, job);
    call(job->driver->clean, job);
    if (job->cb) {
        job->cb(job->opaque, job->ret);
    }
    if (job_started(job)) {
        call(job_is_cancelled(job) ? job->driver->on_cancelled : job->driver->on_completed, job);
    }
    job_txn_remove(job);
    conclude(job);
    return 0;
}

static void cancel_async(Job *job, bool force)
{
    force = job->driver->cancel ? job->driver->cancel(job, force) : true;
    if (job->user_paused) {
        job->user_paused = false;
        call(job->driver->user_resume, job);
        g_assert(job->pause_count > 0);
        job->pause_count--;
    }
    /* A soft cancel of work that is done means nothing. */
    if (force || !job->deferred) {
        job->cancelled = true;
        job->force_cancel |= force;
    }
}

static bool not_through(void *opaque)
{
    Job *job = opaque;

    job_enter(job);
    return !job_is_completed(job);
}

static int await(Job *job)
{
    int ret;

    job_ref(job);
    bdrv_wait_while(not_through, job);
    ret = job_is_cancelled(job) && !job->ret ? -ECANCELED : job->ret;
    job_unref(job);
    return ret;
}

/* One member has failed: the rest is stopped, then all come to their end. */
void job_fail_group(Job *job)
{
    JobTxn *txn = job->txn;
    Job *j;

    if (txn->aborting) {
        return;                        /* whoever began it is waiting for us */
    }
    txn->aborting = true;
    job_txn_ref(txn);
    job_ref(job);
    for (j = txn->jobs; j; j = j->txn_next) {
        if (j != job) {
            cancel_async(j, true);
        }
    }
    while ((j = txn->jobs)) {
        if (job_started(j) && !job_is_completed(j)) {
            await(j);
        }
        finalize_one(j);
    }
    job_unref(job);
    job_txn_unref(txn);
}

static int prepare_one(Job *job)
{
    if (job->ret == 0 && job->driver->prepare) {
        job->in_prepare = true;
        job->ret = job->driver->prepare(job);
        job->in_prepare = false;
        job_settle_result(job);
    }
    return job->ret;
}

void job_finalize_group(Job *job)
{
    job_ref(job);
    if (for_group(job, prepare_one)) {
        job_fail_group(job);
    } else {
        for_group(job, finalize_one);
    }
    job_unref(job);
}

static int to_pending(Job *job)
{
    job_set_status(job, JOB_STATUS_PENDING);
    if (!job->auto_finalize) {
        call(job->driver->on_pending, job);
    }
    return 0;
}

static int needs_finalize(Job *job)
{
    return !job->auto_finalize;
}

static int not_completed(Job *job)
{
    return !job_is_completed(job);
}

static void succeeded(Job *job)
{
    job_set_status(job, JOB_STATUS_WAITING);
    if (for_group(job, not_completed)) {
        return;
    }
    for_group(job, to_pending);
    if (!for_group(job, needs_finalize)) {
        job_finalize_group(job);
    }
}

void job_completed(Job *job)
{
    g_assert(!job_is_completed(job));
    job_settle_result(job);
    if (job->ret) {
        job_fail_group(job);
    } else {
        succeeded(job);
    }
}

void job_cancel(Job *job, bool force)
{
    if (job->status == JOB_STATUS_CONCLUDED) {
        job_forget(job);
        return;
    }
    cancel_async(job, force);
    if (!job_started(job)) {
        job_completed(job);
    } else if (job->deferred) {
        /* Done, but not finalised: only a forced cancel undoes that. */
        if (job_is_cancelled(job) && !job->in_prepare && job_is_completed(job)) {
            job_fail_group(job);
        }
    } else {
        job_enter(job);
    }
}

int job_cancel_sync(Job *job)
{
    int ret;

    job_ref(job);
    job_cancel(job, true);
    ret = await(job);
    job_unref(job);
    return ret;
}

void job_cancel_sync_all(void)
{
    Job *job;

    while ((job = job_next(NULL))) {
        job_cancel_sync(job);
    }
}
