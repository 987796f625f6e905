/*
 * Arrays in pieces.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "util/chunks.h"

#define SMALL_BYTES 1024               /* up to this one block that grows */
#define MORE_CHUNKS 512                /* places for pointers are added in this number */

/* Small contents become the first chunk. */
static void leave_small(Chunks *c)
{
    char *first = g_malloc(CHUNK_BYTES);

    memcpy(first, c->small, c->len * c->item);
    g_clear_pointer(&c->small, g_free);
    c->chunks = g_new(char *, MORE_CHUNKS);
    c->room = MORE_CHUNKS;
    c->chunks[0] = first;
    c->n_chunks = 1;
}

static void make_room(Chunks *c)
{
    if (!c->chunks && (c->len + 1) * c->item <= SMALL_BYTES) {
        if (c->len == c->small_room) {
            c->small_room = MAX(2 * c->small_room, (size_t)4);
            c->small = g_realloc(c->small, c->small_room * c->item);
        }
        return;
    }
    if (c->small) {
        leave_small(c);
    }
    if (c->len / (CHUNK_BYTES / c->item) == c->n_chunks) {
        if (c->n_chunks == c->room) {
            c->room += MORE_CHUNKS;
            c->chunks = g_renew(char *, c->chunks, c->room);
        }
        c->chunks[c->n_chunks++] = g_malloc(CHUNK_BYTES);
    }
}

void *chunks_add(Chunks *c)
{
    void *item;

    make_room(c);
    item = chunks_at(c, c->len++);
    return memset(item, 0, c->item);
}

void chunks_drop(Chunks *c, size_t n)
{
    size_t per = CHUNK_BYTES / c->item;

    c->len -= n;
    while (c->n_chunks > 1 && (c->n_chunks - 1) * per > c->len) {
        g_free(c->chunks[--c->n_chunks]);
    }
}

void chunks_free(Chunks *c)
{
    for (size_t i = 0; i < c->n_chunks; i++) {
        g_free(c->chunks[i]);
    }
    g_free(c->chunks);
    g_free(c->small);
    *c = (Chunks){ .item = c->item };
}
