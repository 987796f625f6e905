/*
 * Internal snapshots over any node: lookup and verbs.  Filters pass through to the node
 * that has the snapshots.  Main thread; each verb drains the node while it works, and is
 * durable when it returns.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_SNAPSHOT_H
#define BLOCK_SNAPSHOT_H

#include "block/graph.h"

/* Can snapshots be taken (driver, writability, medium)? */
bool bdrv_can_snapshot(BlockDriverState *bs);
/* Count (>= 0) with *out g_malloc'd, or -errno. */
int bdrv_snapshot_list(BlockDriverState *bs, QEMUSnapshotInfo **out);
/* By name only, as `qemu-img snapshot -d` looks for it. 0 or -ENOENT / -errno. */
int bdrv_snapshot_find(BlockDriverState *bs, QEMUSnapshotInfo *sn, const char *name);
/*
 * id and name given: both must match; one given: that one.  Neither: a programming error
 * (assert).  Returns true when found; false without error when there is none; false with
 * *errp set when the list could not be read.
 */
bool bdrv_snapshot_find_by_id_and_name(BlockDriverState *bs, const char *id, const char *name,
                                       QEMUSnapshotInfo *sn, Error **errp);
/* sn->name, date, clock, vm_state_size given; id_str is generated when "". */
int bdrv_snapshot_create(BlockDriverState *bs, QEMUSnapshotInfo *sn, Error **errp);
/*
 * The same for groups: prepare all, then commit all or abort all.  The node is drained from prepare on, and must be left
 * alone until commit or abort, which both free p.  A commit that fails leaves no snapshot (as far as the disk tells).
 */
typedef struct BdrvSnapshotPrepared BdrvSnapshotPrepared;
BdrvSnapshotPrepared *bdrv_snapshot_prepare(BlockDriverState *bs, const QEMUSnapshotInfo *sn, Error **errp);
/* A revert in two steps (drivers with one step do it in prepare, and there is no way back). */
BdrvSnapshotPrepared *bdrv_snapshot_goto_prepare(BlockDriverState *bs, const char *id_or_name, Error **errp);
int bdrv_snapshot_commit(BdrvSnapshotPrepared *p, QEMUSnapshotInfo *sn, Error **errp);   /* sn (may be NULL): as created */
void bdrv_snapshot_abort(BdrvSnapshotPrepared *p);
/* The node that has bs's snapshots (bs itself, or below filters), NULL: none. */
BlockDriverState *bdrv_snapshot_node(BlockDriverState *bs);
/* id_or_name in the old order: name or id as find does. */
int bdrv_snapshot_goto(BlockDriverState *bs, const char *id_or_name, Error **errp);
/* By id, name or both (see find_by_id_and_name); at least one. 0 or -errno with *errp set. */
int bdrv_snapshot_delete(BlockDriverState *bs, const char *id, const char *name, Error **errp);
/* The old order for tools and HMP: id first, then name. */
int bdrv_snapshot_delete_by_id_or_name(BlockDriverState *bs, const char *id_or_name, Error **errp);
/* Make a read-only node show the snapshot's content. */
int bdrv_snapshot_load_tmp(BlockDriverState *bs, const char *id, const char *name, Error **errp);
int bdrv_snapshot_load_tmp_by_id_or_name(BlockDriverState *bs, const char *id_or_name, Error **errp);
/* Table rows of `snapshot -l` / `info snapshots`; sn NULL: the header line. g_free it. */
char *bdrv_snapshot_dump_line(const QEMUSnapshotInfo *sn);
/* "snapshot.id=1,snapshot.name=x" -> options; the table for -l. */
extern const OptDesc internal_snapshot_opts[];

#endif
