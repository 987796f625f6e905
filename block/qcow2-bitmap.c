/*
 * Persistent dirty bitmaps of a qcow2 image.
 *
 *   open          directory and bits are read; a writer marks every bitmap in use, in place
 *   close         bits go to new clusters, a new directory names them, the header names that (S3),
 *                 then the old directory, tables and clusters are freed (late)
 *   crash between the marks stay: the next open finds bitmaps in use and calls them inconsistent
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "block/dirty-bitmap.h"
#include "qcow2-bitmap.h"
#include "qcow2-header.h"

#define ENTRY(list, i) (&g_array_index((list), Qcow2BitmapEntry, (i)))

/* --- reading ----------------------------------------------------------------------- */

/* Read from the image file; what lies past its end reads as zeroes. */
static int coroutine_fn read_padded(Qcow2 *q, uint64_t offset, uint64_t bytes, void *buf)
{
    int64_t len = bdrv_getlength(q->bs->file->bs);
    uint64_t have = len > 0 && (uint64_t)len > offset ? MIN(bytes, len - offset) : 0;

    if (len < 0 || offset > INT64_MAX - bytes) {
        return len < 0 ? (int)len : -EIO;
    }
    memset((uint8_t *)buf + have, 0, bytes - have);
    return have ? bdrv_read_buf(q->bs->file, offset, have, buf, 0) : 0;
}

int coroutine_fn qcow2_bitmap_dir_read(Qcow2 *q, GArray **list, Error **errp)
{
    g_autofree uint8_t *dir = NULL;
    int ret;

    if (!q->nb_bitmaps) {
        *list = qcow2_bitmap_list_new();
        return 0;
    }
    if (!q->bitmaps_ext_size) {
        error_setg(errp, "Requested bitmap directory size is zero");
        return -EINVAL;
    }
    dir = g_try_malloc0(q->bitmaps_ext_size);
    if (!dir) {
        error_setg(errp, "Failed to allocate space for bitmap directory");
        return -ENOMEM;
    }
    ret = read_padded(q, q->bitmaps_ext_offset, q->bitmaps_ext_size, dir);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to read bitmap directory");
        return ret;
    }
    *list = qcow2_bitmap_dir_parse(q, dir, q->bitmaps_ext_size, q->nb_bitmaps, errp);
    return *list ? 0 : -EINVAL;
}

/* A table may not make us take much more memory than its file is long. */
#define TABLE_BYTES_FOR_ALL MiB

/* The first n entries of a bitmap's table, host order; NULL with *ret set. g_free it. */
static uint64_t *coroutine_fn read_table(Qcow2 *q, const Qcow2BitmapEntry *e, uint64_t n, int *ret)
{
    int64_t file_len = bdrv_getlength(q->bs->file->bs);
    g_autofree uint64_t *table = NULL;

    if (file_len < 0 || n * 8 > (uint64_t)file_len + TABLE_BYTES_FOR_ALL) {
        *ret = file_len < 0 ? (int)file_len : -EINVAL;
        return NULL;
    }
    table = g_try_malloc(MAX(n, 1) * 8);
    if (!table) {
        *ret = -ENOMEM;
        return NULL;
    }
    *ret = read_padded(q, e->table_offset, n * 8, table);
    for (uint64_t i = 0; i < n && *ret == 0; i++) {
        uint64_t offset;

        table[i] = load_be64(&table[i]);
        offset = table[i] & QCOW2_BITMAP_TABLE_OFFSET_MASK;
        if ((table[i] & QCOW2_BITMAP_TABLE_RESERVED) || qcow2_in_cluster(q, offset) ||
            (offset && (table[i] & QCOW2_BITMAP_TABLE_ALL_ONES))) {
            *ret = -EINVAL;
        }
    }
    return *ret < 0 ? NULL : g_steal_pointer(&table);
}

