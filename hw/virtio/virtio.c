/*
 * Virtio devices: life, features, status, configuration space.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/machine.h"
#include "hw/virtio.h"
#include "machine/memory.h"
#include "util/cutils.h"

/* --- the "virtio-device" type ------------------------------------------------------------------------ */

#define F(n, bit, on) P_BIT64(n, VirtioDevice, feature_bits, bit, on)

static const Property virtio_props[] = {
    F("indirect_desc", VIRTIO_F_INDIRECT, true), F("event_idx", VIRTIO_F_EVENT_IDX, true),
    F("notify_on_empty", VIRTIO_F_NOTIFY_ON_EMPTY, true), F("any_layout", VIRTIO_F_ANY_LAYOUT, true),
    F("iommu_platform", VIRTIO_F_IOMMU, false), F("packed", VIRTIO_F_PACKED, false),
    F("queue_reset", VIRTIO_F_RING_RESET, true),
    P_BOOL("use-started", VirtioDevice, use_started, true),
    P_BOOL("use-disabled-flag", VirtioDevice, use_disabled_flag, true),
    P_BOOL("x-disable-legacy-check", VirtioDevice, disable_legacy_check, false),
    { NULL }
};
static const TypeInfo virtio_type = {
    .name = "virtio-device", .parent = "device", .abstract = true, .size = sizeof(VirtioDevice), .props = virtio_props,
};
QOM_TYPE(virtio_type)

/* --- queues --------------------------------------------------------------------------------------------- */

static void kick_bh(void *opaque)
{
    VirtQueue *vq = opaque;

    if (__atomic_load_n(&vq->vdev->held, __ATOMIC_SEQ_CST) || __atomic_load_n(&vq->vdev->broken, __ATOMIC_SEQ_CST)) {
        return;
    }
    if (vq->handler && vring_ready(&vq->ring)) {
        vq->handler(vq->vdev, vq);
    }
}

bool virtio_can_use_iothread(VirtioDevice *vdev, Error **errp)
{
    if (!vdev->transport.ioeventfd) {
        error_setg(errp, "ioeventfd is required for iothread");
    }
    return vdev->transport.ioeventfd;
}

unsigned virtio_count_queues(const VirtioDevice *vdev)
{
    unsigned n = vdev->n_queues;

    while (n && !vdev->vqs[n - 1].default_num) {
        n--;
    }
    return n;
}

unsigned virtio_auto_queues(const VirtioDevice *vdev, unsigned fixed)
{
    return vdev->transport.notify ? MIN(machine_current()->smp.cpus, VIRTIO_QUEUE_MAX - fixed) : 1;
}

void virtio_add_queues(VirtioDevice *vdev, unsigned n)
{
    vdev->vqs = g_new0(VirtQueue, n);
    vdev->n_queues = n;
    for (unsigned i = 0; i < n; i++) {
        vdev->vqs[i] = (VirtQueue) { .vdev = vdev, .index = i, .vector = VIRTIO_NO_VECTOR };
        vdev->vqs[i].ring =
            (VRing) { .ops = &virtqueue_ops, .broken = &vdev->broken, .features = &vdev->guest_features,
                      .notification = true };
    }
}

void virtio_set_queue(VirtioDevice *vdev, unsigned i, uint16_t size, VirtQueueHandler *handler)
{
    vdev->vqs[i].ring.num = vdev->vqs[i].default_num = size;
    vdev->vqs[i].handler = handler;
}

static void make_kicks(VirtioDevice *vdev)
{
    AioContext *ctx = vdev->ctx ? vdev->ctx : aio_main_context();

    for (unsigned i = 0; i < vdev->n_queues; i++) {
        if (vdev->vqs[i].kick) {
            aio_bh_delete(vdev->vqs[i].kick);
        }
        vdev->vqs[i].kick = aio_bh_new(ctx, kick_bh, &vdev->vqs[i]);
    }
}

void virtio_set_context(VirtioDevice *vdev, AioContext *ctx)
{
    vdev->ctx = ctx;
    make_kicks(vdev);
}

void virtio_queue_kick(VirtioDevice *vdev, unsigned i)
{
    if (i >= vdev->n_queues) {
        return;
    }
    if (vdev->ctx) {
        aio_bh_schedule(vdev->vqs[i].kick);
    } else {
        kick_bh(&vdev->vqs[i]);
    }
}

void virtio_kick_all(VirtioDevice *vdev)
{
    for (unsigned i = 0; i < vdev->n_queues; i++) {
        if (vdev->vqs[i].kick) {
            aio_bh_schedule(vdev->vqs[i].kick);
        }
    }
}

void virtio_queue_reset(VirtioDevice *vdev, unsigned i)
{
    VirtQueue *vq = &vdev->vqs[i];

    vq->ring.num = vq->default_num;
    vq->ring.desc = vq->ring.avail = vq->ring.used = 0;
    vq->enabled = false;
    vq->vector = VIRTIO_NO_VECTOR;
    vring_restart(&vq->ring, 0);
    vq->ring.inuse = 0;
}

void virtio_queue_set_legacy(VirtioDevice *vdev, unsigned i, uint64_t addr)
{
    VirtQueue *vq = &vdev->vqs[i];

    vq->ring.desc = addr;
    vq->ring.avail = addr + 16 * (uint64_t)vq->ring.num;
    vq->ring.used = ALIGN_UP(vq->ring.avail + 4 + 2 * (uint64_t)vq->ring.num + 2, 4096);
    vq->enabled = addr != 0;
}

/* --- life ------------------------------------------------------------------------------------------------ */

