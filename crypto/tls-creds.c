/*
 * Loading TLS credentials from their folder.
 *
 *   x509   ca-cert.pem [ca-crl.pem] server-cert.pem server-key.pem | client-cert.pem client-key.pem [dh-params.pem]
 *   psk    keys.psk: "user:hexkey" a line
 *   anon   [dh-params.pem]
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "crypto/secret.h"
#include "crypto/tls.h"
#include "crypto/tls-lib.h"

static GHashTable *table;          /* id -> TlsCreds */
bool (*tls_other_object_exists)(const char *id);
bool (*tls_authorize)(const char *authz_id, const char *name, Error **errp);

/* Path of a file in the folder; NULL (without error) when it is absent and not required. */
static char *find_file(const TlsCreds *c, const char *name, bool required, Error **errp)
{
    g_autofree char *path = NULL;

    if (!c->dir) {
        if (required) {
            error_setg(errp, "Missing 'dir' property value");
        }
        return NULL;
    }
    path = g_strdup_printf("%s/%s", c->dir, name);
    if (access(path, R_OK) < 0) {
        if (required || errno != ENOENT) {
            error_setg_errno(errp, errno, "Unable to access credentials %s", path);
        }
        return NULL;
    }
    return g_steal_pointer(&path);
}

/* --- keys of Diffie-Hellman: those of a file, or well-known ones ------------------------------- */

static bool read_dh(const TlsCreds *c, gnutls_dh_params_t *params, bool *found, Error **errp)
{
    ERRP_GUARD();
    g_autofree char *path = c->dir ? find_file(c, "dh-params.pem", false, errp) : NULL, *text = NULL;
    g_autoptr(GError) gerr = NULL;
    gnutls_datum_t data;
    gsize len;
    int ret;

    *found = false;
    if (!path) {
        return !*errp;
    }
    if (!g_file_get_contents(path, &text, &len, &gerr)) {
        error_setg(errp, "%s", gerr->message);
        return false;
    }
    data = (gnutls_datum_t){ (unsigned char *)text, len };
    ret = tls_lib.dh_params_init(params);
    ret = ret < 0 ? ret : tls_lib.dh_params_import_pkcs3(*params, &data, GNUTLS_X509_FMT_PEM);
    if (ret < 0) {
        error_setg(errp, "Unable to load DH parameters from %s: %s", path, tls_lib.strerror(ret));
        return false;
    }
    *found = true;
    return true;
}

/* --- kinds ----------------------------------------------------------------------------------- */

static bool load_anon(TlsCreds *c, Error **errp)
{
    gnutls_dh_params_t dh;
    bool own_dh;
    int ret;

    if (!c->server) {
        ret = tls_lib.anon_allocate_client_credentials(&c->u.anon_client);
    } else {
        if (!read_dh(c, &dh, &own_dh, errp)) {
            return false;
        }
        ret = tls_lib.anon_allocate_server_credentials(&c->u.anon_server);
        if (ret >= 0 && own_dh) {
            tls_lib.anon_set_server_dh_params(c->u.anon_server, dh);
        } else if (ret >= 0) {
            tls_lib.anon_set_server_known_dh_params(c->u.anon_server, GNUTLS_SEC_PARAM_MEDIUM);
        }
    }
    if (ret < 0) {
        error_setg(errp, "Cannot allocate credentials: %s", tls_lib.strerror(ret));
    }
    return ret >= 0;
}

/* The key of the user, hexadecimal; g_free it. */
static char *find_psk(const char *path, const char *username, Error **errp)
{
    g_autofree char *text = NULL, *prefix = g_strdup_printf("%s:", username);
    g_autoptr(GError) gerr = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, &gerr)) {
        error_setg(errp, "Cannot read PSK file %s: %s", path, gerr->message);
        return NULL;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (g_str_has_prefix(*line, prefix)) {
            return g_strdup(g_strchomp(*line + strlen(prefix)));
        }
    }
    error_setg(errp, "Username %s not found in PSK file %s", username, path);
    return NULL;
}

