/*
 * The mirror job: first everything that is to be copied, then (ready) what the guest writes, until told to complete.
 *
 *   running: mark_all, then copy what is dirty     -> ready when nothing is dirty or in flight
 *   ready:   copy what becomes dirty               -> drained, still nothing dirty: run returns, the source stays
 *            completion or a soft cancel asked for     drained until mirror-end.c has switched
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "mirror.h"
#include "util/cutils.h"

/* --- what is to be copied ------------------------------------------------------ */

/* Now and then a pause point: waiting for long is no reason to be deaf. */
static void coroutine_fn breathe(MirrorJob *s)
{
    int64_t now = aio_clock_ns(AIO_CLOCK_REALTIME);

    if (now - s->last_pause_ns > MIRROR_SLICE_NS) {
        s->last_pause_ns = now;
        job_sleep_ns(&s->common.job, 0);
    } else {
        job_pause_point(&s->common.job);
    }
}

static bool can_unmap(const BlockDriverState *bs)
{
    return (bs->open_flags & BDRV_O_UNMAP) && (bs->supported_zero_flags & BDRV_REQ_MAY_UNMAP);
}

/* The target holds something else: as zeroes where it is cheap. */
static int coroutine_fn zero_all(MirrorJob *s)
{
    int64_t chunk = MAX(s->max_io, 1 << 20);

    for (int64_t offset = 0; offset < s->length; offset += chunk) {
        int64_t n = MIN(chunk, s->length - offset);
        int ret = bdrv_zero(s->target, offset, n, s->unmap ? BDRV_REQ_MAY_UNMAP : 0);

        if (ret < 0) {
            bdrv_set_dirty_bitmap(s->dirty, offset, n);          /* unless the job ends here: zeroes are copied, too */
            if (mirror_error_action(s, false, -ret) == BLOCK_ERROR_ACTION_REPORT) {
                return ret;
            }
        }
        breathe(s);
        if (job_is_cancelled(&s->common.job)) {
            break;
        }
    }
    return 0;
}

static int coroutine_fn mark_all(MirrorJob *s)
{
    BlockDriverState *source = s->filter->backing->bs;
    int64_t n;

    if (s->zero_target) {
        int ret = 0;

        if (!can_unmap(s->target_bs)) {
            bdrv_set_dirty_bitmap(s->dirty, 0, s->length);
            return 0;
        }
        ret = zero_all(s);
        if (ret < 0) {
            return ret;
        }
    }
    for (int64_t offset = 0; offset < s->length; offset += n) {
        int ret;

        breathe(s);
        if (job_is_cancelled(&s->common.job)) {
            return 0;
        }
        ret = bdrv_is_allocated_above(source, s->base_overlay, true, offset, MIN(s->length - offset, INT64_C(1) << 30), &n);
        if (ret < 0) {
            return ret;
        }
        n = n ? n : s->length - offset;
        if (ret == 1) {
            bdrv_set_dirty_bitmap(s->dirty, offset, n);
        }
    }
    return 0;
}

/* --- preparations ------------------------------------------------------------------ */

static int coroutine_fn check_lengths(MirrorJob *s, Error **errp)
{
    int64_t target = bdrv_getlength(s->target_bs);

    s->length = bdrv_getlength(s->filter->backing->bs);
    if (s->length < 0) {
        return s->length;
    }
    if (target < 0) {
        return target;
    }
    if (s->base == s->target_bs) {
        /* An active commit makes the base as long as the active layer. */
        return target < s->length ? bdrv_truncate(s->target, s->length, false, PREALLOC_OFF, 0, errp) : 0;
    }
    if (target != s->length) {
        error_setg(errp, "Source and target image have different sizes");
        return -EINVAL;
    }
    return 0;
}

static int coroutine_fn look_at_target(MirrorJob *s)
{
    BlockDriverInfo bdi = { 0 };

    s->target_cluster = BDRV_SECTOR_SIZE;
    /* The target's backing file is not there yet to fill the rest of a cluster: whole ones are copied. */
    if (s->target_bs->backing_file[0] && !bdrv_backing_chain_next(s->target_bs) &&
        bdrv_get_info(s->target_bs, &bdi) >= 0 && bdi.cluster_size > 0) {
        s->target_cluster = bdi.cluster_size;
    }
    s->buf_size = MAX(s->buf_size, s->target_cluster);
    s->max_io = ALIGN_DOWN(MAX(s->buf_size / MIRROR_MAX_IN_FLIGHT, 1 << 20), MAX(s->granularity, s->target_cluster));
    s->max_io = MAX(s->max_io, MAX(s->granularity, s->target_cluster));
    return 0;
}

/* --- the loop ------------------------------------------------------------------------ */

