/*
 * qemu-img amend: change format options of an existing image.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "img/common.h"

static int print_amend_options(const BlockDriver *drv)
{
    const OptDesc *tables[2] = { drv->amend_options, NULL };
    g_autofree char *title = g_strdup_printf("Amend options for '%s':", drv->name), *text = NULL;

    text = opts_format_help(tables, title);
    fputs(text, stdout);
    return EXIT_SUCCESS;
}

static bool can_amend(const BlockDriver *drv)
{
    if (!drv->amend) {
        error_report("Format driver '%s' does not support option amendment", drv->name);
    }
    return drv->amend != NULL;
}

/* Help without an image. */
static int help_for_format(const char *fmt)
{
    const BlockDriver *drv = bdrv_find_format(fmt);

    if (!drv) {
        error_report("Unknown file format '%s'", fmt);
        return EXIT_FAILURE;
    }
    return can_amend(drv) ? print_amend_options(drv) : EXIT_FAILURE;
}

/* Would the whole list do for creating an image? */
static bool suits_creation(const BlockDriver *drv, const char *text)
{
    g_autoptr(QObject) typed = opts_parse_list_checked(text, drv->create_options, NULL);

    return typed != NULL;
}

/* Typed options; NULL after reporting. */
static QDict *parse_options(const BlockDriver *drv, const char *text)
{
    Error *err = NULL;
    QDict *typed = opts_parse_list_checked(text, drv->amend_options, &err);

    if (!typed) {
        error_report_err(err);
        if (suits_creation(drv, text)) {
            fprintf(stderr, "This option is only supported for image creation\n");
        }
    }
    return typed;
}

static void show_progress(void *opaque, int64_t done, int64_t total)
{
    img_progress_total(total);
    img_progress_set(done);
}

/* *ran: the image was amended, or it was tried. */
static int amend_image(const char *filename, const ImgOpen *how, const char *options, bool force, bool *ran)
{
    AUTO_BLK blk = img_open(filename, how);
    g_autoptr(QObject) opts = NULL;
    const BlockDriver *drv;
    Error *err = NULL;

    if (!blk) {
        return -EIO;
    }
    drv = blk_bs(blk)->drv;
    if (!can_amend(drv)) {
        return -ENOTSUP;
    }
    if (img_wants_option_help(options)) {
        return print_amend_options(drv);
    }
    opts = parse_options(drv, options);
    if (!opts) {
        return -EINVAL;
    }
    img_progress_total(1);
    *ran = true;
    if (drv->amend(blk_bs(blk), opts, show_progress, NULL, force, &err) < 0) {
        error_report_err(err);
        return -EIO;
    }
    return 0;
}

int img_amend(int argc, char **argv)
{
    g_autofree char *options = NULL;
    const char *cache = "writeback", *filename;
    bool progress = false, force = false, ran = false;
    ImgOpen how = { .flags = BDRV_O_RDWR };
    const ImgOpt opts[] = {
        { 'f', NULL, IMG_OPT_STR, &how.fmt },
        { 'o', NULL, IMG_OPT_LIST, &options },
        { 't', NULL, IMG_OPT_STR, &cache },
        { 'p', NULL, IMG_OPT_FLAG, &progress },
        { 'q', NULL, IMG_OPT_FLAG, &how.quiet },
        { 0, "object", IMG_OPT_OBJECT, NULL },
        { 0, "image-opts", IMG_OPT_FLAG, &how.image_opts },
        { 0, "force", IMG_OPT_FLAG, &force },
        IMG_OPTS_END,
    };
    int i = img_parse(argc, argv, opts), ret;

    if (!options) {
        img_usage_error("Must specify options (-o)");
    }
    filename = argc - i == 1 ? argv[i] : NULL;
    if (!filename && how.fmt && img_wants_option_help(options)) {
        return help_for_format(how.fmt);
    }
    if (!filename) {
        error_report("Expecting one image file name");
        return EXIT_FAILURE;
    }
    if (!img_cache_mode(cache, &how)) {
        error_report("Invalid cache option: %s", cache);
        return EXIT_FAILURE;
    }
    if (img_format_conflict(how.image_opts, how.fmt)) {
        return EXIT_FAILURE;
    }
    img_progress_init(progress && !how.quiet, 1);
    ret = amend_image(filename, &how, options, force, &ran);
    img_progress_finish(ran);
    return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
