/*
 * The Q35 host bridge with its PCI Express bus, the ICH9 functions, and the board "q35".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/i386/pc-int.h"
#include "util/cutils.h"

/* --- memory controller hub ------------------------------------------------------------------------------ */

typedef struct Mch {
    PciDevice pci;
    uint16_t tseg_mbytes;
    bool smbase_smram;
    IoRegion *ecam;
    uint64_t ecam_size;
} Mch;

/* The enhanced configuration mechanism: 4 KiB for each function, of which the first 256 bytes are there. */
static uint64_t ecam_read(void *opaque, uint64_t offset, unsigned size)
{
    PciHost *h = pci_host(PCI_DEVICE(opaque)->dev.bus);
    unsigned reg = offset & 0xfff;

    if (offset >> 20) {
        return UINT64_MAX;
    }
    if (reg >= 256) {
        return h->devices[(offset >> 12) & 0xff] ? 0 : UINT64_MAX;
    }
    return pci_config_read(h, (offset >> 12) & 0xff, reg, size);
}

static void ecam_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    unsigned reg = offset & 0xfff;

    if (!(offset >> 20) && reg < 256) {
        pci_config_write(pci_host(PCI_DEVICE(opaque)->dev.bus), (offset >> 12) & 0xff, reg, value, size);
    }
}

static const IoOps ecam_ops = { .read = ecam_read, .write = ecam_write, .max_size = 4 };

static void mch_written(PciDevice *d, unsigned offset, unsigned size)
{
    static const uint64_t sizes[] = { 256 * MiB, 128 * MiB, 64 * MiB, 0 };
    Mch *m = (Mch *)d;
    uint64_t bar = pci_get16(d, 0x60) | (uint64_t)pci_get16(d, 0x62) << 16 | (uint64_t)pci_get16(d, 0x64) << 32;
    uint64_t len = sizes[(bar >> 1) & 3], base = bar & ~(len - 1) & 0xfffffffffULL;

    if (!(bar & 1) || !len) {
        io_region_free(m->ecam);
        m->ecam = NULL;
        return;
    }
    if (!m->ecam || m->ecam_size != len) {
        io_region_free(m->ecam);
        m->ecam = io_region_new(IO_SPACE_MEM, "pcie-mmcfg-mmio", len, &ecam_ops, d);
        m->ecam_size = len;
    }
    io_region_map(m->ecam, base, 1);
}

static void mch_reset(PciDevice *d)
{
    memset(d->config + 0x40, 0, 0xc0);
    d->config[0x50] = 0x10;
    pci_set32(d, 0x60, 0xb0000000);
    d->config[0x9d] = 0x02;
    d->config[0x9e] = 0x38;
    mch_written(d, 0x60, 8);
}

static bool mch_realize(PciDevice *d, Error **errp)
{
    d->wmask[0x50] = 0x10;
    d->wmask[0x51] = 0;
    d->wmask[0x9c] = 0;
    d->wmask[0x9d] = 0x20;
    d->wmask[0x9e] = 0;
    mch_reset(d);
    return true;
}

static const Property mch_props[] = {
    P_NUM("extended-tseg-mbytes", PROP_U16, Mch, tseg_mbytes, 16), P_BOOL("smbase-smram", Mch, smbase_smram, true), { NULL }
};
static const PciClass mch_class = {
    .dev = PCI_CLASS_DEV(.no_user = true, .no_hotplug = true, .category = DEVICE_BRIDGE, .desc = "Host bridge"),
    .vendor = 0x8086, .device = 0x29c0, .class_id = 0x0600, .realize = mch_realize, .reset = mch_reset, .config_written = mch_written,
};
static const TypeInfo mch_type = {
    .name = "mch", .parent = "pci-device", .size = sizeof(Mch), .props = mch_props, .class_data = &mch_class,
};
QOM_TYPE(mch_type)

static const DeviceClass host_class = { .bus_type = "System", .no_user = true, .no_hotplug = true, .category = DEVICE_BRIDGE };
static const TypeInfo host_type = { .name = "q35-pcihost", .parent = "device", .size = sizeof(Device), .class_data = &host_class };
QOM_TYPE(host_type)

