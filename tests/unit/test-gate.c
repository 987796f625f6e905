/*
 * Proves the gate's promises on a disk in memory that records what reaches it: checks, alignment, splitting,
 * serialising, flush generations, bitmaps, and drained sections against requests from other threads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "block/backend.h"
#include "block/dirty-bitmap.h"
#include "block/graph.h"
#include "util/cutils.h"

#define DISK_SIZE (1 << 20)

/* --- the disk; limits are set before it is opened, one disk at a time ------------ */

typedef struct Call {
    char op;
    int64_t offset, bytes;
    unsigned flags;
} Call;

static uint8_t disk[DISK_SIZE];
static BlockLimits limits;
static bool can_zero, can_fua, slow;
static Call calls[256];
static int nb_calls;                   /* atomic */
static int running;                    /* atomic: requests inside the driver */
static int flush_ret;

static void record(BlockDriverState *bs, char op, int64_t offset, int64_t bytes, unsigned flags)
{
    int i = __atomic_fetch_add(&nb_calls, 1, __ATOMIC_SEQ_CST);

    if (op != 'f') {
        g_assert_cmpint(offset % bs->bl.request_alignment, ==, 0);
        g_assert_cmpint(bytes % bs->bl.request_alignment, ==, 0);
        g_assert_cmpint(bytes, >, 0);
    }
    if (i < (int)G_N_ELEMENTS(calls) && !slow) {
        calls[i] = (Call) { op, offset, bytes, flags };
    }
}

static void coroutine_fn dawdle(void)
{
    if (slow) {
        aio_co_schedule(aio_current_context(), coroutine_self());
        coroutine_yield();
    }
}

static int coroutine_fn mem_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                                 BdrvRequestFlags flags)
{
    record(bs, 'r', offset, bytes, flags);
    __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
    iov_from_buf(qiov, qiov_offset, disk + offset, bytes);
    dawdle();
    __atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
    return 0;
}

static int coroutine_fn mem_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                                  BdrvRequestFlags flags)
{
    record(bs, 'w', offset, bytes, flags);
    __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
    dawdle();
    iov_to_buf(qiov, qiov_offset, disk + offset, bytes);
    __atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
    return 0;
}

static int coroutine_fn mem_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    record(bs, 'z', offset, bytes, flags);
    if (!can_zero) {
        return -ENOTSUP;
    }
    memset(disk + offset, 0, bytes);
    return 0;
}

static int coroutine_fn mem_discard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    record(bs, 'd', offset, bytes, 0);
    return 0;
}

static int coroutine_fn mem_flush(BlockDriverState *bs)
{
    record(bs, 'f', 0, 0, 0);
    dawdle();
    return flush_ret;
}

static int mem_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    bs->supported_write_flags = can_fua ? BDRV_REQ_FUA : 0;
    bs->supported_zero_flags = BDRV_REQ_MAY_UNMAP | BDRV_REQ_NO_FALLBACK;
    return 0;
}

static void mem_refresh_limits(BlockDriverState *bs, Error **errp)
{
    int max_iov = bs->bl.max_iov;

    bs->bl = limits;
    bs->bl.max_iov = limits.max_iov ? limits.max_iov : max_iov;
}

static int64_t mem_getlength(BlockDriverState *bs)
{
    return DISK_SIZE;
}

static const BlockDriver mem_driver = {
    .name = "gate-mem", .protocol = "gate-mem", .open = mem_open, .refresh_limits = mem_refresh_limits,
    .getlength = mem_getlength, .co_read = mem_read, .co_write = mem_write, .co_zero = mem_zero,
    .co_discard = mem_discard, .co_flush_to_disk = mem_flush,
};

static void reset(void)
{
    limits = (BlockLimits) { .request_alignment = 512 };
    can_zero = can_fua = slow = false;
    flush_ret = nb_calls = 0;
    for (int i = 0; i < DISK_SIZE; i++) {
        disk[i] = i * 7 + (i >> 8);
    }
}

static BlockBackend *open_disk(int flags)
{
    QDict *options = qdict_new();

    qdict_put_str(options, "driver", "gate-mem");
    return blk_open(NULL, NULL, options, flags, &error_abort);
}

