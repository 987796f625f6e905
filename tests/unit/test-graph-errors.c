/*
 * Proves that the graph stays as it was when a change of it is refused or fails half-way, and says why: backing links, replacing,
 * chains held by jobs, names, reopening, probing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "memdisk.h"
#include "util/cutils.h"

#define DISK(name) "{'driver':'mem','node-name':'" name "'}"
#define IMAGE(name) "{'driver':'image','node-name':'" name "','file':{'driver':'mem'}}"
#define OVER(name, below) "{'driver':'image','node-name':'" name "','file':{'driver':'mem'},'backing':" below "}"

/* --- an image format that refuses on demand ------------------------------------------------------ */

static struct {
    int change, empty, list, commit_order, prepare;
    bool limits, mute, specific;
    uint32_t align;
    char named[64];                    /* the last backing name that was written */
} world;

static const OptDesc image_options[] = {
    { "below", OPT_STRING, "backing name as if from a header", NULL }, { "form", OPT_STRING, "and its format", NULL },
    { "mode", OPT_NUMBER, "may change", "1" }, { "size", OPT_SIZE, "may not", NULL }, { NULL }
};
static const char *const image_strong[] = { "size", NULL };
static const char *const image_fixed[] = { "size", NULL };
static const char *const image_mutable[] = { "mode", NULL };

static int image_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    const char *below = opt_get_str(options, "below"), *form = opt_get_str(options, "form");

    if (below) {
        g_free(bs->backing_file);
        bs->backing_file = g_strdup(below);
        g_free(bs->backing_format);
        bs->backing_format = g_strdup(form ? form : "");
        g_free(bs->auto_backing_file);
        bs->auto_backing_file = g_strdup(below);
    }
    return world.mute ? -EIO : bdrv_open_file_child(NULL, bs->options, bs, errp);
}

static int image_change(BlockDriverState *bs, const char *file, const char *fmt)
{
    g_strlcpy(world.named, file ? file : "-", sizeof(world.named));
    return world.change;
}

static void image_limits(BlockDriverState *bs, Error **errp)
{
    if (world.limits) {
        error_setg(errp, "no limits");
    }
    bs->bl.request_alignment = world.align;
}

static int image_prepare(BdrvReopenState *rs, Error **errp) { return world.prepare; }
static int image_empty(BlockDriverState *bs) { return world.empty; }
static int image_take(BlockDriverState *bs, QEMUSnapshotInfo *sn, Error **errp) { return -EIO; }
static int image_list(BlockDriverState *bs, QEMUSnapshotInfo **out) { return world.list; }
static int64_t image_length(BlockDriverState *bs) { return bdrv_getlength(bs->file->bs); }

static QDict *image_specific(BlockDriverState *bs, Error **errp)
{
    if (!world.specific) {
        error_setg(errp, "nothing to tell");
        return NULL;
    }
    return qdict_new();
}

static int coroutine_fn image_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo, BdrvRequestFlags flags)
{
    return bdrv_read(bs->file, offset, bytes, qiov, qo, flags);
}

static int coroutine_fn image_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes, int64_t *pnum,
                                     int64_t *map, BlockDriverState **file)
{
    *pnum = bytes;                     /* nothing of it is here */
    return 0;
}

static const BlockDriver image = {
    .name = "image", .is_format = true, .supports_backing = true, .open_options = image_options, .strong_options = image_strong,
    .fixed_options = image_fixed, .mutable_options = image_mutable, .open = image_open, .change_backing_file = image_change,
    .refresh_limits = image_limits, .reopen_prepare = image_prepare, .make_empty = image_empty, .snapshot_list = image_list,
    .snapshot_create = image_take,
    .get_specific_info = image_specific, .getlength = image_length, .co_read = image_read, .co_block_status = image_status,
};
/* One that has no backing file, and cannot be reopened, emptied or told another one. */
static const BlockDriver plain = { .name = "plain", .is_format = true, .open = image_open, .open_options = image_options, .getlength = image_length };
/* A filter that must stay where it is. */
static const BlockDriver stubborn = { .name = "stubborn", .is_filter = true, .never_freeze = true, .open = image_open };

