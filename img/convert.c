/*
 * qemu-img convert: copy one or several images into a new one of any format.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "img/convert.h"

#define MAX_WORKERS 16
#define MAX_SPARSE_SIZE (16 * MiB)
#define DEFAULT_SPARSE_SIZE (4 * KiB)

/* ---- command line ---- */
typedef struct ConvertArgs {
    const char *cache, *source_cache, *workers, *snapshot;
    int64_t sparse;            /* -1: not given */
} ConvertArgs;

static bool accept_sparse(int64_t size)
{
    if (size % BDRV_SECTOR_SIZE || (uint64_t)size > MAX_SPARSE_SIZE) {
        error_report("Invalid buffer size for sparse output specified. Valid sizes are multiples of %d up to %llu. "
                     "Select 0 to disable sparse detection (fully allocates output).", BDRV_SECTOR_SIZE,
                     MAX_SPARSE_SIZE);
        return false;
    }
    return true;
}

static bool parse_workers(const char *text, ConvertOptions *o)
{
    int64_t n = 0;

    if (parse_i64(text, 0, &n) < 0 || n < 1 || n > MAX_WORKERS) {
        error_report("Invalid number of coroutines. Allowed number of coroutines is between 1 and %d", MAX_WORKERS);
        return false;
    }
    o->workers = n;
    return true;
}

static bool parse_values(const ConvertArgs *a, ConvertOptions *o)
{
    o->sparse_given = a->sparse >= 0;
    o->min_sparse = o->sparse_given ? a->sparse : (int64_t)DEFAULT_SPARSE_SIZE;
    return (!a->snapshot || img_snapshot_param(a->snapshot, &o->snapshot)) &&
           (!a->workers || parse_workers(a->workers, o));
}

/* Each value, as its option is met. */
static bool check_workers(const char *text)
{
    ConvertOptions o = { 0 };

    return parse_workers(text, &o);
}

