/*
 * How large would a qcow2 image be?  Pure arithmetic on the options, plus a look at which
 * clusters of the source hold data.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "block/dirty-bitmap.h"
#include "block/graph.h"
#include "crypto/luks.h"
#include "qcow2-header.h"

typedef struct Measure {
    uint64_t size;                   /* virtual, bytes */
    unsigned version, cluster_bits, refcount_order;
    bool extended_l2, has_backing;
    uint64_t key_area;               /* LUKS: header and key material */
    PreallocMode prealloc;
} Measure;

static int parse_options(const QDict *opts, BlockDriverState *in_bs, Measure *m, Error **errp)
{
    const char *compat = opt_get_str(opts, "compat"), *prealloc = opt_get_str(opts, "preallocation");
    const char *crypt = opt_get_str(opts, "encrypt.format");
    int64_t len = in_bs ? bdrv_getlength(in_bs) : 0;

    *m = (Measure){ .extended_l2 = opt_get_bool(opts, "extended_l2", false),
                    .has_backing = opt_get_str(opts, "backing_file") != NULL };
    if (qcow2_parse_cluster_size(opt_get_size(opts, "cluster_size", 65536), m->extended_l2, &m->cluster_bits, errp) < 0) {
        return -EINVAL;
    }
    if (prealloc && !prealloc_mode_parse(prealloc, &m->prealloc)) {
        error_setg(errp, "invalid parameter value: %s", prealloc);
        return -EINVAL;
    }
    if (qcow2_parse_compat(compat, &m->version, NULL) < 0) {
        error_setg(errp, "Invalid compatibility level: '%s'", compat);
        return -EINVAL;
    }
    if (qcow2_parse_refcount_bits(opt_get_number(opts, "refcount_bits", 16), &m->refcount_order, errp) < 0) {
        return -EINVAL;
    }
    if (m->version < 3 && m->refcount_order != 4) {
        error_setg(errp, "Different refcount widths than 16 bits require compatibility level 1.1 or above "
                   "(use compat=1.1 or greater)");
        return -EINVAL;
    }
    if (crypt && !strcmp(crypt, "luks")) {
        m->key_area = luks_measure_header(opts, "encrypt.", errp);
        if (!m->key_area) {
            return -EINVAL;
        }
    }
    if (len < 0) {
        error_setg_errno(errp, -len, "Unable to get image virtual_size");
        return len;
    }
    m->size = ALIGN_UP(in_bs ? (uint64_t)len : opt_get_size(opts, "size", 0), BDRV_SECTOR_SIZE);
    return 0;
}

/* Clusters of refcount blocks and table for n others and themselves. */
static uint64_t refcount_clusters(const Measure *m, uint64_t n)
{
    uint64_t per_block = 8ULL << m->cluster_bits >> m->refcount_order;
    uint64_t blocks = 0, table = 0, before;

    do {
        before = blocks + table;
        blocks = DIV_UP(n + blocks + table, per_block);
        table = DIV_UP(blocks * 8, 1ULL << m->cluster_bits);
    } while (blocks + table != before);
    return blocks + table;
}

/* The whole file with every guest cluster allocated, bytes. */
static uint64_t full_size(const Measure *m)
{
    uint64_t cluster = 1ULL << m->cluster_bits, data = DIV_UP(m->size, cluster);
    uint64_t l2_tables = qcow2_l1_entries(m->size, m->cluster_bits, m->extended_l2);
    uint64_t n = 1 + DIV_UP(l2_tables * 8, cluster) + l2_tables + data;

    return ((n + refcount_clusters(m, n)) << m->cluster_bits) + ALIGN_UP(m->key_area, cluster);
}

/* Bytes of target clusters that the source's data touches; without prealloc only they are written. */
static int64_t data_bytes(const Measure *m, BlockDriverState *in_bs, Error **errp)
{
    int64_t cluster = 1LL << m->cluster_bits, total = 0, n;

    for (int64_t offset = 0; offset < (int64_t)m->size; offset += n) {
        int64_t map;
        int ret = bdrv_block_status_above(in_bs, NULL, offset, m->size - offset, &n, &map, NULL, NULL);

        if (ret < 0) {
            error_setg_errno(errp, -ret, "Unable to get block status");
            return ret;
        }
        if (!(ret & BDRV_BLOCK_ZERO) && (ret & (BDRV_BLOCK_DATA | BDRV_BLOCK_ALLOCATED))) {
            n = MIN(ALIGN_UP(offset + n, cluster), (int64_t)m->size) - offset;
            total += offset % cluster + n;
        }
    }
    return total;
}

/* What the persistent bitmaps of the source would take in the new image. */
static uint64_t bitmap_bytes(const Measure *m, BlockDriverState *in_bs)
{
    uint64_t cluster = 1ULL << m->cluster_bits, directory = 0, total = 0;

    for (BdrvDirtyBitmap *bm = NULL; (bm = bdrv_dirty_bitmap_next(in_bs, bm));) {
        uint64_t granularity, data;

        if (!bdrv_dirty_bitmap_persistent(bm)) {
            continue;
        }
        granularity = bdrv_dirty_bitmap_granularity(bm);
        data = DIV_UP(DIV_UP(DIV_UP(m->size, granularity), 8), cluster);
        total += data * cluster + ALIGN_UP(data * 8, cluster);
        directory += ALIGN_UP(24 + strlen(bdrv_dirty_bitmap_name(bm)), 8);
    }
    return total + ALIGN_UP(directory, cluster);
}

QDict *qcow2_measure(QDict *opts, BlockDriverState *in_bs, Error **errp)
{
    Measure m;
    uint64_t cluster, full, required;
    int64_t data = 0;
    QDict *out;

    if (parse_options(opts, in_bs, &m, errp) < 0) {
        return NULL;
    }
    if (qcow2_l1_entries(m.size, m.cluster_bits, m.extended_l2) > QCOW2_MAX_L1_BYTES / 8) {
        error_setg(errp, "The image size is too large (try using a larger cluster size)");
        return NULL;
    }
    cluster = 1ULL << m.cluster_bits;
    full = full_size(&m);
    if (m.prealloc == PREALLOC_FULL || m.prealloc == PREALLOC_FALLOC || (in_bs && m.has_backing)) {
        data = m.size;               /* what is below the new image may differ anywhere */
    } else if (in_bs) {
        data = data_bytes(&m, in_bs, errp);
    }
    if (data < 0) {
        return NULL;
    }
    required = full - (DIV_UP(m.size, cluster) << m.cluster_bits) + ALIGN_UP((uint64_t)data, cluster);
    out = qdict_new();
    if (in_bs && m.version >= 3 && in_bs->drv && in_bs->drv->supports_persistent_bitmaps &&
        in_bs->drv->supports_persistent_bitmaps(in_bs)) {
        qdict_put_uint(out, "bitmaps", bitmap_bytes(&m, in_bs));
    }
    qdict_put_uint(out, "required", required);
    qdict_put_uint(out, "fully-allocated", full);
    return out;
}
