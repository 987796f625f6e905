/*
 * The 16550A serial port on a character device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "chardev/char.h"
#include "hw/isa.h"
#include "migration/vmstate.h"

enum { IER_RX = 1, IER_TX = 2, IER_LINE = 4, IER_MODEM = 8, LSR_DATA = 1, LSR_OVERRUN = 2, LSR_BREAK = 0x10,
       LSR_THRE = 0x20, LSR_TEMT = 0x40,
       FCR_ENABLE = 1, LCR_DLAB = 0x80, MCR_LOOP = 0x10 };
#define FIFO_SIZE 16

/* The chip itself: a child of the ISA device, as managers see it. */
typedef struct Serial {
    Device dev;
} Serial;

typedef struct IsaSerial {
    Device dev;
    CharBackend be;
    char *chardev;
    uint32_t index, iobase, irq, baudbase;
    bool wakeup, has_chardev;
    Irq *line;
    IoRegion *io;
    uint16_t divider;
    uint8_t ier, fcr, lcr, mcr, lsr, msr, scr;
    bool thr_pending;
    uint8_t fifo[FIFO_SIZE];
    unsigned head, count, trigger;
} IsaSerial;

#define ISA_SERIAL(o) ((IsaSerial *)(o))

static uint8_t pending(const IsaSerial *s)
{
    if ((s->ier & IER_LINE) && (s->lsr & (LSR_OVERRUN | LSR_BREAK))) {
        return 0x06;
    }
    if ((s->ier & IER_RX) && (s->lsr & LSR_DATA)) {
        return (s->fcr & FCR_ENABLE) && s->count < s->trigger ? 0x0c : 0x04;
    }
    if ((s->ier & IER_TX) && s->thr_pending) {
        return 0x02;
    }
    if ((s->ier & IER_MODEM) && (s->msr & 0x0f)) {
        return 0x00;
    }
    return 0x01;
}

static void update_irq(IsaSerial *s) { irq_set(s->line, pending(s) != 0x01); }

static void receive(IsaSerial *s, uint8_t byte)
{
    unsigned room = s->fcr & FCR_ENABLE ? FIFO_SIZE : 1;

    if (s->count >= room) {
        s->lsr |= LSR_OVERRUN;
        return;
    }
    s->fifo[(s->head + s->count++) % FIFO_SIZE] = byte;
    s->lsr |= LSR_DATA;
}

static uint8_t take(IsaSerial *s)
{
    uint8_t v = s->count ? s->fifo[s->head] : 0;

    if (s->count) {
        s->head = (s->head + 1) % FIFO_SIZE;
        s->count--;
    }
    if (!s->count) {
        s->lsr &= ~(LSR_DATA | LSR_BREAK);
    }
    if (!(s->mcr & MCR_LOOP)) {
        chr_fe_accept_input(&s->be);
    }
    update_irq(s);
    return v;
}

static void transmit(IsaSerial *s, uint8_t v)
{
    if (s->mcr & MCR_LOOP) {
        receive(s, v);
    } else if (s->has_chardev) {
        chr_fe_write_all(&s->be, &v, 1);
    }
    s->lsr |= LSR_THRE | LSR_TEMT;
    s->thr_pending = true;
    update_irq(s);
}

static void write_fcr(IsaSerial *s, uint8_t v)
{
    static const uint8_t triggers[] = { 1, 4, 8, 14 };

    if ((v ^ s->fcr) & FCR_ENABLE || (v & 2)) {
        s->count = s->head = 0;
        s->lsr &= ~LSR_DATA;
    }
    s->fcr = v & 0xc9;
    s->trigger = triggers[v >> 6];
    update_irq(s);
}

static uint8_t modem_status(const IsaSerial *s)
{
    if (s->mcr & MCR_LOOP) {
        return (s->mcr & 0x0c) << 4 | (s->mcr & 2) << 3 | (s->mcr & 1) << 5;
    }
    return s->msr;
}

