/*
 * Clocks and timers: a heap of timers in each context.
 *
 * All timers stand in one heap by the time at which their clock, going on at the pace of real time, reaches the
 * expiry.  A clock that was taken over by a machine may stand: its timers are at the end of the heap then and wake
 * nobody, until aio_clock_moved gives each its place again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <time.h>
#include "loop-int.h"

#define NEVER_DUE INT64_MAX        /* the place of a timer whose clock stands */

struct AioTimer {
    AioContext *ctx;
    AioClock clock;
    AioBhFn *fn;
    void *opaque;
    int64_t expire_ns;             /* on its own clock */
    int64_t due_ns;                /* on the real-time scale: the key of the heap */
    int index;                     /* in the heap, -1: not armed */
};

static int64_t (*clock_source[3])(void);
static bool clock_stands[3];       /* of a clock that was taken over */

static int64_t posix_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int64_t aio_clock_ns(AioClock clock)
{
    if (clock_source[clock]) {
        return clock_source[clock]();
    }
    return posix_ns(clock == AIO_CLOCK_HOST ? CLOCK_REALTIME : CLOCK_MONOTONIC);
}

void aio_clock_set_source(AioClock clock, int64_t (*now_ns)(void))
{
    clock_source[clock] = now_ns;
}

void aio_clock_set_standing(AioClock clock, bool standing)
{
    clock_stands[clock] = standing;
}

AioTimer *aio_timer_new(AioContext *ctx, AioClock clock, AioBhFn *fn, void *opaque)
{
    AioTimer *t = g_new0(AioTimer, 1);

    *t = (AioTimer){ .ctx = ctx, .clock = clock, .fn = fn, .opaque = opaque, .index = -1 };
    return t;
}

static void heap_set(AioContext *ctx, int i, AioTimer *t)
{
    ctx->timers[i] = t;
    t->index = i;
}

/* Move the timer at i down to where it belongs; below it all is in order. */
static void heap_down(AioContext *ctx, int i)
{
    AioTimer *t = ctx->timers[i];
    int n = ctx->nb_timers;

    for (;;) {
        int child = 2 * i + 1;

        if (child + 1 < n && ctx->timers[child + 1]->due_ns < ctx->timers[child]->due_ns) {
            child++;
        }
        if (child >= n || ctx->timers[child]->due_ns >= t->due_ns) {
            break;
        }
        heap_set(ctx, i, ctx->timers[child]);
        i = child;
    }
    heap_set(ctx, i, t);
}

/* Move the timer at i to where it belongs, up or down. */
static void heap_fix(AioContext *ctx, int i)
{
    AioTimer *t = ctx->timers[i];

    while (i > 0 && ctx->timers[(i - 1) / 2]->due_ns > t->due_ns) {
        heap_set(ctx, i, ctx->timers[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_set(ctx, i, t);
    heap_down(ctx, i);
}

void aio_timer_del(AioTimer *t)
{
    AioContext *ctx = t->ctx;
    int i = t->index;

    if (i < 0) {
        return;
    }
    t->index = -1;
    ctx->nb_timers--;
    if (i != (int)ctx->nb_timers) {
        heap_set(ctx, i, ctx->timers[ctx->nb_timers]);
        heap_fix(ctx, i);
    }
}

static void timer_arm(AioTimer *t, int64_t due_ns)
{
    AioContext *ctx = t->ctx;

    t->due_ns = due_ns;
    if (t->index < 0) {
        if (ctx->nb_timers == ctx->max_timers) {
            ctx->max_timers = ctx->max_timers ? 2 * ctx->max_timers : 16;
            ctx->timers = g_renew(AioTimer *, ctx->timers, ctx->max_timers);
        }
        heap_set(ctx, ctx->nb_timers++, t);
    }
    heap_fix(ctx, t->index);
}

/* When, in real time, the clock of this timer will have reached its expiry. */
static int64_t due_time(const AioTimer *t, int64_t now)
{
    int64_t left = t->expire_ns - aio_clock_ns(t->clock);

    if (left <= 0) {
        return now;
    }
    return clock_stands[t->clock] || left > INT64_MAX - now ? NEVER_DUE : now + left;
}

void aio_timer_mod_ns(AioTimer *t, int64_t expire_ns)
{
    t->expire_ns = expire_ns;
    if (!clock_source[t->clock] && t->clock != AIO_CLOCK_HOST) {
        timer_arm(t, expire_ns);   /* the same scale: timers armed late still go off in their order */
        return;
    }
    timer_arm(t, due_time(t, posix_ns(CLOCK_MONOTONIC)));
}

int64_t aio_timer_expiry_ns(const AioTimer *t) { return t->index >= 0 ? t->expire_ns : -1; }

bool aio_timer_pending(const AioTimer *t)
{
    return t->index >= 0;
}

void aio_timer_free(AioTimer *t)
{
    if (t) {
        aio_timer_del(t);
        g_free(t);
    }
}

int64_t aio_timers_wait_ns(AioContext *ctx)
{
    int64_t left;

    if (!ctx->nb_timers || ctx->timers[0]->due_ns == NEVER_DUE) {
        return -1;
    }
    left = ctx->timers[0]->due_ns - posix_ns(CLOCK_MONOTONIC);
    return MAX(left, 0);           /* MAX evaluates twice: never put the clock into it */
}

bool aio_timers_run(AioContext *ctx)
{
    bool progress = false;
    int64_t now;

    if (!ctx->nb_timers) {
        return false;
    }
    now = posix_ns(CLOCK_MONOTONIC);
    while (ctx->nb_timers && ctx->timers[0]->due_ns <= now) {
        AioTimer *t = ctx->timers[0];
        int64_t due = due_time(t, now);

        if (due > now) {
            timer_arm(t, due);
            continue;
        }
        aio_timer_del(t);
        t->fn(t->opaque);
        progress = true;
    }
    return progress;
}

int64_t aio_clock_next_expiry(AioContext *ctx, AioClock clock)
{
    int64_t next = -1;

    for (unsigned i = 0; i < ctx->nb_timers; i++) {
        AioTimer *t = ctx->timers[i];

        if (t->clock == clock && (next < 0 || t->expire_ns < next)) {
            next = t->expire_ns;
        }
    }
    return next;
}

void aio_clock_moved(AioContext *ctx, AioClock clock)
{
    int64_t now = posix_ns(CLOCK_MONOTONIC);

    for (unsigned i = 0; i < ctx->nb_timers; i++) {
        AioTimer *t = ctx->timers[i];

        if (t->clock == clock) {
            t->due_ns = due_time(t, now);
        }
    }
    for (int i = (int)ctx->nb_timers / 2 - 1; i >= 0; i--) {
        heap_down(ctx, i);
    }
}
