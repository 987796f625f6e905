/*
 * Drives: from the options of -drive to a named backend with a place on a bus.
 *
 * The name of a drive's backend holds one reference to it, until drive_del, drive_auto_del or the end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "drive.h"
#include "internal.h"
#include "qapi/commands-block-core.h"
#include "util/cutils.h"
#include "util/options.h"

static const char *const if_names[DRIVE_IF_COUNT] = {
    "none", "ide", "scsi", "floppy", "pflash", "mtd", "sd", "virtio", "xen",
};

/* Units on a bus; 0: the interface has one bus without end. */
static int max_devs[DRIVE_IF_COUNT] = { [DRIVE_IF_IDE] = 2, [DRIVE_IF_SCSI] = 7 };

static const OptDesc place_options[] = {
    { "bus", OPT_NUMBER, "bus number", NULL },
    { "unit", OPT_NUMBER, "unit number (i.e. lun for scsi)", NULL },
    { "index", OPT_NUMBER, "index number", NULL },
    { "media", OPT_STRING, "media type (disk, cdrom)", NULL },
    { "if", OPT_STRING, "interface (ide, scsi, sd, mtd, floppy, pflash, virtio)", NULL },
    { "file", OPT_STRING, "file name", NULL },
    { "id", OPT_STRING, NULL, NULL },
    { NULL }
};

int drive_get_max_devs(DriveInterface type)
{
    return max_devs[type];
}

void drive_override_max_devs(DriveInterface type, int n)
{
    max_devs[type] = n;
}

const char *drive_if_name(DriveInterface type)
{
    return if_names[type];
}

