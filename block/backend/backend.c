/*
 * BlockBackend: life, names, the root edge and its permissions, drained sections seen from above.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "backend.h"
#include "util/cutils.h"

static BlockBackend *all_first, *all_last;

static char *root_desc(BdrvChild *c)
{
    BlockBackend *blk = c->opaque;

    g_autofree char *dev = blk->name ? NULL : blk_get_attached_dev_id(blk);

    if (blk->name || (dev && *dev)) {
        return g_strdup_printf("block device '%s'", blk->name ? blk->name : dev);
    }
    return g_strdup("an unnamed block device");
}

static const char *root_name(BdrvChild *c)
{
    return blk_name(c->opaque);
}

static void root_drained_begin(BdrvChild *c)
{
    blk_quiesce(c->opaque);
}

static bool root_drained_poll(BdrvChild *c)
{
    BlockBackend *blk = c->opaque;

    if (blk->dev && blk->dev_ops->drained_poll && blk->dev_ops->drained_poll(blk->dev)) {
        return true;
    }
    return __atomic_load_n(&blk->in_flight, __ATOMIC_SEQ_CST) > 0;
}

static void root_drained_end(BdrvChild *c)
{
    blk_unquiesce(c->opaque);
}

static void root_resized(BdrvChild *c)
{
    BlockBackend *blk = c->opaque;

    if (blk->dev && blk->dev_ops->resized) {
        blk->dev_ops->resized(blk->dev);
    }
}

static int root_inactivate(BdrvChild *c)
{
    BlockBackend *blk = c->opaque;

    if (blk->inactive) {
        return 0;
    }
    if (blk->name == NULL && !blk->force_allow_inactivate && (blk->perm & (BLK_PERM_WRITE | BLK_PERM_WRITE_UNCHANGED))) {
        return -EPERM;
    }
    blk->inactive = true;
    return bdrv_child_try_set_perm(c, 0, BLK_PERM_ALL, NULL);
}

static void root_activate(BdrvChild *c, Error **errp)
{
    BlockBackend *blk = c->opaque;

    if (!blk->inactive) {
        return;
    }
    blk->inactive = false;
    if (bdrv_child_try_set_perm(c, blk->perm, blk->shared, errp) < 0) {
        blk->inactive = true;
    }
}

static const BdrvChildOps root_ops = {
    .get_parent_desc = root_desc,
    .get_name = root_name,
    .drained_begin = root_drained_begin,
    .drained_poll = root_drained_poll,
    .drained_end = root_drained_end,
    .resized = root_resized,
    .inactivate = root_inactivate,
    .activate = root_activate,
};

static bool lookup_device(const char *name, BlockDriverState **out)
{
    BlockBackend *blk = blk_by_name(name);

    *out = blk ? blk_bs(blk) : NULL;
    return blk != NULL;
}

BlockBackend *blk_new(uint64_t perm, uint64_t shared)
{
    BlockBackend *blk = g_new0(BlockBackend, 1);

    bdrv_set_device_lookup(lookup_device);
    blk->refcnt = 1;
    blk->perm = perm;
    blk->shared = shared;
    blk->write_cache = true;
    blk->on_read_error = BLK_ON_ERROR_REPORT;
    blk->on_write_error = BLK_ON_ERROR_ENOSPC;
    blk->stats = block_acct_new();
    blk->ctx = aio_main_context();
    pthread_mutex_init(&blk->wait_lock, NULL);
    blk->prev = all_last;
    *(all_last ? &all_last->next : &all_first) = blk;
    all_last = blk;
    return blk;
}

BlockBackend *blk_new_with_bs(BlockDriverState *bs, uint64_t perm, uint64_t shared, Error **errp)
{
    BlockBackend *blk = blk_new(perm, shared);

    if (blk_insert_bs(blk, bs, errp) < 0) {
        blk_unref(blk);
        return NULL;
    }
    return blk;
}

static uint64_t perm_of_flags(int flags)
{
    uint64_t perm = 0;

    if (!(flags & BDRV_O_NO_IO)) {
        perm |= BLK_PERM_CONSISTENT_READ;
        if (flags & BDRV_O_RDWR) {
            perm |= BLK_PERM_WRITE;
        }
    }
    if (flags & BDRV_O_RESIZE) {
        perm |= BLK_PERM_RESIZE;
    }
    return perm;
}

BlockBackend *blk_open(const char *filename, const char *reference, QDict *options, int flags, Error **errp)
{
    BlockDriverState *bs = bdrv_open(filename, reference, options, flags & ~(BDRV_O_RESIZE | BDRV_O_NO_SHARE), errp);
    uint64_t shared = flags & BDRV_O_NO_SHARE ? BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE_UNCHANGED : BLK_PERM_ALL;
    BlockBackend *blk;

    if (!bs) {
        return NULL;
    }
    blk = blk_new_with_bs(bs, perm_of_flags(flags), shared, errp);
    bdrv_unref(bs);
    return blk;
}

void blk_ref(BlockBackend *blk)
{
    blk->refcnt++;
}

static void blk_free(BlockBackend *blk)
{
    g_assert(!blk->dev);
    blk_io_limits_disable(blk);
    blk_remove_bs(blk);
    if (blk->dinfo && blk->dinfo_destroy) {
        blk->dinfo_destroy(blk->dinfo);
    }
    *(blk->prev ? &blk->prev->next : &all_first) = blk->next;
    *(blk->next ? &blk->next->prev : &all_last) = blk->prev;
    block_acct_free(blk->stats);
    pthread_mutex_destroy(&blk->wait_lock);
    g_free(blk->name);
    g_free(blk);
}

void blk_unref(BlockBackend *blk)
{
    if (blk && --blk->refcnt == 0) {
        blk_free(blk);
    }
}

int blk_insert_bs(BlockBackend *blk, BlockDriverState *bs, Error **errp)
{
    bdrv_ref(bs);
    blk->root = bdrv_root_attach(bs, "root", &root_ops, blk, blk->perm, blk->shared, errp);
    return blk->root ? 0 : -EPERM;
}

int blk_replace_bs(BlockBackend *blk, BlockDriverState *bs, Error **errp)
{
    return blk->root ? bdrv_replace_child_bs(blk->root, bs, errp) : blk_insert_bs(blk, bs, errp);
}

void blk_remove_bs(BlockBackend *blk)
{
    BlockDriverState *bs;

    if (!blk->root) {
        return;
    }
    blk_update_root_state(blk);
    bs = blk->root->bs;
    bdrv_ref(bs);
    bdrv_drained_begin(bs);
    bdrv_root_detach(g_steal_pointer(&blk->root));
    bdrv_drained_end(bs);
    bdrv_unref(bs);
}

BlockDriverState *blk_bs(const BlockBackend *blk)
{
    return blk->root ? blk->root->bs : NULL;
}

BdrvChild *blk_root(const BlockBackend *blk)
{
    return blk->root;
}

int blk_set_perm(BlockBackend *blk, uint64_t perm, uint64_t shared, Error **errp)
{
    if (blk->root && !blk->inactive) {
        int ret = bdrv_child_try_set_perm(blk->root, perm, shared, errp);
        if (ret < 0) {
            return ret;
        }
    }
    blk->perm = perm;
    blk->shared = shared;
    return 0;
}

bool blk_set_name(BlockBackend *blk, const char *name, Error **errp)
{
    if (!id_wellformed(name)) {
        error_setg(errp, "Invalid device name");
        return false;
    }
    if (blk_by_name(name)) {
        error_setg(errp, "Device with id '%s' already exists", name);
        return false;
    }
    if (bdrv_find_node(name)) {
        error_setg(errp, "Device name '%s' conflicts with an existing node name", name);
        return false;
    }
    g_free(blk->name);
    blk->name = g_strdup(name);
    return true;
}

void blk_clear_name(BlockBackend *blk)
{
    g_clear_pointer(&blk->name, g_free);
}

const char *blk_name(const BlockBackend *blk)
{
    return blk->name ? blk->name : "";
}

BlockBackend *blk_all_next(BlockBackend *blk)
{
    return blk ? blk->next : all_first;
}

BlockBackend *blk_next(BlockBackend *blk)
{
    do {
        blk = blk_all_next(blk);
    } while (blk && !blk->name);
    return blk;
}

BlockBackend *blk_by_name(const char *name)
{
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        if (!strcmp(blk->name, name)) {
            return blk;
        }
    }
    return NULL;
}

bool blk_is_inserted(BlockBackend *blk)
{
    BlockDriverState *bs = blk_bs(blk);

    return bs && bs->drv;
}

bool blk_is_available(BlockBackend *blk)
{
    return blk_is_inserted(blk) && !blk_dev_is_tray_open(blk);
}

bool blk_supports_write_perm(BlockBackend *blk)
{
    BlockDriverState *bs = blk_bs(blk);

    return bs ? !bs->read_only : !blk->root_state.open_flags || (blk->root_state.open_flags & BDRV_O_RDWR);
}

bool blk_is_writable(BlockBackend *blk)
{
    return (blk->perm & BLK_PERM_WRITE) != 0;
}

int64_t blk_getlength(BlockBackend *blk)
{
    return blk_is_available(blk) ? bdrv_getlength(blk_bs(blk)) : -ENOMEDIUM;
}

uint32_t blk_get_request_alignment(BlockBackend *blk)
{
    BlockDriverState *bs = blk_bs(blk);

    return bs ? bs->bl.request_alignment : BDRV_SECTOR_SIZE;
}

uint32_t blk_get_max_transfer(BlockBackend *blk)
{
    BlockDriverState *bs = blk_bs(blk);
    uint32_t max = bs ? bs->bl.max_transfer : 0;
    uint32_t align = blk_get_request_alignment(blk);

    if (!max || max > BDRV_MAX_REQUEST) {
        max = BDRV_MAX_REQUEST;
    }
    return MAX(ALIGN_DOWN(max, align), align);
}

size_t blk_get_opt_mem_alignment(BlockBackend *blk)
{
    BlockDriverState *bs = blk_bs(blk);

    return bs ? MAX(bs->bl.opt_mem_alignment, 1) : 4096;
}

void *blk_blockalign(BlockBackend *blk, size_t bytes)
{
    return bdrv_blockalign(blk_bs(blk), bytes);
}

void blk_set_enable_write_cache(BlockBackend *blk, bool on)
{
    __atomic_store_n(&blk->write_cache, on, __ATOMIC_RELAXED);
}

bool blk_enable_write_cache(const BlockBackend *blk)
{
    return __atomic_load_n(&blk->write_cache, __ATOMIC_RELAXED);
}

void blk_set_allow_write_beyond_eof(BlockBackend *blk, bool on)
{
    blk->beyond_eof = on;
}

void blk_set_force_allow_inactivate(BlockBackend *blk)
{
    blk->force_allow_inactivate = true;
}

BlockAcctStats *blk_get_stats(BlockBackend *blk)
{
    return blk->stats;
}

void blk_set_aio_context(BlockBackend *blk, AioContext *ctx)
{
    BlockDriverState *bs = blk_bs(blk);

    if (bs) {
        bdrv_drained_begin(bs);
    }
    blk->ctx = ctx;
    if (bs) {
        bdrv_drained_end(bs);
    }
}

AioContext *blk_get_aio_context(BlockBackend *blk)
{
    return blk->ctx;
}
