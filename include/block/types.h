/*
 * Words that every room of the block layer shares: flags, permissions, status bits.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_TYPES_H
#define BLOCK_TYPES_H

#include <stdbool.h>
#include <stdint.h>
#include <glib.h>

typedef struct BlockDriverState BlockDriverState;
typedef struct BdrvChild BdrvChild;
typedef struct BlockDriver BlockDriver;
typedef struct BlockBackend BlockBackend;
typedef struct BdrvDirtyBitmap BdrvDirtyBitmap;

#define BDRV_SECTOR_BITS 9
#define BDRV_SECTOR_SIZE 512
/* Largest request and largest image: both fit int64_t with room for alignment. */
#define BDRV_MAX_ALIGNMENT (1LL << 30)
#define BDRV_MAX_LENGTH ((INT64_MAX / BDRV_MAX_ALIGNMENT) * BDRV_MAX_ALIGNMENT)
#define BDRV_MAX_REQUEST (INT32_MAX & ~511)

/* How a node is opened. */
typedef enum BdrvOpenFlags {
    BDRV_O_RDWR         = 1 << 0,
    BDRV_O_NOCACHE      = 1 << 1,   /* cache.direct: O_DIRECT */
    BDRV_O_NO_FLUSH     = 1 << 2,   /* cache.no-flush: flushes succeed without work */
    BDRV_O_UNMAP        = 1 << 3,   /* discard=unmap */
    BDRV_O_SNAPSHOT     = 1 << 4,   /* temporary overlay */
    BDRV_O_NO_BACKING   = 1 << 5,   /* do not open the backing chain */
    BDRV_O_CHECK        = 1 << 6,   /* opened to be checked: accept what check can repair */
    BDRV_O_COPY_ON_READ = 1 << 7,
    BDRV_O_INACTIVE     = 1 << 8,   /* incoming migration owns it elsewhere */
    BDRV_O_PROTOCOL     = 1 << 9,   /* the node is (to be) a protocol, no probing */
    BDRV_O_NO_IO        = 1 << 10,  /* only metadata is asked for */
    BDRV_O_AUTO_RDONLY  = 1 << 11,  /* fall back to read-only when writing is not possible */
    BDRV_O_NATIVE_AIO   = 1 << 12,
    BDRV_O_IO_URING     = 1 << 13,
    BDRV_O_RESIZE       = 1 << 14,
    BDRV_O_NO_SHARE     = 1 << 15,  /* nobody else may write or resize meanwhile */
    BDRV_O_BY_IMAGE     = 1 << 16,  /* the name and "driver" were read in an image: only what an image may name */
    BDRV_O_USERS_BACKING = 1 << 17, /* the user himself just named the backing file that the header names */
} BdrvOpenFlags;

/* How a request is to be carried out. */
typedef enum BdrvRequestFlags {
    BDRV_REQ_COPY_ON_READ     = 1 << 0,
    BDRV_REQ_ZERO_WRITE       = 1 << 1,   /* internal: zeroes, no data vector */
    BDRV_REQ_MAY_UNMAP        = 1 << 2,   /* zeroes may become holes */
    BDRV_REQ_FUA              = 1 << 3,   /* stable on completion */
    BDRV_REQ_WRITE_COMPRESSED = 1 << 4,
    BDRV_REQ_WRITE_UNCHANGED  = 1 << 5,   /* guest-visible content stays the same */
    BDRV_REQ_SERIALISING      = 1 << 6,   /* wait for and hold off overlapping requests */
    BDRV_REQ_NO_FALLBACK      = 1 << 7,   /* -ENOTSUP rather than writing zero buffers */
    BDRV_REQ_PREFETCH         = 1 << 8,   /* read for copy-on-read only, no vector */
    BDRV_REQ_NO_WAIT          = 1 << 9,   /* with SERIALISING: -EBUSY rather than wait */
    BDRV_REQ_REGISTERED_BUF   = 1 << 10,
    BDRV_REQ_READ_AHEAD       = 1 << 11,  /* the reader has work to do meanwhile: not in its thread, if there are others */
} BdrvRequestFlags;

