/*
 * Copying pieces of the source to the target of a mirror.
 *
 * O1  Two ops that overlap never run at once; who would overlap waits before it is on the list, so no cycle can form.
 * O2  The bits of a piece are cleared before its data is read: a write that comes later sets them again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "mirror.h"
#include "util/cutils.h"

BlockErrorAction mirror_error_action(MirrorJob *s, bool read, int error)
{
    __atomic_store_n(&s->actively_synced, false, __ATOMIC_SEQ_CST);
    return block_job_error_action(&s->common, read ? s->on_source_error : s->on_target_error, read, error);
}

/* --- the list ---------------------------------------------------------------- */

static MirrorOp *overlapping(MirrorJob *s, int64_t offset, int64_t bytes)
{
    MirrorOp *op;

    for (op = s->ops; op; op = op->next) {
        if (op->offset < offset + bytes && offset < op->offset + op->bytes) {
            break;
        }
    }
    return op;
}

void coroutine_fn mirror_op_begin(MirrorJob *s, MirrorOp *op, int64_t offset, int64_t bytes)
{
    int64_t start = ALIGN_DOWN(offset, s->granularity), end = ALIGN_UP(offset + bytes, s->granularity);
    MirrorOp *other;

    CO_SCOPED_LOCK(&s->lock);
    while ((other = overlapping(s, start, end - start))) {
        co_queue_wait(&other->done, &s->lock);
    }
    *op = (MirrorOp) { .offset = start, .bytes = end - start, .next = s->ops };
    co_queue_init(&op->done);
    if (s->ops) {
        s->ops->prev = op;
    }
    s->ops = op;
}

void coroutine_fn mirror_op_end(MirrorJob *s, MirrorOp *op)
{
    CO_SCOPED_LOCK(&s->lock);
    *(op->prev ? &op->prev->next : &s->ops) = op->next;
    if (op->next) {
        op->next->prev = op->prev;
    }
    co_queue_wake_all(&op->done);
}

void coroutine_fn mirror_wait_for_op(MirrorJob *s)
{
    s->waiting = true;
    coroutine_yield();
}

void coroutine_fn mirror_wait_for_all(MirrorJob *s)
{
    while (s->in_flight > 0) {
        mirror_wait_for_op(s);
    }
}

/* --- one piece --------------------------------------------------------------- */

typedef enum PieceKind { PIECE_COPY, PIECE_ZERO, PIECE_DISCARD } PieceKind;

typedef struct Piece {
    MirrorJob *s;
    MirrorOp op;
    PieceKind kind;
    int64_t offset, bytes;
} Piece;

static void piece_failed(Piece *p, bool read, int ret)
{
    MirrorJob *s = p->s;

    bdrv_set_dirty_bitmap(s->dirty, p->offset, p->bytes);
    if (mirror_error_action(s, read, -ret) == BLOCK_ERROR_ACTION_REPORT && !s->ret) {
        s->ret = ret;
    }
}

static void coroutine_fn copy_piece(Piece *p)
{
    MirrorJob *s = p->s;
    void *buf = bdrv_blockalign(s->filter->backing->bs, p->bytes);
    IoVec qiov;
    int ret;

    if (!buf) {
        piece_failed(p, true, -ENOMEM);
        return;
    }
    iov_init_buf(&qiov, buf, p->bytes);
    ret = bdrv_read(s->filter->backing, p->offset, p->bytes, &qiov, 0, 0);
    if (ret < 0) {
        piece_failed(p, true, ret);
    } else {
        ret = bdrv_write(s->target, p->offset, p->bytes, &qiov, 0, 0);
        if (ret < 0) {
            piece_failed(p, false, ret);
        }
    }
    if (ret == 0) {
        job_progress_update(&s->common.job, p->bytes);
    }
    bdrv_memfree(buf);
}

static void coroutine_fn clear_piece(Piece *p)
{
    MirrorJob *s = p->s;
    int ret = p->kind == PIECE_ZERO ? bdrv_zero(s->target, p->offset, p->bytes, s->unmap ? BDRV_REQ_MAY_UNMAP : 0)
                                    : bdrv_discard(s->target, p->offset, p->bytes);

    if (ret < 0) {
        piece_failed(p, false, ret);
    } else {
        job_progress_update(&s->common.job, p->bytes);
    }
}

