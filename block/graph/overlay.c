/*
 * The temporary overlay of -snapshot: writes go to an unnamed file, the image stays as it is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "internal.h"

static char *temporary_file(Error **errp)
{
    const char *dir = g_getenv("TMPDIR");
    g_autofree char *path = g_strdup_printf("%s/vl.XXXXXX", dir && *dir ? dir : "/var/tmp");
    int fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) {
        error_setg_errno(errp, errno, "Could not open temporary file '%s'", path);
        return NULL;
    }
    close(fd);
    return g_steal_pointer(&path);
}

static BlockDriverState *make_overlay(const char *path, int64_t size, int flags, Error **errp)
{
    const BlockDriver *drv = bdrv_find_format("qcow2");
    QDict *opts = qdict_new();

    qdict_put_int(opts, "size", size);
    if (bdrv_create(drv, path, opts, errp) < 0) {
        error_prepend(errp, "Could not create temporary overlay '%s': ", path);
        return NULL;
    }
    opts = qdict_new();
    qdict_put_str(opts, "driver", "qcow2");
    qdict_put_str(opts, "file.driver", "file");
    qdict_put_str(opts, "file.filename", path);
    flags = (flags & ~BDRV_O_SNAPSHOT) | BDRV_O_RDWR | BDRV_O_NO_FLUSH;
    return bdrv_open(NULL, NULL, opts, flags, errp);
}

BlockDriverState *bdrv_open_temporary_overlay(BlockDriverState *bs, int flags, Error **errp)
{
    ERRP_GUARD();
    g_autofree char *path = NULL;
    BlockDriverState *top = NULL;
    int64_t size = bdrv_getlength(bs);

    if (size < 0) {
        error_setg_errno(errp, -size, "Could not get image size");
    } else {
        path = temporary_file(errp);
    }
    if (path) {
        top = make_overlay(path, size, flags, errp);
        unlink(path);
    }
    if (top && bdrv_append(top, bs, errp) < 0) {
        bdrv_unref(top);
        top = NULL;
    }
    bdrv_unref(bs);
    if (top) {
        bdrv_refresh_filename(top);
    }
    return top;
}
