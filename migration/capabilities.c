/*
 * Capabilities of migrations: a bit each, and which of them exclude each other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "migration/settings.h"
#include "qapi/commands-migration.h"

static bool enabled[MIGRATION_CAPABILITY__MAX];

bool migration_capability(MigrationCapability c) { return enabled[c]; }

bool migration_check_zero_copy(const bool *caps, const MigrationParameters *p, Error **errp)
{
    if (!caps) {
        caps = enabled;
    }
    if (caps[MIGRATION_CAPABILITY_ZERO_COPY_SEND]
        && (!caps[MIGRATION_CAPABILITY_MULTIFD] || caps[MIGRATION_CAPABILITY_COMPRESS]
            || caps[MIGRATION_CAPABILITY_XBZRLE]
            || p->multifd_compression || (p->tls_creds && *p->tls_creds))) {
        error_setg(errp, "Zero copy only available for non-compressed non-TLS multifd migration");
        return false;
    }
    return true;
}

/* A snapshot taken in the background writes pages in an order of its own. */
static bool check_background_snapshot(const bool *caps, Error **errp)
{
    static const MigrationCapability excluded[] = {
        MIGRATION_CAPABILITY_POSTCOPY_RAM, MIGRATION_CAPABILITY_DIRTY_BITMAPS, MIGRATION_CAPABILITY_POSTCOPY_BLOCKTIME,
        MIGRATION_CAPABILITY_LATE_BLOCK_ACTIVATE, MIGRATION_CAPABILITY_RETURN_PATH, MIGRATION_CAPABILITY_MULTIFD,
        MIGRATION_CAPABILITY_PAUSE_BEFORE_SWITCHOVER, MIGRATION_CAPABILITY_AUTO_CONVERGE,
        MIGRATION_CAPABILITY_RELEASE_RAM,
        MIGRATION_CAPABILITY_RDMA_PIN_ALL, MIGRATION_CAPABILITY_COMPRESS, MIGRATION_CAPABILITY_XBZRLE,
        MIGRATION_CAPABILITY_X_COLO, MIGRATION_CAPABILITY_VALIDATE_UUID, MIGRATION_CAPABILITY_ZERO_COPY_SEND,
    };

    for (size_t i = 0; caps[MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT] && i < G_N_ELEMENTS(excluded); i++) {
        if (caps[excluded[i]]) {
            error_setg(errp, "Background-snapshot is not compatible with %s", MigrationCapability_str(excluded[i]));
            return false;
        }
    }
    return true;
}

static bool check(const bool *caps, Error **errp)
{
    if (caps[MIGRATION_CAPABILITY_POSTCOPY_RAM] && caps[MIGRATION_CAPABILITY_X_IGNORE_SHARED]) {
        error_setg(errp, "Postcopy is not compatible with ignore-shared");
        return false;
    }
    if (!check_background_snapshot(caps, errp) || !migration_check_zero_copy(caps, migration_parameters(), errp)) {
        return false;
    }
    if (caps[MIGRATION_CAPABILITY_POSTCOPY_PREEMPT]) {
        if (!caps[MIGRATION_CAPABILITY_POSTCOPY_RAM]) {
            error_setg(errp, "Postcopy preempt requires postcopy-ram");
            return false;
        }
        if (caps[MIGRATION_CAPABILITY_COMPRESS]) {
            error_setg(errp, "Postcopy preempt not compatible with compress");
            return false;
        }
    }
    if (caps[MIGRATION_CAPABILITY_MULTIFD] && caps[MIGRATION_CAPABILITY_COMPRESS]) {
        error_setg(errp, "Multifd is not compatible with compress");
        return false;
    }
    return true;
}

void qmp_migrate_set_capabilities(const MigrateSetCapabilitiesArgs *arg, Error **errp)
{
    bool caps[MIGRATION_CAPABILITY__MAX];

    memcpy(caps, enabled, sizeof(caps));
    for (size_t i = 0; i < arg->capabilities->len; i++) {
        caps[arg->capabilities->items[i]->capability] = arg->capabilities->items[i]->state;
    }
    if (check(caps, errp)) {
        memcpy(enabled, caps, sizeof(caps));
    }
}

MigrationCapabilityStatusList *qmp_query_migrate_capabilities(Error **errp)
{
    MigrationCapabilityStatusList *list = MigrationCapabilityStatusList_new();

    for (int c = 0; c < MIGRATION_CAPABILITY__MAX; c++) {
        MigrationCapabilityStatus *s = MigrationCapabilityStatus_new();

        s->capability = c;
        s->state = enabled[c];
        MigrationCapabilityStatusList_append(list, s);
    }
    return list;
}
