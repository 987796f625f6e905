/*
 * scsi-hd and scsi-cd: life, medium and tray, the commands that need no data path.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/scsi/disk.h"
#include "migration/vmstate.h"
#include "util/cutils.h"

/* --- commands -------------------------------------------------------------------------------------------- */

/* Other threads ask whether there is a medium. */
static void set_tray(ScsiDisk *s, bool open) { __atomic_store_n(&s->tray_open, open, __ATOMIC_RELAXED); }

static void start_stop(ScsiDisk *s, ScsiReq *r)
{
    bool start = r->cdb[4] & 1, tray = r->cdb[4] & 2;

    if (!(r->cdb[4] >> 4) && tray && disk_removable(s)) {
        if (!start && !s->tray_open && s->tray_locked) {
            if (blk_is_inserted(s->conf.blk)) {
                scsi_req_fail(r, scsi_removal_prevented);
            } else {
                static const ScsiSense not_ready = { 2, 0x53, 2 };

                scsi_req_fail(r, not_ready);
            }
            return;
        }
        if (s->tray_open == start) {
            set_tray(s, !start);
            blk_eject(s->conf.blk, !start);
        }
    }
    scsi_req_complete(r, SCSI_GOOD);
}

static void read_capacity(ScsiDisk *s, ScsiReq *r, uint8_t *buf)
{
    uint64_t blocks;

    if (!disk_blocks(s, &blocks)) {
        scsi_req_fail(r, scsi_no_medium);
        return;
    }
    if (r->cdb[0] == 0x25) {
        if (!(r->cdb[8] & 1) && r->lba) {
            scsi_req_fail(r, scsi_invalid_field);
            return;
        }
        store_be32(buf, MIN(blocks - 1, UINT32_MAX));
        store_be32(buf + 4, s->scsi.blocksize);
        scsi_req_answer(r, buf, 8);
        return;
    }
    store_be64(buf, blocks - 1);
    store_be32(buf + 8, s->scsi.blocksize);
    buf[13] = s->conf.physical > s->conf.logical ? __builtin_ctzll(s->conf.physical / s->conf.logical) : 0;
    if (s->conf.discard_granularity) {
        buf[14] = 0x80;
    }
    scsi_req_answer(r, buf, r->xfer);
}

static void answer_or_fail(ScsiReq *r, uint8_t *buf, int len, ScsiSense sense)
{
    if (len < 0) {
        scsi_req_fail(r, sense);
    } else {
        scsi_req_answer(r, buf, r->xfer);
    }
}

static void mode_select(ScsiDisk *s, ScsiReq *r)
{
    ScsiSense sense;

    if (r->xfer && !disk_mode_select(s, r, &sense)) {
        scsi_req_fail(r, sense);
    } else if (r->xfer && !blk_enable_write_cache(s->conf.blk)) {
        disk_flush(s, r);                  /* what was cached so far */
    } else {
        scsi_req_complete(r, SCSI_GOOD);
    }
}

static void seek(ScsiDisk *s, ScsiReq *r)
{
    uint64_t blocks;

    if (!disk_blocks(s, &blocks)) {
        scsi_req_fail(r, scsi_no_medium);
    } else if (r->lba >= blocks) {
        scsi_req_fail(r, scsi_lba_range);
    } else {
        scsi_req_complete(r, SCSI_GOOD);
    }
}

/* Commands that work without a medium. */
static bool needs_no_medium(uint8_t op)
{
    static const uint8_t ops[] = {
        0x12, 0x1a, 0x5a, 0x15, 0x55, 0x16, 0x56, 0x17, 0x57, 0x1b, 0x1e, 0x51, 0x46, 0x4a, 0xbd, 0xad,
    };

    return memchr(ops, op, sizeof(ops)) != NULL;
}

