/*
 * What every PC has: memory map, interrupt inputs, ISA devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/i386/pc-int.h"
#include "hw/pc-chips.h"
#include "machine/runstate.h"
#include "migration/vmstate.h"
#include "util/cutils.h"

char *(*pc_serial_label)(int n);

/* --- machine properties ------------------------------------------------------------------------------ */

static const char *const entry_types[] = { "32", "64", NULL };

static QObject *get_empty_list(Object *o, const Property *p, Error **errp) { return qlist_new(); }
static QObject *get_zero(Object *o, const Property *p, Error **errp) { return qint_new(0); }

#define PC_ENUM(n, f, d) { .name = n, .type = "OnOffAuto", .kind = PROP_ENUM, .names = on_off_auto_names, \
                           .offset = offsetof(Machine, f), .has_default = true, .description = d }
#define PC_BOOL(n, f, v, d) { .name = n, .kind = PROP_BOOL, .offset = offsetof(Machine, f), .has_default = true, .def = v, .description = d }
#define PC_STR(n, f, d) { .name = n, .type = "string", .kind = PROP_STRING, .offset = offsetof(Machine, f), .description = d }

const Property pc_props[] = {
    PC_ENUM("smm", smm, "Enable SMM"), PC_ENUM("acpi", acpi, "Enable ACPI"), PC_ENUM("pit", pit, "Enable i8254 PIT"),
    PC_ENUM("pic", pic, "Enable i8259 PIC"), PC_ENUM("vmport", vmport, "Enable vmport (pc & q35)"),
    PC_STR("x-oem-id", oem_id, "Override the default value of field OEMID in ACPI table header."
           "The string may be up to 6 bytes in size"),
    PC_STR("x-oem-table-id", oem_table_id, "Override the default value of field OEM Table ID in ACPI table header."
           "The string may be up to 8 bytes in size"),
    { .name = "bus-lock-ratelimit", .type = "uint64_t", .kind = PROP_U64,
      .offset = offsetof(Machine, bus_lock_ratelimit),
      .description = "Set the ratelimit for the bus locks acquired in VMs" },
    { .name = "sgx-epc", .type = "SgxEPC", .kind = PROP_CUSTOM, .get = get_empty_list,
      .description = "SGX EPC device" },
    { .name = "cxl-fmw", .type = "CXLFixedMemoryWindow", .kind = PROP_CUSTOM, .get = get_empty_list,
      .description = "CXL Fixed Memory Windows (array)" },
    { .name = "device-memory-region-size", .type = "int", .kind = PROP_CUSTOM, .get = get_zero },
    { .name = "max-fw-size", .kind = PROP_SIZE, .offset = offsetof(Machine, max_fw_size), .has_default = true,
      .def = 8 * MiB,
      .description = "Maximum combined firmware size" },
    { .name = "max-ram-below-4g", .kind = PROP_SIZE, .offset = offsetof(Machine, max_ram_below_4g),
      .description = "Maximum ram below the 4G boundary (32bit boundary)" },
    PC_BOOL("default-bus-bypass-iommu", bypass_iommu, false, NULL),
    PC_BOOL("sata", sata, true, "Enable/disable Serial ATA bus"),
    PC_BOOL("i8042", i8042, true, NULL),
    PC_BOOL("hpet", hpet, true, "Enable/disable high precision event timer emulation"),
    PC_BOOL("smbus", smbus, true, "Enable/disable system management bus"),
    PC_BOOL("hmat", hmat, false, "Set on/off to enable/disable ACPI Heterogeneous Memory Attribute Table (HMAT)"),
    PC_BOOL("cxl", cxl, false, "Set on/off to enable/disable CXL instantiation"),
    PC_BOOL("nvdimm", nvdimm, false, "Set on/off to enable/disable NVDIMM instantiation"),
    PC_STR("nvdimm-persistence", nvdimm_persistence, "Set NVDIMM persistenceValid values are cpu, mem-ctrl"),
    { .name = "smbios-entry-point-type", .kind = PROP_ENUM, .names = entry_types,
      .offset = offsetof(Machine, smbios_entry),
      .has_default = true, .description = "SMBIOS Entry Point type [32, 64]" },
    { .name = "pcspk-audiodev", .kind = PROP_STRING, .offset = offsetof(Machine, pcspk_audiodev),
      .description = "ID of an audiodev to use as a backend" },
    { NULL }
};

void pc_obj_init(Object *o)
{
    Machine *m = (Machine *)o;

    m->oem_id = g_strdup("BOCHS ");
    m->oem_table_id = g_strdup("BXPC    ");
}

/* --- processors, memory ----------------------------------------------------------------------------------- */

void pc_init_system(Machine *m)
{
    static const BusType system_bus = { .name = "System" };
    Bus *bus = bus_new(&system_bus, NULL, NULL);

    object_add_child(object_container("/machine/unattached"), "sysbus", &bus->obj);
    object_unref(&bus->obj);
    bus_set_root(bus);
    for (unsigned i = 0; i < m->smp.cpus; i++) {
        pc_add_cpu(m);
    }
}

/* --- ports without a device of their own ----------------------------------------------------------------------- */

static uint8_t reset_control;

