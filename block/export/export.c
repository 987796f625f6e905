/*
 * Exports of all types: the list, references, and the commands over them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "export-drivers.h"
#include "qapi/commands-block-export.h"
#include "qapi/events-block-export.h"
#include "util/cutils.h"

static BlockExport *exports;                           /* newest first */
static const BlockExportDriver *const drivers[BLOCK_EXPORT_TYPE__MAX] = {
    [BLOCK_EXPORT_TYPE_NBD] = &nbd_export_driver,
    [BLOCK_EXPORT_TYPE_VHOST_USER_BLK] = &vhost_user_blk_export_driver,
#ifdef HAVE_VDUSE
    [BLOCK_EXPORT_TYPE_VDUSE_BLK] = &vduse_blk_export_driver,
#endif
#ifdef HAVE_FUSE
    [BLOCK_EXPORT_TYPE_FUSE] = &fuse_export_driver,
#endif
};
static const BlockExportThreads *threads;

void blk_exp_set_threads(const BlockExportThreads *t)
{
    threads = t;
}

static bool mounts_denied;

void blk_exp_deny_mounts(void) { mounts_denied = true; }
bool blk_exp_mounts_denied(void) { return mounts_denied; }

static void release_thread(void *thread)
{
    if (thread) {
        threads->release(thread);
    }
}

BlockExport *blk_exp_find(const char *id)
{
    for (BlockExport *e = exports; e; e = e->next) {
        if (!strcmp(e->id, id)) {
            return e;
        }
    }
    return NULL;
}

void blk_exp_ref(BlockExport *exp)
{
    __atomic_fetch_add(&exp->refs, 1, __ATOMIC_RELAXED);
}

static void delete_export(void *opaque)
{
    BlockExport *exp = opaque, **link = &exports;
    BlockExportDeletedEvent event = { .id = exp->id };

    while (*link != exp) {
        link = &(*link)->next;
    }
    *link = exp->next;
    exp->driver->delete(exp);
    blk_unref(exp->blk);
    release_thread(exp->thread);
    qapi_event_send_BLOCK_EXPORT_DELETED(&event);
    g_free(exp->id);
    g_free(exp);
    aio_wait_kick();
}

void blk_exp_unref(BlockExport *exp)
{
    if (__atomic_sub_fetch(&exp->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        /* Freeing a backend polls: never from a client's coroutine. */
        aio_bh_oneshot(aio_main_context(), delete_export, exp);
    }
}

void blk_exp_request_shutdown(BlockExport *exp)
{
    if (exp->shutting_down) {
        return;
    }
    exp->shutting_down = true;
    blk_exp_ref(exp);
    exp->driver->request_shutdown(exp);
    if (exp->user_owned) {
        exp->user_owned = false;
        blk_exp_unref(exp);
    }
    blk_exp_unref(exp);
}

static bool any_left(void *opaque)
{
    BlockExportType type = *(BlockExportType *)opaque;

    for (BlockExport *e = exports; e; e = e->next) {
        if (type == BLOCK_EXPORT_TYPE__MAX || e->driver->type == type) {
            return true;
        }
    }
    return false;
}

/* Oldest first, as they were made. */
static void shut_down_from(BlockExport *e, BlockExportType type)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new();

    for (; e; e = e->next) {
        g_ptr_array_insert(list, 0, e);
    }
    for (guint i = 0; i < list->len; i++) {
        BlockExport *one = list->pdata[i];

        if (type == BLOCK_EXPORT_TYPE__MAX || one->driver->type == type) {
            blk_exp_request_shutdown(one);
        }
    }
}

void blk_exp_close_all_type(BlockExportType type)
{
    shut_down_from(exports, type);
    bdrv_wait_while(any_left, &type);
}

/* --- adding ------------------------------------------------------------------------- */

