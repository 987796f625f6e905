/*
 * PIIX: the ISA bridge that routes PCI interrupts, and power management with slot hotplug.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/acpi.h"
#include "hw/i386/pc-int.h"
#include "hw/i386/piix.h"
#include "hw/smbus.h"
#include "migration/vmstate.h"

/* --- ISA bridge ---------------------------------------------------------------------------------------- */

typedef struct Piix3 {
    PciDevice pci;
    int level[4];              /* of PIRQ A..D */
    int routed[4];             /* ISA interrupt each holds now, -1: none */
    Irq *sources[4][16];       /* one of each line on each interrupt, made on demand */
} Piix3;

static Piix3 *router;

static int map_irq(int slot, int pin) { return (pin + slot - 1) & 3; }

static void hold(Piix3 *p, int line, int irq, int level)
{
    if (!p->sources[line][irq]) {
        p->sources[line][irq] = gsi_source(irq);
    }
    irq_set(p->sources[line][irq], level);
}

static void route_line(Piix3 *p, int line)
{
    uint8_t reg = p->pci.config[0x60 + line];
    int irq = reg & 0x80 ? -1 : reg & 0x0f;

    if (p->routed[line] >= 0 && p->routed[line] != irq) {
        hold(p, line, p->routed[line], 0);
    }
    p->routed[line] = irq;
    if (irq >= 0) {
        hold(p, line, irq, p->level[line]);
    }
}

static void set_irq(PciHost *h, int line, int level)
{
    router->level[line] = level;
    route_line(router, line);
}

static void piix3_written(PciDevice *d, unsigned offset, unsigned size)
{
    if (offset < 0x64 && offset + size > 0x60) {
        for (int line = 0; line < 4; line++) {
            route_line((Piix3 *)d, line);
        }
    }
}

static void piix3_reset(PciDevice *d)
{
    static const struct { uint8_t at, value; } defaults[] = {
        { 0x04, 0x07 }, { 0x07, 0x02 }, { 0x4c, 0x4d }, { 0x4e, 0x03 }, { 0x60, 0x80 }, { 0x61, 0x80 }, { 0x62, 0x80 },
        { 0x63, 0x80 }, { 0x69, 0x02 }, { 0x70, 0x80 }, { 0x76, 0x0c }, { 0x77, 0x0c }, { 0x78, 0x02 }, { 0xa0, 0x08 },
        { 0xa8, 0x0f },
    };

    memset(d->config + 0x40, 0, 0x70);
    for (size_t i = 0; i < G_N_ELEMENTS(defaults); i++) {
        d->config[defaults[i].at] = defaults[i].value;
    }
    pci_set16(d, PCI_REG_COMMAND, 0);
    piix3_written(d, 0x60, 4);
}

static bool piix3_realize(PciDevice *d, Error **errp)
{
    Piix3 *p = (Piix3 *)d;

    router = p;
    for (int i = 0; i < 4; i++) {
        p->routed[i] = -1;
    }
    piix3_reset(d);
    pc_map_reset_control("piix3-reset-control");
    isa_bus_new(&d->dev);
    return true;
}

typedef struct Piix3Wire { PciWire pci; int32_t levels[4]; } Piix3Wire;

static void piix3_save(void *obj, void *wire)
{
    Piix3Wire *w = wire;

    pci_wire_save(obj, &w->pci);
    for (int i = 0; i < 4; i++) {
        w->levels[i] = ((Piix3 *)obj)->level[i];
    }
}

/* The levels come from the devices. */
static bool piix3_load(void *obj, const void *wire, Error **errp)
{
    const Piix3Wire *w = wire;

    if (!pci_wire_check(obj, &w->pci, errp)) {
        return false;
    }
    pci_wire_load(obj, &w->pci);
    piix3_written(obj, 0x60, 4);
    return true;
}

static const VmField piix3_fields[] = {
    VMF_PCI("dev", Piix3Wire), VMF_ARRAYN("pci_irq_levels_vmstate", "int32", Piix3Wire, levels), { NULL }
};
static const VmDesc piix3_vmstate = {
    .name = "PIIX3", .version = 3, .min_version = 3, .size = sizeof(Piix3Wire), .fields = piix3_fields,
    .save = piix3_save, .load = piix3_load,
};

static const PciClass piix3_class = {
    .dev = PCI_CLASS_DEV(.vmstate = &piix3_vmstate, .no_user = true, .no_hotplug = true, .category = DEVICE_BRIDGE,
                         .desc = "ISA bridge"),
    .vendor = 0x8086, .device = 0x7000, .class_id = 0x0601, .multifunction = true, .realize = piix3_realize,
    .reset = piix3_reset,
    .config_written = piix3_written,
};
static const TypeInfo piix3_type = {
    .name = "PIIX3", .parent = "pci-device", .size = sizeof(Piix3), .class_data = &piix3_class,
};
QOM_TYPE(piix3_type)