static uint64_t rcr_read(void *opaque, uint64_t offset, unsigned size) { return reset_control; }

static void rcr_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    if (value & 4) {
        vm_reset_request(VM_CAUSE_GUEST_RESET);
        return;
    }
    reset_control = value & 2;
}

static const IoOps rcr_ops = { .read = rcr_read, .write = rcr_write, .max_size = 1 };

void pc_map_reset_control(const char *name)
{
    io_region_map(io_region_new(IO_SPACE_PORT, name, 1, &rcr_ops, NULL), 0xcf9, 1);
}

static uint64_t port92_read(void *opaque, uint64_t offset, unsigned size) { return *(uint8_t *)opaque; }

static void port92_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    uint8_t *reg = opaque, old = *reg;

    *reg = value;
    if ((value & 1) && !(old & 1)) {
        vm_reset_request(VM_CAUSE_GUEST_RESET);
    }
}

static const IoOps port92_ops = { .read = port92_read, .write = port92_write, .max_size = 1 };

typedef struct Port92 {
    Device dev;
    uint8_t value;
} Port92;

static bool port92_realize(Device *d, Error **errp)
{
    io_region_map(io_region_new(IO_SPACE_PORT, "port92", 1, &port92_ops, &((Port92 *)d)->value), 0x92, 0);
    return true;
}

static void port92_reset(Device *d) { ((Port92 *)d)->value &= ~1; }

typedef struct Port92Wire { uint8_t outport; } Port92Wire;
static void port92_save(void *obj, void *wire) { ((Port92Wire *)wire)->outport = ((Port92 *)obj)->value; }

static bool port92_load(void *obj, const void *wire, Error **errp)
{
    ((Port92 *)obj)->value = ((const Port92Wire *)wire)->outport;
    return true;
}

static const VmField port92_fields[] = { VMF(Port92Wire, outport, "uint8"), { NULL } };
static const VmDesc port92_vmstate = {
    .name = "port92", .version = 1, .min_version = 1, .size = sizeof(Port92Wire), .fields = port92_fields,
    .save = port92_save, .load = port92_load,
};

static const DeviceClass port92_class =
    ISA_CLASS_DEV(.vmstate = &port92_vmstate, .category = DEVICE_UNCATEGORIZED, .no_user = true,
                  .lines = "gpio-out \"a20\" 1",
                                                      .realize = port92_realize, .reset = port92_reset);
static const TypeInfo port92_type = {
    .name = "port92", .parent = "isa-device", .size = sizeof(Port92), .class_data = &port92_class,
};
QOM_TYPE(port92_type)

/* What a firmware finds in the clock's memory: sizes of RAM, boot order, processors. */
static void init_cmos(const Machine *m, uint64_t low)
{
    uint64_t kib = m->ram_size / KiB, extended = MIN(kib > 1024 ? kib - 1024 : 0, 65535), below = MIN(m->ram_size, low);
    uint64_t high = below > 16 * MiB ? MIN(below / (64 * KiB) - 256, 65535) : 0,
        above = (m->ram_size - below) / (64 * KiB);
    const struct { int at; uint64_t value; int bytes; } fields[] = {
        { 0x15, 640, 2 }, { 0x17, extended, 2 }, { 0x30, extended, 2 }, { 0x34, high, 2 }, { 0x5b, above, 3 },
        { 0x5f, m->smp.cpus - 1, 1 }, { 0x14, 6, 1 },
    };
    const char *order = qdict_get_str(m->boot, "order");
    uint8_t devices[3] = { 0 };

    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        for (int k = 0; k < fields[i].bytes; k++) {
            rtc_set_cmos(fields[i].at + k, fields[i].value >> (8 * k));
        }
    }
    for (int i = 0; order && order[i] && i < 3; i++) {
        devices[i] = order[i] == 'a'
                     || order[i] == 'b' ? 1 : order[i] == 'c' ? 2 : order[i] == 'd' ? 3 : order[i] == 'n' ? 4 : 0;
    }
    rtc_set_cmos(0x3d, devices[1] << 4 | devices[0]);
    rtc_set_cmos(0x38, devices[2] << 4 | (m->no_fd_bootchk ? 1 : 0));
}

void pc_init_isa(Machine *m, Bus *isa, bool floppy, Device *ioapic)
{
    isa_dma_init(isa);
    gsi_init(ioapic, i8259_create(isa));
    if (m->hpet) {
        hpet_create(floppy ? 4 : 0xff0104);
    }
    rtc_create(isa);
    init_cmos(m, pc_low_memory());
    i8254_create(isa);
    for (int i = 0; i < 4 && pc_serial_label; i++) {
        g_autofree char *label = pc_serial_label(i);
        Device *d;

        if (label) {
            d = device_new("isa-serial");
            object_set_str(&d->obj, "chardev", label, &error_fatal);
            device_realize(d, isa, &error_fatal);
        }
    }
    if (floppy) {
        device_create_on_board("isa-fdc", isa, NULL);
        pc_init_floppies();
    }
    if (m->i8042) {
        Device *keyboard = i8042_create(isa);

        if (m->vmport != ON_OFF_OFF) {
            vmport_create(isa, keyboard);
        }
        device_create_on_board("port92", isa, NULL);
    }
}
