/*
 * The create job: an image from BlockdevCreateOptions, as a file of its own or in nodes that are there already.
 *
 * The options become those of `qemu-img create` (names with '_'), which the drivers know.  Opening and closing nodes
 * polls, so everything but a plain file is made by a handler of the main loop, for which the coroutine waits.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "block/image-jobs.h"

typedef struct CreateJob {
    Job job;
    const BlockDriver *drv;
    QDict *options;                    /* nested, as given */
} CreateJob;

/* --- names ------------------------------------------------------------------------ */

static char *option_name(const char *key)
{
    char *name;

    if (!strcmp(key, "version")) {
        return g_strdup("compat");
    }
    /* "encrypt.cipher-alg" and the members of luks keep their names. */
    if (g_str_has_prefix(key, "encrypt.") || !strcmp(key, "key-secret") || g_str_has_suffix(key, "-alg") ||
        !strcmp(key, "cipher-mode") || !strcmp(key, "iter-time")) {
        return g_strdup(key);
    }
    name = g_strdup(key);
    for (char *p = name; *p; p++) {
        *p = *p == '-' ? '_' : *p;
    }
    return name;
}

/* Not of the image but of its file: formats that have no such option of their own read it all the same. */
static QObject *take_preallocation(const CreateJob *j, QDict *opts)
{
    for (const OptDesc *d = j->drv->create_options; d && d->name; d++) {
        if (!strcmp(d->name, "preallocation")) {
            return NULL;
        }
    }
    return qdict_steal(opts, "preallocation");
}

/* A new dictionary for the driver: typed, checked against its create options. */
static QDict *driver_options(const CreateJob *j, Error **errp)
{
    g_autoptr(QObject) given = qobject_clone(j->options);
    g_autoptr(QObject) out = qdict_new(), prealloc = NULL;
    QDict *typed;

    qdict_del(given, "driver");
    qdict_del(given, "filename");
    qdict_del(given, "file");
    qdict_del(given, "data-file");
    qdict_flatten(given);
    for (size_t i = 0; i < qdict_size(given); i++) {
        g_autofree char *name = option_name(qdict_key_at(given, i));
        QObject *value = qdict_value_at(given, i);
        const char *s = qobject_get_str(value);

        if (!strcmp(name, "encrypt.format") && s && !strcmp(s, "qcow")) {
            qdict_put_str(out, name, "aes");
        } else {
            qdict_put(out, name, qobject_ref(value));
        }
    }
    prealloc = take_preallocation(j, out);
    typed = opts_check_all(out, j->drv->create_options, errp);
    if (typed && prealloc) {
        qdict_put(typed, "preallocation", g_steal_pointer(&prealloc));
    }
    return typed;
}

/* A disk is whole sectors; the tools round, the schema says that nothing is rounded. */
static bool check_size(const CreateJob *j, Error **errp)
{
    const QObject *v = qdict_get(j->options, "size");
    int64_t negative;
    uint64_t size = 0;

    if (v && !qobject_get_uint(v, &size) && qobject_get_int(v, &negative)) {
        size = negative;               /* the schema takes it for a size near 2^64, as the peer's does */
    }
    if (j->drv->supports_backing && size % BDRV_SECTOR_SIZE) {
        error_setg(errp, "Image size must be a multiple of %u bytes", BDRV_SECTOR_SIZE);
        return false;
    }
    return true;
}

/* --- the work ----------------------------------------------------------------------- */

/* A BlockdevRef: an existing node, or options for one.  Referenced. */
static BlockDriverState *open_ref(const QObject *ref, Error **errp)
{
    const char *name = qobject_get_str(ref);

    if (name) {
        return bdrv_open(NULL, name, NULL, 0, errp);
    }
    return bdrv_open(NULL, NULL, qobject_clone(ref), BDRV_O_RDWR | BDRV_O_RESIZE | BDRV_O_PROTOCOL, errp);
}

static int create_on_nodes(CreateJob *j, QDict *opts, Error **errp)
{
    const QObject *file_ref = qdict_get(j->options, "file"), *data_ref = qdict_get(j->options, "data-file");
    BlockDriverState *file = open_ref(file_ref, errp), *data = NULL;
    int ret = -EINVAL;

    if (!file) {
        return -EIO;
    }
    if (data_ref) {
        data = open_ref(data_ref, errp);
    }
    if (!data_ref || data) {
        ret = j->drv->create_on(file, data, opts, errp);
    }
    bdrv_unref(data);
    bdrv_unref(file);
    return ret;
}

typedef struct OutsideCall {
    CreateJob *j;
    QDict *opts;
    Error **errp;
    int ret;
} OutsideCall;

static void create_outside(void *opaque)
{
    OutsideCall *c = opaque;

    c->ret = create_on_nodes(c->j, c->opts, c->errp);
}

static int coroutine_fn create(CreateJob *j, Error **errp)
{
    g_autoptr(QObject) opts = check_size(j, errp) ? driver_options(j, errp) : NULL;
    OutsideCall call = { j, opts, errp };

    if (!opts) {
        return -EINVAL;
    }
    if (!j->drv->create_on) {
        return j->drv->co_create(j->drv, qdict_get_str(j->options, "filename"), opts, errp);
    }
    aio_run_outside(create_outside, &call);
    return call.ret;
}

static int coroutine_fn create_run(Job *job, Error **errp)
{
    int ret;

    job_progress_set_remaining(job, 1);
    ret = create((CreateJob *)job, errp);
    job_progress_update(job, 1);
    qobject_unref(g_steal_pointer(&((CreateJob *)job)->options));
    return ret;
}

static void create_free(Job *job)
{
    qobject_unref(((CreateJob *)job)->options);
}

static const JobDriver create_driver = {
    .instance_size = sizeof(CreateJob),
    .type = JOB_TYPE_CREATE,
    .run = create_run,
    .free = create_free,
};

Job *create_job_new(const char *id, const QDict *options, Error **errp)
{
    const char *name = qdict_get_str(options, "driver");
    const BlockDriver *drv = bdrv_find_format(name);
    CreateJob *j;

    if (!drv) {
        error_setg(errp, "Block driver '%s' not found or not supported", name);
        return NULL;
    }
    if (!drv->create_on && !(drv->co_create && qdict_has(options, "filename"))) {
        error_setg(errp, "Driver does not support blockdev-create");
        return NULL;
    }
    j = job_create(id, &create_driver, NULL, JOB_DEFAULT | JOB_MANUAL_DISMISS, NULL, NULL, errp);
    if (!j) {
        return NULL;
    }
    j->drv = drv;
    j->options = qobject_clone(options);
    return &j->job;
}
