/*
 * Nodes: life, names, the list of all of them, length.
 *
 * A node dies when its last reference goes.  Deaths are queued: a parent's death releases its
 * children, and a chain may be deeper than a stack.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "internal.h"
#include "util/cutils.h"

static BlockDriverState *all_first, *all_last;
static GQueue dying = G_QUEUE_INIT;
static bool reaping;
static uint64_t last_serial;

void bdrv_node_set_filename(char **slot, const char *value)
{
    char *copy = g_strdup(value);

    g_free(*slot);
    *slot = copy;
}

BlockDriverState *bdrv_node_new(void)
{
    BlockDriverState *bs = g_new0(BlockDriverState, 1);

    bs->core = g_new0(struct BdrvCore, 1);
    bs->core->refcnt = 1;
    bs->core->serial = ++last_serial;
    bs->core->cumulative_shared = BLK_PERM_ALL;
    bs->filename = g_strdup("");
    bs->exact_filename = g_strdup("");
    bs->backing_file = g_strdup("");
    bs->backing_format = g_strdup("");
    bs->auto_backing_file = g_strdup("");
    bs->options = qdict_new();
    bs->explicit_options = qdict_new();
    bs->full_open_options = qdict_new();
    bs->bl.request_alignment = 1;
    bdrv_io_init(bs);
    return bs;
}

static void list_insert(BlockDriverState *bs)
{
    bs->core->prev = all_last;
    *(all_last ? &all_last->core->next : &all_first) = bs;
    all_last = bs;
}

static void list_remove(BlockDriverState *bs)
{
    struct BdrvCore *core = bs->core;

    if (bs->node_name[0]) {
        *(core->prev ? &core->prev->core->next : &all_first) = core->next;
        *(core->next ? &core->next->core->prev : &all_last) = core->prev;
    }
}

static bool name_is_free(const char *name, Error **errp)
{
    BlockDriverState *unused;

    if (!id_wellformed(name)) {
        error_setg(errp, "Invalid node-name: '%s'", name);
        return false;
    }
    if (bdrv_device_lookup(name, &unused)) {
        error_setg(errp, "node-name=%s is conflicting with a device id", name);
        return false;
    }
    if (bdrv_find_node(name)) {
        error_setg(errp, "Duplicate nodes with node-name='%s'", name);
        return false;
    }
    if (strlen(name) >= sizeof(((BlockDriverState *)NULL)->node_name)) {
        error_setg(errp, "Node name too long");
        return false;
    }
    return true;
}

int bdrv_node_set_name(BlockDriverState *bs, const char *name, Error **errp)
{
    g_autofree char *generated = NULL;

    if (name && !name_is_free(name, errp)) {
        return -EINVAL;
    }
    if (!name) {
        generated = id_generate("block");
        name = generated;
    } else {
        bs->core->named = true;
    }
    pstrcpy(bs->node_name, sizeof(bs->node_name), name);
    list_insert(bs);
    return 0;
}

void bdrv_node_close(BlockDriverState *bs)
{
    const BlockDriver *drv = bs->drv;

    if (drv) {
        bdrv_drained_begin(bs);
        bdrv_flush(bs);
        if (drv->close) {
            drv->close(bs);
        }
        bs->drv = NULL;
        bdrv_drained_end(bs);
    }
    g_clear_pointer(&bs->opaque, g_free);
    while (bs->children) {
        bdrv_unref_child(bs, bs->children);
    }
}

static void node_free(BlockDriverState *bs)
{
    g_assert(!bs->parents);
    bdrv_node_close(bs);
    list_remove(bs);
    for (int i = 0; i < BLOCK_OP_MAX; i++) {
        g_slist_free(bs->core->op_blockers[i]);
    }
    bdrv_io_close(bs);
    qobject_unref(bs->options);
    qobject_unref(bs->explicit_options);
    qobject_unref(bs->full_open_options);
    g_free(bs->filename);
    g_free(bs->exact_filename);
    g_free(bs->backing_file);
    g_free(bs->backing_format);
    g_free(bs->auto_backing_file);
    g_free(bs->core->image_name);
    qobject_unref(bs->core->user_options);
    g_free(bs->core);
    g_free(bs);
}

void bdrv_ref(BlockDriverState *bs)
{
    bs->core->refcnt++;
}

static void reap_outside(void *opaque)
{
    BlockDriverState *bs;

    while ((bs = g_queue_pop_head(&dying))) {
        node_free(bs);
    }
    reaping = false;
}

static void reap(void)
{
    if (reaping) {
        return;
    }
    reaping = true;
    aio_run_outside(reap_outside, NULL);       /* closing polls */
}

