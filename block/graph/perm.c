/*
 * Permissions: each edge says what its parent does with the node (perm) and what it lets the
 * others do (shared).  P1: for any two edges into one node, what one uses the other shares.
 *
 * A change is worked out from the changed nodes downwards, parents before children, and put on
 * the edges at once with the old values remembered; then the drivers are asked (check_perm: file
 * locks), and the whole is kept (commit: set_perm) or undone (abort).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "internal.h"

static const char *const perm_names[] = { "consistent read", "write", "write unchanged", "resize" };

typedef struct EdgeUndo {
    BdrvChild *c;
    uint64_t perm, shared;
} EdgeUndo;

typedef struct NodeUndo {
    BlockDriverState *bs;
    uint64_t perm, shared;             /* new values */
    uint64_t old_perm, old_shared;
    bool asked;                        /* the driver's check_perm said yes */
} NodeUndo;

struct PermChange {
    GArray *edges;                     /* EdgeUndo, oldest first */
    GArray *nodes;                     /* NodeUndo */
};

char *bdrv_perm_names(uint64_t perm)
{
    GString *s = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(perm_names); i++) {
        if (perm & (1ULL << i)) {
            g_string_append_printf(s, "%s%s", s->len ? ", " : "", perm_names[i]);
        }
    }
    return g_string_free(s, false);
}

static bool node_writable(const BlockDriverState *bs)
{
    return !bs->read_only && !(bs->open_flags & BDRV_O_INACTIVE);
}

static void filter_perms(uint64_t perm, uint64_t shared, uint64_t *nperm, uint64_t *nshared)
{
    *nperm = perm;
    *nshared = shared;
}

/* An overlay only reads below, and what it reads must hold still unless its own users do not care. */
static void cow_perms(BlockDriverState *bs, uint64_t perm, uint64_t shared, uint64_t *nperm, uint64_t *nshared)
{
    *nperm = perm & BLK_PERM_CONSISTENT_READ;
    *nshared = BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE_UNCHANGED;
    if ((shared & BLK_PERM_WRITE) || (bs->open_flags & BDRV_O_INACTIVE)) {
        *nshared |= BLK_PERM_WRITE | BLK_PERM_RESIZE;
    }
}

static void metadata_perms(BlockDriverState *bs, uint64_t *perm, uint64_t *shared)
{
    if (node_writable(bs)) {
        *perm |= BLK_PERM_WRITE | BLK_PERM_RESIZE;
    }
    if (!(bs->open_flags & BDRV_O_NO_IO)) {
        *perm |= BLK_PERM_CONSISTENT_READ;
    }
    *shared &= ~(uint64_t)(BLK_PERM_WRITE | BLK_PERM_RESIZE);
}

/* Guest data in a file: a write may extend it, and copy-on-read and the like are true writes there. */
static void data_perms(uint64_t *perm, uint64_t *shared)
{
    if (*perm & BLK_PERM_WRITE_UNCHANGED) {
        *perm |= BLK_PERM_WRITE;
    }
    if (*perm & BLK_PERM_WRITE) {
        *perm |= BLK_PERM_RESIZE;
    }
    *shared &= ~(uint64_t)BLK_PERM_RESIZE;
}

void bdrv_default_perms(BlockDriverState *bs, BdrvChild *c, BdrvChildRole role,
                        uint64_t perm, uint64_t shared, uint64_t *nperm, uint64_t *nshared)
{
    if (role & BDRV_CHILD_COW) {
        cow_perms(bs, perm, shared, nperm, nshared);
        return;
    }
    filter_perms(perm, shared, nperm, nshared);
    if (role & BDRV_CHILD_METADATA) {
        metadata_perms(bs, nperm, nshared);
    }
    if (role & BDRV_CHILD_DATA) {
        data_perms(nperm, nshared);
    }
    if ((bs->open_flags & BDRV_O_INACTIVE) && !(role & BDRV_CHILD_FILTERED)) {
        *nperm &= ~(uint64_t)(BLK_PERM_WRITE | BLK_PERM_RESIZE);
        *nshared |= BLK_PERM_WRITE | BLK_PERM_RESIZE;
    }
}

static void child_perms(BlockDriverState *bs, BdrvChild *c, uint64_t perm, uint64_t shared,
                        uint64_t *nperm, uint64_t *nshared)
{
    (bs->drv->child_perm ? bs->drv->child_perm : bdrv_default_perms)(bs, c, c->role, perm, shared, nperm, nshared);
    if (c->bs->core->force_share) {
        *nshared = BLK_PERM_ALL;
    }
}

static const char *user_node_name(BdrvChild *c)
{
    return bdrv_get_node_name(c->bs);
}

static void report_conflict(BdrvChild *a, BdrvChild *b, Error **errp)
{
    g_autofree char *names = bdrv_perm_names(a->perm & ~b->shared);
    g_autofree char *user_a = bdrv_edge_parent_desc(a);
    g_autofree char *user_b = bdrv_edge_parent_desc(b);

    error_setg(errp, "Permission conflict on node '%s': permissions '%s' are both required by %s "
               "(uses node '%s' as '%s' child) and unshared by %s (uses node '%s' as '%s' child).",
               bdrv_get_node_name(a->bs), names, user_a, user_node_name(a), a->name,
               user_b, user_node_name(b), b->name);
}

static int check_conflicts(BlockDriverState *bs, Error **errp)
{
    for (BdrvChild *a = bs->parents; a; a = a->next_parent) {
        for (BdrvChild *b = bs->parents; b; b = b->next_parent) {
            if (a != b && (a->perm & ~b->shared)) {
                report_conflict(a, b, errp);
                return -EPERM;
            }
        }
    }
    return 0;
}

