/*
 * Which driver: by name prefix, by device file, by the first bytes; and the guard that keeps a
 * guest of a probed raw image from writing another format's header there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "internal.h"
#include "util/cutils.h"

#define PROBE_BYTES 512

static const BlockDriver *find_device_driver(const char *filename)
{
    const BlockDriver *best = NULL, *drv;
    int best_score = 0;

    for (int i = 0; (drv = bdrv_driver_at(i)); i++) {
        int score = drv->probe_device ? drv->probe_device(filename) : 0;
        if (score > best_score) {
            best_score = score;
            best = drv;
        }
    }
    return best;
}

const BlockDriver *bdrv_find_protocol(const char *filename, bool allow_protocol_prefix, Error **errp)
{
    const BlockDriver *drv = find_device_driver(filename);
    g_autofree char *prefix = NULL;

    if (drv) {
        return drv;
    }
    if (allow_protocol_prefix && path_has_protocol(filename)) {
        prefix = g_strndup(filename, strchr(filename, ':') - filename);
    } else {
        prefix = g_strdup("file");
    }
    for (int i = 0; (drv = bdrv_driver_at(i)); i++) {
        if (drv->protocol && !strcmp(drv->protocol, prefix)) {
            return drv;
        }
    }
    error_setg(errp, "Unknown protocol '%s'", prefix);
    return NULL;
}

const BlockDriver *bdrv_probe_all(const uint8_t *buf, int buf_size, const char *filename)
{
    const BlockDriver *best = NULL, *drv;
    int best_score = 0;

    for (int i = 0; (drv = bdrv_driver_at(i)); i++) {
        int score = drv->probe ? drv->probe(buf, buf_size, filename) : 0;
        if (score > best_score) {
            best_score = score;
            best = drv;
        }
    }
    return best;
}

static char *probe_desc(BdrvChild *c)
{
    return g_strdup("an unnamed block device");
}

static int read_head(BlockDriverState *file, uint8_t *buf, int bytes, Error **errp)
{
    static const BdrvChildOps ops = { .get_parent_desc = probe_desc };
    BdrvChild *c;
    int ret;

    bdrv_ref(file);
    c = bdrv_root_attach(file, "root", &ops, NULL, 0, BLK_PERM_ALL, errp);
    if (!c) {
        return -EPERM;
    }
    ret = bdrv_read_buf(c, 0, bytes, buf, 0);
    bdrv_root_detach(c);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not read image for determining its format");
    }
    return ret;
}

const BlockDriver *bdrv_probe_node(BlockDriverState *file, const char *filename, Error **errp)
{
    const BlockDriver *drv;
    uint8_t buf[PROBE_BYTES] = { 0 };
    int64_t len = bdrv_getlength(file);
    int bytes = MIN(len, PROBE_BYTES);

    if (len < 0) {
        error_setg_errno(errp, -len, "Could not read image for determining its format");
        return NULL;
    }
    if (bytes == 0) {
        return bdrv_find_format("raw");
    }
    if (read_head(file, buf, bytes, errp) < 0) {
        return NULL;
    }
    drv = bdrv_probe_all(buf, bytes, filename);
    if (!drv) {
        error_setg(errp, "Could not determine image format: No compatible driver found");
    }
    return drv;
}

int bdrv_probe_guard_check(BlockDriverState *bs, int64_t offset, const IoVec *qiov, size_t qiov_offset, int64_t bytes)
{
    uint8_t buf[PROBE_BYTES] = { 0 };

    g_assert(offset < PROBE_BYTES);
    iov_to_buf(qiov, qiov_offset, buf + offset, MIN(bytes, PROBE_BYTES - offset));
    return bdrv_probe_all(buf, PROBE_BYTES, bs->filename) == bs->drv ? 0 : -EPERM;
}
