/*
 * Requests of a BlockBackend: one request struct, one coroutine entry, and around it the
 * synchronous and the callback forms.
 *
 * A request counts in in_flight from its start to its end.  While the backend is quiesced
 * (a drained section below) a new request gives its count back and waits, so the section's
 * owner never waits for a request that waits for it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <errno.h>
#include "backend.h"
#include "util/trace.h"

TRACE_EVENT(blk_co_preadv)
TRACE_EVENT(blk_co_pwritev)

typedef enum BlkOp {
    BLK_READ, BLK_WRITE, BLK_WRITE_COMPRESSED, BLK_ZERO, BLK_DISCARD, BLK_FLUSH, BLK_SETTLE, BLK_COPY_RANGE, BLK_TRUNCATE
} BlkOp;

typedef struct BlkRequest {
    BlockBackend *blk;
    BlkOp op;
    int64_t offset, bytes;
    IoVec *qiov;
    BdrvRequestFlags flags;
    BlockBackend *dst;                 /* COPY_RANGE: blk is the source */
    int64_t dst_offset;
    bool exact;                        /* TRUNCATE */
    PreallocMode prealloc;
    Error **errp;
    int ret;
} BlkRequest;

static void in_flight_begin(BlockBackend *blk)
{
    __atomic_add_fetch(&blk->in_flight, 1, __ATOMIC_SEQ_CST);
}

static void in_flight_end(BlockBackend *blk)
{
    __atomic_sub_fetch(&blk->in_flight, 1, __ATOMIC_SEQ_CST);
    aio_wait_kick();
}

void blk_inc_in_flight(BlockBackend *blk)
{
    in_flight_begin(blk);
}

void blk_dec_in_flight(BlockBackend *blk)
{
    in_flight_end(blk);
}

static bool is_quiesced(BlockBackend *blk) { return __atomic_load_n(&blk->quiesced, __ATOMIC_SEQ_CST) > 0; }

bool blk_enter(BlockBackend *blk)
{
    in_flight_begin(blk);
    if (!is_quiesced(blk)) {
        return true;
    }
    in_flight_end(blk);
    return false;
}

void blk_set_disable_request_queuing(BlockBackend *blk, bool on)
{
    __atomic_store_n(&blk->no_queuing, on, __ATOMIC_SEQ_CST);
}

void blk_quiesce(BlockBackend *blk)
{
    int depth;

    pthread_mutex_lock(&blk->wait_lock);
    depth = __atomic_add_fetch(&blk->quiesced, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&blk->wait_lock);
    if (blk->member) {
        throttle_member_disable(blk->member);
    }
    if (depth == 1 && blk->dev && blk->dev_ops->drained_begin) {
        blk->dev_ops->drained_begin(blk->dev);
    }
}

static void wake_held(GSList *newest_first)
{
    GSList *woken = g_slist_reverse(newest_first);

    for (GSList *l = woken; l; l = l->next) {
        aio_co_wake(l->data);
    }
    g_slist_free(woken);
}

void blk_unquiesce(BlockBackend *blk)
{
    GSList *woken = NULL;
    bool last;

    if (blk->member) {
        throttle_member_enable(blk->member);
    }
    pthread_mutex_lock(&blk->wait_lock);
    last = __atomic_sub_fetch(&blk->quiesced, 1, __ATOMIC_SEQ_CST) == 0;
    if (last) {
        woken = g_steal_pointer(&blk->waiting);
    }
    pthread_mutex_unlock(&blk->wait_lock);
    wake_held(woken);
    if (last && blk->dev && blk->dev_ops->drained_end) {
        blk->dev_ops->drained_end(blk->dev);
    }
}

/* Entered and left with one count in in_flight.  0, or -ECANCELED (blk_drain_held). */
static int coroutine_fn wait_while_quiesced(BlockBackend *blk)
{
    while (is_quiesced(blk) && !__atomic_load_n(&blk->no_queuing, __ATOMIC_SEQ_CST)) {
        bool wait;

        if (__atomic_load_n(&blk->cancel_held, __ATOMIC_SEQ_CST)) {
            return -ECANCELED;
        }

        pthread_mutex_lock(&blk->wait_lock);
        wait = is_quiesced(blk) && !__atomic_load_n(&blk->cancel_held, __ATOMIC_SEQ_CST);
        if (wait) {
            blk->waiting = g_slist_prepend(blk->waiting, coroutine_self());
            __atomic_add_fetch(&blk->held, 1, __ATOMIC_SEQ_CST);
        }
        pthread_mutex_unlock(&blk->wait_lock);
        if (wait) {
            in_flight_end(blk);
            coroutine_yield();
            in_flight_begin(blk);
            __atomic_sub_fetch(&blk->held, 1, __ATOMIC_SEQ_CST);
        }
    }
    return 0;
}

