/*
 * qcow2: what the guest I/O files share among themselves: claims on guest ranges, the grace
 * period for freed clusters, several requests side by side.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_IO_H
#define BLOCK_QCOW2_IO_H

#include "qcow2.h"

/*
 * Claim: guest clusters [from, to) that one request is about to map anew.  Nobody else changes
 * their L2 entries while it stands.  Lives on the request's stack; all calls with q->lock held.
 */
typedef struct Qcow2Claim {
    uint64_t from, to;               /* guest offsets, cluster aligned */
    CoQueue waiters;
    struct Qcow2Claim *next, *prev;
    struct Qcow2Gather *gather;      /* others may join its one new cluster (qcow2-gather.c), at host */
    uint64_t host;
} Qcow2Claim;

void qcow2_claim_begin(Qcow2 *q, Qcow2Claim *c, uint64_t from, uint64_t to);
void qcow2_claim_end(Qcow2 *q, Qcow2Claim *c);
/* Whose claim is offset in?  NULL: nobody's. */
Qcow2Claim *qcow2_claim_at(const Qcow2 *q, uint64_t offset);
/*
 * Cut *bytes from offset on to what is free of claims; 0 bytes after having waited (lock dropped
 * meanwhile) for a claim that covers offset, or having settled a copy put off there: look at
 * everything again.  0 or -errno.
 */
int coroutine_fn qcow2_claim_clip(Qcow2 *q, uint64_t offset, uint64_t *bytes);

/*
 * Data I/O to host clusters found in a table runs between begin (q->lock held, so that the
 * table still said so) and end (lock not held).  A commit cycle waits for all I/O begun before
 * it frees clusters (qcow2_io_wait): a late read or write never meets a cluster's next owner.
 * Between the two no qcow2 metadata call is made, else the cycle would wait for itself.
 */
unsigned qcow2_io_begin(Qcow2 *q);
void coroutine_fn qcow2_io_end(Qcow2 *q, unsigned ticket);

/*
 * Up to QCOW2_PARALLEL (or `parallel`) parts of one request side by side, in coroutines of this thread.  finish
 * waits for all and returns the first error.
 */
#define QCOW2_PARALLEL 8
typedef struct Qcow2Tasks {
    unsigned running, parallel;      /* parallel 0: QCOW2_PARALLEL */
    int ret;
    Coroutine *waiter;
} Qcow2Tasks;
typedef int coroutine_fn Qcow2TaskFn(void *arg);
/* Runs fn in any case; arg: a copy of `size` bytes is made.  Look at t->ret before preparing more. */
void coroutine_fn qcow2_tasks_start(Qcow2Tasks *t, Qcow2TaskFn *fn, const void *arg, size_t size);
int coroutine_fn qcow2_tasks_finish(Qcow2Tasks *t);

/*
 * The L2 table for offset as it is, for looking only (*table NULL: there is none); q->lock held.
 * Release with qcow2_cache_put.
 */
int coroutine_fn qcow2_l2_peek(Qcow2 *q, uint64_t offset, void **table, uint64_t *l2_offset);
/* Subclusters from sc on, in this cluster, that have the type of sc. */
unsigned qcow2_subcluster_run(const Qcow2 *q, uint64_t entry, uint64_t bitmap, unsigned sc);
/* L2 entry for compressed data at [offset, offset + bytes). */
uint64_t qcow2_compressed_entry(const Qcow2 *q, uint64_t offset, uint64_t bytes);

/*
 * Unmap whole clusters (q->lock held).  full: they become unallocated and show the backing
 * image; otherwise they read as zeroes where the version can say so.  In a data file what is unmapped is discarded
 * (QCOW2_DISCARD_REQUEST), zeroed (_ALWAYS) or left to the caller (_SNAPSHOT).
 */
int coroutine_fn qcow2_discard_clusters(Qcow2 *q, uint64_t offset, uint64_t bytes, Qcow2DiscardType type, bool full);
/* Whole subclusters [offset, + bytes) (end rounded up) read as zeroes from now on; version 3, q->lock held. */
int coroutine_fn qcow2_zeroize(Qcow2 *q, uint64_t offset, uint64_t bytes, BdrvRequestFlags flags);
/* --- qcow2-ahead.c: the file extended in runs before direct writes past its end --- */
void qcow2_ahead_init(Qcow2 *q);
/* A write up to `end` comes: have the file reach it, and more.  q->lock not held. */
void coroutine_fn qcow2_ahead_reach(Qcow2 *q, uint64_t end);
/* Give back what was not used.  q->lock held, all written. */
void coroutine_fn qcow2_ahead_cut(Qcow2 *q);
/* A guest write begins, a flush was asked for; any context.  Is the write part of a stream whose new clusters are better filled? */
bool qcow2_ahead_note_write(Qcow2 *q, uint64_t offset, uint64_t bytes);
void qcow2_ahead_note_flush(Qcow2 *q);
/* Past this file offset nothing was written yet. */
uint64_t qcow2_written_end(const Qcow2 *q);
/* File offset after the last cluster that is counted, 0 if none is, or -errno.  q->lock held. */
int64_t coroutine_fn qcow2_used_end(Qcow2 *q, int64_t file_len);

/* Was the data file never written from host on (past its end), so that it reads as zeroes?  q->lock held. */
bool qcow2_is_virgin(const Qcow2 *q, uint64_t host);
/* A write up to host may have failed half way. */
void qcow2_not_virgin(Qcow2 *q, uint64_t host);
/* Does the file hold much less than its counts say (so that a status below is worth asking for)?  q->lock held. */
bool coroutine_fn qcow2_metadata_preallocated(Qcow2 *q);
/* Do bytes from offset on that this image does not map read as zeroes for sure (no backing, or past its end)? */
bool qcow2_unallocated_is_zero(const Qcow2 *q, uint64_t offset);

/* Read one compressed cluster's bytes [skip, skip + bytes) into qiov at qo; ticket taken by the caller and given back here. */
int coroutine_fn qcow2_read_compressed(Qcow2 *q, uint64_t entry, unsigned ticket, uint64_t skip, uint64_t bytes,
                                       IoVec *qiov, size_t qo);

/*
 * What is written: the bytes of qiov from qo on, or (qiov NULL) whatever copy brings into
 * [to_offset, + bytes) of `to` for the request's bytes from `done` on.
 */
typedef struct Qcow2Source {
    IoVec *qiov;
    size_t qo;
    int coroutine_fn (*copy)(const struct Qcow2Source *src, uint64_t done, BdrvChild *to, uint64_t to_offset, uint64_t bytes);
    Qcow2 *from;                     /* for copy */
    uint64_t from_offset;            /* guest offset there */
    BdrvRequestFlags read_flags, write_flags;
} Qcow2Source;
/* The one way to write: plan, move, link, piece by piece. */
int coroutine_fn qcow2_write_from(BlockDriverState *bs, uint64_t offset, uint64_t bytes, const Qcow2Source *src);

#endif