static int check_node_can(BlockDriverState *bs, uint64_t perm, Error **errp)
{
    if ((perm & (BLK_PERM_WRITE | BLK_PERM_WRITE_UNCHANGED)) && !node_writable(bs)) {
        if (bs->core->reopening) {
            error_setg(errp, "Read-only block node '%s' cannot support read-write users", bdrv_get_node_name(bs));
        } else {
            error_setg(errp, "Block node is read-only");
        }
        return -EPERM;
    }
    if ((perm & BLK_PERM_WRITE) && !(perm & BLK_PERM_RESIZE) && bs->bl.request_alignment > 1 &&
        bs->total_bytes % bs->bl.request_alignment) {
        error_setg(errp, "Cannot get 'write' permission without 'resize': "
                   "Image size is not a multiple of request alignment");
        return -EPERM;
    }
    return 0;
}

static void sum_parents(BlockDriverState *bs, uint64_t *perm, uint64_t *shared)
{
    *perm = 0;
    *shared = BLK_PERM_ALL;
    for (BdrvChild *c = bs->parents; c; c = c->next_parent) {
        *perm |= c->perm;
        *shared &= c->shared;
    }
}

static void push_to_children(PermChange *pc, BlockDriverState *bs, uint64_t perm, uint64_t shared)
{
    for (BdrvChild *c = bs->children; c; c = c->next) {
        EdgeUndo old = { c, c->perm, c->shared };
        uint64_t new_perm, new_shared;

        g_array_append_val(pc->edges, old);
        /* Requests of other threads look at perm meanwhile: they see the old value or the new one. */
        child_perms(bs, c, perm, shared, &new_perm, &new_shared);
        __atomic_store_n(&c->perm, new_perm, __ATOMIC_RELAXED);
        c->shared = new_shared;
    }
}

static int ask_driver(NodeUndo *n, Error **errp)
{
    const BlockDriver *drv = n->bs->drv;
    int ret = drv->check_perm ? drv->check_perm(n->bs, n->perm, n->shared, errp) : 0;

    n->asked = ret >= 0;
    return ret;
}

/* A driver with children is asked while it may still do with them what it could: one gives back what it has of its file. */
static int check_node(PermChange *pc, BlockDriverState *bs, Error **errp)
{
    NodeUndo n = { bs, .old_perm = bs->core->cumulative_perm, .old_shared = bs->core->cumulative_shared };
    int ret = check_conflicts(bs, errp);

    sum_parents(bs, &n.perm, &n.shared);
    if (ret == 0) {
        ret = check_node_can(bs, n.perm, errp);
    }
    if (ret == 0 && bs->children) {
        ret = ask_driver(&n, errp);
    }
    if (ret < 0) {
        return ret;
    }
    bs->core->cumulative_perm = n.perm;
    bs->core->cumulative_shared = n.shared;
    g_array_append_val(pc->nodes, n);
    push_to_children(pc, bs, n.perm, n.shared);
    return 0;
}

/* Locks are asked for only after the graph itself agrees: they may disturb other programs. */
static int ask_drivers(PermChange *pc, Error **errp)
{
    int ret = 0;

    for (guint i = 0; i < pc->nodes->len && ret >= 0; i++) {
        NodeUndo *n = &g_array_index(pc->nodes, NodeUndo, i);

        if (!n->asked) {
            ret = ask_driver(n, errp);
        }
    }
    return ret;
}

static void perm_change_free(PermChange *pc)
{
    g_array_unref(pc->edges);
    g_array_unref(pc->nodes);
    g_free(pc);
}

PermChange *bdrv_perm_check(BlockDriverState *const *roots, size_t n, Error **errp)
{
    g_autoptr(GPtrArray) order = bdrv_walk_down(roots, n);
    PermChange *pc = g_new0(PermChange, 1);
    int ret = 0;

    pc->edges = g_array_new(false, false, sizeof(EdgeUndo));
    pc->nodes = g_array_new(false, false, sizeof(NodeUndo));
    for (guint i = 0; i < order->len && ret == 0; i++) {
        ret = check_node(pc, g_ptr_array_index(order, i), errp);
    }
    if (ret == 0) {
        ret = ask_drivers(pc, errp);
    }
    if (ret < 0) {
        bdrv_perm_abort(pc);
        return NULL;
    }
    return pc;
}

void bdrv_perm_commit(PermChange *pc)
{
    for (guint i = 0; i < pc->nodes->len; i++) {
        NodeUndo *n = &g_array_index(pc->nodes, NodeUndo, i);

        if (n->bs->drv->set_perm) {
            n->bs->drv->set_perm(n->bs, n->perm, n->shared);
        }
    }
    perm_change_free(pc);
}

void bdrv_perm_abort(PermChange *pc)
{
    for (guint i = pc->edges->len; i-- > 0; ) {
        EdgeUndo *e = &g_array_index(pc->edges, EdgeUndo, i);

        __atomic_store_n(&e->c->perm, e->perm, __ATOMIC_RELAXED);
        e->c->shared = e->shared;
    }
    for (guint i = pc->nodes->len; i-- > 0; ) {
        NodeUndo *n = &g_array_index(pc->nodes, NodeUndo, i);

        n->bs->core->cumulative_perm = n->old_perm;
        n->bs->core->cumulative_shared = n->old_shared;
        if (n->asked && n->bs->drv->abort_perm_update) {
            n->bs->drv->abort_perm_update(n->bs);
        }
    }
    perm_change_free(pc);
}

int bdrv_perm_refresh(BlockDriverState *bs, Error **errp)
{
    ERRP_GUARD();
    PermChange *pc = bdrv_perm_check(&bs, 1, errp);

    if (!pc) {
        return -EPERM;
    }
    bdrv_perm_commit(pc);
    return 0;
}
