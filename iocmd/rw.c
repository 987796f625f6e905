/*
 * read, readv, write, writev: requests that complete before the next command.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

typedef struct ReadArgs {
    bool machine, quiet, dump, vmstate, verify, has_start, has_len;
    int pattern;
    int64_t verify_start, verify_len;
    int64_t offset, count;
} ReadArgs;

static int read_options(ReadArgs *a, int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "bCl:pP:qs:v")) != -1) {
        switch (c) {
        case 'b': a->vmstate = true; break;
        case 'C': a->machine = true; break;
        case 'p': break;
        case 'q': a->quiet = true; break;
        case 'v': a->dump = true; break;
        case 'l':
            a->has_len = true;
            a->verify_len = iocmd_number(optarg);
            if (a->verify_len < 0) {
                return a->verify_len;
            }
            break;
        case 's':
            a->has_start = true;
            a->verify_start = iocmd_number(optarg);
            if (a->verify_start < 0) {
                return a->verify_start;
            }
            break;
        case 'P':
            a->verify = true;
            a->pattern = iocmd_pattern(optarg);
            if (a->pattern < 0) {
                return -EINVAL;
            }
            break;
        default:
            return iocmd_usage(argv[0]);
        }
    }
    return optind == argc - 2 ? 0 : iocmd_usage(argv[0]);
}

/* "off len" at argv[optind]; hint names the flag that lifts the limit, "" for none, NULL when it is lifted. */
static int parse_range(char **argv, int64_t *offset, int64_t *count, const char *hint)
{
    *offset = iocmd_number(argv[optind]);
    if (*offset < 0) {
        return *offset;
    }
    *count = iocmd_number(argv[optind + 1]);
    if (*count < 0) {
        return *count;
    }
    if (hint && *count > BDRV_MAX_REQUEST) {
        printf("length cannot exceed %d%s, given %s\n", BDRV_MAX_REQUEST, hint, argv[optind + 1]);
        return -EINVAL;
    }
    return 0;
}

static int check_verify_range(ReadArgs *a, const char *name)
{
    if (!a->verify && (a->has_len || a->has_start)) {
        return iocmd_usage(name);
    }
    if (!a->has_len) {
        a->verify_len = a->count - a->verify_start;
    }
    if (a->verify_len < 0 || a->verify_start > a->count - a->verify_len) {
        printf("pattern verification range exceeds end of read data\n");
        return -EINVAL;
    }
    if (a->vmstate && !(iocmd_check_sector_aligned(a->offset, "offset") &&
                        iocmd_check_sector_aligned(a->count, "count"))) {
        return -EINVAL;
    }
    return 0;
}

/* What both reads do with the data: verify, dump, report. */
static int finish_read(const ReadArgs *a, const uint8_t *buf, int64_t start_us)
{
    IoReport report = { "read", start_us, a->offset, a->count, a->count, a->machine };
    bool good = !a->verify || iocmd_verify(buf + a->verify_start, a->verify_len, a->pattern,
                                           a->offset + a->verify_start);

    if (!a->quiet) {
        if (a->dump) {
            iocmd_dump(buf, a->offset, a->count);
        }
        iocmd_report(&report);
    }
    return good ? 0 : -EINVAL;
}

static int fail(const char *what, int ret)
{
    printf("%s failed: %s\n", what, strerror(-ret));
    return ret;
}

static int read_run(BlockBackend *blk, int argc, char **argv)
{
    ReadArgs a = { 0 };
    int64_t start_us;
    uint8_t *buf;
    int ret = read_options(&a, argc, argv);

    if (ret == 0) {
        ret = parse_range(argv, &a.offset, &a.count, "");
    }
    if (ret == 0) {
        ret = check_verify_range(&a, argv[0]);
    }
    if (ret < 0) {
        return ret;
    }
    buf = iocmd_buf_new(blk, a.count, 0xab);
    if (!buf) {
        return fail("read", -ENOMEM);
    }
    start_us = iocmd_now_us();
    ret = a.vmstate ? blk_load_vmstate(blk, buf, a.offset, a.count)
                    : blk_pread(blk, a.offset, a.count, buf, 0);
    ret = ret < 0 ? fail("read", ret) : finish_read(&a, buf, start_us);
    iocmd_buf_free(buf);
    return ret;
}

