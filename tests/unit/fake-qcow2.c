/*
 * The world of fake-qcow2.h.  Freed clusters are filled with 0xee at once, so that whoever
 * reads what was freed, or takes a used cluster for a clean one, sees it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include "block/dirty-bitmap.h"
#include "block/graph.h"
#include "fake-qcow2.h"
#include "../../block/qcow2-crypt.h"
#include "../../block/qcow2-commit.h"
#include "../../block/qcow2-defer.h"

typedef struct MemFile {
    BlockDriverState bs;
    BdrvChild child;
    GByteArray *bytes;
} MemFile;

typedef struct LateFree { uint64_t offset, bytes; } LateFree;
typedef struct FakeSnapshot { uint64_t *l1; uint32_t l1_size; bool used; } FakeSnapshot;

static struct {
    Qcow2 q;
    BlockDriver drv;
    BlockDriverState bs;
    MemFile file, data, backing;
    GArray *counts;                  /* uint32_t per cluster */
    GHashTable *tables;              /* offset -> memory */
    GArray *late;
    GArray *snapshots;
    uint64_t *kept_l1;
    uint32_t kept_size;
    char *corruption;
    uint64_t written;
    unsigned requests, fail_in;
} w;

/* --- files --- */

static MemFile *mem_of(BdrvChild *c)
{
    return c == &w.file.child ? &w.file : c == &w.data.child ? &w.data : &w.backing;
}

static void mem_init(MemFile *m)
{
    m->bytes = g_byte_array_new();
    m->child.bs = &m->bs;
    m->bs.total_bytes = 0;
}

static void mem_grow(MemFile *m, uint64_t len)
{
    if (m->bytes->len < len) {
        uint64_t old = m->bytes->len;
        g_byte_array_set_size(m->bytes, len);
        memset(m->bytes->data + old, 0, len - old);
    }
    m->bs.total_bytes = m->bytes->len;
}

static int next_write(void)
{
    w.requests++;
    return w.fail_in && --w.fail_in == 0 ? -EIO : 0;
}

int bdrv_read(BdrvChild *c, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo, BdrvRequestFlags flags)
{
    MemFile *m = mem_of(c);
    int64_t inside = offset >= m->bytes->len ? 0 : MIN(bytes, (int64_t)m->bytes->len - offset);
    g_assert(m != &w.backing || inside == bytes);
    iov_from_buf(qiov, qo, m->bytes->data + offset, inside);
    iov_fill(qiov, qo + inside, 0, bytes - inside);
    w.requests++;
    return 0;
}

int bdrv_write(BdrvChild *c, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo, BdrvRequestFlags flags)
{
    MemFile *m = mem_of(c);
    g_assert(m != &w.backing && bytes > 0);
    int ret = next_write();
    if (ret < 0) {
        bytes /= 2;                  /* half of it lands */
    }
    mem_grow(m, offset + bytes);
    g_assert_cmpuint(iov_to_buf(qiov, qo, m->bytes->data + offset, bytes), ==, bytes);
    w.written += bytes;
    return ret;
}

int bdrv_read_buf(BdrvChild *c, int64_t offset, int64_t bytes, void *buf, BdrvRequestFlags flags)
{
    IoVec v;
    iov_init_buf(&v, buf, bytes);
    return bdrv_read(c, offset, bytes, &v, 0, flags);
}

int bdrv_write_buf(BdrvChild *c, int64_t offset, int64_t bytes, const void *buf, BdrvRequestFlags flags)
{
    IoVec v;
    iov_init_buf(&v, (void *)buf, bytes);
    return bdrv_write(c, offset, bytes, &v, 0, flags);
}

int bdrv_discard(BdrvChild *c, int64_t offset, int64_t bytes)
{
    return 0;
}

int bdrv_zero(BdrvChild *c, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    MemFile *m = mem_of(c);
    int ret = next_write();
    if (ret == 0) {
        mem_grow(m, offset + bytes);
        memset(m->bytes->data + offset, 0, bytes);
    }
    return ret;
}

