/*
 * Proves the graph's rules on drivers of its own: options and names, permission conflicts and
 * their rollback, replace and append, reopen all-or-nothing, deep chains and loops in them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "block/backend.h"
#include "block/graph.h"
#include "util/cutils.h"

/* --- a protocol without storage, a format over it, a filter ------------------ */

typedef struct Mem {
    int64_t size;
    bool deny_locks, deny_reopen;
    uint64_t locked, lock_shared;
} Mem;

static const OptDesc mem_options[] = {
    { "filename", OPT_STRING, "name", NULL },
    { "size", OPT_SIZE, "bytes", "1048576" },
    { NULL },
};
static const char *const mem_strong[] = { "filename", "size", NULL };
static int mem_closed, mem_committed, mem_aborted;

static int mem_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    Mem *m = bs->opaque;

    m->size = opt_get_size(options, "size", 0);
    if (!strcmp(bs->filename, "missing")) {
        return -ENOENT;
    }
    return 0;
}

static void mem_parse_filename(const char *filename, QDict *options, Error **errp)
{
    const char *rest;

    if (str_has_prefix(filename, "test-mem:", &rest)) {
        qdict_put_str(options, "filename", rest);
    }
}

static void mem_close(BlockDriverState *bs)
{
    mem_closed++;
}

static int64_t mem_getlength(BlockDriverState *bs)
{
    return ((Mem *)bs->opaque)->size;
}

static int mem_check_perm(BlockDriverState *bs, uint64_t perm, uint64_t shared, Error **errp)
{
    Mem *m = bs->opaque;

    if (m->deny_locks && (perm & BLK_PERM_WRITE)) {
        error_setg(errp, "locked elsewhere");
        return -EAGAIN;
    }
    return 0;
}

static void mem_set_perm(BlockDriverState *bs, uint64_t perm, uint64_t shared)
{
    Mem *m = bs->opaque;

    m->locked = perm;
    m->lock_shared = shared;
}

static int mem_reopen_prepare(BdrvReopenState *rs, Error **errp)
{
    if (((Mem *)rs->bs->opaque)->deny_reopen) {
        error_setg(errp, "will not");
        return -EPERM;
    }
    return 0;
}

static void mem_reopen_commit(BdrvReopenState *rs)
{
    mem_committed++;
}

static void mem_reopen_abort(BdrvReopenState *rs)
{
    mem_aborted++;
}

static int mem_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset,
                       BdrvRequestFlags flags)
{
    iov_fill(qiov, qiov_offset, 0, bytes);
    return 0;
}

static const BlockDriver mem_driver = {
    .name = "test-mem", .protocol = "test-mem", .instance_size = sizeof(Mem), .needs_filename = true,
    .image_may_name = true, .image_options = mem_strong, .open_options = mem_options, .strong_options = mem_strong,
    .parse_filename = mem_parse_filename, .open = mem_open, .close = mem_close, .getlength = mem_getlength, .co_read = mem_co_read,
    .check_perm = mem_check_perm, .set_perm = mem_set_perm,
    .reopen_prepare = mem_reopen_prepare, .reopen_commit = mem_reopen_commit, .reopen_abort = mem_reopen_abort,
};

static const OptDesc fmt_options[] = {
    { "below", OPT_STRING, "backing name as if from a header", NULL },
    { NULL },
};

static int fmt_probe(const uint8_t *buf, int buf_size, const char *filename)
{
    return g_str_has_prefix(filename, "fmt") ? 100 : 0;
}

/* An image called fmtN says that its backing file is fmtN-1. */
static int fmt_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    g_autofree char *derived = NULL;
    const char *below = opt_get_str(options, "below");
    int layer, ret = bdrv_open_file_child(NULL, bs->options, bs, errp);

    if (ret == 0 && !below && sscanf(bs->filename, "fmt%d", &layer) == 1 && layer != 0) {
        below = derived = g_strdup_printf("test-mem:fmt%d", layer - 1);
    }
    if (ret == 0 && below) {
        g_free(bs->backing_file);
        bs->backing_file = g_strdup(below);
        g_free(bs->auto_backing_file);
        bs->auto_backing_file = g_strdup(below);
    }
    return ret;
}

static int fmt_reopen_prepare(BdrvReopenState *rs, Error **errp)
{
    return 0;
}

