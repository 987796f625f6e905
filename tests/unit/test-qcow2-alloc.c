/*
 * Proves of the qcow2 metadata core: counts of every width; first-fit allocation at the offsets
 * scripts rely on; nothing is handed out before the disk forgot it; a table of counts that grows;
 * tables in memory outlive eviction; order of writes and flushes in a commit cycle; an aborted
 * shadow leaves no trace.
 *
 * Images are real files; a protocol driver of its own passes requests on and writes down their kinds.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include "../../block/qcow2-shadow.h"
#include "block/graph.h"

static char *dir, *path;
static GString *trace;               /* one letter a request: B L R T D: by place; F flush */
static Qcow2 *traced;                /* whose places; NULL: nothing is written down */

/* --- a filter that tells what passes --------------------------------------------------------- */

static int spy_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    int ret = bdrv_open_file_child(NULL, bs->options, bs, errp);
    if (ret == 0) {
        bdrv_set_length(bs, bdrv_getlength(bs->file->bs));
    }
    return ret;
}

static bool names(const uint64_t *table, uint64_t n, uint64_t mask, uint64_t offset)
{
    for (uint64_t i = 0; i < n; i++) {
        if ((table[i] & mask) && (table[i] & mask) == qcow2_cluster_start(traced, offset)) {
            return true;
        }
    }
    return false;
}

static char kind_of(uint64_t offset)
{
    const Qcow2 *q = traced;
    return offset < q->cluster_size ? 'H'
         : offset - q->l1_offset < (uint64_t)q->l1_size * 8 ? '1'
         : offset - q->rt_offset < (uint64_t)q->rt_clusters << q->cluster_bits ? 'T'
         : names(q->rt, q->rt_size, QCOW2_RT_OFFSET_MASK, offset) ? 'B'
         : names(q->l1, q->l1_size, QCOW2_L1_OFFSET_MASK, offset) ? '2' : 'D';
}

static int spy_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo, BdrvRequestFlags f)
{
    return bdrv_read(bs->file, offset, bytes, qiov, qo, f);
}

static int spy_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo, BdrvRequestFlags f)
{
    if (traced) {
        g_string_append_c(trace, kind_of(offset));
    }
    int ret = bdrv_write(bs->file, offset, bytes, qiov, qo, f);
    bdrv_set_length(bs, bdrv_getlength(bs->file->bs));
    return ret;
}

static int spy_flush(BlockDriverState *bs)
{
    if (traced) {
        g_string_append_c(trace, 'F');
    }
    return bdrv_flush(bs->file->bs);
}

static int64_t spy_getlength(BlockDriverState *bs)
{
    return bdrv_getlength(bs->file->bs);
}

static const BlockDriver spy_driver = {
    .name = "spy", .protocol = "spy", .is_filter = false, .bounds_are_soft = true, .has_variable_length = true,
    .open = spy_open, .co_read = spy_read, .co_write = spy_write, .co_flush_to_disk = spy_flush, .getlength = spy_getlength,
};

/* --- images ------------------------------------------------------------------------------------ */

static BlockDriverState *make_image(const char *size, const char *const *pairs)
{
    QDict *opts = qdict_new();
    uint64_t bytes;
    Error *err = NULL;
    g_assert_cmpint(parse_size(size, NULL, 'B', &bytes), ==, 0);
    qdict_put_int(opts, "size", bytes);
    for (; pairs && *pairs; pairs += 2) {
        if (g_ascii_isdigit(pairs[1][0])) {
            qdict_put_int(opts, pairs[0], g_ascii_strtoll(pairs[1], NULL, 10));
        } else {
            qdict_put_str(opts, pairs[0], pairs[1]);
        }
    }
    g_unlink(path);
    bdrv_create(bdrv_find_format("qcow2"), path, opts, &err);
    g_assert_null(err);
    QDict *open = qdict_new();
    qdict_put_str(open, "driver", "qcow2");
    qdict_put_str(open, "file.driver", "spy");
    qdict_put_str(open, "file.file.driver", "file");
    qdict_put_str(open, "file.file.filename", path);
    BlockDriverState *bs = bdrv_open(NULL, NULL, open, BDRV_O_RDWR | BDRV_O_RESIZE, &err);
    if (!bs) {
        g_error("%s", error_get_pretty(err));
    }
    return bs;
}

