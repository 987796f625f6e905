/*
 * What the files of hw/pci share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_PCI_INT_H
#define HW_PCI_INT_H

#include <stdio.h>
#include "hw/pci.h"

uint32_t pci_device_config_read(PciDevice *d, unsigned offset, unsigned size);
void pci_device_config_write(PciDevice *d, unsigned offset, uint32_t value, unsigned size);
/* Where the BAR answers, UINT64_MAX: nowhere. */
uint64_t pci_bar_address(const PciDevice *d, int bar);
void pci_update_intx(PciDevice *d);
void pci_bus_line(PciDevice *d, int level);
void pci_device_release(PciDevice *d);
void msix_config_written(PciDevice *d);
/* Streams have its address register and lines. */
void pci_host_has_state(PciHost *h);
/* BARs answer where the registers say. */
void pci_update_bars(PciDevice *d);

#endif
