/*
 * A disk in memory for unit tests ("mem"), which fails, is late or answers oddly where a test says so, and counts its requests.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UNIT_MEMDISK_H
#define UNIT_MEMDISK_H

#include "block/backend.h"
#include "block/graph.h"

#define MEM_MAX (4 << 20)              /* bytes that a disk can hold */

typedef enum MemOp {
    MEM_READ, MEM_WRITE, MEM_ZERO, MEM_DISCARD, MEM_FLUSH, MEM_TRUNCATE, MEM_LENGTH, MEM_STATUS, MEM_INFO, MEM_COPY, MEM_OPS
} MemOp;

typedef struct MemDisk {
    uint8_t *data;
    int64_t size;
    int fail[MEM_OPS];                 /* -errno that every such request gets; 0: none */
    int calls[MEM_OPS];
    MemOp held_op;                     /* requests of this kind wait for mem_release when `hold` is set */
    bool hold;
    Coroutine *held;                   /* the one that waits */
    int status;                        /* BDRV_BLOCK_* for all of it; -1: data up to its end */
    int64_t border;                    /* > 0: from there on status_behind holds */
    int status_behind;
    int64_t extent;                    /* a status holds for so many bytes at most; 0: for all */
    int cluster;                       /* that get_info tells */
    BdrvRequestFlags zero_flags;       /* of the last zero write */
} MemDisk;

/* Options of the driver: size, align (request alignment, and cluster size). The driver "bare" has only reads and writes. */
void mem_register(void);
MemDisk *mem_disk(const char *node);
/* Let the held request go on, and run what is ready. */
void mem_release(MemDisk *d);

/* Options are JSON, with single quotes. */
BlockBackend *mem_open(const char *json, int flags);
void mem_open_fails(const char *json, int flags, const char *message);
/* *err is set and says so; it is freed. */
void mem_said(Error **err, const char *message);

#endif
