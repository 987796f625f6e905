/*
 * HMP: migrations, their capabilities and parameters.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hmp-int.h"
#include "qapi/commands-migration.h"
#include "util/options.h"

#pragma weak qmp_migrate_set_capabilities
#pragma weak qmp_query_migrate_capabilities
#pragma weak qmp_migrate_set_parameters
#pragma weak qmp_query_migrate_parameters
#pragma weak qmp_migrate_cancel
#pragma weak qmp_migrate_continue
#pragma weak qmp_migrate_incoming
#pragma weak qmp_migrate_recover
#pragma weak qmp_migrate_pause
#pragma weak qmp_migrate_start_postcopy
#pragma weak qmp_x_colo_lost_heartbeat
#pragma weak qmp_query_dirty_rate
#pragma weak qmp_calc_dirty_rate
#pragma weak qmp_set_vcpu_dirty_limit
#pragma weak qmp_cancel_vcpu_dirty_limit

static void no_such_value(Monitor *mon, const char *value)
{
    monitor_printf(mon, "Error: invalid parameter value: %s\n", value);
}

/* --- capabilities ------------------------------------------------------------------------------------- */

void hmp_migrate_set_capability(Monitor *mon, const QDict *args)
{
    const char *name = qdict_get_str(args, "capability");
    MigrationCapabilityStatus s = { 0 }, *items[] = { &s };
    MigrationCapabilityStatusList list = { 1, items };
    MigrateSetCapabilitiesArgs a = { &list };
    Error *err = NULL;

    if (!MigrationCapability_parse(name, &s.capability)) {
        no_such_value(mon, name);
        return;
    }
    qobject_get_bool(qdict_get(args, "state"), &s.state);
    qmp_migrate_set_capabilities(&a, &err);
    hmp_error(mon, err);
}

void hmp_info_migrate_capabilities(Monitor *mon, const QDict *args)
{
    MigrationCapabilityStatusList *l = qmp_query_migrate_capabilities(NULL);

    for (size_t i = 0; l && i < l->len; i++) {
        monitor_printf(mon, "%s: %s\n", MigrationCapability_str(l->items[i]->capability),
                       l->items[i]->state ? "on" : "off");
    }
    MigrationCapabilityStatusList_free(l);
}

/* --- parameters ------------------------------------------------------------------------------------------ */

typedef enum ParamKind { PARAM_INT, PARAM_BOOL, PARAM_STR, PARAM_SIZE, PARAM_MIB, PARAM_QMP_ONLY } ParamKind;

typedef struct ParamRow {
    const char *name;
    ParamKind kind;
    const char *unit;          /* behind the value in the list */
} ParamRow;

/* In the order of the list. */
static const ParamRow rows[] = {
    { "announce-initial", PARAM_INT, " ms" }, { "announce-max", PARAM_INT, " ms" },
    { "announce-rounds", PARAM_INT, "" },
    { "announce-step", PARAM_INT, " ms" }, { "compress-level", PARAM_INT, "" }, { "compress-threads", PARAM_INT, "" },
    { "compress-wait-thread", PARAM_BOOL, "" }, { "decompress-threads", PARAM_INT, "" },
    { "throttle-trigger-threshold", PARAM_INT, "" }, { "cpu-throttle-initial", PARAM_INT, "" },
    { "cpu-throttle-increment", PARAM_INT, "" }, { "cpu-throttle-tailslow", PARAM_BOOL, "" },
    { "max-cpu-throttle", PARAM_INT, "" },
    { "tls-creds", PARAM_STR, "'" }, { "tls-hostname", PARAM_STR, "'" },
    { "max-bandwidth", PARAM_MIB, " bytes/second" },
    { "downtime-limit", PARAM_INT, " ms" }, { "x-checkpoint-delay", PARAM_INT, " ms" },
    { "block-incremental", PARAM_BOOL, "" },
    { "multifd-channels", PARAM_INT, "" }, { "multifd-compression", PARAM_STR, "" },
    { "xbzrle-cache-size", PARAM_SIZE, " bytes" }, { "max-postcopy-bandwidth", PARAM_INT, "" },
    { "tls-authz", PARAM_STR, "'" },
    { "multifd-zlib-level", PARAM_INT, NULL }, { "multifd-zstd-level", PARAM_INT, NULL },
    { "block-bitmap-mapping", PARAM_QMP_ONLY, NULL },
};

