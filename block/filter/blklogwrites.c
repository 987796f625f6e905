/*
 * blklogwrites: a filter that copies every write, discard and flush into a log in the
 * format of the Linux kernel's dm-log-writes target, so that its replay-log tool (or our power-cut
 * tests) can rebuild the disk as it was after any request.
 *
 * Log layout (little endian; from the kernel's documentation of log-writes): one sector
 * with the super block { magic, version, number of entries, sector size }, then for each
 * entry one sector { sector, number of sectors, flags, data length } followed by its data.
 *
 * Order: a write is logged when it has completed, a flush at the moment it is submitted, so
 * that the log never claims a write durable that was still under way when the flush began.
 * Entries get their place in the log under `lock`; data goes there without it, and the super
 * block counts only entries below which all data is written.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "block/driver.h"
#include "../drivers.h"
#include "pass.h"
#include "util/cutils.h"

#define LOG_MAGIC 0x6a736677736872ULL
#define LOG_VERSION 1ULL
#define LOG_FLUSH 1u
#define LOG_FUA 2u
#define LOG_DISCARD 4u

typedef struct LogSuper {
    uint64_t magic, version, nr_entries;
    uint32_t sectorsize;
} __attribute__((packed)) LogSuper;

typedef struct LogEntry {
    uint64_t sector, nr_sectors, flags, data_len;
} __attribute__((packed)) LogEntry;

typedef struct LogWrites {
    BdrvChild *log;
    uint32_t sector_size;
    unsigned sector_bits;
    uint64_t super_interval;       /* entries between two updates of the super block */
    CoMutex lock;                  /* guards the fields below */
    uint64_t next_sector;          /* first free sector of the log */
    uint64_t nr_entries;
    unsigned writing;              /* entries placed but not yet written */
} LogWrites;

static const OptDesc logwrites_options[] = {
    { "log-append", OPT_BOOL, "Append to an existing log", NULL },
    { "log-sector-size", OPT_SIZE, "Log sector size", NULL },
    { "log-super-update-interval", OPT_NUMBER, "Log superblock update interval (# of write requests)", NULL },
    { NULL }
};

static bool sector_size_ok(uint64_t size)
{
    return IS_POW2(size) && size >= sizeof(LogSuper) && size >= sizeof(LogEntry) && size < (1ULL << 24);
}

/* Walk the entries of an existing log to the sector after the last one. */
static int log_find_end(LogWrites *s, uint64_t nr_entries, Error **errp)
{
    int64_t length = bdrv_getlength(s->log->bs);
    uint64_t sector = 1;

    for (uint64_t i = 0; i < nr_entries; i++) {
        LogEntry e;
        uint64_t sectors, flags;
        int ret;

        if ((int64_t)(sector << s->sector_bits) >= length) {       /* nor would any number of further ones be there */
            error_setg(errp, "Log entry %" PRIu64 " is beyond the end of the log", i);
            return -EINVAL;
        }
        ret = bdrv_read_buf(s->log, (int64_t)(sector << s->sector_bits), sizeof(e), &e, 0);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Failed to read log entry %" PRIu64, i);
            return ret;
        }
        flags = GUINT64_FROM_LE(e.flags);
        sectors = flags & LOG_DISCARD ? 0 : GUINT64_FROM_LE(e.nr_sectors);
        if (flags & ~0xfULL || sectors > (uint64_t)INT64_MAX >> s->sector_bits) {
            error_setg(errp, "Invalid flags in log entry %" PRIu64, i);
            return -EINVAL;
        }
        sector += 1 + sectors;
        if (sector > (uint64_t)(INT64_MAX >> s->sector_bits)) {
            error_setg(errp, "Log entry %" PRIu64 " is too large", i);
            return -EINVAL;
        }
    }
    s->next_sector = sector;
    s->nr_entries = nr_entries;
    return 0;
}

