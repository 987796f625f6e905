/*
 * Requests of virtio-blk: header, data, status byte, and their checks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "virtio/blk.h"

#define BARRIER 0x80000000u
#define MAX_BYTES ((uint64_t)INT32_MAX & ~511ULL)

const char *virtio_blk_parse(VirtioBlkIo *io, const VirtElement *e)
{
    struct { uint32_t type, priority; uint64_t sector; } header;

    if (!e->out.size || !e->in.size) {
        return "virtio-blk missing headers";
    }
    if (iov_to_buf(&e->out, 0, &header, sizeof(header)) != sizeof(header)) {
        return "virtio-blk request outhdr too short";
    }
    io->type = header.type & ~BARRIER;
    io->sector = header.sector;
    if (io->type == VIRTIO_BLK_T_IN || io->type == VIRTIO_BLK_T_GET_ID) {
        iov_init(&io->data, e->in.niov);
        iov_concat(&io->data, &e->in, 0, e->in.size - 1);
    } else {
        iov_init(&io->data, e->out.niov);
        iov_concat(&io->data, &e->out, sizeof(header), e->out.size - sizeof(header));
    }
    return NULL;
}

bool virtio_blk_range_ok(uint64_t sector, uint64_t bytes, uint32_t logical, int64_t length)
{
    uint64_t total = length < 0 ? 0 : length / 512, sectors = bytes / 512;

    return bytes <= MAX_BYTES && bytes % logical == 0 && sector % (logical / 512) == 0
        && sectors <= total && sector <= total - sectors;
}

int virtio_blk_parse_range(const VirtioBlkIo *io, uint32_t max_sectors, uint32_t logical, int64_t length,
                           VirtioBlkRange *range)
{
    struct { uint64_t sector; uint32_t sectors, flags; } h;
    bool zeroes = io->type == VIRTIO_BLK_T_WRITE_ZEROES;

    if (io->data.size > sizeof(h)) {           /* one range at a time */
        return VIRTIO_BLK_S_UNSUPP;
    }
    if (iov_to_buf(&io->data, 0, &h, sizeof(h)) != sizeof(h)) {
        return -1;
    }
    if (h.sectors > max_sectors || !virtio_blk_range_ok(h.sector, (uint64_t)h.sectors * 512, logical, length)) {
        return VIRTIO_BLK_S_IOERR;
    }
    if (h.flags & ~(zeroes ? 1u : 0u)) {
        return VIRTIO_BLK_S_UNSUPP;
    }
    *range = (VirtioBlkRange) { h.sector * 512, (int64_t)h.sectors * 512, h.flags & 1 };
    return VIRTIO_BLK_S_OK;
}

void virtio_blk_put_id(const VirtioBlkIo *io, const char *serial)
{
    iov_from_buf(&io->data, 0, serial, MIN(strlen(serial) + 1, MIN(io->data.size, VIRTIO_BLK_ID_BYTES)));
}
