/*
 * The MC146818 clock with 128 bytes of CMOS memory: ports 0x70 (index) and 0x71.
 *
 * The time shown is a base plus the clock that drives it; a guest that sets it moves the base.  Interrupt 8: periodic,
 * alarm, and once a second after the update.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <time.h>
#include "hw/pc-chips.h"
#include "migration/vmstate.h"
#include "util/aio.h"

enum {
    SECONDS = 0, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM, WEEKDAY, DAY, MONTH, YEAR,
    REG_A, REG_B, REG_C, REG_D, CENTURY = 0x32, CENTURY_PS2 = 0x37,
    B_SET = 0x80, B_PERIODIC = 0x40, B_ALARM = 0x20, B_UPDATE = 0x10, B_BINARY = 4, B_24H = 2,
    C_ANY = 0x80,
};

typedef struct Rtc {
    Device dev;
    int32_t base_year;
    uint16_t iobase;
    uint8_t irq_number;
    int lost_tick_policy;
    uint8_t cmos[128], index;
    int64_t base_ns, set_ns;   /* guest time = base + clock; time of the set mode, while it holds */
    Irq *irq;
    AioTimer *periodic, *second;
    int64_t next_periodic;
} Rtc;

static Rtc *the_rtc;
static AioClock clock_kind = AIO_CLOCK_HOST;
static int64_t start_seconds = -1;
static uint8_t early_cmos[128];
void (*rtc_changed_hook)(int64_t offset, const char *path);

void rtc_set_cmos(int index, uint8_t value)
{
    early_cmos[index] = value;
    if (the_rtc) {
        the_rtc->cmos[index] = value;
    }
}

void rtc_set_base(int64_t seconds, bool virtual_clock)
{
    start_seconds = seconds;
    clock_kind = virtual_clock ? AIO_CLOCK_VIRTUAL : AIO_CLOCK_HOST;
}

static int64_t guest_ns(const Rtc *r) { return r->base_ns + aio_clock_ns(clock_kind); }

/* --- fields -------------------------------------------------------------------------------------------- */

static uint8_t encode(const Rtc *r, int v) { return r->cmos[REG_B] & B_BINARY ? v : (v / 10) << 4 | v % 10; }
static int decode(const Rtc *r, uint8_t v) { return r->cmos[REG_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 15); }

static uint8_t encode_hour(const Rtc *r, int hour)
{
    if (r->cmos[REG_B] & B_24H) {
        return encode(r, hour);
    }
    return encode(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? 0x80 : 0);
}

static int decode_hour(const Rtc *r, uint8_t v)
{
    int hour = decode(r, v & 0x7f);

    if (r->cmos[REG_B] & B_24H) {
        return decode(r, v);
    }
    return hour % 12 + (v & 0x80 ? 12 : 0);
}

static void show_time(Rtc *r)
{
    time_t t = (r->cmos[REG_B] & B_SET ? r->set_ns : guest_ns(r)) / 1000000000;
    struct tm tm;

    if (!gmtime_r(&t, &tm)) {
        return;
    }
    r->cmos[SECONDS] = encode(r, tm.tm_sec);
    r->cmos[MINUTES] = encode(r, tm.tm_min);
    r->cmos[HOURS] = encode_hour(r, tm.tm_hour);
    r->cmos[WEEKDAY] = encode(r, tm.tm_wday + 1);
    r->cmos[DAY] = encode(r, tm.tm_mday);
    r->cmos[MONTH] = encode(r, tm.tm_mon + 1);
    r->cmos[YEAR] = encode(r, (tm.tm_year + 1900 - r->base_year) % 100);
    r->cmos[CENTURY] = r->cmos[CENTURY_PS2] = encode(r, (tm.tm_year + 1900 - r->base_year) / 100);
}

static void tell_change(Rtc *r)
{
    int64_t shown = guest_ns(r) / 1000000000,
        expected = start_seconds + (aio_clock_ns(clock_kind) - r->set_ns) / 1000000000;
    g_autofree char *path = object_path(&r->dev.obj);

    if (rtc_changed_hook) {
        rtc_changed_hook(shown - expected, path);
    }
}

