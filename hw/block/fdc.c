/*
 * The floppy disk controller (82078): registers, commands, transfers by DMA or through the FIFO.
 *
 * Seeks and transfers are done at once; their interrupt follows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/block/fdc.h"
#include "migration/vmstate.h"
#include "util/cutils.h"

enum { MSR_CMDBUSY = 0x10, MSR_NONDMA = 0x20, MSR_DIO = 0x40, MSR_RQM = 0x80, DOR_RESET = 4, DOR_DMA = 8 };
enum { SR0_SEEK = 0x20, SR0_ABNORMAL = 0x40, SR0_INVALID = 0x80, SR0_READY_CHANGED = 0xc0, SR1_NO_ADDRESS = 0x01,
       SR1_PROTECTED = 0x02,
       SR1_END = 0x80, SR2_DELETED = 0x40 };

static FloppyDrive *current(Fdc *f) { return f->drives[f->dor & 1]; }

/* --- phases ------------------------------------------------------------------------------------------- */

static void raise_irq(Fdc *f)
{
    f->sra |= 0x80;
    irq_raise(f->irq_line);
}

static void lower_irq(Fdc *f)
{
    f->sra &= ~0x80;
    irq_lower(f->irq_line);
}

static void command_phase(Fdc *f)
{
    f->phase = FDC_COMMAND;
    f->pos = f->len = 0;
    f->msr = (f->msr & 0x0f) | MSR_RQM;
}

static void result_phase(Fdc *f, unsigned len)
{
    f->phase = FDC_RESULT;
    f->pos = 0;
    f->len = len;
    f->msr = (f->msr & 0x0f) | MSR_CMDBUSY | MSR_RQM | MSR_DIO;
}

/* The seven bytes at the end of a transfer. */
static void finish_transfer(Fdc *f, uint8_t s0, uint8_t s1, uint8_t s2)
{
    FloppyDrive *d = current(f);

    f->status0 = (f->status0 & SR0_SEEK) | s0 | (d ? d->head << 2 : 0) | (f->dor & 1);
    f->fifo[0] = f->status0;
    f->fifo[1] = s1;
    f->fifo[2] = s2;
    f->fifo[3] = d ? d->track : 0;
    f->fifo[4] = d ? d->head : 0;
    f->fifo[5] = d ? d->sect : 0;
    f->fifo[6] = 2;
    result_phase(f, 7);
    f->status0 &= ~SR0_SEEK;
    raise_irq(f);
}

/* --- transfers --------------------------------------------------------------------------------------------- */

/* To the next sector, as far as EOT and MT let; false: that was the last one. */
static bool next_sector(Fdc *f, FloppyDrive *d)
{
    uint8_t eot = f->command[6];
    bool multi = f->command[0] & 0x80;

    if (d->sect < d->last_sect && d->sect != eot) {
        d->sect++;
        return true;
    }
    d->sect = 1;
    if (multi && d->head == 0 && d->two_heads) {
        d->head = 1;
        return true;
    }
    if (multi) {
        d->head = 0;
    }
    d->track++;
    return false;
}

static bool move_sector(FloppyDrive *d, int64_t offset, uint8_t *buf, bool write)
{
    return (write ? blk_pwrite(d->conf.blk, offset, 512, buf, 0) : blk_pread(d->conf.blk, offset, 512, buf, 0)) >= 0;
}

static void transfer_by_dma(Fdc *f, FloppyDrive *d, bool write)
{
    uint64_t addr;
    uint32_t len;
    bool to_memory;

    if (!isa_dma_get(f->dma, &addr, &len, &to_memory) || to_memory == write) {
        finish_transfer(f, SR0_ABNORMAL, SR1_NO_ADDRESS, 0);
        return;
    }
    while (len) {
        uint32_t n = MIN(len, 512);
        int64_t offset = floppy_offset(d, d->track, d->head, d->sect);

        memset(f->fifo, 0, 512);
        if (offset < 0 || (write && !dma_read(addr, f->fifo, n)) || !move_sector(d, offset, f->fifo, write)
            || (!write && !dma_write(addr, f->fifo, n))) {
            finish_transfer(f, SR0_ABNORMAL, SR1_NO_ADDRESS, 0);
            return;
        }
        addr += n;
        len -= n;
        isa_dma_advance(f->dma, n);
        if (!next_sector(f, d) && len) {
            finish_transfer(f, SR0_ABNORMAL, SR1_END, 0);
            return;
        }
    }
    finish_transfer(f, 0, 0, 0);
}

