/*
 * The state of ATA channels and drives.
 *
 * A machine that stands still has no request in flight.  What can be left over is a transfer through the data port that
 * the guest has not finished: after loading, the guest finds the command aborted, and sends it again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/ide/vmstate-ide.h"

/* --- saving, loading ------------------------------------------------------------------------------------ */

static void save_drive(const IdeDrive *d, IdeDriveWire *w)
{
    w->mult_sectors = d->mult;
    w->identify_set = 0;
    w->feature = d->feature;
    w->error = d->error;
    w->nsector = d->nsector;
    w->sector = d->sector;
    w->lcyl = d->lcyl;
    w->hcyl = d->hcyl;
    w->hob_feature = d->hob_feature;
    w->hob_sector = d->hob_sector;
    w->hob_nsector = d->hob_nsector;
    w->hob_lcyl = d->hob_lcyl;
    w->hob_hcyl = d->hob_hcyl;
    w->select = d->select;
    w->status = d->status;
    w->lba48 = d->lba48;
    w->sense_key = d->sense_key;
    w->asc = d->asc;
    w->cdrom_changed = d->media_changed;
    w->tray_open = d->tray_open;
    w->tray_locked = d->tray_locked;
    w->new_media = d->event_new;
    w->eject_request = d->event_eject;
}

bool ide_wire_ready(const IdeChannel *ch, Error **errp)
{
    for (int i = 0; i < 2; i++) {
        if (ch->drives[i] && ch->drives[i]->retry) {
            error_setg(errp, "A request of drive %d on channel %d failed and waits for the machine to run", i, ch->id);
            return false;
        }
    }
    return true;
}

void ide_wire_save(const IdeChannel *ch, IdeChannelWire *w)
{
    w->cmd = ch->control;
    w->unit = ch->unit;
    for (int i = 0; i < 2; i++) {
        if (ch->drives[i]) {
            save_drive(ch->drives[i], &w->drive[i]);
        }
    }
}

static void load_drive(IdeDrive *d, const IdeDriveWire *w)
{
    ide_reset_drive(d);
    d->mult = w->mult_sectors > 0 && w->mult_sectors <= 16 ? w->mult_sectors : 0;
    d->feature = w->feature;
    d->error = w->error;
    d->nsector = w->nsector;
    d->sector = w->sector;
    d->lcyl = w->lcyl;
    d->hcyl = w->hcyl;
    d->hob_feature = w->hob_feature;
    d->hob_sector = w->hob_sector;
    d->hob_nsector = w->hob_nsector;
    d->hob_lcyl = w->hob_lcyl;
    d->hob_hcyl = w->hob_hcyl;
    d->select = w->select | 0xa0;
    d->status = w->status;
    d->lba48 = w->lba48;
    d->sense_key = w->sense_key;
    d->asc = w->asc;
    d->media_changed = w->cdrom_changed;
    if (d->is_cd) {
        d->tray_open = w->tray_open;
        d->tray_locked = w->tray_locked;
        d->event_new = w->new_media;
        d->event_eject = w->eject_request;
    }
    if (w->has_pio || (d->status & (IDE_DRQ | IDE_BUSY))) {
        d->error = IDE_ABORT;
        d->status = IDE_READY | IDE_ERR;
        ide_irq(d);
    }
}

void ide_wire_load(IdeChannel *ch, const IdeChannelWire *w)
{
    ch->control = w->cmd;
    ch->unit = w->unit & 1;
    for (int i = 0; i < 2; i++) {
        if (ch->drives[i]) {
            load_drive(ch->drives[i], &w->drive[i]);
        }
    }
}

/* --- tables -------------------------------------------------------------------------------------------------- */

static bool never(const void *wire) { return false; }
static bool tray_needed(const void *wire)
{
    return ((const IdeDriveWire *)wire)->tray_open || ((const IdeDriveWire *)wire)->tray_locked;
}

static bool events_needed(const void *wire)
{
    return ((const IdeDriveWire *)wire)->new_media || ((const IdeDriveWire *)wire)->eject_request;
}

/* A buffer whose length stands before it. */
static void put_nothing(VmWriter *w, const void *wire) {}

static bool skip_buffer(VmReader *r, void *wire, Error **errp)
{
    uint32_t len = vm_get(r, 4);

    if (len > IDE_PIO_MAX + 4) {
        error_setg(errp, "a transfer of %" PRIu32 " bytes", len);
        return false;
    }
    vm_skip(r, len);
    return true;
}

#define DW(f, t) VMF(IdeDriveWire, f, t)
static const VmField pio_fields[] = {
    VMF_CUSTOM("io_buffer", "buffer", put_nothing, skip_buffer), VMF_UNUSED(17), { NULL }
};
static const VmDesc pio_desc = {
    .name = "ide_drive/pio_state", .version = 1, .min_version = 1, .fields = pio_fields, .needed = never,
    .present = offsetof(IdeDriveWire, has_pio),
};
static const VmField tray_fields[] = { DW(tray_open, "bool"), DW(tray_locked, "bool"), { NULL } };
static const VmDesc tray_desc = {
    .name = "ide_drive/tray_state", .version = 1, .min_version = 1, .fields = tray_fields, .needed = tray_needed,
};
static const VmField events_fields[] = { VMFN("events.new_media", "bool", IdeDriveWire, new_media),
                                         VMFN("events.eject_request", "bool", IdeDriveWire, eject_request), { NULL } };
static const VmDesc events_desc = {
    .name = "ide_drive/atapi/gesn_state", .version = 1, .min_version = 1, .fields = events_fields,
    .needed = events_needed,
};
static const VmDesc *const drive_subsections[] = { &pio_desc, &tray_desc, &events_desc, NULL };

static bool identified(const void *wire) { return ((const IdeDriveWire *)wire)->identify_set != 0; }
static const VmField drive_fields[] = {
    DW(mult_sectors, "int32"), DW(identify_set, "int32"),
    { .name = "identify_data", .type = "buffer", .kind = VM_UNUSED, .size = 512, .count = 1, .exists = identified },
    DW(feature, "uint8"), DW(error, "uint8"), DW(nsector, "uint32"), DW(sector, "uint8"), DW(lcyl, "uint8"),
    DW(hcyl, "uint8"),
    DW(hob_feature, "uint8"), DW(hob_sector, "uint8"), DW(hob_nsector, "uint8"), DW(hob_lcyl, "uint8"),
    DW(hob_hcyl, "uint8"),
    DW(select, "uint8"), DW(status, "uint8"), DW(lba48, "uint8"), DW(sense_key, "uint8"), DW(asc, "uint8"),
    DW(cdrom_changed, "uint8"),
    { NULL }
};
const VmDesc ide_drive_desc = {
    .name = "ide_drive", .version = 3, .min_version = 3, .fields = drive_fields, .subsections = drive_subsections,
};

/* A command that waits for the machine to run again is told to the guest as failed. */
static const VmField retry_fields[] = { VMF_UNUSED(17), { NULL } };
static const VmDesc retry_desc = {
    .name = "ide_bus/error", .version = 2, .min_version = 2, .fields = retry_fields, .needed = never,
};
static const VmDesc *const channel_subsections[] = { &retry_desc, NULL };
static const VmField channel_fields[] = {
    VMF(IdeChannelWire, cmd, "uint8"), VMF(IdeChannelWire, unit, "uint8"), { NULL }
};
const VmDesc ide_channel_desc = {
    .name = "ide_bus", .version = 1, .min_version = 1, .fields = channel_fields, .subsections = channel_subsections,
};