static void expect(int i, char op, int64_t offset, int64_t bytes)
{
    g_assert_cmpint(i, <, nb_calls);
    g_assert_cmpint(calls[i].op, ==, op);
    g_assert_cmpint(calls[i].offset, ==, offset);
    g_assert_cmpint(calls[i].bytes, ==, bytes);
}

/* --- one request at a time ------------------------------------------------------ */

static void test_alignment(void)
{
    g_autofree uint8_t *model = NULL;
    uint8_t buf[3000];
    BlockBackend *blk;

    reset();
    model = g_memdup2(disk, DISK_SIZE);
    blk = open_disk(BDRV_O_RDWR);
    for (int offset = 4000; offset < 6000; offset += 131) {
        for (int bytes = 1; bytes < 3000; bytes = bytes * 3 + 1) {
            memset(buf, bytes + offset, bytes);
            g_assert_cmpint(blk_pwrite(blk, offset, bytes, buf, 0), ==, 0);
            memcpy(model + offset, buf, bytes);
            g_assert_cmpint(blk_pread(blk, offset, bytes, buf, 0), ==, 0);
            g_assert_cmpmem(buf, bytes, model + offset, bytes);
        }
    }
    g_assert_cmpmem(disk, DISK_SIZE, model, DISK_SIZE);
    nb_calls = 0;
    g_assert_cmpint(blk_pwrite(blk, 1000, 100, buf, 0), ==, 0);
    expect(0, 'r', 512, 512);
    expect(1, 'r', 1024, 512);
    expect(2, 'w', 512, 1024);
    nb_calls = 0;
    g_assert_cmpint(blk_pwrite(blk, 512, 1024, buf, 0), ==, 0);
    expect(0, 'w', 512, 1024);
    g_assert_cmpint(nb_calls, ==, 1);
    blk_unref(blk);
}

static void test_splitting(void)
{
    g_autofree uint8_t *buf = g_malloc0(20480);
    BlockBackend *blk;

    reset();
    can_zero = true;
    limits.max_transfer = 4096;
    limits.max_pwrite_zeroes = 8192;
    limits.pwrite_zeroes_alignment = 4096;
    limits.pdiscard_alignment = 4096;
    limits.max_pdiscard = 8192;
    blk = open_disk(BDRV_O_RDWR | BDRV_O_UNMAP);
    g_assert_cmpint(blk_pwrite(blk, 512, 9216, buf, 0), ==, 0);
    expect(0, 'w', 512, 4096);
    expect(1, 'w', 4608, 4096);
    expect(2, 'w', 8704, 1024);
    nb_calls = 0;
    g_assert_cmpint(blk_pwrite_zeroes(blk, 3584, 14848, 0), ==, 0);
    expect(0, 'z', 3584, 512);
    expect(1, 'z', 4096, 8192);
    expect(2, 'z', 12288, 4096);
    expect(3, 'z', 16384, 2048);
    nb_calls = 0;
    g_assert_cmpint(blk_pdiscard(blk, 3600, 9000), ==, 0);
    expect(0, 'd', 4096, 8192);
    g_assert_cmpint(nb_calls, ==, 1);
    blk_unref(blk);
}

static bool any_unmaps(void)
{
    for (int i = 0; i < nb_calls; i++) {
        if (calls[i].flags & BDRV_REQ_MAY_UNMAP) {
            return true;
        }
    }
    return false;
}

static void test_zero_fallback(void)
{
    BlockBackend *blk;

    reset();
    blk = open_disk(BDRV_O_RDWR);
    g_assert_cmpint(blk_pwrite_zeroes(blk, 4096, 4096, BDRV_REQ_NO_FALLBACK), ==, -ENOTSUP);
    g_assert_cmpint(disk[4097], !=, 0);
    nb_calls = 0;
    g_assert_cmpint(blk_pwrite_zeroes(blk, 1000, 4000, BDRV_REQ_MAY_UNMAP), ==, 0);
    g_assert_true(buffer_is_zero(disk + 1000, 4000));
    g_assert_cmpint(disk[999], ==, (uint8_t)(999 * 7 + 3));
    g_assert_cmpint(disk[5000], ==, (uint8_t)(5000 * 7 + 19));
    g_assert_true(any_unmaps());       /* a user's wish counts */
    nb_calls = 0;
    g_assert_cmpint(bdrv_zero(blk_root(blk), 8192, 4096, BDRV_REQ_MAY_UNMAP), ==, 0);
    g_assert_cmpint(nb_calls, >, 0);
    g_assert_false(any_unmaps());      /* between nodes: this one was not opened with unmap */
    blk_unref(blk);
}

