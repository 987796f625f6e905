/*
 * The event loop of a thread.
 *
 * One turn: bottom halves and scheduled coroutines; due timers; gathered I/O requests go to the
 * kernel; then, when blocking and nothing was done, busy-poll for a while and sleep in epoll_wait;
 * handlers of ready descriptors; bottom halves and timers again.
 *
 * Waking a sleeper: the loop sets `sleeping`, then looks at the pending lists (and `kicked`) once more;
 * who pushes something looks at `sleeping` afterwards.  One of the two sees the other (sequentially consistent
 * atomics), so the descriptor is written only when the loop may really sleep.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "loop-int.h"
#include "../coroutine-int.h"
#include "util/fence.h"

#define WAKES_IN_A_ROW 256         /* before anything else has its turn */
#define EVENTS_AT_ONCE 64
#define STALLED_NS 1000000LL        /* how soon to try again what the kernel had no room for */

struct AioBh {
    AioBh *next;                   /* while pending */
    AioContext *ctx;
    AioBhFn *fn;
    void *opaque;
    int state;                     /* any thread: BH_* bits */
    bool oneshot;
};

enum { BH_PENDING = 1, BH_SCHEDULED = 2, BH_DELETED = 4 };

static AioContext *main_context;
static pthread_t main_thread;
static __thread AioContext *current_context;

/* Who polls in aio_wait_while, for aio_wait_kick. */
typedef struct Waiter { AioContext *ctx; struct Waiter *next; } Waiter;

static pthread_mutex_t waiters_lock = PTHREAD_MUTEX_INITIALIZER;
static Waiter *waiters;
static int nb_waiters;             /* atomic */
static __thread int own_waiters;   /* of them, this thread's */
static bool batch;

/*
 * Empty the descriptor first and clear `notified` afterwards: a wake in between is not written, but
 * what it announces was pushed before, and this turn looks at the pending lists later.
 */
static void drain_event_fd(void *opaque)
{
    AioContext *ctx = opaque;
    uint64_t value;

    while (read(ctx->event_fd, &value, sizeof(value)) < 0 && errno == EINTR) {
    }
    __atomic_store_n(&ctx->notified, 0, __ATOMIC_SEQ_CST);
}

AioContext *aio_context_new(Error **errp)
{
    AioContext *ctx = g_new0(AioContext, 1);

    ctx->refs = 1;
    ctx->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    ctx->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (ctx->epoll_fd < 0 || ctx->event_fd < 0) {
        error_setg_errno(errp, errno, "Failed to initialize event notifier");
        if (ctx->epoll_fd >= 0) {
            close(ctx->epoll_fd);
        }
        g_free(ctx);
        return NULL;
    }
    ctx->poll_grow = ctx->poll_shrink = 2;
    aio_set_fd_handler(ctx, ctx->event_fd, drain_event_fd, NULL, ctx);
    return ctx;
}

AioContext *aio_context_ref(AioContext *ctx)
{
    __atomic_fetch_add(&ctx->refs, 1, __ATOMIC_RELAXED);
    return ctx;
}

void aio_context_unref(AioContext *ctx)
{
    if (__atomic_sub_fetch(&ctx->refs, 1, __ATOMIC_ACQ_REL)) {
        return;
    }
    aio_native_free(ctx);
    aio_uring_free(ctx);
    aio_spin_free(ctx);
    while (ctx->handlers) {
        AioHandler *h = ctx->handlers;

        ctx->handlers = h->next;
        g_free(h);
    }
    close(ctx->event_fd);
    close(ctx->epoll_fd);
    g_free(ctx->timers);
    g_free(ctx);
}

/* Signals that mean nothing to a program unless it says so; by themselves they would end it. */
static void block_stray_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGIO);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void aio_init_main(void)
{
    if (!main_context) {
        block_stray_signals();
        main_context = aio_context_new(&error_fatal);
        main_thread = pthread_self();
        aio_context_bind_thread(main_context);
    }
}

AioContext *aio_main_context(void) { return main_context; }
AioContext *aio_current_context(void) { return current_context; }
void aio_context_bind_thread(AioContext *ctx) { current_context = ctx; }
bool in_main_thread(void) { return main_context && pthread_equal(main_thread, pthread_self()); }

void aio_context_set_poll(AioContext *ctx, int64_t max_ns, int64_t grow, int64_t shrink)
{
    ctx->poll_max_ns = max_ns;
    ctx->poll_grow = grow ? grow : 2;
    ctx->poll_shrink = shrink;
    ctx->poll_ns = 0;
}

