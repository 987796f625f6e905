/*
 * null-co and null-aio: a disk that forgets.  Reads give zeroes (or nothing is written to the
 * buffer), after an optional delay; for tests and measurements.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "drivers.h"
#include "block/driver.h"
#include "util/cutils.h"

typedef struct NullState {
    int64_t length, latency_ns;
    bool read_zeroes;
} NullState;

static const OptDesc null_options[] = {
    { "size", OPT_SIZE, "size of the null block", NULL },
    { "latency-ns", OPT_NUMBER, "nanoseconds (approximated) to wait before completing request", NULL },
    { "read-zeroes", OPT_BOOL, "return zeroes when read", NULL },
    { NULL }
};

/* "null-co://": all that may follow is nothing. */
static void expect_name(const char *filename, const char *driver, Error **errp)
{
    g_autofree char *only = g_strconcat(driver, "://", NULL);

    if (strcmp(filename, only)) {
        error_setg(errp, "The only allowed filename for this driver is '%s'", only);
    }
}

static void null_co_parse_filename(const char *filename, QDict *options, Error **errp)
{
    expect_name(filename, "null-co", errp);
}

static void null_aio_parse_filename(const char *filename, QDict *options, Error **errp)
{
    expect_name(filename, "null-aio", errp);
}

static int null_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    NullState *s = bs->opaque;

    s->length = opt_get_size(options, "size", 1 * GiB);
    s->latency_ns = opt_get_number(options, "latency-ns", 0);
    s->read_zeroes = opt_get_bool(options, "read-zeroes", false);
    if (s->latency_ns < 0) {
        error_setg(errp, "latency-ns is invalid");
        return -EINVAL;
    }
    bs->supported_write_flags = BDRV_REQ_FUA;
    return 0;
}

static int null_reopen_prepare(BdrvReopenState *rs, Error **errp)
{
    return 0;
}

static int64_t null_getlength(BlockDriverState *bs)
{
    return ((NullState *)bs->opaque)->length;
}

static int coroutine_fn null_wait(BlockDriverState *bs)
{
    NullState *s = bs->opaque;

    if (s->latency_ns) {
        co_sleep_ns(s->latency_ns);
    }
    return 0;
}

static int coroutine_fn null_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                     size_t qiov_offset, BdrvRequestFlags flags)
{
    NullState *s = bs->opaque;

    if (s->read_zeroes) {
        iov_fill(qiov, qiov_offset, 0, bytes);
    }
    return null_wait(bs);
}

static int coroutine_fn null_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                      size_t qiov_offset, BdrvRequestFlags flags)
{
    return null_wait(bs);
}

static int coroutine_fn null_co_block_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                                             int64_t *pnum, int64_t *map, BlockDriverState **file)
{
    NullState *s = bs->opaque;

    *pnum = bytes;
    *map = offset;
    *file = bs;
    return s->read_zeroes ? BDRV_BLOCK_OFFSET_VALID | BDRV_BLOCK_ZERO : 0;
}

static int64_t null_allocated_size(BlockDriverState *bs)
{
    return 0;
}

static void null_refresh_filename(BlockDriverState *bs)
{
    const QDict *o = bs->full_open_options ? bs->full_open_options : bs->options;

    for (size_t i = 0; o && i < qdict_size(o); i++) {
        const char *key = qdict_key_at(o, i);

        if (strcmp(key, "filename") && strcmp(key, "driver")) {
            return;
        }
    }
    g_free(bs->exact_filename);
    bs->exact_filename = g_strdup_printf("%s://", bs->drv->name);
}

/* No latency: an image shall not make anybody wait. */
static const char *const null_image_options[] = { "size", "read-zeroes", NULL };
static const char *const null_strong_options[] = { "size", "read-zeroes", NULL };
static const char *const null_fixed_options[] = { "size", "read-zeroes", "latency-ns", NULL };

#define NULL_COMMON                                \
    .instance_size = sizeof(NullState),            \
    .open_options = null_options,                  \
    .image_may_name = true,                        \
    .image_options = null_image_options,           \
    .strong_options = null_strong_options,         \
    .fixed_options = null_fixed_options,           \
    .open = null_open,                             \
    .reopen_prepare = null_reopen_prepare,         \
    .getlength = null_getlength,                   \
    .get_allocated_size = null_allocated_size,     \
    .co_read = null_co_read,                       \
    .co_write = null_co_write,                     \
    .co_flush_to_disk = null_wait,                 \
    .co_block_status = null_co_block_status,       \
    .refresh_filename = null_refresh_filename

static const BlockDriver null_co_driver = {
    .name = "null-co", .protocol = "null-co", .parse_filename = null_co_parse_filename, NULL_COMMON
};
static const BlockDriver null_aio_driver = {
    .name = "null-aio", .protocol = "null-aio", .parse_filename = null_aio_parse_filename, NULL_COMMON
};

void bdrv_null_register(void)
{
    bdrv_register(&null_co_driver);
    bdrv_register(&null_aio_driver);
}