/* --- ICH9: LPC bridge ---------------------------------------------------------------------------------------- */

typedef struct Ich9Lpc {
    PciDevice pci;
    AcpiRegs acpi;
    int level[8], routed[8];
    Irq *sources[8][GSI_MAX];
    bool noreboot, smm_compat;
    uint32_t smi_bits;
} Ich9Lpc;

static Ich9Lpc *router;

/* Lines A..D for the chip's own functions, E..H for slots. */
static int map_irq(int slot, int pin) { return slot == 31 ? pin & 3 : ((slot + pin) & 3) + 4; }

static void hold(Ich9Lpc *l, int line, int gsi, int level)
{
    if (!l->sources[line][gsi]) {
        l->sources[line][gsi] = gsi_source(gsi);
    }
    irq_set(l->sources[line][gsi], level);
}

static void route_line(Ich9Lpc *l, int line)
{
    uint8_t reg = l->pci.config[line < 4 ? 0x60 + line : 0x68 + line - 4];
    int isa = (reg & 0x80) ? -1 : reg & 0x0f;

    if (l->routed[line] >= 0 && l->routed[line] != isa) {
        hold(l, line, l->routed[line], 0);
    }
    l->routed[line] = isa;
    if (isa >= 0) {
        hold(l, line, isa, l->level[line]);
    }
    hold(l, line, 16 + line, l->level[line]);
}

static void set_irq(PciHost *h, int line, int level)
{
    router->level[line] = level;
    route_line(router, line);
}

static void lpc_written(PciDevice *d, unsigned offset, unsigned size)
{
    Ich9Lpc *l = (Ich9Lpc *)d;
    uint16_t base = pci_get16(d, 0x40) & 0xff80;

    acpi_map(&l->acpi, base, (d->config[0x44] & 0x80) && base);
    acpi_map_gpe(&l->acpi, base && (d->config[0x44] & 0x80) ? base + 0x20 : 0);
    for (int line = 0; line < 8; line++) {
        route_line(l, line);
    }
}

static void lpc_reset(PciDevice *d)
{
    memset(d->config + 0x40, 0, 0xc0);
    d->config[0x40] = 0x01;
    memset(d->config + 0x60, 0x80, 4);
    memset(d->config + 0x68, 0x80, 4);
    acpi_reset(&((Ich9Lpc *)d)->acpi);
    lpc_written(d, 0x40, 4);
}

static bool lpc_realize(PciDevice *d, Error **errp)
{
    Ich9Lpc *l = (Ich9Lpc *)d;

    router = l;
    d->wmask[0x40] = 0x87;
    d->wmask[0xa0] = 0xef;
    d->wmask[0x42] = d->wmask[0x43] = 0;
    for (int i = 0; i < 8; i++) {
        l->routed[i] = -1;
    }
    acpi_init(&l->acpi, 128, 16);
    l->acpi.s4_value = 2;
    lpc_reset(d);
    isa_bus_new(&d->dev);
    return true;
}

static const Property lpc_props[] = {
    P_BOOL("noreboot", Ich9Lpc, noreboot, true), P_BOOL("smm-compat", Ich9Lpc, smm_compat, false),
    P_BIT("x-smi-broadcast", Ich9Lpc, smi_bits, 0, true), P_BIT("x-smi-cpu-hotplug", Ich9Lpc, smi_bits, 1, true),
    P_BIT("x-smi-cpu-hotunplug", Ich9Lpc, smi_bits, 2, true),
    { NULL }
};
static const PciClass lpc_class = {
    .dev = PCI_CLASS_DEV(.no_user = true, .no_hotplug = true, .category = DEVICE_BRIDGE, .desc = "ICH9 LPC bridge"),
    .vendor = 0x8086, .device = 0x2918, .revision = 2, .class_id = 0x0601, .multifunction = true, .realize = lpc_realize,
    .reset = lpc_reset, .config_written = lpc_written,
};
static const TypeInfo lpc_type = {
    .name = "ICH9-LPC", .parent = "pci-device", .size = sizeof(Ich9Lpc), .props = lpc_props, .class_data = &lpc_class,
};
QOM_TYPE(lpc_type)

