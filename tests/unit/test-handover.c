/*
 * Proves what nodes do when a disk is handed to another program and taken back (inactivate, activate), and which node below a given
 * one takes snapshots: on drivers of its own that refuse at each point.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "block/backend.h"
#include "block/graph.h"
#include "block/snapshot.h"
#include "util/cutils.h"

/* --- drivers: a store that refuses on demand, a format over it, filters ------------------- */

static struct {
    int inactivate, activate, length, perm;        /* what the store answers; 0: as usual */
    int taken, deleted, gone_to, finished, waits;
    int create, delete, go, list, wait;            /* what the format answers */
    bool mute;                                     /* it gives no reasons */
    int64_t bytes;
} world;

static int store_open(BlockDriverState *bs, QDict *options, int flags, Error **errp) { return 0; }
static int64_t store_length(BlockDriverState *bs) { return world.length ? world.length : world.bytes; }
static int store_inactivate(BlockDriverState *bs) { return world.inactivate; }

static int coroutine_fn store_activate(BlockDriverState *bs, Error **errp)
{
    if (world.activate) {
        error_setg(errp, "the store is not there");
    }
    return world.activate;
}

static int store_check_perm(BlockDriverState *bs, uint64_t perm, uint64_t shared, Error **errp)
{
    if (world.perm && (perm & BLK_PERM_WRITE)) {
        error_setg(errp, "locked elsewhere");
        return world.perm;
    }
    return 0;
}

static int coroutine_fn store_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo, BdrvRequestFlags f)
{
    iov_fill(qiov, qo, 0, bytes);
    return 0;
}

static int coroutine_fn store_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo, BdrvRequestFlags f) { return 0; }

static const BlockDriver store = {
    .name = "store", .protocol = "store", .open = store_open, .getlength = store_length, .has_variable_length = true, .inactivate = store_inactivate,
    .co_activate = store_activate, .check_perm = store_check_perm, .co_read = store_read, .co_write = store_write,
};

static int over_open(BlockDriverState *bs, QDict *options, int flags, Error **errp) { return bdrv_open_file_child(NULL, bs->options, bs, errp); }

static int answer(int ret, const char *text, Error **errp)
{
    if (ret < 0 && !world.mute) {
        error_setg(errp, "%s", text);
    }
    return ret;
}

static int one_create(BlockDriverState *bs, QEMUSnapshotInfo *sn, Error **errp)
{
    world.taken += world.create >= 0;
    return answer(world.create, "will not take", errp);
}

static int one_goto(BlockDriverState *bs, const char *id, Error **errp)
{
    world.gone_to += world.go >= 0;
    world.bytes = world.go >= 0 ? (int64_t)(2 * MiB) : world.bytes;
    return answer(world.go, "will not go", errp);
}

static int one_delete(BlockDriverState *bs, const char *id, const char *name, int64_t *freed, Error **errp)
{
    world.deleted += world.delete >= 0;
    return world.delete >= 0 ? 0 : answer(world.delete, "will not delete", errp);
}

static int one_list(BlockDriverState *bs, QEMUSnapshotInfo **out)
{
    if (world.list < 0) {
        return world.list;
    }
    *out = g_new0(QEMUSnapshotInfo, 2);
    strcpy((*out)[0].id_str, "1");
    strcpy((*out)[0].name, "a");
    strcpy((*out)[1].id_str, "2");
    strcpy((*out)[1].name, "b");
    return 2;
}

/* Takes snapshots in one step. */
static const BlockDriver one_step = {
    .name = "one-step", .is_format = true, .open = over_open, .getlength = store_length, .snapshot_create = one_create, .snapshot_goto = one_goto,
    .snapshot_delete = one_delete, .snapshot_list = one_list,
};

static void *two_prepare(BlockDriverState *bs, QEMUSnapshotInfo *sn) { return &world; }
static void *two_goto_prepare(BlockDriverState *bs, const char *id) { return &world; }
static void two_finish(BlockDriverState *bs, void *p, bool commit) { world.finished += commit ? 1 : 100; }

