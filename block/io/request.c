/*
 * Requests in general: counting them, the list of those that run, waiting for overlapping ones, checks that all share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "io.h"
#include "util/cutils.h"

struct TrackedWaiter {
    Coroutine *co;
    TrackedWaiter *next;
};

void bdrv_io_init(BlockDriverState *bs)
{
    struct BdrvIoState *io = g_new0(struct BdrvIoState, 1);

    pthread_mutex_init(&io->req_lock, NULL);
    pthread_mutex_init(&io->bitmap_lock, NULL);
    co_mutex_init(&io->flush_lock);
    bs->core->io = io;
    drain_register(bs);
}

void bdrv_io_close(BlockDriverState *bs)
{
    struct BdrvIoState *io = io_of(bs);

    g_assert(LOAD(&io->in_flight) == 0 && !io->requests);
    drain_unregister(bs);
    bitmaps_free(bs);
    pthread_mutex_destroy(&io->req_lock);
    pthread_mutex_destroy(&io->bitmap_lock);
    g_clear_pointer(&bs->core->io, g_free);
}

void io_begin(BlockDriverState *bs)
{
    __atomic_add_fetch(&io_of(bs)->in_flight, 1, __ATOMIC_SEQ_CST);
}

void io_end(BlockDriverState *bs)
{
    /* Once the count is down the node may be freed by a drained section's owner: nothing of it is touched after. */
    if (__atomic_sub_fetch(&io_of(bs)->in_flight, 1, __ATOMIC_SEQ_CST) == 0) {
        aio_wait_kick();
    }
}

void tracked_begin(TrackedRequest *r, BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    struct BdrvIoState *io = io_of(bs);

    *r = (TrackedRequest) { .bs = bs, .lap_offset = offset, .lap_bytes = bytes };
    pthread_mutex_lock(&io->req_lock);
    r->next = io->requests;
    if (r->next) {
        r->next->prev = r;
    }
    io->requests = r;
    pthread_mutex_unlock(&io->req_lock);
}

void tracked_end(TrackedRequest *r)
{
    struct BdrvIoState *io = io_of(r->bs);
    TrackedWaiter *w, *next;

    pthread_mutex_lock(&io->req_lock);
    *(r->prev ? &r->prev->next : &io->requests) = r->next;
    if (r->next) {
        r->next->prev = r->prev;
    }
    if (r->serialising) {
        __atomic_sub_fetch(&io->serialising, 1, __ATOMIC_SEQ_CST);
    }
    w = r->waiters;
    pthread_mutex_unlock(&io->req_lock);
    for (; w; w = next) {
        next = w->next;                /* w lives on the stack of the one it wakes */
        aio_co_wake(w->co);
    }
}

void tracked_serialise(TrackedRequest *r, uint64_t align)
{
    struct BdrvIoState *io = io_of(r->bs);
    int64_t start = ALIGN_DOWN(r->lap_offset, (int64_t)align);
    int64_t end = ALIGN_UP(r->lap_offset + r->lap_bytes, (int64_t)align);

    pthread_mutex_lock(&io->req_lock);
    if (!r->serialising) {
        r->serialising = true;
        __atomic_add_fetch(&io->serialising, 1, __ATOMIC_SEQ_CST);
    }
    r->lap_offset = start;
    r->lap_bytes = end - start;
    pthread_mutex_unlock(&io->req_lock);
}

/* req_lock held. */
static TrackedRequest *find_conflict(TrackedRequest *self)
{
    for (TrackedRequest *r = io_of(self->bs)->requests; r; r = r->next) {
        if (r == self || !(r->serialising || self->serialising) || r->waiting_for) {
            continue;
        }
        if (r->lap_offset < self->lap_offset + self->lap_bytes && self->lap_offset < r->lap_offset + r->lap_bytes) {
            return r;
        }
    }
    return NULL;
}

bool tracked_conflicts(TrackedRequest *r)
{
    struct BdrvIoState *io = io_of(r->bs);
    bool found;

    pthread_mutex_lock(&io->req_lock);
    found = find_conflict(r) != NULL;
    pthread_mutex_unlock(&io->req_lock);
    return found;
}

void coroutine_fn tracked_wait(TrackedRequest *r)
{
    struct BdrvIoState *io = io_of(r->bs);
    TrackedRequest *other;

    if (LOAD(&io->serialising) == 0) {
        return;
    }
    pthread_mutex_lock(&io->req_lock);
    while ((other = find_conflict(r))) {
        TrackedWaiter w = { coroutine_self(), other->waiters };

        other->waiters = &w;
        r->waiting_for = other;
        pthread_mutex_unlock(&io->req_lock);
        coroutine_yield();
        pthread_mutex_lock(&io->req_lock);
        r->waiting_for = NULL;
    }
    pthread_mutex_unlock(&io->req_lock);
}

int check_range(int64_t offset, int64_t bytes)
{
    return offset < 0 || bytes < 0 || offset > BDRV_MAX_LENGTH || bytes > BDRV_MAX_LENGTH - offset ? -EIO : 0;
}

int check_vector(int64_t offset, int64_t bytes, const IoVec *qiov, size_t qiov_offset)
{
    if (qiov && (qiov_offset > qiov->size || (uint64_t)bytes > qiov->size - qiov_offset)) {
        return -EIO;
    }
    return check_range(offset, bytes);
}

int64_t io_length(BlockDriverState *bs)
{
    if (bs->drv->has_variable_length && bs->drv->getlength) {
        int64_t len = bs->drv->getlength(bs);
        if (len < 0) {
            return len;
        }
        __atomic_store_n(&bs->total_bytes, ALIGN_UP(len, BDRV_SECTOR_SIZE), __ATOMIC_SEQ_CST);
    }
    return LOAD(&bs->total_bytes);
}

int check_change(BdrvChild *c, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    BlockDriverState *bs = c->bs;
    uint64_t perm = __atomic_load_n(&c->perm, __ATOMIC_RELAXED);
    uint64_t enough = BLK_PERM_WRITE | (flags & BDRV_REQ_WRITE_UNCHANGED ? BLK_PERM_WRITE_UNCHANGED : 0);

    if (bs->read_only || bs->core->inactive || (bs->open_flags & BDRV_O_INACTIVE) || !(perm & enough)) {
        return -EPERM;
    }
    if (offset + bytes > LOAD(&bs->total_bytes)) {
        bool soft = bs->drv->bounds_are_soft || bs->drv->is_filter;

        return soft && (perm & BLK_PERM_RESIZE) ? 0 : -EIO;
    }
    return 0;
}
