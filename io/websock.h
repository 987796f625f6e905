/*
 * The two halves of a websocket: its HTTP beginning and its frames.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_WEBSOCK_INT_H
#define IO_WEBSOCK_INT_H

#include "util/error.h"

/* request: without the empty line at its end.  What to send (g_free it); errp is filled when that is a refusal. */
char *websock_answer(const char *request, Error **errp);
char *websock_refuse_long(void);

#endif
