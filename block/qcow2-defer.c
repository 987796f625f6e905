/*
 * qcow2: copies put off.  The first write into a cluster that a snapshot shares needs the rest of
 * the old cluster beside it.  Here the guest's bytes are put aside, small ones in memory (qcow2-keep.c), others in the new cluster, and
 * the cluster is completed before the L2 entry changes: many copies in one sorted sweep, and none
 * for what the guest has overwritten meanwhile.
 *
 *   PENDING    new cluster counted, unlinked; `valid` tells which units hold newer bytes
 *   SETTLING   no new writer is let in; those under way end; old bytes are copied around the valid units
 *   linked     the L2 entry names the new cluster, the old one is freed late; the record is gone
 *
 * A page of a cluster has its valid units either in memory or in the file: what was begun in one of them goes on there, and
 * a write that would need both settles first.
 *
 * Until it is linked nothing on disk names the new cluster: a cut leaves the old content (no flush
 * was answered) and a leak.  Whoever makes things durable settles first (qcow2_commit, flush); so
 * does whoever changes or lists the mapping (claims, status).  Reads look through both clusters.
 *
 * The record is a claim of its guest cluster, kept by cluster number because there may be thousands.
 * All functions: q->lock held, dropped where said.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "qcow2.h"
#include "qcow2-commit.h"
#include "qcow2-defer.h"
#include "qcow2-io.h"
#include "qcow2-keep.h"

#define MAX_PENDING_BYTES (256 * MiB)
#define MAX_PENDING 4096
#define UNITS 512                    /* at most, in a cluster */
#define KEEP_WRITE (16 * KiB)        /* what is longer goes to the file at once */
#define KEEP_PAGE (4 * KiB)
#define FEW 2                        /* so few between two flushes are not worth putting off */

struct Qcow2Pending {
    uint64_t cluster;                /* guest cluster number: the key */
    uint64_t old, fresh;             /* host offsets */
    unsigned writers, filing;        /* all; those that write into the new cluster */
    bool settling;
    CoQueue changed;                 /* a writer left, or the record goes */
    Qcow2Pending *prev, *next;       /* oldest first */
    uint64_t valid[UNITS / 64];
    uint8_t *pages[];                /* of KEEP_PAGE or, if that is less, a cluster: in memory; NULL: in the file */
};

struct Qcow2Defer {
    Qcow2Keep *keep;
    GHashTable *by_cluster;
    Qcow2Pending *head, *tail;
    unsigned count;
    unsigned wanted, wanted_before;  /* candidates since the last flush, and between the two before */
};

Qcow2Defer *qcow2_defer_new(void)
{
    Qcow2Defer *d = g_new0(Qcow2Defer, 1);
    d->keep = qcow2_keep_new();
    d->by_cluster = g_hash_table_new(g_int64_hash, g_int64_equal);
    d->wanted_before = FEW + 1;
    return d;
}

void qcow2_defer_free(Qcow2Defer *d)
{
    if (!d) {
        return;
    }
    while (d->head) {
        Qcow2Pending *p = d->head;
        d->head = p->next;
        g_free(p);
    }
    g_hash_table_destroy(d->by_cluster);
    qcow2_keep_free(d->keep);
    g_free(d);
}

/* --- units ------------------------------------------------------------------------------ */

static uint32_t unit_size(const Qcow2 *q)
{
    return MAX(q->cluster_size / UNITS, (uint32_t)BDRV_SECTOR_SIZE);
}

static uint32_t units_in(const Qcow2 *q)
{
    return q->cluster_size / unit_size(q);
}

static bool is_valid(const Qcow2Pending *p, uint32_t unit)
{
    return p->valid[unit / 64] & (1ULL << (unit % 64));
}

/* Where a unit's newest bytes are. */
typedef enum Source { OLD, FILED, KEPT } Source;

static uint32_t page_size(const Qcow2 *q)
{
    return MIN((uint32_t)KEEP_PAGE, q->cluster_size);
}

static uint32_t page_units(const Qcow2 *q)
{
    return MAX(page_size(q) / unit_size(q), 1);
}

