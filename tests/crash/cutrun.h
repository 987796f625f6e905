/*
 * A run: images on recording disks, operations on them, and the models that follow them.
 *
 *   CUT_ALONE    one image, on disk 0
 *   CUT_CHAIN    its header names a qcow2 image on disk 2 or 3 as what it is based on
 *   CUT_GROUP    three images, on disks 0, 4 and 5, that transactions change together
 *   CUT_DAMAGED  the image has wrong counts and flags at the start; the first operation mends it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_CRASH_CUTRUN_H
#define TESTS_CRASH_CUTRUN_H

#include "block/backend.h"
#include "cutdisk.h"
#include "cutmodel.h"

extern unsigned cut_sectors;            /* of a disk at the most; 2048 unless changed before the first run */
#define CUT_KEYS 2

typedef enum CutShape { CUT_ALONE, CUT_CHAIN, CUT_GROUP, CUT_DAMAGED } CutShape;

typedef struct CutGeometry {
    const char *name, *options;
    bool data_file, raw, backing, snapshots, subclusters, lazy, v2, luks, in_place;       /* in_place: discarded clusters stay */
    bool memory_only;                  /* files tell nothing more of it, and take long */
    const char *opened;                /* with these options beside others; NULL: none */
} CutGeometry;
extern const CutGeometry cut_geometries[];         /* ends with a NULL name */

/* A secret came into a key slot, or left it. */
typedef struct CutKeyChange { bool active; guint begin, end; } CutKeyChange;

typedef struct CutRun {
    const CutGeometry *geometry;
    const char *folder;
    GRand *rand;
    CutShape shape;
    int disk;                          /* that has the image */
    CutModel *model;
    BlockBackend *blk;                 /* the image, NULL when closed */
    unsigned snapshot_count, failures;
    char *wrong;                       /* what the first operation that did something else than it says did */
    const char *doing;                 /* the operation */
    int error;                         /* what the first one that failed said (negative errno); 0: none failed */
    CutImage start[CUT_DISKS];         /* of all disks; of the first run of a group */
    unsigned cluster_sectors;
    CutModel *below[2];                /* CUT_CHAIN: of disks 2 and 3 */
    guint mended;                      /* CUT_DAMAGED: when the repair was through; G_MAXUINT: not yet */
    bool only_leaks;                   /* CUT_DAMAGED: nothing worse */
    GArray *keys[CUT_KEYS];            /* CutKeyChange, luks */
    GArray *closes;                    /* of the image, with what its bitmaps held (cutbitmaps.h) */
    struct CutRun *next;               /* CUT_GROUP: another disk's; owned */
} CutRun;

