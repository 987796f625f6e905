/*
 * The event loop's waking and the engines' edges: wakes that come just before the loop sleeps, waits in
 * other threads, plugged coroutines that sleep, long vectors, neighbours that go as one request (past the cache, and
 * through it in a batch program), fair locks, work done in place, a clock that stands, a system without threads left.
 *
 * A lost wake shows as a hang; the alarm turns it into a failure.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "util/aio.h"

#define TIMEOUT_S 60

static bool no_threads;

/* Stands before the system's: the limit on threads is reached when the test says so. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    __typeof__(&pthread_create) next = dlsym(RTLD_NEXT, "pthread_create");

    return no_threads ? EAGAIN : next(thread, attr, run, arg);
}

static void test_notify_before_sleep(void)
{
    aio_notify(aio_main_context());
    aio_poll(aio_main_context(), true);
}

static int flag;

static void *set_and_notify(void *ctx)
{
    for (int i = 0; i < 3000; i++) {
        while (__atomic_load_n(&flag, __ATOMIC_SEQ_CST)) {
            sched_yield();
        }
        __atomic_store_n(&flag, 1, __ATOMIC_SEQ_CST);
        aio_notify(ctx);
    }
    return NULL;
}

static void test_notify_races(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, set_and_notify, aio_main_context());
    for (int i = 0; i < 3000; i++) {
        while (!__atomic_load_n(&flag, __ATOMIC_SEQ_CST)) {
            aio_poll(aio_main_context(), true);
        }
        __atomic_store_n(&flag, 0, __ATOMIC_SEQ_CST);
    }
    pthread_join(thread, NULL);
}

static bool is_waiting(void *opaque)
{
    __atomic_store_n(&flag, 1, __ATOMIC_SEQ_CST);
    return __atomic_load_n((int *)opaque, __ATOMIC_SEQ_CST);
}

static int busy;

static void *wait_elsewhere(void *unused)
{
    AioContext *ctx = aio_context_new(&error_abort);

    aio_context_bind_thread(ctx);
    aio_wait_while(is_waiting, &busy);
    aio_context_bind_thread(NULL);
    aio_context_unref(ctx);
    return NULL;
}

static void test_kick_other_context(void)
{
    pthread_t thread;

    flag = 0;
    busy = 1;
    pthread_create(&thread, NULL, wait_elsewhere, NULL);
    while (!__atomic_load_n(&flag, __ATOMIC_SEQ_CST)) {
        sched_yield();
    }
    g_usleep(2000);
    __atomic_store_n(&busy, 0, __ATOMIC_SEQ_CST);
    aio_wait_kick();
    pthread_join(thread, NULL);
}

typedef struct FileTest { AioEngineKind kind; int fd, stride; unsigned flags; } FileTest;

static int temp_file(char **name)
{
    int fd = g_file_open_tmp("aio-XXXXXX", name, NULL);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static void coroutine_fn plugged_entry(void *opaque)
{
    FileTest *t = opaque;
    char buf[512] = "plugged";
    struct iovec v = { buf, sizeof(buf) };

    aio_plug();
    g_assert_cmpint(aio_engine_co_rw(t->kind, t->fd, AIO_OP_WRITE, 0, &v, 1, 0), ==, sizeof(buf));
    aio_unplug();
}

/* More elements than the system takes at once. */
static void coroutine_fn long_vector_entry(void *opaque)
{
    FileTest *t = opaque;
    int n = 3 * IOV_MAX + 7;
    g_autofree uint8_t *buf = g_malloc(n), *back = g_malloc0(n);
    g_autofree struct iovec *v = g_new(struct iovec, n);

    for (int i = 0; i < n; i++) {
        buf[i] = i * 31 + i / 256;
        v[i] = (struct iovec){ buf + i, 1 };
    }
    g_assert_cmpint(aio_engine_co_rw(t->kind, t->fd, AIO_OP_WRITE, 100, v, n, 0), ==, n);
    for (int i = 0; i < n; i++) {
        v[i].iov_base = back + i;
    }
    g_assert_cmpint(aio_engine_co_rw(t->kind, t->fd, AIO_OP_READ, 100, v, n, 0), ==, n);
    g_assert_cmpmem(buf, n, back, n);
}

