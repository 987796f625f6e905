/*
 * blockdev-create and x-blockdev-amend.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "block/image-jobs.h"
#include "qapi/commands-block-core.h"

QObject *qmp_blockdev_create(const QDict *args, Error **errp)
{
    Job *job = create_job_new(qdict_get_str(args, "job-id"), qdict_get_dict(args, "options"), errp);

    if (!job) {
        return NULL;
    }
    job_start(job);
    return qdict_new();
}

QObject *qmp_x_blockdev_amend(const QDict *args, Error **errp)
{
    BlockDriverState *bs = bdrv_lookup_bs(NULL, qdict_get_str(args, "node-name"), errp);
    Job *job = NULL;

    if (bs) {
        job = amend_job_new(qdict_get_str(args, "job-id"), bs, qdict_get_dict(args, "options"),
                            qdict_get_bool(args, "force", false), errp);
    }
    if (!job) {
        return NULL;
    }
    job_start(job);
    return qdict_new();
}
