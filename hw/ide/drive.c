/*
 * ide-hd and ide-cd, and the bus that they sit on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/ide/ide.h"
#include "util/cutils.h"

/* Channels by their bus; they stay. */
static GPtrArray *channels;

static IdeChannel *channel_of(const Bus *bus)
{
    for (guint i = 0; channels && i < channels->len; i++) {
        IdeChannel *ch = g_ptr_array_index(channels, i);

        if (ch->bus == bus) {
            return ch;
        }
    }
    return NULL;
}

static bool check_address(Bus *bus, Device *dev, Error **errp)
{
    IdeDrive *d = IDE_DRIVE(dev);
    IdeChannel *ch = channel_of(bus);

    if (d->unit == UINT32_MAX) {
        d->unit = ch->drives[0] && bus->kind->max_devices > 1 ? 1 : 0;
    }
    if (d->unit >= (uint32_t)bus->kind->max_devices) {
        error_setg(errp, "Can't create IDE unit %d, bus supports only %d units", d->unit, bus->kind->max_devices);
        return false;
    }
    if (ch->drives[d->unit]) {
        error_setg(errp, "IDE unit %d is in use", d->unit);
        return false;
    }
    return true;
}

static const BusType two_units = { .name = "IDE", .max_devices = 2, .check_address = check_address };
static const BusType one_unit = { .name = "IDE", .max_devices = 1, .check_address = check_address };

void ide_channel_init(IdeChannel *ch, Device *controller, int id, int units, const IdeHost *host, void *opaque)
{
    g_autofree char *name = controller->id ? g_strdup_printf("%s.%d", controller->id, id)
                            : g_strdup_printf("ide.%d", id);

    static int next_serial = 1;

    ch->id = id;
    ch->first_serial = next_serial;
    next_serial += 2;
    ch->host = host;
    ch->opaque = opaque;
    ch->bus = bus_new(units == 2 ? &two_units : &one_unit, controller, name);
    channels = channels ? channels : g_ptr_array_new();
    g_ptr_array_add(channels, ch);
}

/* --- drives ----------------------------------------------------------------------------------------------- */

static void resized(void *opaque) { }

const BlockDevOps ide_hd_ops = { .resized = resized, .dev_id = blockdev_id, .dev_path = blockdev_path };

static void vm_changed(void *opaque, bool running, VmState state)
{
    IdeDrive *d = opaque;

    if (running && d->retry) {
        void (*retry)(IdeDrive *) = d->retry;

        d->retry = NULL;
        retry(d);
    }
}

static void set_names(IdeDrive *d)
{
    if (!d->serial) {
        d->serial = g_strdup_printf("QM%05d", d->ch->first_serial + d->unit);
    }
    if (!d->version) {
        d->version = g_strdup("2.5+");
    }
}

static bool start(IdeDrive *d, Error **errp)
{
    d->ch = channel_of(d->dev.bus);
    d->pio = g_malloc0(IDE_PIO_MAX + 4);
    iov_init(&d->iov, 1);
    set_names(d);
    d->sdma = 0xff;
    ide_reset_drive(d);
    d->ch->drives[d->unit] = d;
    blk_iostatus_enable(d->conf.blk);
    d->listener = vm_listener_add(vm_changed, d);
    return true;
}

static bool check_block_size(IdeDrive *d, Error **errp)
{
    if (d->conf.logical != 512 && d->conf.logical) {
        error_setg(errp, "logical_block_size must be 512 for IDE");
        return false;
    }
    return true;
}

static bool hd_realize(Device *dev, Error **errp)
{
    IdeDrive *d = IDE_DRIVE(dev);

    if (!d->conf.blk) {
        error_setg(errp, "No drive specified");
        return false;
    }
    if (!blk_is_inserted(d->conf.blk)) {
        error_setg(errp, "Device needs media, but drive is empty");
        return false;
    }
    if (!check_block_size(d, errp) || !blockconf_apply_sizes(&d->conf, errp)
        || !blockconf_apply_backend(&d->conf, false, true, errp)
            || !blockconf_geometry(&d->conf, 65535, 16, 255, errp)) {
        return false;
    }
    if (d->conf.discard_granularity == UINT32_MAX) {
        d->conf.discard_granularity = d->conf.logical;
    }
    if (!d->chs_trans) {
        /* none, or lba */
        d->chs_trans = d->conf.cyls <= 1024 && d->conf.heads <= 16 && d->conf.secs <= 63 ? 1 : 2;
    }
    ide_smart_init(d);
    return start(d, errp);
}

