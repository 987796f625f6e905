/*
 * The Q35 host bridge with its PCI Express bus, and the board "q35".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/i386/ich9.h"
#include "migration/vmstate.h"
#include "util/cutils.h"

typedef struct Q35Host {
    Device dev;
    uint64_t mcfg;                       /* where the enhanced configuration mechanism is; all ones: nowhere */
    uint64_t hole64_size, below_4g, above_4g;
    uint32_t short_root_bus;
    bool hole64_fix, config_reg, bypass_iommu;
} Q35Host;

/* --- memory controller hub ------------------------------------------------------------------------------ */

typedef struct Mch {
    PciDevice pci;
    uint16_t tseg_mbytes;
    bool smbase_smram;
    IoRegion *ecam;
    PamSegment pam[PAM_SEGMENTS];
    struct { IoRegion *region, *open_high, *low, *high, *tseg_hole, *tseg, *smbase_hole, *smbase; } sm;
    uint64_t low_memory;                 /* where RAM below 4 GiB ends */
} Mch;

enum {
    REG_EXT_TSEG = 0x50, REG_PAM = 0x90, REG_SMBASE = 0x9c, REG_SMRAM = 0x9d, REG_ESMRAM = 0x9e,
    SMRAM_OPEN = 0x40, SMRAM_CLOSED = 0x20, SMRAM_LOCK = 0x10, SMRAM_ENABLED = 0x08, ESMRAM_HIGH = 0x80,
    ESMRAM_TSEG = 0x01,
    SMBASE_QUERY = 0xff, SMBASE_IN_RAM = 0x01, SMBASE_LOCK = 0x02,
};

static uint64_t q35_low_memory(const Machine *m)
{
    uint64_t low = m->max_ram_below_4g ? m->max_ram_below_4g : m->ram_size >= 0xb0000000 ? 0x80000000 : 0xb0000000;

    return MIN(low, m->ram_size);
}

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

/* --- system management memory: a chunk at 0xa0000 (or its twin below 4 GiB), one at the top of RAM, one at 0x30000
   --- */

static void place_tseg(Mch *m)
{
    static const uint8_t sizes[] = { 1, 2, 8 };
    uint8_t reg = m->pci.config[REG_ESMRAM];
    uint64_t mib = (reg >> 1 & 3) == 3 ? m->tseg_mbytes : sizes[reg >> 1 & 3], size = MIN(mib * MiB, m->low_memory);
    bool on = (reg & ESMRAM_TSEG) && (m->pci.config[REG_SMRAM] & SMRAM_ENABLED) && size;

    io_region_set_enabled(m->sm.tseg_hole, on);
    io_region_set_enabled(m->sm.tseg, on);
    io_region_map(m->sm.tseg_hole, m->low_memory - (on ? size : 0), 1);
    io_region_set_size(m->sm.tseg_hole, on ? size : 1);
    io_region_free(m->sm.tseg);
    m->sm.tseg = io_region_new_alias("tseg-window", pc_ram(), m->low_memory - (on ? size : 0), on ? size : 1);
    io_region_set_enabled(m->sm.tseg, on);
    io_region_map_in(pc_smram(), m->sm.tseg, m->low_memory - (on ? size : 0), 0);
}

static void mch_update_smram(Mch *m)
{
    uint8_t *c = m->pci.config, *wmask = m->pci.wmask;
    bool high = c[REG_ESMRAM] & ESMRAM_HIGH, enabled, open;

    if (c[REG_SMRAM] & SMRAM_LOCK) {
        c[REG_SMRAM] &= ~SMRAM_OPEN;
        wmask[REG_SMRAM] = SMRAM_CLOSED;
        wmask[REG_ESMRAM] = 0;
    }
    enabled = c[REG_SMRAM] & SMRAM_ENABLED;
    open = c[REG_SMRAM] & SMRAM_OPEN;
    io_region_set_enabled(m->sm.region, high || !open);
    io_region_set_enabled(m->sm.open_high, high && open);
    io_region_set_enabled(m->sm.low, enabled && !high);
    io_region_set_enabled(m->sm.high, enabled && high);
    place_tseg(m);
}

/* A driver asks by writing 0xff whether memory at 0x30000 can be taken for system management; bit 1 takes it until
   reset. */
static void mch_update_smbase(Mch *m)
{
    uint8_t *reg = &m->pci.config[REG_SMBASE];
    bool locked;

    if (!m->smbase_smram || m->pci.wmask[REG_SMBASE] == 0) {
        return;
    }
    if (*reg == SMBASE_QUERY) {
        *reg = SMBASE_IN_RAM;
        return;
    }
    locked = *reg & SMBASE_LOCK;
    if (locked) {
        m->pci.wmask[REG_SMBASE] = 0;
    }
    io_region_set_enabled(m->sm.smbase_hole, locked);
    io_region_set_enabled(m->sm.smbase, locked);
}

