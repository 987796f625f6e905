/*
 * Proves what filters do where a program seldom comes: children that fail or answer late, odd limits, logs that lie.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "memdisk.h"
#include "block/copy-before-write.h"
#include "block/dirty-bitmap.h"
#include "qapi/dispatch.h"
#include "util/cutils.h"

#define WRITABLE (BDRV_O_RDWR | BDRV_O_RESIZE)

static uint8_t buf[128 * 1024];

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

#if defined(__SANITIZE_ADDRESS__)
/* A driver that ends the program in the middle of a test leaves what the test framework holds. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return g_test_subprocess();
}
#endif

/* Run this test in a process of its own; true in there. */
static bool in_subprocess(void)
{
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, 0);
        return false;
    }
    return true;
}

static int reopen(const char *node, const char *json, Error **errp)
{
    return bdrv_reopen(bdrv_find_node(node), json_parse(json, &error_abort), true, errp);
}

/* --- preallocate -------------------------------------------------------------------------- */

#define PREALLOCATE(more) "{'driver':'preallocate','node-name':'p'," more "'file':{'driver':'mem','node-name':'m','size':8192}}"

static void test_preallocate(void)
{
    BlockBackend *blk = mem_open(PREALLOCATE("'prealloc-size':65536,'prealloc-align':4096,"), WRITABLE);
    MemDisk *m = mem_disk("m");
    Error *err = NULL;

    g_assert_cmpint(blk_pwrite(blk, 8192, 512, buf, 0), ==, 0);
    g_assert_cmpint(blk_getlength(blk), ==, 8704);
    g_assert_cmpint(m->size, ==, 77824);
    m->calls[MEM_ZERO] = 0;
    g_assert_cmpint(blk_pwrite_zeroes(blk, 8704, 512, 0), ==, 0);       /* is zero by having been made */
    g_assert_cmpint(m->calls[MEM_ZERO], ==, 0);
    g_assert_cmpint(blk_pwrite_zeroes(blk, 8704, 1024, 0), ==, 0);      /* a part was there before */
    g_assert_cmpint(m->calls[MEM_ZERO], ==, 1);
    g_assert_cmpint(blk_getlength(blk), ==, 9728);

    m->fail[MEM_TRUNCATE] = -EIO;
    g_assert_cmpint(blk_truncate(blk, 16384, true, PREALLOC_OFF, 0, &err), ==, -EIO);
    mem_said(&err, "no other size");
    g_assert_cmpint(blk_set_perm(blk, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &err), <, 0);
    mem_said(&err, "no other size");
    m->fail[MEM_TRUNCATE] = 0;
    g_assert_cmpint(blk_truncate(blk, 16384, true, PREALLOC_OFF, 0, &error_abort), ==, 0);
    g_assert_cmpint(m->size, ==, 16384);

    g_assert_cmpint(blk_pwrite(blk, 16384, 512, buf, 0), ==, 0);
    g_assert_cmpint(blk_truncate(blk, 4096, true, PREALLOC_OFF, 0, &error_abort), ==, 0);
    g_assert_cmpint(blk_getlength(blk), ==, 4096);
    g_assert_cmpint(m->size, ==, 4096);

    g_assert_cmpint(blk_pwrite(blk, 4096, 512, buf, 0), ==, 0);
    g_assert_cmpint(m->size, >, 4608);
    g_assert_cmpint(blk_set_perm(blk, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &error_abort), ==, 0);
    g_assert_cmpint(m->size, ==, 4608);

    g_assert_cmpint(blk_set_perm(blk, BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE, BLK_PERM_ALL, &error_abort), ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 4608, 512, buf, 0), ==, 0);
    g_assert_cmpint(m->size, >, 5120);
    m->fail[MEM_TRUNCATE] = -EIO;
    g_assert_cmpint(bdrv_reopen_set_read_only(blk_bs(blk), true, &err), <, 0);
    mem_said(&err, "no other size");
    m->fail[MEM_TRUNCATE] = 0;
    g_assert_cmpint(bdrv_reopen_set_read_only(blk_bs(blk), true, &err), <, 0);
    mem_said(&err, "Read-only block node 'p' cannot support read-write users");
    blk_set_perm(blk, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &error_abort);
    g_assert_cmpint(bdrv_reopen_set_read_only(blk_bs(blk), true, &error_abort), ==, 0);
    g_assert_cmpint(m->size, ==, 5120);
    blk_unref(blk);
}