static int two_wait(BlockDriverState *bs, void *p)
{
    world.waits++;
    return world.wait;
}

/* In two. */
static const BlockDriver two_steps = {
    .name = "two-steps", .is_format = true, .open = over_open, .getlength = store_length, .snapshot_create = one_create, .snapshot_goto = one_goto,
    .snapshot_delete = one_delete, .snapshot_list = one_list, .snapshot_prepare = two_prepare, .snapshot_goto_prepare = two_goto_prepare,
    .snapshot_finish = two_finish, .snapshot_wait = two_wait,
};

/* Can take them, and do nothing with them. */
static const BlockDriver takes_only = { .name = "takes-only", .is_format = true, .open = over_open, .getlength = store_length, .snapshot_create = one_create };
static const BlockDriver plain = { .name = "plain", .is_format = true, .open = over_open, .getlength = store_length, .co_write = store_write };
static const BlockDriver filter = { .name = "sieve", .is_filter = true, .open = over_open };

static void reset(void)
{
    memset(&world, 0, sizeof(world));
    world.bytes = MiB;
}

static BlockBackend *open_over(const char *json, int flags)
{
    return blk_open(NULL, NULL, json_parse(json, &error_abort), flags, &error_abort);
}

static BlockBackend *open_disk(const char *driver)
{
    g_autofree char *json = g_strdup_printf("{\"driver\":\"%s\",\"node-name\":\"disk\",\"file.driver\":\"store\",\"file.node-name\":\"store\"}", driver);

    return open_over(json, BDRV_O_RDWR);
}

static void assert_said(Error **err, const char *text)
{
    g_assert_nonnull(*err);
    g_assert_cmpstr(error_get_pretty(*err), ==, text);
    g_clear_pointer(err, error_free);
}

/* --- handing over --------------------------------------------------------------------------- */

static void test_hand_over(void)
{
    BlockBackend *blk;
    uint8_t buf[512] = { 0 };

    reset();
    blk = open_disk("plain");
    blk_set_force_allow_inactivate(blk);
    g_assert_cmpint(bdrv_inactivate_all(), ==, 0);
    g_assert_cmpint(bdrv_inactivate_all(), ==, 0);         /* again: nothing */
    g_assert_cmphex(bdrv_find_node("store")->open_flags & BDRV_O_INACTIVE, !=, 0);
    g_assert_cmpint(blk_pwrite(blk, 0, sizeof(buf), buf, 0), <, 0);
    bdrv_activate_all(&error_abort);
    bdrv_activate_all(&error_abort);
    g_assert_cmphex(bdrv_find_node("store")->open_flags & BDRV_O_INACTIVE, ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 0, sizeof(buf), buf, 0), ==, 0);
    blk_unref(blk);
}

/* Whoever writes and is no guest's disk holds the nodes. */
static void test_hand_over_refused(void)
{
    BlockBackend *blk;

    reset();
    blk = open_disk("plain");
    g_assert_cmpint(bdrv_inactivate_all(), ==, -EPERM);
    bdrv_activate_all(&error_abort);
    blk_set_force_allow_inactivate(blk);
    world.inactivate = -EIO;
    g_assert_cmpint(bdrv_inactivate_all(), ==, -EIO);
    world.inactivate = 0;
    bdrv_activate_all(&error_abort);
    g_assert_cmpint(bdrv_inactivate_all(), ==, 0);
    bdrv_activate_all(&error_abort);
    blk_unref(blk);
}

