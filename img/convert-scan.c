/*
 * Cutting the sources into jobs: which ranges are data, which are zeroes, which the target need not hold.
 *
 * Runs one step at a time under the pipeline's take lock, well ahead of the copying.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "img/convert.h"

/* Ranges of zeroes go to the target in one request up to this size. */
#define MAX_ZERO_JOB (1 * GiB)

typedef struct CountJob { Convert *c; int64_t data; int ret; } CountJob;

static const ConvertSource *source_at(const Convert *c, int64_t offset)
{
    int i = 0;

    while (offset >= c->source[i].start + c->source[i].bytes) {
        i++;
    }
    return &c->source[i];
}

static ConvertKind kind_of(const Convert *c, int status)
{
    bool past_backing = c->at >= c->target_backing_length;

    if (c->target_has_backing) {
        if ((status & BDRV_BLOCK_ZERO) && past_backing) {
            return CONVERT_NOTHING;
        }
        if (!(status & (BDRV_BLOCK_ALLOCATED | BDRV_BLOCK_ZERO | BDRV_BLOCK_DATA))) {
            return past_backing ? CONVERT_DATA : CONVERT_NOTHING;
        }
    }
    return (status & BDRV_BLOCK_ZERO) && c->opt->min_sparse ? CONVERT_ZERO : CONVERT_DATA;
}

/*
 * Status of at most left bytes from c->at.  Salvaging, a failure is narrowed down to a sector, which may be read after
 * all although its status is not known.
 */
static int coroutine_fn source_status(Convert *c, const ConvertSource *s, int64_t left, int64_t *pnum)
{
    BlockDriverState *bs = blk_bs(s->blk), *base = c->target_has_backing ? bdrv_cow_bs(bdrv_skip_filters(bs)) : NULL;
    int64_t at = c->at - s->start;
    int status;

    for (;;) {
        status = bdrv_block_status_above(bs, base, at, left, pnum, NULL, NULL, NULL);
        if (status >= 0 || !c->opt->salvage) {
            return status;
        }
        if (left <= BDRV_SECTOR_SIZE) {
            break;
        }
        left = DIV_UP(DIV_UP(left, BDRV_SECTOR_SIZE), 4) * BDRV_SECTOR_SIZE;
    }
    if (!c->opt->source.quiet) {
        warn_report("error while reading block status at offset %" PRIu64 ": %s", (uint64_t)at, strerror(-status));
    }
    *pnum = left;
    return BDRV_BLOCK_DATA | BDRV_BLOCK_ALLOCATED;
}

/* What [at, status_end) is; both fall into one source. */
static int coroutine_fn scan_range(Convert *c)
{
    const ConvertSource *s = source_at(c, c->at);
    int64_t left = s->start + s->bytes - c->at, pnum = 0;
    int status;

    if (c->target_has_backing && c->at < c->target_backing_length) {
        left = MIN(left, c->target_backing_length - c->at);
    }
    status = source_status(c, s, left, &pnum);
    if (status < 0) {
        error_report("error while reading block status at offset %" PRIu64 ": %s", (uint64_t)(c->at - s->start),
                     strerror(-status));
        c->failed = true;
        return status;
    }
    c->kind = kind_of(c, status);
    c->status_end = c->at + pnum;
    return 0;
}

/* Compressed clusters are written whole: what does not fill one is data. */
static void fit_to_clusters(Convert *c, ImgJob *job)
{
    int64_t end = job->offset + job->bytes;

    if (end < c->total) {
        end = ALIGN_DOWN(end, c->cluster_size);
    }
    if (end <= job->offset) {
        end = MIN(ALIGN_UP(job->offset + 1, c->cluster_size), c->total);
        job->kind = CONVERT_DATA;
    }
    job->bytes = job->kind == CONVERT_DATA ? MIN(end - job->offset, c->cluster_size) : end - job->offset;
}

static void coroutine_fn keep_pace(Convert *c, int64_t bytes)
{
    int64_t now = aio_clock_ns(AIO_CLOCK_REALTIME);

    if (!c->opt->rate) {
        return;
    }
    if (c->pace_ns > now) {
        co_sleep_ns(c->pace_ns - now);
    }
    c->pace_ns = MAX(c->pace_ns, now) + bytes * 1000000000.0 / c->opt->rate;
}

/* The range at c->at that one job takes, or nobody. */
static int coroutine_fn next_range(Convert *c, ImgJob *job)
{
    int ret = c->at >= c->status_end ? scan_range(c) : 0;
    int64_t limit = c->kind == CONVERT_DATA ? c->chunk : (int64_t)MAX_ZERO_JOB;

    job->offset = c->at;
    job->kind = c->kind;
    /* End on a chunk border, so that jobs do not share clusters of the target. */
    job->bytes = MIN(c->status_end, ALIGN_DOWN(c->at + limit, c->chunk)) - c->at;
    if (ret == 0 && c->compressed) {
        fit_to_clusters(c, job);
    }
    c->at += job->bytes;
    return ret;
}

int coroutine_fn convert_take(void *opaque, ImgJob *job)
{
    Convert *c = opaque;

    while (c->at < c->total) {
        int ret = next_range(c, job);

        if (ret < 0) {
            return ret;
        }
        if (job->kind == CONVERT_DATA || (job->kind == CONVERT_ZERO && !c->zero_init)) {
            keep_pace(c, job->bytes);
            return 1;
        }
        if (!c->count_data) {
            img_progress_add(job->bytes);
        }
    }
    return 0;
}

static void coroutine_fn count_entry(void *opaque)
{
    CountJob *j = opaque;
    Convert *c = j->c;

    while (c->at < c->total && j->ret == 0) {
        ImgJob job = { 0 };

        j->ret = next_range(c, &job);
        j->data += job.kind == CONVERT_DATA ? job.bytes : 0;
    }
    c->at = c->status_end = 0;
}

int convert_count_data(Convert *c)
{
    CountJob j = { .c = c };

    co_run_sync(count_entry, &j);
    if (j.ret == 0) {
        c->count_data = true;
        img_progress_total(j.data);
    }
    return j.ret;
}