static void reset(void)
{
    memset(&world, 0, sizeof(world));
    world.align = 1;
    world.specific = true;
}

static BlockDriverState *open_node(const char *json, int flags)
{
    return bdrv_open(NULL, NULL, json_parse(json, &error_abort), flags, &error_abort);
}

static BlockDriverState *node(const char *name) { return bdrv_find_node(name); }

/* --- backing links ----------------------------------------------------------------------------------- */

static void test_backing_refused(void)
{
    BlockDriverState *top = open_node(OVER("top", IMAGE("low")), BDRV_O_RDWR), *other = open_node(DISK("other"), BDRV_O_RDWR);
    BlockBackend *user = blk_new_with_bs(top, BLK_PERM_CONSISTENT_READ, 0, &error_abort);
    BlockBackend *alone = blk_new_with_bs(other, 0, 0, &error_abort);
    BlockDriverState *low = node("low");
    Error *err = NULL;

    reset();
    /* What is there stays when the new one is refused. */
    g_assert_cmpint(bdrv_set_backing_hd(top, other, &err), <, 0);
    g_assert_nonnull(strstr(error_get_pretty(err), "Permission conflict on node 'other'"));
    g_clear_pointer(&err, error_free);
    g_assert_true(top->backing->bs == low);
    g_assert_cmpint(bdrv_set_backing_hd(low, top, &err), <, 0);
    mem_said(&err, "Making 'top' a backing child of 'low' would create a cycle");
    g_assert_null(low->backing);
    g_assert_cmpint(bdrv_set_backing_hd(other, low, &err), ==, -EINVAL);
    mem_said(&err, "Driver 'mem' of node 'other' does not support backing files");
    g_assert_cmpint(bdrv_freeze_chain(top, low, &error_abort), ==, 0);
    g_assert_cmpint(bdrv_set_backing_hd(top, NULL, &err), ==, -EPERM);
    mem_said(&err, "Cannot change frozen 'backing' link from 'top' to 'low'");
    bdrv_unfreeze_chain(top, low);
    blk_unref(alone);
    g_assert_cmpint(bdrv_set_backing_hd(top, other, &error_abort), ==, 0);
    g_assert_true(top->backing->bs == other);
    g_assert_null(node("low"));
    BlockDriverState *over = open_node(OVER("over", "'top'"), 0);
    g_assert_cmpint(bdrv_set_backing_hd(top, over, &err), <, 0);
    mem_said(&err, "Making 'over' a backing child of 'top' would create a cycle");
    g_assert_true(top->backing->bs == other);
    bdrv_unref(over);
    g_assert_cmpint(bdrv_set_backing_hd(top, NULL, &error_abort), ==, 0);
    g_assert_null(top->backing);
    blk_unref(user);
    bdrv_unref(top);
    bdrv_unref(other);
}

