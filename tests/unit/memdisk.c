/*
 * The disk in memory of the unit tests.  One thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "memdisk.h"
#include "util/cutils.h"

static const OptDesc mem_options[] = {
    { "size", OPT_SIZE, "bytes", "1048576" },
    { "align", OPT_SIZE, "request alignment", "1" },
    { NULL },
};

static int mem_open_node(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    MemDisk *d = bs->opaque;

    d->data = g_malloc0(MEM_MAX);
    d->size = opt_get_size(options, "size", 0);
    d->status = -1;
    d->cluster = opt_get_size(options, "align", 0);
    bs->supported_zero_flags = BDRV_REQ_MAY_UNMAP | BDRV_REQ_NO_FALLBACK;
    bs->supported_truncate_flags = BDRV_REQ_ZERO_WRITE;
    return 0;
}

static void mem_close(BlockDriverState *bs)
{
    g_free(((MemDisk *)bs->opaque)->data);
}

static void mem_refresh_limits(BlockDriverState *bs, Error **errp)
{
    bs->bl.request_alignment = ((MemDisk *)bs->opaque)->cluster;
}

/* Note the request; what it gets. */
static int coroutine_fn begin(MemDisk *d, MemOp op)
{
    d->calls[op]++;
    if (d->hold && d->held_op == op && in_coroutine()) {
        d->held = coroutine_self();
        coroutine_yield();
    }
    return d->fail[op];
}

static int coroutine_fn mem_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo, BdrvRequestFlags flags)
{
    MemDisk *d = bs->opaque;
    int ret = begin(d, MEM_READ);

    if (ret == 0) {
        iov_from_buf(qiov, qo, d->data + offset, bytes);
    }
    return ret;
}

static void grow(MemDisk *d, int64_t end)
{
    g_assert_cmpint(end, <=, MEM_MAX);
    d->size = MAX(d->size, end);
}

static int coroutine_fn mem_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo, BdrvRequestFlags flags)
{
    MemDisk *d = bs->opaque;
    int ret = begin(d, MEM_WRITE);

    if (ret == 0) {
        grow(d, offset + bytes);
        iov_to_buf(qiov, qo, d->data + offset, bytes);
    }
    return ret;
}

static int coroutine_fn mem_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    MemDisk *d = bs->opaque;
    int ret = begin(d, MEM_ZERO);

    d->zero_flags = flags;
    if (ret == 0) {
        grow(d, offset + bytes);
        memset(d->data + offset, 0, bytes);
    }
    return ret;
}

static int coroutine_fn mem_discard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    return begin(bs->opaque, MEM_DISCARD);
}

static int coroutine_fn mem_flush(BlockDriverState *bs)
{
    return begin(bs->opaque, MEM_FLUSH);
}

static int coroutine_fn mem_truncate(BlockDriverState *bs, int64_t offset, bool exact, PreallocMode prealloc,
                                     BdrvRequestFlags flags, Error **errp)
{
    MemDisk *d = bs->opaque;
    int ret = begin(d, MEM_TRUNCATE);

    if (ret < 0) {
        error_setg(errp, "no other size");
        return ret;
    }
    g_assert_cmpint(offset, <=, MEM_MAX);
    memset(d->data + offset, 0, MEM_MAX - offset);
    d->size = offset;
    return 0;
}

static int64_t mem_length(BlockDriverState *bs)
{
    MemDisk *d = bs->opaque;

    d->calls[MEM_LENGTH]++;
    return d->fail[MEM_LENGTH] ? d->fail[MEM_LENGTH] : d->size;
}

static int coroutine_fn mem_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes, int64_t *pnum,
                                   int64_t *map, BlockDriverState **file)
{
    MemDisk *d = bs->opaque;
    int ret = begin(d, MEM_STATUS);

    *pnum = d->extent ? MIN(bytes, d->extent - offset % d->extent) : bytes;
    *map = offset;
    *file = bs;
    if (ret == 0 && d->border > 0 && offset >= d->border) {
        return d->status_behind;
    }
    if (d->border > 0) {
        *pnum = MIN(*pnum, d->border - offset);
    }
    return ret ? ret : d->status >= 0 ? d->status : BDRV_BLOCK_DATA | BDRV_BLOCK_OFFSET_VALID;
}

static int mem_info(BlockDriverState *bs, BlockDriverInfo *bdi)
{
    MemDisk *d = bs->opaque;

    bdi->cluster_size = d->cluster > 1 ? d->cluster : 0;
    return d->fail[MEM_INFO];
}

static int coroutine_fn mem_copy(BlockDriverState *dst, int64_t dst_offset, BdrvChild *src, int64_t src_offset, int64_t bytes,
                                 BdrvRequestFlags read_flags, BdrvRequestFlags write_flags)
{
    MemDisk *d = dst->opaque, *from = src->bs->opaque;
    int ret = src->bs->drv == dst->drv ? begin(d, MEM_COPY) : -ENOTSUP;

    if (ret == 0) {
        grow(d, dst_offset + bytes);
        memcpy(d->data + dst_offset, from->data + src_offset, bytes);
    }
    return ret;
}

static int mem_reopen_prepare(BdrvReopenState *rs, Error **errp) { return 0; }

static const BlockDriver mem = {
    .name = "mem", .protocol = "mem", .instance_size = sizeof(MemDisk), .open_options = mem_options, .open = mem_open_node,
    .close = mem_close, .bounds_are_soft = true, .has_variable_length = true, .refresh_limits = mem_refresh_limits,
    .getlength = mem_length, .get_info = mem_info, .reopen_prepare = mem_reopen_prepare, .co_read = mem_read, .co_write = mem_write,
    .co_zero = mem_zero, .co_discard = mem_discard, .co_flush_to_disk = mem_flush, .co_truncate = mem_truncate,
    .co_block_status = mem_status, .co_copy_range = mem_copy,
};

/* The same without what a driver may leave out. */
static const BlockDriver bare = {
    .name = "bare", .protocol = "bare", .instance_size = sizeof(MemDisk), .open_options = mem_options, .open = mem_open_node,
    .close = mem_close, .getlength = mem_length, .co_read = mem_read, .co_write = mem_write,
};

void mem_register(void)
{
    bdrv_register(&mem);
    bdrv_register(&bare);
}

MemDisk *mem_disk(const char *node)
{
    BlockDriverState *bs = bdrv_find_node(node);

    g_assert_nonnull(bs);
    return bs->opaque;
}

void mem_release(MemDisk *d)
{
    d->hold = false;
    g_assert_nonnull(d->held);
    aio_co_wake(g_steal_pointer(&d->held));
    while (aio_poll(aio_main_context(), false)) {
        continue;
    }
}

BlockBackend *mem_open(const char *json, int flags)
{
    BlockBackend *blk = blk_open(NULL, NULL, json_parse(json, &error_abort), flags, &error_abort);

    blk_set_allow_write_beyond_eof(blk, true);
    return blk;
}

void mem_open_fails(const char *json, int flags, const char *message)
{
    Error *err = NULL;

    g_assert_null(blk_open(NULL, NULL, json_parse(json, &error_abort), flags, &err));
    mem_said(&err, message);
}

void mem_said(Error **err, const char *message)
{
    g_assert_nonnull(*err);
    g_assert_cmpstr(error_get_pretty(*err), ==, message);
    g_clear_pointer(err, error_free);
}