static int log_open_existing(LogWrites *s, Error **errp)
{
    LogSuper sb;
    int ret = bdrv_read_buf(s->log, 0, sizeof(sb), &sb, 0);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not read log superblock");
        return ret;
    }
    if (GUINT64_FROM_LE(sb.magic) != LOG_MAGIC) {
        error_setg(errp, "Invalid log superblock magic");
        return -EINVAL;
    }
    if (GUINT64_FROM_LE(sb.version) != LOG_VERSION) {
        error_setg(errp, "Unsupported log version %" PRIu64, GUINT64_FROM_LE(sb.version));
        return -EINVAL;
    }
    s->sector_size = GUINT32_FROM_LE(sb.sectorsize);
    if (!sector_size_ok(s->sector_size)) {
        error_setg(errp, "Invalid log sector size %" PRIu32, s->sector_size);
        return -EINVAL;
    }
    s->sector_bits = __builtin_ctz(s->sector_size);
    return log_find_end(s, GUINT64_FROM_LE(sb.nr_entries), errp);
}

static int logwrites_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    LogWrites *s = bs->opaque;
    bool append = opt_get_bool(options, "log-append", false);
    int ret = pass_open_file(bs, errp);

    if (ret < 0) {
        return ret;
    }
    s->log = bdrv_open_child(NULL, bs->options, "log", bs, BDRV_CHILD_METADATA, false, errp);
    if (!s->log) {
        return -EINVAL;
    }
    co_mutex_init(&s->lock);
    s->super_interval = opt_get_number(options, "log-super-update-interval", 4096);
    if (s->super_interval == 0) {
        error_setg(errp, "Invalid log superblock update interval %d", 0);
        return -EINVAL;
    }
    if (append) {
        if (qdict_has(options, "log-sector-size")) {
            error_setg(errp, "log-append and log-sector-size are mutually exclusive");
            return -EINVAL;
        }
        ret = log_open_existing(s, errp);
        if (ret < 0) {
            return ret;
        }
    } else {
        uint64_t size = opt_get_size(options, "log-sector-size", 512);

        if (!sector_size_ok(size)) {
            error_setg(errp, "Invalid log sector size %" PRIu64, size);
            return -EINVAL;
        }
        s->sector_size = size;
        s->sector_bits = __builtin_ctz(s->sector_size);
        s->next_sector = 1;
    }
    return 0;
}

/* Write the super block for what is complete now.  Call with lock held. */
static int coroutine_fn log_update_super(LogWrites *s)
{
    LogSuper sb = {
        .magic = GUINT64_TO_LE(LOG_MAGIC),
        .version = GUINT64_TO_LE(LOG_VERSION),
        .nr_entries = GUINT64_TO_LE(s->nr_entries),
        .sectorsize = GUINT32_TO_LE(s->sector_size),
    };
    g_autofree uint8_t *sector = g_malloc0(s->sector_size);
    int ret;

    memcpy(sector, &sb, sizeof(sb));
    ret = bdrv_write_buf(s->log, 0, s->sector_size, sector, 0);
    return ret < 0 ? ret : bdrv_flush(s->log->bs);
}

static void logwrites_close(BlockDriverState *bs)
{
    LogWrites *s = bs->opaque;

    if (s->log && s->sector_size && bdrv_is_writable(s->log->bs)) {
        LogSuper sb = {
            .magic = GUINT64_TO_LE(LOG_MAGIC),
            .version = GUINT64_TO_LE(LOG_VERSION),
            .nr_entries = GUINT64_TO_LE(s->nr_entries),
            .sectorsize = GUINT32_TO_LE(s->sector_size),
        };
        g_autofree uint8_t *sector = g_malloc0(s->sector_size);

        memcpy(sector, &sb, sizeof(sb));
        if (bdrv_write_sync(s->log, 0, s->sector_size, sector, 0) < 0) {
            warn_report("the log of '%s' could not be completed", bs->filename);
        }
    }
}

/*
 * Append one entry.  qiov NULL: zeroes of `bytes` (flags without DISCARD) or no data.
 */