static void test_backing_names(void)
{
    BlockDriverState *bs;
    Error *err = NULL;
    QDict *options;
    char *name;

    reset();
    g_assert_null(bdrv_full_backing_from("a", "", &error_abort));
    g_assert_null(bdrv_full_backing_from("", "b", &err));
    mem_said(&err, "Cannot use relative backing file names for ''");
    g_assert_null(bdrv_full_backing_from("json:{}", "b", &err));
    mem_said(&err, "Cannot use relative backing file names for 'json:{}'");
    name = bdrv_full_backing_from("/x/a", "nbd:b", &error_abort);
    g_assert_cmpstr(name, ==, "nbd:b");
    g_free(name);

    bs = open_node("{'driver':'image','below':'rel','file':{'driver':'mem'},'backing':null}", 0);
    g_assert_null(bdrv_get_full_backing_filename(bs, &err));
    mem_said(&err, "Cannot generate a base directory for mem nodes");
    g_assert_cmpint(bdrv_open_backing_file(bs, NULL, "backing", &err), ==, -EINVAL);
    mem_said(&err, "Cannot generate a base directory for mem nodes");
    g_assert_cmpint(bdrv_change_backing_file(bs, "new", "", true), ==, -EINVAL);
    world.change = -EIO;
    g_assert_cmpint(bdrv_change_backing_file(bs, "new", "", false), ==, -EIO);
    g_assert_cmpstr(bs->backing_file, ==, "rel");
    world.change = 0;
    g_assert_cmpint(bdrv_change_backing_file(bs, NULL, "raw", true), ==, 0);
    g_assert_cmpstr(bs->backing_file, ==, "");
    g_assert_cmpint(bdrv_open_backing_file(bs, NULL, "backing", &error_abort), ==, 0);
    g_assert_null(bs->backing);
    options = json_parse("{'backing.driver':'mem','backing.node-name':'b'}", &error_abort);
    g_assert_cmpint(bdrv_open_backing_file(bs, options, "backing", &error_abort), ==, 0);
    qobject_unref(options);
    g_assert_true(bs->backing->bs == node("b"));
    g_assert_cmpint(bdrv_open_backing_file(bs, NULL, "backing", &error_abort), ==, 0);         /* there already */
    bdrv_unref(bs);

    bs = open_node("{'driver':'plain','file':{'driver':'mem'}}", 0);
    options = json_parse("{'backing':'x'}", &error_abort);
    g_assert_cmpint(bdrv_open_backing_file(bs, options, "backing", &err), ==, -EINVAL);
    qobject_unref(options);
    mem_said(&err, "Driver doesn't support backing files");
    g_assert_cmpint(bdrv_change_backing_file(bs, "x", "raw", true), ==, -ENOTSUP);
    bdrv_unref(bs);
    mem_open_fails("{'driver':'image','below':'/nowhere/x','form':'nosuch','file':{'driver':'mem'}}", 0,
                   "Could not open backing file: Unknown driver 'nosuch'");
}

/* --- chains that jobs hold, filters that they put there ------------------------------------------------- */

static void test_frozen(void)
{
    BlockDriverState *top = open_node(OVER("top", OVER("mid", "{'driver':'stubborn','node-name':'f','file':" IMAGE("low") "}")), 0);
    Error *err = NULL;

    reset();
    g_assert_cmpint(bdrv_freeze_chain(top, NULL, &err), ==, -EPERM);
    mem_said(&err, "Cannot freeze 'backing' link to 'f'");
    g_assert_false(top->backing->frozen);                                  /* none, when not all */
    g_assert_cmpint(bdrv_freeze_chain(top, node("mid"), &error_abort), ==, 0);
    g_assert_cmpint(bdrv_freeze_chain(top, node("mid"), &err), ==, -EPERM);
    mem_said(&err, "Cannot change 'backing' link from 'top' to 'mid'");
    g_assert_cmpint(bdrv_replace_child_bs(top->backing, node("low"), &err), ==, -EPERM);
    mem_said(&err, "Cannot change 'backing' link to 'mid'");
    bdrv_unfreeze_chain(top, node("mid"));
    g_assert_cmpint(bdrv_replace_child_bs(top->backing, node("mid"), &error_abort), ==, 0);
    g_assert_true(bdrv_find_overlay(top, node("mid")) == top);
    g_assert_true(bdrv_find_overlay(top, NULL) == node("low"));
    g_assert_null(bdrv_find_overlay(node("low"), top));
    g_assert_false(bdrv_is_root_node(node("mid")));
    g_assert_true(bdrv_is_root_node(top));
    bdrv_unref(top);
}

