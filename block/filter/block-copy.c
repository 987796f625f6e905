/*
 * Copying a node's dirty parts to another, piece by piece.
 *
 * C1  A byte is either dirty (bit set), or part of exactly one task in flight, or done.  `lock` guards the step from
 *     the first to the second.
 * C2  Who asks for a range returns when no byte of it is dirty or in flight.
 * C3  A failed task gives its bits back before it ends.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "block/block-copy.h"
#include "block/graph.h"
#include "util/cutils.h"
#include "util/ratelimit.h"

#define DEFAULT_CLUSTER (64 * 1024)
#define MAX_BUFFER (1024 * 1024)
#define MAX_COPY_RANGE (16 * 1024 * 1024)

typedef struct CopyTask {
    BlockCopy *s;
    BlockCopyCall *call;
    int64_t offset, bytes;
    bool zeroes;
    bool copy_range;
    CoQueue done;
    struct CopyTask *next, *prev;
} CopyTask;

struct BlockCopy {
    BdrvChild *source, *target;
    BdrvDirtyBitmap *bitmap;
    int64_t cluster_size, length, max_transfer;
    BdrvRequestFlags write_flags;
    bool fleecing;                     /* the target reads through to the source: writes must serialise */
    bool compress, skip_unallocated;
    int copy_range;                    /* atomic; whether the host may copy */
    BlockCopyProgress *progress;
    void *progress_opaque;

    CoMutex lock;
    CopyTask *tasks;                   /* in flight */
    int64_t in_flight;                 /* their bytes */
    RateLimit limit;
};

struct BlockCopyCall {
    BlockCopy *s;
    int64_t offset, bytes;
    int max_workers;
    int64_t max_chunk;
    bool ignore_limit;
    void (*cb)(void *opaque);
    void *opaque;

    Coroutine *co;
    int workers;                       /* running */
    bool waiting_for_worker;
    AioTimer *sleep;                   /* background calls only */
    bool sleeping;
    bool cancelled, finished;
    int ret;
    bool error_is_read;
};

/* --- set-up --------------------------------------------------------------- */

static bool target_reads_through(BlockDriverState *target)
{
    return bdrv_backing_chain_next(target) != NULL;
}

static int64_t choose_cluster_size(BlockDriverState *target, Error **errp)
{
    ERRP_GUARD();
    bool cow = target_reads_through(target);
    BlockDriverInfo bdi = { 0 };
    int ret = bdrv_get_info(target, &bdi);

    if (ret == -ENOTSUP && !cow) {
        warn_report("The target block device doesn't provide information about the block size and it doesn't have a "
                    "backing file. The default block size of %u bytes is used. If the actual block size of the target "
                    "exceeds this default, the backup may be unusable", DEFAULT_CLUSTER);
        return DEFAULT_CLUSTER;
    }
    if (ret < 0 && !cow) {
        error_setg_errno(errp, -ret, "Couldn't determine the cluster size of the target image, which has no backing "
                         "file");
        error_append_hint(errp, "Aborting, since this may create an unusable destination image\n");
        return ret;
    }
    return ret < 0 ? DEFAULT_CLUSTER : MAX(DEFAULT_CLUSTER, bdi.cluster_size);
}

BlockCopy *block_copy_new(BdrvChild *source, BdrvChild *target, BdrvDirtyBitmap *bitmap, Error **errp)
{
    int64_t cluster_size = choose_cluster_size(target->bs, errp);
    BdrvDirtyBitmap *bm;
    BlockCopy *s;
    int64_t max;

    if (cluster_size < 0) {
        return NULL;
    }
    bm = bdrv_create_dirty_bitmap(source->bs, cluster_size, NULL, errp);
    if (!bm) {
        return NULL;
    }
    bdrv_disable_dirty_bitmap(bm);
    if (!bitmap) {
        bdrv_set_dirty_bitmap(bm, 0, source->bs->total_bytes);
    } else if (!bdrv_merge_dirty_bitmap(bm, bitmap, NULL, errp)) {
        error_prepend(errp, "Failed to merge bitmap '%s' to internal copy-bitmap: ", bdrv_dirty_bitmap_name(bitmap));
        bdrv_release_dirty_bitmap(bm);
        return NULL;
    }
    s = g_new0(BlockCopy, 1);
    s->source = source;
    s->target = target;
    s->bitmap = bm;
    s->cluster_size = cluster_size;
    s->length = source->bs->total_bytes;
    s->fleecing = bdrv_chain_contains(target->bs, source->bs);
    s->write_flags = s->fleecing ? BDRV_REQ_SERIALISING : 0;
    max = MIN(source->bs->bl.max_transfer ? source->bs->bl.max_transfer : BDRV_MAX_REQUEST,
              target->bs->bl.max_transfer ? target->bs->bl.max_transfer : BDRV_MAX_REQUEST);
    s->max_transfer = MAX(ALIGN_DOWN(max, cluster_size), cluster_size);
    co_mutex_init(&s->lock);
    return s;
}

