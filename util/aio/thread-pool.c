/*
 * Worker threads for calls that block.
 *
 * One pool for the program.  Jobs stand in a queue under `lock`; workers are started while jobs
 * wait and nobody is idle, and end after IDLE_SECONDS without work (but for the minimum).  Where not one can be
 * started (a limit of the system), who brings a job does what waits.  A job lives on the stack of the coroutine that
 * waits for it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include "loop-int.h"
#include "../coroutine-int.h"

/* Jobs are system calls and (de)compression, whose state is on the heap: address space counts where a limit is set. */
#define WORKER_STACK (512 * 1024)

#define IDLE_SECONDS 10

struct PoolJob {
    PoolJob *next;
    int (*fn)(void *arg);
    void *arg;
    int ret;
    bool worked;                   /* by a worker */
    ThreadQueue *queue;            /* that it belongs to, or NULL; its fields are under `lock` too */
    Coroutine *co;                 /* NULL: nobody waits, the job is on the heap */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static PoolJob *head, **tail = &head;
static int nb_threads, nb_idle, nb_queued, min_threads, max_threads = 64;

void thread_pool_set_limits(int min, int max)
{
    pthread_mutex_lock(&lock);
    min_threads = min;
    max_threads = MAX(max, 1);
    pthread_mutex_unlock(&lock);
}

/* Wait for a job; NULL: this worker should end.  Under lock. */
static PoolJob *take_job(void)
{
    struct timespec until;
    PoolJob *job;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += IDLE_SECONDS;
    while (!head) {
        int ret;

        nb_idle++;
        ret = pthread_cond_timedwait(&work, &lock, &until);
        nb_idle--;
        if (ret == ETIMEDOUT && !head && nb_threads > min_threads) {
            return NULL;
        }
        if (ret == ETIMEDOUT) {
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_sec += IDLE_SECONDS;
        }
    }
    job = head;
    head = job->next;
    if (!head) {
        tail = &head;
    }
    nb_queued--;
    return job;
}

/* What is to be done after a job of this queue. */
static PoolJob *next_in_queue(ThreadQueue *q)
{
    PoolJob *job;

    pthread_mutex_lock(&lock);
    job = q->first;
    q->busy = job != NULL;
    if (job) {
        q->first = job->next;
    }
    pthread_mutex_unlock(&lock);
    return job;
}

static void do_job(PoolJob *job)
{
    PoolJob *next;

    for (; job; job = next) {
        job->ret = job->fn(job->arg);
        job->worked = true;
        next = job->queue ? next_in_queue(job->queue) : NULL;
        if (job->co) {
            aio_co_schedule(job->co->home, job->co);    /* job and its queue may be gone after this */
        } else {
            g_free(job);
        }
    }
}

static void *worker(void *unused)
{
    PoolJob *job;

    pthread_mutex_lock(&lock);
    while ((job = take_job())) {
        pthread_mutex_unlock(&lock);
        do_job(job);
        pthread_mutex_lock(&lock);
    }
    nb_threads--;
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* Under lock.  Signals are for the main thread. */
static void start_worker(void)
{
    sigset_t all, old;
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, WORKER_STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (pthread_create(&thread, &attr, worker, NULL) == 0) {
        nb_threads++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
}

/* All jobs that wait, when there is no worker to do them; they are the caller's then.  Under lock. */
static PoolJob *take_all_without_workers(void)
{
    PoolJob *all = nb_threads ? NULL : head;

    if (all) {
        head = NULL;
        tail = &head;
        nb_queued = 0;
    }
    return all;
}

/* n jobs, linked up to *last, go to the workers.  Takes and gives back the lock. */
static void hand_over(PoolJob *first, PoolJob **last, int n)
{
    PoolJob *next;

    pthread_mutex_lock(&lock);
    *tail = first;
    tail = last;
    nb_queued += n;
    for (int i = 0; i < n && nb_queued > nb_idle && nb_threads < max_threads; i++) {
        start_worker();
    }
    if (n > 1 && nb_idle > 1) {
        pthread_cond_broadcast(&work);
    } else {
        pthread_cond_signal(&work);
    }
    first = take_all_without_workers();
    pthread_mutex_unlock(&lock);
    for (; first; first = next) {
        next = first->next;        /* the job may be gone once it is done */
        do_job(first);
    }
}

bool aio_pool_submit(AioContext *ctx, bool alone)
{
    PoolJob *first = ctx->gathered, **last = ctx->gathered_tail;
    unsigned n = ctx->nb_gathered;

    ctx->gathered = NULL;
    ctx->gathered_tail = &ctx->gathered;
    ctx->nb_gathered = 0;
    if (alone && n == 1 && !ctx->pool_jobs) {
        first->ret = first->fn(first->arg);
        aio_co_wake(first->co);
        return true;
    }
    ctx->pool_jobs += n;
    hand_over(first, last, n);
    return false;
}

int coroutine_fn thread_pool_co_run_queued(ThreadQueue *q, int (*fn)(void *arg), void *arg)
{
    AioContext *ctx = aio_current_context();
    PoolJob job = { .fn = fn, .arg = arg, .co = coroutine_self(), .queue = q };
    bool batch = aio_is_batch(ctx), first;

    ctx->pool_jobs += batch;
    pthread_mutex_lock(&lock);
    first = !q->busy;
    if (first) {
        q->busy = true;
    } else {
        *(q->first ? &q->last->next : &q->first) = &job;
        q->last = &job;
    }
    pthread_mutex_unlock(&lock);
    if (first) {
        hand_over(&job, &job.next, 1);
    }
    coroutine_yield();
    ctx->pool_jobs -= batch;
    return job.ret;
}

void thread_pool_run_detached(int (*fn)(void *arg), void *arg)
{
    PoolJob *job = g_new0(PoolJob, 1);

    job->fn = fn;
    job->arg = arg;
    hand_over(job, &job->next, 1);
}

int coroutine_fn thread_pool_co_run(int (*fn)(void *arg), void *arg)
{
    AioContext *ctx = aio_current_context();
    PoolJob job = { .fn = fn, .arg = arg, .co = coroutine_self() };

    if (!aio_is_batch(ctx)) {
        hand_over(&job, &job.next, 1);
        coroutine_yield();
        return job.ret;
    }
    if (!ctx->gathered) {
        ctx->gathered_tail = &ctx->gathered;
    }
    *ctx->gathered_tail = &job;
    ctx->gathered_tail = &job.next;
    ctx->nb_gathered++;
    coroutine_yield();
    if (job.worked) {
        ctx->pool_jobs--;
    }
    return job.ret;
}
