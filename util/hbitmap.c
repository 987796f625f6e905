/*
 * Hierarchical bitmaps: level 0 has a bit per granule; a bit of level n + 1 says that a word of
 * level n is not all clear.  The top level is one word.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <glib.h>
#include "util/cutils.h"
#include "util/hbitmap.h"

#define WORD_BITS 64
#define LEVELS_MAX 11
/* Larger levels are refused without asking the allocator. */
#define WORDS_MAX (1ULL << 36)

struct HBitmap {
    uint64_t size;          /* bytes */
    uint64_t granules;
    unsigned granularity_bits;
    int levels;
    uint64_t *level[LEVELS_MAX];
    uint64_t words[LEVELS_MAX];
    uint64_t set_granules;
};

static uint64_t granules_of(uint64_t size, unsigned granularity_bits)
{
    return (size >> granularity_bits) + !!(size & ((1ULL << granularity_bits) - 1));
}

static void levels_free(HBitmap *b)
{
    for (int i = 0; i < b->levels; i++) {
        g_free(b->level[i]);
        b->level[i] = NULL;
    }
    b->levels = 0;
}

/* False when memory does not suffice; what was allocated is freed by levels_free. */
static bool levels_alloc(HBitmap *b)
{
    uint64_t bits = b->granules;

    do {
        uint64_t words = MAX(bits / WORD_BITS + !!(bits % WORD_BITS), 1);

        b->level[b->levels] = words <= WORDS_MAX ? g_try_malloc0(words * 8) : NULL;
        if (!b->level[b->levels]) {
            return false;
        }
        b->words[b->levels++] = words;
        bits = words;
    } while (bits > 1);
    return true;
}

HBitmap *hbitmap_new(uint64_t size, unsigned granularity_bits)
{
    HBitmap *b = g_new0(HBitmap, 1);

    b->size = size;
    b->granularity_bits = granularity_bits;
    b->granules = granules_of(size, granularity_bits);
    if (!levels_alloc(b)) {
        hbitmap_free(b);
        return NULL;
    }
    return b;
}

void hbitmap_free(HBitmap *b)
{
    if (b) {
        levels_free(b);
        g_free(b);
    }
}

uint64_t hbitmap_size(const HBitmap *b)
{
    return b->size;
}

unsigned hbitmap_granularity_bits(const HBitmap *b)
{
    return b->granularity_bits;
}

static bool granule_get(const HBitmap *b, uint64_t g)
{
    return b->level[0][g / WORD_BITS] >> (g % WORD_BITS) & 1;
}

uint64_t hbitmap_count(const HBitmap *b)
{
    uint64_t granularity = 1ULL << b->granularity_bits;
    uint64_t tail = b->size & (granularity - 1);
    uint64_t bytes = b->set_granules << b->granularity_bits;

    if (tail && granule_get(b, b->granules - 1)) {
        bytes -= granularity - tail;
    }
    return bytes;
}

bool hbitmap_get(const HBitmap *b, uint64_t offset)
{
    return offset < b->size && granule_get(b, offset >> b->granularity_bits);
}

/* Bits [first, last] of the word that holds both. */
static uint64_t word_mask(unsigned first, unsigned last)
{
    return (~0ULL << first) & (~0ULL >> (WORD_BITS - 1 - last));
}

/* Tell the levels above that words [first, last] of level are no longer clear. */
static void summarise_set(HBitmap *b, int level, uint64_t first, uint64_t last)
{
    for (level++; level < b->levels; level++) {
        uint64_t first_word = first / WORD_BITS, last_word = last / WORD_BITS;

        for (uint64_t w = first_word; w <= last_word; w++) {
            unsigned lo = w == first_word ? first % WORD_BITS : 0;
            unsigned hi = w == last_word ? last % WORD_BITS : WORD_BITS - 1;

            b->level[level][w] |= word_mask(lo, hi);
        }
        first = first_word;
        last = last_word;
    }
}

static void summarise_clear(HBitmap *b, uint64_t word)
{
    for (int level = 1; level < b->levels && !b->level[level - 1][word]; level++) {
        b->level[level][word / WORD_BITS] &= ~(1ULL << (word % WORD_BITS));
        word /= WORD_BITS;
    }
}