static bool has_tasks(void *opaque)
{
    return ((BlockCopy *)opaque)->tasks != NULL;
}

void block_copy_free(BlockCopy *s)
{
    if (s) {
        aio_wait_while(has_tasks, s);  /* of calls that ran into their time limit */
        bdrv_release_dirty_bitmap(s->bitmap);
        g_free(s);
    }
}

int64_t block_copy_cluster_size(const BlockCopy *s)
{
    return s->cluster_size;
}

BdrvDirtyBitmap *block_copy_bitmap(BlockCopy *s)
{
    return s->bitmap;
}

void block_copy_set_options(BlockCopy *s, bool use_copy_range, bool compress)
{
    s->compress = compress;
    s->write_flags = (s->fleecing ? BDRV_REQ_SERIALISING : 0) | (compress ? BDRV_REQ_WRITE_COMPRESSED : 0);
    s->copy_range = use_copy_range && !compress;
}

void block_copy_set_speed(BlockCopy *s, uint64_t speed)
{
    ratelimit_set_speed(&s->limit, speed);
}

void block_copy_set_skip_unallocated(BlockCopy *s, bool skip)
{
    __atomic_store_n(&s->skip_unallocated, skip, __ATOMIC_SEQ_CST);
}

void block_copy_set_progress(BlockCopy *s, BlockCopyProgress *fn, void *opaque)
{
    s->progress = fn;
    s->progress_opaque = opaque;
}

/* --- tasks ---------------------------------------------------------------- */

static int64_t chunk_size(BlockCopy *s, int64_t max_chunk)
{
    int64_t chunk;

    if (s->compress) {
        chunk = s->cluster_size;
    } else if (__atomic_load_n(&s->copy_range, __ATOMIC_RELAXED)) {
        chunk = MIN(MAX(s->cluster_size, MAX_COPY_RANGE), s->max_transfer);
    } else {
        chunk = MIN(MAX(s->cluster_size, MAX_BUFFER), s->max_transfer);
    }
    return max_chunk ? MAX(MIN(chunk, ALIGN_DOWN(max_chunk, s->cluster_size)), s->cluster_size) : chunk;
}

/* lock held.  The next dirty stretch becomes a task; NULL: nothing is dirty. */
static CopyTask *task_begin(BlockCopy *s, BlockCopyCall *call, int64_t offset, int64_t bytes)
{
    CopyTask *t;
    int64_t found, n;

    if (!bdrv_dirty_bitmap_next_dirty_area(s->bitmap, offset, offset + bytes, chunk_size(s, call->max_chunk),
                                           &found, &n)) {
        return NULL;
    }
    t = g_new0(CopyTask, 1);
    t->s = s;
    t->call = call;
    t->offset = ALIGN_DOWN(found, s->cluster_size);
    t->bytes = MIN(ALIGN_UP(found + n, s->cluster_size), s->length) - t->offset;
    t->copy_range = s->copy_range;
    co_queue_init(&t->done);
    bdrv_reset_dirty_bitmap(s->bitmap, t->offset, t->bytes);
    t->next = s->tasks;
    if (s->tasks) {
        s->tasks->prev = t;
    }
    s->tasks = t;
    s->in_flight += t->bytes;
    return t;
}

/* lock held.  done: the bytes were copied, not skipped or given back. */
static void task_end(CopyTask *t, int ret, bool done)
{
    BlockCopy *s = t->s;
    int64_t bytes = t->bytes;

    *(t->prev ? &t->prev->next : &s->tasks) = t->next;
    if (t->next) {
        t->next->prev = t->prev;
    }
    if (ret < 0) {
        bdrv_set_dirty_bitmap(s->bitmap, t->offset, t->bytes);
    }
    s->in_flight -= bytes;
    co_queue_wake_all(&t->done);
    g_free(t);
    if (s->progress) {
        s->progress(s->progress_opaque, done ? bytes : 0, bdrv_dirty_bitmap_count(s->bitmap) + s->in_flight);
    }
    aio_wait_kick();
}

