/*
 * The allocator that counts and fails; glib's calls that may find no memory, which fail with any size.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <glib.h>
#include "alloccount.h"
#include "places.h"

int64_t alloc_live, alloc_fail_at, alloc_seen, alloc_trips;
int alloc_own;
bool alloc_small;

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

/* May a call for so many bytes fail?  Then it is the one to fail, or not. */
static bool trip_from(size_t size, size_t large)
{
    if (size < large || __atomic_load_n(&alloc_own, __ATOMIC_RELAXED) > 0) {
        return false;
    }
    places_event(__atomic_add_fetch(&alloc_seen, 1, __ATOMIC_RELAXED));
    if (!alloc_fail_at || --alloc_fail_at) {
        return false;
    }
    __atomic_add_fetch(&alloc_trips, 1, __ATOMIC_RELAXED);
    errno = ENOMEM;
    return true;
}

static bool trip(size_t size) { return trip_from(size, ALLOC_LARGE); }
static bool trip_try(size_t size) { return trip_from(size, alloc_small ? 1 : ALLOC_LARGE); }

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
    void *p = trip_try(size) ? NULL : counted(__libc_memalign(align, size));

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

/* --- glib's, whose callers go on without memory ------------------------------------------- */

void *(g_try_malloc)(size_t size) { return !size || trip_try(size) ? NULL : counted(__libc_malloc(size)); }
void *(g_try_malloc0)(size_t size) { return !size || trip_try(size) ? NULL : counted(__libc_calloc(1, size)); }
void *(g_try_malloc_n)(size_t n, size_t size) { return size && n > SIZE_MAX / size ? NULL : g_try_malloc(n * size); }
void *(g_try_malloc0_n)(size_t n, size_t size) { return size && n > SIZE_MAX / size ? NULL : g_try_malloc0(n * size); }

void *g_try_realloc_n(void *p, size_t n, size_t size)
{
    size_t bytes = n * size;

    if (!p || !bytes || n > SIZE_MAX / size) {
        free(bytes ? NULL : p);
        return g_try_malloc_n(n, size);
    }
    return trip_try(bytes) ? NULL : __libc_realloc(p, bytes);
}
#endif
