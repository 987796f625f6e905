/*
 * Files grow, shrink and come into being: truncation with preallocation, `create`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "file.h"
#include "util/cutils.h"

#define FULL_CHUNK ((int64_t)(1 * MiB))
#define BEGIN_DISK_AT ((int64_t)(8 * MiB))

const OptDesc file_create_options[] = {
    { "size", OPT_SIZE, "Virtual disk size", NULL },
    { "nocow", OPT_BOOL, "Turn off copy-on-write (valid only on btrfs)", NULL },
    { "preallocation", OPT_STRING, "Preallocation mode (allowed values: off, falloc, full)", NULL },
    { "extent_size_hint", OPT_SIZE, "Extent size hint for the image file, 0 to disable", NULL },
    { NULL }
};

int64_t file_length_fd(int fd)
{
    struct stat st;
    uint64_t bytes;
    int64_t end;

    if (fstat(fd, &st) < 0) {
        return -errno;
    }
    if (S_ISREG(st.st_mode)) {
        return st.st_size;
    }
    if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, &bytes) == 0) {
        return bytes > INT64_MAX ? -EFBIG : (int64_t)bytes;
    }
    end = lseek(fd, 0, SEEK_END);
    return end < 0 ? -errno : end;
}

/*
 * Really write zeroes, then make them durable.  Pieces end at their own multiples: a file may end inside a page, and each
 * page of it would be written twice.  The disk begins with what is there while the rest is made.
 */
static int fill(int fd, int64_t offset, int64_t end, Error **errp)
{
    static uint8_t zeroes[FULL_CHUNK] __attribute__((aligned(4096)));      /* as direct I/O wants it */
    int64_t begun = offset;

    while (offset < end) {
        ssize_t n = pwrite(fd, zeroes, MIN(end - offset, FULL_CHUNK - offset % FULL_CHUNK), offset);

        if (n < 0 && errno != EINTR) {
            int ret = -errno;

            error_setg_errno(errp, -ret, "Could not write zeros for preallocation");
            return ret;
        }
        offset += MAX(n, 0);
        if (offset - begun >= BEGIN_DISK_AT) {
            sync_file_range(fd, begun, offset - begun, SYNC_FILE_RANGE_WRITE);   /* it promises nothing: fsync tells */
            begun = offset;
        }
    }
    while (fsync(fd) < 0) {
        if (errno != EINTR) {
            int ret = -errno;

            error_setg_errno(errp, -ret, "Could not flush file to disk");
            return ret;
        }
    }
    return 0;
}

/* A new file gets its first block at once, so that the alignment that O_DIRECT needs can be found out by reading. */
static int allocate_first_block(int fd, int64_t bytes)
{
    static const uint8_t zeroes[4096];
    ssize_t n;

    do {
        n = pwrite(fd, zeroes, MIN(bytes, (int64_t)sizeof(zeroes)), 0);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

int file_set_length(int fd, int64_t length)
{
    int ret;

    do {
        ret = ftruncate(fd, length);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : 0;
}

static int allocate_range(int fd, int64_t offset, int64_t bytes)
{
    int ret;

    do {
        ret = posix_fallocate(fd, offset, bytes);
    } while (ret == EINTR);
    return -ret;
}

/* Did the file grow, by no more than was tried?  What lies behind that was written by somebody else meanwhile. */
static bool grown_within(int fd, int64_t from, int64_t to)
{
    int64_t length = file_length_fd(fd);

    return length > from && length <= to;
}

int file_truncate_fd(int fd, int64_t offset, PreallocMode prealloc, Error **errp)
{
    int64_t current = file_length_fd(fd);
    int ret = 0;

    if (current < 0) {
        error_setg_errno(errp, -current, "Could not get length of file");
        return current;
    }
    if (prealloc == PREALLOC_METADATA) {
        error_setg(errp, "Unsupported preallocation mode: %s", prealloc_mode_name(prealloc));
        return -ENOTSUP;
    }
    if (prealloc != PREALLOC_OFF && offset < current) {
        error_setg(errp, "Cannot use preallocation for shrinking files");
        return -EINVAL;
    }
    if (prealloc == PREALLOC_FALLOC) {
        /* posix_fallocate refuses a length of zero. */
        ret = offset > current ? allocate_range(fd, current, offset - current) : 0;
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not preallocate new data");
        }
    } else {
        ret = file_set_length(fd, offset);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not resize file");
        } else if (prealloc == PREALLOC_FULL) {
            ret = fill(fd, current, offset, errp);
        }
    }
    if (ret == 0 && current == 0 && offset > 0 && prealloc != PREALLOC_FULL) {
        ret = allocate_first_block(fd, offset);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not allocate the first block");
        }
    }
    if (ret < 0 && grown_within(fd, current, offset) && file_set_length(fd, current) < 0) {
        error_prepend(errp, "(and the old length could not be restored) ");
    }
    return ret;
}

