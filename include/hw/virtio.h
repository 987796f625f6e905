/*
 * Virtio devices and their rings.
 *
 * A ring is worked on by one thread at a time: the main thread, or the device's I/O thread once its context is
 * set.  What the guest wrote is read once and checked; a ring that makes no sense marks the device broken
 * (NEEDS_RESET) until the guest resets it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VIRTIO_H
#define HW_VIRTIO_H

#include "hw/device.h"
#include "util/aio.h"
#include "virtio/vring.h"

#define VIRTQUEUE_MAX_SIZE VRING_MAX_SIZE
#define VIRTIO_QUEUE_MAX 1024
#define VIRTIO_NO_VECTOR 0xffff

enum {
    VIRTIO_F_NOTIFY_ON_EMPTY = 24, VIRTIO_F_ANY_LAYOUT = 27, VIRTIO_F_INDIRECT = 28, VIRTIO_F_EVENT_IDX = 29,
    VIRTIO_F_BAD_FEATURE = 30, VIRTIO_F_VERSION_1 = 32, VIRTIO_F_IOMMU = 33, VIRTIO_F_PACKED = 34,
    VIRTIO_F_RING_RESET = 40,
    VIRTIO_STATUS_ACKNOWLEDGE = 1, VIRTIO_STATUS_DRIVER = 2, VIRTIO_STATUS_DRIVER_OK = 4, VIRTIO_STATUS_FEATURES_OK = 8,
    VIRTIO_STATUS_NEEDS_RESET = 0x40, VIRTIO_STATUS_FAILED = 0x80,
};

typedef struct VirtioDevice VirtioDevice;
typedef struct VirtQueue VirtQueue;
typedef void VirtQueueHandler(VirtioDevice *vdev, VirtQueue *vq);

struct VirtQueue {
    VRing ring;                           /* at guest addresses */
    VirtioDevice *vdev;
    int index;
    uint16_t default_num;                 /* size offered; 0: no such queue */
    bool enabled;
    uint16_t vector;
    VirtQueueHandler *handler;
    AioBh *kick;                          /* runs the handler in the device's context */
};

/* A request of the driver that is not done yet. */
typedef struct VirtioWaiting {
    uint16_t queue, head;
    const VirtElement *element;           /* borrowed; NULL when it comes from a stream */
} VirtioWaiting;

typedef struct VirtioClass {
    DeviceClass dev;
    uint16_t device_id;                   /* virtio's: 2 block, 8 scsi */
    const char *name;                     /* "virtio-blk" in messages and region names */
    unsigned config_size;
    /* realize: virtio_init queues and so on; backend checks */
    bool (*realize)(VirtioDevice *vdev, Error **errp);
    void (*unrealize)(VirtioDevice *vdev);
    uint64_t (*features)(VirtioDevice *vdev, uint64_t base);
    void (*features_set)(VirtioDevice *vdev);
    void (*get_config)(VirtioDevice *vdev, uint8_t *config);
    void (*set_config)(VirtioDevice *vdev, const uint8_t *config);
    void (*status_changed)(VirtioDevice *vdev, uint8_t old);
    void (*reset)(VirtioDevice *vdev);    /* nothing in flight afterwards */
    /* the same for one queue, from which nothing more is taken */
    void (*queue_reset)(VirtioDevice *vdev, unsigned i);
    void (*held)(VirtioDevice *vdev, bool on);               /* on: what is in flight ends; off: what waits may go on */
    int (*default_vectors)(VirtioDevice *vdev);
    /* State: requests that wait for the machine to run, oldest first (how many of them; NULL: there are never any),
       ... */
    unsigned (*waiting)(VirtioDevice *vdev, VirtioWaiting *out, unsigned max);
    /* ... put back one by one, ... */
    bool (*wait_again)(VirtioDevice *vdev, unsigned queue, uint16_t head, Error **errp);
    /* ... and what else follows from the loaded configuration space, which may be empty. */
    void (*loaded)(VirtioDevice *vdev, const uint8_t *config);
} VirtioClass;

