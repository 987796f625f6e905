/*
 * virtio-blk: requests.
 *
 * A request is popped, checked, given to the backend; its completion writes the status byte, gives the element
 * back and interrupts the guest.  All in the device's context.  Errors follow the backend's policy: report,
 * ignore, or keep the request until the machine runs again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/block/virtio-blk.h"
#include "util/aio.h"
#include "util/trace.h"

TRACE_EVENT(virtio_blk_handle_read)
TRACE_EVENT(virtio_blk_handle_write)
TRACE_EVENT(virtio_blk_req_complete)
TRACE_EVENT(virtio_blk_rw_complete)

enum { T_IN = 0, T_OUT = 1, T_SCSI = 2, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13, T_BARRIER = 0x80000000u };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };

struct VirtioBlkReq {
    VirtElement elem;
    VirtioBlk *s;
    uint32_t type;
    uint64_t sector;
    IoVec data;
    BlockAcctCookie cookie;
    bool accounted;
    int error;                     /* errno while the policy is being asked */
    VirtioBlkReq *next;
};

static void submit(VirtioBlkReq *r);

static void finish(VirtioBlkReq *r, uint8_t status)
{
    VirtQueue *vq = r->elem.vq;
    uint32_t len = r->elem.in.size;

    TRACE(virtio_blk_req_complete, "vdev %p req %p status %d", (void *)r->s, (void *)r, status);
    iov_from_buf(&r->elem.in, len - 1, &status, 1);
    iov_destroy(&r->data);
    virtqueue_push(vq, &r->elem, len);
    virtio_notify(&r->s->vdev, vq);
    g_free(r);
}

/* --- errors ---------------------------------------------------------------------------------------- */

static void keep_waiting(VirtioBlkReq *r)
{
    VirtioBlk *s = r->s;

    g_mutex_lock(&s->lock);
    r->next = s->waiting;
    s->waiting = r;
    g_mutex_unlock(&s->lock);
}

static bool is_read(const VirtioBlkReq *r) { return (r->type & ~T_BARRIER) == T_IN; }

static void complete_failed(VirtioBlkReq *r, BlkErrorAction action)
{
    if (action == BLK_ERROR_ACTION_STOP) {
        keep_waiting(r);
        return;
    }
    if (r->accounted && action == BLK_ERROR_ACTION_REPORT) {
        block_acct_failed(blk_get_stats(r->s->conf.blk), &r->cookie);
    } else if (r->accounted) {
        block_acct_done(blk_get_stats(r->s->conf.blk), &r->cookie);
    }
    finish(r, action == BLK_ERROR_ACTION_REPORT ? S_IOERR : S_OK);
}

typedef struct ErrorNote {
    BlockBackend *blk;
    BlkErrorAction action;
    bool is_read;
    int error;
} ErrorNote;

/* Events and stopping are the main thread's. */
static void tell_error(void *opaque)
{
    ErrorNote *n = opaque;

    blk_error_action(n->blk, n->action, n->is_read, n->error);
    blk_dec_in_flight(n->blk);
    g_free(n);
}

static void failed(VirtioBlkReq *r, int error)
{
    BlockBackend *blk = r->s->conf.blk;
    BlkErrorAction action = blk_get_error_action(blk, is_read(r), error);
    ErrorNote *n = g_new(ErrorNote, 1);

    *n = (ErrorNote) { blk, action, is_read(r), error };
    blk_inc_in_flight(blk);
    complete_failed(r, action);
    if (in_main_thread()) {
        tell_error(n);
    } else {
        aio_bh_oneshot(aio_main_context(), tell_error, n);
    }
}

static void done(void *opaque, int ret)
{
    VirtioBlkReq *r = opaque;

    TRACE(virtio_blk_rw_complete, "vdev %p req %p ret %d", (void *)r->s, (void *)r, ret);
    if (ret < 0) {
        failed(r, -ret);
        return;
    }
    if (r->accounted) {
        block_acct_done(blk_get_stats(r->s->conf.blk), &r->cookie);
    }
    finish(r, S_OK);
}

