/*
 * blockdev-mirror and drive-mirror: arguments to a mirror job.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "block/block-jobs.h"
#include "block/blockdev.h"
#include "internal.h"
#include "qapi/commands-block-core.h"
#include "util/cutils.h"

/* May `replaces` be given over to the target: is it what bs shows, and as long as the target? */
static bool check_replaces(BlockDriverState *bs, const char *replaces, Error **errp)
{
    BlockDriverState *to_replace = bdrv_find_node(replaces), *i = bs;
    BdrvChild *c;

    if (!to_replace) {
        error_setg(errp, "Failed to find node with node-name='%s'", replaces);
        return false;
    }
    if (bdrv_op_is_blocked(to_replace, BLOCK_OP_REPLACE, errp)) {
        return false;
    }
    while (i != to_replace && (c = bdrv_filter_child(i))) {
        i = c->bs;
    }
    if (i != to_replace) {
        error_setg(errp, "Cannot replace '%s' by a node mirrored from '%s', because it cannot be guaranteed that doing "
                   "so would not lead to an abrupt change of visible data", replaces, bdrv_get_node_name(bs));
        return false;
    }
    if (bdrv_getlength(bs) < 0 || bdrv_getlength(to_replace) < 0) {
        error_setg(errp, "Failed to query node's size");
        return false;
    }
    if (bdrv_getlength(bs) != bdrv_getlength(to_replace)) {
        error_setg(errp, "cannot replace image with a mirror image of different size");
        return false;
    }
    return true;
}

/* What both commands check; p: all but the defaults below. */
static void start_mirror(MirrorJobParams *p, bool has_granularity, Error **errp)
{
    BlockDriverState *unfiltered = bdrv_skip_filters(p->bs);
    BlockJob *job;

    if (has_granularity && (p->granularity < 512 || p->granularity > 64 << 20)) {
        error_setg(errp, "Parameter 'granularity' expects a value in range [512B, 64MB]");
        return;
    }
    if (has_granularity && !IS_POW2(p->granularity)) {
        error_setg(errp, "Parameter 'granularity' expects a power of 2");
        return;
    }
    if (bdrv_op_is_blocked(p->bs, BLOCK_OP_MIRROR_SOURCE, errp) ||
        bdrv_op_is_blocked(p->target, BLOCK_OP_MIRROR_TARGET, errp)) {
        return;
    }
    if (!bdrv_backing_chain_next(p->bs) && p->sync == MIRROR_SYNC_MODE_TOP) {
        p->sync = MIRROR_SYNC_MODE_FULL;
    }
    /* The target takes the place of what is shown, not of filters that nobody named. */
    if (!p->replaces && unfiltered != p->bs) {
        p->replaces = bdrv_get_node_name(unfiltered);
    }
    if (p->replaces && !check_replaces(p->bs, p->replaces, errp)) {
        return;
    }
    job = mirror_job_create(p, errp);
    if (job) {
        job_start(&job->job);
    }
}

void qmp_blockdev_mirror(const BlockdevMirrorArgs *arg, Error **errp)
{
    MirrorJobParams p = {
        .job_id = arg->job_id, .replaces = arg->replaces, .sync = arg->sync,
        .speed = arg->has_speed ? arg->speed : 0,
        .granularity = arg->has_granularity ? arg->granularity : 0,
        .buf_size = arg->has_buf_size ? arg->buf_size : 0,
        .backing_mode = MIRROR_BACKING_LEAVE,
        .zero_target = arg->sync == MIRROR_SYNC_MODE_FULL,
        .on_source_error = arg->has_on_source_error ? arg->on_source_error : BLOCKDEV_ON_ERROR_REPORT,
        .on_target_error = arg->has_on_target_error ? arg->on_target_error : BLOCKDEV_ON_ERROR_REPORT,
        .unmap = true,
        .filter_node_name = arg->filter_node_name,
        .copy_mode = arg->has_copy_mode ? arg->copy_mode : MIRROR_COPY_MODE_BACKGROUND,
        .flags = job_flags(arg->has_auto_finalize, arg->auto_finalize, arg->has_auto_dismiss, arg->auto_dismiss),
    };

    p.bs = blockdev_get_root_bs(arg->device, errp);
    if (!p.bs) {
        return;
    }
    p.target = bdrv_lookup_bs(arg->target, arg->target, errp);
    if (p.target) {
        start_mirror(&p, arg->has_granularity, errp);
    }
}

/* --- drive-mirror: the target is a file ---------------------------------------- */

static bool create_target(const DriveMirror *arg, const char *format, BlockDriverState *backing, int64_t size,
                          int flags, Error **errp)
{
    ERRP_GUARD();

    if (!backing || arg->sync == MIRROR_SYNC_MODE_FULL) {
        bdrv_img_create(arg->target, format, NULL, NULL, NULL, size, flags, false, false, errp);
    } else {
        backing = bdrv_skip_implicit_filters(backing);
        bdrv_refresh_filename(backing);
        bdrv_img_create(arg->target, format, backing->filename, backing->drv->name, NULL, size, flags, false, false,
                        errp);
    }
    return !*errp;
}