static void simple_command(ScsiDisk *s, ScsiReq *r, uint8_t *buf)
{
    ScsiSense sense = scsi_invalid_field;
    int len;

    switch (r->cdb[0]) {
    case 0x00: case 0x16: case 0x56: case 0x17: case 0x57: case 0x04:
        scsi_req_complete(r, SCSI_GOOD);
        break;
    case 0x12:
        answer_or_fail(r, buf, disk_inquiry(s, r, buf), sense);
        break;
    case 0x1a: case 0x5a:
        len = disk_mode_sense(s, r, buf, &sense);
        answer_or_fail(r, buf, len, sense);
        break;
    case 0x15: case 0x55: mode_select(s, r); break;
    case 0x1b: start_stop(s, r); break;
    case 0x1e:
        s->tray_locked = r->cdb[4] & 1;
        blk_lock_medium(s->conf.blk, s->tray_locked);
        scsi_req_complete(r, SCSI_GOOD);
        break;
    case 0x25: read_capacity(s, r, buf); break;
    case 0x9e:
        if ((r->cdb[1] & 31) == 0x10) {
            read_capacity(s, r, buf);
        } else {
            scsi_req_fail(r, sense);
        }
        break;
    case 0x2b: seek(s, r); break;
    default:
        if (!disk_cd_command(s, r, buf)) {
            scsi_req_fail(r, scsi_invalid_opcode);
        }
    }
}

static bool known(uint8_t op)
{
    static const uint8_t ops[] = {
        0x00, 0x04, 0x08, 0x0a, 0x12, 0x15, 0x16, 0x17, 0x1a, 0x1b, 0x1e, 0x25, 0x28, 0x2a, 0x2b, 0x2e, 0x2f, 0x35,
        0x41, 0x42, 0x43,
        0x46, 0x4a, 0x51, 0x55, 0x56, 0x57, 0x5a, 0x88, 0x8a, 0x8e, 0x8f, 0x93, 0x9e, 0xa8, 0xaa, 0xad, 0xae, 0xaf,
        0xbd,
    };

    return memchr(ops, op, sizeof(ops)) != NULL;
}

static void execute(ScsiReq *r)
{
    ScsiDisk *s = SCSI_DISK(r->dev);
    g_autofree uint8_t *buf = NULL;

    if (!known(r->cdb[0])) {
        scsi_req_fail(r, scsi_invalid_opcode);
        return;
    }
    if (!needs_no_medium(r->cdb[0]) && !blk_is_available(s->conf.blk)) {
        scsi_req_fail(r, scsi_no_medium);
        return;
    }
    if (scsi_req_cancelled(r)) {
        scsi_req_complete(r, SCSI_TASK_ABORTED);
        return;
    }
    if (disk_io_command(s, r)) {
        return;
    }
    if (r->xfer > 65536 * 16) {
        scsi_req_fail(r, scsi_invalid_field);
        return;
    }
    buf = g_try_malloc0(MAX(r->xfer, 4096));
    if (!buf) {
        scsi_req_fail(r, scsi_target_failure);
        return;
    }
    simple_command(s, r, buf);
}

/* --- medium and tray ------------------------------------------------------------------------------------------- */

static void change_media(void *opaque, bool load, Error **errp)
{
    ScsiDisk *s = opaque;

    s->media_changed = load;
    set_tray(s, !load);
    scsi_set_attention(&s->scsi, scsi_no_medium_ua);
    s->media_event = true;
    s->eject_request = false;
}

static void attention_reported(ScsiDevice *d)
{
    ScsiDisk *s = SCSI_DISK(d);

    if (s->media_changed) {
        s->media_changed = false;
        scsi_set_attention(d, scsi_medium_changed);
    }
}

static void eject_request(void *opaque, bool force)
{
    ScsiDisk *s = opaque;

    s->eject_request = true;
    if (force) {
        s->tray_locked = false;
    }
}

static bool is_tray_open(void *opaque) { return __atomic_load_n(&SCSI_DISK(opaque)->tray_open, __ATOMIC_RELAXED); }
static bool is_locked(void *opaque) { return SCSI_DISK(opaque)->tray_locked; }

static void resized(void *opaque)
{
    static const ScsiSense capacity_changed = { 6, 0x2a, 9 };

    scsi_set_attention(&SCSI_DISK(opaque)->scsi, capacity_changed);
}

static const BlockDevOps disk_ops = { .resized = resized, .dev_id = blockdev_id, .dev_path = blockdev_path };
static const BlockDevOps removable_ops = {
    .change_media = change_media, .eject_request = eject_request, .is_tray_open = is_tray_open,
    .is_medium_locked = is_locked,
    .resized = resized, .dev_id = blockdev_id, .dev_path = blockdev_path,
};

/* --- life --------------------------------------------------------------------------------------------------------- */

