/*
 * What a block driver sees of the world: the table it fills, the node it belongs to, and
 * the requests it may make of its children.  Drivers include this header and util/ ones only.
 *
 * Threads: open, close, reopen, permission and create callbacks run in the main thread,
 * outside coroutines unless marked coroutine_fn.  co_* callbacks run in coroutines of ANY
 * event-loop thread, several at once on one node: a driver guards its own mutable state
 * (CoMutex where it must hold over I/O).  No graph edge changes while a request is in flight
 * below it (docs/devel/block-graph.md, invariant G1), so bs->file and bs->backing are
 * stable for the length of a request.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_DRIVER_H
#define BLOCK_DRIVER_H

#include <glib.h>
#include "block/types.h"
#include "block/snapshot-info.h"
#include "util/aio.h"
#include "util/coroutine.h"
#include "util/error.h"
#include "util/iov.h"
#include "util/options.h"
#include "util/qobject.h"

typedef struct BdrvReopenState BdrvReopenState;
typedef struct BdrvAmendProgress BdrvAmendProgress;

/* Limits of a node in bytes; 0 means none.  Filled by refresh_limits after the children's were merged. */
typedef struct BlockLimits {
    uint32_t request_alignment;      /* power of two, >= 1; the gate aligns requests to it */
    int64_t max_pdiscard;
    uint32_t pdiscard_alignment;
    int64_t max_pwrite_zeroes;
    uint32_t pwrite_zeroes_alignment;
    uint32_t opt_transfer;
    uint32_t max_transfer;
    uint32_t max_hw_transfer;
    size_t min_mem_alignment;        /* buffer address alignment needed */
    size_t opt_mem_alignment;        /* and preferred */
    int max_iov;
} BlockLimits;

/* Facts for `info` that any format may know. */
typedef struct BlockDriverInfo {
    int cluster_size;                /* 0: no clusters */
    int subcluster_size;
    int64_t vm_state_offset;
    bool is_dirty;
    bool needs_compressed_writes;
} BlockDriverInfo;

struct BlockDriver {
    const char *name;                /* format or protocol name: "qcow2", "file" */
    const char *protocol;            /* file name prefix ("blkdebug" for "blkdebug:..."), NULL for formats */
    size_t instance_size;            /* bytes of bs->opaque, zeroed before open */
    bool is_filter;                  /* shows exactly its filtered child's data */
    bool is_format;                  /* interprets an image in bs->file */
    bool supports_backing;
    bool never_freeze;               /* its place in a chain may change: links to it cannot be held */
    bool needs_filename;
    bool has_variable_length;
    int64_t extend_run;              /* direct writes past its end go faster when it is extended before, by so much at least; 0: no */
    bool flushes_children;           /* co_flush_to_disk does, and decides what a child's failure means */
    /*
     * A backing file's name in an image may choose this driver.  For those alone that do no more than to show what plain
     * files hold: no connection, no write of their own, no exit, no large memory, nothing of the user's (image-names.c).
     * Default: no.
     */
    bool image_may_name;
    const char *const *image_options;   /* then: of open_options, what a json: name in an image may set; NULL: none */
    bool bounds_are_soft;            /* writes past the end grow the node (protocol files) */
    const OptDesc *open_options;     /* runtime options absorbed before open; see bs->opts */
    const OptDesc *create_options;   /* `create -o`, NULL when it cannot create */
    const OptDesc *amend_options;
    const char *const *strong_options;   /* options that change what the guest sees */
    const char *const *fixed_options;    /* of open_options: a reopen cannot change them */
    const char *const *mutable_options;  /* of open_options: a reopen may leave them out, "*": all; others it must repeat */

    /* 0..100: how surely buf (the first buf_size bytes) is this format. */
    int (*probe)(const uint8_t *buf, int buf_size, const char *filename);
    int (*probe_device)(const char *filename);
    /* "nbd://..." or "blkdebug:cfg:file" into options; bare names never come here. */
    void (*parse_filename)(const char *filename, QDict *options, Error **errp);

