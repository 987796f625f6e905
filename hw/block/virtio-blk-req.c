/*
 * virtio-blk: requests.
 *
 * A request is popped, checked, given to the backend; its completion writes the status byte, gives the element
 * back and interrupts the guest.  All in the device's context.  Errors follow the backend's policy: report,
 * ignore, or keep the request until the machine runs again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "hw/block/virtio-blk.h"
#include "util/aio.h"
#include "util/trace.h"
#include "virtio/blk.h"

TRACE_EVENT(virtio_blk_handle_read)
TRACE_EVENT(virtio_blk_handle_write)
TRACE_EVENT(virtio_blk_req_complete)
TRACE_EVENT(virtio_blk_rw_complete)

struct VirtioBlkReq {
    VirtElement elem;
    VirtioBlk *s;
    VirtioBlkIo io;
    BlockAcctCookie cookie;
    bool accounted;
    int error;                     /* errno while the policy is being asked */
    VirtioBlkReq *next;
};

static void submit(VirtioBlkReq *r);

static void finish(VirtioBlkReq *r, uint8_t status)
{
    VirtQueue *vq = VIRTQUEUE(r->elem.ring);
    uint32_t len = r->elem.in.size;

    TRACE(virtio_blk_req_complete, "vdev %p req %p status %d", (void *)r->s, (void *)r, status);
    iov_from_buf(&r->elem.in, len - 1, &status, 1);
    iov_destroy(&r->io.data);
    virtqueue_push(&r->elem, len);
    virtio_notify(&r->s->vdev, vq);
    g_free(r);
}

static void discard(VirtioBlkReq *r)
{
    iov_destroy(&r->io.data);
    vring_discard(&r->elem);
    g_free(r);
}

/* --- errors ---------------------------------------------------------------------------------------- */

static void keep_waiting(VirtioBlkReq *r)
{
    VirtioBlk *s = r->s;

    pthread_mutex_lock(&s->lock);
    r->next = s->waiting;
    s->waiting = r;
    pthread_mutex_unlock(&s->lock);
}

static bool is_read(const VirtioBlkReq *r) { return r->io.type == VIRTIO_BLK_T_IN; }

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
    finish(r, action == BLK_ERROR_ACTION_REPORT ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
}

static void failed(VirtioBlkReq *r, int error)
{
    BlockBackend *blk = r->s->conf.blk;
    bool reading = is_read(r);
    BlkErrorAction action = blk_get_error_action(blk, reading, error);

    blk_inc_in_flight(blk);                /* the device stays until it was told */
    complete_failed(r, action);
    blk_error_action(blk, action, reading, error);
    blk_dec_in_flight(blk);
}

static void done(void *opaque, int ret)
{
    VirtioBlkReq *r = opaque;

    TRACE(virtio_blk_rw_complete, "vdev %p req %p ret %d", (void *)r->s, (void *)r, ret);
    if (ret == -ECANCELED) {               /* the device goes or is reset */
        discard(r);
        return;
    }
    if (ret < 0) {
        failed(r, -ret);
        return;
    }
    if (r->accounted) {
        block_acct_done(blk_get_stats(r->s->conf.blk), &r->cookie);
    }
    finish(r, VIRTIO_BLK_S_OK);
}

/* --- what is asked ------------------------------------------------------------------------------------ */

static bool range_ok(const VirtioBlkReq *r)
{
    return virtio_blk_range_ok(r->io.sector, r->io.data.size, r->s->conf.logical, blk_getlength(r->s->conf.blk));
}

static void account(VirtioBlkReq *r, int64_t bytes, BlockAcctType type)
{
    block_acct_start(blk_get_stats(r->s->conf.blk), &r->cookie, bytes, type);
    r->accounted = true;
}

static void invalid(VirtioBlkReq *r, BlockAcctType type)
{
    block_acct_invalid(blk_get_stats(r->s->conf.blk), type);
    finish(r, VIRTIO_BLK_S_IOERR);
}

