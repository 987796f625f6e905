/*
 * qemu-img commit: write what an image holds into a file of its backing chain.
 *
 * Order: data into the base, the base durable, and only then the image emptied.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "img/common.h"
#include "img/pipeline.h"

#define COMMIT_CHUNK (2 * MiB)
#define COMMIT_WORKERS 8
#define COMMIT_UNIT_MIN (int)(4 * KiB)
#define COMMIT_UNIT_MAX (int)(64 * KiB)

enum { RANGE_DATA, RANGE_ZERO };

typedef struct Commit {
    BlockBackend *top, *base;
    int64_t size;           /* of top */
    int64_t unit;           /* of writing to the base */
    int64_t at;
    int64_t rate, pace_ns;  /* bytes a second, 0: no limit */
    bool reported;
} Commit;

typedef struct CommitArgs {
    const char *filename, *base;
    ImgOpen how;
    bool drop;              /* leave the image as it is */
    int64_t rate;
} CommitArgs;

static int fail(Commit *c, const char *doing, int ret)
{
    if (!c->reported) {
        error_report("error while %s: %s", doing, strerror(-ret));
    }
    c->reported = true;
    return ret;
}

/* ---- copying ---- */
static void coroutine_fn keep_pace(Commit *c, int64_t bytes)
{
    int64_t now = aio_clock_ns(AIO_CLOCK_REALTIME);

    if (!c->rate) {
        return;
    }
    if (c->pace_ns > now) {
        co_sleep_ns(c->pace_ns - now);
    }
    c->pace_ns = MAX(c->pace_ns, now) + bytes * 1000000000.0 / c->rate;
}

/*
 * The next range that some layer above the base holds.  The base is written in whole units: one of which only a part is
 * held, or zero, is copied as data.
 */
static int coroutine_fn commit_take(void *opaque, ImgJob *job)
{
    Commit *c = opaque;

    while (c->at < c->size) {
        int64_t pnum = 0, left = c->size - c->at;
        int status = bdrv_block_status_above(blk_bs(c->top), blk_bs(c->base), c->at, left, &pnum, NULL, NULL, NULL);

        if (status < 0) {
            return fail(c, "reading image metadata", status);
        }
        bool held = status & BDRV_BLOCK_ALLOCATED, mixed = pnum < MIN(left, c->unit);
        job->offset = c->at;
        job->kind = (status & BDRV_BLOCK_ZERO) && !mixed ? RANGE_ZERO : RANGE_DATA;
        job->bytes = mixed ? MIN(left, c->unit) : pnum < left ? ALIGN_DOWN(pnum, c->unit) : pnum;
        if ((held || mixed) && job->kind == RANGE_DATA) {
            job->bytes = MIN(job->bytes, ALIGN_DOWN(c->at + (int64_t)COMMIT_CHUNK, (int64_t)COMMIT_CHUNK) - c->at);
        } else {
            job->bytes = MIN(job->bytes, (int64_t)GiB);
        }
        c->at += job->bytes;
        if (held || mixed) {
            keep_pace(c, job->bytes);
            return 1;
        }
        img_progress_add(job->bytes);
    }
    return 0;
}

static int coroutine_fn commit_work(void *opaque, ImgPipeline *p, ImgJob *job)
{
    Commit *c = opaque;
    int ret = 0;

    if (job->kind == RANGE_DATA) {
        ret = blk_pread(c->top, job->offset, job->bytes, job->buffer, 0);
        if (ret < 0) {
            return fail(c, "reading from image", ret);
        }
    }
    img_pipeline_turn(p, job);
    ret = job->kind == RANGE_ZERO ? blk_pwrite_zeroes(c->base, job->offset, job->bytes, BDRV_REQ_MAY_UNMAP)
                                  : blk_pwrite(c->base, job->offset, job->bytes, job->buffer, 0);
    if (ret < 0) {
        return fail(c, "writing to backing file", ret);
    }
    img_progress_add(job->bytes);
    return 0;
}

static void *commit_alloc(void *opaque, size_t bytes)
{
    Commit *c = opaque;

    return blk_blockalign(c->base, bytes);
}

static int64_t unit_of(BlockDriverState *base)
{
    BlockDriverInfo info = { 0 };

    return bdrv_get_info(base, &info) < 0 || !info.cluster_size ? COMMIT_UNIT_MAX
           : CLAMP(info.cluster_size, COMMIT_UNIT_MIN, COMMIT_UNIT_MAX);
}

