/*
 * qcow2: the driver's private face.  Included by block/qcow2-*.c only.
 * The design (ordering, invariants, locks) is docs/devel/qcow2.md; read that first.
 *
 * Field facts come from the published qcow2 format description and from images written by
 * the stock tools.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_H
#define BLOCK_QCOW2_H

#include "block/driver.h"
#include "util/cutils.h"

#define QCOW2_MAGIC 0x514649fbu                  /* "QFI\xfb" */
#define QCOW2_MIN_CLUSTER_BITS 9
#define QCOW2_MAX_CLUSTER_BITS 21
#define QCOW2_MAX_REFTABLE_BYTES (8 * MiB)
#define QCOW2_MAX_L1_BYTES (32 * MiB)
#define QCOW2_MAX_SNAPSHOTS 65536
#define QCOW2_MAX_SNAPSHOT_TABLE_BYTES (64 * MiB) /* 1024 bytes for each of the 65,536 */
#define QCOW2_MAX_SNAPSHOT_EXTRA 1024

/* Incompatible, compatible and autoclear feature bits. */
#define QCOW2_INCOMPAT_DIRTY       (1ULL << 0)
#define QCOW2_INCOMPAT_CORRUPT     (1ULL << 1)
#define QCOW2_INCOMPAT_DATA_FILE   (1ULL << 2)
#define QCOW2_INCOMPAT_COMPRESSION (1ULL << 3)
#define QCOW2_INCOMPAT_EXTL2       (1ULL << 4)
#define QCOW2_INCOMPAT_KNOWN       0x1fULL
#define QCOW2_COMPAT_LAZY_REFCOUNTS (1ULL << 0)
#define QCOW2_AUTOCLEAR_BITMAPS    (1ULL << 0)
#define QCOW2_AUTOCLEAR_DATA_FILE_RAW (1ULL << 1)
#define QCOW2_AUTOCLEAR_KNOWN      0x3ULL

/* Header extension magics. */
#define QCOW2_EXT_END            0x00000000u
#define QCOW2_EXT_BACKING_FORMAT 0xe2792acau
#define QCOW2_EXT_FEATURE_TABLE  0x6803f857u
#define QCOW2_EXT_CRYPTO         0x0537be77u
#define QCOW2_EXT_BITMAPS        0x23852875u
#define QCOW2_EXT_DATA_FILE      0x44415441u

/* L1 and L2 entries. */
#define QCOW2_OFLAG_COPIED     (1ULL << 63)      /* refcount is exactly one */
#define QCOW2_OFLAG_COMPRESSED (1ULL << 62)      /* L2 only */
#define QCOW2_OFLAG_ZERO       (1ULL << 0)       /* L2 only, v3, not with extended L2 */
#define QCOW2_L1_OFFSET_MASK   0x00fffffffffffe00ULL
#define QCOW2_L1_RESERVED_MASK 0x7f000000000001ffULL
#define QCOW2_L2_OFFSET_MASK   0x00fffffffffffe00ULL
#define QCOW2_L2_RESERVED_MASK 0x3f000000000001feULL   /* standard clusters */
#define QCOW2_RT_OFFSET_MASK   0xfffffffffffffe00ULL
#define QCOW2_RT_RESERVED_MASK 0x1ffULL

typedef enum Qcow2Crypt { QCOW2_CRYPT_NONE, QCOW2_CRYPT_AES, QCOW2_CRYPT_LUKS } Qcow2Crypt;
typedef enum Qcow2Compression { QCOW2_COMPRESSION_ZLIB, QCOW2_COMPRESSION_ZSTD } Qcow2Compression;

/* What the header says, host byte order, validated by qcow2_header_parse. */
typedef struct Qcow2Header {
    uint32_t version;
    uint64_t backing_file_offset;
    uint32_t backing_file_size;
    uint32_t cluster_bits;
    uint64_t size;                   /* virtual size, bytes */
    uint32_t crypt_method;
    uint32_t l1_size;                /* entries */
    uint64_t l1_table_offset;
    uint64_t refcount_table_offset;
    uint32_t refcount_table_clusters;
    uint32_t nb_snapshots;
    uint64_t snapshots_offset;
    uint64_t incompatible, compatible, autoclear;
    uint32_t refcount_order;
    uint32_t header_length;
    uint8_t compression_type;
} Qcow2Header;

