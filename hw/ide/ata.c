/*
 * ATA commands of disks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/ide/ide.h"
#include "machine/memory.h"
#include "util/cutils.h"

static uint64_t sectors(IdeDrive *d)
{
    int64_t length = blk_getlength(d->conf.blk);

    return length > 0 ? length / 512 : 0;
}

static bool range_ok(IdeDrive *d, uint64_t lba, uint64_t n)
{
    return n <= sectors(d) && lba <= sectors(d) - n;
}

static void good(IdeDrive *d) { ide_finish(d, IDE_READY | IDE_SEEK); }

/* 0 in the count register stands for the most. */
static uint32_t get_count(const IdeDrive *d)
{
    if (d->lba48) {
        uint32_t n = d->hob_nsector << 8 | d->nsector;

        return n ? n : 65536;
    }
    return d->nsector ? d->nsector : 256;
}

static void set_count(IdeDrive *d, uint32_t n)
{
    d->nsector = n;
    d->hob_nsector = n >> 8;
}

static void start_account(IdeDrive *d, uint64_t bytes, BlockAcctType type)
{
    block_acct_start(blk_get_stats(d->conf.blk), &d->cookie, bytes, type);
    d->acct = true;
}

/* A completion carries the number of the command that it belongs to. */
typedef struct Ticket {
    IdeDrive *d;
    uint32_t number;
    void (*fn)(IdeDrive *d, int ret);
} Ticket;

static void ticket_done(void *opaque, int ret)
{
    Ticket *t = opaque;

    if (t->number == t->d->serial_number) {
        t->fn(t->d, ret);
    }
    g_free(t);
}

static Ticket *ticket(IdeDrive *d, void (*fn)(IdeDrive *d, int ret))
{
    Ticket *t = g_new(Ticket, 1);

    *t = (Ticket) { d, d->serial_number, fn };
    return t;
}

/* --- DMA (and everything on a controller without data port) --------------------------------------------- */

void ide_dma_begin(IdeDrive *d, void (*fn)(IdeDrive *d))
{
    d->status = IDE_READY | IDE_SEEK | IDE_DRQ | IDE_BUSY;
    if (d->ch->host->dma_started(d->ch->opaque)) {
        fn(d);
    } else {
        d->dma_fn = fn;
        d->dma_waiting = true;
    }
}

static bool writes(const IdeDrive *d)
{
    switch (d->command) {
    case 0x30: case 0x31: case 0x34: case 0x35: case 0x38: case 0x39: case 0x3a: case 0xc5: case 0xca: case 0xcb: case 0xce:
        return true;
    default:
        return false;
    }
}

static void dma_finished(IdeDrive *d, int ret);

static void dma_submit(IdeDrive *d)
{
    start_account(d, d->iov.size, writes(d) ? BLOCK_ACCT_WRITE : BLOCK_ACCT_READ);
    if (writes(d)) {
        blk_aio_pwritev(d->conf.blk, d->lba * 512, &d->iov, 0, ticket_done, ticket(d, dma_finished));
    } else {
        blk_aio_preadv(d->conf.blk, d->lba * 512, &d->iov, 0, ticket_done, ticket(d, dma_finished));
    }
}

static void mark_dirty(IdeDrive *d)
{
    for (int i = 0; i < d->iov.niov && !writes(d); i++) {
        ram_mark_host(d->iov.iov[i].iov_base, d->iov.iov[i].iov_len);
    }
}

static void dma_finished(IdeDrive *d, int ret)
{
    if (!ide_check_result(d, ret, !writes(d), dma_submit)) {
        return;
    }
    mark_dirty(d);
    ide_set_lba(d, d->lba + d->count);
    set_count(d, 0);
    iov_reset(&d->iov);
    good(d);
    d->ch->host->dma_done(d->ch->opaque, d->more);
}

