/*
 * Creating images: the drivers' create call, and what `qemu-img create` does around it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "internal.h"
#include "util/cutils.h"

typedef struct CreateCall {
    const BlockDriver *drv;
    const char *filename;
    QDict *opts;
    Error **errp;
    int ret;
} CreateCall;

static void coroutine_fn create_entry(void *opaque)
{
    CreateCall *c = opaque;

    c->ret = c->drv->co_create(c->drv, c->filename, c->opts, c->errp);
}

static bool table_has(const OptDesc *table, const char *name)
{
    for (; table && table->name; table++) {
        if (!strcmp(table->name, name)) {
            return true;
        }
    }
    return false;
}

/* Options of the format and, behind them, those of the protocol that it does not have itself.  g_free it. */
static OptDesc *merged_table(const BlockDriver *drv, const BlockDriver *proto)
{
    GArray *all = g_array_new(true, true, sizeof(OptDesc));

    for (const OptDesc *d = drv->create_options; d && d->name; d++) {
        g_array_append_val(all, *d);
    }
    for (const OptDesc *d = proto && proto != drv ? proto->create_options : NULL; d && d->name; d++) {
        if (!table_has(drv->create_options, d->name)) {
            g_array_append_val(all, *d);
        }
    }
    return (OptDesc *)g_array_free(all, false);
}

static int create_by_truncation(const char *filename, const BlockDriver *proto, const QDict *opts, Error **errp);

int bdrv_create(const BlockDriver *drv, const char *filename, QDict *opts, Error **errp)
{
    ERRP_GUARD();
    CreateCall call = { drv, filename, NULL, errp, 0 };
    const BlockDriver *proto = bdrv_find_protocol(filename, true, NULL);
    g_autofree OptDesc *table = merged_table(drv, proto);

    if (!drv->co_create && drv->protocol && drv->create_options) {
        call.ret = create_by_truncation(filename, drv, opts, errp);
    } else if (!drv->co_create) {
        error_setg(errp, "Driver '%s' does not support image creation", drv->name);
        call.ret = -ENOTSUP;
    } else {
        call.opts = opts_check_all(opts, table, errp);
        call.ret = call.opts ? 0 : -EINVAL;
    }
    if (call.ret == 0 && call.opts) {
        co_run_sync(create_entry, &call);
    }
    if (call.ret < 0 && !*errp) {
        error_setg_errno(errp, -call.ret, "Could not create image");
    }
    qobject_unref(call.opts);
    qobject_unref(opts);
    return call.ret;
}

/* A protocol that cannot create: what is there already is emptied and given its size by a truncation. */
static int empty_and_resize(const char *filename, const BlockDriver *proto, int64_t size, Error **errp)
{
    ERRP_GUARD();
    static const BdrvChildOps ops = { 0 };
    QDict *options = qdict_new();
    BlockDriverState *bs;
    BdrvChild *c;
    int ret;

    qdict_put_str(options, "driver", proto->name);
    bs = bdrv_open(filename, NULL, options, BDRV_O_RDWR | BDRV_O_RESIZE, errp);
    if (!bs) {
        error_prepend(errp, "Protocol driver '%s' does not support image creation, and opening the image failed: ",
                      proto->name);
        return -EINVAL;
    }
    c = bdrv_root_attach(bs, "root", &ops, NULL, BLK_PERM_WRITE | BLK_PERM_RESIZE, BLK_PERM_ALL, errp);
    if (!c) {
        return -EPERM;
    }
    ret = bdrv_truncate(c, size, false, PREALLOC_OFF, 0, errp);
    if (ret == -ENOTSUP) {          /* fixed length: good enough when it is long enough */
        int64_t len = bdrv_getlength(c->bs);

        if (len >= size) {
            error_free(*errp);
            *errp = NULL;
            ret = bdrv_zero(c, 0, MIN(len, BDRV_SECTOR_SIZE), BDRV_REQ_MAY_UNMAP);
        }
    }
    bdrv_root_detach(c);
    return ret;
}

static int create_by_truncation(const char *filename, const BlockDriver *proto, const QDict *opts, Error **errp)
{
    g_autoptr(QObject) o = qobject_clone(opts);
    g_autoptr(QObject) typed = opts_absorb(o, (const OptDesc[]) { { "size", OPT_SIZE }, { "preallocation", OPT_STRING }, { NULL } },
                                           errp);
    const char *mode = typed ? opt_get_str(typed, "preallocation") : NULL;

    if (mode && strcmp(mode, "off")) {
        error_setg(errp, "Unsupported preallocation mode '%s'", mode);
        return -ENOTSUP;
    }
    return typed ? empty_and_resize(filename, proto, opt_get_size(typed, "size", 0), errp) : -EINVAL;
}