/* An extension that we do not interpret: kept and written back in order. */
typedef struct Qcow2UnknownExt { uint32_t magic, len; uint8_t *data; } Qcow2UnknownExt;

typedef struct Qcow2Snapshot {
    uint64_t l1_table_offset;
    uint32_t l1_size;                /* entries */
    char *id_str, *name;
    uint64_t disk_size, vm_state_size, vm_clock_nsec, icount;
    uint32_t date_sec, date_nsec;
    uint32_t extra_data_size;        /* as on disk, unknown part included */
    uint8_t *unknown_extra;          /* extra_data_size - 24 bytes when larger, kept */
} Qcow2Snapshot;

/* Why clusters are freed: chooses whether the hole is passed down. */
typedef enum Qcow2DiscardType { QCOW2_DISCARD_NEVER, QCOW2_DISCARD_ALWAYS, QCOW2_DISCARD_REQUEST,
                                QCOW2_DISCARD_SNAPSHOT, QCOW2_DISCARD_OTHER, QCOW2_DISCARD_MAX } Qcow2DiscardType;

/* Metadata kinds for the overlap check (option overlap-check.*). */
typedef enum Qcow2Overlap {
    QCOW2_OL_MAIN_HEADER = 1, QCOW2_OL_ACTIVE_L1 = 2, QCOW2_OL_ACTIVE_L2 = 4, QCOW2_OL_REFCOUNT_TABLE = 8,
    QCOW2_OL_REFCOUNT_BLOCK = 16, QCOW2_OL_SNAPSHOT_TABLE = 32, QCOW2_OL_INACTIVE_L1 = 64, QCOW2_OL_INACTIVE_L2 = 128,
    QCOW2_OL_BITMAP_DIRECTORY = 256,
    QCOW2_OL_NONE = 0, QCOW2_OL_CONSTANT = 1 | 2 | 8 | 32 | 256, QCOW2_OL_CACHED = 1 | 2 | 8 | 32 | 256 | 4 | 16 | 64,
    QCOW2_OL_ALL = 511,
} Qcow2Overlap;

typedef struct Qcow2Cache Qcow2Cache;      /* qcow2-cache.c: tables in memory, dirty ranges */
typedef struct Qcow2OverlapSet Qcow2OverlapSet;   /* qcow2-overlap.c: where metadata is */
typedef struct Qcow2Commit Qcow2Commit;    /* qcow2-commit.c: what waits for the next commit cycle */
typedef struct Qcow2Defer Qcow2Defer;      /* qcow2-defer.c: copies put off */
typedef struct Qcow2InFlight Qcow2InFlight;   /* qcow2-write.c: allocating writes under way */
typedef struct Qcow2CompressState Qcow2CompressState;   /* qcow2-compress.c */
typedef struct Qcow2BitmapState Qcow2BitmapState;       /* qcow2-bitmap.c */
typedef struct Qcow2CryptState Qcow2CryptState;         /* qcow2-crypt.c */

/* qcow2-ahead.c: how far the file was extended before it is needed. */
typedef struct Qcow2Ahead {
    CoMutex lock;                    /* held over an extension */
    bool on, used;                   /* atomic; used: the file was extended and not cut since */
    int64_t first_len;               /* of the file before the first extension */
    uint64_t end;                    /* atomic; the file reaches at least this far, 0: not known */
    uint64_t stream_end;             /* atomic; guest offset where the last write ended */
    unsigned writes;                 /* atomic; since the last flush */
    bool flushed_often;              /* atomic; there were few between the last two */
} Qcow2Ahead;

