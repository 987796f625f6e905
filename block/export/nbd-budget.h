/*
 * One budget for what all requests of the NBD server keep in memory; see nbd-budget.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_EXPORT_NBD_BUDGET_H
#define BLOCK_EXPORT_NBD_BUDGET_H

#include <stdbool.h>
#include <stdint.h>
#include "io/channel.h"
#include "util/coroutine.h"

/* What one export holds.  Zero at first. */
typedef struct NbdHeld {
    uint64_t bytes;
    uint64_t skip;                     /* the round in which a request of it did not fit */
} NbdHeld;

/* Time that the client takes to read or to send: begun with bytes of a message, ended with it. */
typedef struct NbdPeerTime {
    int64_t began;                     /* 0: nothing is asked of it */
    uint64_t bytes;
    int64_t lag;                       /* by which it was slower than the least rate... */
    uint64_t pressure;                 /* ...during this time of want */
} NbdPeerTime;

/* What one connection holds.  All fields but the list belong to the budget's lock. */
typedef struct NbdShare {
    IOChannel *socket;                 /* shut down when the client is in the way of others */
    NbdHeld *export;
    uint64_t held;
    bool ended, granted, cut;
    NbdPeerTime sending, receiving;
    uint64_t wanted;                   /* by the coroutine that waits; 0: nobody */
    Coroutine *waiter;
    struct NbdShare *next_waiting;
    struct NbdShare *next;             /* main thread */
} NbdShare;

/* Main thread: s begins and ends; nothing may be held at the end. */
void nbd_share_open(NbdShare *s, IOChannel *socket);
void nbd_share_close(NbdShare *s);
/* Any thread: whoever waits in nbd_share_take() is refused, now and later. */
void nbd_share_end(NbdShare *s);

/* One coroutine at a time.  Takes n bytes, waiting for them; false: the connection is ending. */
bool coroutine_fn nbd_share_take(NbdShare *s, uint64_t n);
/* Any context: gives back what was taken (and is free by now). */
void nbd_share_give(NbdShare *s, uint64_t n);

/* Around a wait for the client; t is one of s. */
void nbd_peer_begin(NbdPeerTime *t, uint64_t bytes);
void nbd_peer_end(NbdPeerTime *t);

#endif
