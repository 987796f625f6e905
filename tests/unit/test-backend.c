/*
 * Backends: the device on top, trays, error policies, I/O limits, statistics.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "block/backend.h"
#include "qapi/dispatch.h"

static GString *events;                /* "NAME " for each event sent */

static void note_event(const char *name, QDict *data)
{
    g_string_append_printf(events, "%s ", name);
    qobject_unref(data);
}

static void expect_events(const char *names)
{
    g_assert_cmpstr(events->str, ==, names);
    g_string_truncate(events, 0);
}

/* --- a drive with a tray --------------------------------------------------------------------- */

typedef struct Drive {
    bool open, locked;
    int loads, ejects, resizes, drains;
} Drive;

static void change_media(void *opaque, bool load, Error **errp)
{
    Drive *d = opaque;

    d->loads += load;
    d->open = !load;
}

static void eject_request(void *opaque, bool force)
{
    Drive *d = opaque;

    d->ejects++;
}

static bool is_open(void *opaque)
{
    return ((Drive *)opaque)->open;
}

static bool is_locked(void *opaque)
{
    return ((Drive *)opaque)->locked;
}

static void resized(void *opaque)
{
    ((Drive *)opaque)->resizes++;
}

static void drained_begin(void *opaque)
{
    ((Drive *)opaque)->drains++;
}

static void drained_end(void *opaque)
{
    ((Drive *)opaque)->drains--;
}

static const char *drive_id(void *opaque)
{
    return "cd";
}

static char *drive_path(void *opaque)
{
    return g_strdup("/machine/peripheral/cd");
}

static const BlockDevOps drive_ops = {
    .change_media = change_media, .eject_request = eject_request, .is_tray_open = is_open, .is_medium_locked = is_locked,
    .resized = resized, .drained_begin = drained_begin, .drained_end = drained_end, .dev_id = drive_id, .dev_path = drive_path,
};

static BlockBackend *backend(int64_t size)
{
    QDict *options = qdict_new();

    qdict_put_str(options, "driver", "null-co");
    qdict_put_int(options, "size", size);
    return blk_open(NULL, NULL, options, BDRV_O_RDWR, &error_abort);
}

static void test_device(void)
{
    BlockBackend *blk = backend(1 << 20);
    Error *err = NULL;
    Drive d = { 0 }, other = { 0 };
    g_autofree char *id = NULL;

    g_assert_cmpint(blk_attach_dev(blk, &drive_ops, &d), ==, 0);
    g_assert_cmpint(blk_attach_dev(blk, &drive_ops, &other), ==, -EBUSY);
    id = blk_get_attached_dev_id(blk);
    g_assert_cmpstr(id, ==, "cd");
    g_assert_true(blk_by_qdev_id("cd", &error_abort) == blk);
    g_assert_true(blk_by_qdev_id("/machine/peripheral/cd", &error_abort) == blk);
    g_assert_null(blk_by_qdev_id("nope", &err));
    g_assert_cmpint(error_get_class(err), ==, ERROR_CLASS_DEVICE_NOT_FOUND);
    error_free(err);
    bdrv_drained_begin(blk_bs(blk));
    bdrv_drained_begin(blk_bs(blk));
    g_assert_cmpint(d.drains, ==, 1);
    bdrv_drained_end(blk_bs(blk));
    bdrv_drained_end(blk_bs(blk));
    g_assert_cmpint(d.drains, ==, 0);
    bdrv_set_length(blk_bs(blk), 2 << 20);
    g_assert_cmpint(d.resizes, ==, 1);
    blk_detach_dev(blk, &d);
    g_assert_null(blk_get_attached_dev(blk));
    blk_unref(blk);
}

