/*
 * qemu-img map: which file of the chain holds each range, and where.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "img/common.h"

typedef struct MapEntry {
    int64_t start, length;
    int depth;
    bool present, zero, data;
    bool has_offset;
    int64_t offset;
    char *file;             /* NULL: no file holds the range as it is */
} MapEntry;

typedef struct MapWriter {
    bool json;
    bool some;              /* an element was printed */
} MapWriter;

static void entry_clear(MapEntry *e)
{
    g_free(e->file);
    *e = (MapEntry){ 0 };
}

static int query_entry(BlockDriverState *bs, int64_t offset, int64_t bytes, MapEntry *e)
{
    BlockDriverState *file = NULL;
    int64_t map = 0, pnum = 0;
    int depth = 0;
    int ret = bdrv_block_status_above(bs, NULL, offset, bytes, &pnum, &map, &file, &depth);

    if (ret < 0) {
        return ret;
    }
    if (!(ret & (BDRV_BLOCK_DATA | BDRV_BLOCK_ZERO))) {
        ret &= BDRV_BLOCK_ALLOCATED;      /* whose content nobody knows has no place either */
    }
    *e = (MapEntry){
        .start = offset, .length = pnum, .depth = MAX(depth - 1, 0),
        .present = ret & BDRV_BLOCK_ALLOCATED, .zero = ret & BDRV_BLOCK_ZERO, .data = ret & BDRV_BLOCK_DATA,
        .has_offset = ret & BDRV_BLOCK_OFFSET_VALID, .offset = map,
    };
    if (file && e->has_offset) {
        bdrv_refresh_filename(file);
        e->file = g_strdup(file->filename);
    }
    return 0;
}

static bool can_merge(const MapEntry *a, const MapEntry *b)
{
    return a->length && a->zero == b->zero && a->data == b->data && a->present == b->present &&
           a->depth == b->depth && a->has_offset == b->has_offset && !g_strcmp0(a->file, b->file) &&
           (!a->has_offset || a->offset + a->length == b->offset);
}

static int write_human(const MapEntry *e)
{
    if (!e->data || e->zero) {
        return 0;
    }
    if (!e->has_offset) {
        error_report("File contains external, encrypted or compressed clusters.");
        return -EIO;
    }
    printf("%#-16" PRIx64 "%#-16" PRIx64 "%#-16" PRIx64 "%s\n", e->start, e->length, e->offset,
           e->file ? e->file : "");
    return 0;
}

static int write_entry(MapWriter *w, const MapEntry *e)
{
    static const char *const word[] = { "false", "true" };

    if (!w->json) {
        return write_human(e);
    }
    printf("%s{ \"start\": %" PRId64 ", \"length\": %" PRId64 ", \"depth\": %d, \"present\": %s, \"zero\": %s, "
           "\"data\": %s", w->some ? ",\n" : "[", e->start, e->length, e->depth, word[e->present], word[e->zero],
           word[e->data]);
    if (e->has_offset) {
        printf(", \"offset\": %" PRId64, e->offset);
    }
    printf("}");
    w->some = true;
    return 0;
}

/* Entries that continue each other become one. */
static int write_map(BlockDriverState *bs, int64_t start, int64_t end, MapWriter *w)
{
    MapEntry whole = { .start = start };
    int ret = 0;

    for (int64_t at = start; at < end; at = whole.start + whole.length) {
        MapEntry e;

        ret = query_entry(bs, at, end - at, &e);
        if (ret < 0) {
            error_report("Could not read file metadata: %s", strerror(-ret));
            entry_clear(&whole);
            return ret;
        }
        if (can_merge(&whole, &e)) {
            whole.length += e.length;
            entry_clear(&e);
            continue;
        }
        ret = whole.length ? write_entry(w, &whole) : 0;
        entry_clear(&whole);
        whole = e;
        if (ret < 0) {
            break;
        }
    }
    ret = ret < 0 ? ret : write_entry(w, &whole);
    entry_clear(&whole);
    return ret;
}

static int map_image(const char *filename, const ImgOpen *how, int64_t start, int64_t max_length, bool json)
{
    AUTO_BLK blk = img_open(filename, how);
    MapWriter w = { .json = json };
    int64_t end;

    if (!blk) {
        return EXIT_FAILURE;
    }
    if (!json) {
        printf("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
    }
    end = blk_getlength(blk);
    if (end < 0) {
        error_report("Failed to get size for '%s'", filename);
        return EXIT_FAILURE;
    }
    if (max_length >= 0 && max_length < end - start) {
        end = start + max_length;
    }
    if (write_map(blk_bs(blk), start, end, &w) < 0) {
        return EXIT_FAILURE;
    }
    if (json) {
        puts("]");
    }
    return EXIT_SUCCESS;
}

int img_map(int argc, char **argv)
{
    const char *output = NULL, *start_text = NULL, *length_text = NULL, *filename;
    int64_t start = 0, max_length = -1;
    ImgOpen how = { 0 };
    bool json;
    const ImgOpt opts[] = {
        { 'f', "format", IMG_OPT_STR, &how.fmt },
        { 's', "start-offset", IMG_OPT_STR, &start_text },
        { 'l', "max-length", IMG_OPT_STR, &length_text },
        { 0, "output", IMG_OPT_STR, &output },
        { 0, "object", IMG_OPT_OBJECT, NULL },
        { 0, "image-opts", IMG_OPT_FLAG, &how.image_opts },
        { 'U', "force-share", IMG_OPT_FLAG, &how.force_share },
        IMG_OPTS_END,
    };
    int i = img_parse(argc, argv, opts);

    if (start_text && (start = img_size_arg("start offset", start_text)) < 0) {
        return EXIT_FAILURE;
    }
    if (length_text && (max_length = img_size_arg("max length", length_text)) < 0) {
        return EXIT_FAILURE;
    }
    filename = img_one_filename(argc, argv, i);
    json = img_output_is_json(output);
    if (img_format_conflict(how.image_opts, how.fmt)) {
        return EXIT_FAILURE;
    }
    return map_image(filename, &how, start, max_length, json);
}
