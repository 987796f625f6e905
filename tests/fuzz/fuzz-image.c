/*
 * Fuzzing entry: whole qcow2 images.  The input is the image's file; it is opened as a user would (with a data file and a secret where it
 * asks for them), checked with and without words, read, mapped, asked about itself, its snapshots and bitmaps; then repaired, written to,
 * its snapshots taken, loaded, applied and deleted, its state of a machine read and written, bitmaps made, amended, resized, emptied, closed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../block/qcow2.h"
#include "block/backend.h"
#include "block/dirty-bitmap.h"
#include "block/graph.h"
#include "block/snapshot.h"
#include "block/driver.h"
#include "block/info-text.h"
#include "crypto/secret.h"
#include "fuzz.h"
#include "memory-node.h"
#include "util/aio.h"
#include "util/options.h"

#define LOOK_BYTES (256 * 1024)      /* of the disk */
#define LOOK_PIECE 16384
#define LOOK_PIECES 64               /* of what is mapped */
#define LOOK_SNAPSHOTS 4
#define IMAGE 0                      /* numbers of the disks */
#define DATA_FILE 1

static bool has_data_file, has_aes;  /* as the input's header says */

static void start_once(void)
{
    static bool started;
    QDict *props;

    if (started) {
        return;
    }
    error_init("fuzz-image");
    /* Corruption is told on stderr, as often as it is met. */
    if (!getenv("FUZZ_VERBOSE") && !freopen("/dev/null", "w", stderr)) {
        abort();
    }
    aio_init_main();
    bdrv_init();
    memory_disks_register();
    props = qdict_new();
    qdict_put_str(props, "data", "secret");
    secret_add("sec0", props, &error_abort);
    qobject_unref(props);
    started = true;
}

