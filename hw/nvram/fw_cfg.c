/*
 * The fw_cfg device: a selector (port 0x510, 16 bits), a stream of bytes (0x511), and transfers to memory (0x514).
 *
 * Files are kept sorted by name; their numbers (0x20 on) follow that order, so they are settled when the guest runs.
 * Nothing is writable for the guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/device.h"
#include "hw/fw_cfg.h"
#include "machine/memory.h"
#include "migration/vmstate.h"

#define KEY_MASK 0xbfff        /* bit 14 once asked for writing */
#define FIRST_FILE 0x20

typedef struct FwFile {
    char *name;
    GBytes *data;
} FwFile;

typedef struct FwCfg {
    Device dev;
    bool dma_enabled, mr_restore;
    uint16_t file_slots;
    GHashTable *entries;       /* key -> GBytes */
    GPtrArray *files;          /* FwFile, by name */
    uint16_t key;
    uint32_t offset;
    uint32_t dma_high;         /* first half of the address, big endian made native */
    GBytes *directory;         /* NULL: to be made */
} FwCfg;

static FwCfg *the_device;

bool fw_cfg_present(void) { return the_device != NULL; }

void fw_cfg_set(uint16_t key, const void *data, size_t len)
{
    g_hash_table_replace(the_device->entries, GUINT_TO_POINTER((guint)key), g_bytes_new(data, len));
}

bool fw_cfg_add_file(const char *name, const void *data, size_t len, Error **errp)
{
    GPtrArray *files = the_device->files;
    guint at = 0;
    FwFile *f;

    while (at < files->len && strcmp(((FwFile *)g_ptr_array_index(files, at))->name, name) < 0) {
        at++;
    }
    if (at < files->len && !strcmp(((FwFile *)g_ptr_array_index(files, at))->name, name)) {
        error_setg(errp, "duplicate fw_cfg file name: %s", name);
        return false;
    }
    if (files->len >= the_device->file_slots) {
        error_setg(errp, "no more fw_cfg file slots");
        return false;
    }
    f = g_new0(FwFile, 1);
    f->name = g_strdup(name);
    f->data = g_bytes_new(data, len);
    g_ptr_array_insert(files, at, f);
    g_clear_pointer(&the_device->directory, g_bytes_unref);
    return true;
}

void fw_cfg_set_file(const char *name, const void *data, size_t len)
{
    for (guint i = 0; i < the_device->files->len; i++) {
        FwFile *f = g_ptr_array_index(the_device->files, i);

        if (!strcmp(f->name, name)) {
            g_bytes_unref(f->data);
            f->data = g_bytes_new(data, len);
            g_clear_pointer(&the_device->directory, g_bytes_unref);
        }
    }
}

/* Count, then for each file: size and number, big endian, two spare bytes, 56 bytes of name. */
static GBytes *directory(FwCfg *s)
{
    if (!s->directory) {
        size_t len = 4 + 64 * (size_t)s->file_slots;
        uint8_t *raw = g_malloc0(len);
        uint32_t count = GUINT32_TO_BE(s->files->len);

        memcpy(raw, &count, 4);
        for (guint i = 0; i < s->files->len; i++) {
            const FwFile *f = g_ptr_array_index(s->files, i);
            uint32_t size = GUINT32_TO_BE((uint32_t)g_bytes_get_size(f->data));
            uint16_t key = GUINT16_TO_BE((uint16_t)(FIRST_FILE + i));
            uint8_t *at = raw + 4 + 64 * i;

            memcpy(at, &size, 4);
            memcpy(at + 4, &key, 2);
            g_strlcpy((char *)at + 8, f->name, 56);
        }
        s->directory = g_bytes_new_take(raw, len);
    }
    return s->directory;
}

static GBytes *selected(FwCfg *s)
{
    uint16_t key = s->key & KEY_MASK;

    if (key == FW_CFG_FILE_DIR) {
        return directory(s);
    }
    if (key >= FIRST_FILE && key < FIRST_FILE + s->files->len) {
        return ((FwFile *)g_ptr_array_index(s->files, key - FIRST_FILE))->data;
    }
    return g_hash_table_lookup(s->entries, GUINT_TO_POINTER((guint)key));
}