static void dma_start(IdeDrive *d)
{
    uint64_t want = (uint64_t)d->count * 512;
    int64_t got;

    iov_reset(&d->iov);
    if (!range_ok(d, d->lba, d->count)) {
        block_acct_invalid(blk_get_stats(d->conf.blk), writes(d) ? BLOCK_ACCT_WRITE : BLOCK_ACCT_READ);
        ide_abort(d);
        d->ch->host->dma_done(d->ch->opaque, false);
        return;
    }
    got = d->ch->host->map(d->ch->opaque, &d->iov, want + 1, !writes(d));
    d->more = got > (int64_t)want;
    if (got < (int64_t)want) {             /* too short a list: no interrupt */
        start_account(d, want, writes(d) ? BLOCK_ACCT_WRITE : BLOCK_ACCT_READ);
        block_acct_done(blk_get_stats(d->conf.blk), &d->cookie);
        d->acct = false;
        iov_reset(&d->iov);
        d->status = IDE_READY | IDE_SEEK;
        d->busy = false;
        if (d->ch->host->no_port) {        /* its host is told of the end all the same, and that nothing was moved */
            d->ch->host->map(d->ch->opaque, &d->iov, 0, !writes(d));
            good(d);
        }
        d->ch->host->dma_done(d->ch->opaque, false);
        return;
    }
    if (d->more) {
        IoVec part;

        iov_init(&part, d->iov.niov);
        iov_concat(&part, &d->iov, 0, want);
        iov_destroy(&d->iov);
        d->iov = part;
    }
    dma_submit(d);
}

static void begin_transfer(IdeDrive *d, bool ext)
{
    d->lba48 = ext;
    d->lba = ide_get_lba(d);
    d->count = get_count(d);
}

static void dma_command(IdeDrive *d, bool ext)
{
    begin_transfer(d, ext);
    ide_dma_begin(d, dma_start);
}

/* --- through the data port ------------------------------------------------------------------------------------- */

static void pio_read_next(IdeDrive *d);
static void pio_write_next(IdeDrive *d);

static uint32_t chunk(const IdeDrive *d)
{
    bool multiple = d->command == 0xc4 || d->command == 0xc5 || d->command == 0x29 || d->command == 0x39;

    return MIN(d->count, multiple ? d->mult : 1);
}

static void pio_read_consumed(IdeDrive *d)
{
    if (d->count) {
        d->status = IDE_READY | IDE_SEEK | IDE_BUSY;
        d->busy = true;
        pio_read_next(d);
    } else {
        d->status = IDE_READY | IDE_SEEK;
    }
}

static void pio_read_got(IdeDrive *d, int ret)
{
    uint32_t n = chunk(d);

    if (!ide_check_result(d, ret, true, pio_read_next)) {
        return;
    }
    d->lba += n;
    d->count -= n;
    ide_set_lba(d, d->lba);
    set_count(d, d->count);
    d->status = IDE_READY | IDE_SEEK;
    ide_pio_start(d, n * 512, pio_read_consumed);
    ide_irq(d);
}

static void pio_read_next(IdeDrive *d)
{
    uint32_t n = chunk(d);

    if (!range_ok(d, d->lba, n)) {
        block_acct_invalid(blk_get_stats(d->conf.blk), BLOCK_ACCT_READ);
        ide_abort(d);
        return;
    }
    iov_reset(&d->iov);
    iov_add(&d->iov, d->pio, n * 512);
    start_account(d, n * 512, BLOCK_ACCT_READ);
    blk_aio_preadv(d->conf.blk, d->lba * 512, &d->iov, 0, ticket_done, ticket(d, pio_read_got));
}

static void pio_write_stored(IdeDrive *d, int ret)
{
    uint32_t n = chunk(d);

    if (!ide_check_result(d, ret, false, pio_write_next)) {
        return;
    }
    d->lba += n;
    d->count -= n;
    ide_set_lba(d, d->lba);
    set_count(d, d->count);
    if (d->count) {
        d->status = IDE_READY | IDE_SEEK;
        ide_pio_start(d, chunk(d) * 512, pio_write_next);
        ide_irq(d);
    } else {
        good(d);
    }
}

static void pio_write_next(IdeDrive *d)
{
    uint32_t n = chunk(d);

    d->status = IDE_READY | IDE_SEEK | IDE_BUSY;
    d->busy = true;
    if (!range_ok(d, d->lba, n)) {
        block_acct_invalid(blk_get_stats(d->conf.blk), BLOCK_ACCT_WRITE);
        ide_abort(d);
        return;
    }
    iov_reset(&d->iov);
    iov_add(&d->iov, d->pio, n * 512);
    start_account(d, n * 512, BLOCK_ACCT_WRITE);
    blk_aio_pwritev(d->conf.blk, d->lba * 512, &d->iov, 0, ticket_done, ticket(d, pio_write_stored));
}

static bool pio_command(IdeDrive *d, bool ext, bool write, bool multiple)
{
    if (multiple && !d->mult) {
        return false;
    }
    if (d->ch->host->no_port) {
        dma_command(d, ext);
        return true;
    }
    begin_transfer(d, ext);
    if (write) {
        d->status = IDE_READY | IDE_SEEK;
        ide_pio_start(d, chunk(d) * 512, pio_write_next);
    } else {
        d->status = IDE_READY | IDE_SEEK | IDE_BUSY;
        pio_read_next(d);
    }
    return true;
}