static BlockBackend *open_image(int flags)
{
    QDict *options = qdict_new();

    qdict_put_str(options, "driver", "qcow2");
    memory_disk_put_options(options, "file.", IMAGE);
    /* Never a file that the input names. */
    if (has_data_file) {
        memory_disk_put_options(options, "data-file.", DATA_FILE);
    }
    if (has_aes) {
        qdict_put_str(options, "encrypt.format", "aes");
        qdict_put_str(options, "encrypt.key-secret", "sec0");
    }
    return blk_open(NULL, NULL, options, flags | BDRV_O_NO_BACKING, NULL);
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

    for (int i = 0; i < MIN(n, LOOK_SNAPSHOTS); i++) {
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

static void read_start(BlockBackend *blk)
{
    g_autofree uint8_t *buf = g_malloc(LOOK_PIECE);
    int64_t bytes = MIN(blk_getlength(blk), LOOK_BYTES);

    for (int64_t at = 0; at < bytes; at += LOOK_PIECE) {
        blk_pread(blk, at, MIN(LOOK_PIECE, bytes - at), buf, 0);
    }
    blk_load_vmstate(blk, buf, 0, LOOK_PIECE);
}

/* As `map` does. */
static void ask_map(BlockDriverState *bs)
{
    int64_t len = bdrv_getlength(bs), n, map;
    BlockDriverState *file;

    for (int64_t at = 0, piece = 0; at < len && piece < LOOK_PIECES; at += n, piece++) {
        if (bdrv_block_status(bs, at, len - at, &n, &map, &file) < 0 || n <= 0) {
            return;
        }
    }
}

static void check(BlockDriverState *bs, BdrvCheckFix fix, bool explain)
{
    g_autoptr(GPtrArray) findings = explain ? g_ptr_array_new_with_free_func((GDestroyNotify)bdrv_check_finding_free) : NULL;
    BdrvCheckResult result = { .findings = findings };

    bdrv_check(bs, &result, fix);
}

static void look(void)
{
    BlockBackend *blk = open_image(0);

    if (!blk) {
        return;
    }
    read_start(blk);
    ask_map(blk_bs(blk));
    check(blk_bs(blk), 0, true);
    ask_info(blk_bs(blk));
    ask_snapshots(blk_bs(blk));
    if (bdrv_snapshot_load_tmp_by_id_or_name(blk_bs(blk), "1", NULL) == 0) {
        read_start(blk);
        ask_map(blk_bs(blk));
    }
    blk_unref(blk);
}

static void amend(BlockDriverState *bs, const char *text)
{
    g_autoptr(QObject) list = opts_parse_list(text, NULL, NULL, NULL);
    g_autoptr(QObject) opts = opts_check_all(list, bs->drv->amend_options, NULL);

    bs->drv->amend(bs, opts, NULL, NULL, false, NULL);
}

/* All snapshots are applied, some are deleted, two of them in one step. */
static void use_snapshots(BlockBackend *blk)
{
    BlockDriverState *bs = blk_bs(blk);
    QEMUSnapshotInfo sn = { .name = "new", .vm_state_size = 600 };
    g_autofree QEMUSnapshotInfo *list = NULL, *rest = NULL;
    uint8_t state[600] = { 7 };
    int64_t freed[2];
    unsigned done;
    int n;

    blk_save_vmstate(blk, state, 0, sizeof(state));
    bdrv_snapshot_create(bs, &sn, NULL);
    n = bdrv_snapshot_list(bs, &list);
    for (int i = 0; i < MIN(n, LOOK_SNAPSHOTS); i++) {
        bdrv_snapshot_goto(bs, list[i].id_str, NULL);
        blk_load_vmstate(blk, state, 0, sizeof(state));
        if (i % 2) {
            bdrv_snapshot_delete(bs, list[i].id_str, NULL, NULL);
        }
    }
    n = bdrv_snapshot_list(bs, &rest);
    if (n > 1) {
        bdrv_snapshot_delete_many(bs, rest, G_N_ELEMENTS(freed), freed, &done, NULL);
    }
}

/* One is added, one of the image's own is cleared, another one removed. */
static void use_bitmaps(BlockDriverState *bs)
{
    BdrvDirtyBitmap *bm = bdrv_create_dirty_bitmap(bs, 512, "new", NULL), *old = bdrv_find_dirty_bitmap(bs, "b0");

    if (bm && bdrv_can_store_dirty_bitmap(bs, "new", 512, NULL)) {
        bdrv_dirty_bitmap_set_persistence(bm, true);
    }
    if (old && bdrv_dirty_bitmap_check(old, BDRV_BITMAP_DEFAULT, NULL) == 0) {
        bdrv_clear_dirty_bitmap(old, NULL);
    }
    bdrv_remove_stored_dirty_bitmap(bs, "b1", NULL);
}

static void use_data(BlockBackend *blk)
{
    static const uint8_t buf[4096] = { 1, 2, 3 };
    int64_t len = blk_getlength(blk);

    blk_pwrite_zeroes(blk, 0, 8192, BDRV_REQ_MAY_UNMAP);
    blk_pdiscard(blk, 2048, 2048);
    blk_pwrite(blk, 8192, sizeof(buf), buf, 0);
    blk_pwrite(blk, len - 4096, sizeof(buf), buf, 0);
    blk_pwrite_compressed(blk, 4096, 512, buf);
}

static void use_options(BlockBackend *blk)
{
    BlockDriverState *bs = blk_bs(blk);
    int64_t len = blk_getlength(blk);

    amend(bs, "lazy_refcounts=on");
    amend(bs, "refcount_bits=64");
    amend(bs, "compat=0.10,lazy_refcounts=off,refcount_bits=16");
    blk_truncate(blk, len + 64 * 1024, true, PREALLOC_OFF, 0, NULL);
    blk_truncate(blk, len / 2, true, PREALLOC_OFF, 0, NULL);
    /* As much as a big input holds; what is larger, nobody would preallocate. */
    if (len <= LOOK_BYTES) {
        blk_truncate(blk, len, true, PREALLOC_METADATA, 0, NULL);
    }
}

static void change(void)
{
    static const uint8_t buf[4096] = { 1, 2, 3 };
    BlockBackend *blk = open_image(BDRV_O_RDWR | BDRV_O_CHECK);

    if (blk) {
        check(blk_bs(blk), BDRV_FIX_LEAKS | BDRV_FIX_ERRORS, false);
        blk_unref(blk);
    }
    blk = open_image(BDRV_O_RDWR | BDRV_O_RESIZE | BDRV_O_UNMAP);
    if (!blk) {
        return;
    }
    blk_pwrite(blk, 1024, sizeof(buf), buf, 0);
    use_snapshots(blk);
    use_bitmaps(blk_bs(blk));
    use_data(blk);
    use_options(blk);
    blk_flush(blk);
    bdrv_make_empty(blk_root(blk), NULL);
    blk_unref(blk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool version3 = size >= 80 && load_be32(data + 4) >= 3;

    if (size > MEMORY_DISK_BYTES / 2) {
        return 0;
    }
    start_once();
    has_data_file = version3 && load_be64(data + 72) & QCOW2_INCOMPAT_DATA_FILE;
    has_aes = size >= 36 && load_be32(data + 32) == 1;
    memory_disk_fill(IMAGE, data, size);
    memory_disk_fill(DATA_FILE, NULL, 0);
    look();
    change();
    return 0;
}
