/*
 * PCI devices: configuration space, BARs, INTx.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/pci/pci-int.h"
#include "util/cutils.h"

void pci_set16(PciDevice *d, unsigned at, uint16_t v)
{
    d->config[at] = v;
    d->config[at + 1] = v >> 8;
}

void pci_set32(PciDevice *d, unsigned at, uint32_t v)
{
    pci_set16(d, at, v);
    pci_set16(d, at + 2, v >> 16);
}

static uint32_t get32(const PciDevice *d, unsigned at)
{
    return pci_get16(d, at) | (uint32_t)pci_get16(d, at + 2) << 16;
}

/* --- properties ---------------------------------------------------------------------------------- */

static bool set_addr(Object *o, const Property *p, const QObject *value, Error **errp)
{
    const char *s = qobject_get_str(value);
    unsigned slot, fn = 0;
    int64_t n;
    int used = 0;

    if (qobject_get_int(value, &n)) {
        if (n < -1 || n > 255) {
            error_setg(errp, "Parameter '%s' expects a value between -1 and 255", p->name);
            return false;
        }
        PCI_DEVICE(o)->devfn = n;
        return true;
    }
    if (!s || (sscanf(s, "%x.%x%n", &slot, &fn, &used) != 2 && (fn = 0, sscanf(s, "%x%n", &slot, &used) != 1))
        || s[used] || slot > 31 || fn > 7) {
        error_setg(errp, "Property '%s.%s' doesn't take value '%s'", o->type->name, p->name, s ? s : "");
        return false;
    }
    PCI_DEVICE(o)->devfn = PCI_DEVFN(slot, fn);
    return true;
}

static QObject *get_addr(Object *o, const Property *p, Error **errp) { return qint_new(PCI_DEVICE(o)->devfn); }

static QObject *get_legacy_addr(Object *o, const Property *p, Error **errp)
{
    int devfn = PCI_DEVICE(o)->devfn;

    return devfn < 0 ? qstring_new("<unset>")
                     : qstring_new_take(g_strdup_printf("%02x.%x", PCI_SLOT(devfn), PCI_FUNC(devfn)));
}

static const Property pci_props[] = {
    { .name = "addr", .type = "int32", .kind = PROP_CUSTOM, .get = get_addr, .set = set_addr, .has_default = true,
      .def = -1,
      .description = "Slot and optional function number, example: 06.0 or 06" },
    P_STR("romfile", PciDevice, romfile), P_NUM("romsize", PROP_U32, PciDevice, romsize, UINT32_MAX),
    P_NUM("rombar", PROP_U32, PciDevice, rombar, 1), P_BIT("multifunction", PciDevice, cap_bits, 0, false),
    P_BIT("x-pcie-lnksta-dllla", PciDevice, cap_bits, 1, true),
    P_BIT("x-pcie-extcap-init", PciDevice, cap_bits, 2, true),
    P_STR("failover_pair_id", PciDevice, failover_pair), P_NUM("acpi-index", PROP_U32, PciDevice, acpi_index, 0),
    { .name = "legacy-addr", .type = "str", .kind = PROP_CUSTOM, .get = get_legacy_addr, .hidden = true },
    { NULL }
};

static void pci_obj_init(Object *o) { PCI_DEVICE(o)->devfn = -1; }

static const TypeInfo pci_type = {
    .name = "pci-device", .parent = "device", .abstract = true, .size = sizeof(PciDevice), .props = pci_props,
    .init = pci_obj_init,
};
QOM_TYPE(pci_type)

/* --- BARs ------------------------------------------------------------------------------------------- */

static IoSpace bar_space(uint8_t type) { return type & PCI_BAR_IO ? IO_SPACE_PORT : IO_SPACE_MEM; }

static void register_bar(PciDevice *d, int bar, uint8_t type, uint64_t size, IoRegion *region)
{
    PciBar *b = &d->bars[bar];
    unsigned at = PCI_REG_BAR0 + 4 * bar;
    uint64_t mask = ~(size - 1);

    b->size = size;
    b->type = type;
    b->priority = 1;
    b->region = region;
    pci_set32(d, at, type);
    store_be32(d->wmask + at, __builtin_bswap32((uint32_t)mask));
    if (type & PCI_BAR_64) {
        store_be32(d->wmask + at + 4, __builtin_bswap32((uint32_t)(mask >> 32)));
    }
}

