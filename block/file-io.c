/*
 * Requests to a file: data, zeroes, holes, flushes, copies inside the kernel, and where holes are.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "file.h"
#include "util/cutils.h"

#define LARGE_WRITE ((int64_t)(256 * KiB))
#define READ_AHEAD_MIN ((int64_t)(64 * KiB))

static int64_t coroutine_fn file_transfer(FileState *s, AioOp op, int64_t offset, int64_t bytes, IoVec *qiov,
                                          size_t qiov_offset, unsigned flags)
{
    struct iovec *iov, *scratch = NULL;
    int64_t n;
    int niov;

    iov_slice(qiov, qiov_offset, bytes, &iov, &niov, &scratch);
    flags |= s->open_flags & O_DIRECT ? 0 : AIO_REQ_CACHED | (s->in_memory ? AIO_REQ_MEMORY : 0);
    n = aio_engine_co_rw(s->engine, s->fd, op, offset, iov, niov, flags);
    g_free(scratch);
    return n;
}

/*
 * A transfer through the page cache that takes longer than waking a worker for it.  Writes one at a time: the file system
 * allows no more, and waiting for its lock would spin on another core.
 */
typedef struct LargeTransfer {
    FileState *s;
    AioOp op;
    int64_t offset, bytes;
    const struct iovec *iov;
    int niov;
    unsigned flags;
    int64_t result;
} LargeTransfer;

/*
 * Blocks for a range that lies in a hole or past the end: unless they are there, ext4 does half of its work for a
 * cached write block by block.  When this fails the write tells what is wrong, or does without.
 */
static void reserve_blocks(const LargeTransfer *t)
{
    int64_t data = lseek(t->s->fd, t->offset, SEEK_DATA);

    if ((data < 0 && errno == ENXIO) || data >= t->offset + t->bytes) {
        fallocate(t->s->fd, 0, t->offset, t->bytes);
    }
}

static int large_transfer(void *arg)
{
    LargeTransfer *t = arg;

    if (t->op == AIO_OP_WRITE && t->s->reserves) {
        reserve_blocks(t);
    }
    t->result = aio_sync_rw(t->s->fd, t->op, t->offset, t->iov, t->niov, t->flags);
    return 0;
}

/* Is this transfer worth a worker?  Engines other than threads, and the disk without a cache, wait elsewhere anyway. */
static bool wants_worker(const FileState *s, int64_t bytes, int64_t more_than)
{
    return bytes > more_than && s->engine == AIO_ENGINE_THREADS && !(s->open_flags & O_DIRECT) && !s->device;
}

/* Bytes moved, perhaps not all, or a negative errno. */
static int64_t coroutine_fn transfer_by_worker(FileState *s, AioOp op, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo,
                                               unsigned flags)
{
    LargeTransfer t = { .s = s, .op = op, .offset = offset, .bytes = bytes, .flags = flags };
    g_autofree struct iovec *scratch = NULL;
    struct iovec *iov;

    iov_slice(qiov, qo, bytes, &iov, &t.niov, &scratch);
    t.iov = iov;
    thread_pool_co_run_queued(op == AIO_OP_WRITE ? &s->large_writes : &s->reads_ahead, large_transfer, &t);
    return t.result;
}

int coroutine_fn file_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo,
                              BdrvRequestFlags f)
{
    FileState *s = bs->opaque;
    int64_t n = 0, rest;

    if (f & BDRV_REQ_READ_AHEAD && wants_worker(s, bytes, READ_AHEAD_MIN)) {
        n = transfer_by_worker(s, AIO_OP_READ, offset, bytes, qiov, qo, 0);
    }
    if (n >= 0 && n < bytes) {
        rest = file_transfer(s, AIO_OP_READ, offset + n, bytes - n, qiov, qo + n, 0);
        n = rest < 0 ? rest : n + rest;
    }
    if (n >= 0 && n < bytes) {
        iov_fill(qiov, qo + n, 0, bytes - n);      /* past the end of the file */
    }
    return n < 0 ? (int)n : 0;
}

static int coroutine_fn write_all(FileState *s, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo, unsigned flags)
{
    int64_t n = 0, rest;

    if (wants_worker(s, bytes, LARGE_WRITE)) {
        n = transfer_by_worker(s, AIO_OP_WRITE, offset, bytes, qiov, qo, flags);
    }
    if (n >= 0 && n < bytes) {
        rest = file_transfer(s, AIO_OP_WRITE, offset + n, bytes - n, qiov, qo + n, flags);
        n = rest < 0 ? rest : n + rest;
    }
    return n < 0 ? (int)n : n < bytes ? -ENOSPC : 0;
}

