/*
 * What the ICH9 has beside its ACPI registers: enables of the system management interrupt, the TCO watchdog, and the
 * root complex's register block, which says whether the watchdog may reset the machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/i386/ich9.h"
#include "machine/runstate.h"
#include "migration/vmstate.h"
#include "util/aio.h"
#include "util/cutils.h"

enum {
    TCO_RELOAD = 0, TCO_DATA_IN = 2, TCO_DATA_OUT = 3, TCO_STATUS1 = 4, TCO_STATUS2 = 6, TCO_CONTROL1 = 8,
    TCO_CONTROL2 = 10,
    TCO_MESSAGE1 = 12, TCO_MESSAGE2 = 13, TCO_WDCNT = 14, TCO_SW_IRQ = 16, TCO_TIMER = 18,
    TIMEOUT = 0x08, SECOND_TIMEOUT = 0x02, BOOTED_BY_IT = 0x04, HALTED = 0x0800, LOCKED = 0x1000, COUNT = 0x3ff,
    RCRB_GCS = 0x3410, NO_REBOOT = 0x20, SMI_TCO = 0x2000,
};
#define TICK_NS 600000000LL

/* --- system management interrupt: nobody takes it --------------------------------------------------- */

static uint64_t smi_read(void *opaque, uint64_t offset, unsigned size)
{
    return offset ? 0 : ((Ich9Pm *)opaque)->smi_enable;
}

static void smi_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    Ich9Pm *p = opaque;

    if (!offset) {
        p->smi_enable = (p->smi_enable & ~p->smi_mask) | (v & p->smi_mask);
    }
}

static const IoOps smi_ops = { .read = smi_read, .write = smi_write, .min_size = 4, .max_size = 4 };

/* --- watchdog: the second time it runs out in a row counts -------------------------------------------- */

static uint16_t reg(const Ich9Pm *p, unsigned at) { return p->tco[at] | p->tco[at + 1] << 8; }

static void put(Ich9Pm *p, unsigned at, uint16_t v)
{
    p->tco[at] = v;
    p->tco[at + 1] = v >> 8;
}

static void restart(Ich9Pm *p)
{
    put(p, TCO_RELOAD, reg(p, TCO_TIMER));
    p->expires = aio_clock_ns(AIO_CLOCK_VIRTUAL) + (int64_t)(reg(p, TCO_TIMER) & COUNT) * TICK_NS;
    aio_timer_mod_ns(p->timer, p->expires);
}

static void stop(Ich9Pm *p)
{
    p->expires = -1;
    aio_timer_del(p->timer);
}

static void expired(void *opaque)
{
    Ich9Pm *p = opaque;

    put(p, TCO_STATUS1, reg(p, TCO_STATUS1) | TIMEOUT);
    if (++p->timeouts == 2) {
        put(p, TCO_STATUS2, reg(p, TCO_STATUS2) | SECOND_TIMEOUT | BOOTED_BY_IT);
        p->timeouts = 0;
        if (!(p->rcrb[RCRB_GCS] & NO_REBOOT)) {
            stop(p);
            vm_watchdog_expired();
            return;
        }
    }
    restart(p);
}

static uint16_t reload_read(const Ich9Pm *p)
{
    int64_t left = p->expires - aio_clock_ns(AIO_CLOCK_VIRTUAL);

    if (p->expires < 0) {
        return reg(p, TCO_RELOAD);
    }
    return (reg(p, TCO_RELOAD) & ~COUNT) | (left > 0 ? left / TICK_NS : 0);
}

static uint64_t tco_read(void *opaque, uint64_t offset, unsigned size)
{
    Ich9Pm *p = opaque;
    uint16_t v;

    if (offset >= sizeof(p->tco)) {
        return 0;
    }
    if (offset < 2) {
        v = reload_read(p);
        return offset ? v >> 8 : v;
    }
    switch (offset) {
    case TCO_DATA_IN: case TCO_DATA_OUT: case TCO_MESSAGE1: case TCO_MESSAGE2: case TCO_WDCNT: case TCO_SW_IRQ: return p->tco[offset];
    default: return reg(p, offset & ~1u) >> (8 * (offset & 1));
    }
}

static void control1_write(Ich9Pm *p, uint16_t v)
{
    v = (v & 0xfeff) | (reg(p, TCO_CONTROL1) & LOCKED);
    put(p, TCO_CONTROL1, v);
    if (v & LOCKED) {
        p->smi_mask &= ~SMI_TCO;
    }
    if (v & HALTED) {
        stop(p);
    }
}

static void tco_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    Ich9Pm *p = opaque;

    switch (offset) {
    case TCO_RELOAD:
        p->timeouts = 0;
        if (reg(p, TCO_CONTROL1) & HALTED) {
            put(p, TCO_RELOAD, v);
        } else {
            restart(p);
        }
        break;
    case TCO_STATUS1: put(p, offset, v & 0xe870); break;
    case TCO_STATUS2: put(p, offset, v & 0xfff8); break;
    case TCO_CONTROL1: control1_write(p, v); break;
    case TCO_CONTROL2: case TCO_TIMER: put(p, offset, v); break;
    case TCO_DATA_IN: case TCO_DATA_OUT: case TCO_MESSAGE1: case TCO_MESSAGE2: case TCO_WDCNT: case TCO_SW_IRQ: p->tco[offset] = v; break;
    default: break;
    }
}

