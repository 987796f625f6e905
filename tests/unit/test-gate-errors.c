/*
 * Proves what the gate does when drivers fail, lack an operation or answer oddly: the error comes up, what was not asked for is not
 * touched, and nothing is counted as done that was not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "memdisk.h"
#include "block/dirty-bitmap.h"
#include "qapi/dispatch.h"
#include "util/cutils.h"

#define WRITABLE (BDRV_O_RDWR | BDRV_O_RESIZE | BDRV_O_UNMAP)
#define DISK "{'driver':'mem','node-name':'m'}"
#define BLOCKS "{'driver':'mem','node-name':'m','align':4096}"

static uint8_t buf[64 * 1024];
static char *last_event;

static void note_event(const char *name, QDict *data)
{
    g_free(last_event);
    last_event = g_strdup_printf("%s %" PRId64 " %" PRId64, name, qdict_get_int(data, "amount-exceeded", -1),
                                 qdict_get_int(data, "write-threshold", -1));
    qobject_unref(data);
}

/* --- reads and writes ------------------------------------------------------------------------- */

/* Blocks that are touched in part are read first: a failure there leaves the disk as it was. */
static void test_edges_fail(void)
{
    BlockBackend *blk = mem_open(BLOCKS, WRITABLE);
    MemDisk *m = mem_disk("m");

    m->fail[MEM_READ] = -EIO;
    g_assert_cmpint(blk_pwrite(blk, 100, 100, buf, 0), ==, -EIO);              /* within one block */
    g_assert_cmpint(blk_pwrite(blk, 4096, 5000, buf, 0), ==, -EIO);            /* the last one */
    g_assert_cmpint(blk_pwrite_zeroes(blk, 100, 100, 0), ==, -EIO);
    g_assert_cmpint(blk_pwrite_zeroes(blk, 4096, 5000, 0), ==, -EIO);
    g_assert_cmpint(blk_pread(blk, 100, 100, buf, 0), ==, -EIO);
    g_assert_cmpint(m->calls[MEM_WRITE], ==, 0);
    m->fail[MEM_READ] = 0;
    m->fail[MEM_ZERO] = -EDOM;
    g_assert_cmpint(blk_pwrite_zeroes(blk, 4000, 10000, 0), ==, -EDOM);        /* head done, the middle fails */
    g_assert_cmpint(blk_pwrite_zeroes(blk, 4096, 8192, 0), ==, -EDOM);
    m->fail[MEM_ZERO] = -ENOTSUP;
    m->fail[MEM_WRITE] = -ENOSPC;
    g_assert_cmpint(blk_pwrite_zeroes(blk, 4096, 8192, 0), ==, -ENOSPC);       /* by buffers then */
    blk_unref(blk);
}

static void test_wrong_calls(void)
{
    BlockBackend *blk = mem_open(DISK, WRITABLE);
    BdrvChild *c = blk_root(blk);
    IoVec v;
    int64_t n;

    iov_init_buf(&v, buf, 512);
    g_assert_cmpint(bdrv_read(NULL, 0, 512, &v, 0, 0), ==, -ENOMEDIUM);
    g_assert_cmpint(bdrv_write(NULL, 0, 512, &v, 0, 0), ==, -ENOMEDIUM);
    g_assert_cmpint(bdrv_zero(NULL, 0, 512, 0), ==, -ENOMEDIUM);
    g_assert_cmpint(bdrv_discard(NULL, 0, 512), ==, -ENOMEDIUM);
    g_assert_cmpint(bdrv_truncate(NULL, 0, true, PREALLOC_OFF, 0, NULL), ==, -ENOMEDIUM);
    g_assert_cmpint(bdrv_copy_range(NULL, 0, c, 0, 512, 0, 0), ==, -ENOMEDIUM);
    g_assert_cmpint(bdrv_copy_range(c, 0, NULL, 0, 512, 0, 0), ==, -ENOMEDIUM);
    g_assert_cmpint(bdrv_getlength(NULL), ==, -ENOMEDIUM);
    g_assert_cmpint(bdrv_flush(NULL), ==, -ENOMEDIUM);
    g_assert_cmpint(bdrv_block_status_one(NULL, true, 0, 512, &n, NULL, NULL), ==, -ENOMEDIUM);
    g_assert_cmpint(bdrv_read(c, 0, 512, NULL, 0, 0), ==, -EINVAL);
    g_assert_cmpint(bdrv_write(c, 0, 512, NULL, 0, 0), ==, -EINVAL);
    g_assert_cmpint(bdrv_read(c, 0, 512, &v, 600, 0), ==, -EIO);
    g_assert_cmpint(bdrv_read_buf(c, 0, -1, buf, 0), ==, -EIO);
    g_assert_cmpint(bdrv_write_buf(c, 0, -1, buf, 0), ==, -EIO);
    g_assert_cmpint(bdrv_write_sync(c, -512, 512, buf, 0), ==, -EIO);
    g_assert_cmpint(bdrv_discard(c, -1, 512), ==, -EIO);
    g_assert_cmpint(bdrv_discard(c, 0, 0), ==, 0);
    g_assert_cmpint(bdrv_read(c, 0, 0, &v, 0, 0), ==, 0);
    g_assert_cmpint(bdrv_write(c, 0, 0, &v, 0, 0), ==, 0);
    g_assert_cmpint(bdrv_write(c, 0, 512, &v, 0, BDRV_REQ_WRITE_COMPRESSED), ==, -ENOTSUP);
    g_assert_cmpint(bdrv_block_status_one(blk_bs(blk), true, -1, 512, &n, NULL, NULL), ==, -EIO);
    g_assert_cmpint(bdrv_block_status_one(blk_bs(blk), true, 0, 0, &n, NULL, NULL), ==, 0);
    g_assert_cmpint(mem_disk("m")->calls[MEM_READ] + mem_disk("m")->calls[MEM_WRITE], ==, 0);
    blk_unref(blk);
}

