/*
 * The ICH9: the LPC bridge, which routes PCI interrupts and manages power, and the SMBus.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/i386/ich9.h"
#include "hw/smbus.h"
#include "migration/vmstate.h"
#include "util/cutils.h"

/* --- LPC bridge ------------------------------------------------------------------------------------- */

typedef struct Ich9Lpc {
    PciDevice pci;
    AcpiRegs acpi;
    Ich9Pm pm;
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

    uint16_t base = d->config[0x44] & 0x80 ? pci_get16(d, 0x40) & 0xff80 : 0;

    acpi_map(&l->acpi, base, base);
    if (d->config[0xa0] & 0x10) {                /* no way back for the system management interrupt */
        d->wmask[0xa0] = 0xef;
        l->pm.smi_mask &= ~1u;
    }
    ich9_pm_map_rcrb(&l->pm, pci_get16(d, 0xf0) | (uint32_t)pci_get16(d, 0xf2) << 16);
    for (int line = 0; line < 8; line++) {
        route_line(l, line);
    }
}

static void lpc_reset(PciDevice *d)
{
    memset(d->config + 0x40, 0, 0xc0);
    io_region_unmap(((Ich9Lpc *)d)->acpi.pm);             /* to come again over what was mapped since */
    d->config[0x40] = 0x01;
    d->wmask[0xa0] = 0xff;
    memset(d->config + 0x60, 0x80, 4);
    memset(d->config + 0x68, 0x80, 4);
    acpi_reset(&((Ich9Lpc *)d)->acpi);
    ich9_pm_reset(&((Ich9Lpc *)d)->pm, ((Ich9Lpc *)d)->noreboot);
    lpc_written(d, 0x40, 4);
}

static bool lpc_realize(PciDevice *d, Error **errp)
{
    Ich9Lpc *l = (Ich9Lpc *)d;

    router = l;
    d->wmask[0x40] = 0x87;
    d->wmask[0x42] = d->wmask[0x43] = 0;
    for (int i = 0; i < 8; i++) {
        l->routed[i] = -1;
    }
    acpi_init(&l->acpi, "ich9-pm", 128, 8);
    io_region_map_in(l->acpi.pm, l->acpi.gpe, 0x20, 0);
    ich9_pm_init(&l->pm, l->acpi.pm);
    acpi_map_apm(&l->acpi);
    acpi_map_cpu_hotplug(&l->acpi, 0xcd8);
    acpi_map_pci_hotplug(&l->acpi, 0xcc0, NULL);
    l->acpi.s4_value = 2;
    lpc_reset(d);
    pc_map_reset_control("lpc-reset-control");
    isa_bus_new(&d->dev);
    return true;
}

static const Property lpc_props[] = {
    P_BOOL("noreboot", Ich9Lpc, noreboot, true), P_BOOL("smm-compat", Ich9Lpc, smm_compat, false),
    P_BIT("x-smi-broadcast", Ich9Lpc, smi_bits, 0, true), P_BIT("x-smi-cpu-hotplug", Ich9Lpc, smi_bits, 1, true),
    P_BIT("x-smi-cpu-hotunplug", Ich9Lpc, smi_bits, 2, true),
    { NULL }
};
typedef struct LpcWire {
    PciWire pci;
    uint8_t apmc, apms, chip_config[RCRB_SIZE];
    AcpiWire acpi;
    Ich9TcoWire tco;
    uint32_t smi_en, smi_sts, sci_level;
} LpcWire;

static void lpc_save(void *obj, void *wire)
{
    const Ich9Lpc *l = obj;
    LpcWire *w = wire;

    pci_wire_save(&l->pci, &w->pci);
    acpi_wire_save(&l->acpi, &w->acpi);
    w->apmc = l->acpi.apm[0];
    w->apms = l->acpi.apm[1];
    w->smi_en = l->pm.smi_enable;
    ich9_tco_save(&l->pm, &w->tco);
    memcpy(w->chip_config, l->pm.rcrb, sizeof(w->chip_config));
}

