/*
 * Proves what a backend does without a medium, without a device or with a bare one, in drained sections and when requests are
 * given up: names, facts, errors, state of the machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include "memdisk.h"
#include "qapi/dispatch.h"
#include "util/cutils.h"

#define DISK "{'driver':'mem','node-name':'m'}"

static uint8_t buf[4096];
static int failures_told;

static void note_event(const char *name, QDict *data)
{
    failures_told += !strcmp(name, "BLOCK_IO_ERROR");
    qobject_unref(data);
}

/* --- devices -------------------------------------------------------------------------------------- */

static int quiet_begun, busy;
static const char *own_id;

static void begun(void *dev) { quiet_begun++; }
static void ended(void *dev) { quiet_begun--; }
static void less_busy(void *opaque) { busy--; }

static bool still_busy(void *dev)
{
    if (busy > 0) {
        aio_bh_oneshot(aio_main_context(), less_busy, NULL);
    }
    return busy > 0;
}

static const char *id_of(void *dev) { return own_id; }
static char *path_of(void *dev) { return g_strdup("/machine/x"); }
static void refuse(void *dev, bool load, Error **errp) { error_setg(errp, "jammed"); }
static bool exists(const char *id) { return !strcmp(id, "serial0"); }

static const BlockDevOps bare = { 0 };
static const BlockDevOps busy_ops = { .drained_begin = begun, .drained_end = ended, .drained_poll = still_busy, .dev_id = id_of, .dev_path = path_of };
static const BlockDevOps jammed = { .change_media = refuse };

static void test_devices(void)
{
    BlockBackend *blk = mem_open(DISK, BDRV_O_RDWR), *second;
    g_autofree char *id = NULL;
    Error *err = NULL;
    int dev;

    g_assert_cmpint(blk_attach_dev(blk, &bare, &dev), ==, 0);
    id = blk_get_attached_dev_id(blk);
    g_assert_cmpstr(id, ==, "");
    g_assert_null(blk_by_qdev_id("", &err));
    g_clear_pointer(&err, error_free);
    g_assert_false(blk_dev_has_removable_media(blk));
    g_assert_false(blk_dev_is_medium_locked(blk));
    blk_dev_eject_request(blk, true);
    blk_dev_change_media(blk, true, &error_abort);
    blk_lock_medium(blk, true);
    bdrv_set_length(blk_bs(blk), 1 << 20);
    bdrv_drained_begin(blk_bs(blk));
    bdrv_drained_end(blk_bs(blk));
    blk_detach_dev(blk, &dev);

    blk_set_device_exists_hook(exists);
    g_assert_null(blk_by_qdev_id("serial0", &err));
    mem_said(&err, "Device does not have a block device backend");
    g_assert_null(blk_by_qdev_id("nope", &err));
    mem_said(&err, "Device 'nope' not found");
    blk_set_device_exists_hook(NULL);

    blk_attach_dev(blk, &jammed, &dev);
    g_assert_true(blk_dev_has_removable_media(blk));
    blk_dev_change_media(blk, false, &err);
    mem_said(&err, "jammed");
    blk_detach_dev(blk, &dev);

    /* In a drained section a new device is quiet from the start; a busy one is waited for. */
    bdrv_drained_begin(blk_bs(blk));
    own_id = "";
    blk_attach_dev(blk, &busy_ops, &dev);
    g_assert_cmpint(quiet_begun, ==, 1);
    bdrv_drained_end(blk_bs(blk));
    g_assert_cmpint(quiet_begun, ==, 0);
    busy = 3;
    bdrv_drained_begin(blk_bs(blk));
    g_assert_cmpint(busy, <=, 0);
    bdrv_drained_end(blk_bs(blk));
    busy = 2;
    bdrv_drain_all_begin();
    g_assert_cmpint(busy, <=, 0);
    bdrv_drain_all_end();
    g_assert_true(blk_by_qdev_id("/machine/x", &error_abort) == blk);
    blk_set_perm(blk, BLK_PERM_WRITE, 0, &error_abort);
    second = blk_new_with_bs(blk_bs(blk), BLK_PERM_WRITE, BLK_PERM_ALL, &err);
    g_assert_null(second);
    g_assert_nonnull(strstr(error_get_pretty(err), "unshared by block device '/machine/x' (uses"));
    g_clear_pointer(&err, error_free);
    g_assert_true(blk_set_name(blk, "drive0", &error_abort));
    g_assert_null(blk_new_with_bs(blk_bs(blk), BLK_PERM_WRITE, BLK_PERM_ALL, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "unshared by block device 'drive0' (uses"));
    g_clear_pointer(&err, error_free);
    blk_detach_dev(blk, &dev);
    blk_unref(blk);
}

