/*
 * qcow2: copies put off.  The first write into a cluster that a snapshot shares needs the rest of
 * the old cluster beside it.  Here the guest's bytes go into the new cluster at once and the rest
 * follows before the L2 entry changes: many copies in one sorted sweep, and none for what the
 * guest has overwritten meanwhile.
 *
 *   PENDING    new cluster counted, unlinked; `valid` tells which units hold newer bytes
 *   SETTLING   no new writer is let in; those under way end; old bytes are copied around the valid units
 *   linked     the L2 entry names the new cluster, the old one is freed late; the record is gone
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

#define MAX_PENDING_BYTES (256 * MiB)
#define MAX_PENDING 4096
#define UNITS 512                    /* at most, in a cluster */
#define FEW 2                        /* so few between two flushes are not worth putting off */

struct Qcow2Pending {
    uint64_t cluster;                /* guest cluster number: the key */
    uint64_t old, fresh;             /* host offsets */
    unsigned writers;
    bool settling;
    CoQueue changed;                 /* a writer left, or the record goes */
    Qcow2Pending *prev, *next;       /* oldest first */
    uint64_t valid[UNITS / 64];
};

struct Qcow2Defer {
    GHashTable *by_cluster;
    Qcow2Pending *head, *tail;
    unsigned count;
    unsigned wanted, wanted_before;  /* candidates since the last flush, and between the two before */
};

Qcow2Defer *qcow2_defer_new(void)
{
    Qcow2Defer *d = g_new0(Qcow2Defer, 1);
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

/* Units from `from` on, before `end`, that are all valid or all not. */
static uint32_t same_run(const Qcow2Pending *p, uint32_t from, uint32_t end)
{
    uint32_t n = from + 1;
    while (n < end && is_valid(p, n) == is_valid(p, from)) {
        n++;
    }
    return n - from;
}

static bool all_valid(const Qcow2 *q, const Qcow2Pending *p)
{
    return is_valid(p, 0) && same_run(p, 0, units_in(q)) == units_in(q);
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

Qcow2Pending *qcow2_defer_begin(Qcow2 *q, uint64_t offset, uint64_t old, uint64_t fresh)
{
    Qcow2Defer *d = q->defer;
    Qcow2Pending *p = g_new0(Qcow2Pending, 1);
    p->cluster = offset >> q->cluster_bits;
    p->old = old;
    p->fresh = fresh;
    p->writers = 1;
    co_queue_init(&p->changed);
    p->prev = d->tail;
    *(d->tail ? &d->tail->next : &d->head) = p;
    d->tail = p;
    g_hash_table_insert(d->by_cluster, &p->cluster, p);
    d->count++;
    return p;
}

Qcow2Pending *qcow2_defer_join(Qcow2 *q, uint64_t offset, uint64_t bytes, uint64_t *host)
{
    Qcow2Pending *p = find(q, offset);
    if (!p || p->settling || ((offset | bytes) & (unit_size(q) - 1))) {
        return NULL;
    }
    p->writers++;
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

void qcow2_defer_look(const Qcow2 *q, uint64_t offset, uint64_t *bytes, uint64_t *host)
{
    const Qcow2Pending *p = find(q, offset);
    if (!p) {
        *bytes = qcow2_defer_clip(q, offset, *bytes);
        return;
    }
    uint64_t in = qcow2_in_cluster(q, offset);
    uint32_t size = unit_size(q), unit = in / size;
    *bytes = MIN(*bytes, (uint64_t)(unit + same_run(p, unit, units_in(q))) * size - in);
    *host = (is_valid(p, unit) ? p->fresh : p->old) + in;
}

/* --- copying ---------------------------------------------------------------------------- */

/* Copy what is not valid, lock not held.  One read from the first to the last such unit, a write for each run. */
static int coroutine_fn copy_rest(Qcow2 *q, const Qcow2Pending *p)
{
    uint32_t size = unit_size(q), n = units_in(q), first = 0, last = n;
    if (is_valid(p, 0)) {
        first = same_run(p, 0, n);
    }
    while (last > first && is_valid(p, last - 1)) {
        last--;
    }
    if (first == last) {
        return 0;
    }
    uint8_t *buf = bdrv_blockalign(q->data_file->bs, (size_t)(last - first) * size);
    if (!buf) {
        return -ENOMEM;
    }
    bdrv_child_event(q->bs->file, "cow_read");
    int ret = bdrv_read_buf(q->data_file, p->old + (uint64_t)first * size, (uint64_t)(last - first) * size, buf, 0);
    for (uint32_t i = first, run; i < last && ret == 0; i += run) {
        run = same_run(p, i, last);
        if (!is_valid(p, i)) {
            bdrv_child_event(q->bs->file, "cow_write");
            ret = bdrv_write_buf(q->data_file, p->fresh + (uint64_t)i * size, (uint64_t)run * size,
                                 buf + (size_t)(i - first) * size, 0);
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
        ret = copy_rest(q, p);
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

int coroutine_fn qcow2_defer_leave(Qcow2 *q, Qcow2Pending *p, uint64_t offset, uint64_t bytes, bool ok)
{
    uint32_t size = unit_size(q), first = qcow2_in_cluster(q, offset) / size;
    for (uint32_t i = first; ok && i < first + bytes / size; i++) {
        p->valid[i / 64] |= 1ULL << (i % 64);
    }
    p->writers--;
    co_queue_wake_all(&p->changed);
    if (p->writers || p->settling) {
        return 0;
    }
    if (all_valid(q, p)) {
        return settle(q, p);
    }
    if (!is_valid(p, 0) && same_run(p, 0, units_in(q)) == units_in(q)) {
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
    g_autofree Place *places = g_new(Place, q->defer->count);
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
