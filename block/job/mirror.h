/*
 * What the files of the mirror job share: mirror.c (the loop), mirror-op.c (copying one piece), mirror-filter.c (the
 * filter over the source), mirror-end.c (the switch), mirror-start.c (creation).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_JOB_MIRROR_H
#define BLOCK_JOB_MIRROR_H

#include "block/block-jobs.h"

#define MIRROR_MAX_IN_FLIGHT 16
#define MIRROR_SLICE_NS 100000000LL

/* A piece being copied, or a guest's write that goes to both sides.  Guarded by MirrorJob.lock. */
typedef struct MirrorOp {
    int64_t offset, bytes;             /* whole granules */
    CoQueue done;
    struct MirrorOp *next, *prev;
} MirrorOp;

typedef struct MirrorJob {
    BlockJob common;
    BlockDriverState *filter;          /* over the source; referenced until the end */
    BlockDriverState *target_bs;
    BdrvChild *target;                 /* requests go here; NULL once ended */
    BlockDriverState *base;            /* sync=top: below it nothing is copied; active commit: the target */
    BlockDriverState *base_overlay;    /* the node above base */
    bool is_none, target_is_backing;
    MirrorBackingMode backing_mode;
    MirrorCopyMode copy_mode;
    bool zero_target, unmap;
    BlockdevOnError on_source_error, on_target_error;
    char *replaces;
    BlockDriverState *to_replace;      /* referenced, blocked; NULL: the source */
    Error *replace_blocker;

    BdrvDirtyBitmap *dirty;            /* of the filter, set by it; disabled */
    int64_t granularity, length, target_cluster, buf_size, max_io;

    CoMutex lock;
    MirrorOp *ops;
    bool actively_synced;              /* every guest write reaches the target before it is complete */
    int64_t active_bytes;              /* guest writes on their way to the target */

    /* main thread */
    int in_flight;
    int64_t bytes_in_flight;
    bool waiting;                      /* the job sleeps until an op ends */
    int ret;                           /* first error that is to be reported */
    bool should_complete, in_drain, prepared;
    int64_t next_offset;               /* where the search for dirty pieces goes on */
    int64_t last_pause_ns;
} MirrorJob;

/* State of the filter node. */
typedef struct MirrorFilter {
    MirrorJob *job;                    /* NULL: the job is over, or not yet there */
    bool stop;                         /* takes no permissions any more */
    bool is_commit;
} MirrorFilter;
extern const BlockDriver mirror_filter_driver;

/* mirror-op.c */
void coroutine_fn mirror_op_begin(MirrorJob *s, MirrorOp *op, int64_t offset, int64_t bytes);   /* waits for overlapping ones */
void coroutine_fn mirror_op_end(MirrorJob *s, MirrorOp *op);
/* Copy the next dirty stretch (in the background); ns to wait before the next. */
int64_t coroutine_fn mirror_iteration(MirrorJob *s);
void coroutine_fn mirror_wait_for_op(MirrorJob *s);
void coroutine_fn mirror_wait_for_all(MirrorJob *s);
BlockErrorAction mirror_error_action(MirrorJob *s, bool read, int error);

/* mirror.c */
int coroutine_fn mirror_run(Job *job, Error **errp);

/* mirror-end.c */
int mirror_prepare(Job *job);
void mirror_abort(Job *job);
void mirror_free(Job *job);
void mirror_complete(Job *job, Error **errp);

#endif