    /*
     * Make the node usable.  `options` holds the absorbed, typed values of open_options;
     * children are opened by the driver with bdrv_open_child / bdrv_open_file_child from
     * bs->options (flat "file.xyz" keys).  On failure the core undoes children and opaque.
     */
    int (*open)(BlockDriverState *bs, QDict *options, int flags, Error **errp);
    void (*close)(BlockDriverState *bs);
    int (*reopen_prepare)(BdrvReopenState *rs, Error **errp);
    void (*reopen_commit)(BdrvReopenState *rs);          /* writes nothing: other nodes may not be done */
    void (*reopen_commit_post)(BdrvReopenState *rs);     /* after all nodes' commits: may write */
    void (*reopen_abort)(BdrvReopenState *rs);
    void (*refresh_limits)(BlockDriverState *bs, Error **errp);
    /* exact_filename / json:{} name: fill bs->exact_filename if a plain name says it all. */
    void (*refresh_filename)(BlockDriverState *bs);
    /* Permissions to take on child c when parents of bs need perm/shared.  NULL: the default for the kind of driver. */
    void (*child_perm)(BlockDriverState *bs, BdrvChild *c, BdrvChildRole role,
                       uint64_t perm, uint64_t shared, uint64_t *nperm, uint64_t *nshared);
    int (*check_perm)(BlockDriverState *bs, uint64_t perm, uint64_t shared, Error **errp);
    void (*set_perm)(BlockDriverState *bs, uint64_t perm, uint64_t shared);
    void (*abort_perm_update)(BlockDriverState *bs);
    int (*inactivate)(BlockDriverState *bs);
    int coroutine_fn (*co_activate)(BlockDriverState *bs, Error **errp);

    /* Create an image from checked, typed create_options plus "size"; filename is plain (no protocol prefix). */
    int coroutine_fn (*co_create)(const BlockDriver *drv, const char *filename, QDict *opts, Error **errp);
    /*
     * A format: create the image in nodes that are there already (data_file NULL: none); opts as for co_create.
     * Main thread, outside coroutines.
     */
    int (*create_on)(BlockDriverState *file, BlockDriverState *data_file, QDict *opts, Error **errp);
    int coroutine_fn (*co_delete_file)(BlockDriverState *bs, Error **errp);

    /* One read and one write.  Offsets are aligned to request_alignment; bytes > 0. 0 or -errno. */
    int coroutine_fn (*co_read)(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                IoVec *qiov, size_t qiov_offset, BdrvRequestFlags flags);
    int coroutine_fn (*co_write)(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                 IoVec *qiov, size_t qiov_offset, BdrvRequestFlags flags);
    /* Zeroes: -ENOTSUP makes the gate write buffers instead (unless NO_FALLBACK). */
    int coroutine_fn (*co_zero)(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags);
    int coroutine_fn (*co_discard)(BlockDriverState *bs, int64_t offset, int64_t bytes);
    int coroutine_fn (*co_write_compressed)(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                            IoVec *qiov, size_t qiov_offset);
    /* Copy between two children inside the host (src and dst are this driver's nodes). -ENOTSUP: the gate bounces. */
    int coroutine_fn (*co_copy_range)(BlockDriverState *dst, int64_t dst_offset, BdrvChild *src, int64_t src_offset,
                                      int64_t bytes, BdrvRequestFlags read_flags, BdrvRequestFlags write_flags);
    /* To stable storage.  co_flush_to_os writes back the driver's caches only. */
    int coroutine_fn (*co_flush_to_disk)(BlockDriverState *bs);
    int coroutine_fn (*co_flush_to_os)(BlockDriverState *bs);
    /* Carry out writes that were answered and put off; what cannot be written is told here at the latest, or by a flush. */
    int coroutine_fn (*co_settle)(BlockDriverState *bs);
    /* A hint: what was written there will be flushed soon.  Does not wait, tells of no errors: the flush does. */
    void (*begin_writeback)(BlockDriverState *bs, int64_t offset, int64_t bytes);
    int coroutine_fn (*co_truncate)(BlockDriverState *bs, int64_t offset, bool exact, PreallocMode prealloc,
                                    BdrvRequestFlags flags, Error **errp);
    int64_t (*getlength)(BlockDriverState *bs);
    int64_t (*get_allocated_size)(BlockDriverState *bs);
    /*
     * Status of [offset, offset + *pnum): BDRV_BLOCK_* or -errno; *pnum > 0 on return.
     * want_zero false: the caller wants speed, not exact zero knowledge.
     */
    int coroutine_fn (*co_block_status)(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                                        int64_t *pnum, int64_t *map, BlockDriverState **file);

    /* A filter that keeps a point in time besides (copy-before-write): that content, for snapshot-access. */
    int coroutine_fn (*co_read_snapshot)(BlockDriverState *bs, int64_t offset, int64_t bytes,
                                         IoVec *qiov, size_t qiov_offset);
    int coroutine_fn (*co_snapshot_status)(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                                           int64_t *pnum, int64_t *map, BlockDriverState **file);
    /* The range is not needed any more. */
    int coroutine_fn (*co_discard_snapshot)(BlockDriverState *bs, int64_t offset, int64_t bytes);

