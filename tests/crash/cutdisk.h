/*
 * A disk in memory that writes down what it is asked to do, so that every state after a power cut
 * can be rebuilt.  Several disks share one log: its length is the clock of a run.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_CRASH_CUTDISK_H
#define TESTS_CRASH_CUTDISK_H

#include <glib.h>
#include "block/graph.h"

#define CUT_DISKS 6
#define CUT_HOLE 0xd5                       /* what discarded bytes show: the worst that they may */
#define CUT_DISK_DATA 1                     /* the data file of disk 0 */
#define CUT_DISK_BELOW 2                    /* and 3: what disk 0 may be based on */
#define CUT_DISK_GROUP 4                    /* and 5: disks beside disk 0 */

typedef enum CutKind { CUT_WRITE, CUT_ZERO, CUT_DISCARD, CUT_TRUNCATE, CUT_FLUSH } CutKind;

typedef struct CutEntry {
    CutKind kind;
    int disk;
    int64_t offset, bytes;
    uint8_t *data;                     /* CUT_WRITE */
    guint begin;                       /* length of the log when it was asked for; the entry stands where it was done */
} CutEntry;

/* What the disks hold. */
typedef struct CutImage { uint8_t *data; int64_t len, room; } CutImage;

extern CutImage cut_disks[CUT_DISKS];
extern GArray *cut_log;                /* CutEntry; NULL: nothing is written down */
/* Fail the n-th request from now on with -EIO (0: none); `lasting`: and all after it.  Counts down. */
extern int64_t cut_fail_at;
extern bool cut_fail_lasting;
extern int cut_fail_errno;
extern unsigned cut_discard_turns;     /* of the event loop that a discard takes more than other requests */
extern bool cut_length_counts;         /* to ask how long it is is a request too */
extern int64_t cut_requests, cut_trips;   /* seen, and made to fail, since they were set to 0 */
/* Failures of any kind that were met: of requests, system calls, allocations. */
int64_t cut_met(void);
/* The n-th request from now on takes so long that others overtake it (0: none); `lasting`: each second one after it.  Counts down. */
extern int64_t cut_delay_at;
extern bool cut_delay_lasting;

/* From now on disks are files in that folder, written by that engine (aio=); NULL: in memory.  Nothing is written down then. */
void cut_use_files(const char *folder, const char *engine);
bool cut_files_used(void);
/* The disks in files get what those in memory hold; and disk i alone. */
void cut_files_take(void);
void cut_file_take(int disk);

void cut_register(void);
/* Options of a node on disk i, under prefix "file." or another. */
void cut_put_options(QDict *options, const char *prefix, int disk);
/* The same as a JSON object; g_free it.  Names files before they are taken up. */
char *cut_disk_json(int disk);
/* Make the image len bytes long; new ones are zero. */
void cut_image_resize(CutImage *image, int64_t len);
void cut_image_copy(CutImage *to, const CutImage *from);
/* Do what the entry says to image: all of it, or (sectors non-NULL) those 512-byte pieces of a write, zero or discard whose byte is set. */
void cut_apply(CutImage *image, const CutEntry *e, const uint8_t *sectors);
bool cut_image_load(CutImage *image, const char *path);
bool cut_image_store(const CutImage *image, const char *path);
void cut_log_start(void);
void cut_log_end(void);

#endif