int bdrv_copy_range(BdrvChild *src, int64_t src_offset, BdrvChild *dst, int64_t dst_offset, int64_t bytes,
                    BdrvRequestFlags rf, BdrvRequestFlags wf)
{
    g_autofree void *buf = g_malloc(bytes);
    bdrv_read_buf(src, src_offset, bytes, buf, 0);
    return bdrv_write_buf(dst, dst_offset, bytes, buf, 0);
}

int bdrv_truncate(BdrvChild *c, int64_t offset, bool exact, PreallocMode prealloc, BdrvRequestFlags flags, Error **errp)
{
    MemFile *m = mem_of(c);
    mem_grow(m, offset);
    g_byte_array_set_size(m->bytes, offset);
    m->bs.total_bytes = offset;
    return 0;
}

int64_t bdrv_getlength(BlockDriverState *bs) { return bs->total_bytes; }
int64_t bdrv_write_highest_offset(const BlockDriverState *bs) { return bs->total_bytes; }
int64_t bdrv_write_failed_end(const BlockDriverState *bs) { return 0; }
int64_t bdrv_get_allocated_size(BlockDriverState *bs) { return bs->total_bytes; }
void bdrv_set_length(BlockDriverState *bs, int64_t bytes) { bs->total_bytes = bytes; }
void bdrv_debug_event(BlockDriverState *bs, const char *event) { }
void *bdrv_blockalign(BlockDriverState *bs, size_t bytes) { return g_malloc(bytes); }
void bdrv_memfree(void *p) { g_free(p); }

/* Only what zeroing asks: this image alone, the backing counts as data. */
int bdrv_block_status_above(BlockDriverState *bs, BlockDriverState *base, int64_t offset, int64_t bytes, int64_t *pnum,
                            int64_t *map, BlockDriverState **file, int *depth)
{
    int64_t where;
    BlockDriverState *f;
    int ret = qcow2_co_block_status(bs, true, offset, bytes, pnum, &where, &f);
    if (ret == 0 && !bs->backing) {
        ret = BDRV_BLOCK_ZERO;
    }
    return ret;
}

/* --- scheduling: there is none --- */

void co_mutex_init(CoMutex *m) { m->locked = false; }
void co_mutex_lock(CoMutex *m) { g_assert(!m->locked); m->locked = true; }
void co_mutex_unlock(CoMutex *m) { g_assert(m->locked); m->locked = false; }
void co_queue_init(CoQueue *q) { q->head = q->tail = NULL; }
void co_queue_wait(CoQueue *q, CoMutex *m) { g_assert_not_reached(); }
void co_queue_wake_all(CoQueue *q) { }
static CoroutineEntry *co_entry;
static void *co_opaque;
Coroutine *coroutine_create(CoroutineEntry *entry, void *opaque) { co_entry = entry; co_opaque = opaque; return NULL; }
void coroutine_enter(Coroutine *co) { co_entry(co_opaque); }
Coroutine *coroutine_self(void) { return NULL; }
static bool entered_at_once;           /* who lets others go first finds none */
AioContext *aio_current_context(void) { return NULL; }
void aio_co_schedule(AioContext *ctx, Coroutine *co) { entered_at_once = true; }
void coroutine_yield(void) { g_assert_true(entered_at_once); entered_at_once = false; }
void aio_co_wake(Coroutine *co) { g_assert_not_reached(); }
void co_run_sync(CoroutineEntry *entry, void *opaque) { entry(opaque); }
int thread_pool_co_run(int (*fn)(void *arg), void *arg) { return fn(arg); }

/* --- counts --- */

static uint32_t *count_of(uint64_t cluster)
{
    if (cluster >= w.counts->len) {
        g_array_set_size(w.counts, cluster + 1);
    }
    return &g_array_index(w.counts, uint32_t, cluster);
}

static void lower(uint64_t offset, uint64_t bytes)
{
    for (uint64_t c = offset >> w.q.cluster_bits; c <= (offset + bytes - 1) >> w.q.cluster_bits; c++) {
        g_assert_cmpuint(*count_of(c), >, 0);
        if (--*count_of(c) == 0) {
            uint64_t at = c << w.q.cluster_bits;
            if (qcow2_cluster_start(&w.q, w.q.free_byte_offset) == at) {
                w.q.free_byte_offset = 0;
            }
            g_hash_table_remove(w.tables, &at);
            if (at < w.file.bytes->len) {
                memset(w.file.bytes->data + at, 0xee, MIN(w.q.cluster_size, w.file.bytes->len - at));
            }
        }
    }
}

