/*
 * blkdebug: a filter for tests that fails or stops requests by rules and makes the limits of its image tighter.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "blkdebug.h"
#include "../drivers.h"
#include "pass.h"
#include "util/cutils.h"

static const OptDesc blkdebug_options[] = {
    { "config", OPT_STRING, "Path to the configuration file", NULL },
    { "x-image", OPT_STRING, "[internal use only, will be removed]", NULL },
    { "align", OPT_SIZE, "Required alignment in bytes", NULL },
    { "max-transfer", OPT_SIZE, "Maximum transfer size in bytes", NULL },
    { "opt-write-zero", OPT_SIZE, "Optimum write zero alignment in bytes", NULL },
    { "max-write-zero", OPT_SIZE, "Maximum write zero size in bytes", NULL },
    { "opt-discard", OPT_SIZE, "Optimum discard alignment in bytes", NULL },
    { "max-discard", OPT_SIZE, "Maximum discard size in bytes", NULL },
    { NULL }
};

/* Rules reach nothing but the requests to what is below, and overlays that name them are how errors are tested.  No limits: memory. */
static const char *const blkdebug_image[] = { "config", "x-image", NULL };

static const char *const blkdebug_strong[] = {
    "config", "inject-error.", "set-state.", "align", "max-transfer", "opt-write-zero", "max-write-zero",
    "opt-discard", "max-discard", NULL
};

/* "blkdebug:CONFIG:IMAGE" */
static void blkdebug_parse_filename(const char *filename, QDict *options, Error **errp)
{
    const char *rest, *colon;

    if (!str_has_prefix(filename, "blkdebug:", &rest)) {
        qdict_put_str(options, "x-image", filename);
        return;
    }
    colon = strchr(rest, ':');
    if (!colon) {
        error_setg(errp, "blkdebug requires both config file and image path");
        return;
    }
    if (colon != rest) {
        qdict_put(options, "config", qstring_new_take(g_strndup(rest, colon - rest)));
    }
    qdict_put_str(options, "x-image", colon + 1);
}

static const struct { const char *name; uint64_t perm; } perm_words[] = {
    { "consistent-read", BLK_PERM_CONSISTENT_READ }, { "write", BLK_PERM_WRITE },
    { "write-unchanged", BLK_PERM_WRITE_UNCHANGED }, { "resize", BLK_PERM_RESIZE },
};

/* Move the list "KEY.0", "KEY.1", ... out of options into a mask. */
static int parse_perms(QDict *options, const char *key, uint64_t *mask, Error **errp)
{
    g_autofree char *prefix = g_strconcat(key, ".", NULL);
    g_autoptr(QObject) list = qdict_extract_subdict(options, prefix);

    for (size_t i = 0; i < qdict_size(list); i++) {
        const char *word = qobject_get_str(qdict_value_at(list, i));
        size_t w = 0;

        while (w < G_N_ELEMENTS(perm_words) && g_strcmp0(word, perm_words[w].name)) {
            w++;
        }
        if (w == G_N_ELEMENTS(perm_words)) {
            error_setg(errp, "Parameter 'null' does not accept value '%s'", word ? word : "");
            return -EINVAL;
        }
        *mask |= perm_words[w].perm;
    }
    return 0;
}

/* A limit in whole units that fits an int; 0: not given. */
static int take_limit(const QDict *options, const char *name, uint64_t unit, uint64_t *out, Error **errp)
{
    *out = opt_get_size(options, name, 0);
    if (*out && (*out >= INT_MAX || !IS_ALIGNED(*out, unit))) {
        error_setg(errp, "Cannot meet constraints with %s %" PRIu64, name, *out);
        return -EINVAL;
    }
    return 0;
}

