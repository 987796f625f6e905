/*
 * QMP: commands about devices and features of which this program has none.  The answers are those of a program that
 * has the feature, but whose machine was given no such device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "accel/accel.h"
#include "hw/machine.h"
#include "machine/runstate.h"
#include "qapi/commands-machine.h"
#include "qapi/commands-migration.h"
#include "qapi/commands-misc-target.h"
#include "qapi/commands-net.h"
#include "qapi/commands-replay.h"
#include "qapi/commands-rocker.h"
#include "qapi/commands-stats.h"
#include "qapi/commands-tpm.h"
#include "qapi/commands-ui.h"

/* --- memory balloon, device tree --------------------------------------------------------------------- */

static void no_balloon(Error **errp)
{
    error_set(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE, "No balloon device has been activated");
}

void qmp_balloon(const BalloonArgs *arg, Error **errp) { no_balloon(errp); }

BalloonInfo *qmp_query_balloon(Error **errp)
{
    no_balloon(errp);
    return NULL;
}

void qmp_dumpdtb(const DumpdtbArgs *arg, Error **errp) { error_setg(errp, "This machine doesn't have a FDT"); }

/* --- network ------------------------------------------------------------------------------------------- */

void qmp_announce_self(const AnnounceParameters *arg, Error **errp) {}

void qmp_set_link(const SetLinkArgs *arg, Error **errp)
{
    error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", arg->name);
}

void qmp_netdev_del(const NetdevDelArgs *arg, Error **errp)
{
    error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", arg->id);
}

RxFilterInfoList *qmp_query_rx_filter(const QueryRxFilterArgs *arg, Error **errp)
{
    if (arg->name) {
        error_setg(errp, "invalid net client name: %s", arg->name);
        return NULL;
    }
    return RxFilterInfoList_new();
}

static void *no_rocker(const char *name, Error **errp)
{
    error_setg(errp, "rocker %s not found", name);
    return NULL;
}

RockerSwitch *qmp_query_rocker(const QueryRockerArgs *arg, Error **errp) { return no_rocker(arg->name, errp); }
RockerPortList *qmp_query_rocker_ports(const QueryRockerPortsArgs *arg, Error **errp)
{
    return no_rocker(arg->name, errp);
}

RockerOfDpaFlowList *qmp_query_rocker_of_dpa_flows(const QueryRockerOfDpaFlowsArgs *arg, Error **errp)
{
    return no_rocker(arg->name, errp);
}

RockerOfDpaGroupList *qmp_query_rocker_of_dpa_groups(const QueryRockerOfDpaGroupsArgs *arg, Error **errp)
{
    return no_rocker(arg->name, errp);
}

/* --- displays -------------------------------------------------------------------------------------------- */

static void no_spice(Error **errp) { error_set(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE, "SPICE is not in use"); }

void qmp_set_password(const SetPasswordOptions *arg, Error **errp)
{
    if (arg->protocol == DISPLAY_PROTOCOL_SPICE) {
        no_spice(errp);
    } else if (arg->has_connected && arg->connected != SET_PASSWORD_ACTION_KEEP) {
        error_setg(errp, "Invalid parameter 'connected'");
    } else {
        error_setg(errp, "Could not set password");
    }
}

void qmp_expire_password(const ExpirePasswordOptions *arg, Error **errp)
{
    if (arg->protocol == DISPLAY_PROTOCOL_SPICE) {
        no_spice(errp);
    } else {
        error_setg(errp, "Could not set password expire time");
    }
}

void qmp_change_vnc_password(const ChangeVncPasswordArgs *arg, Error **errp)
{
    error_setg(errp, "Could not set password");
}

void qmp_client_migrate_info(const ClientMigrateInfoArgs *arg, Error **errp)
{
    if (strcmp(arg->protocol, "spice")) {
        error_setg(errp, "Parameter 'protocol' expects 'spice'");
    } else {
        no_spice(errp);
    }
}

void qmp_display_reload(const DisplayReloadOptions *arg, Error **errp)
{
    if (arg->u.vnc.has_tls_certs && arg->u.vnc.tls_certs) {
        error_setg(errp, "Can not find vnc display");
    }
}

void qmp_display_update(const DisplayUpdateOptions *arg, Error **errp) { error_setg(errp, "Can not find vnc display"); }

