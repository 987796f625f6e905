/*
 * Is a buffer all zero?  Data buffers that are not usually show it in their first, middle or
 * last bytes, so those are looked at before the sweep.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <sys/mman.h>
#include "util/iov.h"

typedef uint64_t Vec __attribute__((vector_size(32), aligned(1), may_alias));

static inline uint64_t load_word(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

/*
 * len >= 128.  Vectors stay inside this function: the clones would pass them between functions
 * in different registers.
 */
/* The choice between clones is made before the thread sanitizer runs, whose checks would crash in it. */
#ifndef __SANITIZE_THREAD__
__attribute__((target_clones("avx2", "default")))
#endif
static bool sweep_is_zero(const uint8_t *p, size_t len)
{
    const uint8_t *last = p + len - 128;

    for (;;) {
        const Vec *v = (const Vec *)p;
        Vec any = v[0] | v[1] | v[2] | v[3];

        if (any[0] | any[1] | any[2] | any[3]) {
            return false;
        }
        if (p == last) {
            return true;
        }
        p = last - p > 128 ? p + 128 : last;    /* the last block may overlap one already seen */
    }
}

static bool short_is_zero(const uint8_t *p, size_t len)
{
    uint64_t acc = 0;
    size_t i = 0;

    for (; i + 8 <= len; i += 8) {
        acc |= load_word(p + i);
    }
    for (; i < len; i++) {
        acc |= p[i];
    }
    return acc == 0;
}

bool buffer_is_zero(const void *buf, size_t len)
{
    const uint8_t *p = buf;

    if (len < 128) {
        return short_is_zero(p, len);
    }
    if (load_word(p) | load_word(p + len / 2) | load_word(p + len - 8)) {
        return false;
    }
    return sweep_is_zero(p, len);
}

#define ZERO_RUN 65536u              /* a multiple of every page size; what is shorter is not worth a call */

void buffer_drop_zeroes(void *buf, size_t len)
{
    uintptr_t end = (uintptr_t)buf + len, from, at;

    from = at = ((uintptr_t)buf + ZERO_RUN - 1) / ZERO_RUN * ZERO_RUN;
    for (; at + ZERO_RUN <= end; at += ZERO_RUN) {
        if (!buffer_is_zero((void *)at, ZERO_RUN)) {
            if (at > from) {
                madvise((void *)from, at - from, MADV_DONTNEED);
            }
            from = at + ZERO_RUN;
        }
    }
    if (at > from) {
        madvise((void *)from, at - from, MADV_DONTNEED);
    }
}
