/*
 * The two 8259 interrupt controllers of a PC; the second hangs on input 2 of the first.
 *
 * Their output has no processor to go to yet (gsi_set_sink takes interrupts over for an accelerator).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/pc-chips.h"
#include "migration/vmstate.h"

typedef struct Pic {
    Device dev;
    uint32_t iobase, elcr_addr;
    uint8_t elcr_mask;
    bool master;
    uint8_t last_irr, irr, imr, isr, priority_add, irq_base, elcr;
    uint8_t init_state;        /* 0: none runs; else the number of the word that is awaited */
    bool read_isr, poll, special_mask, auto_eoi, rotate_on_auto_eoi, fully_nested, init4, single;
    struct Pic *slave;         /* of the master */
    uint64_t raised[8];
} Pic;

static Pic *pics[2];

/* 0 is highest; 8: none. */
static int priority_of(const Pic *p, uint8_t mask)
{
    int priority = 0;

    if (!mask) {
        return 8;
    }
    while (!(mask & (1 << ((priority + p->priority_add) & 7)))) {
        priority++;
    }
    return priority;
}

/* The input that is to be served next, -1: none. */
static int pending(const Pic *p)
{
    uint8_t mask = p->irr & ~p->imr, serving = p->isr;
    int priority = priority_of(p, mask), current;

    if (priority == 8) {
        return -1;
    }
    if (p->special_mask) {
        serving &= ~p->imr;
    }
    if (p->fully_nested && p->master) {
        serving &= ~(1 << 2);
    }
    current = priority_of(p, serving);
    return priority < current ? (priority + p->priority_add) & 7 : -1;
}

static void input(Pic *p, int n, int level)
{
    uint8_t bit = 1 << n;

    if (p->elcr & bit) {
        p->irr = level ? p->irr | bit : p->irr & ~bit;
        p->last_irr = level ? p->last_irr | bit : p->last_irr & ~bit;
    } else if (level) {
        p->irr |= p->last_irr & bit ? 0 : bit;
        p->last_irr |= bit;
    } else {
        p->last_irr &= ~bit;
    }
}

static void update(Pic *p)
{
    if (!p->master && pics[0]) {
        input(pics[0], 2, pending(p) >= 0);
    }
}

void i8259_set(int irq, int level)
{
    Pic *p = pics[irq >> 3];

    if (!p) {
        return;
    }
    p->raised[irq & 7] += level != 0;
    input(p, irq & 7, level);
    update(p);
}

void i8259_again(int irq, int level)
{
    if (pics[irq >> 3]) {
        input(pics[irq >> 3], irq & 7, level);
        update(pics[irq >> 3]);
    }
}

static void acknowledge(Pic *p, int n)
{
    if (p->auto_eoi) {
        p->priority_add = p->rotate_on_auto_eoi ? (n + 1) & 7 : p->priority_add;
    } else {
        p->isr |= 1 << n;
    }
    if (!(p->elcr & (1 << n))) {
        p->irr &= ~(1 << n);
    }
    update(p);
}

/* --- registers -------------------------------------------------------------------------------------- */

static void begin_init(Pic *p, uint8_t v)
{
    p->irr &= p->elcr;
    p->last_irr &= p->elcr;
    p->imr = p->isr = p->priority_add = p->irq_base = 0;
    p->read_isr = p->poll = p->special_mask = p->auto_eoi = p->rotate_on_auto_eoi = p->fully_nested = false;
    p->init_state = 1;
    p->init4 = v & 1;
    p->single = v & 2;
    update(p);
}

/* Operation word 2: ends of interrupts and priorities. */
static void end_of_interrupt(Pic *p, uint8_t v)
{
    int command = v >> 5, n = v & 7, priority;

    switch (command) {
    case 0: case 4: p->rotate_on_auto_eoi = command >> 2; break;
    case 1: case 5:
        priority = priority_of(p, p->isr);
        if (priority != 8) {
            n = (priority + p->priority_add) & 7;
            p->isr &= ~(1 << n);
            p->priority_add = command == 5 ? (n + 1) & 7 : p->priority_add;
        }
        break;
    case 3: case 7:
        p->isr &= ~(1 << n);
        p->priority_add = command == 7 ? (n + 1) & 7 : p->priority_add;
        break;
    case 6: p->priority_add = (n + 1) & 7; break;
    default: break;
    }
    update(p);
}

static void command_write(Pic *p, uint8_t v)
{
    if (v & 0x10) {
        begin_init(p, v);
    } else if (v & 0x08) {
        p->poll = v & 4 ? true : p->poll;
        p->read_isr = v & 2 ? v & 1 : p->read_isr;
        p->special_mask = v & 0x40 ? (v >> 5) & 1 : p->special_mask;
    } else {
        end_of_interrupt(p, v);
    }
}

static void data_write(Pic *p, uint8_t v)
{
    switch (p->init_state) {
    case 0:
        p->imr = v;
        update(p);
        break;
    case 1:
        p->irq_base = v & 0xf8;
        p->init_state = p->single ? (p->init4 ? 3 : 0) : 2;
        break;
    case 2:
        p->init_state = p->init4 ? 3 : 0;
        break;
    default:
        p->fully_nested = (v >> 4) & 1;
        p->auto_eoi = (v >> 1) & 1;
        p->init_state = 0;
    }
}

static void pic_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    if (offset == 0) {
        command_write(opaque, value);
    } else {
        data_write(opaque, value);
    }
}

static uint64_t pic_read(void *opaque, uint64_t offset, unsigned size)
{
    Pic *p = opaque;

    if (p->poll) {
        int n = pending(p);

        p->poll = false;
        if (n >= 0) {
            acknowledge(p, n);
        }
        return n >= 0 ? n | 0x80 : 0;
    }
    return offset ? p->imr : p->read_isr ? p->isr : p->irr;
}

