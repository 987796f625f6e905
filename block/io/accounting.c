/*
 * I/O statistics: counters that any thread adds to without a lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include "block/accounting.h"
#include "util/aio.h"

struct BlockAcctStats {
    BlockAcctTotals t;                 /* each field atomic; a reader may see them from slightly different moments */
};

#define ADD(p, v) __atomic_add_fetch((p), (v), __ATOMIC_RELAXED)
#define GET(p) __atomic_load_n((p), __ATOMIC_RELAXED)

BlockAcctStats *block_acct_new(void)
{
    return g_new0(BlockAcctStats, 1);
}

void block_acct_free(BlockAcctStats *s)
{
    g_free(s);
}

void block_acct_start(BlockAcctStats *s, BlockAcctCookie *c, int64_t bytes, BlockAcctType type)
{
    *c = (BlockAcctCookie) { .bytes = bytes, .start_ns = aio_clock_ns(AIO_CLOCK_REALTIME), .type = type };
}

static void end(BlockAcctStats *s, BlockAcctCookie *c, bool failed)
{
    int64_t now;

    if (c->type == BLOCK_ACCT_NONE) {
        return;
    }
    now = aio_clock_ns(AIO_CLOCK_REALTIME);
    if (failed) {
        ADD(&s->t.failed[c->type], 1);
    } else {
        ADD(&s->t.bytes[c->type], c->bytes);
        ADD(&s->t.ops[c->type], 1);
    }
    ADD(&s->t.total_ns[c->type], now - c->start_ns);
    __atomic_store_n(&s->t.last_access_ns, now, __ATOMIC_RELAXED);
    c->type = BLOCK_ACCT_NONE;
}

void block_acct_done(BlockAcctStats *s, BlockAcctCookie *c)
{
    end(s, c, false);
}

void block_acct_failed(BlockAcctStats *s, BlockAcctCookie *c)
{
    end(s, c, true);
}

void block_acct_invalid(BlockAcctStats *s, BlockAcctType type)
{
    ADD(&s->t.invalid[type], 1);
    __atomic_store_n(&s->t.last_access_ns, aio_clock_ns(AIO_CLOCK_REALTIME), __ATOMIC_RELAXED);
}

void block_acct_merged(BlockAcctStats *s, BlockAcctType type, int n)
{
    ADD(&s->t.merged[type], n);
}

void block_acct_get(BlockAcctStats *s, BlockAcctTotals *out)
{
    for (int i = 0; i < BLOCK_ACCT_MAX; i++) {
        out->bytes[i] = GET(&s->t.bytes[i]);
        out->ops[i] = GET(&s->t.ops[i]);
        out->failed[i] = GET(&s->t.failed[i]);
        out->invalid[i] = GET(&s->t.invalid[i]);
        out->merged[i] = GET(&s->t.merged[i]);
        out->total_ns[i] = GET(&s->t.total_ns[i]);
    }
    out->last_access_ns = GET(&s->t.last_access_ns);
}