/* Per-node state (bs->opaque).  "fixed": written by open, amend and resize only, drained. */
typedef struct Qcow2 {
    BlockDriverState *bs;
    /* fixed geometry */
    unsigned version, cluster_bits, l2_bits, refcount_order, refcount_bits, rb_bits;   /* l2_bits: log2 of entries a table */
    uint32_t cluster_size, l2_entry_size;          /* 8, or 16 with extended L2 */
    uint32_t l2_entries, rb_entries;
    unsigned subclusters, subcluster_bits; uint32_t subcluster_size;   /* subclusters: 1 or 32 */
    uint64_t refcount_max;
    uint64_t incompatible, compatible, autoclear;
    Qcow2Crypt crypt; Qcow2Compression compression;
    BdrvChild *data_file;                          /* bs->file when there is none of its own */
    char *data_file_name;                          /* from the header extension */
    uint8_t *unknown_header_fields; size_t unknown_header_len;
    Qcow2UnknownExt *unknown_ext; unsigned nb_unknown_ext;
    int64_t header_backing_len;
    /* runtime options (reopen changes them, drained) */
    bool lazy_refcounts, discard_no_unref;
    bool discard_pass[QCOW2_DISCARD_MAX];
    unsigned overlap_check;                        /* Qcow2Overlap bits */
    uint64_t l2_cache_bytes, l2_cache_limit, refcount_cache_bytes, cache_clean_interval_s;
    bool signaled_corruption;
    bool broken;                                   /* fatal corruption met: as without a medium from then on */

    CoMutex lock;                                  /* guards all that follows; order in qcow2.md */
    uint64_t *l1; uint32_t l1_size; uint64_t l1_offset;            /* host order */
    uint64_t *rt; uint32_t rt_size; uint64_t rt_offset;            /* entries; host order */
    uint32_t rt_clusters;
    Qcow2Cache *l2_cache, *rb_cache;
    Qcow2Commit *commit;
    Qcow2OverlapSet *overlap_set;
    uint64_t free_cluster_index;                   /* no free cluster below this one */
    uint64_t free_byte_offset;                     /* sub-cluster allocation for compressed data, 0: none */
    Qcow2Snapshot *snapshots; unsigned nb_snapshots;
    uint64_t snapshots_offset, snapshots_bytes;
    uint32_t unread_snapshots;                     /* of the header, while a check has not read their table: the header keeps them */
    uint32_t l1_vm_state_index;                    /* first L1 entry past the disk */
    Qcow2InFlight *in_flight;
    Qcow2Defer *defer;
    Qcow2Ahead ahead;
    bool prealloc_known, prealloc;                 /* more clusters counted than the file holds (qcow2-status.c) */
    Qcow2CompressState *compress;
    Qcow2BitmapState *bitmaps;
    Qcow2CryptState *crypt_state;
    uint64_t bitmaps_ext_offset, bitmaps_ext_size; uint32_t nb_bitmaps;   /* as in the header extension */
    uint64_t crypto_header_offset, crypto_header_len;
} Qcow2;

static inline Qcow2 *qcow2_of(BlockDriverState *bs) { return bs->opaque; }
static inline uint64_t qcow2_cluster_start(const Qcow2 *q, uint64_t off) { return off & ~(uint64_t)(q->cluster_size - 1); }
static inline uint64_t qcow2_in_cluster(const Qcow2 *q, uint64_t off) { return off & (q->cluster_size - 1); }
static inline uint64_t qcow2_clusters_for(const Qcow2 *q, uint64_t bytes) { return (bytes >> q->cluster_bits) + !!qcow2_in_cluster(q, bytes); }
static inline uint64_t qcow2_l1_index(const Qcow2 *q, uint64_t off) { return off >> (q->l2_bits + q->cluster_bits); }
static inline uint32_t qcow2_l2_index(const Qcow2 *q, uint64_t off) { return (off >> q->cluster_bits) & (q->l2_entries - 1); }
/* Entries of an L1 that maps bytes. */
static inline uint64_t qcow2_l1_entries_for(const Qcow2 *q, uint64_t bytes)
{
    unsigned shift = q->l2_bits + q->cluster_bits;

    return (bytes >> shift) + !!(bytes & ((1ULL << shift) - 1));
}
static inline bool qcow2_has_data_file(const Qcow2 *q) { return q->incompatible & QCOW2_INCOMPAT_DATA_FILE; }

/* --- qcow2-corrupt.c: the one door for corruption ------------------------- */
/* Report (stderr line and event of the peer's wording), set the corrupt bit when fatal, and return -EIO. */
int qcow2_corrupt(Qcow2 *q, bool fatal, int64_t offset, int64_t size, const char *fmt, ...) G_GNUC_PRINTF(5, 6);

/* --- qcow2-header.c ------------------------------------------------------- */
/* Pure: bytes of the file's start (at most one cluster) to a validated header.  file_len for bounds. */
int qcow2_header_parse(const uint8_t *buf, size_t len, Qcow2Header *out, Error **errp);
/*
 * Rewrite the whole header cluster (fixed part, extensions, backing name) from q.  Used when
 * extensions or names change.  One write; the caller flushes before and after.
 */
