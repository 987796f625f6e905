/*
 * Requests of virtio-blk as they stand in a ring: what devices and exports read in the same way.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIRTIO_BLK_REQUEST_H
#define VIRTIO_BLK_REQUEST_H

#include "virtio/vring.h"

enum { VIRTIO_BLK_T_IN = 0, VIRTIO_BLK_T_OUT = 1, VIRTIO_BLK_T_SCSI = 2, VIRTIO_BLK_T_FLUSH = 4, VIRTIO_BLK_T_GET_ID = 8,
       VIRTIO_BLK_T_DISCARD = 11, VIRTIO_BLK_T_WRITE_ZEROES = 13 };
enum { VIRTIO_BLK_S_OK = 0, VIRTIO_BLK_S_IOERR = 1, VIRTIO_BLK_S_UNSUPP = 2 };
/* Feature bits. */
enum { VIRTIO_BLK_F_SIZE_MAX = 1, VIRTIO_BLK_F_SEG_MAX = 2, VIRTIO_BLK_F_GEOMETRY = 4, VIRTIO_BLK_F_RO = 5,
       VIRTIO_BLK_F_BLK_SIZE = 6, VIRTIO_BLK_F_SCSI = 7, VIRTIO_BLK_F_FLUSH = 9, VIRTIO_BLK_F_TOPOLOGY = 10,
       VIRTIO_BLK_F_CONFIG_WCE = 11, VIRTIO_BLK_F_MQ = 12, VIRTIO_BLK_F_DISCARD = 13, VIRTIO_BLK_F_WRITE_ZEROES = 14 };

#define VIRTIO_BLK_ID_BYTES 20

typedef struct VirtioBlkIo {
    uint32_t type;                     /* without the old barrier bit */
    uint64_t sector;
    IoVec data;                        /* between header and status byte; iov_destroy it */
} VirtioBlkIo;

/* NULL; or what is wrong with the element, which has no place for a status then: nothing is to be released. */
const char *virtio_blk_parse(VirtioBlkIo *io, const VirtElement *e);
static inline bool virtio_blk_writes(const VirtioBlkIo *io)
{
    return io->type == VIRTIO_BLK_T_OUT || io->type == VIRTIO_BLK_T_DISCARD || io->type == VIRTIO_BLK_T_WRITE_ZEROES;
}

/* Is the range inside a disk of `length` bytes (negative: unknown, nothing is), and made of whole logical blocks? */
bool virtio_blk_range_ok(uint64_t sector, uint64_t bytes, uint32_t logical, int64_t length);

typedef struct VirtioBlkRange {
    int64_t offset, bytes;
    bool unmap;
} VirtioBlkRange;
/* What is to be discarded or zeroed: a status, or -1 when the data are too short to say. */
int virtio_blk_parse_range(const VirtioBlkIo *io, uint32_t max_sectors, uint32_t logical, int64_t length, VirtioBlkRange *range);

/* Write the serial number where the driver wants it. */
void virtio_blk_put_id(const VirtioBlkIo *io, const char *serial);

#endif
