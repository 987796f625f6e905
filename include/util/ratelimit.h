/*
 * Speed limits for background work: so many bytes a second, counted in slices of 100 ms.  Not locked.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_RATELIMIT_H
#define UTIL_RATELIMIT_H

#include <stdint.h>

typedef struct RateLimit {
    uint64_t quota;                    /* bytes in a slice, 0: no limit */
    uint64_t used;
    int64_t slice_start, slice_end;
} RateLimit;

void ratelimit_set_speed(RateLimit *l, uint64_t speed);
/* n bytes were or will be moved: ns to wait before the next. */
int64_t ratelimit_delay(RateLimit *l, uint64_t n);

#endif
