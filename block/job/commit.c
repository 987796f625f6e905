/*
 * The commit job for a layer that is not the active one: what top and the layers below it hold is copied into base,
 * then top's overlay gets base as its backing file.
 *
 * A filter (commit_top) over top lets base be written although its overlays need it unchanged: it gives up consistent
 * reads, and the chain from it to base is frozen.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "block/block-jobs.h"
#include "top.h"
#include "util/cutils.h"

#define BUFFER_SIZE (512 * 1024)

typedef struct CommitJob {
    BlockJob common;
    BlockDriverState *filter;          /* over top; referenced until the end */
    BlockDriverState *base_bs;
    BlockDriverState *base_overlay;    /* the node right above base */
    BdrvChild *top, *base;             /* requests go here */
    BlockdevOnError on_error;
    bool base_read_only, chain_frozen;
    char *backing_file;                /* NULL: base's name */
} CommitJob;

/* --- the filter ----------------------------------------------------------------- */

static void top_child_perm(BlockDriverState *bs, BdrvChild *c, BdrvChildRole role, uint64_t perm, uint64_t shared,
                           uint64_t *nperm, uint64_t *nshared)
{
    *nperm = 0;
    *nshared = BLK_PERM_ALL;
}

static const BlockDriver commit_filter_driver = {
    .name = "commit_top",
    .is_filter = true,
    .never_freeze = true,
    .child_perm = top_child_perm,
    .refresh_filename = job_top_refresh_filename,
    .co_read = job_top_co_read,
    .getlength = job_top_getlength,
    .co_block_status = job_top_co_block_status,
};

static BlockDriverState *add_filter(BlockDriverState *top, const char *name, Error **errp)
{
    BlockDriverState *filter = bdrv_new_internal_node(&commit_filter_driver, name, 0, errp);

    if (!filter) {
        return NULL;
    }
    filter->implicit = !name;
    filter->total_bytes = top->total_bytes;
    filter->supported_read_flags = BDRV_REQ_PREFETCH;
    if (bdrv_append(filter, top, errp) < 0) {
        bdrv_unref(filter);
        return NULL;
    }
    bdrv_refresh_filename(filter);
    return filter;
}

static void remove_filter(CommitJob *s)
{
    BlockDriverState *filter = g_steal_pointer(&s->filter);

    bdrv_replace_node(filter, filter->backing->bs, &error_abort);
    bdrv_unref(filter);
}

/* --- the end ---------------------------------------------------------------------- */

static void unfreeze(CommitJob *s)
{
    if (s->chain_frozen) {
        bdrv_unfreeze_chain(s->filter, s->base_bs);
        s->chain_frozen = false;
    }
}

static void detach_io(CommitJob *s)
{
    block_job_detach_io(&s->common, g_steal_pointer(&s->base));
    block_job_detach_io(&s->common, g_steal_pointer(&s->top));
}

static int commit_prepare(Job *job)
{
    CommitJob *s = (CommitJob *)job;
    BlockDriverState *filter = s->filter, *top = filter->backing->bs;
    int ret;

    unfreeze(s);
    bdrv_ref(filter);
    bdrv_ref(top);
    /* Consistent reads come back with the filter's end: nobody may hold them off then. */
    block_job_detach_io(&s->common, g_steal_pointer(&s->base));
    ret = bdrv_drop_intermediate(filter, s->base_bs, s->backing_file);
    bdrv_unref(top);
    bdrv_unref(filter);
    return ret;
}

static void commit_abort(Job *job)
{
    CommitJob *s = (CommitJob *)job;
    BlockDriverState *top = s->filter->backing->bs;

    unfreeze(s);
    bdrv_ref(top);
    detach_io(s);
    block_job_remove_all_bdrv(&s->common);
    remove_filter(s);
    bdrv_unref(top);
}

