/*
 * Waiting for one short read: asleep, or awake.
 *
 * A program that has nothing to do but one read at a time sleeps in each of them; on an idle machine waking the
 * processor again takes as long as a good part of the read.  On a busy one who watches for the end only takes the
 * processor from those who would do something.  Which it is, is measured: of every ROUND reads a few pairs are done,
 * one in each way, the rest in the way that won more of them (a sum would be decided by the one read that something
 * else was in the way of). Who is made to give way while watching may be on a busy machine, and leaves it for the next
 * reads: few at first, as it may have been a thread of the kernel that had a moment's work, twice as many each time it
 * happens again, up to REST_MAX. Nobody watches for longer than WATCH_NS.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <libaio.h>
#include <sys/resource.h>
#include "loop-int.h"
#include "native-ring.h"

#define PAIRS 15                   /* one asleep, one awake */
#define ROUND 512
#define LOOK_EVERY 32              /* reads: was this thread made to give way? */
#define REST_MIN 32
#define REST_MAX 4096
#define WATCH_NS 200000

struct AioSpin {
    io_context_t kernel;           /* NULL: the system has none for us, so sleep */
    unsigned turn;                 /* in this round */
    unsigned rest;                 /* reads to be done asleep before the next round */
    unsigned next_rest;
    long gave_way;                 /* so far */
    int64_t asleep_ns;             /* the pair's first */
    unsigned won;                  /* pairs in which the awake one was faster */
};

static AioSpin *spin_of(AioContext *ctx)
{
    if (!ctx->spin) {
        ctx->spin = g_new0(AioSpin, 1);
        if (g_get_num_processors() < 2 || io_setup(1, &ctx->spin->kernel) < 0) {
            ctx->spin->kernel = NULL;
        }
    }
    return ctx->spin;
}

void aio_spin_free(AioContext *ctx)
{
    if (ctx->spin && ctx->spin->kernel) {
        io_destroy(ctx->spin->kernel);
    }
    g_clear_pointer(&ctx->spin, g_free);
}

/* -EAGAIN: not begun. */
static int64_t read_awake(AioSpin *s, const AioRequest *r, int64_t start)
{
    struct iocb iocb, *batch = &iocb;
    struct io_event event;
    int n;

    io_prep_preadv(&iocb, r->fd, r->iov, r->niov, r->offset);
    if (io_submit(s->kernel, 1, &batch) != 1) {
        return -EAGAIN;
    }
    while (!aio_ring_take(s->kernel, &event)) {
        if (aio_clock_ns(AIO_CLOCK_REALTIME) - start > WATCH_NS) {
            while ((n = io_getevents(s->kernel, 1, 1, &event, NULL)) == -EINTR) {
            }
            return n == 1 ? (int64_t)event.res : -EIO;
        }
    }
    return event.res;
}

static long times_gave_way(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

/* One more read of this round is done. */
static void count_turn(AioSpin *s)
{
    if (++s->turn % LOOK_EVERY == 0) {
        long before = s->gave_way;

        s->gave_way = times_gave_way();
        if (s->gave_way - before > 1) {
            s->rest = s->next_rest = MIN(MAX(s->next_rest * 2, REST_MIN), REST_MAX);
        }
    }
    if (s->turn == ROUND) {
        s->next_rest /= 2;
    }
    if (s->turn == ROUND || s->rest) {
        s->turn = 0;
        s->won = 0;
    }
}

int64_t aio_do_alone(AioContext *ctx, const AioRequest *r)
{
    AioSpin *s = spin_of(ctx);
    bool trial = s->turn < 2 * PAIRS, awake = trial ? s->turn % 2 : s->won > PAIRS / 2;
    int64_t start, took, n = -EAGAIN;

    if (s->rest) {
        s->rest--;
    }
    if (!s->kernel || s->rest || r->op != AIO_OP_READ || (r->flags & AIO_REQ_CACHED) || r->bytes > 64 * 1024) {
        return aio_sync_rw(r->fd, r->op, r->offset, r->iov, r->niov, r->flags);
    }
    if (!s->turn) {
        s->gave_way = times_gave_way();
    }
    start = aio_clock_ns(AIO_CLOCK_REALTIME);
    if (awake) {
        n = read_awake(s, r, start);
    }
    if (n == -EAGAIN) {
        n = aio_sync_rw(r->fd, r->op, r->offset, r->iov, r->niov, r->flags);
    }
    if (trial) {
        took = aio_clock_ns(AIO_CLOCK_REALTIME) - start;
        s->won += awake && took < s->asleep_ns;
        s->asleep_ns = awake ? s->asleep_ns : took;
    }
    count_turn(s);
    return n;
}
