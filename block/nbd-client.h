/*
 * One connection to an NBD server, made anew when it is lost.
 *
 * Threads: everything here runs in the main context.  A request from another context moves there and
 * back (nbd_link_request), so nothing needs a lock against other threads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_NBD_CLIENT_H
#define BLOCK_NBD_CLIENT_H

#include "crypto/tls.h"
#include "io/address.h"
#include "nbd/client.h"
#include "nbd-came.h"
#include "util/aio.h"
#include "util/coroutine.h"
#include "util/iov.h"

#define NBD_LINK_REQUESTS 16

/*
 *   CONNECTED -> WAITING      lost, reconnect-delay is set: requests wait for the server to come back
 *             -> TRYING       lost, no delay (or WAITING for longer than it): a request tries once, then it fails
 *                             and with it all that came meanwhile
 *   WAITING, TRYING -> CONNECTED   by the next request
 *   any -> CLOSED             nbd_link_close
 */
typedef enum NbdLinkState { NBD_LINK_TRYING, NBD_LINK_WAITING, NBD_LINK_CONNECTED, NBD_LINK_CLOSED } NbdLinkState;

typedef struct NbdPending NbdPending;

typedef struct NbdLink {
    /* The caller fills these, and owns them. */
    IOAddress *addr;
    const char *export_name, *context, *tls_hostname;
    TlsCreds *tls;                         /* NULL: in the clear */
    uint64_t reconnect_ns, open_ns;
    char *yank_name;                       /* node name; owned by the link */

    NbdLinkState state;
    NbdClientExport *info;                 /* what the server said last */
    bool structured, has_context;
    uint32_t context_id;
    IOChannel *channel;                    /* while CONNECTED, and until its reader has ended */
    bool reading;                          /* a reader coroutine lives */
    int64_t give_up_at;                    /* WAITING: when it becomes TRYING */
    unsigned failures;                     /* attempts that led to TRYING */
    unsigned in_flight;                    /* requests, waiting ones included */
    CoQueue room;
    CoMutex send;
    uint64_t serial;
    NbdPending *pending[NBD_LINK_REQUESTS];
} NbdLink;

/* What a block status request brought. */
typedef struct NbdExtent { uint32_t length, flags; } NbdExtent;

/* Connect, trying again until open_ns have passed.  Outside coroutines too.  0 or -errno. */
int nbd_link_open(NbdLink *n, Error **errp);
/*
 * One request and its answer: r->handle is chosen here.  qiov: data of a write, room for that of a read;
 * extent: for block status.  0 or -errno, -EIO when the server is gone.
 */
int coroutine_fn nbd_link_request(NbdLink *n, NbdRequest *r, IoVec *qiov, size_t qiov_offset, NbdExtent *extent);
/* Say goodbye, end the connection, free what the link owns.  Main thread; polls. */
void nbd_link_close(NbdLink *n);

/* nbd-reply.c: read one answer and act on it.  0, or -errno when the connection is of no use any more. */
int coroutine_fn nbd_link_read_answer(NbdLink *n);

/* A request that was sent; lives on its coroutine's stack. */
struct NbdPending {
    Coroutine *co;
    NbdRequest request;
    IoVec *qiov;
    size_t qiov_offset;
    NbdExtent *extent;
    NbdCame came;                          /* of a read */
    unsigned errors;                       /* chunks that told one */
    int ret;                               /* the server's first error */
    bool done, waiting, lost;              /* lost: the connection ended before the answer */
    bool wrong;                            /* its answer broke the protocol: that is why the link was lost */
};

NbdPending *nbd_link_find(NbdLink *n, uint64_t handle);
/* The request is answered: wake its coroutine. */
void nbd_link_done(NbdLink *n, NbdPending *p);

#endif