static void commit_clean(Job *job)
{
    CommitJob *s = (CommitJob *)job;

    detach_io(s);
    block_job_remove_all_bdrv(&s->common);
    if (s->base_read_only) {
        bdrv_reopen_set_read_only(s->base_bs, true, NULL);
    }
    if (s->filter) {
        bdrv_unref(g_steal_pointer(&s->filter));
    }
    bdrv_unref(g_steal_pointer(&s->base_bs));
}

static void commit_free(Job *job)
{
    g_free(((CommitJob *)job)->backing_file);
    block_job_free(job);
}

/* --- the work ---------------------------------------------------------------------- */

static int coroutine_fn copy(CommitJob *s, int64_t offset, int64_t bytes, void *buf, bool *read_failed)
{
    IoVec qiov;
    int ret;

    iov_init_buf(&qiov, buf, bytes);
    ret = bdrv_read(s->top, offset, bytes, &qiov, 0, 0);
    *read_failed = ret < 0;
    return ret < 0 ? ret : bdrv_write(s->base, offset, bytes, &qiov, 0, 0);
}

static int coroutine_fn lengthen_base(CommitJob *s, int64_t len)
{
    int64_t base_len = bdrv_getlength(s->base_bs);

    if (base_len < 0) {
        return base_len;
    }
    return base_len < len ? bdrv_truncate(s->base, len, false, PREALLOC_OFF, 0, NULL) : 0;
}

/* One piece at offset; *n: its length.  1: try it again. */
static int coroutine_fn commit_piece(CommitJob *s, int64_t offset, int64_t len, void *buf, int64_t *n, int64_t *delay)
{
    bool read_failed = true, copied = false;
    int ret = bdrv_is_allocated_above(s->filter->backing->bs, s->base_overlay, true, offset,
                                      MIN(len - offset, BUFFER_SIZE), n);

    if (ret >= 0 && *n == 0) {
        *n = MIN(len - offset, BUFFER_SIZE);
    }
    if (ret > 0) {
        ret = copy(s, offset, *n, buf, &read_failed);
        copied = true;
    }
    if (ret < 0) {
        if (block_job_error_action(&s->common, s->on_error, read_failed, -ret) == BLOCK_ERROR_ACTION_REPORT) {
            return ret;
        }
        *n = 0;
        return 0;
    }
    job_progress_update(&s->common.job, *n);
    *delay = copied ? block_job_ratelimit_delay(&s->common, *n) : 0;
    return 0;
}

static int coroutine_fn commit_all(CommitJob *s, int64_t len)
{
    void *buf = bdrv_blockalign(s->base_bs, BUFFER_SIZE);
    int64_t n, delay = 0;
    int ret = buf ? 0 : -ENOMEM;

    for (int64_t offset = 0; ret == 0 && offset < len; offset += n) {
        job_sleep_ns(&s->common.job, delay);
        if (job_is_cancelled(&s->common.job)) {
            break;
        }
        ret = commit_piece(s, offset, len, buf, &n, &delay);
    }
    bdrv_memfree(buf);
    return ret;
}

static int coroutine_fn commit_run(Job *job, Error **errp)
{
    CommitJob *s = (CommitJob *)job;
    int64_t len = bdrv_getlength(s->filter->backing->bs);
    int ret;

    if (len < 0) {
        return len;
    }
    job_progress_set_remaining(job, len);
    ret = lengthen_base(s, len);
    ret = ret < 0 ? ret : commit_all(s, len);
    /* The overlay's header will name base, and nobody needs the images between: base has to hold all of them before. */
    return ret < 0 || job_is_cancelled(job) ? ret : bdrv_flush(s->base_bs);
}

static const JobDriver commit_driver = {
    .instance_size = sizeof(CommitJob),
    .type = JOB_TYPE_COMMIT,
    .free = commit_free,
    .user_resume = block_job_user_resume,
    .on_pending = block_job_on_pending,
    .on_ready = block_job_on_ready,
    .on_completed = block_job_on_completed,
    .on_cancelled = block_job_on_cancelled,
    .run = commit_run,
    .prepare = commit_prepare,
    .abort = commit_abort,
    .clean = commit_clean,
};

