/*
 * I/O statistics of a backend: counts, bytes, times, latency histograms.
 *
 * Thread-safe: start/done/failed may be called from any event-loop thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_ACCOUNTING_H
#define BLOCK_ACCOUNTING_H

#include <stdint.h>
#include <stdbool.h>

typedef enum BlockAcctType { BLOCK_ACCT_NONE, BLOCK_ACCT_READ, BLOCK_ACCT_WRITE, BLOCK_ACCT_FLUSH, BLOCK_ACCT_UNMAP, BLOCK_ACCT_MAX } BlockAcctType;
typedef struct BlockAcctStats BlockAcctStats;
typedef struct BlockAcctCookie { int64_t bytes, start_ns; BlockAcctType type; } BlockAcctCookie;

BlockAcctStats *block_acct_new(void);
void block_acct_free(BlockAcctStats *s);
void block_acct_start(BlockAcctStats *s, BlockAcctCookie *c, int64_t bytes, BlockAcctType type);
void block_acct_done(BlockAcctStats *s, BlockAcctCookie *c);
void block_acct_failed(BlockAcctStats *s, BlockAcctCookie *c);
void block_acct_invalid(BlockAcctStats *s, BlockAcctType type);
void block_acct_merged(BlockAcctStats *s, BlockAcctType type, int n);
typedef struct BlockAcctTotals { uint64_t bytes[BLOCK_ACCT_MAX], ops[BLOCK_ACCT_MAX], failed[BLOCK_ACCT_MAX],
    invalid[BLOCK_ACCT_MAX], merged[BLOCK_ACCT_MAX], total_ns[BLOCK_ACCT_MAX]; int64_t last_access_ns; } BlockAcctTotals;
void block_acct_get(BlockAcctStats *s, BlockAcctTotals *out);

#endif
