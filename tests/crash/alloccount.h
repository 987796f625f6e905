/*
 * Memory under watch: blocks in use, and failures of large allocations.
 *
 * Linked into a program, this takes the place of the C library's allocator (not in builds with sanitizers, where alloc_watched is false).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_CRASH_ALLOCCOUNT_H
#define TESTS_CRASH_ALLOCCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#define ALLOC_LARGE (32 * 1024)        /* what a size from a disk or a wire can make large; smaller ones never fail but by g_try_* and posix_memalign */

extern const bool alloc_watched;
extern int64_t alloc_live;             /* blocks in use */
/* Make the n-th large allocation from now on fail (0: none), counted down; seen, and made to fail, since they were set to 0. */
extern int64_t alloc_fail_at, alloc_seen, alloc_trips;
extern bool alloc_small;               /* those smaller ones fail, too */
/* > 0: what is allocated belongs to the test, and does not fail. */
extern int alloc_own;

#endif