static void choose(FwCfg *s, uint16_t key)
{
    s->key = key;
    s->offset = 0;
}

/* Behind the end there are zeroes. */
static uint8_t next_byte(FwCfg *s)
{
    GBytes *b = selected(s);
    size_t len = 0;
    const uint8_t *data = b ? g_bytes_get_data(b, &len) : NULL;

    return s->offset < len ? data[s->offset++] : 0;
}

/* --- ports -------------------------------------------------------------------------------------------- */

static uint64_t port_in(void *opaque, uint64_t offset, unsigned size) { return offset == 1 ? next_byte(opaque) : 0; }

static void port_out(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    if (offset == 0 && size == 2) {
        choose(opaque, value);
    }
}

static const IoOps port_ops = { .read = port_in, .write = port_out, .max_size = 2 };

enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };

/* Up to len bytes of the entry to memory, zeroes behind its end; false when that is no memory. */
static bool dma_copy(FwCfg *s, uint64_t to, uint32_t len)
{
    GBytes *b = selected(s);
    size_t have = 0, part;
    const uint8_t *data = b ? g_bytes_get_data(b, &have) : NULL;
    static const uint8_t zeroes[4096];

    part = s->offset < have ? MIN(len, have - s->offset) : 0;
    s->offset += part;
    if (part && !dma_write(to, data + s->offset - part, part)) {
        return false;
    }
    for (uint64_t done = part; done < len; ) {
        uint64_t n = MIN(len - done, sizeof(zeroes));

        if (!dma_write(to + done, zeroes, n)) {
            return false;
        }
        done += n;
    }
    return true;
}

/* The control structure: control, length, address, all big endian; the result replaces the control word. */
static void dma_run(FwCfg *s, uint64_t at)
{
    struct { uint32_t control, length; uint64_t address; } job;
    uint32_t control, result = 0;

    if (!dma_read(at, &job, sizeof(job))) {
        result = GUINT32_TO_BE(DMA_ERROR);
        dma_write(at, &result, sizeof(result));
        return;
    }
    control = GUINT32_FROM_BE(job.control);
    if (control & DMA_SELECT) {
        choose(s, control >> 16);
    }
    if (control & DMA_READ) {
        result = dma_copy(s, GUINT64_FROM_BE(job.address), GUINT32_FROM_BE(job.length)) ? 0 : DMA_ERROR;
    } else if (control & DMA_WRITE) {
        result = DMA_ERROR;
    } else if (control & DMA_SKIP) {
        GBytes *b = selected(s);
        uint64_t end = b ? g_bytes_get_size(b) : 0, to = (uint64_t)s->offset + GUINT32_FROM_BE(job.length);

        s->offset = MIN(to, MAX(end, s->offset));
    }
    result = GUINT32_TO_BE(result);
    dma_write(at, &result, sizeof(result));
}

/* Reading tells that this interface is there. */
static uint64_t dma_in(void *opaque, uint64_t offset, unsigned size)
{
    static const char signature[] = "QEMU CFG";
    uint64_t v = 0;

    for (unsigned i = 0; i < size && offset + i < 8; i++) {
        v |= (uint64_t)(uint8_t)signature[offset + i] << (8 * i);
    }
    return v;
}

static void dma_out(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    FwCfg *s = opaque;

    if (size == 4 && offset == 0) {
        s->dma_high = GUINT32_SWAP_LE_BE((uint32_t)value);
    } else if (size == 4 && offset == 4) {
        uint64_t at = (uint64_t)s->dma_high << 32 | GUINT32_SWAP_LE_BE((uint32_t)value);

        s->dma_high = 0;
        dma_run(s, at);
    }
}

static const IoOps dma_ops = { .read = dma_in, .write = dma_out, .max_size = 4 };

/* --- device ------------------------------------------------------------------------------------------- */

static void file_free(void *opaque)
{
    FwFile *f = opaque;

    g_free(f->name);
    g_bytes_unref(f->data);
    g_free(f);
}

