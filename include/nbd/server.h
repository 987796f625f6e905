/*
 * The server's half of the NBD negotiation.  Knows no disks: what it asks about exports goes
 * through NbdServerHost.
 *
 *   GREETING -> OPTIONS -> TRANSMISSION       client chose an export (EXPORT_NAME, GO)
 *                       -> LEFT               client aborted
 *                       -> error              the client broke the protocol
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NBD_SERVER_H
#define NBD_SERVER_H

#include <glib.h>
#include "io/channel.h"
#include "nbd/protocol.h"

/* What the contexts of an export are called; ids are the host's own. */
typedef struct NbdContext { const char *name; uint32_t id; } NbdContext;

/* Facts of an export; strings stay valid while the caller holds its reference. */
typedef struct NbdExportFacts {
    void *export;
    const char *name, *description;                   /* description may be NULL */
    uint64_t size;
    uint16_t flags;                                   /* NBD_FLAG_*, without DF */
    uint32_t min_block, preferred_block, max_block;
    const NbdContext *contexts;
    unsigned n_contexts;
} NbdExportFacts;

typedef struct NbdServerHost {
    /* A reference to the export of that name and its facts, or false. */
    bool (*find)(void *opaque, const char *name, NbdExportFacts *facts);
    void (*unref)(void *opaque, void *export);
    /* Call each for every export that a client may see. */
    void (*list)(void *opaque, void (*each)(void *arg, const char *name, const char *description), void *arg);
    /* Put TLS on the channel (takes it over); NULL: no TLS here. */
    IOChannel *coroutine_fn (*start_tls)(void *opaque, IOChannel *c, Error **errp);
    void *opaque;
} NbdServerHost;

typedef struct NbdSession {
    IOChannel *channel;                               /* in and out: TLS replaces it; owned */
    void *export;                                     /* referenced, after success */
    bool structured;
    GArray *contexts;                                 /* uint32_t ids that were selected ... */
    char *context_export;                             /* ... for the export of this name */
} NbdSession;

typedef enum NbdNegotiated { NBD_NEGOTIATION_FAILED = -1, NBD_TRANSMISSION, NBD_CLIENT_LEFT } NbdNegotiated;

/* In a coroutine.  *errp is filled only when it failed. */
NbdNegotiated coroutine_fn nbd_server_negotiate(NbdSession *s, const NbdServerHost *host, Error **errp);
void nbd_session_init(NbdSession *s, IOChannel *c);   /* takes c */
/* Frees what it owns; the export is given back through host. */
void nbd_session_clear(NbdSession *s, const NbdServerHost *host);

#endif
