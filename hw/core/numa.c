/*
 * Nodes of memory and processors.
 *
 * Options are taken one by one, each checked against those before; numa_complete_* check the whole and fill in
 * defaults.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/core/numa.h"
#include "util/cutils.h"

enum { DISTANCE_LOCAL = 10, DISTANCE_FAR = 20 };

Numa *machine_numa(Machine *m)
{
    if (!m->numa) {
        m->numa = g_new0(Numa, 1);
        m->numa->cpu_node = g_new(int16_t, m->smp.maxcpus);
        memset(m->numa->cpu_node, 0xff, m->smp.maxcpus * sizeof(int16_t));
        m->numa->speeds = g_hash_table_new(NULL, NULL);
    }
    return m->numa;
}

/* --- processors ------------------------------------------------------------------------------------------ */

static bool assign_cpu(Machine *m, unsigned index, int node, Error **errp)
{
    Numa *n = machine_numa(m);

    if (n->cpu_node[index] >= 0 && n->cpu_node[index] != node) {
        error_setg(errp, "CPU is already assigned to node-id: %d", n->cpu_node[index]);
        return false;
    }
    n->cpu_node[index] = node;
    n->nodes[node].has_cpu = true;
    if (m->hmat && n->nodes[node].initiator != node && n->nodes[node].initiator < NUMA_NODES_MAX) {
        error_setg(errp, "The initiator of CPU NUMA node %d should be itself (got %d)", node, n->nodes[node].initiator);
        return false;
    }
    if (m->hmat) {
        n->nodes[node].initiator = node;
    }
    return true;
}

static bool matches(const Machine *m, const NumaCpuOptions *o, unsigned index)
{
    CpuPlace p = cpu_place(m, index);

    return (!o->has_socket_id || o->socket_id == p.socket) && (!o->has_die_id || o->die_id == p.die)
        && (!o->has_core_id || o->core_id == p.core) && (!o->has_thread_id || o->thread_id == p.thread);
}

static bool set_cpu(Machine *m, const NumaCpuOptions *o, Error **errp)
{
    Numa *n = machine_numa(m);
    bool found = false;

    if (!o->has_node_id) {
        error_setg(errp, "Missing mandatory node-id property");
        return false;
    }
    if (o->node_id < 0 || o->node_id >= NUMA_NODES_MAX || !n->nodes[o->node_id].present) {
        error_setg(errp, "Invalid node-id=%" PRId64 ", NUMA node must be defined with -numa node,nodeid=ID before it's used"
                   " with -numa cpu,node-id=ID", o->node_id);
        return false;
    }
    if (o->has_die_id && m->smp.dies < 2) {
        error_setg(errp, "die-id is not supported");
        return false;
    }
    if (o->has_cluster_id) {
        error_setg(errp, "cluster-id is not supported");
        return false;
    }
    for (unsigned i = 0; i < m->smp.maxcpus; i++) {
        if (matches(m, o, i)) {
            found = true;
            if (!assign_cpu(m, i, o->node_id, errp)) {
                return false;
            }
        }
    }
    if (!found) {
        error_setg(errp, "no match found");
    }
    return found;
}

/* --- nodes, distances --------------------------------------------------------------------------------------- */

static bool need_hmat(const Machine *m, Error **errp)
{
    if (!m->hmat) {
        error_setg(errp, "ACPI Heterogeneous Memory Attribute Table (HMAT) is disabled, enable it with -machine hmat=on before using"
                   " any of hmat specific options");
    }
    return m->hmat;
}

static bool set_node_memory(NumaNode *node, const NumaNodeOptions *o, Error **errp)
{
    ERRP_GUARD();
    Object *backend;

    if (o->has_mem && o->memdev) {
        error_setg(errp, "numa configuration should use either mem= or memdev=,mixing both is not allowed");
        return false;
    }
    if (o->has_mem) {
        error_setg(errp, "Parameter -numa node,mem is not supported by this machine type");
        error_append_hint(errp, "Use -numa node,memdev instead\n");
        return false;
    }
    if (!o->memdev) {
        return true;
    }
    backend = object_child(object_container("/objects"), o->memdev);
    if (!backend || !object_is_a(backend, "memory-backend")) {
        error_setg(errp, "memdev=%s is ambiguous", o->memdev);
        return false;
    }
    memory_backend_host(backend, &node->size);
    node->memdev = backend;
    return true;
}