int64_t qcow2_alloc(Qcow2 *q, uint64_t bytes)
{
    uint64_t n = qcow2_clusters_for(q, bytes), run = 0, i = 0;
    for (; run < n; i++) {
        run = *count_of(i) ? 0 : run + 1;
    }
    for (uint64_t c = i - n; c < i; c++) {
        *count_of(c) = 1;
    }
    return (i - n) << q->cluster_bits;
}

int64_t qcow2_alloc_at(Qcow2 *q, uint64_t offset, uint64_t n)
{
    uint64_t i = 0;
    for (; i < n && !*count_of((offset >> q->cluster_bits) + i); i++) {
        *count_of((offset >> q->cluster_bits) + i) = 1;
    }
    return i;
}

int64_t qcow2_alloc_bytes(Qcow2 *q, uint32_t bytes)
{
    uint64_t at = q->free_byte_offset;
    if (at && qcow2_in_cluster(q, at) && qcow2_in_cluster(q, at) + bytes <= q->cluster_size) {
        ++*count_of(at >> q->cluster_bits);
    } else {
        at = qcow2_alloc(q, q->cluster_size);
    }
    q->free_byte_offset = at + bytes;
    return at;
}

int qcow2_update_refcount(Qcow2 *q, uint64_t offset, uint64_t bytes, int64_t delta, Qcow2DiscardType type)
{
    for (; delta < 0; delta++) {
        lower(offset, bytes);
    }
    for (uint64_t c = offset >> q->cluster_bits; delta > 0 && c <= (offset + bytes - 1) >> q->cluster_bits; c++) {
        *count_of(c) += delta;
    }
    return 0;
}

uint64_t qcow2_counted_below(const Qcow2 *q, uint64_t clusters) { return clusters; }

int qcow2_get_refcount(Qcow2 *q, uint64_t cluster, uint64_t *count)
{
    *count = *count_of(cluster);
    return 0;
}

/* There are no blocks here, and no bitmaps. */
int64_t qcow2_rb_offset(Qcow2 *q, uint64_t bi) { return 0; }
uint32_t qcow2_rb_next(const Qcow2 *q, const void *block, uint32_t from, uint32_t to, bool zero) { return to; }
BdrvDirtyBitmap *bdrv_dirty_bitmap_next(BlockDriverState *bs, BdrvDirtyBitmap *bm) { return NULL; }
bool bdrv_dirty_bitmap_persistent(const BdrvDirtyBitmap *bm) { return false; }
int bdrv_dirty_bitmap_check(const BdrvDirtyBitmap *bm, unsigned flags, Error **errp) { return 0; }

void qcow2_free_late(Qcow2 *q, uint64_t offset, uint64_t bytes, Qcow2DiscardType type)
{
    LateFree f = { offset, bytes };
    g_array_append_val(w.late, f);
}

void qcow2_free_l2_entry_clusters(Qcow2 *q, uint64_t entry, uint64_t bitmap, Qcow2DiscardType type)
{
    uint64_t offset = entry & QCOW2_L2_OFFSET_MASK, bytes = q->cluster_size;
    if (qcow2_has_data_file(q)) {
        return;
    }
    if (entry & QCOW2_OFLAG_COMPRESSED) {
        qcow2_compressed_place(q, entry, &offset, &bytes);
    }
    qcow2_free_late(q, offset, bytes, type);
}

int qcow2_commit(Qcow2 *q, bool durable)
{
    if (durable) {
        fake_settle();
    }
    for (unsigned i = 0; i < w.late->len; i++) {
        LateFree *f = &g_array_index(w.late, LateFree, i);
        lower(f->offset, f->bytes);
    }
    g_array_set_size(w.late, 0);
    return 0;
}

int qcow2_commit_for_flush(Qcow2 *q) { return qcow2_commit(q, false); }
bool qcow2_counts_may_lag(const Qcow2 *q) { return false; }
bool qcow2_commit_running(const Qcow2 *q) { return false; }

/* --- tables --- */

