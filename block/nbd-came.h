/*
 * Which bytes of a read have come, in whatever order a server sends its chunks: none twice, and at the end all.
 * (To count them is not enough: a byte sent twice would hide one that was never sent.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_NBD_CAME_H
#define BLOCK_NBD_CAME_H

#include <stdbool.h>
#include <stdint.h>

/* Zero at first. */
typedef struct NbdCame {
    uint32_t bytes;                        /* as many have come; without bits, the first ones */
    uint8_t *bits;                         /* one a byte, once a chunk came out of order: 4 MiB for the longest read */
} NbdCame;

/* len bytes at `from` of a read of `total`, in which they lie.  False: some had come already, or memory lacks. */
bool nbd_came_add(NbdCame *c, uint32_t total, uint32_t from, uint32_t len);
void nbd_came_clear(NbdCame *c);

#endif
