/*
 * The messages of vhost-user: each a function over a payload that was read whole and is bounded.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "util/sigbus.h"
#include "vhost-user.h"

typedef struct VuConfigMsg { uint32_t offset, size, flags; uint8_t data[VU_CONFIG_BYTES]; } VuConfigMsg;
typedef struct VuStateMsg { uint32_t index, num; } VuStateMsg;
typedef struct VuAddrMsg { uint32_t index, flags; uint64_t desc, used, avail, log; } VuAddrMsg;
typedef struct VuLogMsg { uint64_t size, offset; } VuLogMsg;
typedef struct VuTableMsg { uint32_t n, padding; VuRegionMsg regions[VU_TABLE_REGIONS]; } VuTableMsg;
typedef struct VuSlotMsg { uint64_t padding; VuRegionMsg region; } VuSlotMsg;

typedef struct VuMessage {
    struct { uint32_t request, flags, size; } h;
    union {
        uint64_t u64;
        VuStateMsg state;
        VuAddrMsg addr;
        VuTableMsg table;
        VuSlotMsg slot;
        VuLogMsg log;
        VuConfigMsg config;
        uint8_t bytes[sizeof(VuTableMsg) > sizeof(VuConfigMsg) ? sizeof(VuTableMsg) : sizeof(VuConfigMsg)];
    } p;
    IOFds fds;                         /* a handler that keeps one puts -1 in its place */
    bool answered;                     /* h.size and p are the answer */
} VuMessage;

typedef bool coroutine_fn VuHandler(VuConn *conn, VuMessage *m, Error **errp);

static void answer_u64(VuMessage *m, uint64_t value)
{
    m->p.u64 = value;
    m->h.size = sizeof(value);
    m->answered = true;
}

/* The only descriptor of a message; -1 with errp when there is not exactly one. */
static int take_fd(VuMessage *m, Error **errp)
{
    int fd;

    if (m->fds.n != 1) {
        error_setg(errp, "message %u: one descriptor expected, %d came", m->h.request, m->fds.n);
        return -1;
    }
    fd = m->fds.fds[0];
    m->fds.fds[0] = -1;
    return fd;
}

static VuQueue *find_queue(VuConn *conn, uint32_t index, Error **errp)
{
    if (index >= conn->server.num_queues) {
        error_setg(errp, "there is no queue %u", index);
        return NULL;
    }
    return &conn->queues[index];
}

/* --- features --------------------------------------------------------------------------- */

static uint64_t offered_features(const VuConn *conn)
{
    return virtio_blk_serve_features(&conn->server) | 1ULL << VRING_F_NOTIFY_ON_EMPTY | 1ULL << VRING_F_INDIRECT
        | 1ULL << VRING_F_EVENT_IDX | 1ULL << VU_F_LOG_ALL | 1ULL << VU_F_PROTOCOL_FEATURES | 1ULL << VU_F_VERSION_1;
}

#define PROTOCOL_FEATURES (1ULL << VU_P_MQ | 1ULL << VU_P_LOG_SHMFD | 1ULL << VU_P_REPLY_ACK | 1ULL << VU_P_CONFIG | 1ULL << VU_P_MEM_SLOTS)

static bool get_features(VuConn *conn, VuMessage *m, Error **errp)
{
    answer_u64(m, offered_features(conn));
    return true;
}

static bool set_features(VuConn *conn, VuMessage *m, Error **errp)
{
    if (m->p.u64 & ~offered_features(conn)) {
        error_setg(errp, "features 0x%" PRIx64 " were not offered", m->p.u64 & ~offered_features(conn));
        return false;
    }
    conn->features = m->p.u64;
    return vu_conn_resume(conn, errp);
}

static bool get_protocol_features(VuConn *conn, VuMessage *m, Error **errp)
{
    answer_u64(m, PROTOCOL_FEATURES);
    return true;
}

static bool set_protocol_features(VuConn *conn, VuMessage *m, Error **errp)
{
    conn->protocol = m->p.u64 & PROTOCOL_FEATURES;
    return true;
}

static bool nothing(VuConn *conn, VuMessage *m, Error **errp) { return true; }

static bool get_queue_num(VuConn *conn, VuMessage *m, Error **errp)
{
    answer_u64(m, conn->server.num_queues);
    return true;
}

/* --- memory ------------------------------------------------------------------------------ */

