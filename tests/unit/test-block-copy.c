/*
 * Proves what copying one node to another does with errors, limits, holes and other copiers: what was not copied stays to be copied,
 * and nobody is told that it is done before it is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "memdisk.h"
#include "block/block-copy.h"
#include "util/cutils.h"

#define SIZE (3 << 20)
#define CLUSTER 65536

typedef struct World {
    BlockBackend *source, *target;
    MemDisk *s, *t;
    BlockCopy *copy;
    int64_t done, remaining;           /* as told */
    bool ended;
} World;

static void told(void *opaque, int64_t done, int64_t remaining)
{
    World *w = opaque;

    w->done += done;
    w->remaining = remaining;
}

static void set_up(World *w)
{
    *w = (World) { 0 };
    w->source = mem_open("{'driver':'mem','node-name':'s','size':3145728}", BDRV_O_RDWR);
    w->target = mem_open("{'driver':'mem','node-name':'t','align':65536,'size':3145728}", BDRV_O_RDWR | BDRV_O_RESIZE);
    w->s = mem_disk("s");
    w->t = mem_disk("t");
    for (int i = 0; i < SIZE; i++) {
        w->s->data[i] = i * 7 + (i >> 11);
    }
    w->copy = block_copy_new(blk_root(w->source), blk_root(w->target), NULL, &error_abort);
    block_copy_set_progress(w->copy, told, w);
    g_assert_cmpint(block_copy_cluster_size(w->copy), ==, CLUSTER);
}

static void tear_down(World *w)
{
    block_copy_free(w->copy);
    blk_unref(w->target);
    blk_unref(w->source);
}

static int64_t left(World *w) { return bdrv_dirty_bitmap_count(block_copy_bitmap(w->copy)); }

static void note_end(void *opaque) { ((World *)opaque)->ended = true; }

/* A call in the background, to its end. */
static int run(World *w, int workers, int64_t max_chunk, bool *error_is_read)
{
    BlockCopyCall *c = block_copy_start(w->copy, 0, 2 * SIZE, workers, max_chunk, note_end, w);
    bool unused;
    int ret;

    while (!block_copy_call_finished(c)) {
        aio_poll(aio_main_context(), true);
    }
    g_assert_true(w->ended);
    ret = block_copy_call_status(c, error_is_read ? error_is_read : &unused);
    block_copy_call_free(c);
    return ret;
}

static void test_all(void)
{
    static const struct { int workers; int64_t chunk; int writes; } cases[] = { { 1, 0, 3 }, { 4, 131072, 24 }, { 2, 1000, 48 } };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        World w;

        set_up(&w);
        g_assert_cmpint(run(&w, cases[i].workers, cases[i].chunk, NULL), ==, 0);
        g_assert_cmpint(w.t->calls[MEM_WRITE], ==, cases[i].writes);
        g_assert_cmpint(memcmp(w.s->data, w.t->data, SIZE), ==, 0);
        g_assert_cmpint(left(&w), ==, 0);
        g_assert_cmpint(w.done, ==, SIZE);
        g_assert_cmpint(w.remaining, ==, 0);
        g_assert_cmpint(run(&w, 1, 0, NULL), ==, 0);           /* nothing to do */
        g_assert_cmpint(w.t->calls[MEM_WRITE], ==, cases[i].writes);
        tear_down(&w);
    }
}

static void test_errors(void)
{
    bool is_read;
    World w;

    set_up(&w);
    w.s->fail[MEM_READ] = -EIO;
    g_assert_cmpint(run(&w, 1, 0, &is_read), ==, -EIO);
    g_assert_true(is_read);
    g_assert_cmpint(left(&w), ==, SIZE);
    w.s->fail[MEM_READ] = 0;
    w.t->fail[MEM_WRITE] = -ENOSPC;
    g_assert_cmpint(run(&w, 4, 65536, &is_read), ==, -ENOSPC);
    g_assert_false(is_read);
    g_assert_cmpint(left(&w), ==, SIZE);
    w.t->fail[MEM_WRITE] = 0;
    w.s->fail[MEM_STATUS] = -EIO;          /* not knowing is no harm */
    g_assert_cmpint(run(&w, 1, 0, NULL), ==, 0);
    g_assert_cmpint(memcmp(w.s->data, w.t->data, SIZE), ==, 0);
    tear_down(&w);
}

typedef struct Look { BlockCopy *copy; int64_t offset, *n; int ret; } Look;

static void coroutine_fn look_entry(void *opaque)
{
    Look *l = opaque;

    l->ret = block_copy_reset_unallocated(l->copy, l->offset, l->n);
}

