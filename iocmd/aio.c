/*
 * aio_read, aio_write, aio_flush: requests that run on while commands are read.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

/* One request in flight; freed by its completion. */
typedef struct AioRequest {
    BlockBackend *blk;
    BlockAcctCookie acct;
    IoReport report;
    IoVec v;
    void *buf;
    int64_t offset;
    int pattern;
    bool verify, dump, quiet, zeroes, invalid;
    BdrvRequestFlags flags;
} AioRequest;

static void request_free(AioRequest *r)
{
    iov_destroy(&r->v);
    iocmd_buf_free(r->buf);
    g_free(r);
}

static void read_done(void *opaque, int ret)
{
    AioRequest *r = opaque;

    if (ret < 0) {
        printf("readv failed: %s\n", strerror(-ret));
        block_acct_failed(blk_get_stats(r->blk), &r->acct);
        request_free(r);
        return;
    }
    if (r->verify) {
        iocmd_verify(r->buf, r->v.size, r->pattern, r->offset);
    }
    block_acct_done(blk_get_stats(r->blk), &r->acct);
    if (!r->quiet) {
        if (r->dump) {
            iocmd_dump(r->buf, r->offset, r->v.size);
        }
        iocmd_report(&r->report);
    }
    request_free(r);
}

static void write_done(void *opaque, int ret)
{
    AioRequest *r = opaque;

    if (ret < 0) {
        printf("aio_write failed: %s\n", strerror(-ret));
        block_acct_failed(blk_get_stats(r->blk), &r->acct);
    } else {
        block_acct_done(blk_get_stats(r->blk), &r->acct);
        if (!r->quiet) {
            iocmd_report(&r->report);
        }
    }
    request_free(r);
}

/* Options of both; 1 when the command is done with (-i), 0 to go on. */
static int parse_options(AioRequest *r, int argc, char **argv, const char *options, BlockAcctType type)
{
    int c;

    while ((c = getopt(argc, argv, options)) != -1) {
        switch (c) {
        case 'C': r->report.machine = true; break;
        case 'f': r->flags |= BDRV_REQ_FUA; break;
        case 'q': r->quiet = true; break;
        case 'u': r->flags |= BDRV_REQ_MAY_UNMAP; break;
        case 'v': r->dump = true; break;
        case 'z': r->zeroes = true; break;
        case 'P':
            r->verify = true;
            r->pattern = iocmd_pattern(optarg);
            if (r->pattern < 0) {
                return -EINVAL;
            }
            break;
        case 'i':
            block_acct_invalid(blk_get_stats(r->blk), type);
            printf("injecting invalid %s request\n", type == BLOCK_ACCT_READ ? "read" : "write");
            return 1;
        default:
            return iocmd_usage(argv[0]);
        }
    }
    return optind <= argc - 2 ? 0 : iocmd_usage(argv[0]);
}

static AioRequest *request_new(BlockBackend *blk, const char *verb)
{
    AioRequest *r = g_new0(AioRequest, 1);

    r->blk = blk;
    r->report.verb = verb;
    return r;
}

static void request_start(AioRequest *r, int64_t count, BlockAcctType type)
{
    r->report.offset = r->offset;
    r->report.count = r->report.total = count;
    r->report.start_us = iocmd_now_us();
    block_acct_start(blk_get_stats(r->blk), &r->acct, count, type);
}

/* Offset and buffers for a request that moves data. */
static int parse_vector(AioRequest *r, int argc, char **argv, int byte)
{
    r->offset = iocmd_number(argv[optind]);
    if (r->offset < 0) {
        return r->offset;
    }
    return iocmd_buf_vector(r->blk, &r->v, argv + optind + 1, argc - optind - 1, byte, &r->buf) ? 0 : -EINVAL;
}

static int aio_read_run(BlockBackend *blk, int argc, char **argv)
{
    AioRequest *r = request_new(blk, "read");
    int ret = parse_options(r, argc, argv, "CP:iqv", BLOCK_ACCT_READ);

    if (ret == 0) {
        ret = parse_vector(r, argc, argv, 0xab);
        if (ret < 0) {
            block_acct_invalid(blk_get_stats(blk), BLOCK_ACCT_READ);
        }
    }
    if (ret != 0) {
        request_free(r);
        return MIN(ret, 0);
    }
    request_start(r, r->v.size, BLOCK_ACCT_READ);
    blk_aio_preadv(blk, r->offset, &r->v, 0, read_done, r);
    return 0;
}

/* "off len" of -z, which has no buffers. */
static int parse_zeroes(AioRequest *r, int argc, char **argv, int64_t *count)
{
    if (optind != argc - 2) {
        printf("-z supports only a single length parameter\n");
        return -EINVAL;
    }
    r->offset = iocmd_number(argv[optind]);
    if (r->offset < 0) {
        return r->offset;
    }
    *count = iocmd_number(argv[optind + 1]);
    return *count < 0 ? *count : 0;
}