static void test_checks(void)
{
    uint8_t buf[512] = { 0 };
    IoVec v;
    BlockBackend *blk;
    BdrvChild *c;

    reset();
    blk = open_disk(BDRV_O_RDWR);
    c = blk_root(blk);
    iov_init_buf(&v, buf, sizeof(buf));
    g_assert_cmpint(bdrv_read(c, -1, 512, &v, 0, 0), ==, -EIO);
    g_assert_cmpint(bdrv_read(c, 0, -1, &v, 0, 0), ==, -EIO);
    g_assert_cmpint(bdrv_read(c, INT64_MAX - 100, 512, &v, 0, 0), ==, -EIO);
    g_assert_cmpint(bdrv_read(c, 0, 1024, &v, 0, 0), ==, -EIO);
    g_assert_cmpint(bdrv_read(c, 0, 512, &v, 1, 0), ==, -EIO);
    g_assert_cmpint(bdrv_write(c, DISK_SIZE, 512, &v, 0, 0), ==, -EIO);
    g_assert_cmpint(bdrv_write(c, DISK_SIZE - 256, 512, &v, 0, 0), ==, -EIO);
    g_assert_cmpint(bdrv_zero(c, 0, INT64_MAX, 0), ==, -EIO);
    g_assert_cmpint(bdrv_read(NULL, 0, 512, &v, 0, 0), ==, -ENOMEDIUM);
    g_assert_cmpint(nb_calls, ==, 0);
    memset(buf, 1, sizeof(buf));
    g_assert_cmpint(bdrv_read(c, DISK_SIZE + 512, 512, &v, 0, 0), ==, 0);
    g_assert_true(buffer_is_zero(buf, sizeof(buf)));
    g_assert_cmpint(blk_set_perm(blk, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &error_abort), ==, 0);
    g_assert_cmpint(bdrv_write(c, 0, 512, &v, 0, 0), ==, -EPERM);
    g_assert_cmpint(bdrv_truncate(c, 512, false, PREALLOC_OFF, 0, NULL), ==, -EPERM);
    blk_unref(blk);
    blk = open_disk(0);
    g_assert_cmpint(bdrv_write(blk_root(blk), 0, 512, &v, 0, 0), ==, -EPERM);
    g_assert_cmpint(bdrv_flush(blk_bs(blk)), ==, 0);
    blk_unref(blk);
}

static void test_many_vectors(void)
{
    uint8_t buf[2048], out[2048];
    AUTO_IOVEC v;
    BlockBackend *blk;

    reset();
    limits.max_iov = 8;
    blk = open_disk(BDRV_O_RDWR);
    iov_init(&v, 64);
    for (int i = 0; i < 64; i++) {
        memset(buf + 32 * i, i, 32);
        iov_add(&v, buf + 32 * i, 32);
    }
    g_assert_cmpint(blk_pwritev(blk, 1, 2048, &v, 0), ==, 0);
    g_assert_cmpmem(disk + 1, 2048, buf, 2048);
    memcpy(out, buf, sizeof(out));
    memset(buf, 0, sizeof(buf));
    g_assert_cmpint(blk_preadv(blk, 1, 2048, &v, 0), ==, 0);
    g_assert_cmpmem(out, 2048, buf, 2048);
    blk_unref(blk);
}

static int count_calls(char op)
{
    int n = 0;

    for (int i = 0; i < nb_calls; i++) {
        n += calls[i].op == op;
    }
    return n;
}

