/*
 * The state that PCI devices share, the host's address register, and the bus's lines.
 *
 * What a loaded configuration says of the device's nature must be what the device is; what a driver can write is taken
 * over as if it had just been written.  Lines are not taken over: each device raises its own again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/pci/pci-int.h"
#include "migration/vmstate.h"

static const VmField pci_fields[] = {
    { .name = "version_id", .type = "int32 le", .kind = VM_INT, .offset = offsetof(PciWire, version), .size = 4,
      .count = 1 },
    VMF_BYTESN("config", "pci config", PciWire, config),
    { .name = "irq_state", .type = "pci irq state", .kind = VM_BYTES, .offset = offsetof(PciWire, pins), .size = 16,
      .count = 1 },
    { NULL }
};
const VmDesc pci_wire_desc = { .name = "PCIDevice", .version = 2, .min_version = 1, .fields = pci_fields };

void pci_wire_save(const PciDevice *d, PciWire *w)
{
    unsigned pin = d->config[PCI_REG_INT_PIN];

    w->version = 2;
    memcpy(w->config, d->config, sizeof(w->config));
    if (pin >= 1 && pin <= 4) {
        w->pins[pin - 1] = GUINT32_TO_BE(d->intx_level != 0);
    }
}

/* Registers that say what the device is: identity, class, header, capabilities. */
static bool tells_nature(unsigned at)
{
    return at < 4 || (at >= PCI_REG_REVISION && at < 12) || at == PCI_REG_HEADER_TYPE
           || (at >= PCI_REG_SUBVENDOR && at < 0x30)
           || at == PCI_REG_CAPABILITY || at == PCI_REG_INT_PIN;
}

bool pci_wire_check(const PciDevice *d, const PciWire *w, Error **errp)
{
    if (!w->version || w->version > 2) {
        error_setg(errp, "Invalid value %" PRIu32 " expecting positive value <= 2", w->version);
        return false;
    }
    for (unsigned i = 0; i < sizeof(w->config); i++) {
        if (tells_nature(i) && (w->config[i] ^ d->config[i]) & ~d->wmask[i]) {
            error_setg(errp, "Bad config data: i=0x%x read: %x device: %x cmask: ff wmask: %x w1cmask:0", i,
                       w->config[i],
                       d->config[i], d->wmask[i]);
            return false;
        }
    }
    return true;
}

void pci_wire_load(PciDevice *d, const PciWire *w)
{
    unsigned pin = d->config[PCI_REG_INT_PIN];

    for (unsigned i = 4; i < sizeof(w->config); i++) {
        d->config[i] = (d->config[i] & ~d->wmask[i]) | (w->config[i] & d->wmask[i]);
    }
    pci_update_bars(d);
    pci_set_irq(d, pin >= 1 && pin <= 4 && w->pins[pin - 1] != 0);
    pci_update_intx(d);
}

/* --- the host and its bus --------------------------------------------------------------------------------- */

typedef struct HostWire { uint32_t address; } HostWire;

static void host_save(void *obj, void *wire) { ((HostWire *)wire)->address = ((PciHost *)obj)->address; }

static bool host_load(void *obj, const void *wire, Error **errp)
{
    ((PciHost *)obj)->address = ((const HostWire *)wire)->address;
    return true;
}

static const VmField host_fields[] = { VMFN("config_reg", "uint32", HostWire, address), { NULL } };
static const VmDesc host_desc = {
    .name = "PCIHost", .version = 1, .min_version = 1, .size = sizeof(HostWire), .fields = host_fields,
    .save = host_save, .load = host_load,
};

typedef struct BusWire { int32_t lines, held[8]; } BusWire;

static void bus_save(void *obj, void *wire)
{
    const PciHost *h = obj;
    BusWire *w = wire;

    w->lines = h->is_express ? 8 : 4;
    for (int i = 0; i < w->lines; i++) {
        w->held[i] = h->held[i];
    }
}

/* The devices raise their lines themselves. */
static bool bus_load(void *obj, const void *wire, Error **errp) { return true; }

#define LINES { .name = "nirq", .type = "int32 equal", .kind = VM_EQUAL, .offset = offsetof(BusWire, lines), .size = 4, .count = 1 }
#define HELD(n) { .name = "irq_count", .type = "int32", .kind = VM_INT, .offset = offsetof(BusWire, held), .size = 4, .count = n, .array = true }
static const VmField bus4_fields[] = { LINES, HELD(4), { NULL } }, bus8_fields[] = { LINES, HELD(8), { NULL } };
static const VmDesc bus4_desc = {
    .name = "PCIBUS", .version = 1, .min_version = 1, .size = sizeof(BusWire), .fields = bus4_fields, .save = bus_save,
    .load = bus_load,
}, bus8_desc = {
    .name = "PCIBUS", .version = 1, .min_version = 1, .size = sizeof(BusWire), .fields = bus8_fields, .save = bus_save,
    .load = bus_load,
};

void pci_host_has_state(PciHost *h)
{
    vmstate_register(NULL, &host_desc, h);
    vmstate_register(NULL, h->is_express ? &bus8_desc : &bus4_desc, h);
}