static void load_fifo(Fdc *f, FloppyDrive *d, bool write)
{
    int64_t offset = floppy_offset(d, d->track, d->head, d->sect);

    f->pos = 0;
    f->len = 512;
    if (!write && (offset < 0 || !move_sector(d, offset, f->fifo, false))) {
        finish_transfer(f, SR0_ABNORMAL, SR1_NO_ADDRESS, 0);
        return;
    }
    f->phase = FDC_EXECUTE;
    f->msr = (f->msr & 0x0f) | MSR_CMDBUSY | MSR_NONDMA | MSR_RQM | (write ? 0 : MSR_DIO);
    raise_irq(f);
}

/* A sector went through the FIFO. */
static void fifo_sector_done(Fdc *f)
{
    FloppyDrive *d = current(f);
    bool write = (f->command[0] & 0x1f) == 5 || (f->command[0] & 0x1f) == 9;
    int64_t offset = d ? floppy_offset(d, d->track, d->head, d->sect) : -1;

    lower_irq(f);
    if (!d || offset < 0 || (write && !move_sector(d, offset, f->fifo, true))) {
        finish_transfer(f, SR0_ABNORMAL, SR1_NO_ADDRESS, 0);
        return;
    }
    if (!next_sector(f, d)) {
        finish_transfer(f, 0, 0, 0);
    } else {
        load_fifo(f, d, write);
    }
}

static void start_transfer(Fdc *f, bool write)
{
    FloppyDrive *d;
    uint8_t track = f->command[2], head = f->command[3], sect = f->command[4];

    f->dor = (f->dor & ~3) | (f->command[1] & 3);
    d = (f->command[1] & 2) ? NULL : current(f);
    if (!d || !d->max_track) {
        if (d) {
            d->track = track;
            d->head = head & 1;
            d->sect = sect;
        }
        finish_transfer(f, SR0_ABNORMAL, SR1_NO_ADDRESS, 0);
        return;
    }
    if (track >= d->max_track || head > d->two_heads || sect > d->last_sect || !sect) {
        uint8_t s1 = track < d->max_track ? SR1_END : 0;
        uint8_t result[7] = { SR0_ABNORMAL | d->head << 2 | (f->dor & 1), s1, 0, track, head, sect, 2 };

        if (head > d->two_heads) {
            result[1] = 0;
        }
        memcpy(f->fifo, result, 7);
        result_phase(f, 7);
        raise_irq(f);
        return;
    }
    if (d->track != track) {
        f->status0 |= SR0_SEEK;
        d->media_changed = false;
    }
    d->track = track;
    d->head = head;
    d->sect = sect;
    if (write && d->readonly) {
        finish_transfer(f, SR0_ABNORMAL, SR1_PROTECTED, 0);
        return;
    }
    if (f->dor & DOR_DMA) {
        transfer_by_dma(f, d, write);
    } else {
        load_fifo(f, d, write);
    }
}

static void format_track(Fdc *f)
{
    uint8_t zero[512];
    FloppyDrive *d;
    uint64_t addr;
    uint32_t len;
    bool to_memory;

    f->dor = (f->dor & ~3) | (f->command[1] & 3);
    d = (f->command[1] & 2) ? NULL : current(f);
    if (!d || !d->max_track || d->readonly || !isa_dma_get(f->dma, &addr, &len, &to_memory) || to_memory) {
        finish_transfer(f, SR0_ABNORMAL, d && d->readonly ? SR1_PROTECTED : SR1_NO_ADDRESS, 0);
        return;
    }
    memset(zero, f->command[5], sizeof(zero));
    d->head = (f->command[1] >> 2) & 1;
    for (unsigned i = 0; i < f->command[3] && len >= 4; i++, addr += 4, len -= 4) {
        uint8_t id[4];
        int64_t offset;

        if (!dma_read(addr, id, 4)) {
            break;
        }
        offset = floppy_offset(d, id[0], id[1], id[2]);
        if (offset < 0 || !move_sector(d, offset, zero, true)) {
            finish_transfer(f, SR0_ABNORMAL, SR1_NO_ADDRESS, 0);
            return;
        }
        d->track = id[0];
        d->sect = id[2];
        isa_dma_advance(f->dma, 4);
    }
    finish_transfer(f, 0, 0, 0);
}

