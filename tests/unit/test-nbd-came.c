/*
 * Proves that of a read in chunks each byte is counted once, in any order, against a plain map of the bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <string.h>
#include "../../block/nbd-came.h"

#define TOTAL 300

static void test_any_order(void)
{
    for (uint32_t seed = 0; seed < 2000; seed++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
        bool map[TOTAL] = { false };
        NbdCame came = { 0 };
        uint32_t bytes = 0;

        for (int i = 0; i < 60; i++) {
            uint32_t anywhere = g_rand_int_range(rand, 0, TOTAL), from = seed % 2 ? bytes % TOTAL : anywhere;
            uint32_t len = g_rand_int_range(rand, 0, TOTAL - from + 1);
            bool clash = len && memchr(map + from, true, len);

            if (seed % 3 == 0) {
                len = len ? 1 : 0;
                clash = len && map[from];
            }
            g_assert_cmpint(nbd_came_add(&came, TOTAL, from, len), ==, !clash);
            if (clash) {
                break;
            }
            memset(map + from, true, len);
            bytes += len;
            g_assert_cmpuint(came.bytes, ==, bytes);
        }
        nbd_came_clear(&came);
        g_assert_cmpuint(came.bytes, ==, 0);
    }
}

static void test_whole(void)
{
    const uint32_t total = 32u << 20;
    NbdCame came = { 0 };

    for (uint32_t at = total; at;) {
        at -= 1u << 20;
        g_assert_true(nbd_came_add(&came, total, at, 1u << 20));
    }
    g_assert_cmpuint(came.bytes, ==, total);
    g_assert_false(nbd_came_add(&came, total, total - 1, 1));
    nbd_came_clear(&came);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nbd-came/any-order", test_any_order);
    g_test_add_func("/nbd-came/whole", test_whole);
    return g_test_run();
}