static void test_insert_refused(void)
{
    BlockDriverState *bs = open_node(DISK("m"), BDRV_O_RDWR);
    BlockBackend *user = blk_new_with_bs(bs, BLK_PERM_WRITE, BLK_PERM_CONSISTENT_READ, &error_abort);
    Error *err = NULL;

    reset();
    g_assert_null(bdrv_insert_node(bs, json_parse("{'driver':'nosuch'}", &error_abort), BDRV_O_RDWR, &err));
    mem_said(&err, "Could not create node: Unknown driver 'nosuch'");
    g_assert_null(bdrv_insert_node(bs, json_parse("{'driver':'stubborn','file':'m'}", &error_abort), 0, &err));
    mem_said(&err, "Could not replace node: Block node is read-only");
    g_assert_true(blk_bs(user) == bs);
    g_assert_null(bdrv_new_internal_node(&stubborn, "m", 0, &err));
    mem_said(&err, "Duplicate nodes with node-name='m'");
    g_assert_null(bdrv_new_internal_node(&stubborn, "1x", 0, &err));
    mem_said(&err, "Invalid node-name: '1x'");
    g_assert_null(bdrv_new_internal_node(&stubborn, "a23456789012345678901234567890123", 0, &err));
    mem_said(&err, "Node name too long");
    blk_unref(user);
    bdrv_unref(bs);
}

/* An overlay notes who is below it now; one that cannot be written, or does not want to, is told of. */
static void test_drop_intermediate(void)
{
    BlockDriverState *top = open_node(OVER("top", OVER("mid", IMAGE("low"))), BDRV_O_RDWR);
    BlockDriverState *other = open_node(IMAGE("other"), BDRV_O_RDWR);

    reset();
    g_assert_cmpint(bdrv_drop_intermediate(node("mid"), other, NULL), ==, -EIO);
    g_assert_cmpint(bdrv_drop_intermediate(node("mid"), node("low"), "deep"), ==, 0);
    g_assert_cmpstr(world.named, ==, "deep");
    g_assert_true(top->backing->bs == node("low"));
    g_assert_null(node("mid"));
    bdrv_unref(top);
    top = open_node(OVER("top", OVER("mid", IMAGE("low"))), 0);
    g_assert_cmpint(bdrv_drop_intermediate(node("mid"), node("low"), NULL), ==, 0);     /* written for a moment */
    g_assert_true(g_str_has_prefix(world.named, "json:{"));
    g_assert_true(top->read_only);
    bdrv_unref(top);
    top = open_node(OVER("top", OVER("mid", IMAGE("low"))), 0);
    world.prepare = -EIO;
    g_assert_cmpint(bdrv_drop_intermediate(node("mid"), node("low"), NULL), <, 0);
    world.prepare = 0;
    bdrv_unref(top);
    top = open_node(OVER("top", OVER("mid", IMAGE("low"))), BDRV_O_RDWR);
    world.change = -ENOSPC;
    g_assert_cmpint(bdrv_drop_intermediate(node("mid"), node("low"), NULL), ==, -ENOSPC);
    bdrv_unref(top);
    bdrv_unref(other);
}

static void test_append_refused(void)
{
    BlockDriverState *base = open_node(IMAGE("base"), BDRV_O_RDWR), *top = open_node("{'driver':'image','node-name':'top','file':{'driver':'mem'}}", 0);
    BlockBackend *user = blk_new_with_bs(base, BLK_PERM_WRITE, BLK_PERM_ALL, &error_abort);
    Error *err = NULL;

    reset();
    g_assert_cmpint(bdrv_append(top, base, &err), <, 0);
    g_clear_pointer(&err, error_free);
    g_assert_null(top->backing);
    g_assert_true(blk_bs(user) == base);
    g_assert_cmpint(bdrv_replace_child_bs(blk_root(user), top, &err), <, 0);
    mem_said(&err, "Block node is read-only");
    g_assert_true(blk_bs(user) == base);
    blk_unref(user);
    bdrv_unref(top);
    bdrv_unref(base);
}

static void test_blockers(void)
{
    BlockDriverState *top = open_node(OVER("top", IMAGE("low")), 0);
    Error *err = NULL;

    reset();
    g_assert_true(bdrv_op_is_blocked(node("low"), BLOCK_OP_RESIZE, &err));
    mem_said(&err, "Node 'low' is busy: node is used as backing hd of 'top'");
    g_assert_false(bdrv_op_is_blocked(node("low"), BLOCK_OP_STREAM, &error_abort));
    g_assert_false(bdrv_op_is_blocked(node("low"), BLOCK_OP_COMMIT_TARGET, &error_abort));
    g_assert_false(bdrv_op_is_blocked(node("low"), BLOCK_OP_BACKUP_SOURCE, &error_abort));
    g_assert_false(bdrv_op_is_blocked(node("low"), BLOCK_OP_BACKUP_TARGET, &error_abort));
    g_assert_false(bdrv_op_is_blocked(node("low")->file->bs, BLOCK_OP_RESIZE, &error_abort));
    bdrv_unref(top);
}

