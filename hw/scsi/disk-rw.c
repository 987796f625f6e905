/*
 * SCSI disks: commands that move or change blocks.
 *
 * Errors follow the backend's policy: report (sense data), ignore, or wait until the machine runs again.
 * All but what is about waiting runs in the adapter's thread or the main one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "hw/scsi/disk.h"
#include "util/aio.h"
#include "util/cutils.h"

typedef struct DiskReq DiskReq;
struct DiskReq {
    ScsiReq *r;
    ScsiDisk *s;
    void (*submit)(DiskReq *d);
    uint64_t offset, bytes, done;          /* bytes; `done` of those that go in pieces */
    IoVec iov;                             /* the part of the data that is moved */
    bool is_read, acct, fua;
    BdrvRequestFlags flags;
    BlockAcctCookie cookie;
    uint8_t *pattern;                      /* WRITE SAME, UNMAP list */
    unsigned index, count;
    DiskReq *next;
};

static DiskReq *disk_req(ScsiDisk *s, ScsiReq *r, void (*submit)(DiskReq *))
{
    DiskReq *d = g_new0(DiskReq, 1);

    d->s = s;
    d->r = r;
    d->submit = submit;
    r->device = d;
    iov_init(&d->iov, 1);
    return d;
}

static void drop(DiskReq *d)
{
    iov_destroy(&d->iov);
    g_free(d->pattern);
    g_free(d);
}

static void good(DiskReq *d)
{
    ScsiReq *r = d->r;

    drop(d);
    scsi_req_complete(r, SCSI_GOOD);
}

static void fail(DiskReq *d, ScsiSense sense)
{
    ScsiReq *r = d->r;

    drop(d);
    scsi_req_fail(r, sense);
}

/* --- errors of the backend ------------------------------------------------------------------------------ */

static ScsiSense sense_of(int error)
{
    static const ScsiSense no_target_memory = { 4, 0x55, 0x03 }, invalid = { 5, 0x24, 0 };

    switch (error) {
    case ENOMEDIUM: return scsi_no_medium;
    case ENOMEM: return no_target_memory;
    case EINVAL: return invalid;
    case ENOSPC: return scsi_space_alloc_failed;
    default: return scsi_io_error;
    }
}

static void start_account(DiskReq *d, uint64_t bytes, BlockAcctType type)
{
    block_acct_start(blk_get_stats(d->s->conf.blk), &d->cookie, bytes, type);
    d->acct = true;
}

/* False: it was cancelled meanwhile. */
static bool keep_waiting(DiskReq *d)
{
    ScsiDisk *s = d->s;
    bool cancelled;

    pthread_mutex_lock(&s->scsi.lock);
    cancelled = scsi_req_cancelled(d->r);
    if (!cancelled) {
        d->next = s->waiting;
        s->waiting = d;
    }
    pthread_mutex_unlock(&s->scsi.lock);
    return !cancelled;
}

/* True: the request goes on (an ignored error, or none). */
static bool check_result(DiskReq *d, int ret)
{
    ScsiDisk *s = d->s;
    BlkErrorAction action;
    ScsiReq *r = d->r;

    if (scsi_req_cancelled(r) || ret == -ECANCELED) {
        if (d->acct) {
            block_acct_failed(blk_get_stats(s->conf.blk), &d->cookie);
        }
        drop(d);
        scsi_req_complete(r, SCSI_TASK_ABORTED);
        return false;
    }
    if (ret >= 0) {
        if (d->acct) {
            block_acct_done(blk_get_stats(s->conf.blk), &d->cookie);
            d->acct = false;
        }
        return true;
    }
    action = blk_get_error_action(s->conf.blk, d->is_read, -ret);
    if (d->acct) {
        block_acct_failed(blk_get_stats(s->conf.blk), &d->cookie);
        d->acct = false;
    }
    blk_error_action(s->conf.blk, action, d->is_read, -ret);
    if (action == BLK_ERROR_ACTION_REPORT) {
        fail(d, sense_of(-ret));
    } else if (action == BLK_ERROR_ACTION_STOP && !keep_waiting(d)) {
        drop(d);
        scsi_req_complete(r, SCSI_TASK_ABORTED);
    }
    return action == BLK_ERROR_ACTION_IGNORE;
}

