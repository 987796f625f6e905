/*
 * The I/O APIC: a window of registers; 24 entries that say where an input's interrupt goes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/pc-chips.h"
#include "migration/vmstate.h"

#define PINS 24
enum { LEVEL = 1 << 15, REMOTE = 1 << 14, BUSY = 1 << 12, MASKED = 1 << 16, READ_ONLY = REMOTE | BUSY };

typedef struct IoApic {
    Device dev;
    uint8_t version, id, select;
    uint64_t entry[PINS];
    uint32_t irr, lines;
} IoApic;

static IoApic *the_ioapic;

void ioapic_set(int pin, int level)
{
    IoApic *a = the_ioapic;
    uint32_t bit = 1u << pin;

    if (!a || pin >= PINS) {
        return;
    }
    if (a->entry[pin] & LEVEL) {
        a->irr = level ? a->irr | bit : a->irr & ~bit;
    } else if (level && !(a->lines & bit) && !(a->entry[pin] & MASKED)) {
        a->irr |= bit;
    }
    a->lines = level ? a->lines | bit : a->lines & ~bit;
}

static uint32_t read_register(const IoApic *a)
{
    int n = (a->select - 0x10) / 2;

    switch (a->select) {
    case 0: case 2: return (uint32_t)a->id << 24;
    case 1: return a->version | (PINS - 1) << 16;
    default: return a->select >= 0x10 && n < PINS ? a->entry[n] >> (a->select & 1 ? 32 : 0) : 0;
    }
}

static void write_register(IoApic *a, uint32_t v)
{
    int n = (a->select - 0x10) / 2;

    if (a->select == 0) {
        a->id = (v >> 24) & 15;
    } else if (a->select >= 0x10 && n < PINS) {
        uint64_t keep = a->entry[n] & READ_ONLY, e = a->entry[n];

        e = a->select & 1 ? (e & UINT32_MAX) | (uint64_t)v << 32 : (e & ~(uint64_t)UINT32_MAX) | v;
        e = (e & ~(uint64_t)READ_ONLY) | keep;
        a->entry[n] = e & LEVEL ? e : e & ~(uint64_t)REMOTE;      /* an edge is never held up */
    }
}

static uint64_t window_read(void *opaque, uint64_t offset, unsigned size)
{
    IoApic *a = opaque;

    return offset == 0 ? a->select : offset == 0x10 && size == 4 ? read_register(a) : 0;
}

static void window_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    IoApic *a = opaque;

    if (offset == 0) {
        a->select = value;
    } else if (offset == 0x10 && size == 4) {
        write_register(a, value);
    } else if (offset == 0x40 && a->version == 0x20) {            /* end of the interrupt with this vector */
        for (int i = 0; i < PINS; i++) {
            if ((a->entry[i] & 0xff) == (value & 0xff)) {
                a->entry[i] &= ~(uint64_t)REMOTE;
            }
        }
    }
}

static const IoOps window_ops = { .read = window_read, .write = window_write, .max_size = 4 };

static bool ioapic_realize(Device *d, Error **errp)
{
    IoApic *a = (IoApic *)d;

    if (a->version != 0x11 && a->version != 0x20) {
        error_setg(errp, "IOAPIC only supports version 0x11 or 0x20 (default: 0x20).");
        return false;
    }
    the_ioapic = a;
    io_region_map(io_region_new(IO_SPACE_MEM, "ioapic", 0x1000, &window_ops, a), 0xfec00000, 0);
    return true;
}

static void ioapic_reset(Device *d)
{
    IoApic *a = (IoApic *)d;

    a->id = a->select = 0;
    a->irr = 0;
    for (int i = 0; i < PINS; i++) {
        a->entry[i] = MASKED;
    }
}

typedef struct IoApicWire {
    uint8_t id, ioregsel;
    uint32_t irr;
    uint64_t ioredtbl[PINS];
} IoApicWire;

