/*
 * qemu-img bitmap: add, remove, clear, enable, disable and merge persistent dirty bitmaps.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "block/dirty-bitmap.h"
#include "img/common.h"

typedef struct BitmapCall {
    BlockDriverState *bs, *source;      /* source: where --merge looks */
    const char *bitmap;
    int64_t granularity;                /* 0: the default */
} BitmapCall;

static BdrvDirtyBitmap *find_bitmap(BlockDriverState *bs, const char *name, Error **errp)
{
    BdrvDirtyBitmap *bm = bdrv_find_dirty_bitmap(bs, name);

    if (!bm) {
        error_setg(errp, "Dirty bitmap '%s' not found", name);
    }
    return bm;
}

static bool add_bitmap(const BitmapCall *c, const char *arg, Error **errp)
{
    uint32_t granularity = c->granularity ? c->granularity : bdrv_default_bitmap_granularity(c->bs);
    BdrvDirtyBitmap *bm;

    if (!*c->bitmap) {
        error_setg(errp, "Bitmap name cannot be empty");
        return false;
    }
    if (c->granularity && (c->granularity < 512 || c->granularity > UINT32_MAX || !IS_POW2(c->granularity))) {
        error_setg(errp, "Granularity must be power of 2 and at least 512");
        return false;
    }
    if (bdrv_find_dirty_bitmap(c->bs, c->bitmap)) {
        error_setg(errp, "Bitmap already exists: %s", c->bitmap);
        return false;
    }
    if (!bdrv_can_store_dirty_bitmap(c->bs, c->bitmap, granularity, errp)) {
        return false;
    }
    bm = bdrv_create_dirty_bitmap(c->bs, granularity, c->bitmap, errp);
    if (bm) {
        bdrv_dirty_bitmap_set_persistence(bm, true);
    }
    return bm != NULL;
}

static bool remove_bitmap(const BitmapCall *c, const char *arg, Error **errp)
{
    BdrvDirtyBitmap *bm = find_bitmap(c->bs, c->bitmap, errp);

    if (!bm || bdrv_dirty_bitmap_check(bm, BDRV_BITMAP_BUSY | BDRV_BITMAP_RO, errp) < 0) {
        return false;
    }
    if (bdrv_dirty_bitmap_persistent(bm) && bdrv_remove_stored_dirty_bitmap(c->bs, c->bitmap, errp) < 0) {
        return false;
    }
    bdrv_release_dirty_bitmap(bm);
    return true;
}

static bool clear_bitmap(const BitmapCall *c, const char *arg, Error **errp)
{
    BdrvDirtyBitmap *bm = find_bitmap(c->bs, c->bitmap, errp);

    if (!bm || bdrv_dirty_bitmap_check(bm, BDRV_BITMAP_DEFAULT, errp) < 0) {
        return false;
    }
    bdrv_clear_dirty_bitmap(bm, NULL);
    return true;
}

static bool enable_bitmap(const BitmapCall *c, const char *arg, Error **errp)
{
    BdrvDirtyBitmap *bm = find_bitmap(c->bs, c->bitmap, errp);

    if (!bm || bdrv_dirty_bitmap_check(bm, BDRV_BITMAP_ALLOW_RO, errp) < 0) {
        return false;
    }
    bdrv_enable_dirty_bitmap(bm);
    return true;
}

static bool disable_bitmap(const BitmapCall *c, const char *arg, Error **errp)
{
    BdrvDirtyBitmap *bm = find_bitmap(c->bs, c->bitmap, errp);

    if (!bm || bdrv_dirty_bitmap_check(bm, BDRV_BITMAP_ALLOW_RO, errp) < 0) {
        return false;
    }
    bdrv_disable_dirty_bitmap(bm);
    return true;
}

static bool merge_bitmap(const BitmapCall *c, const char *arg, Error **errp)
{
    BdrvDirtyBitmap *dst = find_bitmap(c->bs, c->bitmap, errp);
    BdrvDirtyBitmap *src = dst ? find_bitmap(c->source, arg, errp) : NULL;

    if (!src || bdrv_dirty_bitmap_check(dst, BDRV_BITMAP_DEFAULT, errp) < 0 ||
        bdrv_dirty_bitmap_check(src, BDRV_BITMAP_ALLOW_RO, errp) < 0) {
        return false;
    }
    return bdrv_merge_dirty_bitmap(dst, src, NULL, errp);
}

