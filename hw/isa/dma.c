/*
 * The two 8237 DMA controllers, as far as ISA devices use them: addresses, counts, masks, modes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/isa.h"
#include "migration/vmstate.h"

typedef struct Channel {
    uint16_t base_addr, base_count, addr, count;
    uint8_t mode, page, pageh;
} Channel;

static struct {
    Channel ch[4];
    uint8_t mask, status, command, flip_flop;
} dma[2];

static const uint8_t page_channel[8] = { 0xff, 2, 3, 1, 0xff, 0xff, 0xff, 0 };

static uint64_t chan_access(int unit, unsigned reg, bool write, uint8_t v)
{
    Channel *c = &dma[unit].ch[(reg >> 1) & 3];
    int shift = dma[unit].flip_flop ? 8 : 0;
    uint16_t *now = reg & 1 ? &c->count : &c->addr, *base = reg & 1 ? &c->base_count : &c->base_addr;

    dma[unit].flip_flop ^= 1;
    if (write) {
        *base = (*base & ~(0xff << shift)) | v << shift;
        *now = *base;
        return 0;
    }
    return (*now >> shift) & 0xff;
}

static void control_write(int unit, unsigned reg, uint8_t v)
{
    switch (reg) {
    case 0: dma[unit].command = v; break;
    case 1: break;
    case 2: dma[unit].mask = (dma[unit].mask & ~(1 << (v & 3))) | (v & 4 ? 1 << (v & 3) : 0); break;
    case 3: dma[unit].ch[v & 3].mode = v; break;
    case 4: dma[unit].flip_flop = 0; break;
    case 5:
        dma[unit].flip_flop = 0;
        dma[unit].mask = 0x0f;
        dma[unit].status = dma[unit].command = 0;
        break;
    case 6: dma[unit].mask = 0; break;
    default: dma[unit].mask = v & 15;
    }
}

static uint64_t control_read(int unit, unsigned reg)
{
    uint8_t v = 0;

    if (reg == 0) {
        v = dma[unit].status;
        dma[unit].status &= 0xf0;
    } else if (reg == 7) {
        v = dma[unit].mask;
    }
    return v;
}

/* The opaque is the unit; the second one's registers are two ports apart. */
static uint64_t chan_read(void *opaque, uint64_t offset, unsigned size)
{
    int unit = GPOINTER_TO_INT(opaque);

    return chan_access(unit, offset >> unit, false, 0);
}

static void chan_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    int unit = GPOINTER_TO_INT(opaque);

    chan_access(unit, offset >> unit, true, v);
}

static uint64_t cont_read(void *opaque, uint64_t offset, unsigned size)
{
    int unit = GPOINTER_TO_INT(opaque);

    return control_read(unit, offset >> unit);
}

static void cont_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    int unit = GPOINTER_TO_INT(opaque);

    control_write(unit, offset >> unit, v);
}

/* Two pieces of ports have page registers: three at 1, and one at 7; the opaque is 8 * unit + first. */
static uint8_t *page_of(void *opaque, uint64_t offset)
{
    int at = GPOINTER_TO_INT(opaque) + offset;

    return &dma[at >> 3].ch[page_channel[at & 7]].page;
}

static uint64_t page_read(void *opaque, uint64_t offset, unsigned size) { return *page_of(opaque, offset); }
static void page_write(void *opaque, uint64_t offset, uint64_t v, unsigned size) { *page_of(opaque, offset) = v; }

static const IoOps chan_ops = { .read = chan_read, .write = chan_write, .max_size = 1 };
static const IoOps cont_ops = { .read = cont_read, .write = cont_write, .max_size = 1 };
static const IoOps page_ops = { .read = page_read, .write = page_write, .max_size = 1 };

bool isa_dma_get(int channel, uint64_t *addr, uint32_t *len, bool *to_memory)
{
    int unit = channel >> 2, n = channel & 3;
    Channel *c = &dma[unit].ch[n];

    if (dma[unit].mask & (1 << n)) {
        return false;
    }
    *addr = (uint64_t)c->page << 16 | c->addr;
    *len = (uint32_t)c->count + 1;
    *to_memory = (c->mode & 0x0c) == 4;
    return true;
}

void isa_dma_advance(int channel, uint32_t n)
{
    int unit = channel >> 2;
    Channel *c = &dma[unit].ch[channel & 3];

    c->addr += n;
    if (n > c->count) {
        dma[unit].status |= 1 << (channel & 3);
        if (c->mode & 0x10) {
            c->addr = c->base_addr;
            c->count = c->base_count;
        } else {
            dma[unit].mask |= 1 << (channel & 3);
            c->count = 0xffff;
        }
    } else {
        c->count -= n;
    }
}

/* --- devices ----------------------------------------------------------------------------------------- */

typedef struct I8257 {
    Device dev;
    int32_t base, page_base, pageh_base, dshift;
} I8257;

