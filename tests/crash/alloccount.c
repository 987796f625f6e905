/*
 * The allocator that counts and fails.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include "alloccount.h"

int64_t alloc_live, alloc_fail_at, alloc_seen, alloc_trips;
int alloc_own;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
const bool alloc_watched = false;
#else
const bool alloc_watched = true;

/* The C library's own, under the names that it keeps for this. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *p);

static bool trip(size_t size)
{
    if (size < ALLOC_LARGE || __atomic_load_n(&alloc_own, __ATOMIC_RELAXED) > 0) {
        return false;
    }
    __atomic_add_fetch(&alloc_seen, 1, __ATOMIC_RELAXED);
    if (!alloc_fail_at || --alloc_fail_at) {
        return false;
    }
    __atomic_add_fetch(&alloc_trips, 1, __ATOMIC_RELAXED);
    errno = ENOMEM;
    return true;
}

static void *counted(void *p)
{
    if (p) {
        __atomic_add_fetch(&alloc_live, 1, __ATOMIC_RELAXED);
    }
    return p;
}

void *malloc(size_t size) { return trip(size) ? NULL : counted(__libc_malloc(size)); }
void *calloc(size_t n, size_t size) { return trip(n * size) ? NULL : counted(__libc_calloc(n, size)); }
void *memalign(size_t align, size_t size) { return trip(size) ? NULL : counted(__libc_memalign(align, size)); }
void *aligned_alloc(size_t align, size_t size) { return memalign(align, size); }

int posix_memalign(void **out, size_t align, size_t size)
{
    void *p = memalign(align, size);

    if (!p) {
        return ENOMEM;
    }
    *out = p;
    return 0;
}

void *realloc(void *p, size_t size)
{
    if (!p) {
        return malloc(size);
    }
    if (trip(size)) {
        return NULL;
    }
    return __libc_realloc(p, size);
}

void free(void *p)
{
    if (p) {
        __atomic_sub_fetch(&alloc_live, 1, __ATOMIC_RELAXED);
    }
    __libc_free(p);
}
#endif