/* Granules [first, first + *n) that table entry i covers; false past the end of the bitmap. */
static bool granules_of(const Qcow2 *q, const HBitmap *map, uint64_t i, uint64_t *first, uint64_t *n)
{
    unsigned bits = hbitmap_granularity_bits(map);
    uint64_t all = DIV_UP(hbitmap_size(map), 1ULL << bits), per_cluster = q->cluster_size * 8ULL;

    *first = i * per_cluster;
    *n = *first < all ? MIN(per_cluster, all - *first) : 0;
    return *n > 0;
}

static int coroutine_fn load_bits(Qcow2 *q, const Qcow2BitmapEntry *e, BdrvDirtyBitmap *bm, Error **errp)
{
    HBitmap *map = bdrv_dirty_bitmap_map(bm);
    uint64_t entries = qcow2_bitmap_table_entries(q, hbitmap_size(map), e->granularity_bits), first, n;
    g_autofree uint8_t *buf = g_try_malloc(q->cluster_size);
    g_autofree uint64_t *table = NULL;
    int ret = buf ? -EINVAL : -ENOMEM;

    if (buf && entries == e->table_entries) {
        table = read_table(q, e, entries, &ret);
    }
    if (!table) {
        error_setg_errno(errp, -ret, "Could not read bitmap_table table from image for bitmap '%s'", e->name);
        return ret;
    }

    for (uint64_t i = 0; i < entries && granules_of(q, map, i, &first, &n); i++) {
        uint64_t offset = table[i] & QCOW2_BITMAP_TABLE_OFFSET_MASK;

        if (offset) {
            ret = read_padded(q, offset, q->cluster_size, buf);
            if (ret < 0) {
                error_setg_errno(errp, -ret, "Could not read bitmap '%s' from image", e->name);
                return ret;
            }
            hbitmap_deserialize(map, buf, first, n);
        } else if (table[i] & QCOW2_BITMAP_TABLE_ALL_ONES) {
            uint64_t from = first << e->granularity_bits;

            hbitmap_set(map, from, MIN(n << e->granularity_bits, hbitmap_size(map) - from));
        }
    }
    hbitmap_deserialize_finish(map);
    return ret;
}

static int coroutine_fn load_one(Qcow2 *q, const Qcow2BitmapEntry *e, Error **errp)
{
    BdrvDirtyBitmap *bm = bdrv_create_dirty_bitmap(q->bs, 1u << e->granularity_bits, e->name, errp);
    int ret = 0;

    if (!bm) {
        return -EINVAL;
    }
    bdrv_dirty_bitmap_set_persistence(bm, true);
    if (e->flags & QCOW2_BITMAP_IN_USE) {
        bdrv_dirty_bitmap_set_inconsistent(bm);   /* whoever used it did not put it back */
    } else {
        ret = load_bits(q, e, bm, errp);
    }
    if (ret < 0) {
        bdrv_release_dirty_bitmap(bm);
        return ret;
    }
    if (!(e->flags & QCOW2_BITMAP_AUTO) && !(e->flags & QCOW2_BITMAP_IN_USE)) {
        bdrv_disable_dirty_bitmap(bm);
    }
    return 0;
}

/* --- the directory on disk ------------------------------------------------------------ */

/* The same entries with other flags: written over the old directory. */
static int coroutine_fn rewrite_in_place(Qcow2 *q, const GArray *list)
{
    uint64_t bytes = qcow2_bitmap_dir_bytes(list);
    g_autofree uint8_t *dir = g_try_malloc(MAX(bytes, 1));
    int ret;

    if (!dir || bytes != q->bitmaps_ext_size) {
        return dir ? -EINVAL : -ENOMEM;
    }
    qcow2_bitmap_dir_build(list, dir);
    ret = qcow2_check_overlap(q, QCOW2_OL_BITMAP_DIRECTORY, q->bitmaps_ext_offset, bytes, false);
    return ret < 0 ? ret : bdrv_write_sync(q->bs->file, q->bitmaps_ext_offset, bytes, dir, 0);
}

