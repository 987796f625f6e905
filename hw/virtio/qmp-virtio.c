/*
 * QMP: which virtio devices there are, what was agreed on with their drivers, and what lies in their rings.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/virtio-pci.h"
#include "hw/virtio.h"
#include "machine/memory.h"
#include "machine/runstate.h"
#include "qapi/commands-virtio.h"

/* --- which there are ----------------------------------------------------------------------------- */

static VirtioInfo *info_of(Device *d)
{
    VirtioInfo *info = VirtioInfo_new();

    info->path = object_path(&d->obj);
    info->name = g_strdup(d->obj.type->name);
    if (g_str_has_suffix(info->name, "-device")) {               /* "virtio-blk-device" is virtio-blk */
        info->name[strlen(info->name) - strlen("-device")] = '\0';
    }
    return info;
}

/* Buses and devices are kept with the newest last; the list begins with the newest. */
static void collect(const Bus *bus, GPtrArray *found)
{
    for (guint i = 0; i < bus->devices->len; i++) {
        Device *d = g_ptr_array_index(bus->devices, i);

        if (object_is_a(&d->obj, "virtio-device")) {
            g_ptr_array_add(found, d);
        }
        for (guint k = 0; d->buses && k < d->buses->len; k++) {
            collect(g_ptr_array_index(d->buses, k), found);
        }
    }
}

static void collect_backend(Device *d, void *opaque)
{
    Object *backend = object_child(&d->obj, "virtio-backend");

    if (backend && object_is_a(backend, "virtio-device") && !g_ptr_array_find(opaque, backend, NULL)) {
        g_ptr_array_add(opaque, backend);
    }
}

VirtioInfoList *qmp_x_query_virtio(Error **errp)
{
    VirtioInfoList *list = VirtioInfoList_new();
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    if (bus_root()) {
        collect(bus_root(), found);
    }
    device_foreach(collect_backend, found);
    for (guint i = found->len; i-- > 0; ) {
        VirtioInfoList_append(list, info_of(g_ptr_array_index(found, i)));
    }
    return list;
}

static VirtioDevice *find_device(const char *path)
{
    Object *o = object_resolve_path(path, NULL);

    return o && object_is_a(o, "virtio-device") && DEVICE(o)->realized ? VIRTIO_DEVICE(o) : NULL;
}

static VirtioDevice *find_or_fail(const char *path, Error **errp)
{
    VirtioDevice *v = find_device(path);

    if (!v) {
        error_setg(errp, "Path %s is not a VirtIODevice", path);
    }
    return v;
}

/* --- names of bits, in the peer's order -------------------------------------------------------------- */

typedef struct BitName { unsigned bit; const char *text; } BitName;

static const BitName transport_bits[] = {
    { VIRTIO_F_EVENT_IDX, "VIRTIO_RING_F_EVENT_IDX: Used & avail. event fields enabled" },
    { VIRTIO_F_INDIRECT, "VIRTIO_RING_F_INDIRECT_DESC: Indirect descriptors supported" },
    { VIRTIO_F_PACKED, "VIRTIO_F_RING_PACKED: Device supports packed VQ layout" },
    { VIRTIO_F_IOMMU, "VIRTIO_F_IOMMU_PLATFORM: Device can be used on IOMMU platform" },
    { VIRTIO_F_VERSION_1, "VIRTIO_F_VERSION_1: Device compliant for v1 spec (legacy)" },
    { VIRTIO_F_ANY_LAYOUT, "VIRTIO_F_ANY_LAYOUT: Device accepts arbitrary desc. layouts" },
    { VIRTIO_F_NOTIFY_ON_EMPTY, "VIRTIO_F_NOTIFY_ON_EMPTY: Notify when device runs out of avail. descs. on VQ" },
    { 0, NULL }
};
#define BAD_FEATURE { VIRTIO_F_BAD_FEATURE, "VHOST_USER_F_PROTOCOL_FEATURES: Vhost-user protocol features negotiation supported" }
static const BitName blk_bits[] = {
    BAD_FEATURE, { 11, "VIRTIO_BLK_F_CONFIG_WCE: Cache writeback and writethrough modes supported" },
    { 9, "VIRTIO_BLK_F_FLUSH: Flush command supported" }, { 7, "VIRTIO_BLK_F_SCSI: SCSI packet commands supported" },
    { 14, "VIRTIO_BLK_F_WRITE_ZEROES: Write zeroes command supported" },
    { 13, "VIRTIO_BLK_F_DISCARD: Discard command supported" },
    { 12, "VIRTIO_BLK_F_MQ: Multiqueue supported" }, { 10, "VIRTIO_BLK_F_TOPOLOGY: Topology information available" },
    { 6, "VIRTIO_BLK_F_BLK_SIZE: Block size of disk available" }, { 5, "VIRTIO_BLK_F_RO: Device is read-only" },
    { 4, "VIRTIO_BLK_F_GEOMETRY: Legacy geometry available" },
    { 2, "VIRTIO_BLK_F_SEG_MAX: Max segments in a request is seg_max" },
    { 0, NULL }
};
static const BitName scsi_bits[] = {
    BAD_FEATURE, { 2, "VIRTIO_SCSI_F_CHANGE: Reporting and handling LUN changes supported" },
    { 1, "VIRTIO_SCSI_F_HOTPLUG: Reporting and handling hot-plug events supported" }, { 0, NULL }
};
static const BitName status_bits[] = {
    { 0, "VIRTIO_CONFIG_S_ACKNOWLEDGE: Valid virtio device found" },
    { 7, "VIRTIO_CONFIG_S_FAILED: Error in guest, device failed" },
    { 6, "VIRTIO_CONFIG_S_NEEDS_RESET: Irrecoverable error, device needs reset" },
    { 1, "VIRTIO_CONFIG_S_DRIVER: Guest OS compatible with device" },
    { 3, "VIRTIO_CONFIG_S_FEATURES_OK: Feature negotiation complete" },
    { 2, "VIRTIO_CONFIG_S_DRIVER_OK: Driver setup and ready" }, { 0, NULL }
};
static const BitName desc_bits[] = {
    { 15, "used" }, { 7, "avail" }, { 2, "indirect" }, { 1, "write" }, { 0, "next" }, { 0, NULL },
};

