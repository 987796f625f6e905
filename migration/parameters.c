/*
 * Parameters of migrations.  A change is merged into a copy as data, the copy is checked, then it takes the place
 * of the old one: a refused change changes nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "migration/settings.h"
#include "qapi/commands-migration.h"
#include "util/cutils.h"

static MigrationParameters *current;

static MigrationParameters *defaults(void)
{
    static const char text[] =
        "{'announce-initial': 50, 'announce-max': 550, 'announce-rounds': 5, 'announce-step': 100,"
        "'compress-level': 1, 'compress-threads': 8, 'compress-wait-thread': true, 'decompress-threads': 2,"
        "'throttle-trigger-threshold': 50, 'cpu-throttle-initial': 20, 'cpu-throttle-increment': 10,"
        "'cpu-throttle-tailslow': false, 'tls-creds': '', 'tls-hostname': '', 'tls-authz': '', 'max-bandwidth': 134217728,"
        "'downtime-limit': 300, 'x-checkpoint-delay': 20000, 'block-incremental': false, 'multifd-channels': 2,"
        "'xbzrle-cache-size': 67108864, 'max-postcopy-bandwidth': 0, 'max-cpu-throttle': 99, 'multifd-compression': 'none',"
        "'multifd-zlib-level': 1, 'multifd-zstd-level': 1}";
    g_autoptr(QObject) data = json_parse(text, &error_abort);

    return MigrationParameters_from_qobject(data, &error_abort);
}

const MigrationParameters *migration_parameters(void)
{
    if (!current) {
        current = defaults();
    }
    return current;
}

/* --- checks ---------------------------------------------------------------------------------------- */

static bool bad(Error **errp, const char *name, const char *expected)
{
    error_setg(errp, "Parameter '%s' expects %s", name, expected);
    return false;
}

typedef struct Limit {
    const char *name;
    uint64_t value, min, max;
    const char *expected;
} Limit;