static int coroutine_fn mark_in_use(Qcow2 *q, Error **errp)
{
    GArray *list = q->bitmaps->list;
    g_autofree bool *changed = g_new0(bool, list->len);
    bool any = false;
    int ret;

    for (guint i = 0; i < list->len; i++) {
        changed[i] = !(ENTRY(list, i)->flags & QCOW2_BITMAP_IN_USE);
        any = any || changed[i];
        ENTRY(list, i)->flags |= QCOW2_BITMAP_IN_USE;
    }
    ret = any ? rewrite_in_place(q, list) : 0;
    for (guint i = 0; i < list->len && ret < 0; i++) {
        ENTRY(list, i)->flags &= changed[i] ? ~QCOW2_BITMAP_IN_USE : ~0u;      /* to be written before it is relied on */
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Can't update bitmap directory");
    }
    return ret;
}

/* Put bytes of buf (padded to clusters by the caller) into new clusters; offset or -errno. */
static int64_t coroutine_fn write_new(Qcow2 *q, const void *buf, uint64_t bytes)
{
    int64_t offset = qcow2_alloc(q, bytes);
    int ret;

    if (offset < 0) {
        return offset;
    }
    ret = qcow2_check_overlap(q, 0, offset, bytes, false);
    if (ret == 0) {
        ret = bdrv_write_buf(q->bs->file, offset, bytes, buf, 0);
    }
    if (ret < 0) {
        qcow2_update_refcount(q, offset, bytes, -1, QCOW2_DISCARD_OTHER);
        return ret;
    }
    return offset;
}

/*
 * Make list the image's directory: new clusters, then the header.  The old directory is freed
 * late.  q->lock held.  *named: the disk may name it, even if that failed.
 */
static int coroutine_fn publish(Qcow2 *q, GArray *list, bool *named)
{
    uint64_t bytes = qcow2_bitmap_dir_bytes(list), padded = ALIGN_UP(bytes, q->cluster_size);
    uint64_t old_offset = q->bitmaps_ext_offset, old_size = q->nb_bitmaps ? q->bitmaps_ext_size : 0;
    uint32_t old_nb = q->nb_bitmaps;
    uint64_t old_autoclear = q->autoclear;
    int64_t offset = 0;
    int ret;

    *named = false;
    if (list->len) {
        g_autofree uint8_t *dir = g_try_malloc0(padded);

        if (!dir) {
            return -ENOMEM;
        }
        qcow2_bitmap_dir_build(list, dir);
        offset = write_new(q, dir, padded);
        if (offset < 0) {
            return offset;
        }
    }
    ret = qcow2_commit(q, true);
    if (ret < 0 && offset) {
        qcow2_free_late(q, offset, padded, QCOW2_DISCARD_NEVER);
    }
    if (ret == 0) {
        *named = true;
        q->nb_bitmaps = list->len;
        q->bitmaps_ext_offset = offset;
        q->bitmaps_ext_size = bytes;
        q->autoclear = list->len ? q->autoclear | QCOW2_AUTOCLEAR_BITMAPS : q->autoclear & ~QCOW2_AUTOCLEAR_BITMAPS;
        ret = qcow2_header_write(q);
        if (ret == 0) {
            ret = bdrv_flush(q->bs->file->bs);
        }
    }
    if (ret < 0) {
        q->nb_bitmaps = old_nb;
        q->bitmaps_ext_offset = old_offset;
        q->bitmaps_ext_size = old_size;
        q->autoclear = old_autoclear;
        return ret;
    }
    if (old_size) {
        qcow2_free_late(q, old_offset, ALIGN_UP(old_size, q->cluster_size), QCOW2_DISCARD_OTHER);
    }
    return 0;
}

/* Free table and data of a bitmap that nothing on disk names any more. */
static void coroutine_fn free_bits(Qcow2 *q, const Qcow2BitmapEntry *e)
{
    int ret;
    g_autofree uint64_t *table = read_table(q, e, e->table_entries, &ret);

    for (uint64_t i = 0; table && i < e->table_entries; i++) {
        uint64_t offset = table[i] & QCOW2_BITMAP_TABLE_OFFSET_MASK;

        if (offset) {
            qcow2_free_late(q, offset, q->cluster_size, QCOW2_DISCARD_OTHER);
        }
    }
    if (table) {
        qcow2_free_late(q, e->table_offset, ALIGN_UP(e->table_entries * 8ULL, q->cluster_size), QCOW2_DISCARD_OTHER);
    }
}