void bdrv_unref(BlockDriverState *bs)
{
    if (!bs) {
        return;
    }
    g_assert(bs->core->refcnt > 0);
    if (--bs->core->refcnt == 0) {
        g_queue_push_tail(&dying, bs);
        reap();
    }
}

void bdrv_close_all(void)
{
    if (!all_first) {
        return;
    }
    g_critical("%s: node '%s' is still referenced", __func__, all_first->node_name);
    g_assert_not_reached();
}

BlockDriverState *bdrv_next_any(BlockDriverState *bs)
{
    return bs ? bs->core->next : all_first;
}

BlockDriverState *bdrv_next_node(BlockDriverState *bs)
{
    return bdrv_next_any(bs);
}

BlockDriverState *bdrv_find_node(const char *node_name)
{
    for (BlockDriverState *bs = all_first; bs; bs = bs->core->next) {
        if (!strcmp(bs->node_name, node_name)) {
            return bs;
        }
    }
    return NULL;
}

BlockDriverState *bdrv_lookup_bs(const char *device, const char *node_name, Error **errp)
{
    BlockDriverState *bs = NULL;

    if (device && bdrv_device_lookup(device, &bs)) {
        if (!bs) {
            error_setg(errp, "Device '%s' has no medium", device);
        }
        return bs;
    }
    if (node_name && (bs = bdrv_find_node(node_name))) {
        return bs;
    }
    error_setg(errp, "Cannot find device='%s' nor node-name='%s'", device ? device : "", node_name ? node_name : "");
    return NULL;
}

const char *bdrv_get_node_name(const BlockDriverState *bs)
{
    return bs->node_name;
}

const char *bdrv_get_format_name(const BlockDriverState *bs)
{
    return bs->drv ? bs->drv->name : NULL;
}

/* The backend that uses bs, directly or through filters and overlays. */
static const char *device_name(const BlockDriverState *bs)
{
    for (BdrvChild *c = bs->parents; c; c = c->next_parent) {
        const char *name = NULL;

        if (c->parent) {
            name = c->role & (BDRV_CHILD_FILTERED | BDRV_CHILD_PRIMARY) ? device_name(c->parent) : NULL;
        } else if (c->ops->get_name) {
            name = c->ops->get_name(c);
        }
        if (name && *name) {
            return name;
        }
    }
    return NULL;
}

const char *bdrv_get_device_name(const BlockDriverState *bs)
{
    const char *name = device_name(bs);

    return name ? name : "";
}

const char *bdrv_get_device_or_node_name(const BlockDriverState *bs)
{
    const char *name = device_name(bs);

    return name ? name : bs->node_name;
}

void bdrv_set_length(BlockDriverState *bs, int64_t bytes)
{
    BdrvChild *c, *next;

    bs->total_bytes = bytes;
    for (c = bs->parents; c; c = next) {
        next = c->next_parent;
        if (c->ops && c->ops->resized) {
            c->ops->resized(c);
        }
    }
}

int bdrv_node_refresh_length(BlockDriverState *bs)
{
    BdrvChild *filtered = bdrv_filter_child(bs);

    if (bs->drv->getlength) {
        int64_t len = bs->drv->getlength(bs);
        if (len < 0) {
            return len;
        }
        bs->total_bytes = ALIGN_UP(len, BDRV_SECTOR_SIZE);      /* as the peer: disks are whole sectors */
    } else if (filtered) {
        bs->total_bytes = filtered->bs->total_bytes;
    }
    return 0;
}

int bdrv_apply_auto_read_only(BlockDriverState *bs, const char *msg, Error **errp)
{
    if (bs->read_only) {
        return 0;
    }
    if (!(bs->open_flags & BDRV_O_AUTO_RDONLY)) {
        error_setg(errp, "%s", msg ? msg : "Image is read-only");
        return -EACCES;
    }
    bs->open_flags &= ~BDRV_O_RDWR;
    bs->read_only = true;
    return 0;
}
