/*
 * What is to be known of an image: driver info, checks, and the ImageInfo of `qemu-img info`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "internal.h"
#include "block/snapshot.h"

int bdrv_get_info(BlockDriverState *bs, BlockDriverInfo *bdi)
{
    BdrvChild *filtered;

    *bdi = (BlockDriverInfo) { 0 };
    if (bs->drv->get_info) {
        int ret = bs->drv->get_info(bs, bdi);

        return ret < 0 ? ret : bdi->cluster_size > BDRV_MAX_ALIGNMENT ? -EINVAL : 0;
    }
    filtered = bdrv_filter_child(bs);
    return filtered ? bdrv_get_info(filtered->bs, bdi) : -ENOTSUP;
}

bool bdrv_supports_compressed_writes(BlockDriverState *bs)
{
    BdrvChild *filtered = bdrv_filter_child(bs);

    return bs->drv->co_write_compressed || (filtered && bdrv_supports_compressed_writes(filtered->bs));
}

typedef struct CheckCall {
    BlockDriverState *bs;
    BdrvCheckResult *res;
    BdrvCheckFix fix;
    int ret;
} CheckCall;

static void coroutine_fn check_entry(void *opaque)
{
    CheckCall *c = opaque;

    c->ret = c->bs->drv->co_check(c->bs, c->res, c->fix);
}

int bdrv_check(BlockDriverState *bs, BdrvCheckResult *res, BdrvCheckFix fix)
{
    CheckCall call = { bs, res, fix, 0 };

    if (!bs->drv->co_check) {
        return -ENOTSUP;
    }
    *res = (BdrvCheckResult) { .findings = res->findings };
    co_run_sync(check_entry, &call);
    return call.ret;
}

int bdrv_make_empty(BdrvChild *c, Error **errp)
{
    const BlockDriver *drv = c->bs->drv;
    int ret;

    g_assert(c->perm & (BLK_PERM_WRITE | BLK_PERM_WRITE_UNCHANGED));
    if (!drv->make_empty) {
        error_setg(errp, "%s does not support emptying images", drv->name);
        return -ENOTSUP;
    }
    ret = drv->make_empty(c->bs);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to empty %s", c->bs->filename);
    }
    return ret;
}

QDict *bdrv_snapshot_info_dict(const QEMUSnapshotInfo *sn)
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
        qdict_put_uint(d, "icount", sn->icount);
    }
    return d;
}

static int add_snapshots(BlockDriverState *bs, QDict *info, Error **errp)
{
    g_autofree QEMUSnapshotInfo *list = NULL;
    int n = bdrv_snapshot_list(bs, &list);
    QList *out;

    if (n == -ENOMEDIUM || n == -ENOTSUP || n == 0) {
        return 0;
    }
    if (n < 0) {
        error_setg_errno(errp, -n, "Can't use snapshots on device '%s'", bdrv_get_device_or_node_name(bs));
        return n;
    }
    out = qlist_new();
    for (int i = 0; i < n; i++) {
        qlist_append(out, bdrv_snapshot_info_dict(&list[i]));
    }
    qdict_put(info, "snapshots", out);
    return 0;
}

static void add_backing(BlockDriverState *bs, QDict *info)
{
    g_autofree char *full = NULL;

    if (!bs->backing_file[0]) {
        return;
    }
    qdict_put_str(info, "backing-filename", bs->backing_file);
    full = bdrv_get_full_backing_filename(bs, NULL);
    if (full) {
        qdict_put_str(info, "full-backing-filename", full);
    }
    if (bs->backing_format[0]) {
        qdict_put_str(info, "backing-filename-format", bs->backing_format);
    }
}

static int add_driver_facts(BlockDriverState *bs, QDict *info, Error **errp)
{
    ERRP_GUARD();
    BlockDriverInfo bdi;
    QObject *specific;

    if (bs->encrypted) {
        qdict_put_bool(info, "encrypted", true);
    }
    if (bdrv_get_info(bs, &bdi) == 0) {
        if (bdi.cluster_size) {
            qdict_put_int(info, "cluster-size", bdi.cluster_size);
        }
        qdict_put_bool(info, "dirty-flag", bdi.is_dirty);
    }
    specific = bs->drv->get_specific_info ? bs->drv->get_specific_info(bs, errp) : NULL;
    if (specific) {
        qdict_put(info, "format-specific", specific);
    }
    return *errp ? -EINVAL : 0;
}

QDict *bdrv_query_image_info(BlockDriverState *bs, Error **errp)
{
    g_autoptr(QObject) info = qdict_new();
    int64_t size = bdrv_getlength(bs);
    int64_t allocated;

    if (size < 0) {
        error_setg_errno(errp, -size, "Can't get image size '%s'", bs->exact_filename);
        return NULL;
    }
    bdrv_refresh_filename(bs);
    qdict_put_str(info, "filename", bs->filename);
    qdict_put_str(info, "format", bdrv_get_format_name(bs));
    qdict_put_int(info, "virtual-size", size);
    allocated = bdrv_get_allocated_size(bs);
    if (allocated >= 0) {
        qdict_put_int(info, "actual-size", allocated);
    }
    if (add_driver_facts(bs, info, errp) < 0) {
        return NULL;
    }
    add_backing(bs, info);
    if (add_snapshots(bs, info, errp) < 0) {
        return NULL;
    }
    return g_steal_pointer(&info);
}
