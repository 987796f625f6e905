/*
 * Judging what the disks hold after a cut or a fault.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_CRASH_CUTJUDGE_H
#define TESTS_CRASH_CUTJUDGE_H

#include "cutrun.h"

typedef struct CutVerdict { bool leaks, repaired; } CutVerdict;

/*
 * What is wrong with the image on the disks after a cut at time `at` (g_free it), or NULL.  Opens it writable; repair: leaks are repaired
 * and must be gone then.
 */
char *cut_judge(const CutRun *r, guint at, bool repair, CutVerdict *v);

#endif
