/*
 * Scripts of operations on one image, and the view of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "alloccount.h"
#include "block/dirty-bitmap.h"
#include "block/snapshot.h"
#include "img/commands.h"
#include "util/cutils.h"
#include "verbscript.h"

#define FEW_SNAPSHOTS 8                /* whose content is looked at */

typedef struct Script {
    const ScriptImage *im;
    BlockBackend *blk;                 /* NULL: closed */
    GString *said;
} Script;

char *script_image_name(const ScriptImage *im)
{
    g_autofree char *file = cut_disk_json(0), *data = cut_disk_json(CUT_DISK_DATA);

    return g_strdup_printf("json:{\"driver\":\"qcow2\",\"discard\":\"unmap\",\"file\":%s%s%s%s}", file, im->data_file ? ",\"data-file\":" : "",
                           im->data_file ? data : "", im->options ? im->options : "");
}

static BlockBackend *open_image(const ScriptImage *im, bool writable, Error **errp)
{
    g_autofree char *name = script_image_name(im);

    return blk_open(name, NULL, NULL, (writable ? BDRV_O_RDWR | BDRV_O_RESIZE : 0) | BDRV_O_UNMAP, errp);
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t n = strtoull(text, &end, 10);

    return *end == 'k' ? n * KiB : *end == 'M' ? n * MiB : n;
}

/* --- qemu-img ----------------------------------------------------------------------------------- */

static void keep_text(void *opaque, const char *line) { g_string_append(opaque, line); }

static int command(Script *s, const char *line)
{
    static const struct { const char *name; ImgCommandFn *run; } commands[] = {
        { "amend", img_amend }, { "bitmap", img_bitmap }, { "check", img_check }, { "commit", img_commit }, { "info", img_info },
        { "map", img_map }, { "rebase", img_rebase }, { "resize", img_resize }, { "snapshot", img_snapshot },
    };
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    int ret = -1;

    for (char **w = words; *w; w++) {
        if (!strcmp(*w, "@")) {
            g_free(*w);
            *w = script_image_name(s->im);
        }
    }
    error_set_sink(keep_text, s->said);
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (!strcmp(commands[i].name, words[0])) {
            ret = commands[i].run(g_strv_length(words), words) ? -1 : 0;
        }
    }
    error_set_sink(NULL, NULL);
    return ret;
}

/* --- blockdev-create ---------------------------------------------------------------------------- */

static BlockDriverState *disk_node(int disk, Error **errp)
{
    QDict *options = qdict_new();

    cut_put_options(options, "", disk);
    return bdrv_open(NULL, NULL, options, BDRV_O_RDWR | BDRV_O_RESIZE, errp);
}

static int make_anew(Script *s, const char *text, Error **errp)
{
    const BlockDriver *drv = bdrv_find_format("qcow2");
    QDict *given = opts_parse_list(text, NULL, NULL, &error_abort), *opts = opts_check_all(given, drv->create_options, &error_abort);
    BlockDriverState *file = disk_node(0, errp), *data = file && s->im->data_file ? disk_node(CUT_DISK_DATA, errp) : NULL;
    int ret = file && (data || !s->im->data_file) ? drv->create_on(file, data, opts, errp) : -EIO;

    bdrv_unref(data);
    bdrv_unref(file);
    qobject_unref(opts);
    qobject_unref(given);
    return ret;
}

/* --- damage --------------------------------------------------------------------------------------- */

static uint8_t *at(uint64_t offset) { return cut_disks[0].data + offset; }

/* Two bytes a count, one block. */
static void set_count(uint64_t cluster, unsigned count)
{
    uint8_t *p = at(load_be64(at(load_be64(at(48)))) + cluster * 2);

    p[0] = count >> 8;
    p[1] = count;
}

/* The last `n` clusters of a file made longer are counted, and nobody uses them. */
static void leak(uint64_t n)
{
    uint64_t cluster = 1ULL << load_be32(at(20)), clusters = cut_disks[0].len / cluster;

    cut_image_resize(&cut_disks[0], (clusters + n) * cluster);
    for (uint64_t i = 0; i < n; i++) {
        set_count(clusters + i, 1);
    }
}

