/*
 * A job's life until its work is done: creation, start, sleeping and pausing, progress, the list of all.
 *
 * Created with one pause count that job_start takes away.  While `busy` is false the coroutine sleeps in do_yield
 * and nobody but job_enter wakes it; so a request that the coroutine waits for (busy) can not be disturbed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "internal.h"
#include "qapi/events-job.h"
#include "util/cutils.h"

static Job *all_jobs;

/* Row: from, bit: to. */
#define S(name) (1u << JOB_STATUS_##name)
static const unsigned transitions[JOB_STATUS__MAX] = {
    [JOB_STATUS_UNDEFINED] = S(CREATED),
    [JOB_STATUS_CREATED]   = S(RUNNING) | S(ABORTING) | S(NULL),
    [JOB_STATUS_RUNNING]   = S(PAUSED) | S(READY) | S(WAITING) | S(ABORTING),
    [JOB_STATUS_PAUSED]    = S(RUNNING),
    [JOB_STATUS_READY]     = S(STANDBY) | S(WAITING) | S(ABORTING),
    [JOB_STATUS_STANDBY]   = S(READY),
    [JOB_STATUS_WAITING]   = S(PENDING) | S(ABORTING),
    [JOB_STATUS_PENDING]   = S(ABORTING) | S(CONCLUDED),
    [JOB_STATUS_ABORTING]  = S(ABORTING) | S(CONCLUDED),
    [JOB_STATUS_CONCLUDED] = S(NULL),
    [JOB_STATUS_NULL]      = 0,
};
#undef S

void job_set_status(Job *job, JobStatus status)
{
    JobStatus old = job->status;

    g_assert(transitions[old] & (1u << status));
    job->status = status;
    if (!job_is_internal(job) && status != old) {
        JobStatusChangeEvent ev = { .id = job->id, .status = status };

        qapi_event_send_JOB_STATUS_CHANGE(&ev);
    }
}

/* --- the list ------------------------------------------------------------- */

Job *job_next(Job *job)
{
    return job ? job->next : all_jobs;
}

Job *job_get(const char *id)
{
    for (Job *j = all_jobs; j; j = j->next) {
        if (j->id && !strcmp(j->id, id)) {
            return j;
        }
    }
    return NULL;
}

static void list_insert(Job *job)
{
    job->next = all_jobs;
    if (all_jobs) {
        all_jobs->prev = job;
    }
    all_jobs = job;
}

static void list_remove(Job *job)
{
    *(job->prev ? &job->prev->next : &all_jobs) = job->next;
    if (job->next) {
        job->next->prev = job->prev;
    }
}

/* --- life ----------------------------------------------------------------- */

static bool id_is_good(const char *id, int flags, Error **errp)
{
    if (flags & JOB_INTERNAL) {
        if (id) {
            error_setg(errp, "Cannot specify job ID for internal job");
        }
        return !id;
    }
    if (!id) {
        error_setg(errp, "An explicit job ID is required");
    } else if (!id_wellformed(id)) {
        error_setg(errp, "Invalid job ID '%s'", id);
    } else if (job_get(id)) {
        error_setg(errp, "Job ID '%s' already in use", id);
    } else {
        return true;
    }
    return false;
}

static void sleep_over(void *opaque)
{
    job_enter(opaque);
}

void *job_create(const char *id, const JobDriver *driver, JobTxn *txn, int flags, void (*cb)(void *opaque, int ret),
                 void *opaque, Error **errp)
{
    Job *job;

    if (!id_is_good(id, flags, errp)) {
        return NULL;
    }
    job = g_malloc0(driver->instance_size);
    job->driver = driver;
    job->id = g_strdup(id);
    job->refcnt = 1;
    job->busy = false;
    job->paused = true;
    job->pause_count = 1;
    job->auto_finalize = !(flags & JOB_MANUAL_FINALIZE);
    job->auto_dismiss = !(flags & JOB_MANUAL_DISMISS);
    job->cb = cb;
    job->opaque = opaque;
    job->sleep = aio_timer_new(aio_main_context(), AIO_CLOCK_REALTIME, sleep_over, job);
    list_insert(job);
    job_set_status(job, JOB_STATUS_CREATED);
    if (txn) {
        job_txn_add(txn, job);
    } else {
        txn = job_txn_new();
        job_txn_add(txn, job);
        job_txn_unref(txn);
    }
    return job;
}

void job_ref(Job *job)
{
    job->refcnt++;
}

void job_unref(Job *job)
{
    if (--job->refcnt > 0) {
        return;
    }
    g_assert(job->status == JOB_STATUS_NULL && !job->txn);
    if (job->driver->free) {
        job->driver->free(job);
    }
    list_remove(job);
    aio_timer_free(job->sleep);
    error_free(job->err);
    g_free(job->id);
    g_free(job);
}