static uint8_t *page_of(const Qcow2 *q, const Qcow2Pending *p, uint32_t unit)
{
    return p->pages[(uint64_t)unit * unit_size(q) / page_size(q)];
}

static Source source(const Qcow2 *q, const Qcow2Pending *p, uint32_t unit)
{
    return !is_valid(p, unit) ? OLD : page_of(q, p, unit) ? KEPT : FILED;
}

/* Units from `from` on, before `end`, whose bytes are in the same kind of place. */
static uint32_t same_run(const Qcow2 *q, const Qcow2Pending *p, uint32_t from, uint32_t end)
{
    Source here = source(q, p, from);
    uint32_t n = from + 1;
    while (n < end && source(q, p, n) == here) {
        n++;
    }
    return n - from;
}

static uint32_t count_valid(const Qcow2 *q, const Qcow2Pending *p)
{
    uint32_t n = 0;
    for (uint32_t w = 0; w < UNITS / 64; w++) {
        n += __builtin_popcountll(p->valid[w]);
    }
    return n;
}

/* --- what is kept in memory ------------------------------------------------------------- */

/* The piece of a page that [in, + bytes) of the cluster begins with; returns how much of it. */
static uint64_t in_page(const Qcow2 *q, const Qcow2Pending *p, uint64_t in, uint64_t bytes, uint8_t **piece)
{
    uint32_t size = page_size(q), skip = in % size;
    uint8_t *page = p->pages[in / size];
    *piece = page ? page + skip : NULL;
    return MIN(bytes, size - skip);
}

static bool any_kept(const Qcow2 *q, const Qcow2Pending *p, uint64_t in, uint64_t bytes)
{
    for (uint64_t i = in / page_size(q); i <= (in + bytes - 1) / page_size(q); i++) {
        if (p->pages[i]) {
            return true;
        }
    }
    return false;
}

/* May page i come into memory?  Not while any of it is, or is being, put into the file. */
static bool page_unused(const Qcow2 *q, const Qcow2Pending *p, uint64_t i)
{
    uint32_t n = page_units(q);
    for (uint32_t u = i * n; u < (i + 1) * n; u++) {
        if (is_valid(p, u)) {
            return false;
        }
    }
    return !p->filing;
}

/* Have pages for [in, + bytes) of the cluster. */
static bool get_pages(Qcow2 *q, Qcow2Pending *p, uint64_t in, uint64_t bytes)
{
    uint8_t *fresh[KEEP_WRITE / BDRV_SECTOR_SIZE + 2];
    uint64_t first = in / page_size(q), last = (in + bytes - 1) / page_size(q);
    unsigned missing = 0;
    if (bytes > KEEP_WRITE) {
        return false;
    }
    for (uint64_t i = first; i <= last; i++) {
        if (!p->pages[i] && !page_unused(q, p, i)) {
            return false;
        }
        missing += !p->pages[i];
    }
    if (!qcow2_keep_take(q->defer->keep, page_size(q), fresh, missing)) {
        return false;
    }
    for (uint64_t i = first; i <= last; i++) {
        if (!p->pages[i]) {
            p->pages[i] = fresh[--missing];
        }
    }
    return true;
}

static void keep_bytes(const Qcow2 *q, Qcow2Pending *p, uint64_t in, uint64_t bytes, const IoVec *qiov, size_t qo)
{
    for (uint64_t n; bytes; bytes -= n, in += n, qo += n) {
        uint8_t *piece;
        n = in_page(q, p, in, bytes, &piece);
        iov_to_buf(qiov, qo, piece, n);
    }
}

/* --- records ---------------------------------------------------------------------------- */

static Qcow2Pending *find(const Qcow2 *q, uint64_t offset)
{
    uint64_t cluster = offset >> q->cluster_bits;
    return q->defer->count ? g_hash_table_lookup(q->defer->by_cluster, &cluster) : NULL;
}

static void forget(Qcow2 *q, Qcow2Pending *p)
{
    Qcow2Defer *d = q->defer;
    g_hash_table_remove(d->by_cluster, &p->cluster);
    *(p->prev ? &p->prev->next : &d->head) = p->next;
    *(p->next ? &p->next->prev : &d->tail) = p->prev;
    d->count--;
    for (uint32_t i = 0; i < q->cluster_size / page_size(q); i++) {
        if (p->pages[i]) {
            qcow2_keep_give(d->keep, p->pages[i]);
        }
    }
    co_queue_wake_all(&p->changed);
    g_free(p);
}