DisplayOptions *qmp_query_display_options(Error **errp)
{
    DisplayOptions *o = DisplayOptions_new();

    o->type = DISPLAY_TYPE_NONE;
    return o;
}

SpiceInfo *qmp_query_spice(Error **errp)
{
    SpiceInfo *info = SpiceInfo_new();

    info->mouse_mode = SPICE_QUERY_MOUSE_MODE_CLIENT;
    return info;
}

VncInfo *qmp_query_vnc(Error **errp) { return VncInfo_new(); }
VncInfo2List *qmp_query_vnc_servers(Error **errp) { return VncInfo2List_new(); }

void qmp_screendump(const ScreendumpArgs *arg, Error **errp)
{
    if (arg->device) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", arg->device);
    } else if (arg->has_head) {
        error_setg(errp, "'head' must be specified together with 'device'");
    } else {
        error_setg(errp, "There is no console to take a screendump from");
    }
}

/* --- record and replay ------------------------------------------------------------------------------------- */

ReplayInfo *qmp_query_replay(Error **errp) { return ReplayInfo_new(); }

void qmp_replay_break(const ReplayBreakArgs *arg, Error **errp)
{
    error_setg(errp, "setting the breakpoint is allowed only in play mode");
}

void qmp_replay_delete_break(Error **errp) { error_setg(errp, "replay breakpoints are allowed only in play mode"); }
void qmp_replay_seek(const ReplaySeekArgs *arg, Error **errp) { error_setg(errp, "replay must be enabled to seek"); }

/* --- trusted platform modules, encrypted memory, enclaves ----------------------------------------------------- */

TPMInfoList *qmp_query_tpm(Error **errp) { return TPMInfoList_new(); }
TpmModelList *qmp_query_tpm_models(Error **errp) { return TpmModelList_new(); }
TpmTypeList *qmp_query_tpm_types(Error **errp) { return TpmTypeList_new(); }
SevInfo *qmp_query_sev(Error **errp) { return SevInfo_new(); }

SevCapability *qmp_query_sev_capabilities(Error **errp)
{
    error_setg(errp, kvm_enabled() ? "SEV is not enabled in KVM" : "KVM not enabled");
    return NULL;
}

SevLaunchMeasureInfo *qmp_query_sev_launch_measure(Error **errp)
{
    error_setg(errp, "SEV launch measurement is not available");
    return NULL;
}

SevAttestationReport *qmp_query_sev_attestation_report(const QuerySevAttestationReportArgs *arg, Error **errp)
{
    error_setg(errp, "SEV is not enabled");
    return NULL;
}

void qmp_sev_inject_launch_secret(const SevInjectLaunchSecretArgs *arg, Error **errp)
{
    error_setg(errp, "SEV not enabled for guest");
}

SGXInfo *qmp_query_sgx(Error **errp)
{
    bool pc = machine_class(machine_current())->default_cpu_type != NULL;

    error_setg(errp, pc ? "No EPC regions defined, SGX not available" : "SGX is only supported on PC machines");
    return NULL;
}

SGXInfo *qmp_query_sgx_capabilities(Error **errp)
{
    error_setg(errp, "SGX is not enabled in KVM");
    return NULL;
}

/* --- statistics of processors ------------------------------------------------------------------------------------ */

StatsResultList *qmp_query_stats(const StatsFilter *arg, Error **errp) { return StatsResultList_new(); }
StatsSchemaList *qmp_query_stats_schemas(const QueryStatsSchemasArgs *arg, Error **errp)
{
    return StatsSchemaList_new();
}

static HumanReadableText *only_with_tcg(const char *what, Error **errp)
{
    error_setg(errp, "%s is only available with accel=tcg", what);
    return NULL;
}

static HumanReadableText *text(const char *s)
{
    HumanReadableText *t = HumanReadableText_new();

    t->human_readable_text = g_strdup(s);
    return t;
}

HumanReadableText *qmp_x_query_jit(Error **errp) { return only_with_tcg("JIT information", errp); }
HumanReadableText *qmp_x_query_opcount(Error **errp) { return only_with_tcg("Opcode count information", errp); }

HumanReadableText *qmp_x_query_profile(Error **errp)
{
    error_setg(errp, "Internal profiler not compiled");
    return NULL;
}

HumanReadableText *qmp_x_query_rdma(Error **errp) { return text(""); }

HumanReadableText *qmp_x_query_usb(Error **errp)
{
    error_setg(errp, "USB support not enabled");
    return NULL;
}
