/*
 * Commands for testers: breakpoints of blkdebug, sleeping, and ways to end the program.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"
#include "util/aio.h"
#include "util/cutils.h"

typedef bool HasHook(const BlockDriver *drv);

/* The first node, going down the data path, whose driver has the hook; NULL if none has. */
static BlockDriverState *find_hook(BlockBackend *blk, HasHook *has)
{
    BlockDriverState *bs = blk_bs(blk);

    while (bs && bs->drv && !has(bs->drv)) {
        bs = bdrv_primary_bs(bs);
    }
    return bs && bs->drv ? bs : NULL;
}

static bool has_breakpoint(const BlockDriver *drv) { return drv->debug_breakpoint; }
static bool has_remove(const BlockDriver *drv) { return drv->debug_remove_breakpoint; }
static bool has_resume(const BlockDriver *drv) { return drv->debug_resume; }
static bool has_is_suspended(const BlockDriver *drv) { return drv->debug_is_suspended; }

static int break_run(BlockBackend *blk, int argc, char **argv)
{
    BlockDriverState *bs = find_hook(blk, has_breakpoint);
    int ret = bs ? bs->drv->debug_breakpoint(bs, argv[1], argv[2]) : -ENOTSUP;

    if (ret < 0) {
        printf("Could not set breakpoint: %s\n", strerror(-ret));
    }
    return ret;
}

static int remove_break_run(BlockBackend *blk, int argc, char **argv)
{
    BlockDriverState *bs = find_hook(blk, has_remove);
    int ret = bs ? bs->drv->debug_remove_breakpoint(bs, argv[1]) : -ENOTSUP;

    if (ret < 0) {
        printf("Could not remove breakpoint %s: %s\n", argv[1], strerror(-ret));
    }
    return ret;
}

static int resume_run(BlockBackend *blk, int argc, char **argv)
{
    BlockDriverState *bs = find_hook(blk, has_resume);
    int ret = bs ? bs->drv->debug_resume(bs, argv[1]) : -ENOTSUP;

    if (ret < 0) {
        printf("Could not resume request: %s\n", strerror(-ret));
    }
    return ret;
}

static int wait_break_run(BlockBackend *blk, int argc, char **argv)
{
    BlockDriverState *bs = find_hook(blk, has_is_suspended);

    while (!bs || !bs->drv->debug_is_suspended(bs, argv[1])) {
        aio_poll(aio_main_context(), true);
    }
    return 0;
}

static void sleep_done(void *opaque)
{
    *(bool *)opaque = true;
}

static int sleep_run(BlockBackend *blk, int argc, char **argv)
{
    bool expired = false;
    AioTimer *timer;
    int64_t ms;
    int ret = parse_i64(argv[1], 0, &ms);

    if (ret == -ERANGE && argv[1][0] != '-') {
        ms = INT64_MAX;
    } else if (ret < 0 || ms < 0) {
        printf("%s is not a valid number\n", argv[1]);
        return -EINVAL;
    }
    timer = aio_timer_new(aio_main_context(), AIO_CLOCK_HOST, sleep_done, &expired);
    ms = MIN(ms, INT64_MAX / 2000000);
    aio_timer_mod_ns(timer, aio_clock_ns(AIO_CLOCK_HOST) + ms * 1000000);
    while (!expired) {
        aio_poll(aio_main_context(), true);
    }
    aio_timer_free(timer);
    return 0;
}

static int abort_run(BlockBackend *blk, int argc, char **argv)
{
    abort();
}

static int sigraise_run(BlockBackend *blk, int argc, char **argv)
{
    int64_t sig = iocmd_number(argv[1]);

    if (sig < 0) {
        return sig;
    }
    if (sig > NSIG) {
        printf("signal argument '%s' is too large to be a valid signal\n", argv[1]);
        return -EINVAL;
    }
    /* The output so far must not be lost with the process. */
    fflush(stdout);
    raise(sig);
    return 0;
}

const IoCmd iocmd_debug[] = {
    { .name = "break", .run = break_run, .min_args = 2, .max_args = 2, .args = "event tag",
      .oneline = "sets a breakpoint on event and tags the stopped request as tag" },
    { .name = "remove_break", .run = remove_break_run, .min_args = 1, .max_args = 1, .args = "tag",
      .oneline = "remove a breakpoint by tag" },
    { .name = "resume", .run = resume_run, .min_args = 1, .max_args = 1, .args = "tag",
      .oneline = "resumes the request tagged as tag" },
    { .name = "wait_break", .run = wait_break_run, .min_args = 1, .max_args = 1, .args = "tag",
      .oneline = "waits for the suspension of a request" },
    { .name = "sleep", .run = sleep_run, .min_args = 1, .max_args = 1, .no_file_ok = true,
      .oneline = "waits for the given value in milliseconds" },
    { .name = "abort", .run = abort_run, .no_file_ok = true,
      .oneline = "simulate a program crash using abort(3)" },
    { .name = "sigraise", .run = sigraise_run, .min_args = 1, .max_args = 1, .no_file_ok = true, .args = "signal",
      .oneline = "raises a signal", .help =
      "\n"
      " raises the given signal\n"
      "\n"
      " Example:\n"
      " 'sigraise 15' - raises SIGTERM\n"
      "\n"
      " Invokes raise(signal), where \"signal\" is the mandatory integer argument\n"
      " given to sigraise.\n"
      "\n" },
    { NULL }
};
