/*
 * Virtio over PCI, modern: capabilities that point into BAR 4, and what is there.
 *
 *   0x0000 common configuration   0x1000 interrupt status   0x2000 device configuration   0x3000 notifications
 *
 * A fifth capability reaches the same through configuration space.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/virtio/virtio-pci-int.h"
#include "util/cutils.h"

enum {
    C_FEATURE_SEL = 0x00, C_FEATURE = 0x04, C_GUEST_SEL = 0x08, C_GUEST = 0x0c, C_CONFIG_VECTOR = 0x10,
    C_NUM_QUEUES = 0x12,
    C_STATUS = 0x14, C_GENERATION = 0x15, C_QUEUE_SEL = 0x16, C_QUEUE_SIZE = 0x18, C_QUEUE_VECTOR = 0x1a,
    C_QUEUE_ENABLE = 0x1c,
    C_QUEUE_NOTIFY_OFF = 0x1e, C_DESC_LO = 0x20, C_DESC_HI = 0x24, C_AVAIL_LO = 0x28, C_AVAIL_HI = 0x2c,
    C_USED_LO = 0x30,
    C_USED_HI = 0x34, C_NOTIFY_DATA = 0x38, C_QUEUE_RESET = 0x3a,
};
enum {
    CFG_CAP = 0x84, CFG_BAR = CFG_CAP + 4, CFG_OFFSET = CFG_CAP + 8, CFG_LENGTH = CFG_CAP + 12, CFG_DATA = CFG_CAP + 16,
};

static VirtQueue *selected(VirtioPci *p)
{
    return p->queue_sel < p->vdev->n_queues ? &p->vdev->vqs[p->queue_sel] : NULL;
}

static uint32_t features_word(const VirtioPci *p)
{
    uint64_t all = (p->vdev->host_features & ~(1ULL << VIRTIO_F_NOTIFY_ON_EMPTY | 1ULL << VIRTIO_F_ANY_LAYOUT))
        | 1ULL << VIRTIO_F_VERSION_1;

    return p->feature_sel == 0 ? (uint32_t)all : p->feature_sel == 1 ? all >> 32 : 0;
}

/* --- common configuration ------------------------------------------------------------------------------- */

static uint64_t queue_read(const VirtioPci *p, const VirtQueue *vq, uint64_t offset)
{
    switch (offset) {
    case C_QUEUE_SIZE: return vq->ring.num;
    case C_QUEUE_VECTOR: return vq->vector;
    case C_QUEUE_ENABLE: return vq->enabled;
    case C_QUEUE_NOTIFY_OFF: return vq->index;
    case C_DESC_LO: return (uint32_t)vq->ring.desc;
    case C_DESC_HI: return vq->ring.desc >> 32;
    case C_AVAIL_LO: return (uint32_t)vq->ring.avail;
    case C_AVAIL_HI: return vq->ring.avail >> 32;
    case C_USED_LO: return (uint32_t)vq->ring.used;
    case C_USED_HI: return vq->ring.used >> 32;
    default: return 0;
    }
}

static uint64_t common_read(VirtioPci *p, uint64_t offset)
{
    VirtQueue *vq = selected(p);

    switch (offset) {
    case C_FEATURE_SEL: return p->feature_sel;
    case C_FEATURE: return features_word(p);
    case C_GUEST_SEL: return p->guest_feature_sel;
    case C_GUEST: return p->guest_feature_sel == 0 ? p->guest_low : p->guest_feature_sel == 1 ? p->guest_high : 0;
    case C_CONFIG_VECTOR: return p->vdev->config_vector;
    case C_NUM_QUEUES: return virtio_count_queues(p->vdev);
    case C_STATUS: return p->vdev->status;
    case C_GENERATION: return p->vdev->generation & 0xff;
    case C_QUEUE_SEL: return p->queue_sel;
    default: return vq ? queue_read(p, vq, offset) : 0;
    }
}

static void set_half(uint64_t *slot, bool high, uint32_t v)
{
    *slot = high ? (*slot & UINT32_MAX) | (uint64_t)v << 32 : (*slot & ~(uint64_t)UINT32_MAX) | v;
}

