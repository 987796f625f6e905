/*
 * The header on disk: rewriting it, the dirty and corrupt bits, and the switch of all roots.
 *
 * S3  A root names only what is durable: both the whole rewrite and the switch are one write,
 *     and the flushes around them are here (switch) or with the caller (rewrite).
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
        .nb_snapshots = q->nb_snapshots, .snapshots_offset = q->snapshots_offset,
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

int coroutine_fn qcow2_header_write(Qcow2 *q)
{
    BlockDriverState *bs = q->bs;
    uint8_t *buf = bdrv_blockalign(bs->file->bs, q->cluster_size);
    Qcow2Extensions e;
    Qcow2Header h;
    int ret;

    if (!buf) {
        return -ENOMEM;
    }
    memset(buf, 0, q->cluster_size);
    qcow2_header_from_state(q, &h, &e);
    ret = qcow2_header_build(buf, q->cluster_size, &h, q->unknown_header_fields, q->unknown_header_len, &e,
                             bs->backing_file);
    if (ret == 0) {
        ret = bdrv_write_buf(bs->file, 0, q->cluster_size, buf, 0);
    }
    bdrv_memfree(buf);
    return ret;
}

/* Put the feature word on disk, durably; the word in memory follows only when that worked. */
static int coroutine_fn write_incompatible(Qcow2 *q, uint64_t bits)
{
    uint8_t word[8];
    int ret;

    store_be64(word, bits);
    ret = bdrv_write_sync(q->bs->file, INCOMPATIBLE_OFFSET, sizeof(word), word, 0);
    if (ret == 0) {
        q->incompatible = bits;
    }
    return ret;
}

int coroutine_fn qcow2_mark_dirty(Qcow2 *q)
{
    if (q->version < 3 || (q->incompatible & QCOW2_INCOMPAT_DIRTY)) {
        return 0;
    }
    return write_incompatible(q, q->incompatible | QCOW2_INCOMPAT_DIRTY);
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
    return bdrv_write_sync(file, 0, QCOW2_FIRST_SECTOR, sector, 0);
}
