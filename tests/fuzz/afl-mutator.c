/*
 * The changes of mutate-qcow2.c for AFL++, as a library (AFL_CUSTOM_MUTATOR_LIBRARY).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "fuzz.h"

typedef struct Mutator { unsigned seed; uint8_t *out; size_t room; } Mutator;

void *afl_custom_init(void *afl, unsigned seed);
size_t afl_custom_fuzz(void *opaque, uint8_t *in, size_t size, uint8_t **out, uint8_t *other, size_t other_size,
                       size_t max);
void afl_custom_deinit(void *opaque);

/* For inputs that are too short to be images: AFL++ has its own ways, too. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max)
{
    if (size) {
        data[0] ^= 1;
    }
    return size;
}

void *afl_custom_init(void *afl, unsigned seed)
{
    Mutator *m = g_new0(Mutator, 1);

    m->seed = seed;
    return m;
}

size_t afl_custom_fuzz(void *opaque, uint8_t *in, size_t size, uint8_t **out, uint8_t *other, size_t other_size,
                       size_t max)
{
    Mutator *m = opaque;

    size = MIN(size, max);
    if (m->room < size) {
        m->room = size;
        m->out = g_realloc(m->out, size);
    }
    memcpy(m->out, in, size);
    *out = m->out;
    return LLVMFuzzerCustomMutator(m->out, size, size, m->seed++);
}

void afl_custom_deinit(void *opaque)
{
    Mutator *m = opaque;

    g_free(m->out);
    g_free(m);
}