/* Once: the block layer, the recording disk, the secrets. */
void cut_init(const char *program);
/* Make the images and open them, recording.  False: that failed. */
bool cut_run_start(CutRun *r);
/* Close: what was answered is stable, unless the disk failed meanwhile. */
void cut_run_close(CutRun *r);
bool cut_run_open(CutRun *r, Error **errp);
/* Open again, without faults of the disk.  One of memory is met by a second try. */
void cut_run_reopen(CutRun *r);
/* Flush and close all images. */
void cut_run_finish(CutRun *r);
void cut_run_end(CutRun *r);
guint cut_now(void);
/* What is made to fail just now (errno; 0: nothing, or it is not known): operations that meet it have to say so. */
extern int cut_cause;
/* An operation failed. */
void cut_run_failed(CutRun *r, int ret);
/* The same for one that tells a reason: err (freed here), or text. */
void cut_run_failed_err(CutRun *r, int ret, Error *err);
void cut_run_failed_text(CutRun *r, int ret, const char *text);
void cut_run_step_begins(void);
/* The first thing that went wrong is kept. */
void cut_run_wrong(CutRun *r, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* Open the image that the disks hold now; node_name may be NULL; NULL with errp. */
BlockBackend *cut_open_image(const CutRun *r, bool writable, const char *node_name, Error **errp);
/* With that secret only. */
BlockBackend *cut_open_with_key(const CutRun *r, bool writable, const char *node_name, int key, Error **errp);
BlockBackend *cut_open_qcow2(int disk, bool writable, Error **errp);
/* json: name of a qcow2 image on the disk; g_free it. */
char *cut_image_name(int disk);
/* The stamps of a disk as blk shows it, n sectors; false when a sector is torn or a read fails. */
bool cut_read_stamps(BlockBackend *blk, unsigned n, uint32_t *out, unsigned *bad);
/* The run's disk as the model has it now, CUT_ANY where that is not known; g_free it. */
uint32_t *cut_expected(const CutRun *r);
/* Does blk show that?  Else the run is wrong, with `what` before the reason. */
void cut_compare(CutRun *r, BlockBackend *blk, const uint32_t *expected, unsigned n, const char *what);
/* A new empty image of qcow2, in place of what the disk held. */
bool cut_make_image(const CutRun *r, int disk, const char *options, unsigned sectors);
/* No fault is to come: the test itself may read. */
bool cut_may_look(void);
/* For data of the test. */
uint32_t *cut_buffer(unsigned sectors);
/* A buffer of n sectors with stamps stamp, stamp + 1, ... */
void cut_fill(uint32_t *buf, uint32_t stamp, unsigned n);
unsigned cut_pick(CutRun *r, unsigned from, unsigned to);
/* The secret's id, and what it is. */
const char *cut_secret(int key);
const char *cut_secret_data(int key);

/* Operations; each may fail, and then the model knows. */
typedef void CutStep(CutRun *r);
typedef struct CutScenario {
    const char *name;
    struct { CutStep *step; unsigned weight; const char *name; } steps[12];
    CutShape shape;
    bool (*fits)(const CutGeometry *g);               /* NULL: all */
} CutScenario;
extern const CutScenario cut_scenarios[];          /* ends with a NULL name */
void cut_scenario_step(CutRun *r, const CutScenario *s);
bool cut_scenario_fits(const CutScenario *s, const CutGeometry *g);

/* cutsteps.c */
CutStep cut_step_writes, cut_step_row, cut_step_flush, cut_step_zero, cut_step_discard, cut_step_compressed, cut_step_resize, cut_step_reopen,
        cut_step_check, cut_step_churn, cut_step_small, cut_step_beside, cut_step_packing;
/* A write and a flush, of which a failure is no failure of the run: 0 or what they said. */
int cut_step_goes_on(CutRun *r);
/* cutsnapshots.c */
CutStep cut_step_group_writes, cut_step_group_reopen, cut_step_snapshot, cut_step_live_snapshot, cut_step_apply, cut_step_apply_live,
        cut_step_delete, cut_step_delete_live, cut_step_group_snapshot,
        cut_step_group_apply, cut_step_group_delete;
/* The model is told: a snapshot was taken (ret 0), or that failed: then it may be there, or not. */
void cut_snapshot_created(CutRun *r, const char *name, guint tick, int ret, const char *why);
/* The same of a revert, begun at that time. */
void cut_snapshot_applied(CutRun *r, const CutSnapshot *s, guint begin, int ret, const char *why);
/* A snapshot that all disks of the group (of one, too) have for certain; NULL: none. */
CutSnapshot *cut_pick_common(CutRun *r);
/* cutmachine.c */
CutStep cut_step_machine_save, cut_step_machine_load, cut_step_machine_delete;
/* cutimages.c */
CutStep cut_step_amend, cut_step_keys, cut_step_commit, cut_step_commit_live, cut_step_rebase;
/* cutlooks.c */
CutStep cut_step_status, cut_step_compare_states, cut_step_look_at, cut_step_vmstate, cut_step_copy, cut_step_options, cut_step_delete_many;
/* cutjobs.c */
CutStep cut_step_commit_job, cut_step_mirror, cut_step_backup, cut_step_stream;
/* cutbitmaps.c */
CutStep cut_step_bitmap, cut_step_bitmap_transaction;

/* The image below that the header names, -1: none. */
int cut_below(const CutRun *r);
typedef struct CutCommit {
    CutModel *base;
    guint begin, tick;
    unsigned size;
    uint32_t *was;                     /* what the image showed when it began */
} CutCommit;
/* From now on the image below may hold what this one holds. */
CutCommit cut_commit_begun(CutRun *r, int below);
/* It does, or (ret < 0; why, if a reason was told) it may. */
void cut_commit_ended(CutRun *r, CutCommit *c, int ret, const char *why);

/* Writers that go on until cut_wait: each write that ends begins the next one, in a part of the disk of its own. */
void cut_start_writers(CutRun *r, unsigned count, unsigned each);
void cut_wait(void);
/* Some turns of the loop. */
void cut_turn(unsigned n);
/* A QMP command, its arguments as JSON; the error's text (g_free it) or NULL. */
char *cut_qmp(const char *command, const char *arguments);

/* cutdamage.c: spoil counts and flags of the closed image on the run's disk; what they refer to stays. */
void cut_damage(CutRun *r);

#endif