static int take_limits(BlockDriverState *bs, const QDict *options, Error **errp)
{
    Blkdebug *s = bs->opaque;
    uint64_t align;

    s->align = opt_get_size(options, "align", 0);
    if (s->align && (s->align >= INT_MAX || !IS_POW2(s->align))) {
        error_setg(errp, "Cannot meet constraints with align %" PRIu64, s->align);
        return -EINVAL;
    }
    align = MAX(s->align, bs->file->bs->bl.request_alignment);
    if (take_limit(options, "max-transfer", align, &s->max_transfer, errp) < 0 ||
        take_limit(options, "opt-write-zero", align, &s->opt_write_zero, errp) < 0 ||
        take_limit(options, "max-write-zero", MAX(s->opt_write_zero, align), &s->max_write_zero, errp) < 0 ||
        take_limit(options, "opt-discard", align, &s->opt_discard, errp) < 0 ||
        take_limit(options, "max-discard", MAX(s->opt_discard, align), &s->max_discard, errp) < 0) {
        return -EINVAL;
    }
    return 0;
}

static void release(Blkdebug *s)
{
    blkdebug_rules_free(s);
    g_clear_pointer(&s->active, g_ptr_array_unref);
    g_clear_pointer(&s->config, g_free);
    g_mutex_clear(&s->lock);
}

static int open_parts(BlockDriverState *bs, QDict *options, Error **errp)
{
    Blkdebug *s = bs->opaque;
    BdrvRequestFlags zero = BDRV_REQ_FUA | BDRV_REQ_MAY_UNMAP | BDRV_REQ_NO_FALLBACK;
    int ret = blkdebug_read_config(s, s->config, bs->options, errp);

    if (ret < 0) {
        return ret;
    }
    s->state = 1;
    blkdebug_event(bs, "none");
    if (parse_perms(bs->options, "take-child-perms", &s->take_perms, errp) < 0 ||
        parse_perms(bs->options, "unshare-child-perms", &s->unshare_perms, errp) < 0) {
        return -EINVAL;
    }
    bs->file = bdrv_open_child(opt_get_str(options, "x-image"), bs->options, "image", bs,
                               BDRV_CHILD_FILTERED | BDRV_CHILD_PRIMARY, false, errp);
    if (!bs->file) {
        return -EINVAL;
    }
    bs->supported_write_flags = BDRV_REQ_WRITE_UNCHANGED | (bs->file->bs->supported_write_flags & BDRV_REQ_FUA);
    bs->supported_zero_flags = BDRV_REQ_WRITE_UNCHANGED | (bs->file->bs->supported_zero_flags & zero);
    bs->supported_truncate_flags = bs->file->bs->supported_truncate_flags & BDRV_REQ_ZERO_WRITE;
    return take_limits(bs, options, errp);
}

static int blkdebug_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    Blkdebug *s = bs->opaque;
    int ret;

    g_mutex_init(&s->lock);
    s->active = g_ptr_array_new();
    s->config = g_strdup(opt_get_str(options, "config"));
    ret = open_parts(bs, options, errp);
    if (ret < 0) {
        release(s);
    }
    return ret;
}

static void blkdebug_close(BlockDriverState *bs)
{
    release(bs->opaque);
}

static int blkdebug_reopen_prepare(BdrvReopenState *rs, Error **errp)
{
    return 0;
}

static void blkdebug_refresh_limits(BlockDriverState *bs, Error **errp)
{
    const Blkdebug *s = bs->opaque;
    BlockLimits *bl = &bs->bl;

    bl->request_alignment = s->align ? s->align : bl->request_alignment;
    bl->max_transfer = s->max_transfer ? s->max_transfer : bl->max_transfer;
    bl->pwrite_zeroes_alignment = s->opt_write_zero ? s->opt_write_zero : bl->pwrite_zeroes_alignment;
    bl->max_pwrite_zeroes = s->max_write_zero ? (int64_t)s->max_write_zero : bl->max_pwrite_zeroes;
    bl->pdiscard_alignment = s->opt_discard ? s->opt_discard : bl->pdiscard_alignment;
    bl->max_pdiscard = s->max_discard ? (int64_t)s->max_discard : bl->max_pdiscard;
}

static void blkdebug_child_perm(BlockDriverState *bs, BdrvChild *c, BdrvChildRole role, uint64_t perm, uint64_t shared,
                                uint64_t *nperm, uint64_t *nshared)
{
    const Blkdebug *s = bs->opaque;

    bdrv_default_perms(bs, c, role, perm, shared, nperm, nshared);
    *nperm |= s->take_perms;
    *nshared &= ~s->unshare_perms;
}

