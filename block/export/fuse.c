/*
 * The export type fuse: a node's content as a regular file, mounted over one that exists.
 *
 * Each request of the kernel is read and done in a coroutine of its own in the export's context; a bounded number at a time,
 * then the kernel keeps the rest. The file is the root of the mount, and all that there is in it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "export-drivers.h"
#include "fuse-int.h"

#define MAX_REQUESTS 16

static GHashTable *mountpoints;        /* set of paths */

/* --- requests from the kernel ---------------------------------------------------------------- */

static void on_readable(void *opaque);

static void watch(FuseExport *e, bool on)
{
    if (e->watching != on) {
        aio_set_fd_handler(e->common.ctx, e->fd, on ? on_readable : NULL, NULL, e);
        e->watching = on;
    }
}

static void coroutine_fn request_entry(void *opaque)
{
    FuseExport *e = opaque;
    struct fuse_buf buf = { 0 };
    int ret;

    do {
        ret = fuse_session_receive_buf(e->session, &buf);
    } while (ret == -EINTR);
    if (ret > 0) {
        fuse_session_process_buf(e->session, &buf);
    } else if (ret != -EAGAIN) {
        e->ended = true;               /* somebody unmounted it */
    }
    free(buf.mem);
    e->in_flight--;
    watch(e, !e->ended);
    blk_exp_unref(&e->common);
}

static void on_readable(void *opaque)
{
    FuseExport *e = opaque;

    blk_exp_ref(&e->common);
    watch(e, ++e->in_flight < MAX_REQUESTS);
    coroutine_enter(coroutine_create(request_entry, e));
}

/* --- mounting ------------------------------------------------------------------------------------ */

static bool mount_session(FuseExport *e, bool allow_other, Error **errp)
{
    g_autofree char *options = g_strdup_printf("max_read=%u,default_permissions%s", FUSE_EXPORT_MAX_READ,
                                                 allow_other ? ",allow_other" : "");
    const char *argv[] = { "", "-o", options };
    struct fuse_args args = FUSE_ARGS_INIT(3, (char **)argv);

    e->session = fuse_session_new(&args, &fuse_export_ops, sizeof(fuse_export_ops), e);
    if (!e->session) {
        error_setg(errp, "Failed to set up FUSE session");
        return false;
    }
    if (fuse_session_mount(e->session, e->mountpoint) < 0) {
        fuse_session_destroy(e->session);
        e->session = NULL;
        error_setg(errp, "Failed to mount FUSE session to export");
        return false;
    }
    e->allow_other = allow_other;
    return true;
}

/* auto: for others if that is allowed here. */
static bool mount_as_wanted(FuseExport *e, FuseExportAllowOther wanted, Error **errp)
{
    if (wanted != FUSE_EXPORT_ALLOW_OTHER_AUTO) {
        return mount_session(e, wanted == FUSE_EXPORT_ALLOW_OTHER_ON, errp);
    }
    return mount_session(e, true, NULL) || mount_session(e, false, errp);
}

/* Looking at the file may mean asking another export of this program: a worker does it while this thread serves. */
typedef struct MountJob {
    FuseExport *e;
    FuseExportAllowOther wanted;
    Error *err;
} MountJob;

static int mount_job(void *opaque)
{
    MountJob *job = opaque;
    const char *path = job->e->mountpoint;
    struct stat st;

    if (stat(path, &st) < 0) {
        error_setg_errno(&job->err, errno, "Failed to stat '%s'", path);
    } else if (!S_ISREG(st.st_mode)) {
        error_setg(&job->err, "'%s' is not a regular file", path);
    } else {
        mount_as_wanted(job->e, job->wanted, &job->err);
    }
    return 0;
}

static void coroutine_fn mount_entry(void *opaque) { thread_pool_co_run(mount_job, opaque); }

static int mount_export(FuseExport *e, FuseExportAllowOther wanted, Error **errp)
{
    MountJob job = { e, wanted };

    if (mountpoints && g_hash_table_contains(mountpoints, e->mountpoint)) {
        error_setg(errp, "There already is a FUSE export on '%s'", e->mountpoint);
        return -EEXIST;
    }
    if (blk_exp_mounts_denied()) {
        error_setg(errp, "Failed to mount FUSE session to export: -sandbox denies it (qemu-storage-daemon may)");
        return -EPERM;
    }
    co_run_sync(mount_entry, &job);
    if (job.err) {
        error_propagate(errp, job.err);
        return -EIO;
    }
    return 0;
}

static int fuse_create(BlockExport *common, const BlockExportOptions *opts, Error **errp)
{
    FuseExport *e = (FuseExport *)common;
    const BlockExportOptionsFuse *o = &opts->u.fuse;
    AioPause *pause;
    int ret;

    e->growable = o->has_growable && o->growable;
    if (e->growable && fuse_export_set_resize(e, true, errp) < 0) {
        return -EPERM;
    }
    e->mountpoint = g_strdup(o->mountpoint);
    e->mode = S_IFREG | S_IRUSR | (common->writable ? S_IWUSR : 0);
    e->uid = getuid();
    e->gid = getgid();
    ret = mount_export(e, o->has_allow_other ? o->allow_other : FUSE_EXPORT_ALLOW_OTHER_AUTO, errp);
    if (ret < 0) {
        g_free(e->mountpoint);
        return ret;
    }
    e->fd = fuse_session_fd(e->session);
    fcntl(e->fd, F_SETFL, fcntl(e->fd, F_GETFL) | O_NONBLOCK);
    mountpoints = mountpoints ? mountpoints : g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_add(mountpoints, g_strdup(e->mountpoint));
    pause = aio_context_pause(common->ctx);
    watch(e, true);
    aio_context_resume(pause);
    return 0;
}

/* Requests that are in flight hold references; the mount goes with the last one. */
static void fuse_request_shutdown(BlockExport *common)
{
    FuseExport *e = (FuseExport *)common;
    AioPause *pause = aio_context_pause(common->ctx);

    e->ended = true;
    watch(e, false);
    aio_context_resume(pause);
    fuse_session_exit(e->session);
    g_hash_table_remove(mountpoints, e->mountpoint);
}

static void fuse_delete(BlockExport *common)
{
    FuseExport *e = (FuseExport *)common;

    fuse_session_unmount(e->session);
    fuse_session_destroy(e->session);
    g_free(e->mountpoint);
}

const BlockExportDriver fuse_export_driver = {
    .type = BLOCK_EXPORT_TYPE_FUSE, .instance_size = sizeof(FuseExport), .create = fuse_create,
    .request_shutdown = fuse_request_shutdown, .delete = fuse_delete,
};
