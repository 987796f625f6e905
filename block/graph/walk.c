/*
 * Walks over the graph.  Iterative: a backing chain may be deeper than a stack.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "internal.h"

typedef struct WalkStep {
    BlockDriverState *bs;
    BdrvChild *next;
} WalkStep;

static int walk_id;

static void walk_push(GArray *stack, BlockDriverState *bs, int id)
{
    WalkStep step = { bs, bs->children };

    bs->core->visit = id;
    g_array_append_val(stack, step);
}

static void walk_from(BlockDriverState *root, GArray *stack, GPtrArray *done, int id)
{
    walk_push(stack, root, id);
    while (stack->len) {
        WalkStep *top = &g_array_index(stack, WalkStep, stack->len - 1);
        BdrvChild *c = top->next;

        if (!c) {
            g_ptr_array_add(done, top->bs);
            g_array_set_size(stack, stack->len - 1);
            continue;
        }
        top->next = c->next;
        if (c->bs->core->visit != id) {
            walk_push(stack, c->bs, id);
        }
    }
}

GPtrArray *bdrv_walk_down(BlockDriverState *const *roots, size_t n)
{
    GPtrArray *order = g_ptr_array_new();
    g_autoptr(GArray) stack = g_array_new(false, false, sizeof(WalkStep));
    int id = ++walk_id;

    for (size_t i = 0; i < n; i++) {
        if (roots[i]->core->visit != id) {
            walk_from(roots[i], stack, order, id);
        }
    }
    /* `order` holds each node after all below it; turned round, parents come first. */
    for (guint i = 0, j = order->len; i + 1 < j--; i++) {
        gpointer t = order->pdata[i];
        order->pdata[i] = order->pdata[j];
        order->pdata[j] = t;
    }
    return order;
}

bool bdrv_reaches(BlockDriverState *from, const BlockDriverState *to)
{
    g_autoptr(GPtrArray) below = bdrv_walk_down(&from, 1);

    return g_ptr_array_find(below, to, NULL);
}
