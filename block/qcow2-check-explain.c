/*
 * Check: what was found, in words for a person, with the ranges of the guest disk that it touches.
 *
 *   check_note*       during the passes: kind and place in the file, neighbours made one, at most MAX_NOTES
 *   check_explain     afterwards: all L1 and L2 tables are walked backwards from places in the file to guest ranges
 *
 * Nothing of this happens unless somebody asked (res->findings).  Places are taken before anything is repaired.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "qcow2-check.h"

#define MAX_NOTES 1000
#define MAX_RANGES 8                 /* of the guest disk, told for each finding */
#define MAX_READS 16384              /* of tables; who has more snapshots is told that not all was looked at */

/* touches: where it is not a matter of places in the file. */
static const struct { const char *word, *what, *repair, *touches; } kinds[CHECK_KINDS] = {
    [CHECK_LEAK] = { "leak", "counted as in use, but nothing uses it: space is wasted, no data is affected",
                     "-r leaks gives the space back" },
    [CHECK_COUNT_HIGH] = { "count-too-high", "counted as used more often than it is: its space will not be given back when its "
                           "last user goes", "-r leaks puts the count right" },
    [CHECK_COUNT_LOW] = { "count-too-low", "used more often than counted: deleting a snapshot, or a discard, could give it away "
                          "while it is still in use", "-r all puts the count right" },
    [CHECK_COUNT_NONE] = { "in-use-but-free", "in use, but counted as free: the next write that needs space could overwrite it",
                           "-r all builds new refcount structures" },
    [CHECK_COPIED] = { "copied-flag", "the mark \"used by one only\" does not agree with the count: a write could change a snapshot "
                       "too, or copy without need", "-r all makes the mark agree with the count" },
    [CHECK_L1_RESERVED] = { "l1-reserved-bits", "the pointer to this mapping table has bits that must be zero",
                            "no repair; copy what can be read with convert" },
    [CHECK_L1_UNALIGNED] = { "l2-table-unaligned", "the pointer to a mapping table leads between clusters: what it maps cannot be read",
                             "no repair; copy what can be read with convert --salvage" },
    [CHECK_L2_RESERVED] = { "l2-reserved-bits", "a mapping entry has bits that must be zero", "no repair; copy with convert" },
    [CHECK_DATA_UNALIGNED] = { "data-unaligned", "a mapping entry leads between clusters: its data cannot be read",
                               "no repair; copy what can be read with convert --salvage" },
    [CHECK_PREALLOCATED_UNALIGNED] = { "preallocation-unaligned", "an entry that reads as zeroes has a place between clusters",
                                       "-r all drops the place; it still reads as zeroes" },
    [CHECK_COMPRESSED] = { "compressed-entry", "the mapping entry of compressed data has bits that it must not have",
                           "no repair; copy what can be read with convert --salvage" },
    [CHECK_SUBCLUSTERS] = { "subcluster-bitmap", "the map of subclusters contradicts itself or its entry",
                            "no repair; copy what can be read with convert --salvage" },
    [CHECK_OUTSIDE] = { "outside-file", "a pointer leads past the end of the file: what it leads to is lost",
                        "no repair; copy what can be read with convert --salvage" },
    [CHECK_OVERFLOW] = { "count-overflow", "used more often than the image can count",
                         "no repair; amend -o refcount_bits=64, or a copy made with convert" },
    [CHECK_SNAPSHOT_L1] = { "snapshot-table-entry", "the mapping of a snapshot is damaged: the snapshot cannot be read",
                            "no repair; the disk itself and other snapshots can be copied with convert" },
    [CHECK_SNAPSHOT_ENTRY] = { "snapshot-entry-incomplete", "entries of the snapshot table lack fields or have too many",
                               "-r all completes or cuts them" },
    [CHECK_SNAPSHOTS_WITH_DATA_FILE] = { "snapshots-with-data-file", "snapshots in an image whose data is in another file: that "
                                         "file holds the present only", "no repair; delete the snapshots" },
    [CHECK_SNAPSHOTS_PLACE] = { "snapshot-table-nowhere", "the check stopped: the header says that the list of snapshots begins where "
                                "none can begin, so which snapshots there are cannot be told", "no repair; copy the disk with convert, without its snapshots",
                                "all snapshots; the disk itself was not looked at" },
    [CHECK_SNAPSHOTS_MANY] = { "snapshot-table-too-large", "the check stopped: the header names more snapshots, or a longer list of them, than an "
                               "image can have", "-r all cuts the list: snapshots beyond the bound go, those before it stay",
                               "the snapshots at the end of the list; the disk itself was not looked at" },
    [CHECK_SNAPSHOTS_EXTRA] = { "snapshot-entry-too-long", "the check stopped: an entry of the list of snapshots says that it is longer than one can be",
                                "-r all cuts the entry, and the snapshot stays; snapshots behind it may be lost if its length was wrong",
                                "the snapshot of that entry and those behind it; the disk itself was not looked at" },
    [CHECK_SNAPSHOTS_UNREADABLE] = { "snapshot-table-unreadable", "the check stopped: the list of snapshots cannot be read to its end",
                                     "no repair; copy the disk with convert, without its snapshots",
                                     "the snapshots at the end of the list; the disk itself was not looked at" },
    [CHECK_TABLE_UNREADABLE] = { "table-unreadable", "the disk under the image did not let this mapping table be read",
                                 "nothing is repaired while it cannot be read; copy what can be read with convert --salvage" },
    [CHECK_COUNT_UNREADABLE] = { "count-unreadable", "the count of this space cannot be read: whether it is in use is not known",
                                 "-r all builds new refcount structures" },
    [CHECK_BITMAPS] = { "bitmaps-unreadable", "the dirty bitmaps in the image cannot be read, so the space that they take cannot be told from leaks",
                        "no repair; bitmap --remove, then check again", "the bitmaps; not the disk's data" },
    [CHECK_STOPPED] = { "stopped", "the check stopped before it had seen everything, for the reason that is named above",
                        "mend the reason (a disk's error, a lack of memory or space), then check again",
                        "not known: the disk and its snapshots were not looked at to the end" },
    [CHECK_REFTABLE] = { "refcount-table", "the table of refcount blocks is damaged: what is free is not known",
                         "-r all builds new refcount structures" },
};