/* The first snapshot's entry loses what it has beyond name and id, as of an old version; it is the only one. */
static void thin(void)
{
    uint8_t *entry = at(load_be64(at(64)));
    uint32_t extra = load_be32(entry + 36), names = load_be16(entry + 12) + load_be16(entry + 14);

    memmove(entry + 40, entry + 40 + extra, names);
    store_be32(entry + 36, 0);
}

static bool damage(const char *word, uint64_t n)
{
    uint64_t l1 = load_be64(at(40));

    if (!strcmp(word, "leak")) {
        leak(n);
    } else if (!strcmp(word, "lost")) {
        set_count(n, 0);
    } else if (!strcmp(word, "twice")) {
        set_count(n, 2);
    } else if (!strcmp(word, "flag")) {
        store_be64(at(l1), load_be64(at(l1)) ^ 1ULL << 63);
    } else if (!strcmp(word, "table")) {
        store_be64(at(load_be64(at(48))), 0);
    } else if (!strcmp(word, "thin")) {
        thin();
    } else {
        return false;
    }
    return true;
}

/* --- scripts --------------------------------------------------------------------------------------- */

static void close_image(Script *s)
{
    if (s->blk) {
        blk_unref(s->blk);
        s->blk = NULL;
    }
}

static int snapshot(Script *s, char verb, const char *name, Error **errp)
{
    QEMUSnapshotInfo sn = { .date_sec = 1 };

    g_strlcpy(sn.name, name, sizeof(sn.name));
    return verb == 's' ? bdrv_snapshot_create(blk_bs(s->blk), &sn, errp)
         : verb == 'a' ? bdrv_snapshot_goto(blk_bs(s->blk), name, errp) : bdrv_snapshot_delete(blk_bs(s->blk), NULL, name, errp);
}

static int many_snapshots(Script *s, unsigned n, Error **errp)
{
    int ret = 0;

    for (unsigned i = 0; i < n && ret >= 0; i++) {
        g_autofree char *name = g_strdup_printf("n%u", i);

        ret = snapshot(s, 's', name, errp);
    }
    return ret;
}

static int write_pattern(Script *s, uint64_t offset, uint64_t bytes, int pattern, bool compressed)
{
    g_autofree uint32_t *buf = cut_buffer(bytes / BDRV_SECTOR_SIZE + 1);

    memset(buf, pattern, bytes);
    return compressed ? blk_pwrite_compressed(s->blk, offset, bytes, buf) : blk_pwrite(s->blk, offset, bytes, buf, 0);
}

/* One on the open image. */
static int operate(Script *s, char **w, Error **errp)
{
    unsigned n = g_strv_length(w);
    uint64_t a = n > 1 ? number(w[1]) : 0, b = n > 2 ? number(w[2]) : 0;

    switch (w[0][0]) {
    case 'w': return write_pattern(s, a, b, atoi(w[3]), false);
    case 'c': return write_pattern(s, a, b, atoi(w[3]), true);
    case 'z': return blk_pwrite_zeroes(s->blk, a, b, 0);
    case 'u': return blk_pwrite_zeroes(s->blk, a, b, BDRV_REQ_MAY_UNMAP);
    case 'd': return blk_pdiscard(s->blk, a, b);
    case 't': return blk_truncate(s->blk, a, false, PREALLOC_OFF, 0, errp);
    case 'f': return blk_flush(s->blk);
    case 'm': return many_snapshots(s, a, errp);
    case 'r': return 0;
    default: return snapshot(s, w[0][0], w[1], errp);
    }
}

static int one(Script *s, const char *line, Error **errp)
{
    g_auto(GStrv) w = g_strsplit(line, " ", -1);

    if (line[0] == '!' || line[0] == '+') {
        close_image(s);
        return line[0] == '!' ? command(s, line + 2) : make_anew(s, line + 2, errp);
    }
    if (w[0][1]) {
        close_image(s);
        return damage(w[0], w[1] ? number(w[1]) : 0) ? 0 : -EINVAL;
    }
    if (w[0][0] == 'r') {
        close_image(s);
    }
    if (!s->blk) {
        s->blk = open_image(s->im, true, errp);
    }
    return s->blk ? operate(s, w, errp) : -EIO;
}

