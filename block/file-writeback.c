/*
 * Writing begun early: before a flush that is to come, a worker gives ranges to the disk while the program goes on.
 *
 * Without it the disk is idle while tables are read, changed and copied to the page cache, and all of them wait for the
 * flush.  Disks with a cache of their own take writes fast and do the work when they are flushed, so now and then a second
 * worker flushes what has come so far.  Nothing is promised before the real flush.  The system tells of a failed write
 * once, to whoever flushes next: what an early flush was told is kept for the real one, which comes after it.
 *
 * Ranges stand in a ring under `lock`; one worker at a time takes them and ends when there are none.  Workers may be few and have
 * other work: nobody waits for a job that has not begun, only for calls that are under way (`calls`).  So a job may begin when
 * nothing is left to do, even after the file was closed; who goes last frees the state.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
#include "file.h"
#include "util/cutils.h"

#define RANGES 1024                /* more than these wait for the flush */
#define BEGIN_AT ((int64_t)(256 * KiB))   /* so much is worth a worker */
#define FLUSH_AT ((int64_t)(8 * MiB))     /* ... and an early flush */

typedef struct Range { int64_t offset, bytes; } Range;

typedef struct FileWriteback {
    pthread_mutex_t lock;
    pthread_cond_t idle;           /* no calls any more */
    int refs;                      /* the node and each job */
    int fd;                        /* -1: closed */
    bool working, flushing;        /* jobs that wait for a worker or are with one */
    bool flush_wanted;             /* when its job begins */
    unsigned calls;                /* of the system, under way */
    int error;                     /* of early flushes: nobody was told yet */
    unsigned first, n;
    int64_t bytes;                 /* of those that wait */
    int64_t begun;                 /* since the last early flush */
    Range ranges[RANGES];
} FileWriteback;

/* Takes the lock; the last one frees. */
static void unref(FileWriteback *w)
{
    pthread_mutex_lock(&w->lock);
    bool last = --w->refs == 0;
    pthread_mutex_unlock(&w->lock);
    if (last) {
        pthread_cond_destroy(&w->idle);
        pthread_mutex_destroy(&w->lock);
        g_free(w);
    }
}

/* Both under the lock, which is not held in between.  The descriptor stays open that long. */
static int call_begins(FileWriteback *w)
{
    int fd = w->fd;

    w->calls++;
    pthread_mutex_unlock(&w->lock);
    return fd;
}

static void call_ended(FileWriteback *w)
{
    pthread_mutex_lock(&w->lock);
    if (--w->calls == 0) {
        pthread_cond_broadcast(&w->idle);
    }
}

static int flush_fd(int fd)
{
    return (int)aio_sync_rw(fd, AIO_OP_FDATASYNC, 0, NULL, 0, 0);
}

static int early_flush(void *opaque)
{
    FileWriteback *w = opaque;

    pthread_mutex_lock(&w->lock);
    if (w->flush_wanted && w->fd >= 0) {
        int ret = flush_fd(call_begins(w));

        call_ended(w);
        w->error = w->error ? w->error : ret;
    }
    w->flushing = false;
    pthread_mutex_unlock(&w->lock);
    unref(w);
    return 0;
}

/* Under the lock: so many bytes more were begun.  Is it time for an early flush?  The caller starts it, without the lock. */
static bool flush_due(FileWriteback *w, int64_t bytes)
{
    bool due;

    w->begun += bytes;
    due = w->begun >= FLUSH_AT && !w->flushing;
    if (due) {
        w->begun = 0;
        w->flushing = w->flush_wanted = true;
        w->refs++;
    }
    return due;
}

static int work(void *opaque)
{
    FileWriteback *w = opaque;

    pthread_mutex_lock(&w->lock);
    while (w->n) {
        Range r = w->ranges[w->first];

        w->first = (w->first + 1) % RANGES;
        w->n--;
        w->bytes -= r.bytes;
        sync_file_range(call_begins(w), r.offset, r.bytes, SYNC_FILE_RANGE_WRITE);
        call_ended(w);
        if (flush_due(w, r.bytes)) {
            pthread_mutex_unlock(&w->lock);
            thread_pool_run_detached(early_flush, w);
            pthread_mutex_lock(&w->lock);
        }
    }
    w->working = false;
    pthread_mutex_unlock(&w->lock);
    unref(w);
    return 0;
}

static FileWriteback *start(FileState *s)
{
    FileWriteback *w = g_new0(FileWriteback, 1);

    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->idle, NULL);
    w->refs = 1;
    w->fd = s->fd;
    return w;
}

/* Lengthen the last range, or add one. */
static void add_range(FileWriteback *w, int64_t offset, int64_t bytes)
{
    Range *last = &w->ranges[(w->first + w->n - 1) % RANGES];

    if (w->n && last->offset + last->bytes == offset) {
        last->bytes += bytes;
    } else if (w->n < RANGES) {
        w->ranges[(w->first + w->n++) % RANGES] = (Range){ offset, bytes };
    } else {
        return;
    }
    w->bytes += bytes;
}

void file_begin_writeback(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    FileState *s = bs->opaque;
    FileWriteback *w;
    bool wake;

    if (s->open_flags & O_DIRECT) {
        return;
    }
    if (!s->writeback) {
        s->writeback = start(s);
    }
    w = s->writeback;
    pthread_mutex_lock(&w->lock);
    add_range(w, offset, bytes);
    wake = !w->working && w->bytes >= BEGIN_AT;
    w->working |= wake;
    w->refs += wake;
    pthread_mutex_unlock(&w->lock);
    if (wake) {
        thread_pool_run_detached(work, w);
    }
}

/* Nothing of what waits is begun any more, and the calls under way have ended. */
static int stop(FileWriteback *w, bool closes)
{
    int error;

    pthread_mutex_lock(&w->lock);
    w->n = 0;
    w->bytes = w->begun = 0;
    w->flush_wanted = false;
    w->fd = closes ? -1 : w->fd;
    while (w->calls) {
        pthread_cond_wait(&w->idle, &w->lock);
    }
    error = w->error;
    w->error = 0;
    pthread_mutex_unlock(&w->lock);
    return error;
}

int file_flush_after_writeback(FileState *s)
{
    int error = stop(s->writeback, false), ret = flush_fd(s->fd);

    return ret < 0 ? ret : error;
}

void file_end_writeback(FileState *s)
{
    FileWriteback *w = g_steal_pointer(&s->writeback);

    if (w) {
        file_note_flush(s, stop(w, true));     /* a reopened file's next flush tells */
        unref(w);
    }
}
