/*
 * ACPI fixed registers and PCI slot hotplug.
 *
 * Power management block: +0 status, +2 enable, +4 control, +8 timer.  Hotplug block: +0 slots that came,
 * +4 slots that are asked to go, +8 eject (write) / features (read), +0x10 bus, +0x14 ACPI index.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/acpi.h"
#include "hw/machine.h"
#include "machine/runstate.h"
#include "migration/vmstate.h"
#include "util/aio.h"

enum { APM_ACPI_OFF = 0xf0, APM_ACPI_ON = 0xf1 };
enum { STS_TIMER = 1, STS_BUTTON = 0x100, STS_RTC = 0x400, STS_WAKE = 0x8000, CTL_SCI = 1, CTL_SLEEP = 0x2000 };
#define TIMER_HZ 3579545LL

static int64_t ticks_now(void)
{
    return (unsigned __int128)aio_clock_ns(AIO_CLOCK_VIRTUAL) * TIMER_HZ / 1000000000;
}

/* The timer's top bit changes each 2^23 ticks: that is told in the status until acknowledged. */
static uint16_t status_now(AcpiRegs *a)
{
    if (ticks_now() >= a->overflow) {
        a->status |= STS_TIMER;
    }
    return a->status;
}

static void update_sci(AcpiRegs *a)
{
    bool level = status_now(a) & a->enable & (STS_TIMER | STS_BUTTON | 0x620);

    for (int i = 0; i < a->gpe_len; i++) {
        level |= a->gpe_status[i] & a->gpe_enable[i];
    }
    irq_set(a->sci, level);
    if ((a->enable & STS_TIMER) && !(a->status & STS_TIMER)) {
        aio_timer_mod_ns(a->timer, (unsigned __int128)a->overflow * 1000000000 / TIMER_HZ + 1);
    } else {
        aio_timer_del(a->timer);
    }
}

static void timer_overflows(void *opaque) { update_sci(opaque); }

static uint64_t pm_read(void *opaque, uint64_t offset, unsigned size)
{
    AcpiRegs *a = opaque;

    switch (offset & ~1u) {
    case 0: return status_now(a) >> (8 * (offset & 1));
    case 2: return a->enable >> (8 * (offset & 1));
    case 4: return a->control >> (8 * (offset & 1));
    case 8: case 10: return (ticks_now() & 0xffffff) >> (8 * (offset & 3));
    default: return 0;
    }
}

/* Sleep type 0: off; 1: suspend to RAM; s4_value: suspend to disk, which ends the machine too. */
static void sleep_requested(AcpiRegs *a)
{
    unsigned type = (a->control >> 10) & 7;

    if (type == 0) {
        vm_shutdown_request(VM_CAUSE_GUEST_SHUTDOWN);
    } else if (type == 1) {
        vm_suspend_request();
    } else if (type == a->s4_value) {
        vm_suspend_disk_request();
    }
}

static void pm_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    AcpiRegs *a = opaque;
    uint16_t v = size == 1 && (offset & 1) ? value << 8 : value;

    switch (offset & ~1u) {
    case 0:
        if (status_now(a) & v & STS_TIMER) {
            a->overflow = (ticks_now() + 0x800000) & ~0x7fffffLL;
        }
        a->status &= ~v;
        break;
    case 2: a->enable = v; break;
    case 4:
        a->control = v & ~CTL_SLEEP;
        if (v & CTL_SLEEP) {
            sleep_requested(a);
        }
        break;
    default: break;
    }
    update_sci(a);
}

static uint64_t control_read(void *opaque, uint64_t offset, unsigned size) { return pm_read(opaque, 4 + offset, size); }
static void control_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    pm_write(opaque, 4 + offset, v, size);
}
static uint64_t timer_read(void *opaque, uint64_t offset, unsigned size) { return pm_read(opaque, 8 + offset, size); }

static const IoOps event_ops = { .read = pm_read, .write = pm_write, .max_size = 2 };
static const IoOps control_ops = { .read = control_read, .write = control_write, .max_size = 2 };
static const IoOps timer_ops = { .read = timer_read, .max_size = 4 };

static uint64_t gpe_read(void *opaque, uint64_t offset, unsigned size)
{
    AcpiRegs *a = opaque;

    return (int)offset < a->gpe_len ? a->gpe_status[offset] : a->gpe_enable[offset - a->gpe_len];
}

