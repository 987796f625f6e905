/*
 * An NBD export: its name, facts and bitmaps.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "export-drivers.h"
#include "nbd-export.h"

static NbdExport *named;

NbdExport *nbd_export_by_name(const char *name)
{
    for (NbdExport *e = named; e; e = e->next) {
        if (!strcmp(e->name, name)) {
            return e;
        }
    }
    return NULL;
}

NbdExport *nbd_export_next(NbdExport *e)
{
    return e ? e->next : named;
}

static void unlink_name(NbdExport *e)
{
    for (NbdExport **link = &named; *link; link = &(*link)->next) {
        if (*link == e) {
            *link = e->next;
            break;
        }
    }
}

static BdrvDirtyBitmap *find_local_bitmap(NbdExport *e, const char *name, Error **errp)
{
    /* Through filters and the backing chain: a bitmap may be on any layer. */
    for (BlockDriverState *bs = blk_bs(e->common.blk); bs; bs = bdrv_filter_or_cow_bs(bs)) {
        BdrvDirtyBitmap *bm = bdrv_find_dirty_bitmap(bs, name);

        if (bm) {
            return bm;
        }
    }
    error_setg(errp, "Bitmap '%s' is not found", name);
    return NULL;
}

static BdrvDirtyBitmap *find_bitmap(NbdExport *e, const BlockDirtyBitmapOrStr *which, Error **errp)
{
    BdrvDirtyBitmap *bm;
    BlockDriverState *bs;

    if (which->type == QTYPE_STRING) {
        return find_local_bitmap(e, which->u.local, errp);
    }
    bs = bdrv_lookup_bs(which->u.external.node, which->u.external.node, errp);
    bm = bs ? bdrv_find_dirty_bitmap(bs, which->u.external.name) : NULL;
    if (bs && !bm) {
        error_setg(errp, "Dirty bitmap '%s' not found", which->u.external.name);
    }
    return bm;
}

static int check_bitmap(NbdExport *e, BdrvDirtyBitmap *bm, Error **errp)
{
    if (!e->common.writable && bdrv_dirty_bitmap_enabled(bm) && bdrv_is_writable(bdrv_dirty_bitmap_bs(bm))) {
        error_setg(errp, "Enabled bitmap '%s' incompatible with readonly export", bdrv_dirty_bitmap_name(bm));
        return -EINVAL;
    }
    if (bdrv_dirty_bitmap_check(bm, BDRV_BITMAP_ALLOW_RO, errp)) {
        return -EINVAL;
    }
    if (strlen(bdrv_dirty_bitmap_name(bm)) > NBD_MAX_STRING - strlen("qemu:dirty-bitmap:")) {
        error_setg(errp, "Bitmap name too long");
        return -EINVAL;
    }
    return 0;
}

static int take_bitmaps(NbdExport *e, const BlockDirtyBitmapOrStrList *list, Error **errp)
{
    e->bitmaps = g_new0(BdrvDirtyBitmap *, (list ? list->len : 0) + 1);
    for (size_t i = 0; list && i < list->len; i++) {
        BdrvDirtyBitmap *bm = find_bitmap(e, list->items[i], errp);

        if (!bm || check_bitmap(e, bm, errp) < 0) {
            return -EINVAL;
        }
        e->bitmaps[e->n_bitmaps++] = bm;
    }
    /* Busy only once all are good: the same one may be named twice. */
    for (unsigned i = 0; i < e->n_bitmaps; i++) {
        bdrv_dirty_bitmap_set_busy(e->bitmaps[i], true);
    }
    return 0;
}

static void add_context(NbdExport *e, uint32_t id, char *name)
{
    e->contexts[e->n_contexts++] = (NbdContext){ name, id };
}

static void make_contexts(NbdExport *e)
{
    e->contexts = g_new0(NbdContext, 2 + e->n_bitmaps);
    add_context(e, NBD_CONTEXT_ALLOCATION, g_strdup("base:allocation"));
    if (e->allocation_depth) {
        add_context(e, NBD_CONTEXT_DEPTH, g_strdup("qemu:allocation-depth"));
    }
    for (unsigned i = 0; i < e->n_bitmaps; i++) {
        add_context(e, NBD_CONTEXT_BITMAPS + i,
                    g_strdup_printf("qemu:dirty-bitmap:%s", bdrv_dirty_bitmap_name(e->bitmaps[i])));
    }
}

