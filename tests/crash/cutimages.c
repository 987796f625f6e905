/*
 * Steps on the image as a whole: amend, key slots, commit into what it is based on, rebase.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "alloccount.h"
#include "block/blockdev.h"
#include "block/job.h"
#include "cutrun.h"
#include "img/commands.h"
#include "img/common.h"
#include "qapi/dispatch.h"

/* What qemu-img's main file has for the help text. */
const char img_version_text[] = "";
const ImgCommand img_commands[] = { { NULL } };

static int amend(CutRun *r, const char *what)
{
    BlockDriverState *bs = blk_bs(r->blk);
    QDict *text = opts_parse_list(what, NULL, NULL, &error_abort);
    g_autoptr(QObject) opts = opts_check_all(text, bs->drv->amend_options, &error_abort);
    int ret = bs->drv->amend(bs, opts, NULL, NULL, false, NULL);

    qobject_unref(text);
    return ret;
}

void cut_step_amend(CutRun *r)
{
    static const char *const choices[] = { "refcount_bits=8", "refcount_bits=16", "refcount_bits=64", "lazy_refcounts=on",
                                           "lazy_refcounts=off", "compat=0.10", "compat=1.1", "compat=0.10,refcount_bits=16",
                                           "refcount_bits=1" };
    int ret = amend(r, choices[cut_pick(r, 0, G_N_ELEMENTS(choices) - 1)]);

    if (ret < 0) {
        cut_run_failed(r, ret);
    }
}

/* --- key slots --------------------------------------------------------------------------------- */

static const CutKeyChange *last_key(const CutRun *r, int i) { return &g_array_index(r->keys[i], CutKeyChange, r->keys[i]->len - 1); }

/* One secret is always in; the other comes and goes, and so both change places. */
void cut_step_keys(CutRun *r)
{
    bool both = last_key(r, 0)->active && last_key(r, 1)->active;
    int i = both ? (int)cut_pick(r, 0, 1) : last_key(r, 0)->active;
    CutKeyChange c = { !both, cut_now(), G_MAXUINT };
    g_autofree char *text = NULL;
    int64_t trips = cut_trips;
    int ret;

    if (last_key(r, 0)->end == G_MAXUINT || last_key(r, 1)->end == G_MAXUINT) {
        return;                        /* after a failure: not known what is in */
    }
    text = both ? g_strdup_printf("encrypt.state=inactive,encrypt.old-secret=%s", cut_secret(i))
                : g_strdup_printf("encrypt.state=active,encrypt.new-secret=%s,encrypt.iter-time=1", cut_secret(i));
    ret = amend(r, text);
    if (ret < 0) {
        cut_run_failed(r, ret);
        if (cut_trips == trips) {
            return;                    /* refused: the image is open by the secret that left */
        }
    } else {
        c.end = cut_now();
    }
    g_array_append_val(r->keys[i], c);
}

/* --- chains ------------------------------------------------------------------------------------ */

/* The image below that the header names, -1: none. */
static int below(const CutRun *r)
{
    const char *name = blk_bs(r->blk)->backing_file;

    return strstr(name, "\"disk\":2") ? 0 : strstr(name, "\"disk\":3") ? 1 : -1;
}

static char *own_name(const CutRun *r)
{
    return g_strdup_printf("json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"cutdisk\",\"disk\":%d}%s}", r->disk,
                           r->geometry->data_file ? ",\"data-file\":{\"driver\":\"cutdisk\",\"disk\":1}" : "");
}

typedef struct Commit {
    CutModel *base;
    guint begin, tick;
    unsigned size;
    uint32_t *was;                     /* what the image showed when it began */
} Commit;

/* From now on the image below may hold what this one holds. */
static Commit commit_begun(CutRun *r, int i)
{
    CutModel *m = r->below[i];
    Commit c = { m, cut_now(), cut_model_tick(m), cut_model_size(r->model), NULL };
    CutChange size = { c.begin, G_MAXUINT, c.size, false };

    for (unsigned s = 0; s < c.size; s++) {
        cut_model_put(m, s, r->model->unsure[s] ? CUT_ANY : r->model->now[s], false, c.begin);
    }
    if (cut_model_size(m) < c.size) {
        g_array_append_val(m->sizes, size);
    }
    c.was = g_memdup2(r->model->now, c.size * sizeof(uint32_t));
    return c;
}

/* It does, or it may. */
static void commit_ended(CutRun *r, Commit *c, int ret)
{
    for (unsigned s = 0; s < c->size; s++) {
        if (c->was[s] != r->model->now[s]) {           /* written meanwhile: any of the values, then the last one */
            cut_model_put(c->base, s, CUT_ANY, false, c->begin);
            cut_model_put(c->base, s, r->model->unsure[s] ? CUT_ANY : r->model->now[s], false, c->begin);
        }
        if (ret == 0) {
            cut_model_done(c->base, s, 1);
        } else {
            c->base->unsure[s] = true;
        }
    }
    if (ret == 0) {
        guint tick = cut_model_tick(c->base);

        g_array_index(c->base->sizes, CutChange, c->base->sizes->len - 1).done = tick;
        cut_model_flush(c->base, tick, cut_now());
    } else {
        cut_run_failed(r, ret);
    }
    g_free(c->was);
}

