/*
 * The protocol drivers `file` and `host_device`: open, options, alignment, permissions, reopen.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "block/pr-manager.h"
#include "drivers.h"
#include "file.h"
#include "util/cutils.h"
#include "util/fdset.h"

const OptDesc file_open_options[] = {
    { "filename", OPT_STRING, "File name of the image", NULL },
    { "aio", OPT_STRING, "host AIO implementation (threads, native, io_uring)", NULL },
    { "aio-max-batch", OPT_NUMBER, "AIO max batch size (0 = auto handled by AIO backend, default: 0)", NULL },
    { "locking", OPT_STRING, "file locking mode (on/off/auto, default: auto)", NULL },
    { "pr-manager", OPT_STRING, "id of persistent reservation manager object (default: none)", NULL },
    { "drop-cache", OPT_BOOL, "invalidate page cache during live migration (default: on)", NULL },
    { "x-check-cache-dropped", OPT_BOOL, "check that page cache was dropped on live migration (default: off)", NULL },
    { NULL }
};

static void file_parse_filename(const char *filename, QDict *options, Error **errp)
{
    const char *rest = filename;

    if (str_has_prefix(filename, "file:", &rest) && path_has_protocol(rest)) {
        g_autofree char *plain = g_strconcat("./", rest, NULL);   /* what follows is no protocol either */

        qdict_put_str(options, "filename", plain);
        return;
    }
    qdict_put_str(options, "filename", rest);
}

static void host_device_parse_filename(const char *filename, QDict *options, Error **errp)
{
    const char *rest = filename;

    str_has_prefix(filename, "host_device:", &rest);
    qdict_put_str(options, "filename", rest);
}

static int host_device_probe(const char *filename)
{
    struct stat st;

    return stat(filename, &st) >= 0 && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) ? 100 : 0;
}

static bool take_engine(FileState *s, QDict *options, int flags, Error **errp)
{
    const char *aio = opt_get_str(options, "aio");
    AioEngineKind kind = flags & BDRV_O_NATIVE_AIO ? AIO_ENGINE_NATIVE
                       : flags & BDRV_O_IO_URING ? AIO_ENGINE_IO_URING : AIO_ENGINE_THREADS;

    if (aio) {
        if (!strcmp(aio, "threads")) {
            kind = AIO_ENGINE_THREADS;
        } else if (!strcmp(aio, "native")) {
            kind = AIO_ENGINE_NATIVE;
        } else if (!strcmp(aio, "io_uring")) {
            kind = AIO_ENGINE_IO_URING;
        } else {
            error_setg(errp, "invalid parameter value: %s", aio);
            return false;
        }
    }
    if (kind == AIO_ENGINE_NATIVE && !(flags & BDRV_O_NOCACHE)) {
        error_setg(errp, "aio=native was specified, but it requires cache.direct=on, which was not specified.");
        return false;
    }
    if (!aio_engine_available(kind, errp)) {
        error_prepend(errp, "Unable to use %s: ", kind == AIO_ENGINE_NATIVE ? "native AIO" : "io_uring");
        return false;
    }
    s->engine = kind;
    return true;
}

static bool take_locking(FileState *s, QDict *options, Error **errp)
{
    const char *locking = opt_get_str(options, "locking");

    if (locking && strcmp(locking, "on") && strcmp(locking, "off") && strcmp(locking, "auto")) {
        error_setg(errp, "invalid parameter value: %s", locking);
        return false;
    }
    s->use_lock = !locking || !strcmp(locking, "auto") ? file_locks_supported() : !strcmp(locking, "on");
    if (locking && !strcmp(locking, "on") && !file_locks_supported()) {
        warn_report("File lock requested but OFD locking syscall is unavailable, falling back to POSIX file locks");
        s->use_lock = false;
    }
    return true;
}

bool (*bdrv_check_pr_manager)(const char *id, Error **errp);

static bool check_pr_manager(QDict *options, Error **errp)
{
    const char *id = opt_get_str(options, "pr-manager");

    if (id && !bdrv_check_pr_manager) {
        error_setg(errp, "No persistent reservation manager with id '%s'", id);
        return false;
    }
    return !id || bdrv_check_pr_manager(id, errp);
}

static int unix_flags(int flags, bool read_only)
{
    return O_CLOEXEC | (read_only ? O_RDONLY : O_RDWR) | (flags & BDRV_O_NOCACHE ? O_DIRECT : 0);
}

