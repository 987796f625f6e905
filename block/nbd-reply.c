/*
 * Answers of an NBD server: simple replies and chunks of structured ones, into the request they belong to.
 *
 * Whatever does not fit the request (range, type, order) breaks the connection: nothing that follows could be trusted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "nbd-client.h"

#define MAX_STATUS_PAYLOAD 1000            /* one extent is asked for */
#define MAX_ERROR_PAYLOAD (64 * 1024)
#define MAX_ERRORS 65536                   /* for one request: one a sector of the longest read */

typedef struct Chunk {
    uint16_t flags, type;
    uint32_t len;
} Chunk;

static int coroutine_fn skip(NbdLink *n, uint32_t len)
{
    uint8_t waste[4096];

    while (len) {
        uint32_t part = len < sizeof(waste) ? len : sizeof(waste);
        int ret = io_channel_read_all(n->channel, waste, part, NULL);

        if (ret < 0) {
            return ret;
        }
        len -= part;
    }
    return 0;
}

/* Is this a part of what was asked for, which has not come yet? */
static bool may_come(NbdPending *p, uint64_t from, uint64_t len)
{
    return p->request.type == NBD_CMD_READ && from >= p->request.from && len <= p->request.len &&
           from - p->request.from <= p->request.len - len && nbd_came_add(&p->came, p->request.len, from - p->request.from, len);
}

/* len bytes of data for offset `from` of the disk. */
static int coroutine_fn take_data(NbdLink *n, NbdPending *p, uint64_t from, uint64_t len)
{
    struct iovec *iov, *scratch = NULL;
    int niov, ret;

    if (!may_come(p, from, len)) {
        return -EINVAL;
    }
    iov_slice(p->qiov, p->qiov_offset + (from - p->request.from), len, &iov, &niov, &scratch);
    ret = io_channel_readv_all(n->channel, iov, niov, NULL);
    g_free(scratch);
    return ret;
}

static int coroutine_fn chunk_data(NbdLink *n, NbdPending *p, const Chunk *c)
{
    uint8_t offset[8];
    int ret = c->len <= 8 ? -EINVAL : io_channel_read_all(n->channel, offset, sizeof(offset), NULL);

    return ret < 0 ? ret : take_data(n, p, nbd_get64(offset), c->len - 8);
}

static int coroutine_fn chunk_hole(NbdLink *n, NbdPending *p, const Chunk *c)
{
    uint8_t hole[12];
    int ret = c->len != sizeof(hole) ? -EINVAL : io_channel_read_all(n->channel, hole, sizeof(hole), NULL);
    uint64_t from;
    uint32_t len;

    if (ret < 0) {
        return ret;
    }
    from = nbd_get64(hole);
    len = nbd_get32(hole + 8);
    if (!len || !may_come(p, from, len)) {
        return -EINVAL;
    }
    iov_fill(p->qiov, p->qiov_offset + (from - p->request.from), 0, len);
    return 0;
}

/* The first extent is what was asked for; a server may send more. */
static int coroutine_fn chunk_status(NbdLink *n, NbdPending *p, const Chunk *c)
{
    uint8_t head[12];
    int ret;

    if (p->request.type != NBD_CMD_BLOCK_STATUS || c->len < sizeof(head) || (c->len - 4) % 8 || c->len > MAX_STATUS_PAYLOAD) {
        return -EINVAL;
    }
    ret = io_channel_read_all(n->channel, head, sizeof(head), NULL);
    if (ret == 0) {
        ret = skip(n, c->len - sizeof(head));
    }
    if (ret < 0) {
        return ret;
    }
    if (nbd_get32(head) != n->context_id || p->extent->length) {
        return -EINVAL;
    }
    p->extent->length = nbd_get32(head + 4);
    p->extent->flags = nbd_get32(head + 8);
    return p->extent->length ? 0 : -EINVAL;
}