static const BlockDriver fmt_driver = {
    .name = "test-fmt", .is_format = true, .supports_backing = true, .probe = fmt_probe, .open_options = fmt_options,
    .image_may_name = true, .open = fmt_open, .reopen_prepare = fmt_reopen_prepare,
};

static int filter_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    return bdrv_open_file_child(NULL, bs->options, bs, errp);
}

static int empty_filter_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    return 0;
}

static const BlockDriver filter_driver = {
    .name = "test-filter", .is_filter = true, .open = filter_open, .reopen_prepare = fmt_reopen_prepare,
};
static const BlockDriver top_filter_driver = {
    .name = "test-top", .is_filter = true, .open = empty_filter_open, .reopen_prepare = fmt_reopen_prepare,
};

/* --- helpers --------------------------------------------------------------- */

static BlockDriverState *open_json(const char *json, int flags, Error **errp)
{
    QDict *options = json_parse(json, &error_abort);

    return bdrv_open(NULL, NULL, options, flags, errp);
}

static BlockDriverState *open_ok(const char *json, int flags)
{
    return open_json(json, flags, &error_abort);
}

static void assert_open_fails(const char *json, int flags, const char *message)
{
    Error *err = NULL;
    BlockDriverState *bs = open_json(json, flags, &err);

    g_assert_null(bs);
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
}

static void assert_message(Error *err, const char *message)
{
    g_assert_cmpstr(error_get_pretty(err), ==, message);
    error_free(err);
}

static Mem *mem_of(const char *node)
{
    return bdrv_find_node(node)->opaque;
}

#define MEM(name) "{'driver':'test-mem','node-name':'" name "','filename':'" name "'}"

/* --- options and names ------------------------------------------------------- */

static void test_options(void)
{
    BlockDriverState *bs;

    assert_open_fails("{'driver':'nosuch'}", 0, "Unknown driver 'nosuch'");
    assert_open_fails("{}", 0, "Must specify either driver or file");
    assert_open_fails("{'driver':'test-mem'}", 0, "The 'test-mem' block driver requires a file name");
    assert_open_fails("{'driver':'test-mem','filename':'missing'}", 0,
                      "Could not open 'missing': No such file or directory");
    assert_open_fails("{'driver':'test-mem','filename':'a','foo':1}", 0,
                      "Block protocol 'test-mem' doesn't support the option 'foo'");
    assert_open_fails("{'driver':'test-fmt','file':" MEM("m") ",'foo':1}", 0,
                      "Block format 'test-fmt' does not support the option 'foo'");
    assert_open_fails("{'driver':'test-fmt'}", 0, "A block device must be specified for \"file\"");
    assert_open_fails("{'driver':'test-fmt','file':'nosuch'}", 0,
                      "Cannot find device='nosuch' nor node-name='nosuch'");
    assert_open_fails("{'driver':'test-mem','filename':'a','discard':'x'}", 0, "Invalid discard option");
    assert_open_fails("{'driver':'test-mem','filename':'a','node-name':'1'}", 0, "Invalid node-name: '1'");
    assert_open_fails("{'driver':'test-fmt','node-name':'x','file':" MEM("x") "}", 0,
                      "Duplicate nodes with node-name='x'");
    assert_open_fails("{'driver':'test-mem','filename':'a','force-share':true}", BDRV_O_RDWR,
                      "force-share=on can only be used with read-only images");
    g_assert_null(bdrv_next_node(NULL));

    bs = open_ok("{'driver':'test-fmt','cache':{'direct':true},'file':" MEM("m") "}", BDRV_O_RDWR);
    g_assert_cmpint(bs->file->bs->open_flags & (BDRV_O_NOCACHE | BDRV_O_RDWR | BDRV_O_UNMAP | BDRV_O_PROTOCOL), ==,
                    BDRV_O_NOCACHE | BDRV_O_RDWR | BDRV_O_UNMAP | BDRV_O_PROTOCOL);
    g_assert_cmpstr(bs->filename, ==, "m");
    bdrv_unref(bs);
}

static void test_names(void)
{
    BlockDriverState *bs;

    bs = open_ok("{'driver':'test-filter','file':" MEM("m") "}", 0);
    g_assert_cmpstr(bs->filename, ==,
                    "json:{\"driver\": \"test-filter\", \"file\": {\"driver\": \"test-mem\", \"filename\": \"m\"}}");
    bdrv_unref(bs);

    bs = open_ok("{'driver':'test-fmt','file':" MEM("m") ",'backing':{'driver':'test-fmt','file':" MEM("b") "}}", 0);
    g_assert_cmpstr(bs->backing->bs->filename, ==, "b");
    g_assert_true(g_str_has_prefix(bs->filename, "json:"));
    g_assert_nonnull(strstr(bs->filename, "\"backing\": {"));
    bdrv_unref(bs);
    g_assert_null(bdrv_next_node(NULL));
}

