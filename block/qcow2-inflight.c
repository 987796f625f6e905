/*
 * qcow2: requests under way.  Claims (who maps which guest clusters anew), the grace period
 * that keeps freed clusters from their next owner until old I/O is done, and parts of one
 * request run side by side.
 *
 * Grace period: two counters; new I/O joins the current one.  A waiter turns to the other
 * counter and sleeps until the first is empty.  Waiters come one at a time (commit cycles are
 * serialised), so the counter turned to is always empty at that moment.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "qcow2.h"
#include "qcow2-defer.h"
#include "qcow2-io.h"

struct Qcow2InFlight {
    Qcow2Claim *claims;
    unsigned epoch;                  /* q->lock */
    unsigned count[2];               /* atomic: raised under q->lock, lowered anywhere */
    bool waiting;                    /* atomic */
    CoQueue idle;
    uint64_t soiled;                 /* a failed write may have left bytes below this host offset; q->lock */
};

void qcow2_io_init(Qcow2 *q)
{
    q->in_flight = g_new0(Qcow2InFlight, 1);
    co_queue_init(&q->in_flight->idle);
    q->defer = qcow2_defer_new();
}

void qcow2_io_cleanup(Qcow2 *q)
{
    g_clear_pointer(&q->in_flight, g_free);
    g_clear_pointer(&q->defer, qcow2_defer_free);
}

void qcow2_claim_begin(Qcow2 *q, Qcow2Claim *c, uint64_t from, uint64_t to)
{
    c->from = from;
    c->to = to;
    co_queue_init(&c->waiters);
    c->gather = NULL;
    c->prev = NULL;
    c->next = q->in_flight->claims;
    if (c->next) {
        c->next->prev = c;
    }
    q->in_flight->claims = c;
}

void qcow2_claim_end(Qcow2 *q, Qcow2Claim *c)
{
    *(c->prev ? &c->prev->next : &q->in_flight->claims) = c->next;
    if (c->next) {
        c->next->prev = c->prev;
    }
    co_queue_wake_all(&c->waiters);
}

Qcow2Claim *qcow2_claim_at(const Qcow2 *q, uint64_t offset)
{
    Qcow2Claim *c = q->in_flight->claims;
    while (c && (offset < c->from || offset >= c->to)) {
        c = c->next;
    }
    return c;
}

int coroutine_fn qcow2_claim_clip(Qcow2 *q, uint64_t offset, uint64_t *bytes)
{
    for (Qcow2Claim *c = q->in_flight->claims; c; c = c->next) {
        if (c->to <= offset || c->from >= offset + *bytes) {
            continue;
        }
        if (c->from <= offset) {
            co_queue_wait(&c->waiters, &q->lock);
            *bytes = 0;
            return 0;
        }
        *bytes = c->from - offset;
    }
    *bytes = qcow2_defer_clip(q, offset, *bytes);
    return *bytes ? 0 : qcow2_defer_settle(q, offset);
}

unsigned qcow2_io_begin(Qcow2 *q)
{
    unsigned ticket = q->in_flight->epoch & 1;
    __atomic_fetch_add(&q->in_flight->count[ticket], 1, __ATOMIC_SEQ_CST);
    return ticket;
}

void coroutine_fn qcow2_io_end(Qcow2 *q, unsigned ticket)
{
    Qcow2InFlight *f = q->in_flight;
    if (__atomic_sub_fetch(&f->count[ticket], 1, __ATOMIC_SEQ_CST) == 0 &&
        __atomic_load_n(&f->waiting, __ATOMIC_SEQ_CST)) {
        CO_SCOPED_LOCK(&q->lock);
        co_queue_wake_all(&f->idle);
    }
}

void coroutine_fn qcow2_io_wait(Qcow2 *q)
{
    Qcow2InFlight *f = q->in_flight;
    unsigned old = f->epoch++ & 1;
    __atomic_store_n(&f->waiting, true, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&f->count[old], __ATOMIC_SEQ_CST)) {
        co_queue_wait(&f->idle, &q->lock);
    }
    __atomic_store_n(&f->waiting, false, __ATOMIC_SEQ_CST);
}

bool qcow2_is_virgin(const Qcow2 *q, uint64_t host)
{
    return host >= qcow2_written_end(q) && host >= q->in_flight->soiled &&
           host >= (uint64_t)bdrv_write_failed_end(q->data_file->bs);
}

void qcow2_not_virgin(Qcow2 *q, uint64_t host)
{
    q->in_flight->soiled = MAX(q->in_flight->soiled, host);
}

typedef struct Task {
    Qcow2Tasks *tasks;
    Qcow2TaskFn *fn;
    char arg[] __attribute__((aligned(16)));
} Task;

static void coroutine_fn task_entry(void *opaque)
{
    g_autofree Task *task = opaque;
    Qcow2Tasks *t = task->tasks;
    int ret = task->fn(task->arg);
    if (ret < 0 && t->ret == 0) {
        t->ret = ret;
    }
    t->running--;
    if (t->waiter) {
        aio_co_wake(g_steal_pointer(&t->waiter));
    }
}

static void coroutine_fn tasks_wait(Qcow2Tasks *t)
{
    t->waiter = coroutine_self();
    coroutine_yield();
}

void coroutine_fn qcow2_tasks_start(Qcow2Tasks *t, Qcow2TaskFn *fn, const void *arg, size_t size)
{
    while (t->running >= (t->parallel ? t->parallel : QCOW2_PARALLEL)) {
        tasks_wait(t);
    }
    Task *task = g_malloc(sizeof(Task) + size);
    task->tasks = t;
    task->fn = fn;
    memcpy(task->arg, arg, size);
    t->running++;
    coroutine_enter(coroutine_create(task_entry, task));
}

int coroutine_fn qcow2_tasks_finish(Qcow2Tasks *t)
{
    while (t->running) {
        tasks_wait(t);
    }
    return t->ret;
}
