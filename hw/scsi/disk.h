/*
 * The parts of scsi-hd and scsi-cd.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_SCSI_DISK_H
#define HW_SCSI_DISK_H

#include "hw/blockconf.h"
#include "hw/scsi.h"
#include "machine/runstate.h"

typedef struct ScsiDisk {
    ScsiDevice scsi;
    BlockConf conf;
    char *version, *serial, *vendor, *product, *device_id;
    uint64_t wwn, port_wwn, max_unmap_size, max_io_size;
    uint16_t port_index, rotation_rate;
    uint32_t bits, quirks;          /* bits: DISK_* */
    int32_t scsi_version;
    bool tray_open;                 /* atomic */
    bool tray_locked, media_changed, media_event, eject_request;
    uint64_t max_lba;               /* last block; of the medium as last looked at */
    VmListener *listener;
    struct DiskReq *waiting;        /* until the machine runs again; guarded by scsi.lock */
} ScsiDisk;

enum { DISK_REMOVABLE = 0, DISK_DPOFUA = 1 };
#define SCSI_DISK(o) ((ScsiDisk *)(o))
static inline bool disk_is_cd(const ScsiDisk *s) { return s->scsi.type == SCSI_TYPE_ROM; }
static inline bool disk_has(const ScsiDisk *s, int bit) { return s->bits & (1u << bit); }
static inline bool disk_removable(const ScsiDisk *s) { return disk_has(s, DISK_REMOVABLE) || disk_is_cd(s); }

/* disk-info.c: fill buf (zeroed, at least 4 KiB), return the length, -1 for a bad field */
int disk_inquiry(ScsiDisk *s, const ScsiReq *r, uint8_t *buf);
int disk_mode_sense(ScsiDisk *s, const ScsiReq *r, uint8_t *buf, ScsiSense *sense);
/* Parameters of MODE SELECT; sense is set on failure. */
bool disk_mode_select(ScsiDisk *s, const ScsiReq *r, ScsiSense *sense);
/* Blocks of the medium; false: there is none. */
bool disk_blocks(ScsiDisk *s, uint64_t *blocks);

/* disk-cd.c: multimedia commands; false: not one of them */
bool disk_cd_command(ScsiDisk *s, ScsiReq *r, uint8_t *buf);

/* disk-rw.c: reads, writes, verify, flush, unmap, write same */
void disk_flush(ScsiDisk *s, ScsiReq *r);
bool disk_io_command(ScsiDisk *s, ScsiReq *r);
bool disk_is_io_command(uint8_t op);
void disk_restart(void *opaque, bool running, VmState state);
/* Complete the cancelled ones among those that wait for the machine. */
void disk_drop_waiting(ScsiDevice *d);

#endif
