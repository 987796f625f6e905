/*
 * The 8254 interval timer (ports 0x40-0x43) and the speaker's port (0x61) that gates its third counter.
 *
 * A counter is never counted: what it shows follows from when it was loaded.  The first one's output is interrupt 0.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/pc-chips.h"
#include "migration/vmstate.h"
#include "util/aio.h"

#define PIT_HZ 1193182
enum { BY_LOW = 1, BY_HIGH, BY_BOTH, BY_BOTH_SECOND };

typedef struct Counter {
    uint32_t count;            /* 1..0x10000 */
    uint16_t latched;
    uint8_t count_latched;     /* how the latched value is read, 0: none */
    bool status_latched, bcd, gate;
    uint8_t status, read_state, write_state, write_latch, rw_mode, mode;
    int64_t loaded_at;         /* ns of the virtual clock */
} Counter;

typedef struct Pit {
    Device dev;
    uint32_t iobase;
    Counter c[3];
    Irq *irq;
    AioTimer *timer;
    bool irq_off;              /* another timer took the interrupt over */
} Pit;

static Pit *the_pit;

static int64_t now_ns(void) { return aio_clock_ns(AIO_CLOCK_VIRTUAL); }
static uint64_t ticks(const Counter *c, int64_t now)
{
    return (unsigned __int128)(now - c->loaded_at) * PIT_HZ / 1000000000;
}
static int64_t tick_time(const Counter *c, uint64_t tick)
{
    return c->loaded_at + (int64_t)((unsigned __int128)tick * 1000000000 / PIT_HZ);
}

static uint16_t count_now(const Counter *c)
{
    uint64_t d = ticks(c, now_ns());

    switch (c->mode) {
    case 0: case 1: case 4: case 5: return c->count - d;
    case 3: return c->count - (2 * d) % c->count;
    default: return c->count - d % c->count;
    }
}

static bool output_at(const Counter *c, int64_t now)
{
    uint64_t d = ticks(c, now);

    switch (c->mode) {
    case 1: return d < c->count;
    case 2: return d % c->count == 0 && d != 0;
    case 3: return d % c->count < (c->count + 1) >> 1;
    case 4: case 5: return d == c->count;
    default: return d >= c->count;
    }
}

/* When the output changes next; -1: never. */
static int64_t next_change(const Counter *c, int64_t now)
{
    uint64_t d = ticks(c, now), base, half;
    int64_t next;

    switch (c->mode) {
    case 2:
        base = d / c->count * c->count;
        d = d - base == 0 && d != 0 ? base + 1 : base + c->count;
        break;
    case 3:
        base = d / c->count * c->count;
        half = (c->count + 1) >> 1;
        d = d - base < half ? base + half : base + c->count;
        break;
    case 4: case 5:
        if (d > c->count) {
            return -1;
        }
        d = d < c->count ? c->count : c->count + 1;
        break;
    default:
        if (d >= c->count) {
            return -1;
        }
        d = c->count;
    }
    next = tick_time(c, d);
    return next <= now ? now + 1 : next;
}

static void update_irq(void *opaque)
{
    Pit *p = opaque;
    int64_t now = now_ns(), next = next_change(&p->c[0], now);

    if (p->irq_off) {
        return;
    }
    irq_set(p->irq, output_at(&p->c[0], now));
    i8259_again(0, output_at(&p->c[0], now));
    if (next >= 0) {
        aio_timer_mod_ns(p->timer, next);
    } else {
        aio_timer_del(p->timer);
    }
}

static void load(Pit *p, Counter *c, uint16_t v)
{
    c->count = v ? v : 0x10000;
    c->loaded_at = now_ns();
    if (c == &p->c[0]) {
        update_irq(p);
    }
}

static void latch_count(Counter *c)
{
    if (!c->count_latched) {
        c->latched = count_now(c);
        c->count_latched = c->rw_mode;
    }
}