/* --- permissions ------------------------------------------------------------- */

static void test_perm_conflict(void)
{
    BlockDriverState *bs = open_ok(MEM("m"), BDRV_O_RDWR);
    BlockBackend *a = blk_new_with_bs(bs, BLK_PERM_WRITE, BLK_PERM_CONSISTENT_READ, &error_abort);
    Error *err = NULL;

    g_assert_null(blk_new_with_bs(bs, BLK_PERM_WRITE | BLK_PERM_RESIZE, BLK_PERM_ALL, &err));
    assert_message(err, "Permission conflict on node 'm': permissions 'write, resize' are both required by an unnamed "
                   "block device (uses node 'm' as 'root' child) and unshared by an unnamed block device "
                   "(uses node 'm' as 'root' child).");
    g_assert_cmpuint(mem_of("m")->locked, ==, BLK_PERM_WRITE);

    /* A widened wish that conflicts leaves the old one in force. */
    BlockBackend *b = blk_new_with_bs(bs, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &error_abort);
    err = NULL;
    g_assert_cmpint(blk_set_perm(b, BLK_PERM_WRITE, BLK_PERM_ALL, &err), <, 0);
    error_free(err);
    g_assert_cmpuint(blk_root(b)->perm, ==, BLK_PERM_CONSISTENT_READ);
    g_assert_cmpuint(mem_of("m")->locked, ==, BLK_PERM_WRITE | BLK_PERM_CONSISTENT_READ);
    g_assert_cmpuint(mem_of("m")->lock_shared, ==, BLK_PERM_CONSISTENT_READ);
    blk_unref(a);
    g_assert_cmpint(blk_set_perm(b, BLK_PERM_WRITE, BLK_PERM_ALL, &error_abort), ==, 0);
    g_assert_cmpuint(mem_of("m")->locked, ==, BLK_PERM_WRITE);
    blk_unref(b);
    g_assert_cmpuint(mem_of("m")->locked, ==, 0);
    bdrv_unref(bs);
}

static void test_perm_through_layers(void)
{
    BlockDriverState *bs = open_ok("{'driver':'test-filter','node-name':'f','file':{'driver':'test-fmt','node-name':'q',"
                                   "'file':" MEM("m") ",'backing':" MEM("b") "}}", BDRV_O_RDWR);
    BlockBackend *blk = blk_new_with_bs(bs, BLK_PERM_WRITE | BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &error_abort);
    Error *err = NULL;

    g_assert_cmpuint(bdrv_find_node("q")->file->perm, ==, BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE);
    g_assert_cmpuint(mem_of("m")->lock_shared & BLK_PERM_WRITE, ==, 0);
    g_assert_cmpuint(bdrv_find_node("q")->backing->perm, ==, BLK_PERM_CONSISTENT_READ);
    g_assert_true(bdrv_find_node("b")->read_only);

    g_assert_null(blk_new_with_bs(bdrv_find_node("b"), BLK_PERM_WRITE, BLK_PERM_ALL, &err));
    assert_message(err, "Block node is read-only");
    err = NULL;
    g_assert_null(blk_new_with_bs(bdrv_find_node("m"), BLK_PERM_WRITE, BLK_PERM_ALL, &err));
    assert_message(err, "Permission conflict on node 'm': permissions 'write' are both required by an unnamed block "
                   "device (uses node 'm' as 'root' child) and unshared by node 'q' (uses node 'm' as 'file' child).");
    blk_unref(blk);
    bdrv_unref(bs);
}

/* The driver's refusal comes last and takes everything above back. */
static void test_perm_driver_refuses(void)
{
    BlockDriverState *bs = open_ok("{'driver':'test-filter','file':" MEM("m") "}", BDRV_O_RDWR);
    Error *err = NULL;

    mem_of("m")->deny_locks = true;
    g_assert_null(blk_new_with_bs(bs, BLK_PERM_WRITE, BLK_PERM_ALL, &err));
    assert_message(err, "locked elsewhere");
    g_assert_cmpuint(bs->file->perm, ==, 0);
    g_assert_null(bs->parents);
    bdrv_unref(bs);
    g_assert_null(bdrv_next_node(NULL));
}

