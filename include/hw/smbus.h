/*
 * The SMBus host controller of Intel's south bridges, with a bus for devices such as the memory modules' descriptions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_SMBUS_H
#define HW_SMBUS_H

#include "hw/device.h"
#include "machine/memory.h"

#define SMBUS_BLOCK 32

typedef struct SmbusHost {
    Bus *bus;
    uint8_t status, control, command, address, data0, data1, auxiliary;
    uint8_t block[SMBUS_BLOCK];
    unsigned index;                      /* in block */
    bool waiting;                        /* a transaction starts with the next look at the status */
    void (*irq)(void *opaque, int level);
    void *opaque;
} SmbusHost;

/* The registers, 64 bytes, for a function that maps them. */
extern const IoOps smbus_ops;
void smbus_init(SmbusHost *s, Device *parent, void (*irq)(void *opaque, int level), void *opaque);
void smbus_reset(SmbusHost *s);
/* Eight descriptions of memory modules, blank, at addresses 0x50 to 0x57. */
void smbus_add_eeproms(SmbusHost *s);

/* State: 48 bytes of a section. */
typedef struct SmbusWire {
    uint8_t status, control, command, address, data0, data1, block[SMBUS_BLOCK], auxiliary, block_data, i2c_enable,
        op_done, in_block_read, waiting;
    uint32_t index;
} SmbusWire;
extern const struct VmDesc smbus_wire_desc;
void smbus_wire_save(const SmbusHost *s, SmbusWire *w);
bool smbus_wire_load(SmbusHost *s, const SmbusWire *w, Error **errp);

/* A device on the bus: the first byte written is a command. */
bool smbus_device_write(Device *d, const uint8_t *bytes, unsigned n);
uint8_t smbus_device_read(Device *d);

#endif
