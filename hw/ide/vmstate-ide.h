/*
 * State of ATA channels, for the tables of their controllers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IDE_VMSTATE_IDE_H
#define HW_IDE_VMSTATE_IDE_H

#include "hw/ide/ide.h"
#include "migration/vmstate.h"

typedef struct IdeDriveWire {
    int32_t mult_sectors, identify_set;
    uint32_t nsector;
    uint8_t feature, error, sector, lcyl, hcyl, hob_feature, hob_sector, hob_nsector, hob_lcyl, hob_hcyl, select,
        status, lba48, sense_key, asc, cdrom_changed, tray_open, tray_locked, new_media, eject_request;
    bool has_pio;              /* the guest was in the middle of a transfer */
} IdeDriveWire;

typedef struct IdeChannelWire {
    uint8_t cmd, unit;
    IdeDriveWire drive[2];
} IdeChannelWire;

extern const VmDesc ide_drive_desc, ide_channel_desc;
/* False: a request of the channel failed and waits for the machine to run. */
bool ide_wire_ready(const IdeChannel *ch, Error **errp);
void ide_wire_save(const IdeChannel *ch, IdeChannelWire *w);
void ide_wire_load(IdeChannel *ch, const IdeChannelWire *w);

#endif
