/*
 * The iBASE 700 watchdog: a write to port 0x443 starts it with a time-out from its low four bits, one to 0x441 stops
 * it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/isa.h"
#include "machine/runstate.h"
#include "migration/vmstate.h"
#include "util/aio.h"

typedef struct Ib700 {
    Device dev;
    AioTimer *timer;
    IoRegion *stop, *start;
} Ib700;

/* 30 s down to 2 s in steps of two; 15 means at once. */
static int64_t timeout_ns(uint64_t value) { return (30 - 2 * (int64_t)(value & 15)) * 1000000000; }

static uint64_t no_read(void *opaque, uint64_t offset, unsigned size) { return UINT64_MAX; }

static void start_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Ib700 *w = opaque;

    aio_timer_mod_ns(w->timer, aio_clock_ns(AIO_CLOCK_VIRTUAL) + timeout_ns(value));
}

static void stop_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    aio_timer_del(((Ib700 *)opaque)->timer);
}

static const IoOps start_ops = { .read = no_read, .write = start_write, .max_size = 1 };
static const IoOps stop_ops = { .read = no_read, .write = stop_write, .max_size = 1 };

static void expired(void *opaque)
{
    vm_watchdog_expired();
    aio_timer_del(((Ib700 *)opaque)->timer);
}

static bool ib700_realize(Device *d, Error **errp)
{
    Ib700 *w = (Ib700 *)d;

    w->timer = aio_timer_new(aio_main_context(), AIO_CLOCK_VIRTUAL, expired, w);
    w->stop = io_region_new(IO_SPACE_PORT, "wdt", 1, &stop_ops, w);
    w->start = io_region_new(IO_SPACE_PORT, "wdt", 1, &start_ops, w);
    io_region_map(w->stop, 0x441, 0);
    io_region_map(w->start, 0x443, 0);
    return true;
}

static void ib700_unrealize(Device *d)
{
    Ib700 *w = (Ib700 *)d;

    io_region_free(w->stop);
    io_region_free(w->start);
    aio_timer_free(w->timer);
}

static void ib700_reset(Device *d) { aio_timer_del(((Ib700 *)d)->timer); }

typedef struct Ib700Wire { uint64_t timer; } Ib700Wire;
static void ib700_save(void *obj, void *wire)
{
    ((Ib700Wire *)wire)->timer = aio_timer_expiry_ns(((Ib700 *)obj)->timer);
}

static bool ib700_load(void *obj, const void *wire, Error **errp)
{
    int64_t expiry = ((const Ib700Wire *)wire)->timer;

    if (expiry < 0) {
        aio_timer_del(((Ib700 *)obj)->timer);
    } else {
        aio_timer_mod_ns(((Ib700 *)obj)->timer, expiry);
    }
    return true;
}

static const VmField ib700_fields[] = { VMF(Ib700Wire, timer, "timer"), { NULL } };
static const VmDesc ib700_vmstate = {
    .name = "ib700_wdt", .size = sizeof(Ib700Wire), .fields = ib700_fields, .save = ib700_save, .load = ib700_load,
};

static const DeviceClass ib700_class =
    ISA_CLASS_DEV(.vmstate = &ib700_vmstate, .category = DEVICE_WATCHDOG, .desc = "iBASE 700", .realize = ib700_realize,
                                                     .unrealize = ib700_unrealize, .reset = ib700_reset);
static const TypeInfo ib700_type = {
    .name = "ib700", .parent = "isa-device", .size = sizeof(Ib700), .class_data = &ib700_class,
};
QOM_TYPE(ib700_type)
