/*
 * The rings of a machine's devices: they lie in the guest's memory, and a ring that makes no sense breaks its device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include "hw/virtio.h"
#include "machine/memory.h"

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

/* --- memory of the ring ------------------------------------------------------------------------- */

static bool load16(VRing *r, uint64_t addr, uint16_t *v) { return dma_load16(addr, v); }
static bool store16(VRing *r, uint64_t addr, uint16_t v) { return dma_store16(addr, v); }
static bool store32(VRing *r, uint64_t addr, uint32_t v) { return dma_store32(addr, v); }
static bool read_table(VRing *r, uint64_t addr, void *buf, uint64_t len, bool indirect)
{
    return dma_read(addr, buf, len);
}

static bool map(VRing *r, IoVec *v, uint64_t addr, uint64_t len, bool for_write)
{
    return dma_map_iov(v, addr, len, for_write);
}

static void ring_error(VRing *r, const char *text)
{
    virtio_error(VIRTQUEUE(r)->vdev, "%s", text);
}

const VRingOps virtqueue_ops = {
    .load16 = load16, .store16 = store16, .store32 = store32, .read = read_table, .map = map, .error = ring_error,
};

/* --- giving back ----------------------------------------------------------------------------------- */

void virtqueue_push(VirtElement *e, uint32_t len)
{
    for (int i = 0; i < e->in.niov && ram_dirty_tracking(); i++) {
        ram_mark_host(e->in.iov[i].iov_base, e->in.iov[i].iov_len);
    }
    vring_push(e, len);
}

void virtio_notify(VirtioDevice *vdev, VirtQueue *vq)
{
    if (!vring_should_notify(&vq->ring)) {
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
