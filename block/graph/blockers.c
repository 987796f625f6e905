/*
 * Operation blockers: who is at work on a node says what must not happen to it meanwhile.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "internal.h"

void bdrv_op_block(BlockDriverState *bs, BlockOp op, Error *reason)
{
    bs->core->op_blockers[op] = g_slist_prepend(bs->core->op_blockers[op], reason);
}

void bdrv_op_unblock(BlockDriverState *bs, BlockOp op, Error *reason)
{
    bs->core->op_blockers[op] = g_slist_remove(bs->core->op_blockers[op], reason);
}

void bdrv_op_block_all(BlockDriverState *bs, Error *reason)
{
    for (int op = 0; op < BLOCK_OP_MAX; op++) {
        bdrv_op_block(bs, op, reason);
    }
}

void bdrv_op_unblock_all(BlockDriverState *bs, Error *reason)
{
    for (int op = 0; op < BLOCK_OP_MAX; op++) {
        bdrv_op_unblock(bs, op, reason);
    }
}

/* What an overlay leaves to others of its backing node: to be read, and to take what is committed. */
static bool overlay_allows(BlockOp op)
{
    return op == BLOCK_OP_COMMIT_TARGET || op == BLOCK_OP_STREAM || op == BLOCK_OP_BACKUP_SOURCE ||
           op == BLOCK_OP_BACKUP_TARGET;
}

static bool is_blocked_by_overlay(BlockDriverState *bs, BlockOp op, Error **errp)
{
    for (BdrvChild *c = overlay_allows(op) ? NULL : bs->parents; c; c = c->next_parent) {
        if (c->parent && (c->role & BDRV_CHILD_COW)) {
            error_setg(errp, "Node '%s' is busy: node is used as backing hd of '%s'",
                       bdrv_get_device_or_node_name(bs), c->parent->node_name);
            return true;
        }
    }
    return false;
}

bool bdrv_op_is_blocked(BlockDriverState *bs, BlockOp op, Error **errp)
{
    GSList *first = bs->core->op_blockers[op];

    if (!first) {
        return is_blocked_by_overlay(bs, op, errp);
    }
    error_propagate(errp, error_copy(first->data));
    error_prepend(errp, "Node '%s' is busy: ", bdrv_get_device_or_node_name(bs));
    return true;
}
