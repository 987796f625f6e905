/*
 * HMP: what `info block`, `info blockstats` and `info block-jobs` print.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "block/info-text.h"
#include "hmp-int.h"
#include "qapi/commands-block-core.h"

#pragma weak qmp_query_block
#pragma weak qmp_query_blockstats
#pragma weak qmp_query_block_jobs
#pragma weak qmp_query_named_block_nodes

static bool has_limits(const BlockDeviceInfo *i)
{
    return i->bps || i->bps_rd || i->bps_wr || i->iops || i->iops_rd || i->iops_wr;
}

static void print_limits(Monitor *mon, const BlockDeviceInfo *i)
{
    monitor_printf(mon, "    I/O throttling:   bps=%" PRId64 " bps_rd=%" PRId64 " bps_wr=%" PRId64 " bps_max=%" PRId64
                   " bps_rd_max=%" PRId64 " bps_wr_max=%" PRId64 " iops=%" PRId64 " iops_rd=%" PRId64
                   " iops_wr=%" PRId64
                   " iops_max=%" PRId64 " iops_rd_max=%" PRId64 " iops_wr_max=%" PRId64 " iops_size=%" PRId64
                   " group=%s\n", i->bps, i->bps_rd, i->bps_wr, i->bps_max, i->bps_rd_max, i->bps_wr_max,
                   i->iops, i->iops_rd, i->iops_wr, i->iops_max, i->iops_rd_max, i->iops_wr_max, i->iops_size,
                   i->group ? i->group : "");
}

/* The chain from the top, each image (ImageInfo, in the order in which it was made) as `qemu-img info` has it. */
static void print_images(Monitor *mon, const QDict *image)
{
    monitor_printf(mon, "\nImages:\n");
    for (; image; image = qdict_get_dict(image, "backing-image")) {
        g_autofree char *text = bdrv_image_info_text(image);

        monitor_printf(mon, "%s", text);
    }
}

static void print_inserted(Monitor *mon, const BlockDeviceInfo *i, const QDict *image)
{
    const BlockdevCacheInfo *c = i->cache;

    monitor_printf(mon, "    Cache mode:       %s%s%s\n", c->writeback ? "writeback" : "writethrough",
                   c->direct ? ", direct" : "", c->no_flush ? ", ignore flushes" : "");
    if (i->backing_file) {
        monitor_printf(mon, "    Backing file:     %s (chain depth: %" PRId64 ")\n", i->backing_file,
                       i->backing_file_depth);
    }
    if (i->detect_zeroes != BLOCKDEV_DETECT_ZEROES_OPTIONS_OFF) {
        monitor_printf(mon, "    Detect zeroes:    %s\n", BlockdevDetectZeroesOptions_str(i->detect_zeroes));
    }
    if (has_limits(i)) {
        print_limits(mon, i);
    }
    if (image) {
        print_images(mon, image);
    }
}

/* info NULL: a node without a device.  inserted NULL: an empty device.  image: to be shown as well. */
static void print_one(Monitor *mon, const BlockInfo *info, const BlockDeviceInfo *i, const QDict *image)
{
    if (info && *info->device) {
        monitor_printf(mon, "%s", info->device);
        if (i && i->node_name) {
            monitor_printf(mon, " (%s)", i->node_name);
        }
    } else {
        monitor_printf(mon, "%s", i && i->node_name ? i->node_name : info && info->qdev ? info->qdev : "<anonymous>");
    }
    if (i) {
        monitor_printf(mon, ": %s (%s%s%s)\n", i->file, i->drv, i->ro ? ", read-only" : "",
                       i->encrypted ? ", encrypted" : "");
    } else {
        monitor_printf(mon, ": [not inserted]\n");
    }
    if (info) {
        if (info->qdev) {
            monitor_printf(mon, "    Attached to:      %s\n", info->qdev);
        }
        if (info->has_io_status && info->io_status != BLOCK_DEVICE_IO_STATUS_OK) {
            monitor_printf(mon, "    I/O status:       %s\n", BlockDeviceIoStatus_str(info->io_status));
        }
        if (info->removable) {
            monitor_printf(mon, "    Removable device: %slocked, tray %s\n", info->locked ? "" : "not ",
                           info->tray_open ? "open" : "closed");
        }
    }
    if (i) {
        print_inserted(mon, i, image);
    }
}

