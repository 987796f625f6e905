/*
 * Preloaded into a program: the n-th large allocation from a moment on finds no memory, as the test says through a shared page.
 *
 * FAIL_ALLOC names the page (struct Control); with FAIL_ALLOC_TRACE set, where it failed is printed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct Control {
    int64_t at;                 /* counted down; 0: none fails */
    int64_t large;              /* smaller ones never fail */
    int64_t seen, trips;
} Control;

/* The C library's own, under the names that it keeps for this. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);

static Control *control;

__attribute__((constructor)) static void find_control(void)
{
    const char *name = getenv("FAIL_ALLOC");
    int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    void *page = fd >= 0 ? mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

    if (fd >= 0) {
        close(fd);
    }
    control = page != MAP_FAILED ? page : NULL;
}

static int trip(size_t size)
{
    if (!control || (int64_t)size < __atomic_load_n(&control->large, __ATOMIC_RELAXED) || !__atomic_load_n(&control->at, __ATOMIC_RELAXED)) {
        return 0;
    }
    __atomic_add_fetch(&control->seen, 1, __ATOMIC_RELAXED);
    if (__atomic_sub_fetch(&control->at, 1, __ATOMIC_RELAXED) != 0) {
        return 0;
    }
    __atomic_add_fetch(&control->trips, 1, __ATOMIC_RELAXED);
    if (getenv("FAIL_ALLOC_TRACE")) {
        void *frames[24];

        backtrace_symbols_fd(frames, backtrace(frames, 24), 2);
    }
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) { return trip(size) ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return trip(n * size) ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t size) { return trip(size) ? NULL : __libc_realloc(p, size); }
void *memalign(size_t align, size_t size) { return trip(size) ? NULL : __libc_memalign(align, size); }
void *aligned_alloc(size_t align, size_t size) { return memalign(align, size); }

int posix_memalign(void **out, size_t align, size_t size)
{
    void *p = memalign(align, size);

    *out = p ? p : *out;
    return p ? 0 : ENOMEM;
}