static bool load_psk(TlsCreds *c, Error **errp)
{
    g_autofree char *path = NULL, *key = NULL;
    const char *username = c->username ? c->username : "qemu";
    gnutls_datum_t datum;
    int ret;

    if (c->server && c->username) {
        error_setg(errp, "username should not be set when endpoint=server");
        return false;
    }
    path = find_file(c, "keys.psk", true, errp);
    if (!path) {
        return false;
    }
    if (c->server) {
        ret = tls_lib.psk_allocate_server_credentials(&c->u.psk_server);
        ret = ret < 0 ? ret : tls_lib.psk_set_server_credentials_file(c->u.psk_server, path);
        if (ret >= 0) {
            tls_lib.psk_set_server_known_dh_params(c->u.psk_server, GNUTLS_SEC_PARAM_MEDIUM);
        }
    } else {
        key = find_psk(path, username, errp);
        if (!key) {
            return false;
        }
        datum = (gnutls_datum_t){ (unsigned char *)key, strlen(key) };
        ret = tls_lib.psk_allocate_client_credentials(&c->u.psk_client);
        ret = ret < 0 ? ret : tls_lib.psk_set_client_credentials(c->u.psk_client, username, &datum, GNUTLS_PSK_KEY_HEX);
    }
    if (ret < 0) {
        error_setg(errp, "Cannot set PSK %s credentials: %s", c->server ? "server" : "client", tls_lib.strerror(ret));
    }
    return ret >= 0;
}

/* Is the certificate in the file valid now? */
static bool check_dates(const char *path, const char *what, Error **errp)
{
    g_autofree char *text = NULL;
    gnutls_x509_crt_t crt;
    gnutls_datum_t data;
    time_t now = time(NULL);
    gsize len;
    bool ok = false;
    int ret;

    if (!g_file_get_contents(path, &text, &len, NULL)) {
        error_setg(errp, "Cannot load CA cert list %s", path);
        return false;
    }
    data = (gnutls_datum_t){ (unsigned char *)text, len };
    tls_lib.x509_crt_init(&crt);
    ret = tls_lib.x509_crt_import(crt, &data, GNUTLS_X509_FMT_PEM);
    if (ret < 0) {
        error_setg(errp, "Unable to import %s certificate %s: %s", what, path, tls_lib.strerror(ret));
    } else if (tls_lib.x509_crt_get_expiration_time(crt) < now) {
        error_setg(errp, "The %s certificate %s has expired", what, path);
    } else if (tls_lib.x509_crt_get_activation_time(crt) > now) {
        error_setg(errp, "The %s certificate %s is not yet active", what, path);
    } else {
        ok = true;
    }
    tls_lib.x509_crt_deinit(crt);
    return ok;
}

static bool load_pair(TlsCreds *c, const char *cert, const char *key, const char *password_id, Error **errp)
{
    g_autofree char *password = password_id ? secret_lookup_utf8(password_id, errp) : NULL;
    int ret;

    if (password_id && !password) {
        return false;
    }
    ret = tls_lib.certificate_set_x509_key_file2(c->u.x509, cert, key, GNUTLS_X509_FMT_PEM, password, 0);
    if (ret < 0) {
        error_setg(errp, "Cannot load certificate '%s' & key '%s': %s", cert, key, tls_lib.strerror(ret));
    }
    return ret >= 0;
}

static bool load_x509(TlsCreds *c, const char *password_id, bool sanity_check, Error **errp)
{
    ERRP_GUARD();
    const char *who = c->server ? "server" : "client";
    g_autofree char *cert_name = g_strdup_printf("%s-cert.pem", who), *key_name = g_strdup_printf("%s-key.pem", who);
    g_autofree char *ca = find_file(c, "ca-cert.pem", true, errp), *crl = NULL, *cert = NULL, *key = NULL;
    int ret;

    if (!ca) {
        return false;
    }
    crl = find_file(c, "ca-crl.pem", false, errp);
    cert = *errp ? NULL : find_file(c, cert_name, c->server, errp);
    key = *errp ? NULL : find_file(c, key_name, c->server, errp);
    if (*errp || (sanity_check && !check_dates(ca, "CA", errp)) ||
        (sanity_check && cert && !check_dates(cert, who, errp))) {
        return false;
    }
    tls_lib.certificate_allocate_credentials(&c->u.x509);
    ret = tls_lib.certificate_set_x509_trust_file(c->u.x509, ca, GNUTLS_X509_FMT_PEM);
    if (ret < 0) {
        error_setg(errp, "Cannot load CA certificate '%s': %s", ca, tls_lib.strerror(ret));
        return false;
    }
    if (cert && key && !load_pair(c, cert, key, password_id, errp)) {
        return false;
    }
    ret = crl ? tls_lib.certificate_set_x509_crl_file(c->u.x509, crl, GNUTLS_X509_FMT_PEM) : 0;
    if (ret < 0) {
        error_setg(errp, "Cannot load CRL '%s': %s", crl, tls_lib.strerror(ret));
        return false;
    }
    if (c->server) {
        tls_lib.certificate_set_known_dh_params(c->u.x509, GNUTLS_SEC_PARAM_MEDIUM);
    }
    return true;
}