typedef struct Note {
    CheckKind kind;
    uint64_t host, bytes;            /* in the file; 0 bytes: no place there */
    uint64_t highest;                /* end of this one or one before it, once they are sorted */
    uint64_t l2;                     /* if not 0: the finding is in entry `index` of this table, `bytes` are that entry's */
    uint32_t index;
    BdrvCheckFinding *finding;       /* owned by res->findings */
} Note;

/* --- taking notes ----------------------------------------------------------------- */

static Note *new_note(Checker *c)
{
    if (!c->res->findings || c->notes_closed) {
        return NULL;
    }
    if (!c->notes) {
        c->notes = g_array_new(false, true, sizeof(Note));
    }
    if (c->notes->len >= MAX_NOTES) {
        c->res->findings_omitted++;
        return NULL;
    }
    g_array_set_size(c->notes, c->notes->len + 1);
    return &g_array_index(c->notes, Note, c->notes->len - 1);
}

/* Does such damage hide what is in use? */
static bool hides(CheckKind kind)
{
    return kind == CHECK_L1_RESERVED || kind == CHECK_L1_UNALIGNED || kind == CHECK_OUTSIDE || kind == CHECK_SNAPSHOT_L1 ||
           kind == CHECK_TABLE_UNREADABLE || kind == CHECK_DATA_UNALIGNED || kind == CHECK_COMPRESSED;
}

void check_note(Checker *c, CheckKind kind, uint64_t host, uint64_t bytes)
{
    Note *last = c->notes && c->notes->len ? &g_array_index(c->notes, Note, c->notes->len - 1) : NULL;

    c->tables_lost |= hides(kind);
    if (last && !c->notes_closed && last->kind == kind && !last->l2 && bytes && last->host + last->bytes == host) {
        last->bytes += bytes;
        return;
    }
    last = new_note(c);
    if (last) {
        *last = (Note){ .kind = kind, .host = host, .bytes = host < INT64_MAX ? MIN(bytes, INT64_MAX - host) : 0 };
    }
}

void check_note_entry(Checker *c, CheckKind kind, uint64_t l2, uint32_t index)
{
    Note *n = new_note(c);

    c->tables_lost |= hides(kind);
    if (n) {
        *n = (Note){ .kind = kind, .host = l2 + (uint64_t)index * c->q->l2_entry_size, .bytes = c->q->l2_entry_size, .l2 = l2,
                     .index = index };
    }
}

