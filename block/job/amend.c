/*
 * The amend job: options of an image in use are changed (today: key slots).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "block/image-jobs.h"

typedef struct AmendJob {
    Job job;
    BlockDriverState *bs;              /* referenced until the end */
    QDict *options;                    /* nested, as given */
    bool force;
} AmendJob;

/* Only what the schema lets through comes here; what the image does not have is told from its state. */
static int check_qcow2(const AmendJob *a, Error **errp)
{
    const QDict *encrypt = qdict_get_dict(a->options, "encrypt");

    if (!encrypt) {
        return 0;
    }
    if (!a->bs->encrypted) {
        error_setg(errp, "image is not encrypted, can't amend");
        return -EOPNOTSUPP;
    }
    if (g_strcmp0(qdict_get_str(encrypt, "format"), "luks")) {
        error_setg(errp, "Amend can't be used to change the qcow2 encryption format");
        return -EOPNOTSUPP;
    }
    return 1;
}

static int amend(AmendJob *a, Error **errp)
{
    g_autoptr(QObject) opts = qobject_clone(a->options), typed = NULL;

    if (!strcmp(a->bs->drv->name, "qcow2")) {
        int ret = check_qcow2(a, errp);

        if (ret <= 0) {
            return ret;
        }
    }
    qdict_del(opts, "driver");
    qdict_flatten(opts);
    qdict_del(opts, "encrypt.format");
    typed = opts_check_all(opts, a->bs->drv->amend_options, errp);
    return typed ? a->bs->drv->amend(a->bs, typed, NULL, NULL, a->force, errp) : -EINVAL;
}

typedef struct OutsideCall {
    AmendJob *a;
    Error **errp;
    int ret;
} OutsideCall;

static void amend_outside(void *opaque)
{
    OutsideCall *c = opaque;

    c->ret = amend(c->a, c->errp);
}

static int coroutine_fn amend_run(Job *job, Error **errp)
{
    OutsideCall call = { (AmendJob *)job, errp };

    job_progress_set_remaining(job, 1);
    aio_run_outside(amend_outside, &call);
    job_progress_update(job, 1);
    return call.ret;
}

static void amend_clean(Job *job)
{
    bdrv_unref(g_steal_pointer(&((AmendJob *)job)->bs));
}

static void amend_free(Job *job)
{
    qobject_unref(((AmendJob *)job)->options);
}

static const JobDriver amend_driver = {
    .instance_size = sizeof(AmendJob),
    .type = JOB_TYPE_AMEND,
    .run = amend_run,
    .clean = amend_clean,
    .free = amend_free,
};

Job *amend_job_new(const char *id, BlockDriverState *bs, const QDict *options, bool force, Error **errp)
{
    const char *name = qdict_get_str(options, "driver");
    const BlockDriver *drv = bdrv_find_format(name);
    AmendJob *a;

    if (!drv) {
        error_setg(errp, "Block driver '%s' not found or not supported", name);
        return NULL;
    }
    if (bs->drv != drv) {
        error_setg(errp, "x-blockdev-amend doesn't support changing the block driver");
        return NULL;
    }
    if (!drv->amend) {
        error_setg(errp, "Driver does not support x-blockdev-amend");
        return NULL;
    }
    a = job_create(id, &amend_driver, NULL, JOB_DEFAULT | JOB_MANUAL_DISMISS, NULL, NULL, errp);
    if (!a) {
        return NULL;
    }
    bdrv_ref(bs);
    a->bs = bs;
    a->options = qobject_clone(options);
    a->force = force;
    return &a->job;
}
