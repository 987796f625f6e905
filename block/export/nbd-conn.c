/*
 * One client of the NBD server: negotiation, then its requests, several at a time.
 *
 *   conn_entry    main context: negotiate (bounded in time); export's context: serve; main again: leave
 *   serve         reads requests one after another and starts a coroutine for each
 *   request_entry does one and sends the answer; messages are kept whole by send_lock
 *
 * In flight: at most MAX_REQUESTS, and MAX_BUFFERED bytes of payload, within the budget of the whole server
 * (nbd-budget.c); the reader waits, and so does the client.  All fields but the list links are used by one thread at a time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "nbd-export.h"
#include "util/cutils.h"

#define MAX_REQUESTS 16
#define MAX_BUFFERED (64 * MiB)
#define MAX_PARTS 4                           /* of a message */
#define PIECE ((size_t)MiB)
#define REQUEST_COST (16 * KiB)               /* of a request without payload: what its coroutine's stack takes */
#define HANDSHAKE_NS (10 * 1000000000LL)      /* who is not through by then is cut off */

struct NbdConn {
    NbdSession session;
    const NbdServerHost *host;
    IOChannel *socket;                        /* as accepted: what is shut down from outside */
    NbdExport *exp;                           /* NULL during negotiation */
    AioTimer *handshake;
    CoMutex send_lock;
    CoQueue slots;                            /* the reader, when too much is in flight */
    unsigned in_flight;
    uint64_t buffered;
    NbdShare share;
    bool failed;                              /* nothing can be sent any more */
    bool cut;                                 /* ended by us */
    void (*gone)(void *opaque, bool served);
    void *opaque;
    NbdConn *next;                            /* main thread */
};

static NbdConn *conns;

const GArray *nbd_conn_contexts(const NbdConn *conn) { return conn->session.contexts; }

/* --- sending ---------------------------------------------------------------------- */

/* One wait of the budget for the client each: who takes nothing is told from who takes it slowly. */
static int coroutine_fn send_piece(NbdConn *conn, const struct iovec *iov, int niov)
{
    uint64_t bytes = 0;
    int ret;

    for (int i = 0; i < niov; i++) {
        bytes += iov[i].iov_len;
    }
    nbd_peer_begin(&conn->share.sending, bytes);
    ret = io_channel_writev_all(conn->session.channel, iov, niov, NULL);
    nbd_peer_end(&conn->share.sending);
    return ret;
}

/* All but the last part are short. */
static int coroutine_fn send_pieces(NbdConn *conn, const struct iovec *iov, int niov)
{
    struct iovec parts[MAX_PARTS], *last = &parts[niov - 1];
    size_t left;
    int ret;

    memcpy(parts, iov, niov * sizeof(*iov));
    left = last->iov_len;
    last->iov_len = MIN(left, PIECE);
    ret = send_piece(conn, parts, niov);
    while (ret == 0 && (left -= last->iov_len)) {
        *last = (struct iovec){ (char *)last->iov_base + last->iov_len, MIN(left, PIECE) };
        ret = send_piece(conn, last, 1);
    }
    return ret;
}

int coroutine_fn nbd_send(NbdConn *conn, const struct iovec *iov, int niov)
{
    CO_SCOPED_LOCK(&conn->send_lock);
    int ret = conn->failed ? -EPIPE : send_pieces(conn, iov, niov);

    if (ret < 0) {
        conn->failed = true;
        io_channel_shutdown(conn->socket, true, true);      /* wake the reader */
        nbd_share_end(&conn->share);
    }
    return ret;
}

int coroutine_fn nbd_send_chunk(const NbdWork *w, uint16_t flags, NbdChunk type, const struct iovec *iov, int niov)
{
    uint8_t header[NBD_CHUNK_BYTES];
    struct iovec all[MAX_PARTS] = { { header, sizeof(header) } };
    size_t len = 0;

    for (int i = 0; i < niov; i++) {
        all[i + 1] = iov[i];
        len += iov[i].iov_len;
    }
    nbd_chunk_print(flags, type, w->req.handle, len, header);
    return nbd_send(w->conn, all, niov + 1);
}

static int coroutine_fn send_simple(NbdWork *w, int error, uint32_t len)
{
    uint8_t header[NBD_SIMPLE_REPLY_BYTES];
    struct iovec iov[2] = { { header, sizeof(header) }, { w->data, len } };

    nbd_simple_reply_print(nbd_error_from_errno(error), w->req.handle, header);
    return nbd_send(w->conn, iov, len ? 2 : 1);
}

static int coroutine_fn send_error(NbdWork *w, int error, const char *text)
{
    uint8_t fixed[6];
    struct iovec iov[2] = { { fixed, sizeof(fixed) }, { (char *)text, strlen(text) } };

    if (!w->structured) {
        return send_simple(w, error, 0);
    }
    iov[1].iov_len = MIN(iov[1].iov_len, (size_t)NBD_MAX_STRING);
    nbd_put32(fixed, nbd_error_from_errno(error));
    nbd_put16(fixed + 4, iov[1].iov_len);
    return nbd_send_chunk(w, NBD_REPLY_FLAG_DONE, NBD_CHUNK_ERROR, iov, iov[1].iov_len ? 2 : 1);
}

