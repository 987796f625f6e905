/*
 * qcow2: compressed clusters.  zlib: raw deflate with a window of 4 KiB; zstd: one frame.
 * Streams are packed at any byte; the L2 entry counts 512-byte sectors, so that what is read
 * may go past the stream's end into a neighbour's.
 *
 * (De)compression runs in worker threads; parts of one request go side by side.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>
#include "qcow2.h"
#include "qcow2-deflate.h"
#include "qcow2-io.h"

#define DEFLATE_WINDOW (-12)         /* negative: no zlib header and sum */

static int zlib_decompress(void *dst, size_t dst_len, const void *src, size_t src_len)
{
    z_stream z = { .next_in = (void *)src, .avail_in = src_len, .next_out = dst, .avail_out = dst_len };
    int ret = inflateInit2(&z, DEFLATE_WINDOW);
    if (ret != Z_OK) {
        return ret == Z_MEM_ERROR ? -ENOMEM : -EIO;
    }
    ret = inflate(&z, Z_FINISH);
    bool full = z.avail_out == 0;
    inflateEnd(&z);
    /* A full cluster is good even when the stream would go on or its end mark was cut off. */
    return (ret == Z_STREAM_END || ret == Z_BUF_ERROR) && full ? 0 : -EIO;
}

/* Frame by frame and straight into dst: no window is allocated, whatever a frame's header asks for. */
static int zstd_decompress(void *dst, size_t dst_len, const void *src, size_t src_len)
{
    size_t done = 0, used = 0;
    while (done < dst_len) {
        size_t frame = ZSTD_findFrameCompressedSize((const char *)src + used, src_len - used);
        if (ZSTD_isError(frame) || frame == 0) {
            return -EIO;
        }
        size_t n = ZSTD_decompress((char *)dst + done, dst_len - done, (const char *)src + used, frame);
        if (ZSTD_isError(n)) {
            return ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation ? -ENOMEM : -EIO;
        }
        done += n;
        used += frame;
    }
    return 0;
}

int qcow2_decompress(Qcow2 *q, void *dst, size_t dst_len, const void *src, size_t src_len)
{
    return q->compression == QCOW2_COMPRESSION_ZSTD ? zstd_decompress(dst, dst_len, src, src_len)
                                                    : zlib_decompress(dst, dst_len, src, src_len);
}

typedef struct Work {
    Qcow2 *q;
    void *dst;
    const void *src;
    size_t dst_len, src_len;
} Work;

static int work_decompress(void *arg)
{
    Work *w = arg;
    return qcow2_decompress(w->q, w->dst, w->dst_len, w->src, w->src_len);
}

static int work_compress(void *arg)
{
    Work *w = arg;
    return w->q->compression == QCOW2_COMPRESSION_ZSTD ? qcow2_zstd(w->dst, w->dst_len, w->src, w->src_len)
                                                       : qcow2_deflate(w->dst, w->dst_len, w->src, w->src_len);
}

int coroutine_fn qcow2_read_compressed(Qcow2 *q, uint64_t entry, unsigned ticket, uint64_t skip, uint64_t bytes,
                                       IoVec *qiov, size_t qo)
{
    uint64_t place, len;
    qcow2_compressed_place(q, entry, &place, &len);
    g_autofree uint8_t *stream = g_try_malloc(len);
    g_autofree uint8_t *plain = g_try_malloc(q->cluster_size);
    int ret = stream && plain ? 0 : -ENOMEM;
    if (ret == 0) {
        bdrv_child_event(q->bs->file, "read_compressed");
        ret = bdrv_read_buf(q->bs->file, place, len, stream, 0);
    }
    qcow2_io_end(q, ticket);
    if (ret < 0) {
        return ret;
    }
    Work w = { .q = q, .dst = plain, .dst_len = q->cluster_size, .src = stream, .src_len = len };
    ret = thread_pool_co_run(work_decompress, &w);
    if (ret < 0) {
        return ret;
    }
    iov_from_buf(qiov, qo, plain + skip, bytes);
    return 0;
}

