/*
 * qcow2: internal snapshots: create, apply, open at one.
 *
 * Each verb that changes the image collects its changes in a shadow and becomes true with one
 * sector write (qcow2-shadow.c).  After it:
 *   create  snapshot and active L1 name the same tables, none of which has COPIED entries; tables
 *           of the machine state move to the snapshot
 *   apply   only L1 entries that differ change; the snapshot's tables are shared again
 *   delete  what only the active state names has COPIED again (qcow2-snapshot-delete.c)
 *
 * Verbs run drained in the main thread; q->lock is held from begin to end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "qcow2-snapshot.h"

typedef struct SnapJob {
    BlockDriverState *bs;
    const char *id, *name;
    Error **errp;
    int ret;
} SnapJob;

/* --- lookup and ids -------------------------------------------------------------------------- */

int qcow2_snapshot_find(const Qcow2 *q, const char *id, const char *name)
{
    for (unsigned i = 0; (id || name) && i < q->nb_snapshots; i++) {
        const Qcow2Snapshot *sn = &q->snapshots[i];
        if ((!id || !strcmp(sn->id_str, id)) && (!name || !strcmp(sn->name, name))) {
            return i;
        }
    }
    return -1;
}

/* The old order of interfaces with one word: an id, else a name. */
static int find_either(const Qcow2 *q, const char *word)
{
    int i = qcow2_snapshot_find(q, word, NULL);
    return i >= 0 ? i : qcow2_snapshot_find(q, NULL, word);
}

static bool name_taken(const Qcow2 *q, const char *name)
{
    return qcow2_snapshot_find(q, NULL, name) >= 0;
}

/* One above the largest id; passes over numbers that are names, so that a number never means two snapshots. */
static void generate_id(const Qcow2 *q, char *id, size_t size)
{
    uint64_t max = 0;
    for (unsigned i = 0; i < q->nb_snapshots; i++) {
        uint64_t n = g_ascii_strtoull(q->snapshots[i].id_str, NULL, 10);
        max = MAX(max, n);
    }
    do {
        max++;
        g_snprintf(id, size, "%" PRIu64, max);
    } while (name_taken(q, id) || qcow2_snapshot_find(q, id, NULL) >= 0);
}

/* --- L1 tables ------------------------------------------------------------------------------- */

int coroutine_fn qcow2_snapshot_read_l1(Qcow2 *q, const Qcow2Snapshot *sn, uint32_t room, L1Copy *out, Error **errp)
{
    int ret = qcow2_validate_table(q, sn->l1_table_offset, sn->l1_size, sizeof(uint64_t), QCOW2_MAX_L1_BYTES,
                                   "Snapshot L1 table", errp);
    if (ret < 0) {
        return ret;
    }
    int64_t file_len = bdrv_getlength(q->bs->file->bs);
    if (sn->l1_size && file_len >= 0 && sn->l1_table_offset >= (uint64_t)file_len) {
        error_setg(errp, "Snapshot L1 table offset invalid");
        return -EINVAL;
    }
    uint64_t bytes = (uint64_t)sn->l1_size * sizeof(uint64_t);
    *out = (L1Copy){ .size = MAX(sn->l1_size, room), .offset = sn->l1_table_offset };
    out->l1 = g_try_new0(uint64_t, MAX(out->size, 1));
    if (!out->l1) {
        return -ENOMEM;
    }
    ret = bytes ? bdrv_read_buf(q->bs->file, sn->l1_table_offset, bytes, out->l1, 0) : 0;
    for (uint32_t i = 0; i < sn->l1_size; i++) {
        out->l1[i] = load_be64(&out->l1[i]);
    }
    if (ret < 0) {
        g_clear_pointer(&out->l1, g_free);
    }
    return ret;
}

int coroutine_fn qcow2_snapshot_l1(Qcow2 *q, unsigned index, uint64_t **l1, uint32_t *size, Error **errp)
{
    L1Copy c = { 0 };
    int ret = qcow2_snapshot_read_l1(q, &q->snapshots[index], 0, &c, errp);
    *l1 = c.l1;
    *size = c.size;
    return ret;
}

