/*
 * Callbacks of filters that hand a request to bs->file as it is: what a filter does not
 * change, it takes from here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_FILTER_PASS_H
#define BLOCK_FILTER_PASS_H

#include "block/driver.h"

int coroutine_fn pass_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                              BdrvRequestFlags flags);
int coroutine_fn pass_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                               BdrvRequestFlags flags);
int coroutine_fn pass_co_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags);
int coroutine_fn pass_co_discard(BlockDriverState *bs, int64_t offset, int64_t bytes);
int coroutine_fn pass_co_flush(BlockDriverState *bs);
int coroutine_fn pass_co_truncate(BlockDriverState *bs, int64_t offset, bool exact, PreallocMode prealloc,
                                  BdrvRequestFlags flags, Error **errp);
int64_t pass_getlength(BlockDriverState *bs);
int coroutine_fn pass_co_block_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                                      int64_t *pnum, int64_t *map, BlockDriverState **file);
/* Open the "file" child and take over its request flags. */
int pass_open_file(BlockDriverState *bs, Error **errp);

#endif