static bool lpc_load(void *obj, const void *wire, Error **errp)
{
    const LpcWire *w = wire;
    Ich9Lpc *l = obj;

    if (!pci_wire_check(&l->pci, &w->pci, errp)) {
        return false;
    }
    pci_wire_load(&l->pci, &w->pci);
    lpc_written(&l->pci, 0x40, 4);
    memcpy(l->pm.rcrb, w->chip_config, sizeof(l->pm.rcrb));
    l->pm.smi_enable = w->smi_en;
    ich9_tco_load(&l->pm, &w->tco);
    l->acpi.apm[0] = w->apmc;
    l->acpi.apm[1] = w->apms;
    acpi_wire_load(&l->acpi, &w->acpi);
    return true;
}

/* Slots of memory and of the bus are not hot-plugged here: read past. */
static bool never(const void *wire) { return false; }
static bool always(const void *wire) { return true; }
static const VmField unused4[] = { VMF_UNUSED(4), { NULL } }, unused2056[] = { VMF_UNUSED(2056), { NULL } },
    tco_field[] = { VMF_STRUCTN("tco_regs", LpcWire, tco, &ich9_tco_desc), { NULL } };
static const VmDesc memhp_desc = {
    .name = "ich9_pm/memhp", .version = 1, .min_version = 1, .fields = unused4, .needed = never,
};
static const VmDesc tco_desc = {
    .name = "ich9_pm/tco", .version = 1, .min_version = 1, .fields = tco_field, .needed = always,
};
static const VmDesc pcihp_desc = {
    .name = "ich9_pm/pcihp", .version = 1, .min_version = 1, .fields = unused2056, .needed = never,
};
static const VmDesc *const pm_subsections[] = { &memhp_desc, &tco_desc, &pcihp_desc, NULL };
#define PM(n, t, f) VMFN("acpi_regs." n, t, LpcWire, acpi.f)
static const VmField pm_fields[] = {
    PM("pm1.evt.sts", "uint16", status), PM("pm1.evt.en", "uint16", enable), PM("pm1.cnt.cnt", "uint16", control),
    PM("tmr.timer", "timer", timer), PM("tmr.overflow_time", "int64", overflow),
    VMF_ARRAYN("acpi_regs.gpe.sts", "uint8", LpcWire, acpi.gpe_status),
    VMF_ARRAYN("acpi_regs.gpe.en", "uint8", LpcWire, acpi.gpe_enable),
    VMF(LpcWire, smi_en, "uint32"), VMF(LpcWire, smi_sts, "uint32"), { NULL }
};
static const VmDesc pm_desc = {
    .name = "ich9_pm", .version = 1, .min_version = 1, .fields = pm_fields, .subsections = pm_subsections,
};
static const VmField apm_fields[] = { VMF(LpcWire, apmc, "uint8"), VMF(LpcWire, apms, "uint8"), { NULL } };
static const VmDesc apm_desc = { .name = "APM State", .version = 1, .min_version = 1, .fields = apm_fields };
static const VmField lpc_fields[] = {
    VMF_PCI("d", LpcWire), VMF_SELF("apm", &apm_desc), VMF_SELF("pm", &pm_desc),
    VMF_ARRAY(LpcWire, chip_config, "uint8"),
    VMF(LpcWire, sci_level, "uint32"), { NULL }
};
static const VmDesc lpc_vmstate = {
    .name = "ICH9LPC", .version = 1, .min_version = 1, .size = sizeof(LpcWire), .fields = lpc_fields, .save = lpc_save,
    .load = lpc_load,
};

