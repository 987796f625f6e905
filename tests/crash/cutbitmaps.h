/*
 * Persistent bitmaps under power cuts.
 *
 * What a bitmap holds comes to the disk when the image is closed; while it is open, the bitmap on disk is marked "in use" before the
 * guest changes anything.  So after a cut a bitmap that is not marked holds just what it held at some close, and the guest's disk is
 * just as it was then.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_CRASH_CUTBITMAPS_H
#define TESTS_CRASH_CUTBITMAPS_H

#include "cutrun.h"

GArray *cut_bitmaps_new(void);
/* The image is about to be closed; was. */
void cut_bitmaps_closing(CutRun *r, guint begin);
void cut_bitmaps_closed(CutRun *r);
/* What is wrong with the bitmaps of blk, whose content is n stamps, after a cut at time `at`; NULL, or g_free it. */
char *cut_bitmaps_judge(const CutRun *r, guint at, BlockBackend *blk, const uint32_t *stamps, unsigned n);

#endif
