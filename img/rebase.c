/*
 * qemu-img rebase: give an image another backing file.
 *
 * The safe way: where the image leaves the content to its backing chain and old and new chain differ, the old
 * content is written into the image first.  The unsafe way (-u) changes the name only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "img/common.h"
#include "img/pipeline.h"

/* All buffers together stay in the processor's cache. */
#define REBASE_CHUNK (512 * KiB)    /* of each chain */
#define REBASE_WORKERS 4
#define PROGRESS_UNIT (2 * MiB)     /* of what the image does not hold; a run's rest counts as one, as with the peer */

typedef struct Rebase {
    BlockBackend *blk;                  /* the image */
    BlockBackend *old_base, *new_base;  /* NULL: none, reads as zeroes */
    int64_t size, old_size, new_size;
    BlockDriverState *shared;           /* the new base when it is a node of the old chain */
    int64_t at;
    int64_t run_start;                  /* of the range that the image does not hold, -1: before one */
    int64_t own_until, known_until;     /* up to where `own` and `equal` are the answers */
    int own;                            /* the image holds this itself; -errno */
    bool equal, reported;
} Rebase;

typedef struct RebaseArgs {
    const char *filename, *base, *base_fmt;
    ImgOpen how, source;
    bool unsafe;
} RebaseArgs;

