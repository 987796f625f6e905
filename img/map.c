/*
 * qemu-img map: which file of the chain holds each range, and where.
 *
 * A fragmented image has very many ranges, each of them little work: so all are asked for inside one coroutine, the name of
 * a file is looked up when another file than before is met, and lines are put together by hand.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "img/common.h"

#define LINE_MAX_BYTES 256          /* without a name */

typedef struct MapEntry {
    int64_t start, length;
    int depth;
    bool present, zero, data;
    bool has_offset;
    int64_t offset;
    const char *file;       /* interned; NULL: no file holds the range as it is */
} MapEntry;

typedef struct MapWriter {
    bool json;
    bool some;              /* an element was printed */
    BlockDriverState *file; /* the last one met, and its name */
    const char *name;
    size_t n;
    char text[64 * 1024];   /* not written yet */
} MapWriter;

static const char *name_of(MapWriter *w, BlockDriverState *file)
{
    if (file != w->file) {
        bdrv_refresh_filename(file);
        w->file = file;
        w->name = g_intern_string(file->filename);
    }
    return w->name;
}

static int query_entry(MapWriter *w, BlockDriverState *bs, int64_t offset, int64_t bytes, MapEntry *e)
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
        e->file = name_of(w, file);
    }
    return 0;
}

static bool can_merge(const MapEntry *a, const MapEntry *b)
{
    return a->length && a->zero == b->zero && a->data == b->data && a->present == b->present &&
           a->depth == b->depth && a->has_offset == b->has_offset && a->file == b->file &&
           (!a->has_offset || a->offset + a->length == b->offset);
}

/* --- text ------------------------------------------------------------------------------------ */

static void write_out(MapWriter *w)
{
    fwrite(w->text, 1, w->n, stdout);
    w->n = 0;
}

static void put(MapWriter *w, const char *word)
{
    w->n = stpcpy(w->text + w->n, word) - w->text;
}

static void put_decimal(MapWriter *w, int64_t value)
{
    char digits[24], *p = digits + sizeof(digits) - 1;

    *p = 0;
    do {
        *--p = '0' + value % 10;          /* none is negative */
    } while (value /= 10);
    put(w, p);
}

/* A column of 16 letters. */
static void put_hex(MapWriter *w, uint64_t value)
{
    char digits[17] = { 0 }, *p = digits + sizeof(digits) - 1;
    size_t start = w->n;

    do {
        *--p = "0123456789abcdef"[value & 15];
    } while (value >>= 4);
    put(w, strcmp(p, "0") ? "0x" : "");
    put(w, p);
    while (w->n - start < 16) {
        w->text[w->n++] = ' ';
    }
}

static int write_human(MapWriter *w, const MapEntry *e)
{
    if (!e->data || e->zero) {
        return 0;
    }
    if (!e->has_offset) {
        write_out(w);
        error_report("File contains external, encrypted or compressed clusters.");
        return -EIO;
    }
    put_hex(w, e->start);
    put_hex(w, e->length);
    put_hex(w, e->offset);
    if (e->file && strlen(e->file) >= LINE_MAX_BYTES) {
        write_out(w);
        fputs(e->file, stdout);
    } else {
        put(w, e->file ? e->file : "");
    }
    put(w, "\n");
    return 0;
}

static void write_json(MapWriter *w, const MapEntry *e)
{
    static const char *const word[] = { "false", "true" };

    put(w, w->some ? ",\n{ \"start\": " : "{ \"start\": ");
    put_decimal(w, e->start);
    put(w, ", \"length\": ");
    put_decimal(w, e->length);
    put(w, ", \"depth\": ");
    put_decimal(w, e->depth);
    put(w, ", \"present\": ");
    put(w, word[e->present]);
    put(w, ", \"zero\": ");
    put(w, word[e->zero]);
    put(w, ", \"data\": ");
    put(w, word[e->data]);
    if (e->has_offset) {
        put(w, ", \"offset\": ");
        put_decimal(w, e->offset);
    }
    put(w, "}");
    w->some = true;
}

static int write_entry(MapWriter *w, const MapEntry *e)
{
    if (w->n + 2 * LINE_MAX_BYTES > sizeof(w->text)) {
        write_out(w);
    }
    if (w->json) {
        write_json(w, e);
        return 0;
    }
    return write_human(w, e);
}

/* --- walk ------------------------------------------------------------------------------------ */

typedef struct MapJob {
    BlockDriverState *bs;
    int64_t start, end;
    MapWriter *w;
    int ret;
} MapJob;

/* Entries that continue each other become one. */
static int write_map(const MapJob *j)
{
    MapEntry whole = { .start = j->start };
    int ret = 0;

    for (int64_t at = j->start; at < j->end; at = whole.start + whole.length) {
        MapEntry e;

        ret = query_entry(j->w, j->bs, at, j->end - at, &e);
        if (ret < 0) {
            write_out(j->w);
            error_report("Could not read file metadata: %s", strerror(-ret));
            return ret;
        }
        if (can_merge(&whole, &e)) {
            whole.length += e.length;
            continue;
        }
        ret = whole.length ? write_entry(j->w, &whole) : 0;
        if (ret < 0) {
            return ret;
        }
        whole = e;
    }
    return write_entry(j->w, &whole);
}

static void coroutine_fn map_entry(void *opaque)
{
    MapJob *j = opaque;

    j->ret = write_map(j);
    write_out(j->w);
}

static int map_image(const char *filename, const ImgOpen *how, int64_t start, int64_t max_length, bool json)
{
    AUTO_BLK blk = img_open(filename, how);
    g_autofree MapWriter *w = g_new0(MapWriter, 1);
    MapJob job = { .start = start, .w = w };
    int64_t end;

    if (!blk) {
        return EXIT_FAILURE;
    }
    if (json) {
        putchar('[');
    } else {
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
    w->json = json;
    job.bs = blk_bs(blk);
    job.end = end;
    co_run_sync(map_entry, &job);
    if (job.ret < 0) {
        return EXIT_FAILURE;
    }
    if (json) {
        puts("]");
    }
    return EXIT_SUCCESS;
}

int img_map(int argc, char **argv)
{
    const char *output = NULL, *filename;
    int64_t start = 0, max_length = -1;
    ImgOpen how = { 0 };
    bool json;
    const ImgOpt opts[] = {
        { 'f', "format", IMG_OPT_STR, &how.fmt },
        { 's', "start-offset", IMG_OPT_SIZE, &start, .what = "start offset" },
        { 'l', "max-length", IMG_OPT_SIZE, &max_length, .what = "max length" },
        { 0, "output", IMG_OPT_STR, &output },
        { 0, "object", IMG_OPT_OBJECT, NULL },
        { 0, "image-opts", IMG_OPT_FLAG, &how.image_opts },
        { 'U', "force-share", IMG_OPT_FLAG, &how.force_share },
        IMG_OPTS_END,
    };
    int i = img_parse(argc, argv, opts);

    filename = img_one_filename(argc, argv, i);
    json = img_output_is_json(output);
    if (img_format_conflict(how.image_opts, how.fmt)) {
        return EXIT_FAILURE;
    }
    return map_image(filename, &how, start, max_length, json);
}
