/*
 * qemu-img info: what an image is, or every image of its backing chain.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "block/info-text.h"
#include "img/snapshot.h"

/* One image without its backing file; usage: with the sizes of its snapshots.  NULL after reporting. */
static QDict *query_image(const char *filename, const ImgOpen *how, bool usage)
{
    AUTO_BLK blk = img_open(filename, how);
    g_autoptr(QObject) info = NULL;
    Error *err = NULL;

    if (!blk) {
        return NULL;
    }
    info = bdrv_query_image_info(blk_bs(blk), &err);
    if (!info) {
        error_report_err(err);
        return NULL;
    }
    return usage && img_snapshot_add_usage(blk_bs(blk), info) < 0 ? NULL : g_steal_pointer(&info);
}

/*
 * The name of the image below and, in how, the way to open it: borrowed from info.  NULL: there is none, or
 * (*ok false, reported) it cannot be named.
 */
static const char *next_image(const QDict *info, ImgOpen *how, bool *ok)
{
    const char *name = qdict_get_str(info, "backing-filename"), *full = qdict_get_str(info, "full-backing-filename");

    if (!name) {
        return NULL;
    }
    if (!full) {
        error_report("Could not determine absolute backing filename, but backing filename '%s' present", name);
        *ok = false;
        return NULL;
    }
    how->image_opts = false;
    how->fmt = qdict_get_str(info, "backing-filename-format");
    how->flags |= BDRV_O_BY_IMAGE;
    return full;
}

/* All images of the chain, or the first alone; NULL after reporting. */
static QList *query_chain(const char *filename, ImgOpen how, bool chain, bool usage)
{
    g_autoptr(QObject) list = qlist_new();
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    bool ok = true;

    while (filename) {
        QDict *info;

        if (!g_hash_table_add(seen, g_strdup(filename))) {
            error_report("Backing file '%s' creates an infinite loop.", filename);
            return NULL;
        }
        info = query_image(filename, &how, usage);
        if (!info) {
            return NULL;
        }
        qlist_append(list, info);
        filename = chain ? next_image(info, &how, &ok) : NULL;
    }
    return ok ? g_steal_pointer(&list) : NULL;
}

static void print_chain(const QList *list, bool usage)
{
    for (size_t i = 0; i < qlist_size(list); i++) {
        g_autofree char *text = bdrv_image_info_text(qlist_get(list, i));

        printf("%s%s", i ? "\n" : "", text);
        if (usage) {
            img_snapshot_print_usage(qlist_get(list, i));
        }
    }
}

int img_info(int argc, char **argv)
{
    const char *output = NULL, *filename;
    bool chain = false, usage = false, json;
    ImgOpen how = { .flags = BDRV_O_NO_BACKING | BDRV_O_NO_IO };
    const ImgOpt opts[] = {
        { 'f', "format", IMG_OPT_STR, &how.fmt },
        { 0, "output", IMG_OPT_STR, &output },
        { 0, "backing-chain", IMG_OPT_FLAG, &chain },
        { 0, "snapshots", IMG_OPT_FLAG, &usage },
        { 'U', "force-share", IMG_OPT_FLAG, &how.force_share },
        { 0, "object", IMG_OPT_OBJECT, NULL },
        { 0, "image-opts", IMG_OPT_FLAG, &how.image_opts },
        IMG_OPTS_END,
    };
    int i = img_parse(argc, argv, opts);
    g_autoptr(QObject) list = NULL;

    filename = img_one_filename(argc, argv, i);
    json = img_output_is_json(output);
    if (img_format_conflict(how.image_opts, how.fmt)) {
        return EXIT_FAILURE;
    }
    list = query_chain(filename, how, chain, usage);
    if (!list) {
        return EXIT_FAILURE;
    }
    if (!json) {
        print_chain(list, usage);
    } else {
        img_print_json(chain ? list : qlist_get(list, 0));
    }
    return EXIT_SUCCESS;
}
