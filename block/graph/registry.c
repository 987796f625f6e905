/*
 * Registered drivers, and the hook by which names of backends are known down here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "internal.h"

#define MAX_DRIVERS 64

static const BlockDriver *drivers[MAX_DRIVERS];
static int n_drivers;
static BdrvDeviceLookup *device_lookup;

void bdrv_register(const BlockDriver *drv)
{
    const BlockDriver *other = bdrv_find_format(drv->name);

    g_assert(n_drivers < MAX_DRIVERS && (!other || g_strcmp0(other->protocol, drv->protocol)));
    drivers[n_drivers++] = drv;
}

const BlockDriver *bdrv_driver_at(int i)
{
    return i >= 0 && i < n_drivers ? drivers[i] : NULL;
}

const BlockDriver *bdrv_find_format(const char *name)
{
    for (int i = 0; i < n_drivers; i++) {
        if (!strcmp(drivers[i]->name, name)) {
            return drivers[i];
        }
    }
    return NULL;
}

bool bdrv_is_protocol(const BlockDriver *drv)
{
    return drv->protocol != NULL;
}

void bdrv_set_device_lookup(BdrvDeviceLookup *fn)
{
    device_lookup = fn;
}

bool bdrv_device_lookup(const char *name, BlockDriverState **out)
{
    *out = NULL;
    return device_lookup && device_lookup(name, out);
}
