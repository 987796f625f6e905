/*
 * qcow2: copying between two images inside the host (copy_file_range, reflinks).  Only runs of
 * plain data and of zeroes are done here; for all else the gate moves buffers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "qcow2.h"
#include "qcow2-defer.h"
#include "qcow2-io.h"

static int coroutine_fn source_map(Qcow2 *q, uint64_t offset, uint64_t *bytes, uint64_t *host, Qcow2ClusterType *type,
                                   unsigned *ticket)
{
    CO_SCOPED_LOCK(&q->lock);
    int ret = qcow2_defer_settle_range(q, offset, *bytes);
    if (ret == 0) {
        ret = qcow2_map(q, offset, bytes, host, type);
    }
    if (ret == 0 && ticket && *type == QCOW2_NORMAL) {
        *ticket = qcow2_io_begin(q);
    }
    return ret;
}

/*
 * Looked up again at the last moment: a ticket of the source must not be held while the target
 * allocates, or two images that are copied into each other could wait for each other's cycles.
 */
static int coroutine_fn copy_plain(const Qcow2Source *src, uint64_t done, BdrvChild *to, uint64_t to_offset, uint64_t bytes)
{
    while (bytes) {
        uint64_t n = bytes, host;
        unsigned ticket = 0;
        Qcow2ClusterType type;
        int ret = source_map(src->from, src->from_offset + done, &n, &host, &type, &ticket);
        if (ret < 0) {
            return ret;
        }
        if (type != QCOW2_NORMAL) {
            return -ENOTSUP;
        }
        ret = bdrv_copy_range(src->from->data_file, host, to, to_offset, n, src->read_flags, src->write_flags);
        qcow2_io_end(src->from, ticket);
        if (ret < 0) {
            return ret;
        }
        done += n;
        to_offset += n;
        bytes -= n;
    }
    return 0;
}

static int coroutine_fn copy_run(BlockDriverState *dst, uint64_t dst_offset, Qcow2Source *src, uint64_t *bytes)
{
    uint64_t host;
    Qcow2ClusterType type;
    int ret = source_map(src->from, src->from_offset, bytes, &host, &type, NULL);
    if (ret < 0) {
        return ret;
    }
    switch (type) {
    case QCOW2_NORMAL:
        return qcow2_write_from(dst, dst_offset, *bytes, src);
    case QCOW2_UNALLOCATED:
    case QCOW2_UNALLOCATED_ALLOC:
        if (!qcow2_unallocated_is_zero(src->from, src->from_offset)) {
            return -ENOTSUP;
        }
        return qcow2_co_zero(dst, dst_offset, *bytes, src->write_flags & BDRV_REQ_MAY_UNMAP);
    case QCOW2_ZERO_PLAIN:
    case QCOW2_ZERO_ALLOC:
        return qcow2_co_zero(dst, dst_offset, *bytes, src->write_flags & BDRV_REQ_MAY_UNMAP);
    default:
        return -ENOTSUP;
    }
}

int coroutine_fn qcow2_co_copy_range(BlockDriverState *dst, int64_t dst_offset, BdrvChild *src_child, int64_t src_offset,
                                     int64_t bytes, BdrvRequestFlags rf, BdrvRequestFlags wf)
{
    BlockDriverState *from = src_child->bs;
    if (from->drv != dst->drv || qcow2_of(from)->crypt != QCOW2_CRYPT_NONE || qcow2_of(dst)->crypt != QCOW2_CRYPT_NONE) {
        return -ENOTSUP;
    }
    Qcow2Source src = { .copy = copy_plain, .from = qcow2_of(from), .from_offset = src_offset,
                        .read_flags = rf, .write_flags = wf };
    while (bytes > 0) {
        uint64_t n = bytes;
        int ret = copy_run(dst, dst_offset, &src, &n);
        if (ret < 0) {
            return ret;
        }
        dst_offset += n;
        src.from_offset += n;
        bytes -= n;
    }
    return 0;
}
