/*
 * NBD exports: what the files of the server share.
 *
 *   listener (nbd-server.c) -> connection (nbd-conn.c) -> export (nbd-export.c) -> backend
 *
 * Exports, their names and the list of connections belong to the main thread.  A connection's
 * coroutines run in its export's context after the negotiation, which runs in the main one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_EXPORT_NBD_EXPORT_H
#define BLOCK_EXPORT_NBD_EXPORT_H

#include "block/dirty-bitmap.h"
#include "block/export.h"
#include "nbd/server.h"
#include "nbd-budget.h"

/* Context ids; bitmap i is NBD_CONTEXT_BITMAPS + i. */
enum { NBD_CONTEXT_ALLOCATION, NBD_CONTEXT_DEPTH, NBD_CONTEXT_BITMAPS };

typedef struct NbdExport {
    BlockExport common;
    char *name, *description;
    uint64_t size;
    NbdHeld held;                      /* by requests of all its clients */
    bool allocation_depth;
    BdrvDirtyBitmap **bitmaps;         /* busy while exported */
    unsigned n_bitmaps;
    NbdContext *contexts;              /* names owned */
    unsigned n_contexts;
    struct NbdExport *next;            /* in the list of names */
} NbdExport;

/* nbd-export.c */
NbdExport *nbd_export_by_name(const char *name);
NbdExport *nbd_export_next(NbdExport *e);             /* NULL starts; newest first */
void nbd_export_facts(NbdExport *e, bool multi_conn, NbdExportFacts *facts);

/*
 * nbd-conn.c: serve one client until it leaves; takes c.  `gone` is called once, in the main thread; served: the
 * client had chosen an export.
 */
typedef struct NbdConn NbdConn;
void nbd_conn_start(IOChannel *c, const NbdServerHost *host, void (*gone)(void *opaque, bool served), void *opaque);
void nbd_conn_close_export(NbdExport *e);             /* all that use it */
void nbd_conn_close_all(void);

/* nbd-reply.c: one request that was read and checked; data is its payload or the buffer for the answer. */
typedef struct NbdWork {
    NbdConn *conn;
    NbdExport *exp;
    NbdRequest req;
    uint8_t *data;
    uint64_t cost;                     /* taken from the budget */
    bool structured;
} NbdWork;
/* 0 or -errno with errp: then the caller sends the error. *replied: an answer is out already. */
int coroutine_fn nbd_do_request(NbdWork *w, bool *replied, Error **errp);
int coroutine_fn nbd_do_block_status(NbdWork *w, bool *replied, Error **errp);
/* At most how many bytes its answer keeps. */
uint64_t nbd_block_status_cost(const NbdRequest *q);

/* Sending, for the above: whole messages, one at a time.  0 or -errno (the connection is over). */
int coroutine_fn nbd_send(NbdConn *conn, const struct iovec *iov, int niov);
/* One chunk of a structured reply: header, then iov. */
int coroutine_fn nbd_send_chunk(const NbdWork *w, uint16_t flags, NbdChunk type, const struct iovec *iov, int niov);
const GArray *nbd_conn_contexts(const NbdConn *conn);

#endif