/* --- writing --------------------------------------------------------------------------- */

/* Free the clusters that a table names which was not written. */
static void coroutine_fn free_named(Qcow2 *q, const uint8_t *table, uint64_t entries)
{
    for (uint64_t i = 0; i < entries; i++) {
        uint64_t offset = load_be64(table + i * 8);

        if (offset) {
            qcow2_free_late(q, offset, q->cluster_size, QCOW2_DISCARD_NEVER);
        }
    }
}

/* Bits of one bitmap to new clusters, the table behind them; *e describes it. */
static int coroutine_fn write_bits(Qcow2 *q, BdrvDirtyBitmap *bm, Qcow2BitmapEntry *e)
{
    const HBitmap *map = bdrv_dirty_bitmap_map(bm);
    uint64_t entries = qcow2_bitmap_table_entries(q, hbitmap_size(map), hbitmap_granularity_bits(map)), first, n;
    uint64_t table_bytes = ALIGN_UP(MAX(entries, 1) * 8, q->cluster_size);
    g_autofree uint8_t *table = g_try_malloc0(table_bytes), *buf = g_try_malloc(q->cluster_size);
    int64_t offset;

    if (!table || !buf || entries > UINT32_MAX) {
        return -ENOMEM;
    }
    for (uint64_t i = 0; i < entries && granules_of(q, map, i, &first, &n); i++) {
        memset(buf, 0, q->cluster_size);
        hbitmap_serialize(map, buf, first, n);
        if (buffer_is_zero(buf, q->cluster_size)) {
            continue;
        }
        offset = write_new(q, buf, q->cluster_size);
        if (offset < 0) {
            free_named(q, table, entries);       /* the old directory stays */
            return offset;
        }
        store_be64(table + i * 8, offset);
    }
    offset = write_new(q, table, table_bytes);
    if (offset < 0) {
        free_named(q, table, entries);
        return offset;
    }
    *e = (Qcow2BitmapEntry){ .table_offset = offset, .table_entries = MAX(entries, 1),
                             .flags = bdrv_dirty_bitmap_enabled(bm) ? QCOW2_BITMAP_AUTO : 0,
                             .granularity_bits = hbitmap_granularity_bits(map), .name = g_strdup(bdrv_dirty_bitmap_name(bm)) };
    return 0;
}

static bool to_store(const BdrvDirtyBitmap *bm)
{
    return bm && bdrv_dirty_bitmap_name(bm) && bdrv_dirty_bitmap_persistent(bm) && !bdrv_dirty_bitmap_inconsistent(bm) &&
           !bdrv_dirty_bitmap_readonly(bm);
}

/* Write bm's bits, append its entry and note in fresh where it is. */
static int coroutine_fn store_one(Qcow2 *q, BdrvDirtyBitmap *bm, GArray *list, GArray *fresh, Error **errp)
{
    Qcow2BitmapEntry e;
    int ret;

    if (!hbitmap_size(bdrv_dirty_bitmap_map(bm))) {
        /* No table may be empty, none may be longer than its bitmap: nobody could open the image. */
        error_setg(errp, "Bitmap '%s' of a disk without sectors has no place in the file", bdrv_dirty_bitmap_name(bm));
        return -EINVAL;
    }
    ret = write_bits(q, bm, &e);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to write bitmap '%s' to file", bdrv_dirty_bitmap_name(bm));
        return ret;
    }
    g_array_append_val(fresh, list->len);
    g_array_append_val(list, e);
    return 0;
}

/* Entries keep their places in the directory; replaced: old entries whose bits are written anew. */
static int coroutine_fn store_known(Qcow2 *q, GArray *list, GArray *replaced, GArray *fresh, Error **errp)
{
    int ret = 0;

    for (guint i = 0; i < q->bitmaps->list->len && ret == 0; i++) {
        Qcow2BitmapEntry copy = *ENTRY(q->bitmaps->list, i);
        BdrvDirtyBitmap *bm = bdrv_find_dirty_bitmap(q->bs, copy.name);

        copy.name = g_strdup(copy.name);
        if (to_store(bm)) {
            g_array_append_val(replaced, copy);
            ret = store_one(q, bm, list, fresh, errp);
        } else {
            g_array_append_val(list, copy);
        }
    }
    return ret;
}