/* Options that exclude or need each other. */
static bool check_combinations(const ConvertOptions *o)
{
    const struct { bool wrong; const char *message; } rules[] = {
        { o->skip_broken_bitmaps && !o->bitmaps, "Use of --skip-broken-bitmaps requires --bitmaps" },
        { o->copy_range && o->compress, "Cannot enable copy offloading when -c is used" },
        { o->copy_range && o->sparse_given, "Cannot enable copy offloading when -S is used" },
        { o->copy_range && o->salvage, "Cannot use copy offloading in salvaging mode" },
        { o->target.image_opts && !o->skip_create, "--target-image-opts requires use of -n flag" },
        { o->skip_create && o->create_options, "-o has no effect when skipping image creation" },
        { o->target_is_zero && !o->skip_create, "--target-is-zero requires use of -n flag" },
        { o->target_is_zero && o->base, "Cannot use --target-is-zero when the destination image has a backing file" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
        if (rules[i].wrong) {
            error_report("%s", rules[i].message);
            return false;
        }
    }
    return true;
}

static bool parse_caches(const ConvertArgs *a, ConvertOptions *o)
{
    o->target.flags = BDRV_O_RDWR | (o->min_sparse ? BDRV_O_UNMAP : 0);
    if (!img_cache_mode(a->cache, &o->target)) {
        error_report("Invalid cache option: %s", a->cache);
        return false;
    }
    if (!img_cache_mode(a->source_cache, &o->source)) {
        error_report("Invalid source cache option: %s", a->source_cache);
        return false;
    }
    return true;
}

/* Fill o from the command line; *first is the first operand. */
static bool parse_command_line(int argc, char **argv, ConvertOptions *o, int *first)
{
    ConvertArgs a = { .cache = "unsafe", .source_cache = "writeback", .sparse = -1 };
    const ImgOpt opts[] = {
        { 'f', NULL, IMG_OPT_STR, &o->source.fmt },
        { 'O', NULL, IMG_OPT_STR, &o->output_fmt },
        { 'B', NULL, IMG_OPT_STR, &o->base },
        { 'F', NULL, IMG_OPT_STR, &o->base_fmt },
        { 'C', NULL, IMG_OPT_FLAG, &o->copy_range },
        { 'c', NULL, IMG_OPT_FLAG, &o->compress },
        { 'o', NULL, IMG_OPT_LIST, &o->create_options },
        { 'l', NULL, IMG_OPT_STR, &a.snapshot },
        { 'S', NULL, IMG_OPT_SIZE, &a.sparse, .what = "buffer size for sparse output", .accept = accept_sparse },
        { 'p', NULL, IMG_OPT_FLAG, &o->show_progress },
        { 'q', NULL, IMG_OPT_FLAG, &o->source.quiet },
        { 'n', NULL, IMG_OPT_FLAG, &o->skip_create },
        { 'm', NULL, IMG_OPT_STR, &a.workers, check_workers },
        { 'W', NULL, IMG_OPT_FLAG, &o->out_of_order },
        { 't', NULL, IMG_OPT_STR, &a.cache },
        { 'T', NULL, IMG_OPT_STR, &a.source_cache },
        { 'U', "force-share", IMG_OPT_FLAG, &o->source.force_share },
        { 'r', NULL, IMG_OPT_SIZE, &o->rate, .what = "rate limit" },
        { 0, "object", IMG_OPT_OBJECT, NULL },
        { 0, "image-opts", IMG_OPT_FLAG, &o->source.image_opts },
        { 0, "target-image-opts", IMG_OPT_FLAG, &o->target.image_opts },
        { 0, "salvage", IMG_OPT_FLAG, &o->salvage },
        { 0, "target-is-zero", IMG_OPT_FLAG, &o->target_is_zero },
        { 0, "bitmaps", IMG_OPT_FLAG, &o->bitmaps },
        { 0, "skip-broken-bitmaps", IMG_OPT_FLAG, &o->skip_broken_bitmaps },
        IMG_OPTS_END,
    };

    *first = img_parse(argc, argv, opts);
    o->target.quiet = o->source.quiet;
    /* A missing operand is told first. */
    return parse_values(&a, o) && check_combinations(o) && (argc - *first < 2 || parse_caches(&a, o));
}

/* ---- sources ---- */
static bool open_source(Convert *c, int i, const char *filename)
{
    ConvertSource *s = &c->source[i];
    ImgOpen how = c->opt->source;

    how.flags |= how.force_share ? 0 : BDRV_O_NO_SHARE;      /* a copy of what changes meanwhile is worth nothing */
    s->blk = img_open(filename, &how);
    if (!s->blk) {
        return false;
    }
    s->bytes = blk_getlength(s->blk);
    if (s->bytes < 0) {
        error_report("Could not get size of %s: %s", filename, strerror(-s->bytes));
        return false;
    }
    s->start = c->total;
    c->total += s->bytes;
    return true;
}

static bool load_snapshot(Convert *c)
{
    const ImgSnapshotParam *p = &c->opt->snapshot;
    Error *err = NULL;

    if (!p->either && !p->id && !p->name) {
        return true;
    }
    if (c->nsources > 1) {
        error_report("No support for concatenating multiple snapshot");
        return false;
    }
    if (!img_snapshot_load(blk_bs(c->source[0].blk), p, &err)) {
        error_reportf_err(err, "Failed to load snapshot: ");
        return false;
    }
    c->total = c->source[0].bytes = blk_getlength(c->source[0].blk);
    return true;
}

static bool open_sources(Convert *c, char **names)
{
    for (int i = 0; i < c->nsources; i++) {
        if (!open_source(c, i, names[i])) {
            return false;
        }
    }
    return load_snapshot(c);
}

static void close_all(Convert *c)
{
    if (c->target) {
        blk_unref(c->target);
    }
    qobject_unref(c->target_secrets);
    for (int i = 0; i < c->nsources; i++) {
        if (c->source[i].blk) {
            blk_unref(c->source[i].blk);
        }
    }
}

/* ---- the course of a conversion ---- */
static bool check_source_bitmaps(Convert *c)
{
    BlockDriverState *bs = blk_bs(c->source[0].blk);

    if (!c->opt->bitmaps) {
        return true;
    }
    if (c->nsources > 1) {
        error_report("Copying bitmaps only possible with single source");
        return false;
    }
    if (!bs->drv->supports_persistent_bitmaps || !bs->drv->supports_persistent_bitmaps(bs)) {
        error_report("Source lacks bitmap support");
        return false;
    }
    return convert_check_bitmaps(bs, c->opt->skip_broken_bitmaps);
}

static int convert_images(Convert *c, char **sources, const char *target)
{
    int ret;

    if (!open_sources(c, sources) || !check_source_bitmaps(c) || !convert_open_target(c, target)) {
        return -EINVAL;
    }
    ret = convert_copy(c);
    if (ret == 0 && (ret = blk_settle(c->target)) < 0) {
        error_report("error while writing: %s", strerror(-ret));
    }
    if (ret == 0 && c->opt->bitmaps) {
        ret = convert_copy_bitmaps(blk_bs(c->source[0].blk), blk_bs(c->target), c->opt->skip_broken_bitmaps);
    }
    return ret;
}

static int run(ConvertOptions *o, int count, char **names)
{
    g_autofree ConvertSource *sources = g_new0(ConvertSource, MAX(count, 1));
    Convert c = { .opt = o, .source = sources, .nsources = count - 1 };
    int ret;

    img_progress_init(o->show_progress && !o->source.quiet, 1);
    img_progress_total(1);
    ret = convert_images(&c, names, names[count - 1]);
    img_progress_finish(ret == 0);
    close_all(&c);
    return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int img_convert(int argc, char **argv)
{
    ConvertOptions o = { 0 };
    int first = 0, count, ret = EXIT_FAILURE;

    if (parse_command_line(argc, argv, &o, &first)) {
        count = argc - first;
        if (o.create_options && img_wants_option_help(o.create_options)) {
            ret = img_print_create_options(count ? argv[argc - 1] : NULL, o.output_fmt ?: "raw");
        } else if (count < 2) {
            error_report("Must specify image file name");
        } else if (o.source.image_opts && o.source.fmt) {
            img_format_conflict(true, o.source.fmt);
        } else if (o.target.image_opts && o.output_fmt) {
            img_format_conflict(true, o.output_fmt);
        } else {
            ret = run(&o, count, argv + first);
        }
    }
    img_snapshot_param_clear(&o.snapshot);
    g_free(o.create_options);
    return ret;
}
