/*
 * qemu-img create: a new, empty image.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "img/common.h"

int img_create(int argc, char **argv)
{
    const char *fmt = "raw", *base = NULL, *base_fmt = NULL, *filename;
    g_autofree char *options = NULL;
    bool quiet = false, unsafe = false;
    int64_t size = -1;
    Error *err = NULL;
    const ImgOpt opts[] = {
        { 'b', NULL, IMG_OPT_STR, &base },
        { 'f', NULL, IMG_OPT_STR, &fmt },
        { 'F', NULL, IMG_OPT_STR, &base_fmt },
        { 'o', NULL, IMG_OPT_LIST, &options },
        { 'q', NULL, IMG_OPT_FLAG, &quiet },
        { 'u', NULL, IMG_OPT_FLAG, &unsafe },
        { 0, "object", IMG_OPT_OBJECT, NULL },
        IMG_OPTS_END,
    };
    int i = img_parse(argc, argv, opts);

    filename = i < argc ? argv[i++] : NULL;
    if (options && img_wants_option_help(options)) {
        return img_print_create_options(filename, fmt);
    }
    if (!filename) {
        img_usage_error("Expecting image file name");
    }
    if (i < argc) {
        size = img_size_arg("image size", argv[i++]);
        if (size < 0) {
            return EXIT_FAILURE;
        }
    }
    if (i < argc) {
        img_usage_error("Unexpected argument: %s", argv[i]);
    }
    bdrv_img_create(filename, fmt, base, base_fmt, options, size, 0, quiet, unsafe, &err);
    if (err) {
        error_reportf_err(err, "%s: ", filename);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
