/*
 * Backing chains: opening them (one loop, however deep), walking them, naming them, changing
 * the link in the image and in the graph.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "internal.h"
#include "util/cutils.h"

BlockDriverState *bdrv_cow_bs(const BlockDriverState *bs)
{
    return bs && bs->backing && !(bs->backing->role & BDRV_CHILD_FILTERED) ? bs->backing->bs : NULL;
}

BdrvChild *bdrv_filter_child(const BlockDriverState *bs)
{
    if (!bs || !bs->drv || !bs->drv->is_filter) {
        return NULL;
    }
    for (BdrvChild *c = bs->children; c; c = c->next) {
        if (c->role & BDRV_CHILD_FILTERED) {
            return c;
        }
    }
    return NULL;
}

BlockDriverState *bdrv_skip_filters(BlockDriverState *bs)
{
    BdrvChild *c;

    while ((c = bdrv_filter_child(bs))) {
        bs = c->bs;
    }
    return bs;
}

BlockDriverState *bdrv_filter_or_cow_bs(const BlockDriverState *bs)
{
    BdrvChild *c = bdrv_filter_child(bs);

    return c ? c->bs : bdrv_cow_bs(bs);
}

BlockDriverState *bdrv_primary_bs(const BlockDriverState *bs)
{
    for (BdrvChild *c = bs ? bs->children : NULL; c; c = c->next) {
        if (c->role & BDRV_CHILD_PRIMARY) {
            return c->bs;
        }
    }
    return NULL;
}

BlockDriverState *bdrv_backing_chain_next(BlockDriverState *bs)
{
    return bdrv_skip_filters(bdrv_cow_bs(bdrv_skip_filters(bs)));
}

bool bdrv_chain_contains(BlockDriverState *top, BlockDriverState *base)
{
    while (top && top != base) {
        top = bdrv_filter_or_cow_bs(top);
    }
    return top != NULL;
}

char *bdrv_full_backing_from(const char *overlay, const char *backing, Error **errp)
{
    if (!*backing) {
        return NULL;
    }
    if (path_has_protocol(backing) || path_is_absolute(backing)) {
        return g_strdup(backing);
    }
    if (!*overlay || g_str_has_prefix(overlay, "json:")) {
        error_setg(errp, "Cannot use relative backing file names for '%s'", overlay);
        return NULL;
    }
    return path_combine(overlay, backing);
}

/* The plain name of the file at the bottom of the primary children: relative names start in its folder. */
static const char *base_name_of(BlockDriverState *bs, Error **errp)
{
    BlockDriverState *leaf = bs, *next;

    while ((next = bdrv_primary_bs(leaf))) {
        leaf = next;
    }
    if (!leaf->exact_filename[0]) {
        error_setg(errp, "Cannot generate a base directory for %s nodes", leaf->drv->name);
        return NULL;
    }
    return leaf->exact_filename;
}

char *bdrv_get_full_backing_filename(BlockDriverState *bs, Error **errp)
{
    const char *base;

    if (!bs->backing_file[0]) {
        return NULL;
    }
    if (path_has_protocol(bs->backing_file) || path_is_absolute(bs->backing_file)) {
        return g_strdup(bs->backing_file);
    }
    base = base_name_of(bs, errp);
    return base ? path_combine(base, bs->backing_file) : NULL;
}

static int point_backing(BlockDriverState *bs, BlockDriverState *backing, Error **errp)
{
    if (bdrv_reaches(backing, bs)) {
        error_setg(errp, "Making '%s' a backing child of '%s' would create a cycle", backing->node_name, bs->node_name);
        return -EINVAL;
    }
    return bdrv_replace_child_bs(bs->backing, backing, errp);
}

int bdrv_set_backing_hd(BlockDriverState *bs, BlockDriverState *backing, Error **errp)
{
    BdrvChildRole role;
    int ret = 0;

    if (backing && !bs->drv->supports_backing && !bs->drv->is_filter) {
        error_setg(errp, "Driver '%s' of node '%s' does not support backing files", bs->drv->name, bs->node_name);
        return -EINVAL;
    }
    if (bs->backing && bs->backing->frozen) {
        error_setg(errp, "Cannot change frozen '%s' link from '%s' to '%s'", bs->backing->name, bs->node_name,
                   bs->backing->bs->node_name);
        return -EPERM;
    }
    bdrv_drained_begin(bs);
    if (bs->backing && backing) {          /* should it be refused, the old one is still there */
        ret = point_backing(bs, backing, errp);
    } else if (bs->backing) {
        bdrv_unref_child(bs, bs->backing);
    } else if (backing) {
        role = bs->drv->is_filter ? BDRV_CHILD_FILTERED | BDRV_CHILD_PRIMARY : BDRV_CHILD_COW;
        bdrv_ref(backing);
        ret = bdrv_attach_child(bs, backing, "backing", role, errp) ? 0 : -EPERM;
    }
    bdrv_drained_end(bs);
    bdrv_refresh_limits(bs, NULL);
    return ret;
}

