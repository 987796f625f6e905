/*
 * AHCI: six ports, each with one drive; command lists and FISes in guest memory.
 *
 * One command of a port runs at a time; queued ones wait in the issue register.  Whatever the guest put in memory is
 * read once and checked; what makes no sense fails the command.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/ide/vmstate-ide.h"
#include "hw/pci.h"
#include "util/cutils.h"

#define PORTS 6
enum { HBA_CAP = 0x00, HBA_GHC = 0x04, HBA_IS = 0x08, HBA_PI = 0x0c, HBA_VS = 0x10 };
enum { P_CLB = 0x00, P_CLBU = 0x04, P_FB = 0x08, P_FBU = 0x0c, P_IS = 0x10, P_IE = 0x14, P_CMD = 0x18, P_TFD = 0x20,
       P_SIG = 0x24,
       P_SSTS = 0x28, P_SCTL = 0x2c, P_SERR = 0x30, P_SACT = 0x34, P_CI = 0x38 };
enum { GHC_RESET = 1, GHC_IRQ = 2, GHC_AHCI = 0x80000000u };
enum { CMD_START = 1, CMD_SPIN_UP = 2, CMD_POWER_ON = 4, CMD_FIS_RX = 1 << 4, CMD_FIS_ON = 1 << 14,
       CMD_LIST_ON = 1 << 15,
       CMD_ATAPI = 1 << 24, CMD_ICC = 0xf0000000u };
enum { IRQ_D2H = 1, IRQ_PIO = 2, IRQ_DMA = 4, IRQ_SDB = 8, IRQ_FATAL = 1 << 30, IRQ_HB_FATAL = 1 << 29 };

typedef struct AhciPort {
    IdeChannel ide;
    struct Ahci *a;
    uint64_t list, fis;
    uint32_t irq_status, irq_mask, cmd, tfd, sig, sstatus, scontrol, serror, sact, issue;
    int slot;                     /* that is running, -1: none */
    uint16_t prdt_count;
    uint8_t flags;                /* of the command header */
    bool ncq, done_pending, signature_sent;
    bool packet_pio;              /* a packet command whose data is not asked for by DMA */
    uint8_t kept[11];             /* the drive's registers, which a queued command leaves alone */
    uint32_t moved_bytes;
    uint16_t pio_len;             /* of a command that moves data "by PIO": size in its setup FIS */
    AioBh *bh;
    uint64_t table;               /* command table */
} AhciPort;

typedef struct Ahci {
    PciDevice pci;
    uint32_t ghc, irq_status;
    uint32_t idp_index;
    bool master;                  /* memory may be reached; off when what was in flight has ended */
    AhciPort port[PORTS];
} Ahci;

static void run_next(AhciPort *p);

/* --- interrupts ---------------------------------------------------------------------------------------- */

static void update_irq(Ahci *a)
{
    a->irq_status = 0;
    for (int i = 0; i < PORTS; i++) {
        if (a->port[i].irq_status & a->port[i].irq_mask) {
            a->irq_status |= 1u << i;
        }
    }
    pci_set_irq(&a->pci, a->irq_status && (a->ghc & GHC_IRQ));
}

static void raise_port(AhciPort *p, uint32_t bits)
{
    p->irq_status |= bits;
    update_irq(p->a);
}

/* --- FISes to the host ------------------------------------------------------------------------------------ */

static void post_fis(AhciPort *p, unsigned offset, const void *fis, size_t len)
{
    if ((p->cmd & CMD_FIS_RX) && p->a->master) {
        dma_write(p->fis + offset, fis, len);
    }
}

