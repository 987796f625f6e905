/*
 * The state of a virtio device over PCI: the proxy's configuration and vectors, the device's registers, its queues, and
 * requests that wait for the machine to run.
 *
 * Addresses and indices are checked against the queue's size and against the rings in memory, which was loaded before.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/virtio/virtio-pci-int.h"
#include "hw/virtio/vmstate-virtio.h"
#include "machine/memory.h"
#include "util/cutils.h"

static VirtioPci *proxy_of(const VirtioDevice *v) { return (VirtioPci *)v->dev.bus->parent; }

/* --- saving ------------------------------------------------------------------------------------------ */

static void save_queue(VirtioWire *w, const VirtQueue *vq, unsigned i)
{
    w->q[i] = (QueueWire) { vq->ring.num, vq->ring.desc, vq->ring.avail, vq->ring.used, vq->ring.last_avail,
                            vq->vector };
    w->m[i] = (ModernWire) {
        vq->ring.num, vq->enabled, { vq->ring.desc, vq->ring.desc >> 32 }, { vq->ring.avail, vq->ring.avail >> 32 },
        { vq->ring.used, vq->ring.used >> 32 },
    };
    w->sizes[i] = vq->default_num;
    w->sizes_changed |= vq->ring.num != vq->default_num;
}

static void save_vectors(VirtioWire *w, const PciDevice *d)
{
    w->vectors = MIN(d->msix.entries, VIRTIO_VECTORS_MAX);
    for (unsigned i = 0; i < w->vectors * 4; i++) {
        uint32_t v = GUINT32_TO_LE(__atomic_load_n(&d->msix.table[i], __ATOMIC_RELAXED));

        memcpy(w->msix_table + 4 * i, &v, 4);
    }
    for (unsigned i = 0; i < (w->vectors + 63) / 64; i++) {
        uint64_t v = GUINT64_TO_LE(d->msix.pending[i]);

        memcpy(w->msix_pending + 8 * i, &v, 8);
    }
}

void virtio_wire_save(void *obj, void *wire)
{
    VirtioDevice *v = obj;
    const VirtioClass *c = virtio_class(v);
    VirtioPci *p = proxy_of(v);
    VirtioWire *w = wire;

    w->vdev = v;
    pci_wire_save(&p->pci, &w->pci);
    save_vectors(w, &p->pci);
    w->config_vector = v->config_vector;
    w->status = v->status;
    w->isr = v->isr;
    w->queue_sel = p->queue_sel;
    w->features = v->guest_features;
    w->broken = __atomic_load_n(&v->broken, __ATOMIC_SEQ_CST);
    w->disabled = v->status && v->held;
    w->started = v->use_started && (v->status & VIRTIO_STATUS_DRIVER_OK) != 0;
    w->config_len = MIN(c->config_size, sizeof(w->config));
    c->get_config(v, v->config);
    memcpy(w->config, v->config, w->config_len);
    w->modern = !p->disable_modern;
    w->feature_sel = p->feature_sel;
    w->guest_feature_sel = p->guest_feature_sel;
    w->guest_features[0] = p->guest_low;
    w->guest_features[1] = p->guest_high;
    for (unsigned i = 0; i < v->n_queues && v->vqs[i].default_num; i++) {
        save_queue(w, &v->vqs[i], i);
        w->n_queues = i + 1;
    }
    w->n_waiting = c->waiting ? c->waiting(v, w->waiting, VIRTIO_WAITING_MAX) : 0;
}

/* --- the stream ---------------------------------------------------------------------------------------- */

#define OLD_ELEMENT_BYTES 49168        /* how a request is told: its chain's first descriptor, then buffers in fixed arrays */
#define OLD_ELEMENT_BUFFERS 1024

static void put_addresses(VmWriter *w, const IoVec *v)
{
    for (int i = 0; i < OLD_ELEMENT_BUFFERS; i++) {
        uint64_t addr = 0;

        if (i < v->niov) {
            mem_guest_address(v->iov[i].iov_base, &addr);
        }
        vm_put(w, GUINT64_SWAP_LE_BE(addr), 8);
    }
}

