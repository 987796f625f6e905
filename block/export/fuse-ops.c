/*
 * What programs do with the file of a fuse export.  Each function runs in a coroutine and answers the kernel's request.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <linux/falloc.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "block/driver.h"
#include "fuse-int.h"
#include "util/cutils.h"

#define MAX_ZERO_BYTES ((int64_t)(BDRV_MAX_REQUEST & ~(1024 * 1024 - 1)))

static FuseExport *export_of(fuse_req_t req) { return fuse_req_userdata(req); }

static void op_init(void *opaque, struct fuse_conn_info *conn)
{
    /* Data come in our own buffers, not through pipes. */
    conn->want &= ~(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
    conn->max_read = FUSE_EXPORT_MAX_READ;
}

/* There is nothing below the file. */
static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name) { fuse_reply_err(req, ENOENT); }

/* --- attributes ---------------------------------------------------------------------------------- */

static void coroutine_fn op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    FuseExport *e = export_of(req);
    BlockDriverState *bs = blk_bs(e->common.blk);
    int64_t length = blk_getlength(e->common.blk), allocated = bs ? bdrv_get_allocated_size(bs) : -1;
    time_t now = time(NULL);

    if (length < 0) {
        fuse_reply_err(req, -length);
        return;
    }
    fuse_reply_attr(req, &(struct stat) {
        .st_ino = 1, .st_mode = e->mode, .st_nlink = 1, .st_uid = e->uid, .st_gid = e->gid, .st_size = length,
        .st_blksize = blk_get_request_alignment(e->common.blk),
        .st_blocks = allocated < 0 ? DIV_UP(length, 512) : DIV_UP(allocated, 512),
        .st_atime = now, .st_mtime = now, .st_ctime = now }, 1.0);
}

int fuse_export_set_resize(FuseExport *e, bool on, Error **errp)
{
    uint64_t perm = BLK_PERM_CONSISTENT_READ | (e->common.writable ? BLK_PERM_WRITE : 0) | (on ? BLK_PERM_RESIZE : 0);

    return blk_set_perm(e->common.blk, perm, BLK_PERM_ALL, errp);
}

/* Without growable=on the right to resize is taken for a moment only: others may need a fixed size meanwhile. */
static int coroutine_fn resize(FuseExport *e, int64_t size, PreallocMode prealloc)
{
    int ret;

    if (e->growable) {
        return blk_truncate(e->common.blk, size, true, prealloc, BDRV_REQ_ZERO_WRITE, NULL);
    }
    aio_co_reschedule_self(aio_main_context());
    ret = fuse_export_set_resize(e, true, NULL);
    if (ret == 0) {
        ret = blk_truncate(e->common.blk, size, true, prealloc, BDRV_REQ_ZERO_WRITE, NULL);
        fuse_export_set_resize(e, false, NULL);
    }
    aio_co_reschedule_self(e->common.ctx);
    return ret;
}

/* The errno for a new mode; 0: it is taken. */
static int set_mode(FuseExport *e, mode_t mode)
{
    if (!e->common.writable && (mode & (S_IWUSR | S_IWGRP | S_IWOTH))) {
        return EROFS;
    }
    if (!e->allow_other && (mode & (S_IRWXG | S_IRWXO))) {
        return EPERM;
    }
    e->mode = (mode & 07777) | S_IFREG;
    return 0;
}

static void coroutine_fn op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int which, struct fuse_file_info *fi)
{
    FuseExport *e = export_of(req);
    int known = FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_MODE | (e->allow_other ? FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID : 0), err = 0;

    if (which & ~known) {
        err = ENOTSUP;
    }
    if (!err && (which & FUSE_SET_ATTR_MODE)) {
        err = set_mode(e, st->st_mode);
    }
    if (!err && (which & FUSE_SET_ATTR_SIZE)) {
        err = e->common.writable ? -resize(e, st->st_size, PREALLOC_OFF) : EACCES;
    }
    if (err) {
        fuse_reply_err(req, err);
        return;
    }
    e->uid = which & FUSE_SET_ATTR_UID ? st->st_uid : e->uid;
    e->gid = which & FUSE_SET_ATTR_GID ? st->st_gid : e->gid;
    op_getattr(req, ino, fi);
}

/* --- content -------------------------------------------------------------------------------------- */

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) { fuse_reply_open(req, fi); }

static void coroutine_fn op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
    FuseExport *e = export_of(req);
    int64_t length = blk_getlength(e->common.blk);
    void *buf;
    int ret;

    if (length < 0 || offset < 0 || size > BDRV_MAX_REQUEST) {
        fuse_reply_err(req, length < 0 ? -length : EINVAL);
        return;
    }
    size = offset >= length ? 0 : MIN((int64_t)size, length - offset);
    buf = blk_blockalign(e->common.blk, size);
    ret = !buf ? -ENOMEM : size ? blk_pread(e->common.blk, offset, size, buf, 0) : 0;
    if (ret < 0) {
        fuse_reply_err(req, -ret);
    } else {
        fuse_reply_buf(req, buf, size);
    }
    free(buf);
}