static int readv_options(ReadArgs *a, int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "CP:qv")) != -1) {
        switch (c) {
        case 'C': a->machine = true; break;
        case 'q': a->quiet = true; break;
        case 'v': a->dump = true; break;
        case 'P':
            a->verify = true;
            a->pattern = iocmd_pattern(optarg);
            if (a->pattern < 0) {
                return -EINVAL;
            }
            break;
        default:
            return iocmd_usage(argv[0]);
        }
    }
    return optind <= argc - 2 ? 0 : iocmd_usage(argv[0]);
}

static int readv_run(BlockBackend *blk, int argc, char **argv)
{
    ReadArgs a = { 0 };
    AUTO_IOVEC v = { 0 };
    int64_t start_us;
    void *buf = NULL;
    int ret = readv_options(&a, argc, argv);

    if (ret < 0) {
        return ret;
    }
    a.offset = iocmd_number(argv[optind]);
    if (a.offset < 0) {
        return a.offset;
    }
    if (!iocmd_buf_vector(blk, &v, argv + optind + 1, argc - optind - 1, 0xab, &buf)) {
        return -EINVAL;
    }
    a.count = a.verify_len = v.size;
    start_us = iocmd_now_us();
    ret = blk_preadv(blk, a.offset, a.count, &v, 0);
    ret = ret < 0 ? fail("readv", ret) : finish_read(&a, buf, start_us);
    iocmd_buf_free(buf);
    return ret;
}

typedef struct WriteArgs {
    bool machine, quiet, vmstate, compressed, zeroes, has_pattern;
    const char *source;     /* -s file */
    int pattern;
    BdrvRequestFlags flags;
    int64_t offset, count;
} WriteArgs;

static int write_options(WriteArgs *a, int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "bcCfnpP:qs:uz")) != -1) {
        switch (c) {
        case 'b': a->vmstate = true; break;
        case 'c': a->compressed = true; break;
        case 'C': a->machine = true; break;
        case 'f': a->flags |= BDRV_REQ_FUA; break;
        case 'n': a->flags |= BDRV_REQ_NO_FALLBACK; break;
        case 'p': break;
        case 'q': a->quiet = true; break;
        case 's': a->source = optarg; break;
        case 'u': a->flags |= BDRV_REQ_MAY_UNMAP; break;
        case 'z': a->zeroes = true; break;
        case 'P':
            a->has_pattern = true;
            a->pattern = iocmd_pattern(optarg);
            if (a->pattern < 0) {
                return -EINVAL;
            }
            break;
        default:
            return iocmd_usage(argv[0]);
        }
    }
    return optind == argc - 2 ? 0 : iocmd_usage(argv[0]);
}

static int check_write_options(const WriteArgs *a)
{
    const char *problem =
        a->vmstate && a->zeroes ? "-b and -z cannot be specified at the same time" :
        (a->flags & BDRV_REQ_FUA) && (a->vmstate || a->compressed) ?
            "-f and -b or -c cannot be specified at the same time" :
        (a->flags & BDRV_REQ_NO_FALLBACK) && !a->zeroes ? "-n requires -z to be specified" :
        (a->flags & BDRV_REQ_MAY_UNMAP) && !a->zeroes ? "-u requires -z to be specified" :
        a->zeroes + a->has_pattern + (a->source != NULL) > 1 ?
            "Only one of -z, -P, and -s can be specified at the same time" : NULL;

    if (problem) {
        puts(problem);
        return -EINVAL;
    }
    return 0;
}

