/*
 * The watchdog of Intel's 6300ESB I/O hub: two stages, each counts a preload value down; the first ends in an
 * interrupt (which this model, as the peer's, only mentions), the second in the action of watchdogs.
 *
 * Configuration space: 0x60 (16 bits) interrupt type, clock, whether stage two acts; 0x68 (8 bits) lock, enable, mode.
 * Memory, after 0x80 and 0x86 were written to +0xc: +0 and +4 preloads, +0xc reload and the "it was me" flag.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/pci.h"
#include "machine/runstate.h"
#include "migration/vmstate.h"
#include "util/aio.h"
#include "util/error.h"

enum {
    CONFIG_AT = 0x60, LOCK_AT = 0x68,
    CONFIG_NO_REBOOT = 1 << 5, CONFIG_FAST = 1 << 2, CONFIG_INT = 3,
    LOCK_FREE_RUN = 4, LOCK_ENABLE = 2, LOCK_LOCKED = 1,
    RELOAD_NOW = 0x100, RELOAD_FIRED = 0x200,
};

typedef struct I6300esb {
    PciDevice pci;
    bool reboot, fast, free_run, locked, enabled, fired;
    int int_type, stage, unlock;
    uint32_t preload[2];
    uint8_t raw[3];            /* bytes at 0x60, 0x61, 0x68 as last written otherwise than the device understands */
    AioTimer *timer;
} I6300esb;

/* A tick is 2^15 (1 kHz) or 2^5 (1 MHz) periods of the 33 MHz bus clock. */
static void restart(I6300esb *w, int stage)
{
    unsigned __int128 clocks = (uint64_t)w->preload[stage - 1] << (w->fast ? 5 : 15);

    w->stage = stage;
    if (w->enabled) {
        aio_timer_mod_ns(w->timer, aio_clock_ns(AIO_CLOCK_VIRTUAL) + (int64_t)(clocks * 1000000000 / 33000000));
    }
}

static void set_defaults(I6300esb *w)
{
    aio_timer_del(w->timer);
    w->reboot = true;
    w->fast = w->free_run = w->locked = w->enabled = false;
    w->int_type = 0;
    w->stage = 1;
    w->unlock = 0;
    w->preload[0] = w->preload[1] = 0xfffff;
}

static void expired(void *opaque)
{
    I6300esb *w = opaque;

    if (w->stage == 1) {
        /* As with the peer, no interrupt comes at the first stage: the second one counts. */
        if (w->int_type == 0) {
            warn_report("i6300esb: the guest wants an interrupt (APIC 1, INT 10) at the first stage; none is sent");
        } else if (w->int_type == 2) {
            warn_report("i6300esb: the guest wants an SMI at the first stage; none is sent");
        }
        restart(w, 2);
        return;
    }
    if (w->reboot) {
        vm_watchdog_expired();
        set_defaults(w);
        w->fired = true;
    } else if (w->free_run) {
        restart(w, 1);
    }
}

/* --- configuration space -------------------------------------------------------------------------- */

/* The two registers are seen by accesses of their width only; others get the raw bytes. */
static void reading(PciDevice *d, unsigned offset, unsigned size)
{
    I6300esb *w = (I6300esb *)d;

    d->config[CONFIG_AT] = w->raw[0];
    d->config[CONFIG_AT + 1] = w->raw[1];
    d->config[LOCK_AT] = w->raw[2];

    if (offset == CONFIG_AT && size == 2) {
        pci_set16(d, CONFIG_AT, (w->reboot ? 0 : CONFIG_NO_REBOOT) | (w->fast ? CONFIG_FAST : 0));
    } else if (offset == LOCK_AT && size == 1) {
        d->config[LOCK_AT] = (w->free_run ? LOCK_FREE_RUN : 0) | (w->locked ? LOCK_LOCKED : 0)
                             | (w->enabled ? LOCK_ENABLE : 0);
    }
}

static void lock_written(I6300esb *w, uint8_t v)
{
    if (w->locked) {
        return;
    }
    w->locked = v & LOCK_LOCKED;
    w->free_run = v & LOCK_FREE_RUN;
    if (!(v & LOCK_ENABLE) == !w->enabled) {
        return;
    }
    w->enabled = v & LOCK_ENABLE;
    if (w->enabled) {
        restart(w, 1);
    } else {
        aio_timer_del(w->timer);
    }
}

static void written(PciDevice *d, unsigned offset, unsigned size)
{
    I6300esb *w = (I6300esb *)d;

    if (offset == CONFIG_AT && size == 2) {
        uint16_t v = pci_get16(d, CONFIG_AT);

        w->reboot = !(v & CONFIG_NO_REBOOT);
        w->fast = v & CONFIG_FAST;
        w->int_type = v & CONFIG_INT;
        d->config[CONFIG_AT] = w->raw[0];
        d->config[CONFIG_AT + 1] = w->raw[1];
    } else if (offset == LOCK_AT && size == 1) {
        lock_written(w, d->config[LOCK_AT]);
        d->config[LOCK_AT] = w->raw[2];
    }
    w->raw[0] = d->config[CONFIG_AT];
    w->raw[1] = d->config[CONFIG_AT + 1];
    w->raw[2] = d->config[LOCK_AT];
}

/* --- memory ------------------------------------------------------------------------------------------ */

