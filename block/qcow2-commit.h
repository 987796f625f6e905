/*
 * qcow2: what the commit cycle, the caches and the allocator share among themselves.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_COMMIT_H
#define BLOCK_QCOW2_COMMIT_H

#include "qcow2.h"

/* Bytes to be written at a file offset.  Memory belongs to whoever made the list. */
typedef struct Qcow2Piece {
    uint64_t offset;
    const void *src;
    uint32_t bytes;
} Qcow2Piece;

/* Copies of pieces, sorted by offset, neighbours joined.  Owned; free with qcow2_runs_clear. */
typedef struct Qcow2Runs {
    uint8_t *copy;
    GArray *runs;                    /* Qcow2Piece with src inside copy */
} Qcow2Runs;
/* Copy pieces (an array of Qcow2Piece, sorted in place).  -ENOMEM when there is no room. */
int qcow2_runs_copy(Qcow2 *q, GArray *pieces, Qcow2Runs *out);
void qcow2_runs_clear(Qcow2Runs *r);
/* Write runs into the file, several in flight; first error. */
int coroutine_fn qcow2_runs_write(Qcow2 *q, const Qcow2Runs *r);
/* Flush the image file, and the data file when it is another one. */
int coroutine_fn qcow2_flush_files(Qcow2 *q);

/* Which 512-byte sectors of a table of 8-byte entries differ from the disk. */
typedef struct Qcow2DirtySectors { uint64_t *bits; uint32_t words; bool any; } Qcow2DirtySectors;

/* --- cache: q->lock held --- */
/*
 * Append the dirty pages; they count as clean from now on, but their tables stay in memory until
 * qcow2_cache_written tells whether they reached the disk.
 */
void qcow2_cache_collect(Qcow2Cache *c, GArray *pieces);
void qcow2_cache_written(Qcow2Cache *c, bool ok);
uint64_t qcow2_cache_dirty_bytes(const Qcow2Cache *c);
/* Is the table at offset in memory?  Borrowed, valid while the lock is held; no reference, nothing is read. */
const void *qcow2_cache_peek(Qcow2Cache *c, uint64_t offset);
/* Forget everything, also what is dirty (the image is broken or its tables were replaced). */
void qcow2_cache_drop_all(Qcow2Cache *c);

/* --- commit --- */
Qcow2Commit *qcow2_commit_new(void);
void qcow2_commit_free(Qcow2Commit *c);
/* A cycle when much is dirty or waits to be freed.  q->lock held; dropped when it returns 1; 0: nothing done. */
int coroutine_fn qcow2_commit_if_much(Qcow2 *q);
/* Is a cycle writing now? */
bool qcow2_commit_running(const Qcow2 *q);
/* Refcount table entry index was changed in q->rt. */
void qcow2_rt_mark_dirty(Qcow2 *q, uint32_t index);
/* The table in memory (q->rt, rt_size entries) goes to a new place with the next cycle. */
void qcow2_rt_move(Qcow2 *q, uint64_t offset, uint32_t clusters);
/* Forget what waits: the image is broken, or everything in memory was replaced. */
void qcow2_commit_reset(Qcow2 *q);

/* --- refcounts --- */
/* Lower the counts of clusters by one, now; those at zero are free.  For the commit cycle. */
int coroutine_fn qcow2_lower_now(Qcow2 *q, uint64_t first, uint64_t n);
/*
 * The first cluster of a run of n whose counts are zero, from free_cluster_index on, which moves
 * behind it.  0 or -errno.
 */
int coroutine_fn qcow2_find_free(Qcow2 *q, uint64_t n, uint64_t *first);
/* Make sure that a refcount block counts clusters [first, first + n). */
int coroutine_fn qcow2_reserve_blocks(Qcow2 *q, uint64_t first, uint64_t n);
/* Where the block that counts this cluster is: 0, or its file offset; -EIO when the entry is bad. */
int64_t qcow2_rb_offset(Qcow2 *q, uint64_t block_index);
/*
 * A table in memory (or NULL) with `have` entries gets `want` of them, the new ones zero.  -EFBIG when no refcount table may be
 * as long, -ENOMEM; *table is as before then.
 */
int qcow2_lengthen_table(uint64_t **table, uint64_t have, uint64_t want);
/* Next entry in [from, to) that is zero (or is not); `to` when there is none. */
uint32_t qcow2_rb_next(const Qcow2 *q, const void *block, uint32_t from, uint32_t to, bool zero);

/* --- overlap --- */
/* A new table was put at offset: cheap; forgets are not needed. */
void qcow2_overlap_note_l2(Qcow2 *q, uint64_t offset);
void qcow2_overlap_note_block(Qcow2 *q, uint64_t offset);
void qcow2_overlap_free(Qcow2 *q);

#endif
