/*
 * qcow2: many changes of counts behind one atomic switch.
 *
 *   COLLECT   blocks that change are copied to new places, counts change in the copies
 *   PREPARED  qcow2_shadow_prepare(): copies and a new refcount table are durable
 *   DONE      qcow2_shadow_switch(): the header names them; or qcow2_shadow_abort()
 *
 * Up to DONE nothing that the present image uses is written: a cluster is taken only when its
 * count is zero both in the image and in the shadow.  So a cut finds the old image, and abort has
 * nothing to undo.  Each copied block counts its own new place and uncounts its old one.
 *
 * Memory is bounded: copies that were not used for long are written to their places, several in one write, while the work
 * goes on.  Where clusters were allocated in a row a block is done with when the next one begins, so few are kept at first,
 * and more whenever one is needed again.
 *
 * Drained, q->lock held throughout, nothing dirty in the caches.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "qcow2-shadow.h"
#include "qcow2-vector.h"

#define COPIES_FIRST (1 * MiB)       /* held in memory ... */
#define COPIES_BYTES (12 * MiB)      /* ... at most */
#define FEW_BUFFERS 8
#define SLAB_BYTES (2 * MiB)
#define EVICT_BYTES (512 * KiB)      /* written in one go */
#define BLOCK_RUN 64                 /* blocks in one write */
#define MAX_FREED_RANGES (1u << 20)

typedef struct ShadowBlock {
    uint64_t bi;
    uint8_t *data;                   /* NULL: written to place, not in memory */
    uint64_t place;                  /* file offset, 0 while it is being found: it stays in memory */
    bool dirty, writing;             /* writing: under way to place, see `writes` */
    struct ShadowBlock *prev, *next; /* those in memory, least recently used first */
    struct ShadowBlock *then;        /* in `unsettled` */
} ShadowBlock;

typedef struct FreedRange { uint64_t first, n; } FreedRange;

struct Qcow2Shadow {
    Qcow2 *q;
    uint64_t *rt;
    uint64_t rt_size;
    uint64_t next;                   /* where to look for free clusters */
    uint64_t window, window_n;       /* free ones in a row before it, for tables */
    GHashTable *blocks;              /* by bi */
    ShadowBlock *head, *tail, *last_used;
    ShadowBlock *unsettled;          /* new copies without a place; none outside of the functions here */
    bool settling;
    unsigned in_memory, max_in_memory, most_in_memory;
    Qcow2Tasks writes;               /* of blocks */
    GPtrArray *slabs;                /* memory of buffers of one cluster... */
    uint8_t *spare;                  /* ...and those in no use, each of which begins with the next one's address */
    uint64_t rt_place;
    bool ending;                     /* the last flush comes at once */
    int64_t growth;                  /* clusters in use more than in the image */
    GArray *freed;                   /* FreedRange, NULL: not wanted */
    bool noting;                     /* what is freed now goes there: no tables that the next shadow takes again */
    Qcow2DiscardType freed_type;
};

/* --- copies in memory ------------------------------------------------------------------- */

static void lru_remove(Qcow2Shadow *s, ShadowBlock *b)
{
    *(b->prev ? &b->prev->next : &s->head) = b->next;
    *(b->next ? &b->next->prev : &s->tail) = b->prev;
    s->in_memory--;
}

static void lru_add(Qcow2Shadow *s, ShadowBlock *b)
{
    b->prev = s->tail;
    b->next = NULL;
    *(s->tail ? &s->tail->next : &s->head) = b;
    s->tail = b;
    s->in_memory++;
}

/* Bytes were written: have the disk begin with them, unless the flush comes at once. */
static void note_written(Qcow2Shadow *s, uint64_t offset, uint64_t bytes)
{
    if (!s->ending) {
        bdrv_begin_writeback(s->q->bs->file, offset, bytes);
    }
}

int coroutine_fn qcow2_shadow_write(Qcow2Shadow *s, uint64_t offset, const void *buf, uint64_t bytes)
{
    int ret = qcow2_check_overlap(s->q, 0, offset, bytes, false);
    if (ret == 0) {
        ret = bdrv_write_buf(s->q->bs->file, offset, bytes, buf, 0);
        note_written(s, offset, bytes);
    }
    return ret;
}

