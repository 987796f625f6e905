/*
 * The header on disk: rewriting it, the dirty and corrupt bits, and the switch of all roots.
 *
 * S3  A root names only what is durable, and takes effect with the write of one sector: the switch is such a
 *     write, a rewrite ends in one.  The flushes around a rewrite are the caller's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "qcow2-header.h"

#define INCOMPATIBLE_OFFSET 72

void qcow2_header_from_state(const Qcow2 *q, Qcow2Header *h, Qcow2Extensions *borrowed)
{
    const BlockDriverState *bs = q->bs;

    *h = (Qcow2Header){
        .version = q->version, .cluster_bits = q->cluster_bits, .size = bs->total_bytes, .crypt_method = q->crypt,
        .l1_size = q->l1_size, .l1_table_offset = q->l1_offset,
        .refcount_table_offset = q->rt_offset, .refcount_table_clusters = q->rt_clusters,
        .nb_snapshots = qcow2_named_snapshots(q), .snapshots_offset = q->snapshots_offset,
        .incompatible = q->incompatible, .compatible = q->compatible, .autoclear = q->autoclear,
        .refcount_order = q->refcount_order, .compression_type = q->compression,
    };
    *borrowed = (Qcow2Extensions){
        .backing_format = bs->backing_file && *bs->backing_file ? bs->backing_format : NULL,
        .data_file_name = q->data_file_name,
        .has_crypto = q->crypt == QCOW2_CRYPT_LUKS,
        .crypto_offset = q->crypto_header_offset, .crypto_len = q->crypto_header_len,
        .has_bitmaps = q->nb_bitmaps > 0,
        .nb_bitmaps = q->nb_bitmaps, .bitmaps_size = q->bitmaps_ext_size, .bitmaps_offset = q->bitmaps_ext_offset,
        .unknown = q->unknown_ext, .nb_unknown = q->nb_unknown_ext,
    };
}

/* The header as q's state wants it, with `pad` zero bytes as unknown fields behind those that there are. */
static int build_header(const Qcow2 *q, size_t pad, uint8_t *buf)
{
    g_autofree uint8_t *fields = g_malloc0(q->unknown_header_len + pad + 1);
    Qcow2Extensions e;
    Qcow2Header h;

    if (q->unknown_header_len) {
        memcpy(fields, q->unknown_header_fields, q->unknown_header_len);
    }
    memset(buf, 0, q->cluster_size);
    qcow2_header_from_state(q, &h, &e);
    return qcow2_header_build(buf, q->cluster_size, &h, fields, q->unknown_header_len + pad, &e, q->bs->backing_file);
}

static int coroutine_fn write_flushed(Qcow2 *q, const uint8_t *buf, size_t from, size_t to)
{
    return from == 0 ? qcow2_write_first_sector(q, buf)
         : from < to ? bdrv_write_sync(q->bs->file, from, to - from, buf + from, 0) : 0;
}

/*
 * More than the first sector changes, and only a sector is written whole for sure:
 *
 *   1  the new extensions and names behind all that is used, by old and new; nothing points there
 *   2  the first sector, with a header length that leads there: now the new header counts
 *   3  what the new layout has behind its first sector, in its proper place; the old one is not used any more
 *   4  the first sector with the proper header length
 *
 * A flush after each.  Without room for 1, and in version 2 (no header length), one write has to do.
 */
static int coroutine_fn write_in_steps(Qcow2 *q, const uint8_t *old, const uint8_t *new, uint8_t *moved)
{
    size_t used = MAX(qcow2_header_used(old, q->cluster_size), qcow2_header_used(new, q->cluster_size));
    size_t base = ALIGN_UP(used, QCOW2_FIRST_SECTOR), fixed = QCOW2_HEADER_V3_BYTES + q->unknown_header_len, end;
    int ret;

    if (q->version < 3 || load_be32(old + 4) < 3 || base >= q->cluster_size || build_header(q, base - fixed, moved) < 0) {
        ret = bdrv_write_buf(q->bs->file, 0, q->cluster_size, new, 0);
        q->broken |= ret < 0;
        return ret;
    }
    end = qcow2_header_used(moved, q->cluster_size);
    ret = write_flushed(q, moved, base, ALIGN_UP(end, QCOW2_FIRST_SECTOR));
    if (ret == 0) {
        ret = write_flushed(q, moved, 0, QCOW2_FIRST_SECTOR);
    }
    if (ret == 0) {
        ret = write_flushed(q, new, QCOW2_FIRST_SECTOR, base);
    }
    if (ret == 0) {
        ret = write_flushed(q, new, 0, QCOW2_FIRST_SECTOR);
    }
    return ret < 0 ? ret : bdrv_zero(q->bs->file, base, ALIGN_UP(end, QCOW2_FIRST_SECTOR) - base, 0);
}