/* Of those that wait, the cancelled or all; the oldest first. */
static DiskReq *take_waiting(ScsiDisk *s, bool cancelled_only)
{
    DiskReq *in_order = NULL;

    pthread_mutex_lock(&s->scsi.lock);
    for (DiskReq **p = &s->waiting; *p; ) {
        DiskReq *d = *p;

        if (cancelled_only && !scsi_req_cancelled(d->r)) {
            p = &d->next;
            continue;
        }
        *p = d->next;
        d->next = in_order;
        in_order = d;
    }
    pthread_mutex_unlock(&s->scsi.lock);
    return in_order;
}

static void restart_bh(void *opaque)
{
    ScsiDisk *s = opaque;
    DiskReq *d = take_waiting(s, false);

    while (d) {
        DiskReq *next = d->next;

        d->submit(d);
        d = next;
    }
    blk_dec_in_flight(s->conf.blk);
}

void disk_restart(void *opaque, bool running, VmState state)
{
    ScsiDisk *s = opaque;
    bool any;

    pthread_mutex_lock(&s->scsi.lock);
    any = s->waiting;
    pthread_mutex_unlock(&s->scsi.lock);
    if (running && any) {
        blk_inc_in_flight(s->conf.blk);
        aio_bh_oneshot(aio_main_context(), restart_bh, s);
    }
}

void disk_drop_waiting(ScsiDevice *dev)
{
    DiskReq *d = take_waiting(SCSI_DISK(dev), true);

    while (d) {
        DiskReq *next = d->next;
        ScsiReq *r = d->r;

        drop(d);
        scsi_req_complete(r, SCSI_TASK_ABORTED);
        d = next;
    }
}

/* --- plain reads and writes ----------------------------------------------------------------------------------- */

static void simple_done(void *opaque, int ret)
{
    if (check_result(opaque, ret)) {
        good(opaque);
    }
}

static void submit_read(DiskReq *d)
{
    start_account(d, d->bytes, BLOCK_ACCT_READ);
    blk_aio_preadv(d->s->conf.blk, d->offset, &d->iov, 0, simple_done, d);
}

static void submit_flush(DiskReq *d)
{
    start_account(d, 0, BLOCK_ACCT_FLUSH);
    blk_aio_flush(d->s->conf.blk, simple_done, d);
}

static void write_done(void *opaque, int ret)
{
    DiskReq *d = opaque;

    if (!check_result(d, ret)) {
        return;
    }
    if (d->fua) {
        d->submit = submit_flush;
        submit_flush(d);
    } else {
        good(d);
    }
}

static void submit_write(DiskReq *d)
{
    start_account(d, d->bytes, BLOCK_ACCT_WRITE);
    blk_aio_pwritev(d->s->conf.blk, d->offset, &d->iov, 0, write_done, d);
}

static bool range_ok(ScsiDisk *s, uint64_t lba, uint64_t n)
{
    uint64_t blocks = 0;

    disk_blocks(s, &blocks);
    return n <= blocks && lba <= blocks - n;
}

static void read_or_write(ScsiDisk *s, ScsiReq *r, bool is_read)
{
    uint64_t n = r->xfer / s->scsi.blocksize;
    DiskReq *d;

    if (!is_read && !blk_is_writable(s->conf.blk)) {
        scsi_req_fail(r, scsi_write_protected);
        return;
    }
    if ((r->cdb[1] & 0xe0) && (r->cdb[0] >> 5)) {      /* protection information */
        scsi_req_fail(r, scsi_invalid_field);
        return;
    }
    if (!range_ok(s, r->lba, n)) {
        scsi_req_fail(r, scsi_lba_range);
        return;
    }
    if (!n) {
        scsi_req_complete(r, SCSI_GOOD);
        return;
    }
    if (r->xfer > BDRV_MAX_REQUEST) {
        scsi_req_fail(r, scsi_invalid_field);
        return;
    }
    d = disk_req(s, r, is_read ? submit_read : submit_write);
    d->offset = r->lba * s->scsi.blocksize;
    d->bytes = r->xfer;
    d->is_read = is_read;
    iov_concat(&d->iov, r->data, 0, r->xfer);
    r->residual = r->data->size - r->xfer;
    d->fua = !is_read && (((r->cdb[0] >> 5) && (r->cdb[1] & 8)) || (r->cdb[0] & 0x1f) == 0x0e);
    d->submit(d);
}

