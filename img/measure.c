/*
 * qemu-img measure: how large the file of a new or converted image will be.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "img/convert.h"

typedef struct MeasureRequest {
    const char *filename, *output_fmt;
    char *options;
    int64_t size;           /* -1: not given */
    ImgOpen how;
    ImgSnapshotParam snapshot;
    bool json;
} MeasureRequest;

static uint64_t size_of(const QDict *m, const char *key)
{
    uint64_t size = 0;

    qobject_get_uint(qdict_get(m, key), &size);
    return size;
}

static void print_measure(const QDict *m, bool json)
{
    if (json) {
        img_print_json(m);
        return;
    }
    printf("required size: %" PRIu64 "\nfully allocated size: %" PRIu64 "\n", size_of(m, "required"),
           size_of(m, "fully-allocated"));
    if (qdict_has(m, "bitmaps")) {
        printf("bitmaps size: %" PRIu64 "\n", size_of(m, "bitmaps"));
    }
}

static bool check_operands(const MeasureRequest *r, bool input_options)
{
    if (!r->filename && input_options) {
        error_report("--image-opts, -f, and -l require a filename argument.");
        return false;
    }
    if (r->filename && r->size != -1) {
        error_report("--size N cannot be used together with a filename.");
        return false;
    }
    if (!r->filename && r->size == -1) {
        error_report("Either --size N or one filename must be specified.");
        return false;
    }
    return true;
}

/* The driver to ask and its options; NULL after reporting. */
static const BlockDriver *target_driver(const MeasureRequest *r, QDict **opts)
{
    const BlockDriver *drv = bdrv_find_format(r->output_fmt), *file = bdrv_find_format("file");
    Error *err = NULL;

    if (!drv) {
        error_report("Unknown file format '%s'", r->output_fmt);
        return NULL;
    }
    if (!drv->create_options) {
        error_report("Format driver '%s' does not support image creation", drv->name);
        return NULL;
    }
    *opts = img_creation_options(drv, file, r->options, &err);
    if (!*opts) {
        error_report_err(err);
        error_report("Invalid options for file format '%s'", r->output_fmt);
        return NULL;
    }
    if (r->size != -1) {
        qdict_put_int(*opts, "size", r->size);
    }
    return drv;
}

static int measure_image(const MeasureRequest *r)
{
    AUTO_BLK blk = r->filename ? img_open(r->filename, &r->how) : NULL;
    BlockDriverState *bs = blk ? blk_bs(blk) : NULL;
    g_autoptr(QObject) opts = NULL;
    g_autoptr(QObject) result = NULL;
    const BlockDriver *drv;
    Error *err = NULL;

    if (r->filename && !blk) {
        return EXIT_FAILURE;
    }
    if (bs && !img_snapshot_load(bs, &r->snapshot, &err)) {
        error_reportf_err(err, "Failed to load snapshot: ");
        return EXIT_FAILURE;
    }
    drv = target_driver(r, &opts);
    if (!drv) {
        return EXIT_FAILURE;
    }
    if (!drv->measure) {
        error_report("Block driver '%s' does not support size measurement", drv->name);
        return EXIT_FAILURE;
    }
    result = drv->measure(opts, bs, &err);
    if (!result) {
        error_report_err(err);
        return EXIT_FAILURE;
    }
    print_measure(result, r->json);
    return EXIT_SUCCESS;
}

static bool check_output(const char *word)
{
    img_output_is_json(word);
    return true;
}

int img_measure(int argc, char **argv)
{
    MeasureRequest r = { .output_fmt = "raw", .size = -1 };
    const char *output = NULL, *snapshot = NULL;
    const ImgOpt opts[] = {
        { 'f', NULL, IMG_OPT_STR, &r.how.fmt },
        { 'O', NULL, IMG_OPT_STR, &r.output_fmt },
        { 'o', NULL, IMG_OPT_LIST, &r.options },
        { 'l', NULL, IMG_OPT_STR, &snapshot },
        { 'U', "force-share", IMG_OPT_FLAG, &r.how.force_share },
        { 0, "object", IMG_OPT_OBJECT, NULL },
        { 0, "image-opts", IMG_OPT_FLAG, &r.how.image_opts },
        { 0, "output", IMG_OPT_STR, &output, check_output },
        { 0, "size", IMG_OPT_SIZE, &r.size, .what = "image size" },
        IMG_OPTS_END,
    };
    int i = img_parse(argc, argv, opts), ret = EXIT_FAILURE;

    if (snapshot && !img_snapshot_param(snapshot, &r.snapshot)) {
        /* reported */
    } else if (argc - i > 1) {
        error_report("At most one filename argument is allowed.");
    } else {
        r.filename = i < argc ? argv[i] : NULL;
        if (check_operands(&r, r.how.image_opts || r.how.fmt || snapshot)) {
            r.json = img_output_is_json(output);
            ret = img_format_conflict(r.how.image_opts, r.how.fmt) ? EXIT_FAILURE : measure_image(&r);
        }
    }
    img_snapshot_param_clear(&r.snapshot);
    g_free(r.options);
    return ret;
}