static void submit_read(VirtioBlkReq *r)
{
    TRACE(virtio_blk_handle_read, "vdev %p req %p sector %" PRIu64 " size %zu", (void *)r->s, (void *)r, r->io.sector,
          r->io.data.size);
    if (!range_ok(r)) {
        invalid(r, BLOCK_ACCT_READ);
        return;
    }
    account(r, r->io.data.size, BLOCK_ACCT_READ);
    blk_aio_preadv(r->s->conf.blk, r->io.sector * 512, &r->io.data, 0, done, r);
}

static void submit_write(VirtioBlkReq *r)
{
    TRACE(virtio_blk_handle_write, "vdev %p req %p sector %" PRIu64 " size %zu", (void *)r->s, (void *)r, r->io.sector,
          r->io.data.size);
    if (!range_ok(r)) {
        invalid(r, BLOCK_ACCT_WRITE);
        return;
    }
    account(r, r->io.data.size, BLOCK_ACCT_WRITE);
    blk_aio_pwritev(r->s->conf.blk, r->io.sector * 512, &r->io.data, 0, done, r);
}

static void get_id(VirtioBlkReq *r)
{
    virtio_blk_put_id(&r->io, r->s->serial ? r->s->serial : "");
    finish(r, VIRTIO_BLK_S_OK);
}

/* The driver broke the rules: nothing is given back. */
static void drop(VirtioBlkReq *r, const char *why)
{
    virtio_error(&r->s->vdev, "%s", why);
    vring_discard(&r->elem);
    g_free(r);
}

/* Discard and write zeroes: one range. */
static void submit_range(VirtioBlkReq *r)
{
    VirtioBlk *s = r->s;
    bool zeroes = r->io.type == VIRTIO_BLK_T_WRITE_ZEROES;
    VirtioBlkRange range;
    int status = virtio_blk_parse_range(&r->io, zeroes ? s->max_write_zeroes_sectors : s->max_discard_sectors,
                                        s->conf.logical,
                                        blk_getlength(s->conf.blk), &range);

    if (status < 0) {
        iov_destroy(&r->io.data);
        drop(r, "virtio-blk discard/write_zeroes header too short");
        return;
    }
    if (status != VIRTIO_BLK_S_OK) {
        if (zeroes && r->io.data.size <= 16) {
            block_acct_invalid(blk_get_stats(s->conf.blk), BLOCK_ACCT_WRITE);
        }
        finish(r, status);
        return;
    }
    if (zeroes) {              /* the peer counts no discards here */
        account(r, range.bytes, BLOCK_ACCT_WRITE);
        blk_aio_pwrite_zeroes(s->conf.blk, range.offset, range.bytes, range.unmap ? BDRV_REQ_MAY_UNMAP : 0, done, r);
    } else {
        blk_aio_pdiscard(s->conf.blk, range.offset, range.bytes, done, r);
    }
}

static void submit(VirtioBlkReq *r)
{
    switch (r->io.type) {
    case VIRTIO_BLK_T_IN:
        submit_read(r);
        break;
    case VIRTIO_BLK_T_OUT:
        submit_write(r);
        break;
    case VIRTIO_BLK_T_FLUSH:
        account(r, 0, BLOCK_ACCT_FLUSH);
        blk_aio_flush(r->s->conf.blk, done, r);
        break;
    case VIRTIO_BLK_T_GET_ID:
        get_id(r);
        break;
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES:
        submit_range(r);
        break;
    default:
        finish(r, VIRTIO_BLK_S_UNSUPP);
    }
}

void virtio_blk_handle_queue(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);
    VRing *ring = &vq->ring;
    bool suppress = vring_ready(ring) && ring->notification;

    if (!blk_enter(s->conf.blk)) {         /* virtio_blk_drained_end kicks the queue again */
        return;
    }
    aio_plug();
    do {
        if (suppress) {
            vring_set_notification(ring, false);
        }
        for (;;) {
            VirtioBlkReq *r = g_new0(VirtioBlkReq, 1);
            const char *wrong;

            r->s = s;
            if (!vring_pop(ring, &r->elem)) {
                g_free(r);
                break;
            }
            wrong = virtio_blk_parse(&r->io, &r->elem);
            if (wrong) {
                drop(r, wrong);
                break;
            }
            submit(r);
        }
        if (suppress) {
            vring_set_notification(ring, true);
        }
    } while (!vring_empty(ring));
    aio_unplug();
    blk_dec_in_flight(s->conf.blk);
}