static int look_ahead(World *w, int64_t offset, int64_t *n)
{
    Look l = { w->copy, offset, n };

    co_run_sync(look_entry, &l);
    return l.ret;
}

/* Zeroes are written as zeroes; what the layer does not have can be left out. */
static void test_holes(void)
{
    int64_t n;
    World w;

    set_up(&w);
    w.s->status = BDRV_BLOCK_ZERO;
    memset(w.s->data, 0, SIZE);
    g_assert_cmpint(run(&w, 1, 0, NULL), ==, 0);
    g_assert_cmpint(w.t->calls[MEM_WRITE], ==, 0);
    g_assert_cmpint(w.t->calls[MEM_ZERO], >, 0);
    tear_down(&w);

    set_up(&w);
    block_copy_set_skip_unallocated(w.copy, true);
    w.s->status = 0;
    w.s->border = 5 * CLUSTER + 100;
    w.s->status_behind = BDRV_BLOCK_DATA;
    g_assert_cmpint(run(&w, 1, 0, NULL), ==, 0);
    g_assert_cmpint(left(&w), ==, 0);
    g_assert_cmpint(w.done, ==, SIZE - 5 * CLUSTER);                   /* the cluster of both kinds is copied */
    g_assert_true(buffer_is_zero(w.t->data, 5 * CLUSTER));
    g_assert_cmpint(memcmp(w.t->data + 5 * CLUSTER, w.s->data + 5 * CLUSTER, SIZE - 5 * CLUSTER), ==, 0);
    tear_down(&w);

    /* Looking ahead: what is not there is forgotten, in whole clusters. */
    set_up(&w);
    w.s->status = 0;
    w.s->border = 5 * CLUSTER + 100;
    w.s->status_behind = BDRV_BLOCK_DATA;
    g_assert_cmpint(look_ahead(&w, 0, &n), ==, 0);
    g_assert_cmpint(n, ==, 5 * CLUSTER);
    g_assert_cmpint(left(&w), ==, SIZE - 5 * CLUSTER);
    g_assert_cmpint(look_ahead(&w, 5 * CLUSTER, &n), ==, 1);
    g_assert_cmpint(n, ==, CLUSTER);
    g_assert_cmpint(look_ahead(&w, 6 * CLUSTER, &n), ==, 1);
    g_assert_cmpint(n, ==, SIZE - 6 * CLUSTER);
    w.s->status = BDRV_BLOCK_DATA;
    w.s->status_behind = 0;
    g_assert_cmpint(look_ahead(&w, 0, &n), ==, 1);
    g_assert_cmpint(n, ==, 6 * CLUSTER);
    w.s->fail[MEM_STATUS] = -EIO;
    g_assert_cmpint(look_ahead(&w, 0, &n), ==, -EIO);
    tear_down(&w);
}

/* The host copies where it can; after its first refusal nobody asks it again, and pieces fit a buffer. */
static void test_host_copies(void)
{
    World w;

    set_up(&w);
    block_copy_set_options(w.copy, true, false);
    g_assert_cmpint(run(&w, 1, 0, NULL), ==, 0);
    g_assert_cmpint(w.t->calls[MEM_COPY], ==, 1);
    g_assert_cmpint(w.t->calls[MEM_WRITE], ==, 0);
    g_assert_cmpint(memcmp(w.s->data, w.t->data, SIZE), ==, 0);
    tear_down(&w);
    set_up(&w);
    block_copy_set_options(w.copy, true, false);
    w.t->fail[MEM_COPY] = -EINVAL;
    g_assert_cmpint(run(&w, 1, 0, NULL), ==, 0);
    g_assert_cmpint(w.t->calls[MEM_COPY], ==, 1);
    g_assert_cmpint(w.t->calls[MEM_WRITE], ==, 3);
    g_assert_cmpint(memcmp(w.s->data, w.t->data, SIZE), ==, 0);
    tear_down(&w);
    set_up(&w);
    block_copy_set_options(w.copy, true, true);
    g_assert_cmpint(run(&w, 1, 0, NULL), ==, -ENOTSUP);                /* this target cannot compress */
    g_assert_cmpint(left(&w), ==, SIZE);
    tear_down(&w);
}