static uint64_t serial_read(void *opaque, uint64_t offset, unsigned size)
{
    IsaSerial *s = opaque;
    uint8_t v;

    switch (offset) {
    case 0: return s->lcr & LCR_DLAB ? s->divider & 0xff : take(s);
    case 1: return s->lcr & LCR_DLAB ? s->divider >> 8 : s->ier;
    case 2:
        v = pending(s);
        if (v == 0x02) {
            s->thr_pending = false;
            update_irq(s);
        }
        return v | (s->fcr & FCR_ENABLE ? 0xc0 : 0);
    case 3: return s->lcr;
    case 4: return s->mcr;
    case 5:
        v = s->lsr;
        s->lsr &= ~(LSR_OVERRUN | LSR_BREAK);
        update_irq(s);
        return v;
    case 6:
        v = modem_status(s);
        s->msr &= 0xf0;
        update_irq(s);
        return v;
    default: return s->scr;
    }
}

static void write_ier(IsaSerial *s, uint8_t v)
{
    if ((v & IER_TX) && !(s->ier & IER_TX)) {
        s->thr_pending = s->lsr & LSR_THRE;
    }
    s->ier = v & 0x0f;
    update_irq(s);
}

static void serial_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    IsaSerial *s = opaque;

    switch (offset) {
    case 0:
        if (s->lcr & LCR_DLAB) {
            s->divider = (s->divider & 0xff00) | v;
        } else {
            transmit(s, v);
        }
        break;
    case 1:
        if (s->lcr & LCR_DLAB) {
            s->divider = (s->divider & 0xff) | v << 8;
        } else {
            write_ier(s, v);
        }
        break;
    case 2: write_fcr(s, v); break;
    case 3: s->lcr = v; break;
    case 4: s->mcr = v & 0x1f; break;
    case 7: s->scr = v; break;
    default: break;
    }
}

static const IoOps serial_ops = { .read = serial_read, .write = serial_write, .max_size = 1 };

/* --- the character device ----------------------------------------------------------------------------- */

static int can_read(void *opaque)
{
    IsaSerial *s = opaque;

    return s->fcr & FCR_ENABLE ? (int)(FIFO_SIZE - s->count) : !s->count;
}

static void do_read(void *opaque, const uint8_t *buf, int size)
{
    for (int i = 0; i < size; i++) {
        receive(opaque, buf[i]);
    }
    update_irq(opaque);
}

static void on_event(void *opaque, ChrEvent event)
{
    IsaSerial *s = opaque;

    if (event == CHR_EVENT_BREAK) {
        receive(s, 0);
        s->lsr |= LSR_BREAK;
        update_irq(s);
    }
}

/* --- life ------------------------------------------------------------------------------------------------- */

static void reset(Device *d)
{
    IsaSerial *s = ISA_SERIAL(d);

    s->ier = s->fcr = s->lcr = s->scr = 0;
    s->lsr = LSR_THRE | LSR_TEMT;
    s->msr = 0xb0;
    s->mcr = 0x08;
    s->divider = 12;
    s->head = s->count = 0;
    s->trigger = 1;
    s->thr_pending = false;
    update_irq(s);
}

static uint32_t next_index;

static bool choose_place(IsaSerial *s, Error **errp)
{
    static const uint16_t bases[] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
    static const uint8_t irqs[] = { 4, 3, 4, 3 };

    if (s->index == UINT32_MAX) {
        s->index = next_index;
    }
    if (s->index >= 4) {
        error_setg(errp, "Max. supported number of ISA serial ports is %d.", 4);
        return false;
    }
    if (s->iobase == UINT32_MAX) {
        s->iobase = bases[s->index];
    }
    if (s->irq == UINT32_MAX) {
        s->irq = irqs[s->index];
    }
    next_index = s->index + 1;
    return true;
}

static bool realize(Device *d, Error **errp)
{
    IsaSerial *s = ISA_SERIAL(d);

    if (!choose_place(s, errp)) {
        return false;
    }
    if (s->irq > 15) {
        error_setg(errp, "Maximum value for \"irq\" is: 15");
        return false;
    }
    s->line = gsi_source(s->irq);
    s->io = io_region_new(IO_SPACE_PORT, "serial", 8, &serial_ops, s);
    io_region_map(s->io, s->iobase, 0);
    if (s->has_chardev) {
        chr_fe_set_handlers(&s->be, can_read, do_read, on_event, NULL, s, NULL, true);
    }
    reset(d);
    return true;
}