static bool mixes_memory(const Numa *n, const NumaNodeOptions *o)
{
    for (int i = 0; o->has_mem && i < NUMA_NODES_MAX; i++) {
        if (n->nodes[i].memdev) {
            return true;
        }
    }
    return false;
}

static bool set_node(Machine *m, const NumaNodeOptions *o, Error **errp)
{
    Numa *n = machine_numa(m);
    int id = o->has_nodeid ? o->nodeid : n->count;

    if (id >= NUMA_NODES_MAX) {
        error_setg(errp, "Max number of NUMA nodes reached: %d", id);
        return false;
    }
    if (n->nodes[id].present) {
        error_setg(errp, "Duplicate NUMA nodeid: %d", id);
        return false;
    }
    n->nodes[id].initiator = NUMA_NODES_MAX;
    if (o->has_initiator && !need_hmat(m, errp)) {
        return false;
    }
    if (o->has_initiator && o->initiator >= NUMA_NODES_MAX) {
        error_setg(errp, "The initiator id %d expects an integer between 0 and %d", o->initiator, NUMA_NODES_MAX - 1);
        return false;
    }
    if (o->has_initiator) {
        n->nodes[id].initiator = o->initiator;
    }
    for (size_t i = 0; o->cpus && i < o->cpus->len; i++) {
        if (o->cpus->items[i] >= m->smp.maxcpus) {
            error_setg(errp, "CPU index (%d) should be smaller than maxcpus (%u)", o->cpus->items[i], m->smp.maxcpus);
            return false;
        }
        if (!assign_cpu(m, o->cpus->items[i], id, errp)) {
            return false;
        }
    }
    if (mixes_memory(n, o)) {
        error_setg(errp, "numa configuration should use either mem= or memdev=,mixing both is not allowed");
        return false;
    }
    if (!set_node_memory(&n->nodes[id], o, errp)) {
        return false;
    }
    n->nodes[id].present = true;
    n->count++;
    return true;
}

static bool set_distance(Machine *m, const NumaDistOptions *o, Error **errp)
{
    Numa *n = machine_numa(m);

    if (o->src >= NUMA_NODES_MAX || o->dst >= NUMA_NODES_MAX) {
        error_setg(errp, "Parameter '%s' expects an integer between 0 and %d", o->src >= NUMA_NODES_MAX ? "src" : "dst",
                   NUMA_NODES_MAX - 1);
        return false;
    }
    if (!n->nodes[o->src].present || !n->nodes[o->dst].present) {
        error_setg(errp, "Source/Destination NUMA node is missing. Please use '-numa node' option to declare it first.");
        return false;
    }
    if (o->val < DISTANCE_LOCAL) {
        error_setg(errp, "NUMA distance (%" PRIu8 ") is invalid, it shouldn't be less than %d.", o->val,
                   DISTANCE_LOCAL);
        return false;
    }
    if (o->src == o->dst && o->val != DISTANCE_LOCAL) {
        error_setg(errp, "Local distance of node %d should be %d.", o->src, DISTANCE_LOCAL);
        return false;
    }
    n->distance[o->src][o->dst] = o->val;
    n->has_distance = true;
    return true;
}

/* --- how fast nodes reach each other's memory ------------------------------------------------------------------ */

static bool is_latency(HmatLBDataType t) { return t <= HMAT_LB_DATA_TYPE_WRITE_LATENCY; }

static bool check_speed(const NumaHmatLBOptions *o, Error **errp)
{
    bool latency = is_latency(o->data_type);

    if (latency && !o->has_latency) {
        error_setg(errp, "Missing 'latency' option");
    } else if (latency && o->has_bandwidth) {
        error_setg(errp, "Invalid option 'bandwidth' since the data type is latency");
    } else if (!latency && !o->has_bandwidth) {
        error_setg(errp, "Missing 'bandwidth' option");
    } else if (!latency && o->has_latency) {
        error_setg(errp, "Invalid option 'latency' since the data type is bandwidth");
    } else if (!latency && o->bandwidth % MiB) {
        error_setg(errp, "Bandwidth %" PRIu64 " between initiator=%u and target=%u should be 1MB aligned",
                   o->bandwidth, o->initiator,
                   o->target);
    } else {
        return true;
    }
    return false;
}

