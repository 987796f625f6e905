/*
 * Proves the job's state machine on jobs that do nothing: the order of states, which verb is allowed in which state,
 * pausing, cancelling before and during and after the work, groups that succeed, fail and are cancelled together.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "block/job.h"
#include "qapi/dispatch.h"
#include "util/ratelimit.h"

/* Every JOB_STATUS_CHANGE as "id:status ". */
static GString *seen;

static void on_event(const char *name, QDict *data)
{
    if (!strcmp(name, "JOB_STATUS_CHANGE")) {
        g_string_append_printf(seen, "%s:%s ", qdict_get_str(data, "id"), qdict_get_str(data, "status"));
    }
    qobject_unref(data);
}

typedef struct Work {
    Job job;
    bool finish;                       /* run returns */
    bool soft;                         /* becomes ready, and ends softly */
    int result, prepare_result;
    int commits, aborts, cleans;
} Work;

static int coroutine_fn work_run(Job *job, Error **errp)
{
    Work *w = (Work *)job;

    if (w->soft) {
        job_transition_to_ready(job);
    }
    while (!w->finish && !job_is_cancelled(job) && !(w->soft && job_cancel_requested(job))) {
        job_yield(job);
    }
    return w->result;
}

static int work_prepare(Job *job) { return ((Work *)job)->prepare_result; }

static int commits, aborts, cleans;
static void work_commit(Job *job) { commits++; }
static void work_abort(Job *job) { aborts++; }
static void work_clean(Job *job) { cleans++; }
static bool soft_cancel(Job *job, bool force) { return force || job->status != JOB_STATUS_READY; }

static void work_complete(Job *job, Error **errp)
{
    ((Work *)job)->finish = true;
    job_enter(job);
}

static const JobDriver work_driver = {
    .instance_size = sizeof(Work), .type = JOB_TYPE_CREATE, .run = work_run, .prepare = work_prepare,
    .commit = work_commit, .abort = work_abort, .clean = work_clean,
};
static const JobDriver soft_driver = {
    .instance_size = sizeof(Work), .type = JOB_TYPE_MIRROR, .run = work_run, .prepare = work_prepare,
    .commit = work_commit, .abort = work_abort, .clean = work_clean, .cancel = soft_cancel, .complete = work_complete,
};

static Work *make(const char *id, JobTxn *txn, int flags)
{
    return job_create(id, &work_driver, txn, flags, NULL, NULL, &error_abort);
}

static void poll_events(void)
{
    while (aio_poll(aio_main_context(), false)) {
        continue;
    }
}

static void reset(void)
{
    g_string_truncate(seen, 0);
    commits = aborts = cleans = 0;
}

static void finish(Work *w, int result)
{
    w->result = result;
    w->finish = true;
    job_enter(&w->job);
}

static void expect_error(Error *err, const char *text)
{
    g_assert_nonnull(err);
    g_assert_cmpstr(error_get_pretty(err), ==, text);
    error_free(err);
}

static void test_life(void)
{
    Work *w;

    reset();
    w = make("j", NULL, JOB_DEFAULT);
    job_start(&w->job);
    g_assert_cmpint(w->job.status, ==, JOB_STATUS_RUNNING);
    finish(w, 0);
    poll_events();
    g_assert_cmpstr(seen->str, ==, "j:created j:running j:waiting j:pending j:concluded j:null ");
    g_assert_cmpint(commits * 100 + aborts * 10 + cleans, ==, 101);
    g_assert_null(job_get("j"));
}

static void test_manual(void)
{
    Error *err = NULL;
    Job *job;
    Work *w;

    reset();
    w = make("j", NULL, JOB_MANUAL_FINALIZE | JOB_MANUAL_DISMISS);
    job = &w->job;
    job_start(job);
    finish(w, 0);
    poll_events();
    g_assert_cmpint(job->status, ==, JOB_STATUS_PENDING);
    job_dismiss(&job, &err);
    expect_error(err, "Job 'j' in state 'pending' cannot accept command verb 'dismiss'");
    job_finalize(job, &error_abort);
    g_assert_cmpint(job->status, ==, JOB_STATUS_CONCLUDED);
    job_dismiss(&job, &error_abort);
    g_assert_null(job);
    g_assert_cmpstr(seen->str, ==, "j:created j:running j:waiting j:pending j:concluded j:null ");
}

