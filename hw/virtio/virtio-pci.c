/*
 * Virtio over PCI: the proxy device, its capabilities and the legacy registers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/virtio/virtio-pci-int.h"
#include "util/cutils.h"

#define VIRTIO_PCI(o) ((VirtioPci *)(o))

static const VirtioPciClass *proxy_class(const VirtioPci *p) { return type_class(p->pci.dev.obj.type); }

/* --- properties --------------------------------------------------------------------------------------- */

#define FLAG(n, bit, on) P_BIT(n, VirtioPci, flags, bit, on)

static const Property proxy_props[] = {
    FLAG("ioeventfd", 0, true), P_NUM("vectors", PROP_U32, VirtioPci, vectors, UINT32_MAX),
    FLAG("virtio-pci-bus-master-bug-migration", 1, false), FLAG("migrate-extra", 2, true),
    FLAG("modern-pio-notify", 3, false),
    FLAG("x-disable-pcie", 4, false), FLAG("page-per-vq", 5, false),
    P_BOOL("x-ignore-backend-features", VirtioPci, ignore_backend_features, false), FLAG("ats", 6, false),
    FLAG("x-ats-page-aligned", 7, true), FLAG("x-pcie-deverr-init", 8, true), FLAG("x-pcie-lnkctl-init", 9, true),
    FLAG("x-pcie-pm-init", 10, true), FLAG("x-pcie-flr-init", 11, true), FLAG("aer", 12, false),
    { NULL }
};
const Property virtio_pci_version_props[] = {
    P_ENUM("disable-legacy", "OnOffAuto", on_off_auto_names, VirtioPci, disable_legacy, ON_OFF_AUTO, "on/off/auto"),
    P_BOOL("disable-modern", VirtioPci, disable_modern, false),
    { NULL }
};
static const TypeInfo proxy_type = {
    .name = "virtio-pci", .parent = "pci-device", .abstract = true, .size = sizeof(VirtioPci), .props = proxy_props,
};
QOM_TYPE(proxy_type)

/* --- interrupts: any thread ------------------------------------------------------------------------------ */

static void update_intx(VirtioPci *p)
{
    pci_set_irq(&p->pci, __atomic_load_n(&p->vdev->isr, __ATOMIC_SEQ_CST) & 1);
}

static void proxy_notify(void *opaque, uint16_t vector)
{
    VirtioPci *p = opaque;

    if (!msix_enabled(&p->pci)) {
        update_intx(p);
    } else if (vector != VIRTIO_NO_VECTOR) {
        msix_notify(&p->pci, vector);
    }
}

uint64_t virtio_pci_read_isr(VirtioPci *p)
{
    uint8_t isr = __atomic_exchange_n(&p->vdev->isr, 0, __ATOMIC_SEQ_CST);

    pci_set_irq(&p->pci, 0);
    return isr;
}

uint16_t virtio_pci_check_vector(VirtioPci *p, uint16_t vector)
{
    return vector < p->pci.msix.entries ? vector : VIRTIO_NO_VECTOR;
}

/* Without bus mastering the device takes nothing from its rings. */
void virtio_pci_update_held(VirtioPci *p)
{
    virtio_hold(p->vdev, p->vdev->use_disabled_flag && !pci_is_master(&p->pci));
}

/* The driver reset the device: registers of the proxy go with it. */
void virtio_pci_device_reset(VirtioPci *p)
{
    virtio_reset(p->vdev);
    pci_set_irq(&p->pci, 0);
    p->guest_low = p->guest_high = 0;
}

/* --- legacy registers --------------------------------------------------------------------------------------- */

enum {
    L_HOST_FEATURES = 0, L_GUEST_FEATURES = 4, L_QUEUE_PFN = 8, L_QUEUE_NUM = 12, L_QUEUE_SEL = 14, L_QUEUE_NOTIFY = 16,
    L_STATUS = 18, L_ISR = 19, L_CONFIG_VECTOR = 20, L_QUEUE_VECTOR = 22
};