static void assert_clean(BlockDriverState *bs, int64_t leaks)
{
    BdrvCheckResult res = { 0 };
    g_assert_cmpint(bdrv_check(bs, &res, 0), ==, 0);
    g_assert_cmpint(res.corruptions, ==, 0);
    g_assert_cmpint(res.check_errors, ==, 0);
    g_assert_cmpint(res.leaks, ==, leaks);
}

typedef void Body(Qcow2 *q);
typedef struct Run { Qcow2 *q; Body *body; } Run;

static void run_entry(void *opaque)
{
    Run *r = opaque;
    CO_SCOPED_LOCK(&r->q->lock);
    r->body(r->q);
}

/* body runs in a coroutine with q->lock held. */
static void with_lock(BlockDriverState *bs, Body *body)
{
    Run r = { qcow2_of(bs), body };
    co_run_sync(run_entry, &r);
}

/* --- counts of all widths ------------------------------------------------------------------------ */

static void check_width(unsigned order)
{
    enum { N = 512 };
    Qcow2 q = { .refcount_order = order, .refcount_bits = 1u << order, .refcount_max = UINT64_MAX >> (64 - (1u << order)) };
    g_autofree uint8_t *block = g_malloc0(N * 8);
    uint64_t plain[N] = { 0 };
    for (unsigned round = 0; round < 4000; round++) {
        unsigned i = g_test_rand_int_range(0, N), from = g_test_rand_int_range(0, N), want = from;
        plain[i] = g_test_rand_bit() ? 0 : (((uint64_t)g_test_rand_int() << 32) | (uint32_t)g_test_rand_int()) & q.refcount_max;
        qcow2_rb_set(&q, block, i, plain[i]);
        bool zero = g_test_rand_bit();
        while (want < N && (plain[want] == 0) != zero) {
            want++;
        }
        g_assert_cmpuint(qcow2_rb_next(&q, block, from, N, zero), ==, want);
    }
    for (unsigned i = 0; i < N; i++) {
        g_assert_cmpuint(qcow2_rb_get(&q, block, i), ==, plain[i]);
    }
    /* Searches over long runs of full and of empty entries. */
    for (unsigned i = 0; i < N; i++) {
        qcow2_rb_set(&q, block, i, i < N - 1 ? q.refcount_max : 0);
    }
    g_assert_cmpuint(qcow2_rb_next(&q, block, 0, N, true), ==, N - 1);
    memset(block, 0, N * 8);
    qcow2_rb_set(&q, block, N - 2, 1);
    g_assert_cmpuint(qcow2_rb_next(&q, block, 1, N, false), ==, N - 2);
}

static void test_widths(void)
{
    for (unsigned order = 0; order <= 6; order++) {
        check_width(order);
    }
}

/* --- allocation ------------------------------------------------------------------------------------- */

static void alloc_order(Qcow2 *q)
{
    g_assert_cmphex(qcow2_alloc(q, 1), ==, 0x40000);
    g_assert_cmphex(qcow2_alloc(q, 0x20000), ==, 0x50000);
    g_assert_cmpint(qcow2_alloc_at(q, 0x50000, 1), ==, 0);
    g_assert_cmpint(qcow2_alloc_at(q, 0x90000, 2), ==, 2);
    /* A hole too small is passed over and stays behind. */
    g_assert_cmphex(qcow2_alloc(q, 0x30000), ==, 0xb0000);
    /* Freed at once while no cycle runs: found again. */
    g_assert_cmpint(qcow2_update_refcount(q, 0x50000, 0x20000, -1, QCOW2_DISCARD_NEVER), ==, 0);
    g_assert_cmphex(qcow2_alloc(q, 0x10000), ==, 0x50000);
    g_assert_cmphex(qcow2_alloc(q, 0x10000), ==, 0x60000);
}

static void test_order(void)
{
    BlockDriverState *bs = make_image("64M", NULL);
    with_lock(bs, alloc_order);
    bdrv_unref(bs);
}