static bool realize_common(ScsiDisk *s, uint32_t blocksize, Error **errp)
{
    bool readonly = disk_is_cd(s) || !blk_supports_write_perm(s->conf.blk);

    if (!blockconf_apply_sizes(&s->conf, errp)) {
        return false;
    }
    s->scsi.blocksize = blocksize ? blocksize : s->conf.logical;
    if (!blockconf_apply_backend(&s->conf, readonly, !disk_is_cd(s), errp)) {
        return false;
    }
    if (s->conf.discard_granularity == UINT32_MAX) {
        s->conf.discard_granularity = MAX(s->conf.logical, 4096);
    }
    s->device_id = s->device_id ? s->device_id
                   : g_strdup(s->serial ? s->serial : *blk_name(s->conf.blk) ? blk_name(s->conf.blk) : NULL);
    if (s->device_id && !*s->device_id) {
        g_clear_pointer(&s->device_id, g_free);
    }
    s->scsi.ua_reported = attention_reported;
    blk_iostatus_enable(s->conf.blk);
    return true;
}

/* Nothing can fail any more. */
static bool listen(ScsiDisk *s)
{
    s->listener = vm_listener_add(disk_restart, s);
    return true;
}

static void set_default(char **slot, const char *text)
{
    if (!*slot) {
        *slot = g_strdup(text);
    }
}

static bool hd_realize(ScsiDevice *d, Error **errp)
{
    ScsiDisk *s = SCSI_DISK(d);

    if (!s->conf.blk) {
        error_setg(errp, "drive property not set");
        return false;
    }
    if (!disk_has(s, DISK_REMOVABLE) && !blk_is_inserted(s->conf.blk)) {
        error_setg(errp, "Device needs media, but drive is empty");
        return false;
    }
    if (disk_has(s, DISK_REMOVABLE)) {     /* such a disk has a tray too */
        s->conf.ops = &removable_ops;
        blk_detach_dev(s->conf.blk, s);
        blk_attach_dev(s->conf.blk, s->conf.ops, s);
    }
    d->type = SCSI_TYPE_DISK;
    set_default(&s->product, "QEMU HARDDISK");
    set_default(&s->vendor, "QEMU");
    set_default(&s->version, "2.5+");
    return realize_common(s, 0, errp) && blockconf_geometry(&s->conf, 65535, 255, 255, errp) && listen(s);
}

static bool cd_realize(ScsiDevice *d, Error **errp)
{
    ScsiDisk *s = SCSI_DISK(d);

    blockconf_make_empty(&s->conf, s);
    d->type = SCSI_TYPE_ROM;
    set_default(&s->product, "QEMU CD-ROM");
    set_default(&s->vendor, "QEMU");
    set_default(&s->version, "2.5+");
    return realize_common(s, 2048, errp) && listen(s);
}

/* Requests, wherever they are: in another thread, held up by a drained section, waiting for the machine. */
static void end_requests(ScsiDevice *d)
{
    ScsiDisk *s = SCSI_DISK(d);

    scsi_cancel(d, NULL);
    if (s->conf.blk) {
        blk_drain_held(s->conf.blk);
        disk_drop_waiting(d);
        scsi_wait_idle(d);
    }
}

static void unrealize(ScsiDevice *d)
{
    ScsiDisk *s = SCSI_DISK(d);

    vm_listener_remove(s->listener);
    s->listener = NULL;
    end_requests(d);
    blk_set_aio_context(s->conf.blk, aio_main_context());
    blockconf_detach(&s->conf, s);
}

static void set_context(ScsiDevice *d, AioContext *ctx) { blk_set_aio_context(SCSI_DISK(d)->conf.blk, ctx); }

static bool enter(ScsiReq *r) { return disk_is_io_command(r->cdb[0]) && blk_enter(SCSI_DISK(r->dev)->conf.blk); }
static void leave(ScsiDevice *d) { blk_dec_in_flight(SCSI_DISK(d)->conf.blk); }

static void reset(ScsiDevice *d)
{
    ScsiDisk *s = SCSI_DISK(d);

    end_requests(d);
    s->tray_locked = false;
    set_tray(s, false);
}

/* --- state -------------------------------------------------------------------------------------------------------- */