/* --- commands -------------------------------------------------------------------------------------------------- */

static void seek(Fdc *f, uint8_t track)
{
    FloppyDrive *d;

    f->dor = (f->dor & ~3) | (f->command[1] & 3);
    d = (f->command[1] & 2) ? NULL : current(f);
    if (d) {
        if (d->max_track && blk_is_inserted(d->conf.blk) && track != d->track) {
            d->media_changed = false;
        }
        d->head = (f->command[1] >> 2) & 1;
        d->track = track;
    }
    f->status0 = SR0_SEEK;
    command_phase(f);
    raise_irq(f);
}

static void sense_interrupt(Fdc *f)
{
    FloppyDrive *d = current(f);

    if (f->reset_sense > 0) {
        f->fifo[0] = SR0_READY_CHANGED | (4 - f->reset_sense--);
        f->fifo[1] = d ? d->track : 0;
    } else if (!(f->sra & 0x80)) {
        f->fifo[0] = SR0_INVALID;
        result_phase(f, 1);
        return;
    } else {
        f->fifo[0] = (f->status0 & ~(0x04 | 0x03)) | (d ? d->head << 2 : 0) | (f->dor & 1);
        f->fifo[1] = d ? d->track : 0;
    }
    result_phase(f, 2);
    lower_irq(f);
    f->status0 = 0;
}

static void drive_status(Fdc *f)
{
    FloppyDrive *d;

    f->dor = (f->dor & ~3) | (f->command[1] & 3);
    d = current(f);
    f->fifo[0] = 0x28 | (f->dor & 3) | (f->command[1] & 4);
    if (!d || d->readonly) {
        f->fifo[0] |= 0x40;
    }
    if (!d || d->track == 0) {
        f->fifo[0] |= 0x10;
    }
    result_phase(f, 1);
}

static void dump_registers(Fdc *f)
{
    uint8_t r[10] = {
        f->drives[0] ? f->drives[0]->track : 0, f->drives[1] ? f->drives[1]->track : 0, 0, 0, f->timer0,
        f->timer1 << 1 | (f->dor & DOR_DMA ? 1 : 0), current(f) ? current(f)->last_sect : 0,
        f->lock << 7 | f->perpendicular << 2, f->config, f->precomp,
    };

    memcpy(f->fifo, r, 10);
    result_phase(f, 10);
}

static void one_byte(Fdc *f, uint8_t v)
{
    f->fifo[0] = v;
    result_phase(f, 1);
}

static void read_id(Fdc *f)
{
    FloppyDrive *d;

    f->dor = (f->dor & ~3) | (f->command[1] & 3);
    d = (f->command[1] & 2) ? NULL : current(f);
    if (!d || !d->max_track) {
        finish_transfer(f, SR0_ABNORMAL, SR1_NO_ADDRESS, 0);
        return;
    }
    d->head = (f->command[1] >> 2) & 1;
    d->sect = d->last_sect ? d->sect % d->last_sect + 1 : 1;
    finish_transfer(f, 0, 0, 0);
}

static void configure(Fdc *f)
{
    f->config = f->command[2];
    f->precomp = f->command[3];
    command_phase(f);
}

/* Bytes of a command, the opcode included. */
static unsigned command_length(uint8_t op)
{
    switch (op & 0x1f) {
    case 0x02: case 0x05: case 0x06: case 0x09: case 0x0c: case 0x11: case 0x16: case 0x19: case 0x1d: return 9;
    case 0x03: case 0x0f: return 3;
    case 0x04: case 0x07: case 0x0a: case 0x12: return 2;
    case 0x0d: return 6;
    case 0x13: return 4;
    default: return 1;
    }
}