/* A user that says nothing of itself, as the one that probes. */
static void test_bare_user(void)
{
    static const BdrvChildOps silent = { 0 }, pinned = { .stay_at_node = true };
    BlockDriverState *bs = open_node(DISK("m"), BDRV_O_RDWR), *other = open_node(DISK("n"), BDRV_O_RDWR);
    BdrvChild *c, *stays;
    Error *err = NULL;

    bdrv_ref(bs);
    c = bdrv_root_attach(bs, "user", &silent, NULL, BLK_PERM_WRITE, 0, &error_abort);
    bdrv_ref(bs);
    stays = bdrv_root_attach(bs, "pin", &pinned, NULL, 0, BLK_PERM_ALL, &error_abort);
    bdrv_drained_begin(bs);
    bdrv_drained_end(bs);
    bdrv_drain_all_begin();
    bdrv_drain_all_end();
    g_assert_cmpstr(bdrv_get_device_name(bs), ==, "");
    g_assert_false(bdrv_is_root_node(bs));
    g_assert_null(blk_new_with_bs(bs, BLK_PERM_WRITE, BLK_PERM_ALL, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "unshared by another user (uses"));
    g_clear_pointer(&err, error_free);
    g_assert_cmpint(bdrv_replace_node(bs, other, &error_abort), ==, 0);
    g_assert_true(c->bs == other && stays->bs == bs);
    bdrv_root_detach(c);
    bdrv_root_detach(stays);
    bdrv_unref(bs);
    bdrv_unref(other);
}

/* --- opening ------------------------------------------------------------------------------------------------ */

static void test_open_refused(void)
{
    BlockDriverState *bs;
    BlockBackend *blk;
    Error *err = NULL;

    reset();
    world.mute = true;
    mem_open_fails("{'driver':'image'}", 0, "Could not open image: Input/output error");
    world.mute = false;
    world.limits = true;
    mem_open_fails(IMAGE("i"), 0, "no limits");
    world.limits = false;
    for (int i = 0; i < 2; i++) {
        world.align = i ? 3 : 1U << 31;
        mem_open_fails(IMAGE("i"), 0, "Driver requires too large request alignment");
    }
    world.align = 1;
    g_assert_null(bdrv_open("mem:x", NULL, json_parse("{'driver':'mem','filename':'y'}", &error_abort), 0, &err));
    mem_said(&err, "Can't specify 'file' and 'filename' options at the same time");
    blk = blk_new(0, BLK_PERM_ALL);
    g_assert_true(blk_set_name(blk, "drive0", &error_abort));
    mem_open_fails("{'driver':'mem','node-name':'drive0'}", 0, "node-name=drive0 is conflicting with a device id");
    g_assert_null(bdrv_lookup_bs("drive0", NULL, &err));
    mem_said(&err, "Device 'drive0' has no medium");
    g_assert_null(bdrv_lookup_bs(NULL, NULL, &err));
    mem_said(&err, "Cannot find device='' nor node-name=''");
    blk_unref(blk);

    bs = open_node("{'driver':'mem','node-name':'m','align':4096,'size':6144}", BDRV_O_RDWR);
    g_assert_null(blk_new_with_bs(bs, BLK_PERM_WRITE, BLK_PERM_ALL, &err));
    mem_said(&err, "Cannot get 'write' permission without 'resize': Image size is not a multiple of request alignment");
    blk = blk_new_with_bs(bs, BLK_PERM_WRITE | BLK_PERM_RESIZE, BLK_PERM_ALL, &error_abort);
    blk_unref(blk);
    g_assert_cmpint(bdrv_apply_auto_read_only(bs, "no writing", &err), ==, -EACCES);
    mem_said(&err, "no writing");
    g_assert_cmpint(bdrv_apply_auto_read_only(bs, NULL, &err), ==, -EACCES);
    mem_said(&err, "Image is read-only");
    bdrv_unref(bs);
    bs = open_node("{'driver':'mem','auto-read-only':true}", BDRV_O_RDWR);
    g_assert_cmpint(bdrv_apply_auto_read_only(bs, NULL, &error_abort), ==, 0);
    g_assert_true(bs->read_only);
    g_assert_cmpint(bdrv_apply_auto_read_only(bs, NULL, &error_abort), ==, 0);
    bdrv_unref(bs);
}