/* Byte range to granules [*first, *last]; false if it is empty. */
static bool granule_range(const HBitmap *b, uint64_t offset, uint64_t bytes, uint64_t *first, uint64_t *last)
{
    if (offset >= b->size || !bytes) {
        return false;
    }
    bytes = MIN(bytes, b->size - offset);
    *first = offset >> b->granularity_bits;
    *last = (offset + bytes - 1) >> b->granularity_bits;
    return true;
}

void hbitmap_set(HBitmap *b, uint64_t offset, uint64_t bytes)
{
    uint64_t first, last;

    if (!granule_range(b, offset, bytes, &first, &last)) {
        return;
    }
    for (uint64_t w = first / WORD_BITS; w <= last / WORD_BITS; w++) {
        uint64_t mask = word_mask(w == first / WORD_BITS ? first % WORD_BITS : 0,
                                  w == last / WORD_BITS ? last % WORD_BITS : WORD_BITS - 1);

        b->set_granules += __builtin_popcountll(mask & ~b->level[0][w]);
        b->level[0][w] |= mask;
    }
    summarise_set(b, 0, first / WORD_BITS, last / WORD_BITS);
}

/* First word >= from of level that is not all clear, or the level's number of words. */
static uint64_t next_nonzero_word(const HBitmap *b, int level, uint64_t from)
{
    uint64_t up, bits;

    if (from >= b->words[level] || b->level[level][from]) {
        return MIN(from, b->words[level]);
    }
    if (level + 1 == b->levels) {
        return b->words[level];
    }
    up = from / WORD_BITS;
    bits = b->level[level + 1][up] & (~0ULL << (from % WORD_BITS));
    if (!bits) {
        up = next_nonzero_word(b, level + 1, up + 1);
        if (up == b->words[level + 1]) {
            return b->words[level];
        }
        bits = b->level[level + 1][up];
    }
    return up * WORD_BITS + __builtin_ctzll(bits);
}

void hbitmap_reset(HBitmap *b, uint64_t offset, uint64_t bytes)
{
    uint64_t first, last;

    if (!granule_range(b, offset, bytes, &first, &last)) {
        return;
    }
    for (uint64_t w = next_nonzero_word(b, 0, first / WORD_BITS); w <= last / WORD_BITS && w < b->words[0];
         w = next_nonzero_word(b, 0, w + 1)) {
        uint64_t mask = word_mask(w == first / WORD_BITS ? first % WORD_BITS : 0,
                                  w == last / WORD_BITS ? last % WORD_BITS : WORD_BITS - 1);

        b->set_granules -= __builtin_popcountll(mask & b->level[0][w]);
        b->level[0][w] &= ~mask;
        summarise_clear(b, w);
    }
}

void hbitmap_reset_all(HBitmap *b)
{
    for (int i = 0; i < b->levels; i++) {
        memset(b->level[i], 0, b->words[i] * 8);
    }
    b->set_granules = 0;
}

/* First set granule in [first, last], -1 if none. */
static int64_t next_set_granule(const HBitmap *b, uint64_t first, uint64_t last)
{
    uint64_t w = first / WORD_BITS, g;
    uint64_t bits = b->level[0][w] & (~0ULL << (first % WORD_BITS));

    if (!bits) {
        w = next_nonzero_word(b, 0, w + 1);
        if (w == b->words[0]) {
            return -1;
        }
        bits = b->level[0][w];
    }
    g = w * WORD_BITS + __builtin_ctzll(bits);
    return g <= last ? (int64_t)g : -1;
}

static int64_t next_clear_granule(const HBitmap *b, uint64_t first, uint64_t last)
{
    uint64_t w = first / WORD_BITS, g;
    uint64_t bits = ~b->level[0][w] & (~0ULL << (first % WORD_BITS));

    while (!bits) {
        if (++w > last / WORD_BITS) {
            return -1;
        }
        bits = ~b->level[0][w];
    }
    g = w * WORD_BITS + __builtin_ctzll(bits);
    return g <= last ? (int64_t)g : -1;
}

/* A granule found in a search that began at offset, as a byte. */
static int64_t granule_to_offset(const HBitmap *b, int64_t granule, uint64_t offset)
{
    return granule < 0 ? -1 : (int64_t)MAX((uint64_t)granule << b->granularity_bits, offset);
}

int64_t hbitmap_next_dirty(const HBitmap *b, uint64_t offset, uint64_t bytes)
{
    uint64_t first, last;

    if (!granule_range(b, offset, bytes, &first, &last)) {
        return -1;
    }
    return granule_to_offset(b, next_set_granule(b, first, last), offset);
}