int qcow2_cache_get(Qcow2Cache *c, uint64_t offset, void **table)
{
    *table = g_hash_table_lookup(w.tables, &offset);
    if (!*table) {
        *table = g_malloc0(w.q.cluster_size);
        bdrv_read_buf(&w.file.child, offset, w.q.cluster_size, *table, 0);
        g_hash_table_insert(w.tables, g_memdup2(&offset, 8), *table);
    }
    return 0;
}

int qcow2_cache_get_new(Qcow2Cache *c, uint64_t offset, void **table)
{
    *table = g_malloc0(w.q.cluster_size);
    g_hash_table_replace(w.tables, g_memdup2(&offset, 8), *table);
    return 0;
}

void qcow2_cache_grow(Qcow2Cache *c, uint64_t bytes) { }
void qcow2_cache_put(Qcow2Cache *c, void **table) { *table = NULL; }
void qcow2_cache_mark_dirty(Qcow2Cache *c, void *table, uint32_t from, uint32_t len)
{
    g_assert_cmpuint(from + len, <=, w.q.cluster_size);
}
void qcow2_cache_discard(Qcow2Cache *c, uint64_t offset) { g_hash_table_remove(w.tables, &offset); }
bool qcow2_cache_is_dirty(const Qcow2Cache *c) { return false; }
void qcow2_l1_mark_dirty(Qcow2 *q, uint32_t index) { g_assert_cmpuint(index, <, q->l1_size); }
int qcow2_check_overlap(Qcow2 *q, unsigned ignore, uint64_t offset, uint64_t bytes, bool data_file) { return 0; }
int qcow2_check_own_place(Qcow2 *q, Qcow2Cache *c, void *table, uint64_t offset) { return 0; }
int qcow2_mark_dirty(Qcow2 *q) { return 0; }
int qcow2_switch_roots(Qcow2 *q, const Qcow2Roots *roots) { return 0; }
int qcow2_validate_table(Qcow2 *q, uint64_t offset, uint64_t entries, size_t entry_size, int64_t max, const char *name,
                         Error **errp) { return 0; }

int qcow2_corrupt(Qcow2 *q, bool fatal, int64_t offset, int64_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_free(w.corruption);
    w.corruption = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return -EIO;
}

char *fake_corruption(void) { return g_steal_pointer(&w.corruption); }
uint64_t fake_bytes_written(void) { uint64_t n = w.written; w.written = 0; return n; }
unsigned fake_requests(void) { unsigned n = w.requests; w.requests = 0; return n; }
void fake_fail_write(unsigned k) { w.fail_in = k; }

/* --- recounting and snapshots --- */

void fake_settle(void)
{
    bool was = w.q.lock.locked;
    w.q.lock.locked = true;
    g_assert_cmpint(qcow2_defer_settle_all(&w.q), ==, 0);
    w.q.lock.locked = was;
}

static void count_l1(GArray *refs, const uint64_t *l1, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        uint64_t offset = l1[i] & QCOW2_L1_OFFSET_MASK;
        void *table;
        if (!offset) {
            continue;
        }
        g_array_index(refs, uint32_t, offset >> w.q.cluster_bits)++;
        qcow2_cache_get(NULL, offset, &table);
        for (uint32_t j = 0; j < w.q.l2_entries; j++) {
            uint64_t entry = qcow2_l2_get(&w.q, table, j), at = entry & QCOW2_L2_OFFSET_MASK, len = w.q.cluster_size;
            if (entry & QCOW2_OFLAG_COMPRESSED) {
                qcow2_compressed_place(&w.q, entry, &at, &len);
                len = MIN(len, (((uint64_t)w.counts->len) << w.q.cluster_bits) - at);
            }
            if (at && !qcow2_has_data_file(&w.q)) {
                for (uint64_t c = at >> w.q.cluster_bits; c <= (at + len - 1) >> w.q.cluster_bits; c++) {
                    g_assert_cmpuint(c, <, refs->len);
                    g_array_index(refs, uint32_t, c)++;
                }
            }
        }
    }
}

