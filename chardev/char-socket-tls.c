/*
 * TLS on the socket device: the handshake between connecting and being connected.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "char-socket.h"
#include "io/tls.h"

typedef struct Handshake {
    SocketChardev *s;              /* NULL: the device does not wait any more */
    IOChannel *raw;
    void (*done)(SocketChardev *s, IOChannel *c, Error *err);
} Handshake;

static bool allowed(void *opaque, const char *name, Error **errp)
{
    const char *authz = opaque;

    if (!tls_authorize) {
        error_setg(errp, "Cannot lookup authz with id '%s'", authz);
        return false;
    }
    return tls_authorize(authz, name, errp);
}

static IOChannel *wrap(IOChannel *c, const char *creds, bool server, const char *hostname, const char *authz,
                       Error **errp)
{
    return io_channel_tls_wrap(c, creds, server, server ? NULL : hostname, server && authz ? allowed : NULL,
                               (void *)authz, errp);
}

IOChannel *socket_chr_start_tls(SocketChardev *s, IOChannel *c, Error **errp)
{
    return wrap(c, s->tls_creds, s->server, s->addr->kind == IO_ADDR_INET ? s->addr->host : NULL, s->tls_authz, errp);
}

static void coroutine_fn handshake_entry(void *opaque)
{
    Handshake *h = opaque;
    SocketChardev *s = h->s;
    g_autofree char *creds = g_strdup(s->tls_creds), *authz = g_strdup(s->tls_authz), *host = g_strdup(s->addr->host);
    Error *err = NULL;
    IOChannel *c = wrap(io_channel_ref(h->raw), creds, s->server, host, authz, &err);

    if (h->s) {
        h->s->handshake = NULL;
        h->done(h->s, c, err);
    } else {
        io_channel_unref(c);
        error_free(err);
    }
    io_channel_unref(h->raw);
    g_free(h);
}

void socket_chr_begin_tls(SocketChardev *s, IOChannel *c, void (*done)(SocketChardev *s, IOChannel *c, Error *err))
{
    Handshake *h = g_new0(Handshake, 1);

    h->s = s;
    h->raw = c;
    h->done = done;
    s->handshake = h;
    coroutine_enter(coroutine_create(handshake_entry, h));
}

void socket_chr_forget_tls(SocketChardev *s)
{
    if (s->handshake) {
        s->handshake->s = NULL;
        io_channel_shutdown(s->handshake->raw, true, true);
        s->handshake = NULL;
    }
}