/* Without the right to resize nothing grows; where growing fails the write goes on by itself. */
static void test_preallocate_cannot(void)
{
    BlockBackend *blk = mem_open(PREALLOCATE(""), BDRV_O_RDWR);
    MemDisk *m = mem_disk("m");

    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, 0);
    g_assert_cmpint(m->size, ==, 8192);
    g_assert_cmpint(m->calls[MEM_ZERO], ==, 0);
    blk_unref(blk);
    blk = mem_open(PREALLOCATE(""), WRITABLE);
    mem_disk("m")->fail[MEM_LENGTH] = -EIO;
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, 0);
    g_assert_cmpint(mem_disk("m")->calls[MEM_ZERO], ==, 0);
    mem_disk("m")->fail[MEM_LENGTH] = 0;
    blk_unref(blk);

    blk = mem_open(PREALLOCATE("'prealloc-size':65536,"), WRITABLE);
    m = mem_disk("m");
    m->fail[MEM_ZERO] = -ENOSPC;
    g_assert_cmpint(blk_pwrite(blk, 8192, 512, buf, 0), ==, 0);
    g_assert_cmpint(m->size, ==, 8704);
    g_assert_cmpint(blk_getlength(blk), ==, 8704);
    m->fail[MEM_ZERO] = 0;
    blk_unref(blk);
}

static void test_preallocate_close_fails(void)
{
    BlockBackend *blk;

    if (!in_subprocess()) {
        g_test_trap_assert_passed();
        g_test_trap_assert_stderr("*warning: no other size*");
        return;
    }
    blk = mem_open(PREALLOCATE("'prealloc-size':65536,"), WRITABLE);
    g_assert_cmpint(blk_pwrite(blk, 8192, 512, buf, 0), ==, 0);
    mem_disk("m")->fail[MEM_TRUNCATE] = -EIO;
    blk_unref(blk);
}

static void test_preallocate_options(void)
{
    BlockBackend *blk;
    Error *err = NULL;

    mem_open_fails("{'driver':'preallocate','prealloc-align':512,'file':{'driver':'mem','align':4096}}", WRITABLE,
                   "prealloc-align parameter of preallocate filter is not aligned to underlying node request alignment (4096)");
    mem_open_fails(PREALLOCATE("'prealloc-align':2147483648,"), WRITABLE,
                   "prealloc-align and prealloc-size are limited to 1073741824 and 4611686017890516992 bytes");
    mem_open_fails(PREALLOCATE("'prealloc-size':9223372036854775807,"), WRITABLE,
                   "prealloc-align and prealloc-size are limited to 1073741824 and 4611686017890516992 bytes");
    mem_open_fails("{'driver':'preallocate'}", WRITABLE, "A block device must be specified for \"file\"");
    blk = mem_open(PREALLOCATE(""), WRITABLE);
    g_assert_cmpint(reopen("p", "{'prealloc-align':1000}", &err), ==, -EINVAL);
    mem_said(&err, "prealloc-align parameter of preallocate filter is not aligned to 512");
    g_assert_cmpint(reopen("p", "{'prealloc-size':4096,'driver':'raw'}", &err), ==, -EINVAL);
    mem_said(&err, "Cannot change the option 'driver'");
    g_assert_cmpint(reopen("p", "{'prealloc-size':4096,'prealloc-align':4096}", &error_abort), ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 8192, 512, buf, 0), ==, 0);
    g_assert_cmpint(mem_disk("m")->size, ==, 16384);
    blk_unref(blk);
}

/* --- blklogwrites --------------------------------------------------------------------------- */

typedef struct LogHead { uint64_t magic, version, entries; uint32_t sector_size; } __attribute__((packed)) LogHead;
typedef struct LogEntry { uint64_t sector, sectors, flags, length; } LogEntry;
#define LOG_MAGIC 0x6a736677736872ULL

/* The log is a disk that is there already; the filter is asked to go on in it. */
static void append_to_log(const LogHead *head, const LogEntry *first, int64_t log_size, int failing, const char *message)
{
    g_autofree char *json = g_strdup_printf("{'driver':'mem','node-name':'log','size':%" PRId64 "}", log_size);
    BlockDriverState *log = bdrv_open(NULL, NULL, json_parse(json, &error_abort), BDRV_O_RDWR, &error_abort);
    MemDisk *d = mem_disk("log");

    *(LogHead *)d->data = *head;
    if (first) {
        memcpy(d->data + 512, first, sizeof(*first));
    }
    d->fail[MEM_READ] = failing;
    mem_open_fails("{'driver':'blklogwrites','log-append':true,'log':'log','file':{'driver':'mem'}}", BDRV_O_RDWR, message);
    bdrv_unref(log);
}