static void test_tray(void)
{
    BlockBackend *blk = backend(1 << 20);
    Drive d = { 0 };

    g_assert_true(blk_dev_has_removable_media(blk));
    g_assert_false(blk_dev_has_tray(blk));
    blk_attach_dev(blk, &drive_ops, &d);
    g_assert_true(blk_dev_has_tray(blk));
    g_assert_true(blk_is_available(blk));
    blk_dev_change_media(blk, false, &error_abort);
    expect_events("DEVICE_TRAY_MOVED ");
    g_assert_false(blk_is_available(blk));
    g_assert_cmpint(blk_flush(blk), ==, -ENOMEDIUM);
    blk_dev_change_media(blk, false, &error_abort);
    expect_events("");
    blk_dev_change_media(blk, true, &error_abort);
    expect_events("DEVICE_TRAY_MOVED ");
    g_assert_cmpint(d.loads, ==, 1);
    blk_eject(blk, true);
    expect_events("DEVICE_TRAY_MOVED ");
    d.locked = true;
    g_assert_true(blk_dev_is_medium_locked(blk));
    blk_dev_eject_request(blk, false);
    g_assert_cmpint(d.ejects, ==, 1);
    blk_detach_dev(blk, &d);
    blk_unref(blk);
}

/* --- errors ------------------------------------------------------------------------------------ */

static int stops;

static void count_stop(void)
{
    g_assert_nonnull(strstr(events->str, "BLOCK_IO_ERROR"));      /* told before the machine stops */
    stops++;
}

static void test_policies(void)
{
    BlockBackend *blk = backend(1 << 20);

    g_assert_cmpint(blk_get_error_action(blk, true, EIO), ==, BLK_ERROR_ACTION_REPORT);
    g_assert_cmpint(blk_get_error_action(blk, false, EIO), ==, BLK_ERROR_ACTION_REPORT);
    g_assert_cmpint(blk_get_error_action(blk, false, ENOSPC), ==, BLK_ERROR_ACTION_STOP);
    blk_set_on_error(blk, BLK_ON_ERROR_IGNORE, BLK_ON_ERROR_STOP);
    g_assert_cmpint(blk_get_error_action(blk, true, EIO), ==, BLK_ERROR_ACTION_IGNORE);
    g_assert_cmpint(blk_get_error_action(blk, false, EIO), ==, BLK_ERROR_ACTION_STOP);
    blk_set_vm_stop_hook(NULL, count_stop);
    g_assert_false(blk_iostatus_is_enabled(blk));
    blk_iostatus_enable(blk);
    g_assert_true(blk_iostatus_is_enabled(blk));
    blk_error_action(blk, BLK_ERROR_ACTION_REPORT, true, EIO);
    g_assert_cmpint(blk_iostatus(blk), ==, BLK_IO_STATUS_OK);
    blk_error_action(blk, BLK_ERROR_ACTION_STOP, false, ENOSPC);
    g_assert_cmpint(stops, ==, 1);
    g_assert_cmpint(blk_iostatus(blk), ==, BLK_IO_STATUS_NOSPACE);
    expect_events("BLOCK_IO_ERROR BLOCK_IO_ERROR ");
    blk_iostatus_reset(blk);
    g_assert_cmpint(blk_iostatus(blk), ==, BLK_IO_STATUS_OK);
    blk_set_on_error(blk, BLK_ON_ERROR_REPORT, BLK_ON_ERROR_REPORT);
    g_assert_false(blk_iostatus_is_enabled(blk));                  /* nothing can stop: nothing to show */
    blk_unref(blk);
}

/* --- limits ---------------------------------------------------------------------------------- */