static void coroutine_fn op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t offset, struct fuse_file_info *fi)
{
    FuseExport *e = export_of(req);
    int64_t length = blk_getlength(e->common.blk);
    int ret = 0;

    if (!e->common.writable || length < 0 || offset < 0 || size > BDRV_MAX_REQUEST) {
        fuse_reply_err(req, !e->common.writable ? EACCES : length < 0 ? -length : EINVAL);
        return;
    }
    if (offset + (int64_t)size > length && e->growable) {
        ret = resize(e, offset + size, PREALLOC_OFF);
    } else if (offset + (int64_t)size > length) {
        size = offset >= length ? 0 : length - offset;
        ret = size ? 0 : -EIO;
    }
    ret = ret < 0 ? ret : blk_pwrite(e->common.blk, offset, size, buf, 0);
    if (ret < 0) {
        fuse_reply_err(req, -ret);
    } else {
        fuse_reply_write(req, size);
    }
}

static void coroutine_fn op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    fuse_reply_err(req, -blk_flush(export_of(req)->common.blk));
}

static void coroutine_fn op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) { op_fsync(req, ino, 1, fi); }

/* --- allocation -------------------------------------------------------------------------------------- */

static int coroutine_fn zero_range(FuseExport *e, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    int ret = 0;

    for (int64_t n; bytes > 0 && ret >= 0; offset += n, bytes -= n) {
        n = MIN(bytes, MAX_ZERO_BYTES);
        ret = blk_pwrite_zeroes(e->common.blk, offset, n, flags);
    }
    return ret;
}

/* Blocks are allocated at the end only, where a resize does it. */
static int coroutine_fn allocate(FuseExport *e, int64_t offset, int64_t bytes, int64_t length)
{
    int ret = 0;

    if (offset < length) {
        return -ENOTSUP;
    }
    if (offset > length) {
        ret = resize(e, offset, PREALLOC_OFF);
    }
    return ret < 0 ? ret : resize(e, offset + bytes, PREALLOC_FALLOC);
}

static int coroutine_fn change_allocation(FuseExport *e, int mode, int64_t offset, int64_t bytes)
{
    int64_t length = blk_getlength(e->common.blk);
    bool keep_size = mode & FALLOC_FL_KEEP_SIZE;

    if (!e->common.writable) {
        return -EACCES;
    }
    if (length < 0 || offset < 0 || bytes < 0 || offset > INT64_MAX - bytes) {
        return length < 0 ? length : -EINVAL;
    }
    if (keep_size) {
        bytes = MIN(bytes, length - offset);
    }
    if (bytes < 0) {
        return mode == FALLOC_FL_KEEP_SIZE ? -ENOTSUP : -EIO;
    }
    if (!mode) {
        return allocate(e, offset, bytes, length);
    }
    if (mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)) {
        return zero_range(e, offset, bytes, BDRV_REQ_MAY_UNMAP);
    }
    if ((mode & ~FALLOC_FL_KEEP_SIZE) == FALLOC_FL_ZERO_RANGE) {
        int ret = offset + bytes > length ? resize(e, offset + bytes, PREALLOC_OFF) : 0;

        return ret < 0 ? ret : zero_range(e, offset, bytes, 0);
    }
    return mode & FALLOC_FL_PUNCH_HOLE ? -EINVAL : -ENOTSUP;
}

static void coroutine_fn op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t bytes, struct fuse_file_info *fi)
{
    int ret = change_allocation(export_of(req), mode, offset, bytes);

    fuse_reply_err(req, ret < 0 ? -ret : 0);
}

/* The next place at or behind offset that is data (or not); the file's end counts as a hole. -errno. */
static int64_t coroutine_fn find(FuseExport *e, int64_t offset, bool data)
{
    int64_t length = blk_getlength(e->common.blk), n;

    if (length < 0 || offset < 0 || offset >= length) {
        return length < 0 ? length : -ENXIO;
    }
    while (offset < length) {
        int ret = bdrv_block_status_above(blk_bs(e->common.blk), NULL, offset, length - offset, &n, NULL, NULL, NULL);

        if (ret < 0 || !n) {
            return ret < 0 ? ret : -EIO;
        }
        if (!!(ret & BDRV_BLOCK_DATA) == data) {
            return offset;
        }
        offset += n;
    }
    return data ? -ENXIO : length;
}

static void coroutine_fn op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *fi)
{
    int64_t at = whence == SEEK_DATA || whence == SEEK_HOLE ? find(export_of(req), offset, whence == SEEK_DATA) : -EINVAL;

    if (at < 0) {
        fuse_reply_err(req, -at);
    } else {
        fuse_reply_lseek(req, at);
    }
}

const struct fuse_lowlevel_ops fuse_export_ops = {
    .init = op_init, .lookup = op_lookup, .getattr = op_getattr, .setattr = op_setattr, .open = op_open, .read = op_read,
    .write = op_write, .fallocate = op_fallocate, .flush = op_flush, .fsync = op_fsync, .lseek = op_lseek,
};