/* --- stopped machines --------------------------------------------------------------------------------------- */

/* Of one queue, or (NULL) all; the oldest first. */
static VirtioBlkReq *take_waiting(VirtioBlk *s, const VirtQueue *of)
{
    VirtioBlkReq *in_order = NULL;

    pthread_mutex_lock(&s->lock);
    for (VirtioBlkReq **p = &s->waiting; *p; ) {
        VirtioBlkReq *r = *p;

        if (of && VIRTQUEUE(r->elem.ring) != of) {
            p = &r->next;
            continue;
        }
        *p = r->next;
        r->next = in_order;
        in_order = r;
    }
    pthread_mutex_unlock(&s->lock);
    return in_order;
}

static void restart(void *opaque)
{
    VirtioBlk *s = opaque;
    VirtioBlkReq *r;

    if (!blk_enter(s->conf.blk)) {         /* again at the end of the section */
        blk_dec_in_flight(s->conf.blk);
        return;
    }
    r = take_waiting(s, NULL);

    while (r) {
        VirtioBlkReq *next = r->next;

        submit(r);
        r = next;
    }
    blk_dec_in_flight(s->conf.blk);
    blk_dec_in_flight(s->conf.blk);
}

static bool has_waiting(VirtioBlk *s)
{
    bool any;

    pthread_mutex_lock(&s->lock);
    any = s->waiting;
    pthread_mutex_unlock(&s->lock);
    return any;
}

void virtio_blk_vm_changed(void *opaque, bool running, VmState state)
{
    VirtioBlk *s = opaque;

    if (running && !__atomic_load_n(&s->vdev.held, __ATOMIC_SEQ_CST) && has_waiting(s)) {
        blk_inc_in_flight(s->conf.blk);       /* the device stays until the list was taken */
        aio_bh_oneshot(s->vdev.ctx ? s->vdev.ctx : aio_main_context(), restart, s);
    }
}

void virtio_blk_drained_end(void *opaque)
{
    VirtioBlk *s = opaque;

    virtio_kick_all(&s->vdev);
    virtio_blk_vm_changed(s, vm_running(), vm_state());
}

unsigned virtio_blk_waiting(VirtioDevice *vdev, VirtioWaiting *out, unsigned max)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);
    unsigned n = 0;

    pthread_mutex_lock(&s->lock);
    for (const VirtioBlkReq *r = s->waiting; r && n < max; r = r->next) {
        out[n++] = (VirtioWaiting) { VIRTQUEUE(r->elem.ring)->index, r->elem.head, &r->elem };
    }
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < n / 2; i++) {                   /* the newest came first */
        VirtioWaiting w = out[i];

        out[i] = out[n - 1 - i];
        out[n - 1 - i] = w;
    }
    return n;
}

bool virtio_blk_wait_again(VirtioDevice *vdev, unsigned queue, uint16_t head, Error **errp)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);
    VirtioBlkReq *r;

    if (queue >= vdev->n_queues) {
        error_setg(errp, "Invalid virtqueue index in request list: %#x", queue);
        return false;
    }
    r = g_new0(VirtioBlkReq, 1);
    r->s = s;
    if (!vring_pop_again(&vdev->vqs[queue].ring, head, &r->elem)) {
        error_setg(errp, "Invalid request %u of queue %u", head, queue);
        g_free(r);
        return false;
    }
    if (virtio_blk_parse(&r->io, &r->elem)) {
        error_setg(errp, "Malformed request %u of queue %u", head, queue);
        vring_discard(&r->elem);
        g_free(r);
        return false;
    }
    keep_waiting(r);
    return true;
}

void virtio_blk_drop_waiting(VirtioBlk *s, const VirtQueue *of)
{
    VirtioBlkReq *r = take_waiting(s, of);

    while (r) {
        VirtioBlkReq *next = r->next;

        discard(r);
        r = next;
    }
}