static const ParamRow *find_row(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!strcmp(rows[i].name, name)) {
            return &rows[i];
        }
    }
    return NULL;
}

static bool put_value(QDict *d, const ParamRow *row, const char *text, Error **errp)
{
    g_autofree char *with_unit = NULL;
    uint64_t n;
    bool b;

    switch (row->kind) {
    case PARAM_BOOL:
        if (!opt_parse_bool(row->name, text, &b, errp)) {
            return false;
        }
        qdict_put_bool(d, row->name, b);
        return true;
    case PARAM_STR:
        qdict_put_str(d, row->name, text);
        return true;
    case PARAM_MIB:
        with_unit = *text && g_ascii_isdigit(text[strlen(text) - 1]) ? g_strdup_printf("%sM", text) : NULL;
        /* fall through */
    case PARAM_SIZE:
        if (!opt_parse_size(row->name, with_unit ? with_unit : text, &n, errp)) {
            return false;
        }
        qdict_put(d, row->name, quint_new(n));
        return true;
    case PARAM_INT: {
        char *end;

        n = g_ascii_strtoull(text, &end, 0);
        if (!*text || *end) {
            error_setg(errp, "Parameter '%s' expects uint64", row->name);
            return false;
        }
        qdict_put(d, row->name, quint_new(n));
        return true;
    }
    default:
        error_setg(errp, "The block-bitmap-mapping parameter can only be set through QMP");
        return false;
    }
}

void hmp_migrate_set_parameter(Monitor *mon, const QDict *args)
{
    const ParamRow *row = find_row(qdict_get_str(args, "parameter"));
    g_autoptr(QObject) d = qdict_new();
    MigrateSetParameters *p = NULL;
    Error *err = NULL;

    if (!row) {
        no_such_value(mon, qdict_get_str(args, "parameter"));
        return;
    }
    if (put_value(d, row, qdict_get_str(args, "value"), &err)) {
        p = MigrateSetParameters_from_qobject(d, &err);
    }
    if (p) {
        qmp_migrate_set_parameters(p, &err);
        MigrateSetParameters_free(p);
    }
    hmp_error(mon, err);
}

static void print_value(Monitor *mon, const ParamRow *row, const QObject *value)
{
    const char *text = qobject_get_str(value);
    uint64_t n;
    bool b;

    if (text) {
        monitor_printf(mon, "%s: %s%s%s\n", row->name, row->unit, text, row->unit);
    } else if (qobject_get_bool(value, &b)) {
        monitor_printf(mon, "%s: %s\n", row->name, b ? "on" : "off");
    } else if (qobject_get_uint(value, &n)) {
        monitor_printf(mon, "%s: %" PRIu64 "%s\n", row->name, n, row->unit);
    }
}

static void print_mapping(Monitor *mon, const BitmapMigrationNodeAliasList *nodes)
{
    monitor_printf(mon, "block-bitmap-mapping:\n");
    for (size_t i = 0; i < nodes->len; i++) {
        const BitmapMigrationNodeAlias *node = nodes->items[i];

        monitor_printf(mon, "  '%s' -> '%s'\n", node->node_name, node->alias);
        for (size_t k = 0; k < node->bitmaps->len; k++) {
            monitor_printf(mon, "    '%s' -> '%s'\n", node->bitmaps->items[k]->name, node->bitmaps->items[k]->alias);
        }
    }
}

void hmp_info_migrate_parameters(Monitor *mon, const QDict *args)
{
    MigrationParameters *p = qmp_query_migrate_parameters(NULL);
    g_autoptr(QObject) d = p ? MigrationParameters_to_qobject(p) : NULL;

    for (size_t i = 0; d && i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].unit) {
            print_value(mon, &rows[i], qdict_get(d, rows[i].name));
        }
    }
    if (p && p->block_bitmap_mapping) {
        print_mapping(mon, p->block_bitmap_mapping);
    }
    MigrationParameters_free(p);
}

/* --- a migration ------------------------------------------------------------------------------------------- */

void hmp_info_migrate(Monitor *mon, const QDict *args)
{
    monitor_printf(mon, "globals:\nstore-global-state: on\nonly-migratable: off\nsend-configuration: on\n"
                   "send-section-footer: on\ndecompress-error-check: on\nclear-bitmap-shift: 18\n");
}

static void simple(Monitor *mon, void (*command)(Error **errp))
{
    Error *err = NULL;

    command(&err);
    hmp_error(mon, err);
}

