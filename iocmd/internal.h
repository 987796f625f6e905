/*
 * What the commands share: numbers, patterns, buffers, reports.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IOCMD_INTERNAL_H
#define IOCMD_INTERNAL_H

#include "iocmd/iocmd.h"

/* Tables of the room's files; name NULL ends each. */
extern const IoCmd iocmd_rw[], iocmd_aio[], iocmd_meta[], iocmd_reopen[], iocmd_debug[];

/* Size argument, at most INT64_MAX: the value, or -errno after printing why. */
int64_t iocmd_number(const char *arg);
/* 0..255, or -1 after printing. */
int iocmd_pattern(const char *arg);
/* "1.500 KiB"; g_free it. */
char *iocmd_size_text(double bytes);
/* False after printing when value is no multiple of 512. */
bool iocmd_check_sector_aligned(int64_t value, const char *what);

/* Memory for I/O filled with byte; NULL when there is none. */
void *iocmd_buf_new(BlockBackend *blk, size_t len, int byte);
void iocmd_buf_free(void *buf);
/* The same filled with a file's content, again and again; NULL after printing. */
void *iocmd_buf_from_file(BlockBackend *blk, size_t len, const char *filename);
/* One buffer cut into lengths given as arguments; false after printing. *buf is to be freed. */
bool iocmd_buf_vector(BlockBackend *blk, IoVec *v, char **args, int n, int byte, void **buf);
void iocmd_dump(const uint8_t *buf, int64_t offset, size_t len);
/* Are all len bytes `pattern`?  Prints where not. */
bool iocmd_verify(const uint8_t *buf, size_t len, int pattern, int64_t offset);

typedef struct IoReport {
    const char *verb;       /* "read", "wrote", "discard" */
    int64_t start_us;
    int64_t offset, count, total;
    bool machine;           /* -C */
} IoReport;
int64_t iocmd_now_us(void);
/* Two lines, or with -C one, on what was done since start_us. */
void iocmd_report(const IoReport *r);

#endif