typedef struct ShadowWrite { Qcow2Shadow *s; uint64_t offset; const void *buf; uint64_t bytes; } ShadowWrite;

static int coroutine_fn shadow_write_task(void *arg)
{
    ShadowWrite *w = arg;
    int ret = bdrv_write_buf(w->s->q->bs->file, w->offset, w->bytes, w->buf, 0);
    note_written(w->s, w->offset, w->bytes);
    return ret;
}

int coroutine_fn qcow2_shadow_start_write(Qcow2Shadow *s, Qcow2Tasks *tasks, uint64_t offset, const void *buf, uint64_t bytes)
{
    int ret = qcow2_check_overlap(s->q, 0, offset, bytes, false);
    ShadowWrite w = { s, offset, buf, bytes };
    if (ret == 0) {
        qcow2_tasks_start(tasks, shadow_write_task, &w, sizeof(w));
    }
    return ret;
}

/* Without an allocation of its own: there may be thousands. */
static void give_buffer(Qcow2Shadow *s, uint8_t *data)
{
    memcpy(data, &s->spare, sizeof(s->spare));
    s->spare = data;
}

/* --- writing copies --------------------------------------------------------------------- */

/* Blocks whose places follow each other; their data comes along and is spare afterwards. */
typedef struct BlockRun {
    Qcow2Shadow *s;
    unsigned n;
    ShadowBlock *blocks[BLOCK_RUN];
    uint8_t *data[BLOCK_RUN];
} BlockRun;

static int coroutine_fn block_run_task(void *arg)
{
    BlockRun *r = arg;
    Qcow2 *q = r->s->q;
    AUTO_IOVEC v;
    iov_init(&v, r->n);
    for (unsigned i = 0; i < r->n; i++) {
        iov_add(&v, r->data[i], q->cluster_size);
    }
    int ret = bdrv_write(q->bs->file, r->blocks[0]->place, (uint64_t)r->n << q->cluster_bits, &v, 0, 0);
    for (unsigned i = 0; i < r->n; i++) {
        r->blocks[i]->writing = false;
        give_buffer(r->s, r->data[i]);
    }
    note_written(r->s, r->blocks[0]->place, (uint64_t)r->n << q->cluster_bits);
    return ret;
}