int64_t hbitmap_next_zero(const HBitmap *b, uint64_t offset, uint64_t bytes)
{
    uint64_t first, last;

    if (!granule_range(b, offset, bytes, &first, &last)) {
        return -1;
    }
    return granule_to_offset(b, next_clear_granule(b, first, last), offset);
}

bool hbitmap_next_dirty_area(const HBitmap *b, uint64_t offset, uint64_t end, uint64_t max,
                             uint64_t *area_offset, uint64_t *area_bytes)
{
    int64_t start, zero;

    end = MIN(end, b->size);
    if (offset >= end || !max) {
        return false;
    }
    start = hbitmap_next_dirty(b, offset, end - offset);
    if (start < 0) {
        return false;
    }
    end = MIN(end - start, max) + start;
    zero = hbitmap_next_zero(b, start, end - start);
    *area_offset = start;
    *area_bytes = (zero < 0 ? end : (uint64_t)zero) - start;
    return true;
}

/* Rebuild what follows from level 0: the levels above and the count. */
static void rebuild(HBitmap *b)
{
    b->set_granules = 0;
    for (int i = 1; i < b->levels; i++) {
        memset(b->level[i], 0, b->words[i] * 8);
    }
    for (uint64_t w = 0; w < b->words[0]; w++) {
        if (b->level[0][w]) {
            b->set_granules += __builtin_popcountll(b->level[0][w]);
            summarise_set(b, 0, w, w);
        }
    }
}

bool hbitmap_truncate(HBitmap *b, uint64_t size)
{
    HBitmap *grown = hbitmap_new(size, b->granularity_bits);
    HBitmap old = *b;

    if (!grown) {
        return false;
    }
    memcpy(grown->level[0], b->level[0], MIN(b->words[0], grown->words[0]) * 8);
    if (grown->granules % WORD_BITS) {
        grown->level[0][grown->words[0] - 1] &= word_mask(0, grown->granules % WORD_BITS - 1);
    } else if (!grown->granules) {
        grown->level[0][0] = 0;
    }
    rebuild(grown);
    *b = *grown;
    *grown = old;
    hbitmap_free(grown);
    return true;
}

void hbitmap_merge(HBitmap *dst, const HBitmap *src)
{
    uint64_t offset = 0, bytes;

    if (dst->granularity_bits == src->granularity_bits && dst->words[0] == src->words[0]) {
        for (uint64_t w = 0; w < dst->words[0]; w++) {
            dst->level[0][w] |= src->level[0][w];
        }
        rebuild(dst);
        return;
    }
    while (hbitmap_next_dirty_area(src, offset, src->size, UINT64_MAX, &offset, &bytes)) {
        hbitmap_set(dst, offset, bytes);
        offset += bytes;
    }
}

HBitmap *hbitmap_clone(const HBitmap *b)
{
    HBitmap *copy = hbitmap_new(b->size, b->granularity_bits);

    if (!copy) {
        return NULL;
    }
    for (int i = 0; i < b->levels; i++) {
        memcpy(copy->level[i], b->level[i], b->words[i] * 8);
    }
    copy->set_granules = b->set_granules;
    return copy;
}

/* Number i byte of level 0 when it is written little-endian. */
static unsigned byte_shift(uint64_t i)
{
    return i % 8 * 8;
}

void hbitmap_serialize(const HBitmap *b, uint8_t *buf, uint64_t first, uint64_t n)
{
    uint64_t byte = first / 8, bytes = DIV_UP(n, 8);

    for (uint64_t i = 0; i < bytes; i++, byte++) {
        buf[i] = b->level[0][byte / 8] >> byte_shift(byte);
    }
    if (n % 8) {
        buf[bytes - 1] &= 0xff >> (8 - n % 8);
    }
}

void hbitmap_deserialize(HBitmap *b, const uint8_t *buf, uint64_t first, uint64_t n)
{
    uint64_t byte = first / 8, bytes = DIV_UP(n, 8);

    for (uint64_t i = 0; i < bytes; i++, byte++) {
        uint8_t mask = i == bytes - 1 && n % 8 ? 0xff >> (8 - n % 8) : 0xff;
        uint64_t *word = &b->level[0][byte / 8];

        *word &= ~((uint64_t)mask << byte_shift(byte));
        *word |= (uint64_t)(buf[i] & mask) << byte_shift(byte);
    }
}

void hbitmap_deserialize_finish(HBitmap *b)
{
    rebuild(b);
}
