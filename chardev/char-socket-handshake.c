/*
 * TLS and websockets on the socket device: what is to be agreed on between connecting and being connected.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "char-socket.h"
#include "io/tls.h"
#include "io/websock.h"

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

/* Copied: the device may go while its peer makes up its mind. */
typedef struct Terms { char *creds, *authz, *host; bool server, websocket; } Terms;

static Terms terms_of(const SocketChardev *s)
{
    return (Terms) { g_strdup(s->tls_creds), g_strdup(s->tls_authz),
                     g_strdup(s->addr->kind == IO_ADDR_INET ? s->addr->host : NULL), s->server, s->websocket };
}

static void terms_clear(Terms *t)
{
    g_free(t->creds);
    g_free(t->authz);
    g_free(t->host);
}

/* Takes c. */
static IOChannel *agree(const Terms *t, IOChannel *c, Error **errp)
{
    if (t->creds) {
        c = io_channel_tls_wrap(c, t->creds, t->server, t->server ? NULL : t->host, t->server
                                && t->authz ? allowed : NULL,
                                t->authz, errp);
    }
    return c && t->websocket ? io_channel_websock_accept(c, errp) : c;
}

bool socket_chr_has_handshake(const SocketChardev *s) { return s->tls_creds || s->websocket; }

IOChannel *socket_chr_handshake(SocketChardev *s, IOChannel *c, Error **errp)
{
    Terms terms = terms_of(s);

    c = agree(&terms, c, errp);
    terms_clear(&terms);
    return c;
}

static void coroutine_fn handshake_entry(void *opaque)
{
    Handshake *h = opaque;
    Terms terms = terms_of(h->s);
    Error *err = NULL;
    IOChannel *c = agree(&terms, io_channel_ref(h->raw), &err);

    terms_clear(&terms);
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

void socket_chr_begin_handshake(SocketChardev *s, IOChannel *c,
                                void (*done)(SocketChardev *s, IOChannel *c, Error *err))
{
    Handshake *h = g_new0(Handshake, 1);

    h->s = s;
    h->raw = c;
    h->done = done;
    s->handshake = h;
    coroutine_enter(coroutine_create(handshake_entry, h));
}

void socket_chr_forget_handshake(SocketChardev *s)
{
    if (s->handshake) {
        s->handshake->s = NULL;
        io_channel_shutdown(s->handshake->raw, true, true);
        s->handshake = NULL;
    }
}
