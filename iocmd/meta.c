/*
 * Commands about the image as a whole: flush, discard, truncate, length, info, alloc, map.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "block/info-text.h"
#include "internal.h"

static int flush_run(BlockBackend *blk, int argc, char **argv)
{
    return blk_flush(blk);
}

static int truncate_run(BlockBackend *blk, int argc, char **argv)
{
    PreallocMode prealloc = PREALLOC_OFF;
    Error *err = NULL;
    int64_t size;
    int c, ret;

    while ((c = getopt(argc, argv, "m:")) != -1) {
        if (c != 'm') {
            return iocmd_usage(argv[0]);
        }
        if (!prealloc_mode_parse(optarg, &prealloc)) {
            error_report("Invalid preallocation mode '%s'", optarg);
            return -EINVAL;
        }
    }
    if (optind >= argc) {
        return iocmd_usage(argv[0]);
    }
    size = iocmd_number(argv[optind]);
    if (size < 0) {
        return size;
    }
    ret = blk_truncate(blk, size, false, prealloc, 0, &err);
    if (ret < 0) {
        error_report_err(err);
    }
    return ret;
}

static int length_run(BlockBackend *blk, int argc, char **argv)
{
    int64_t size = blk_getlength(blk);
    g_autofree char *text = NULL;

    if (size < 0) {
        printf("getlength: %s\n", strerror(-size));
        return size;
    }
    text = iocmd_size_text(size);
    puts(text);
    return 0;
}

static int print_specific_info(BlockDriverState *bs)
{
    g_autoptr(QObject) info = NULL;
    g_autofree char *text = NULL;
    Error *err = NULL;

    if (!bs->drv->get_specific_info) {
        return 0;
    }
    info = bs->drv->get_specific_info(bs, &err);
    if (err) {
        error_report_err(err);
        return -EIO;
    }
    if (info) {
        text = bdrv_specific_info_text(info, 1);
        printf("Format specific information:\n%s", text);
    }
    return 0;
}

static int info_run(BlockBackend *blk, int argc, char **argv)
{
    BlockDriverState *bs = blk_bs(blk);
    g_autofree char *cluster = NULL;
    g_autofree char *vmstate = NULL;
    BlockDriverInfo bdi = { 0 };
    int ret;

    if (bs->drv && bs->drv->name) {
        printf("format name: %s\n", bs->drv->name);
    }
    if (bs->drv && bs->drv->protocol) {
        printf("format name: %s\n", bs->drv->protocol);
    }
    ret = bdrv_get_info(bs, &bdi);
    if (ret < 0) {
        return ret;
    }
    cluster = iocmd_size_text(bdi.cluster_size);
    vmstate = iocmd_size_text(bdi.vm_state_offset);
    printf("cluster size: %s\nvm state offset: %s\n", cluster, vmstate);
    return print_specific_info(bs);
}

typedef struct DiscardArgs {
    bool machine, quiet;
    int64_t offset, count;
} DiscardArgs;

static int parse_discard(DiscardArgs *a, int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "Cq")) != -1) {
        if (c == '?') {
            return iocmd_usage(argv[0]);
        }
        a->machine |= c == 'C';
        a->quiet |= c == 'q';
    }
    if (optind != argc - 2) {
        return iocmd_usage(argv[0]);
    }
    a->offset = iocmd_number(argv[optind]);
    if (a->offset < 0) {
        return a->offset;
    }
    a->count = iocmd_number(argv[optind + 1]);
    if (a->count < 0) {
        return a->count;
    }
    if (a->count > BDRV_MAX_REQUEST) {
        printf("length cannot exceed %d, given %s\n", BDRV_MAX_REQUEST, argv[optind + 1]);
        return -EINVAL;
    }
    return 0;
}

static int discard_run(BlockBackend *blk, int argc, char **argv)
{
    DiscardArgs a = { 0 };
    IoReport report;
    int ret = parse_discard(&a, argc, argv);

    if (ret < 0) {
        return ret;
    }
    report = (IoReport){ "discard", iocmd_now_us(), a.offset, a.count, a.count, a.machine };
    ret = blk_pdiscard(blk, a.offset, a.count);
    if (ret < 0) {
        printf("discard failed: %s\n", strerror(-ret));
        return ret;
    }
    if (!a.quiet) {
        iocmd_report(&report);
    }
    return 0;
}

/* Allocated bytes among [offset, offset + count). */
static int64_t count_allocated(BlockDriverState *bs, int64_t offset, int64_t count)
{
    int64_t sum = 0;

    while (count > 0) {
        int64_t n;
        int ret = bdrv_is_allocated(bs, offset, count, &n);

        if (ret < 0) {
            return ret;
        }
        if (n == 0) {
            break;
        }
        sum += ret ? n : 0;
        offset += n;
        count -= n;
    }
    return sum;
}