/* lock held; only whole clusters stay, what is behind becomes dirty again */
static void task_shrink(CopyTask *t, int64_t bytes)
{
    bytes = ALIGN_UP(bytes, t->s->cluster_size);
    if (bytes < t->bytes) {
        bdrv_set_dirty_bitmap(t->s->bitmap, t->offset + bytes, t->bytes - bytes);
        t->s->in_flight -= t->bytes - bytes;
        t->bytes = bytes;
        co_queue_wake_all(&t->done);
    }
}

/* lock held, dropped while waiting; whether there was one to wait for */
static bool coroutine_fn wait_for_one(BlockCopy *s, int64_t offset, int64_t bytes)
{
    for (CopyTask *t = s->tasks; t; t = t->next) {
        if (t->offset < offset + bytes && offset < t->offset + t->bytes) {
            co_queue_wait(&t->done, &s->lock);
            return true;
        }
    }
    return false;
}

static int coroutine_fn copy_by_buffer(CopyTask *t, bool *error_is_read)
{
    BlockCopy *s = t->s;
    void *buf = bdrv_blockalign(s->source->bs, t->bytes);
    IoVec qiov;
    int ret;

    if (!buf) {
        return -ENOMEM;
    }
    iov_init_buf(&qiov, buf, t->bytes);
    ret = bdrv_read(s->source, t->offset, t->bytes, &qiov, 0, 0);
    *error_is_read = ret < 0;
    if (ret == 0) {
        ret = bdrv_write(s->target, t->offset, t->bytes, &qiov, 0, s->write_flags);
    }
    bdrv_memfree(buf);
    return ret;
}

static int coroutine_fn task_copy(CopyTask *t, bool *error_is_read)
{
    BlockCopy *s = t->s;
    int ret;

    *error_is_read = false;
    if (t->zeroes) {
        return bdrv_zero(s->target, t->offset, t->bytes, s->write_flags & ~BDRV_REQ_WRITE_COMPRESSED);
    }
    if (t->copy_range) {
        ret = bdrv_copy_range(s->source, t->offset, s->target, t->offset, t->bytes, 0, s->write_flags);
        if (ret == 0) {
            return 0;
        }
        __atomic_store_n(&s->copy_range, 0, __ATOMIC_RELAXED);
        if (t->bytes > MAX(s->cluster_size, MAX_BUFFER)) {
            CO_SCOPED_LOCK(&s->lock);
            task_shrink(t, MAX(s->cluster_size, MAX_BUFFER));
        }
    }
    return copy_by_buffer(t, error_is_read);
}

/* What the source has there; -errno, or status bits with the task cut to where they hold. */
static int coroutine_fn task_status(CopyTask *t)
{
    BlockCopy *s = t->s;
    BlockDriverState *base = NULL;
    int64_t n = t->bytes;
    int ret;

    if (__atomic_load_n(&s->skip_unallocated, __ATOMIC_SEQ_CST)) {
        base = bdrv_backing_chain_next(s->source->bs);
    }
    ret = bdrv_block_status_above(s->source->bs, base, t->offset, t->bytes, &n, NULL, NULL, NULL);
    if (ret < 0 || n < s->cluster_size) {
        /* Copying never harms: an error shows on the read, a part of a cluster is copied with the rest. */
        n = s->cluster_size;
        ret = BDRV_BLOCK_ALLOCATED | BDRV_BLOCK_DATA;
    } else if (t->offset + n < s->length) {
        n = ALIGN_DOWN(n, s->cluster_size);
    }
    if (n < t->bytes) {
        CO_SCOPED_LOCK(&s->lock);
        task_shrink(t, n);
    }
    return ret;
}

static void call_failed(BlockCopyCall *c, int ret, bool error_is_read)
{
    if (!c->ret) {
        c->ret = ret;
        c->error_is_read = error_is_read;
    }
}

static void coroutine_fn task_run(CopyTask *t)
{
    BlockCopy *s = t->s;
    BlockCopyCall *c = t->call;
    bool error_is_read;
    int ret = task_copy(t, &error_is_read);

    if (ret < 0) {
        call_failed(c, ret, error_is_read);
    }
    CO_SCOPED_LOCK(&s->lock);
    task_end(t, ret, ret == 0);
}

/* --- calls ---------------------------------------------------------------- */

static void coroutine_fn worker_entry(void *opaque)
{
    CopyTask *t = opaque;
    BlockCopyCall *c = t->call;

    task_run(t);
    c->workers--;
    if (c->waiting_for_worker) {
        c->waiting_for_worker = false;
        aio_co_wake(c->co);
    }
}

static void coroutine_fn wait_worker(BlockCopyCall *c)
{
    c->waiting_for_worker = true;
    coroutine_yield();
}