/* A sub-command of qemu-img on the closed image. */
static int offline(CutRun *r, ImgCommandFn *command, char **argv)
{
    int argc = g_strv_length(argv), ret;

    cut_run_close(r);
    ret = command(argc, argv);
    return ret == 0 ? 0 : -cut_fail_errno;
}

void cut_step_commit(CutRun *r)
{
    g_autofree char *name = own_name(r);
    char *argv[] = { (char *)"commit", (char *)"-q", name, NULL };
    int i = below(r), ret;
    Commit c;

    if (i < 0) {
        return;
    }
    cut_run_close(r);
    c = commit_begun(r, i);
    ret = offline(r, img_commit, argv);
    commit_ended(r, &c, ret);
    cut_run_reopen(r);
}

/* Monitor command `commit`. */
void cut_step_commit_live(CutRun *r)
{
    int i = below(r);
    Commit c;

    if (i >= 0) {
        c = commit_begun(r, i);
        commit_ended(r, &c, blockdev_commit(blk_bs(r->blk)));
    }
}

void cut_step_rebase(CutRun *r)
{
    g_autofree char *name = own_name(r), *base = cut_image_name(below(r) == 0 ? CUT_DISK_BELOW + 1 : CUT_DISK_BELOW);
    char *argv[] = { (char *)"rebase", (char *)"-q", (char *)"-F", (char *)"qcow2", (char *)"-b", base, name, NULL };
    int ret = offline(r, img_rebase, argv);

    if (ret < 0) {
        cut_run_failed(r, ret);
    }
    cut_run_reopen(r);
}

/* --- jobs ------------------------------------------------------------------------------------------ */

static char *job_error;                /* of the job that ended last; NULL: none */

static void on_event(const char *name, QDict *data)
{
    if (!strcmp(name, "BLOCK_JOB_COMPLETED") || !strcmp(name, "BLOCK_JOB_CANCELLED")) {
        const char *error = qdict_has(data, "error") ? qdict_get_str(data, "error") : NULL;

        g_free(job_error);
        job_error = g_strdup(!strcmp(name, "BLOCK_JOB_CANCELLED") ? "cancelled" : error);
    }
    if (data) {
        qobject_unref(data);
    }
}

#define TURNS 20000                    /* of the loop: a job that takes more hangs */

/* Work the job until it is through: complete it when it is ready, let it go on when it stopped for an error.  False: it hangs. */
static bool work_job(const char *id)
{
    char *arguments = g_strdup_printf("{\"id\":\"%s\"}", id);
    bool asked = false;
    unsigned resumed = 0;

    for (unsigned turn = 0; job_get(id); turn++) {
        Job *job = job_get(id);

        if (turn > TURNS) {
            g_free(arguments);
            return false;
        }
        if (job_is_ready(job) && !asked) {
            asked = true;
            cut_wait();
            g_free(cut_qmp("job-complete", arguments));
        } else if (job->user_paused && resumed++ < 3) {
            g_free(cut_qmp("job-resume", arguments));
        } else if (job->user_paused) {
            job_cancel_sync(job, true);
        } else {
            aio_poll(aio_main_context(), true);
        }
    }
    g_free(arguments);
    return true;
}

static const char *on_error(CutRun *r)
{
    static const char *const policies[] = { "report", "stop", "enospc", "ignore" };

    return policies[cut_pick(r, 0, cut_fail_lasting ? 2 : 3)];
}

/* `block-commit` of the active image, with writers meanwhile.  The backend ends on the image below; the other one is taken up again. */
void cut_step_commit_job(CutRun *r)
{
    g_autofree char *arguments = g_strdup_printf("{\"job-id\":\"job\",\"device\":\"image%d\",\"on-error\":\"%s\"}", r->disk, on_error(r));
    g_autofree char *error = NULL;
    const char *why;
    int i = below(r), ret;
    Commit c;

    if (i < 0) {
        return;
    }
    qapi_event_set_emitter(on_event);
    g_clear_pointer(&job_error, g_free);
    blk_set_perm(r->blk, BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE, BLK_PERM_ALL, &error_abort);     /* as a guest's disk has it */
    c = commit_begun(r, i);
    cut_start_writers(r, 2, cut_pick(r, 0, 3));
    error = cut_qmp("block-commit", arguments);
    if (!error && !work_job("job")) {
        cut_run_wrong(r, "block-commit hangs");
    }
    cut_wait();
    why = error ? error : job_error;
    ret = why ? -cut_fail_errno : 0;
    if (why && !cut_trips && !alloc_trips && !strstr(why, "Can't resize a v2 image which has snapshots")) {
        cut_run_wrong(r, "block-commit: %s", why);
    }
    commit_ended(r, &c, ret);
    cut_run_close(r);
    cut_run_reopen(r);
}
