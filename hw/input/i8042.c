/*
 * The 8042 keyboard controller (ports 0x60, 0x64) between the bus and a PS/2 keyboard and mouse.
 *
 * One byte at a time is in the output buffer; it stays there until it is read, whatever comes meanwhile.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/input/ps2.h"
#include "hw/pc-chips.h"
#include "machine/runstate.h"
#include "migration/vmstate.h"

enum {
    STAT_FULL = 1, STAT_SYSTEM = 4, STAT_COMMAND = 8, STAT_UNLOCKED = 0x10, STAT_MOUSE = 0x20,
    MODE_KBD_INT = 1, MODE_MOUSE_INT = 2, MODE_SYSTEM = 4, MODE_KBD_OFF = 0x10, MODE_MOUSE_OFF = 0x20,
    MODE_TRANSLATE = 0x40,
    OUT_RESET = 1, OUT_A20 = 2, OUT_FULL = 0x10, OUT_MOUSE_FULL = 0x20, OUT_DEFAULT = 0xcd,
};

/* Where the byte comes from that the output buffer holds. */
typedef enum Source { FROM_NONE, FROM_CONTROLLER, FROM_CONTROLLER_AS_MOUSE, FROM_KBD, FROM_MOUSE } Source;

typedef struct I8042 {
    Device dev;
    bool extended_state, throttle;
    uint8_t kbd_irq, mouse_irq;
    uint8_t status, mode, outport, pending_write, reply, last;
    Source waiting, source;    /* an answer of the controller itself; what is in the buffer */
    Ps2Keyboard *kbd;
    Ps2Mouse *mouse;
    Irq *irq[2];
    IoRegion *data, *command;
} I8042;

/* --- controller ------------------------------------------------------------------------------------------- */

/* The keyboard first, but the mouse after a byte of the keyboard. */
static Source next_source(const I8042 *c)
{
    bool kbd = c->kbd->ps2.count && !(c->mode & MODE_KBD_OFF), mouse = c->mouse->ps2.count
               && !(c->mode & MODE_MOUSE_OFF);

    return c->waiting ? c->waiting : kbd
           && !(mouse && c->source == FROM_KBD) ? FROM_KBD : mouse ? FROM_MOUSE : FROM_NONE;
}

static void update(I8042 *c)
{
    bool from_mouse;

    if (c->status & STAT_FULL) {
        from_mouse = c->status & STAT_MOUSE;
    } else {
        c->source = next_source(c);
        from_mouse = c->source == FROM_MOUSE || c->source == FROM_CONTROLLER_AS_MOUSE;
        c->status &= ~STAT_MOUSE;
        c->outport &= ~(OUT_FULL | OUT_MOUSE_FULL);
        if (c->source) {
            c->status |= STAT_FULL | (from_mouse ? STAT_MOUSE : 0);
            c->outport |= OUT_FULL | (from_mouse ? OUT_MOUSE_FULL : 0);
        }
    }
    irq_set(c->irq[0], (c->status & STAT_FULL) && !from_mouse && (c->mode & MODE_KBD_INT));
    irq_set(c->irq[1], (c->status & STAT_FULL) && from_mouse && (c->mode & MODE_MOUSE_INT));
}

static void device_changed(void *opaque)
{
    if (((I8042 *)opaque)->mouse) {
        update(opaque);
    }
}

static void reply(I8042 *c, uint8_t v, bool as_mouse)
{
    c->reply = v;
    c->waiting = as_mouse ? FROM_CONTROLLER_AS_MOUSE : FROM_CONTROLLER;
}

static void set_mode(I8042 *c, uint8_t v)
{
    c->mode = v;
    c->kbd->translate = v & MODE_TRANSLATE;
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
        ps2_keyboard_write(c->kbd, value);
        c->mode &= ~MODE_KBD_OFF;
        break;
    case 0x60: set_mode(c, value); break;
    case 0xd2: reply(c, value, false); break;
    case 0xd3: reply(c, value, true); break;
    case 0xd1: set_outport(c, value); break;
    case 0xd4:
        ps2_mouse_write(c->mouse, value);
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

    if (!(c->status & STAT_FULL)) {
        return c->last;
    }
    switch (c->source) {
    case FROM_KBD: c->last = ps2_read(&c->kbd->ps2); break;
    case FROM_MOUSE: c->last = ps2_read(&c->mouse->ps2); break;
    default:
        c->last = c->reply;
        c->waiting = FROM_NONE;
    }
    c->status &= ~STAT_FULL;
    update(c);
    return c->last;
}

