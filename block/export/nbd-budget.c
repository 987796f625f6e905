/*
 * One budget for what all requests of the NBD server keep in memory.
 *
 * B1  What is taken is at most BUDGET; OVERDRAFT more only by B4.
 * B2  First come, first served, and nobody passes one for whom there is not enough.  But an export takes no more
 *     than it leaves free, unless it holds nothing: a disk that does not answer leaves room for others, and a
 *     request that waits for its own export's bytes is passed by those of other exports.
 * B3  While somebody waits, a client that holds something and is behind the least rate by PATIENCE (it does not take
 *     its answers, or does not send what it announced) is cut off, and what it holds comes back.
 * B4  Where nothing came back for PATIENCE and no client is to blame, one request of an export that holds nothing goes
 *     all the same: those that hold the budget may be waiting for it, when an export's image comes from this server.
 *
 * Lock: `lock` is a leaf; coroutines are woken and sockets shut down without it.
 * The watch runs in the main context, once a second while somebody waits.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <pthread.h>
#include "nbd-budget.h"
#include "nbd/protocol.h"
#include "util/aio.h"
#include "util/cutils.h"
#include "util/error.h"

#define BUDGET (192 * MiB)
#define OVERDRAFT (NBD_MAX_PAYLOAD + MiB)
#define PATIENCE_NS (10 * 1000000000LL)
#define NS_PER_BYTE 1000                     /* the least rate: one megabyte a second */
#define WATCH_NS 1000000000LL

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t used;
static NbdShare *first_waiting, *last_waiting;
static uint64_t round_number;
static uint64_t pressure;                    /* counts times of want; one lasts while somebody waits */
static int64_t pressed_since, last_given;    /* the latter is kept while somebody waits */
static NbdShare *shares;                     /* main thread */
static AioTimer *watch;                      /* main thread; NULL: not running */

static int64_t now_ns(void) { return aio_clock_ns(AIO_CLOCK_REALTIME); }

static void start_watch(void *opaque);       /* main context */

/* --- taking and giving ------------------------------------------------------------------------- */

static void account(NbdShare *s, uint64_t n)
{
    used += n;
    s->held += n;
    s->export->bytes += n;
}

static uint64_t left(void) { return used < BUDGET ? BUDGET - used : 0; }

static bool export_may(const NbdShare *s, uint64_t n) { return !s->export->bytes || s->export->bytes + n <= left(); }

static void enqueue(NbdShare *s, uint64_t n)
{
    s->wanted = n;
    s->granted = false;
    s->waiter = coroutine_self();
    s->next_waiting = NULL;
    if (first_waiting) {
        last_waiting->next_waiting = s;
    } else {
        first_waiting = s;
        pressure++;
        pressed_since = last_given = now_ns();
    }
    last_waiting = s;
}

static void dequeue(NbdShare *s, NbdShare *before)
{
    if (before) {
        before->next_waiting = s->next_waiting;
    } else {
        first_waiting = s->next_waiting;
    }
    if (last_waiting == s) {
        last_waiting = before;
    }
    s->next_waiting = NULL;
    s->wanted = 0;
}

static void grant(NbdShare *s, NbdShare *before)
{
    account(s, s->wanted);
    s->granted = true;
    dequeue(s, before);
}

/* Grant what there is room for.  With the lock; whoever waits for these grants is then woken without it. */
static NbdShare *grant_waiting(void)
{
    NbdShare *granted = NULL, **end = &granted, *before = NULL, *next;

    round_number++;
    for (NbdShare *s = first_waiting; s && s->wanted <= left(); s = next) {
        next = s->next_waiting;
        if (s->export->skip == round_number || !export_may(s, s->wanted)) {
            s->export->skip = round_number;
            before = s;
            continue;
        }
        grant(s, before);
        *end = s;
        end = &s->next_waiting;
    }
    return granted;
}

/* A connection may be gone as soon as its coroutine runs. */
static void wake(NbdShare *s)
{
    while (s) {
        NbdShare *next = s->next_waiting;

        s->next_waiting = NULL;
        aio_co_wake(s->waiter);
        s = next;
    }
}

bool coroutine_fn nbd_share_take(NbdShare *s, uint64_t n)
{
    bool alone, waits;

    pthread_mutex_lock(&lock);
    if (s->ended) {
        pthread_mutex_unlock(&lock);
        return false;
    }
    alone = !first_waiting;
    if (alone && n <= left() && export_may(s, n)) {
        account(s, n);
        pthread_mutex_unlock(&lock);
        return true;
    }
    enqueue(s, n);
    grant_waiting();                         /* nobody but s, for whom others were not waiting */
    waits = !s->granted;
    pthread_mutex_unlock(&lock);
    if (waits) {
        if (alone) {
            aio_bh_oneshot(aio_main_context(), start_watch, NULL);
        }
        coroutine_yield();                   /* who wakes it from another thread leaves that to this one's loop */
    }
    return s->granted;
}