static int check_range(BlockBackend *blk, int64_t offset, int64_t bytes, bool may_extend)
{
    int64_t len;

    if (bytes < 0 || offset < 0) {
        return -EIO;
    }
    if (!blk_is_available(blk)) {
        return -ENOMEDIUM;
    }
    if (may_extend && blk->beyond_eof) {
        return 0;
    }
    len = blk_getlength(blk);
    if (len < 0) {
        return len;
    }
    return offset > len || len - offset < bytes ? -EIO : 0;
}

static bool changes_content(BlkOp op)
{
    return op == BLK_WRITE || op == BLK_WRITE_COMPRESSED || op == BLK_ZERO;
}

static int check_request(const BlkRequest *r)
{
    if (r->op == BLK_FLUSH || r->op == BLK_SETTLE || r->op == BLK_TRUNCATE) {
        return blk_is_available(r->blk) ? 0 : -ENOMEDIUM;
    }
    if (r->op == BLK_COPY_RANGE) {
        int ret = check_range(r->dst, r->dst_offset, r->bytes, true);
        if (ret < 0) {
            return ret;
        }
    }
    return check_range(r->blk, r->offset, r->bytes, r->op != BLK_READ && r->op != BLK_COPY_RANGE);
}

static int coroutine_fn dispatch(BlkRequest *r)
{
    BdrvChild *root = r->blk->root;
    BdrvRequestFlags flags = r->flags;

    if (changes_content(r->op) && !blk_enable_write_cache(r->blk)) {
        flags |= BDRV_REQ_FUA;
    }
    switch (r->op) {
    case BLK_READ:
        TRACE(blk_co_preadv, "blk %p bs %p offset %" PRId64 " bytes %" PRId64 " flags 0x%x", (void *)r->blk,
              (void *)root->bs, r->offset, r->bytes, (unsigned)flags);
        return bdrv_read(root, r->offset, r->bytes, r->qiov, 0, flags);
    case BLK_WRITE_COMPRESSED:
        flags |= BDRV_REQ_WRITE_COMPRESSED;
        /* fall through */
    case BLK_WRITE:
        TRACE(blk_co_pwritev, "blk %p bs %p offset %" PRId64 " bytes %" PRId64 " flags 0x%x", (void *)r->blk,
              (void *)root->bs, r->offset, r->bytes, (unsigned)flags);
        return bdrv_write(root, r->offset, r->bytes, r->qiov, 0, flags);
    case BLK_ZERO:
        /* A user's unmap is no discard: it counts where discards are ignored, too.  Only between nodes it is bound to that. */
        return bdrv_write(root, r->offset, r->bytes, NULL, 0, flags | BDRV_REQ_ZERO_WRITE);
    case BLK_DISCARD:
        return bdrv_discard(root, r->offset, r->bytes);
    case BLK_FLUSH:
        return bdrv_flush(root->bs);
    case BLK_SETTLE:
        return bdrv_settle(root->bs);
    case BLK_COPY_RANGE:
        return bdrv_copy_range(root, r->offset, r->dst->root, r->dst_offset, r->bytes, 0, flags);
    case BLK_TRUNCATE:
        return bdrv_truncate(root, r->offset, r->exact, r->prealloc, flags, r->errp);
    }
    g_assert_not_reached();
}

/* The request itself; one count in in_flight is held by the caller. */
static void coroutine_fn request_run(BlkRequest *r)
{
    r->ret = wait_while_quiesced(r->blk);
    r->ret = r->ret < 0 ? r->ret : check_request(r);
    if (r->ret == -ENOMEDIUM && r->op == BLK_TRUNCATE) {
        error_setg(r->errp, "No medium inserted");
    }
    if (r->ret == 0) {
        if (r->blk->member && (r->op == BLK_READ || changes_content(r->op))) {
            throttle_co_request(r->blk->member, r->bytes, r->op != BLK_READ);
        }
        r->ret = dispatch(r);
    }
}

static void coroutine_fn request_entry(void *opaque)
{
    BlkRequest *r = opaque;

    in_flight_begin(r->blk);
    request_run(r);
    in_flight_end(r->blk);
}

static int run_request(BlkRequest *r)
{
    co_run_sync(request_entry, r);
    return r->ret;
}

int blk_preadv(BlockBackend *blk, int64_t offset, int64_t bytes, IoVec *qiov, BdrvRequestFlags flags)
{
    BlkRequest r = { blk, BLK_READ, offset, bytes, qiov, flags };

    return run_request(&r);
}

