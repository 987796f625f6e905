/*
 * Creating mirror jobs: blockdev-mirror, drive-mirror, and the active commit, which mirrors the active layer into a
 * node of its own backing chain.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "mirror.h"
#include "util/cutils.h"

#define DEFAULT_BUF_SIZE (16 << 20)

static bool mirror_cancel(Job *job, bool force)
{
    return force || !job_is_ready(job);
}

static void coroutine_fn mirror_pause(Job *job)
{
    mirror_wait_for_all((MirrorJob *)job);
}

/* While the job itself drains, its requests are what is left to wait for. */
static bool mirror_drained_poll(Job *job)
{
    MirrorJob *s = (MirrorJob *)job;

    if (!job->paused && !job_is_cancelled(job) && !s->in_drain) {
        return true;
    }
    return s->in_flight > 0;
}

#define MIRROR_DRIVER(kind) {                       \
    .instance_size = sizeof(MirrorJob),             \
    .type = kind,                                   \
    .free = mirror_free,                            \
    .user_resume = block_job_user_resume,           \
    .on_pending = block_job_on_pending,             \
    .on_ready = block_job_on_ready,                 \
    .on_completed = block_job_on_completed,         \
    .on_cancelled = block_job_on_cancelled,         \
    .run = mirror_run,                              \
    .prepare = mirror_prepare,                      \
    .abort = mirror_abort,                          \
    .pause = mirror_pause,                          \
    .complete = mirror_complete,                    \
    .cancel = mirror_cancel,                        \
    .drained_poll = mirror_drained_poll,            \
}

static const JobDriver mirror_driver = MIRROR_DRIVER(JOB_TYPE_MIRROR);
static const JobDriver commit_active_driver = MIRROR_DRIVER(JOB_TYPE_COMMIT);

typedef struct MirrorStart {
    const MirrorJobParams *p;
    const JobDriver *driver;
    BlockDriverState *base;
    bool is_none;
    void (*cb)(void *opaque, int ret);
    void *opaque;
} MirrorStart;

static BlockDriverState *add_filter(const MirrorStart *m, bool is_commit, Error **errp)
{
    BlockDriverState *bs = m->p->bs, *top;
    int ret;

    top = bdrv_new_internal_node(&mirror_filter_driver, m->p->filter_node_name, BDRV_O_RDWR, errp);
    if (!top) {
        return NULL;
    }
    top->implicit = !m->p->filter_node_name;
    top->total_bytes = bs->total_bytes;
    top->supported_read_flags = BDRV_REQ_PREFETCH;
    top->supported_write_flags = BDRV_REQ_WRITE_UNCHANGED;
    top->supported_zero_flags = BDRV_REQ_WRITE_UNCHANGED | BDRV_REQ_NO_FALLBACK | BDRV_REQ_MAY_UNMAP;
    ((MirrorFilter *)top->opaque)->is_commit = is_commit;
    bdrv_drained_begin(bs);
    ret = bdrv_append(top, bs, errp);
    bdrv_drained_end(bs);
    if (ret < 0) {
        bdrv_unref(top);
        return NULL;
    }
    bdrv_refresh_filename(top);
    return top;
}

static void drop_filter(BlockDriverState *top)
{
    bdrv_drained_begin(top);
    ((MirrorFilter *)top->opaque)->stop = true;
    bdrv_child_refresh_perms(top, top->backing, NULL);
    bdrv_replace_node(top, top->backing->bs, &error_abort);
    bdrv_drained_end(top);
    bdrv_unref(top);
}

/* The edge through which we write. */
static BdrvChild *attach_target(MirrorJob *s, BlockDriverState *bs, BlockDriverState *target, Error **errp)
{
    uint64_t perm = BLK_PERM_WRITE, shared = BLK_PERM_WRITE_UNCHANGED;

    if (s->target_is_backing) {
        int64_t bs_size = bdrv_getlength(bs), target_size = bdrv_getlength(target);

        if (bs_size < 0 || target_size < 0) {
            error_setg_errno(errp, bs_size < 0 ? -bs_size : -target_size, "Could not inquire %s image size",
                             bs_size < 0 ? "top" : "base");
            return NULL;
        }
        if (target_size < bs_size) {
            perm |= BLK_PERM_RESIZE;
        }
        shared |= BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE;
    } else if (bdrv_chain_contains(bs, bdrv_skip_filters(target))) {
        error_setg(errp, "Cannot mirror to a filter on top of a node in the source's backing chain");
        return NULL;
    }
    return block_job_attach_io(&s->common, target, perm, shared, errp);
}

/* What lies between an active layer and its base becomes wrong while it is committed. */
static int block_intermediate(MirrorJob *s, BlockDriverState *bs, BlockDriverState *target, Error **errp)
{
    uint64_t shared = BLK_PERM_WRITE_UNCHANGED | BLK_PERM_WRITE;
    BlockDriverState *filtered_base = bdrv_skip_filters(target);

    for (BlockDriverState *i = bdrv_filter_or_cow_bs(bs); i != target; i = bdrv_filter_or_cow_bs(i)) {
        if (bdrv_skip_filters(i) == filtered_base) {
            shared |= BLK_PERM_CONSISTENT_READ;      /* filters over the base show just that */
        }
        if (block_job_add_bdrv(&s->common, "intermediate node", i, 0, shared, errp) < 0) {
            return -EPERM;
        }
    }
    return bdrv_freeze_chain(s->filter, target, errp);
}