/* One link of a chain that is being opened. */
typedef struct ChainLink {
    BlockDriverState *overlay;
    bool implicit;                     /* the name came from the image */
} ChainLink;

static bool backing_options_name_file(const QDict *opts)
{
    return qdict_has(opts, "") || qdict_has(opts, "file.filename");
}

/* What of the link below bs the image in bs chose: filename is from its header, and so is a format that opts lack. */
static ImageChoice link_choice(const BlockDriverState *bs, const QDict *opts, const char *filename, bool users_name)
{
    ImageChoice choice = bdrv_image_choice_of_child(bs, "backing");

    if (!choice.name && !users_name && (filename || bs->backing_format[0])) {
        choice.users = qobject_clone(opts);
        bdrv_options_flatten(choice.users);
        choice.name = g_strdup(bs->backing_file);
    } else if (choice.name && filename) {
        g_free(choice.name);
        choice.name = g_strdup(bs->backing_file);
    }
    return choice;
}

/*
 * Opens and attaches what is directly below bs.  1: done, *below borrowed and *below_options for the next
 * step; 0: there is nothing below; negative: error.
 */
static int open_link(BlockDriverState *bs, QDict *opts, bool users_name, ChainLink *link, BlockDriverState **below,
                     QDict **below_options, Error **errp)
{
    ERRP_GUARD();
    const char *reference = qdict_get_str(opts, "");
    g_autofree char *filename = NULL;
    SCOPED_IMAGE_CHOICE choice = { NULL, NULL };

    *link = (ChainLink) { bs, false };
    if (!backing_options_name_file(opts)) {
        if (!bs->backing_file[0] && qdict_size(opts) == 0) {
            return 0;
        }
        link->implicit = !strcmp(bs->auto_backing_file, bs->backing_file);
        filename = bdrv_get_full_backing_filename(bs, errp);
        if (*errp) {
            return -EINVAL;
        }
    }
    if (reference) {
        *below = bdrv_open_inherit(NULL, reference, NULL, 0, bs, "backing", BDRV_CHILD_COW, errp);
    } else {
        choice = link_choice(bs, opts, filename, users_name);
        if (bs->backing_format[0] && !qdict_has(opts, "driver")) {
            qdict_put_str(opts, "driver", bs->backing_format);
        }
        *below = bdrv_open_one(filename, qobject_ref(opts), 0, bs, BDRV_CHILD_COW, &choice, below_options, errp);
    }
    if (!*below) {
        error_prepend(errp, "Could not open backing file: ");
        return -EINVAL;
    }
    return bdrv_attach_child(bs, *below, "backing", BDRV_CHILD_COW, errp) ? 1 : -EPERM;
}

/* The file directly below bs, when it is a plain one. */
static bool leaf_stat(BlockDriverState *bs, struct stat *st)
{
    BlockDriverState *leaf = bdrv_primary_bs(bs);

    return leaf && bdrv_is_protocol(leaf->drv) && leaf->exact_filename[0] &&
           stat(leaf->exact_filename, st) == 0;
}

#define CHAIN_MAX 1000

/* What makes a file the same file, and the format that it is opened with. */
typedef struct ImageKey {
    dev_t dev;
    ino_t ino;
    const BlockDriver *drv;
} ImageKey;

static guint image_key_hash(gconstpointer p)
{
    const ImageKey *k = p;

    return (guint)(k->ino * 31 + k->dev) ^ g_direct_hash(k->drv);
}

static gboolean image_key_equal(gconstpointer p, gconstpointer q)
{
    const ImageKey *a = p, *b = q;

    return a->dev == b->dev && a->ino == b->ino && a->drv == b->drv;
}

static void note_image(GHashTable *seen, BlockDriverState *bs)
{
    struct stat st;

    if (leaf_stat(bs, &st)) {
        ImageKey key = { st.st_dev, st.st_ino, bs->drv };

        g_hash_table_add(seen, g_memdup2(&key, sizeof(key)));
    }
}

