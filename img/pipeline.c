/*
 * Worker coroutines over one ordered source of jobs.
 *
 * All workers run in the main context, so plain fields are safe between yields; only take() needs the
 * lock, as it may sleep.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <glib.h>
#include "img/pipeline.h"

struct ImgPipeline {
    const ImgPipelineOps *ops;
    void *opaque;
    size_t buffer_size;
    CoMutex take_lock;
    bool dry;               /* take() said that there is no more */
    int error;              /* the first failure */
    int running;            /* workers alive */
    int64_t next_sequence;  /* of the job to be taken next */
    int64_t turn;           /* all jobs below have passed img_pipeline_turn() */
    GHashTable *passed;     /* sequences above `turn` that passed already (ended without calling turn) */
    CoQueue turn_queue;
};

bool img_pipeline_failed(const ImgPipeline *p)
{
    return p->error < 0;
}

/* Note that the job has passed its turn; whoever waits looks again. */
static void pass_turn(ImgPipeline *p, ImgJob *job)
{
    if (job->sequence < p->turn) {
        return;
    }
    g_hash_table_add(p->passed, GSIZE_TO_POINTER((gsize)job->sequence + 1));
    while (g_hash_table_remove(p->passed, GSIZE_TO_POINTER((gsize)p->turn + 1))) {
        p->turn++;
    }
    co_queue_wake_all(&p->turn_queue);
}

void coroutine_fn img_pipeline_turn(ImgPipeline *p, ImgJob *job)
{
    while (p->turn < job->sequence) {
        co_queue_wait(&p->turn_queue, NULL);
    }
    pass_turn(p, job);
}

static int coroutine_fn take_job(ImgPipeline *p, ImgJob *job)
{
    CO_SCOPED_LOCK(&p->take_lock);
    int ret;

    if (p->dry || p->error) {
        return 0;
    }
    ret = p->ops->take(p->opaque, job);
    p->dry = ret <= 0;
    if (ret > 0) {
        job->sequence = p->next_sequence++;
    }
    return ret;
}

static void coroutine_fn worker(void *opaque)
{
    ImgPipeline *p = opaque;
    ImgJob job = { 0 };
    int ret = 0;

    if (p->buffer_size) {
        job.buffer = p->ops->alloc(p->opaque, p->buffer_size);
        ret = job.buffer ? 0 : -ENOMEM;
    }
    while (ret >= 0 && (ret = take_job(p, &job)) > 0) {
        ret = p->ops->work(p->opaque, p, &job);
        pass_turn(p, &job);
    }
    if (ret < 0 && !p->error) {
        p->error = ret;
    }
    if (job.buffer) {
        p->ops->release(job.buffer);
    }
    p->running--;
}

int img_pipeline_run(const ImgPipelineOps *ops, void *opaque, int workers, size_t buffer_size)
{
    ImgPipeline p = { .ops = ops, .opaque = opaque, .buffer_size = buffer_size, .running = workers };

    co_mutex_init(&p.take_lock);
    co_queue_init(&p.turn_queue);
    p.passed = g_hash_table_new(NULL, NULL);
    for (int i = 0; i < workers; i++) {
        coroutine_enter(coroutine_create(worker, &p));
    }
    while (p.running) {
        aio_poll(aio_main_context(), true);
    }
    g_hash_table_unref(p.passed);
    return p.error;
}
