/*
 * Packet commands of CD drives, and their tray.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "hw/block/cdrom.h"
#include "hw/ide/ide.h"
#include "machine/memory.h"
#include "util/cutils.h"

enum { KEY_NONE = 0, NOT_READY = 2, HARDWARE = 4, ILLEGAL = 5, ATTENTION = 6 };
enum { ASC_ILLEGAL_OPCODE = 0x20, ASC_RANGE = 0x21, ASC_FIELD = 0x24, ASC_CHANGED = 0x28, ASC_FORMAT = 0x30,
       ASC_NO_MEDIUM = 0x3a,
       ASC_INTERNAL = 0x44,
       ASC_LOCKED = 0x53 };

#define NSECTOR_CD 1               /* reason register: command phase */
#define NSECTOR_IO 2               /* data to the host */

static uint64_t sectors512(IdeDrive *d)
{
    int64_t length = blk_is_available(d->conf.blk) ? blk_getlength(d->conf.blk) : 0;

    return length > 0 ? length / 512 : 0;
}

static uint32_t blocks(IdeDrive *d) { return sectors512(d) / 4; }
static bool medium_present(IdeDrive *d) { return !d->tray_open && sectors512(d) > 0; }

/* --- ends ------------------------------------------------------------------------------------------- */

static void reason(IdeDrive *d, uint8_t bits) { d->nsector = (d->nsector & ~7) | bits; }

static void packet_good(IdeDrive *d)
{
    d->error = 0;
    reason(d, NSECTOR_IO | NSECTOR_CD);
    d->status &= ~IDE_DRQ;
    ide_finish(d, IDE_READY | IDE_SEEK);
}

static void packet_fail(IdeDrive *d, int key, int asc)
{
    d->error = key << 4;
    d->sense_key = key;
    d->asc = asc;
    reason(d, NSECTOR_IO | NSECTOR_CD);
    ide_finish(d, IDE_READY | IDE_ERR);
    if (d->atapi_dma) {
        d->ch->host->dma_done(d->ch->opaque, true);
    }
}

/* --- data to the host --------------------------------------------------------------------------------- */

/* The part that the byte count limit allows. */
static uint32_t piece(const IdeDrive *d)
{
    uint32_t limit = d->packet_limit, n = d->packet_left;

    if (limit == 0xffff) {
        limit--;
    }
    if (n > limit) {
        n = limit & ~1u ? limit & ~1u : limit;
    }
    return MIN(n, IDE_PIO_MAX);
}

static void pio_next(IdeDrive *d)
{
    uint32_t n;

    if (!d->packet_left) {
        packet_good(d);
        return;
    }
    n = piece(d);
    memcpy(d->pio, d->packet_buf + d->packet_at, n);
    d->packet_at += n;
    d->packet_left -= n;
    d->lcyl = n;
    d->hcyl = n >> 8;
    reason(d, NSECTOR_IO);
    d->status = IDE_READY | IDE_SEEK;
    ide_pio_start(d, n, pio_next);
    ide_irq(d);
}

static void dma_reply(IdeDrive *d)
{
    IoVec v;
    int64_t got;
    bool more;

    iov_init(&v, 4);
    got = d->ch->host->map(d->ch->opaque, &v, d->packet_bytes, true);
    if (got > 0) {
        iov_from_buf(&v, 0, d->packet_buf, MIN((uint64_t)got, d->packet_bytes));
        for (int i = 0; i < v.niov; i++) {
            ram_mark_host(v.iov[i].iov_base, v.iov[i].iov_len);
        }
    }
    iov_destroy(&v);
    more = got < (int64_t)d->packet_bytes;
    packet_good(d);
    d->ch->host->dma_done(d->ch->opaque, more);
}

