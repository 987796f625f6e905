/*
 * Serving virtio-blk requests from rings that another program drives (vhost-user-blk, vduse-blk).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_EXPORT_VIRTIO_BLK_SERVE_H
#define BLOCK_EXPORT_VIRTIO_BLK_SERVE_H

#include "block/backend.h"
#include "virtio/blk.h"

#define VIRTIO_BLK_SERVE_CONFIG 60     /* bytes of configuration, up to write_zeroes_may_unmap and its padding */
#define VIRTIO_BLK_SERVE_WCE 32        /* offset of the byte that switches the write cache */

/* Lives in one thread. */
typedef struct VirtioBlkServer {
    BlockBackend *blk;
    const char *serial;
    uint32_t logical;                  /* block size */
    uint16_t num_queues;
    bool writable;
    unsigned in_flight;
    /* The request was done, len bytes were written: give it back to its ring (vring_push) and tell the driver. */
    void (*give_back)(struct VirtioBlkServer *s, VirtElement *e, uint32_t len);
    /* in_flight has just become 0. */
    void (*idle)(struct VirtioBlkServer *s);
} VirtioBlkServer;

/* Features of the device, without those of transport and ring. */
uint64_t virtio_blk_serve_features(const VirtioBlkServer *s);
/* VIRTIO_BLK_SERVE_CONFIG bytes. */
void virtio_blk_serve_config(const VirtioBlkServer *s, uint8_t *config);
/* Begin the requests that wait in the ring; true: there may be more, call it again when others had their turn. */
bool virtio_blk_serve_ring(VirtioBlkServer *s, VRing *ring);
/* Is this block size possible?  id: of the export, for the error. */
bool virtio_blk_serve_check_logical(const char *id, uint64_t size, Error **errp);

#endif