/* A file that cannot be read cannot be probed. */
static void test_probe(void)
{
    BlockDriverState *bs = open_node(DISK("m"), 0);
    MemDisk *m = mem_disk("m");

    reset();
    m->fail[MEM_READ] = -EIO;
    mem_open_fails("{'file':'m'}", 0, "Could not read image for determining its format: Input/output error");
    m->fail[MEM_READ] = 0;
    m->fail[MEM_LENGTH] = -EIO;
    mem_open_fails("{'file':'m'}", 0, "Could not read image for determining its format: Input/output error");
    m->fail[MEM_LENGTH] = 0;
    m->size = 0;
    bdrv_getlength(bs);
    BlockDriverState *raw = open_node("{'file':'m'}", 0);
    g_assert_cmpstr(bdrv_get_format_name(raw), ==, "raw");                 /* an empty one is raw */
    bdrv_unref(raw);
    bdrv_unref(bs);
}

/* --- reopening ------------------------------------------------------------------------------------------------ */

static int reopen_new(const char *name, const char *json, Error **errp)
{
    return bdrv_reopen(node(name), json_parse(json, &error_abort), false, errp);
}

static void test_reopen_refused(void)
{
    BlockDriverState *top, *file = open_node(DISK("m"), BDRV_O_RDWR), *plain_node, *frozen;
    static const struct { const char *json, *message; } cases[] = {
        { "{'driver':'image','node-name':'top','file':'m'}", "backing is missing for 'top'" },
        { "{'driver':'image','node-name':'top','file':'m','backing':'low','size':'3'}", "Cannot change the option 'size'" },
        { "{'driver':'image','node-name':'top','file':'m','backing':'low','mode':'x'}", "Parameter 'mode' expects a number" },
        { "{'driver':'image','node-name':'top','file':'m','backing':'low','discard':'x'}", "Invalid discard option" },
        { "{'driver':'image','node-name':'top','file':'m','backing':'nosuch'}", "Cannot find device='' nor node-name='nosuch'" },
        { "{'driver':'image','node-name':'top','file':'m','backing':'low','other':'x'}", "Cannot change the option 'other'" },
        { "{'driver':'image','node-name':'top','file':null,'backing':'low'}", "Cannot change the option 'file'" },
        { "{'driver':'raw','node-name':'top','file':'m','backing':'low'}", "Cannot change the option 'driver'" },
    };
    BdrvReopenQueue *q;
    Error *err = NULL;

    reset();
    top = open_node("{'driver':'image','node-name':'top','file':'m','mode':2,'backing':" IMAGE("low") "}", BDRV_O_RDWR);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpint(reopen_new("top", cases[i].json, &err), <, 0);
        mem_said(&err, cases[i].message);
        g_assert_true(top->backing->bs == node("low") && top->file->bs == file && !top->read_only);
    }
    world.prepare = -EIO;
    g_assert_cmpint(reopen_new("top", "{'driver':'image','node-name':'top','file':'m','backing':'low'}", &err), ==, -EIO);
    g_assert_true(g_str_has_prefix(error_get_pretty(err), "failed while preparing to reopen image '"));
    g_clear_pointer(&err, error_free);
    world.prepare = 0;
    top->backing->frozen = true;
    g_assert_cmpint(reopen_new("top", "{'driver':'image','node-name':'top','file':'m','backing':null}", &err), <, 0);
    mem_said(&err, "Cannot change frozen 'backing' link from 'top' to 'low'");
    top->backing->frozen = false;
    g_assert_cmpint(reopen_new("top", "{'driver':'image','node-name':'top','file':'m','backing':null,'read-only':true}", &error_abort), ==, 0);
    g_assert_null(top->backing);
    g_assert_true(top->read_only);
    g_assert_false(qdict_has(top->options, "mode"));
    g_assert_cmpint(reopen_new("top", "{'driver':'image','node-name':'top','file':'m','backing':null}", &error_abort), ==, 0);

    plain_node = open_node("{'driver':'plain','node-name':'p','file':" DISK("n") "}", 0);
    g_assert_cmpint(reopen_new("p", "{'driver':'plain','node-name':'p','file':'n'}", &err), ==, -ENOTSUP);
    mem_said(&err, "Block format 'plain' used by node 'p' does not support reopening files");
    frozen = open_node("{'driver':'raw','node-name':'r','file':'n'}", 0);
    g_assert_cmpint(reopen_new("r", "{'driver':'raw','node-name':'r','file':'n','backing':'top'}", &err), <, 0);
    mem_said(&err, "Driver 'raw' of node 'r' does not support backing files");
    g_assert_cmpint(reopen_new("n", "{'driver':'mem','node-name':'n','file':'m'}", &err), <, 0);
    mem_said(&err, "Cannot set file child to format node without file child");
    /* Named twice in a group: the later wish counts. */
    q = bdrv_reopen_queue(NULL, top, json_parse("{'read-only':true}", &error_abort), true);
    q = bdrv_reopen_queue(q, top, json_parse("{'read-only':false}", &error_abort), true);
    g_assert_cmpint(bdrv_reopen_multiple(q, &error_abort), ==, 0);
    g_assert_false(top->read_only);
    q = bdrv_reopen_queue(NULL, top, NULL, true);
    bdrv_reopen_queue_free(q);
    bdrv_reopen_queue_free(NULL);
    bdrv_unref(frozen);
    bdrv_unref(plain_node);
    bdrv_unref(top);
    bdrv_unref(file);
}

