/*
 * Checking a qcow2 image: what the passes share.
 *
 *   1. snapshot table      qcow2-check-snapshots.c   is each entry whole and in bounds?
 *   2. references          qcow2-check-walk.c        count every reference from the roots down
 *   3. counts              qcow2-check.c             compare with the counts on disk
 *   4. new structures      qcow2-rebuild.c           where counts cannot be put right in place
 *   5. COPIED flags        qcow2-check-copied.c      flag set exactly where the count is one
 *   -  explanation         qcow2-check-explain.c     findings in words, with what they touch of the guest's disk
 *
 * Memory is bounded by the file: two bytes a cluster, in chunks made when first touched.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_CHECK_H
#define BLOCK_QCOW2_CHECK_H

#include "qcow2-vector.h"

/* References per cluster. */
typedef struct RefMap RefMap;
RefMap *refmap_new(uint64_t nb_clusters);
void refmap_free(RefMap *m);
/* False: there was no memory for some counts, and none of them may be relied on. */
bool refmap_is_whole(const RefMap *m);
uint64_t refmap_get(const RefMap *m, uint64_t cluster);
void refmap_add(RefMap *m, uint64_t cluster, uint64_t n);
/* Add `times` to n clusters, if none of them gets more than max; otherwise nothing is done: false. */
bool refmap_add_run(RefMap *m, uint64_t first, uint64_t n, uint64_t times, uint64_t max);
/* The first cluster from `from` on that may have references; the map's end when there is none. */
uint64_t refmap_next(const RefMap *m, uint64_t from);
/*
 * The numbers from this cluster on, *n cut to what lies side by side; NULL: all zero.  REFMAP_LARGE stands for
 * that and any larger number.
 */
#define REFMAP_LARGE UINT16_MAX
const uint16_t *refmap_peek(const RefMap *m, uint64_t cluster, uint64_t *n);
/* Clusters that it covers: the file's, and more once a reference beyond was added. */
uint64_t refmap_size(const RefMap *m);
/* First cluster from `from` on that starts a run of n clusters without references; the run may lie past the end. */
uint64_t refmap_find_free(const RefMap *m, uint64_t from, uint64_t n);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RefMap, refmap_free)

/* What can be found, for the explanation. */
typedef enum CheckKind {
    CHECK_LEAK, CHECK_COUNT_HIGH, CHECK_COUNT_LOW, CHECK_COUNT_NONE, CHECK_COPIED, CHECK_L1_RESERVED, CHECK_L1_UNALIGNED,
    CHECK_L2_RESERVED, CHECK_DATA_UNALIGNED, CHECK_PREALLOCATED_UNALIGNED, CHECK_COMPRESSED, CHECK_SUBCLUSTERS, CHECK_OUTSIDE,
    CHECK_OVERFLOW, CHECK_SNAPSHOT_L1, CHECK_SNAPSHOT_ENTRY, CHECK_SNAPSHOTS_WITH_DATA_FILE, CHECK_REFTABLE,
    CHECK_SNAPSHOTS_PLACE, CHECK_SNAPSHOTS_MANY, CHECK_SNAPSHOTS_EXTRA, CHECK_SNAPSHOTS_UNREADABLE, CHECK_TABLE_UNREADABLE,
    CHECK_COUNT_UNREADABLE, CHECK_BITMAPS, CHECK_STOPPED, CHECK_KINDS
} CheckKind;

#define CHECK_BLOCKS 16               /* refcount blocks kept while looking up counts */

typedef struct Checker {
    Qcow2 *q;
    BdrvCheckResult *res;
    BdrvCheckFix fix;
    uint64_t file_len;                /* bytes */
    RefMap *refs;
    GHashTable *l2_visits;            /* L2 offset -> references from all L1 tables not yet counted */
    bool io_error;                    /* the disk did not let us read everything: nothing may be repaired */
    bool rebuild;                     /* counts cannot be put right in place */
    bool signalled;                   /* unaligned refcount blocks were reported */
    bool snapshots_fixed;             /* the table in memory differs from the one on disk */
    int64_t snapshot_findings;        /* counted as repaired once the table is written */
    GArray *notes;                    /* qcow2-check-explain.c */
    bool notes_closed;                /* what is found now was noted already */
    bool tables_lost;                 /* what they led to looks like a leak */
    bool stop_noted;                  /* why the check stopped */
    struct { uint8_t *data; uint64_t index; bool valid; } blocks[CHECK_BLOCKS];
} Checker;

/* A line for the person who runs the check.  Gathered, since there may be millions; check_say_now lets them out. */
void check_say(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void check_say_now(void);
/* Read from the image file; what lies past its end reads as zeroes. */
int coroutine_fn check_read(Checker *c, uint64_t offset, uint64_t bytes, void *buf);
/* Write metadata in place after the overlap check, which leaves out the kinds in `ignore`. */
int coroutine_fn check_write(Checker *c, unsigned ignore, uint64_t offset, uint64_t bytes, const void *buf);
/* Count on disk. 0 or -errno. */
int coroutine_fn check_disk_count(Checker *c, uint64_t cluster, uint64_t *count);
/* The block that holds counts, borrowed until the next call; NULL: there is none, or it cannot be had. */
const uint8_t *coroutine_fn check_disk_block(Checker *c, uint64_t index);
void check_forget_blocks(Checker *c);

/* For the explanation: something about these bytes of the file (bytes 0: about none), or about an entry of an L2 table. */
void check_note(Checker *c, CheckKind kind, uint64_t host, uint64_t bytes);
void check_note_entry(Checker *c, CheckKind kind, uint64_t l2, uint32_t index);
/* Turn the notes into findings; before anything is repaired. */
void coroutine_fn check_explain(Checker *c);

/* Pass 1.  Loads the table into q->snapshots; -errno (errp set) when it cannot be read at all. */
int coroutine_fn check_snapshot_table(Checker *c, Error **errp);
/* After the repairs: write what pass 1 has put right. */
int coroutine_fn check_fix_snapshot_table(Checker *c);
/* Pass 2: fills a new c->refs, reports what is wrong on the way, sets c->rebuild. */
int coroutine_fn check_count_references(Checker *c);
/* Pass 3: with fix, counts are corrected as fix allows. */
int coroutine_fn check_compare(Checker *c, BdrvCheckFix fix);
/* Pass 5. */
int coroutine_fn check_copied_flags(Checker *c);

#endif