/* Find room for the table and write it there. */
static int coroutine_fn put_l1(Qcow2Shadow *s, L1Copy *c)
{
    uint64_t bytes = (uint64_t)c->size * sizeof(uint64_t);
    int64_t place = bytes ? qcow2_shadow_alloc(s, bytes) : 0;
    c->offset = MAX(place, 0);
    if (place <= 0) {
        return place;
    }
    g_autofree uint64_t *wire = g_try_new(uint64_t, c->size);
    if (!wire) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < c->size; i++) {
        store_be64(&wire[i], c->l1[i]);
    }
    return qcow2_shadow_write(s, c->offset, wire, bytes);
}

/* The active L1 goes to a new place with new content. */
int coroutine_fn qcow2_snapshot_replace_active(Qcow2Shadow *s, Qcow2 *q, L1Copy *fresh)
{
    int ret = put_l1(s, fresh);
    return ret < 0 ? ret : qcow2_shadow_add(s, q->l1_offset, (uint64_t)q->l1_size * sizeof(uint64_t), -1);
}

uint64_t qcow2_snapshot_table_of(const uint64_t *l1, uint32_t size, uint32_t i)
{
    return i < size ? l1[i] & QCOW2_L1_OFFSET_MASK : 0;
}

/* --- tables that two states share from now on --------------------------------------------------- */

/*
 * One more state names the tables in items: raise what they name, without COPIED.  l1 gets their
 * places (a rewritten table takes all references of these two states with it).
 */
static int coroutine_fn share_tables(Qcow2Shadow *s, Qcow2 *q, Qcow2WalkItem *items, uint64_t n, uint64_t *l1, bool *moved)
{
    int ret = qcow2_walk_tables(s, q, items, n, QCOW2_WALK_RAISE | QCOW2_WALK_CLEAR, 1);
    for (uint64_t i = 0; i < n && ret == 0; i++) {
        uint64_t old = l1[items[i].index] & QCOW2_L1_OFFSET_MASK;
        if (items[i].place != old) {
            ret = qcow2_shadow_add_clusters(s, items[i].place >> q->cluster_bits, 1, 1);
            if (ret == 0) {
                ret = qcow2_shadow_add_clusters(s, old >> q->cluster_bits, 1, -1);
            }
            *moved = true;
        }
        l1[items[i].index] = items[i].place;
    }
    return ret;
}

/* --- the snapshot table ------------------------------------------------------------------------- */

static bool all_complete(const Qcow2 *q)
{
    for (unsigned i = 0; i < q->nb_snapshots; i++) {
        if (q->snapshots[i].extra_data_size < 24) {
            return false;
        }
    }
    return true;
}

/* Write a whole new table; the old one's clusters go. */
int coroutine_fn qcow2_snapshot_put_table(Qcow2Shadow *s, Qcow2 *q, const Qcow2Snapshot *sn, unsigned n, NewTable *out)
{
    g_autofree uint8_t *buf = qcow2_snapshots_encode(sn, n, &out->bytes);
    int64_t place = 0;
    int ret = buf ? 0 : -ENOMEM;
    if (ret == 0 && out->bytes > QCOW2_MAX_SNAPSHOT_TABLE_BYTES) {
        ret = -EFBIG;
    }
    if (ret == 0 && out->bytes) {
        place = qcow2_shadow_alloc(s, out->bytes);
        ret = place < 0 ? (int)place : qcow2_shadow_write(s, place, buf, out->bytes);
    }
    out->offset = place;
    return ret < 0 ? ret : qcow2_shadow_add(s, q->snapshots_offset, q->snapshots_bytes, -1);
}

