/*
 * What the files of block/graph share among themselves.  Main thread only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_GRAPH_INTERNAL_H
#define BLOCK_GRAPH_INTERNAL_H

#include "core.h"

/* node.c: a fresh nameless node with one reference. */
BlockDriverState *bdrv_node_new(void);
/* Give bs its name (NULL: generate one) and put it into the list of all nodes. */
int bdrv_node_set_name(BlockDriverState *bs, const char *name, Error **errp);
/* Close the driver and drop the children; the node stays as an empty shell. */
void bdrv_node_close(BlockDriverState *bs);
void bdrv_node_set_filename(char **slot, const char *value);
/* total_bytes from the driver or the child whose data is shown. 0 or -errno. */
int bdrv_node_refresh_length(BlockDriverState *bs);
bool bdrv_is_protocol(const BlockDriver *drv);

/* walk.c: bs and everything below it, parents before children; free with g_ptr_array_unref. */
GPtrArray *bdrv_walk_down(BlockDriverState *const *roots, size_t n);
bool bdrv_reaches(BlockDriverState *from, const BlockDriverState *to);

/* child.c: edges without permission work, for callers that refresh several at once. */
BdrvChild *bdrv_edge_new(BlockDriverState *parent, const char *name, BdrvChildRole role);
void bdrv_edge_link(BdrvChild *c, BlockDriverState *bs);      /* takes a reference to bs */
void bdrv_edge_unlink(BdrvChild *c);                          /* drops it */
void bdrv_edge_move(BdrvChild *c, BlockDriverState *to);      /* both nodes drained: no request starts in between */
void bdrv_edge_free(BdrvChild *c);                            /* unlinked already */
char *bdrv_edge_parent_desc(BdrvChild *c);

/* perm.c: check new permissions below roots; then exactly one of commit and abort. */
typedef struct PermChange PermChange;
PermChange *bdrv_perm_check(BlockDriverState *const *roots, size_t n, Error **errp);
void bdrv_perm_commit(PermChange *pc);
void bdrv_perm_abort(PermChange *pc);
int bdrv_perm_refresh(BlockDriverState *bs, Error **errp);

/* options.c: the options that every node has. */
typedef struct NodeOptions {
    char *node_name;                   /* NULL: generate */
    int flags;                         /* open flags after the options were applied */
    bool force_share;
    bool detect_zeroes, detect_zeroes_unmap;
} NodeOptions;
/* Moves its keys out of options; flags are the defaults. */
int bdrv_node_options_absorb(QDict *options, int flags, bool force_share, NodeOptions *out, Error **errp);
void bdrv_node_options_clear(NodeOptions *o);
/* What a child in this role gets when its own options are silent. */
int bdrv_inherited_flags(const BlockDriverState *parent, BdrvChildRole role);
/* Nested into dotted names. */
void bdrv_options_flatten(QDict *options);
/* Drop what is about bs's children: they have their own options, and the graph may change. */
void bdrv_options_drop_children(QDict *options, const BlockDriverState *bs);
/* Options of a "json:" name join options; *filename becomes NULL then. */
int bdrv_options_from_json_name(const char **filename, QDict *options, Error **errp);

/* probe.c */
const BlockDriver *bdrv_probe_node(BlockDriverState *file, const char *filename, Error **errp);

/* image-names.c: what opens a node was, in part, chosen by an image. */
typedef struct ImageChoice {
    char *name;                        /* owned, as the image has it; NULL: all is the user's choice */
    QDict *users;                      /* owned: the options that the user gave nevertheless; flat */
} ImageChoice;
#define SCOPED_IMAGE_CHOICE __attribute__((cleanup(bdrv_image_choice_clear))) ImageChoice
void bdrv_image_choice_clear(ImageChoice *choice);
/* Below a node that an image named, all is the image's choice but what the user said about that child. */
ImageChoice bdrv_image_choice_of_child(const BlockDriverState *parent, const char *key);
void bdrv_image_choice_apply(BlockDriverState *bs, const ImageChoice *choice);
/*
 * May the image choose these?  0 or -EACCES, with the name and the remedy.  First the options that every node has, then
 * the driver and its own (before what the name says is parsed into more of them), the node that stands for a child, the
 * path that is opened.
 */
int bdrv_image_check_node_options(const BlockDriverState *bs, const QDict *options, Error **errp);
int bdrv_image_check_driver(const BlockDriverState *bs, const BlockDriver *drv, const QDict *options, Error **errp);
int bdrv_image_check_reference(const BlockDriverState *parent, const char *key, const char *reference, Error **errp);
int bdrv_image_check_path(const BlockDriverState *bs, const char *path, Error **errp);

/* open.c */
/* options and *backing_options: owned by the callee / given to the caller. */
BlockDriverState *bdrv_open_one(const char *filename, QDict *options, int flags, BlockDriverState *parent,
                                BdrvChildRole role, const ImageChoice *image, QDict **backing_options, Error **errp);
/* key: as which child of parent; both NULL: it is nobody's child. */
BlockDriverState *bdrv_open_inherit(const char *filename, const char *reference, QDict *options, int flags,
                                    BlockDriverState *parent, const char *key, BdrvChildRole role, Error **errp);
/*
 * backing.c: open the rest of the chain below bs.  options: "backing" and "backing.*", consumed.
 * users_name: the name in bs's header is one that the user gave for this.
 */
int bdrv_open_backing_chain(BlockDriverState *bs, QDict *options, bool users_name, Error **errp);

/* filename.c: names of bs alone, its children's being fresh. */
void bdrv_refresh_own_filename(BlockDriverState *bs);

/* reopen-child.c: what the option `key` says about a child.  *out NULL: it stays; -ENOENT: there is no such child. */
typedef struct ChildSwitch ChildSwitch;
int bdrv_child_switch_prepare(BlockDriverState *bs, const char *key, const QObject *value, ChildSwitch **out,
                              Error **errp);
BlockDriverState *bdrv_child_switch_old(const ChildSwitch *cs);      /* NULL: there was none */
void bdrv_child_switch_apply(ChildSwitch *cs);
void bdrv_child_switch_commit(ChildSwitch *cs);                      /* frees cs */
void bdrv_child_switch_abort(ChildSwitch *cs);                       /* applied or not; frees cs */

/* overlay.c: put a temporary overlay on bs; consumes bs's reference. */
BlockDriverState *bdrv_open_temporary_overlay(BlockDriverState *bs, int flags, Error **errp);

/* registry.c: does a backend of that name exist; its node or NULL through *out. */
bool bdrv_device_lookup(const char *name, BlockDriverState **out);

#define SCOPED_NODE_OPTIONS __attribute__((cleanup(bdrv_node_options_clear))) NodeOptions

#endif