/* A call that sleeps for its limit is woken by a cancel, or by another limit. */
static void test_limit(void)
{
    BlockCopyCall *c;
    World w;

    set_up(&w);
    block_copy_set_speed(w.copy, 1);
    c = block_copy_start(w.copy, 0, SIZE, 1, CLUSTER, NULL, NULL);
    g_assert_false(block_copy_call_finished(c));
    block_copy_call_cancel(c);
    while (!block_copy_call_finished(c)) {
        aio_poll(aio_main_context(), true);
    }
    g_assert_true(block_copy_call_cancelled(c));
    g_assert_cmpint(left(&w), >, 0);
    block_copy_call_free(c);
    block_copy_call_free(NULL);
    c = block_copy_start(w.copy, 0, SIZE, 1, CLUSTER, note_end, &w);
    g_assert_false(block_copy_call_finished(c));
    block_copy_set_speed(w.copy, 0);
    block_copy_kick(c);
    while (!block_copy_call_finished(c)) {
        aio_poll(aio_main_context(), true);
    }
    block_copy_kick(c);
    block_copy_call_free(c);
    g_assert_cmpint(left(&w), ==, 0);
    g_assert_cmpint(memcmp(w.s->data, w.t->data, SIZE), ==, 0);
    tear_down(&w);
}

/* Two who want the same: the second waits for the first, and copies it itself when the first fails. */
typedef struct Second { World *w; int64_t offset; int ret; bool done; } Second;

static void coroutine_fn second_entry(void *opaque)
{
    Second *p = opaque;

    p->ret = block_copy(p->w->copy, p->offset, CLUSTER, true, 0);
    p->done = true;
}

static void test_two(void)
{
    for (int failing = 0; failing < 2; failing++) {
        Second first, second, other, outside;
        World w;

        set_up(&w);
        w.t->hold = true;
        w.t->held_op = MEM_WRITE;
        first = (Second) { &w, 0 };
        second = (Second) { &w, 100 };
        other = (Second) { &w, 10 * CLUSTER };
        outside = (Second) { &w, 2 * SIZE };
        coroutine_enter(coroutine_create(second_entry, &first));
        w.t->hold = false;
        coroutine_enter(coroutine_create(second_entry, &other));
        g_assert_true(other.done && other.ret == 0);
        coroutine_enter(coroutine_create(second_entry, &outside));
        g_assert_true(outside.done && outside.ret == 0);
        coroutine_enter(coroutine_create(second_entry, &second));
        g_assert_false(second.done);
        w.t->fail[MEM_WRITE] = failing ? -EIO : 0;
        mem_release(w.t);
        g_assert_true(first.done && second.done);
        g_assert_cmpint(first.ret, ==, failing ? -EIO : 0);
        g_assert_cmpint(second.ret, ==, first.ret);
        tear_down(&w);
    }
}

static void test_targets(void)
{
    BlockBackend *source = mem_open("{'driver':'mem','node-name':'s'}", BDRV_O_RDWR), *target;
    BlockCopy *copy;
    Error *err = NULL;

    target = mem_open("{'driver':'mem','node-name':'t'}", BDRV_O_RDWR);
    mem_disk("t")->fail[MEM_INFO] = -EIO;
    g_assert_null(block_copy_new(blk_root(source), blk_root(target), NULL, &err));
    g_assert_cmpstr(error_get_hint(err), ==, "Aborting, since this may create an unusable destination image\n");
    mem_said(&err, "Couldn't determine the cluster size of the target image, which has no backing file: Input/output error");
    mem_disk("t")->fail[MEM_INFO] = 0;
    mem_disk("s")->fail[MEM_LENGTH] = -EIO;
    g_assert_null(block_copy_new(blk_root(source), blk_root(target), NULL, &err));
    mem_said(&err, "could not get length of device: Input/output error");
    mem_disk("s")->fail[MEM_LENGTH] = 0;
    blk_bs(source)->bl.max_transfer = 100000;
    blk_bs(target)->bl.max_transfer = 1000;
    copy = block_copy_new(blk_root(source), blk_root(target), NULL, &error_abort);
    g_assert_cmpint(block_copy_cluster_size(copy), ==, CLUSTER);
    block_copy_free(copy);
    block_copy_free(NULL);
    blk_unref(target);
    target = mem_open("{'driver':'bare','node-name':'t'}", BDRV_O_RDWR);       /* no facts at all: a guess, with a warning */
    copy = block_copy_new(blk_root(source), blk_root(target), NULL, &error_abort);
    g_assert_cmpint(block_copy_cluster_size(copy), ==, CLUSTER);
    block_copy_free(copy);
    blk_unref(target);
    blk_unref(source);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    aio_init_main();
    error_init(argv[0]);
    bdrv_init();
    mem_register();
    g_test_add_func("/block-copy/all", test_all);
    g_test_add_func("/block-copy/errors", test_errors);
    g_test_add_func("/block-copy/holes", test_holes);
    g_test_add_func("/block-copy/host-copies", test_host_copies);
    g_test_add_func("/block-copy/limit", test_limit);
    g_test_add_func("/block-copy/two", test_two);
    g_test_add_func("/block-copy/targets", test_targets);
    return g_test_run();
}
