/*
 * reopen: new flags and options for the open image.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "internal.h"
#include "util/options.h"

typedef struct ReopenArgs {
    bool has_rw, has_cache, writethrough;
    int flags;
    QDict *opts;
} ReopenArgs;

static int set_read_write(ReopenArgs *a, bool rw)
{
    if (a->has_rw) {
        error_report("Only one -r/-w option may be given");
        return -EINVAL;
    }
    a->has_rw = true;
    a->flags = rw ? a->flags | BDRV_O_RDWR : a->flags & ~BDRV_O_RDWR;
    return 0;
}

static int set_options(ReopenArgs *a, const char *text)
{
    Error *err = NULL;

    qobject_unref(a->opts);
    a->opts = opts_parse_cmdline(text, NULL, NULL, &err);
    if (!a->opts) {
        error_report_err(err);
        return -EINVAL;
    }
    return 0;
}

static int parse_reopen(ReopenArgs *a, int argc, char **argv)
{
    int c, ret = 0;

    while (ret == 0 && (c = getopt(argc, argv, "c:o:rw")) != -1) {
        switch (c) {
        case 'c':
            a->has_cache = true;
            if (bdrv_parse_cache_mode(optarg, &a->flags, &a->writethrough) < 0) {
                error_report("Invalid cache option: %s", optarg);
                ret = -EINVAL;
            }
            break;
        case 'o': ret = set_options(a, optarg); break;
        case 'r': ret = set_read_write(a, false); break;
        case 'w': ret = set_read_write(a, true); break;
        default: return iocmd_usage(argv[0]);
        }
    }
    return ret < 0 ? ret : optind == argc ? 0 : iocmd_usage(argv[0]);
}

/* Flags become options; the user may say a thing in one way only. */
static int merge_flags(ReopenArgs *a)
{
    if (a->has_rw && qdict_has(a->opts, "read-only")) {
        error_report("Cannot set both -r/-w and 'read-only'");
        return -EINVAL;
    }
    if (a->has_cache && (qdict_has(a->opts, "cache.direct") || qdict_has(a->opts, "cache.no-flush"))) {
        error_report("Cannot set both -c and the cache options");
        return -EINVAL;
    }
    if (!qdict_has(a->opts, "read-only")) {
        qdict_put_bool(a->opts, "read-only", !(a->flags & BDRV_O_RDWR));
    }
    if (!qdict_has(a->opts, "cache.direct")) {
        qdict_put_bool(a->opts, "cache.direct", a->flags & BDRV_O_NOCACHE);
    }
    if (!qdict_has(a->opts, "cache.no-flush")) {
        qdict_put_bool(a->opts, "cache.no-flush", a->flags & BDRV_O_NO_FLUSH);
    }
    return 0;
}

/* A node that is to be read-only cannot have a writer above it. */
static void drop_write_permissions(BlockBackend *blk)
{
    const BdrvChild *root = blk_root(blk);

    if (root) {
        blk_set_perm(blk, root->perm & ~(uint64_t)(BLK_PERM_WRITE | BLK_PERM_RESIZE), root->shared, NULL);
    }
}

static int reopen_run(BlockBackend *blk, int argc, char **argv)
{
    BlockDriverState *bs = blk_bs(blk);
    ReopenArgs a = { .flags = bs->open_flags, .writethrough = !blk_enable_write_cache(blk), .opts = NULL };
    Error *err = NULL;
    int ret = parse_reopen(&a, argc, argv);

    if (ret == 0) {
        if (!a.opts) {
            a.opts = qdict_new();
        }
        ret = merge_flags(&a);
    }
    if (ret < 0) {
        qobject_unref(a.opts);
        return ret;
    }
    if (!(a.flags & BDRV_O_RDWR)) {
        drop_write_permissions(blk);
    }
    ret = bdrv_reopen(bs, a.opts, true, &err);
    if (ret < 0) {
        error_report_err(err);
        return ret;
    }
    blk_set_enable_write_cache(blk, !a.writethrough);
    return 0;
}

const IoCmd iocmd_reopen[] = {
    { .name = "reopen", .run = reopen_run, .max_args = -1, .args = "[(-r|-w)] [-c cache] [-o options]",
      .oneline = "reopens an image with new options", .help =
      "\n"
      " Changes the open options of an already opened image\n"
      "\n"
      " Example:\n"
      " 'reopen -o lazy-refcounts=on' - activates lazy refcount writeback on a qcow2 image\n"
      "\n"
      " -r, -- Reopen the image read-only\n"
      " -w, -- Reopen the image read-write\n"
      " -c, -- Change the cache mode to the given value\n"
      " -o, -- Changes block driver options (cf. 'open' command)\n"
      "\n" },
    { NULL }
};
