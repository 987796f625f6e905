/*
 * What the commands share: numbers, patterns, buffers, reports.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "internal.h"
#include "util/cutils.h"

/* -m moves buffers this far off their alignment. */
#define MISALIGN_BYTES 16
/* Kept in front of every buffer, so that the start of the allocation can be found again. */
#define BUF_HEAD 4096

static bool misalign;

void iocmd_set_misalign(bool on)
{
    misalign = on;
}

int64_t iocmd_number(const char *arg)
{
    uint64_t v;
    int ret = parse_size(arg, NULL, 'B', &v);

    if (ret == 0 && v > INT64_MAX) {
        ret = -ERANGE;
    }
    if (ret == -ERANGE) {
        printf("Parsing error: argument too large -- %s\n", arg);
    } else if (ret < 0) {
        printf("Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- %s\n", arg);
    }
    return ret < 0 ? ret : (int64_t)v;
}

int iocmd_pattern(const char *arg)
{
    uint64_t v;

    if (parse_u64(arg, 0, &v) < 0 || v > 0xff) {
        printf("%s is not a valid pattern byte\n", arg);
        return -1;
    }
    return v;
}

bool iocmd_check_sector_aligned(int64_t value, const char *what)
{
    if (IS_ALIGNED(value, BDRV_SECTOR_SIZE)) {
        return true;
    }
    printf("%" PRId64 " is not a sector-aligned value for '%s'\n", value, what);
    return false;
}

static char *number_text(double v, int digits)
{
    g_autofree char *zeroes = g_strnfill(digits, '0');
    char *text = g_strdup_printf("%.*f", digits, v);
    char *point = strchr(text, '.');

    if (point && strcmp(point + 1, zeroes) == 0) {
        *point = '\0';
    }
    return text;
}

char *iocmd_size_text(double bytes)
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    g_autofree char *number = NULL;
    int unit = 0;

    while (unit < 6 && bytes >= 1024) {
        bytes /= 1024;
        unit++;
    }
    number = number_text(bytes, unit ? 3 : 6);
    return g_strdup_printf("%s %s", number, units[unit]);
}

void *iocmd_buf_new(BlockBackend *blk, size_t len, int byte)
{
    size_t head = misalign ? BUF_HEAD + MISALIGN_BYTES : BUF_HEAD;
    uint8_t *base = blk_blockalign(blk, len + head);

    if (!base) {
        return NULL;
    }
    memcpy(base + head - sizeof(base), &base, sizeof(base));
    memset(base + head, byte, len);
    return base + head;
}

void iocmd_buf_free(void *buf)
{
    void *base;

    if (buf) {
        memcpy(&base, (uint8_t *)buf - sizeof(base), sizeof(base));
        bdrv_memfree(base);
    }
}

void *iocmd_buf_from_file(BlockBackend *blk, size_t len, const char *filename)
{
    FILE *f = fopen(filename, "r");
    uint8_t *buf;
    size_t got;

    if (!f) {
        fprintf(stderr, "%s: %s\n", filename, strerror(errno));
        return NULL;
    }
    buf = iocmd_buf_new(blk, len, 0);
    got = buf ? fread(buf, 1, len, f) : 0;
    if (!buf || ferror(f) || (len && !got)) {
        fprintf(stderr, "%s: %s\n", filename, !buf || ferror(f) ? strerror(errno) : "file is empty");
        iocmd_buf_free(buf);
        fclose(f);
        return NULL;
    }
    fclose(f);
    for (size_t done = got; done < len; done += got) {
        memcpy(buf + done, buf, MIN(got, len - done));
    }
    return buf;
}

/* The sum of lengths in args, each into lens; negative after printing. */
static int64_t parse_lengths(char **args, int n, size_t *lens)
{
    int64_t total = 0;

    for (int i = 0; i < n; i++) {
        int64_t len = iocmd_number(args[i]);

        if (len < 0) {
            return len;
        }
        if (len > BDRV_MAX_REQUEST) {
            printf("Argument '%s' exceeds maximum size %d\n", args[i], BDRV_MAX_REQUEST);
            return -EINVAL;
        }
        if (total > BDRV_MAX_REQUEST - len) {
            printf("The total number of bytes exceed the maximum size %d\n", BDRV_MAX_REQUEST);
            return -EINVAL;
        }
        lens[i] = len;
        total += len;
    }
    return total;
}

bool iocmd_buf_vector(BlockBackend *blk, IoVec *v, char **args, int n, int byte, void **buf)
{
    g_autofree size_t *lens = g_new(size_t, n);
    int64_t total = parse_lengths(args, n, lens);
    uint8_t *p;

    if (total < 0) {
        return false;
    }
    *buf = iocmd_buf_new(blk, total, byte);
    if (!*buf) {
        printf("cannot allocate %" PRId64 " bytes\n", total);
        return false;
    }
    p = *buf;
    iov_init(v, n);
    for (int i = 0; i < n; i++) {
        iov_add(v, p, lens[i]);
        p += lens[i];
    }
    return true;
}

void iocmd_dump(const uint8_t *buf, int64_t offset, size_t len)
{
    for (size_t i = 0; i < len; i += 16) {
        size_t n = MIN(len - i, 16);

        printf("%08" PRIx64 ":  ", offset + i);
        for (size_t j = 0; j < n; j++) {
            printf("%02x ", buf[i + j]);
        }
        putchar(' ');
        for (size_t j = 0; j < n; j++) {
            putchar(g_ascii_isalnum(buf[i + j]) ? buf[i + j] : '.');
        }
        putchar('\n');
    }
}

bool iocmd_verify(const uint8_t *buf, size_t len, int pattern, int64_t offset)
{
    for (size_t i = 0; i < len; i++) {
        if (buf[i] != pattern) {
            printf("Pattern verification failed at offset %" PRId64 ", %zu bytes\n", offset, len);
            return false;
        }
    }
    return true;
}

int64_t iocmd_now_us(void)
{
    return g_get_monotonic_time();
}

static char *time_text(int64_t us, bool machine)
{
    unsigned hundredths = us / 10000 % 100;
    unsigned s = us / G_USEC_PER_SEC % 60, m = us / G_USEC_PER_SEC / 60 % 60, h = us / G_USEC_PER_SEC / 3600;

    if (!machine && !h && !m) {
        return g_strdup_printf("%02u.%02u sec", s, hundredths);
    }
    return g_strdup_printf("%u:%02u:%02u.%02u", h, m, s, hundredths);
}

void iocmd_report(const IoReport *r)
{
    int64_t us = MAX(iocmd_now_us() - r->start_us, 1);
    double seconds = (double)us / G_USEC_PER_SEC;
    g_autofree char *time = time_text(us, r->machine);
    g_autofree char *done = iocmd_size_text(r->total);
    g_autofree char *rate = iocmd_size_text(r->total / seconds);

    if (r->machine) {
        printf("%" PRId64 ",%d,%s,%.3f,%.3f\n", r->total, 1, time, r->total / seconds, 1 / seconds);
        return;
    }
    printf("%s %" PRId64 "/%" PRId64 " bytes at offset %" PRId64 "\n", r->verb, r->total, r->count, r->offset);
    printf("%s, %d ops; %s (%s/sec and %.4f ops/sec)\n", done, 1, time, rate, 1 / seconds);
}
