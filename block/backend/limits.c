/*
 * BlockBackend: I/O limits.  A throttled backend is a member of a group; its requests wait for their turn
 * after the drained-section gate, and pass at once while a section is on.
 *
 * The member changes only while no request is in flight.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "backend.h"

static void set_member(BlockBackend *blk, ThrottleMember *member)
{
    ThrottleMember *old = blk->member;

    blk_hold_begin(blk);
    for (int i = 0; member && i < blk->quiesced + blk->lifted; i++) {
        throttle_member_disable(member);
    }
    blk->member = member;
    throttle_member_free(old);
    blk_hold_end(blk);
}

void blk_io_limits_enable(BlockBackend *blk, const char *group)
{
    ThrottleGroup *g = throttle_group_new(group, false, NULL);

    set_member(blk, throttle_member_new(g));
    throttle_group_unref(g);
}

void blk_io_limits_disable(BlockBackend *blk)
{
    if (blk->member) {
        set_member(blk, NULL);
    }
}

void blk_io_limits_update_group(BlockBackend *blk, const char *group)
{
    if (blk->member && !g_str_equal(blk_io_limits_group(blk), group)) {
        blk_io_limits_enable(blk, group);
    }
}

const char *blk_io_limits_group(const BlockBackend *blk)
{
    return blk->member ? throttle_group_name(throttle_member_group(blk->member)) : NULL;
}

void blk_set_io_limits(BlockBackend *blk, const ThrottleConfig *cfg)
{
    throttle_group_set(throttle_member_group(blk->member), cfg);
}

void blk_get_io_limits(BlockBackend *blk, ThrottleConfig *cfg)
{
    throttle_group_get(throttle_member_group(blk->member), cfg);
}