int coroutine_fn file_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo,
                               BdrvRequestFlags f)
{
    FileState *s = bs->opaque;
    bool fua = f & BDRV_REQ_FUA;
    int lost = fua ? __atomic_load_n(&s->lost, __ATOMIC_RELAXED) : 0;
    int ret = lost ? -lost : write_all(s, offset, bytes, qiov, qo, fua ? AIO_REQ_FUA : 0);

    /* Was it the write, or what a flush tells (perhaps of other data)?  That it does once. */
    if (ret < 0 && !lost && fua && !(s->open_flags & O_DIRECT) && write_all(s, offset, bytes, qiov, qo, 0) == 0) {
        file_note_flush(s, ret);
    }
    return ret;
}

typedef enum FileOp { FILE_PUNCH, FILE_ZERO, FILE_DISCARD } FileOp;

typedef struct FileJob {
    FileState *s;
    FileOp op;
    int64_t offset, bytes;
} FileJob;

static bool unsupported(int err)
{
    return err == -EOPNOTSUPP || err == -ENOTSUP || err == -ENOSYS || err == -ENOTTY || err == -ENODEV || err == -EINVAL;
}

static int fallocate_retry(int fd, int mode, int64_t offset, int64_t bytes)
{
    int ret;

    do {
        ret = fallocate(fd, mode, offset, bytes);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : 0;
}

/* A hole; the file reaches at least to its end afterwards. */
static int punch(FileState *s, int64_t offset, int64_t bytes, bool grow)
{
    int ret = -ENOTSUP;

    if (!__atomic_load_n(&s->no_punch, __ATOMIC_RELAXED)) {
        ret = fallocate_retry(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes);
        if (ret < 0 && unsupported(ret)) {
            __atomic_store_n(&s->no_punch, 1, __ATOMIC_RELAXED);
            ret = -ENOTSUP;
        }
    }
    if (ret == 0 && grow && !s->device) {
        int64_t length = file_length_fd(s->fd);

        if (length >= 0 && length < offset + bytes) {
            ret = file_set_length(s->fd, offset + bytes);
        }
    }
    return ret;
}

static int zero_range(FileState *s, int64_t offset, int64_t bytes)
{
    int ret = -ENOTSUP;

    if (!__atomic_load_n(&s->no_zero_range, __ATOMIC_RELAXED)) {
        if (s->device) {
            uint64_t range[2] = { offset, bytes };

            ret = ioctl(s->fd, BLKZEROOUT, range) < 0 ? -errno : 0;
        } else {
            ret = fallocate_retry(s->fd, FALLOC_FL_ZERO_RANGE, offset, bytes);
        }
        if (ret < 0 && unsupported(ret)) {
            __atomic_store_n(&s->no_zero_range, 1, __ATOMIC_RELAXED);
            ret = -ENOTSUP;
        }
    }
    if (ret == -ENOTSUP && !s->device) {
        /* A hole that is then allocated reads as zeroes too. */
        ret = punch(s, offset, bytes, false);
        if (ret == 0) {
            ret = fallocate_retry(s->fd, 0, offset, bytes);
            ret = ret < 0 && unsupported(ret) ? -ENOTSUP : ret;
        }
    }
    return ret;
}

static int file_job(void *arg)
{
    FileJob *j = arg;
    int ret;

    switch (j->op) {
    case FILE_DISCARD:
        if (j->s->device) {
            uint64_t range[2] = { j->offset, j->bytes };

            ret = ioctl(j->s->fd, BLKDISCARD, range) < 0 ? -errno : 0;
            return ret < 0 && unsupported(ret) ? -ENOTSUP : ret;
        }
        return punch(j->s, j->offset, j->bytes, false);
    case FILE_PUNCH:
        ret = punch(j->s, j->offset, j->bytes, true);
        return ret == -ENOTSUP ? zero_range(j->s, j->offset, j->bytes) : ret;
    default:
        return zero_range(j->s, j->offset, j->bytes);
    }
}

/*
 * The last extent of data that was found.  To find its end again for each part of it costs a walk over its pages (tmpfs) or
 * blocks.  Taking a hole for data is never wrong, only slow, so threads and other processes need no order with this.
 */
static void remember_data(FileState *s, int64_t start, int64_t end)
{
    __atomic_store_n(&s->data_start, start, __ATOMIC_RELAXED);
    __atomic_store_n(&s->data_end, end, __ATOMIC_RELAXED);
}

void file_forget_data(FileState *s)
{
    remember_data(s, 0, 0);
}

/* Bytes from offset on that are known to be data, or 0. */
static int64_t known_data(const FileState *s, int64_t offset)
{
    int64_t start = __atomic_load_n(&s->data_start, __ATOMIC_RELAXED), end = __atomic_load_n(&s->data_end, __ATOMIC_RELAXED);

    return offset >= start && offset < end ? end - offset : 0;
}

int coroutine_fn file_co_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    FileState *s = bs->opaque;
    FileJob j = { s, (flags & BDRV_REQ_MAY_UNMAP) && !s->device ? FILE_PUNCH : FILE_ZERO, offset, bytes };
    int ret = thread_pool_co_run(file_job, &j);

    file_forget_data(s);
    return ret;
}