static void exit_bh(void *opaque)
{
    Job *job = opaque;

    job->busy = false;
    job_completed(job);
    job_unref(job);
}

static void coroutine_fn job_entry(void *opaque)
{
    Job *job = opaque;

    job_pause_point(job);
    job->ret = job->driver->run(job, &job->err);
    job->deferred = true;
    job->busy = true;
    job_ref(job);
    aio_bh_oneshot(aio_main_context(), exit_bh, job);
}

void job_start(Job *job)
{
    g_assert(!job_started(job) && job->paused && job->driver->run);
    job->co = coroutine_create(job_entry, job);
    job->pause_count--;
    job->busy = true;
    job->paused = false;
    job_set_status(job, JOB_STATUS_RUNNING);
    coroutine_enter(job->co);
}

void job_early_fail(Job *job)
{
    g_assert(job->status == JOB_STATUS_CREATED);
    job_forget(job);
}

bool job_started(const Job *job)
{
    return job->co != NULL;
}

/* --- facts ---------------------------------------------------------------- */

bool job_is_cancelled(const Job *job)
{
    g_assert(job->cancelled || !job->force_cancel);
    return job->force_cancel;
}

bool job_cancel_requested(const Job *job)
{
    return job->cancelled;
}

bool job_is_ready(const Job *job)
{
    return job->status == JOB_STATUS_READY || job->status == JOB_STATUS_STANDBY;
}

bool job_is_completed(const Job *job)
{
    switch (job->status) {
    case JOB_STATUS_WAITING:
    case JOB_STATUS_PENDING:
    case JOB_STATUS_ABORTING:
    case JOB_STATUS_CONCLUDED:
    case JOB_STATUS_NULL:
        return true;
    default:
        return false;
    }
}

bool job_should_pause(const Job *job)
{
    return job->pause_count > 0;
}

void job_settle_result(Job *job)
{
    if (!job->ret && job_is_cancelled(job)) {
        job->ret = -ECANCELED;
    }
    if (job->ret) {
        if (!job->err) {
            error_setg(&job->err, "%s", strerror(-job->ret));
        }
        job_set_status(job, JOB_STATUS_ABORTING);
    }
}

/* --- sleeping ------------------------------------------------------------- */

static void coroutine_fn do_yield(Job *job, int64_t until)
{
    if (until >= 0) {
        aio_timer_mod_ns(job->sleep, until);
    }
    job->busy = false;
    aio_wait_kick();
    coroutine_yield();
    g_assert(job->busy);
}

void coroutine_fn job_pause_point(Job *job)
{
    JobStatus status;

    if (!job_should_pause(job) || job_is_cancelled(job)) {
        return;
    }
    if (job->driver->pause) {
        job->driver->pause(job);
    }
    if (job_should_pause(job) && !job_is_cancelled(job)) {
        status = job->status;
        job_set_status(job, status == JOB_STATUS_READY ? JOB_STATUS_STANDBY : JOB_STATUS_PAUSED);
        job->paused = true;
        do_yield(job, -1);
        job->paused = false;
        job_set_status(job, status);
    }
}

void coroutine_fn job_sleep_ns(Job *job, int64_t ns)
{
    if (job_is_cancelled(job)) {
        return;
    }
    if (!job_should_pause(job)) {
        do_yield(job, aio_clock_ns(AIO_CLOCK_REALTIME) + ns);
    }
    job_pause_point(job);
}

void coroutine_fn job_yield(Job *job)
{
    if (job_is_cancelled(job)) {
        return;
    }
    if (!job_should_pause(job)) {
        do_yield(job, -1);
    }
    job_pause_point(job);
}

void job_enter_if(Job *job, bool (*fn)(Job *job))
{
    if (!job_started(job) || job->deferred || job->busy || (fn && !fn(job))) {
        return;
    }
    aio_timer_del(job->sleep);
    job->busy = true;
    aio_co_wake(job->co);
}

void job_enter(Job *job)
{
    job_enter_if(job, NULL);
}

void job_pause(Job *job)
{
    job->pause_count++;
    if (!job->paused) {
        job_enter(job);
    }
}

static bool not_timed(Job *job)
{
    return !aio_timer_pending(job->sleep);
}

void job_resume(Job *job)
{
    g_assert(job->pause_count > 0);
    if (--job->pause_count == 0) {
        job_enter_if(job, not_timed);
    }
}

/* --- progress ------------------------------------------------------------- */

void job_transition_to_ready(Job *job)
{
    job_set_status(job, JOB_STATUS_READY);
    if (job->driver->on_ready) {
        job->driver->on_ready(job);
    }
}

void job_progress_update(Job *job, uint64_t done)
{
    job->progress_current += done;
    job->progress_remaining -= MIN(done, job->progress_remaining);
}

void job_progress_set_remaining(Job *job, uint64_t remaining)
{
    job->progress_remaining = remaining;
}
