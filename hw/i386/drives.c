/*
 * Drives that -drive placed on the board's controllers become devices there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "block/drive.h"
#include "hw/i386/pc-int.h"

static void add_device(const char *driver, const char *bus, int unit, DriveInfo *dinfo)
{
    g_autoptr(QObject) opts = qdict_new();

    if (!type_find(driver)) {
        return;
    }
    qdict_put_str(opts, "driver", driver);
    qdict_put_str(opts, "bus", bus);
    qdict_put_int(opts, "unit", unit);
    qdict_put_str(opts, "drive", blk_name(dinfo->blk));
    device_add_opts(opts, true, false, &error_fatal);
}

void pc_init_drives(Machine *m)
{
    for (DriveInfo *d = drive_next(NULL); d; d = drive_next(d)) {
        if (d->type == DRIVE_IF_IDE) {
            g_autofree char *bus = g_strdup_printf("ide.%d", d->bus);

            if (d->bus < 6) {
                add_device(d->media_cd ? "ide-cd" : "ide-hd", bus, d->unit, d);
            }
        } else if (d->type == DRIVE_IF_FLOPPY && d->bus == 0 && d->unit < 2) {
            add_device("floppy", "floppy-bus.0", d->unit, d);
        }
    }
}