int script_run(const ScriptImage *im, const char *script, char **said)
{
    g_auto(GStrv) lines = g_strsplit(script, ";", -1);
    Script s = { .im = im, .said = g_string_new(NULL) };
    int ret = 0, closing = 0;

    for (char **line = lines; *line && ret >= 0; line++) {
        Error *err = NULL;

        ret = one(&s, *line, &err);
        g_string_append(s.said, err ? error_get_pretty(err) : ret < -1 ? strerror(-ret) : "");
        error_free(err);
    }
    if (s.blk) {
        closing = blk_flush(s.blk);    /* what is at stake is told here, not by closing */
        g_string_append(s.said, closing < 0 ? strerror(-closing) : "");
    }
    close_image(&s);
    *said = g_string_free(s.said, false);
    return ret < 0 ? ret : closing < 0 ? closing : 0;
}

/* --- the view -------------------------------------------------------------------------------------- */

static GByteArray *read_all(BlockBackend *blk, int *ret)
{
    int64_t len = blk_getlength(blk);
    GByteArray *all = g_byte_array_new();

    *ret = len < 0 ? (int)len : 0;
    if (len > 0) {
        g_byte_array_set_size(all, len);
        *ret = blk_pread(blk, 0, len, all->data, 0);
    }
    return all;
}

static int view_snapshot(ImageView *v, const ScriptImage *im, const char *name)
{
    BlockBackend *blk = open_image(im, false, NULL);
    int ret = blk ? bdrv_snapshot_load_tmp(blk_bs(blk), NULL, name, NULL) : -EIO;

    if (ret >= 0) {
        g_ptr_array_add(v->names, g_strdup(name));
        g_ptr_array_add(v->snapshots, read_all(blk, &ret));
    }
    if (blk) {
        blk_unref(blk);
    }
    return ret;
}

static void view_bitmaps(ImageView *v, BlockDriverState *bs)
{
    for (BdrvDirtyBitmap *bm = NULL; (bm = bdrv_dirty_bitmap_next(bs, bm));) {
        if (!bdrv_dirty_bitmap_inconsistent(bm)) {
            g_ptr_array_add(v->bitmaps, g_strdup(bdrv_dirty_bitmap_name(bm)));
        }
    }
}

ImageView *script_view(const ScriptImage *im, char **why)
{
    ImageView *v = g_new0(ImageView, 1);
    QEMUSnapshotInfo *list = NULL;
    Error *err = NULL;
    BlockBackend *blk = open_image(im, true, &err);
    int ret = blk ? 0 : -EIO, n = 0;

    v->names = g_ptr_array_new_with_free_func(g_free);
    v->bitmaps = g_ptr_array_new_with_free_func(g_free);
    v->snapshots = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
    if (blk) {
        v->disk = read_all(blk, &ret);
        view_bitmaps(v, blk_bs(blk));
        n = im->data_file ? 0 : bdrv_snapshot_list(blk_bs(blk), &list);
        blk_unref(blk);
    }
    ret = ret < 0 ? ret : n;
    for (int i = 0; i < MIN(n, FEW_SNAPSHOTS) && ret >= 0; i++) {
        ret = view_snapshot(v, im, list[i].name);
    }
    g_free(list);
    if (ret < 0) {
        *why = g_strdup_printf("cannot be read: %s", err ? error_get_pretty(err) : strerror(-ret));
        g_clear_pointer(&v, image_view_free);
    }
    error_free(err);
    return v;
}

void image_view_free(ImageView *v)
{
    g_clear_pointer(&v->disk, g_byte_array_unref);
    g_ptr_array_unref(v->names);
    g_ptr_array_unref(v->snapshots);
    g_ptr_array_unref(v->bitmaps);
    g_free(v);
}