static void test_take_back_refused(void)
{
    BlockBackend *blk;
    Error *err = NULL;

    reset();
    blk = open_disk("plain");
    blk_set_force_allow_inactivate(blk);
    g_assert_cmpint(bdrv_inactivate_all(), ==, 0);
    world.activate = -EIO;
    bdrv_activate_all(&err);
    assert_said(&err, "the store is not there");
    g_assert_cmphex(bdrv_find_node("store")->open_flags & BDRV_O_INACTIVE, !=, 0);
    bdrv_activate_all(NULL);               /* nobody wants to know why */
    world.activate = 0;
    world.length = -EIO;
    bdrv_activate_all(&err);
    assert_said(&err, "Could not refresh total sector count: Input/output error");
    world.length = 0;
    world.perm = -EAGAIN;
    bdrv_activate_all(&err);
    assert_said(&err, "locked elsewhere");
    world.perm = 0;
    bdrv_activate_all(&error_abort);
    g_assert_cmphex(bdrv_find_node("disk")->open_flags & BDRV_O_INACTIVE, ==, 0);
    blk_unref(blk);
}

/* --- who takes snapshots -------------------------------------------------------------------- */

static void test_who_takes(void)
{
    static const char below[] = ",\"node-name\":\"disk\",\"file\":{\"driver\":\"one-step\",\"node-name\":\"actor\",\"file\":{\"driver\":\"store\"}}}";
    static const char *const tops[] = { "{\"driver\":\"sieve\"", "{\"driver\":\"plain\"" };
    QEMUSnapshotInfo sn = { .name = "a" };

    for (size_t i = 0; i < G_N_ELEMENTS(tops); i++) {
        g_autofree char *json = g_strconcat(tops[i], below, NULL);
        BlockBackend *blk;

        reset();
        blk = open_over(json, BDRV_O_RDWR);
        g_assert_true(bdrv_can_snapshot(blk_bs(blk)));
        g_assert_true(bdrv_snapshot_node(blk_bs(blk)) == bdrv_find_node("actor"));
        g_assert_cmpint(bdrv_snapshot_create(blk_bs(blk), &sn, &error_abort), ==, 0);
        g_assert_cmpint(bdrv_snapshot_goto(blk_bs(blk), "a", &error_abort), ==, 0);
        g_assert_cmpint(world.taken + world.gone_to, ==, 2);
        world.go = -EIO;
        g_assert_cmpint(bdrv_snapshot_goto(blk_bs(blk), "a", NULL), ==, -EIO);
        blk_unref(blk);
    }
    reset();
    BlockBackend *blk = open_over("{\"driver\":\"one-step\",\"file.driver\":\"store\"}", 0);
    g_assert_false(bdrv_can_snapshot(blk_bs(blk)));        /* nobody may write */
    g_assert_false(bdrv_can_snapshot(NULL));
    blk_unref(blk);
}

static void test_nobody_takes(void)
{
    g_autofree QEMUSnapshotInfo *list = NULL;
    QEMUSnapshotInfo sn = { .name = "a" };
    BdrvSnapshotSizes sizes;
    BlockDriverState *bs;
    BlockBackend *blk;
    Error *err = NULL;

    reset();
    blk = open_disk("plain");
    bs = blk_bs(blk);
    g_assert_false(bdrv_can_snapshot(bs));
    g_assert_cmpint(bdrv_snapshot_list(bs, &list), ==, -ENOTSUP);
    g_assert_cmpint(bdrv_snapshot_sizes(bs, &sizes, 1), ==, -ENOTSUP);
    g_assert_cmpint(bdrv_snapshot_find(bs, &sn, "a"), ==, -ENOTSUP);
    g_assert_false(bdrv_snapshot_find_by_id_and_name(bs, "1", NULL, &sn, &err));
    assert_said(&err, "Failed to get a snapshot list: Operation not supported");
    g_assert_cmpint(bdrv_snapshot_create(bs, &sn, &err), ==, -ENOTSUP);
    assert_said(&err, "Could not create snapshot: Operation not supported");
    g_assert_cmpint(bdrv_snapshot_goto(bs, "a", &err), ==, -ENOTSUP);
    assert_said(&err, "Block driver does not support snapshots");
    g_assert_null(bdrv_snapshot_prepare(bs, &sn, &err));
    assert_said(&err, "Operation not supported");
    g_assert_null(bdrv_snapshot_goto_prepare(bs, "a", &err));
    assert_said(&err, "Block driver does not support snapshots");
    g_assert_cmpint(bdrv_snapshot_delete(bs, NULL, NULL, &err), ==, -EINVAL);
    assert_said(&err, "snapshot_id and name are both NULL");
    g_assert_cmpint(bdrv_snapshot_delete(bs, NULL, "a", &err), ==, -ENOTSUP);
    assert_said(&err, "Block format 'plain' used by device '' does not support internal snapshot deletion");
    g_assert_cmpint(bdrv_snapshot_load_tmp(bs, NULL, NULL, &err), ==, -EINVAL);
    assert_said(&err, "snapshot_id and name are both NULL");
    g_assert_cmpint(bdrv_snapshot_load_tmp(bs, NULL, "a", &err), <, 0);
    g_clear_pointer(&err, error_free);
    blk_unref(blk);

    blk = open_disk("takes-only");
    bs = blk_bs(blk);
    g_assert_cmpint(bdrv_snapshot_create(bs, &sn, &error_abort), ==, 0);
    g_assert_cmpint(bdrv_snapshot_list(bs, &list), ==, -ENOTSUP);
    g_assert_cmpint(bdrv_snapshot_goto(bs, "a", NULL), ==, -ENOTSUP);
    g_assert_cmpint(bdrv_snapshot_delete(bs, "1", NULL, NULL), ==, -ENOTSUP);
    blk_unref(blk);
}

