/*
 * Options that every node has, what children inherit of them, and json:{} names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "internal.h"
#include "util/cutils.h"

static const OptDesc node_options[] = {
    { "node-name", OPT_STRING, "Node name of the block device node", NULL },
    { "driver", OPT_STRING, "Block driver to use for the node", NULL },
    { "cache.direct", OPT_BOOL, "Bypass software writeback cache on the host", NULL },
    { "cache.no-flush", OPT_BOOL, "Ignore flush requests", NULL },
    { "read-only", OPT_BOOL, "Node is opened in read-only mode", NULL },
    { "auto-read-only", OPT_BOOL, "Node can become read-only if opening read-write fails", NULL },
    { "detect-zeroes", OPT_STRING, "try to optimize zero writes (off, on, unmap)", NULL },
    { "discard", OPT_STRING, "discard operation (ignore/off, unmap/on)", NULL },
    { "force-share", OPT_BOOL, "always accept other writers (default: off)", NULL },
    { NULL },
};

int bdrv_parse_discard_flags(const char *mode, int *flags)
{
    *flags &= ~BDRV_O_UNMAP;
    if (!strcmp(mode, "unmap") || !strcmp(mode, "on")) {
        *flags |= BDRV_O_UNMAP;
    } else if (strcmp(mode, "ignore") && strcmp(mode, "off")) {
        return -1;
    }
    return 0;
}

int bdrv_parse_cache_mode(const char *mode, int *flags, bool *writethrough)
{
    static const struct { const char *name; int flags; bool writethrough; } modes[] = {
        { "off", BDRV_O_NOCACHE, false },
        { "none", BDRV_O_NOCACHE, false },
        { "directsync", BDRV_O_NOCACHE, true },
        { "writeback", 0, false },
        { "unsafe", BDRV_O_NO_FLUSH, false },
        { "writethrough", 0, true },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (!strcmp(mode, modes[i].name)) {
            *flags = (*flags & ~(BDRV_O_NOCACHE | BDRV_O_NO_FLUSH)) | modes[i].flags;
            *writethrough = modes[i].writethrough;
            return 0;
        }
    }
    return -1;
}

int bdrv_parse_aio(const char *mode, int *flags)
{
    *flags &= ~(BDRV_O_NATIVE_AIO | BDRV_O_IO_URING);
    if (!strcmp(mode, "native")) {
        *flags |= BDRV_O_NATIVE_AIO;
    } else if (!strcmp(mode, "io_uring")) {
        *flags |= BDRV_O_IO_URING;
    } else if (strcmp(mode, "threads")) {
        return -1;
    }
    return 0;
}

static void set_flag(const QDict *opts, const char *name, int bit, bool inverted, int *flags)
{
    bool on = (*flags & bit) != 0;

    on = opt_get_bool(opts, name, on ^ inverted) ^ inverted;
    *flags = on ? *flags | bit : *flags & ~bit;
}

static int absorb_detect_zeroes(const QDict *opts, NodeOptions *o, Error **errp)
{
    const char *mode = opt_get_str(opts, "detect-zeroes");

    if (!mode || !strcmp(mode, "off")) {
        return 0;
    }
    o->detect_zeroes = true;
    if (!strcmp(mode, "on")) {
        return 0;
    }
    if (strcmp(mode, "unmap")) {
        error_setg(errp, "invalid parameter value: %s", mode);
        return -EINVAL;
    }
    if (!(o->flags & BDRV_O_UNMAP)) {
        error_setg(errp, "setting detect-zeroes to unmap is not allowed without setting discard operation to unmap");
        return -EINVAL;
    }
    o->detect_zeroes_unmap = true;
    return 0;
}

int bdrv_node_options_absorb(QDict *options, int flags, bool force_share, NodeOptions *out, Error **errp)
{
    g_autoptr(QObject) opts = opts_absorb(options, node_options, errp);
    const char *discard;

    if (!opts) {
        return -EINVAL;
    }
    set_flag(opts, "cache.direct", BDRV_O_NOCACHE, false, &flags);
    set_flag(opts, "cache.no-flush", BDRV_O_NO_FLUSH, false, &flags);
    set_flag(opts, "read-only", BDRV_O_RDWR, true, &flags);
    set_flag(opts, "auto-read-only", BDRV_O_AUTO_RDONLY, false, &flags);
    out->force_share = opt_get_bool(opts, "force-share", force_share);
    if (out->force_share && (flags & BDRV_O_RDWR)) {
        error_setg(errp, "force-share=on can only be used with read-only images");
        return -EINVAL;
    }
    discard = opt_get_str(opts, "discard");
    if (discard && bdrv_parse_discard_flags(discard, &flags) < 0) {
        error_setg(errp, "Invalid discard option");
        return -EINVAL;
    }
    out->flags = flags;
    out->node_name = g_strdup(opt_get_str(opts, "node-name"));
    return absorb_detect_zeroes(opts, out, errp);
}

void bdrv_node_options_clear(NodeOptions *o)
{
    g_clear_pointer(&o->node_name, g_free);
}

int bdrv_inherited_flags(const BlockDriverState *parent, BdrvChildRole role)
{
    int flags = parent->open_flags & ~(BDRV_O_SNAPSHOT | BDRV_O_NO_BACKING | BDRV_O_COPY_ON_READ);

    if (role & BDRV_CHILD_COW) {
        return flags & ~(BDRV_O_RDWR | BDRV_O_AUTO_RDONLY | BDRV_O_PROTOCOL);
    }
    /* A node decides about discards itself, so what is below it must not drop them. */
    flags |= BDRV_O_UNMAP;
    /* A name without a driver is a file, but the images below quorum and blkverify must say what they are. */
    if (role & BDRV_CHILD_FILTERED) {
        return flags | BDRV_O_PROTOCOL;
    }
    if (role == BDRV_CHILD_DATA && !parent->drv->is_format) {
        return flags & ~BDRV_O_PROTOCOL;
    }
    if (role & BDRV_CHILD_METADATA) {
        flags &= ~BDRV_O_NO_IO;
    }
    return flags | BDRV_O_PROTOCOL;
}