static int coroutine_fn send_success(NbdWork *w)
{
    bool reads = w->req.type == NBD_CMD_READ;

    return w->structured && reads ? nbd_send_chunk(w, NBD_REPLY_FLAG_DONE, NBD_CHUNK_NONE, NULL, 0)
                                  : send_simple(w, 0, reads ? w->req.len : 0);
}

/* --- requests ------------------------------------------------------------------------ */

typedef struct Running {
    NbdWork work;
    int ret;                                  /* of the checks; *err says why */
    Error *err;
} Running;

static void running_free(Running *r)
{
    NbdConn *conn = r->work.conn;
    uint64_t cost = r->work.cost;

    bdrv_memfree(r->work.data);
    error_free(r->err);
    g_free(r);
    if (cost) {
        conn->buffered -= cost;
        nbd_share_give(&conn->share, cost);
    }
}

static void coroutine_fn request_entry(void *opaque)
{
    Running *r = opaque;
    NbdConn *conn = r->work.conn;
    bool replied = false;

    if (r->ret == 0) {
        r->ret = nbd_do_request(&r->work, &replied, &r->err);
    }
    if (!replied) {
        if (r->ret < 0) {
            send_error(&r->work, -r->ret, r->err ? error_get_pretty(r->err) : strerror(-r->ret));
        } else {
            send_success(&r->work);
        }
    }
    running_free(r);
    conn->in_flight--;
    co_queue_wake_one(&conn->slots);
}

static bool carries_data(uint16_t type) { return type == NBD_CMD_READ || type == NBD_CMD_WRITE; }
static bool modifies(uint16_t type) { return type == NBD_CMD_WRITE || type == NBD_CMD_TRIM || type == NBD_CMD_WRITE_ZEROES; }

static uint16_t flags_of(const NbdConn *conn, uint16_t type)
{
    switch (type) {
    case NBD_CMD_READ:
        return NBD_CMD_FLAG_FUA | (conn->session.structured ? NBD_CMD_FLAG_DF : 0);
    case NBD_CMD_WRITE_ZEROES:
        return NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO;
    case NBD_CMD_BLOCK_STATUS:
        return NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_REQ_ONE;
    default:
        return NBD_CMD_FLAG_FUA;
    }
}

/* May this be done?  Whatever is wrong with a request, the peer says EINVAL, and so do we; the text tells more. */
static int check_request(const NbdConn *conn, const NbdRequest *q, Error **errp)
{
    uint64_t size = conn->exp->size;

    if (modifies(q->type) && !conn->exp->common.writable) {
        error_setg(errp, "Export is read-only");
    } else if (q->type != NBD_CMD_FLUSH && (q->from > size || q->len > size - q->from)) {
        error_setg(errp, "operation past EOF; From: %" PRIu64 ", Len: %" PRIu32 ", Size: %" PRIu64, q->from, q->len, size);
    } else if (q->flags & ~flags_of(conn, q->type)) {
        error_setg(errp, "unsupported flags for command %s (got 0x%x)", nbd_command_name(q->type), q->flags);
    } else {
        return 0;
    }
    return -EINVAL;
}

static uint64_t cost_of(const NbdRequest *q)
{
    return REQUEST_COST + (carries_data(q->type) ? q->len : q->type == NBD_CMD_BLOCK_STATUS ? nbd_block_status_cost(q) : 0);
}

/* Wait for the request's part of what all may keep.  False: the connection is ending. */
static bool coroutine_fn take_cost(NbdConn *conn, Running *r, uint64_t cost)
{
    while (conn->buffered && conn->buffered + cost > MAX_BUFFERED) {
        co_queue_wait(&conn->slots, NULL);
    }
    if (!nbd_share_take(&conn->share, cost)) {
        return false;
    }
    r->work.cost = cost;
    conn->buffered += cost;
    return true;
}

static int coroutine_fn read_payload(NbdConn *conn, Running *r)
{
    int ret = 0;

    for (size_t at = 0, n; ret == 0 && at < r->work.req.len; at += n) {
        n = MIN(r->work.req.len - at, PIECE);
        nbd_peer_begin(&conn->share.receiving, n);
        ret = io_channel_read_all(conn->session.channel, r->work.data + at, n, NULL);
        nbd_peer_end(&conn->share.receiving);
    }
    return ret;
}

/* The payload's place.  0; 1: over the limit, but the framing holds; -errno: the connection cannot go on. */
static int coroutine_fn take_payload(NbdConn *conn, Running *r)
{
    NbdRequest *q = &r->work.req;
    bool long_one = q->len > NBD_MAX_PAYLOAD && (carries_data(q->type) || q->type == NBD_CMD_CACHE);

    if (long_one) {
        error_setg(&r->err, "len (%" PRIu32 " ) is larger than max len (%u)", q->len, NBD_MAX_PAYLOAD);
        r->ret = -EINVAL;
    }
    if (long_one && q->type == NBD_CMD_WRITE) {
        return -EINVAL;
    }
    if (!take_cost(conn, r, long_one ? REQUEST_COST : cost_of(q))) {
        return -ESHUTDOWN;
    }
    if (long_one || !carries_data(q->type) || !q->len) {
        return long_one;
    }
    r->work.data = blk_blockalign(conn->exp->common.blk, q->len);
    if (!r->work.data) {
        error_setg(&r->err, "No memory");
        r->ret = -ENOMEM;
        return q->type == NBD_CMD_READ ? 1 : -ENOMEM;
    }
    return q->type == NBD_CMD_WRITE ? read_payload(conn, r) : 0;
}