/* bytes of d->packet_buf go to the host, at most what it asked for. */
static void reply(IdeDrive *d, uint32_t bytes, uint32_t max)
{
    d->packet_bytes = d->packet_left = MIN(bytes, max);
    d->packet_at = 0;
    if (!d->packet_bytes) {
        packet_good(d);
    } else if (d->atapi_dma || d->ch->host->no_port) {
        d->atapi_dma = true;
        ide_dma_begin(d, dma_reply);
    } else {
        d->error = 0;
        pio_next(d);
    }
}

/* --- reading ---------------------------------------------------------------------------------------------- */

#define READ_MAX (16 * MiB)

static bool by_port(const IdeDrive *d) { return !d->atapi_dma && !d->ch->host->no_port; }

typedef struct CdRead {
    IdeDrive *d;
    uint32_t number, count;
} CdRead;

/* Raw sectors: sync, header, data, zeroes where parity would be. */
static bool expand_raw(IdeDrive *d, uint32_t lba, uint32_t count)
{
    uint8_t *raw = g_try_malloc0((size_t)count * 2352);

    if (!raw) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *p = raw + (size_t)i * 2352;
        uint32_t at = lba + i + 150;

        memset(p + 1, 0xff, 10);
        p[12] = at / 75 / 60;
        p[13] = at / 75 % 60;
        p[14] = at % 75;
        p[15] = 1;
        memcpy(p + 16, d->packet_buf + (size_t)i * 2048, 2048);
    }
    g_free(d->packet_buf);
    d->packet_buf = raw;
    return true;
}

static void read_done(void *opaque, int ret)
{
    CdRead *r = opaque;
    IdeDrive *d = r->d;
    bool current = r->number == d->serial_number;
    uint32_t count = r->count;

    g_free(r);
    if (!current) {
        return;
    }
    if (ret < 0) {
        if (d->acct) {
            block_acct_failed(blk_get_stats(d->conf.blk), &d->cookie);
            d->acct = false;
        }
        packet_fail(d, ret == -ENOMEDIUM ? NOT_READY : ILLEGAL, ret == -ENOMEDIUM ? ASC_NO_MEDIUM : ASC_RANGE);
        return;
    }
    block_acct_done(blk_get_stats(d->conf.blk), &d->cookie);
    d->acct = false;
    for (uint32_t i = 1; by_port(d) && i < count; i++) {       /* through the port each sector counts */
        block_acct_start(blk_get_stats(d->conf.blk), &d->cookie, 2048, BLOCK_ACCT_READ);
        block_acct_done(blk_get_stats(d->conf.blk), &d->cookie);
    }
    if (d->cd_sector_size == 2352 && !expand_raw(d, d->lba, count)) {
        packet_fail(d, HARDWARE, ASC_INTERNAL);
        return;
    }
    reply(d, count * d->cd_sector_size, UINT32_MAX);
}

static void submit_read(IdeDrive *d)
{
    CdRead *r;

    g_free(d->packet_buf);
    d->packet_buf = g_try_malloc(d->count * 2048);
    if (!d->packet_buf) {
        packet_fail(d, HARDWARE, ASC_INTERNAL);
        return;
    }
    r = g_new(CdRead, 1);
    *r = (CdRead) { d, d->serial_number, d->count };
    iov_reset(&d->iov);
    iov_add(&d->iov, d->packet_buf, d->count * 2048);
    block_acct_start(blk_get_stats(d->conf.blk), &d->cookie, (by_port(d) ? 1 : d->count) * 2048, BLOCK_ACCT_READ);
    d->acct = true;
    blk_aio_preadv(d->conf.blk, d->lba * 2048, &d->iov, 0, read_done, r);
}

static void start_read(IdeDrive *d, uint32_t lba, uint32_t count, uint32_t size)
{
    if (!count) {
        packet_good(d);
        return;
    }
    if (count > blocks(d) || lba > blocks(d) - count || count > READ_MAX / 2352) {
        packet_fail(d, ILLEGAL, ASC_RANGE);
        return;
    }
    d->lba = lba;
    d->count = count;
    d->cd_sector_size = size;
    submit_read(d);
}

