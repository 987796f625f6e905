/*
 * Counting references: from the header's roots down to every data cluster.
 *
 * Snapshots share most of their L2 tables.  A first look at all L1 tables tells how often each
 * L2 table is referenced; a sound table is then read once and its references are counted that
 * many times.  A table with findings is walked at each visit, so that each visit is reported.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "qcow2-bitmap.h"
#include "qcow2-check.h"

#define L1_STEP_BYTES 65536ULL       /* L1 tables are read in steps of this size */
#define ALLOC_BITS(bitmap) ((uint32_t)(bitmap))
#define ZERO_BITS(bitmap) ((uint32_t)((bitmap) >> 32))

/* How one L2 table is walked. */
typedef struct L2Walk {
    uint64_t offset;
    uint64_t times;                  /* references that each entry stands for */
    bool stats;                      /* active table: count allocation and fragmentation */
    bool quiet;                      /* only look whether there is anything to report */
    bool sound;                      /* result of a quiet walk */
    uint64_t next_contiguous;        /* host offset that would continue the data before; 0: none */
} L2Walk;

/* --- regions ------------------------------------------------------------------- */

static bool region_fits(const Checker *c, uint64_t offset, uint64_t bytes)
{
    uint64_t end;

    return !__builtin_add_overflow(offset, bytes, &end) && end <= INT64_MAX &&
           (end <= c->file_len || end - c->file_len < c->q->cluster_size);
}

static void count_region(Checker *c, uint64_t offset, uint64_t bytes, uint64_t times)
{
    const Qcow2 *q = c->q;

    if (!bytes || !times) {
        return;
    }
    if (!region_fits(c, offset, bytes)) {
        check_say("ERROR: counting reference for region exceeding the end of the file by one cluster or more: "
                  "offset 0x%" G_GINT64_MODIFIER "x size 0x%" G_GINT64_MODIFIER "x\n", offset, bytes);
        check_note(c, CHECK_OUTSIDE, offset, bytes);
        c->res->corruptions++;
        return;
    }
    if (refmap_add_run(c->refs, offset >> q->cluster_bits,
                       ((offset + bytes - 1) >> q->cluster_bits) - (offset >> q->cluster_bits) + 1, times, q->refcount_max)) {
        return;
    }
    for (uint64_t i = offset >> q->cluster_bits; i <= (offset + bytes - 1) >> q->cluster_bits; i++) {
        uint64_t room = q->refcount_max - refmap_get(c->refs, i);

        if (times > room) {
            check_note(c, CHECK_OVERFLOW, i << q->cluster_bits, q->cluster_size);
        }
        for (uint64_t over = times > room ? times - room : 0; over; over--) {
            check_say("ERROR: overflow cluster offset=0x%" G_GINT64_MODIFIER "x\n"
                      "Use qemu-img amend to increase the refcount entry width or qemu-img convert to create a clean copy "
                      "if the image cannot be opened for writing\n", i << q->cluster_bits);
            c->res->corruptions++;
        }
        refmap_add(c->refs, i, MIN(times, room));
    }
}

/* --- L2 entries ---------------------------------------------------------------- */

/* In a quiet walk any finding makes the table unsound; else it is counted as a corruption. */
#define FINDING(c, w, kind, index, ...)                           \
    do {                                                          \
        if ((w)->quiet) {                                         \
            (w)->sound = false;                                   \
        } else {                                                  \
            check_say(__VA_ARGS__);                               \
            check_note_entry((c), (kind), (w)->offset, (index));  \
            (c)->res->corruptions++;                              \
        }                                                         \
    } while (0)

static void visit_region(Checker *c, L2Walk *w, uint64_t offset, uint64_t bytes)
{
    if (w->quiet) {
        w->sound = w->sound && region_fits(c, offset, bytes);
    } else {
        count_region(c, offset, bytes, w->times);
    }
}

