/*
 * qemu-img dd: copy a range of an image into a new one.
 *
 * bs, count and skip only describe the range; it is copied in large pieces, several at once.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "img/convert.h"

#define DD_CHUNK (2 * MiB)
#define DD_WORKERS 8

typedef struct DdOperands {
    const char *input, *output;
    int64_t block_size, count, skip;
    bool has_count;
} DdOperands;

typedef struct DdCopy {
    BlockBackend *from, *to;
    int64_t start, end;     /* in the input; the output begins at start */
    int64_t at;
    bool reported;
} DdCopy;

static bool parse_number(const char *name, const char *value, int64_t min, int64_t max, int64_t *out)
{
    *out = img_size_arg_range(name, value, min, max);
    return *out >= 0;
}

static bool parse_operand(const char *text, DdOperands *o)
{
    const char *value = strchr(text, '=');
    g_autofree char *name = value ? g_strndup(text, value - text) : g_strdup(text);

    value = value ? value + 1 : NULL;
    if (value && !strcmp(name, "if")) {
        o->input = value;
    } else if (value && !strcmp(name, "of")) {
        o->output = value;
    } else if (value && !strcmp(name, "bs")) {
        return parse_number(name, value, 1, INT_MAX, &o->block_size);
    } else if (value && !strcmp(name, "count")) {
        o->has_count = true;
        return parse_number(name, value, 0, INT64_MAX, &o->count);
    } else if (value && !strcmp(name, "skip")) {
        return parse_number(name, value, 0, INT64_MAX, &o->skip);
    } else {
        error_report("unrecognized operand %s", name);
        return false;
    }
    return true;
}

/* ---- copying ---- */
static int coroutine_fn dd_take(void *opaque, ImgJob *job)
{
    DdCopy *c = opaque;

    job->offset = c->at;
    job->bytes = MIN(c->end - c->at, (int64_t)DD_CHUNK);
    c->at += job->bytes;
    return job->bytes > 0;
}

static int coroutine_fn dd_work(void *opaque, ImgPipeline *p, ImgJob *job)
{
    DdCopy *c = opaque;
    const char *what = "reading from input";
    int ret = blk_pread(c->from, job->offset, job->bytes, job->buffer, 0);

    if (ret >= 0) {
        what = "writing to output";
        img_pipeline_turn(p, job);
        ret = blk_pwrite(c->to, job->offset - c->start, job->bytes, job->buffer, 0);
    }
    if (ret < 0 && !c->reported) {
        error_report("error while %s image file: %s", what, strerror(-ret));
        c->reported = true;
    }
    return ret;
}

static void *dd_alloc(void *opaque, size_t bytes)
{
    DdCopy *c = opaque;

    return blk_blockalign(c->to, bytes);
}

/* ---- input and output ---- */
static bool create_output(const char *filename, const char *fmt, int64_t size)
{
    const BlockDriver *drv = bdrv_find_format(fmt), *protocol;
    Error *err = NULL;
    QDict *opts;

    if (!drv) {
        error_report("Unknown file format");
        return false;
    }
    protocol = bdrv_find_protocol(filename, true, &err);
    if (!protocol) {
        error_report_err(err);
        return false;
    }
    if (!drv->create_options || !protocol->create_options) {
        error_report("%s driver '%s' does not support image creation", drv->create_options ? "Protocol" : "Format",
                     drv->create_options ? protocol->name : drv->name);
        return false;
    }
    opts = img_creation_options(drv, protocol, NULL, &err);
    if (opts) {
        qdict_put_uint(opts, "size", size);
    }
    if (!opts || bdrv_create(drv, filename, opts, &err) < 0) {
        error_reportf_err(err, "%s: error while creating output image: ", filename);
        return false;
    }
    return true;
}

/* The range to copy: count bounds the end in the input, skip moves the start. */
static void choose_range(const DdOperands *o, int64_t size, DdCopy *c)
{
    int64_t limit;

    if (o->has_count && !__builtin_mul_overflow(o->count, o->block_size, &limit) && limit < size) {
        size = limit;
    }
    c->end = size;
    if (__builtin_mul_overflow(o->skip, o->block_size, &c->start) || c->start > size) {
        error_report("%s: cannot skip to specified offset", o->input);
        c->start = size;
    }
    c->at = c->start;
}

static int copy_images(const DdOperands *o, const ImgOpen *how, const char *fmt)
{
    static const ImgPipelineOps ops = { dd_take, dd_work, dd_alloc, bdrv_memfree };
    const ImgOpen out = { .fmt = fmt, .flags = BDRV_O_RDWR | BDRV_O_RESIZE };
    AUTO_BLK from = img_open(o->input, how);
    DdCopy c = { .from = from };
    int64_t size = from ? blk_getlength(from) : -1;
    int ret;

    if (!from) {
        return EXIT_FAILURE;
    }
    if (size < 0) {
        error_report("Failed to get size for '%s'", o->input);
        return EXIT_FAILURE;
    }
    choose_range(o, size, &c);
    if (!create_output(o->output, fmt, c.end - c.start)) {
        return EXIT_FAILURE;
    }

    AUTO_BLK to = img_open(o->output, &out);

    c.to = to;
    ret = to ? img_pipeline_run(&ops, &c, DD_WORKERS, DD_CHUNK) : -EINVAL;
    if (to && ret < 0 && !c.reported) {
        error_report("error while copying image file: %s", strerror(-ret));
    }
    return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int img_dd(int argc, char **argv)
{
    DdOperands operands = { .block_size = BDRV_SECTOR_SIZE };
    const char *output_fmt = "raw";
    ImgOpen how = { 0 };
    const ImgOpt opts[] = {
        { 'f', NULL, IMG_OPT_STR, &how.fmt },
        { 'O', NULL, IMG_OPT_STR, &output_fmt },
        { 'U', "force-share", IMG_OPT_FLAG, &how.force_share },
        { 0, "object", IMG_OPT_OBJECT, NULL },
        { 0, "image-opts", IMG_OPT_FLAG, &how.image_opts },
        IMG_OPTS_END,
    };

    for (int i = img_parse(argc, argv, opts); i < argc; i++) {
        if (!parse_operand(argv[i], &operands)) {
            return EXIT_FAILURE;
        }
    }
    if (!operands.input || !operands.output) {
        error_report("Must specify both input and output files");
        return EXIT_FAILURE;
    }
    if (img_format_conflict(how.image_opts, how.fmt)) {
        return EXIT_FAILURE;
    }
    return copy_images(&operands, &how, output_fmt);
}