/*
 * An image that is again among those above it would be opened for ever; a chain without end, as an image can make it with
 * names alone, takes memory for each link.
 */
static bool chain_ends_here(GHashTable *seen, guint links, BlockDriverState *bs, Error **errp)
{
    struct stat st;

    if (!bs->drv->supports_backing || !bs->backing_file[0]) {
        return false;
    }
    if (leaf_stat(bs, &st)) {
        ImageKey key = { st.st_dev, st.st_ino, bs->drv };

        if (g_hash_table_contains(seen, &key)) {
            error_setg(errp, "Backing file '%s' creates an infinite loop.", bdrv_primary_bs(bs)->exact_filename);
            return true;
        }
    }
    if (links >= CHAIN_MAX) {
        error_setg(errp, "Backing chain has more than %d links", CHAIN_MAX);
        return true;
    }
    return false;
}

/* Names from the bottom up: a name speaks of the layers below it. */
static void name_links(const GArray *links)
{
    for (guint i = links->len; i-- > 0; ) {
        const ChainLink *link = &g_array_index(links, ChainLink, i);
        BlockDriverState *bs = link->overlay;

        if (bs->backing && link->implicit) {
            bdrv_node_set_filename(&bs->auto_backing_file, bs->backing->bs->filename);
        }
        bdrv_refresh_own_filename(bs);
    }
}

int bdrv_open_backing_chain(BlockDriverState *bs, QDict *options, bool users_name, Error **errp)
{
    ERRP_GUARD();
    g_autoptr(GArray) links = g_array_new(false, false, sizeof(ChainLink));
    g_autoptr(GHashTable) seen = g_hash_table_new_full(image_key_hash, image_key_equal, g_free, NULL);
    BlockDriverState *below = NULL;
    int ret;

    do {
        QDict *below_options = NULL;
        ChainLink link;

        ret = open_link(bs, options, users_name, &link, &below, &below_options, errp);
        qobject_unref(options);
        options = below_options;
        users_name = false;
        if (ret > 0) {
            g_array_append_val(links, link);
            note_image(seen, bs);
            bdrv_refresh_limits(bs, NULL);
            bs = below;
            ret = chain_ends_here(seen, links->len, bs, errp) ? -ELOOP : ret;
        }
    } while (ret > 0 && options);
    qobject_unref(options);
    /* The layers above say so as well: but not a thousand times. */
    for (guint i = 0; ret < 0 && i < MIN(links->len, 8); i++) {
        error_prepend(errp, "Could not open backing file: ");
    }
    name_links(links);
    return MIN(ret, 0);
}

int bdrv_open_backing_file(BlockDriverState *bs, QDict *parent_options, const char *key, Error **errp)
{
    g_autofree char *prefix = g_strconcat(key, ".", NULL);
    QDict *opts;
    QObject *ref;

    if (bs->backing) {
        return 0;
    }
    opts = parent_options ? qdict_extract_subdict(parent_options, prefix) : qdict_new();
    ref = parent_options ? qdict_steal(parent_options, key) : NULL;
    if (ref) {
        qdict_put(opts, "", ref);
    }
    if ((ref || qdict_size(opts) || bs->backing_file[0]) && !bs->drv->supports_backing) {
        error_setg(errp, "Driver doesn't support backing files");
        qobject_unref(opts);
        return -EINVAL;
    }
    bs->open_flags &= ~BDRV_O_NO_BACKING;
    return bdrv_open_backing_chain(bs, opts, false, errp);
}

int bdrv_change_backing_file(BlockDriverState *bs, const char *file, const char *fmt, bool require)
{
    int ret;

    if (fmt && !*fmt) {
        fmt = NULL;
    }
    if (require && file && !fmt) {
        return -EINVAL;
    }
    if (!bs->drv->change_backing_file) {
        return -ENOTSUP;
    }
    bdrv_drained_begin(bs);
    ret = bs->drv->change_backing_file(bs, file, fmt);
    bdrv_drained_end(bs);
    if (ret == 0) {
        bdrv_node_set_filename(&bs->backing_file, file ? file : "");
        bdrv_node_set_filename(&bs->backing_format, fmt ? fmt : "");
        bdrv_node_set_filename(&bs->auto_backing_file, bs->backing_file);
    }
    return ret;
}
