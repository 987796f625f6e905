/*
 * The end of a mirror: the target takes the place of the source (or not), the filter goes.
 *
 * The source is drained since the last step of mirror_run, so what was in sync stays so.  The order matters: the
 * target's writer goes before the target may become part of the guest's chain; the filter gives up its permissions
 * before the source may become somebody's backing file; the blockers go before the filter.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "mirror.h"

/* Does the chain (or filter tree) from bs lead to to_replace without a change of what is seen? */
static bool can_replace(BlockDriverState *bs, BlockDriverState *to_replace)
{
    BdrvChild *filtered;

    if (!bs) {
        return false;
    }
    if (bs == to_replace) {
        return true;
    }
    filtered = bdrv_filter_child(bs);
    return filtered && can_replace(filtered->bs, to_replace);
}

/* The numbers are those that the peer's jobs end with. */
static int set_backing(MirrorJob *s, BlockDriverState *source, Error **errp)
{
    BlockDriverState *target = bdrv_skip_filters(s->target_bs);
    BlockDriverState *backing;

    if (s->backing_mode == MIRROR_BACKING_OPEN) {
        return bdrv_open_backing_file(target, NULL, "backing", errp) < 0 ? -EINVAL : 0;
    }
    if (s->backing_mode == MIRROR_BACKING_SOURCE) {
        backing = s->is_none ? source : s->base;
        if (bdrv_cow_bs(target) != backing) {
            return bdrv_set_backing_hd(target, backing, errp) < 0 ? -EPERM : 0;
        }
    }
    return 0;
}

static int switch_to_target(MirrorJob *s, BlockDriverState *source, Error **errp)
{
    BlockDriverState *to_replace = s->to_replace ? s->to_replace : source;
    int ret = -EPERM;

    if (to_replace->read_only != s->target_bs->read_only) {
        bdrv_reopen_set_read_only(s->target_bs, to_replace->read_only, NULL);
    }
    bdrv_drained_begin(s->target_bs);
    if (can_replace(source, to_replace)) {
        ret = bdrv_replace_node(to_replace, s->target_bs, errp);
    } else {
        error_setg(errp, "Can no longer replace '%s' by '%s', because it can no longer be guaranteed that doing so "
                   "would not lead to an abrupt change of visible data", to_replace->node_name,
                   s->target_bs->node_name);
    }
    bdrv_drained_end(s->target_bs);
    return ret < 0 ? -EPERM : 0;
}

static void forget_to_replace(MirrorJob *s)
{
    if (s->to_replace) {
        bdrv_op_unblock_all(s->to_replace, s->replace_blocker);
        error_free(g_steal_pointer(&s->replace_blocker));
        bdrv_unref(g_steal_pointer(&s->to_replace));
    }
}

/* The filter gives up what it holds; it is drained until it is gone. */
static void stop_filter(MirrorJob *s)
{
    bdrv_drained_begin(s->filter);
    ((MirrorFilter *)s->filter->opaque)->stop = true;
    bdrv_child_refresh_perms(s->filter, s->filter->backing, NULL);
}

static void remove_filter(MirrorJob *s)
{
    BlockDriverState *filter = g_steal_pointer(&s->filter);

    bdrv_replace_node(filter, filter->backing->bs, &error_abort);
    ((MirrorFilter *)filter->opaque)->job = NULL;
    bdrv_drained_end(filter);
    bdrv_unref(filter);
}

static int mirror_end(MirrorJob *s, bool failed)
{
    BlockDriverState *source, *target = s->target_bs;
    bool was_drained = s->in_drain;
    Error *err = NULL;
    int ret = 0;

    if (s->prepared) {
        return 0;                      /* it was the preparation that failed: all is undone */
    }
    s->prepared = true;
    source = s->filter->backing->bs;
    if (s->target_is_backing) {
        bdrv_unfreeze_chain(s->filter, target);
    }
    bdrv_ref(source);
    bdrv_ref(target);
    block_job_detach_io(&s->common, g_steal_pointer(&s->target));
    stop_filter(s);
    bdrv_release_dirty_bitmap(g_steal_pointer(&s->dirty));
    if (!failed) {
        ret = set_backing(s, source, &err);
    }
    if (ret == 0 && !failed && s->should_complete) {
        ret = switch_to_target(s, source, &err);
    }
    if (err) {
        error_report_err(err);
    }
    forget_to_replace(s);
    block_job_remove_all_bdrv(&s->common);
    remove_filter(s);
    if (was_drained) {
        bdrv_drained_end(source);
    }
    s->in_drain = false;
    bdrv_unref(target);
    bdrv_unref(source);
    return ret;
}

int mirror_prepare(Job *job)
{
    return mirror_end((MirrorJob *)job, false);
}

void mirror_abort(Job *job)
{
    mirror_end((MirrorJob *)job, true);
}

void mirror_free(Job *job)
{
    g_free(((MirrorJob *)job)->replaces);
    block_job_free(job);
}

void mirror_complete(Job *job, Error **errp)
{
    MirrorJob *s = (MirrorJob *)job;

    if (!job_is_ready(job)) {
        error_setg(errp, "The active block job '%s' cannot be completed", job->id);
        return;
    }
    if (s->replaces && !s->to_replace) {
        BlockDriverState *to_replace = bdrv_find_node(s->replaces);

        if (!to_replace) {
            error_setg(errp, "Node name '%s' not found", s->replaces);
            return;
        }
        s->to_replace = to_replace;
        bdrv_ref(to_replace);
        error_setg(&s->replace_blocker, "block device is in use by block-job-complete");
        bdrv_op_block_all(to_replace, s->replace_blocker);
    }
    s->should_complete = true;
    if (!job->paused) {
        job_enter(job);
    }
}
