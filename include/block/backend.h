/*
 * BlockBackend: how devices, jobs, exports and programs use a node.  It keeps the name
 * ("virtio0"), the write-cache setting, error policies, throttling and statistics, and
 * holds the root edge of the graph.
 *
 * Request functions may be called in coroutines of any event-loop thread; outside
 * coroutines they run to completion (co_run_sync).  Everything else: main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_BACKEND_H
#define BLOCK_BACKEND_H

#include "block/graph.h"
#include "block/accounting.h"
#include "block/throttle.h"

BlockBackend *blk_new(uint64_t perm, uint64_t shared);
/* bdrv_open and attach.  perm follows flags: RDWR takes write and resize; NULL on failure. */
BlockBackend *blk_open(const char *filename, const char *reference, QDict *options, int flags, Error **errp);
BlockBackend *blk_new_with_bs(BlockDriverState *bs, uint64_t perm, uint64_t shared, Error **errp);
void blk_ref(BlockBackend *blk);
void blk_unref(BlockBackend *blk);
int blk_insert_bs(BlockBackend *blk, BlockDriverState *bs, Error **errp);
void blk_remove_bs(BlockBackend *blk);
BlockDriverState *blk_bs(const BlockBackend *blk);           /* borrowed; NULL: no medium */
BdrvChild *blk_root(const BlockBackend *blk);
int blk_set_perm(BlockBackend *blk, uint64_t perm, uint64_t shared, Error **errp);

/* Names as the monitor knows them ("drive0"); at most one backend a name. */
bool blk_set_name(BlockBackend *blk, const char *name, Error **errp);
void blk_clear_name(BlockBackend *blk);                      /* the name becomes free, the backend lives on */
const char *blk_name(const BlockBackend *blk);               /* "" when anonymous */
BlockBackend *blk_by_name(const char *name);
BlockBackend *blk_next(BlockBackend *blk);                   /* named ones; NULL starts */
BlockBackend *blk_all_next(BlockBackend *blk);

int blk_pread(BlockBackend *blk, int64_t offset, int64_t bytes, void *buf, BdrvRequestFlags flags);
int blk_pwrite(BlockBackend *blk, int64_t offset, int64_t bytes, const void *buf, BdrvRequestFlags flags);
int blk_preadv(BlockBackend *blk, int64_t offset, int64_t bytes, IoVec *qiov, BdrvRequestFlags flags);
int blk_pwritev(BlockBackend *blk, int64_t offset, int64_t bytes, IoVec *qiov, BdrvRequestFlags flags);
int blk_pwrite_zeroes(BlockBackend *blk, int64_t offset, int64_t bytes, BdrvRequestFlags flags);
int blk_pwrite_compressed(BlockBackend *blk, int64_t offset, int64_t bytes, const void *buf);
int blk_pdiscard(BlockBackend *blk, int64_t offset, int64_t bytes);
int blk_copy_range(BlockBackend *src, int64_t src_offset, BlockBackend *dst, int64_t dst_offset, int64_t bytes, BdrvRequestFlags flags);
int blk_flush(BlockBackend *blk);
/* For who writes, does not flush and tells how it went: failures of writes that were answered early. */
int blk_settle(BlockBackend *blk);
int blk_truncate(BlockBackend *blk, int64_t offset, bool exact, PreallocMode prealloc, BdrvRequestFlags flags, Error **errp);
int blk_save_vmstate(BlockBackend *blk, const void *buf, int64_t pos, int size);
int blk_load_vmstate(BlockBackend *blk, void *buf, int64_t pos, int size);

