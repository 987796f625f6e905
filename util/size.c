/*
 * Sizes as text: "1.5G" to bytes, bytes to "1.5 GiB".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "util/cutils.h"
#include "util/error.h"

/* The power of two that a suffix stands for, -1 for other characters. */
static int suffix_shift(char c)
{
    static const char suffixes[] = "BKMGTPE";
    const char *at = c ? strchr(suffixes, g_ascii_toupper(c)) : NULL;

    return at ? (at - suffixes) * 10 : -1;
}

/* ".digits" at *p, moved behind it.  Digits that round up to one whole count as nothing, as in the peer. */
static double parse_fraction(const char **p)
{
    const char *start = *p;
    g_autofree char *text = NULL;
    double v;

    do {
        ++*p;
    } while (g_ascii_isdigit(**p));
    text = g_strndup(start, *p - start);
    v = text[1] ? g_ascii_strtod(text, NULL) : 0;
    return v < 1 ? v : 0;
}

/* fraction * 2^shift to the nearest integer; exact, since scaling by a power of two is. */
static uint64_t scale_fraction(double fraction, int shift)
{
    double scaled = fraction * (double)(1ULL << shift);
    uint64_t whole = scaled;

    return whole + (scaled - (double)whole >= 0.5);
}

static bool is_hex(const char *s)
{
    return s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && g_ascii_isxdigit(s[2]);
}

/* Number part: integer in *whole, what follows a point in *fraction. */
static int parse_size_digits(const char *s, const char **p, uint64_t *whole, double *fraction)
{
    char *after;

    s += strspn(s, " \t\n\v\f\r");
    if (*s == '+') {
        s++;
    }
    if (!g_ascii_isdigit(*s)) {
        return -EINVAL;
    }
    errno = 0;
    *whole = strtoull(s, &after, is_hex(s) ? 16 : 10);
    if (errno) {
        return -ERANGE;
    }
    *p = after;
    *fraction = 0;
    if (**p == '.') {
        if (is_hex(s)) {
            return -EINVAL;
        }
        *fraction = parse_fraction(p);
    } else if (is_hex(s) && suffix_shift(**p) >= 0) {
        warn_report("Using a multiplier suffix on hex numbers is deprecated: %s", s);
    }
    return 0;
}

int parse_size(const char *s, const char **end, char default_unit, uint64_t *out)
{
    const char *p;
    uint64_t whole;
    double fraction;
    int shift;
    int ret = parse_size_digits(s, &p, &whole, &fraction);

    if (ret < 0) {
        return ret;
    }
    shift = suffix_shift(*p);
    if (shift >= 0) {
        p++;
    } else {
        shift = suffix_shift(default_unit);
    }
    if ((fraction > 0 && shift == 0) || (!end && *p)) {
        return -EINVAL;
    }
    if (whole > UINT64_MAX >> shift) {
        return -ERANGE;
    }
    *out = (whole << shift) + scale_fraction(fraction, shift);
    if (end) {
        *end = p;
    }
    return 0;
}

/* A thousand of a unit is already written in the next one: three digits are always enough. */
char *size_to_str(uint64_t bytes)
{
    static const char *const units[] = { "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei" };
    int unit = 0;

    while (unit < 6 && bytes / 1000 >= 1ULL << (unit * 10)) {
        unit++;
    }
    return g_strdup_printf("%0.3g %sB", (double)bytes / (double)(1ULL << (unit * 10)), units[unit]);
}
