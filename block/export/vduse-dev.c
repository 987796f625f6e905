/*
 * A VDUSE device at work: memory, queues, messages of the kernel.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "util/cutils.h"
#include "util/sigbus.h"
#include "vduse.h"

#define DRIVER_OK 4

static VduseExport *export_of(VRing *r) { return ((VduseQueue *)r)->e; }

/* --- memory ------------------------------------------------------------------------------------ */

static VduseRegion *find_region(VduseExport *e, uint64_t iova)
{
    for (guint i = 0; i < e->regions->len; i++) {
        VduseRegion *r = &g_array_index(e->regions, VduseRegion, i);

        if (iova >= r->start && iova <= r->last) {
            return r;
        }
    }
    return NULL;
}

static VduseRegion *map_region(VduseExport *e, uint64_t iova)
{
    struct vduse_iotlb_entry entry = { .start = iova, .last = iova };
    int fd = ioctl(e->dev, VDUSE_IOTLB_GET_FD, &entry);
    VduseRegion r;
    void *map;

    if (fd < 0) {
        return NULL;
    }
    map = MAP_FAILED;
    if (iova >= entry.start && iova <= entry.last && entry.last - entry.start < INT64_MAX) {
        map = mmap(NULL, entry.last - entry.start + 1, (entry.perm & VDUSE_ACCESS_RO ? PROT_READ : 0)
                   | (entry.perm & VDUSE_ACCESS_WO ? PROT_WRITE : 0), MAP_SHARED, fd, entry.offset);
    }
    close(fd);
    if (map == MAP_FAILED) {
        return NULL;
    }
    r = (VduseRegion) { entry.start, entry.last, entry.perm, map };
    if (!sigbus_guard(map, r.last - r.start + 1, &e->gone)) {
        munmap(map, r.last - r.start + 1);
        return NULL;
    }
    g_array_append_val(e->regions, r);
    return &g_array_index(e->regions, VduseRegion, e->regions->len - 1);
}

static void unmap_range(VduseExport *e, uint64_t start, uint64_t last)
{
    for (guint i = e->regions->len; i-- > 0;) {
        VduseRegion *r = &g_array_index(e->regions, VduseRegion, i);

        if (r->start <= last && start <= r->last) {
            sigbus_unguard(r->host);
            munmap(r->host, r->last - r->start + 1);
            g_array_remove_index_fast(e->regions, i);
        }
    }
}

/* *len is cut to what is there in one piece. */
static void *translate(VduseExport *e, uint64_t iova, uint64_t *len, uint8_t perm)
{
    VduseRegion *r = find_region(e, iova);

    r = r ? r : map_region(e, iova);
    if (!r || (r->perm & perm) != perm) {
        return NULL;
    }
    *len = MIN(*len - 1, r->last - iova) + 1;
    return r->host + (iova - r->start);
}

static void *translate_field(VRing *r, uint64_t addr, uint64_t size, uint8_t perm)
{
    uint64_t len = size;
    void *host = addr % size ? NULL : translate(export_of(r), addr, &len, perm);

    return host && len == size ? host : NULL;
}

static bool load16(VRing *r, uint64_t addr, uint16_t *v)
{
    uint16_t *host = translate_field(r, addr, 2, VDUSE_ACCESS_RO);

    *v = host ? __atomic_load_n(host, __ATOMIC_ACQUIRE) : 0;
    return host != NULL;
}

static bool store16(VRing *r, uint64_t addr, uint16_t v)
{
    uint16_t *host = translate_field(r, addr, 2, VDUSE_ACCESS_WO);

    if (host) {
        __atomic_store_n(host, v, __ATOMIC_RELEASE);
    }
    return host != NULL;
}

static bool store32(VRing *r, uint64_t addr, uint32_t v)
{
    uint32_t *host = translate_field(r, addr, 4, VDUSE_ACCESS_WO);

    if (host) {
        __atomic_store_n(host, v, __ATOMIC_RELEASE);
    }
    return host != NULL;
}

static bool read_table(VRing *r, uint64_t addr, void *buf, uint64_t len, bool indirect)
{
    for (uint64_t n; len; addr += n, len -= n, buf = (uint8_t *)buf + n) {
        void *host = translate(export_of(r), addr, (n = len, &n), VDUSE_ACCESS_RO);

        if (!host) {
            return false;
        }
        memcpy(buf, host, n);
    }
    return true;
}

