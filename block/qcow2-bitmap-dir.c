/*
 * The bitmap directory of a qcow2 image: parsing, checking and building it.  Pure.
 *
 * An entry: table offset (8), table entries (4), flags (4), type (1), granularity bits (1), name
 * length (2), extra data length (4), extra data, name, padding to 8.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "qcow2-bitmap-dir.h"

#define FIXED_BYTES 24
#define TYPE_DIRTY_TRACKING 1
#define KNOWN_FLAGS (QCOW2_BITMAP_IN_USE | QCOW2_BITMAP_AUTO)
#define MAX_TABLE_ENTRIES 0x8000000u

static void entry_clear(void *data)
{
    g_clear_pointer(&((Qcow2BitmapEntry *)data)->name, g_free);
}

GArray *qcow2_bitmap_list_new(void)
{
    GArray *list = g_array_new(false, true, sizeof(Qcow2BitmapEntry));

    g_array_set_clear_func(list, entry_clear);
    return list;
}

uint64_t qcow2_bitmap_table_entries(const Qcow2 *q, uint64_t disk_bytes, unsigned granularity_bits)
{
    uint64_t granules = (disk_bytes >> granularity_bits) + !!(disk_bytes & ((1ULL << granularity_bits) - 1));

    return qcow2_clusters_for(q, DIV_UP(granules, 8));
}

static bool entry_sound(const Qcow2 *q, const Qcow2BitmapEntry *e, const uint8_t *raw, uint16_t name_len)
{
    uint64_t disk = q->bs->total_bytes;

    if (!e->table_offset || qcow2_in_cluster(q, e->table_offset) || !e->table_entries ||
        e->table_entries > MAX_TABLE_ENTRIES ||
        (uint64_t)e->table_entries << q->cluster_bits > QCOW2_BITMAP_MAX_BYTES || !name_len || name_len > QCOW2_BITMAP_MAX_NAME ||
        raw[16] != TYPE_DIRTY_TRACKING || (e->flags & ~KNOWN_FLAGS) ||
        e->granularity_bits < QCOW2_BITMAP_MIN_GRANULARITY_BITS ||
        e->granularity_bits > QCOW2_BITMAP_MAX_GRANULARITY_BITS) {
        return false;
    }
    /* One that a crash left behind may be of another size: its bits are not looked at. */
    return (e->flags & QCOW2_BITMAP_IN_USE) || qcow2_bitmap_table_entries(q, disk, e->granularity_bits) <= e->table_entries;
}

/* Bytes of the entry at raw, of which left are there; 0 when it does not fit. */
static uint64_t entry_length(const uint8_t *raw, uint64_t left)
{
    uint64_t n;

    if (left < FIXED_BYTES) {
        return 0;
    }
    n = ALIGN_UP(FIXED_BYTES + (uint64_t)load_be32(raw + 20) + load_be16(raw + 18), 8);
    return n <= left ? n : 0;
}

GArray *qcow2_bitmap_dir_parse(const Qcow2 *q, const uint8_t *dir, uint64_t bytes, uint32_t nb, Error **errp)
{
    GArray *list = qcow2_bitmap_list_new();
    uint64_t at = 0;

    while (at < bytes) {
        const uint8_t *raw = dir + at;
        uint64_t n = entry_length(raw, bytes - at);
        uint32_t extra = n ? load_be32(raw + 20) : 0;
        uint16_t name_len = n ? load_be16(raw + 18) : 0;
        Qcow2BitmapEntry e;

        if (list->len == nb) {
            error_setg(errp, "More bitmaps found than specified in header extension");
            break;
        }
        if (!n) {
            error_setg(errp, "Broken bitmap directory");
            break;
        }
        if (extra) {
            error_setg(errp, "Bitmap extra data is not supported");
            break;
        }
        e = (Qcow2BitmapEntry){ .table_offset = load_be64(raw), .table_entries = load_be32(raw + 8),
                                .flags = load_be32(raw + 12), .granularity_bits = raw[17] };
        if (!entry_sound(q, &e, raw, name_len)) {
            error_setg(errp, "Bitmap '%.*s' doesn't satisfy the constraints", (int)name_len, (const char *)raw + FIXED_BYTES);
            break;
        }
        e.name = g_strndup((const char *)raw + FIXED_BYTES, name_len);
        g_array_append_val(list, e);
        at += n;
    }
    if (at >= bytes && list->len == nb) {
        return list;
    }
    if (at >= bytes) {
        error_setg(errp, "Less bitmaps found than specified in header extension");
    }
    g_array_unref(list);
    return NULL;
}

uint64_t qcow2_bitmap_entry_bytes(const char *name)
{
    return ALIGN_UP(FIXED_BYTES + strlen(name), 8);
}

uint64_t qcow2_bitmap_dir_bytes(const GArray *list)
{
    uint64_t bytes = 0;

    for (guint i = 0; i < list->len; i++) {
        bytes += qcow2_bitmap_entry_bytes(g_array_index(list, Qcow2BitmapEntry, i).name);
    }
    return bytes;
}

void qcow2_bitmap_dir_build(const GArray *list, uint8_t *dir)
{
    memset(dir, 0, qcow2_bitmap_dir_bytes(list));
    for (guint i = 0; i < list->len; i++) {
        const Qcow2BitmapEntry *e = &g_array_index(list, Qcow2BitmapEntry, i);
        size_t name_len = strlen(e->name);

        store_be64(dir, e->table_offset);
        store_be32(dir + 8, e->table_entries);
        store_be32(dir + 12, e->flags);
        dir[16] = TYPE_DIRTY_TRACKING;
        dir[17] = e->granularity_bits;
        store_be16(dir + 18, name_len);
        memcpy(dir + FIXED_BYTES, e->name, name_len);
        dir += qcow2_bitmap_entry_bytes(e->name);
    }
}
