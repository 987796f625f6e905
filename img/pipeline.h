/*
 * Several requests in flight: worker coroutines that take jobs from one source in order and carry them out side by side.
 *
 *   take   runs under a lock, one worker at a time, in job order
 *   work   runs unlocked; between take and the worker's call of img_pipeline_turn() jobs overtake each other,
 *          after it they have passed that point in the order in which they were taken
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IMG_PIPELINE_H
#define IMG_PIPELINE_H

#include "util/aio.h"
#include "util/coroutine.h"

typedef struct ImgPipeline ImgPipeline;

typedef struct ImgJob {
    int64_t offset, bytes;
    int kind;               /* meaning is the caller's */
    int64_t sequence;       /* set by the pipeline: 0, 1, ... */
    void *buffer;           /* this worker's memory, buffer_size bytes; NULL when that is 0 */
} ImgJob;

typedef struct ImgPipelineOps {
    /* Fill offset, bytes, kind: 1; no more jobs: 0; or -errno. */
    int coroutine_fn (*take)(void *opaque, ImgJob *job);
    int coroutine_fn (*work)(void *opaque, ImgPipeline *p, ImgJob *job);
    /* Memory for the workers' buffers; NULL result: out of memory. */
    void *(*alloc)(void *opaque, size_t bytes);
    void (*release)(void *buffer);
} ImgPipelineOps;

/*
 * Run all jobs with that many workers; outside coroutines.  The first error stops the taking of jobs, the
 * others in flight end first.  0 or that error.
 */
int img_pipeline_run(const ImgPipelineOps *ops, void *opaque, int workers, size_t buffer_size);
/* Sleep until every job taken earlier has passed this point or ended. */
void coroutine_fn img_pipeline_turn(ImgPipeline *p, ImgJob *job);
/* Has some worker failed? */
bool img_pipeline_failed(const ImgPipeline *p);

#endif