void nbd_share_give(NbdShare *s, uint64_t n)
{
    NbdShare *granted = NULL;

    pthread_mutex_lock(&lock);
    used -= n;
    s->held -= n;
    s->export->bytes -= n;
    if (first_waiting) {
        last_given = now_ns();
        granted = grant_waiting();
    }
    pthread_mutex_unlock(&lock);
    wake(granted);
}

/* --- one connection ---------------------------------------------------------------------------- */

void nbd_share_open(NbdShare *s, IOChannel *socket)
{
    s->socket = socket;
    s->next = shares;
    shares = s;
}

void nbd_share_close(NbdShare *s)
{
    NbdShare **link = &shares;

    while (*link != s) {
        link = &(*link)->next;
    }
    *link = s->next;
    if (!shares) {
        g_clear_pointer(&watch, aio_timer_free);
    }
}

void nbd_share_end(NbdShare *s)
{
    NbdShare *before = NULL, *granted = NULL;
    bool waits;

    pthread_mutex_lock(&lock);
    s->ended = true;
    waits = s->wanted;
    if (waits) {
        for (NbdShare *other = first_waiting; other != s; other = other->next_waiting) {
            before = other;
        }
        dequeue(s, before);
        granted = grant_waiting();           /* for those behind it */
    }
    pthread_mutex_unlock(&lock);
    if (waits) {
        aio_co_wake(s->waiter);
    }
    wake(granted);
}

/* --- clients in the way ------------------------------------------------------------------------- */

void nbd_peer_begin(NbdPeerTime *t, uint64_t bytes)
{
    pthread_mutex_lock(&lock);
    t->began = now_ns();
    t->bytes = bytes;
    pthread_mutex_unlock(&lock);
}

/* With the lock, while somebody waits: only that time counts. */
static int64_t lag_of(const NbdPeerTime *t)
{
    int64_t before = t->pressure == pressure ? t->lag : 0;

    return t->began ? MAX(0, before + now_ns() - MAX(t->began, pressed_since) - (int64_t)t->bytes * NS_PER_BYTE) : 0;
}

void nbd_peer_end(NbdPeerTime *t)
{
    pthread_mutex_lock(&lock);
    if (first_waiting) {
        t->lag = lag_of(t);
        t->pressure = pressure;
    }
    t->began = 0;
    pthread_mutex_unlock(&lock);
}

/* B3.  Whether there was one. */
static bool cut_off_late(void)
{
    bool any = false;

    for (NbdShare *s = shares; s; s = s->next) {
        bool late;

        pthread_mutex_lock(&lock);
        late = first_waiting && s->held && !s->cut && (lag_of(&s->sending) > PATIENCE_NS || lag_of(&s->receiving) > PATIENCE_NS);
        s->cut |= late;
        pthread_mutex_unlock(&lock);
        if (late) {
            error_report("Disconnect client, due to: it is slow while others wait for memory");
            io_channel_shutdown(s->socket, true, true);
            any = true;
        }
    }
    return any;
}

/* B4 */
static void overdraw(void)
{
    NbdShare *s = NULL, *before = NULL;

    pthread_mutex_lock(&lock);
    if (first_waiting && now_ns() - last_given > PATIENCE_NS) {
        for (s = first_waiting; s && s->export->bytes; s = s->next_waiting) {
            before = s;
        }
        if (s && used + s->wanted <= BUDGET + OVERDRAFT) {
            grant(s, before);
            last_given = now_ns();
        } else {
            s = NULL;
        }
    }
    pthread_mutex_unlock(&lock);
    wake(s);
}

static void look_after(void *opaque)
{
    bool pressed;

    if (!cut_off_late()) {
        overdraw();
    }
    pthread_mutex_lock(&lock);
    pressed = first_waiting;
    pthread_mutex_unlock(&lock);
    if (pressed) {
        aio_timer_mod_ns(watch, now_ns() + WATCH_NS);
    } else {
        g_clear_pointer(&watch, aio_timer_free);
    }
}

static void start_watch(void *opaque)
{
    if (!watch && shares) {
        watch = aio_timer_new(aio_main_context(), AIO_CLOCK_REALTIME, look_after, NULL);
        aio_timer_mod_ns(watch, now_ns() + WATCH_NS);
    }
}
