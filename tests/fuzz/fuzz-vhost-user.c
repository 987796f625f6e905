/*
 * Fuzzing entry: a vhost-user front end without manners.  The input is a list of operations: messages of any kind, length and number
 * of descriptors, shared memory written at any time, rings and requests as a driver makes them, kicks.
 *
 * The export is made once; each input is a new connection to it.  Its disk is in memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "../../block/export/vhost-user.h"
#include "block/graph.h"
#include "fuzz.h"
#include "util/aio.h"

#define MEMORY_BYTES (64u << 10)
#define GUEST 0x100000000ull
#define USER 0x7f0000000000ull
#define AVAIL 1024                     /* in the memory; the descriptors are at its start */
#define USED 2048
#define REQUESTS 4096
#define MOST_OPERATIONS 200
#define MOST_POLLS 64

static struct sockaddr_un where = { .sun_family = AF_UNIX };
static socklen_t where_len;
static uint8_t *memory;
static int memory_fd = -1, kick = -1, call = -1;

static void start_once(void)
{
    QDict *options;
    BlockExportOptions export = { .type = BLOCK_EXPORT_TYPE_VHOST_USER_BLK, .id = (char *)"e", .node_name = (char *)"n", .has_writable = true, .writable = true };
    g_autoptr(SocketAddress) addr = SocketAddress_new();

    if (memory) {
        return;
    }
    error_init("fuzz-vhost-user");
    aio_init_main();
    bdrv_init();
    options = qdict_new();
    qdict_put_str(options, "driver", "null-co");
    qdict_put_str(options, "node-name", "n");
    qdict_put_int(options, "size", 1 << 20);
    qdict_put(options, "read-zeroes", qbool_new(true));
    bdrv_open(NULL, NULL, options, BDRV_O_RDWR, &error_abort);
    addr->type = SOCKET_ADDRESS_TYPE_UNIX;
    addr->u.unix_.path = g_strdup_printf("stillframe-fuzz-vu-%d", (int)getpid());
    addr->u.unix_.has_abstract = addr->u.unix_.abstract = true;
    addr->u.unix_.has_tight = addr->u.unix_.tight = true;
    strcpy(where.sun_path + 1, addr->u.unix_.path);
    where_len = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(where.sun_path + 1);
    export.u.vhost_user_blk.addr = addr;
    export.u.vhost_user_blk.has_num_queues = true;
    export.u.vhost_user_blk.num_queues = 2;
    blk_exp_add(&export, &error_abort);
    memory_fd = memfd_create("guest", MFD_CLOEXEC);
    kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (memory_fd < 0 || kick < 0 || call < 0 || ftruncate(memory_fd, MEMORY_BYTES) < 0) {
        abort();
    }
    memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
    if (!getenv("FUZZ_VERBOSE") && !freopen("/dev/null", "w", stderr)) {       /* what breaks the protocol is told */
        abort();
    }
}

static void poll_some(void)
{
    for (int i = 0; i < MOST_POLLS && aio_poll(aio_main_context(), false); i++) {
    }
}

/* --- messages ------------------------------------------------------------------------------------------------------- */

