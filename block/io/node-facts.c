/*
 * What a node says about itself without a request: length, writability, memory for its requests, debug events.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "io.h"
#include "util/cutils.h"

#define LARGE_PAGE ((size_t)2 << 20)

int64_t bdrv_getlength(BlockDriverState *bs)
{
    return bs && bs->drv ? io_length(bs) : -ENOMEDIUM;
}

int64_t bdrv_get_allocated_size(BlockDriverState *bs)
{
    BdrvChild *filtered;
    int64_t sum = 0;

    if (!bs->drv) {
        return -ENOMEDIUM;
    }
    if (bs->drv->get_allocated_size) {
        return bs->drv->get_allocated_size(bs);
    }
    if (bs->drv->protocol && !bs->drv->is_format) {
        return -ENOTSUP;
    }
    filtered = bdrv_filter_child(bs);
    if (filtered) {
        return bdrv_get_allocated_size(filtered->bs);
    }
    for (BdrvChild *c = bs->children; c; c = c->next) {
        if (c->role & (BDRV_CHILD_DATA | BDRV_CHILD_METADATA)) {
            int64_t size = bdrv_get_allocated_size(c->bs);
            if (size < 0) {
                return size;
            }
            sum += size;
        }
    }
    return sum;
}

bool bdrv_is_writable(const BlockDriverState *bs)
{
    return !bs->read_only && !bs->core->inactive && !(bs->open_flags & BDRV_O_INACTIVE);
}

int64_t bdrv_write_highest_offset(const BlockDriverState *bs)
{
    return LOAD(&io_of(bs)->highest);
}

int64_t bdrv_write_failed_end(const BlockDriverState *bs)
{
    return LOAD(&io_of(bs)->failed_end);
}

void *bdrv_blockalign(BlockDriverState *bs, size_t bytes)
{
    size_t align = MAX(bs ? bs->bl.opt_mem_alignment : 0, 512), large = ALIGN_DOWN(bytes, LARGE_PAGE);
    void *p = NULL;

    if (posix_memalign(&p, large ? MAX(align, LARGE_PAGE) : align, MAX(bytes, 1))) {
        return NULL;
    }
    if (large) {
        madvise(p, large, MADV_HUGEPAGE);      /* one fault in place of 512; it does no harm where there are none */
    }
    return p;
}

void bdrv_memfree(void *p)
{
    free(p);
}

void bdrv_debug_event(BlockDriverState *bs, const char *event)
{
    if (bs->drv && bs->drv->debug_event) {
        bs->drv->debug_event(bs, event);
    }
}
