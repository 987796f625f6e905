/*
 * The PCI bus: addresses, configuration mechanism #1, interrupt lines, unplug.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/pci/pci-int.h"

static PciHost *hosts[4];
static int n_hosts;

static const BusType pci_kind, pcie_kind;

PciHost *pci_host(const Bus *bus)
{
    for (int i = 0; i < n_hosts; i++) {
        if (hosts[i]->bus == bus) {
            return hosts[i];
        }
    }
    return NULL;
}

PciHost *pci_host_first(void) { return n_hosts ? hosts[0] : NULL; }

Bus *pci_bus_new(Device *host, const char *name, bool express, PciHost **out)
{
    PciHost *h = g_new0(PciHost, 1);

    h->is_express = express;
    h->bus = bus_new(express ? &pcie_kind : &pci_kind, host, name);
    hosts[n_hosts++] = h;
    *out = h;
    pci_host_has_state(h);
    return h->bus;
}

/* --- addresses -------------------------------------------------------------------------------------- */

static bool slot_is_free(const PciHost *h, int slot)
{
    return !h->devices[PCI_DEVFN(slot, 0)];
}

static bool place_anywhere(PciHost *h, PciDevice *d, Error **errp)
{
    for (int slot = h->first_slot; slot < 32; slot++) {
        if (slot_is_free(h, slot)) {
            d->devfn = PCI_DEVFN(slot, 0);
            return true;
        }
    }
    error_setg(errp, "PCI: no slot/function available for %s, all in use or reserved", d->dev.obj.type->name);
    return false;
}

static bool check_address(Bus *bus, Device *dev, Error **errp)
{
    PciHost *h = pci_host(bus);
    PciDevice *d = PCI_DEVICE(dev), *other;

    if (d->devfn < 0) {
        return place_anywhere(h, d, errp);
    }
    other = h->devices[d->devfn];
    if (other) {
        error_setg(errp, "PCI: slot %d function %d not available for %s, in use by %s,id=%s", PCI_SLOT(d->devfn),
                   PCI_FUNC(d->devfn), dev->obj.type->name, other->dev.obj.type->name,
                   other->dev.id ? other->dev.id : "(null)");
        return false;
    }
    other = h->devices[PCI_DEVFN(PCI_SLOT(d->devfn), 0)];
    if (dev->hotplugged && PCI_FUNC(d->devfn) && other) {
        error_setg(errp, "PCI: slot %d function 0 already occupied by %s, new func %s cannot be exposed to guest.",
                   PCI_SLOT(d->devfn), other->dev.obj.type->name, dev->obj.type->name);
        return false;
    }
    if (PCI_FUNC(d->devfn) && other && !(other->config[PCI_REG_HEADER_TYPE] & 0x80)) {
        error_setg(errp, "PCI: %x.0 indicates single function, but %x.%x is already populated.",
                   PCI_SLOT(d->devfn), PCI_SLOT(d->devfn), PCI_FUNC(d->devfn));
        return false;
    }
    return true;
}

/* --- unplug: the guest is asked and ejects the slot ---------------------------------------------------- */

static void request_unplug(Bus *bus, Device *dev, Error **errp)
{
    dev->pending_delete = true;
    PCI_DEVICE(dev)->unplug_requested = true;
    pci_host(bus)->slot_changed(pci_host(bus), PCI_SLOT(PCI_DEVICE(dev)->devfn), true);
}

void pci_eject_slot(PciHost *h, int slot)
{
    for (int fn = 0; fn < 8; fn++) {
        PciDevice *d = h->devices[PCI_DEVFN(slot, fn)];

        if (d && !device_class(&d->dev)->no_hotplug && d->dev.obj.parent != object_container("/machine/unattached")) {
            device_unplug_now(&d->dev);
        }
    }
}

static char *place(const Device *dev)
{
    int devfn = ((const PciDevice *)dev)->devfn;

    return g_strdup_printf("0000:00:%02x.%x", PCI_SLOT(devfn), PCI_FUNC(devfn));
}

static const BusType pci_kind = {
    .name = "PCI", .check_address = check_address, .hotplug = true, .request_unplug = request_unplug,
    .place = place,
};
static const BusType pcie_kind = { .name = "PCI", .type = "PCIE", .check_address = check_address, .place = place };

/* --- interrupts --------------------------------------------------------------------------------------------- */

void pci_bus_line(PciDevice *d, int level)
{
    PciHost *h = pci_host(d->dev.bus);
    int line;

    if (!h->map_irq || d->line_level == level) {
        return;
    }
    d->line_level = level;
    line = h->map_irq(PCI_SLOT(d->devfn), d->config[PCI_REG_INT_PIN] - 1);
    h->held[line] += level ? 1 : -1;
    if (h->held[line] == (level ? 1 : 0)) {
        h->set_irq(h, line, level);
    }
}

/* --- configuration -------------------------------------------------------------------------------------------- */

uint32_t pci_config_read(PciHost *h, int devfn, unsigned offset, unsigned size)
{
    PciDevice *d = h->devices[devfn];

    return d ? pci_device_config_read(d, offset, size) : size == 4 ? UINT32_MAX : (1u << (8 * size)) - 1;
}

void pci_config_write(PciHost *h, int devfn, unsigned offset, uint32_t value, unsigned size)
{
    PciDevice *d = h->devices[devfn];

    if (d) {
        pci_device_config_write(d, offset, value, size);
    }
}

static uint64_t index_read(void *opaque, uint64_t offset, unsigned size)
{
    return size == 4 && offset == 0 ? ((PciHost *)opaque)->address : 0;
}

static void index_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    if (size == 4 && offset == 0) {
        ((PciHost *)opaque)->address = value;
    }
}

static bool selected(const PciHost *h, int *devfn)
{
    *devfn = (h->address >> 8) & 0xff;
    return (h->address & 0x80000000u) && !((h->address >> 16) & 0xff);
}

static uint64_t data_read(void *opaque, uint64_t offset, unsigned size)
{
    PciHost *h = opaque;
    int devfn;

    return selected(h, &devfn) ? pci_config_read(h, devfn, (h->address & 0xfc) | offset, size) : UINT32_MAX;
}

static void data_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    PciHost *h = opaque;
    int devfn;

    if (selected(h, &devfn)) {
        pci_config_write(h, devfn, (h->address & 0xfc) | offset, value, size);
    }
}

static const IoOps index_ops = { .read = index_read, .write = index_write };
static const IoOps data_ops = { .read = data_read, .write = data_write };

void pci_host_map_ports(PciHost *h)
{
    Object *before = io_region_set_owner(&h->bus->parent->obj);

    h->index = io_region_new(IO_SPACE_PORT, "pci-conf-idx", 4, &index_ops, h);
    h->data = io_region_new(IO_SPACE_PORT, "pci-conf-data", 4, &data_ops, h);
    io_region_map(h->index, 0xcf8, 0);
    io_region_map(h->data, 0xcfc, 0);
    io_region_set_owner(before);
}