/* Add one entry behind the others: in the last cluster's free bytes, which nothing names before the switch. */
static int coroutine_fn append_entry(Qcow2Shadow *s, Qcow2 *q, const Qcow2Snapshot *sn, NewTable *out)
{
    uint64_t at = ALIGN_UP(q->snapshots_bytes, 8), room = ALIGN_UP(q->snapshots_bytes, q->cluster_size);
    uint64_t bytes = qcow2_snapshot_entry_bytes(sn);
    if (q->nb_snapshots && at + bytes <= room && at + bytes <= QCOW2_MAX_SNAPSHOT_TABLE_BYTES && all_complete(q)) {
        g_autofree uint8_t *buf = qcow2_snapshots_encode(sn, 1, &bytes);
        *out = (NewTable){ q->snapshots_offset, at + bytes };
        return buf ? bdrv_write_buf(q->bs->file, q->snapshots_offset + at, bytes, buf, 0) : -ENOMEM;
    }
    g_autofree Qcow2Snapshot *all = g_try_new(Qcow2Snapshot, q->nb_snapshots + 1);
    if (!all) {
        return -ENOMEM;
    }
    if (q->nb_snapshots) {
        memcpy(all, q->snapshots, q->nb_snapshots * sizeof(*all));
    }
    all[q->nb_snapshots] = *sn;
    return qcow2_snapshot_put_table(s, q, all, q->nb_snapshots + 1, out);
}

/* Roots as they are now, to be changed by the verb. */
Qcow2Roots qcow2_snapshot_roots(const Qcow2 *q)
{
    return (Qcow2Roots){
        .l1_offset = q->l1_offset, .l1_size = q->l1_size, .snapshots_offset = q->snapshots_offset,
        .nb_snapshots = qcow2_named_snapshots(q), .disk_size = q->bs->total_bytes,
    };
}

void qcow2_snapshot_adopt_l1(Qcow2 *q, L1Copy *fresh)
{
    g_free(q->l1);
    q->l1 = g_steal_pointer(&fresh->l1);
    q->l1_size = fresh->size;
    q->l1_offset = fresh->offset;
}

/* --- verbs in two steps ------------------------------------------------------------------------- */

/* One create or apply, from the first look to the switch.  In a group it sleeps between prepare and switch. */
typedef struct Verb {
    Qcow2 *q;
    int coroutine_fn (*prepare)(struct Verb *v);     /* 0: everything but the switch is on disk */
    int coroutine_fn (*commit)(struct Verb *v);      /* the switch, and memory follows */
    Qcow2Shadow *shadow;
    Qcow2Roots roots;
    L1Copy l1;                       /* the active one to be */
    bool l1_changed;
    NewTable table;
    QEMUSnapshotInfo *info;          /* create */
    Qcow2Snapshot sn;                /* create: the new entry */
    const char *word;                /* apply: id or name */
    unsigned index;
    Qcow2Snapshot changed;           /* apply: the entry, maybe moved; its strings belong to the list */
    Coroutine *co;                   /* group: sleeps with q->lock held */
    bool asleep, wanted, done;
    int ret;
} Verb;

static void coroutine_fn verb_drop_shadow(Verb *v)
{
    qcow2_shadow_abort(g_steal_pointer(&v->shadow));
}

/* ret: how collecting went. */
static int coroutine_fn verb_prepared(Verb *v, int ret)
{
    if (ret == 0) {
        ret = qcow2_shadow_prepare(v->shadow);
    }
    if (ret < 0) {
        verb_drop_shadow(v);
    }
    return ret;
}

static void verb_clear(Verb *v)
{
    qcow2_snapshot_clear(&v->sn);
    g_free(v->l1.l1);
}

static void coroutine_fn verb_entry(void *opaque)
{
    Verb *v = opaque;
    CO_SCOPED_LOCK(&v->q->lock);
    v->ret = v->prepare(v);
    if (v->ret == 0) {
        v->ret = v->commit(v);
    }
    verb_clear(v);
}

