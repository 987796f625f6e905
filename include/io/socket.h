/*
 * Sockets: connect, listen, accept.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_SOCKET_H
#define IO_SOCKET_H

#include "io/address.h"
#include "io/channel.h"

/* Blocks while the name is resolved and the peer answers: use the asynchronous form in event loops. */
IOChannel *io_socket_connect(const IOAddress *addr, Error **errp);
/* In a coroutine: done by a worker thread. */
IOChannel *coroutine_fn io_socket_co_connect(const IOAddress *addr, Error **errp);

typedef struct IOConnect IOConnect;
/* done gets the channel or the error (owned by it), in the context that io_connect_start was called in. */
typedef void IOConnectDone(void *opaque, IOChannel *c, Error *err);
IOConnect *io_connect_start(const IOAddress *addr, IOConnectDone *done, void *opaque);
/* done will not be called; the attempt ends by itself. */
void io_connect_cancel(IOConnect *c);

/* Take over a connected socket. */
IOChannel *io_socket_from_fd(int fd, Error **errp);
bool io_channel_is_socket(const IOChannel *c);
void io_socket_set_nodelay(IOChannel *c, bool on);
int io_socket_fd(const IOChannel *c);

/* Listening on one or (names with several addresses) many sockets. */
typedef struct IOListener IOListener;
typedef void IOAcceptFn(void *opaque, IOChannel *c);    /* takes c */
IOListener *io_listener_new(const IOAddress *addr, int backlog, Error **errp);
/* Call fn in ctx for each client; NULL stops for now (the backlog fills). */
void io_listener_set_handler(IOListener *l, AioContext *ctx, IOAcceptFn *fn, void *opaque);
/* Wait for one client, blocking the thread; no handler may be set. */
IOChannel *io_listener_accept_blocking(IOListener *l);
/* The address of the first socket with the port that was really taken. */
IOAddress *io_listener_address(const IOListener *l, Error **errp);
int io_listener_count(const IOListener *l);
int io_listener_fd(const IOListener *l, int index);
/* Stop; a unix path that was made here is unlinked when it is still this socket's. */
void io_listener_free(IOListener *l);

#endif