/* The smallest offset and memory alignment that direct reads accept here; by trying. */
static void find_alignment(FileState *s)
{
    enum { MAX_ALIGN = 4096 };
    uint8_t *buf;

    s->align = s->mem_align = 1;
    if (!(s->open_flags & O_DIRECT)) {
        return;
    }
    s->align = s->mem_align = MAX_ALIGN;
    if (posix_memalign((void **)&buf, MAX_ALIGN, 2 * MAX_ALIGN)) {
        return;
    }
    for (size_t a = 1; a <= MAX_ALIGN; a = a == 1 ? 512 : 2 * a) {
        if (pread(s->fd, buf, a, 0) >= 0 || errno != EINVAL) {
            /* Some file systems take any length at offset 0 of an empty file: never trust 1. */
            s->align = MAX(a, 512);
            break;
        }
    }
    for (size_t a = 1; a <= MAX_ALIGN; a = a == 1 ? 512 : 2 * a) {
        if (pread(s->fd, buf + a, s->align, 0) >= 0 || errno != EINVAL) {
            s->mem_align = MAX(a, 512);
            break;
        }
    }
    free(buf);
}

static int open_fd(BlockDriverState *bs, const char *filename, int flags, Error **errp)
{
    FileState *s = bs->opaque;
    bool read_only = !(flags & BDRV_O_RDWR);
    Error *err = NULL;

    s->open_flags = unix_flags(flags, read_only);
    s->fd = fdset_open(filename, s->open_flags, 0, &err);
    if (s->fd < 0 && !read_only && (flags & BDRV_O_AUTO_RDONLY) && (errno == EACCES || errno == EPERM || errno == EROFS)) {
        if (bdrv_apply_auto_read_only(bs, NULL, NULL) == 0) {
            s->open_flags = unix_flags(flags, true);
            error_free(g_steal_pointer(&err));
            s->fd = fdset_open(filename, s->open_flags, 0, &err);
        }
    }
    if (s->fd < 0) {
        int ret = -errno;

        if (err) {
            error_propagate(errp, err);
        } else if (ret == -EINVAL && (flags & BDRV_O_NOCACHE)) {
            error_setg_errno(errp, -ret, "Could not open '%s': filesystem does not support O_DIRECT", filename);
        } else {
            error_setg_errno(errp, -ret, "Could not open '%s'", filename);
        }
        return ret == -EROFS ? -EACCES : ret;
    }
    return 0;
}

static int check_kind(BlockDriverState *bs, const char *filename, bool want_device, Error **errp)
{
    FileState *s = bs->opaque;
    struct stat st;

    if (fstat(s->fd, &st) < 0) {
        int ret = -errno;

        error_setg_errno(errp, -ret, "Could not stat file");
        return ret;
    }
    s->device = S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode);
    if (!want_device && !S_ISREG(st.st_mode)) {
        error_setg(errp, "'%s' driver requires '%s' to be a regular file", bs->drv->name, filename);
        return -EINVAL;
    }
    if (want_device && !s->device) {
        error_setg(errp, "'%s' driver requires '%s' to be either a character or block device", bs->drv->name, filename);
        return -EINVAL;
    }
    return 0;
}

/* What the file system is good at. */
static void find_habits(FileState *s)
{
    struct statfs fs;

    if (!s->device && fstatfs(s->fd, &fs) == 0) {
        s->reserves = fs.f_type == EXT4_SUPER_MAGIC;
        s->in_memory = fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
    }
}

static int open_common(BlockDriverState *bs, QDict *options, int flags, bool want_device, Error **errp)
{
    FileState *s = bs->opaque;
    const char *filename = opt_get_str(options, "filename");
    int ret;

    s->fd = -1;
    s->shared = s->new_shared = BLK_PERM_ALL;
    if (!filename) {
        error_setg(errp, "The '%s' block driver requires a file name", bs->drv->name);
        return -EINVAL;
    }
    if (!take_engine(s, options, flags, errp) || !take_locking(s, options, errp) || !check_pr_manager(options, errp)) {
        return -EINVAL;
    }
    ret = open_fd(bs, filename, flags, errp);
    if (ret == 0) {
        ret = check_kind(bs, filename, want_device, errp);
        if (ret < 0) {
            fdset_close(s->fd);
            s->fd = -1;
        }
    }
    if (ret < 0) {
        return ret;
    }
    find_alignment(s);
    find_habits(s);
    bs->supported_read_flags = BDRV_REQ_REGISTERED_BUF | BDRV_REQ_READ_AHEAD;
    bs->supported_write_flags = BDRV_REQ_FUA | BDRV_REQ_REGISTERED_BUF;
    bs->supported_zero_flags = BDRV_REQ_MAY_UNMAP | BDRV_REQ_NO_FALLBACK;
    /* What a file grows by reads as zeroes. */
    bs->supported_truncate_flags = s->device ? 0 : BDRV_REQ_ZERO_WRITE;
    return 0;
}