/* Bring the base to the size of the image and everything above it into it, durably. */
static int copy_down(Commit *c, Error **errp)
{
    static const ImgPipelineOps ops = { commit_take, commit_work, commit_alloc, bdrv_memfree };
    int64_t base_size = blk_getlength(c->base);
    int ret;

    c->size = blk_getlength(c->top);
    if (c->size < 0 || base_size < 0) {
        error_setg_errno(errp, -MIN(c->size, base_size), "Could not get image size");
        return MIN(c->size, base_size);
    }
    if (base_size < c->size && (ret = blk_truncate(c->base, c->size, false, PREALLOC_OFF, 0, errp)) < 0) {
        return ret;
    }
    c->unit = unit_of(blk_bs(c->base));
    img_progress_total(c->size);
    ret = img_pipeline_run(&ops, c, COMMIT_WORKERS, COMMIT_CHUNK);
    ret = ret < 0 ? ret : blk_flush(c->base);
    if (ret < 0 && !c->reported) {
        error_setg_errno(errp, -ret, "Block job failed");
    }
    return ret;
}

/* ---- the chain ---- */
static BlockDriverState *choose_base(BlockDriverState *top, const CommitArgs *a)
{
    BlockDriverState *base = a->base ? img_find_in_chain(top, a->base) : bdrv_backing_chain_next(top);

    if (!base && a->base) {
        error_report("Did not find '%s' in the backing chain of '%s'", a->base, a->filename);
    } else if (!base) {
        error_report("Image does not have a backing file");
    }
    return base;
}

static int empty_top(BlockBackend *top, Error **errp)
{
    int ret = bdrv_make_empty(blk_root(top), errp);

    if (ret == -ENOTSUP) {
        error_free(*errp);
        *errp = NULL;
        ret = 0;            /* the image then keeps data equal to its base's */
    }
    return ret;
}

static int commit_into(BlockBackend *top, BlockDriverState *base, const CommitArgs *a, Error **errp)
{
    ERRP_GUARD();
    Commit c = { .top = top, .rate = a->rate };
    bool was_read_only = base->read_only;
    int ret = was_read_only ? bdrv_reopen_set_read_only(base, false, errp) : 0;

    if (ret < 0) {
        return ret;
    }
    c.base = blk_new_with_bs(base, BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE, BLK_PERM_ALL, errp);
    ret = c.base ? copy_down(&c, errp) : -EPERM;
    if (c.base) {
        blk_unref(c.base);
    }
    if (ret == 0 && !a->drop) {
        ret = empty_top(top, errp);
    }
    if (was_read_only) {
        bdrv_reopen_set_read_only(base, true, ret < 0 ? NULL : errp);
    }
    return ret;
}

static int commit_image(const CommitArgs *a)
{
    AUTO_BLK top = img_open(a->filename, &a->how);
    BlockDriverState *base;
    Error *err = NULL;
    int ret;

    if (!top) {
        return EXIT_FAILURE;
    }
    img_progress_total(1);
    base = choose_base(blk_bs(top), a);
    if (!base) {
        img_progress_finish(false);
        return EXIT_FAILURE;
    }
    bdrv_ref(base);
    ret = commit_into(top, base, a, &err);
    bdrv_unref(base);
    img_progress_finish(ret == 0);
    if (err) {
        error_report_err(err);
    }
    if (ret < 0) {
        return EXIT_FAILURE;
    }
    img_say(a->how.quiet, "Image committed.\n");
    return EXIT_SUCCESS;
}

int img_commit(int argc, char **argv)
{
    CommitArgs a = { .how = { .flags = BDRV_O_RDWR | BDRV_O_UNMAP } };
    const char *cache = "writeback";
    bool progress = false;
    const ImgOpt opts[] = {
        { 'f', NULL, IMG_OPT_STR, &a.how.fmt },
        { 't', NULL, IMG_OPT_STR, &cache },
        { 'b', NULL, IMG_OPT_STR, &a.base },
        { 'd', NULL, IMG_OPT_FLAG, &a.drop },
        { 'p', NULL, IMG_OPT_FLAG, &progress },
        { 'q', NULL, IMG_OPT_FLAG, &a.how.quiet },
        { 'r', NULL, IMG_OPT_SIZE, &a.rate, .what = "rate limit" },
        { 0, "object", IMG_OPT_OBJECT, NULL },
        { 0, "image-opts", IMG_OPT_FLAG, &a.how.image_opts },
        IMG_OPTS_END,
    };
    int i = img_parse(argc, argv, opts);

    img_progress_init(progress && !a.how.quiet, 1);
    a.filename = img_one_filename(argc, argv, i);
    a.drop |= a.base != NULL;       /* the images between would no longer fit an emptied top */
    if (!img_cache_mode(cache, &a.how)) {
        error_report("Invalid cache option: %s", cache);
        return EXIT_FAILURE;
    }
    if (img_format_conflict(a.how.image_opts, a.how.fmt)) {
        return EXIT_FAILURE;
    }
    return commit_image(&a);
}
