/*
 * Requests that are not aligned: the widened range, buffers for its edges, and the vector that joins them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "io.h"
#include "util/cutils.h"

int pad_init(Padding *p, BlockDriverState *bs, int64_t offset, int64_t bytes, const IoVec *qiov, size_t qiov_offset)
{
    int64_t align = bs->bl.request_alignment;

    *p = (Padding) { .align = align };
    p->head = offset % align;
    p->tail = ALIGN_UP(offset + bytes, align) - (offset + bytes);
    p->offset = offset - p->head;
    p->bytes = p->head + bytes + p->tail;
    p->single = p->bytes == align;
    p->buf_len = p->single ? align : 2 * align;
    p->buf = bdrv_blockalign(bs, p->buf_len);
    if (!p->buf) {
        return -ENOMEM;
    }
    iov_init(&p->qiov, (qiov ? qiov->niov : 0) + 2);
    if (p->head) {
        iov_add(&p->qiov, p->buf, p->head);
    }
    if (qiov) {
        iov_concat(&p->qiov, qiov, qiov_offset, bytes);
    }
    if (p->tail) {
        iov_add(&p->qiov, p->buf + p->buf_len - p->tail, p->tail);
    }
    return 0;
}

void pad_destroy(Padding *p)
{
    if (p->buf) {
        iov_destroy(&p->qiov);
        bdrv_memfree(p->buf);
        p->buf = NULL;
    }
}

static int coroutine_fn read_block(Padding *p, BlockDriverState *bs, int64_t offset, uint8_t *buf)
{
    IoVec v;

    iov_init_buf(&v, buf, p->align);
    return read_to_end(bs, offset, p->align, &v, 0, 0);
}

int coroutine_fn pad_read_edges(Padding *p, BlockDriverState *bs)
{
    int ret;

    if (p->head || p->single) {
        bdrv_debug_event(bs, "pwritev_rmw_head");
        ret = read_block(p, bs, p->offset, p->buf);
        if (ret < 0) {
            return ret;
        }
        bdrv_debug_event(bs, "pwritev_rmw_after_head");
    }
    if (p->tail && !p->single) {
        bdrv_debug_event(bs, "pwritev_rmw_tail");
        ret = read_block(p, bs, p->offset + p->bytes - p->align, p->buf + p->align);
        if (ret < 0) {
            return ret;
        }
        bdrv_debug_event(bs, "pwritev_rmw_after_tail");
    }
    return 0;
}