static const PciClass lpc_class = {
    .dev = PCI_CLASS_DEV(.vmstate = &lpc_vmstate, .no_user = true, .no_hotplug = true, .category = DEVICE_BRIDGE,
                         .desc = "ICH9 LPC bridge",
                         .lines = "gpio-out \"gsi\" 24"),
    .vendor = 0x8086, .device = 0x2918, .revision = 2, .class_id = 0x0601, .multifunction = true,
    .realize = lpc_realize,
    .reset = lpc_reset, .config_written = lpc_written,
};
static const TypeInfo lpc_type = {
    .name = "ICH9-LPC", .parent = "pci-device", .size = sizeof(Ich9Lpc), .props = lpc_props, .class_data = &lpc_class,
};
QOM_TYPE(lpc_type)

/* --- SMBus -------------------------------------------------------------------------------------------------------- */

typedef struct Ich9Smb {
    PciDevice pci;
    SmbusHost smbus;
} Ich9Smb;

static void smb_irq(void *opaque, int level) { pci_set_irq(opaque, level); }

static bool smb_realize(PciDevice *d, Error **errp)
{
    Ich9Smb *s = (Ich9Smb *)d;

    d->wmask[0x40] = 0xf7;
    smbus_init(&s->smbus, &d->dev, smb_irq, d);
    pci_register_bar(d, 4, PCI_BAR_IO, 64, "pm-smbus", &smbus_ops, &s->smbus);
    return true;
}

static void smb_reset(PciDevice *d) { smbus_reset(&((Ich9Smb *)d)->smbus); }

typedef struct SmbWire {
    PciWire pci;
    uint8_t irq_enabled;
    SmbusWire smb;
} SmbWire;

static void smb_save(void *obj, void *wire)
{
    SmbWire *w = wire;

    pci_wire_save(obj, &w->pci);
    smbus_wire_save(&((Ich9Smb *)obj)->smbus, &w->smb);
}

static bool smb_load(void *obj, const void *wire, Error **errp)
{
    const SmbWire *w = wire;

    if (!pci_wire_check(obj, &w->pci, errp) || !smbus_wire_load(&((Ich9Smb *)obj)->smbus, &w->smb, errp)) {
        return false;
    }
    pci_wire_load(obj, &w->pci);
    return true;
}

static const VmField smb_fields[] = {
    VMF_PCI("dev", SmbWire), VMF(SmbWire, irq_enabled, "bool"), VMF_STRUCT(SmbWire, smb, &smbus_wire_desc), { NULL }
};
static const VmDesc smb_vmstate = {
    .name = "ich9_smb", .version = 1, .min_version = 1, .size = sizeof(SmbWire), .fields = smb_fields,
    .save = smb_save, .load = smb_load,
};

static const PciClass smb_class = {
    .dev = PCI_CLASS_DEV(.vmstate = &smb_vmstate, .no_user = true, .no_hotplug = true, .category = DEVICE_BRIDGE,
                         .desc = "ICH9 SMBUS Bridge"),
    .vendor = 0x8086, .device = 0x2930, .revision = 2, .class_id = 0x0c05, .int_pin = 1, .multifunction = true,
    .realize = smb_realize,
    .reset = smb_reset,
};
static const TypeInfo smb_type = {
    .name = "ICH9-SMB", .parent = "pci-device", .size = sizeof(Ich9Smb), .class_data = &smb_class,
};
QOM_TYPE(smb_type)

Device *ich9_add_function(const char *type, PciHost *pci, int slot, int fn)
{
    Device *d = device_new(type);

    PCI_DEVICE(d)->devfn = PCI_DEVFN(slot, fn);
    PCI_DEVICE(d)->cap_bits |= fn || slot ? 1 : 0;
    device_realize(d, pci->bus, &error_fatal);
    return d;
}

Bus *ich9_lpc_create(PciHost *pci)
{
    pci->map_irq = map_irq;
    pci->set_irq = set_irq;
    return g_ptr_array_index(ich9_add_function("ICH9-LPC", pci, 31, 0)->buses, 0);
}

void ich9_smb_create(PciHost *pci)
{
    smbus_add_eeproms(&((Ich9Smb *)ich9_add_function("ICH9-SMB", pci, 31, 3))->smbus);
}
