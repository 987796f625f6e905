/*
 * qemu-img snapshot: list, create, apply, delete, compare and export internal snapshots.
 *
 * -l -c -a -d with one name each are the peer's; JSON, several names, --diff and --export are ours
 * (snapshot-query.c prints what they find out).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "img/snapshot.h"

/* Every letter has one meaning; those of long options are internal. */
enum { ACT_DIFF = 'D', ACT_EXPORT = 'E' };

typedef struct SnapshotCall {
    ImgOpen how;
    ImgSnapshotOutput output;
    bool all;
    const char *target_fmt;
    char *target_options;
    bool progress;
    GArray *actions;                 /* ImgOptSeen; at most one but for -d */
    char **operands;
    int n;                           /* of operands */
} SnapshotCall;

static int create_snapshot(BlockDriverState *bs, const char *name)
{
    QEMUSnapshotInfo sn = { 0 };      /* icount 0, as the peer stores it */
    int64_t now_us = g_get_real_time();
    Error *err = NULL;
    int ret;

    pstrcpy(sn.name, sizeof(sn.name), name);
    sn.date_sec = now_us / G_USEC_PER_SEC;
    sn.date_nsec = now_us % G_USEC_PER_SEC * 1000;
    ret = bdrv_snapshot_create(bs, &sn, &err);
    if (ret < 0) {
        error_report("Could not create snapshot '%s': %d (%s)", name, ret, strerror(-ret));
        error_free(err);
    }
    return ret;
}

static int apply_snapshot(BlockDriverState *bs, const char *name)
{
    Error *err = NULL;
    int ret = bdrv_snapshot_goto(bs, name, &err);

    if (ret < 0) {
        error_reportf_err(err, "Could not apply snapshot '%s': ", name);
    }
    if (ret == -ENOENT) {
        img_snapshot_hint(bs, name);
    }
    return ret;
}

/* ---- delete ---- */
/* By name, as ever; what has to be deleted is looked up before anything is. */
static bool find_to_delete(BlockDriverState *bs, const char *name, GArray *found)
{
    QEMUSnapshotInfo sn;

    if (bdrv_snapshot_find(bs, &sn, name) < 0) {
        error_report("Could not delete snapshot '%s': snapshot not found", name);
        img_snapshot_hint(bs, name);
        return false;
    }
    g_array_append_val(found, sn);
    return true;
}

static bool find_all(BlockDriverState *bs, GArray *found)
{
    g_autofree QEMUSnapshotInfo *list = NULL;
    int n = bdrv_snapshot_list(bs, &list);

    if (n < 0) {
        error_report("Could not list the snapshots: %s", strerror(-n));
        return false;
    }
    g_array_append_vals(found, list, n);
    return true;
}

static int delete_found(BlockDriverState *bs, const GArray *found, QList *report)
{
    const QEMUSnapshotInfo *list = (const QEMUSnapshotInfo *)(void *)found->data;
    g_autofree int64_t *freed = g_new0(int64_t, MAX(found->len, 1));
    Error *err = NULL;
    unsigned done;
    int ret = bdrv_snapshot_delete_many(bs, list, found->len, freed, &done, &err);

    for (unsigned i = 0; i < done; i++) {
        QDict *line = qdict_new();

        qdict_put_str(line, "id", list[i].id_str);
        qdict_put_str(line, "name", list[i].name);
        qdict_put_int(line, "freed", freed[i]);
        qlist_append(report, line);
    }
    if (ret < 0) {
        error_reportf_err(err, "Could not delete snapshot '%s': ", list[done].name);
    }
    return ret;
}

/* The one name of the peer's form; NULL: several, or all. */
static const char *single_name(const SnapshotCall *c)
{
    const char *arg = g_array_index(c->actions, ImgOptSeen, 0).arg;

    return c->actions->len == 1 && c->n == 1 && !c->all ? arg : NULL;
}

/* `-d --all`, unless a snapshot has that very name. */
static bool means_all(BlockDriverState *bs, const SnapshotCall *c)
{
    const char *single = single_name(c);
    QEMUSnapshotInfo sn;

    return c->all || (single && !strcmp(single, "--all") && bdrv_snapshot_find(bs, &sn, single) < 0);
}

static int delete_snapshots(BlockDriverState *bs, const SnapshotCall *c)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(QEMUSnapshotInfo));
    g_autoptr(QObject) report = qlist_new();
    bool all = means_all(bs, c), ok = true;
    int ret;

    if (all) {
        ok = find_all(bs, found);
    }
    for (guint i = 0; !all && ok && i < c->actions->len; i++) {
        ok = find_to_delete(bs, g_array_index(c->actions, ImgOptSeen, i).arg, found);
    }
    for (int i = 0; !all && ok && i < c->n - 1; i++) {
        ok = find_to_delete(bs, c->operands[i], found);
    }
    ret = ok ? delete_found(bs, found, report) : -ENOENT;
    /* The peer's form says nothing unless asked. */
    if (!c->how.quiet && (c->output.given || all || !single_name(c))) {
        img_snapshot_print_freed(report, c->output.json);
    }
    return ret;
}

/* ---- export ---- */
static bool snapshot_exists(const SnapshotCall *c, const char *word)
{
    AUTO_BLK blk = img_open(c->operands[c->n - 1], &c->how);
    QEMUSnapshotInfo sn;
    Error *err = NULL;

    if (!blk) {
        return false;
    }
    if (bdrv_snapshot_find_by_id_or_name(blk_bs(blk), word, &sn, &err) < 0) {
        error_reportf_err(err, "Could not export snapshot '%s': ", word);
        img_snapshot_hint(blk_bs(blk), word);
        return false;
    }
    return true;
}