static void mch_init_smram(Mch *m)
{
    const uint64_t at = 0xa0000, size = 0x20000, twin = 0xfeda0000, base = 0x30000;
    IoRegion *smram = io_region_new_container(IO_SPACE_MEM, "smram", 4 * GiB);

    pc_set_smram(smram);
    m->sm.region = io_region_new_alias("smram-region", io_region_bus(IO_SPACE_MEM), at, size);
    m->sm.open_high = io_region_new_alias("smram-open-high", pc_ram(), at, size);
    m->sm.low = io_region_new_alias("smram-low", pc_ram(), at, size);
    m->sm.high = io_region_new_alias("smram-high", pc_ram(), at, size);
    m->sm.tseg_hole = pc_blackhole("tseg-blackhole", 1);
    m->sm.tseg = io_region_new_alias("tseg-window", pc_ram(), m->low_memory, 1);
    m->sm.smbase_hole = pc_blackhole("smbase-blackhole", size);
    m->sm.smbase = io_region_new_alias("smbase-window", pc_ram(), base, size);
    io_region_set_enabled(m->sm.smbase_hole, false);
    io_region_set_enabled(m->sm.smbase, false);
    io_region_map(m->sm.region, at, 1);
    io_region_map(m->sm.open_high, twin, 1);
    io_region_map(m->sm.smbase_hole, base, 1);
    io_region_map_in(smram, m->sm.low, at, 0);
    io_region_map_in(smram, m->sm.high, twin, 0);
    io_region_map_in(smram, m->sm.smbase, base, 0);
}

static void mch_update_memory(Mch *m)
{
    Object *before;

    if (pci_get16(&m->pci, REG_EXT_TSEG) == 0xffff && m->tseg_mbytes) {
        pci_set16(&m->pci, REG_EXT_TSEG, m->tseg_mbytes);
    }
    if (!pc_ram()) {
        return;
    }
    before = io_region_set_owner(&m->pci.dev.obj);
    io_region_begin();
    pam_update(m->pam, m->pci.config + REG_PAM);
    mch_update_smram(m);
    mch_update_smbase(m);
    io_region_commit();
    io_region_set_owner(before);
}

/* --- configuration ----------------------------------------------------------------------------------------------- */

static void mch_update_ecam(PciDevice *d)
{
    static const uint64_t sizes[] = { 256 * MiB, 128 * MiB, 64 * MiB, 0 };
    Mch *m = (Mch *)d;
    Q35Host *host = (Q35Host *)d->dev.bus->parent;
    Object *before = io_region_set_owner(&host->dev.obj);
    uint64_t bar = pci_get16(d, 0x60) | (uint64_t)pci_get16(d, 0x62) << 16 | (uint64_t)pci_get16(d, 0x64) << 32;
    uint64_t len = sizes[(bar >> 1) & 3], base = bar & ~(len - 1) & 0xfffffffffULL;

    bool on = (bar & 1) && len;

    if (!m->ecam) {
        m->ecam = io_region_new(IO_SPACE_MEM, "pcie-mmcfg-mmio", 256 * MiB, &ecam_ops, d);
    }
    host->mcfg = on ? base : UINT64_MAX;
    if (on) {
        io_region_set_size(m->ecam, len);
        io_region_map(m->ecam, base, 0);
    } else {
        io_region_unmap(m->ecam);
    }
    io_region_set_owner(before);
}

static void mch_written(PciDevice *d, unsigned offset, unsigned size)
{
    mch_update_ecam(d);
    mch_update_memory((Mch *)d);
}

static void mch_reset(PciDevice *d)
{
    Mch *m = (Mch *)d;

    memset(d->config + 0x40, 0, 0xc0);
    if (m->tseg_mbytes) {
        pci_set16(d, REG_EXT_TSEG, 0xffff);
    }
    d->wmask[REG_SMBASE] = m->smbase_smram ? 0xff : 0;
    d->wmask[REG_SMRAM] = SMRAM_OPEN | SMRAM_CLOSED | SMRAM_LOCK | SMRAM_ENABLED;
    d->wmask[REG_ESMRAM] = 0x87;
    pci_set32(d, 0x60, 0xb0000000);
    d->config[0x9d] = 0x02;
    d->config[0x9e] = 0x38;
    mch_written(d, 0x60, 8);
}

static bool mch_realize(PciDevice *d, Error **errp)
{
    Mch *m = (Mch *)d;

    if (pc_ram()) {
        m->low_memory = q35_low_memory(machine_current());
        mch_init_smram(m);
        pam_init(m->pam);
    }
    mch_reset(d);
    return true;
}

static const Property mch_props[] = {
    P_NUM("extended-tseg-mbytes", PROP_U16, Mch, tseg_mbytes, 16), P_BOOL("smbase-smram", Mch, smbase_smram, true),
        { NULL }
};
typedef struct MchWire { PciWire pci; } MchWire;

static void mch_save(void *obj, void *wire) { pci_wire_save(obj, &((MchWire *)wire)->pci); }