static void test_log_that_lies(void)
{
    static const LogHead good = { LOG_MAGIC, 1, 1, 512 };
    static const struct { LogHead head; LogEntry entry; int64_t size; const char *message; } cases[] = {
        { { 1, 1, 0, 512 }, { 0 }, 4096, "Invalid log superblock magic" },
        { { LOG_MAGIC, 2, 0, 512 }, { 0 }, 4096, "Unsupported log version 2" },
        { { LOG_MAGIC, 1, 0, 0 }, { 0 }, 4096, "Invalid log sector size 0" },
        { { LOG_MAGIC, 1, 0, 3 }, { 0 }, 4096, "Invalid log sector size 3" },
        { { LOG_MAGIC, 1, 0, 16 }, { 0 }, 4096, "Invalid log sector size 16" },
        { { LOG_MAGIC, 1, 0, 1 << 24 }, { 0 }, 4096, "Invalid log sector size 16777216" },
        { { LOG_MAGIC, 1, 1, 512 }, { 0, 1, 16, 0 }, 4096, "Invalid flags in log entry 0" },
        { { LOG_MAGIC, 1, 1, 512 }, { 0, UINT64_MAX, 0, 0 }, 4096, "Invalid flags in log entry 0" },
        { { LOG_MAGIC, 1, 1, 512 }, { 0, INT64_MAX >> 9, 0, 0 }, 4096, "Log entry 0 is too large" },
        { { LOG_MAGIC, 1, UINT64_MAX, 512 }, { 0, 1, 0, 0 }, 4096, "Log entry 6 is beyond the end of the log" },
        { { LOG_MAGIC, 1, 2, 512 }, { 0, 100, 0, 0 }, 4096, "Log entry 1 is beyond the end of the log" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        append_to_log(&cases[i].head, &cases[i].entry, cases[i].size, 0, cases[i].message);
    }
    append_to_log(&good, NULL, 4096, -EIO, "Could not read log superblock: Input/output error");
}

#define LOGGED(more) "{'driver':'blklogwrites','node-name':'w'," more "'log':{'driver':'mem','node-name':'log','size':0},'file':{'driver':'mem','node-name':'m'}}"

static void test_log_options(void)
{
    mem_open_fails(LOGGED("'log-super-update-interval':0,"), BDRV_O_RDWR, "Invalid log superblock update interval 0");
    mem_open_fails(LOGGED("'log-append':true,'log-sector-size':512,"), BDRV_O_RDWR,
                   "log-append and log-sector-size are mutually exclusive");
    mem_open_fails(LOGGED("'log-sector-size':100,"), BDRV_O_RDWR, "Invalid log sector size 100");
    mem_open_fails("{'driver':'blklogwrites','file':{'driver':'mem'}}", BDRV_O_RDWR,
                   "A block device must be specified for \"log\"");
    mem_open_fails("{'driver':'blklogwrites'}", BDRV_O_RDWR, "A block device must be specified for \"file\"");
}

/* The request fails when the disk does (and is not in the log) or when the log does; the log's head counts what is in it. */
static void test_log_failures(void)
{
    BlockBackend *blk = mem_open(LOGGED("'log-super-update-interval':2,"), BDRV_O_RDWR | BDRV_O_UNMAP);
    MemDisk *m = mem_disk("m"), *log = mem_disk("log");
    const LogHead *head = (const LogHead *)log->data;

    for (MemOp op = MEM_WRITE; op <= MEM_DISCARD; op++) {
        m->fail[op] = -EIO;
    }
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, -EIO);
    g_assert_cmpint(blk_pwrite_zeroes(blk, 0, 512, 0), ==, -EIO);
    g_assert_cmpint(blk_pdiscard(blk, 0, 512), ==, -EIO);
    g_assert_cmpint(log->calls[MEM_WRITE], ==, 0);
    memset(m->fail, 0, sizeof(m->fail));
    log->fail[MEM_WRITE] = -ENOSPC;
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, -ENOSPC);
    g_assert_cmpint(blk_flush(blk), ==, -ENOSPC);
    log->fail[MEM_WRITE] = 0;
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, BDRV_REQ_FUA), ==, 0);
    g_assert_cmpint(blk_pwrite_zeroes(blk, 512, 512, BDRV_REQ_FUA), ==, 0);
    log->fail[MEM_FLUSH] = -EIO;
    g_assert_cmpint(blk_flush(blk), ==, -EIO);
    log->fail[MEM_FLUSH] = 0;
    g_assert_cmpint(blk_flush(blk), ==, 0);
    g_assert_cmpuint(head->magic, ==, LOG_MAGIC);
    g_assert_cmpuint(head->entries, >=, 4);
    blk_unref(blk);
}

static void test_log_close_fails(void)
{
    BlockBackend *blk;

    if (!in_subprocess()) {
        g_test_trap_assert_passed();
        g_test_trap_assert_stderr("*the log of * could not be completed*");
        return;
    }
    blk = mem_open(LOGGED(""), BDRV_O_RDWR);
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, 0);
    mem_disk("log")->fail[MEM_WRITE] = -EIO;
    blk_unref(blk);
}

