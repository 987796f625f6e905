/*
 * Fuzzing entry: an NBD server that answers what it likes.  The input is the server's half of the conversation.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "fuzz.h"
#include "nbd/client.h"

static void talk(IOChannel *c, unsigned how)
{
    NbdClient n;
    Chunks list = { .item = sizeof(NbdClientExport *) };
    NbdClientExport *e = nbd_client_export_new("e");

    if (nbd_client_greet(&n, c, how & 1, NULL) == 0) {
        if (how & 2) {
            nbd_client_list_exports(&n, &list, NULL);
        }
        if (how & 4) {
            nbd_client_info(&n, e, NULL);
        }
        if (how & 8) {
            nbd_client_list_contexts(&n, e, NULL);
        }
        if (how & 16) {
            nbd_client_select_context(&n, e, "base:allocation", NULL);
        }
        if (nbd_client_go(&n, e, NULL) < 0) {
            nbd_client_bye(&n);
        }
    }
    nbd_client_export_free(e);
    for (size_t i = 0; i < list.len; i++) {
        nbd_client_export_free(*(NbdClientExport **)chunks_at(&list, i));
    }
    chunks_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    int fds[2], room = 4 << 20;
    IOChannel *c;

    if (!started) {
        error_init("fuzz-nbd-client");
        aio_init_main();
        started = true;
    }
    if (!size || size > 100000 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0) {
        return 0;
    }
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    if (write(fds[1], data + 1, size - 1) < 0) {
        close(fds[1]);
        close(fds[0]);
        return 0;
    }
    shutdown(fds[1], SHUT_WR);
    c = io_channel_fd_new(fds[0], fds[0]);
    talk(c, data[0]);
    io_channel_unref(c);
    close(fds[1]);
    return 0;
}
