/*
 * MSI-X: the table in a BAR, masks, pending bits.
 *
 * Table words are read by data paths in other threads while the guest changes them: relaxed atomics; an
 * interrupt that races with a change goes to the old or the new place.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/pci/pci-int.h"

enum { CTRL_ENABLE = 0x8000, CTRL_MASK_ALL = 0x4000, ENTRY_MASKED = 1 };

static uint32_t word(const PciDevice *d, unsigned i) { return __atomic_load_n(&d->msix.table[i], __ATOMIC_RELAXED); }

static uint16_t control(const PciDevice *d) { return pci_get16(d, d->msix.cap + 2); }

bool msix_enabled(const PciDevice *d) { return d->msix.cap && (control(d) & CTRL_ENABLE); }

static bool masked(const PciDevice *d, unsigned vector)
{
    return (control(d) & CTRL_MASK_ALL) || (word(d, vector * 4 + 3) & ENTRY_MASKED);
}

static void deliver(PciDevice *d, unsigned vector)
{
    mem_msi_write(word(d, vector * 4) | (uint64_t)word(d, vector * 4 + 1) << 32, word(d, vector * 4 + 2));
}

void msix_notify(PciDevice *d, unsigned vector)
{
    if (!msix_enabled(d) || vector >= d->msix.entries) {
        return;
    }
    if (masked(d, vector)) {
        __atomic_fetch_or(&d->msix.pending[vector / 64], 1ULL << (vector % 64), __ATOMIC_SEQ_CST);
    } else if (pci_is_master(d)) {
        deliver(d, vector);
    }
}

/* Deliver what waited and is no longer masked. */
static void flush(PciDevice *d)
{
    for (unsigned v = 0; v < d->msix.entries && pci_is_master(d); v++) {
        uint64_t bit = 1ULL << (v % 64);

        if ((__atomic_load_n(&d->msix.pending[v / 64], __ATOMIC_SEQ_CST) & bit) && msix_enabled(d) && !masked(d, v)) {
            __atomic_fetch_and(&d->msix.pending[v / 64], ~bit, __ATOMIC_SEQ_CST);
            deliver(d, v);
        }
    }
}

static uint64_t table_read(void *opaque, uint64_t offset, unsigned size)
{
    return word(opaque, offset / 4);
}

static void table_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    __atomic_store_n(&((PciDevice *)opaque)->msix.table[offset / 4], (uint32_t)value, __ATOMIC_RELAXED);
    flush(opaque);
}

static uint64_t pba_read(void *opaque, uint64_t offset, unsigned size)
{
    uint64_t v = ((PciDevice *)opaque)->msix.pending[offset / 8];

    return (offset & 4) ? v >> 32 : (uint32_t)v;
}

static const IoOps table_ops = { .read = table_read, .write = table_write, .min_size = 4, .max_size = 4 };
static const IoOps pba_ops = { .read = pba_read, .min_size = 4, .max_size = 4 };

void msix_init(PciDevice *d, uint16_t entries, int bar, uint32_t table_offset, uint32_t pba_offset, uint8_t cap,
               const char *name)
{
    Msix *m = &d->msix;

    m->entries = entries;
    m->bar = bar;
    m->table_offset = table_offset;
    m->pba_offset = pba_offset;
    m->table = g_new0(uint32_t, entries * 4);
    m->pending = g_new0(uint64_t, (entries + 63) / 64);
    pci_add_capability(d, 0x11, cap, 12);
    m->cap = cap;
    pci_set16(d, cap + 2, entries - 1);
    pci_set32(d, cap + 4, table_offset | bar);
    pci_set32(d, cap + 8, pba_offset | bar);
    d->wmask[cap + 3] = 0xc0;
    pci_register_bar_container(d, bar, 0, MAX(4096, pba_offset * 2), name);
    io_region_map_in(d->bars[bar].region, io_region_new(IO_SPACE_MEM, "msix-table", entries * 16, &table_ops, d),
                     table_offset, 0);
    io_region_map_in(d->bars[bar].region,
                     io_region_new(IO_SPACE_MEM, "msix-pba", (entries + 63) / 64 * 8, &pba_ops, d), pba_offset, 0);
    msix_reset(d);
}

void msix_cleanup(PciDevice *d)
{
    g_free(d->msix.table);
    g_free(d->msix.pending);
    d->msix = (Msix) { 0 };
}

void msix_reset(PciDevice *d)
{
    if (!d->msix.cap) {
        return;
    }
    d->config[d->msix.cap + 3] &= 0x3f;
    memset(d->msix.table, 0, d->msix.entries * 16);
    memset(d->msix.pending, 0, (d->msix.entries + 63) / 64 * 8);
    for (unsigned v = 0; v < d->msix.entries; v++) {
        d->msix.table[v * 4 + 3] = ENTRY_MASKED;
    }
}

void msix_config_written(PciDevice *d)
{
    if (d->msix.cap) {
        flush(d);
    }
}