/* {"file": {}} says nothing about the child: as if it were not there. */
static void drop_empty_dicts(QDict *options)
{
    for (size_t i = qdict_size(options); i-- > 0; ) {
        QObject *v = qdict_value_at(options, i);

        if (qobject_type(v) == QTYPE_DICT && qdict_size(v) == 0) {
            g_autofree char *key = g_strdup(qdict_key_at(options, i));

            qdict_del(options, key);
        }
    }
}

void bdrv_options_flatten(QDict *options)
{
    qdict_flatten(options);
    drop_empty_dicts(options);
}

void bdrv_options_drop_children(QDict *options, const BlockDriverState *bs)
{
    for (const BdrvChild *c = bs->children; c; c = c->next) {
        g_autofree char *prefix = g_strconcat(c->name, ".", NULL);

        qdict_del(options, c->name);
        qobject_unref(qdict_extract_subdict(options, prefix));
    }
    qdict_del(options, "backing");
    qobject_unref(qdict_extract_subdict(options, "backing."));
}

int bdrv_options_from_json_name(const char **filename, QDict *options, Error **errp)
{
    ERRP_GUARD();
    g_autoptr(QObject) parsed = NULL;
    const char *text;

    if (!*filename || !str_has_prefix(*filename, "json:", &text)) {
        return 0;
    }
    parsed = json_parse(text, errp);
    if (!parsed) {
        error_prepend(errp, "Could not parse the JSON options: ");
        return -EINVAL;
    }
    if (qobject_type(parsed) != QTYPE_DICT) {
        error_setg(errp, "Invalid JSON object given");
        return -EINVAL;
    }
    bdrv_options_flatten(parsed);
    qdict_join(options, parsed, true);
    *filename = NULL;
    return 0;
}