static void free_parts(NbdExport *e)
{
    for (unsigned i = 0; i < e->n_contexts; i++) {
        g_free((char *)e->contexts[i].name);
    }
    g_free(e->contexts);
    g_free(e->bitmaps);
    g_free(e->name);
    g_free(e->description);
}

static int check_names(const char *name, const BlockExportOptionsNbd *o, Error **errp)
{
    if (!nbd_server_is_running()) {
        error_setg(errp, "NBD server not running");
        return -EINVAL;
    }
    if (strlen(name) > NBD_MAX_STRING) {
        error_setg(errp, "export name '%s' too long", name);
        return -EINVAL;
    }
    if (o->description && strlen(o->description) > NBD_MAX_STRING) {
        error_setg(errp, "description '%s' too long", o->description);
        return -EINVAL;
    }
    if (nbd_export_by_name(name)) {
        error_setg(errp, "NBD server already has export named '%s'", name);
        return -EEXIST;
    }
    return 0;
}

static int export_create(BlockExport *common, const BlockExportOptions *opts, Error **errp)
{
    NbdExport *e = (NbdExport *)common;
    const BlockExportOptionsNbd *o = &opts->u.nbd;
    const char *name = o->name ? o->name : opts->node_name;
    uint64_t perm = BLK_PERM_CONSISTENT_READ | (common->writable ? BLK_PERM_WRITE : 0);
    int64_t size = blk_getlength(common->blk);
    int ret = check_names(name, o, errp);

    if (ret == 0 && size < 0) {
        error_setg_errno(errp, -size, "Failed to determine the NBD export's length");
        ret = size;
    }
    /* A client cannot learn of another size. */
    if (ret == 0) {
        ret = blk_set_perm(common->blk, perm, BLK_PERM_ALL & ~BLK_PERM_RESIZE, errp);
    }
    if (ret < 0) {
        return ret;
    }
    e->name = g_strdup(name);
    e->description = g_strdup(o->description);
    e->size = size;
    e->allocation_depth = o->has_allocation_depth && o->allocation_depth;
    ret = take_bitmaps(e, o->bitmaps, errp);
    if (ret < 0) {
        free_parts(e);
        return ret;
    }
    make_contexts(e);
    e->next = named;
    named = e;
    return 0;
}

static void export_request_shutdown(BlockExport *common)
{
    unlink_name((NbdExport *)common);
    nbd_conn_close_export((NbdExport *)common);
}

static void export_delete(BlockExport *common)
{
    NbdExport *e = (NbdExport *)common;

    unlink_name(e);
    for (unsigned i = 0; i < e->n_bitmaps; i++) {
        bdrv_dirty_bitmap_set_busy(e->bitmaps[i], false);
    }
    free_parts(e);
}

const BlockExportDriver nbd_export_driver = {
    .type = BLOCK_EXPORT_TYPE_NBD,
    .instance_size = sizeof(NbdExport),
    .create = export_create,
    .request_shutdown = export_request_shutdown,
    .delete = export_delete,
};

void nbd_export_facts(NbdExport *e, bool multi_conn, NbdExportFacts *facts)
{
    BlockDriverState *bs = blk_bs(e->common.blk);
    uint16_t flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_CACHE;

    /* Connections share one cache, so what one flushed is stable for all. */
    flags |= multi_conn ? NBD_FLAG_CAN_MULTI_CONN : 0;
    flags |= e->common.writable ? NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_SEND_FAST_ZERO
                                : NBD_FLAG_READ_ONLY;
    *facts = (NbdExportFacts){
        .export = e, .name = e->name, .description = e->description, .size = e->size, .flags = flags,
        .min_block = blk_get_request_alignment(e->common.blk),
        .preferred_block = MAX(4096u, bs ? bs->bl.opt_transfer : 0),
        .max_block = MIN(blk_get_max_transfer(e->common.blk), NBD_MAX_PAYLOAD),
        .contexts = e->contexts, .n_contexts = e->n_contexts,
    };
}
