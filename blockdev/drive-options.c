/*
 * The options of a drive: old names to new ones, then the parts of a backend out of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "drive.h"
#include "util/cutils.h"
#include "util/options.h"

/* Old names; the new ones are in the tables below or belong to the node. */
static const struct { const char *from, *to; } renames[] = {
    { "iops", "throttling.iops-total" }, { "iops_rd", "throttling.iops-read" }, { "iops_wr", "throttling.iops-write" },
    { "bps", "throttling.bps-total" }, { "bps_rd", "throttling.bps-read" }, { "bps_wr", "throttling.bps-write" },
    { "iops_max", "throttling.iops-total-max" }, { "iops_rd_max", "throttling.iops-read-max" },
    { "iops_wr_max", "throttling.iops-write-max" }, { "bps_max", "throttling.bps-total-max" },
    { "bps_rd_max", "throttling.bps-read-max" }, { "bps_wr_max", "throttling.bps-write-max" },
    { "iops_size", "throttling.iops-size" }, { "group", "throttling.group" }, { "readonly", "read-only" },
};

static const OptDesc common_options[] = {
    { "snapshot", OPT_BOOL, "enable/disable snapshot mode", NULL },
    { "aio", OPT_STRING, "host AIO implementation (threads, native, io_uring)", NULL },
    { "cache.writeback", OPT_BOOL, "Enable writeback mode", NULL },
    { "format", OPT_STRING, "disk format (raw, qcow2, ...)", NULL },
    { "rerror", OPT_STRING, "read error action", NULL },
    { "werror", OPT_STRING, "write error action", NULL },
    { "read-only", OPT_BOOL, "open drive file as read-only", NULL },
    { "throttling.group", OPT_STRING, "name of the block throttling group", NULL },
    { "copy-on-read", OPT_BOOL, "copy read data from backing file into image file", NULL },
    { "stats-account-invalid", OPT_BOOL, "whether to account for invalid I/O operations in the statistics", NULL },
    { "detect-zeroes", OPT_STRING, "try to optimize zero writes (off, on, unmap)", NULL },
    { "stats-account-failed", OPT_BOOL, "whether to account for failed I/O operations in the statistics", NULL },
    { NULL }
};

static const char *const buckets[THROTTLE_BUCKETS] = {
    "bps-total", "bps-read", "bps-write", "iops-total", "iops-read", "iops-write",
};

int drive_options_rename(QDict *opts, Error **errp)
{
    for (size_t i = 0; i < G_N_ELEMENTS(renames); i++) {
        QObject *value = qdict_get(opts, renames[i].from);

        if (!value) {
            continue;
        }
        if (qdict_has(opts, renames[i].to)) {
            error_setg(errp, "'%s' and its alias '%s' can't be used at the same time", renames[i].to, renames[i].from);
            return -EINVAL;
        }
        qdict_put(opts, renames[i].to, qdict_steal(opts, renames[i].from));
    }
    return 0;
}

/* "cache=MODE" stands for three options, where these are not given themselves. */
int drive_options_split_cache(QDict *opts, Error **errp)
{
    const char *mode = qdict_get_str(opts, "cache");
    bool writethrough;
    int flags = 0;

    if (!mode) {
        return 0;
    }
    if (bdrv_parse_cache_mode(mode, &flags, &writethrough) < 0) {
        error_setg(errp, "invalid cache option");
        return -EINVAL;
    }
    if (!qdict_has(opts, "cache.writeback")) {
        qdict_put_str(opts, "cache.writeback", writethrough ? "off" : "on");
    }
    if (!qdict_has(opts, "cache.direct")) {
        qdict_put_str(opts, "cache.direct", flags & BDRV_O_NOCACHE ? "on" : "off");
    }
    if (!qdict_has(opts, "cache.no-flush")) {
        qdict_put_str(opts, "cache.no-flush", flags & BDRV_O_NO_FLUSH ? "on" : "off");
    }
    qdict_del(opts, "cache");
    return 0;
}

static int take_number(QDict *opts, const char *name, const char *suffix, uint64_t *out, Error **errp)
{
    g_autofree char *key = g_strconcat("throttling.", name, suffix, NULL);
    const OptDesc desc[] = { { key, OPT_NUMBER, NULL, NULL }, { NULL } };
    g_autoptr(QObject) o = opts_absorb(opts, desc, errp);

    if (!o) {
        return -EINVAL;
    }
    *out = opt_get_number(o, key, *out);
    return 0;
}