/* --- replace, append --------------------------------------------------------- */

static void test_append(void)
{
    BlockDriverState *base = open_ok(MEM("base"), BDRV_O_RDWR);
    BlockBackend *blk = blk_new_with_bs(base, BLK_PERM_WRITE, BLK_PERM_ALL, &error_abort);
    BlockDriverState *top = open_ok("{'driver':'test-top','node-name':'top'}", BDRV_O_RDWR);

    g_assert_cmpint(bdrv_append(top, base, &error_abort), ==, 0);
    g_assert_true(blk_bs(blk) == top);
    g_assert_true(bdrv_filter_child(top)->bs == base);
    g_assert_cmpuint(top->backing->perm, ==, BLK_PERM_WRITE);
    g_assert_true(bdrv_skip_filters(top) == base);
    g_assert_true(bdrv_chain_contains(top, base));

    g_assert_cmpint(bdrv_replace_node(top, base, &error_abort), ==, 0);
    g_assert_true(blk_bs(blk) == base);
    bdrv_unref(top);
    g_assert_null(bdrv_find_node("top"));
    bdrv_unref(base);
    blk_unref(blk);
    g_assert_null(bdrv_next_node(NULL));
}

static void test_replace_rolls_back(void)
{
    BlockDriverState *a = open_ok(MEM("a"), BDRV_O_RDWR), *b = open_ok(MEM("b"), 0);
    BlockBackend *blk = blk_new_with_bs(a, BLK_PERM_WRITE, BLK_PERM_ALL, &error_abort);
    Error *err = NULL;

    g_assert_cmpint(bdrv_replace_node(a, b, &err), <, 0);
    assert_message(err, "Block node is read-only");
    g_assert_true(blk_bs(blk) == a);
    g_assert_cmpuint(mem_of("a")->locked, ==, BLK_PERM_WRITE);
    g_assert_cmpuint(mem_of("b")->locked, ==, 0);

    blk_root(blk)->frozen = true;
    err = NULL;
    g_assert_cmpint(bdrv_replace_node(a, b, &err), <, 0);
    error_free(err);
    blk_unref(blk);
    bdrv_unref(a);
    bdrv_unref(b);
}

static void test_no_cycles(void)
{
    BlockDriverState *low = open_ok("{'driver':'test-fmt','node-name':'low','file':" MEM("m") "}", 0);
    BlockDriverState *high = open_ok("{'driver':'test-fmt','node-name':'high','file':" MEM("n") ",'backing':'low'}", 0);
    Error *err = NULL;

    g_assert_cmpint(bdrv_set_backing_hd(low, high, &err), <, 0);
    assert_message(err, "Making 'high' a backing child of 'low' would create a cycle");
    g_assert_null(low->backing);
    bdrv_unref(high);
    bdrv_unref(low);
}

/* --- reopen -------------------------------------------------------------------- */

static void test_reopen(void)
{
    BlockDriverState *bs = open_ok("{'driver':'test-fmt','node-name':'q','file':" MEM("m") "}", 0);

    mem_committed = mem_aborted = 0;
    g_assert_cmpint(bdrv_reopen_set_read_only(bs, false, &error_abort), ==, 0);
    g_assert_false(bs->read_only);
    g_assert_false(bs->file->bs->read_only);
    g_assert_cmpuint(mem_of("m")->locked & BLK_PERM_WRITE, ==, BLK_PERM_WRITE);
    g_assert_cmpint(mem_committed, ==, 1);
    g_assert_cmpint(bdrv_reopen_set_read_only(bs, true, &error_abort), ==, 0);
    g_assert_true(bs->file->bs->read_only);
    g_assert_cmpuint(mem_of("m")->locked & BLK_PERM_WRITE, ==, 0);
    bdrv_unref(bs);
}

