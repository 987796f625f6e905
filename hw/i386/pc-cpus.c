/*
 * What stands beside each processor of a PC: its interrupt controller and how it sees memory.  Nothing executes here,
 * and the registers of a local interrupt controller are its processor's alone: others read zeroes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/i386/pc-int.h"
#include "util/cutils.h"

typedef struct Apic {
    Device dev;
    uint32_t id;
    uint8_t version;
    uint32_t flags;
    bool legacy_instance_id;
    IoRegion *region;
} Apic;

static uint64_t apic_read(void *opaque, uint64_t offset, unsigned size) { return 0; }
static void apic_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    mem_msi_write(0xfee00000 + offset, v);
}
static const IoOps apic_ops = { .read = apic_read, .write = apic_write, .max_size = 4 };

static bool apic_realize(Device *d, Error **errp)
{
    Apic *a = (Apic *)d;

    a->region = io_region_new(IO_SPACE_MEM, "apic-msi", 1 * MiB, &apic_ops, a);
    return true;
}

static const Property apic_props[] = {
    P_NUM("id", PROP_U32, Apic, id, 0), P_NUM("version", PROP_U8, Apic, version, 0x14),
    P_BIT("vapic", Apic, flags, 0, true),
    { .name = "legacy-instance-id", .kind = PROP_BOOL, .offset = offsetof(Apic, legacy_instance_id), .internal = true },
    { NULL }
};
static const DeviceClass apic_class = {
    .no_user = true, .no_hotplug = true, .category = DEVICE_UNCATEGORIZED, .realize = apic_realize,
};
static const TypeInfo apic_type = {
    .name = "apic", .parent = "device", .size = sizeof(Apic), .props = apic_props, .class_data = &apic_class,
};
QOM_TYPE(apic_type)

/* A port through which a ROM tells where it keeps priorities for the processors; answers those only. */
static uint64_t vapic_read(void *opaque, uint64_t offset, unsigned size) { return UINT32_MAX; }
static const IoOps vapic_ops = { .read = vapic_read };

static bool vapic_realize(Device *d, Error **errp)
{
    io_region_map(io_region_new(IO_SPACE_PORT, "kvmvapic", 2, &vapic_ops, d), 0x7e, 0);
    return true;
}

static const DeviceClass vapic_class = {
    .bus_type = "System", .no_user = true, .no_hotplug = true, .category = DEVICE_UNCATEGORIZED,
    .realize = vapic_realize,
};
static const TypeInfo vapic_type = {
    .name = "kvmvapic", .parent = "device", .size = sizeof(Device), .class_data = &vapic_class,
};
QOM_TYPE(vapic_type)

static GPtrArray *cpus;

static void add_space(const char *kind, guint n, IoRegion *root)
{
    g_autofree char *name = g_strdup_printf("cpu-%s-%u", kind, n);

    address_space_new(name, root);
}

void pc_add_cpu(Machine *m)
{
    Device *cpu = device_create_on_board(m->cpu_type, NULL, NULL), *apic = device_new("apic");

    if (!cpus) {
        cpus = g_ptr_array_new();
    }
    ((Apic *)apic)->id = cpus->len;
    object_add_child(&cpu->obj, "lapic", &apic->obj);
    object_unref(&apic->obj);
    device_realize(apic, NULL, &error_fatal);
    if (!cpus->len) {
        io_region_map(((Apic *)apic)->region, 0xfee00000, 4096);
        device_create_on_board("kvmvapic", bus_root(), NULL);
    }
    add_space("memory", cpus->len, io_region_root(IO_SPACE_MEM));
    g_ptr_array_add(cpus, cpu);
}

/* In system management mode a processor sees memory with the bridge's hidden part over it. */
void pc_add_smm_views(void)
{
    for (guint i = 0; i < cpus->len && pc_smram(); i++) {
        Object *before = io_region_set_owner(g_ptr_array_index(cpus, i));
        IoRegion *view = io_region_new_container(IO_SPACE_MEM, "memory", IO_REGION_ALL);

        io_region_map_in(view, io_region_new_alias("memory", io_region_root(IO_SPACE_MEM), 0, IO_REGION_ALL), 0, 0);
        io_region_map_in(view, io_region_new_alias("smram", pc_smram(), 0, 4 * GiB), 0, 1);
        io_region_set_owner(before);
        add_space("smm", i, view);
    }
}