/* Takes the bits that have names away. */
static strList *names_of(const BitName *names, uint64_t *bits)
{
    strList *list = strList_new();

    for (; names->text; names++) {
        if (*bits & (1ULL << names->bit)) {
            strList_append(list, g_strdup(names->text));
            *bits &= ~(1ULL << names->bit);
        }
    }
    return list;
}

static VirtioDeviceFeatures *features_of(const VirtioDevice *v, uint64_t bits)
{
    VirtioDeviceFeatures *f = VirtioDeviceFeatures_new();

    f->transports = names_of(transport_bits, &bits);
    f->dev_features = names_of(virtio_class(v)->device_id == 8 ? scsi_bits : blk_bits, &bits);
    f->has_unknown_dev_features = bits;
    f->unknown_dev_features = bits;
    return f;
}

static VirtioDeviceStatus *status_of(uint64_t bits)
{
    VirtioDeviceStatus *s = VirtioDeviceStatus_new();

    s->statuses = names_of(status_bits, &bits);
    s->has_unknown_statuses = bits;
    s->unknown_statuses = bits;
    return s;
}

/* --- a device ---------------------------------------------------------------------------------------------- */

/* Each kind that has a bus of its own is told by that bus. */
static char *bus_name(const VirtioDevice *v)
{
    const GPtrArray *buses = v->dev.buses;

    return buses && buses->len ? g_strdup(((Bus *)g_ptr_array_index(buses, 0))->obj.name) : NULL;
}

VirtioStatus *qmp_x_query_virtio_status(const XQueryVirtioStatusArgs *arg, Error **errp)
{
    const VirtioDevice *v = find_or_fail(arg->path, errp);
    const VirtioPci *pci = v && object_is_a(v->dev.obj.parent, "virtio-pci") ? (const VirtioPci *)v->dev.obj.parent
                           : NULL;
    VirtioStatus *s;

    if (!v) {
        return NULL;
    }
    s = VirtioStatus_new();
    s->name = g_strdup(virtio_class(v)->name);
    s->device_id = virtio_class(v)->device_id;
    s->device_endian = g_strdup("little");
    s->guest_features = features_of(v, v->guest_features);
    s->host_features = features_of(v, v->host_features | 1ULL << VIRTIO_F_BAD_FEATURE
                                   | (v->transport.modern ? 1ULL << VIRTIO_F_VERSION_1 : 0));
    s->backend_features = features_of(v, 0);
    s->num_vqs = virtio_count_queues(v);
    s->status = status_of(v->status);
    s->isr = __atomic_load_n(&v->isr, __ATOMIC_SEQ_CST);
    s->queue_sel = pci ? pci->queue_sel : 0;
    s->vm_running = vm_running();
    s->broken = __atomic_load_n(&v->broken, __ATOMIC_SEQ_CST);
    s->disabled = v->status && v->held;
    s->use_started = v->use_started;
    s->started = v->status & VIRTIO_STATUS_DRIVER_OK;
    s->disable_legacy_check = v->disable_legacy_check;
    s->bus_name = bus_name(v);
    s->use_guest_notifier_mask = true;
    return s;
}

/* --- a queue --------------------------------------------------------------------------------------------------- */

static VirtQueue *find_queue(VirtioDevice *v, unsigned n, Error **errp)
{
    VirtQueue *q = n < v->n_queues ? &v->vqs[n] : NULL;

    if (!q || !q->ring.num) {
        error_setg(errp, "Invalid virtqueue number %u", n);
        return NULL;
    }
    return q;
}