static GArray *recount(void)
{
    GArray *refs = g_array_sized_new(false, true, sizeof(uint32_t), w.counts->len);
    g_array_set_size(refs, w.counts->len);
    g_array_index(refs, uint32_t, 0) = 1;
    for (uint64_t c = w.q.l1_offset >> w.q.cluster_bits;
         c < (w.q.l1_offset + w.q.l1_size * 8 + w.q.cluster_size - 1) >> w.q.cluster_bits; c++) {
        g_array_index(refs, uint32_t, c)++;
    }
    count_l1(refs, w.q.l1, w.q.l1_size);
    for (unsigned i = 0; i < w.snapshots->len; i++) {
        FakeSnapshot *s = &g_array_index(w.snapshots, FakeSnapshot, i);
        if (s->used) {
            count_l1(refs, s->l1, s->l1_size);
        }
    }
    return refs;
}

static uint64_t with_flag(uint64_t entry, uint64_t at, GArray *refs)
{
    if (!at || (entry & QCOW2_OFLAG_COMPRESSED)) {
        return entry;
    }
    bool one = g_array_index(refs, uint32_t, at >> w.q.cluster_bits) == 1;
    return one ? entry | QCOW2_OFLAG_COPIED : entry & ~QCOW2_OFLAG_COPIED;
}

/* Compare (check) or set COPIED in the active tables. */
static void flags(GArray *refs, bool check)
{
    for (uint32_t i = 0; i < w.q.l1_size; i++) {
        uint64_t offset = w.q.l1[i] & QCOW2_L1_OFFSET_MASK, want = with_flag(w.q.l1[i], offset, refs);
        void *table;
        g_assert(!check || w.q.l1[i] == want);
        w.q.l1[i] = want;
        if (!offset) {
            continue;
        }
        qcow2_cache_get(NULL, offset, &table);
        for (uint32_t j = 0; j < w.q.l2_entries && !qcow2_has_data_file(&w.q); j++) {
            uint64_t e = qcow2_l2_get(&w.q, table, j);
            want = with_flag(e, e & QCOW2_L2_OFFSET_MASK, refs);
            g_assert(!check || e == want);
            qcow2_l2_set(&w.q, table, j, want, qcow2_l2_get_bitmap(&w.q, table, j));
        }
    }
}

/* Counts anew from the references; what is no longer named is freed. */
static void resettle(void)
{
    qcow2_commit(&w.q, true);
    GArray *refs = recount();
    for (unsigned c = 0; c < w.counts->len; c++) {
        uint32_t now = g_array_index(refs, uint32_t, c);
        if (!now && *count_of(c)) {
            *count_of(c) = 1;
            lower((uint64_t)c << w.q.cluster_bits, w.q.cluster_size);
        }
        *count_of(c) = now;
    }
    flags(refs, false);
    g_array_free(refs, true);
}

void fake_verify(void)
{
    qcow2_commit(&w.q, true);
    GArray *refs = recount();
    for (unsigned c = 0; c < w.counts->len; c++) {
        g_assert_cmpuint(g_array_index(refs, uint32_t, c), ==, *count_of(c));
    }
    flags(refs, true);
    g_array_free(refs, true);
}

unsigned fake_snapshot_create(void)
{
    fake_settle();
    FakeSnapshot s = { g_memdup2(w.q.l1, w.q.l1_size * 8), w.q.l1_size, true };
    g_array_append_val(w.snapshots, s);
    resettle();
    return w.snapshots->len - 1;
}

void fake_snapshot_delete(unsigned i)
{
    g_array_index(w.snapshots, FakeSnapshot, i).used = false;
    resettle();
}

void fake_snapshot_apply(unsigned i)
{
    FakeSnapshot *s = &g_array_index(w.snapshots, FakeSnapshot, i);
    fake_settle();
    memset(w.q.l1, 0, w.q.l1_size * 8);
    memcpy(w.q.l1, s->l1, MIN(s->l1_size, w.q.l1_size) * 8);
    resettle();
}

void fake_snapshot_enter(unsigned i)
{
    FakeSnapshot *s = &g_array_index(w.snapshots, FakeSnapshot, i);
    fake_settle();
    w.kept_l1 = w.q.l1;
    w.kept_size = w.q.l1_size;
    w.q.l1 = s->l1;
    w.q.l1_size = s->l1_size;
}