static void alloc_small(Qcow2 *q)
{
    uint64_t count;
    int64_t a = qcow2_alloc_bytes(q, 40000), b = qcow2_alloc_bytes(q, 20000), c = qcow2_alloc_bytes(q, 20000);
    g_assert_cmpint(b, ==, a + 40000);
    g_assert_cmpint(c, ==, b + 20000);                  /* over the border, into the next cluster */
    g_assert_cmpint(qcow2_get_refcount(q, a >> q->cluster_bits, &count), ==, 0);
    g_assert_cmpuint(count, ==, 3);
    qcow2_alloc(q, 1);
    int64_t d = qcow2_alloc_bytes(q, 60000);
    g_assert_cmpint(qcow2_in_cluster(q, d), ==, 0);       /* the next cluster is somebody else's */
}

static void test_bytes(void)
{
    BlockDriverState *bs = make_image("64M", NULL);
    with_lock(bs, alloc_small);
    bdrv_unref(bs);
}

static void overflow(Qcow2 *q)
{
    uint64_t count;
    int64_t a = qcow2_alloc(q, 3 * q->cluster_size);
    for (int i = 0; i < 2; i++) {
        g_assert_cmpint(qcow2_update_refcount(q, a + q->cluster_size, 1, 1, QCOW2_DISCARD_NEVER), ==, 0);
    }
    g_assert_cmpint(qcow2_update_refcount(q, a, 3 * q->cluster_size, 1, QCOW2_DISCARD_NEVER), ==, -EINVAL);
    g_assert_cmpint(qcow2_get_refcount(q, a >> q->cluster_bits, &count), ==, 0);
    g_assert_cmpuint(count, ==, 1);                       /* undone */
    g_assert_cmpint(qcow2_update_refcount(q, a, 1, -2, QCOW2_DISCARD_NEVER), ==, -EINVAL);
}

static void test_overflow(void)
{
    BlockDriverState *bs = make_image("64M", (const char *const[]){ "refcount_bits", "2", NULL });
    with_lock(bs, overflow);
    bdrv_unref(bs);
}

/* --- freed late -------------------------------------------------------------------------------------- */

static void free_late(Qcow2 *q)
{
    int64_t a = qcow2_alloc(q, q->cluster_size), b;
    qcow2_free_late(q, a, q->cluster_size, QCOW2_DISCARD_NEVER);
    b = qcow2_alloc(q, q->cluster_size);
    g_assert_cmpint(b, !=, a);
    g_assert_cmpint(qcow2_commit(q, false), ==, 0);
    uint64_t count;
    g_assert_cmpint(qcow2_get_refcount(q, a >> q->cluster_bits, &count), ==, 0);
    g_assert_cmpuint(count, ==, 1);                       /* written, but not durably */
    g_assert_cmpint(qcow2_commit(q, true), ==, 0);
    g_assert_cmpint(qcow2_get_refcount(q, a >> q->cluster_bits, &count), ==, 0);
    g_assert_cmpuint(count, ==, 0);
    g_assert_cmpint(qcow2_alloc(q, q->cluster_size), ==, a);
}

static void test_late(void)
{
    BlockDriverState *bs = make_image("64M", NULL);
    with_lock(bs, free_late);
    assert_clean(bs, 0);                                  /* what lies behind the end of the file is no leak */
    bdrv_unref(bs);
}

/* --- a growing table of counts ----------------------------------------------------------------------- */

static void grow(Qcow2 *q)
{
    /* 64 counts a block, 64 blocks a table cluster: the table grows more than once. */
    enum { N = 30000 };
    g_autofree int64_t *at = g_new(int64_t, N);
    for (int i = 0; i < N; i++) {
        at[i] = qcow2_alloc(q, i % 7 ? 512 : 2048);
        g_assert_cmpint(at[i], >, 0);
    }
    g_assert_cmpint(qcow2_commit(q, true), ==, 0);
    for (int i = 0; i < N; i++) {
        qcow2_free_late(q, at[i], i % 7 ? 512 : 2048, QCOW2_DISCARD_NEVER);
    }
    g_assert_cmpint(qcow2_commit(q, true), ==, 0);
    g_assert_cmpuint(q->rt_size, ==, (uint64_t)q->rt_clusters * 64);
    /* Far away, as repair may ask for. */
    g_assert_cmpint(qcow2_refcount_reserve(q, 5000000), ==, 0);
    g_assert_cmpint(qcow2_commit(q, true), ==, 0);
    g_assert_cmpint(qcow2_refcount_reserve(q, 1ULL << 40), ==, -EFBIG);
}