static void set_queue_size(VirtioPci *p, VirtQueue *vq, uint16_t size)
{
    if (!vq->enabled && size && size <= VIRTQUEUE_MAX_SIZE && IS_POW2(size) && vq->default_num) {
        vq->ring.num = size;
    }
}

static void queue_write(VirtioPci *p, VirtQueue *vq, uint64_t offset, uint32_t v)
{
    switch (offset) {
    case C_QUEUE_SIZE: set_queue_size(p, vq, v); break;
    case C_QUEUE_VECTOR: vq->vector = virtio_pci_check_vector(p, v); break;
    case C_QUEUE_ENABLE:
        if (v == 1) {
            vq->enabled = true;
        } else {
            virtio_error(p->vdev, "wrong value for queue_enable %x", v);
        }
        break;
    case C_QUEUE_RESET:
        if (v == 1 && virtio_has(p->vdev, VIRTIO_F_RING_RESET)) {
            virtio_queue_stop(p->vdev, vq->index);
        }
        break;
    case C_DESC_LO: case C_DESC_HI: set_half(&vq->ring.desc, offset == C_DESC_HI, v); break;
    case C_AVAIL_LO: case C_AVAIL_HI: set_half(&vq->ring.avail, offset == C_AVAIL_HI, v); break;
    case C_USED_LO: case C_USED_HI: set_half(&vq->ring.used, offset == C_USED_HI, v); break;
    default: break;
    }
}

static void set_guest_features(VirtioPci *p, uint32_t v)
{
    if (p->guest_feature_sel > 1) {
        return;
    }
    if (p->guest_feature_sel == 0) {
        p->guest_low = v;
    } else {
        p->guest_high = v;
    }
    virtio_set_features(p->vdev, (uint64_t)p->guest_high << 32 | p->guest_low);
}

static void common_write(VirtioPci *p, uint64_t offset, uint32_t v)
{
    VirtQueue *vq = selected(p);

    switch (offset) {
    case C_FEATURE_SEL: p->feature_sel = v; break;
    case C_GUEST_SEL: p->guest_feature_sel = v; break;
    case C_GUEST: set_guest_features(p, v); break;
    case C_CONFIG_VECTOR: p->vdev->config_vector = virtio_pci_check_vector(p, v); break;
    case C_STATUS:
        virtio_set_status(p->vdev, v);
        if (!(v & 0xff)) {
            virtio_pci_device_reset(p);
        }
        break;
    case C_QUEUE_SEL: p->queue_sel = v < VIRTIO_QUEUE_MAX ? v : p->queue_sel; break;
    default:
        if (vq) {
            queue_write(p, vq, offset, v);
        }
    }
}

/* --- the BAR ------------------------------------------------------------------------------------------------- */

static uint64_t bar_read(void *opaque, uint64_t offset, unsigned size)
{
    VirtioPci *p = opaque;
    uint64_t v = 0;

    switch (offset >> 12) {
    case 0: return common_read(p, offset);
    case 1: return offset == 0x1000 ? virtio_pci_read_isr(p) : 0;
    case 2:
        virtio_config_read(p->vdev, offset & 0xfff, size, &v);
        return v;
    default: return 0;
    }
}

static void bar_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    VirtioPci *p = opaque;

    switch (offset >> 12) {
    case 0: common_write(p, offset, v); break;
    case 2: virtio_config_write(p->vdev, offset & 0xfff, size, v); break;
    case 3: virtio_queue_kick(p->vdev, (offset & 0xfff) / 4); break;
    default: break;
    }
}

/* Each page is a region of its own. */
#define PAGE_OPS(page, base)                                                                                                    \
    static uint64_t page##_in(void *opaque, uint64_t offset, unsigned size) { return bar_read(opaque, (base) + offset, size); } \
    static void page##_out(void *opaque, uint64_t offset, uint64_t v, unsigned size)                                            \
    {                                                                                                                           \
        bar_write(opaque, (base) + offset, v, size);                                                                            \
    }                                                                                                                           \
    static const IoOps page##_ops = { .read = page##_in, .write = page##_out, .max_size = 4 };