static void test_ids(void)
{
    Error *err = NULL;
    Work *w = make("j", NULL, JOB_DEFAULT);

    g_assert_null(job_create("j", &work_driver, NULL, 0, NULL, NULL, &err));
    expect_error(err, "Job ID 'j' already in use");
    err = NULL;
    g_assert_null(job_create("1j", &work_driver, NULL, 0, NULL, NULL, &err));
    expect_error(err, "Invalid job ID '1j'");
    err = NULL;
    g_assert_null(job_create(NULL, &work_driver, NULL, 0, NULL, NULL, &err));
    expect_error(err, "An explicit job ID is required");
    job_early_fail(&w->job);
}

static void test_pause(void)
{
    Error *err = NULL;
    Work *w;

    reset();
    w = make("j", NULL, JOB_DEFAULT);
    job_start(&w->job);
    job_user_pause(&w->job, &error_abort);
    job_user_pause(&w->job, &err);
    expect_error(err, "Job is already paused");
    err = NULL;
    job_pause(&w->job);                /* a drained section on top */
    job_user_resume(&w->job, &error_abort);
    g_assert_cmpint(w->job.status, ==, JOB_STATUS_PAUSED);
    job_resume(&w->job);
    g_assert_cmpint(w->job.status, ==, JOB_STATUS_RUNNING);
    job_user_resume(&w->job, &err);
    expect_error(err, "Can't resume a job that was not paused");
    finish(w, 0);
    poll_events();
    g_assert_cmpstr(seen->str, ==, "j:created j:running j:paused j:running j:waiting j:pending j:concluded j:null ");
}

/* Paused before its first step, as inside a transaction's drained section. */
static void test_start_paused(void)
{
    Work *w;

    reset();
    w = make("j", NULL, JOB_DEFAULT);
    job_pause(&w->job);
    job_start(&w->job);
    job_resume(&w->job);
    finish(w, 0);
    poll_events();
    g_assert_cmpstr(seen->str, ==, "j:created j:running j:paused j:running j:waiting j:pending j:concluded j:null ");
}

static void test_cancel(void)
{
    Work *w;

    reset();
    w = make("a", NULL, JOB_DEFAULT);
    g_assert_cmpint(job_cancel_sync(&w->job), ==, -ECANCELED);
    g_assert_cmpstr(seen->str, ==, "a:created a:aborting a:concluded a:null ");

    reset();
    w = make("b", NULL, JOB_DEFAULT);
    job_start(&w->job);
    job_user_pause(&w->job, &error_abort);
    job_user_cancel(&w->job, true, &error_abort);
    poll_events();
    g_assert_cmpstr(seen->str, ==, "b:created b:running b:paused b:running b:aborting b:concluded b:null ");
    g_assert_cmpint(commits * 100 + aborts * 10 + cleans, ==, 11);

    reset();
    w = make("c", NULL, JOB_MANUAL_FINALIZE);
    job_start(&w->job);
    finish(w, 0);
    poll_events();
    job_user_cancel(&w->job, true, &error_abort);
    g_assert_cmpstr(seen->str, ==, "c:created c:running c:waiting c:pending c:aborting c:concluded c:null ");
}

static void test_ready(void)
{
    Error *err = NULL;
    Work *w = job_create("j", &soft_driver, NULL, 0, NULL, NULL, &error_abort);

    reset();
    w->soft = true;
    job_complete(&w->job, &err);
    expect_error(err, "Job 'j' in state 'created' cannot accept command verb 'complete'");
    job_start(&w->job);
    job_user_pause(&w->job, &error_abort);
    g_assert_cmpint(w->job.status, ==, JOB_STATUS_STANDBY);
    job_complete(&w->job, &error_abort);
    job_user_resume(&w->job, &error_abort);
    poll_events();
    g_assert_cmpstr(seen->str, ==, "j:running j:ready j:standby j:ready j:waiting j:pending j:concluded j:null ");

    w = job_create("k", &soft_driver, NULL, 0, NULL, NULL, &error_abort);
    reset();
    w->soft = true;
    job_start(&w->job);
    job_user_cancel(&w->job, false, &error_abort);
    poll_events();
    g_assert_cmpstr(seen->str, ==, "k:running k:ready k:waiting k:pending k:concluded k:null ");
}