/* --- what is asked ------------------------------------------------------------------------------------ */

static bool range_ok(VirtioBlk *s, uint64_t sector, uint64_t bytes)
{
    int64_t length = blk_getlength(s->conf.blk);
    uint64_t total = length < 0 ? 0 : length / 512, sectors = bytes / 512;

    return bytes <= BDRV_MAX_REQUEST && bytes % s->conf.logical == 0 && sector % (s->conf.logical / 512) == 0
        && sectors <= total && sector <= total - sectors;
}

static void account(VirtioBlkReq *r, int64_t bytes, BlockAcctType type)
{
    block_acct_start(blk_get_stats(r->s->conf.blk), &r->cookie, bytes, type);
    r->accounted = true;
}

static void invalid(VirtioBlkReq *r, BlockAcctType type)
{
    block_acct_invalid(blk_get_stats(r->s->conf.blk), type);
    finish(r, S_IOERR);
}

static void submit_read(VirtioBlkReq *r)
{
    TRACE(virtio_blk_handle_read, "vdev %p req %p sector %" PRIu64 " size %zu", (void *)r->s, (void *)r, r->sector, r->data.size);
    if (!range_ok(r->s, r->sector, r->data.size)) {
        invalid(r, BLOCK_ACCT_READ);
        return;
    }
    account(r, r->data.size, BLOCK_ACCT_READ);
    blk_aio_preadv(r->s->conf.blk, r->sector * 512, &r->data, 0, done, r);
}

static void submit_write(VirtioBlkReq *r)
{
    TRACE(virtio_blk_handle_write, "vdev %p req %p sector %" PRIu64 " size %zu", (void *)r->s, (void *)r, r->sector, r->data.size);
    if (!range_ok(r->s, r->sector, r->data.size)) {
        invalid(r, BLOCK_ACCT_WRITE);
        return;
    }
    account(r, r->data.size, BLOCK_ACCT_WRITE);
    blk_aio_pwritev(r->s->conf.blk, r->sector * 512, &r->data, 0, done, r);
}

static void get_id(VirtioBlkReq *r)
{
    const char *serial = r->s->serial ? r->s->serial : "";

    iov_from_buf(&r->data, 0, serial, MIN(strlen(serial) + 1, MIN(r->data.size, 20)));
    finish(r, S_OK);
}

typedef struct RangeHeader {
    uint64_t sector;
    uint32_t sectors, flags;
} RangeHeader;

/* Discard and write zeroes: one range. */
static void submit_range(VirtioBlkReq *r, bool zeroes)
{
    VirtioBlk *s = r->s;
    uint32_t max = zeroes ? s->max_write_zeroes_sectors : s->max_discard_sectors;
    uint8_t bad = S_OK;
    RangeHeader h;
    int64_t bytes;

    if (r->data.size > sizeof(h)) {
        finish(r, S_UNSUPP);
        return;
    }
    if (iov_to_buf(&r->data, 0, &h, sizeof(h)) != sizeof(h)) {
        VirtQueue *vq = r->elem.vq;

        virtio_error(&s->vdev, "virtio-blk discard/write_zeroes header too short");
        vq->inuse--;
        iov_destroy(&r->data);
        virtqueue_discard(&r->elem);
        g_free(r);
        return;
    }
    bytes = (int64_t)h.sectors * 512;
    if (h.sectors > max || !range_ok(s, h.sector, bytes)) {
        bad = S_IOERR;
    } else if (h.flags & ~(zeroes ? 1u : 0u)) {
        bad = S_UNSUPP;
    }
    if (bad != S_OK) {
        if (zeroes) {
            block_acct_invalid(blk_get_stats(s->conf.blk), BLOCK_ACCT_WRITE);
        }
        finish(r, bad);
        return;
    }
    if (zeroes) {              /* the peer counts no discards here */
        account(r, bytes, BLOCK_ACCT_WRITE);
        blk_aio_pwrite_zeroes(s->conf.blk, h.sector * 512, bytes, h.flags & 1 ? BDRV_REQ_MAY_UNMAP : 0, done, r);
    } else {
        blk_aio_pdiscard(s->conf.blk, h.sector * 512, bytes, done, r);
    }
}

