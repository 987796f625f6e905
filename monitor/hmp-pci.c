/*
 * HMP: `info pci`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hmp-int.h"
#include "qapi/commands-pci.h"

#pragma weak qmp_query_pci

static void print_bridge(Monitor *mon, const PciBusInfo *b)
{
    monitor_printf(mon, "      BUS %" PRId64 ".\n", b->number);
    monitor_printf(mon, "      secondary bus %" PRId64 ".\n", b->secondary);
    monitor_printf(mon, "      subordinate bus %" PRId64 ".\n", b->subordinate);
    monitor_printf(mon, "      IO range [0x%04" PRIx64 ", 0x%04" PRIx64 "]\n", b->io_range->base, b->io_range->limit);
    monitor_printf(mon, "      memory range [0x%08" PRIx64 ", 0x%08" PRIx64 "]\n", b->memory_range->base,
                   b->memory_range->limit);
    monitor_printf(mon, "      prefetchable memory range [0x%08" PRIx64 ", 0x%08" PRIx64 "]\n",
                   b->prefetchable_range->base, b->prefetchable_range->limit);
}

static void print_region(Monitor *mon, const PciMemoryRegion *r)
{
    uint64_t addr = r->address, end = addr + r->size - 1;

    monitor_printf(mon, "      BAR%" PRId64 ": ", r->bar);
    if (!strcmp(r->type, "io")) {
        monitor_printf(mon, "I/O at 0x%04" PRIx64 " [0x%04" PRIx64 "].\n", addr, end);
    } else {
        monitor_printf(mon, "%d bit%s memory at 0x%08" PRIx64 " [0x%08" PRIx64 "].\n", r->mem_type_64 ? 64 : 32,
                       r->prefetch ? " prefetchable" : "", addr, end);
    }
}

static void print_device(Monitor *mon, const PciDeviceInfo *d)
{
    monitor_printf(mon, "  Bus %2" PRId64 ", device %3" PRId64 ", function %" PRId64 ":\n    ", d->bus, d->slot,
                   d->function);
    if (d->class_info->desc) {
        monitor_printf(mon, "%s", d->class_info->desc);
    } else {
        monitor_printf(mon, "Class %04" PRId64, d->class_info->class);
    }
    monitor_printf(mon, ": PCI device %04" PRIx64 ":%04" PRIx64 "\n", d->id->vendor, d->id->device);
    if (d->id->has_subsystem_vendor && d->id->has_subsystem) {
        monitor_printf(mon, "      PCI subsystem %04" PRIx64 ":%04" PRIx64 "\n", d->id->subsystem_vendor,
                       d->id->subsystem);
    }
    if (d->has_irq) {
        monitor_printf(mon, "      IRQ %" PRId64 ", pin %c\n", d->irq, (char)('A' + d->irq_pin - 1));
    }
    if (d->pci_bridge) {
        print_bridge(mon, d->pci_bridge->bus);
    }
    for (size_t i = 0; d->regions && i < d->regions->len; i++) {
        print_region(mon, d->regions->items[i]);
    }
    monitor_printf(mon, "      id \"%s\"\n", d->qdev_id);
    for (size_t i = 0; d->pci_bridge && d->pci_bridge->devices && i < d->pci_bridge->devices->len; i++) {
        print_device(mon, d->pci_bridge->devices->items[i]);
    }
}

void hmp_info_pci(Monitor *mon, const QDict *args)
{
    Error *err = NULL;
    PciInfoList *list = qmp_query_pci(&err);

    if (err) {
        error_free(err);
        monitor_printf(mon, "PCI devices not supported\n");
        return;
    }
    for (size_t i = 0; i < list->len; i++) {
        for (size_t n = 0; n < list->items[i]->devices->len; n++) {
            print_device(mon, list->items[i]->devices->items[n]);
        }
    }
    PciInfoList_free(list);
}
