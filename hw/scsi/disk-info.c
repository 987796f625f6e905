/*
 * SCSI disks: what they say about themselves.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/scsi/disk.h"
#include "util/cutils.h"

bool disk_blocks(ScsiDisk *s, uint64_t *blocks)
{
    int64_t length = blk_is_available(s->conf.blk) ? blk_getlength(s->conf.blk) : 0;

    *blocks = length > 0 ? length / s->scsi.blocksize : 0;
    return *blocks != 0;
}

/* --- INQUIRY ------------------------------------------------------------------------------------------- */

static int vpd_pages(ScsiDisk *s, uint8_t *buf)
{
    int n = 4;

    buf[n++] = 0x00;
    if (s->serial) {
        buf[n++] = 0x80;
    }
    buf[n++] = 0x83;
    if (!disk_is_cd(s)) {
        buf[n++] = 0xb0;
        buf[n++] = 0xb1;
        buf[n++] = 0xb2;
    }
    return n;
}

static int vpd_serial(ScsiDisk *s, uint8_t *buf)
{
    size_t len = MIN(strlen(s->serial), 36);

    memcpy(buf + 4, s->serial, len);
    return 4 + len;
}

static int vpd_identity(ScsiDisk *s, uint8_t *buf)
{
    size_t len = s->device_id ? MIN(strlen(s->device_id), 255 - 8) : 0;
    int n = 4;

    if (len) {
        buf[n++] = 2;                      /* ASCII */
        buf[n++] = 0;
        buf[n++] = 0;
        buf[n++] = len;
        memcpy(buf + n, s->device_id, len);
        n += len;
    }
    if (s->wwn) {
        buf[n++] = 1;                      /* NAA of the unit */
        buf[n++] = 3;
        buf[n++] = 0;
        buf[n++] = 8;
        store_be64(buf + n, s->wwn);
        n += 8;
    }
    if (s->port_wwn) {
        buf[n++] = 0x61;
        buf[n++] = 0x93;
        buf[n++] = 0;
        buf[n++] = 8;
        store_be64(buf + n, s->port_wwn);
        n += 8;
    }
    if (s->port_index) {
        buf[n++] = 0x61;
        buf[n++] = 0x94;
        buf[n++] = 0;
        buf[n++] = 4;
        store_be16(buf + n + 2, s->port_index);
        n += 4;
    }
    return n;
}

static int vpd_limits(ScsiDisk *s, uint8_t *buf)
{
    uint64_t max_io = s->max_io_size / s->scsi.blocksize;

    if (disk_is_cd(s)) {
        return -1;
    }
    buf[4] = 1;                            /* zero blocks of WRITE SAME mean none */
    store_be16(buf + 6, s->conf.min_io / s->scsi.blocksize);
    store_be32(buf + 8, max_io);
    store_be32(buf + 12, s->conf.opt_io / s->scsi.blocksize);
    store_be32(buf + 20, s->max_unmap_size / s->scsi.blocksize);
    store_be32(buf + 24, 255);
    store_be32(buf + 28, s->conf.discard_granularity / s->scsi.blocksize);
    store_be64(buf + 36, max_io);
    return 0x40;
}

static int vpd(ScsiDisk *s, uint8_t page, uint8_t *buf)
{
    int n;

    buf[0] = s->scsi.type;
    buf[1] = page;
    switch (page) {
    case 0x00: n = vpd_pages(s, buf); break;
    case 0x80: n = s->serial ? vpd_serial(s, buf) : -1; break;
    case 0x83: n = vpd_identity(s, buf); break;
    case 0xb0: n = vpd_limits(s, buf); break;
    case 0xb1:
        store_be16(buf + 4, s->rotation_rate);
        n = 0x40;
        break;
    case 0xb2:
        buf[5] = 0xe0;
        buf[6] = s->conf.discard_granularity ? 2 : 1;
        n = 8;
        break;
    default: n = -1;
    }
    if (n > 0) {
        store_be16(buf + 2, n - 4);
    }
    return n;
}

static void put_padded(uint8_t *dst, int size, const char *text)
{
    memset(dst, ' ', size);
    memcpy(dst, text, MIN((int)strlen(text), size));
}