/* irq: the host is interrupted; else it only sees that the drive is no longer busy. */
static void write_d2h(AhciPort *p, uint8_t status, bool irq)
{
    IdeDrive *d = p->ide.drives[0];
    uint8_t f[20] = { 0x34, irq ? 0x40 : 0 };

    f[2] = status;
    f[3] = d->error;
    f[4] = d->sector;
    f[5] = d->lcyl;
    f[6] = d->hcyl;
    f[7] = d->select;
    f[8] = d->hob_sector;
    f[9] = d->hob_lcyl;
    f[10] = d->hob_hcyl;
    f[12] = d->nsector;
    f[13] = d->hob_nsector;
    p->tfd = d->error << 8 | status;
    post_fis(p, 0x40, f, sizeof(f));
    if (irq) {
        raise_port(p, IRQ_D2H | (status & IDE_ERR ? IRQ_FATAL : 0));
    }
}

static void send_d2h(AhciPort *p) { write_d2h(p, p->ide.drives[0]->status, true); }

/* The first FIS after a reset: what kind of drive this is. */
static void send_signature(AhciPort *p)
{
    IdeDrive *d = p->ide.drives[0];

    if (p->signature_sent || !d || !d->dev.realized || !(p->cmd & CMD_FIS_ON)) {
        return;
    }
    p->signature_sent = true;
    p->sig = d->is_cd ? 0xeb140101 : 0x00000101;
    write_d2h(p, d->is_cd ? 0x70 : 0x30, true);
}

/* phase: what a packet command's sector count tells at this point, 0 for others. */
static void send_pio_setup(AhciPort *p, uint16_t len, bool irq, uint8_t phase)
{
    IdeDrive *d = p->ide.drives[0];
    uint8_t f[20] = { 0x5f, irq ? 0x40 : 0 }, status = IDE_READY | IDE_SEEK | IDE_DRQ;

    f[2] = status;
    f[3] = phase == 1 ? 0 : d->error;
    f[4] = d->sector;
    f[5] = d->lcyl;
    f[6] = d->hcyl;
    f[7] = d->select;
    f[12] = phase ? phase : d->nsector;
    f[15] = status;
    f[16] = len;
    f[17] = len >> 8;
    p->tfd = d->error << 8 | d->status;
    post_fis(p, 0x20, f, sizeof(f));
    if (irq) {
        raise_port(p, IRQ_PIO);
    }
}

/* Set device bits: a queued command ended. */
static void send_sdb(AhciPort *p, int slot)
{
    IdeDrive *d = p->ide.drives[0];
    uint8_t f[8] = { 0xa1, 0x40 };
    uint32_t done = d->status & IDE_ERR ? 0 : 1u << slot;       /* what failed stays, for the driver to find */

    f[2] = d->status & 0x77;
    f[3] = d->error;
    memcpy(f + 4, &done, 4);
    p->sact &= ~done;
    p->tfd = d->error << 8 | (d->status & 0x77);
    post_fis(p, 0x58, f, sizeof(f));
    raise_port(p, d->status & IDE_ERR ? IRQ_FATAL : IRQ_SDB);
}

/* --- what a channel needs --------------------------------------------------------------------------------------- */

static void set_irq(void *opaque, int level) { }
static bool dma_started(void *opaque) { return true; }

static int64_t map(void *opaque, IoVec *v, uint64_t bytes, bool to_memory)
{
    AhciPort *p = opaque;
    uint64_t total = 0;

    for (unsigned i = 0; i < p->prdt_count && total < bytes; i++) {
        uint32_t e[4];
        uint64_t addr, len;

        if (!dma_read(p->table + 0x80 + 16 * (uint64_t)i, e, 16)) {
            return -1;
        }
        addr = e[0] | (uint64_t)e[1] << 32;
        len = (e[3] & 0x3fffff) + 1;
        len = MIN(len, bytes - total);
        if (!dma_map_iov(v, addr, len, to_memory)) {
            return -1;
        }
        total += len;
    }
    p->moved_bytes = total;
    return total;
}

static void set_byte_count(AhciPort *p, uint32_t n)
{
    dma_store32(p->list + 32 * p->slot + 4, n);
}

static void dma_done(void *opaque, bool more) { }

static void finish_bh(void *opaque)
{
    AhciPort *p = opaque;

    p->done_pending = false;
    run_next(p);
}

