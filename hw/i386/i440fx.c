/*
 * The i440FX host bridge with its PCI bus, and the board "pc".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/i386/pc-int.h"
#include "hw/i386/piix.h"
#include "migration/vmstate.h"
#include "util/cutils.h"

/* --- host bridge ------------------------------------------------------------------------------------ */

typedef struct I440fx {
    PciDevice pci;
    PamSegment pam[PAM_SEGMENTS];
    IoRegion *smram_region, *smram;      /* what is at 0xa0000; what only system management mode sees */
} I440fx;

enum { REG_PAM = 0x59, REG_SMRAM = 0x72, SMRAM_OPEN = 0x40, SMRAM_ENABLED = 0x08 };

static void i440fx_written(PciDevice *d, unsigned offset, unsigned size)
{
    I440fx *f = (I440fx *)d;

    if (!pc_ram() || !((offset < REG_PAM + 7 && offset + size > REG_PAM)
                       || (offset <= REG_SMRAM && offset + size > REG_SMRAM))) {
        return;
    }
    io_region_begin();
    pam_update(f->pam, d->config + REG_PAM);
    io_region_set_enabled(f->smram_region, !(d->config[REG_SMRAM] & SMRAM_OPEN));
    io_region_set_enabled(f->smram, d->config[REG_SMRAM] & SMRAM_ENABLED);
    io_region_commit();
}

static void i440fx_reset(PciDevice *d)
{
    memset(d->config + 0x57, 0, 0x70 - 0x57);
    pci_set16(d, 0x72, 0x0002);
    d->config[0x57] = MIN(machine_current()->ram_size / (8 * MiB), 255);      /* DRAM row boundary */
    i440fx_written(d, REG_PAM, REG_SMRAM - REG_PAM + 1);
}

static bool i440fx_realize(PciDevice *d, Error **errp)
{
    I440fx *f = (I440fx *)d;
    const uint64_t at = 0xa0000, size = 0x20000;
    Object *own;

    if (pc_ram()) {
        f->smram_region = io_region_new_alias("smram-region", io_region_bus(IO_SPACE_MEM), at, size);
        io_region_map(f->smram_region, at, 1);
        f->smram = io_region_new_container(IO_SPACE_MEM, "smram", 4 * GiB);
        io_region_map_in(f->smram, io_region_new_alias("smram-low", pc_ram(), at, size), at, 0);
        own = io_region_set_owner(&d->dev.bus->parent->obj);
        pam_init(f->pam);
        io_region_set_owner(own);
        pc_set_smram(f->smram);
    }
    i440fx_reset(d);
    return true;
}

typedef struct I440fxWire { PciWire pci; } I440fxWire;

static void i440fx_save(void *obj, void *wire) { pci_wire_save(obj, &((I440fxWire *)wire)->pci); }

static bool i440fx_load(void *obj, const void *wire, Error **errp)
{
    const I440fxWire *w = wire;

    if (!pci_wire_check(obj, &w->pci, errp)) {
        return false;
    }
    pci_wire_load(obj, &w->pci);
    return true;
}

static const VmField i440fx_fields[] = { VMF_PCI("parent_obj", I440fxWire), VMF_UNUSED(1), { NULL } };
static const VmDesc i440fx_vmstate = {
    .name = "I440FX", .version = 3, .min_version = 3, .size = sizeof(I440fxWire), .fields = i440fx_fields,
    .save = i440fx_save,
    .load = i440fx_load,
};

static const PciClass i440fx_class = {
    .dev = PCI_CLASS_DEV(.vmstate = &i440fx_vmstate, .no_user = true, .no_hotplug = true, .category = DEVICE_BRIDGE,
                         .desc = "Host bridge"),
    .vendor = 0x8086, .device = 0x1237, .revision = 2, .class_id = 0x0600, .realize = i440fx_realize,
    .reset = i440fx_reset,
    .config_written = i440fx_written,
};
static const TypeInfo i440fx_type = {
    .name = "i440FX", .parent = "pci-device", .size = sizeof(I440fx), .class_data = &i440fx_class,
};
QOM_TYPE(i440fx_type)

static const DeviceClass host_class = {
    .bus_type = "System", .no_user = true, .no_hotplug = true, .category = DEVICE_BRIDGE,
};
typedef struct PcHost {
    Device dev;
    uint64_t hole64_size;
    uint32_t short_root_bus;
    bool hole64_fix, config_reg, bypass_iommu;
} PcHost;

static const Property host_props[] = {
    P_NUM("pci-hole64-size", PROP_SIZE, PcHost, hole64_size, 2 * GiB),
    P_NUM("short_root_bus", PROP_U32, PcHost, short_root_bus, 0),
    P_BOOL("x-pci-hole64-fix", PcHost, hole64_fix, true),
    P_BOOL("x-config-reg-migration-enabled", PcHost, config_reg, true),
    P_BOOL("bypass-iommu", PcHost, bypass_iommu, false), { NULL }
};
static const TypeInfo host_type = {
    .name = "i440FX-pcihost", .parent = "device", .size = sizeof(PcHost), .props = host_props,
    .class_data = &host_class,
};
QOM_TYPE(host_type)

/* --- the board ------------------------------------------------------------------------------------------ */

static uint64_t low_memory(const Machine *m)
{
    uint64_t low = m->max_ram_below_4g ? m->max_ram_below_4g : 0xe0000000;

    if (m->ram_size >= low && low > 0xc0000000) {          /* what is above 4 GiB begins at a whole GiB */
        low = 0xc0000000;
    }
    return low;
}

static bool pc_init(Machine *m, Error **errp)
{
    Device *host, *ioapic;
    PciHost *pci;
    Bus *isa;

    pc_init_system(m);
    if (!m->max_ram_below_4g) {
        m->max_ram_below_4g = 0xe0000000;
    }
    pc_init_memory(m, low_memory(m));
    pc_init_fw_cfg(m, low_memory(m), 0x81, 0x82);
    host = device_create_on_board("i440FX-pcihost", bus_root(), "i440fx");
    ioapic = device_new("ioapic");
    object_add_child(&host->obj, "ioapic", &ioapic->obj);
    object_unref(&ioapic->obj);
    device_realize(ioapic, bus_root(), &error_fatal);
    pci_bus_new(host, "pci.0", false, &pci);
    pci_host_map_ports(pci);
    device_create_on_board("i440FX", pci->bus, NULL);
    isa = piix3_create(pci);
    pc_init_isa(m, isa, true, ioapic);
    piix_create_functions(pci, m);
    pc_add_smm_views();
    return true;
}

static const MachineClass pc_class = {
    .name = "pc-i440fx-7.2", .alias = "pc", .desc = "Standard PC (i440FX + PIIX, 1996)", .is_default = true,
    .max_cpus = 255,
    .default_ram_id = "pc.ram", .default_cpu_type = "qemu64-x86_64-cpu", .default_boot_order = "cad",
    .hotpluggable_cpus = true,
    .has_dies = true, .default_ram_size = 128 * MiB, .block_default = "ide", .init = pc_init,
};
static const TypeInfo pc_type = {
    .name = "pc-i440fx-7.2-machine", .parent = "machine", .size = sizeof(Machine), .props = pc_props,
    .init = pc_obj_init,
    .class_data = &pc_class,
};
QOM_TYPE(pc_type)
