/*
 * IDENTIFY DEVICE and IDENTIFY PACKET DEVICE.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/ide/ide.h"

static void put(uint8_t *buf, unsigned word, uint16_t v)
{
    buf[2 * word] = v;
    buf[2 * word + 1] = v >> 8;
}

/* Two characters a word, the first in the high byte, padded with spaces. */
static void put_text(uint8_t *buf, unsigned word, unsigned words, const char *text)
{
    size_t len = strlen(text);

    for (unsigned i = 0; i < 2 * words; i++) {
        buf[2 * word + (i ^ 1)] = i < len ? text[i] : ' ';
    }
}

static uint16_t mode_word(uint8_t supported, uint8_t selected)
{
    return supported | (selected == 0xff ? 0 : 1 << (selected + 8));
}

static void put_common(IdeDrive *d, uint8_t *buf)
{
    put_text(buf, 10, 10, d->serial);
    put(buf, 20, 3);
    put(buf, 21, 512);
    put(buf, 22, 4);
    put_text(buf, 23, 4, d->version);
    put_text(buf, 27, 20, d->model && *d->model ? d->model : d->is_cd ? "QEMU DVD-ROM" : "QEMU HARDDISK");
}

static void put_sizes(IdeDrive *d, uint8_t *buf)
{
    int64_t length = blk_getlength(d->conf.blk);
    uint64_t total = length > 0 ? length / 512 : 0, old = d->conf.cyls * d->conf.heads * d->conf.secs;
    uint64_t small = total > 0x0fffffff ? 0x0fffffff : total;

    put(buf, 57, old);
    put(buf, 58, old >> 16);
    put(buf, 60, small);
    put(buf, 61, small >> 16);
    for (int i = 0; i < 4; i++) {
        put(buf, 100 + i, total >> (16 * i));
    }
}

static void put_wwn(IdeDrive *d, uint8_t *buf)
{
    for (int i = 0; d->wwn && i < 4; i++) {
        put(buf, 108 + i, d->wwn >> (48 - 16 * i));
    }
}

/* On a controller with queues: their depth, and that the drive can use them. */
static void put_queue(const IdeDrive *d, uint8_t *buf)
{
    if (d->ch->host->no_port) {
        put(buf, 75, 31);
        put(buf, 76, 1 << 8);
    }
}

static void put_features(IdeDrive *d, uint8_t *buf)
{
    bool cache = blk_enable_write_cache(d->conf.blk);

    put(buf, 80, 0xf0);                    /* ATA 4 to 7 */
    put(buf, 81, 0x16);
    put(buf, 82, 1 << 14 | 1 << 5 | 1);    /* NOP, write cache, SMART */
    put(buf, 83, 1 << 14 | 1 << 13 | 1 << 12 | 1 << 10);
    put(buf, 84, 1 << 14 | (d->wwn ? 1 << 8 : 0));
    put(buf, 85, 1 << 14 | (cache ? 1 << 5 : 0) | 1);
    put(buf, 86, 1 << 13 | 1 << 12 | 1 << 10);
    put(buf, 87, 1 << 14 | (d->wwn ? 1 << 8 : 0));
}

void ide_identify(IdeDrive *d, uint8_t *buf)
{
    unsigned exponent = d->conf.physical > d->conf.logical ? __builtin_ctzll(d->conf.physical / d->conf.logical) : 0;

    memset(buf, 0, 512);
    put(buf, 0, 0x40);
    put(buf, 1, d->conf.cyls);
    put(buf, 3, d->conf.heads);
    put(buf, 4, 512 * d->conf.secs);
    put(buf, 5, 512);
    put(buf, 6, d->conf.secs);
    put_common(d, buf);
    put(buf, 47, 0x8010);
    put(buf, 48, 1);
    put(buf, 49, 0x0b00);
    put(buf, 51, 0x0200);
    put(buf, 52, 0x0200);
    put(buf, 53, 7);
    put(buf, 54, d->conf.cyls);
    put(buf, 55, d->conf.heads);
    put(buf, 56, d->conf.secs);
    put_sizes(d, buf);
    put_queue(d, buf);
    put(buf, 59, d->mult ? 0x100 | d->mult : 0);
    put(buf, 62, mode_word(7, d->sdma));
    put(buf, 63, mode_word(7, d->mwdma));
    put(buf, 64, 3);
    for (int i = 65; i <= 68; i++) {
        put(buf, i, 120);
    }
    put(buf, 69, 1 << 14);                 /* trimmed sectors read the same each time */
    put_features(d, buf);
    put(buf, 88, mode_word(0x3f, d->udma));
    put(buf, 93, 0x6001);
    put(buf, 106, 0x6000 | exponent);
    put_wwn(d, buf);
    put(buf, 169, 1);                      /* trim */
    put(buf, 217, d->rotation_rate);
}

void ide_identify_packet(IdeDrive *d, uint8_t *buf)
{
    memset(buf, 0, 512);
    put(buf, 0, 0x85c0);                   /* CD drive, removable, DRQ within 50 us, 12-byte packets */
    put_common(d, buf);
    put(buf, 48, 1);
    put(buf, 49, 0x0300);
    put(buf, 53, 7);
    put(buf, 62, 7 | (d->sdma == 0xff ? 0 : 1 << (d->sdma + 8)));
    put(buf, 63, mode_word(7, d->mwdma));
    put(buf, 64, 3);
    put(buf, 65, 0xb4);
    put(buf, 66, 0xb4);
    put(buf, 67, 0x12c);
    put(buf, 68, 0xb4);
    put(buf, 71, 30);
    put(buf, 72, 30);
    put_queue(d, buf);
    put(buf, 80, 0x1e);
    if (d->wwn) {
        put(buf, 84, 1 << 8);
        put(buf, 87, 1 << 8);
    }
    put(buf, 88, mode_word(0x3f, d->udma));
    put_wwn(d, buf);
}