static unsigned max_pending(const Qcow2 *q)
{
    return MIN(MAX_PENDING, (unsigned)(MAX_PENDING_BYTES >> q->cluster_bits));
}

bool qcow2_defer_wanted(Qcow2 *q, uint64_t offset, uint64_t bytes)
{
    Qcow2Defer *d = q->defer;
    if ((offset | bytes) & (unit_size(q) - 1)) {
        return false;
    }
    d->wanted += d->wanted <= FEW;
    return (d->wanted > FEW || d->wanted_before > FEW) && d->count < max_pending(q);
}

void qcow2_defer_flushed(Qcow2 *q)
{
    q->defer->wanted_before = q->defer->wanted;
    q->defer->wanted = 0;
}

/* Somebody is about to write [offset, + bytes): to memory if that is possible. */
static bool enter(Qcow2 *q, Qcow2Pending *p, uint64_t offset, uint64_t bytes)
{
    bool kept = get_pages(q, p, qcow2_in_cluster(q, offset), bytes);
    p->writers++;
    p->filing += !kept;
    return kept;
}

Qcow2Pending *qcow2_defer_begin(Qcow2 *q, uint64_t offset, uint64_t bytes, uint64_t old, uint64_t fresh, bool *kept)
{
    Qcow2Defer *d = q->defer;
    Qcow2Pending *p = g_malloc0(sizeof(*p) + q->cluster_size / page_size(q) * sizeof(p->pages[0]));
    p->cluster = offset >> q->cluster_bits;
    p->old = old;
    p->fresh = fresh;
    co_queue_init(&p->changed);
    p->prev = d->tail;
    *(d->tail ? &d->tail->next : &d->head) = p;
    d->tail = p;
    g_hash_table_insert(d->by_cluster, &p->cluster, p);
    d->count++;
    *kept = enter(q, p, offset, bytes);
    return p;
}

Qcow2Pending *qcow2_defer_join(Qcow2 *q, uint64_t offset, uint64_t bytes, uint64_t *host, bool *kept)
{
    Qcow2Pending *p = find(q, offset);
    if (!p || p->settling || ((offset | bytes) & (unit_size(q) - 1))) {
        return NULL;
    }
    *kept = enter(q, p, offset, bytes);
    if (!*kept && any_kept(q, p, qcow2_in_cluster(q, offset), bytes)) {
        p->writers--;
        p->filing--;
        return NULL;
    }
    *host = p->fresh + qcow2_in_cluster(q, offset);
    return p;
}

uint64_t qcow2_defer_clip(const Qcow2 *q, uint64_t offset, uint64_t bytes)
{
    Qcow2Defer *d = q->defer;
    if (!d->count || !bytes) {
        return bytes;
    }
    uint64_t first = offset >> q->cluster_bits, n = ((offset + bytes - 1) >> q->cluster_bits) - first + 1, stop = n;
    if (n <= d->count) {
        for (uint64_t i = 0, c = first; i < n; i++, c++) {
            if (g_hash_table_contains(d->by_cluster, &c)) {
                stop = i;
                break;
            }
        }
    } else {
        for (const Qcow2Pending *p = d->head; p; p = p->next) {
            if (p->cluster >= first) {
                stop = MIN(stop, p->cluster - first);
            }
        }
    }
    return stop == n ? bytes : stop == 0 ? 0 : ((first + stop) << q->cluster_bits) - offset;
}

bool qcow2_defer_look(const Qcow2 *q, uint64_t offset, uint64_t *bytes, uint64_t *host, const IoVec *qiov, size_t qo)
{
    const Qcow2Pending *p = find(q, offset);
    if (!p) {
        *bytes = qcow2_defer_clip(q, offset, *bytes);
        return false;
    }
    uint64_t in = qcow2_in_cluster(q, offset);
    uint32_t size = unit_size(q), unit = in / size;
    *bytes = MIN(*bytes, (uint64_t)(unit + same_run(q, p, unit, units_in(q))) * size - in);
    if (source(q, p, unit) == KEPT) {
        uint8_t *piece;
        *bytes = in_page(q, p, in, *bytes, &piece);
        iov_from_buf(qiov, qo, piece, *bytes);
        return true;
    }
    *host = (is_valid(p, unit) ? p->fresh : p->old) + in;
    return false;
}

