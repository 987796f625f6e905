/*
 * Callbacks of the filters that jobs put over a node: what a filter does not change, it takes from here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_JOB_TOP_H
#define BLOCK_JOB_TOP_H

#include "block/driver.h"

int64_t job_top_getlength(BlockDriverState *bs);
int coroutine_fn job_top_co_block_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                                         int64_t *pnum, int64_t *map, BlockDriverState **file);
void job_top_refresh_filename(BlockDriverState *bs);
int coroutine_fn job_top_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                 size_t qiov_offset, BdrvRequestFlags flags);

#endif
