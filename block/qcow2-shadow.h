/*
 * qcow2: inside of the shadow transaction, for the snapshot verbs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_SHADOW_H
#define BLOCK_QCOW2_SHADOW_H

#include "qcow2-commit.h"
#include "qcow2-io.h"

/* As qcow2_shadow_add with whole clusters; delta not 0. */
int coroutine_fn qcow2_shadow_add_clusters(Qcow2Shadow *s, uint64_t first, uint64_t n, int delta);
/* Counts of the block with this index, changes included; NULL: all are zero.  Borrowed until the next shadow call. */
int coroutine_fn qcow2_shadow_block(Qcow2Shadow *s, uint64_t block_index, const void **block);
/*
 * Look for n free clusters in a row, which tables get from then on: written in one run, they are one sequence to the disk.
 * What is left of them is given back by the next call (n = 0: no others).
 */
int coroutine_fn qcow2_shadow_reserve(Qcow2Shadow *s, uint64_t n);
/* Clusters for n tables in a row: of those, or like qcow2_shadow_alloc. */
int64_t coroutine_fn qcow2_shadow_alloc_tables(Qcow2Shadow *s, uint64_t n);
/* Write into clusters that the shadow got (checked against the present metadata). */
int coroutine_fn qcow2_shadow_write(Qcow2Shadow *s, uint64_t offset, const void *buf, uint64_t bytes);
/* The same without waiting: buf stays until tasks are finished. */
int coroutine_fn qcow2_shadow_start_write(Qcow2Shadow *s, Qcow2Tasks *tasks, uint64_t offset, const void *buf,
                                          uint64_t bytes);
/* Remember what becomes free, so that holes are passed down after the switch if options say so. */
void qcow2_shadow_note_freed(Qcow2Shadow *s, Qcow2DiscardType type);
/* Does that hold for what is freed from now on?  The walks switch it on; tables of tables keep their blocks for the next. */
bool qcow2_shadow_noting(Qcow2Shadow *s, bool on);
/* How many clusters more (less: negative) are in use with the changes so far. */
int64_t qcow2_shadow_growth(const Qcow2Shadow *s);

/* --- qcow2-snapshot-walk.c: the L2 tables of an L1 --------------------------------- */
typedef enum Qcow2WalkFlags {
    QCOW2_WALK_RAISE = 1,            /* `times` more references to each cluster that the table names */
    QCOW2_WALK_LOWER = 2,            /* so many less */
    QCOW2_WALK_CLEAR = 4,            /* drop COPIED */
    QCOW2_WALK_SET = 8,              /* COPIED where the (new) count is one, if the table's own count is one */
} Qcow2WalkFlags;
/*
 * One table to visit.  `place` is replaced when the table had to be rewritten elsewhere: the new
 * place has one reference then, and the old one lost one.
 */
typedef struct Qcow2WalkItem { uint32_t index; uint64_t place; } Qcow2WalkItem;
int coroutine_fn qcow2_walk_tables(Qcow2Shadow *s, Qcow2 *q, Qcow2WalkItem *items, uint64_t n, unsigned flags,
                                   int times);
/* Read n tables from the file, sorted by place, to buf, neighbours together. */
int coroutine_fn qcow2_read_tables(Qcow2 *q, const Qcow2WalkItem *items, uint64_t n, uint8_t *buf);
/* The L1 of a snapshot in host order, g_free it; -errno when it is out of bounds (errp set) or cannot be read. */
int coroutine_fn qcow2_snapshot_l1(Qcow2 *q, unsigned index, uint64_t **l1, uint32_t *size, Error **errp);

/* --- qcow2-snapshot-table.c: entries to bytes and back ------------------------------ */
uint64_t qcow2_snapshot_entry_bytes(const Qcow2Snapshot *sn);
void qcow2_snapshot_clear(Qcow2Snapshot *sn);
/* Encode the entries; g_malloc'd, *bytes long. */
uint8_t *qcow2_snapshots_encode(const Qcow2Snapshot *sn, unsigned n, uint64_t *bytes);

#endif