static bool check_numbers(const MigrationParameters *p, Error **errp)
{
    const uint64_t any = UINT64_MAX;
    const Limit limits[] = {
        { "compress_level", p->compress_level, 0, 9, "a value between 0 and 9" },
        { "compress_threads", p->compress_threads, 1, 255, "a value between 1 and 255" },
        { "decompress_threads", p->decompress_threads, 1, 255, "a value between 1 and 255" },
        { "throttle_trigger_threshold", p->throttle_trigger_threshold, 1, 100, "an integer in the range of 1 to 100" },
        { "cpu_throttle_initial", p->cpu_throttle_initial, 1, 99, "an integer in the range of 1 to 99" },
        { "cpu_throttle_increment", p->cpu_throttle_increment, 1, 99, "an integer in the range of 1 to 99" },
        { "max_bandwidth", p->max_bandwidth, 0, SIZE_MAX,
          "an integer in the range of 0 to 18446744073709551615 bytes/second" },
        { "downtime_limit", p->downtime_limit, 0, 2000000, "an integer in the range of 0 to (2000 * 1000) ms" },
        { "multifd_channels", p->multifd_channels, 1, 255, "a value between 1 and 255" },
        { "multifd_zlib_level", p->multifd_zlib_level, 0, 9, "a value between 0 and 9" },
        { "multifd_zstd_level", p->multifd_zstd_level, 0, 20, "a value between 0 and 20" },
        { "xbzrle_cache_size", !(p->xbzrle_cache_size & (p->xbzrle_cache_size - 1)) ? p->xbzrle_cache_size : 0, 4096,
          any,
          "a power of two no less than the target page size" },
        { "max_cpu_throttle", p->max_cpu_throttle, p->cpu_throttle_initial, 99,
          "an integer in the range of cpu_throttle_initial to 99" },
        { "announce_initial", p->announce_initial, 0, 100000, "a value between 0 and 100000" },
        { "announce_max", p->announce_max, 0, 100000, "a value between 0 and 100000" },
        { "announce_rounds", p->announce_rounds, 0, 1000, "a value between 0 and 1000" },
        { "announce_step", p->announce_step, 1, 10000, "a value between 0 and 10000" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
        if (limits[i].value < limits[i].min || limits[i].value > limits[i].max) {
            return bad(errp, limits[i].name, limits[i].expected);
        }
    }
    return true;
}

static bool check_bitmap_aliases(const BitmapMigrationNodeAlias *node, Error **errp)
{
    const BitmapMigrationBitmapAliasList *l = node->bitmaps;

    for (size_t i = 0; i < l->len; i++) {
        if (strlen(l->items[i]->alias) > 255) {
            error_setg(errp, "The bitmap alias '%s' is longer than 255 bytes", l->items[i]->alias);
            return false;
        }
        for (size_t k = 0; k < i; k++) {
            if (!strcmp(l->items[k]->name, l->items[i]->name)) {
                error_setg(errp, "The bitmap '%s'/'%s' is mapped twice", node->node_name, l->items[i]->name);
                return false;
            }
        }
        for (size_t k = 0; k < i; k++) {
            if (!strcmp(l->items[k]->alias, l->items[i]->alias)) {
                error_setg(errp, "The bitmap alias '%s'/'%s' is used twice", node->alias, l->items[i]->alias);
                return false;
            }
        }
    }
    return true;
}

static bool check_node_alias(const BitmapMigrationNodeAliasList *l, size_t i, Error **errp)
{
    const BitmapMigrationNodeAlias *node = l->items[i];

    if (!id_wellformed(node->alias)) {
        error_setg(errp, "The node alias '%s' is not well-formed", node->alias);
        return false;
    }
    if (strlen(node->alias) > 255) {
        error_setg(errp, "The node alias '%s' is longer than 255 bytes", node->alias);
        return false;
    }
    if (strlen(node->node_name) > 31) {
        error_setg(errp, "The node name '%s' is longer than 31 bytes", node->node_name);
        return false;
    }
    for (size_t k = 0; k < i; k++) {
        if (!strcmp(l->items[k]->node_name, node->node_name)) {
            error_setg(errp, "The node name '%s' is mapped twice", node->node_name);
            return false;
        }
        if (!strcmp(l->items[k]->alias, node->alias)) {
            error_setg(errp, "The node alias '%s' is used twice", node->alias);
            return false;
        }
    }
    return check_bitmap_aliases(node, errp);
}

static bool check(const MigrationParameters *p, Error **errp)
{
    ERRP_GUARD();

    if (!check_numbers(p, errp)) {
        return false;
    }
    for (size_t i = 0; p->block_bitmap_mapping && i < p->block_bitmap_mapping->len; i++) {
        if (!check_node_alias(p->block_bitmap_mapping, i, errp)) {
            error_prepend(errp, "Invalid mapping given for block-bitmap-mapping: ");
            return false;
        }
    }
    return migration_check_zero_copy(NULL, p, errp);
}

/* --- commands ---------------------------------------------------------------------------------------- */

void qmp_migrate_set_parameters(const MigrateSetParameters *arg, Error **errp)
{
    g_autoptr(QObject) merged = MigrationParameters_to_qobject(migration_parameters());
    g_autoptr(QObject) change = MigrateSetParameters_to_qobject(arg);
    static const char *const texts[] = { "tls-creds", "tls-hostname", "tls-authz" };
    MigrationParameters *p;

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (qdict_has(change, texts[i]) && !qdict_get_str(change, texts[i])) {     /* null: none */
            qdict_put_str(change, texts[i], "");
        }
    }
    qdict_join(merged, change, false);
    p = MigrationParameters_from_qobject(merged, errp);
    if (!p) {
        return;
    }
    if (!check(p, errp)) {
        MigrationParameters_free(p);
        return;
    }
    MigrationParameters_free(current);
    current = p;
}

MigrationParameters *qmp_query_migrate_parameters(Error **errp)
{
    g_autoptr(QObject) data = MigrationParameters_to_qobject(migration_parameters());

    return MigrationParameters_from_qobject(data, errp);
}
