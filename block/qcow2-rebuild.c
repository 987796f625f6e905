/*
 * New refcount structures for a whole image.
 *
 *   place    every block that has something to count, then the table: clusters nobody uses
 *   write    blocks, table; flush
 *   switch   one write of the header sector's fields; flush
 * Cut before the switch: the old image, unchanged but for clusters that nothing references.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "qcow2-commit.h"
#include "qcow2-header.h"
#include "qcow2-rebuild.h"

#define MAX_HEADER_FIELDS_END 100    /* refcount_order ends here; all roots lie before */

typedef struct Rebuild {
    Qcow2 *q;
    RefMap *counts, *taken;
    unsigned order, block_bits;      /* log2: entry width, entries a block */
    uint64_t nb_blocks;              /* table entries, holes included */
    uint64_t *place;                 /* cluster of each block, 0: not needed */
    uint64_t table_start, table_clusters;
    uint64_t *rt;                    /* the table in memory that is to be */
} Rebuild;

static bool block_needed(const Rebuild *r, uint64_t block)
{
    uint64_t first = block << r->block_bits, end = MIN(first + (1ULL << r->block_bits), refmap_size(r->counts));
    uint64_t n;

    for (uint64_t i = first; i < end; i += n) {
        const uint16_t *counts;

        n = end - i;
        counts = refmap_peek(r->counts, i, &n);

        for (uint64_t k = 0; counts && k < n; k++) {
            if (counts[k]) {
                return true;
            }
        }
    }
    return false;
}

static void occupy(Rebuild *r, uint64_t start, uint64_t n)
{
    for (uint64_t i = start; i < start + n; i++) {
        refmap_add(r->counts, i, 1);
        if (r->taken != r->counts) {
            refmap_add(r->taken, i, 1);
        }
    }
}

static int grow_block_list(Rebuild *r)
{
    uint64_t blocks = DIV_UP(refmap_size(r->counts), 1ULL << r->block_bits);
    int ret = blocks > r->nb_blocks ? qcow2_lengthen_table(&r->place, r->nb_blocks, blocks) : 0;

    r->nb_blocks = ret == 0 ? MAX(blocks, r->nb_blocks) : r->nb_blocks;
    return ret;
}

/* One round; each place adds a count, which may call for one more block.  1: some were placed, 0: none, or -errno. */
static int place_blocks(Rebuild *r, uint64_t *search)
{
    int ret = grow_block_list(r);

    for (uint64_t i = 0; ret >= 0 && i < r->nb_blocks; i++) {
        /* Files may have holes of terabytes. */
        i = MAX(i, refmap_next(r->counts, i << r->block_bits) >> r->block_bits);
        if (i < r->nb_blocks && !r->place[i] && block_needed(r, i)) {
            r->place[i] = *search = refmap_find_free(r->taken, *search, 1);
            occupy(r, *search, 1);
            ret = 1;
        }
    }
    return ret;
}

static int place_all(Rebuild *r)
{
    uint64_t search = 1;

    for (;;) {
        int ret = place_blocks(r, &search);
        uint64_t table;

        if (ret < 0) {
            return ret;
        }
        if (ret) {
            continue;
        }
        table = DIV_UP(r->nb_blocks * 8, r->q->cluster_size);
        if (r->table_clusters >= table) {
            return 0;
        }
        if (table << r->q->cluster_bits > QCOW2_MAX_REFTABLE_BYTES) {
            return -EFBIG;
        }
        /* A longer table takes a new place; the shorter one's is not counted any more, nor used again. */
        for (uint64_t i = 0; i < r->table_clusters; i++) {
            refmap_add(r->counts, r->table_start + i, (uint64_t)-1);
        }
        r->table_clusters = table;
        r->table_start = refmap_find_free(r->taken, 1, table);
        occupy(r, r->table_start, table);
    }
}

/* Big-endian entry of any width; narrow ones are packed from the low bits of a byte up. */
static void set_count(const Rebuild *r, uint8_t *block, uint64_t index, uint64_t count)
{
    unsigned bits = 1u << r->order;

    if (bits < 8) {
        unsigned shift = (index << r->order) & 7;

        block[(index << r->order) >> 3] |= count << shift;
        return;
    }
    for (unsigned i = 0; i < bits / 8; i++) {
        block[(index + 1) * (bits / 8) - 1 - i] = count >> (8 * i);
    }
}