int coroutine_fn qcow2_header_write(Qcow2 *q);
/* Set/clear the dirty or corrupt bit on disk, flushed. */
int coroutine_fn qcow2_mark_dirty(Qcow2 *q);
int coroutine_fn qcow2_mark_clean(Qcow2 *q);
int coroutine_fn qcow2_mark_corrupt(Qcow2 *q);
int coroutine_fn qcow2_mark_consistent(Qcow2 *q);   /* clears the corrupt bit */
/*
 * The atomic switch: one write of the first sector that changes L1 (offset, size), refcount
 * table (offset, clusters), snapshot table (offset, count) and virtual size together from the
 * given values.  Flushed before (everything they name is durable) and after.
 */
typedef struct Qcow2Roots {
    uint64_t l1_offset, rt_offset, snapshots_offset, disk_size;
    uint32_t l1_size, rt_clusters, nb_snapshots;
} Qcow2Roots;
int coroutine_fn qcow2_switch_roots(Qcow2 *q, const Qcow2Roots *roots);

/* --- qcow2-cache.c: tables (L2 or refcount blocks) in memory --------------- */
Qcow2Cache *qcow2_cache_new(Qcow2 *q, uint64_t bytes, const char *what);
void qcow2_cache_free(Qcow2Cache *c);              /* must be clean */
/* Let it hold this many bytes of tables, if it could not already. */
void qcow2_cache_grow(Qcow2Cache *c, uint64_t bytes);
/* A reference to the table at offset (cluster aligned), read when absent.  -EIO etc. on failure. */
int coroutine_fn qcow2_cache_get(Qcow2Cache *c, uint64_t offset, void **table);
/* The same for a new table: zeroed, nothing read. */
int coroutine_fn qcow2_cache_get_new(Qcow2Cache *c, uint64_t offset, void **table);
void qcow2_cache_put(Qcow2Cache *c, void **table);
/* Bytes [from, from + len) of the table were changed. */
void qcow2_cache_mark_dirty(Qcow2Cache *c, void *table, uint32_t from, uint32_t len);
/* Whether qcow2_check_own_place has passed it. */
bool qcow2_cache_place_known(Qcow2Cache *c, void *table);
void qcow2_cache_note_place(Qcow2Cache *c, void *table);
/* Forget the table at offset without writing it (its cluster was freed). */
void qcow2_cache_discard(Qcow2Cache *c, uint64_t offset);
bool qcow2_cache_is_dirty(const Qcow2Cache *c);
/* Drop clean unreferenced tables (cleaning interval, memory pressure). */
void qcow2_cache_clean(Qcow2Cache *c);

/* --- qcow2-commit.c: the commit cycle (order of metadata on disk) ---------- */
/*
 * Write everything dirty in the order refcounts (blocks, table) -> L2 -> L1, with a flush of
 * the file between stages that have work, then (durable) one at the end; then the clusters
 * freed before this cycle began become really free (counts lowered in memory).  Takes copies
 * under q->lock and drops it during I/O; cycles are serialised among themselves.
 * Call with q->lock held; it is held again on return.
 */
int coroutine_fn qcow2_commit(Qcow2 *q, bool durable);
/* As qcow2_commit(q, false), for a guest's flush: counts stay in memory where they may lag behind. */
int coroutine_fn qcow2_commit_for_flush(Qcow2 *q);
/* Lazy refcounts, and the dirty bit on disk says so: a repair would find the counts again. */
bool qcow2_counts_may_lag(const Qcow2 *q);
/* L1 entry index was changed in q->l1. */
void qcow2_l1_mark_dirty(Qcow2 *q, uint32_t index);
/*
 * The cluster range is no longer referenced once what is dirty now is on disk: lower its counts
 * after the next completed cycle (raise at once, lower late).  Until then it is not handed out.
 */
void qcow2_free_late(Qcow2 *q, uint64_t offset, uint64_t bytes, Qcow2DiscardType type);