/* Without backing: the job gives it its own at the end. */
static BlockDriverState *open_target(const DriveMirror *arg, const char *format, int flags, Error **errp)
{
    QDict *options = qdict_new();

    if (arg->node_name) {
        qdict_put_str(options, "node-name", arg->node_name);
    }
    if (format) {
        qdict_put_str(options, "driver", format);
    }
    return bdrv_open(arg->target, NULL, options, flags, errp);
}

static bool has_zero_init(BlockDriverState *bs)
{
    /* A fresh image of a format reads as zeroes; so does a fresh regular file. */
    return bs->drv && (bs->drv->is_format ? !bs->backing : !strcmp(bs->drv->name, "file"));
}

/* The source, for which the arguments make sense. */
static BlockDriverState *drive_mirror_source(const DriveMirror *arg, int64_t *size, Error **errp)
{
    BlockDriverState *bs = blockdev_get_root_bs(arg->device, errp);

    if (!bs) {
        return NULL;
    }
    if (bdrv_op_is_blocked(bs, BLOCK_OP_MIRROR_SOURCE, errp)) {
        return NULL;
    }
    *size = bdrv_getlength(bs);
    if (*size < 0) {
        error_setg_errno(errp, -*size, "bdrv_getlength failed");
        return NULL;
    }
    if (arg->replaces) {
        if (!arg->node_name) {
            error_setg(errp, "a node-name must be provided when replacing a named node of the graph");
            return NULL;
        }
        if (!bdrv_find_node(arg->replaces)) {
            error_setg(errp, "Failed to find node with node-name='%s'", arg->replaces);
            return NULL;
        }
        if (bdrv_getlength(bdrv_find_node(arg->replaces)) != *size) {
            error_setg(errp, "cannot replace image with a mirror image of different size");
            return NULL;
        }
    }
    return bs;
}

static MirrorJobParams drive_mirror_params(const DriveMirror *arg, BlockDriverState *bs)
{
    return (MirrorJobParams) {
        .job_id = arg->job_id, .bs = bs, .replaces = arg->replaces, .sync = arg->sync,
        .speed = arg->has_speed ? arg->speed : 0,
        .granularity = arg->has_granularity ? arg->granularity : 0,
        .buf_size = arg->has_buf_size ? arg->buf_size : 0,
        .on_source_error = arg->has_on_source_error ? arg->on_source_error : BLOCKDEV_ON_ERROR_REPORT,
        .on_target_error = arg->has_on_target_error ? arg->on_target_error : BLOCKDEV_ON_ERROR_REPORT,
        .unmap = !arg->has_unmap || arg->unmap,
        .copy_mode = arg->has_copy_mode ? arg->copy_mode : MIRROR_COPY_MODE_BACKGROUND,
        .flags = job_flags(arg->has_auto_finalize, arg->auto_finalize, arg->has_auto_dismiss, arg->auto_dismiss),
    };
}

void qmp_drive_mirror(const DriveMirror *arg, Error **errp)
{
    bool existing = arg->has_mode && arg->mode == NEW_IMAGE_MODE_EXISTING;
    MirrorSyncMode sync = arg->sync;
    BlockDriverState *bs, *backing, *target;
    const char *format;
    MirrorJobParams p;
    int64_t size;
    int flags;

    bs = drive_mirror_source(arg, &size, errp);
    if (!bs) {
        return;
    }
    backing = bdrv_backing_chain_next(bs);
    if (!backing && sync == MIRROR_SYNC_MODE_TOP) {
        sync = MIRROR_SYNC_MODE_FULL;
    }
    backing = sync == MIRROR_SYNC_MODE_NONE ? bs : sync == MIRROR_SYNC_MODE_FULL ? NULL : backing;
    format = arg->format ? arg->format : existing ? NULL : bs->drv->name;
    flags = (bs->open_flags & ~BDRV_O_COPY_ON_READ) | BDRV_O_RDWR;
    if (!existing && !create_target(arg, format, backing, size, flags, errp)) {
        return;
    }
    target = open_target(arg, format, flags | BDRV_O_NO_BACKING, errp);
    if (!target) {
        return;
    }
    p = drive_mirror_params(arg, bs);
    p.sync = sync;
    p.target = target;
    p.zero_target = sync == MIRROR_SYNC_MODE_FULL && (existing || !has_zero_init(target));
    p.backing_mode = existing ? MIRROR_BACKING_OPEN : MIRROR_BACKING_SOURCE;
    start_mirror(&p, arg->has_granularity, errp);
    bdrv_unref(target);
}
