/*
 * block-stream and block-commit: which layers of a backing chain are merged, by node or by file name.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "block/block-jobs.h"
#include "block/blockdev.h"
#include "internal.h"
#include "qapi/commands-block-core.h"
#include "util/cutils.h"

static bool same_file(const char *a, const char *b)
{
    g_autofree char *ra = realpath(a, NULL), *rb = realpath(b, NULL);

    return ra && rb && !strcmp(ra, rb);
}

/* The image below bs that its overlay's header, or the user at opening, calls name. */
static BlockDriverState *find_backing_image(BlockDriverState *bs, const char *name)
{
    bool protocol = path_has_protocol(name);

    for (bs = bdrv_skip_filters(bs); bs && bdrv_backing_chain_next(bs); bs = bdrv_backing_chain_next(bs)) {
        BlockDriverState *below = bdrv_backing_chain_next(bs);
        g_autofree char *full = bdrv_get_full_backing_filename(bs, NULL);
        g_autofree char *from_here = full ? bdrv_full_backing_from(full, name, NULL) : NULL;

        bdrv_refresh_filename(below);
        if (!strcmp(name, below->filename) || !strcmp(name, bs->backing_file) || (full && !strcmp(name, full))) {
            return below;
        }
        if (!protocol && full && !path_has_protocol(full) &&
            (same_file(name, full) || (from_here && same_file(from_here, full)))) {
            return below;
        }
    }
    return NULL;
}

/* --- block-stream ------------------------------------------------------------------- */

static bool check_exclusive(const BlockStreamArgs *arg, Error **errp)
{
    if (arg->base && arg->base_node) {
        error_setg(errp, "'base' and 'base-node' cannot be specified at the same time");
    } else if (arg->base && arg->bottom) {
        error_setg(errp, "'base' and 'bottom' cannot be specified at the same time");
    } else if (arg->bottom && arg->base_node) {
        error_setg(errp, "'bottom' and 'base-node' cannot be specified at the same time");
    } else {
        return true;
    }
    return false;
}

static bool take_bottom(const BlockStreamArgs *arg, StreamJobParams *p, Error **errp)
{
    p->bottom = bdrv_lookup_bs(NULL, arg->bottom, errp);
    if (!p->bottom) {
        return false;
    }
    if (!p->bottom->drv) {
        error_setg(errp, "Node '%s' is not open", arg->bottom);
        return false;
    }
    if (p->bottom->drv->is_filter) {
        error_setg(errp, "Node '%s' is a filter, use a non-filter node as 'bottom'", arg->bottom);
        return false;
    }
    if (!bdrv_chain_contains(p->bs, p->bottom)) {
        error_setg(errp, "Node '%s' is not in a chain starting from '%s'", arg->bottom, arg->device);
        return false;
    }
    return true;
}

static bool take_base(const BlockStreamArgs *arg, StreamJobParams *p, Error **errp)
{
    if (arg->base) {
        p->base = find_backing_image(p->bs, arg->base);
        if (!p->base) {
            error_setg(errp, "Can't find '%s' in the backing chain", arg->base);
        }
        return p->base;
    }
    if (arg->base_node) {
        p->base = bdrv_lookup_bs(NULL, arg->base_node, errp);
        if (!p->base) {
            return false;
        }
        if (p->base == p->bs || !bdrv_chain_contains(p->bs, p->base)) {
            error_setg(errp, "Node '%s' is not a backing image of '%s'", arg->base_node, arg->device);
            return false;
        }
    }
    return !arg->bottom || take_bottom(arg, p, errp);
}

/* Nobody else may be at work on the layers that disappear. */
static bool check_blockers(const StreamJobParams *p, Error **errp)
{
    BlockDriverState *end = p->bottom ? bdrv_filter_or_cow_bs(p->bottom) : p->base;

    for (BlockDriverState *i = p->bs; i && i != end; i = bdrv_filter_or_cow_bs(i)) {
        if (bdrv_op_is_blocked(i, BLOCK_OP_STREAM, errp)) {
            return false;
        }
    }
    return true;
}

void qmp_block_stream(const BlockStreamArgs *arg, Error **errp)
{
    StreamJobParams p = {
        .job_id = arg->job_id, .backing_file = arg->backing_file, .filter_node_name = arg->filter_node_name,
        .speed = arg->has_speed ? arg->speed : 0,
        .on_error = arg->has_on_error ? arg->on_error : BLOCKDEV_ON_ERROR_REPORT,
        .flags = job_flags(arg->has_auto_finalize, arg->auto_finalize, arg->has_auto_dismiss, arg->auto_dismiss),
    };
    BlockJob *job;

    if (!check_exclusive(arg, errp)) {
        return;
    }
    p.bs = bdrv_lookup_bs(arg->device, arg->device, errp);
    if (!p.bs || !take_base(arg, &p, errp) || !check_blockers(&p, errp)) {
        return;
    }
    if (arg->backing_file && !arg->base && !arg->base_node) {
        error_setg(errp, "backing file specified, but streaming the entire chain");
        return;
    }
    job = stream_job_create(&p, errp);
    if (job) {
        job_start(&job->job);
    }
}

