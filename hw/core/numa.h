/*
 * Nodes of memory and processors, as -numa and set-numa-node describe them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_CORE_NUMA_H
#define HW_CORE_NUMA_H

#include "hw/machine.h"
#include "qapi/types-machine.h"

#define NUMA_NODES_MAX 128
#define NUMA_CACHE_LEVELS 3

typedef struct NumaNode {
    bool present, has_cpu, latency, bandwidth;         /* the latter: some were told for it */
    uint64_t size;
    Object *memdev;                                    /* NULL: none was named */
    uint16_t initiator;                                /* NUMA_NODES_MAX: none */
    uint64_t cache[NUMA_CACHE_LEVELS + 1];             /* sizes by level, 0: none */
} NumaNode;

typedef struct Numa {
    int count;                                         /* nodes described so far */
    NumaNode nodes[NUMA_NODES_MAX];
    uint8_t distance[NUMA_NODES_MAX][NUMA_NODES_MAX];  /* 0: not told */
    bool has_distance;
    int16_t *cpu_node;                                 /* of each of maxcpus, -1: none */
    GHashTable *speeds;                                /* which latencies and bandwidths were told */
} Numa;

/* The machine's, made when first asked for. */
Numa *machine_numa(Machine *m);
bool numa_set(Machine *m, const NumaOptions *o, Error **errp);
/* All was said: check and fill in. */
bool numa_complete_memory(Machine *m, Error **errp);
bool numa_complete_processors(Machine *m, Error **errp);
/* -1: no nodes. */
int numa_node_of_cpu(const Machine *m, unsigned index);

#endif
