/*
 * qemu-img resize: grow or shrink an image.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "img/common.h"

typedef struct ResizeRequest {
    int relative;           /* +1 grow by, -1 shrink by, 0 absolute */
    uint64_t size;
    PreallocMode prealloc;
    bool shrink;            /* the user said --shrink */
} ResizeRequest;

static bool parse_size_operand(const char *text, ResizeRequest *r)
{
    Error *err = NULL;

    r->relative = *text == '+' ? 1 : *text == '-' ? -1 : 0;
    if (!opt_parse_size("size", text + (r->relative != 0), &r->size, &err)) {
        error_report_err(err);
        return false;
    }
    return true;
}

/* The length asked for; -1 after reporting. */
static int64_t wanted_length(const ResizeRequest *r, int64_t now)
{
    int64_t total;

    if (now < 0) {
        error_report("Failed to inquire current image length: %s", strerror(-now));
        return -1;
    }
    if (!r->relative) {
        total = r->size;
    } else if (__builtin_add_overflow(now, r->relative * (int64_t)r->size, &total)) {
        total = 0;
    }
    if (total <= 0) {
        error_report("New image size must be positive");
        return -1;
    }
    return total;
}

static bool direction_allowed(const ResizeRequest *r, int64_t now, int64_t total)
{
    if (total <= now && r->prealloc != PREALLOC_OFF) {
        error_report("Preallocation can only be used for growing images");
        return false;
    }
    if (total < now && !r->shrink) {
        error_report("Use the --shrink option to perform a shrink operation.");
        warn_report("Shrinking an image will delete all data beyond the shrunken image's end. Before performing "
                    "such an operation, make sure there is no important data there.");
        return false;
    }
    return true;
}

static int resize_image(const char *filename, const ImgOpen *how, const ResizeRequest *r)
{
    AUTO_BLK blk = img_open(filename, how);
    Error *err = NULL;
    int64_t now, total;

    if (!blk) {
        return EXIT_FAILURE;
    }
    now = blk_getlength(blk);
    total = wanted_length(r, now);
    if (total < 0 || !direction_allowed(r, now, total)) {
        return EXIT_FAILURE;
    }
    /* exact: what the user asked for, also where the medium has a size of its own */
    if (blk_truncate(blk, total, true, r->prealloc, 0, &err) < 0) {
        error_report_err(err);
        return EXIT_FAILURE;
    }
    img_say(how->quiet, "Image resized.\n");
    return EXIT_SUCCESS;
}

static bool check_prealloc(const char *word)
{
    PreallocMode mode;

    if (!prealloc_mode_parse(word, &mode)) {
        error_report("Invalid preallocation mode '%s'", word);
        return false;
    }
    return true;
}

int img_resize(int argc, char **argv)
{
    const char *prealloc = NULL, *size_text;
    ImgOpen how = { .flags = BDRV_O_RDWR | BDRV_O_RESIZE };
    ResizeRequest request = { .prealloc = PREALLOC_OFF };
    const ImgOpt opts[] = {
        { 'f', NULL, IMG_OPT_STR, &how.fmt },
        { 'q', NULL, IMG_OPT_FLAG, &how.quiet },
        { 0, "object", IMG_OPT_OBJECT, NULL },
        { 0, "image-opts", IMG_OPT_FLAG, &how.image_opts },
        { 0, "preallocation", IMG_OPT_STR, &prealloc, check_prealloc },
        { 0, "shrink", IMG_OPT_FLAG, &request.shrink },
        IMG_OPTS_END,
    };
    int i;

    /* The size comes off first, as "-1M" would be read as options. */
    if (argc < 3) {
        img_usage_error("Not enough arguments");
    }
    size_text = argv[--argc];
    argv[argc] = NULL;
    i = img_parse(argc, argv, opts);
    if (argc - i != 1) {
        img_usage_error("Expecting image file name and size");
    }
    if (prealloc) {
        prealloc_mode_parse(prealloc, &request.prealloc);
    }
    if (img_format_conflict(how.image_opts, how.fmt) || !parse_size_operand(size_text, &request)) {
        return EXIT_FAILURE;
    }
    return resize_image(argv[i], &how, &request);
}