/* A length that is not to be had ends each request; nothing reaches the disk. */
static void test_no_length(void)
{
    BlockBackend *blk = mem_open(DISK, WRITABLE);
    MemDisk *m = mem_disk("m");
    Error *err = NULL;
    int64_t n;

    m->fail[MEM_LENGTH] = -EIO;
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, 0), ==, -EIO);
    g_assert_cmpint(bdrv_read_buf(blk_root(blk), 0, 512, buf, 0), ==, -EIO);
    g_assert_cmpint(blk_getlength(blk), ==, -EIO);
    g_assert_cmpint(bdrv_block_status_one(blk_bs(blk), true, 0, 512, &n, NULL, NULL), ==, -EIO);
    g_assert_cmpint(blk_truncate(blk, 512, true, PREALLOC_OFF, 0, &err), ==, -EIO);
    mem_said(&err, "Failed to get old image size: Input/output error");
    g_assert_null(bdrv_query_image_info(blk_bs(blk), &err));
    mem_said(&err, "Can't get image size '': Input/output error");
    g_assert_null(bdrv_create_dirty_bitmap(blk_bs(blk), 4096, "b", &err));
    mem_said(&err, "could not get length of device: Input/output error");
    g_assert_cmpint(m->calls[MEM_READ] + m->calls[MEM_TRUNCATE], ==, 0);
    m->fail[MEM_LENGTH] = 0;
    blk_unref(blk);
    /* The end lies within a block: what is there of it is read, the rest is zero. */
    blk = mem_open("{'driver':'mem','node-name':'m','align':4096,'size':6144}", 0);
    m = mem_disk("m");
    memset(m->data, 1, 8192);
    blk_set_allow_write_beyond_eof(blk, true);
    g_assert_cmpint(bdrv_read_buf(blk_root(blk), 4096, 8192, buf, 0), ==, 0);
    g_assert_true(buffer_is_zero(buf + 4096, 4096));
    m->fail[MEM_READ] = -EIO;
    g_assert_cmpint(bdrv_read_buf(blk_root(blk), 4096, 8192, buf, 0), ==, -EIO);
    blk_unref(blk);
}

static void test_detect_zeroes(void)
{
    BlockBackend *blk = mem_open("{'driver':'mem','node-name':'m','detect-zeroes':'unmap','discard':'unmap'}", WRITABLE);
    MemDisk *m = mem_disk("m");

    memset(buf, 0, 4096);
    g_assert_cmpint(blk_pwrite(blk, 0, 4096, buf, 0), ==, 0);
    g_assert_cmpint(m->calls[MEM_ZERO], ==, 1);
    g_assert_cmpint(m->zero_flags & BDRV_REQ_MAY_UNMAP, !=, 0);
    buf[4095] = 1;
    g_assert_cmpint(blk_pwrite(blk, 0, 4096, buf, 0), ==, 0);
    g_assert_cmpint(m->calls[MEM_ZERO], ==, 1);
    g_assert_cmpint(m->data[4095], ==, 1);
    blk_unref(blk);
    blk = mem_open("{'driver':'bare','node-name':'m','detect-zeroes':'on'}", BDRV_O_RDWR);
    buf[4095] = 0;
    g_assert_cmpint(blk_pwrite(blk, 0, 4096, buf, 0), ==, 0);                  /* no zero writes: as data */
    g_assert_cmpint(mem_disk("m")->calls[MEM_WRITE], ==, 1);
    blk_unref(blk);
}

