/*
 * The target of a conversion: its drivers, creation options and properties.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <sys/stat.h>
#include "img/convert.h"

#define DEFAULT_CHUNK (2 * MiB)
#define DEFAULT_WORKERS 8
#define CACHED_CHUNK ((int64_t)(512 * KiB))
#define CACHED_WORKERS 4

static bool describes(const OptDesc *table, const char *name)
{
    for (; table && table->name; table++) {
        if (!strcmp(table->name, name)) {
            return true;
        }
    }
    return false;
}

static void append_table(GArray *all, const OptDesc *table)
{
    for (; table && table->name; table++) {
        if (!describes((const OptDesc *)all->data, table->name)) {
            g_array_append_val(all, *table);
        }
    }
}

QDict *img_creation_options(const BlockDriver *drv, const BlockDriver *protocol, const char *text, Error **errp)
{
    g_autoptr(GArray) table = g_array_new(TRUE, TRUE, sizeof(OptDesc));

    append_table(table, drv->create_options);
    append_table(table, protocol->create_options);
    return opts_parse_list_checked(text ? text : "", (const OptDesc *)table->data, errp);
}

/* Format and protocol of a target to be created; false after reporting. */
static bool find_drivers(const char *filename, const char *fmt, const BlockDriver **drv, const BlockDriver **protocol)
{
    Error *err = NULL;

    *drv = bdrv_find_format(fmt);
    if (!*drv) {
        error_report("Unknown file format '%s'", fmt);
        return false;
    }
    *protocol = bdrv_find_protocol(filename, true, &err);
    if (!*protocol) {
        error_report_err(err);
        return false;
    }
    if (!(*drv)->create_options) {
        error_report("Format driver '%s' does not support image creation", (*drv)->name);
        return false;
    }
    if (!(*protocol)->create_options) {
        error_report("Protocol driver '%s' does not support image creation", (*protocol)->name);
        return false;
    }
    return true;
}

static bool set_backing_options(const Convert *c, const BlockDriver *drv, QDict *opts)
{
    const ConvertOptions *o = c->opt;

    if (o->base) {
        if (!describes(drv->create_options, "backing_file")) {
            error_report("Backing file not supported for file format '%s'", drv->name);
            return false;
        }
        qdict_put_str(opts, "backing_file", o->base);
    }
    if (o->base_fmt) {
        if (!describes(drv->create_options, "backing_fmt")) {
            error_report("Backing file format not supported for file format '%s'", drv->name);
            return false;
        }
        qdict_put_str(opts, "backing_fmt", o->base_fmt);
    }
    return true;
}

static bool check_backing(Convert *c, const char *base, const char *base_fmt)
{
    if (base && c->nsources > 1) {
        error_report("Having a backing file for the target makes no sense when concatenating multiple input images");
        return false;
    }
    if (base && !base_fmt) {
        error_report("Use of backing file requires explicit backing format");
        return false;
    }
    c->target_has_backing = base != NULL;
    return true;
}

static bool check_compression(const Convert *c, const BlockDriver *drv, const QDict *opts)
{
    const char *prealloc = opts ? opt_get_str(opts, "preallocation") : NULL;

    if (!c->opt->compress) {
        return true;
    }
    if (!drv->co_write_compressed) {
        error_report("Compression not supported for this file format");
        return false;
    }
    if (opts && (opt_get_bool(opts, "encryption", false) || opt_get_str(opts, "encrypt.format"))) {
        error_report("Compression and encryption not supported at the same time");
        return false;
    }
    if (prealloc && strcmp(prealloc, "off")) {
        error_report("Compression and preallocation not supported at the same time");
        return false;
    }
    return true;
}

/* What the new image is encrypted with opens it too. */
static void note_key_secrets(Convert *c, const QDict *opts)
{
    c->target_secrets = qdict_new();
    for (size_t i = 0; i < qdict_size(opts); i++) {
        if (g_str_has_suffix(qdict_key_at(opts, i), "key-secret")) {
            qdict_put(c->target_secrets, qdict_key_at(opts, i), qobject_ref(qdict_value_at(opts, i)));
        }
    }
}

static bool create_target(Convert *c, const char *filename)
{
    const char *fmt = c->opt->output_fmt ?: "raw";
    const BlockDriver *drv, *protocol;
    g_autoptr(QObject) opts = NULL;
    Error *err = NULL;

    if (!find_drivers(filename, fmt, &drv, &protocol)) {
        return false;
    }
    opts = img_creation_options(drv, protocol, c->opt->create_options, &err);
    if (!opts) {
        error_report_err(err);
        return false;
    }
    qdict_put_uint(opts, "size", c->total);
    if (!set_backing_options(c, drv, opts) ||
        !check_backing(c, opt_get_str(opts, "backing_file"), opt_get_str(opts, "backing_fmt")) ||
        !check_compression(c, drv, opts)) {
        return false;
    }
    note_key_secrets(c, opts);
    if (bdrv_create(drv, filename, g_steal_pointer(&opts), &err) < 0) {
        error_reportf_err(err, "%s: error while converting %s: ", filename, fmt);
        return false;
    }
    c->created = true;
    return true;
}