static void gpe_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    AcpiRegs *a = opaque;

    if ((int)offset < a->gpe_len) {
        a->gpe_status[offset] &= ~value;
    } else {
        a->gpe_enable[offset - a->gpe_len] = value;
    }
    update_sci(a);
}

static const IoOps gpe_ops = { .read = gpe_read, .write = gpe_write, .max_size = 1 };

static uint64_t hotplug_read(void *opaque, uint64_t offset, unsigned size)
{
    AcpiRegs *a = opaque;
    uint32_t v;

    switch (offset) {
    case 0: v = a->slots_up; a->slots_up = 0; return v;
    case 4: return a->slots_down;
    case 8: return a->host ? 2 : 0;      /* ejecting answers; index register is there */
    case 12: return a->host ? 0 : UINT32_MAX;
    default: return 0;
    }
}

static void hotplug_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    AcpiRegs *a = opaque;

    if (offset == 8 && value) {
        int slot = __builtin_ctzll(value);

        if (slot < 32) {
            a->slots_down &= ~(1u << slot);
            pci_eject_slot(a->host, slot);
        }
    }
}

static const IoOps hotplug_ops = { .read = hotplug_read, .write = hotplug_write, .min_size = 4, .max_size = 4 };

static void power_button(void *opaque)
{
    AcpiRegs *a = opaque;

    if (a->enable & STS_BUTTON) {
        a->status |= STS_BUTTON;
        update_sci(a);
    }
}

static void woken(void *opaque, VmWakeup reason)
{
    AcpiRegs *a = opaque;

    a->wake = STS_WAKE | (reason == VM_WAKEUP_RTC ? STS_RTC : reason == VM_WAKEUP_TIMER ? STS_TIMER : STS_BUTTON);
}

void acpi_init(AcpiRegs *a, const char *name, unsigned pm_size, int gpe_len)
{
    a->gpe_len = gpe_len;
    a->sci = gsi_source(9);
    a->timer = aio_timer_new(aio_main_context(), AIO_CLOCK_VIRTUAL, timer_overflows, a);
    a->pm = io_region_new_container(IO_SPACE_PORT, name, pm_size);
    io_region_map_in(a->pm, io_region_new(IO_SPACE_PORT, "acpi-evt", 4, &event_ops, a), 0, 0);
    io_region_map_in(a->pm, io_region_new(IO_SPACE_PORT, "acpi-cnt", 2, &control_ops, a), 4, 0);
    io_region_map_in(a->pm, io_region_new(IO_SPACE_PORT, "acpi-tmr", 4, &timer_ops, a), 8, 0);
    io_region_set_enabled(a->pm, false);
    io_region_map(a->pm, 0, 0);
    a->gpe = io_region_new(IO_SPACE_PORT, "acpi-gpe0", 2 * gpe_len, &gpe_ops, a);
    vm_powerdown_listener(power_button, a);
    vm_wakeup_listener(woken, a);
}

void acpi_map(AcpiRegs *a, uint16_t base, bool on)
{
    uint64_t now;

    io_region_begin();
    io_region_set_enabled(a->pm, on);
    if (!io_region_mapped(a->pm, &now) || now != base) {
        io_region_map(a->pm, base, 0);
    }
    io_region_commit();
}

/* --- for the system management interrupt, which no processor takes yet -------------------------------------------- */

static uint64_t apm_read(void *opaque, uint64_t offset, unsigned size) { return ((AcpiRegs *)opaque)->apm[offset]; }

static void apm_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    AcpiRegs *a = opaque;

    a->apm[offset] = v;
    if (offset == 0 && (v == APM_ACPI_ON || v == APM_ACPI_OFF)) {
        a->control = (a->control & ~CTL_SCI) | (v == APM_ACPI_ON ? CTL_SCI : 0);
    }
}

static const IoOps apm_ops = { .read = apm_read, .write = apm_write, .max_size = 1 };

void acpi_map_apm(AcpiRegs *a) { io_region_map(io_region_new(IO_SPACE_PORT, "apm-io", 2, &apm_ops, a), 0xb2, 0); }

/* --- processors that came: a bit for each that is there ----------------------------------------------------------- */