typedef struct TruncateJob {
    int fd;
    int64_t offset;
    PreallocMode prealloc;
    Error **errp;
} TruncateJob;

static int truncate_job(void *arg)
{
    TruncateJob *j = arg;

    return file_truncate_fd(j->fd, j->offset, j->prealloc, j->errp);
}

static int device_truncate(FileState *s, int64_t offset, bool exact, PreallocMode prealloc, Error **errp)
{
    int64_t current = file_length_fd(s->fd);

    if (prealloc != PREALLOC_OFF) {
        error_setg(errp, "Preallocation mode '%s' unsupported for this non-regular file", prealloc_mode_name(prealloc));
        return -ENOTSUP;
    }
    if (current < 0) {
        error_setg_errno(errp, -current, "Failed to inquire current length of device");
        return current;
    }
    if (exact && offset != current) {
        error_setg(errp, "Cannot resize device files");
        return -ENOTSUP;
    }
    if (offset > current) {
        error_setg(errp, "Cannot grow device files");
        return -EINVAL;
    }
    return 0;
}

int coroutine_fn file_co_truncate(BlockDriverState *bs, int64_t offset, bool exact, PreallocMode prealloc,
                                  BdrvRequestFlags flags, Error **errp)
{
    FileState *s = bs->opaque;
    TruncateJob j = { s->fd, offset, prealloc, errp };

    if (s->device) {
        return device_truncate(s, offset, exact, prealloc, errp);
    }
    int ret = thread_pool_co_run(truncate_job, &j);
    file_forget_data(s);
    return ret;
}

/* Attributes that some file systems have; where they are missing nothing is lost. */
static void set_attributes(int fd, bool nocow, uint64_t extent_hint)
{
    struct fsxattr attr;
    int flags;

    if (nocow && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
        flags |= FS_NOCOW_FL;
        ioctl(fd, FS_IOC_SETFLAGS, &flags);
    }
    if (extent_hint && ioctl(fd, FS_IOC_FSGETXATTR, &attr) == 0) {
        attr.fsx_xflags |= FS_XFLAG_EXTSIZE;
        attr.fsx_extsize = extent_hint;
        ioctl(fd, FS_IOC_FSSETXATTR, &attr);
    }
}

typedef struct CreateJob {
    const char *filename;
    int64_t size;
    bool nocow;
    uint64_t extent_hint;
    PreallocMode prealloc;
    Error **errp;
} CreateJob;

/*
 * Nobody may be using the file: write and resize are taken (and not shared) before it is emptied.
 */
static int create_job(void *arg)
{
    CreateJob *j = arg;
    uint64_t perm = BLK_PERM_WRITE | BLK_PERM_RESIZE, shared = BLK_PERM_ALL & ~(uint64_t)BLK_PERM_RESIZE;
    FileState s = { .fd = open(j->filename, O_RDWR | O_CREAT | O_CLOEXEC, 0644) };
    int ret;

    if (s.fd < 0) {
        ret = -errno;
        error_setg_errno(j->errp, -ret, "Could not create '%s'", j->filename);
        return ret;
    }
    ret = file_lock_apply(&s, s.fd, perm, shared, false, j->errp);
    if (ret == 0) {
        ret = file_lock_check(s.fd, perm, shared, j->filename, j->errp);
    }
    if (ret == 0) {
        ret = file_set_length(s.fd, 0);
        if (ret < 0) {
            error_setg_errno(j->errp, -ret, "Could not resize file");
        }
    }
    if (ret == 0) {
        set_attributes(s.fd, j->nocow, j->extent_hint);
        ret = file_truncate_fd(s.fd, j->size, j->prealloc, j->errp);
    }
    if (close(s.fd) < 0 && ret == 0) {
        ret = -errno;
        error_setg_errno(j->errp, -ret, "Could not close the new file");
    }
    return ret;
}

int coroutine_fn file_co_create(const BlockDriver *drv, const char *filename, QDict *opts, Error **errp)
{
    const char *mode = opt_get_str(opts, "preallocation"), *rest;
    CreateJob j = { .filename = filename, .nocow = opt_get_bool(opts, "nocow", false), .errp = errp,
                    .extent_hint = opt_get_size(opts, "extent_size_hint", 1 * MiB) };

    if (str_has_prefix(filename, "file:", &rest)) {
        j.filename = rest;
    }
    if (mode && !prealloc_mode_parse(mode, &j.prealloc)) {
        error_setg(errp, "invalid parameter value: %s", mode);
        return -EINVAL;
    }
    /* Files are made of whole sectors; what that makes too large is refused where the file gets its size. */
    j.size = opt_get_size(opts, "size", 0);
    j.size = (uint64_t)j.size > INT64_MAX ? j.size : (int64_t)ALIGN_UP((uint64_t)j.size, BDRV_SECTOR_SIZE);
    if (j.extent_hint > UINT32_MAX) {
        error_setg(errp, "Extent size hint is too large");
        return -EINVAL;
    }
    return thread_pool_co_run(create_job, &j);
}
