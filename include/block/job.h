/*
 * Jobs: long operations that run beside the rest, can be paused, cancelled and finalised, alone or in groups.
 *
 * docs/devel/jobs.md has the table of states and who may do what in which thread.  In short: everything here runs
 * in the main thread; `run` is a coroutine of the main context, and the callbacks run outside coroutines.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_JOB_H
#define BLOCK_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <glib.h>
#include "qapi/types-job.h"
#include "util/aio.h"
#include "util/coroutine.h"
#include "util/error.h"

typedef struct Job Job;
typedef struct JobTxn JobTxn;

/* What people may ask of a job. */
typedef enum JobVerb {
    JOB_VERB_CANCEL, JOB_VERB_PAUSE, JOB_VERB_RESUME, JOB_VERB_SET_SPEED, JOB_VERB_COMPLETE, JOB_VERB_FINALIZE,
    JOB_VERB_DISMISS, JOB_VERB__MAX
} JobVerb;

typedef enum JobFlags {
    JOB_DEFAULT = 0,
    JOB_INTERNAL = 1 << 0,             /* no id, no events, not listed */
    JOB_MANUAL_FINALIZE = 1 << 1,      /* auto-finalize off */
    JOB_MANUAL_DISMISS = 1 << 2,       /* auto-dismiss off */
} JobFlags;

typedef struct JobDriver {
    size_t instance_size;              /* of the struct that begins with Job */
    JobType type;
    /* The work.  0 or -errno; may set *errp with a better text. */
    int coroutine_fn (*run)(Job *job, Error **errp);
    void (*free)(Job *job);
    /* Told before the job sleeps at a pause point. */
    void coroutine_fn (*pause)(Job *job);
    void (*user_resume)(Job *job);
    /* `job-complete`: a ready job is to come to its end. */
    void (*complete)(Job *job, Error **errp);
    /* The end, in this order.  prepare may still fail; of commit and abort exactly one is called; then clean. */
    int (*prepare)(Job *job);
    void (*commit)(Job *job);
    void (*abort)(Job *job);
    void (*clean)(Job *job);
    /*
     * Cancelling is asked for; returns whether it is to be seen as forced: a ready mirror may end softly.
     * NULL: always forced.
     */
    bool (*cancel)(Job *job, bool force);
    bool (*set_speed)(Job *job, int64_t speed);
    /* Told of each event that the world is told of (block jobs send theirs from here). */
    void (*on_pending)(Job *job);
    void (*on_ready)(Job *job);
    void (*on_completed)(Job *job);
    void (*on_cancelled)(Job *job);
    /* Could it still make requests?  Only asked while the job is busy. NULL: yes. */
    bool (*drained_poll)(Job *job);
} JobDriver;

struct Job {
    char *id;                          /* NULL: internal */
    const JobDriver *driver;
    int refcnt;
    JobStatus status;
    JobTxn *txn;                       /* NULL once finalised */
    bool auto_finalize, auto_dismiss;
    bool in_prepare;                   /* guards against being finalised twice while prepare polls */

    Coroutine *co;                     /* NULL until started */
    bool busy;                         /* the coroutine runs, or will by itself */
    bool paused;                       /* sleeps at a pause point */
    bool user_paused;
    int pause_count;                   /* > 0: to pause; a job that was not started has one */
    bool cancelled, force_cancel;      /* asked for; forced */
    bool deferred;                     /* run has returned */
    int ret;                           /* of run, later of the whole */
    Error *err;                        /* NULL while all is well */
    AioTimer *sleep;
    uint64_t progress_current, progress_remaining;

    void (*cb)(void *opaque, int ret); /* at the end, after commit or abort; may be NULL */
    void *opaque;
    Job *next, *prev;                  /* all jobs, newest first */
    Job *txn_next, *txn_prev;          /* those of one group, newest first */
};

/* --- for who makes jobs -------------------------------------------------- */

/* Groups: all members succeed together or none does.  The maker drops its reference when all members are made. */
JobTxn *job_txn_new(void);
void job_txn_ref(JobTxn *txn);
void job_txn_unref(JobTxn *txn);

/* In state created; txn NULL: a group of its own.  NULL + errp when id is bad or taken. */
void *job_create(const char *id, const JobDriver *driver, JobTxn *txn, int flags, void (*cb)(void *opaque, int ret),
                 void *opaque, Error **errp);
void job_start(Job *job);
/* Instead of job_start: forget it. */
void job_early_fail(Job *job);
void job_ref(Job *job);
void job_unref(Job *job);

/* --- for run ------------------------------------------------------------- */

/* Sleep here while paused. */
void coroutine_fn job_pause_point(Job *job);
/* Sleep ns (less when woken), then a pause point. */
void coroutine_fn job_sleep_ns(Job *job, int64_t ns);
/* Sleep until job_enter, then a pause point. */
void coroutine_fn job_yield(Job *job);
/* Continue a job that sleeps; no-op when it is busy. */
void job_enter(Job *job);
/* A new phase: only waiting for job-complete, or for writes to copy. */
void job_transition_to_ready(Job *job);
void job_progress_update(Job *job, uint64_t done);
void job_progress_set_remaining(Job *job, uint64_t remaining);

/* Forced: it stops as soon as it can. */
bool job_is_cancelled(const Job *job);
/* Forced or soft. */
bool job_cancel_requested(const Job *job);
bool job_should_pause(const Job *job);

/* --- for who watches and works them --------------------------------------- */

Job *job_next(Job *job);               /* NULL starts */
Job *job_get(const char *id);
static inline bool job_is_internal(const Job *job) { return job->id == NULL; }
static inline const char *job_type_name(const Job *job) { return JobType_str(job->driver->type); }
bool job_is_ready(const Job *job);     /* ready or standby */
/* Its own work is over: waiting, pending, aborting, concluded, null. */
bool job_is_completed(const Job *job);
bool job_started(const Job *job);

/* Does the state allow the verb?  -EPERM + text when not. */
int job_apply_verb(Job *job, JobVerb verb, Error **errp);
/* Counted pauses, for drained sections. */
void job_pause(Job *job);
void job_resume(Job *job);
/* What people ask for: check the verb first. */
void job_user_pause(Job *job, Error **errp);
void job_user_resume(Job *job, Error **errp);
void job_user_cancel(Job *job, bool force, Error **errp);
void job_complete(Job *job, Error **errp);
void job_finalize(Job *job, Error **errp);
void job_dismiss(Job **job, Error **errp);     /* *job is NULL on success */
void job_cancel(Job *job, bool force);

/* Cancel it, hard, and wait until it is through.  The job's result. */
int job_cancel_sync(Job *job);
/* At the end of the program. */
void job_cancel_sync_all(void);

#endif
