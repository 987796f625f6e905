/*
 * Fuzzing entry: an NBD client that sends what it likes, from the greeting on, to the whole server.
 *
 * The input is the client's half of the conversation; the export is a disk in memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "../../block/export/nbd-export.h"
#include "block/backend.h"
#include "block/graph.h"
#include "fuzz.h"
#include "io/address.h"
#include "util/aio.h"

static bool host_find(void *opaque, const char *name, NbdExportFacts *facts)
{
    NbdExport *e = nbd_export_by_name(name);

    if (!e) {
        return false;
    }
    nbd_export_facts(e, true, facts);
    blk_exp_ref(&e->common);
    return true;
}

static void host_unref(void *opaque, void *export) { blk_exp_unref(&((NbdExport *)export)->common); }

static void host_list(void *opaque, void (*each)(void *arg, const char *name, const char *description), void *arg)
{
    for (NbdExport *e = nbd_export_next(NULL); e; e = nbd_export_next(e)) {
        each(arg, e->name, e->description);
    }
}

static const NbdServerHost host = { .find = host_find, .unref = host_unref, .list = host_list };

static void start_once(void)
{
    static bool started;
    QDict *options;
    g_autoptr(IOAddress) addr = io_address_new(IO_ADDR_UNIX);
    BlockExportOptions export =
        { .type = BLOCK_EXPORT_TYPE_NBD, .id = (char *)"e", .node_name = (char *)"n", .has_writable = true,
          .writable = true };

    if (started) {
        return;
    }
    started = true;
    error_init("fuzz-nbd-server");
    aio_init_main();
    bdrv_init();
    options = qdict_new();
    qdict_put_str(options, "driver", "null-co");
    qdict_put_str(options, "node-name", "n");
    qdict_put_int(options, "size", 1 << 20);
    qdict_put(options, "read-zeroes", qbool_new(true));
    bdrv_open(NULL, NULL, options, BDRV_O_RDWR, &error_abort);
    /* Exports want a server that listens; nobody comes to this one. */
    addr->abstract = true;
    addr->path = g_strdup_printf("stillframe-fuzz-%d", (int)getpid());
    nbd_server_start(addr, NULL, NULL, 0, &error_abort);
    export.u.nbd.name = (char *)"e";
    export.u.nbd.description = (char *)"a disk";
    blk_exp_add(&export, &error_abort);
}

static void gone(void *opaque, bool served) { *(bool *)opaque = true; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[2];
    bool ended = false;
    uint8_t out[65536];

    start_once();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0) {
        abort();
    }
    nbd_conn_start(io_channel_fd_new(fds[0], fds[0]), &host, gone, &ended);
    while (!ended) {
        ssize_t n = size ? write(fds[1], data, MIN(size, 4096u)) : 0;

        data += MAX(n, 0);
        size -= MAX(n, 0);
        if (!size) {
            shutdown(fds[1], SHUT_WR);
        }
        while (read(fds[1], out, sizeof(out)) > 0) {
        }
        aio_poll(aio_main_context(), size == 0 && !ended);
    }
    close(fds[1]);
    return 0;
}
