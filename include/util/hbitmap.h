/*
 * Hierarchical bitmaps over a byte range at a power-of-two granularity: setting, clearing and
 * finding the next set or clear bit cost O(log size) however sparse the map is.
 * Not locked: the owner guards it.  Offsets and lengths are bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_HBITMAP_H
#define UTIL_HBITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct HBitmap HBitmap;

HBitmap *hbitmap_new(uint64_t size, unsigned granularity_bits);   /* NULL when the size cannot be allocated */
void hbitmap_free(HBitmap *b);
uint64_t hbitmap_size(const HBitmap *b);
unsigned hbitmap_granularity_bits(const HBitmap *b);
/* Number of set bytes (whole granules, the last one cut at size). */
uint64_t hbitmap_count(const HBitmap *b);
bool hbitmap_get(const HBitmap *b, uint64_t offset);
void hbitmap_set(HBitmap *b, uint64_t offset, uint64_t bytes);    /* rounds outwards */
void hbitmap_reset(HBitmap *b, uint64_t offset, uint64_t bytes);  /* granules wholly or partly inside; caller aligns */
void hbitmap_reset_all(HBitmap *b);
/* First set / clear byte in [offset, offset + bytes), -1 if none. */
int64_t hbitmap_next_dirty(const HBitmap *b, uint64_t offset, uint64_t bytes);
int64_t hbitmap_next_zero(const HBitmap *b, uint64_t offset, uint64_t bytes);
/* First dirty extent that starts in [offset, end), at most max bytes long. */
bool hbitmap_next_dirty_area(const HBitmap *b, uint64_t offset, uint64_t end, uint64_t max,
                             uint64_t *area_offset, uint64_t *area_bytes);
bool hbitmap_truncate(HBitmap *b, uint64_t size);
/* dst |= src; granularities may differ, sizes must not. */
void hbitmap_merge(HBitmap *dst, const HBitmap *src);
HBitmap *hbitmap_clone(const HBitmap *b);
/* Raw little-endian bits, one per granule, for persistent bitmaps: granule range [first, first + n), n a multiple of 8 but at the end. */
void hbitmap_serialize(const HBitmap *b, uint8_t *buf, uint64_t first, uint64_t n);
void hbitmap_deserialize(HBitmap *b, const uint8_t *buf, uint64_t first, uint64_t n);   /* then hbitmap_deserialize_finish */
void hbitmap_deserialize_finish(HBitmap *b);

#endif
