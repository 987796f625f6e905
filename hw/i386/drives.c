/*
 * Drives that -drive placed on the board's controllers become devices there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "block/drive.h"
#include "hw/i386/pc-int.h"

/* A device of the board itself: no id, under /machine/unattached. */
static void add_device(const char *driver, const char *bus_name, int unit, DriveInfo *dinfo)
{
    Bus *bus = bus_find_name(bus_name);
    g_autofree char *text = g_strdup_printf("%d", unit);
    Device *d;

    if (!bus) {
        return;
    }
    d = device_new(driver);
    object_set_str(&d->obj, "unit", text, &error_fatal);
    object_set_str(&d->obj, "drive", blk_name(dinfo->blk), &error_fatal);
    device_realize(d, bus, &error_fatal);
}

void pc_init_ide_drives(void)
{
    for (DriveInfo *d = drive_next(NULL); d; d = drive_next(d)) {
        g_autofree char *bus = g_strdup_printf("ide.%d", d->bus);

        if (d->type == DRIVE_IF_IDE && d->bus < 6) {
            add_device(d->media_cd ? "ide-cd" : "ide-hd", bus, d->unit, d);
        }
    }
}

void pc_init_floppies(void)
{
    for (DriveInfo *d = drive_next(NULL); d; d = drive_next(d)) {
        if (d->type == DRIVE_IF_FLOPPY && d->bus == 0 && d->unit < 2) {
            add_device("floppy", "floppy-bus.0", d->unit, d);
        }
    }
}