static void coroutine_fn call_sleep(BlockCopyCall *c, int64_t ns)
{
    if (!c->sleep) {
        co_sleep_ns(ns);
        return;
    }
    aio_timer_mod_ns(c->sleep, aio_clock_ns(AIO_CLOCK_REALTIME) + ns);
    c->sleeping = true;
    coroutine_yield();
}

static bool call_goes_on(const BlockCopyCall *c)
{
    return !c->ret && !__atomic_load_n(&c->cancelled, __ATOMIC_SEQ_CST);
}

/* Whether the task may run now; if not it was given back, after waiting. */
static bool coroutine_fn keep_limit(BlockCopyCall *c, CopyTask *t)
{
    BlockCopy *s = c->s;
    int64_t ns = c->ignore_limit ? 0 : ratelimit_delay(&s->limit, 0);

    if (!c->ignore_limit && s->limit.quota && ns > 0) {
        co_mutex_lock(&s->lock);
        task_end(t, -EAGAIN, false);
        co_mutex_unlock(&s->lock);
        ns = ratelimit_delay(&s->limit, 0);            /* anew: nobody wakes a call that does not sleep yet */
        if (call_goes_on(c) && s->limit.quota && ns > 0) {
            call_sleep(c, ns);
        }
        return false;
    }
    if (!c->ignore_limit) {
        ratelimit_delay(&s->limit, t->bytes);
    }
    return true;
}

static void coroutine_fn start_task(BlockCopyCall *c, CopyTask *t)
{
    if (c->max_workers <= 1) {
        task_run(t);
        return;
    }
    c->workers++;
    coroutine_enter(coroutine_create(worker_entry, t));
}

/* Copy all that is dirty in the range once; whether anything was found. */
static bool coroutine_fn copy_dirty(BlockCopyCall *c)
{
    BlockCopy *s = c->s;
    int64_t offset = c->offset, end = c->offset + c->bytes;
    bool found = false;

    while (call_goes_on(c) && offset < end) {
        CopyTask *t;
        int ret;

        co_mutex_lock(&s->lock);
        t = task_begin(s, c, offset, end - offset);
        co_mutex_unlock(&s->lock);
        if (!t) {
            break;
        }
        found = true;
        offset = t->offset;
        ret = task_status(t);
        if (__atomic_load_n(&s->skip_unallocated, __ATOMIC_SEQ_CST) && !(ret & BDRV_BLOCK_ALLOCATED)) {
            offset += t->bytes;
            co_mutex_lock(&s->lock);
            task_end(t, 0, false);
            co_mutex_unlock(&s->lock);
            continue;
        }
        t->zeroes = (ret & BDRV_BLOCK_ZERO) != 0;
        if (!keep_limit(c, t)) {
            continue;
        }
        offset += t->bytes;
        start_task(c, t);
        while (c->workers >= c->max_workers && c->max_workers > 1) {
            wait_worker(c);
        }
    }
    while (c->workers > 0) {
        wait_worker(c);
    }
    return found;
}

static void coroutine_fn call_run(BlockCopyCall *c)
{
    BlockCopy *s = c->s;
    bool again;

    do {
        again = copy_dirty(c);
        if (!again && call_goes_on(c)) {
            CO_SCOPED_LOCK(&s->lock);
            /* Since we looked, a task of another thread may have given back a part of the range. */
            again = bdrv_dirty_bitmap_next_dirty(s->bitmap, c->offset, c->bytes) >= 0 || wait_for_one(s, c->offset, c->bytes);
        }
    } while (again && call_goes_on(c));
}

static int64_t clip(const BlockCopy *s, int64_t offset, int64_t bytes)
{
    return offset >= s->length ? 0 : MIN(bytes, s->length - offset);
}

/* A copy that may take too long: it runs in a coroutine of its own, which outlives its waiter if need be. */
typedef struct TimedCopy {
    BlockCopyCall call;
    AioTimer *timer;
    Coroutine *waiter;                 /* NULL: has gone */
    bool woken;
} TimedCopy;

static void timed_wake(TimedCopy *t)
{
    if (t->waiter && !t->woken) {
        t->woken = true;
        aio_co_wake(t->waiter);
    }
}

static void timed_over(void *opaque)
{
    timed_wake(opaque);
}

static void coroutine_fn timed_entry(void *opaque)
{
    TimedCopy *t = opaque;

    call_run(&t->call);
    t->call.finished = true;
    if (t->waiter) {
        timed_wake(t);
    } else {
        g_free(t);
    }
}

