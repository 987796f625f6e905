/*
 * The stream job: what the layers above the base hold is read through a copy-on-read filter and so copied into the
 * active image, which then has the base as its backing file.
 *
 * Each piece is "prefetched": read with BDRV_REQ_PREFETCH, which the filter turns into a copy where it is missing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include "block/block-jobs.h"
#include "util/cutils.h"

#define CHUNK (512 * 1024)

typedef struct StreamJob {
    BlockJob common;
    BlockDriverState *filter;          /* copy-on-read over target; referenced until the end */
    BlockDriverState *target;          /* the format node that gets the data */
    BlockDriverState *above_base;      /* the node right above the base: the last that is taken in */
    BlockDriverState *base_overlay;    /* the format node that has the base as its backing file */
    BdrvChild *io;                     /* requests go through the filter */
    BlockdevOnError on_error;
    char *backing_file;                /* NULL: base's name */
    bool reopened;                     /* target was read-only */
    bool frozen;
} StreamJob;

/* --- the end -------------------------------------------------------------------- */

static void unfreeze(StreamJob *s)
{
    if (s->frozen) {
        bdrv_unfreeze_chain(s->target, s->above_base);
        s->frozen = false;
    }
}

/* The header comes first: when it cannot be written the link is still there, and another stream can try again. */
static int set_backing_file(StreamJob *s, BlockDriverState *base, Error **errp)
{
    BlockDriverState *plain = bdrv_skip_filters(base);
    const char *name = NULL, *fmt = NULL;
    int ret;

    if (plain) {
        bdrv_refresh_filename(plain);
        name = s->backing_file ? s->backing_file : plain->filename;
        fmt = plain->drv ? plain->drv->name : NULL;
    }
    ret = bdrv_change_backing_file(s->target, name, fmt, false);
    if (ret == 0) {
        bdrv_set_backing_hd(s->target, base, errp);
    }
    return ret;
}

static int stream_prepare(Job *job)
{
    StreamJob *s = (StreamJob *)job;
    BlockDriverState *base;
    Error *err = NULL;
    int ret = 0;

    unfreeze(s);
    /* From here on the job does not need its filter, and the graph may change. */
    block_job_detach_io(&s->common, g_steal_pointer(&s->io));
    block_job_remove_all_bdrv(&s->common);
    bdrv_drained_begin(s->target);
    base = bdrv_filter_or_cow_bs(s->above_base);
    if (base) {
        bdrv_ref(base);
    }
    if (bdrv_cow_bs(s->target)) {
        ret = set_backing_file(s, base, &err);
        if (err) {
            error_report_err(err);
            ret = -EPERM;
        }
    }
    bdrv_unref(base);
    bdrv_drained_end(s->target);
    return ret;
}

static void stream_clean(Job *job)
{
    StreamJob *s = (StreamJob *)job;

    unfreeze(s);
    block_job_detach_io(&s->common, g_steal_pointer(&s->io));
    block_job_remove_all_bdrv(&s->common);
    if (s->filter) {
        BlockDriverState *filter = g_steal_pointer(&s->filter);

        bdrv_drained_begin(s->target);
        bdrv_replace_node(filter, s->target, &error_abort);
        bdrv_unref(filter);
        bdrv_drained_end(s->target);
    }
    if (s->reopened) {
        bdrv_reopen_set_read_only(s->target, true, NULL);
    }
    bdrv_unref(g_steal_pointer(&s->target));
}

static void stream_free(Job *job)
{
    g_free(((StreamJob *)job)->backing_file);
    block_job_free(job);
}

/* --- the work --------------------------------------------------------------------- */

/* How far from offset is the answer one: 1 to be copied, 0 nothing to do, -errno. */
static int coroutine_fn to_be_copied(StreamJob *s, int64_t offset, int64_t len, int64_t *n)
{
    int64_t max = MIN(len - offset, CHUNK);
    int ret = bdrv_is_allocated(s->target, offset, max, n);

    if (ret) {
        return ret < 0 ? ret : 0;
    }
    ret = bdrv_is_allocated_above(bdrv_backing_chain_next(s->target), s->base_overlay, true, offset,
                                  *n ? *n : max, n);
    if (ret == 0 && *n == 0) {
        *n = len - offset;             /* the layers below end before */
    }
    return ret;
}

/* A piece at offset, *n: its length.  *error: the first error that was ignored.  -errno: one to report. */
static int coroutine_fn stream_piece(StreamJob *s, int64_t offset, int64_t len, int64_t *n, int64_t *delay, int *error)
{
    int ret;

    *n = 0;
    *delay = 0;
    ret = to_be_copied(s, offset, len, n);
    if (ret > 0) {
        ret = bdrv_read(s->io, offset, *n, NULL, 0, BDRV_REQ_PREFETCH);
        if (ret == 0) {
            *delay = block_job_ratelimit_delay(&s->common, *n);
        }
    }
    if (ret < 0) {
        BlockErrorAction action = block_job_error_action(&s->common, s->on_error, true, -ret);

        if (action == BLOCK_ERROR_ACTION_STOP) {
            *n = 0;
            return 0;
        }
        if (action == BLOCK_ERROR_ACTION_REPORT) {
            return ret;
        }
        *error = *error ? *error : ret;      /* the piece is missing: the job fails in the end */
        *n = *n ? *n : MIN(len - offset, CHUNK);
    }
    job_progress_update(&s->common.job, *n);
    return 0;
}

