/*
 * The block jobs: each function checks, puts its filter into the graph and makes the job; the caller starts it.
 * Main thread.  Common arguments: job_id NULL: named after the backend; flags: JobFlags; NULL + errp on failure,
 * with the graph as it was.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_BLOCK_JOBS_H
#define BLOCK_BLOCK_JOBS_H

#include "block/blockjob.h"
#include "block/dirty-bitmap.h"

typedef struct BackupJobParams {
    const char *job_id;
    int flags;
    JobTxn *txn;                       /* NULL: a group of its own */
    BlockDriverState *bs, *target;
    int64_t speed;
    MirrorSyncMode sync;
    BdrvDirtyBitmap *bitmap;           /* NULL: none */
    BitmapSyncMode bitmap_mode;
    bool compress;
    const char *filter_node_name;
    bool use_copy_range;
    int64_t max_workers, max_chunk;
    BlockdevOnError on_source_error, on_target_error;
} BackupJobParams;
BlockJob *backup_job_create(const BackupJobParams *p, Error **errp);

typedef enum MirrorBackingMode {
    MIRROR_BACKING_SOURCE,             /* the target gets the source's backing node when it is complete */
    MIRROR_BACKING_OPEN,               /* the target opens the backing file that its header names */
    MIRROR_BACKING_LEAVE,
} MirrorBackingMode;

typedef struct MirrorJobParams {
    const char *job_id;
    int flags;
    BlockDriverState *bs, *target;
    const char *replaces;              /* node that the target takes the place of, NULL: bs */
    int64_t speed;
    uint32_t granularity;              /* 0: default */
    int64_t buf_size;                  /* 0: default */
    MirrorSyncMode sync;               /* full, top, none */
    MirrorBackingMode backing_mode;
    bool zero_target;                  /* it holds other data that must be overwritten */
    BlockdevOnError on_source_error, on_target_error;
    bool unmap;
    const char *filter_node_name;
    MirrorCopyMode copy_mode;
} MirrorJobParams;
BlockJob *mirror_job_create(const MirrorJobParams *p, Error **errp);

typedef struct CommitJobParams {
    const char *job_id;
    int flags;
    BlockDriverState *bs, *top, *base; /* bs: the active layer; top: what is committed, == bs for an active commit */
    int64_t speed;
    BlockdevOnError on_error;
    const char *backing_file;          /* written into top's overlay, NULL: base's name */
    const char *filter_node_name;
    void (*cb)(void *opaque, int ret);
    void *opaque;
} CommitJobParams;
BlockJob *commit_job_create(const CommitJobParams *p, Error **errp);
/* For bs itself: a mirror into base that ends with a switch. */
BlockJob *commit_active_job_create(const CommitJobParams *p, Error **errp);

typedef struct StreamJobParams {
    const char *job_id;
    int flags;
    BlockDriverState *bs;
    BlockDriverState *base;            /* stays below; NULL: nothing does.  Only one of base, bottom */
    BlockDriverState *bottom;          /* the last node that is taken in */
    const char *backing_file;          /* written into bs, NULL: base's name */
    int64_t speed;
    BlockdevOnError on_error;
    const char *filter_node_name;
} StreamJobParams;
BlockJob *stream_job_create(const StreamJobParams *p, Error **errp);

#endif