int blk_pwritev(BlockBackend *blk, int64_t offset, int64_t bytes, IoVec *qiov, BdrvRequestFlags flags)
{
    BlkRequest r = { blk, BLK_WRITE, offset, bytes, qiov, flags };

    return run_request(&r);
}

int blk_pread(BlockBackend *blk, int64_t offset, int64_t bytes, void *buf, BdrvRequestFlags flags)
{
    IoVec qiov;

    iov_init_buf(&qiov, buf, bytes);
    return blk_preadv(blk, offset, bytes, &qiov, flags);
}

int blk_pwrite(BlockBackend *blk, int64_t offset, int64_t bytes, const void *buf, BdrvRequestFlags flags)
{
    IoVec qiov;

    iov_init_buf(&qiov, (void *)buf, bytes);
    return blk_pwritev(blk, offset, bytes, &qiov, flags);
}

int blk_pwrite_zeroes(BlockBackend *blk, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    BlkRequest r = { blk, BLK_ZERO, offset, bytes, NULL, flags };

    return run_request(&r);
}

int blk_pwrite_compressed(BlockBackend *blk, int64_t offset, int64_t bytes, const void *buf)
{
    IoVec qiov;
    BlkRequest r = { blk, BLK_WRITE_COMPRESSED, offset, bytes, &qiov, 0 };

    iov_init_buf(&qiov, (void *)buf, bytes);
    return run_request(&r);
}

int blk_pdiscard(BlockBackend *blk, int64_t offset, int64_t bytes)
{
    BlkRequest r = { blk, BLK_DISCARD, offset, bytes, NULL, 0 };

    return run_request(&r);
}

int blk_copy_range(BlockBackend *src, int64_t src_offset, BlockBackend *dst, int64_t dst_offset, int64_t bytes,
                   BdrvRequestFlags flags)
{
    BlkRequest r = { src, BLK_COPY_RANGE, src_offset, bytes, NULL, flags, .dst = dst, .dst_offset = dst_offset };

    in_flight_begin(dst);
    run_request(&r);
    in_flight_end(dst);
    return r.ret;
}

int blk_flush(BlockBackend *blk)
{
    BlkRequest r = { blk, BLK_FLUSH };

    return run_request(&r);
}

int blk_settle(BlockBackend *blk)
{
    BlkRequest r = { blk, BLK_SETTLE };

    return run_request(&r);
}

int blk_truncate(BlockBackend *blk, int64_t offset, bool exact, PreallocMode prealloc, BdrvRequestFlags flags,
                 Error **errp)
{
    BlkRequest r = { blk, BLK_TRUNCATE, offset, 0, NULL, flags, .exact = exact, .prealloc = prealloc, .errp = errp };

    return run_request(&r);
}

/* Callback forms.  The count in in_flight covers the callback: a drained section waits for it too. */
struct BlkAio {
    BlkRequest r;
    AioContext *ctx;                   /* of the caller */
    BlkCompletion *cb;
    void *opaque;
    bool *done;                        /* who waits in blk_aio_cancel, or NULL */
};

static void aio_complete_bh(void *opaque)
{
    BlkAio *aio = opaque;
    BlockBackend *blk = aio->r.blk;

    aio->cb(aio->opaque, aio->r.ret);
    if (aio->done) {
        *aio->done = true;
    }
    g_free(aio);
    in_flight_end(blk);
}

static void coroutine_fn aio_entry(void *opaque)
{
    BlkAio *aio = opaque;

    request_run(&aio->r);
    aio_bh_oneshot(aio->ctx, aio_complete_bh, aio);
}

/* cb runs from a bottom half: never before the caller has seen the return, never in a coroutine. */
static BlkAio *aio_start(BlkRequest r, BlkCompletion *cb, void *opaque)
{
    BlkAio *aio = g_new0(BlkAio, 1);

    aio->r = r;
    aio->ctx = aio_current_context();
    aio->ctx = aio->ctx ? aio->ctx : aio_main_context();
    aio->cb = cb;
    aio->opaque = opaque;
    in_flight_begin(r.blk);
    coroutine_enter(coroutine_create(aio_entry, aio));
    return aio;
}

BlkAio *blk_aio_preadv(BlockBackend *blk, int64_t offset, IoVec *qiov, BdrvRequestFlags flags,
                       BlkCompletion *cb, void *opaque)
{
    return aio_start((BlkRequest) { blk, BLK_READ, offset, qiov->size, qiov, flags }, cb, opaque);
}

