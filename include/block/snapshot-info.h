/*
 * One internal snapshot as drivers, tools and monitors see it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_SNAPSHOT_INFO_H
#define BLOCK_SNAPSHOT_INFO_H

#include <stdint.h>

typedef struct QEMUSnapshotInfo {
    char id_str[128];          /* unique within the image; "" on create: one is generated */
    char name[256];            /* UTF-8, NUL-terminated; may be empty or shared by several */
    uint64_t vm_state_size;    /* bytes of saved machine state, 0 for a disk-only snapshot */
    uint32_t date_sec;         /* UTC, seconds since the epoch */
    uint32_t date_nsec;
    uint64_t vm_clock_nsec;    /* guest clock at the snapshot */
    uint64_t icount;           /* instruction counter, UINT64_MAX when there is none */
    uint64_t disk_size;        /* virtual size at the snapshot, bytes; 0: unknown */
} QEMUSnapshotInfo;

/* What a state (a snapshot, or the present one) occupies in the image, bytes of whole clusters. */
typedef struct BdrvSnapshotUsage {
    uint64_t own;              /* nothing else refers to it: deleting the state frees it */
    uint64_t shared;           /* the rest; a cluster of compressed data counts once for each table that names it */
} BdrvSnapshotUsage;

/* A range in which two states differ; called in rising order, neighbours joined. */
typedef void BdrvSnapshotDiffFn(void *opaque, int64_t offset, int64_t bytes);

/* What a snapshot costs, in bytes of the image file; tables included. */
typedef struct BdrvSnapshotSizes {
    uint64_t own;              /* used by nothing else: free when it is deleted */
    uint64_t shared;           /* used also by the disk as it is now, or by other snapshots */
} BdrvSnapshotSizes;

#endif
