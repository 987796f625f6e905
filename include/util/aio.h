/*
 * The event loop: one AioContext per thread that runs one.  File descriptors,
 * timers, bottom halves, and the asynchronous I/O engines hang off it.
 *
 * Threads: aio_bh_schedule, aio_notify, aio_co_schedule, aio_bh_oneshot and the
 * reference functions may be called from any thread; all else only by the
 * thread that runs the context.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_AIO_H
#define UTIL_AIO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include "util/coroutine.h"
#include "util/error.h"

AioContext *aio_context_new(Error **errp);
AioContext *aio_context_ref(AioContext *ctx);
void aio_context_unref(AioContext *ctx);
/* The main loop's context; made by aio_init_main() which every program calls first (it also blocks SIGUSR1 and SIGIO). */
AioContext *aio_main_context(void);
void aio_init_main(void);
/* The context of this thread: what it runs, or the main context in the main thread; NULL in plain threads. */
AioContext *aio_current_context(void);
/* Bind ctx to the calling thread (iothread start). */
void aio_context_bind_thread(AioContext *ctx);
bool in_main_thread(void);

/*
 * Run ready handlers, timers and bottom halves once; when blocking, wait for the
 * first.  Busy-polls up to poll_max_ns before sleeping.  Returns whether progress was made.
 * May be called from inside a handler (nested), never from a coroutine.
 */
bool aio_poll(AioContext *ctx, bool blocking);
/*
 * Is this code called from a turn inside another turn of this thread's loop?  Then whoever polls is in the middle of
 * something: what may change everything (commands of managers) waits until it is over, which fn is called for, in the
 * main thread after the outermost turn.
 */
bool aio_poll_nested(void);
void aio_add_unnest_hook(void (*fn)(void));
/* Make the loop's present or next wait return. */
void aio_notify(AioContext *ctx);
void aio_context_set_poll(AioContext *ctx, int64_t max_ns, int64_t grow, int64_t shrink);

/*
 * Stop the thread of another context between two handlers, so that the caller may do what only that
 * thread may (change handlers, free what they use).  NULL when ctx is the caller's own, or stopped by it
 * already, or NULL: nothing to stop.  Not with locks held that the other thread takes.
 */
typedef struct AioPause AioPause;
AioPause *aio_context_pause(AioContext *ctx);
void aio_context_resume(AioPause *p);            /* NULL is fine */

typedef void AioFdHandler(void *opaque);
/* Watch fd; NULL handlers stop watching.  Handlers may remove themselves or others. */
void aio_set_fd_handler(AioContext *ctx, int fd, AioFdHandler *read, AioFdHandler *write, void *opaque);
/* As above with a poll callback that tells without a system call whether there is work. */
void aio_set_fd_handler_poll(AioContext *ctx, int fd, AioFdHandler *read, AioFdHandler *write,
                             bool (*poll)(void *opaque), void *opaque);

typedef struct AioBh AioBh;
typedef void AioBhFn(void *opaque);
AioBh *aio_bh_new(AioContext *ctx, AioBhFn *fn, void *opaque);
void aio_bh_schedule(AioBh *bh);                 /* thread-safe; idempotent until it runs */
void aio_bh_cancel(AioBh *bh);
void aio_bh_delete(AioBh *bh);
void aio_bh_oneshot(AioContext *ctx, AioBhFn *fn, void *opaque);   /* thread-safe */

typedef enum AioClock { AIO_CLOCK_REALTIME, AIO_CLOCK_HOST, AIO_CLOCK_VIRTUAL } AioClock;
int64_t aio_clock_ns(AioClock clock);
/* VIRTUAL follows REALTIME unless a machine takes it over (ns source, may be NULL to reset). */
void aio_clock_set_source(AioClock clock, int64_t (*now_ns)(void));
/* When the next timer of ctx on this clock expires, -1: none.  Own thread. */
int64_t aio_clock_next_expiry(AioContext *ctx, AioClock clock);
/*
 * A clock that was taken over goes at the pace of real time, or stands and its timers wake nobody.  Each jump, and each change
 * between the two, is told to the context that has its timers.  Own thread.
 */