void pci_register_bar(PciDevice *d, int bar, uint8_t type, uint64_t size, const char *name, const IoOps *ops,
                      void *opaque)
{
    register_bar(d, bar, type, size, io_region_new(bar_space(type), name, size, ops, opaque));
}

void pci_register_bar_container(PciDevice *d, int bar, uint8_t type, uint64_t size, const char *name)
{
    register_bar(d, bar, type, size, io_region_new_container(bar_space(type), name, size));
}

uint64_t pci_bar_address(const PciDevice *d, int bar)
{
    const PciBar *b = &d->bars[bar];
    unsigned at = PCI_REG_BAR0 + 4 * bar;
    uint64_t addr;

    if (b->type & PCI_BAR_IO) {
        addr = get32(d, at) & ~3u;
        return !(d->config[PCI_REG_COMMAND] & PCI_CMD_IO) || !addr || addr + b->size > 0x10000 ? UINT64_MAX : addr;
    }
    addr = get32(d, at) & ~15u;
    if (b->type & PCI_BAR_64) {
        addr |= (uint64_t)get32(d, at + 4) << 32;
    }
    if (!(d->config[PCI_REG_COMMAND] & PCI_CMD_MEMORY) || !addr || addr + b->size - 1 < addr
        || addr + b->size - 1 == UINT64_MAX || (!(b->type & PCI_BAR_64) && addr + b->size - 1 >= UINT32_MAX)) {
        return UINT64_MAX;
    }
    return addr;
}

void pci_update_bars(PciDevice *d)
{
    io_region_begin();
    io_region_set_enabled(d->master, pci_is_master(d));
    for (int i = 0; i < 6; i++) {
        uint64_t addr, now;

        if (!d->bars[i].size) {
            continue;
        }
        addr = pci_bar_address(d, i);
        if (addr == UINT64_MAX) {
            io_region_unmap(d->bars[i].region);
        } else if (!io_region_mapped(d->bars[i].region, &now) || now != addr) {
            io_region_map_in(io_region_bus(bar_space(d->bars[i].type)), d->bars[i].region, addr, d->bars[i].priority);
        }
    }
    io_region_commit();
}

/* --- configuration space ----------------------------------------------------------------------------- */

void pci_add_capability(PciDevice *d, uint8_t id, uint8_t offset, uint8_t len)
{
    memset(d->wmask + offset, 0, len);
    memset(d->config + offset, 0, len);
    d->config[offset] = id;
    d->config[offset + 1] = d->config[PCI_REG_CAPABILITY];
    d->config[PCI_REG_CAPABILITY] = offset;
    d->config[PCI_REG_STATUS] |= PCI_STATUS_CAP_LIST;
}

static void init_config(PciDevice *d, const PciClass *c)
{
    memset(d->wmask + 0x40, 0xff, sizeof(d->wmask) - 0x40);
    pci_set16(d, PCI_REG_VENDOR, c->vendor);
    pci_set16(d, PCI_REG_DEVICE, c->device);
    d->config[PCI_REG_REVISION] = c->revision;
    d->config[PCI_REG_PROG] = c->prog_if;
    pci_set16(d, PCI_REG_CLASS, c->class_id);
    pci_set16(d, PCI_REG_SUBVENDOR, c->subvendor ? c->subvendor : 0x1af4);
    pci_set16(d, PCI_REG_SUBDEVICE, c->subdevice ? c->subdevice : 0x1100);
    d->config[PCI_REG_INT_PIN] = c->int_pin;
    d->config[PCI_REG_HEADER_TYPE] = c->multifunction || (d->cap_bits & 1) ? 0x80 : 0;
    d->wmask[PCI_REG_COMMAND] = PCI_CMD_IO | PCI_CMD_MEMORY | PCI_CMD_MASTER;
    d->wmask[PCI_REG_COMMAND + 1] = 0x05;
    d->wmask[0x0c] = 0xff;
    d->wmask[PCI_REG_INT_LINE] = 0xff;
}

uint32_t pci_device_config_read(PciDevice *d, unsigned offset, unsigned size)
{
    const PciClass *c = type_class(d->dev.obj.type);
    uint32_t v = 0;

    if (c->config_reading) {
        c->config_reading(d, offset, size);
    }
    for (unsigned i = 0; i < size && offset + i < sizeof(d->config); i++) {
        v |= (uint32_t)d->config[offset + i] << (8 * i);
    }
    return v;
}

