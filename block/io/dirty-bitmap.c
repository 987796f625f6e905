/*
 * Dirty bitmaps of a node: the list, what each one is good for, marking, merging.
 *
 * bitmap_lock guards the list and every map; flags are written by the main thread under it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "io.h"
#include "block/dirty-bitmap.h"
#include "util/cutils.h"

#define MAX_NAME 1023

struct BdrvDirtyBitmap {
    BlockDriverState *bs;
    char *name;                        /* NULL: anonymous */
    HBitmap *map;
    int64_t size;
    uint32_t granularity;
    bool enabled, persistent, inconsistent, readonly, busy, skip_store;
    BdrvDirtyBitmap *successor;        /* records in its place while a job uses it */
    BdrvDirtyBitmap *next;
};

void bdrv_dirty_bitmap_lock(BlockDriverState *bs)
{
    pthread_mutex_lock(&io_of(bs)->bitmap_lock);
}

void bdrv_dirty_bitmap_unlock(BlockDriverState *bs)
{
    pthread_mutex_unlock(&io_of(bs)->bitmap_lock);
}

typedef struct BitmapGuard { BlockDriverState *bs; } BitmapGuard;
static inline void bitmap_guard_end(BitmapGuard *g) { bdrv_dirty_bitmap_unlock(g->bs); }
#define SCOPED_BITMAPS(node) \
    __attribute__((cleanup(bitmap_guard_end), unused)) BitmapGuard guard_ = { (bdrv_dirty_bitmap_lock(node), (node)) }

uint32_t bdrv_default_bitmap_granularity(BlockDriverState *bs)
{
    BlockDriverInfo bdi = { 0 };

    if (bdrv_get_info(bs, &bdi) >= 0 && bdi.cluster_size > 0) {
        return MAX(4096, bdi.cluster_size);
    }
    return 65536;
}

BdrvDirtyBitmap *bdrv_create_dirty_bitmap(BlockDriverState *bs, uint32_t granularity, const char *name, Error **errp)
{
    int64_t size = bdrv_getlength(bs);
    BdrvDirtyBitmap *bm;
    HBitmap *map;

    if (!IS_POW2(granularity) || granularity < BDRV_SECTOR_SIZE) {
        error_setg(errp, "Granularity must be power of 2");
        return NULL;
    }
    if (name && bdrv_find_dirty_bitmap(bs, name)) {
        error_setg(errp, "Bitmap already exists: %s", name);
        return NULL;
    }
    if (name && strlen(name) > MAX_NAME) {
        error_setg(errp, "Bitmap name too long: %s", name);
        return NULL;
    }
    if (size < 0) {
        error_setg_errno(errp, -size, "could not get length of device");
        return NULL;
    }
    map = hbitmap_new(size, __builtin_ctz(granularity));
    if (!map) {
        error_setg(errp, "Could not allocate the bitmap");
        return NULL;
    }
    bm = g_new0(BdrvDirtyBitmap, 1);
    *bm = (BdrvDirtyBitmap) { bs, g_strdup(name), map, size, granularity, .enabled = true };

    SCOPED_BITMAPS(bs);
    /* The newest comes first in every list that users see. */
    bm->next = io_of(bs)->bitmaps;
    io_of(bs)->bitmaps = bm;
    __atomic_add_fetch(&io_of(bs)->nb_bitmaps, 1, __ATOMIC_SEQ_CST);
    return bm;
}

void bdrv_release_dirty_bitmap(BdrvDirtyBitmap *bm)
{
    BlockDriverState *bs = bm->bs;
    BdrvDirtyBitmap **p;

    SCOPED_BITMAPS(bs);
    for (p = &io_of(bs)->bitmaps; *p != bm; p = &(*p)->next) {
        continue;
    }
    *p = bm->next;
    __atomic_sub_fetch(&io_of(bs)->nb_bitmaps, 1, __ATOMIC_SEQ_CST);
    hbitmap_free(bm->map);
    g_free(bm->name);
    g_free(bm);
}

static void release_all(BlockDriverState *bs, bool only_named)
{
    BdrvDirtyBitmap *next;

    for (BdrvDirtyBitmap *bm = io_of(bs)->bitmaps; bm; bm = next) {
        next = bm->next;
        if (bm->name || !only_named) {
            bdrv_release_dirty_bitmap(bm);
        }
    }
}

void bdrv_release_named_dirty_bitmaps(BlockDriverState *bs)
{
    release_all(bs, true);
}

