/*
 * What happened on backends and nodes: query-blockstats.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "internal.h"
#include "qapi/commands-block-core.h"

/* The counters' names: PREFIX_WHAT, with an odd one or two. */
static const struct { BlockAcctType type; const char *name; } ops[] = {
    { BLOCK_ACCT_READ, "rd" }, { BLOCK_ACCT_WRITE, "wr" }, { BLOCK_ACCT_FLUSH, "flush" }, { BLOCK_ACCT_UNMAP, "unmap" },
};

static void put(QDict *d, const char *before, const char *op, const char *after, uint64_t v)
{
    g_autofree char *key = g_strconcat(before, op, after, NULL);

    qdict_put_int(d, key, v);
}

static QDict *counters(const BlockAcctTotals *t, int64_t wr_highest_offset)
{
    QDict *d = qdict_new();

    for (size_t i = 0; i < G_N_ELEMENTS(ops); i++) {
        BlockAcctType type = ops[i].type;
        const char *name = ops[i].name;

        if (type != BLOCK_ACCT_FLUSH) {
            put(d, "", name, "_bytes", t->bytes[type]);
            put(d, "", name, "_merged", t->merged[type]);
        }
        put(d, "", name, "_operations", t->ops[type]);
        put(d, "", name, "_total_time_ns", t->total_ns[type]);
        put(d, "failed_", name, "_operations", t->failed[type]);
        put(d, "invalid_", name, "_operations", t->invalid[type]);
    }
    qdict_put_int(d, "wr_highest_offset", wr_highest_offset);
    return d;
}

static QList *timed(BlockAcctStats *stats)
{
    QList *list = qlist_new();
    BlockAcctInterval iv;

    for (unsigned i = 0; block_acct_get_interval(stats, i, &iv); i++) {
        QDict *d = qdict_new();

        qdict_put_int(d, "interval_length", iv.seconds);
        for (size_t k = 0; k < G_N_ELEMENTS(ops) - 1; k++) {
            put(d, "min_", ops[k].name, "_latency_ns", iv.min_ns[ops[k].type]);
            put(d, "max_", ops[k].name, "_latency_ns", iv.max_ns[ops[k].type]);
            put(d, "avg_", ops[k].name, "_latency_ns", iv.avg_ns[ops[k].type]);
        }
        qdict_put(d, "avg_rd_queue_depth", qdouble_new(iv.queue_depth[BLOCK_ACCT_READ]));
        qdict_put(d, "avg_wr_queue_depth", qdouble_new(iv.queue_depth[BLOCK_ACCT_WRITE]));
        qlist_append(list, d);
    }
    return list;
}

static QList *uint_list(const uint64_t *v, unsigned n)
{
    QList *list = qlist_new();

    for (unsigned i = 0; i < n; i++) {
        qlist_append(list, quint_new(v[i]));
    }
    return list;
}

static void add_histogram(QDict *d, BlockAcctStats *stats, BlockAcctType type, const char *key)
{
    g_autofree uint64_t *boundaries = NULL, *bins = NULL;
    int n = block_acct_get_histogram(stats, type, &boundaries, &bins);
    QDict *h;

    if (n >= 0) {
        h = qdict_new();
        qdict_put(h, "boundaries", uint_list(boundaries, n));
        qdict_put(h, "bins", uint_list(bins, n + 1));
        qdict_put(d, key, h);
    }
}

static QDict *node_stats(BlockDriverState *bs, bool of_backend);

/* The child in which bs keeps its data or metadata. */
static BlockDriverState *storage(BlockDriverState *bs)
{
    for (BdrvChild *c = bs->children; c; c = c->next) {
        if ((c->role & BDRV_CHILD_PRIMARY)
            && (c->role & (BDRV_CHILD_DATA | BDRV_CHILD_METADATA | BDRV_CHILD_FILTERED))) {
            return c->bs;
        }
    }
    return NULL;
}

static void add_relatives(QDict *d, BlockDriverState *bs, bool of_backend)
{
    BlockDriverState *below = storage(bs), *backing = bdrv_filter_or_cow_bs(bs);

    if (below) {
        qdict_put(d, "parent", node_stats(below, of_backend));
    }
    if (of_backend && backing && backing != below) {
        qdict_put(d, "backing", node_stats(backing, of_backend));
    }
}

/* BlockStats of a node (NULL: no medium); those of a backend also show what is read through to. */
static QDict *node_stats(BlockDriverState *bs, bool of_backend)
{
    static const BlockAcctTotals none;
    QDict *d = qdict_new(), *stats;
    QObject *specific;

    if (of_backend) {
        bs = bdrv_skip_implicit_filters(bs);
    }
    stats = counters(&none, bs ? bdrv_write_highest_offset(bs) : 0);
    qdict_put_bool(stats, "account_invalid", false);
    qdict_put_bool(stats, "account_failed", false);
    qdict_put(stats, "timed_stats", qlist_new());
    qdict_put(d, "stats", stats);
    if (!bs) {
        return d;
    }
    if (bs->node_name[0]) {
        qdict_put_str(d, "node-name", bs->node_name);
    }
    specific = bs->drv && bs->drv->get_specific_stats ? bs->drv->get_specific_stats(bs) : NULL;
    if (specific) {
        qdict_put(d, "driver-specific", specific);
    }
    add_relatives(d, bs, of_backend);
    return d;
}

static QDict *backend_stats(BlockBackend *blk)
{
    BlockDriverState *bs = bdrv_skip_implicit_filters(blk_bs(blk));
    BlockAcctStats *acct = blk_get_stats(blk);
    QDict *d = node_stats(bs, true), *stats;
    g_autofree char *qdev = blk_get_attached_dev_id(blk);
    BlockAcctTotals t;

    block_acct_get(acct, &t);
    stats = counters(&t, bs ? bdrv_write_highest_offset(bs) : 0);
    if (t.last_access_ns) {
        qdict_put_int(stats, "idle_time_ns", block_acct_idle_ns(acct));
    }
    qdict_put_bool(stats, "account_invalid", block_acct_accounts_invalid(acct));
    qdict_put_bool(stats, "account_failed", block_acct_accounts_failed(acct));
    qdict_put(stats, "timed_stats", timed(acct));
    add_histogram(stats, acct, BLOCK_ACCT_READ, "rd_latency_histogram");
    add_histogram(stats, acct, BLOCK_ACCT_WRITE, "wr_latency_histogram");
    add_histogram(stats, acct, BLOCK_ACCT_FLUSH, "flush_latency_histogram");
    qdict_put(d, "stats", stats);
    qdict_put_str(d, "device", blk_name(blk));
    if (*qdev) {
        qdict_put_str(d, "qdev", qdev);
    }
    return d;
}

QObject *qmp_query_blockstats(const QDict *args, Error **errp)
{
    QList *list = qlist_new();

    if (qdict_get_bool(args, "query-nodes", false)) {
        for (BlockDriverState *bs = bdrv_next_node(NULL); bs; bs = bdrv_next_node(bs)) {
            qlist_append(list, node_stats(bs, false));
        }
        return list;
    }
    for (BlockBackend *blk = blk_all_next(NULL); blk; blk = blk_all_next(blk)) {
        if (*blk_name(blk) || blk_get_attached_dev(blk)) {
            qlist_append(list, backend_stats(blk));
        }
    }
    return list;
}