static void test_group_success(void)
{
    JobTxn *txn = job_txn_new();
    Work *a, *b;

    reset();
    a = make("a", txn, JOB_DEFAULT);
    b = make("b", txn, JOB_MANUAL_FINALIZE);
    job_txn_unref(txn);
    job_start(&a->job);
    job_start(&b->job);
    finish(a, 0);
    poll_events();
    g_assert_cmpint(a->job.status, ==, JOB_STATUS_WAITING);
    finish(b, 0);
    poll_events();
    g_assert_cmpint(a->job.status, ==, JOB_STATUS_PENDING);
    reset();
    job_finalize(&a->job, &error_abort);
    g_assert_cmpstr(seen->str, ==, "b:concluded b:null a:concluded a:null ");
    g_assert_cmpint(commits, ==, 2);
}

static void test_group_failure(void)
{
    JobTxn *txn = job_txn_new();
    Work *a, *b, *c;

    reset();
    a = make("a", txn, JOB_DEFAULT);
    b = make("b", txn, JOB_MANUAL_DISMISS);
    c = make("c", txn, JOB_DEFAULT);   /* never started */
    job_txn_unref(txn);
    job_start(&a->job);
    job_start(&b->job);
    reset();
    finish(b, -EIO);
    poll_events();
    g_assert_cmpstr(seen->str, ==, "b:aborting c:aborting c:concluded c:null b:concluded a:aborting a:concluded a:null ");
    g_assert_cmpint(aborts, ==, 3);
    g_assert_cmpstr(error_get_pretty(b->job.err), ==, "Input/output error");
    Job *job = &b->job;
    job_dismiss(&job, &error_abort);
    (void)a;
    (void)c;
}

static void test_prepare_failure(void)
{
    JobTxn *txn = job_txn_new();
    Work *a, *b;

    reset();
    a = make("a", txn, JOB_DEFAULT);
    b = make("b", txn, JOB_DEFAULT);
    job_txn_unref(txn);
    a->prepare_result = -ENOSPC;
    job_start(&a->job);
    job_start(&b->job);
    finish(b, 0);
    finish(a, 0);
    poll_events();
    g_assert_cmpint(commits, ==, 0);
    g_assert_cmpint(aborts, ==, 2);
    g_assert_true(g_str_has_suffix(seen->str, "a:aborting b:aborting b:concluded b:null a:concluded a:null "));
}

static void test_ratelimit(void)
{
    RateLimit l = { 0 };
    int64_t ns;

    g_assert_cmpint(ratelimit_delay(&l, 1 << 30), ==, 0);
    ratelimit_set_speed(&l, 1000);
    g_assert_cmpint(ratelimit_delay(&l, 99), ==, 0);
    ns = ratelimit_delay(&l, 201);     /* three slices' worth */
    g_assert_cmpint(ns, >, 200000000);
    g_assert_cmpint(ns, <=, 300000000);
    ratelimit_set_speed(&l, 1);
    g_assert_cmpint(ratelimit_delay(&l, UINT64_MAX / 4), >, 0);
}

/* --- every state, drained or not, and every verb ------------------------------------------------------ */

/* A job brought to a state; `other` keeps a group waiting. */
static Work *bring_to(JobStatus status, Work **other)
{
    JobTxn *txn = job_txn_new();
    Work *w = job_create("j", &soft_driver, txn, JOB_MANUAL_FINALIZE | JOB_MANUAL_DISMISS, NULL, NULL, &error_abort);

    *other = status == JOB_STATUS_WAITING ? make("o", txn, JOB_DEFAULT) : NULL;
    job_txn_unref(txn);
    w->soft = status == JOB_STATUS_READY || status == JOB_STATUS_STANDBY;
    if (status == JOB_STATUS_CREATED) {
        return w;
    }
    job_start(&w->job);
    if (*other) {
        job_start(&(*other)->job);
    }
    if (status == JOB_STATUS_PAUSED || status == JOB_STATUS_STANDBY) {
        job_user_pause(&w->job, &error_abort);
    }
    if (status == JOB_STATUS_WAITING || status == JOB_STATUS_PENDING || status == JOB_STATUS_CONCLUDED) {
        finish(w, 0);
        poll_events();
    }
    if (status == JOB_STATUS_CONCLUDED) {
        job_finalize(&w->job, &error_abort);
    }
    g_assert_cmpint(w->job.status, ==, status);
    return w;
}