int bdrv_create_file(const char *filename, const QDict *opts, Error **errp)
{
    const BlockDriver *proto = bdrv_find_protocol(filename, true, errp);
    QDict *known;

    if (!proto) {
        return -EINVAL;
    }
    if (!proto->co_create) {
        return create_by_truncation(filename, proto, opts, errp);
    }
    known = qdict_new();
    for (size_t i = 0; i < qdict_size(opts); i++) {
        const char *key = qdict_key_at(opts, i);

        if (table_has(proto->create_options, key)) {
            qdict_put(known, key, qobject_ref(qdict_value_at(opts, i)));
        }
    }
    return bdrv_create(proto, filename, known, errp);
}

void bdrv_remove_created_file(const char *filename)
{
    const char *path = filename;
    struct stat st;

    if (!str_has_prefix(filename, "file:", &path) && path_has_protocol(filename)) {
        return;
    }
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
        unlink(path);
    }
}

/* --- qemu-img create ---------------------------------------------------- */

typedef struct ImgCreate {
    const BlockDriver *drv, *proto;
    const char *filename, *fmt;
    OptDesc *table;
    QDict *opts;                       /* typed */
    QDict *text;                       /* as the user wrote them: switches are shown so */
} ImgCreate;

static void img_create_clear(ImgCreate *ic)
{
    g_free(ic->table);
    qobject_unref(ic->opts);
    qobject_unref(ic->text);
}

static int find_drivers(ImgCreate *ic, Error **errp)
{
    ic->drv = bdrv_find_format(ic->fmt);
    if (!ic->drv) {
        error_setg(errp, "Unknown file format '%s'", ic->fmt);
        return -EINVAL;
    }
    ic->proto = bdrv_find_protocol(ic->filename, true, errp);
    if (!ic->proto) {
        return -EINVAL;
    }
    if (!ic->drv->create_options) {
        error_setg(errp, "Format driver '%s' does not support image creation", ic->drv->name);
        return -EINVAL;
    }
    if (!ic->proto->create_options) {
        error_setg(errp, "Protocol driver '%s' does not support image creation", ic->proto->name);
        return -EINVAL;
    }
    return 0;
}

static int put_backing(ImgCreate *ic, const char *base, const char *base_fmt, Error **errp)
{
    if (base) {
        if (!table_has(ic->table, "backing_file")) {
            error_setg(errp, "Backing file not supported for file format '%s'", ic->fmt);
            return -EINVAL;
        }
        qdict_put_str(ic->opts, "backing_file", base);
    }
    if (base_fmt) {
        if (!table_has(ic->table, "backing_fmt")) {
            error_setg(errp, "Backing file format not supported for file format '%s'", ic->fmt);
            return -EINVAL;
        }
        qdict_put_str(ic->opts, "backing_fmt", base_fmt);
    }
    return 0;
}

static int collect_options(ImgCreate *ic, const char *text, int64_t size, Error **errp)
{
    g_autoptr(QObject) given = text ? opts_parse_list(text, NULL, NULL, errp) : qdict_new();

    if (!given) {
        return -EINVAL;
    }
    ic->text = qobject_clone(given);
    ic->table = merged_table(ic->drv, ic->proto);
    ic->opts = opts_parse_list_checked(text ? text : "", ic->table, errp);
    if (!ic->opts) {
        return -EINVAL;
    }
    if (opt_get_size(ic->opts, "size", 0) == UINT64_MAX) {         /* as the peer: no size at all */
        qdict_del(ic->opts, "size");
    }
    if (size != -1 && qdict_has(ic->opts, "size")) {
        error_setg(errp, "The image size must be specified only once");
        return -EINVAL;
    }
    if (size != -1) {
        qdict_put_int(ic->opts, "size", size);
    }
    return 0;
}

static int check_backing_names(ImgCreate *ic, bool no_open, Error **errp)
{
    const char *file = opt_get_str(ic->opts, "backing_file");

    if (!file) {
        return 0;
    }
    if (!*file) {
        error_setg(errp, "Expected backing file name, got empty string");
        return -EINVAL;
    }
    if (!strcmp(file, ic->filename)) {
        error_setg(errp, "Error: Trying to create an image with the same filename as the backing file");
        return -EINVAL;
    }
    if (no_open && !opt_get_str(ic->opts, "backing_fmt")) {
        error_setg(errp, "Backing file specified without backing format");
        return -EINVAL;
    }
    return 0;
}