void bitmaps_free(BlockDriverState *bs)
{
    release_all(bs, false);
}

BdrvDirtyBitmap *bdrv_find_dirty_bitmap(BlockDriverState *bs, const char *name)
{
    for (BdrvDirtyBitmap *bm = io_of(bs)->bitmaps; bm; bm = bm->next) {
        if (bm->name && !strcmp(bm->name, name)) {
            return bm;
        }
    }
    return NULL;
}

BdrvDirtyBitmap *bdrv_dirty_bitmap_next(BlockDriverState *bs, BdrvDirtyBitmap *bm)
{
    return bm ? bm->next : io_of(bs)->bitmaps;
}

const char *bdrv_dirty_bitmap_name(const BdrvDirtyBitmap *bm)
{
    return bm->name;
}

BlockDriverState *bdrv_dirty_bitmap_bs(const BdrvDirtyBitmap *bm)
{
    return bm->bs;
}

uint32_t bdrv_dirty_bitmap_granularity(const BdrvDirtyBitmap *bm)
{
    return bm->granularity;
}

HBitmap *bdrv_dirty_bitmap_map(BdrvDirtyBitmap *bm)
{
    return bm->map;
}

int64_t bdrv_dirty_bitmap_count(BdrvDirtyBitmap *bm)
{
    SCOPED_BITMAPS(bm->bs);
    return hbitmap_count(bm->map);
}

static void set_flag(BdrvDirtyBitmap *bm, bool *flag, bool on)
{
    SCOPED_BITMAPS(bm->bs);
    *flag = on;
}

bool bdrv_dirty_bitmap_enabled(const BdrvDirtyBitmap *bm) { return bm->enabled; }
bool bdrv_dirty_bitmap_persistent(const BdrvDirtyBitmap *bm) { return bm->persistent && !bm->skip_store; }
bool bdrv_dirty_bitmap_inconsistent(const BdrvDirtyBitmap *bm) { return bm->inconsistent; }
bool bdrv_dirty_bitmap_readonly(const BdrvDirtyBitmap *bm) { return bm->readonly; }
bool bdrv_dirty_bitmap_busy(const BdrvDirtyBitmap *bm) { return bm->busy; }
void bdrv_enable_dirty_bitmap(BdrvDirtyBitmap *bm) { set_flag(bm, &bm->enabled, true); }
void bdrv_disable_dirty_bitmap(BdrvDirtyBitmap *bm) { set_flag(bm, &bm->enabled, false); }
void bdrv_dirty_bitmap_set_persistence(BdrvDirtyBitmap *bm, bool on) { set_flag(bm, &bm->persistent, on); }
void bdrv_dirty_bitmap_set_readonly(BdrvDirtyBitmap *bm, bool on) { set_flag(bm, &bm->readonly, on); }
void bdrv_dirty_bitmap_set_busy(BdrvDirtyBitmap *bm, bool on) { set_flag(bm, &bm->busy, on); }
void bdrv_dirty_bitmap_skip_store(BdrvDirtyBitmap *bm, bool skip) { set_flag(bm, &bm->skip_store, skip); }

void bdrv_dirty_bitmap_set_inconsistent(BdrvDirtyBitmap *bm)
{
    SCOPED_BITMAPS(bm->bs);
    bm->inconsistent = true;
    bm->enabled = false;
}

int bdrv_dirty_bitmap_check(const BdrvDirtyBitmap *bm, unsigned flags, Error **errp)
{
    ERRP_GUARD();
    const char *name = bm->name ? bm->name : "";

    if ((flags & BDRV_BITMAP_BUSY) && bm->busy) {
        error_setg(errp, "Bitmap '%s' is currently in use by another operation and cannot be used", name);
        return -1;
    }
    if ((flags & BDRV_BITMAP_RO) && bm->readonly) {
        error_setg(errp, "Bitmap '%s' is readonly and cannot be modified", name);
        return -1;
    }
    if ((flags & BDRV_BITMAP_INCONSISTENT) && bm->inconsistent) {
        error_setg(errp, "Bitmap '%s' is inconsistent and cannot be used", name);
        error_append_hint(errp, "Try block-dirty-bitmap-remove to delete this bitmap from disk\n");
        return -1;
    }
    return 0;
}