static void with_engine(AioEngineKind kind, CoroutineEntry *entry)
{
    g_autofree char *name = NULL;
    FileTest t = { .kind = kind };
    Error *err = NULL;

    if (!aio_engine_available(kind, &err)) {
        g_test_skip(error_get_pretty(err));
        error_free(err);
        return;
    }
    t.fd = temp_file(&name);
    co_run_sync(entry, &t);
    close(t.fd);
    g_unlink(name);
}

/* Neighbours asked for in one turn of the loop. */
#define PIECES 12
#define PIECE 1000

typedef struct Piece {
    FileTest *t;
    AioOp op;
    int i;
    int64_t want;                  /* the answer */
    char buf[PIECE];
} Piece;

static int pieces_under_way;

static void coroutine_fn piece_entry(void *opaque)
{
    Piece *p = opaque;
    struct iovec v[2] = { { p->buf, 300 }, { p->buf + 300, PIECE - 300 } };

    g_assert_cmpint(aio_engine_co_rw(p->t->kind, p->t->fd, p->op, p->i * p->t->stride, v, 2, p->t->flags), ==,
                    p->want);
    pieces_under_way--;
}

static void run_pieces(FileTest *t, Piece *pieces, AioOp op)
{
    for (int i = 0; i < PIECES; i++) {
        pieces[i].t = t;
        pieces[i].op = op;
        pieces[i].i = i;
        pieces_under_way++;
        coroutine_enter(coroutine_create(piece_entry, &pieces[i]));
    }
    while (pieces_under_way) {
        aio_poll(aio_main_context(), true);
    }
}

/* Each gets its own answer: the end of the file lies in the fifth, and a bad descriptor is bad for all. */
static void test_neighbours(const void *kind)
{
    g_autofree char *path = NULL;
    g_autofree Piece *pieces = g_new0(Piece, PIECES);
    FileTest t = { .kind = GPOINTER_TO_INT(kind), .stride = PIECE };

    if (!aio_engine_available(t.kind, NULL)) {
        g_test_skip("not here");
        return;
    }
    t.fd = temp_file(&path);
    for (int i = 0; i < PIECES; i++) {
        memset(pieces[i].buf, 'a' + i, PIECE);
        pieces[i].want = PIECE;
    }
    run_pieces(&t, pieces, AIO_OP_WRITE);
    g_assert_cmpint(ftruncate(t.fd, 4 * PIECE + 77), ==, 0);
    for (int i = 0; i < PIECES; i++) {
        memset(pieces[i].buf, 0, PIECE);
        pieces[i].want = i < 4 ? PIECE : i == 4 ? 77 : 0;
    }
    run_pieces(&t, pieces, AIO_OP_READ);
    for (int i = 0; i < PIECES; i++) {
        for (int k = 0; k < PIECE; k++) {
            g_assert_cmpint(pieces[i].buf[k], ==, k < pieces[i].want ? 'a' + i : 0);
        }
    }
    close(t.fd);
    t.fd = open("/dev/null", O_WRONLY);
    for (int i = 0; i < PIECES; i++) {
        pieces[i].want = -EBADF;
    }
    run_pieces(&t, pieces, AIO_OP_READ);
    close(t.fd);
    g_unlink(path);
}

/* What cannot be merged goes to the kernel before the turn is over. */
static void test_apart(const void *kind)
{
    g_autofree char *path = NULL;
    g_autofree Piece *pieces = g_new0(Piece, PIECES);
    FileTest t = { .kind = GPOINTER_TO_INT(kind), .stride = 3 * PIECE };

    if (!aio_engine_available(t.kind, NULL)) {
        g_test_skip("not here");
        return;
    }
    t.fd = temp_file(&path);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < PIECES; i++) {
            memset(pieces[i].buf, round ? 0 : 'a' + i, PIECE);
            pieces[i].want = PIECE;
        }
        run_pieces(&t, pieces, round ? AIO_OP_READ : AIO_OP_WRITE);
    }
    for (int i = 0; i < PIECES; i++) {
        g_assert_cmpint(pieces[i].buf[0], ==, 'a' + i);
        g_assert_cmpint(pieces[i].buf[PIECE - 1], ==, 'a' + i);
    }
    close(t.fd);
    g_unlink(path);
}