static void test_reopen_flush_fails(void)
{
    BlockBackend *blk = mem_open(DISK("m"), BDRV_O_RDWR);
    char byte = 0;
    Error *err = NULL;

    g_assert_cmpint(blk_pwrite(blk, 0, 1, &byte, 0), ==, 0);
    mem_disk("m")->fail[MEM_FLUSH] = -ENOSPC;
    g_assert_cmpint(bdrv_reopen_set_read_only(blk_bs(blk), true, &err), ==, -ENOSPC);
    mem_said(&err, "Error flushing drive: No space left on device");
    g_assert_false(blk_bs(blk)->read_only);
    mem_disk("m")->fail[MEM_FLUSH] = 0;
    blk_unref(blk);
}

/* --- what a node tells ------------------------------------------------------------------------------------------ */

static void test_info(void)
{
    BlockBackend *blk = mem_open("{'driver':'stubborn','node-name':'f','file':" IMAGE("i") "}", BDRV_O_RDWR);
    BlockDriverState *bs = node("i");
    g_autoptr(QObject) info = NULL;
    BdrvCheckResult res = { 0 };
    BlockDriverInfo bdi;
    Error *err = NULL;

    reset();
    g_assert_cmpint(bdrv_get_info(blk_bs(blk), &bdi), ==, -ENOTSUP);
    g_assert_false(bdrv_supports_compressed_writes(blk_bs(blk)));
    g_assert_cmpint(bdrv_check(bs, &res, 0), ==, -ENOTSUP);
    world.empty = -EIO;
    g_assert_cmpint(bdrv_make_empty(blk_bs(blk)->file, &err), ==, -EIO);
    g_assert_true(g_str_has_prefix(error_get_pretty(err), "Failed to empty json:"));
    g_clear_pointer(&err, error_free);
    g_assert_cmpint(bdrv_make_empty(blk_root(blk), &err), ==, -ENOTSUP);
    mem_said(&err, "stubborn does not support emptying images");
    world.list = -EIO;
    g_assert_null(bdrv_query_image_info(bs, &err));
    mem_said(&err, "Can't use snapshots on device 'i': Input/output error");
    world.list = -ENOTSUP;
    info = bdrv_query_image_info(bs, &error_abort);
    g_assert_cmpstr(qdict_get_str(info, "format"), ==, "image");
    g_assert_true(qdict_has(info, "format-specific"));
    world.specific = false;
    g_assert_null(bdrv_query_image_info(bs, &err));
    mem_said(&err, "nothing to tell");
    blk_unref(blk);
}

