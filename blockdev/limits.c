/*
 * I/O limits and latency histograms of backends.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "internal.h"
#include "qapi/commands-block.h"

static void set_limit(ThrottleLimit *l, int64_t avg, bool has_max, int64_t max, bool has_length, int64_t length)
{
    l->avg = avg;
    l->max = has_max ? max : 0;
    l->burst_length = has_length ? length : 1;
}

static void config_from_args(ThrottleConfig *c, const BlockIOThrottle *a)
{
    throttle_config_init(c);
    set_limit(&c->limit[THROTTLE_BPS_TOTAL], a->bps, a->has_bps_max, a->bps_max, a->has_bps_max_length,
              a->bps_max_length);
    set_limit(&c->limit[THROTTLE_BPS_READ], a->bps_rd, a->has_bps_rd_max, a->bps_rd_max, a->has_bps_rd_max_length,
              a->bps_rd_max_length);
    set_limit(&c->limit[THROTTLE_BPS_WRITE], a->bps_wr, a->has_bps_wr_max, a->bps_wr_max, a->has_bps_wr_max_length,
              a->bps_wr_max_length);
    set_limit(&c->limit[THROTTLE_OPS_TOTAL], a->iops, a->has_iops_max, a->iops_max, a->has_iops_max_length,
              a->iops_max_length);
    set_limit(&c->limit[THROTTLE_OPS_READ], a->iops_rd, a->has_iops_rd_max, a->iops_rd_max,
              a->has_iops_rd_max_length, a->iops_rd_max_length);
    set_limit(&c->limit[THROTTLE_OPS_WRITE], a->iops_wr, a->has_iops_wr_max, a->iops_wr_max,
              a->has_iops_wr_max_length, a->iops_wr_max_length);
    c->op_size = a->has_iops_size ? a->iops_size : 0;
}

void qmp_block_set_io_throttle(const BlockIOThrottle *arg, Error **errp)
{
    BlockBackend *blk = blockdev_get_blk(arg->device, arg->id, errp);
    ThrottleConfig cfg;

    if (!blk) {
        return;
    }
    if (!blk_bs(blk)) {
        error_setg(errp, "Device has no medium");
        return;
    }
    config_from_args(&cfg, arg);
    if (!throttle_config_check(&cfg, errp)) {
        return;
    }
    if (!throttle_config_enabled(&cfg)) {
        blk_io_limits_disable(blk);
        return;
    }
    if (!blk_io_limits_group(blk)) {
        blk_io_limits_enable(blk, arg->group ? arg->group : arg->device ? arg->device : arg->id);
    } else if (arg->group) {
        blk_io_limits_update_group(blk, arg->group);
    }
    blk_set_io_limits(blk, &cfg);
}

static bool set_histogram(BlockBackend *blk, const BlockLatencyHistogramSetArgs *arg, BlockAcctType type,
                          const uint64List *own, const char *what, Error **errp)
{
    const uint64List *list = own ? own : arg->boundaries;

    if (!list || block_acct_set_histogram(blk_get_stats(blk), type, list->items, list->len) == 0) {
        return true;
    }
    error_setg(errp, "Device '%s' set %s boundaries fail", arg->id, what);
    return false;
}

void qmp_block_latency_histogram_set(const BlockLatencyHistogramSetArgs *arg, Error **errp)
{
    BlockBackend *blk = blockdev_get_blk(NULL, arg->id, errp);

    if (!blk) {
        return;
    }
    if (!arg->boundaries && !arg->boundaries_read && !arg->boundaries_write && !arg->boundaries_flush) {
        block_acct_clear_histograms(blk_get_stats(blk));
        return;
    }
    if (set_histogram(blk, arg, BLOCK_ACCT_READ, arg->boundaries_read, "read", errp) &&
        set_histogram(blk, arg, BLOCK_ACCT_WRITE, arg->boundaries_write, "write", errp)) {
        set_histogram(blk, arg, BLOCK_ACCT_FLUSH, arg->boundaries_flush, "flush", errp);
    }
}