/* Room for a stream, and the claim on its cluster.  0, or -errno with nothing held. */
static int coroutine_fn compressed_plan(Qcow2 *q, Qcow2Claim *claim, uint64_t offset, uint32_t len, int64_t *place)
{
    void *table;
    uint32_t idx;
    CO_SCOPED_LOCK(&q->lock);
    for (;;) {
        int ret = qcow2_l2_for_write(q, offset, &table, &idx);
        if (ret < 0) {
            return ret;
        }
        uint64_t free = q->cluster_size;
        ret = qcow2_claim_clip(q, offset, &free);
        uint64_t entry = ret == 0 && free ? qcow2_l2_get(q, table, idx) : 0;
        qcow2_cache_put(q->l2_cache, &table);
        if (ret < 0) {
            return ret;
        }
        if (!free) {
            continue;
        }
        /* Compression never overwrites: whoever packs an image writes each cluster once. */
        Qcow2ClusterType type = qcow2_entry_type(q, entry);
        if (type != QCOW2_UNALLOCATED && type != QCOW2_ZERO_PLAIN) {
            return -EIO;
        }
        break;
    }
    qcow2_claim_begin(q, claim, offset, offset + q->cluster_size);
    bdrv_child_event(q->bs->file, "l2_update_compressed");
    *place = qcow2_alloc_bytes(q, len);
    int ret = *place < 0 ? *place : 0;
    if (*place == 0) {
        ret = qcow2_corrupt(q, true, -1, -1, "Preventing invalid allocation of compressed cluster at offset 0");
    }
    if (ret == 0) {
        ret = qcow2_check_overlap(q, 0, *place, len, false);
    }
    if (ret < 0) {
        qcow2_claim_end(q, claim);
    }
    return ret;
}

static int coroutine_fn compressed_link(Qcow2 *q, Qcow2Claim *claim, int64_t place, uint32_t len, int ret)
{
    void *table;
    uint32_t idx;
    CO_SCOPED_LOCK(&q->lock);
    if (ret == 0) {
        ret = qcow2_l2_for_write(q, claim->from, &table, &idx);
    }
    if (ret == 0) {
        qcow2_l2_set(q, table, idx, qcow2_compressed_entry(q, place, len), 0);
        qcow2_cache_mark_dirty(q->l2_cache, table, idx * q->l2_entry_size, q->l2_entry_size);
        qcow2_cache_put(q->l2_cache, &table);
    } else {
        qcow2_update_refcount(q, place, len, -1, QCOW2_DISCARD_NEVER);
        qcow2_not_virgin(q, place + len);
    }
    qcow2_claim_end(q, claim);
    return ret;
}

typedef struct Part {
    BlockDriverState *bs;
    uint64_t offset, bytes;          /* one cluster, or what the disk has of the last one */
    IoVec *qiov;
    size_t qo;
} Part;

static int coroutine_fn write_part(void *arg)
{
    Part *p = arg;
    Qcow2 *q = qcow2_of(p->bs);
    g_autofree uint8_t *plain = g_try_malloc(q->cluster_size);
    g_autofree uint8_t *stream = g_try_malloc(q->cluster_size);
    if (!plain || !stream) {
        return -ENOMEM;
    }
    iov_to_buf(p->qiov, p->qo, plain, p->bytes);
    memset(plain + p->bytes, 0, q->cluster_size - p->bytes);
    Work w = { .q = q, .dst = stream, .dst_len = q->cluster_size - 1, .src = plain, .src_len = q->cluster_size };
    int len = thread_pool_co_run(work_compress, &w);
    if (len == 0) {
        return qcow2_co_write(p->bs, p->offset, p->bytes, p->qiov, p->qo, 0);     /* not worth it */
    }
    if (len < 0) {
        return len;
    }
    Qcow2Claim claim;
    int64_t place;
    int ret = compressed_plan(q, &claim, p->offset, len, &place);
    if (ret < 0) {
        return ret;
    }
    bdrv_child_event(p->bs->file, "write_compressed");
    ret = bdrv_write_buf(p->bs->file, place, len, stream, 0);
    return compressed_link(q, &claim, place, len, ret);
}

/* A stream may end anywhere: pad the file to whole sectors, as O_DIRECT readers need it. */
static int coroutine_fn align_end(BlockDriverState *bs)
{
    int64_t len = bdrv_getlength(bs->file->bs);
    return len < 0 ? len : bdrv_truncate(bs->file, ALIGN_UP(len, BDRV_SECTOR_SIZE), false, PREALLOC_OFF, 0, NULL);
}

int coroutine_fn qcow2_co_write_compressed(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo)
{
    Qcow2 *q = qcow2_of(bs);
    if (q->broken) {
        return -ENOMEDIUM;
    }
    if (qcow2_has_data_file(q)) {
        return -ENOTSUP;
    }
    if (bytes == 0) {
        return align_end(bs);
    }
    if (qcow2_in_cluster(q, offset) || (qcow2_in_cluster(q, bytes) && offset + bytes != bs->total_bytes)) {
        return -EINVAL;
    }
    Qcow2Tasks tasks = { 0 };
    for (int64_t done = 0; done < bytes && tasks.ret == 0;) {
        Part p = { .bs = bs, .offset = offset + done, .bytes = MIN(bytes - done, (int64_t)q->cluster_size),
                   .qiov = qiov, .qo = qo + done };
        done += p.bytes;
        if (done == bytes) {
            int ret = write_part(&p);
            tasks.ret = tasks.ret ? tasks.ret : ret;
        } else {
            qcow2_tasks_start(&tasks, write_part, &p, sizeof(p));
        }
    }
    return qcow2_tasks_finish(&tasks);
}