/* Read one request.  NULL: the client is gone, or left the protocol. */
static Running *coroutine_fn next_request(NbdConn *conn)
{
    uint8_t header[NBD_REQUEST_BYTES];
    Running *r = g_new0(Running, 1);
    int ret;

    r->work = (NbdWork){ .conn = conn, .exp = conn->exp, .structured = conn->session.structured };
    if (io_channel_read_all_eof(conn->session.channel, header, sizeof(header), NULL) <= 0) {
        running_free(r);
        return NULL;
    }
    if (!nbd_request_parse(header, &r->work.req)) {
        error_report("Disconnect client, due to: Request handling failed in intermediate state");
        running_free(r);
        return NULL;
    }
    if (r->work.req.type == NBD_CMD_DISC) {
        running_free(r);
        return NULL;
    }
    ret = take_payload(conn, r);
    if (ret < 0) {
        running_free(r);
        return NULL;
    }
    if (ret == 0) {
        r->ret = check_request(conn, &r->work.req, &r->err);
    }
    return r;
}

static void coroutine_fn serve(NbdConn *conn)
{
    Running *r;

    while (!conn->failed && (r = next_request(conn))) {
        conn->in_flight++;
        coroutine_enter(coroutine_create(request_entry, r));
        while (conn->in_flight >= MAX_REQUESTS) {
            co_queue_wait(&conn->slots, NULL);
        }
    }
    while (conn->in_flight) {
        co_queue_wait(&conn->slots, NULL);
    }
}

/* --- life of a connection --------------------------------------------------------------- */

static void handshake_late(void *opaque)
{
    NbdConn *conn = opaque;

    io_channel_shutdown(conn->socket, true, true);
}

static void conn_free(NbdConn *conn)
{
    void (*gone)(void *, bool) = conn->gone;
    bool served = conn->exp;
    void *opaque = conn->opaque;

    for (NbdConn **link = &conns; *link; link = &(*link)->next) {
        if (*link == conn) {
            *link = conn->next;
            break;
        }
    }
    nbd_share_close(&conn->share);
    nbd_session_clear(&conn->session, conn->host);
    io_channel_unref(conn->socket);
    g_free(conn);
    if (gone) {
        gone(opaque, served);
    }
    aio_wait_kick();
}

static void coroutine_fn conn_entry(void *opaque)
{
    NbdConn *conn = opaque;
    Error *err = NULL;
    NbdNegotiated how = nbd_server_negotiate(&conn->session, conn->host, &err);

    aio_timer_free(conn->handshake);
    conn->handshake = NULL;
    if (err && !conn->cut) {
        error_reportf_err(err, "option negotiation failed: ");
    } else {
        error_free(err);
    }
    if (how == NBD_TRANSMISSION) {
        conn->exp = conn->session.export;
        conn->share.export = &conn->exp->held;
        if (!conn->exp->common.shutting_down) {
            aio_co_reschedule_self(conn->exp->common.ctx);
            serve(conn);
            aio_co_reschedule_self(aio_main_context());
        }
    }
    conn_free(conn);
}

void nbd_conn_start(IOChannel *c, const NbdServerHost *host, void (*gone)(void *opaque, bool served), void *opaque)
{
    NbdConn *conn = g_new0(NbdConn, 1);

    nbd_session_init(&conn->session, c);
    conn->socket = io_channel_ref(c);
    nbd_share_open(&conn->share, conn->socket);
    conn->host = host;
    conn->gone = gone;
    conn->opaque = opaque;
    co_mutex_init(&conn->send_lock);
    co_queue_init(&conn->slots);
    conn->next = conns;
    conns = conn;
    conn->handshake = aio_timer_new(aio_main_context(), AIO_CLOCK_REALTIME, handshake_late, conn);
    aio_timer_mod_ns(conn->handshake, aio_clock_ns(AIO_CLOCK_REALTIME) + HANDSHAKE_NS);
    coroutine_enter(coroutine_create(conn_entry, conn));
}

void nbd_conn_close_export(NbdExport *e)
{
    for (NbdConn *conn = conns; conn; conn = conn->next) {
        if (conn->exp == e || conn->session.export == e) {
            io_channel_shutdown(conn->socket, true, true);
            nbd_share_end(&conn->share);
        }
    }
}

static bool conns_left(void *opaque) { return conns; }

void nbd_conn_close_all(void)
{
    for (NbdConn *conn = conns; conn; conn = conn->next) {
        conn->cut = true;
        io_channel_shutdown(conn->socket, true, true);
        nbd_share_end(&conn->share);
    }
    bdrv_wait_while(conns_left, NULL);
}
