/*
 * Split virtqueues: taking requests, giving them back, when to interrupt.
 *
 * Each index and descriptor that the guest owns is read exactly once.  Bounds: a chain has at most as many
 * descriptors as the ring (indirect tables: VIRTQUEUE_MAX_SIZE), lies in RAM, and device-readable
 * parts come before writable ones; the available index runs ahead by at most the ring's size.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include "hw/virtio.h"
#include "machine/memory.h"

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4, AVAIL_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1 };

typedef struct Desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
} Desc;

void virtio_error(VirtioDevice *vdev, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_vreport(fmt, ap);
    va_end(ap);
    __atomic_store_n(&vdev->broken, true, __ATOMIC_SEQ_CST);
    if (virtio_has(vdev, VIRTIO_F_VERSION_1)) {
        vdev->status |= VIRTIO_STATUS_NEEDS_RESET;
        virtio_notify_config(vdev);
    }
}

bool virtqueue_ready(const VirtQueue *vq) { return vq->desc && vq->num; }

static bool is_broken(const VirtioDevice *vdev) { return __atomic_load_n(&vdev->broken, __ATOMIC_SEQ_CST); }

/* --- fields of the ring -------------------------------------------------------------------------- */

static bool load_ring(VirtQueue *vq, uint64_t addr, uint16_t *v)
{
    if (dma_load16(addr, v)) {
        return true;
    }
    if (!is_broken(vq->vdev)) {
        virtio_error(vq->vdev, "%s: ring %d is not in guest memory", virtio_class(vq->vdev)->name, vq->index);
    }
    return false;
}

static bool avail_index(VirtQueue *vq, uint16_t *idx) { return load_ring(vq, vq->avail + 2, idx); }

static void store_avail_event(VirtQueue *vq, uint16_t v) { dma_store16(vq->used + 4 + 8 * (uint64_t)vq->num, v); }

void virtqueue_set_notification(VirtQueue *vq, bool on)
{
    uint16_t flags = 0, idx;

    vq->notification = on;
    if (!virtqueue_ready(vq)) {
        return;
    }
    if (virtio_has(vq->vdev, VIRTIO_F_EVENT_IDX)) {
        if (on && avail_index(vq, &idx)) {
            store_avail_event(vq, idx);
        }
    } else if (load_ring(vq, vq->used, &flags)) {
        dma_store16(vq->used, on ? flags & ~USED_NO_NOTIFY : flags | USED_NO_NOTIFY);
    }
    if (on) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
}

bool virtqueue_empty(VirtQueue *vq)
{
    uint16_t idx;

    return is_broken(vq->vdev) || !virtqueue_ready(vq) || !avail_index(vq, &idx) || idx == vq->last_avail;
}

/* --- taking ------------------------------------------------------------------------------------------ */

/* Head of the next chain, -1: none (or broken). */
static int next_head(VirtQueue *vq)
{
    uint16_t idx, head;

    if (!avail_index(vq, &idx) || idx == vq->last_avail) {
        return -1;
    }
    if ((uint16_t)(idx - vq->last_avail) > vq->num) {
        virtio_error(vq->vdev, "Guest moved used index from %u to %u", vq->last_avail, idx);
        return -1;
    }
    if (!load_ring(vq, vq->avail + 4 + 2 * (uint64_t)(vq->last_avail % vq->num), &head)) {
        return -1;
    }
    if (head >= vq->num) {
        virtio_error(vq->vdev, "Guest says index %u is available", head);
        return -1;
    }
    return head;
}

static bool map_desc(VirtQueue *vq, VirtElement *e, const Desc *d)
{
    bool write = d->flags & DESC_WRITE;

    if (!d->len) {
        virtio_error(vq->vdev, "virtio: zero sized buffers are not allowed");
        return false;
    }
    if (!write && e->in.size) {
        virtio_error(vq->vdev, "Incorrect order for descriptors");
        return false;
    }
    if (e->in.niov + e->out.niov > VIRTQUEUE_MAX_SIZE) {
        virtio_error(vq->vdev, "virtio: too many buffers in one request");
        return false;
    }
    if (!dma_map_iov(write ? &e->in : &e->out, d->addr, d->len, write)) {
        virtio_error(vq->vdev, "virtio: bogus descriptor or out of resources");
        return false;
    }
    return true;
}

static bool read_desc(VirtQueue *vq, uint64_t table, unsigned i, Desc *d)
{
    if (!dma_read(table + 16 * (uint64_t)i, d, sizeof(*d))) {
        virtio_error(vq->vdev, "virtio: descriptor table is not in guest memory");
        return false;
    }
    return true;
}

static bool enter_indirect(VirtQueue *vq, const Desc *d, uint64_t *table, unsigned *max)
{
    if (!d->len || d->len % sizeof(Desc) || d->len / sizeof(Desc) > 65536) {
        virtio_error(vq->vdev, "Invalid size for indirect buffer table");
        return false;
    }
    *table = d->addr;
    *max = d->len / sizeof(Desc);
    return true;
}

