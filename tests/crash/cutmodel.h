/*
 * What a disk may hold after a cut: every value that each sector was given, and when.
 *
 * A sector's value is a stamp repeated over it (0: zeroes).  Times are lengths of the log; ticks count answers, since
 * much may happen while nothing is written.  A flush that was asked for at tick B and answered at time E makes all
 * that was answered before B stable for cuts from E on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_CRASH_CUTMODEL_H
#define TESTS_CRASH_CUTMODEL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define CUT_ANY G_MAXUINT32            /* a stamp: the content is not known */

typedef struct CutChange {
    guint begin;                       /* time */
    guint done;                        /* tick of the answer; G_MAXUINT: none came */
    uint32_t stamp;
    bool soft;                         /* the old value may stay (discard) */
} CutChange;

typedef struct CutFlush { guint begin, end; } CutFlush;       /* tick it was asked for at; time of the answer */

typedef struct CutSnapshot {
    char *name;
    uint32_t *stamps;                  /* content, n sectors */
    unsigned n;
    guint begin, end;                  /* of the creation; failed ones are removed */
    guint gone_begin, gone_end;        /* of the deletion; G_MAXUINT: none */
    char *id;                          /* NULL: not known */
    uint32_t state;                    /* of the machine, kept with it; 0: none */
    guint replaces;                    /* 1 + the index of an old one of the same name that goes once this one is there; 0: none */
    guint *since;                      /* taken while writes were under way: the first change of each sector that it may show */
} CutSnapshot;

typedef struct CutModel {
    unsigned sectors;                  /* at the most during the run */
    uint32_t *now;
    bool *unsure;                      /* now is one of several (after a discard) */
    GArray **changes;                  /* of CutChange, a sector each */
    GArray *flushes;                   /* CutFlush, in order of their end */
    GArray *snapshots;                 /* CutSnapshot */
    GArray *sizes;                     /* CutChange: stamp is the number of sectors */
    uint32_t next_stamp;
    guint tick;
} CutModel;

CutModel *cut_model_new(unsigned sectors, unsigned size);
void cut_model_free(CutModel *m);
uint32_t cut_model_stamp(CutModel *m);
/* A write of stamps stamp, stamp + 1, ... (or zeroes) to n sectors is begun; its end is set later by cut_model_done. */
void cut_model_write(CutModel *m, unsigned first, unsigned n, uint32_t stamp, bool zero, bool soft, guint begin);
void cut_model_done(CutModel *m, unsigned first, unsigned n);
/* One sector gets a value that is not a new one; its end is set later. */
void cut_model_put(CutModel *m, unsigned s, uint32_t stamp, bool soft, guint begin);
/* The tick at which something is asked for. */
guint cut_model_tick(CutModel *m);
void cut_model_flush(CutModel *m, guint begin_tick, guint end);
/* The latest one of that name. */
CutSnapshot *cut_model_find(CutModel *m, const char *name);
/* live: writes are under way, and what it shows of them is found out by cut_model_pin. */
void cut_model_snapshot(CutModel *m, const char *name, bool live, guint begin);
/* A live snapshot shows these stamps: from now on it has to.  The first sector where that cannot be, or -1. */
int cut_model_pin(CutModel *m, CutSnapshot *s, const uint32_t *stamps);
/* What is not stable may be lost for good (the image was closed while its disk failed). */
void cut_model_doubt(CutModel *m, guint t);
/* Size in sectors from now on; cluster: sectors of one. */
void cut_model_resize(CutModel *m, unsigned size, unsigned cluster, guint begin);
unsigned cut_model_size(const CutModel *m);
/* May the disk have that many sectors in a cut at time t? */
bool cut_model_size_ok(const CutModel *m, unsigned size, guint t);
/* May sector s hold stamp in a cut at time t? */
bool cut_model_ok(const CutModel *m, unsigned s, uint32_t stamp, guint t);

#endif
