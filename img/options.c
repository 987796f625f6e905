/*
 * Command lines: option tables on top of getopt_long, and the arguments that several sub-commands read alike.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <getopt.h>
#include "img/common.h"

#define LONG_ONLY 256      /* getopt values of options without a letter start here */

void img_usage_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_vreport(fmt, ap);
    va_end(ap);
    fprintf(stderr, "Try 'qemu-img --help' for more information\n");
    exit(EXIT_FAILURE);
}

static bool takes_argument(const ImgOpt *o)
{
    return o->kind != IMG_OPT_FLAG && o->kind != IMG_OPT_SEQ_FLAG;
}

static bool table_ends(const ImgOpt *o)
{
    return !o->letter && !o->name;
}

/* The getopt forms of a table; names are borrowed. */
static void build_getopt(const ImgOpt *opts, GString *letters, GArray *longs)
{
    struct option help = { "help", no_argument, NULL, 'h' };

    g_string_append(letters, ":h");
    g_array_append_val(longs, help);
    for (int i = 0; !table_ends(&opts[i]); i++) {
        bool arg = takes_argument(&opts[i]);
        struct option o = { opts[i].name, arg ? required_argument : no_argument, NULL, LONG_ONLY + i };

        if (opts[i].letter) {
            g_string_append_c(letters, opts[i].letter);
            g_string_append(letters, arg ? ":" : "");
        }
        if (opts[i].name) {
            g_array_append_val(longs, o);
        }
    }
}

static const ImgOpt *option_for(const ImgOpt *opts, int c)
{
    for (int i = 0; !table_ends(&opts[i]); i++) {
        if (c == LONG_ONLY + i || c == opts[i].letter) {
            return &opts[i];
        }
    }
    return NULL;
}

/* An option list neither starts nor ends with a lone comma, so that joining two lists with one is safe. */
static bool list_is_joinable(const char *list)
{
    size_t len = strlen(list), commas = 0;

    if (!len || list[0] == ',') {
        return false;
    }
    while (commas < len && list[len - 1 - commas] == ',') {
        commas++;
    }
    return commas % 2 == 0;
}

static void append_list(char **joined, const char *list)
{
    char *old = *joined;

    if (!list_is_joinable(list)) {
        error_report("Invalid option list: %s", list);
        exit(EXIT_FAILURE);
    }
    *joined = old ? g_strdup_printf("%s,%s", old, list) : g_strdup(list);
    g_free(old);
}

static void store_size(const ImgOpt *opt, const char *arg)
{
    int64_t value = img_size_arg_range(opt->what, arg, 0, opt->max ? opt->max : INT64_MAX);

    if (value < 0 || (opt->accept && !opt->accept(value))) {
        exit(EXIT_FAILURE);
    }
    *(int64_t *)opt->target = value;
}

static void store(const ImgOpt *opt, const char *arg, int object_exit)
{
    ImgOptSeen seen = { opt, arg };
    Error *err = NULL;

    switch (opt->kind) {
    case IMG_OPT_FLAG:
        *(bool *)opt->target = true;
        break;
    case IMG_OPT_STR:
        if (opt->check && !opt->check(arg)) {
            exit(EXIT_FAILURE);
        }
        *(const char **)opt->target = arg;
        break;
    case IMG_OPT_SIZE:
        store_size(opt, arg);
        break;
    case IMG_OPT_LIST:
        append_list(opt->target, arg);
        break;
    case IMG_OPT_OBJECT:
        if (!img_object_create(arg, &err)) {
            error_report_err(err);
            exit(object_exit);
        }
        break;
    case IMG_OPT_SEQ_FLAG:
    case IMG_OPT_SEQ_STR:
        g_array_append_val((GArray *)opt->target, seen);
        break;
    }
}

