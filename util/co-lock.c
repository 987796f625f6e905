/*
 * Locks for coroutines: CoMutex, CoQueue, CoRwLock.
 *
 * Each keeps a first-in first-out list of waiters under a spin lock that is held for a few
 * instructions only.  Ownership is handed over: who unlocks names the next holder, so a mutex is
 * never seen free by a newcomer while somebody waits.  A waiter lives on the stack of its coroutine
 * until it is woken.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stddef.h>
#include <glib.h>
#include "util/aio.h"
#include "util/coroutine.h"

struct CoWaiter {
    Coroutine *co;
    bool write;                    /* CoRwLock */
    CoWaiter *next;
};

static void guard_lock(int *guard)
{
    while (__atomic_exchange_n(guard, 1, __ATOMIC_ACQUIRE)) {
        while (__atomic_load_n(guard, __ATOMIC_RELAXED)) {
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
    }
}

static void guard_unlock(int *guard)
{
    __atomic_store_n(guard, 0, __ATOMIC_RELEASE);
}

static void list_append(CoWaiter **head, CoWaiter **tail, CoWaiter *w)
{
    w->next = NULL;
    if (*head) {
        (*tail)->next = w;
    } else {
        *head = w;
    }
    *tail = w;
}

static CoWaiter *list_take(CoWaiter **head)
{
    CoWaiter *w = *head;

    if (w) {
        *head = w->next;
    }
    return w;
}

void co_mutex_init(CoMutex *m)
{
    *m = (CoMutex){ 0 };
}

bool co_mutex_trylock(CoMutex *m)
{
    bool got;

    guard_lock(&m->guard);
    got = !m->locked;
    if (got) {
        m->locked = true;
        m->holder = coroutine_self();
    }
    guard_unlock(&m->guard);
    return got;
}

void coroutine_fn co_mutex_lock(CoMutex *m)
{
    CoWaiter w = { .co = coroutine_self() };

    g_assert(w.co);
    guard_lock(&m->guard);
    g_assert(m->holder != w.co);
    if (!m->locked) {
        m->locked = true;
        m->holder = w.co;
        guard_unlock(&m->guard);
        return;
    }
    list_append(&m->head, &m->tail, &w);
    guard_unlock(&m->guard);
    coroutine_yield();             /* woken as the holder */
}

void coroutine_fn co_mutex_unlock(CoMutex *m)
{
    CoWaiter *next;
    Coroutine *co = NULL;

    guard_lock(&m->guard);
    g_assert(m->locked && m->holder == coroutine_self());
    next = list_take(&m->head);
    if (next) {
        co = next->co;             /* next is gone once co runs */
        m->holder = co;
    } else {
        m->locked = false;
        m->holder = NULL;
    }
    guard_unlock(&m->guard);
    if (co) {
        aio_co_wake(co);
    }
}

void co_queue_init(CoQueue *q)
{
    *q = (CoQueue){ 0 };
}

void coroutine_fn co_queue_wait(CoQueue *q, CoMutex *m)
{
    CoWaiter w = { .co = coroutine_self() };

    g_assert(w.co);
    guard_lock(&q->guard);
    list_append(&q->head, &q->tail, &w);
    guard_unlock(&q->guard);
    if (m) {
        co_mutex_unlock(m);
    }
    coroutine_yield();
    if (m) {
        co_mutex_lock(m);
    }
}

bool co_queue_wake_one(CoQueue *q)
{
    CoWaiter *w;
    Coroutine *co = NULL;

    guard_lock(&q->guard);
    w = list_take(&q->head);
    if (w) {
        co = w->co;
    }
    guard_unlock(&q->guard);
    if (co) {
        aio_co_wake(co);
    }
    return co != NULL;
}

void co_queue_wake_all(CoQueue *q)
{
    CoWaiter *w, *next;

    /* Only those who wait now: somebody woken may come back and wait again. */
    guard_lock(&q->guard);
    w = q->head;
    q->head = NULL;
    guard_unlock(&q->guard);
    for (; w; w = next) {
        next = w->next;
        aio_co_wake(w->co);
    }
}

bool co_queue_empty(CoQueue *q)
{
    bool empty;

    guard_lock(&q->guard);
    empty = !q->head;
    guard_unlock(&q->guard);
    return empty;
}

void co_rwlock_init(CoRwLock *l)
{
    *l = (CoRwLock){ 0 };
}

/* guard held; let go of it and sleep until the lock is handed over. */
static void coroutine_fn rwlock_wait(CoRwLock *l, CoWaiter *w)
{
    list_append(&l->head, &l->tail, w);
    guard_unlock(&l->guard);
    coroutine_yield();
}

void coroutine_fn co_rwlock_rdlock(CoRwLock *l)
{
    CoWaiter w = { .co = coroutine_self() };

    guard_lock(&l->guard);
    if (l->writer || l->head) {
        rwlock_wait(l, &w);
        return;
    }
    l->readers++;
    guard_unlock(&l->guard);
}

void coroutine_fn co_rwlock_wrlock(CoRwLock *l)
{
    CoWaiter w = { .co = coroutine_self(), .write = true };

    guard_lock(&l->guard);
    if (l->writer || l->readers) {
        rwlock_wait(l, &w);
        return;
    }
    l->writer = true;
    guard_unlock(&l->guard);
}

void coroutine_fn co_rwlock_unlock(CoRwLock *l)
{
    CoWaiter *w, *next, *woken = NULL, **end = &woken;

    guard_lock(&l->guard);
    if (l->writer) {
        l->writer = false;
    } else {
        g_assert(l->readers > 0);
        l->readers--;
    }
    while ((w = l->head) && !l->writer && !(w->write && l->readers)) {
        list_take(&l->head);
        l->writer = w->write;
        l->readers += !w->write;
        *end = w;
        end = &w->next;
    }
    *end = NULL;
    guard_unlock(&l->guard);
    for (; woken; woken = next) {
        next = woken->next;            /* gone once it runs */
        aio_co_wake(woken->co);
    }
}

static void sleep_over(void *opaque)
{
    aio_co_wake(opaque);
}

void coroutine_fn co_sleep_ns(int64_t ns)
{
    AioTimer *t = aio_timer_new(aio_current_context(), AIO_CLOCK_REALTIME, sleep_over, coroutine_self());

    aio_timer_mod_ns(t, aio_clock_ns(AIO_CLOCK_REALTIME) + ns);
    coroutine_yield();
    aio_timer_free(t);
}