static bool fw_realize(Device *d, Error **errp)
{
    FwCfg *s = (FwCfg *)d;
    uint32_t id = 1 | (s->dma_enabled ? 2 : 0);

    the_device = s;
    s->entries = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_bytes_unref);
    s->files = g_ptr_array_new_with_free_func(file_free);
    fw_cfg_set(FW_CFG_SIGNATURE, "QEMU", 4);
    fw_cfg_set(FW_CFG_ID, &id, sizeof(id));
    io_region_map(io_region_new(IO_SPACE_PORT, "fwcfg", 2, &port_ops, s), 0x510, 0);
    if (s->dma_enabled) {
        io_region_map(io_region_new(IO_SPACE_PORT, "fwcfg.dma", 8, &dma_ops, s), 0x514, 0);
    }
    return true;
}

static void fw_reset(Device *d)
{
    choose((FwCfg *)d, 0);
    ((FwCfg *)d)->dma_high = 0;
}

typedef struct FwWire {
    uint16_t cur_entry;
    uint32_t cur_offset;
    uint64_t dma_addr, table_mr_size, linker_mr_size, rsdp_mr_size;
    bool has_dma;
} FwWire;

static void fw_save(void *obj, void *wire)
{
    const FwCfg *s = obj;
    FwWire *w = wire;

    w->cur_entry = s->key;
    w->cur_offset = s->offset;
    w->dma_addr = (uint64_t)s->dma_high << 32;
    w->has_dma = s->dma_enabled;
}

static bool fw_load(void *obj, const void *wire, Error **errp)
{
    const FwWire *w = wire;
    FwCfg *s = obj;

    s->key = w->cur_entry;
    s->offset = w->cur_offset;
    s->dma_high = w->dma_addr >> 32;
    return true;
}

static bool dma_needed(const void *wire) { return ((const FwWire *)wire)->has_dma; }
static bool sizes_needed(const void *wire) { return false; }
static const VmField dma_fields[] = { VMF(FwWire, dma_addr, "uint64"), { NULL } };
static const VmDesc dma_desc = { .name = "fw_cfg/dma", .fields = dma_fields, .needed = dma_needed };
/* Tables of a firmware: there are none here. */
static const VmField sizes_fields[] = {
    VMF(FwWire, table_mr_size, "uint64"), VMF(FwWire, linker_mr_size, "uint64"), VMF(FwWire, rsdp_mr_size, "uint64"),
        { NULL }
};
static const VmDesc sizes_desc = {
    .name = "fw_cfg/acpi_mr", .version = 1, .min_version = 1, .fields = sizes_fields, .needed = sizes_needed,
};
static const VmDesc *const fw_subsections[] = { &dma_desc, &sizes_desc, NULL };
static const VmField fw_fields[] = {
    VMF(FwWire, cur_entry, "uint16"), VMFN("cur_offset", "uint32", FwWire, cur_offset), { NULL }
};
static const VmDesc fw_vmstate = {
    .name = "fw_cfg", .version = 2, .min_version = 2, .size = sizeof(FwWire), .fields = fw_fields,
    .subsections = fw_subsections,
    .save = fw_save, .load = fw_load,
};

static const Property fw_props[] = {
    P_BOOL("dma_enabled", FwCfg, dma_enabled, true), P_NUM("x-file-slots", PROP_U16, FwCfg, file_slots, 0x20),
    P_BOOL("acpi-mr-restore", FwCfg, mr_restore, true), { NULL }
};
static const DeviceClass fw_class = {
    .bus_type = "System", .no_user = true, .no_hotplug = true, .category = DEVICE_UNCATEGORIZED,
    .vmstate = &fw_vmstate, .realize = fw_realize, .reset = fw_reset,
};
static const TypeInfo fw_base = { .name = "fw_cfg", .parent = "device", .abstract = true, .size = sizeof(FwCfg) };
QOM_TYPE(fw_base)
static const TypeInfo fw_type = {
    .name = "fw_cfg_io", .parent = "fw_cfg", .size = sizeof(FwCfg), .props = fw_props, .class_data = &fw_class,
};
QOM_TYPE(fw_type)
