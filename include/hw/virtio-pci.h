/*
 * Virtio over PCI, legacy and modern: the proxy that carries a virtio device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VIRTIO_PCI_H
#define HW_VIRTIO_PCI_H

#include "hw/pci.h"
#include "hw/virtio.h"

typedef struct VirtioPciClass {
    PciClass pci;
    const char *backend;                  /* QOM type of the device that is carried */
    uint16_t legacy_id;                   /* PCI device id in transitional form */
    int disable_legacy;                   /* forced by the type: ON_OFF_ON / ON_OFF_OFF; ON_OFF_AUTO: by property */
} VirtioPciClass;

typedef struct VirtioPci {
    PciDevice pci;
    VirtioDevice *vdev;                   /* child "virtio-backend"; a reference */
    Bus *vbus;
    uint32_t vectors, flags, class_code;
    int disable_legacy;
    bool disable_modern, ignore_backend_features;
    /* registers */
    uint16_t queue_sel;
    uint32_t feature_sel, guest_feature_sel;
    uint32_t guest_low, guest_high;
    IoRegion *legacy;
} VirtioPci;

bool virtio_pci_realize(PciDevice *d, Error **errp);
void virtio_pci_unrealize(PciDevice *d);
void virtio_pci_reset(PciDevice *d);
void virtio_pci_config_reading(PciDevice *d, unsigned offset, unsigned size);
void virtio_pci_config_written(PciDevice *d, unsigned offset, unsigned size);
void virtio_pci_init(Object *o);          /* TypeInfo.init: makes the backend */
void virtio_pci_finalize(Object *o);
extern const Property virtio_pci_version_props[];     /* disable-legacy, disable-modern */

#define VIRTIO_PCI_CLASS_PCI(cls, ...) { .dev = PCI_CLASS_DEV(.category = DEVICE_STORAGE, __VA_ARGS__), .vendor = 0x1af4, .class_id = cls, \
    .int_pin = 1, .realize = virtio_pci_realize, .unrealize = virtio_pci_unrealize, .reset = virtio_pci_reset,                          \
    .config_reading = virtio_pci_config_reading, .config_written = virtio_pci_config_written }

/* The four types NAME-pci-base, NAME-pci (alias NAME), -transitional, -non-transitional. */
#define VIRTIO_PCI_TYPES(ident, NAME, cls, legacy, props_array)                                                        \
    static const VirtioPciClass ident##_base_class = { .pci = VIRTIO_PCI_CLASS_PCI(cls), .backend = NAME "-device", .legacy_id = legacy }; \
    static const VirtioPciClass ident##_class = { .pci = VIRTIO_PCI_CLASS_PCI(cls, .alias = NAME), .backend = NAME "-device", .legacy_id = legacy }; \
    static const VirtioPciClass ident##_t_class = { .pci = VIRTIO_PCI_CLASS_PCI(cls), .backend = NAME "-device", .legacy_id = legacy, \
                                                    .disable_legacy = ON_OFF_OFF };                                    \
    static const VirtioPciClass ident##_n_class = { .pci = VIRTIO_PCI_CLASS_PCI(cls), .backend = NAME "-device", .legacy_id = legacy, \
                                                    .disable_legacy = ON_OFF_ON };                                     \
    static const TypeInfo ident##_base = { .name = NAME "-pci-base", .parent = "virtio-pci", .abstract = true, .size = sizeof(VirtioPci), \
        .props = props_array, .class_data = &ident##_base_class, .backend_type = NAME "-device", .init = virtio_pci_init,    \
        .finalize = virtio_pci_finalize };                                                                              \
    QOM_TYPE(ident##_base)                                                                                              \
    static const TypeInfo ident##_type = { .name = NAME "-pci", .parent = NAME "-pci-base", .size = sizeof(VirtioPci),    \
        .props = virtio_pci_version_props, .class_data = &ident##_class };                                             \
    QOM_TYPE(ident##_type)                                                                                              \
    static const TypeInfo ident##_t_type = { .name = NAME "-pci-transitional", .parent = NAME "-pci-base", .size = sizeof(VirtioPci), \
        .class_data = &ident##_t_class };                                                                               \
    QOM_TYPE(ident##_t_type)                                                                                            \
    static const TypeInfo ident##_n_type = { .name = NAME "-pci-non-transitional", .parent = NAME "-pci-base", .size = sizeof(VirtioPci), \
        .class_data = &ident##_n_class };                                                                               \
    QOM_TYPE(ident##_n_type)

#endif