/* Calls of this process that wrote something; 0 where the kernel does not count. */
static int write_calls(void)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents("/proc/self/io", &text, NULL, NULL)) {
        return 0;
    }
    return atoi(strstr(text, "syscw:") + strlen("syscw:"));
}

/* In a batch program cached writes that go on where the last one ended are done together; each gets its own answer. */
static void test_cached_together(void)
{
    g_autofree char *path = NULL, *content = NULL;
    g_autofree Piece *pieces = g_new0(Piece, PIECES);
    FileTest t = { .kind = AIO_ENGINE_THREADS, .stride = PIECE, .flags = AIO_REQ_CACHED };
    struct rlimit old, small = { 4 * PIECE + 77, RLIM_INFINITY };
    int calls;
    gsize length;

    signal(SIGXFSZ, SIG_IGN);
    t.fd = temp_file(&path);
    for (int i = 0; i < PIECES; i++) {
        memset(pieces[i].buf, 'a' + i, PIECE);
        pieces[i].want = PIECE;
    }
    aio_set_batch(true);
    calls = write_calls();
    run_pieces(&t, pieces, AIO_OP_WRITE);
    g_assert_cmpint(write_calls() - calls, <, PIECES / 2);
    g_assert_true(g_file_get_contents(path, &content, &length, NULL));
    g_assert_cmpint(length, ==, PIECES * PIECE);
    for (gsize i = 0; i < length; i++) {
        g_assert_cmpint(content[i], ==, 'a' + i / PIECE);
    }

    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
    for (int i = 4; i < PIECES; i++) {
        pieces[i].want = -EFBIG;
    }
    run_pieces(&t, pieces, AIO_OP_WRITE);
    setrlimit(RLIMIT_FSIZE, &old);
    close(t.fd);

    t.fd = open(path, O_RDONLY);
    for (int i = 0; i < PIECES; i++) {
        pieces[i].want = -EBADF;
    }
    run_pieces(&t, pieces, AIO_OP_WRITE);
    aio_set_batch(false);
    close(t.fd);
    g_unlink(path);
}

#define LONE 200

static void coroutine_fn lone_entry(void *opaque)
{
    FileTest *t = opaque;
    char buf[PIECE] = "";
    struct iovec v = { buf, sizeof(buf) };

    for (int i = 0; i < LONE; i++) {
        g_assert_cmpint(aio_engine_co_rw(t->kind, t->fd, AIO_OP_WRITE, i * 3 * PIECE, &v, 1, 0), ==, PIECE);
    }
}

/* In a batch program one write at a time is a plain call, whatever the engine, the last like the first. */
static void test_lone(const void *kind)
{
    int calls = write_calls(), made;

    aio_set_batch(true);
    with_engine(GPOINTER_TO_INT(kind), lone_entry);
    aio_set_batch(false);
    made = write_calls() - calls;
    if (calls && aio_engine_available(GPOINTER_TO_INT(kind), NULL)) {
        g_assert_cmpint(made, >=, LONE - 5);
    }
}

static void test_plugged(const void *kind) { with_engine(GPOINTER_TO_INT(kind), plugged_entry); }
static void test_long_vector(const void *kind) { with_engine(GPOINTER_TO_INT(kind), long_vector_entry); }

static CoRwLock rw;
static int turns, reader_at, done;

static void coroutine_fn busy_writer(void *opaque)
{
    for (int i = 0; i < 20; i++) {
        co_rwlock_wrlock(&rw);
        turns++;
        co_sleep_ns(1000);
        co_rwlock_unlock(&rw);
    }
    done++;
}