/* --- quorum ----------------------------------------------------------------------------------- */

#define THREE(more) "{'driver':'quorum','node-name':'q','vote-threshold':2," more "'children':[{'driver':'mem','node-name':'a'}," \
    "{'driver':'mem','node-name':'b'},{'driver':'mem','node-name':'c'}]}"

static void test_quorum_failures(void)
{
    BlockBackend *blk = mem_open(THREE(""), BDRV_O_RDWR);
    MemDisk *a = mem_disk("a"), *b = mem_disk("b"), *c = mem_disk("c");
    Error *err = NULL;
    int64_t n;

    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, 0);            /* so that there is something to flush */
    a->fail[MEM_READ] = a->fail[MEM_WRITE] = a->fail[MEM_FLUSH] = a->fail[MEM_ZERO] = -EIO;
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, 0);
    expect_events("QUORUM_REPORT_BAD ");
    g_assert_cmpint(blk_flush(blk), ==, 0);
    expect_events("QUORUM_REPORT_BAD ");
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, 0);
    expect_events("QUORUM_REPORT_BAD ");
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, 0);
    expect_events("QUORUM_REPORT_BAD ");
    b->fail[MEM_READ] = b->fail[MEM_WRITE] = b->fail[MEM_FLUSH] = b->fail[MEM_ZERO] = -ENOSPC;
    c->fail[MEM_FLUSH] = -ENOSPC;
    g_assert_cmpint(blk_flush(blk), ==, -ENOSPC);                      /* the more frequent error; no event of failure */
    expect_events("QUORUM_REPORT_BAD QUORUM_REPORT_BAD QUORUM_REPORT_BAD ");
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, -EIO);
    expect_events("QUORUM_REPORT_BAD QUORUM_REPORT_BAD QUORUM_FAILURE ");
    g_assert_cmpint(blk_pwrite_zeroes(blk, 0, 512, 0), ==, -EIO);
    expect_events("QUORUM_REPORT_BAD QUORUM_REPORT_BAD QUORUM_FAILURE ");
    memset(a->fail, 0, sizeof(a->fail));
    memset(b->fail, 0, sizeof(b->fail));
    memset(c->fail, 0, sizeof(c->fail));

    /* Where children differ about zeroes it is data, and an answer that fails counts for data. */
    a->status = b->status = BDRV_BLOCK_ZERO;
    a->extent = 4096;
    c->fail[MEM_STATUS] = -EIO;
    g_assert_cmpint(bdrv_block_status(blk_bs(blk), 0, 65536, &n, NULL, NULL), ==, BDRV_BLOCK_ZERO | BDRV_BLOCK_ALLOCATED);
    g_assert_cmpint(n, ==, 4096);
    b->fail[MEM_STATUS] = -EIO;
    g_assert_cmpint(bdrv_block_status(blk_bs(blk), 0, 65536, &n, NULL, NULL), ==, BDRV_BLOCK_DATA | BDRV_BLOCK_ALLOCATED);
    g_assert_cmpint(n, ==, 65536);
    blk_unref(blk);

    mem_open_fails("{'driver':'quorum','vote-threshold':1,'children':[{'driver':'mem'},{'driver':'mem','size':512}]}", 0,
                   "Could not refresh total sector count: Input/output error");
    mem_open_fails("{'driver':'quorum','vote-threshold':1,'children.0':{'driver':'mem'},'children.300':{'driver':'mem'}}", 0,
                   "Option children is not a valid array");
    mem_open_fails("{'driver':'quorum','vote-threshold':1,'children.0':{'driver':'mem'},'children.2':{'driver':'mem'}}", 0,
                   "A block device must be specified for \"children.1\"");
    mem_open_fails(THREE("'rewrite-corrupted':true,'read-pattern':'x',"), 0, "Please set read-pattern as fifo or quorum");
    blk = mem_open("{'driver':'mem','node-name':'d'}", 0);
    mem_disk("d")->fail[MEM_LENGTH] = -EDOM;
    mem_open_fails("{'driver':'quorum','vote-threshold':1,'children':[{'driver':'mem'},'d']}", 0,
                   "Could not refresh total sector count: Numerical argument out of domain");
    blk_unref(blk);
    mem_open_fails("{'driver':'quorum','vote-threshold':2,'blkverify':true,'rewrite-corrupted':true,'children':[{'driver':'mem'},{'driver':'mem'}]}", 0,
                   "rewrite-corrupted=on cannot be used with blkverify=on");
    blk = mem_open("{'driver':'quorum','vote-threshold':2,'blkverify':true,'children':[{'driver':'mem','node-name':'a'},{'driver':'mem'}]}", 0);
    blk_bs(blk)->drv->add_child(blk_bs(blk), bdrv_find_node("a"), &err);
    mem_said(&err, "Cannot add a child to a quorum in blkverify mode");
    blk_bs(blk)->drv->del_child(blk_bs(blk), blk_bs(blk)->children, &err);
    mem_said(&err, "The number of children cannot be lower than the vote threshold 2");
    blk_unref(blk);
    blk = mem_open(THREE("'read-pattern':'quorum',"), 0);
    blk_bs(blk)->drv->del_child(blk_bs(blk), &(BdrvChild) { .bs = bdrv_find_node("a") }, &err);
    mem_said(&err, "Node 'a' is not a child of this quorum");
    blk_unref(blk);
    expect_events("");
}