static bool set_speed(Machine *m, const NumaHmatLBOptions *o, Error **errp)
{
    Numa *n = machine_numa(m);
    unsigned key = (unsigned)o->hierarchy << 20 | (unsigned)o->data_type << 16 | (o->initiator & 0x7f) << 8
                   | (o->target & 0x7f);

    if (!need_hmat(m, errp)) {
        return false;
    }
    if (o->target >= n->count) {
        error_setg(errp, "Invalid target=%d, it should be less than %d", o->target, n->count);
        return false;
    }
    if (o->initiator >= NUMA_NODES_MAX || !n->nodes[o->initiator].has_cpu) {
        error_setg(errp, "Invalid initiator=%d, it isn't an initiator proximity domain", o->initiator);
        return false;
    }
    if (!check_speed(o, errp)) {
        return false;
    }
    if (!g_hash_table_add(n->speeds, GUINT_TO_POINTER(key))) {
        error_setg(errp, "Duplicate configuration of the %s for initiator=%d and target=%d",
                   is_latency(o->data_type) ? "latency" : "bandwidth",
                   o->initiator, o->target);
        return false;
    }
    n->nodes[o->target].latency |= is_latency(o->data_type);
    n->nodes[o->target].bandwidth |= !is_latency(o->data_type);
    return true;
}

static bool set_cache(Machine *m, const NumaHmatCacheOptions *o, Error **errp)
{
    Numa *n = machine_numa(m);
    NumaNode *node;

    if (!need_hmat(m, errp)) {
        return false;
    }
    if (o->node_id >= (unsigned)n->count) {
        error_setg(errp, "Invalid node-id=%" PRIu32 ", it should be less than %d", o->node_id, n->count);
        return false;
    }
    node = &n->nodes[o->node_id];
    if (!node->latency || !node->bandwidth) {
        error_setg(errp, "The latency and bandwidth information of node-id=%" PRIu32 " should be provided before memory side cache"
                   " attributes", o->node_id);
    } else if (o->level < 1 || o->level > NUMA_CACHE_LEVELS) {
        error_setg(errp, "Invalid level=%" PRIu8 ", it should be larger than 0 and less than or equal to %d", o->level,
                   NUMA_CACHE_LEVELS);
    } else if (node->cache[o->level]) {
        error_setg(errp, "Duplicate configuration of the side cache for node-id=%" PRIu32 " and level=%" PRIu8,
                   o->node_id, o->level);
    } else if (o->level > 1 && !node->cache[o->level - 1]) {
        error_setg(errp, "Cache level=%u shall be defined first", o->level - 1);
    } else if (o->level > 1 && o->size <= node->cache[o->level - 1]) {
        error_setg(errp, "Invalid size=%" PRIu64 ", the size of level=%" PRIu8 " should be larger than the size(%" PRIu64 ") of level=%u",
                   o->size, o->level, node->cache[o->level - 1], o->level - 1);
    } else {
        node->cache[o->level] = o->size;
        return true;
    }
    return false;
}

