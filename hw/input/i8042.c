/*
 * The 8042 keyboard controller (ports 0x60, 0x64) with a keyboard and a mouse that answer, but are never touched.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/pc-chips.h"
#include "machine/runstate.h"

enum {
    STAT_FULL = 1, STAT_SYSTEM = 4, STAT_COMMAND = 8, STAT_UNLOCKED = 0x10, STAT_MOUSE = 0x20,
    MODE_KBD_INT = 1, MODE_MOUSE_INT = 2, MODE_SYSTEM = 4, MODE_KBD_OFF = 0x10, MODE_MOUSE_OFF = 0x20, MODE_TRANSLATE = 0x40,
    OUT_RESET = 1, OUT_A20 = 2, OUT_FULL = 0x10, OUT_MOUSE_FULL = 0x20, OUT_DEFAULT = 0xcd,
};

typedef struct Ps2 {
    uint8_t queue[16];
    int count;
    int command;               /* whose parameter comes next, -1: none */
    uint8_t last;
    uint8_t rate, resolution, status;
    bool scan;
} Ps2;

typedef struct I8042 {
    Device dev;
    bool extended_state, throttle;
    uint8_t kbd_irq, mouse_irq;
    uint8_t status, mode, outport, pending_write, reply;
    bool has_reply, reply_is_mouse;
    Ps2 kbd, mouse;
    Irq *irq[2];
    IoRegion *data, *command;
} I8042;

/* --- what hangs on it ---------------------------------------------------------------------------------- */

static void queue(Ps2 *p, uint8_t v)
{
    if (p->count < (int)sizeof(p->queue)) {
        p->queue[p->count++] = v;
    }
}

static uint8_t unqueue(Ps2 *p)
{
    if (p->count) {
        p->last = p->queue[0];
        for (int i = 1; i < p->count; i++) {
            p->queue[i - 1] = p->queue[i];
        }
        p->count--;
    }
    return p->last;
}

static void kbd_reset(Ps2 *k) { *k = (Ps2) { .command = -1, .scan = true }; }
static void mouse_reset(Ps2 *m) { *m = (Ps2) { .command = -1, .rate = 100, .resolution = 2 }; }

/* translated: the controller turns scan codes into those of the first set, and the id with them. */
static void kbd_write(Ps2 *k, uint8_t v, bool translated)
{
    int parameter_of = k->command;

    k->command = -1;
    if (parameter_of >= 0) {                             /* lamps, scan code set, rate */
        queue(k, 0xfa);
        if (parameter_of == 0xf0 && v == 0) {
            queue(k, 2);
        }
        return;
    }
    switch (v) {
    case 0x00: queue(k, 0xfa); break;
    case 0x05: queue(k, 0xfe); break;
    case 0xf2:
        queue(k, 0xfa);
        queue(k, 0xab);
        queue(k, translated ? 0x41 : 0x83);
        break;
    case 0xee: queue(k, 0xee); break;
    case 0xf4: case 0xf5: case 0xf6:
        k->scan = v != 0xf5;
        queue(k, 0xfa);
        break;
    case 0xed: case 0xf0: case 0xf3:
        k->command = v;
        queue(k, 0xfa);
        break;
    case 0xff:
        kbd_reset(k);
        queue(k, 0xfa);
        queue(k, 0xaa);
        break;
    default: queue(k, 0xfe);
    }
}

static void mouse_write(Ps2 *m, uint8_t v)
{
    int parameter_of = m->command;

    m->command = -1;
    if (parameter_of >= 0) {
        if (parameter_of == 0xf3) {
            m->rate = v;
        } else {
            m->resolution = v;
        }
        queue(m, 0xfa);
        return;
    }
    queue(m, 0xfa);
    switch (v) {
    case 0xe9:
        queue(m, m->status);
        queue(m, m->resolution);
        queue(m, m->rate);
        break;
    case 0xe6: m->status &= ~0x10; break;
    case 0xe7: m->status |= 0x10; break;
    case 0xea: m->status &= ~0x40; break;
    case 0xf0: m->status |= 0x40; break;
    case 0xeb:                                           /* nothing moved */
        queue(m, 0x08);
        queue(m, 0);
        queue(m, 0);
        break;
    case 0xf2: queue(m, 0); break;
    case 0xf3: case 0xe8: m->command = v; break;
    case 0xf4: m->status |= 0x20; break;
    case 0xf5: m->status &= ~0x20; break;
    case 0xf6:
        m->rate = 100;
        m->resolution = 2;
        m->status = 0;
        break;
    case 0xff:
        mouse_reset(m);
        queue(m, 0xfa);
        queue(m, 0xaa);
        queue(m, 0);
        break;
    default: break;
    }
}

/* --- controller ------------------------------------------------------------------------------------------- */

static void update(I8042 *c)
{
    bool from_mouse = c->has_reply ? c->reply_is_mouse : !c->kbd.count && c->mouse.count;
    bool full = c->has_reply || (c->kbd.count && !(c->mode & MODE_KBD_OFF)) || (c->mouse.count && !(c->mode & MODE_MOUSE_OFF));

    c->status &= ~(STAT_FULL | STAT_MOUSE);
    c->outport &= ~(OUT_FULL | OUT_MOUSE_FULL);
    if (full) {
        c->status |= STAT_FULL | (from_mouse ? STAT_MOUSE : 0);
        c->outport |= from_mouse ? OUT_MOUSE_FULL : OUT_FULL;
    }
    irq_set(c->irq[0], full && !from_mouse && (c->mode & MODE_KBD_INT));
    irq_set(c->irq[1], full && from_mouse && (c->mode & MODE_MOUSE_INT));
}