/* Drivers that fail and do not say why. */
static void test_mute(void)
{
    QEMUSnapshotInfo sn = { .name = "a" };
    BlockDriverState *bs;
    BlockBackend *blk;
    Error *err = NULL;

    reset();
    world.mute = true;
    world.create = world.go = world.delete = world.list = -EIO;
    blk = open_disk("one-step");
    bs = blk_bs(blk);
    g_assert_cmpint(bdrv_snapshot_create(bs, &sn, &err), ==, -EIO);
    assert_said(&err, "Could not create snapshot: Input/output error");
    g_assert_cmpint(bdrv_snapshot_goto(bs, "a", &err), ==, -EIO);
    assert_said(&err, "Failed to load snapshot: Input/output error");
    g_assert_cmpint(bdrv_snapshot_delete(bs, "1", NULL, &err), ==, -EIO);
    assert_said(&err, "Could not delete snapshot: Input/output error");
    g_assert_cmpint(bdrv_snapshot_find(bs, &sn, "a"), ==, -EIO);
    g_assert_null(bdrv_snapshot_prepare(bs, &sn, &err));
    assert_said(&err, "Input/output error");
    g_assert_null(bdrv_snapshot_goto_prepare(bs, "a", &err));
    assert_said(&err, "Input/output error");
    blk_unref(blk);
}

static void test_find(void)
{
    QEMUSnapshotInfo sn;
    BlockBackend *blk;

    reset();
    blk = open_disk("one-step");
    g_assert_cmpint(bdrv_snapshot_find(blk_bs(blk), &sn, "b"), ==, 0);
    g_assert_cmpstr(sn.id_str, ==, "2");
    g_assert_cmpint(bdrv_snapshot_find(blk_bs(blk), &sn, "c"), ==, -ENOENT);
    g_assert_true(bdrv_snapshot_find_by_id_and_name(blk_bs(blk), "1", "a", &sn, &error_abort));
    g_assert_true(bdrv_snapshot_find_by_id_and_name(blk_bs(blk), "2", NULL, NULL, &error_abort));
    g_assert_false(bdrv_snapshot_find_by_id_and_name(blk_bs(blk), "1", "b", &sn, &error_abort));
    blk_unref(blk);
}

