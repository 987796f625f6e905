/*
 * Dirty bitmaps: the commands and their transaction actions.
 *
 * What an action changes it changes in prepare, keeping what it takes to change it back.  Removal takes the bitmap out
 * of the image and makes it busy in prepare, and frees it in commit; after an abort it is stored again at the end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "internal.h"
#include "block/dirty-bitmap.h"
#include "qapi/commands-block-core.h"
#include "util/cutils.h"

/* Both by name; *bs may be NULL when not wanted. */
static BdrvDirtyBitmap *lookup(const char *node, const char *name, BlockDriverState **out, Error **errp)
{
    BlockDriverState *bs = bdrv_lookup_bs(node, node, NULL);
    BdrvDirtyBitmap *bm;

    if (!bs) {
        error_setg(errp, "Node '%s' not found", node);
        return NULL;
    }
    bm = bdrv_find_dirty_bitmap(bs, name);
    if (!bm) {
        error_setg(errp, "Dirty bitmap '%s' not found", name);
        return NULL;
    }
    if (out) {
        *out = bs;
    }
    return bm;
}

/* --- calls of the driver, which are coroutines ---------------------------------------------------- */

typedef struct DriverCall {
    BlockDriverState *bs;
    const char *name;
    uint32_t granularity;
    Error **errp;
    bool can;
    int ret;
} DriverCall;

static void coroutine_fn can_store_entry(void *opaque)
{
    DriverCall *c = opaque;

    c->can = c->bs->drv->co_can_store_bitmap(c->bs, c->name, c->granularity, c->errp);
}

static bool can_store(BlockDriverState *bs, const char *name, uint32_t granularity, Error **errp)
{
    DriverCall c = { bs, name, granularity, errp };

    if (!bs->drv) {
        error_setg_errno(errp, ENOMEDIUM, "Can't store persistent bitmaps to %s", bdrv_get_device_or_node_name(bs));
        return false;
    }
    if (!bs->drv->co_can_store_bitmap) {
        error_setg_errno(errp, ENOTSUP, "Can't store persistent bitmaps to %s", bdrv_get_device_or_node_name(bs));
        return false;
    }
    co_run_sync(can_store_entry, &c);
    return c.can;
}

static void coroutine_fn remove_entry(void *opaque)
{
    DriverCall *c = opaque;

    c->ret = c->bs->drv->co_remove_bitmap(c->bs, c->name, c->errp);
}

/* From the image. */
static int remove_stored(BlockDriverState *bs, const char *name, Error **errp)
{
    DriverCall c = { bs, name, 0, errp };

    if (!bs->drv || !bs->drv->co_remove_bitmap) {
        error_setg(errp, "Driver '%s' does not support persistent bitmap removal", bs->drv ? bs->drv->name : "");
        return -ENOTSUP;
    }
    co_run_sync(remove_entry, &c);
    return c.ret;
}

/* --- add -------------------------------------------------------------------------------------------- */

static bool granularity_ok(uint32_t g, Error **errp)
{
    if (g < 512 || !IS_POW2(g)) {
        error_setg(errp, "Granularity must be power of 2 and at least 512");
        return false;
    }
    return true;
}

static BdrvDirtyBitmap *add(const BlockDirtyBitmapAdd *arg, Error **errp)
{
    BlockDriverState *bs;
    BdrvDirtyBitmap *bm;
    uint32_t granularity;

    if (!*arg->name) {
        error_setg(errp, "Bitmap name cannot be empty");
        return NULL;
    }
    bs = bdrv_lookup_bs(arg->node, arg->node, errp);
    if (!bs || (arg->has_granularity && !granularity_ok(arg->granularity, errp))) {
        return NULL;
    }
    granularity = arg->has_granularity ? arg->granularity : bdrv_default_bitmap_granularity(bs);
    if (arg->has_persistent && arg->persistent && !can_store(bs, arg->name, granularity, errp)) {
        return NULL;
    }
    bm = bdrv_create_dirty_bitmap(bs, granularity, arg->name, errp);
    if (!bm) {
        return NULL;
    }
    if (arg->has_disabled && arg->disabled) {
        bdrv_disable_dirty_bitmap(bm);
    }
    bdrv_dirty_bitmap_set_persistence(bm, arg->has_persistent && arg->persistent);
    return bm;
}

void qmp_block_dirty_bitmap_add(const BlockDirtyBitmapAdd *arg, Error **errp)
{
    add(arg, errp);
}

typedef struct BitmapState {
    BlockDriverState *bs;
    BdrvDirtyBitmap *bm;               /* NULL: nothing was done */
    HBitmap *backup;                   /* clear, merge: the content before; NULL: unchanged */
    bool was_enabled;
} BitmapState;

static void add_names(const TransactionAction *what, const char **device, const char **node)
{
    *device = *node = what->u.block_dirty_bitmap_add.data->node;
}

static bool add_prepare(TxnAction *a, Error **errp)
{
    BitmapState *s = a->state;

    s->bm = add(a->what->u.block_dirty_bitmap_add.data, errp);
    return s->bm != NULL;
}

