/*
 * The whole state of the machine as a stream, and the snapshots that hold one.
 *
 * Main thread.  The machine stands still while its state is written or read, all disks drained.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_MACHINE_STATE_H
#define MIGRATION_MACHINE_STATE_H

#include "migration/stream.h"
#include "util/error.h"

/* What the program tells of the machine: its full name ("pc-i440fx-7.2"), and whether streams end with a list of their fields. */
void machine_state_init(const char *machine, bool with_description);
/* Everything; 0 or -errno. */
int machine_state_save(VmWriter *w);
/* The same in steps, for who sends memory while the machine runs: part (all pages, or those dirtied since) as often as wanted. */
void machine_state_begin(VmWriter *w);
void machine_state_part(VmWriter *w, bool dirty_only);
int machine_state_finish(VmWriter *w, bool dirty);
/*
 * 0 or -errno, what is wrong having been reported line by line.  Devices change only when the whole stream was
 * understood; memory changes as it is read.  After a failure the machine must be reset before it may run.
 */
int machine_state_load(VmReader *r);
/* The run state that the loaded stream was saved in; NULL: it did not say. */
const char *machine_state_loaded_runstate(void);
/* Streams tell of this run state instead of the present one (the machine was stopped to be saved). */
void machine_state_note_runstate(const char *name);

/* --- ram.c ----------------------------------------------------------------------------------------- */
#define RAM_SECTION_VERSION 4
void ram_state_put_blocks(VmWriter *w);
/* Every page, or (dirty_only) those dirtied since they were put. */
void ram_state_put_pages(VmWriter *w, bool dirty_only);
void ram_state_put_end(VmWriter *w);
/* One section's worth. */
bool ram_state_get(VmReader *r, Error **errp);
/* What the pages put since ram_state_put_blocks came to. */
typedef struct RamStatistics { uint64_t total, zero_pages, normal_pages, bytes; } RamStatistics;
const RamStatistics *ram_state_statistics(void);

/* --- snapshots.c ------------------------------------------------------------------------------------- */
typedef struct VmSnapshotWhat {
    const char *name;                  /* NULL: made from the date */
    const char *vmstate;               /* node that holds the state; NULL: the first that can */
    const char *const *devices;        /* nodes, ends with NULL; NULL: all disks of the machine */
    bool overwrite;                    /* an old one of that name goes once the new one is there */
} VmSnapshotWhat;
/* Stops the machine meanwhile.  All disks have the snapshot afterwards, or none has. */
bool vm_snapshot_save(const VmSnapshotWhat *what, Error **errp);
/* The machine must be stopped. */
bool vm_snapshot_load(const VmSnapshotWhat *what, Error **errp);
bool vm_snapshot_delete(const VmSnapshotWhat *what, Error **errp);
/* As people ask for it: stops the machine, and lets it run again if it ran and all went well. */
bool vm_snapshot_load_and_go(const VmSnapshotWhat *what, Error **errp);

#endif
