/*
 * A run: an image on recording disks, operations on it, and the model that follows them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_CRASH_CUTRUN_H
#define TESTS_CRASH_CUTRUN_H

#include "block/backend.h"
#include "cutdisk.h"
#include "cutmodel.h"

#define CUT_SECTORS 2048               /* at most: 1 MiB */

typedef struct CutGeometry {
    const char *name, *options;
    bool data_file, backing, snapshots, subclusters, lazy, v2;
} CutGeometry;

typedef struct CutRun {
    const CutGeometry *geometry;
    const char *folder;
    GRand *rand;
    CutModel *model;
    BlockBackend *blk;                 /* the image, NULL when closed */
    unsigned snapshot_count, failures;
    CutImage start[CUT_DISKS];
    unsigned cluster_sectors;
} CutRun;

/* Make the image (on disk 0, its data file on 1) and open it, recording.  False: it could not be made. */
bool cut_run_start(CutRun *r);
void cut_run_close(CutRun *r);
bool cut_run_open(CutRun *r, Error **errp);
void cut_run_end(CutRun *r);
guint cut_now(void);

/* Open the image that the disks hold now; NULL with errp. */
BlockBackend *cut_open_image(const CutGeometry *g, bool writable, Error **errp);
/* The stamps of a disk as blk shows it, n sectors; false when a sector is torn or a read fails. */
bool cut_read_stamps(BlockBackend *blk, unsigned n, uint32_t *out, unsigned *bad);

/* Operations; each may fail, and then the model knows. */
typedef void CutStep(CutRun *r);
typedef struct CutScenario {
    const char *name;
    struct { CutStep *step; unsigned weight; } steps[12];
} CutScenario;
extern const CutScenario cut_scenarios[];          /* ends with a NULL name */
void cut_scenario_step(CutRun *r, const CutScenario *s);

#endif