static void test_threshold(void)
{
    BlockBackend *blk = mem_open(DISK, WRITABLE);
    BlockDriverState *bs = blk_bs(blk);

    bdrv_set_write_threshold(bs, 8192);
    g_assert_cmpint(blk_pwrite(blk, 4096, 4096, buf, 0), ==, 0);
    g_assert_null(last_event);
    g_assert_cmpint(blk_pwrite(blk, 4096, 5000, buf, 0), ==, 0);
    g_assert_cmpstr(last_event, ==, "BLOCK_WRITE_THRESHOLD 904 8192");
    g_assert_cmpuint(bdrv_get_write_threshold(bs), ==, 0);
    g_clear_pointer(&last_event, g_free);
    g_assert_cmpint(blk_pwrite(blk, 8192, 5000, buf, 0), ==, 0);               /* once */
    g_assert_null(last_event);
    g_assert_cmpint(bdrv_write_highest_offset(bs), ==, 13192);
    blk_unref(blk);
}

static void test_discards(void)
{
    BlockBackend *blk = mem_open(DISK, WRITABLE);
    BlockDriverState *bs = blk_bs(blk);
    MemDisk *m = mem_disk("m");

    bs->bl.pdiscard_alignment = 4096;
    bs->bl.max_pdiscard = 8192;
    g_assert_cmpint(blk_pdiscard(blk, 1000, 20000), ==, 0);                    /* 1000-4096, two of 8192, the rest */
    g_assert_cmpint(m->calls[MEM_DISCARD], ==, 4);
    m->fail[MEM_DISCARD] = -ENOTSUP;
    g_assert_cmpint(blk_pdiscard(blk, 1000, 20000), ==, 0);
    m->fail[MEM_DISCARD] = -EIO;
    g_assert_cmpint(blk_pdiscard(blk, 1000, 20000), ==, -EIO);
    g_assert_cmpint(m->calls[MEM_DISCARD], ==, 9);
    blk_unref(blk);
    blk = mem_open("{'driver':'bare','node-name':'m'}", BDRV_O_RDWR | BDRV_O_UNMAP);
    g_assert_cmpint(blk_pdiscard(blk, 0, 4096), ==, 0);
    blk_unref(blk);
}

/* A request that may not wait is refused while one that overlaps is under way. */
static void coroutine_fn write_entry(void *opaque)
{
    blk_pwrite(opaque, 0, 4096, buf, BDRV_REQ_SERIALISING);
}

static void test_no_wait(void)
{
    BlockBackend *blk = mem_open(DISK, WRITABLE);
    MemDisk *m = mem_disk("m");

    m->hold = true;
    m->held_op = MEM_WRITE;
    coroutine_enter(coroutine_create(write_entry, blk));
    m->hold = false;
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, BDRV_REQ_NO_WAIT), ==, -EBUSY);
    g_assert_cmpint(blk_pwrite(blk, 4096, 512, buf, BDRV_REQ_NO_WAIT), ==, 0);
    mem_release(m);
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, BDRV_REQ_NO_WAIT), ==, 0);
    blk_unref(blk);
}

/* Pieces of a vector in the middle of it count for the driver's limit, not the whole. */
static void test_vectors(void)
{
    BlockBackend *blk = mem_open(DISK, WRITABLE);
    AUTO_IOVEC v;

    iov_init(&v, 20);
    for (int i = 0; i < 20; i++) {
        memset(buf + i * 512, i, 512);
        iov_add(&v, buf + i * 512, 512);
    }
    blk_bs(blk)->bl.max_iov = 8;
    g_assert_cmpint(bdrv_write(blk_root(blk), 0, 1024, &v, 17 * 512, 0), ==, 0);
    g_assert_cmpint(mem_disk("m")->data[0], ==, 17);
    g_assert_cmpint(bdrv_write(blk_root(blk), 0, 17 * 512, &v, 512, 0), ==, 0);
    g_assert_cmpint(mem_disk("m")->data[16 * 512], ==, 17);
    mem_disk("m")->fail[MEM_READ] = -EIO;
    g_assert_cmpint(bdrv_read(blk_root(blk), 0, 17 * 512, &v, 512, 0), ==, -EIO);
    g_assert_cmpint(buf[512], ==, 1);
    blk_unref(blk);
}

/* --- length ------------------------------------------------------------------------------------- */