static int coroutine_fn log_append(LogWrites *s, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                                   uint64_t flags)
{
    bool has_data = bytes && !(flags & LOG_DISCARD);
    uint64_t data_sectors = has_data ? DIV_UP((uint64_t)bytes, s->sector_size) : 0;
    LogEntry e = {
        .sector = GUINT64_TO_LE((uint64_t)offset >> s->sector_bits),
        .nr_sectors = GUINT64_TO_LE((uint64_t)bytes >> s->sector_bits),
        .flags = GUINT64_TO_LE(flags),
    };
    g_autofree uint8_t *sector = g_malloc0(s->sector_size);
    int64_t at;
    int ret;

    memcpy(sector, &e, sizeof(e));
    co_mutex_lock(&s->lock);
    at = (int64_t)(s->next_sector << s->sector_bits);
    s->next_sector += 1 + data_sectors;
    s->nr_entries++;
    s->writing++;
    co_mutex_unlock(&s->lock);

    ret = bdrv_write_buf(s->log, at, s->sector_size, sector, 0);
    if (ret >= 0 && has_data) {
        ret = qiov ? bdrv_write(s->log, at + s->sector_size, bytes, qiov, qiov_offset, 0)
                   : bdrv_zero(s->log, at + s->sector_size, bytes, 0);
    }

    CO_SCOPED_LOCK(&s->lock);
    s->writing--;
    if (ret >= 0 && s->writing == 0 && ((flags & LOG_FLUSH) || s->nr_entries % s->super_interval == 0)) {
        ret = log_update_super(s);
    }
    return ret;
}

static int coroutine_fn logwrites_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                           size_t qiov_offset, BdrvRequestFlags flags)
{
    int ret = bdrv_write(bs->file, offset, bytes, qiov, qiov_offset, flags);

    return ret < 0 ? ret : log_append(bs->opaque, offset, bytes, qiov, qiov_offset, flags & BDRV_REQ_FUA ? LOG_FUA : 0);
}

static int coroutine_fn logwrites_co_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    int ret = bdrv_zero(bs->file, offset, bytes, flags);

    return ret < 0 ? ret : log_append(bs->opaque, offset, bytes, NULL, 0, flags & BDRV_REQ_FUA ? LOG_FUA : 0);
}

static int coroutine_fn logwrites_co_discard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    int ret = bdrv_discard(bs->file, offset, bytes);

    return ret < 0 ? ret : log_append(bs->opaque, offset, bytes, NULL, 0, LOG_DISCARD);
}

static int coroutine_fn logwrites_co_flush(BlockDriverState *bs)
{
    int ret = log_append(bs->opaque, 0, 0, NULL, 0, LOG_FLUSH);

    return ret < 0 ? ret : bdrv_flush(bs->file->bs);
}

static void logwrites_child_perm(BlockDriverState *bs, BdrvChild *c, BdrvChildRole role, uint64_t perm, uint64_t shared,
                                 uint64_t *nperm, uint64_t *nshared)
{
    bdrv_default_perms(bs, c, role, perm, shared, nperm, nshared);
    if (!(role & BDRV_CHILD_FILTERED)) {
        /* The log is written to and grows whatever the parents do, unless nothing can be written; nobody else should. */
        *nperm = BLK_PERM_CONSISTENT_READ | (bs->read_only ? 0 : BLK_PERM_WRITE | BLK_PERM_RESIZE);
        *nshared = BLK_PERM_CONSISTENT_READ;
    }
}

static void logwrites_refresh_limits(BlockDriverState *bs, Error **errp)
{
    LogWrites *s = bs->opaque;

    bs->bl.request_alignment = MAX(bs->bl.request_alignment, s->sector_size);
}

static const BlockDriver blklogwrites_driver = {
    .name = "blklogwrites",
    .instance_size = sizeof(LogWrites),
    .is_filter = true,
    .open_options = logwrites_options,
    .open = logwrites_open,
    .close = logwrites_close,
    .refresh_limits = logwrites_refresh_limits,
    .child_perm = logwrites_child_perm,
    .co_read = pass_co_read,
    .co_write = logwrites_co_write,
    .co_zero = logwrites_co_zero,
    .co_discard = logwrites_co_discard,
    .co_flush_to_disk = logwrites_co_flush,
    .co_truncate = pass_co_truncate,
    .getlength = pass_getlength,
    .co_block_status = pass_co_block_status,
};

void bdrv_blklogwrites_register(void)
{
    bdrv_register(&blklogwrites_driver);
}