Bus *piix3_create(PciHost *host)
{
    Device *d = device_new("PIIX3");

    host->map_irq = map_irq;
    host->set_irq = set_irq;
    PCI_DEVICE(d)->devfn = PCI_DEVFN(1, 0);
    PCI_DEVICE(d)->cap_bits |= 1;
    device_realize(d, host->bus, &error_fatal);
    return g_ptr_array_index(d->buses, 0);
}

/* --- power management ------------------------------------------------------------------------------------------ */

typedef struct Piix4Pm {
    PciDevice pci;
    AcpiRegs acpi;
    SmbusHost smbus;
    uint32_t smb_io_base;
    uint8_t disable_s3, disable_s4, s4_val;
    bool hotplug_bridge, hotplug_root, memory_hotplug, smm_compat, smm_enabled, no_migrate_index;
} Piix4Pm;

static void pm_written(PciDevice *d, unsigned offset, unsigned size)
{
    Piix4Pm *p = (Piix4Pm *)d;

    acpi_map(&p->acpi, pci_get16(d, 0x40) & 0xffc0, d->config[0x80] & 1);
}

static void pm_reset(PciDevice *d)
{
    Piix4Pm *p = (Piix4Pm *)d;

    d->config[0x40] = 1;
    d->config[0x80] = 0;
    d->config[0x5b] = p->smm_enabled ? 0 : 0x02;
    acpi_reset(&p->acpi);
    smbus_reset(&p->smbus);
    pm_written(d, 0x40, 4);
}

static void slot_changed(PciHost *h, int slot, bool going)
{
    AcpiRegs *a = h->opaque;

    if (going) {
        acpi_slot_down(a, slot);
    } else {
        acpi_slot_up(a, slot);
    }
}

static bool pm_realize(PciDevice *d, Error **errp)
{
    Piix4Pm *p = (Piix4Pm *)d;
    PciHost *h = pci_host(d->dev.bus);

    d->config[PCI_REG_STATUS] = 0x80;
    d->config[PCI_REG_STATUS + 1] = 0x02;
    pci_set32(d, 0x5c, 0x10000000);
    pci_set32(d, 0x60, 0x60000000);
    pci_set32(d, 0x90, p->smb_io_base | 1);
    d->config[0xd2] = 0x09;
    acpi_init(&p->acpi, "piix4-pm", 64, 2);
    p->acpi.s4_value = p->s4_val;
    acpi_map_apm(&p->acpi);
    io_region_map(p->acpi.gpe, 0xafe0, 0);
    acpi_map_cpu_hotplug(&p->acpi, 0xaf00);
    smbus_init(&p->smbus, &d->dev, NULL, NULL);
    io_region_map(io_region_new(IO_SPACE_PORT, "pm-smbus", 64, &smbus_ops, &p->smbus), p->smb_io_base, 0);
    acpi_map_pci_hotplug(&p->acpi, 0xae00, h);
    h->slot_changed = slot_changed;
    h->opaque = &p->acpi;
    pm_reset(d);
    return true;
}

static const Property pm_props[] = {
    P_NUM("smb_io_base", PROP_U32, Piix4Pm, smb_io_base, 0), P_NUM("disable_s3", PROP_U8, Piix4Pm, disable_s3, 0),
    P_NUM("disable_s4", PROP_U8, Piix4Pm, disable_s4, 0), P_NUM("s4_val", PROP_U8, Piix4Pm, s4_val, 2),
    P_BOOL("acpi-pci-hotplug-with-bridge-support", Piix4Pm, hotplug_bridge, true),
    P_BOOL("acpi-root-pci-hotplug", Piix4Pm, hotplug_root, true),
    P_BOOL("memory-hotplug-support", Piix4Pm, memory_hotplug, true),
    P_BOOL("smm-compat", Piix4Pm, smm_compat, false), P_BOOL("smm-enabled", Piix4Pm, smm_enabled, false),
    P_BOOL("x-not-migrate-acpi-index", Piix4Pm, no_migrate_index, false),
    { NULL }
};
typedef struct PmWire {
    PciWire pci;
    uint8_t apmc, apms;
    SmbusWire smb;
    uint32_t hotplug_select;
    AcpiWire acpi;
} PmWire;

static void pm_save(void *obj, void *wire)
{
    PmWire *w = wire;

    pci_wire_save(obj, &w->pci);
    acpi_wire_save(&((Piix4Pm *)obj)->acpi, &w->acpi);
    w->apmc = ((Piix4Pm *)obj)->acpi.apm[0];
    w->apms = ((Piix4Pm *)obj)->acpi.apm[1];
    smbus_wire_save(&((Piix4Pm *)obj)->smbus, &w->smb);
}