/* --- names and facts --------------------------------------------------------------------------------- */

static void test_names(void)
{
    BlockBackend *blk = mem_open(DISK, BDRV_O_RDWR), *other = blk_new(0, BLK_PERM_ALL);
    Error *err = NULL;

    g_assert_false(blk_set_name(blk, "1", &err));
    mem_said(&err, "Invalid device name");
    g_assert_false(blk_set_name(blk, "m", &err));
    mem_said(&err, "Device name 'm' conflicts with an existing node name");
    g_assert_true(blk_set_name(blk, "a", &error_abort));
    g_assert_false(blk_set_name(other, "a", &err));
    mem_said(&err, "Device with id 'a' already exists");
    g_assert_null(blk_next(blk));
    blk_clear_name(blk);
    blk_clear_name(blk);
    g_assert_cmpstr(blk_name(blk), ==, "");
    g_assert_null(blk_by_name("a"));
    blk_unref(other);
    blk_unref(NULL);
    blk_unref(blk);
}

static void test_no_medium(void)
{
    BlockBackend *blk = blk_new(BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE, BLK_PERM_ALL), *disk;
    BlockDriverState *bs = bdrv_open(NULL, NULL, json_parse(DISK, &error_abort), 0, &error_abort);
    Error *err = NULL;

    g_assert_cmpint(blk_getlength(blk), ==, -ENOMEDIUM);
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, -ENOMEDIUM);
    g_assert_cmpint(blk_truncate(blk, 0, true, PREALLOC_OFF, 0, &err), ==, -ENOMEDIUM);
    mem_said(&err, "No medium inserted");
    g_assert_cmpint(blk_save_vmstate(blk, buf, 0, 512), ==, -ENOMEDIUM);
    g_assert_cmpuint(blk_get_request_alignment(blk), ==, 512);
    g_assert_cmpuint(blk_get_max_transfer(blk), ==, BDRV_MAX_REQUEST);
    g_assert_cmpuint(blk_get_opt_mem_alignment(blk), ==, 4096);
    g_assert_true(blk_supports_write_perm(blk));
    blk_root_state(blk)->open_flags = BDRV_O_NOCACHE;
    g_assert_false(blk_supports_write_perm(blk));
    blk_root_state(blk)->open_flags = BDRV_O_RDWR;
    g_assert_true(blk_supports_write_perm(blk));
    blk_update_root_state(blk);
    blk_remove_bs(blk);
    blk_set_aio_context(blk, aio_main_context());
    blk_io_limits_enable(blk, "g");
    blk_io_limits_update_group(blk, "g");
    g_assert_cmpstr(blk_io_limits_group(blk), ==, "g");
    blk_io_limits_disable(blk);
    blk_io_limits_update_group(blk, "g");
    g_assert_null(blk_io_limits_group(blk));
    blk_error_action(blk, BLK_ERROR_ACTION_REPORT, true, EIO);
    g_assert_cmpint(blk_insert_bs(blk, bs, &err), ==, -EPERM);
    mem_said(&err, "Block node is read-only");
    g_assert_null(blk_bs(blk));
    g_assert_cmpint(blk_set_perm(blk, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &error_abort), ==, 0);
    g_assert_cmpint(blk_replace_bs(blk, bs, &error_abort), ==, 0);
    g_assert_cmpuint(blk_get_opt_mem_alignment(blk), ==, bs->bl.opt_mem_alignment);
    g_assert_false(blk_supports_write_perm(blk));
    bs->bl.max_transfer = UINT32_MAX;
    g_assert_cmpuint(blk_get_max_transfer(blk), ==, BDRV_MAX_REQUEST);
    bs->bl.max_transfer = 1000;
    bs->bl.request_alignment = 512;
    g_assert_cmpuint(blk_get_max_transfer(blk), ==, 512);
    bs->bl.request_alignment = 1;
    disk = mem_open("{'driver':'mem','node-name':'n'}", 0);
    g_assert_cmpint(blk_replace_bs(blk, blk_bs(disk), &error_abort), ==, 0);
    g_assert_true(blk_bs(blk) == blk_bs(disk));
    blk_set_aio_context(blk, aio_main_context());
    g_assert_true(blk_get_aio_context(blk) == aio_main_context());
    blk_unref(disk);
    blk_unref(blk);
    bdrv_unref(bs);
}

/* --- requests ------------------------------------------------------------------------------------------ */

static int done_count, last_ret;

static void note_done(void *opaque, int ret)
{
    done_count++;
    last_ret = ret;
}

