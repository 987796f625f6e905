/*
 * blkverify: sends every request to a raw file and to a test image and stops the program at
 * the first difference in content or result.  A tool for testing format drivers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../drivers.h"
#include "pass.h"
#include "util/cutils.h"

typedef struct BlkVerify {
    BdrvChild *test;
} BlkVerify;

typedef enum VerifyOp { VERIFY_READ, VERIFY_WRITE } VerifyOp;

/* One of the two halves of a request, run in a coroutine of its own. */
typedef struct VerifyHalf {
    struct VerifyRequest *req;
    BdrvChild *child;
    IoVec *qiov;
    size_t qiov_offset;
    int ret;
} VerifyHalf;

typedef struct VerifyRequest {
    Coroutine *waiter;
    VerifyOp op;
    int64_t offset, bytes;
    BdrvRequestFlags flags;
    int running;
} VerifyRequest;

static const OptDesc blkverify_options[] = {
    { "x-raw", OPT_STRING, NULL, NULL },
    { "x-image", OPT_STRING, NULL, NULL },
    { NULL }
};

static void blkverify_parse_filename(const char *filename, QDict *options, Error **errp)
{
    g_autofree char *raw = NULL;
    const char *rest, *colon;

    if (!str_has_prefix(filename, "blkverify:", &rest)) {
        /* Reached by name of the driver alone: the whole name is the image. */
        qdict_put_str(options, "x-image", filename);
        return;
    }
    colon = strchr(rest, ':');
    if (!colon) {
        error_setg(errp, "blkverify requires raw copy and original image path");
        return;
    }
    raw = g_strndup(rest, colon - rest);
    qdict_put_str(options, "x-raw", raw);
    qdict_put_str(options, "x-image", colon + 1);
}

static int blkverify_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    BlkVerify *s = bs->opaque;

    bs->file = bdrv_open_child(opt_get_str(options, "x-raw"), bs->options, "raw", bs,
                               BDRV_CHILD_FILTERED | BDRV_CHILD_PRIMARY, false, errp);
    if (!bs->file) {
        return -EINVAL;
    }
    s->test = bdrv_open_child(opt_get_str(options, "x-image"), bs->options, "test", bs, BDRV_CHILD_DATA, false, errp);
    if (!s->test) {
        return -EINVAL;
    }
    bs->supported_write_flags = BDRV_REQ_WRITE_UNCHANGED;
    bs->supported_zero_flags = BDRV_REQ_WRITE_UNCHANGED;
    return 0;
}

static void G_GNUC_PRINTF(2, 3) G_GNUC_NORETURN blkverify_fail(const VerifyRequest *r, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "blkverify: %s offset=%" PRId64 " bytes=%" PRId64 " ", r->op == VERIFY_READ ? "read" : "write",
            r->offset, r->bytes);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

static void coroutine_fn verify_half(void *opaque)
{
    VerifyHalf *h = opaque;
    VerifyRequest *r = h->req;

    h->ret = r->op == VERIFY_READ ? bdrv_read(h->child, r->offset, r->bytes, h->qiov, h->qiov_offset, r->flags)
                                  : bdrv_write(h->child, r->offset, r->bytes, h->qiov, h->qiov_offset, r->flags);
    /* Both halves and the waiter run in one thread. */
    if (--r->running == 0 && r->waiter) {
        aio_co_wake(r->waiter);
    }
}

static int coroutine_fn verify_both(VerifyRequest *r, VerifyHalf *raw, VerifyHalf *test)
{
    r->running = 2;
    raw->req = test->req = r;
    coroutine_enter(coroutine_create(verify_half, test));
    coroutine_enter(coroutine_create(verify_half, raw));
    while (r->running > 0) {
        r->waiter = coroutine_self();
        coroutine_yield();
    }
    if (raw->ret != test->ret) {
        blkverify_fail(r, "return value mismatch %d != %d", raw->ret, test->ret);
    }
    return raw->ret;
}

static int coroutine_fn blkverify_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                          size_t qiov_offset, BdrvRequestFlags flags)
{
    BlkVerify *s = bs->opaque;
    void *copy = bdrv_blockalign(bs->file->bs, bytes);
    IoVec second, first;
    VerifyRequest r = { .op = VERIFY_READ, .offset = offset, .bytes = bytes, .flags = flags };
    VerifyHalf test = { .child = s->test, .qiov = qiov, .qiov_offset = qiov_offset };
    VerifyHalf raw = { .child = bs->file, .qiov = &second };
    ssize_t diff = -1;
    int ret;

    if (!copy) {
        return -ENOMEM;
    }
    iov_init_buf(&second, copy, bytes);
    ret = verify_both(&r, &raw, &test);
    if (ret >= 0) {
        iov_init(&first, qiov->niov);
        iov_concat(&first, qiov, qiov_offset, bytes);
        diff = iov_first_difference(&first, &second);
        iov_destroy(&first);
    }
    bdrv_memfree(copy);
    if (diff >= 0) {
        blkverify_fail(&r, "contents mismatch at offset %" PRId64, offset + (int64_t)diff);
    }
    return ret;
}

static int coroutine_fn blkverify_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                           size_t qiov_offset, BdrvRequestFlags flags)
{
    BlkVerify *s = bs->opaque;
    VerifyRequest r = { .op = VERIFY_WRITE, .offset = offset, .bytes = bytes, .flags = flags };
    VerifyHalf test = { .child = s->test, .qiov = qiov, .qiov_offset = qiov_offset };
    VerifyHalf raw = { .child = bs->file, .qiov = qiov, .qiov_offset = qiov_offset };

    return verify_both(&r, &raw, &test);
}

/* Only the test image has caches worth testing. */
static int coroutine_fn blkverify_co_flush(BlockDriverState *bs)
{
    BlkVerify *s = bs->opaque;

    return bdrv_flush(s->test->bs);
}

static int64_t blkverify_getlength(BlockDriverState *bs)
{
    BlkVerify *s = bs->opaque;

    return bdrv_getlength(s->test->bs);
}

static void blkverify_refresh_filename(BlockDriverState *bs)
{
    BlkVerify *s = bs->opaque;

    if (bs->file && s->test && bs->file->bs->exact_filename[0] && s->test->bs->exact_filename[0]) {
        g_free(bs->exact_filename);
        bs->exact_filename = g_strdup_printf("blkverify:%s:%s", bs->file->bs->exact_filename,
                                             s->test->bs->exact_filename);
    }
}

static const BlockDriver blkverify_driver = {
    .name = "blkverify",
    .protocol = "blkverify",
    .instance_size = sizeof(BlkVerify),
    .is_filter = true,
    .open_options = blkverify_options,
    .parse_filename = blkverify_parse_filename,
    .open = blkverify_open,
    .refresh_filename = blkverify_refresh_filename,
    .co_read = blkverify_co_read,
    .co_write = blkverify_co_write,
    .co_flush_to_disk = blkverify_co_flush,
    .getlength = blkverify_getlength,
};

void bdrv_blkverify_register(void)
{
    bdrv_register(&blkverify_driver);
}