static void test_reopen_rolls_back(void)
{
    BlockDriverState *bs = open_ok("{'driver':'test-fmt','node-name':'q','file':" MEM("m") "}", BDRV_O_RDWR);
    BlockBackend *blk = blk_new_with_bs(bs, BLK_PERM_WRITE, BLK_PERM_ALL, &error_abort);
    QDict *options;
    Error *err = NULL;

    mem_committed = mem_aborted = 0;
    g_assert_cmpint(bdrv_reopen_set_read_only(bs, true, &err), <, 0);
    assert_message(err, "Read-only block node 'q' cannot support read-write users");
    g_assert_false(bs->read_only);
    g_assert_false(bs->file->bs->read_only);
    g_assert_cmpint(mem_committed, ==, 0);
    g_assert_cmpint(mem_aborted, ==, 1);

    mem_of("m")->deny_reopen = true;
    err = NULL;
    g_assert_cmpint(bdrv_reopen_set_read_only(bs, false, &err), <, 0);
    assert_message(err, "will not");
    mem_of("m")->deny_reopen = false;

    options = qdict_new();
    qdict_put_str(options, "node-name", "other");
    err = NULL;
    g_assert_cmpint(bdrv_reopen(bs, options, true, &err), <, 0);
    assert_message(err, "Cannot change the option 'node-name'");
    options = qdict_new();
    qdict_put_str(options, "file.filename", "other");
    err = NULL;
    g_assert_cmpint(bdrv_reopen(bs, options, true, &err), <, 0);
    assert_message(err, "Cannot change the option 'filename'");
    blk_unref(blk);
    bdrv_unref(bs);
}

static void test_reopen_other_backing(void)
{
    BlockDriverState *base = open_ok(MEM("base"), 0);
    BlockDriverState *bs = open_ok("{'driver':'test-fmt','node-name':'q','file':" MEM("m") ",'backing':" MEM("b") "}", 0);
    QDict *options = qdict_new();
    Error *err = NULL;

    qdict_put_str(options, "backing", "base");
    g_assert_cmpint(bdrv_reopen(bs, options, true, &error_abort), ==, 0);
    g_assert_true(bs->backing->bs == base);
    g_assert_null(bdrv_find_node("b"));

    options = qdict_new();
    qdict_put_str(options, "backing", "q");
    g_assert_cmpint(bdrv_reopen(bs, options, true, &err), <, 0);
    assert_message(err, "Making 'q' a backing child of 'q' would create a cycle");
    g_assert_true(bs->backing->bs == base);

    options = qdict_new();
    qdict_put_null(options, "backing");
    g_assert_cmpint(bdrv_reopen(bs, options, true, &error_abort), ==, 0);
    g_assert_null(bs->backing);

    /* A refused permission takes the new edge away again. */
    BlockBackend *top = blk_new_with_bs(bs, BLK_PERM_CONSISTENT_READ, 0, &error_abort);
    BlockBackend *alone = blk_new_with_bs(base, 0, 0, &error_abort);
    options = qdict_new();
    qdict_put_str(options, "backing", "base");
    err = NULL;
    g_assert_cmpint(bdrv_reopen(bs, options, true, &err), <, 0);
    error_free(err);
    g_assert_null(bs->backing);
    blk_unref(alone);
    options = qdict_new();
    qdict_put_str(options, "backing", "base");
    g_assert_cmpint(bdrv_reopen(bs, options, true, &error_abort), ==, 0);
    g_assert_true(bs->backing->bs == base);
    blk_unref(top);
    bdrv_unref(bs);
    bdrv_unref(base);
    g_assert_null(bdrv_next_node(NULL));
}

/* --- chains ---------------------------------------------------------------------- */

static void test_chain_by_reference(void)
{
    g_autofree char *name = g_strdup("{'driver':'test-fmt','node-name':'n0','file':" MEM("m0") "}");
    BlockDriverState *bs = open_ok(name, 0), *up;
    int depth = 1;

    for (int i = 1; i <= 40; i++) {
        g_autofree char *json = g_strdup_printf("{'driver':'test-fmt','node-name':'n%d','backing':'n%d','file':"
                                                "{'driver':'test-mem','filename':'m%d'}}", i, i - 1, i);
        up = open_ok(json, 0);
        bdrv_unref(bs);
        bs = up;
    }
    for (up = bs; (up = bdrv_backing_chain_next(up)); depth++) {
        continue;
    }
    g_assert_cmpint(depth, ==, 41);
    bdrv_unref(bs);
    g_assert_null(bdrv_next_node(NULL));
}

