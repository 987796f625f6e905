/*
 * Floppy drives: medium, geometry.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/block/fdc.h"

static const struct { uint32_t sectors; int type; uint8_t tracks, heads, sects; } formats[] = {
    { 2880, FDC_TYPE_144, 80, 2, 18 }, { 3200, FDC_TYPE_144, 80, 2, 20 }, { 3360, FDC_TYPE_144, 80, 2, 21 },
    { 3444, FDC_TYPE_144, 82, 2, 21 }, { 3486, FDC_TYPE_144, 83, 2, 21 }, { 3520, FDC_TYPE_144, 80, 2, 22 },
    { 3680, FDC_TYPE_144, 80, 2, 23 }, { 3840, FDC_TYPE_144, 80, 2, 24 }, { 5760, FDC_TYPE_288, 80, 2, 36 },
    { 6240, FDC_TYPE_288, 80, 2, 39 }, { 6400, FDC_TYPE_288, 80, 2, 40 }, { 7040, FDC_TYPE_288, 80, 2, 44 },
    { 7680, FDC_TYPE_288, 80, 2, 48 }, { 1440, FDC_TYPE_144, 80, 2, 9 }, { 1600, FDC_TYPE_144, 80, 2, 10 },
    { 2400, FDC_TYPE_120, 80, 2, 15 }, { 720, FDC_TYPE_120, 40, 2, 9 }, { 640, FDC_TYPE_120, 40, 2, 8 },
    { 360, FDC_TYPE_120, 40, 1, 9 }, { 320, FDC_TYPE_120, 40, 1, 8 },
};

void floppy_revalidate(FloppyDrive *d, int fallback)
{
    int64_t length = blk_is_inserted(d->conf.blk) ? blk_getlength(d->conf.blk) : -1;
    size_t best = G_N_ELEMENTS(formats);

    d->max_track = d->last_sect = 0;
    if (length < 0) {
        if (d->type == FDC_TYPE_AUTO) {
            d->type = fallback;
        }
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        bool fits = d->type == FDC_TYPE_AUTO || d->type == formats[i].type
                    || (d->type == FDC_TYPE_288 && formats[i].type == FDC_TYPE_144);

        if (fits && (uint64_t)length / 512 == formats[i].sectors) {
            best = i;
            break;
        }
    }
    if (best == G_N_ELEMENTS(formats)) {         /* no such size: the usual disk of the drive */
        d->type = d->type == FDC_TYPE_AUTO ? fallback : d->type;
        for (best = 0; best < G_N_ELEMENTS(formats) - 1 && (int)formats[best].type != d->type; best++) {
        }
    }
    d->max_track = formats[best].tracks;
    d->last_sect = formats[best].sects;
    d->two_heads = formats[best].heads == 2;
    if (d->type == FDC_TYPE_AUTO) {
        d->type = formats[best].type;
    }
    d->readonly = !blk_is_writable(d->conf.blk);
}

int64_t floppy_offset(const FloppyDrive *d, int track, int head, int sect)
{
    if (track >= d->max_track || head > d->two_heads || sect < 1 || sect > d->last_sect) {
        return -1;
    }
    return (((int64_t)track * (d->two_heads ? 2 : 1) + head) * d->last_sect + sect - 1) * 512;
}

static Fdc *controller(Device *d) { return FDC(d->bus->parent); }

static void change_media(void *opaque, bool load, Error **errp)
{
    FloppyDrive *d = opaque;

    if (load && d->dev.realized) {
        blockconf_apply_backend(&d->conf, !blk_supports_write_perm(d->conf.blk), false, errp);
    }
    d->media_changed = true;
    if (d->dev.realized) {
        floppy_revalidate(d, controller(&d->dev)->fallback);
    }
}

static const BlockDevOps floppy_ops = {
    .change_media = change_media, .dev_id = blockdev_id, .dev_path = blockdev_path,
};

static bool realize(Device *dev, Error **errp)
{
    FloppyDrive *d = FLOPPY_DRIVE(dev);
    Fdc *f = controller(dev);

    if (d->unit == UINT32_MAX) {
        for (d->unit = 0; d->unit < 2 && f->drives[d->unit]; d->unit++) {
        }
    }
    if (d->unit >= 2) {
        error_setg(errp, "Can't create floppy unit %d, bus supports only %d units", d->unit, 2);
        return false;
    }
    if (f->drives[d->unit]) {
        error_setg(errp, "Floppy unit %d is in use", d->unit);
        return false;
    }
    blockconf_make_empty(&d->conf, d);
    if (!blockconf_apply_sizes(&d->conf, errp)) {
        return false;
    }
    if (d->conf.logical != 512 || d->conf.physical != 512) {
        error_setg(errp, "Physical and logical block size must be 512 for floppy");
        return false;
    }
    d->conf.rerror = d->conf.werror = BLK_ON_ERROR_AUTO;
    if (!blockconf_apply_backend(&d->conf, !blk_supports_write_perm(d->conf.blk), false, errp)) {
        return false;
    }
    f->drives[d->unit] = d;
    d->media_changed = true;
    floppy_revalidate(d, f->fallback);
    return true;
}

static void unrealize(Device *dev)
{
    FloppyDrive *d = FLOPPY_DRIVE(dev);

    controller(dev)->drives[d->unit] = NULL;
    blk_drain(d->conf.blk);
    blockconf_detach(&d->conf, d);
}

static void init(Object *o) { FLOPPY_DRIVE(o)->conf.ops = &floppy_ops; }
static void finalize(Object *o) { blockconf_detach(&FLOPPY_DRIVE(o)->conf, o); }

static const char *const types[] = { "144", "288", "120", "none", "auto", NULL };

static const Property floppy_props[] = {
    P_NUM("unit", PROP_U32, FloppyDrive, unit, UINT32_MAX), BLOCK_PROPS(FloppyDrive),
    P_ENUM("drive-type", "FdcDriveType", types, FloppyDrive, type, FDC_TYPE_AUTO,
           "FDC drive type, 144/288/120/none/auto"),
    { NULL }
};
static const DeviceClass floppy_class = {
    .bus_type = "floppy-bus", .category = DEVICE_STORAGE, .desc = "virtual floppy drive", .realize = realize,
    .unrealize = unrealize,
};
static const TypeInfo floppy_type = {
    .name = "floppy", .parent = "device", .size = sizeof(FloppyDrive), .props = floppy_props, .init = init,
    .finalize = finalize,
    .class_data = &floppy_class,
};
QOM_TYPE(floppy_type)
