/*
 * What qemu-img tells about internal snapshots: the list, differences, sizes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "img/snapshot.h"

/* ---- list ---- */
static int print_list_json(const QEMUSnapshotInfo *list, int n)
{
    g_autoptr(QObject) out = qlist_new();

    for (int i = 0; i < n; i++) {
        qlist_append(out, bdrv_snapshot_info_dict(&list[i]));
    }
    img_print_json(out);
    return 0;
}

int img_snapshot_print_list(BlockDriverState *bs, bool json)
{
    g_autofree QEMUSnapshotInfo *list = NULL;
    g_autofree char *header = NULL;
    int n = bdrv_snapshot_list(bs, &list);

    if (json) {
        return print_list_json(list, n);
    }
    if (n <= 0) {
        return 0;
    }
    header = bdrv_snapshot_dump_line(NULL);
    printf("Snapshot list:\n%s\n", header);
    for (int i = 0; i < n; i++) {
        g_autofree char *line = bdrv_snapshot_dump_line(&list[i]);

        printf("%s\n", line);
    }
    return 0;
}

/* ---- differences ---- */
typedef struct DiffOutput {
    QList *ranges;          /* NULL: rows are printed at once */
    int64_t bytes, count;
} DiffOutput;

static void put_range(void *opaque, int64_t offset, int64_t bytes)
{
    DiffOutput *d = opaque;

    if (d->ranges) {
        QDict *range = qdict_new();

        qdict_put_int(range, "start", offset);
        qdict_put_int(range, "length", bytes);
        qlist_append(d->ranges, range);
    } else {
        if (!d->count) {
            printf("%-16s%-16s\n", "Offset", "Length");
        }
        printf("%#-16" PRIx64 "%#-16" PRIx64 "\n", offset, bytes);
    }
    d->bytes += bytes;
    d->count++;
}

static void print_diff_json(const char *from, const char *to, const DiffOutput *d, QList *ranges)
{
    g_autoptr(QObject) out = qdict_new();

    qdict_put_str(out, "from", from);
    if (to) {
        qdict_put_str(out, "to", to);
    }
    qdict_put_int(out, "bytes", d->bytes);
    qdict_put(out, "ranges", ranges);
    img_print_json(out);
}

static void report_diff_failure(BlockDriverState *bs, const char *from, const char *to, Error *err)
{
    const char *words[] = { from, to };
    QEMUSnapshotInfo sn;

    error_report_err(err);
    for (int i = 0; i < 2; i++) {
        if (words[i] && bdrv_snapshot_find_by_id_or_name(bs, words[i], &sn, NULL) < 0) {
            img_snapshot_hint(bs, words[i]);
            return;
        }
    }
}

int img_snapshot_print_diff(BlockDriverState *bs, const char *from, const char *to, bool json)
{
    DiffOutput d = { .ranges = json ? qlist_new() : NULL };
    Error *err = NULL;
    int ret = bdrv_snapshot_diff(bs, from, to, put_range, &d, &err);

    if (ret < 0) {
        report_diff_failure(bs, from, to, err);
        qobject_unref(d.ranges);
        return ret;
    }
    if (json) {
        print_diff_json(from, to, &d, d.ranges);
    } else {
        g_autofree char *size = size_to_str(d.bytes);

        printf("%s in %" PRId64 " range%s may differ\n", size, d.count, d.count == 1 ? "" : "s");
    }
    return 0;
}

/* ---- sizes ---- */
void img_snapshot_print_freed(const QList *report, bool json)
{
    int64_t total = 0;

    if (json) {
        img_print_json(report);
        return;
    }
    for (size_t i = 0; i < qlist_size(report); i++) {
        const QDict *line = qlist_get(report, i);
        int64_t freed = qdict_get_int(line, "freed", 0);
        g_autofree char *size = size_to_str(MAX(freed, 0));

        printf("Deleted snapshot '%s' (ID %s): %s freed\n", qdict_get_str(line, "name"), qdict_get_str(line, "id"), size);
        total += freed;
    }
    if (qlist_size(report) != 1) {
        g_autofree char *size = size_to_str(MAX(total, 0));

        printf("%zu snapshots deleted, %s freed\n", qlist_size(report), size);
    }
}

int img_snapshot_add_usage(BlockDriverState *bs, QDict *info)
{
    g_autofree QEMUSnapshotInfo *list = NULL;
    g_autofree BdrvSnapshotUsage *usage = NULL;
    QList *members = qdict_get_list(info, "snapshots");
    Error *err = NULL;
    int n;

    if (!members) {
        return 0;
    }
    n = bdrv_snapshot_usage(bs, &list, &usage, &err);
    if (n < 0) {
        error_report_err(err);
        return n;
    }
    for (int i = 0; i < n && (size_t)i < qlist_size(members); i++) {
        QDict *d = qlist_get(members, i);

        qdict_put_uint(d, "own-size", usage[i].own);
        qdict_put_uint(d, "shared-size", usage[i].shared);
    }
    return 0;
}

void img_snapshot_print_usage(const QDict *info)
{
    const QList *members = qdict_get_list(info, "snapshots");

    for (size_t i = 0; members && i < qlist_size(members); i++) {
        const QDict *d = qlist_get(members, i);
        g_autofree char *own = size_to_str(qdict_get_int(d, "own-size", 0));
        g_autofree char *shared = size_to_str(qdict_get_int(d, "shared-size", 0));

        if (!i) {
            printf("Snapshot sizes:\n%-9s %-16s %12s %12s\n", "ID", "TAG", "OWN", "SHARED");
        }
        printf("%-9s %-16s %12s %12s\n", qdict_get_str(d, "id"), qdict_get_str(d, "name"), own, shared);
    }
}
