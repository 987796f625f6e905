/*
 * Places are hashes of return addresses, up to the start of the coroutine or of the program.
 *
 * Events come from the allocator too, and from other threads: nothing here takes memory while places are noted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <execinfo.h>
#include <string.h>
#include <glib.h>
#include "places.h"

#define MOST_EVENTS (1 << 18)
#define MOST_CALLS 40

static uint64_t places[MOST_EVENTS];
static bool noting;
static GHashTable *seen;

void places_note(bool on)
{
    void *first[2];

    if (on && !seen) {
        seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
        backtrace(first, 2);           /* loads what it needs */
    }
    if (on) {
        memset(places, 0, sizeof(places));
    }
    __atomic_store_n(&noting, on, __ATOMIC_RELAXED);
}

void places_event(int64_t number)
{
    void *calls[MOST_CALLS];
    uint64_t hash = 14695981039346656037u;

    if (!__atomic_load_n(&noting, __ATOMIC_RELAXED) || number < 1 || number > MOST_EVENTS) {
        return;
    }
    for (int i = 0, n = backtrace(calls, MOST_CALLS); i < n; i++) {
        hash = (hash ^ (uintptr_t)calls[i]) * 1099511628211u;
    }
    places[number - 1] = hash | 1;
}

bool places_is_new(int64_t number, unsigned kind)
{
    uint64_t hash = number >= 1 && number <= MOST_EVENTS ? places[number - 1] : 0;

    return hash && g_hash_table_add(seen, g_memdup2(&(uint64_t){ hash * 8 + kind }, sizeof(hash)));
}