static bool is_known(const Qcow2 *q, const char *name)
{
    for (guint i = 0; i < q->bitmaps->list->len; i++) {
        if (!strcmp(ENTRY(q->bitmaps->list, i)->name, name)) {
            return true;
        }
    }
    return false;
}

/* New ones follow, newest first as in the list. */
static int coroutine_fn store_new(Qcow2 *q, GArray *list, GArray *fresh, Error **errp)
{
    int ret = 0;

    for (BdrvDirtyBitmap *bm = NULL; ret == 0 && (bm = bdrv_dirty_bitmap_next(q->bs, bm));) {
        if (to_store(bm) && !is_known(q, bdrv_dirty_bitmap_name(bm))) {
            ret = store_one(q, bm, list, fresh, errp);
        }
    }
    return ret;
}

/* list as it is to be, written and named by the header; *named as publish() says. */
static int coroutine_fn store_list(Qcow2 *q, GArray *list, GArray *replaced, GArray *fresh, bool *named, Error **errp)
{
    guint old = q->bitmaps->list->len;
    int ret = store_known(q, list, replaced, fresh, errp);

    if (ret == 0) {
        ret = store_new(q, list, fresh, errp);
    }
    if (ret < 0 || (!replaced->len && list->len == old)) {
        return ret;
    }
    if (list->len > QCOW2_MAX_BITMAPS || qcow2_bitmap_dir_bytes(list) > QCOW2_MAX_BITMAP_DIRECTORY_BYTES) {
        error_setg(errp, list->len > QCOW2_MAX_BITMAPS ? "Too many persistent bitmaps" : "Bitmap directory is too large");
        return -EINVAL;
    }
    ret = publish(q, list, named);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to update bitmap extension");
    }
    return ret;
}

static int coroutine_fn store_locked(Qcow2 *q, Error **errp)
{
    g_autoptr(GArray) list = qcow2_bitmap_list_new();
    g_autoptr(GArray) replaced = qcow2_bitmap_list_new();
    g_autoptr(GArray) fresh = g_array_new(false, false, sizeof(guint));
    bool named = false;
    int ret = store_list(q, list, replaced, fresh, &named, errp);

    for (guint i = 0; i < fresh->len && ret < 0 && !named; i++) {
        free_bits(q, ENTRY(list, g_array_index(fresh, guint, i)));
    }
    if (ret < 0 || !named) {
        return ret;
    }
    for (guint i = 0; i < replaced->len; i++) {
        free_bits(q, ENTRY(replaced, i));
    }
    g_array_unref(q->bitmaps->list);
    q->bitmaps->list = g_steal_pointer(&list);
    return 0;
}

static void ensure_state(Qcow2 *q)
{
    if (!q->bitmaps) {
        q->bitmaps = g_new0(Qcow2BitmapState, 1);
        q->bitmaps->list = qcow2_bitmap_list_new();
    }
}

int coroutine_fn qcow2_store_bitmaps(Qcow2 *q, bool release_stored, Error **errp)
{
    BdrvDirtyBitmap *next;
    int ret;

    if (q->version < 3) {
        return 0;
    }
    ensure_state(q);
    co_mutex_lock(&q->lock);
    ret = store_locked(q, errp);
    co_mutex_unlock(&q->lock);
    if (ret < 0) {
        return ret;
    }
    for (BdrvDirtyBitmap *bm = bdrv_dirty_bitmap_next(q->bs, NULL); bm; bm = next) {
        next = bdrv_dirty_bitmap_next(q->bs, bm);
        if (bdrv_dirty_bitmap_name(bm) && bdrv_dirty_bitmap_persistent(bm)) {
            if (release_stored) {
                bdrv_release_dirty_bitmap(bm);
            } else if (!bdrv_dirty_bitmap_inconsistent(bm)) {
                bdrv_dirty_bitmap_set_readonly(bm, true);   /* stored: no more changes until writable again */
            }
        }
    }
    return 0;
}

