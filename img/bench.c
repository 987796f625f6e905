/*
 * qemu-img bench: a sequential load of requests, several in flight.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "img/common.h"
#include "img/pipeline.h"

typedef struct Bench {
    BlockBackend *blk;
    int64_t image_size;     /* requests start again at the front when they reach it; 0: never */
    bool write, drain;
    int64_t count, depth, flush_interval;
    int64_t offset, buffer_size, step;
    int pattern;
    int64_t remaining;      /* requests not handed out yet */
    int in_flight;
    CoQueue idle;           /* woken when in_flight falls to zero */
} Bench;

/* Flush when the number of remaining requests is a multiple of the interval. */
static int coroutine_fn flush_if_due(Bench *b)
{
    int ret;

    if (!b->flush_interval || b->remaining == b->count || b->remaining % b->flush_interval) {
        return 0;
    }
    while (b->drain && b->in_flight) {
        co_queue_wait(&b->idle, NULL);
    }
    ret = blk_flush(b->blk);
    if (ret < 0) {
        error_report("Failed flush request: %s", strerror(-ret));
    }
    return ret;
}

static int coroutine_fn bench_take(void *opaque, ImgJob *job)
{
    Bench *b = opaque;
    int ret = flush_if_due(b);

    if (ret < 0 || !b->remaining) {
        return ret;
    }
    b->remaining--;
    job->offset = b->offset;
    job->bytes = b->buffer_size;
    b->offset += b->step;
    if (b->image_size > 0 && b->offset >= b->image_size) {
        b->offset %= b->image_size;
    }
    b->in_flight++;
    return 1;
}

static int coroutine_fn bench_work(void *opaque, ImgPipeline *p, ImgJob *job)
{
    Bench *b = opaque;
    int ret = b->write ? blk_pwrite(b->blk, job->offset, job->bytes, job->buffer, 0)
                       : blk_pread(b->blk, job->offset, job->bytes, job->buffer, 0);

    if (--b->in_flight == 0) {
        co_queue_wake_all(&b->idle);
    }
    if (ret < 0 && !img_pipeline_failed(p)) {
        error_report("Failed request: %s", strerror(-ret));
    }
    return ret;
}

static void *bench_alloc(void *opaque, size_t bytes)
{
    Bench *b = opaque;
    void *buffer = blk_blockalign(b->blk, bytes);

    if (buffer) {
        memset(buffer, b->write ? b->pattern : 0, bytes);
    }
    return buffer;
}

static void announce(const Bench *b)
{
    printf("Sending %" PRId64 " %s requests, %" PRId64 " bytes each, %" PRId64 " in parallel (starting at offset %"
           PRId64 ", step size %" PRId64 ")\n", b->count, b->write ? "write" : "read", b->buffer_size, b->depth,
           b->offset, b->step);
    if (b->flush_interval) {
        printf("Sending flush every %" PRId64 " %srequests\n", b->flush_interval, "");
    }
}

static int run_bench(Bench *b)
{
    static const ImgPipelineOps ops = { bench_take, bench_work, bench_alloc, bdrv_memfree };
    int64_t start, end;
    int ret;

    co_queue_init(&b->idle);
    b->remaining = b->count;
    announce(b);
    start = aio_clock_ns(AIO_CLOCK_REALTIME);
    ret = img_pipeline_run(&ops, b, MIN(b->depth, MAX(b->count, 1)), b->buffer_size);
    end = aio_clock_ns(AIO_CLOCK_REALTIME);
    if (ret == 0 && b->write && (ret = blk_settle(b->blk)) < 0) {
        error_report("Failed request: %s", strerror(-ret));
    }
    if (ret == -ENOMEM) {
        error_report("Cannot allocate memory for %" PRId64 " requests of %" PRId64 " bytes", b->depth, b->buffer_size);
    }
    if (ret < 0) {
        return EXIT_FAILURE;
    }
    printf("Run completed in %3.3f seconds.\n", (end - start) / 1e9);
    return EXIT_SUCCESS;
}

typedef struct BenchArgs {
    const char *count, *depth, *interval, *aio, *pattern, *cache;
    bool native, no_drain;
} BenchArgs;

static bool parse_int(const char *text, int64_t min, int64_t max, const char *complaint, int64_t *out)
{
    if (text && (parse_i64(text, 0, out) < 0 || *out < min || *out > max)) {
        error_report("%s", complaint);
        return false;
    }
    return true;
}

static bool parse_count(const char *text, int64_t *out)
{
    return parse_int(text, 0, INT_MAX, "Invalid request count specified", out);
}

static bool parse_depth(const char *text, int64_t *out)
{
    return parse_int(text, 1, INT_MAX, "Invalid queue depth specified", out);
}

