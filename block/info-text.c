/*
 * Image information for people.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include "block/info-text.h"
#include "block/snapshot.h"
#include "util/cutils.h"
#include "util/options.h"

static void put_value(GString *out, const QObject *value, int indent);

static void put_indent(GString *out, int indent)
{
    g_string_append_printf(out, "%*s", indent * 4, "");
}

static void put_scalar(GString *out, const QObject *value)
{
    bool truth = false;
    int64_t i;
    uint64_t u;
    double d;

    if (qobject_get_bool(value, &truth)) {
        g_string_append(out, truth ? "true" : "false");
    } else if (qobject_get_int(value, &i)) {
        g_string_append_printf(out, "%" PRId64, i);
    } else if (qobject_get_uint(value, &u)) {
        g_string_append_printf(out, "%" PRIu64, u);
    } else if (qobject_get_double(value, &d)) {
        g_string_append_printf(out, "%.17g", d);
    } else if (qobject_get_str(value)) {
        g_string_append(out, qobject_get_str(value));
    } else {
        g_string_append(out, "null");
    }
}

static bool is_composite(const QObject *value)
{
    return qobject_type(value) == QTYPE_DICT || qobject_type(value) == QTYPE_LIST;
}

/* After "NAME:": a scalar on the same line, members on lines of their own. */
static void put_member(GString *out, const QObject *value, int indent)
{
    if (is_composite(value)) {
        g_string_append_c(out, '\n');
        put_value(out, value, indent + 1);
    } else {
        g_string_append_c(out, ' ');
        put_scalar(out, value);
        g_string_append_c(out, '\n');
    }
}

static void put_value(GString *out, const QObject *value, int indent)
{
    if (qobject_type(value) == QTYPE_LIST) {
        for (size_t i = 0; i < qlist_size(value); i++) {
            put_indent(out, indent);
            g_string_append_printf(out, "[%zu]:", i);
            put_member(out, qlist_get(value, i), indent);
        }
        return;
    }
    for (size_t i = 0; i < qdict_size(value); i++) {
        g_autofree char *name = g_strdelimit(g_strdup(qdict_key_at(value, i)), "-", ' ');

        put_indent(out, indent);
        g_string_append_printf(out, "%s:", name);
        put_member(out, qdict_value_at(value, i), indent);
    }
}

char *bdrv_specific_info_text(const QObject *specific, int indent)
{
    const QObject *data = specific ? qdict_get(specific, "data") : NULL;
    GString *out = g_string_new(NULL);

    if (data && is_composite(data)) {
        put_value(out, data, indent);
    }
    return g_string_free(out, FALSE);
}

static void put_size(GString *out, const QDict *info, const char *key)
{
    g_autofree char *text = qdict_has(info, key) ? size_to_str(qdict_get_int(info, key, 0)) : g_strdup("unavailable");

    g_string_append(out, text);
}

static void put_backing(GString *out, const QDict *info)
{
    const char *name = qdict_get_str(info, "backing-filename"), *full = qdict_get_str(info, "full-backing-filename");
    const char *format = qdict_get_str(info, "backing-filename-format");

    if (!name) {
        return;
    }
    g_string_append_printf(out, "backing file: %s", name);
    if (!full) {
        g_string_append(out, " (cannot determine actual path)");
    } else if (strcmp(name, full)) {
        g_string_append_printf(out, " (actual path: %s)", full);
    }
    g_string_append_c(out, '\n');
    if (format) {
        g_string_append_printf(out, "backing file format: %s\n", format);
    }
}

static void put_snapshot(GString *out, const QDict *d)
{
    QEMUSnapshotInfo sn = {
        .vm_state_size = qdict_get_int(d, "vm-state-size", 0),
        .date_sec = qdict_get_int(d, "date-sec", 0),
        .date_nsec = qdict_get_int(d, "date-nsec", 0),
        .vm_clock_nsec = qdict_get_int(d, "vm-clock-sec", 0) * 1000000000 + qdict_get_int(d, "vm-clock-nsec", 0),
        .icount = qdict_has(d, "icount") ? (uint64_t)qdict_get_int(d, "icount", 0) : UINT64_MAX,
    };
    g_autofree char *line = NULL;

    pstrcpy(sn.id_str, sizeof(sn.id_str), qdict_get_str(d, "id") ?: "");
    pstrcpy(sn.name, sizeof(sn.name), qdict_get_str(d, "name") ?: "");
    line = bdrv_snapshot_dump_line(&sn);
    g_string_append_printf(out, "%s\n", line);
}

static void put_snapshots(GString *out, const QDict *info)
{
    const QList *list = qdict_get_list(info, "snapshots");
    g_autofree char *header = NULL;

    if (!list || !qlist_size(list)) {
        return;
    }
    header = bdrv_snapshot_dump_line(NULL);
    g_string_append_printf(out, "Snapshot list:\n%s\n", header);
    for (size_t i = 0; i < qlist_size(list); i++) {
        put_snapshot(out, qlist_get(list, i));
    }
}

char *bdrv_image_info_text(const QDict *info)
{
    GString *out = g_string_new(NULL);
    g_autofree char *specific = bdrv_specific_info_text(qdict_get(info, "format-specific"), 1);

    g_string_append_printf(out, "image: %s\nfile format: %s\nvirtual size: ", qdict_get_str(info, "filename"),
                           qdict_get_str(info, "format"));
    put_size(out, info, "virtual-size");
    g_string_append_printf(out, " (%" PRId64 " bytes)\ndisk size: ", qdict_get_int(info, "virtual-size", 0));
    put_size(out, info, "actual-size");
    g_string_append_c(out, '\n');
    if (qdict_get_bool(info, "encrypted", false)) {
        g_string_append(out, "encrypted: yes\n");
    }
    if (qdict_has(info, "cluster-size")) {
        g_string_append_printf(out, "cluster_size: %" PRId64 "\n", qdict_get_int(info, "cluster-size", 0));
    }
    if (qdict_get_bool(info, "dirty-flag", false)) {
        g_string_append(out, "cleanly shut down: no\n");
    }
    put_backing(out, info);
    put_snapshots(out, info);
    if (*specific) {
        g_string_append_printf(out, "Format specific information:\n%s", specific);
    }
    return g_string_free(out, FALSE);
}