static void test_grow(void)
{
    BlockDriverState *bs = make_image("1M", (const char *const[]){ "cluster_size", "512", "refcount_bits", "64", NULL });
    with_lock(bs, grow);
    assert_clean(bs, 0);
    bdrv_unref(bs);
}

/* --- tables in memory ---------------------------------------------------------------------------------- */

static void many_tables(Qcow2 *q)
{
    enum { N = 300 };
    int64_t at[N];
    for (int i = 0; i < N; i++) {
        void *t;
        at[i] = qcow2_alloc(q, q->cluster_size);
        g_assert_cmpint(qcow2_cache_get_new(q->l2_cache, at[i], &t), ==, 0);
        memset(t, 0, q->cluster_size);
        store_be32((uint8_t *)t + 4096, i + 1);
        qcow2_cache_mark_dirty(q->l2_cache, t, 0, q->cluster_size);
        qcow2_cache_put(q->l2_cache, &t);
    }
    g_assert_cmpint(qcow2_commit(q, true), ==, 0);
    g_assert_false(qcow2_cache_is_dirty(q->l2_cache));
    for (int i = 0; i < N; i++) {
        void *t;
        g_assert_cmpint(qcow2_cache_get(q->l2_cache, at[i], &t), ==, 0);
        g_assert_cmpuint(load_be32((uint8_t *)t + 4096), ==, i + 1);
        store_be32((uint8_t *)t + 4096, i + 2);
        qcow2_cache_mark_dirty(q->l2_cache, t, 4096, 4);
        qcow2_cache_put(q->l2_cache, &t);
    }
    g_assert_cmpuint(qcow2_cache_dirty_bytes(q->l2_cache), <=, N * 4096);     /* pages, not tables */
    g_assert_cmpint(qcow2_commit(q, true), ==, 0);
    qcow2_cache_clean(q->l2_cache);
    for (int i = 0; i < N; i++) {
        void *t;
        g_assert_cmpint(qcow2_cache_get(q->l2_cache, at[i], &t), ==, 0);
        g_assert_cmpuint(load_be32((uint8_t *)t + 4096), ==, i + 2);
        qcow2_cache_put(q->l2_cache, &t);
    }
}

static void test_cache(void)
{
    BlockDriverState *bs = make_image("64M", NULL);
    with_lock(bs, many_tables);
    bdrv_unref(bs);
}

/* --- the order of a cycle ------------------------------------------------------------------------------- */

static void cycle_order(Qcow2 *q)
{
    void *t;
    uint32_t index;
    g_assert_cmpint(qcow2_l2_for_write(q, 0, &t, &index), ==, 0);
    int64_t data = qcow2_alloc(q, q->cluster_size);
    g_autofree uint8_t *zeroes = g_malloc0(q->cluster_size);
    g_assert_cmpint(bdrv_write_buf(q->bs->file, data, q->cluster_size, zeroes, 0), ==, 0);
    qcow2_l2_set(q, t, index, data | QCOW2_OFLAG_COPIED, 0);
    qcow2_cache_mark_dirty(q->l2_cache, t, 0, 8);
    qcow2_cache_put(q->l2_cache, &t);
    g_string_truncate(trace, 0);
    traced = q;
    g_assert_cmpint(qcow2_commit(q, true), ==, 0);
    traced = NULL;
    g_assert_cmpstr(trace->str, ==, "BF2F1F");
}

static void test_cycle(void)
{
    BlockDriverState *bs = make_image("64M", NULL);
    with_lock(bs, cycle_order);
    assert_clean(bs, 0);
    bdrv_unref(bs);
}

/* --- shadow ------------------------------------------------------------------------------------------------ */