static void test_limits(void)
{
    BlockBackend *a = backend(1 << 20), *b = backend(1 << 20);
    ThrottleConfig c, got;
    char buf[4096] = { 0 };

    throttle_config_init(&c);
    c.limit[THROTTLE_BPS_WRITE].avg = 1000000000;
    g_assert_null(blk_io_limits_group(a));
    blk_io_limits_enable(a, "g");
    blk_io_limits_enable(b, "g");
    blk_set_io_limits(a, &c);
    blk_get_io_limits(b, &got);
    g_assert_cmpuint(got.limit[THROTTLE_BPS_WRITE].avg, ==, 1000000000);
    g_assert_cmpint(blk_pwrite(a, 0, sizeof(buf), buf, 0), ==, 0);
    blk_io_limits_update_group(b, "h");
    g_assert_cmpstr(blk_io_limits_group(b), ==, "h");
    g_assert_nonnull(throttle_group_find("h"));
    blk_io_limits_disable(b);
    g_assert_null(throttle_group_find("h"));
    blk_remove_bs(a);                                              /* without a medium the membership stays */
    blk_io_limits_update_group(a, "i");
    g_assert_cmpstr(blk_io_limits_group(a), ==, "i");
    blk_unref(a);
    blk_unref(b);
    g_assert_null(throttle_group_find("i"));
}

/* --- statistics ------------------------------------------------------------------------------- */

static void test_statistics(void)
{
    BlockAcctStats *s = block_acct_new();
    const uint64_t rising[] = { 10, 1000000000000 }, falling[] = { 5, 4 }, zero[] = { 0, 4 };
    g_autofree uint64_t *boundaries = NULL, *bins = NULL, *none1 = NULL, *none2 = NULL;
    BlockAcctInterval iv;
    BlockAcctCookie c;
    BlockAcctTotals t;

    g_assert_cmpint(block_acct_set_histogram(s, BLOCK_ACCT_READ, falling, 2), ==, -EINVAL);
    g_assert_cmpint(block_acct_set_histogram(s, BLOCK_ACCT_READ, zero, 2), ==, -EINVAL);
    g_assert_cmpint(block_acct_get_histogram(s, BLOCK_ACCT_READ, &none1, &none2), ==, -1);
    g_assert_cmpint(block_acct_set_histogram(s, BLOCK_ACCT_READ, rising, 2), ==, 0);
    block_acct_add_interval(s, 60);
    g_assert_false(block_acct_get_interval(s, 1, &iv));
    for (int i = 0; i < 3; i++) {
        block_acct_start(s, &c, 512, BLOCK_ACCT_READ);
        c.start_ns -= 1000000;
        i == 2 ? block_acct_failed(s, &c) : block_acct_done(s, &c);
        block_acct_done(s, &c);                                    /* the second end counts nothing */
    }
    block_acct_get(s, &t);
    g_assert_cmpuint(t.ops[BLOCK_ACCT_READ], ==, 2);
    g_assert_cmpuint(t.bytes[BLOCK_ACCT_READ], ==, 1024);
    g_assert_cmpuint(t.failed[BLOCK_ACCT_READ], ==, 1);
    g_assert_cmpuint(t.total_ns[BLOCK_ACCT_READ], >=, 3000000);
    g_assert_cmpint(block_acct_get_histogram(s, BLOCK_ACCT_READ, &boundaries, &bins), ==, 2);
    g_assert_cmpuint(bins[0], ==, 0);
    g_assert_cmpuint(bins[1], ==, 3);
    g_assert_true(block_acct_get_interval(s, 0, &iv));
    g_assert_cmpuint(iv.seconds, ==, 60);
    g_assert_cmpuint(iv.min_ns[BLOCK_ACCT_READ], >=, 1000000);
    g_assert_cmpuint(iv.max_ns[BLOCK_ACCT_READ], >=, iv.avg_ns[BLOCK_ACCT_READ]);
    g_assert_cmpuint(iv.avg_ns[BLOCK_ACCT_WRITE], ==, 0);
    block_acct_clear_histograms(s);
    block_acct_free(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    aio_init_main();
    bdrv_init();
    events = g_string_new(NULL);
    qapi_event_set_emitter(note_event);
    g_test_add_func("/backend/device", test_device);
    g_test_add_func("/backend/tray", test_tray);
    g_test_add_func("/backend/policies", test_policies);
    g_test_add_func("/backend/limits", test_limits);
    g_test_add_func("/backend/statistics", test_statistics);
    return g_test_run();
}
