/*
 * Bytes of a read that have come.  See nbd-came.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include "nbd-came.h"

/* Set bits [from, to); false if one was set. */
static bool set_bits(uint8_t *bits, uint32_t from, uint32_t to)
{
    uint32_t first = from / 8, last = (to - 1) / 8;

    for (uint32_t i = first; i <= last; i++) {
        uint8_t mask = 0xff;

        if (i == first) {
            mask &= 0xff << from % 8;
        }
        if (i == last) {
            mask &= 0xff >> (7 - (to - 1) % 8);
        }
        if (bits[i] & mask) {
            return false;
        }
        bits[i] |= mask;
    }
    return true;
}

static bool out_of_order(NbdCame *c, uint32_t total)
{
    c->bits = g_try_malloc0((uint64_t)total / 8 + 1);
    return c->bits && (!c->bytes || set_bits(c->bits, 0, c->bytes));
}

bool nbd_came_add(NbdCame *c, uint32_t total, uint32_t from, uint32_t len)
{
    if (len && !c->bits && from != c->bytes && !out_of_order(c, total)) {
        return false;
    }
    if (len && c->bits && !set_bits(c->bits, from, from + len)) {
        return false;
    }
    c->bytes += len;
    return true;
}

void nbd_came_clear(NbdCame *c)
{
    g_free(c->bits);
    *c = (NbdCame){ 0 };
}