int disk_inquiry(ScsiDisk *s, const ScsiReq *r, uint8_t *buf)
{
    uint64_t len = MIN(r->xfer, 4096);

    if (r->cdb[1] & 1) {
        return vpd(s, r->cdb[2], buf);
    }
    if (r->cdb[2]) {
        return -1;
    }
    buf[0] = s->scsi.type;
    buf[1] = disk_removable(s) ? 0x80 : 0;
    buf[2] = s->scsi_version;
    buf[3] = 2 | 0x10;
    buf[4] = len > 36 ? MIN(len, 260) - 5 : 36 - 5;
    buf[7] = 0x12;
    put_padded(buf + 8, 8, s->vendor);
    put_padded(buf + 16, 16, s->product);
    memset(buf + 32, 0, 4);
    memcpy(buf + 32, s->version, MIN(4, strlen(s->version)));
    return len;
}

/* --- mode pages ----------------------------------------------------------------------------------------- */

static void put24(uint8_t *p, uint32_t v)
{
    p[0] = v >> 16;
    p[1] = v >> 8;
    p[2] = v;
}

static void page_geometry(ScsiDisk *s, uint8_t *p)
{
    put24(p, s->conf.cyls);
    p[3] = s->conf.heads;
    put24(p + 4, s->conf.cyls);
    put24(p + 7, s->conf.cyls);
    store_be16(p + 10, 200);               /* step rate */
    put24(p + 12, 0xffffff);               /* landing zone */
    store_be16(p + 18, 5400);
}

static void page_flexible(ScsiDisk *s, uint8_t *p)
{
    store_be16(p, 5000);
    p[2] = s->conf.heads;
    p[3] = s->conf.secs;
    p[4] = s->scsi.blocksize >> 8;
    store_be16(p + 6, s->conf.cyls);
    store_be16(p + 8, s->conf.cyls);
    store_be16(p + 10, s->conf.cyls);
    store_be16(p + 12, 1);
    p[14] = 1;
    store_be16(p + 15, 1);
    memset(p + 17, 1, 2);
    store_be16(p + 26, 5400);
}

static void page_capabilities(ScsiDisk *s, uint8_t *p)
{
    p[0] = 0x3b;
    p[2] = 0x7f;
    p[3] = 0xff;
    p[4] = 0x2d | (s->tray_locked ? 2 : 0);
    store_be16(p + 6, 50 * 176);
    store_be16(p + 8, 2);
    store_be16(p + 10, 2048);
    store_be16(p + 12, 16 * 176);
    store_be16(p + 16, 16 * 176);
    store_be16(p + 18, 16 * 176);
}

/* One page without its two header bytes; 0: no such page.  control: 0 current, 1 changeable bits, 2 defaults. */
static int mode_page(ScsiDisk *s, int page, int control, uint8_t *p)
{
    bool changeable = control == 1;

    switch (page) {
    case 0x01:
        p[0] = changeable ? 0 : 0x80;
        p[1] = disk_is_cd(s) && !changeable ? 0x20 : 0;
        return 10;
    case 0x04:
        if (disk_is_cd(s)) {
            return 0;
        }
        if (!changeable) {
            page_geometry(s, p);
        }
        return 22;
    case 0x05:
        if (disk_is_cd(s)) {
            return 0;
        }
        if (!changeable) {
            page_flexible(s, p);
        }
        return 30;
    case 0x08:
        p[0] = changeable || blk_enable_write_cache(s->conf.blk) ? 4 : 0;
        return 18;
    case 0x0e:
        return disk_is_cd(s) ? 14 : 0;
    case 0x2a:
        if (!disk_is_cd(s)) {
            return 0;
        }
        if (!changeable) {
            page_capabilities(s, p);
        }
        return 20;
    default:
        return 0;
    }
}

static int put_page(ScsiDisk *s, int page, int control, uint8_t *buf)
{
    int len = mode_page(s, page, control, buf + 2);

    if (!len) {
        return 0;
    }
    buf[0] = page;
    buf[1] = len;
    return len + 2;
}

