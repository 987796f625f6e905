/*
 * Opening, closing and looking at the image of a run.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "cutrun.h"
#include "util/cutils.h"

guint cut_now(void) { return cut_log ? cut_log->len : 0; }

static int create_image(CutRun *r)
{
    g_autofree char *path = g_strdup_printf("%s/image", r->folder), *data = g_strdup_printf("%s/data", r->folder);
    g_autofree char *options = g_strdup_printf("%s%s%s", r->geometry->options, r->geometry->data_file ? ",data_file=" : "",
                                               r->geometry->data_file ? data : "");
    QDict *opts = opts_parse_list(options, NULL, NULL, &error_abort);
    Error *err = NULL;
    int ret;

    qdict_put_int(opts, "size", (int64_t)cut_model_size(r->model) * BDRV_SECTOR_SIZE);
    ret = bdrv_create(bdrv_find_format("qcow2"), path, opts, &err);
    if (ret < 0) {
        error_report_err(err);
    }
    return ret < 0 || !cut_image_load(&cut_disks[0], path) || (r->geometry->data_file && !cut_image_load(&cut_disks[1], data)) ? -1 : 0;
}

/* The backing image: raw, sector s holds stamp s + 1. */
static void make_backing(CutRun *r)
{
    cut_disks[2].len = 0;
    cut_image_resize(&cut_disks[2], (int64_t)CUT_SECTORS * BDRV_SECTOR_SIZE);
    for (unsigned s = 0; s < CUT_SECTORS; s++) {
        uint32_t stamp = cut_model_stamp(r->model);

        for (unsigned i = 0; i < BDRV_SECTOR_SIZE; i += sizeof(stamp)) {
            memcpy(cut_disks[2].data + s * BDRV_SECTOR_SIZE + i, &stamp, sizeof(stamp));
        }
        r->model->now[s] = s < cut_model_size(r->model) ? stamp : 0;
    }
}

BlockBackend *cut_open_image(const CutGeometry *g, bool writable, Error **errp)
{
    QDict *options = qdict_new();
    BlockDriverState *nodes[CUT_DISKS] = { cut_open(0, "disk0", writable) };
    BlockBackend *blk;

    qdict_put_str(options, "driver", "qcow2");
    qdict_put_str(options, "file", "disk0");
    qdict_put_str(options, "discard", "unmap");
    if (g->data_file) {
        nodes[1] = cut_open(1, "disk1", writable);
        qdict_put_str(options, "data-file", "disk1");
    }
    if (g->backing) {
        nodes[2] = cut_open(2, "disk2", false);
        qdict_put_str(options, "backing.driver", "raw");
        qdict_put_str(options, "backing.file", "disk2");
    }
    blk = blk_open(NULL, NULL, options, (writable ? BDRV_O_RDWR | BDRV_O_RESIZE : 0) | BDRV_O_UNMAP, errp);
    for (int i = 0; i < CUT_DISKS; i++) {
        if (nodes[i]) {
            bdrv_unref(nodes[i]);
        }
    }
    return blk;
}

bool cut_run_open(CutRun *r, Error **errp)
{
    r->blk = cut_open_image(r->geometry, true, errp);
    return r->blk != NULL;
}

void cut_run_close(CutRun *r)
{
    if (r->blk) {
        blk_unref(r->blk);
        r->blk = NULL;
    }
}

bool cut_run_start(CutRun *r)
{
    Error *err = NULL;
    BlockDriverInfo info;

    r->model = cut_model_new(CUT_SECTORS, CUT_SECTORS / 2);
    if (r->geometry->backing) {
        make_backing(r);
    }
    if (create_image(r) < 0) {
        return false;
    }
    for (int i = 0; i < CUT_DISKS; i++) {
        cut_image_copy(&r->start[i], &cut_disks[i]);
    }
    cut_log_start();
    if (!cut_run_open(r, &err)) {
        error_report_err(err);
        return false;
    }
    bdrv_get_info(blk_bs(r->blk), &info);
    r->cluster_sectors = info.cluster_size / BDRV_SECTOR_SIZE;
    return true;
}

void cut_run_end(CutRun *r)
{
    cut_run_close(r);
    cut_model_free(r->model);
    cut_log_end();
    for (int i = 0; i < CUT_DISKS; i++) {
        g_free(r->start[i].data);
    }
}

bool cut_read_stamps(BlockBackend *blk, unsigned n, uint32_t *out, unsigned *bad)
{
    g_autofree uint32_t *buf = g_malloc((size_t)n * BDRV_SECTOR_SIZE);
    const unsigned words = BDRV_SECTOR_SIZE / sizeof(uint32_t);

    *bad = 0;
    if (n && blk_pread(blk, 0, (int64_t)n * BDRV_SECTOR_SIZE, buf, 0) < 0) {
        return false;
    }
    for (unsigned s = 0; s < n; s++) {
        for (unsigned i = 1; i < words; i++) {
            if (buf[s * words + i] != buf[s * words]) {
                *bad = s;
                return false;
            }
        }
        out[s] = buf[s * words];
    }
    return true;
}