static bool coroutine_fn set_mem_table(VuConn *conn, VuMessage *m, Error **errp)
{
    uint32_t n = m->p.table.n;

    if (n > VU_TABLE_REGIONS || n != (uint32_t)m->fds.n || m->h.size < 8 + n * sizeof(VuRegionMsg)) {
        error_setg(errp, "a table of %u memory regions with %d descriptors", n, m->fds.n);
        return false;
    }
    vu_conn_quiesce(conn);
    vu_memory_clear(&conn->memory);
    for (uint32_t i = 0; i < n; i++) {
        if (!vu_memory_add(&conn->memory, &m->p.table.regions[i], m->fds.fds[i], errp)) {
            return false;
        }
    }
    return vu_conn_resume(conn, errp);
}

static bool get_max_mem_slots(VuConn *conn, VuMessage *m, Error **errp)
{
    answer_u64(m, VU_MAX_REGIONS);
    return true;
}

/* Nothing that runs knows of it yet. */
static bool add_mem_reg(VuConn *conn, VuMessage *m, Error **errp)
{
    bool ok;
    int fd = take_fd(m, errp);

    if (fd < 0) {
        return false;
    }
    ok = vu_memory_add(&conn->memory, &m->p.slot.region, fd, errp);
    close(fd);
    return ok && vu_conn_resume(conn, errp);
}

static bool coroutine_fn rem_mem_reg(VuConn *conn, VuMessage *m, Error **errp)
{
    vu_conn_quiesce(conn);
    return vu_memory_remove(&conn->memory, &m->p.slot.region, errp) && vu_conn_resume(conn, errp);
}

/* --- the log of writes ------------------------------------------------------------------------ */

static bool coroutine_fn set_log_base(VuConn *conn, VuMessage *m, Error **errp)
{
    VuLogMsg log = m->p.log;
    int fd = take_fd(m, errp);
    size_t len = log.offset + log.size;
    struct stat st;
    void *map = MAP_FAILED;

    if (fd < 0) {
        return false;
    }
    if (log.size && len >= log.size && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size >= len) {
        map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    }
    close(fd);
    if (map == MAP_FAILED || !sigbus_guard(map, len, &conn->memory.gone)) {
        if (map != MAP_FAILED) {
            munmap(map, len);
        }
        error_setg(errp, "the log of writes cannot be mapped");
        return false;
    }
    vu_conn_quiesce(conn);
    vu_conn_drop_log(conn);
    conn->log_map = map;
    conn->log_map_len = len;
    conn->log = (uint8_t *)map + log.offset;
    conn->log_bytes = log.size;
    answer_u64(m, 0);
    return vu_conn_resume(conn, errp);
}

/* --- queues ------------------------------------------------------------------------------------- */

/* The queue that a message describes, stopped; NULL + errp. */
static VuQueue *coroutine_fn stopped_queue(VuConn *conn, uint32_t index, Error **errp)
{
    VuQueue *q = find_queue(conn, index, errp);

    if (q && q->running) {
        vu_conn_quiesce(conn);
    }
    return q;
}

static bool coroutine_fn set_vring_num(VuConn *conn, VuMessage *m, Error **errp)
{
    VuQueue *q = stopped_queue(conn, m->p.state.index, errp);

    if (!q) {
        return false;
    }
    if (!m->p.state.num || m->p.state.num > VRING_MAX_SIZE || (m->p.state.num & (m->p.state.num - 1))) {
        error_setg(errp, "queue %u: %u is no size for a ring", q->index, m->p.state.num);
        return false;
    }
    q->ring.num = m->p.state.num;
    return vu_conn_resume(conn, errp);
}

static bool coroutine_fn set_vring_addr(VuConn *conn, VuMessage *m, Error **errp)
{
    const VuAddrMsg *a = &m->p.addr;
    VuQueue *q = stopped_queue(conn, a->index, errp);

    if (!q) {
        return false;
    }
    q->desc = a->desc;
    q->avail = a->avail;
    q->used = a->used;
    q->has_log = a->flags & 1;
    q->log_used = a->log;
    return vu_conn_resume(conn, errp);
}

static bool coroutine_fn set_vring_base(VuConn *conn, VuMessage *m, Error **errp)
{
    VuQueue *q = stopped_queue(conn, m->p.state.index, errp);

    if (!q) {
        return false;
    }
    q->ring.last_avail = m->p.state.num;
    return vu_conn_resume(conn, errp);
}

