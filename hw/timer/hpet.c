/*
 * The high precision event timer at 0xfed00000: a 100 MHz counter and three comparators.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/pc-chips.h"
#include "migration/vmstate.h"
#include "util/aio.h"

#define TICK_NS 10
enum {
    CFG_ENABLE = 1, CFG_LEGACY = 2,
    T_LEVEL = 2, T_ENABLE = 4, T_PERIODIC = 8, T_CAN_PERIODIC = 0x10, T_CAN_64 = 0x20, T_SET_VALUE = 0x40, T_32 = 0x100,
    T_WRITABLE = 0x7f4e,
};

typedef struct Hpet Hpet;
typedef struct HpetTimer {
    Hpet *h;
    int n;
    uint64_t config, cmp, fsb, period;
    AioTimer *timer;
    Irq *irq;
    int irq_n;
} HpetTimer;

struct Hpet {
    Device dev;
    uint8_t timers;
    bool msi, offset_saved;
    uint32_t intcap;
    uint64_t config, isr, counter;
    int64_t offset;            /* counter = clock + offset while enabled */
    HpetTimer t[3];
};

static bool on(const Hpet *h) { return h->config & CFG_ENABLE; }
static int64_t clock_ticks(void) { return aio_clock_ns(AIO_CLOCK_VIRTUAL) / TICK_NS; }
static uint64_t counter_now(const Hpet *h) { return on(h) ? (uint64_t)(clock_ticks() + h->offset) : h->counter; }

static void set_line(HpetTimer *t, bool level)
{
    const Hpet *h = t->h;
    int route = (h->config & CFG_LEGACY) && t->n < 2 ? (t->n ? 8 : 0) : (t->config >> 9) & 31;

    if (route >= GSI_MAX) {
        return;
    }
    if (!t->irq || t->irq_n != route) {
        irq_free(t->irq);
        t->irq = gsi_source(route);
        t->irq_n = route;
    }
    irq_set(t->irq, level);
}

static void fire(HpetTimer *t)
{
    Hpet *h = t->h;

    if (!(t->config & T_ENABLE) || !on(h)) {
        return;
    }
    if (t->config & T_LEVEL) {
        h->isr |= 1u << t->n;
        set_line(t, true);
    } else {
        h->isr &= ~(1ULL << t->n);
        set_line(t, true);
        set_line(t, false);
    }
}

static void arm(HpetTimer *t)
{
    uint64_t now = counter_now(t->h), left = t->config & T_32 ? (uint32_t)(t->cmp - now) : t->cmp - now;

    if (!on(t->h) || (int64_t)left < 0) {
        aio_timer_del(t->timer);
        return;
    }
    aio_timer_mod_ns(t->timer, aio_clock_ns(AIO_CLOCK_VIRTUAL)
                     + (int64_t)MIN(left, INT64_MAX / (2 * TICK_NS)) * TICK_NS);
}

static void expired(void *opaque)
{
    HpetTimer *t = opaque;

    if ((t->config & T_PERIODIC) && t->period) {
        uint64_t now = counter_now(t->h);

        t->cmp += ((now - t->cmp) / t->period + 1) * t->period;
        arm(t);
    }
    fire(t);
}

/* --- registers -------------------------------------------------------------------------------------------- */

static uint64_t timer_register(const HpetTimer *t, unsigned at)
{
    switch (at & 0x18) {
    case 0: return t->config;
    case 8: return t->cmp;
    case 0x10: return t->fsb;
    default: return 0;
    }
}

static uint64_t capabilities(const Hpet *h)
{
    return (uint64_t)(TICK_NS * 1000000) << 32 | 0x8086a001 | (uint32_t)(h->timers - 1) << 8;
}

static uint64_t read_quad(const Hpet *h, unsigned at)
{
    if (at >= 0x100 && (at - 0x100) / 0x20 < h->timers) {
        return timer_register(&h->t[(at - 0x100) / 0x20], (at - 0x100) % 0x20);
    }
    switch (at & ~7u) {
    case 0: return capabilities(h);
    case 0x10: return h->config;
    case 0x20: return h->isr;
    case 0xf0: return counter_now(h);
    default: return 0;
    }
}

static uint64_t hpet_read(void *opaque, uint64_t offset, unsigned size)
{
    return (uint32_t)(read_quad(opaque, offset) >> (offset & 4 ? 32 : 0));
}

static uint64_t merge(uint64_t old, unsigned at, uint32_t v)
{
    return at & 4 ? (uint32_t)old | (uint64_t)v << 32 : (old & ~(uint64_t)UINT32_MAX) | v;
}

