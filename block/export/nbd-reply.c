/*
 * Doing what an NBD client asks: reads, writes, zeroes, trims, flushes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "nbd-export.h"

static int fail(int ret, Error **errp, const char *what)
{
    if (ret < 0) {
        error_setg(errp, "%s", what);           /* the number goes beside it */
    }
    return ret;
}

static int coroutine_fn read_plain(NbdWork *w, Error **errp)
{
    return fail(blk_pread(w->exp->common.blk, w->req.from, w->req.len, w->data, 0), errp, "reading from file failed");
}

static int coroutine_fn send_hole(NbdWork *w, uint64_t from, uint32_t len, bool last)
{
    uint8_t body[12];
    struct iovec iov = { body, sizeof(body) };

    nbd_put64(body, from);
    nbd_put32(body + 8, len);
    return nbd_send_chunk(w, last ? NBD_REPLY_FLAG_DONE : 0, NBD_CHUNK_OFFSET_HOLE, &iov, 1);
}

static int coroutine_fn send_data(NbdWork *w, uint64_t from, uint32_t len, bool last)
{
    uint8_t place[8];
    struct iovec iov[2] = { { place, sizeof(place) }, { w->data + (from - w->req.from), len } };

    nbd_put64(place, from);
    return nbd_send_chunk(w, last ? NBD_REPLY_FLAG_DONE : 0, NBD_CHUNK_OFFSET_DATA, iov, 2);
}

/*
 * In pieces: what is known to be zero goes as a hole.  An error after the first piece is sent by the caller as
 * an error chunk, which the protocol allows at any point.
 */
static int coroutine_fn read_sparse(NbdWork *w, bool *replied, Error **errp)
{
    BlockBackend *blk = w->exp->common.blk;
    uint64_t at = w->req.from, end = at + w->req.len;

    while (at < end) {
        int64_t n, map;
        int status = bdrv_block_status_above(blk_bs(blk), NULL, at, end - at, &n, &map, NULL, NULL);
        bool last = at + n == end;

        if (status < 0) {
            error_setg_errno(errp, -status, "unable to check for holes");
            return status;
        }
        if (!(status & BDRV_BLOCK_ZERO)) {
            int ret = blk_pread(blk, at, n, w->data + (at - w->req.from), 0);

            if (ret < 0) {
                return fail(ret, errp, "reading from file failed");
            }
        }
        if ((status & BDRV_BLOCK_ZERO ? send_hole(w, at, n, last) : send_data(w, at, n, last)) < 0) {
            *replied = true;                  /* nobody there to tell */
            return -EPIPE;
        }
        at += n;
    }
    *replied = true;
    return 0;
}

static int coroutine_fn do_read(NbdWork *w, bool *replied, Error **errp)
{
    int ret;

    if (w->req.flags & NBD_CMD_FLAG_FUA) {
        ret = blk_flush(w->exp->common.blk);
        if (ret < 0) {
            return fail(ret, errp, "flush failed");
        }
    }
    if (!w->structured || !w->req.len) {
        return read_plain(w, errp);
    }
    if (!(w->req.flags & NBD_CMD_FLAG_DF)) {
        return read_sparse(w, replied, errp);
    }
    ret = read_plain(w, errp);
    if (ret == 0) {
        *replied = true;
        send_data(w, w->req.from, w->req.len, true);
    }
    return ret;
}

static int coroutine_fn do_zeroes(NbdWork *w)
{
    BdrvRequestFlags flags = (w->req.flags & NBD_CMD_FLAG_FUA ? BDRV_REQ_FUA : 0) |
                             (w->req.flags & NBD_CMD_FLAG_NO_HOLE ? 0 : BDRV_REQ_MAY_UNMAP) |
                             (w->req.flags & NBD_CMD_FLAG_FAST_ZERO ? BDRV_REQ_NO_FALLBACK : 0);

    return blk_pwrite_zeroes(w->exp->common.blk, w->req.from, w->req.len, flags);
}

static int coroutine_fn do_trim(NbdWork *w)
{
    BlockBackend *blk = w->exp->common.blk;
    int ret = blk_pdiscard(blk, w->req.from, w->req.len);

    return ret == 0 && (w->req.flags & NBD_CMD_FLAG_FUA) ? blk_flush(blk) : ret;
}

int coroutine_fn nbd_do_request(NbdWork *w, bool *replied, Error **errp)
{
    BlockBackend *blk = w->exp->common.blk;
    BdrvRequestFlags fua = w->req.flags & NBD_CMD_FLAG_FUA ? BDRV_REQ_FUA : 0;

    switch (w->req.type) {
    case NBD_CMD_READ:
        return do_read(w, replied, errp);
    case NBD_CMD_WRITE:
        return fail(blk_pwrite(blk, w->req.from, w->req.len, w->data, fua), errp, "writing to file failed");
    case NBD_CMD_WRITE_ZEROES:
        return fail(do_zeroes(w), errp, "writing to file failed");
    case NBD_CMD_FLUSH:
        return fail(blk_flush(blk), errp, "flush failed");
    case NBD_CMD_TRIM:
        return fail(do_trim(w), errp, "discard failed");
    case NBD_CMD_CACHE:
        return fail(blk_preadv(blk, w->req.from, w->req.len, NULL, BDRV_REQ_COPY_ON_READ | BDRV_REQ_PREFETCH), errp,
                    "caching data failed");
    case NBD_CMD_BLOCK_STATUS:
        return nbd_do_block_status(w, replied, errp);
    default:
        error_setg(errp, "invalid request type (%u) received", w->req.type);
        return -EINVAL;
    }
}