void aio_set_batch(bool on)
{
    batch = on;
}

bool aio_is_batch(const AioContext *ctx)
{
    return batch && ctx == main_context;
}

/* Something was put on a list that the loop looks at before it sleeps. */
static void wake_loop(AioContext *ctx)
{
    uint64_t one = 1;

    full_fence();
    if (__atomic_load_n(&ctx->sleeping, __ATOMIC_SEQ_CST)
        && !__atomic_exchange_n(&ctx->notified, 1, __ATOMIC_SEQ_CST)) {
        while (write(ctx->event_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
        }
    }
}

void aio_notify(AioContext *ctx)
{
    __atomic_store_n(&ctx->kicked, 1, __ATOMIC_SEQ_CST);
    wake_loop(ctx);
}

/* --- file descriptors ------------------------------------------------------------ */

static AioHandler *find_handler(AioContext *ctx, int fd)
{
    AioHandler *h;

    for (h = ctx->handlers; h && (h->fd != fd || h->deleted); h = h->next) {
    }
    return h;
}

static void update_epoll(AioContext *ctx, AioHandler *h)
{
    uint32_t events = (h->read ? EPOLLIN : 0) | (h->write ? EPOLLOUT : 0);
    struct epoll_event ev = { .events = events | (h->edge ? EPOLLET : 0), .data.ptr = h };

    if (events == h->events) {
        return;
    }
    epoll_ctl(ctx->epoll_fd, !h->events ? EPOLL_CTL_ADD : events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL, h->fd, &ev);
    h->events = events;
}

static void free_deleted(AioContext *ctx)
{
    AioHandler **p = &ctx->handlers;

    while (*p) {
        AioHandler *h = *p;

        if (h->deleted) {
            *p = h->next;
            g_free(h);
        } else {
            p = &h->next;
        }
    }
    ctx->has_deleted = false;
}

void aio_set_fd_handler_poll(AioContext *ctx, int fd, AioFdHandler *read, AioFdHandler *write,
                             bool (*poll)(void *opaque), void *opaque)
{
    AioHandler *h = find_handler(ctx, fd);

    if (!h && !read && !write) {
        return;
    }
    if (!h) {
        h = g_new0(AioHandler, 1);
        h->fd = fd;
        h->next = ctx->handlers;
        ctx->handlers = h;
    }
    h->read = read;
    h->write = write;
    h->poll = poll;
    h->opaque = opaque;
    update_epoll(ctx, h);
    if (!read && !write) {
        h->deleted = true;
        ctx->has_deleted = true;
        if (!ctx->walking) {
            free_deleted(ctx);
        }
    }
    ctx->has_poll |= poll != NULL;
}

void aio_set_fd_handler_edge(AioContext *ctx, int fd, AioFdHandler *read, bool (*poll)(void *opaque), void *opaque)
{
    AioHandler *h = g_new0(AioHandler, 1);

    *h = (AioHandler){ .next = ctx->handlers, .fd = fd, .read = read, .poll = poll, .opaque = opaque, .edge = true };
    ctx->handlers = h;
    update_epoll(ctx, h);
    ctx->has_poll |= poll != NULL;
}

void aio_set_fd_handler(AioContext *ctx, int fd, AioFdHandler *read, AioFdHandler *write, void *opaque)
{
    aio_set_fd_handler_poll(ctx, fd, read, write, NULL, opaque);
}

static void walk_begin(AioContext *ctx) { ctx->walking++; }

static void walk_end(AioContext *ctx)
{
    if (--ctx->walking == 0 && ctx->has_deleted) {
        free_deleted(ctx);
    }
}

/* --- bottom halves and scheduled coroutines ----------------------------------------- */

static void push_bh(AioBh *bh)
{
    AioContext *ctx = bh->ctx;
    AioBh *head = __atomic_load_n(&ctx->pending_bhs, __ATOMIC_RELAXED);

    do {
        bh->next = head;
    } while (!__atomic_compare_exchange_n(&ctx->pending_bhs, &head, bh, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    wake_loop(ctx);
}

/* Put bh on the list once, with more state bits. */
static void mark_bh(AioBh *bh, int bits)
{
    if (!(__atomic_fetch_or(&bh->state, bits | BH_PENDING, __ATOMIC_SEQ_CST) & BH_PENDING)) {
        push_bh(bh);
    }
}

AioBh *aio_bh_new(AioContext *ctx, AioBhFn *fn, void *opaque)
{
    AioBh *bh = g_new0(AioBh, 1);

    bh->ctx = ctx;
    bh->fn = fn;
    bh->opaque = opaque;
    return bh;
}

void aio_bh_schedule(AioBh *bh) { mark_bh(bh, BH_SCHEDULED); }
void aio_bh_cancel(AioBh *bh) { __atomic_fetch_and(&bh->state, ~BH_SCHEDULED, __ATOMIC_SEQ_CST); }
void aio_bh_delete(AioBh *bh) { mark_bh(bh, BH_DELETED); }

void aio_bh_oneshot(AioContext *ctx, AioBhFn *fn, void *opaque)
{
    AioBh *bh = aio_bh_new(ctx, fn, opaque);

    bh->oneshot = true;
    mark_bh(bh, BH_SCHEDULED);
}

/* Put what is pending behind what was taken before. */
static void take_bhs(AioContext *ctx)
{
    AioBh *list = NULL, *last, *bh = __atomic_exchange_n(&ctx->pending_bhs, NULL, __ATOMIC_SEQ_CST);

    last = bh;
    while (bh) {                   /* newest first -> oldest first */
        AioBh *next = bh->next;

        bh->next = list;
        list = bh;
        bh = next;
    }
    if (list) {
        *(ctx->taken_bhs ? ctx->taken_bhs_end : &ctx->taken_bhs) = list;
        ctx->taken_bhs_end = &last->next;
    }
}

/* A bottom half may poll: what it waits for may be one that was taken together with it. */
static bool run_bhs(AioContext *ctx)
{
    bool progress = false;

    take_bhs(ctx);
    while (ctx->taken_bhs) {
        AioBh *bh = ctx->taken_bhs;
        int state;

        ctx->taken_bhs = bh->next;
        state = __atomic_fetch_and(&bh->state, ~(BH_PENDING | BH_SCHEDULED), __ATOMIC_SEQ_CST);
        if ((state & (BH_SCHEDULED | BH_DELETED)) == BH_SCHEDULED) {
            progress = true;
            bh->fn(bh->opaque);
        }
        if ((state & BH_DELETED) || bh->oneshot) {
            g_free(bh);
        }
    }
    return progress;
}

void aio_co_schedule(AioContext *ctx, Coroutine *co)
{
    Coroutine *head = __atomic_load_n(&ctx->pending_cos, __ATOMIC_RELAXED);

    if (__atomic_exchange_n(&co->scheduled, 1, __ATOMIC_SEQ_CST)) {
        g_error("a coroutine was scheduled twice");
    }
    do {
        co->next_scheduled = head;
    } while (!__atomic_compare_exchange_n(&ctx->pending_cos, &head, co, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    wake_loop(ctx);
}

static void take_coroutines(AioContext *ctx)
{
    Coroutine *list = NULL, *last, *co = __atomic_exchange_n(&ctx->pending_cos, NULL, __ATOMIC_SEQ_CST);

    last = co;
    while (co) {
        Coroutine *next = co->next_scheduled;

        co->next_scheduled = list;
        list = co;
        co = next;
    }
    if (list) {
        *(ctx->taken_cos ? ctx->taken_cos_end : &ctx->taken_cos) = list;
        ctx->taken_cos_end = &last->next_scheduled;
    }
}

static bool run_coroutines(AioContext *ctx)
{
    bool progress = false;

    take_coroutines(ctx);
    while (ctx->taken_cos) {
        Coroutine *co = ctx->taken_cos;

        ctx->taken_cos = co->next_scheduled;
        progress = true;
        coroutine_enter_scheduled(co);
    }
    return progress;
}

static bool run_pending(AioContext *ctx)
{
    /* Cleared before anything is looked at: what was changed before the kick is seen this turn or by its owner. */
    bool kicked = __atomic_load_n(&ctx->kicked, __ATOMIC_RELAXED)
                  && __atomic_exchange_n(&ctx->kicked, 0, __ATOMIC_SEQ_CST);
    bool progress = run_bhs(ctx);

    /* Coroutines that wake one another (a lock handed on) come to rest first: then what they ask for goes out
       together. */
    for (int i = 0; i < WAKES_IN_A_ROW && run_coroutines(ctx); i++) {
        progress = true;
    }
    return progress || kicked;
}

static bool anything_pending(AioContext *ctx)
{
    return __atomic_load_n(&ctx->kicked, __ATOMIC_SEQ_CST) ||
           __atomic_load_n(&ctx->pending_bhs, __ATOMIC_SEQ_CST) || __atomic_load_n(&ctx->pending_cos, __ATOMIC_SEQ_CST);
}

/* --- the turn --------------------------------------------------------------------------- */

static bool run_polls(AioContext *ctx)
{
    bool progress = false;

    if (!ctx->has_poll) {
        return false;
    }
    walk_begin(ctx);
    for (AioHandler *h = ctx->handlers; h; h = h->next) {
        if (!h->deleted && h->poll && h->poll(h->opaque) && h->read) {
            h->read(h->opaque);
            progress = true;
        }
    }
    walk_end(ctx);
    return progress;
}

/* Busy-wait for work for up to the adaptive bound.  Returns whether there was some. */
static bool busy_poll(AioContext *ctx, int64_t limit_ns)
{
    int64_t bound = limit_ns >= 0 ? MIN(ctx->poll_ns, limit_ns) : ctx->poll_ns, end;

    if (bound <= 0 || !(ctx->has_poll || ctx->pool_jobs)) {
        return false;
    }
    end = aio_clock_ns(AIO_CLOCK_REALTIME) + bound;
    do {
        if (run_polls(ctx) || anything_pending(ctx)) {
            return true;
        }
    } while (aio_clock_ns(AIO_CLOCK_REALTIME) < end);
    return false;
}

/* Poll longer when a little longer would have met the event, less when it took far longer. */
static void adapt_polling(AioContext *ctx, int64_t waited_ns)
{
    if (!ctx->poll_max_ns) {
        return;
    }
    if (waited_ns <= ctx->poll_max_ns) {
        ctx->poll_ns = MIN(MAX(ctx->poll_ns * ctx->poll_grow, 4000), ctx->poll_max_ns);
    } else {
        ctx->poll_ns = ctx->poll_shrink ? ctx->poll_ns / ctx->poll_shrink : 0;
    }
}

static bool dispatch(AioContext *ctx, const struct epoll_event *events, int n)
{
    bool progress = false;

    for (int i = 0; i < n; i++) {
        AioHandler *h = events[i].data.ptr;

        if (!h->deleted && h->read && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))) {
            h->read(h->opaque);
            progress |= h->fd != ctx->event_fd;
        }
        /* HUP too: a socket that was shut down while its buffer is full is never writable again, but a write fails. */
        if (!h->deleted && h->write && (events[i].events & (EPOLLOUT | EPOLLHUP | EPOLLERR))) {
            h->write(h->opaque);
            progress = true;
        }
    }
    return progress;
}

/* timeout_ns: 0 does not wait, negative waits for good.  To the nanosecond where the system can. */
static int epoll_wait_ns(int fd, struct epoll_event *events, int64_t timeout_ns)
{
#ifdef HAVE_EPOLL_PWAIT2
    static int missing;            /* benign race: at worst asked once more */

    if (timeout_ns > 0 && !__atomic_load_n(&missing, __ATOMIC_RELAXED)) {
        struct timespec ts = { timeout_ns / 1000000000, timeout_ns % 1000000000 };
        int n = epoll_pwait2(fd, events, EVENTS_AT_ONCE, &ts, NULL);

        if (n >= 0 || errno != ENOSYS) {
            return n;
        }
        __atomic_store_n(&missing, 1, __ATOMIC_RELAXED);
    }
#endif
    return epoll_wait(fd, events, EVENTS_AT_ONCE,
                      timeout_ns < 0 ? -1 : (int)MIN((timeout_ns + 999999) / 1000000, 1000000));
}

static int wait_events(AioContext *ctx, struct epoll_event *events, bool block, int64_t timeout_ns)
{
    int64_t start = 0;
    int n;

    if (block) {
        __atomic_store_n(&ctx->sleeping, 1, __ATOMIC_SEQ_CST);
        if (anything_pending(ctx)) {
            timeout_ns = 0;
        }
        start = ctx->poll_max_ns ? aio_clock_ns(AIO_CLOCK_REALTIME) : 0;
    }
    n = epoll_wait_ns(ctx->epoll_fd, events, block ? timeout_ns : 0);
    if (block) {
        __atomic_store_n(&ctx->sleeping, 0, __ATOMIC_SEQ_CST);
        if (start) {
            adapt_polling(ctx, aio_clock_ns(AIO_CLOCK_REALTIME) - start);
        }
    }
    return n;
}

/*
 * Hand what gathered to the kernel and to workers.  last: the loop may sleep afterwards, so nothing may stay
 * behind, whoever has plugged.  Returns whether something was already done on the spot.
 */
static bool submit(AioContext *ctx, bool last)
{
    bool answered = aio_native_submit(ctx, last), alone;

    aio_uring_submit(ctx, last);
    if (!ctx->gathered) {
        return answered;
    }
    alone = last && !answered && !anything_pending(ctx) && !aio_native_busy(ctx) && !aio_uring_busy(ctx);
    return aio_pool_submit(ctx, alone) || answered;
}

/*
 * Does a batch program wait for its disk requests alone, as far as is known here?  Whatever else there is to wait for
 * then waits for one of them to end, which it will.
 */
static bool only_disk(AioContext *ctx)
{
    return aio_is_batch(ctx) && !ctx->nb_timers && !ctx->pool_jobs && !ctx->gathered && !anything_pending(ctx);
}

/* Do something for the disk and sleep until it is done; false: not possible here. */
static bool work_on_disk(AioContext *ctx)
{
    if (!only_disk(ctx)) {
        return false;
    }
    if (aio_native_busy(ctx)) {
        return !aio_uring_busy(ctx) && aio_native_do_lone(ctx);
    }
    return aio_uring_do_lone(ctx) || aio_uring_wait(ctx);
}

static bool turn(AioContext *ctx, bool blocking)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    bool progress = run_pending(ctx);
    int64_t timeout;
    int n;

    progress |= aio_timers_run(ctx);
    progress |= aio_cached_submit(ctx);
    if (blocking && !progress && work_on_disk(ctx)) {
        run_pending(ctx);
        return true;
    }
    progress |= submit(ctx, blocking);
    if (run_polls(ctx)) {
        progress = true;
        submit(ctx, blocking);
    }
    timeout = aio_timers_wait_ns(ctx);
    if (aio_uring_stalled(ctx)) {
        timeout = timeout < 0 ? STALLED_NS : MIN(timeout, STALLED_NS);
    }
    if (blocking && !progress && busy_poll(ctx, timeout)) {
        progress = true;
    }
    walk_begin(ctx);
    n = wait_events(ctx, events, blocking && !progress, timeout);
    if (n > 0) {
        progress |= dispatch(ctx, events, n);
    }
    walk_end(ctx);
    progress |= run_pending(ctx);
    progress |= aio_timers_run(ctx);
    /* In a batch program the rest stays gathered: the next turn may do it with fewer calls. */
    if (!aio_is_batch(ctx)) {
        aio_native_submit(ctx, false);
        aio_uring_submit(ctx, false);
    }
    return progress;
}

static void (*unnest_hooks[4])(void);

void aio_add_unnest_hook(void (*fn)(void))
{
    for (size_t i = 0; i < G_N_ELEMENTS(unnest_hooks); i++) {
        if (!unnest_hooks[i] || unnest_hooks[i] == fn) {
            unnest_hooks[i] = fn;
            return;
        }
    }
    g_assert_not_reached();
}

bool aio_poll_nested(void) { return current_context && current_context->depth > 1; }

bool aio_poll(AioContext *ctx, bool blocking)
{
    bool progress;

    ctx->was_nested |= ctx->depth++ > 0;
    progress = turn(ctx, blocking);
    if (--ctx->depth == 0 && ctx->was_nested) {
        ctx->was_nested = false;
        for (size_t i = 0; ctx == main_context && i < G_N_ELEMENTS(unnest_hooks) && unnest_hooks[i]; i++) {
            unnest_hooks[i]();
        }
    }
    return progress;
}

void aio_wait_while(bool (*cond)(void *opaque), void *opaque)
{
    Waiter self = { current_context };

    pthread_mutex_lock(&waiters_lock);
    self.next = waiters;
    waiters = &self;
    __atomic_fetch_add(&nb_waiters, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&waiters_lock);
    own_waiters++;
    while (cond(opaque)) {
        aio_poll(self.ctx, true);
    }
    own_waiters--;
    pthread_mutex_lock(&waiters_lock);
    for (Waiter **w = &waiters; *w; w = &(*w)->next) {
        if (*w == &self) {
            *w = self.next;
            break;
        }
    }
    __atomic_fetch_sub(&nb_waiters, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&waiters_lock);
}

void aio_wait_kick(void)
{
    if (__atomic_load_n(&nb_waiters, __ATOMIC_SEQ_CST) == own_waiters) {
        return;                    /* nobody but this thread, which looks anyway before it sleeps */
    }
    pthread_mutex_lock(&waiters_lock);
    for (Waiter *w = waiters; w; w = w->next) {
        if (w->ctx != current_context) {
            aio_notify(w->ctx);
        }
    }
    pthread_mutex_unlock(&waiters_lock);
}