bool numa_set(Machine *m, const NumaOptions *o, Error **errp)
{
    if (!machine_class(m)->hotpluggable_cpus) {
        error_setg(errp, "NUMA is not supported by this machine-type");
        return false;
    }
    switch (o->type) {
    case NUMA_OPTIONS_TYPE_NODE: return set_node(m, &o->u.node, errp);
    case NUMA_OPTIONS_TYPE_DIST: return set_distance(m, &o->u.dist, errp);
    case NUMA_OPTIONS_TYPE_CPU: return set_cpu(m, &o->u.cpu, errp);
    case NUMA_OPTIONS_TYPE_HMAT_LB: return set_speed(m, &o->u.hmat_lb, errp);
    default: return set_cache(m, &o->u.hmat_cache, errp);
    }
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

/* One direction, or those of a pair, may stand for both; a node itself is near. */
static bool complete_distances(Numa *n, Error **errp)
{
    bool asymmetric = false;

    if (!n->has_distance) {
        return true;
    }
    for (int a = 0; a < n->count; a++) {
        for (int b = a; b < n->count; b++) {
            uint8_t there = n->distance[a][b], back = n->distance[b][a];

            if (a != b && !there && !back) {
                error_setg(errp, "The distance between node %d and %d is missing, at least one distance value between each nodes should"
                           " be provided.", a, b);
                return false;
            }
            asymmetric |= there && back && there != back;
        }
    }
    for (int a = 0; a < n->count; a++) {
        for (int b = 0; b < n->count; b++) {
            if (a != b && !n->distance[a][b] && asymmetric) {
                error_setg(errp, "At least one asymmetrical pair of distances is given, please provide distances for both directions of"
                           " all node pairs.");
                return false;
            }
            if (!n->distance[a][b]) {
                n->distance[a][b] = a == b ? DISTANCE_LOCAL : n->distance[b][a];
            }
        }
    }
    return true;
}

bool numa_complete_memory(Machine *m, Error **errp)
{
    Numa *n = m->numa;
    uint64_t sum = 0;

    if (!n && m->ram_slots && machine_class(m)->hotpluggable_cpus) {       /* memory to come needs a node to come to */
        n = machine_numa(m);
        n->nodes[0] = (NumaNode) { .present = true, .size = m->ram_size, .initiator = NUMA_NODES_MAX };
        n->count = 1;
    }
    if (!n || !n->count) {
        return true;
    }
    for (int i = NUMA_NODES_MAX - 1, later = false; i >= 0; i--) {
        if (!n->nodes[i].present && later) {
            error_setg(errp, "numa: Node ID missing: %d", i);
            return false;
        }
        later |= n->nodes[i].present;
        sum += n->nodes[i].size;
    }
    if (m->memdev && n->nodes[0].memdev) {
        error_setg(errp, "'-machine memory-backend' and '-numa memdev' properties are mutually exclusive");
        return false;
    }
    if (sum != m->ram_size) {
        error_setg(errp, "total memory for NUMA nodes (0x%" PRIx64 ") should equal RAM size (0x%" PRIx64 ")", sum,
                   m->ram_size);
        return false;
    }
    return complete_distances(n, errp);
}

static void warn_about_the_rest(const Machine *m)
{
    g_autoptr(GString) list = g_string_new(NULL);

    for (unsigned i = 0; i < m->smp.maxcpus; i++) {
        CpuPlace p = cpu_place(m, i);

        if (m->numa->cpu_node[i] >= 0) {
            continue;
        }
        g_string_append_printf(list, "%sCPU %u [socket-id: %u, ", list->len ? ", " : "", i, p.socket);
        if (m->smp.dies > 1) {
            g_string_append_printf(list, "die-id: %u, ", p.die);
        }
        g_string_append_printf(list, "core-id: %u, thread-id: %u]", p.core, p.thread);
        m->numa->cpu_node[i] = 0;
    }
    if (list->len) {
        warn_report("CPU(s) not present in any NUMA nodes: %s", list->str);
        warn_report("All CPU(s) up to maxcpus should be described in NUMA config, ability to start up with partial NUMA mappings is "
                    "obsoleted and will be removed in future");
    }
}

static bool check_initiators(const Numa *n, Error **errp)
{
    for (int i = 0; i < n->count; i++) {
        int from = n->nodes[i].initiator;

        if (from == NUMA_NODES_MAX) {
            continue;
        }
        if (!n->nodes[from].present) {
            error_setg(errp, "NUMA node %d is missing, use '-numa node' option to declare it first", from);
            return false;
        }
        if (!n->nodes[from].has_cpu) {
            error_setg(errp, "The initiator of NUMA node %d is invalid", i);
            return false;
        }
    }
    return true;
}

bool numa_complete_processors(Machine *m, Error **errp)
{
    Numa *n = m->numa;
    bool any = false;

    if (!n || !n->count) {
        return true;
    }
    for (unsigned i = 0; i < m->smp.maxcpus; i++) {
        any |= n->cpu_node[i] >= 0;
    }
    for (unsigned i = 0; !any && i < m->smp.maxcpus; i++) {            /* socket by socket, in turn */
        n->cpu_node[i] = cpu_place(m, i).socket % n->count;
        n->nodes[n->cpu_node[i]].has_cpu = true;
    }
    warn_about_the_rest(m);
    return !m->hmat || check_initiators(n, errp);
}

int numa_node_of_cpu(const Machine *m, unsigned index)
{
    return m->numa && m->numa->count ? m->numa->cpu_node[index] : -1;
}