static int coroutine_fn write_blocks(const Rebuild *r)
{
    const Qcow2 *q = r->q;
    g_autofree uint8_t *block = g_try_malloc(q->cluster_size);
    uint64_t entries = 1ULL << r->block_bits;
    int ret = block ? 0 : -ENOMEM;

    for (uint64_t b = 0; b < r->nb_blocks && ret == 0; b++) {
        if (!r->place[b]) {
            continue;
        }
        memset(block, 0, q->cluster_size);
        for (uint64_t i = 0; i < entries && b * entries + i < refmap_size(r->counts); i++) {
            uint64_t count = refmap_get(r->counts, b * entries + i);

            if (count) {
                set_count(r, block, i, count);
            }
        }
        ret = bdrv_write_buf(q->bs->file, r->place[b] << q->cluster_bits, q->cluster_size, block, 0);
    }
    if (ret < 0) {
        error_report("ERROR writing refblock: %s", strerror(-ret));
    }
    return ret;
}

static int coroutine_fn write_table(const Rebuild *r)
{
    const Qcow2 *q = r->q;
    uint64_t bytes = r->table_clusters << q->cluster_bits;
    g_autofree uint8_t *table = g_try_malloc0(bytes);
    int ret;

    for (uint64_t i = 0; i < r->nb_blocks && table; i++) {
        store_be64(table + i * 8, r->place[i] << q->cluster_bits);
    }
    ret = table ? bdrv_write_buf(q->bs->file, r->table_start << q->cluster_bits, bytes, table, 0) : -ENOMEM;
    if (ret < 0) {
        error_report("ERROR writing reftable: %s", strerror(-ret));
    }
    return ret;
}

static int coroutine_fn switch_header(const Rebuild *r)
{
    Qcow2 *q = r->q;
    uint8_t sector[QCOW2_FIRST_SECTOR];
    int ret = bdrv_flush(q->bs->file->bs);

    G_STATIC_ASSERT(MAX_HEADER_FIELDS_END <= QCOW2_FIRST_SECTOR);
    if (ret == 0) {
        ret = bdrv_read_buf(q->bs->file, 0, sizeof(sector), sector, 0);
    }
    if (ret == 0) {
        store_be64(sector + 48, r->table_start << q->cluster_bits);
        store_be32(sector + 56, r->table_clusters);
        if (q->version >= 3) {
            store_be32(sector + 96, r->order);
        }
        ret = qcow2_write_first_sector(q, sector);
    }
    if (ret < 0) {
        error_report("ERROR setting reftable: %s", strerror(-ret));
    }
    return ret;
}

static void adopt(Rebuild *r)
{
    Qcow2 *q = r->q;

    qcow2_cache_clean(q->rb_cache);
    q->refcount_order = r->order;
    q->refcount_bits = 1u << r->order;
    q->refcount_max = UINT64_MAX >> (64 - q->refcount_bits);
    q->rb_bits = r->block_bits;
    q->rb_entries = 1u << r->block_bits;
    q->rt_clusters = r->table_clusters;
    q->rt_size = r->table_clusters << (q->cluster_bits - 3);
    q->rt_offset = r->table_start << q->cluster_bits;
    g_free(q->rt);
    q->rt = g_steal_pointer(&r->rt);
    for (uint64_t i = 0; i < r->nb_blocks; i++) {
        q->rt[i] = r->place[i] << q->cluster_bits;
    }
    q->free_cluster_index = 0;
    q->free_byte_offset = 0;
}

int coroutine_fn qcow2_rebuild_refcounts(Qcow2 *q, RefMap *counts, RefMap *taken, unsigned order)
{
    Rebuild r = { .q = q, .counts = counts, .taken = taken ? taken : counts, .order = order,
                  .block_bits = q->cluster_bits + 3 - order };
    int ret = place_all(&r);

    if (ret == 0 && (!refmap_is_whole(r.counts) || !refmap_is_whole(r.taken))) {
        ret = -ENOMEM;
    }
    if (ret < 0) {
        error_report("ERROR allocating reftable: %s", strerror(-ret));
    }
    if (ret == 0) {
        r.rt = g_try_new0(uint64_t, r.table_clusters << (q->cluster_bits - 3));      /* nothing may fail after the switch */
        ret = r.rt ? write_blocks(&r) : -ENOMEM;
    }
    if (ret == 0) {
        ret = write_table(&r);
    }
    if (ret == 0) {
        ret = switch_header(&r);
    }
    if (ret == 0) {
        adopt(&r);
    }
    g_free(r.place);
    g_free(r.rt);
    return ret;
}
