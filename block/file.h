/*
 * The file drivers' private face: block/file-*.c only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_FILE_H
#define BLOCK_FILE_H

#include "block/driver.h"

/*
 * A node over a file descriptor.  fd, flags and locks change in the main thread, drained; requests only
 * read them.
 */
typedef struct FileState {
    int fd;
    int open_flags;                /* as given to open(2) */
    AioEngineKind engine;
    bool device;                   /* block or character device */
    bool use_lock;
    uint64_t perm, shared;         /* what the locks on fd say now */
    uint64_t new_perm, new_shared; /* while a permission change is being decided */
    size_t align;                  /* of offsets and lengths: 1 without O_DIRECT */
    size_t mem_align;
    uint64_t discards_ok, discards_failed, discarded_bytes;   /* atomic; for query-blockstats */
    bool reserves;                 /* cached writes go faster into blocks that are there already (ext4) */
    bool in_memory;                /* tmpfs: no transfer waits for a disk */
    ThreadQueue large_writes, reads_ahead;   /* cached ones */
    struct FileWriteback *writeback;   /* NULL: none was begun yet */
    int no_zero_range, no_punch;  /* atomic: the kernel said "not supported" once */
    int lost;                      /* atomic; an errno: cached data may be gone, no flush succeeds any more */
    int64_t data_start, data_end;  /* atomic, each: these bytes are no hole, as far as we know; start >= end: nothing known */
} FileState;

extern const OptDesc file_open_options[], file_create_options[];

/* file-lock.c.  Lock bytes are those of the stock programs: 100 + n for a permission taken, 200 + n for one not shared. */
/* Hold the locks of (perm, shared) in addition to what is held; unwanted ones are dropped when exact. 0 or -errno. */
int file_lock_apply(FileState *s, int fd, uint64_t perm, uint64_t shared, bool exact, Error **errp);
/* Does another process stand in the way?  Fills the peer's text. */
int file_lock_check(int fd, uint64_t perm, uint64_t shared, const char *filename, Error **errp);
bool file_locks_supported(void);

/* file-resize.c */
int file_truncate_fd(int fd, int64_t offset, PreallocMode prealloc, Error **errp);   /* regular files; may block */
int64_t file_length_fd(int fd);
/* ftruncate, over signals; 0 or -errno. */
int file_set_length(int fd, int64_t length);
int coroutine_fn file_co_truncate(BlockDriverState *bs, int64_t offset, bool exact, PreallocMode prealloc,
                                  BdrvRequestFlags flags, Error **errp);
int coroutine_fn file_co_create(const BlockDriver *drv, const char *filename, QDict *opts, Error **errp);

/* file-io.c */
void file_forget_data(FileState *s);      /* holes may have come */
int coroutine_fn file_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo, BdrvRequestFlags f);
int coroutine_fn file_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo, BdrvRequestFlags f);
int coroutine_fn file_co_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags);
int coroutine_fn file_co_discard(BlockDriverState *bs, int64_t offset, int64_t bytes);
QObject *file_get_specific_stats(BlockDriverState *bs);
int coroutine_fn file_co_flush(BlockDriverState *bs);
/*
 * A flush of cached data failed with -errno (0: none did).  The system tells of it once and calls the pages clean: what is lost will
 * not be written by the next flush, which would succeed.  So none does from now on.  Returns ret.
 */
int file_note_flush(FileState *s, int ret);
int coroutine_fn file_co_copy_range(BlockDriverState *dst, int64_t dst_offset, BdrvChild *src, int64_t src_offset,
                                    int64_t bytes, BdrvRequestFlags rf, BdrvRequestFlags wf);
int coroutine_fn file_co_block_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                                      int64_t *pnum, int64_t *map, BlockDriverState **file);

/* file-writeback.c */
void file_begin_writeback(BlockDriverState *bs, int64_t offset, int64_t bytes);
/* The flush when s->writeback is there; may block. */
int file_flush_after_writeback(FileState *s);
void file_end_writeback(FileState *s);    /* before the descriptor is closed: waits for the worker */

#endif
