/*
 * What the files of the negotiation share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NBD_SERVER_PRIVATE_H
#define NBD_SERVER_PRIVATE_H

#include "nbd/server.h"

/* One option as it came; data holds len bytes. */
typedef struct NbdOptionRequest {
    uint32_t option, len;
    const uint8_t *data;
} NbdOptionRequest;

typedef struct NbdNegotiation {
    NbdSession *session;
    const NbdServerHost *host;
    bool no_zeroes, fixed, tls;
} NbdNegotiation;

/* Replies to the option at hand; 0 or -errno with errp. */
int coroutine_fn nbd_reply(NbdNegotiation *n, uint32_t option, NbdOptReply type, const void *data, size_t len, Error **errp);
/* An error reply with a text for people (cut to what the protocol allows). */
int coroutine_fn nbd_reply_error(NbdNegotiation *n, uint32_t option, NbdOptReply type, Error **errp, const char *fmt, ...)
    G_GNUC_PRINTF(5, 6);
/* Take a 32-bit length and that many bytes from *p (at most to end) as a string: g_free; NULL when they do not fit or are too long. */
char *nbd_take_string(const uint8_t **p, const uint8_t *end);

/* server-context.c: LIST_META_CONTEXT and SET_META_CONTEXT. */
int coroutine_fn nbd_option_meta_context(NbdNegotiation *n, const NbdOptionRequest *o, Error **errp);

#endif
