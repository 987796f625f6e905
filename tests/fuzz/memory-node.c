/*
 * Disks in memory, in pages that are made when they are written.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "block/driver.h"
#include "memory-node.h"
#include "util/cutils.h"

#define PAGE 4096
#define LEN_MAX (INT64_C(1) << 62)

typedef struct Disk {
    GHashTable *pages;                 /* int64_t (owned) -> PAGE bytes */
    int64_t len;
} Disk;

static Disk disks[MEMORY_DISKS];

static const OptDesc memory_options[] = {
    { "disk", OPT_NUMBER, "which one", "0" },
    { NULL }
};

static Disk *disk_of(const BlockDriverState *bs) { return *(Disk *const *)bs->opaque; }

static uint8_t *find_page(const Disk *d, int64_t number) { return g_hash_table_lookup(d->pages, &number); }

/* NULL: the disk is full. */
static uint8_t *make_page(Disk *d, int64_t number)
{
    uint8_t *page = find_page(d, number);

    if (!page && g_hash_table_size(d->pages) < MEMORY_DISK_BYTES / PAGE) {
        page = g_malloc0(PAGE);
        g_hash_table_insert(d->pages, g_memdup2(&number, sizeof(number)), page);
    }
    return page;
}

/* The piece of [offset, offset + bytes) in its first page. */
static int64_t first_piece(int64_t offset, int64_t bytes) { return MIN(bytes, PAGE - offset % PAGE); }

/* The first page with data from that number on, or -1. */
static int64_t next_page(const Disk *d, int64_t from)
{
    GHashTableIter it;
    gpointer key;
    int64_t found = -1;

    g_hash_table_iter_init(&it, d->pages);
    while (g_hash_table_iter_next(&it, &key, NULL)) {
        int64_t number = *(const int64_t *)key;

        found = number >= from && (found < 0 || number < found) ? number : found;
    }
    return found;
}

/* Whole pages in the range go, parts of others are zeroed. */
static void clear(Disk *d, int64_t offset, int64_t end)
{
    GHashTableIter it;
    gpointer key, page;

    g_hash_table_iter_init(&it, d->pages);
    while (g_hash_table_iter_next(&it, &key, &page)) {
        int64_t start = *(const int64_t *)key * PAGE, from = MAX(offset, start), to = MIN(end, start + PAGE);

        if (from == start && to == start + PAGE) {
            g_hash_table_iter_remove(&it);
        } else if (from < to) {
            memset((uint8_t *)page + (from - start), 0, to - from);
        }
    }
}

static int put(Disk *d, int64_t offset, int64_t bytes, IoVec *qiov, size_t at)
{
    if (offset > LEN_MAX || bytes > LEN_MAX - offset) {
        return -EFBIG;
    }
    for (int64_t n; bytes > 0; offset += n, at += n, bytes -= n) {
        uint8_t *page = make_page(d, offset / PAGE);

        if (!page) {
            return -ENOSPC;
        }
        n = first_piece(offset, bytes);
        iov_to_buf(qiov, at, page + offset % PAGE, n);
        d->len = MAX(d->len, offset + n);
    }
    return 0;
}

/* --- the driver ------------------------------------------------------------------------------- */

static int memory_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    *(Disk **)bs->opaque = &disks[MIN(opt_get_number(options, "disk", 0), MEMORY_DISKS - 1)];
    bs->supported_zero_flags = BDRV_REQ_MAY_UNMAP | BDRV_REQ_NO_FALLBACK;
    bs->supported_truncate_flags = BDRV_REQ_ZERO_WRITE;
    return 0;
}

static int coroutine_fn memory_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t at,
                                       BdrvRequestFlags f)
{
    const Disk *d = disk_of(bs);

    for (int64_t n; bytes > 0; offset += n, at += n, bytes -= n) {
        const uint8_t *page = find_page(d, offset / PAGE);

        n = first_piece(offset, bytes);
        if (page) {
            iov_from_buf(qiov, at, page + offset % PAGE, n);
        } else {
            iov_fill(qiov, at, 0, n);
        }
    }
    return 0;
}

