/*
 * qcow2: writes of a stream that go to a new cluster together (qcow2-gather.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_GATHER_H
#define BLOCK_QCOW2_GATHER_H

#include "qcow2.h"
#include "qcow2-io.h"

/* The first writer of the cluster owns it; it stays where it is until qcow2_gather_end(). */
typedef struct Qcow2Gather {
    Qcow2Claim *claim;               /* NULL: not begun */
    uint64_t end;                    /* guest: where the next writer has to go on */
    IoVec all;                       /* bytes of all writers, in order */
    struct Qcow2Joiner *joiners;
    CoQueue done;
} Qcow2Gather;

/* One who goes on where the writer before ended. */
typedef struct Qcow2Joiner {
    Qcow2Gather *g;                  /* NULL: all is done, see ret */
    int ret;
    struct Qcow2Joiner *next;
} Qcow2Joiner;

/* The claim's first writer, with bytes [offset, + bytes) of the guest from qo on in qiov.  q->lock held. */
void qcow2_gather_begin(Qcow2Gather *g, Qcow2Claim *claim, uint64_t offset, uint64_t bytes, const IoVec *qiov, size_t qo);
/*
 * Join whoever gathers where offset goes on; *bytes is cut at the end of the cluster and *host is the place of offset's
 * byte in the file.  False: nobody does.  The bytes have to stay until qcow2_gather_wait() is over.  q->lock held.
 */
bool qcow2_gather_join(Qcow2 *q, Qcow2Joiner *j, uint64_t offset, uint64_t *bytes, const IoVec *qiov, size_t qo,
                       uint64_t *host);
/* What became of the write that was joined: 0 or -errno.  The lock is taken here. */
int coroutine_fn qcow2_gather_wait(Qcow2 *q, Qcow2Joiner *j);
/* Let those come who are about to; afterwards g->all is complete and nobody joins any more.  The lock is taken here. */
void coroutine_fn qcow2_gather_close(Qcow2 *q, Qcow2Gather *g);
/* The write is done and linked, or failed.  q->lock held.  Nothing happens when g was not begun. */
void qcow2_gather_end(Qcow2Gather *g, int ret);

#endif
