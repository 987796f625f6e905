/*
 * An export as a file: its state, shared by mounting (fuse.c) and the operations on the file (fuse-ops.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_EXPORT_FUSE_INT_H
#define BLOCK_EXPORT_FUSE_INT_H

#define FUSE_USE_VERSION 31
#include <fuse_lowlevel.h>
#include "block/export.h"

#define FUSE_EXPORT_MAX_READ (64u * 1024 * 1024)    /* said when mounting and once more later; the kernel never asks for that much */

/* Everything but mounting: the export's context. */
typedef struct FuseExport {
    BlockExport common;
    struct fuse_session *session;
    int fd;                            /* the session's */
    char *mountpoint;
    bool growable, allow_other;
    bool watching, ended;
    unsigned in_flight;
    mode_t mode;
    uid_t uid;
    gid_t gid;
} FuseExport;

extern const struct fuse_lowlevel_ops fuse_export_ops;

/* Take or give back the right to resize the node.  Main thread. */
int fuse_export_set_resize(FuseExport *e, bool on, Error **errp);

#endif