static void test_quorum_fifo(void)
{
    BlockBackend *blk = mem_open(THREE("'read-pattern':'fifo',"), BDRV_O_RDWR);
    MemDisk *a = mem_disk("a"), *b = mem_disk("b"), *c = mem_disk("c");

    c->data[0] = 7;
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, 0);
    g_assert_cmpint(b->calls[MEM_READ] + c->calls[MEM_READ], ==, 0);
    a->fail[MEM_READ] = b->fail[MEM_READ] = -EIO;
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, 0);
    g_assert_cmpint(buf[0], ==, 7);
    c->fail[MEM_READ] = -EDOM;
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, -EDOM);
    g_string_truncate(events, 0);
    blk_unref(blk);
}

/* The loser gets the winner's content, also one that could not be read. */
static void test_quorum_rewrites(void)
{
    BlockBackend *blk = mem_open(THREE("'rewrite-corrupted':true,"), BDRV_O_RDWR);
    MemDisk *a = mem_disk("a"), *c = mem_disk("c");

    a->data[5] = 1;
    c->fail[MEM_READ] = 0;
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, 0);
    g_assert_cmpint(a->data[5], ==, 0);
    expect_events("QUORUM_REPORT_BAD ");
    c->fail[MEM_READ] = -EIO;
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, 0);
    g_assert_cmpint(c->calls[MEM_WRITE], ==, 1);
    a->data[5] = 1;
    g_string_truncate(events, 0);
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, -EIO);         /* one vote each */
    expect_events("QUORUM_REPORT_BAD QUORUM_FAILURE ");
    blk_unref(blk);
}

static void test_quorum_children(void)
{
    BlockBackend *blk = mem_open(THREE(""), 0), *user;
    BlockDriverState *q = blk_bs(blk);
    BlockDriverState *d = bdrv_open(NULL, NULL, json_parse("{'driver':'mem','node-name':'d'}", &error_abort), BDRV_O_RDWR, &error_abort);
    Error *err = NULL;

    user = blk_new_with_bs(d, BLK_PERM_WRITE, BLK_PERM_CONSISTENT_READ, &error_abort);
    q->drv->add_child(q, d, &err);
    g_assert_nonnull(err);
    g_assert_nonnull(strstr(error_get_pretty(err), "Permission conflict on node 'd'"));
    g_clear_pointer(&err, error_free);
    blk_unref(user);
    for (int i = 3; i < 256; i++) {
        q->drv->add_child(q, d, &error_abort);
    }
    q->drv->add_child(q, d, &err);
    mem_said(&err, "Too many children");
    q->drv->del_child(q, q->children, &error_abort);
    g_assert_null(bdrv_find_node("a"));
    blk_unref(blk);
    bdrv_unref(d);
}

/* --- blkverify: the program ends at a difference ----------------------------------------------- */

#define VERIFIED "{'driver':'blkverify','raw':{'driver':'mem','node-name':'a'},'test':{'driver':'mem','node-name':'b'}}"

static void test_verify_results_differ(void)
{
    BlockBackend *blk;

    if (!in_subprocess()) {
        g_test_trap_assert_failed();
        g_test_trap_assert_stderr("*blkverify: write offset=512 bytes=1024 return value mismatch 0 != -5\n");
        return;
    }
    blk = mem_open(VERIFIED, BDRV_O_RDWR);
    mem_disk("b")->fail[MEM_WRITE] = -EIO;
    blk_pwrite(blk, 512, 1024, buf, 0);
}

static void test_verify_content_differs(void)
{
    BlockBackend *blk;

    if (!in_subprocess()) {
        g_test_trap_assert_failed();
        g_test_trap_assert_stderr("*blkverify: read offset=512 bytes=1024 contents mismatch at offset 700\n");
        return;
    }
    blk = mem_open(VERIFIED, BDRV_O_RDWR);
    mem_disk("a")->data[700] = 1;
    blk_pread(blk, 512, 1024, buf, 0);
}

