/*
 * Proves: coroutines switch, nest and recycle; locks keep order and exclude across threads;
 * timers, bottom halves and wakes work; the three I/O engines move the same bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <glib.h>
#include "util/aio.h"

static int counter;

static void coroutine_fn count_twice(void *opaque)
{
    int *steps = opaque;

    (*steps)++;
    coroutine_yield();
    (*steps)++;
}

static void test_enter_yield(void)
{
    for (int i = 0; i < 10000; i++) {
        int steps = 0;
        Coroutine *co = coroutine_create(count_twice, &steps);

        g_assert_false(in_coroutine());
        coroutine_enter(co);
        g_assert_cmpint(steps, ==, 1);
        coroutine_enter(co);
        g_assert_cmpint(steps, ==, 2);
    }
}

static void coroutine_fn nest(void *opaque)
{
    int *depth = opaque;

    if (++*depth < 100) {
        coroutine_enter(coroutine_create(nest, depth));
    }
}

static void test_nested(void)
{
    int depth = 0;

    coroutine_enter(coroutine_create(nest, &depth));
    g_assert_cmpint(depth, ==, 100);
}

static CoMutex mutex;
static int inside, max_inside, finished;

static void coroutine_fn locker(void *opaque)
{
    for (int i = 0; i < 50; i++) {
        co_mutex_lock(&mutex);
        g_assert_cmpint(inside++, ==, 0);
        if (i % 5 == 0) {
            co_sleep_ns(1000);
        }
        counter++;
        inside--;
        co_mutex_unlock(&mutex);
    }
    __atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
}

typedef struct Worker { AioContext *ctx; pthread_t thread; int stop; } Worker;

static void *worker_main(void *opaque)
{
    Worker *w = opaque;

    aio_context_bind_thread(w->ctx);
    while (!__atomic_load_n(&w->stop, __ATOMIC_SEQ_CST)) {
        aio_poll(w->ctx, true);
    }
    return NULL;
}

static void start_locker(void *opaque)
{
    coroutine_enter(coroutine_create(locker, NULL));
}

static void stop_worker(void *opaque)
{
    Worker *w = opaque;

    __atomic_store_n(&w->stop, 1, __ATOMIC_SEQ_CST);
}

static void test_mutex_threads(void)
{
    Worker workers[3] = { 0 };

    co_mutex_init(&mutex);
    counter = finished = 0;
    for (int i = 0; i < 3; i++) {
        workers[i].ctx = aio_context_new(&error_abort);
        pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
        for (int j = 0; j < 4; j++) {
            aio_bh_oneshot(workers[i].ctx, start_locker, NULL);
        }
    }
    while (__atomic_load_n(&finished, __ATOMIC_SEQ_CST) < 12) {
        aio_poll(aio_main_context(), false);
    }
    g_assert_cmpint(counter, ==, 12 * 50);
    for (int i = 0; i < 3; i++) {
        aio_bh_oneshot(workers[i].ctx, stop_worker, &workers[i]);
        pthread_join(workers[i].thread, NULL);
        aio_context_unref(workers[i].ctx);
    }
}

static AioContext *travel_to;

static void coroutine_fn traveller(void *opaque)
{
    AioContext *home = aio_current_context();

    for (int i = 0; i < 200; i++) {
        aio_co_reschedule_self(travel_to);
        g_assert_true(aio_current_context() == travel_to);
        aio_co_reschedule_self(home);
        g_assert_true(aio_current_context() == home);
    }
    finished++;
}

static void test_travel(void)
{
    Worker w = { .ctx = aio_context_new(&error_abort) };

    finished = 0;
    travel_to = w.ctx;
    pthread_create(&w.thread, NULL, worker_main, &w);
    for (int i = 0; i < 4; i++) {
        coroutine_enter(coroutine_create(traveller, NULL));
    }
    while (finished < 4) {
        aio_poll(aio_main_context(), true);
    }
    aio_bh_oneshot(w.ctx, stop_worker, &w);
    pthread_join(w.thread, NULL);
    aio_context_unref(w.ctx);
}

static void coroutine_fn reader(void *opaque)
{
    CoRwLock *l = opaque;

    co_rwlock_rdlock(l);
    g_assert_cmpint(inside, >=, 0);
    inside++;
    max_inside = MAX(max_inside, inside);
    co_sleep_ns(100000);
    inside--;
    co_rwlock_unlock(l);
    finished++;
}

static void coroutine_fn writer(void *opaque)
{
    CoRwLock *l = opaque;

    co_rwlock_wrlock(l);
    g_assert_cmpint(inside, ==, 0);
    inside = -1;
    co_sleep_ns(100000);
    inside = 0;
    co_rwlock_unlock(l);
    finished++;
}

static void test_rwlock(void)
{
    CoRwLock l;

    co_rwlock_init(&l);
    finished = inside = max_inside = 0;
    for (int i = 0; i < 12; i++) {
        coroutine_enter(coroutine_create(i % 4 == 3 ? writer : reader, &l));
    }
    while (finished < 12) {
        aio_poll(aio_main_context(), true);
    }
    g_assert_cmpint(max_inside, >=, 3);
}

static void note_order(void *opaque)
{
    g_assert_cmpint(counter++, ==, GPOINTER_TO_INT(opaque));
}

static void test_timers_in_order(void)
{
    AioContext *ctx = aio_main_context();
    AioTimer *t[50];
    int64_t now = aio_clock_ns(AIO_CLOCK_REALTIME);

    counter = 0;
    for (int i = 0; i < 50; i++) {
        int slot = i * 7 % 50;

        t[i] = aio_timer_new(ctx, AIO_CLOCK_REALTIME, note_order, GINT_TO_POINTER(slot));
        aio_timer_mod_ns(t[i], now + slot * 100000LL);
    }
    while (counter < 50) {
        aio_poll(ctx, true);
    }
    for (int i = 0; i < 50; i++) {
        g_assert_false(aio_timer_pending(t[i]));
        aio_timer_free(t[i]);
    }
}

static AioBh *bh_self;

static void bh_once(void *opaque)
{
    counter++;
    aio_bh_delete(bh_self);
}

static void test_bh(void)
{
    AioContext *ctx = aio_main_context();

    counter = 0;
    bh_self = aio_bh_new(ctx, bh_once, NULL);
    aio_bh_schedule(bh_self);
    aio_bh_schedule(bh_self);
    aio_poll(ctx, false);
    aio_poll(ctx, false);
    g_assert_cmpint(counter, ==, 1);
    bh_self = aio_bh_new(ctx, bh_once, NULL);
    aio_bh_schedule(bh_self);
    aio_bh_cancel(bh_self);
    aio_poll(ctx, false);
    g_assert_cmpint(counter, ==, 1);
    aio_bh_delete(bh_self);
    aio_poll(ctx, false);
}

static bool bh_two_ran;

static void bh_one(void *opaque)
{
    while (!bh_two_ran) {
        aio_poll(aio_main_context(), true);
    }
    counter++;
}

static void bh_two(void *opaque) { bh_two_ran = true; }

/* A bottom half may wait for one that became ready together with it. */
static void test_bh_waits(void)
{
    AioContext *ctx = aio_main_context();

    counter = 0;
    aio_bh_oneshot(ctx, bh_one, NULL);
    aio_bh_oneshot(ctx, bh_two, NULL);
    while (!counter) {
        aio_poll(ctx, true);
    }
}