static void shadow_abort(Qcow2 *q)
{
    Qcow2Shadow *s;
    uint64_t count;
    int64_t used = qcow2_alloc(q, q->cluster_size);
    g_assert_cmpint(qcow2_shadow_begin(q, &s), ==, 0);
    int64_t place = qcow2_shadow_alloc(s, q->cluster_size);
    g_assert_cmpint(place, >, used);
    g_assert_cmpint(qcow2_shadow_add(s, used, q->cluster_size, -1), ==, 0);
    g_assert_cmpint(qcow2_shadow_get(s, used >> q->cluster_bits, &count), ==, 0);
    g_assert_cmpuint(count, ==, 0);
    for (int i = 0; i < 100; i++) {
        g_assert_cmpint(qcow2_shadow_alloc(s, q->cluster_size), !=, used);     /* the present image uses it */
    }
    g_assert_cmpint(qcow2_shadow_prepare(s), ==, 0);
    qcow2_shadow_abort(s);
    g_assert_cmpint(qcow2_get_refcount(q, used >> q->cluster_bits, &count), ==, 0);
    g_assert_cmpuint(count, ==, 1);
    g_assert_cmpint(qcow2_get_refcount(q, place >> q->cluster_bits, &count), ==, 0);
    g_assert_cmpuint(count, ==, 0);
}

static void test_abort(void)
{
    BlockDriverState *bs = make_image("64M", NULL);
    with_lock(bs, shadow_abort);
    assert_clean(bs, 1);
    bdrv_unref(bs);
}

/* Switch with tiny blocks, so that copies spill and blocks for new places are made on the way. */
static void shadow_switch(Qcow2 *q)
{
    Qcow2Shadow *s;
    g_assert_cmpint(qcow2_shadow_begin(q, &s), ==, 0);
    int64_t first = qcow2_shadow_alloc(s, 20000 * 512);
    g_assert_cmpint(first, >, 0);
    for (int i = 0; i < 20000; i += 2) {
        g_assert_cmpint(qcow2_shadow_add(s, first + i * 512, 512, -1), ==, 0);
    }
    Qcow2Roots roots = {
        .l1_offset = q->l1_offset, .l1_size = q->l1_size, .snapshots_offset = q->snapshots_offset,
        .nb_snapshots = q->nb_snapshots, .disk_size = q->bs->total_bytes,
    };
    g_assert_cmpint(qcow2_shadow_prepare(s), ==, 0);
    g_assert_cmpint(qcow2_shadow_switch(s, &roots), ==, 0);
    for (int i = 0; i < 20000; i += 1999) {
        uint64_t count;
        g_assert_cmpint(qcow2_get_refcount(q, first / 512 + i, &count), ==, 0);
        g_assert_cmpuint(count, ==, i % 2);
    }
    for (int i = 1; i < 20000; i += 2) {
        qcow2_free_late(q, first + i * 512, 512, QCOW2_DISCARD_NEVER);
    }
    g_assert_cmpint(qcow2_commit(q, true), ==, 0);
}

static void test_switch(void)
{
    BlockDriverState *bs = make_image("1M", (const char *const[]){ "cluster_size", "512", "refcount_bits", "64", NULL });
    with_lock(bs, shadow_switch);
    assert_clean(bs, 0);
    bdrv_unref(bs);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    aio_init_main();
    bdrv_init();
    bdrv_register(&spy_driver);
    dir = g_dir_make_tmp("qcow2-alloc-XXXXXX", NULL);
    path = g_build_filename(dir, "image.qcow2", NULL);
    trace = g_string_new("");
    g_test_add_func("/qcow2/counts/widths", test_widths);
    g_test_add_func("/qcow2/alloc/order", test_order);
    g_test_add_func("/qcow2/alloc/bytes", test_bytes);
    g_test_add_func("/qcow2/counts/overflow", test_overflow);
    g_test_add_func("/qcow2/free/late", test_late);
    g_test_add_func("/qcow2/counts/grow", test_grow);
    g_test_add_func("/qcow2/cache/eviction", test_cache);
    g_test_add_func("/qcow2/commit/order", test_cycle);
    g_test_add_func("/qcow2/shadow/abort", test_abort);
    g_test_add_func("/qcow2/shadow/switch", test_switch);
    int ret = g_test_run();
    g_unlink(path);
    g_rmdir(dir);
    g_free(path);
    g_free(dir);
    g_string_free(trace, true);
    return ret;
}
