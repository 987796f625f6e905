/*
 * Command descriptor blocks: how much a command moves, in which direction, where.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/scsi/scsi-int.h"
#include "util/cutils.h"

int scsi_cdb_length(uint8_t opcode)
{
    static const int lengths[8] = { 6, 10, 10, 0, 16, 12, 0, 0 };

    return lengths[opcode >> 5];
}

static uint64_t default_xfer(const uint8_t *cdb)
{
    switch (cdb[0] >> 5) {
    case 0: return cdb[4];
    case 1: case 2: return load_be16(cdb + 7);
    case 4: return load_be32(cdb + 10);
    case 5: return load_be32(cdb + 6);
    default: return 0;
    }
}

static uint64_t address(const uint8_t *cdb)
{
    switch (cdb[0] >> 5) {
    case 0: return load_be32(cdb) & 0x1fffff;
    case 4: return load_be64(cdb + 2);
    default: return load_be32(cdb + 2);
    }
}

static bool moves_nothing(uint8_t op)
{
    static const uint8_t ops[] = {
        0x00, 0x01, 0x04, 0x0b, 0x10, 0x11, 0x16, 0x17, 0x19, 0x1b, 0x1e, 0x2b, 0x34, 0x35, 0x36, 0x56, 0x57, 0x91,
        0x92,
    };

    return memchr(ops, op, sizeof(ops)) != NULL;
}

static bool is_block_transfer(uint8_t op)
{
    static const uint8_t ops[] = { 0x08, 0x0a, 0x28, 0x2a, 0x2e, 0x88, 0x8a, 0x8e, 0xa8, 0xaa, 0xae };

    return memchr(ops, op, sizeof(ops)) != NULL;
}

static bool is_out(uint8_t op)
{
    static const uint8_t ops[] = {
        0x04, 0x07, 0x0a, 0x15, 0x18, 0x1d, 0x24, 0x2a, 0x2e, 0x2f, 0x31, 0x39, 0x3a, 0x3b, 0x3d, 0x3f, 0x40, 0x41,
        0x42, 0x4c,
        0x55, 0x5d, 0x5f, 0x83, 0x8a, 0x8e, 0x8f, 0x93, 0xa4, 0xaa, 0xae, 0xaf, 0xb0, 0xb1, 0xb2, 0xb6, 0xbf,
    };

    return memchr(ops, op, sizeof(ops)) != NULL;
}

/* Bytes of the initiator's data that go with a VERIFY. */
static uint64_t verify_xfer(const uint8_t *cdb, uint64_t blocks, uint32_t blocksize)
{
    return !(cdb[1] & 2) ? 0 : (cdb[1] & 4 ? 1 : blocks) * blocksize;
}

void scsi_parse_cdb(ScsiReq *r)
{
    const uint8_t *cdb = r->cdb;
    uint32_t blocksize = r->dev->blocksize;
    uint8_t op = cdb[0];

    r->lba = address(cdb);
    r->xfer = default_xfer(cdb);
    if (moves_nothing(op)) {
        r->xfer = 0;
    } else if (is_block_transfer(op)) {
        if ((op == 0x08 || op == 0x0a) && !r->xfer) {
            r->xfer = 256;
        }
        r->xfer *= blocksize;
    } else if (op == 0x2f || op == 0x8f || op == 0xaf) {
        r->xfer = verify_xfer(cdb, r->xfer, blocksize);
    } else if (op == 0x41 || op == 0x93) {
        r->xfer = cdb[1] & 1 ? 0 : blocksize;
    } else if (op == 0x25) {
        r->xfer = 8;
    } else if (op == 0x12) {
        r->xfer = load_be16(cdb + 3);
    } else if (op == 0xad && r->dev->type == SCSI_TYPE_ROM) {
        r->xfer = load_be16(cdb + 8);
    } else if (op == 0xac && r->dev->type == SCSI_TYPE_ROM) {
        r->xfer = 8 + 16 * (uint64_t)load_be16(cdb + 8);
    } else if (op == 0xac || op == 0xbb) {
        r->xfer = 0;
    } else if (op == 0xbe && r->dev->type == SCSI_TYPE_ROM) {
        r->xfer = 0;
    }
    r->direction = !r->xfer ? SCSI_XFER_NONE : is_out(op) ? SCSI_TO_DEV : SCSI_FROM_DEV;
}