static void add_abort(TxnAction *a)
{
    BitmapState *s = a->state;

    if (s->bm) {
        bdrv_release_dirty_bitmap(s->bm);
    }
}

const TxnKind txn_bitmap_add = {
    .state_size = sizeof(BitmapState), .prepare = add_prepare, .abort = add_abort, .names = add_names,
};

/* --- remove, clear, enable, disable: one bitmap each ------------------------------------------------- */

/* All wrappers of this type look alike. */
static const BlockDirtyBitmap *target(const TxnAction *a)
{
    return a->what->u.block_dirty_bitmap_remove.data;
}

static void one_names(const TransactionAction *what, const char **device, const char **node)
{
    *device = *node = what->u.block_dirty_bitmap_remove.data->node;
}

static bool take(BitmapState *s, const BlockDirtyBitmap *arg, unsigned check, Error **errp)
{
    BdrvDirtyBitmap *bm = lookup(arg->node, arg->name, &s->bs, errp);

    if (!bm || bdrv_dirty_bitmap_check(bm, check, errp) < 0) {
        return false;
    }
    s->bm = bm;
    return true;
}

void qmp_block_dirty_bitmap_remove(const BlockDirtyBitmap *arg, Error **errp)
{
    BitmapState s = { 0 };

    if (take(&s, arg, BDRV_BITMAP_BUSY | BDRV_BITMAP_RO, errp) &&
        (!bdrv_dirty_bitmap_persistent(s.bm) || remove_stored(s.bs, arg->name, errp) >= 0)) {
        bdrv_release_dirty_bitmap(s.bm);
    }
}

static bool remove_prepare(TxnAction *a, Error **errp)
{
    BitmapState *s = a->state;

    if (!take(s, target(a), BDRV_BITMAP_BUSY | BDRV_BITMAP_RO, errp)) {
        return false;
    }
    if (bdrv_dirty_bitmap_persistent(s->bm) && remove_stored(s->bs, target(a)->name, errp) < 0) {
        s->bm = NULL;
        return false;
    }
    bdrv_dirty_bitmap_skip_store(s->bm, true);
    bdrv_dirty_bitmap_set_busy(s->bm, true);
    return true;
}

static void remove_abort(TxnAction *a)
{
    BitmapState *s = a->state;

    if (s->bm) {
        bdrv_dirty_bitmap_skip_store(s->bm, false);
        bdrv_dirty_bitmap_set_busy(s->bm, false);
    }
}

static void remove_conclude(TxnAction *a)
{
    BitmapState *s = a->state;

    bdrv_dirty_bitmap_set_busy(s->bm, false);
    bdrv_release_dirty_bitmap(s->bm);
}

const TxnKind txn_bitmap_remove = {
    .state_size = sizeof(BitmapState), .prepare = remove_prepare, .abort = remove_abort, .conclude = remove_conclude,
    .names = one_names,
};

static void restore_abort(TxnAction *a)
{
    BitmapState *s = a->state;

    if (s->backup) {
        bdrv_restore_dirty_bitmap(s->bm, g_steal_pointer(&s->backup));
    }
}

static void backup_conclude(TxnAction *a)
{
    BitmapState *s = a->state;

    if (s->backup) {
        hbitmap_free(s->backup);
    }
}

void qmp_block_dirty_bitmap_clear(const BlockDirtyBitmap *arg, Error **errp)
{
    BitmapState s = { 0 };

    if (take(&s, arg, BDRV_BITMAP_DEFAULT, errp)) {
        bdrv_clear_dirty_bitmap(s.bm, NULL);
    }
}

static bool clear_prepare(TxnAction *a, Error **errp)
{
    BitmapState *s = a->state;

    if (!take(s, target(a), BDRV_BITMAP_DEFAULT, errp)) {
        return false;
    }
    bdrv_clear_dirty_bitmap(s->bm, &s->backup);
    return true;
}

const TxnKind txn_bitmap_clear = {
    .state_size = sizeof(BitmapState), .prepare = clear_prepare, .abort = restore_abort, .conclude = backup_conclude,
    .names = one_names,
};

static void set_enabled(BdrvDirtyBitmap *bm, bool on)
{
    (on ? bdrv_enable_dirty_bitmap : bdrv_disable_dirty_bitmap)(bm);
}

void qmp_block_dirty_bitmap_enable(const BlockDirtyBitmap *arg, Error **errp)
{
    BitmapState s = { 0 };

    if (take(&s, arg, BDRV_BITMAP_ALLOW_RO, errp)) {
        set_enabled(s.bm, true);
    }
}

void qmp_block_dirty_bitmap_disable(const BlockDirtyBitmap *arg, Error **errp)
{
    BitmapState s = { 0 };

    if (take(&s, arg, BDRV_BITMAP_ALLOW_RO, errp)) {
        set_enabled(s.bm, false);
    }
}

