/*
 * Proves the hierarchical bitmap against a plain array of bytes under random operations.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <glib.h>
#include "util/hbitmap.h"

typedef struct Model {
    HBitmap *b;
    uint8_t *set;           /* a byte per granule */
    uint64_t size, granules;
    unsigned bits;
} Model;

static void model_init(Model *m, uint64_t size, unsigned bits)
{
    m->size = size;
    m->bits = bits;
    m->granules = (size + (1ULL << bits) - 1) >> bits;
    m->b = hbitmap_new(size, bits);
    m->set = g_malloc0(m->granules + 1);
}

static void model_destroy(Model *m)
{
    hbitmap_free(m->b);
    g_free(m->set);
}

static void model_change(Model *m, uint64_t offset, uint64_t bytes, bool on)
{
    if (on) {
        hbitmap_set(m->b, offset, bytes);
    } else {
        hbitmap_reset(m->b, offset, bytes);
    }
    memset(m->set + (offset >> m->bits), on, ((offset + bytes - 1) >> m->bits) - (offset >> m->bits) + 1);
}

static int64_t model_next(const Model *m, uint64_t offset, uint64_t bytes, bool on)
{
    for (uint64_t i = offset; i < offset + bytes; i++) {
        if (m->set[i >> m->bits] == on) {
            return i;
        }
    }
    return -1;
}

static void model_compare(const Model *m)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < m->size; i++) {
        count += m->set[i >> m->bits];
    }
    g_assert_cmpuint(hbitmap_count(m->b), ==, count);
    for (int i = 0; i < 20; i++) {
        uint64_t offset = g_test_rand_int_range(0, m->size);
        uint64_t bytes = g_test_rand_int_range(1, m->size - offset + 1);
        uint64_t area, area_bytes;
        int64_t dirty = model_next(m, offset, bytes, true);

        g_assert_cmpint(hbitmap_next_dirty(m->b, offset, bytes), ==, dirty);
        g_assert_cmpint(hbitmap_next_zero(m->b, offset, bytes), ==, model_next(m, offset, bytes, false));
        g_assert_true(hbitmap_get(m->b, offset) == m->set[offset >> m->bits]);
        g_assert_true(hbitmap_next_dirty_area(m->b, offset, offset + bytes, 1000, &area, &area_bytes) == (dirty >= 0));
        if (dirty >= 0) {
            uint64_t most = MIN(offset + bytes - dirty, 1000);
            int64_t end = model_next(m, dirty, most, false);

            g_assert_cmpuint(area, ==, dirty);
            g_assert_cmpuint(area_bytes, ==, end < 0 ? most : (uint64_t)(end - dirty));
        }
    }
}

static void random_changes(Model *m, int n)
{
    while (n--) {
        uint64_t offset = g_test_rand_int_range(0, m->size);

        model_change(m, offset, g_test_rand_int_range(1, m->size - offset + 1) / (1 + n % 9 * 4) + 1, n % 3);
        model_compare(m);
    }
}

static void test_random(void)
{
    static const struct { uint64_t size; unsigned bits; } shapes[] = { { 5000, 0 }, { 100000, 9 }, { 65536, 4 }, { 63, 0 }, { 1, 9 } };

    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        Model m;

        model_init(&m, shapes[i].size, shapes[i].bits);
        random_changes(&m, 30);
        model_destroy(&m);
    }
}

/* Growing shows clear bits, shrinking forgets. */
static void test_truncate(void)
{
    HBitmap *b = hbitmap_new(1000, 3);

    hbitmap_set(b, 0, 1000);
    g_assert_true(hbitmap_truncate(b, 100));
    g_assert_cmpuint(hbitmap_count(b), ==, 100);
    g_assert_true(hbitmap_truncate(b, 100000));
    g_assert_cmpuint(hbitmap_count(b), ==, 104);
    g_assert_cmpint(hbitmap_next_zero(b, 0, 100000), ==, 104);
    hbitmap_reset_all(b);
    g_assert_cmpint(hbitmap_next_dirty(b, 0, UINT64_MAX), ==, -1);
    g_assert_true(hbitmap_truncate(b, 0));
    g_assert_cmpint(hbitmap_next_dirty(b, 0, 1), ==, -1);
    hbitmap_free(b);
    g_assert_null(hbitmap_new(UINT64_MAX, 0));
}

static void test_serialize(void)
{
    HBitmap *a = hbitmap_new(1003, 0), *b = hbitmap_new(1003, 0), *c;
    uint8_t buf[126];

    hbitmap_set(a, 3, 500);
    hbitmap_set(a, 1002, 1);
    hbitmap_set(b, 600, 100);
    hbitmap_serialize(a, buf, 0, 512);
    g_assert_cmphex(buf[0], ==, 0xf8);
    hbitmap_deserialize(b, buf, 0, 512);
    hbitmap_serialize(a, buf, 512, 491);
    hbitmap_deserialize(b, buf, 512, 491);
    hbitmap_deserialize_finish(b);
    g_assert_cmpuint(hbitmap_count(b), ==, 501);
    g_assert_cmpint(hbitmap_next_dirty(b, 503, 500), ==, 1002);
    c = hbitmap_clone(b);
    hbitmap_reset(c, 0, 1003);
    hbitmap_merge(c, a);
    g_assert_cmpuint(hbitmap_count(c), ==, 501);
    hbitmap_free(a);
    hbitmap_free(b);
    hbitmap_free(c);
}

static void test_merge(void)
{
    HBitmap *fine = hbitmap_new(10000, 0), *coarse = hbitmap_new(10000, 9);

    hbitmap_set(fine, 1000, 30);
    hbitmap_merge(coarse, fine);
    g_assert_cmpint(hbitmap_next_dirty(coarse, 0, 10000), ==, 512);
    g_assert_cmpuint(hbitmap_count(coarse), ==, 1024);
    hbitmap_merge(fine, coarse);
    g_assert_cmpuint(hbitmap_count(fine), ==, 1024);
    hbitmap_free(fine);
    hbitmap_free(coarse);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hbitmap/random", test_random);
    g_test_add_func("/hbitmap/truncate", test_truncate);
    g_test_add_func("/hbitmap/serialize", test_serialize);
    g_test_add_func("/hbitmap/merge", test_merge);
    return g_test_run();
}
