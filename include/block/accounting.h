/*
 * I/O statistics of a backend: counts, bytes, times, latency histograms, and averages over the last seconds.
 *
 * Thread-safe: start/done/failed/invalid/merged and get may be called from any event-loop thread;
 * setup, intervals and histograms are changed in the main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_ACCOUNTING_H
#define BLOCK_ACCOUNTING_H

#include <stdint.h>
#include <stdbool.h>

typedef enum BlockAcctType {
    BLOCK_ACCT_NONE, BLOCK_ACCT_READ, BLOCK_ACCT_WRITE, BLOCK_ACCT_FLUSH, BLOCK_ACCT_UNMAP, BLOCK_ACCT_MAX
} BlockAcctType;
typedef struct BlockAcctStats BlockAcctStats;
typedef struct BlockAcctCookie { int64_t bytes, start_ns; BlockAcctType type; } BlockAcctCookie;

BlockAcctStats *block_acct_new(void);
void block_acct_free(BlockAcctStats *s);
/* Do requests that were invalid / that failed count in access times (both: yes unless told otherwise)? */
void block_acct_setup(BlockAcctStats *s, bool account_invalid, bool account_failed);
bool block_acct_accounts_invalid(const BlockAcctStats *s);
bool block_acct_accounts_failed(const BlockAcctStats *s);

/* A request begins; the cookie belongs to the caller until done or failed, whichever comes first. */
void block_acct_start(BlockAcctStats *s, BlockAcctCookie *c, int64_t bytes, BlockAcctType type);
void block_acct_done(BlockAcctStats *s, BlockAcctCookie *c);
void block_acct_failed(BlockAcctStats *s, BlockAcctCookie *c);
void block_acct_invalid(BlockAcctStats *s, BlockAcctType type);
void block_acct_merged(BlockAcctStats *s, BlockAcctType type, int n);

typedef struct BlockAcctTotals {
    uint64_t bytes[BLOCK_ACCT_MAX], ops[BLOCK_ACCT_MAX], failed[BLOCK_ACCT_MAX], invalid[BLOCK_ACCT_MAX],
        merged[BLOCK_ACCT_MAX], total_ns[BLOCK_ACCT_MAX];
    int64_t last_access_ns;            /* 0: none yet */
} BlockAcctTotals;
void block_acct_get(BlockAcctStats *s, BlockAcctTotals *out);
/* Nanoseconds since the last access (since creation when there was none). */
int64_t block_acct_idle_ns(BlockAcctStats *s);

/* Averages over the last `seconds` (> 0), one entry for each length asked for. */
void block_acct_add_interval(BlockAcctStats *s, unsigned seconds);
typedef struct BlockAcctInterval {
    unsigned seconds;
    uint64_t min_ns[BLOCK_ACCT_MAX], max_ns[BLOCK_ACCT_MAX], avg_ns[BLOCK_ACCT_MAX];
    double queue_depth[BLOCK_ACCT_MAX];        /* mean number of requests in flight */
} BlockAcctInterval;
/* The i-th interval as of now; false when there is none. */
bool block_acct_get_interval(BlockAcctStats *s, unsigned i, BlockAcctInterval *out);

/* Boundaries in ns, strictly rising, all > 0: n of them make n + 1 bins, counted from zero again. -EINVAL otherwise. */
int block_acct_set_histogram(BlockAcctStats *s, BlockAcctType type, const uint64_t *boundaries, unsigned n);
void block_acct_clear_histograms(BlockAcctStats *s);
/* Number of boundaries (-1: no histogram); *boundaries (n) and *bins (n + 1) are copies to g_free. */
int block_acct_get_histogram(BlockAcctStats *s, BlockAcctType type, uint64_t **boundaries, uint64_t **bins);

#endif
