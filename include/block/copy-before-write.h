/*
 * The copy-before-write filter as jobs use it: old data goes to the target before it is overwritten.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_COPY_BEFORE_WRITE_H
#define BLOCK_COPY_BEFORE_WRITE_H

#include "block/block-copy.h"

/* Put a filter over source (its parents move to it).  The filter (referenced), its engine in *copy; NULL + errp. */
BlockDriverState *bdrv_cbw_append(BlockDriverState *source, BlockDriverState *target, const char *filter_node_name,
                                  BlockCopy **copy, Error **errp);
/* Take it away again; drops the reference. */
void bdrv_cbw_drop(BlockDriverState *cbw);

#endif
