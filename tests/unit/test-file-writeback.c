/*
 * Proves that a flush never waits for writing begun early which no worker has begun: with one worker it would wait for good.
 * And that what an early flush was told comes up in the flush that follows, and each failure of a cached flush in all that follow.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <unistd.h>
#include "block/backend.h"
#include "block/driver.h"
#include "block/graph.h"
#include "util/aio.h"
#include "util/cutils.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool held, go;                  /* the worker is in sync_file_range; it may return */
static int flushes, flush_error;       /* the error of the next one */

/* In the place of the system's. */
int sync_file_range(int fd, off64_t offset, off64_t bytes, unsigned flags)
{
    pthread_mutex_lock(&lock);
    held = true;
    pthread_cond_broadcast(&changed);
    while (!go) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

int fdatasync(int fd)
{
    int error;

    pthread_mutex_lock(&lock);
    flushes++;
    error = flush_error;
    flush_error = 0;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    errno = error;
    return error ? -1 : 0;
}

static void set(bool *what, bool value)
{
    pthread_mutex_lock(&lock);
    *what = value;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void wait_for_flushes(int n)
{
    pthread_mutex_lock(&lock);
    while (flushes < n) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void wait_until_held(void)
{
    pthread_mutex_lock(&lock);
    while (!held) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void note_end(void *opaque, int ret)
{
    *(int *)opaque = ret;
}

static BlockBackend *open_file(char **name)
{
    int fd = g_file_open_tmp("writeback-XXXXXX", name, NULL);
    QDict *options = qdict_new();
    BlockBackend *blk;

    g_assert_cmpint(ftruncate(fd, 32 * MiB), ==, 0);
    close(fd);
    qdict_put_str(options, "driver", "file");
    qdict_put_str(options, "filename", *name);
    blk = blk_open(NULL, NULL, options, BDRV_O_RDWR, &error_abort);
    g_assert_cmpint(blk_pwrite(blk, 0, 4, "data", 0), ==, 0);
    held = go = false;
    flushes = 0;
    return blk;
}

static void close_file(BlockBackend *blk, char *name)
{
    blk_unref(blk);
    g_unlink(name);
    g_free(name);
}

/* The early flush is asked for behind a flush that has the only worker. */
static void test_one_worker(void)
{
    char *name;
    BlockBackend *blk = open_file(&name);
    int ret = 1;

    thread_pool_set_limits(1, 1);
    bdrv_begin_writeback(blk_root(blk), 0, 8 * MiB);
    wait_until_held();
    blk_aio_flush(blk, note_end, &ret);
    set(&go, true);
    while (ret > 0) {
        aio_poll(aio_main_context(), true);
    }
    g_assert_cmpint(ret, ==, 0);
    close_file(blk, name);
    thread_pool_set_limits(0, 64);
}

static void test_error_comes_up(void)
{
    char *name;
    BlockBackend *blk = open_file(&name);

    go = true;
    flush_error = ENOSPC;
    bdrv_begin_writeback(blk_root(blk), 0, 8 * MiB);
    wait_for_flushes(1);
    g_assert_cmpint(blk_flush(blk), ==, -ENOSPC);
    g_assert_cmpint(blk_pwrite(blk, 0, 4, "data", 0), ==, 0);
    g_assert_cmpint(blk_flush(blk), ==, -ENOSPC);      /* the system told it once; what is lost stays so */
    close_file(blk, name);
}

/* A flush that failed is told by each one after it, also of a file that was reopened; without a cache the next may do well. */
static void test_failure_stays(void)
{
    char *name;
    BlockBackend *blk = open_file(&name);
    QDict *options = qdict_new();

    go = true;
    flush_error = EIO;
    g_assert_cmpint(blk_flush(blk), ==, -EIO);
    g_assert_cmpint(blk_pwrite(blk, 0, 4, "more", 0), ==, 0);
    g_assert_cmpint(blk_flush(blk), ==, -EIO);
    g_assert_cmpint(blk_pwrite(blk, 0, 4, "fua.", BDRV_REQ_FUA), ==, -EIO);
    qdict_put_bool(options, "cache.direct", true);
    if (bdrv_reopen(blk_bs(blk), options, true, NULL) == 0) {
        g_assert_cmpint(blk_pwrite(blk, 0, 4, "more", 0), ==, 0);
        g_assert_cmpint(blk_flush(blk), ==, -EIO);
    }
    close_file(blk, name);
}

static void test_failure_without_cache(void)
{
    char *name;
    BlockBackend *blk = open_file(&name);
    QDict *options = qdict_new();

    go = true;
    qdict_put_bool(options, "cache.direct", true);
    if (bdrv_reopen(blk_bs(blk), options, true, NULL) == 0) {      /* not on every file system */
        flush_error = EIO;
        g_assert_cmpint(blk_pwrite(blk, 0, 4, "more", 0), ==, 0);
        g_assert_cmpint(blk_flush(blk), ==, -EIO);
        g_assert_cmpint(blk_flush(blk), ==, 0);
    }
    close_file(blk, name);
}

/* The file goes while a worker is at work, and while its job waits. */
static void test_close(void)
{
    char *name;
    BlockBackend *blk = open_file(&name);

    go = true;
    for (int i = 0; i < 32; i++) {
        bdrv_begin_writeback(blk_root(blk), i * MiB, MiB);
    }
    close_file(blk, name);
}

int main(int argc, char **argv)
{
    aio_init_main();
    bdrv_init();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/file-writeback/one-worker", test_one_worker);
    g_test_add_func("/file-writeback/error-comes-up", test_error_comes_up);
    g_test_add_func("/file-writeback/failure-stays", test_failure_stays);
    g_test_add_func("/file-writeback/failure-without-cache", test_failure_without_cache);
    g_test_add_func("/file-writeback/close", test_close);
    return g_test_run();
}
