/*
 * The client's half of the NBD negotiation.  Works in coroutines (they sleep) and outside (the thread blocks).
 *
 *   nbd_client_greet -> [nbd_client_list_exports | nbd_client_info]... -> nbd_client_go   transmission
 *                                                                      -> nbd_client_bye
 *
 * What a server sends is bounded and checked: names and descriptions to NBD_MAX_STRING, contexts to
 * NBD_CLIENT_MAX_CONTEXTS, exports to NBD_CLIENT_MAX_EXPORTS.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NBD_CLIENT_H
#define NBD_CLIENT_H

#include <glib.h>
#include "io/channel.h"
#include "util/chunks.h"
#include "nbd/protocol.h"

#define NBD_CLIENT_MAX_CONTEXTS 1024
#define NBD_CLIENT_MAX_EXPORTS 65536

typedef struct NbdClient {
    IOChannel *channel;                /* borrowed */
    bool fixed, no_zeroes;             /* agreed in the greeting */
    bool structured;
    bool old;                          /* no options: facts came with the greeting, and transmission follows it */
    uint64_t old_size;
    uint16_t old_flags;
} NbdClient;

typedef struct NbdClientExport {
    char *name, *description;          /* description may be NULL */
    uint64_t size;
    uint16_t flags;
    uint32_t min_block, preferred_block, max_block;   /* 0: not told */
    GPtrArray *contexts;               /* names; parallel to ids */
    GArray *context_ids;               /* uint32_t */
} NbdClientExport;

NbdClientExport *nbd_client_export_new(const char *name);
void nbd_client_export_free(NbdClientExport *e);

/* Greeting, and structured replies when wanted and known.  0 or -errno. */
int nbd_client_greet(NbdClient *n, IOChannel *c, bool structured, Error **errp);
/* Ask for structured replies (n->structured says whether they come). */
int nbd_client_structured(NbdClient *n, Error **errp);
/* Ask to go on in TLS, straight after the greeting; the caller then puts it on the channel and sets n->channel. */
int nbd_client_starttls(NbdClient *n, Error **errp);
/* Names and descriptions of what the server shows; appends NbdClientExport * (the caller's) to list. */
int nbd_client_list_exports(NbdClient *n, Chunks *list, Error **errp);
/* The facts of e->name; stays in negotiation. */
int nbd_client_info(NbdClient *n, NbdClientExport *e, Error **errp);
/* All contexts of e->name that the server lists (into e->contexts). */
int nbd_client_list_contexts(NbdClient *n, NbdClientExport *e, Error **errp);
/* Select one context for e->name: 1 (its id in e->context_ids), 0 not known there, -errno. */
int nbd_client_select_context(NbdClient *n, NbdClientExport *e, const char *context, Error **errp);
/* Facts, and on to transmission. */
int nbd_client_go(NbdClient *n, NbdClientExport *e, Error **errp);
void nbd_client_bye(NbdClient *n);

#endif
