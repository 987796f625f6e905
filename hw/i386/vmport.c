/*
 * The VMware backdoor port (0x5658) and the mouse behind it.  Both talk through a processor's registers, so without one
 * that executes nobody is answered.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/i386/pc-int.h"

typedef struct VmPort {
    Device dev;
    uint32_t flags, vmx_version;
    uint8_t vmx_type;
} VmPort;

static uint64_t port_answer(void *opaque, uint64_t offset, unsigned size) { return UINT32_MAX; }
static const IoOps port_ops = { .read = port_answer, .max_size = 4 };

static bool vmport_realize(Device *d, Error **errp)
{
    io_region_map(io_region_new(IO_SPACE_PORT, "vmport", 1, &port_ops, d), 0x5658, 0);
    return true;
}

static const Property vmport_props[] = {
    P_BIT("x-read-set-eax", VmPort, flags, 0, true), P_BIT("x-signal-unsupported-cmd", VmPort, flags, 1, true),
    P_BIT("x-report-vmx-type", VmPort, flags, 2, true), P_BIT("x-cmds-v2", VmPort, flags, 3, true),
    P_NUM("vmware-vmx-version", PROP_U32, VmPort, vmx_version, 6),
        P_NUM("vmware-vmx-type", PROP_U8, VmPort, vmx_type, 2), { NULL }
};
static const DeviceClass vmport_class =
    ISA_CLASS_DEV(.no_user = true, .category = DEVICE_UNCATEGORIZED, .realize = vmport_realize);
static const TypeInfo vmport_type = {
    .name = "vmport", .parent = "isa-device", .size = sizeof(VmPort), .props = vmport_props,
    .class_data = &vmport_class,
};
QOM_TYPE(vmport_type)

typedef struct VmMouse {
    Device dev;
    Object *i8042;
} VmMouse;

static QObject *get_i8042(Object *o, const Property *p, Error **errp)
{
    return object_path_value(((VmMouse *)o)->i8042);
}

static const Property mouse_props[] = {
    { .name = "i8042", .type = "link<i8042>", .kind = PROP_CUSTOM, .get = get_i8042, .options_only = false },
    { NULL }
};
static const DeviceClass mouse_class = ISA_CLASS_DEV(.no_user = true, .category = DEVICE_INPUT);
static const TypeInfo mouse_type = {
    .name = "vmmouse", .parent = "isa-device", .size = sizeof(VmMouse), .props = mouse_props,
    .class_data = &mouse_class,
};
QOM_TYPE(mouse_type)

void vmport_create(Bus *isa, Device *i8042)
{
    Device *mouse;

    device_create_on_board("vmport", isa, NULL);
    mouse = device_new("vmmouse");
    ((VmMouse *)mouse)->i8042 = i8042 ? &i8042->obj : NULL;
    device_realize(mouse, isa, &error_fatal);
}