typedef struct EngineTest { AioEngineKind kind; int fd; int running; } EngineTest;
typedef struct EngineJob { EngineTest *t; int index; } EngineJob;

static void coroutine_fn engine_job(void *opaque)
{
    EngineJob *job = opaque;
    EngineTest *t = job->t;
    g_autofree uint8_t *buf = g_malloc(8192), *back = g_malloc0(8192);
    struct iovec two[2] = { { buf, 1000 }, { buf + 1000, 7192 } }, one = { back, 8192 };
    int64_t offset = job->index * 8192;

    memset(buf, job->index + 1, 8192);
    g_assert_cmpint(aio_engine_co_rw(t->kind, t->fd, AIO_OP_WRITE, offset, two, 2, job->index % 2 ? AIO_REQ_FUA : 0), ==, 8192);
    g_assert_cmpint(aio_engine_co_rw(t->kind, t->fd, AIO_OP_FDATASYNC, 0, NULL, 0, 0), ==, 0);
    g_assert_cmpint(aio_engine_co_rw(t->kind, t->fd, AIO_OP_READ, offset, &one, 1, 0), ==, 8192);
    g_assert_cmpmem(buf, 8192, back, 8192);
    t->running--;
    g_free(job);
}

static void coroutine_fn engine_short_read(void *opaque)
{
    EngineTest *t = opaque;
    uint8_t buf[8192];
    struct iovec one = { buf, sizeof(buf) };

    g_assert_cmpint(aio_engine_co_rw(t->kind, t->fd, AIO_OP_READ, 300 * 8192 - 100, &one, 1, 0), ==, 100);
    g_assert_cmpint(aio_engine_co_rw(t->kind, t->fd, AIO_OP_READ, 301 * 8192, &one, 1, 0), ==, 0);
    g_assert_cmpint(aio_engine_co_rw(t->kind, -1, AIO_OP_READ, 0, &one, 1, 0), ==, -EBADF);
}

static void test_engine(const void *kind)
{
    g_autofree char *name = NULL;
    EngineTest t = { .kind = GPOINTER_TO_INT(kind) };
    Error *err = NULL;

    if (!aio_engine_available(t.kind, &err)) {
        g_test_skip(error_get_pretty(err));
        error_free(err);
        return;
    }
    t.fd = g_file_open_tmp("engine-XXXXXX", &name, NULL);
    g_assert_cmpint(t.fd, >=, 0);
    t.running = 300;
    for (int i = 0; i < 300; i++) {
        EngineJob *job = g_new(EngineJob, 1);

        *job = (EngineJob){ &t, i };
        coroutine_enter(coroutine_create(engine_job, job));
    }
    while (t.running) {
        aio_poll(aio_main_context(), true);
    }
    co_run_sync(engine_short_read, &t);
    close(t.fd);
    unlink(name);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    aio_init_main();
    g_test_add_func("/coroutine/enter-yield", test_enter_yield);
    g_test_add_func("/coroutine/nested", test_nested);
    g_test_add_func("/coroutine/mutex-threads", test_mutex_threads);
    g_test_add_func("/coroutine/travel", test_travel);
    g_test_add_func("/coroutine/rwlock", test_rwlock);
    g_test_add_func("/aio/timers-in-order", test_timers_in_order);
    g_test_add_func("/aio/bh", test_bh);
    g_test_add_func("/aio/bh-waits", test_bh_waits);
    g_test_add_data_func("/engine/threads", GINT_TO_POINTER(AIO_ENGINE_THREADS), test_engine);
    g_test_add_data_func("/engine/native", GINT_TO_POINTER(AIO_ENGINE_NATIVE), test_engine);
    g_test_add_data_func("/engine/io_uring", GINT_TO_POINTER(AIO_ENGINE_IO_URING), test_engine);
    return g_test_run();
}
