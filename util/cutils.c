/*
 * Numbers and strings: whole-string numbers, bounded copies, prefixes, edit distance, identifiers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "util/cutils.h"

int parse_u64(const char *s, int base, uint64_t *out)
{
    char *end;
    unsigned long long v;

    errno = 0;
    v = strtoull(s, &end, base);
    if (end == s || *end) {
        return -EINVAL;
    }
    if (errno) {
        return -errno;
    }
    *out = v;
    return 0;
}

int parse_i64(const char *s, int base, int64_t *out)
{
    char *end;
    long long v;

    errno = 0;
    v = strtoll(s, &end, base);
    if (end == s || *end) {
        return -EINVAL;
    }
    if (errno) {
        return -errno;
    }
    *out = v;
    return 0;
}

void pstrcpy(char *dst, size_t size, const char *src)
{
    if (size) {
        g_strlcpy(dst, src, size);
    }
}

bool str_has_prefix(const char *s, const char *prefix, const char **rest)
{
    size_t n = strlen(prefix);

    if (strncmp(s, prefix, n)) {
        return false;
    }
    if (rest) {
        *rest = s + n;
    }
    return true;
}

int edit_distance(const char *a, const char *b, int limit)
{
    size_t la = strlen(a), lb = strlen(b);
    g_autofree int *row = g_new(int, lb + 1);

    if (la > lb + limit || lb > la + limit) {
        return limit;
    }
    for (size_t j = 0; j <= lb; j++) {
        row[j] = j;
    }
    for (size_t i = 0; i < la; i++) {
        int diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < lb; j++) {
            int up = row[j + 1];

            row[j + 1] = MIN(MIN(up, row[j]) + 1, diagonal + (a[i] != b[j]));
            diagonal = up;
        }
    }
    return MIN(row[lb], limit);
}

bool id_wellformed(const char *id)
{
    if (!g_ascii_isalpha(*id)) {
        return false;
    }
    while (*++id) {
        if (!g_ascii_isalnum(*id) && !strchr("-._", *id)) {
            return false;
        }
    }
    return true;
}

/* The random tail keeps people from relying on generated names. */
char *id_generate(const char *subsystem)
{
    static gint counter;

    return g_strdup_printf("#%s%d%02d", subsystem, g_atomic_int_add(&counter, 1), g_random_int_range(0, 100));
}