/* --- flush ----------------------------------------------------------------------------------------------------- */

void disk_flush(ScsiDisk *s, ScsiReq *r) { submit_flush(disk_req(s, r, submit_flush)); }

/* --- UNMAP -------------------------------------------------------------------------------------------------------- */

static void submit_unmap(DiskReq *d);

static void unmap_done(void *opaque, int ret)
{
    DiskReq *d = opaque;

    if (check_result(d, ret)) {
        d->index++;
        submit_unmap(d);
    }
}

static void submit_unmap(DiskReq *d)
{
    const uint8_t *p = d->pattern + 8 + 16 * d->index;
    uint64_t lba, n;

    if (d->index == d->count) {
        good(d);
        return;
    }
    lba = load_be64(p);
    n = load_be32(p + 8);
    if (!range_ok(d->s, lba, n)) {
        block_acct_invalid(blk_get_stats(d->s->conf.blk), BLOCK_ACCT_UNMAP);
        fail(d, scsi_lba_range);
        return;
    }
    start_account(d, n * d->s->scsi.blocksize, BLOCK_ACCT_UNMAP);
    blk_aio_pdiscard(d->s->conf.blk, lba * d->s->scsi.blocksize, n * d->s->scsi.blocksize, unmap_done, d);
}

static void unmap(ScsiDisk *s, ScsiReq *r)
{
    uint64_t len = MIN(r->xfer, 65536);
    g_autofree uint8_t *list = g_try_malloc0(MAX(len, 8));
    DiskReq *d;
    ScsiSense bad = scsi_no_sense;

    if (!list) {
        scsi_req_fail(r, sense_of(ENOMEM));
        return;
    }
    iov_to_buf(r->data, 0, list, len);
    if (r->cdb[1] & 1) {                   /* anchor */
        bad = scsi_invalid_field;
    } else if (!len) {
        scsi_req_complete(r, SCSI_GOOD);
        return;
    } else if (len < 8 || (uint64_t)load_be16(list) + 2 > len || (uint64_t)load_be16(list + 2) + 8 > len
               || load_be16(list + 2) & 15) {
        bad = scsi_invalid_param_len;
    } else if (!blk_is_writable(s->conf.blk)) {
        bad = scsi_write_protected;
    }
    if (bad.key) {
        block_acct_invalid(blk_get_stats(s->conf.blk), BLOCK_ACCT_UNMAP);
        scsi_req_fail(r, bad);
        return;
    }
    d = disk_req(s, r, submit_unmap);
    d->count = load_be16(list + 2) / 16;
    d->pattern = g_steal_pointer(&list);
    submit_unmap(d);
}

/* --- WRITE SAME --------------------------------------------------------------------------------------------------- */

#define SAME_CHUNK (512 * KiB)

static void submit_same(DiskReq *d);

static void same_done(void *opaque, int ret)
{
    DiskReq *d = opaque;

    if (check_result(d, ret)) {
        d->done += d->iov.size;
        if (d->done == d->bytes) {
            good(d);
        } else {
            submit_same(d);
        }
    }
}

static void submit_same(DiskReq *d)
{
    uint64_t n = MIN(d->bytes - d->done, SAME_CHUNK);

    iov_reset(&d->iov);
    iov_add(&d->iov, d->pattern, n);
    start_account(d, n, BLOCK_ACCT_WRITE);
    blk_aio_pwritev(d->s->conf.blk, d->offset + d->done, &d->iov, 0, same_done, d);
}