static void test_truncate(void)
{
    BlockBackend *blk = mem_open("{'driver':'bare','node-name':'m'}", WRITABLE), *top;
    Error *err = NULL;

    g_assert_cmpint(blk_truncate(blk, 512, true, PREALLOC_OFF, 0, &err), ==, -ENOTSUP);
    mem_said(&err, "Image format driver does not support resize");
    g_assert_cmpint(blk_truncate(blk, -1, true, PREALLOC_OFF, 0, &err), ==, -EINVAL);
    mem_said(&err, "Image size cannot be negative");
    g_assert_cmpint(blk_truncate(blk, INT64_MAX, true, PREALLOC_OFF, 0, &err), ==, -EIO);
    mem_said(&err, "offset(9223372036854775807) exceeds maximum(9223372035781033984)");
    g_assert_cmpint(bdrv_get_allocated_size(blk_bs(blk)), ==, -ENOTSUP);
    blk_unref(blk);

    blk = mem_open(DISK, 0);
    g_assert_cmpint(blk_truncate(blk, 512, true, PREALLOC_OFF, 0, &err), ==, -EACCES);
    mem_said(&err, "Image is read-only");
    blk_unref(blk);
    blk = mem_open(DISK, BDRV_O_RDWR);
    g_assert_cmpint(blk_truncate(blk, 512, true, PREALLOC_OFF, 0, &err), ==, -EPERM);
    mem_said(&err, "Resizing is not permitted");
    g_assert_cmpint(blk_set_perm(blk, BLK_PERM_WRITE | BLK_PERM_RESIZE, BLK_PERM_ALL, &error_abort), ==, 0);
    g_assert_cmpint(blk_truncate(blk, 512, true, PREALLOC_OFF, BDRV_REQ_MAY_UNMAP, &err), ==, -ENOTSUP);
    mem_said(&err, "Block driver does not support requested flags");
    blk_unref(blk);

    /* A filter without an opinion: what is below it. */
    blk = mem_open("{'driver':'mem','node-name':'t','align':65536}", BDRV_O_RDWR);
    top = mem_open("{'driver':'copy-before-write','file':" DISK ",'target':'t'}", WRITABLE);
    g_assert_cmpint(blk_truncate(top, 65536, true, PREALLOC_OFF, 0, &error_abort), ==, 0);
    g_assert_cmpint(mem_disk("m")->size, ==, 65536);
    g_assert_cmpint(blk_getlength(top), ==, 65536);
    g_assert_cmpint(bdrv_get_allocated_size(blk_bs(top)), ==, -ENOTSUP);
    mem_disk("m")->fail[MEM_TRUNCATE] = -EIO;
    g_assert_cmpint(blk_truncate(top, 512, true, PREALLOC_OFF, 0, &err), ==, -EIO);
    mem_said(&err, "no other size");
    blk_unref(top);
    blk_unref(blk);
}

/* --- status ---------------------------------------------------------------------------------------- */

#define ALLOCATED_DATA (BDRV_BLOCK_DATA | BDRV_BLOCK_ALLOCATED)

static void test_status(void)
{
    BlockBackend *blk = mem_open("{'driver':'raw','node-name':'r','file':" BLOCKS "}", WRITABLE);
    BlockDriverState *bs = blk_bs(blk);
    MemDisk *m = mem_disk("m");
    int64_t n;

    m->status = BDRV_BLOCK_ZERO;
    m->extent = 6000;
    /* Zeroes end within a block: it counts as data. */
    g_assert_cmpint(bdrv_block_status(bs, 0, 65536, &n, NULL, NULL) & (ALLOCATED_DATA | BDRV_BLOCK_ZERO), ==, BDRV_BLOCK_ZERO | BDRV_BLOCK_ALLOCATED);
    g_assert_cmpint(n, ==, 4096);
    m->extent = 1000;
    g_assert_cmpint(bdrv_block_status(bs, 0, 65536, &n, NULL, NULL) & (ALLOCATED_DATA | BDRV_BLOCK_ZERO), ==, ALLOCATED_DATA);
    g_assert_cmpint(n, ==, 4096);
    m->status = BDRV_BLOCK_DATA;
    g_assert_cmpint(bdrv_block_status(bs, 0, 65536, &n, NULL, NULL) & (ALLOCATED_DATA | BDRV_BLOCK_ZERO), ==, ALLOCATED_DATA);
    g_assert_cmpint(n, ==, 4096);
    m->extent = 0;
    m->status = BDRV_BLOCK_ZERO;
    g_assert_cmpint(bdrv_is_zero_fast(bs, 0, 65536), ==, 1);
    g_assert_cmpint(bdrv_is_zero_fast(bs, 0, 0), ==, 1);
    m->extent = 4096;
    g_assert_cmpint(bdrv_is_zero_fast(bs, 0, 65536), ==, 0);
    m->fail[MEM_STATUS] = -EIO;
    g_assert_cmpint(bdrv_is_zero_fast(bs, 0, 65536), ==, -EIO);
    g_assert_cmpint(bdrv_is_allocated(bs, 0, 65536, NULL), ==, -EIO);
    g_assert_cmpint(bdrv_is_allocated_above(bs, NULL, false, 0, 65536, NULL), ==, -EIO);
    g_assert_cmpint(bdrv_block_status(bs, 0, 65536, NULL, NULL, NULL), ==, -EIO);
    m->fail[MEM_STATUS] = 0;
    g_assert_cmpint(bdrv_is_allocated_above(bs, bs, false, 0, 65536, &n), ==, 0);      /* no layer at all */
    g_assert_cmpint(n, ==, 65536);
    /* The file became shorter than the image knows. */
    m->size = 4096;
    g_assert_cmpint(bdrv_block_status(bs, 8192, 4096, &n, NULL, NULL) & (ALLOCATED_DATA | BDRV_BLOCK_ZERO), !=, ALLOCATED_DATA);
    blk_unref(blk);
}