static void put_lengths(VmWriter *w, const IoVec *v)
{
    for (int i = 0; i < OLD_ELEMENT_BUFFERS; i++) {
        vm_put(w, 0, 8);
        vm_put(w, GUINT64_SWAP_LE_BE((uint64_t)(i < v->niov ? v->iov[i].iov_len : 0)), 8);
    }
}

static void put_waiting(VmWriter *w, const VirtioWire *s)
{
    for (uint32_t i = 0; i < s->n_waiting; i++) {
        const VirtElement *e = s->waiting[i].element;

        vm_put(w, 1, 1);
        if (s->n_queues > 1) {
            vm_put(w, s->waiting[i].queue, 4);
        }
        vm_put(w, GUINT32_SWAP_LE_BE((uint32_t)e->head), 4);
        vm_put(w, GUINT32_SWAP_LE_BE((uint32_t)e->out.niov), 4);
        vm_put(w, GUINT32_SWAP_LE_BE((uint32_t)e->in.niov), 4);
        vm_put(w, 0, 4);
        put_addresses(w, &e->in);
        put_addresses(w, &e->out);
        put_lengths(w, &e->in);
        put_lengths(w, &e->out);
    }
    vm_put(w, 0, 1);
}

static void put_core(VmWriter *w, const void *wire)
{
    const VirtioWire *s = wire;

    vmstate_put(w, &pci_wire_desc, &s->pci);
    if (s->vectors) {
        vm_put_bytes(w, s->msix_table, s->vectors * 16);
        vm_put_bytes(w, s->msix_pending, (s->vectors + 7) / 8);
        vm_put(w, s->config_vector, 2);
    }
    vm_put(w, s->status, 1);
    vm_put(w, s->isr, 1);
    vm_put(w, s->queue_sel, 2);
    vm_put(w, (uint32_t)s->features, 4);
    vm_put(w, s->config_len, 4);
    vm_put_bytes(w, s->config, s->config_len);
    vm_put(w, s->n_queues, 4);
    for (uint32_t i = 0; i < s->n_queues; i++) {
        vm_put(w, s->q[i].num, 4);
        vm_put(w, s->q[i].desc, 8);
        vm_put(w, s->q[i].last_avail, 2);
        if (s->vectors) {
            vm_put(w, s->q[i].vector, 2);
        }
    }
    if (virtio_class(s->vdev)->waiting) {
        put_waiting(w, s);
    }
}

static bool get_waiting(VmReader *r, VirtioWire *s, Error **errp)
{
    s->n_waiting = 0;
    while (vm_get(r, 1) && !r->ret) {
        uint32_t queue = s->n_queues > 1 ? vm_get(r, 4) : 0;
        uint32_t head = GUINT32_SWAP_LE_BE((uint32_t)vm_get(r, 4));

        vm_skip(r, OLD_ELEMENT_BYTES - 4);
        if (queue >= s->n_queues || head > UINT16_MAX || s->n_waiting == VIRTIO_WAITING_MAX) {
            error_setg(errp, "Invalid request %u of queue %u", head, queue);
            return false;
        }
        s->waiting[s->n_waiting++] = (VirtioWaiting) { .queue = queue, .head = head };
    }
    return !r->ret;
}

static bool get_queues(VmReader *r, VirtioWire *s, Error **errp)
{
    uint32_t n = vm_get(r, 4);

    if (n > s->n_queues) {
        error_setg(errp, "Invalid number of virtqueues: 0x%x", n);
        return false;
    }
    s->n_queues = n;
    for (uint32_t i = 0; i < n; i++) {
        s->q[i].num = vm_get(r, 4);
        s->q[i].desc = vm_get(r, 8);
        s->q[i].last_avail = vm_get(r, 2);
        s->q[i].vector = s->vectors ? vm_get(r, 2) : VIRTIO_NO_VECTOR;
        if (!s->q[i].desc && s->q[i].last_avail) {
            error_setg(errp, "VQ %d address 0x0 inconsistent with Host index 0x%x", (int)i, s->q[i].last_avail);
            return false;
        }
    }
    return true;
}

