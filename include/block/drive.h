/*
 * Drives: what `-drive` makes, a backend with a place on a bus (or none).
 *
 * Main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_DRIVE_H
#define BLOCK_DRIVE_H

#include "block/backend.h"

typedef enum DriveInterface {
    DRIVE_IF_NONE, DRIVE_IF_IDE, DRIVE_IF_SCSI, DRIVE_IF_FLOPPY, DRIVE_IF_PFLASH, DRIVE_IF_MTD, DRIVE_IF_SD,
    DRIVE_IF_VIRTIO, DRIVE_IF_XEN, DRIVE_IF_COUNT
} DriveInterface;

/* Freed with its backend (blk_legacy_dinfo). */
struct DriveInfo {
    BlockBackend *blk;
    DriveInterface type;
    int bus, unit;
    bool media_cd;
    bool is_default;                   /* nobody asked for it: no machine has to have a place for it */
    bool claimed;                      /* a device took it */
    bool auto_del;                     /* goes when its device goes */
};

/*
 * opts: the strings of one -drive (with "id", if given); borrowed.  default_if: of the machine, where opts name none.
 * NULL without an error: format=help was answered on stdout.
 * The backend has the name id, or one made of bus and unit ("ide0-hd0").
 * For if=virtio the caller makes a device "virtio-blk" with drive=<name of dinfo->blk> (drive_needs_device).
 */
DriveInfo *drive_new(const QDict *opts, DriveInterface default_if, Error **errp);
bool drive_needs_device(const DriveInfo *dinfo);
/* How many units a bus of the interface has (0: any number of units on one bus). */
int drive_get_max_devs(DriveInterface type);
void drive_override_max_devs(DriveInterface type, int max_devs);
const char *drive_if_name(DriveInterface type);
bool drive_if_parse(const char *name, DriveInterface *out);

DriveInfo *drive_get(DriveInterface type, int bus, int unit);
DriveInfo *drive_get_by_index(DriveInterface type, int index);
int drive_get_max_bus(DriveInterface type);               /* -1: none */
DriveInfo *drive_next(DriveInfo *dinfo);                  /* NULL starts */
/* Every drive that a machine should have taken, but that no device took, is an error (printed); false if there was one. */
bool drive_check_orphaned(void);

/* `drive_add`: TEXT as after -drive; DriveInfo with if=none, or NULL with *errp. */
DriveInfo *drive_hot_add(const char *text, DriveInterface default_if, Error **errp);
/* `drive_add -n`: a node; TEXT is a list of dotted options. */
bool drive_hot_add_node(const char *text, Error **errp);
/* `drive_del ID`: a node made by blockdev-add, or a drive: its medium goes at once, the rest with its device. */
void drive_del(const char *id, Error **errp);
/* The device on blk goes for good: mark, and after it was detached, drop a drive that was made for it. */
void drive_mark_auto_del(BlockBackend *blk);
void drive_auto_del(BlockBackend *blk);

#endif