static int alloc_run(BlockBackend *blk, int argc, char **argv)
{
    int64_t offset = iocmd_number(argv[1]), count = BDRV_SECTOR_SIZE, size, allocated;
    g_autofree char *where = NULL;

    if (offset < 0) {
        return offset;
    }
    if (argc == 3) {
        count = iocmd_number(argv[2]);
        if (count < 0) {
            return count;
        }
    }
    size = blk_getlength(blk);
    if (size < 0) {
        printf("getlength: %s\n", strerror(-size));
        return size;
    }
    count = MIN(count, MAX(size - offset, 0));
    allocated = count_allocated(blk_bs(blk), offset, count);
    if (allocated < 0) {
        printf("is_allocated failed: %s\n", strerror(-allocated));
        return allocated;
    }
    where = iocmd_size_text(offset);
    printf("%" PRId64 "/%" PRId64 " bytes allocated at offset %s\n", allocated, count, where);
    return 0;
}

/* Length of the run at offset with one answer (1 allocated, 0 not): *run; negative errno on failure. */
static int allocation_run(BlockDriverState *bs, int64_t offset, int64_t bytes, int64_t *run)
{
    int64_t n;
    int first = bdrv_is_allocated(bs, offset, bytes, &n);

    if (first < 0) {
        return first;
    }
    *run = n;
    while (n > 0 && *run < bytes) {
        int ret = bdrv_is_allocated(bs, offset + *run, bytes - *run, &n);

        if (ret < 0) {
            return ret;
        }
        if (ret != first) {
            break;
        }
        *run += n;
    }
    return first;
}

static int map_run(BlockBackend *blk, int argc, char **argv)
{
    int64_t size = blk_getlength(blk), offset = 0;

    if (size < 0) {
        error_report("Failed to query image length: %s", strerror(-size));
        return size;
    }
    while (offset < size) {
        g_autofree char *length_text = NULL;
        g_autofree char *offset_text = NULL;
        int64_t run;
        int ret = allocation_run(blk_bs(blk), offset, size - offset, &run);

        if (ret < 0) {
            error_report("Failed to get allocation status: %s", strerror(-ret));
            return ret;
        }
        if (run == 0) {
            error_report("Unexpected end of image");
            return -EIO;
        }
        length_text = iocmd_size_text(run);
        offset_text = iocmd_size_text(offset);
        printf("%s (0x%" PRIx64 ") bytes %s at offset %s (0x%" PRIx64 ")\n", length_text, run,
               ret ? "    allocated" : "not allocated", offset_text, offset);
        offset += run;
    }
    return 0;
}

const IoCmd iocmd_meta[] = {
    { .name = "flush", .alt_name = "f", .run = flush_run, .oneline = "flush all in-core file state to disk" },
    { .name = "truncate", .alt_name = "t", .run = truncate_run, .min_args = 1, .max_args = 3,
      .perm = BLK_PERM_WRITE | BLK_PERM_RESIZE, .args = "[-m prealloc_mode] off",
      .oneline = "truncates the current file at the given offset" },
    { .name = "length", .alt_name = "l", .run = length_run, .oneline = "gets the length of the current file" },
    { .name = "info", .alt_name = "i", .run = info_run, .oneline = "prints information about the current file" },
    { .name = "discard", .alt_name = "d", .run = discard_run, .min_args = 2, .max_args = -1,
      .perm = BLK_PERM_WRITE, .args = "[-Cq] off len",
      .oneline = "discards a number of bytes at a specified offset", .help =
      "\n"
      " discards a range of bytes from the given offset\n"
      "\n"
      " Example:\n"
      " 'discard 512 1k' - discards 1 kilobyte from 512 bytes into the file\n"
      "\n"
      " Discards a segment of the currently open file.\n"
      " -C, -- report statistics in a machine parsable format\n"
      " -q, -- quiet mode, do not show I/O statistics\n"
      "\n" },
    { .name = "alloc", .alt_name = "a", .run = alloc_run, .min_args = 1, .max_args = 2, .args = "offset [count]",
      .oneline = "checks if offset is allocated in the file" },
    { .name = "map", .run = map_run, .max_args = 0, .args = "",
      .oneline = "prints the allocated areas of a file" },
    { NULL }
};