/* --- copies ------------------------------------------------------------------------------------------ */

static void test_copy_range(void)
{
    BlockBackend *src = mem_open("{'driver':'raw','file':{'driver':'mem','node-name':'s'}}", WRITABLE);
    BlockBackend *dst = mem_open("{'driver':'mem','node-name':'d','align':512}", WRITABLE);
    BlockBackend *other = mem_open("{'driver':'bare','node-name':'o'}", BDRV_O_RDWR);
    BdrvChild *s = blk_root(src), *d = blk_root(dst);
    MemDisk *sm = mem_disk("s"), *dm = mem_disk("d");

    for (int i = 0; i < 1 << 20; i++) {
        sm->data[i] = i * 5 + (i >> 9);
    }
    g_assert_cmpint(bdrv_copy_range(s, 4096, d, 8192, 65536, 0, BDRV_REQ_FUA | BDRV_REQ_SERIALISING), ==, 0);
    g_assert_cmpint(dm->calls[MEM_COPY], ==, 1);               /* raw passes it on: inside the host */
    g_assert_cmpint(dm->calls[MEM_FLUSH], ==, 1);
    g_assert_cmpmem(dm->data + 8192, 65536, sm->data + 4096, 65536);
    g_assert_cmpint(bdrv_copy_range(s, 100, d, 8292, 1000, 0, 0), ==, 0);      /* not aligned for d: through a buffer */
    g_assert_cmpint(dm->calls[MEM_COPY], ==, 1);
    g_assert_cmpmem(dm->data + 8292, 1000, sm->data + 100, 1000);
    sm->fail[MEM_STATUS] = -EIO;                               /* nobody asks the disk itself */
    dm->fail[MEM_COPY] = -EIO;
    g_assert_cmpint(bdrv_copy_range(s, 0, d, 0, 65536, 0, 0), ==, -EIO);
    dm->fail[MEM_COPY] = -ENOTSUP;
    g_assert_cmpint(bdrv_copy_range(s, 0, d, 0, 65536, 0, 0), ==, 0);
    g_assert_cmpmem(dm->data, 65536, sm->data, 65536);
    memset(dm->data + (1 << 20), 1, 1 << 19);
    g_assert_cmpint(bdrv_copy_range(s, 0, d, 0, 3 << 19, 0, 0), ==, 0);        /* more than is there: zeroes, as when read */
    g_assert_true(buffer_is_zero(dm->data + (1 << 20), 1 << 19));
    dm->fail[MEM_COPY] = 0;
    sm->fail[MEM_READ] = -EIO;
    g_assert_cmpint(bdrv_copy_range(s, 1, d, 1, 5000, 0, 0), ==, -EIO);
    sm->fail[MEM_READ] = 0;
    dm->fail[MEM_WRITE] = -ENOSPC;
    g_assert_cmpint(bdrv_copy_range(s, 1, d, 1, 5000, 0, 0), ==, -ENOSPC);
    dm->fail[MEM_WRITE] = 0;
    g_assert_cmpint(bdrv_copy_range(s, 0, blk_root(other), 4096, 4096, 0, 0), ==, 0);
    g_assert_cmpmem(mem_disk("o")->data + 4096, 4096, sm->data, 4096);
    g_assert_cmpint(bdrv_copy_range(d, 0, d, 4096, 8192, 0, 0), ==, -EINVAL);
    g_assert_cmpint(bdrv_copy_range(d, 8192, d, 4096, 8192, 0, 0), ==, -EINVAL);
    g_assert_cmpint(bdrv_copy_range(d, 8192, d, 0, 8192, 0, 0), ==, 0);
    g_assert_cmpint(bdrv_copy_range(s, -1, d, 0, 512, 0, 0), ==, -EIO);
    g_assert_cmpint(bdrv_copy_range(s, 0, d, -1, 512, 0, 0), ==, -EIO);
    g_assert_cmpint(bdrv_copy_range(s, 0, d, 0, 0, 0, 0), ==, 0);
    g_assert_cmpint(blk_copy_range(src, 1 << 20, dst, 0, 512, 0), ==, -EIO);
    g_assert_cmpint(blk_copy_range(src, 0, dst, -1, 512, 0), ==, -EIO);
    blk_set_perm(dst, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &error_abort);
    g_assert_cmpint(bdrv_copy_range(s, 0, d, 0, 512, 0, 0), ==, -EPERM);
    blk_unref(other);
    blk_unref(dst);
    blk_unref(src);
}

