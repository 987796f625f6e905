/*
 * Files removed by a signal that ends the program.  See leftovers.h.
 *
 * The handler reads slots that are changed atomically, and calls nothing but unlink.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>
#include "util/leftovers.h"

#define SLOTS 64

static const char *slots[SLOTS];

static bool swap(const char *from, const char *to)
{
    for (int i = 0; i < SLOTS; i++) {
        const char *expected = from;

        if (__atomic_compare_exchange_n(&slots[i], &expected, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            return true;
        }
    }
    return false;
}

void leftovers_add(const char *path) { swap(NULL, path); }

void leftovers_forget(const char *path)
{
    if (path) {
        swap(path, NULL);
    }
}

/* The handler is gone by now (SA_RESETHAND): the signal comes again when this returns, and ends the program. */
static void on_signal(int sig)
{
    for (int i = 0; i < SLOTS; i++) {
        const char *path = __atomic_load_n(&slots[i], __ATOMIC_SEQ_CST);

        if (path) {
            unlink(path);
        }
    }
    raise(sig);
}

void leftovers_remove_on_signal(void)
{
    static const int signals[] = { SIGINT, SIGHUP, SIGTERM };
    struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND }, old;

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL) {
            sigaction(signals[i], &act, NULL);
        }
    }
}
