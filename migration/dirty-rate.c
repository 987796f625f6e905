/*
 * How fast memory changes: calc-dirty-rate.
 *
 * Either some pages, chosen at random, are summed up now and again at the end of the period, or all writes are marked
 * meanwhile.  One measurement at a time; a timer of the host's clock ends it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "machine/memory.h"
#include "qapi/commands-migration.h"
#include "util/aio.h"
#include "util/cutils.h"

enum { PERIOD_MAX = 60, SAMPLES_MIN = 128, SAMPLES_MAX = 16384, SAMPLES_DEFAULT = 512 };
#define SAMPLES_TOTAL_MAX (1u << 20)

typedef struct Sample {
    const uint8_t *page;
    uint64_t hash;
} Sample;

static struct {
    DirtyRateStatus status;
    DirtyRateMeasureMode mode;
    int64_t start_time, period, samples_per_gib, rate;      /* s, s, -, MB/s */
    int64_t started_ms;
    AioTimer *timer;
    GArray *samples;           /* of Sample */
    bool tracks;               /* it was us who had writes marked */
    uint64_t marked_before;
} m;

static uint64_t hash_page(const uint8_t *page)
{
    const uint64_t *words = (const uint64_t *)page;
    uint64_t h = 0xcbf29ce484222325;

    for (size_t i = 0; i < MEM_PAGE_SIZE / 8; i++) {
        h = (h ^ words[i]) * 0x100000001b3;
        h ^= h >> 29;
    }
    return h;
}

static uint64_t memory_size(void)
{
    uint64_t size = 0;

    for (const RamBlock *b = ram_block_first(); b; b = b->next) {
        size += b->size;
    }
    return size;
}

static uint64_t marked_pages(void)
{
    uint64_t n = 0;

    for (RamBlock *b = ram_block_first(); b; b = b->next) {
        n += ram_dirty_count(b);
    }
    return n;
}

/* --- begin and end -------------------------------------------------------------------------------------- */

static void take_samples(void)
{
    m.samples = g_array_new(false, false, sizeof(Sample));
    for (const RamBlock *b = ram_block_first(); b; b = b->next) {
        uint64_t pages = b->size / MEM_PAGE_SIZE;
        uint64_t wanted = (unsigned __int128)b->size * m.samples_per_gib / GiB;

        for (uint64_t i = 0; pages && i < wanted && m.samples->len < SAMPLES_TOTAL_MAX; i++) {
            uint64_t page = (((uint64_t)g_random_int() << 32) | g_random_int()) % pages;
            Sample s = { .page = b->host + page * MEM_PAGE_SIZE };

            s.hash = hash_page(s.page);
            g_array_append_val(m.samples, s);
        }
    }
}

static uint64_t changed_samples(void)
{
    uint64_t n = 0;

    for (guint i = 0; i < m.samples->len; i++) {
        const Sample *s = &g_array_index(m.samples, Sample, i);

        n += hash_page(s->page) != s->hash;
    }
    return n;
}

static void period_over(void *opaque)
{
    int64_t ms = MAX(aio_clock_ns(AIO_CLOCK_REALTIME) / 1000000 - m.started_ms, 1);
    double mib = 0;

    if (m.mode == DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING) {
        if (m.samples->len) {
            mib = (double)memory_size() / MiB * changed_samples() / m.samples->len;
        }
        g_clear_pointer(&m.samples, g_array_unref);
    } else {
        uint64_t now = marked_pages();

        mib = now > m.marked_before ? (double)(now - m.marked_before) * MEM_PAGE_SIZE / MiB : 0;
        if (m.tracks) {
            ram_dirty_stop();
        }
    }
    m.rate = memory_size() ? (int64_t)(mib * 1000 / ms) : -1;
    m.status = DIRTY_RATE_STATUS_MEASURED;
}

static void start(const CalcDirtyRateArgs *arg)
{
    m.status = DIRTY_RATE_STATUS_MEASURING;
    m.mode = arg->has_mode ? arg->mode : DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING;
    m.period = arg->calc_time;
    m.samples_per_gib = m.mode != DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING ? 0 : arg->has_sample_pages ? arg->sample_pages
                        : SAMPLES_DEFAULT;
    m.started_ms = aio_clock_ns(AIO_CLOCK_REALTIME) / 1000000;
    m.start_time = m.started_ms / 1000;
    if (m.mode == DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING) {
        take_samples();
    } else {
        m.tracks = !ram_dirty_tracking();
        if (m.tracks) {
            ram_dirty_start();
        }
        m.marked_before = marked_pages();
    }
    if (!m.timer) {
        m.timer = aio_timer_new(aio_main_context(), AIO_CLOCK_REALTIME, period_over, NULL);
    }
    aio_timer_mod_ns(m.timer, aio_clock_ns(AIO_CLOCK_REALTIME) + m.period * 1000000000);
}

/* --- commands ------------------------------------------------------------------------------------------- */

void qmp_calc_dirty_rate(const CalcDirtyRateArgs *arg, Error **errp)
{
    if (m.status == DIRTY_RATE_STATUS_MEASURING) {
        error_setg(errp, "the dirty rate is already being measured.");
    } else if (arg->calc_time < 1 || arg->calc_time > PERIOD_MAX) {
        error_setg(errp, "calc-time is out of range[%d, %d].", 1, PERIOD_MAX);
    } else if (arg->has_mode && arg->mode != DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING && arg->has_sample_pages) {
        error_setg(errp, "Either sample-pages or dirty-ring can be specified.");
    } else if (arg->has_sample_pages && (arg->sample_pages < SAMPLES_MIN || arg->sample_pages > SAMPLES_MAX)) {
        error_setg(errp, "sample-pages is out of range[%d, %d].", SAMPLES_MIN, SAMPLES_MAX);
    } else if (arg->has_mode && arg->mode == DIRTY_RATE_MEASURE_MODE_DIRTY_RING) {
        error_setg(errp, "mode dirty-ring needs an accelerator with processors");
    } else {
        start(arg);
    }
}

DirtyRateInfo *qmp_query_dirty_rate(Error **errp)
{
    DirtyRateInfo *info = DirtyRateInfo_new();

    info->status = m.status;
    info->start_time = m.start_time;
    info->calc_time = m.period;
    info->sample_pages = m.samples_per_gib;
    info->mode = m.mode;
    info->has_dirty_rate = m.status == DIRTY_RATE_STATUS_MEASURED;
    info->dirty_rate = m.rate;
    return info;
}