static int do_write(BlockBackend *blk, const WriteArgs *a, const void *buf)
{
    if (a->vmstate) {
        return blk_save_vmstate(blk, buf, a->offset, a->count);
    } else if (a->zeroes) {
        return blk_pwrite_zeroes(blk, a->offset, a->count, a->flags);
    } else if (a->compressed) {
        return blk_pwrite_compressed(blk, a->offset, a->count, buf);
    }
    return blk_pwrite(blk, a->offset, a->count, buf, a->flags);
}

static int parse_write(WriteArgs *a, int argc, char **argv)
{
    int ret = write_options(a, argc, argv);

    if (ret == 0) {
        ret = check_write_options(a);
    }
    if (ret == 0) {
        ret = parse_range(argv, &a->offset, &a->count,
                          a->flags & BDRV_REQ_NO_FALLBACK ? NULL : " without -n");
    }
    if (ret == 0 && (a->vmstate || a->compressed) &&
        !(iocmd_check_sector_aligned(a->offset, "offset") && iocmd_check_sector_aligned(a->count, "count"))) {
        ret = -EINVAL;
    }
    return ret;
}

static int write_run(BlockBackend *blk, int argc, char **argv)
{
    WriteArgs a = { .pattern = 0xcd };
    IoReport report = { "wrote" };
    void *buf = NULL;
    int ret = parse_write(&a, argc, argv);

    if (ret < 0) {
        return ret;
    }
    if (!a.zeroes) {
        buf = a.source ? iocmd_buf_from_file(blk, a.count, a.source) : iocmd_buf_new(blk, a.count, a.pattern);
        if (!buf) {
            return a.source ? -EINVAL : fail("write", -ENOMEM);
        }
    }
    report = (IoReport){ "wrote", iocmd_now_us(), a.offset, a.count, a.count, a.machine };
    ret = do_write(blk, &a, buf);
    iocmd_buf_free(buf);
    if (ret < 0) {
        return fail("write", ret);
    }
    if (!a.quiet) {
        iocmd_report(&report);
    }
    return 0;
}

static int writev_options(WriteArgs *a, int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "CfqP:")) != -1) {
        switch (c) {
        case 'C': a->machine = true; break;
        case 'f': a->flags |= BDRV_REQ_FUA; break;
        case 'q': a->quiet = true; break;
        case 'P':
            a->pattern = iocmd_pattern(optarg);
            if (a->pattern < 0) {
                return -EINVAL;
            }
            break;
        default:
            return iocmd_usage(argv[0]);
        }
    }
    return optind <= argc - 2 ? 0 : iocmd_usage(argv[0]);
}

static int writev_run(BlockBackend *blk, int argc, char **argv)
{
    WriteArgs a = { .pattern = 0xcd };
    IoReport report;
    AUTO_IOVEC v = { 0 };
    void *buf = NULL;
    int ret = writev_options(&a, argc, argv);

    if (ret < 0) {
        return ret;
    }
    a.offset = iocmd_number(argv[optind]);
    if (a.offset < 0) {
        return a.offset;
    }
    if (!iocmd_buf_vector(blk, &v, argv + optind + 1, argc - optind - 1, a.pattern, &buf)) {
        return -EINVAL;
    }
    report = (IoReport){ "wrote", iocmd_now_us(), a.offset, v.size, v.size, a.machine };
    ret = blk_pwritev(blk, a.offset, v.size, &v, a.flags);
    iocmd_buf_free(buf);
    if (ret < 0) {
        return fail("writev", ret);
    }
    if (!a.quiet) {
        iocmd_report(&report);
    }
    return 0;
}