/* Called in any thread. */
typedef struct VirtioTransport {
    void (*notify)(void *opaque, uint16_t vector);        /* a queue's or the configuration's interrupt */
    void *opaque;
    bool modern;                          /* drivers may agree on version 1 */
    /* queues can be kicked without the main thread: what an I/O thread asks for */
    bool ioeventfd;
} VirtioTransport;

struct VirtioDevice {
    Device dev;
    uint64_t feature_bits;                /* switched by properties: those that may be offered */
    uint64_t host_features, guest_features;
    uint8_t status, isr;                  /* isr: atomic */
    bool broken;                          /* atomic */
    /* atomic: the transport may not reach memory, so nothing is taken from the rings */
    bool held;
    bool use_started, use_disabled_flag, disable_legacy_check;
    uint32_t generation;
    uint16_t config_vector;
    VirtQueue *vqs;                       /* n_queues */
    unsigned n_queues;
    AioContext *ctx;                      /* NULL: main */
    VirtioTransport transport;
    uint8_t *config;                      /* config_size */
};

#define VIRTIO_DEVICE(o) ((VirtioDevice *)(o))
static inline const VirtioClass *virtio_class(const VirtioDevice *v) { return type_class(v->dev.obj.type); }

bool virtio_device_realize(Device *d, Error **errp);
void virtio_device_unrealize(Device *d);
#define VIRTIO_CLASS_DEV(...) { .bus_type = "virtio-bus", .realize = virtio_device_realize, .unrealize = virtio_device_unrealize, \
                                .no_hotplug = true, .category = DEVICE_STORAGE, __VA_ARGS__ }

/* For a device's realize. */
bool virtio_can_use_iothread(VirtioDevice *vdev, Error **errp);
void virtio_add_queues(VirtioDevice *vdev, unsigned n);
/* How many request queues when the user did not say: over PCI one for each processor; fixed: others that the device
   has. */
unsigned virtio_auto_queues(const VirtioDevice *vdev, unsigned fixed);
/* Up to the last that is there. */
unsigned virtio_count_queues(const VirtioDevice *vdev);
void virtio_set_queue(VirtioDevice *vdev, unsigned i, uint16_t size, VirtQueueHandler *handler);
static inline bool virtio_has(const VirtioDevice *v, unsigned bit) { return v->guest_features & (1ULL << bit); }

/* --- the ring ---------------------------------------------------------------------------------- */

#define VIRTQUEUE(r) ((VirtQueue *)(r))
extern const VRingOps virtqueue_ops;
/* As vring_push; for memory whose changes are tracked. */
void virtqueue_push(VirtElement *e, uint32_t len);
/* Interrupt the guest if it wants to know. */
void virtio_notify(VirtioDevice *vdev, VirtQueue *vq);
void virtio_notify_config(VirtioDevice *vdev);
void virtio_error(VirtioDevice *vdev, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* --- for the transport (main thread) -------------------------------------------------------------- */
void virtio_queue_kick(VirtioDevice *vdev, unsigned i);
/* All queues, from a bottom half. */
void virtio_kick_all(VirtioDevice *vdev);
void virtio_queue_reset(VirtioDevice *vdev, unsigned i);
/* The driver resets one queue: what was taken from it is over on return, and not given back. */
void virtio_queue_stop(VirtioDevice *vdev, unsigned i);
void virtio_set_status(VirtioDevice *vdev, uint8_t status);
void virtio_reset(VirtioDevice *vdev);
/* Nothing is taken any more, and what was is given back on return (on), or kicks are heard again. */
void virtio_hold(VirtioDevice *vdev, bool on);
/* Whatever the I/O thread was doing for this device at the time of the call is over on return. */
void virtio_barrier(VirtioDevice *vdev);
bool virtio_set_features(VirtioDevice *vdev, uint64_t features);
void virtio_config_read(VirtioDevice *vdev, unsigned offset, unsigned size, uint64_t *value);
void virtio_config_write(VirtioDevice *vdev, unsigned offset, unsigned size, uint64_t value);
/* Legacy layout: descriptors, available, used in one block of pages at addr. */
void virtio_queue_set_legacy(VirtioDevice *vdev, unsigned i, uint64_t addr);
/* From here on queues are worked on in ctx (NULL: main). */
void virtio_set_context(VirtioDevice *vdev, AioContext *ctx);


#endif
