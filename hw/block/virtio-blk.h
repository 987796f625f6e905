/*
 * The two halves of virtio-blk: device and requests.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_BLOCK_VIRTIO_BLK_H
#define HW_BLOCK_VIRTIO_BLK_H

#include "hw/blockconf.h"
#include "hw/virtio-pci.h"
#include "hw/virtio.h"
#include "machine/runstate.h"
#include "objects/iothread.h"

#define VIRTIO_BLK_CONFIG_SIZE 57      /* up to write_zeroes_may_unmap */

typedef struct VirtioBlkReq VirtioBlkReq;

typedef struct VirtioBlk {
    VirtioDevice vdev;
    BlockConf conf;
    char *serial;
    uint32_t host_bits, merging, max_discard_sectors, max_write_zeroes_sectors;
    uint16_t num_queues, queue_size;
    bool seg_max_adjust, report_discard_granularity, wce_if_config_wce, original_wce;
    IoThread *iothread;
    VmListener *listener;
    pthread_mutex_t lock;
    VirtioBlkReq *waiting;         /* requests that wait for the machine to run */
} VirtioBlk;

#define VIRTIO_BLK(o) ((VirtioBlk *)(o))

void virtio_blk_handle_queue(VirtioDevice *vdev, VirtQueue *vq);
void virtio_blk_vm_changed(void *opaque, bool running, VmState state);
/* A drained section is over: look at the rings and at what waits, which were left alone meanwhile. */
void virtio_blk_drained_end(void *opaque);
/* State: VirtioClass.waiting, wait_again. */
unsigned virtio_blk_waiting(VirtioDevice *vdev, VirtioWaiting *out, unsigned max);
bool virtio_blk_wait_again(VirtioDevice *vdev, unsigned queue, uint16_t head, Error **errp);
/* After a drain: forget what waits. */
void virtio_blk_drop_waiting(VirtioBlk *s, const VirtQueue *of);      /* NULL: of all queues */

#endif
