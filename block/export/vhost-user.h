/*
 * The vhost-user protocol, back end side, and the parts of one connection.
 *
 * A front end shares its memory as descriptors (vhost-user-mem.c), describes rings in it and passes event descriptors
 * (vhost-user-queue.c) by messages over a unix socket (vhost-user-msg.c).  All of a connection runs in its export's context:
 * a coroutine reads messages, handlers of event descriptors take requests.  Memory and rings change only while no request is
 * in flight and no queue runs.  Whatever is wrong ends the connection.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_EXPORT_VHOST_USER_H
#define BLOCK_EXPORT_VHOST_USER_H

#include "block/export.h"
#include "io/socket.h"
#include "virtio-blk-serve.h"

enum {
    VU_GET_FEATURES = 1, VU_SET_FEATURES, VU_SET_OWNER, VU_RESET_OWNER, VU_SET_MEM_TABLE, VU_SET_LOG_BASE, VU_SET_LOG_FD,
    VU_SET_VRING_NUM, VU_SET_VRING_ADDR, VU_SET_VRING_BASE, VU_GET_VRING_BASE, VU_SET_VRING_KICK, VU_SET_VRING_CALL,
    VU_SET_VRING_ERR, VU_GET_PROTOCOL_FEATURES, VU_SET_PROTOCOL_FEATURES, VU_GET_QUEUE_NUM, VU_SET_VRING_ENABLE,
    VU_SET_BACKEND_REQ_FD = 21, VU_GET_CONFIG = 24, VU_SET_CONFIG = 25, VU_GET_MAX_MEM_SLOTS = 36, VU_ADD_MEM_REG, VU_REM_MEM_REG,
    VU_MESSAGES
};
/* Feature bits. */
enum { VU_F_LOG_ALL = 26, VU_F_PROTOCOL_FEATURES = 30, VU_F_VERSION_1 = 32 };
/* Bits of the protocol's own features. */
enum { VU_P_MQ = 0, VU_P_LOG_SHMFD = 1, VU_P_REPLY_ACK = 3, VU_P_CONFIG = 9, VU_P_MEM_SLOTS = 15 };

#define VU_VERSION 1
#define VU_REPLY 4
#define VU_NEED_REPLY 8
#define VU_NO_FD 0x100                 /* in the number of a queue: no descriptor comes with it */
#define VU_TABLE_REGIONS 8             /* of SET_MEM_TABLE */
#define VU_MAX_REGIONS 32
#define VU_CONFIG_BYTES 256

/* --- memory -------------------------------------------------------------------------- */

typedef struct VuRegion {
    uint64_t guest, size, user;        /* addresses in the guest and in the front end */
    uint8_t *host;                     /* ours */
    void *map;
    size_t map_len;
} VuRegion;

typedef struct VuMemory {
    VuRegion regions[VU_MAX_REGIONS];
    unsigned n;
    bool gone;                         /* atomic: its owner took some of it away */
} VuMemory;

typedef struct VuRegionMsg { uint64_t guest, size, user, offset; } VuRegionMsg;

/* Does not take fd. */
bool vu_memory_add(VuMemory *m, const VuRegionMsg *r, int fd, Error **errp);
bool vu_memory_remove(VuMemory *m, const VuRegionMsg *r, Error **errp);
void vu_memory_clear(VuMemory *m);
/* len bytes at an address of the front end, in one region; NULL: not there. */
void *vu_memory_user(const VuMemory *m, uint64_t user, uint64_t len);
/* At a guest's address; *len is cut to what lies in the region. */
void *vu_memory_guest(const VuMemory *m, uint64_t guest, uint64_t *len);
/* The guest's address of what the above gave out. */
bool vu_memory_to_guest(const VuMemory *m, const void *host, uint64_t *guest);

/* --- queues --------------------------------------------------------------------------- */

typedef struct VuConn VuConn;

typedef struct VuQueue {
    VRing ring;                        /* at addresses in this process */
    VuConn *conn;
    unsigned index;
    uint64_t desc, avail, used;        /* in the front end */
    uint64_t log_used;                 /* guest's address of the used ring, when its writes are logged */
    bool has_log, enabled, running;
    int kick, call, err;
    AioBh *more;                       /* while it runs: goes on with what is left in the ring */
} VuQueue;

void vu_queue_init(VuQueue *q, VuConn *conn, unsigned index);
/* Runs from here on if all that it needs is there. */
bool vu_queue_start(VuQueue *q, Error **errp);
void vu_queue_stop(VuQueue *q);
void vu_queue_clear(VuQueue *q);

/* --- a connection ----------------------------------------------------------------------- */

typedef struct VuExport {
    BlockExport common;
    IOListener *listener;
    VuConn *conn;                      /* NULL: none */
    bool waits;                        /* shutting down, with a reference until the connection has ended */
    uint16_t num_queues;
    uint32_t logical;
} VuExport;

struct VuConn {
    VirtioBlkServer server;            /* first: found from it */
    VuExport *exp;
    IOChannel *c;
    VuMemory memory;
    VuQueue *queues;
    uint64_t features, protocol;
    bool broken;                       /* atomic */
    bool broken_told;
    uint8_t *log;                      /* a bit for each page of 4096 bytes; NULL: no log */
    uint64_t log_bytes;
    void *log_map;
    size_t log_map_len;
    CoQueue idle;
};

/* Takes c. */
void vu_conn_start(VuExport *exp, IOChannel *c);
/* From any thread that may be sure that the connection stays. */
void vu_conn_shutdown(VuConn *conn);
/* Tells why, once, and ends it. */
void vu_conn_break(VuConn *conn, const char *why);
/* Note that len bytes at host were written. */
void vu_conn_log_host(VuConn *conn, const void *host, uint64_t len);
void vu_conn_log_guest(VuConn *conn, uint64_t guest, uint64_t len);
void vu_conn_drop_log(VuConn *conn);

/* vhost-user-msg.c: one message read, done and answered.  False: the end, with errp when that is a mistake. */
bool coroutine_fn vu_serve_message(VuConn *conn, Error **errp);
/* Stop all queues and wait until no request is in flight. */
void coroutine_fn vu_conn_quiesce(VuConn *conn);
/* Let those run that may. */
bool vu_conn_resume(VuConn *conn, Error **errp);
/* Main thread: the connection is freed. */
void vu_export_conn_gone(VuExport *exp);

#endif