/* What the fields say becomes the time. */
static void take_time(Rtc *r)
{
    struct tm tm = {
        .tm_sec = decode(r, r->cmos[SECONDS]), .tm_min = decode(r, r->cmos[MINUTES]),
        .tm_hour = decode_hour(r, r->cmos[HOURS]),
        .tm_mday = decode(r, r->cmos[DAY]), .tm_mon = decode(r, r->cmos[MONTH]) - 1,
        .tm_year = decode(r, r->cmos[YEAR]) + decode(r, r->cmos[CENTURY]) * 100 + r->base_year - 1900,
    };
    int64_t fraction = ((guest_ns(r) % 1000000000) + 1000000000) % 1000000000;

    r->base_ns = (int64_t)timegm(&tm) * 1000000000 + fraction - aio_clock_ns(clock_kind);
}

/* --- interrupts ------------------------------------------------------------------------------------------ */

static void flag(Rtc *r, uint8_t which)
{
    r->cmos[REG_C] |= which;
    if (r->cmos[REG_C] & r->cmos[REG_B] & (B_PERIODIC | B_ALARM | B_UPDATE)) {
        r->cmos[REG_C] |= C_ANY;
        irq_raise(r->irq);
    }
}

/* The divider's tap in periods of 32768 Hz; 0: off. */
static int64_t period_ns(const Rtc *r)
{
    int code = r->cmos[REG_A] & 15;

    if (!code || !(r->cmos[REG_B] & B_PERIODIC)) {
        return 0;
    }
    code += code <= 2 ? 7 : 0;
    return (1LL << (code - 1)) * 1000000000 / 32768;
}

static void arm_periodic(Rtc *r)
{
    int64_t period = period_ns(r);

    if (period) {
        r->next_periodic = aio_clock_ns(AIO_CLOCK_VIRTUAL) / period * period + period;
        aio_timer_mod_ns(r->periodic, r->next_periodic);
    } else {
        aio_timer_del(r->periodic);
    }
}

static void periodic_expired(void *opaque)
{
    arm_periodic(opaque);
    flag(opaque, B_PERIODIC);
}

/* Alarm fields from 0xc0 on match everything. */
static bool alarm_matches(const Rtc *r)
{
    for (int at = SECONDS; at <= HOURS; at += 2) {
        if (r->cmos[at + 1] < 0xc0 && r->cmos[at + 1] != r->cmos[at]) {
            return false;
        }
    }
    return true;
}

static void arm_second(Rtc *r)
{
    if ((r->cmos[REG_B] & (B_ALARM | B_UPDATE)) && !(r->cmos[REG_B] & B_SET)) {
        int64_t left = 1000000000 - ((guest_ns(r) % 1000000000) + 1000000000) % 1000000000;

        aio_timer_mod_ns(r->second, aio_clock_ns(AIO_CLOCK_VIRTUAL) + left);
    } else {
        aio_timer_del(r->second);
    }
}

static void second_passed(void *opaque)
{
    Rtc *r = opaque;

    show_time(r);
    flag(r, B_UPDATE | (alarm_matches(r) ? B_ALARM : 0));
    arm_second(r);
}

/* --- ports -------------------------------------------------------------------------------------------------- */

static void write_b(Rtc *r, uint8_t v)
{
    uint8_t old = r->cmos[REG_B];

    if (v & B_SET) {
        if (!(old & B_SET)) {
            show_time(r);
            r->set_ns = guest_ns(r);
        }
        v &= ~B_UPDATE;                                  /* no updates, no interrupts from them */
    } else if (old & B_SET) {
        r->cmos[REG_B] = old;
        take_time(r);
    }
    r->cmos[REG_B] = v;
    if ((v ^ old) & B_PERIODIC) {
        arm_periodic(r);
    }
    if (r->cmos[REG_C] & v & (B_PERIODIC | B_ALARM | B_UPDATE)) {
        r->cmos[REG_C] |= C_ANY;
        irq_raise(r->irq);
    } else {
        r->cmos[REG_C] &= ~C_ANY;
        irq_lower(r->irq);
    }
    arm_second(r);
}

