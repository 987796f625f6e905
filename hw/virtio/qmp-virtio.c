/*
 * QMP: which virtio devices there are.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/device.h"
#include "qapi/commands-virtio.h"

static VirtioInfo *info_of(Device *d)
{
    VirtioInfo *info = VirtioInfo_new();

    info->path = object_path(&d->obj);
    info->name = g_strdup(d->obj.type->name);
    if (g_str_has_suffix(info->name, "-device")) {               /* "virtio-blk-device" is virtio-blk */
        info->name[strlen(info->name) - strlen("-device")] = '\0';
    }
    return info;
}

/* Buses and devices are kept with the newest last; the list begins with the newest. */
static void collect(const Bus *bus, GPtrArray *found)
{
    for (guint i = 0; i < bus->devices->len; i++) {
        Device *d = g_ptr_array_index(bus->devices, i);

        if (object_is_a(&d->obj, "virtio-device")) {
            g_ptr_array_add(found, d);
        }
        for (guint k = 0; d->buses && k < d->buses->len; k++) {
            collect(g_ptr_array_index(d->buses, k), found);
        }
    }
}

static void collect_backend(Device *d, void *opaque)
{
    Object *backend = object_child(&d->obj, "virtio-backend");

    if (backend && object_is_a(backend, "virtio-device") && !g_ptr_array_find(opaque, backend, NULL)) {
        g_ptr_array_add(opaque, backend);
    }
}

VirtioInfoList *qmp_x_query_virtio(Error **errp)
{
    VirtioInfoList *list = VirtioInfoList_new();
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    if (bus_root()) {
        collect(bus_root(), found);
    }
    device_foreach(collect_backend, found);
    for (guint i = found->len; i-- > 0; ) {
        VirtioInfoList_append(list, info_of(g_ptr_array_index(found, i)));
    }
    return list;
}
