/*
 * Memory backends.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef OBJECTS_HOSTMEM_H
#define OBJECTS_HOSTMEM_H

#include "qom/object.h"

typedef struct HostMem {
    Object obj;
    uint64_t size, align, hugetlbsize;
    uint8_t *host;                 /* set once the object is complete */
    char *path;
    bool share, dump, canonical_id, prealloc, reserve, merge, readonly, pmem, discard_data, hugetlb, seal;
    bool used;                     /* a machine's memory */
    int policy;
    uint32_t prealloc_threads;
    QList *host_nodes;
} HostMem;

/* Start and size of the pages. */
uint8_t *memory_backend_host(Object *backend, uint64_t *size);
const char *memory_backend_ram_name(Object *backend);
void memory_backend_set_used(Object *backend, bool used);

#endif