/* Swap what is kept with the drive's task file. */
static void exchange_registers(AhciPort *p, IdeDrive *d)
{
    uint8_t *const registers[] = {
        &d->sector, &d->lcyl, &d->hcyl, &d->select, &d->nsector, &d->feature, &d->hob_sector, &d->hob_lcyl,
        &d->hob_hcyl, &d->hob_nsector, &d->hob_feature,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(registers); i++) {
        uint8_t v = *registers[i];

        *registers[i] = p->kept[i];
        p->kept[i] = v;
    }
}

/* The drive ended a command: tell the host, look for the next one a little later. */
static void command_done(void *opaque)
{
    AhciPort *p = opaque;
    IdeDrive *d = p->ide.drives[0];
    int slot = p->slot;

    if (slot < 0) {
        return;
    }
    if (!p->ncq) {
        set_byte_count(p, p->moved_bytes);
    }
    if (p->ncq) {
        send_sdb(p, slot);
        exchange_registers(p, d);
        if (d->status & IDE_ERR) {
            p->issue |= 1u << slot;
        }
    } else {
        if (p->packet_pio && p->moved_bytes && !(d->status & IDE_ERR)) {
            send_pio_setup(p, p->moved_bytes, true, 2);
        } else if (p->pio_len && !(d->status & IDE_ERR)) {
            send_pio_setup(p, p->pio_len, true, 0);
        }
        send_d2h(p);
        if (!(d->status & IDE_ERR)) {      /* a failed one stays, for the driver to find */
            p->issue &= ~(1u << slot);
        }
    }
    p->slot = -1;
    if (!p->done_pending && !(d->status & IDE_ERR)) {
        p->done_pending = true;
        aio_bh_schedule(p->bh);
    }
}

static const IdeHost host = {
    .set_irq = set_irq, .dma_started = dma_started, .map = map, .dma_done = dma_done, .command_done = command_done,
    .no_port = true,
};

/* --- commands ----------------------------------------------------------------------------------------------------- */

static void load_registers(IdeDrive *d, const uint8_t *f)
{
    d->feature = f[3];
    d->sector = f[4];
    d->lcyl = f[5];
    d->hcyl = f[6];
    d->select = f[7];
    d->hob_sector = f[8];
    d->hob_lcyl = f[9];
    d->hob_hcyl = f[10];
    d->hob_feature = f[11];
    d->nsector = f[12];
    d->hob_nsector = f[13];
}

/* READ and WRITE FPDMA QUEUED become the plain forms: the count is in the feature registers. */
static uint8_t queued_to_plain(IdeDrive *d, const uint8_t *f)
{
    d->nsector = f[3];
    d->hob_nsector = f[11];
    d->select |= 0x40;
    return f[2] == 0x60 ? 0x25 : 0x35;
}

/* Of SMART those that answer with a sector. */
static bool is_pio_read(uint8_t command, uint8_t feature)
{
    static const uint8_t list[] = { 0x20, 0x21, 0x24, 0xc4, 0x29, 0xec, 0xa1 };

    if (command == 0xb0) {
        return feature == 0xd0 || feature == 0xd1 || feature == 0xd5;
    }
    return memchr(list, command, sizeof(list)) != NULL;
}

static void host_error(AhciPort *p)
{
    p->slot = -1;
    raise_port(p, IRQ_HB_FATAL);
}