VirtQueueStatus *qmp_x_query_virtio_queue_status(const XQueryVirtioQueueStatusArgs *arg, Error **errp)
{
    VirtioDevice *v = find_or_fail(arg->path, errp);
    const VirtQueue *q = v ? find_queue(v, arg->queue, errp) : NULL;
    VirtQueueStatus *s;

    if (!q) {
        return NULL;
    }
    s = VirtQueueStatus_new();
    s->name = g_strdup(virtio_class(v)->name);
    s->queue_index = q->index;
    s->inuse = q->ring.inuse;
    s->vring_num = q->ring.num;
    s->vring_num_default = q->default_num;
    s->vring_align = 4096;
    s->vring_desc = q->ring.desc;
    s->vring_avail = q->ring.avail;
    s->vring_used = q->ring.used;
    s->has_last_avail_idx = s->has_shadow_avail_idx = true;
    s->last_avail_idx = q->ring.last_avail;
    s->shadow_avail_idx = q->ring.seen_avail;
    s->used_idx = q->ring.used_idx;
    s->signalled_used = q->ring.signalled_used;
    s->signalled_used_valid = q->ring.signalled_valid;
    return s;
}

VirtVhostQueueStatus *qmp_x_query_virtio_vhost_queue_status(const XQueryVirtioVhostQueueStatusArgs *arg, Error **errp)
{
    if (find_or_fail(arg->path, errp)) {
        error_setg(errp, "Error: vhost device has not started yet");
    }
    return NULL;
}

/* --- what lies in it ---------------------------------------------------------------------------------------------- */

typedef struct Desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
} Desc;
enum { DESC_NEXT = 1, DESC_INDIRECT = 4 };

static VirtioRingDesc *desc_of(const Desc *d)
{
    VirtioRingDesc *r = VirtioRingDesc_new();
    uint64_t bits = d->flags;

    r->addr = d->addr;
    r->len = d->len;
    r->flags = names_of(desc_bits, &bits);
    return r;
}

/* The chain from its end to its head; as many links as the table has entries. */
static bool collect_chain(const VRing *r, unsigned head, VirtioRingDescList *list, Error **errp)
{
    g_autoptr(GPtrArray) chain = g_ptr_array_new();
    uint64_t table = r->desc;
    unsigned max = r->num;
    Desc d = { .flags = DESC_NEXT, .next = head };

    while ((d.flags & DESC_NEXT) && d.next < max && chain->len < max) {
        if (!dma_read(table + sizeof(d) * d.next, &d, sizeof(d))) {
            error_setg(errp, "Cannot read descriptors of the queue");
            return false;
        }
        if (!chain->len && table == r->desc && (d.flags & DESC_INDIRECT)) {
            table = d.addr;
            max = MIN(d.len / sizeof(d), VIRTQUEUE_MAX_SIZE);
            d = (Desc) { .flags = DESC_NEXT };
            continue;
        }
        g_ptr_array_add(chain, desc_of(&d));
    }
    for (guint i = chain->len; i-- > 0; ) {
        VirtioRingDescList_append(list, g_ptr_array_index(chain, i));
    }
    return true;
}

/* n: place among those that the driver offers. */
static bool read_indexes(VRing *r, unsigned n, VirtioQueueElement *e, Error **errp)
{
    uint16_t flags, idx, ring, used_flags, used_idx;

    if (!dma_load16(r->avail, &flags) || !dma_load16(r->avail + 2, &idx)
        || !dma_load16(r->avail + 4 + 2 * (uint64_t)n, &ring)
        || !dma_load16(r->used, &used_flags) || !dma_load16(r->used + 2, &used_idx)) {
        error_setg(errp, "Cannot read indexes of the queue");
        return false;
    }
    r->seen_avail = idx;
    e->index = ring;
    *e->avail = (VirtioRingAvail) { flags, idx, ring };
    *e->used = (VirtioRingUsed) { used_flags, used_idx };
    return true;
}

VirtioQueueElement *qmp_x_query_virtio_queue_element(const XQueryVirtioQueueElementArgs *arg, Error **errp)
{
    VirtioDevice *v = find_device(arg->path);
    VirtQueue *q;
    g_autoptr(VirtioQueueElement) e = NULL;
    unsigned n;

    if (!v) {
        error_setg(errp, "Path %s is not a VirtIO device", arg->path);
        return NULL;
    }
    q = find_queue(v, arg->queue, errp);
    if (!q) {
        return NULL;
    }
    if (virtio_has(v, VIRTIO_F_PACKED)) {
        error_setg(errp, "Packed ring not supported");
        return NULL;
    }
    if (!vring_ready(&q->ring)) {
        error_setg(errp, "Region caches not initialized");
        return NULL;
    }
    e = VirtioQueueElement_new();
    e->name = g_strdup(virtio_class(v)->name);
    e->avail = VirtioRingAvail_new();
    e->used = VirtioRingUsed_new();
    e->descs = VirtioRingDescList_new();
    n = (arg->has_index ? arg->index : q->ring.last_avail) % q->ring.num;
    if (!read_indexes(&q->ring, n, e, errp) || !collect_chain(&q->ring, e->avail->ring, e->descs, errp)) {
        return NULL;
    }
    return g_steal_pointer(&e);
}
