/*
 * qcow2: the snapshot table: entries in memory to bytes and back.
 *
 * An entry is 40 fixed bytes, extra data (64-bit vmstate size, disk size, icount, and whatever a
 * later program put there, which is kept), id and name without NUL; entries start at multiples of 8.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "qcow2-shadow.h"

#define FIXED_BYTES 40
#define EXTRA_KNOWN 24

void qcow2_snapshot_clear(Qcow2Snapshot *sn)
{
    g_free(sn->id_str);
    g_free(sn->name);
    g_free(sn->unknown_extra);
    *sn = (Qcow2Snapshot){ 0 };
}

void qcow2_snapshot_list_free(Qcow2Snapshot *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        qcow2_snapshot_clear(&list[i]);
    }
    g_free(list);
}

void qcow2_free_snapshots(Qcow2 *q)
{
    qcow2_snapshot_list_free(q->snapshots, q->nb_snapshots);
    q->snapshots = NULL;
    q->nb_snapshots = 0;
}

static uint32_t extra_bytes(const Qcow2Snapshot *sn)
{
    return MAX(sn->extra_data_size, EXTRA_KNOWN);
}

uint64_t qcow2_snapshot_entry_bytes(const Qcow2Snapshot *sn)
{
    return ALIGN_UP(FIXED_BYTES + extra_bytes(sn) + strlen(sn->id_str) + strlen(sn->name), 8);
}

static void encode_one(const Qcow2Snapshot *sn, uint8_t *p)
{
    size_t id_len = strlen(sn->id_str), name_len = strlen(sn->name);
    store_be64(p, sn->l1_table_offset);
    store_be32(p + 8, sn->l1_size);
    store_be16(p + 12, id_len);
    store_be16(p + 14, name_len);
    store_be32(p + 16, sn->date_sec);
    store_be32(p + 20, sn->date_nsec);
    store_be64(p + 24, sn->vm_clock_nsec);
    store_be32(p + 32, MIN(sn->vm_state_size, UINT32_MAX));
    store_be32(p + 36, extra_bytes(sn));
    store_be64(p + 40, sn->vm_state_size);
    store_be64(p + 48, sn->disk_size);
    store_be64(p + 56, sn->icount);
    p += FIXED_BYTES + EXTRA_KNOWN;
    if (sn->extra_data_size > EXTRA_KNOWN) {
        memcpy(p, sn->unknown_extra, sn->extra_data_size - EXTRA_KNOWN);
        p += sn->extra_data_size - EXTRA_KNOWN;
    }
    memcpy(p, sn->id_str, id_len);
    memcpy(p + id_len, sn->name, name_len);
}

uint8_t *qcow2_snapshots_encode(const Qcow2Snapshot *sn, unsigned n, uint64_t *bytes)
{
    uint64_t total = 0, at = 0;
    for (unsigned i = 0; i < n; i++) {
        total += qcow2_snapshot_entry_bytes(&sn[i]);
    }
    *bytes = total;
    uint8_t *buf = g_try_malloc0(MAX(total, 1));
    for (unsigned i = 0; buf && i < n; i++) {
        encode_one(&sn[i], buf + at);
        at += qcow2_snapshot_entry_bytes(&sn[i]);
    }
    return buf;
}

/* --- reading: a window over the table, refilled as needed ------------------------------ */

typedef struct Reader {
    Qcow2 *q;
    int64_t file_len;
    uint64_t pos, from, len;         /* next byte; what buf holds (file offsets) */
    uint8_t *buf;
} Reader;

#define WINDOW (256 * KiB)

static int coroutine_fn fill(Reader *r)
{
    uint64_t have = r->pos < (uint64_t)r->file_len ? MIN(WINDOW, (uint64_t)r->file_len - r->pos) : 0;
    int ret = have ? bdrv_read_buf(r->q->bs->file, r->pos, have, r->buf, 0) : 0;
    memset(r->buf + have, 0, WINDOW - have);
    r->from = r->pos;
    r->len = WINDOW;
    return ret;
}

