/*
 * What `info` tells about a qcow2 image beyond the common facts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qcow2-bitmap.h"
#include "qcow2-crypt.h"
#include "qcow2-open.h"

int qcow2_get_info(BlockDriverState *bs, BlockDriverInfo *bdi)
{
    const Qcow2 *q = qcow2_of(bs);

    bdi->cluster_size = q->cluster_size;
    bdi->subcluster_size = q->subcluster_size;
    bdi->vm_state_offset = (int64_t)q->l1_vm_state_index << (q->cluster_bits + q->l2_bits);
    bdi->is_dirty = q->incompatible & QCOW2_INCOMPAT_DIRTY;
    return 0;
}

/* Members in the order of the stock tools' output. */
QObject *qcow2_get_specific_info(BlockDriverState *bs, Error **errp)
{
    Qcow2 *q = qcow2_of(bs);
    QList *bitmaps = qcow2_bitmap_info(q);
    QDict *data = qdict_new(), *encryption = qcow2_crypt_info(q), *info;

    qdict_put_str(data, "compat", q->version >= 3 ? "1.1" : "0.10");
    qdict_put_str(data, "compression-type", q->compression == QCOW2_COMPRESSION_ZSTD ? "zstd" : "zlib");
    if (q->version >= 3) {
        qdict_put_bool(data, "lazy-refcounts", q->compatible & QCOW2_COMPAT_LAZY_REFCOUNTS);
    }
    if (bitmaps) {
        qdict_put(data, "bitmaps", bitmaps);
    }
    qdict_put_int(data, "refcount-bits", q->refcount_bits);
    if (encryption) {
        qdict_put(data, "encrypt", encryption);
    }
    if (q->version >= 3) {
        if (q->data_file_name) {
            qdict_put_str(data, "data-file", q->data_file_name);
        }
        if (qcow2_has_data_file(q)) {
            qdict_put_bool(data, "data-file-raw", q->autoclear & QCOW2_AUTOCLEAR_DATA_FILE_RAW);
        }
        qdict_put_bool(data, "corrupt", q->incompatible & QCOW2_INCOMPAT_CORRUPT);
        qdict_put_bool(data, "extended-l2", q->incompatible & QCOW2_INCOMPAT_EXTL2);
    }
    info = qdict_new();
    qdict_put_str(info, "type", "qcow2");
    qdict_put(info, "data", data);
    return info;
}
