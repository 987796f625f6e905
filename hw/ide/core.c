/*
 * ATA: registers, status, interrupts, the data port.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/ide/ide.h"

static IdeDrive *selected(IdeChannel *ch)
{
    IdeDrive *d = ch->drives[ch->unit];

    return d && d->dev.realized ? d : NULL;
}

/* --- helpers for commands -------------------------------------------------------------------------- */

void ide_irq(IdeDrive *d)
{
    if (!(d->ch->control & 2)) {
        d->ch->host->set_irq(d->ch->opaque, 1);
    }
}

void ide_finish(IdeDrive *d, uint8_t status)
{
    d->status = status;
    d->busy = false;
    if (d->ch->host->command_done) {
        d->ch->host->command_done(d->ch->opaque);
    }
    ide_irq(d);
}

void ide_abort(IdeDrive *d)
{
    d->pio_pos = d->pio_end = 0;
    d->error = IDE_ABORT;
    ide_finish(d, IDE_READY | IDE_ERR);
}

void ide_signature(IdeDrive *d)
{
    d->select &= 0xf0;
    d->nsector = d->sector = 1;
    d->lcyl = d->is_cd ? 0x14 : 0;
    d->hcyl = d->is_cd ? 0xeb : 0;
}

void ide_reset_drive(IdeDrive *d)
{
    d->serial_number++;
    d->busy = d->dma_waiting = false;
    d->retry = NULL;
    d->pio_pos = d->pio_end = 0;
    d->feature = d->error = 0;
    d->hob_feature = d->hob_nsector = d->hob_sector = d->hob_lcyl = d->hob_hcyl = 0;
    d->lba48 = false;
    d->select = 0xa0;
    d->status = IDE_READY | IDE_SEEK;
    d->mult = 16;
    d->udma = 5;
    d->mwdma = d->pio_mode = 0xff;
    d->sense_key = d->asc = 0;
    d->event_new = d->event_eject = false;
    ide_signature(d);
}

uint64_t ide_get_lba(const IdeDrive *d)
{
    if (!(d->select & 0x40)) {
        uint64_t cyl = d->hcyl << 8 | d->lcyl;

        return (cyl * d->conf.heads + (d->select & 15)) * d->conf.secs + d->sector - 1;
    }
    if (!d->lba48) {
        return (uint64_t)(d->select & 15) << 24 | d->hcyl << 16 | d->lcyl << 8 | d->sector;
    }
    return (uint64_t)d->hob_hcyl << 40 | (uint64_t)d->hob_lcyl << 32 | (uint64_t)d->hob_sector << 24
           | (uint64_t)d->hcyl << 16
        | (uint64_t)d->lcyl << 8 | d->sector;
}

void ide_set_lba(IdeDrive *d, uint64_t lba)
{
    if (!(d->select & 0x40)) {
        uint64_t track = lba / d->conf.secs, cyl = track / d->conf.heads;

        d->hcyl = cyl >> 8;
        d->lcyl = cyl;
        d->select = (d->select & 0xf0) | (track % d->conf.heads & 15);
        d->sector = lba % d->conf.secs + 1;
        return;
    }
    d->sector = lba;
    d->lcyl = lba >> 8;
    d->hcyl = lba >> 16;
    if (d->lba48) {
        d->hob_sector = lba >> 24;
        d->hob_lcyl = lba >> 32;
        d->hob_hcyl = lba >> 40;
    } else {
        d->select = (d->select & 0xf0) | (lba >> 24 & 15);
    }
}

bool ide_check_result(IdeDrive *d, int ret, bool is_read, void (*retry)(IdeDrive *d))
{
    BlkErrorAction action;

    if (ret >= 0) {
        if (d->acct) {
            block_acct_done(blk_get_stats(d->conf.blk), &d->cookie);
            d->acct = false;
        }
        return true;
    }
    action = blk_get_error_action(d->conf.blk, is_read, -ret);
    if (d->acct) {
        block_acct_failed(blk_get_stats(d->conf.blk), &d->cookie);
        d->acct = false;
    }
    blk_error_action(d->conf.blk, action, is_read, -ret);
    if (action == BLK_ERROR_ACTION_STOP) {
        d->retry = retry;
    } else if (action == BLK_ERROR_ACTION_REPORT) {
        iov_reset(&d->iov);
        ide_abort(d);
        d->ch->host->dma_done(d->ch->opaque, false);
    }
    return action == BLK_ERROR_ACTION_IGNORE;
}

/* --- the data port ------------------------------------------------------------------------------------ */

void ide_pio_start(IdeDrive *d, uint32_t len, void (*done)(IdeDrive *d))
{
    d->pio_pos = 0;
    d->pio_end = len;
    d->pio_done = done;
    d->busy = false;
    d->status |= IDE_DRQ;
    d->status &= ~IDE_BUSY;
}

static void pio_moved(IdeDrive *d)
{
    if (d->pio_pos >= d->pio_end) {
        d->pio_pos = d->pio_end = 0;
        d->status &= ~IDE_DRQ;
        d->pio_done(d);
    }
}