/* What a parent does with a child, and what it lets others do. */
typedef enum BlkPerm {
    BLK_PERM_CONSISTENT_READ = 1 << 0,
    BLK_PERM_WRITE           = 1 << 1,
    BLK_PERM_WRITE_UNCHANGED = 1 << 2,
    BLK_PERM_RESIZE          = 1 << 3,
    BLK_PERM_ALL             = (1 << 4) - 1,
} BlkPerm;

/* The part a child plays for its parent. */
typedef enum BdrvChildRole {
    BDRV_CHILD_DATA     = 1 << 0,   /* guest data is stored there */
    BDRV_CHILD_METADATA = 1 << 1,
    BDRV_CHILD_FILTERED = 1 << 2,   /* the parent is a filter and shows this child's data */
    BDRV_CHILD_COW      = 1 << 3,   /* backing: read through where unallocated */
    BDRV_CHILD_PRIMARY  = 1 << 4,   /* length, flushes and file names come from here */
    BDRV_CHILD_IMAGE    = BDRV_CHILD_DATA | BDRV_CHILD_METADATA | BDRV_CHILD_PRIMARY,
} BdrvChildRole;

/* Block status of a range. */
#define BDRV_BLOCK_DATA         0x01   /* data comes from the layer that answered */
#define BDRV_BLOCK_ZERO         0x02   /* reads as zeroes */
#define BDRV_BLOCK_OFFSET_VALID 0x04   /* *map is the offset in *file */
#define BDRV_BLOCK_RAW          0x08   /* ask *file at *map instead (set by pass-through drivers) */
#define BDRV_BLOCK_ALLOCATED    0x10   /* this layer (not its backing) decides the content */
#define BDRV_BLOCK_EOF          0x20   /* the range ends at the end of the node */
#define BDRV_BLOCK_RECURSE      0x40   /* the answer may be made finer by asking *file */
#define BDRV_BLOCK_COMPRESSED   0x80

typedef enum PreallocMode { PREALLOC_OFF, PREALLOC_METADATA, PREALLOC_FALLOC, PREALLOC_FULL } PreallocMode;
const char *prealloc_mode_name(PreallocMode m);
bool prealloc_mode_parse(const char *s, PreallocMode *out);

typedef struct BdrvGuestRange {
    uint64_t offset, bytes;
    char *snapshot;                                  /* NULL: the disk as it is now */
} BdrvGuestRange;

/* Something that a check found, in words; they belong to the driver. */
typedef struct BdrvCheckFinding {
    const char *kind;                                /* one word for programs */
    const char *what, *repair;
    const char *structure;                           /* of the image, that lies at the place; may be NULL */
    uint64_t host_offset, host_bytes;                /* in the file; 0 bytes: at no place */
    GArray *guest;                                   /* BdrvGuestRange: what it touches of the guest's disk */
    uint64_t guest_omitted;                          /* ranges that are not listed */
} BdrvCheckFinding;

void bdrv_check_finding_free(BdrvCheckFinding *f);

typedef struct BdrvCheckResult {
    GPtrArray *findings;                             /* BdrvCheckFinding, added by the check; NULL: not wanted */
    int64_t findings_omitted;
    bool findings_cut;                               /* not all tables were looked at for what is touched */
    int64_t corruptions, leaks, check_errors;
    int64_t corruptions_fixed, leaks_fixed;
    int64_t image_end_offset;                        /* 0: unknown */
    int64_t total_clusters, allocated_clusters, fragmented_clusters, compressed_clusters;
} BdrvCheckResult;
typedef enum BdrvCheckFix { BDRV_FIX_LEAKS = 1, BDRV_FIX_ERRORS = 2 } BdrvCheckFix;

typedef struct BlockSizes { uint32_t phys, log; } BlockSizes;

#endif