static int fail(Rebase *r, int ret, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

static int fail(Rebase *r, int ret, const char *fmt, ...)
{
    va_list ap;

    if (!r->reported) {
        va_start(ap, fmt);
        error_vreport(fmt, ap);
        va_end(ap);
    }
    r->reported = true;
    return ret;
}

/* ---- copying what differs ---- */
/* Does this chain read as zeroes from r->at on, as its metadata says?  *n: so far.  What cannot be said is data. */
static bool known_zeroes(const Rebase *r, BlockBackend *blk, int64_t length, int64_t *n)
{
    if (r->at >= length) {
        return true;
    }
    *n = MIN(*n, length - r->at);
    int ret = bdrv_block_status_above(blk_bs(blk), NULL, r->at, *n, n, NULL, NULL, NULL);
    return ret >= 0 && (ret & BDRV_BLOCK_ZERO);
}

/*
 * Bytes from r->at on (of `bytes`, not in the image itself) that both chains show alike, as their metadata says: 0 when only
 * reading can tell.  What no layer between the image and a new base of the same chain holds, is read from there before
 * and after.  An answer is kept for its whole range.
 */
static int64_t known_equal(Rebase *r, int64_t bytes)
{
    int64_t n = r->size - r->at;

    if (r->at >= r->known_until) {
        if (r->shared && r->at < r->old_size) {
            n = MIN(n, r->old_size - r->at);
            r->equal = bdrv_is_allocated_above(blk_bs(r->old_base), r->shared, false, r->at, n, &n) == 0;
        } else {
            r->equal = known_zeroes(r, r->old_base, r->old_size, &n) && known_zeroes(r, r->new_base, r->new_size, &n);
        }
        r->known_until = r->at + n;
    }
    return r->equal ? MIN(bytes, r->known_until - r->at) : 0;
}

/* Does the image itself hold what is at r->at?  *n: so far.  Also kept: jobs change what lies before r->at alone. */
static int coroutine_fn own(Rebase *r, int64_t *n)
{
    if (r->at >= r->own_until) {
        r->own = bdrv_is_allocated(blk_bs(r->blk), r->at, r->size - r->at, n);
        r->own_until = r->own < 0 ? r->at : r->at + *n;
    }
    *n = r->own_until - r->at;
    return r->own;
}

/* How many units of progress end in [from, to) of a run. */
static int units_in(const Rebase *r, int64_t from, int64_t to, bool run_ends)
{
    int64_t unit = PROGRESS_UNIT, before = (from - r->run_start) / unit, after = (to - r->run_start) / unit;

    return after - before + (run_ends && (to - r->run_start) % unit);
}

static void tell_units(int units)
{
    for (int i = 0; i < units; i++) {
        img_progress_add(1);
    }
}

/* The next range that the image itself does not hold; its kind: units of progress. */
static int coroutine_fn rebase_take(void *opaque, ImgJob *job)
{
    Rebase *r = opaque;

    while (r->at < r->size) {
        int64_t pnum = 0;
        int ret = own(r, &pnum);

        if (ret < 0) {
            return fail(r, ret, "error while reading image metadata: %s", strerror(-ret));
        }
        int64_t skip = ret ? pnum : known_equal(r, pnum);

        job->offset = r->at;
        /* End on chunk borders: workers share no cluster. */
        job->bytes = skip ?: MIN(pnum, ALIGN_DOWN(r->at + (int64_t)REBASE_CHUNK, (int64_t)REBASE_CHUNK) - r->at);
        r->at += job->bytes;
        r->run_start = ret ? -1 : r->run_start < 0 ? job->offset : r->run_start;
        job->kind = ret ? 0 : units_in(r, job->offset, r->at, job->bytes == pnum);
        if (!skip) {
            return 1;
        }
        tell_units(job->kind);
    }
    return 0;
}

/* Read a range of a chain that may be shorter than the image. */
static int coroutine_fn read_chain(BlockBackend *blk, int64_t length, const ImgJob *job, uint8_t *buf)
{
    int64_t n = blk ? CLAMP(length - job->offset, 0, job->bytes) : 0;

    memset(buf + n, 0, job->bytes - n);
    return n ? blk_pread(blk, job->offset, n, buf, 0) : 0;
}

/* Length of the run of sectors at the start that differ (*differ) or are equal. */
static int64_t next_run(const uint8_t *a, const uint8_t *b, int64_t bytes, bool *differ)
{
    int64_t n = MIN(bytes, BDRV_SECTOR_SIZE);

    *differ = memcmp(a, b, n) != 0;
    while (n < bytes) {
        int64_t step = MIN(bytes - n, BDRV_SECTOR_SIZE);

        if ((memcmp(a + n, b + n, step) != 0) != *differ) {
            break;
        }
        n += step;
    }
    return n;
}

static int coroutine_fn write_difference(Rebase *r, int64_t offset, int64_t bytes, const uint8_t *old)
{
    int ret = buffer_is_zero(old, bytes) ? blk_pwrite_zeroes(r->blk, offset, bytes, 0)
                                         : blk_pwrite(r->blk, offset, bytes, old, 0);

    return ret < 0 ? fail(r, ret, "Error while writing to COW image: %s", strerror(-ret)) : 0;
}

static int coroutine_fn rebase_work(void *opaque, ImgPipeline *p, ImgJob *job)
{
    Rebase *r = opaque;
    uint8_t *old = job->buffer, *new = old + REBASE_CHUNK;
    bool differ;
    int ret = read_chain(r->old_base, r->old_size, job, old);

    if (ret < 0) {
        return fail(r, ret, "error while reading from old backing file: %s", strerror(-ret));
    }
    ret = read_chain(r->new_base, r->new_size, job, new);
    if (ret < 0) {
        return fail(r, ret, "error while reading from new backing file: %s", strerror(-ret));
    }
    img_pipeline_turn(p, job);
    for (int64_t at = 0, n; at < job->bytes && ret >= 0; at += n) {
        n = next_run(old + at, new + at, job->bytes - at, &differ);
        ret = differ ? write_difference(r, job->offset + at, n, old + at) : 0;
    }
    tell_units(job->kind);
    return ret;
}

static void *rebase_alloc(void *opaque, size_t bytes)
{
    Rebase *r = opaque;

    return blk_blockalign(r->blk, bytes);
}

/* ---- the two chains ---- */
static bool base_size(BlockBackend *blk, const char *name, int64_t *size)
{
    *size = blk ? blk_getlength(blk) : 0;
    if (*size < 0) {
        error_report("Could not get size of '%s': %s", name, strerror(-*size));
    }
    return *size >= 0;
}

static bool open_old_base(Rebase *r)
{
    BlockDriverState *bs = bdrv_backing_chain_next(blk_bs(r->blk));
    Error *err = NULL;

    if (!bs) {
        return true;
    }
    bdrv_ref(bs);
    r->old_base = blk_new_with_bs(bs, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &err);
    bdrv_unref(bs);
    if (!r->old_base) {
        error_reportf_err(err, "Could not reuse old backing file '%s': ", bs->filename);
    }
    return r->old_base != NULL;
}

static bool open_new_base(Rebase *r, const RebaseArgs *a)
{
    g_autofree char *full = NULL;
    QDict *options;
    Error *err = NULL;

    if (!a->base || !*a->base) {
        return true;
    }
    full = bdrv_full_backing_from(blk_bs(r->blk)->filename, a->base, &err);
    if (!full) {
        error_reportf_err(err, "Could not resolve backing filename: ");
        return false;
    }
    BlockDriverState *above = img_find_in_chain(blk_bs(r->blk), full);
    /*
     * Part of the chain already: the node as it is.  But said to have another format it is opened as that, so that what
     * will be read through it is compared and kept (the peer takes the node there, too, and content changes).
     */
    if (above && (!a->base_fmt || !strcmp(bdrv_get_format_name(above), a->base_fmt))) {
        r->new_base = blk_new_with_bs(above, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &err);
        if (!r->new_base) {
            error_reportf_err(err, "Could not reuse backing file '%s': ", a->base);
        }
        r->shared = above;
        return r->new_base != NULL;
    }
    options = qdict_new();
    if (a->base_fmt) {
        qdict_put_str(options, "driver", a->base_fmt);
    }
    if (a->source.force_share) {
        qdict_put_bool(options, "force-share", true);
    }
    r->new_base = blk_open(full, NULL, options, a->source.flags, &err);
    if (!r->new_base) {
        error_reportf_err(err, "Could not open new backing file '%s': ", a->base);
    }
    return r->new_base != NULL;
}

static int copy_differences(Rebase *r, const RebaseArgs *a)
{
    static const ImgPipelineOps ops = { rebase_take, rebase_work, rebase_alloc, bdrv_memfree };
    int ret;

    if (!open_old_base(r) || !open_new_base(r, a)) {
        return -EINVAL;
    }
    r->size = blk_getlength(r->blk);
    if (r->size < 0) {
        error_report("Could not get size of '%s': %s", a->filename, strerror(-r->size));
        return r->size;
    }
    if (!base_size(r->old_base, "old backing file", &r->old_size) || !base_size(r->new_base, a->base, &r->new_size)) {
        return -EINVAL;
    }
    r->run_start = -1;
    img_progress_total(MAX(r->size / (int64_t)PROGRESS_UNIT, 1));
    ret = img_pipeline_run(&ops, r, REBASE_WORKERS, 2 * REBASE_CHUNK);
    return ret < 0 ? fail(r, ret, "error while rebasing: %s", strerror(-ret)) : 0;
}

static int change_name(BlockDriverState *bs, const RebaseArgs *a)
{
    bool some = a->base && *a->base;
    int ret = bdrv_change_backing_file(bs, some ? a->base : NULL, some ? a->base_fmt : NULL, some);
    const char *name = a->base ?: "(none)";

    if (ret == -ENOSPC) {
        error_report("Could not change the backing file to '%s': No space left in the file header", name);
    } else if (ret == -EINVAL && some && !a->base_fmt) {
        error_report("Could not change the backing file to '%s': backing format must be specified", name);
    } else if (ret < 0) {
        error_report("Could not change the backing file to '%s': %s", name, strerror(-ret));
    }
    return ret;
}

static int rebase_image(const RebaseArgs *a)
{
    Rebase r = { .blk = img_open(a->filename, &a->how) };
    int ret = -EINVAL;

    if (r.blk && a->base_fmt && !bdrv_find_format(a->base_fmt)) {
        error_report("Invalid format name: '%s'", a->base_fmt);
    } else if (r.blk) {
        ret = a->unsafe ? 0 : copy_differences(&r, a);
        ret = ret < 0 ? ret : change_name(blk_bs(r.blk), a);
    }
    img_progress_finish(ret == 0);
    if (r.new_base) {
        blk_unref(r.new_base);
    }
    if (r.old_base) {
        blk_unref(r.old_base);
    }
    if (r.blk) {
        blk_unref(r.blk);
    }
    return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int img_rebase(int argc, char **argv)
{
    RebaseArgs a = { 0 };
    const char *cache = "writeback", *source_cache = "writeback";
    bool progress = false;
    const ImgOpt opts[] = {
        { 'f', NULL, IMG_OPT_STR, &a.how.fmt },
        { 'F', NULL, IMG_OPT_STR, &a.base_fmt },
        { 'b', NULL, IMG_OPT_STR, &a.base },
        { 'u', NULL, IMG_OPT_FLAG, &a.unsafe },
        { 'p', NULL, IMG_OPT_FLAG, &progress },
        { 't', NULL, IMG_OPT_STR, &cache },
        { 'T', NULL, IMG_OPT_STR, &source_cache },
        { 'q', NULL, IMG_OPT_FLAG, &a.how.quiet },
        { 'U', "force-share", IMG_OPT_FLAG, &a.source.force_share },
        { 0, "object", IMG_OPT_OBJECT, NULL },
        { 0, "image-opts", IMG_OPT_FLAG, &a.how.image_opts },
        IMG_OPTS_END,
    };
    int i = img_parse(argc, argv, opts);

    a.filename = img_one_filename(argc, argv, i);
    if (!a.unsafe && !a.base) {
        img_usage_error("Must specify backing file (-b) or use unsafe mode (-u)");
    }
    img_progress_init(progress && !a.how.quiet, 2);
    img_progress_total(1);
    a.how.flags = BDRV_O_RDWR | (a.unsafe ? BDRV_O_NO_BACKING : 0);
    if (!img_cache_mode(cache, &a.how)) {
        error_report("Invalid cache option: %s", cache);
        img_progress_finish(false);
        return EXIT_FAILURE;
    }
    if (!img_cache_mode(source_cache, &a.source)) {
        error_report("Invalid source cache option: %s", source_cache);
        img_progress_finish(false);
        return EXIT_FAILURE;
    }
    if (img_format_conflict(a.how.image_opts, a.how.fmt)) {
        return EXIT_FAILURE;
    }
    return rebase_image(&a);
}
