/*
 * The private part of a BlockBackend: backend.c (life, names, root edge), request.c (requests).
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

    int in_flight;                     /* atomic; requests that the drain must wait for */
    int quiesced;                      /* atomic, changed under wait_lock; > 0: new requests wait */
    pthread_mutex_t wait_lock;
    GSList *waiting;                   /* Coroutines, newest first; under wait_lock */
};

/* A drained section begins or ends; the end of the last one lets waiting requests go on. */
void blk_quiesce(BlockBackend *blk);
void blk_unquiesce(BlockBackend *blk);

#endif