static void enable(Hpet *h, uint64_t config)
{
    bool was = on(h);
    uint64_t shown = counter_now(h);

    h->config = config & (CFG_ENABLE | CFG_LEGACY);
    i8254_set_irq_off(h->config & CFG_LEGACY);
    if (on(h) != was) {
        h->counter = shown;
        h->offset = shown - clock_ticks();
        for (int i = 0; i < h->timers; i++) {
            if (!on(h)) {
                aio_timer_del(h->t[i].timer);
            } else if (h->t[i].cmp != UINT64_MAX) {
                arm(&h->t[i]);
            }
        }
    }
}

static void write_timer(HpetTimer *t, unsigned at, uint32_t v)
{
    switch (at & 0x1c) {
    case 0:
        t->config = (t->config & ~(uint64_t)T_WRITABLE) | (v & T_WRITABLE);
        if (v & T_32) {
            t->cmp = (uint32_t)t->cmp;
            t->period = (uint32_t)t->period;
        }
        if ((t->config & T_ENABLE) && on(t->h)) {
            arm(t);
        }
        break;
    case 8: case 12:
        if ((at & 4) && (t->config & T_32)) {
            break;
        }
        if (!(t->config & T_PERIODIC) || (t->config & T_SET_VALUE)) {
            t->cmp = merge(t->cmp, at, v);
        }
        if (t->config & T_PERIODIC) {
            t->period = merge(t->period, at, v);
        }
        t->config &= ~(uint64_t)T_SET_VALUE;
        if (on(t->h)) {
            arm(t);
        }
        break;
    case 0x10: case 0x14: t->fsb = merge(t->fsb, at, v); break;
    default: break;
    }
}

static void hpet_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Hpet *h = opaque;

    if (offset >= 0x100) {
        if ((offset - 0x100) / 0x20 < h->timers) {
            write_timer(&h->t[(offset - 0x100) / 0x20], (offset - 0x100) % 0x20, value);
        }
        return;
    }
    switch (offset) {
    case 0x10: enable(h, value); break;
    case 0x20:
        for (int i = 0; i < h->timers; i++) {
            if (h->isr & value & (1u << i)) {
                set_line(&h->t[i], false);
            }
        }
        h->isr &= ~value;
        break;
    case 0xf0: case 0xf4:
        if (!on(h)) {
            h->counter = merge(h->counter, offset, value);
        }
        break;
    default: break;
    }
}

static const IoOps hpet_ops = { .read = hpet_read, .write = hpet_write, .min_size = 4, .max_size = 4 };

/* --- device ------------------------------------------------------------------------------------------------ */

static bool hpet_realize(Device *d, Error **errp)
{
    Hpet *h = (Hpet *)d;

    h->timers = 3;
    for (int i = 0; i < h->timers; i++) {
        h->t[i].h = h;
        h->t[i].n = i;
        h->t[i].timer = aio_timer_new(aio_main_context(), AIO_CLOCK_VIRTUAL, expired, &h->t[i]);
    }
    io_region_map(io_region_new(IO_SPACE_MEM, "hpet", 0x400, &hpet_ops, h), 0xfed00000, 0);
    return true;
}

static void hpet_reset(Device *d)
{
    Hpet *h = (Hpet *)d;

    for (int i = 0; i < h->timers; i++) {
        HpetTimer *t = &h->t[i];

        aio_timer_del(t->timer);
        t->cmp = UINT64_MAX;
        t->config = T_CAN_PERIODIC | T_CAN_64 | (uint64_t)h->intcap << 32;
        t->period = t->fsb = 0;
        if (t->irq) {
            irq_set(t->irq, 0);
        }
    }
    h->counter = h->config = h->isr = 0;
    i8254_set_irq_off(false);
    h->offset = 0;
}

/* --- state -------------------------------------------------------------------------------------------------- */

typedef struct HpetTimerWire {
    uint8_t tn, wrap_flag;
    uint64_t config, cmp, fsb, period, qemu_timer;
} HpetTimerWire;

typedef struct HpetWire {
    uint64_t config, isr, hpet_counter, hpet_offset;
    uint8_t num_timers, rtc_irq_level;             /* the latter is not read: the clock holds its own line */
    bool offset_saved;
    HpetTimerWire timer[3];
} HpetWire;

static void hpet_save(void *obj, void *wire)
{
    const Hpet *h = obj;
    HpetWire *w = wire;

    w->config = h->config;
    w->isr = h->isr;
    w->hpet_counter = counter_now(h);
    w->hpet_offset = h->offset * TICK_NS;
    w->offset_saved = h->offset_saved && on(h);
    w->num_timers = h->timers;
    for (int i = 0; i < h->timers; i++) {
        const HpetTimer *t = &h->t[i];

        w->timer[i] = (HpetTimerWire) { i, 0, t->config, t->cmp, t->fsb, t->period, aio_timer_expiry_ns(t->timer) };
    }
}

