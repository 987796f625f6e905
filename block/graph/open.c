/*
 * Opening nodes: from a name and options to a node with its children.
 *
 * Stages: collect options (json: names, prefixes) -> choose the driver -> node options -> the
 * file below, and probing if no driver was named -> the driver's own open -> what is left over
 * is an error -> the backing chain (backing.c).  Each driver takes its options out of
 * bs->options, so a misspelt one is always noticed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "internal.h"
#include "util/cutils.h"
#include "util/trace.h"

#define FILENAME_MAX_BYTES 16000               /* no protocol takes as much */

TRACE_EVENT(bdrv_open_common)

typedef struct OpenRequest {
    const char *filename;              /* plain name still to be turned into options, or NULL */
    QDict *options;                    /* flat; owned */
    int flags;
    bool force_share;
    const BlockDriver *drv;            /* NULL: probe */
    QDict *backing_options;            /* taken out of options; owned */
} OpenRequest;

static void open_request_clear(OpenRequest *r)
{
    qobject_unref(r->options);
    qobject_unref(r->backing_options);
}

static BlockDriverState *open_reference(const char *filename, const char *reference, QDict *options, Error **errp)
{
    BlockDriverState *bs;

    if (filename || (options && qdict_size(options) > 0)) {
        error_setg(errp, "Cannot reference an existing block device with additional options or a new filename");
        return NULL;
    }
    bs = bdrv_lookup_bs(reference, reference, errp);
    if (bs) {
        bdrv_ref(bs);
    }
    return bs;
}

static int choose_named_driver(OpenRequest *r, Error **errp)
{
    const char *name = qdict_get_str(r->options, "driver");

    if (!name) {
        return 0;
    }
    r->drv = bdrv_find_format(name);
    if (!r->drv) {
        error_setg(errp, "Unknown driver '%s'", name);
        return -EINVAL;
    }
    if (bdrv_is_protocol(r->drv)) {
        r->flags |= BDRV_O_PROTOCOL;
    } else {
        r->flags &= ~BDRV_O_PROTOCOL;
    }
    return 0;
}

/* A protocol node: the plain name becomes the option "filename", or whatever its prefix stands for. */
static int name_to_protocol_options(OpenRequest *r, const BlockDriverState *bs, Error **errp)
{
    ERRP_GUARD();
    g_autofree char *name = NULL;
    bool typed_by_user = r->filename != NULL;

    if (typed_by_user && qdict_has(r->options, "filename")) {
        error_setg(errp, "Can't specify 'file' and 'filename' options at the same time");
        return -EINVAL;
    }
    if (typed_by_user) {
        qdict_put_str(r->options, "filename", r->filename);
        r->filename = NULL;
    }
    name = g_strdup(qdict_get_str(r->options, "filename"));
    if (!r->drv) {
        if (!name) {
            error_setg(errp, "Must specify either driver or file");
            return -EINVAL;
        }
        r->drv = bdrv_find_protocol(name, typed_by_user, errp);
        if (!r->drv) {
            return -EINVAL;
        }
        qdict_put_str(r->options, "driver", r->drv->name);
    }
    if (bdrv_image_check_driver(bs, r->drv, r->options, errp) < 0) {
        return -EACCES;
    }
    if (typed_by_user && r->drv->parse_filename) {
        r->drv->parse_filename(name, r->options, errp);
        if (*errp) {
            return -EINVAL;
        }
        if (!r->drv->needs_filename) {
            qdict_del(r->options, "filename");
        }
    }
    return 0;
}

/* "backing": null or "" forbids one; otherwise set what names it aside for the chain. */
static void take_backing_options(OpenRequest *r)
{
    QObject *v = qdict_get(r->options, "backing");
    const char *ref = v ? qobject_get_str(v) : NULL;

    if (v && (qobject_type(v) == QTYPE_NULL || (ref && !*ref))) {
        if (ref) {
            warn_report("Use of \"backing\": \"\" is deprecated; use \"backing\": null instead");
        }
        r->flags |= BDRV_O_NO_BACKING;
        qdict_del(r->options, "backing");
    }
}

static void set_aside_backing_options(OpenRequest *r)
{
    QObject *ref;

    if (!r->drv->supports_backing || (r->flags & BDRV_O_NO_BACKING)) {
        return;
    }
    r->backing_options = qdict_extract_subdict(r->options, "backing.");
    ref = qdict_steal(r->options, "backing");
    if (ref) {
        qdict_put(r->backing_options, "", ref);     /* the empty key: a node's name */
    }
}