static void test_requests(void)
{
    BlockBackend *blk = mem_open(DISK, BDRV_O_RDWR | BDRV_O_UNMAP);
    MemDisk *m = mem_disk("m");

    g_assert_cmpint(blk_pread(blk, -1, 512, buf, 0), ==, -EIO);
    g_assert_cmpint(blk_pdiscard(blk, 0, -1), ==, -EIO);
    g_assert_cmpint(blk_pread(blk, (1 << 20) - 256, 512, buf, 0), ==, -EIO);
    blk_aio_pwrite_zeroes(blk, 0, 512, 0, note_done, NULL);
    blk_aio_pdiscard(blk, 0, 512, note_done, NULL);
    blk_drain(blk);
    g_assert_cmpint(done_count, ==, 2);
    g_assert_cmpint(m->calls[MEM_ZERO] + m->calls[MEM_DISCARD], ==, 2);
    m->fail[MEM_FLUSH] = -EDOM;
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, 0);
    blk_aio_cancel(blk_aio_flush(blk, note_done, NULL));       /* waits for it */
    g_assert_cmpint(done_count, ==, 3);
    g_assert_cmpint(last_ret, ==, -EDOM);
    m->fail[MEM_FLUSH] = 0;
    blk_unref(blk);
}

static void let_go(void *opaque)
{
    MemDisk *m = opaque;

    m->hold = false;
    aio_co_wake(g_steal_pointer(&m->held));
}

/* In a drained section requests wait, pass where the user is a part of it, or are given up with their device. */
static void test_drained(void)
{
    BlockBackend *blk = mem_open(DISK, BDRV_O_RDWR);
    BlockDriverState *bs = blk_bs(blk);
    MemDisk *m = mem_disk("m");

    done_count = 0;
    bdrv_drained_begin(bs);
    g_assert_false(blk_enter(blk));
    blk_aio_pwrite_zeroes(blk, 0, 512, 0, note_done, NULL);
    while (aio_poll(aio_main_context(), false)) {
        continue;
    }
    g_assert_cmpint(done_count, ==, 0);
    blk_drain_held(blk);
    g_assert_cmpint(done_count, ==, 1);
    g_assert_cmpint(last_ret, ==, -ECANCELED);
    g_assert_cmpint(m->calls[MEM_ZERO], ==, 0);
    blk_aio_pwrite_zeroes(blk, 0, 512, 0, note_done, NULL);
    blk_set_disable_request_queuing(blk, true);
    g_assert_cmpint(blk_pwrite_zeroes(blk, 0, 512, 0), ==, 0);
    g_assert_cmpint(m->calls[MEM_ZERO], ==, 1);
    blk_set_disable_request_queuing(blk, false);
    bdrv_drained_end(bs);
    blk_drain(blk);
    g_assert_cmpint(done_count, ==, 2);
    g_assert_cmpint(last_ret, ==, 0);
    g_assert_true(blk_enter(blk));
    blk_dec_in_flight(blk);
    /* A request under way is waited for by a section over all nodes. */
    m->hold = true;
    m->held_op = MEM_ZERO;
    blk_aio_pwrite_zeroes(blk, 0, 512, 0, note_done, NULL);
    aio_bh_oneshot(aio_main_context(), let_go, m);
    bdrv_drain_all_begin();
    g_assert_cmpint(done_count, ==, 3);
    bdrv_drain_all_end();
    blk_unref(blk);
}

/* --- errors of guests ------------------------------------------------------------------------------------ */

static int stops, prepared;

static void prepare_stop(void) { prepared++; }
static void stop_machine(void) { stops++; }

static void *fail_elsewhere(void *opaque)
{
    blk_error_action(opaque, BLK_ERROR_ACTION_STOP, true, EIO);
    return NULL;
}

/* Told by the main thread; until then the backend counts it as work. */
static void test_error_in_thread(void)
{
    BlockBackend *blk = mem_open(DISK, BDRV_O_RDWR);
    pthread_t thread;

    blk_set_vm_stop_hook(prepare_stop, stop_machine);
    blk_iostatus_enable(blk);
    blk_set_on_error(blk, BLK_ON_ERROR_STOP, BLK_ON_ERROR_REPORT);
    g_assert_true(blk_iostatus_is_enabled(blk));
    failures_told = 0;
    pthread_create(&thread, NULL, fail_elsewhere, blk);
    pthread_join(thread, NULL);
    g_assert_cmpint(stops, ==, 0);
    blk_drain(blk);
    g_assert_cmpint(stops + prepared + failures_told, ==, 3);
    g_assert_cmpint(blk_iostatus(blk), ==, BLK_IO_STATUS_FAILED);
    blk_iostatus_set_err(blk, ENOSPC);                         /* the first error is the one that counts */
    g_assert_cmpint(blk_iostatus(blk), ==, BLK_IO_STATUS_FAILED);
    blk_iostatus_disable(blk);
    blk_iostatus_reset(blk);
    blk_iostatus_set_err(blk, ENOSPC);
    g_assert_cmpint(blk_iostatus(blk), ==, BLK_IO_STATUS_OK);
    blk_set_vm_stop_hook(NULL, NULL);
    blk_error_action(blk, BLK_ERROR_ACTION_STOP, true, EIO);
    g_assert_cmpint(stops, ==, 1);
    blk_unref(blk);
}