static bool get_core(VmReader *r, void *wire, Error **errp)
{
    VirtioWire *s = wire;
    uint32_t len, kept;

    if (!vmstate_get(r, &pci_wire_desc, &s->pci, 2, errp)) {
        return false;
    }
    if (s->vectors) {
        vm_get_bytes(r, s->msix_table, s->vectors * 16);
        vm_get_bytes(r, s->msix_pending, (s->vectors + 7) / 8);
        s->config_vector = vm_get(r, 2);
    }
    s->status = vm_get(r, 1);
    s->isr = vm_get(r, 1);
    s->queue_sel = vm_get(r, 2);
    s->features = vm_get(r, 4);
    len = vm_get(r, 4);
    kept = MIN(len, s->config_len);
    vm_get_bytes(r, s->config, kept);
    vm_skip(r, len - kept);
    return get_queues(r, s, errp) && (!virtio_class(s->vdev)->waiting || get_waiting(r, s, errp));
}

/* --- what came later in the form of subsections ----------------------------------------------------------- */

static bool is_modern(const void *wire) { return ((const VirtioWire *)wire)->modern; }
static bool always(const void *wire) { return true; }
static bool sizes_needed(const void *wire) { return ((const VirtioWire *)wire)->sizes_changed; }
static bool broken_needed(const void *wire) { return ((const VirtioWire *)wire)->broken; }
static bool started_needed(const void *wire) { return ((const VirtioWire *)wire)->started; }
static bool disabled_needed(const void *wire) { return ((const VirtioWire *)wire)->disabled; }

/* Only devices that speak the modern language use these; for others they are zero. */
static void put_rings(VmWriter *w, const void *wire)
{
    const VirtioWire *s = wire;

    for (unsigned i = 0; i < VIRTIO_QUEUE_MAX; i++) {
        vm_put(w, i < s->n_queues ? s->q[i].avail : 0, 8);
        vm_put(w, i < s->n_queues ? s->q[i].used : 0, 8);
    }
}

static bool get_rings(VmReader *r, void *wire, Error **errp)
{
    VirtioWire *s = wire;

    for (unsigned i = 0; i < VIRTIO_QUEUE_MAX; i++) {
        s->q[i].avail = vm_get(r, 8);
        s->q[i].used = vm_get(r, 8);
    }
    return true;
}

static const VmField features_fields[] = { VMFN("guest_features", "uint64", VirtioWire, features), { NULL } };
static const VmDesc features_desc = {
    .name = "virtio/64bit_features", .version = 1, .min_version = 1, .fields = features_fields, .needed = is_modern,
};
static const VmField rings_fields[] = { VMF_CUSTOM("vq", "struct", put_rings, get_rings), { NULL } };
static const VmDesc rings_desc = {
    .name = "virtio/virtqueues", .version = 1, .min_version = 1, .fields = rings_fields, .needed = is_modern,
};
static const VmField sizes_fields[] = { VMF_ARRAYN("vq", "uint32", VirtioWire, sizes), { NULL } };
static const VmDesc sizes_desc = {
    .name = "virtio/ringsize", .version = 1, .min_version = 1, .fields = sizes_fields, .needed = sizes_needed,
};
static const VmField broken_fields[] = { VMF(VirtioWire, broken, "bool"), { NULL } };
static const VmDesc broken_desc = {
    .name = "virtio/broken", .version = 1, .min_version = 1, .fields = broken_fields, .needed = broken_needed,
};
static const VmField started_fields[] = { VMF(VirtioWire, started, "bool"), { NULL } };
static const VmDesc started_desc = {
    .name = "virtio/started", .version = 1, .min_version = 1, .fields = started_fields, .needed = started_needed,
};
static const VmField disabled_fields[] = { VMF(VirtioWire, disabled, "bool"), { NULL } };
static const VmDesc disabled_desc = {
    .name = "virtio/disabled", .version = 1, .min_version = 1, .fields = disabled_fields, .needed = disabled_needed,
};