static bool take_thread(const BlockExportOptions *opts, AioContext **ctx, void **thread, Error **errp)
{
    *ctx = aio_main_context();
    *thread = opts->iothread && threads ? threads->take(opts->iothread, ctx) : NULL;
    if (opts->iothread && !*thread) {
        error_setg(errp, "iothread \"%s\" not found", opts->iothread);
        return false;
    }
    return true;
}

/* The backend on the node, with write permission when asked for. */
static BlockBackend *open_backend(const BlockExportOptions *opts, Error **errp)
{
    uint64_t perm = BLK_PERM_CONSISTENT_READ | (opts->writable ? BLK_PERM_WRITE : 0);
    BlockDriverState *bs = bdrv_lookup_bs(NULL, opts->node_name, errp);
    BlockBackend *blk;

    if (!bs) {
        return NULL;
    }
    if (opts->writable && bs->read_only) {
        error_setg(errp, "Cannot export read-only node as writable");
        return NULL;
    }
    blk = blk_new_with_bs(bs, perm, BLK_PERM_ALL, errp);
    if (blk) {
        blk_set_enable_write_cache(blk, !(opts->has_writethrough && opts->writethrough));
    }
    return blk;
}

BlockExport *blk_exp_add(const BlockExportOptions *opts, Error **errp)
{
    const BlockExportDriver *drv = drivers[opts->type];
    BlockExport *exp;
    AioContext *ctx;
    BlockBackend *blk;
    void *thread;

    if (!id_wellformed(opts->id)) {
        error_setg(errp, "Invalid block export id");
        return NULL;
    }
    if (blk_exp_find(opts->id)) {
        error_setg(errp, "Block export id '%s' is already in use", opts->id);
        return NULL;
    }
    if (!drv) {
        error_setg(errp, "No driver found for the requested export type");
        return NULL;
    }
    if (!take_thread(opts, &ctx, &thread, errp)) {
        return NULL;
    }
    blk = open_backend(opts, errp);
    if (!blk) {
        release_thread(thread);
        return NULL;
    }
    exp = g_malloc0(drv->instance_size);
    exp->driver = drv;
    exp->refs = 1;
    exp->user_owned = true;
    exp->id = g_strdup(opts->id);
    exp->writable = opts->writable;
    exp->blk = blk;
    exp->ctx = ctx;
    exp->thread = thread;
    if (drv->create(exp, opts, errp) < 0) {
        blk_unref(blk);
        release_thread(thread);
        g_free(exp->id);
        g_free(exp);
        return NULL;
    }
    exp->next = exports;
    exports = exp;
    return exp;
}

/* --- commands ---------------------------------------------------------------------------- */

void qmp_block_export_add(const BlockExportOptions *arg, Error **errp)
{
    blk_exp_add(arg, errp);
}

void qmp_block_export_del(const BlockExportDelArgs *arg, Error **errp)
{
    BlockExport *exp = blk_exp_find(arg->id);
    bool hard = arg->has_mode && arg->mode == BLOCK_EXPORT_REMOVE_MODE_HARD;

    if (!exp) {
        error_setg(errp, "Export '%s' is not found", arg->id);
    } else if (!exp->user_owned) {
        error_setg(errp, "Export '%s' is already shutting down", arg->id);
    } else if (!hard && __atomic_load_n(&exp->refs, __ATOMIC_ACQUIRE) > 1) {
        error_setg(errp, "export '%s' still in use", exp->id);
        error_append_hint(errp, "Use mode='hard' to force client disconnect\n");
    } else {
        blk_exp_request_shutdown(exp);
    }
}

BlockExportInfoList *qmp_query_block_exports(Error **errp)
{
    BlockExportInfoList *list = BlockExportInfoList_new();

    for (BlockExport *e = exports; e; e = e->next) {
        BlockExportInfo *info = BlockExportInfo_new();

        info->id = g_strdup(e->id);
        info->type = e->driver->type;
        info->node_name = g_strdup(blk_bs(e->blk) ? bdrv_get_node_name(blk_bs(e->blk)) : "");
        info->shutting_down = !e->user_owned;
        BlockExportInfoList_append(list, info);
    }
    return list;
}