static int by_block_place(const void *a, const void *b)
{
    const ShadowBlock *x = *(ShadowBlock *const *)a, *y = *(ShadowBlock *const *)b;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Take n blocks out of memory (sorted here), and begin to write those that are dirty. */
static int coroutine_fn push_out(Qcow2Shadow *s, ShadowBlock **blocks, unsigned n)
{
    BlockRun r = { .s = s };
    int ret = 0;
    qsort(blocks, n, sizeof(*blocks), by_block_place);
    for (unsigned i = 0; i < n; i++) {
        ShadowBlock *b = blocks[i];
        uint8_t *data = b->data;
        lru_remove(s, b);
        b->data = NULL;
        if (!b->dirty) {
            give_buffer(s, data);
            continue;
        }
        ret = qcow2_check_overlap(s->q, 0, b->place, s->q->cluster_size, false);
        b->dirty = false;
        if (ret < 0) {
            give_buffer(s, data);
            break;
        }
        if (r.n && (r.n == BLOCK_RUN || r.blocks[r.n - 1]->place + s->q->cluster_size != b->place)) {
            qcow2_tasks_start(&s->writes, block_run_task, &r, sizeof(r));
            r.n = 0;
        }
        b->writing = true;
        r.blocks[r.n] = b;
        r.data[r.n++] = data;
    }
    if (ret == 0 && r.n) {
        qcow2_tasks_start(&s->writes, block_run_task, &r, sizeof(r));
    }
    for (unsigned i = 0; ret < 0 && i < r.n; i++) {      /* not begun: the shadow is given up */
        r.blocks[i]->writing = false;
        give_buffer(s, r.data[i]);
    }
    return ret < 0 ? ret : s->writes.ret;
}

/* The oldest blocks that may go, at most max of them, leave memory. */
static int coroutine_fn push_out_oldest(Qcow2Shadow *s, unsigned max)
{
    g_autofree ShadowBlock **blocks = g_try_new(ShadowBlock *, MAX(max, 1));
    unsigned n = 0;
    if (!blocks) {
        return -ENOMEM;
    }
    for (ShadowBlock *b = s->head; b && n < max; b = b->next) {
        if (b->place) {
            blocks[n++] = b;
        }
    }
    s->last_used = NULL;
    return push_out(s, blocks, n);
}

static int coroutine_fn make_room(Qcow2Shadow *s)
{
    unsigned some = MIN(MAX(EVICT_BYTES >> s->q->cluster_bits, 1), s->max_in_memory / 2);
    return s->in_memory >= s->max_in_memory ? push_out_oldest(s, some) : 0;
}

/* One by one at first; then many at once, in pages as large as there are: each small one would be a fault of its own. */
static bool add_buffers(Qcow2Shadow *s)
{
    unsigned n = s->slabs->len < FEW_BUFFERS ? 1 : MAX(SLAB_BYTES >> s->q->cluster_bits, 1);
    uint8_t *slab = bdrv_blockalign(s->q->bs->file->bs, (size_t)n << s->q->cluster_bits);
    if (!slab) {
        return false;
    }
    g_ptr_array_add(s->slabs, slab);
    while (n-- > 0) {
        give_buffer(s, slab + ((size_t)n << s->q->cluster_bits));
    }
    return true;
}

static uint8_t *block_buffer(Qcow2Shadow *s)
{
    uint8_t *data = s->spare || add_buffers(s) ? s->spare : NULL;
    if (data) {
        memcpy(&s->spare, data, sizeof(s->spare));
    }
    return data;
}

/* What the block held before the shadow. */
static int coroutine_fn read_original(Qcow2 *q, uint64_t bi, uint8_t *data)
{
    int64_t old = qcow2_rb_offset(q, bi);
    const void *cached = old > 0 ? qcow2_cache_peek(q->rb_cache, old) : NULL;
    if (old > 0 && !cached) {
        return bdrv_read_buf(q->bs->file, old, q->cluster_size, data, 0);
    }
    if (cached) {
        memcpy(data, cached, q->cluster_size);
    } else {
        memset(data, 0, q->cluster_size);
    }
    return old < 0 ? (int)old : 0;
}

static int coroutine_fn bring_in(Qcow2Shadow *s, ShadowBlock *b)
{
    Qcow2 *q = s->q;
    int ret = make_room(s);
    if (ret == 0 && b->writing) {
        ret = qcow2_tasks_finish(&s->writes);
    }
    uint8_t *data = ret == 0 ? block_buffer(s) : NULL;
    if (!data) {
        return ret < 0 ? ret : -ENOMEM;
    }
    if (b->place) {
        /* Blocks are needed more than once: keep more of them. */
        s->max_in_memory = MIN(s->max_in_memory * 2, s->most_in_memory);
        ret = bdrv_read_buf(q->bs->file, b->place, q->cluster_size, data, 0);
    } else {
        ret = read_original(q, b->bi, data);
    }
    if (ret < 0) {
        give_buffer(s, data);
        return ret;
    }
    b->data = data;
    lru_add(s, b);
    return 0;
}

static int grow_rt(Qcow2Shadow *s, uint64_t bi)
{
    uint64_t max = QCOW2_MAX_REFTABLE_BYTES / sizeof(uint64_t), per_cluster = s->q->cluster_size / sizeof(uint64_t);
    uint64_t size = MIN(ALIGN_UP(MAX(bi + 1, s->rt_size + s->rt_size / 2), per_cluster), max);
    int ret = qcow2_lengthen_table(&s->rt, s->rt_size, MAX(size, bi + 1));
    s->rt_size = ret == 0 ? size : s->rt_size;
    return ret;
}

/* Find a place for a new copy.  Its own count, and its old place's, may touch further blocks. */
static int coroutine_fn settle_block(Qcow2Shadow *s, ShadowBlock *b)
{
    int64_t old = qcow2_rb_offset(s->q, b->bi);
    int64_t place = qcow2_shadow_alloc(s, s->q->cluster_size);
    if (place < 0) {
        return place;
    }
    b->place = place;
    s->rt[b->bi] = place;
    return old > 0 ? qcow2_shadow_add_clusters(s, old >> s->q->cluster_bits, 1, -1) : 0;
}

/* One after the other, as an image may have a long chain of blocks that are counted in each other. */
static int coroutine_fn settle_blocks(Qcow2Shadow *s)
{
    bool noting = qcow2_shadow_noting(s, false);
    int ret = 0;
    s->settling = true;
    while (ret == 0 && s->unsettled) {
        ShadowBlock *b = s->unsettled;
        s->unsettled = b->then;
        ret = settle_block(s, b);
    }
    s->settling = false;
    qcow2_shadow_noting(s, noting);
    return ret;
}

/* The changeable copy of block bi, in memory. */
static int coroutine_fn touch(Qcow2Shadow *s, uint64_t bi, ShadowBlock **out)
{
    ShadowBlock *b = s->last_used && s->last_used->bi == bi ? s->last_used : g_hash_table_lookup(s->blocks, &bi);
    *out = b;
    if (b && b->data) {
        if (b != s->tail) {
            lru_remove(s, b);
            lru_add(s, b);
        }
        s->last_used = b;
        return 0;
    }
    if (b) {
        return bring_in(s, b);
    }
    int ret = bi >= s->rt_size ? grow_rt(s, bi) : 0;
    if (ret < 0) {
        return ret;
    }
    b = g_new0(ShadowBlock, 1);
    b->bi = bi;
    b->dirty = true;
    ret = bring_in(s, b);
    if (ret < 0) {
        g_free(b);
        return ret;
    }
    g_hash_table_insert(s->blocks, &b->bi, b);
    b->then = s->unsettled;
    s->unsettled = b;
    *out = b;
    return 0;
}

int coroutine_fn qcow2_shadow_block(Qcow2Shadow *s, uint64_t bi, const void **block)
{
    ShadowBlock *b = g_hash_table_lookup(s->blocks, &bi);
    *block = NULL;
    if (b) {
        int ret = b->data ? 0 : bring_in(s, b);
        *block = b->data;
        return ret;
    }
    int64_t old = qcow2_rb_offset(s->q, bi);
    if (old <= 0) {
        return old;
    }
    void *table;
    int ret = qcow2_cache_get(s->q->rb_cache, old, &table);
    if (ret == 0) {
        *block = table;
        qcow2_cache_put(s->q->rb_cache, &table);
        *block = qcow2_cache_peek(s->q->rb_cache, old);
    }
    return ret;
}

/* --- counts ------------------------------------------------------------------------------- */

static void note_freed(Qcow2Shadow *s, uint64_t cluster)
{
    FreedRange *last = s->freed->len ? &g_array_index(s->freed, FreedRange, s->freed->len - 1) : NULL;
    if (last && last->first + last->n == cluster) {
        last->n++;
    } else if (s->freed->len < MAX_FREED_RANGES) {
        FreedRange r = { cluster, 1 };
        g_array_append_val(s->freed, r);
    }
}

/* A count that has to fall below zero has too few references: the image was damaged before. */
static int too_low(Qcow2 *q, const ShadowBlock *b, uint64_t cluster, uint32_t i, uint32_t n, int delta)
{
    for (uint32_t k = 0; delta < 0 && k < n; k++) {
        uint64_t count = qcow2_rb_get(q, b->data, i + k);
        if (count < -(uint64_t)(int64_t)delta) {
            uint64_t offset = (cluster + k) << q->cluster_bits;
            qcow2_corrupt(q, false, offset, q->cluster_size, "Refcount of cluster at %#" PRIx64 " is too low: more refers to it than is "
                          "counted ('qemu-img check -r all' counts anew)", offset);
            break;
        }
    }
    return -EINVAL;
}

static int add_in_block(Qcow2Shadow *s, ShadowBlock *b, uint64_t cluster, uint32_t i, uint32_t n, int delta)
{
    Qcow2 *q = s->q;
    bool note = s->freed && s->noting && delta < 0;
    b->dirty = true;
    if (q->refcount_order == 4) {
        const uint16_t *c = (const uint16_t *)(const void *)(b->data + (size_t)i * 2);
        uint32_t turns;
        bool ok = qcow2_counts16_add(b->data + (size_t)i * 2, n, delta, &turns);
        s->growth += delta > 0 ? (int64_t)turns : -(int64_t)turns;
        for (uint32_t k = 0; ok && note && turns && k < n; k++) {
            if (!c[k]) {
                note_freed(s, cluster + k);
            }
        }
        return ok ? 0 : too_low(q, b, cluster, i, n, delta);
    }
    for (uint32_t k = 0; k < n; k++) {
        uint64_t count = qcow2_rb_get(q, b->data, i + k);
        uint64_t by = delta < 0 ? -(int64_t)delta : delta;
        if (delta < 0 ? count < by : by > q->refcount_max || count > q->refcount_max - by) {
            return too_low(q, b, cluster + k, i + k, 1, delta);
        }
        qcow2_rb_set(q, b->data, i + k, count + delta);
        s->growth += (delta > 0 && count == 0) - (delta < 0 && count + delta == 0);
        if (note && count + delta == 0) {
            note_freed(s, cluster + k);
        }
    }
    return 0;
}

static int coroutine_fn add_clusters(Qcow2Shadow *s, uint64_t first, uint64_t n, int delta)
{
    Qcow2 *q = s->q;
    while (n) {
        ShadowBlock *b;
        uint32_t i = first & (q->rb_entries - 1), part = MIN(n, q->rb_entries - i);
        int ret = touch(s, first >> q->rb_bits, &b);
        if (ret == 0) {
            ret = add_in_block(s, b, first, i, part, delta);
        }
        if (ret < 0) {
            return ret;
        }
        first += part;
        n -= part;
    }
    return 0;
}

int coroutine_fn qcow2_shadow_add_clusters(Qcow2Shadow *s, uint64_t first, uint64_t n, int delta)
{
    int ret = add_clusters(s, first, n, delta);
    return ret == 0 && !s->settling ? settle_blocks(s) : ret;
}

int coroutine_fn qcow2_shadow_add(Qcow2Shadow *s, uint64_t offset, uint64_t bytes, int64_t delta)
{
    uint64_t first = offset >> s->q->cluster_bits;
    uint64_t n = bytes ? ((offset + bytes - 1) >> s->q->cluster_bits) - first + 1 : 0;
    return delta ? qcow2_shadow_add_clusters(s, first, n, delta) : 0;
}

int64_t qcow2_shadow_growth(const Qcow2Shadow *s)
{
    return s->growth;
}

int coroutine_fn qcow2_shadow_get(Qcow2Shadow *s, uint64_t cluster, uint64_t *count)
{
    const void *block;
    int ret = qcow2_shadow_block(s, cluster >> s->q->rb_bits, &block);
    *count = ret == 0 && block ? qcow2_rb_get(s->q, block, cluster & (s->q->rb_entries - 1)) : 0;
    return ret;
}

/* --- allocation --------------------------------------------------------------------------- */

/* Entries [i, end) that are zero in one block: *run of them from i on; *skip: where to look next. */
static void scan(const Qcow2 *q, const void *block, uint32_t i, uint32_t end, uint32_t *run, uint32_t *skip)
{
    uint32_t used = block ? qcow2_rb_next(q, block, i, end, false) : end;
    *run = MIN(*run, used - i);
    if (used < end) {
        *skip = MAX(*skip, qcow2_rb_next(q, block, used, q->rb_entries, true));
    }
}

/* How much of [i, end) of block bi is free in the image and in the shadow. */
static int coroutine_fn free_run(Qcow2Shadow *s, uint64_t bi, uint32_t i, uint32_t end, uint32_t *run, uint32_t *skip)
{
    Qcow2 *q = s->q;
    const void *block;
    *run = end - i;
    *skip = i;
    int ret = qcow2_shadow_block(s, bi, &block);
    if (ret < 0) {
        return ret;
    }
    scan(q, block, i, end, run, skip);
    int64_t old = qcow2_rb_offset(q, bi);
    if (old > 0 && g_hash_table_contains(s->blocks, &bi)) {
        void *table;
        ret = qcow2_cache_get(q->rb_cache, old, &table);
        if (ret == 0) {
            scan(q, table, i, end, run, skip);
            qcow2_cache_put(q->rb_cache, &table);
        }
    }
    return old < 0 ? (int)old : ret;
}

/* n free clusters in a row, from s->next on, which moves behind them.  Not counted yet. */
static int coroutine_fn find_run(Qcow2Shadow *s, uint64_t n, uint64_t *first)
{
    Qcow2 *q = s->q;
    uint64_t at = s->next, have = 0;
    while (have < n) {
        uint32_t i = at & (q->rb_entries - 1), end = MIN(q->rb_entries, i + (n - have)), run, skip;
        if (at >= (1ULL << 56) >> q->cluster_bits) {
            return -EFBIG;
        }
        int ret = free_run(s, at >> q->rb_bits, i, end, &run, &skip);
        if (ret < 0) {
            return ret;
        }
        have += run;
        at += run;
        if (run < end - i) {
            have = 0;
            at += MAX(skip, i + run + 1) - (i + run);
        }
    }
    s->next = at;
    *first = at - n;
    return 0;
}

/*
 * n free clusters in a row.  What the last verb left free in one run is near the end of the file most of the time: to look
 * there first spares reading all counts.
 */
static int coroutine_fn find_run_late(Qcow2Shadow *s, uint64_t n, uint64_t *first)
{
    int64_t bytes = bdrv_getlength(s->q->bs->file->bs);
    uint64_t end = MAX(bytes, 0) >> s->q->cluster_bits, before = s->next;
    if (end / 8 > n && end - 4 * n > before) {
        s->next = end - 4 * n;
        int ret = find_run(s, n, first);
        if (ret < 0 || *first + n <= end) {
            return ret;
        }
        s->next = before;
    }
    return find_run(s, n, first);
}

static int64_t coroutine_fn count_new(Qcow2Shadow *s, uint64_t first, uint64_t n)
{
    int ret = qcow2_shadow_add_clusters(s, first, n, 1);
    return ret < 0 ? ret : (int64_t)(first << s->q->cluster_bits);
}

int64_t coroutine_fn qcow2_shadow_alloc(Qcow2Shadow *s, uint64_t bytes)
{
    uint64_t n = MAX(qcow2_clusters_for(s->q, bytes), 1), first;
    int ret = find_run(s, n, &first);
    return ret < 0 ? ret : count_new(s, first, n);
}

int coroutine_fn qcow2_shadow_reserve(Qcow2Shadow *s, uint64_t n)
{
    if (s->window_n && s->window < s->next) {
        s->next = s->window;         /* what the last walk left */
    }
    s->window_n = 0;
    int ret = n ? find_run_late(s, n, &s->window) : 0;
    s->window_n = ret == 0 ? n : 0;
    return ret;
}

int64_t coroutine_fn qcow2_shadow_alloc_tables(Qcow2Shadow *s, uint64_t n)
{
    uint64_t first = s->window;
    if (n > s->window_n) {
        return qcow2_shadow_alloc(s, n << s->q->cluster_bits);
    }
    s->window += n;
    s->window_n -= n;
    return count_new(s, first, n);
}

/* --- life --------------------------------------------------------------------------------- */

static void free_block(void *opaque)
{
    g_free(opaque);                  /* its buffer is part of a slab */
}

int coroutine_fn qcow2_shadow_begin(Qcow2 *q, Qcow2Shadow **out)
{
    *out = NULL;
    do {
        int ret = qcow2_commit(q, true);
        if (ret < 0) {
            return ret;
        }
    } while (qcow2_cache_is_dirty(q->l2_cache) || qcow2_cache_is_dirty(q->rb_cache));
    uint64_t *rt = g_try_new(uint64_t, MAX(q->rt_size, 1));
    if (!rt) {
        return -ENOMEM;
    }
    memcpy(rt, q->rt, q->rt_size * sizeof(uint64_t));
    Qcow2Shadow *s = g_new0(Qcow2Shadow, 1);
    s->q = q;
    s->rt_size = q->rt_size;
    s->rt = rt;
    s->next = q->free_cluster_index;
    s->blocks = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_block);
    s->writes.parallel = 2;
    s->slabs = g_ptr_array_new_with_free_func(bdrv_memfree);
    s->max_in_memory = MAX(COPIES_FIRST >> q->cluster_bits, 8);
    s->most_in_memory = MAX(COPIES_BYTES >> q->cluster_bits, 8);
    *out = s;
    return 0;
}