static bool pm_load(void *obj, const void *wire, Error **errp)
{
    const PmWire *w = wire;

    if (!pci_wire_check(obj, &w->pci, errp) || !smbus_wire_load(&((Piix4Pm *)obj)->smbus, &w->smb, errp)) {
        return false;
    }
    pci_wire_load(obj, &w->pci);
    pm_written(obj, 0x40, 4);
    ((Piix4Pm *)obj)->acpi.apm[0] = w->apmc;
    ((Piix4Pm *)obj)->acpi.apm[1] = w->apms;
    acpi_wire_load(&((Piix4Pm *)obj)->acpi, &w->acpi);
    return true;
}

static const VmField apm_fields[] = { VMF(PmWire, apmc, "uint8"), VMF(PmWire, apms, "uint8"), { NULL } };
static const VmDesc apm_desc = { .name = "APM State", .version = 1, .min_version = 1, .fields = apm_fields };
static const VmField gpe_fields[] = {
    VMF(AcpiWire, gpe_status16, "uint16"), VMF(AcpiWire, gpe_enable16, "uint16"), { NULL }
};
static const VmDesc gpe_desc = { .name = "gpe", .version = 1, .min_version = 1, .fields = gpe_fields };
static const VmField pm_fields[] = {
    VMF_PCI("parent_obj", PmWire), VMFN("ar.pm1.evt.sts", "uint16", PmWire, acpi.status),
    VMFN("ar.pm1.evt.en", "uint16", PmWire, acpi.enable),
    VMFN("ar.pm1.cnt.cnt", "uint16", PmWire, acpi.control), VMF_SELF("apm", &apm_desc),
    VMF_STRUCT(PmWire, smb, &smbus_wire_desc),
    VMFN("ar.tmr.timer", "timer", PmWire, acpi.timer), VMFN("ar.tmr.overflow_time", "int64", PmWire, acpi.overflow),
    VMF_STRUCTN("ar.gpe", PmWire, acpi, &gpe_desc),
    VMFN("acpi_pci_hotplug.hotplug_select", "uint32", PmWire, hotplug_select),
    VMF_STRUCTSN("acpi_pci_hotplug.acpi_pcihp_pci_status", PmWire, acpi.slots, &acpi_slots_desc),
    VMFN("acpi_pci_hotplug.acpi_index", "uint32", PmWire, acpi.index),
    { NULL }
};
/* Slots of memory, which there are none of: read past. */
static bool never(const void *wire) { return false; }
static const VmField memhp_fields[] = { VMF_UNUSED(4), { NULL } };
static const VmDesc memhp_desc = {
    .name = "piix4_pm/memhp", .version = 1, .min_version = 1, .fields = memhp_fields, .needed = never,
};
static const VmDesc *const pm_subsections[] = { &memhp_desc, NULL };
static const VmDesc pm_vmstate = {
    .name = "piix4_pm", .version = 3, .min_version = 3, .size = sizeof(PmWire), .fields = pm_fields,
    .subsections = pm_subsections, .save = pm_save, .load = pm_load,
};

static const PciClass pm_class = {
    .dev = PCI_CLASS_DEV(.vmstate = &pm_vmstate, .no_user = true, .no_hotplug = true, .category = DEVICE_UNCATEGORIZED,
                         .desc = "PM",
                         .lines = "gpio-out \"smi-irq\" 1\ngpio-out \"\" 1"),
    .vendor = 0x8086, .device = 0x7113, .revision = 3, .class_id = 0x0680, .int_pin = 1, .realize = pm_realize,
    .reset = pm_reset,
    .config_written = pm_written,
};
static const TypeInfo pm_type = {
    .name = "PIIX4_PM", .parent = "pci-device", .size = sizeof(Piix4Pm), .class_data = &pm_class, .props = pm_props,
};
QOM_TYPE(pm_type)

void piix_create_functions(PciHost *host, void *machine)
{
    Device *ide, *pm = device_new("PIIX4_PM");

    if (type_find("piix3-ide")) {
        ide = device_new("piix3-ide");
        PCI_DEVICE(ide)->devfn = PCI_DEVFN(1, 1);
        device_realize(ide, host->bus, &error_fatal);
        pc_init_ide_drives();
    }
    PCI_DEVICE(pm)->devfn = PCI_DEVFN(1, 3);
    ((Piix4Pm *)pm)->smb_io_base = 0xb100;
    ((Piix4Pm *)pm)->smm_enabled = true;
    device_realize(pm, host->bus, &error_fatal);
    smbus_add_eeproms(&((Piix4Pm *)pm)->smbus);
}