static bool print_devices(Monitor *mon, const char *wanted, bool verbose)
{
    g_autoptr(QObject) none = qdict_new(), list = NULL;
    Error *err = NULL;
    bool printed = false;

    list = qmp_query_block(none, &err);
    if (hmp_error(mon, err)) {
        return true;
    }
    for (size_t n = 0; n < qlist_size(list); n++) {
        const QDict *item = qlist_get(list, n), *inserted = qdict_get_dict(item, "inserted");
        BlockInfo *info = BlockInfo_from_qobject(item, &err);

        if (hmp_error(mon, err)) {
            return printed;
        }
        if (!wanted || !strcmp(wanted, info->device)) {
            if (n) {
                monitor_printf(mon, "\n");
            }
            print_one(mon, info, info->inserted, verbose && inserted ? qdict_get_dict(inserted, "image") : NULL);
            printed = true;
        }
        BlockInfo_free(info);
    }
    return printed;
}

static void print_nodes(Monitor *mon, const char *wanted, bool verbose)
{
    g_autoptr(QObject) none = qdict_new(), list = NULL;
    Error *err = NULL;

    list = qmp_query_named_block_nodes(none, &err);
    if (hmp_error(mon, err)) {
        return;
    }
    for (size_t n = 0; n < qlist_size(list); n++) {
        BlockDeviceInfo *i = BlockDeviceInfo_from_qobject(qlist_get(list, n), &err);

        if (hmp_error(mon, err)) {
            return;
        }
        if (!wanted || !strcmp(wanted, i->node_name)) {
            if (n) {
                monitor_printf(mon, "\n");
            }
            print_one(mon, NULL, i, verbose ? qdict_get_dict(qlist_get(list, n), "image") : NULL);
        }
        BlockDeviceInfo_free(i);
    }
}

void hmp_info_block(Monitor *mon, const QDict *args)
{
    const char *device = qdict_get_str(args, "device");
    bool verbose = qdict_get_bool(args, "verbose", false), nodes = qdict_get_bool(args, "nodes", false);
    bool printed = !nodes && print_devices(mon, device, verbose);

    if ((device || nodes) && !printed) {
        print_nodes(mon, device, verbose);
    }
}

static void print_stats(Monitor *mon, const char *device, const BlockDeviceStats *s)
{
    monitor_printf(mon, "%s: rd_bytes=%" PRId64 " wr_bytes=%" PRId64 " rd_operations=%" PRId64
                   " wr_operations=%" PRId64 " flush_operations=%" PRId64 " wr_total_time_ns=%" PRId64
                   " rd_total_time_ns=%" PRId64 " flush_total_time_ns=%" PRId64 " rd_merged=%" PRId64
                   " wr_merged=%" PRId64 " idle_time_ns=%" PRId64 "\n",
                   device, s->rd_bytes, s->wr_bytes, s->rd_operations, s->wr_operations, s->flush_operations,
                   s->wr_total_time_ns, s->rd_total_time_ns, s->flush_total_time_ns, s->rd_merged, s->wr_merged,
                   s->idle_time_ns);
}

void hmp_info_blockstats(Monitor *mon, const QDict *args)
{
    g_autoptr(QObject) none = qdict_new(), list = NULL;
    Error *err = NULL;

    list = qmp_query_blockstats(none, &err);
    if (hmp_error(mon, err)) {
        return;
    }
    for (size_t n = 0; n < qlist_size(list); n++) {
        BlockStats *s = BlockStats_from_qobject(qlist_get(list, n), &err);

        if (hmp_error(mon, err)) {
            return;
        }
        if (s->device) {
            print_stats(mon, s->device, s->stats);
        }
        BlockStats_free(s);
    }
}

void hmp_info_block_jobs(Monitor *mon, const QDict *args)
{
    Error *err = NULL;
    BlockJobInfoList *list = qmp_query_block_jobs(&err);

    if (hmp_error(mon, err)) {
        return;
    }
    if (!list->len) {
        monitor_printf(mon, "No active jobs\n");
    }
    for (size_t n = 0; n < list->len; n++) {
        const BlockJobInfo *j = list->items[n];
        bool stream = !strcmp(j->type, "stream");
        g_autofree char *what = stream ? g_strdup_printf("Streaming device %s", j->device) :
                                g_strdup_printf("Type %s, device %s", j->type, j->device);

        monitor_printf(mon, "%s: Completed %" PRId64 " of %" PRId64 " bytes, speed limit %" PRId64 " bytes/s\n",
                       what, j->offset, j->len, j->speed);
    }
    BlockJobInfoList_free(list);
}
