/*
 * Block jobs: jobs that work on nodes.  They hold edges to them, block operations on them, obey a speed limit and
 * have an answer to I/O errors.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_BLOCKJOB_H
#define BLOCK_BLOCKJOB_H

#include "block/graph.h"
#include "block/job.h"
#include "qapi/types-block-core.h"
#include "util/ratelimit.h"

typedef struct BlockJob {
    Job job;
    Error *blocker;                    /* why others may not work on our nodes */
    GSList *nodes;                     /* of BdrvChild, newest first */
    GSList *io;                        /* likewise: those that requests go through */
    int64_t speed;                     /* bytes a second, 0: no limit */
    RateLimit limit;
    BlockDeviceIoStatus iostatus;
} BlockJob;

/* What every block job has in its JobDriver (besides type-specific ones). */
void block_job_free(Job *job);
void block_job_user_resume(Job *job);
void block_job_on_pending(Job *job);
void block_job_on_ready(Job *job);
void block_job_on_completed(Job *job);
void block_job_on_cancelled(Job *job);

/*
 * A job with bs as its "main node".  id NULL and not internal: the name of bs's backend.  The struct's size is the
 * driver's instance_size.
 */
void *block_job_create(const char *id, const JobDriver *driver, JobTxn *txn, BlockDriverState *bs, uint64_t perm,
                       uint64_t shared, int64_t speed, int flags, void (*cb)(void *opaque, int ret), void *opaque,
                       Error **errp);
/* One more node; it is blocked for other operations until the job ends. 0 or -errno. */
int block_job_add_bdrv(BlockJob *job, const char *name, BlockDriverState *bs, uint64_t perm, uint64_t shared,
                       Error **errp);
/* An edge to make requests through; messages call it "an unnamed block device".  Not blocked; NULL + errp on conflict. */
BdrvChild *block_job_attach_io(BlockJob *job, BlockDriverState *bs, uint64_t perm, uint64_t shared, Error **errp);
void block_job_detach_io(BlockJob *job, BdrvChild *c);
void block_job_remove_all_bdrv(BlockJob *job);

bool block_job_set_speed(BlockJob *job, int64_t speed, Error **errp);
/* Account for n bytes; ns to wait before going on. */
int64_t block_job_ratelimit_delay(BlockJob *job, uint64_t n);
/*
 * What is to happen after a failed request (error: positive errno); sends BLOCK_JOB_ERROR, and for "stop" pauses the
 * job as if the user had.
 */
BlockErrorAction block_job_error_action(BlockJob *job, BlockdevOnError on_err, bool is_read, int error);
void block_job_iostatus_reset(BlockJob *job);
/* The QMP view; caller owns. */
BlockJobInfo *block_job_query(BlockJob *job);
BlockJob *block_job_next(BlockJob *job);       /* NULL starts */
BlockJob *block_job_get(const char *id);       /* NULL: none, or no block job */

#endif
