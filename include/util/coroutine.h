/*
 * Coroutines: stackful, one entry function, symmetric with their caller.
 * Functions marked coroutine_fn run only inside one; *_co_* names say the same.
 * A coroutine may yield in one thread and be resumed in another.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_COROUTINE_H
#define UTIL_COROUTINE_H

#include <stdbool.h>
#include <stdint.h>

#define coroutine_fn   /* marker for readers and checkers */

typedef struct Coroutine Coroutine;
typedef struct AioContext AioContext;
typedef void coroutine_fn CoroutineEntry(void *opaque);

/* A fresh coroutine from the pool (stack 256 KiB with a guard page). Runs when entered; recycles itself at return. */
Coroutine *coroutine_create(CoroutineEntry *entry, void *opaque);
/* Run co in this thread until it yields or ends.  co must not be running or scheduled elsewhere. */
void coroutine_enter(Coroutine *co);
void coroutine_fn coroutine_yield(void);
Coroutine *coroutine_self(void);       /* NULL outside coroutines */
bool in_coroutine(void);

/*
 * Resume co in the AioContext that it was last entered under, from any thread: directly
 * when that context is the caller's and no coroutine runs here, else by scheduling.
 */
void aio_co_wake(Coroutine *co);

/*
 * Run fn where polling is allowed and the graph may change: at once outside coroutines; a coroutine waits while a
 * handler of the main loop runs it.
 */
void aio_run_outside(void (*fn)(void *opaque), void *opaque);
/* Have ctx enter co at its next turn; thread-safe.  At most one wake may be outstanding. */
void aio_co_schedule(AioContext *ctx, Coroutine *co);
/* Move the running coroutine into ctx. */
void coroutine_fn aio_co_reschedule_self(AioContext *ctx);

/*
 * Locks below suspend the coroutine, never the thread; waiters are resumed first-in
 * first-out in their own contexts.  All are usable across threads.
 */
typedef struct CoWaiter CoWaiter;
typedef struct CoMutex {
    int guard;              /* tiny spin lock over the fields below */
    bool locked;
    Coroutine *holder;      /* for asserts */
    CoWaiter *head, *tail;
} CoMutex;
void co_mutex_init(CoMutex *m);
void coroutine_fn co_mutex_lock(CoMutex *m);
void coroutine_fn co_mutex_unlock(CoMutex *m);
bool co_mutex_trylock(CoMutex *m);

typedef struct CoQueue { int guard; CoWaiter *head, *tail; } CoQueue;
void co_queue_init(CoQueue *q);
/* Sleep until woken; m (may be NULL) is dropped meanwhile and held again on return. */
void coroutine_fn co_queue_wait(CoQueue *q, CoMutex *m);
bool co_queue_wake_one(CoQueue *q);       /* any context */
void co_queue_wake_all(CoQueue *q);
bool co_queue_empty(CoQueue *q);

/* First come, first served: readers that stand together go in together, nobody overtakes. */
typedef struct CoRwLock { int guard; int readers; bool writer; CoWaiter *head, *tail; } CoRwLock;
void co_rwlock_init(CoRwLock *l);
void coroutine_fn co_rwlock_rdlock(CoRwLock *l);
void coroutine_fn co_rwlock_wrlock(CoRwLock *l);
void coroutine_fn co_rwlock_unlock(CoRwLock *l);

/* Sleep ns on the current context's clock. */
void coroutine_fn co_sleep_ns(int64_t ns);

typedef struct CoMutexGuard { CoMutex *m; } CoMutexGuard;
static inline void co_mutex_guard_end(CoMutexGuard *g) { co_mutex_unlock(g->m); }
/* Hold m until the end of the enclosing scope. */
#define CO_SCOPED_LOCK(mutex) \
    __attribute__((cleanup(co_mutex_guard_end), unused)) CoMutexGuard co_guard_ = { (co_mutex_lock(mutex), (mutex)) }

#endif