static void execute(Fdc *f)
{
    uint8_t op = f->command[0];

    switch (op & 0x1f) {
    case 0x05: case 0x09: start_transfer(f, true); break;
    case 0x06: case 0x0c: case 0x02: start_transfer(f, false); break;
    case 0x03:
        f->timer0 = (f->command[1] >> 4) & 15;
        f->timer1 = f->command[2] >> 1;
        f->dor = f->command[2] & 1 ? f->dor & ~DOR_DMA : f->dor | DOR_DMA;
        command_phase(f);
        break;
    case 0x04: drive_status(f); break;
    case 0x07: seek(f, 0); break;
    case 0x08: sense_interrupt(f); break;
    case 0x0a: read_id(f); break;
    case 0x0d: format_track(f); break;
    case 0x0e: dump_registers(f); break;
    case 0x0f: seek(f, f->command[2]); break;
    case 0x10: one_byte(f, 0x90); break;
    case 0x12:
        f->perpendicular = f->command[1] & 7;
        command_phase(f);
        break;
    case 0x13: configure(f); break;
    case 0x14:
        f->lock = op >> 7;
        one_byte(f, f->lock << 4);
        break;
    case 0x18: one_byte(f, 0x41); break;
    default: one_byte(f, SR0_INVALID);
    }
}

static void write_fifo(Fdc *f, uint8_t v)
{
    if (!(f->dor & DOR_RESET) || !(f->msr & MSR_RQM) || (f->msr & MSR_DIO)) {
        return;
    }
    if (f->phase == FDC_EXECUTE) {
        f->fifo[f->pos++] = v;
        if (f->pos == f->len) {
            fifo_sector_done(f);
        }
        return;
    }
    if (f->pos == 0) {
        f->len = command_length(v);
        f->msr |= MSR_CMDBUSY;
    }
    f->command[f->pos++] = v;
    if (f->pos == f->len) {
        execute(f);
    }
}

static uint8_t read_fifo(Fdc *f)
{
    uint8_t v;

    if (!(f->msr & MSR_RQM) || !(f->msr & MSR_DIO)) {
        return 0;
    }
    v = f->fifo[f->pos++];
    if (f->pos < f->len) {
        return v;
    }
    if (f->phase == FDC_EXECUTE) {
        fifo_sector_done(f);
    } else {
        command_phase(f);
        lower_irq(f);
    }
    return v;
}

/* --- registers ---------------------------------------------------------------------------------------------------- */

static void controller_reset(Fdc *f, bool irq)
{
    lower_irq(f);
    f->status0 = 0;
    f->reset_sense = 0;
    f->sra = (f->drives[1] ? 0 : 0x40) | 0;
    f->srb = 0xc0;
    if (!f->lock) {
        f->config = 0x60;
        f->precomp = 0;
    }
    for (int i = 0; i < 2; i++) {
        if (f->drives[i]) {
            f->drives[i]->track = f->drives[i]->head = 0;
            f->drives[i]->sect = 1;
        }
    }
    command_phase(f);
    if (irq) {
        f->status0 = SR0_READY_CHANGED;
        f->reset_sense = 4;
        raise_irq(f);
    }
}

static void write_dor(Fdc *f, uint8_t v)
{
    uint8_t old = f->dor;

    f->dor = v;
    if ((old & DOR_RESET) && !(v & DOR_RESET)) {
        lower_irq(f);
        f->msr = 0;
    } else if (!(old & DOR_RESET) && (v & DOR_RESET)) {
        controller_reset(f, true);
    }
}

static uint64_t fdc_read(void *opaque, uint64_t offset, unsigned size)
{
    Fdc *f = opaque;
    FloppyDrive *d = current(f);

    switch (offset) {
    case 0: return f->sra;
    case 1: return f->srb;
    case 2: return f->dor;
    case 3: return f->tdr;
    case 4:
        f->dsr &= ~0x40;
        f->dor |= DOR_RESET;
        return f->msr;
    case 5: return read_fifo(f);
    case 7: return !d || d->media_changed ? 0x80 : 0;
    default: return 0xff;
    }
}

