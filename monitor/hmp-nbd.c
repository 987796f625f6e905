/*
 * HMP: the NBD server.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "block/backend.h"
#include "hmp-int.h"
#include "io/address.h"
#include "qapi/commands-block-export.h"

#pragma weak qmp_nbd_server_start
#pragma weak qmp_nbd_server_add
#pragma weak qmp_nbd_server_remove
#pragma weak qmp_nbd_server_stop

/* "HOST:PORT", "unix:PATH" -> {"type":..., "data": {...}} -> typed */
static SocketAddressLegacy *parse_address(const char *text, Error **errp)
{
    g_autoptr(IOAddress) address = io_address_parse(text, errp);
    g_autoptr(QObject) legacy = qdict_new();
    QDict *flat;

    if (!address) {
        return NULL;
    }
    flat = io_address_to_qdict(address);
    qdict_put(legacy, "type", qdict_steal(flat, "type"));
    qdict_put(legacy, "data", flat);
    return SocketAddressLegacy_from_qobject(legacy, errp);
}

static void export_all(bool writable, Error **errp)
{
    Error *err = NULL;

    for (BlockBackend *blk = blk_next(NULL); blk && !err; blk = blk_next(blk)) {
        NbdServerAddOptions a = { .device = (char *)blk_name(blk), .has_writable = true, .writable = writable };

        if (blk_is_inserted(blk)) {
            qmp_nbd_server_add(&a, &err);
        }
    }
    if (err) {
        qmp_nbd_server_stop(NULL);
        error_propagate(errp, err);
    }
}

void hmp_nbd_server_start(Monitor *mon, const QDict *args)
{
    bool all = qdict_get_bool(args, "all", false), writable = qdict_get_bool(args, "writable", false);
    NbdServerStartArgs a = { .tls_creds = NULL };
    Error *err = NULL;

    if (writable && !all) {
        error_setg(&err, "-w only valid together with -a");
    } else {
        a.addr = parse_address(qdict_get_str(args, "uri"), &err);
    }
    if (a.addr) {
        qmp_nbd_server_start(&a, &err);
        SocketAddressLegacy_free(a.addr);
        if (!err && all) {
            export_all(writable, &err);
        }
    }
    hmp_error(mon, err);
}

void hmp_nbd_server_add(Monitor *mon, const QDict *args)
{
    NbdServerAddOptions a = {
        .device = (char *)qdict_get_str(args, "device"), .name = (char *)qdict_get_str(args, "name"),
        .has_writable = true, .writable = qdict_get_bool(args, "writable", false),
    };
    Error *err = NULL;

    qmp_nbd_server_add(&a, &err);
    hmp_error(mon, err);
}

void hmp_nbd_server_remove(Monitor *mon, const QDict *args)
{
    NbdServerRemoveArgs a = {
        .name = (char *)qdict_get_str(args, "name"),
        .has_mode = true,
        .mode = qdict_get_bool(args, "force", false) ? BLOCK_EXPORT_REMOVE_MODE_HARD : BLOCK_EXPORT_REMOVE_MODE_SAFE,
    };
    Error *err = NULL;

    qmp_nbd_server_remove(&a, &err);
    hmp_error(mon, err);
}

void hmp_nbd_server_stop(Monitor *mon, const QDict *args)
{
    Error *err = NULL;

    qmp_nbd_server_stop(&err);
    hmp_error(mon, err);
}
