/*
 * qemu-img snapshot: list, create, apply and delete internal snapshots.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "img/common.h"

static int list_snapshots(BlockDriverState *bs)
{
    g_autofree QEMUSnapshotInfo *list = NULL;
    g_autofree char *header = NULL;
    int n = bdrv_snapshot_list(bs, &list);

    if (n <= 0) {
        return 0;
    }
    header = bdrv_snapshot_dump_line(NULL);
    printf("Snapshot list:\n%s\n", header);
    for (int i = 0; i < n; i++) {
        g_autofree char *line = bdrv_snapshot_dump_line(&list[i]);

        printf("%s\n", line);
    }
    return 0;
}

static int create_snapshot(BlockDriverState *bs, const char *name)
{
    QEMUSnapshotInfo sn = { 0 };      /* icount 0, as the peer stores it */
    int64_t now_us = g_get_real_time();
    Error *err = NULL;
    int ret;

    pstrcpy(sn.name, sizeof(sn.name), name);
    sn.date_sec = now_us / G_USEC_PER_SEC;
    sn.date_nsec = now_us % G_USEC_PER_SEC * 1000;
    ret = bdrv_snapshot_create(bs, &sn, &err);
    if (ret < 0) {
        error_report("Could not create snapshot '%s': %d (%s)", name, ret, strerror(-ret));
        error_free(err);
    }
    return ret;
}

static int apply_snapshot(BlockDriverState *bs, const char *name)
{
    Error *err = NULL;
    int ret = bdrv_snapshot_goto(bs, name, &err);

    if (ret < 0) {
        error_reportf_err(err, "Could not apply snapshot '%s': ", name);
    }
    return ret;
}

static int delete_snapshot(BlockDriverState *bs, const char *name)
{
    QEMUSnapshotInfo sn;
    Error *err = NULL;
    int ret;

    if (bdrv_snapshot_find(bs, &sn, name) < 0) {
        error_report("Could not delete snapshot '%s': snapshot not found", name);
        return -ENOENT;
    }
    ret = bdrv_snapshot_delete(bs, sn.id_str, sn.name, &err);
    if (ret < 0) {
        error_reportf_err(err, "Could not delete snapshot '%s': ", name);
    }
    return ret;
}

static int run_action(BlockDriverState *bs, const ImgOptSeen *action)
{
    switch (action ? action->opt->letter : 0) {
    case 'l':
        return list_snapshots(bs);
    case 'c':
        return create_snapshot(bs, action->arg);
    case 'a':
        return apply_snapshot(bs, action->arg);
    case 'd':
        return delete_snapshot(bs, action->arg);
    }
    return 0;
}

int img_snapshot(int argc, char **argv)
{
    g_autoptr(GArray) actions = g_array_new(FALSE, FALSE, sizeof(ImgOptSeen));
    ImgOpen how = { 0 };
    const ImgOptSeen *action;
    const ImgOpt opts[] = {
        { 'l', NULL, IMG_OPT_SEQ_FLAG, actions },
        { 'a', NULL, IMG_OPT_SEQ_STR, actions },
        { 'c', NULL, IMG_OPT_SEQ_STR, actions },
        { 'd', NULL, IMG_OPT_SEQ_STR, actions },
        { 'q', NULL, IMG_OPT_FLAG, &how.quiet },
        { 'U', "force-share", IMG_OPT_FLAG, &how.force_share },
        { 0, "object", IMG_OPT_OBJECT, NULL },
        { 0, "image-opts", IMG_OPT_FLAG, &how.image_opts },
        IMG_OPTS_END,
    };
    int i = img_parse(argc, argv, opts);
    const char *filename;

    if (actions->len > 1) {
        img_usage_error("Cannot mix '-l', '-a', '-c', '-d'");
    }
    filename = img_one_filename(argc, argv, i);
    action = actions->len ? &g_array_index(actions, ImgOptSeen, 0) : NULL;
    how.flags = BDRV_O_UNMAP | (action && action->opt->letter != 'l' ? BDRV_O_RDWR : 0);

    AUTO_BLK blk = img_open(filename, &how);

    return !blk || run_action(blk_bs(blk), action) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
