/*
 * Inside of drives: drive-options.c reads what a backend is to be like, drive.c makes it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCKDEV_DRIVE_H
#define BLOCKDEV_DRIVE_H

#include "block/drive.h"

typedef struct DriveOptions {
    bool snapshot, read_only, writethrough, copy_on_read, account_invalid, account_failed;
    bool detect_zeroes, detect_zeroes_unmap;
    char *format, *group;              /* NULL: not given */
    int aio_flags;
    BlkOnError on_read_error, on_write_error;
    ThrottleConfig limits;
    GArray *intervals;                 /* of unsigned: seconds */
} DriveOptions;

/* Old option names to today's. */
int drive_options_rename(QDict *opts, Error **errp);
int drive_options_split_cache(QDict *opts, Error **errp);
/* Move the options of the backend out of opts; what is left belongs to the node.  Clear d in any case. */
int drive_options_take(QDict *opts, DriveOptions *d, Error **errp);
void drive_options_clear(DriveOptions *d);

#endif
