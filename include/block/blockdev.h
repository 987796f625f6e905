/*
 * Block devices by name: what monitors, the command line and programs do with nodes and backends.
 *
 * The bodies of the schema's block commands are in blockdev.c and blockdev/; the monitor reaches them through the
 * generated dispatch.  Main thread, outside coroutines.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_BLOCKDEV_H
#define BLOCK_BLOCKDEV_H

#include "block/backend.h"

/* --- lookup (lookup.c): the peer's rules and texts ------------------------------------------- */
/* By the name of a backend or the id of the device on it, exactly one of them given. */
BlockBackend *blockdev_get_blk(const char *device, const char *id, Error **errp);
/* By the name of a backend or node; it must have a medium and no node above it. */
BlockDriverState *blockdev_get_root_bs(const char *name, Error **errp);

/* --- nodes made by people (nodes.c); they live until blockdev-del or the end --------------------- */
/* options: nested or flat, consumed. */
bool blockdev_add_node(QDict *options, Error **errp);
/* The text of one -blockdev; opened by blockdev_open_cmdline_nodes, in their order. */
bool blockdev_add_from_cmdline(const char *text, Error **errp);
bool blockdev_open_cmdline_nodes(Error **errp);
bool blockdev_is_monitor_owned(const BlockDriverState *bs);
/* New nodes are opened inactive (an incoming migration owns the images). */
void blockdev_set_incoming(bool incoming);
/* Drop all backends that people named, and all nodes that they own: the end of the program. */
void blockdev_close_all(void);

/* Does the machine run?  (Guards what must not happen below a running guest.)  NULL: no machine. */
void blockdev_set_running_hook(bool (*is_running)(void));
/* The context of an iothread object by its id, NULL when there is none. */
void blockdev_set_iothread_hook(AioContext *(*find)(const char *id));

/* --- snapshots ------------------------------------------------------------------------------ */
/* SnapshotInfo as QMP shows it. */
QDict *blockdev_snapshot_to_dict(const QEMUSnapshotInfo *sn);

/* --- disks of the machine (machine-disks.c) ------------------------------------------------------- */
/* BlockDriverState *, borrowed: those that a snapshot of the whole machine covers. */
GPtrArray *blockdev_machine_disks(void);
/* The first of them that can hold snapshots; NULL + errp. */
BlockDriverState *blockdev_vmstate_disk(Error **errp);
bool blockdev_all_have_snapshot(const char *name);
/* "" for a node without a named backend; borrowed. */
const char *blockdev_device_name(BlockDriverState *bs);

/* --- commit at once (commit.c) ------------------------------------------------------------------ */
/* Bring the image into its backing file and empty it; -ENOTSUP without one. */
int blockdev_commit(BlockDriverState *bs);
/* All images that people or devices use; stops at the first failure. */
int blockdev_commit_all(void);

/* --- queries as values (query*.c) ------------------------------------------------------------- */
/* BlockInfo of one backend, BlockDeviceInfo of one node (blk may be NULL); NULL + errp. */
QDict *blockdev_query_blk(BlockBackend *blk, Error **errp);
QDict *blockdev_query_node(BlockBackend *blk, BlockDriverState *bs, bool flat, Error **errp);

#endif
