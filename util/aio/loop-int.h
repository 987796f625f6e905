/*
 * Inside of an AioContext, shared by the files of util/aio.
 *
 * Owner thread: all fields unless marked.  "any thread": atomics, pushed to by anybody.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_AIO_LOOP_INT_H
#define UTIL_AIO_LOOP_INT_H

#include <glib.h>
#include "util/aio.h"

typedef struct AioHandler AioHandler;
typedef struct AioNative AioNative;
typedef struct AioUring AioUring;
typedef struct AioSpin AioSpin;
typedef struct PoolJob PoolJob;

struct AioHandler {
    AioHandler *next;
    int fd;
    AioFdHandler *read, *write;
    bool (*poll)(void *opaque);
    void *opaque;
    uint32_t events;               /* as registered with epoll, 0: not */
    bool edge;                     /* told of changes only */
    bool deleted;                  /* freed when no walk is going on */
};

/* A transfer or a flush on its way to the kernel, on the stack of the coroutine that waits for it. */
typedef struct AioRequest {
    struct AioRequest *next;       /* in the queue; when taken: that was merged into it */
    Coroutine *co;
    int fd, niov;
    AioOp op;
    unsigned flags;
    bool alone;                    /* not to be merged */
    int64_t offset;
    const struct iovec *iov;
    size_t bytes;
    int64_t result;
    /* When taken: what the kernel is asked for. */
    struct AioRequest *last;       /* of those merged */
    const struct iovec *all;
    int nb_all;
    size_t all_bytes;
    struct iovec *merged;          /* owned; NULL: just this one */
} AioRequest;

typedef struct AioQueue {
    AioRequest *first, *last;
    unsigned apart;                /* of those that wait: came since the engine last tried, and do not go on where the one before ends */
} AioQueue;
/* So many that cannot be merged go to the kernel at once: the disk works on them while the rest is made. */
#define AIO_EARLY 8

/* Small cached writes of a batch program (cached.c). */
typedef struct AioCached {
    AioQueue waiting;              /* each goes on where the one before it ended */
    int fd;                        /* of the last write, and where that ended */
    int64_t end;
    unsigned apart;                /* so many more do not wait */
} AioCached;

struct AioContext {
    int refs;                      /* any thread */
    int epoll_fd, event_fd;
    AioHandler *handlers;
    unsigned walking;              /* nested walks over handlers */
    bool has_deleted, has_poll;
    unsigned depth;                /* turns inside turns */
    bool was_nested;               /* some turn was inside the present outermost one */
    int sleeping;                  /* any thread: about to wait in the kernel, so a wake needs event_fd */
    int notified;                  /* any thread: event_fd was written */
    int kicked;                    /* any thread: aio_notify was called and no turn has begun since */
    AioBh *pending_bhs;            /* any thread: stack, newest first */
    Coroutine *pending_cos;        /* any thread: stack, newest first */
    /* Taken from there by this turn and not run yet, oldest first: a nested turn goes on with them. */
    AioBh *taken_bhs, **taken_bhs_end;
    Coroutine *taken_cos, **taken_cos_end;
    AioTimer **timers;             /* heap by expiry on AIO_CLOCK_REALTIME's scale */
    unsigned nb_timers, max_timers;
    int64_t poll_max_ns, poll_grow, poll_shrink, poll_ns;
    unsigned plugged;
    AioNative *native;             /* made at first use */
    AioUring *uring;
    AioSpin *spin;
    PoolJob *gathered, **gathered_tail;        /* batch programs: for workers, not handed over yet */
    unsigned nb_gathered, pool_jobs;           /* pool_jobs: with workers */
    AioCached cached;
};

/* A descriptor that is told of once for each event and never read; not watched yet. */
void aio_set_fd_handler_edge(AioContext *ctx, int fd, AioFdHandler *read, bool (*poll)(void *opaque), void *opaque);

/* timer.c: run what is due; whether any ran. */
bool aio_timers_run(AioContext *ctx);
/* ns until the next is due, -1: none. */
int64_t aio_timers_wait_ns(AioContext *ctx);

/* queue.c */
void aio_queue_add(AioQueue *q, AioRequest *r);
/* The first of a queue that is not empty, with those that it can carry along. */
AioRequest *aio_queue_take(AioQueue *q);
/* In front again: the kernel had no room. */
void aio_queue_put_back(AioQueue *q, AioRequest *r);
/* The kernel did as much, or -errno: wakes who waits, or puts them in front again, each by itself. */
void aio_queue_done(AioQueue *q, AioRequest *r, int64_t result);

/* cached.c: bytes written, perhaps not all, or -errno. */
int64_t coroutine_fn aio_cached_write(AioContext *ctx, int fd, int64_t offset, const struct iovec *iov, int niov,
                                      size_t bytes, unsigned flags);
/* Do the writes that wait.  Returns whether there were any. */
bool aio_cached_submit(AioContext *ctx);

/* engine-*.c */
bool aio_native_available(Error **errp);
bool aio_uring_available(Error **errp);
int64_t coroutine_fn aio_native_co_rw(AioContext *ctx, int fd, AioOp op, int64_t offset, const struct iovec *iov,
                                      int niov, size_t bytes, unsigned flags);
int64_t coroutine_fn aio_uring_co_rw(AioContext *ctx, int fd, AioOp op, int64_t offset, const struct iovec *iov,
                                     int niov, size_t bytes, unsigned flags);
/* Hand gathered requests to the kernel; force: also when plugged.  Returns whether one was answered on the spot. */
bool aio_native_submit(AioContext *ctx, bool force);
void aio_uring_submit(AioContext *ctx, bool force);
/*
 * If one request is all that this engine has, and it is not with the kernel yet: do it here, by a plain call.  That is
 * one system call instead of two, and ext4 then need not wake a thread of its own to complete a write to new blocks.
 */
bool aio_native_do_lone(AioContext *ctx);
bool aio_uring_do_lone(AioContext *ctx);
/*
 * Submit and sleep until at least one request is done, in one system call; then complete what is done.  False:
 * nothing to wait for.
 */
bool aio_uring_wait(AioContext *ctx);
/* Is anything with the kernel? */
bool aio_native_busy(const AioContext *ctx);
bool aio_uring_busy(const AioContext *ctx);
/* Did the kernel refuse requests with none in flight whose end would be the moment to try again? */
bool aio_uring_stalled(const AioContext *ctx);

/* thread-pool.c: hand gathered jobs to workers, or (alone) do the only one here.  Returns whether one was done. */
bool aio_pool_submit(AioContext *ctx, bool alone);
bool aio_is_batch(const AioContext *ctx);

void aio_native_free(AioContext *ctx);
void aio_uring_free(AioContext *ctx);
/* spin.c: do the only request there is, by a plain call or (short reads past the cache) by watching for its end. */
int64_t aio_do_alone(AioContext *ctx, const AioRequest *r);
void aio_spin_free(AioContext *ctx);

#endif
