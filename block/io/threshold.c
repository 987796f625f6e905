/*
 * The write threshold of a node: one event when a write goes beyond it, then it is off again.
 *
 * Set in the main thread, looked at by writes in any thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "io.h"
#include "qapi/events-block-core.h"

void bdrv_set_write_threshold(BlockDriverState *bs, uint64_t bytes)
{
    __atomic_store_n(&io_of(bs)->write_threshold, bytes, __ATOMIC_SEQ_CST);
}

uint64_t bdrv_get_write_threshold(const BlockDriverState *bs)
{
    return LOAD(&io_of(bs)->write_threshold);
}

void threshold_passed(BlockDriverState *bs, uint64_t end)
{
    uint64_t *threshold = &io_of(bs)->write_threshold, t = LOAD(threshold);
    BlockWriteThresholdEvent event = { .node_name = bs->node_name, .amount_exceeded = end - t, .write_threshold = t };

    if (t && end > t && __atomic_compare_exchange_n(threshold, &t, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        qapi_event_send_BLOCK_WRITE_THRESHOLD(&event);
    }
}
