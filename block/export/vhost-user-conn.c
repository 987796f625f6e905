/*
 * Life of a vhost-user connection.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "util/sigbus.h"
#include "vhost-user.h"

static VuConn *conn_of(VirtioBlkServer *s) { return (VuConn *)s; }

void vu_conn_shutdown(VuConn *conn)
{
    io_channel_shutdown(conn->c, true, true);
}

void vu_conn_break(VuConn *conn, const char *why)
{
    __atomic_store_n(&conn->broken, true, __ATOMIC_SEQ_CST);
    if (!conn->broken_told) {
        conn->broken_told = true;
        warn_report("vhost-user-blk export '%s': %s", conn->exp->common.id, why);
    }
    vu_conn_shutdown(conn);
}

/* --- the log of what was written -------------------------------------------------------- */

void vu_conn_log_guest(VuConn *conn, uint64_t guest, uint64_t len)
{
    uint64_t page = guest >> 12, last = len ? (guest + len - 1) >> 12 : 0;

    if (!conn->log || !len || !(conn->features & (1ULL << VU_F_LOG_ALL)) || guest + len < guest) {
        return;
    }
    for (; page <= last && page / 8 < conn->log_bytes; page++) {
        __atomic_fetch_or(&conn->log[page / 8], 1u << (page % 8), __ATOMIC_SEQ_CST);
    }
}

void vu_conn_log_host(VuConn *conn, const void *host, uint64_t len)
{
    uint64_t guest;

    if (conn->log && vu_memory_to_guest(&conn->memory, host, &guest)) {
        vu_conn_log_guest(conn, guest, len);
    }
}

void vu_conn_drop_log(VuConn *conn)
{
    if (conn->log_map) {
        sigbus_unguard(conn->log_map);
        munmap(conn->log_map, conn->log_map_len);
        conn->log_map = NULL;
        conn->log = NULL;
    }
}

/* --- requests ------------------------------------------------------------------------------ */

static void give_back(VirtioBlkServer *s, VirtElement *e, uint32_t len)
{
    VuQueue *q = (VuQueue *)e->ring;
    uint64_t one = 1;

    for (int i = 0; i < e->in.niov && q->conn->log; i++) {
        vu_conn_log_host(q->conn, e->in.iov[i].iov_base, e->in.iov[i].iov_len);
    }
    vring_push(e, len);
    if (vring_should_notify(&q->ring) && q->call >= 0 && write(q->call, &one, sizeof(one)) < 0 && errno != EAGAIN && errno != EINTR) {
        vu_conn_break(q->conn, "a call descriptor that is no event descriptor");
    }
}

static void idle(VirtioBlkServer *s) { co_queue_wake_all(&conn_of(s)->idle); }

void coroutine_fn vu_conn_quiesce(VuConn *conn)
{
    for (unsigned i = 0; i < conn->server.num_queues; i++) {
        vu_queue_stop(&conn->queues[i]);
    }
    while (conn->server.in_flight) {
        co_queue_wait(&conn->idle, NULL);
    }
}

bool vu_conn_resume(VuConn *conn, Error **errp)
{
    for (unsigned i = 0; i < conn->server.num_queues; i++) {
        if (!vu_queue_start(&conn->queues[i], errp)) {
            return false;
        }
    }
    return true;
}

/* --- life ------------------------------------------------------------------------------------ */

static void conn_free(VuConn *conn)
{
    VuExport *exp = conn->exp;

    for (unsigned i = 0; i < conn->server.num_queues; i++) {
        vu_queue_clear(&conn->queues[i]);
    }
    vu_conn_drop_log(conn);
    vu_memory_clear(&conn->memory);
    io_channel_unref(conn->c);
    g_free(conn->queues);
    g_free(conn);
    exp->conn = NULL;
    vu_export_conn_gone(exp);
}

static void coroutine_fn conn_entry(void *opaque)
{
    VuConn *conn = opaque;
    Error *err = NULL;

    aio_co_reschedule_self(conn->exp->common.ctx);
    while (!__atomic_load_n(&conn->broken, __ATOMIC_SEQ_CST) && vu_serve_message(conn, &err)) {
    }
    if (err) {
        vu_conn_break(conn, error_get_pretty(err));
        error_free(err);
    }
    __atomic_store_n(&conn->broken, true, __ATOMIC_SEQ_CST);
    vu_conn_quiesce(conn);
    aio_co_reschedule_self(aio_main_context());
    conn_free(conn);
}

void vu_conn_start(VuExport *exp, IOChannel *c)
{
    VuConn *conn = g_new0(VuConn, 1);

    conn->exp = exp;
    conn->c = c;
    conn->server = (VirtioBlkServer) {
        .blk = exp->common.blk, .serial = "vhost_user_blk", .logical = exp->logical, .num_queues = exp->num_queues,
        .writable = exp->common.writable, .give_back = give_back, .idle = idle,
    };
    co_queue_init(&conn->idle);
    conn->queues = g_new0(VuQueue, exp->num_queues);
    for (unsigned i = 0; i < exp->num_queues; i++) {
        vu_queue_init(&conn->queues[i], conn, i);
    }
    exp->conn = conn;
    coroutine_enter(coroutine_create(conn_entry, conn));
}