static int coroutine_fn take(Reader *r, void *out, uint64_t n)
{
    while (n) {
        if (r->pos < r->from || r->pos >= r->from + r->len) {
            int ret = fill(r);
            if (ret < 0) {
                return ret;
            }
        }
        uint64_t part = MIN(n, r->from + r->len - r->pos);
        if (out) {
            memcpy(out, r->buf + (r->pos - r->from), part);
            out = (uint8_t *)out + part;
        }
        r->pos += part;
        n -= part;
    }
    return 0;
}

static int coroutine_fn take_extra(Reader *r, Qcow2Snapshot *sn, unsigned index, Error **errp)
{
    uint8_t extra[QCOW2_MAX_SNAPSHOT_EXTRA];
    uint32_t kept = MIN(sn->extra_data_size, sizeof(extra)), over = sn->extra_data_size - kept;
    if (over && !(r->q->bs->open_flags & BDRV_O_CHECK)) {
        error_setg(errp, "Too much extra metadata in snapshot table entry %u", index);
        error_append_hint(errp, "You can force-remove this extra metadata with qemu-img check -r all\n");
        return -EFBIG;
    }
    int ret = take(r, extra, kept);
    if (ret < 0) {
        return ret;
    }
    r->pos += over;
    sn->extra_data_size = kept;
    if (kept >= 8) {
        sn->vm_state_size = load_be64(extra);
    }
    sn->disk_size = kept >= 16 ? load_be64(extra + 8) : (uint64_t)r->q->bs->total_bytes;
    sn->icount = kept >= 24 ? load_be64(extra + 16) : UINT64_MAX;
    if (kept > EXTRA_KNOWN) {
        sn->unknown_extra = g_memdup2(extra + EXTRA_KNOWN, kept - EXTRA_KNOWN);
    }
    return 0;
}

static int coroutine_fn take_entry(Reader *r, Qcow2Snapshot *sn, unsigned index, Error **errp)
{
    uint8_t f[FIXED_BYTES];
    int ret = take(r, f, sizeof(f));
    if (ret < 0) {
        return ret;
    }
    uint16_t id_len = load_be16(f + 12), name_len = load_be16(f + 14);
    *sn = (Qcow2Snapshot){
        .l1_table_offset = load_be64(f), .l1_size = load_be32(f + 8),
        .date_sec = load_be32(f + 16), .date_nsec = load_be32(f + 20), .vm_clock_nsec = load_be64(f + 24),
        .vm_state_size = load_be32(f + 32), .extra_data_size = load_be32(f + 36),
        .id_str = g_malloc0(id_len + 1), .name = g_malloc0(name_len + 1),
    };
    ret = take_extra(r, sn, index, errp);
    if (ret == 0) {
        ret = take(r, sn->id_str, id_len);
    }
    return ret == 0 ? take(r, sn->name, name_len) : ret;
}

static int coroutine_fn read_entries(Reader *r, unsigned nb, Error **errp)
{
    ERRP_GUARD();
    Qcow2 *q = r->q;
    for (unsigned i = 0; i < nb; i++) {
        r->pos = q->snapshots_offset + ALIGN_UP(r->pos - q->snapshots_offset, 8);
        q->nb_snapshots = i + 1;
        int ret = take_entry(r, &q->snapshots[i], i, errp);
        if (ret < 0) {
            if (!*errp) {
                error_setg_errno(errp, -ret, "Failed to read snapshot table");
            }
            return ret;
        }
        if (r->pos - q->snapshots_offset > QCOW2_MAX_SNAPSHOT_TABLE_BYTES) {
            if (q->bs->open_flags & BDRV_O_CHECK) {
                q->nb_snapshots = i;
                qcow2_snapshot_clear(&q->snapshots[i]);
                return 0;
            }
            error_setg(errp, "Snapshot table is too big");
            error_append_hint(errp, "You can force-remove all %u overhanging snapshots with qemu-img check -r all\n",
                              nb - i);
            return -EFBIG;
        }
        q->snapshots_bytes = r->pos - q->snapshots_offset;
    }
    return 0;
}

