/*
 * ISA devices: fixed ports and one of 16 interrupts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ISA_H
#define HW_ISA_H

#include "hw/device.h"
#include "hw/irq.h"
#include "machine/memory.h"

/* The bus of the board's ISA bridge, "isa.0". */
Bus *isa_bus_new(Device *bridge);
#define ISA_CLASS_DEV(...) { .bus_type = "ISA", .no_hotplug = true, __VA_ARGS__ }

/* Eight-bit DMA channels of the board, as far as devices move data through them. */
typedef struct IsaDma IsaDma;
/* Bytes that channel n would move now and where; false when it is masked. */
bool isa_dma_get(int channel, uint64_t *addr, uint32_t *len, bool *to_memory);
/* The board's controllers: ports 0x00, 0x80, 0xc0. */
void isa_dma_init(Bus *isa);
/* n bytes were moved. */
void isa_dma_advance(int channel, uint32_t n);

#endif