/* The backing image must be there and be of the format said; its size is the default for ours. */
static int look_at_backing(ImgCreate *ic, int flags, Error **errp)
{
    ERRP_GUARD();
    const char *file = opt_get_str(ic->opts, "backing_file");
    const char *fmt = opt_get_str(ic->opts, "backing_fmt");
    g_autofree char *full = bdrv_full_backing_from(ic->filename, file, errp);
    QDict *options = qdict_new();
    BlockDriverState *bs;
    int64_t size;

    if (!full) {
        qobject_unref(options);
        return -EINVAL;
    }
    if (fmt) {
        qdict_put_str(options, "driver", fmt);
    }
    qdict_put_bool(options, "force-share", true);
    flags &= ~(BDRV_O_RDWR | BDRV_O_SNAPSHOT | BDRV_O_NO_BACKING);
    bs = bdrv_open(full, NULL, options, flags, errp);
    if (!bs) {
        error_append_hint(errp, "Could not open backing image.\n");
        return -EINVAL;
    }
    size = bdrv_getlength(bs);
    if (!fmt) {
        error_setg(errp, "Backing file specified without backing format");
        error_append_hint(errp, "Detected format of %s.", bs->drv->name);
    } else if (!qdict_has(ic->opts, "size") && size < 0) {
        error_setg_errno(errp, -size, "Could not get size of '%s'", full);
    } else if (!qdict_has(ic->opts, "size")) {
        qdict_put_int(ic->opts, "size", size);
    }
    bdrv_unref(bs);
    return *errp ? -EINVAL : 0;
}

static void print_value(const OptDesc *d, const QObject *v)
{
    const char *s = qobject_get_str(v);
    uint64_t u;
    int64_t n;
    bool b;

    printf(" %s=", d->name);
    if (qobject_get_bool(v, &b)) {
        printf("%s", b ? "on" : "off");
    } else if (qobject_get_int(v, &n)) {
        printf("%" PRId64, n);
    } else if (qobject_get_uint(v, &u)) {
        printf("%" PRId64, (int64_t)u);      /* the peer prints sizes as signed */
    }
    for (; s && *s; s++) {
        printf(*s == ',' ? ",," : "%c", *s);
    }
}

static void print_formatting(const ImgCreate *ic)
{
    printf("Formatting '%s', fmt=%s", ic->filename, ic->fmt);
    for (const OptDesc *d = ic->table; d->name; d++) {
        QObject *v = qdict_get(ic->opts, d->name);
        QObject *written = d->type == OPT_BOOL ? qdict_get(ic->text, d->name) : NULL;

        if (v) {
            print_value(d, written ? written : v);
        }
    }
    printf("\n");
    fflush(stdout);
}

static void create_image(ImgCreate *ic, Error **errp)
{
    ERRP_GUARD();
    int ret = bdrv_create(ic->drv, ic->filename, qobject_ref(ic->opts), errp);

    if (ret == -EFBIG) {
        error_free(*errp);
        *errp = NULL;
        error_setg(errp, "The image size is too large for file format '%s'%s", ic->fmt,
                   table_has(ic->table, "cluster_size") ? " (try using a larger cluster size)" : "");
    }
}

void bdrv_img_create(const char *filename, const char *fmt, const char *base_filename, const char *base_fmt,
                     const char *options, int64_t size, int flags, bool quiet, bool no_open_backing, Error **errp)
{
    __attribute__((cleanup(img_create_clear))) ImgCreate ic = { .filename = filename, .fmt = fmt };

    if (find_drivers(&ic, errp) < 0 || collect_options(&ic, options, size, errp) < 0 ||
        put_backing(&ic, base_filename, base_fmt, errp) < 0 || check_backing_names(&ic, no_open_backing, errp) < 0) {
        return;
    }
    if (opt_get_str(ic.opts, "backing_file") && !no_open_backing && look_at_backing(&ic, flags, errp) < 0) {
        return;
    }
    if (!qdict_has(ic.opts, "size")) {
        error_setg(errp, "Image creation needs a size parameter");
        return;
    }
    if (!quiet) {
        print_formatting(&ic);
    }
    create_image(&ic, errp);
}
