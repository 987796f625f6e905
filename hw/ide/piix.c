/*
 * The PIIX IDE function: two channels at the fixed ports, bus master DMA.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/ide/vmstate-ide.h"
#include "hw/pci.h"
#include "util/cutils.h"

enum { BM_START = 1, BM_TO_MEMORY = 8, BM_ACTIVE = 1, BM_ERROR = 2, BM_INT = 4 };

typedef struct BmChannel {
    IdeChannel ide;
    struct PiixIde *p;
    uint8_t command, status;
    uint32_t table;
    Irq *irq;
    IoRegion *ports, *alt;
} BmChannel;

typedef struct PiixIde {
    PciDevice pci;
    BmChannel ch[2];
} PiixIde;

/* --- what a channel needs ------------------------------------------------------------------------------- */

static void set_irq(void *opaque, int level)
{
    BmChannel *b = opaque;

    if (level) {
        b->status |= BM_INT;
    }
    irq_set(b->irq, level);
}

static bool dma_started(void *opaque) { return ((BmChannel *)opaque)->status & BM_ACTIVE; }

/* One descriptor: address, length (0: 64 KiB), bit 31 of the second word ends the table. */
static int64_t map(void *opaque, IoVec *v, uint64_t bytes, bool to_memory)
{
    BmChannel *b = opaque;
    uint64_t total = 0;

    if (!pci_is_master(&b->p->pci)) {
        return -1;
    }
    for (unsigned i = 0; i < 4096 / 8 && total < bytes; i++) {
        uint32_t prd[2], len;

        if (!dma_read(b->table + 8 * i, prd, 8)) {
            return -1;
        }
        len = prd[1] & 0xfffe;
        len = len ? len : 0x10000;
        len = MIN(len, bytes - total);
        if (!dma_map_iov(v, prd[0] & ~1u, len, to_memory)) {
            return -1;
        }
        total += len;
        if (prd[1] & 0x80000000) {
            break;
        }
    }
    return total;
}

static void dma_done(void *opaque, bool more)
{
    BmChannel *b = opaque;

    if (!more) {
        b->status &= ~BM_ACTIVE;
    }
}

static const IdeHost host = { .set_irq = set_irq, .dma_started = dma_started, .map = map, .dma_done = dma_done };

/* --- ports ------------------------------------------------------------------------------------------------- */

static uint64_t task_read(void *opaque, uint64_t offset, unsigned size)
{
    BmChannel *b = opaque;

    return offset == 0 ? ide_data_read(&b->ide, size) : ide_read(&b->ide, offset);
}

static void task_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    BmChannel *b = opaque;

    if (offset == 0) {
        ide_data_write(&b->ide, value, size);
    } else {
        ide_write(&b->ide, offset, value);
    }
}

static uint64_t alt_read(void *opaque, uint64_t offset, unsigned size)
{
    return ide_status(&((BmChannel *)opaque)->ide);
}
static void alt_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    ide_control(&((BmChannel *)opaque)->ide, v);
}

/* Only the data register is wide. */
static const IoOps port_ops = { .read = task_read, .write = task_write, .max_size = 4 };
static const IoOps alt_ops = { .read = alt_read, .write = alt_write, .max_size = 1 };

/* A channel has a command and a status byte, then the address of its table. */
static uint64_t bm_read(void *opaque, uint64_t offset, unsigned size)
{
    BmChannel *b = opaque;

    return size != 1 || (offset & 1) ? 0xff : offset == 0 ? b->command : b->status;
}

static void bm_command(BmChannel *b, uint8_t v)
{
    bool was = b->command & BM_START;

    b->command = v & (BM_START | BM_TO_MEMORY);
    if (was && !(v & BM_START)) {
        ide_cancel(&b->ide);
        b->status &= ~BM_ACTIVE;
    } else if (!was && (v & BM_START)) {
        b->status |= BM_ACTIVE;
        ide_dma_ready(&b->ide);
    }
}

static void bm_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    BmChannel *b = opaque;

    if (offset == 0) {
        bm_command(b, v);
    } else if (offset == 2) {
        b->status = (v & 0x60) | (b->status & BM_ACTIVE) | (b->status & ~v & (BM_ERROR | BM_INT));
    }
}