static const IoOps tco_ops = { .read = tco_read, .write = tco_write, .max_size = 2 };

/* --- root complex registers ------------------------------------------------------------------------------- */

static uint64_t rcrb_read(void *opaque, uint64_t offset, unsigned size)
{
    uint32_t v = 0;

    memcpy(&v, ((Ich9Pm *)opaque)->rcrb + offset, size);
    return v;
}

static void rcrb_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    memcpy(((Ich9Pm *)opaque)->rcrb + offset, &v, size);
}
static const IoOps rcrb_ops = { .read = rcrb_read, .write = rcrb_write, .max_size = 4 };

void ich9_pm_map_rcrb(Ich9Pm *p, uint32_t rcba)
{
    uint64_t base = rcba & ~(uint32_t)(RCRB_SIZE - 1), now;

    if (!(rcba & 1)) {
        io_region_unmap(p->rcrb_region);
    } else if (!io_region_mapped(p->rcrb_region, &now) || now != base) {
        io_region_map(p->rcrb_region, base, 1);
    }
}

/* --- life ------------------------------------------------------------------------------------------------------ */

void ich9_pm_reset(Ich9Pm *p, bool no_reboot)
{
    static const struct { unsigned at; uint32_t value; } routes[] = {
        { 0x3140, 0x3210 }, { 0x3144, 0x32103210 }, { 0x3148, 0x3210 }, { 0x314c, 0x3210 }, { 0x3150, 0x3210 },
    };

    p->smi_enable = 0;
    p->smi_mask = UINT32_MAX;
    p->timeouts = 0;
    stop(p);
    memset(p->tco, 0, sizeof(p->tco));
    put(p, TCO_CONTROL2, 0x08);
    p->tco[TCO_SW_IRQ] = 0x03;
    put(p, TCO_TIMER, 4);
    memset(p->rcrb, 0, sizeof(p->rcrb));
    for (size_t i = 0; i < G_N_ELEMENTS(routes); i++) {
        memcpy(p->rcrb + routes[i].at, &routes[i].value, 4);
    }
    p->rcrb[RCRB_GCS] = no_reboot ? NO_REBOOT : 0;
}

void ich9_pm_init(Ich9Pm *p, IoRegion *ports)
{
    p->timer = aio_timer_new(aio_main_context(), AIO_CLOCK_VIRTUAL, expired, p);
    io_region_map_in(ports, io_region_new(IO_SPACE_PORT, "acpi-smi", 8, &smi_ops, p), 0x30, 0);
    io_region_map_in(ports, io_region_new(IO_SPACE_PORT, "sm-tco", 32, &tco_ops, p), 0x60, 0);
    p->rcrb_region = io_region_new(IO_SPACE_MEM, "lpc-rcrb-mmio", RCRB_SIZE, &rcrb_ops, p);
}

/* --- state ------------------------------------------------------------------------------------------------ */

#define TW(f, t) VMFN("tco." #f, t, Ich9TcoWire, f)
static const VmField tco_fields[] = {
    TW(rld, "uint16"), TW(din, "uint8"), TW(dout, "uint8"), TW(sts1, "uint16"), TW(sts2, "uint16"), TW(cnt1, "uint16"),
    TW(cnt2, "uint16"),
    TW(msg1, "uint8"), TW(msg2, "uint8"), TW(wdcnt, "uint8"), TW(tmr, "uint16"), VMF(Ich9TcoWire, sw_irq_gen, "uint8"),
    VMF(Ich9TcoWire, tco_timer, "timer"), VMF(Ich9TcoWire, expire_time, "int64"),
        VMF(Ich9TcoWire, timeouts_no, "uint8"), { NULL }
};
const VmDesc ich9_tco_desc = { .name = "tco io device status", .version = 1, .min_version = 1, .fields = tco_fields };

void ich9_tco_save(const Ich9Pm *p, Ich9TcoWire *w)
{
    *w = (Ich9TcoWire) {
        reg(p, 0), reg(p, 4), reg(p, 6), reg(p, 8), reg(p, 10), reg(p, 18), p->tco[2], p->tco[3], p->tco[12],
        p->tco[13],
        p->tco[14], p->tco[16], p->timeouts, aio_timer_expiry_ns(p->timer), p->expires,
    };
}

void ich9_tco_load(Ich9Pm *p, const Ich9TcoWire *w)
{
    put(p, 0, w->rld);
    put(p, 4, w->sts1);
    put(p, 6, w->sts2);
    put(p, 8, w->cnt1);
    put(p, 10, w->cnt2);
    put(p, 18, w->tmr);
    p->tco[2] = w->din;
    p->tco[3] = w->dout;
    p->tco[12] = w->msg1;
    p->tco[13] = w->msg2;
    p->tco[14] = w->wdcnt;
    p->tco[16] = w->sw_irq_gen;
    p->timeouts = MIN(w->timeouts_no, 1);
    p->expires = (int64_t)w->tco_timer < 0 ? -1 : w->expire_time;
    if (p->expires < 0) {
        aio_timer_del(p->timer);
    } else {
        aio_timer_mod_ns(p->timer, p->expires);
    }
}