static uint64_t elcr_read(void *opaque, uint64_t offset, unsigned size) { return ((Pic *)opaque)->elcr; }

static void elcr_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    ((Pic *)opaque)->elcr = value & ((Pic *)opaque)->elcr_mask;
}

static const IoOps pic_ops = { .read = pic_read, .write = pic_write, .max_size = 1 };
static const IoOps elcr_ops = { .read = elcr_read, .write = elcr_write, .max_size = 1 };

/* --- device ------------------------------------------------------------------------------------------ */

static bool pic_realize(Device *d, Error **errp)
{
    Pic *p = (Pic *)d;

    pics[!p->master] = p;
    io_region_map(io_region_new(IO_SPACE_PORT, "pic", 2, &pic_ops, p), p->iobase, 0);
    io_region_map(io_region_new(IO_SPACE_PORT, "elcr", 1, &elcr_ops, p), p->elcr_addr, 0);
    return true;
}

static void pic_reset(Device *d)
{
    Pic *p = (Pic *)d;

    p->elcr = 0;
    begin_init(p, 0);
    p->init_state = 0;
}

typedef struct PicWire {
    uint8_t last_irr, irr, imr, isr, priority_add, irq_base, read_reg_select, poll, special_mask, init_state, auto_eoi,
        rotate_on_auto_eoi, special_fully_nested_mode, init4, single_mode, elcr;
} PicWire;

static void pic_save(void *obj, void *wire)
{
    const Pic *p = obj;

    *(PicWire *)wire = (PicWire) {
        p->last_irr, p->irr, p->imr, p->isr, p->priority_add, p->irq_base, p->read_isr, p->poll, p->special_mask,
        p->init_state,
        p->auto_eoi, p->rotate_on_auto_eoi, p->fully_nested, p->init4, p->single, p->elcr,
    };
}

static bool pic_load(void *obj, const void *wire, Error **errp)
{
    const PicWire *w = wire;
    Pic *p = obj;

    if (w->init_state > 3) {
        error_setg(errp, "initialisation word %u", w->init_state);
        return false;
    }
    p->last_irr = w->last_irr;
    p->irr = w->irr;
    p->imr = w->imr;
    p->isr = w->isr;
    p->priority_add = w->priority_add & 7;
    p->irq_base = w->irq_base;
    p->read_isr = w->read_reg_select;
    p->poll = w->poll;
    p->special_mask = w->special_mask;
    p->init_state = w->init_state;
    p->auto_eoi = w->auto_eoi;
    p->rotate_on_auto_eoi = w->rotate_on_auto_eoi;
    p->fully_nested = w->special_fully_nested_mode;
    p->init4 = w->init4;
    p->single = w->single_mode;
    p->elcr = w->elcr & p->elcr_mask;
    return true;
}

#define PIC(f) VMF(PicWire, f, "uint8")
static const VmField pic_fields[] = {
    PIC(last_irr), PIC(irr), PIC(imr), PIC(isr), PIC(priority_add), PIC(irq_base), PIC(read_reg_select), PIC(poll),
    PIC(special_mask),
    PIC(init_state), PIC(auto_eoi), PIC(rotate_on_auto_eoi), PIC(special_fully_nested_mode), PIC(init4),
        PIC(single_mode), PIC(elcr), { NULL }
};
static const VmDesc pic_vmstate = {
    .name = "i8259", .version = 1, .min_version = 1, .size = sizeof(PicWire), .fields = pic_fields, .save = pic_save,
    .load = pic_load, .last = true,
};

static const Property pic_props[] = {
    P_NUM("iobase", PROP_U32, Pic, iobase, UINT32_MAX), P_NUM("elcr_addr", PROP_U32, Pic, elcr_addr, UINT32_MAX),
    P_NUM("elcr_mask", PROP_U8, Pic, elcr_mask, 255),
    { .name = "master", .kind = PROP_BOOL, .offset = offsetof(Pic, master),
      .has_default = true, .description = "on/off" }, { NULL }
};
static const DeviceClass pic_class = ISA_CLASS_DEV(.category = DEVICE_UNCATEGORIZED, .no_user = true,
    .vmstate = &pic_vmstate, .lines = "gpio-in \"\" 8\ngpio-out \"\" 1", .realize = pic_realize, .reset = pic_reset);
static const TypeInfo pic_common_type = {
    .name = "pic-common", .parent = "isa-device", .abstract = true, .size = sizeof(Pic),
};
QOM_TYPE(pic_common_type)
static const TypeInfo pic_type = {
    .name = "isa-i8259", .parent = "pic-common", .size = sizeof(Pic), .props = pic_props, .class_data = &pic_class,
};
QOM_TYPE(pic_type)

Device *i8259_create(Bus *isa)
{
    for (int i = 0; i < 2; i++) {
        Pic *p = (Pic *)device_new("isa-i8259");

        p->iobase = i ? 0xa0 : 0x20;
        p->elcr_addr = 0x4d0 + i;
        p->elcr_mask = i ? 0xde : 0xf8;
        p->master = !i;
        device_realize(&p->dev, isa, &error_fatal);
    }
    return &pics[0]->dev;
}

char *i8259_describe(void)
{
    GString *s = g_string_new(NULL);

    for (int i = 1; i >= 0 && pics[0]; i--) {
        const Pic *p = pics[i];

        g_string_append_printf(s, "pic%d: irr=%02x imr=%02x isr=%02x hprio=%d irq_base=%02x rr_sel=%d elcr=%02x fnm=%d\n", i, p->irr,
                               p->imr, p->isr, p->priority_add, p->irq_base, p->read_isr, p->elcr, p->fully_nested);
    }
    return g_string_free(s, FALSE);
}