static void write_time(Rtc *r, int at, uint8_t v)
{
    if (!(r->cmos[REG_B] & B_SET)) {
        show_time(r);
    }
    r->cmos[at] = v;
    if (at == CENTURY) {
        r->cmos[CENTURY_PS2] = v;
    }
    if (!(r->cmos[REG_B] & B_SET)) {
        take_time(r);
        arm_second(r);
        tell_change(r);
    }
}

static void rtc_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Rtc *r = opaque;
    int at;

    if (offset == 0) {
        r->index = value & 0x7f;
        return;
    }
    at = r->index == CENTURY_PS2 ? CENTURY : r->index;
    switch (at) {
    case SECONDS: case MINUTES: case HOURS: case WEEKDAY: case DAY: case MONTH: case YEAR: case CENTURY:
        write_time(r, at, value);
        break;
    case REG_A:
        r->cmos[REG_A] = (value & 0x7f) | (r->cmos[REG_A] & 0x80);
        arm_periodic(r);
        break;
    case REG_B: write_b(r, value); break;
    case REG_C: case REG_D: break;
    default: r->cmos[at] = value;
    }
}

static uint64_t rtc_read(void *opaque, uint64_t offset, unsigned size)
{
    Rtc *r = opaque;
    uint8_t v;

    if (offset == 0) {
        return 0xff;
    }
    if ((r->index <= YEAR && r->index != SECONDS_ALARM && r->index != MINUTES_ALARM && r->index != HOURS_ALARM)
        || r->index == CENTURY || r->index == CENTURY_PS2) {
        if (!(r->cmos[REG_B] & B_SET)) {
            show_time(r);
        }
    }
    v = r->cmos[r->index];
    if (r->index == REG_C) {                             /* reading acknowledges */
        r->cmos[REG_C] = 0;
        irq_lower(r->irq);
    }
    return v;
}

static const IoOps rtc_ops = { .read = rtc_read, .write = rtc_write, .max_size = 1 };

/* --- device ------------------------------------------------------------------------------------------------- */

static bool rtc_realize(Device *d, Error **errp)
{
    Rtc *r = (Rtc *)d;
    IoRegion *ports;

    the_rtc = r;
    for (int i = 0; i < 128; i++) {
        r->cmos[i] = early_cmos[i];
    }
    r->cmos[REG_A] = 0x26;
    r->cmos[REG_B] = B_24H;
    r->cmos[REG_D] = 0x80;
    start_seconds = start_seconds < 0 ? time(NULL) : start_seconds;
    r->base_ns = start_seconds * 1000000000 - aio_clock_ns(clock_kind);
    r->irq = gsi_source(r->irq_number);
    r->periodic = aio_timer_new(aio_main_context(), AIO_CLOCK_VIRTUAL, periodic_expired, r);
    r->second = aio_timer_new(aio_main_context(), AIO_CLOCK_VIRTUAL, second_passed, r);
    show_time(r);
    ports = io_region_new(IO_SPACE_PORT, "rtc", 2, &rtc_ops, r);
    io_region_map_in(ports, io_region_new(IO_SPACE_PORT, "rtc-index", 1, &rtc_ops, r), 0, 0);
    io_region_map(ports, r->iobase, 0);
    return true;
}

static void rtc_reset(Device *d)
{
    Rtc *r = (Rtc *)d;

    r->cmos[REG_B] &= ~(B_PERIODIC | B_ALARM | 8);
    r->cmos[REG_C] = 0;
    irq_lower(r->irq);
    arm_periodic(r);
    arm_second(r);
}

/* --- state ------------------------------------------------------------------------------------------------------ */

typedef struct RtcWire {
    uint8_t cmos_data[128], cmos_index;
    uint64_t periodic_timer, base_rtc, last_update, update_timer, next_alarm_time;
    int64_t next_periodic_time, offset;
    uint32_t irq_coalesced, period;
} RtcWire;

static void rtc_save(void *obj, void *wire)
{
    Rtc *r = obj;
    RtcWire *w = wire;
    int64_t now = guest_ns(r), second = now / 1000000000 - (now % 1000000000 < 0);

    if (!(r->cmos[REG_B] & B_SET)) {
        show_time(r);
    }
    memcpy(w->cmos_data, r->cmos, sizeof(w->cmos_data));
    w->cmos_index = r->index;
    w->periodic_timer = aio_timer_expiry_ns(r->periodic);
    w->next_periodic_time = r->next_periodic;
    w->period = period_ns(r) * 32768 / 1000000000;
    w->base_rtc = second;
    w->last_update = aio_clock_ns(clock_kind);
    w->offset = now - second * 1000000000;
    w->update_timer = aio_timer_expiry_ns(r->second);
}