static void fdc_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    Fdc *f = opaque;

    switch (offset) {
    case 2: write_dor(f, v); break;
    case 3: f->tdr = v & 4; break;
    case 4:
        if (v & 0x80) {
            controller_reset(f, true);
        }
        break;
    case 5: write_fifo(f, v); break;
    default: break;
    }
}

static uint64_t fdc_read1(void *opaque, uint64_t offset, unsigned size) { return fdc_read(opaque, offset + 1, size); }
static void fdc_write1(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    fdc_write(opaque, offset + 1, v, size);
}
static uint64_t fdc_read7(void *opaque, uint64_t offset, unsigned size) { return fdc_read(opaque, 7, size); }
static void fdc_write7(void *opaque, uint64_t offset, uint64_t v, unsigned size) { fdc_write(opaque, 7, v, size); }

static const IoOps ops1 = { .read = fdc_read1, .write = fdc_write1, .max_size = 1 };
static const IoOps ops7 = { .read = fdc_read7, .write = fdc_write7, .max_size = 1 };

/* --- life --------------------------------------------------------------------------------------------------------- */

static void reset(Device *dev)
{
    FDC(dev)->dor = DOR_RESET | DOR_DMA;
    controller_reset(FDC(dev), false);
}

static bool realize(Device *dev, Error **errp)
{
    static const BusType kind = { .name = "floppy-bus", .max_devices = 2 };
    Fdc *f = FDC(dev);

    if (f->irq > 15) {
        error_setg(errp, "Maximum value for \"irq\" is: 15");
        return false;
    }
    if (f->dma > 7) {
        error_setg(errp, "Maximum value for \"dma\" is: 7");
        return false;
    }
    f->irq_line = gsi_source(f->irq);
    f->bus = bus_new(&kind, dev, dev->id ? NULL : "floppy-bus.0");
    f->io1 = io_region_new(IO_SPACE_PORT, "fdc", 5, &ops1, f);
    f->io2 = io_region_new(IO_SPACE_PORT, "fdc", 1, &ops7, f);
    io_region_map(f->io1, f->iobase + 1, 0);
    io_region_map(f->io2, f->iobase + 7, 0);
    reset(dev);
    return true;
}

/* --- state -------------------------------------------------------------------------------------------------------- */

typedef struct DriveWire { uint8_t head, track, sect, media_changed, media_rate, perpendicular; } DriveWire;

typedef struct FdcWire {
    uint8_t sra, srb, dor, tdr, dsr, msr, status0, status1, status2, fifo[512], data_state, data_dir, eot, timer0,
        timer1, precomp_trk, config, lock, pwrd, num_floppies, phase;
    uint32_t data_pos, data_len;
    int32_t reset_sensei;
    bool has_phase;
    DriveWire drives[2];
} FdcWire;

enum { STATE_MULTI = 1, DIR_WRITE = 0, DIR_READ = 1 };

static void fdc_save(void *obj, void *wire)
{
    const Fdc *f = obj;
    FdcWire *w = wire;

    *w = (FdcWire) {
        .sra = f->sra, .srb = f->srb, .dor = f->dor, .tdr = f->tdr, .dsr = f->dsr, .msr = f->msr, .status0 = f->status0,
        .status1 = f->status1, .status2 = f->status2, .timer0 = f->timer0, .timer1 = f->timer1,
        .precomp_trk = f->precomp,
        .config = f->config, .lock = f->lock, .num_floppies = 2, .phase = f->phase + 1, .data_pos = f->pos,
        .data_len = f->len,
        .reset_sensei = f->reset_sense, .eot = f->command[6], .data_state = f->command[0] & 0x80 ? STATE_MULTI : 0,
        .data_dir = (f->command[0] & 0x1f) == 0x05 || (f->command[0] & 0x1f) == 0x09 ? DIR_WRITE : DIR_READ,
    };
    memcpy(w->fifo, f->fifo, sizeof(w->fifo));
    if (f->phase == FDC_COMMAND) {
        memcpy(w->fifo, f->command, sizeof(f->command));
    }
    for (int i = 0; i < 2; i++) {
        const FloppyDrive *d = f->drives[i];

        w->drives[i] = d ? (DriveWire) { d->head, d->track, d->sect, d->media_changed, 0, f->perpendicular }
                       : (DriveWire) { 0 };
    }
}

