/*
 * qcow2: what lies where, for those who copy or list an image.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qcow2.h"
#include "qcow2-defer.h"
#include "qcow2-io.h"

/*
 * Clusters counted in the file against what the file occupies: an image whose clusters are
 * allocated but were never written (preallocation=metadata) has far more of the former.
 */
static bool coroutine_fn counts_exceed_blocks(Qcow2 *q)
{
    int64_t len = bdrv_getlength(q->bs->file->bs), blocks = bdrv_get_allocated_size(q->bs->file->bs);
    if (len < 0 || blocks < 0) {
        return false;
    }
    uint64_t real = qcow2_clusters_for(q, blocks), limit = MAX(real * 10 / 9, real + 2), counted = 0;
    uint64_t n = qcow2_clusters_for(q, len);
    for (uint64_t i = 0; i < n && counted < limit; i++) {
        uint64_t count;
        if (qcow2_get_refcount(q, i, &count) < 0) {
            return false;
        }
        counted += count != 0;
    }
    return counted >= limit;
}

bool coroutine_fn qcow2_metadata_preallocated(Qcow2 *q)
{
    if (!q->prealloc_known) {
        q->prealloc = !qcow2_has_data_file(q) && counts_exceed_blocks(q);
        q->prealloc_known = true;
    }
    return q->prealloc;
}

int coroutine_fn qcow2_co_block_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                                       int64_t *pnum, int64_t *map, BlockDriverState **file)
{
    Qcow2 *q = qcow2_of(bs);
    Qcow2ClusterType type;
    uint64_t n = bytes, host;
    CO_SCOPED_LOCK(&q->lock);
    if (q->broken) {
        return -ENOMEDIUM;
    }
    /* A data file of its own may have holes of its own. */
    bool recurse = qcow2_has_data_file(q) || qcow2_metadata_preallocated(q);
    int ret = qcow2_defer_settle_range(q, offset, bytes);
    if (ret == 0) {
        ret = qcow2_map(q, offset, &n, &host, &type);
    }
    if (ret < 0) {
        return ret;
    }
    *pnum = n;
    int status = 0;
    if ((type == QCOW2_NORMAL || type == QCOW2_ZERO_ALLOC || type == QCOW2_UNALLOCATED_ALLOC) &&
        q->crypt == QCOW2_CRYPT_NONE) {
        *map = host;
        *file = q->data_file->bs;
        status = BDRV_BLOCK_OFFSET_VALID;
    }
    switch (type) {
    case QCOW2_ZERO_PLAIN:
    case QCOW2_ZERO_ALLOC:
        return status | BDRV_BLOCK_ZERO;
    case QCOW2_COMPRESSED:
        return status | BDRV_BLOCK_DATA | BDRV_BLOCK_COMPRESSED;
    case QCOW2_NORMAL:
        return status | BDRV_BLOCK_DATA | (recurse && status ? BDRV_BLOCK_RECURSE : 0);
    default:
        return status;
    }
}