int coroutine_fn file_co_discard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    FileState *s = bs->opaque;
    FileJob j = { s, FILE_DISCARD, offset, bytes };
    int ret = thread_pool_co_run(file_job, &j);

    file_forget_data(s);
    if (ret < 0) {
        __atomic_add_fetch(&s->discards_failed, 1, __ATOMIC_RELAXED);
    } else {
        __atomic_add_fetch(&s->discards_ok, 1, __ATOMIC_RELAXED);
        __atomic_add_fetch(&s->discarded_bytes, bytes, __ATOMIC_RELAXED);
    }
    return ret;
}

QObject *file_get_specific_stats(BlockDriverState *bs)
{
    FileState *s = bs->opaque;
    QDict *d = qdict_new();

    qdict_put_str(d, "driver", bs->drv->name);
    qdict_put_uint(d, "discard-nb-ok", __atomic_load_n(&s->discards_ok, __ATOMIC_RELAXED));
    qdict_put_uint(d, "discard-nb-failed", __atomic_load_n(&s->discards_failed, __ATOMIC_RELAXED));
    qdict_put_uint(d, "discard-bytes-ok", __atomic_load_n(&s->discarded_bytes, __ATOMIC_RELAXED));
    return d;
}

static int flush_job(void *opaque)
{
    return file_flush_after_writeback(opaque);
}

int file_note_flush(FileState *s, int ret)
{
    if (ret < 0 && !(s->open_flags & O_DIRECT)) {
        __atomic_store_n(&s->lost, -ret, __ATOMIC_RELAXED);
    }
    return ret;
}

int coroutine_fn file_co_flush(BlockDriverState *bs)
{
    FileState *s = bs->opaque;
    int lost = __atomic_load_n(&s->lost, __ATOMIC_RELAXED);

    if (lost) {
        return -lost;
    }
    return file_note_flush(s, s->writeback ? thread_pool_co_run(flush_job, s)
                                           : aio_engine_co_rw(s->engine, s->fd, AIO_OP_FDATASYNC, 0, NULL, 0, 0));
}

typedef struct CopyJob {
    int in, out;
    int64_t in_offset, out_offset, bytes;
} CopyJob;

static int copy_job(void *arg)
{
    CopyJob *j = arg;
    off_t in = j->in_offset, out = j->out_offset;

    while (j->bytes > 0) {
        ssize_t n = copy_file_range(j->in, &in, j->out, &out, j->bytes, 0);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno == ENOSYS || errno == EXDEV || errno == EOPNOTSUPP ? -ENOTSUP : -errno;
        }
        if (n == 0) {
            return -ENOTSUP;       /* past the source's end, or a file system that will not: the caller copies by hand */
        }
        j->bytes -= n;
    }
    return 0;
}

int coroutine_fn file_co_copy_range(BlockDriverState *dst, int64_t dst_offset, BdrvChild *src, int64_t src_offset,
                                    int64_t bytes, BdrvRequestFlags rf, BdrvRequestFlags wf)
{
    FileState *d = dst->opaque;
    CopyJob j = { .out = d->fd, .in_offset = src_offset, .out_offset = dst_offset, .bytes = bytes };

    if (src->bs->drv != dst->drv) {
        return -ENOTSUP;
    }
    j.in = ((FileState *)src->bs->opaque)->fd;
    int ret = thread_pool_co_run(copy_job, &j);
    file_forget_data(d);
    return ret;
}

int coroutine_fn file_co_block_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                                      int64_t *pnum, int64_t *map, BlockDriverState **file)
{
    FileState *s = bs->opaque;
    int64_t data, hole;
    int ret = BDRV_BLOCK_OFFSET_VALID;

    *pnum = bytes;
    *map = offset;
    *file = bs;
    if (!want_zero || s->device) {
        return ret | BDRV_BLOCK_DATA;
    }
    int64_t known = known_data(s, offset);
    if (known) {
        *pnum = MIN(bytes, known);
        return ret | BDRV_BLOCK_DATA;
    }
    data = lseek(s->fd, offset, SEEK_DATA);
    if (data < 0 && errno == ENXIO) {
        return ret | BDRV_BLOCK_ZERO;              /* nothing but a hole up to the end */
    }
    if (data < 0) {
        return ret | BDRV_BLOCK_DATA;
    }
    /* Answers are whole blocks of the node: what is partly data is data (the last block of an odd file). */
    data = ALIGN_DOWN(data, (int64_t)s->align);
    if (data > offset) {
        *pnum = MIN(bytes, data - offset);
        return ret | BDRV_BLOCK_ZERO;
    }
    hole = lseek(s->fd, offset, SEEK_HOLE);
    if (hole > offset) {
        hole = ALIGN_UP(hole, (int64_t)s->align);
        remember_data(s, offset, hole);
        *pnum = MIN(bytes, hole - offset);
    }
    return ret | BDRV_BLOCK_DATA;
}
