/*
 * qemu-io: run read, write and other commands on an image, from the command line or a prompt.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "img/common.h"
#include "img/interrupt.h"
#include "iocmd/iocmd.h"
#include "iocmd/prompt.h"
#include "util/aio.h"
#include "util/options.h"
#include "util/trace.h"

/* How to open a file: the command line's and `open`'s options alike. */
typedef struct OpenMode {
    int flags;
    bool writethrough, force_share;
} OpenMode;

static BlockBackend *blk;       /* the open file, NULL for none */
static bool quit;

static const OpenMode default_mode = { .flags = BDRV_O_UNMAP | BDRV_O_RDWR, .writethrough = true };

/* Takes opts, which may be NULL. */
static int open_file(const char *name, QDict *opts, const OpenMode *mode)
{
    g_autoptr(QObject) options = opts ? opts : qdict_new();
    Error *err = NULL;

    if (blk) {
        error_report("file open already, try 'help close'");
        return -EBUSY;
    }
    if (mode->force_share) {
        const char *given = qdict_get_str(options, "force-share");

        if (given && strcmp(given, "on")) {
            error_report("-U conflicts with image options");
            return -EINVAL;
        }
        qdict_put_bool(options, "force-share", true);
    }
    blk = blk_open(name, NULL, qobject_ref(options), mode->flags, &err);
    if (!blk) {
        error_reportf_err(err, "can't open%s%s: ", name ? " device " : "", name ? name : "");
        return -EINVAL;
    }
    blk_set_enable_write_cache(blk, !mode->writethrough);
    return 0;
}

static QDict *parse_image_opts(const char *text)
{
    Error *err = NULL;
    QDict *opts = opts_parse_list_noisy(text, NULL, NULL, &err);

    if (opts && qdict_has(opts, "id")) {
        qobject_unref(opts);
        opts = NULL;
        error_setg(&err, "Invalid parameter 'id'");
    }
    if (!opts) {
        error_report_err(err);
    }
    return opts;
}

/*
 * Options that `open` and the command line have in common: 1 it was one, 0 it was none,
 * -1 it was bad (reported).
 */
static int mode_option(OpenMode *mode, int c, const char *arg)
{
    switch (c) {
    case 'r': mode->flags &= ~BDRV_O_RDWR; return 1;
    case 's': mode->flags |= BDRV_O_SNAPSHOT; return 1;
    case 'C': mode->flags |= BDRV_O_COPY_ON_READ; return 1;
    case 'k': mode->flags |= BDRV_O_NATIVE_AIO; return 1;
    case 'U': mode->force_share = true; return 1;
    case 'n':
        mode->flags |= BDRV_O_NOCACHE;
        mode->writethrough = false;
        return 1;
    case 't':
        if (bdrv_parse_cache_mode(arg, &mode->flags, &mode->writethrough) < 0) {
            error_report("Invalid cache option: %s", arg);
            return -1;
        }
        return 1;
    case 'd':
        if (bdrv_parse_discard_flags(arg, &mode->flags) < 0) {
            error_report("Invalid discard option: %s", arg);
            return -1;
        }
        return 1;
    case 'i':
        if (bdrv_parse_aio(arg, &mode->flags) < 0) {
            error_report("Invalid aio option: %s", arg);
            return -1;
        }
        return 1;
    }
    return 0;
}

static int open_run(BlockBackend *unused, int argc, char **argv)
{
    OpenMode mode = default_mode;
    g_autoptr(QObject) opts = NULL;
    int c;

    while ((c = getopt(argc, argv, "snCro:ki:t:d:U")) != -1) {
        int known = mode_option(&mode, c, optarg);

        if (known < 0) {
            return -EINVAL;
        }
        if (c == 'o') {
            qobject_unref(opts);
            opts = parse_image_opts(optarg);
            if (!opts) {
                return -EINVAL;
            }
        } else if (!known) {
            return iocmd_usage(argv[0]);
        }
    }
    if (optind < argc - 1) {
        return iocmd_usage(argv[0]);
    }
    return open_file(argv[optind], g_steal_pointer(&opts), &mode);
}

/* Closes the file.  A write that was answered early may fail only now. */
static int close_file(void)
{
    int ret = blk_settle(blk);

    if (ret < 0) {
        printf("write failed: %s\n", strerror(-ret));
    }
    blk_unref(blk);
    blk = NULL;
    return ret;
}

static int close_run(BlockBackend *unused, int argc, char **argv)
{
    return close_file();
}

static int quit_run(BlockBackend *unused, int argc, char **argv)
{
    quit = true;
    return 0;
}

