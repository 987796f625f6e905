/*
 * Commands about a migration, while none has ever been started: there is nothing to tell, stop or go on with.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/settings.h"
#include "qapi/commands-migration.h"

MigrationInfo *qmp_query_migrate(Error **errp) { return MigrationInfo_new(); }
void qmp_migrate_cancel(Error **errp) {}

void qmp_migrate_continue(const MigrateContinueArgs *arg, Error **errp)
{
    error_setg(errp, "Migration not in expected state: none");
}

void qmp_migrate_incoming(const MigrateIncomingArgs *arg, Error **errp)
{
    error_setg(errp, "'-incoming' was not specified on the command line");
}

void qmp_migrate_recover(const MigrateRecoverArgs *arg, Error **errp)
{
    error_setg(errp, "Migrate recover can only be run when postcopy is paused.");
}

void qmp_migrate_pause(Error **errp)
{
    error_setg(errp, "migrate-pause is currently only supported during postcopy-active state");
}

void qmp_migrate_start_postcopy(Error **errp)
{
    error_setg(errp, migration_capability(MIGRATION_CAPABILITY_POSTCOPY_RAM)
               ? "Postcopy must be started after migration has been started"
               : "Enable postcopy with migrate_set_capability before the start of migration");
}

/* --- replication of running machines, which is not offered ------------------------------------------- */

void qmp_x_colo_lost_heartbeat(Error **errp) { error_setg(errp, "The feature 'colo' is not enabled"); }

COLOStatus *qmp_query_colo_status(Error **errp)
{
    COLOStatus *s = COLOStatus_new();

    s->mode = s->last_mode = COLO_MODE_NONE;
    s->reason = COLO_EXIT_REASON_NONE;
    return s;
}

/* Drives replicated for Xen are told; there are none. */
void qmp_xen_set_replication(const XenSetReplicationArgs *arg, Error **errp)
{
    if (arg->enable && arg->has_failover) {
        error_setg(errp, "Parameter 'failover' is only for stopping replication");
    }
}

void qmp_xen_colo_do_checkpoint(Error **errp) {}
void qmp_xen_set_global_dirty_log(const XenSetGlobalDirtyLogArgs *arg, Error **errp) {}
ReplicationStatus *qmp_query_xen_replication_status(Error **errp) { return ReplicationStatus_new(); }

/* --- limits on how fast processors dirty memory -------------------------------------------------------- */

void qmp_set_vcpu_dirty_limit(const SetVcpuDirtyLimitArgs *arg, Error **errp)
{
    error_setg(errp, "dirty page limit feature requires KVM with accelerator property 'dirty-ring-size' set'");
}

void qmp_cancel_vcpu_dirty_limit(const CancelVcpuDirtyLimitArgs *arg, Error **errp) {}
DirtyLimitInfoList *qmp_query_vcpu_dirty_limit(Error **errp) { return DirtyLimitInfoList_new(); }
