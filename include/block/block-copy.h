/*
 * Copying the parts of one node to another that a bitmap names, each part once, by as many copiers as there are: the
 * guest's writes (before they land), and a background job.  docs/devel/jobs.md, "Copying".
 *
 * Threads: block_copy may run in any event-loop thread; calls (block_copy_start ...) and settings: main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_BLOCK_COPY_H
#define BLOCK_BLOCK_COPY_H

#include "block/dirty-bitmap.h"
#include "block/driver.h"

typedef struct BlockCopy BlockCopy;

/* Edges are borrowed.  bitmap NULL: everything is to be copied.  NULL + errp when the target cannot be used. */
BlockCopy *block_copy_new(BdrvChild *source, BdrvChild *target, BdrvDirtyBitmap *bitmap, Error **errp);
void block_copy_free(BlockCopy *s);
int64_t block_copy_cluster_size(const BlockCopy *s);
/* What is still to be copied: a disabled, anonymous bitmap of the source. */
BdrvDirtyBitmap *block_copy_bitmap(BlockCopy *s);
void block_copy_set_options(BlockCopy *s, bool use_copy_range, bool compress);
/* 0: no limit. */
void block_copy_set_speed(BlockCopy *s, uint64_t speed);
/* Leave out what the source's own layer does not have. */
void block_copy_set_skip_unallocated(BlockCopy *s, bool skip);
/* Told after each piece, whoever copied it: bytes that were copied (0: skipped), bytes that remain.  In any thread. */
typedef void BlockCopyProgress(void *opaque, int64_t done, int64_t remaining);
void block_copy_set_progress(BlockCopy *s, BlockCopyProgress *fn, void *opaque);
/* Forget the next unallocated stretch at offset; *bytes: how far the answer holds. 1: it is allocated, 0: it was not, -errno */
int coroutine_fn block_copy_reset_unallocated(BlockCopy *s, int64_t offset, int64_t *bytes);

/* Copy what is to be copied of the range and wait for those who already do.  0 or -errno; timeout_ns 0: none. */
int coroutine_fn block_copy(BlockCopy *s, int64_t offset, int64_t bytes, bool ignore_limit, int64_t timeout_ns);

/* The same in the background with several workers; cb when it has ended (main context). */
typedef struct BlockCopyCall BlockCopyCall;
BlockCopyCall *block_copy_start(BlockCopy *s, int64_t offset, int64_t bytes, int max_workers, int64_t max_chunk,
                                void (*cb)(void *opaque), void *opaque);
bool block_copy_call_finished(const BlockCopyCall *c);
int block_copy_call_status(const BlockCopyCall *c, bool *error_is_read);
void block_copy_call_cancel(BlockCopyCall *c);
bool block_copy_call_cancelled(const BlockCopyCall *c);
void block_copy_call_free(BlockCopyCall *c);   /* finished ones only */
/* The limit changed: look again. */
void block_copy_kick(BlockCopyCall *c);

#endif