static int coroutine_fn chunk_error(NbdLink *n, NbdPending *p, const Chunk *c)
{
    uint8_t head[6];
    bool too_much = c->len < sizeof(head) || c->len > MAX_ERROR_PAYLOAD || ++p->errors > MAX_ERRORS;
    int ret = too_much ? -EINVAL : io_channel_read_all(n->channel, head, sizeof(head), NULL);

    if (ret == 0 && (!nbd_get32(head) || nbd_get16(head + 4) > c->len - sizeof(head))) {
        return -EINVAL;                /* an error that is none, or whose text is longer than all of it */
    }
    if (ret == 0) {
        ret = skip(n, c->len - sizeof(head));
    }
    if (ret == 0 && p->ret == 0) {
        p->ret = -nbd_error_to_errno(nbd_get32(head));
    }
    return ret;
}

static int coroutine_fn take_chunk(NbdLink *n, NbdPending *p, const Chunk *c)
{
    switch (c->type) {
    case NBD_CHUNK_NONE:
        return c->len || !(c->flags & NBD_REPLY_FLAG_DONE) ? -EINVAL : 0;
    case NBD_CHUNK_OFFSET_DATA:
        return chunk_data(n, p, c);
    case NBD_CHUNK_OFFSET_HOLE:
        return chunk_hole(n, p, c);
    case NBD_CHUNK_BLOCK_STATUS:
        return chunk_status(n, p, c);
    default:
        return c->type & 0x8000 ? chunk_error(n, p, c) : -EINVAL;
    }
}

static int coroutine_fn structured(NbdLink *n, const uint8_t head[NBD_SIMPLE_REPLY_BYTES])
{
    uint8_t len[4];
    Chunk c = { .flags = nbd_get16(head + 4), .type = nbd_get16(head + 6) };
    NbdPending *p = nbd_link_find(n, nbd_get64(head + 8));
    int ret = p && n->structured ? io_channel_read_all(n->channel, len, sizeof(len), NULL) : -EINVAL;

    if (ret == 0) {
        c.len = nbd_get32(len);
        ret = take_chunk(n, p, &c);
    }
    if (ret == 0 && (c.flags & NBD_REPLY_FLAG_DONE)) {
        bool short_read = p->request.type == NBD_CMD_READ && p->came.bytes < p->request.len;
        bool no_status = p->request.type == NBD_CMD_BLOCK_STATUS && !p->extent->length;

        p->ret = p->ret == 0 && (short_read || no_status) ? -EIO : p->ret;
        nbd_link_done(n, p);
    }
    if (ret == -EINVAL && p && n->structured) {
        p->wrong = true;
    }
    return ret;
}

static int coroutine_fn simple(NbdLink *n, const uint8_t head[NBD_SIMPLE_REPLY_BYTES])
{
    uint32_t error = nbd_get32(head + 4);
    NbdPending *p = nbd_link_find(n, nbd_get64(head + 8));
    int ret = 0;

    if (!p) {
        return -EINVAL;
    }
    if (p->request.type == NBD_CMD_BLOCK_STATUS || (p->request.type == NBD_CMD_READ && n->structured)) {
        p->wrong = true;
        return -EINVAL;
    }
    if (error) {
        p->ret = -nbd_error_to_errno(error);
    } else if (p->request.type == NBD_CMD_READ) {
        ret = take_data(n, p, p->request.from, p->request.len);
    }
    if (ret == 0) {
        nbd_link_done(n, p);
    }
    return ret;
}

int coroutine_fn nbd_link_read_answer(NbdLink *n)
{
    uint8_t head[NBD_SIMPLE_REPLY_BYTES];
    int ret = io_channel_read_all(n->channel, head, sizeof(head), NULL);

    if (ret < 0) {
        return ret;
    }
    switch (nbd_get32(head)) {
    case NBD_SIMPLE_REPLY_MAGIC:
        return simple(n, head);
    case NBD_STRUCTURED_REPLY_MAGIC:
        return structured(n, head);
    default:
        return -EINVAL;
    }
}