static const struct Action {
    const char *name;
    bool (*run)(const BitmapCall *c, const char *arg, Error **errp);
} actions[] = {
    { "add", add_bitmap }, { "remove", remove_bitmap }, { "clear", clear_bitmap },
    { "enable", enable_bitmap }, { "disable", disable_bitmap }, { "merge", merge_bitmap },
};

static int run_actions(const BitmapCall *c, const GArray *wanted)
{
    for (guint i = 0; i < wanted->len; i++) {
        const ImgOptSeen *seen = &g_array_index(wanted, ImgOptSeen, i);
        Error *err = NULL;
        size_t k = 0;

        while (strcmp(actions[k].name, seen->opt->name)) {
            k++;
        }
        if (!actions[k].run(c, seen->arg, &err)) {
            error_reportf_err(err, "Operation %s on bitmap %s failed: ", actions[k].name, c->bitmap);
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}

static bool wants(const GArray *wanted, const char *name)
{
    for (guint i = 0; i < wanted->len; i++) {
        if (!strcmp(g_array_index(wanted, ImgOptSeen, i).opt->name, name)) {
            return true;
        }
    }
    return false;
}

static bool check_combinations(const GArray *wanted, bool granularity, const char *source, const char *source_fmt)
{
    const struct { bool wrong; const char *message; } rules[] = {
        { !wanted->len, "Need at least one of --add, --remove, --clear, --enable, --disable, or --merge" },
        { source_fmt && !source, "-F only supported with -b" },
        { granularity && !wants(wanted, "add"), "granularity only supported with --add" },
        { source && !wants(wanted, "merge"), "Merge bitmap source file only supported with --merge" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
        if (rules[i].wrong) {
            error_report("%s", rules[i].message);
            return false;
        }
    }
    return true;
}

static int change_bitmaps(const char *filename, const ImgOpen *how, const char *source, const char *source_fmt,
                          BitmapCall *call, const GArray *wanted)
{
    const ImgOpen source_how = { .fmt = source_fmt };
    AUTO_BLK blk = img_open(filename, how);
    AUTO_BLK source_blk = blk && source ? img_open(source, &source_how) : NULL;

    if (!blk || (source && !source_blk)) {
        return EXIT_FAILURE;
    }
    call->bs = blk_bs(blk);
    call->source = source ? blk_bs(source_blk) : call->bs;
    return run_actions(call, wanted);
}

int img_bitmap(int argc, char **argv)
{
    g_autoptr(GArray) wanted = g_array_new(FALSE, FALSE, sizeof(ImgOptSeen));
    const char *source = NULL, *source_fmt = NULL;
    ImgOpen how = { .flags = BDRV_O_RDWR | BDRV_O_NO_BACKING };
    BitmapCall call = { 0 };
    const ImgOpt opts[] = {
        { 'b', "source-file", IMG_OPT_STR, &source },
        { 'f', NULL, IMG_OPT_STR, &how.fmt },
        { 'F', "source-format", IMG_OPT_STR, &source_fmt },
        { 'g', "granularity", IMG_OPT_SIZE, &call.granularity, .what = "granularity" },
        { 0, "add", IMG_OPT_SEQ_FLAG, wanted },
        { 0, "remove", IMG_OPT_SEQ_FLAG, wanted },
        { 0, "clear", IMG_OPT_SEQ_FLAG, wanted },
        { 0, "enable", IMG_OPT_SEQ_FLAG, wanted },
        { 0, "disable", IMG_OPT_SEQ_FLAG, wanted },
        { 0, "merge", IMG_OPT_SEQ_STR, wanted },
        { 0, "object", IMG_OPT_OBJECT, NULL },
        { 0, "image-opts", IMG_OPT_FLAG, &how.image_opts },
        IMG_OPTS_END,
    };
    int i = img_parse(argc, argv, opts);

    if ((wanted->len && img_format_conflict(how.image_opts, how.fmt)) ||
        !check_combinations(wanted, call.granularity, source, source_fmt)) {
        return EXIT_FAILURE;
    }
    if (argc - i != 2) {
        error_report("Expecting filename and bitmap name");
        return EXIT_FAILURE;
    }
    call.bitmap = argv[i + 1];
    return change_bitmaps(argv[i], &how, source, source_fmt, &call, wanted);
}
