/*
 * The export type vhost-user-blk: a node as a virtio-blk device for another program, one at a time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "export-drivers.h"
#include "vhost-user.h"

static void on_client(void *opaque, IOChannel *c);

static void listen_again(VuExport *e)
{
    if (e->listener && !e->conn) {
        io_listener_set_handler(e->listener, aio_main_context(), on_client, e);
    }
}

static void on_client(void *opaque, IOChannel *c)
{
    VuExport *e = opaque;

    io_listener_set_handler(e->listener, aio_main_context(), NULL, NULL);
    vu_conn_start(e, c);
}

void vu_export_conn_gone(VuExport *e)
{
    listen_again(e);
    if (e->waits) {
        blk_exp_unref(&e->common);
    }
}

static IOAddress *address_of(const BlockExportOptions *opts, Error **errp)
{
    g_autoptr(QObject) dict = SocketAddress_to_qobject(opts->u.vhost_user_blk.addr);
    IOAddress *addr = io_address_from_qdict(dict, errp);

    if (addr && addr->kind != IO_ADDR_UNIX && addr->kind != IO_ADDR_FD) {
        error_setg(errp, "Only socket address types 'unix' and 'fd' are supported");
        io_address_free(addr);
        return NULL;
    }
    return addr;
}

static int vu_create(BlockExport *common, const BlockExportOptions *opts, Error **errp)
{
    VuExport *e = (VuExport *)common;
    const BlockExportOptionsVhostUserBlk *o = &opts->u.vhost_user_blk;
    g_autoptr(IOAddress) addr = NULL;
    uint64_t logical = o->has_logical_block_size ? o->logical_block_size : 512;

    if (!virtio_blk_serve_check_logical(common->id, logical, errp)) {
        return -EINVAL;
    }
    e->logical = logical;
    e->num_queues = o->has_num_queues ? o->num_queues : 1;
    if (!e->num_queues) {
        error_setg(errp, "num-queues must be greater than 0");
        return -EINVAL;
    }
    addr = address_of(opts, errp);
    e->listener = addr ? io_listener_new(addr, 1, errp) : NULL;
    if (!e->listener) {
        return -EADDRNOTAVAIL;
    }
    listen_again(e);
    return 0;
}

/* A client does not make the export busy: as with the peer, who connects anew must find another one. */
static void vu_request_shutdown(BlockExport *common)
{
    VuExport *e = (VuExport *)common;

    io_listener_free(e->listener);
    e->listener = NULL;
    if (e->conn && !e->waits) {
        e->waits = true;
        blk_exp_ref(common);
        vu_conn_shutdown(e->conn);
    }
}

static void vu_delete(BlockExport *common) { }

const BlockExportDriver vhost_user_blk_export_driver = {
    .type = BLOCK_EXPORT_TYPE_VHOST_USER_BLK, .instance_size = sizeof(VuExport), .create = vu_create,
    .request_shutdown = vu_request_shutdown, .delete = vu_delete,
};