static void coroutine_fn late_reader(void *opaque)
{
    co_rwlock_rdlock(&rw);
    reader_at = turns;
    co_rwlock_unlock(&rw);
    done++;
}

/* Two writers take turns without end: a reader gets in after those that came before it. */
static void test_rwlock_is_fair(void)
{
    turns = done = 0;
    co_rwlock_init(&rw);
    coroutine_enter(coroutine_create(busy_writer, NULL));
    coroutine_enter(coroutine_create(busy_writer, NULL));
    coroutine_enter(coroutine_create(late_reader, NULL));
    while (done < 3) {
        aio_poll(aio_main_context(), true);
    }
    g_assert_cmpint(turns, ==, 40);
    g_assert_cmpint(reader_at, ==, 2);
}

static int note_thread(void *arg)
{
    *(pthread_t *)arg = pthread_self();
    return 0;
}

static void coroutine_fn work_entry(void *opaque)
{
    thread_pool_co_run(note_thread, opaque);
    done++;
}

static void run_works(pthread_t *who, int n)
{
    done = 0;
    for (int i = 0; i < n; i++) {
        coroutine_enter(coroutine_create(work_entry, &who[i]));
    }
    while (done < n) {
        aio_poll(aio_main_context(), true);
    }
}

/* In a batch program work that is alone needs no other thread; several jobs run side by side. */
static void test_batch(void)
{
    pthread_t who[3];

    run_works(who, 1);
    g_assert_false(pthread_equal(who[0], pthread_self()));
    aio_set_batch(true);
    run_works(who, 1);
    g_assert_true(pthread_equal(who[0], pthread_self()));
    run_works(who, 3);
    for (int i = 0; i < 3; i++) {
        g_assert_false(pthread_equal(who[i], pthread_self()));
    }
    /* A loop that never sleeps still gets its work done. */
    done = 0;
    coroutine_enter(coroutine_create(work_entry, who));
    while (!done) {
        aio_poll(aio_main_context(), false);
    }
    aio_set_batch(false);
}

static int count_job(void *arg)
{
    ++*(int *)arg;
    return 0;
}

static void coroutine_fn queued_entry(void *opaque)
{
    static ThreadQueue queue;

    thread_pool_co_run_queued(&queue, note_thread, opaque);
    done++;
}

/* Where the system has no thread for blocking work it is done all the same, by whoever brings it.  Runs first: no worker yet. */
static void test_no_threads(void)
{
    pthread_t who[3];
    int detached = 0;

    no_threads = true;
    thread_pool_run_detached(count_job, &detached);
    g_assert_cmpint(detached, ==, 1);
    run_works(who, 3);
    done = 0;
    for (int i = 0; i < 3; i++) {
        g_assert_true(pthread_equal(who[i], pthread_self()));
        coroutine_enter(coroutine_create(queued_entry, &who[i]));
    }
    while (done < 3) {
        aio_poll(aio_main_context(), true);
    }
    aio_set_batch(true);
    run_works(who, 3);
    aio_set_batch(false);
    no_threads = false;
    run_works(who, 1);
    g_assert_false(pthread_equal(who[0], pthread_self()));
}

static int64_t machine_ns;
static int64_t read_machine_clock(void) { return machine_ns; }
static void count_expiry(void *opaque) { ++*(int *)opaque; }