static int coroutine_fn flush_target(MirrorJob *s)
{
    int ret = bdrv_flush(s->target_bs);

    if (ret < 0 && mirror_error_action(s, false, -ret) == BLOCK_ERROR_ACTION_REPORT) {
        s->ret = ret;
    }
    return ret;
}

static int64_t count_and_show(MirrorJob *s)
{
    int64_t count = bdrv_dirty_bitmap_count(s->dirty);

    job_progress_set_remaining(&s->common.job, s->bytes_in_flight + count +
                               __atomic_load_n(&s->active_bytes, __ATOMIC_RELAXED));
    return count;
}

/* Stop all other writers; true when nothing came in between and all is over. */
static bool coroutine_fn drain_and_end(MirrorJob *s)
{
    BlockDriverState *source = s->filter->backing->bs;

    s->in_drain = true;
    bdrv_drained_begin(source);
    if (bdrv_dirty_bitmap_count(s->dirty) == 0 && flush_target(s) == 0) {
        return true;
    }
    bdrv_drained_end(source);
    s->in_drain = false;
    return false;
}

/* One turn.  1: all in sync and drained, 0: go on, *delay: ns to sleep (-1: not at all) */
static int coroutine_fn turn(MirrorJob *s, int64_t *delay)
{
    Job *job = &s->common.job;
    int64_t count = count_and_show(s);
    bool finish = false;

    *delay = 0;
    if (aio_clock_ns(AIO_CLOCK_REALTIME) - s->last_pause_ns < MIRROR_SLICE_NS &&
        s->common.iostatus == BLOCK_DEVICE_IO_STATUS_OK) {
        if (s->in_flight >= MIRROR_MAX_IN_FLIGHT || s->bytes_in_flight >= s->buf_size || (!count && s->in_flight > 0)) {
            mirror_wait_for_op(s);
            *delay = -1;
            return 0;
        }
        if (count) {
            *delay = mirror_iteration(s);
        }
    }
    if (s->in_flight == 0 && count == 0) {
        if (!job_is_ready(job)) {
            if (flush_target(s) < 0) {
                *delay = -1;
                return 0;
            }
            job_transition_to_ready(job);
            __atomic_store_n(&s->actively_synced, s->copy_mode != MIRROR_COPY_MODE_BACKGROUND, __ATOMIC_SEQ_CST);
        }
        finish = s->should_complete || job_cancel_requested(job);
        count = bdrv_dirty_bitmap_count(s->dirty);
    }
    if (count == 0 && finish) {
        *delay = -1;
        return drain_and_end(s);
    }
    if (job_is_ready(job) && !finish) {
        *delay = s->in_flight == 0 && count == 0 ? MIRROR_SLICE_NS : *delay;
    }
    return 0;
}

static int coroutine_fn copy_until_done(MirrorJob *s)
{
    Job *job = &s->common.job;
    int64_t delay;

    s->last_pause_ns = aio_clock_ns(AIO_CLOCK_REALTIME);
    for (;;) {
        if (s->ret < 0) {
            return s->ret;
        }
        job_pause_point(job);
        if (job_is_cancelled(job)) {
            return 0;
        }
        if (turn(s, &delay)) {
            return 0;
        }
        if (delay >= 0) {
            job_sleep_ns(job, delay);
            if (job_is_cancelled(job)) {
                return 0;
            }
            s->last_pause_ns = aio_clock_ns(AIO_CLOCK_REALTIME);
        }
    }
}

/* Nothing to copy: only the switch is left. */
static void coroutine_fn wait_for_completion(MirrorJob *s)
{
    Job *job = &s->common.job;

    job_transition_to_ready(job);
    __atomic_store_n(&s->actively_synced, true, __ATOMIC_SEQ_CST);
    while (!job_cancel_requested(job) && !s->should_complete) {
        job_yield(job);
    }
}

int coroutine_fn mirror_run(Job *job, Error **errp)
{
    MirrorJob *s = (MirrorJob *)job;
    int ret = check_lengths(s, errp);

    if (ret == 0) {
        ret = look_at_target(s);
    }
    s->last_pause_ns = aio_clock_ns(AIO_CLOCK_REALTIME);
    if (ret == 0 && s->length == 0) {
        wait_for_completion(s);
    } else if (ret == 0) {
        ret = s->is_none ? 0 : mark_all(s);
        if (ret == 0 && !job_is_cancelled(job)) {
            ret = copy_until_done(s);
        }
    }
    mirror_wait_for_all(s);            /* only when something went wrong is there anything */
    if (!s->in_drain) {
        s->in_drain = true;
        bdrv_drained_begin(s->filter->backing->bs);
    }
    return ret;
}
