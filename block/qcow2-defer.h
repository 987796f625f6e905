/*
 * qcow2: copies of shared clusters put off until the mapping must become true (qcow2-defer.c).
 * All calls with q->lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_DEFER_H
#define BLOCK_QCOW2_DEFER_H

#include "qcow2.h"

typedef struct Qcow2Pending Qcow2Pending;

/* Settled side by side: deep enough to keep a fast disk busy. */
#define QCOW2_SETTLE_PARALLEL 16

Qcow2Defer *qcow2_defer_new(void);
/* Records that could not be settled are forgotten: their data never became part of the image. */
void qcow2_defer_free(Qcow2Defer *d);

/* Should the copies around a first write to [offset, + bytes) of one shared cluster be put off? */
bool qcow2_defer_wanted(Qcow2 *q, uint64_t offset, uint64_t bytes);
/* A flush was asked for: a load that flushes after each few writes gains nothing from putting off. */
void qcow2_defer_flushed(Qcow2 *q);
/*
 * A record with one writer, of [offset, + bytes), for that guest cluster: old content at host offset `old`, new cluster
 * `fresh`.  *kept: the bytes are to be handed to qcow2_defer_leave; else they go to their place in the new cluster before.
 */
Qcow2Pending *qcow2_defer_begin(Qcow2 *q, uint64_t offset, uint64_t bytes, uint64_t old, uint64_t fresh, bool *kept);
/* One more writer of a range inside a pending cluster; NULL when that is not possible (see qcow2_claim_clip then). */
Qcow2Pending *qcow2_defer_join(Qcow2 *q, uint64_t offset, uint64_t bytes, uint64_t *host, bool *kept);
/* The writer is done; kept: its bytes, from qo on (NULL: they are in the file).  When nothing is left the cluster is linked. */
int coroutine_fn qcow2_defer_leave(Qcow2 *q, Qcow2Pending *p, uint64_t offset, uint64_t bytes, bool ok, const IoVec *kept,
                                   size_t qo);
/* Bytes from offset on before the first pending cluster. */
uint64_t qcow2_defer_clip(const Qcow2 *q, uint64_t offset, uint64_t bytes);
/*
 * Where the bytes at offset, which L2 maps to *host, are now; *bytes is cut to what lies there.  True: they were in memory
 * and have been copied to qiov from qo on.
 */
bool qcow2_defer_look(const Qcow2 *q, uint64_t offset, uint64_t *bytes, uint64_t *host, const IoVec *qiov, size_t qo);

/* The lock is dropped meanwhile. */
int coroutine_fn qcow2_defer_settle(Qcow2 *q, uint64_t offset);
int coroutine_fn qcow2_defer_settle_range(Qcow2 *q, uint64_t offset, uint64_t bytes);
int coroutine_fn qcow2_defer_settle_all(Qcow2 *q);
/* When there are very many, settle one: who makes new ones pays for old ones. */
void coroutine_fn qcow2_defer_make_room(Qcow2 *q);

#endif