/* --- copying ---------------------------------------------------------------------------- */

/* All of the cluster that is not in the file yet, in buf: old bytes by one read, kept ones beside them. */
static int coroutine_fn gather(Qcow2 *q, const Qcow2Pending *p, uint8_t *buf)
{
    uint32_t size = unit_size(q), n = units_in(q), first = 0, last = n;
    while (first < n && is_valid(p, first)) {
        first++;
    }
    while (last > first && is_valid(p, last - 1)) {
        last--;
    }
    if (first < last) {
        bdrv_child_event(q->bs->file, "cow_read");
        int ret = bdrv_read_buf(q->data_file, p->old + (uint64_t)first * size, (uint64_t)(last - first) * size,
                                buf + (size_t)first * size, 0);
        if (ret < 0) {
            return ret;
        }
    }
    for (uint32_t u = 0; u < n; u++) {
        if (source(q, p, u) == KEPT) {
            uint8_t *piece;
            in_page(q, p, (uint64_t)u * size, size, &piece);
            memcpy(buf + (size_t)u * size, piece, size);
        }
    }
    return 0;
}

/* Complete the new cluster, lock not held. */
static int coroutine_fn complete(Qcow2 *q, const Qcow2Pending *p)
{
    uint32_t size = unit_size(q), n = units_in(q), i = 0;
    while (i < n && source(q, p, i) == FILED) {
        i++;
    }
    if (i == n) {
        return 0;
    }
    uint8_t *buf = bdrv_blockalign(q->data_file->bs, q->cluster_size);
    if (!buf) {
        return -ENOMEM;
    }
    int ret = gather(q, p, buf);
    qcow2_ahead_reach(q, p->fresh + q->cluster_size);
    while (i < n && ret == 0) {
        uint32_t end = i;
        while (end < n && source(q, p, end) != FILED) {
            end++;
        }
        bdrv_child_event(q->bs->file, "cow_write");
        ret = bdrv_write_buf(q->data_file, p->fresh + (uint64_t)i * size, (uint64_t)(end - i) * size, buf + (size_t)i * size, 0);
        for (i = end; i < n && source(q, p, i) == FILED; i++) {
        }
    }
    bdrv_memfree(buf);
    return ret;
}

static int coroutine_fn link_pending(Qcow2 *q, Qcow2Pending *p)
{
    void *table;
    uint32_t idx;
    bdrv_child_event(q->bs->file, "l2_update");
    int ret = qcow2_l2_for_write(q, p->cluster << q->cluster_bits, &table, &idx);
    if (ret < 0) {
        return ret;
    }
    uint64_t bitmap = qcow2_l2_get_bitmap(q, table, idx);
    qcow2_free_l2_entry_clusters(q, qcow2_l2_get(q, table, idx), bitmap, QCOW2_DISCARD_NEVER);
    qcow2_l2_set(q, table, idx, p->fresh | QCOW2_OFLAG_COPIED, bitmap);
    qcow2_cache_mark_dirty(q->l2_cache, table, idx * q->l2_entry_size, q->l2_entry_size);
    qcow2_cache_put(q->l2_cache, &table);
    forget(q, p);
    return 0;
}

/* From PENDING to linked; the lock is dropped meanwhile.  On failure the record stays, pending. */
static int coroutine_fn settle(Qcow2 *q, Qcow2Pending *p)
{
    p->settling = true;
    while (p->writers) {
        co_queue_wait(&p->changed, &q->lock);
    }
    int ret = q->broken ? -EIO : 0;
    if (ret == 0) {
        co_mutex_unlock(&q->lock);
        ret = complete(q, p);
        co_mutex_lock(&q->lock);
    }
    if (ret == 0) {
        ret = link_pending(q, p);
    }
    if (ret < 0) {
        p->settling = false;
        co_queue_wake_all(&p->changed);
    }
    return ret;
}