static const VmField modern_queue_fields[] = {
    VMF(ModernWire, num, "uint16"), VMF(ModernWire, enabled, "uint16"), VMF_ARRAY(ModernWire, desc, "uint32"),
    VMF_ARRAY(ModernWire, avail, "uint32"), VMF_ARRAY(ModernWire, used, "uint32"), { NULL }
};
static const VmDesc modern_queue_desc = {
    .name = "virtio_pci/modern_queue_state", .version = 1, .min_version = 1, .fields = modern_queue_fields,
};
static const VmField modern_fields[] = {
    VMFN("dfselect", "uint32", VirtioWire, feature_sel), VMFN("gfselect", "uint32", VirtioWire, guest_feature_sel),
    VMF_ARRAY(VirtioWire, guest_features, "uint32"), VMF_STRUCTSN("vqs", VirtioWire, m, &modern_queue_desc), { NULL }
};
static const VmDesc modern_desc = {
    .name = "virtio_pci/modern_state", .version = 1, .min_version = 1, .fields = modern_fields, .needed = is_modern,
};
static const VmDesc *const proxy_subsections[] = { &modern_desc, NULL };
static const VmField no_fields[] = { { NULL } };
static const VmDesc proxy_desc = {
    .name = "virtio_pci", .version = 1, .min_version = 1, .fields = no_fields, .subsections = proxy_subsections,
};
static const VmField extra_fields[] = { VMF_SELF("extra_state", &proxy_desc), { NULL } };
static const VmDesc extra_desc = {
    .name = "virtio/extra_state", .version = 1, .min_version = 1, .fields = extra_fields, .needed = always,
};

static const VmDesc *const core_subsections[] = {
    &features_desc, &rings_desc, &sizes_desc, &broken_desc, &extra_desc, &started_desc, &disabled_desc, NULL
};
static const VmField core_fields[] = { VMF_CUSTOM("core", "virtio", put_core, get_core), { NULL } };
static const VmDesc core_desc = {
    .name = "virtio", .version = 1, .min_version = 1, .fields = core_fields, .subsections = core_subsections,
};

static void put_device(VmWriter *w, const void *wire) { vmstate_put(w, &core_desc, wire); }
static bool get_device(VmReader *r, void *wire, Error **errp) { return vmstate_get(r, &core_desc, wire, 1, errp); }
const VmField virtio_wire_fields[] = { VMF_CUSTOM("virtio", "virtio", put_device, get_device), { NULL } };

/* --- loading ------------------------------------------------------------------------------------------------ */

static bool check_queue(const VirtioWire *w, unsigned i, bool modern, Error **errp)
{
    uint32_t num = w->q[i].num;

    if (!num || num > VIRTQUEUE_MAX_SIZE || !IS_POW2(num) || w->m[i].num > VIRTQUEUE_MAX_SIZE
        || (w->m[i].num && !IS_POW2(w->m[i].num))) {
        error_setg(errp, "VQ %u has an impossible size 0x%x", i, num);
        return false;
    }
    if (w->q[i].desc && modern && (!w->q[i].avail || !w->q[i].used)) {
        error_setg(errp, "VQ %u has no rings", i);
        return false;
    }
    return true;
}

/* Indices of the ring in memory say what was given back, and how much waits. */
static bool load_indices(VirtQueue *vq, const QueueWire *q, Error **errp)
{
    VRing *r = &vq->ring;
    uint16_t avail = 0, used = 0;

    vring_restart(r, q->last_avail);
    r->inuse = 0;
    if (!vring_ready(r)) {
        return true;
    }
    if (!dma_load16(r->avail + 2, &avail) || !dma_load16(r->used + 2, &used)) {
        error_setg(errp, "VQ %d is not in memory", vq->index);
        return false;
    }
    if ((uint16_t)(avail - q->last_avail) > r->num) {
        error_setg(errp, "VQ %d size 0x%x Guest index 0x%x inconsistent with Host index 0x%x: delta 0x%x", vq->index,
                   r->num, avail,
                   q->last_avail, (uint16_t)(avail - q->last_avail));
        return false;
    }
    if ((uint16_t)(q->last_avail - used) > r->num) {
        error_setg(errp, "VQ %d size 0x%x < last_avail_idx 0x%x - used_idx 0x%x", vq->index, r->num, q->last_avail,
                   used);
        return false;
    }
    r->used_idx = used;
    return true;
}