static uint64_t table_read(void *opaque, uint64_t offset, unsigned size)
{
    return ((BmChannel *)opaque)->table >> (8 * offset);
}

static void table_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    BmChannel *b = opaque;
    unsigned shift = 8 * offset;
    uint32_t mask = (size >= 4 ? UINT32_MAX : (1u << (8 * size)) - 1) << shift;

    b->table = ((b->table & ~mask) | ((uint32_t)v << shift & mask)) & ~3u;
}

static const IoOps bm_ops = { .read = bm_read, .write = bm_write, .max_size = 4 };
static const IoOps table_ops = { .read = table_read, .write = table_write, .max_size = 4 };

static void init_bus_master(PiixIde *p)
{
    pci_register_bar_container(&p->pci, 4, PCI_BAR_IO, 16, "piix-bmdma-container");
    for (int i = 0; i < 2; i++) {
        io_region_map_in(p->pci.bars[4].region, io_region_new(IO_SPACE_PORT, "piix-bmdma", 4, &bm_ops, &p->ch[i]),
                         8 * i, 0);
        io_region_map_in(p->pci.bars[4].region, io_region_new(IO_SPACE_PORT, "bmdma", 4, &table_ops, &p->ch[i]),
                         8 * i + 4, 0);
    }
}

/* --- the function ------------------------------------------------------------------------------------------------ */

static void reset(PciDevice *d)
{
    PiixIde *p = (PiixIde *)d;

    for (int i = 0; i < 2; i++) {
        ide_channel_reset(&p->ch[i].ide);
        p->ch[i].command = p->ch[i].status = 0;
        p->ch[i].table = 0;
    }
    pci_set16(d, PCI_REG_STATUS, 0x0280);
    d->config[0x20] = 0x01;
}

static bool realize(PciDevice *d, Error **errp)
{
    static const struct { uint16_t base, alt; int irq; } places[] = { { 0x1f0, 0x3f6, 14 }, { 0x170, 0x376, 15 } };
    PiixIde *p = (PiixIde *)d;
    Object *before;

    pci_set16(d, PCI_REG_STATUS, 0x0280);
    init_bus_master(p);
    for (int i = 0; i < 2; i++) {
        BmChannel *b = &p->ch[i];

        b->p = p;
        b->irq = gsi_source(places[i].irq);
        ide_channel_init(&b->ide, &d->dev, i, 2, &host, b);
        before = io_region_set_owner(NULL);              /* fixed ports are the board's */
        b->ports = io_region_new(IO_SPACE_PORT, "ide", 8, &port_ops, b);
        b->alt = io_region_new(IO_SPACE_PORT, "ide", 1, &alt_ops, b);
        io_region_map(b->ports, places[i].base, 0);
        io_region_map(b->alt, places[i].alt, 0);
        io_region_set_owner(before);
    }
    return true;
}

/* --- state -------------------------------------------------------------------------------------------------- */

typedef struct BmWire {
    uint8_t cmd, compat_status, status;
    uint32_t addr;
    bool has_status;
} BmWire;

typedef struct PiixIdeWire {
    PciWire pci;
    BmWire bm[2];
    IdeChannelWire ch[2];
} PiixIdeWire;

enum { COMPAT_STATUS = 0x07 };         /* the other bits once told of requests to send again */

static void piix_ide_save(void *obj, void *wire)
{
    const PiixIde *p = obj;
    PiixIdeWire *w = wire;

    pci_wire_save(&p->pci, &w->pci);
    for (int i = 0; i < 2; i++) {
        w->bm[i] = (BmWire) { p->ch[i].command, p->ch[i].status & COMPAT_STATUS, p->ch[i].status, p->ch[i].table };
        ide_wire_save(&p->ch[i].ide, &w->ch[i]);
    }
}

