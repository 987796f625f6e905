/*
 * virtio-blk requests for exports: no error policy, no machine that could stop, one status each.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "util/aio.h"
#include "util/cutils.h"
#include "virtio-blk-serve.h"

#define MAX_SECTORS 32768              /* of one discard or zero request */
#define TURN 4096                      /* requests until the thread looks at something else: a driver may add faster than they are served */

typedef struct Request {
    VirtElement elem;
    VirtioBlkIo io;
    VirtioBlkServer *s;
} Request;

bool virtio_blk_serve_check_logical(const char *id, uint64_t size, Error **errp)
{
    if (size < 512 || size > 2 * MiB) {
        error_setg(errp, "Property %s.logical-block-size doesn't take value %" PRIu64 " (minimum: 512, maximum: 2097152)", id, size);
        return false;
    }
    if (!IS_POW2(size)) {
        error_setg(errp, "Property %s.logical-block-size doesn't take value '%" PRIu64 "', it's not a power of 2", id, size);
        return false;
    }
    return true;
}

/* --- what the device is ---------------------------------------------------------------- */

uint64_t virtio_blk_serve_features(const VirtioBlkServer *s)
{
    uint64_t f = 1u << VIRTIO_BLK_F_SIZE_MAX | 1u << VIRTIO_BLK_F_SEG_MAX | 1u << VIRTIO_BLK_F_BLK_SIZE | 1u << VIRTIO_BLK_F_FLUSH
        | 1u << VIRTIO_BLK_F_TOPOLOGY | 1u << VIRTIO_BLK_F_CONFIG_WCE | 1u << VIRTIO_BLK_F_MQ | 1u << VIRTIO_BLK_F_DISCARD
        | 1u << VIRTIO_BLK_F_WRITE_ZEROES;

    return s->writable ? f : f | 1u << VIRTIO_BLK_F_RO;
}

static void put16(uint8_t *c, unsigned at, uint16_t v) { memcpy(c + at, &v, 2); }
static void put32(uint8_t *c, unsigned at, uint32_t v) { memcpy(c + at, &v, 4); }

void virtio_blk_serve_config(const VirtioBlkServer *s, uint8_t *c)
{
    int64_t length = blk_getlength(s->blk);
    uint64_t sectors = length < 0 ? 0 : length / 512;

    memset(c, 0, VIRTIO_BLK_SERVE_CONFIG);
    memcpy(c, &sectors, 8);
    put32(c, 12, 126);                         /* segments of a request */
    put32(c, 20, s->logical);
    put16(c, 26, 1);                           /* minimal and optimal sizes, in blocks */
    put32(c, 28, 1);
    c[VIRTIO_BLK_SERVE_WCE] = 0;
    put16(c, 34, s->num_queues);
    put32(c, 36, MAX_SECTORS);                 /* discard: sectors, segments, alignment */
    put32(c, 40, 1);
    put32(c, 44, s->logical / 512);
    put32(c, 48, MAX_SECTORS);                 /* write zeroes */
    put32(c, 52, 1);
}

/* --- requests --------------------------------------------------------------------------- */

static void finish(Request *r, uint8_t status)
{
    VirtioBlkServer *s = r->s;
    uint32_t len = r->elem.in.size;

    iov_from_buf(&r->elem.in, len - 1, &status, 1);
    iov_destroy(&r->io.data);
    s->give_back(s, &r->elem, len);
    g_free(r);
    if (--s->in_flight == 0) {
        s->idle(s);
    }
}

static void done(void *opaque, int ret)
{
    finish(opaque, ret < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
}

/* As with the peer, requests need not end where a block does. */
static bool starts_block(const VirtioBlkServer *s, uint64_t sector) { return sector % (s->logical / 512) == 0; }

static void submit_transfer(Request *r)
{
    VirtioBlkServer *s = r->s;

    if (!starts_block(s, r->io.sector) || !virtio_blk_range_ok(r->io.sector, r->io.data.size, 512, blk_getlength(s->blk))) {
        finish(r, VIRTIO_BLK_S_IOERR);
    } else if (r->io.type == VIRTIO_BLK_T_IN) {
        blk_aio_preadv(s->blk, r->io.sector * 512, &r->io.data, 0, done, r);
    } else {
        blk_aio_pwritev(s->blk, r->io.sector * 512, &r->io.data, 0, done, r);
    }
}

static void submit_range(Request *r)
{
    VirtioBlkServer *s = r->s;
    VirtioBlkRange range;
    int status = virtio_blk_parse_range(&r->io, MAX_SECTORS, 512, blk_getlength(s->blk), &range);

    if (status == VIRTIO_BLK_S_OK && !starts_block(s, range.offset / 512)) {
        status = VIRTIO_BLK_S_IOERR;
    }
    if (status != VIRTIO_BLK_S_OK) {
        finish(r, status < 0 ? VIRTIO_BLK_S_IOERR : status);
    } else if (r->io.type == VIRTIO_BLK_T_WRITE_ZEROES) {
        blk_aio_pwrite_zeroes(s->blk, range.offset, range.bytes, range.unmap ? BDRV_REQ_MAY_UNMAP : 0, done, r);
    } else {
        blk_aio_pdiscard(s->blk, range.offset, range.bytes, done, r);
    }
}

static void submit(Request *r)
{
    if (virtio_blk_writes(&r->io) && !r->s->writable) {
        finish(r, VIRTIO_BLK_S_IOERR);
        return;
    }
    switch (r->io.type) {
    case VIRTIO_BLK_T_IN:
    case VIRTIO_BLK_T_OUT:
        submit_transfer(r);
        break;
    case VIRTIO_BLK_T_FLUSH:
        blk_aio_flush(r->s->blk, done, r);
        break;
    case VIRTIO_BLK_T_GET_ID:
        virtio_blk_put_id(&r->io, r->s->serial);
        finish(r, VIRTIO_BLK_S_OK);
        break;
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES:
        submit_range(r);
        break;
    default:
        finish(r, VIRTIO_BLK_S_UNSUPP);
    }
}

/* False: nothing (more) can be taken. */
static bool take_one(VirtioBlkServer *s, VRing *ring)
{
    Request *r = g_new0(Request, 1);
    const char *wrong;

    if (!vring_pop(ring, &r->elem)) {
        g_free(r);
        return false;
    }
    wrong = virtio_blk_parse(&r->io, &r->elem);
    if (wrong) {
        vring_error(ring, "%s", wrong);
        vring_discard(&r->elem);
        g_free(r);
        return false;
    }
    r->s = s;
    s->in_flight++;
    submit(r);
    return true;
}

bool virtio_blk_serve_ring(VirtioBlkServer *s, VRing *ring)
{
    unsigned left = TURN;

    s->in_flight++;                            /* not idle before the loop is left */
    aio_plug();
    do {
        vring_set_notification(ring, false);
        while (left && take_one(s, ring)) {
            left--;
        }
        if (left) {
            vring_set_notification(ring, true);
        }
    } while (left && !vring_empty(ring));
    aio_unplug();
    if (--s->in_flight == 0) {
        s->idle(s);
    }
    return !left;
}