static bool parse_interval(const char *text, int64_t *out)
{
    return parse_int(text, 0, INT_MAX, "Invalid flush interval specified", out);
}

static bool parse_pattern(const char *text, int64_t *out)
{
    return parse_int(text, 0, 0xff, "Invalid pattern byte specified", out);
}

static bool parse_numbers(const BenchArgs *a, Bench *b)
{
    int64_t pattern = 0;

    if (!parse_count(a->count, &b->count) || !parse_depth(a->depth, &b->depth) ||
        !parse_interval(a->interval, &b->flush_interval) || !parse_pattern(a->pattern, &pattern)) {
        return false;
    }
    b->pattern = pattern;
    b->step = b->step ? b->step : b->buffer_size;
    return true;
}

static bool check_aio(const char *word)
{
    int flags = 0;

    if (bdrv_parse_aio(word, &flags) < 0) {
        error_report("Invalid aio option: %s", word);
        return false;
    }
    return true;
}

static bool check_cache(const char *word)
{
    ImgOpen how = { 0 };

    if (!img_cache_mode(word, &how)) {
        error_report("Invalid cache mode");
        return false;
    }
    return true;
}

static void apply_modes(const BenchArgs *a, ImgOpen *how)
{
    if (a->aio) {
        bdrv_parse_aio(a->aio, &how->flags);
    }
    if (a->native) {
        how->flags |= BDRV_O_NATIVE_AIO;
    }
    img_cache_mode(a->cache, how);
}

/* What each number is, as its option is met. */
#define CHECK(what) \
    static bool check_##what(const char *text) \
    { \
        int64_t value = 0; \
        return parse_##what(text, &value); \
    }
CHECK(count)
CHECK(depth)
CHECK(interval)
CHECK(pattern)

static bool check_flushes(const Bench *b)
{
    if (b->flush_interval && !b->write) {
        error_report("--flush-interval is only available in write tests");
        return false;
    }
    if (b->flush_interval && b->flush_interval < b->depth) {
        error_report("Flush interval can't be smaller than depth");
        return false;
    }
    return true;
}

static int bench_image(const char *filename, const ImgOpen *how, Bench *b)
{
    AUTO_BLK blk = img_open(filename, how);

    if (!blk) {
        return EXIT_FAILURE;
    }
    b->blk = blk;
    b->image_size = blk_getlength(blk);
    if (b->image_size < 0) {
        error_report("Failed to get size for '%s'", filename);
        return EXIT_FAILURE;
    }
    return run_bench(b);
}

int img_bench(int argc, char **argv)
{
    Bench b = { .count = 75000, .depth = 64, .buffer_size = 4096 };
    BenchArgs a = { .cache = "writeback" };
    ImgOpen how = { 0 };
    const ImgOpt opts[] = {
        { 'c', NULL, IMG_OPT_STR, &a.count, check_count },
        { 'd', NULL, IMG_OPT_STR, &a.depth, check_depth },
        { 'f', NULL, IMG_OPT_STR, &how.fmt },
        { 'i', NULL, IMG_OPT_STR, &a.aio, check_aio },
        { 'n', NULL, IMG_OPT_FLAG, &a.native },
        { 'o', NULL, IMG_OPT_SIZE, &b.offset, .what = "offset" },
        { 'q', NULL, IMG_OPT_FLAG, &how.quiet },
        { 's', NULL, IMG_OPT_SIZE, &b.buffer_size, .what = "buffer size", .max = INT_MAX },
        { 'S', NULL, IMG_OPT_SIZE, &b.step, .what = "step_size", .max = INT_MAX },
        { 't', NULL, IMG_OPT_STR, &a.cache, check_cache },
        { 'w', NULL, IMG_OPT_FLAG, &b.write },
        { 'U', "force-share", IMG_OPT_FLAG, &how.force_share },
        { 0, "flush-interval", IMG_OPT_STR, &a.interval, check_interval },
        { 0, "image-opts", IMG_OPT_FLAG, &how.image_opts },
        { 0, "no-drain", IMG_OPT_FLAG, &a.no_drain },
        { 0, "pattern", IMG_OPT_STR, &a.pattern, check_pattern },
        IMG_OPTS_END,
    };
    int i = img_parse(argc, argv, opts);
    const char *filename;

    if (!parse_numbers(&a, &b)) {
        return EXIT_FAILURE;
    }
    apply_modes(&a, &how);
    filename = img_one_filename(argc, argv, i);
    b.drain = !a.no_drain;
    how.flags |= b.write ? BDRV_O_RDWR : 0;
    if (!check_flushes(&b) || img_format_conflict(how.image_opts, how.fmt)) {
        return EXIT_FAILURE;
    }
    return bench_image(filename, &how, &b);
}