void fake_snapshot_leave(void)
{
    w.q.l1 = w.kept_l1;
    w.q.l1_size = w.kept_size;
}

/* --- the image --- */

static void fill_backing(uint64_t size)
{
    mem_init(&w.backing);
    mem_grow(&w.backing, size);
    for (uint64_t i = 0; i < size; i++) {
        w.backing.bytes->data[i] = 0x80 | (i / 509 % 100);
    }
}

BlockDriverState *fake_bs(void) { return &w.bs; }

const uint8_t *fake_backing(uint64_t *len)
{
    *len = w.bs.backing ? w.backing.bytes->len : 0;
    return w.backing.bytes ? w.backing.bytes->data : NULL;
}

void fake_world_end(void)
{
    if (!w.counts) {
        return;
    }
    qcow2_io_cleanup(&w.q);
    g_array_free(w.counts, true);
    g_array_free(w.late, true);
    for (unsigned i = 0; i < w.snapshots->len; i++) {
        g_free(g_array_index(w.snapshots, FakeSnapshot, i).l1);
    }
    g_array_free(w.snapshots, true);
    g_hash_table_destroy(w.tables);
    g_free(w.q.l1);
    g_free(w.corruption);
    for (MemFile *m = &w.file; m; m = m == &w.file ? &w.data : m == &w.data ? &w.backing : NULL) {
        if (m->bytes) {
            g_byte_array_free(m->bytes, true);
        }
    }
    memset(&w, 0, sizeof(w));
}

Qcow2 *fake_world(const FakeShape *shape)
{
    Qcow2 *q = &w.q;
    fake_world_end();
    mem_init(&w.file);
    mem_init(&w.data);
    w.file.bs.drv = w.data.bs.drv = w.bs.drv = &w.drv;
    w.bs.file = &w.file.child;
    w.bs.opaque = q;
    w.bs.total_bytes = shape->size;
    if (shape->backing) {
        fill_backing(shape->size - shape->size / 7);
        w.bs.backing = &w.backing.child;
    }
    w.counts = g_array_new(false, true, sizeof(uint32_t));
    w.late = g_array_new(false, true, sizeof(LateFree));
    w.snapshots = g_array_new(false, true, sizeof(FakeSnapshot));
    w.tables = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    q->bs = &w.bs;
    q->version = shape->version;
    q->cluster_bits = shape->cluster_bits;
    q->cluster_size = 1u << q->cluster_bits;
    q->l2_entry_size = shape->subclusters ? 16 : 8;
    q->l2_bits = q->cluster_bits - (shape->subclusters ? 4 : 3);
    q->l2_entries = 1u << q->l2_bits;
    q->subclusters = shape->subclusters ? 32 : 1;
    q->subcluster_bits = q->cluster_bits - (shape->subclusters ? 5 : 0);
    q->subcluster_size = 1u << q->subcluster_bits;
    q->incompatible = shape->data_file ? QCOW2_INCOMPAT_DATA_FILE : 0;
    q->autoclear = shape->raw ? QCOW2_AUTOCLEAR_DATA_FILE_RAW : 0;
    q->compression = shape->zstd ? QCOW2_COMPRESSION_ZSTD : QCOW2_COMPRESSION_ZLIB;
    q->data_file = shape->data_file ? &w.data.child : &w.file.child;
    qcow2_io_init(q);
    *count_of(0) = 1;
    q->l1_size = qcow2_l1_entries_for(q, shape->size);
    q->l1 = g_new0(uint64_t, q->l1_size);
    q->l1_offset = qcow2_alloc(q, q->l1_size * 8);
    q->l1_vm_state_index = q->l1_size;
    mem_grow(&w.file, q->l1_offset + q->l1_size * 8);
    return q;
}

/* --- images here are never encrypted ------------------------------------------------ */

int coroutine_fn qcow2_encrypt(Qcow2 *q, uint64_t guest, uint64_t host, void *buf, uint64_t len) { return -EIO; }

int coroutine_fn qcow2_read_encrypted(Qcow2 *q, uint64_t guest, uint64_t host, uint64_t bytes, IoVec *qiov, size_t qo)
{
    return -EIO;
}
