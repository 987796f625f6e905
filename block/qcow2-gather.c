/*
 * qcow2: writes of a stream that go to a new cluster together.
 *
 * Direct writes into blocks that were never written cost twice, so the first small write of a stream writes its new cluster
 * to the end, zeroes behind its bytes, and those that follow overwrite them.  Where several requests are under way the
 * followers are there already, and waiting for the first.  So the first one lets everybody else come who can in this turn
 * of the loop; who goes on where the last one ended hands over his bytes and sleeps, and the cluster is written once.
 *
 *   BEGIN   q->lock held: the claim says who gathers
 *   JOIN    q->lock held: bytes are added; they stay with their owner, who sleeps
 *   CLOSE   the claim is silent again: the next one waits for it as for any other
 *   END     q->lock held: the cluster is linked or given back, all of them are told
 *
 * Everybody gets the answer of the one write: if it failed, none of their bytes are in the image.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qcow2-gather.h"

#define VECTORS_MAX 256

void qcow2_gather_begin(Qcow2Gather *g, Qcow2Claim *claim, uint64_t offset, uint64_t bytes, const IoVec *qiov, size_t qo)
{
    g->claim = claim;
    g->end = offset + bytes;
    g->joiners = NULL;
    iov_init(&g->all, 0);
    iov_concat(&g->all, qiov, qo, bytes);
    co_queue_init(&g->done);
    claim->gather = g;
}

bool qcow2_gather_join(Qcow2 *q, Qcow2Joiner *j, uint64_t offset, uint64_t *bytes, const IoVec *qiov, size_t qo,
                       uint64_t *host)
{
    Qcow2Claim *claim = qcow2_claim_at(q, offset);
    Qcow2Gather *g = claim ? claim->gather : NULL;

    if (!g || g->end != offset || g->all.niov + qiov->niov > VECTORS_MAX) {
        return false;
    }
    *bytes = MIN(*bytes, claim->to - offset);
    *host = claim->host + (offset - claim->from);
    iov_concat(&g->all, qiov, qo, *bytes);
    g->end += *bytes;
    *j = (Qcow2Joiner){ .g = g, .next = g->joiners };
    g->joiners = j;
    return true;
}

int coroutine_fn qcow2_gather_wait(Qcow2 *q, Qcow2Joiner *j)
{
    CO_SCOPED_LOCK(&q->lock);
    while (j->g) {
        co_queue_wait(&j->g->done, &q->lock);
    }
    return j->ret;
}

void coroutine_fn qcow2_gather_close(Qcow2 *q, Qcow2Gather *g)
{
    aio_co_schedule(aio_current_context(), coroutine_self());
    coroutine_yield();
    CO_SCOPED_LOCK(&q->lock);
    g->claim->gather = NULL;
}

void qcow2_gather_end(Qcow2Gather *g, int ret)
{
    if (!g->claim) {
        return;
    }
    for (Qcow2Joiner *j = g->joiners, *next; j; j = next) {
        next = j->next;
        j->ret = ret;
        j->g = NULL;
    }
    co_queue_wake_all(&g->done);
    iov_destroy(&g->all);
    g->claim = NULL;
}