/* --- creation ----------------------------------------------------------------------- */

static bool block_intermediate(CommitJob *s, const CommitJobParams *p, Error **errp)
{
    uint64_t shared = BLK_PERM_WRITE_UNCHANGED | BLK_PERM_WRITE;
    BlockDriverState *filtered_base = bdrv_skip_filters(p->base);

    for (BlockDriverState *i = p->top; i && i != p->base; i = bdrv_filter_or_cow_bs(i)) {
        if (bdrv_skip_filters(i) == filtered_base) {
            shared |= BLK_PERM_CONSISTENT_READ;      /* filters over the base show just that */
        }
        if (block_job_add_bdrv(&s->common, "intermediate node", i, 0, shared, errp) < 0) {
            return false;
        }
    }
    if (bdrv_freeze_chain(s->filter, p->base, errp) < 0) {
        return false;
    }
    s->chain_frozen = true;
    return block_job_add_bdrv(&s->common, "base", p->base, 0, BLK_PERM_ALL, errp) == 0;
}

static bool attach_io(CommitJob *s, const CommitJobParams *p, int64_t base_size, int64_t top_size, Error **errp)
{
    uint64_t perm = BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE;

    if (base_size < top_size) {
        perm |= BLK_PERM_RESIZE;
    }
    s->base = block_job_attach_io(&s->common, p->base, perm, BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE_UNCHANGED, errp);
    if (s->base) {
        s->top = block_job_attach_io(&s->common, p->top, 0, BLK_PERM_ALL, errp);
    }
    return s->top != NULL;
}

static bool connect_job(CommitJob *s, const CommitJobParams *p, Error **errp)
{
    int64_t base_size = bdrv_getlength(p->base), top_size = bdrv_getlength(p->top);

    if (base_size < 0 || top_size < 0) {
        error_setg(errp, "Could not inquire %s image size", base_size < 0 ? "base" : "top");
        return false;
    }
    /* base is opened for writing only if it has to be */
    s->base_read_only = p->base->read_only;
    if (s->base_read_only && bdrv_reopen_set_read_only(p->base, false, errp) < 0) {
        s->base_read_only = false;
        return false;
    }
    s->filter = add_filter(p->top, p->filter_node_name, errp);
    return s->filter && block_intermediate(s, p, errp) && attach_io(s, p, base_size, top_size, errp);
}

static void undo(CommitJob *s)
{
    unfreeze(s);
    detach_io(s);
    block_job_remove_all_bdrv(&s->common);
    if (s->filter) {
        remove_filter(s);
    }
    if (s->base_read_only) {
        bdrv_reopen_set_read_only(s->base_bs, true, NULL);
    }
    bdrv_unref(g_steal_pointer(&s->base_bs));
    job_early_fail(&s->common.job);
}

BlockJob *commit_job_create(const CommitJobParams *p, Error **errp)
{
    CommitJob *s;

    if (bdrv_skip_filters(p->top) == bdrv_skip_filters(p->base)) {
        error_setg(errp, "Invalid files for merge: top and base are the same");
        return NULL;
    }
    s = block_job_create(p->job_id, &commit_driver, NULL, p->bs, 0, BLK_PERM_ALL, p->speed, p->flags, p->cb, p->opaque,
                         errp);
    if (!s) {
        return NULL;
    }
    s->base_bs = p->base;
    bdrv_ref(p->base);
    s->base_overlay = bdrv_find_overlay(p->top, p->base);
    s->on_error = p->on_error;
    s->backing_file = g_strdup(p->backing_file);
    if (!connect_job(s, p, errp)) {
        undo(s);
        return NULL;
    }
    return &s->common;
}