    int (*get_info)(BlockDriverState *bs, BlockDriverInfo *bdi);
    /* "format-specific" of ImageInfo: {"type": ..., "data": {...}}; caller owns. */
    QObject *(*get_specific_info)(BlockDriverState *bs, Error **errp);
    QObject *(*get_specific_stats)(BlockDriverState *bs);
    int coroutine_fn (*co_check)(BlockDriverState *bs, BdrvCheckResult *res, BdrvCheckFix fix);
    int (*make_empty)(BlockDriverState *bs);
    int (*change_backing_file)(BlockDriverState *bs, const char *file, const char *fmt);
    int (*amend)(BlockDriverState *bs, QDict *opts, void (*progress)(void *opaque, int64_t done, int64_t total),
                 void *opaque, bool force, Error **errp);
    /* `measure`: {"required": N, "fully-allocated": N, "bitmaps": N} for opts and/or in_bs; caller owns. */
    QDict *(*measure)(QDict *opts, BlockDriverState *in_bs, Error **errp);

    /* Internal snapshots; all but list change the image and are durable on return.  Coroutine context not required. */
    int (*snapshot_create)(BlockDriverState *bs, QEMUSnapshotInfo *sn, Error **errp);
    /*
     * The same in two steps, for groups of disks; may be NULL.  prepare and finish begin a step and return at once, so
     * that the steps of several disks run side by side; wait ends it.  After prepare and a wait that returned 0 all is
     * written but what makes it true: the image is as before.  finish does that one step, or (commit false) forgets it.
     * A wait that fails, or that follows finish, frees what prepare returned.  From prepare to then the node is drained
     * and nothing is asked of it; sn and id stay valid.
     */
    void *(*snapshot_prepare)(BlockDriverState *bs, QEMUSnapshotInfo *sn);
    void *(*snapshot_goto_prepare)(BlockDriverState *bs, const char *id);
    void (*snapshot_finish)(BlockDriverState *bs, void *prepared, bool commit);
    int (*snapshot_wait)(BlockDriverState *bs, void *prepared);
    int (*snapshot_goto)(BlockDriverState *bs, const char *id, Error **errp);
    /* freed: bytes that the image uses less afterwards; may be NULL. */
    int (*snapshot_delete)(BlockDriverState *bs, const char *id, const char *name, int64_t *freed, Error **errp);
    /* Several at once, by id and name, in that order; freed: one figure each; *done: so many of them are gone. */
    int (*snapshot_delete_many)(BlockDriverState *bs, const QEMUSnapshotInfo *list, unsigned n, int64_t *freed,
                                unsigned *done, Error **errp);
    int (*snapshot_list)(BlockDriverState *bs, QEMUSnapshotInfo **out);     /* count or -errno */
    int (*snapshot_sizes)(BlockDriverState *bs, BdrvSnapshotSizes *out, int n);   /* of the first n listed */
    int (*snapshot_load_tmp)(BlockDriverState *bs, const char *id, const char *name, Error **errp);
    /* As bdrv_snapshot_usage and bdrv_snapshot_diff; states by their index in the list, -1: the present one. */
    int coroutine_fn (*co_snapshot_usage)(BlockDriverState *bs, BdrvSnapshotUsage **out, Error **errp);
    int coroutine_fn (*co_snapshot_diff)(BlockDriverState *bs, int from, int to, BdrvSnapshotDiffFn *fn, void *opaque,
                                         Error **errp);
    int coroutine_fn (*co_save_vmstate)(BlockDriverState *bs, IoVec *qiov, int64_t pos);
    int coroutine_fn (*co_load_vmstate)(BlockDriverState *bs, IoVec *qiov, int64_t pos);

    /* blkdebug: events and breakpoints. */
    void (*debug_event)(BlockDriverState *bs, const char *event);
    int (*debug_breakpoint)(BlockDriverState *bs, const char *event, const char *tag);
    int (*debug_remove_breakpoint)(BlockDriverState *bs, const char *tag);
    int (*debug_resume)(BlockDriverState *bs, const char *tag);
    bool (*debug_is_suspended)(BlockDriverState *bs, const char *tag);

