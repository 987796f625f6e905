/*
 * Queues of a vhost-user connection: rings in shared memory, kicks that come in, calls that go out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "util/cutils.h"
#include "vhost-user.h"

/* --- memory of the ring: checked as a whole when the queue starts ------------------------------ */

static VuQueue *queue_of(VRing *r) { return (VuQueue *)r; }

static bool load16(VRing *r, uint64_t addr, uint16_t *v)
{
    *v = __atomic_load_n((uint16_t *)(uintptr_t)addr, __ATOMIC_ACQUIRE);
    return true;
}

static void log_used(VRing *r, uint64_t addr, unsigned len)
{
    VuQueue *q = queue_of(r);

    if (q->has_log && addr >= r->used) {
        vu_conn_log_guest(q->conn, q->log_used + (addr - r->used), len);
    }
}

static bool store16(VRing *r, uint64_t addr, uint16_t v)
{
    __atomic_store_n((uint16_t *)(uintptr_t)addr, v, __ATOMIC_RELEASE);
    log_used(r, addr, 2);
    return true;
}

static bool store32(VRing *r, uint64_t addr, uint32_t v)
{
    __atomic_store_n((uint32_t *)(uintptr_t)addr, v, __ATOMIC_RELEASE);
    log_used(r, addr, 4);
    return true;
}

static bool read_table(VRing *r, uint64_t addr, void *buf, uint64_t len, bool indirect)
{
    if (!indirect) {
        memcpy(buf, (void *)(uintptr_t)addr, len);
        return true;
    }
    while (len) {
        uint64_t n = len;
        void *host = vu_memory_guest(&queue_of(r)->conn->memory, addr, &n);

        if (!host) {
            return false;
        }
        memcpy(buf, host, n);
        buf = (uint8_t *)buf + n;
        addr += n;
        len -= n;
    }
    return true;
}

static bool map(VRing *r, IoVec *v, uint64_t addr, uint64_t len, bool for_write)
{
    while (len) {
        uint64_t n = len;
        void *host = v->niov < IOV_PIECES_MAX ? vu_memory_guest(&queue_of(r)->conn->memory, addr, &n) : NULL;

        if (!host) {
            return false;
        }
        iov_add(v, host, n);
        addr += n;
        len -= n;
    }
    return true;
}

static void ring_error(VRing *r, const char *text) { vu_conn_break(queue_of(r)->conn, text); }

static const VRingOps ring_ops = {
    .load16 = load16, .store16 = store16, .store32 = store32, .read = read_table, .map = map, .error = ring_error,
};

/* --- running ------------------------------------------------------------------------------------ */

void vu_queue_init(VuQueue *q, VuConn *conn, unsigned index)
{
    *q = (VuQueue) { .conn = conn, .index = index, .kick = -1, .call = -1, .err = -1 };
    q->ring = (VRing) { .ops = &ring_ops, .broken = &conn->broken, .features = &conn->features, .notification = true };
}

static void serve(void *opaque)
{
    VuQueue *q = opaque;

    if (virtio_blk_serve_ring(&q->conn->server, &q->ring) && q->running) {
        aio_bh_schedule(q->more);
    }
}

static void on_kick(void *opaque)
{
    VuQueue *q = opaque;
    uint64_t n;
    ssize_t got = read(q->kick, &n, sizeof(n));

    if (got != sizeof(n) && !(got < 0 && (errno == EAGAIN || errno == EINTR))) {
        vu_conn_break(q->conn, "a kick descriptor that is no event descriptor");
        return;
    }
    if (__atomic_load_n(&q->conn->memory.gone, __ATOMIC_SEQ_CST)) {
        vu_conn_break(q->conn, "shared memory went away");
        return;
    }
    serve(q);
}

static void *place(VuQueue *q, uint64_t user, uint64_t len, unsigned align)
{
    void *host = vu_memory_user(&q->conn->memory, user, len);

    return host && (uintptr_t)host % align == 0 ? host : NULL;
}

bool vu_queue_start(VuQueue *q, Error **errp)
{
    VRing *r = &q->ring;
    uint64_t num = r->num;
    void *desc, *avail, *used;

    /* Without the protocol's features queues are enabled from the start. */
    if (q->running || q->kick < 0 || !num || !q->desc || !q->conn->memory.n
        || !(q->enabled || !(q->conn->features & (1ULL << VU_F_PROTOCOL_FEATURES)))) {
        return true;
    }
    desc = place(q, q->desc, 16 * num, 16);
    avail = place(q, q->avail, 6 + 2 * num, 2);
    used = place(q, q->used, 6 + 8 * num, 4);
    if (!desc || !avail || !used) {
        error_setg(errp, "queue %u: the ring is not in shared memory", q->index);
        return false;
    }
    r->desc = (uintptr_t)desc;
    r->avail = (uintptr_t)avail;
    r->used = (uintptr_t)used;
    vring_restart(r, r->last_avail);
    load16(r, r->used + 2, &r->used_idx);
    r->signalled_used = r->used_idx;
    q->running = true;
    aio_set_fd_handler(q->conn->exp->common.ctx, q->kick, on_kick, NULL, q);
    q->more = aio_bh_new(q->conn->exp->common.ctx, serve, q);
    serve(q);                              /* what was there before the kick was */
    return true;
}

void vu_queue_stop(VuQueue *q)
{
    if (q->running) {
        aio_set_fd_handler(q->conn->exp->common.ctx, q->kick, NULL, NULL, NULL);
        g_clear_pointer(&q->more, aio_bh_delete);
        q->running = false;
    }
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

void vu_queue_clear(VuQueue *q)
{
    close_fd(&q->kick);
    close_fd(&q->call);
    close_fd(&q->err);
}