void hmp_migrate_cancel(Monitor *mon, const QDict *args) { simple(mon, qmp_migrate_cancel); }
void hmp_migrate_pause(Monitor *mon, const QDict *args) { simple(mon, qmp_migrate_pause); }
void hmp_migrate_start_postcopy(Monitor *mon, const QDict *args) { simple(mon, qmp_migrate_start_postcopy); }
void hmp_x_colo_lost_heartbeat(Monitor *mon, const QDict *args) { simple(mon, qmp_x_colo_lost_heartbeat); }

void hmp_migrate_continue(Monitor *mon, const QDict *args)
{
    MigrateContinueArgs a = { 0 };
    Error *err = NULL;

    if (!MigrationStatus_parse(qdict_get_str(args, "state"), &a.state)) {
        no_such_value(mon, qdict_get_str(args, "state"));
        return;
    }
    qmp_migrate_continue(&a, &err);
    hmp_error(mon, err);
}

void hmp_migrate_incoming(Monitor *mon, const QDict *args)
{
    MigrateIncomingArgs a = { (char *)qdict_get_str(args, "uri") };
    Error *err = NULL;

    qmp_migrate_incoming(&a, &err);
    hmp_error(mon, err);
}

void hmp_migrate_recover(Monitor *mon, const QDict *args)
{
    MigrateRecoverArgs a = { (char *)qdict_get_str(args, "uri") };
    Error *err = NULL;

    qmp_migrate_recover(&a, &err);
    hmp_error(mon, err);
}

/* --- dirty memory ------------------------------------------------------------------------------------------- */

void hmp_info_dirty_rate(Monitor *mon, const QDict *args)
{
    DirtyRateInfo *info = qmp_query_dirty_rate(NULL);

    monitor_printf(mon, "Status: %s\nStart Time: %" PRId64 " (ms)\nSample Pages: %" PRIu64 " (per GB)\nPeriod: %" PRId64
                   " (sec)\nMode: %s\nDirty rate: ", DirtyRateStatus_str(info->status), info->start_time,
                   (uint64_t)info->sample_pages, info->calc_time, DirtyRateMeasureMode_str(info->mode));
    if (info->has_dirty_rate) {
        monitor_printf(mon, "%" PRId64 " (MB/s)\n", info->dirty_rate);
    } else {
        monitor_printf(mon, "(not ready)\n");
    }
    DirtyRateInfo_free(info);
}

void hmp_calc_dirty_rate(Monitor *mon, const QDict *args)
{
    int64_t second = qdict_get_int(args, "second", 0);
    bool ring = qdict_get_bool(args, "dirty_ring", false), bitmap = qdict_get_bool(args, "dirty_bitmap", false);
    CalcDirtyRateArgs a = { .calc_time = second, .has_mode = true };
    Error *err = NULL;

    if (!second) {
        monitor_printf(mon, "Incorrect period length specified!\n");
        return;
    }
    if (ring && bitmap) {
        monitor_printf(mon, "Either dirty ring or dirty bitmap can be specified!\n");
        return;
    }
    a.mode = ring ? DIRTY_RATE_MEASURE_MODE_DIRTY_RING : bitmap ? DIRTY_RATE_MEASURE_MODE_DIRTY_BITMAP
        : DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING;
    a.sample_pages = qdict_get_int(args, "sample_pages_per_GB", -1);
    a.has_sample_pages = a.sample_pages != -1;
    qmp_calc_dirty_rate(&a, &err);
    if (!hmp_error(mon, err)) {
        monitor_printf(mon, "Starting dirty rate measurement with period %" PRId64 " seconds\n"
                       "[Please use 'info dirty_rate' to check results]\n", second);
    }
}

void hmp_info_vcpu_dirty_limit(Monitor *mon, const QDict *args)
{
    monitor_printf(mon, "Dirty page limit not enabled!\n");
}

void hmp_set_vcpu_dirty_limit(Monitor *mon, const QDict *args)
{
    SetVcpuDirtyLimitArgs a = { 0 };
    Error *err = NULL;

    qmp_set_vcpu_dirty_limit(&a, &err);
    hmp_error(mon, err);
}

void hmp_cancel_vcpu_dirty_limit(Monitor *mon, const QDict *args)
{
    monitor_printf(mon, "[Please use 'info vcpu_dirty_limit' to query dirty limit for virtual CPU]\n");
}