static bool switch_prepare(TxnAction *a, bool on, Error **errp)
{
    BitmapState *s = a->state;

    if (!take(s, target(a), BDRV_BITMAP_ALLOW_RO, errp)) {
        return false;
    }
    s->was_enabled = bdrv_dirty_bitmap_enabled(s->bm);
    set_enabled(s->bm, on);
    return true;
}

static bool enable_prepare(TxnAction *a, Error **errp)
{
    return switch_prepare(a, true, errp);
}

static bool disable_prepare(TxnAction *a, Error **errp)
{
    return switch_prepare(a, false, errp);
}

static void switch_abort(TxnAction *a)
{
    BitmapState *s = a->state;

    if (s->bm) {
        set_enabled(s->bm, s->was_enabled);
    }
}

const TxnKind txn_bitmap_enable = {
    .state_size = sizeof(BitmapState), .prepare = enable_prepare, .abort = switch_abort, .names = one_names,
};
const TxnKind txn_bitmap_disable = {
    .state_size = sizeof(BitmapState), .prepare = disable_prepare, .abort = switch_abort, .names = one_names,
};

/* --- merge --------------------------------------------------------------------------------------------- */

static BdrvDirtyBitmap *merge_source(const BlockDirtyBitmapMerge *arg, BlockDriverState *bs,
                                     const BlockDirtyBitmapOrStr *from, Error **errp)
{
    BdrvDirtyBitmap *bm;

    if (from->type == QTYPE_DICT) {
        return lookup(from->u.external.node, from->u.external.name, NULL, errp);
    }
    bm = bdrv_find_dirty_bitmap(bs, from->u.local);
    if (!bm) {
        error_setg(errp, "Dirty bitmap '%s' not found", from->u.local);
    }
    return bm;
}

/* All sources into one anonymous bitmap first: a bad one then leaves the target alone. */
static bool merge(const BlockDirtyBitmapMerge *arg, BitmapState *s, HBitmap **backup, Error **errp)
{
    BdrvDirtyBitmap *all;
    bool ok = true;

    s->bm = lookup(arg->node, arg->target, &s->bs, errp);
    if (!s->bm) {
        return false;
    }
    all = bdrv_create_dirty_bitmap(s->bs, bdrv_dirty_bitmap_granularity(s->bm), NULL, errp);
    if (!all) {
        return false;
    }
    bdrv_disable_dirty_bitmap(all);
    for (size_t i = 0; i < arg->bitmaps->len && ok; i++) {
        BdrvDirtyBitmap *src = merge_source(arg, s->bs, arg->bitmaps->items[i], errp);

        ok = src && bdrv_merge_dirty_bitmap(all, src, NULL, errp);
    }
    ok = ok && bdrv_merge_dirty_bitmap(s->bm, all, backup, errp);
    bdrv_release_dirty_bitmap(all);
    return ok;
}

void qmp_block_dirty_bitmap_merge(const BlockDirtyBitmapMerge *arg, Error **errp)
{
    BitmapState s = { 0 };

    merge(arg, &s, NULL, errp);
}

static void merge_names(const TransactionAction *what, const char **device, const char **node)
{
    *device = *node = what->u.block_dirty_bitmap_merge.data->node;
}

static bool merge_prepare(TxnAction *a, Error **errp)
{
    BitmapState *s = a->state;

    return merge(a->what->u.block_dirty_bitmap_merge.data, s, &s->backup, errp);
}

const TxnKind txn_bitmap_merge = {
    .state_size = sizeof(BitmapState), .prepare = merge_prepare, .abort = restore_abort, .conclude = backup_conclude,
    .names = merge_names,
};

/* --- the content as a hash ------------------------------------------------------------------------------- */

/* Of the bits, little-endian, one a granule, in whole 64-bit words: what the peer hashes. */
static char *hash_of(const HBitmap *map)
{
    uint64_t granules = DIV_UP(hbitmap_size(map), 1ULL << hbitmap_granularity_bits(map));
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    char *text;

    for (uint64_t at = 0; at < granules; at += 4096 * 8) {
        uint8_t buf[4096] = { 0 };
        uint64_t n = MIN(granules - at, sizeof(buf) * 8);

        hbitmap_serialize(map, buf, at, n);
        g_checksum_update(sum, buf, ALIGN_UP(DIV_UP(n, 8), 8));
    }
    text = g_strdup(g_checksum_get_string(sum));
    g_checksum_free(sum);
    return text;
}

BlockDirtyBitmapSha256 *qmp_x_debug_block_dirty_bitmap_sha256(const BlockDirtyBitmap *arg, Error **errp)
{
    BlockDriverState *bs;
    BdrvDirtyBitmap *bm = lookup(arg->node, arg->name, &bs, errp);
    BlockDirtyBitmapSha256 *ret;

    if (!bm) {
        return NULL;
    }
    ret = BlockDirtyBitmapSha256_new();
    bdrv_dirty_bitmap_lock(bs);
    ret->sha256 = hash_of(bdrv_dirty_bitmap_map(bm));
    bdrv_dirty_bitmap_unlock(bs);
    return ret;
}