static void fill_job(MirrorJob *s, const MirrorStart *m)
{
    const MirrorJobParams *p = m->p;

    s->target_bs = p->target;
    s->base = m->base;
    s->base_overlay = m->base ? bdrv_find_overlay(p->bs, m->base) : NULL;
    s->is_none = m->is_none;
    s->target_is_backing = bdrv_chain_contains(p->bs, p->target);
    s->backing_mode = p->backing_mode;
    s->copy_mode = p->copy_mode;
    s->zero_target = p->zero_target;
    s->unmap = p->unmap;
    s->on_source_error = p->on_source_error;
    s->on_target_error = p->on_target_error;
    s->replaces = g_strdup(p->replaces);
    s->granularity = p->granularity ? p->granularity : bdrv_default_bitmap_granularity(p->target);
    s->buf_size = ALIGN_UP(p->buf_size ? p->buf_size : DEFAULT_BUF_SIZE, s->granularity);
    co_mutex_init(&s->lock);
}

static bool connect_job(MirrorJob *s, const MirrorStart *m, Error **errp)
{
    const MirrorJobParams *p = m->p;

    s->dirty = bdrv_create_dirty_bitmap(p->bs, s->granularity, NULL, errp);
    if (!s->dirty) {
        return false;
    }
    if (s->copy_mode == MIRROR_COPY_MODE_WRITE_BLOCKING) {
        bdrv_disable_dirty_bitmap(s->dirty);      /* what is written goes to both: nothing to record */
    }
    if (block_job_add_bdrv(&s->common, "source", p->bs, 0,
                           BLK_PERM_WRITE_UNCHANGED | BLK_PERM_WRITE | BLK_PERM_CONSISTENT_READ, errp) < 0) {
        return false;
    }
    s->target = attach_target(s, p->bs, p->target, errp);
    if (!s->target) {
        return false;
    }
    if (block_job_add_bdrv(&s->common, "target", p->target, 0, BLK_PERM_ALL, errp) < 0) {
        return false;
    }
    return !s->target_is_backing || block_intermediate(s, p->bs, p->target, errp) == 0;
}

static void undo_job(MirrorJob *s)
{
    if (s->dirty) {
        bdrv_release_dirty_bitmap(g_steal_pointer(&s->dirty));
    }
    block_job_detach_io(&s->common, g_steal_pointer(&s->target));
    block_job_remove_all_bdrv(&s->common);
    s->prepared = true;
    job_early_fail(&s->common.job);
}

static BlockJob *start(const MirrorStart *m, Error **errp)
{
    const MirrorJobParams *p = m->p;
    BlockDriverState *filter;
    MirrorJob *s;

    if (p->buf_size < 0) {
        error_setg(errp, "Invalid parameter 'buf-size'");
        return NULL;
    }
    if (bdrv_skip_filters(p->bs) == bdrv_skip_filters(p->target)) {
        error_setg(errp, "Can't mirror node into itself");
        return NULL;
    }
    filter = add_filter(m, bdrv_chain_contains(p->bs, p->target), errp);
    if (!filter) {
        return NULL;
    }
    s = block_job_create(p->job_id, m->driver, NULL, filter, BLK_PERM_CONSISTENT_READ,
                         BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE_UNCHANGED | BLK_PERM_WRITE, p->speed, p->flags,
                         m->cb, m->opaque, errp);
    if (s) {
        fill_job(s, m);
        s->filter = filter;
        if (connect_job(s, m, errp)) {
            ((MirrorFilter *)filter->opaque)->job = s;
            return &s->common;
        }
        undo_job(s);
    }
    drop_filter(filter);
    return NULL;
}

BlockJob *mirror_job_create(const MirrorJobParams *p, Error **errp)
{
    MirrorStart m = { p, &mirror_driver };

    if (p->sync == MIRROR_SYNC_MODE_INCREMENTAL || p->sync == MIRROR_SYNC_MODE_BITMAP) {
        error_setg(errp, "Sync mode '%s' not supported", MirrorSyncMode_str(p->sync));
        return NULL;
    }
    m.is_none = p->sync == MIRROR_SYNC_MODE_NONE;
    m.base = p->sync == MIRROR_SYNC_MODE_TOP ? bdrv_backing_chain_next(p->bs) : NULL;
    return start(&m, errp);
}

BlockJob *commit_active_job_create(const CommitJobParams *c, Error **errp)
{
    ERRP_GUARD();
    MirrorJobParams p = {
        .job_id = c->job_id, .flags = c->flags, .bs = c->bs, .target = c->base, .speed = c->speed,
        .backing_mode = MIRROR_BACKING_LEAVE, .on_source_error = c->on_error, .on_target_error = c->on_error,
        .unmap = true, .filter_node_name = c->filter_node_name, .copy_mode = MIRROR_COPY_MODE_BACKGROUND,
    };
    MirrorStart m = { &p, &commit_active_driver, c->base, false, c->cb, c->opaque };
    bool base_read_only = c->base->read_only;
    BlockJob *job;

    if (base_read_only && bdrv_reopen_set_read_only(c->base, false, errp) < 0) {
        return NULL;
    }
    job = start(&m, errp);
    if (!job && base_read_only) {
        bdrv_reopen_set_read_only(c->base, true, NULL);
    }
    return job;
}
