/*
 * The SMBus host controller: quick, byte, byte data, word and block transactions, done at once.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/smbus.h"
#include "migration/vmstate.h"
#include "util/cutils.h"

enum {
    REG_STATUS = 0, REG_CONTROL = 2, REG_COMMAND = 3, REG_ADDRESS = 4, REG_DATA0 = 5, REG_DATA1 = 6, REG_BLOCK = 7,
    REG_AUXILIARY = 13,
    STAT_BUSY = 0x01, STAT_DONE = 0x02, STAT_ERROR = 0x04, STAT_KILLED = 0x10, CTL_INTERRUPT = 0x01, CTL_KILL = 0x02,
    CTL_START = 0x40,
    P_QUICK = 0, P_BYTE = 1, P_BYTE_DATA = 2, P_WORD = 3, P_BLOCK = 5,
};

typedef struct Eeprom {
    Device dev;
    uint8_t address, offset;
    uint8_t data[256];
} Eeprom;

bool smbus_device_write(Device *d, const uint8_t *bytes, unsigned n)
{
    Eeprom *e = (Eeprom *)d;

    if (n) {
        e->offset = bytes[0];
    }
    for (unsigned i = 1; i < n; i++) {
        e->data[e->offset++] = bytes[i];
    }
    return true;
}

uint8_t smbus_device_read(Device *d)
{
    Eeprom *e = (Eeprom *)d;

    return e->data[e->offset++];
}

static Device *find(const SmbusHost *s)
{
    for (guint i = 0; i < s->bus->devices->len; i++) {
        Device *d = g_ptr_array_index(s->bus->devices, i);

        if (((Eeprom *)d)->address == s->address >> 1) {
            return d;
        }
    }
    return NULL;
}

/* --- transactions ---------------------------------------------------------------------------------- */

static void read_from(SmbusHost *s, Device *d, unsigned protocol)
{
    if (protocol >= P_BYTE_DATA) {
        smbus_device_write(d, &s->command, 1);
    }
    switch (protocol) {
    case P_BYTE: case P_BYTE_DATA: s->data0 = smbus_device_read(d); break;
    case P_WORD:
        s->data0 = smbus_device_read(d);
        s->data1 = smbus_device_read(d);
        break;
    case P_BLOCK:
        s->data0 = MIN(smbus_device_read(d), SMBUS_BLOCK);
        for (unsigned i = 0; i < s->data0; i++) {
            s->block[i] = smbus_device_read(d);
        }
        s->index = 0;
        break;
    default: break;
    }
}

static bool write_to(SmbusHost *s, Device *d, unsigned protocol)
{
    uint8_t bytes[SMBUS_BLOCK + 2] = { s->command, s->data0, s->data1 };
    static const uint8_t lengths[] = { 0, 1, 2, 3 };

    if (protocol != P_BLOCK) {
        return smbus_device_write(d, bytes, lengths[protocol]);
    }
    if (s->index != s->data0) {              /* the driver did not put in so many bytes */
        return false;
    }
    memcpy(bytes + 2, s->block, s->data0);
    s->index = 0;
    return smbus_device_write(d, bytes, 2 + s->data0);
}

static void transact(SmbusHost *s)
{
    unsigned protocol = (s->control >> 2) & 7;
    Device *d = find(s);
    bool ok = d && (protocol <= P_WORD || protocol == P_BLOCK);

    s->waiting = false;
    if (ok && (s->address & 1)) {
        read_from(s, d, protocol);
    } else if (ok) {
        ok = write_to(s, d, protocol);
    }
    s->status = (s->status & ~STAT_BUSY) | (ok ? STAT_DONE : STAT_ERROR);
}

/* --- registers --------------------------------------------------------------------------------------- */

static void update_irq(SmbusHost *s)
{
    if (s->irq) {
        s->irq(s->opaque, (s->control & CTL_INTERRUPT) && (s->status & (STAT_DONE | STAT_ERROR | STAT_KILLED)));
    }
}

static void write_control(SmbusHost *s, uint8_t v)
{
    s->control = v & ~CTL_START;
    if (v & CTL_KILL) {
        s->waiting = false;
        s->status = (s->status & ~STAT_BUSY) | STAT_KILLED;
    } else if (v & CTL_START) {
        if (v & CTL_INTERRUPT) {
            transact(s);
        } else {
            s->status |= STAT_BUSY;
            s->waiting = true;
        }
    }
    update_irq(s);
}

static void write_block(SmbusHost *s, uint8_t v)
{
    if (s->index >= SMBUS_BLOCK) {
        s->index = 0;
    }
    s->block[s->index++] = v;
}

static uint8_t read_block(SmbusHost *s)
{
    uint8_t v;

    if (s->index >= SMBUS_BLOCK) {
        s->index = 0;
    }
    v = s->block[s->index++];
    if (s->index == s->data0) {
        s->index = 0;
    }
    return v;
}