/* --- qcow2-refcount.c ------------------------------------------------------ */
int coroutine_fn qcow2_refcount_open(Qcow2 *q, const Qcow2Header *h, Error **errp);
void qcow2_refcount_close(Qcow2 *q);
int coroutine_fn qcow2_get_refcount(Qcow2 *q, uint64_t cluster_index, uint64_t *count);
/* So many of the first `clusters` can have a count: where tables say that there is none, nothing is read. */
uint64_t qcow2_counted_below(const Qcow2 *q, uint64_t clusters);
/* Allocate `bytes` (rounded up to clusters) contiguous; counts raised in memory.  File offset or -errno. */
int64_t coroutine_fn qcow2_alloc(Qcow2 *q, uint64_t bytes);
/* Try to allocate exactly at offset: clusters obtained (0: the first is taken), or -errno. */
int64_t coroutine_fn qcow2_alloc_at(Qcow2 *q, uint64_t offset, uint64_t nb_clusters);
/* For compressed data: bytes < cluster_size, not aligned. */
int64_t coroutine_fn qcow2_alloc_bytes(Qcow2 *q, uint32_t bytes);
/* No compressed data is added to what these clusters hold. */
void qcow2_end_stream_cluster(Qcow2 *q, uint64_t first, uint64_t n);
/* Add delta (may be negative; then at once, for clusters that never reached the disk) to a byte range's counts. */
int coroutine_fn qcow2_update_refcount(Qcow2 *q, uint64_t offset, uint64_t bytes, int64_t delta, Qcow2DiscardType type);
/* Free what an L2 entry references (all kinds), late. */
void qcow2_free_l2_entry_clusters(Qcow2 *q, uint64_t l2_entry, uint64_t subcluster_bitmap, Qcow2DiscardType type);
uint64_t qcow2_rb_get(const Qcow2 *q, const void *block, uint32_t index);       /* any width, from raw bytes */
void qcow2_rb_set(const Qcow2 *q, void *block, uint32_t index, uint64_t value);
/* Grow the refcount table so that cluster_index can be counted. */
int coroutine_fn qcow2_refcount_reserve(Qcow2 *q, uint64_t cluster_index);

/* --- qcow2-overlap.c -------------------------------------------------------- */
/* 0, or -EIO after signalling corruption, when [offset, +bytes) hits metadata other than `ignore` kinds. */
int coroutine_fn qcow2_check_overlap(Qcow2 *q, unsigned ignore, uint64_t offset, uint64_t bytes, bool data_file);
/* The same for a table of cache c that was read from offset and is about to be changed: it may lie on other metadata. */
int coroutine_fn qcow2_check_own_place(Qcow2 *q, Qcow2Cache *c, void *table, uint64_t offset);

/* --- qcow2-shadow.c: many reference changes, one atomic switch ---------------- */
/*
 * A shadow collects changes of counts, rewritten L2 tables, new L1, snapshot table and size in
 * clusters that the current image does not use; qcow2_shadow_commit makes them durable and then
 * switches all roots by one sector write.  A cut before it: the old image, to the bit.  After: the
 * new one.  Drained, q->lock held, no dirty metadata (commit first).  Memory is bounded: refcount
 * blocks spill to their new places.
 */
typedef struct Qcow2Shadow Qcow2Shadow;
int coroutine_fn qcow2_shadow_begin(Qcow2 *q, Qcow2Shadow **out);
int64_t coroutine_fn qcow2_shadow_alloc(Qcow2Shadow *s, uint64_t bytes);
int coroutine_fn qcow2_shadow_add(Qcow2Shadow *s, uint64_t offset, uint64_t bytes, int64_t delta);
int coroutine_fn qcow2_shadow_get(Qcow2Shadow *s, uint64_t cluster_index, uint64_t *count);   /* with the changes */
int coroutine_fn qcow2_shadow_prepare(Qcow2Shadow *s);                       /* all written and durable */
int coroutine_fn qcow2_shadow_switch(Qcow2Shadow *s, Qcow2Roots *roots);     /* rt fields are filled in here */
void coroutine_fn qcow2_shadow_abort(Qcow2Shadow *s);                         /* also after prepare: nothing happened */