/* --- copy-on-read ---------------------------------------------------------------------------------------- */

static void test_copy_on_read(void)
{
    BlockBackend *blk = mem_open(DISK, WRITABLE);
    MemDisk *m = mem_disk("m");

    m->status = 0;                         /* nothing is here, as far as the disk says */
    m->data[100] = 5;
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, BDRV_REQ_COPY_ON_READ), ==, 0);
    g_assert_cmpint(m->calls[MEM_WRITE], ==, 1);
    g_assert_cmpint(buf[100], ==, 5);
    g_assert_cmpint(blk_pread(blk, 512, 512, buf, BDRV_REQ_COPY_ON_READ), ==, 0);
    g_assert_cmpint(m->calls[MEM_ZERO], ==, 1);                                /* zeroes as zeroes */
    g_assert_cmpint(blk_preadv(blk, 0, 512, NULL, BDRV_REQ_COPY_ON_READ | BDRV_REQ_PREFETCH), ==, 0);
    g_assert_cmpint(m->calls[MEM_WRITE], ==, 2);
    m->fail[MEM_WRITE] = -ENOSPC;
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, BDRV_REQ_COPY_ON_READ), ==, -ENOSPC);
    m->fail[MEM_READ] = -EIO;
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, BDRV_REQ_COPY_ON_READ), ==, -EIO);
    m->fail[MEM_STATUS] = -EDOM;
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, BDRV_REQ_COPY_ON_READ), ==, -EDOM);
    memset(m->fail, 0, sizeof(m->fail));
    m->status = -1;
    g_assert_cmpint(blk_preadv(blk, 0, 512, NULL, BDRV_REQ_COPY_ON_READ | BDRV_REQ_PREFETCH), ==, 0);
    blk_set_perm(blk, BLK_PERM_CONSISTENT_READ, BLK_PERM_ALL, &error_abort);
    g_assert_cmpint(blk_pread(blk, 0, 512, buf, BDRV_REQ_COPY_ON_READ), ==, -EPERM);
    blk_unref(blk);
}

/* --- bitmaps ---------------------------------------------------------------------------------------------- */