    /* Persistent dirty bitmaps. */
    bool (*supports_persistent_bitmaps)(BlockDriverState *bs);
    bool coroutine_fn (*co_can_store_bitmap)(BlockDriverState *bs, const char *name, uint32_t granularity, Error **errp);
    int coroutine_fn (*co_remove_bitmap)(BlockDriverState *bs, const char *name, Error **errp);

    void (*drain_begin)(BlockDriverState *bs);
    void (*drain_end)(BlockDriverState *bs);
    /* Filters with several or oddly named children (quorum) answer these; others leave NULL. */
    void (*add_child)(BlockDriverState *bs, BlockDriverState *child, Error **errp);
    void (*del_child)(BlockDriverState *bs, BdrvChild *child, Error **errp);
};

/* An edge.  Owned by the parent; bs is referenced. */
struct BdrvChild {
    BlockDriverState *bs;
    char *name;                       /* "file", "backing", "data-file", ...; "root" for backends */
    BdrvChildRole role;
    BlockDriverState *parent;         /* NULL when a backend or job is the parent */
    const struct BdrvChildOps *ops;   /* callbacks into a non-node parent */
    void *opaque;                     /* that parent */
    uint64_t perm, shared;            /* granted now */
    bool frozen;                      /* may not be replaced (a job relies on it) */
    BdrvChild *next, *prev;           /* among the parent's children (node parents) */
    BdrvChild *next_parent, *prev_parent;   /* among bs's parents */
};

/*
 * A node.  Fields above the line are read-only to drivers except where said; the rest
 * belongs to block/graph and block/io (private part behind bs->core).
 */
struct BlockDriverState {
    const BlockDriver *drv;           /* NULL once closed or broken */
    void *opaque;                     /* driver state, instance_size bytes */
    BdrvChild *file;                  /* primary child, may be NULL */
    BdrvChild *backing;               /* COW child, NULL when there is none */
    BdrvChild *children;              /* all edges downwards */
    BdrvChild *parents;               /* all edges upwards */
    int open_flags;
    bool read_only;
    bool encrypted;                   /* driver sets */
    bool probed;                      /* format was guessed */
    bool implicit;                    /* a filter that a job put there without being told to */
    bool detect_zeroes, detect_zeroes_unmap;
    char node_name[32];
    char *filename;                   /* as opened or reconstructed; never NULL */
    char *exact_filename;             /* "" when no plain name describes the node */
    char *backing_file;               /* driver sets from the header; "" if none */
    char *backing_format;             /* likewise */
    char *auto_backing_file;          /* what backing_file was at open, for override detection */
    QDict *options;                   /* flat; what open was given and is still unabsorbed during open */
    QDict *explicit_options;          /* what the user said */
    QDict *full_open_options;         /* nested, for json:{} names */
    int64_t total_bytes;              /* current length; kept by the core, drivers use bdrv_set_length */
    BlockLimits bl;
    BdrvRequestFlags supported_read_flags, supported_write_flags, supported_zero_flags, supported_truncate_flags;   /* driver sets in open */
    struct BdrvCore *core;            /* requests in flight, drain, dirty bitmaps, stats: block/io, block/graph */
};

struct BdrvReopenState {
    BlockDriverState *bs;
    int flags;                        /* new open flags */
    QDict *options;                   /* new driver options, absorbed and typed, with defaults */
    void *opaque;                     /* driver's prepared state */
};

/*
 * Registry: each driver file calls this from its register function, listed in block/drivers.c.  One name may come
 * several times with other protocols; by its name the first one is found.
 */
void bdrv_register(const BlockDriver *drv);
const BlockDriver *bdrv_find_format(const char *name);
/* Iterate over all registered drivers, in registration order; i from 0, NULL ends. */
const BlockDriver *bdrv_driver_at(int i);

/*
 * Children, from inside open.  key is the option prefix ("file"): options "file.*" or a
 * node name in "file" select the child; filename (may be NULL) is used when no options are given.
 * allow_none: NULL without error when nothing names a child.
 */
BdrvChild *bdrv_open_child(const char *filename, QDict *options, const char *key, BlockDriverState *parent,
                           BdrvChildRole role, bool allow_none, Error **errp);
/* bdrv_open_child(..., "file", PRIMARY + role by kind of driver) stored in parent->file. 0 or -errno. */
int bdrv_open_file_child(const char *filename, QDict *options, BlockDriverState *parent, Error **errp);
void bdrv_unref_child(BlockDriverState *parent, BdrvChild *child);
/* Recompute what bs takes from its children (after its own state changed what it needs). */
int bdrv_child_refresh_perms(BlockDriverState *bs, BdrvChild *c, Error **errp);
/* The default child_perm for filters and formats, to call from a driver's own. */
void bdrv_default_perms(BlockDriverState *bs, BdrvChild *c, BdrvChildRole role,
                        uint64_t perm, uint64_t shared, uint64_t *nperm, uint64_t *nshared);