/* --- qcow2-snapshot.c -------------------------------------------------------- */
int coroutine_fn qcow2_read_snapshots(Qcow2 *q, const Qcow2Header *h, Error **errp);
void qcow2_snapshot_list_free(Qcow2Snapshot *list, unsigned n);
void qcow2_free_snapshots(Qcow2 *q);
/* How many the header names: no other number may be written to it, but by who changes the table. */
static inline uint32_t qcow2_named_snapshots(const Qcow2 *q)
{
    return q->nb_snapshots + q->unread_snapshots;
}
int qcow2_snapshot_create(BlockDriverState *bs, QEMUSnapshotInfo *sn, Error **errp);
void *qcow2_snapshot_prepare(BlockDriverState *bs, QEMUSnapshotInfo *sn);
void qcow2_snapshot_finish(BlockDriverState *bs, void *prepared, bool commit);
int qcow2_snapshot_wait(BlockDriverState *bs, void *prepared);
int qcow2_snapshot_goto(BlockDriverState *bs, const char *id, Error **errp);
void *qcow2_snapshot_goto_prepare(BlockDriverState *bs, const char *id);
int qcow2_snapshot_delete(BlockDriverState *bs, const char *id, const char *name, int64_t *freed, Error **errp);
int qcow2_snapshot_delete_many(BlockDriverState *bs, const QEMUSnapshotInfo *list, unsigned n, int64_t *freed,
                               unsigned *done, Error **errp);
int qcow2_snapshot_list(BlockDriverState *bs, QEMUSnapshotInfo **out);
int qcow2_snapshot_sizes(BlockDriverState *bs, BdrvSnapshotSizes *out, int n);
int qcow2_snapshot_load_tmp(BlockDriverState *bs, const char *id, const char *name, Error **errp);
int coroutine_fn qcow2_co_snapshot_usage(BlockDriverState *bs, BdrvSnapshotUsage **out, Error **errp);
int coroutine_fn qcow2_co_snapshot_diff(BlockDriverState *bs, int from, int to, BdrvSnapshotDiffFn *fn, void *opaque,
                                        Error **errp);
/* Rewrite the snapshot table as it is in memory (amend, repair). */
int coroutine_fn qcow2_write_snapshots(Qcow2 *q);
/* Where is L1 of a snapshot valid?  "Snapshot L1 table offset invalid" etc. */
int qcow2_validate_table(Qcow2 *q, uint64_t offset, uint64_t entries, size_t entry_size, int64_t max_bytes,
                         const char *name, Error **errp);

/* --- qcow2-map.c: guest offset -> host ----------------------------------------- */
typedef enum Qcow2ClusterType {
    QCOW2_UNALLOCATED, QCOW2_ZERO_PLAIN, QCOW2_ZERO_ALLOC, QCOW2_NORMAL, QCOW2_COMPRESSED,
    QCOW2_UNALLOCATED_ALLOC,           /* subclusters only: cluster there, subcluster from backing */
    QCOW2_INVALID
} Qcow2ClusterType;
Qcow2ClusterType qcow2_entry_type(const Qcow2 *q, uint64_t l2_entry);
Qcow2ClusterType qcow2_subcluster_type(const Qcow2 *q, uint64_t l2_entry, uint64_t bitmap, unsigned sc);
static inline uint64_t qcow2_l2_get(const Qcow2 *q, const void *table, uint32_t i)
{ return load_be64((const uint8_t *)table + (size_t)i * q->l2_entry_size); }
static inline uint64_t qcow2_l2_get_bitmap(const Qcow2 *q, const void *table, uint32_t i)
{ return q->l2_entry_size == 16 ? load_be64((const uint8_t *)table + (size_t)i * 16 + 8) : 0; }
static inline void qcow2_l2_set(const Qcow2 *q, void *table, uint32_t i, uint64_t entry, uint64_t bitmap)
{
    uint8_t *p = (uint8_t *)table + (size_t)i * q->l2_entry_size;
    store_be64(p, entry);
    if (q->l2_entry_size == 16) {
        store_be64(p + 8, bitmap);
    }
}
/*
 * Host place of guest offset: *bytes is cut to what has one type and is contiguous.
 * *host: file offset of the byte (NORMAL, ZERO_ALLOC), or the raw L2 entry (COMPRESSED).
 */
int coroutine_fn qcow2_map(Qcow2 *q, uint64_t offset, uint64_t *bytes, uint64_t *host, Qcow2ClusterType *type);
/*
 * L2 table for guest offset, writable (its refcount is one), allocated or copied as needed;
 * the new L1 entry is marked dirty.  Release with qcow2_cache_put(q->l2_cache).
 */