static void identify_read(IdeDrive *d) { d->status = IDE_READY | IDE_SEEK; }

/* Hand out the 512 bytes in d->pio. */
static void answer_sector_dma(IdeDrive *d)
{
    IoVec v;

    iov_init(&v, 1);
    if (d->ch->host->map(d->ch->opaque, &v, 512, true) > 0) {
        iov_from_buf(&v, 0, d->pio, v.size);
    }
    iov_destroy(&v);
    good(d);
    d->ch->host->dma_done(d->ch->opaque, false);
}

void ide_answer_sector(IdeDrive *d)
{
    if (d->ch->host->no_port) {
        answer_sector_dma(d);
        return;
    }
    d->status = IDE_READY | IDE_SEEK;
    ide_pio_start(d, 512, identify_read);
    ide_irq(d);
}

/* --- flush, trim ------------------------------------------------------------------------------------------------- */

static void flush_start(IdeDrive *d);

static void flushed(IdeDrive *d, int ret)
{
    if (ide_check_result(d, ret, false, flush_start)) {
        good(d);
    }
}

static void flush_start(IdeDrive *d)
{
    d->status |= IDE_BUSY;
    start_account(d, 0, BLOCK_ACCT_FLUSH);
    blk_aio_flush(d->conf.blk, ticket_done, ticket(d, flushed));
}

static void trim_next(IdeDrive *d);

static void trimmed(IdeDrive *d, int ret)
{
    if (ide_check_result(d, ret, false, trim_next)) {
        d->trim_at += 8;
        trim_next(d);
    }
}

/* The list in d->pio: 64 entries a sector of 48 bits address, 16 bits length. */
static void trim_next(IdeDrive *d)
{
    while (d->trim_at < d->trim_len) {
        uint64_t entry, lba, n;

        memcpy(&entry, d->pio + d->trim_at, 8);
        lba = entry & 0xffffffffffffULL;
        n = entry >> 48;
        if (!n) {
            d->trim_at += 8;
            continue;
        }
        if (!range_ok(d, lba, n)) {
            block_acct_invalid(blk_get_stats(d->conf.blk), BLOCK_ACCT_UNMAP);
            ide_abort(d);
            d->ch->host->dma_done(d->ch->opaque, false);
            return;
        }
        start_account(d, n * 512, BLOCK_ACCT_UNMAP);
        blk_aio_pdiscard(d->conf.blk, lba * 512, n * 512, ticket_done, ticket(d, trimmed));
        return;
    }
    ide_set_lba(d, d->lba + d->count);
    set_count(d, 0);
    good(d);
    d->ch->host->dma_done(d->ch->opaque, false);
}

static void trim_start(IdeDrive *d)
{
    IoVec v;
    int64_t got;

    d->count = MIN(d->count, IDE_PIO_MAX / 512);
    iov_init(&v, 4);
    got = d->ch->host->map(d->ch->opaque, &v, (uint64_t)d->count * 512, false);
    d->trim_len = got > 0 ? iov_to_buf(&v, 0, d->pio, got) / 8 * 8 : 0;
    d->trim_at = 0;
    iov_destroy(&v);
    trim_next(d);
}

/* --- the rest ----------------------------------------------------------------------------------------------------- */

static bool set_transfer_mode(IdeDrive *d)
{
    uint8_t mode = d->nsector & 7;

    switch (d->nsector >> 3) {
    case 0: case 1: d->pio_mode = mode; return true;
    case 2: d->mwdma = 0xff; d->udma = 0xff; d->sdma = mode; return true;
    case 4: d->mwdma = mode; d->udma = 0xff; return true;
    case 8: d->udma = mode; d->mwdma = 0xff; return true;
    default: return false;
    }
}

static bool set_features(IdeDrive *d)
{
    switch (d->feature) {
    case 0x02:
        blk_set_enable_write_cache(d->conf.blk, true);
        break;
    case 0x82:
        blk_set_enable_write_cache(d->conf.blk, false);
        flush_start(d);
        return true;
    case 0x03:
        if (!set_transfer_mode(d)) {
            return false;
        }
        break;
    case 0x66: case 0xcc: case 0xaa: case 0x55: case 0x05: case 0x85: case 0x69: case 0x67: case 0x96: case 0x9a: case 0x42: case 0xc2:
        break;
    default:
        return false;
    }
    good(d);
    return true;
}

