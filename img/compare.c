/*
 * qemu-img compare: is the guest-visible content of two images equal?
 *
 * The common part is cut into jobs by block status; both sides of several jobs are read at once.  Jobs end
 * in any order, the difference with the lowest offset is the one reported.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "img/common.h"
#include "img/pipeline.h"

enum { COMPARE_EQUAL = 0, COMPARE_DIFFERENT = 1, COMPARE_OPEN_FAILED = 2, COMPARE_STATUS_FAILED = 3,
       COMPARE_READ_FAILED = 4 };

#define COMPARE_CHUNK (1 * MiB)      /* of each side */
#define COMPARE_WORKERS 8
#define STATUS_FLAGS (BDRV_BLOCK_DATA | BDRV_BLOCK_ZERO | BDRV_BLOCK_ALLOCATED | BDRV_BLOCK_OFFSET_VALID)

/* Sides that need no reading, as bits of ImgJob.kind. */
#define SIDE_IS_ZERO(side) (1 << (side))

typedef enum Finding { NOTHING, CONTENT_DIFFERS, STATUS_DIFFERS, STATUS_UNREADABLE, DATA_UNREADABLE } Finding;

typedef struct Side {
    const char *filename;
    BlockBackend *blk;
    int64_t size;
    int64_t status_end;     /* the status below holds up to here */
    int status;
} Side;

/* A range that was taken and is not counted as progress yet, which is told in the order of the disk. */
typedef struct Piece { int64_t offset, bytes; bool done; } Piece;

typedef struct Comparison {
    Side side[2];
    GArray *pieces;         /* of Piece, by offset */
    int only;               /* the one side that exists past the other's end, -1: both */
    bool strict;
    int64_t at, end;        /* next range to be taken */
    Finding finding;        /* with the lowest offset so far */
    int64_t found_at;
    int found_side, found_errno;
} Comparison;

static void piece_begin(Comparison *c, const ImgJob *job)
{
    Piece p = { job->offset, job->bytes, false };

    g_array_append_val(c->pieces, p);
}

static void piece_end(Comparison *c, const ImgJob *job)
{
    Piece *p = (Piece *)c->pieces->data;
    unsigned done = 0;

    for (unsigned i = 0; i < c->pieces->len; i++) {
        p[i].done |= p[i].offset == job->offset;
    }
    while (done < c->pieces->len && p[done].done) {
        img_progress_add(p[done++].bytes);
    }
    g_array_remove_range(c->pieces, 0, done);
}

static void found(Comparison *c, Finding what, int64_t offset, int side, int err)
{
    if (c->finding == NOTHING || offset < c->found_at) {
        c->finding = what;
        c->found_at = offset;
        c->found_side = side;
        c->found_errno = err;
    }
}

static int coroutine_fn refresh_status(Comparison *c, int i)
{
    Side *s = &c->side[i];
    int64_t pnum;

    if (c->only >= 0 && c->only != i) {
        s->status = BDRV_BLOCK_ZERO;
        s->status_end = c->end;
        return 0;
    }
    if (s->status_end > c->at) {
        return 0;
    }
    s->status = bdrv_block_status_above(blk_bs(s->blk), NULL, c->at, c->end - c->at, &pnum, NULL, NULL, NULL);
    if (s->status < 0) {
        found(c, STATUS_UNREADABLE, c->at, i, -s->status);
        return s->status;
    }
    s->status_end = c->at + pnum;
    return 0;
}

static bool reads_as_zero(int status)
{
    return (status & BDRV_BLOCK_ZERO) || !(status & BDRV_BLOCK_ALLOCATED);
}

