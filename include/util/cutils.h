/*
 * Numbers and strings: parsing and printing of sizes, bounded copies, overflow-checked
 * arithmetic, file names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_CUTILS_H
#define UTIL_CUTILS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <glib.h>

#define KiB (1024ULL)
#define MiB (1024ULL * KiB)
#define GiB (1024ULL * MiB)
#define TiB (1024ULL * GiB)

#define IS_POW2(x)          ((x) != 0 && (((x) & ((x) - 1)) == 0))
#define ALIGN_DOWN(x, a)    ((x) / (a) * (a))
#define ALIGN_UP(x, a)      (((x) + (a) - 1) / (a) * (a))
#define DIV_UP(x, a)        (((x) + (a) - 1) / (a))
#define IS_ALIGNED(x, a)    (((x) % (a)) == 0)

/* Whole-string number; 0 or -EINVAL / -ERANGE.  base as for strtoull.  *out untouched on failure. */
int parse_u64(const char *s, int base, uint64_t *out);
int parse_i64(const char *s, int base, int64_t *out);
/*
 * "1.5G" and the like: suffix B K M G T P E (either case), fractions allowed with a suffix,
 * hexadecimal without.  No suffix: default_unit ('B', 'M', ...).  When end is NULL the whole
 * string must be used.  0, -EINVAL or -ERANGE (>= 2^64 - 1024 as the peer).
 */
int parse_size(const char *s, const char **end, char default_unit, uint64_t *out);
/* "64 KiB", "1.5 GiB": three significant digits and IEC units as qemu-img prints; g_free it. */
char *size_to_str(uint64_t bytes);
/* Bounded copy, always terminated, truncating. */
void pstrcpy(char *dst, size_t size, const char *src);
bool str_has_prefix(const char *s, const char *prefix, const char **rest);
/* Does path start with "proto:" (letters, digits, +-. before the colon, no slash)? */
bool path_has_protocol(const char *path);
bool path_is_absolute(const char *path);
/* filename as seen from base: as it is when absolute or with protocol, else base's directory + filename. g_free it. */
char *path_combine(const char *base, const char *filename);
/* Edit distance, for "did you mean"; bounded by limit. */
int edit_distance(const char *a, const char *b, int limit);
/* Node names, ids: letter first, then letters, digits, '-', '.', '_'. */
bool id_wellformed(const char *id);
/* Fresh id "#blockNNN" style for generated node names; g_free it. */
char *id_generate(const char *subsystem);

static inline uint16_t load_be16(const void *p) { uint16_t v; __builtin_memcpy(&v, p, 2); return __builtin_bswap16(v); }
static inline uint32_t load_be32(const void *p) { uint32_t v; __builtin_memcpy(&v, p, 4); return __builtin_bswap32(v); }
static inline uint64_t load_be64(const void *p) { uint64_t v; __builtin_memcpy(&v, p, 8); return __builtin_bswap64(v); }
static inline void store_be16(void *p, uint16_t v) { v = __builtin_bswap16(v); __builtin_memcpy(p, &v, 2); }
static inline void store_be32(void *p, uint32_t v) { v = __builtin_bswap32(v); __builtin_memcpy(p, &v, 4); }
static inline void store_be64(void *p, uint64_t v) { v = __builtin_bswap64(v); __builtin_memcpy(p, &v, 8); }

#endif