static BlockDriverState *open_file_first(OpenRequest *r, BlockDriverState *bs, Error **errp)
{
    g_autoptr(QObject) sub = qdict_extract_subdict(r->options, "file.");
    g_autoptr(QObject) ref = qdict_steal(r->options, "file");
    const char *reference = ref ? qobject_get_str(ref) : NULL;
    BdrvChildRole role = r->drv && r->drv->is_filter ? BDRV_CHILD_FILTERED | BDRV_CHILD_PRIMARY : BDRV_CHILD_IMAGE;

    return bdrv_open_inherit(r->filename, reference, g_steal_pointer(&sub), 0, bs, "file", role, errp);
}

static bool names_a_file(const OpenRequest *r)
{
    return r->filename || qdict_has(r->options, "file") || qdict_has_prefix(r->options, "file.");
}

/* Opens the file that the name or "file.*" speaks of, and probes it if need be.  *file is referenced or NULL. */
static int prepare_file(OpenRequest *r, BlockDriverState *bs, BlockDriverState **file, Error **errp)
{
    *file = NULL;
    if (r->drv && bdrv_image_check_driver(bs, r->drv, r->options, errp) < 0) {
        return -EACCES;
    }
    if (names_a_file(r)) {
        *file = open_file_first(r, bs, errp);
        if (!*file) {
            return -EINVAL;
        }
        qdict_put_str(r->options, "file", (*file)->node_name);
        if (bs->core->image_name) {            /* judged already */
            qdict_put_str(bs->core->user_options, "file", (*file)->node_name);
        }
    }
    if (r->drv) {
        return 0;
    }
    if (!*file) {
        error_setg(errp, "Must specify either driver or file");
        return -EINVAL;
    }
    r->drv = bdrv_probe_node(*file, (*file)->filename, errp);
    if (!r->drv) {
        return -EINVAL;
    }
    bs->probed = true;
    qdict_put_str(r->options, "driver", r->drv->name);
    return bdrv_image_check_driver(bs, r->drv, r->options, errp);
}

static void warn_probed_raw(BlockDriverState *bs)
{
    if (!bs->probed || strcmp(bs->drv->name, "raw")) {
        return;
    }
    bs->core->has_probe_guard = true;
    if (!bs->read_only) {
        fprintf(stderr, "WARNING: Image format was not specified for '%s' and probing guessed raw.\n"
                "         Automatically detecting the format is dangerous for raw images, "
                "write operations on block 0 will be restricted.\n"
                "         Specify the 'raw' format explicitly to remove the restrictions.\n",
                bs->file->bs->filename);
    }
}

static int call_driver_open(BlockDriverState *bs, Error **errp)
{
    ERRP_GUARD();
    static const OptDesc no_options[] = { { NULL } };
    const BlockDriver *drv = bs->drv;
    g_autoptr(QObject) opts = opts_absorb(bs->options, drv->open_options ? drv->open_options : no_options, errp);
    int ret;

    if (!opts) {
        return -EINVAL;
    }
    bs->opaque = g_malloc0(MAX(drv->instance_size, 1));
    TRACE(bdrv_open_common, "bs %p filename \"%s\" flags 0x%x format_name \"%s\"", (void *)bs, bs->filename,
          (unsigned)bs->open_flags, drv->name);
    ret = drv->open ? drv->open(bs, opts, bs->open_flags, errp) : 0;
    if (ret < 0) {
        if (!*errp && bs->filename[0]) {
            error_setg_errno(errp, -ret, "Could not open '%s'", bs->filename);
        } else if (!*errp) {
            error_setg_errno(errp, -ret, "Could not open image");
        }
        return ret;
    }
    if (bs->read_only) {
        bs->open_flags &= ~BDRV_O_RDWR;
    }
    bs->read_only = !(bs->open_flags & BDRV_O_RDWR);
    warn_probed_raw(bs);
    ret = bdrv_node_refresh_length(bs);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not refresh total sector count");
    }
    ret = ret < 0 ? ret : bdrv_refresh_limits(bs, errp);
    if (ret < 0 && drv->close) {               /* the driver itself had opened it */
        drv->close(bs);
    }
    return ret;
}

/* After a failed open the driver's close must not run. */
static void undo_driver_open(BlockDriverState *bs)
{
    bs->drv = NULL;
    g_clear_pointer(&bs->opaque, g_free);
}

