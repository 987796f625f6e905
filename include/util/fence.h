/*
 * A full memory barrier that the thread sanitizer understands: it knows no fences, but it knows atomic operations.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_FENCE_H
#define UTIL_FENCE_H

static inline void full_fence(void)
{
#ifdef __SANITIZE_THREAD__
    static int everybody;

    __atomic_fetch_add(&everybody, 1, __ATOMIC_SEQ_CST);
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

#endif