/* --- the table ---------------------------------------------------------------------------------- */

void tls_creds_unref(TlsCreds *c)
{
    if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL)) {
        return;
    }
    if (c->kind == TLS_X509 && c->u.x509) {
        tls_lib.certificate_free_credentials(c->u.x509);
    } else if (c->kind == TLS_PSK && c->u.psk_server) {
        c->server ? tls_lib.psk_free_server_credentials(c->u.psk_server)
                  : tls_lib.psk_free_client_credentials(c->u.psk_client);
    } else if (c->kind == TLS_ANON && c->u.anon_server) {
        c->server ? tls_lib.anon_free_server_credentials(c->u.anon_server)
                  : tls_lib.anon_free_client_credentials(c->u.anon_client);
    }
    g_free(c->id);
    g_free(c->dir);
    g_free(c->priority);
    g_free(c->username);
    g_free(c);
}

/* "on", "off" or a boolean. */
static bool flag(const QDict *props, const char *name, bool def)
{
    const char *text = qdict_get_str(props, name);

    return text ? !strcmp(text, "on") || !strcmp(text, "yes") || !strcmp(text, "true") || !strcmp(text, "y")
                : qdict_get_bool(props, name, def);
}

bool tls_creds_add(const char *type, const char *id, const QDict *props, Error **errp)
{
    const char *endpoint = qdict_get_str(props, "endpoint");
    TlsCreds *c;
    bool ok;

    if (!tls_lib_load(errp)) {
        return false;
    }
    c = g_new0(TlsCreds, 1);
    c->refs = 1;
    c->id = g_strdup(id);
    c->kind = !strcmp(type, "tls-creds-x509") ? TLS_X509 : !strcmp(type, "tls-creds-psk") ? TLS_PSK : TLS_ANON;
    c->server = endpoint && !strcmp(endpoint, "server");
    c->verify_peer = flag(props, "verify-peer", true);
    c->dir = g_strdup(qdict_get_str(props, "dir"));
    c->priority = g_strdup(qdict_get_str(props, "priority"));
    c->username = g_strdup(qdict_get_str(props, "username"));
    ok = c->kind == TLS_X509 ? load_x509(c, qdict_get_str(props, "passwordid"), flag(props, "sanity-check", true), errp)
         : c->kind == TLS_PSK ? load_psk(c, errp) : load_anon(c, errp);
    if (!ok) {
        tls_creds_unref(c);
        return false;
    }
    if (!table) {
        table = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)tls_creds_unref);
    }
    g_hash_table_replace(table, c->id, c);
    return true;
}

void tls_creds_remove(const char *id)
{
    if (table) {
        g_hash_table_remove(table, id);
    }
}

TlsCreds *tls_creds_lookup(const char *id, bool server, Error **errp)
{
    TlsCreds *c = table ? g_hash_table_lookup(table, id) : NULL;

    if (!c && tls_other_object_exists && tls_other_object_exists(id)) {
        error_setg(errp, "Object with id '%s' is not TLS credentials", id);
    } else if (!c) {
        error_setg(errp, "No TLS credentials with id '%s'", id);
    } else if (c->server != server) {
        error_setg(errp, "Expected TLS credentials for a %s endpoint", server ? "server" : "client");
        c = NULL;
    }
    if (c) {
        __atomic_fetch_add(&c->refs, 1, __ATOMIC_RELAXED);
    }
    return c;
}
