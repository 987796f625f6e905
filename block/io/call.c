/*
 * The doors of the gate: each runs in the caller's coroutine, or in one of its own to the end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "io.h"

typedef enum IoOp { IO_READ, IO_WRITE, IO_ZERO, IO_DISCARD, IO_FLUSH, IO_SETTLE, IO_TRUNCATE, IO_COPY, IO_STATUS } IoOp;

typedef struct IoCall {
    IoOp op;
    BdrvChild *c;                      /* the destination of a copy */
    int64_t offset, bytes;
    IoVec *qiov;
    size_t qiov_offset;
    BdrvRequestFlags flags;
    BlockDriverState *bs;              /* FLUSH, STATUS */
    BdrvChild *src;                    /* COPY */
    int64_t src_offset;
    BdrvRequestFlags read_flags;
    bool exact;                        /* TRUNCATE */
    PreallocMode prealloc;
    Error **errp;
    bool want_zero;                    /* STATUS */
    int64_t *pnum, *map;
    BlockDriverState **file;
    int ret;
} IoCall;

static int coroutine_fn dispatch(IoCall *k)
{
    switch (k->op) {
    case IO_READ:
        return io_co_read(k->c, k->offset, k->bytes, k->qiov, k->qiov_offset, k->flags);
    case IO_WRITE:
        return io_co_write(k->c, k->offset, k->bytes, k->qiov, k->qiov_offset, k->flags);
    case IO_ZERO:
        return io_co_zero(k->c, k->offset, k->bytes, k->flags);
    case IO_DISCARD:
        return io_co_discard(k->c, k->offset, k->bytes);
    case IO_FLUSH:
        return io_co_flush(k->bs);
    case IO_SETTLE:
        return io_co_settle(k->bs);
    case IO_TRUNCATE:
        return io_co_truncate(k->c, k->offset, k->exact, k->prealloc, k->flags, k->errp);
    case IO_COPY:
        return io_co_copy_range(k->src, k->src_offset, k->c, k->offset, k->bytes, k->read_flags, k->flags);
    case IO_STATUS:
        return io_co_status(k->bs, k->want_zero, k->offset, k->bytes, k->pnum, k->map, k->file);
    }
    g_assert_not_reached();
}

static void coroutine_fn call_entry(void *opaque)
{
    IoCall *k = opaque;

    k->ret = dispatch(k);
}

static int call(IoCall *k)
{
    co_run_sync(call_entry, k);
    return k->ret;
}

int bdrv_read(BdrvChild *c, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset, BdrvRequestFlags flags)
{
    if (G_LIKELY(in_coroutine())) {
        return io_co_read(c, offset, bytes, qiov, qiov_offset, flags);
    }
    return call(&(IoCall) { IO_READ, c, offset, bytes, qiov, qiov_offset, flags });
}

int bdrv_write(BdrvChild *c, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset, BdrvRequestFlags flags)
{
    if (G_LIKELY(in_coroutine())) {
        return io_co_write(c, offset, bytes, qiov, qiov_offset, flags);
    }
    return call(&(IoCall) { IO_WRITE, c, offset, bytes, qiov, qiov_offset, flags });
}

int bdrv_read_buf(BdrvChild *c, int64_t offset, int64_t bytes, void *buf, BdrvRequestFlags flags)
{
    IoVec v;

    iov_init_buf(&v, buf, bytes);
    return bdrv_read(c, offset, bytes, &v, 0, flags);
}

int bdrv_write_buf(BdrvChild *c, int64_t offset, int64_t bytes, const void *buf, BdrvRequestFlags flags)
{
    IoVec v;

    iov_init_buf(&v, (void *)buf, bytes);
    return bdrv_write(c, offset, bytes, &v, 0, flags);
}

int bdrv_write_sync(BdrvChild *c, int64_t offset, int64_t bytes, const void *buf, BdrvRequestFlags flags)
{
    int ret = bdrv_write_buf(c, offset, bytes, buf, flags);

    return ret < 0 ? ret : bdrv_flush(c->bs);
}

int bdrv_zero(BdrvChild *c, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    return call(&(IoCall) { IO_ZERO, c, offset, bytes, .flags = flags });
}

int bdrv_discard(BdrvChild *c, int64_t offset, int64_t bytes)
{
    return call(&(IoCall) { IO_DISCARD, c, offset, bytes });
}

int bdrv_flush(BlockDriverState *bs)
{
    return call(&(IoCall) { IO_FLUSH, .bs = bs });
}

int bdrv_settle(BlockDriverState *bs)
{
    return call(&(IoCall) { IO_SETTLE, .bs = bs });
}

int bdrv_truncate(BdrvChild *c, int64_t offset, bool exact, PreallocMode prealloc, BdrvRequestFlags flags, Error **errp)
{
    return call(&(IoCall) { IO_TRUNCATE, c, offset, .flags = flags, .exact = exact, .prealloc = prealloc, .errp = errp });
}

int bdrv_copy_range(BdrvChild *src, int64_t src_offset, BdrvChild *dst, int64_t dst_offset, int64_t bytes,
                    BdrvRequestFlags read_flags, BdrvRequestFlags write_flags)
{
    return call(&(IoCall) { IO_COPY, dst, dst_offset, bytes, .flags = write_flags, .src = src,
                            .src_offset = src_offset, .read_flags = read_flags });
}

int bdrv_block_status_one(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                          int64_t *pnum, int64_t *map, BlockDriverState **file)
{
    return call(&(IoCall) { IO_STATUS, .offset = offset, .bytes = bytes, .bs = bs, .want_zero = want_zero,
                            .pnum = pnum, .map = map, .file = file });
}