PAGE_OPS(common, 0x0000)
PAGE_OPS(isr, 0x1000)
PAGE_OPS(config, 0x2000)
PAGE_OPS(notify, 0x3000)

static void add_page(VirtioPci *p, int page, const char *what, const IoOps *ops)
{
    g_autofree char *name = g_strdup_printf("virtio-pci-%s-%s", what, virtio_class(p->vdev)->name);

    io_region_map_in(p->pci.bars[4].region, io_region_new(IO_SPACE_MEM, name, 0x1000, ops, p), 0x1000 * page, 0);
}

static void add_cap(VirtioPci *p, uint8_t type, uint8_t at, uint8_t len, uint32_t offset)
{
    PciDevice *d = &p->pci;

    pci_add_capability(d, 0x09, at, len);
    d->config[at + 2] = len;
    d->config[at + 3] = type;
    if (type != 5) {
        d->config[at + 4] = 4;
        pci_set32(d, at + 8, offset);
        pci_set32(d, at + 12, 0x1000);
    }
}

void virtio_pci_add_modern(VirtioPci *p)
{
    PciDevice *d = &p->pci;

    add_cap(p, 1, 0x40, 0x10, 0x0000);
    add_cap(p, 3, 0x50, 0x10, 0x1000);
    add_cap(p, 4, 0x60, 0x10, 0x2000);
    add_cap(p, 2, 0x70, 0x14, 0x3000);
    pci_set32(d, 0x80, 4);                       /* bytes between the notification addresses of queues */
    add_cap(p, 5, CFG_CAP, 0x14, 0);
    d->wmask[CFG_BAR] = 0xff;
    memset(d->wmask + CFG_OFFSET, 0xff, 12);
    pci_register_bar_container(d, 4, PCI_BAR_64 | PCI_BAR_PREFETCH, 0x4000, "virtio-pci");
    add_page(p, 0, "common", &common_ops);
    add_page(p, 1, "isr", &isr_ops);
    add_page(p, 2, "device", &config_ops);
    add_page(p, 3, "notify", &notify_ops);
}

/* --- access through configuration space ------------------------------------------------------------------------ */

static bool window(PciDevice *d, uint32_t *offset, uint32_t *len)
{
    *offset = pci_get16(d, CFG_OFFSET) | (uint32_t)pci_get16(d, CFG_OFFSET + 2) << 16;
    *len = pci_get16(d, CFG_LENGTH) | (uint32_t)pci_get16(d, CFG_LENGTH + 2) << 16;
    return d->bars[4].size && d->config[CFG_BAR] == 4 && (*len == 1 || *len == 2 || *len == 4) && *offset % *len == 0
        && *offset < 0x4000;
}

void virtio_pci_config_reading(PciDevice *d, unsigned offset, unsigned size)
{
    uint32_t at, len;

    if (offset < CFG_DATA + 4 && offset + size > CFG_DATA && window(d, &at, &len)) {
        uint32_t v = bar_read(d, at, len);

        memcpy(d->config + CFG_DATA, &v, len);
    }
}

void virtio_pci_config_written(PciDevice *d, unsigned offset, unsigned size)
{
    VirtioPci *p = (VirtioPci *)d;
    uint32_t at, len;

    if (offset < PCI_REG_COMMAND + 2 && offset + size > PCI_REG_COMMAND) {
        virtio_pci_update_held(p);
        if (!pci_is_master(d)) {           /* a driver that wants to go on begins anew, as with the peer */
            virtio_set_status(p->vdev, p->vdev->status & ~VIRTIO_STATUS_DRIVER_OK);
        }
    }
    if (offset < CFG_DATA + 4 && offset + size > CFG_DATA && window(d, &at, &len)) {
        uint32_t v = 0;

        memcpy(&v, d->config + CFG_DATA, len);
        bar_write(d, at, v, len);
    }
}