typedef struct DiskWire {
    ScsiSense attention, sense;
    uint8_t sense_is_ua, data[252];
    uint32_t sense_len;
    uint8_t media_changed, media_event, eject_request, tray_open, tray_locked;
} DiskWire;

static void disk_save(void *obj, void *wire)
{
    const ScsiDisk *s = obj;
    DiskWire *w = wire;

    w->attention = s->scsi.unit_attention;
    if (s->scsi.sense.key) {
        w->data[0] = 0x70;
        w->data[2] = s->scsi.sense.key;
        w->data[7] = 10;
        w->data[12] = s->scsi.sense.asc;
        w->data[13] = s->scsi.sense.ascq;
        w->sense_len = 18;
    }
    w->media_changed = s->media_changed;
    w->media_event = s->media_event;
    w->eject_request = s->eject_request;
    w->tray_open = s->tray_open;
    w->tray_locked = s->tray_locked;
}

static bool disk_load(void *obj, const void *wire, Error **errp)
{
    const DiskWire *w = wire;
    ScsiDisk *s = obj;

    if (w->sense_len > sizeof(w->data)) {
        error_setg(errp, "%" PRIu32 " bytes of sense data", w->sense_len);
        return false;
    }
    s->scsi.unit_attention = w->attention;
    s->scsi.sense = w->sense_len >= 14
                    && (w->data[0] & 0x7e) == 0x70 ? (ScsiSense) { w->data[2] & 15, w->data[12], w->data[13] }
                        : (ScsiSense) { 0 };
    s->media_changed = w->media_changed;
    s->media_event = w->media_event;
    s->eject_request = w->eject_request;
    s->tray_open = w->tray_open && disk_removable(s);
    s->tray_locked = w->tray_locked && disk_removable(s);
    return true;
}

static bool disk_ready(void *obj, Error **errp)
{
    if (SCSI_DISK(obj)->waiting) {
        error_setg(errp, "A request of the disk at target %" PRIu32 " failed and waits for the machine to run",
                   SCSI_DISK(obj)->scsi.id);
        return false;
    }
    return true;
}

/* Requests that wait: there are none when state is told, and none are taken. */
static void put_requests(VmWriter *w, const void *wire) { vm_put(w, 0, 1); }

static bool get_requests(VmReader *r, void *wire, Error **errp)
{
    if (vm_get(r, 1)) {
        error_setg(errp, "requests that wait on a SCSI disk are not taken over");
        return false;
    }
    return true;
}

#define DW(f, t) VMF(DiskWire, f, t)
static bool more_sense(const void *wire) { return false; }
static const VmField sense_fields[] = {
    { .name = "sense", .type = "uint8", .kind = VM_BYTES, .offset = offsetof(DiskWire, data) + 96, .size = 156,
      .count = 1 }, { NULL }
};
static const VmDesc sense_desc = {
    .name = "SCSIDevice/sense", .version = 1, .min_version = 1, .fields = sense_fields, .needed = more_sense,
};
static const VmDesc *const device_subsections[] = { &sense_desc, NULL };
static const VmField device_fields[] = {
    VMFN("unit_attention.key", "uint8", DiskWire, attention.key),
    VMFN("unit_attention.asc", "uint8", DiskWire, attention.asc),
    VMFN("unit_attention.ascq", "uint8", DiskWire, attention.ascq), DW(sense_is_ua, "bool"),
    { .name = "sense", .type = "uint8", .kind = VM_BYTES, .offset = offsetof(DiskWire, data), .size = 96, .count = 1 },
    DW(sense_len, "uint32"), VMF_CUSTOM("requests", "scsi-requests", put_requests, get_requests), { NULL }
};
static const VmDesc device_desc = {
    .name = "SCSIDevice", .version = 1, .min_version = 1, .fields = device_fields, .subsections = device_subsections,
};
static const VmField disk_fields[] = {
    VMF_SELF("qdev", &device_desc), DW(media_changed, "bool"), DW(media_event, "bool"), DW(eject_request, "bool"),
    DW(tray_open, "bool"),
    DW(tray_locked, "bool"), { NULL }
};
static const VmDesc disk_vmstate = {
    .name = "scsi-disk", .version = 1, .min_version = 1, .size = sizeof(DiskWire), .fields = disk_fields,
    .save = disk_save, .load = disk_load,
    .ready = disk_ready,
};

