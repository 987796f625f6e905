/*
 * Speed limits: a quota of bytes in each slice of time; who exceeds it waits until the slices it used are over.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include "util/aio.h"
#include "util/ratelimit.h"

#define SLICE_NS 100000000LL

void ratelimit_set_speed(RateLimit *l, uint64_t speed)
{
    l->quota = speed ? MAX(speed / 10, 1) : 0;
}

int64_t ratelimit_delay(RateLimit *l, uint64_t n)
{
    int64_t now = aio_clock_ns(AIO_CLOCK_REALTIME);
    uint64_t slices;

    if (!l->quota) {
        return 0;
    }
    if (l->slice_end < now) {
        l->slice_start = now;
        l->slice_end = now + SLICE_NS;
        l->used = 0;
    }
    l->used += n;
    if (l->used < l->quota) {
        return 0;
    }
    /* Bounded, or a limit of a byte a second would overflow the clock. */
    slices = MIN(l->used / l->quota, (uint64_t)INT64_MAX / 4 / SLICE_NS);
    l->slice_end = l->slice_start + (int64_t)slices * SLICE_NS;
    return MAX(l->slice_end - now, 0);
}
