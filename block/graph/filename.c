/*
 * Names of nodes, made from what they were opened with: a plain name when it alone would open
 * the same node again by probing, else json:{...} with every option that matters.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "internal.h"
#include "util/cutils.h"
#include "util/text.h"

/* Does the node read through something else than its header would make it? */
static bool backing_overridden(const BlockDriverState *bs)
{
    BlockDriverState *backing = bdrv_cow_bs(bs);

    if (backing) {
        return strcmp(bs->auto_backing_file, backing->filename) != 0;
    }
    return bs->auto_backing_file[0] != '\0';
}

static bool is_child_option(const BlockDriverState *bs, const char *key)
{
    for (BdrvChild *c = bs->children; c; c = c->next) {
        size_t n = strlen(c->name);

        if (!strncmp(key, c->name, n) && (key[n] == '.' || key[n] == '\0')) {
            return true;
        }
    }
    return false;
}

/* A name that ends in '.' stands for all keys with that prefix. */
static bool option_matches(const char *strong, const char *key)
{
    size_t n = strlen(strong);

    return n && strong[n - 1] == '.' ? !strncmp(key, strong, n) : !strcmp(key, strong);
}

static bool add_strong_options(BlockDriverState *bs, QDict *out)
{
    bool any = false;

    for (const char *const *s = bs->drv->strong_options; s && *s; s++) {
        for (size_t i = 0; i < qdict_size(bs->options); i++) {
            const char *key = qdict_key_at(bs->options, i);

            if (option_matches(*s, key) && !is_child_option(bs, key)) {
                qdict_put(out, key, qobject_ref(qdict_value_at(bs->options, i)));
                any = true;
            }
        }
    }
    return any;
}

/* "children.0", "children.1" of one parent are a list in its description. */
static void add_child(QDict *out, const char *name, QObject *value)
{
    const char *dot = strrchr(name, '.');
    g_autofree char *list_name = dot ? g_strndup(name, dot - name) : NULL;

    if (!dot || !g_ascii_isdigit(dot[1])) {
        qdict_put(out, name, value);
        return;
    }
    if (!qdict_get_list(out, list_name)) {
        qdict_put(out, list_name, qlist_new());
    }
    qlist_append(qdict_get_list(out, list_name), value);
}

static void add_children(BlockDriverState *bs, bool overridden, QDict *out)
{
    for (BdrvChild *c = bs->children; c; c = c->next) {
        if (!(c->role & BDRV_CHILD_COW) || overridden) {
            add_child(out, c->name, qobject_ref(c->bs->full_open_options));
        }
    }
    if (overridden && !bs->backing) {
        qdict_put_null(out, "backing");
    }
}

/* A filter that nobody asked for is not to be seen in names. */
static void take_name_of(BlockDriverState *bs, BlockDriverState *below)
{
    bdrv_node_set_filename(&bs->exact_filename, below->exact_filename);
    bdrv_node_set_filename(&bs->filename, below->filename);
    qobject_unref(bs->full_open_options);
    bs->full_open_options = qobject_clone(below->full_open_options);
}

void bdrv_refresh_own_filename(BlockDriverState *bs)
{
    BlockDriverState *primary = bdrv_primary_bs(bs);
    bool overridden, needs_json;
    QDict *full;

    if (bs->implicit && bdrv_filter_child(bs)) {
        take_name_of(bs, bdrv_filter_child(bs)->bs);
        return;
    }
    /* A node opened for its header alone has no backing attached; that says nothing about what the user wants. */
    overridden = bs->drv->supports_backing && !(bs->open_flags & BDRV_O_NO_IO) && backing_overridden(bs);
    full = qdict_new();
    qdict_put_str(full, "driver", bs->drv->name);
    needs_json = add_strong_options(bs, full) || overridden;
    add_children(bs, overridden, full);
    qobject_unref(bs->full_open_options);
    bs->full_open_options = full;

    if (bs->drv->refresh_filename) {
        bdrv_node_set_filename(&bs->exact_filename, "");
        bs->drv->refresh_filename(bs);
    } else if (primary) {
        bool plain = primary->exact_filename[0] && bdrv_is_protocol(primary->drv) &&
                     !bs->drv->is_filter && !needs_json;
        bdrv_node_set_filename(&bs->exact_filename, plain ? primary->exact_filename : "");
    }
    if (bs->exact_filename[0]) {
        bdrv_node_set_filename(&bs->filename, bs->exact_filename);
    } else {
        g_autofree char *json = json_try_print(full, false);    /* as long as the user's options are */

        g_free(bs->filename);
        bs->filename = json ? text_format("json:%s", json) : g_strdup("");
    }
}

void bdrv_refresh_filename(BlockDriverState *bs)
{
    g_autoptr(GPtrArray) order = bdrv_walk_down(&bs, 1);

    for (guint i = order->len; i-- > 0; ) {
        bdrv_refresh_own_filename(g_ptr_array_index(order, i));
    }
}
