/*
 * qcow2: loops over whole tables, written so that the compiler makes vectors of them.
 *
 * A state has one entry and one count a cluster; where clusters were allocated in a row both are the same little step over
 * and over.  So a run is recognised by comparing a block of entries with what they would be, without a branch in
 * between, and handled as a range.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "qcow2-vector.h"

/* The choice between clones is made before the thread sanitizer runs, whose checks would crash in it. */
#ifndef __SANITIZE_THREAD__
#define VECTORS __attribute__((target_clones("avx2", "default"), optimize("O3")))
#else
#define VECTORS
#endif

#define BLOCK 64                     /* entries looked at without a branch */

/* Are BLOCK entries from p on equal to entry, entry + step, ...? */
VECTORS static bool block_continues(const uint8_t *p, uint64_t entry, uint64_t step)
{
    uint64_t have[BLOCK], differ = 0;
    memcpy(have, p, sizeof(have));
    for (unsigned k = 0; k < BLOCK; k++) {
        differ |= __builtin_bswap64(have[k]) ^ (entry + k * step);
    }
    return !differ;
}

uint32_t qcow2_plain_run(const Qcow2 *q, const uint8_t *table, uint32_t i)
{
    uint64_t entry = load_be64(table + (size_t)i * 8), place = entry & QCOW2_L2_OFFSET_MASK, step = q->cluster_size;
    uint32_t n = 1, left = q->l2_entries - i;
    bool blocks = true;
    if (!place || qcow2_in_cluster(q, place) || (entry & ~(QCOW2_L2_OFFSET_MASK | QCOW2_OFLAG_COPIED))) {
        return 0;
    }
    while (n < left && load_be64(table + (size_t)(i + n) * 8) == entry + n * step) {
        n++;
        while (blocks && left - n >= BLOCK) {
            blocks = block_continues(table + (size_t)(i + n) * 8, entry + n * step, step);
            n += blocks ? BLOCK : 0;
        }
    }
    return n;
}

VECTORS static uint64_t any_bits(const uint64_t *p, uint32_t n)
{
    uint64_t any = 0;
    for (uint32_t i = 0; i < n; i++) {
        any |= p[i];
    }
    return any;
}

VECTORS static void mask_words(uint64_t *p, uint32_t n, uint64_t keep)
{
    for (uint32_t i = 0; i < n; i++) {
        p[i] &= keep;
    }
}

bool qcow2_clear_copied(const Qcow2 *q, uint8_t *table)
{
    uint64_t *w = (uint64_t *)(void *)table, flag = GUINT64_TO_BE(QCOW2_OFLAG_COPIED);
    if (q->l2_entry_size == 8) {
        bool any = any_bits(w, q->l2_entries) & flag;
        if (any) {
            mask_words(w, q->l2_entries, ~flag);
        }
        return any;
    }
    bool any = false;
    for (uint32_t i = 0; i < q->l2_entries; i++) {
        uint8_t *p = table + (size_t)i * q->l2_entry_size;
        any |= *p & 0x80;
        *p &= 0x7f;
    }
    return any;
}

VECTORS static void set_words(uint64_t *p, uint32_t n, uint64_t bits)
{
    for (uint32_t i = 0; i < n; i++) {
        p[i] |= bits;
    }
}

void qcow2_set_copied(uint8_t *table, uint32_t i, uint32_t n)
{
    set_words((uint64_t *)(void *)table + i, n, GUINT64_TO_BE(QCOW2_OFLAG_COPIED));
}

VECTORS static bool all_equal(const uint16_t *c, uint32_t n, uint16_t value)
{
    uint16_t differ = 0;
    for (uint32_t i = 0; i < n; i++) {
        differ |= c[i] ^ value;
    }
    return !differ;
}

bool qcow2_counts16_one(const uint8_t *p, uint32_t n)
{
    return all_equal((const uint16_t *)(const void *)p, n, GUINT16_TO_BE(1));
}

VECTORS static uint32_t skip_nonzero(const uint16_t *c, uint32_t n)
{
    uint32_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        const uint16_t *block = c + i;
        uint16_t zeroes = 0;
        for (unsigned k = 0; k < BLOCK; k++) {
            zeroes |= block[k] == 0;
        }
        if (zeroes) {
            break;
        }
    }
    return i;
}

uint32_t qcow2_counts16_skip_used(const uint8_t *p, uint32_t n)
{
    return skip_nonzero((const uint16_t *)(const void *)p, n);
}

/* How many of c[0..n) are `edge`; *bad: is any outside of [min, max]? */
VECTORS static uint32_t look_for(const uint16_t *c, uint32_t n, uint16_t min, uint16_t max, uint16_t edge, bool *bad)
{
    uint16_t outside = 0, turns = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint16_t count = __builtin_bswap16(c[i]);
        outside |= (count < min) | (count > max);
        turns += count == edge;
    }
    *bad = outside;
    return turns;
}

VECTORS static void add_words(uint16_t *c, uint32_t n, uint16_t delta)
{
    for (uint32_t i = 0; i < n; i++) {
        c[i] = __builtin_bswap16(__builtin_bswap16(c[i]) + delta);
    }
}

bool qcow2_counts16_add(uint8_t *p, uint32_t n, int delta, uint32_t *turned)
{
    uint16_t *c = (uint16_t *)(void *)p, min = delta < 0 ? -delta : 0, max = delta > 0 ? UINT16_MAX - delta : UINT16_MAX;
    bool bad = delta > UINT16_MAX || delta < -UINT16_MAX;
    *turned = 0;
    for (uint32_t i = 0, part; i < n && !bad; i += part) {
        part = MIN(n - i, 0xffffu);  /* so many fit into 16 bits */
        *turned += look_for(c + i, part, min, max, min, &bad);
    }
    if (!bad) {
        add_words(c, n, (uint16_t)delta);
    }
    return !bad;
}
