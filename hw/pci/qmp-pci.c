/*
 * QMP: query-pci.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/pci/pci-int.h"
#include "qapi/commands-pci.h"

const char *pci_class_desc(uint16_t class_id)
{
    static const struct { uint16_t id; const char *desc; } table[] = {
        { 0x0001, "VGA controller" }, { 0x0100, "SCSI controller" }, { 0x0101, "IDE controller" },
        { 0x0102, "Floppy controller" },
        { 0x0103, "IPI controller" }, { 0x0104, "RAID controller" }, { 0x0106, "SATA controller" },
        { 0x0107, "SAS controller" },
        { 0x0180, "Storage controller" }, { 0x0200, "Ethernet controller" }, { 0x0280, "Network controller" },
        { 0x0300, "VGA controller" }, { 0x0302, "3D controller" }, { 0x0380, "Display controller" },
        { 0x0500, "RAM controller" }, { 0x0501, "Flash controller" }, { 0x0580, "Memory controller" },
        { 0x0600, "Host bridge" }, { 0x0601, "ISA bridge" }, { 0x0604, "PCI bridge" }, { 0x0680, "Bridge" },
        { 0x0780, "Communication controller" }, { 0x0c03, "USB controller" }, { 0x0c05, "SMBus" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        if (table[i].id == class_id) {
            return table[i].desc;
        }
    }
    return NULL;
}

static PciMemoryRegionList *regions(const PciDevice *d)
{
    PciMemoryRegionList *list = PciMemoryRegionList_new();

    for (int i = 0; i < 6; i++) {
        const PciBar *b = &d->bars[i];
        PciMemoryRegion *r;

        if (!b->size) {
            continue;
        }
        r = PciMemoryRegion_new();
        r->bar = i;
        r->type = g_strdup(b->type & PCI_BAR_IO ? "io" : "memory");
        r->address = pci_bar_address(d, i);
        r->size = b->size;
        if (!(b->type & PCI_BAR_IO)) {
            r->has_prefetch = r->has_mem_type_64 = true;
            r->prefetch = b->type & PCI_BAR_PREFETCH;
            r->mem_type_64 = b->type & PCI_BAR_64;
        }
        PciMemoryRegionList_append(list, r);
    }
    return list;
}

static PciDeviceInfo *device_info(const PciDevice *d)
{
    PciDeviceInfo *info = PciDeviceInfo_new();
    uint16_t class_id = pci_get16(d, PCI_REG_CLASS);

    info->slot = PCI_SLOT(d->devfn);
    info->function = PCI_FUNC(d->devfn);
    info->class_info = PciDeviceClass_new();
    info->class_info->class = class_id;
    info->class_info->desc = g_strdup(pci_class_desc(class_id));
    info->id = PciDeviceId_new();
    info->id->vendor = pci_get16(d, PCI_REG_VENDOR);
    info->id->device = pci_get16(d, PCI_REG_DEVICE);
    info->id->has_subsystem = info->id->has_subsystem_vendor = true;
    info->id->subsystem = pci_get16(d, PCI_REG_SUBDEVICE);
    info->id->subsystem_vendor = pci_get16(d, PCI_REG_SUBVENDOR);
    info->irq_pin = d->config[PCI_REG_INT_PIN];
    if (info->irq_pin) {
        info->has_irq = true;
        info->irq = d->config[PCI_REG_INT_LINE];
    }
    info->qdev_id = g_strdup(d->dev.id ? d->dev.id : "");
    info->regions = regions(d);
    return info;
}

PciInfoList *qmp_query_pci(Error **errp)
{
    PciInfoList *list = PciInfoList_new();
    PciHost *h = pci_host_first();
    PciInfo *info;

    if (!h) {
        return list;
    }
    info = PciInfo_new();
    info->devices = PciDeviceInfoList_new();
    for (int devfn = 0; devfn < 256; devfn++) {
        if (h->devices[devfn]) {
            PciDeviceInfoList_append(info->devices, device_info(h->devices[devfn]));
        }
    }
    PciInfoList_append(list, info);
    return list;
}