/* Streams without it leave it to the status. */
static int phase_of(const FdcWire *w)
{
    return w->has_phase ? w->phase - 1 : w->msr & MSR_NONDMA ? FDC_EXECUTE : w->msr & MSR_DIO ? FDC_RESULT
           : FDC_COMMAND;
}

static bool fdc_load(void *obj, const void *wire, Error **errp)
{
    const FdcWire *w = wire;
    int phase = phase_of(w);
    Fdc *f = obj;

    if (phase < FDC_COMMAND || phase > FDC_RESULT || w->data_pos > w->data_len
        || w->data_len > (phase == FDC_COMMAND ? 9 : 512)
        || w->reset_sensei < 0 || w->reset_sensei > 4) {
        error_setg(errp, "the controller is at byte %" PRIu32 " of %" PRIu32 " in phase %d", w->data_pos, w->data_len,
                   phase + 1);
        return false;
    }
    f->sra = w->sra;
    f->srb = w->srb;
    f->dor = w->dor;
    f->tdr = w->tdr;
    f->dsr = w->dsr;
    f->msr = w->msr;
    f->status0 = w->status0;
    f->status1 = w->status1;
    f->status2 = w->status2;
    f->timer0 = w->timer0;
    f->timer1 = w->timer1;
    f->precomp = w->precomp_trk;
    f->config = w->config;
    f->lock = w->lock;
    f->phase = phase;
    f->pos = w->data_pos;
    f->len = w->data_len;
    f->reset_sense = w->reset_sensei;
    memcpy(f->fifo, w->fifo, sizeof(f->fifo));
    memset(f->command, 0, sizeof(f->command));
    if (phase == FDC_COMMAND) {
        memcpy(f->command, w->fifo, sizeof(f->command));
    } else {
        f->command[0] = (w->data_state & STATE_MULTI ? 0x80 : 0) | (w->data_dir == DIR_WRITE ? 0x45 : 0x46);
        f->command[6] = w->eot;
    }
    for (int i = 0; i < 2; i++) {
        FloppyDrive *d = f->drives[i];

        if (d) {
            d->head = w->drives[i].head & 1;
            d->track = w->drives[i].track;
            d->sect = w->drives[i].sect;
            d->media_changed = w->drives[i].media_changed;
            f->perpendicular = w->drives[i].perpendicular;
        }
    }
    irq_set(f->irq_line, f->sra & 0x80);
    return true;
}

static bool always(const void *wire) { return true; }
static bool never(const void *wire) { return false; }
static bool changed_needed(const void *wire) { return ((const DriveWire *)wire)->media_changed; }
static bool perpendicular_needed(const void *wire) { return ((const DriveWire *)wire)->perpendicular; }
static bool sense_needed(const void *wire) { return ((const FdcWire *)wire)->reset_sensei; }

#define VW(f) VMF(DriveWire, f, "uint8")
static const VmField changed_fields[] = { VW(media_changed), { NULL } }, rate_fields[] = { VW(media_rate), { NULL } },
    perpendicular_fields[] = { VW(perpendicular), { NULL } };
static const VmDesc changed_desc = {
    .name = "fdrive/media_changed", .version = 1, .min_version = 1, .fields = changed_fields, .needed = changed_needed,
};
static const VmDesc rate_desc = {
    .name = "fdrive/media_rate", .version = 1, .min_version = 1, .fields = rate_fields, .needed = always,
};
static const VmDesc perpendicular_desc = {
    .name = "fdrive/perpendicular", .version = 1, .min_version = 1, .fields = perpendicular_fields,
    .needed = perpendicular_needed,
};
static const VmDesc *const drive_subsections[] = { &changed_desc, &rate_desc, &perpendicular_desc, NULL };
static const VmField drive_fields[] = { VW(head), VW(track), VW(sect), { NULL } };
static const VmDesc drive_desc = {
    .name = "fdrive", .version = 1, .min_version = 1, .fields = drive_fields, .subsections = drive_subsections,
};