/* A driver of one step takes it when it is asked to prepare, and takes it back when all is off. */
static void test_one_step(void)
{
    QEMUSnapshotInfo sn = { .name = "a" }, made;
    BdrvSnapshotPrepared *p;
    BlockBackend *blk;

    reset();
    blk = open_disk("one-step");
    p = bdrv_snapshot_prepare(blk_bs(blk), &sn, &error_abort);
    g_assert_cmpint(world.taken, ==, 1);
    bdrv_snapshot_abort(p);
    g_assert_cmpint(world.deleted, ==, 1);
    world.delete = -EIO;                   /* told on stderr: nobody asks for a reason */
    bdrv_snapshot_abort(bdrv_snapshot_prepare(blk_bs(blk), &sn, &error_abort));
    g_assert_cmpint(world.deleted, ==, 1);
    p = bdrv_snapshot_prepare(blk_bs(blk), &sn, &error_abort);
    g_assert_cmpint(bdrv_snapshot_wait(p, &error_abort), ==, 0);
    bdrv_snapshot_commit(p);
    g_assert_cmpint(bdrv_snapshot_finish(p, &made, &error_abort), ==, 0);
    g_assert_cmpstr(made.name, ==, "a");
    p = bdrv_snapshot_goto_prepare(blk_bs(blk), "a", &error_abort);
    g_assert_cmpint(bdrv_snapshot_wait(p, &error_abort), ==, 0);
    bdrv_snapshot_commit(p);
    g_assert_cmpint(bdrv_snapshot_finish(p, NULL, &error_abort), ==, 0);
    g_assert_cmpint(world.gone_to, ==, 1);
    blk_unref(blk);
}

static void test_two_steps(void)
{
    QEMUSnapshotInfo sn = { .name = "a" };
    BdrvSnapshotPrepared *p;
    BlockBackend *blk;
    Error *err = NULL;

    reset();
    blk = open_disk("two-steps");
    bdrv_snapshot_abort(bdrv_snapshot_prepare(blk_bs(blk), &sn, &error_abort));        /* waits itself */
    g_assert_cmpint(world.finished, ==, 100);
    p = bdrv_snapshot_prepare(blk_bs(blk), &sn, &error_abort);
    world.wait = -ENOSPC;
    g_assert_cmpint(bdrv_snapshot_wait(p, &err), ==, -ENOSPC);
    assert_said(&err, "No space left on device");
    bdrv_snapshot_abort(bdrv_snapshot_prepare(blk_bs(blk), &sn, &error_abort));        /* nothing was prepared */
    g_assert_cmpint(world.finished, ==, 100);
    world.wait = 0;
    p = bdrv_snapshot_goto_prepare(blk_bs(blk), "a", &error_abort);
    g_assert_cmpint(bdrv_snapshot_wait(p, &error_abort), ==, 0);
    bdrv_snapshot_commit(p);
    world.wait = -EIO;
    g_assert_cmpint(bdrv_snapshot_finish(p, NULL, &err), ==, -EIO);
    assert_said(&err, "Input/output error");
    world.wait = 0;
    p = bdrv_snapshot_prepare(blk_bs(blk), &sn, &error_abort);
    g_assert_cmpint(bdrv_snapshot_wait(p, &error_abort), ==, 0);
    bdrv_snapshot_commit(p);
    bdrv_snapshot_abort(p);                /* another disk of the group failed: it is taken back */
    g_assert_cmpint(world.deleted, ==, 1);
    blk_unref(blk);
}

int main(int argc, char **argv)
{
    static const BlockDriver *const drivers[] = { &store, &one_step, &two_steps, &takes_only, &plain, &filter };

    aio_init_main();
    bdrv_init();
    for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++) {
        bdrv_register(drivers[i]);
    }
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/handover/there-and-back", test_hand_over);
    g_test_add_func("/handover/refused", test_hand_over_refused);
    g_test_add_func("/handover/back-refused", test_take_back_refused);
    g_test_add_func("/snapshots/who-takes", test_who_takes);
    g_test_add_func("/snapshots/nobody-takes", test_nobody_takes);
    g_test_add_func("/snapshots/mute", test_mute);
    g_test_add_func("/snapshots/find", test_find);
    g_test_add_func("/snapshots/one-step", test_one_step);
    g_test_add_func("/snapshots/two-steps", test_two_steps);
    return g_test_run();
}