/* Both fail alike: that is no difference.  Requests that end later than they began are waited for. */
static void test_verify_both(void)
{
    BlockBackend *blk = mem_open(VERIFIED, BDRV_O_RDWR);

    mem_disk("a")->fail[MEM_READ] = mem_disk("b")->fail[MEM_READ] = -EIO;
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, -EIO);
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, 0);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    g_assert_cmpint(mem_disk("b")->calls[MEM_FLUSH], ==, 1);
    blk_unref(blk);
    mem_open_fails("{'driver':'blkverify'}", 0, "A block device must be specified for \"raw\"");
    mem_open_fails("{'driver':'blkverify','raw':{'driver':'mem'}}", 0, "A block device must be specified for \"test\"");
}

/* --- copy-on-read, compress ---------------------------------------------------------------------- */

static void test_copy_on_read(void)
{
    BlockBackend *blk = mem_open("{'driver':'copy-on-read','node-name':'r','bottom':'m','file':{'driver':'mem','node-name':'m'}}", BDRV_O_RDWR);
    MemDisk *m = mem_disk("m");

    m->fail[MEM_STATUS] = -EIO;
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, -EIO);
    m->fail[MEM_STATUS] = 0;
    m->fail[MEM_READ] = -EDOM;
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, -EDOM);
    m->fail[MEM_READ] = 0;
    m->calls[MEM_READ] = 0;
    g_assert_cmpint(blk_preadv(blk, 0, 512, NULL, BDRV_REQ_PREFETCH), ==, 0);    /* there already: nothing is read */
    g_assert_cmpint(m->calls[MEM_READ], ==, 0);
    blk_unref(blk);
    mem_open_fails("{'driver':'copy-on-read','bottom':'m','file':{'driver':'copy-on-read','node-name':'m','file':{'driver':'mem'}}}", BDRV_O_RDWR,
                   "Bottom node 'm' is a filter");
    blk = mem_open("{'driver':'mem','node-name':'other'}", 0);
    mem_open_fails("{'driver':'copy-on-read','bottom':'other','file':{'driver':'mem','node-name':'m'}}", BDRV_O_RDWR,
                   "Bottom node 'other' is not in the chain of 'm'");
    blk_unref(blk);
}

/* --- copy-before-write ----------------------------------------------------------------------------- */

#define KEPT(more) "{'driver':'copy-before-write','node-name':'k'," more "'file':'s','target':{'driver':'mem','node-name':'t','align':65536}}"

static BlockBackend *open_source(void)
{
    BlockBackend *blk = mem_open("{'driver':'mem','node-name':'s'}", BDRV_O_RDWR | BDRV_O_UNMAP);

    memset(mem_disk("s")->data, 1, 1 << 20);
    blk_set_perm(blk, 0, BLK_PERM_ALL, &error_abort);
    return blk;
}

static BlockBackend *open_access(const char *file)
{
    g_autofree char *json = g_strdup_printf("{'driver':'snapshot-access','file':'%s'}", file);

    return mem_open(json, BDRV_O_UNMAP);
}

/* A copy that takes longer than allowed has failed: the guest's write with it, or the snapshot. */
static void test_kept_too_late(void)
{
    for (int broken = 0; broken < 2; broken++) {
        BlockBackend *source = open_source();
        BlockBackend *blk = mem_open(broken ? KEPT("'cbw-timeout':1,'on-cbw-error':'break-snapshot',") : KEPT("'cbw-timeout':1,"),
                                     BDRV_O_RDWR | BDRV_O_UNMAP);
        BlockBackend *access = open_access("k");
        MemDisk *t = mem_disk("t");

        memset(buf, 2, 512);
        t->hold = true;
        t->held_op = MEM_WRITE;
        g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, broken ? 0 : -ETIMEDOUT);
        g_assert_cmpint(mem_disk("s")->data[0], ==, broken ? 2 : 1);
        g_assert_cmpint(blk_pread(access, 65536, 512, buf, 0), ==, broken ? -EACCES : 0);
        mem_release(t);
        g_assert_cmpint(blk_pwrite(blk, 65536, 512, buf, 0), ==, 0);       /* in time */
        blk_unref(access);
        blk_unref(blk);
        blk_unref(source);
    }
}

/* A write waits for a reader of the same part of the snapshot, for no other. */
typedef struct Late { BlockBackend *blk; int64_t offset; int ret; bool done; } Late;

static void coroutine_fn late_read(void *opaque)
{
    Late *l = opaque;

    l->ret = blk_pread(l->blk, l->offset, 512, buf, 0);
    l->done = true;
}

static void coroutine_fn late_write(void *opaque)
{
    Late *l = opaque;
    uint8_t new[512];

    memset(new, 9, sizeof(new));
    l->ret = blk_pwrite(l->blk, l->offset, sizeof(new), new, 0);
    l->done = true;
}

