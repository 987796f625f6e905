/*
 * qcow2: space ahead of the end of the file.
 *
 * A direct write past the end of a file makes the file system change the file's size and allocate
 * blocks for each request, one request at a time.  So the file is extended in runs before, with
 * blocks allocated but unwritten, and cut to what is used when the image is closed.  A cut of
 * power leaves a longer file, which is no error.
 *
 * A small write that goes on where the last one ended and needs a new cluster writes all of it (zeroes, then what joins it:
 * qcow2-gather.c) where later writes are cheaper for it: direct ones, as each write into unwritten blocks has the file system
 * change its tables; and those with a flush after every few, as each flush would have to put new blocks into them.
 *
 * Space past what was written is still known to read as zeroes (qcow2_is_virgin).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qcow2.h"
#include "qcow2-io.h"

#define FEW_WRITES 4                 /* between two flushes */
#define RUN_MAX (64 * MiB)

void qcow2_ahead_init(Qcow2 *q)
{
    const BlockDriverState *file = q->bs->file->bs;
    q->ahead = (Qcow2Ahead){ 0 };
    co_mutex_init(&q->ahead.lock);
    q->ahead.on = (file->open_flags & BDRV_O_NOCACHE) && file->drv->extend_run && !qcow2_has_data_file(q);
}

/* Under the lock.  False: no room for so much, or no such call here: on without. */
static bool coroutine_fn extend(Qcow2 *q, uint64_t end)
{
    Qcow2Ahead *a = &q->ahead;
    int64_t len = bdrv_getlength(q->bs->file->bs);
    uint64_t least = q->bs->file->bs->drv->extend_run, run = ALIGN_DOWN(MIN(MAX(end / 8, least), RUN_MAX), q->cluster_size);
    if (len <= 0 || !least || !(q->bs->file->perm & BLK_PERM_RESIZE)) {
        return false;
    }
    if (end > (uint64_t)len) {
        uint64_t want = ALIGN_UP(end, q->cluster_size) + run;
        if (!a->used) {
            a->first_len = len;
        }
        if (bdrv_truncate(q->bs->file, want, false, PREALLOC_FALLOC, 0, NULL) < 0) {
            return false;
        }
        len = want;
        __atomic_store_n(&a->used, true, __ATOMIC_SEQ_CST);
    }
    __atomic_store_n(&a->end, len, __ATOMIC_SEQ_CST);
    return true;
}

void coroutine_fn qcow2_ahead_reach(Qcow2 *q, uint64_t end)
{
    Qcow2Ahead *a = &q->ahead;
    if (!__atomic_load_n(&a->on, __ATOMIC_SEQ_CST) || end <= __atomic_load_n(&a->end, __ATOMIC_SEQ_CST)) {
        return;
    }
    CO_SCOPED_LOCK(&a->lock);
    if (a->on && end > a->end && !extend(q, end)) {
        __atomic_store_n(&a->on, false, __ATOMIC_SEQ_CST);
    }
}

bool qcow2_ahead_note_write(Qcow2 *q, uint64_t offset, uint64_t bytes)
{
    Qcow2Ahead *a = &q->ahead;
    bool matters = __atomic_load_n(&a->on, __ATOMIC_RELAXED) || __atomic_load_n(&a->flushed_often, __ATOMIC_RELAXED);
    __atomic_fetch_add(&a->writes, 1, __ATOMIC_RELAXED);
    return __atomic_exchange_n(&a->stream_end, offset + bytes, __ATOMIC_RELAXED) == offset && matters;
}

void qcow2_ahead_note_flush(Qcow2 *q)
{
    unsigned n = __atomic_exchange_n(&q->ahead.writes, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&q->ahead.flushed_often, n && n <= FEW_WRITES, __ATOMIC_RELAXED);
}

void coroutine_fn qcow2_ahead_cut(Qcow2 *q)
{
    Qcow2Ahead *a = &q->ahead;
    if (!a->used || q->broken) {
        return;
    }
    int64_t len = bdrv_getlength(q->bs->file->bs), used = len < 0 ? len : qcow2_used_end(q, len);
    used = used < 0 ? used : MAX(used, a->first_len);
    if (used > 0 && used < len) {
        bdrv_truncate(q->bs->file, used, false, PREALLOC_OFF, 0, NULL);
    }
    /* Whatever became of it: what the file holds now counts as written. */
    a->used = false;
    a->end = 0;
}

uint64_t qcow2_written_end(const Qcow2 *q)
{
    const BlockDriverState *file = q->data_file->bs;
    if (__atomic_load_n(&q->ahead.used, __ATOMIC_SEQ_CST)) {
        return MAX(q->ahead.first_len, bdrv_write_highest_offset(file));
    }
    return MAX(file->total_bytes, 0);
}
