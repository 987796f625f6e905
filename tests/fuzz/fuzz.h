/*
 * What fuzzing entries, mutators and the programs that run them agree on: the names are libFuzzer's, which AFL++ knows, too.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <glib.h>

/* One input.  It ends with the process (a signal, a sanitizer's report, abort) when something is wrong. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Change data in its place, to at most max bytes: the new size.  In entries whose input has a structure; weak elsewhere. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
/* What the engine itself would do to bytes that have none. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* Reads numbers off an input; at its end all is zero. */
typedef struct FuzzReader { const uint8_t *data; size_t size; } FuzzReader;

static inline uint64_t fuzz_take(FuzzReader *r, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes && r->size; i++, r->size--) {
        v |= (uint64_t)*r->data++ << (8 * i);
    }
    return v;
}

#endif