uint32_t ide_data_read(IdeChannel *ch, unsigned size)
{
    IdeDrive *d = selected(ch);
    uint32_t v = 0;

    if (!d || !(d->status & IDE_DRQ) || d->pio_pos + size > d->pio_end) {
        return 0;
    }
    memcpy(&v, d->pio + d->pio_pos, size);
    d->pio_pos += size;
    pio_moved(d);
    return v;
}

void ide_data_write(IdeChannel *ch, uint32_t value, unsigned size)
{
    IdeDrive *d = selected(ch);

    if (!d || !(d->status & IDE_DRQ) || d->pio_pos + size > d->pio_end) {
        return;
    }
    memcpy(d->pio + d->pio_pos, &value, size);
    d->pio_pos += size;
    pio_moved(d);
}

/* --- registers ---------------------------------------------------------------------------------------------- */

uint8_t ide_read(IdeChannel *ch, unsigned reg)
{
    IdeDrive *d = selected(ch), *any = ch->drives[0] ? ch->drives[0] : ch->drives[1];
    bool hob = ch->control & 0x80;

    if (!any) {
        return reg == 7 ? 0 : 0;
    }
    if (reg == 6) {
        return any->select;
    }
    if (!d) {
        return 0;
    }
    switch (reg) {
    case 1: return hob ? d->hob_feature : d->error;
    case 2: return hob ? d->hob_nsector : d->nsector;
    case 3: return hob ? d->hob_sector : d->sector;
    case 4: return hob ? d->hob_lcyl : d->lcyl;
    case 5: return hob ? d->hob_hcyl : d->hcyl;
    default:
        ch->host->set_irq(ch->opaque, 0);
        return d->status;
    }
}

uint8_t ide_status(IdeChannel *ch)
{
    IdeDrive *d = selected(ch);

    return d ? d->status : 0;
}

static void write_drive(IdeDrive *d, unsigned reg, uint8_t v)
{
    switch (reg) {
    case 1: d->hob_feature = d->feature; d->feature = v; break;
    case 2: d->hob_nsector = d->nsector; d->nsector = v; break;
    case 3: d->hob_sector = d->sector; d->sector = v; break;
    case 4: d->hob_lcyl = d->lcyl; d->lcyl = v; break;
    case 5: d->hob_hcyl = d->hcyl; d->hcyl = v; break;
    case 6: d->select = v | 0xa0; break;
    default: break;
    }
}

void ide_write(IdeChannel *ch, unsigned reg, uint8_t value)
{
    IdeDrive *d = selected(ch);

    if (reg != 7 && d && (d->status & (IDE_BUSY | IDE_DRQ))) {
        return;
    }
    ch->control &= ~0x80;
    if (reg == 7) {
        if (d && (!(d->status & (IDE_BUSY | IDE_DRQ)) || (value == 0x08 && d->is_cd))) {
            ch->host->set_irq(ch->opaque, 0);
            ide_start_command(d, value);
        }
        return;
    }
    for (int i = 0; i < 2; i++) {          /* both drives hear what is written */
        if (ch->drives[i]) {
            write_drive(ch->drives[i], reg, value);
        }
    }
    if (reg == 6) {
        ch->unit = (value >> 4) & 1;
    }
}

void ide_start_command(IdeDrive *d, uint8_t command)
{
    d->command = command;
    d->status = IDE_READY | IDE_BUSY;
    d->error = 0;
    d->pio_pos = d->pio_end = 0;
    d->busy = true;
    if (!ide_ata_command(d, command)) {
        ide_abort(d);
    }
}

void ide_control(IdeChannel *ch, uint8_t value)
{
    uint8_t old = ch->control;

    ch->control = value;
    if (!(old & 4) && (value & 4)) {
        for (int i = 0; i < 2; i++) {
            if (ch->drives[i]) {
                blk_drain(ch->drives[i]->conf.blk);
                ide_reset_drive(ch->drives[i]);
                ch->drives[i]->status = IDE_BUSY | IDE_SEEK;
                ch->drives[i]->error = 1;
            }
        }
        ch->unit = 0;
    } else if ((old & 4) && !(value & 4)) {
        for (int i = 0; i < 2; i++) {
            if (ch->drives[i]) {
                ch->drives[i]->status = ch->drives[i]->is_cd ? 0 : IDE_READY | IDE_SEEK;
                ide_signature(ch->drives[i]);
            }
        }
        if (selected(ch)) {
            ide_irq(selected(ch));
        }
    }
}

void ide_dma_ready(IdeChannel *ch)
{
    IdeDrive *d = selected(ch);

    if (d && d->dma_waiting) {
        d->dma_waiting = false;
        d->dma_fn(d);
    }
}

void ide_cancel(IdeChannel *ch)
{
    IdeDrive *d = selected(ch);

    if (d && d->busy && d->iov.size) {
        blk_drain(d->conf.blk);
    }
}

void ide_channel_reset(IdeChannel *ch)
{
    ch->unit = 0;
    ch->control = 0;
    for (int i = 0; i < 2; i++) {
        if (ch->drives[i]) {
            blk_drain(ch->drives[i]->conf.blk);
            ide_reset_drive(ch->drives[i]);
            ch->drives[i]->tray_locked = false;
        }
    }
    ch->host->set_irq(ch->opaque, 0);
}
