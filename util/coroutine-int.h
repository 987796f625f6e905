/*
 * What coroutines and the event loop know of each other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_COROUTINE_INT_H
#define UTIL_COROUTINE_INT_H

#include "util/coroutine.h"
#include "coroutine-switch.h"

struct Coroutine {
    CoContext context;
    Coroutine *caller;             /* who entered it; NULL: the thread itself.  Valid while running */
    CoroutineEntry *entry;
    void *opaque;
    AioContext *home;              /* where it was last entered; woken there */
    Coroutine *next_scheduled;     /* in home's list of scheduled coroutines */
    int scheduled;                 /* atomic: a wake is outstanding */
    bool done;
    void *stack;                   /* the mapping, guard page first */
    Coroutine *next_free;
    void *asan_fake_stack;
    void *tsan_fiber;
};

/* Event loop side: enter co in this thread, whose context is its new home. */
void coroutine_enter_scheduled(Coroutine *co);

#endif