/* What is allowed happens, what is not says so; NULL: the job is gone. */
static void apply(Job **job, JobVerb verb)
{
    Error *err = NULL;

    switch (verb) {
    case JOB_VERB_CANCEL: job_user_cancel(*job, true, &err); break;
    case JOB_VERB_PAUSE: job_user_pause(*job, &err); break;
    case JOB_VERB_RESUME: job_user_resume(*job, &err); break;
    case JOB_VERB_COMPLETE: job_complete(*job, &err); break;
    case JOB_VERB_FINALIZE: job_finalize(*job, &err); break;
    case JOB_VERB_DISMISS: job_dismiss(job, &err); break;
    default: break;
    }
    error_free(err);
}

static void end_all(Job *job, Work *other)
{
    if (other && job_get("o")) {
        job_cancel(&other->job, true);
        poll_events();
    }
    for (int i = 0; i < 2 && job->status != JOB_STATUS_CONCLUDED && job->status != JOB_STATUS_NULL; i++) {
        job_cancel(job, true);
        poll_events();
    }
    if (job->status != JOB_STATUS_NULL) {
        Job *gone = job;

        g_assert_cmpint(job->status, ==, JOB_STATUS_CONCLUDED);
        job_dismiss(&gone, &error_abort);
    }
    g_assert_cmpint(job->status, ==, JOB_STATUS_NULL);
    g_assert_cmpint(commits + aborts, ==, cleans);
}

/* A drained section around the verb: nothing hangs, each job ends once, by commit or by abort. */
static void test_states_and_verbs(void)
{
    static const JobStatus states[] = { JOB_STATUS_CREATED, JOB_STATUS_RUNNING, JOB_STATUS_PAUSED, JOB_STATUS_READY,
                                        JOB_STATUS_STANDBY, JOB_STATUS_WAITING, JOB_STATUS_PENDING, JOB_STATUS_CONCLUDED };

    for (size_t s = 0; s < G_N_ELEMENTS(states); s++) {
        for (int how = 0; how < 3 * JOB_VERB__MAX; how++) {
            int drain = how / JOB_VERB__MAX;   /* none, around the verb, begun before it and over after it */
            Work *other, *w;
            Job *job;

            reset();
            w = bring_to(states[s], &other);
            job = &w->job;
            job_ref(&w->job);
            if (drain) {
                job_pause(job);
                poll_events();
            }
            apply(&job, how % JOB_VERB__MAX);
            if (drain == 2) {
                poll_events();
            }
            if (drain) {
                job_resume(&w->job);
            }
            poll_events();
            end_all(&w->job, other);
            g_assert_cmpint(cleans, ==, other ? 2 : 1);
            job_unref(&w->job);
            g_assert_null(job_next(NULL));
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    aio_init_main();
    seen = g_string_new(NULL);
    qapi_event_set_emitter(on_event);
    g_test_add_func("/job/life", test_life);
    g_test_add_func("/job/manual", test_manual);
    g_test_add_func("/job/ids", test_ids);
    g_test_add_func("/job/pause", test_pause);
    g_test_add_func("/job/start-paused", test_start_paused);
    g_test_add_func("/job/cancel", test_cancel);
    g_test_add_func("/job/ready", test_ready);
    g_test_add_func("/job/group-success", test_group_success);
    g_test_add_func("/job/group-failure", test_group_failure);
    g_test_add_func("/job/prepare-failure", test_prepare_failure);
    g_test_add_func("/job/states-and-verbs", test_states_and_verbs);
    g_test_add_func("/job/ratelimit", test_ratelimit);
    return g_test_run();
}