static void test_bitmaps(void)
{
    BlockBackend *blk = mem_open(DISK, WRITABLE);
    BlockDriverState *bs = blk_bs(blk);
    g_autofree char *long_name = g_strnfill(1024, 'x');
    BdrvDirtyBitmap *a = bdrv_create_dirty_bitmap(bs, 4096, "a", &error_abort), *b, *anonymous;
    g_autoptr(QObject) list = NULL;
    HBitmap *backup = NULL;
    Error *err = NULL;
    int64_t at, n;

    for (uint32_t bad = 0; bad < 3; bad++) {
        g_assert_null(bdrv_create_dirty_bitmap(bs, bad == 2 ? 256 : bad * 1000, "b", &err));
        mem_said(&err, "Granularity must be power of 2");
    }
    g_assert_null(bdrv_create_dirty_bitmap(bs, 4096, long_name, &err));
    g_assert_true(g_str_has_prefix(error_get_pretty(err), "Bitmap name too long: xxx"));
    g_clear_pointer(&err, error_free);
    anonymous = bdrv_create_dirty_bitmap(bs, 4096, NULL, &error_abort);
    b = bdrv_create_dirty_bitmap(bs, 4096, "b", &error_abort);

    /* Outside of it there is nothing. */
    bdrv_set_dirty_bitmap(a, -4096, 4096);
    bdrv_set_dirty_bitmap(a, 1 << 20, 4096);
    bdrv_reset_dirty_bitmap(a, 1 << 20, 4096);
    bdrv_set_dirty_bitmap(a, 0, 0);
    g_assert_cmpint(bdrv_dirty_bitmap_count(a), ==, 0);
    g_assert_false(bdrv_dirty_bitmap_get(a, -1));
    g_assert_false(bdrv_dirty_bitmap_get(a, 1 << 20));
    g_assert_cmpint(bdrv_dirty_bitmap_next_dirty(a, 1 << 20, 1), ==, -1);
    g_assert_cmpint(bdrv_dirty_bitmap_next_zero(a, 1 << 20, 1), ==, -1);
    g_assert_false(bdrv_dirty_bitmap_next_dirty_area(a, 1 << 20, 2 << 20, 4096, &at, &n));
    bdrv_set_dirty_bitmap(a, (1 << 20) - 4096, 1 << 20);
    g_assert_cmpint(bdrv_dirty_bitmap_count(a), ==, 4096);

    /* A successor records in its place; both come together, or the new one stays. */
    g_assert_cmpint(bdrv_dirty_bitmap_create_successor(a, &error_abort), ==, 0);
    g_assert_true(bdrv_dirty_bitmap_busy(a) && bdrv_dirty_bitmap_has_successor(a));
    g_assert_cmpint(bdrv_dirty_bitmap_create_successor(a, &err), ==, -EBUSY);
    mem_said(&err, "Bitmap 'a' is currently in use by another operation and cannot be used");
    g_assert_cmpint(blk_pwrite(blk, 0, 4096, buf, 0), ==, 0);
    g_assert_cmpint(bdrv_dirty_bitmap_count(a), ==, 4096);
    bdrv_dirty_bitmap_reclaim(a);
    g_assert_cmpint(bdrv_dirty_bitmap_count(a), ==, 8192);
    g_assert_cmpint(bdrv_dirty_bitmap_create_successor(a, &error_abort), ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 65536, 4096, buf, 0), ==, 0);
    bdrv_dirty_bitmap_abdicate(a);
    g_assert_cmpint(bdrv_dirty_bitmap_count(a), ==, 4096);
    g_assert_true(bdrv_dirty_bitmap_enabled(a));

    bdrv_dirty_bitmap_set_readonly(b, true);
    g_assert_false(bdrv_merge_dirty_bitmap(b, a, NULL, &err));
    mem_said(&err, "Bitmap 'b' is readonly and cannot be modified");
    bdrv_dirty_bitmap_set_inconsistent(b);
    g_assert_false(bdrv_merge_dirty_bitmap(a, b, NULL, &err));
    g_assert_cmpstr(error_get_hint(err), ==, "Try block-dirty-bitmap-remove to delete this bitmap from disk\n");
    mem_said(&err, "Bitmap 'b' is inconsistent and cannot be used");
    g_assert_true(bdrv_merge_dirty_bitmap(anonymous, a, &backup, &error_abort));
    bdrv_restore_dirty_bitmap(anonymous, backup);
    bdrv_dirty_bitmap_set_persistence(a, true);
    bdrv_dirty_bitmap_skip_store(a, true);
    g_assert_false(bdrv_dirty_bitmap_persistent(a));
    list = bdrv_query_dirty_bitmaps(bs);
    g_assert_cmpint(qlist_size(list), ==, 3);
    g_assert_true(qdict_get_bool(qlist_get(list, 0), "inconsistent", false));
    g_assert_false(qdict_has(qlist_get(list, 1), "name"));

    /* The disk gets another size: so do they, and maps of two sizes do not meet. */
    BlockBackend *small = mem_open("{'driver':'mem','node-name':'n','size':65536}", 0);
    BdrvDirtyBitmap *other = bdrv_create_dirty_bitmap(blk_bs(small), 4096, "o", &error_abort);
    bdrv_set_dirty_bitmap(other, 0, 8192);
    bdrv_dirty_bitmap_merge_any(a, other);
    g_assert_cmpint(bdrv_dirty_bitmap_count(a), ==, 4096);
    g_assert_cmpint(blk_truncate(blk, 65536, true, PREALLOC_OFF, 0, &error_abort), ==, 0);
    g_assert_cmpint(bdrv_dirty_bitmap_count(a), ==, 0);
    bdrv_dirty_bitmap_merge_any(a, other);
    g_assert_cmpint(bdrv_dirty_bitmap_count(a), ==, 8192);
    g_assert_false(bdrv_can_store_dirty_bitmap(bs, "x", 65536, &err));
    mem_said(&err, "Can't store persistent bitmaps to m: Operation not supported");
    g_assert_cmpint(bdrv_remove_stored_dirty_bitmap(bs, "x", &error_abort), ==, 0);
    bdrv_release_named_dirty_bitmaps(bs);
    g_assert_null(bdrv_find_dirty_bitmap(bs, "a"));
    g_assert_true(bdrv_dirty_bitmap_next(bs, NULL) == anonymous);
    g_assert_cmpuint(bdrv_default_bitmap_granularity(bs), ==, 65536);
    blk_unref(small);
    blk_unref(blk);
}