/* --- ICH9: SMBus, without anything on it ------------------------------------------------------------------------- */

static uint64_t smb_read(void *opaque, uint64_t offset, unsigned size) { return 0; }
static void smb_write(void *opaque, uint64_t offset, uint64_t value, unsigned size) { }
static const IoOps smb_ops = { .read = smb_read, .write = smb_write, .max_size = 1 };

static bool smb_realize(PciDevice *d, Error **errp)
{
    d->wmask[0x40] = 0xf7;
    pci_register_bar(d, 4, PCI_BAR_IO, 64, "pm-smbus", &smb_ops, d);
    return true;
}

static const PciClass smb_class = {
    .dev = PCI_CLASS_DEV(.no_user = true, .no_hotplug = true, .category = DEVICE_BRIDGE, .desc = "ICH9 SMBUS Bridge"),
    .vendor = 0x8086, .device = 0x2930, .revision = 2, .class_id = 0x0c05, .int_pin = 1, .multifunction = true, .realize = smb_realize,
};
static const TypeInfo smb_type = { .name = "ICH9-SMB", .parent = "pci-device", .size = sizeof(PciDevice), .class_data = &smb_class };
QOM_TYPE(smb_type)

/* --- the board -------------------------------------------------------------------------------------------------------- */

static Device *add_function(const char *type, PciHost *pci, int slot, int fn)
{
    Device *d = device_new(type);

    PCI_DEVICE(d)->devfn = PCI_DEVFN(slot, fn);
    PCI_DEVICE(d)->cap_bits |= fn || slot ? 1 : 0;
    device_realize(d, pci->bus, &error_fatal);
    return d;
}

static bool q35_init(Machine *m, Error **errp)
{
    uint64_t low = m->max_ram_below_4g ? m->max_ram_below_4g : m->ram_size >= 0xb0000000 ? 0x80000000 : 0xb0000000;
    Device *host, *ioapic, *mch, *lpc;
    PciHost *pci;

    pc_init_system(m);
    if (!pc_map_ram(m, low, errp)) {
        return false;
    }
    pc_init_fw_cfg(m, low, 0x81, 0x82);
    host = device_create_on_board("q35-pcihost", bus_root(), "q35");
    ioapic = device_new("ioapic");
    object_add_child(&host->obj, "ioapic", &ioapic->obj);
    object_unref(&ioapic->obj);
    device_realize(ioapic, bus_root(), &error_fatal);
    pci_bus_new(host, "pcie.0", true, &pci);
    pci_host_map_ports(pci);
    mch = device_new("mch");
    object_add_child(&host->obj, "mch", &mch->obj);
    object_unref(&mch->obj);
    PCI_DEVICE(mch)->devfn = 0;
    device_realize(mch, pci->bus, &error_fatal);
    pci->map_irq = map_irq;
    pci->set_irq = set_irq;
    lpc = add_function("ICH9-LPC", pci, 31, 0);
    pc_init_isa(m, g_ptr_array_index(lpc->buses, 0), false, ioapic);
    if (m->sata) {
        add_function("ich9-ahci", pci, 31, 2);
    }
    if (m->smbus) {
        add_function("ICH9-SMB", pci, 31, 3);
    }
    pc_init_drives(m);
    return true;
}

static const MachineClass q35_class = {
    .name = "pc-q35-7.2", .alias = "q35", .desc = "Standard PC (Q35 + ICH9, 2009)", .max_cpus = 288, .default_ram_id = "pc.ram",
    .default_cpu_type = "qemu64-x86_64-cpu", .default_boot_order = "cad", .hotpluggable_cpus = true, .has_dies = true, .no_floppy = true,
    .default_ram_size = 128 * MiB, .block_default = "ide", .units_per_bus = 1, .init = q35_init,
};
static const TypeInfo q35_type = {
    .name = "pc-q35-7.2-machine", .parent = "machine", .size = sizeof(Machine), .props = pc_props, .init = pc_obj_init,
    .class_data = &q35_class,
};
QOM_TYPE(q35_type)