/* --- registers ------------------------------------------------------------------------------------------- */

static void read_back(Pit *p, uint8_t v)
{
    for (int i = 0; i < 3; i++) {
        Counter *c = &p->c[i];

        if (!(v & (2 << i))) {
            continue;
        }
        if (!(v & 0x20)) {
            latch_count(c);
        }
        if (!(v & 0x10) && !c->status_latched) {
            c->status = output_at(c, now_ns()) << 7 | c->rw_mode << 4 | c->mode << 1 | c->bcd;
            c->status_latched = true;
        }
    }
}

static void control_write(Pit *p, uint8_t v)
{
    int n = v >> 6, access = (v >> 4) & 3;
    Counter *c = &p->c[n];

    if (n == 3) {
        read_back(p, v);
    } else if (access == 0) {
        latch_count(c);
    } else {
        c->rw_mode = c->read_state = c->write_state = access;
        c->mode = (v >> 1) & 7;
        c->bcd = v & 1;
    }
}

static void pit_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Pit *p = opaque;
    Counter *c = &p->c[offset & 3];

    if (offset == 3) {
        control_write(p, value);
        return;
    }
    switch (c->write_state) {
    case BY_HIGH: load(p, c, value << 8); break;
    case BY_BOTH:
        c->write_latch = value;
        c->write_state = BY_BOTH_SECOND;
        break;
    case BY_BOTH_SECOND:
        load(p, c, c->write_latch | value << 8);
        c->write_state = BY_BOTH;
        break;
    default: load(p, c, value);
    }
}

static uint8_t read_latched(Counter *c)
{
    switch (c->count_latched) {
    case BY_HIGH:
        c->count_latched = 0;
        return c->latched >> 8;
    case BY_BOTH:
        c->count_latched = BY_HIGH;
        return c->latched;
    default:
        c->count_latched = 0;
        return c->latched;
    }
}

static uint64_t pit_read(void *opaque, uint64_t offset, unsigned size)
{
    Counter *c = &((Pit *)opaque)->c[offset & 3];

    if (offset == 3) {
        return 0;
    }
    if (c->status_latched) {
        c->status_latched = false;
        return c->status;
    }
    if (c->count_latched) {
        return read_latched(c);
    }
    switch (c->read_state) {
    case BY_HIGH: return count_now(c) >> 8;
    case BY_BOTH:
        c->read_state = BY_BOTH_SECOND;
        return count_now(c) & 0xff;
    case BY_BOTH_SECOND:
        c->read_state = BY_BOTH;
        return count_now(c) >> 8;
    default: return count_now(c) & 0xff;
    }
}

static const IoOps pit_ops = { .read = pit_read, .write = pit_write, .max_size = 1 };

static void set_gate(Counter *c, bool on)
{
    if (on && !c->gate && (c->mode == 1 || c->mode == 2 || c->mode == 3 || c->mode == 5)) {
        c->loaded_at = now_ns();               /* a rising edge starts over */
    }
    c->gate = on;
}

static void pit_reset(Device *d)
{
    Pit *p = (Pit *)d;

    for (int i = 0; i < 3; i++) {
        p->c[i] = (Counter) { .mode = 3, .gate = i != 2, .count = 0x10000, .loaded_at = now_ns() };
    }
    if (!p->irq_off) {
        irq_set(p->irq, 1);
        aio_timer_mod_ns(p->timer, next_change(&p->c[0], now_ns()));
    }
}

static bool pit_realize(Device *d, Error **errp)
{
    Pit *p = (Pit *)d;

    the_pit = p;
    p->irq = gsi_source(0);
    p->timer = aio_timer_new(aio_main_context(), AIO_CLOCK_VIRTUAL, update_irq, p);
    io_region_map(io_region_new(IO_SPACE_PORT, "pit", 4, &pit_ops, p), p->iobase, 0);
    pit_reset(d);
    return true;
}

