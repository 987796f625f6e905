/*
 * The private part of a BlockBackend: backend.c (life, names, root edge), request.c (requests),
 * device.c (the device on top, medium and tray), errors.c (policies), limits.c (throttling).
 *
 * in_flight and quiesced are touched by any thread; the rest by the main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_BACKEND_BACKEND_H
#define BLOCK_BACKEND_BACKEND_H

#include <pthread.h>
#include "block/backend.h"

struct BlockBackend {
    int refcnt;
    char *name;                        /* NULL: anonymous */
    BdrvChild *root;                   /* NULL: no medium */
    uint64_t perm, shared;             /* what is wanted; held back while inactive */
    bool inactive;
    bool write_cache;
    bool beyond_eof;                   /* writes past the end are let through */
    bool force_allow_inactivate;
    AioContext *ctx;
    BlockAcctStats *stats;
    BlockBackend *next, *prev;         /* all backends, oldest first */

    const BlockDevOps *dev_ops;        /* NULL: no device */
    void *dev;
    BlkRootState root_state;
    BlkOnError on_read_error, on_write_error;
    bool iostatus_enabled;
    BlkIoStatus iostatus;
    bool no_queuing;                   /* requests pass while quiesced */
    DriveInfo *dinfo;
    void (*dinfo_destroy)(DriveInfo *);
    ThrottleMember *member;            /* NULL: no limits; changed with the backend drained */

    int in_flight;                     /* atomic; requests that the drain must wait for */
    int lifted;                        /* how often its limits are lifted while somebody waits for its requests; main thread */
    int quiesced;                      /* atomic, changed under wait_lock; > 0: new requests wait */
    pthread_mutex_t wait_lock;
    GSList *waiting;                   /* Coroutines, newest first; under wait_lock */
    unsigned held;                     /* atomic: requests that wait for the end of a section */
    bool cancel_held;                  /* atomic: they are to fail */
};

/* A drained section begins or ends; the end of the last one lets waiting requests go on. */
void blk_quiesce(BlockBackend *blk);
void blk_unquiesce(BlockBackend *blk);
/* Stop and let go again what the backend's users start, whether there is a medium or not; begin waits. */
void blk_hold_begin(BlockBackend *blk);
void blk_hold_end(BlockBackend *blk);

/* events.c */
void blk_event_tray_moved(BlockBackend *blk, bool open);
void blk_event_io_error(BlockBackend *blk, BlkErrorAction action, bool is_read, int error);

#endif