/* --- from the file to the guest ------------------------------------------------------- */

typedef struct BackWalk {
    Checker *c;
    const Qcow2Snapshot *sn;         /* NULL: the disk itself */
    uint64_t disk;                   /* its size */
    unsigned reads;                  /* so far, of all tables */
} BackWalk;

static void add_range(BackWalk *w, Note *n, uint64_t offset, uint64_t bytes)
{
    GArray *ranges = n->finding->guest;
    BdrvGuestRange *last = ranges->len ? &g_array_index(ranges, BdrvGuestRange, ranges->len - 1) : NULL;
    const char *name = w->sn ? w->sn->name : NULL;

    if (offset >= w->disk) {
        return;                      /* the machine's state lies behind the disk */
    }
    bytes = MIN(bytes, w->disk - offset);
    if (last && !g_strcmp0(last->snapshot, name) && last->offset <= offset && offset <= last->offset + last->bytes) {
        last->bytes = MAX(last->bytes, offset + bytes - last->offset);
    } else if (ranges->len < MAX_RANGES) {
        BdrvGuestRange r = { offset, bytes, g_strdup(name) };

        g_array_append_val(ranges, r);
    } else {
        n->finding->guest_omitted++;
    }
}

static gint by_place(gconstpointer a, gconstpointer b)
{
    const Note *x = a, *y = b;

    return x->host < y->host ? -1 : x->host > y->host;
}