typedef struct CounterWire {
    uint32_t count;
    uint16_t latched_count;
    uint8_t count_latched, status_latched, status, read_state, write_state, write_latch, rw_mode, mode, bcd, gate;
    int64_t count_load_time, next_transition_time;
} CounterWire;

typedef struct PitWire {
    uint32_t irq_disabled;
    CounterWire channels[3];
    int64_t next_transition_time;
} PitWire;

static void pit_save(void *obj, void *wire)
{
    const Pit *p = obj;
    PitWire *w = wire;

    w->irq_disabled = p->irq_off;
    for (int i = 0; i < 3; i++) {
        const Counter *c = &p->c[i];

        w->channels[i] = (CounterWire) {
            c->count, c->latched, c->count_latched, c->status_latched, c->status, c->read_state, c->write_state,
            c->write_latch,
            c->rw_mode, c->mode, c->bcd, c->gate, c->loaded_at, i ? 0 : aio_timer_expiry_ns(p->timer),
        };
    }
    w->next_transition_time = aio_timer_expiry_ns(p->timer);
}

static bool counter_sound(const CounterWire *c)
{
    return c->count >= 1 && c->count <= 0x10000 && c->count_latched <= BY_BOTH && c->read_state <= BY_BOTH_SECOND
           && c->write_state <= BY_BOTH_SECOND && c->rw_mode <= BY_BOTH && c->mode <= 7 && c->count_load_time >= 0;
}

static bool pit_load(void *obj, const void *wire, Error **errp)
{
    const PitWire *w = wire;
    Pit *p = obj;

    for (int i = 0; i < 3; i++) {
        if (!counter_sound(&w->channels[i])) {
            error_setg(errp, "counter %d holds what it cannot", i);
            return false;
        }
    }
    for (int i = 0; i < 3; i++) {
        const CounterWire *c = &w->channels[i];

        p->c[i] = (Counter) {
            c->count, c->latched_count, c->count_latched, c->status_latched, c->bcd, c->gate, c->status, c->read_state,
            c->write_state,
            c->write_latch, c->rw_mode, c->mode, MIN(c->count_load_time, now_ns()),
        };
    }
    p->irq_off = w->irq_disabled;
    if (p->irq_off) {
        irq_set(p->irq, 0);
        aio_timer_del(p->timer);
    } else {
        update_irq(p);
    }
    return true;
}

#define CW(f, t) VMF(CounterWire, f, t)
static const VmField counter_fields[] = {
    CW(count, "int32"), CW(latched_count, "uint16"), CW(count_latched, "uint8"), CW(status_latched, "uint8"),
    CW(status, "uint8"),
    CW(read_state, "uint8"), CW(write_state, "uint8"), CW(write_latch, "uint8"), CW(rw_mode, "uint8"),
    CW(mode, "uint8"), CW(bcd, "uint8"),
    CW(gate, "uint8"), CW(count_load_time, "int64"), CW(next_transition_time, "int64"), { NULL }
};
static const VmDesc counter_desc = { .name = "pit channel", .version = 2, .min_version = 2, .fields = counter_fields };
static const VmField pit_fields[] = {
    VMFN("channels[0].irq_disabled", "uint32", PitWire, irq_disabled), VMF_STRUCTS(PitWire, channels, &counter_desc),
    VMFN("channels[0].next_transition_time", "int64", PitWire, next_transition_time), { NULL }
};
static const VmDesc pit_vmstate = {
    .name = "i8254", .version = 3, .min_version = 3, .size = sizeof(PitWire), .fields = pit_fields, .save = pit_save,
    .load = pit_load,
};

static const Property pit_props[] = { P_NUM("iobase", PROP_U32, Pit, iobase, UINT32_MAX), { NULL } };
static const DeviceClass pit_class = ISA_CLASS_DEV(.category = DEVICE_UNCATEGORIZED, .no_user = true,
    .vmstate = &pit_vmstate, .lines = "gpio-in \"\" 1\ngpio-out \"\" 1", .realize = pit_realize, .reset = pit_reset);