void bdrv_set_length(BlockDriverState *bs, int64_t bytes);
/* May an image have this file opened?  Not if it stands for a descriptor that the user passed.  0 or -EACCES. */
int bdrv_image_may_name_path(const char *path, Error **errp);
/*
 * Opened for writing, but it is not possible: fall back to read-only if the node was opened with
 * auto-read-only (0), else -EACCES with msg (NULL: "Image is read-only").
 */
int bdrv_apply_auto_read_only(BlockDriverState *bs, const char *msg, Error **errp);

/*
 * Requests to a child: the gate.  Checks range, state and permission, aligns, splits to
 * limits, tracks.  Callable in coroutines; outside one they run to completion (co_run_sync).
 * qiov_offset: where in qiov the data starts.  0 or -errno.
 */
int bdrv_read(BdrvChild *c, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset, BdrvRequestFlags flags);
int bdrv_write(BdrvChild *c, int64_t offset, int64_t bytes, IoVec *qiov, size_t qiov_offset, BdrvRequestFlags flags);
int bdrv_read_buf(BdrvChild *c, int64_t offset, int64_t bytes, void *buf, BdrvRequestFlags flags);
int bdrv_write_buf(BdrvChild *c, int64_t offset, int64_t bytes, const void *buf, BdrvRequestFlags flags);
/* write_buf and then bdrv_flush of the child. */
int bdrv_write_sync(BdrvChild *c, int64_t offset, int64_t bytes, const void *buf, BdrvRequestFlags flags);
int bdrv_zero(BdrvChild *c, int64_t offset, int64_t bytes, BdrvRequestFlags flags);
int bdrv_discard(BdrvChild *c, int64_t offset, int64_t bytes);
int bdrv_flush(BlockDriverState *bs);
/* Writes that were answered and put off (co_settle), here and below, are carried out.  Nothing is made durable. */
int bdrv_settle(BlockDriverState *bs);
/* Have the disk begin with what was written there, as a flush is to follow; returns at once and promises nothing. */
void bdrv_begin_writeback(BdrvChild *c, int64_t offset, int64_t bytes);
/* Can a node have this length at all?  -EINVAL or -EIO. */
int bdrv_check_new_length(int64_t length, Error **errp);
int bdrv_truncate(BdrvChild *c, int64_t offset, bool exact, PreallocMode prealloc, BdrvRequestFlags flags, Error **errp);
int bdrv_copy_range(BdrvChild *src, int64_t src_offset, BdrvChild *dst, int64_t dst_offset, int64_t bytes,
                    BdrvRequestFlags read_flags, BdrvRequestFlags write_flags);
int64_t bdrv_getlength(BlockDriverState *bs);           /* bytes or -errno (-ENOMEDIUM) */
int64_t bdrv_get_allocated_size(BlockDriverState *bs);
/* Status of this node alone (its backing is not asked); see co_block_status. */
int bdrv_block_status_one(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                          int64_t *pnum, int64_t *map, BlockDriverState **file);
bool bdrv_is_writable(const BlockDriverState *bs);
/* End of the furthest write since open, for statistics. */
int64_t bdrv_write_highest_offset(const BlockDriverState *bs);
/* Behind this nothing was even tried: a write that failed may have left some of itself before it. */
int64_t bdrv_write_failed_end(const BlockDriverState *bs);
/* Aligned memory good for O_DIRECT on bs; NULL if it cannot be had. Free with bdrv_memfree. */
void *bdrv_blockalign(BlockDriverState *bs, size_t bytes);
void bdrv_memfree(void *p);
/* Tell blkdebug below that a named step is reached ("l2_update", "cow_read"...). */
void bdrv_debug_event(BlockDriverState *bs, const char *event);
static inline void bdrv_child_event(BdrvChild *c, const char *event) { if (c && c->bs) bdrv_debug_event(c->bs, event); }

/* Filters: the child whose data this node shows; and down past all filters. */
BdrvChild *bdrv_filter_child(const BlockDriverState *bs);
BlockDriverState *bdrv_skip_filters(BlockDriverState *bs);

/* Dirty bitmap hooks that a format with persistent bitmaps needs are in block/dirty-bitmap.h. */

#endif
