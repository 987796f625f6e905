/*
 * Fuzzing entry: whole qcow2 images.  The input is the image's file; it is opened as a user would, checked, read,
 * asked about its snapshots and bitmaps, then repaired, written to and closed.
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
#include "util/aio.h"

#define LOOK_BYTES (256 * 1024)      /* of the disk */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    ask_snapshots(blk_bs(blk));
    blk_unref(blk);
}

static void change(int fd)
{
    BlockBackend *blk = open_image(fd, BDRV_O_RDWR | BDRV_O_CHECK);
    static const uint8_t buf[4096] = { 1, 2, 3 };
    BdrvCheckResult result = { 0 };
    QEMUSnapshotInfo sn = { .name = "new" };

    if (blk) {
        bdrv_check(blk_bs(blk), &result, BDRV_FIX_LEAKS | BDRV_FIX_ERRORS);
        blk_unref(blk);
    }
    blk = open_image(fd, BDRV_O_RDWR | BDRV_O_UNMAP);
    if (!blk) {
        return;
    }
    blk_pwrite(blk, 1024, sizeof(buf), buf, 0);
    bdrv_snapshot_create(blk_bs(blk), &sn, NULL);
    blk_pwrite_zeroes(blk, 0, 8192, BDRV_REQ_MAY_UNMAP);
    blk_pdiscard(blk, 2048, 2048);
    blk_pwrite(blk, 8192, sizeof(buf), buf, 0);
    bdrv_snapshot_delete_by_id_or_name(blk_bs(blk), "1", NULL);
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