/* The part of the range inside the bitmap; false when there is none. */
static bool clamp(const BdrvDirtyBitmap *bm, int64_t *offset, int64_t *bytes)
{
    if (*offset < 0 || *bytes <= 0 || *offset >= bm->size) {
        return false;
    }
    *bytes = MIN(*bytes, bm->size - *offset);
    return true;
}

void bdrv_set_dirty_bitmap(BdrvDirtyBitmap *bm, int64_t offset, int64_t bytes)
{
    SCOPED_BITMAPS(bm->bs);
    if (clamp(bm, &offset, &bytes)) {
        hbitmap_set(bm->map, offset, bytes);
    }
}

void bdrv_reset_dirty_bitmap(BdrvDirtyBitmap *bm, int64_t offset, int64_t bytes)
{
    SCOPED_BITMAPS(bm->bs);
    if (clamp(bm, &offset, &bytes)) {
        hbitmap_reset(bm->map, offset, bytes);
    }
}

bool bdrv_dirty_bitmap_get(BdrvDirtyBitmap *bm, int64_t offset)
{
    SCOPED_BITMAPS(bm->bs);
    return offset >= 0 && offset < bm->size && hbitmap_get(bm->map, offset);
}

void bdrv_clear_dirty_bitmap(BdrvDirtyBitmap *bm, HBitmap **backup)
{
    HBitmap *empty = backup ? hbitmap_new(bm->size, __builtin_ctz(bm->granularity)) : NULL;

    SCOPED_BITMAPS(bm->bs);
    if (!backup) {
        hbitmap_reset_all(bm->map);
        return;
    }
    if (!empty) {
        *backup = hbitmap_clone(bm->map);
        hbitmap_reset_all(bm->map);
        return;
    }
    *backup = bm->map;
    bm->map = empty;
}

void bdrv_restore_dirty_bitmap(BdrvDirtyBitmap *bm, HBitmap *backup)
{
    SCOPED_BITMAPS(bm->bs);
    hbitmap_free(bm->map);
    bm->map = backup;
}

int bdrv_dirty_bitmap_create_successor(BdrvDirtyBitmap *bm, Error **errp)
{
    BdrvDirtyBitmap *child;

    if (bdrv_dirty_bitmap_check(bm, BDRV_BITMAP_BUSY, errp) < 0) {
        return -EBUSY;
    }
    if (bm->successor) {
        error_setg(errp, "Cannot create a successor for a bitmap that already has one");
        return -EBUSY;
    }
    child = bdrv_create_dirty_bitmap(bm->bs, bm->granularity, NULL, errp);
    if (!child) {
        return -ENOMEM;
    }
    SCOPED_BITMAPS(bm->bs);
    child->enabled = bm->enabled;
    bm->enabled = false;
    bm->busy = true;
    bm->successor = child;
    return 0;
}

/* The successor ends; bm records again if it did.  merge: what bm had stays in it. */
static void end_successor(BdrvDirtyBitmap *bm, bool merge)
{
    BdrvDirtyBitmap *child = bm->successor;
    HBitmap *old;

    bdrv_dirty_bitmap_lock(bm->bs);
    if (merge) {
        hbitmap_merge(child->map, bm->map);
    }
    old = bm->map;
    bm->map = child->map;
    bm->size = child->size;
    child->map = old;
    bm->enabled = child->enabled;
    bm->busy = false;
    bm->successor = NULL;
    bdrv_dirty_bitmap_unlock(bm->bs);
    bdrv_release_dirty_bitmap(child);
}

void bdrv_dirty_bitmap_abdicate(BdrvDirtyBitmap *bm)
{
    end_successor(bm, false);
}

void bdrv_dirty_bitmap_reclaim(BdrvDirtyBitmap *bm)
{
    end_successor(bm, true);
}

bool bdrv_dirty_bitmap_has_successor(const BdrvDirtyBitmap *bm)
{
    return bm->successor != NULL;
}

void bdrv_dirty_bitmap_merge_any(BdrvDirtyBitmap *dst, BdrvDirtyBitmap *src)
{
    HBitmap *copy;

    bdrv_dirty_bitmap_lock(src->bs);
    copy = hbitmap_clone(src->map);
    bdrv_dirty_bitmap_unlock(src->bs);
    SCOPED_BITMAPS(dst->bs);
    if (copy && dst->size == src->size) {
        hbitmap_merge(dst->map, copy);
    }
    hbitmap_free(copy);
}

