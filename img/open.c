/*
 * Opening images as the command line names them: plain names with -f, option strings with --image-opts,
 * cache modes, and internal snapshots.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <limits.h>
#include "img/common.h"

static QDict *options_from_string(const char *text, const ImgOpen *how, Error **errp)
{
    g_autoptr(QObject) options = opts_parse_list_noisy(text, "file", NULL, errp);

    if (!options) {
        return NULL;
    }
    if (how->force_share && qdict_has(options, "force-share") &&
        g_strcmp0(opt_get_str(options, "force-share"), "on")) {
        error_report("--force-share/-U conflicts with image options");
        return NULL;
    }
    return g_steal_pointer(&options);
}

static void say_why(const ImgOpen *how, const char *name, Error *err)
{
    if (how->why) {
        *how->why = g_strdup(error_get_pretty(err));
    }
    error_reportf_err(err, "Could not open '%s': ", name);
}

static BlockBackend *open_by_options(const char *text, const ImgOpen *how)
{
    Error *err = NULL;
    BlockBackend *blk;
    QDict *options = options_from_string(text, how, &err);

    if (!options) {
        if (err) {
            error_report_err(err);
        }
        return NULL;
    }
    if (how->force_share) {
        qdict_put_bool(options, "force-share", true);
    }
    blk = blk_open(NULL, NULL, options, how->flags, &err);
    if (!blk) {
        say_why(how, text, err);
    }
    return blk;
}

static BlockBackend *open_by_name(const char *filename, const ImgOpen *how)
{
    QDict *options = qdict_new();
    Error *err = NULL;
    BlockBackend *blk;

    if (how->fmt) {
        qdict_put_str(options, "driver", how->fmt);
    }
    if (how->force_share) {
        qdict_put_bool(options, "force-share", true);
    }
    if (how->extra) {
        qdict_join(options, how->extra, true);
    }
    blk = blk_open(filename, NULL, options, how->flags, &err);
    if (!blk) {
        say_why(how, filename, err);
    }
    return blk;
}

BlockBackend *img_open(const char *filename, const ImgOpen *how)
{
    BlockBackend *blk = how->image_opts ? open_by_options(filename, how) : open_by_name(filename, how);

    if (blk) {
        blk_set_enable_write_cache(blk, !how->writethrough);
    }
    return blk;
}

bool img_cache_mode(const char *word, ImgOpen *how)
{
    return bdrv_parse_cache_mode(word, &how->flags, &how->writethrough) == 0;
}

bool img_snapshot_param_quoted(const char *text, char open, ImgSnapshotParam *out)
{
    g_autoptr(QObject) options = NULL;
    g_autoptr(QObject) checked = NULL;
    Error *err = NULL;

    if (!g_str_has_prefix(text, "snapshot.")) {
        out->either = g_strdup(text);
        return true;
    }
    options = opts_parse_list_noisy(text, NULL, NULL, &err);
    checked = options ? opts_check_all(options, internal_snapshot_opts, &err) : NULL;
    if (!checked) {
        error_report_err(err);
        error_report("Failed in parsing snapshot param %c%s'", open, text);
        return false;
    }
    out->id = g_strdup(opt_get_str(checked, "snapshot.id"));
    out->name = g_strdup(opt_get_str(checked, "snapshot.name"));
    return true;
}

bool img_snapshot_param(const char *text, ImgSnapshotParam *out)
{
    return img_snapshot_param_quoted(text, '\'', out);
}

void img_snapshot_param_clear(ImgSnapshotParam *p)
{
    g_free(p->id);
    g_free(p->name);
    g_free(p->either);
    *p = (ImgSnapshotParam){ NULL };
}

void img_snapshot_hint(BlockDriverState *bs, const char *wanted)
{
    g_autofree char *name = wanted ? bdrv_snapshot_nearest_name(bs, wanted) : NULL;

    if (name) {
        fprintf(stderr, "Did you mean '%s'?\n", name);
    }
}

bool img_snapshot_load(BlockDriverState *bs, const ImgSnapshotParam *p, Error **errp)
{
    ERRP_GUARD();
    const char *wanted = p->either ?: p->name;
    g_autofree char *nearest = NULL;
    QEMUSnapshotInfo sn;
    int ret = 0;

    if (p->either) {
        ret = bdrv_snapshot_load_tmp_by_id_or_name(bs, p->either, errp);
    } else if (p->id || p->name) {
        ret = bdrv_snapshot_load_tmp(bs, p->id, p->name, errp);
    }
    if (ret < 0 && wanted && bdrv_snapshot_find_by_id_or_name(bs, wanted, &sn, NULL) == -ENOENT) {
        nearest = bdrv_snapshot_nearest_name(bs, wanted);
    }
    if (nearest) {
        error_append_hint(errp, "Did you mean '%s'?\n", nearest);
    }
    return ret >= 0;
}

/* --- chains ----------------------------------------------------------------------------- */

static bool same_file(const char *a, const char *b)
{
    char real_a[PATH_MAX], real_b[PATH_MAX];

    return !strcmp(a, b) || (realpath(a, real_a) && realpath(b, real_b) && !strcmp(real_a, real_b));
}

BlockDriverState *img_find_in_chain(BlockDriverState *top, const char *name)
{
    BlockDriverState *bs = top, *below;

    for (; (below = bdrv_backing_chain_next(bs)); bs = below) {
        g_autofree char *full = path_combine(bs->filename, name);

        if (!g_strcmp0(bs->backing_file, name) || same_file(below->filename, name) || same_file(below->filename, full)) {
            return below;
        }
    }
    return NULL;
}