static void visit_compressed(Checker *c, L2Walk *w, uint32_t index, uint64_t entry, uint64_t bitmap)
{
    uint64_t offset, bytes;

    qcow2_compressed_place(c->q, entry & ~QCOW2_OFLAG_COPIED, &offset, &bytes);
    if (entry & QCOW2_OFLAG_COPIED) {
        FINDING(c, w, CHECK_COMPRESSED, index, "ERROR: coffset=0x%" G_GINT64_MODIFIER "x: copied flag must never be set for compressed clusters\n",
                offset);
        entry &= ~QCOW2_OFLAG_COPIED;
    }
    if (qcow2_has_data_file(c->q)) {
        FINDING(c, w, CHECK_COMPRESSED, index, "ERROR compressed cluster %u with data file, entry=0x%" G_GINT64_MODIFIER "x\n", index, entry);
        return;
    }
    if (bitmap) {
        FINDING(c, w, CHECK_COMPRESSED, index, "ERROR compressed cluster %u with non-zero subcluster allocation bitmap, entry=0x%"
                G_GINT64_MODIFIER "x\n", index, entry);
        return;
    }
    visit_region(c, w, offset, bytes);
    if (w->stats && !w->quiet) {
        c->res->allocated_clusters++;
        c->res->compressed_clusters++;
        c->res->fragmented_clusters++;   /* compressed data always is */
    }
}

/* A cluster that holds no data loses its place: what it reads as stays. */
static int coroutine_fn drop_place(Checker *c, const L2Walk *w, uint32_t index, uint64_t bitmap)
{
    const Qcow2 *q = c->q;
    uint8_t entry[16];
    int ret;

    store_be64(entry, q->l2_entry_size == 16 ? 0 : QCOW2_OFLAG_ZERO);
    store_be64(entry + 8, bitmap);
    ret = check_write(c, QCOW2_OL_ACTIVE_L2 | QCOW2_OL_INACTIVE_L2, w->offset + (uint64_t)index * q->l2_entry_size,
                      q->l2_entry_size, entry);
    if (ret < 0) {
        check_say("ERROR: Failed to overwrite L2 table entry: %s\n", strerror(-ret));
        c->res->check_errors++;
    }
    return ret;
}

/* Returns true when the entry was repaired and references nothing any more. */
static bool coroutine_fn visit_unaligned(Checker *c, L2Walk *w, uint32_t index, uint64_t offset, uint64_t bitmap,
                                         bool has_data)
{
    if (has_data) {
        FINDING(c, w, CHECK_DATA_UNALIGNED, index, "ERROR offset=%" G_GINT64_MODIFIER "x: Data cluster is not properly aligned; L2 entry corrupted.\n",
                offset);
        return false;
    }
    FINDING(c, w, CHECK_PREALLOCATED_UNALIGNED, index, "%s offset=%" G_GINT64_MODIFIER "x: Preallocated cluster is not properly aligned; L2 entry corrupted.\n",
            c->fix & BDRV_FIX_ERRORS ? "Repairing" : "ERROR", offset);
    if (w->quiet || !(c->fix & BDRV_FIX_ERRORS) || drop_place(c, w, index, bitmap) < 0) {
        return false;
    }
    c->res->corruptions--;
    c->res->corruptions_fixed++;
    return true;
}

static void coroutine_fn visit_allocated(Checker *c, L2Walk *w, uint32_t index, uint64_t entry, uint64_t bitmap)
{
    const Qcow2 *q = c->q;
    uint64_t offset = entry & QCOW2_L2_OFFSET_MASK;
    bool extended = q->l2_entry_size == 16;
    bool has_data = extended ? ALLOC_BITS(bitmap) : !(entry & QCOW2_OFLAG_ZERO);

    if (extended && (ALLOC_BITS(bitmap) & ZERO_BITS(bitmap))) {
        FINDING(c, w, CHECK_SUBCLUSTERS, index, "ERROR offset=%" G_GINT64_MODIFIER "x: Allocated cluster has corrupted subcluster allocation bitmap\n",
                offset);
    }
    if (qcow2_in_cluster(q, offset) && visit_unaligned(c, w, index, offset, bitmap, has_data)) {
        return;
    }
    if (w->stats && !w->quiet) {
        c->res->allocated_clusters++;
        if (w->next_contiguous && w->next_contiguous != offset) {
            c->res->fragmented_clusters++;
        }
        w->next_contiguous = offset + q->cluster_size;
    }
    if (!qcow2_has_data_file(q)) {
        visit_region(c, w, offset, q->cluster_size);
    }
}

