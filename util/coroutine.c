/*
 * Coroutines: creation from a pool, entering, yielding, and where they are resumed.
 *
 * A coroutine runs on its own stack of STACK_SIZE bytes above a guard page.  Each thread keeps
 * finished ones for reuse.  A suspended coroutine is only ever entered by the thread of its home
 * context (aio_co_wake schedules it there), so that nobody enters it while it is still on its way
 * into coroutine_yield.  Moving to another context (aio_co_reschedule_self) hands the coroutine over
 * after the switch, by the thread that it left.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <glib.h>
#include "util/aio.h"
#include "coroutine-int.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define STACK_SIZE (1024 * 1024)
#else
#define STACK_SIZE (256 * 1024)
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

#define POOL_MAX 128
#define COLOURS 32                 /* places in a page where stacks begin, */
#define COLOUR_BYTES 128           /* ... so far from each other */

typedef struct ThreadState {
    CoContext context;             /* the thread's own flow of control */
    Coroutine *current;
    Coroutine *free;
    unsigned nb_free;
    Coroutine *hand_over;          /* to be scheduled in hand_over_to once the switch is complete */
    AioContext *hand_over_to;
    void *asan_fake_stack;
    const void *asan_bottom;
    size_t asan_size;
    void *tsan_fiber;
} ThreadState;

static __thread ThreadState thread_local_state;
static pthread_key_t pool_key;
static pthread_once_t pool_once = PTHREAD_ONCE_INIT;

/*
 * The address of thread-local data must be computed anew after each switch, because the
 * coroutine may go on in another thread: hence never inlined.
 */
static __attribute__((noinline)) ThreadState *thread_state(void)
{
    ThreadState *t = &thread_local_state;

    __asm__ volatile("" : "+r"(t));
    return t;
}

static size_t page_size(void)
{
    static size_t size;

    if (!size) {
        size = sysconf(_SC_PAGESIZE);
    }
    return size;
}

static void coroutine_destroy(Coroutine *co)
{
#if defined(__SANITIZE_THREAD__)
    __tsan_destroy_fiber(co->tsan_fiber);
#endif
    co_context_destroy(&co->context);
    munmap(co->stack, STACK_SIZE + page_size());
    g_free(co);
}

static void pool_empty(void *unused)
{
    ThreadState *t = thread_state();

    while (t->free) {
        Coroutine *co = t->free;

        t->free = co->next_free;
        coroutine_destroy(co);
    }
    t->nb_free = 0;
}

static void pool_make_key(void)
{
    pthread_key_create(&pool_key, pool_empty);
}

/* Told on arrival of a switch: which stack we run on now. */
static void arrived(void *fake_stack)
{
#if defined(__SANITIZE_ADDRESS__)
    ThreadState *t = thread_state();
    const void *bottom;
    size_t size;

    __sanitizer_finish_switch_fiber(fake_stack, &bottom, &size);
    if (!t->asan_bottom) {
        t->asan_bottom = bottom;   /* the first arrival comes from the thread's own stack */
        t->asan_size = size;
    }
#endif
}

/* Switch from the current flow (NULL: the thread's) to another. */
static void switch_flow(Coroutine *from, Coroutine *to, bool from_ends)
{
    ThreadState *t = thread_state();
    CoContext *from_context = from ? &from->context : &t->context;
    CoContext *to_context = to ? &to->context : &t->context;

#if defined(__SANITIZE_ADDRESS__)
    void **save = from_ends ? NULL : from ? &from->asan_fake_stack : &t->asan_fake_stack;

    if (to) {
        __sanitizer_start_switch_fiber(save, (char *)to->stack + page_size(), STACK_SIZE);
    } else {
        __sanitizer_start_switch_fiber(save, t->asan_bottom, t->asan_size);
    }
#endif
#if defined(__SANITIZE_THREAD__)
    if (!t->tsan_fiber) {
        t->tsan_fiber = __tsan_get_current_fiber();
    }
    __tsan_switch_to_fiber(to ? to->tsan_fiber : t->tsan_fiber, 0);
#endif
    co_context_switch(from_context, to_context);
    arrived(from ? from->asan_fake_stack : thread_state()->asan_fake_stack);
}

static void leave(Coroutine *self, bool ends)
{
    ThreadState *t = thread_state();
    Coroutine *to = self->caller;

    self->caller = NULL;
    t->current = to;
    switch_flow(self, to, ends);
}

/* Bottom of every coroutine's stack: run one entry function after another. */
static void trampoline(void *arg)
{
    Coroutine *self = arg;

    arrived(NULL);
    for (;;) {
        self->entry(self->opaque);
        self->done = true;
        leave(self, false);
    }
}

/*
 * How many bytes below its top a stack begins.  Were it none, the frames of all coroutines would be at the same places
 * of their pages and drive each other out of the few lines of the cache that those places share.
 */