static void reply(I8042 *c, uint8_t v, bool as_mouse)
{
    c->reply = v;
    c->has_reply = true;
    c->reply_is_mouse = as_mouse;
}

static void set_outport(I8042 *c, uint8_t v)
{
    c->outport = v;
    if (!(v & OUT_RESET)) {
        vm_reset_request(VM_CAUSE_GUEST_RESET);
    }
}

static void command_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I8042 *c = opaque;
    uint8_t v = value;

    if ((v & 0xf0) == 0xf0) {                            /* pulse low bits of the output port: reset, or nothing */
        v = v & 1 ? 0xff : 0xfe;
    }
    switch (v) {
    case 0x20: reply(c, c->mode, false); break;
    case 0x60: case 0xd1: case 0xd2: case 0xd3: case 0xd4: c->pending_write = v; break;
    case 0xa7: c->mode |= MODE_MOUSE_OFF; break;
    case 0xa8: c->mode &= ~MODE_MOUSE_OFF; break;
    case 0xa9: case 0xab: reply(c, 0, false); break;
    case 0xaa:
        c->status |= STAT_SYSTEM;
        reply(c, 0x55, false);
        break;
    case 0xad: c->mode |= MODE_KBD_OFF; break;
    case 0xae: c->mode &= ~MODE_KBD_OFF; break;
    case 0xc0: reply(c, 0x80, false); break;
    case 0xd0: reply(c, c->outport, false); break;
    case 0xdf: c->outport |= OUT_A20; break;
    case 0xdd: c->outport &= ~OUT_A20; break;
    case 0xfe: vm_reset_request(VM_CAUSE_GUEST_RESET); break;
    default: break;
    }
    update(c);
}

static void data_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I8042 *c = opaque;

    switch (c->pending_write) {
    case 0:
        kbd_write(&c->kbd, value, c->mode & MODE_TRANSLATE);
        c->mode &= ~MODE_KBD_OFF;
        break;
    case 0x60: c->mode = value; break;
    case 0xd2: reply(c, value, false); break;
    case 0xd3: reply(c, value, true); break;
    case 0xd1: set_outport(c, value); break;
    case 0xd4:
        mouse_write(&c->mouse, value);
        c->mode &= ~MODE_MOUSE_OFF;
        break;
    default: break;
    }
    c->pending_write = 0;
    update(c);
}

static uint64_t data_read(void *opaque, uint64_t offset, unsigned size)
{
    I8042 *c = opaque;

    if (c->status & STAT_FULL) {
        if (c->has_reply) {
            c->has_reply = false;
            c->kbd.last = c->reply;
        } else if (c->status & STAT_MOUSE) {
            c->kbd.last = unqueue(&c->mouse);
        } else {
            unqueue(&c->kbd);
        }
        update(c);
    }
    return c->kbd.last;
}

static uint64_t status_read(void *opaque, uint64_t offset, unsigned size) { return ((I8042 *)opaque)->status; }
static const IoOps data_ops = { .read = data_read, .write = data_write, .max_size = 1 };
static const IoOps command_ops = { .read = status_read, .write = command_write, .max_size = 1 };

/* --- device ------------------------------------------------------------------------------------------------ */

static void i8042_reset(Device *d)
{
    I8042 *c = (I8042 *)d;

    c->mode = MODE_KBD_INT | MODE_MOUSE_INT;
    c->status = STAT_COMMAND | STAT_UNLOCKED;
    c->outport = OUT_RESET | OUT_A20 | OUT_DEFAULT;
    c->pending_write = 0;
    c->has_reply = false;
    kbd_reset(&c->kbd);
    mouse_reset(&c->mouse);
    update(c);
}

static bool i8042_realize(Device *d, Error **errp)
{
    I8042 *c = (I8042 *)d;

    c->irq[0] = gsi_source(c->kbd_irq);
    c->irq[1] = gsi_source(c->mouse_irq);
    c->data = io_region_new(IO_SPACE_PORT, "i8042-data", 1, &data_ops, c);
    c->command = io_region_new(IO_SPACE_PORT, "i8042-cmd", 1, &command_ops, c);
    io_region_map(c->data, 0x60, 0);
    io_region_map(c->command, 0x64, 0);
    return true;
}

static const Property i8042_props[] = {
    P_BOOL("extended-state", I8042, extended_state, true), P_BOOL("kbd-throttle", I8042, throttle, false),
    P_NUM("kbd-irq", PROP_U8, I8042, kbd_irq, 1), P_NUM("mouse-irq", PROP_U8, I8042, mouse_irq, 12), { NULL }
};
static const DeviceClass i8042_class = ISA_CLASS_DEV(.category = DEVICE_INPUT, .no_user = true,
    .lines = "gpio-in \"ps2-mouse-input-irq\" 1\ngpio-in \"ps2-kbd-input-irq\" 1\ngpio-out \"\" 2\ngpio-out \"a20\" 1", .realize = i8042_realize, .reset = i8042_reset);
static const TypeInfo i8042_type = {
    .name = "i8042", .parent = "isa-device", .size = sizeof(I8042), .props = i8042_props, .class_data = &i8042_class,
};
QOM_TYPE(i8042_type)

void i8042_create(Bus *isa) { device_create_on_board("i8042", isa, NULL); }