/* --- handing over ------------------------------------------------------------------------------------------ */

static void test_hand_over(void)
{
    BlockBackend *blk = mem_open(DISK, BDRV_O_RDWR), *other;
    BlockDriverState *bs = blk_bs(blk);
    Error *err = NULL;

    blk_set_name(blk, "drive0", &error_abort);                 /* a guest's disk: is given up when asked */
    g_assert_cmpint(bdrv_inactivate_all(), ==, 0);
    g_assert_cmpint(bdrv_inactivate_all(), ==, 0);
    g_assert_cmpint(blk_set_perm(blk, BLK_PERM_WRITE, BLK_PERM_CONSISTENT_READ, &error_abort), ==, 0);   /* for later */
    other = blk_new_with_bs(bs, BLK_PERM_CONSISTENT_READ, BLK_PERM_CONSISTENT_READ, &error_abort);
    bdrv_activate_all(&err);
    g_assert_nonnull(err);
    g_assert_nonnull(strstr(error_get_pretty(err), "Permission conflict on node 'm'"));
    g_clear_pointer(&err, error_free);
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), <, 0);
    blk_unref(other);
    blk_unref(blk);
}

/* --- state of the machine ------------------------------------------------------------------------------------ */

static int vmstate_ret;

static int over_open(BlockDriverState *bs, QDict *options, int flags, Error **errp) { return bdrv_open_file_child(NULL, bs->options, bs, errp); }
static int coroutine_fn over_vmstate(BlockDriverState *bs, IoVec *qiov, int64_t pos) { return vmstate_ret; }

static const BlockDriver keeps = { .name = "keeps", .is_format = true, .open = over_open, .co_save_vmstate = over_vmstate, .co_load_vmstate = over_vmstate };
static const BlockDriver sieve = { .name = "sieve", .is_filter = true, .open = over_open };

static void test_vmstate(void)
{
    BlockBackend *blk = mem_open("{'driver':'sieve','file':{'driver':'keeps','file':" DISK "}}", BDRV_O_RDWR);

    g_assert_cmpint(blk_save_vmstate(blk, buf, 0, 512), ==, 512);
    g_assert_cmpint(blk_load_vmstate(blk, buf, 0, 512), ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 0, 0, buf, 0), ==, 0);
    vmstate_ret = -ENOSPC;
    g_assert_cmpint(blk_save_vmstate(blk, buf, 0, 512), ==, -ENOSPC);
    g_assert_cmpint(blk_load_vmstate(blk, buf, 0, 512), ==, -ENOSPC);
    vmstate_ret = 0;
    blk_set_enable_write_cache(blk, false);                    /* then it is on the disk when this returns */
    g_assert_cmpint(blk_save_vmstate(blk, buf, 0, 512), ==, 512);
    blk_unref(blk);
    blk = mem_open(DISK, BDRV_O_RDWR);
    g_assert_cmpint(blk_save_vmstate(blk, buf, 0, 512), ==, -ENOTSUP);
    g_assert_cmpint(blk_load_vmstate(blk, buf, 0, 512), ==, -ENOTSUP);
    blk_unref(blk);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    aio_init_main();
    bdrv_init();
    mem_register();
    bdrv_register(&keeps);
    bdrv_register(&sieve);
    qapi_event_set_emitter(note_event);
    g_test_add_func("/backend-errors/devices", test_devices);
    g_test_add_func("/backend-errors/names", test_names);
    g_test_add_func("/backend-errors/no-medium", test_no_medium);
    g_test_add_func("/backend-errors/requests", test_requests);
    g_test_add_func("/backend-errors/drained", test_drained);
    g_test_add_func("/backend-errors/thread", test_error_in_thread);
    g_test_add_func("/backend-errors/hand-over", test_hand_over);
    g_test_add_func("/backend-errors/vmstate", test_vmstate);
    return g_test_run();
}
