/*
 * The graph of nodes: open, close, look up, reopen, replace, drain.
 *
 * Everything here runs in the main thread, outside coroutines, unless marked.
 * Reference counts: who receives a node pointer from a function that says
 * "referenced" calls bdrv_unref.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_GRAPH_H
#define BLOCK_GRAPH_H

#include "block/driver.h"

/* Register all built-in drivers; once, before anything is opened. */
void bdrv_init(void);

/*
 * Open a node (referenced).  filename may be NULL, a plain path, "proto:...", or "json:{...}";
 * reference names an existing node instead; options is a nested or flat dict, consumed.
 * Probes the format when none is given and flags lack BDRV_O_PROTOCOL.  Unknown options fail.
 */
BlockDriverState *bdrv_open(const char *filename, const char *reference, QDict *options, int flags, Error **errp);
void bdrv_ref(BlockDriverState *bs);
void bdrv_unref(BlockDriverState *bs);
/* Close all nodes that nothing references any more and assert that none is left (program exit). */
void bdrv_close_all(void);

BlockDriverState *bdrv_find_node(const char *node_name);                 /* borrowed, NULL if none */
/* By backend name or node name; error "Cannot find device='' nor node-name='x'" style as the peer. */
BlockDriverState *bdrv_lookup_bs(const char *device, const char *node_name, Error **errp);
/* How backends make their names known to lookups: true when `name` is a backend, *out its node or NULL. */
typedef bool BdrvDeviceLookup(const char *name, BlockDriverState **out);
void bdrv_set_device_lookup(BdrvDeviceLookup *fn);
BlockDriverState *bdrv_next_node(BlockDriverState *bs);                   /* all named nodes; NULL starts */
const char *bdrv_get_node_name(const BlockDriverState *bs);
const char *bdrv_get_format_name(const BlockDriverState *bs);
/* The name of the backend that uses bs ("" when none has a name). */
const char *bdrv_get_device_name(const BlockDriverState *bs);
/* That, or else the node name: what messages call this node. */
const char *bdrv_get_device_or_node_name(const BlockDriverState *bs);

/* Backing chains. */
BlockDriverState *bdrv_cow_bs(const BlockDriverState *bs);               /* the backing node, or NULL */
BlockDriverState *bdrv_filter_or_cow_bs(const BlockDriverState *bs);
BlockDriverState *bdrv_primary_bs(const BlockDriverState *bs);           /* data source one level down */
BlockDriverState *bdrv_backing_chain_next(BlockDriverState *bs);         /* filters skipped on both ends */
bool bdrv_chain_contains(BlockDriverState *top, BlockDriverState *base);
int bdrv_set_backing_hd(BlockDriverState *bs, BlockDriverState *backing, Error **errp);
int bdrv_open_backing_file(BlockDriverState *bs, QDict *parent_options, const char *key, Error **errp);
/* The backing file name as seen from this process; g_free it; NULL when there is none. */
char *bdrv_get_full_backing_filename(BlockDriverState *bs, Error **errp);
char *bdrv_full_backing_from(const char *overlay, const char *backing, Error **errp);
int bdrv_change_backing_file(BlockDriverState *bs, const char *file, const char *fmt, bool require);
/* Put top over bs: bs's parents see top, top's backing is bs. */
int bdrv_append(BlockDriverState *top, BlockDriverState *bs, Error **errp);
int bdrv_replace_node(BlockDriverState *from, BlockDriverState *to, Error **errp);
/* Open a filter from options (consumed) that names bs as its child, and put it over bs.  Referenced; NULL + errp. */
BlockDriverState *bdrv_insert_node(BlockDriverState *bs, QDict *options, int flags, Error **errp);
/* A node of an unregistered driver, without children or open callback; name NULL: generated.  Referenced. */
BlockDriverState *bdrv_new_internal_node(const BlockDriver *drv, const char *node_name, int flags, Error **errp);
/*
 * base takes the place of top, which has it in its chain: what used top as its backing file notes name (NULL: base's
 * own) in its header.  0 or -errno; messages are printed.
 */
