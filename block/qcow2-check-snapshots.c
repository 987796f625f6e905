/*
 * Check, pass 1: the snapshot table.
 *
 * Read here and not by the ordinary loader, since what makes that one refuse the image (too
 * much extra data, too many entries) is what `check -r all` is asked to cut away.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "qcow2-check.h"

#define ENTRY_FIXED_BYTES 40
#define EXTRA_COMPLETE 16            /* 64-bit vmstate size and disk size */
#define EXTRA_KNOWN 24               /* and the instruction count */
#define HEADER_SNAPSHOT_FIELDS 60    /* nb_snapshots, snapshots_offset */

/* Where the reader is in the table. */
typedef struct TableReader {
    Checker *c;
    uint64_t start, pos;
    bool repair;
} TableReader;

static int coroutine_fn take(TableReader *r, uint64_t bytes, void *buf)
{
    int ret = check_read(r->c, r->pos, bytes, buf);

    r->pos += bytes;
    return ret;
}

static char *coroutine_fn take_string(TableReader *r, uint32_t len, int *ret)
{
    char *s = g_malloc(len + 1);

    *ret = take(r, len, s);
    s[len] = 0;
    return s;
}

/* The first reason counts. */
static void stop(Checker *c, CheckKind kind, uint64_t host, uint64_t bytes)
{
    if (!c->stop_noted) {
        check_note(c, kind, host, bytes);
        c->stop_noted = true;
    }
}

static int coroutine_fn take_extra(TableReader *r, Qcow2Snapshot *sn, unsigned index, Error **errp)
{
    uint8_t extra[QCOW2_MAX_SNAPSHOT_EXTRA];
    uint32_t size = sn->extra_data_size, kept = MIN(size, sizeof(extra));
    int ret;

    if (size > sizeof(extra) && !r->repair) {
        error_setg(errp, "ERROR failed to read the snapshot table: Too much extra metadata in snapshot table entry %u", index);
        error_append_hint(errp, "You can force-remove this extra metadata with qemu-img check -r all\n");
        stop(r->c, CHECK_SNAPSHOTS_EXTRA, r->start, r->pos - r->start);
        return -EFBIG;
    }
    if (size > sizeof(extra)) {
        check_say("Discarding too much extra metadata in snapshot table entry %u (%u > %u)\n", index, size,
                  QCOW2_MAX_SNAPSHOT_EXTRA);
        r->c->snapshot_findings++;
        check_note(r->c, CHECK_SNAPSHOT_ENTRY, r->start, r->pos - r->start);
        r->c->snapshots_fixed = true;
        sn->extra_data_size = kept;
    }
    ret = take(r, kept, extra);
    r->pos += size - kept;
    if (ret < 0) {
        error_setg_errno(errp, -ret, "ERROR failed to read the snapshot table: Failed to read snapshot table");
        return ret;
    }
    if (kept >= 8) {
        sn->vm_state_size = load_be64(extra);
    }
    sn->disk_size = kept >= 16 ? load_be64(extra + 8) : (uint64_t)r->c->q->bs->total_bytes;
    sn->icount = kept >= 24 ? load_be64(extra + 16) : UINT64_MAX;
    if (kept > EXTRA_KNOWN) {
        sn->unknown_extra = g_memdup2(extra + EXTRA_KNOWN, kept - EXTRA_KNOWN);
    }
    return 0;
}

static int coroutine_fn take_entry(TableReader *r, Qcow2Snapshot *sn, unsigned index, Error **errp)
{
    uint8_t fixed[ENTRY_FIXED_BYTES];
    int ret;

    r->pos = r->start + ALIGN_UP(r->pos - r->start, 8);
    ret = take(r, sizeof(fixed), fixed);
    if (ret == 0) {
        *sn = (Qcow2Snapshot){
            .l1_table_offset = load_be64(fixed), .l1_size = load_be32(fixed + 8),
            .date_sec = load_be32(fixed + 16), .date_nsec = load_be32(fixed + 20), .vm_clock_nsec = load_be64(fixed + 24),
            .vm_state_size = load_be32(fixed + 32), .extra_data_size = load_be32(fixed + 36),
        };
        ret = take_extra(r, sn, index, errp);
        if (ret < 0) {
            return ret;
        }
        sn->id_str = take_string(r, load_be16(fixed + 12), &ret);
    }
    if (ret == 0) {
        sn->name = take_string(r, load_be16(fixed + 14), &ret);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "ERROR failed to read the snapshot table: Failed to read snapshot table");
    }
    return ret;
}

static void check_complete(TableReader *r, Qcow2Snapshot *sn, unsigned index)
{
    if (sn->extra_data_size >= EXTRA_COMPLETE || r->c->q->version < 3) {
        return;
    }
    check_say("%s snapshot table entry %u is incomplete\n", r->repair ? "Repairing" : "ERROR", index);
    r->c->snapshot_findings++;
    check_note(r->c, CHECK_SNAPSHOT_ENTRY, r->start, r->pos - r->start);
    if (r->repair) {
        sn->extra_data_size = EXTRA_COMPLETE;
        r->c->snapshots_fixed = true;
    }
}