static void send_message(int sock, uint32_t request, uint32_t flags, uint32_t told, const void *body, size_t len, const int *fds, unsigned n)
{
    uint32_t head[3] = { request, flags, told };
    struct iovec iov[2] = { { head, sizeof(head) }, { (void *)body, len } };
    union { char bytes[CMSG_SPACE(16 * sizeof(int))]; struct cmsghdr align; } control = { { 0 } };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

    if (n) {
        struct cmsghdr *c;

        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
        c = CMSG_FIRSTHDR(&msg);
        *c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(n * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
        memcpy(CMSG_DATA(c), fds, n * sizeof(int));
    }
    if (sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EPIPE && errno != EAGAIN && errno != ECONNRESET) {
        abort();
    }
}

static uint64_t any_value(FuzzReader *r)
{
    static const uint64_t usual[] = { 0, 1, 2, 16, 64, 4096, MEMORY_BYTES, MEMORY_BYTES + 1, GUEST, USER, USER + AVAIL, USER + USED, USER + MEMORY_BYTES - 8,
                                      1ull << 30 | 1ull << 32, 1ull << 26 | 1ull << 30 | 1ull << 32, UINT64_MAX, UINT64_MAX - 4095, 1ull << 63 };
    uint8_t which = fuzz_take(r, 1);

    return which < 224 ? usual[which % G_N_ELEMENTS(usual)] : fuzz_take(r, 8);
}

/* Words of a choice that makes sense, or not; a length that is theirs, or not. */
static void any_message(int sock, FuzzReader *r)
{
    uint64_t body[40];
    uint8_t request = fuzz_take(r, 1) % 48, flags = fuzz_take(r, 1), words = fuzz_take(r, 1) % 40, cut = fuzz_take(r, 1);
    size_t len = words * 8u;
    int fds[16];
    unsigned n = cut % 3 == 0 ? 0 : cut % 3 == 1 ? 1 : cut % 16;

    for (unsigned i = 0; i < words; i++) {
        body[i] = any_value(r);
        if (cut & 64) {                                  /* two numbers of four bytes */
            body[i] = (uint32_t)body[i] | any_value(r) << 32;
        }
    }
    for (unsigned i = 0; i < n; i++) {
        fds[i] = request == VU_SET_VRING_KICK ? kick : request == VU_SET_VRING_CALL ? call : memory_fd;
    }
    len -= cut & 32 ? MIN(len, 4u) : 0;
    send_message(sock, request, flags & 128 ? flags : VU_VERSION | (flags & VU_NEED_REPLY), cut == 255 ? UINT32_MAX : len, body, len, fds, n);
}

static void tell(int sock, uint32_t request, const uint64_t *body, size_t words, int fd)
{
    send_message(sock, request, VU_VERSION, words * 8, body, words * 8, &fd, fd >= 0);
}

/* As a driver does it, for one queue. */
static void set_up(int sock, FuzzReader *r)
{
    uint64_t features = 1ull << VU_F_PROTOCOL_FEATURES | 1ull << VU_F_VERSION_1 | (fuzz_take(r, 1) & 3) << 28, queue = fuzz_take(r, 1) % 2;
    uint64_t num = 1ull << (fuzz_take(r, 1) % 7);

    tell(sock, VU_SET_OWNER, NULL, 0, -1);
    tell(sock, VU_SET_FEATURES, &features, 1, -1);
    tell(sock, VU_SET_MEM_TABLE, (uint64_t[]){ 1, GUEST, MEMORY_BYTES, USER, 0 }, 5, memory_fd);
    tell(sock, VU_SET_VRING_NUM, (uint64_t[]){ queue | num << 32 }, 1, -1);
    tell(sock, VU_SET_VRING_ADDR, (uint64_t[]){ queue, USER, USER + USED, USER + AVAIL, 0 }, 5, -1);
    tell(sock, VU_SET_VRING_BASE, (uint64_t[]){ queue }, 1, -1);
    tell(sock, VU_SET_VRING_CALL, &queue, 1, call);
    tell(sock, VU_SET_VRING_KICK, &queue, 1, kick);
    tell(sock, VU_SET_VRING_ENABLE, (uint64_t[]){ queue | 1ull << 32 }, 1, -1);
    poll_some();
}

/* --- memory --------------------------------------------------------------------------------------------------------- */

static void descriptor(FuzzReader *r)
{
    uint8_t *at = memory + 16 * (fuzz_take(r, 1) % 64);
    uint8_t which = fuzz_take(r, 1), far = fuzz_take(r, 1);
    uint64_t addr = far < 200 ? GUEST + REQUESTS + which * 64 : any_value(r);
    uint32_t len = far % 4 ? (uint32_t[]){ 0, 1, 15, 16, 17, 512, 4096, 20 }[which % 8] : (uint32_t)any_value(r);
    uint16_t flags = fuzz_take(r, 1) % 8, next = fuzz_take(r, 1) % 66;

    memcpy(at, &addr, 8);
    memcpy(at + 8, &len, 4);
    memcpy(at + 12, &flags, 2);
    memcpy(at + 14, &next, 2);
}

static void offer(FuzzReader *r)
{
    uint16_t index, head = fuzz_take(r, 1) % 66, step = fuzz_take(r, 1);

    memcpy(&index, memory + AVAIL + 2, 2);
    memcpy(memory + AVAIL + 4 + 2 * (index % 64), &head, 2);
    index += step < 200 ? 1 : step;
    memcpy(memory + AVAIL + 2, &index, 2);
    eventfd_write(kick, 1);
}

static void write_memory(FuzzReader *r)
{
    size_t at = fuzz_take(r, 2) % MEMORY_BYTES, len = fuzz_take(r, 1);

    len = MIN(MIN(len, r->size), MEMORY_BYTES - at);
    memcpy(memory + at, r->data, len);
    r->data += len;
    r->size -= len;
}

static void one_operation(int sock, FuzzReader *r)
{
    switch (fuzz_take(r, 1) % 8) {
    case 0:
    case 1:
        any_message(sock, r);
        break;
    case 2:
        set_up(sock, r);
        break;
    case 3:
    case 4:
        descriptor(r);
        break;
    case 5:
        offer(r);
        break;
    case 6:
        write_memory(r);
        break;
    default:
        poll_some();
    }
}

static void drain(int sock)
{
    char buf[4096];

    while (recv(sock, buf, sizeof(buf), MSG_DONTWAIT) > 0) {
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzReader r = { data, size };
    VuExport *e;
    int sock;

    start_once();
    e = (VuExport *)blk_exp_find("e");
    memset(memory, 0, MEMORY_BYTES);
    sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock < 0 || connect(sock, (struct sockaddr *)&where, where_len) < 0) {
        abort();
    }
    while (!e->conn) {
        aio_poll(aio_main_context(), true);
    }
    for (unsigned i = 0; i < MOST_OPERATIONS && r.size; i++) {
        one_operation(sock, &r);
        drain(sock);
    }
    poll_some();
    shutdown(sock, SHUT_WR);
    while (e->conn) {
        drain(sock);
        aio_poll(aio_main_context(), true);
    }
    close(sock);
    return 0;
}
