/*
 * The NBD server of a program: one listener, all exports by name.
 *
 *   STOPPED -> RUNNING   nbd_server_start
 *   RUNNING -> STOPPED   nbd_server_stop: no new clients, clients cut off, exports deleted
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "io/socket.h"
#include "io/tls.h"
#include "nbd-export.h"
#include "qapi/commands-block-export.h"

static struct {
    IOListener *listener;              /* NULL: stopped */
    uint32_t max_connections, connections;
    bool held;
    void (*gone_hook)(uint32_t connections);
    TlsCreds *tls;                     /* NULL: in the clear */
    char *authz;
} server;

/* --- what negotiation asks ----------------------------------------------------------- */

static bool host_find(void *opaque, const char *name, NbdExportFacts *facts)
{
    NbdExport *e = nbd_export_by_name(name);

    if (!e) {
        return false;
    }
    blk_exp_ref(&e->common);
    nbd_export_facts(e, server.max_connections != 1, facts);
    return true;
}

static void host_unref(void *opaque, void *export)
{
    blk_exp_unref(export);
}

static void host_list(void *opaque, void (*each)(void *arg, const char *name, const char *description), void *arg)
{
    for (NbdExport *e = NULL; (e = nbd_export_next(e));) {
        each(arg, e->name, e->description);
    }
}

static bool tls_allowed(void *opaque, const char *name, Error **errp)
{
    if (!tls_authorize) {
        error_setg(errp, "Cannot find QAuthZ object ID %s", server.authz);
        return false;
    }
    return tls_authorize(server.authz, name, errp);
}

static IOChannel *coroutine_fn host_start_tls(void *opaque, IOChannel *raw, Error **errp)
{
    IOChannel *c = io_channel_tls_new(raw, server.tls, NULL, server.authz ? tls_allowed : NULL, NULL, errp);

    if (c && io_channel_tls_handshake(c, errp) < 0) {
        io_channel_unref(c);
        c = NULL;
    }
    return c;
}

/* start_tls is set while the server runs with credentials. */
static NbdServerHost host = { .find = host_find, .unref = host_unref, .list = host_list };

/* --- clients ---------------------------------------------------------------------------- */

static void accept_client(void *opaque, IOChannel *c);

static void listen_while_room(void)
{
    bool room = !server.held && (!server.max_connections || server.connections < server.max_connections);

    if (server.listener) {
        io_listener_set_handler(server.listener, aio_main_context(), room ? accept_client : NULL, NULL);
    }
}

static void client_gone(void *opaque, bool served)
{
    server.connections--;
    listen_while_room();
    if (server.gone_hook && served) {
        server.gone_hook(server.connections);
    }
}

static void accept_client(void *opaque, IOChannel *c)
{
    server.connections++;
    listen_while_room();
    io_socket_set_nodelay(c, true);
    nbd_conn_start(c, &host, client_gone, NULL);
}

void nbd_server_hold(bool on)
{
    server.held = on;
    listen_while_room();
}

void nbd_server_set_gone_hook(void (*fn)(uint32_t connections))
{
    server.gone_hook = fn;
}

bool nbd_server_is_running(void)
{
    return server.listener != NULL;
}

static void forget_tls(void)
{
    host.start_tls = NULL;
    tls_creds_unref(server.tls);
    server.tls = NULL;
    g_clear_pointer(&server.authz, g_free);
}

void nbd_server_start(const IOAddress *addr, const char *tls_creds, const char *tls_authz, uint32_t max_connections,
                      Error **errp)
{
    if (server.listener) {
        error_setg(errp, "NBD server already running");
        return;
    }
    if (tls_creds) {
        server.tls = tls_creds_lookup(tls_creds, true, errp);
        if (!server.tls) {
            return;
        }
    }
    server.authz = g_strdup(tls_authz);
    host.start_tls = server.tls ? host_start_tls : NULL;
    server.listener = io_listener_new(addr, max_connections ? (int)MIN(max_connections, 128u) : 128, errp);
    if (server.listener) {
        server.max_connections = max_connections;
        listen_while_room();
    } else {
        forget_tls();
    }
}

void nbd_server_stop(void)
{
    if (!server.listener) {
        return;
    }
    io_listener_free(server.listener);
    server.listener = NULL;
    nbd_conn_close_all();
    forget_tls();
    blk_exp_close_all_type(BLOCK_EXPORT_TYPE_NBD);
}

/* --- commands --------------------------------------------------------------------------- */

void qmp_nbd_server_start(const NbdServerStartArgs *arg, Error **errp)
{
    g_autoptr(QObject) legacy = SocketAddressLegacy_to_qobject(arg->addr);
    g_autoptr(QObject) flat = qobject_clone(qdict_get_dict(legacy, "data"));
    g_autoptr(IOAddress) addr = NULL;

    /* The old form nests the members; the address room takes them flat. */
    qdict_put_str(flat, "type", qdict_get_str(legacy, "type"));
    addr = io_address_from_qdict(flat, errp);
    if (addr) {
        nbd_server_start(addr, arg->tls_creds, arg->tls_authz, arg->has_max_connections ? arg->max_connections : 0, errp);
    }
}

/* A node by its own name or that of the device on it. */
void qmp_nbd_server_add(const NbdServerAddOptions *arg, Error **errp)
{
    BlockDriverState *bs = bdrv_lookup_bs(arg->device, arg->device, errp);
    g_autoptr(BlockExportOptions) opts = BlockExportOptions_new();

    if (!bs) {
        return;
    }
    if (arg->name && !*arg->name) {
        error_setg(errp, "Invalid block export id");
        return;
    }
    opts->type = BLOCK_EXPORT_TYPE_NBD;
    opts->id = g_strdup(arg->name ? arg->name : arg->device);
    opts->node_name = g_strdup(bdrv_get_node_name(bs));
    /* The old command makes what cannot be written read-only by itself. */
    opts->has_writable = true;
    opts->writable = arg->has_writable && arg->writable && !bs->read_only;
    opts->u.nbd.name = g_strdup(opts->id);
    opts->u.nbd.description = g_strdup(arg->description);
    if (arg->bitmap) {
        BlockDirtyBitmapOrStr *which = g_new0(BlockDirtyBitmapOrStr, 1);

        which->type = QTYPE_STRING;
        which->u.local = g_strdup(arg->bitmap);
        opts->u.nbd.bitmaps = BlockDirtyBitmapOrStrList_new();
        BlockDirtyBitmapOrStrList_append(opts->u.nbd.bitmaps, which);
    }
    blk_exp_add(opts, errp);
}

void qmp_nbd_server_remove(const NbdServerRemoveArgs *arg, Error **errp)
{
    BlockExport *exp = blk_exp_find(arg->name);
    BlockExportDelArgs del = { .id = arg->name, .has_mode = arg->has_mode, .mode = arg->mode };

    if (exp && exp->driver->type != BLOCK_EXPORT_TYPE_NBD) {
        error_setg(errp, "Block export '%s' is not an NBD export", arg->name);
        return;
    }
    qmp_block_export_del(&del, errp);
}

void qmp_nbd_server_stop(Error **errp)
{
    if (!nbd_server_is_running()) {
        error_setg(errp, "NBD server not running");
        return;
    }
    nbd_server_stop();
}
