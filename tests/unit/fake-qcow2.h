/*
 * A world around the guest I/O half of the qcow2 driver: files in memory, a plain cluster
 * counter, tables that never leave memory, no scheduling.  One test program has one world.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_FAKE_QCOW2_H
#define TESTS_UNIT_FAKE_QCOW2_H

#include "../../block/qcow2.h"

typedef struct FakeShape {
    unsigned version, cluster_bits;
    bool subclusters, data_file, raw, backing, zstd;
    uint64_t size;
} FakeShape;

/* A fresh, empty image; frees the one before. */
Qcow2 *fake_world(const FakeShape *shape);
void fake_world_end(void);
BlockDriverState *fake_bs(void);
/* The backing image's bytes (size of the disk less a bit), filled with a pattern. */
const uint8_t *fake_backing(uint64_t *len);

/* Copies that were put off are made. */
void fake_settle(void);

/* Snapshots the slow way: keep the L1, recount everything, set COPIED where the count is one. */
unsigned fake_snapshot_create(void);               /* its number */
void fake_snapshot_delete(unsigned i);
void fake_snapshot_apply(unsigned i);
void fake_snapshot_enter(unsigned i);              /* reads see the snapshot until leave */
void fake_snapshot_leave(void);

/* Late frees happen; then each cluster's count must equal its references, COPIED included. */
void fake_verify(void);

/* The last corruption message, or NULL; cleared by the call. */
char *fake_corruption(void);
/* Bytes moved by writes to the image or data file since the last call. */
uint64_t fake_bytes_written(void);
unsigned fake_requests(void);
/* The k-th write from now on fails with EIO (0: none). */
void fake_fail_write(unsigned k);

#endif
