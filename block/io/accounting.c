/*
 * I/O statistics.  Counters are added to by any thread without a lock; histograms and intervals, where
 * somebody asked for them, are guarded by a mutex that is held for a few instructions.
 *
 * An interval is a ring of SLOTS slices that together cover its length: what is shown is the sum of
 * the slices that are not older than that.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <string.h>
#include "block/accounting.h"
#include "util/aio.h"

#define SLOTS 16
#define NS_PER_SECOND 1000000000LL

typedef struct Slice {
    int64_t number;                    /* time / slice length; other numbers: stale */
    uint64_t count, sum, min, max;     /* of latencies, ns */
} Slice;

typedef struct Interval {
    unsigned seconds;
    Slice slice[BLOCK_ACCT_MAX][SLOTS];
} Interval;

typedef struct Histogram {
    unsigned n;                        /* boundaries */
    uint64_t *boundaries, *bins;       /* bins NULL: no histogram */
} Histogram;

struct BlockAcctStats {
    BlockAcctTotals t;                 /* each field atomic; a reader may see them from slightly different moments */
    bool account_invalid, account_failed;
    bool detailed;                     /* atomic: there are intervals or histograms */
    int64_t born_ns;
    pthread_mutex_t lock;              /* guards the fields below; a leaf */
    GPtrArray *intervals;              /* of Interval */
    Histogram histogram[BLOCK_ACCT_MAX];
};

#define ADD(p, v) __atomic_add_fetch((p), (v), __ATOMIC_RELAXED)
#define GET(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define SET(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)