bool qcow2_shadow_noting(Qcow2Shadow *s, bool on)
{
    bool was = s->noting;
    s->noting = on;
    return was;
}

void qcow2_shadow_note_freed(Qcow2Shadow *s, Qcow2DiscardType type)
{
    if (s->q->discard_pass[type] && (s->q->bs->file->bs->open_flags & BDRV_O_UNMAP) && !s->freed) {
        s->freed = g_array_new(false, false, sizeof(FreedRange));
        s->freed_type = type;
    }
}

void coroutine_fn qcow2_shadow_abort(Qcow2Shadow *s)
{
    if (s) {
        qcow2_tasks_finish(&s->writes);
        g_hash_table_destroy(s->blocks);
        g_ptr_array_unref(s->slabs);
        g_free(s->rt);
        if (s->freed) {
            g_array_free(s->freed, true);
        }
        g_free(s);
    }
}

/* A place for the table.  Counting it may make it longer: then a longer one is looked for. */
static int coroutine_fn place_rt(Qcow2Shadow *s)
{
    Qcow2 *q = s->q;
    for (;;) {
        uint64_t size = s->rt_size;
        int64_t place = qcow2_shadow_alloc(s, size * sizeof(uint64_t));
        if (place < 0) {
            return place;
        }
        if (s->rt_size == size) {
            s->rt_place = place;
            return qcow2_shadow_add_clusters(s, q->rt_offset >> q->cluster_bits, q->rt_clusters, -1);
        }
        int ret = qcow2_shadow_add(s, place, size * sizeof(uint64_t), -1);
        if (ret < 0) {
            return ret;
        }
    }
}

