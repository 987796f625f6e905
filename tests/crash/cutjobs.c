/*
 * Steps that are block jobs, with writers meanwhile: commit of the active image, mirror, backup, stream.
 *
 * A job that meets an error does what its policy says and tells so by an event; in the end it has copied everything, or says why not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "alloccount.h"
#include "block/job.h"
#include "cutrun.h"
#include "qapi/dispatch.h"

#define TURNS 20000                    /* of the loop: a job that takes more hangs */
#define DISK_TARGET CUT_DISK_GROUP     /* what mirror and backup copy to */

static struct {
    CutRun *run;
    const char *policy;
    char *error;                       /* of the job when it ended; NULL: none */
} now;

/* What a job does after an error has to be what its policy says. */
static void judge_action(const QDict *event)
{
    const char *action = qdict_get_str(event, "action"), *expected = now.policy;

    if (!strcmp(expected, "enospc")) {
        expected = cut_fail_errno == ENOSPC ? "stop" : "report";
    }
    if (strcmp(action, expected)) {
        cut_run_wrong(now.run, "with on-error=%s the job did %s", now.policy, action);
    }
}

static void on_event(const char *name, QDict *data)
{
    if (!strcmp(name, "BLOCK_JOB_COMPLETED") || !strcmp(name, "BLOCK_JOB_CANCELLED")) {
        const char *error = qdict_has(data, "error") ? qdict_get_str(data, "error") : NULL;

        g_free(now.error);
        now.error = g_strdup(!strcmp(name, "BLOCK_JOB_CANCELLED") ? "cancelled" : error);
    } else if (!strcmp(name, "BLOCK_JOB_ERROR")) {
        judge_action(data);
    }
    if (data) {
        qobject_unref(data);
    }
}

/* Ask a job that is ready to complete.  False: not now (no memory for the command), and it is to be asked again. */
static bool ask_to_complete(const char *id, const char *arguments)
{
    g_autofree char *why = cut_qmp("job-complete", arguments);
    Job *job = job_get(id);

    if (!why || !job || !job_is_ready(job)) {
        return true;                   /* it ended meanwhile */
    }
    cut_run_failed_text(now.run, -cut_fail_errno, why);
    return false;
}

/* Work the job until it is through: complete it when it is ready, let it go on when it stopped for an error.  False: it hangs. */
static bool work_job(const char *id)
{
    g_autofree char *arguments = g_strdup_printf("{\"id\":\"%s\"}", id);
    bool asked = false;
    unsigned resumed = 0;

    for (unsigned turn = 0; job_get(id); turn++) {
        Job *job = job_get(id);

        if (turn > TURNS) {
            return false;
        }
        if (job_is_ready(job) && !asked) {
            cut_wait();
            asked = ask_to_complete(id, arguments);
        } else if (job->user_paused && resumed++ < 3) {
            g_free(cut_qmp("job-resume", arguments));
        } else if (job->user_paused) {
            job_cancel_sync(job);
        } else {
            aio_poll(aio_main_context(), true);
        }
    }
    return true;
}

/* A policy for errors; one that would never end is none for errors that do not end. */
static const char *on_error(CutRun *r)
{
    static const char *const policies[] = { "report", "stop", "enospc", "ignore" };

    return now.policy = policies[cut_pick(r, 0, cut_fail_lasting ? 2 : 3)];
}

/*
 * The command (arguments: a JSON object without its end), worked through with writers meanwhile.  0, or -errno with *why (g_free it),
 * told by the command or by the job; "cancelled" where this test lost patience.
 */
static int run_job(CutRun *r, const char *command, const char *arguments, char **why)
{
    g_autofree char *all = g_strdup_printf("%s,\"job-id\":\"job\"}", arguments);

    now.run = r;
    g_clear_pointer(&now.error, g_free);
    qapi_event_set_emitter(on_event);
    blk_set_perm(r->blk, BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE, BLK_PERM_ALL, &error_abort);     /* as a guest's disk has it */
    *why = cut_qmp(command, all);
    cut_start_writers(r, 2, cut_pick(r, 0, 3));
    if (!*why && !work_job("job")) {
        cut_run_wrong(r, "%s hangs", command);
    }
    cut_wait();
    if (!*why) {
        *why = g_steal_pointer(&now.error);
    }
    if (*why && !cut_met() && !strstr(*why, "Can't resize a v2 image which has snapshots")) {
        cut_run_wrong(r, "%s: %s", command, *why);
    }
    return *why ? -cut_fail_errno : 0;
}

/* The job failed. */
static void failed(CutRun *r, int ret, const char *why)
{
    if (!strcmp(why, "cancelled")) {
        cut_run_failed(r, ret);
    } else {
        cut_run_failed_text(r, ret, why);
    }
}