int bdrv_drop_intermediate(BlockDriverState *top, BlockDriverState *base, const char *name);
/* Used by backends only: no other node, no job. */
bool bdrv_is_root_node(const BlockDriverState *bs);
/* The image (no filter) in active's chain whose backing image is bs, filters aside; bs NULL: the lowest. NULL: none. */
BlockDriverState *bdrv_find_overlay(BlockDriverState *active, BlockDriverState *bs);
/* The backing and filtered edges from bs down to base may not be changed.  -EPERM + errp when one is frozen already. */
int bdrv_freeze_chain(BlockDriverState *bs, BlockDriverState *base, Error **errp);
void bdrv_unfreeze_chain(BlockDriverState *bs, BlockDriverState *base);
/* Filters that jobs put there without being told to: queries look through them. */
BlockDriverState *bdrv_skip_implicit_filters(BlockDriverState *bs);
void bdrv_refresh_filename(BlockDriverState *bs);
int bdrv_refresh_limits(BlockDriverState *bs, Error **errp);

/* Callbacks into a parent that is not a node. */
typedef struct BdrvChildOps {
    bool stay_at_node;                                       /* the edge does not move when its node is replaced */
    bool has_more_edges;                                     /* its user has others, with the same opaque */
    char *(*get_parent_desc)(BdrvChild *c);                  /* "block device 'x'"; g_free */
    const char *(*get_name)(BdrvChild *c);                   /* backend name or NULL */
    void (*drained_begin)(BdrvChild *c);
    void (*drained_end)(BdrvChild *c);
    bool (*drained_poll)(BdrvChild *c);                      /* still busy? */
    void (*resized)(BdrvChild *c);
    void (*media_changed)(BdrvChild *c, bool load);
    int (*inactivate)(BdrvChild *c);
    void (*activate)(BdrvChild *c, Error **errp);
} BdrvChildOps;
/* Attach a non-node parent; bs's reference is taken over.  NULL on permission conflict. */
BdrvChild *bdrv_root_attach(BlockDriverState *bs, const char *name, const BdrvChildOps *ops, void *opaque,
                            uint64_t perm, uint64_t shared, Error **errp);
void bdrv_root_detach(BdrvChild *c);
int bdrv_child_try_set_perm(BdrvChild *c, uint64_t perm, uint64_t shared, Error **errp);
int bdrv_replace_child_bs(BdrvChild *c, BlockDriverState *new_bs, Error **errp);
/* Add an edge from a node parent; bs's reference is taken over. */
BdrvChild *bdrv_attach_child(BlockDriverState *parent, BlockDriverState *bs, const char *name,
                             BdrvChildRole role, Error **errp);
/* "write, resize": names of permission bits; g_free it. */
char *bdrv_perm_names(uint64_t perm);

/* Blockers: an operation in progress forbids others by giving the reason. */
typedef enum BlockOp {
    BLOCK_OP_BACKUP_SOURCE, BLOCK_OP_BACKUP_TARGET, BLOCK_OP_CHANGE, BLOCK_OP_COMMIT_SOURCE, BLOCK_OP_COMMIT_TARGET,
    BLOCK_OP_DATAPLANE, BLOCK_OP_DRIVE_DEL, BLOCK_OP_EJECT, BLOCK_OP_EXTERNAL_SNAPSHOT, BLOCK_OP_INTERNAL_SNAPSHOT,
    BLOCK_OP_INTERNAL_SNAPSHOT_DELETE, BLOCK_OP_MIRROR_SOURCE, BLOCK_OP_MIRROR_TARGET, BLOCK_OP_RESIZE,
    BLOCK_OP_STREAM, BLOCK_OP_REPLACE, BLOCK_OP_MAX
} BlockOp;
void bdrv_op_block(BlockDriverState *bs, BlockOp op, Error *reason);     /* reason borrowed until unblocked */
void bdrv_op_unblock(BlockDriverState *bs, BlockOp op, Error *reason);
void bdrv_op_block_all(BlockDriverState *bs, Error *reason);
void bdrv_op_unblock_all(BlockDriverState *bs, Error *reason);
bool bdrv_op_is_blocked(BlockDriverState *bs, BlockOp op, Error **errp); /* "Node 'x' is busy: REASON" */

/* Reopen: a queue of nodes with new flags/options, all or nothing. */
typedef struct BdrvReopenQueue BdrvReopenQueue;
BdrvReopenQueue *bdrv_reopen_queue(BdrvReopenQueue *q, BlockDriverState *bs, QDict *options, bool keep_old);
int bdrv_reopen_multiple(BdrvReopenQueue *q, Error **errp);              /* consumes q */
void bdrv_reopen_queue_free(BdrvReopenQueue *q);
int bdrv_reopen(BlockDriverState *bs, QDict *options, bool keep_old, Error **errp);
int bdrv_reopen_set_read_only(BlockDriverState *bs, bool read_only, Error **errp);

