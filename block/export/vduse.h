/*
 * An export as a vDPA device of this host (VDUSE): the kernel plays the transport, this program the device.
 *
 * vduse-blk.c makes and removes the device; vduse-dev.c answers the kernel and runs the queues.  All but making and removing
 * happens in the export's context.  Addresses of rings and buffers are the kernel's (IOVA); what lies there is mapped piece by
 * piece as it is met, and given up when the kernel says so, with nothing in flight.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_EXPORT_VDUSE_H
#define BLOCK_EXPORT_VDUSE_H

#include <linux/vduse.h>
#include "block/export.h"
#include "virtio-blk-serve.h"

typedef struct VduseExport VduseExport;

typedef struct VduseQueue {
    VRing ring;
    VduseExport *e;
    unsigned index;
    int kick;                          /* -1: none */
    bool running;
    AioBh *more;                       /* while it runs: goes on with what is left in the ring */
} VduseQueue;

typedef struct VduseRegion {
    uint64_t start, last;
    uint8_t perm;                      /* VDUSE_ACCESS_* */
    uint8_t *host;
} VduseRegion;

struct VduseExport {
    BlockExport common;
    VirtioBlkServer server;
    int control, dev;
    char *name, *serial;
    VduseQueue *queues;
    GArray *regions;                   /* of VduseRegion */
    uint64_t features;                 /* that the driver took */
    bool broken;                       /* atomic: the driver wrote nonsense; until it resets the device */
    bool gone;                         /* atomic: memory was taken away */
    bool started, busy;                /* busy: a message of the kernel is being answered */
    bool ending, waits;                /* waits: with a reference, until nothing is in flight */
    CoQueue idle;
};

/* Watch the kernel and begin; the thread of the context is stopped or the caller's. */
void vduse_dev_init(VduseExport *e);
void vduse_dev_watch(VduseExport *e, bool on);
void vduse_dev_stop(VduseExport *e);
/* Nothing is in flight any more. */
void vduse_dev_clear(VduseExport *e);

#endif
