/*
 * The commands snapshot-save, snapshot-load and snapshot-delete: jobs, as managers expect, whose work is done at once.
 *
 * The command starts the job, whose coroutine sleeps; it does the work in the main loop's stack, where nodes may be
 * drained and disks written synchronously, and wakes the job with the result.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "block/job.h"
#include "migration/machine-state.h"
#include "qapi/commands-migration.h"

typedef struct SnapshotJob {
    Job job;
    bool done, ok;
    Error *err;
} SnapshotJob;

static int coroutine_fn snapshot_run(Job *job, Error **errp)
{
    SnapshotJob *s = (SnapshotJob *)job;

    job_progress_set_remaining(job, 1);
    while (!s->done) {
        job_yield(job);
    }
    job_progress_update(job, 1);
    if (!s->ok) {
        error_propagate(errp, g_steal_pointer(&s->err));
    }
    return s->ok ? 0 : -EIO;
}

static const JobDriver save_driver = {
    .instance_size = sizeof(SnapshotJob), .type = JOB_TYPE_SNAPSHOT_SAVE, .run = snapshot_run,
};
static const JobDriver load_driver = {
    .instance_size = sizeof(SnapshotJob), .type = JOB_TYPE_SNAPSHOT_LOAD, .run = snapshot_run,
};
static const JobDriver delete_driver = {
    .instance_size = sizeof(SnapshotJob), .type = JOB_TYPE_SNAPSHOT_DELETE, .run = snapshot_run,
};

static void run(const JobDriver *driver, const char *id, const VmSnapshotWhat *what,
                bool (*work)(const VmSnapshotWhat *what, Error **errp), Error **errp)
{
    SnapshotJob *s = job_create(id, driver, NULL, JOB_MANUAL_DISMISS, NULL, NULL, errp);

    if (!s) {
        return;
    }
    job_ref(&s->job);
    job_start(&s->job);
    error_set_nameless(false);         /* what is printed is said by the job, not by the command */
    s->ok = work(what, &s->err);
    error_set_nameless(true);
    s->done = true;
    job_enter(&s->job);
    job_unref(&s->job);
}

/* The list as an array that ends with NULL; borrowed names. */
static const char **names(const strList *list)
{
    const char **out = g_new0(const char *, list->len + 1);

    for (size_t i = 0; i < list->len; i++) {
        out[i] = list->items[i];
    }
    return out;
}

void qmp_snapshot_save(const SnapshotSaveArgs *arg, Error **errp)
{
    g_autofree const char **devices = names(arg->devices);
    VmSnapshotWhat what = { .name = arg->tag, .vmstate = arg->vmstate, .devices = devices };

    run(&save_driver, arg->job_id, &what, vm_snapshot_save, errp);
}

void qmp_snapshot_load(const SnapshotLoadArgs *arg, Error **errp)
{
    g_autofree const char **devices = names(arg->devices);
    VmSnapshotWhat what = { .name = arg->tag, .vmstate = arg->vmstate, .devices = devices };

    run(&load_driver, arg->job_id, &what, vm_snapshot_load_and_go, errp);
}

void qmp_snapshot_delete(const SnapshotDeleteArgs *arg, Error **errp)
{
    g_autofree const char **devices = names(arg->devices);
    VmSnapshotWhat what = { .name = arg->tag, .devices = devices };

    run(&delete_driver, arg->job_id, &what, vm_snapshot_delete, errp);
}