static void coroutine_fn piece_entry(void *opaque)
{
    Piece *p = opaque;
    MirrorJob *s = p->s;

    if (p->kind == PIECE_COPY) {
        copy_piece(p);
    } else {
        clear_piece(p);
    }
    mirror_op_end(s, &p->op);
    s->in_flight--;
    s->bytes_in_flight -= p->bytes;
    g_free(p);
    if (s->waiting) {
        s->waiting = false;
        aio_co_wake(s->common.job.co);
    }
    aio_wait_kick();
}

/* What is to be done with the range's start; *bytes is cut to where that holds. */
static PieceKind coroutine_fn classify(MirrorJob *s, int64_t offset, int64_t *bytes)
{
    int64_t n = *bytes;
    int ret = bdrv_block_status_above(s->filter->backing->bs, NULL, offset, *bytes, &n, NULL, NULL, NULL);

    if (ret < 0 || n <= 0 || (ret & BDRV_BLOCK_DATA)) {
        *bytes = MIN(*bytes, ret < 0 || n <= 0 ? s->max_io : MIN(ALIGN_UP(n, s->granularity), s->max_io));
        return PIECE_COPY;
    }
    /* Only what covers whole granules and clusters of the target can be cleared. */
    if (offset + n < s->length) {
        n = ALIGN_DOWN(n, MAX(s->granularity, s->target_cluster));
    }
    if (n == 0 || offset % MAX(s->granularity, s->target_cluster)) {
        *bytes = MIN(*bytes, s->max_io);
        n = MAX(s->granularity, s->target_cluster);
        *bytes = MIN(*bytes, n - offset % n);
        return PIECE_COPY;
    }
    *bytes = MIN(*bytes, n);
    return ret & BDRV_BLOCK_ZERO ? PIECE_ZERO : PIECE_DISCARD;
}

/*
 * Copy the start of a dirty stretch; returns how much of it.  First the whole stretch is ours and clean, only then we
 * look what is there: what is written from here on makes it dirty again, or waits for us (O2).
 */
static int64_t coroutine_fn start_piece(MirrorJob *s, int64_t offset, int64_t bytes)
{
    Piece *p = g_new0(Piece, 1);
    int64_t n = bytes;

    p->s = s;
    p->offset = offset;
    mirror_op_begin(s, &p->op, offset, bytes);
    bdrv_reset_dirty_bitmap(s->dirty, offset, bytes);
    p->kind = classify(s, offset, &n);
    p->bytes = n;
    if (n < bytes) {
        CO_SCOPED_LOCK(&s->lock);
        bdrv_set_dirty_bitmap(s->dirty, offset + n, bytes - n);
        p->op.bytes = ALIGN_UP(offset + n, s->granularity) - p->op.offset;
        co_queue_wake_all(&p->op.done);
    }
    s->in_flight++;
    s->bytes_in_flight += n;
    coroutine_enter(coroutine_create(piece_entry, p));
    return n;
}

/* The next dirty stretch, widened to whole clusters of the target; false: none. */
static bool next_stretch(MirrorJob *s, int64_t *offset, int64_t *bytes)
{
    int64_t unit = MAX(s->granularity, s->target_cluster), start, n;

    if (!bdrv_dirty_bitmap_next_dirty_area(s->dirty, s->next_offset, s->length, s->buf_size, &start, &n)) {
        s->next_offset = 0;
        if (!bdrv_dirty_bitmap_next_dirty_area(s->dirty, 0, s->length, s->buf_size, &start, &n)) {
            return false;
        }
    }
    *offset = ALIGN_DOWN(start, unit);
    *bytes = MIN(ALIGN_UP(start + n, unit), s->length) - *offset;
    s->next_offset = *offset + *bytes;
    return true;
}

int64_t coroutine_fn mirror_iteration(MirrorJob *s)
{
    int64_t offset, bytes, delay = 0;

    if (!next_stretch(s, &offset, &bytes)) {
        return 0;
    }
    while (bytes > 0 && !s->ret) {
        int64_t n;

        while (s->in_flight >= MIRROR_MAX_IN_FLIGHT) {
            mirror_wait_for_op(s);
        }
        if (s->ret < 0 || job_is_cancelled(&s->common.job)) {
            break;
        }
        n = start_piece(s, offset, bytes);
        delay = block_job_ratelimit_delay(&s->common, n);
        offset += n;
        bytes -= n;
    }
    return delay;
}