static int check_leftovers(BlockDriverState *bs, Error **errp)
{
    const char *key = qdict_first_key(bs->options);

    if (!key) {
        return 0;
    }
    if (!bs->drv->supports_backing && !(bs->open_flags & BDRV_O_NO_BACKING) &&
        (qdict_has(bs->options, "backing") || qdict_has_prefix(bs->options, "backing."))) {
        error_setg(errp, "Driver doesn't support backing files");
        return -EINVAL;
    }
    error_setg(errp, bs->open_flags & BDRV_O_PROTOCOL ? "Block protocol '%s' doesn't support the option '%s'"
               : "Block format '%s' does not support the option '%s'", bs->drv->name, key);
    return -EINVAL;
}

static int open_driver(OpenRequest *r, BlockDriverState *bs, const char *node_name, Error **errp)
{
    const char *filename = qdict_get_str(r->options, "filename");
    int ret;

    if (r->drv->needs_filename && (!filename || !*filename)) {
        error_setg(errp, "The '%s' block driver requires a file name", r->drv->name);
        return -EINVAL;
    }
    if (filename) {
        if (bdrv_image_check_path(bs, filename, errp) < 0) {
            return -EACCES;
        }
        bdrv_node_set_filename(&bs->filename, filename);
        bdrv_node_set_filename(&bs->exact_filename, r->flags & BDRV_O_PROTOCOL ? filename : "");
    }
    ret = bdrv_node_set_name(bs, node_name, errp);
    if (ret < 0) {
        return ret;
    }
    bs->drv = r->drv;
    ret = call_driver_open(bs, errp);
    if (ret < 0) {
        undo_driver_open(bs);
    } else {
        bdrv_io_driver_opened(bs);
    }
    return ret;
}

static int open_into(OpenRequest *r, BlockDriverState *bs, Error **errp)
{
    SCOPED_NODE_OPTIONS node = { 0 };
    g_autoptr(QObject) all = NULL;
    BlockDriverState *file;
    int ret = bdrv_node_options_absorb(r->options, r->flags, r->force_share, &node, errp);

    if (ret < 0) {
        return ret;
    }
    bs->open_flags = node.flags;
    bs->read_only = !(node.flags & BDRV_O_RDWR);
    bs->core->inactive = node.flags & BDRV_O_INACTIVE;
    bs->core->force_share = node.force_share;
    bs->detect_zeroes = node.detect_zeroes;
    bs->detect_zeroes_unmap = node.detect_zeroes_unmap;
    if ((node.flags & BDRV_O_COPY_ON_READ) && bs->read_only) {
        error_setg(errp, "Can't use copy-on-read on read-only device");
        return -EINVAL;
    }
    if (r->flags & BDRV_O_PROTOCOL) {
        file = NULL;
    } else {
        ret = prepare_file(r, bs, &file, errp);
    }
    if (ret == 0) {
        qdict_del(r->options, "driver");
        set_aside_backing_options(r);
        all = qobject_clone(r->options);
        qobject_unref(bs->options);
        bs->options = g_steal_pointer(&r->options);
        r->options = qobject_ref(bs->options);
        if (file) {
            bdrv_node_set_filename(&bs->filename, file->filename);
        }
        ret = open_driver(r, bs, node.node_name, errp);
    }
    bdrv_unref(file);
    if (ret == 0) {
        ret = check_leftovers(bs, errp);
    }
    if (ret == 0) {
        qobject_unref(bs->options);
        bs->options = g_steal_pointer(&all);
        bdrv_options_drop_children(bs->options, bs);
        bdrv_options_drop_children(bs->explicit_options, bs);
        bdrv_refresh_own_filename(bs);
    }
    return ret;
}

#define NESTING_MAX 256

/* Nodes in nodes, each with options for all below it: work grows with the square of the depth. */
static bool nesting_is_bounded(const QDict *options, Error **errp)
{
    for (size_t i = 0; i < qdict_size(options); i++) {
        const char *key = qdict_key_at(options, i);
        unsigned depth = 0;

        for (const char *dot = strchr(key, '.'); dot; dot = strchr(dot + 1, '.')) {
            depth++;
        }
        if (depth > NESTING_MAX) {
            error_setg(errp, "Block nodes are nested more than %u deep", NESTING_MAX);
            return false;
        }
    }
    return true;
}