static bool map_buffer(VRing *r, IoVec *v, uint64_t addr, uint64_t len, bool for_write)
{
    for (uint64_t n; len; addr += n, len -= n) {
        void *host = translate(export_of(r), addr, (n = len, &n), for_write ? VDUSE_ACCESS_WO : VDUSE_ACCESS_RO);

        if (!host || v->niov >= IOV_PIECES_MAX) {
            return false;
        }
        iov_add(v, host, n);
    }
    return true;
}

static void ring_error(VRing *r, const char *text)
{
    VduseExport *e = export_of(r);

    if (!__atomic_exchange_n(&e->broken, true, __ATOMIC_SEQ_CST)) {
        warn_report("vduse-blk export '%s': %s", e->common.id, text);
    }
}

static const VRingOps ring_ops = {
    .load16 = load16, .store16 = store16, .store32 = store32, .read = read_table, .map = map_buffer, .error = ring_error,
};

/* --- requests ------------------------------------------------------------------------------------ */

static void give_back(VirtioBlkServer *s, VirtElement *elem, uint32_t len)
{
    VduseQueue *q = (VduseQueue *)elem->ring;

    vring_push(elem, len);
    if (vring_should_notify(&q->ring)) {
        ioctl(q->e->dev, VDUSE_VQ_INJECT_IRQ, &(uint32_t) { q->index });
    }
}

static void let_go(VduseExport *e)
{
    if (e->waits && !e->server.in_flight && !e->busy) {
        e->waits = false;
        blk_exp_unref(&e->common);
    }
}

static void idle(VirtioBlkServer *s)
{
    VduseExport *e = (VduseExport *)((char *)s - offsetof(VduseExport, server));

    co_queue_wake_all(&e->idle);
    let_go(e);
}

static void serve(void *opaque)
{
    VduseQueue *q = opaque;

    if (virtio_blk_serve_ring(&q->e->server, &q->ring) && q->running) {
        aio_bh_schedule(q->more);
    }
}

static void on_kick(void *opaque)
{
    VduseQueue *q = opaque;
    eventfd_t n;

    eventfd_read(q->kick, &n);
    if (__atomic_load_n(&q->e->gone, __ATOMIC_SEQ_CST)) {
        ring_error(&q->ring, "shared memory went away");
    }
    serve(q);
}

/* --- queues ---------------------------------------------------------------------------------------- */

static void set_kick(VduseQueue *q, int fd)
{
    ioctl(q->e->dev, VDUSE_VQ_SETUP_KICKFD, &(struct vduse_vq_eventfd) { .index = q->index, .fd = fd });
}

static bool start_queue(VduseQueue *q)
{
    struct vduse_vq_info info = { .index = q->index };
    VRing *r = &q->ring;

    if (ioctl(q->e->dev, VDUSE_VQ_GET_INFO, &info) < 0) {
        return false;
    }
    if (!info.ready) {
        return true;
    }
    if (!IS_POW2(info.num) || info.num > VRING_MAX_SIZE || !info.desc_addr || !info.driver_addr || !info.device_addr) {
        return false;
    }
    r->num = info.num;
    r->desc = info.desc_addr;
    r->avail = info.driver_addr;
    r->used = info.device_addr;
    vring_restart(r, info.split.avail_index);
    if (!load16(r, r->used + 2, &r->used_idx)) {
        return false;
    }
    r->signalled_used = r->used_idx;
    q->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (q->kick < 0) {
        return false;
    }
    set_kick(q, q->kick);
    q->running = true;
    aio_set_fd_handler(q->e->common.ctx, q->kick, on_kick, NULL, q);
    q->more = aio_bh_new(q->e->common.ctx, serve, q);
    serve(q);
    return true;
}

static void stop_queue(VduseQueue *q)
{
    if (q->running) {
        aio_set_fd_handler(q->e->common.ctx, q->kick, NULL, NULL, NULL);
        set_kick(q, VDUSE_EVENTFD_DEASSIGN);
        close(q->kick);
        q->kick = -1;
        g_clear_pointer(&q->more, aio_bh_delete);
        q->running = false;
    }
}

static void coroutine_fn wait_idle(VduseExport *e)
{
    while (e->server.in_flight) {
        co_queue_wait(&e->idle, NULL);
    }
}

