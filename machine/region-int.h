/*
 * Between region.c (the tree), flat.c (what of it is seen) and access.c (reads and writes).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MACHINE_REGION_INT_H
#define MACHINE_REGION_INT_H

#include "machine/memory.h"
#include "qom/object.h"

struct IoRegion {
    Object obj;
    IoSpace space;
    char *name;
    uint64_t addr, last;       /* within the container; size - 1 */
    int priority;
    bool enabled, readonly;
    IoRegion *container;
    GPtrArray *children;       /* the one that wins first */
    IoRegion *alias;
    uint64_t alias_offset;
    RamBlock *block;
    Object *owner;
    const IoOps *ops;          /* NULL: a container, RAM, an alias */
    void *opaque;
};

/* Something below the root of a space changed: make its view again. */
void io_view_update(IoSpace space);
/* The range that answers; NULL: nothing does.  Valid until the next change. */
const FlatRange *io_view_find(IoSpace space, uint64_t addr);

/* RAM as other threads see it (ram.c). */
typedef struct RamPiece {
    uint64_t base, size, offset;
    RamBlock *block;
    uint64_t readonly;
} RamPiece;
void ram_set_pieces(const RamPiece *list, size_t n);

#endif