static int put_block_descriptor(ScsiDisk *s, uint8_t *p)
{
    uint64_t blocks;

    if (disk_is_cd(s) || !disk_blocks(s, &blocks)) {
        return 0;
    }
    put24(p + 1, blocks > 0xffffff ? 0 : blocks);
    put24(p + 5, s->scsi.blocksize);
    return 8;
}

int disk_mode_sense(ScsiDisk *s, const ScsiReq *r, uint8_t *buf, ScsiSense *sense)
{
    bool ten = r->cdb[0] == 0x5a;
    int page = r->cdb[2] & 0x3f, control = r->cdb[2] >> 6, n = ten ? 8 : 4, descriptor;
    uint8_t specific = !disk_is_cd(s) && (disk_has(s, DISK_DPOFUA) ? 1 : 0) ? 0x10 : 0;

    if (control == 3) {
        *sense = scsi_saving_not_supported;
        return -1;
    }
    if (!disk_is_cd(s) && !blk_is_writable(s->conf.blk)) {
        specific |= 0x80;
    }
    buf[ten ? 3 : 2] = specific;
    descriptor = (r->cdb[1] & 8) ? 0 : put_block_descriptor(s, buf + n);
    buf[ten ? 7 : 3] = descriptor;
    n += descriptor;
    if (page == 0x3f) {
        for (int i = 0; i < 0x3f; i++) {
            n += put_page(s, i, control, buf + n);
        }
    } else {
        int len = put_page(s, page, control, buf + n);

        if (!len) {
            *sense = scsi_invalid_field;
            return -1;
        }
        n += len;
    }
    if (ten) {
        store_be16(buf, n - 2);
    } else {
        buf[0] = n - 1;
    }
    return n;
}

/* --- MODE SELECT -------------------------------------------------------------------------------------------- */

/* Only changeable bits may differ from what is current. */
static bool check_page(ScsiDisk *s, int page, const uint8_t *p, int len)
{
    uint8_t current[64] = { 0 }, mask[64] = { 0 };

    if (mode_page(s, page, 0, current) != len || mode_page(s, page, 1, mask) != len) {
        return false;
    }
    for (int i = 0; i < len; i++) {
        if ((p[i] ^ current[i]) & ~mask[i]) {
            return false;
        }
    }
    return true;
}

static bool select_pages(ScsiDisk *s, const uint8_t *p, int len, bool change)
{
    while (len > 0) {
        int page = p[0] & 0x3f, head = p[0] & 0x40 ? 4 : 2, page_len;

        if (len < head) {
            return false;
        }
        page_len = p[0] & 0x40 ? load_be16(p + 2) : p[1];
        if ((p[0] & 0x40) || page_len > len - head || page_len > 62) {
            return false;
        }
        if (!change && !check_page(s, page, p + head, page_len)) {
            return false;
        }
        if (change && page == 0x08) {
            blk_set_enable_write_cache(s->conf.blk, p[head] & 4);
        }
        p += head + page_len;
        len -= head + page_len;
    }
    return true;
}

bool disk_mode_select(ScsiDisk *s, const ScsiReq *r, ScsiSense *sense)
{
    bool ten = r->cdb[0] == 0x55;
    uint64_t len = MIN(r->xfer, 4096);
    uint8_t buf[4096];
    int head = ten ? 8 : 4, descriptor;

    if ((r->cdb[1] & 0x11) != 0x10) {
        *sense = scsi_invalid_field;
        return false;
    }
    iov_to_buf(r->data, 0, buf, len);
    if (len < (unsigned)head) {
        *sense = scsi_invalid_param_len;
        return false;
    }
    descriptor = ten ? load_be16(buf + 6) : buf[3];
    if (descriptor && descriptor != 8) {
        *sense = scsi_invalid_param;
        return false;
    }
    if (len < (unsigned)(head + descriptor)) {
        *sense = scsi_invalid_param_len;
        return false;
    }
    for (int change = 0; change < 2; change++) {
        if (!select_pages(s, buf + head + descriptor, len - head - descriptor, change)) {
            *sense = scsi_invalid_param;
            return false;
        }
    }
    return true;
}
