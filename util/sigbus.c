/*
 * Surviving memory that its owner truncates.
 *
 * The handler looks for the address among the guarded ranges.  Entries are published by their base address last and
 * taken back by it first, so the handler needs no lock; changes are made under one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include "util/sigbus.h"

#define MAX_RANGES 256

typedef struct Range {
    char *base;                /* atomic; NULL: free */
    size_t len;
    bool *gone;
} Range;

static Range ranges[MAX_RANGES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction before;
static bool installed;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
    char *at = info->si_addr;

    for (int i = 0; i < MAX_RANGES; i++) {
        Range *r = &ranges[i];
        char *base = __atomic_load_n(&r->base, __ATOMIC_ACQUIRE);

        if (base && at >= base && (size_t)(at - base) < r->len
            && mmap(base, r->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
                    0) == base) {
            __atomic_store_n(r->gone, true, __ATOMIC_SEQ_CST);
            return;
        }
    }
    sigaction(SIGBUS, &before, NULL);          /* not ours: it comes again at once */
}

static void install(void)
{
    struct sigaction act = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

    installed = sigaction(SIGBUS, &act, &before) == 0;
}

bool sigbus_guard(void *base, size_t len, bool *gone)
{
    Range *found = NULL;

    pthread_mutex_lock(&lock);
    if (!installed) {
        install();
    }
    for (int i = 0; i < MAX_RANGES && !found; i++) {
        found = ranges[i].base ? NULL : &ranges[i];
    }
    if (found) {
        found->len = len;
        found->gone = gone;
        __atomic_store_n(&found->base, base, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&lock);
    return found && installed;
}

void sigbus_unguard(void *base)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_RANGES; i++) {
        if (ranges[i].base == base) {
            __atomic_store_n(&ranges[i].base, NULL, __ATOMIC_RELEASE);
            break;
        }
    }
    pthread_mutex_unlock(&lock);
}
