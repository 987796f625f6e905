/*
 * The whole graph of backends, jobs and nodes: x-debug-query-block-graph.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "internal.h"
#include "block/blockjob.h"
#include "qapi/commands-block-core.h"

/* Lists are collected oldest first and shown newest first. */
typedef struct Graph {
    GHashTable *ids;                   /* pointer -> number, in the order in which they are met */
    GPtrArray *nodes, *edges;          /* of QDict */
} Graph;

static uint64_t id_of(Graph *g, const void *thing)
{
    gpointer id = g_hash_table_lookup(g->ids, thing);

    if (!id) {
        id = GUINT_TO_POINTER(g_hash_table_size(g->ids) + 1);
        g_hash_table_insert(g->ids, (gpointer)thing, id);
    }
    return GPOINTER_TO_UINT(id);
}

static void add_node(Graph *g, const void *thing, XDbgBlockGraphNodeType type, const char *name)
{
    QDict *d = qdict_new();

    qdict_put_uint(d, "id", id_of(g, thing));
    qdict_put_str(d, "type", XDbgBlockGraphNodeType_str(type));
    qdict_put_str(d, "name", name);
    g_ptr_array_add(g->nodes, d);
}

static QList *perm_list(uint64_t perm)
{
    static const struct { uint64_t bit; const char *name; } names[] = {
        { BLK_PERM_RESIZE, "resize" }, { BLK_PERM_WRITE_UNCHANGED, "write-unchanged" }, { BLK_PERM_WRITE, "write" },
        { BLK_PERM_CONSISTENT_READ, "consistent-read" },
    };
    QList *list = qlist_new();

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (perm & names[i].bit) {
            qlist_append(list, qstring_new(names[i].name));
        }
    }
    return list;
}

static void add_edge(Graph *g, const void *parent, const BdrvChild *c)
{
    QDict *d = qdict_new();

    qdict_put_uint(d, "parent", id_of(g, parent));
    qdict_put_uint(d, "child", id_of(g, c->bs));
    qdict_put_str(d, "name", c->name);
    qdict_put(d, "perm", perm_list(c->perm));
    qdict_put(d, "shared-perm", perm_list(c->shared));
    g_ptr_array_add(g->edges, d);
}

static void add_backends(Graph *g)
{
    for (BlockBackend *blk = blk_all_next(NULL); blk; blk = blk_all_next(blk)) {
        g_autofree char *dev = blk_get_attached_dev_id(blk);

        add_node(g, blk, X_DBG_BLOCK_GRAPH_NODE_TYPE_BLOCK_BACKEND, *blk_name(blk) ? blk_name(blk) : dev);
        if (blk_root(blk)) {
            add_edge(g, blk, blk_root(blk));
        }
    }
}

/* What a job makes its requests through is, for the peer, a backend of the job's own. */
static void add_job_io(Graph *g, const BlockJob *job)
{
    for (GSList *l = job->io; l; l = l->next) {
        add_node(g, l->data, X_DBG_BLOCK_GRAPH_NODE_TYPE_BLOCK_BACKEND, "");
        add_edge(g, l->data, l->data);
    }
}

static void add_jobs(Graph *g)
{
    for (BlockJob *job = block_job_next(NULL); job; job = block_job_next(job)) {
        add_job_io(g, job);
    }
    for (BlockJob *job = block_job_next(NULL); job; job = block_job_next(job)) {
        add_node(g, job, X_DBG_BLOCK_GRAPH_NODE_TYPE_BLOCK_JOB, job->job.id ? job->job.id : "");
        for (GSList *l = job->nodes; l; l = l->next) {
            add_edge(g, job, l->data);
        }
    }
}

static void add_nodes(Graph *g)
{
    for (BlockDriverState *bs = bdrv_next_node(NULL); bs; bs = bdrv_next_node(bs)) {
        BdrvChild *last = bs->children;

        add_node(g, bs, X_DBG_BLOCK_GRAPH_NODE_TYPE_BLOCK_DRIVER, bs->node_name);
        while (last && last->next) {
            last = last->next;
        }
        for (BdrvChild *c = last; c; c = c->prev) {
            add_edge(g, bs, c);
        }
    }
}

static QList *newest_first(GPtrArray *a)
{
    QList *list = qlist_new();

    for (guint i = a->len; i-- > 0; ) {
        qlist_append(list, g_ptr_array_index(a, i));
    }
    g_ptr_array_unref(a);
    return list;
}

QObject *qmp_x_debug_query_block_graph(const QDict *args, Error **errp)
{
    Graph g = { g_hash_table_new(NULL, NULL), g_ptr_array_new(), g_ptr_array_new() };
    QDict *d = qdict_new();

    add_backends(&g);
    add_jobs(&g);
    add_nodes(&g);
    qdict_put(d, "nodes", newest_first(g.nodes));
    qdict_put(d, "edges", newest_first(g.edges));
    g_hash_table_unref(g.ids);
    return d;
}