/*
 * Drained sections: from begin's return until end no request runs on bs, from any thread;
 * new ones wait in the parents.  May nest.  begin polls the main context.
 */
void bdrv_drained_begin(BlockDriverState *bs);
void bdrv_drained_end(BlockDriverState *bs);
/*
 * Filters let all requests pass at once that have to do with bs (NULL: any node), until what this returns is given to restore: for who
 * waits for requests.  Sections do this themselves.
 */
GPtrArray *bdrv_limits_lift(BlockDriverState *bs);
void bdrv_limits_restore(GPtrArray *nodes);
/* aio_wait_while, with the limits of all nodes lifted: what is waited for needs requests. */
void bdrv_wait_while(bool (*busy)(void *opaque), void *opaque);
void bdrv_drain_all_begin(void);
void bdrv_drain_all_end(void);

/* Event BLOCK_WRITE_THRESHOLD when a write ends beyond `bytes`, once; 0: off. */
void bdrv_set_write_threshold(BlockDriverState *bs, uint64_t bytes);
uint64_t bdrv_get_write_threshold(const BlockDriverState *bs);

int bdrv_inactivate_all(void);
void bdrv_activate_all(Error **errp);

/* Images. */
int bdrv_create(const BlockDriver *drv, const char *filename, QDict *opts, Error **errp);   /* opts consumed */
/*
 * The file below an image: created by the protocol that filename names, with those of opts (borrowed, typed or
 * text) that it knows; "size" is the file's size.  What a format's co_create calls first.
 */
int bdrv_create_file(const char *filename, const QDict *opts, Error **errp);
/* The file that bdrv_create_file made holds no image: it goes again, if it is a regular file.  A device is not ours. */
void bdrv_remove_created_file(const char *filename);
/*
 * What `qemu-img create` does: option checks, backing file (opened unless no_open_backing, size taken from it),
 * the "Formatting ..." line unless quiet.  size -1: not given.
 */
void bdrv_img_create(const char *filename, const char *fmt, const char *base_filename, const char *base_fmt,
                     const char *options, int64_t size, int flags, bool quiet, bool no_open_backing, Error **errp);
int bdrv_check(BlockDriverState *bs, BdrvCheckResult *res, BdrvCheckFix fix);                /* -ENOTSUP: no checks; res->findings is set before */
int bdrv_get_info(BlockDriverState *bs, BlockDriverInfo *bdi);
bool bdrv_supports_compressed_writes(BlockDriverState *bs);
int bdrv_make_empty(BdrvChild *c, Error **errp);
/* Parse "none|writeback|unsafe|directsync|writethrough" into flags and writethrough. -1: unknown. */
int bdrv_parse_cache_mode(const char *mode, int *flags, bool *writethrough);
int bdrv_parse_discard_flags(const char *mode, int *flags);
int bdrv_parse_aio(const char *mode, int *flags);
const BlockDriver *bdrv_find_protocol(const char *filename, bool allow_protocol_prefix, Error **errp);
/* Guess from the first bytes and the name; *score may be NULL. */
const BlockDriver *bdrv_probe_all(const uint8_t *buf, int buf_size, const char *filename);

/* Block status through the chain. */
int bdrv_block_status(BlockDriverState *bs, int64_t offset, int64_t bytes, int64_t *pnum, int64_t *map, BlockDriverState **file);
/* From bs down to (not including) base; depth counts layers, 1 = bs itself. */
int bdrv_block_status_above(BlockDriverState *bs, BlockDriverState *base, int64_t offset, int64_t bytes,
                            int64_t *pnum, int64_t *map, BlockDriverState **file, int *depth);
/* 1: allocated in bs (filters skipped), 0: not, or -errno. */
int bdrv_is_allocated(BlockDriverState *bs, int64_t offset, int64_t bytes, int64_t *pnum);
int bdrv_is_allocated_above(BlockDriverState *bs, BlockDriverState *base, bool include_base, int64_t offset, int64_t bytes, int64_t *pnum);
int bdrv_is_zero_fast(BlockDriverState *bs, int64_t offset, int64_t bytes);

/* {"virtual-size": ...}: ImageInfo without backing chain members; NULL + errp on failure. */
QDict *bdrv_query_image_info(BlockDriverState *bs, Error **errp);

#endif