static bool set_chardev(Object *o, const Property *p, const QObject *value, Error **errp)
{
    IsaSerial *s = ISA_SERIAL(o);
    const char *id = qobject_get_str(value);
    Chardev *chr;

    if (!id) {
        error_setg(errp, "Invalid parameter type for '%s', expected: string", p->name);
        return false;
    }
    if (!*id) {
        return true;
    }
    chr = chr_find(id);
    if (!chr) {
        error_setg(errp, "Property '%s.%s' can't find value '%s'", o->type->name, p->name, id);
        return false;
    }
    if (s->has_chardev || !chr_fe_init(&s->be, chr, NULL)) {
        error_setg(errp, "Property '%s.%s' can't take value '%s', it's in use", o->type->name, p->name, id);
        return false;
    }
    s->has_chardev = true;
    return true;
}

static QObject *get_chardev(Object *o, const Property *p, Error **errp)
{
    IsaSerial *s = ISA_SERIAL(o);

    return qstring_new(s->has_chardev && s->be.chr ? chr_label(s->be.chr) : "");
}

static void init(Object *o)
{
    Object *chip = object_new(type_find("serial"));

    object_add_child(o, "serial", chip);
    object_unref(chip);
}

static void finalize(Object *o)
{
    if (ISA_SERIAL(o)->has_chardev) {
        chr_fe_deinit(&ISA_SERIAL(o)->be, false);
    }
}

/* --- state ------------------------------------------------------------------------------------------------ */

typedef struct SerialWire {
    uint16_t divider;
    uint8_t rbr, ier, iir, lcr, mcr, lsr, msr, scr, fcr_vmstate;
    int32_t thr_ipending;
    bool has_thr, has_fifo;
    uint8_t data[FIFO_SIZE];
    uint32_t head, num;
} SerialWire;

static bool thr_expected(const SerialWire *w) { return (w->ier & IER_TX) && (w->iir & 0x0f) == 0x02; }

static void serial_save(void *obj, void *wire)
{
    const IsaSerial *s = obj;
    SerialWire *w = wire;

    *w = (SerialWire) {
        s->divider, s->count ? s->fifo[s->head] : 0, s->ier, pending(s) | (s->fcr & FCR_ENABLE ? 0xc0 : 0), s->lcr,
        s->mcr, s->lsr,
        s->msr, s->scr, s->fcr, s->thr_pending,
    };
    if (s->fcr & FCR_ENABLE) {
        memcpy(w->data, s->fifo, sizeof(w->data));
        w->head = s->head;
        w->num = s->count;
    }
}

static bool serial_load(void *obj, const void *wire, Error **errp)
{
    const SerialWire *w = wire;
    IsaSerial *s = obj;

    if (w->head >= FIFO_SIZE || w->num > FIFO_SIZE) {
        error_setg(errp, "the FIFO holds %" PRIu32 " bytes from %" PRIu32 " on", w->num, w->head);
        return false;
    }
    write_fcr(s, w->fcr_vmstate);
    s->divider = w->divider;
    s->ier = w->ier & 0x0f;
    s->lcr = w->lcr;
    s->mcr = w->mcr & 0x1f;
    s->lsr = w->lsr;
    s->msr = w->msr;
    s->scr = w->scr;
    s->thr_pending = w->has_thr ? w->thr_ipending != 0 : thr_expected(w);
    s->head = s->count = 0;
    if (!(s->fcr & FCR_ENABLE) && (s->lsr & LSR_DATA)) {
        s->fifo[0] = w->rbr;
        s->count = 1;
    } else if (s->fcr & FCR_ENABLE && w->has_fifo) {
        memcpy(s->fifo, w->data, sizeof(s->fifo));
        s->head = w->head;
        s->count = w->num;
    }
    update_irq(s);
    return true;
}

static bool thr_needed(const void *wire)
{
    const SerialWire *w = wire;

    return (w->ier & IER_TX) && thr_expected(w) != (w->thr_ipending != 0);
}

