/*
 * Proves that buffer vectors copy, slice and compare the right bytes, and that the zero test misses none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <glib.h>
#include "util/iov.h"

static void fill_pattern(uint8_t *buf, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf[i] = i * 7 + 1;
    }
}

/* 100 bytes in pieces of 0, 10, 1, 39, 50. */
static void make_pieces(IoVec *v, uint8_t *buf)
{
    iov_init(v, 2);
    iov_add(v, buf, 0);
    iov_add(v, buf, 10);
    iov_add(v, buf + 10, 1);
    iov_add(v, buf + 11, 39);
    iov_add(v, buf + 50, 50);
}

static void test_slices(void)
{
    uint8_t buf[100], copy[100];
    g_autofree struct iovec *scratch = NULL;
    AUTO_IOVEC v = { 0 };

    fill_pattern(buf, sizeof(buf));
    make_pieces(&v, buf);
    g_assert_cmpuint(v.size, ==, 100);
    for (size_t offset = 0; offset <= 100; offset++) {
        for (size_t bytes = 0; bytes <= 100 - offset; bytes++) {
            struct iovec *iov;
            int niov;
            IoVec part;
            AUTO_IOVEC shared = { 0 };

            iov_slice(&v, offset, bytes, &iov, &niov, &scratch);
            iov_init_external(&part, iov, niov);
            g_assert_cmpuint(part.size, ==, bytes);
            g_assert_cmpuint(iov_to_buf(&part, 0, copy, 100), ==, bytes);
            g_assert_cmpint(memcmp(copy, buf + offset, bytes), ==, 0);
            iov_concat(&shared, &v, offset, bytes);
            g_assert_cmpuint(shared.size, ==, bytes);
            g_assert_cmpint(iov_first_difference(&shared, &part), ==, -1);
        }
    }
}

static void test_copies(void)
{
    uint8_t buf[100] = { 0 }, other[100] = { 0 };
    AUTO_IOVEC v = { 0 };
    IoVec flat;

    make_pieces(&v, buf);
    iov_init_buf(&flat, other, sizeof(other));
    g_assert_true(iov_is_zero(&v, 0, 100));
    g_assert_cmpuint(iov_fill(&v, 9, 0xaa, 3), ==, 3);
    g_assert_true(buf[8] == 0 && buf[9] == 0xaa && buf[11] == 0xaa && buf[12] == 0);
    g_assert_cmpint(iov_first_difference(&v, &flat), ==, 9);
    g_assert_false(iov_is_zero(&v, 11, 1));
    g_assert_true(iov_is_zero(&v, 12, 88));
    g_assert_cmpuint(iov_from_buf(&flat, 95, buf, 100), ==, 5);
    memcpy(other, buf, 99);
    other[99] = 1;
    g_assert_cmpint(iov_first_difference(&v, &flat), ==, 99);
    iov_reset(&v);
    g_assert_cmpuint(v.size, ==, 0);
}

static void test_zero(void)
{
    g_autofree uint8_t *buf = g_malloc0(4096);

    for (size_t len = 0; len < 600; len++) {
        for (size_t start = 0; start < 9; start++) {
            g_assert_true(buffer_is_zero(buf + start, len));
            for (size_t i = 0; i < len; i += len > 200 ? 17 : 1) {
                buf[start + i] = 0x80;
                g_assert_false(buffer_is_zero(buf + start, len));
                buf[start + i] = 0;
            }
            buf[start + len] = 1;
            g_assert_true(buffer_is_zero(buf + start, len));
            buf[start + len] = 0;
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iov/slices", test_slices);
    g_test_add_func("/iov/copies", test_copies);
    g_test_add_func("/iov/zero", test_zero);
    return g_test_run();
}