static void coroutine_fn group_entry(void *opaque)
{
    Verb *v = opaque;
    co_mutex_lock(&v->q->lock);
    v->ret = v->prepare(v);
    if (v->ret == 0) {
        v->asleep = true;
        aio_wait_kick();
        coroutine_yield();
        if (v->wanted) {
            v->ret = v->commit(v);
        } else {
            verb_drop_shadow(v);
        }
    }
    verb_clear(v);
    co_mutex_unlock(&v->q->lock);
    v->done = true;
    aio_wait_kick();
}

static bool group_works(void *opaque)
{
    Verb *v = opaque;
    return !v->asleep && !v->done;
}

static void *group_start(Verb start)
{
    Verb *v = g_memdup2(&start, sizeof(start));
    v->co = coroutine_create(group_entry, v);
    coroutine_enter(v->co);
    return v;
}

void qcow2_snapshot_finish(BlockDriverState *bs, void *prepared, bool commit)
{
    Verb *v = prepared;
    v->wanted = commit;
    v->asleep = false;
    coroutine_enter(v->co);
}

int qcow2_snapshot_wait(BlockDriverState *bs, void *prepared)
{
    Verb *v = prepared;
    aio_wait_while(group_works, v);
    int ret = v->ret;
    if (v->done) {
        g_free(v);
    }
    return ret;
}

/* --- create --------------------------------------------------------------------------------------- */

static int fill_entry(Qcow2 *q, QEMUSnapshotInfo *info, Qcow2Snapshot *sn)
{
    if (qcow2_has_data_file(q)) {
        return -ENOTSUP;
    }
    if (q->nb_snapshots >= QCOW2_MAX_SNAPSHOTS) {
        return -EFBIG;
    }
    if (!info->id_str[0]) {
        generate_id(q, info->id_str, sizeof(info->id_str));
    }
    if (qcow2_snapshot_find(q, info->id_str, NULL) >= 0) {
        return -EEXIST;
    }
    *sn = (Qcow2Snapshot){
        .id_str = g_strdup(info->id_str), .name = g_strdup(info->name), .disk_size = q->bs->total_bytes,
        .vm_state_size = info->vm_state_size, .date_sec = info->date_sec, .date_nsec = info->date_nsec,
        .vm_clock_nsec = info->vm_clock_nsec, .icount = info->icount, .extra_data_size = 24,
    };
    return 0;
}

/* Both L1s: the snapshot's and the active one as they will be. */
static int coroutine_fn create_tables(Qcow2Shadow *s, Qcow2 *q, L1Copy *mine, L1Copy *active, bool *changed)
{
    g_autofree Qcow2WalkItem *items = g_try_new(Qcow2WalkItem, MAX(q->l1_size, 1));
    uint64_t n = 0;
    *mine = *active = (L1Copy){ .size = q->l1_size };
    mine->l1 = g_try_new0(uint64_t, MAX(q->l1_size, 1));
    active->l1 = g_try_new0(uint64_t, MAX(q->l1_size, 1));
    if (!items || !mine->l1 || !active->l1) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < q->l1_size; i++) {
        uint64_t place = q->l1[i] & QCOW2_L1_OFFSET_MASK;
        mine->l1[i] = place;
        if (place && i < q->l1_vm_state_index) {
            items[n++] = (Qcow2WalkItem){ i, place };
        }
    }
    bool moved = false;
    int ret = share_tables(s, q, items, n, mine->l1, &moved);
    if (ret == 0) {
        memcpy(active->l1, mine->l1, MIN(q->l1_size, q->l1_vm_state_index) * sizeof(uint64_t));
        *changed = q->l1_size && memcmp(active->l1, q->l1, q->l1_size * sizeof(uint64_t));
        ret = put_l1(s, mine);
    }
    return ret == 0 && *changed ? qcow2_snapshot_replace_active(s, q, active) : ret;
}

static int coroutine_fn create_in_shadow(Qcow2Shadow *s, Qcow2 *q, Qcow2Snapshot *sn, L1Copy *active, bool *changed,
                                         NewTable *table)
{
    L1Copy mine = { 0 };
    int ret = create_tables(s, q, &mine, active, changed);
    if (ret == 0) {
        sn->l1_table_offset = mine.offset;
        sn->l1_size = mine.size;
        ret = append_entry(s, q, sn, table);
    }
    g_free(mine.l1);
    return ret;
}