static void coroutine_fn visit_entry(Checker *c, L2Walk *w, uint32_t index, uint64_t entry, uint64_t bitmap)
{
    if (entry & QCOW2_OFLAG_COMPRESSED) {
        visit_compressed(c, w, index, entry, bitmap);
        return;
    }
    if (entry & QCOW2_L2_RESERVED_MASK) {
        FINDING(c, w, CHECK_L2_RESERVED, index, "ERROR found l2 entry with reserved bits set: %" G_GINT64_MODIFIER "x\n", entry);
    }
    if ((entry & QCOW2_L2_OFFSET_MASK) || (qcow2_has_data_file(c->q) && (entry & QCOW2_OFLAG_COPIED))) {
        visit_allocated(c, w, index, entry, bitmap);
    } else if (ALLOC_BITS(bitmap)) {
        FINDING(c, w, CHECK_SUBCLUSTERS, index, "ERROR: Unallocated cluster has non-zero subcluster allocation map\n");
    }
}

/* A run of plain entries at once, if all of it lies in the file. */
static bool visit_run(Checker *c, L2Walk *w, uint64_t offset, uint32_t n)
{
    const Qcow2 *q = c->q;

    if (!region_fits(c, offset, (uint64_t)n << q->cluster_bits)) {
        return false;
    }
    if (w->quiet) {
        return true;
    }
    if (w->stats) {
        c->res->allocated_clusters += n;
        c->res->fragmented_clusters += w->next_contiguous && w->next_contiguous != offset;
        w->next_contiguous = offset + ((uint64_t)n << q->cluster_bits);
    }
    count_region(c, offset, (uint64_t)n << q->cluster_bits, w->times);
    return true;
}

static void coroutine_fn walk_l2(Checker *c, L2Walk *w, const uint8_t *table)
{
    const Qcow2 *q = c->q;
    bool simple = q->l2_entry_size == 8 && !qcow2_has_data_file(q);

    for (uint32_t i = 0; i < q->l2_entries; i++) {
        uint32_t run = simple ? qcow2_plain_run(q, table, i) : 0;

        if (run && visit_run(c, w, load_be64(table + (size_t)i * 8) & QCOW2_L2_OFFSET_MASK, run)) {
            i += run - 1;
            continue;
        }
        uint64_t entry = qcow2_l2_get(q, table, i), bitmap = qcow2_l2_get_bitmap(q, table, i);

        if (entry | bitmap) {
            visit_entry(c, w, i, entry, bitmap);
        }
    }
}

/* One reference from an L1 table to the L2 table at offset. */
static int coroutine_fn visit_l2(Checker *c, uint64_t offset, bool active, uint8_t *table)
{
    uint64_t *pending = g_hash_table_lookup(c->l2_visits, &offset);
    L2Walk w = { .offset = offset, .stats = active, .quiet = true, .sound = true };
    int ret;

    if (!*pending && !active) {
        return 0;
    }
    ret = check_read(c, offset, c->q->cluster_size, table);
    if (ret < 0) {
        check_say("ERROR: I/O error in check_refcounts_l2\n");
        check_note(c, CHECK_TABLE_UNREADABLE, offset, c->q->cluster_size);
        c->res->check_errors++;
        return ret;
    }
    walk_l2(c, &w, table);
    w.quiet = false;
    w.times = w.sound ? *pending : 1;
    if (w.sound) {
        *pending = 0;
    }
    walk_l2(c, &w, table);
    return 0;
}

/* --- L1 tables ------------------------------------------------------------------ */

typedef int coroutine_fn L1Visitor(Checker *c, uint64_t entry, bool active, uint8_t *l2);

/* Call visit for each entry that is not zero. */
static int coroutine_fn for_l1(Checker *c, uint64_t offset, uint64_t entries, bool active, L1Visitor *visit, uint8_t *l2)
{
    g_autofree uint8_t *step = g_try_malloc(L1_STEP_BYTES);
    uint64_t bytes = entries * 8;
    int ret = step ? 0 : -ENOMEM;

    for (uint64_t done = 0; done < bytes && ret == 0; done += L1_STEP_BYTES) {
        uint64_t n = MIN(L1_STEP_BYTES, bytes - done);

        if (offset + done >= c->file_len) {
            break;                   /* reads as zeroes */
        }
        ret = check_read(c, offset + done, n, step);
        if (ret < 0) {
            check_say("ERROR: I/O error in check_refcounts_l1\n");
            check_note(c, CHECK_TABLE_UNREADABLE, offset + done, n);
            c->res->check_errors++;
        }
        for (uint64_t i = 0; i < n / 8 && ret == 0; i++) {
            uint64_t entry = load_be64(step + i * 8);

            ret = entry ? visit(c, entry, active, l2) : 0;
        }
    }
    return ret;
}