/* Callback forms; cb runs in the context of the caller, ret is 0 or -errno (bytes are implied by the call). */
typedef struct BlkAio BlkAio;
typedef void BlkCompletion(void *opaque, int ret);
BlkAio *blk_aio_preadv(BlockBackend *blk, int64_t offset, IoVec *qiov, BdrvRequestFlags flags, BlkCompletion *cb, void *opaque);
BlkAio *blk_aio_pwritev(BlockBackend *blk, int64_t offset, IoVec *qiov, BdrvRequestFlags flags, BlkCompletion *cb, void *opaque);
BlkAio *blk_aio_pwrite_zeroes(BlockBackend *blk, int64_t offset, int64_t bytes, BdrvRequestFlags flags, BlkCompletion *cb, void *opaque);
BlkAio *blk_aio_pdiscard(BlockBackend *blk, int64_t offset, int64_t bytes, BlkCompletion *cb, void *opaque);
BlkAio *blk_aio_flush(BlockBackend *blk, BlkCompletion *cb, void *opaque);
/* Wait (polling) until the callback of aio, which must still be outstanding, has run. */
void blk_aio_cancel(BlkAio *aio);
/* Work of a user that a drained section must wait for although it is no request (yet). */
void blk_inc_in_flight(BlockBackend *blk);
void blk_dec_in_flight(BlockBackend *blk);
/* As blk_inc_in_flight, but false (and no count) in a drained section: a device's thread may then not look at the medium and
   leaves its requests where they are until `drained_end`.  After true: blk_dec_in_flight. */
bool blk_enter(BlockBackend *blk);
/* Requests pass even while the node is drained: for a user that is itself part of the section (jobs). */
void blk_set_disable_request_queuing(BlockBackend *blk, bool on);
/* Poll this thread's context until no request of blk (or of any backend) is in flight. */
void blk_drain(BlockBackend *blk);
void blk_drain_all(void);
/* As blk_drain, also for requests that a drained section holds up: they fail with -ECANCELED.  For a device that goes or is reset. */
void blk_drain_held(BlockBackend *blk);

bool blk_is_available(BlockBackend *blk);                    /* medium inside, tray closed */
bool blk_is_inserted(BlockBackend *blk);
bool blk_is_writable(BlockBackend *blk);
bool blk_supports_write_perm(BlockBackend *blk);
int64_t blk_getlength(BlockBackend *blk);
uint32_t blk_get_request_alignment(BlockBackend *blk);
uint32_t blk_get_max_transfer(BlockBackend *blk);
size_t blk_get_opt_mem_alignment(BlockBackend *blk);
void *blk_blockalign(BlockBackend *blk, size_t bytes);       /* aborts never: NULL on failure */
void blk_set_enable_write_cache(BlockBackend *blk, bool on); /* off: every write is followed by a flush (FUA) */
bool blk_enable_write_cache(const BlockBackend *blk);
void blk_set_allow_write_beyond_eof(BlockBackend *blk, bool on);
void blk_set_force_allow_inactivate(BlockBackend *blk);
BlockAcctStats *blk_get_stats(BlockBackend *blk);
void blk_set_aio_context(BlockBackend *blk, AioContext *ctx);
AioContext *blk_get_aio_context(BlockBackend *blk);

/* --- what a medium was opened with, kept while there is none (device.c) ---------------------- */
typedef struct BlkRootState {
    int open_flags;                    /* BDRV_O_*; RDWR: a medium is opened writable */
    bool detect_zeroes, detect_zeroes_unmap;
} BlkRootState;
BlkRootState *blk_root_state(BlockBackend *blk);             /* borrowed */
/* Copy from the medium that is inside. */
void blk_update_root_state(BlockBackend *blk);
/* As blk_insert_bs, but the edge moves from the node it is on. */
int blk_replace_bs(BlockBackend *blk, BlockDriverState *bs, Error **errp);