static bool mch_load(void *obj, const void *wire, Error **errp)
{
    const MchWire *w = wire;

    if (!pci_wire_check(obj, &w->pci, errp)) {
        return false;
    }
    pci_wire_load(obj, &w->pci);
    mch_written(obj, 0x60, 8);
    return true;
}

static const VmField mch_fields[] = { VMF_PCI("parent_obj", MchWire), VMF_UNUSED(1), { NULL } };
static const VmDesc mch_vmstate = {
    .name = "mch", .version = 1, .min_version = 1, .size = sizeof(MchWire), .fields = mch_fields, .save = mch_save,
    .load = mch_load,
};

static const PciClass mch_class = {
    .dev = PCI_CLASS_DEV(.vmstate = &mch_vmstate, .no_user = true, .no_hotplug = true, .category = DEVICE_BRIDGE,
                         .desc = "Host bridge"),
    .vendor = 0x8086, .device = 0x29c0, .class_id = 0x0600, .realize = mch_realize, .reset = mch_reset,
    .config_written = mch_written,
};
static const TypeInfo mch_type = {
    .name = "mch", .parent = "pci-device", .size = sizeof(Mch), .props = mch_props, .class_data = &mch_class,
};
QOM_TYPE(mch_type)

static const DeviceClass host_class = {
    .bus_type = "System", .no_user = true, .no_hotplug = true, .category = DEVICE_BRIDGE,
};
static const Property host_props[] = {
    P_NUM("MCFG", PROP_U64, Q35Host, mcfg, 0xb0000000),
    P_NUM("pci-hole64-size", PROP_SIZE, Q35Host, hole64_size, 32 * GiB),
    P_NUM("short_root_bus", PROP_U32, Q35Host, short_root_bus, 0),
    P_NUM("below-4g-mem-size", PROP_SIZE, Q35Host, below_4g, 0),
    P_NUM("above-4g-mem-size", PROP_SIZE, Q35Host, above_4g, 0), P_BOOL("x-pci-hole64-fix", Q35Host, hole64_fix, true),
    P_BOOL("x-config-reg-migration-enabled", Q35Host, config_reg, true),
        P_BOOL("bypass-iommu", Q35Host, bypass_iommu, false), { NULL }
};
static const TypeInfo host_type = {
    .name = "q35-pcihost", .parent = "device", .size = sizeof(Q35Host), .props = host_props, .class_data = &host_class,
};
QOM_TYPE(host_type)

/* --- the board ---------------------------------------------------------------------------------------------------- */

static bool q35_init(Machine *m, Error **errp)
{
    uint64_t low = m->max_ram_below_4g ? m->max_ram_below_4g : m->ram_size >= 0xb0000000 ? 0x80000000 : 0xb0000000;
    Device *host, *ioapic, *mch;
    PciHost *pci;

    pc_init_system(m);
    pc_init_memory(m, low);
    pc_init_fw_cfg(m, low, 0x81, 0x82);
    host = device_create_on_board("q35-pcihost", bus_root(), "q35");
    ioapic = device_new("ioapic");
    object_add_child(&host->obj, "ioapic", &ioapic->obj);
    object_unref(&ioapic->obj);
    device_realize(ioapic, bus_root(), &error_fatal);
    ((Q35Host *)host)->below_4g = MIN(low, m->ram_size);
    ((Q35Host *)host)->above_4g = m->ram_size - MIN(low, m->ram_size);
    pci_bus_new(host, "pcie.0", true, &pci);
    pci_host_map_ports(pci);
    mch = device_new("mch");
    object_add_child(&host->obj, "mch", &mch->obj);
    object_unref(&mch->obj);
    PCI_DEVICE(mch)->devfn = 0;
    device_realize(mch, pci->bus, &error_fatal);
    pc_init_isa(m, ich9_lpc_create(pci), false, ioapic);
    if (m->sata) {
        ich9_add_function("ich9-ahci", pci, 31, 2);
        pc_init_ide_drives();
    }
    if (m->smbus) {
        ich9_smb_create(pci);
    }
    pc_add_smm_views();
    return true;
}

static const MachineClass q35_class = {
    .name = "pc-q35-7.2", .alias = "q35", .desc = "Standard PC (Q35 + ICH9, 2009)", .max_cpus = 288,
    .default_ram_id = "pc.ram",
    .default_cpu_type = "qemu64-x86_64-cpu", .default_boot_order = "cad", .hotpluggable_cpus = true, .has_dies = true,
    .no_floppy = true,
    .default_ram_size = 128 * MiB, .block_default = "ide", .units_per_bus = 1, .init = q35_init,
};
static const TypeInfo q35_type = {
    .name = "pc-q35-7.2-machine", .parent = "machine", .size = sizeof(Machine), .props = pc_props, .init = pc_obj_init,
    .class_data = &q35_class,
};
QOM_TYPE(q35_type)
