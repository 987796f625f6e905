/*
 * qcow2: guest reads, and the state of the machine (vmstate) past the disk's end.
 *
 * A request that maps to one run takes the lock once and makes one request below.  Several
 * runs go side by side in QCOW2_PARALLEL coroutines.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "qcow2.h"
#include "qcow2-crypt.h"
#include "qcow2-defer.h"
#include "qcow2-io.h"

/* Length of the backing image; 0 without one. */
static uint64_t backing_length(const Qcow2 *q)
{
    int64_t len = q->bs->backing ? bdrv_getlength(q->bs->backing->bs) : 0;
    return MAX(len, 0);
}

bool qcow2_unallocated_is_zero(const Qcow2 *q, uint64_t offset)
{
    return !q->bs->backing || offset >= backing_length(q);
}

typedef struct ReadRun {
    Qcow2 *q;
    Qcow2ClusterType type;
    uint64_t offset, bytes, host;
    unsigned ticket;                 /* held for types with a place in this image */
    bool done;                       /* the bytes were in memory */
    IoVec *qiov;
    size_t qo;
} ReadRun;

static int coroutine_fn read_backing(const ReadRun *r)
{
    uint64_t len = backing_length(r->q);
    uint64_t inside = r->offset >= len ? 0 : MIN(r->bytes, len - r->offset);
    if (inside < r->bytes) {
        iov_fill(r->qiov, r->qo + inside, 0, r->bytes - inside);
    }
    if (!inside) {
        return 0;
    }
    bdrv_child_event(r->q->bs->file, "read_backing_aio");
    return bdrv_read(r->q->bs->backing, r->offset, inside, r->qiov, r->qo, 0);
}

static int coroutine_fn read_run(void *arg)
{
    ReadRun *r = arg;
    Qcow2 *q = r->q;
    int ret;
    if (r->done) {
        return 0;
    }
    switch (r->type) {
    case QCOW2_UNALLOCATED:
    case QCOW2_UNALLOCATED_ALLOC:
        return read_backing(r);
    case QCOW2_ZERO_PLAIN:
    case QCOW2_ZERO_ALLOC:
        iov_fill(r->qiov, r->qo, 0, r->bytes);
        return 0;
    case QCOW2_COMPRESSED:
        return qcow2_read_compressed(q, r->host, r->ticket, qcow2_in_cluster(q, r->offset), r->bytes, r->qiov, r->qo);
    case QCOW2_NORMAL:
        bdrv_child_event(q->bs->file, "read_aio");
        ret = qcow2_is_encrypted(q) ? qcow2_read_encrypted(q, r->offset, r->host, r->bytes, r->qiov, r->qo)
                                    : bdrv_read(q->data_file, r->host, r->bytes, r->qiov, r->qo, 0);
        qcow2_io_end(q, r->ticket);
        return ret;
    default:
        return -EIO;
    }
}

static int coroutine_fn next_run(ReadRun *r)
{
    CO_SCOPED_LOCK(&r->q->lock);
    int ret = qcow2_map(r->q, r->offset, &r->bytes, &r->host, &r->type);
    if (ret == 0 && r->type == QCOW2_NORMAL) {
        r->done = qcow2_defer_look(r->q, r->offset, &r->bytes, &r->host, r->qiov, r->qo);
    }
    if (ret == 0 && !r->done && (r->type == QCOW2_NORMAL || r->type == QCOW2_COMPRESSED)) {
        r->ticket = qcow2_io_begin(r->q);
    }
    return ret;
}

int coroutine_fn qcow2_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo,
                               BdrvRequestFlags f)
{
    Qcow2Tasks tasks = { 0 };
    int64_t done = 0;
    if (qcow2_of(bs)->broken) {
        return -ENOMEDIUM;
    }
    while (done < bytes && tasks.ret == 0) {
        ReadRun r = { .q = qcow2_of(bs), .offset = offset + done, .bytes = bytes - done, .qiov = qiov, .qo = qo + done };
        int ret = next_run(&r);
        if (ret < 0) {
            tasks.ret = tasks.ret ? tasks.ret : ret;
            break;
        }
        done += r.bytes;
        if (r.done || done == bytes) {
            ret = read_run(&r);                   /* the last or only run needs no coroutine */
            tasks.ret = tasks.ret ? tasks.ret : ret;
        } else {
            qcow2_tasks_start(&tasks, read_run, &r, sizeof(r));
        }
    }
    return qcow2_tasks_finish(&tasks);
}

/* Where byte pos of the machine's state lies: past the last L1 entry that the disk needs. */
static int64_t vmstate_offset(const Qcow2 *q, int64_t pos)
{
    uint64_t base = (uint64_t)q->l1_vm_state_index << (q->l2_bits + q->cluster_bits);
    return pos < 0 || base > (uint64_t)(BDRV_MAX_LENGTH - pos) ? -EFBIG : (int64_t)(base + pos);
}

int coroutine_fn qcow2_co_save_vmstate(BlockDriverState *bs, IoVec *qiov, int64_t pos)
{
    int64_t offset = vmstate_offset(qcow2_of(bs), pos);
    bdrv_child_event(bs->file, "vmstate_save");
    return offset < 0 ? offset : qcow2_co_write(bs, offset, qiov->size, qiov, 0, 0);
}

int coroutine_fn qcow2_co_load_vmstate(BlockDriverState *bs, IoVec *qiov, int64_t pos)
{
    int64_t offset = vmstate_offset(qcow2_of(bs), pos);
    bdrv_child_event(bs->file, "vmstate_load");
    return offset < 0 ? offset : qcow2_co_read(bs, offset, qiov->size, qiov, 0, 0);
}