#define FW(f) VMF(FdcWire, f, "uint8")
static const VmField sensei_fields[] = { VMF(FdcWire, reset_sensei, "int32"), { NULL } },
    timer_fields[] = { VMF_UNUSED(8), { NULL } },
    phase_fields[] = { FW(phase), { NULL } };
static const VmDesc sensei_desc = {
    .name = "fdc/reset_sensei", .version = 1, .min_version = 1, .fields = sensei_fields, .needed = sense_needed,
};
static const VmDesc timer_desc = {
    .name = "fdc/result_timer", .version = 1, .min_version = 1, .fields = timer_fields, .needed = never,
};
static const VmDesc phase_desc = {
    .name = "fdc/phase", .version = 1, .min_version = 1, .fields = phase_fields, .needed = always,
    .present = offsetof(FdcWire, has_phase),
};
static const VmDesc *const state_subsections[] = { &sensei_desc, &timer_desc, &phase_desc, NULL };
static const VmField state_fields[] = {
    FW(sra), FW(srb), VMFN("dor_vmstate", "uint8", FdcWire, dor), FW(tdr), FW(dsr), FW(msr), FW(status0), FW(status1),
    FW(status2),
    VMF_ARRAY(FdcWire, fifo, "uint8"), VMF(FdcWire, data_pos, "uint32"), VMF(FdcWire, data_len, "uint32"),
    FW(data_state), FW(data_dir), FW(eot),
    FW(timer0), FW(timer1), FW(precomp_trk), FW(config), FW(lock), FW(pwrd),
    VMF_EQUAL("num_floppies", "uint8", FdcWire, num_floppies),
    VMF_STRUCTS(FdcWire, drives, &drive_desc), { NULL }
};
static const VmDesc state_desc = {
    .name = "fdc", .version = 2, .min_version = 2, .fields = state_fields, .subsections = state_subsections,
};
static const VmField fdc_fields[] = { VMF_SELF("state", &state_desc), { NULL } };
static const VmDesc fdc_vmstate = {
    .name = "fdc", .version = 2, .min_version = 2, .size = sizeof(FdcWire), .fields = fdc_fields, .save = fdc_save,
    .load = fdc_load,
};

static const char *const types[] = { "144", "288", "120", "none", "auto", NULL };
#define FDC_TYPE(n, field, def) P_ENUM(n, "FdcDriveType", types, Fdc, field, def, "FDC drive type, 144/288/120/none/auto")

static const Property fdc_props[] = {
    P_NUM("iobase", PROP_U32, Fdc, iobase, 0x3f0), P_NUM("irq", PROP_U32, Fdc, irq, 6),
    P_NUM("dma", PROP_U32, Fdc, dma, 2),
    FDC_TYPE("fdtypeA", type_a, FDC_TYPE_AUTO), FDC_TYPE("fdtypeB", type_b, FDC_TYPE_AUTO),
    FDC_TYPE("fallback", fallback, FDC_TYPE_288),
    { .name = "bootindexA", .kind = PROP_I32, .offset = offsetof(Fdc, bootindex_a) },
    { .name = "bootindexB", .kind = PROP_I32, .offset = offsetof(Fdc, bootindex_b) },
    { NULL }
};

static void init(Object *o) { FDC(o)->bootindex_a = FDC(o)->bootindex_b = -1; }

static const DeviceClass fdc_class =
    ISA_CLASS_DEV(.category = DEVICE_STORAGE, .desc = "virtual floppy controller", .vmstate = &fdc_vmstate,
                  .realize = realize,
                                                   .reset = reset);
static const TypeInfo fdc_type = {
    .name = "isa-fdc", .parent = "isa-device", .size = sizeof(Fdc), .props = fdc_props, .init = init,
    .class_data = &fdc_class,
};
QOM_TYPE(fdc_type)