static void reg_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    SmbusHost *s = opaque;

    switch (offset) {
    case REG_STATUS:
        s->status &= ~(v & ~STAT_BUSY);
        update_irq(s);
        break;
    case REG_CONTROL: write_control(s, v); break;
    case REG_COMMAND: s->command = v; break;
    case REG_ADDRESS: s->address = v; break;
    case REG_DATA0: s->data0 = v; break;
    case REG_DATA1: s->data1 = v; break;
    case REG_BLOCK: write_block(s, v); break;
    case REG_AUXILIARY: s->auxiliary = v & 0x03; break;
    default: break;
    }
}

static uint64_t reg_read(void *opaque, uint64_t offset, unsigned size)
{
    SmbusHost *s = opaque;
    uint8_t v = 0;

    switch (offset) {
    case REG_STATUS:
        v = s->status;
        if (s->waiting) {
            transact(s);
        }
        return v;
    case REG_CONTROL: return s->control;
    case REG_COMMAND: return s->command;
    case REG_ADDRESS: return s->address;
    case REG_DATA0: return s->data0;
    case REG_DATA1: return s->data1;
    case REG_BLOCK: return read_block(s);
    case REG_AUXILIARY: return s->auxiliary;
    default: return 0;
    }
}

const IoOps smbus_ops = { .read = reg_read, .write = reg_write, .max_size = 1 };

void smbus_reset(SmbusHost *s)
{
    s->status = s->control = s->command = s->address = s->data0 = s->data1 = 0;
    s->auxiliary = 0x02;
    s->index = 0;
    s->waiting = false;
}

void smbus_init(SmbusHost *s, Device *parent, void (*irq)(void *opaque, int level), void *opaque)
{
    static const BusType kind = { .name = "i2c-bus" };

    s->irq = irq;
    s->opaque = opaque;
    s->bus = bus_new(&kind, parent, "i2c");
    smbus_reset(s);
}

/* --- a memory that keeps what it is told ----------------------------------------------------------------- */

static void eeprom_reset(Device *d) { ((Eeprom *)d)->offset = 0; }

static const Property eeprom_props[] = { P_NUM("address", PROP_U8, Eeprom, address, 0), { NULL } };
static const DeviceClass eeprom_class = {
    .bus_type = "i2c-bus", .no_user = true, .no_hotplug = true, .category = DEVICE_UNCATEGORIZED, .reset = eeprom_reset,
};
static const TypeInfo eeprom_type = {
    .name = "smbus-eeprom", .parent = "device", .size = sizeof(Eeprom), .props = eeprom_props,
    .class_data = &eeprom_class,
};
QOM_TYPE(eeprom_type)

void smbus_add_eeproms(SmbusHost *s)
{
    for (int i = 0; i < 8; i++) {
        Eeprom *e = (Eeprom *)device_new("smbus-eeprom");

        e->address = 0x50 + i;
        device_realize(&e->dev, s->bus, &error_fatal);
    }
}

/* --- state ------------------------------------------------------------------------------------------------ */

#define SW(n, f) VMFN(n, "uint8", SmbusWire, f)
static const VmField smbus_fields[] = {
    SW("smb_stat", status), SW("smb_ctl", control), SW("smb_cmd", command), SW("smb_addr", address),
    SW("smb_data0", data0),
    SW("smb_data1", data1), VMFN("smb_index", "uint32", SmbusWire, index),
    VMF_ARRAYN("smb_data", "uint8", SmbusWire, block),
    SW("smb_auxctl", auxiliary), SW("smb_blkdata", block_data), VMFN("i2c_enable", "bool", SmbusWire, i2c_enable),
    VMFN("op_done", "bool", SmbusWire, op_done), VMFN("in_i2c_block_read", "bool", SmbusWire, in_block_read),
    VMFN("start_transaction_on_status_read", "bool", SmbusWire, waiting), { NULL }
};
const VmDesc smbus_wire_desc = { .name = "pmsmb", .version = 1, .min_version = 1, .fields = smbus_fields };

void smbus_wire_save(const SmbusHost *s, SmbusWire *w)
{
    *w = (SmbusWire) {
        s->status, s->control, s->command, s->address, s->data0, s->data1, .auxiliary = s->auxiliary, .op_done = 1,
        .waiting = s->waiting,
        .index = s->index,
    };
    memcpy(w->block, s->block, sizeof(w->block));
}

bool smbus_wire_load(SmbusHost *s, const SmbusWire *w, Error **errp)
{
    if (w->index >= SMBUS_BLOCK) {
        error_setg(errp, "the block of the SMBus has no byte %" PRIu32, w->index);
        return false;
    }
    s->status = w->status;
    s->control = w->control;
    s->command = w->command;
    s->address = w->address;
    s->data0 = w->data0;
    s->data1 = w->data1;
    s->auxiliary = w->auxiliary;
    s->waiting = w->waiting;
    s->index = w->index;
    memcpy(s->block, w->block, sizeof(s->block));
    return true;
}