static bool load_queue(VirtioDevice *v, const VirtioWire *w, unsigned i, bool modern, Error **errp)
{
    VirtQueue *vq = &v->vqs[i];
    const ModernWire *m = &w->m[i];

    if (!check_queue(w, i, modern, errp)) {
        return false;
    }
    virtio_queue_reset(v, i);
    vq->ring.num = w->q[i].num;
    vq->vector = virtio_pci_check_vector(proxy_of(v), w->q[i].vector);
    if (!modern && w->q[i].desc) {
        virtio_queue_set_legacy(v, i, w->q[i].desc);
    } else if (modern) {
        vq->ring.desc = w->q[i].desc;
        vq->ring.avail = w->q[i].avail;
        vq->ring.used = w->q[i].used;
        vq->enabled = m->enabled != 0;
    }
    if (modern && !vq->ring.desc && !w->q[i].last_avail) {      /* a driver in the middle of setting it up */
        vq->ring.desc = m->desc[0] | (uint64_t)m->desc[1] << 32;
        vq->ring.avail = m->avail[0] | (uint64_t)m->avail[1] << 32;
        vq->ring.used = m->used[0] | (uint64_t)m->used[1] << 32;
        return true;
    }
    return load_indices(vq, &w->q[i], errp);
}

static void load_vectors(PciDevice *d, const VirtioWire *w)
{
    for (unsigned i = 0; i < w->vectors * 4; i++) {
        uint32_t v;

        memcpy(&v, w->msix_table + 4 * i, 4);
        __atomic_store_n(&d->msix.table[i], GUINT32_FROM_LE(v), __ATOMIC_RELAXED);
    }
    for (unsigned i = 0; i < (w->vectors + 63) / 64; i++) {
        uint64_t v;

        memcpy(&v, w->msix_pending + 8 * i, 8);
        d->msix.pending[i] = GUINT64_FROM_LE(v);
    }
}

static bool check(VirtioDevice *v, const VirtioWire *w, Error **errp)
{
    uint64_t offered = v->host_features | (w->modern ? 1ULL << VIRTIO_F_VERSION_1 : 0);

    if (!pci_wire_check(&proxy_of(v)->pci, &w->pci, errp)) {
        return false;
    }
    if (w->features & ~offered) {
        error_setg(errp, "Features 0x%" PRIx64 " unsupported. Allowed features: 0x%" PRIx64, w->features, offered);
        return false;
    }
    return true;
}

bool virtio_wire_load(void *obj, const void *wire, Error **errp)
{
    const VirtioWire *w = wire;
    VirtioDevice *v = obj;
    const VirtioClass *c = virtio_class(v);
    VirtioPci *p = proxy_of(v);
    bool modern = w->features & (1ULL << VIRTIO_F_VERSION_1);

    if (!check(v, w, errp)) {
        return false;
    }
    virtio_pci_device_reset(p);
    v->guest_features = w->features;
    v->config_vector = virtio_pci_check_vector(p, w->config_vector);
    p->queue_sel = w->queue_sel;
    p->feature_sel = w->feature_sel;
    p->guest_feature_sel = w->guest_feature_sel;
    p->guest_low = w->guest_features[0];
    p->guest_high = w->guest_features[1];
    for (uint32_t i = 0; i < w->n_queues; i++) {
        if (!load_queue(v, w, i, modern, errp)) {
            return false;
        }
    }
    if (c->features_set) {
        c->features_set(v);
    }
    virtio_set_status(v, w->status);
    if (c->loaded) {
        c->loaded(v, w->config);
    }
    for (uint32_t i = 0; i < w->n_waiting; i++) {
        if (!c->wait_again(v, w->waiting[i].queue, w->waiting[i].head, errp)) {
            return false;
        }
    }
    __atomic_store_n(&v->isr, w->isr, __ATOMIC_SEQ_CST);
    __atomic_store_n(&v->broken, w->broken != 0, __ATOMIC_SEQ_CST);
    load_vectors(&p->pci, w);
    pci_wire_load(&p->pci, &w->pci);
    virtio_pci_update_held(p);
    return true;
}