static void submit(VirtioBlkReq *r)
{
    switch (r->type & ~T_BARRIER) {
    case T_IN:
        submit_read(r);
        break;
    case T_OUT:
        submit_write(r);
        break;
    case T_FLUSH:
        account(r, 0, BLOCK_ACCT_FLUSH);
        blk_aio_flush(r->s->conf.blk, done, r);
        break;
    case T_GET_ID:
        get_id(r);
        break;
    case T_DISCARD:
    case T_WRITE_ZEROES:
        submit_range(r, (r->type & ~T_BARRIER) == T_WRITE_ZEROES);
        break;
    default:
        finish(r, S_UNSUPP);
    }
}

/* Headers and the vector of the data; false: the device is broken. */
static bool parse(VirtioBlkReq *r)
{
    struct { uint32_t type, priority; uint64_t sector; } header;
    VirtElement *e = &r->elem;

    if (!e->out.size || !e->in.size) {
        virtio_error(&r->s->vdev, "virtio-blk missing headers");
        return false;
    }
    if (iov_to_buf(&e->out, 0, &header, sizeof(header)) != sizeof(header)) {
        virtio_error(&r->s->vdev, "virtio-blk request outhdr too short");
        return false;
    }
    r->type = header.type;
    r->sector = header.sector;
    iov_init(&r->data, e->in.niov + e->out.niov);
    switch (r->type & ~T_BARRIER) {
    case T_IN:
    case T_GET_ID:
        iov_concat(&r->data, &e->in, 0, e->in.size - 1);
        break;
    default:
        iov_concat(&r->data, &e->out, sizeof(header), e->out.size - sizeof(header));
    }
    return true;
}

void virtio_blk_handle_queue(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);
    bool suppress = virtqueue_ready(vq) && vq->notification;

    aio_plug();
    do {
        if (suppress) {
            virtqueue_set_notification(vq, false);
        }
        for (;;) {
            VirtioBlkReq *r = g_new0(VirtioBlkReq, 1);

            r->s = s;
            if (!virtqueue_pop(vq, &r->elem)) {
                g_free(r);
                break;
            }
            if (!parse(r)) {
                vq->inuse--;
                virtqueue_discard(&r->elem);
                g_free(r);
                break;
            }
            submit(r);
        }
        if (suppress) {
            virtqueue_set_notification(vq, true);
        }
    } while (!virtqueue_empty(vq));
    aio_unplug();
}

/* --- stopped machines --------------------------------------------------------------------------------------- */

static VirtioBlkReq *take_waiting(VirtioBlk *s)
{
    VirtioBlkReq *list, *in_order = NULL;

    g_mutex_lock(&s->lock);
    list = s->waiting;
    s->waiting = NULL;
    g_mutex_unlock(&s->lock);
    while (list) {
        VirtioBlkReq *next = list->next;

        list->next = in_order;
        in_order = list;
        list = next;
    }
    return in_order;
}

static void restart(void *opaque)
{
    VirtioBlk *s = opaque;
    VirtioBlkReq *r = take_waiting(s);

    while (r) {
        VirtioBlkReq *next = r->next;

        submit(r);
        r = next;
    }
    blk_dec_in_flight(s->conf.blk);
}

void virtio_blk_vm_changed(void *opaque, bool running, VmState state)
{
    VirtioBlk *s = opaque;

    if (running && s->waiting) {
        blk_inc_in_flight(s->conf.blk);       /* the device stays until the list was taken */
        aio_bh_oneshot(s->vdev.ctx ? s->vdev.ctx : aio_main_context(), restart, s);
    }
}

void virtio_blk_drop_waiting(VirtioBlk *s)
{
    VirtioBlkReq *r = take_waiting(s);

    while (r) {
        VirtioBlkReq *next = r->next;

        iov_destroy(&r->data);
        virtqueue_discard(&r->elem);
        g_free(r);
        r = next;
    }
}