static size_t stack_colour(void)
{
    static unsigned next;

    return __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % COLOURS * COLOUR_BYTES;
}

static Coroutine *coroutine_allocate(void)
{
    size_t guard = page_size();
    Coroutine *co = g_new0(Coroutine, 1);

    co->stack = mmap(NULL, STACK_SIZE + guard, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (co->stack == MAP_FAILED || mprotect(co->stack, guard, PROT_NONE)) {
        g_error("no memory for a coroutine's stack");
    }
#if defined(__SANITIZE_ADDRESS__)
    /* Frames of a stack that was here before may have left marks. */
    __asan_unpoison_memory_region((char *)co->stack + guard, STACK_SIZE);
#endif
    co_context_init(&co->context, (char *)co->stack + guard, STACK_SIZE - stack_colour(), trampoline, co);
#if defined(__SANITIZE_THREAD__)
    co->tsan_fiber = __tsan_create_fiber(0);
#endif
    return co;
}

Coroutine *coroutine_create(CoroutineEntry *entry, void *opaque)
{
    ThreadState *t = thread_state();
    Coroutine *co = t->free;

    if (co) {
        t->free = co->next_free;
        t->nb_free--;
    } else {
        co = coroutine_allocate();
    }
    co->entry = entry;
    co->opaque = opaque;
    co->done = false;
    co->home = NULL;
    return co;
}

static void coroutine_recycle(Coroutine *co)
{
    ThreadState *t = thread_state();

    if (t->nb_free >= POOL_MAX) {
        coroutine_destroy(co);
        return;
    }
    if (!t->free && !t->nb_free) {
        /* Any non-NULL value makes the destructor run at thread exit. */
        pthread_once(&pool_once, pool_make_key);
        pthread_setspecific(pool_key, t);
    }
    co->next_free = t->free;
    t->free = co;
    t->nb_free++;
}

void coroutine_enter(Coroutine *co)
{
    ThreadState *t = thread_state();
    Coroutine *self = t->current;

    g_assert(!co->caller && co != self && !co->done);
    co->caller = self;
    co->home = aio_current_context();
    t->current = co;
    switch_flow(self, co, false);

    t = thread_state();
    if (co->done) {
        coroutine_recycle(co);
    } else if (t->hand_over == co) {
        t->hand_over = NULL;
        aio_co_schedule(t->hand_over_to, co);
    }
}

void coroutine_enter_scheduled(Coroutine *co)
{
    __atomic_store_n(&co->scheduled, 0, __ATOMIC_RELEASE);
    coroutine_enter(co);
}

void coroutine_fn coroutine_yield(void)
{
    Coroutine *self = thread_state()->current;

    g_assert(self);
    leave(self, false);
}

Coroutine *coroutine_self(void)
{
    return thread_state()->current;
}

bool in_coroutine(void)
{
    return thread_state()->current != NULL;
}

void aio_co_wake(Coroutine *co)
{
    AioContext *home = co->home;

    if (home == aio_current_context() && !in_coroutine()) {
        coroutine_enter(co);
    } else {
        aio_co_schedule(home, co);
    }
}

void coroutine_fn aio_co_reschedule_self(AioContext *ctx)
{
    ThreadState *t = thread_state();

    if (aio_current_context() == ctx) {
        return;
    }
    t->hand_over = t->current;
    t->hand_over_to = ctx;
    coroutine_yield();
}

typedef struct SyncCall {
    CoroutineEntry *entry;
    void *opaque;
    bool done;
} SyncCall;

static void coroutine_fn sync_entry(void *opaque)
{
    SyncCall *call = opaque;

    call->entry(call->opaque);
    call->done = true;
    aio_wait_kick();
}

static bool sync_running(void *opaque)
{
    return !((SyncCall *)opaque)->done;
}

void co_run_sync(CoroutineEntry *entry, void *opaque)
{
    SyncCall call = { entry, opaque, false };

    if (in_coroutine()) {
        entry(opaque);
        return;
    }
    coroutine_enter(coroutine_create(sync_entry, &call));
    if (!call.done) {
        aio_wait_while(sync_running, &call);
    }
}

typedef struct OutsideCall {
    void (*fn)(void *opaque);
    void *opaque;
    Coroutine *co;
} OutsideCall;

static void call_outside(void *opaque)
{
    OutsideCall *call = opaque;

    call->fn(call->opaque);
    aio_co_wake(call->co);
}

void aio_run_outside(void (*fn)(void *opaque), void *opaque)
{
    OutsideCall call = { fn, opaque, NULL };

    if (!in_coroutine()) {
        fn(opaque);
        return;
    }
    call.co = coroutine_self();
    aio_bh_oneshot(aio_main_context(), call_outside, &call);
    coroutine_yield();
}
