/*
 * BlockBackend: what happens when a guest's request fails: report, ignore, or stop the machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "backend.h"
#include "util/aio.h"

static void (*vm_stop_prepare)(void);
static void (*vm_stop)(void);

void blk_set_on_error(BlockBackend *blk, BlkOnError on_read_error, BlkOnError on_write_error)
{
    blk->on_read_error = on_read_error;
    blk->on_write_error = on_write_error;
}

BlkOnError blk_get_on_error(const BlockBackend *blk, bool is_read)
{
    return is_read ? blk->on_read_error : blk->on_write_error;
}

BlkErrorAction blk_get_error_action(const BlockBackend *blk, bool is_read, int error)
{
    switch (blk_get_on_error(blk, is_read)) {
    case BLK_ON_ERROR_ENOSPC:
    case BLK_ON_ERROR_AUTO:
        return error == ENOSPC ? BLK_ERROR_ACTION_STOP : BLK_ERROR_ACTION_REPORT;
    case BLK_ON_ERROR_STOP:
        return BLK_ERROR_ACTION_STOP;
    case BLK_ON_ERROR_IGNORE:
        return BLK_ERROR_ACTION_IGNORE;
    default:
        return BLK_ERROR_ACTION_REPORT;
    }
}

static void tell_and_stop(BlockBackend *blk, BlkErrorAction action, bool is_read, int error)
{
    bool stop = action == BLK_ERROR_ACTION_STOP;

    if (stop) {
        /* The status first: who is told of the event or the stop may ask for it at once. */
        blk_iostatus_set_err(blk, error);
        if (vm_stop_prepare) {
            vm_stop_prepare();
        }
    }
    blk_event_io_error(blk, action, is_read, error);
    if (stop && vm_stop) {
        vm_stop();
    }
}

typedef struct ErrorNote {
    BlockBackend *blk;
    BlkErrorAction action;
    bool is_read;
    int error;
} ErrorNote;

static void take_note(void *opaque)
{
    ErrorNote *n = opaque;

    tell_and_stop(n->blk, n->action, n->is_read, n->error);
    blk_dec_in_flight(n->blk);
    g_free(n);
}

void blk_error_action(BlockBackend *blk, BlkErrorAction action, bool is_read, int error)
{
    ErrorNote *n;

    if (in_main_thread()) {
        tell_and_stop(blk, action, is_read, error);
        return;
    }
    n = g_new(ErrorNote, 1);
    *n = (ErrorNote) { blk, action, is_read, error };
    blk_inc_in_flight(blk);
    aio_bh_oneshot(aio_main_context(), take_note, n);
}

void blk_set_vm_stop_hook(void (*prepare)(void), void (*stop)(void))
{
    vm_stop_prepare = prepare;
    vm_stop = stop;
}

void blk_iostatus_enable(BlockBackend *blk)
{
    blk->iostatus_enabled = true;
    blk->iostatus = BLK_IO_STATUS_OK;
}

void blk_iostatus_disable(BlockBackend *blk)
{
    blk->iostatus_enabled = false;
}

/* Shown only where an error can stop the machine. */
bool blk_iostatus_is_enabled(const BlockBackend *blk)
{
    return blk->iostatus_enabled &&
           (blk->on_write_error == BLK_ON_ERROR_ENOSPC || blk->on_write_error == BLK_ON_ERROR_STOP ||
            blk->on_read_error == BLK_ON_ERROR_STOP);
}

BlkIoStatus blk_iostatus(const BlockBackend *blk)
{
    return blk->iostatus;
}

void blk_iostatus_reset(BlockBackend *blk)
{
    blk->iostatus = BLK_IO_STATUS_OK;
}

void blk_iostatus_set_err(BlockBackend *blk, int error)
{
    if (blk->iostatus_enabled && blk->iostatus == BLK_IO_STATUS_OK) {
        blk->iostatus = error == ENOSPC ? BLK_IO_STATUS_NOSPACE : BLK_IO_STATUS_FAILED;
    }
}