/* Ends the queue: it runs again after a new kick descriptor. */
static bool coroutine_fn get_vring_base(VuConn *conn, VuMessage *m, Error **errp)
{
    VuQueue *q = find_queue(conn, m->p.state.index, errp);

    if (!q) {
        return false;
    }
    vu_conn_quiesce(conn);
    vu_queue_clear(q);
    m->p.state.num = q->ring.last_avail;
    m->h.size = sizeof(m->p.state);
    m->answered = true;
    return vu_conn_resume(conn, errp);
}

/* Replaces *slot by the message's descriptor, if one is said to come. */
static bool keep_fd(VuMessage *m, int *slot, Error **errp)
{
    int fd = -1;

    if (!(m->p.u64 & VU_NO_FD)) {
        fd = take_fd(m, errp);
        if (fd < 0) {
            return false;
        }
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    }
    if (*slot >= 0) {
        close(*slot);
    }
    *slot = fd;
    return true;
}

static bool coroutine_fn set_vring_kick(VuConn *conn, VuMessage *m, Error **errp)
{
    VuQueue *q = stopped_queue(conn, m->p.u64 & 0xff, errp);

    return q && keep_fd(m, &q->kick, errp) && vu_conn_resume(conn, errp);
}

static bool set_vring_call(VuConn *conn, VuMessage *m, Error **errp)
{
    VuQueue *q = find_queue(conn, m->p.u64 & 0xff, errp);

    return q && keep_fd(m, &q->call, errp);
}

static bool set_vring_err(VuConn *conn, VuMessage *m, Error **errp)
{
    VuQueue *q = find_queue(conn, m->p.u64 & 0xff, errp);

    return q && keep_fd(m, &q->err, errp);
}

static bool coroutine_fn set_vring_enable(VuConn *conn, VuMessage *m, Error **errp)
{
    VuQueue *q = stopped_queue(conn, m->p.state.index, errp);

    if (!q) {
        return false;
    }
    q->enabled = m->p.state.num != 0;
    return vu_conn_resume(conn, errp);
}

/* --- configuration ------------------------------------------------------------------------------ */

static bool get_config(VuConn *conn, VuMessage *m, Error **errp)
{
    VuConfigMsg *c = &m->p.config;
    uint8_t config[VIRTIO_BLK_SERVE_CONFIG];

    m->answered = true;
    if (c->size > sizeof(config) || c->offset > sizeof(config) - c->size) {
        m->h.size = 0;                         /* how this message is refused */
        return true;
    }
    virtio_blk_serve_config(&conn->server, config);
    config[VIRTIO_BLK_SERVE_WCE] = blk_enable_write_cache(conn->server.blk);
    memcpy(c->data, config + c->offset, c->size);
    m->h.size = offsetof(VuConfigMsg, data) + c->size;
    return true;
}

static bool set_config(VuConn *conn, VuMessage *m, Error **errp)
{
    const VuConfigMsg *c = &m->p.config;

    if (c->offset != VIRTIO_BLK_SERVE_WCE || c->size != 1 || c->flags || m->h.size < offsetof(VuConfigMsg, data) + 1) {
        error_setg(errp, "only the write cache's switch can be configured");
        return false;
    }
    blk_set_enable_write_cache(conn->server.blk, c->data[0]);
    return true;
}