int coroutine_fn qcow2_read_snapshots(Qcow2 *q, const Qcow2Header *h, Error **errp)
{
    Reader r = { .q = q, .pos = h->snapshots_offset, .file_len = bdrv_getlength(q->bs->file->bs) };
    /* A table cannot have more entries than fit into its bound. */
    unsigned nb = MIN(h->nb_snapshots, QCOW2_MAX_SNAPSHOTS);
    q->snapshots = NULL;
    q->nb_snapshots = 0;
    q->snapshots_bytes = 0;
    q->snapshots_offset = nb ? h->snapshots_offset : 0;
    if (!nb) {
        return 0;
    }
    if (r.file_len < 0) {
        error_setg_errno(errp, -r.file_len, "Failed to read snapshot table");
        return r.file_len;
    }
    g_autofree uint8_t *window = g_try_malloc(WINDOW);
    r.buf = window;
    q->snapshots = g_try_new0(Qcow2Snapshot, nb);
    if (!window || !q->snapshots) {
        g_clear_pointer(&q->snapshots, g_free);
        error_setg_errno(errp, ENOMEM, "Failed to read snapshot table");
        return -ENOMEM;
    }
    int ret = read_entries(&r, nb, errp);
    if (ret < 0) {
        qcow2_free_snapshots(q);
    }
    return ret;
}

int coroutine_fn qcow2_write_snapshots(Qcow2 *q)
{
    uint64_t bytes, old = q->snapshots_offset, old_bytes = q->snapshots_bytes;
    g_autofree uint8_t *buf = qcow2_snapshots_encode(q->snapshots, q->nb_snapshots, &bytes);
    int64_t place = !buf ? -ENOMEM : bytes ? qcow2_alloc(q, bytes) : 0;
    int ret = place < 0 ? (int)place : 0;
    if (ret == 0 && bytes) {
        ret = qcow2_check_overlap(q, 0, place, bytes, false);
        if (ret == 0) {
            ret = bdrv_write_buf(q->bs->file, place, bytes, buf, 0);
        }
    }
    if (ret == 0) {
        ret = qcow2_commit(q, true);
    }
    if (ret == 0) {
        Qcow2Roots roots = {
            .l1_offset = q->l1_offset, .l1_size = q->l1_size, .rt_offset = q->rt_offset, .rt_clusters = q->rt_clusters,
            .snapshots_offset = place, .nb_snapshots = q->nb_snapshots, .disk_size = q->bs->total_bytes,
        };
        ret = qcow2_switch_roots(q, &roots);
    }
    if (ret < 0) {
        return ret;
    }
    q->snapshots_offset = place;
    q->snapshots_bytes = bytes;
    if (old_bytes) {
        qcow2_free_late(q, old, old_bytes, QCOW2_DISCARD_SNAPSHOT);
    }
    return 0;
}

int qcow2_validate_table(Qcow2 *q, uint64_t offset, uint64_t entries, size_t entry_size, int64_t max_bytes,
                         const char *name, Error **errp)
{
    if (entries > (uint64_t)max_bytes / entry_size) {
        error_setg(errp, "%s too large", name);
        return -EFBIG;
    }
    if (qcow2_in_cluster(q, offset) || offset > INT64_MAX - entries * entry_size) {
        error_setg(errp, "%s offset invalid", name);
        return -EINVAL;
    }
    return 0;
}

int qcow2_snapshot_list(BlockDriverState *bs, QEMUSnapshotInfo **out)
{
    Qcow2 *q = qcow2_of(bs);
    *out = NULL;
    if (qcow2_has_data_file(q)) {
        return -ENOTSUP;
    }
    if (!q->nb_snapshots) {
        return 0;
    }
    *out = g_try_new0(QEMUSnapshotInfo, q->nb_snapshots);
    if (!*out) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < q->nb_snapshots; i++) {
        const Qcow2Snapshot *sn = &q->snapshots[i];
        QEMUSnapshotInfo *info = &(*out)[i];
        pstrcpy(info->id_str, sizeof(info->id_str), sn->id_str);
        pstrcpy(info->name, sizeof(info->name), sn->name);
        info->vm_state_size = sn->vm_state_size;
        info->date_sec = sn->date_sec;
        info->date_nsec = sn->date_nsec;
        info->vm_clock_nsec = sn->vm_clock_nsec;
        info->icount = sn->icount;
        info->disk_size = sn->disk_size;
    }
    return q->nb_snapshots;
}
