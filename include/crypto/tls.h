/*
 * TLS credentials: anonymous, pre-shared keys, X.509; known by the id of their object.
 *
 * Adding and removing: main thread.  A reference may be used by any thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef CRYPTO_TLS_H
#define CRYPTO_TLS_H

#include <gnutls/gnutls.h>
#include "util/error.h"
#include "util/qobject.h"

typedef enum TlsKind { TLS_ANON, TLS_PSK, TLS_X509 } TlsKind;

typedef struct TlsCreds {
    int refs;
    char *id;
    TlsKind kind;
    bool server;                   /* endpoint */
    bool verify_peer;
    char *dir, *priority, *username;
    union {
        gnutls_anon_server_credentials_t anon_server;
        gnutls_anon_client_credentials_t anon_client;
        gnutls_psk_server_credentials_t psk_server;
        gnutls_psk_client_credentials_t psk_client;
        gnutls_certificate_credentials_t x509;
    } u;
} TlsCreds;

/*
 * Read the files of an object "tls-creds-anon", "-psk" or "-x509"; props: dir, endpoint ("client" when absent),
 * verify-peer, priority, username, sanity-check, passwordid (texts or typed).
 */
bool tls_creds_add(const char *type, const char *id, const QDict *props, Error **errp);
void tls_creds_remove(const char *id);
/* A new reference; NULL with errp when there is none, or it is for the other end. */
TlsCreds *tls_creds_lookup(const char *id, bool server, Error **errp);
void tls_creds_unref(TlsCreds *creds);
/* Is there an object of that id which is something else?  For the message; NULL: nobody knows. */
extern bool (*tls_other_object_exists)(const char *id);
/* Does the object authz_id let the client with this distinguished name in?  NULL: there are no such objects. */
extern bool (*tls_authorize)(const char *authz_id, const char *name, Error **errp);

#endif