static void ioapic_save(void *obj, void *wire)
{
    const IoApic *a = obj;
    IoApicWire *w = wire;

    w->id = a->id;
    w->ioregsel = a->select;
    w->irr = a->irr;
    memcpy(w->ioredtbl, a->entry, sizeof(w->ioredtbl));
}

/* What its inputs show (lines) is set by those who hold them. */
static bool ioapic_load(void *obj, const void *wire, Error **errp)
{
    const IoApicWire *w = wire;
    IoApic *a = obj;

    a->id = w->id & 15;
    a->select = w->ioregsel;
    a->irr = w->irr & ((1u << PINS) - 1);
    memcpy(a->entry, w->ioredtbl, sizeof(a->entry));
    return true;
}

static const VmField ioapic_fields[] = {
    VMF(IoApicWire, id, "uint8"), VMF(IoApicWire, ioregsel, "uint8"), VMF_UNUSED(8), VMF(IoApicWire, irr, "uint32"),
    VMF_ARRAY(IoApicWire, ioredtbl, "uint64"), { NULL }
};
static const VmDesc ioapic_vmstate = {
    .name = "ioapic", .version = 3, .min_version = 3, .size = sizeof(IoApicWire), .fields = ioapic_fields,
    .save = ioapic_save,
    .load = ioapic_load, .last = true,
};

static const Property ioapic_props[] = { P_NUM("version", PROP_U8, IoApic, version, 0x20), { NULL } };
static const DeviceClass ioapic_class = {
    .bus_type = "System", .category = DEVICE_UNCATEGORIZED, .no_user = true,
    .vmstate = &ioapic_vmstate, .lines = "gpio-in \"\" 24", .mmio = "mmio 00000000fec00000/0000000000001000",
    .no_hotplug = true, .realize = ioapic_realize, .reset = ioapic_reset,
};
static const TypeInfo ioapic_type = {
    .name = "ioapic", .parent = "device", .size = sizeof(IoApic), .props = ioapic_props, .class_data = &ioapic_class,
};
QOM_TYPE(ioapic_type)

/* --- for people ---------------------------------------------------------------------------------------- */

static void append_pins(GString *s, const char *what, uint32_t mask)
{
    g_string_append_printf(s, "  %s", what);
    for (int i = 0; i < PINS; i++) {
        if (mask & (1u << i)) {
            g_string_append_printf(s, "%d ", i);
        }
    }
    g_string_append(s, mask ? "\n" : "(none)\n");
}

char *ioapic_describe(void)
{
    static const char *const modes[] = { "fixed", "lowest", "SMI", "...", "NMI", "INIT", "...", "extINT" };
    const IoApic *a = the_ioapic;
    GString *s = g_string_new(NULL);
    uint32_t remote = 0;

    if (!a) {
        return g_string_free(s, FALSE);
    }
    g_string_append_printf(s, "ioapic0: ver=0x%x id=0x%02x sel=0x%02x", a->version, a->id, a->select);
    if (a->select >= 0x10) {
        g_string_append_printf(s, " (redir[%u])", (a->select - 0x10u) >> 1);
    }
    g_string_append_c(s, '\n');
    for (int i = 0; i < PINS; i++) {
        uint64_t e = a->entry[i];

        g_string_append_printf(s, "  pin %-2d 0x%016" PRIx64 " dest=%" PRIx64 " vec=%-3u %s %-5s %s %-6s %s\n", i, e,
                               e >> 56,
                               (unsigned)(e & 0xff), e & (1 << 13) ? "active-lo" : "active-hi",
                               e & LEVEL ? "level" : "edge",
                               e & MASKED ? "masked" : "", modes[(e >> 8) & 7], e & (1 << 11) ? "logical" : "physical");
        remote |= e & REMOTE ? 1u << i : 0;
    }
    append_pins(s, "IRR      ", a->irr);
    append_pins(s, "Remote IRR ", remote);
    return g_string_free(s, FALSE);
}