static int coroutine_fn stream_run(Job *job, Error **errp)
{
    StreamJob *s = (StreamJob *)job;
    int64_t len, n, delay = 0;
    int error = 0;

    if (s->base_overlay == s->target) {
        return 0;                      /* nothing between it and the base */
    }
    len = bdrv_getlength(s->target);
    if (len < 0) {
        return len;
    }
    job_progress_set_remaining(job, len);
    for (int64_t offset = 0; offset < len; offset += n) {
        int ret;

        job_sleep_ns(job, delay);
        if (job_is_cancelled(job)) {
            break;
        }
        ret = stream_piece(s, offset, len, &n, &delay, &error);
        if (ret < 0) {
            return error ? error : ret;
        }
    }
    return error;
}

static const JobDriver stream_driver = {
    .instance_size = sizeof(StreamJob),
    .type = JOB_TYPE_STREAM,
    .free = stream_free,
    .user_resume = block_job_user_resume,
    .on_pending = block_job_on_pending,
    .on_ready = block_job_on_ready,
    .on_completed = block_job_on_completed,
    .on_cancelled = block_job_on_cancelled,
    .run = stream_run,
    .prepare = stream_prepare,
    .clean = stream_clean,
};

/* --- creation ------------------------------------------------------------------------ */

static BlockDriverState *add_filter(const StreamJobParams *p, BlockDriverState *bottom, Error **errp)
{
    QDict *opts = qdict_new();
    BlockDriverState *filter;

    qdict_put_str(opts, "driver", "copy-on-read");
    qdict_put_str(opts, "file", bdrv_get_node_name(p->bs));
    qdict_put_str(opts, "bottom", bdrv_get_node_name(bottom));
    if (p->filter_node_name) {
        qdict_put_str(opts, "node-name", p->filter_node_name);
    }
    filter = bdrv_insert_node(p->bs, opts, BDRV_O_RDWR, errp);
    if (filter && !p->filter_node_name) {
        filter->implicit = true;
        bdrv_refresh_filename(filter);
    }
    return filter;
}

/* The layers taken in must stay as they are, and be readable to the end. */
static bool connect_job(StreamJob *s, const StreamJobParams *p, BlockDriverState *base, Error **errp)
{
    uint64_t basic = BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE_UNCHANGED;

    if (block_job_add_bdrv(&s->common, "active node", s->target, 0, basic | BLK_PERM_WRITE, errp) < 0) {
        return false;
    }
    for (BlockDriverState *i = bdrv_filter_or_cow_bs(s->target); i && i != base; i = bdrv_filter_or_cow_bs(i)) {
        if (block_job_add_bdrv(&s->common, "intermediate node", i, 0, basic, errp) < 0) {
            return false;
        }
    }
    s->io = block_job_attach_io(&s->common, s->filter, BLK_PERM_CONSISTENT_READ, basic | BLK_PERM_WRITE, errp);
    return s->io != NULL;
}

static void undo(StreamJob *s, BlockDriverState *filter, BlockDriverState *target, BlockDriverState *above_base,
                 bool reopened)
{
    if (s) {
        block_job_detach_io(&s->common, g_steal_pointer(&s->io));
        block_job_remove_all_bdrv(&s->common);
        s->frozen = false;
        job_early_fail(&s->common.job);
    }
    bdrv_unfreeze_chain(target, above_base);
    if (filter) {
        bdrv_drained_begin(target);
        bdrv_replace_node(filter, filter->file->bs, &error_abort);
        bdrv_unref(filter);
        bdrv_drained_end(target);
    }
    if (reopened) {
        bdrv_reopen_set_read_only(target, true, NULL);
    }
    bdrv_unref(target);
}

/* The image that gets the base as its backing file, and the node right above the base (a filter may be there). */
static void find_overlay(const StreamJobParams *p, BlockDriverState **base_overlay, BlockDriverState **above_base)
{
    BlockDriverState *below;

    if (p->bottom) {
        *base_overlay = *above_base = p->bottom;
        return;
    }
    *base_overlay = *above_base = bdrv_find_overlay(p->bs, p->base);
    while (*above_base && (below = bdrv_filter_or_cow_bs(*above_base)) != p->base && below) {
        *above_base = below;
    }
}

BlockJob *stream_job_create(const StreamJobParams *p, Error **errp)
{
    BlockDriverState *target = bdrv_skip_filters(p->bs), *base_overlay, *above_base, *base, *filter = NULL;
    bool reopened = target->read_only;
    StreamJob *s = NULL;

    find_overlay(p, &base_overlay, &above_base);
    if (!above_base) {
        error_setg(errp, "Node '%s' is not in the chain of '%s'", bdrv_get_node_name(p->base), bdrv_get_node_name(p->bs));
        return NULL;
    }
    if (bdrv_freeze_chain(target, above_base, errp) < 0) {
        return NULL;
    }
    bdrv_ref(target);
    if (reopened && bdrv_reopen_set_read_only(target, false, errp) < 0) {
        undo(NULL, NULL, target, above_base, false);
        return NULL;
    }
    filter = add_filter(p, base_overlay, errp);
    base = bdrv_filter_or_cow_bs(above_base);
    if (filter) {
        s = block_job_create(p->job_id, &stream_driver, NULL, filter, 0, BLK_PERM_ALL, p->speed, p->flags, NULL, NULL,
                             errp);
    }
    if (s) {
        s->filter = filter;
        s->target = target;
        s->above_base = above_base;
        s->base_overlay = base_overlay;
        s->on_error = p->on_error;
        s->backing_file = g_strdup(p->backing_file);
        s->reopened = reopened;
        s->frozen = true;
        if (connect_job(s, p, base, errp)) {
            return &s->common;
        }
    }
    undo(s, filter, target, above_base, reopened);
    return NULL;
}