static int parse_write(AioRequest *r, int argc, char **argv, int64_t *count)
{
    int ret;

    if ((r->flags & BDRV_REQ_MAY_UNMAP) && !r->zeroes) {
        printf("-u requires -z to be specified\n");
        return -EINVAL;
    }
    if (r->zeroes) {
        return parse_zeroes(r, argc, argv, count);
    }
    ret = parse_vector(r, argc, argv, r->pattern);
    *count = r->v.size;
    if (ret < 0) {
        block_acct_invalid(blk_get_stats(r->blk), BLOCK_ACCT_WRITE);
    }
    return ret;
}

static int aio_write_run(BlockBackend *blk, int argc, char **argv)
{
    AioRequest *r = request_new(blk, "wrote");
    int64_t count = 0;
    int ret;

    r->pattern = 0xcd;
    ret = parse_options(r, argc, argv, "CfiP:quz", BLOCK_ACCT_WRITE);
    if (ret == 0) {
        ret = parse_write(r, argc, argv, &count);
    }
    if (ret != 0) {
        request_free(r);
        return MIN(ret, 0);
    }
    request_start(r, count, BLOCK_ACCT_WRITE);
    if (r->zeroes) {
        blk_aio_pwrite_zeroes(blk, r->offset, count, r->flags, write_done, r);
    } else {
        blk_aio_pwritev(blk, r->offset, &r->v, r->flags, write_done, r);
    }
    return 0;
}

static int aio_flush_run(BlockBackend *blk, int argc, char **argv)
{
    BlockAcctCookie acct;

    block_acct_start(blk_get_stats(blk), &acct, 0, BLOCK_ACCT_FLUSH);
    blk_drain_all();
    block_acct_done(blk_get_stats(blk), &acct);
    return 0;
}

const IoCmd iocmd_aio[] = {
    { .name = "aio_read", .run = aio_read_run, .min_args = 2, .max_args = -1,
      .args = "[-Ciqv] [-P pattern] off len [len..]",
      .oneline = "asynchronously reads a number of bytes", .help =
      "\n"
      " asynchronously reads a range of bytes from the given offset\n"
      "\n"
      " Example:\n"
      " 'aio_read -v 512 1k 1k ' - dumps 2 kilobytes read from 512 bytes into the file\n"
      "\n"
      " Reads a segment of the currently open file, optionally dumping it to the\n"
      " standard output stream (with -v option) for subsequent inspection.\n"
      " The read is performed asynchronously and the aio_flush command must be\n"
      " used to ensure all outstanding aio requests have been completed.\n"
      " Note that due to its asynchronous nature, this command will be\n"
      " considered successful once the request is submitted, independently\n"
      " of potential I/O errors or pattern mismatches.\n"
      " -C, -- report statistics in a machine parsable format\n"
      " -P, -- use a pattern to verify read data\n"
      " -i, -- treat request as invalid, for exercising stats\n"
      " -v, -- dump buffer to standard output\n"
      " -q, -- quiet mode, do not show I/O statistics\n"
      "\n" },
    { .name = "aio_write", .run = aio_write_run, .min_args = 2, .max_args = -1, .perm = BLK_PERM_WRITE,
      .args = "[-Cfiquz] [-P pattern] off len [len..]",
      .oneline = "asynchronously writes a number of bytes", .help =
      "\n"
      " asynchronously writes a range of bytes from the given offset source\n"
      " from multiple buffers\n"
      "\n"
      " Example:\n"
      " 'aio_write 512 1k 1k' - writes 2 kilobytes at 512 bytes into the open file\n"
      "\n"
      " Writes into a segment of the currently open file, using a buffer\n"
      " filled with a set pattern (0xcdcdcdcd).\n"
      " The write is performed asynchronously and the aio_flush command must be\n"
      " used to ensure all outstanding aio requests have been completed.\n"
      " Note that due to its asynchronous nature, this command will be\n"
      " considered successful once the request is submitted, independently\n"
      " of potential I/O errors or pattern mismatches.\n"
      " -P, -- use different pattern to fill file\n"
      " -C, -- report statistics in a machine parsable format\n"
      " -f, -- use Force Unit Access semantics\n"
      " -i, -- treat request as invalid, for exercising stats\n"
      " -q, -- quiet mode, do not show I/O statistics\n"
      " -u, -- with -z, allow unmapping\n"
      " -z, -- write zeroes using blk_aio_pwrite_zeroes\n"
      "\n" },
    { .name = "aio_flush", .run = aio_flush_run, .oneline = "completes all outstanding aio requests" },
    { NULL }
};
