/*
 * TLS over another channel.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_TLS_H
#define IO_TLS_H

#include "crypto/tls.h"
#include "io/channel.h"

/*
 * Takes base in any case.  The end is that of creds.  hostname (clients; may be NULL) is what the peer's certificate
 * must be for.  allowed (servers; may be NULL) is asked about the name in the client's certificate.  NULL + errp.
 */
typedef bool IOTlsAllowed(void *opaque, const char *name, Error **errp);
IOChannel *io_channel_tls_new(IOChannel *base, TlsCreds *creds, const char *hostname, IOTlsAllowed *allowed,
                              void *opaque, Error **errp);
/* Agree on keys and check the peer: sleeps in a coroutine, else blocks.  0 or -errno. */
int io_channel_tls_handshake(IOChannel *c, Error **errp);
/* The same by name of the credentials, for both ends. */
IOChannel *io_channel_tls_wrap(IOChannel *base, const char *creds_id, bool server, const char *hostname,
                               IOTlsAllowed *allowed, void *opaque, Error **errp);

#endif