/* `block-commit` of the active image.  The backend ends on the image below; the other one is taken up again. */
void cut_step_commit_job(CutRun *r)
{
    g_autofree char *arguments = g_strdup_printf("{\"device\":\"image%d\",\"on-error\":\"%s\"", r->disk, on_error(r)), *why = NULL;
    int i = cut_below(r), ret;
    CutCommit c;

    if (i < 0) {
        return;
    }
    c = cut_commit_begun(r, i);
    ret = run_job(r, "block-commit", arguments, &why);
    cut_commit_ended(r, &c, ret, why && strcmp(why, "cancelled") ? why : NULL);
    cut_run_close(r);
    cut_run_reopen(r);
}

/* What mirror and backup copy to: NULL when even opening it fails. */
static BlockBackend *open_target(CutRun *r, unsigned sectors)
{
    QDict *options = qdict_new();
    Error *err = NULL;
    BlockBackend *blk;

    if (!cut_make_image(r, DISK_TARGET, "cluster_size=4k", sectors)) {
        cut_run_wrong(r, "no target");
    }
    qdict_put_str(options, "driver", "qcow2");
    qdict_put_str(options, "node-name", "target");
    cut_put_options(options, "file.", DISK_TARGET);
    blk = blk_open(NULL, NULL, options, BDRV_O_RDWR | BDRV_O_UNMAP, &err);
    if (!blk) {
        cut_run_failed_err(r, -cut_fail_errno, err);
        return NULL;
    }
    blk_set_perm(blk, 0, BLK_PERM_ALL, &error_abort);
    return blk;
}

/* The target, which nobody writes any more, has to show this. */
static void judge_target(CutRun *r, const uint32_t *expected, unsigned n, const char *what)
{
    BlockBackend *blk = cut_may_look() ? cut_open_qcow2(DISK_TARGET, false, NULL) : NULL;

    if (blk) {
        cut_compare(r, blk, expected, n, what);
        blk_unref(blk);
    }
}

/* `blockdev-mirror`.  The backend ends on the target; the source is taken up again. */
void cut_step_mirror(CutRun *r)
{
    static const char *const modes[] = { "background", "write-blocking" };
    BlockDriverState *source = blk_bs(r->blk);
    unsigned n = cut_model_size(r->model);
    BlockBackend *target = open_target(r, n);
    g_autofree char *arguments = NULL, *why = NULL;
    g_autofree uint32_t *expected = NULL;
    const char *policy = on_error(r);
    int ret;

    if (!target) {
        return;
    }
    arguments = g_strdup_printf("{\"device\":\"image%d\",\"target\":\"target\",\"sync\":\"full\",\"on-source-error\":\"%s\","
                                "\"on-target-error\":\"%s\",\"copy-mode\":\"%s\"", r->disk, policy, policy, modes[cut_pick(r, 0, 1)]);
    bdrv_ref(source);
    ret = run_job(r, "blockdev-mirror", arguments, &why);
    expected = cut_expected(r);
    if (blk_bs(r->blk) != source) {
        blk_remove_bs(r->blk);
        blk_insert_bs(r->blk, source, &error_abort);
    }
    bdrv_unref(source);
    blk_unref(target);
    if (ret == 0) {
        judge_target(r, expected, n, "mirror");
    } else {
        failed(r, ret, why);
    }
}

/* `blockdev-backup`: shows what was there when it began. */
void cut_step_backup(CutRun *r)
{
    g_autofree uint32_t *expected = cut_expected(r);
    unsigned n = cut_model_size(r->model);
    BlockBackend *target = open_target(r, n);
    g_autofree char *arguments = NULL, *why = NULL;
    const char *policy = on_error(r);
    int ret;

    if (!target) {
        return;
    }
    arguments = g_strdup_printf("{\"device\":\"image%d\",\"target\":\"target\",\"sync\":\"full\",\"on-source-error\":\"%s\","
                                "\"on-target-error\":\"%s\"", r->disk, policy, policy);
    ret = run_job(r, "blockdev-backup", arguments, &why);
    blk_unref(target);
    if (ret == 0) {
        judge_target(r, expected, n, "backup");
    } else {
        failed(r, ret, why);
    }
}

/* `block-stream` of what lies below: the image shows the same, by itself. */
void cut_step_stream(CutRun *r)
{
    g_autofree char *arguments = g_strdup_printf("{\"device\":\"image%d\",\"on-error\":\"%s\"", r->disk, on_error(r)), *why = NULL;
    g_autofree uint32_t *expected = NULL;
    int ret;

    if (cut_below(r) < 0) {
        return;
    }
    ret = run_job(r, "block-stream", arguments, &why);
    if (ret < 0) {
        failed(r, ret, why);
    } else if (cut_below(r) >= 0) {
        cut_run_wrong(r, "there is a backing image after block-stream");
    } else if (cut_may_look()) {
        expected = cut_expected(r);
        cut_compare(r, r->blk, expected, cut_model_size(r->model), "stream");
    }
}