static uint64_t status_read(void *opaque, uint64_t offset, unsigned size) { return ((I8042 *)opaque)->status; }
static const IoOps data_ops = { .read = data_read, .write = data_write, .max_size = 1 };
static const IoOps command_ops = { .read = status_read, .write = command_write, .max_size = 1 };

/* --- device ------------------------------------------------------------------------------------------------ */

static void i8042_reset(Device *d)
{
    I8042 *c = (I8042 *)d;

    set_mode(c, MODE_KBD_INT | MODE_MOUSE_INT);
    c->status = STAT_COMMAND | STAT_UNLOCKED;
    c->outport = OUT_RESET | OUT_A20 | OUT_DEFAULT;
    c->pending_write = 0;
    c->waiting = FROM_NONE;
    update(c);
}

static bool shows(const void *opaque, const Ps2 *p);

static bool i8042_realize(Device *d, Error **errp)
{
    I8042 *c = (I8042 *)d;

    c->irq[0] = gsi_source(c->kbd_irq);
    c->irq[1] = gsi_source(c->mouse_irq);
    c->data = io_region_new(IO_SPACE_PORT, "i8042-data", 1, &data_ops, c);
    c->command = io_region_new(IO_SPACE_PORT, "i8042-cmd", 1, &command_ops, c);
    io_region_map(c->data, 0x60, 0);
    io_region_map(c->command, 0x64, 0);
    c->kbd = ps2_keyboard_new(d, device_changed);
    c->mouse = ps2_mouse_new(d, device_changed);
    c->kbd->ps2.shown = c->mouse->ps2.shown = shows;
    return true;
}

/* --- state ------------------------------------------------------------------------------------------------ */

enum {
    STATE_FROM_KBD = 1, STATE_FROM_MOUSE = 2, STATE_FROM_CONTROLLER = 4, STATE_ANSWER = 4, STATE_ANSWER_AS_MOUSE = 8,
};

typedef struct I8042Wire {
    uint8_t write_cmd, status, mode, pending, outport, obdata, cbdata;
    uint32_t migration_flags, obsrc;
} I8042Wire;

static bool shows(const void *opaque, const Ps2 *p)
{
    const I8042 *c = opaque;

    return (c->status & STAT_FULL)
           && ((c->source == FROM_KBD && p == &c->kbd->ps2) || (c->source == FROM_MOUSE && p == &c->mouse->ps2));
}

static void i8042_save(void *obj, void *wire)
{
    const I8042 *c = obj;
    I8042Wire *w = wire;
    bool full = c->status & STAT_FULL, own = full
                && (c->source == FROM_CONTROLLER || c->source == FROM_CONTROLLER_AS_MOUSE);

    w->write_cmd = c->pending_write;
    w->status = c->status;
    w->mode = c->mode;
    w->outport = c->outport;
    w->obsrc = !full ? 0 : own ? STATE_FROM_CONTROLLER : c->source == FROM_KBD ? STATE_FROM_KBD : STATE_FROM_MOUSE;
    w->obdata = own ? c->reply : full ? (c->source == FROM_KBD ? c->kbd->ps2.queue[0] : c->mouse->ps2.queue[0])
                : c->last;
    w->pending = !c->waiting || own ? 0 : c->waiting == FROM_CONTROLLER ? STATE_ANSWER : STATE_ANSWER_AS_MOUSE;
    w->cbdata = c->reply;
}