/* --- the device on top (device.c); main thread ----------------------------------------------- */
/* What a device tells and is told; each may be NULL. */
typedef struct BlockDevOps {
    void (*change_media)(void *dev, bool load, Error **errp);    /* present: the medium is removable */
    void (*eject_request)(void *dev, bool force);
    bool (*is_tray_open)(void *dev);                              /* present: there is a tray */
    bool (*is_medium_locked)(void *dev);
    void (*resized)(void *dev);
    void (*drained_begin)(void *dev);
    void (*drained_end)(void *dev);                               /* requests pass again */
    bool (*drained_poll)(void *dev);                              /* still busy? */
    const char *(*dev_id)(void *dev);                             /* "" none */
    char *(*dev_path)(void *dev);                                 /* QOM path, g_free */
} BlockDevOps;
/* One device a backend; it holds a reference on blk while attached.  -EBUSY when one is attached. */
int blk_attach_dev(BlockBackend *blk, const BlockDevOps *ops, void *dev);
void blk_detach_dev(BlockBackend *blk, void *dev);
void *blk_get_attached_dev(const BlockBackend *blk);              /* NULL: none */
/* The device's id, else its QOM path, else "": what events and query-block call it; g_free. */
char *blk_get_attached_dev_id(BlockBackend *blk);
/* By id or QOM path of the attached device; NULL + errp (DeviceNotFound) */
BlockBackend *blk_by_qdev_id(const char *id, Error **errp);
/* Lets blk_by_qdev_id tell a device without a backend from no device: is there a device with this id or path? */
void blk_set_device_exists_hook(bool (*fn)(const char *id));
bool blk_dev_has_removable_media(const BlockBackend *blk);        /* true without a device */
bool blk_dev_has_tray(const BlockBackend *blk);
bool blk_dev_is_tray_open(const BlockBackend *blk);
bool blk_dev_is_medium_locked(const BlockBackend *blk);
void blk_dev_eject_request(BlockBackend *blk, bool force);
/* Tell the device that the medium came or goes; sends DEVICE_TRAY_MOVED where the tray moved by that. */
void blk_dev_change_media(BlockBackend *blk, bool load, Error **errp);
/* The guest moved the tray: sends DEVICE_TRAY_MOVED. */
void blk_eject(BlockBackend *blk, bool open);
/* The guest locks or unlocks the medium (nothing that host media need yet). */
void blk_lock_medium(BlockBackend *blk, bool locked);

/* --- error policies (errors.c); the values are those of the schema's BlockdevOnError, BlockErrorAction */
typedef enum BlkOnError {
    BLK_ON_ERROR_REPORT, BLK_ON_ERROR_IGNORE, BLK_ON_ERROR_ENOSPC, BLK_ON_ERROR_STOP, BLK_ON_ERROR_AUTO
} BlkOnError;
typedef enum BlkErrorAction { BLK_ERROR_ACTION_IGNORE, BLK_ERROR_ACTION_REPORT, BLK_ERROR_ACTION_STOP } BlkErrorAction;
typedef enum BlkIoStatus { BLK_IO_STATUS_OK, BLK_IO_STATUS_FAILED, BLK_IO_STATUS_NOSPACE } BlkIoStatus;
/* Default: report reads, enospc for writes.  AUTO means that default. */
void blk_set_on_error(BlockBackend *blk, BlkOnError on_read_error, BlkOnError on_write_error);
BlkOnError blk_get_on_error(const BlockBackend *blk, bool is_read);
BlkErrorAction blk_get_error_action(const BlockBackend *blk, bool is_read, int error);    /* error: positive errno */
/* Event BLOCK_IO_ERROR; for STOP also the I/O status, and the machine is stopped by the hook.
 * From any thread: the main thread does it, while the backend counts it as in flight. */
void blk_error_action(BlockBackend *blk, BlkErrorAction action, bool is_read, int error);
/* How the machine stops for an I/O error: prepare before the event, stop after it.  Either may be NULL. */
void blk_set_vm_stop_hook(void (*prepare)(void), void (*stop)(void));
/* A device that can pause on errors enables the status; without one there is none. */
void blk_iostatus_enable(BlockBackend *blk);
void blk_iostatus_disable(BlockBackend *blk);
bool blk_iostatus_is_enabled(const BlockBackend *blk);
BlkIoStatus blk_iostatus(const BlockBackend *blk);
void blk_iostatus_reset(BlockBackend *blk);
void blk_iostatus_set_err(BlockBackend *blk, int error);

/* --- I/O limits (limits.c); main thread ------------------------------------------------------- */
/* Join the group (made when it does not exist); no effect on limits. */
void blk_io_limits_enable(BlockBackend *blk, const char *group);
void blk_io_limits_disable(BlockBackend *blk);
void blk_io_limits_update_group(BlockBackend *blk, const char *group);
const char *blk_io_limits_group(const BlockBackend *blk);         /* NULL: not throttled */
void blk_set_io_limits(BlockBackend *blk, const ThrottleConfig *cfg);
void blk_get_io_limits(BlockBackend *blk, ThrottleConfig *cfg);

/* What -drive said about this backend (include/block/drive.h); NULL for others.  Owned by blockdev/. */
typedef struct DriveInfo DriveInfo;
DriveInfo *blk_legacy_dinfo(const BlockBackend *blk);
void blk_set_legacy_dinfo(BlockBackend *blk, DriveInfo *dinfo, void (*destroy)(DriveInfo *));

#endif
