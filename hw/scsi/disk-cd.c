/*
 * scsi-cd: multimedia commands, tray and medium events.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/block/cdrom.h"
#include "hw/scsi/disk.h"
#include "util/cutils.h"

static uint64_t sectors512(ScsiDisk *s)
{
    int64_t length = blk_is_available(s->conf.blk) ? blk_getlength(s->conf.blk) : 0;

    return length > 0 ? length / 512 : 0;
}

static bool holds_dvd(ScsiDisk *s) { return sectors512(s) > CD_MAX_SECTORS; }

static void answer(ScsiReq *r, uint8_t *buf, int len, ScsiSense otherwise)
{
    if (len < 0) {
        scsi_req_fail(r, otherwise);
    } else {
        scsi_req_answer(r, buf, r->xfer);
    }
}

static void read_toc(ScsiDisk *s, ScsiReq *r, uint8_t *buf)
{
    uint64_t blocks;
    bool msf = r->cdb[1] & 2;
    int format = r->cdb[2] & 0xf, len = -1;

    if (!disk_blocks(s, &blocks)) {
        scsi_req_fail(r, scsi_no_medium);
        return;
    }
    if (format == 0) {
        len = cdrom_toc(blocks, buf, msf, r->cdb[6]);
    } else if (format == 1) {
        len = cdrom_toc_session(buf);
    } else if (format == 2) {
        len = cdrom_toc_raw(blocks, buf, msf);
    }
    answer(r, buf, len, scsi_invalid_field);
}

static void get_event(ScsiDisk *s, ScsiReq *r, uint8_t *buf)
{
    int len = 4;

    if (!(r->cdb[1] & 1)) {                /* asynchronous operation */
        scsi_req_fail(r, scsi_invalid_field);
        return;
    }
    buf[3] = 0x10;                         /* media events are what there is */
    if (r->cdb[4] & 0x10) {
        buf[2] = 4;
        buf[4] = s->eject_request ? 1 : s->media_event ? (s->tray_open ? 3 : 2) : 0;
        buf[5] = s->tray_open ? 1 : blk_is_inserted(s->conf.blk) ? 2 : 0;
        s->eject_request = s->media_event = false;
        len = 8;
    } else {
        buf[2] = 0x80;
    }
    store_be16(buf, len - 4);
    answer(r, buf, len, scsi_invalid_field);
}

static void read_structure(ScsiDisk *s, ScsiReq *r, uint8_t *buf)
{
    if (r->cdb[1] & 0xf) {                 /* of a DVD only */
        scsi_req_fail(r, scsi_invalid_field);
    } else if (r->cdb[7] != 0xff && !blk_is_available(s->conf.blk)) {
        scsi_req_fail(r, scsi_no_medium);
    } else if (r->cdb[7] != 0xff && !holds_dvd(s)) {
        scsi_req_fail(r, scsi_incompatible_format);
    } else {
        answer(r, buf, cdrom_dvd_structure(buf, r->cdb[7], r->cdb[6], sectors512(s)), scsi_invalid_field);
    }
}

bool disk_cd_command(ScsiDisk *s, ScsiReq *r, uint8_t *buf)
{
    bool cd = disk_is_cd(s);

    switch (r->cdb[0]) {
    case 0x43: read_toc(s, r, buf); break;
    case 0x46:
        answer(r, buf, cd ? cdrom_configuration(buf, !blk_is_available(s->conf.blk) ? 0 : holds_dvd(s) ? 0x10 : 8) : -1,
               scsi_invalid_field);
        break;
    case 0x4a:
        if (cd) {
            get_event(s, r, buf);
        } else {
            scsi_req_fail(r, scsi_invalid_field);
        }
        break;
    case 0x51: answer(r, buf, cd && !(r->cdb[1] & 7) ? cdrom_disc_information(buf) : -1, scsi_invalid_field); break;
    case 0xbd:
        store_be16(buf + 4, 0);
        buf[5] = 1;
        answer(r, buf, cd ? 8 : -1, scsi_invalid_field);
        break;
    case 0xad:
        if (cd) {
            read_structure(s, r, buf);
        } else {
            scsi_req_fail(r, scsi_invalid_field);
        }
        break;
    default: return false;
    }
    return true;
}
