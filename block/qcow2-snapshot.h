/*
 * qcow2: what the snapshot verbs share among themselves.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_SNAPSHOT_H
#define BLOCK_QCOW2_SNAPSHOT_H

#include "qcow2-shadow.h"

/* A state's L1 in memory and where it will be on disk. */
typedef struct L1Copy {
    uint64_t *l1;                    /* host order */
    uint32_t size;
    uint64_t offset;
} L1Copy;

typedef struct NewTable { uint64_t offset, bytes; } NewTable;

/* Index of the snapshot with that id and that name (each may be NULL, not both), or -1. */
int qcow2_snapshot_find(const Qcow2 *q, const char *id, const char *name);
/* The L1 of a snapshot, with room for so many entries; g_free(out->l1).  Out of bounds: errp is set. */
int coroutine_fn qcow2_snapshot_read_l1(Qcow2 *q, const Qcow2Snapshot *sn, uint32_t room, L1Copy *out, Error **errp);
/* Place of the table in entry i, 0 past the end. */
uint64_t qcow2_snapshot_table_of(const uint64_t *l1, uint32_t size, uint32_t i);
/* The active L1 goes to a new place with new content. */
int coroutine_fn qcow2_snapshot_replace_active(Qcow2Shadow *s, Qcow2 *q, L1Copy *fresh);
/* Write a whole new snapshot table; the old one's clusters go. */
int coroutine_fn qcow2_snapshot_put_table(Qcow2Shadow *s, Qcow2 *q, const Qcow2Snapshot *sn, unsigned n, NewTable *out);
/* Roots as they are now, to be changed by the verb. */
Qcow2Roots qcow2_snapshot_roots(const Qcow2 *q);
/* Memory follows the disk; takes fresh->l1. */
void qcow2_snapshot_adopt_l1(Qcow2 *q, L1Copy *fresh);

#endif
