/*
 * Fuzzing entry: whole qcow2 images.  The input is the image's file; it is opened as a user would, checked, read,
 * asked about itself, its snapshots and bitmaps, then repaired, written to, amended, resized and closed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "block/backend.h"
#include "block/dirty-bitmap.h"
#include "block/graph.h"
#include "block/snapshot.h"
#include "block/driver.h"
#include "block/info-text.h"
#include "fuzz.h"
#include "util/aio.h"
#include "util/options.h"

#define LOOK_BYTES (256 * 1024)      /* of the disk */

static void start_once(void)
{
    static bool started;

    if (!started) {
        error_init("fuzz-image");
        /* Corruption is told on stderr, as often as it is met. */
        if (!getenv("FUZZ_VERBOSE") && !freopen("/dev/null", "w", stderr)) {
            abort();
        }
        aio_init_main();
        bdrv_init();
        started = true;
    }
}

static BlockBackend *open_image(int fd, int flags)
{
    QDict *options = qdict_new();
    g_autofree char *name = g_strdup_printf("/proc/self/fd/%d", fd);
    BlockBackend *blk;

    qdict_put_str(options, "driver", "qcow2");
    qdict_put_str(options, "file.driver", "file");
    qdict_put_str(options, "file.filename", name);
    qdict_put_str(options, "file.locking", "off");
    blk = blk_open(NULL, NULL, options, flags | BDRV_O_NO_BACKING, NULL);
    return blk;
}

static void ignore_range(void *opaque, int64_t offset, int64_t bytes)
{
    (*(int64_t *)opaque) += bytes;
}

static void ask_snapshots(BlockDriverState *bs)
{
    g_autofree QEMUSnapshotInfo *list = NULL;
    g_autofree BdrvSnapshotUsage *usage = NULL;
    int64_t sum = 0;
    int n = bdrv_snapshot_usage(bs, &list, &usage, NULL);

    for (int i = 0; i < MIN(n, 4); i++) {
        bdrv_snapshot_diff(bs, list[i].id_str, NULL, ignore_range, &sum, NULL);
    }
}

/* What `info` shows. */
static void ask_info(BlockDriverState *bs)
{
    BlockDriverInfo info;
    g_autoptr(QObject) specific = bs->drv->get_specific_info ? bs->drv->get_specific_info(bs, NULL) : NULL;
    g_autofree char *text = specific ? bdrv_specific_info_text(specific, 0) : NULL;

    bdrv_get_info(bs, &info);
}

static void look(int fd)
{
    BlockBackend *blk = open_image(fd, 0);
    g_autofree uint8_t *buf = g_malloc(LOOK_BYTES);
    BdrvCheckResult result = { 0 };
    int64_t bytes;

    if (!blk) {
        return;
    }
    bytes = MIN(blk_getlength(blk), LOOK_BYTES);
    for (int64_t at = 0; at < bytes; at += 4096) {
        blk_pread(blk, at, MIN(4096, bytes - at), buf, 0);
    }
    bdrv_check(blk_bs(blk), &result, 0);
    ask_info(blk_bs(blk));
    ask_snapshots(blk_bs(blk));
    blk_unref(blk);
}

static void amend(BlockDriverState *bs, const char *text)
{
    g_autoptr(QObject) list = opts_parse_list(text, NULL, NULL, NULL);
    g_autoptr(QObject) opts = opts_check_all(list, bs->drv->amend_options, NULL);

    bs->drv->amend(bs, opts, NULL, NULL, false, NULL);
}

/* All snapshots are applied, some are deleted. */
static void use_snapshots(BlockDriverState *bs)
{
    QEMUSnapshotInfo sn = { .name = "new" };
    g_autofree QEMUSnapshotInfo *list = NULL;
    int n;

    bdrv_snapshot_create(bs, &sn, NULL);
    n = bdrv_snapshot_list(bs, &list);
    for (int i = 0; i < MIN(n, 4); i++) {
        bdrv_snapshot_goto(bs, list[i].id_str, NULL);
        if (i % 2) {
            bdrv_snapshot_delete(bs, list[i].id_str, NULL, NULL);
        }
    }
}

static void use_bitmaps(BlockDriverState *bs)
{
    BdrvDirtyBitmap *bm = bdrv_create_dirty_bitmap(bs, 512, "new", NULL);

    if (bm) {
        bdrv_dirty_bitmap_set_persistence(bm, true);
    }
}

static void change(int fd)
{
    BlockBackend *blk = open_image(fd, BDRV_O_RDWR | BDRV_O_CHECK);
    static const uint8_t buf[4096] = { 1, 2, 3 };
    BdrvCheckResult result = { 0 };

    if (blk) {
        bdrv_check(blk_bs(blk), &result, BDRV_FIX_LEAKS | BDRV_FIX_ERRORS);
        blk_unref(blk);
    }
    blk = open_image(fd, BDRV_O_RDWR | BDRV_O_UNMAP);
    if (!blk) {
        return;
    }
    blk_pwrite(blk, 1024, sizeof(buf), buf, 0);
    use_snapshots(blk_bs(blk));
    use_bitmaps(blk_bs(blk));
    blk_pwrite_zeroes(blk, 0, 8192, BDRV_REQ_MAY_UNMAP);
    blk_pdiscard(blk, 2048, 2048);
    blk_pwrite(blk, 8192, sizeof(buf), buf, 0);
    blk_pwrite_compressed(blk, 4096, 512, buf);
    amend(blk_bs(blk), "lazy_refcounts=on");
    amend(blk_bs(blk), "refcount_bits=64");
    amend(blk_bs(blk), "compat=0.10,lazy_refcounts=off,refcount_bits=16");
    blk_truncate(blk, blk_getlength(blk) + 64 * 1024, true, PREALLOC_OFF, 0, NULL);
    blk_flush(blk);
    blk_unref(blk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("image", MFD_CLOEXEC);

    start_once();
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        abort();
    }
    look(fd);
    change(fd);
    close(fd);
    return 0;
}