static bool start(VduseExport *e)
{
    if (e->started) {
        return true;
    }
    if (ioctl(e->dev, VDUSE_DEV_GET_FEATURES, &e->features) < 0 || !(e->features & (1ULL << 32))) {
        return false;
    }
    e->started = true;
    for (unsigned i = 0; i < e->server.num_queues; i++) {
        if (!start_queue(&e->queues[i])) {
            return false;
        }
    }
    return true;
}

static void coroutine_fn reset(VduseExport *e)
{
    vduse_dev_stop(e);
    wait_idle(e);
    e->started = false;
    e->features = 0;
    for (unsigned i = 0; i < e->server.num_queues; i++) {
        vring_restart(&e->queues[i].ring, 0);
        e->queues[i].ring.num = 0;
    }
    __atomic_store_n(&e->broken, false, __ATOMIC_SEQ_CST);
    __atomic_store_n(&e->gone, false, __ATOMIC_SEQ_CST);
}

/* --- messages of the kernel ------------------------------------------------------------------------- */

/* Queues rest until what was in flight is done; then the mappings may go. */
static void coroutine_fn update_iotlb(VduseExport *e, uint64_t first, uint64_t last)
{
    for (unsigned i = 0; i < e->server.num_queues; i++) {
        if (e->queues[i].running) {
            aio_set_fd_handler(e->common.ctx, e->queues[i].kick, NULL, NULL, NULL);
        }
    }
    wait_idle(e);
    unmap_range(e, first, last);
    for (unsigned i = 0; i < e->server.num_queues; i++) {
        if (e->queues[i].running) {
            aio_set_fd_handler(e->common.ctx, e->queues[i].kick, on_kick, NULL, &e->queues[i]);
        }
    }
}

static bool coroutine_fn do_request(VduseExport *e, const struct vduse_dev_request *req, struct vduse_dev_response *resp)
{
    switch (req->type) {
    case VDUSE_GET_VQ_STATE:
        if (req->vq_state.index >= e->server.num_queues) {
            return false;
        }
        resp->vq_state.split.avail_index = e->queues[req->vq_state.index].ring.last_avail;
        return true;
    case VDUSE_SET_STATUS:
        if (req->s.status & DRIVER_OK) {
            return start(e);
        }
        if (!req->s.status) {
            reset(e);
        }
        return true;
    case VDUSE_UPDATE_IOTLB:
        update_iotlb(e, req->iova.start, req->iova.last);
        return true;
    default:
        return false;
    }
}

static void coroutine_fn request_entry(void *opaque)
{
    VduseExport *e = opaque;
    struct vduse_dev_request req;
    struct vduse_dev_response resp = { 0 };
    ssize_t n = read(e->dev, &req, sizeof(req));

    if (n == sizeof(req)) {
        resp.request_id = req.request_id;
        resp.result = do_request(e, &req, &resp) ? VDUSE_REQ_RESULT_OK : VDUSE_REQ_RESULT_FAILED;
        n = write(e->dev, &resp, sizeof(resp));
    }
    e->busy = false;
    if (n >= 0 || errno == EAGAIN || errno == EINTR) {
        vduse_dev_watch(e, true);
    }
    let_go(e);
}

static void on_request(void *opaque)
{
    VduseExport *e = opaque;

    vduse_dev_watch(e, false);
    e->busy = true;
    coroutine_enter(coroutine_create(request_entry, e));
}

void vduse_dev_watch(VduseExport *e, bool on)
{
    aio_set_fd_handler(e->common.ctx, e->dev, on && !e->ending ? on_request : NULL, NULL, e);
}

void vduse_dev_init(VduseExport *e)
{
    e->server.give_back = give_back;
    e->server.idle = idle;
    e->regions = g_array_new(FALSE, FALSE, sizeof(VduseRegion));
    e->queues = g_new0(VduseQueue, e->server.num_queues);
    co_queue_init(&e->idle);
    for (unsigned i = 0; i < e->server.num_queues; i++) {
        e->queues[i] = (VduseQueue) { .e = e, .index = i, .kick = -1 };
        e->queues[i].ring = (VRing) { .ops = &ring_ops, .broken = &e->broken, .features = &e->features, .notification = true };
    }
}

void vduse_dev_stop(VduseExport *e)
{
    for (unsigned i = 0; i < e->server.num_queues; i++) {
        stop_queue(&e->queues[i]);
    }
}

void vduse_dev_clear(VduseExport *e)
{
    unmap_range(e, 0, UINT64_MAX);
    g_array_unref(e->regions);
    g_free(e->queues);
}