static int coroutine_fn note_l2(Checker *c, uint64_t entry, bool active, uint8_t *l2)
{
    uint64_t offset = entry & QCOW2_L1_OFFSET_MASK;
    uint64_t *pending = g_hash_table_lookup(c->l2_visits, &offset);

    if (pending) {
        ++*pending;
    } else {
        uint64_t *key = g_new(uint64_t, 1), *value = g_new(uint64_t, 1);

        *key = offset;
        *value = 1;
        g_hash_table_insert(c->l2_visits, key, value);
    }
    return 0;
}

static int coroutine_fn visit_l1_entry(Checker *c, uint64_t entry, bool active, uint8_t *l2)
{
    uint64_t offset = entry & QCOW2_L1_OFFSET_MASK;

    if (entry & QCOW2_L1_RESERVED_MASK) {
        check_say("ERROR found L1 entry with reserved bits set: %" G_GINT64_MODIFIER "x\n", entry);
        check_note(c, CHECK_L1_RESERVED, offset, c->q->cluster_size);
        c->res->corruptions++;
    }
    count_region(c, offset, c->q->cluster_size, 1);
    if (qcow2_in_cluster(c->q, offset)) {
        check_say("ERROR l2_offset=%" G_GINT64_MODIFIER "x: Table is not cluster aligned; L1 entry corrupted\n", offset);
        check_note(c, CHECK_L1_UNALIGNED, offset, c->q->cluster_size);
        c->res->corruptions++;
    }
    return visit_l2(c, offset, active, l2);
}

/* Is the snapshot's L1 table something that can be walked?  Reports when say is set. */
static bool snapshot_l1_usable(Checker *c, const Qcow2Snapshot *sn, bool say)
{
    bool aligned = !qcow2_in_cluster(c->q, sn->l1_table_offset);

    if (aligned && sn->l1_size <= QCOW2_MAX_L1_BYTES / 8) {
        return true;
    }
    if (!say) {
        return false;
    }
    if (!aligned) {
        check_say("ERROR snapshot %s (%s) l1_offset=%#" G_GINT64_MODIFIER "x: L1 table is not cluster aligned; "
                  "snapshot table entry corrupted\n", sn->id_str, sn->name, sn->l1_table_offset);
    } else {
        check_say("ERROR snapshot %s (%s) l1_size=%#" G_GINT32_MODIFIER "x: L1 table is too large; "
                  "snapshot table entry corrupted\n", sn->id_str, sn->name, sn->l1_size);
    }
    check_note(c, CHECK_SNAPSHOT_L1, sn->l1_table_offset, 8 * (uint64_t)sn->l1_size);
    c->res->corruptions++;
    return false;
}

static int coroutine_fn note_all_l2(Checker *c)
{
    const Qcow2 *q = c->q;
    int ret = for_l1(c, q->l1_offset, q->l1_size, true, note_l2, NULL);

    for (unsigned i = 0; i < q->nb_snapshots && ret == 0; i++) {
        const Qcow2Snapshot *sn = &q->snapshots[i];

        if (snapshot_l1_usable(c, sn, false)) {
            ret = for_l1(c, sn->l1_table_offset, sn->l1_size, false, note_l2, NULL);
        }
    }
    return ret;
}

static int coroutine_fn walk_l1_tables(Checker *c)
{
    const Qcow2 *q = c->q;
    g_autofree uint8_t *l2 = g_try_malloc(q->cluster_size);
    int ret;

    if (!l2) {
        return -ENOMEM;
    }
    count_region(c, q->l1_offset, (uint64_t)q->l1_size * 8, 1);
    ret = for_l1(c, q->l1_offset, q->l1_size, true, visit_l1_entry, l2);
    if (ret == 0 && qcow2_has_data_file(q) && q->nb_snapshots) {
        check_say("ERROR %u snapshots in image with data file\n", q->nb_snapshots);
        check_note(c, CHECK_SNAPSHOTS_WITH_DATA_FILE, 0, 0);
        c->res->corruptions++;
    }
    for (unsigned i = 0; i < q->nb_snapshots && ret == 0; i++) {
        const Qcow2Snapshot *sn = &q->snapshots[i];

        if (snapshot_l1_usable(c, sn, true)) {
            count_region(c, sn->l1_table_offset, (uint64_t)sn->l1_size * 8, 1);
            ret = for_l1(c, sn->l1_table_offset, sn->l1_size, false, visit_l1_entry, l2);
        }
    }
    return ret;
}