void aio_clock_set_standing(AioClock clock, bool standing);
void aio_clock_moved(AioContext *ctx, AioClock clock);
typedef struct AioTimer AioTimer;
AioTimer *aio_timer_new(AioContext *ctx, AioClock clock, AioBhFn *fn, void *opaque);
void aio_timer_mod_ns(AioTimer *t, int64_t expire_ns);   /* absolute */
void aio_timer_del(AioTimer *t);
bool aio_timer_pending(const AioTimer *t);
int64_t aio_timer_expiry_ns(const AioTimer *t);          /* as it was set; -1: not pending */
void aio_timer_free(AioTimer *t);

/*
 * Synchronous is asynchronous plus a wait: run entry(opaque) in a new coroutine and poll
 * this thread's context until it ends.  Inside a coroutine: calls entry directly.
 */
void co_run_sync(CoroutineEntry *entry, void *opaque);
/* Poll this thread's context while cond(opaque) holds; woken by aio_wait_kick from any thread. */
void aio_wait_while(bool (*cond)(void *opaque), void *opaque);
void aio_wait_kick(void);

/*
 * A batch program: its main loop has nothing to do but this program's own I/O.  Blocking work that is alone
 * is done in place then, as are small cached transfers, instead of waking a worker for it.
 */
void aio_set_batch(bool on);

/* Blocking work in a worker thread (in this one if none can start); the coroutine sleeps meanwhile. Returns what fn returns. */
int coroutine_fn thread_pool_co_run(int (*fn)(void *arg), void *arg);
/*
 * Jobs that exclude each other: one worker does them in the order of their coming, never in place.  For work that takes
 * longer than waking a worker.  Zero is an empty queue; it must stay while a job is in it.
 */
typedef struct ThreadQueue { bool busy; struct PoolJob *first, *last; } ThreadQueue;
int coroutine_fn thread_pool_co_run_queued(ThreadQueue *q, int (*fn)(void *arg), void *arg);
/* Nobody waits for fn here; it tells in its own way that it has ended, which may be before this returns (no thread can start). */
void thread_pool_run_detached(int (*fn)(void *arg), void *arg);
/* Bounds on worker threads for the whole program (default 0..64). */
void thread_pool_set_limits(int min, int max);

/*
 * File I/O on the calling thread's context by one of three engines behind one table.
 * Short reads at the end of file are filled with zeroes by the caller, not here: the
 * result is the number of bytes moved or a negative errno; the engine retries EINTR and
 * partial transfers until done, error, or end of file.
 */
typedef enum AioEngineKind { AIO_ENGINE_THREADS, AIO_ENGINE_NATIVE, AIO_ENGINE_IO_URING } AioEngineKind;
typedef enum AioOp { AIO_OP_READ, AIO_OP_WRITE, AIO_OP_FDATASYNC } AioOp;
#define AIO_REQ_FUA        1u    /* write is stable on completion (RWF_DSYNC where available) */
#define AIO_REQ_CACHED     2u    /* the descriptor goes through the host's page cache (no O_DIRECT) */
#define AIO_REQ_MEMORY     4u    /* ... and there is no disk behind it */
/* Is the engine there (kernel and build)?  Fills errp with the peer's wording when not. */
bool aio_engine_available(AioEngineKind kind, Error **errp);
int64_t coroutine_fn aio_engine_co_rw(AioEngineKind kind, int fd, AioOp op, int64_t offset,
                                      const struct iovec *iov, int niov, unsigned flags);
/* One transfer (or flush) by a plain call, tried again after a signal: bytes moved, perhaps not all, or a negative errno.  Any thread. */
int64_t aio_sync_rw(int fd, AioOp op, int64_t offset, const struct iovec *iov, int niov, unsigned flags);
/*
 * Between plug and unplug (may nest) native and io_uring requests of this thread gather and go out together; at the
 * latest when its loop is about to sleep.  A coroutine does not sleep between the two.
 */
void aio_plug(void);
void aio_unplug(void);

#endif