static int file_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    return open_common(bs, options, flags, false, errp);
}

static int host_device_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    return open_common(bs, options, flags, true, errp);
}

static void file_close(BlockDriverState *bs)
{
    FileState *s = bs->opaque;

    file_end_writeback(s);
    if (s->fd >= 0) {
        fdset_close(s->fd);
        s->fd = -1;
    }
}

static void file_refresh_limits(BlockDriverState *bs, Error **errp)
{
    FileState *s = bs->opaque;

    bs->bl.request_alignment = s->align;
    bs->bl.min_mem_alignment = s->mem_align;
    bs->bl.opt_mem_alignment = MAX(s->mem_align, (size_t)sysconf(_SC_PAGESIZE));
    if (s->device) {
        bs->bl.request_alignment = MAX(bs->bl.request_alignment, BDRV_SECTOR_SIZE);
    }
}

static int64_t file_getlength(BlockDriverState *bs)
{
    return file_length_fd(((FileState *)bs->opaque)->fd);
}

static int64_t file_allocated_size(BlockDriverState *bs)
{
    struct stat st;

    return fstat(((FileState *)bs->opaque)->fd, &st) < 0 ? -errno : (int64_t)st.st_blocks * 512;
}

/* A plain file has nothing to tell, which is an answer too: `info` shows its flags. */
static int file_get_info(BlockDriverState *bs, BlockDriverInfo *bdi)
{
    return 0;
}

/* --- permissions: locks follow them -------------------------------------------------- */

static int file_check_perm(BlockDriverState *bs, uint64_t perm, uint64_t shared, Error **errp)
{
    FileState *s = bs->opaque;
    int ret;

    s->new_perm = perm;
    s->new_shared = shared;
    if (!s->use_lock || s->fd < 0 || (bs->open_flags & BDRV_O_INACTIVE)) {
        return 0;
    }
    ret = file_lock_apply(s, s->fd, perm, shared, false, errp);
    /* Only what is new can meet resistance. */
    if (ret == 0) {
        ret = file_lock_check(s->fd, perm & ~s->perm, shared | ~s->shared, bs->filename, errp);
    }
    if (ret < 0) {
        file_lock_apply(s, s->fd, s->perm, s->shared, true, NULL);
    }
    return ret;
}

static void file_set_perm(BlockDriverState *bs, uint64_t perm, uint64_t shared)
{
    FileState *s = bs->opaque;

    if (s->use_lock && s->fd >= 0) {
        file_lock_apply(s, s->fd, perm, shared, true, NULL);
    }
    s->perm = perm;
    s->shared = shared;
}

static void file_abort_perm(BlockDriverState *bs)
{
    FileState *s = bs->opaque;

    if (s->use_lock && s->fd >= 0) {
        file_lock_apply(s, s->fd, s->perm, s->shared, true, NULL);
    }
}

/* --- reopen --------------------------------------------------------------------------- */

static int file_reopen_prepare(BdrvReopenState *rs, Error **errp)
{
    FileState *s = rs->bs->opaque, *n = g_memdup2(s, sizeof(*s));
    const char *filename = opt_get_str(rs->options, "filename");
    Error *err = NULL;

    if (!filename) {
        filename = rs->bs->filename;
    }
    if (!take_engine(n, rs->options, rs->flags, errp) || !take_locking(n, rs->options, errp)) {
        g_free(n);
        return -EINVAL;
    }
    n->open_flags = unix_flags(rs->flags, !(rs->flags & BDRV_O_RDWR));
    if (n->open_flags != s->open_flags) {
        n->fd = fdset_open(filename, n->open_flags, 0, &err);
        if (n->fd < 0) {
            int ret = -errno;

            if (err) {
                error_propagate(errp, err);
            } else {
                error_setg_errno(errp, -ret, "Could not open '%s'", filename);
            }
            g_free(n);
            return ret;
        }
        find_alignment(n);
    }
    rs->opaque = n;
    return 0;
}

