/*
 * qemu-img: create, inspect, convert and change disk images offline.
 *
 * This file is the way in: global options and the table of sub-commands.  Each sub-command is a file of its
 * own in img/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include "img/commands.h"
#include "img/interrupt.h"
#include "util/aio.h"
#include "util/trace.h"

const char img_version_text[] = "qemu-img version 7.2.50 (Stillframe)\n";

const ImgCommand img_commands[] = {
    { "amend", img_amend,
      "[--object objectdef] [--image-opts] [-p] [-q] [-f fmt] [-t cache] [--force] -o options filename" },
    { "bench", img_bench,
      "[-c count] [-d depth] [-f fmt] [--flush-interval=flush_interval] [-i aio] [-n] [--no-drain] [-o offset] "
      "[--pattern=pattern] [-q] [-s buffer_size] [-S step_size] [-t cache] [-w] [-U] filename" },
    { "bitmap", img_bitmap,
      "(--merge SOURCE | --add | --remove | --clear | --enable | --disable)... [-b source_file [-F source_fmt]] "
      "[-g granularity] [--object objectdef] [--image-opts | -f fmt] filename bitmap" },
    { "check", img_check,
      "[--object objectdef] [--image-opts] [-q] [-f fmt] [--output=ofmt] [-r [leaks | all]] [-T src_cache] [-U] [--explain] "
      "filename" },
    { "commit", img_commit,
      "[--object objectdef] [--image-opts] [-q] [-f fmt] [-t cache] [-b base] [-r rate_limit] [-d] [-p] filename" },
    { "compare", img_compare,
      "[--object objectdef] [--image-opts] [-f fmt] [-F fmt] [-T src_cache] [-p] [-q] [-s] [-U] filename1 filename2" },
    { "convert", img_convert,
      "[--object objectdef] [--image-opts] [--target-image-opts] [--target-is-zero] [--bitmaps] [-U] [-C] [-c] [-p] "
      "[-q] [-n] [-f fmt] [-t cache] [-T src_cache] [-O output_fmt] [-B backing_file [-F backing_fmt]] [-o options] "
      "[-l snapshot_param] [-S sparse_size] [-r rate_limit] [-m num_coroutines] [-W] [--salvage] filename "
      "[filename2 [...]] output_filename" },
    { "create", img_create,
      "[--object objectdef] [-q] [-f fmt] [-b backing_file [-F backing_fmt]] [-u] [-o options] filename [size]" },
    { "dd", img_dd,
      "[--image-opts] [-U] [-f fmt] [-O output_fmt] [bs=block_size] [count=blocks] [skip=blocks] if=input of=output" },
    { "info", img_info,
      "[--object objectdef] [--image-opts] [-f fmt] [--output=ofmt] [--backing-chain] [--snapshots] [-U] filename" },
    { "map", img_map,
      "[--object objectdef] [--image-opts] [-f fmt] [--start-offset=offset] [--max-length=len] [--output=ofmt] [-U] "
      "filename" },
    { "measure", img_measure,
      "[--output=ofmt] [-O output_fmt] [-o options] [--size N | [--object objectdef] [--image-opts] [-f fmt] "
      "[-l snapshot_param] filename]" },
    { "snapshot", img_snapshot,
      "[--object objectdef] [--image-opts] [-U] [-q] [--output=ofmt] [-l | -a snapshot | -c snapshot | "
      "-d snapshot [snapshot...] | -d --all | --diff snapshot [snapshot] | "
      "--export snapshot [-O output_fmt] [-o options] [-p] output_filename] filename" },
    { "rebase", img_rebase,
      "[--object objectdef] [--image-opts] [-U] [-q] [-f fmt] [-t cache] [-T src_cache] [-p] [-u] -b backing_file "
      "[-F backing_fmt] filename" },
    { "resize", img_resize,
      "[--object objectdef] [--image-opts] [-f fmt] [--preallocation=prealloc] [-q] [--shrink] filename [+ | -]size" },
    { NULL },
};

/* Options before the command; returns the index of the command. */
static int parse_global(int argc, char **argv)
{
    static const struct option longs[] = {
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { "trace", required_argument, NULL, 'T' },
        { NULL },
    };
    int c;

    while ((c = getopt_long(argc, argv, "+:hVT:", longs, NULL)) != -1) {
        switch (c) {
        case 'h':
            img_help();
        case 'V':
            fputs(img_version_text, stdout);
            exit(EXIT_SUCCESS);
        case 'T':
            trace_configure(optarg, &error_fatal);
            break;
        case ':':
            img_usage_error("missing argument for option '%s'", argv[optind - 1]);
        default:
            img_usage_error("unrecognized option '%s'", argv[optind - 1]);
        }
    }
    return optind;
}

static const ImgCommand *find_command(const char *name)
{
    for (const ImgCommand *c = img_commands; c->name; c++) {
        if (!strcmp(c->name, name)) {
            return c;
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const ImgCommand *command;
    int first, ret;

    signal(SIGPIPE, SIG_IGN);
    error_init(argv[0]);
    aio_init_main();
    aio_set_batch(true);
    /* Large buffers come and go: keep their memory instead of having the system clear it again each time. */
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    mallopt(M_TOP_PAD, 1 << 20);
    bdrv_init();
    if (argc < 2) {
        img_usage_error("Not enough arguments");
    }
    first = parse_global(argc, argv);
    if (first == argc) {
        img_usage_error("Not enough arguments");
    }
    command = find_command(argv[first]);
    if (!command) {
        img_usage_error("Command not found: %s", argv[first]);
    }
    interrupt_init();
    ret = command->run(argc - first, argv + first);
    bdrv_close_all();
    interrupt_finish();
    return ret;
}