static int coroutine_fn copy_timed(const BlockCopyCall *c, int64_t timeout_ns)
{
    TimedCopy *t = g_new0(TimedCopy, 1);
    int ret;

    t->call = *c;
    t->waiter = coroutine_self();
    t->woken = true;                   /* not before we sleep */
    coroutine_enter(coroutine_create(timed_entry, t));
    if (!t->call.finished) {
        t->woken = false;
        t->timer = aio_timer_new(aio_current_context(), AIO_CLOCK_REALTIME, timed_over, t);
        aio_timer_mod_ns(t->timer, aio_clock_ns(AIO_CLOCK_REALTIME) + timeout_ns);
        coroutine_yield();
        aio_timer_free(t->timer);
        t->waiter = NULL;
    }
    if (!t->call.finished) {
        t->call.cancelled = true;
        return -ETIMEDOUT;
    }
    ret = t->call.ret;
    g_free(t);
    return ret;
}

int coroutine_fn block_copy(BlockCopy *s, int64_t offset, int64_t bytes, bool ignore_limit, int64_t timeout_ns)
{
    BlockCopyCall c = { .s = s, .offset = offset, .bytes = clip(s, offset, bytes), .max_workers = 1,
                        .ignore_limit = ignore_limit };

    if (c.bytes <= 0) {
        return 0;
    }
    if (timeout_ns > 0) {
        return copy_timed(&c, timeout_ns);
    }
    call_run(&c);
    return c.ret;
}

static void coroutine_fn call_entry(void *opaque)
{
    BlockCopyCall *c = opaque;

    call_run(c);
    c->finished = true;
    if (c->cb) {
        c->cb(c->opaque);
    }
}

void block_copy_kick(BlockCopyCall *c)
{
    if (c->sleeping) {
        c->sleeping = false;
        aio_timer_del(c->sleep);
        aio_co_wake(c->co);
    }
}

static void sleep_over(void *opaque)
{
    block_copy_kick(opaque);
}

BlockCopyCall *block_copy_start(BlockCopy *s, int64_t offset, int64_t bytes, int max_workers, int64_t max_chunk,
                                void (*cb)(void *opaque), void *opaque)
{
    BlockCopyCall *c = g_new0(BlockCopyCall, 1);

    *c = (BlockCopyCall) { .s = s, .offset = offset, .bytes = clip(s, offset, bytes), .max_workers = max_workers,
                           .max_chunk = max_chunk, .cb = cb, .opaque = opaque };
    c->sleep = aio_timer_new(aio_main_context(), AIO_CLOCK_REALTIME, sleep_over, c);
    c->co = coroutine_create(call_entry, c);
    coroutine_enter(c->co);
    return c;
}

bool block_copy_call_finished(const BlockCopyCall *c)
{
    return c->finished;
}

int block_copy_call_status(const BlockCopyCall *c, bool *error_is_read)
{
    *error_is_read = c->error_is_read;
    return c->ret;
}

void block_copy_call_cancel(BlockCopyCall *c)
{
    __atomic_store_n(&c->cancelled, true, __ATOMIC_SEQ_CST);
    block_copy_kick(c);
}

bool block_copy_call_cancelled(const BlockCopyCall *c)
{
    return c->cancelled;
}

void block_copy_call_free(BlockCopyCall *c)
{
    if (c) {
        g_assert(c->finished);
        aio_timer_free(c->sleep);
        g_free(c);
    }
}

int coroutine_fn block_copy_reset_unallocated(BlockCopy *s, int64_t offset, int64_t *bytes)
{
    BlockDriverState *bs = bdrv_skip_filters(s->source->bs);
    int64_t total = 0, n = 0, rest = s->length - offset;
    int first = -1;

    /* Whole clusters: one that is allocated in part counts as allocated. */
    while (total < rest) {
        int ret = bdrv_is_allocated(bs, offset + total, MIN(rest - total, 1 << 30), &n);

        if (ret < 0) {
            return ret;
        }
        if (n == 0) {
            n = rest - total;
        }
        if (first < 0) {
            first = ret;
        }
        if (ret != first) {
            break;
        }
        total += n;
    }
    if (first == 1) {
        total = ALIGN_UP(total, s->cluster_size);
    } else if (total < rest) {
        total = ALIGN_DOWN(total, s->cluster_size);
        if (total == 0) {
            first = 1;
            total = s->cluster_size;
        }
    }
    *bytes = MIN(total, rest);
    if (first != 1) {
        CO_SCOPED_LOCK(&s->lock);
        bdrv_reset_dirty_bitmap(s->bitmap, offset, *bytes);
    }
    return first == 1;
}