/* Keyboard and mouse took their queues over before; the byte that is shown goes back to its front. */
static bool i8042_load(void *obj, const void *wire, Error **errp)
{
    const I8042Wire *w = wire;
    I8042 *c = obj;
    bool as_mouse = w->status & STAT_MOUSE;

    c->pending_write = w->write_cmd;
    c->status = w->status;
    c->mode = w->mode;
    c->outport = w->outport;
    c->last = w->obdata;
    c->reply = w->cbdata;
    c->waiting = w->pending & STATE_ANSWER ? FROM_CONTROLLER : w->pending & STATE_ANSWER_AS_MOUSE
                 ? FROM_CONTROLLER_AS_MOUSE : FROM_NONE;
    c->source = FROM_NONE;
    if (!(c->status & STAT_FULL)) {
        update(c);
        return true;
    }
    if (w->obsrc == STATE_FROM_KBD) {
        c->source = FROM_KBD;
        ps2_put_first(&c->kbd->ps2, w->obdata);
    } else if (w->obsrc == STATE_FROM_MOUSE) {
        c->source = FROM_MOUSE;
        ps2_put_first(&c->mouse->ps2, w->obdata);
    } else {
        c->reply = w->obdata;
        c->waiting = c->source = as_mouse ? FROM_CONTROLLER_AS_MOUSE : FROM_CONTROLLER;
    }
    update(c);
    return true;
}

static bool outport_needed(const void *wire)
{
    const I8042Wire *w = wire;
    uint8_t usual = OUT_RESET | OUT_A20
                    | (w->status & STAT_FULL ? OUT_FULL | (w->status & STAT_MOUSE ? OUT_MOUSE_FULL : 0) : 0);

    return w->outport != usual;
}

static bool extended_needed(const void *wire) { return true; }
static const VmField outport_fields[] = { VMF(I8042Wire, outport, "uint8"), { NULL } };
static const VmDesc outport_desc = {
    .name = "pckbd_outport", .version = 1, .min_version = 1, .fields = outport_fields, .needed = outport_needed,
};
static const VmField extended_fields[] = {
    VMF(I8042Wire, migration_flags, "uint32"), VMF(I8042Wire, obsrc, "uint32"), VMF(I8042Wire, obdata, "uint8"),
        VMF(I8042Wire, cbdata, "uint8"), { NULL }
};
static const VmDesc extended_desc = {
    .name = "pckbd/extended_state", .fields = extended_fields, .needed = extended_needed,
};
static const VmDesc *const kbd_subsections[] = { &outport_desc, &extended_desc, NULL };
static const VmField kbd_fields[] = {
    VMF(I8042Wire, write_cmd, "uint8"), VMF(I8042Wire, status, "uint8"), VMF(I8042Wire, mode, "uint8"),
    VMFN("pending_tmp", "uint8", I8042Wire, pending), { NULL }
};
static const VmDesc kbd_desc = {
    .name = "pckbd", .version = 3, .min_version = 3, .fields = kbd_fields, .subsections = kbd_subsections,
};
static const VmField i8042_fields[] = { VMF_SELF("kbd", &kbd_desc), { NULL } };
static const VmDesc i8042_vmstate = {
    .name = "pckbd", .version = 3, .min_version = 3, .size = sizeof(I8042Wire), .fields = i8042_fields,
    .save = i8042_save, .load = i8042_load,
};

static const Property i8042_props[] = {
    P_BOOL("extended-state", I8042, extended_state, true), P_BOOL("kbd-throttle", I8042, throttle, false),
    P_NUM("kbd-irq", PROP_U8, I8042, kbd_irq, 1), P_NUM("mouse-irq", PROP_U8, I8042, mouse_irq, 12), { NULL }
};
static const DeviceClass i8042_class = ISA_CLASS_DEV(.category = DEVICE_INPUT, .no_user = true,
    .vmstate = &i8042_vmstate, .lines =
        "gpio-in \"ps2-mouse-input-irq\" 1\ngpio-in \"ps2-kbd-input-irq\" 1\ngpio-out \"\" 2\ngpio-out \"a20\" 1",
            .realize = i8042_realize, .reset = i8042_reset);
static const TypeInfo i8042_type = {
    .name = "i8042", .parent = "isa-device", .size = sizeof(I8042), .props = i8042_props, .class_data = &i8042_class,
};
QOM_TYPE(i8042_type)

Device *i8042_create(Bus *isa) { return device_create_on_board("i8042", isa, NULL); }