static void test_flush_generations(void)
{
    uint8_t buf[512] = { 0 };
    BlockBackend *blk;

    reset();
    blk = open_disk(BDRV_O_RDWR);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    g_assert_cmpint(count_calls('f'), ==, 0);          /* nothing was written */
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, 0);
    flush_ret = -EIO;
    g_assert_cmpint(blk_flush(blk), ==, -EIO);
    flush_ret = 0;
    g_assert_cmpint(blk_flush(blk), ==, 0);            /* a failed one does not count */
    g_assert_cmpint(blk_flush(blk), ==, 0);
    g_assert_cmpint(count_calls('f'), ==, 2);
    nb_calls = 0;
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, BDRV_REQ_FUA), ==, 0);
    expect(0, 'w', 0, 512);
    expect(1, 'f', 0, 0);
    g_assert_cmpint(calls[0].flags & BDRV_REQ_FUA, ==, 0);
    blk_unref(blk);
    reset();
    can_fua = true;
    blk = open_disk(BDRV_O_RDWR);
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, BDRV_REQ_FUA), ==, 0);
    g_assert_cmpint(calls[0].flags & BDRV_REQ_FUA, !=, 0);
    g_assert_cmpint(nb_calls, ==, 1);
    blk_unref(blk);
}

/* Several flushes that meet need two calls of the driver at most: the one under way, and one that covers the rest. */
static int flushes_done;

static void coroutine_fn flush_entry(void *opaque)
{
    g_assert_cmpint(bdrv_flush(opaque), ==, 0);
    flushes_done++;
}

static void test_flushes_meet(void)
{
    uint8_t buf[512] = { 0 };
    BlockBackend *blk;

    reset();
    blk = open_disk(BDRV_O_RDWR);
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, 0);
    slow = true;
    nb_calls = flushes_done = 0;
    for (int i = 0; i < 10; i++) {
        coroutine_enter(coroutine_create(flush_entry, blk_bs(blk)));
    }
    while (flushes_done < 10) {
        aio_poll(aio_main_context(), true);
    }
    g_assert_cmpint(nb_calls, <=, 2);
    blk_unref(blk);
}

