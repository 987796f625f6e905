/*
 * State of virtio devices, for their descriptions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VIRTIO_VMSTATE_VIRTIO_H
#define HW_VIRTIO_VMSTATE_VIRTIO_H

#include "hw/virtio-pci.h"
#include "migration/vmstate.h"

#define VIRTIO_VECTORS_MAX 2048
#define VIRTIO_WAITING_MAX 1024

typedef struct QueueWire {
    uint32_t num;
    uint64_t desc, avail, used;
    uint16_t last_avail, vector;
} QueueWire;

/* As the modern registers hold it: halves, low first. */
typedef struct ModernWire {
    uint16_t num, enabled;
    uint32_t desc[2], avail[2], used[2];
} ModernWire;

typedef struct VirtioWire {
    VirtioDevice *vdev;                    /* borrowed; not in the stream */
    PciWire pci;
    uint32_t vectors;                      /* 0: no MSI-X */
    uint8_t msix_table[VIRTIO_VECTORS_MAX * 16], msix_pending[VIRTIO_VECTORS_MAX / 8];
    uint16_t config_vector, queue_sel;
    uint8_t status, isr, broken, started, disabled;
    uint64_t features;
    uint32_t config_len;
    uint8_t config[256];
    uint32_t n_queues;
    QueueWire q[VIRTIO_QUEUE_MAX];
    bool modern, sizes_changed;
    uint32_t feature_sel, guest_feature_sel, guest_features[2];
    ModernWire m[VIRTIO_QUEUE_MAX];
    uint32_t sizes[VIRTIO_QUEUE_MAX];
    uint32_t n_waiting;
    VirtioWaiting waiting[VIRTIO_WAITING_MAX];
} VirtioWire;

extern const VmField virtio_wire_fields[];
/* A device's section: its name, and the version that the peer has for it. */
#define VIRTIO_VMSTATE(n, v) { .name = n, .version = v, .min_version = v, .size = sizeof(VirtioWire), .fields = virtio_wire_fields, \
                               .save = virtio_wire_save, .load = virtio_wire_load }
void virtio_wire_save(void *obj, void *wire);
bool virtio_wire_load(void *obj, const void *wire, Error **errp);

#endif