int coroutine_fn qcow2_header_write(Qcow2 *q)
{
    BdrvChild *file = q->bs->file;
    size_t size = q->cluster_size;
    uint8_t *buf = bdrv_blockalign(file->bs, 3 * size), *old = buf, *new = buf + size;
    int ret;

    if (!buf) {
        return -ENOMEM;
    }
    ret = build_header(q, 0, new);
    if (ret == 0) {
        ret = bdrv_read_buf(file, 0, size, old, 0);
    }
    if (ret == 0 && memcmp(old + QCOW2_FIRST_SECTOR, new + QCOW2_FIRST_SECTOR, size - QCOW2_FIRST_SECTOR)) {
        ret = write_in_steps(q, old, new, buf + 2 * size);
    } else if (ret == 0) {
        ret = qcow2_write_first_sector(q, new);
    }
    bdrv_memfree(buf);
    return ret;
}

int coroutine_fn qcow2_write_first_sector(Qcow2 *q, const uint8_t *sector)
{
    int ret = bdrv_write_sync(q->bs->file, 0, QCOW2_FIRST_SECTOR, sector, 0);

    if (ret < 0) {
        q->broken = true;
    }
    return ret;
}

/*
 * Put the feature word on disk, durably.  When that failed it may hold either: the word in memory then has fewer bits, so
 * that a bit that matters is written again before it is relied on.
 */
static int coroutine_fn write_incompatible(Qcow2 *q, uint64_t bits)
{
    uint8_t word[8];
    int ret;

    store_be64(word, bits);
    ret = bdrv_write_sync(q->bs->file, INCOMPATIBLE_OFFSET, sizeof(word), word, 0);
    q->incompatible = ret == 0 ? bits : bits & q->incompatible;
    return ret;
}

int coroutine_fn qcow2_mark_dirty(Qcow2 *q)
{
    if (q->version < 3 || (q->incompatible & QCOW2_INCOMPAT_DIRTY)) {
        return 0;
    }
    return write_incompatible(q, q->incompatible | QCOW2_INCOMPAT_DIRTY);
}

bool qcow2_counts_may_lag(const Qcow2 *q)
{
    return q->lazy_refcounts && (q->incompatible & QCOW2_INCOMPAT_DIRTY);
}

int coroutine_fn qcow2_mark_clean(Qcow2 *q)
{
    int ret;

    if (!(q->incompatible & QCOW2_INCOMPAT_DIRTY)) {
        return 0;
    }
    ret = bdrv_flush(q->bs->file->bs);
    return ret < 0 ? ret : write_incompatible(q, q->incompatible & ~QCOW2_INCOMPAT_DIRTY);
}

int coroutine_fn qcow2_mark_corrupt(Qcow2 *q)
{
    if (q->version < 3 || (q->incompatible & QCOW2_INCOMPAT_CORRUPT)) {
        return 0;
    }
    return write_incompatible(q, q->incompatible | QCOW2_INCOMPAT_CORRUPT);
}

int coroutine_fn qcow2_mark_consistent(Qcow2 *q)
{
    int ret;

    if (!(q->incompatible & QCOW2_INCOMPAT_CORRUPT)) {
        return 0;
    }
    ret = bdrv_flush(q->bs->file->bs);
    return ret < 0 ? ret : write_incompatible(q, q->incompatible & ~QCOW2_INCOMPAT_CORRUPT);
}

/*
 * The sector is read, patched and written, not laid out anew: an image from another program may
 * have its extensions elsewhere, and half of a new layout over half of an old one is no header.
 */
int coroutine_fn qcow2_switch_roots(Qcow2 *q, const Qcow2Roots *roots)
{
    BdrvChild *file = q->bs->file;
    g_autofree uint8_t *sector = g_malloc(QCOW2_FIRST_SECTOR);
    int ret = bdrv_flush(file->bs);

    if (ret == 0) {
        ret = bdrv_read_buf(file, 0, QCOW2_FIRST_SECTOR, sector, 0);
    }
    if (ret < 0) {
        return ret;
    }
    store_be64(sector + 24, roots->disk_size);
    store_be32(sector + 36, roots->l1_size);
    store_be64(sector + 40, roots->l1_offset);
    store_be64(sector + 48, roots->rt_offset);
    store_be32(sector + 56, roots->rt_clusters);
    store_be32(sector + 60, roots->nb_snapshots);
    store_be64(sector + 64, roots->snapshots_offset);
    return qcow2_write_first_sector(q, sector);
}
