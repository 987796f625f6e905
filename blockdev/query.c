/*
 * What backends and nodes are: query-block, query-named-block-nodes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "internal.h"
#include "block/dirty-bitmap.h"
#include "qapi/commands-block-core.h"

QDict *blockdev_snapshot_to_dict(const QEMUSnapshotInfo *sn)
{
    QDict *d = qdict_new();

    qdict_put_str(d, "id", sn->id_str);
    qdict_put_str(d, "name", sn->name);
    qdict_put_int(d, "vm-state-size", sn->vm_state_size);
    qdict_put_int(d, "date-sec", sn->date_sec);
    qdict_put_int(d, "date-nsec", sn->date_nsec);
    qdict_put_int(d, "vm-clock-sec", sn->vm_clock_nsec / 1000000000);
    qdict_put_int(d, "vm-clock-nsec", sn->vm_clock_nsec % 1000000000);
    if (sn->icount != UINT64_MAX) {
        qdict_put_int(d, "icount", sn->icount);
    }
    return d;
}

static const char *const limit_names[THROTTLE_BUCKETS] = { "bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr" };

static void add_limits(BlockBackend *blk, QDict *info)
{
    ThrottleConfig c;

    throttle_config_init(&c);
    if (blk && blk_io_limits_group(blk)) {
        blk_get_io_limits(blk, &c);
        qdict_put_str(info, "group", blk_io_limits_group(blk));
    }
    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        qdict_put_int(info, limit_names[i], c.limit[i].avg);
        if (c.limit[i].max) {
            g_autofree char *max = g_strconcat(limit_names[i], "_max", NULL);
            g_autofree char *length = g_strconcat(limit_names[i], "_max_length", NULL);

            qdict_put_int(info, max, c.limit[i].max);
            qdict_put_int(info, length, c.limit[i].burst_length);
        }
    }
    if (c.op_size) {
        qdict_put_int(info, "iops_size", c.op_size);
    }
}

static QDict *cache_info(BlockBackend *blk, const BlockDriverState *bs)
{
    QDict *d = qdict_new();

    qdict_put_bool(d, "writeback", blk ? blk_enable_write_cache(blk) : true);
    qdict_put_bool(d, "direct", bs->open_flags & BDRV_O_NOCACHE);
    qdict_put_bool(d, "no-flush", bs->open_flags & BDRV_O_NO_FLUSH);
    return d;
}

/* ImageInfo of bs and, unless flat, of all images that it is read through to, each inside the one above. */
static QDict *image_chain(BlockDriverState *bs, bool flat, int64_t *depth, Error **errp)
{
    QDict *top = bdrv_query_image_info(bs, errp), *last = top;

    *depth = 0;
    while (top && !flat && (bs = bdrv_skip_implicit_filters(bdrv_filter_or_cow_bs(bs)))) {
        QDict *below = bdrv_query_image_info(bs, errp);

        if (!below) {
            qobject_unref(top);
            return NULL;
        }
        qdict_put(last, "backing-image", below);
        last = below;
        ++*depth;
    }
    return top;
}

QDict *blockdev_query_node(BlockBackend *blk, BlockDriverState *bs, bool flat, Error **errp)
{
    g_autoptr(QObject) info = qdict_new();
    BlockDriverState *backing = bdrv_cow_bs(bs);
    QDict *image;
    QList *bitmaps;
    int64_t depth;

    if (!bs->drv) {
        error_setg(errp, "Block device %s is ejected", bs->node_name);
        return NULL;
    }
    image = image_chain(bs, flat, &depth, errp);
    if (!image) {
        return NULL;
    }
    qdict_put(info, "image", image);
    qdict_put_str(info, "file", bs->filename);
    qdict_put_bool(info, "ro", bs->read_only);
    qdict_put_str(info, "drv", bs->drv->name);
    qdict_put_bool(info, "encrypted", bs->encrypted);
    qdict_put(info, "cache", cache_info(blk, bs));
    if (bs->node_name[0]) {
        qdict_put_str(info, "node-name", bs->node_name);
    }
    if (backing) {
        qdict_put_str(info, "backing_file", backing->filename);
    }
    bitmaps = bdrv_query_dirty_bitmaps(bs);
    if (bitmaps) {
        qdict_put(info, "dirty-bitmaps", bitmaps);
    }
    qdict_put_str(info, "detect_zeroes", !bs->detect_zeroes ? "off" : bs->detect_zeroes_unmap ? "unmap" : "on");
    add_limits(blk, info);
    qdict_put_int(info, "write_threshold", bdrv_get_write_threshold(bs));
    qdict_put_int(info, "backing_file_depth", depth);
    return g_steal_pointer(&info);
}

QDict *blockdev_query_blk(BlockBackend *blk, Error **errp)
{
    static const char *const io_status[] = { "ok", "failed", "nospace" };
    g_autoptr(QObject) info = qdict_new();
    g_autofree char *qdev = blk_get_attached_dev_id(blk);
    BlockDriverState *bs = bdrv_skip_implicit_filters(blk_bs(blk));

    qdict_put_str(info, "device", blk_name(blk));
    qdict_put_str(info, "type", "unknown");
    qdict_put_bool(info, "locked", blk_dev_is_medium_locked(blk));
    qdict_put_bool(info, "removable", blk_dev_has_removable_media(blk));
    if (*qdev) {
        qdict_put_str(info, "qdev", qdev);
    }
    if (blk_dev_has_tray(blk)) {
        qdict_put_bool(info, "tray_open", blk_dev_is_tray_open(blk));
    }
    if (blk_iostatus_is_enabled(blk)) {
        qdict_put_str(info, "io-status", io_status[blk_iostatus(blk)]);
    }
    if (bs && bs->drv) {
        QDict *inserted = blockdev_query_node(blk, bs, false, errp);

        if (!inserted) {
            return NULL;
        }
        qdict_put(info, "inserted", inserted);
    }
    return g_steal_pointer(&info);
}

QObject *qmp_query_block(const QDict *args, Error **errp)
{
    g_autoptr(QObject) list = qlist_new();

    for (BlockBackend *blk = blk_all_next(NULL); blk; blk = blk_all_next(blk)) {
        QDict *info;

        if (!*blk_name(blk) && !blk_get_attached_dev(blk)) {
            continue;
        }
        info = blockdev_query_blk(blk, errp);
        if (!info) {
            return NULL;
        }
        qlist_append(list, info);
    }
    return g_steal_pointer(&list);
}

QObject *qmp_query_named_block_nodes(const QDict *args, Error **errp)
{
    g_autoptr(QObject) list = qlist_new();
    g_autoptr(GPtrArray) nodes = g_ptr_array_new();

    for (BlockDriverState *bs = bdrv_next_node(NULL); bs; bs = bdrv_next_node(bs)) {
        g_ptr_array_add(nodes, bs);
    }
    for (guint i = nodes->len; i-- > 0; ) {            /* newest first */
        QDict *info = blockdev_query_node(NULL, g_ptr_array_index(nodes, i), qdict_get_bool(args, "flat", false), errp);

        if (!info) {
            return NULL;
        }
        qlist_append(list, info);
    }
    return g_steal_pointer(&list);
}