static void test_kept_reads_and_writes(void)
{
    BlockBackend *source = open_source(), *blk = mem_open(KEPT(""), BDRV_O_RDWR | BDRV_O_UNMAP), *access = open_access("k");
    Late oldest = { access, 524288 }, other = { access, 131072 }, read = { access, 0 }, far = { blk, 262144 }, near = { blk, 0 };
    MemDisk *s = mem_disk("s");

    s->held_op = MEM_READ;
    s->hold = true;
    coroutine_enter(coroutine_create(late_read, &oldest));
    Coroutine *zeroth = g_steal_pointer(&s->held);
    coroutine_enter(coroutine_create(late_read, &read));
    Coroutine *first = g_steal_pointer(&s->held);
    coroutine_enter(coroutine_create(late_read, &other));
    Coroutine *second = g_steal_pointer(&s->held);
    s->hold = false;
    coroutine_enter(coroutine_create(late_write, &far));
    g_assert_true(far.done);
    coroutine_enter(coroutine_create(late_write, &near));
    g_assert_false(near.done);
    g_assert_cmpint(s->data[0], ==, 1);
    s->held = first;
    mem_release(s);
    g_assert_true(read.done && near.done);
    g_assert_cmpint(read.ret + near.ret, ==, 0);
    g_assert_cmpint(buf[0], ==, 1);
    g_assert_cmpint(s->data[0], ==, 9);
    s->held = second;
    mem_release(s);
    g_assert_true(other.done);
    s->held = zeroth;
    mem_release(s);
    g_assert_true(oldest.done && oldest.ret == 0);
    blk_unref(access);
    blk_unref(blk);
    blk_unref(source);
}

static void test_kept_failures(void)
{
    BlockBackend *source = open_source(), *blk = mem_open(KEPT(""), BDRV_O_RDWR | BDRV_O_UNMAP), *access = open_access("k");
    MemDisk *s = mem_disk("s"), *t = mem_disk("t");
    int64_t n;

    s->fail[MEM_READ] = -EIO;
    g_assert_cmpint(blk_pread(access, 0, 512, buf, 0), ==, -EIO);
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, -EIO);
    s->fail[MEM_READ] = 0;
    t->fail[MEM_WRITE] = -ENOSPC;
    g_assert_cmpint(blk_pwrite_zeroes(blk, 0, 512, 0), ==, -ENOSPC);
    g_assert_cmpint(blk_pdiscard(blk, 0, 512), ==, -ENOSPC);
    t->fail[MEM_WRITE] = 0;
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, BDRV_REQ_WRITE_UNCHANGED), ==, 0);
    g_assert_cmpint(t->calls[MEM_WRITE], ==, 2);                           /* only those that failed: nothing changes */
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, 0);

    t->status = 0;                         /* copied, and the target says nothing of it: zeroes */
    g_assert_cmpint(bdrv_block_status_above(blk_bs(access), NULL, 0, 1 << 20, &n, NULL, NULL, NULL) & BDRV_BLOCK_ZERO, !=, 0);
    g_assert_cmpint(n, ==, 65536);
    t->fail[MEM_STATUS] = -EIO;
    g_assert_cmpint(bdrv_block_status_above(blk_bs(access), NULL, 0, 1 << 20, &n, NULL, NULL, NULL), ==, -EIO);
    t->fail[MEM_STATUS] = 0;
    t->status = -1;

    /* What was discarded from the snapshot is not to be had any more, and is not kept either. */
    blk_set_perm(access, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &error_abort);
    blk_unref(access);
    access = mem_open("{'driver':'snapshot-access','file':'k'}", BDRV_O_RDWR | BDRV_O_UNMAP);
    g_assert_cmpint(blk_pdiscard(access, 131072, 1000), ==, 0);            /* no whole cluster: nothing happens */
    g_assert_cmpint(blk_pread(access, 131072, 512, buf, 0), ==, 0);
    g_assert_cmpint(blk_pdiscard(access, 131072, 65536), ==, 0);
    g_assert_cmpint(t->calls[MEM_DISCARD], ==, 1);
    g_assert_cmpint(blk_pread(access, 131072, 512, buf, 0), ==, -EACCES);
    g_assert_cmpint(bdrv_block_status_above(blk_bs(access), NULL, 131072, 65536, &n, NULL, NULL, NULL), ==, -EACCES);
    n = t->calls[MEM_WRITE];
    g_assert_cmpint(blk_pwrite(blk, 131072, 512, buf, 0), ==, 0);
    g_assert_cmpint(t->calls[MEM_WRITE], ==, n);
    g_assert_cmpint(blk_pwrite(access, 0, 512, buf, 0), ==, -ENOTSUP);
    g_assert_cmpint(blk_pwrite_zeroes(access, 0, 512, 0), ==, -ENOTSUP);
    blk_unref(access);
    blk_unref(blk);
    blk_unref(source);
}