/* The table outgrew its bound: the entries from index on go, or nothing can be done without a repair. */
static int over_the_bound(TableReader *r, unsigned index, unsigned nb, Error **errp)
{
    if (!r->repair) {
        error_setg(errp, "ERROR failed to read the snapshot table: Snapshot table is too big");
        error_append_hint(errp, "You can force-remove all %u overhanging snapshots with qemu-img check -r all\n", nb - index);
        stop(r->c, CHECK_SNAPSHOTS_MANY, r->start, r->pos - r->start);
        return -EFBIG;
    }
    check_say("Discarding %u overhanging snapshots (snapshot table is too big)\n", nb - index);
    check_note(r->c, CHECK_SNAPSHOTS_MANY, r->start, r->pos - r->start);
    r->c->snapshot_findings += nb - index;
    r->c->snapshots_fixed = true;
    return 0;
}

static int coroutine_fn read_table(TableReader *r, unsigned nb, Error **errp)
{
    Qcow2 *q = r->c->q;
    int ret;

    q->snapshots = g_try_new0(Qcow2Snapshot, nb);
    if (nb && !q->snapshots) {
        error_setg_errno(errp, ENOMEM, "ERROR failed to read the snapshot table");
        return -ENOMEM;
    }
    for (unsigned i = 0; i < nb; i++) {
        ret = take_entry(r, &q->snapshots[i], i, errp);
        q->nb_snapshots = i + 1;
        if (ret < 0) {
            return ret;
        }
        if (r->pos - r->start > QCOW2_MAX_SNAPSHOT_TABLE_BYTES) {
            g_free(q->snapshots[i].id_str);
            g_free(q->snapshots[i].name);
            g_free(q->snapshots[i].unknown_extra);
            q->nb_snapshots = i;
            return over_the_bound(r, i, nb, errp);
        }
        check_complete(r, &q->snapshots[i], i);
        q->snapshots_bytes = r->pos - r->start;
    }
    return 0;
}

/* The list in memory is the one on disk again; when that cannot be read in full, what was known stays. */
static int coroutine_fn replace_list(TableReader *r, unsigned nb, Error **errp)
{
    Qcow2 *q = r->c->q;
    Qcow2Snapshot *known = q->snapshots;
    uint64_t offset = q->snapshots_offset, bytes = q->snapshots_bytes;
    unsigned n = q->nb_snapshots;
    int ret;

    q->snapshots = NULL;
    q->nb_snapshots = 0;
    q->snapshots_offset = r->start;
    q->snapshots_bytes = 0;
    ret = nb ? read_table(r, nb, errp) : 0;
    if (ret < 0) {
        stop(r->c, CHECK_SNAPSHOTS_UNREADABLE, r->start, r->pos - r->start);
        qcow2_free_snapshots(q);
        q->snapshots = known;
        q->nb_snapshots = n;
        q->snapshots_offset = offset;
        q->snapshots_bytes = bytes;
    } else {
        q->unread_snapshots = 0;
        qcow2_snapshot_list_free(known, n);
    }
    return ret;
}

int coroutine_fn check_snapshot_table(Checker *c, Error **errp)
{
    Qcow2 *q = c->q;
    TableReader r = { .c = c, .repair = c->fix & BDRV_FIX_ERRORS };
    uint8_t fields[12];
    uint32_t nb;
    int ret = check_read(c, HEADER_SNAPSHOT_FIELDS, sizeof(fields), fields);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "ERROR failed to read the snapshot table pointer from the image header");
        return ret;
    }
    nb = load_be32(fields);
    r.start = r.pos = load_be64(fields + 4);
    if (nb > QCOW2_MAX_SNAPSHOTS && !r.repair) {
        error_setg(errp, "ERROR snapshot table too large");
        error_append_hint(errp, "You can force-remove all %u overhanging snapshots with qemu-img check -r all\n",
                          nb - QCOW2_MAX_SNAPSHOTS);
        stop(c, CHECK_SNAPSHOTS_MANY, 0, 0);
        return -EFBIG;
    }
    if (qcow2_in_cluster(q, r.start) || r.start > INT64_MAX - QCOW2_MAX_SNAPSHOT_TABLE_BYTES) {
        error_setg(errp, "ERROR snapshot table offset invalid");
        stop(c, CHECK_SNAPSHOTS_PLACE, 0, 0);
        return -EINVAL;
    }
    if (nb > QCOW2_MAX_SNAPSHOTS) {
        check_say("Discarding %u overhanging snapshots\n", nb - QCOW2_MAX_SNAPSHOTS);
        check_note(c, CHECK_SNAPSHOTS_MANY, 0, 0);
        c->snapshot_findings += nb - QCOW2_MAX_SNAPSHOTS;
        c->snapshots_fixed = true;
        nb = QCOW2_MAX_SNAPSHOTS;
    }
    ret = replace_list(&r, nb, errp);
    if (!c->snapshots_fixed) {
        c->res->corruptions += c->snapshot_findings;
    }
    return ret;
}

int coroutine_fn check_fix_snapshot_table(Checker *c)
{
    Qcow2 *q = c->q;
    int ret;

    co_mutex_lock(&q->lock);
    ret = qcow2_write_snapshots(q);
    if (ret == 0) {
        ret = qcow2_commit(q, true);
    }
    co_mutex_unlock(&q->lock);
    if (ret < 0) {
        check_say("ERROR failed to update snapshot table: %s\n", strerror(-ret));
        c->res->corruptions += c->snapshot_findings;
        c->res->check_errors++;
        return ret;
    }
    c->res->corruptions_fixed += c->snapshot_findings;
    return 0;
}