bool bdrv_merge_dirty_bitmap(BdrvDirtyBitmap *dst, BdrvDirtyBitmap *src, HBitmap **backup, Error **errp)
{
    HBitmap *copy;

    if (bdrv_dirty_bitmap_check(dst, BDRV_BITMAP_DEFAULT, errp) ||
        bdrv_dirty_bitmap_check(src, BDRV_BITMAP_ALLOW_RO, errp)) {
        return false;
    }
    if (dst->size != src->size) {
        error_setg(errp, "Bitmaps are of different sizes (destination size is %" PRId64 ", source size is %" PRId64
                   ") and can't be merged", dst->size, src->size);
        return false;
    }
    bdrv_dirty_bitmap_lock(src->bs);
    copy = hbitmap_clone(src->map);    /* so that never two nodes' locks are held */
    bdrv_dirty_bitmap_unlock(src->bs);

    SCOPED_BITMAPS(dst->bs);
    if (copy && backup) {
        *backup = hbitmap_clone(dst->map);
    }
    if (!copy || (backup && !*backup)) {
        hbitmap_free(copy);
        error_setg_errno(errp, ENOMEM, "Could not merge bitmaps");
        return false;
    }
    hbitmap_merge(dst->map, copy);
    hbitmap_free(copy);
    return true;
}

int64_t bdrv_dirty_bitmap_next_dirty(BdrvDirtyBitmap *bm, int64_t offset, int64_t bytes)
{
    SCOPED_BITMAPS(bm->bs);
    return clamp(bm, &offset, &bytes) ? hbitmap_next_dirty(bm->map, offset, bytes) : -1;
}

int64_t bdrv_dirty_bitmap_next_zero(BdrvDirtyBitmap *bm, int64_t offset, int64_t bytes)
{
    SCOPED_BITMAPS(bm->bs);
    return clamp(bm, &offset, &bytes) ? hbitmap_next_zero(bm->map, offset, bytes) : -1;
}

bool bdrv_dirty_bitmap_next_dirty_area(BdrvDirtyBitmap *bm, int64_t start, int64_t end, int64_t max, int64_t *off,
                                       int64_t *bytes)
{
    int64_t len = end - start;
    uint64_t area, area_len;

    SCOPED_BITMAPS(bm->bs);
    if (!clamp(bm, &start, &len) || !hbitmap_next_dirty_area(bm->map, start, start + len, max, &area, &area_len)) {
        return false;
    }
    *off = area;
    *bytes = area_len;
    return true;
}

static QDict *bitmap_info(BdrvDirtyBitmap *bm)
{
    QDict *d = qdict_new();

    if (bm->name) {
        qdict_put_str(d, "name", bm->name);
    }
    qdict_put_bool(d, "recording", bm->enabled);
    qdict_put_bool(d, "persistent", bm->persistent);
    if (bm->inconsistent) {
        qdict_put_bool(d, "inconsistent", true);
    }
    qdict_put_bool(d, "busy", bm->busy);
    qdict_put_int(d, "granularity", bm->granularity);
    qdict_put_int(d, "count", bdrv_dirty_bitmap_count(bm));
    return d;
}

QList *bdrv_query_dirty_bitmaps(BlockDriverState *bs)
{
    QList *list;

    if (!io_of(bs)->bitmaps) {
        return NULL;
    }
    list = qlist_new();
    for (BdrvDirtyBitmap *bm = io_of(bs)->bitmaps; bm; bm = bm->next) {
        qlist_append(list, bitmap_info(bm));
    }
    return list;
}

void bdrv_dirty_mark(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    if (LOAD(&io_of(bs)->nb_bitmaps) == 0) {
        return;
    }
    SCOPED_BITMAPS(bs);
    for (BdrvDirtyBitmap *bm = io_of(bs)->bitmaps; bm; bm = bm->next) {
        int64_t o = offset, n = bytes;

        if (bm->enabled && clamp(bm, &o, &n)) {
            hbitmap_set(bm->map, o, n);
        }
    }
}

void bdrv_dirty_bitmaps_truncate(BlockDriverState *bs, int64_t bytes)
{
    if (LOAD(&io_of(bs)->nb_bitmaps) == 0) {
        return;
    }
    SCOPED_BITMAPS(bs);
    for (BdrvDirtyBitmap *bm = io_of(bs)->bitmaps; bm; bm = bm->next) {
        if (bm->size != bytes && hbitmap_truncate(bm->map, bytes)) {
            bm->size = bytes;
        }
    }
}