/* The clock shows what it would show had it gone on by itself. */
static bool rtc_load(void *obj, const void *wire, Error **errp)
{
    const int64_t far = 1LL << 33;
    const RtcWire *w = wire;
    Rtc *r = obj;

    if ((int64_t)w->base_rtc < -far || (int64_t)w->base_rtc > far || w->offset < -1000000000 || w->offset > 1000000000
        || (int64_t)w->last_update < 0) {
        error_setg(errp, "the clock shows no time");
        return false;
    }
    memcpy(r->cmos, w->cmos_data, sizeof(r->cmos));
    r->index = w->cmos_index & 0x7f;
    r->base_ns = (int64_t)w->base_rtc * 1000000000 + w->offset - (int64_t)(w->last_update % (uint64_t)INT64_MAX);
    r->set_ns = guest_ns(r);
    irq_set(r->irq, r->cmos[REG_C] & C_ANY);
    arm_periodic(r);
    arm_second(r);
    return true;
}

#define RW(f, t) VMF(RtcWire, f, t)
static const VmField rtc_fields[] = {
    VMF_BYTES(RtcWire, cmos_data), RW(cmos_index, "uint8"), VMF_UNUSED(28), RW(periodic_timer, "timer"),
    RW(next_periodic_time, "int64"),
    VMF_UNUSED(24), RW(irq_coalesced, "uint32"), RW(period, "uint32"), RW(base_rtc, "uint64"),
    RW(last_update, "uint64"),
    RW(offset, "int64"), RW(update_timer, "timer"), RW(next_alarm_time, "uint64"), { NULL }
};
static const VmDesc rtc_vmstate = {
    .name = "mc146818rtc", .version = 3, .min_version = 3, .size = sizeof(RtcWire), .fields = rtc_fields,
    .save = rtc_save, .load = rtc_load,
};

static QObject *get_date(Object *o, const Property *p, Error **errp)
{
    time_t t = guest_ns((Rtc *)o) / 1000000000;
    struct tm tm = { 0 };
    QDict *d = qdict_new();

    gmtime_r(&t, &tm);
    qdict_put_int(d, "tm_year", tm.tm_year);
    qdict_put_int(d, "tm_mon", tm.tm_mon);
    qdict_put_int(d, "tm_mday", tm.tm_mday);
    qdict_put_int(d, "tm_hour", tm.tm_hour);
    qdict_put_int(d, "tm_min", tm.tm_min);
    qdict_put_int(d, "tm_sec", tm.tm_sec);
    return d;
}

static const char *const lost_tick_names[] = { "discard", "delay", "slew", NULL };
static const Property rtc_props[] = {
    P_NUM("base_year", PROP_I32, Rtc, base_year, 1980), P_NUM("iobase", PROP_U16, Rtc, iobase, 0x70),
    P_NUM("irq", PROP_U8, Rtc, irq_number, 8),
    { .name = "lost_tick_policy", .type = "LostTickPolicy", .kind = PROP_ENUM, .names = lost_tick_names,
      .offset = offsetof(Rtc, lost_tick_policy), .has_default = true },
    { .name = "date", .type = "struct tm", .kind = PROP_CUSTOM, .get = get_date, .hidden = true },
    { NULL }
};
static const DeviceClass rtc_class = ISA_CLASS_DEV(.category = DEVICE_MISC, .no_user = true,
    .vmstate = &rtc_vmstate, .lines = "gpio-out \"\" 1", .realize = rtc_realize, .reset = rtc_reset);
static const TypeInfo rtc_type = {
    .name = "mc146818rtc", .parent = "isa-device", .size = sizeof(Rtc), .props = rtc_props, .class_data = &rtc_class,
};
QOM_TYPE(rtc_type)

void rtc_create(Bus *isa)
{
    Device *d = device_new("mc146818rtc");

    ((Rtc *)d)->base_year = 0;
    device_realize(d, isa, &error_fatal);
}
