/*
 * A TLS session as a channel.  Records are moved over the base channel, which stays non-blocking.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "crypto/tls-lib.h"
#include "io/tls.h"

typedef struct TlsChannel {
    IOChannel c;
    IOChannel *base;
    TlsCreds *creds;
    gnutls_session_t session;
    char *hostname;
    IOTlsAllowed *allowed;
    void *allowed_opaque;
    bool established;
    int base_errno;                /* of the last failure */
    int shut;                      /* bit 0: no more input is expected */
} TlsChannel;

/* --- records on the base channel ------------------------------------------------------------------ */

static ssize_t push(gnutls_transport_ptr_t opaque, const void *buf, size_t len)
{
    TlsChannel *t = opaque;
    ssize_t n = io_channel_write(t->base, buf, len, NULL);

    if (n < 0) {
        t->base_errno = -n;
        tls_lib.transport_set_errno(t->session, -n);
    }
    return n < 0 ? -1 : n;
}

static ssize_t pull(gnutls_transport_ptr_t opaque, void *buf, size_t len)
{
    TlsChannel *t = opaque;
    ssize_t n = io_channel_read(t->base, buf, len, NULL);

    if (n < 0) {
        t->base_errno = -n;
        tls_lib.transport_set_errno(t->session, -n);
    }
    return n < 0 ? -1 : n;
}

/* The base channel's own trouble has a better name than the library's. */
static const char *reason(const TlsChannel *t, ssize_t n)
{
    return n == GNUTLS_E_PULL_ERROR || n == GNUTLS_E_PUSH_ERROR ? g_strerror(t->base_errno) : tls_lib.strerror(n);
}

/* --- the channel ------------------------------------------------------------------------------------ */

static ssize_t tls_readv(IOChannel *c, const struct iovec *iov, int niov, IOFds *fds, Error **errp)
{
    TlsChannel *t = (TlsChannel *)c;
    ssize_t done = 0;

    for (int i = 0; i < niov; i++) {
        ssize_t n;

        if (!iov[i].iov_len) {
            continue;
        }
        n = tls_lib.record_recv(t->session, iov[i].iov_base, iov[i].iov_len);
        if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED) {
            return done ? done : -EAGAIN;
        }
        if (n == GNUTLS_E_PREMATURE_TERMINATION && t->shut) {
            return done;
        }
        if (n < 0) {
            if (done) {
                return done;
            }
            error_setg(errp, "Cannot read from TLS channel: %s", reason(t, n));
            return n == GNUTLS_E_PREMATURE_TERMINATION ? -ECONNABORTED : -EIO;
        }
        done += n;
        if ((size_t)n < iov[i].iov_len) {
            break;
        }
    }
    return done;
}

static ssize_t tls_writev(IOChannel *c, const struct iovec *iov, int niov, const int *fds, int nfds, Error **errp)
{
    TlsChannel *t = (TlsChannel *)c;
    ssize_t done = 0;

    for (int i = 0; i < niov; i++) {
        ssize_t n;

        if (!iov[i].iov_len) {
            continue;
        }
        n = tls_lib.record_send(t->session, iov[i].iov_base, iov[i].iov_len);
        if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED) {
            return done ? done : -EAGAIN;
        }
        if (n < 0) {
            if (done) {
                return done;
            }
            error_setg(errp, "Cannot write to TLS channel: %s", reason(t, n));
            return -EIO;
        }
        done += n;
        if ((size_t)n < iov[i].iov_len) {
            break;
        }
    }
    return done;
}

static int tls_fd(const IOChannel *c, IODirection dir) { return io_channel_fd(((const TlsChannel *)c)->base, dir); }

static bool tls_pending(const IOChannel *c)
{
    return tls_lib.record_check_pending(((const TlsChannel *)c)->session) > 0;
}

static int tls_shutdown(IOChannel *c, bool read, bool write)
{
    TlsChannel *t = (TlsChannel *)c;

    t->shut |= read;
    return io_channel_shutdown(t->base, read, write);
}

static void tls_close(IOChannel *c)
{
    TlsChannel *t = (TlsChannel *)c;

    if (t->established && !t->shut) {
        tls_lib.bye(t->session, GNUTLS_SHUT_WR);
    }
    if (t->session) {
        tls_lib.deinit(t->session);
    }
    io_channel_unref(t->base);
    tls_creds_unref(t->creds);
    g_free(t->hostname);
}

static const IOChannelOps tls_ops = {
    .readv = tls_readv, .writev = tls_writev, .fd = tls_fd, .pending = tls_pending, .shutdown = tls_shutdown,
    .close = tls_close,
};

/* --- beginning --------------------------------------------------------------------------------------- */

static int set_credentials(TlsChannel *t)
{
    const TlsCreds *c = t->creds;

    switch (c->kind) {
    case TLS_ANON:
        return tls_lib.credentials_set(t->session, GNUTLS_CRD_ANON, c->server ? (void *)c->u.anon_server :
                                      (void *)c->u.anon_client);
    case TLS_PSK:
        return tls_lib.credentials_set(t->session, GNUTLS_CRD_PSK, c->server ? (void *)c->u.psk_server :
                                      (void *)c->u.psk_client);
    default:
        if (c->server && c->verify_peer) {
            tls_lib.certificate_server_set_request(t->session, GNUTLS_CERT_REQUEST);
        }
        return tls_lib.credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, c->u.x509);
    }
}