/* A node that keeps nothing has nothing to show. */
static void test_nothing_kept(void)
{
    BlockBackend *source = open_source(), *access = mem_open("{'driver':'snapshot-access','file':'s'}", BDRV_O_RDWR | BDRV_O_UNMAP);
    int64_t n;

    g_assert_cmpint(blk_pread(access, 0, 512, buf, 0), ==, -ENOTSUP);
    g_assert_cmpint(bdrv_block_status(blk_bs(access), 0, 512, &n, NULL, NULL), ==, -ENOTSUP);
    g_assert_cmpint(blk_pdiscard(access, 0, 512), ==, 0);                  /* as everywhere: advice */
    blk_unref(access);
    blk_unref(source);
    mem_open_fails("{'driver':'snapshot-access'}", 0, "A block device must be specified for \"file\"");
}

static void test_kept_options(void)
{
    BlockBackend *source = open_source();
    BlockDriverState *s = blk_bs(source);
    BdrvDirtyBitmap *bm = bdrv_create_dirty_bitmap(s, 65536, "b", &error_abort);

    mem_open_fails(KEPT("'cbw-timeout':4294967296,"), BDRV_O_RDWR, "Parameter 'cbw-timeout' expects uint32_t");
    mem_open_fails(KEPT("'bitmap':{'node':'s'},"), BDRV_O_RDWR, "Parameter 'bitmap.name' is missing");
    mem_open_fails(KEPT("'bitmap':{'name':'b'},"), BDRV_O_RDWR, "Parameter 'bitmap.node' is missing");
    mem_open_fails(KEPT("'on-cbw-error':'x',"), BDRV_O_RDWR, "Parameter 'on-cbw-error' does not accept value 'x'");
    mem_open_fails(KEPT("'bitmap':{'node':'s','name':'c'},"), BDRV_O_RDWR, "Dirty bitmap 'c' not found");
    mem_open_fails(KEPT("'bitmap':{'node':'x','name':'b'},"), BDRV_O_RDWR, "Node 'x' not found");
    mem_open_fails("{'driver':'copy-before-write','file':'s'}", BDRV_O_RDWR, "A block device must be specified for \"target\"");
    bdrv_dirty_bitmap_set_inconsistent(bm);
    mem_open_fails(KEPT("'bitmap':{'node':'s','name':'b'},"), BDRV_O_RDWR, "Bitmap 'b' is inconsistent and cannot be used");
    bdrv_release_dirty_bitmap(bm);
    bdrv_create_dirty_bitmap(s, 65536, "b", &error_abort);
    mem_disk("s")->size = 1 << 19;         /* the disk has become shorter than its bitmap knows */
    mem_open_fails(KEPT("'bitmap':{'node':'s','name':'b'},"), BDRV_O_RDWR,
                   "Cannot create block-copy-state: Failed to merge bitmap 'b' to internal copy-bitmap: Bitmaps are of different sizes "
                   "(destination size is 524288, source size is 1048576) and can't be merged");
    blk_unref(source);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    aio_init_main();
    error_init(argv[0]);
    bdrv_init();
    mem_register();
    events = g_string_new(NULL);
    qapi_event_set_emitter(note_event);
    g_test_add_func("/filters/preallocate/grows", test_preallocate);
    g_test_add_func("/filters/preallocate/cannot", test_preallocate_cannot);
    g_test_add_func("/filters/preallocate/close-fails", test_preallocate_close_fails);
    g_test_add_func("/filters/preallocate/options", test_preallocate_options);
    g_test_add_func("/filters/log/lies", test_log_that_lies);
    g_test_add_func("/filters/log/options", test_log_options);
    g_test_add_func("/filters/log/failures", test_log_failures);
    g_test_add_func("/filters/log/close-fails", test_log_close_fails);
    g_test_add_func("/filters/quorum/failures", test_quorum_failures);
    g_test_add_func("/filters/quorum/fifo", test_quorum_fifo);
    g_test_add_func("/filters/quorum/rewrites", test_quorum_rewrites);
    g_test_add_func("/filters/quorum/children", test_quorum_children);
    g_test_add_func("/filters/verify/results-differ", test_verify_results_differ);
    g_test_add_func("/filters/verify/content-differs", test_verify_content_differs);
    g_test_add_func("/filters/verify/both", test_verify_both);
    g_test_add_func("/filters/copy-on-read", test_copy_on_read);
    g_test_add_func("/filters/kept/too-late", test_kept_too_late);
    g_test_add_func("/filters/kept/reads-and-writes", test_kept_reads_and_writes);
    g_test_add_func("/filters/kept/failures", test_kept_failures);
    g_test_add_func("/filters/kept/nothing", test_nothing_kept);
    g_test_add_func("/filters/kept/options", test_kept_options);
    return g_test_run();
}