static void start_slot(AhciPort *p, int slot)
{
    IdeDrive *d = p->ide.drives[0];
    uint8_t header[32], f[20];
    uint8_t command;

    p->slot = slot;
    if (!dma_read(p->list + 32 * slot, header, sizeof(header))) {
        host_error(p);
        return;
    }
    p->flags = header[0];
    p->prdt_count = header[2] | header[3] << 8;
    memcpy(&p->table, header + 8, 8);
    if (!dma_read(p->table, f, sizeof(f)) || f[0] != 0x27) {
        host_error(p);
        return;
    }
    if (!(f[1] & 0x80)) {                  /* device control: soft reset comes in two FISes */
        p->issue &= ~(1u << slot);
        p->slot = -1;
        if (!(f[15] & 4)) {
            ide_reset_drive(d);
            d->error = 1;
            send_d2h(p);
        }
        run_next(p);
        return;
    }
    command = f[2];
    p->ncq = command == 0x60 || command == 0x61;
    if (p->ncq) {
        write_d2h(p, d->status, false);
        exchange_registers(p, d);
    }
    load_registers(d, f);
    p->packet_pio = false;
    if (p->ncq) {
        p->issue &= ~(1u << slot);
        command = queued_to_plain(d, f);
    }
    p->pio_len = is_pio_read(command, d->feature) ? 512 : 0;
    p->moved_bytes = 0;
    if (command == 0xa0 && d->is_cd) {
        if (!dma_read(p->table + 0x40, d->pio, 12)) {
            host_error(p);
            return;
        }
        send_pio_setup(p, 12, false, 1);
        p->packet_pio = !(d->feature & 1);
        d->feature |= 1;
    }
    p->tfd = IDE_BUSY | IDE_READY;
    ide_start_command(d, command);
}

static void run_next(AhciPort *p)
{
    IdeDrive *d = p->ide.drives[0];

    while (pci_is_master(&p->a->pci) && p->slot < 0 && (p->cmd & CMD_LIST_ON) && p->issue && d && d->dev.realized
           && !p->done_pending) {
        uint32_t before = p->issue;

        start_slot(p, __builtin_ctz(p->issue));
        if (p->issue == before && p->slot < 0) {
            break;
        }
    }
}

/* --- registers ---------------------------------------------------------------------------------------------------- */

static void port_reset(AhciPort *p)
{
    IdeDrive *d = p->ide.drives[0];

    p->irq_status = p->scontrol = p->serror = p->sact = p->issue = 0;
    p->slot = -1;
    p->sstatus = 0;
    p->sig = UINT32_MAX;
    p->tfd = 0x7f;
    if (d && d->dev.realized) {
        blk_drain(d->conf.blk);
        ide_reset_drive(d);
        p->sstatus = 0x113;
        d->error = 1;
    }
    p->signature_sent = false;
    send_signature(p);
}

static void write_command(AhciPort *p, uint32_t v)
{
    uint32_t kept = p->cmd & (CMD_FIS_ON | CMD_LIST_ON | CMD_ATAPI | 0x1f00);

    p->cmd = kept | (v & ~(CMD_FIS_ON | CMD_LIST_ON | CMD_ATAPI | 0x1f00 | CMD_ICC | 8));
    p->cmd = v & CMD_FIS_RX ? p->cmd | CMD_FIS_ON : p->cmd & ~CMD_FIS_ON;
    if (v & CMD_START) {
        p->cmd |= CMD_LIST_ON;
    } else {
        p->cmd &= ~CMD_LIST_ON;
        p->issue = p->sact = 0;
    }
    send_signature(p);
    run_next(p);
}

static uint32_t port_reg_read(AhciPort *p, unsigned reg)
{
    switch (reg) {
    case P_CLB: return (uint32_t)p->list;
    case P_CLBU: return p->list >> 32;
    case P_FB: return (uint32_t)p->fis;
    case P_FBU: return p->fis >> 32;
    case P_IS: return p->irq_status;
    case P_IE: return p->irq_mask;
    case P_CMD: return p->cmd;
    case P_TFD: return p->tfd;
    case P_SIG: return p->sig;
    case P_SSTS: return p->ide.drives[0] ? 0x113 : 0;
    case P_SCTL: return p->scontrol;
    case P_SERR: return p->serror;
    case P_SACT: return p->sact;
    case P_CI: return p->issue;
    default: return 0;
    }
}