static const TypeInfo pit_common = {
    .name = "pit-common", .parent = "isa-device", .abstract = true, .size = sizeof(Pit),
};
QOM_TYPE(pit_common)
static const TypeInfo pit_type = {
    .name = "isa-pit", .parent = "pit-common", .size = sizeof(Pit), .props = pit_props, .class_data = &pit_class,
};
QOM_TYPE(pit_type)

/* --- speaker ----------------------------------------------------------------------------------------------- */

typedef struct Speaker {
    Device dev;
    uint32_t iobase;
    char *audiodev;
    bool data_on, refresh, migrate;
} Speaker;

static uint64_t speaker_read(void *opaque, uint64_t offset, unsigned size)
{
    Speaker *s = opaque;

    s->refresh = !s->refresh;
    return the_pit->c[2].gate | s->data_on << 1 | s->refresh << 4 | output_at(&the_pit->c[2], now_ns()) << 5;
}

static void speaker_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    ((Speaker *)opaque)->data_on = (value >> 1) & 1;
    set_gate(&the_pit->c[2], value & 1);
}

static const IoOps speaker_ops = { .read = speaker_read, .write = speaker_write, .max_size = 1 };

static bool speaker_realize(Device *d, Error **errp)
{
    io_region_map(io_region_new(IO_SPACE_PORT, "pcspk", 1, &speaker_ops, d), ((Speaker *)d)->iobase, 0);
    return true;
}

typedef struct SpeakerWire { uint8_t data_on, dummy_refresh_clock; } SpeakerWire;

static void speaker_save(void *obj, void *wire)
{
    *(SpeakerWire *)wire = (SpeakerWire) { ((Speaker *)obj)->data_on, ((Speaker *)obj)->refresh };
}

static bool speaker_load(void *obj, const void *wire, Error **errp)
{
    ((Speaker *)obj)->data_on = ((const SpeakerWire *)wire)->data_on & 1;
    ((Speaker *)obj)->refresh = ((const SpeakerWire *)wire)->dummy_refresh_clock & 1;
    return true;
}

static const VmField speaker_fields[] = {
    VMF(SpeakerWire, data_on, "uint8"), VMF(SpeakerWire, dummy_refresh_clock, "uint8"), { NULL }
};
static const VmDesc speaker_vmstate = {
    .name = "pcspk", .version = 1, .min_version = 1, .size = sizeof(SpeakerWire), .fields = speaker_fields,
    .save = speaker_save,
    .load = speaker_load,
};

static const Property speaker_props[] = {
    P_STR("audiodev", Speaker, audiodev), P_NUM("iobase", PROP_U32, Speaker, iobase, 0x61),
        P_BOOL("migrate", Speaker, migrate, true), { NULL }
};
static const DeviceClass speaker_class =
    ISA_CLASS_DEV(.category = DEVICE_SOUND, .no_user = true, .desc = "PC Speaker", .vmstate = &speaker_vmstate,
                  .realize = speaker_realize);
static const TypeInfo speaker_type = {
    .name = "isa-pcspk", .parent = "isa-device", .size = sizeof(Speaker), .props = speaker_props,
    .class_data = &speaker_class,
};
QOM_TYPE(speaker_type)

void i8254_set_irq_off(bool off)
{
    if (the_pit && the_pit->irq_off != off) {
        the_pit->irq_off = off;
        if (off) {
            irq_set(the_pit->irq, 0);
            aio_timer_del(the_pit->timer);
        } else {
            update_irq(the_pit);
        }
    }
}

void i8254_create(Bus *isa)
{
    Device *pit = device_new("isa-pit");

    ((Pit *)pit)->iobase = 0x40;
    device_realize(pit, isa, &error_fatal);
    device_create_on_board("isa-pcspk", isa, NULL);
}
