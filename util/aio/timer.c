/*
 * Clocks and timers: a heap of timers in each context.
 *
 * All timers stand in one heap by the time at which their clock, were it to go on at the pace of
 * real time, reaches the expiry; a clock that was taken over by a machine is asked again when the
 * heap says so.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <time.h>
#include "loop-int.h"

#define RECHECK_NS 1000000LL       /* how soon to ask a clock that did not keep pace */

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

/* Move the timer at i to where it belongs. */
static void heap_fix(AioContext *ctx, int i)
{
    AioTimer *t = ctx->timers[i];
    int n = ctx->nb_timers;

    while (i > 0 && ctx->timers[(i - 1) / 2]->due_ns > t->due_ns) {
        heap_set(ctx, i, ctx->timers[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
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

void aio_timer_mod_ns(AioTimer *t, int64_t expire_ns)
{
    int64_t now = posix_ns(CLOCK_MONOTONIC), left;

    t->expire_ns = expire_ns;
    if (!clock_source[t->clock] && t->clock != AIO_CLOCK_HOST) {
        timer_arm(t, expire_ns);   /* the same scale: timers armed late still go off in their order */
        return;
    }
    left = expire_ns - aio_clock_ns(t->clock);
    timer_arm(t, now + MAX(left, 0));
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

    if (!ctx->nb_timers) {
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
        int64_t left = t->expire_ns - aio_clock_ns(t->clock);

        if (left > 0) {
            timer_arm(t, now + (clock_source[t->clock] ? MAX(MIN(left, RECHECK_NS), 1) : left));
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
    int64_t now = posix_ns(CLOCK_MONOTONIC), clock_now = aio_clock_ns(clock);

    for (unsigned i = 0; i < ctx->nb_timers; i++) {
        AioTimer *t = ctx->timers[i];

        if (t->clock == clock && t->expire_ns <= clock_now && t->due_ns > now) {
            t->due_ns = now;
            heap_fix(ctx, i);      /* moves it up only: what takes its place was looked at before */
        }
    }
}
