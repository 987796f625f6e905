/*
 * HMP: `info mtree`: what answers where, in memory and among the ports.  There is one level: no region holds others.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hmp-int.h"
#include "machine/memory.h"

#pragma weak ram_foreach_piece
#pragma weak io_region_foreach

typedef struct Line {
    uint64_t base;
    int order;                 /* as found, among those with the same base */
    char *text;
} Line;

static void line_free(void *opaque)
{
    g_free(((Line *)opaque)->text);
    g_free(opaque);
}

static int compare(const void *a, const void *b)
{
    const Line *one = *(Line *const *)a, *two = *(Line *const *)b;

    return one->base != two->base ? (one->base < two->base ? -1 : 1) : one->order - two->order;
}

static void add_line(const char *name, uint64_t base, uint64_t size, int priority, const RamBlock *block, uint64_t offset, void *opaque)
{
    GPtrArray *lines = opaque;
    Line *l = g_new0(Line, 1);
    g_autofree char *alias = block && (offset || size != block->size)
        ? g_strdup_printf(" @%016" PRIx64, offset) : g_strdup("");

    l->base = base;
    l->order = lines->len;
    l->text = g_strdup_printf("%016" PRIx64 "-%016" PRIx64 " (prio %d, %s): %s%s", base, base + size - 1, priority, block ? "ram" : "i/o",
                              name, alias);
    g_ptr_array_add(lines, l);
}

static void print_space(Monitor *mon, const char *space, const char *root, uint64_t last, GPtrArray *lines)
{
    g_ptr_array_sort(lines, compare);
    monitor_printf(mon, "address-space: %s\n  %016x-%016" PRIx64 " (prio 0, i/o): %s\n", space, 0, last, root);
    for (guint i = 0; i < lines->len; i++) {
        monitor_printf(mon, "    %s\n", ((Line *)g_ptr_array_index(lines, i))->text);
    }
    monitor_printf(mon, "\n");
}

static void print_blocks(Monitor *mon)
{
    for (const RamBlock *b = ram_block_first(); b; b = b->next) {
        monitor_printf(mon, "memory-region: %s\n  %016x-%016" PRIx64 " (prio 0, ram): %s\n\n", b->name, 0, b->size - 1, b->name);
    }
}

void hmp_info_mtree(Monitor *mon, const QDict *args)
{
    g_autoptr(GPtrArray) memory = g_ptr_array_new_with_free_func(line_free), ports = g_ptr_array_new_with_free_func(line_free);

    ram_foreach_piece(add_line, memory);
    io_region_foreach(IO_SPACE_MEM, add_line, memory);
    io_region_foreach(IO_SPACE_PORT, add_line, ports);
    print_space(mon, "memory", "system", UINT64_MAX, memory);
    print_space(mon, "I/O", "io", 0xffff, ports);
    print_blocks(mon);
}