static uint64_t mem_reg_read(void *opaque, uint64_t offset, unsigned size)
{
    I6300esb *w = opaque;

    if (size == 2 && offset == 0xc) {                    /* the upper bit is how the peer's answers */
        return w->fired ? RELOAD_FIRED | 0x1000 : 0;
    }
    return 0;
}

static void mem_reg_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I6300esb *w = opaque;

    if (offset == 0xc && (value & 0xff) == 0x80) {
        w->unlock = 1;
    } else if (offset == 0xc && (value & 0xff) == 0x86 && w->unlock == 1) {
        w->unlock = 2;
    } else if (w->unlock == 2) {
        if (size == 4 && (offset == 0 || offset == 4)) {
            w->preload[offset / 4] = value & 0xfffff;
        } else if (offset == 0xc && size == 2) {
            if (value & RELOAD_NOW) {
                restart(w, 1);
            }
            if (value & RELOAD_FIRED) {
                w->fired = false;
            }
        }
        w->unlock = 0;
    }
}

static const IoOps mem_reg_ops = { .read = mem_reg_read, .write = mem_reg_write, .max_size = 4 };

/* --- device -------------------------------------------------------------------------------------------- */

static bool esb_realize(PciDevice *d, Error **errp)
{
    I6300esb *w = (I6300esb *)d;

    w->timer = aio_timer_new(aio_main_context(), AIO_CLOCK_VIRTUAL, expired, w);
    pci_register_bar(d, 0, 0, 0x10, "i6300esb", &mem_reg_ops, w);
    set_defaults(w);
    return true;
}

static void esb_unrealize(PciDevice *d) { aio_timer_free(((I6300esb *)d)->timer); }
static void esb_reset(PciDevice *d) { set_defaults((I6300esb *)d); }

typedef struct EsbWire {
    PciWire pci;
    int32_t reboot_enabled, clock_scale, int_type, free_run, locked, enabled, stage, unlock_state, previous_reboot_flag;
    uint64_t timer;
    uint32_t timer1_preload, timer2_preload;
} EsbWire;

static void esb_save(void *obj, void *wire)
{
    const I6300esb *e = obj;
    EsbWire *w = wire;

    pci_wire_save(&e->pci, &w->pci);
    w->reboot_enabled = e->reboot;
    w->clock_scale = e->fast;
    w->int_type = e->int_type;
    w->free_run = e->free_run;
    w->locked = e->locked;
    w->enabled = e->enabled;
    w->timer = aio_timer_expiry_ns(e->timer);
    w->timer1_preload = e->preload[0];
    w->timer2_preload = e->preload[1];
    w->stage = e->stage;
    w->unlock_state = e->unlock;
    w->previous_reboot_flag = e->fired;
}

static bool esb_load(void *obj, const void *wire, Error **errp)
{
    const EsbWire *w = wire;
    I6300esb *e = obj;

    if (!pci_wire_check(&e->pci, &w->pci, errp)) {
        return false;
    }
    if (w->stage < 1 || w->stage > 2 || w->int_type < 0 || w->int_type > 3 || w->timer1_preload > 0xfffff
        || w->timer2_preload > 0xfffff) {
        error_setg(errp, "the watchdog is in no stage that it has");
        return false;
    }
    pci_wire_load(&e->pci, &w->pci);
    e->reboot = w->reboot_enabled;
    e->fast = w->clock_scale;
    e->int_type = w->int_type;
    e->free_run = w->free_run;
    e->locked = w->locked;
    e->enabled = w->enabled;
    e->preload[0] = w->timer1_preload;
    e->preload[1] = w->timer2_preload;
    e->stage = w->stage;
    e->unlock = w->unlock_state;
    e->fired = w->previous_reboot_flag;
    if ((int64_t)w->timer < 0) {
        aio_timer_del(e->timer);
    } else {
        aio_timer_mod_ns(e->timer, w->timer);
    }
    return true;
}

#define EW(f, t) VMF(EsbWire, f, t)
static const VmField esb_fields[] = {
    VMF_PCI("dev", EsbWire), EW(reboot_enabled, "int32"), EW(clock_scale, "int32"), EW(int_type, "int32"),
    EW(free_run, "int32"),
    EW(locked, "int32"), EW(enabled, "int32"), EW(timer, "timer"), EW(timer1_preload, "uint32"),
    EW(timer2_preload, "uint32"),
    EW(stage, "int32"), EW(unlock_state, "int32"), EW(previous_reboot_flag, "int32"), { NULL }
};
static const VmDesc esb_vmstate = {
    .name = "i6300esb_wdt", .version = 10000, .min_version = 1, .size = sizeof(EsbWire), .fields = esb_fields,
    .save = esb_save, .load = esb_load,
};

static const PciClass esb_class = {
    .dev = PCI_CLASS_DEV(.vmstate = &esb_vmstate, .category = DEVICE_WATCHDOG, .desc = "Intel 6300ESB"),
    .vendor = 0x8086, .device = 0x25ab, .class_id = 0x0880, .realize = esb_realize, .unrealize = esb_unrealize,
    .reset = esb_reset, .config_reading = reading, .config_written = written,
};
static const TypeInfo esb_type = {
    .name = "i6300esb", .parent = "pci-device", .size = sizeof(I6300esb), .class_data = &esb_class,
};
QOM_TYPE(esb_type)