/* --- life with the node ------------------------------------------------------------------ */

static int coroutine_fn load_all(Qcow2 *q, Error **errp)
{
    bool writable = bdrv_is_writable(q->bs);
    guint done = 0;
    int ret = 0;

    for (; done < q->bitmaps->list->len && ret == 0; done++) {
        ret = load_one(q, ENTRY(q->bitmaps->list, done), errp);
    }
    for (guint i = 0; i < done && ret == 0 && !writable; i++) {
        const Qcow2BitmapEntry *e = ENTRY(q->bitmaps->list, i);

        if (!(e->flags & QCOW2_BITMAP_IN_USE)) {
            bdrv_dirty_bitmap_set_readonly(bdrv_find_dirty_bitmap(q->bs, e->name), true);
        }
    }
    if (ret == 0 && writable) {
        ret = mark_in_use(q, errp);
    }
    for (guint i = 0; ret < 0 && i < done; i++) {
        BdrvDirtyBitmap *bm = bdrv_find_dirty_bitmap(q->bs, ENTRY(q->bitmaps->list, i)->name);

        if (bm) {
            bdrv_release_dirty_bitmap(bm);
        }
    }
    return ret;
}

int coroutine_fn qcow2_load_bitmaps(Qcow2 *q, Error **errp)
{
    GArray *list;
    int ret = qcow2_bitmap_dir_read(q, &list, errp);

    if (ret < 0) {
        return ret;
    }
    ensure_state(q);
    g_array_unref(q->bitmaps->list);
    q->bitmaps->list = list;
    return load_all(q, errp);
}

int coroutine_fn qcow2_bitmaps_make_writable(Qcow2 *q, Error **errp)
{
    int ret;

    if (!q->bitmaps || !q->bitmaps->list->len) {
        return 0;
    }
    ret = mark_in_use(q, errp);
    for (guint i = 0; i < q->bitmaps->list->len && ret == 0; i++) {
        BdrvDirtyBitmap *bm = bdrv_find_dirty_bitmap(q->bs, ENTRY(q->bitmaps->list, i)->name);

        if (bm && !bdrv_dirty_bitmap_inconsistent(bm)) {
            bdrv_dirty_bitmap_set_readonly(bm, false);
        }
    }
    return ret;
}

void qcow2_bitmaps_free(Qcow2 *q)
{
    if (q->bitmaps) {
        g_array_unref(q->bitmaps->list);
        g_clear_pointer(&q->bitmaps, g_free);
    }
}

bool qcow2_supports_bitmaps(BlockDriverState *bs)
{
    return qcow2_of(bs)->version >= 3;
}

/* A granularity is a power of two from 512 bytes on in 32 bits: the format knows all of these. */
static const char *why_not(const Qcow2 *q, const char *name, uint32_t granularity, guint count, uint64_t dir_bytes)
{
    if (q->version < 3) {
        return "Cannot store dirty bitmaps in qcow2 v2 files";
    }
    if (strlen(name) > QCOW2_BITMAP_MAX_NAME) {
        return "Name length exceeds maximum (1023 characters)";
    }
    if (qcow2_bitmap_table_entries(q, q->bs->total_bytes, __builtin_ctz(granularity)) << q->cluster_bits >
        QCOW2_BITMAP_MAX_BYTES) {
        return "Too much space will be occupied by the bitmap. Use larger granularity";
    }
    if (count >= QCOW2_MAX_BITMAPS) {
        return "Maximum number of persistent bitmaps is already reached";
    }
    return dir_bytes > QCOW2_MAX_BITMAP_DIRECTORY_BYTES ? "Not enough space in the bitmap directory" : NULL;
}