static void add_to_list(Qcow2 *q, Qcow2Snapshot *sn, const NewTable *table)
{
    q->snapshots = g_renew(Qcow2Snapshot, q->snapshots, q->nb_snapshots + 1);
    q->snapshots[q->nb_snapshots++] = *sn;
    *sn = (Qcow2Snapshot){ 0 };
    q->snapshots_offset = table->offset;
    q->snapshots_bytes = table->bytes;
}

/* Counts that call a structure free are wrong; it shows before anything is counted on top of them. */
static int coroutine_fn check_first_free(Qcow2 *q)
{
    uint64_t keep = q->free_cluster_index, n = MAX(qcow2_clusters_for(q, q->l1_size * sizeof(uint64_t)), 1), first;
    int ret = qcow2_find_free(q, n, &first);
    q->free_cluster_index = keep;
    return ret < 0 ? ret : qcow2_check_overlap(q, 0, first << q->cluster_bits, n << q->cluster_bits, false);
}

static int coroutine_fn create_prepare(Verb *v)
{
    Qcow2 *q = v->q;
    int ret = fill_entry(q, v->info, &v->sn);
    if (ret == 0) {
        ret = check_first_free(q);
    }
    if (ret == 0) {
        ret = qcow2_shadow_begin(q, &v->shadow);
    }
    if (ret < 0) {
        return ret;
    }
    v->roots = qcow2_snapshot_roots(q);
    ret = create_in_shadow(v->shadow, q, &v->sn, &v->l1, &v->l1_changed, &v->table);
    v->roots.nb_snapshots++;
    v->roots.snapshots_offset = v->table.offset;
    if (v->l1_changed) {
        v->roots.l1_offset = v->l1.offset;
    }
    return verb_prepared(v, ret);
}

static int coroutine_fn create_commit(Verb *v)
{
    int ret = qcow2_shadow_switch(g_steal_pointer(&v->shadow), &v->roots);
    if (ret == 0) {
        add_to_list(v->q, &v->sn, &v->table);
        if (v->l1_changed) {
            qcow2_snapshot_adopt_l1(v->q, &v->l1);
        }
    }
    return ret;
}

static Verb create_verb(BlockDriverState *bs, QEMUSnapshotInfo *sn)
{
    return (Verb){ .q = qcow2_of(bs), .prepare = create_prepare, .commit = create_commit, .info = sn };
}

int qcow2_snapshot_create(BlockDriverState *bs, QEMUSnapshotInfo *sn, Error **errp)
{
    Verb v = create_verb(bs, sn);
    co_run_sync(verb_entry, &v);
    return v.ret;
}

void *qcow2_snapshot_prepare(BlockDriverState *bs, QEMUSnapshotInfo *sn)
{
    return group_start(create_verb(bs, sn));
}

/* --- apply ---------------------------------------------------------------------------------------- */

/* Tables that differ: the active ones lose a reference, the snapshot's get one.  l1: the snapshot's, changed in place. */
static int coroutine_fn apply_difference(Qcow2Shadow *s, Qcow2 *q, L1Copy *c, bool *moved)
{
    g_autofree Qcow2WalkItem *items = g_try_new(Qcow2WalkItem, MAX(c->size, 1));
    uint64_t n = 0;
    if (!items) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < c->size; i++) {
        uint64_t place = qcow2_snapshot_table_of(q->l1, q->l1_size, i);
        if (place && place != qcow2_snapshot_table_of(c->l1, c->size, i)) {
            items[n++] = (Qcow2WalkItem){ i, place };
        }
    }
    int ret = qcow2_walk_tables(s, q, items, n, QCOW2_WALK_LOWER, 1);
    n = 0;
    for (uint32_t i = 0; i < c->size; i++) {
        uint64_t place = qcow2_snapshot_table_of(c->l1, c->size, i);
        c->l1[i] = place;
        if (place && place != qcow2_snapshot_table_of(q->l1, q->l1_size, i)) {
            items[n++] = (Qcow2WalkItem){ i, place };
        }
    }
    return ret == 0 ? share_tables(s, q, items, n, c->l1, moved) : ret;
}

