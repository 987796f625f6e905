/*
 * The TLS library, loaded when the first credentials are made.
 *
 * It brings nine more libraries along and sets itself up when it is loaded: half of the time that a program needs to start,
 * and hardly any run of a program uses TLS.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef CRYPTO_TLS_LIB_H
#define CRYPTO_TLS_LIB_H

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include "util/error.h"

/* Every function that is used, without the library's prefix. */
#define TLS_LIB_FUNCTIONS(F) \
    F(anon_allocate_client_credentials) F(anon_allocate_server_credentials) F(anon_free_client_credentials) \
    F(anon_free_server_credentials) F(anon_set_server_dh_params) F(anon_set_server_known_dh_params) F(bye) \
    F(certificate_allocate_credentials) F(certificate_free_credentials) F(certificate_get_peers) \
    F(certificate_server_set_request) F(certificate_set_known_dh_params) F(certificate_set_x509_crl_file) \
    F(certificate_set_x509_key_file2) F(certificate_set_x509_trust_file) F(certificate_verify_peers2) \
    F(credentials_set) F(deinit) F(dh_params_import_pkcs3) F(dh_params_init) F(error_is_fatal) F(handshake) \
    F(init) F(priority_set_direct) F(psk_allocate_client_credentials) F(psk_allocate_server_credentials) \
    F(psk_free_client_credentials) F(psk_free_server_credentials) F(psk_set_client_credentials) \
    F(psk_set_server_credentials_file) F(psk_set_server_known_dh_params) F(record_check_pending) \
    F(record_get_direction) F(record_recv) F(record_send) F(strerror) F(transport_set_errno) \
    F(transport_set_ptr) F(transport_set_pull_function) F(transport_set_push_function) \
    F(x509_crt_check_hostname) F(x509_crt_deinit) F(x509_crt_get_activation_time) F(x509_crt_get_dn) \
    F(x509_crt_get_expiration_time) F(x509_crt_import) F(x509_crt_init)

typedef struct TlsLib {
#define TLS_LIB_FIELD(name) __typeof__(gnutls_##name) *name;
    TLS_LIB_FUNCTIONS(TLS_LIB_FIELD)
#undef TLS_LIB_FIELD
} TlsLib;

/* Filled by tls_lib_load(): whoever has credentials may call. */
extern TlsLib tls_lib;
/* False with errp: the library, or a function that it should have, is not there.  Main thread. */
bool tls_lib_load(Error **errp);

#endif
