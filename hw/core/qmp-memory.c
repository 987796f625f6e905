/*
 * QMP: memory as a whole: sizes, backends, blocks, copies to files.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include "hw/machine.h"
#include "machine/memory.h"
#include "qapi/commands-machine.h"
#include "util/cutils.h"

MemoryInfo *qmp_query_memory_size_summary(Error **errp)
{
    MemoryInfo *info = MemoryInfo_new();

    info->base_memory = machine_current()->ram_size;
    info->has_plugged_memory = true;
    return info;
}

MemoryDeviceInfoList *qmp_query_memory_devices(Error **errp) { return MemoryDeviceInfoList_new(); }

MemdevList *qmp_query_memdev(Error **errp)
{
    Object *objects = object_container("/objects");
    MemdevList *list = MemdevList_new();

    for (guint i = 0; objects->children && i < objects->children->len; i++) {
        Object *o = ((ObjectChild *)g_ptr_array_index(objects->children, i))->obj;
        HostMem *m = (HostMem *)o;
        Memdev *info;

        if (!object_is_a(o, "memory-backend")) {
            continue;
        }
        info = Memdev_new();
        info->id = g_strdup(o->name);
        info->size = m->size;
        info->merge = m->merge;
        info->dump = m->dump;
        info->prealloc = m->prealloc;
        info->share = m->share;
        info->has_reserve = true;
        info->reserve = m->reserve;
        info->host_nodes = intList_new();
        info->policy = (HostMemPolicy)m->policy;
        MemdevList_append(list, info);
    }
    return list;
}

/* Ends early where writing fails; what is no memory reads as zeroes, unless each byte must be there. */
static void save_memory(uint64_t addr, int64_t size, const char *filename, bool must_exist, Error **errp)
{
    FILE *f = fopen(filename, "wb");
    uint64_t at = addr, left = size < 0 ? 0 : size;
    uint8_t buf[4096];

    if (!f) {
        error_setg_errno(errp, errno, "Could not open '%s'", filename);
        return;
    }
    while (left > 0) {
        uint64_t n = MIN(left, sizeof(buf)), len = n;

        if (must_exist && !mem_ram_ptr(at, &len, false, false)) {
            error_setg(errp, "Invalid addr 0x%016" PRIx64 "/size %" PRId64 " specified", addr, size);
            break;
        }
        mem_read_bytes(at, buf, n);
        if (fwrite(buf, 1, n, f) != n) {
            error_setg(errp, "An IO error has occurred");
            break;
        }
        at += n;
        left -= n;
    }
    fclose(f);
}

void qmp_pmemsave(const PmemsaveArgs *arg, Error **errp)
{
    save_memory(arg->val, arg->size, arg->filename, false, errp);
}

/* The processors stand at reset, where linear addresses are physical ones. */
void qmp_memsave(const MemsaveArgs *arg, Error **errp)
{
    int64_t cpus = machine_class(machine_current())->default_cpu_type ? machine_current()->smp.cpus : 0;
    int64_t index = arg->has_cpu_index ? arg->cpu_index : 0;

    if (index < 0 || index >= cpus) {
        error_setg(errp, "Parameter 'cpu-index' expects a CPU number");
        return;
    }
    save_memory(arg->val, arg->size, arg->filename, true, errp);
}

/* Blocks lie behind one another, each at a multiple of 64 pages. */
typedef struct PlacedBlock { const RamBlock *block; uint64_t offset; } PlacedBlock;

static int larger_first(const void *a, const void *b)
{
    const PlacedBlock *one = a, *two = b;

    return one->block->max_size > two->block->max_size ? -1 : one->block->max_size < two->block->max_size ? 1
        : one->offset > two->offset ? 1 : -1;
}

HumanReadableText *qmp_x_query_ramblock(Error **errp)
{
    const uint64_t unit = 64 * MEM_PAGE_SIZE;
    HumanReadableText *text = HumanReadableText_new();
    g_autoptr(GArray) blocks = g_array_new(false, false, sizeof(PlacedBlock));
    GString *s = g_string_new(NULL);
    uint64_t end = 0;

    for (RamBlock *b = ram_block_first(); b; b = b->next) {
        PlacedBlock p = { b, ALIGN_UP(end, unit) };

        g_array_append_val(blocks, p);
        end = p.offset + b->max_size;
    }
    g_array_sort(blocks, larger_first);
    g_string_append_printf(s, "%24s %8s  %18s %18s %18s\n", "Block Name", "PSize", "Offset", "Used", "Total");
    for (guint i = 0; i < blocks->len; i++) {
        const PlacedBlock *p = &g_array_index(blocks, PlacedBlock, i);
        g_autofree char *page = size_to_str(MEM_PAGE_SIZE);

        g_string_append_printf(s, "%24s %8s  0x%016" PRIx64 " 0x%016" PRIx64 " 0x%016" PRIx64 "\n", p->block->name,
                               page, p->offset,
                               p->block->size, p->block->max_size);
    }
    text->human_readable_text = g_string_free(s, FALSE);
    return text;
}