bool drive_if_parse(const char *name, DriveInterface *out)
{
    for (int i = 0; i < DRIVE_IF_COUNT; i++) {
        if (!strcmp(if_names[i], name)) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* --- all drives ------------------------------------------------------------------------------------ */

DriveInfo *drive_next(DriveInfo *dinfo)
{
    BlockBackend *blk = dinfo ? dinfo->blk : NULL;

    while ((blk = blk_next(blk))) {
        if (blk_legacy_dinfo(blk)) {
            return blk_legacy_dinfo(blk);
        }
    }
    return NULL;
}

DriveInfo *drive_get(DriveInterface type, int bus, int unit)
{
    for (DriveInfo *d = drive_next(NULL); d; d = drive_next(d)) {
        if (d->type == type && d->bus == bus && d->unit == unit) {
            return d;
        }
    }
    return NULL;
}

DriveInfo *drive_get_by_index(DriveInterface type, int index)
{
    int n = max_devs[type];

    return drive_get(type, n ? index / n : 0, n ? index % n : index);
}

int drive_get_max_bus(DriveInterface type)
{
    int max = -1;

    for (DriveInfo *d = drive_next(NULL); d; d = drive_next(d)) {
        max = d->type == type ? MAX(max, d->bus) : max;
    }
    return max;
}

bool drive_check_orphaned(void)
{
    bool ok = true;

    for (DriveInfo *d = drive_next(NULL); d; d = drive_next(d)) {
        if (!blk_get_attached_dev(d->blk) && !d->is_default && d->type != DRIVE_IF_NONE && !d->claimed) {
            error_report("machine type does not support if=%s,bus=%d,unit=%d", if_names[d->type], d->bus, d->unit);
            ok = false;
        }
    }
    return ok;
}

/* --- the backend ------------------------------------------------------------------------------------ */

static BlockBackend *empty_backend(const DriveOptions *d)
{
    BlockBackend *blk = blk_new(0, BLK_PERM_ALL);
    BlkRootState *root = blk_root_state(blk);

    root->detect_zeroes = d->detect_zeroes;
    root->detect_zeroes_unmap = d->detect_zeroes_unmap;
    root->open_flags = d->aio_flags | (d->snapshot ? BDRV_O_SNAPSHOT : 0) | (d->read_only ? 0 : BDRV_O_RDWR);
    return blk;
}

static BlockBackend *open_backend(const char *file, QDict *opts, const DriveOptions *d, Error **errp)
{
    int flags = d->aio_flags | BDRV_O_AUTO_RDONLY;
    BlockBackend *blk;

    if (d->copy_on_read && d->read_only) {
        warn_report("disabling copy-on-read on read-only drive");
    }
    flags |= d->snapshot ? BDRV_O_SNAPSHOT : 0;
    flags |= d->read_only ? 0 : BDRV_O_RDWR;
    flags |= d->copy_on_read && !d->read_only ? BDRV_O_COPY_ON_READ : 0;
    flags |= blockdev_is_incoming() ? BDRV_O_INACTIVE : 0;
    blk = blk_open(file, NULL, qobject_ref(opts), flags, errp);
    if (blk) {
        blk_bs(blk)->detect_zeroes = d->detect_zeroes;
        blk_bs(blk)->detect_zeroes_unmap = d->detect_zeroes_unmap;
    }
    return blk;
}

static void set_up(BlockBackend *blk, const char *id, const DriveOptions *d)
{
    block_acct_setup(blk_get_stats(blk), d->account_invalid, d->account_failed);
    for (guint i = 0; i < d->intervals->len; i++) {
        block_acct_add_interval(blk_get_stats(blk), g_array_index(d->intervals, unsigned, i));
    }
    if (throttle_config_enabled(&d->limits)) {
        blk_io_limits_enable(blk, d->group ? d->group : id);
        blk_set_io_limits(blk, &d->limits);
    }
    blk_set_enable_write_cache(blk, !d->writethrough);
    blk_set_on_error(blk, d->on_read_error, d->on_write_error);
}

static bool is_help(const char *text)
{
    return !strcmp(text, "help") || !strcmp(text, "?");
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_formats(void)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (int i = 0; bdrv_driver_at(i); i++) {
        if (bdrv_find_format(bdrv_driver_at(i)->name) == bdrv_driver_at(i)) {   /* one line for several protocols */
            g_ptr_array_add(names, (gpointer)bdrv_driver_at(i)->name);
        }
    }
    g_ptr_array_sort(names, compare_names);
    /* All of them may be opened either way. */
    for (int read_only = 0; read_only < 2; read_only++) {
        printf("Supported formats%s:", read_only ? " (read-only)" : "");
        for (guint i = 0; i < names->len; i++) {
            printf(" %s", (const char *)g_ptr_array_index(names, i));
        }
        printf("\n");
    }
}

/* opts: what is left of the options after the place was taken out. */
static BlockBackend *make_backend(const char *id, const char *file, QDict *opts, Error **errp)
{
    DriveOptions d;
    BlockBackend *blk = NULL;

    if (qdict_get_str(opts, "format") && is_help(qdict_get_str(opts, "format"))) {
        print_formats();
        return NULL;
    }
    if (drive_options_take(opts, &d, errp) == 0) {
        bool empty = (!file || !*file) && qdict_size(opts) == 0;

        blk = empty ? empty_backend(&d) : open_backend(file && *file ? file : NULL, opts, &d, errp);
    }
    if (blk) {
        set_up(blk, id, &d);
        if (!blk_set_name(blk, id, errp)) {
            blk_unref(blk);
            blk = NULL;
        }
    }
    drive_options_clear(&d);
    return blk;
}

/* --- the place --------------------------------------------------------------------------------------- */

typedef struct Place {
    DriveInterface type;
    int bus, unit;
    bool cdrom;
} Place;

static int parse_media(const QDict *o, Place *p, Error **errp)
{
    const char *media = opt_get_str(o, "media");

    p->cdrom = media && !strcmp(media, "cdrom");
    if (media && !p->cdrom && strcmp(media, "disk")) {
        error_setg(errp, "'%s' invalid media", media);
        return -EINVAL;
    }
    return 0;
}

static void first_free(Place *p)
{
    int n = max_devs[p->type];

    for (p->unit = 0; drive_get(p->type, p->bus, p->unit); ) {
        p->unit++;
        if (n && p->unit >= n) {
            p->unit -= n;
            p->bus++;
        }
    }
}

static int find_place(const QDict *o, DriveInterface default_if, Place *p, Error **errp)
{
    const char *name = opt_get_str(o, "if");
    int index = opt_get_number(o, "index", -1), n;

    p->type = default_if;
    if (name && !drive_if_parse(name, &p->type)) {
        error_setg(errp, "unsupported bus type '%s'", name);
        return -EINVAL;
    }
    p->bus = opt_get_number(o, "bus", 0);
    p->unit = opt_get_number(o, "unit", -1);
    n = max_devs[p->type];
    if (index != -1) {
        if (p->bus != 0 || p->unit != -1) {
            error_setg(errp, "index cannot be used with bus and unit");
            return -EINVAL;
        }
        p->bus = n ? index / n : 0;
        p->unit = n ? index % n : index;
    }
    if (p->unit == -1) {
        first_free(p);
    }
    if (n && p->unit >= n) {
        error_setg(errp, "unit %d too big (max is %d)", p->unit, n - 1);
        return -EINVAL;
    }
    if (drive_get(p->type, p->bus, p->unit)) {
        error_setg(errp, "drive with bus=%d, unit=%d (index=%d) exists", p->bus, p->unit, index);
        return -EINVAL;
    }
    return 0;
}

static char *place_name(const Place *p)
{
    const char *medium = "";

    if (p->type == DRIVE_IF_IDE || p->type == DRIVE_IF_SCSI) {
        medium = p->cdrom ? "-cd" : "-hd";
    }
    return max_devs[p->type] ? g_strdup_printf("%s%i%s%i", if_names[p->type], p->bus, medium, p->unit)
                             : g_strdup_printf("%s%s%i", if_names[p->type], medium, p->unit);
}

static int check_policies(const QDict *opts, const Place *p, Error **errp)
{
    static const char *const policies[] = { "werror", "rerror" };

    for (size_t i = 0; i < G_N_ELEMENTS(policies); i++) {
        if (qdict_has(opts, policies[i]) && p->type != DRIVE_IF_IDE && p->type != DRIVE_IF_SCSI &&
            p->type != DRIVE_IF_VIRTIO && p->type != DRIVE_IF_NONE) {
            error_setg(errp, "%s is not supported by this bus type", policies[i]);
            return -EINVAL;
        }
    }
    return 0;
}

static void dinfo_free(DriveInfo *dinfo)
{
    g_free(dinfo);
}

static DriveInfo *make_drive(const QDict *place, const Place *p, QDict *opts, Error **errp)
{
    ERRP_GUARD();
    const char *id = opt_get_str(place, "id");
    g_autofree char *name = id ? g_strdup(id) : place_name(p);
    BlockBackend *blk;
    DriveInfo *dinfo;

    if (id && !id_wellformed(id)) {
        error_setg(errp, "Parameter 'id' expects an identifier");
        error_append_hint(errp, "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.\n");
        return NULL;
    }
    if (id && blk_by_name(id)) {
        error_setg(errp, "Duplicate ID '%s' for drive", id);
        return NULL;
    }
    if (p->cdrom) {
        qdict_put_str(opts, "read-only", "on");
    }
    blk = make_backend(name, opt_get_str(place, "file"), opts, errp);
    if (!blk) {
        return NULL;
    }
    dinfo = g_new0(DriveInfo, 1);
    *dinfo = (DriveInfo) { .blk = blk, .type = p->type, .bus = p->bus, .unit = p->unit };
    dinfo->media_cd = p->cdrom && (p->type == DRIVE_IF_IDE || p->type == DRIVE_IF_SCSI || p->type == DRIVE_IF_XEN ||
                                   p->type == DRIVE_IF_NONE);
    blk_set_legacy_dinfo(blk, dinfo, dinfo_free);
    return dinfo;
}

DriveInfo *drive_new(const QDict *given, DriveInterface default_if, Error **errp)
{
    g_autoptr(QObject) opts = qobject_clone(given);
    g_autoptr(QObject) place = NULL;
    Place p = { 0 };

    if (drive_options_rename(opts, errp) < 0 || drive_options_split_cache(opts, errp) < 0) {
        return NULL;
    }
    place = opts_absorb(opts, place_options, errp);
    if (!place || parse_media(place, &p, errp) < 0 || find_place(place, default_if, &p, errp) < 0 ||
        check_policies(opts, &p, errp) < 0) {
        return NULL;
    }
    return make_drive(place, &p, opts, errp);
}

bool drive_needs_device(const DriveInfo *dinfo)
{
    return dinfo->type == DRIVE_IF_VIRTIO;
}

/* --- while the machine runs ---------------------------------------------------------------------------- */

DriveInfo *drive_hot_add(const char *text, DriveInterface default_if, Error **errp)
{
    g_autoptr(QObject) opts = opts_parse_list_noisy(text, NULL, NULL, errp);
    DriveInfo *dinfo = opts ? drive_new(opts, default_if, errp) : NULL;

    if (dinfo && dinfo->type != DRIVE_IF_NONE) {
        error_setg(errp, "Can't hot-add drive to type %d", dinfo->type);
        blk_unref(dinfo->blk);
        return NULL;
    }
    return dinfo;
}

bool drive_hot_add_node(const char *text, Error **errp)
{
    QDict *options = opts_parse_list_noisy(text, NULL, NULL, errp);

    if (!options) {
        return false;
    }
    if (!qdict_has(options, "node-name")) {
        error_setg(errp, "'node-name' needs to be specified");
        qobject_unref(options);
        return false;
    }
    return blockdev_add_node(options, errp);
}

void drive_del(const char *id, Error **errp)
{
    BlockdevDelArgs node = { .node_name = (char *)id };
    BlockBackend *blk;

    if (bdrv_find_node(id)) {
        qmp_blockdev_del(&node, errp);
        return;
    }
    blk = blk_by_name(id);
    if (!blk) {
        error_setg(errp, "Device '%s' not found", id);
    } else if (!blk_legacy_dinfo(blk)) {
        error_setg(errp, "Deleting device added with blockdev-add is not supported");
    } else if (!blk_bs(blk) || !bdrv_op_is_blocked(blk_bs(blk), BLOCK_OP_DRIVE_DEL, errp)) {
        blk_remove_bs(blk);
        blk_clear_name(blk);
        if (blk_get_attached_dev(blk)) {
            /* From here on requests fail, which is nothing to stop the machine for. */
            blk_set_on_error(blk, BLK_ON_ERROR_REPORT, BLK_ON_ERROR_REPORT);
        }
        blk_unref(blk);
    }
}

void drive_mark_auto_del(BlockBackend *blk)
{
    DriveInfo *dinfo = blk_legacy_dinfo(blk);

    if (dinfo && *blk_name(blk)) {
        dinfo->auto_del = true;
    }
}

void drive_auto_del(BlockBackend *blk)
{
    DriveInfo *dinfo = blk_legacy_dinfo(blk);

    if (dinfo && dinfo->auto_del && *blk_name(blk)) {
        blk_remove_bs(blk);
        blk_clear_name(blk);
        blk_unref(blk);
    }
}

void drive_close_all(void)
{
    DriveInfo *d;

    while ((d = drive_next(NULL))) {
        blk_clear_name(d->blk);
        blk_unref(d->blk);
    }
}