/* The counter goes on from what it showed: the clock shows the time of then. */
static bool hpet_load(void *obj, const void *wire, Error **errp)
{
    const HpetWire *w = wire;
    Hpet *h = obj;

    h->config = w->config & (CFG_ENABLE | CFG_LEGACY);
    h->isr = w->isr & 7;
    h->counter = w->hpet_counter;
    h->offset = on(h) ? w->hpet_counter - clock_ticks() : 0;
    for (int i = 0; i < h->timers; i++) {
        HpetTimer *t = &h->t[i];
        const HpetTimerWire *f = &w->timer[i];

        t->config = (t->config & ~(uint64_t)T_WRITABLE) | (f->config & T_WRITABLE);
        t->cmp = f->cmp;
        t->fsb = f->fsb;
        t->period = f->period;
        if ((int64_t)f->qemu_timer >= 0 && on(h)) {
            aio_timer_mod_ns(t->timer, f->qemu_timer);
        } else {
            aio_timer_del(t->timer);
        }
        set_line(t, (t->config & T_LEVEL) && (h->isr & (1u << i)));
    }
    i8254_set_irq_off(h->config & CFG_LEGACY);
    return true;
}

#define HT(f, t) VMF(HpetTimerWire, f, t)
static const VmField hpet_timer_fields[] = {
    HT(tn, "uint8"), HT(config, "uint64"), HT(cmp, "uint64"), HT(fsb, "uint64"), HT(period, "uint64"),
    HT(wrap_flag, "uint8"),
    HT(qemu_timer, "timer"), { NULL }
};
static const VmDesc hpet_timer_desc = {
    .name = "hpet_timer", .version = 1, .min_version = 1, .fields = hpet_timer_fields,
};
static bool level_needed(const void *wire) { return false; }
static bool offset_needed(const void *wire) { return ((const HpetWire *)wire)->offset_saved; }
static const VmField level_fields[] = { VMFN("rtc_irq_level", "uint8", HpetWire, rtc_irq_level), { NULL } };
static const VmField offset_fields[] = { VMF(HpetWire, hpet_offset, "uint64"), { NULL } };
static const VmDesc level_desc = {
    .name = "hpet/rtc_irq_level", .version = 1, .min_version = 1, .fields = level_fields, .needed = level_needed,
};
static const VmDesc offset_desc = {
    .name = "hpet/offset", .version = 1, .min_version = 1, .fields = offset_fields, .needed = offset_needed,
};
static const VmDesc *const hpet_subsections[] = { &level_desc, &offset_desc, NULL };
static const VmField hpet_fields[] = {
    VMF(HpetWire, config, "uint64"), VMF(HpetWire, isr, "uint64"), VMF(HpetWire, hpet_counter, "uint64"),
    { .name = "num_timers", .type = "uint8", .kind = VM_EQUAL, .offset = offsetof(HpetWire, num_timers), .size = 1,
      .count = 1 }, VMF_STRUCTS(HpetWire, timer, &hpet_timer_desc), { NULL }
};
static const VmDesc hpet_vmstate = {
    .name = "hpet", .version = 2, .min_version = 2, .size = sizeof(HpetWire), .fields = hpet_fields,
    .subsections = hpet_subsections,
    .save = hpet_save, .load = hpet_load,
};

static const Property hpet_props[] = {
    P_NUM("timers", PROP_U8, Hpet, timers, 3), P_BOOL("msi", Hpet, msi, false),
    P_NUM("hpet-intcap", PROP_U32, Hpet, intcap, 0),
    P_BOOL("hpet-offset-saved", Hpet, offset_saved, true), { NULL }
};
static const DeviceClass hpet_class = {
    .bus_type = "System", .category = DEVICE_UNCATEGORIZED, .no_user = true,
    .vmstate = &hpet_vmstate, .lines = "gpio-in \"\" 2\ngpio-out \"\" 1\ngpio-out \"sysbus-irq\" 32",
    .mmio = "mmio 00000000fed00000/0000000000000400", .no_hotplug = true, .realize = hpet_realize, .reset = hpet_reset,
};
static const TypeInfo hpet_type = {
    .name = "hpet", .parent = "device", .size = sizeof(Hpet), .props = hpet_props, .class_data = &hpet_class,
};
QOM_TYPE(hpet_type)

void hpet_create(uint32_t irq_routes)
{
    Device *d = device_new("hpet");

    ((Hpet *)d)->intcap = irq_routes;
    device_realize(d, bus_root(), &error_fatal);
}
