/*
 * Steps on the image as a whole: amend, key slots, commit into what it is based on, rebase.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "alloccount.h"
#include "block/blockdev.h"
#include "cutrun.h"
#include "img/commands.h"
#include "img/common.h"
#include "qapi/dispatch.h"

/* What qemu-img's main file has for the help text. */
const char img_version_text[] = "";
const ImgCommand img_commands[] = { { NULL } };

static int amend(CutRun *r, const char *what, Error **errp)
{
    BlockDriverState *bs = blk_bs(r->blk);
    QDict *text = opts_parse_list(what, NULL, NULL, &error_abort);
    g_autoptr(QObject) opts = opts_check_all(text, bs->drv->amend_options, &error_abort);
    int ret = bs->drv->amend(bs, opts, NULL, NULL, false, errp);

    qobject_unref(text);
    return ret;
}

void cut_step_amend(CutRun *r)
{
    static const char *const choices[] = { "refcount_bits=8", "refcount_bits=16", "refcount_bits=64", "lazy_refcounts=on",
                                           "lazy_refcounts=off", "compat=0.10", "compat=1.1", "compat=0.10,refcount_bits=16",
                                           "refcount_bits=1" };
    Error *err = NULL;
    int ret = amend(r, choices[cut_pick(r, 0, G_N_ELEMENTS(choices) - 1)], &err);

    if (ret < 0) {
        cut_run_failed_err(r, ret, err);
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
    int64_t met = cut_met();
    Error *err = NULL;
    int ret;

    if (last_key(r, 0)->end == G_MAXUINT || last_key(r, 1)->end == G_MAXUINT) {
        return;                        /* after a failure: not known what is in */
    }
    text = both ? g_strdup_printf("encrypt.state=inactive,encrypt.old-secret=%s", cut_secret(i))
                : g_strdup_printf("encrypt.state=active,encrypt.new-secret=%s,encrypt.iter-time=1", cut_secret(i));
    ret = amend(r, text, &err);
    if (ret < 0) {
        cut_run_failed_err(r, cut_cause && cut_met() != met ? -cut_cause : ret, err);      /* the number is -EINVAL always */
        if (cut_met() == met) {
            return;                    /* refused: the image is open by the secret that left */
        }
    } else {
        c.end = cut_now();
    }
    g_array_append_val(r->keys[i], c);
}

/* --- chains ------------------------------------------------------------------------------------ */

int cut_below(const CutRun *r)
{
    const char *name = blk_bs(r->blk)->backing_file;

    for (int i = 0; i < 2; i++) {
        g_autofree char *other = cut_image_name(CUT_DISK_BELOW + i);

        if (!strcmp(name, other)) {
            return i;
        }
    }
    return -1;
}

static char *own_name(const CutRun *r)
{
    g_autofree char *file = cut_disk_json(r->disk), *data = cut_disk_json(CUT_DISK_DATA);

    return g_strdup_printf("json:{\"driver\":\"qcow2\",\"file\":%s%s%s}", file, r->geometry->data_file ? ",\"data-file\":" : "",
                           r->geometry->data_file ? data : "");
}

CutCommit cut_commit_begun(CutRun *r, int i)
{
    CutModel *m = r->below[i];
    CutCommit c = { m, cut_now(), cut_model_tick(m), cut_model_size(r->model), NULL };
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

void cut_commit_ended(CutRun *r, CutCommit *c, int ret, const char *why)
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
    } else if (why) {
        cut_run_failed_text(r, ret, why);
    } else {
        cut_run_failed(r, ret);
    }
    g_free(c->was);
}

static void keep_text(void *opaque, const char *line)
{
    GString *text = opaque;

    g_string_append(text, line);
}

/* A sub-command of qemu-img on the closed image; *said: what it said (g_free it). */
static int offline(CutRun *r, ImgCommandFn *command, char **argv, char **said)
{
    GString *text = g_string_new(NULL);
    int argc = g_strv_length(argv), ret;

    cut_run_close(r);
    error_set_sink(keep_text, text);
    ret = command(argc, argv);
    error_set_sink(NULL, NULL);
    *said = g_string_free(text, false);
    return ret == 0 ? 0 : -cut_fail_errno;
}

void cut_step_commit(CutRun *r)
{
    g_autofree char *name = own_name(r), *said = NULL;
    char *argv[] = { (char *)"commit", (char *)"-q", name, NULL };
    int i = cut_below(r), ret;
    CutCommit c;

    if (i < 0) {
        return;
    }
    cut_run_close(r);
    c = cut_commit_begun(r, i);
    ret = offline(r, img_commit, argv, &said);
    cut_commit_ended(r, &c, ret, said);
    cut_run_reopen(r);
}

/* Monitor command `commit`. */
void cut_step_commit_live(CutRun *r)
{
    int i = cut_below(r);
    CutCommit c;

    if (i >= 0) {
        c = cut_commit_begun(r, i);
        cut_commit_ended(r, &c, blockdev_commit(blk_bs(r->blk)), NULL);
    }
}

void cut_step_rebase(CutRun *r)
{
    g_autofree char *name = own_name(r), *base = cut_image_name(cut_below(r) == 0 ? CUT_DISK_BELOW + 1 : CUT_DISK_BELOW);
    g_autofree char *said = NULL;
    char *argv[] = { (char *)"rebase", (char *)"-q", (char *)"-F", (char *)"qcow2", (char *)"-b", base, name, NULL };
    int ret = offline(r, img_rebase, argv, &said);

    if (ret < 0) {
        cut_run_failed_text(r, ret, said);
    }
    cut_run_reopen(r);
}