/* The next range where at least one side must be read. */
static int coroutine_fn compare_take(void *opaque, ImgJob *job)
{
    Comparison *c = opaque;

    while (c->at < c->end && c->finding == NOTHING) {
        int64_t end;
        bool skip;

        if (refresh_status(c, 0) < 0 || refresh_status(c, 1) < 0) {
            return 0;
        }
        if (c->strict && (c->side[0].status & STATUS_FLAGS) != (c->side[1].status & STATUS_FLAGS)) {
            found(c, STATUS_DIFFERS, c->at, 0, 0);
            return 0;
        }
        job->kind = (reads_as_zero(c->side[0].status) ? SIDE_IS_ZERO(0) : 0) |
                    (reads_as_zero(c->side[1].status) ? SIDE_IS_ZERO(1) : 0);
        skip = job->kind == (SIDE_IS_ZERO(0) | SIDE_IS_ZERO(1));
        end = MIN(c->side[0].status_end, c->side[1].status_end);
        job->offset = c->at;
        job->bytes = skip ? end - c->at : MIN(end - c->at, (int64_t)COMPARE_CHUNK);
        c->at += job->bytes;
        piece_begin(c, job);
        if (!skip) {
            return 1;
        }
        piece_end(c, job);
    }
    return 0;
}

/* Offset of the first sector that differs, -1: none. */
static int64_t first_difference(const uint8_t *a, const uint8_t *b, int64_t bytes)
{
    if (!memcmp(a, b, bytes)) {
        return -1;
    }
    for (int64_t i = 0; i < bytes; i += BDRV_SECTOR_SIZE) {
        if (memcmp(a + i, b + i, MIN(bytes - i, BDRV_SECTOR_SIZE))) {
            return i;
        }
    }
    return -1;
}

static int64_t first_data(const uint8_t *a, int64_t bytes)
{
    if (buffer_is_zero(a, bytes)) {
        return -1;
    }
    for (int64_t i = 0; i < bytes; i += BDRV_SECTOR_SIZE) {
        if (!buffer_is_zero(a + i, MIN(bytes - i, BDRV_SECTOR_SIZE))) {
            return i;
        }
    }
    return -1;
}

static int coroutine_fn compare_work(void *opaque, ImgPipeline *p, ImgJob *job)
{
    Comparison *c = opaque;
    uint8_t *data[2] = { job->buffer, (uint8_t *)job->buffer + COMPARE_CHUNK };
    int64_t diff;

    for (int i = 0; i < 2; i++) {
        int ret = job->kind & SIDE_IS_ZERO(i) ? 0 : blk_pread(c->side[i].blk, job->offset, job->bytes, data[i], 0);

        if (ret < 0) {
            found(c, DATA_UNREADABLE, job->offset, i, -ret);
            return 0;
        }
    }
    if (job->kind) {
        diff = first_data(data[job->kind & SIDE_IS_ZERO(0) ? 1 : 0], job->bytes);
    } else {
        diff = first_difference(data[0], data[1], job->bytes);
    }
    if (diff >= 0) {
        found(c, CONTENT_DIFFERS, job->offset + diff, 0, 0);
    } else if (c->finding == NOTHING) {
        piece_end(c, job);
    }
    return 0;
}

static void *compare_alloc(void *opaque, size_t bytes)
{
    Comparison *c = opaque;

    return blk_blockalign(c->side[0].blk, bytes);
}

static int report_finding(const Comparison *c, bool quiet)
{
    const char *name = c->side[c->found_side].filename;

    switch (c->finding) {
    case NOTHING:
        return COMPARE_EQUAL;
    case CONTENT_DIFFERS:
        img_say(quiet, "Content mismatch at offset %" PRId64 "!\n", c->found_at);
        return COMPARE_DIFFERENT;
    case STATUS_DIFFERS:
        img_say(quiet, "Strict mode: Offset %" PRId64 " block status mismatch!\n", c->found_at);
        return COMPARE_DIFFERENT;
    case STATUS_UNREADABLE:
        error_report("Sector allocation test failed for %s", name);
        return COMPARE_STATUS_FAILED;
    case DATA_UNREADABLE:
        error_report("Error while reading offset %" PRId64 " of %s: %s", c->found_at, name, strerror(c->found_errno));
        return COMPARE_READ_FAILED;
    }
    return COMPARE_READ_FAILED;
}