/* Do all children end in regular files?  These are created empty and grow by zeroes. */
static bool lies_in_files(const BlockDriverState *bs)
{
    for (const BdrvChild *child = bs->children; child; child = child->next) {
        if (!lies_in_files(child->bs)) {
            return false;
        }
    }
    return bs->children || !strcmp(bs->drv->name, "file");
}

/* Blocks past what is written read as zeroes, as the target is ours and new. */
static bool fresh_target_is_zero(const Convert *c)
{
    BlockDriverState *bs = blk_bs(c->target);
    int64_t bytes = blk_getlength(c->target);

    if (!c->created || c->target_has_backing || bytes < 0 || bs->encrypted) {
        return false;
    }
    return lies_in_files(bs) || bdrv_is_zero_fast(bs, 0, bytes) == 1;
}

static bool measure_target(Convert *c)
{
    int64_t length = blk_getlength(c->target);
    BlockDriverState *bs = blk_bs(c->target), *backing = bdrv_backing_chain_next(bs);
    BlockDriverInfo info = { 0 };

    if (c->opt->skip_create && length < 0) {
        error_report("unable to get output image length: %s", strerror(-length));
        return false;
    }
    if (c->opt->skip_create && length < c->total) {
        error_report("output file is smaller than input file");
        return false;
    }
    if (c->target_has_backing) {
        c->target_backing_length = backing ? bdrv_getlength(backing) : 0;
    }
    if (bdrv_get_info(bs, &info) < 0 && c->opt->compress) {
        error_report("could not get block driver info");
        return false;
    }
    c->compressed = c->opt->compress || info.needs_compressed_writes;
    c->cluster_size = info.cluster_size;
    if (c->compressed && (c->cluster_size <= 0 || (uint64_t)c->cluster_size > DEFAULT_CHUNK)) {
        error_report("invalid cluster size");
        return false;
    }
    return true;
}

/*
 * Between files in the page cache the memory is the limit: all buffers together must stay in the processor's cache
 * from the read to the write.  Zeroes are found in small jobs as in large ones only if they are looked for unit by unit.
 */
static bool small_jobs_do(const Convert *c)
{
    return !(c->opt->target.flags & BDRV_O_NOCACHE) && lies_in_files(blk_bs(c->target)) &&
           c->cluster_size <= CACHED_CHUNK && c->zero_unit <= CACHED_CHUNK &&
           (!c->opt->min_sparse || c->opt->min_sparse == c->zero_unit);
}

static void choose_units(Convert *c)
{
    int64_t sparse = c->opt->min_sparse, limit = blk_get_max_transfer(c->target);
    bool small;

    c->zero_unit = BDRV_SECTOR_SIZE;
    while (c->zero_unit * 2 <= sparse) {
        c->zero_unit *= 2;
    }
    c->zero_unit = MAX(c->zero_unit, (int64_t)blk_get_request_alignment(c->target));
    small = small_jobs_do(c);
    c->chunk = small ? CACHED_CHUNK : (int64_t)DEFAULT_CHUNK;
    c->workers = c->opt->workers ?: small && !c->compressed ? CACHED_WORKERS : DEFAULT_WORKERS;
    if (limit > 0 && limit < c->chunk) {
        c->chunk = limit;
    }
    if (c->compressed) {
        c->chunk = c->cluster_size;
    }
}

static bool check_bitmap_support(const Convert *c)
{
    BlockDriverState *bs = blk_bs(c->target);

    if (c->opt->bitmaps && !(bs->drv->supports_persistent_bitmaps && bs->drv->supports_persistent_bitmaps(bs))) {
        error_report("Format driver '%s' does not support bitmaps", bs->drv->name);
        return false;
    }
    return true;
}

static bool open_created(Convert *c, const char *filename)
{
    ImgOpen how = c->opt->target;

    how.extra = c->target_secrets;
    how.flags |= c->created ? BDRV_O_USERS_BACKING : 0;
    how.fmt = how.image_opts ? NULL : c->opt->output_fmt ?: "raw";
    c->target = img_open(filename, &how);
    return c->target != NULL;
}

bool convert_open_target(Convert *c, const char *filename)
{
    if (c->opt->skip_create) {
        if (!check_backing(c, c->opt->base, c->opt->base_fmt) || !open_created(c, filename) ||
            !check_compression(c, blk_bs(c->target)->drv, NULL)) {
            return false;
        }
    } else if (!create_target(c, filename) || !open_created(c, filename)) {
        return false;
    }
    if (!check_bitmap_support(c) || !measure_target(c)) {
        return false;
    }
    c->zero_init = c->opt->target_is_zero || fresh_target_is_zero(c);
    choose_units(c);
    return true;
}