static bool set_multiple(IdeDrive *d)
{
    if (d->nsector > 16 || (d->nsector & (d->nsector - 1))) {
        return false;
    }
    d->mult = d->nsector;
    good(d);
    return true;
}

static void native_max(IdeDrive *d, bool ext)
{
    uint64_t total = sectors(d);

    d->lba48 = ext;
    if (total) {
        ide_set_lba(d, total - 1);
    }
    if (!ext && !d->nsector) {             /* the peer's count becomes 256, which shows where both bytes are told */
        d->hob_nsector = 1;
    }
    good(d);
}

static void diagnostic(IdeDrive *d)
{
    ide_signature(d);
    d->select &= 0xf0;
    d->status = d->is_cd ? 0 : IDE_READY | IDE_SEEK;
    d->error = 1;
    d->select = 0xa0;
    ide_finish(d, d->status);
}

/* DEVICE RESET, which comes while the drive is busy, too: what was under way leads nowhere. */
static void device_reset(IdeDrive *d)
{
    d->serial_number++;
    d->dma_waiting = false;
    d->retry = NULL;
    blk_drain(d->conf.blk);                /* its buffer is the next command's */
    if (d->acct) {
        block_acct_failed(blk_get_stats(d->conf.blk), &d->cookie);
        d->acct = false;
    }
    iov_reset(&d->iov);
    d->packet_bytes = d->packet_left = 0;
    ide_signature(d);
    d->error = 0;
    d->status = 0;
    d->busy = false;
    d->select &= ~0x40;
}

static bool cd_command(IdeDrive *d, uint8_t command)
{
    switch (command) {
    case 0xa0:
        ide_packet(d);
        return true;
    case 0xa1:
        ide_identify_packet(d, d->pio);
        ide_answer_sector(d);
        return true;
    case 0x08:
        device_reset(d);
        return true;
    case 0xec: case 0x20: case 0x21:       /* a packet device shows what it is */
        d->nsector = d->sector = 1;
        d->lcyl = 0x14;
        d->hcyl = 0xeb;
        return false;
    case 0x00: case 0x90: case 0xe0: case 0xe1: case 0xe2: case 0xe3: case 0xe5: case 0xe6: case 0x94: case 0x95: case 0x96: case 0x97:
    case 0x98: case 0x99: case 0xef: case 0xe7:
        return ide_common_command(d, command);
    default:
        return false;
    }
}

bool ide_common_command(IdeDrive *d, uint8_t command)
{
    switch (command) {
    case 0x90: diagnostic(d); return true;
    case 0xe0: case 0xe1: case 0xe2: case 0xe3: case 0xe6: case 0x94: case 0x95: case 0x96: case 0x97: case 0x99:
        ide_finish(d, IDE_READY);
        return true;
    case 0xe5: case 0x98:
        d->nsector = 0xff;
        good(d);
        return true;
    case 0xef: return set_features(d);
    case 0xe7: case 0xea: flush_start(d); return true;
    default: return false;
    }
}

bool ide_ata_command(IdeDrive *d, uint8_t command)
{
    if (d->is_cd) {
        return cd_command(d, command);
    }
    switch (command) {
    case 0x20: case 0x21: return pio_command(d, false, false, false);
    case 0x24: return pio_command(d, true, false, false);
    case 0xc4: return pio_command(d, false, false, true);
    case 0x29: return pio_command(d, true, false, true);
    case 0x30: case 0x31: case 0x3c: return pio_command(d, false, true, false);
    case 0x34: return pio_command(d, true, true, false);
    case 0xc5: return pio_command(d, false, true, true);
    case 0x39: return pio_command(d, true, true, true);
    case 0xc8: case 0xc9: case 0xca: case 0xcb: dma_command(d, false); return true;
    case 0x25: case 0x35: dma_command(d, true); return true;
    case 0x06:
        if (!(d->feature & 1)) {
            return false;
        }
        begin_transfer(d, false);
        ide_dma_begin(d, trim_start);
        return true;
    case 0xec:
        ide_identify(d, d->pio);
        ide_answer_sector(d);
        return true;
    case 0x40: case 0x41: case 0x42: case 0x70: case 0x91: case 0x10: good(d); return true;
    case 0xb0: return ide_smart(d);
    case 0xf5: d->nsector = 0; good(d); return true;
    case 0xc6: return set_multiple(d);
    case 0xf8: native_max(d, false); return true;
    case 0x27: native_max(d, true); return true;
    default: return ide_common_command(d, command);
    }
}
