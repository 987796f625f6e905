/*
 * The private part of a node, shared by block/graph and block/io only.
 *
 * Each field belongs to the section that it stands in.  Graph fields are touched by the main
 * thread alone; what the gate keeps is behind `io` (block/io/io.h says how it is guarded).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_GRAPH_CORE_H
#define BLOCK_GRAPH_CORE_H

#include "block/graph.h"

struct BdrvIoState;

struct BdrvCore {
    /* --- block/graph --- */
    int refcnt;
    BlockDriverState *next, *prev;     /* all nodes, oldest first */
    uint64_t serial;                   /* never used twice */
    uint64_t inherits_from;            /* serial of the parent whose options it was opened with; 0: none */
    bool named;                        /* the user chose node_name */
    bool force_share;                  /* share everything with everyone (-U) */
    bool has_probe_guard;              /* probed raw: sector 0 may not become a format header */
    bool inactive;                     /* as BDRV_O_INACTIVE in open_flags, for the gate */
    char *image_name;                  /* the name in an image that led here; NULL: the user named it */
    QDict *user_options;               /* with image_name: what of its options is the user's all the same; flat */
    bool reopening;                    /* between prepare and commit or abort of a reopen */
    uint64_t cumulative_perm, cumulative_shared;   /* what the parents need and share, as granted */
    GSList *op_blockers[BLOCK_OP_MAX]; /* of borrowed Error */
    int visit;                         /* scratch mark of one graph walk */

    /* --- block/io --- */
    struct BdrvIoState *io;            /* made by bdrv_io_init, freed by bdrv_io_close */
};

/* Implemented by block/io.  init: right after allocation of the node; close: the last thing before it is freed. */
void bdrv_io_init(BlockDriverState *bs);
void bdrv_io_close(BlockDriverState *bs);
/*
 * Balance drained sections with the edges: called after c was put among the parents of c->bs
 * (parents of a drained node must be quiet), and before it is taken out.
 */
void bdrv_io_edge_attached(BdrvChild *c);
void bdrv_io_edge_detaching(BdrvChild *c);
/* While c goes from one drained node to another, its parent stays quiet although c is on neither for a moment. */
void bdrv_io_edge_hold(BdrvChild *c);
void bdrv_io_edge_release(BdrvChild *c);
/* The driver is open: in a drained section it is told so from now on. */
void bdrv_io_driver_opened(BlockDriverState *bs);

/*
 * Implemented by block/graph.  May a guest write these bytes at offset 0 of a probed raw
 * image?  -EPERM (and a message) when they look like an image format's header.  The gate asks
 * before each write that covers sector 0 of a node with has_probe_guard.
 */
int bdrv_probe_guard_check(BlockDriverState *bs, int64_t offset, const IoVec *qiov, size_t qiov_offset, int64_t bytes);
/* All nodes, oldest first; NULL starts. */
BlockDriverState *bdrv_next_any(BlockDriverState *bs);

#endif
