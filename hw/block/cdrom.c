/*
 * Tables of contents and disc descriptions (MMC).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/block/cdrom.h"
#include "util/cutils.h"

/* An address as block number or as minutes, seconds, frames (two seconds ahead). */
static uint8_t *put_address(uint8_t *p, uint32_t block, bool msf)
{
    if (msf) {
        block += 150;
        p[0] = 0;
        p[1] = block / 75 / 60;
        p[2] = block / 75 % 60;
        p[3] = block % 75;
    } else {
        store_be32(p, block);
    }
    return p + 4;
}

static uint8_t *put_track(uint8_t *p, uint8_t control, uint8_t track, uint32_t block, bool msf)
{
    p[1] = control;
    p[2] = track;
    return put_address(p + 4, block, msf);
}

int cdrom_toc(uint32_t nb_blocks, uint8_t *buf, bool msf, int start_track)
{
    uint8_t *p = buf + 4;

    if (start_track > 1 && start_track != 0xaa) {
        return -1;
    }
    buf[2] = buf[3] = 1;
    if (start_track <= 1) {
        p = put_track(p, 0x14, 1, 0, msf);
    }
    p = put_track(p, 0x16, 0xaa, nb_blocks, msf);
    store_be16(buf, p - buf - 2);
    return p - buf;
}

int cdrom_toc_session(uint8_t *buf)
{
    buf[1] = 0x0a;
    buf[2] = buf[3] = 1;
    return 12;
}

static uint8_t *put_raw(uint8_t *p, uint8_t point)
{
    p[0] = 1;
    p[1] = 0x14;
    p[3] = point;
    return p + 11;
}

int cdrom_toc_raw(uint32_t nb_blocks, uint8_t *buf, bool msf)
{
    uint8_t *p = buf + 4;

    buf[2] = buf[3] = 1;
    p[8] = 1;
    p = put_raw(p, 0xa0);
    p[8] = 1;
    p = put_raw(p, 0xa1);
    put_address(p + 7, nb_blocks, msf);
    p = put_raw(p, 0xa2);
    put_address(p + 7, 0, msf);
    p = put_raw(p, 1);
    store_be16(buf, p - buf - 2);
    return p - buf;
}

static uint8_t *put_profile(uint8_t *p, int profile, int current)
{
    store_be16(p, profile);
    p[2] = profile == current;
    return p + 4;
}

int cdrom_configuration(uint8_t *buf, int profile)
{
    uint8_t *p = buf + 8;

    store_be16(buf + 6, profile);
    store_be16(p, 0);                      /* profile list */
    p[2] = 0x03;
    p[3] = 8;
    p = put_profile(p + 4, 0x10, profile);
    p = put_profile(p, 0x08, profile);
    store_be16(p, 1);                      /* core */
    p[2] = 0x0b;
    p[3] = 8;
    store_be32(p + 4, 1);
    p[8] = 1;
    p += 12;
    store_be16(p, 3);                      /* removable medium: tray, eject, lock */
    p[2] = 0x0b;
    p[3] = 4;
    p[4] = 0x39;
    p += 8;
    store_be32(buf, p - buf - 4);
    return p - buf;
}

int cdrom_disc_information(uint8_t *buf)
{
    buf[1] = 32;
    buf[2] = 0x0e;                         /* complete, finished */
    buf[3] = buf[4] = buf[5] = buf[6] = 1;
    buf[7] = 0x20;
    return 34;
}

static int layout(uint8_t *buf, uint64_t sectors512)
{
    uint32_t blocks = sectors512 / 4;

    buf[4] = 0x01;                         /* DVD-ROM, version 1 */
    buf[5] = 0x0f;                         /* 120 mm, no rate given */
    buf[6] = 0x01;                         /* one layer, embossed data */
    store_be32(buf + 8, 0);
    store_be32(buf + 12, blocks - 1);
    store_be32(buf + 16, blocks - 1);
    return 2048 + 4;
}

static const struct { uint8_t format; uint16_t length; } structures[] = {
    { 0x00, 2048 + 4 }, { 0x01, 4 + 4 }, { 0x03, 188 + 4 }, { 0x04, 2048 + 4 },
};

static int list_structures(uint8_t *buf)
{
    static const struct { uint8_t format; uint8_t flags; uint16_t length; } list[] = {
        { 0x00, 0x40, 2048 + 4 }, { 0x01, 0x40, 4 + 4 }, { 0x03, 0x40, 188 + 4 }, { 0x04, 0x40, 2048 + 4 },
    };
    uint8_t *p = buf + 4;

    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        p[0] = list[i].format;
        p[1] = list[i].flags;
        store_be16(p + 2, list[i].length);
        p += 4;
    }
    store_be16(buf, p - buf - 2);
    return p - buf;
}

int cdrom_dvd_structure(uint8_t *buf, int format, int layer, uint64_t sectors512)
{
    int len = -1;

    if (format == 0xff) {
        return list_structures(buf);
    }
    if (format == 0x00) {
        len = layer ? -1 : layout(buf, sectors512);
    }
    for (size_t i = 0; format && i < sizeof(structures) / sizeof(structures[0]); i++) {
        if (structures[i].format == format && format != 0x03) {
            len = structures[i].length;
        }
    }
    if (len > 0) {
        store_be16(buf, len - 2);
    }
    return len;
}
