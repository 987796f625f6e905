/*
 * An array that grows without end in pieces of 16 KiB: however many items a peer sends, no large block of memory is asked for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_CHUNKS_H
#define UTIL_CHUNKS_H

#include <stddef.h>
#include <glib.h>

#define CHUNK_BYTES (16 * 1024)

typedef struct Chunks {
    size_t item;                /* bytes of one; divides CHUNK_BYTES */
    size_t len;
    char **chunks;
    size_t n_chunks, room;      /* chunks there, places for their pointers */
    char *small;                /* the items themselves while they are few */
    size_t small_room;
} Chunks;

static inline void *chunks_at(const Chunks *c, size_t i)
{
    size_t per = CHUNK_BYTES / c->item;

    return c->small ? c->small + i * c->item : c->chunks[i / per] + i % per * c->item;
}

/* One more item, zeroed. */
void *chunks_add(Chunks *c);
/* The last n items go. */
void chunks_drop(Chunks *c, size_t n);
void chunks_free(Chunks *c);

#endif