/* Each layer named by the one above: opened by a loop, closed from a queue; one more is too many. */
static void test_deep_chain(void)
{
    BlockDriverState *bs = bdrv_open("test-mem:fmt1000", NULL, NULL, 0, &error_abort), *up;
    BlockBackend *blk = blk_new_with_bs(bs, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &error_abort);
    Error *err = NULL;
    int depth = 1;

    for (up = bs; (up = bdrv_backing_chain_next(up)); depth++) {
        continue;
    }
    g_assert_cmpint(depth, ==, 1001);
    g_assert_cmpstr(bs->filename, ==, "fmt1000");
    bdrv_unref(bs);
    mem_closed = 0;
    blk_unref(blk);
    g_assert_cmpint(mem_closed, ==, 1001);
    g_assert_null(bdrv_open("test-mem:fmt1001", NULL, NULL, 0, &err));
    g_assert_true(g_str_has_suffix(error_get_pretty(err), ": Backing chain has more than 1000 links"));
    error_free(err);
}

/* All layers from one nested description: opened by a loop. */
static void test_nested_chain(void)
{
    QDict *options = qdict_new(), *inner = options;
    BlockDriverState *bs;
    int n = 60;

    for (int i = 0; i < n; i++) {
        QDict *file = qdict_new(), *next = qdict_new();

        qdict_put_str(inner, "driver", "test-fmt");
        qdict_put_str(file, "driver", "test-mem");
        qdict_put_str(file, "filename", "x");
        qdict_put(inner, "file", file);
        if (i < n - 1) {
            qdict_put(inner, "backing", next);
            inner = next;
        } else {
            qobject_unref(next);
        }
    }
    bs = bdrv_open(NULL, NULL, options, 0, &error_abort);
    mem_closed = 0;
    bdrv_unref(bs);
    g_assert_cmpint(mem_closed, ==, n);
}

static void test_backing_errors(void)
{
    assert_open_fails("{'driver':'test-fmt','below':'test-mem:missing','file':" MEM("m") "}", 0,
                      "Could not open backing file: Could not open 'missing': No such file or directory");
    assert_open_fails("{'driver':'test-fmt','file':" MEM("m") ",'backing':{'driver':'test-fmt','file':" MEM("n") ","
                      "'backing':{'driver':'test-mem','filename':'missing'}}}", 0,
                      "Could not open backing file: Could not open backing file: "
                      "Could not open 'missing': No such file or directory");
    assert_open_fails("{'driver':'test-filter','file':" MEM("m") ",'backing':" MEM("n") "}", 0,
                      "Driver doesn't support backing files");
    g_assert_null(bdrv_next_node(NULL));
}

/* --- blockers -------------------------------------------------------------------- */

static void test_blockers(void)
{
    BlockDriverState *bs = open_ok(MEM("m"), 0);
    Error *reason = NULL, *err = NULL;

    error_setg(&reason, "a job is at work");
    bdrv_op_block_all(bs, reason);
    bdrv_op_unblock(bs, BLOCK_OP_RESIZE, reason);
    g_assert_false(bdrv_op_is_blocked(bs, BLOCK_OP_RESIZE, &err));
    g_assert_true(bdrv_op_is_blocked(bs, BLOCK_OP_EJECT, &err));
    assert_message(err, "Node 'm' is busy: a job is at work");
    bdrv_op_unblock_all(bs, reason);
    g_assert_false(bdrv_op_is_blocked(bs, BLOCK_OP_EJECT, NULL));
    error_free(reason);
    bdrv_unref(bs);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    aio_init_main();
    bdrv_register(&mem_driver);
    bdrv_register(&fmt_driver);
    bdrv_register(&filter_driver);
    bdrv_register(&top_filter_driver);
    g_test_add_func("/graph/options", test_options);
    g_test_add_func("/graph/names", test_names);
    g_test_add_func("/graph/perm/conflict", test_perm_conflict);
    g_test_add_func("/graph/perm/layers", test_perm_through_layers);
    g_test_add_func("/graph/perm/driver-refuses", test_perm_driver_refuses);
    g_test_add_func("/graph/append", test_append);
    g_test_add_func("/graph/replace-rolls-back", test_replace_rolls_back);
    g_test_add_func("/graph/no-cycles", test_no_cycles);
    g_test_add_func("/graph/reopen", test_reopen);
    g_test_add_func("/graph/reopen-rolls-back", test_reopen_rolls_back);
    g_test_add_func("/graph/reopen-other-backing", test_reopen_other_backing);
    g_test_add_func("/graph/chain/by-reference", test_chain_by_reference);
    g_test_add_func("/graph/chain/deep", test_deep_chain);
    g_test_add_func("/graph/chain/nested", test_nested_chain);
    g_test_add_func("/graph/chain/errors", test_backing_errors);
    g_test_add_func("/graph/blockers", test_blockers);
    return g_test_run();
}