/* Status through layers: the one below ends before, or does not answer. */
static void test_status_below(void)
{
    BlockDriverState *top = open_node(OVER("top", "{'driver':'mem','node-name':'m','size':65536}"), 0), *file;
    int64_t n;

    reset();
    g_assert_cmpint(bdrv_block_status_above(top, NULL, 0, 1 << 20, &n, NULL, &file, NULL) & (BDRV_BLOCK_DATA | BDRV_BLOCK_ZERO), ==, BDRV_BLOCK_DATA);
    g_assert_cmpint(n, ==, 65536);
    g_assert_cmpint(bdrv_block_status_above(top, NULL, 65536, 1 << 20, &n, NULL, &file, NULL) & (BDRV_BLOCK_DATA | BDRV_BLOCK_ZERO), ==, BDRV_BLOCK_ZERO);
    g_assert_cmpint(n, ==, (1 << 20) - 65536);
    mem_disk("m")->fail[MEM_STATUS] = -EIO;
    g_assert_cmpint(bdrv_block_status_above(top, NULL, 0, 65536, &n, NULL, NULL, NULL), ==, -EIO);
    g_assert_cmpint(bdrv_is_allocated_above(top, NULL, false, 65536, 4096, &n), ==, 1);    /* what the one below leaves is zero, its own */
    bdrv_unref(top);

    /* A filter that does not know: what its file says.  One that still believes in the length that the file had: zeroes. */
    top = open_node("{'driver':'stubborn','file':" DISK("m") "}", 0);
    g_assert_cmpint(bdrv_block_status(top, 4096, 4096, &n, NULL, &file) & (BDRV_BLOCK_DATA | BDRV_BLOCK_ALLOCATED), ==, BDRV_BLOCK_DATA | BDRV_BLOCK_ALLOCATED);
    g_assert_true(file == node("m"));
    mem_disk("m")->size = 4096;
    g_assert_cmpint(bdrv_block_status(top, 8192, 4096, &n, NULL, NULL), ==, BDRV_BLOCK_ZERO | BDRV_BLOCK_ALLOCATED);
    g_assert_cmpint(n, ==, 4096);
    bdrv_unref(top);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    aio_init_main();
    error_init(argv[0]);
    bdrv_init();
    mem_register();
    bdrv_register(&image);
    bdrv_register(&plain);
    bdrv_register(&stubborn);
    reset();
    g_test_add_func("/graph-errors/backing/refused", test_backing_refused);
    g_test_add_func("/graph-errors/backing/names", test_backing_names);
    g_test_add_func("/graph-errors/frozen", test_frozen);
    g_test_add_func("/graph-errors/insert", test_insert_refused);
    g_test_add_func("/graph-errors/drop-intermediate", test_drop_intermediate);
    g_test_add_func("/graph-errors/append", test_append_refused);
    g_test_add_func("/graph-errors/bare-user", test_bare_user);
    g_test_add_func("/graph-errors/blockers", test_blockers);
    g_test_add_func("/graph-errors/open", test_open_refused);
    g_test_add_func("/graph-errors/probe", test_probe);
    g_test_add_func("/graph-errors/reopen/refused", test_reopen_refused);
    g_test_add_func("/graph-errors/reopen/flush-fails", test_reopen_flush_fails);
    g_test_add_func("/graph-errors/info", test_info);
    g_test_add_func("/graph-errors/status-below", test_status_below);
    return g_test_run();
}