/* Compare [start, end); exit code. */
static int compare_range(Comparison *c, int64_t start, int64_t end, bool quiet)
{
    static const ImgPipelineOps ops = { compare_take, compare_work, compare_alloc, bdrv_memfree };

    c->at = c->side[0].status_end = c->side[1].status_end = start;
    c->end = end;
    if (img_pipeline_run(&ops, c, COMPARE_WORKERS, 2 * COMPARE_CHUNK) < 0) {
        error_report("Cannot allocate memory");
        return COMPARE_READ_FAILED;
    }
    return report_finding(c, quiet);
}

static int compare_contents(Comparison *c, bool quiet)
{
    int64_t common = MIN(c->side[0].size, c->side[1].size), longest = MAX(c->side[0].size, c->side[1].size);
    int ret;

    img_progress_total(longest);
    if (c->strict && common != longest) {
        img_say(quiet, "Strict mode: Image size mismatch!\n");
        return COMPARE_DIFFERENT;
    }
    ret = compare_range(c, 0, common, quiet);
    if (ret == COMPARE_EQUAL && common != longest) {
        img_say(quiet, "Warning: Image size mismatch!\n");
        c->only = c->side[0].size == longest ? 0 : 1;
        ret = compare_range(c, common, longest, quiet);
    }
    if (ret == COMPARE_EQUAL) {
        img_say(quiet, "Images are identical.\n");
    }
    return ret;
}

static bool open_side(Side *s, const ImgOpen *how)
{
    s->blk = img_open(s->filename, how);
    return s->blk != NULL;
}

static bool measure_side(Side *s)
{
    s->size = blk_getlength(s->blk);
    if (s->size < 0) {
        error_report("Can't get size of %s: %s", s->filename, strerror(-s->size));
    }
    return s->size >= 0;
}

static int compare_images(char **names, ImgOpen *how, const char *fmt[2], bool strict)
{
    Comparison c = { .side = { { .filename = names[0] }, { .filename = names[1] } }, .only = -1, .strict = strict,
                     .pieces = g_array_new(FALSE, FALSE, sizeof(Piece)) };
    ImgOpen second = *how;
    int ret = COMPARE_OPEN_FAILED;

    how->fmt = fmt[0];
    second.fmt = fmt[1];
    if (open_side(&c.side[0], how) && open_side(&c.side[1], &second)) {
        ret = measure_side(&c.side[0]) && measure_side(&c.side[1]) ? compare_contents(&c, how->quiet)
                                                                   : COMPARE_READ_FAILED;
    }
    for (int i = 0; i < 2; i++) {
        if (c.side[i].blk) {
            blk_unref(c.side[i].blk);
        }
    }
    g_array_free(c.pieces, TRUE);
    return ret;
}

int img_compare(int argc, char **argv)
{
    const char *fmt[2] = { NULL, NULL }, *cache = "writeback";
    bool strict = false, show_progress = false;
    ImgOpen how = { 0 };
    const ImgOpt opts[] = {
        { 'f', NULL, IMG_OPT_STR, &fmt[0] },
        { 'F', NULL, IMG_OPT_STR, &fmt[1] },
        { 'T', NULL, IMG_OPT_STR, &cache },
        { 'p', NULL, IMG_OPT_FLAG, &show_progress },
        { 'q', NULL, IMG_OPT_FLAG, &how.quiet },
        { 's', NULL, IMG_OPT_FLAG, &strict },
        { 'U', "force-share", IMG_OPT_FLAG, &how.force_share },
        { 0, "object", IMG_OPT_OBJECT, NULL },
        { 0, "image-opts", IMG_OPT_FLAG, &how.image_opts },
        IMG_OPTS_END,
    };
    int i = img_parse_exit(argc, argv, opts, COMPARE_OPEN_FAILED), ret;

    if (argc - i != 2) {
        img_usage_error("Expecting two image file names");
    }
    img_progress_init(show_progress && !how.quiet, 2);
    if (!img_cache_mode(cache, &how)) {
        error_report("Invalid source cache option: %s", cache);
        ret = COMPARE_OPEN_FAILED;
    } else {
        ret = img_format_conflict(how.image_opts, fmt[0]) ? COMPARE_OPEN_FAILED
                                                          : compare_images(argv + i, &how, fmt, strict);
    }
    img_progress_finish(false);
    return ret;
}
