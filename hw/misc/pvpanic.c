/*
 * pvpanic: one byte through which a guest's kernel tells that it crashed (bit 0), or that its crash kernel took
 * over (bit 1).  Reading tells which of the two are heard.  On the ISA bus at a port, on PCI in a memory BAR.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/isa.h"
#include "hw/pci.h"
#include "machine/runstate.h"

enum { PANICKED = 1, CRASHLOADED = 2 };

static uint64_t panic_read(void *opaque, uint64_t offset, unsigned size) { return *(uint8_t *)opaque; }

/* Without a listener for it (the property), a bit does what it would with one: the peer does not look, either. */
static void panic_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    if (value & PANICKED) {
        vm_guest_panicked();
    } else if (value & CRASHLOADED) {
        vm_guest_crashloaded();
    }
}

static const IoOps panic_ops = { .read = panic_read, .write = panic_write, .max_size = 1 };

/* --- ISA --------------------------------------------------------------------------------------------- */

typedef struct IsaPanic {
    Device dev;
    uint16_t port;
    uint8_t events;
    IoRegion *region;
} IsaPanic;

static bool isa_realize(Device *d, Error **errp)
{
    IsaPanic *p = (IsaPanic *)d;

    p->region = io_region_new(IO_SPACE_PORT, "pvpanic", 1, &panic_ops, &p->events);
    io_region_map(p->region, p->port, 0);
    return true;
}

static void isa_unrealize(Device *d) { io_region_free(((IsaPanic *)d)->region); }

static const Property isa_props[] = {
    P_NUM("ioport", PROP_U16, IsaPanic, port, 0x505),
        P_NUM("events", PROP_U8, IsaPanic, events, PANICKED | CRASHLOADED), { NULL }
};
static const DeviceClass isa_class =
    ISA_CLASS_DEV(.category = DEVICE_MISC, .realize = isa_realize, .unrealize = isa_unrealize);
static const TypeInfo isa_type = {
    .name = "pvpanic", .parent = "isa-device", .size = sizeof(IsaPanic), .props = isa_props, .class_data = &isa_class,
};
QOM_TYPE(isa_type)

/* --- PCI ---------------------------------------------------------------------------------------------- */

typedef struct PciPanic {
    PciDevice pci;
    uint8_t events;
} PciPanic;

static bool pci_realize(PciDevice *d, Error **errp)
{
    pci_register_bar(d, 0, 0, 2, "pvpanic-pci", &panic_ops, &((PciPanic *)d)->events);
    return true;
}

static const Property pci_props[] = { P_NUM("events", PROP_U8, PciPanic, events, PANICKED | CRASHLOADED), { NULL } };
static const PciClass pci_class = {
    .dev = PCI_CLASS_DEV(.category = DEVICE_MISC, .no_hotplug = false),
    .vendor = 0x1b36, .device = 0x0011, .revision = 1, .class_id = 0x0880, .realize = pci_realize,
};
static const TypeInfo pci_type = {
    .name = "pvpanic-pci", .parent = "pci-device", .size = sizeof(PciPanic), .props = pci_props,
    .class_data = &pci_class,
};
QOM_TYPE(pci_type)