int coroutine_fn qcow2_defer_leave(Qcow2 *q, Qcow2Pending *p, uint64_t offset, uint64_t bytes, bool ok, const IoVec *kept,
                                   size_t qo)
{
    uint32_t size = unit_size(q), first = qcow2_in_cluster(q, offset) / size;
    if (kept) {
        keep_bytes(q, p, qcow2_in_cluster(q, offset), bytes, kept, qo);
    }
    for (uint32_t i = first; ok && i < first + bytes / size; i++) {
        p->valid[i / 64] |= 1ULL << (i % 64);
    }
    p->writers--;
    p->filing -= !kept;
    co_queue_wake_all(&p->changed);
    if (p->writers || p->settling) {
        return 0;
    }
    uint32_t valid = count_valid(q, p);
    if (valid == units_in(q)) {
        return settle(q, p);
    }
    if (!valid) {
        /* The only write failed: nothing names the cluster. */
        qcow2_not_virgin(q, p->fresh + q->cluster_size);
        qcow2_update_refcount(q, p->fresh, q->cluster_size, -1, QCOW2_DISCARD_NEVER);
        forget(q, p);
    }
    return 0;
}

/* The record of this cluster is gone when it returns 0, unless a new one was made meanwhile. */
static int coroutine_fn settle_cluster(Qcow2 *q, uint64_t cluster)
{
    Qcow2Pending *p;
    while ((p = find(q, cluster << q->cluster_bits)) && p->settling) {
        co_queue_wait(&p->changed, &q->lock);
    }
    return p ? settle(q, p) : 0;
}

int coroutine_fn qcow2_defer_settle(Qcow2 *q, uint64_t offset)
{
    return settle_cluster(q, offset >> q->cluster_bits);
}

void coroutine_fn qcow2_defer_make_room(Qcow2 *q)
{
    if (q->defer->count >= max_pending(q)) {
        Qcow2Pending *p = q->defer->head;
        while (p && p->settling) {
            p = p->next;
        }
        if (p) {
            settle(q, p);                /* a failure is told by the next flush */
        }
    }
}

typedef struct SettleOne { Qcow2 *q; uint64_t cluster; } SettleOne;

static int coroutine_fn settle_task(void *arg)
{
    SettleOne *s = arg;
    CO_SCOPED_LOCK(&s->q->lock);
    return settle_cluster(s->q, s->cluster);
}

typedef struct Place { uint64_t fresh, cluster; } Place;

static int by_fresh(const void *a, const void *b)
{
    const Place *x = a, *y = b;
    return x->fresh < y->fresh ? -1 : x->fresh > y->fresh;
}

int coroutine_fn qcow2_defer_settle_range(Qcow2 *q, uint64_t offset, uint64_t bytes)
{
    uint64_t first = offset >> q->cluster_bits, last = bytes ? (offset + bytes - 1) >> q->cluster_bits : first;
    unsigned n = 0;
    if (qcow2_defer_clip(q, offset, bytes) == bytes) {
        return 0;
    }
    g_autofree Place *places = g_try_new(Place, q->defer->count);
    if (!places) {
        return -ENOMEM;
    }
    for (const Qcow2Pending *p = q->defer->head; p; p = p->next) {
        if (p->cluster >= first && p->cluster <= last) {
            places[n++] = (Place){ p->fresh, p->cluster };
        }
    }
    qsort(places, n, sizeof(*places), by_fresh);
    Qcow2Tasks tasks = { .parallel = QCOW2_SETTLE_PARALLEL };
    co_mutex_unlock(&q->lock);
    for (unsigned i = 0; i < n && tasks.ret == 0; i++) {
        SettleOne s = { q, places[i].cluster };
        qcow2_tasks_start(&tasks, settle_task, &s, sizeof(s));
    }
    int ret = qcow2_tasks_finish(&tasks);
    co_mutex_lock(&q->lock);
    return ret;
}

int coroutine_fn qcow2_defer_settle_all(Qcow2 *q)
{
    return q->defer && q->defer->count ? qcow2_defer_settle_range(q, 0, INT64_MAX) : 0;
}