static unsigned legacy_header(const VirtioPci *p) { return msix_enabled(&p->pci) ? 24 : 20; }
static VirtQueue *selected(VirtioPci *p)
{
    return p->queue_sel < p->vdev->n_queues ? &p->vdev->vqs[p->queue_sel] : NULL;
}

static uint64_t legacy_read(void *opaque, uint64_t offset, unsigned size)
{
    VirtioPci *p = opaque;
    VirtQueue *vq = selected(p);
    uint64_t v;

    if (offset >= legacy_header(p)) {
        virtio_config_read(p->vdev, offset - legacy_header(p), size, &v);
        return v;
    }
    switch (offset) {
    case L_HOST_FEATURES: return (uint32_t)(p->vdev->host_features | 1u << VIRTIO_F_BAD_FEATURE);
    case L_GUEST_FEATURES: return (uint32_t)p->vdev->guest_features;
    case L_QUEUE_PFN: return vq ? (uint32_t)(vq->ring.desc >> 12) : 0;
    case L_QUEUE_NUM: return vq ? vq->default_num : 0;
    case L_QUEUE_SEL: return p->queue_sel;
    case L_STATUS: return p->vdev->status;
    case L_ISR: return virtio_pci_read_isr(p);
    case L_CONFIG_VECTOR: return p->vdev->config_vector;
    case L_QUEUE_VECTOR: return vq ? vq->vector : VIRTIO_NO_VECTOR;
    default: return UINT32_MAX;
    }
}

static void legacy_set_status(VirtioPci *p, uint8_t status)
{
    uint16_t command = pci_get16(&p->pci, PCI_REG_COMMAND);

    virtio_set_status(p->vdev, status);
    /* old drivers do not think of bus mastering */
    if (status == (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER)) {
        pci_config_write(pci_host(p->pci.dev.bus), p->pci.devfn, PCI_REG_COMMAND, command | PCI_CMD_MASTER, 2);
    }
    if (!status) {
        virtio_pci_device_reset(p);
    }
}

static void legacy_set_features(VirtioPci *p, uint32_t v)
{
    if (v & (1u << VIRTIO_F_BAD_FEATURE)) {       /* such a driver takes whatever is there without looking */
        v = 0;
    }
    virtio_set_features(p->vdev, v);
}

static void legacy_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    VirtioPci *p = opaque;
    VirtQueue *vq = selected(p);

    if (offset >= legacy_header(p)) {
        virtio_config_write(p->vdev, offset - legacy_header(p), size, v);
        return;
    }
    switch (offset) {
    case L_GUEST_FEATURES: legacy_set_features(p, v); break;
    case L_QUEUE_PFN:
        if (!v) {
            virtio_pci_device_reset(p);
        } else if (vq && vq->ring.num) {
            virtio_queue_set_legacy(p->vdev, p->queue_sel, (uint64_t)v << 12);
        }
        break;
    case L_QUEUE_SEL: p->queue_sel = v < VIRTIO_QUEUE_MAX ? v : p->queue_sel; break;
    case L_QUEUE_NOTIFY: virtio_queue_kick(p->vdev, v); break;
    case L_STATUS: legacy_set_status(p, v); break;
    case L_CONFIG_VECTOR: p->vdev->config_vector = virtio_pci_check_vector(p, v); break;
    case L_QUEUE_VECTOR:
        if (vq) {
            vq->vector = virtio_pci_check_vector(p, v);
        }
        break;
    default: break;
    }
}

static const IoOps legacy_ops = { .read = legacy_read, .write = legacy_write, .max_size = 4 };

/* --- life ----------------------------------------------------------------------------------------------------- */

void virtio_pci_init(Object *o)
{
    VirtioPci *p = VIRTIO_PCI(o);
    Object *backend = object_new(type_find(proxy_class(p)->backend));

    object_add_child(o, "virtio-backend", backend);
    p->vdev = VIRTIO_DEVICE(backend);      /* with a reference: an unplug takes the child away first */
}