/* A conversion of the image as the snapshot has it. */
static int export_snapshot(const SnapshotCall *c, const char *word)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    const char *fixed[] = { "convert", "-l", word, "-O", c->target_fmt ?: "raw" };
    const struct { bool given; const char *option, *value; } more[] = {
        { c->target_options, "-o", c->target_options },
        { c->progress, "-p", NULL },
        { c->how.quiet, "-q", NULL },
        { c->how.force_share, "-U", NULL },
        { c->how.image_opts, "--image-opts", NULL },
        { true, "--", c->operands[1] },
        { true, c->operands[0], NULL },
    };

    if (!snapshot_exists(c, word)) {
        return -ENOENT;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++) {
        g_ptr_array_add(argv, (void *)fixed[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(more); i++) {
        if (more[i].given) {
            g_ptr_array_add(argv, (void *)more[i].option);
        }
        if (more[i].given && more[i].value) {
            g_ptr_array_add(argv, (void *)more[i].value);
        }
    }
    g_ptr_array_add(argv, NULL);
    return img_convert(argv->len - 1, (char **)argv->pdata) == EXIT_SUCCESS ? 0 : -EIO;
}

/* ---- which of them ---- */
static int run_action(const SnapshotCall *c, int action, const char *arg)
{
    AUTO_BLK blk = img_open(c->operands[c->n - 1], &c->how);
    BlockDriverState *bs;

    if (!blk) {
        return -EIO;
    }
    bs = blk_bs(blk);
    switch (action) {
    case 'l':
        return img_snapshot_print_list(bs, c->output.json);
    case 'c':
        return create_snapshot(bs, arg);
    case 'a':
        return apply_snapshot(bs, arg);
    case 'd':
        return delete_snapshots(bs, c);
    case ACT_DIFF:
        return img_snapshot_print_diff(bs, arg, c->n == 2 ? c->operands[0] : NULL, c->output.json);
    }
    return 0;
}

static int action_of(const SnapshotCall *c)
{
    const ImgOptSeen *seen = c->actions->len ? &g_array_index(c->actions, ImgOptSeen, 0) : NULL;

    return !seen ? 0 : seen->opt->letter ? seen->opt->letter : !strcmp(seen->opt->name, "diff") ? ACT_DIFF : ACT_EXPORT;
}

/* Does each action have its operands?  Exits when not. */
static void check_usage(const SnapshotCall *c)
{
    int action = action_of(c);

    for (guint i = 1; i < c->actions->len; i++) {
        if (action != 'd' || g_array_index(c->actions, ImgOptSeen, i).opt->letter != 'd') {
            img_usage_error("Cannot mix '-l', '-a', '-c', '-d'");
        }
    }
    if (c->all && action != 'd') {
        img_usage_error("--all is only for '-d'");
    }
    if (action == ACT_EXPORT && c->n != 2) {
        img_usage_error("Expecting the name of the file to write and one image file name");
    }
    if (action != ACT_EXPORT && (c->target_fmt || c->target_options)) {
        img_usage_error("-O and -o are only for '--export'");
    }
    if (c->n != 1 && action != ACT_EXPORT && !(action == 'd' && c->n > 1) && !(action == ACT_DIFF && c->n == 2)) {
        img_usage_error("Expecting one image file name");
    }
}

int img_snapshot(int argc, char **argv)
{
    g_autoptr(GArray) actions = g_array_new(FALSE, FALSE, sizeof(ImgOptSeen));
    g_autofree char *target_options = NULL;
    SnapshotCall c = { .actions = actions };
    const char *output = NULL, *arg;
    const ImgOpt opts[] = {
        { 'l', NULL, IMG_OPT_SEQ_FLAG, actions },
        { 'a', NULL, IMG_OPT_SEQ_STR, actions },
        { 'c', NULL, IMG_OPT_SEQ_STR, actions },
        { 'd', NULL, IMG_OPT_SEQ_STR, actions },
        { 0, "diff", IMG_OPT_SEQ_STR, actions },
        { 0, "export", IMG_OPT_SEQ_STR, actions },
        { 0, "all", IMG_OPT_FLAG, &c.all },
        { 0, "output", IMG_OPT_STR, &output },
        { 'O', NULL, IMG_OPT_STR, &c.target_fmt },
        { 'o', NULL, IMG_OPT_LIST, &target_options },
        { 'p', NULL, IMG_OPT_FLAG, &c.progress },
        { 'q', NULL, IMG_OPT_FLAG, &c.how.quiet },
        { 'U', "force-share", IMG_OPT_FLAG, &c.how.force_share },
        { 0, "object", IMG_OPT_OBJECT, NULL },
        { 0, "image-opts", IMG_OPT_FLAG, &c.how.image_opts },
        IMG_OPTS_END,
    };
    int i = img_parse(argc, argv, opts), action;

    c.operands = argv + i;
    c.n = argc - i;
    c.target_options = target_options;
    check_usage(&c);
    c.output = (ImgSnapshotOutput){ output != NULL, img_output_is_json(output) };
    action = action_of(&c);
    arg = actions->len ? g_array_index(actions, ImgOptSeen, 0).arg : NULL;
    if (action == ACT_EXPORT) {
        return export_snapshot(&c, arg) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    c.how.flags = BDRV_O_UNMAP | (!action || strchr("acd", action) ? BDRV_O_RDWR : 0);
    return run_action(&c, action, arg) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