void pci_device_config_write(PciDevice *d, unsigned offset, uint32_t value, unsigned size)
{
    const PciClass *c = type_class(d->dev.obj.type);

    for (unsigned i = 0; i < size && offset + i < sizeof(d->config); i++) {
        uint8_t mask = d->wmask[offset + i];

        d->config[offset + i] = (d->config[offset + i] & ~mask) | ((value >> (8 * i)) & mask);
    }
    pci_update_bars(d);
    pci_update_intx(d);
    msix_config_written(d);
    if (c->config_written) {
        c->config_written(d, offset, size);
    }
}

/* --- INTx ------------------------------------------------------------------------------------------------ */

/* Tell the bus the level that it sees: none while disabled. */
void pci_update_intx(PciDevice *d)
{
    bool enabled = !(pci_get16(d, PCI_REG_COMMAND) & PCI_CMD_INTX_DISABLE);
    int level = d->intx_level && enabled;

    d->config[PCI_REG_STATUS] = (d->config[PCI_REG_STATUS] & ~PCI_STATUS_INTX) | (d->intx_level ? PCI_STATUS_INTX : 0);
    if (d->dev.bus && d->config[PCI_REG_INT_PIN]) {
        pci_bus_line(d, level);
    }
}

static void intx_changed(void *opaque, int n, int level)
{
    PciDevice *d = opaque;

    d->intx_level = level;
    pci_update_intx(d);
}

void pci_set_irq(PciDevice *d, int level) { irq_set(d->intx, level); }

/* --- life --------------------------------------------------------------------------------------------------- */

bool pci_device_realize(Device *dev, Error **errp)
{
    PciDevice *d = PCI_DEVICE(dev);
    const PciClass *c = type_class(dev->obj.type);

    init_config(d, c);
    d->master_space = io_region_new_container(IO_SPACE_MEM, "bus master container", IO_REGION_ALL);
    d->master = io_region_new_alias("bus master", io_region_root(IO_SPACE_MEM), 0, IO_REGION_ALL);
    io_region_set_enabled(d->master, false);
    io_region_map_in(d->master_space, d->master, 0, 0);
    d->as = address_space_new(dev->obj.type->name, d->master_space);
    d->intx = irq_new(intx_changed, d, 0);
    pci_host(dev->bus)->devices[d->devfn] = d;
    if (c->realize && !c->realize(d, errp)) {
        pci_device_release(d);
        return false;
    }
    if (dev->hotplugged && pci_host(dev->bus)->slot_changed) {
        pci_host(dev->bus)->slot_changed(pci_host(dev->bus), PCI_SLOT(d->devfn), false);
    }
    return true;
}

void pci_device_release(PciDevice *d)
{
    irq_free(d->intx);
    d->intx = NULL;
    msix_cleanup(d);
    for (int i = 0; i < 6; i++) {
        io_region_free(d->bars[i].region);
        d->bars[i] = (PciBar) { 0 };
    }
    address_space_free(d->as);
    io_region_free(d->master_space);
    d->as = NULL;
    d->master = d->master_space = NULL;
    pci_host(d->dev.bus)->devices[d->devfn] = NULL;
}

void pci_device_unrealize(Device *dev)
{
    const PciClass *c = type_class(dev->obj.type);

    if (c->unrealize) {
        c->unrealize(PCI_DEVICE(dev));
    }
    pci_device_release(PCI_DEVICE(dev));
}

void pci_device_reset(Device *dev)
{
    PciDevice *d = PCI_DEVICE(dev);
    const PciClass *c = type_class(dev->obj.type);

    irq_lower(d->intx);
    pci_set16(d, PCI_REG_COMMAND, 0);
    d->config[0x0c] = 0;
    d->config[PCI_REG_INT_LINE] = 0;
    for (int i = 0; i < 6; i++) {
        if (d->bars[i].size) {
            pci_set32(d, PCI_REG_BAR0 + 4 * i, d->bars[i].type);
            if (d->bars[i].type & PCI_BAR_64) {
                pci_set32(d, PCI_REG_BAR0 + 4 * i + 4, 0);
            }
        }
    }
    pci_update_bars(d);
    msix_reset(d);
    if (c->reset) {
        c->reset(d);
    }
}
