/*
 * HMP: what is asked of a machine that has no such device or feature; the answers are those of the peer then.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hmp-int.h"
#include "qapi/commands-machine.h"
#include "qapi/commands-migration.h"
#include "qapi/commands-misc-target.h"
#include "qapi/commands-net.h"
#include "qapi/commands-replay.h"
#include "qapi/commands-rocker.h"
#include "qapi/commands-ui.h"

#pragma weak qmp_announce_self
#pragma weak qmp_client_migrate_info
#pragma weak qmp_dumpdtb
#pragma weak qmp_expire_password
#pragma weak qmp_netdev_del
#pragma weak qmp_query_rocker
#pragma weak qmp_replay_break
#pragma weak qmp_replay_delete_break
#pragma weak qmp_replay_seek
#pragma weak qmp_screendump
#pragma weak qmp_set_link
#pragma weak qmp_set_password
#pragma weak qmp_query_sgx
#pragma weak qmp_x_query_jit
#pragma weak qmp_x_query_opcount
#pragma weak qmp_x_query_profile
#pragma weak qmp_x_query_ramblock

static char *str(const QDict *args, const char *name) { return (char *)qdict_get_str(args, name); }
static void no_such_value(Monitor *mon, const char *value)
{
    monitor_printf(mon, "Error: invalid parameter value: %s\n", value);
}

static void no_balloon(Monitor *mon) { monitor_printf(mon, "Error: No balloon device has been activated\n"); }

void hmp_balloon(Monitor *mon, const QDict *args) { no_balloon(mon); }
void hmp_info_balloon(Monitor *mon, const QDict *args) { no_balloon(mon); }
void hmp_info_capture(Monitor *mon, const QDict *args) {}
void hmp_info_network(Monitor *mon, const QDict *args) {}
void hmp_info_replay(Monitor *mon, const QDict *args) { monitor_printf(mon, "Record/replay is not active\n"); }
void hmp_info_spice(Monitor *mon, const QDict *args) { monitor_printf(mon, "Server: disabled\n"); }
void hmp_info_tpm(Monitor *mon, const QDict *args) {}
void hmp_info_usb(Monitor *mon, const QDict *args) { monitor_printf(mon, "Error: USB support not enabled\n"); }
void hmp_info_usbhost(Monitor *mon, const QDict *args)
{
    monitor_printf(mon, "Command \"info usbhost\" is not available.\n");
}
void hmp_info_vnc(Monitor *mon, const QDict *args) { monitor_printf(mon, "None\n"); }

/* --- network ----------------------------------------------------------------------------------------- */

void hmp_announce_self(Monitor *mon, const QDict *args) {}
void hmp_info_usernet(Monitor *mon, const QDict *args) {}
void hmp_info_rdma(Monitor *mon, const QDict *args) {}
void hmp_hostfwd_add(Monitor *mon, const QDict *args) { monitor_printf(mon, "user mode network stack not in use\n"); }
void hmp_hostfwd_remove(Monitor *mon, const QDict *args)
{
    monitor_printf(mon, "user mode network stack not in use\n");
}

void hmp_set_link(Monitor *mon, const QDict *args)
{
    SetLinkArgs a = { .name = str(args, "name") };
    Error *err = NULL;

    qmp_set_link(&a, &err);
    hmp_error(mon, err);
}

void hmp_netdev_del(Monitor *mon, const QDict *args)
{
    NetdevDelArgs a = { str(args, "id") };
    Error *err = NULL;

    qmp_netdev_del(&a, &err);
    hmp_error(mon, err);
}

static void no_rocker(Monitor *mon, const QDict *args)
{
    QueryRockerArgs a = { str(args, "name") };
    Error *err = NULL;

    qmp_query_rocker(&a, &err);
    hmp_error(mon, err);
}

void hmp_info_rocker(Monitor *mon, const QDict *args) { no_rocker(mon, args); }
void hmp_info_rocker_ports(Monitor *mon, const QDict *args) { no_rocker(mon, args); }
void hmp_info_rocker_of_dpa_flows(Monitor *mon, const QDict *args) { no_rocker(mon, args); }
void hmp_info_rocker_of_dpa_groups(Monitor *mon, const QDict *args) { no_rocker(mon, args); }

void hmp_pcie_aer_inject_error(Monitor *mon, const QDict *args)
{
    monitor_printf(mon, "id or pci device path is invalid or device not found. %s\n", str(args, "id"));
}

/* --- displays, sound ------------------------------------------------------------------------------------ */

void hmp_client_migrate_info(Monitor *mon, const QDict *args)
{
    ClientMigrateInfoArgs a = { .protocol = str(args, "protocol"), .hostname = str(args, "hostname") };
    Error *err = NULL;

    qmp_client_migrate_info(&a, &err);
    hmp_error(mon, err);
}

void hmp_set_password(Monitor *mon, const QDict *args)
{
    SetPasswordOptions a = { .password = str(args, "password"), .connected = SET_PASSWORD_ACTION_KEEP };
    const char *connected = str(args, "connected");
    Error *err = NULL;

    if (!DisplayProtocol_parse(str(args, "protocol"), &a.protocol)) {
        no_such_value(mon, str(args, "protocol"));
        return;
    }
    a.has_connected = connected != NULL;
    if (connected && !SetPasswordAction_parse(connected, &a.connected)) {
        no_such_value(mon, connected);
        return;
    }
    qmp_set_password(&a, &err);
    hmp_error(mon, err);
}