static void test_bitmaps(void)
{
    uint8_t buf[512] = { 0 };
    BlockBackend *blk;
    BlockDriverState *bs;
    BdrvDirtyBitmap *a, *b;
    HBitmap *undo = NULL;
    Error *err = NULL;

    reset();
    blk = open_disk(BDRV_O_RDWR | BDRV_O_UNMAP);
    bs = blk_bs(blk);
    a = bdrv_create_dirty_bitmap(bs, 4096, "a", &error_abort);
    g_assert_null(bdrv_create_dirty_bitmap(bs, 4096, "a", &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "Bitmap already exists: a");
    g_clear_pointer(&err, error_free);
    b = bdrv_create_dirty_bitmap(bs, 512, "b", &error_abort);
    bdrv_disable_dirty_bitmap(b);
    g_assert_cmpint(blk_pwrite(blk, 5000, 10, buf, 0), ==, 0);
    g_assert_cmpint(bdrv_dirty_bitmap_count(a), ==, 4096);
    g_assert_cmpint(bdrv_dirty_bitmap_count(b), ==, 0);
    g_assert_true(bdrv_dirty_bitmap_get(a, 4096));
    bdrv_enable_dirty_bitmap(b);
    g_assert_cmpint(blk_pdiscard(blk, 65536, 65536), ==, 0);
    g_assert_cmpint(bdrv_dirty_bitmap_count(b), ==, 65536);
    bdrv_clear_dirty_bitmap(a, &undo);
    g_assert_cmpint(bdrv_dirty_bitmap_count(a), ==, 0);
    bdrv_restore_dirty_bitmap(a, undo);
    g_assert_cmpint(bdrv_dirty_bitmap_count(a), ==, 4096 + 65536);
    bdrv_clear_dirty_bitmap(a, NULL);
    g_assert_true(bdrv_merge_dirty_bitmap(a, b, NULL, &error_abort));
    g_assert_cmpint(bdrv_dirty_bitmap_next_dirty(a, 0, DISK_SIZE), ==, 65536);
    g_assert_cmpint(bdrv_dirty_bitmap_next_zero(a, 65536, DISK_SIZE - 65536), ==, 131072);
    bdrv_dirty_bitmap_set_busy(a, true);
    g_assert_false(bdrv_merge_dirty_bitmap(a, b, NULL, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "Bitmap 'a' is currently in use by another operation and cannot be used");
    error_free(err);
    bdrv_release_dirty_bitmap(a);
    g_assert_null(bdrv_find_dirty_bitmap(bs, "a"));
    blk_unref(blk);                                    /* b goes with the node */
}

/* --- many at a time ------------------------------------------------------------- */

#define WRITERS 8

typedef struct Writer {
    BlockBackend *blk;
    int index, rounds;
    int *left;                         /* atomic */
} Writer;

/* Writer i owns byte i of every 16 in the first blocks: all collide in each block. */
static void coroutine_fn writer_entry(void *opaque)
{
    Writer *w = opaque;

    for (int round = 0; round < w->rounds; round++) {
        for (int offset = w->index; offset < 1024; offset += 16) {
            uint8_t byte = round + w->index;

            g_assert_cmpint(blk_pwrite(w->blk, offset, 1, &byte, 0), ==, 0);
        }
    }
    __atomic_sub_fetch(w->left, 1, __ATOMIC_SEQ_CST);
    aio_notify(aio_main_context());
}

static void check_writers(int writers, int rounds)
{
    for (int offset = 0; offset < 1024; offset++) {
        int index = offset % 16;

        if (index < writers) {
            g_assert_cmpint(disk[offset], ==, (uint8_t)(rounds - 1 + index));
        } else {
            g_assert_cmpint(disk[offset], ==, (uint8_t)(offset * 7 + (offset >> 8)));
        }
    }
}

static void test_serialising(void)
{
    Writer w[WRITERS];
    int left = WRITERS;
    BlockBackend *blk;

    reset();
    slow = true;
    blk = open_disk(BDRV_O_RDWR);
    for (int i = 0; i < WRITERS; i++) {
        w[i] = (Writer) { blk, i, 3, &left };
        coroutine_enter(coroutine_create(writer_entry, &w[i]));
    }
    while (__atomic_load_n(&left, __ATOMIC_SEQ_CST) > 0) {
        aio_poll(aio_main_context(), true);
    }
    check_writers(WRITERS, 3);
    blk_unref(blk);
}

typedef struct Worker {
    pthread_t thread;
    AioContext *ctx;
    Writer w[2];
    int stop;                          /* atomic */
} Worker;

static void *worker_main(void *opaque)
{
    Worker *k = opaque;

    aio_context_bind_thread(k->ctx);
    for (int i = 0; i < 2; i++) {
        if (k->w[i].blk) {
            coroutine_enter(coroutine_create(writer_entry, &k->w[i]));
        }
    }
    while (!__atomic_load_n(&k->stop, __ATOMIC_SEQ_CST)) {
        aio_poll(k->ctx, true);
    }
    return NULL;
}

static void stop_bh(void *opaque)
{
    Worker *k = opaque;

    __atomic_store_n(&k->stop, 1, __ATOMIC_SEQ_CST);
}

static void workers_start(Worker *k, int n, BlockBackend *blk, int rounds, int *left)
{
    for (int i = 0; i < n; i++) {
        k[i] = (Worker) { .ctx = aio_context_new(&error_abort) };
        k[i].w[0] = (Writer) { blk, 2 * i, rounds, left };
        k[i].w[1] = (Writer) { blk, 2 * i + 1, rounds, left };
        pthread_create(&k[i].thread, NULL, worker_main, &k[i]);
    }
}

static void workers_join(Worker *k, int n)
{
    for (int i = 0; i < n; i++) {
        aio_bh_oneshot(k[i].ctx, stop_bh, &k[i]);
        pthread_join(k[i].thread, NULL);
        aio_context_unref(k[i].ctx);
    }
}

static void test_serialising_threads(void)
{
    Worker k[3];
    int left = 6;
    BlockBackend *blk;

    reset();
    slow = true;
    blk = open_disk(BDRV_O_RDWR);
    bdrv_create_dirty_bitmap(blk_bs(blk), 512, "t", &error_abort);
    workers_start(k, 3, blk, 4, &left);
    while (__atomic_load_n(&left, __ATOMIC_SEQ_CST) > 0) {
        aio_poll(aio_main_context(), true);
    }
    workers_join(k, 3);
    check_writers(6, 4);
    g_assert_cmpint(bdrv_dirty_bitmap_count(bdrv_find_dirty_bitmap(blk_bs(blk), "t")), ==, 1024);
    blk_unref(blk);
}

static void quiet_here(void)
{
    int before = __atomic_load_n(&nb_calls, __ATOMIC_SEQ_CST);

    g_assert_cmpint(__atomic_load_n(&running, __ATOMIC_SEQ_CST), ==, 0);
    g_usleep(300);
    g_assert_cmpint(__atomic_load_n(&running, __ATOMIC_SEQ_CST), ==, 0);
    g_assert_cmpint(__atomic_load_n(&nb_calls, __ATOMIC_SEQ_CST), ==, before);
}

static void test_drain_threads(void)
{
    Worker k[2];
    int left = 4, sections = 0;
    BlockBackend *blk;

    reset();
    slow = true;
    blk = open_disk(BDRV_O_RDWR);
    workers_start(k, 2, blk, 30, &left);
    do {                                 /* on a busy machine the writers may be done before the first one */
        bdrv_drained_begin(blk_bs(blk));
        quiet_here();
        if (sections % 2) {
            bdrv_drain_all_begin();
            quiet_here();
            bdrv_drain_all_end();
            quiet_here();
        }
        bdrv_drained_end(blk_bs(blk));
        sections++;
        g_usleep(200);
    } while (__atomic_load_n(&left, __ATOMIC_SEQ_CST) > 0);
    workers_join(k, 2);
    check_writers(4, 30);
    blk_unref(blk);
}

static void test_status(void)
{
    QDict *options = qdict_new();
    BlockBackend *blk;
    BlockDriverState *bs, *file = NULL;
    int64_t n, map = -1;

    reset();
    limits.request_alignment = 1;
    qdict_put_str(options, "driver", "raw");
    qdict_put_str(options, "file.driver", "gate-mem");
    qdict_put_str(options, "offset", "4096");
    blk = blk_open(NULL, NULL, options, BDRV_O_RDWR, &error_abort);
    bs = blk_bs(blk);
    g_assert_cmpint(bdrv_block_status(bs, 1000, DISK_SIZE, &n, &map, &file), ==,
                    BDRV_BLOCK_DATA | BDRV_BLOCK_ALLOCATED | BDRV_BLOCK_OFFSET_VALID | BDRV_BLOCK_EOF);
    g_assert_cmpint(n, ==, DISK_SIZE - 4096 - 1000);
    g_assert_cmpint(map, ==, 5096);
    g_assert_true(file == bs->file->bs);
    g_assert_cmpint(bdrv_block_status(bs, DISK_SIZE, 512, &n, &map, &file), ==, BDRV_BLOCK_EOF);
    g_assert_cmpint(n, ==, 0);
    g_assert_cmpint(bdrv_is_allocated(bs, 0, 512, &n), ==, 1);
    g_assert_cmpint(n, ==, 512);
    blk_unref(blk);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    aio_init_main();
    bdrv_init();
    bdrv_register(&mem_driver);
    g_test_add_func("/gate/alignment", test_alignment);
    g_test_add_func("/gate/splitting", test_splitting);
    g_test_add_func("/gate/zero-fallback", test_zero_fallback);
    g_test_add_func("/gate/checks", test_checks);
    g_test_add_func("/gate/many-vectors", test_many_vectors);
    g_test_add_func("/gate/flush/generations", test_flush_generations);
    g_test_add_func("/gate/flush/meet", test_flushes_meet);
    g_test_add_func("/gate/bitmaps", test_bitmaps);
    g_test_add_func("/gate/status", test_status);
    g_test_add_func("/gate/serialising/coroutines", test_serialising);
    g_test_add_func("/gate/serialising/threads", test_serialising_threads);
    g_test_add_func("/gate/drain/threads", test_drain_threads);
    return g_test_run();
}
