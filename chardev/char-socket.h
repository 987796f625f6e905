/*
 * The socket device: its state, shared by connecting, telnet and option checks.
 *
 *   LISTENING/IDLE -> CONNECTING (client) -> HANDSHAKE (TLS, websocket) -> CONNECTED -> back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef CHARDEV_CHAR_SOCKET_H
#define CHARDEV_CHAR_SOCKET_H

#include "char-int.h"
#include "io/socket.h"

#define SOCKET_FDS_MAX 16

typedef struct TelnetState { int seen; uint8_t command; } TelnetState;

typedef struct SocketChardev {
    Chardev chr;
    IOAddress *addr;
    bool server, telnet, tn3270, websocket, nodelay;
    int64_t reconnect;             /* seconds, 0 never */
    char *tls_creds, *tls_authz;

    IOListener *listener;
    IOConnect *connecting;
    AioTimer *retry;
    AioBh *retry_bh;
    bool retry_reported;

    struct Handshake *handshake;   /* HANDSHAKE: runs in a coroutine; NULL it in there to be forgotten */

    IOChannel *c;                  /* CONNECTED; changed under write_lock only */
    IOChannel *dead;               /* c, once writing to it has failed; under write_lock */
    bool watching;
    bool yankable;                 /* is in the registry of util/yank.h */
    AioBh *hangup;
    TelnetState telnet_in;
    int in_fds[SOCKET_FDS_MAX], n_in_fds;     /* of the last read */
    int out_fds[SOCKET_FDS_MAX], n_out_fds;   /* for the next write */
} SocketChardev;

/* char-socket-opts.c */
bool socket_chr_parse(const QDict *options, QDict *data, Error **errp);
bool socket_chr_configure(SocketChardev *s, const QDict *data, bool *wait, Error **errp);
void socket_chr_name_disconnected(SocketChardev *s);
void socket_chr_name_connected(SocketChardev *s);

/* char-socket-handshake.c: TLS, websocket */
bool socket_chr_has_handshake(const SocketChardev *s);
/* The channel over c, which is taken; blocks outside coroutines.  NULL + errp. */
IOChannel *socket_chr_handshake(SocketChardev *s, IOChannel *c, Error **errp);
/* The same in the background; done gets the result, or an error that it owns. */
void socket_chr_begin_handshake(SocketChardev *s, IOChannel *c, void (*done)(SocketChardev *s, IOChannel *c, Error *err));
void socket_chr_forget_handshake(SocketChardev *s);

/* char-telnet.c */
void telnet_greet(SocketChardev *s);
/* Take protocol bytes out of buf in place; returns what is left. */
int telnet_filter(SocketChardev *s, uint8_t *buf, int len);

#endif