bool virtio_device_realize(Device *d, Error **errp)
{
    VirtioDevice *vdev = VIRTIO_DEVICE(d);
    const VirtioClass *c = virtio_class(vdev);

    vdev->config_vector = VIRTIO_NO_VECTOR;
    if (vdev->feature_bits & (1ULL << VIRTIO_F_IOMMU)) {
        error_setg(errp, "iommu_platform=true is not supported by the device");
        return false;
    }
    if (vdev->feature_bits & (1ULL << VIRTIO_F_PACKED)) {
        error_setg(errp, "packed=on is not supported by the device");
        return false;
    }
    if (c->realize && !c->realize(vdev, errp)) {
        return false;
    }
    vdev->config = g_malloc0(c->config_size);
    make_kicks(vdev);
    vdev->host_features = vdev->feature_bits;
    if (c->features) {
        vdev->host_features = c->features(vdev, vdev->host_features);
    }
    return true;
}

void virtio_device_unrealize(Device *d)
{
    VirtioDevice *vdev = VIRTIO_DEVICE(d);
    const VirtioClass *c = virtio_class(vdev);

    virtio_reset(vdev);
    if (c->unrealize) {
        c->unrealize(vdev);
    }
    for (unsigned i = 0; i < vdev->n_queues; i++) {
        aio_bh_delete(vdev->vqs[i].kick);
    }
    g_clear_pointer(&vdev->vqs, g_free);
    vdev->n_queues = 0;
    g_clear_pointer(&vdev->config, g_free);
}

static bool still_waiting(void *opaque) { return !__atomic_load_n((bool *)opaque, __ATOMIC_SEQ_CST); }

static void pass_barrier(void *opaque)
{
    __atomic_store_n((bool *)opaque, true, __ATOMIC_SEQ_CST);
    aio_wait_kick();
}

void virtio_barrier(VirtioDevice *vdev)
{
    bool passed = false;

    if (vdev->ctx) {
        aio_bh_oneshot(vdev->ctx, pass_barrier, &passed);
        aio_wait_while(still_waiting, &passed);
    }
}

/* In the device's thread, between two turns of the handler. */
typedef struct QueueStop {
    VirtQueue *vq;
    bool done;
} QueueStop;

static void stop_here(void *opaque)
{
    QueueStop *s = opaque;

    s->vq->ring.desc = 0;
    pass_barrier(&s->done);
}

void virtio_queue_stop(VirtioDevice *vdev, unsigned i)
{
    const VirtioClass *c = virtio_class(vdev);
    QueueStop s = { &vdev->vqs[i] };

    aio_bh_cancel(vdev->vqs[i].kick);
    aio_bh_oneshot(vdev->ctx ? vdev->ctx : aio_main_context(), stop_here, &s);
    aio_wait_while(still_waiting, &s.done);
    if (c->queue_reset) {
        c->queue_reset(vdev, i);
    }
    virtio_barrier(vdev);
    virtio_queue_reset(vdev, i);
}

void virtio_reset(VirtioDevice *vdev)
{
    const VirtioClass *c = virtio_class(vdev);

    __atomic_store_n(&vdev->broken, true, __ATOMIC_SEQ_CST);     /* nothing new is taken */
    for (unsigned i = 0; i < vdev->n_queues; i++) {
        aio_bh_cancel(vdev->vqs[i].kick);
    }
    virtio_barrier(vdev);
    if (c->reset) {
        c->reset(vdev);
    }
    virtio_barrier(vdev);
    vdev->guest_features = 0;
    vdev->status = 0;
    __atomic_store_n(&vdev->isr, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&vdev->broken, false, __ATOMIC_SEQ_CST);
    vdev->config_vector = VIRTIO_NO_VECTOR;
    for (unsigned i = 0; i < vdev->n_queues; i++) {
        virtio_queue_reset(vdev, i);
    }
}

void virtio_hold(VirtioDevice *vdev, bool on)
{
    const VirtioClass *c = virtio_class(vdev);

    if (__atomic_exchange_n(&vdev->held, on, __ATOMIC_SEQ_CST) == on) {
        return;
    }
    if (on) {
        virtio_barrier(vdev);              /* no handler is at work */
    }
    if (c->held) {
        c->held(vdev, on);
    }
    if (on) {
        virtio_barrier(vdev);
    }
}

void virtio_set_status(VirtioDevice *vdev, uint8_t status)
{
    const VirtioClass *c = virtio_class(vdev);
    uint8_t old = vdev->status;

    vdev->status = status;
    if (c->status_changed) {
        c->status_changed(vdev, old);
    }
}

bool virtio_set_features(VirtioDevice *vdev, uint64_t features)
{
    const VirtioClass *c = virtio_class(vdev);
    uint64_t offered = vdev->host_features | 1ULL << VIRTIO_F_VERSION_1;

    if (vdev->status & VIRTIO_STATUS_FEATURES_OK) {
        return false;      /* negotiation is over */
    }
    vdev->guest_features = features & offered;
    if (c->features_set) {
        c->features_set(vdev);
    }
    return true;
}

/* --- configuration space ------------------------------------------------------------------------------------ */

void virtio_config_read(VirtioDevice *vdev, unsigned offset, unsigned size, uint64_t *value)
{
    const VirtioClass *c = virtio_class(vdev);

    *value = size >= 8 ? UINT64_MAX : (1ULL << (8 * size)) - 1;
    if (offset + size > c->config_size) {
        return;
    }
    c->get_config(vdev, vdev->config);
    *value = 0;
    memcpy(value, vdev->config + offset, size);
}

void virtio_config_write(VirtioDevice *vdev, unsigned offset, unsigned size, uint64_t value)
{
    const VirtioClass *c = virtio_class(vdev);

    if (offset + size > c->config_size) {
        return;
    }
    c->get_config(vdev, vdev->config);
    memcpy(vdev->config + offset, &value, size);
    if (c->set_config) {
        c->set_config(vdev, vdev->config);
    }
}