/* The first note that begins at or behind this place. */
static guint notes_before(const GArray *notes, uint64_t place)
{
    guint low = 0, high = notes->len;

    while (low < high) {
        guint middle = (low + high) / 2;

        if (g_array_index(notes, Note, middle).host < place) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* These bytes of the file belong to these of the guest: tell the notes that lie there. */
static void touch(BackWalk *w, uint64_t host, uint64_t bytes, uint64_t guest, uint64_t guest_bytes)
{
    for (guint i = notes_before(w->c->notes, host + bytes); i-- > 0; ) {
        Note *n = &g_array_index(w->c->notes, Note, i);

        if (n->highest <= host) {
            break;
        }
        if (!n->l2 && n->kind != CHECK_SNAPSHOT_L1 && host < n->host + n->bytes) {
            add_range(w, n, guest, guest_bytes);
        }
    }
}

/* The guest's bytes that an L2 table maps, from `guest` on. */
static void walk_table(BackWalk *w, uint64_t l2, const uint8_t *table, uint64_t guest)
{
    Checker *c = w->c;
    const Qcow2 *q = c->q;

    for (guint i = 0; i < c->notes->len; i++) {
        Note *n = &g_array_index(c->notes, Note, i);

        if (n->l2 == l2) {
            add_range(w, n, guest + ((uint64_t)n->index << q->cluster_bits), q->cluster_size);
        }
    }
    for (uint32_t i = 0; i < q->l2_entries; i++) {
        uint64_t entry = qcow2_l2_get(q, table, i), host = entry & QCOW2_L2_OFFSET_MASK, bytes = q->cluster_size;

        if (entry & QCOW2_OFLAG_COMPRESSED) {
            qcow2_compressed_place(q, entry & ~QCOW2_OFLAG_COPIED, &host, &bytes);
        }
        if (host) {
            touch(w, host, bytes, guest + ((uint64_t)i << q->cluster_bits), q->cluster_size);
        }
    }
}

static void coroutine_fn walk_back(BackWalk *w, uint64_t l1_offset, uint64_t l1_size)
{
    Checker *c = w->c;
    const Qcow2 *q = c->q;
    uint64_t span = (uint64_t)q->l2_entries << q->cluster_bits;
    uint64_t entries = MIN(l1_size, w->disk / span + 1), bytes = entries * 8;
    g_autofree uint8_t *table = g_try_malloc(q->cluster_size), *l1 = g_try_malloc(MAX(bytes, 1));

    touch(w, l1_offset, l1_size * 8, 0, w->disk);
    if (!table || !l1) {
        c->res->findings_cut = true;
        return;
    }
    if (check_read(c, l1_offset, bytes, l1) < 0) {
        return;
    }
    for (uint64_t i = 0; i < entries; i++) {
        uint64_t l2 = load_be64(l1 + i * 8) & QCOW2_L1_OFFSET_MASK;

        if (!l2) {
            continue;
        }
        if (w->reads++ >= MAX_READS) {
            c->res->findings_cut = true;
            return;
        }
        touch(w, l2, q->cluster_size, i * span, span);
        if (!qcow2_in_cluster(q, l2) && check_read(c, l2, q->cluster_size, table) == 0) {
            walk_table(w, l2, table, i * span);
        }
    }
}

/* --- what is told -------------------------------------------------------------------------- */

/* The structure of the image that begins in this range; NULL: none of its own. */
static const char *structure_at(const Qcow2 *q, const Note *n)
{
    uint64_t end = n->host + n->bytes;

#define HOLDS(offset) ((offset) >= n->host && (offset) < end)
    if (!n->host) {
        return "the header of the image";
    }
    if (HOLDS(q->rt_offset)) {
        return "the refcount table";
    }
    if (q->nb_snapshots && HOLDS(q->snapshots_offset)) {
        return "the snapshot table";
    }
    for (uint64_t i = 0; i < q->rt_size; i++) {
        if (q->rt[i] && HOLDS(q->rt[i] & QCOW2_RT_OFFSET_MASK)) {
            return "a refcount block";
        }
    }
#undef HOLDS
    return NULL;
}

static void new_finding(Checker *c, Note *n)
{
    BdrvCheckFinding *f = g_new0(BdrvCheckFinding, 1);

    *f = (BdrvCheckFinding){
        .kind = kinds[n->kind].word, .what = kinds[n->kind].what, .repair = kinds[n->kind].repair,
        .host_offset = n->host, .host_bytes = n->bytes,
        .structure = n->kind == CHECK_SNAPSHOT_L1 ? NULL : kinds[n->kind].touches ? kinds[n->kind].touches : n->bytes && !n->l2 ? structure_at(c->q, n) : NULL,
        .guest = g_array_new(false, false, sizeof(BdrvGuestRange)),
    };
    if (c->tables_lost && (n->kind == CHECK_LEAK || n->kind == CHECK_COUNT_HIGH)) {
        f->what = "counted as in use more often than what can still be followed uses it: it may hold what the damaged tables led to";
        f->repair = "-r leaks gives the space away, and with it what may be saved: copy first";
    }
    n->finding = f;
    g_ptr_array_add(c->res->findings, f);
}

/* Of a snapshot whose own table is of no use: all of it. */
static void whole_snapshot(Checker *c, const Qcow2Snapshot *sn)
{
    for (guint i = 0; i < c->notes->len; i++) {
        Note *n = &g_array_index(c->notes, Note, i);

        if (n->kind == CHECK_SNAPSHOT_L1 && n->host == sn->l1_table_offset) {
            BdrvGuestRange r = { 0, sn->disk_size, g_strdup(sn->name) };

            g_array_append_val(n->finding->guest, r);
        }
    }
}

void coroutine_fn check_explain(Checker *c)
{
    Qcow2 *q = c->q;
    BackWalk w = { c, NULL, q->bs->total_bytes, 0 };
    uint64_t highest = 0;

    if (!c->notes || !c->notes->len) {
        return;
    }
    for (guint i = 0; i < c->notes->len; i++) {
        new_finding(c, &g_array_index(c->notes, Note, i));
    }
    g_array_sort(c->notes, by_place);
    for (guint i = 0; i < c->notes->len; i++) {
        Note *n = &g_array_index(c->notes, Note, i);

        n->highest = highest = MAX(highest, n->host + n->bytes);
    }
    walk_back(&w, q->l1_offset, q->l1_size);
    for (unsigned i = 0; i < q->nb_snapshots; i++) {
        const Qcow2Snapshot *sn = &q->snapshots[i];

        whole_snapshot(c, sn);
        if (!qcow2_in_cluster(q, sn->l1_table_offset) && sn->l1_size <= QCOW2_MAX_L1_BYTES / 8) {
            w.sn = sn;
            w.disk = sn->disk_size;
            walk_back(&w, sn->l1_table_offset, sn->l1_size);
        }
    }
    g_array_set_size(c->notes, 0);
}