void hmp_expire_password(Monitor *mon, const QDict *args)
{
    ExpirePasswordOptions a = { .time = str(args, "time") };
    Error *err = NULL;

    if (!DisplayProtocol_parse(str(args, "protocol"), &a.protocol)) {
        no_such_value(mon, str(args, "protocol"));
        return;
    }
    qmp_expire_password(&a, &err);
    hmp_error(mon, err);
}

void hmp_screendump(Monitor *mon, const QDict *args)
{
    ScreendumpArgs a = { .filename = str(args, "filename"), .device = str(args, "device"),
                         .has_head = qdict_has(args, "head") };
    ImageFormat format;
    Error *err = NULL;

    if (str(args, "format") && !ImageFormat_parse(str(args, "format"), &format)) {
        no_such_value(mon, str(args, "format"));
        return;
    }
    qmp_screendump(&a, &err);
    hmp_error(mon, err);
}

void hmp_stopcapture(Monitor *mon, const QDict *args) {}

void hmp_wavcapture(Monitor *mon, const QDict *args)
{
    monitor_printf(mon, "Audiodev '%s' not found\n", str(args, "audiodev"));
}

/* --- record and replay ------------------------------------------------------------------------------------- */

static void plain_error(Monitor *mon, Error *err)
{
    if (err) {
        monitor_printf(mon, "%s\n", error_get_pretty(err));
        error_free(err);
    }
}

void hmp_replay_break(Monitor *mon, const QDict *args)
{
    ReplayBreakArgs a = { 0 };
    Error *err = NULL;

    qmp_replay_break(&a, &err);
    plain_error(mon, err);
}

void hmp_replay_delete_break(Monitor *mon, const QDict *args)
{
    Error *err = NULL;

    qmp_replay_delete_break(&err);
    plain_error(mon, err);
}

void hmp_replay_seek(Monitor *mon, const QDict *args)
{
    ReplaySeekArgs a = { 0 };
    Error *err = NULL;

    qmp_replay_seek(&a, &err);
    plain_error(mon, err);
}

/* --- encrypted memory, enclaves, device tree, statistics --------------------------------------------------- */

void hmp_info_sev(Monitor *mon, const QDict *args) { monitor_printf(mon, "SEV is not enabled\n"); }

void hmp_info_sgx(Monitor *mon, const QDict *args)
{
    Error *err = NULL;

    qmp_query_sgx(&err);
    plain_error(mon, err);
}

void hmp_dumpdtb(Monitor *mon, const QDict *args)
{
    DumpdtbArgs a = { str(args, "filename") };
    Error *err = NULL;

    qmp_dumpdtb(&a, &err);
    hmp_error(mon, err);
}

void hmp_info_stats(Monitor *mon, const QDict *args)
{
    const char *target = str(args, "target"), *provider = str(args, "provider");

    if (strcmp(target, "vm") && strcmp(target, "vcpu")) {
        monitor_printf(mon, "invalid stats target %s\n", target);
    } else if (provider && strcmp(provider, "kvm")) {
        monitor_printf(mon, "invalid stats provider %s\n", provider);
    }
}

static void print_text(Monitor *mon, HumanReadableText *(*query)(Error **errp))
{
    Error *err = NULL;
    HumanReadableText *t = query(&err);

    if (t) {
        monitor_printf(mon, "%s", t->human_readable_text);
    }
    HumanReadableText_free(t);
    hmp_error(mon, err);
}

void hmp_info_numa(Monitor *mon, const QDict *args) { print_text(mon, qmp_x_query_numa); }
void hmp_info_jit(Monitor *mon, const QDict *args) { print_text(mon, qmp_x_query_jit); }
void hmp_info_opcount(Monitor *mon, const QDict *args) { print_text(mon, qmp_x_query_opcount); }
void hmp_info_profile(Monitor *mon, const QDict *args) { print_text(mon, qmp_x_query_profile); }
void hmp_info_ramblock(Monitor *mon, const QDict *args) { print_text(mon, qmp_x_query_ramblock); }
void hmp_info_roms(Monitor *mon, const QDict *args) { print_text(mon, qmp_x_query_roms); }

/* --- profile of locks: switched on it stays empty, as there are no such counters ------------------------------ */

static bool sync_profile;

void hmp_sync_profile(Monitor *mon, const QDict *args)
{
    const char *op = str(args, "op");

    if (!op) {
        monitor_printf(mon, "sync-profile is %s\n", sync_profile ? "on" : "off");
    } else if (!strcmp(op, "on") || !strcmp(op, "off")) {
        sync_profile = !strcmp(op, "on");
    } else if (strcmp(op, "reset")) {
        monitor_printf(mon, "Error: Invalid parameter '%s'\n", op);
    }
}

void hmp_info_sync_profile(Monitor *mon, const QDict *args)
{
    static const char line[] = "-------------------------------------------------------------------------------";

    monitor_printf(mon, "Type               Object  Call site  Wait Time (s)         Count  Average (us)\n%s\n%s\n",
                   line, line);
}