BlkAio *blk_aio_pwritev(BlockBackend *blk, int64_t offset, IoVec *qiov, BdrvRequestFlags flags,
                        BlkCompletion *cb, void *opaque)
{
    return aio_start((BlkRequest) { blk, BLK_WRITE, offset, qiov->size, qiov, flags }, cb, opaque);
}

BlkAio *blk_aio_pwrite_zeroes(BlockBackend *blk, int64_t offset, int64_t bytes, BdrvRequestFlags flags,
                              BlkCompletion *cb, void *opaque)
{
    return aio_start((BlkRequest) { blk, BLK_ZERO, offset, bytes, NULL, flags }, cb, opaque);
}

BlkAio *blk_aio_pdiscard(BlockBackend *blk, int64_t offset, int64_t bytes, BlkCompletion *cb, void *opaque)
{
    return aio_start((BlkRequest) { blk, BLK_DISCARD, offset, bytes }, cb, opaque);
}

BlkAio *blk_aio_flush(BlockBackend *blk, BlkCompletion *cb, void *opaque)
{
    return aio_start((BlkRequest) { blk, BLK_FLUSH }, cb, opaque);
}

/* --- waiting for requests ------------------------------------------------------------------------- */

static void lift(BlockBackend *blk, int by)
{
    blk->lifted += by;
    if (blk->member) {
        (by > 0 ? throttle_member_disable : throttle_member_enable)(blk->member);
    }
}

/* What is waited for belongs to blk (NULL: to any of them), whose limits do not hold meanwhile, and those of its nodes neither. */
static void wait_unlimited(BlockBackend *blk, bool (*busy)(void *opaque), void *opaque)
{
    g_autoptr(GPtrArray) blks = g_ptr_array_new_with_free_func((GDestroyNotify)blk_unref);
    GPtrArray *nodes = NULL;

    if (!busy(opaque)) {
        return;
    }
    for (BlockBackend *one = blk ? blk : blk_all_next(NULL); one; one = blk ? NULL : blk_all_next(one)) {
        if (one->refcnt > 0) {                     /* 0: it is about to be freed */
            blk_ref(one);
            g_ptr_array_add(blks, one);
            lift(one, 1);
        }
    }
    if (!blk || blk_bs(blk)) {
        nodes = bdrv_limits_lift(blk ? blk_bs(blk) : NULL);
    }
    aio_wait_while(busy, opaque);
    for (guint i = 0; i < blks->len; i++) {
        lift(g_ptr_array_index(blks, i), -1);
    }
    if (nodes) {
        bdrv_limits_restore(nodes);
    }
}

static bool is_false(void *opaque)
{
    return !*(bool *)opaque;
}

void blk_aio_cancel(BlkAio *aio)
{
    bool done = false;

    aio->done = &done;
    wait_unlimited(aio->r.blk, is_false, &done);
}

static bool any_in_flight(void *opaque)
{
    for (BlockBackend *blk = opaque ? opaque : blk_all_next(NULL); blk; blk = opaque ? NULL : blk_all_next(blk)) {
        if (__atomic_load_n(&blk->in_flight, __ATOMIC_SEQ_CST) > 0) {
            return true;
        }
    }
    return false;
}

void blk_hold_begin(BlockBackend *blk)
{
    BlockDriverState *bs = blk_bs(blk);

    if (bs) {
        bdrv_drained_begin(bs);
    } else {
        blk_quiesce(blk);
        aio_wait_while(any_in_flight, blk);
    }
}

void blk_hold_end(BlockBackend *blk)
{
    BlockDriverState *bs = blk_bs(blk);

    if (bs) {
        bdrv_drained_end(bs);
    } else {
        blk_unquiesce(blk);
    }
}

static bool any_held_or_in_flight(void *opaque)
{
    BlockBackend *blk = opaque;

    return __atomic_load_n(&blk->held, __ATOMIC_SEQ_CST) > 0 || any_in_flight(blk);
}

void blk_drain_held(BlockBackend *blk)
{
    GSList *woken;

    pthread_mutex_lock(&blk->wait_lock);
    __atomic_store_n(&blk->cancel_held, true, __ATOMIC_SEQ_CST);
    woken = g_steal_pointer(&blk->waiting);
    pthread_mutex_unlock(&blk->wait_lock);
    wake_held(woken);
    wait_unlimited(blk, any_held_or_in_flight, blk);
    __atomic_store_n(&blk->cancel_held, false, __ATOMIC_SEQ_CST);
}

void blk_drain(BlockBackend *blk)
{
    wait_unlimited(blk, any_in_flight, blk);
}

void blk_drain_all(void)
{
    wait_unlimited(NULL, any_in_flight, NULL);
}
