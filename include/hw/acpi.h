/*
 * The fixed ACPI registers of a board: power button, sleep control, timer, general events; PCI slot hotplug.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ACPI_H
#define HW_ACPI_H

#include "hw/irq.h"
#include "hw/pci.h"

typedef struct AcpiRegs {
    uint16_t status, enable, control, wake;
    int64_t overflow;             /* of the timer, in its ticks: the next that sets its status bit */
    struct AioTimer *timer;
    uint8_t gpe_status[16], gpe_enable[16];
    int gpe_len;                  /* bytes of status, then as many of enable */
    uint8_t s4_value;
    uint8_t apm[2];               /* command and status for the firmware */
    Irq *sci;
    IoRegion *pm, *gpe, *hotplug;
    PciHost *host;                /* whose slots can be hot-plugged; NULL: none */
    uint32_t slots_up, slots_down;
} AcpiRegs;

/* Registers at pm_base (moved by acpi_map) in a container of that name, events (a->gpe, for the caller to map); SCI is
   global interrupt 9. */
void acpi_init(AcpiRegs *a, const char *name, unsigned pm_size, int gpe_len);
void acpi_map(AcpiRegs *a, uint16_t pm_base, bool on);
void acpi_map_apm(AcpiRegs *a);
void acpi_map_cpu_hotplug(AcpiRegs *a, uint16_t base);
void acpi_map_pci_hotplug(AcpiRegs *a, uint16_t base, PciHost *host);
void acpi_reset(AcpiRegs *a);
/* A slot got a device, or is asked to give one up. */
void acpi_slot_up(AcpiRegs *a, int slot);
void acpi_slot_down(AcpiRegs *a, int slot);

/* What of it is in streams of state; chips have tables of their own over it. */
typedef struct AcpiWire {
    uint16_t status, enable, control, gpe_status16, gpe_enable16;     /* 16: the first two bytes as a number */
    uint8_t gpe_status[16], gpe_enable[16];
    uint64_t timer;
    int64_t overflow;
    struct { uint32_t up, down; } slots[256];     /* of each bus; only the first has any */
    uint32_t index;
} AcpiWire;
extern const struct VmDesc acpi_slots_desc;
void acpi_wire_save(const AcpiRegs *a, AcpiWire *w);
void acpi_wire_load(AcpiRegs *a, const AcpiWire *w);

#endif