int img_parse_exit(int argc, char **argv, const ImgOpt *opts, int object_exit)
{
    g_autoptr(GString) letters = g_string_new(NULL);
    g_autoptr(GArray) longs = g_array_new(TRUE, TRUE, sizeof(struct option));
    int c;

    build_getopt(opts, letters, longs);
    optind = 0;
    while ((c = getopt_long(argc, argv, letters->str, (struct option *)longs->data, NULL)) != -1) {
        if (c == ':') {
            img_usage_error("missing argument for option '%s'", argv[optind - 1]);
        } else if (c == '?') {
            img_usage_error("unrecognized option '%s'", argv[optind - 1]);
        } else if (c == 'h') {
            img_help();
        }
        store(option_for(opts, c), optarg, object_exit);
    }
    return optind;
}

int img_parse(int argc, char **argv, const ImgOpt *opts)
{
    return img_parse_exit(argc, argv, opts, EXIT_FAILURE);
}

bool img_output_is_json(const char *word)
{
    if (!word || !strcmp(word, "human")) {
        return false;
    }
    if (strcmp(word, "json")) {
        error_report("--output must be used with human or json as argument.");
        exit(EXIT_FAILURE);
    }
    return true;
}

int64_t img_size_arg_range(const char *what, const char *text, int64_t min, int64_t max)
{
    uint64_t value = 0;
    int ret = parse_size(text, NULL, 'B', &value);

    if (ret == -ERANGE || (!ret && (value > (uint64_t)max || value < (uint64_t)min))) {
        error_report("Invalid %s specified. Must be between %" PRId64 " and %" PRId64 ".", what, min, max);
        return -1;
    }
    if (ret < 0) {
        error_report("Invalid %s specified. You may use k, M, G, T, P or E suffixes for", what);
        error_report("kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.");
        return -1;
    }
    return value;
}

int64_t img_size_arg(const char *what, const char *text)
{
    return img_size_arg_range(what, text, 0, INT64_MAX);
}

const char *img_one_filename(int argc, char **argv, int index)
{
    if (argc - index != 1) {
        img_usage_error("Expecting one image file name");
    }
    return argv[index];
}

bool img_format_conflict(bool image_opts, const char *fmt)
{
    if (image_opts && fmt) {
        error_report("--image-opts and --format are mutually exclusive");
        return true;
    }
    return false;
}

bool img_wants_option_help(const char *list)
{
    for (const char *p = list; p; p = strchr(p, ',')) {
        p += *p == ',';
        if ((g_str_has_prefix(p, "help") && (!p[4] || p[4] == ',')) || (*p == '?' && (!p[1] || p[1] == ','))) {
            return true;
        }
    }
    return false;
}

int img_print_create_options(const char *filename, const char *fmt)
{
    const BlockDriver *drv = bdrv_find_format(fmt), *protocol = NULL;
    const OptDesc *tables[3] = { NULL };
    g_autofree char *title = NULL, *text = NULL;
    Error *err = NULL;

    if (!drv) {
        error_report("Unknown file format '%s'", fmt);
        return EXIT_FAILURE;
    }
    if (!drv->create_options) {
        error_report("Format driver '%s' does not support image creation", fmt);
        return EXIT_FAILURE;
    }
    tables[0] = drv->create_options;
    if (filename) {
        protocol = bdrv_find_protocol(filename, true, &err);
        if (!protocol) {
            error_report_err(err);
            return EXIT_FAILURE;
        }
        if (!protocol->create_options) {
            error_report("Protocol driver '%s' does not support image creation", protocol->name);
            return EXIT_FAILURE;
        }
        tables[1] = protocol->create_options;
        title = g_strdup("Supported options:");
    } else {
        title = g_strdup_printf("Supported %s options:", fmt);
    }
    text = opts_format_help(tables, title);
    fputs(text, stdout);
    if (!protocol) {
        printf("\nThe protocol level may support further options.\n"
               "Specify the target filename to include those options.\n");
    }
    return EXIT_SUCCESS;
}