static bool cd_realize(Device *dev, Error **errp)
{
    IdeDrive *d = IDE_DRIVE(dev);

    d->is_cd = true;
    blockconf_make_empty(&d->conf, d);
    if (!check_block_size(d, errp) || !blockconf_apply_sizes(&d->conf, errp)
        || !blockconf_apply_backend(&d->conf, true, false, errp)) {
        return false;
    }
    if (d->conf.discard_granularity == UINT32_MAX) {
        d->conf.discard_granularity = d->conf.logical;
    }
    return start(d, errp);
}

static void unrealize(Device *dev)
{
    IdeDrive *d = IDE_DRIVE(dev);

    vm_listener_remove(d->listener);
    blk_drain(d->conf.blk);
    d->ch->drives[d->unit] = NULL;
    iov_destroy(&d->iov);
    g_clear_pointer(&d->pio, g_free);
    g_clear_pointer(&d->packet_buf, g_free);
    blockconf_detach(&d->conf, d);
}

static void ide_init(Object *o) { IDE_DRIVE(o)->conf.bootindex = -1; }
static void hd_init(Object *o) { IDE_DRIVE(o)->conf.ops = &ide_hd_ops; }
static void cd_init(Object *o) { IDE_DRIVE(o)->conf.ops = &ide_cd_ops; }
static void ide_finalize(Object *o) { blockconf_detach(&IDE_DRIVE(o)->conf, o); }

static const Property unit_props[] = { P_NUM("unit", PROP_U32, IdeDrive, unit, UINT32_MAX), { NULL } };
static const TypeInfo ide_type = {
    .name = "ide-device", .parent = "device", .abstract = true, .size = sizeof(IdeDrive), .props = unit_props,
    .init = ide_init,
    .finalize = ide_finalize,
};
QOM_TYPE(ide_type)

static const char *const translations[] = { "auto", "none", "lba", "large", "rechs", NULL };

#define DRIVE_PROPS                                                                                                     \
    BLOCK_PROPS(IdeDrive), BLOCK_ERROR_PROPS(IdeDrive), BLOCK_BOOT_PROP(IdeDrive), P_STR("ver", IdeDrive, version),     \
    P_NUM("wwn", PROP_U64, IdeDrive, wwn, 0), P_STR("serial", IdeDrive, serial), P_STR("model", IdeDrive, model)

static const Property hd_props[] = {
    DRIVE_PROPS, BLOCK_CHS_PROPS(IdeDrive),
    P_ENUM("bios-chs-trans", "BiosAtaTranslation", translations, IdeDrive, chs_trans, 0,
           "Logical CHS translation algorithm, auto/none/lba/large/rechs"),
    P_NUM("rotation_rate", PROP_U16, IdeDrive, rotation_rate, 0),
    { NULL }
};
static const Property cd_props[] = { DRIVE_PROPS, { NULL } };

static const DeviceClass hd_class = {
    .bus_type = "IDE", .category = DEVICE_STORAGE, .desc = "virtual IDE disk", .realize = hd_realize,
    .unrealize = unrealize,
};
static const TypeInfo hd_type = {
    .name = "ide-hd", .parent = "ide-device", .size = sizeof(IdeDrive), .props = hd_props, .init = hd_init,
    .class_data = &hd_class,
};
QOM_TYPE(hd_type)

static const DeviceClass cd_class = {
    .bus_type = "IDE", .category = DEVICE_STORAGE, .desc = "virtual IDE CD-ROM", .realize = cd_realize,
    .unrealize = unrealize,
};
static const TypeInfo cd_type = {
    .name = "ide-cd", .parent = "ide-device", .size = sizeof(IdeDrive), .props = cd_props, .init = cd_init,
    .class_data = &cd_class,
};
QOM_TYPE(cd_type)