static void read_cd(IdeDrive *d, const uint8_t *p)
{
    uint32_t count = p[6] << 16 | p[7] << 8 | p[8];

    switch (p[9] & 0xf8) {
    case 0x00: packet_good(d); break;
    case 0x10: start_read(d, load_be32(p + 2), count, 2048); break;
    case 0xf8: start_read(d, load_be32(p + 2), count, 2352); break;
    default: packet_fail(d, ILLEGAL, ASC_FIELD);
    }
}

/* --- information -------------------------------------------------------------------------------------------- */

static void inquiry(IdeDrive *d, const uint8_t *p, uint8_t *buf)
{
    static const char vendor[] = "QEMU    ", product[] = "QEMU DVD-ROM    ";

    if (p[1] & 1) {
        if (p[2] != 0) {
            packet_fail(d, ILLEGAL, ASC_FIELD);
            return;
        }
        buf[0] = 5;
        buf[3] = 1;
        reply(d, 5, p[4]);
        return;
    }
    buf[0] = 5;
    buf[1] = 0x80;
    buf[3] = 0x21;
    buf[4] = 31;
    memcpy(buf + 8, vendor, 8);
    memcpy(buf + 16, product, 16);
    memcpy(buf + 32, d->version, MIN(4, strlen(d->version)));
    reply(d, 36, p[4]);
}

static void request_sense(IdeDrive *d, const uint8_t *p, uint8_t *buf)
{
    buf[0] = 0xf0;
    buf[2] = d->sense_key;
    buf[7] = 10;
    buf[12] = d->asc;
    if (d->sense_key == ATTENTION) {
        d->sense_key = KEY_NONE;
    }
    reply(d, 18, p[4]);
}

static void mode_sense(IdeDrive *d, const uint8_t *p, uint8_t *buf)
{
    int len;

    if (p[2] >> 6 == 3) {
        packet_fail(d, ILLEGAL, 0x39);
        return;
    }
    if (p[2] >> 6) {
        packet_fail(d, ILLEGAL, ASC_FIELD);
        return;
    }
    switch (p[2] & 0x3f) {
    case 0x01:
        buf[8] = 1;
        buf[9] = 6;
        buf[11] = 5;
        len = 16;
        break;
    case 0x0e:
        buf[8] = 0x0e;
        buf[9] = 0x0e;
        len = 24;
        break;
    case 0x2a:
        buf[8] = 0x2a;
        buf[9] = 0x14;
        buf[10] = 0x3b;
        buf[12] = 0x71;
        buf[13] = 0x60;
        buf[14] = 0x29 | (d->tray_locked ? 2 : 0);
        store_be16(buf + 16, 704);
        store_be16(buf + 18, 2);
        store_be16(buf + 20, 512);
        store_be16(buf + 22, 704);
        len = 30;
        break;
    default:
        packet_fail(d, ILLEGAL, ASC_FIELD);
        return;
    }
    store_be16(buf, len - 2);
    buf[2] = 0x70;
    reply(d, len, load_be16(p + 7));
}

static void read_toc(IdeDrive *d, const uint8_t *p, uint8_t *buf)
{
    bool msf = p[1] & 2;
    int len = -1;

    switch (p[9] >> 6) {
    case 0: len = cdrom_toc(blocks(d), buf, msf, p[6]); break;
    case 1: len = cdrom_toc_session(buf); break;
    case 2: len = cdrom_toc_raw(blocks(d), buf, msf); break;
    default: break;
    }
    if (len < 0) {
        packet_fail(d, ILLEGAL, ASC_FIELD);
    } else {
        reply(d, len, load_be16(p + 7));
    }
}

