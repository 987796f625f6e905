/*
 * Between the legacy and the modern half of virtio over PCI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VIRTIO_PCI_INT_H
#define HW_VIRTIO_PCI_INT_H

#include "hw/virtio-pci.h"

/* Capabilities and BAR 4. */
void virtio_pci_add_modern(VirtioPci *p);
uint64_t virtio_pci_read_isr(VirtioPci *p);
/* The vector, or none when there are not so many. */
uint16_t virtio_pci_check_vector(VirtioPci *p, uint16_t vector);
void virtio_pci_device_reset(VirtioPci *p);
/* As the command register says, which was written. */
void virtio_pci_update_held(VirtioPci *p);

#endif