static void port_reg_write(AhciPort *p, unsigned reg, uint32_t v)
{
    switch (reg) {
    case P_CLB: p->list = (p->list & ~(uint64_t)UINT32_MAX) | (v & ~0x3ffu); break;
    case P_CLBU: p->list = (p->list & UINT32_MAX) | (uint64_t)v << 32; break;
    case P_FB: p->fis = (p->fis & ~(uint64_t)UINT32_MAX) | (v & ~0xffu); break;
    case P_FBU: p->fis = (p->fis & UINT32_MAX) | (uint64_t)v << 32; break;
    case P_IS:
        p->irq_status &= ~v;
        update_irq(p->a);
        break;
    case P_IE:
        p->irq_mask = v & 0xfdc000ff;
        update_irq(p->a);
        break;
    case P_CMD: write_command(p, v); break;
    case P_SCTL:
        if ((p->scontrol & 15) == 1 && (v & 15) == 0) {
            port_reset(p);
        }
        p->scontrol = v;
        break;
    case P_SERR: p->serror &= ~v; break;
    case P_SACT: p->sact |= v; break;
    case P_CI:
        p->issue |= v;
        run_next(p);
        break;
    default: break;
    }
}

static void hba_reset(Ahci *a)
{
    a->ghc = GHC_AHCI;
    for (int i = 0; i < PORTS; i++) {
        a->port[i].irq_mask = 0;
        a->port[i].cmd = CMD_SPIN_UP | CMD_POWER_ON;
        port_reset(&a->port[i]);
    }
    update_irq(a);
}

static uint64_t hba_read(void *opaque, uint64_t offset, unsigned size)
{
    Ahci *a = opaque;

    if (offset >= 0x100 && offset < 0x100 + PORTS * 0x80) {
        return port_reg_read(&a->port[(offset - 0x100) / 0x80], offset & 0x7f);
    }
    switch (offset) {
    case HBA_CAP: return 0xc0141f00u | (PORTS - 1);
    case HBA_GHC: return a->ghc;
    case HBA_IS: return a->irq_status;
    case HBA_PI: return (1u << PORTS) - 1;
    case HBA_VS: return 0x00010000;
    default: return 0;
    }
}

static void hba_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    Ahci *a = opaque;

    if (offset >= 0x100 && offset < 0x100 + PORTS * 0x80) {
        port_reg_write(&a->port[(offset - 0x100) / 0x80], offset & 0x7f, v);
    } else if (offset == HBA_GHC) {
        if (v & GHC_RESET) {
            hba_reset(a);
        } else {
            a->ghc = (v & 3) | GHC_AHCI;
            update_irq(a);
        }
    } else if (offset == HBA_IS) {
        a->irq_status &= ~v;
        update_irq(a);
    }
}

static const IoOps hba_ops = { .read = hba_read, .write = hba_write, .min_size = 4, .max_size = 4 };

/* The same registers by index and data ports. */
static uint64_t idp_read(void *opaque, uint64_t offset, unsigned size)
{
    Ahci *a = opaque;

    return offset == 16 ? a->idp_index : offset == 20 ? hba_read(a, a->idp_index, size) : 0;
}

static void idp_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    Ahci *a = opaque;

    if (offset == 16) {
        a->idp_index = v & 0xffc;
    } else if (offset == 20) {
        hba_write(a, a->idp_index, v, size);
    }
}

static const IoOps idp_ops = { .read = idp_read, .write = idp_write, .min_size = 4, .max_size = 4 };

/* --- the function ------------------------------------------------------------------------------------------------- */

static void config_written(PciDevice *d, unsigned offset, unsigned size)
{
    Ahci *a = (Ahci *)d;

    for (int i = 0; i < PORTS && a->master && !pci_is_master(d); i++) {
        if (a->port[i].slot >= 0) {
            blk_drain(a->port[i].ide.drives[0]->conf.blk);
        }
    }
    a->master = pci_is_master(d);
}

static void reset(PciDevice *d)
{
    ((Ahci *)d)->master = false;
    d->config[0x90] = 0x40;
    hba_reset((Ahci *)d);
}