/* The short name says it all when nothing but the configuration file was given. */
static void blkdebug_refresh_filename(BlockDriverState *bs)
{
    const Blkdebug *s = bs->opaque;

    for (size_t i = 0; i < qdict_size(bs->full_open_options); i++) {
        const char *key = qdict_key_at(bs->full_open_options, i);

        if (strcmp(key, "driver") && strcmp(key, "config") && strcmp(key, "image") && strcmp(key, "x-image")) {
            return;
        }
    }
    if (bs->file->bs->exact_filename[0]) {
        g_free(bs->exact_filename);
        bs->exact_filename = g_strdup_printf("blkdebug:%s:%s", s->config ? s->config : "", bs->file->bs->exact_filename);
    }
}

static int coroutine_fn blkdebug_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                         size_t qiov_offset, BdrvRequestFlags flags)
{
    int ret = blkdebug_check(bs, offset, bytes, BLKDEBUG_READ);

    return ret < 0 ? ret : bdrv_read(bs->file, offset, bytes, qiov, qiov_offset, flags);
}

static int coroutine_fn blkdebug_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                          size_t qiov_offset, BdrvRequestFlags flags)
{
    int ret = blkdebug_check(bs, offset, bytes, BLKDEBUG_WRITE);

    return ret < 0 ? ret : bdrv_write(bs->file, offset, bytes, qiov, qiov_offset, flags);
}

/* Pieces below the preferred size are refused, so that tests reach the fallback. */
static int coroutine_fn blkdebug_co_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    int64_t unit = MAX(bs->bl.request_alignment, bs->bl.pwrite_zeroes_alignment);
    int ret;

    if (bytes < unit) {
        return -ENOTSUP;
    }
    ret = blkdebug_check(bs, offset, bytes, BLKDEBUG_WRITE_ZEROES);
    return ret < 0 ? ret : bdrv_zero(bs->file, offset, bytes, flags);
}

static int coroutine_fn blkdebug_co_discard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    int ret;

    if (bytes < (int64_t)bs->bl.pdiscard_alignment) {
        return -ENOTSUP;
    }
    ret = blkdebug_check(bs, offset, bytes, BLKDEBUG_DISCARD);
    return ret < 0 ? ret : bdrv_discard(bs->file, offset, bytes);
}

static int coroutine_fn blkdebug_co_flush(BlockDriverState *bs)
{
    return blkdebug_check(bs, 0, 0, BLKDEBUG_FLUSH);     /* the gate flushes the image after us */
}

static int coroutine_fn blkdebug_co_block_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                                                 int64_t *pnum, int64_t *map, BlockDriverState **file)
{
    int ret = blkdebug_check(bs, offset, bytes, BLKDEBUG_BLOCK_STATUS);

    return ret < 0 ? ret : pass_co_block_status(bs, want_zero, offset, bytes, pnum, map, file);
}

static const BlockDriver blkdebug_driver = {
    .name = "blkdebug",
    .protocol = "blkdebug",
    .instance_size = sizeof(Blkdebug),
    .is_filter = true,
    .open_options = blkdebug_options,
    .image_may_name = true,
    .image_options = blkdebug_image,
    .strong_options = blkdebug_strong,
    .parse_filename = blkdebug_parse_filename,
    .open = blkdebug_open,
    .close = blkdebug_close,
    .reopen_prepare = blkdebug_reopen_prepare,
    .refresh_limits = blkdebug_refresh_limits,
    .refresh_filename = blkdebug_refresh_filename,
    .child_perm = blkdebug_child_perm,
    .co_read = blkdebug_co_read,
    .co_write = blkdebug_co_write,
    .co_zero = blkdebug_co_zero,
    .co_discard = blkdebug_co_discard,
    .co_flush_to_disk = blkdebug_co_flush,
    .co_truncate = pass_co_truncate,
    .co_block_status = blkdebug_co_block_status,
    .getlength = pass_getlength,
    .debug_event = blkdebug_event,
    .debug_breakpoint = blkdebug_breakpoint,
    .debug_remove_breakpoint = blkdebug_remove_breakpoint,
    .debug_resume = blkdebug_resume,
    .debug_is_suspended = blkdebug_is_suspended,
};

void bdrv_blkdebug_register(void)
{
    bdrv_register(&blkdebug_driver);
}