/* --- flushes, statistics ------------------------------------------------------------------------------------ */

static void test_flush_below(void)
{
    BlockBackend *blk = mem_open("{'driver':'blklogwrites','log':{'driver':'mem','node-name':'l'},'file':" DISK "}", BDRV_O_RDWR);

    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, 0);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, 0), ==, 0);
    mem_disk("m")->fail[MEM_FLUSH] = -EIO;
    mem_disk("l")->fail[MEM_FLUSH] = -ENOSPC;
    g_assert_cmpint(blk_flush(blk), <, 0);
    mem_disk("l")->fail[MEM_FLUSH] = 0;
    g_assert_cmpint(blk_flush(blk), ==, -EIO);
    mem_disk("m")->fail[MEM_FLUSH] = 0;
    g_assert_cmpint(blk_flush(blk), ==, 0);
    blk_unref(blk);
    blk = mem_open("{'driver':'mem','node-name':'m','cache':{'no-flush':true}}", BDRV_O_RDWR);
    g_assert_cmpint(blk_pwrite(blk, 0, 512, buf, BDRV_REQ_FUA), ==, 0);
    g_assert_cmpint(mem_disk("m")->calls[MEM_FLUSH], ==, 0);
    blk_unref(blk);
}

static void test_statistics(void)
{
    BlockAcctStats *s = block_acct_new();
    const uint64_t bounds[] = { 1, 1000000000000 };
    BlockAcctInterval iv;
    BlockAcctCookie c;
    BlockAcctTotals t;

    g_assert_cmpint(block_acct_idle_ns(s), >=, 0);
    block_acct_setup(s, false, false);     /* invalid and failed ones leave no trace in times */
    block_acct_invalid(s, BLOCK_ACCT_WRITE);
    block_acct_add_interval(s, 3600);
    g_assert_cmpint(block_acct_set_histogram(s, BLOCK_ACCT_WRITE, bounds, 2), ==, 0);
    block_acct_start(s, &c, 512, BLOCK_ACCT_READ);
    block_acct_failed(s, &c);
    block_acct_get(s, &t);
    g_assert_cmpuint(t.failed[BLOCK_ACCT_READ], ==, 1);
    g_assert_cmpuint(t.total_ns[BLOCK_ACCT_READ], ==, 0);
    g_assert_cmpint(t.last_access_ns, ==, 0);
    g_assert_true(block_acct_get_interval(s, 0, &iv));
    g_assert_cmpuint(iv.max_ns[BLOCK_ACCT_READ], ==, 0);
    block_acct_start(s, &c, 512, BLOCK_ACCT_READ);
    c.start_ns -= 5000;
    block_acct_done(s, &c);
    block_acct_merged(s, BLOCK_ACCT_READ, 3);
    block_acct_get(s, &t);
    g_assert_cmpuint(t.merged[BLOCK_ACCT_READ], ==, 3);
    g_assert_cmpuint(t.total_ns[BLOCK_ACCT_READ], >=, 5000);
    g_assert_cmpint(t.last_access_ns, >, 0);
    g_assert_cmpint(block_acct_idle_ns(s), <, 3600000000000);
    block_acct_free(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    aio_init_main();
    bdrv_init();
    mem_register();
    qapi_event_set_emitter(note_event);
    g_test_add_func("/gate-errors/edges-fail", test_edges_fail);
    g_test_add_func("/gate-errors/wrong-calls", test_wrong_calls);
    g_test_add_func("/gate-errors/no-length", test_no_length);
    g_test_add_func("/gate-errors/detect-zeroes", test_detect_zeroes);
    g_test_add_func("/gate-errors/threshold", test_threshold);
    g_test_add_func("/gate-errors/discards", test_discards);
    g_test_add_func("/gate-errors/no-wait", test_no_wait);
    g_test_add_func("/gate-errors/vectors", test_vectors);
    g_test_add_func("/gate-errors/truncate", test_truncate);
    g_test_add_func("/gate-errors/status", test_status);
    g_test_add_func("/gate-errors/copy-range", test_copy_range);
    g_test_add_func("/gate-errors/copy-on-read", test_copy_on_read);
    g_test_add_func("/gate-errors/bitmaps", test_bitmaps);
    g_test_add_func("/gate-errors/flush-below", test_flush_below);
    g_test_add_func("/gate-errors/statistics", test_statistics);
    return g_test_run();
}