static int coroutine_fn write_rt(Qcow2Shadow *s)
{
    uint64_t bytes = ALIGN_UP(s->rt_size * sizeof(uint64_t), s->q->cluster_size);
    g_autofree uint8_t *wire = g_try_malloc0(bytes);
    if (!wire) {
        return -ENOMEM;
    }
    for (uint64_t i = 0; i < s->rt_size; i++) {
        store_be64(wire + i * 8, s->rt[i]);
    }
    return qcow2_shadow_write(s, s->rt_place, wire, bytes);
}

int coroutine_fn qcow2_shadow_prepare(Qcow2Shadow *s)
{
    int ret = place_rt(s);
    s->ending = true;
    if (ret == 0) {
        ret = push_out_oldest(s, s->in_memory);
    }
    if (ret == 0) {
        ret = write_rt(s);
    }
    if (ret == 0) {
        ret = qcow2_tasks_finish(&s->writes);
    }
    return ret == 0 ? qcow2_flush_files(s->q) : ret;
}

static void coroutine_fn punch_freed(Qcow2 *q, GArray *freed)
{
    for (guint i = 0; i < freed->len; i++) {
        FreedRange *r = &g_array_index(freed, FreedRange, i);
        for (uint64_t k = 0, from = 0; k <= r->n; k++) {
            uint64_t count = 1;
            /* What was lowered to zero may have been raised again, or taken. */
            if (k < r->n && qcow2_get_refcount(q, r->first + k, &count) == 0 && count == 0) {
                continue;
            }
            if (k > from) {
                bdrv_discard(q->bs->file, (r->first + from) << q->cluster_bits, (k - from) << q->cluster_bits);
            }
            from = k + 1;
        }
    }
}

int coroutine_fn qcow2_shadow_switch(Qcow2Shadow *s, Qcow2Roots *roots)
{
    Qcow2 *q = s->q;
    roots->rt_offset = s->rt_place;
    roots->rt_clusters = qcow2_clusters_for(q, s->rt_size * sizeof(uint64_t));
    int ret = qcow2_switch_roots(q, roots);
    if (ret < 0) {
        q->broken = true;                /* which roots the disk has is not known */
        qcow2_shadow_abort(s);
        return ret;
    }
    qcow2_cache_drop_all(q->rb_cache);
    qcow2_cache_drop_all(q->l2_cache);
    qcow2_overlap_free(q);
    g_free(q->rt);
    q->rt = g_steal_pointer(&s->rt);
    q->rt_size = s->rt_size;
    q->rt_offset = roots->rt_offset;
    q->rt_clusters = roots->rt_clusters;
    q->free_cluster_index = 0;
    q->free_byte_offset = 0;
    if (s->freed) {
        punch_freed(q, s->freed);
    }
    qcow2_shadow_abort(s);
    return 0;
}
