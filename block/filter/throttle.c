/*
 * throttle: a filter whose requests wait for the limits of a throttle group.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "../drivers.h"
#include "pass.h"
#include "block/throttle.h"

typedef struct ThrottleFilter {
    ThrottleMember *member;
} ThrottleFilter;

static const OptDesc throttle_options[] = {
    { "throttle-group", OPT_STRING, "Name of the throttle group", NULL },
    { NULL }
};

static ThrottleGroup *group_from_options(QDict *options, Error **errp)
{
    const char *name = opt_get_str(options, "throttle-group");
    ThrottleGroup *g;

    if (!name) {
        error_setg(errp, "Please specify a throttle group");
        return NULL;
    }
    g = throttle_group_find(name);
    if (!g) {
        error_setg(errp, "Throttle group '%s' does not exist", name);
    }
    return g;
}

static int throttle_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    ThrottleFilter *s = bs->opaque;
    ThrottleGroup *g;
    int ret = pass_open_file(bs, errp);

    if (ret < 0) {
        return ret;
    }
    g = group_from_options(options, errp);
    if (!g) {
        return -EINVAL;
    }
    s->member = throttle_member_new(g);
    return 0;
}

static void throttle_close(BlockDriverState *bs)
{
    ThrottleFilter *s = bs->opaque;

    throttle_member_free(s->member);
}

static int throttle_reopen_prepare(BdrvReopenState *rs, Error **errp)
{
    ThrottleGroup *g = group_from_options(rs->options, errp);

    if (!g) {
        return -EINVAL;
    }
    rs->opaque = throttle_member_new(g);
    return 0;
}

static void throttle_reopen_commit(BdrvReopenState *rs)
{
    ThrottleFilter *s = rs->bs->opaque;

    throttle_member_replace(rs->opaque, s->member);
    s->member = rs->opaque;
}

static void throttle_reopen_abort(BdrvReopenState *rs)
{
    throttle_member_free(rs->opaque);
}

static int coroutine_fn throttle_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                         size_t qiov_offset, BdrvRequestFlags flags)
{
    ThrottleFilter *s = bs->opaque;

    throttle_co_request(s->member, bytes, false);
    return pass_co_read(bs, offset, bytes, qiov, qiov_offset, flags);
}

static int coroutine_fn throttle_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                          size_t qiov_offset, BdrvRequestFlags flags)
{
    ThrottleFilter *s = bs->opaque;

    throttle_co_request(s->member, bytes, true);
    return pass_co_write(bs, offset, bytes, qiov, qiov_offset, flags);
}

static int coroutine_fn throttle_co_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    ThrottleFilter *s = bs->opaque;

    throttle_co_request(s->member, bytes, true);
    return pass_co_zero(bs, offset, bytes, flags);
}

static int coroutine_fn throttle_co_discard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    ThrottleFilter *s = bs->opaque;

    throttle_co_request(s->member, bytes, true);
    return pass_co_discard(bs, offset, bytes);
}

static void throttle_drain_begin(BlockDriverState *bs)
{
    ThrottleFilter *s = bs->opaque;

    throttle_member_disable(s->member);
}

static void throttle_drain_end(BlockDriverState *bs)
{
    ThrottleFilter *s = bs->opaque;

    throttle_member_enable(s->member);
}

static const char *const throttle_strong_options[] = { "throttle-group", NULL };

static const BlockDriver throttle_driver = {
    .name = "throttle",
    .instance_size = sizeof(ThrottleFilter),
    .is_filter = true,
    .open_options = throttle_options,
    .strong_options = throttle_strong_options,
    .open = throttle_open,
    .close = throttle_close,
    .reopen_prepare = throttle_reopen_prepare,
    .reopen_commit = throttle_reopen_commit,
    .reopen_abort = throttle_reopen_abort,
    .co_read = throttle_co_read,
    .co_write = throttle_co_write,
    .co_zero = throttle_co_zero,
    .co_discard = throttle_co_discard,
    .co_flush_to_disk = pass_co_flush,
    .co_truncate = pass_co_truncate,
    .getlength = pass_getlength,
    .co_block_status = pass_co_block_status,
    .drain_begin = throttle_drain_begin,
    .drain_end = throttle_drain_end,
};

void bdrv_throttle_register(void)
{
    bdrv_register(&throttle_driver);
}