/* The snapshot's tables moved: its L1 and its entry follow. */
static int coroutine_fn move_snapshot(Qcow2Shadow *s, Qcow2 *q, unsigned index, L1Copy *c, Qcow2Snapshot *changed,
                                      NewTable *table)
{
    L1Copy mine = { .l1 = c->l1, .size = q->snapshots[index].l1_size };
    int ret = put_l1(s, &mine);
    if (ret == 0) {
        ret = qcow2_shadow_add(s, changed->l1_table_offset, (uint64_t)mine.size * sizeof(uint64_t), -1);
    }
    if (ret < 0) {
        return ret;
    }
    changed->l1_table_offset = mine.offset;
    g_autofree Qcow2Snapshot *all = g_try_new(Qcow2Snapshot, MAX(q->nb_snapshots, 1));
    if (!all) {
        return -ENOMEM;
    }
    memcpy(all, q->snapshots, q->nb_snapshots * sizeof(*all));
    all[index] = *changed;
    return qcow2_snapshot_put_table(s, q, all, q->nb_snapshots, table);
}

static int coroutine_fn apply_in_shadow(Verb *v)
{
    Qcow2 *q = v->q;
    bool moved = false;
    int ret = qcow2_shadow_begin(q, &v->shadow);
    if (ret < 0) {
        return ret;
    }
    v->changed = q->snapshots[v->index];
    v->table = (NewTable){ q->snapshots_offset, q->snapshots_bytes };
    qcow2_shadow_note_freed(v->shadow, QCOW2_DISCARD_OTHER);
    ret = apply_difference(v->shadow, q, &v->l1, &moved);
    if (ret == 0 && moved) {
        ret = move_snapshot(v->shadow, q, v->index, &v->l1, &v->changed, &v->table);
    }
    if (ret == 0) {
        ret = qcow2_snapshot_replace_active(v->shadow, q, &v->l1);
    }
    v->roots.l1_offset = v->l1.offset;
    v->roots.l1_size = v->l1.size;
    v->roots.snapshots_offset = v->table.offset;
    return verb_prepared(v, ret);
}