static void get_event(IdeDrive *d, const uint8_t *p, uint8_t *buf)
{
    int len = 4;

    if (!(p[1] & 1)) {
        packet_fail(d, ILLEGAL, ASC_FIELD);
        return;
    }
    buf[3] = 0x10;
    if (p[4] & 0x10) {
        buf[1] = 4;
        buf[2] = 4;
        buf[4] = d->event_eject ? 1 : d->event_new ? 2 : 0;
        buf[5] = d->tray_open ? 1 : blk_is_inserted(d->conf.blk) ? 2 : 0;
        d->event_eject = d->event_new = false;
        len = 8;
    } else {
        buf[2] = 0x80;
    }
    reply(d, len, load_be16(p + 7));
}

static void get_configuration(IdeDrive *d, const uint8_t *p, uint8_t *buf)
{
    uint64_t total = sectors512(d);
    int profile = !medium_present(d) ? 0 : total > CD_MAX_SECTORS ? 0x10 : 8;

    cdrom_configuration(buf, profile);
    store_be32(buf, 16);                   /* the list of profiles is all */
    reply(d, 20, load_be16(p + 7));
}

static void read_structure(IdeDrive *d, const uint8_t *p, uint8_t *buf)
{
    int len;

    if (p[7] != 0xff && (p[1] & 0xf)) {
        packet_fail(d, ILLEGAL, ASC_FIELD);
    } else if (p[7] != 0xff && !medium_present(d)) {
        packet_fail(d, NOT_READY, ASC_NO_MEDIUM);
    } else if (p[7] != 0xff && sectors512(d) <= CD_MAX_SECTORS) {
        packet_fail(d, ILLEGAL, ASC_FORMAT);
    } else {
        len = cdrom_dvd_structure(buf, p[7], p[6], sectors512(d));
        if (len < 0) {
            packet_fail(d, ILLEGAL, ASC_FIELD);
        } else {
            reply(d, len, load_be16(p + 8));
        }
    }
}

static void start_stop(IdeDrive *d, const uint8_t *p)
{
    bool start = p[4] & 1, tray = p[4] & 2;

    if (!(p[4] & 0xf0) && tray) {
        if (!start && !d->tray_open && d->tray_locked) {
            packet_fail(d, NOT_READY, ASC_LOCKED);
            return;
        }
        if (d->tray_open == start) {
            d->tray_open = !start;
            blk_eject(d->conf.blk, !start);
        }
    }
    packet_good(d);
}

/* --- dispatch ---------------------------------------------------------------------------------------------------- */

enum { ALLOW_ATTENTION = 1, CHECK_READY = 2, NO_DATA = 4 };

static int command_flags(uint8_t op)
{
    switch (op) {
    case 0x00: case 0x1b: return op == 0x00 ? CHECK_READY | NO_DATA : NO_DATA;
    case 0x03: case 0x12: case 0x46: case 0x4a: return ALLOW_ATTENTION;
    case 0x1e: case 0xbb: return NO_DATA;
    case 0x25: case 0x28: case 0xa8: case 0xbe: case 0x43: case 0x51: return CHECK_READY;
    case 0x2b: return CHECK_READY | NO_DATA;
    case 0x5a: case 0xad: case 0xbd: return 0;
    default: return -1;
    }
}

/* Medium changes are told before anything else: first "no medium", then "changed". */
static bool tells_change(IdeDrive *d, int flags)
{
    if ((flags & ALLOW_ATTENTION) || d->tray_open || !d->media_changed || !blk_is_inserted(d->conf.blk)) {
        return false;
    }
    if (d->media_step == 0) {
        packet_fail(d, NOT_READY, ASC_NO_MEDIUM);
        d->media_step = 1;
    } else {
        d->media_step = 0;
        d->media_changed = false;
        packet_fail(d, ATTENTION, ASC_CHANGED);
    }
    return true;
}