static bool fifo_needed(const void *wire) { return ((const SerialWire *)wire)->num != 0; }
static const VmField fifo_fields[] = {
    VMF_BYTES(SerialWire, data), VMF(SerialWire, head, "uint32"), VMF(SerialWire, num, "uint32"), { NULL }
};
static const VmDesc fifo_desc = { .name = "Fifo8", .version = 1, .min_version = 1, .fields = fifo_fields };
static const VmField recv_fields[] = { VMF_SELF("recv_fifo", &fifo_desc), { NULL } };
static const VmDesc recv_desc = {
    .name = "serial/recv_fifo", .version = 1, .min_version = 1, .fields = recv_fields, .needed = fifo_needed,
    .present = offsetof(SerialWire, has_fifo),
};
static const VmField thr_fields[] = { VMF(SerialWire, thr_ipending, "int32"), { NULL } };
static const VmDesc thr_desc = {
    .name = "serial/thr_ipending", .version = 1, .min_version = 1, .fields = thr_fields, .needed = thr_needed,
    .present = offsetof(SerialWire, has_thr),
};
/* Bytes on their way out, timeouts and polling of the modem lines: read past, there is nothing of the kind here. */
static bool never(const void *wire) { return false; }
static const VmField unused4[] = { VMF_UNUSED(4), { NULL } }, unused6[] = { VMF_UNUSED(6), { NULL } },
    unused8[] = { VMF_UNUSED(8), { NULL } },
    unused12[] = { VMF_UNUSED(12), { NULL } }, unused24[] = { VMF_UNUSED(FIFO_SIZE + 8), { NULL } };
static const VmDesc tsr_desc = {
    .name = "serial/tsr", .version = 1, .min_version = 1, .fields = unused6, .needed = never,
};
static const VmDesc xmit_desc = {
    .name = "serial/xmit_fifo", .version = 1, .min_version = 1, .fields = unused24, .needed = never,
};
static const VmDesc timer_desc = {
    .name = "serial/fifo_timeout_timer", .version = 1, .min_version = 1, .fields = unused8, .needed = never,
};
static const VmDesc timeout_desc = {
    .name = "serial/timeout_ipending", .version = 1, .min_version = 1, .fields = unused4, .needed = never,
};
static const VmDesc poll_desc = {
    .name = "serial/poll", .version = 1, .min_version = 1, .fields = unused12, .needed = never,
};
static const VmDesc *const chip_subsections[] = {
    &thr_desc, &tsr_desc, &recv_desc, &xmit_desc, &timer_desc, &timeout_desc, &poll_desc, NULL,
};
#define SW(f, t) VMF(SerialWire, f, t)
static const VmField chip_fields[] = {
    SW(divider, "uint16"), SW(rbr, "uint8"), SW(ier, "uint8"), SW(iir, "uint8"), SW(lcr, "uint8"), SW(mcr, "uint8"),
    SW(lsr, "uint8"),
    SW(msr, "uint8"), SW(scr, "uint8"), SW(fcr_vmstate, "uint8"), { NULL }
};
static const VmDesc chip_desc = {
    .name = "serial", .version = 3, .min_version = 3, .fields = chip_fields, .subsections = chip_subsections,
};
static const VmField serial_fields[] = { VMF_SELF("state", &chip_desc), { NULL } };
static const VmDesc serial_vmstate = {
    .name = "serial", .version = 3, .min_version = 3, .size = sizeof(SerialWire), .fields = serial_fields,
    .save = serial_save, .load = serial_load,
};

static const Property serial_props[] = {
    P_NUM("index", PROP_U32, IsaSerial, index, UINT32_MAX), P_NUM("iobase", PROP_U32, IsaSerial, iobase, UINT32_MAX),
    P_NUM("irq", PROP_U32, IsaSerial, irq, UINT32_MAX), P_NUM("baudbase", PROP_U32, IsaSerial, baudbase, 115200),
    P_BOOL("wakeup", IsaSerial, wakeup, false),
    { .name = "chardev", .type = "str", .kind = PROP_CUSTOM, .get = get_chardev, .set = set_chardev,
      .description = "ID of a chardev to use as a backend" },
    { .name = "serial", .type = "child<serial>", .kind = PROP_CUSTOM, .class_only = true },
    { NULL }
};
static const DeviceClass serial_class =
    ISA_CLASS_DEV(.category = DEVICE_INPUT, .vmstate = &serial_vmstate, .realize = realize, .reset = reset);
static const TypeInfo isa_serial_type = {
    .name = "isa-serial", .parent = "isa-device", .size = sizeof(IsaSerial), .props = serial_props, .init = init,
    .finalize = finalize,
    .class_data = &serial_class,
};
QOM_TYPE(isa_serial_type)

static const DeviceClass chip_class = { .category = DEVICE_INPUT, .no_user = true };
static const TypeInfo chip_type = {
    .name = "serial", .parent = "device", .size = sizeof(Serial), .class_data = &chip_class,
};
QOM_TYPE(chip_type)