/* --- one message ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    VuHandler *handler;
    uint32_t least;                    /* bytes of payload */
} messages[VU_MESSAGES] = {
    [VU_GET_FEATURES] = { "GET_FEATURES", get_features, 0 },
    [VU_SET_FEATURES] = { "SET_FEATURES", set_features, 8 },
    [VU_SET_OWNER] = { "SET_OWNER", nothing, 0 },
    [VU_RESET_OWNER] = { "RESET_OWNER", nothing, 0 },
    [VU_SET_MEM_TABLE] = { "SET_MEM_TABLE", set_mem_table, 8 },
    [VU_SET_LOG_BASE] = { "SET_LOG_BASE", set_log_base, sizeof(VuLogMsg) },
    [VU_SET_LOG_FD] = { "SET_LOG_FD", nothing, 0 },
    [VU_SET_VRING_NUM] = { "SET_VRING_NUM", set_vring_num, sizeof(VuStateMsg) },
    [VU_SET_VRING_ADDR] = { "SET_VRING_ADDR", set_vring_addr, sizeof(VuAddrMsg) },
    [VU_SET_VRING_BASE] = { "SET_VRING_BASE", set_vring_base, sizeof(VuStateMsg) },
    [VU_GET_VRING_BASE] = { "GET_VRING_BASE", get_vring_base, sizeof(VuStateMsg) },
    [VU_SET_VRING_KICK] = { "SET_VRING_KICK", set_vring_kick, 8 },
    [VU_SET_VRING_CALL] = { "SET_VRING_CALL", set_vring_call, 8 },
    [VU_SET_VRING_ERR] = { "SET_VRING_ERR", set_vring_err, 8 },
    [VU_GET_PROTOCOL_FEATURES] = { "GET_PROTOCOL_FEATURES", get_protocol_features, 0 },
    [VU_SET_PROTOCOL_FEATURES] = { "SET_PROTOCOL_FEATURES", set_protocol_features, 8 },
    [VU_GET_QUEUE_NUM] = { "GET_QUEUE_NUM", get_queue_num, 0 },
    [VU_SET_VRING_ENABLE] = { "SET_VRING_ENABLE", set_vring_enable, sizeof(VuStateMsg) },
    [VU_GET_CONFIG] = { "GET_CONFIG", get_config, offsetof(VuConfigMsg, data) },
    [VU_SET_CONFIG] = { "SET_CONFIG", set_config, offsetof(VuConfigMsg, data) },
    [VU_GET_MAX_MEM_SLOTS] = { "GET_MAX_MEM_SLOTS", get_max_mem_slots, 0 },
    [VU_ADD_MEM_REG] = { "ADD_MEM_REG", add_mem_reg, sizeof(VuSlotMsg) },
    [VU_REM_MEM_REG] = { "REM_MEM_REG", rem_mem_reg, sizeof(VuSlotMsg) },
};

static bool check_header(const VuMessage *m, Error **errp)
{
    uint32_t request = m->h.request;

    if ((m->h.flags & 3) != VU_VERSION) {
        error_setg(errp, "a message of version %u", m->h.flags & 3);
    } else if (request >= VU_MESSAGES || !messages[request].handler) {
        error_setg(errp, "message %u is not known here", request);
    } else if (m->h.size > sizeof(m->p) || m->h.size < messages[request].least) {
        error_setg(errp, "%s with %u bytes", messages[request].name, m->h.size);
    } else {
        return true;
    }
    return false;
}

/* 1: a message; 0: the end between two; -1 with errp. */
static int coroutine_fn read_message(VuConn *conn, VuMessage *m, Error **errp)
{
    uint8_t *at = (uint8_t *)&m->h;
    size_t got = 0;

    while (got < sizeof(m->h)) {
        ssize_t n = io_channel_read_fds(conn->c, at + got, sizeof(m->h) - got, &m->fds, NULL);

        if (n == -EAGAIN) {
            io_channel_wait(conn->c, IO_READ);
        } else if (n <= 0) {
            if (got) {
                error_setg(errp, "the connection ended in a message");
            }
            return got ? -1 : 0;
        } else {
            got += n;
        }
    }
    if (!check_header(m, errp)) {
        return -1;
    }
    if (m->h.size && io_channel_read_all(conn->c, &m->p, m->h.size, NULL) < 0) {
        error_setg(errp, "the connection ended in a message");
        return -1;
    }
    return 1;
}

static void close_fds(VuMessage *m)
{
    for (int i = 0; i < m->fds.n; i++) {
        if (m->fds.fds[i] >= 0) {
            close(m->fds.fds[i]);
        }
    }
}

static bool coroutine_fn reply(VuConn *conn, VuMessage *m)
{
    if (!m->answered) {
        if (!(m->h.flags & VU_NEED_REPLY) || !(conn->protocol & (1ULL << VU_P_REPLY_ACK))) {
            return true;
        }
        answer_u64(m, 0);
    }
    m->h.flags = VU_VERSION | VU_REPLY;
    return io_channel_writev_all(conn->c, (struct iovec[]) { { &m->h, sizeof(m->h) }, { &m->p, m->h.size } }, 2, NULL) == 0;
}

bool coroutine_fn vu_serve_message(VuConn *conn, Error **errp)
{
    VuMessage m = { .fds = { .n = 0 } };
    bool ok = read_message(conn, &m, errp) == 1 && messages[m.h.request].handler(conn, &m, errp);

    close_fds(&m);
    return ok && reply(conn, &m);
}