static uint64_t cpus_read(void *opaque, uint64_t offset, unsigned size)
{
    int64_t left = (int64_t)machine_current()->smp.cpus - 8 * (int64_t)offset;

    return left <= 0 ? 0 : left >= 8 ? 0xff : (1u << left) - 1;
}

static const IoOps cpus_ops = { .read = cpus_read, .max_size = 1 };

void acpi_map_cpu_hotplug(AcpiRegs *a, uint16_t base)
{
    io_region_map(io_region_new(IO_SPACE_PORT, "acpi-cpu-hotplug", 32, &cpus_ops, a), base, 0);
}

/* --- hot-plug of slots -------------------------------------------------------------------------------------------- */

void acpi_map_pci_hotplug(AcpiRegs *a, uint16_t base, PciHost *host)
{
    a->host = host;
    a->hotplug = io_region_new(IO_SPACE_PORT, "acpi-pci-hotplug", 0x18, &hotplug_ops, a);
    io_region_map(a->hotplug, base, 0);
}

static void event(AcpiRegs *a, int bit)
{
    a->gpe_status[bit / 8] |= 1 << (bit % 8);
    update_sci(a);
}

void acpi_slot_up(AcpiRegs *a, int slot)
{
    a->slots_up |= 1u << slot;
    event(a, 1);
}

void acpi_slot_down(AcpiRegs *a, int slot)
{
    a->slots_down |= 1u << slot;
    event(a, 1);
}

void acpi_reset(AcpiRegs *a)
{
    uint32_t going = a->slots_down;

    a->status = a->wake;                 /* a reset that ends a sleep leaves the reason */
    a->wake = a->enable = a->control = 0;
    a->overflow = 0;
    memset(a->gpe_status, 0, sizeof(a->gpe_status));
    memset(a->gpe_enable, 0, sizeof(a->gpe_enable));
    a->slots_up = a->slots_down = 0;
    update_sci(a);
    for (int slot = 0; a->host && slot < 32; slot++) {      /* a reset answers for the guest */
        if (going & (1u << slot)) {
            pci_eject_slot(a->host, slot);
        }
    }
}

/* --- state ---------------------------------------------------------------------------------------------- */

static const VmField slots_fields[] = {
    { .name = "up", .type = "uint32", .kind = VM_INT, .offset = 0, .size = 4, .count = 1 },
    { .name = "down", .type = "uint32", .kind = VM_INT, .offset = 4, .size = 4, .count = 1 }, { NULL }
};
const VmDesc acpi_slots_desc = {
    .name = "acpi_pcihp_pci_status", .version = 1, .min_version = 1, .fields = slots_fields,
};

void acpi_wire_save(const AcpiRegs *a, AcpiWire *w)
{
    int64_t expiry = a->timer ? aio_timer_expiry_ns(a->timer) : -1;

    w->status = a->status;
    w->enable = a->enable;
    w->control = a->control;
    w->gpe_status16 = a->gpe_status[0] | a->gpe_status[1] << 8;
    w->gpe_enable16 = a->gpe_enable[0] | a->gpe_enable[1] << 8;
    memcpy(w->gpe_status, a->gpe_status, sizeof(w->gpe_status));
    memcpy(w->gpe_enable, a->gpe_enable, sizeof(w->gpe_enable));
    w->timer = expiry;
    w->overflow = a->overflow;
    w->slots[0].up = a->slots_up;
    w->slots[0].down = a->slots_down;
}

/* gpe_len tells which of the two forms the table had. */
void acpi_wire_load(AcpiRegs *a, const AcpiWire *w)
{
    a->status = w->status;
    a->enable = w->enable;
    a->control = w->control & ~CTL_SLEEP;
    a->overflow = w->overflow < 0 || w->overflow > INT64_MAX / 4 ? 0 : w->overflow;
    memcpy(a->gpe_status, w->gpe_status, sizeof(a->gpe_status));
    memcpy(a->gpe_enable, w->gpe_enable, sizeof(a->gpe_enable));
    if (a->gpe_len == 2) {
        a->gpe_status[0] = w->gpe_status16;
        a->gpe_status[1] = w->gpe_status16 >> 8;
        a->gpe_enable[0] = w->gpe_enable16;
        a->gpe_enable[1] = w->gpe_enable16 >> 8;
    }
    a->slots_up = w->slots[0].up;
    a->slots_down = w->slots[0].down;
    update_sci(a);
}
