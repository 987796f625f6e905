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
 * The same for groups of disks: prepare all, wait for all; then commit all and finish all, or abort all.  prepare and
 * commit only begin, so the disks work side by side.  The node is drained from prepare on, and must be left alone until
 * p is freed: by a wait that fails, by finish or by abort.  Errors are the bare reason.  A commit that fails leaves
 * no snapshot (as far as the disk tells).
 */
typedef struct BdrvSnapshotPrepared BdrvSnapshotPrepared;
BdrvSnapshotPrepared *bdrv_snapshot_prepare(BlockDriverState *bs, const QEMUSnapshotInfo *sn, Error **errp);
/* A revert in two steps (drivers with one step do it in prepare, and there is no way back). */
BdrvSnapshotPrepared *bdrv_snapshot_goto_prepare(BlockDriverState *bs, const char *id_or_name, Error **errp);
int bdrv_snapshot_wait(BdrvSnapshotPrepared *p, Error **errp);
void bdrv_snapshot_commit(BdrvSnapshotPrepared *p);
int bdrv_snapshot_finish(BdrvSnapshotPrepared *p, QEMUSnapshotInfo *sn, Error **errp);   /* sn (may be NULL): as created */
/* At any point after prepare, begun commits included. */
void bdrv_snapshot_abort(BdrvSnapshotPrepared *p);
/* The node that has bs's snapshots (bs itself, or below filters), NULL: none. */
BlockDriverState *bdrv_snapshot_node(BlockDriverState *bs);
/* id_or_name in the old order: name or id as find does. */
int bdrv_snapshot_goto(BlockDriverState *bs, const char *id_or_name, Error **errp);
/* By id, name or both (see find_by_id_and_name); at least one. 0 or -errno with *errp set. */
int bdrv_snapshot_delete(BlockDriverState *bs, const char *id, const char *name, Error **errp);
/* The same; *freed: bytes that the image uses less afterwards (negative: more). */
int bdrv_snapshot_delete_counting(BlockDriverState *bs, const char *id, const char *name, int64_t *freed, Error **errp);
/*
 * Delete those in the list, by id and name, in that order but in as few steps as the driver can; freed: one figure each, as
 * if one after another.  On failure *done of them are gone, and the next one is what errp tells of.
 */
int bdrv_snapshot_delete_many(BlockDriverState *bs, const QEMUSnapshotInfo *list, unsigned n, int64_t *freed, unsigned *done,
                              Error **errp);
/* Sizes of the first n of bdrv_snapshot_list, 0 or -errno. */
int bdrv_snapshot_sizes(BlockDriverState *bs, BdrvSnapshotSizes *out, int n);
/* Make a read-only node show the snapshot's content. */
int bdrv_snapshot_load_tmp(BlockDriverState *bs, const char *id, const char *name, Error **errp);
int bdrv_snapshot_load_tmp_by_id_or_name(BlockDriverState *bs, const char *id_or_name, Error **errp);
/* ---- snapshot-query.c: what snapshots are, from metadata alone; nothing is changed ---- */
/*
 * The list and what each snapshot occupies, in one pass over the metadata.  Returns the count (>= 0) or -errno;
 * *list has as many members, *usage one more: the present state.  g_free both.  Guests may go on writing: what they
 * change meanwhile may or may not be in the result.
 */
int bdrv_snapshot_usage(BlockDriverState *bs, QEMUSnapshotInfo **list, BdrvSnapshotUsage **usage, Error **errp);
/*
 * The ranges in which snapshot `from` and snapshot `to` (id or name; NULL: the present state) may differ.  Every
 * byte that differs is in a range (what lies behind the shorter disk's end counts as zeroes); a range may hold equal
 * bytes, where clusters were written again with the same content or only in part.  Calls fn in rising order.
 */
int bdrv_snapshot_diff(BlockDriverState *bs, const char *from, const char *to, BdrvSnapshotDiffFn *fn, void *opaque,
                       Error **errp);
/* Id first, then name, as goto does. 0, or -ENOENT / -errno with *errp set ("Can't find the snapshot"). */
int bdrv_snapshot_find_by_id_or_name(BlockDriverState *bs, const char *id_or_name, QEMUSnapshotInfo *sn, Error **errp);
/* The name in the list that the user may have meant with `name` (also: its id); NULL: none is near.  g_free it. */
char *bdrv_snapshot_nearest_name(BlockDriverState *bs, const char *name);
/* {"id", "name", "vm-state-size", ...} as `info` has it; caller owns. */
QDict *bdrv_snapshot_info_dict(const QEMUSnapshotInfo *sn);

/* Table rows of `snapshot -l` / `info snapshots`; sn NULL: the header line. g_free it. */
char *bdrv_snapshot_dump_line(const QEMUSnapshotInfo *sn);
/* "snapshot.id=1,snapshot.name=x" -> options; the table for -l. */
extern const OptDesc internal_snapshot_opts[];

#endif