static void run_packet(IdeDrive *d)
{
    const uint8_t *p = d->packet;
    uint8_t *buf;
    int flags;

    memcpy(d->packet, d->pio, 12);
    flags = command_flags(p[0]);
    d->status = IDE_READY | IDE_SEEK | IDE_BUSY;
    d->packet_limit = d->lcyl | d->hcyl << 8;
    g_free(d->packet_buf);
    buf = d->packet_buf = g_malloc0(4096);
    if (d->sense_key == ATTENTION && flags >= 0 && !(flags & ALLOW_ATTENTION)) {
        packet_fail(d, ATTENTION, ASC_CHANGED);
        return;
    }
    if (flags >= 0 && tells_change(d, flags)) {
        return;
    }
    if (flags < 0) {
        packet_fail(d, ILLEGAL, ASC_ILLEGAL_OPCODE);
        return;
    }
    if ((flags & CHECK_READY) && !medium_present(d)) {
        packet_fail(d, NOT_READY, ASC_NO_MEDIUM);
        return;
    }
    if (!(flags & NO_DATA) && !d->atapi_dma && !d->packet_limit && !d->ch->host->no_port) {
        reason(d, NSECTOR_CD);             /* refused without an interrupt */
        d->error = IDE_ABORT;
        d->status = IDE_READY | IDE_ERR;
        d->busy = false;
        return;
    }
    switch (p[0]) {
    case 0x00: case 0xbb: packet_good(d); break;
    case 0x03: request_sense(d, p, buf); break;
    case 0x12: inquiry(d, p, buf); break;
    case 0x1b: start_stop(d, p); break;
    case 0x1e:
        d->tray_locked = p[4] & 1;
        blk_lock_medium(d->conf.blk, d->tray_locked);
        packet_good(d);
        break;
    case 0x25:
        store_be32(buf, blocks(d) - 1);
        store_be32(buf + 4, 2048);
        reply(d, 8, 8);
        break;
    case 0x28: start_read(d, load_be32(p + 2), load_be16(p + 7), 2048); break;
    case 0xa8: start_read(d, load_be32(p + 2), load_be32(p + 6), 2048); break;
    case 0xbe: read_cd(d, p); break;
    case 0x2b:
        if (load_be32(p + 2) >= blocks(d)) {
            packet_fail(d, ILLEGAL, ASC_RANGE);
        } else {
            packet_good(d);
        }
        break;
    case 0x43: read_toc(d, p, buf); break;
    case 0x46: get_configuration(d, p, buf); break;
    case 0x4a: get_event(d, p, buf); break;
    case 0x51: reply(d, cdrom_disc_information(buf), load_be16(p + 7)); break;
    case 0x5a: mode_sense(d, p, buf); break;
    case 0xad: read_structure(d, p, buf); break;
    default:
        buf[5] = 1;                        /* mechanism status */
        reply(d, 8, load_be16(p + 8));
    }
}

void ide_packet(IdeDrive *d)
{
    if (d->feature & 2) {                  /* overlapped */
        ide_abort(d);
        return;
    }
    d->atapi_dma = d->feature & 1;
    if (d->ch->host->no_port) {            /* the packet is there already */
        run_packet(d);
        return;
    }
    reason(d, NSECTOR_CD);
    d->status = IDE_READY | IDE_SEEK;
    ide_pio_start(d, 12, run_packet);
}

/* --- tray and medium ---------------------------------------------------------------------------------------------- */

static void change_media(void *opaque, bool load, Error **errp)
{
    IdeDrive *d = opaque;

    d->tray_open = !load;
    d->media_changed = true;
    d->media_step = 0;
    d->event_new = load;
    d->event_eject = false;
    if (d->dev.realized) {
        ide_irq(d);
    }
}

static void eject_request(void *opaque, bool force)
{
    IdeDrive *d = opaque;

    d->event_eject = true;
    if (force) {
        d->tray_locked = false;
    }
}

static bool is_tray_open(void *opaque) { return IDE_DRIVE(opaque)->tray_open; }
static bool is_locked(void *opaque) { return IDE_DRIVE(opaque)->tray_locked; }

const BlockDevOps ide_cd_ops = {
    .change_media = change_media, .eject_request = eject_request, .is_tray_open = is_tray_open,
    .is_medium_locked = is_locked,
    .dev_id = blockdev_id, .dev_path = blockdev_path,
};