BlockAcctStats *block_acct_new(void)
{
    BlockAcctStats *s = g_new0(BlockAcctStats, 1);

    s->account_invalid = s->account_failed = true;
    s->born_ns = aio_clock_ns(AIO_CLOCK_REALTIME);
    s->intervals = g_ptr_array_new_with_free_func(g_free);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void block_acct_free(BlockAcctStats *s)
{
    block_acct_clear_histograms(s);
    g_ptr_array_free(s->intervals, true);
    pthread_mutex_destroy(&s->lock);
    g_free(s);
}

void block_acct_setup(BlockAcctStats *s, bool account_invalid, bool account_failed)
{
    s->account_invalid = account_invalid;
    s->account_failed = account_failed;
}

bool block_acct_accounts_invalid(const BlockAcctStats *s)
{
    return s->account_invalid;
}

bool block_acct_accounts_failed(const BlockAcctStats *s)
{
    return s->account_failed;
}

/* --- intervals and histograms --------------------------------------------------------------- */

static int64_t slice_number(const Interval *iv, int64_t now)
{
    return now / (iv->seconds * NS_PER_SECOND / SLOTS);
}

static void interval_add(Interval *iv, BlockAcctType type, int64_t now, uint64_t latency)
{
    int64_t number = slice_number(iv, now);
    Slice *s = &iv->slice[type][number % SLOTS];

    if (s->number != number) {
        *s = (Slice) { .number = number, .min = latency, .max = latency };
    }
    s->count++;
    s->sum += latency;
    s->min = MIN(s->min, latency);
    s->max = MAX(s->max, latency);
}

static void histogram_add(Histogram *h, uint64_t latency)
{
    unsigned i;

    for (i = 0; i < h->n && latency >= h->boundaries[i]; i++) {
    }
    h->bins[i]++;
}

static void add_details(BlockAcctStats *s, BlockAcctType type, int64_t now, uint64_t latency, bool timed)
{
    pthread_mutex_lock(&s->lock);
    if (s->histogram[type].bins) {
        histogram_add(&s->histogram[type], latency);
    }
    for (guint i = 0; timed && i < s->intervals->len; i++) {
        interval_add(g_ptr_array_index(s->intervals, i), type, now, latency);
    }
    pthread_mutex_unlock(&s->lock);
}

void block_acct_add_interval(BlockAcctStats *s, unsigned seconds)
{
    Interval *iv = g_new0(Interval, 1);

    iv->seconds = seconds;
    memset(iv->slice, 0xff, sizeof(iv->slice));            /* no slice has number -1 */
    pthread_mutex_lock(&s->lock);
    g_ptr_array_add(s->intervals, iv);
    SET(&s->detailed, true);
    pthread_mutex_unlock(&s->lock);
}

static void interval_read(const Interval *iv, BlockAcctType type, int64_t now, int64_t age, BlockAcctInterval *out)
{
    int64_t number = slice_number(iv, now), covered = MIN(iv->seconds * NS_PER_SECOND, MAX(age, 1));
    Slice total = { 0 };

    for (int i = 0; i < SLOTS; i++) {
        const Slice *s = &iv->slice[type][i];

        if (s->number >= 0 && s->number > number - SLOTS) {
            total.min = total.count ? MIN(total.min, s->min) : s->min;
            total.max = MAX(total.max, s->max);
            total.count += s->count;
            total.sum += s->sum;
        }
    }
    out->min_ns[type] = total.min;
    out->max_ns[type] = total.max;
    out->avg_ns[type] = total.count ? total.sum / total.count : 0;
    out->queue_depth[type] = (double)total.sum / covered;
}

bool block_acct_get_interval(BlockAcctStats *s, unsigned i, BlockAcctInterval *out)
{
    int64_t now = aio_clock_ns(AIO_CLOCK_REALTIME);
    bool found;

    pthread_mutex_lock(&s->lock);
    found = i < s->intervals->len;
    if (found) {
        const Interval *iv = g_ptr_array_index(s->intervals, i);

        out->seconds = iv->seconds;
        for (int type = 0; type < BLOCK_ACCT_MAX; type++) {
            interval_read(iv, type, now, now - s->born_ns, out);
        }
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

static void histogram_drop(Histogram *h)
{
    g_free(h->boundaries);
    g_free(h->bins);
    *h = (Histogram) { 0 };
}

int block_acct_set_histogram(BlockAcctStats *s, BlockAcctType type, const uint64_t *boundaries, unsigned n)
{
    uint64_t last = 0;

    for (unsigned i = 0; i < n; i++) {
        if (boundaries[i] <= last) {
            return -EINVAL;
        }
        last = boundaries[i];
    }
    pthread_mutex_lock(&s->lock);
    histogram_drop(&s->histogram[type]);
    s->histogram[type].n = n;
    s->histogram[type].boundaries = g_memdup2(boundaries, n * sizeof(*boundaries));
    s->histogram[type].bins = g_new0(uint64_t, n + 1);
    SET(&s->detailed, true);
    pthread_mutex_unlock(&s->lock);
    return 0;
}

void block_acct_clear_histograms(BlockAcctStats *s)
{
    pthread_mutex_lock(&s->lock);
    for (int type = 0; type < BLOCK_ACCT_MAX; type++) {
        histogram_drop(&s->histogram[type]);
    }
    SET(&s->detailed, s->intervals->len > 0);
    pthread_mutex_unlock(&s->lock);
}

int block_acct_get_histogram(BlockAcctStats *s, BlockAcctType type, uint64_t **boundaries, uint64_t **bins)
{
    const Histogram *h = &s->histogram[type];
    int n;

    pthread_mutex_lock(&s->lock);
    n = h->bins ? (int)h->n : -1;
    *boundaries = g_memdup2(h->boundaries, h->n * sizeof(uint64_t));
    *bins = h->bins ? g_memdup2(h->bins, (h->n + 1) * sizeof(uint64_t)) : NULL;
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* --- counters ------------------------------------------------------------------------------- */

void block_acct_start(BlockAcctStats *s, BlockAcctCookie *c, int64_t bytes, BlockAcctType type)
{
    *c = (BlockAcctCookie) { .bytes = bytes, .start_ns = aio_clock_ns(AIO_CLOCK_REALTIME), .type = type };
}

static void end(BlockAcctStats *s, BlockAcctCookie *c, bool failed)
{
    bool timed = !failed || s->account_failed;
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
    if (GET(&s->detailed)) {
        add_details(s, c->type, now, now - c->start_ns, timed);
    }
    if (timed) {
        ADD(&s->t.total_ns[c->type], now - c->start_ns);
        SET(&s->t.last_access_ns, now);
    }
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
    if (s->account_invalid) {
        SET(&s->t.last_access_ns, aio_clock_ns(AIO_CLOCK_REALTIME));
    }
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

int64_t block_acct_idle_ns(BlockAcctStats *s)
{
    int64_t last = GET(&s->t.last_access_ns);

    return aio_clock_ns(AIO_CLOCK_REALTIME) - (last ? last : s->born_ns);
}