static bool realize(PciDevice *d, Error **errp)
{
    Ahci *a = (Ahci *)d;

    d->config[0x90] = 0x40;                /* AHCI mode */
    pci_register_bar(d, 4, PCI_BAR_IO, 32, "ahci-idp", &idp_ops, a);
    pci_register_bar(d, 5, 0, 4096, "ahci", &hba_ops, a);
    pci_add_capability(d, 0x12, 0xa8, 8);  /* index and data ports */
    pci_set16(d, 0xaa, 0x0010);
    pci_set32(d, 0xac, 0x48);
    pci_add_capability(d, 0x05, 0x80, 14); /* MSI, 64 bits */
    pci_set16(d, 0x82, 0x0080);
    d->wmask[0x82] = 0x01;
    memset(d->wmask + 0x84, 0xff, 8);
    d->wmask[0x84] = 0xfc;
    memset(d->wmask + 0x8c, 0xff, 2);
    for (int i = 0; i < PORTS; i++) {
        AhciPort *p = &a->port[i];

        p->a = a;
        p->slot = -1;
        p->bh = aio_bh_new(aio_main_context(), finish_bh, p);
        ide_channel_init(&p->ide, &d->dev, i, 1, &host, p);
    }
    hba_reset(a);
    return true;
}

/* --- state -------------------------------------------------------------------------------------------------------- */

/* The size of one queued command in the peer's form; here they are in the issue register. */
#define NCQ_BYTES (32 * 17)

typedef struct PortWire {
    IdeChannelWire ide;
    uint32_t port_state, finished, lst_addr, lst_addr_hi, fis_addr, fis_addr_hi, irq_stat, irq_mask, cmd, tfdata, sig,
        scr_stat, scr_ctl, scr_err, scr_act, cmd_issue;
    uint8_t done_first_drq, init_d2h_sent;
    int32_t busy_slot;
} PortWire;

typedef struct AhciWire {
    PciWire pci;
    PortWire dev[PORTS];
    uint32_t cap, ghc, irqstatus, impl, version, idp_index;
    int32_t ports;
} AhciWire;

static void save_port(const AhciPort *p, PortWire *w)
{
    ide_wire_save(&p->ide, &w->ide);
    w->lst_addr = p->list;
    w->lst_addr_hi = p->list >> 32;
    w->fis_addr = p->fis;
    w->fis_addr_hi = p->fis >> 32;
    w->irq_stat = p->irq_status;
    w->irq_mask = p->irq_mask;
    w->cmd = p->cmd;
    w->tfdata = p->tfd;
    w->sig = p->sig;
    w->scr_stat = p->sstatus;
    w->scr_ctl = p->scontrol;
    w->scr_err = p->serror;
    w->scr_act = p->sact;
    w->cmd_issue = p->issue;
    w->busy_slot = -1;
    w->init_d2h_sent = p->signature_sent;
}

static void ahci_save(void *obj, void *wire)
{
    Ahci *a = obj;
    AhciWire *w = wire;

    pci_wire_save(&a->pci, &w->pci);
    for (int i = 0; i < PORTS; i++) {
        save_port(&a->port[i], &w->dev[i]);
    }
    w->cap = hba_read(a, HBA_CAP, 4);
    w->ghc = a->ghc;
    w->irqstatus = a->irq_status;
    w->impl = hba_read(a, HBA_PI, 4);
    w->version = hba_read(a, HBA_VS, 4);
    w->idp_index = a->idp_index;
    w->ports = PORTS;
}

static void load_port(AhciPort *p, const PortWire *w)
{
    ide_wire_load(&p->ide, &w->ide);
    p->list = (w->lst_addr | (uint64_t)w->lst_addr_hi << 32) & ~0x3ffULL;
    p->fis = (w->fis_addr | (uint64_t)w->fis_addr_hi << 32) & ~0xffULL;
    p->irq_status = w->irq_stat;
    p->irq_mask = w->irq_mask;
    p->cmd = w->cmd;
    p->tfd = w->tfdata;
    p->sig = w->sig;
    p->sstatus = w->scr_stat;
    p->scontrol = w->scr_ctl;
    p->serror = w->scr_err;
    p->sact = w->scr_act;
    p->issue = w->cmd_issue;
    p->slot = -1;
    p->ncq = p->done_pending = p->packet_pio = false;
    p->signature_sent = w->init_d2h_sent;
}