static const IoCmd program_commands[] = {
    { .name = "open", .alt_name = "o", .run = open_run, .min_args = 1, .max_args = -1, .no_file_ok = true,
      .args = "[-rsCnkU] [-t cache] [-d discard] [-o options] [path]",
      .oneline = "open the file specified by path", .help =
      "\n"
      " opens a new file in the requested mode\n"
      "\n"
      " Example:\n"
      " 'open -n -o driver=raw /tmp/data' - opens raw data file read-write, uncached\n"
      "\n"
      " Opens a file for subsequent use by all of the other qemu-io commands.\n"
      " -r, -- open file read-only\n"
      " -s, -- use snapshot file\n"
      " -C, -- use copy-on-read\n"
      " -n, -- disable host cache, short for -t none\n"
      " -U, -- force shared permissions\n"
      " -k, -- use kernel AIO implementation (Linux only, prefer use of -i)\n"
      " -i, -- use AIO mode (threads, native or io_uring)\n"
      " -t, -- use the given cache mode for the image\n"
      " -d, -- use the given discard mode for the image\n"
      " -o, -- options to be given to the block driver\n" },
    { .name = "close", .alt_name = "c", .run = close_run, .oneline = "close the current open file" },
    { .name = "quit", .alt_name = "q", .run = quit_run, .max_args = -1, .no_file_ok = true,
      .oneline = "exit the program" },
    { NULL }
};

static void print_usage(void)
{
    printf("Usage: %s [OPTIONS]... [-c STRING]... [file]\n"
           "QEMU Disk exerciser\n"
           "\n"
           "  --object OBJECTDEF   define an object such as 'secret' for\n"
           "                       passwords and/or encryption keys\n"
           "  --image-opts         treat file as option string\n"
           "  -c, --cmd STRING     execute command with its arguments\n"
           "                       from the given string\n"
           "  -f, --format FMT     specifies the block driver to use\n"
           "  -r, --read-only      export read-only\n"
           "  -s, --snapshot       use snapshot file\n"
           "  -n, --nocache        disable host cache, short for -t none\n"
           "  -C, --copy-on-read   enable copy-on-read\n"
           "  -m, --misalign       misalign allocations for O_DIRECT\n"
           "  -k, --native-aio     use kernel AIO implementation\n"
           "                       (Linux only, prefer use of -i)\n"
           "  -i, --aio=MODE       use AIO mode (threads, native or io_uring)\n"
           "  -t, --cache=MODE     use the given cache mode for the image\n"
           "  -d, --discard=MODE   use the given discard mode for the image\n"
           "  -T, --trace [[enable=]<pattern>][,events=<file>][,file=<file>]\n"
           "                       specify tracing options\n"
           "                       see qemu-img(1) man page for full description\n"
           "  -U, --force-share    force shared permissions\n"
           "  -h, --help           display this help and exit\n"
           "  -V, --version        output version information and exit\n"
           "\n"
           "See 'qemu-io -c help' for information on available commands.\n",
           error_progname());
}

/* Standard input by lines, read only when it has something, so that requests go on while a person thinks. */
typedef struct Input {
    GString *text;          /* read and not yet given out */
    bool watched;           /* by the event loop; files and /dev/null are always readable */
    bool readable, ended;
} Input;

static void input_ready(void *opaque)
{
    ((Input *)opaque)->readable = true;
}

static void input_open(Input *in)
{
    struct stat st;

    *in = (Input){ .text = g_string_new(NULL) };
    in->watched = fstat(STDIN_FILENO, &st) == 0
                  && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(STDIN_FILENO));
}

/* Runs the event loop until there is something to read, once at least. */
static void input_fill(Input *in)
{
    char buf[4096];
    ssize_t n;

    in->readable = !in->watched;
    if (in->watched) {
        aio_set_fd_handler(aio_main_context(), STDIN_FILENO, input_ready, NULL, in);
    }
    do {
        aio_poll(aio_main_context(), !in->readable);
    } while (!in->readable);
    if (in->watched) {
        aio_set_fd_handler(aio_main_context(), STDIN_FILENO, NULL, NULL, NULL);
    }
    do {
        n = read(STDIN_FILENO, buf, sizeof(buf));
    } while (n < 0 && errno == EINTR);
    in->ended = n <= 0;
    if (n > 0) {
        g_string_append_len(in->text, buf, n);
    }
}

/* The next line without its end, NULL at the end of input. */
static char *input_line(Input *in)
{
    const char *end;
    size_t len;
    char *line;

    while (!(end = memchr(in->text->str, '\n', in->text->len)) && !in->ended) {
        input_fill(in);
    }
    if (!end && !in->text->len) {
        return NULL;
    }
    len = end ? (size_t)(end - in->text->str) : in->text->len;
    line = g_strndup(in->text->str, len);
    g_string_erase(in->text, 0, len + (end != NULL));
    return g_strchomp(line);
}