static bool piix_ide_load(void *obj, const void *wire, Error **errp)
{
    const PiixIdeWire *w = wire;
    PiixIde *p = obj;

    if (!pci_wire_check(&p->pci, &w->pci, errp)) {
        return false;
    }
    pci_wire_load(&p->pci, &w->pci);
    for (int i = 0; i < 2; i++) {
        BmChannel *b = &p->ch[i];

        b->command = w->bm[i].cmd & (BM_START | BM_TO_MEMORY);
        b->status = w->bm[i].has_status ? w->bm[i].status & 0x67 : w->bm[i].compat_status & COMPAT_STATUS;
        b->table = w->bm[i].addr & ~3u;
        irq_set(b->irq, (b->status & BM_INT) && !(w->ch[i].cmd & 2));
        ide_wire_load(&b->ide, &w->ch[i]);
    }
    return true;
}

static bool piix_ide_ready(void *obj, Error **errp)
{
    return ide_wire_ready(&((PiixIde *)obj)->ch[0].ide, errp) && ide_wire_ready(&((PiixIde *)obj)->ch[1].ide, errp);
}

static bool status_needed(const void *wire) { return ((const BmWire *)wire)->status & ~COMPAT_STATUS; }
static bool never(const void *wire) { return false; }
static const VmField status_fields[] = { VMF(BmWire, status, "uint8"), { NULL } };
static const VmDesc status_desc = {
    .name = "ide bmdma/status", .version = 1, .min_version = 1, .fields = status_fields, .needed = status_needed,
    .present = offsetof(BmWire, has_status),
};
static const VmField current_fields[] = { VMF_UNUSED(16), { NULL } };
static const VmDesc current_desc = {
    .name = "ide bmdma_current", .version = 1, .min_version = 1, .fields = current_fields, .needed = never,
};
static const VmDesc *const bm_subsections[] = { &current_desc, &status_desc, NULL };
static const VmField bm_fields[] = {
    VMF(BmWire, cmd, "uint8"), VMFN("migration_compat_status", "uint8", BmWire, compat_status),
    VMF(BmWire, addr, "uint32"),
    VMF_UNUSED(13), { NULL }
};
static const VmDesc bm_desc = {
    .name = "ide bmdma", .version = 3, .min_version = 3, .fields = bm_fields, .subsections = bm_subsections,
};
static const VmField piix_ide_fields[] = {
    VMF_PCI("parent_obj", PiixIdeWire), VMF_STRUCTSN("bmdma", PiixIdeWire, bm, &bm_desc),
    VMF_STRUCTSN("bus", PiixIdeWire, ch, &ide_channel_desc),
    VMF_STRUCTSN("bus[0].ifs", PiixIdeWire, ch[0].drive, &ide_drive_desc),
    VMF_STRUCTSN("bus[1].ifs", PiixIdeWire, ch[1].drive, &ide_drive_desc),
    { NULL }
};
static const VmDesc piix_ide_vmstate = {
    .name = "ide", .version = 3, .min_version = 3, .size = sizeof(PiixIdeWire), .fields = piix_ide_fields,
    .save = piix_ide_save,
    .load = piix_ide_load, .ready = piix_ide_ready,
};

static const TypeInfo pci_ide_type = {
    .name = "pci-ide", .parent = "pci-device", .abstract = true, .size = sizeof(PiixIde),
};
QOM_TYPE(pci_ide_type)

#define PIIX_IDE(ident, type_name, dev_id)                                                                        \
    static const PciClass ident##_class = {                                                                       \
        .dev = PCI_CLASS_DEV(.no_hotplug = true, .category = DEVICE_STORAGE, .vmstate = &piix_ide_vmstate), .vendor = 0x8086, .device = dev_id, \
        .class_id = 0x0101, .prog_if = 0x80, .realize = realize, .reset = reset,                                  \
    };                                                                                                            \
    static const TypeInfo ident##_type = {                                                                        \
        .name = type_name, .parent = "pci-ide", .size = sizeof(PiixIde), .class_data = &ident##_class,            \
    };                                                                                                            \
    QOM_TYPE(ident##_type)

PIIX_IDE(piix3_ide, "piix3-ide", 0x7010)
PIIX_IDE(piix4_ide, "piix4-ide", 0x7111)