/* --- refcount blocks -------------------------------------------------------------- */

static void coroutine_fn visit_refcount_block(Checker *c, uint64_t index, uint64_t entry)
{
    Qcow2 *q = c->q;
    uint64_t offset = entry & QCOW2_RT_OFFSET_MASK, cluster = offset >> q->cluster_bits;

    if (entry & QCOW2_RT_RESERVED_MASK) {
        check_say("ERROR refcount table entry %" G_GUINT64_FORMAT " has reserved bits set\n", index);
        check_note(c, CHECK_REFTABLE, q->rt_offset + index * 8, 8);
        c->res->corruptions++;
        c->rebuild = true;
        return;
    }
    if (qcow2_in_cluster(q, offset)) {
        check_say("ERROR refcount block %" G_GUINT64_FORMAT " is not cluster aligned; refcount table entry corrupted\n", index);
        check_note(c, CHECK_REFTABLE, q->rt_offset + index * 8, 8);
        c->res->corruptions++;
        c->rebuild = true;
        return;
    }
    if (offset >= c->file_len) {
        bool fix = c->fix & BDRV_FIX_ERRORS;

        check_say("%s refcount block %" G_GUINT64_FORMAT " is outside image\n", fix ? "Repairing" : "ERROR", index);
        check_note(c, CHECK_REFTABLE, q->rt_offset + index * 8, 8);
        if (fix) {
            c->rebuild = true;       /* what it counted is counted anew in a block that exists */
        }
        c->res->corruptions++;
        return;
    }
    count_region(c, offset, q->cluster_size, 1);
    if (refmap_get(c->refs, cluster) != 1) {
        check_say("ERROR refcount block %" G_GUINT64_FORMAT " refcount=%" G_GUINT64_FORMAT "\n", index,
                  refmap_get(c->refs, cluster));
        check_note(c, CHECK_REFTABLE, offset, q->cluster_size);
        c->res->corruptions++;
        c->rebuild = true;
    }
}

static void count_bitmap_region(void *opaque, uint64_t offset, uint64_t bytes)
{
    count_region(opaque, offset, bytes, 1);
}

int coroutine_fn check_count_references(Checker *c)
{
    Qcow2 *q = c->q;
    int ret;

    g_clear_pointer(&c->refs, refmap_free);
    g_clear_pointer(&c->l2_visits, g_hash_table_destroy);
    c->refs = refmap_new(qcow2_clusters_for(q, c->file_len));
    c->l2_visits = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    c->res->total_clusters = qcow2_clusters_for(q, q->bs->total_bytes);
    c->res->allocated_clusters = c->res->fragmented_clusters = c->res->compressed_clusters = 0;
    count_region(c, 0, q->cluster_size, 1);
    ret = note_all_l2(c);
    if (ret == 0) {
        ret = walk_l1_tables(c);
    }
    if (ret < 0) {
        return ret;
    }
    count_region(c, q->snapshots_offset, q->snapshots_bytes, 1);
    count_region(c, q->rt_offset, (uint64_t)q->rt_clusters << q->cluster_bits, 1);
    if (q->crypto_header_len) {
        count_region(c, q->crypto_header_offset, q->crypto_header_len, 1);
    }
    ret = qcow2_bitmap_regions(q, count_bitmap_region, c);
    if (ret < 0) {
        check_note(c, CHECK_BITMAPS, 0, 0);
        c->res->check_errors++;
        return ret;
    }
    for (uint64_t i = 0; i < q->rt_size; i++) {
        if (q->rt[i]) {
            visit_refcount_block(c, i, q->rt[i]);
        }
    }
    return refmap_is_whole(c->refs) ? 0 : -ENOMEM;
}
