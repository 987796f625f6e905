/*
 * Split virtqueues, the device's side: taking requests, giving them back, whether to notify the driver.
 *
 * Who owns the ring says by VRingOps how its memory is reached: a machine's devices through the guest's memory map, exports
 * through regions that a front end shares.  A ring is worked on by one thread at a time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIRTIO_VRING_H
#define VIRTIO_VRING_H

#include <stdbool.h>
#include <stdint.h>
#include <glib.h>
#include "util/iov.h"

#define VRING_MAX_SIZE 1024

enum { VRING_F_NOTIFY_ON_EMPTY = 24, VRING_F_INDIRECT = 28, VRING_F_EVENT_IDX = 29 };

typedef struct VRing VRing;

/* The functions that reach memory return false when there is none at the address; addresses that the ring itself lies at
   (desc, avail, used and what follows) are the owner's to define, those of buffers and indirect tables are the driver's. */
typedef struct VRingOps {
    bool (*load16)(VRing *r, uint64_t addr, uint16_t *v);
    bool (*store16)(VRing *r, uint64_t addr, uint16_t v);
    bool (*store32)(VRing *r, uint64_t addr, uint32_t v);
    /* Descriptors; indirect: from the driver's address. */
    bool (*read)(VRing *r, uint64_t addr, void *buf, uint64_t len, bool indirect);
    bool (*map)(VRing *r, IoVec *v, uint64_t addr, uint64_t len, bool for_write);
    /* What the driver wrote makes no sense: *r->broken must be true afterwards. */
    void (*error)(VRing *r, const char *text);
} VRingOps;

struct VRing {
    const VRingOps *ops;
    const bool *broken;                   /* atomic; nothing is taken or given back while it is true */
    const uint64_t *features;             /* that were agreed on */
    uint16_t num;                         /* size; 0: no ring */
    uint64_t desc, avail, used;           /* 0: not set up */
    uint16_t last_avail, used_idx, signalled_used;
    uint16_t seen_avail;                  /* the driver's index when it was looked at last */
    bool signalled_valid, notification;
    int inuse;                            /* elements popped and not pushed */
};

/* One request of the driver: what it lets us read (out) and write (in). */
typedef struct VirtElement {
    VRing *ring;
    uint16_t head;
    IoVec out, in;
} VirtElement;

static inline bool vring_ready(const VRing *r) { return r->desc && r->num; }
void vring_error(VRing *r, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
bool vring_empty(VRing *r);
/* Begin again at an index that both sides know. */
void vring_restart(VRing *r, uint16_t index);

/* The next request; false when there is none or the ring is broken.  Release with vring_push or vring_discard. */
bool vring_pop(VRing *r, VirtElement *e);
/* The request whose chain begins at head, popped before and not given back (state was loaded). */
bool vring_pop_again(VRing *r, uint16_t head, VirtElement *e);
/* Put back what was popped last and not begun. */
void vring_unpop(VirtElement *e);
/* Done: len bytes were written for the driver.  Frees what e holds. */
void vring_push(VirtElement *e, uint32_t len);
/* Drop without telling the driver. */
void vring_discard(VirtElement *e);
/* After pushes: does the driver want to hear of them? */
bool vring_should_notify(VRing *r);
/* Whether the driver should tell of new requests. */
void vring_set_notification(VRing *r, bool on);

#endif