static void disk_init(Object *o) { SCSI_DISK(o)->conf.bootindex = -1; }
static void hd_init(Object *o) { SCSI_DISK(o)->conf.ops = &disk_ops; }
static void cd_init(Object *o) { SCSI_DISK(o)->conf.ops = &removable_ops; }

static void disk_finalize(Object *o) { blockconf_detach(&SCSI_DISK(o)->conf, o); }

static const TypeInfo base_type = {
    .name = "scsi-disk-base", .parent = "scsi-device", .abstract = true, .size = sizeof(ScsiDisk), .init = disk_init,
    .finalize = disk_finalize,
};
QOM_TYPE(base_type)

#define DISK_PROPS                                                                                           \
    BLOCK_PROPS(ScsiDisk), BLOCK_ERROR_PROPS(ScsiDisk), BLOCK_BOOT_PROP(ScsiDisk), P_STR("ver", ScsiDisk, version),  \
    P_STR("serial", ScsiDisk, serial), P_STR("vendor", ScsiDisk, vendor), P_STR("product", ScsiDisk, product),       \
    P_STR("device_id", ScsiDisk, device_id)
#define PORT_PROPS                                                                                                     \
    P_NUM("wwn", PROP_U64, ScsiDisk, wwn, 0), P_NUM("port_wwn", PROP_U64, ScsiDisk, port_wwn, 0),                      \
    P_NUM("port_index", PROP_U16, ScsiDisk, port_index, 0)
#define MAX_IO_PROP P_NUM("max_io_size", PROP_U64, ScsiDisk, max_io_size, INT32_MAX)
#define VERSION_PROP P_NUM("scsi_version", PROP_I32, ScsiDisk, scsi_version, 5)
#define APPLE_PROP P_BIT("quirk_mode_page_vendor_specific_apple", ScsiDisk, quirks, 0, false)

static const Property hd_props[] = {
    DISK_PROPS, P_BIT("removable", ScsiDisk, bits, DISK_REMOVABLE, false),
    P_BIT("dpofua", ScsiDisk, bits, DISK_DPOFUA, false),
    PORT_PROPS, P_NUM("max_unmap_size", PROP_U64, ScsiDisk, max_unmap_size, 1 << 30), MAX_IO_PROP,
    P_NUM("rotation_rate", PROP_U16, ScsiDisk, rotation_rate, 0), VERSION_PROP, APPLE_PROP, BLOCK_CHS_PROPS(ScsiDisk),
    { NULL }
};
static const Property cd_props[] = {
    DISK_PROPS, PORT_PROPS, MAX_IO_PROP, VERSION_PROP,
    P_BIT("quirk_mode_page_apple_vendor", ScsiDisk, quirks, 1, false),
    P_BIT("quirk_mode_sense_rom_use_dbd", ScsiDisk, quirks, 2, false), APPLE_PROP,
    P_BIT("quirk_mode_page_truncated", ScsiDisk, quirks, 3, false),
    { NULL }
};

static const ScsiClass hd_class = {
    .dev = SCSI_CLASS_DEV(.desc = "virtual SCSI disk", .vmstate = &disk_vmstate), .realize = hd_realize,
    .unrealize = unrealize, .execute = execute, .reset = reset,
    .enter = enter, .leave = leave, .cancelled = disk_drop_waiting, .set_context = set_context,
};
static const TypeInfo hd_type = {
    .name = "scsi-hd", .parent = "scsi-disk-base", .size = sizeof(ScsiDisk), .props = hd_props, .init = hd_init,
    .class_data = &hd_class,
};
QOM_TYPE(hd_type)

static const ScsiClass cd_class = {
    .dev = SCSI_CLASS_DEV(.desc = "virtual SCSI CD-ROM", .vmstate = &disk_vmstate), .realize = cd_realize,
    .unrealize = unrealize, .execute = execute, .reset = reset,
    .enter = enter, .leave = leave, .cancelled = disk_drop_waiting, .set_context = set_context,
};
static const TypeInfo cd_type = {
    .name = "scsi-cd", .parent = "scsi-disk-base", .size = sizeof(ScsiDisk), .props = cd_props, .init = cd_init,
    .class_data = &cd_class,
};
QOM_TYPE(cd_type)