static bool walk_chain(VirtQueue *vq, VirtElement *e)
{
    uint64_t table = vq->desc;
    unsigned i = e->head, max = vq->num, seen = 0;
    bool indirect = false;
    Desc d;

    for (;;) {
        if (++seen > (indirect ? VIRTQUEUE_MAX_SIZE : vq->num) + 1u) {
            virtio_error(vq->vdev, "Looped descriptor");
            return false;
        }
        if (!read_desc(vq, table, i, &d)) {
            return false;
        }
        if ((d.flags & DESC_INDIRECT)) {
            if (indirect || !enter_indirect(vq, &d, &table, &max)) {
                if (indirect) {
                    virtio_error(vq->vdev, "Indirect table within an indirect table");
                }
                return false;
            }
            indirect = true;
            i = 0;
            seen = 0;
            continue;
        }
        if (!map_desc(vq, e, &d)) {
            return false;
        }
        if (!(d.flags & DESC_NEXT)) {
            return true;
        }
        if (d.next >= max) {
            virtio_error(vq->vdev, "Desc next is %u", d.next);
            return false;
        }
        i = d.next;
    }
}

static void release(VirtElement *e)
{
    iov_destroy(&e->in);
    iov_destroy(&e->out);
}

bool virtqueue_pop(VirtQueue *vq, VirtElement *e)
{
    int head;

    if (is_broken(vq->vdev) || !virtqueue_ready(vq)) {
        return false;
    }
    if (vq->inuse >= vq->num) {
        virtio_error(vq->vdev, "Virtqueue size exceeded");
        return false;
    }
    head = next_head(vq);
    if (head < 0) {
        return false;
    }
    e->vq = vq;
    e->head = head;
    iov_init(&e->in, 4);
    iov_init(&e->out, 4);
    if (!walk_chain(vq, e)) {
        release(e);
        return false;
    }
    vq->last_avail++;
    vq->inuse++;
    if (virtio_has(vq->vdev, VIRTIO_F_EVENT_IDX) && vq->notification) {
        store_avail_event(vq, vq->last_avail);
    }
    return true;
}

void virtqueue_unpop(VirtQueue *vq, VirtElement *e)
{
    vq->last_avail--;
    vq->inuse--;
    release(e);
}

void virtqueue_discard(VirtElement *e)
{
    release(e);
}

/* --- giving back ----------------------------------------------------------------------------------------- */

void virtqueue_push(VirtQueue *vq, VirtElement *e, uint32_t len)
{
    uint64_t slot = vq->used + 4 + 8 * (uint64_t)(vq->used_idx % MAX(vq->num, 1));
    uint16_t old = vq->used_idx;

    for (int i = 0; i < e->in.niov && ram_dirty_tracking(); i++) {
        ram_mark_host(e->in.iov[i].iov_base, e->in.iov[i].iov_len);
    }
    release(e);
    if (vq->inuse > 0) {
        vq->inuse--;
    }
    if (is_broken(vq->vdev) || !virtqueue_ready(vq)) {
        return;
    }
    if (!dma_store32(slot, e->head) || !dma_store32(slot + 4, len)) {
        virtio_error(vq->vdev, "%s: ring %d is not in guest memory", virtio_class(vq->vdev)->name, vq->index);
        return;
    }
    vq->used_idx++;
    dma_store16(vq->used + 2, vq->used_idx);
    if (vq->signalled_valid && (int16_t)(vq->used_idx - vq->signalled_used) < (uint16_t)(vq->used_idx - old)) {
        vq->signalled_valid = false;
    }
}

/* Did the used index pass the point at which the guest wants to hear? */
static bool event_passed(uint16_t event, uint16_t now, uint16_t old) { return (uint16_t)(now - event - 1) < (uint16_t)(now - old); }

static bool should_notify(VirtQueue *vq)
{
    uint16_t flags, event, old;
    bool valid;

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (virtio_has(vq->vdev, VIRTIO_F_NOTIFY_ON_EMPTY) && !vq->inuse && virtqueue_empty(vq)) {
        return true;
    }
    if (!virtio_has(vq->vdev, VIRTIO_F_EVENT_IDX)) {
        return load_ring(vq, vq->avail, &flags) && !(flags & AVAIL_NO_INTERRUPT);
    }
    valid = vq->signalled_valid;
    old = vq->signalled_used;
    vq->signalled_valid = true;
    vq->signalled_used = vq->used_idx;
    return load_ring(vq, vq->avail + 4 + 2 * (uint64_t)vq->num, &event) && (!valid || event_passed(event, vq->used_idx, old));
}

void virtio_notify(VirtioDevice *vdev, VirtQueue *vq)
{
    if (is_broken(vdev) || !virtqueue_ready(vq) || !should_notify(vq)) {
        return;
    }
    __atomic_fetch_or(&vdev->isr, 1, __ATOMIC_SEQ_CST);
    vdev->transport.notify(vdev->transport.opaque, vq->vector);
}

void virtio_notify_config(VirtioDevice *vdev)
{
    if (!(vdev->status & VIRTIO_STATUS_DRIVER_OK)) {
        return;
    }
    __atomic_fetch_or(&vdev->isr, 3, __ATOMIC_SEQ_CST);
    vdev->generation++;
    vdev->transport.notify(vdev->transport.opaque, vdev->config_vector);
}
