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
/* Poll this thread's context until no request of blk (or of any backend) is in flight. */
void blk_drain(BlockBackend *blk);
void blk_drain_all(void);

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

#endif