int coroutine_fn qcow2_l2_for_write(Qcow2 *q, uint64_t offset, void **table, uint32_t *l2_index);
/* Host range and length of compressed data of an entry. */
void qcow2_compressed_place(const Qcow2 *q, uint64_t l2_entry, uint64_t *offset, uint64_t *bytes);
int coroutine_fn qcow2_grow_l1(Qcow2 *q, uint64_t min_entries, bool exact);
/* Turn every zero cluster (also of snapshots) into data or unallocated ones: amend to v2. */
int coroutine_fn qcow2_expand_zero_clusters(Qcow2 *q, void (*progress)(void *, int64_t, int64_t), void *opaque);

/* --- qcow2-inflight.c: requests under way ---------------------------------------- */
void qcow2_io_init(Qcow2 *q);            /* by open, before any request */
void qcow2_io_cleanup(Qcow2 *q);         /* by close */
/*
 * Wait until all data I/O is done that was begun on clusters as tables named them before this
 * call.  A commit cycle calls it before stage 4, q->lock held (dropped while waiting).
 */
void coroutine_fn qcow2_io_wait(Qcow2 *q);

/* --- qcow2-read.c, qcow2-write.c, qcow2-zero.c, qcow2-compress.c, qcow2-resize.c -- */
int coroutine_fn qcow2_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo, BdrvRequestFlags f);
int coroutine_fn qcow2_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo, BdrvRequestFlags f);
int coroutine_fn qcow2_co_write_compressed(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo);
int coroutine_fn qcow2_co_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags f);
int coroutine_fn qcow2_co_discard(BlockDriverState *bs, int64_t offset, int64_t bytes);
int coroutine_fn qcow2_co_copy_range(BlockDriverState *dst, int64_t dst_offset, BdrvChild *src, int64_t src_offset,
                                     int64_t bytes, BdrvRequestFlags rf, BdrvRequestFlags wf);
int coroutine_fn qcow2_co_flush_to_os(BlockDriverState *bs);
int coroutine_fn qcow2_co_settle(BlockDriverState *bs);
int coroutine_fn qcow2_co_block_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                                       int64_t *pnum, int64_t *map, BlockDriverState **file);
int coroutine_fn qcow2_co_truncate(BlockDriverState *bs, int64_t offset, bool exact, PreallocMode prealloc,
                                   BdrvRequestFlags flags, Error **errp);
/* May the image get this size?  Whatever can be said without trying. */
int qcow2_check_new_size(const Qcow2 *q, int64_t size, Error **errp);
int coroutine_fn qcow2_preallocate(Qcow2 *q, uint64_t offset, uint64_t new_length, PreallocMode mode, Error **errp);
int coroutine_fn qcow2_co_save_vmstate(BlockDriverState *bs, IoVec *qiov, int64_t pos);
int coroutine_fn qcow2_co_load_vmstate(BlockDriverState *bs, IoVec *qiov, int64_t pos);
int qcow2_make_empty(BlockDriverState *bs);
/* Inflate one cluster; raw deflate / zstd stream of exactly one cluster. */
int qcow2_decompress(Qcow2 *q, void *dst, size_t dst_len, const void *src, size_t src_len);

/* --- qcow2-check.c, qcow2-create.c, qcow2-info.c, qcow2-amend.c, qcow2-bitmap.c ------ */
int coroutine_fn qcow2_co_check(BlockDriverState *bs, BdrvCheckResult *res, BdrvCheckFix fix);
extern const OptDesc qcow2_create_options[], qcow2_amend_options[], qcow2_open_options[];
int coroutine_fn qcow2_co_create(const BlockDriver *drv, const char *filename, QDict *opts, Error **errp);
int qcow2_create_on(BlockDriverState *file, BlockDriverState *data_file, QDict *opts, Error **errp);
int qcow2_amend(BlockDriverState *bs, QDict *opts, void (*progress)(void *, int64_t, int64_t), void *opaque, bool force, Error **errp);
QObject *qcow2_get_specific_info(BlockDriverState *bs, Error **errp);
QDict *qcow2_measure(QDict *opts, BlockDriverState *in_bs, Error **errp);
int coroutine_fn qcow2_load_bitmaps(Qcow2 *q, Error **errp);
int coroutine_fn qcow2_store_bitmaps(Qcow2 *q, bool release_stored, Error **errp);

#endif