/* One node without its backing chain; *backing_options for that (NULL: none wanted). */
BlockDriverState *bdrv_open_one(const char *filename, QDict *options, int flags, BlockDriverState *parent,
                                BdrvChildRole role, const ImageChoice *image, QDict **backing_options, Error **errp)
{
    __attribute__((cleanup(open_request_clear))) OpenRequest r = { .filename = filename, .options = options };
    BlockDriverState *bs;

    *backing_options = NULL;
    r.options = r.options ? r.options : qdict_new();
    bdrv_options_flatten(r.options);
    if (bdrv_options_from_json_name(&r.filename, r.options, errp) < 0 || !nesting_is_bounded(r.options, errp) ||
        !qobject_check_bounds(r.options, "options", errp)) {
        return NULL;
    }
    if (r.filename && strlen(r.filename) > FILENAME_MAX_BYTES) {
        error_setg_errno(errp, ENAMETOOLONG, "Could not open '%s'", r.filename);
        return NULL;
    }
    bs = bdrv_node_new();
    qobject_unref(bs->explicit_options);
    bs->explicit_options = qobject_clone(r.options);
    r.flags = parent ? bdrv_inherited_flags(parent, role) : flags;
    if (r.flags & BDRV_O_SNAPSHOT) {
        r.flags &= ~(BDRV_O_RDWR | BDRV_O_AUTO_RDONLY);      /* writes go to the overlay */
    }
    bs->core->inherits_from = parent ? parent->core->serial : 0;
    r.force_share = parent && parent->core->force_share;
    bdrv_image_choice_apply(bs, image);
    take_backing_options(&r);
    if (bdrv_image_check_node_options(bs, r.options, errp) < 0 || choose_named_driver(&r, errp) < 0 ||
        ((r.flags & BDRV_O_PROTOCOL) && name_to_protocol_options(&r, bs, errp) < 0) ||
        open_into(&r, bs, errp) < 0) {
        bdrv_unref(bs);
        return NULL;
    }
    *backing_options = g_steal_pointer(&r.backing_options);
    return bs;
}

/* The options beside a name that was read in an image are the caller's but for its format. */
static ImageChoice choice_of_caller(const char *filename, QDict *options)
{
    ImageChoice choice = { g_strdup(filename), options ? qobject_clone(options) : qdict_new() };

    bdrv_options_flatten(choice.users);
    qdict_del(choice.users, "driver");
    return choice;
}

BlockDriverState *bdrv_open_inherit(const char *filename, const char *reference, QDict *options, int flags,
                                    BlockDriverState *parent, const char *key, BdrvChildRole role, Error **errp)
{
    SCOPED_IMAGE_CHOICE choice = { NULL, NULL };
    bool users_backing = flags & BDRV_O_USERS_BACKING;
    QDict *backing_options;
    BlockDriverState *bs;

    if (reference) {
        bs = parent && bdrv_image_check_reference(parent, key, reference, errp) < 0
             ? NULL : open_reference(filename, reference, options, errp);
        qobject_unref(options);
        return bs;
    }
    if (parent) {
        choice = bdrv_image_choice_of_child(parent, key);
    } else if (flags & BDRV_O_BY_IMAGE) {
        choice = choice_of_caller(filename, options);
    }
    flags &= ~(BDRV_O_BY_IMAGE | BDRV_O_USERS_BACKING);
    bs = bdrv_open_one(filename, options, flags, parent, role, &choice, &backing_options, errp);
    if (!bs) {
        return NULL;
    }
    if (backing_options && bdrv_open_backing_chain(bs, backing_options, users_backing, errp) < 0) {
        bdrv_unref(bs);
        return NULL;
    }
    if (!parent && (flags & BDRV_O_SNAPSHOT)) {
        return bdrv_open_temporary_overlay(bs, flags, errp);
    }
    return bs;
}

typedef struct OpenCall {
    const char *filename, *reference;
    QDict *options;
    int flags;
    Error **errp;
    BlockDriverState *bs;
} OpenCall;

static void open_outside(void *opaque)
{
    OpenCall *call = opaque;

    call->bs = bdrv_open_inherit(call->filename, call->reference, call->options, call->flags, NULL, NULL, 0, call->errp);
}

BlockDriverState *bdrv_open(const char *filename, const char *reference, QDict *options, int flags, Error **errp)
{
    OpenCall call = { filename, reference, options, flags, errp, NULL };

    aio_run_outside(open_outside, &call);
    return call.bs;
}