void virtio_pci_finalize(Object *o) { object_unref(&VIRTIO_PCI(o)->vdev->dev.obj); }

static bool wants_legacy(const VirtioPci *p)
{
    int forced = proxy_class(p)->disable_legacy;

    return (forced != ON_OFF_AUTO ? forced : p->disable_legacy) != ON_OFF_ON;
}

static void init_ids(VirtioPci *p)
{
    const VirtioClass *c = virtio_class(p->vdev);
    PciDevice *d = &p->pci;

    if (wants_legacy(p)) {
        pci_set16(d, PCI_REG_DEVICE, proxy_class(p)->legacy_id);
        pci_set16(d, PCI_REG_SUBDEVICE, c->device_id);
    } else {
        pci_set16(d, PCI_REG_DEVICE, 0x1040 + c->device_id);
        pci_set16(d, PCI_REG_SUBDEVICE, 0x1100);
        d->config[PCI_REG_REVISION] = 1;
    }
    pci_set16(d, PCI_REG_SUBVENDOR, 0x1af4);
    if (p->class_code) {
        pci_set16(d, PCI_REG_CLASS, p->class_code >> 8);
        d->config[PCI_REG_PROG] = p->class_code;
    }
}

static char *proxy_place(const Device *d) { return device_place(d->bus->parent); }

static bool realize_backend(VirtioPci *p, Error **errp)
{
    static const BusType kind = {
        .name = "virtio-bus", .type = "virtio-pci-bus", .max_devices = 1, .place = proxy_place,
    };

    p->vbus = bus_new(&kind, &p->pci.dev, "virtio-bus");
    p->vdev->transport =
        (VirtioTransport) { .notify = proxy_notify, .opaque = p, .modern = !p->disable_modern,
                            .ioeventfd = p->flags & 1 };
    if (!device_realize(&p->vdev->dev, p->vbus, errp)) {
        bus_free(p->vbus);
        return false;
    }
    return true;
}

bool virtio_pci_realize(PciDevice *d, Error **errp)
{
    ERRP_GUARD();
    VirtioPci *p = VIRTIO_PCI(d);
    const VirtioClass *c = virtio_class(p->vdev);
    g_autofree char *name = g_strdup_printf("%s-pci-msix", c->name);

    if (p->disable_modern && !wants_legacy(p)) {
        error_setg(errp, "device cannot work as neither modern nor legacy mode is enabled");
        error_append_hint(errp, "Set either disable-modern or disable-legacy to off\n");
        return false;
    }
    p->disable_legacy = wants_legacy(p) ? ON_OFF_OFF : ON_OFF_ON;
    if (!realize_backend(p, errp)) {
        return false;
    }
    if (p->vectors == UINT32_MAX) {
        p->vectors = c->default_vectors ? c->default_vectors(p->vdev) : 1;
    }
    init_ids(p);
    if (!p->disable_modern) {
        virtio_pci_add_modern(p);
    }
    if (p->vectors && p->vectors <= 2048) {
        msix_init(d, p->vectors, 1, 0, MAX(0x800, ALIGN_UP(p->vectors * 16, 4096) / 2), 0x98, name);
    }
    if (wants_legacy(p)) {
        uint64_t size = 1;

        while (size < 24 + c->config_size) {
            size <<= 1;
        }
        pci_register_bar(d, 0, PCI_BAR_IO, size, "virtio-pci", &legacy_ops, p);
    }
    virtio_pci_update_held(p);
    return true;
}

void virtio_pci_unrealize(PciDevice *d)
{
    VirtioPci *p = VIRTIO_PCI(d);

    if (p->vdev->dev.realized) {
        device_unrealize(&p->vdev->dev);
    }
}

void virtio_pci_reset(PciDevice *d)
{
    VirtioPci *p = VIRTIO_PCI(d);

    virtio_pci_device_reset(p);
    virtio_pci_update_held(p);
    p->queue_sel = 0;
    p->feature_sel = p->guest_feature_sel = 0;
}
