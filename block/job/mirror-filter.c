/*
 * mirror_top: the filter that a mirror job puts over its source.  In background mode it notes what the guest writes;
 * in write-blocking mode the write goes to the target too before it is complete.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "mirror.h"
#include "top.h"
#include "util/cutils.h"

typedef enum WriteKind { WRITE_DATA, WRITE_ZEROES, WRITE_DISCARD } WriteKind;

typedef struct Write {
    WriteKind kind;
    int64_t offset, bytes;
    IoVec *qiov;
    size_t qiov_offset;
    BdrvRequestFlags flags;
} Write;

static int coroutine_fn write_to(BdrvChild *c, const Write *w, BdrvRequestFlags flags)
{
    switch (w->kind) {
    case WRITE_DATA:
        return bdrv_write(c, w->offset, w->bytes, w->qiov, w->qiov_offset, flags);
    case WRITE_ZEROES:
        return bdrv_zero(c, w->offset, w->bytes, flags);
    default:
        return bdrv_discard(c, w->offset, w->bytes);
    }
}

typedef struct ErrorReport {
    MirrorJob *s;
    int error;
} ErrorReport;

static void report_outside(void *opaque)
{
    ErrorReport *r = opaque;

    if (mirror_error_action(r->s, false, r->error) == BLOCK_ERROR_ACTION_REPORT && !r->s->ret) {
        r->s->ret = -r->error;
    }
}

/* The policy is a matter of the main thread. */
static void coroutine_fn report_target_error(MirrorJob *s, int error)
{
    ErrorReport r = { s, error };

    aio_run_outside(report_outside, &r);
}

/* The guest's data is on the source; now to the target. */
static void coroutine_fn sync_target(MirrorJob *s, const Write *w)
{
    /* Granules that are covered whole are in sync afterwards, whatever they were. */
    int64_t start = ALIGN_UP(w->offset, s->granularity);
    int64_t end = w->offset + w->bytes == s->length ? ALIGN_UP(s->length, s->granularity)
                                                    : ALIGN_DOWN(w->offset + w->bytes, s->granularity);
    int ret;

    if (start < end) {
        bdrv_reset_dirty_bitmap(s->dirty, start, end - start);
    }
    __atomic_add_fetch(&s->active_bytes, w->bytes, __ATOMIC_RELAXED);
    ret = write_to(s->target, w, w->flags & (BDRV_REQ_MAY_UNMAP | BDRV_REQ_FUA));
    __atomic_sub_fetch(&s->active_bytes, w->bytes, __ATOMIC_RELAXED);
    if (ret == 0) {
        __atomic_add_fetch(&s->common.job.progress_current, w->bytes, __ATOMIC_RELAXED);
        return;
    }
    bdrv_set_dirty_bitmap(s->dirty, ALIGN_DOWN(w->offset, s->granularity),
                          ALIGN_UP(w->offset + w->bytes, s->granularity) - ALIGN_DOWN(w->offset, s->granularity));
    __atomic_store_n(&s->actively_synced, false, __ATOMIC_SEQ_CST);
    report_target_error(s, -ret);
}

/*
 * What the guest wrote while it does not go to the target too is copied (again) by the job.  The job is looked up after the write: it
 * may have come while the write was under way, and read the source before it.
 */
static void note_write(BlockDriverState *bs, const Write *w)
{
    MirrorJob *s = ((MirrorFilter *)bs->opaque)->job;

    if (s && s->dirty) {
        __atomic_store_n(&s->actively_synced, false, __ATOMIC_SEQ_CST);
        bdrv_set_dirty_bitmap(s->dirty, w->offset, w->bytes);
    }
}

static int coroutine_fn do_write(BlockDriverState *bs, Write w)
{
    MirrorJob *s = ((MirrorFilter *)bs->opaque)->job;
    bool to_both = s && s->dirty && s->copy_mode == MIRROR_COPY_MODE_WRITE_BLOCKING && s->target && !s->ret &&
                   !job_is_cancelled(&s->common.job);
    MirrorOp op;
    int ret;

    if (to_both) {
        mirror_op_begin(s, &op, w.offset, w.bytes);
    }
    ret = write_to(bs->backing, &w, w.flags);
    if (to_both) {
        if (ret == 0) {
            sync_target(s, &w);
        } else {
            bdrv_set_dirty_bitmap(s->dirty, w.offset, w.bytes);
        }
        mirror_op_end(s, &op);
    } else {
        note_write(bs, &w);
    }
    return ret;
}

/* The data must not change between the two writes, as a guest's memory may. */
static int coroutine_fn top_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                     size_t qiov_offset, BdrvRequestFlags flags)
{
    MirrorJob *s = ((MirrorFilter *)bs->opaque)->job;
    IoVec bounce;
    void *buf;
    int ret;

    if (!s || s->copy_mode != MIRROR_COPY_MODE_WRITE_BLOCKING || s->ret) {
        return do_write(bs, (Write) { WRITE_DATA, offset, bytes, qiov, qiov_offset, flags });
    }
    buf = bdrv_blockalign(bs, bytes);
    if (!buf) {
        return -ENOMEM;
    }
    iov_to_buf(qiov, qiov_offset, buf, bytes);
    iov_init_buf(&bounce, buf, bytes);
    ret = do_write(bs, (Write) { WRITE_DATA, offset, bytes, &bounce, 0, flags & ~BDRV_REQ_REGISTERED_BUF });
    bdrv_memfree(buf);
    return ret;
}

static int coroutine_fn top_co_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    return do_write(bs, (Write) { WRITE_ZEROES, offset, bytes, .flags = flags });
}

static int coroutine_fn top_co_discard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    return do_write(bs, (Write) { WRITE_DISCARD, offset, bytes });
}

static int coroutine_fn top_co_flush(BlockDriverState *bs)
{
    return bs->backing ? bdrv_flush(bs->backing->bs) : 0;
}

/*
 * An active commit writes below itself: it may not insist on consistent reads there, and must let others (itself)
 * write.
 */
static void top_child_perm(BlockDriverState *bs, BdrvChild *c, BdrvChildRole role, uint64_t perm, uint64_t shared,
                           uint64_t *nperm, uint64_t *nshared)
{
    MirrorFilter *f = bs->opaque;

    if (f->stop) {
        *nperm = 0;
        *nshared = BLK_PERM_ALL;
        return;
    }
    bdrv_default_perms(bs, c, role, perm, shared, nperm, nshared);
    if (f->is_commit) {
        *nperm &= ~(uint64_t)BLK_PERM_CONSISTENT_READ;
        *nshared |= BLK_PERM_WRITE;
    }
}

const BlockDriver mirror_filter_driver = {
    .name = "mirror_top",
    .instance_size = sizeof(MirrorFilter),
    .is_filter = true,
    .never_freeze = true,
    .child_perm = top_child_perm,
    .refresh_filename = job_top_refresh_filename,
    .co_read = job_top_co_read,
    .co_write = top_co_write,
    .co_zero = top_co_zero,
    .co_discard = top_co_discard,
    .co_flush_to_disk = top_co_flush,
    .getlength = job_top_getlength,
    .co_block_status = job_top_co_block_status,
};