const IoCmd iocmd_rw[] = {
    { .name = "read", .alt_name = "r", .run = read_run, .min_args = 2, .max_args = -1,
      .args = "[-abCqv] [-P pattern [-s off] [-l len]] off len",
      .oneline = "reads a number of bytes at a specified offset", .help =
      "\n"
      " reads a range of bytes from the given offset\n"
      "\n"
      " Example:\n"
      " 'read -v 512 1k' - dumps 1 kilobyte read from 512 bytes into the file\n"
      "\n"
      " Reads a segment of the currently open file, optionally dumping it to the\n"
      " standard output stream (with -v option) for subsequent inspection.\n"
      " -b, -- read from the VM state rather than the virtual disk\n"
      " -C, -- report statistics in a machine parsable format\n"
      " -l, -- length for pattern verification (only with -P)\n"
      " -p, -- ignored for backwards compatibility\n"
      " -P, -- use a pattern to verify read data\n"
      " -q, -- quiet mode, do not show I/O statistics\n"
      " -s, -- start offset for pattern verification (only with -P)\n"
      " -v, -- dump buffer to standard output\n"
      "\n" },
    { .name = "readv", .run = readv_run, .min_args = 2, .max_args = -1,
      .args = "[-Cqv] [-P pattern] off len [len..]",
      .oneline = "reads a number of bytes at a specified offset", .help =
      "\n"
      " reads a range of bytes from the given offset into multiple buffers\n"
      "\n"
      " Example:\n"
      " 'readv -v 512 1k 1k ' - dumps 2 kilobytes read from 512 bytes into the file\n"
      "\n"
      " Reads a segment of the currently open file, optionally dumping it to the\n"
      " standard output stream (with -v option) for subsequent inspection.\n"
      " Uses multiple iovec buffers if more than one byte range is specified.\n"
      " -C, -- report statistics in a machine parsable format\n"
      " -P, -- use a pattern to verify read data\n"
      " -v, -- dump buffer to standard output\n"
      " -q, -- quiet mode, do not show I/O statistics\n"
      "\n" },
    { .name = "write", .alt_name = "w", .run = write_run, .min_args = 2, .max_args = -1, .perm = BLK_PERM_WRITE,
      .args = "[-bcCfnquz] [-P pattern | -s source_file] off len",
      .oneline = "writes a number of bytes at a specified offset", .help =
      "\n"
      " writes a range of bytes from the given offset\n"
      "\n"
      " Example:\n"
      " 'write 512 1k' - writes 1 kilobyte at 512 bytes into the open file\n"
      "\n"
      " Writes into a segment of the currently open file, using a buffer\n"
      " filled with a set pattern (0xcdcdcdcd).\n"
      " -b, -- write to the VM state rather than the virtual disk\n"
      " -c, -- write compressed data with blk_write_compressed\n"
      " -f, -- use Force Unit Access semantics\n"
      " -n, -- with -z, don't allow slow fallback\n"
      " -p, -- ignored for backwards compatibility\n"
      " -P, -- use different pattern to fill file\n"
      " -s, -- use a pattern file to fill the write buffer\n"
      " -C, -- report statistics in a machine parsable format\n"
      " -q, -- quiet mode, do not show I/O statistics\n"
      " -u, -- with -z, allow unmapping\n"
      " -z, -- write zeroes using blk_co_pwrite_zeroes\n"
      "\n" },
    { .name = "writev", .run = writev_run, .min_args = 2, .max_args = -1, .perm = BLK_PERM_WRITE,
      .args = "[-Cfq] [-P pattern] off len [len..]",
      .oneline = "writes a number of bytes at a specified offset", .help =
      "\n"
      " writes a range of bytes from the given offset source from multiple buffers\n"
      "\n"
      " Example:\n"
      " 'writev 512 1k 1k' - writes 2 kilobytes at 512 bytes into the open file\n"
      "\n"
      " Writes into a segment of the currently open file, using a buffer\n"
      " filled with a set pattern (0xcdcdcdcd).\n"
      " -P, -- use different pattern to fill file\n"
      " -C, -- report statistics in a machine parsable format\n"
      " -f, -- use Force Unit Access semantics\n"
      " -q, -- quiet mode, do not show I/O statistics\n"
      "\n" },
    { NULL }
};