/* Timers of a clock that stands wake nobody: the loop runs only for the clock of the real time, and turns once for it. */
static void test_standing_clock(void)
{
    AioContext *ctx = aio_main_context();
    int expired = 0, real = 0, turns_of_loop = 0;
    AioTimer *t[3], *end = aio_timer_new(ctx, AIO_CLOCK_REALTIME, count_expiry, &real);

    machine_ns = 1000;
    aio_clock_set_source(AIO_CLOCK_VIRTUAL, read_machine_clock);
    aio_clock_set_standing(AIO_CLOCK_VIRTUAL, true);
    for (int i = 0; i < 3; i++) {
        t[i] = aio_timer_new(ctx, AIO_CLOCK_VIRTUAL, count_expiry, &expired);
        aio_timer_mod_ns(t[i], 1000 + 1000000 * (3 - i));
    }
    aio_timer_mod_ns(end, aio_clock_ns(AIO_CLOCK_REALTIME) + 30000000);
    for (; !real; turns_of_loop++) {
        aio_poll(ctx, true);
    }
    g_assert_cmpint(expired, ==, 0);
    g_assert_cmpint(turns_of_loop, <=, 5);
    machine_ns += 2000000;
    aio_clock_moved(ctx, AIO_CLOCK_VIRTUAL);
    while (aio_poll(ctx, false)) {
    }
    g_assert_cmpint(expired, ==, 2);
    g_assert_true(aio_timer_pending(t[0]));
    aio_clock_set_standing(AIO_CLOCK_VIRTUAL, false);
    aio_clock_moved(ctx, AIO_CLOCK_VIRTUAL);      /* goes on, at the pace of the real time */
    machine_ns += 1000000;
    while (expired < 3) {
        aio_poll(ctx, true);
    }
    aio_clock_set_source(AIO_CLOCK_VIRTUAL, NULL);
    for (int i = 0; i < 3; i++) {
        aio_timer_free(t[i]);
    }
    aio_timer_free(end);
}

static void coroutine_fn sleeper(void *opaque)
{
    int64_t *best = opaque;

    for (int i = 0; i < 200; i++) {
        int64_t start = aio_clock_ns(AIO_CLOCK_REALTIME);

        co_sleep_ns(100000);
        *best = MIN(*best, aio_clock_ns(AIO_CLOCK_REALTIME) - start);
    }
}

/* Sleeps are not rounded up to milliseconds: of many, one at least is clearly shorter. */
static void test_timer_resolution(void)
{
    int64_t best = INT64_MAX;

    co_run_sync(sleeper, &best);
    g_assert_cmpint(best, >=, 100000);
    g_assert_cmpint(best, <, 900000);
}

int main(int argc, char **argv)
{
    static const struct { const char *name; AioEngineKind kind; } engines[] = {
        { "threads", AIO_ENGINE_THREADS }, { "native", AIO_ENGINE_NATIVE }, { "io_uring", AIO_ENGINE_IO_URING },
    };

    g_test_init(&argc, &argv, NULL);
    alarm(TIMEOUT_S);
    aio_init_main();
    g_test_add_func("/aio/no-threads", test_no_threads);
    g_test_add_func("/aio/standing-clock", test_standing_clock);
    g_test_add_func("/aio/notify-before-sleep", test_notify_before_sleep);
    g_test_add_func("/aio/notify-races", test_notify_races);
    g_test_add_func("/aio/kick-other-context", test_kick_other_context);
    g_test_add_func("/aio/timer-resolution", test_timer_resolution);
    g_test_add_func("/aio/rwlock-is-fair", test_rwlock_is_fair);
    g_test_add_func("/aio/batch", test_batch);
    g_test_add_func("/aio/cached-together", test_cached_together);
    for (size_t i = 0; i < G_N_ELEMENTS(engines); i++) {
        g_autofree char *plugged = g_strdup_printf("/aio/plugged-sleeps/%s", engines[i].name);
        g_autofree char *neighbours = g_strdup_printf("/aio/neighbours/%s", engines[i].name);
        g_autofree char *apart = g_strdup_printf("/aio/apart/%s", engines[i].name);
        g_autofree char *lone = g_strdup_printf("/aio/lone/%s", engines[i].name);
        g_autofree char *vector = g_strdup_printf("/aio/long-vector/%s", engines[i].name);

        g_test_add_data_func(plugged, GINT_TO_POINTER(engines[i].kind), test_plugged);
        g_test_add_data_func(neighbours, GINT_TO_POINTER(engines[i].kind), test_neighbours);
        g_test_add_data_func(apart, GINT_TO_POINTER(engines[i].kind), test_apart);
        g_test_add_data_func(lone, GINT_TO_POINTER(engines[i].kind), test_lone);
        g_test_add_data_func(vector, GINT_TO_POINTER(engines[i].kind), test_long_vector);
    }
    return g_test_run();
}
