/*
 * Short scripts of operations on the image on disk 0, and what the image shows afterwards.
 *
 *   w OFFSET BYTES PATTERN   write          c OFFSET BYTES PATTERN   write compressed
 *   z OFFSET BYTES           zero           u OFFSET BYTES           zero, may unmap        d OFFSET BYTES   discard
 *   s NAME, a NAME, x NAME   take, apply, delete a snapshot                 m N                    take so many
 *   t BYTES                  resize         f   flush                r                      close and open again
 *   ! COMMAND                a sub-command of qemu-img on the closed image; @ stands for its name
 *   + OPTIONS                make the image anew, as blockdev-create does
 *   leak N, lost N, twice N, flag, table, thin     spoil it: counts (of the N-th cluster), a flag, the refcount table, a snapshot
 *
 * separated by ';'.  Sizes may end in k or M.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_CRASH_VERBSCRIPT_H
#define TESTS_CRASH_VERBSCRIPT_H

#include "cutrun.h"

typedef struct ScriptImage {
    const char *options;               /* JSON members for opening it beside driver and file, each behind a comma */
    bool data_file;
} ScriptImage;

/* What is seen of an image. */
typedef struct ImageView {
    GByteArray *disk;
    GPtrArray *names, *snapshots;      /* char *, GByteArray *: in that order, of the first few */
    GPtrArray *bitmaps;                /* char *: names of those that can be used */
} ImageView;

/* 0, or the negative errno (-1: a command's exit code) of the first that failed; *said: what was said then (g_free it). */
int script_run(const ScriptImage *im, const char *script, char **said);
/* JSON name; g_free it. */
char *script_image_name(const ScriptImage *im);
/* Open and read all; NULL with *why (g_free it). */
ImageView *script_view(const ScriptImage *im, char **why);
void image_view_free(ImageView *v);

#endif
