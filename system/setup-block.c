/*
 * -blockdev, -drive and their short forms, -snapshot, and the drives that a board has by default.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdlib.h>
#include "block/blockdev.h"
#include "block/drive.h"
#include "block/export.h"
#include "hw/machine.h"
#include "machine/runstate.h"
#include "system/system.h"

static GHashTable *places;     /* DriveInfo -> where it was asked for (borrowed text) */

static DriveInterface default_interface(void)
{
    DriveInterface type;
    const char *name = machine_class(machine_current())->block_default;

    return name && drive_if_parse(name, &type) ? type : DRIVE_IF_NONE;
}

/* A drive with if=virtio is a device of its own. */
static void add_drive_device(const DriveInfo *dinfo, const char *loc)
{
    QDict *opts = qdict_new();
    OptEntry *e = g_new0(OptEntry, 1);

    qdict_put_str(opts, "driver", "virtio-blk");
    qdict_put_str(opts, "drive", blk_name(dinfo->blk));
    e->loc = g_strdup(loc);
    e->opts = opts;
    if (!emu.devices) {
        emu.devices = g_ptr_array_new();
    }
    g_ptr_array_add(emu.devices, e);
}

static void add_drive(const OptEntry *e)
{
    g_autoptr(QObject) opts = option_dict(e, NULL, &error_fatal);
    DriveInfo *dinfo;

    if (emu.snapshot && !qdict_has(opts, "snapshot")) {
        qdict_put_str(opts, "snapshot", "on");
    }
    dinfo = drive_new(opts, default_interface(), &error_fatal);
    if (!dinfo) {
        exit(0);                       /* format=help was answered */
    }
    if (!places) {
        places = g_hash_table_new(NULL, NULL);
    }
    g_hash_table_insert(places, dinfo, e->loc);
    if (drive_needs_device(dinfo)) {
        add_drive_device(dinfo, e->loc);
    }
}

/* An empty drive that a board has unless -nodefaults or the place is taken. */
static void add_default(const char *iface, int index, const char *media)
{
    g_autoptr(QObject) opts = NULL;
    g_autofree char *text = g_strdup_printf("%d", index);
    DriveInterface type;
    DriveInfo *dinfo;

    if (!drive_if_parse(iface, &type) || drive_get_by_index(type, index)) {
        return;
    }
    opts = qdict_new();
    qdict_put_str(opts, "if", iface);
    qdict_put_str(opts, "index", text);
    if (media) {
        qdict_put_str(opts, "media", media);
    }
    dinfo = drive_new(opts, default_interface(), &error_fatal);
    dinfo->is_default = true;
}

/* Does -device name such a driver?  Then the board adds none of its own. */
static bool device_given(const char *const *drivers)
{
    for (guint i = 0; emu.devices && i < emu.devices->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.devices, i);
        g_autoptr(QObject) opts = option_dict(e, "driver", NULL);
        const char *driver = opts ? qdict_get_str(opts, "driver") : NULL;

        if (driver && g_strv_contains(drivers, driver)) {
            return true;
        }
    }
    return false;
}

static void add_defaults(void)
{
    static const char *const cds[] = { "ide-cd", "scsi-cd", "ide-hd", "scsi-hd", NULL },
        *const floppies[] = { "isa-fdc", "floppy", NULL };
    const MachineClass *c = machine_class(machine_current());

    if (emu.nodefaults) {
        return;
    }
    if (c->block_default && !device_given(cds)) {
        add_default(c->block_default, 2, "cdrom");
    }
    if (c->block_default && !c->no_floppy && !device_given(floppies)) {
        add_default("floppy", 0, NULL);
    }
    if (c->block_default) {
        add_default("sd", 0, NULL);
    }
}

static int drain_and_flush(void)
{
    int ret = 0;

    blk_drain_all();
    for (BlockBackend *blk = blk_all_next(NULL); blk; blk = blk_all_next(blk)) {
        if (blk_is_inserted(blk) && blk_is_writable(blk)) {
            int r = blk_flush(blk);

            ret = ret ? ret : r;
        }
    }
    return ret;
}

void setup_block(void)
{
    vm_set_flush_hook(drain_and_flush);
    DriveInterface type = default_interface();

    if (machine_class(machine_current())->units_per_bus) {
        drive_override_max_devs(type, machine_class(machine_current())->units_per_bus);
    }
    blockdev_set_running_hook(vm_running);
    for (guint i = 0; emu.blockdevs && i < emu.blockdevs->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.blockdevs, i);

        error_set_location(e->loc);
        blockdev_add_from_cmdline(e->text, &error_fatal);
        blockdev_open_cmdline_nodes(&error_fatal);
        error_set_location(NULL);
    }
    for (guint i = 0; emu.drives && i < emu.drives->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.drives, i);

        error_set_location(e->loc);
        add_drive(e);
        error_set_location(NULL);
    }
    add_defaults();
}

void setup_check_drives(void)
{
    for (DriveInfo *d = drive_next(NULL); d; d = drive_next(d)) {
        if (!d->claimed && !d->is_default && d->type != DRIVE_IF_NONE && !drive_needs_device(d)) {
            error_set_location(places ? g_hash_table_lookup(places, d) : NULL);
        }
    }
    if (!drive_check_orphaned()) {
        exit(1);
    }
    error_set_location(NULL);
}

void setup_close_exports(void)
{
    nbd_server_stop();
    blk_exp_close_all_type(BLOCK_EXPORT_TYPE__MAX);
}

void setup_close_block(void)
{
    blk_drain_all();
    blockdev_close_all();
}