static void file_reopen_commit(BdrvReopenState *rs)
{
    FileState *s = rs->bs->opaque, *n = rs->opaque;

    file_end_writeback(s);
    n->writeback = NULL;
    n->lost = s->lost;
    file_forget_data(n);
    if (n->fd != s->fd) {
        /*
         * The new descriptor gets its locks only now: before, a permission check on the old one would have
         * taken them for somebody else's.  Locks are all shared, so they cannot be refused.
         */
        if (n->use_lock) {
            file_lock_apply(n, n->fd, s->perm, s->shared, true, NULL);
        }
        fdset_close(s->fd);
    }
    n->perm = s->perm;
    n->shared = s->shared;
    *s = *n;
    g_free(n);
}

static void file_reopen_abort(BdrvReopenState *rs)
{
    FileState *s = rs->bs->opaque, *n = rs->opaque;

    if (n && n->fd != s->fd) {
        fdset_close(n->fd);
    }
    g_free(n);
}

static int coroutine_fn file_co_delete(BlockDriverState *bs, Error **errp)
{
    struct stat st;
    int ret;

    if (stat(bs->exact_filename, &st) < 0 || !S_ISREG(st.st_mode)) {
        error_setg(errp, "%s is not a regular file", bs->exact_filename);
        return -ENOENT;
    }
    ret = unlink(bs->exact_filename) < 0 ? -errno : 0;
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Error when deleting file %s", bs->exact_filename);
    }
    return ret;
}

static void file_refresh_filename(BlockDriverState *bs)
{
    const char *filename = qdict_get_str(bs->options, "filename");

    if (filename) {
        g_free(bs->exact_filename);
        bs->exact_filename = g_strdup(filename);
    }
}

static const char *const file_strong_options[] = { "filename", NULL };
/* No "locking" or "pr-manager": an image must not switch locks off, nor use what the user has. */
static const char *const file_image_options[] = { "filename", "aio", "drop-cache", NULL };
static const char *const file_mutable_options[] = { "x-check-cache-dropped", NULL };

#define FILE_COMMON                                \
    .instance_size = sizeof(FileState),            \
    .image_may_name = true,                        \
    .image_options = file_image_options,           \
    .needs_filename = true,                        \
    .open_options = file_open_options,             \
    .fixed_options = file_fixed_options,           \
    .mutable_options = file_mutable_options,       \
    .strong_options = file_strong_options,         \
    .close = file_close,                           \
    .reopen_prepare = file_reopen_prepare,         \
    .reopen_commit = file_reopen_commit,           \
    .reopen_abort = file_reopen_abort,             \
    .refresh_limits = file_refresh_limits,         \
    .refresh_filename = file_refresh_filename,     \
    .check_perm = file_check_perm,                 \
    .set_perm = file_set_perm,                     \
    .abort_perm_update = file_abort_perm,          \
    .co_read = file_co_read,                       \
    .co_write = file_co_write,                     \
    .co_zero = file_co_zero,                       \
    .co_discard = file_co_discard,                 \
    .get_specific_stats = file_get_specific_stats, \
    .co_copy_range = file_co_copy_range,           \
    .co_flush_to_disk = file_co_flush,             \
    .begin_writeback = file_begin_writeback,       \
    .co_truncate = file_co_truncate,               \
    .getlength = file_getlength,                   \
    .get_info = file_get_info,                     \
    .get_allocated_size = file_allocated_size

/* How requests and locks are made is decided when the file is opened. */
static const char *const file_fixed_options[] = { "aio", "aio-max-batch", "locking", "pr-manager", NULL };

static const BlockDriver file_driver = {
    .name = "file",
    .protocol = "file",
    .bounds_are_soft = true,
    .extend_run = 8 * MiB,
    .create_options = file_create_options,
    .parse_filename = file_parse_filename,
    .open = file_open,
    .co_create = file_co_create,
    .co_delete_file = file_co_delete,
    .co_block_status = file_co_block_status,
    FILE_COMMON,
};

/* What is there already is emptied, never made: a size that it has, and no preallocation. */
static const OptDesc host_device_create_options[] = {
    { "size", OPT_SIZE, "Virtual disk size", NULL },
    { "preallocation", OPT_STRING, "Preallocation mode (allowed values: off)", NULL },
    { NULL }
};

static const BlockDriver host_device_driver = {
    .name = "host_device",
    .bounds_are_soft = true,         /* the kernel knows the end, which may move: ENOSPC past it */
    .create_options = host_device_create_options,
    .protocol = "host_device",
    .probe_device = host_device_probe,
    .parse_filename = host_device_parse_filename,
    .open = host_device_open,
    FILE_COMMON,
};

void bdrv_file_register(void)
{
    bdrv_register(&file_driver);
    bdrv_register(&host_device_driver);
}
