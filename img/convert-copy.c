/*
 * Carrying out conversion jobs: read from the sources, leave out zeroes, write to the target.
 *
 * Reads run ahead freely; a write starts only after the writes of all earlier jobs have started (unless
 * -W), so a growing target is laid out in order although several writes are in flight.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "img/convert.h"

/* Passes ret on; a failure is told once, with the place where its job starts. */
static int report_failure(Convert *c, const char *doing, const ImgJob *job, int ret)
{
    if (ret < 0 && !c->failed) {
        error_report("error while %s at byte %" PRId64 ": %s", doing, job->offset, strerror(-ret));
        c->failed = true;
    }
    return ret;
}

/* ---- reading ---- */
/* Read what can be read; sectors that cannot become zeroes, each with a message. */
static void coroutine_fn salvage(const Convert *c, const ConvertSource *s, int64_t offset, int64_t bytes, uint8_t *buf)
{
    int ret = blk_pread(s->blk, offset, bytes, buf, 0);
    int64_t half = ALIGN_UP(bytes / 2, BDRV_SECTOR_SIZE);

    if (ret >= 0) {
        return;
    }
    if (bytes > BDRV_SECTOR_SIZE) {
        salvage(c, s, offset, half, buf);
        salvage(c, s, offset + half, bytes - half, buf + half);
        return;
    }
    if (!c->opt->source.quiet) {
        warn_report("error while reading offset %" PRIu64 ": %s", (uint64_t)offset, strerror(-ret));
    }
    memset(buf, 0, bytes);
}

/* Read the job's range of the concatenated sources. */
static int coroutine_fn read_sources(Convert *c, const ImgJob *job)
{
    int64_t offset = job->offset, bytes = job->bytes;
    uint8_t *buf = job->buffer;

    for (int i = 0; i < c->nsources && bytes; i++) {
        const ConvertSource *s = &c->source[i];
        int64_t at = offset - s->start, n = MIN(bytes, s->bytes - at);
        int ret = 0;

        if (n <= 0) {
            continue;
        }
        if (c->opt->salvage) {
            salvage(c, s, at, n, buf);
        } else {
            ret = blk_pread(s->blk, at, n, buf, 0);
        }
        if (ret < 0) {
            return report_failure(c, "reading", job, ret);
        }
        offset += n;
        bytes -= n;
        buf += n;
    }
    return 0;
}

/* ---- writing ---- */
static int coroutine_fn write_zeroes(Convert *c, int64_t offset, int64_t bytes)
{
    return c->zero_init ? 0
        : blk_pwrite_zeroes(c->target, offset, bytes, c->opt->min_sparse ? BDRV_REQ_MAY_UNMAP : 0);
}

static int coroutine_fn write_compressed(Convert *c, int64_t offset, int64_t bytes, const uint8_t *buf)
{
    if (c->opt->min_sparse && buffer_is_zero(buf, bytes)) {
        return write_zeroes(c, offset, bytes);
    }
    return blk_pwrite_compressed(c->target, offset, bytes, buf);
}

/*
 * Length of the piece at the start of buf that is all data or (*zero) all zeroes.  Pieces end on multiples of
 * the zero unit in the target; zeroes shorter than -S count as data.
 */
static int64_t next_piece(const Convert *c, int64_t offset, const uint8_t *buf, int64_t bytes, bool *zero)
{
    int64_t len = 0, run = 0;

    *zero = false;
    for (int64_t n; len < bytes; len += n) {
        n = MIN(bytes - len, c->zero_unit - (offset + len) % c->zero_unit);
        if (buffer_is_zero(buf + len, n)) {
            run += n;
        } else if (run >= c->opt->min_sparse) {
            break;
        } else {
            run = 0;
        }
    }
    if (run < c->opt->min_sparse && run < bytes) {
        return len;
    }
    *zero = run == len;
    return *zero ? len : len - run;
}

static int coroutine_fn write_sparse(Convert *c, int64_t offset, int64_t bytes, const uint8_t *buf)
{
    for (int64_t n; bytes; offset += n, buf += n, bytes -= n) {
        bool zero;
        int ret;

        n = next_piece(c, offset, buf, bytes, &zero);
        ret = zero ? write_zeroes(c, offset, n) : blk_pwrite(c->target, offset, n, buf, 0);
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

/* ---- jobs ---- */
/* Let the host copy; true when the job is done. */
static bool coroutine_fn offload(Convert *c, const ImgJob *job)
{
    const ConvertSource *s = c->source;

    if (!c->copy_range) {
        return false;
    }
    while (job->offset >= s->start + s->bytes) {
        s++;
    }
    if (job->offset + job->bytes > s->start + s->bytes ||
        blk_copy_range(s->blk, job->offset - s->start, c->target, job->offset, job->bytes, 0) < 0) {
        c->copy_range = false;
        return false;
    }
    return true;
}

static int coroutine_fn write_data(Convert *c, const ImgJob *job)
{
    int ret = c->compressed ? write_compressed(c, job->offset, job->bytes, job->buffer)
            : c->opt->min_sparse ? write_sparse(c, job->offset, job->bytes, job->buffer)
            : blk_pwrite(c->target, job->offset, job->bytes, job->buffer, 0);

    return report_failure(c, "writing", job, ret);
}

static int coroutine_fn copy_data(Convert *c, ImgPipeline *p, ImgJob *job)
{
    int ret = read_sources(c, job);

    if (ret < 0) {
        return ret;
    }
    if (!c->opt->out_of_order) {
        img_pipeline_turn(p, job);
    }
    return img_pipeline_failed(p) ? 0 : write_data(c, job);
}

static int coroutine_fn convert_work(void *opaque, ImgPipeline *p, ImgJob *job)
{
    Convert *c = opaque;
    int ret;

    if (job->kind == CONVERT_ZERO) {
        if (!c->opt->out_of_order) {
            img_pipeline_turn(p, job);
        }
        ret = report_failure(c, "writing", job, write_zeroes(c, job->offset, job->bytes));
    } else {
        ret = offload(c, job) ? 0 : copy_data(c, p, job);
    }
    if (ret >= 0 && (job->kind == CONVERT_DATA || !c->count_data)) {
        img_progress_add(job->bytes);
    }
    return ret;
}

static void *convert_alloc(void *opaque, size_t bytes)
{
    Convert *c = opaque;

    return blk_blockalign(c->target, bytes);
}

int convert_copy(Convert *c)
{
    static const ImgPipelineOps ops = { convert_take, convert_work, convert_alloc, bdrv_memfree };
    int ret;

    c->copy_range = c->opt->copy_range;
    if (c->opt->show_progress) {
        ret = convert_count_data(c);
        if (ret < 0) {
            return ret;
        }
    } else {
        img_progress_total(c->total);
    }
    ret = img_pipeline_run(&ops, c, c->workers, c->chunk);
    if (ret < 0 && !c->failed) {
        error_report("error while converting: %s", strerror(-ret));
    }
    return ret;
}