static int set_up(TlsChannel *t, Error **errp)
{
    static const char *const more[] = { ":+ANON-DH", ":+ECDHE-PSK:+DHE-PSK:+PSK", "" };
    const TlsCreds *c = t->creds;
    g_autofree char *priority = g_strdup_printf("%s%s", c->priority ? c->priority : "NORMAL", more[c->kind]);
    unsigned flags = (c->server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL;
    int ret = tls_lib.init(&t->session, flags);

    if (ret < 0) {
        error_setg(errp, "Cannot initialize TLS session: %s", tls_lib.strerror(ret));
        return ret;
    }
    ret = tls_lib.priority_set_direct(t->session, priority, NULL);
    if (ret < 0) {
        error_setg(errp, "Unable to set TLS session priority %s: %s", priority, tls_lib.strerror(ret));
        return ret;
    }
    ret = set_credentials(t);
    if (ret < 0) {
        error_setg(errp, "Cannot set session credentials: %s", tls_lib.strerror(ret));
        return ret;
    }
    tls_lib.transport_set_ptr(t->session, t);
    tls_lib.transport_set_push_function(t->session, push);
    tls_lib.transport_set_pull_function(t->session, pull);
    return 0;
}

IOChannel *io_channel_tls_new(IOChannel *base, TlsCreds *creds, const char *hostname, IOTlsAllowed *allowed,
                              void *opaque, Error **errp)
{
    TlsChannel *t = io_channel_alloc(&tls_ops, sizeof(*t));

    t->base = base;
    t->creds = creds;
    __atomic_fetch_add(&creds->refs, 1, __ATOMIC_RELAXED);
    t->hostname = g_strdup(hostname);
    t->allowed = allowed;
    t->allowed_opaque = opaque;
    if (set_up(t, errp) < 0) {
        io_channel_unref(&t->c);
        return NULL;
    }
    return &t->c;
}

/* --- is it who it should be? --------------------------------------------------------------------------- */

static const char *status_text(unsigned status)
{
    return status & GNUTLS_CERT_REVOKED ? "The certificate has been revoked"
           : status & GNUTLS_CERT_SIGNER_NOT_FOUND ? "The certificate hasn't got a known issuer"
           : status & GNUTLS_CERT_INSECURE_ALGORITHM ? "The certificate uses an insecure algorithm"
           : status & GNUTLS_CERT_EXPIRED ? "The certificate has expired"
           : status & GNUTLS_CERT_NOT_ACTIVATED ? "The certificate is not yet activated"
           : "The certificate is not trusted";
}

static bool check_name(TlsChannel *t, gnutls_x509_crt_t crt, Error **errp)
{
    char name[1024];
    size_t len = sizeof(name);

    if (!t->creds->server && !t->hostname) {
        error_setg(errp, "No hostname for certificate validation");
        return false;
    }
    if (t->hostname && !tls_lib.x509_crt_check_hostname(crt, t->hostname)) {
        error_setg(errp, "Certificate does not match the hostname %s", t->hostname);
        return false;
    }
    if (!t->allowed) {
        return true;
    }
    if (tls_lib.x509_crt_get_dn(crt, name, &len) < 0) {
        error_setg(errp, "Cannot get client distinguished name");
        return false;
    }
    return t->allowed(t->allowed_opaque, name, errp);
}

static bool check_peer(TlsChannel *t, Error **errp)
{
    unsigned status = 0, n = 0;
    const gnutls_datum_t *certs;
    gnutls_x509_crt_t crt;
    bool ok;
    int ret;

    if (t->creds->kind != TLS_X509 || !t->creds->verify_peer) {
        return true;
    }
    ret = tls_lib.certificate_verify_peers2(t->session, &status);
    if (ret < 0) {
        error_setg(errp, "Verify failed: %s", tls_lib.strerror(ret));
        return false;
    }
    if (status) {
        error_setg(errp, "%s", status_text(status));
        return false;
    }
    certs = tls_lib.certificate_get_peers(t->session, &n);
    if (!certs || !n) {
        error_setg(errp, "No certificate peers");
        return false;
    }
    tls_lib.x509_crt_init(&crt);
    ok = tls_lib.x509_crt_import(crt, &certs[0], GNUTLS_X509_FMT_DER) >= 0;
    if (!ok) {
        error_setg(errp, "Cannot import certificate");
    } else {
        ok = check_name(t, crt, errp);
    }
    tls_lib.x509_crt_deinit(crt);
    return ok;
}

int io_channel_tls_handshake(IOChannel *c, Error **errp)
{
    TlsChannel *t = (TlsChannel *)c;
    int ret;

    while ((ret = tls_lib.handshake(t->session)) < 0) {
        if (ret == GNUTLS_E_AGAIN || ret == GNUTLS_E_INTERRUPTED) {
            io_channel_wait(t->base, tls_lib.record_get_direction(t->session) ? IO_WRITE : IO_READ);
        } else if (tls_lib.error_is_fatal(ret)) {
            error_setg(errp, "TLS handshake failed: %s", tls_lib.strerror(ret));
            return -EPROTO;
        }
    }
    if (!check_peer(t, errp)) {
        return -EPERM;
    }
    t->established = true;
    return 0;
}

IOChannel *io_channel_tls_wrap(IOChannel *base, const char *creds_id, bool server, const char *hostname,
                               IOTlsAllowed *allowed, void *opaque, Error **errp)
{
    TlsCreds *creds = tls_creds_lookup(creds_id, server, errp);
    IOChannel *c;

    if (!creds) {
        io_channel_unref(base);
        return NULL;
    }
    c = io_channel_tls_new(base, creds, hostname, allowed, opaque, errp);
    tls_creds_unref(creds);
    if (c && io_channel_tls_handshake(c, errp) < 0) {
        io_channel_unref(c);
        return NULL;
    }
    return c;
}