/* --- block-commit --------------------------------------------------------------------- */

static bool take_top(const BlockCommitArgs *arg, CommitJobParams *p, Error **errp)
{
    p->top = p->bs;                    /* the active layer, unless told otherwise */
    if (arg->top_node && arg->top) {
        error_setg(errp, "'top-node' and 'top' are mutually exclusive");
        return false;
    }
    if (arg->top_node) {
        p->top = bdrv_lookup_bs(NULL, arg->top_node, errp);
        if (p->top && !bdrv_chain_contains(p->bs, p->top)) {
            error_setg(errp, "'%s' is not in this backing file chain", arg->top_node);
            return false;
        }
        return p->top;
    }
    if (arg->top && strcmp(p->bs->filename, arg->top)) {
        p->top = find_backing_image(p->bs, arg->top);
    }
    if (!p->top) {
        error_setg(errp, "Top image file %s not found", arg->top ? arg->top : "NULL");
    }
    return p->top;
}

static bool take_commit_base(const BlockCommitArgs *arg, CommitJobParams *p, Error **errp)
{
    if (arg->base_node && arg->base) {
        error_setg(errp, "'base-node' and 'base' are mutually exclusive");
        return false;
    }
    if (arg->base_node) {
        p->base = bdrv_lookup_bs(NULL, arg->base_node, errp);
        if (p->base && !bdrv_chain_contains(p->top, p->base)) {
            error_setg(errp, "'%s' is not in this backing file chain", arg->base_node);
            return false;
        }
        return p->base;
    }
    if (arg->base) {
        p->base = find_backing_image(p->top, arg->base);
        if (!p->base) {
            error_setg(errp, "Can't find '%s' in the backing chain", arg->base);
        }
        return p->base;
    }
    for (BlockDriverState *i = p->base = p->top; i; i = bdrv_filter_or_cow_bs(i)) {
        p->base = i;                   /* the end of the chain */
    }
    return true;
}

static bool commit_blocked(const CommitJobParams *p, Error **errp)
{
    for (BlockDriverState *i = p->top; i != bdrv_filter_or_cow_bs(p->base); i = bdrv_filter_or_cow_bs(i)) {
        if (bdrv_op_is_blocked(i, BLOCK_OP_COMMIT_TARGET, errp)) {
            return true;
        }
    }
    return false;
}

/* The active layer is committed by a mirror that ends with a switch; others by a job that ends with new links. */
static BlockJob *make_commit(const BlockCommitArgs *arg, CommitJobParams *p, Error **errp)
{
    BlockDriverState *overlay;

    if (bdrv_skip_filters(p->top) == bdrv_skip_filters(p->bs)) {
        if (arg->backing_file) {
            error_setg(errp, "'backing-file' specified, but 'top' is the active layer");
            return NULL;
        }
        if (!p->job_id) {
            p->job_id = bdrv_get_device_name(p->bs);     /* the filter on top has no backend yet */
        }
        return commit_active_job_create(p, errp);
    }
    overlay = bdrv_find_overlay(p->bs, p->top);
    if (overlay && bdrv_op_is_blocked(overlay, BLOCK_OP_COMMIT_TARGET, errp)) {
        return NULL;
    }
    return commit_job_create(p, errp);
}

void qmp_block_commit(const BlockCommitArgs *arg, Error **errp)
{
    Error *err = NULL;
    CommitJobParams p = {
        .job_id = arg->job_id, .backing_file = arg->backing_file, .filter_node_name = arg->filter_node_name,
        .speed = arg->has_speed ? arg->speed : 0,
        .on_error = arg->has_on_error ? arg->on_error : BLOCKDEV_ON_ERROR_REPORT,
        .flags = job_flags(arg->has_auto_finalize, arg->auto_finalize, arg->has_auto_dismiss, arg->auto_dismiss),
    };
    BlockJob *job;

    p.bs = blockdev_get_root_bs(arg->device, &err);
    if (!p.bs) {
        if (!bdrv_lookup_bs(arg->device, arg->device, NULL)) {
            error_free(err);           /* managers look for this class */
            error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", arg->device);
        } else {
            error_propagate(errp, err);
        }
        return;
    }
    if (bdrv_op_is_blocked(p.bs, BLOCK_OP_COMMIT_SOURCE, errp) || !take_top(arg, &p, errp) ||
        !take_commit_base(arg, &p, errp) || commit_blocked(&p, errp)) {
        return;
    }
    if (p.top == p.base) {
        error_setg(errp, "cannot commit an image into itself");
        return;
    }
    job = make_commit(arg, &p, errp);
    if (job) {
        job_start(&job->job);
    }
}