static bool dma_realize(Device *d, Error **errp)
{
    I8257 *c = (I8257 *)d;
    int unit = c->dshift;

    dma[unit].mask = 0x0f;
    io_region_map(io_region_new(IO_SPACE_PORT, "dma-chan", 8 << unit, &chan_ops, GINT_TO_POINTER(unit)), c->base, 0);
    io_region_map(io_region_new(IO_SPACE_PORT, "dma-page", 3, &page_ops, GINT_TO_POINTER(8 * unit + 1)),
                  c->page_base + 1, 0);
    io_region_map(io_region_new(IO_SPACE_PORT, "dma-page", 1, &page_ops, GINT_TO_POINTER(8 * unit + 7)),
                  c->page_base + 7, 0);
    io_region_map(io_region_new(IO_SPACE_PORT, "dma-cont", 8 << unit, &cont_ops, GINT_TO_POINTER(unit)),
                  c->base + (8 << unit), 0);
    return true;
}

/* Transfers count up from zero in streams: `now` is where they began, and how far they got. */
typedef struct ChannelWire {
    int32_t now[2];
    uint16_t base[2];
    uint8_t mode, page, pageh, dack, eop;
} ChannelWire;

typedef struct DmaWire {
    uint8_t command, mask, flip_flop;
    int32_t dshift;
    ChannelWire regs[4];
} DmaWire;

static void dma_save(void *obj, void *wire)
{
    int unit = ((I8257 *)obj)->dshift != 0;
    DmaWire *w = wire;

    w->command = dma[unit].command;
    w->mask = dma[unit].mask;
    w->flip_flop = dma[unit].flip_flop;
    w->dshift = unit;
    for (int i = 0; i < 4; i++) {
        const Channel *c = &dma[unit].ch[i];

        w->regs[i] = (ChannelWire) {
            { c->base_addr << unit, (uint16_t)(c->base_count - c->count) << unit }, { c->base_addr, c->base_count },
            c->mode, c->page, c->pageh,
        };
    }
}

static bool dma_load(void *obj, const void *wire, Error **errp)
{
    int unit = ((I8257 *)obj)->dshift != 0;
    const DmaWire *w = wire;

    dma[unit].command = w->command;
    dma[unit].mask = w->mask & 15;
    dma[unit].flip_flop = w->flip_flop & 1;
    for (int i = 0; i < 4; i++) {
        const ChannelWire *f = &w->regs[i];
        uint16_t done = (uint32_t)f->now[1] >> unit;

        dma[unit].ch[i] = (Channel) {
            f->base[0], f->base[1], ((uint32_t)f->now[0] >> unit) + done, f->base[1] - done, f->mode, f->page, f->pageh,
        };
    }
    return true;
}

#define CW(f, t) VMF(ChannelWire, f, t)
static const VmField channel_fields[] = {
    VMF_ARRAY(ChannelWire, now, "int32"), VMF_ARRAY(ChannelWire, base, "uint16"), CW(mode, "uint8"), CW(page, "uint8"),
    CW(pageh, "uint8"),
    CW(dack, "uint8"), CW(eop, "uint8"), { NULL }
};
static const VmDesc channel_desc = { .name = "dma_regs", .version = 1, .min_version = 1, .fields = channel_fields };
static const VmField dma_fields[] = {
    VMF(DmaWire, command, "uint8"), VMF(DmaWire, mask, "uint8"), VMF(DmaWire, flip_flop, "uint8"),
    VMF(DmaWire, dshift, "int32"),
    VMF_STRUCTS(DmaWire, regs, &channel_desc), { NULL }
};
static const VmDesc dma_vmstate = {
    .name = "dma", .version = 1, .min_version = 1, .size = sizeof(DmaWire), .fields = dma_fields, .save = dma_save,
    .load = dma_load,
};

static const Property dma_props[] = {
    P_NUM("base", PROP_I32, I8257, base, 0), P_NUM("page-base", PROP_I32, I8257, page_base, 0x80),
    P_NUM("pageh-base", PROP_I32, I8257, pageh_base, 0x480), P_NUM("dshift", PROP_I32, I8257, dshift, 0), { NULL }
};
static const DeviceClass dma_class =
    ISA_CLASS_DEV(.category = DEVICE_UNCATEGORIZED, .no_user = true, .vmstate = &dma_vmstate, .realize = dma_realize);
static const TypeInfo dma_type = {
    .name = "i8257", .parent = "isa-device", .size = sizeof(I8257), .props = dma_props, .class_data = &dma_class,
};
QOM_TYPE(dma_type)

void isa_dma_init(Bus *isa)
{
    for (int unit = 0; unit < 2; unit++) {
        I8257 *c = (I8257 *)device_new("i8257");

        c->base = unit ? 0xc0 : 0;
        c->page_base = unit ? 0x88 : 0x80;
        c->pageh_base = -1;
        c->dshift = unit;
        device_realize(&c->dev, isa, &error_fatal);
    }
}
