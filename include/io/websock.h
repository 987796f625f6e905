/*
 * A websocket (RFC 6455), server's side, as a byte channel over another channel.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_WEBSOCK_H
#define IO_WEBSOCK_H

#include "io/channel.h"

/* Takes base.  Reads the client's request and answers it: sleeps in a coroutine, else blocks.  NULL + errp. */
IOChannel *io_channel_websock_accept(IOChannel *base, Error **errp);

#endif