static bool ahci_load(void *obj, const void *wire, Error **errp)
{
    const AhciWire *w = wire;
    Ahci *a = obj;

    if (!pci_wire_check(&a->pci, &w->pci, errp)) {
        return false;
    }
    hba_reset(a);
    for (int i = 0; i < PORTS; i++) {
        load_port(&a->port[i], &w->dev[i]);
    }
    a->ghc = (w->ghc & GHC_IRQ) | GHC_AHCI;
    a->idp_index = w->idp_index & 0xffc;
    pci_wire_load(&a->pci, &w->pci);
    a->master = pci_is_master(&a->pci);
    update_irq(a);
    return true;
}

static bool ahci_ready(void *obj, Error **errp)
{
    for (int i = 0; i < PORTS; i++) {
        if (!ide_wire_ready(&((Ahci *)obj)->port[i].ide, errp)) {
            return false;
        }
    }
    return true;
}

#define PW(f, t) VMF(PortWire, f, t)
#define PR(f) VMFN("port_regs." #f, "uint32", PortWire, f)
static const VmField port_fields[] = {
    VMF_STRUCTN("port", PortWire, ide, &ide_channel_desc),
    VMF_STRUCTN("port.ifs[0]", PortWire, ide.drive[0], &ide_drive_desc),
    PW(port_state, "uint32"), PW(finished, "uint32"), PR(lst_addr), PR(lst_addr_hi), PR(fis_addr), PR(fis_addr_hi),
    PR(irq_stat), PR(irq_mask),
    PR(cmd), PR(tfdata), PR(sig), PR(scr_stat), PR(scr_ctl), PR(scr_err), PR(scr_act), PR(cmd_issue),
    PW(done_first_drq, "bool"),
    PW(busy_slot, "int32"), PW(init_d2h_sent, "bool"),
    { .name = "ncq_tfs", .type = "struct", .kind = VM_UNUSED, .size = NCQ_BYTES, .count = 1 }, { NULL }
};
static const VmDesc port_desc = { .name = "ahci port", .version = 1, .min_version = 1, .fields = port_fields };
#define AW(n, f) VMFN(n, "uint32", AhciWire, f)
static const VmField hba_fields[] = {
    VMF_STRUCTS(AhciWire, dev, &port_desc), AW("control_regs.cap", cap), AW("control_regs.ghc", ghc),
    AW("control_regs.irqstatus", irqstatus),
    AW("control_regs.impl", impl), AW("control_regs.version", version), AW("idp_index", idp_index),
    VMF_EQUAL("ports", "int32", AhciWire, ports),
    { NULL }
};
static const VmDesc hba_desc = { .name = "ahci", .version = 1, .min_version = 1, .fields = hba_fields };
static const VmField ahci_fields[] = { VMF_PCI("parent_obj", AhciWire), VMF_SELF("ahci", &hba_desc), { NULL } };
static const VmDesc ahci_vmstate = {
    .name = "ich9_ahci", .version = 1, .size = sizeof(AhciWire), .fields = ahci_fields, .save = ahci_save,
    .load = ahci_load, .ready = ahci_ready,
};

static const PciClass ahci_class = {
    .dev = PCI_CLASS_DEV(.no_hotplug = true, .category = DEVICE_STORAGE, .alias = "ahci", .vmstate = &ahci_vmstate),
    .vendor = 0x8086, .device = 0x2922,
    .revision = 2, .class_id = 0x0106, .prog_if = 1, .int_pin = 1, .realize = realize, .reset = reset,
    .config_written = config_written,
};
static const TypeInfo ahci_type = {
    .name = "ich9-ahci", .parent = "pci-device", .size = sizeof(Ahci), .class_data = &ahci_class,
};
QOM_TYPE(ahci_type)