static int take_throttling(QDict *opts, ThrottleConfig *c, Error **errp)
{
    throttle_config_init(c);
    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        if (take_number(opts, buckets[i], "", &c->limit[i].avg, errp) < 0 ||
            take_number(opts, buckets[i], "-max", &c->limit[i].max, errp) < 0 ||
            take_number(opts, buckets[i], "-max-length", &c->limit[i].burst_length, errp) < 0) {
            return -EINVAL;
        }
        if (c->limit[i].burst_length > UINT32_MAX) {
            error_setg(errp, "%s-max-length value must be in the range [0, %u]", buckets[i], UINT32_MAX);
            return -EINVAL;
        }
    }
    return take_number(opts, "iops-size", "", &c->op_size, errp);
}

static int parse_on_error(const char *text, bool is_read, BlkOnError *out, Error **errp)
{
    if (!strcmp(text, "ignore")) {
        *out = BLK_ON_ERROR_IGNORE;
    } else if (!is_read && !strcmp(text, "enospc")) {
        *out = BLK_ON_ERROR_ENOSPC;
    } else if (!strcmp(text, "stop")) {
        *out = BLK_ON_ERROR_STOP;
    } else if (!strcmp(text, "report")) {
        *out = BLK_ON_ERROR_REPORT;
    } else {
        error_setg(errp, "'%s' invalid %s error action", text, is_read ? "read" : "write");
        return -EINVAL;
    }
    return 0;
}

/* "stats-intervals.0=60,stats-intervals.1=3600". */
static int take_intervals(QDict *opts, GArray *intervals, Error **errp)
{
    g_autoptr(QObject) given = qdict_extract_subdict(opts, "stats-intervals.");

    for (size_t i = 0; i < qdict_size(given); i++) {
        const char *text = qobject_get_str(qdict_value_at(given, i));
        uint64_t seconds = 0;
        unsigned v;

        if (!text || parse_u64(text, 10, &seconds) < 0 || !seconds || seconds > UINT32_MAX) {
            error_setg(errp, "Invalid interval length: %s", text ? text : "");
            return -EINVAL;
        }
        v = seconds;
        g_array_append_val(intervals, v);
    }
    return 0;
}

static int parse_detect_zeroes(const char *mode, DriveOptions *d, Error **errp)
{
    d->detect_zeroes_unmap = mode && !strcmp(mode, "unmap");
    d->detect_zeroes = d->detect_zeroes_unmap || (mode && !strcmp(mode, "on"));
    if (!mode || d->detect_zeroes || !strcmp(mode, "off")) {
        return 0;
    }
    error_setg(errp, "invalid parameter value: %s", mode);
    return -EINVAL;
}

static int parse_common(const QDict *o, DriveOptions *d, Error **errp)
{
    const char *text = opt_get_str(o, "aio");

    d->snapshot = opt_get_bool(o, "snapshot", false);
    d->read_only = opt_get_bool(o, "read-only", false);
    d->writethrough = !opt_get_bool(o, "cache.writeback", true);
    d->account_invalid = opt_get_bool(o, "stats-account-invalid", true);
    d->account_failed = opt_get_bool(o, "stats-account-failed", true);
    d->copy_on_read = opt_get_bool(o, "copy-on-read", false);
    d->format = g_strdup(opt_get_str(o, "format"));
    d->group = g_strdup(opt_get_str(o, "throttling.group"));
    if (text && bdrv_parse_aio(text, &d->aio_flags) < 0) {
        error_setg(errp, "invalid aio option");
        return -EINVAL;
    }
    if (!throttle_config_check(&d->limits, errp) || parse_detect_zeroes(opt_get_str(o, "detect-zeroes"), d, errp) < 0) {
        return -EINVAL;
    }
    text = opt_get_str(o, "werror");
    if (text && parse_on_error(text, false, &d->on_write_error, errp) < 0) {
        return -EINVAL;
    }
    text = opt_get_str(o, "rerror");
    return text ? parse_on_error(text, true, &d->on_read_error, errp) : 0;
}

int drive_options_take(QDict *opts, DriveOptions *d, Error **errp)
{
    g_autoptr(QObject) common = NULL;

    *d = (DriveOptions) {
        .on_read_error = BLK_ON_ERROR_REPORT, .on_write_error = BLK_ON_ERROR_ENOSPC,
        .intervals = g_array_new(false, false, sizeof(unsigned)),
    };
    common = opts_absorb(opts, common_options, errp);
    if (!common || take_intervals(opts, d->intervals, errp) < 0 || take_throttling(opts, &d->limits, errp) < 0 ||
        parse_common(common, d, errp) < 0) {
        return -EINVAL;
    }
    if (d->format && qdict_has(opts, "driver")) {
        error_setg(errp, "Cannot specify both 'driver' and 'format'");
        return -EINVAL;
    }
    if (d->format) {
        qdict_put_str(opts, "driver", d->format);
    }
    return 0;
}

void drive_options_clear(DriveOptions *d)
{
    g_free(d->format);
    g_free(d->group);
    if (d->intervals) {
        g_array_unref(d->intervals);
    }
}