static int coroutine_fn memory_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t at,
                                        BdrvRequestFlags f)
{
    return put(disk_of(bs), offset, bytes, qiov, at);
}

static int coroutine_fn memory_co_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags f)
{
    Disk *d = disk_of(bs);

    if (offset > LEN_MAX || bytes > LEN_MAX - offset) {
        return -EFBIG;
    }
    clear(d, offset, offset + bytes);
    d->len = MAX(d->len, offset + bytes);
    return 0;
}

static int coroutine_fn memory_co_discard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    clear(disk_of(bs), offset, offset > INT64_MAX - bytes ? INT64_MAX : offset + bytes);
    return 0;
}

static int coroutine_fn memory_co_flush(BlockDriverState *bs) { return 0; }

static int coroutine_fn memory_co_truncate(BlockDriverState *bs, int64_t offset, bool exact, PreallocMode prealloc,
                                           BdrvRequestFlags flags,
                                           Error **errp)
{
    Disk *d = disk_of(bs);

    if (offset > LEN_MAX) {
        error_setg_errno(errp, EFBIG, "Failed to resize the disk");
        return -EFBIG;
    }
    if (offset < d->len) {
        clear(d, offset, INT64_MAX);
    }
    d->len = offset;
    return 0;
}

static int64_t memory_getlength(BlockDriverState *bs) { return disk_of(bs)->len; }

static int64_t memory_allocated(BlockDriverState *bs) { return (int64_t)g_hash_table_size(disk_of(bs)->pages) * PAGE; }

static int coroutine_fn memory_co_block_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                                               int64_t *pnum,
                                               int64_t *map, BlockDriverState **file)
{
    int64_t first = offset / PAGE, data = next_page(disk_of(bs), first), end = data < 0 ? INT64_MAX : data * PAGE;

    *map = offset;
    *file = bs;
    if (data == first) {
        for (end = (data + 1) * PAGE; end < offset + bytes && find_page(disk_of(bs), end / PAGE); end += PAGE) {
        }
    }
    *pnum = MIN(bytes, end - offset);
    return BDRV_BLOCK_OFFSET_VALID | (data == first ? BDRV_BLOCK_DATA : BDRV_BLOCK_ZERO);
}

static int memory_reopen(BdrvReopenState *rs, Error **errp) { return 0; }

static const char *const memory_image_options[] = { "disk", NULL };

static const BlockDriver memory_driver = {
    .name = "fuzz-memory",
    .protocol = "fuzz-memory",
    .image_may_name = true,
    .image_options = memory_image_options,
    .instance_size = sizeof(Disk *),
    .has_variable_length = true,
    .bounds_are_soft = true,
    .open_options = memory_options,
    .open = memory_open,
    .reopen_prepare = memory_reopen,
    .co_read = memory_co_read,
    .co_write = memory_co_write,
    .co_zero = memory_co_zero,
    .co_discard = memory_co_discard,
    .co_flush_to_disk = memory_co_flush,
    .co_truncate = memory_co_truncate,
    .co_block_status = memory_co_block_status,
    .getlength = memory_getlength,
    .get_allocated_size = memory_allocated,
};

void memory_disks_register(void)
{
    for (unsigned i = 0; i < MEMORY_DISKS; i++) {
        disks[i].pages = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    }
    bdrv_register(&memory_driver);
}

void memory_disk_fill(unsigned i, const uint8_t *data, size_t size)
{
    Disk *d = &disks[i];

    g_hash_table_remove_all(d->pages);
    for (size_t at = 0; at < size; at += PAGE) {
        memcpy(make_page(d, at / PAGE), data + at, MIN(size - at, PAGE));
    }
    d->len = size;
}

void memory_disk_put_options(QDict *options, const char *prefix, unsigned i)
{
    g_autofree char *driver = g_strdup_printf("%sdriver", prefix), *disk = g_strdup_printf("%sdisk", prefix),
                    *number = g_strdup_printf("%u", i);

    qdict_put_str(options, driver, memory_driver.name);
    qdict_put_str(options, disk, number);
}