static void submit_zeroes(DiskReq *d)
{
    start_account(d, d->bytes, BLOCK_ACCT_WRITE);
    blk_aio_pwrite_zeroes(d->s->conf.blk, d->offset, d->bytes, d->flags, simple_done, d);
}

static void write_same(ScsiDisk *s, ScsiReq *r)
{
    bool no_data = r->cdb[1] & 1;
    uint64_t n = r->cdb[0] == 0x41 ? load_be16(r->cdb + 7) : load_be32(r->cdb + 10);
    uint32_t blocksize = s->scsi.blocksize;
    g_autofree uint8_t *block = g_try_malloc0(blocksize);
    DiskReq *d;

    if (!block) {
        scsi_req_fail(r, sense_of(ENOMEM));
        return;
    }
    if (!n || (r->cdb[1] & 0x16)) {
        scsi_req_fail(r, scsi_invalid_field);
        return;
    }
    if (!blk_is_writable(s->conf.blk)) {
        scsi_req_fail(r, scsi_write_protected);
        return;
    }
    if (!range_ok(s, r->lba, n)) {
        scsi_req_fail(r, scsi_lba_range);
        return;
    }
    if (!no_data) {
        iov_to_buf(r->data, 0, block, blocksize);
    }
    d = disk_req(s, r, NULL);
    d->offset = r->lba * blocksize;
    d->bytes = n * blocksize;
    if (no_data || buffer_is_zero(block, blocksize)) {
        d->flags = r->cdb[1] & 8 ? BDRV_REQ_MAY_UNMAP : 0;
        d->submit = submit_zeroes;
    } else {
        uint64_t len = MIN(d->bytes, SAME_CHUNK);

        d->pattern = g_try_malloc(len);
        if (!d->pattern) {
            fail(d, sense_of(ENOMEM));
            return;
        }
        for (uint64_t at = 0; at < len; at += blocksize) {
            memcpy(d->pattern + at, block, MIN(blocksize, len - at));
        }
        d->submit = submit_same;
    }
    d->submit(d);
}

/* --- dispatch ----------------------------------------------------------------------------------------------------- */

static void verify(ScsiDisk *s, ScsiReq *r)
{
    static const int counts[] = { [0x2f >> 5] = 7, [0x8f >> 5] = 10, [0xaf >> 5] = 6 };
    int at = counts[r->cdb[0] >> 5];
    uint64_t n = r->cdb[0] == 0x2f ? load_be16(r->cdb + at) : load_be32(r->cdb + at);

    if ((r->cdb[1] & 6) || !range_ok(s, r->lba, n)) {
        scsi_req_fail(r, (r->cdb[1] & 6) ? scsi_invalid_field : scsi_lba_range);
    } else {
        scsi_req_complete(r, SCSI_GOOD);
    }
}

bool disk_is_io_command(uint8_t op)
{
    static const uint8_t ops[] = {
        0x08, 0x0a, 0x28, 0x2a, 0x2e, 0x2f, 0x35, 0x41, 0x42, 0x88, 0x8a, 0x8e, 0x8f, 0x93, 0xa8, 0xaa, 0xae, 0xaf,
    };

    return memchr(ops, op, sizeof(ops)) != NULL;
}

bool disk_io_command(ScsiDisk *s, ScsiReq *r)
{
    switch (r->cdb[0]) {
    case 0x08: case 0x28: case 0xa8: case 0x88:
        read_or_write(s, r, true);
        break;
    case 0x0a: case 0x2a: case 0xaa: case 0x8a: case 0x2e: case 0x8e: case 0xae:
        read_or_write(s, r, false);
        break;
    case 0x2f: case 0x8f: case 0xaf:
        verify(s, r);
        break;
    case 0x35:
        disk_flush(s, r);
        break;
    case 0x42:
        unmap(s, r);
        break;
    case 0x41: case 0x93:
        write_same(s, r);
        break;
    default:
        return false;
    }
    return true;
}
