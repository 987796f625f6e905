/*
 * The gate's private state and the steps that its files share.  docs/devel/block-io.md is the map.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_IO_IO_H
#define BLOCK_IO_IO_H

#include <pthread.h>
#include "../graph/core.h"

typedef struct TrackedWaiter TrackedWaiter;

/* A running request, on the stack of its coroutine and in the list of its node. Guarded by req_lock. */
typedef struct TrackedRequest {
    BlockDriverState *bs;
    int64_t lap_offset, lap_bytes;     /* the range that others must not touch when serialising */
    bool serialising;
    struct TrackedRequest *next, *prev;
    struct TrackedRequest *waiting_for;
    TrackedWaiter *waiters;            /* who sleeps until this one ends */
} TrackedRequest;

struct BdrvIoState {
    BlockDriverState *next, *prev;     /* all nodes, main thread */
    int in_flight;                     /* atomic */
    int quiesced;                      /* atomic; written by the main thread */
    bool driver_ready;                 /* it is open, drain_begin may be called; main thread */
    bool driver_drained;               /* drain_begin was called and drain_end is owed; main thread */
    bool reached;                      /* in a list of nodes that is being made; main thread */

    pthread_mutex_t req_lock;
    TrackedRequest *requests;          /* req_lock */
    int serialising;                   /* atomic; how many of them serialise */

    CoMutex flush_lock;
    uint64_t write_gen;                /* atomic; changes completed */
    uint64_t stable_gen;               /* flush_lock */
    int64_t highest;                   /* atomic; end of the furthest write */
    int64_t failed_end;                /* atomic; end of the furthest write that failed: some of it may have landed */
    uint64_t write_threshold;          /* atomic; 0: none */

    pthread_mutex_t bitmap_lock;
    BdrvDirtyBitmap *bitmaps;          /* bitmap_lock; the list is changed by the main thread only */
    int nb_bitmaps;                    /* atomic */
};

static inline struct BdrvIoState *io_of(const BlockDriverState *bs) { return bs->core->io; }

/* request.c */
void io_begin(BlockDriverState *bs);
void io_end(BlockDriverState *bs);
/* Enter the list, not serialising. */
void tracked_begin(TrackedRequest *r, BlockDriverState *bs, int64_t offset, int64_t bytes);
void tracked_end(TrackedRequest *r);
/* Serialise the range widened to align.  Before any I/O of r. */
void tracked_serialise(TrackedRequest *r, uint64_t align);
/* Sleep while an overlapping request runs and it or r serialises. */
void coroutine_fn tracked_wait(TrackedRequest *r);
/* Would tracked_wait sleep? */
bool tracked_conflicts(TrackedRequest *r);
/* offset and bytes not negative, end <= BDRV_MAX_LENGTH; 0 or -EIO. */
int check_range(int64_t offset, int64_t bytes);
/* The same, and that qiov (NULL: none) holds bytes from qiov_offset on. */
int check_vector(int64_t offset, int64_t bytes, const IoVec *qiov, size_t qiov_offset);
/* May c change [offset, offset + bytes)?  0 or -errno. */
int check_change(BdrvChild *c, int64_t offset, int64_t bytes, BdrvRequestFlags flags);
int64_t io_length(BlockDriverState *bs);

/* transfer.c: one call of the driver (or several within max_transfer), I1 holds. */
int64_t max_transfer(const BlockDriverState *bs);
int coroutine_fn transfer_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                               BdrvRequestFlags flags);
int coroutine_fn transfer_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                                BdrvRequestFlags flags);

/* pad.c: a request widened to alignment. */
typedef struct Padding {
    int64_t offset, bytes;             /* the aligned range */
    size_t head, tail;                 /* bytes added at either end */
    uint8_t *buf;                      /* first and last block (one and the same when `single`) */
    size_t buf_len, align;
    bool single;
    IoVec qiov;
} Padding;
static inline bool pad_needed(const BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    uint32_t mask = bs->bl.request_alignment - 1;

    return ((offset | bytes) & mask) != 0;
}
int pad_init(Padding *p, BlockDriverState *bs, int64_t offset, int64_t bytes, const IoVec *qiov, size_t qiov_offset);
void pad_destroy(Padding *p);
/* Read the blocks that the request covers in part. */
int coroutine_fn pad_read_edges(Padding *p, BlockDriverState *bs);
#define AUTO_PADDING __attribute__((cleanup(pad_destroy))) Padding

/* read.c, write.c, zero.c, ... : the operations, inside a coroutine. */
int coroutine_fn io_co_read(BdrvChild *c, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                            BdrvRequestFlags flags);
/* Reading with the end of the node seen as zeroes. */
int coroutine_fn read_to_end(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                             BdrvRequestFlags flags);
int coroutine_fn io_co_write(BdrvChild *c, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                             BdrvRequestFlags flags);
int coroutine_fn io_co_zero(BdrvChild *c, int64_t offset, int64_t bytes, BdrvRequestFlags flags);
int coroutine_fn io_co_discard(BdrvChild *c, int64_t offset, int64_t bytes);
int coroutine_fn io_co_flush(BlockDriverState *bs);
int coroutine_fn io_co_settle(BlockDriverState *bs);
int coroutine_fn io_co_truncate(BdrvChild *c, int64_t offset, bool exact, PreallocMode prealloc, BdrvRequestFlags flags,
                                Error **errp);
int coroutine_fn io_co_copy_range(BdrvChild *src, int64_t src_offset, BdrvChild *dst, int64_t dst_offset, int64_t bytes,
                                  BdrvRequestFlags read_flags, BdrvRequestFlags write_flags);
int coroutine_fn io_co_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                              int64_t *pnum, int64_t *map, BlockDriverState **file);
/* -> request_alignment aligned, no tracking: zeroes through the driver or, where allowed, buffers. */
int coroutine_fn zero_aligned(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags);
/* Fill qiov from below while putting what is missing here into the top layer. */
int coroutine_fn cor_read(BdrvChild *c, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                          BdrvRequestFlags flags);
/* Bytes of which copy-on-read makes whole units. */
int64_t cor_granularity(BlockDriverState *bs);
/* After a change of [offset, offset + bytes): generation, bitmaps, length. */
void note_change(BlockDriverState *bs, int64_t offset, int64_t bytes, bool may_grow);

/* threshold.c: a write up to `end` is about to happen and there is a threshold. */
void threshold_passed(BlockDriverState *bs, uint64_t end);

/* drain.c */
void drain_register(BlockDriverState *bs);
void drain_unregister(BlockDriverState *bs);
/* dirty-bitmap.c: at the end of the node. */
void bitmaps_free(BlockDriverState *bs);

#define LOAD(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
/* Raise *p to v if it is lower. */
static inline void atomic_max(int64_t *p, int64_t v)
{
    int64_t old = __atomic_load_n(p, __ATOMIC_RELAXED);

    while (old < v && !__atomic_compare_exchange_n(p, &old, v, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
        continue;
    }
}

#endif