/* Whoever applies a snapshot gives up the present state: not for tables that cannot be there. */
static int coroutine_fn check_places(Qcow2 *q, const Qcow2Snapshot *sn, const L1Copy *c)
{
    int64_t file_len = bdrv_getlength(q->bs->file->bs);
    if (file_len < 0) {
        return file_len;
    }
    for (uint32_t i = 0; i < sn->l1_size; i++) {
        uint64_t entry = c->l1[i], place = entry & QCOW2_L1_OFFSET_MASK;
        if (place == qcow2_snapshot_table_of(q->l1, q->l1_size, i) && !(entry & QCOW2_L1_RESERVED_MASK)) {
            continue;
        }
        if ((entry & QCOW2_L1_RESERVED_MASK) || qcow2_in_cluster(q, place) ||
            (entry && (place < q->cluster_size || place >= (uint64_t)file_len))) {
            qcow2_corrupt(q, false, place, -1, "L1 entry %#" PRIx64 " of snapshot '%s' names no table (L1 index: %#x)",
                          entry, sn->name, i);
            return -EINVAL;
        }
        int ret = place ? qcow2_check_overlap(q, QCOW2_OL_ACTIVE_L2 | QCOW2_OL_INACTIVE_L2, place, q->cluster_size, false) : 0;
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

/* Another virtual size than the present one: could the image be resized to it? */
static int check_size(const Qcow2 *q, int64_t size, Error **errp)
{
    if (size == q->bs->total_bytes) {
        return 0;
    }
    int ret = bdrv_check_new_length(size, errp);
    return ret < 0 ? ret : qcow2_check_new_size(q, size, errp);
}

static int coroutine_fn apply_prepare(Verb *v)
{
    Qcow2 *q = v->q;
    int index = find_either(q, v->word);
    Error *err = NULL;
    if (qcow2_has_data_file(q)) {
        return -ENOTSUP;
    }
    if (index < 0) {
        return -ENOENT;
    }
    v->index = index;
    uint64_t size = q->snapshots[index].disk_size;
    int ret = qcow2_validate_table(q, q->snapshots[index].l1_table_offset, q->snapshots[index].l1_size, sizeof(uint64_t),
                                   QCOW2_MAX_L1_BYTES, "Snapshot L1 table", &err);
    if (ret == 0) {
        ret = check_size(q, size, &err);
    }
    if (ret == 0) {
        uint64_t entries = qcow2_l1_entries_for(q, size);
        ret = qcow2_snapshot_read_l1(q, &q->snapshots[index], MAX(entries, q->l1_size), &v->l1, &err);
    }
    if (ret == 0) {
        ret = check_places(q, &q->snapshots[index], &v->l1);
    }
    if (ret < 0) {
        if (err) {
            error_report_err(err);
        }
        return ret;
    }
    v->roots = qcow2_snapshot_roots(q);
    v->roots.disk_size = size;
    return apply_in_shadow(v);
}

static int coroutine_fn apply_commit(Verb *v)
{
    Qcow2 *q = v->q;
    uint64_t size = v->roots.disk_size;
    int ret = qcow2_shadow_switch(g_steal_pointer(&v->shadow), &v->roots);
    if (ret == 0) {
        q->snapshots[v->index] = v->changed;
        q->snapshots_offset = v->table.offset;
        q->snapshots_bytes = v->table.bytes;
        qcow2_snapshot_adopt_l1(q, &v->l1);
        q->l1_vm_state_index = qcow2_l1_entries_for(q, size);
        bdrv_set_length(q->bs, ALIGN_DOWN(size, BDRV_SECTOR_SIZE));
    }
    return ret;
}

static Verb apply_verb(BlockDriverState *bs, const char *word)
{
    return (Verb){ .q = qcow2_of(bs), .prepare = apply_prepare, .commit = apply_commit, .word = word };
}

int qcow2_snapshot_goto(BlockDriverState *bs, const char *id, Error **errp)
{
    Verb v = apply_verb(bs, id);
    co_run_sync(verb_entry, &v);
    return v.ret;
}

void *qcow2_snapshot_goto_prepare(BlockDriverState *bs, const char *id)
{
    return group_start(apply_verb(bs, id));
}

/* --- open at a snapshot ----------------------------------------------------------------------- */

static void coroutine_fn load_entry(void *opaque)
{
    SnapJob *j = opaque;
    Qcow2 *q = qcow2_of(j->bs);
    int index = qcow2_snapshot_find(q, j->id, j->name);
    L1Copy c = { 0 };
    CO_SCOPED_LOCK(&q->lock);
    if (index < 0) {
        error_setg(j->errp, "Can't find snapshot");
        j->ret = -ENOENT;
        return;
    }
    Error *err = NULL;
    j->ret = qcow2_snapshot_read_l1(q, &q->snapshots[index], 0, &c, &err);
    if (err) {
        error_propagate(j->errp, err);
    } else if (j->ret < 0) {
        error_setg(j->errp, "Failed to read l1 table for snapshot");
    } else {
        /* Read-only from here on: the table only serves lookups. */
        g_free(q->l1);
        q->l1 = c.l1;
        q->l1_size = c.size;
        q->l1_offset = c.offset;
        qcow2_overlap_free(q);
    }
}

int qcow2_snapshot_load_tmp(BlockDriverState *bs, const char *id, const char *name, Error **errp)
{
    SnapJob job = { .bs = bs, .id = id, .name = name, .errp = errp };
    co_run_sync(load_entry, &job);
    return job.ret;
}