/* Without -c: a line at a time until quit or the end of input. */
static int run_prompt(void)
{
    g_autofree char *prompt = g_strdup_printf("%s> ", error_progname());
    bool terminal = iocmd_prompt_init();
    int status = 0;
    Input in;

    input_open(&in);
    while (!quit) {
        g_autofree char *line = NULL;

        if (terminal) {
            line = iocmd_prompt_line(prompt);
        } else {
            fputs(prompt, stdout);
            fflush(stdout);
            aio_poll(aio_main_context(), false);
            line = input_line(&in);
        }
        if (!line) {
            break;
        }
        if (iocmd_run(blk, line) < 0) {
            status = 1;
        }
    }
    g_string_free(in.text, TRUE);
    iocmd_prompt_end();
    return status;
}

static int run_commands(const GPtrArray *commands)
{
    int status = 0;

    for (guint i = 0; i < commands->len && !quit; i++) {
        if (iocmd_run(blk, g_ptr_array_index(commands, i)) < 0) {
            status = 1;
        }
    }
    return status;
}

typedef struct MainArgs {
    OpenMode mode;
    const char *format;
    bool image_opts;
    GPtrArray *commands;    /* -c, borrowed text */
} MainArgs;

enum { OPT_OBJECT = 256, OPT_IMAGE_OPTS };

static const struct option long_options[] = {
    { "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' },
    { "cmd", required_argument, NULL, 'c' }, { "format", required_argument, NULL, 'f' },
    { "read-only", no_argument, NULL, 'r' }, { "snapshot", no_argument, NULL, 's' },
    { "nocache", no_argument, NULL, 'n' }, { "copy-on-read", no_argument, NULL, 'C' },
    { "misalign", no_argument, NULL, 'm' }, { "native-aio", no_argument, NULL, 'k' },
    { "aio", required_argument, NULL, 'i' }, { "discard", required_argument, NULL, 'd' },
    { "cache", required_argument, NULL, 't' }, { "trace", required_argument, NULL, 'T' },
    { "force-share", no_argument, NULL, 'U' }, { "object", required_argument, NULL, OPT_OBJECT },
    { "image-opts", no_argument, NULL, OPT_IMAGE_OPTS }, { NULL, 0, NULL, 0 }
};

/* An option that only the program has. Exits when it cannot go on. */
static void program_option(MainArgs *a, int c)
{
    switch (c) {
    case 'c':
        g_ptr_array_add(a->commands, optarg);
        break;
    case 'f':
        a->format = optarg;
        break;
    case 'm':
        iocmd_set_misalign(true);
        break;
    case 'T':
        trace_configure(optarg, &error_fatal);
        break;
    case OPT_OBJECT:
        img_object_create(optarg, &error_fatal);
        break;
    case OPT_IMAGE_OPTS:
        a->image_opts = true;
        break;
    case 'V':
        printf("%s version 7.2.50 (Stillframe)\n", error_progname());
        exit(EXIT_SUCCESS);
    case 'h':
        print_usage();
        exit(EXIT_SUCCESS);
    default:
        print_usage();
        exit(EXIT_FAILURE);
    }
}

static void parse_args(MainArgs *a, int argc, char **argv)
{
    int c;

    while ((c = getopt_long(argc, argv, "hVc:d:f:rsnCmki:t:T:U", long_options, NULL)) != -1) {
        int known = mode_option(&a->mode, c, optarg);

        if (known < 0) {
            exit(EXIT_FAILURE);
        }
        if (!known) {
            program_option(a, c);
        }
    }
    if (argc - optind > 1) {
        print_usage();
        exit(EXIT_FAILURE);
    }
    if (a->format && a->image_opts) {
        error_report("--image-opts and -f are mutually exclusive");
        exit(EXIT_FAILURE);
    }
}

static int open_operand(const MainArgs *a, const char *name)
{
    QDict *opts = NULL;

    if (a->image_opts) {
        opts = parse_image_opts(name);
        return opts ? open_file(NULL, opts, &a->mode) : -EINVAL;
    }
    if (a->format) {
        opts = qdict_new();
        qdict_put_str(opts, "driver", a->format);
    }
    return open_file(name, opts, &a->mode);
}

int main(int argc, char **argv)
{
    MainArgs a = { .mode = default_mode, .commands = g_ptr_array_new() };
    int status;

    signal(SIGPIPE, SIG_IGN);
    error_init(argv[0]);
    aio_init_main();
    aio_set_batch(true);
    bdrv_init();
    interrupt_init();
    iocmd_register(program_commands);
    parse_args(&a, argc, argv);
    if (optind < argc && open_operand(&a, argv[optind]) < 0) {
        exit(EXIT_FAILURE);
    }
    status = a.commands->len ? run_commands(a.commands) : run_prompt();
    blk_drain_all();
    if (blk && close_file() < 0) {
        status = 1;
    }
    g_ptr_array_free(a.commands, TRUE);
    interrupt_finish();
    return status;
}
