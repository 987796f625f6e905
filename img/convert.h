/*
 * Copying image data: what the files of `qemu-img convert` share.
 *
 *   convert.c          the command line and the course of a conversion
 *   convert-target.c   choosing, creating and opening the target
 *   convert-scan.c     cutting the sources into jobs by block status
 *   convert-copy.c     carrying out a job: read, find zeroes, write
 *   convert-bitmaps.c  persistent bitmaps
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IMG_CONVERT_H
#define IMG_CONVERT_H

#include "img/common.h"
#include "img/pipeline.h"

/* What the command line says. */
typedef struct ConvertOptions {
    ImgOpen source, target;             /* how to open either side */
    const char *output_fmt;
    const char *base, *base_fmt;        /* -B, -F */
    char *create_options;               /* -o */
    ImgSnapshotParam snapshot;
    bool skip_create, target_is_zero, compress, copy_range, out_of_order, salvage, show_progress;
    bool bitmaps, skip_broken_bitmaps;
    bool sparse_given;
    int64_t min_sparse;                 /* bytes; 0: no zero detection */
    int64_t rate;                       /* bytes a second, 0: unlimited */
    long workers;                       /* 0: as many as suit */
} ConvertOptions;

typedef struct ConvertSource {
    BlockBackend *blk;
    int64_t start, bytes;               /* place in the target */
} ConvertSource;

/* What a range of the sources needs in the target. */
typedef enum ConvertKind { CONVERT_DATA, CONVERT_ZERO, CONVERT_NOTHING } ConvertKind;

typedef struct Convert {
    const ConvertOptions *opt;
    ConvertSource *source;
    int nsources;
    int64_t total;                      /* bytes of all sources */

    BlockBackend *target;
    QDict *target_secrets;              /* "...key-secret" options that it was created with; owned, NULL with -n */
    bool created;                       /* by us, just now */
    bool target_has_backing;            /* -B: what the source has from its own backing is left out */
    int64_t target_backing_length;      /* reads past it are zeroes */
    bool zero_init;                     /* unwritten parts of the target read as zeroes */
    bool compressed;
    int64_t cluster_size;               /* of the target; unit of compressed writes */
    int64_t chunk;                      /* bytes in one job at most */
    int workers;                        /* jobs at the same time */
    int64_t zero_unit;                  /* zeroes are looked for in aligned pieces of this size */

    /* the scanner; under the pipeline's take lock */
    int64_t at;                         /* next byte to hand out */
    int64_t status_end;                 /* `kind` holds up to here */
    ConvertKind kind;
    bool count_data;                    /* progress is of the data to copy, not of all bytes */
    int64_t pace_ns;                    /* rate limit: when the next job may start */

    bool copy_range;                    /* still worth a try */
    bool failed;                        /* one error is enough: later ones are not printed */
} Convert;

/* convert-target.c: choose drivers, create unless -n, open, measure.  All report. */
bool convert_open_target(Convert *c, const char *filename);
/* The target's creation options as typed values; NULL after filling errp. */
QDict *img_creation_options(const BlockDriver *drv, const BlockDriver *protocol, const char *text, Error **errp);

/* convert-scan.c */
/* For -p: look through all sources first, and let progress count their data alone.  0 or -errno after reporting. */
int convert_count_data(Convert *c);
int coroutine_fn convert_take(void *opaque, ImgJob *job);

/* convert-copy.c: all jobs; 0 or -errno after reporting. */
int convert_copy(Convert *c);

/* convert-bitmaps.c */
bool convert_check_bitmaps(BlockDriverState *src, bool skip_broken);
int convert_copy_bitmaps(BlockDriverState *src, BlockDriverState *dst, bool skip_broken);

#endif