bool coroutine_fn qcow2_co_can_store_bitmap(BlockDriverState *bs, const char *name, uint32_t granularity, Error **errp)
{
    Qcow2 *q = qcow2_of(bs);
    uint64_t bytes = qcow2_bitmap_entry_bytes(name);
    const char *reason;
    guint count = 0;

    for (BdrvDirtyBitmap *bm = NULL; (bm = bdrv_dirty_bitmap_next(bs, bm));) {
        if (bdrv_dirty_bitmap_name(bm) && bdrv_dirty_bitmap_persistent(bm)) {
            count++;
            bytes += qcow2_bitmap_entry_bytes(bdrv_dirty_bitmap_name(bm));
        }
    }
    reason = why_not(q, name, granularity, count, bytes);
    if (reason) {
        error_setg(errp, "Can't make bitmap '%s' persistent in '%s': %s", name, bs->node_name[0] ? bs->node_name : bs->filename,
                   reason);
    }
    return !reason;
}

int coroutine_fn qcow2_co_remove_bitmap(BlockDriverState *bs, const char *name, Error **errp)
{
    Qcow2 *q = qcow2_of(bs);
    g_autoptr(GArray) list = qcow2_bitmap_list_new();
    Qcow2BitmapEntry gone = { 0 };
    bool named;
    int ret = 0;

    for (guint i = 0; q->bitmaps && i < q->bitmaps->list->len; i++) {
        Qcow2BitmapEntry copy = *ENTRY(q->bitmaps->list, i);

        if (!strcmp(copy.name, name)) {
            gone = copy;
        } else {
            copy.name = g_strdup(copy.name);
            g_array_append_val(list, copy);
        }
    }
    if (!gone.name) {
        return 0;                    /* never stored */
    }
    co_mutex_lock(&q->lock);
    ret = publish(q, list, &named);
    if (ret == 0) {
        free_bits(q, &gone);
    }
    co_mutex_unlock(&q->lock);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to update bitmap extension");
        return ret;
    }
    g_array_unref(q->bitmaps->list);
    q->bitmaps->list = g_steal_pointer(&list);
    return 0;
}

/* --- check and info ------------------------------------------------------------------------ */

int coroutine_fn qcow2_bitmap_regions(Qcow2 *q, void (*visit)(void *opaque, uint64_t offset, uint64_t bytes), void *opaque)
{
    g_autoptr(GArray) list = NULL;
    int ret;

    if (!q->nb_bitmaps) {
        return 0;
    }
    visit(opaque, q->bitmaps_ext_offset, q->bitmaps_ext_size);
    ret = qcow2_bitmap_dir_read(q, &list, NULL);
    for (guint i = 0; ret == 0 && i < list->len; i++) {
        const Qcow2BitmapEntry *e = ENTRY(list, i);
        g_autofree uint64_t *table = NULL;

        visit(opaque, e->table_offset, e->table_entries * 8ULL);
        table = read_table(q, e, e->table_entries, &ret);
        for (uint64_t j = 0; table && j < e->table_entries; j++) {
            if (table[j] & QCOW2_BITMAP_TABLE_OFFSET_MASK) {
                visit(opaque, table[j] & QCOW2_BITMAP_TABLE_OFFSET_MASK, q->cluster_size);
            }
        }
    }
    return ret;
}

QList *qcow2_bitmap_info(const Qcow2 *q)
{
    QList *all;

    if (!q->bitmaps || !q->bitmaps->list->len) {
        return NULL;
    }
    all = qlist_new();
    for (guint i = 0; i < q->bitmaps->list->len; i++) {
        const Qcow2BitmapEntry *e = ENTRY(q->bitmaps->list, i);
        QDict *one = qdict_new();
        QList *flags = qlist_new();

        if (e->flags & QCOW2_BITMAP_IN_USE) {
            qlist_append(flags, qstring_new("in-use"));
        }
        if (e->flags & QCOW2_BITMAP_AUTO) {
            qlist_append(flags, qstring_new("auto"));
        }
        qdict_put(one, "flags", flags);
        qdict_put_str(one, "name", e->name);
        qdict_put_int(one, "granularity", 1LL << e->granularity_bits);
        qlist_append(all, one);
    }
    return all;
}
