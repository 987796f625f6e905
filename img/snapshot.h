/*
 * Printing what is known of internal snapshots.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IMG_SNAPSHOT_H
#define IMG_SNAPSHOT_H

#include "img/common.h"

typedef struct ImgSnapshotOutput {
    bool given;         /* --output was used */
    bool json;
} ImgSnapshotOutput;

/* The table of `-l`, or the list of SnapshotInfo.  0 or -errno after reporting. */
int img_snapshot_print_list(BlockDriverState *bs, bool json);
/* The ranges in which the snapshot `from` and `to` (NULL: the present state) differ. */
int img_snapshot_print_diff(BlockDriverState *bs, const char *from, const char *to, bool json);
/* What deleting freed: a list of {"id", "name", "freed"}. */
void img_snapshot_print_freed(const QList *report, bool json);
/* Put "own-size" and "shared-size" into each member of info's "snapshots".  0 or -errno after reporting. */
int img_snapshot_add_usage(BlockDriverState *bs, QDict *info);
/* The sizes that img_snapshot_add_usage has put there, as a table. */
void img_snapshot_print_usage(const QDict *info);

#endif
